"""Index maps: every column of every scalar is given back, from the fewest coordinates that there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tinygrad_lite.lift.grouping.index_maps import (
    Grid,
    count_distinct,
    find_used_axes,
    fit,
    fit_row,
    flatten,
    is_within,
)


def check(grid: Grid, columns: Sequence[Any], limits: Sequence[int], count: int) -> None:
    """What must hold of any grid: it gives back the columns, and no two scalars share a place in it."""
    assert len(grid.coordinates) == len(grid.shape)
    assert len(grid.columns) == len(columns)
    for coordinate, size in zip(grid.coordinates, grid.shape, strict=True):
        assert ((coordinate >= 0) & (coordinate < size)).all()
    for index, column in zip(grid.columns, columns, strict=True):
        np.testing.assert_array_equal(np.broadcast_to(index.at(grid.coordinates), (count,)), column)
    places = np.broadcast_to(grid.find_places(), (count,))
    assert len(np.unique(places)) == count
    box = np.indices(grid.shape, sparse=True)
    for index, limit in zip(grid.columns, limits, strict=True):
        read = np.asarray(index.at(box))
        assert ((read >= 0) & (read < limit)).all(), "also what is computed along reads within the group"


@dataclass(frozen=True)
class Box:
    """A drawn box of coordinates and columns of it, with the scalars in any order."""

    shape: tuple[int, ...]
    columns: list[Any]
    limits: list[int]
    count: int


SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)
STEPS = st.sampled_from([1, 1, 1, 2, 3, -1, -2])


@st.composite
def boxes(draw: DrawFn, holes: bool) -> Box:
    shape = draw(SIZES)
    grid = [np.ravel(c) for c in np.indices(shape)]
    columns = [_line(grid[axis], draw(STEPS), draw(st.integers(0, 3))) for axis in range(len(shape))]
    columns += [_drawn_column(draw, grid, shape) for _ in range(draw(st.integers(0, 3)))]
    seed = draw(st.integers(0, 2**16))
    order = np.random.default_rng(seed).permutation(math.prod(shape))
    if holes:
        order = order[: draw(st.integers(1, len(order)))]
    columns = [columns[k][order] for k in draw(st.permutations(range(len(columns))))]
    slack = draw(st.sampled_from([0, 0, 4]))
    return Box(shape, columns, [int(column.max()) + 1 + slack for column in columns], len(order))


def _line(coordinate: Any, step: int, offset: int) -> Any:
    column = step * coordinate
    return column - column.min() + offset


def _drawn_column(draw: DrawFn, grid: Sequence[Any], shape: Sequence[int]) -> Any:
    kind = draw(st.sampled_from(["constant", "affine", "blocks", "table"]))
    if kind == "constant":
        return np.full(math.prod(shape), draw(st.integers(0, 4)))
    if kind == "table":
        axis = draw(st.integers(0, len(shape) - 1))
        table = draw(st.lists(st.integers(0, 9), min_size=shape[axis], max_size=shape[axis]))
        return np.array(table)[grid[axis]]
    if kind == "blocks":
        order = draw(st.permutations(range(len(shape))))
        return flatten([grid[axis] for axis in order], [shape[axis] for axis in order])
    return _line(sum(draw(st.sampled_from([0, 1, 2, -1])) * c for c in grid), 1, draw(st.integers(0, 3)))


@given(boxes(holes=False))
def test_a_box_is_found_again_whatever_the_order_of_its_scalars(box):
    note(f"{box}")
    grid = fit(box.columns, box.limits, box.count)
    check(grid, box.columns, box.limits, box.count)
    assert grid.regular
    assert grid.size == box.count


@given(boxes(holes=True))
def test_every_column_of_every_scalar_is_given_back_where_scalars_are_missing(box):
    note(f"{box}")
    check(fit(box.columns, box.limits, box.count), box.columns, box.limits, box.count)


@given(st.integers(1, 30).flatmap(lambda n: st.lists(st.lists(st.integers(0, 6), min_size=n, max_size=n), max_size=3)))
def test_every_column_of_every_scalar_is_given_back_where_there_is_no_rule(rows):
    columns = [np.array(row) for row in rows]
    count = len(rows[0]) if rows else 1
    limits = [7] * len(columns)
    check(fit(columns, limits, count), columns, limits, count)
    check(fit_row(columns, count), columns, limits, count)


def scalars(shape: tuple[int, ...], keep: Any = None, seed: int = 0) -> list[Any]:
    """The coordinates of a box's cells, shuffled; ``keep`` chooses some."""
    grid = [np.ravel(c) for c in np.indices(shape)]
    order = np.random.default_rng(seed).permutation(math.prod(shape))
    if keep is not None:
        order = order[np.ravel(keep)[order]]
    return [c[order] for c in grid]


def fitted(*columns: Any) -> Grid:
    grid = fit(columns, [int(c.max()) + 1 for c in columns], len(columns[0]))
    check(grid, columns, [int(c.max()) + 1 for c in columns], len(columns[0]))
    return grid


def affine(grid: Grid) -> list[tuple[int, tuple[tuple[int, int], ...]]]:
    assert all(index.table is None for index in grid.columns)
    return [(index.offset, index.steps) for index in grid.columns]


