"""Each oracle gives the derivative where it can, and says so where it cannot."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mpmath import mpf

import tinygrad_lite as tg
from tinygrad_lite.testing.oracles.oracles import (
    complex_step,
    finite_difference,
    forward_mode,
    mpmath_derivative,
    taylor_slope,
)
from tinygrad_lite.testing.oracles.verdicts import Estimate, Finding, Verdict
from tinygrad_lite.value import Value

Oracle = Callable[..., Any]
ALL: list[Oracle] = [finite_difference, complex_step, forward_mode, mpmath_derivative]
numbers = st.floats(0.25, 4.0)


@pytest.mark.parametrize("oracle", ALL)
@given(x=numbers, y=numbers)
def test_all_agree_on_a_function_of_operators(oracle: Oracle, x: float, y: float) -> None:
    def f(x: Any, y: Any) -> Any:
        return x**3 / y - x * y + 2.0

    by_x, by_y = oracle(f, x, y), oracle(f, x, y, argnum=1)
    for estimate, expected in ((by_x, 3 * x**2 / y - y), (by_y, -(x**3) / y**2 - x)):
        assert estimate.kind is Verdict.CORRECT
        assert abs(estimate.value - expected) <= estimate.error + 1e-13 * (abs(expected) + x**3 / y**2 + x + y)
        assert estimate.error < 1e-9 * (1.0 + abs(expected))


@pytest.mark.parametrize("oracle", ALL)
@given(x=numbers)
def test_all_agree_on_a_function_of_values(oracle: Oracle, x: float) -> None:
    estimate = oracle(lambda x: tg.tanh(x) * tg.log(x), x)
    expected = math.log(x) / math.cosh(x) ** 2 + math.tanh(x) / x
    assert estimate.kind is Verdict.CORRECT
    assert abs(estimate.value - expected) <= estimate.error + 1e-14


def test_finite_differences_take_arrays_and_values() -> None:
    estimate = finite_difference(lambda v: (v**2).sum(), np.array([3.0]))
    assert abs(estimate.value - 6.0) <= estimate.error
    single = finite_difference(lambda v: v * v, np.float32(3.0))
    assert abs(single.value - 6.0) <= single.error < 1e-2
    assert abs(finite_difference(lambda v: v * v, Value(3.0)).value - 6.0) < 1e-9
    assert finite_difference(lambda x: (-1.0) ** (x / 2.0), 1.0).kind is Verdict.NON_FINITE
    assert finite_difference(math.log, -1.0).kind is Verdict.NON_FINITE


def test_complex_step_has_no_cancellation() -> None:
    estimate = complex_step(lambda x: cmath.exp(x) / cmath.sqrt(cmath.sin(x) ** 3 + cmath.cos(x) ** 3), 1.5)
    assert estimate.value == pytest.approx(4.053427893898621, rel=1e-13)
    assert complex_step(lambda x: x * x, 1e-150).value == pytest.approx(2e-150, rel=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        abs,
        math.exp,
        lambda x: x.real,
        lambda x: x + 1.0 if isinstance(x, complex) else x,
        lambda x: 1 / (x - 2),
    ],
)
def test_complex_step_says_where_it_cannot_tell(f: Oracle) -> None:
    estimate = complex_step(f, 2.0)
    assert estimate.kind is Verdict.UNDECIDED
    assert estimate.note


def test_complex_step_of_what_overflows_is_undecided() -> None:
    assert complex_step(lambda x: x * complex(math.inf, 0.0), 2.0).kind is Verdict.UNDECIDED
    assert complex_step(lambda x: complex(x.real, math.inf), 2.0).kind is Verdict.UNDECIDED


def test_forward_mode_has_no_size_limit_and_refuses_functions_of_floats() -> None:
    assert forward_mode(lambda x: x * x, 1e-300).value == 2e-300
    assert forward_mode(lambda x: 3.0, 1.0).value == 0.0
    assert forward_mode(math.exp, 1.0).kind is Verdict.UNDECIDED
    assert forward_mode(lambda x: x**0.5, 0.0).kind is Verdict.UNDECIDED


def test_a_comparison_that_complex_numbers_lack_is_decided_by_values() -> None:
    def f(x: Any) -> Any:
        return x if x > 0 else -x

    assert complex_step(f, -2.0).value == -1.0


@given(x=numbers)
def test_mpmath_is_right_to_the_last_digit(x: float) -> None:
    with mpmath.workdps(50):
        expected = float(2 * mpmath.exp(mpf(x) ** 2) * mpf(x))
    assert mpmath_derivative(lambda x: mpmath.exp(x * x), x).value == expected


def test_mpmath_sees_kinks_and_edges() -> None:
    assert mpmath_derivative(lambda x: abs(x - 1), 1.0).kind is Verdict.KINK
    beside = mpmath_derivative(lambda x: abs(x - 1), math.nextafter(1.0, 2.0))
    assert beside.value == 1.0
    edge = mpmath_derivative(lambda x: mpmath.power(x, 3) * mpmath.log(x) if x else mpf(0), 0.0)
    assert edge.kind is Verdict.DOMAIN_EDGE
    other = mpmath_derivative(lambda x: mpmath.power(-x, 2.5), 0.0)
    assert (other.kind, other.value) == (Verdict.DOMAIN_EDGE, 0.0)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (math.exp, 1.0),
        (lambda x: x * math.exp(x), 1.0),
        (lambda x: mpf(float(x)) ** 2, 1.0),
        (lambda x: "text", 1.0),
        (mpmath.log, 0.0),
        (mpmath.sqrt, -1.0),
        (lambda x: mpmath.inf, 0.0),
        (lambda x: mpmath.sqrt(x) + mpmath.sqrt(-x), 0.0),
    ],
)
def test_mpmath_says_where_it_cannot_tell(f: Oracle, x: float) -> None:
    assert mpmath_derivative(f, x).kind is Verdict.UNDECIDED


right: list[tuple[Oracle, Oracle]] = [
    (lambda x: x**3, lambda x: 3 * x**2),
    (math.exp, math.exp),
    (lambda x: 2.0 * x + 1.0, lambda x: 2.0),
    (math.sin, math.cos),
]


@pytest.mark.parametrize(("f", "df"), right)
@given(x=numbers, seed=st.integers(0, 10))
def test_the_remainder_of_a_right_derivative_shrinks_quadratically(f: Oracle, df: Oracle, x: float, seed: int) -> None:
    assert taylor_slope(f, df, x, seed=seed).passes


@pytest.mark.parametrize(("f", "df"), right)
@given(x=numbers)
def test_the_remainder_of_a_wrong_derivative_shrinks_linearly(f: Oracle, df: Oracle, x: float) -> None:
    assume(abs(df(x) + 1.0) > 0.1)  # elsewhere the two errors cancel
    found = taylor_slope(f, lambda x: 1.001 * df(x) + 1e-3, x)
    assert float(found) == pytest.approx(1.0, abs=0.3)
    assert not found.passes
    assert len(found.steps) == len(found.remainders)


def test_the_taylor_test_takes_structures_and_edges() -> None:
    f = lambda v, w: (v * v).sum() * w["a"]  # noqa: E731 - one line says it
    df = lambda v, w: (2 * v * w["a"], {"a": (v * v).sum()})  # noqa: E731
    point = np.array([1.0, -2.0]), {"a": 0.0}
    assert taylor_slope(f, df, *point).passes
    assert not taylor_slope(f, lambda v, w: (2 * v * w["a"], {"a": v.sum()}), *point).passes
    assert taylor_slope(lambda x: math.log(x), lambda x: 1.0 / x, 1e-3).passes


def test_estimates_and_findings_are_equal_where_they_show_the_same_and_nan_is_nan() -> None:
    def made(left: float, reason: str = "") -> list[Any]:
        estimate = Estimate(1.5, 0.0, "differences", left=left)
        return [estimate, Finding("x", "", 1, left, 1.0, 1.0, 0.0, "60 digits", Verdict.WRONG, reason, (estimate,))]

    first, again, other = made(float("nan")), made(float("nan")), made(2.0)
    assert first == again
    assert [hash(x) for x in first] == [hash(x) for x in again]
    assert all(a != b for a, b in zip(first, other, strict=True))
    assert first[1] != made(float("nan"), "why")[1]
    assert first[0] != first[1]
