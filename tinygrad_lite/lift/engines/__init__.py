"""What runs programs: NumPy, numba, JAX, and each operation of the table in their terms."""
