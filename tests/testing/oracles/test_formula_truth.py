"""check_derivative decides what the rounding of f's values hides: in 60 digits, or not at all."""

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
from tinygrad_lite.testing import DerivativeError, Verdict, check_derivative, check_gradients
from tinygrad_lite.testing.oracles.differences import is_flat

Function = Callable[..., Any]


def textbook(x: float) -> float:
    return 1.0 - math.tanh(x) ** 2


def stable(x: float) -> float:
    return math.cosh(x) ** -2


def verdict(*args: Any, **options: Any) -> Verdict:
    return check_derivative(*args, raise_exception=False, **options).verdict


def opaque(function: Function) -> Function:
    """The same floats, of which nothing is recorded: as those of another library."""
    return lambda x: float(np.float64(function(float(x))))


@pytest.mark.parametrize("f", [tg.tanh, math.tanh, lambda x: tg.tanh(x), lambda x: math.tanh(x), np.tanh])
def test_a_derivative_that_is_less_than_the_rounding_of_f_is_decided(f: Function) -> None:
    report = check_derivative(f, textbook, 20.0, raise_exception=False)
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert report.worst.oracle == "mpmath, 60 digits"
    assert report.worst.expected == pytest.approx(float(mpmath.sech(report.numbers[0]) ** 2), rel=1e-12)
    assert verdict(f, stable, 20.0) is Verdict.CORRECT


