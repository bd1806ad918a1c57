"""In which pieces loops do their work: blocks of long sums, results side by side, and stretches that masks leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.ir.groups import Index, Ref, Term


def choose_block_length(size: int, most: int) -> int:
    """Choose the length of blocks: of those near ``most`` one that divides the size, if there is one."""
    return max([k for k in range(most // 2 + 1, most + 1) if size % k == 0], default=most)


def cut_last_axis(term: Term, axes: int, most: int) -> tuple[Term, Term]:
    """Cut a sum along its last reduced axis in two: whole blocks, and the last block."""
    axis, size = len(term.reduced) - 1, term.reduced[-1]
    block = choose_block_length(size, most)
    head = size - (size % block or block)

    def cut(begin: int, end: int) -> Term:
        factors = [
            Ref(factor.group, tuple([_shift(index, axes + axis, begin) for index in factor.index]), factor.flat)
            for factor in term.factors
        ]
        return Term(tuple(factors), (*term.reduced[:axis], end - begin), term.sign)

    return cut(0, head), cut(head, size)


def _shift(index: Index, axis: int, distance: int) -> Index:
    """Make an index a function of a coordinate that is counted from another place on."""
    if index.table is None:
        return Index(index.offset + distance * dict(index.steps).get(axis, 0), index.steps)
    from_there = [slice(distance, None) if other == axis else slice(None) for other in index.axes]
    return Index(table=index.table[tuple(from_there)], axes=index.axes)


def choose_tile(shape: Sequence[int], most: int) -> list[int]:
    """Choose how many coordinates of each axis make up at most so many results, evenly: the last axes first."""
    steps = []
    for size in reversed(shape):
        step = max([k for k in range(1, min(most, 4 if most > 8 else most) + 1) if size % k == 0]) if size else 1
        steps.append(step)
        most //= step
    return steps[::-1]


def find_mask_stretch(term: Term, axes: int) -> tuple[int, list[int], NDArray[Any], NDArray[Any]] | None:
    """Find a reduced axis of which the mask leaves one stretch, the axes that this depends on, its starts and ends."""
    if term.mask is None:
        return None
    for k, axis in enumerate(term.axes):
        mask = np.moveaxis(term.mask, k, -1)
        starts, ends = mask.argmax(axis=-1), mask.argmax(axis=-1) + mask.sum(axis=-1)
        places = np.arange(mask.shape[-1])
        one_stretch = (places >= starts[..., None]) & (places < ends[..., None])
        if axis >= axes and np.array_equal(mask, one_stretch):
            return axis - axes, [other for other in term.axes if other != axis], starts, ends
    return None
