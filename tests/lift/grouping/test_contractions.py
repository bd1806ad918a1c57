"""Sums of many elements: every entry is summed exactly once, from where it stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import given, note
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tinygrad_lite.lift.grouping.contractions import Entries, Fit, fit_entries, fit_ranked, fit_rows, split_rows
from tinygrad_lite.lift.grouping.index_maps import Grid


def check(part: Entries, grid: Grid, fitted: Fit) -> None:
    """What must hold of any fit: each entry is one cell, and the mask leaves exactly the cells that are entries."""
    entries, own = len(part.owners), len(grid.shape)
    shape = (*grid.shape, *fitted.reduced)
    assert len(fitted.cells) == len(shape)
    for axis in range(own):
        np.testing.assert_array_equal(fitted.cells[axis], grid.coordinates[axis][part.owners])
    for index, column in zip(fitted.columns, part.columns, strict=True):
        np.testing.assert_array_equal(np.broadcast_to(index.at(fitted.cells), (entries,)), column)
    filled = np.zeros(shape, dtype=int)
    np.add.at(filled, tuple(fitted.cells), 1)
    assert filled.max() == 1, "two entries in one cell"
    summed = np.ones(shape, dtype=bool)
    if fitted.mask is not None:
        assert not fitted.mask.all()
        sizes = [shape[axis] if axis in fitted.axes else 1 for axis in range(len(shape))]
        assert list(fitted.axes) == sorted(fitted.axes)
        summed = np.broadcast_to(fitted.mask.reshape(sizes), shape)
    rows = np.zeros(grid.shape, dtype=bool)
    rows[tuple(grid.coordinates)] = True
    np.testing.assert_array_equal(filled[rows] == 1, summed[rows])
    cells = np.indices(shape, sparse=True)
    for index, limit in zip(fitted.columns, part.limits, strict=True):
        read = np.asarray(index.at(cells))
        assert ((read >= 0) & (read < limit)).all(), "also what is masked out is read within the group"


def checked(parts: Sequence[Entries], count: int) -> list[tuple[Grid, list[Fit]]]:
    """The sets of rows, each with its grid and how its parts are summed."""
    found = []
    seen: list[int] = []
    for rows, grid in split_rows(parts, count):
        seen += rows.tolist()
        assert len(np.unique(np.broadcast_to(grid.find_places(), (len(rows),)))) == len(rows)
        fits = []
        for whole in parts:
            part, _ = whole.select_rows(rows)
            fits.append(fit_entries(part, grid))
            check(part, grid, fits[-1])
            if len(parts) == 1:
                check_order(part, grid, fit_ranked(part, grid))
        found.append((grid, fits))
    assert sorted(seen) == list(range(count))
    return found


def check_order(part: Entries, grid: Grid, ranked: Fit) -> None:
    """A fit that keeps the order of the entries of each row has them one after the other."""
    assert len(ranked.reduced) == 1
    rank = np.arange(len(part.owners)) - part.starts[part.owners]
    np.testing.assert_array_equal(ranked.cells[-1], rank)
    for index, column in zip(ranked.columns, part.columns, strict=True):
        np.testing.assert_array_equal(np.broadcast_to(index.at(ranked.cells), (len(rank),)), column)


def entries(
    rows: tuple[int, ...],
    reduced: tuple[int, ...],
    columns: Callable[..., Sequence[Any]],
    keep: Callable[..., Any] | None = None,
    seed: int = 0,
) -> tuple[Entries, int]:
    """The entries of a box of rows and reduced axes; rows and the entries of a row stand in any order."""
    rng = np.random.default_rng(seed)
    grid = [np.ravel(c) for c in np.indices((*rows, *reduced))]
    number = rng.permutation(math.prod(rows))
    owners = np.repeat(number, math.prod(reduced))
    chosen = np.ones(len(owners), dtype=bool) if keep is None else np.ravel(keep(*grid))
    kept = np.unique(owners[chosen])  # rows without entries are none
    rank = np.full(len(number), -1)
    rank[kept] = np.arange(len(kept))
    order = rng.permutation(np.flatnonzero(chosen))
    order = order[np.argsort(rank[owners[order]], kind="stable")]
    found = [np.broadcast_to(np.asarray(column), owners.shape)[order] for column in columns(*grid)]
    owners = rank[owners[order]]
    limits = [int(column.max()) + 1 for column in found]
    return Entries(owners, found, limits, np.bincount(owners, minlength=len(kept))), len(kept)


def one(rows: tuple[int, ...], reduced: tuple[int, ...], columns: Any, keep: Any = None) -> tuple[Grid, Fit]:
    """The grid and the fit of entries whose rows all belong together."""
    for seed in range(3):
        part, count = entries(rows, reduced, columns, keep, seed)
        ((grid, (fitted,)),) = checked([part], count)
    return grid, fitted


def has_tables(fitted: Fit) -> bool:
    return any(index.table is not None for index in fitted.columns)


# ------------------------------------------------------------------------------------------------- what is drawn


@st.composite
def drawn_entries(draw: DrawFn, holes: bool) -> tuple[Entries, int]:
    rows = tuple(draw(st.lists(st.integers(1, 4), min_size=0, max_size=2)))
    reduced = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)))
    shape = (*rows, *reduced)
    choices = [draw(_columns(shape)) for _ in range(draw(st.integers(0, 2)))]
    own = [draw(st.sampled_from([1, 1, 2, -1])) for _ in shape]
    missing = draw(st.lists(st.integers(0, math.prod(shape) - 1), max_size=math.prod(shape) - 1)) if holes else []

    def columns(*grid: Any) -> list[Any]:
        found = [(c if step > 0 else c.max() - c) * abs(step) for c, step in zip(grid, own, strict=True)]
        return found + [choice(grid) for choice in choices]

    def keep(*grid: Any) -> Any:
        kept = np.ones(math.prod(shape), dtype=bool)
        kept[missing] = False
        return kept

    return entries(rows, reduced, columns, keep, draw(st.integers(0, 999)))


@st.composite
def _columns(draw: DrawFn, shape: tuple[int, ...]) -> Callable[[Sequence[Any]], Any]:
    axis = draw(st.integers(0, len(shape) - 1))
    table = np.array(draw(st.lists(st.integers(0, 6), min_size=shape[axis], max_size=shape[axis])))
    steps = draw(st.lists(st.sampled_from([0, 0, 1, 1, 2]), min_size=len(shape), max_size=len(shape)))
    affine = draw(st.booleans())

    def column(grid: Sequence[Any]) -> Any:
        if not affine:
            return table[grid[axis]]
        return sum((step * c for step, c in zip(steps, grid, strict=True)), np.zeros(math.prod(shape), dtype=int))

    return column


@given(drawn_entries(holes=False))
def test_each_entry_of_a_box_is_summed_once_without_a_mask(drawn):
    part, count = drawn
    note(f"{part}, {count} rows")
    for grid, fits in checked([part], count):
        if grid.size == len(grid.find_places()):
            assert all(fitted.mask is None for fitted in fits)


@given(drawn_entries(holes=True))
def test_each_entry_is_summed_once_where_entries_are_missing(drawn):
    part, count = drawn
    note(f"{part}, {count} rows")
    checked([part], count)


@given(st.data())
def test_each_entry_is_summed_once_where_there_is_no_rule(data):
    count = data.draw(st.integers(1, 5))
    counts = np.array(data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count)))
    parts = []
    for _ in range(data.draw(st.integers(1, 2))):
        owners = np.repeat(np.arange(count), counts)
        numbers = st.lists(st.integers(0, 6), min_size=len(owners), max_size=len(owners))
        columns = [np.array(data.draw(numbers)) for _ in range(data.draw(st.integers(1, 2)))]
        parts.append(Entries(owners, columns, [7] * len(columns), counts))
    note(f"{parts}")
    checked(parts, count)


@given(drawn_entries(holes=True))
def test_rows_alone_have_a_grid_without_two_in_one_place(drawn):
    part, count = drawn
    grid = fit_rows([part], count)
    assert len(np.unique(np.broadcast_to(grid.find_places(), (count,)))) == count


# ------------------------------------------------------------------------------------------------------ examples


def test_a_matrix_product_sums_over_the_axis_that_both_factors_have():
    grid, fitted = one((4, 3), (5,), lambda i, b, k: (i, k, k, b))
    assert sorted(grid.shape) == [3, 4]
    assert fitted.reduced == (5,)
    assert fitted.mask is None
    assert not has_tables(fitted)


def test_a_product_with_a_transpose_reads_the_same_axes_in_another_order():
    grid, fitted = one((4, 3), (5,), lambda i, b, k: (k, i, b, k))
    assert sorted(grid.shape) == [3, 4]
    assert fitted.reduced == (5,)
    assert not has_tables(fitted)


def test_the_diagonal_of_a_matrix_is_summed_along_one_axis():
    grid, fitted = one((), (5,), lambda k: (k, k))
    assert grid.shape == ()
    assert fitted.reduced == (5,)
    assert [index.steps for index in fitted.columns] == [((0, 1),)] * 2


def test_all_of_a_matrix_is_summed_along_two_axes():
    _, fitted = one((), (4, 3), lambda i, j: (i, j))
    assert sorted(fitted.reduced) == [3, 4]
    assert fitted.mask is None


def test_a_convolution_slides_over_its_input_with_stride_and_dilation():
    for stride, dilation in ((1, 1), (2, 1), (1, 2), (2, 3)):
        grid, fitted = one((2, 4), (3,), lambda o, i, k, s=stride, d=dilation: (o, k, s * i + d * k))
        assert sorted(grid.shape) == [2, 4]
        assert fitted.reduced == (3,)
        assert not has_tables(fitted)
        assert fitted.mask is None


def test_a_two_dimensional_convolution_sums_over_channels_and_both_offsets():
    grid, fitted = one((2, 3, 4), (2, 3, 2), lambda o, y, x, c, u, v: (o, c, u, v, c, y + u, x + v))
    assert sorted(grid.shape) == [2, 3, 4]
    assert sorted(fitted.reduced) == [2, 2, 3]
    assert not has_tables(fitted)


def test_the_rim_of_a_padded_input_is_a_mask():
    grid, fitted = one((5,), (3,), lambda i, k: (k, i + k - 1), lambda i, k: (i + k > 0) & (i + k <= 5))
    assert grid.shape == (5,)
    assert fitted.reduced == (3,)
    assert fitted.mask is not None
    assert fitted.mask.sum() == 13


def test_a_causal_triangle_is_a_mask():
    grid, fitted = one((6, 2), (6,), lambda i, d, j: (i, j, j, d), lambda i, d, j: j <= i)
    assert sorted(grid.shape) == [2, 6]
    assert fitted.reduced == (6,)
    assert fitted.mask is not None
    assert fitted.mask.shape == (6, 6)
    assert fitted.mask.sum() == 21


def test_windows_of_pooling_are_told_apart_by_where_they_begin():
    for stride, width in ((1, 3), (2, 2), (3, 2)):
        grid, fitted = one((4,), (width,), lambda i, k, s=stride: (s * i + k,))
        assert grid.shape == (4,)
        assert fitted.reduced == (width,)
        assert not has_tables(fitted)
        assert fitted.mask is None


def test_sums_of_rows_and_of_columns_of_one_matrix_are_different_statements():
    owners = np.repeat(np.arange(7), [3, 3, 3, 3, 4, 4, 4])
    i = np.concatenate([np.repeat(np.arange(4), 3), np.tile(np.arange(4), 3)])
    j = np.concatenate([np.tile(np.arange(3), 4), np.repeat(np.arange(3), 4)])
    found = checked([Entries(owners, [i, j], [4, 3], np.bincount(owners))], 7)
    assert sorted((grid.shape, fitted.reduced) for grid, (fitted,) in found) == [((3,), (4,)), ((4,), (3,))]
    assert all(fitted.mask is None and not has_tables(fitted) for _, (fitted,) in found)


def test_neighbours_in_a_graph_are_numbered_and_read_through_tables():
    owners = np.array([0, 0, 0, 1, 2, 2])
    source, weight = np.array([4, 1, 7, 2, 0, 5]), np.array([3, 9, 0, 1, 7, 5])
    part = Entries(owners, [source, weight], [8, 10], np.bincount(owners))
    ((grid, (fitted,)),) = checked([part], 3)
    assert grid.shape == (3,)
    assert fitted.reduced == (3,)
    assert fitted.mask is not None
    assert fitted.mask.sum() == 6


def test_one_element_a_row_is_read_and_not_summed():
    grid, fitted = one((4, 3), (), lambda i, j: (j, i))
    assert sorted(grid.shape) == [3, 4]
    assert fitted.reduced == ()


def test_a_part_with_one_entry_a_row_stands_beside_a_part_with_many():
    many, count = entries((4, 3), (5,), lambda i, b, k: (i, k, k, b))
    bias = Entries(np.arange(count), [many.columns[0][many.starts]], [4], np.ones(count, dtype=int))
    ((grid, (product, added)),) = checked([many, bias], count)
    assert sorted(grid.shape) == [3, 4]
    assert product.reduced == (5,)
    assert added.reduced == ()
