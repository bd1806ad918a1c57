"""Kinks told from faults: right programs are accepted where rounding decides on a side, wrong ones nowhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.checking import tolerance
from tinygrad_lite.lift.checking.error_analysis import analyze_graph
from tinygrad_lite.lift.checking.kinks import measure_jumps
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.tracing.trace import make_graph


def noise(x: Any) -> Any:
    """0, but for rounding: which sign it has depends on the order in which it is added up."""
    return (x[0] + x[1] + x[2]) - (x[2] + x[1] + x[0])


def chaos(x: Any) -> Any:
    y = 0.3 + 0.1 * tg.sin(x[0] + x[1] * x[2])
    for _ in range(60):
        y = 3.99 * (y - y * y)
    return y


def american_put_without_interest(x: Any) -> Any:
    """In the money, holding on is worth what exercising is: all is ties."""
    u = tg.exp(0.3 * tg.sigmoid(x[1]))
    p = (1.0 - 1.0 / u) / (u - 1.0 / u)
    prices = [[(1.0 + x[0] ** 2) * u ** (2 * j - i) for j in range(i + 1)] for i in range(4)]
    values = [tg.maximum(30.0 - price, 0.0) for price in prices[3]]
    for i in (2, 1, 0):
        values = [tg.maximum(p * values[j + 1] + (1.0 - p) * values[j], 30.0 - prices[i][j]) for j in range(i + 1)]
    return values[0] + x[2]


AT_TIES: dict[str, Callable[[Any], Any]] = {
    "a step": lambda x: tg.floor(noise(x)) + x[0],
    "several steps": lambda x: sum(tg.floor((xi * x[0] * x[1] - x[2]) - (x[1] * xi * x[0] - x[2])) for xi in x) + x[0],
    "a choice": lambda x: tg.where(tg.greater(x[0] + x[1] + x[2], x[2] + x[1] + x[0]), 1.0, 2.0) * x[0],
    "a rectified number": lambda x: 1e3 * tg.relu(noise(x)) + x[1],
    "a size": lambda x: abs(noise(x)) * x[2] + x[0],
    "a larger one": lambda x: tg.maximum(x[0] * x[1] * x[2], x[2] * x[1] * x[0]) + x[0],
    "an option": american_put_without_interest,
    "chaos": chaos,
}


@pytest.mark.parametrize("name", AT_TIES)
@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0.1, 3.0), min_size=3, max_size=3))
def test_a_right_program_is_accepted_where_rounding_decides_on_the_side_of_a_kink(name, x):
    program = lift(value_and_grad(AT_TIES[name])).program_for(np.array(x))
    assert 0.0 <= program.report().difference <= tolerance.TOLERANCE


def refuses(monkeypatch: pytest.MonkeyPatch, f: Any, x: Any, fault: Callable[[list[Any]], list[Any]]) -> None:
    run = Program.run
    with monkeypatch.context() as patch:
        patch.setattr(Program, "run", lambda self, arrays: fault([np.array(part) for part in run(self, arrays)]))
        with pytest.raises(LiftError, match="is not the function"):
            lift(f)(x)


#: Numbers at which the function's step is taken on one side, and, moved in the last place, on the other.
SHAKY = np.random.default_rng(0).normal(size=3)


@pytest.mark.parametrize("name", ["a step", "several steps", "a choice", "a rectified number", "a size"])
@pytest.mark.parametrize("place", [1, 2])
def test_the_kink_of_one_number_excuses_no_other(monkeypatch, name, place):
    def fault(results: list[Any]) -> list[Any]:
        results[1][place] += 1e-6
        return results

    refuses(monkeypatch, value_and_grad(AT_TIES[name]), SHAKY, fault)


def test_a_difference_larger_than_the_jump_is_refused_at_ties_as_well(monkeypatch):
    refuses(monkeypatch, AT_TIES["a step"], SHAKY, lambda results: [part + 3.0 for part in results])
    refuses(monkeypatch, AT_TIES["a choice"], SHAKY, lambda results: [1.8 * part for part in results])


def test_a_sum_of_many_choices_may_differ_by_those_that_are_undecided_and_no_more(monkeypatch):
    def f(x: Any) -> Any:
        return sum(tg.where(tg.greater(x[0] + x[i] + x[2], x[2] + x[i] + x[0]), 1.0, 2.0) for i in range(8))

    x = np.random.default_rng(1).normal(size=8)
    lift(f).program_for(x)
    refuses(monkeypatch, f, x, lambda results: [part + 9.0 for part in results])


@pytest.mark.parametrize("wrong", [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5 + 1e-6]])
def test_an_exact_tie_excuses_no_other_convention(monkeypatch, wrong):
    """Away from the tie the program is right."""
    x = np.array([0.7, 0.7])
    gradient = value_and_grad(lambda x: tg.maximum(x[0], x[1]))

    def fault(results: list[Any]) -> list[Any]:
        value, slope = results
        return [value, np.array(wrong) if (slope == 0.5).all() else slope]

    assert lift(gradient)(x)[1].tolist() == [0.5, 0.5]
    refuses(monkeypatch, gradient, x, fault)


def test_a_bound_without_end_excuses_nothing():
    found, truth = [np.array([1.0, 2.0])], [np.array([1.0, 2.5])]
    assert tolerance.compare_to_rounding(found, truth, [math.inf], largest=1e3) > tolerance.TOLERANCE
    assert tolerance.compare_to_rounding(found, found, [math.inf], largest=1e3) == 0.0


def test_a_number_that_is_infinite_excuses_no_other():
    truth = [np.array([math.inf, 1.0, math.nan])]
    assert tolerance.is_within_rounding(truth, truth, [0.0])
    assert not tolerance.is_within_rounding([np.array([math.inf, 2.0, math.nan])], truth, [0.0])
    assert not tolerance.is_within_rounding([np.array([math.inf, 1.0, 0.0])], truth, [0.0])
    assert not tolerance.is_within_rounding([np.array([1e300, 1.0, math.nan])], truth, [1.0])


def test_a_gradient_that_is_0_but_for_rounding_is_told_relative_to_what_cancelled():
    """Twice the volatility of an option deep in the money: its price does not depend on it."""

    def f(sigma: Any) -> Any:
        u = tg.exp(sigma)
        p = (1.0 - 1.0 / u) / (u - 1.0 / u)
        return 100.0 - p * (100.0 - 3.0 * u) - (1.0 - p) * (100.0 - 3.0 / u)

    report = lift(value_and_grad(f)).program_for(0.2).report()
    assert report.difference < 1e-12


@given(st.floats(-2.0, 2.0).filter(lambda x: abs(x) > 1e-3))
def test_a_jump_changes_the_results_by_what_is_on_its_other_side(x):
    leaf = Value(x)
    shifted = leaf * 3.0 - leaf - leaf - leaf  # 0, or a hair beside
    roots = [tg.greater(shifted, 0.0) * leaf * 5.0, leaf * 2.0]
    graph = make_graph(list(roots))
    _, kinks = analyze_graph(graph)
    assert len(kinks) == 1
    np.testing.assert_allclose(measure_jumps(graph, kinks), [abs(5.0 * x), 0.0], rtol=1e-12)


@given(st.floats(0.1, 2.0), st.floats(-0.05, 2.0))
def test_a_number_that_is_not_near_a_jump_or_is_exactly_on_it_has_one_side(x, away):
    leaf = Value(x)
    graph = make_graph([tg.maximum(leaf, leaf), tg.relu(leaf * 2.0 + 1.0), tg.floor(leaf * 0.0 + 0.5 + away / 5.0)])
    assert not analyze_graph(graph)[1]
