"""Which objects are arrays of numbers, and which arrays have rules of their own."""

from __future__ import annotations

import sys
from typing import Any


def is_array(tree: Any) -> bool:
    """Whether it is a NumPy array (without importing NumPy: if it is one, NumPy is there)."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(tree, numpy.ndarray)


def foreign(array: Any) -> str:
    """Why an array is not NumPy's own, and what to give instead; "" if it is, and for what has no more than a name.

    A subclass has rules of its own: a mask, another ``*``, units, fields. What replaces its numbers by Values, or reads
    them as floats, would leave these out.

    >>> import numpy as np
    >>> foreign(np.ones(2))
    ''
    >>> foreign(np.ma.masked_array([1.0])).split(":")[0]
    'a masked array, and nothing stands in for what is masked'
    """
    numpy = sys.modules.get("numpy")
    kind = type(array)
    if hasattr(kind, "to_numpy"):
        return f"a {kind.__name__}, whose own rules (its labels, its std and var) would be lost: give x.to_numpy()"
    if kind.__module__ == "torch" and hasattr(kind, "numpy"):
        return "a tensor of PyTorch, whose own rules (its std and var, its names) would be lost: give x.numpy()"
    if numpy is None or not isinstance(array, numpy.ndarray) or kind in (numpy.ndarray, numpy.memmap):
        return ""
    if kind.__name__ == "ValueArray":  # the array below a masked one, of tinygrad_lite.foreign.masked
        return ""
    if isinstance(array, numpy.ma.MaskedArray):
        remedy = (
            "x.compressed(), the numbers that are not masked, or x.filled(0.0) with weights that are 0 for the others"
        )
        return f"a masked array, and nothing stands in for what is masked: give {remedy}"
    if isinstance(array, numpy.matrix):
        return "a matrix, whose * is the matrix product: give numpy.asarray(x), whose matrix product is @"
    return f"a {kind.__name__}, whose own rules would be lost: give numpy.asarray(x), if it is an array of numbers"
