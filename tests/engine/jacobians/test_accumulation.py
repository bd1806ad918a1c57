"""Jacobians in each mode, sparse and dense, are those of a sweep from each output, and their patterns the graph's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import SparseValues, Value, grad, jacobian, where
from tinygrad_lite.jacobians.accumulation import find_rows
from tinygrad_lite.trace_mode import tracing
from tinygrad_lite.transforms import recording_derivatives

MODES = ("auto", "forward", "reverse")
#: A step of a drawn program: an operation, and which of the numbers so far are its operands.
STEPS = st.lists(
    st.tuples(st.sampled_from("+-*/sxfwdmeac"), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=25
)
#: Whole numbers often meet kinks, roots of 0 and quotients by 0.
NUMBERS = st.one_of(st.integers(-2, 2).map(float), st.floats(-3.0, 3.0))


def program(steps: Any, outputs: list[int]) -> Any:
    """A function of a list, in which little depends on much."""

    def f(x: Any) -> Any:
        found = list(x)
        for name, i, k in steps:
            a, b = found[-1 - i % len(found)], found[k % len(found)]
            if name == "x":  # 0·inf may be met behind it
                found.append(tg.sqrt(a * a))
            elif name == "w":
                found.append(where(tg.greater(a, b), tg.sqrt(tg.maximum(a - b, 0.0)), b))
            elif name == "d":
                found.append(tg.dot([a, b], [b, 2.0], a))
            else:
                found.append(
                    {
                        "+": lambda a, b: a + b,
                        "-": lambda a, b: a - b,
                        "*": lambda a, b: a * b,
                        "/": lambda a, b: a / (1.0 + b * b),
                        "s": lambda a, b: tg.sin(a),
                        "f": lambda a, b: tg.floor(a) * b,
                        "m": lambda a, b: tg.maximum(a, b),
                        "e": lambda a, b: tg.exp(tg.minimum(a, 2.0) * 300.0) * b,  # its square overflows
                        "a": lambda a, b: tg.abs(a) + 1.0,
                        "c": lambda a, b: 0.0 * a + 3.0,
                    }[name](a, b)
                )
        return [found[i % len(found)] if i % 7 else 2.0 for i in outputs]

    return f


def pattern_of(outputs: list[Any], inputs: list[Value]) -> list[list[int]]:
    """For each output the inputs to which its operations lead back, by recursion over sets."""
    known: dict[int, set[int]] = {}

    def below(node: Any) -> set[int]:
        if not isinstance(node, Value):
            return set()
        if id(node) not in known:
            found = {j for j, x in enumerate(inputs) if x is node}
            if node.op not in ("floor", "greater"):
                for parent in node.parents:
                    found |= below(parent)
            known[id(node)] = found
        return known[id(node)]

    return [sorted(below(y)) for y in outputs]


@given(STEPS, st.lists(st.integers(0, 99), max_size=6), st.lists(NUMBERS, min_size=1, max_size=5))
def test_each_mode_gives_the_jacobian_of_sweeps_from_the_outputs_and_the_pattern_of_the_graph(
    steps: Any, outputs: Any, numbers: list[float]
) -> None:
    f = program(steps, outputs)
    inputs = [Value(x) for x in numbers]
    try:
        recorded = f(inputs)
    except (ArithmeticError, ValueError):
        return
    expected = np.array(jacobian(f, mode="reverse")(numbers)).reshape(len(outputs), len(numbers))
    for mode in MODES:
        found = jacobian(f, mode=mode, sparse=True)(numbers)
        assert found.shape == expected.shape
        rows = [found.indices[i:k].tolist() for i, k in zip(found.indptr, found.indptr[1:], strict=False)]
        assert rows == pattern_of(recorded, inputs)
        check_equal(found.toarray(), expected)
        check_equal(np.array(jacobian(f, mode=mode)(numbers)).reshape(expected.shape), expected)


def check_equal(found: Any, expected: Any) -> None:
    """To rounding, and what is infinite or nan exactly."""
    scale = np.max(np.abs(expected), initial=1.0, where=np.isfinite(expected))
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * scale)


@given(STEPS, st.lists(st.integers(0, 99), min_size=1, max_size=4), st.lists(NUMBERS, min_size=1, max_size=4))
def test_derivatives_of_each_modes_jacobian_are_those_of_the_dense_one(
    steps: Any, outputs: Any, numbers: list[float]
) -> None:
    f = program([step for step in steps if step[0] != "e"], outputs)

    def of_entries(found: Any) -> Any:
        return sum((i + 1.0) * x * x for i, x in enumerate(np.ravel(found)))

    try:
        expected = grad(lambda x: of_entries(jacobian(f, mode="reverse")(x)))(numbers)
    except (ArithmeticError, ValueError):
        return
    for mode in MODES:
        found = grad(lambda x, mode=mode: of_entries(jacobian(f, mode=mode)(x)))(numbers)
        check_equal(np.array(found), np.array(expected))
        found = grad(lambda x, mode=mode: of_entries(jacobian(f, mode=mode, sparse=True)(x).toarray()))(numbers)
        check_equal(np.array(found), np.array(expected))


@pytest.mark.parametrize("mode", MODES)
def test_patterns_are_those_that_one_writes_by_hand(mode: str) -> None:
    n = 7
    x = np.linspace(0.5, 1.5, n)

    def second_differences(u: Any) -> Any:
        inner = [0.0, *u, 0.0]
        return [inner[i - 1] * inner[i + 1] + inner[i] ** 2 for i in range(1, n + 1)]

    def arrow(u: Any) -> Any:
        return [*[u[0] * u[i] + u[i] for i in range(1, n)], tg.prod(u)]

    def blocks(u: Any) -> Any:
        return np.array([[u[2 * i] * u[2 * i + 1], u[2 * i] - 1.0] for i in range(n // 2)])

    places = np.arange(n)
    banded = abs(places[:, None] - places) <= 1
    banded[0, 0] = banded[-1, -1] = True
    pointed = np.eye(n, dtype=bool)[1:]
    pointed[:, 0] = True
    pairs = [[k == 2 * i or (k == 2 * i + 1 and first) for k in range(n)] for i in range(n // 2) for first in (1, 0)]
    for f, pattern in (
        (second_differences, banded),
        (arrow, [*pointed, [True] * n]),
        (blocks, pairs),
        (lambda u: 2.0 * u, np.eye(n)),
        (lambda u: [1.0, Value(2.0)], np.zeros((2, n))),
        (lambda u: [u[0] * 0.0, tg.greater(u[1], 0.0)], [[True] + [False] * (n - 1), [False] * n]),
    ):
        found = jacobian(f, mode=mode, sparse=True)(x)
        found.data[:] = 1.0
        np.testing.assert_array_equal(found.toarray(), pattern)


def test_an_infinite_derivative_stays_where_it_is() -> None:
    def f(x: Any) -> Any:
        root = tg.sqrt(x[0])
        return [root + x[1], where(tg.greater(x[0], 0.0), root, 3.0 * x[1]) * x[2], x[1] * x[2], tg.cbrt(x[3] ** 3)]

    for mode in MODES:
        found = jacobian(f, mode=mode, sparse=True)([0.0, 2.0, 5.0, 0.0]).toarray().tolist()
        assert found == [
            [math.inf, 1.0, 0.0, 0.0],
            [0.0, 15.0, 6.0, 0.0],
            [0.0, 5.0, 2.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
        assert jacobian(f, mode=mode)([0.0, 2.0, 5.0, 0.0]) == found


def test_what_overflows_on_the_way_from_the_inputs_is_found_from_the_output() -> None:
    def f(x: Any) -> Any:
        huge = x[0] * 1e300 * 1e300  # inf, and so is its derivative
        return [where(tg.greater(x[0], 5.0), huge, x[1]), huge, x[1] * x[1]]

    expected = [[0.0, 1.0], [math.inf, 0.0], [0.0, 6.0]]
    for mode in MODES:
        assert jacobian(f, mode=mode)([1.0, 3.0]) == expected
        assert jacobian(f, mode=mode, sparse=True)([1.0, 3.0]).toarray().tolist() == expected


def trajectory(start: Any, steps: int = 40) -> Any:
    """A pendulum: each point needs all before it."""
    angle, speed, length = start
    points = []
    for _ in range(steps):
        speed = speed - 0.1 * tg.sin(angle) / length
        angle = angle + 0.1 * speed
        points.append(angle)
    return points


def test_auto_counts_what_the_outputs_have_in_common() -> None:
    calls = []
    counted = tg.define("counted", math.sin, lambda m, x, z: calls.append(x) or m.cos(x))

    def chain(x: Any) -> Any:
        found = [x[0]]
        for _ in range(40):
            found.append(counted(found[-1] + x[1]))
        return found

    for options in ({}, {"sparse": True}):
        for mode in MODES:
            calls.clear()
            jacobian(chain, mode=mode, **options)([0.5, 0.1])
            assert len(calls) == 40 if mode != "reverse" else len(calls) >= 40 * 41 // 2
        calls.clear()
        jacobian(lambda x: [counted(y) for y in x] * 2, **options)([0.5] * 20)
        assert len(calls) >= 40  # each from its output: they share little


def test_dense_jacobians_that_are_not_tall_are_what_they_were_to_the_last_bit() -> None:
    def f(x: Any) -> Any:
        return [x[0] * x[1] / x[2], tg.sin(x[0]) * x[2], x[1] ** 3]

    x = [0.1, 0.7, 1.3]
    assert jacobian(f)(x) == jacobian(f, mode="reverse")(x) == [grad(lambda x, i=i: f(x)[i])(x) for i in range(3)]


def test_jacobians_of_jax_are_the_same() -> None:
    jax = pytest.importorskip("jax")
    start = [0.5, 0.2, 1.3]

    def of_jax(start: Any) -> Any:
        angle, speed, length = start
        points = []
        for _ in range(40):
            speed = speed - 0.1 * jax.numpy.sin(angle) / length
            angle = angle + 0.1 * speed
            points.append(angle)
        return jax.numpy.stack(points)

    with jax.experimental.enable_x64() if hasattr(jax.experimental, "enable_x64") else jax.enable_x64(True):
        expected = np.asarray(jax.jacfwd(of_jax)(jax.numpy.array(start)))
    for mode in MODES:
        np.testing.assert_allclose(jacobian(trajectory, mode=mode)(start), expected, rtol=1e-12, atol=1e-14)
        found = jacobian(trajectory, mode=mode, sparse=True)(start)
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_any_structure_has_its_numbers_in_the_order_of_its_leaves(mode: str) -> None:
    def f(p: Any, factor: Any) -> Any:
        return {"z": p["a"][0] * factor, "b": np.array([p["w"] @ p["a"], factor * factor])}

    p = {"w": np.array([2.0, 3.0]), "a": np.array([5.0, 7.0])}  # which comes after "a" all the same
    dense = jacobian(f, (0, 1), mode=mode)(p, 11.0)
    found = jacobian(f, (0, 1), mode=mode, sparse=True)(p, 11.0)
    assert isinstance(found, tuple)
    by_p, by_factor = found
    np.testing.assert_array_equal(by_p.toarray(), [[2.0, 3.0, 5.0, 7.0], [0.0] * 4, [11.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(by_p.toarray()[:2, 2:], dense["b"][0]["w"])
    np.testing.assert_array_equal(by_factor.toarray(), [[0.0], [22.0], [5.0]])
    assert (by_p.nnz, by_factor.nnz) == (5, 2)
    assert jacobian(lambda x: x * x, mode=mode, sparse=True)(3.0).toarray().tolist() == [[6.0]]
    assert jacobian(lambda x: [], mode=mode, sparse=True)([3.0]).shape == (0, 1)
    assert jacobian(lambda x: [1.0], mode=mode, sparse=True)([]).shape == (1, 0)
    assert jacobian(lambda x: [1.0, 2.0], mode=mode)([]) == [[], []]


def test_rows_have_the_order_of_the_inputs() -> None:
    inputs = [Value(float(i)) for i in range(8)]
    outputs = [tg.dot(inputs[k:] + inputs[:k], inputs) for k in range(8)]
    for forward in (True, False):
        assert [list(row) for row in find_rows(outputs, inputs, forward)] == [list(range(8))] * 8


@pytest.mark.parametrize("mode", MODES)
def test_inputs_may_depend_on_one_another_and_outputs_be_inputs(mode: str) -> None:
    found = jacobian(lambda x: [x[0], x[0], x[1]], mode=mode, sparse=True)([2.0, 3.0])
    np.testing.assert_array_equal(found.toarray(), [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    a = Value(2.0)
    b = a * a
    forward = None if mode == "auto" else mode == "forward"
    for higher in (False, True):
        rows = find_rows([b * a, b], [a, b], forward, higher)
        numbers = [{j: x.data if isinstance(x, Value) else x for j, x in row.items()} for row in rows]
        assert numbers == [{0: 12.0, 1: 2.0}, {0: 4.0, 1: 1.0}]


@pytest.mark.parametrize("mode", MODES)
def test_of_values_it_is_a_matrix_of_values(mode: str) -> None:
    x = Value(3.0)
    found = jacobian(lambda v: [v[0] * v[0] * v[1], 2.0 * v[1], 0.0 * v[0]], mode=mode, sparse=True)([x, 2.0])
    assert isinstance(found, SparseValues)
    assert [y.data for y in found.data] == [12.0, 9.0, 2.0, 0.0]
    assert (found.indices.tolist(), found.indptr.tolist(), found.nnz) == ([0, 1, 1, 0], [0, 2, 3, 4], 4)
    found.data[0].backward()
    assert x.grad == 4.0
    assert found.toarray().shape == (3, 2)
    assert found.toarray()[2, 1] == 0.0
    dense = jacobian(lambda v: [v[0] * v[0], 2.0 * v[1], 1.0], mode=mode)([x, 2.0])
    assert [[y.data for y in row] for row in dense] == [[6.0, 0.0], [0.0, 2.0], [0.0, 0.0]]


def test_a_kink_that_is_differentiated_again_is_a_limit_in_each_mode() -> None:
    def second(mode: str) -> Any:
        return grad(lambda x: jacobian(lambda v: [tg.abs(v[0]) ** 2, v[1]], mode=mode, sparse=True)(x).data[0])

    assert [second(mode)([0.0, 1.0]) for mode in MODES] == [[2.0, 0.0]] * 3


def test_modes_and_narrow_formats_have_their_say() -> None:
    def f(x: Any) -> Any:
        with tg.autocast("float16"):
            product = x[0] * 1.3
            for _ in range(5):
                product = product * x[1] * 0.37
            return [product, x[1] * 3.3]

    expected = jacobian(f, mode="reverse")([1.7, 2.3])
    assert jacobian(f, mode="forward")([1.7, 2.3]) == expected
    assert jacobian(f, mode="forward", sparse=True)([1.7, 2.3]).toarray().tolist() == expected
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError, match="sqrt"):
        jacobian(lambda x: [tg.sqrt(x[0] ** 2)], mode="forward")([0.0])


def test_frozen_leaves_that_are_asked_for_are_not_constants() -> None:
    a = Value(2.0)
    a.requires_grad = False
    for forward in (True, False):
        assert find_rows([a * 3.0, tg.relu(a)], [a], forward) == [{0: 3.0}, {0: 1.0}]
    assert not a.requires_grad


def test_while_lift_records_derivatives_stay_in_the_graph() -> None:
    x = Value(3.0)
    with tracing([x]), recording_derivatives():  # where no number is looked at, be it at a kink
        found = jacobian(lambda x: [x[0] * tg.abs(x[0]), x[0]], mode="forward", sparse=True)([x])
    assert [x.data for x in found.data] == [6.0, 1.0]
    assert [x.is_leaf for x in found.data] == [False, True]
    zero = Value(0.0)  # an example, at which the rule has no number
    with tracing([zero]), recording_derivatives():
        found = jacobian(lambda x: [tg.sqrt(x[0])], mode="forward", sparse=True)([zero])
    assert found.data[0].data == math.inf


def test_only_the_modes_that_there_are_are_taken() -> None:
    with pytest.raises(ValueError, match='"forward" or "reverse", or "auto", which chooses; not \'rev\''):
        jacobian(lambda x: x, mode="rev")
    with pytest.raises(TypeError, match="the output of"):
        jacobian(lambda x: "x", sparse=True)([1.0])
