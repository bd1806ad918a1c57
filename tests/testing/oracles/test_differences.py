"""Finite differences: every claim holds, and what cannot be told is not claimed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from tinygrad_lite.testing.oracles.differences import DOUBLE, OUTSIDE, Precision, judge, sample
from tinygrad_lite.testing.oracles.verdicts import Estimate, Verdict

Function = Callable[[Any], Any]


def adaptive_difference(function: Callable[[float], float], x: float, precision: Precision = DOUBLE) -> Estimate:
    """The derivative of a function of one float, with a bound on its error, from the function's values alone."""

    def values(point: float) -> Any:
        try:
            found = function(point)
        except OUTSIDE:
            return np.array(math.nan)
        return np.array(math.nan if isinstance(found, complex) else float(found))

    return judge(sample(values, x, precision))


def test_a_derivative_of_known_functions() -> None:
    estimate = adaptive_difference(math.exp, 1.0)
    assert abs(estimate.value - math.e) <= estimate.error < 1e-10
    assert adaptive_difference(abs, 0.0).kind is Verdict.KINK
    assert round(adaptive_difference(abs, -1e-9).value, 10) == -1.0
    assert adaptive_difference(math.sqrt, 0.0).value == math.inf


#: Each as a function of floats and of mpmath numbers.
ATOMS: dict[str, tuple[Function, Function]] = {
    **{
        name: (getattr(math, name), getattr(mpmath, name))
        for name in (
            "exp",
            "sin",
            "cos",
            "tan",
            "tanh",
            "atan",
            "sqrt",
            "log",
            "log1p",
            "expm1",
            "erf",
            "asinh",
            "asin",
        )
    },
    "1/x": (lambda x: 1 / x, lambda x: 1 / x),
    "square": (lambda x: x * x, lambda x: x * x),
    "cube": (lambda x: x * x * x, lambda x: x * x * x),
    "lorentz": (lambda x: 1 / (1 + x * x), lambda x: 1 / (1 + x * x)),
    "gauss": (lambda x: math.exp(-x * x), lambda x: mpmath.exp(-x * x)),
    "sigmoid": (lambda x: 1 / (1 + math.exp(-x)), lambda x: 1 / (1 + mpmath.exp(-x))),
    "x**1.5": (lambda x: math.pow(x, 1.5), lambda x: mpmath.power(x, mpf(1.5))),
    "soft abs": (lambda x: math.sqrt(x * x + 1e-6), lambda x: mpmath.sqrt(x * x + mpf(1e-6))),
}
OSCILLATING = ("sin", "cos", "tan")

sizes = st.floats(-6.0, 6.0).map(lambda exponent: 10.0**exponent)
signs = st.sampled_from([-1.0, 1.0])
factors = st.one_of(
    st.just(1.0),
    st.builds(lambda a, b: a * b, signs, st.floats(0.01, 3.0)),
    st.builds(lambda a, b: a * b, signs, sizes),
)
summands = st.one_of(st.just(0.0), st.floats(-2.0, 2.0), st.just(100.0), st.floats(-9.0, 3.0).map(lambda e: 10.0**e))
parts = st.lists(st.tuples(st.sampled_from(sorted(ATOMS)), factors, summands), min_size=1, max_size=3)
points = st.one_of(
    st.floats(-3.0, 3.0),
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0]),
    st.builds(lambda s, e: s * 10.0**e, signs, st.floats(-12.0, 12.0)),
    st.builds(lambda s, e: s * 10.0**e, signs, st.floats(-300.0, 300.0)),
    st.floats(-100.0, 100.0),
)


def composed(parts: list[tuple[str, float, float]], how: str, which: int, x: Any) -> Any:
    """A chain, a sum or a product of atoms of a·x + b."""
    result = None
    for name, a, b in parts:
        inner = a * (result if how == "chain" and result is not None else x) + b
        # What oscillates faster than x has digits is no function of floats any more; and less than some thousand
        # roundings of the result pass for noise.
        assume(which or name not in OSCILLATING or abs(inner) <= (1000.0 if len(parts) == 1 else 10.0))
        y = ATOMS[name][which](inner)
        # What underflows on the way is gone.
        assume(which or x == 0.0 or (abs(inner) > 1e-290 and abs(y) > 1e-290))
        result = y if result is None or how == "chain" else result + y if how == "sum" else result * y
    return result


