"""Small data sets."""

from __future__ import annotations


def xor() -> tuple[list[list[int]], list[int]]:
    """Exclusive or: four points that no straight line divides (Minsky & Papert 1969).

    Returns:
        Inputs, four lists of two numbers, and targets, four numbers; all are 0 or 1.

    >>> inputs, targets = xor()
    >>> list(zip(inputs, targets))
    [([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)]
    """
    return [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
