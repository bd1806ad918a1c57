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
    """What a term fills, from ``start`` up to ``stop`` along an axis; no term: zeros."""

    term: Term | None
    axis: int
    start: int
    stop: int


def find_join(group: Group) -> Join | None:
    """Find the slices that the terms of a sum fill; None, if some meet in an element, or are too many.

    >>> from tinygrad_lite.lift.ir.groups import Ref
    >>> inner = (Index(0, ((1, 1),)), Index(0, ((2, 1),)))
    >>> terms = tuple([Term((Ref(row, inner),), mask=np.arange(2) == row, axes=(0,)) for row in (1, 0)])
    >>> [(part.shape, part.terms[0].factors[0].group) for part in find_join(Group("sum", (2, 4, 3), terms=terms)).parts]
    [((4, 3), 0), ((4, 3), 1)]
    """
    if group.over or len(group.terms) < 2:
        return None
    found = [piece for term in group.terms for piece in _find_slices(term, group)]
    axis = found[0].axis
    if axis < 0 or any(piece.axis != axis for piece in found) or len(found) > 2 * len(group.terms):
        return None
    slices, end = [], 0
    for piece in sorted(found, key=lambda piece: piece.start):
        if piece.start < end:
            return None
        slices += [_Slice(None, axis, end, piece.start)] if piece.start > end else []
        slices.append(piece)
        end = piece.stop
    slices += [_Slice(None, axis, end, group.shape[axis])] if end < group.shape[axis] else []
    stacked = len(slices) == group.shape[axis]
    return Join(axis, [_cut(group, piece, stacked) for piece in slices], stacked)


def _find_slices(term: Term, group: Group) -> list[_Slice]:
    """Find the slices that a term fills; axis -1, if there are none."""
    mask = find_mask(term, group.shape + term.reduced)
    if mask is None or len(mask[1]) != 1 or mask[1][0] >= len(group.shape):
        return [_Slice(term, -1, 0, 0)]
    filled, (axis,) = mask
    ends = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]])))
    return [_Slice(term, axis, int(start), int(stop)) for start, stop in ends.reshape(-1, 2)]


def _cut(group: Group, piece: _Slice, stacked: bool) -> Group:
    """Make the group that is a slice of another."""
    axis = piece.axis
    sizes = [piece.stop - piece.start if k == axis else size for k, size in enumerate(group.shape)]
    if stacked:
        del sizes[axis]
    terms: tuple[Term, ...] = ()
    if piece.term is not None:
        factors = [
            replace(ref, index=tuple([_move_index(index, piece, stacked) for index in ref.index]))
            for ref in piece.term.factors
        ]
        terms = (replace(piece.term, factors=tuple(factors), mask=None, axes=()),)
    return replace(group, shape=tuple(sizes), terms=terms, present=None, nodes=None)


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
