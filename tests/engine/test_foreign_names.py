"""The names by which programs for micrograd, its ports and PyTorch ask a Value give what they give there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import GraphError, StaleGraphError, TraceError, Value, topological_order
from tinygrad_lite.operations.ops import TABLE

#: Programs on two numbers, away from kinks.
PROGRAMS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: (x * y + x).tanh(),
    lambda x, y: (2 * x - y) / (y * y + 1),
    lambda x, y: (x + y).exp() * -x + y**3 - abs(y),
    lambda x, y: tg.dot([x, y], [y, x], 1.0) * tg.logsumexp([x, y]),
    lambda x, y: (x * x).relu() + x.maximum(y) // 5 + tg.sum([x, y, x * y]) + tg.prod([x, y]),
]


def topo(root: Value) -> list[Value]:
    """The order as the lecture's students write it: by ``_prev``, leaves first."""
    order: list[Value] = []
    visited: set[Value] = set()

    def build(v: Value) -> None:
        if v not in visited:
            visited.add(v)
            for child in v._prev:
                build(child)
            order.append(v)

    build(root)
    return order


@pytest.mark.parametrize("program", PROGRAMS)
@given(x=st.floats(0.1, 2.0), y=st.floats(-2.0, -0.1))
def test_steps_by_hand_are_the_sweep(program: Callable[[Any, Any], Any], x: float, y: float) -> None:
    inputs = Value(x), Value(y)
    root = program(*inputs)
    root.backward()
    expected = [leaf.grad for leaf in inputs]
    root.zero_grad()
    root.grad = 1.0
    for node in reversed(topo(root)):
        node._backward()
    assert [leaf.grad for leaf in inputs] == pytest.approx(expected, rel=1e-13, abs=1e-13)


def test_a_step_adds_to_the_operands_and_leaves_the_node_and_all_others_alone() -> None:
    a, b = Value(2.0), Value(-3.0)
    c = a * b
    d = c + a
    c.grad = 10.0
    a.grad = 1.0
    c._backward()
    c._backward()
    assert (a.grad, b.grad, c.grad, d.grad) == (1.0 + 2 * -30.0, 2 * 20.0, 10.0, 0.0)


def test_a_leaf_has_nothing_to_pass_on() -> None:
    a = Value(2.0)
    a.grad = 5.0
    a._backward()
    assert a.grad == 5.0


def test_a_step_over_a_stale_node_is_refused() -> None:
    a = Value(2.0, label="a")
    b = a * a
    b.grad = 1.0
    a.data = 3.0
    with pytest.raises(StaleGraphError, match="label='a'"):
        b._backward()
    assert a.grad == 0.0


def test_a_step_looks_as_the_sweep_does_where_a_mode_asks_for_it() -> None:
    with tg.detect_anomaly():
        x = Value(0.5)
        y = x * 2.0
        y.grad = 1.0
        y._backward()
    assert x.grad == 2.0


def test_a_step_is_refused_while_lift_traces() -> None:
    def f(x: Value) -> Value:
        y = x * x
        y._backward()
        return y

    with pytest.raises(TraceError, match="backward"):
        tg.lift(f)(2.0)


def test_operands_and_local_derivatives_have_the_names_of_micrograd_and_microgpt() -> None:
    a, b = Value(2.0), Value(5.0)
    c = a * b
    assert c._prev == {a, b}
    assert c._children == (a, b)
    assert c._local_grads == (5.0, 2.0)
    assert (c._op, a._op) == ("*", "")
    assert (a._prev, a._children, a._local_grads) == (set(), (), ())


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.public and op.arity in (1, 2)], ids=repr)
def test_every_operation_shows_its_sign(op: Any) -> None:
    operands = [Value(1.0 if d.low < 1.0 < d.high or d.whole else d.low + 1.0) for d in op.domain]
    assert getattr(tg, op.name)(*operands)._op == op.symbol


def test_requires_grad_with_an_underscore_freezes_and_thaws_as_in_pytorch() -> None:
    w, x = Value(2.0), Value(3.0)
    assert w.requires_grad_(False) is w
    (w * x).backward()
    assert (w.grad, x.grad) == (0.0, 2.0)
    assert w.requires_grad_().requires_grad
    (w * x).backward()
    assert w.grad == 3.0
    with pytest.raises(GraphError, match="freeze"):
        (w * x).requires_grad_(False)


def test_the_gradients_of_a_program_in_microgpts_manner() -> None:
    """Its ``backward``: over ``_children`` and ``_local_grads``, as a student writes it."""
    x, y = Value(0.7), Value(-1.3)
    root = (x * y).exp() + x / y
    order = topological_order(root, leaves=True)
    grads = dict.fromkeys(order, 0.0)
    grads[root] = 1.0
    for v in order:
        for child, local in zip(v._children, v._local_grads, strict=True):
            grads[child] += local * grads[v]
    e = math.exp(0.7 * -1.3)
    assert grads[x] == pytest.approx(-1.3 * e + 1 / -1.3, rel=1e-15)
    assert grads[y] == pytest.approx(0.7 * e - 0.7 / 1.3**2, rel=1e-15)