def test_an_outer_product_has_the_coordinates_of_both_operands():
    i, j = scalars((4, 3))
    grid = fitted(i, j)
    assert grid.shape == (4, 3)
    assert affine(grid) == [(0, ((0, 1),)), (0, ((1, 1),))]


def test_a_matrix_and_its_transpose_have_one_grid():
    i, j = scalars((4, 3))
    grid = fitted(i, j, j, i)
    assert grid.shape == (4, 3)
    assert affine(grid) == [(0, ((0, 1),)), (0, ((1, 1),)), (0, ((1, 1),)), (0, ((0, 1),))]


def test_a_diagonal_is_one_axis():
    (i,) = scalars((5,))
    grid = fitted(i, i)
    assert grid.shape == (5,)
    assert affine(grid) == [(0, ((0, 1),))] * 2


def test_strides_and_reversals_are_steps():
    (i,) = scalars((4,))
    grid = fitted(3 * i + 2, 7 - 2 * i)
    assert grid.shape == (4,)
    steps = sorted(step for _, ((_, step),) in affine(grid))
    assert steps in ([-2, 3], [-3, 2])


def test_heads_that_share_an_axis_are_blocks():
    t, h, d = scalars((3, 2, 4))
    grid = fitted(t, 4 * h + d, h)
    assert sorted(grid.shape) == [2, 3, 4]
    assert all(index.table is None for index in grid.columns)


def test_the_columns_of_im2col_need_no_table():
    row, tap = scalars((5, 3))
    grid = fitted(row + tap, tap, row)
    assert sorted(grid.shape) == [3, 5]
    assert all(index.table is None for index in grid.columns)


def test_a_causal_triangle_is_the_whole_matrix():
    i, j = scalars((5, 5), np.tri(5, dtype=bool))
    grid = fitted(i, j)
    assert grid.regular
    assert grid.shape == (5, 5)


def test_the_edges_of_a_graph_stand_in_a_row_and_are_read_through_tables():
    source, target = np.array([0, 3, 9, 4, 7, 1]), np.array([8, 2, 0, 5, 5, 9])
    grid = fitted(source, target)
    assert grid.shape == (6,)


def test_places_that_follow_no_rule_are_a_table_of_one_coordinate():
    i, j = scalars((3, 4))
    grid = fitted(np.array([5, 0, 3])[i], j)
    assert grid.shape in ((3, 4), (4, 3))
    (table,) = [index for index in grid.columns if index.table is not None]
    assert len(table.axes) == 1


def test_places_outside_of_the_limits_are_never_read():
    i, j = scalars((4, 4), np.add.outer(np.arange(4), np.arange(4)) < 4)
    columns, limits = [i, j, i + j], [4, 4, 4]
    check(fit(columns, limits, len(i)), columns, limits, len(i))


@given(st.integers(0, 599), st.sampled_from([lambda i: i, lambda i: 2 * i, lambda i: i // 2, lambda i: (i * i) % 7]))
def test_a_rule_that_all_scalars_but_one_follow_is_no_rule(odd, rule):
    i = np.arange(600)
    column = rule(i).copy()
    column[odd] += 1
    limits = [600, int(column.max()) + 1]
    check(fit([i, column], limits, 600), [i, column], limits, 600)
    check(fit([i // 20, i % 20, column], [30, 20, limits[1]], 600), [i // 20, i % 20, column], [30, 20, limits[1]], 600)


def test_one_scalar_has_no_axes():
    grid = fit([np.array([3]), np.array([1])], [4, 2], 1)
    assert grid.shape == ()
    assert grid.size == 1
    check(grid, [np.array([3]), np.array([1])], [4, 2], 1)


def test_scalars_that_no_column_tells_apart_are_in_a_row():
    grid = fit([np.zeros(3, dtype=int)], [1], 3)
    assert grid.shape == (3,)
    check(grid, [np.zeros(3, dtype=int)], [1], 3)


@given(st.lists(st.one_of(st.integers(0, 9), st.integers(-(10**9), 10**9)), max_size=20))
def test_distinct_numbers_are_counted(numbers):
    assert count_distinct(np.array(numbers, dtype=np.intp)) == len(set(numbers))


@pytest.mark.parametrize("shape", [(2, 3), (1, 4), (3, 1, 2)])
def test_the_axes_that_an_array_uses_are_those_along_which_it_varies(shape):
    grid = np.indices(shape)
    for axis, size in enumerate(shape):
        assert find_used_axes(grid[axis]) == ([axis] if size > 1 else [])
    assert find_used_axes(np.zeros(shape)) == []
    whole = np.arange(math.prod(shape)).reshape(shape)
    assert find_used_axes(whole) == [axis for axis, size in enumerate(shape) if size > 1]
    first = np.zeros(shape, dtype=bool)
    first[(0,) * len(shape)] = True
    assert find_used_axes(whole, first) == []


@given(boxes(holes=False))
def test_within_is_whether_every_cell_reads_inside(box):
    grid = fit(box.columns, box.limits, box.count)
    cells = np.indices(grid.shape, sparse=True)
    for index in grid.columns:
        for limit in range(12):
            read = np.asarray(index.at(cells))
            assert is_within(index, grid.shape, limit) == bool(((read >= 0) & (read < limit)).all())
