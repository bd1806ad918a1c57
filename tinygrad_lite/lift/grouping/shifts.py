"""Sums over a few neighbours: each neighbour is a term of its own, which is read by a slice or a roll.

The entries of such a sum are no box: a cross of four neighbours, or places that go around at the end. But each
neighbour stands at a fixed distance from the row that reads it, perhaps modulo the size of the axis. If there are no
more distances than a row has entries, each distance is a term, and no table of places is needed. What only a rim reads,
some rows have no entries of: such parts may have twice as many distances, and do not go around.

Why it is sound: the distance of every entry is computed. Cost: a few operations on each column. What it does not find:
neighbours at distances that depend on the row.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tinygrad_lite.lift.grouping.contractions import Entries, Fit, fit_box, make_mask, number_entries
from tinygrad_lite.lift.grouping.index_maps import Grid, count_distinct, is_within
from tinygrad_lite.lift.ir.groups import Index, Integers

#: Sums of more entries stay one term.
_MOST: Final = 9


def fit_terms(part: Entries, rows: Grid) -> list[tuple[Integers, Fit]]:
    """Fit a part of a sum as one term or several: for each the entries that it has, and how they are summed."""
    everything = np.arange(len(part.owners))
    found = fit_box(part, rows)
    if found is not None:
        return [(everything, found)]
    return _fit_shifts(part, rows) or [(everything, number_entries(part, rows))]


def _fit_shifts(part: Entries, rows: Grid) -> list[tuple[Integers, Fit]] | None:
    longest = int(part.counts.max())
    if not 1 < longest <= _MOST or not part.columns:
        return None
    goes_around = bool(part.counts.all())  # what only a rim has does not
    most = longest if goes_around else min(2 * longest, _MOST)
    coordinates = [coordinate[part.owners] for coordinate in rows.coordinates]
    laws = []
    for column, limit in zip(part.columns, part.limits, strict=True):
        law = _find_axis(column, limit if goes_around else 0, coordinates, rows.shape, most)
        if law is None:
            return None
        laws.append(law)
    distances = np.stack([distance for _, distance in laws])
    _, which = np.unique(distances, axis=1, return_inverse=True)
    which = which.ravel()
    count = int(which.max()) + 1
    if count > most or len(np.unique(which * len(part.counts) + part.owners)) < len(which):
        return None
    found = []
    for number in range(count):
        chosen = np.flatnonzero(which == number)
        indices = [
            _make_index(axis, int(distance[chosen[0]]), limit, rows.shape)
            for (axis, distance), limit in zip(laws, part.limits, strict=True)
        ]
        if not goes_around and any(index.table is not None for index in indices):
            return None
        found.append((chosen, _mask_rows(part.owners[chosen], indices, rows)))
    return found


def _find_axis(
    column: Integers, around: int, coordinates: list[Integers], shape: tuple[int, ...], most: int
) -> tuple[int, Integers] | None:
    """Find the axis along which a column moves, and the distance of each entry; axis −1 if it moves along none."""
    for axis, coordinate in enumerate(coordinates):
        distance = column - coordinate
        if shape[axis] == around:
            distance = distance % around
        if count_distinct(distance) <= most < shape[axis]:
            return axis, distance
    return (-1, column) if count_distinct(column) <= most else None


def _make_index(axis: int, distance: int, limit: int, shape: tuple[int, ...]) -> Index:
    """Make the Index of places at a distance; where these lie outside, they go around."""
    if axis < 0:
        return Index(distance)
    index = Index(distance, ((axis, 1),))
    if is_within(index, shape, limit):
        return index
    return Index(table=(np.arange(shape[axis]) + distance) % limit, axes=(axis,))


def _mask_rows(owners: Integers, indices: list[Index], rows: Grid) -> Fit:
    places = rows.find_places()
    filled, known = (np.zeros(rows.size, dtype=bool) for _ in range(2))
    filled[places[owners]] = True
    known[places] = True
    mask, axes = make_mask(filled.reshape(rows.shape), known.reshape(rows.shape))
    return Fit((), indices, mask, axes, [coordinate[owners] for coordinate in rows.coordinates])
