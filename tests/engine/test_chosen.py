"""Derivatives of what a choice leaves out are 0 in traces, and nothing else is changed by that."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.functions import greater
from tinygrad_lite.limits import chosen
from tinygrad_lite.limits.chosen import choice
from tinygrad_lite.operations.arithmetic import IEEELimits
from tinygrad_lite.trace_mode import tracing
from tinygrad_lite.transforms import gradient

#: Functions whose chain rule meets an infinite derivative at x = 0 that a choice leaves out, and their slope there.
LEFT_OUT: dict[str, tuple[Callable[[Any], Any], float]] = {
    "where": (lambda x: tg.where(greater(x, 0.0), tg.sqrt(x), 3.0 * x), 3.0),
    "relu": (lambda x: tg.sqrt(tg.relu(x - 1.0)) + x, 1.0),
    "maximum": (lambda x: tg.maximum(tg.sqrt(x), 1.0) + x, 1.0),
    "clamp": (lambda x: tg.sqrt(tg.clamp(x - 1.0, 0.0, 4.0)) - x, -1.0),
    "a power": (lambda x: tg.where(greater(x, 0.0), x**0.5, x), 1.0),
    "two choices": (lambda x: tg.where(greater(x, 0.0), 2.0 * tg.maximum(tg.cbrt(x), -1.0), -x), -1.0),
    "a longer chain": (lambda x: tg.where(greater(x, 0.0), tg.exp(-tg.tanh(tg.sqrt(x))), x * x + x), 1.0),
    "an end of a domain": (lambda x: tg.where(greater(x, 0.0), tg.asin(1.0 - x), x), 1.0),
}


@pytest.mark.parametrize("name", LEFT_OUT)
@pytest.mark.parametrize("order", [1, 2])
def test_a_derivative_that_a_choice_leaves_out_is_0_when_the_trace_is_evaluated_there(name: str, order: int) -> None:
    """The graph is recorded at an example where the choice takes the other side, and evaluated at 0."""
    f, slope = LEFT_OUT[name]
    x = Value(0.5)
    with tracing([x]):
        found = f(x)
        for _ in range(order):
            [found] = gradient(found, [x], create_graph=True)
    x.data = 0.0
    with IEEELimits():  # as programs compute
        found.forward()
    if order == 2 and name == "a longer chain":
        return  # sums of what is left out and of what is not are not looked through
    assert found.data == (slope if order == 1 else 0.0)


def test_what_may_not_be_infinite_is_multiplied_as_ever() -> None:
    x, y = Value(2.0), Value(3.0)
    mask = greater(x, 0.0)
    for other in (y, y * y, tg.exp(y), y / 2.0, y**2.0, tg.dot([y], [x]), tg.where(mask, y, x), Value(1.0)):
        assert choice(mask, other) is None
        assert choice(other, mask) is None
    for other in (1.0 / y, y**-1.0, tg.log(y), -tg.sqrt(1.0 / y), tg.where(mask, 1.0, 1.0 / y)):
        assert choice(mask * y, other) is mask
        assert choice(other, -mask) is mask
    assert choice(y * x, 1.0 / y) is None
    assert choice(tg.where(mask, y, 0.0), 1.0 / y) is mask
    assert choice(tg.where(mask, y, 1.0), 1.0 / y) is None
    assert choice(tg.where(mask, y, 0.0) + tg.where(mask, x, 0.0), 1.0 / y) is mask
    assert choice(tg.where(mask, y, 0.0) + tg.where(greater(y, x), x, 0.0), 1.0 / y) is None
    assert choice(tg.where(mask, y, 0.0) + x, 1.0 / y) is None


def test_the_choice_of_a_tie_is_that_of_both_its_parts() -> None:
    x, y = Value(2.0), Value(3.0)
    tie = greater(x, y) + 0.5 * tg.equal(x, y)
    assert choice(tie * x, 1.0 / y) is tie
    assert choice((greater(x, y) + tg.equal(x, y)) * x, 1.0 / y) is not None
    for other in (greater(x, y) - 0.5 * y, greater(x, y) + -0.5 * tg.equal(x, y), y + greater(x, y), greater(x, y) + y):
        assert choice(other * x, 1.0 / y) is None
    both = choice(greater(x, 0.0) * greater(y, 0.0), 1.0 / y)
    assert both is not None
    assert both.data == 1.0


def test_long_products_are_not_looked_through_to_their_ends() -> None:
    x = greater(Value(2.0), 0.0)
    for _ in range(10_000):
        x = x * 1.5 if x.data < 1e100 else x * 1e-100
    assert choice(x, 1.0 / Value(2.0)) is None


def test_operations_of_the_users_own_are_tried_with_care() -> None:
    strict = tg.define("strict", lambda x: math.sqrt(x), lambda m, x, z: 0.5 / z)
    assert choice(greater(Value(1.0), 0.0), strict(Value(4.0))) is not None


def test_what_is_known_of_factors_is_bounded_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen, "_KEPT", 4)
    x, y = Value(2.0), Value(3.0)
    masks = [greater(x, float(k)) for k in range(5)]
    infinite, finite = 1.0 / y, y * y
    for _ in range(2):
        for mask in masks:
            assert choice(mask * y, infinite) is mask
            assert choice(mask * y, finite) is None
            assert 0 < len(chosen._known) <= 4
    chosen.forget()
    assert not chosen._known
