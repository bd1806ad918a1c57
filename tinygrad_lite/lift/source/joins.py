"""Sums of which each term fills slices of its own along one axis, as array source: ``stack([d1 @ x.T, d2 @ a1.T])``.

So are the gradients of weights that are one array of all layers: each layer gives one row of it. A sum of masked
arrays, each as large as the whole, would take as many passes over the whole as there are layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Index, Term
from tinygrad_lite.lift.source.terms import find_mask


@dataclass(frozen=True)
class Join:
    """Slices of an array, one behind the other along an axis.

    Attributes:
        axis: That axis.
        parts: For each slice a group that is it; without the axis, if they are stacked.
        stacked: Whether each slice is one row.
    """

    axis: int
    parts: Sequence[Group]
    stacked: bool


@dataclass(frozen=True)
class _Slice:
    """What a term fills: from ``start`` up to ``stop`` along an axis."""

    term: Term
    axis: int
    start: int
    stop: int


def find_join(group: Group) -> Join | None:
    """Find the slices that the terms of a sum fill; None, if some meet in an element, or leave one out.

    >>> from tinygrad_lite.lift.ir.groups import Ref
    >>> inner = (Index(0, ((1, 1),)), Index(0, ((2, 1),)))
    >>> terms = tuple([Term((Ref(row, inner),), mask=np.arange(2) == row, axes=(0,)) for row in (1, 0)])
    >>> [(part.shape, part.terms[0].factors[0].group) for part in find_join(Group("sum", (2, 4, 3), terms=terms)).parts]
    [((4, 3), 0), ((4, 3), 1)]
    """
    if group.over or len(group.terms) < 2:
        return None
    found = [_find_slice(term, group) for term in group.terms]
    slices = sorted([piece for piece in found if piece is not None], key=lambda piece: (piece.axis, piece.start))
    if len(slices) < len(found):
        return None
    axis, end = slices[0].axis, 0
    for piece in slices:
        if piece.axis != axis or piece.start != end:
            return None
        end = piece.stop
    if end != group.shape[axis]:
        return None
    stacked = end == len(slices)
    return Join(axis, [_cut(group, piece, stacked) for piece in slices], stacked)


def _find_slice(term: Term, group: Group) -> _Slice | None:
    """Find the slice that a term fills, if it is one."""
    mask = find_mask(term, group.shape + term.reduced)
    if mask is None or len(mask[1]) != 1 or mask[1][0] >= len(group.shape):
        return None
    rows = np.flatnonzero(mask[0])
    if not len(rows) or rows[-1] - rows[0] + 1 != len(rows):
        return None
    return _Slice(term, mask[1][0], int(rows[0]), int(rows[-1]) + 1)


def _cut(group: Group, piece: _Slice, stacked: bool) -> Group:
    """Make the group that is a slice of another."""
    axis = piece.axis
    sizes = [piece.stop - piece.start if k == axis else size for k, size in enumerate(group.shape)]
    if stacked:
        del sizes[axis]
    factors = [
        replace(ref, index=tuple([_move_index(index, piece, stacked) for index in ref.index]))
        for ref in piece.term.factors
    ]
    term = replace(piece.term, factors=tuple(factors), mask=None, axes=())
    return replace(group, shape=tuple(sizes), terms=(term,), present=None, nodes=None)


def _move_index(index: Index, piece: _Slice, stacked: bool) -> Index:
    """Let coordinates along the axis of a slice count from its start; without that axis, if it is stacked."""
    axis = piece.axis
    if index.table is not None:
        kept = [place for place in index.axes if not (stacked and place == axis)]
        rows = piece.start if stacked else slice(piece.start, piece.stop)
        table = index.table[tuple([rows if place == axis else slice(None) for place in index.axes])]
        axes = tuple([place - (stacked and place > axis) for place in kept])
        return Index(table=table, axes=axes) if axes else Index(int(table))
    moved = dict(index.steps)
    offset = index.offset + moved.get(axis, 0) * piece.start
    if stacked:
        moved.pop(axis, None)
    return Index(offset, tuple([(place - (stacked and place > axis), step) for place, step in moved.items()]))