def truth(f: Function, x: float) -> Any:
    wide = x == 0.0 or not 1e-15 < abs(x) < 1e15
    with mp.workdps(700 if wide else 150):
        step = mpf(10) ** (-260 if wide else -60) * (abs(x) or 1)
        ends = f(mpf(x) - step), f(mpf(x) + step)
        return None if any(isinstance(y, mpmath.mpc) for y in ends) else (ends[1] - ends[0]) / (2 * step)


@settings(
    max_examples=settings().max_examples * 4, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
@given(parts, st.sampled_from(["chain", "sum", "product"]), points)
@example([("sin", 1.0, 0.0), ("exp", 1.0, 0.0)], "chain", 0.3)
@example([("soft abs", 1.0, 0.0), ("square", 1.0, 1.0)], "sum", -0.868664085633637)
def test_a_claim_on_a_smooth_function_holds(parts: list[tuple[str, float, float]], how: str, x: float) -> None:
    try:
        assume(math.isfinite(composed(parts, how, 0, x)))
    except (ValueError, ArithmeticError):
        assume(False)

    def f(x: float) -> Any:
        y = x
        result = None
        for name, a, b in parts:
            y = ATOMS[name][0](a * (y if how == "chain" else x) + b)
            result = y if result is None or how == "chain" else result + y if how == "sum" else result * y
        assert result is not None
        return result

    estimate = adaptive_difference(f, x)
    if estimate.kind is not Verdict.CORRECT:
        assert estimate.kind is not Verdict.KINK
        return
    try:
        expected = truth(lambda x: composed(parts, how, 1, x), x)
    except (ValueError, ArithmeticError):
        return
    # Of values that cancel to exactly 0, nobody knows what they were made of.
    if expected is None or abs(expected) > mpf(1e308) or (estimate.value == 0.0 and abs(expected) < 1e-15):
        return
    assert abs(mpf(estimate.value) - expected) <= estimate.error + mpf(10) ** -200


@pytest.mark.parametrize("name", sorted(ATOMS))
@given(x=st.floats(0.1, 0.9))
@settings(max_examples=10)
def test_the_bound_is_tight_for_ordinary_functions(name: str, x: float) -> None:
    f, g = ATOMS[name]
    estimate = adaptive_difference(f, x)
    slope = float(mpmath.diff(g, x))
    assert estimate.kind is Verdict.CORRECT
    assert abs(estimate.value - slope) <= estimate.error <= 1e-7 * abs(slope)


kinks: list[Function] = [abs, lambda x: max(x, 0.0), lambda x: min(3.0 * x, -x), lambda x: abs(x) + x * x]


@pytest.mark.parametrize("f", kinks)
@pytest.mark.parametrize("at", [0.0, 1.0, 1e5, -3e-7])
def test_a_kink_is_recognised(f: Function, at: float) -> None:
    estimate = adaptive_difference(lambda x: f(x - at), at)
    assert estimate.kind is Verdict.KINK
    below, above = (-f(-(2.0**-30)) * 2.0**30, f(2.0**-30) * 2.0**30)
    assert estimate.left == pytest.approx(below, abs=1e-8)
    assert estimate.right == pytest.approx(above, abs=1e-8)


@pytest.mark.parametrize("at", [0.0, 1.0, 1e5])
@given(exponent=st.floats(-14.0, -1.0), side=signs)
@settings(max_examples=settings().max_examples * 3 // 5)
def test_beside_a_kink_no_other_slope_is_claimed(at: float, exponent: float, side: float) -> None:
    x = at + side * 10.0**exponent
    assume(x != at)
    for f, slope in ((abs, side), (lambda x: max(x, 0.0), max(side, 0.0))):
        estimate = adaptive_difference(lambda x, f=f: f(x - at), x)  # type: ignore[misc]
        if estimate.kind is Verdict.KINK:
            # nearer than a float's digits tell
            assert abs(x - at) < 1000.0 * math.ulp(at)
        elif estimate.kind is Verdict.CORRECT:
            assert abs(estimate.value - slope) <= estimate.error
    if abs(x - at) > 1e-9 * max(1.0, abs(at)):
        assert adaptive_difference(lambda x: abs(x - at), x).kind is Verdict.CORRECT


def test_a_kink_one_number_away_is_not_overlooked() -> None:
    for at in (1.0, 1e5):
        estimate = adaptive_difference(lambda x, at=at: abs(x - at), math.nextafter(at, math.inf))  # type: ignore[misc]
        assert estimate.kind in (Verdict.UNDECIDED, Verdict.KINK)


@pytest.mark.parametrize(
    ("x", "left", "right"),
    [(0.0, 1.0, 1.0), (1e-9, 1.0, 0.0), (-1e-9, 0.0, 1.0), (2e-9, 0.0, 0.0), (1e-3, 0.0, 0.0), (-1.0, 0.0, 0.0)],
)
def test_two_kinks_close_together_are_told_apart(x: float, left: float, right: float) -> None:
    estimate = adaptive_difference(lambda x: max(x + 1e-9, 0.0) - max(x - 1e-9, 0.0), x)
    if left == right:
        assert estimate.kind is Verdict.CORRECT
        assert estimate.value == pytest.approx(left, abs=1e-6)
    else:
        assert estimate.kind is Verdict.KINK
        assert (estimate.left, estimate.right) == pytest.approx((left, right), abs=1e-6)


def sign(x: float) -> float:
    return math.copysign(1.0, x) if x else 0.0


@pytest.mark.parametrize(
    ("f", "x"), [(math.floor, 1.0), (math.floor, 0.0), (sign, 0.0), (lambda x: 5.0 * (x == 0), 0.0)]
)
def test_a_jump_has_slope_0_on_both_sides(f: Function, x: float) -> None:
    estimate = adaptive_difference(f, x)
    assert estimate.kind is Verdict.JUMP
    assert (estimate.left, estimate.right) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert "jumps" in estimate.note


@pytest.mark.parametrize("f", [math.floor, sign])
def test_beside_a_jump_the_slope_is_0(f: Function) -> None:
    for x in (0.5, 1e-5, 1.0 - 1e-5):
        estimate = adaptive_difference(f, x)
        assert estimate.kind is Verdict.CORRECT
        assert abs(estimate.value) <= estimate.error < 1e-8


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (math.sqrt, 0.0, math.inf),
        (lambda x: x**1.5, 0.0, 0.0),
        (math.asin, 1.0, math.inf),
        (math.acos, -1.0, -math.inf),
        (lambda x: x * math.sqrt(1.0 - x), 1.0, -math.inf),
        (lambda x: math.sqrt(x) ** 2 * 3.0, 0.0, 3.0),
    ],
)
def test_at_the_edge_of_the_domain_the_slope_is_that_of_the_other_side(f: Function, x: float, slope: float) -> None:
    estimate = adaptive_difference(f, x)
    assert estimate.kind is Verdict.DOMAIN_EDGE
    assert estimate.value == slope or abs(estimate.value - slope) <= estimate.error < 1e-6


