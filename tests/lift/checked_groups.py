"""The groups of a function beside the function itself, by the interpreter: no engine is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import interpreter
import numpy as np
from hypothesis import HealthCheck, note, settings
from random_programs import RandomProgram

from tinygrad_lite import Value
from tinygrad_lite.lift.canonical.canonicalize import canonicalize
from tinygrad_lite.lift.checking import tolerance
from tinygrad_lite.lift.grouping.grouping import group_nodes
from tinygrad_lite.lift.ir.groups import Group, Groups, Output, all_of
from tinygrad_lite.lift.tracing.results import take_apart_results
from tinygrad_lite.lift.tracing.trace import Graph, make_graph
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


DRAWN = settings(
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


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape)