@given(x=st.floats(-300.0, 300.0))
@settings(max_examples=settings().max_examples // 4)
def test_the_truth_is_mpmaths(x: float) -> None:
    truth = float(mpmath.sech(x) ** 2)
    assert verdict(math.tanh, lambda x: truth, x) in (Verdict.CORRECT, Verdict.NON_FINITE)
    assert verdict(math.tanh, lambda x: 1.01 * truth, x) in (Verdict.WRONG, Verdict.NON_FINITE)


def test_a_formula_that_cancels_is_right_while_digits_are_left() -> None:
    for x in (1.0, 5.0, 10.0, 12.0, 15.0):
        assert verdict(math.tanh, textbook, x) is Verdict.CORRECT
    assert "df loses digits here" in check_derivative(math.tanh, textbook, 15.0).reason
    report = check_derivative(math.tanh, textbook, 19.5, raise_exception=False)
    assert "df has lost its digits" in report.reason


@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_arrays_and_several_arguments_have_their_own_sizes(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.5)
    x.flat[-1] = 20.0
    assert verdict(np.tanh, lambda x: 1.0 - np.tanh(x) ** 2, x) is Verdict.WRONG
    assert verdict(np.tanh, lambda x: np.cosh(x) ** -2.0, x) is Verdict.CORRECT
    assert verdict(lambda x, y: math.tanh(x) + 3.0 * y, lambda x, y: (0.0, 3.0), 20.0, 1.0) is Verdict.WRONG
    assert verdict(lambda p: math.tanh(p["a"]), lambda p: {"a": 0.0}, {"a": 20.0}) is Verdict.WRONG


@pytest.mark.parametrize(("f", "x"), [(math.tanh, 20.0), (math.tanh, 100.0), (tg.sigmoid, 40.0), (tg.sigmoid, 100.0)])
def test_where_values_cannot_tell_0_from_a_small_number_nothing_is_called_correct(f: Function, x: float) -> None:
    with pytest.raises(DerivativeError, match="undecided below"):
        check_derivative(opaque(f), lambda x: 0.0, x)
    for got in (1e-17, 3e-17, -1e-18):
        assert verdict(opaque(f), lambda x, got=got: got, x) is Verdict.UNDECIDED  # type: ignore[misc]


def test_so_it_is_where_the_value_is_large_beside_its_changes() -> None:
    f = opaque(lambda x: 1e20 + math.sin(x))
    assert verdict(f, math.cos, 2.0) is Verdict.UNDECIDED
    assert verdict(f, lambda x: -math.cos(x), 2.0) is Verdict.UNDECIDED
    assert verdict(f, math.cos, 2.0, exact=lambda x: mpmath.mpf(10) ** 20 + mpmath.sin(x)) is Verdict.CORRECT


@pytest.mark.parametrize(
    ("f", "df", "x"),
    [
        (math.cos, lambda x: -math.sin(x), 0.0),  # a derivative that is 0 where it changes its sign
        (math.cos, lambda x: -math.sin(x), math.pi),
        (lambda x: (x - 1.0) ** 2, lambda x: 2.0 * (x - 1.0), 1.0),
        (lambda x: 1.0 + x**3, lambda x: 3.0 * x**2, 0.0),
        (lambda x: min(max(x, -1.0), 1.0), lambda x: 0.0, 5.0),  # constant up to an edge
        (lambda x: min(max(x, -1.0), 1.0), lambda x: 0.0, 5000.0),
        (lambda x: 7.0, lambda x: 0.0, 2.0),  # constant everywhere
        (lambda x: max(x, 0.0), lambda x: 0.0, -1.0),
        (lambda x: math.floor(x) + 1.0, lambda x: 0.0, 2.5),
    ],
)
def test_a_derivative_that_is_0_is_decided(f: Function, df: Function, x: float) -> None:
    assert verdict(f, df, x) is Verdict.CORRECT
    assert verdict(opaque(f), df, x) is Verdict.CORRECT


def test_an_operation_without_a_formula_is_undecided_there_too() -> None:
    saturated = tg.define("saturated_twice", opaque(math.tanh), lambda m, x, z: 1.0 - z * z)
    for x in (20.0, 100.0):
        assert check_gradients(saturated, x, order=1, raise_exception=False).verdict is Verdict.UNDECIDED
    assert check_gradients(saturated, 1.0, order=1).verdict is Verdict.CORRECT


def helper(x: float) -> float:
    return 1e20 + math.exp(-x) * recursive(x, 3)


def recursive(x: float, n: int) -> float:
    return 1.0 if n == 0 else math.sin(x) * recursive(x, n - 1)


def test_functions_that_call_others_are_followed() -> None:
    report = check_derivative(helper, lambda x: math.exp(-x) * math.sin(x) ** 2 * (3 * math.cos(x) - math.sin(x)), 0.7)
    assert report.worst is not None
    assert (report.verdict, report.worst.oracle) == (Verdict.CORRECT, "mpmath, 60 digits")


@pytest.mark.parametrize("got", [0.0, 0.3, 1.0])
def test_a_branch_of_python_is_a_kink_and_decided(got: float) -> None:
    for f in (lambda x: max(x, 0.0), lambda x: x if x > 0 else 0.0, tg.relu):
        assert verdict(f, lambda x: got, 0.0) is Verdict.KINK
        assert verdict(f, lambda x: -0.1, 0.0) is Verdict.WRONG
        assert verdict(f, lambda x: 1.0, 1e-300) is Verdict.CORRECT
        assert verdict(f, lambda x: 1.0, -1e-300) is Verdict.WRONG


def test_a_graph_that_does_not_hold_all_of_f_is_not_believed() -> None:
    def leaky(x: Any) -> Any:
        return x * (x.data if isinstance(x, tg.Value) else x)

    assert verdict(leaky, lambda x: 2.0 * x, 3.0) is Verdict.CORRECT
    assert verdict(leaky, lambda x: x, 3.0) is Verdict.WRONG


def test_what_is_constant_is_told_from_what_saturates() -> None:
    for x in (40.0, 700.0, 7000.0):
        assert not is_flat(lambda y: 1.0 / (1.0 + math.exp(-y)) if y > -700.0 else 0.0, x)
        assert not is_flat(lambda y: 5.0 + math.tanh(y), x)
        assert is_flat(lambda y: min(y, 1.0), x)
        assert is_flat(lambda y: 1.0 + min(y, 0.0) ** 2, x)
        assert is_flat(lambda y: 1.0, x)


def all_but_last(factor: float, df: Function) -> Function:
    """A derivative whose last entry is off by a factor; of a matrix the one in its corner."""

    def wrong(x: Any) -> Any:
        slopes = np.array(df(x))
        slopes.flat[-1] *= factor
        return slopes

    return wrong


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("factor", [0.0, -1.0, 1.02])
def test_an_entry_of_an_array_that_is_lost_beside_others_is_held_against_its_own_size(
    full: bool, factor: float
) -> None:
    sides = np.array([1e8, 1e-8])
    cases: list[tuple[Function, Function, Any]] = [
        (lambda x: np.exp(x).sum(), np.exp, np.array([20.0, 0.0, -19.0])),
        (lambda x: (sides * x**2).sum(), lambda x: 2.0 * sides * x, np.array([1.0, 1.0])),
        (lambda x: np.tanh(x).sum(), lambda x: np.cosh(x) ** -2.0, np.array([1.0, 0.5, 20.0])),
        (np.tanh, lambda x: np.diag(np.cosh(x) ** -2.0), np.array([1.0, 0.5, 20.0])),
    ]
    for f, df, x in cases:
        assert verdict(f, df, x, full=full) is Verdict.CORRECT
        report = check_derivative(f, all_but_last(factor, df), x, full=full, raise_exception=False, shrink=False)
        assert report.verdict is Verdict.WRONG
        assert report.worst is not None
        assert report.worst.argument == f"args[0][{len(x) - 1}]"
        assert report.worst.expected == pytest.approx(np.array(df(x)).flat[-1], rel=1e-12)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("f", [lambda x: np.tanh(x).sum(), lambda x: tg.tanh(x).sum()])
def test_a_saturated_unit_of_an_array_is_no_0(f: Function, full: bool) -> None:
    x = np.array([20.0, 1.0, 0.5])
    report = check_derivative(f, lambda x: 1.0 - np.tanh(x) ** 2, x, full=full, shrink=False, raise_exception=False)
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert report.worst.argument == "args[0][0]"
    assert report.worst.expected == pytest.approx(float(mpmath.sech(20) ** 2), rel=1e-12)


@pytest.mark.parametrize("full", [False, True])
def test_what_any_rule_loses_in_rounding_is_right_in_an_array(full: bool) -> None:
    def softmax(x: Any) -> Any:
        return np.exp(x) / np.exp(x).sum()

    def entropy(x: Any) -> Any:
        return np.log(np.exp(x).sum()) - x[0]

    x = np.array([50.0, 1.0, 0.5])  # softmax[0] - 1 is -8e-22, and 0 in floats
    label = np.array([1.0, 0.0, 0.0])
    assert verdict(entropy, lambda x: softmax(x) - label, x, full=full) is Verdict.CORRECT
    assert verdict(entropy, lambda x: (softmax(x) - label) * [1.0, 0.0, 1.0], x, full=full) is Verdict.WRONG
    y = np.array([0.1, 0.2, 0.3])  # the middle one is the mean, but for rounding
    assert verdict(lambda x: ((x - x.mean()) ** 2).sum(), lambda x: 2.0 * (x - x.mean()), y, full=full) is (
        Verdict.CORRECT
    )
    dead = np.array([-1.0, 2.0, 3.0])
    assert verdict(lambda x: np.maximum(x, 0.0).sum(), lambda x: (x > 0.0) * 1.0, dead, full=full) is Verdict.CORRECT


def test_the_repr_of_a_report_on_many_numbers_is_short() -> None:
    report = check_derivative(lambda x: np.sin(x).sum(), np.cos, np.linspace(0.1, 0.9, 1000))
    assert len(repr(report)) < 1000
    assert repr(report).startswith("<smooth and correct: ")
