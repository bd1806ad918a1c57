"""The short way of grad and value_and_grad gives what the long way gives, and leaves to it what it does not know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, grad, value_and_grad
from tinygrad_lite.short_calls import active, differentiate, inputs_of, short_positions


def polynomial(x: Any, y: Any = 2.0, *, scale: float = 1.0) -> Any:
    return scale * (x**3 * y + tg.sin(x) / y)


def of_five(xs: Any) -> Any:
    return xs[0] * xs[1] + tg.exp(xs[2]) * xs[3] + xs[4] ** 2


@pytest.mark.parametrize("argnums", [0, 1, (0, 1), [1, 0], (1,), (0,)])
def test_scalars_have_the_gradient_of_the_long_way(argnums: Any) -> None:
    args, kwargs = (0.7, 3), {"scale": 1.5}
    long = argnums - 2 if isinstance(argnums, int) else [i - 2 for i in argnums]  # negative: for the long way
    assert short_positions(argnums)
    assert not short_positions(long)
    assert value_and_grad(polynomial, argnums)(*args, **kwargs) == value_and_grad(polynomial, long)(*args, **kwargs)
    assert grad(polynomial, argnums)(*args, **kwargs) == grad(polynomial, long)(*args, **kwargs)


@pytest.mark.parametrize("kind", [list, tuple])
def test_flat_sequences_have_the_gradient_of_the_long_way_in_their_kind(kind: Any) -> None:
    numbers = [0.3, 1, -2.0, 4.0, 0.5]
    value, found = value_and_grad(of_five)(kind(numbers))
    expected = value_and_grad(of_five)(np.array(numbers))
    assert value == expected[0]
    assert type(found) is kind
    assert found == kind(expected[1].tolist())


@pytest.mark.parametrize(
    "argument", [[], [1.0, [2.0]], {"a": 1.0}, True, np.float64(2.0), Value(2.0), [Value(2.0)], (1.0, "x"), None]
)
def test_other_arguments_are_left_to_the_long_way(argument: Any) -> None:
    assert not inputs_of(argument)
    assert differentiate(lambda x: x, (argument,), {}, [0], lambda y, f: y) is None


def test_a_place_without_an_argument_is_told_by_the_long_way() -> None:
    with pytest.raises(TypeError, match="asks for argument 1"):
        grad(polynomial, 1)(2.0)
    with pytest.raises(TypeError, match="argnums is an index"):
        grad(polynomial, "x")(2.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="twice"):
        grad(polynomial, (0, 0))(2.0)


def test_under_a_mode_the_long_way_is_taken() -> None:
    with tg.no_grad():
        assert differentiate(polynomial, (2.0,), {}, [0], lambda y, f: y) is None
        assert grad(polynomial)(2.0) == grad(polynomial, -1)(2.0)
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError):
        grad(tg.sqrt)(0.0)


def test_the_function_is_called_once_and_may_give_a_number() -> None:
    calls = []

    def constant(x: Any) -> Any:
        calls.append(x)
        return 3.0

    assert value_and_grad(constant)(2.0) == (3.0, 0.0)
    assert grad(constant)([1.0, 2.0]) == [0.0, 0.0]
    assert len(calls) == 2
    assert value_and_grad(lambda x: np.array(x * x))(3.0) == (9.0, 6.0)
    with pytest.raises(TypeError, match="gave None"):
        grad(lambda x: None)(2.0)
    with pytest.raises(OverflowError):
        grad(lambda x: x)(10**400)


def test_errors_of_the_function_leave_no_call_behind() -> None:
    with pytest.raises(KeyError):
        grad(lambda x: {}[x])(2.0)
    with pytest.raises(TypeError, match=r"numpy.cov|does not take Values"):
        grad(lambda x: np.cov(np.array([x, x], dtype=object))[0])([1.0, 2.0])
    assert active.get() == ()


def test_the_inner_of_two_gives_values_where_it_uses_what_the_outer_differentiates_by() -> None:
    def outer(x: Value) -> Any:
        value, slope = value_and_grad(lambda y: x * y**2)(3.0)
        assert isinstance(slope, Value)
        return slope * x + value * 0.0

    assert grad(outer)(2.0) == 24.0
    assert grad(lambda x: x * grad(lambda y: y**2)(3.0))(2.0) == 6.0
    assert grad(grad(grad(lambda x: x**4)))(2.0) == 48.0


def test_what_the_function_closes_over_keeps_its_gradient() -> None:
    w = Value(2.0)
    known = w * 3.0
    known.backward()
    assert grad(lambda x: known * x + w)(5.0) == 6.0
    assert (w.grad, known.grad) == (3.0, 1.0)
