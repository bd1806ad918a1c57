"""Sums of many elements: which axes a sum keeps and which it sums over.

The scalars of a sum group are rows, and the elements that a row adds up are its entries: products of two elements, or
elements. Every entry has columns, the places that it reads (see :mod:`tinygrad_lite.lift.grouping.index_maps`).

1. A column that is the same for all entries of each row belongs to the rows: their own coordinates are found from these
   columns. Where rows cannot be told apart by them, differences of columns help (output i of a convolution reads
   inputs i + k with weights k), and the first place that a row reads (windows of pooling).
2. The other columns are functions of the row's coordinates and of new ones, the reduced axes. 3. Entries that are
   missing in the box of both, such as the future in causal attention or the rim of a padded image, become a mask.

A product of W[i, k] and x[k, b], summed over k, comes out as rows (i, b) with the reduced axis k: a matrix product.
What is too irregular for that, such as the neighbours in a graph, is numbered within its row, and read through
tables.

Why it is sound: every relation is checked on every entry. Cost: a few operations on each column. What it does not
find: sums of products of three factors as one contraction, and the low rank of what it multiplies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinygrad_lite.lift.grouping.index_maps import (
    LEAST_FILL,
    SMALL,
    Grid,
    Search,
    count_distinct,
    find_used_axes,
    fit,
    flatten,
    is_within,
    rank_simplicity,
    renumber_axes,
)
from tinygrad_lite.lift.ir.groups import Booleans, Index, Integers

#: Multiples in which one column may move against another: strides and dilations of windows.
_RATIOS = (1, -1, 2, -2, 3, -3, 4, -4)


@dataclass(eq=False)
class Entries:
    """One part of the rows' entries: those that read the same groups.

    Attributes:
        owners: The row of each entry, ascending.
        columns: For each column the place that each entry reads.
        limits: The size of the axis that each column reads along.
        counts: How many entries each row has.
        spare: Which number each entry reads, for each factor that is a constant: it helps where the places that rows
            read do not tell them apart.
    """

    owners: Integers
    columns: list[Integers]
    limits: list[int]
    counts: Integers
    spare: list[Integers] = field(default_factory=list)

    @property
    def starts(self) -> Integers:
        """Where each row's entries begin."""
        return np.cumsum(self.counts) - self.counts

    def select_rows(self, rows: Integers) -> tuple[Entries, Integers]:
        """Select the entries of some rows, which are numbered anew; and which entries these are."""
        if len(rows) == len(self.counts):
            return self, np.arange(len(self.owners))
        number = np.full(len(self.counts), -1, dtype=np.intp)
        number[rows] = np.arange(len(rows))
        owners = number[self.owners]
        chosen = np.flatnonzero(owners >= 0)
        columns, spare = ([column[chosen] for column in kind] for kind in (self.columns, self.spare))
        return Entries(owners[chosen], columns, self.limits, self.counts[rows], spare), chosen

    def find_least(self, column: Integers) -> Integers:
        """Find the least of each row's places."""
        least = np.full(len(self.counts), np.iinfo(np.intp).max, dtype=np.intp)
        some = self.counts > 0
        least[some] = np.minimum.reduceat(column, self.starts[some])
        return least

    def is_fixed(self, column: Integers) -> bool:
        """Whether it is the same within each row."""
        return bool((column == column[self.starts[self.owners]]).all())


@dataclass(eq=False)
class Fit:
    """How one part is summed.

    Attributes:
        reduced: The sizes of the axes that are summed over; they are numbered on from the rows' axes.
        columns: The Index of each column.
        mask: Which cells of rows and reduced axes are entries, if not all.
        axes: The axes of the mask.
        cells: For each entry its place along the rows' and the reduced axes.
    """

    reduced: tuple[int, ...]
    columns: list[Index]
    mask: Booleans | None
    axes: tuple[int, ...]
    cells: list[Integers]


