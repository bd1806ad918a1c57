"""Functions of floats record graphs when math's functions are replaced by the table's."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pytest

from tinygrad_lite.functions import exp as our_exp
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing.oracles.on_values import on_values
from tinygrad_lite.value import Value

NAMES = [name for name, op in TABLE.items() if op.public and op.arity == 1 and hasattr(math, name)]


@pytest.mark.parametrize("name", NAMES)
def test_each_function_of_math_that_the_table_knows_records(name: str) -> None:
    x = 1.25 if name == "acosh" else 0.25
    expected = getattr(math, name)(x)
    for f in (getattr(math, name), lambda x: getattr(math, name)(x), eval(f"lambda x: math.{name}(x)", {"math": math})):
        found = on_values(f)
        if f.__name__ != "<lambda>" or f.__globals__.keys() == {"math", "__builtins__"}:
            assert found(Value(x)).data == expected
            assert found(x) == expected


class Wave:
    """A callable with a method."""

    def __init__(self, speed: float) -> None:
        self.speed = speed

    def __call__(self, x: Any) -> Any:
        return math.sin(self.speed * x)

    def slower(self, x: Any) -> Any:
        return math.sin(x)


def defaults(x: Any, f: Callable[[Any], Any] = math.cos, *, g: Callable[[Any], Any] = math.exp) -> Any:
    return f(x) * g(x)


def within(x: Any) -> Any:
    return sum([math.exp(k * y) for k in range(3) for y in [x]])


def closed(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: f(f(x))


@pytest.mark.parametrize(
    "f",
    [
        Wave(3.0),
        Wave(1.0).slower,
        defaults,
        within,
        closed(math.atan),
        functools.partial(defaults, f=math.tanh),
        functools.partial(math.pow, 1.5),
        lambda x: math.fabs(x) + math.fsum([x, 2.0]) + math.hypot(x, 3.0) + math.pi,
    ],
)
def test_wherever_a_function_refers_to_maths(f: Callable[..., Any]) -> None:
    found = on_values(f)(Value(0.75))
    assert isinstance(found, Value)
    assert found.data == pytest.approx(f(0.75), rel=1e-15)


def test_the_function_itself_stays_as_it_is() -> None:
    on_values(within)(Value(1.0))
    with pytest.raises(TypeError, match="leave the graph"):
        within(Value(1.0))
    assert on_values(our_exp) is our_exp
    assert on_values(math.gamma) is math.gamma


def test_a_closure_that_is_not_filled_yet_stays_so() -> None:
    def outer() -> Callable[[Any], Any]:
        def inner(x: Any) -> Any:
            return math.exp(x) if x < 1.0 else later(x)

        found = on_values(inner)
        later = math.log
        return found

    assert outer()(Value(0.5)).op == "exp"
