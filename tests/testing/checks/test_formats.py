"""float32, bfloat16 and float16: mistakes are found that their rounding hides, and rounding is no mistake."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite.testing.checks.derivatives import check_derivative
from tinygrad_lite.testing.checks.formats import in_double
from tinygrad_lite.testing.checks.user_derivative import Handwritten
from tinygrad_lite.testing.oracles.verdicts import DerivativeError, Report, Verdict

FORMATS = ["float32", "float16", "bfloat16"]
#: f, its derivative, and where both are far from 0; the derivatives are closed forms.
PAIRS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "square": (lambda x: x * x, lambda x: 2 * x),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    "log": (np.log, lambda x: 1 / x),
}


def in_format(values: Any, name: str) -> Any:
    if name == "bfloat16":
        return np.asarray(values).astype(pytest.importorskip("ml_dtypes").bfloat16)
    return np.asarray(values).astype(name)


def check(f: Any, df: Any, *args: Any, **options: Any) -> Report:
    return check_derivative(f, df, *args, raise_exception=False, **options)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("pair", PAIRS)
@given(x=st.floats(0.1, 2.5))
@settings(max_examples=10)
def test_a_right_rule_is_correct_in_every_format(name: str, pair: str, x: float) -> None:
    f, df = PAIRS[pair]
    assert check(f, df, in_format([x, 1.0], name)).verdict is Verdict.CORRECT


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("factor", [1.001, -1.0, 0.0])
def test_a_mistake_below_the_rounding_of_the_format_is_found(name: str, pair: str, factor: float) -> None:
    f, df = PAIRS[pair]
    report = check(f, lambda x: df(x) * np.asarray(factor, x.dtype), in_format([0.7, 1.2], name))
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert report.worst.oracle in ("finite difference in float64", "mpmath, 60 digits")
    assert report.worst.relative == pytest.approx(abs(factor - 1.0) / (factor or 1.0) * factor or 1.0, rel=1e-6)


@pytest.mark.parametrize("factor", [1.0, -1.0])
@pytest.mark.parametrize("name", FORMATS)
def test_a_rule_that_is_wrong_in_its_format_alone_is_found(name: str, factor: float) -> None:
    def df(x: Any) -> Any:
        return np.cos(x) if x.dtype == np.float64 else np.cos(x) * np.asarray(factor, x.dtype)

    report = check(np.sin, df, in_format([0.3, 0.9, 1.2], name))
    assert report.verdict is (Verdict.CORRECT if factor == 1.0 else Verdict.WRONG)
    if factor != 1.0:
        assert f"df gives this in {name}; in float64, at the same numbers, it gives" in report.reason


def test_an_overflow_on_the_way_is_a_mistake_of_the_format() -> None:
    def df(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.exp(x) / (1 + np.exp(x)) ** 2

    x = np.array([12.0], np.float16)
    assert check(lambda x: 1 / (1 + np.exp(-x)), df, x.astype(np.float32)).verdict is Verdict.CORRECT
    report = check(lambda x: 1 / (1 + np.exp(-x)), df, x)
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert math.isnan(report.worst.got)
    assert report.worst.expected == pytest.approx(math.exp(-12) / (1 + math.exp(-12)) ** 2)


def test_a_value_or_a_derivative_that_the_format_cannot_hold_is_not_finite() -> None:
    with np.errstate(all="ignore"):
        report = check(np.exp, np.exp, np.array([0.5, 12.0], np.float16))
    assert report.verdict is Verdict.NON_FINITE
    assert "float64" in report.reason or "float16" in report.reason
    with np.errstate(all="ignore"):
        steep = check(lambda x: 1 / x, lambda x: -1 / x / x, np.array([1e-3], np.float16))
    assert steep.verdict is Verdict.NON_FINITE
    assert "too large for float16" in steep.reason


@pytest.mark.parametrize("factor", [1.0, 1.001, -1.0])
def test_a_rule_in_float32_alone_is_told_by_its_own_ulp(factor: float) -> None:
    def df(x: Any) -> Any:
        return (np.cos(x) * factor).astype(np.float32)

    report = check(np.sin, df, np.array([0.3, 1.2], np.float32))
    assert report.verdict is (Verdict.CORRECT if factor == 1.0 else Verdict.WRONG)
    if factor == 1.001:
        assert report.worst is not None
        assert report.worst.ulps == pytest.approx(0.001 / 2.0**-23, rel=1.1)
    assert check(np.sin, df, np.array([0.3, 1.2])).verdict is report.verdict


def test_what_neither_format_decides_is_undecided_and_raises() -> None:
    def df(x: Any) -> Any:
        return (np.cos(x) * (1 + 1e-5)).astype(np.float32)

    with pytest.raises(DerivativeError, match="does not give float64 as f does"):
        check_derivative(np.sin, df, np.array([0.3], np.float32))
    assert check_derivative(np.sin, df, np.array([0.3], np.float32), strict=False).verdict is Verdict.UNDECIDED


def test_a_function_that_is_another_one_in_float64_is_left_in_its_format() -> None:
    def other(x: Any) -> Any:
        return np.sin(x) if x.dtype == np.float32 else 5 * np.cos(x)

    def refusing(x: Any) -> Any:
        assert x.dtype == np.float32
        return np.sin(x)

    for f in (other, refusing, lambda x: np.sin(x).astype(np.float32)):
        assert in_double(Handwritten(f, np.cos, [np.ones(2, np.float32)], None)) is None
        assert check(f, lambda x: -np.cos(x), np.array([0.3, 0.7], np.float32)).verdict is Verdict.WRONG
    assert in_double(Handwritten(np.sin, np.cos, [np.ones(2)], None)) is None


def test_weights_of_a_low_format_follow() -> None:
    w = np.array([[1.0, 2.0], [0.5, -1.0]], np.float16)
    x = np.array([0.5, 0.25], np.float16)
    report = check(lambda w, x: w @ x, lambda w, x: w, w, x, argnums=1)
    assert report.verdict is Verdict.WRONG or report.verdict is Verdict.CORRECT
    assert check(lambda x, w: w @ x, lambda x, w: w, x, w, argnums=0).verdict is Verdict.CORRECT
    assert check(lambda x, w: w @ x, lambda x, w: w.T, x, w, argnums=0).verdict is Verdict.WRONG


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_jax_has_float64_for_the_check_alone(name: str, factor: float) -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    before = jax.config.jax_enable_x64

    def df(x: Any) -> Any:
        return jnp.cos(x) * factor

    report = check(jax.jit(jnp.sin), df, jnp.array([0.3, 1.2], dtype=name))
    assert report.verdict is (Verdict.CORRECT if factor == 1.0 else Verdict.WRONG)
    assert jax.config.jax_enable_x64 == before


def test_a_report_on_a_thousand_numbers_is_short() -> None:
    x = np.linspace(0.1, 3.0, 1000).astype(np.float32)
    with pytest.raises(DerivativeError) as caught:
        check_derivative(lambda x: np.sin(x).astype(np.float32).sum(), lambda x: np.cos(x), x)
    assert caught.value.report.verdict is Verdict.UNDECIDED
    assert len(str(caught.value)) < 2000
    assert caught.value.report.call.count(",") > 1000
