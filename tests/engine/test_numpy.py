"""NumPy beside Values: scalars and arrays on either side, object arrays, and NumPy's functions on them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value

SCALARS = [
    np.float64(2.0),
    np.float32(2.0),
    np.float16(2.0),
    np.int64(2),
    np.uint8(2),
    np.bool_(True),
    np.longdouble(2.0),
]
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow]


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_scalars_mix_on_either_side_and_keep_the_graph(op: Callable[..., Any], scalar: Any) -> None:
    for left in (True, False):
        v = Value(3.0)
        y = op(scalar, v) if left else op(v, scalar)
        assert isinstance(y, Value)
        assert y.data == (op(float(scalar), 3.0) if left else op(3.0, float(scalar)))
        assert type(y.data) is float or isinstance(y.data, float)
        y.backward()
        expected = tg.grad(lambda x, left=left: op(float(scalar), x) if left else op(x, float(scalar)))(3.0)
        assert v.grad == expected


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
@pytest.mark.parametrize("dtype", [float, int, object])
def test_arrays_mix_on_either_side(op: Callable[..., Any], dtype: Any) -> None:
    v = Value(3.0)
    array = np.array([[1, 2], [4, 5]], dtype=dtype)
    for found, expected in [(op(array, v), op(array.astype(float), 3.0)), (op(v, array), op(3.0, array.astype(float)))]:
        assert found.shape == (2, 2)
        assert found.dtype == object
        np.testing.assert_array_equal([[y.data for y in row] for row in found], expected)
    zero_dimensional = op(np.array(2.0), v)
    assert isinstance(zero_dimensional, Value)


def test_comparisons_with_arrays_are_element_by_element() -> None:
    array = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(Value(2.0) < array, [False, False, True])
    np.testing.assert_array_equal(array <= Value(2.0), [True, True, False])


UFUNCS = [
    "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "sin", "cos", "tan", "arcsin", "arccos", "arctan",
    "sinh", "cosh", "tanh", "arcsinh", "arctanh", "negative", "positive", "absolute", "floor", "ceil",
]  # fmt: skip


@pytest.mark.parametrize("name", UFUNCS)
def test_numpys_functions_work_on_object_arrays(name: str) -> None:
    values = np.array([Value(0.25), Value(0.5)])
    found = getattr(np, name)(values)
    np.testing.assert_allclose([y.data for y in found], getattr(np, name)(np.array([0.25, 0.5])), rtol=1e-15)
    total = found.sum()
    total.backward()
    for v, x in zip(values, (0.25, 0.5), strict=True):
        h = 1e-6
        slope = (getattr(np, name)(x + h) - getattr(np, name)(x - h)) / (2 * h)
        assert v.grad == pytest.approx(float(slope), abs=1e-8)


def test_arccosh_arctan2_hypot_power_maximum_work_on_object_arrays() -> None:
    a, b = np.array([Value(2.0)]), np.array([Value(3.0)])
    for name in ("arccosh",):
        assert getattr(np, name)(a)[0].data == math.acosh(2.0)
    for name in ("arctan2", "hypot", "power", "maximum", "minimum", "add", "subtract", "multiply", "divide"):
        y = getattr(np, name)(a, b)[0]
        assert y.data == pytest.approx(float(getattr(np, name)(2.0, 3.0)), rel=1e-15)


def test_linear_algebra_on_object_arrays_keeps_the_graph() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(3, 4)), rng.normal(size=4)
    weights = np.vectorize(Value, otypes=[object])(w)
    y = np.tanh(weights @ x)
    np.testing.assert_allclose([v.data for v in y], np.tanh(w @ x), rtol=1e-14)
    (y * y).sum().backward()
    gradient = np.array([[v.grad for v in row] for row in weights])
    z = np.tanh(w @ x)
    np.testing.assert_allclose(gradient, np.outer(2 * z * (1 - z * z), x), rtol=1e-12)
    assert np.dot(weights[0], x).data == pytest.approx(float(w[0] @ x))
    assert weights.mean().data == pytest.approx(w.mean())
    assert weights.prod().data == pytest.approx(w.prod())
    assert (weights.T @ weights).shape == (4, 4)
    assert weights.max().data == w.max()
    assert np.einsum("ij,j->i", weights, x, optimize=False)[0].data == pytest.approx(float(w[0] @ x))


def test_sorting_and_clipping_compare_data() -> None:
    values = np.array([Value(3.0), Value(1.0), Value(2.0)])
    assert [v.data for v in np.sort(values)] == [1.0, 2.0, 3.0]
    assert np.argmax(values) == 0


def test_our_functions_take_arrays() -> None:
    numbers = np.array([[0.5, -1.0], [2.0, 0.0]])
    found = tg.sigmoid(numbers)
    assert found.dtype == float
    assert found.shape == (2, 2)
    assert found[0, 0] == tg.sigmoid(0.5)
    values = np.vectorize(Value, otypes=[object])(numbers)
    mixed = tg.maximum(values, 0.25)
    assert [y.data for y in mixed.flat] == [0.5, 0.25, 2.0, 0.25]
    assert tg.where(numbers > 0.0, values, -values).shape == (2, 2)
    assert tg.hypot(numbers, np.array([1.0, 2.0])).shape == (2, 2)
    with pytest.raises(TypeError, match=r"array\.ravel"):
        tg.logsumexp([np.array([1.0, 2.0])])


def test_our_functions_take_arrays_beside_a_value() -> None:
    w = Value(3.0)
    numbers = np.array([[4.0, 0.0], [1.0, 9.0]])
    for found, expected in (
        (tg.maximum(numbers, w), np.maximum(numbers, 3.0)),
        (tg.hypot(w, numbers), np.hypot(3.0, numbers)),
        (tg.where(numbers > 2.0, w, numbers), np.where(numbers > 2.0, 3.0, numbers)),
        (tg.clamp(numbers, 0.5, w), np.clip(numbers, 0.5, 3.0)),
    ):
        assert [[float(getattr(y, "data", y)) for y in row] for row in found] == expected.tolist()
    tg.hypot(w, numbers).sum().backward()
    assert w.grad == pytest.approx((3.0 / np.hypot(3.0, numbers)).sum(), rel=1e-15)
    masked = tg.maximum(np.ma.array([1.0, 5.0], mask=[0, 1]), w)
    assert (masked[0].data, masked[1] is np.ma.masked) == (3.0, True)


def test_a_numpy_float_is_not_left_in_a_value() -> None:
    assert type((Value(1.0) + np.float64(2.0)).data) is float
    for number in SCALARS:
        assert type(Value(number).data) is float
        v = Value(1.0)
        v.data = number
        v.grad = number
        assert type(v.data) is float
        assert type(v.grad) is float


@pytest.mark.parametrize("dtype", [float, np.float32, int, complex])
def test_an_array_of_floats_from_values_is_refused_with_the_way_on(dtype: Any) -> None:
    with pytest.raises(TypeError, match=r"v\.data|int\(v\.data\)"):
        np.array([Value(1.0)], dtype=dtype)
    with pytest.raises(TypeError, match=r"v\.data"):
        np.zeros(2)[0:1] = [Value(1.0)]


def test_variance_of_an_array_of_values() -> None:
    a = np.array([Value(1.0), Value(3.0)])
    y = np.var(a)
    y.backward()
    assert y.data == 1.0
    assert [x.grad for x in a] == [-1.0, 1.0]


def test_a_zero_dimensional_array_is_a_number() -> None:
    assert Value(np.array(2.0)).data == 2.0
    assert (Value(3.0) * np.array(2.0)).data == 6.0
    assert tg.exp(np.array(0.0)) == 1.0
