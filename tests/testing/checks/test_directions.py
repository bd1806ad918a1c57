"""Derivatives of arrays along random directions: few calls, and still the entry that is wrong."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite.testing.checks.derivatives import check_derivative
from tinygrad_lite.testing.checks.directions import Product, count, search
from tinygrad_lite.testing.oracles.verdicts import Report, Verdict

Function = Callable[[Any], Any]


class Counted:
    """A function that knows how often it was called."""

    def __init__(self, f: Function) -> None:
        self.f = f
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return self.f(x)


def check(f: Function, df: Function, x: Any, **options: Any) -> Report:
    return check_derivative(f, df, x, raise_exception=False, **options)


def points(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, n)


def off(df: Function, place: int, factor: float = 1.001) -> Function:
    """A derivative with one entry that is wrong."""

    def wrong(x: Any) -> Any:
        slopes = np.array(df(x))
        slopes.flat[place] *= factor
        return slopes

    return wrong


W = np.random.default_rng(1).normal(size=(30, 40)) / 6.0
#: f and its derivative in closed form
SMOOTH: dict[str, tuple[Function, Function]] = {
    "a sum": (lambda x: np.sin(x).sum(), np.cos),
    "elementwise": (np.sin, np.cos),
    "a product": (lambda x: np.exp(np.mean(x)), lambda x: np.full_like(x, np.exp(np.mean(x)) / x.size)),
    "a norm": (np.linalg.norm, lambda x: x / np.linalg.norm(x)),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 24, 100, 1000])
def test_f_is_called_at_most_three_times_as_often_as_by_gradcheck(name: str, n: int) -> None:
    f, df = SMOOTH[name]
    counted = Counted(f)
    assert check(counted, df, points(n)).verdict is Verdict.CORRECT
    assert counted.calls <= 3 * (2 * n + 2)  # twice a number, and once or twice at the point itself


def test_calls_grow_with_the_logarithm_of_the_size() -> None:
    calls = []
    for n in (10, 100, 1000, 10_000):
        counted = Counted(lambda x: np.sin(x).sum())
        check(counted, np.cos, points(n))
        calls.append(counted.calls)
    assert max(np.diff(calls)) <= 6 * math.ceil(math.log2(10))


def test_a_matrix_of_four_by_six_takes_no_more_than_gradcheck_three_times() -> None:
    torch = pytest.importorskip("torch")
    x = torch.linspace(-1.0, 1.0, 24, dtype=torch.float64).reshape(4, 6).requires_grad_(True)
    ours, theirs = Counted(lambda x: torch.sin(x).sum()), Counted(lambda x: torch.sin(x).sum())
    assert torch.autograd.gradcheck(theirs, x)
    assert check(ours, torch.cos, x).verdict is Verdict.CORRECT
    assert ours.calls <= 3 * theirs.calls


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=5, deadline=None)
def test_one_entry_among_a_thousand_that_is_off_by_a_thousandth_is_named(seed: int, data: Any) -> None:
    f, df = SMOOTH[data.draw(st.sampled_from(sorted(SMOOTH)))]
    place = data.draw(st.integers(0, 999))
    x = points(1000, seed)
    x[place] = 0.5  # where the derivative is not small beside others
    report = check(f, off(df, place), x, seed=seed)
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert report.worst.argument == f"args[0][{place}]"
    assert report.worst.relative == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_so_it_is_in_formats_whose_rounding_hides_it(dtype: str) -> None:
    f, df = SMOOTH["a sum"]
    x = points(1000).astype(dtype)
    assert check(f, df, x).verdict is Verdict.CORRECT
    report = check(f, off(df, 123), x)
    if dtype == "float16":  # 1.001 is no number of float16, but df is held against f in float64
        assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert report.worst.argument == "args[0][123]"


@given(st.integers(0, 29), st.integers(0, 39), st.sampled_from([1.001, -1.0, 0.0]))
@settings(max_examples=10, deadline=None)
def test_the_entry_of_a_jacobian_is_named(row: int, column: int, factor: float) -> None:
    def df(x: Any) -> Any:
        return W / np.cosh(x) ** 2

    x = points(40)
    assert check(lambda x: W @ np.tanh(x), df, x).verdict is Verdict.CORRECT
    report = check(lambda x: W @ np.tanh(x), off(df, 40 * row + column, factor), x)
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert (report.worst.output, report.worst.argument) == (f"[{row}]", f"args[0][{column}]")


def test_two_errors_that_cancel_in_one_direction_do_not_in_all() -> None:
    f, df = SMOOTH["a sum"]
    x = points(100)
    x[3] = x[50] = 0.5
    assert check(f, off(off(df, 3, 1.001), 50, 0.999), x).verdict is Verdict.WRONG


def test_a_wrong_entry_that_is_small_beside_others_is_found() -> None:
    weights = 10.0 ** -np.arange(20)
    f, df = (lambda x: np.sum(x**2 * weights)), (lambda x: 2 * x * weights)
    x = 1.0 + points(20)
    for place in (0, 5, 8):
        report = check(f, off(df, place), x)
        assert report.worst is not None
        assert report.worst.argument == f"args[0][{place}]"
    assert check(f, df, x).verdict is Verdict.CORRECT


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


@pytest.mark.parametrize("whole", [False, True])
def test_kinks_among_smooth_numbers_are_kinks_and_hide_no_mistake(whole: bool) -> None:
    x = points(200)
    x[[3, 77]] = 0.0
    x[120] = 0.7

    def f(x: Any) -> Any:
        return relu(x).sum() if whole else relu(x)

    def df(x: Any) -> Any:
        return (x > 0.0) * 1.0

    report = check(f, df, x)
    assert report.verdict is Verdict.KINK
    assert report.worst is not None
    assert report.worst.argument in ("args[0][3]", "args[0][77]")
    wrong = check(f, off(df, 120), x)
    assert wrong.verdict is Verdict.WRONG
    assert wrong.worst is not None
    assert wrong.worst.argument == "args[0][120]"
    assert check(f, lambda x: df(x) + 1.001 * (x == 0.0), x).verdict is Verdict.WRONG


@pytest.mark.parametrize("size", [1e-6, 1e4])
def test_numbers_of_any_size(size: float) -> None:
    x = size * np.abs(points(30)) + size
    for f, df in [(lambda x: np.log(x).sum(), lambda x: 1 / x), (np.sqrt, lambda x: 0.5 / np.sqrt(x))]:
        assert check(f, df, x).verdict is Verdict.CORRECT
        assert check(f, off(df, 7), x).verdict is Verdict.WRONG


def test_edges_and_infinite_slopes_do_not_hide_the_rest() -> None:
    x = np.append(np.abs(points(30)), 0.0)
    with np.errstate(all="ignore"):
        report = check(np.sqrt, lambda x: 0.5 / np.sqrt(x), x)
        assert report.verdict is Verdict.DOMAIN_EDGE
        assert check(np.sqrt, off(lambda x: 0.5 / np.sqrt(x), 4), x).verdict is Verdict.WRONG
    assert check(np.sin, off(np.cos, 4, math.nan), points(30)).verdict is Verdict.WRONG


def test_the_full_check_is_to_be_had() -> None:
    f, df = SMOOTH["a sum"]
    counted = Counted(f)
    report = check(counted, df, points(20), full=True)
    assert report.verdict is Verdict.CORRECT
    assert len(report.findings) == 20
    assert counted.calls > 20 * 100
    assert check(f, off(df, 16), points(20), full=True).worst.argument == "args[0][16]"  # type: ignore[union-attr]  # a finding is there


def test_noise_that_is_large_beside_the_derivatives_is_undecided() -> None:
    x = points(1000)
    report = check(lambda x: np.float64(np.float16(np.sin(x).sum())), np.cos, x)
    assert report.verdict is Verdict.UNDECIDED


def test_a_search_stops_at_a_contradiction_in_one_number() -> None:
    x = np.full(16, 0.5)
    slopes = np.cos(x)
    slopes[11] = -slopes[11]

    def along(v: Any) -> Any:
        return np.array([slopes @ v]), np.array([np.linalg.norm(slopes * v)])

    outcome = search(Product(x, lambda x: np.array([np.sin(x).sum()]), along, 1e-8), random.Random(0))
    assert outcome.wrong is not None
    line, row = outcome.wrong
    assert np.flatnonzero(line.direction).tolist() == [11]
    assert row == 0
    assert line.slope[0] / line.direction[11] == pytest.approx(math.cos(0.5), rel=1e-9)
    assert count(16) == 8
