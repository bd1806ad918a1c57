"""Where a function jumps, that is the verdict: it is not smooth, and no kink."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite.testing import Verdict, check_derivative, check_gradients, finite_difference, mpmath_derivative

#: Functions on Values, a point at which each jumps, what it is below and above, and its slope on either side.
JUMPS: dict[str, tuple[Callable[[Any], Any], float, float, float, float]] = {
    "floor": (tg.floor, 1.0, 0.0, 1.0, 0.0),
    "ceil": (tg.ceil, 2.0, 2.0, 3.0, 0.0),
    "whole quotient": (lambda x: x // 1.0, -2.0, -3.0, -2.0, 0.0),
    "remainder": (lambda x: x % 1.0, 1.0, 1.0, 0.0, 1.0),
    "step": (lambda x: tg.where(tg.greater(x, 0.0), 1.0, 0.0), 0.0, 0.0, 1.0, 0.0),
    "sign": (lambda x: tg.greater(x, 0.0) - tg.less(x, 0.0), 0.0, -1.0, 1.0, 0.0),
    "branch": (lambda x: 2.0 * x + (1.0 if x > 0 else 0.0), 0.0, 0.0, 1.0, 2.0),
    "branch of constants": (lambda x: 0.0 * x + (1.0 if x >= 3.0 else 0.5), 3.0, 0.5, 1.0, 0.0),
    "cut": (lambda x: tg.atan2(x, -1.0), 0.0, -math.pi, math.pi, -1.0),
    "inside": (lambda x: tg.exp(tg.floor(x) * x), 2.0, math.exp(2.0), math.exp(4.0), math.nan),
}
names = pytest.mark.parametrize("name", JUMPS)


@names
def test_a_jump_is_a_verdict_of_its_own(name: str) -> None:
    f, x, below, above, _ = JUMPS[name]
    report = check_gradients(f, x)
    assert report.verdict is Verdict.JUMP
    limits = [float(word) for word in report.reason.split() if word.lstrip("-")[:1].isdigit()]
    assert limits[0] == pytest.approx(below, rel=1e-5)
    assert limits[-1] == pytest.approx(above, rel=1e-5)


@names
@given(distance=st.floats(1e-9, 0.4), sign=st.sampled_from([-1.0, 1.0]))
def test_beside_a_jump_there_is_none(name: str, distance: float, sign: float) -> None:
    f, x, *_ = JUMPS[name]
    assert check_gradients(f, x + sign * distance).verdict is Verdict.CORRECT


@names
def test_check_derivative_sees_it_too_and_holds_the_slopes_on_either_side(name: str) -> None:
    f, x, _, _, slope = JUMPS[name]
    floats = lambda x: tg.Value(f(tg.Value(x)).data)  # noqa: E731 (floats alone: no graph shows where it jumps)
    assert finite_difference(floats, x).kind is Verdict.JUMP
    if math.isnan(slope):
        return
    for g in (f, floats):
        for got in (slope, math.nan):
            assert check_derivative(g, lambda x, got=got: got, x).verdict is Verdict.JUMP  # type: ignore[misc]
        assert check_derivative(g, lambda x: slope + 7.0, x, raise_exception=False).verdict is Verdict.WRONG


@pytest.mark.parametrize(
    ("f", "x"), [(np.sign, 0.0), (np.round, 0.5), (np.rint, 1.5), (math.trunc, 1.0), (np.heaviside, 0.0)]
)
def test_functions_of_other_libraries_jump_as_well(f: Callable[..., Any], x: float) -> None:
    along = (lambda x: float(f(x, 0.5))) if f is np.heaviside else (lambda x: float(f(x)))
    assert check_derivative(along, lambda x: 0.0, x).verdict is Verdict.JUMP


def test_a_kink_is_no_jump() -> None:
    for f, x in ((tg.relu, 0.0), (abs, 0.0), (lambda x: tg.maximum(x, 0.3) * 1e9, 0.3), (lambda x: max(x, 1.0), 1.0)):
        assert check_gradients(f, x).verdict is Verdict.KINK
    assert check_gradients(lambda x, y: tg.relu(1e12 * (x - y)), 0.1 + 0.2, 0.3).verdict is not Verdict.JUMP


def test_a_jump_within_rounding_is_one() -> None:
    report = check_gradients(lambda x: tg.floor(10.0 * x), 0.3)  # 10 times the float 0.3 is below 3, and rounds to 3
    assert report.verdict is Verdict.JUMP
    assert "it is 2.0 below, 3.0 there and 3.0 above" in report.reason


def test_only_the_argument_along_which_it_jumps_has_the_verdict() -> None:
    report = check_gradients(lambda x, y: tg.floor(x) * y + y * y, 1.0, 2.0)
    by_name = {finding.name: finding.verdict for finding in report.findings if finding.order == 1}
    assert by_name == {"∂f/∂x": Verdict.JUMP, "∂f/∂y": Verdict.KINK}  # by y it is floor(x) + 2·y, which is 4 or 5


def test_quotients_in_many_digits_tell_a_jump_from_an_edge() -> None:
    import mpmath

    floor = mpmath_derivative(mpmath.floor, 1.0)
    assert (floor.kind, floor.left, floor.right) == (Verdict.JUMP, 0.0, 0.0)
    assert str(floor) == "f jumps; 0 from below, 0 from above"
    assert mpmath_derivative(mpmath.sqrt, 0.0).kind is not Verdict.JUMP
    assert mpmath_derivative(mpmath.cbrt, 0.0).kind is not Verdict.JUMP
