"""Each record of a fold says one thing in several ways: they agree with one another, and with the operation table."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.lift.ir.reductions import REDUCTIONS, Reduction
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import BY_CODE, TABLE

reductions = pytest.mark.parametrize("reduction", REDUCTIONS.values(), ids=list(REDUCTIONS))
#: Small whole numbers and what is no number: products are exact, so that the order of factors does not count.
numbers = st.sampled_from([-3.0, -1.0, -0.5, 1.0, 2.0, 5.0, math.inf, math.nan])


def by_steps(reduction: Reduction, xs: list[float]) -> float:
    """As the compiled loops compute it."""
    total = reduction.neutral
    for x in xs:
        total = eval(reduction.step.format("total", "x"), {"total": total, "x": x})
    return total


def by_the_table(reduction: Reduction, xs: list[float]) -> float:
    op = TABLE[reduction.name]
    return float(op.forward(xs) if op.arity == NARY else functools.reduce(op.forward, xs))


@reductions
@given(xs=st.lists(numbers, min_size=1, max_size=6))
def test_steps_method_and_table_agree(reduction: Reduction, xs: list[float]) -> None:
    expected = by_the_table(reduction, xs)
    assert np.array_equal(getattr(np, reduction.method)(xs), expected, equal_nan=True)
    assert np.array_equal(by_steps(reduction, xs), expected, equal_nan=True)


@reductions
@given(xs=st.lists(numbers, min_size=1, max_size=6))
def test_what_a_mask_leaves_out_does_not_count(reduction: Reduction, xs: list[float]) -> None:
    among = [*xs, reduction.neutral]
    assert np.array_equal(by_the_table(reduction, among), by_the_table(reduction, xs), equal_nan=True)


@reductions
@given(x=numbers.filter(lambda x: not math.isnan(x)), y=numbers.filter(lambda x: not math.isnan(x)))
def test_only_what_selects_gives_one_of_its_elements(reduction: Reduction, x: float, y: float) -> None:
    if reduction.selects:
        assert by_the_table(reduction, [x, y]) in (x, y)
    else:
        assert by_the_table(reduction, [2.0, 5.0]) not in (2.0, 5.0)


@reductions
def test_codes_are_the_tables_or_belong_to_none_of_it(reduction: Reduction) -> None:
    if reduction.code < 0:
        assert TABLE[reduction.name].arity == 2
    else:
        assert BY_CODE[reduction.code] is TABLE[reduction.name]
    assert [other.code for other in REDUCTIONS.values()].count(reduction.code) == 1