def split_rows(parts: Sequence[Entries], count: int) -> list[tuple[Integers, Grid]]:
    """Split rows into sets that sum along the same axes, and find the grid of each.

    Sums along the rows and along the columns of one matrix are different statements, although they read the same group.
    A row with few entries may vary in fewer columns than its siblings; it stays with them if they are a box together.
    """
    pattern = np.zeros(count, dtype=np.intp)
    bit = 0
    for part in parts:
        if len(part.owners) == count:
            continue  # one entry in each row
        rows = np.flatnonzero(part.counts)
        starts = part.starts[rows]
        for column in part.columns[: 60 - bit]:
            varies = np.maximum.reduceat(column, starts) != np.minimum.reduceat(column, starts)
            pattern[rows] |= varies.astype(np.intp) << bit
            bit += 1
    kinds = sorted(np.unique(pattern).tolist(), key=lambda kind: -kind.bit_count())
    found: list[tuple[Integers, Grid]] = []
    while kinds:
        widest = kinds.pop(0)
        narrower = [kind for kind in kinds if kind | widest == widest]
        rows = np.flatnonzero(np.isin(pattern, [widest, *narrower]))
        grid = _fit_some_rows(parts, rows)
        if narrower and not grid.regular:
            alone = np.flatnonzero(pattern == widest)
            apart = _fit_some_rows(parts, alone)
            if apart.regular:
                rows, grid, narrower = alone, apart, []
        if not grid.regular:
            grid = _fit_some_rows(parts, rows, lengths=True)
        kinds = [kind for kind in kinds if kind not in narrower]
        found.append((rows, grid))
    return found


def _fit_some_rows(parts: Sequence[Entries], rows: Integers, lengths: bool = False) -> Grid:
    return fit_rows([part.select_rows(rows)[0] for part in parts], len(rows), lengths)


def fit_rows(parts: Sequence[Entries], count: int, lengths: bool = False) -> Grid:
    """Find the grid of the rows themselves.

    Args:
        parts: Their entries.
        count: How many rows there are.
        lengths: Whether rows that nothing else tells apart may be told apart by how many entries they have.
    """
    columns: list[Integers] = []
    limits: list[int] = []
    varying: list[tuple[Entries, Integers]] = []
    for part in parts:
        if not part.counts.all():
            continue  # it does not tell those rows apart that it has no entries in
        for column, limit in zip(part.columns, part.limits, strict=True):
            if part.is_fixed(column):
                columns.append(column[part.starts])
                limits.append(limit)
            else:
                varying.append((part, column))
    if count > 1 and not are_distinct(columns, count):
        for more in _find_further_columns(parts, varying, lengths):
            columns += more
            limits += [np.iinfo(np.intp).max] * len(more)
            if more and are_distinct(columns, count):
                break
        else:
            grid = fit([np.arange(count)], [count], count)
            grid.regular = False
            return grid
    lowest = [int(column.min()) if len(column) else 0 for column in columns]
    shifted = [column - min(low, 0) for column, low in zip(columns, lowest, strict=True)]
    return fit(shifted, limits, count)


def fit_entries(part: Entries, rows: Grid) -> Fit:
    """Explain the part's columns as functions of the rows' coordinates and of reduced axes."""
    found = fit_box(part, rows)
    return found if found is not None else number_entries(part, rows)


def _find_further_columns(
    parts: Sequence[Entries], varying: list[tuple[Entries, Integers]], lengths: bool
) -> Iterator[list[Integers]]:
    """Find what else may tell rows apart: constants, differences, where each row begins, how many entries it has."""
    constants = [(part, column) for part in parts if part.counts.all() for column in part.spare]
    yield [column[part.starts] for part, column in constants if part.is_fixed(column)]
    yield _find_differences(varying)
    yield [part.find_least(column) for part, column in varying]
    yield [part.find_least(column) for part, column in constants if not part.is_fixed(column)]
    if lengths:
        yield [part.counts for part in parts]


def are_distinct(columns: Sequence[Integers], count: int) -> bool:
    """Whether no two of so many scalars have the same in all columns."""
    if not columns:
        return count <= 1
    key = np.zeros(count, dtype=np.intp)
    for column in columns:
        _, rank = np.unique(column, return_inverse=True)
        key = key * (int(rank.max()) + 1) + rank
        _, key = np.unique(key, return_inverse=True)
    return int(key.max()) + 1 == count