def test_infinite_slopes_on_both_sides() -> None:
    cube_root = adaptive_difference(lambda x: math.copysign(abs(x) ** (1 / 3), x), 0.0)
    assert (cube_root.kind, cube_root.value) == (Verdict.DOMAIN_EDGE, math.inf)
    for power in (0.5, 0.01):
        root = adaptive_difference(lambda x, power=power: abs(x) ** power, 0.0)  # type: ignore[misc]
        assert (root.kind, root.left, root.right) == (Verdict.KINK, -math.inf, math.inf)


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (lambda x: abs(x) ** 1.5, 0.0, 0.0),
        (lambda x: math.exp(50.0 * x), 1.0, 50.0 * math.exp(50.0)),
        (lambda x: math.sin(1e6 * x), 1.0, 1e6 * math.cos(1e6)),
        (lambda x: 1.0 / x, 1e-8, -1e16),
        (lambda x: x * x, 1e150, 2e150),
        (lambda x: x, 1e300, 1.0),
        (lambda x: x, 1e-300, 1.0),
        (math.log, 1e-300, 1e300),
        (lambda x: 1.0, 3.0, 0.0),
        (lambda x: math.log(1.0 + x), 0.0, 1.0),
        (lambda x: (1.0 + x) - 1.0, 0.0, 1.0),
        (lambda x: math.sqrt(1.0 + x) - 1.0, 1e-40, 0.5),
        (lambda x: math.exp(x) - 1.0, -1e-17, 1.0),
        (lambda x: 3.0 - (3.0 - x), 1e-20, 1.0),
        (lambda x: 3.0 * x**3 - x, 1.3, 9.0 * 1.3**2 - 1.0),
        (lambda x: math.exp(-1.0 / x**2) if x else 0.0, 0.0, 0.0),
        (lambda x: x + 1e-12 * math.tanh(1e10 * x), 0.0, 1.01),
    ],
)
def test_hard_smooth_functions(f: Function, x: float, slope: float) -> None:
    estimate = adaptive_difference(f, x)
    assert estimate.kind is Verdict.CORRECT
    assert abs(estimate.value - slope) <= estimate.error + 1e-9 * abs(slope)
    assert estimate.error <= 1e-6 * max(abs(slope), 1e-6)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: float(np.float32(x)),
        lambda x: float(np.exp(np.float32(x))),
        lambda x: float(np.float32(x)) * x,
        lambda x: round(math.sin(x), 6),
        lambda x: (1e10 + x) - 1e10,
        lambda x: math.sin(1e20 * x),
        lambda x: math.floor(1000.0 * x) / 1000.0,
    ],
)
@given(x=st.floats(0.3, 0.9))
@settings(max_examples=15)
def test_of_a_function_that_is_rounded_inside_nothing_is_claimed(f: Function, x: float) -> None:
    assert adaptive_difference(f, x).kind is Verdict.UNDECIDED


