"""What other libraries call things and ask of a Value: PyTorch's names, NumPy's masked arrays, Python's protocols."""
