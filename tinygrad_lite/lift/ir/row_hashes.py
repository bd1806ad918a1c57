"""Equal rows of a ragged array, found by a 64-bit number for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.intp]


def hash_rows(owners: Integers, entries: Integers, count: int, ordered: bool) -> NDArray[np.uint64]:
    """Compute a 64-bit number for each row of entries; rows with the same entries have the same."""
    x = entries.astype(np.uint64)
    if ordered:
        starts = np.searchsorted(owners, np.arange(count))
        x = x * np.uint64(0x9E3779B97F4A7C15) + (np.arange(len(owners)) - starts[owners]).astype(np.uint64)
    x = scramble(x)
    sums = np.zeros(count, dtype=np.uint64)
    np.add.at(sums, owners, x)
    return scramble(sums + np.bincount(owners, minlength=count).astype(np.uint64))


def scramble(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Make numbers that differ a little very different, by the finaliser of splitmix64 (Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