def _find_differences(varying: Sequence[tuple[Entries, Integers]]) -> list[Integers]:
    """Find what is the same within each row of v − ratio·u, for two columns v and u."""
    found = []
    for part, v in varying:
        for other, u in varying:
            if other is not part or u is v:
                continue
            for ratio in _RATIOS:
                difference = v - ratio * u
                few = slice(0, 64)
                starts = part.starts[part.owners[few]]
                if (difference[few] == difference[starts]).all() and part.is_fixed(difference):
                    rows = difference[part.starts]
                    if count_distinct(rows) > 1:  # rows are in the order of their code, which the coordinate keeps
                        found.append(rows if rows[0] < rows[-1] else -rows)
                    break
    return found


# ------------------------------------------------------------------------------------------------- regular sums


def fit_box(part: Entries, rows: Grid) -> Fit | None:
    """Fit entries that fill a box, or a part of one that a mask tells; None if they do not."""
    own = len(rows.shape)
    given = [coordinate[part.owners] for coordinate in rows.coordinates]
    search = Search(len(part.owners), given, rows.shape)
    order = sorted(
        range(len(part.columns)),
        key=lambda c: (not part.is_fixed(part.columns[c]), *rank_simplicity(part.columns[c]), c),
    )
    for c in order:
        index = _explain(search, part, part.columns[c], own)
        if index is None:
            return None
        search.found[c] = index
    found = search.found
    reduced = tuple(search.shape[own:])
    entries, cells = len(part.owners), rows.size * math.prod(reduced)
    present = len(part.counts) * math.prod(reduced)
    if entries < LEAST_FILL * present and present > SMALL * len(part.counts):
        return None
    shape = (*rows.shape, *reduced)
    places = flatten(search.coordinates, shape) if shape else np.zeros(entries, dtype=np.intp)
    filled = np.zeros(cells, dtype=bool)
    filled[places] = True
    if int(filled.sum()) != entries:
        return None  # two entries in one cell
    known = np.ones(shape, dtype=bool)
    if len(part.counts) < rows.size:
        rows_known = np.zeros(rows.size, dtype=bool)
        rows_known[rows.find_places()] = True
        known = np.broadcast_to(rows_known.reshape(rows.shape + (1,) * len(reduced)), shape)
    mask, axes = make_mask(filled.reshape(shape), known)
    indices = []
    for c, limit in enumerate(part.limits):
        index = found[c]
        if not is_within(index, shape, limit):
            # only cells that are masked out, or rows that nobody reads, lead outside
            grid = np.indices(shape, sparse=True)
            clipped = np.clip(np.broadcast_to(index.at(grid), shape), 0, limit - 1)
            index = make_table(clipped)
        indices.append(index)
    fitted = Fit(reduced, indices, mask, axes, list(search.coordinates))
    return _drop_trivial_axes(fitted, own)


def _explain(search: Search, part: Entries, column: Integers, own: int) -> Index | None:
    known = search.find_known(column)
    if known is not None:
        return known
    if part.is_fixed(column):
        return _tabulate_rows(search, column, own)
    whole = count_distinct(column)
    longest = int(part.counts.max())
    base = part.find_least(column)[part.owners]
    offsets = column - base
    start = search.find_affine(base)
    if start is not None and start.steps and count_distinct(offsets) < whole:
        inner = search.find_known(offsets) or search.add(offsets)
        if inner.table is None:
            return Index(start.offset + inner.offset, tuple(_add_steps(start.steps, inner.steps)))
        return None
    block = search.find_blocks(column)  # 4·h + d, where h is reduced already
    if block is not None:
        return block
    if whole > max(longest, SMALL) / LEAST_FILL:
        return None
    return search.add(column)


