"""The functions of any number of operands: values as Python's own, gradients, one node, and clear errors."""

from __future__ import annotations

import builtins
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value

NUMBERS = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6)


@given(NUMBERS)
def test_values_are_pythons_own_on_floats_and_on_values(xs: list[float]) -> None:
    for name, expected in [("sum", builtins.sum(xs)), ("prod", math.prod(xs)), ("mean", builtins.sum(xs) / len(xs))]:
        f = getattr(tg, name)
        assert f(xs) == expected
        assert f([Value(x) for x in xs]).data == expected
        assert f([Value(xs[0]), *xs[1:]]).data == expected
        assert type(f(xs)) is float


@given(NUMBERS, st.floats(-10, 10))
def test_dot_is_the_loop_bit_for_bit(xs: list[float], bias: float) -> None:
    ws = [x * 0.5 + 1.0 for x in xs]
    expected = bias
    for w, x in zip(ws, xs, strict=True):
        expected += w * x
    assert tg.dot(ws, xs, bias) == expected
    for ws_, xs_, bias_ in [
        (list(map(Value, ws)), xs, bias), (ws, list(map(Value, xs)), bias), (ws, xs, Value(bias)),
        (tuple(map(Value, ws)), tuple(map(Value, xs)), Value(bias)),
    ]:  # fmt: skip
        node = tg.dot(ws_, xs_, bias_)
        assert node.data == expected
        assert len(node.parents) == 2 * len(xs) + 1


@given(NUMBERS, st.floats(-10, 10))
def test_dots_gradient_is_the_loops(xs: list[float], bias: float) -> None:
    a, b = ([Value(x) for x in xs] for _ in range(2))
    ws, vs = ([Value(0.5 * x) for x in xs] for _ in range(2))
    c, d = Value(bias), Value(bias)
    tg.tanh(tg.dot(ws, a, c)).backward()
    total = d
    for w, x in zip(vs, b, strict=True):
        total = total + w * x
    tg.tanh(total).backward()
    assert [x.grad for x in [*a, *ws, c]] == [x.grad for x in [*b, *vs, d]]


@given(NUMBERS)
def test_softmax_adds_up_to_one_and_is_the_gradient_of_logsumexp(xs: list[float]) -> None:
    values = [Value(x) for x in xs]
    tg.logsumexp(values).backward()
    ps = tg.softmax(values)
    assert math.fsum(p.data for p in ps) == pytest.approx(1.0, rel=1e-15 * len(xs))
    assert [x.grad for x in values] == [p.data for p in ps] == tg.softmax(xs)
    assert tg.logsumexp(xs) == tg.logsumexp(values).data


def test_lookup_takes_what_a_list_takes() -> None:
    table = [Value(10.0), Value(20.0), Value(30.0)]
    for index in (0, 1, -1, True, 2.0, Value(1.0)):
        place = int(index.data if isinstance(index, Value) else index)
        assert tg.lookup(table, index).data == table[place].data
        for x in table:
            x.grad = 0.0
        tg.lookup(table, index).backward()
        assert [x.grad for x in table] == [float(i == place % 3) for i in range(3)]
    assert tg.lookup([1.0, 2.0], 1) == 2.0


def test_functions_take_iterators_and_empty_sums() -> None:
    assert tg.sum(Value(float(i)) for i in range(4)).data == 6.0
    assert tg.prod(iter([2.0, Value(3.0)])).data == 6.0
    assert tg.dot(iter([Value(2.0)]), iter([3.0])).data == 6.0
    assert (tg.sum([]), tg.prod([]), tg.dot([], [], 2.0)) == (0.0, 1.0, 2.0)
    y = tg.dot([], [], Value(2.0))
    y.backward()
    assert y.parents[0].grad == 1.0


def test_builtin_sum_keeps_the_graph() -> None:
    xs = [Value(1.0), Value(2.0)]
    builtins.sum(x * x for x in xs).backward()
    assert [x.grad for x in xs] == [2.0, 4.0]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: tg.mean([]), ValueError, "mean needs at least one"),
        (lambda: tg.logsumexp([]), ValueError, "logsumexp needs at least one"),
        (lambda: tg.softmax([]), ValueError, "softmax needs at least one"),
        (lambda: tg.lookup([], 0), ValueError, "lookup needs at least one"),
        (lambda: tg.dot([Value(1.0)], [1.0, 2.0]), ValueError, "as many weights as inputs, not 1 and 2"),
        (lambda: tg.lookup([Value(1.0)], 1), IndexError, "out of range"),
        (lambda: tg.lookup([1.0], 1), IndexError, "out of range"),
        (lambda: tg.lookup([Value(1.0)], Value(0.5)), TypeError, "whole number"),
        (lambda: tg.sum([Value(1.0), "a"]), TypeError, "a Value or a number"),
        (lambda: tg.dot([Value(1.0)], ["a"]), TypeError, "a Value or a number"),
    ],
)
def test_errors_say_what_is_wrong(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "logsumexp", "softmax", "dot"])
def test_second_derivatives_are_those_of_the_unfolded_formula(name: str) -> None:
    unfolded = {
        "sum": lambda v: v[0] + v[1] + v[2],
        "mean": lambda v: (v[0] + v[1] + v[2]) / 3,
        "prod": lambda v: v[0] * v[1] * v[2],
        "logsumexp": lambda v: tg.log(tg.exp(v[0]) + tg.exp(v[1]) + tg.exp(v[2])),
        "softmax": lambda v: tg.exp(v[1]) / (tg.exp(v[0]) + tg.exp(v[1]) + tg.exp(v[2])),
        "dot": lambda v: v[0] * v[1] + v[1] * v[2] + v[2],
    }[name]
    folded = {
        "softmax": lambda v: tg.softmax(v)[1],
        "dot": lambda v: tg.dot([v[0], v[1]], [v[1], v[2]], v[2]),
    }.get(name, getattr(tg, name))
    point = [0.3, -0.8, 1.1]
    for row, expected in zip(
        tg.hessian(lambda v: folded(v) ** 2)(point), tg.hessian(lambda v: unfolded(v) ** 2)(point), strict=True
    ):
        assert row == pytest.approx(expected, rel=1e-12, abs=1e-14)


@given(st.lists(st.floats(-1e9, 1e9), max_size=5), st.floats(-1e9, 1e9))
def test_a_sum_begins_with_what_it_is_told(xs: list[float], start: float) -> None:
    expected = builtins.sum(xs, start)
    assert repr(tg.sum(xs, start)) == repr(expected + 0.0)  # from -0.0, too, the table's sum begins with 0
    values = [Value(x) for x in xs]
    total = tg.sum(values, Value(start))
    assert total.data == expected
    assert len(total.parents) == len(xs) + 1
    assert tg.sum(x for x in xs) == builtins.sum(xs)
