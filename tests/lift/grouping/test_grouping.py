"""The groups of a graph compute what the function computes: run by the interpreter, without any engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checked_groups import DRAWN, check, groups_of, holds, numbers
from hypothesis import given
from random_programs import random_programs

import tinygrad_lite as tg
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.ir.groups import Group, Groups
from tinygrad_lite.operations.operation import NARY


@DRAWN
@given(random_programs(transforms=False, batches=False))
def test_groups_run_by_the_interpreter_are_the_function_here_and_on_other_arguments(drawn):
    holds(drawn)


@DRAWN
@given(random_programs(statements=2, batches=False))
def test_groups_of_derivatives_run_by_the_interpreter_are_the_derivatives(drawn):
    holds(drawn)


# ------------------------------------------------------------------------------------------------------ examples


def statements(program: Groups) -> list[Group]:
    return [group for group in program.groups if group.kind in ("map", "sum", "fold")]


def neurons(w: Any, x: Any) -> Any:
    return [tg.tanh(sum(wk * xk for wk, xk in zip(row, x, strict=True))) for row in w]


def test_isomorphic_neurons_are_one_contraction_and_one_map():
    program = check(neurons, [numbers(4, 3), numbers(3)], [numbers(4, 3, seed=1), numbers(3, seed=1)])
    contraction, activation = statements(program)
    assert (contraction.kind, contraction.shape) == ("sum", (4,))
    assert contraction.terms[0].reduced == (3,)
    assert (activation.kind, activation.op, activation.shape) == ("map", "tanh", (4,))


def test_equal_nodes_are_computed_once():
    program = check(lambda x: [tg.exp(x) + tg.sin(x), tg.exp(x) - tg.sin(x)], [0.5])
    assert [group.op for group in statements(program) if group.kind == "map"] == ["exp", "sin"]


def test_products_that_a_sum_alone_reads_are_not_computed_for_themselves():
    program = check(lambda w, x: [sum(a * b for a, b in zip(w, x, strict=True))], [numbers(4), numbers(4)])
    assert [group.kind for group in statements(program)] == ["sum"]


def test_products_that_something_else_reads_are_a_map():
    def f(w: Any, x: Any) -> Any:
        products = [a * b for a, b in zip(w, x, strict=True)]
        return [*[tg.tanh(p) for p in products], sum(products)]

    program = check(f, [numbers(4), numbers(4)])
    assert any(group.op == "mul" and group.shape == (4,) for group in statements(program))


@pytest.mark.parametrize("width", [1, 2, 5])
def test_sums_of_different_lengths_over_one_group_are_one_group(width):
    def f(x: Any) -> Any:
        return [[tg.tanh(sum(x[k][d] for k in range(i + 1))) for d in range(width)] for i in range(4)]

    program = check(f, [numbers(4, width)])
    assert [group.kind for group in statements(program)] == ["sum", "map"]


@pytest.mark.parametrize("lengths", [(1, 1, 1), (1, 2, 3), (3, 1, 1), (2, 2, 2)])
def test_a_sum_of_one_element_is_a_member_of_its_siblings(lengths):
    def f(x: Any) -> Any:
        return [tg.exp(sum(row[:n])) for row, n in zip(x, lengths, strict=True)]

    program = check(f, [numbers(3, 3)])
    assert sum(group.kind == "map" for group in statements(program)) == 1


def test_the_part_of_a_grid_that_the_graph_lacks_is_said():
    def f(x: Any) -> Any:
        return [tg.tanh(x[i] * x[j]) for i in range(4) for j in range(i + 1)]

    program = check(f, [numbers(4)])
    grids = [group.present for group in program.groups if group.present is not None]
    assert grids
    assert all(present.sum() == 10 for present in grids)


def test_lookups_read_their_tables_by_an_index_that_is_an_argument():
    def f(table: Any, index: Any) -> Any:
        return [tg.lookup(list(table), i) for i in index]

    program = check(f, [numbers(5), np.array([0.0, 3.0, 4.0])], [numbers(5, seed=1), np.array([2.0, -1.0, 0.0])])
    (fold,) = statements(program)
    assert (fold.kind, fold.op, fold.shape) == ("fold", "lookup", (3,))


def test_folds_over_different_lengths_are_one():
    def f(x: Any) -> Any:
        return [tg.prod(list(row[:n])) for row, n in zip(x, (2, 4, 3), strict=True)]

    program = check(f, [numbers(3, 4)])
    assert [group.op for group in statements(program)] == ["prod"]


def test_a_result_may_be_an_input_a_constant_or_the_same_twice():
    check(lambda x: [x[1], x[0], x[1]], [numbers(3)])
    check(lambda x: [[x[0] * 2.0, 1.5], [3.0, x[0] * 2.0]], [numbers(3)])
    check(lambda x, y: ([x, y], x * 0.0 + 1.0, y), [1.0, 2.0])


def test_a_constant_for_each_member_is_an_array_of_constants():
    program = check(lambda x: [c * xi for c, xi in zip((2.0, 3.0, 5.0), x, strict=True)], [numbers(3)])
    (product,) = statements(program)
    assert product.shape == (3,)


def test_an_operation_of_any_number_of_operands_that_is_not_of_the_table_is_refused():
    def rule(m: Any, xs: Any, z: Any) -> Any:
        return [2.0 * x for x in xs]

    squares = tg.define("sum_of_squares", lambda xs: sum(x * x for x in xs), rule, arity=NARY)
    with pytest.raises(LiftError, match="Write it with the table's operations"):
        groups_of(lambda x: squares(list(x)), [numbers(3)])
