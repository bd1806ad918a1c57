"""Checks of derivatives give reports."""

from __future__ import annotations

from typing import Any, assert_type

from hypothesis.strategies import SearchStrategy

import tinygrad_lite as tg
from tinygrad_lite import testing


def test_checks() -> None:
    report = testing.check_gradients(tg.tanh, 0.5)
    assert_type(report, testing.Report)
    assert_type(report.verdict, testing.Verdict)
    assert_type(testing.check_derivative(lambda x: x * x, lambda x: 2 * x, 3.0), testing.Report)
    assert_type(testing.mpmath_derivative(tg.tanh, 0.5), testing.Estimate)


def test_strategies() -> None:
    assert_type(testing.expressions_with_points(), SearchStrategy[tuple[testing.Formula, list[float]]])
    _: SearchStrategy[Any] = testing.values()
