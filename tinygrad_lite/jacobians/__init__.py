"""All derivatives of many outputs by many inputs: what depends on what, the sweeps, and sparse matrices."""
