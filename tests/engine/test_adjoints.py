"""The sweep that records derivatives: what it writes out for speed is the table's, and it leaves no trace."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value, gradient
from tinygrad_lite.adjoints import recorded_partials

floats = st.floats(-1e150, 1e150)


def number(x: Any) -> float:
    return x.data if isinstance(x, Value) else x


def formula(x: Any) -> str:
    """A recorded derivative, without its numbers."""
    if not isinstance(x, Value) or not x.parents:
        return "constant" if not isinstance(x, Value) else "leaf"
    return f"{x.op}({', '.join(map(formula, x.parents))})"


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
@given(floats, floats)
def test_sums_and_products_are_differentiated_as_the_table_says(name: str, x: float, y: float) -> None:
    a, b = Value(x), Value(y)
    node = getattr(operator, name)(a, b)
    rules = recorded_partials(node, [True, True])
    found = gradient(node, [a, b], create_graph=True)
    assert [number(slope) for slope in found] == [number(rule) for rule in rules]


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
@given(floats, floats)
def test_a_constant_beside_the_operand_is_a_number_in_the_rule(name: str, x: float, y: float) -> None:
    for swapped in (False, True):
        a = Value(x)
        node = getattr(operator, name)(y, a) if swapped else getattr(operator, name)(a, y)
        rule = recorded_partials(node, [not swapped, swapped])[int(swapped)]
        (found,) = gradient(node, [a], create_graph=True)
        assert number(found) == number(rule)


def test_each_step_multiplies_by_the_adjoint_above() -> None:
    a, b = Value(2.0), Value(3.0)
    (slope,) = gradient((a * b) * b, [a], create_graph=True)
    assert slope.data == 9.0
    assert formula(slope) == "mul(leaf, leaf)"
    (slope,) = gradient(-((a - b) * b), [b], create_graph=True)
    assert slope.data == -(2.0 - 2 * 3.0)


def test_an_input_may_be_given_twice_or_stand_inside_the_graph_or_be_the_output() -> None:
    x = Value(2.0)
    inner = x * x
    outer = inner * 3.0 + tg.sum([inner, x])
    assert [number(g) for g in gradient(outer, [x, x, inner, outer], create_graph=True)] == [17.0, 17.0, 4.0, 1.0]
    assert [number(g) for g in gradient(x, [x], create_graph=True)] == [1.0]
    assert [number(g) for g in gradient(x, [Value(1.0)], create_graph=True)] == [0.0]


def test_the_sweep_leaves_no_trace_in_the_nodes() -> None:
    x = Value(2.0)
    y = tg.dot([x, x], [x, 3.0], 1.0) * x
    for _ in range(2):
        (slope,) = gradient(y, [x], create_graph=True)
        assert slope.data == 3 * 4.0 + 6 * 2.0 + 1.0
    y.backward()
    assert x.grad == 25.0
    assert len(tg.topological_order(y, leaves=True)) == len(set(map(id, tg.topological_order(y, leaves=True))))


@pytest.mark.parametrize(
    "f", [lambda x, y: x**3 * y, lambda x, y: tg.dot([x, y], [y, x], x), lambda x, y: tg.exp(x) / y]
)
def test_a_frozen_leaf_that_is_asked_for_has_its_derivative_either_way(f: Any) -> None:
    """One rule: by numbers, as a graph, and by that graph again, it is what it is of a leaf that is not frozen."""
    free, frozen = [Value(2.0), Value(3.0)], [Value(2.0), Value(3.0)]
    for leaf in frozen:
        leaf.requires_grad = False
    expected, found = f(*free), f(*frozen)
    by_numbers = tg.gradient(expected, free)
    assert tg.gradient(found, frozen) == by_numbers
    slopes = tg.gradient(found, frozen, create_graph=True)
    assert [slope.data for slope in slopes] == pytest.approx(by_numbers, rel=1e-15)
    for slope, other in zip(slopes, tg.gradient(expected, free, create_graph=True), strict=True):
        assert tg.gradient(slope, frozen) == pytest.approx(tg.gradient(other, free), rel=1e-15)
    assert not any(leaf.requires_grad for leaf in frozen)
    found.backward()
    assert [leaf.grad for leaf in frozen] == [0.0, 0.0]  # backward leaves it out
    assert tg.gradient(frozen[0], frozen) == [1.0, 0.0]


def test_a_leaf_that_is_frozen_while_another_is_asked_for_may_be_asked_for_afterwards() -> None:
    x, w = Value(2.0), Value(3.0)
    w.requires_grad = False
    slope = tg.gradient(x * x * w, x, create_graph=True)  # 2xw
    assert (slope.data, tg.gradient(slope, w), tg.gradient(slope, x)) == (12.0, 4.0, 6.0)
    slope.backward()
    assert (x.grad, w.grad) == (6.0, 0.0)


def test_a_frozen_leaf_is_frozen_again_after_an_error() -> None:
    w = Value(3.0)
    w.requires_grad = False
    y = w * Value(2.0)
    w.data = 4.0
    for create_graph in (False, True):
        with pytest.raises(tg.StaleGraphError):
            tg.gradient(y, w, create_graph)
        assert not w.requires_grad