def _add_steps(steps: Sequence[tuple[int, int]], more: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    total = dict(steps)
    for axis, step in more:
        total[axis] = total.get(axis, 0) + step
    return sorted((axis, step) for axis, step in total.items() if step)


def _tabulate_rows(search: Search, column: Integers, own: int) -> Index | None:
    """Tabulate a column that depends on the row, in some other way than affine."""
    shape = tuple(search.shape[:own])
    table = np.full(math.prod(shape), -1, dtype=np.intp)
    table[flatten(search.coordinates[:own], shape)] = column
    return make_table(np.where(table < 0, table.max(), table).reshape(shape), (table >= 0).reshape(shape))


def make_table(table: Integers, known: Booleans | None = None) -> Index:
    """Make an Index of a table, over no more axes than it depends on."""
    squeezed, axes = _narrow(table, np.ones(table.shape, dtype=bool) if known is None else known)
    if not axes:
        return Index(int(squeezed))
    return Index(table=np.ascontiguousarray(squeezed), axes=axes)


def make_mask(filled: Booleans, known: Booleans | None = None) -> tuple[Booleans | None, tuple[int, ...]]:
    """Make a mask over no more axes than it depends on; None if no known row lacks an entry."""
    if known is None:
        known = np.ones_like(filled)
    if (filled | ~known).all():
        return None, ()
    mask, axes = _narrow(filled.astype(np.intp), known)
    return np.ascontiguousarray(mask.astype(bool)), axes


def _narrow(array: Integers, known: Booleans) -> tuple[Integers, tuple[int, ...]]:
    """Leave out the axes along which what is known of an array does not vary; 0 where nothing is known.

    One axis after the other: what is known in one place is known for a whole line once an axis is gone.
    """
    axes = []
    for axis in range(array.ndim):
        if find_used_axes(array, known, [axis]):
            axes.append(axis)
            continue
        array = np.where(known, array, np.iinfo(np.intp).min).max(axis=axis, keepdims=True)
        known = np.asarray(known.any(axis=axis, keepdims=True))
    narrow = np.where(known, array, 0)
    return narrow.reshape([narrow.shape[axis] for axis in axes]), tuple(axes)


def _drop_trivial_axes(fitted: Fit, own: int) -> Fit:
    """Leave out reduced axes of size 1."""
    kept = [axis for axis, size in enumerate(fitted.reduced) if size > 1]
    if len(kept) == len(fitted.reduced):
        return fitted
    number = {axis: axis for axis in range(own)}
    number |= {own + axis: own + place for place, axis in enumerate(kept)}
    mask, axes = fitted.mask, fitted.axes
    if mask is not None:
        gone = tuple([place for place, axis in enumerate(axes) if axis not in number])
        mask, axes = mask.squeeze(gone), tuple([number[axis] for axis in axes if axis in number])
    return Fit(
        tuple([fitted.reduced[axis] for axis in kept]),
        [renumber_axes(index, number) for index in fitted.columns],
        mask,
        axes,
        [fitted.cells[axis] for axis in sorted(number)],
    )


# ----------------------------------------------------------------------------------------------- irregular sums


def fit_ranked(part: Entries, rows: Grid) -> Fit:
    """Fit as :func:`fit_entries` does, where the order of the entries within a row counts: they are numbered in it."""
    rank = np.arange(len(part.owners)) - part.starts[part.owners]
    fitted = _fit_ranks(part, rows, rank)
    if not fitted.reduced:  # a table of one entry is a table all the same
        return Fit((1,), fitted.columns, fitted.mask, fitted.axes, [*fitted.cells, rank])
    return fitted


def number_entries(part: Entries, rows: Grid) -> Fit:
    """Give entries numbers within their rows, and read them through tables."""
    order = np.lexsort((*reversed(part.columns), part.owners))
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order)) - part.starts[part.owners]
    return _fit_ranks(part, rows, rank)


def _fit_ranks(part: Entries, rows: Grid, rank: Integers) -> Fit:
    longest = int(part.counts.max())
    shape = (*rows.shape, longest)
    cells = [*[coordinate[part.owners] for coordinate in rows.coordinates], rank]
    places = flatten(cells, shape)
    filled = np.zeros(math.prod(shape), dtype=bool)
    filled[places] = True
    box = filled.reshape(shape)
    indices = []
    search = Search(len(part.owners), cells, shape)
    for column, limit in zip(part.columns, part.limits, strict=True):
        index = search.find_affine(column)
        if index is None or not is_within(index, shape, limit):
            table = np.zeros(math.prod(shape), dtype=np.intp)
            table[places] = column
            index = make_table(table.reshape(shape), box)
        indices.append(index)
    rows_known = np.zeros(rows.size, dtype=bool)
    rows_known[rows.find_places()] = True
    known = np.broadcast_to(rows_known.reshape((*rows.shape, 1)), shape)
    mask, axes = make_mask(box, known)
    return _drop_trivial_axes(Fit((longest,), indices, mask, axes, cells), len(rows.shape))
