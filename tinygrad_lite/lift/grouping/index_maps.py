"""Index maps: from the places that a group's scalars read to a grid with coordinates.

A group is a set of scalars, and all that is known of one is where it reads: along each axis of each operand's group,
one number. These are the *columns*. The neuron i of sample b that reads weight row i and input b has the columns (i,
k), (k, b). This pass finds the fewest coordinates of which every column is a function:

1. A column that is an affine function of the coordinates found so far needs none of its own.
2. Nor does one need the whole of its range that moves in blocks: 4·h + d where h is known adds d alone.
3. What is left becomes a new coordinate.

If the scalars fill at least :data:`LEAST_FILL` of the box that the coordinates span, the box is the group's grid: the
causal half of an attention matrix becomes the whole matrix, whose other half is computed along and never read. If
they don't, as with the edges of a graph, the scalars stand in one row and the columns are tables.

Why it is sound: every relation is checked on every scalar before it is used. Cost: a few operations on each column for
each coordinate. What it does not find: coordinates of which a column is a product or a power.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.ir.groups import Booleans, Index, Integers

#: How much of its box a group must fill to become a grid. A triangle fills a little more than half.
LEAST_FILL = 0.45
#: Boxes of so few cells may be emptier.
SMALL = 4


@dataclass(eq=False)
class Grid:
    """A box of coordinates for some scalars.

    Attributes:
        shape: Of the box.
        coordinates: One row for each axis: the coordinate of each scalar.
        columns: The Index of each column.
        regular: Whether it is a box of coordinates, and not scalars in a row for want of one.
    """

    shape: tuple[int, ...]
    coordinates: list[Integers]
    columns: list[Index]
    regular: bool = True

    @property
    def size(self) -> int:
        """How many cells the box has."""
        return math.prod(self.shape)

    def find_places(self) -> Integers:
        """Find where each scalar stands in the box, in C order."""
        return flatten(self.coordinates, self.shape)


def flatten(coordinates: Sequence[Integers], shape: Sequence[int]) -> Integers:
    """Compute the numbers of cells in C order."""
    if not len(shape):
        return np.zeros(1, dtype=np.intp)
    places: Integers = coordinates[0]
    for column, size in zip(coordinates[1:], shape[1:], strict=True):
        places = places * size + column
    return places


def fit(columns: Sequence[Integers], limits: Sequence[int], count: int) -> Grid:
    """Find the grid of scalars whose columns these are.

    Args:
        columns: For each column the place that each scalar reads.
        limits: The size of the axis that each column reads along: places must stay below it.
        count: How many scalars there are.
    """
    search = Search(count)
    for c in sorted(range(len(columns)), key=lambda c: (*rank_simplicity(columns[c]), c)):
        search.explain(c, columns[c])
    indices = [search.found[c] for c in range(len(columns))]
    size = math.prod(search.shape)
    filled = count >= LEAST_FILL * size or size <= SMALL
    if filled and size <= 64 * max(count, 1):
        places = flatten(search.coordinates, search.shape) if search.shape else np.zeros(count, dtype=np.intp)
        inside = all(is_within(index, search.shape, limit) for index, limit in zip(indices, limits, strict=True))
        if inside and _are_unique(places, size):
            return _sort_axes(search, indices)
    return fit_row(columns, count)


def fit_row(columns: Sequence[Integers], count: int) -> Grid:
    """Put scalars along one axis, along which the columns are tables (or affine, some of them)."""
    order = np.lexsort(tuple(reversed(columns))) if columns else np.arange(count)
    rank = np.empty(count, dtype=np.intp)
    rank[order] = np.arange(count)
    indices = []
    for column in columns:
        values = column[order]
        steps = np.diff(values[:2])
        step = int(steps[0]) if len(steps) else 0
        if (np.diff(values) == step).all():
            indices.append(Index(int(values[0]) if len(values) else 0, ((0, step),) if step else ()))
        else:
            indices.append(Index(table=values, axes=(0,)))
    return Grid((count,), [rank], indices, all(index.table is None for index in indices))


class Search:
    """Coordinates found so far, and the columns that they explain.

    Attributes:
        shape: How many values each coordinate has.
        coordinates: Their values, for each scalar.
        found: The Index of each column that was explained, by the column's name.
    """

    def __init__(self, count: int, given: Sequence[Integers] = (), shape: Sequence[int] = ()) -> None:
        self.coordinates: list[Integers] = list(given)
        self.shape: list[int] = list(shape)
        self.found: dict[int, Index] = {}
        self._given = len(self.shape)
        self._sample = _draw_sample(count)

    def explain(self, name: int, column: Integers) -> None:
        """Explain a column as a function of the coordinates, with a new one if it needs it."""
        self.found[name] = self.find_known(column) or self.find_blocks(column) or self.add(column)

    def find_known(self, column: Integers) -> Index | None:
        """Explain a column as a function of the coordinates that there are, if it is one."""
        return self.find_affine(column) or self.find_table(column)

    def add(self, column: Integers) -> Index:
        """Add a new coordinate for the column."""
        values = np.unique(column)
        axis = len(self.shape)
        steps = np.diff(values)
        step = int(steps[0]) if len(steps) else 1
        self.shape.append(len(values))
        if (steps == step).all():
            self.coordinates.append((column - values[0]) // step)
            index = Index(int(values[0]), ((axis, step),) if len(values) > 1 else ())
        else:
            self.coordinates.append(np.searchsorted(values, column))
            index = Index(table=values, axes=(axis,))
        self._replace_dependent(axis)
        return index

    def _replace_dependent(self, new: int) -> None:
        """Take away a coordinate that is a function of the new one: what used it looks it up."""
        for axis in range(self._given, new):
            if not 1 < self.shape[axis] <= self.shape[new]:
                continue
            users = [name for name, index in self.found.items() if axis in index.depends_on()]
            if any(len(self.found[name].depends_on()) > 1 for name in users):
                continue
            table = self._make_table(new, self.coordinates[axis])
            if table is None:
                continue
            for name in users:
                self.found[name] = Index(table=np.asarray(self.found[name].at({axis: table})), axes=(new,))
            self.shape[axis] = 1
            self.coordinates[axis] = np.zeros_like(self.coordinates[axis])

    def find_table(self, column: Integers) -> Index | None:
        """Explain a column as table[coordinate], if one coordinate decides it."""
        total = count_distinct(column)
        for axis, size in enumerate(self.shape):
            if size >= total and size > 1:
                table = self._make_table(axis, column)
                if table is not None:
                    return Index(table=table, axes=(axis,))
        return None

    def _make_table(self, axis: int, column: Integers) -> Integers | None:
        coordinate = self.coordinates[axis]
        sample = self._sample
        table = np.zeros(self.shape[axis], dtype=np.intp)
        table[coordinate[sample]] = column[sample]
        if not (table[coordinate[sample]] == column[sample]).all():
            return None
        table[coordinate] = column
        return table if (table[coordinate] == column).all() else None

    def find_affine(self, column: Integers) -> Index | None:
        """Explain a column as offset + Σ step·coordinate, if that is what it is."""
        if not len(column):
            return Index(0)
        if not self.coordinates:
            return Index(int(column[0])) if (column == column[0]).all() else None
        sample = self._sample
        matrix = np.stack([np.ones(len(sample)), *[c[sample] for c in self.coordinates]], axis=1)
        solution = np.linalg.lstsq(matrix, column[sample].astype(float), rcond=None)[0]
        whole = np.rint(solution).astype(np.intp)
        if not (matrix.astype(np.intp) @ whole == column[sample]).all():
            return None
        prediction: Integers | int = int(whole[0])
        steps = []
        for axis, step in enumerate(whole[1:].tolist()):
            if step and self.shape[axis] > 1:
                prediction = prediction + step * self.coordinates[axis]
                steps.append((axis, step))
        if not np.all(prediction == column):
            return None
        return Index(int(whole[0]), tuple(steps))

    def find_blocks(self, column: Integers) -> Index | None:
        """Explain a column as step·coordinate + new, where the new coordinate stays within a block."""
        total = count_distinct(column)
        for axis, (coordinate, size) in enumerate(zip(self.coordinates, self.shape, strict=True)):
            if not 1 < size < total or total % size:
                continue
            least = np.full(size, np.iinfo(np.intp).max, dtype=np.intp)
            np.minimum.at(least, coordinate, column)
            step = int(least[1] - least[0])
            if step == 0 or not (np.diff(least) == step).all():
                continue
            rest = column - least[0] - step * coordinate
            if int(rest.max()) < abs(step) and count_distinct(rest) * size == total:
                inner = self.find_known(rest) or self.add(rest)
                if inner.table is None:
                    return Index(int(least[0]) + inner.offset, ((axis, step), *inner.steps))
        return None


def rank_simplicity(column: Integers) -> tuple[int, bool]:
    """Rank columns, as they are explained: few places first, and evenly spaced ones before others."""
    total = count_distinct(column)
    if total < 2:
        return total, False
    low, high = int(column.min()), int(column.max())
    return total, (high - low) % (total - 1) != 0 or bool(((column - low) % ((high - low) // (total - 1))).any())


def is_within(index: Index, shape: Sequence[int], limit: int) -> bool:
    """Whether all places of a box lie on the axis that is read."""
    if index.table is not None:
        return bool(index.table.min() >= 0 and index.table.max() < limit)
    low = index.offset + sum(min(0, step * (shape[axis] - 1)) for axis, step in index.steps)
    high = index.offset + sum(max(0, step * (shape[axis] - 1)) for axis, step in index.steps)
    return low >= 0 and high < limit


def count_distinct(column: Integers) -> int:
    """Count how many different numbers there are in it."""
    if not len(column):
        return 0
    low, high = int(column.min()), int(column.max())
    if high - low <= 4 * len(column) + 64:
        seen = np.zeros(high - low + 1, dtype=bool)
        seen[column - low] = True
        return int(seen.sum())
    return len(np.unique(column))


def find_used_axes(
    array: NDArray[np.generic], known: Booleans | None = None, among: Iterable[int] | None = None
) -> list[int]:
    """Find the axes (of those) along which an array varies where it is known.

    Any one of the others may be left out; all of them together only where everything is known.
    """
    axes = []
    for axis in range(array.ndim) if among is None else among:
        if array.shape[axis] == 1:
            continue
        if known is None:
            varies = bool((array != array.take([0], axis=axis)).any())
        else:
            low = np.where(known, array, np.iinfo(np.intp).max).min(axis=axis)
            high = np.where(known, array, np.iinfo(np.intp).min).max(axis=axis)
            varies = bool(((low != high) & known.any(axis=axis)).any())
        if varies:
            axes.append(axis)
    return axes


def _sort_axes(search: Search, indices: list[Index]) -> Grid:
    """Put axes into the order in which the columns use them; axes of size 1 go."""
    order: list[int] = []
    for index in indices:
        for axis in index.depends_on():
            if axis not in order and search.shape[axis] > 1:
                order.append(axis)
    number = {axis: place for place, axis in enumerate(order)}
    return Grid(
        tuple([search.shape[axis] for axis in order]),
        [search.coordinates[axis] for axis in order],
        [renumber_axes(index, number) for index in indices],
    )


def renumber_axes(index: Index, number: dict[int, int]) -> Index:
    """Give the axes of an index other numbers; axes without a number are those of size 1."""
    if index.table is not None:
        kept = [place for place, axis in enumerate(index.axes) if axis in number]
        dropped = tuple([place for place in range(len(index.axes)) if place not in kept])
        table = index.table.squeeze(axis=dropped) if dropped else index.table
        if not kept:
            return Index(int(table))
        return Index(table=table, axes=tuple([number[index.axes[place]] for place in kept]))
    return Index(index.offset, tuple(sorted([(number[axis], step) for axis, step in index.steps if axis in number])))


def _are_unique(places: Integers, size: int) -> bool:
    seen = np.zeros(size, dtype=bool)
    seen[places] = True
    return int(seen.sum()) == len(places)


def _draw_sample(count: int) -> Integers:
    """Draw some scalars, the first and the last among them; every run draws the same."""
    if count <= 96:
        return np.arange(count)
    rng = np.random.default_rng(count)
    return np.unique(np.concatenate([[0, 1, count - 1], rng.integers(0, count, 93)]))
