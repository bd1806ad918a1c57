"""Masked arrays of ``numpy.ma``: what is masked stays out of the graph, and what cannot be right is refused.

Every form is written once, as a function of a number, and run twice: on floats, where NumPy alone computes, and on
Values. Its derivative is compared with the symmetric difference of the former at two steps, and at 2 as the numbers
below are chosen, it is smooth.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.foreign.masked import MaskedValues

NUMBERS = np.array([1.0, 2.5, 5.0, 7.0])
MASK = np.array([False, False, True, False])
M = np.ma.masked_array(NUMBERS, MASK)
N = np.ma.masked_array([2.0, 3.0, np.nan, 4.0], MASK)


def changed(w: Any, place: int, number: Any) -> Any:
    x = M * w
    x[place] = number
    return x.sum()


def in_place(w: Any) -> Any:
    x = M * w
    x += w
    x -= 1.0
    x *= w
    x /= 2.0
    x **= 2
    return x.sum()


def objects(numbers: Any) -> Any:
    """An array of them: of floats where NumPy alone computes."""
    if not any(isinstance(x, Value) for x in numbers):
        return np.array(numbers, dtype=float)
    array = np.empty(len(numbers), dtype=object)
    array[:] = list(numbers)
    return array


RIGHT: dict[str, Callable[[Any], Any]] = {
    "mean of squares": lambda w: ((M - w) ** 2).mean(),
    "the other way round": lambda w: ((w - M) ** 2).mean(),
    "w * M": lambda w: (w * M).sum(),
    "M + w": lambda w: (M + w).sum() * w,
    "M / w": lambda w: (M / w).sum(),
    "w / M": lambda w: (w / M).sum() * w,
    "M ** w": lambda w: (M**w).sum(),
    "w ** M": lambda w: (w**M).sum(),
    "M // w": lambda w: w * (M // (w + 0.25)).sum(),
    "M % w": lambda w: (M % (w + 0.25)).sum(),
    "-M": lambda w: (-(M * w)).sum(),
    "abs": lambda w: abs(M * -w).sum(),
    "in place": in_place,
    "an element": lambda w: (M * w)[1],
    "an element set": lambda w: changed(w, 0, w * w),
    "an element set to a number": lambda w: changed(w, 0, 3.0),
    "an element unmasked": lambda w: changed(w, 2, w * w),
    "prod": lambda w: (M * w).prod(),
    "var": lambda w: (M * w).var(),
    "var, ddof": lambda w: (M * w).var(ddof=1),
    "std": lambda w: (M * w).std(),
    "var along an axis": lambda w: (M * w).reshape(2, 2).var(axis=0).sum(),
    "mean along an axis": lambda w: (M * w).reshape(2, 2).mean(axis=1).sum() * w,
    "np.mean": lambda w: np.mean(M * w) * w,
    "np.var": lambda w: np.var(M * w),
    "np.std": lambda w: np.std(M * w),
    "np.sum": lambda w: np.sum(M * w) * w,
    "np.prod": lambda w: np.prod(M * w),
    "max": lambda w: (M * w).max() * w,
    "min": lambda w: (M * w).min() * w,
    "np.max": lambda w: np.max(M * w) * w,
    "ptp": lambda w: (M * w).ptp() * w,
    "max along an axis": lambda w: (M * w).reshape(2, 2).max(axis=1).sum() * w,
    "argmax": lambda w: (M * w)[(M * w).argmax()] * w,
    "argmin": lambda w: (M * w)[(M * w).argmin()] * w,
    "sort": lambda w: (np.ma.sort(M * w) * [1, 2, 3, 4]).sum() * w,
    "median": lambda w: np.ma.median(M * w) * w,
    "clip": lambda w: (M * w).clip(w * w, w * 2.2).sum(),
    "cumsum": lambda w: (M * w).cumsum().sum() * w,
    "cumprod": lambda w: (M * w).cumprod().sum(),
    "average with weights": lambda w: np.ma.average(M * w, weights=[1.0, 2.0, 3.0, 4.0]) * w,
    "average, weights of Values": lambda w: np.ma.average(M, weights=objects([w, 2.0, 3.0, 4.0])),
    "np.ma.dot": lambda w: np.ma.dot(M * w, M) * w,
    "np.ma.outer": lambda w: np.ma.outer(M * w, M).sum() * w,
    "anomalies": lambda w: (np.ma.anom(M * w) ** 2).sum(),
    "np.ma.where": lambda w: np.ma.where(M > 2.0, M * w, w * w).sum(),
    "np.where": lambda w: np.where(MASK, w * w, M * w).sum(),
    "filled": lambda w: (M * w).filled(w * w).sum(),
    "compressed": lambda w: (M * w).compressed().sum() * w,
    "concatenate": lambda w: np.ma.concatenate([M * w, M]).sum() * w,
    "stack": lambda w: np.ma.stack([M * w, M]).sum() * w,
    "masked_where": lambda w: np.ma.masked_where(MASK, objects(w * NUMBERS)).sum() * w,
    "masked_greater": lambda w: np.ma.masked_greater(objects(w * NUMBERS), 8.0).sum() * w,
    "masked_equal": lambda w: np.ma.masked_equal(objects([w * w, w, 5.0]), 5.0).sum(),
    "a masked array of Values": lambda w: np.ma.array(objects([w * w, w, 5.0, w]), mask=MASK).mean(),
    "that, times w": lambda w: (np.ma.array(objects([w * w, w, 5.0, w]), mask=MASK) / w).mean(),
    "count": lambda w: w * w * (M * w).count(),
    "a comparison": lambda w: w * w * ((M * w) > 5.1).sum(),
    "np.ma.exp": lambda w: np.ma.exp(M / w).sum(),
    "np.exp": lambda w: np.exp(M / w).sum(),
    "np.ma.log": lambda w: np.ma.log(M * w).sum(),
    "np.sqrt": lambda w: np.sqrt(M * w).sum(),
    "np.tanh": lambda w: np.tanh(M / w).sum(),
    "np.square": lambda w: np.square(M * w).sum(),
    "np.hypot": lambda w: np.hypot(M * w, M).sum(),
    "np.arctan2": lambda w: np.arctan2(M * w, 2.0).sum(),
    "np.add": lambda w: np.add(M, w).sum() * w,
    "np.ma.multiply": lambda w: np.ma.multiply(M, w).sum() * w,
    "np.ma.power": lambda w: np.ma.power(M, w).sum(),
    "np.ma.maximum": lambda w: np.ma.maximum(M, w).sum() * w,
    "masked nan": lambda w: ((N - w) ** 2).mean(),
    "two masks": lambda w: ((M * w) * np.ma.masked_less(NUMBERS, 2.0)).sum() * w,
    "division by zero is masked": lambda w: (w * w / np.ma.array([1.0, 0.0, 2.0])).sum(),
    "a logarithm of nothing is masked": lambda w: np.ma.log(np.ma.array([1.0, -1.0]) * w).sum(),
    "np.ma.allclose": lambda w: w * w * np.ma.allclose(M * w, M * w),
    "with an array": lambda w: (M * objects([w, w * w, w, w])).sum(),
    "np.median": lambda w: np.median((M * w).compressed()) * w,
    "np.linalg.norm": lambda w: np.linalg.norm((M * w).compressed()),
    "no mask": lambda w: ((np.ma.array(NUMBERS) - w) ** 2).mean() * (np.ma.array(NUMBERS) * w).sum(),
    "np.add.reduce of no mask": lambda w: np.add.reduce(np.ma.array(NUMBERS) * w * w),
}  # fmt: skip


@pytest.mark.parametrize("form", RIGHT)
def test_the_graph_of_a_masked_array_has_the_unmasked_numbers_and_their_derivative(form: str) -> None:
    f = RIGHT[form]
    value, slope = tg.value_and_grad(f)(2.0)
    with np.errstate(all="ignore"):
        expected, *around = [float(f(np.float64(x))) for x in (2.0, 2.0 - 1e-5, 2.0 + 1e-5)]
    assert value == pytest.approx(expected, rel=1e-13)
    assert slope == pytest.approx((around[1] - around[0]) / 2e-5, rel=1e-7, abs=1e-8)
    _, tangent = tg.jvp(f, (2.0,), (1.0,))
    assert tangent == pytest.approx(slope, rel=1e-12)


def test_the_mean_of_squares_has_its_closed_form_in_every_transform() -> None:
    mean, count = NUMBERS[~MASK].mean(), 3
    f = RIGHT["mean of squares"]
    assert tg.grad(f)(2.0) == pytest.approx(2 * (2.0 - mean), rel=1e-14)
    assert tg.hessian(f)(2.0) == pytest.approx(2.0, rel=1e-14)
    assert tg.jacobian(lambda w: (M - w).compressed() ** 2)(2.0) == pytest.approx(-2 * (NUMBERS[~MASK] - 2.0))
    by_each = tg.grad(lambda w: ((M - w).compressed() ** 2).mean())(np.full(4, 2.0))
    np.testing.assert_allclose(by_each, np.where(MASK, 0.0, -2 * (NUMBERS - 2.0) / count), rtol=1e-14)
    # numpy.ma masks a power or a quotient that is not finite: that depends on numbers, and lift refuses to trace it
    program: Any = tg.lift.lift(tg.value_and_grad(lambda w: ((M - w) * (M - w)).mean()))
    with pytest.raises(tg.errors.TraceError, match=r"mask depends on the numbers: .* of a pow\. Multiply"):
        tg.lift.lift(f)(2.0)
    assert program(3.0) == pytest.approx((np.mean((NUMBERS[~MASK] - 3.0) ** 2), 2 * (3.0 - mean)), rel=1e-14)
    tg.testing.check_gradients(f, 2.0)  # raises if it is wrong


@pytest.mark.parametrize("op", ["exp", "tanh", "sigmoid"])
def test_our_functions_keep_the_mask(op: str) -> None:
    found = getattr(tg, op)(M)
    assert isinstance(found, np.ma.MaskedArray)
    assert found.dtype == float
    np.testing.assert_array_equal(found.mask, MASK)
    assert found[1] == getattr(tg, op)(2.5)
    values = getattr(tg, op)(M * Value(1.0))
    assert isinstance(values, MaskedValues)
    assert [y.data for y in values.compressed()] == list(found.compressed())


def test_our_functions_leave_out_what_is_masked_in_any_operand() -> None:
    w = Value(4.0)
    found = tg.maximum(np.ma.array([1.0, 7.0, 5.0], mask=[0, 0, 1]), np.ma.array(objects([w, w, w]), mask=[0, 1, 0]))
    assert [found[0].data, found[1] is np.ma.masked, found[2] is np.ma.masked] == [4.0, True, True]
    assert tg.log(np.ma.array([1.0, 0.0], mask=[0, 1]))[0] == 0.0  # log(0) is not asked
    assert np.square((M * w)[:1].reshape(())).item().data == 16.0


REFUSED: dict[str, Callable[[Any], Any]] = {
    "a masked result": lambda w: M * w,
    "masked": lambda w: np.ma.masked * w,
    "nothing is unmasked": lambda w: (np.ma.array([1.0, 2.0], mask=True) * w).mean(),
    "max of nothing": lambda w: (np.ma.array([1.0, 2.0], mask=True) * w).max(),
    "sum of Python": lambda w: sum(M * w),
    "sum": lambda w: tg.sum(M * w),
    "masked in an operation": lambda w: tg.hypot(w, np.ma.masked),
    "quotients with an array of Values": lambda w: ((M - objects([w] * 4)) / 2.0).sum(),
    "dot": lambda w: tg.dot([w] * 4, M),
    "a float array's element": lambda w: M.copy().__setitem__(0, w),
    "a float array's filling": lambda w: M.filled(w).sum(),
    "matmul": lambda w: (M * w) @ M,
    "accumulate": lambda w: np.logaddexp.reduce(M * w),
    "np.ma.average": lambda w: np.ma.average(M * w),
    "np.ma.inner": lambda w: np.ma.inner(M * w, M),
    "np.ma.cov": lambda w: np.ma.cov(M * w),
    "np.ma.polyfit": lambda w: np.ma.polyfit(NUMBERS, M * w, 1).sum(),
    "quotients of a masked array of Values": lambda w: (np.ma.array(objects([w, w]), mask=[0, 1]) / 2.0).sum(),
    "fix_invalid": lambda w: np.ma.fix_invalid(objects([w, w])).sum(),
    "round": lambda w: (M * w).round().sum(),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_numpy_cannot_do_with_masked_values_is_refused_with_what_to_write(form: str) -> None:
    said = r"masked|v\.data|compressed|graph silently"
    with pytest.raises(TypeError, match=said):
        tg.grad(REFUSED[form])(2.0)


def test_a_masked_array_of_values_can_be_shown_copied_and_pickled() -> None:
    x = M * Value(2.0)
    for twin in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert isinstance(twin, MaskedValues)
        assert [None if v is None else v.data for v in twin.tolist()] == [2.0, 5.0, None, 14.0]
    assert "Value(data=2.0, grad=0.0)" in repr(x)
    assert x.filled()[2] == 1e20
    assert x.argsort(axis=0, endwith=False).tolist() == [2, 0, 1, 3]


def test_only_numpys_masked_arrays_read_data_from_a_value() -> None:
    assert not hasattr(Value(2.0), "_data")
    assert np.ma.getdata(Value(2.0))[()].data == 2.0
    plain = np.ma.array(objects([Value(1.0), 2.0]), mask=[0, 1])
    v = Value(3.0)
    plain[0] = v
    assert plain[0] is v


def test_what_overflows_raises_as_it_does_of_a_float() -> None:
    with pytest.raises(OverflowError, match="exp"):
        np.ma.exp(np.ma.array([1000.0, 1.0], mask=[0, 1]) * Value(1.0))
