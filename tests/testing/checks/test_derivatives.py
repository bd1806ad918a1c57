"""check_derivative: right rules pass, wrong ones fail at the smallest point, and what cannot be checked says why."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite.testing.checks.derivatives import check_derivative
from tinygrad_lite.testing.oracles.verdicts import DerivativeError, FunctionError, Report, Verdict
from tinygrad_lite.value import Value

Rule = Callable[..., Any]

RULES: dict[str, tuple[Rule, Rule]] = {
    "exp": (math.exp, math.exp),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2),
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "values": (lambda x: tg.log(x) * x, lambda x: math.log(x) + 1.0),
}
numbers = st.floats(0.1, 3.0)


def verdict(*args: Any, **options: Any) -> Verdict:
    return check_derivative(*args, raise_exception=False, **options).verdict


@pytest.mark.parametrize("name", RULES)
@given(x=numbers)
@settings(max_examples=settings().max_examples // 5)
def test_a_right_rule_is_correct(name: str, x: float) -> None:
    f, df = RULES[name]
    assert verdict(f, df, x) in (Verdict.CORRECT, Verdict.KINK)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("factor", [1.001, 0.999, -1.0, 0.0, math.inf, math.nan])
@given(x=st.floats(0.5, 2.0))
@settings(max_examples=3)
def test_a_wrong_rule_is_wrong(name: str, factor: float, x: float) -> None:
    f, df = RULES[name]
    with pytest.raises(DerivativeError) as caught:
        check_derivative(f, lambda x: df(x) * factor, x)
    assert caught.value.report.verdict is Verdict.WRONG


@pytest.mark.parametrize("got", [-1.0, 0.0, 0.5, 1.0])
def test_at_a_kink_any_slope_between_is_a_convention(got: float) -> None:
    assert verdict(abs, lambda x: got, 0.0) is Verdict.KINK
    assert verdict(lambda x: abs(x - 1.0), lambda x: got, 1.0) is Verdict.KINK


@pytest.mark.parametrize("got", [1.001, -1.001, math.nan, math.inf])
def test_at_a_kink_what_lies_beyond_is_wrong(got: float) -> None:
    assert verdict(abs, lambda x: got, 0.0) is Verdict.WRONG


def test_beside_a_kink_the_slope_is_decided() -> None:
    for x in (1e-3, 1e-9, 1e-12):
        assert verdict(abs, lambda x: 1.0, x) is Verdict.CORRECT
        assert verdict(abs, lambda x: 0.5, x) is Verdict.WRONG


def test_edges() -> None:
    assert verdict(math.sqrt, lambda x: math.inf, 0.0) is Verdict.DOMAIN_EDGE
    assert verdict(math.sqrt, lambda x: 0.0, 0.0) is Verdict.DOMAIN_EDGE
    assert verdict(math.sqrt, lambda x: -math.inf, 0.0) is Verdict.WRONG
    assert verdict(lambda x: x * math.sqrt(x), lambda x: 1.5 * math.sqrt(x), 0.0) is Verdict.DOMAIN_EDGE
    assert verdict(lambda x: x * math.sqrt(x), lambda x: 1.0, 0.0) is Verdict.WRONG
    assert verdict(lambda x: math.inf, lambda x: 1.0, 0.0) is Verdict.NON_FINITE


def test_several_arguments_and_structures() -> None:
    def f(x: float, v: Any, p: Any) -> Any:
        return x * np.sum(v**2) + p["a"] * p["b"][0]

    def df(x: float, v: Any, p: Any) -> Any:
        return np.sum(v**2), 2 * x * v, {"a": p["b"][0], "b": [p["a"]]}

    point = 2.0, np.array([1.0, 3.0]), {"a": 0.5, "b": [4.0]}
    assert verdict(f, df, *point) is Verdict.CORRECT
    assert verdict(f, lambda x, v, p: df(x, v, p)[1], *point, argnums=1) is Verdict.CORRECT
    assert verdict(f, lambda x, v, p: df(x, v, p)[:1], *point, argnums=[0]) is Verdict.CORRECT
    report = check_derivative(
        f, lambda x, v, p: (*df(x, v, p)[:2], {"a": 4.004, "b": [0.5]}), *point, raise_exception=False
    )
    assert report.worst is not None
    assert report.worst.argument == "args[2]['a']"


def test_jacobians_and_elementwise_derivatives() -> None:
    w = np.arange(6.0).reshape(2, 3)
    x = np.array([0.1, 0.2, 0.3])
    assert verdict(lambda x: w @ np.tanh(x), lambda x: w / np.cosh(x) ** 2, x) is Verdict.CORRECT
    assert verdict(lambda x: w @ np.tanh(x), lambda x: w / np.cosh(x), x) is Verdict.WRONG
    assert verdict(np.sin, np.cos, x) is Verdict.CORRECT
    assert verdict(np.sin, lambda x: np.diag(np.cos(x)), x) is Verdict.CORRECT
    assert verdict(np.cumsum, np.ones_like, x) is Verdict.WRONG
    assert verdict(lambda v: v[0] * v[1], lambda v: np.array([v[1], v[0]]), [2.0, 3.0]) is Verdict.CORRECT
    assert verdict(lambda x: np.array([x.sum()]), np.ones_like, x) is Verdict.CORRECT


def test_a_sum_that_cancels_to_almost_nothing_is_decided() -> None:
    assert verdict(lambda x: np.sum(x**3), lambda x: 3 * x**2, np.linspace(-2.0, 2.0, 80)) is Verdict.CORRECT


def broken(place: int) -> Rule:
    def df(x: Any) -> Any:
        slope = np.cos(x)
        slope[place] *= 1.001
        return slope

    return df


@pytest.mark.parametrize("f", [np.sin, lambda x: np.sin(x).sum()])
def test_one_wrong_entry_of_many_is_found(f: Rule) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, 150)
    assert verdict(f, np.cos, x) is Verdict.CORRECT
    place = 77  # none of those that are drawn to be looked at alone
    report = check_derivative(f, broken(place), x, raise_exception=False)
    assert report.worst is not None
    assert report.worst.argument == f"args[0][{place}]"
    assert report.point == "numpy.array([0.0] * 150)"
    assert report.given.startswith("numpy.array([")


def test_a_wrong_derivative_by_what_f_does_not_depend_on() -> None:
    report = check_derivative(lambda x, y: x, lambda x, y: (1.0, 0.5), 2.0, 3.0, raise_exception=False)
    assert "does not change with args[1]" in report.reason
    unused = check_derivative(lambda x, y: x, lambda x, y: (1.0, 0.0), 2.0, 3.0)
    assert unused.verdict is Verdict.CORRECT
    assert unused.unused == ["args[1]"]


def test_the_report_has_the_simplest_point_and_the_call() -> None:
    def f(x: float, y: float) -> float:
        return x * x * y

    def df(x: float, y: float) -> tuple[float, float]:
        return 2.002 * x * y, x * x

    with pytest.raises(DerivativeError) as caught:
        check_derivative(f, df, 1.2345, -6.789, seed=7)
    report = caught.value.report
    assert report.call == f"check_derivative(f, df, {report.point})"
    assert report.point == "1.0, 1.0"
    assert report.given == "1.2345, -6.789"
    assert report.seed == 7
    assert report.numbers == (1.0, 1.0)
    assert report.worst is not None
    assert report.worst.argument == "args[0]"
    assert {estimate.oracle for estimate in report.worst.others} >= {"forward mode", "complex step"}
    assert "0.1 %" in str(report)


class Cube:
    @classmethod
    def apply(cls, x: float) -> float:
        return x**3


def test_the_report_names_the_class_of_a_class_method() -> None:
    report = check_derivative(Cube.apply, lambda x: 2 * x**2, 2.0, raise_exception=False)
    assert "of Cube.apply at 1.0" in str(report)
    assert report.call == "check_derivative(Cube.apply, <lambda>, 1.0)"


def test_where_floats_do_not_tell_the_exact_function_does() -> None:
    def f(x: float) -> float:
        return float(np.float32(math.sin(x)))

    assert verdict(f, math.cos, 0.7) is Verdict.UNDECIDED
    with pytest.raises(DerivativeError, match=r"undecided: .*\n(.*\n)*.*exact=(.*\n)*.*strict=False lets"):
        check_derivative(f, math.cos, 0.7)
    assert "exact=" in check_derivative(f, math.cos, 0.7, strict=False).reason
    assert verdict(f, math.cos, 0.7, exact=mpmath.sin) is Verdict.CORRECT
    assert verdict(f, lambda x: 1.001 * math.cos(x), 0.7, exact=mpmath.sin) is Verdict.WRONG
    for x in ([0.7, 1.1], np.array([0.7, 1.1])):
        report = check_derivative(lambda x: np.sin(x), np.cos, np.array(x), exact=lambda x: [mpmath.sin(y) for y in x])
        assert report.verdict is Verdict.CORRECT
        assert report.findings[0].oracle == "mpmath"


def test_an_exact_function_that_is_another_one_does_not_count() -> None:
    report = check_derivative(math.sin, math.cos, 0.7, exact=mpmath.cos)
    assert report.verdict is Verdict.CORRECT
    assert "contradict" in report.reason


def test_steps_of_f_that_are_not_told_from_noise_are_undecided_in_the_exact_oracle_too() -> None:
    def half(x: Any) -> Any:
        return np.asarray(x).astype(np.float16)

    report = check_derivative(half, lambda x: np.ones_like(x), np.ones(2, np.float16) / 3, strict=False)
    assert report.verdict in (Verdict.UNDECIDED, Verdict.CORRECT)
    coarse = check_derivative(lambda x: half(x * x), lambda x: 2 * x, np.float16(0.3), strict=False)
    assert coarse.verdict is not Verdict.WRONG


def in_place(x: Any) -> Any:
    x += 1.0
    return x.sum()


def none(x: Any) -> None:
    return None


def raising(x: Any) -> Any:
    raise KeyError("weights")


CALLS = iter(range(10**6))


@pytest.mark.parametrize(
    ("f", "df", "args", "error", "text"),
    [
        (none, abs, (1.0,), FunctionError, "none(1.0) returns None"),
        (abs, none, (1.0,), FunctionError, "none(1.0) returns None"),
        (in_place, np.ones_like, (np.ones(2),), FunctionError, "changes its argument 0 in place"),
        (
            np.sum,
            in_place,
            (np.ones(2),),
            FunctionError,
            "changes its argument 0 in place, from [1.0, 1.0] to [2.0, 2.0]",
        ),
        (lambda x: x + next(CALLS), lambda x: 1.0, (1.0,), FunctionError, "not deterministic"),
        (abs, lambda x: x + next(CALLS), (1.0,), FunctionError, "df (<lambda>) is not deterministic"),
        (raising, abs, (1.5,), FunctionError, "raising(1.5) raises KeyError: 'weights'"),
        (abs, raising, (1.5,), FunctionError, "raising(1.5) raises KeyError: 'weights'"),
        (math.log, abs, (-1.0,), FunctionError, "log(-1.0) raises ValueError"),
        (np.sum, lambda x: np.ones(3), (np.ones(2),), ValueError, "should be (2,)"),
        (
            np.sin,
            lambda x: np.ones(3),
            (np.ones(2),),
            ValueError,
            "should be (2, 2), or (2,) for the derivative of each",
        ),
        (lambda x, y: x, lambda x, y: 1.0, (1.0, 2.0), ValueError, "a tuple with one derivative for each"),
        (lambda x, y: x, lambda x, y: (1.0, None), (1.0, 2.0), FunctionError, "return zeros"),
        (lambda v: v[0], lambda v: [1.0], ([1.0, 2.0],), ValueError, "has 1 part, but the argument has 2"),
        (abs, abs, (2,), TypeError, "write floats, such as 2.0"),
        (np.sum, np.ones_like, (np.arange(3),), TypeError, "argument 0 holds integers"),
        (abs, abs, (), TypeError, "needs arguments"),
        (abs, abs, ([],), ValueError, "holds no numbers"),
        (3.0, abs, (1.0,), TypeError, "f is to be called, but it is 3.0"),
        (abs, 3.0, (1.0,), TypeError, "df is to be called"),
        (lambda x: (x, x), abs, (1.0,), ValueError, "is a float, and the result of <lambda> is a tuple of 2"),
        (lambda x: (), abs, (1.0,), TypeError, "is an empty tuple"),
        (lambda x: "text", abs, (1.0,), TypeError, "is a str"),
        (lambda x: np.ones(1 if x == 1.0 else 2), lambda x: np.zeros(1), (1.0,), FunctionError, "at another point"),
    ],
)
def test_what_cannot_be_checked_is_an_error_that_says_why(
    f: Any, df: Any, args: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        check_derivative(f, df, *args)
    assert text in str(caught.value)


def test_argnums_that_do_not_exist_are_an_error() -> None:
    with pytest.raises(ValueError, match="there are 1"):
        check_derivative(abs, abs, 1.0, argnums=1)


def test_the_arguments_stay_as_they_are() -> None:
    x = np.ones(2)
    y: list[Any] = [np.ones(1), 3]
    check_derivative(lambda x, y: (x * x).sum() * y[0][0], lambda x, y: 2 * x * y[0][0], x, y, argnums=0)
    assert x.tolist() == [1.0, 1.0]
    assert y[0].tolist() == [1.0]


def test_arguments_as_code_give_the_arguments() -> None:
    import numpy

    def report(*args: Any) -> Report:
        return check_derivative(lambda *args: 0.0, lambda x, *args: 0.0 * x, *args, argnums=0)

    other = (
        {"a": [1.0, (2.0,)]},
        (1.0, 2.0),
        Value(3.0),
        numpy.ones((2, 1), numpy.float32),
        "text",
        numpy.float32(2.0),
    )
    text = report(1.5, *other).point
    found = eval(f"({text})", {"numpy": numpy, "np": numpy, "Value": Value})
    assert str(found[:3]) == str((1.5, *other[:2]))
    assert found[3].data == 3.0
    assert found[4].dtype == numpy.float32
    assert found[4].tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(("dtype", "size"), [("float64", 3), ("float64", 80), ("float32", 3), ("bfloat16", 3)])
@pytest.mark.parametrize("factor", [1.0, 1.001, -1.0])
def test_an_autograd_function_of_pytorch(dtype: str, size: int, factor: float) -> None:
    torch = pytest.importorskip("torch")

    class Cube(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            (x,) = ctx.saved_tensors
            return factor * gradient * 3 * x**2

    def f(x: Any) -> Any:
        return Cube.apply(x).sum()

    def df(x: Any) -> Any:
        return torch.autograd.grad(f(x), x)[0]

    x = torch.linspace(-2.0, 2.0, size, dtype=torch.float64).to(getattr(torch, dtype)).requires_grad_(True)
    report = check_derivative(f, df, x, raise_exception=False)
    assert report.verdict is (Verdict.CORRECT if factor == 1.0 else Verdict.WRONG)
    assert f"dtype=torch.{dtype}, requires_grad=True" in report.call
    assert x.grad is None


@pytest.mark.parametrize("factor", [1.0, 1.001, -1.0])
def test_a_custom_vjp_of_jax(factor: float) -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    @jax.custom_vjp  # type: ignore[untyped-decorator, unused-ignore]  # JAX has no types here
    def f(x: Any) -> Any:
        return jnp.sum(x * jnp.tanh(x))

    def forward(x: Any) -> Any:
        return f(x), x

    def backward(x: Any, cotangent: Any) -> Any:
        return (factor * cotangent * (jnp.tanh(x) + x / jnp.cosh(x) ** 2),)

    f.defvjp(forward, backward)
    report = check_derivative(f, jax.grad(f), jnp.array([0.5, -1.5]), raise_exception=False)
    assert report.verdict is (Verdict.CORRECT if factor == 1.0 else Verdict.WRONG)
    assert "jax.numpy.array(" in report.call


# ------------------------------------------------------------------------------------ not deterministic, complex


class Shuffled:
    """Sums in another order each time, as parallel reductions do."""

    def __init__(self, f: Rule, relative: float = 0.0) -> None:
        self.f = f
        self.relative = relative
        self.rng = np.random.default_rng(0)

    def __call__(self, x: Any) -> Any:
        terms = self.f(x)
        return np.sum(self.rng.permutation(terms)) * (1.0 + self.relative * self.rng.uniform(-1.0, 1.0))


@pytest.mark.parametrize("size", [1, 5, 300])
@pytest.mark.parametrize("factor", [1.0, 1.001, -1.0])
def test_sums_in_another_order_each_time_are_rounding(size: int, factor: float) -> None:
    x = np.random.default_rng(1).uniform(0.1, 1.0, size)
    f = Shuffled(lambda x: np.exp(np.append(x, x / 3.0)))

    def df(x: Any) -> Any:
        slopes = np.exp(x) + np.exp(x / 3.0) / 3.0
        slopes[size // 2] *= factor
        return slopes

    assert verdict(f, df, x) is (Verdict.CORRECT if factor == 1.0 else Verdict.WRONG)


def test_what_differs_by_more_is_refused_unless_it_is_said() -> None:
    x = np.linspace(0.1, 1.0, 5)
    with pytest.raises(FunctionError, match="with nondet_tol="):
        check_derivative(Shuffled(np.exp, 1e-9), np.exp, x)
    assert verdict(Shuffled(np.exp, 1e-9), np.exp, x, nondet_tol=1e-8) is Verdict.CORRECT
    assert verdict(Shuffled(np.exp, 1e-9), lambda x: -np.exp(x), x, nondet_tol=1e-8) is Verdict.WRONG
    rng = np.random.default_rng(0)
    with pytest.raises(FunctionError, match=r"df .* is not deterministic"):
        check_derivative(np.sin, lambda x: np.cos(x) + 1e-6 * rng.normal(size=5), x)


@pytest.mark.parametrize("z", [1j, np.array([1j]), np.complex64(2.0)])
def test_complex_numbers_are_refused_with_what_to_write(z: Any) -> None:
    with pytest.raises(TypeError, match="by real and imaginary parts"):
        check_derivative(lambda z: z, lambda z: 1.0, z)
    with pytest.raises(TypeError, match="by real and imaginary parts"):
        check_derivative(lambda x: x * z, lambda x: 1.0, 2.0)
    with pytest.raises(TypeError, match="by real and imaginary parts"):
        check_derivative(lambda x: x, lambda x: z, 2.0)


@pytest.mark.parametrize("factor", [1.0, 1.001, 1j])
def test_and_that_works(factor: complex) -> None:
    def g(z: complex) -> complex:
        return z**3

    def dg(z: complex) -> complex:
        return factor * 3 * z**2

    def f(x: float, y: float) -> Any:
        return [g(x + 1j * y).real, g(x + 1j * y).imag]

    def df(x: float, y: float) -> Any:
        return [
            (dg(x + 1j * y).real, -dg(x + 1j * y).imag),
            (dg(x + 1j * y).imag, dg(x + 1j * y).real),
        ]

    assert verdict(f, df, 0.7, -1.2) is (Verdict.CORRECT if factor == 1.0 else Verdict.WRONG)
