"""The groups of a graph compute what the function computes: run by the interpreter, without any engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import interpreter
import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from random_programs import RandomProgram, random_programs

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.canonical.canonicalize import canonicalize
from tinygrad_lite.lift.checking import tolerance
from tinygrad_lite.lift.grouping.grouping import group_nodes
from tinygrad_lite.lift.ir.groups import Group, Groups, Output, all_of
from tinygrad_lite.lift.tracing.results import take_apart_results
from tinygrad_lite.lift.tracing.trace import Graph, make_graph
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import CONSTANT_CODE, LEAF_CODE
from tinygrad_lite.trace_mode import tracing


@dataclass
class Found:
    """What the passes up to the groups give for one function."""

    program: Groups
    graph: Graph


def groups_of(function: Callable[..., Any], arguments: Sequence[Any]) -> Found:
    """The groups of a function of arrays and numbers: trace, canonical form, grouping, and nothing else."""
    inputs = [[Value(float(x)) for x in np.ravel(argument)] for argument in arguments]
    given = []
    for argument, values in zip(arguments, inputs, strict=True):
        array = np.empty(np.shape(argument), dtype=object)
        array.ravel()[:] = values
        given.append(array if np.ndim(argument) else values[0])
    with tracing([value for values in inputs for value in values]):
        results = take_apart_results(function(*given), "f")
    graph = make_graph(results.release())
    owner = {id(value): (k, place) for k, values in enumerate(inputs) for place, value in enumerate(values)}
    found = [owner.get(id(leaf), (-1, 0)) for leaf in graph.leaves]
    unit, place = (np.array([pair[k] for pair in found], dtype=np.intp) for k in (0, 1))
    graph.codes[: len(found)] = np.where(unit >= 0, LEAF_CODE, CONSTANT_CODE)
    simple = canonicalize(graph)
    groups = [Group("input", np.shape(argument), path=f"x{k}") for k, argument in enumerate(arguments)]
    grouping = group_nodes(simple, groups, unit, place, [shape or () for shape in results.shapes])
    refs = grouping.locate_results()
    grouping.program.outputs = [Output(shape, ref) for shape, ref in zip(results.shapes, refs, strict=True)]
    return Found(grouping.program, graph)


def run(program: Groups, arguments: Sequence[Any]) -> list[Any]:
    return interpreter.run(program, [np.asarray(x, dtype=float) for x in arguments])


def eager(function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
    taken = take_apart_results(function(*arguments), "f")
    return [
        np.array([v.data for v in nodes]).reshape(s or ()) for nodes, s in zip(taken.nodes, taken.shapes, strict=True)
    ]


def elements(program: Groups, arguments: Sequence[Any]) -> list[Any]:
    """The array of every group."""
    outputs = [
        Output(group.shape or None, all_of(number, len(group.shape))) for number, group in enumerate(program.groups)
    ]
    return run(replace(program, outputs=outputs), arguments)


def compare(function: Callable[..., Any], found: Found, arguments: Sequence[Any]) -> None:
    """The groups against the function; where the function amplifies rounding, by how much it does."""
    truth = eager(function, arguments)
    results = run(found.program, arguments)
    assert [np.shape(a) for a in results] == [a.shape for a in truth]
    if tolerance.find_largest_difference(results, truth).relative <= tolerance.TOLERANCE:
        return
    arrays = [np.asarray(x, dtype=float) for x in arguments]
    bounds = tolerance.measure_rounding(lambda xs: eager(function, [x if x.ndim else float(x) for x in xs]), arrays)
    cancelled = 1e-13 * np.abs(found.graph.numbers).max()  # what should be 0 is the rounding of what cancels
    for ours, expected, bound in zip(results, truth, bounds, strict=True):
        allowed = cancelled + tolerance.TOLERANCE * np.abs(expected).max() + tolerance.AMPLIFIED * bound.max()
        assert (np.abs(ours - expected) <= allowed).all()


def check(function: Callable[..., Any], arguments: Sequence[Any], *more: Sequence[Any]) -> Groups:
    """All that must hold of the groups of a function."""
    found = groups_of(function, arguments)
    for numbers_given in (arguments, *more):
        compare(function, found, numbers_given)
    for number, group in enumerate(found.program.groups):
        for ref in group.refs():
            assert ref.group < number, "a group reads what comes after it"
        assert not group.batched
    assert [found.program.groups[number].kind for number in found.program.inputs] == ["input"] * len(arguments)
    check_nodes(found, arguments)
    return found.program


def check_nodes(found: Found, arguments: Sequence[Any]) -> None:
    """The nodes that a group names hold its elements' numbers, in the trace."""
    arrays = elements(found.program, arguments)
    scale = np.abs(found.graph.numbers[np.isfinite(found.graph.numbers)]).max(initial=1.0)
    for group, array in zip(found.program.groups, arrays, strict=True):
        if group.nodes is None:
            continue
        assert group.nodes.shape == (group.size,)
        named = group.nodes >= 0
        np.testing.assert_allclose(
            np.ravel(array)[named], found.graph.numbers[group.nodes[named]], rtol=1e-9, atol=1e-9 * scale
        )
        if group.present is not None:
            assert group.present.shape == group.shape
            assert group.present.ravel()[named].all()


_DRAWN = settings(
    max_examples=settings().max_examples * 2 // 5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def holds(drawn: RandomProgram) -> None:
    note(repr(drawn))
    function = drawn.function()
    arguments = [[np.asarray(x, dtype=float) if np.ndim(x) else x for x in one] for one in drawn.arguments]
    try:
        numbers = [array for one in arguments for array in eager(function, one)]
    except (ArithmeticError, ValueError):
        return
    if all((np.abs(array) < 1e6).all() for array in numbers):
        check(function, *arguments)


@_DRAWN
@given(random_programs(transforms=False, batches=False))
def test_groups_run_by_the_interpreter_are_the_function_here_and_on_other_arguments(drawn):
    holds(drawn)


@_DRAWN
@given(random_programs(statements=2, batches=False))
def test_groups_of_derivatives_run_by_the_interpreter_are_the_derivatives(drawn):
    holds(drawn)


# ------------------------------------------------------------------------------------------------------ examples


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


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