def test_where_no_scales_agree_nothing_is_claimed() -> None:
    assert adaptive_difference(lambda x: x * math.log(x) if x else 0.0, 0.0).kind is Verdict.UNDECIDED


def test_isolated_points_and_edges_too_near_to_see() -> None:
    def alone(x: float) -> float:
        return 1.0 if x == 1.0 else math.nan

    assert adaptive_difference(alone, 1.0).kind is Verdict.UNDECIDED
    edge = math.nextafter(1.0, 2.0)
    below: Function = lambda x: x if x <= edge else math.nan  # noqa: E731 - one line says it
    above: Function = lambda x: x if x >= edge else math.nan  # noqa: E731
    for f in (below, above):
        found = adaptive_difference(f, 1.0 if f(1.0) == 1.0 else math.nextafter(edge, 2.0))
        assert found.kind is Verdict.UNDECIDED
        assert "edge" in found.note


def test_outside_the_domain_the_value_is_no_number() -> None:
    for f in (math.log, lambda x: math.nan, lambda x: math.inf, lambda x: (-1.0) ** 0.5):
        assert adaptive_difference(f, 0.0).kind is Verdict.NON_FINITE


def test_values_of_less_precision_have_a_wider_bound() -> None:
    estimate = adaptive_difference(lambda x: float(np.float32(math.sin(x))), 0.5, Precision(2.0**-23, 1e-38))
    assert estimate.kind is Verdict.CORRECT
    assert abs(estimate.value - math.cos(0.5)) <= estimate.error < 1e-2


def test_points_are_exact_and_steps_cover_all_scales() -> None:
    seen = []

    def f(x: float) -> float:
        seen.append(x)
        return x

    adaptive_difference(f, 1.0)
    steps = sorted(abs(x - 1.0) for x in seen if x != 1.0)
    assert steps[0] < 1e-14
    assert steps[-1] > 0.1
    assert len(seen) < 300
    assert len(set(seen)) == len(seen)
