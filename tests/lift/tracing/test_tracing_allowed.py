"""While lift traces, what needs no number of an input is as always, and derivatives are recorded."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.trace_mode import is_traced, tracing

CLOSED_OVER = [Value(3.0, label="first"), Value(-1.0, label="second")]


def traced(function: Callable[..., Any]) -> Any:
    x, y = Value(2.0, label="x"), Value(1.0)
    with tracing([x, y]):
        return function(x, y)


def harmless_labels(x: Value, y: Value) -> Any:
    z = x * y
    z.label = "product"
    assert (z.label, z.op, z.parents, z.is_leaf, z.precision, z.requires_grad) == (
        "product", "mul", (x, y), False, "float64", True,
    )  # fmt: skip
    return z


def harmless_text(x: Value, y: Value) -> Any:
    assert [repr(x), str(x + y), f"{y}"] == ["Value(traced, label='x')", "Value(traced)", "Value(traced)"]
    assert x._repr_mimebundle_() == {"text/plain": "Value(traced, label='x')"}
    print(x, [y], file=io.StringIO())
    return x


def harmless_identity(x: Value, y: Value) -> Any:
    z = +x
    assert x != y
    assert x == x
    assert x in [y, x]
    assert len({x, y, z, x}) == 3
    assert {x: 1}[x] == 1
    assert [y, x].index(x) == 1
    assert hash(x) != hash(y)
    return z


def harmless_sums(x: Value, y: Value) -> Any:
    return sum([x, y]) + sum(v * v for v in (x, y)) + math.prod([x, y]) + abs(x) + math.floor(x)


def harmless_constants(x: Value, y: Value) -> Any:
    a, b = CLOSED_OVER
    assert a.data == 3.0
    assert (a * b).item() == -3.0
    assert sorted([a, b]) == [b, a]
    assert max(a, b) is a
    assert bool(a)
    assert f"{a:.1f} {a}" == "3.0 Value(data=3.0, grad=0.0, label='first')"
    assert copy.copy(a).data == copy.deepcopy(a * b).data * -1.0 == a.detach().data
    with tg.no_grad():
        assert (a * b).data == -3.0
    with pytest.raises(TypeError, match=r"v\.data"):
        float(a)
    with pytest.raises(TypeError, match=r"v\.data"):
        int(a)
    with pytest.raises(TypeError, match="silently"):
        round(a)
    c = Value(2.0)
    d = c * c
    d.backward()
    assert (c.grad, d.partials) == (4.0, (2.0, 2.0))
    c.data = 5.0
    assert d.forward().data == 25.0
    assert tg.gradient(d, c) == 10.0
    assert tg.grad(lambda v: v * v)(3.0) == 6.0
    return a.data * x


def harmless_plain_numbers(x: Value, y: Value) -> Any:
    n = 3
    return x ** (2 if n == 3 else 1) if n > 2 else y


def harmless_choices(x: Value, y: Value) -> Any:
    z = tg.where(tg.greater(x, y), x, y) + tg.maximum(x, 0.0) + tg.clamp(y, -1.0, 1.0)
    return z + tg.lookup([x, y, *CLOSED_OVER], tg.floor(y)) + tg.sum(tg.softmax([x, y])) + abs(z)


def harmless_arrays(x: Value, y: Value) -> Any:
    xs = np.array([[x, y], [y, x]])
    sums = xs @ xs + np.dot(xs, xs) + xs.sum(axis=0) + xs.mean() + np.exp(xs) + np.maximum.reduce([[0.0]])
    assert np.array([x, y]).shape == (2,)
    return np.einsum("ij,ij->", sums, xs) + np.var(xs[0]) + xs.T.ravel().tolist()[0]


def harmless_copy_of_a_list(x: Value, y: Value) -> Any:
    xs = copy.copy([x, y])
    return xs[0] + xs[1]


def harmless_freezing(x: Value, y: Value) -> Any:
    x.requires_grad = False
    x.zero_grad()
    x.grad = 0.0
    return x * y


HARMLESS = [function for name, function in list(globals().items()) if name.startswith("harmless_")]


@pytest.mark.parametrize("function", HARMLESS, ids=lambda function: function.__name__)
def test_what_needs_no_number_of_an_input_is_as_always(function: Callable[..., Any]) -> None:
    result = traced(function)
    assert isinstance(result, Value)
    assert math.isfinite(result.data)


def test_a_value_shows_its_number_again_when_tracing_has_ended() -> None:
    x = traced(lambda x, y: x)
    assert (x.data, f"{x:.1f}", repr(x)) == (2.0, "2.0", "Value(data=2.0, grad=0.0, label='x')")


# ---------------------------------------------------------------------------------------------- derivatives


def f(x: Any, y: Any) -> Any:
    return tg.sin(x * y) * x + tg.maximum(x, y) ** 2 / y + CLOSED_OVER[0] * tg.sqrt(x * x)


def differentiated(f: Callable[..., Any], x: Value, y: Value) -> list[Value]:
    return tg.gradient(f(x, y), [x, y], create_graph=True)


DERIVATIVES: dict[str, Callable[[Any, Any], Any]] = {
    "value_and_grad": lambda x, y: list(tg.value_and_grad(f)(x, y)),
    "grad": lambda x, y: [tg.grad(f, 1)(x, y)],
    "grad of grad": lambda x, y: [tg.grad(tg.grad(f))(x, y)],
    "hessian": lambda x, y: [d for row in tg.hessian(lambda v: f(*v))([x, y]) for d in row],
    "jacobian": lambda x, y: tg.jacobian(lambda v: [f(*v), v[0] * v[1]])([x, y])[0],
    "hvp": lambda x, y: tg.hvp(lambda v: f(*v))([x, y], [1.0, y]),
    "jvp": lambda x, y: list(tg.jvp(f, (x, y), (y, 2.0))),
    "gradient": lambda x, y: differentiated(f, Value(0.0) + x, Value(0.0) + y),
    "of an interior node": lambda x, y: [tg.grad(f)(x * y, y)],
    "value_and_grad of a number": lambda x, y: list(tg.value_and_grad(lambda a: f(a * x, y))(0.5)),
    "jacobian of numbers": lambda x, y: tg.jacobian(lambda a: [f(x, a), a * y])(0.5),
    "jvp of a number": lambda x, y: list(tg.jvp(lambda a: a * f(x, y) * a, (0.5,), (1.0,))),
    "inside a loss": lambda x, y: [f(x, y) + tg.grad(f)(x, y) ** 2],
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_transforms_record_derivatives_that_are_right_for_other_inputs(name: str) -> None:
    x, y = Value(2.0), Value(0.7)
    with tracing([x, y]):
        results = DERIVATIVES[name](x, y)
    x.data, y.data = -0.4, 1.3
    expected = DERIVATIVES[name](-0.4, 1.3)
    for result, number in zip(results, expected, strict=True):
        assert isinstance(result, Value)
        assert result.forward().data == pytest.approx(number if isinstance(number, float) else number.data, rel=1e-12)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_derivative_by_one_input_holds_for_other_numbers_of_the_rest(frozen: bool) -> None:
    """The number of a frozen operand is otherwise computed with when the rule is recorded."""
    x, y = Value(2.0), Value(0.7)
    y.requires_grad = not frozen
    with tracing([x, y]):
        slope = tg.grad(lambda v: v * tg.exp(y) / y)(x)
    y.data = 1.3
    assert slope.forward().data == pytest.approx(math.exp(1.3) / 1.3, rel=1e-15)


def test_an_adjoint_that_is_0_for_the_example_is_recorded_all_the_same() -> None:
    """Eagerly, 0 times an infinite derivative passes nothing on; the example must not decide that."""
    x = Value(0.0)
    with tracing([x]):
        slope = tg.grad(lambda v: tg.sqrt(v) * v)(x)
    x.data = 4.0
    assert slope.forward().data == pytest.approx(1.5 * 2.0, rel=1e-15)
    assert tg.grad(lambda v: tg.sqrt(v) * v)(0.0) == 0.0


def test_what_depends_on_an_input_only_inside_a_transform_is_traced() -> None:
    x = Value(2.0)
    with tracing([x]):
        tg.grad(lambda v: v * Value(3.0) if is_traced(v) else 0.0)(x)
        assert not is_traced(tg.grad(lambda v: v * v)(Value(5.0)))
