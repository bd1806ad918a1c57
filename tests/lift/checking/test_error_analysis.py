"""The error analysis: what it bounds is at least the true error, and not much more where nothing cancels."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.checking import error_analysis
from tinygrad_lite.lift.program import Program

floats = st.floats(-1e3, 1e3).filter(lambda x: x == 0.0 or abs(x) > 1e-3)


def bounds_of(program: Program, *arguments) -> list[float]:
    return error_analysis.bound_errors(program.ir, program.inputs.gather(program.inputs.take_apart(arguments, {})))


@settings(max_examples=settings().max_examples * 3 // 5, deadline=None)
@given(st.lists(floats, min_size=1, max_size=8), st.data())
def test_a_sum_of_products_is_as_near_to_the_exact_one_as_the_bound_says(w, data):
    x = data.draw(st.lists(floats, min_size=len(w), max_size=len(w)))
    program = lift(lambda w, x: sum(a * b for a, b in zip(w, x, strict=True))).program_for(np.array(w), np.array(x))
    exact = sum(Fraction(a) * Fraction(b) for a, b in zip(w, x, strict=True))
    (bound,) = bounds_of(program, np.array(w), np.array(x))
    assert abs(Fraction(float(program(np.array(w), np.array(x)))) - exact) <= bound
    assert bound <= 1e-14 * (len(w) + 2) * sum(abs(a * b) for a, b in zip(w, x, strict=True))


@settings(max_examples=settings().max_examples * 3 // 5, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=5))
def test_functions_of_functions_are_as_near_to_the_truth_as_the_bound_says(x):
    def f(x):
        return [tg.exp(tg.sin(v) * 3.0) - tg.tanh(v * x[0]) for v in x]

    def truth(v):
        return mpmath.exp(mpmath.sin(v) * 3) - mpmath.tanh(mpmath.mpf(v) * x[0])

    program = lift(f).program_for(np.array(x))
    (bound,) = bounds_of(program, np.array(x))
    with mpmath.workdps(40):
        error = max(abs(mpmath.mpf(float(y)) - truth(v)) for v, y in zip(x, program(np.array(x)), strict=True))
        assert error <= bound
    assert bound < 1e-12


def test_the_bound_of_what_cancels_is_as_large_as_what_cancelled():
    program = lift(lambda x: x[0] * x[1] - x[1] * x[2]).program_for(np.array([1e6, 1e6, 1e6]))
    (bound,) = bounds_of(program, np.array([1e6, 1e6, 1e6]))
    assert 1e-5 < bound < 1e-1


def test_folds_masks_lookups_and_samples_are_bounded_too():
    def f(table, x, i):
        ragged = [sum(x[j] for j in range(k + 1)) for k in range(3)]
        return [tg.maximum(ragged[0], ragged[2]), tg.prod(x), tg.lookup(list(table), i), tg.logsumexp(x), *ragged]

    arguments = np.array([1.0, 2.0]), np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]]), np.array([0.0, 1.0])
    for reduce in ("mean", "sum", None):
        program = lift(f, batch=(None, 0, 0), reduce=reduce).program_for(*arguments)
        found = bounds_of(program, *arguments)
        assert all(0.0 <= bound < 1e-12 and math.isfinite(bound) for bound in found)
        assert any(bound > 0.0 for bound in found)


def test_what_is_0_but_for_rounding_is_lifted_and_what_is_wrong_is_not():
    def ratio(x):
        return sum(a / a for a in x)

    found = lift(tg.hessian(ratio))(np.array([-0.8, -1.1, 1.1]))
    assert np.abs(found).max() < 1e-14

    calls = []

    def slightly_wrong(x):
        calls.append(x)
        return sum(a * a for a in x) * (1.0 if len(calls) == 1 else 1.0 + 1e-8)

    with pytest.raises(LiftError, match="is not the function"):
        lift(slightly_wrong)(np.array([0.8, 1.1]))


def test_an_operation_of_the_users_that_raises_at_a_number_gives_no_bound_there_and_bounds_the_rest():
    my_log = tg.define("my_log_for_rounding", math.log, lambda m, x, z: 1.0 / x)
    program = lift(lambda x: [my_log(v) for v in x]).program_for(np.array([1.0, 2.0]))
    (bound,) = bounds_of(program, np.array([1.0, 2.0]))
    (beside,) = bounds_of(program, np.array([-1.0, 2.0]))
    assert 0.0 < bound < 1e-12
    assert beside == bound
