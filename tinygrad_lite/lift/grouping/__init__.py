"""Isomorphic scalars become groups with index maps; sums of products become contractions."""
