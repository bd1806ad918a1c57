"""The proof of a program: probes that stay where the function is defined, and that find what was frozen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.checking.probes import KINDS, is_whole, make_probes
from tinygrad_lite.lift.checking.tolerance import TOLERANCE, find_largest_difference, measure_rounding

ARRAYS = st.lists(st.floats(-100.0, 100.0).map(lambda x: round(x, 3) + 0.0), min_size=1, max_size=6).map(np.array)
WHOLE = st.lists(st.integers(-5, 5), min_size=1, max_size=6).map(lambda xs: np.array(xs, dtype=float))
SEEDS = st.integers(0, 5)


@given(st.lists(st.one_of(ARRAYS, WHOLE), min_size=1, max_size=3), SEEDS)
def test_probes_have_the_shapes_of_the_inputs_and_end_with_the_inputs(arrays, seed):
    before = [array.copy() for array in arrays]
    found = list(make_probes(arrays, [False] * len(arrays), seed))
    assert len(found) >= 2
    for fresh in found:
        assert [array.shape for array in fresh] == [array.shape for array in arrays]
        assert all(np.isfinite(array).all() for array in fresh)
    for last, array, was in zip(found[-1], arrays, before, strict=True):
        np.testing.assert_array_equal(last, array)
        np.testing.assert_array_equal(array, was)
        assert last is not array


@given(ARRAYS, SEEDS)
def test_probes_differ_from_the_inputs(array, seed):
    *fresh, _ = make_probes([array], [False], seed)
    assert (fresh[0][0] != array).all()
    assert all((one[0] != array).all() for one in fresh if not is_whole(array))


@given(WHOLE, ARRAYS, SEEDS)
def test_for_whole_numbers_there_is_a_probe_of_the_callers_own(whole, array, seed):
    *fresh, _ = make_probes([whole, array], [False, False], seed)
    assert any(set(one[0]) <= set(whole) for one in fresh)


@given(st.integers(1, 5), SEEDS)
def test_samples_of_several_arguments_are_exchanged_together(samples, seed):
    labels = np.arange(float(samples))
    *_, drawn, _ = make_probes([labels, labels[None, :]], [True, True], seed)
    np.testing.assert_array_equal(drawn[0], drawn[1][0])
    assert set(drawn[0]) <= set(labels)


@given(st.lists(ARRAYS, min_size=1, max_size=2), SEEDS)
def test_probes_are_the_same_in_every_run(arrays, seed):
    batched = [False] * len(arrays)
    for one, other in zip(make_probes(arrays, batched, seed), make_probes(arrays, batched, seed), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@given(ARRAYS, SEEDS)
def test_the_most_modest_probe_is_near_the_inputs(array, seed):
    *_, modest, _ = make_probes([array + 0.5], [False], seed)
    assert (np.abs(modest[0] - (array + 0.5)) <= 0.1 * np.abs(array + 0.5) + 0.01).all() or is_whole(array + 0.5)


def test_some_probe_turns_every_sign():
    *fresh, _ = make_probes([np.array(2.5), np.array(-0.5)], [False, False], 1)
    assert (fresh[0][0] < 0) & (fresh[0][1] > 0)


@pytest.mark.parametrize(
    ("array", "whole"),
    [([1.0, -2.0, 0.0], True), ([0.0], True), ([1.5], False), ([1.0, 1.0000001], False), ([], False), (3.0, True),
     ([math.nan], False)],
)  # fmt: skip
def test_whole_is_whether_all_numbers_are(array, whole):
    assert is_whole(np.array(array)) == whole


# --------------------------------------------------------------------------------------------------- differences


@given(ARRAYS, st.data())
def test_the_largest_difference_is_found_where_it_is(array, data):
    place = data.draw(st.integers(0, len(array) - 1))
    scale = np.abs(array).max() or 1.0
    other = array.copy()
    other[place] += 1e-3 * scale
    found = find_largest_difference([np.array(1.0), other], [np.array(1.0), array])
    assert (found.result, found.place) == (1, place)
    assert found.lifted == other[place]
    assert found.eager == array[place]
    if array.any():
        assert found.relative == pytest.approx(1e-3, rel=1e-6)


@pytest.mark.parametrize(
    ("lifted", "eager", "relative"),
    [
        ([1.0], [1.0], 0.0),
        ([math.nan], [math.nan], 0.0),
        ([math.inf], [math.inf], 0.0),
        ([math.inf], [-math.inf], math.inf),
        ([math.nan], [1.0], math.inf),
        ([1.0], [math.nan], math.inf),
        ([1.0, 2.0], [1.0], math.inf),
        ([], [], 0.0),
        ([1e-9, 1.0], [0.0, 1.0], 1e-9),
    ],
)
def test_differences_are_relative_to_the_largest_number_and_nan_equals_nan_alone(lifted, eager, relative):
    assert find_largest_difference([np.array(lifted)], [np.array(eager)]).relative == relative


def test_a_result_in_a_thousand_that_is_wrong_by_a_millionth_is_found():
    truth = np.random.default_rng(0).normal(size=1000)
    wrong = truth.copy()
    wrong[617] *= 1.0 + 1e-6
    found = find_largest_difference([wrong], [truth])
    assert found.place == 617
    assert found.relative > TOLERANCE


def test_rounding_says_how_much_the_function_amplifies_the_last_place():
    def difference(arrays: Any) -> list[Any]:
        (x,) = arrays
        return [np.asarray((x + 1e8) - 1e8), np.asarray(2.0 * x)]

    large, small = measure_rounding(difference, [np.array([0.3])])
    assert large.max() < 1e-7
    assert 0.0 < small.max() < 1e-14
    still = measure_rounding(difference, [np.array([3.0])])
    assert all(not bound.any() for bound in still)


# ------------------------------------------------------------------------------------------------- what it finds


def number(x: Any) -> float:
    return x._number if isinstance(x, Value) else float(x)


FROZEN = {
    "a branch on a sign": lambda x: x if number(x) > 0 else -2.0 * x,
    "a branch at the callers number": lambda x: x * x if number(x) == 2.0 else x,
    "a branch near the callers number": lambda x: x * x if number(x) < 2.001 else x,
    "a coefficient": lambda x: x * number(x),
    "a constant": lambda x: 0.0 * x + number(x),
    "an exponent": lambda x: x ** round(number(x)),
    "a rounded number": lambda x: x + round(number(x)),
}


@pytest.mark.parametrize("name", FROZEN)
@pytest.mark.parametrize("at", [2.0, -2.0])
def test_what_was_frozen_is_found_by_a_probe(name, at):
    f = FROZEN[name]
    with pytest.raises(LiftError, match="is not the function: on a probe, number 0 of result 0 is"):
        lift(f)(at) if not name.startswith("a branch at") else lift(f)(2.0)


def test_what_is_frozen_in_one_result_of_many_is_found():
    def f(x: Any) -> Any:
        return [*[xi * 2.0 for xi in x], x[7] * number(x[7])]

    with pytest.raises(LiftError, match="number 20 of result 0"):
        lift(f)(np.linspace(0.5, 3.0, 20))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tg.log(x),
        lambda x: tg.sqrt(x),
        lambda x: tg.lookup([x, 2.0 * x, 3.0 * x], tg.floor(x)),
        lambda x: 1.0 / (x - 5.0),
        lambda x: (x + 1e6) - 1e6,
        lambda x: tg.asin(x / 2.5),
    ],
)
def test_functions_that_are_not_defined_everywhere_or_that_cancel_are_proved(f):
    assert lift(f)(2.0) == pytest.approx(f(2.0).data if isinstance(f(2.0), Value) else f(2.0))


def test_a_difference_of_one_in_a_thousand_million_is_refused(monkeypatch):
    from tinygrad_lite.lift import program

    run = program.Program.run
    monkeypatch.setattr(program.Program, "run", lambda self, arrays: [a * (1.0 + 1e-8) for a in run(self, arrays)])
    with pytest.raises(LiftError, match="is not the function"):
        lift(lambda x: x * x)(2.0)
    assert KINDS >= 2


def test_a_function_that_fails_on_every_probe_is_proved_on_the_callers_own_numbers():
    def f(x: Any) -> Any:
        if not isinstance(x, Value) and x != 2.0:
            raise ValueError("not here")
        return x * x

    assert lift(f)(2.0) == 4.0
