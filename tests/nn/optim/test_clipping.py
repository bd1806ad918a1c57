"""Clipped gradients have the norm asked for and their old direction, however large they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value
from tinygrad_lite.nn.optim.clipping import clip_grad_norm_, clip_grad_value_

vectors = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6)
orders = st.sampled_from([1.0, 1.5, 2.0, 3.0, math.inf])
limits = st.floats(1e-3, 1e4)


def with_gradients(gradients: list[float]) -> list[Value]:
    values = [Value(0.0) for _ in gradients]
    for value, g in zip(values, gradients, strict=True):
        value.grad = g
    return values


@given(gradients=vectors, limit=limits, order=orders)
def test_the_norm_is_numpys_and_the_gradients_are_scaled_to_it(
    gradients: list[float], limit: float, order: float
) -> None:
    values = with_gradients(gradients)
    norm = clip_grad_norm_(values, limit, order)
    assert norm == pytest.approx(np.linalg.norm(gradients, order), rel=1e-12)
    factor = min(1.0, limit / (norm + 1e-6))
    assert [v.grad for v in values] == pytest.approx([g * factor for g in gradients], rel=1e-12)


@given(gradients=vectors, limit=limits, order=orders)
def test_it_does_as_pytorch_does(gradients: list[float], limit: float, order: float) -> None:
    torch = pytest.importorskip("torch")
    values = with_gradients(gradients)
    tensors = [torch.tensor([0.0], dtype=torch.float64, requires_grad=True) for _ in gradients]
    for tensor, g in zip(tensors, gradients, strict=True):
        tensor.grad = torch.tensor([g], dtype=torch.float64)
    norm = clip_grad_norm_(values, limit, order)
    theirs = torch.nn.utils.clip_grad_norm_(tensors, limit, order).item()
    assert norm == pytest.approx(theirs, rel=1e-12)
    assert [v.grad for v in values] == pytest.approx([t.grad.item() for t in tensors], rel=1e-12)
    clip_grad_value_(values, limit / 2)
    torch.nn.utils.clip_grad_value_(tensors, limit / 2)
    assert [v.grad for v in values] == pytest.approx([t.grad.item() for t in tensors], rel=1e-12)


def test_short_gradients_are_left_to_the_last_bit() -> None:
    values = with_gradients([0.1, 0.2])
    clip_grad_norm_(values, 1.0)
    assert [v.grad for v in values] == [0.1, 0.2]


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, math.inf])
def test_huge_gradients_do_not_overflow(order: float) -> None:
    values = with_gradients([1e300, -1e300, 1e10])
    norm = clip_grad_norm_(values, 1.0, order, error_if_nonfinite=True)
    one = 2.0 ** (-1.0 / order)
    assert norm == pytest.approx(1e300 / one)
    assert [v.grad for v in values] == pytest.approx([one, -one, one * 1e-290], rel=1e-9)


def test_a_norm_beyond_all_floats_is_infinite_and_the_gradients_are_clipped_all_the_same() -> None:
    values = with_gradients([1.7e308, 1.7e308, 0.0])
    assert clip_grad_norm_(values, 1.0) == math.inf
    assert [v.grad for v in values] == pytest.approx([math.sqrt(0.5), math.sqrt(0.5), 0.0])


def test_tiny_gradients_do_not_vanish_from_the_norm() -> None:
    assert clip_grad_norm_(with_gradients([3e-300, 4e-300]), 1.0) == pytest.approx(5e-300, rel=1e-12)
    assert clip_grad_norm_(with_gradients([5e-324, 0.0]), 1.0) == 5e-324


@pytest.mark.parametrize(
    ("gradients", "norm", "clipped"),
    [
        ([math.inf, 2.0], math.inf, [math.nan, 0.0]),
        ([math.nan, 2.0], math.nan, [math.nan, math.nan]),
        ([math.nan, math.inf], math.nan, [math.nan, math.nan]),
    ],
)
def test_what_is_not_finite_is_treated_as_pytorch_treats_it(
    gradients: list[float], norm: float, clipped: list[float]
) -> None:
    values = with_gradients(gradients)
    with pytest.raises(RuntimeError, match=rf"the norm of the gradients is {norm}, so they cannot be clipped"):
        clip_grad_norm_(values, 1.0, error_if_nonfinite=True)
    np.testing.assert_equal([v.grad for v in values], gradients)
    np.testing.assert_equal(clip_grad_norm_(values, 1.0), norm)
    np.testing.assert_equal([v.grad for v in values], clipped)


def test_no_gradients_have_the_norm_zero() -> None:
    assert clip_grad_norm_([], 1.0) == 0.0
    assert clip_grad_norm_(with_gradients([0.0, 0.0]), 1.0) == 0.0


def test_one_value_and_any_iterable_will_do() -> None:
    values = with_gradients([3.0, 4.0])
    assert clip_grad_norm_(values[0], 1, "inf") == 3.0
    assert values[0].grad == pytest.approx(1.0, rel=1e-5)
    clip_grad_value_(iter(values), 0.5)
    assert [v.grad for v in values] == [0.5, 0.5]
    clip_grad_value_(values[1], 0.25)
    assert values[1].grad == 0.25


def test_frozen_parameters_are_left_out() -> None:
    values = with_gradients([3.0, 4.0, 100.0])
    values[2].requires_grad = False
    values[2].grad = 100.0
    assert clip_grad_norm_(values, 1.0) == 5.0
    clip_grad_value_(values, 0.1)
    assert values[2].grad == 100.0
    assert clip_grad_norm_(values[2], 1.0) == 0.0


@given(gradients=vectors, limit=limits)
def test_values_are_cut_off_one_by_one(gradients: list[float], limit: float) -> None:
    values = with_gradients(gradients)
    clip_grad_value_(values, limit)
    assert [v.grad for v in values] == [max(-limit, min(limit, g)) for g in gradients]


def test_infinite_values_are_cut_off_and_nan_stays() -> None:
    values = with_gradients([math.inf, -math.inf, math.nan])
    clip_grad_value_(values, 2.0)
    np.testing.assert_equal([v.grad for v in values], [2.0, -2.0, math.nan])


def test_no_limit_clips_nothing() -> None:
    values = with_gradients([1e300])
    assert clip_grad_norm_(values, math.inf) == 1e300
    clip_grad_value_(values, math.inf)
    assert values[0].grad == 1e300


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda v: clip_grad_norm_(v, -1.0), ValueError, r"max_norm is in \[0, inf\), not -1.0"),
        (lambda v: clip_grad_norm_(v, math.nan), ValueError, "max_norm is in"),
        (lambda v: clip_grad_norm_(v, "1"), TypeError, "max_norm is a number, not str '1'"),
        (lambda v: clip_grad_norm_(v, 1.0, 0.0), ValueError, "norm_type is above 0, not 0.0"),
        (lambda v: clip_grad_norm_(v, 1.0, "two"), TypeError, "norm_type is a number, not str .two."),
        (lambda v: clip_grad_norm_(v, 1.0, math.nan), ValueError, "norm_type is above 0, not nan"),
        (lambda v: clip_grad_norm_([v[0], 2.0], 1.0), TypeError, "clip_grad_norm_: parameter 1 is a float, 2.0"),
        (lambda v: clip_grad_value_(5, 1.0), TypeError, "clip_grad_value_ takes a Value, or a list of Values, not int"),
        (lambda v: clip_grad_value_(v, 0.0), ValueError, r"clip_value is in \(0, inf\), not 0.0"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: Any, message: str) -> None:
    values = with_gradients([3.0])
    with pytest.raises(error, match=message):
        call(values)
    assert values[0].grad == 3.0
