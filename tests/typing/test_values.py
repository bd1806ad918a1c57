"""A Value and the functions of the table have the types that they say: ``make lint`` holds what is asserted here."""

from __future__ import annotations

from typing import Any, assert_type

import tinygrad_lite as tg
from tinygrad_lite import Value

a, b = Value(2.0, label="a"), Value(3.0)


def test_operators() -> None:
    for result in (a + b, a - 1, 2 * a, a / b, 2.0**a, a // b, a % b):
        assert_type(result, Value | Any)  # an array of NumPy beside a Value gives an array
    assert_type(-a, Value)
    assert_type(+a, Value)
    assert_type(abs(a), Value)
    assert_type(a == b, bool)
    assert_type(bool(a), bool)
    assert_type(f"{a:.2f}", str)


def test_a_node() -> None:
    assert_type(a.data, float)
    assert_type(a.grad, float)
    assert_type(a.label, str)
    assert_type(a.parents, tuple[Value, ...])
    assert_type(a.requires_grad, bool)
    assert_type(a.forward(), Value)
    assert_type(tg.topological_order(a), list[Value])
    y = tg.tanh(a)
    assert_type(y, Value)
    y.backward()


def test_functions_give_what_they_are_given() -> None:
    assert_type(tg.tanh(a), Value)
    assert_type(tg.tanh(0.5), float)
    assert_type(a.tanh(), Value)
    assert_type(tg.maximum(a, 1.0), Value)
    assert_type(tg.maximum(2.0, 1.0), float)
    assert_type(tg.where(True, a, b), Value)
    assert_type(tg.sum([a, b]), Value)
    assert_type(tg.dot([a], [b]), Value)
    assert_type(tg.softmax([a, b]), list[Value])


def test_modes() -> None:
    assert_type(tg.is_recording(), bool)
    with tg.no_grad():
        assert_type(tg.exp(a), Value)
