"""Every protocol by which a library may read a Value's number: what it gets is in the graph, or it is refused.

Each form is a function of Values and numbers alike. ``KEEPS`` are right: value and gradient are those of the floats, by
a symmetric difference. ``REFUSES`` raise, on Values alone and inside a gradient, and say what to write, or name the
Value. Nothing else may happen: a form that gives a plain number is in neither, and is not here.
"""

from __future__ import annotations

import array
import bisect
import cmath
import collections
import copy
import ctypes
import dataclasses
import decimal
import fractions
import itertools
import json
import math
import operator
import pickle
import random
import statistics
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.nn import Linear

NUMBERS = [2.5, 3.0, 1.0]
SQUARE = [[2.0, 1.0], [1.0, 3.0]]
Form = Callable[..., Any]


def seeded(draw: Callable[[], Any]) -> Any:
    random.seed(3)
    return draw()


#: Of three numbers.
KEEPS: dict[str, Form] = {
    "sum": lambda x, y, z: sum([x, y, z]),
    "max": lambda x, y, z: max(x, y, z) * x,
    "sorted": lambda x, y, z: sorted([x, y, z])[1] * y,
    "divmod": lambda x, y, z: divmod(y, z * 0.7)[1],
    "math.prod": lambda x, y, z: math.prod([x, y, z]),
    "math.floor": lambda x, y, z: math.floor(x) * y,
    "itertools.accumulate": lambda x, y, z: list(itertools.accumulate([x, y, z], operator.mul))[2],
    "Counter": lambda x, y, z: (collections.Counter({"a": x}) + collections.Counter({"a": y}))["a"] * z,
    "statistics.median": lambda x, y, z: statistics.median([x, y, z]) * x,
    "statistics.quantiles": lambda x, y, z: statistics.quantiles([x, y, z])[0] * x,
    "random.gauss": lambda x, y, z: seeded(lambda: random.gauss(x, y)) * z,
    "random.uniform": lambda x, y, z: seeded(lambda: random.uniform(x, y)),
    "dataclasses.replace": lambda x, y, z: dataclasses.replace(Point(x, y), y=z).y * x,
    "copy.copy of a list": lambda x, y, z: copy.copy([x * y])[0] * z,
    "a defaultdict": lambda x, y, z: collections.defaultdict(float, a=x)["a"] * y,
    "np.sum": lambda x, y, z: np.sum([x, y, z]) * x,
    "np.mean": lambda x, y, z: np.mean([x, y, z]) * x,
    "np.average": lambda x, y, z: np.average([x, y, z], weights=[x, y, z]),
    "np.var": lambda x, y, z: np.var([x, y, z], ddof=1),
    "np.std": lambda x, y, z: np.std([x, y, z]),
    "np.median": lambda x, y, z: np.median([x, y, z]) * y,
    "np.percentile": lambda x, y, z: np.percentile([x, y, z], 30) * y,
    "np.max": lambda x, y, z: np.max([x, y, z]) * z,
    "np.ptp": lambda x, y, z: np.ptp(np.array([x, y, z])) * x,
    "np.nanmean": lambda x, y, z: np.nanmean([x, y, z, math.nan]) * x,
    "np.nanmax": lambda x, y, z: np.nanmax([x, y, z, math.nan]) * x,
    "np.nansum of a nan Value": lambda x, y, z: np.nansum([x, y, z, z * math.nan]) * x,
    "np.sort": lambda x, y, z: np.sort([x, y, z])[1] * x,
    "np.argmax": lambda x, y, z: [x, y, z][np.argmax([x, y, z])] * x,
    "np.clip": lambda x, y, z: np.clip(np.array([x, y, z]), 1.5, 2.6).sum() * x,
    "np.where": lambda x, y, z: np.where(np.array([x, y, z]) > 2, x, z).sum() * y,
    "np.select": lambda x, y, z: np.select([np.array([True, False])], [np.array([x, y])], z).sum() * y,
    "np.cumsum": lambda x, y, z: np.cumsum([x, y, z]).sum() * x,
    "np.diff": lambda x, y, z: np.diff([x, y, z])[0] * x,
    "np.convolve": lambda x, y, z: np.convolve([x, y], [y, z])[1],
    "np.linspace": lambda x, y, z: np.linspace(x, y, 3)[1] * x,
    "np.polyval": lambda x, y, z: np.polyval([x, y, z], 2.0) * x,
    "np.poly1d": lambda x, y, z: np.poly1d([x, y, z])(x),
    "np.full": lambda x, y, z: np.full(2, x).sum() * y,
    "np.dot": lambda x, y, z: np.dot([x, y], [y, z]),
    "np.cross": lambda x, y, z: np.cross([x, y, z], [1.0, 2.0, 3.0])[0] * x,
    "np.einsum": lambda x, y, z: np.einsum("i,i", np.array([x, y]), np.array([y, z])),
    "np.kron": lambda x, y, z: np.kron([x, y], [y, z]).sum(),
    "np.linalg.norm": lambda x, y, z: np.linalg.norm([x, y, z]),
    "np.linalg.matrix_power": lambda x, y, z: np.linalg.matrix_power(np.array([[x, y], [y, z]]), 2)[0, 1],
    "np.float64 + v": lambda x, y, z: (np.float64(2.0) + x) * (y - np.float64(0.5)) * np.int64(3),
    "np.vectorize": lambda x, y, z: np.vectorize(lambda v: v * v)(np.array([x, y])).sum(),
    "np.reciprocal": lambda x, y, z: np.reciprocal(np.array([x, y])).sum() if isinstance(x, Value) else 1 / x + 1 / y,
    "np.sinc": lambda x, y, z: np.sinc(np.array([x])).sum(),
    "np.trapezoid": lambda x, y, z: ((np.array([x, y]) + np.array([y, z])) / 2).sum() * x,
    "np.unique": lambda x, y, z: np.unique(np.array([x, x * 1.0, y]))[1] * x,
    "np.array_equal": lambda x, y, z: x * y * (1 + np.array_equal([x, y], NUMBERS[:2])),
    "np.isin": lambda x, y, z: x * y * (1 + np.isin([x, y], [3.0])).sum(),
}  # fmt: skip

#: Of a Value, a list, an array and a square matrix of Values.
REFUSES: dict[str, Form] = {
    "float": lambda v, xs, a, m: float(v),
    "int": lambda v, xs, a, m: int(v),
    "complex": lambda v, xs, a, m: complex(v),
    "operator.index": lambda v, xs, a, m: operator.index(v),
    "an index": lambda v, xs, a, m: [1, 2, 3, 4][v],
    "range": lambda v, xs, a, m: range(v),
    "round": lambda v, xs, a, m: round(v, 1),
    "math.trunc": lambda v, xs, a, m: math.trunc(v),
    "bytes": lambda v, xs, a, m: bytes(v),
    "memoryview": lambda v, xs, a, m: memoryview(v),
    "struct.pack": lambda v, xs, a, m: struct.pack("d", v),
    "array.array": lambda v, xs, a, m: array.array("d", xs),
    "ctypes": lambda v, xs, a, m: ctypes.c_double(v),
    "json": lambda v, xs, a, m: json.dumps({"x": xs}),
    "%f": lambda v, xs, a, m: "%f" % v,  # noqa: UP031 (it is what is tested)
    "Decimal": lambda v, xs, a, m: decimal.Decimal(v),
    "Fraction": lambda v, xs, a, m: fractions.Fraction(v),
    "Fraction * v": lambda v, xs, a, m: fractions.Fraction(1, 2) * v,
    "v + Decimal": lambda v, xs, a, m: v + decimal.Decimal(1),
    "v < Decimal": lambda v, xs, a, m: v < decimal.Decimal(1),
    "v * 1j": lambda v, xs, a, m: v * 1j,
    "cmath.exp": lambda v, xs, a, m: cmath.exp(v),
    "math.exp": lambda v, xs, a, m: math.exp(v),
    "math.fsum": lambda v, xs, a, m: math.fsum(xs),
    "math.hypot": lambda v, xs, a, m: math.hypot(*xs),
    "math.dist": lambda v, xs, a, m: math.dist(xs, xs),
    "math.isclose": lambda v, xs, a, m: math.isclose(v, 2.5),
    "math.isnan": lambda v, xs, a, m: math.isnan(v),
    "math.copysign": lambda v, xs, a, m: math.copysign(v, -1.0),
    "math.fmod": lambda v, xs, a, m: math.fmod(v, 2.0),
    "random.choices": lambda v, xs, a, m: random.choices([1, 2, 3], weights=xs),
    "random.seed": lambda v, xs, a, m: random.seed(v),
    "statistics.mean": lambda v, xs, a, m: statistics.mean(xs),
    "statistics.fmean": lambda v, xs, a, m: statistics.fmean(xs),
    "statistics.stdev": lambda v, xs, a, m: statistics.stdev(xs),
    "statistics.pvariance": lambda v, xs, a, m: statistics.pvariance(xs),
    "statistics.geometric_mean": lambda v, xs, a, m: statistics.geometric_mean(xs),
    "statistics.harmonic_mean": lambda v, xs, a, m: statistics.harmonic_mean(xs),
    "Value(v)": lambda v, xs, a, m: Value(v),
    "np.array(float)": lambda v, xs, a, m: np.array(xs, dtype=float),
    "np.asarray(float)": lambda v, xs, a, m: np.asarray(v, float),
    "astype(float)": lambda v, xs, a, m: a.astype(float),
    "astype(int)": lambda v, xs, a, m: a.astype(int),
    "astype(complex)": lambda v, xs, a, m: a.astype(complex),
    "np.float64": lambda v, xs, a, m: np.float64(v),
    "np.int64": lambda v, xs, a, m: np.int64(v),
    "np.complex128": lambda v, xs, a, m: np.complex128(v),
    "np.fromiter": lambda v, xs, a, m: np.fromiter(xs, float),
    "sum of dtype float": lambda v, xs, a, m: np.sum(a, dtype=float),
    "an element of floats": lambda v, xs, a, m: operator.setitem(np.zeros(2), 0, v),
    "np.full_like": lambda v, xs, a, m: np.full_like(np.zeros(2), v),
    "an array of floats in place": lambda v, xs, a, m: operator.iadd(np.zeros(2), v),
    "view": lambda v, xs, a, m: a.view(float),
    "np.arange": lambda v, xs, a, m: np.arange(0.0, v, 1.0),
    "np.interp": lambda v, xs, a, m: np.interp(v, [1.0, 2.0], [1.0, 4.0]),
    "np.interp of Values": lambda v, xs, a, m: np.interp(1.5, [1.0, 2.0, 3.0], xs),
    "np.polyfit": lambda v, xs, a, m: np.polyfit([1.0, 2.0, 3.0], xs, 1),
    "np.roots": lambda v, xs, a, m: np.roots(xs),
    "np.gradient": lambda v, xs, a, m: np.gradient(a),
    "np.histogram": lambda v, xs, a, m: np.histogram(a),
    "np.round": lambda v, xs, a, m: np.round(a, 1),
    "np.trunc": lambda v, xs, a, m: np.trunc(a),
    "np.isnan": lambda v, xs, a, m: np.isnan(a),
    "np.allclose": lambda v, xs, a, m: np.allclose(a, a),
    "np.cov": lambda v, xs, a, m: np.cov(m),
    "np.corrcoef": lambda v, xs, a, m: np.corrcoef(m),
    "np.copysign": lambda v, xs, a, m: np.copysign(a, -1.0),
    "np.heaviside": lambda v, xs, a, m: np.heaviside(a, 0.5),
    "np.logaddexp": lambda v, xs, a, m: np.logaddexp(a, a),
    "np.exp2": lambda v, xs, a, m: np.exp2(a),
    "np.linalg.inv": lambda v, xs, a, m: np.linalg.inv(m),
    "np.linalg.solve": lambda v, xs, a, m: np.linalg.solve(m, [1.0, 2.0]),
    "np.linalg.det": lambda v, xs, a, m: np.linalg.det(m),
    "np.linalg.eigh": lambda v, xs, a, m: np.linalg.eigh(m),
    "np.linalg.svd": lambda v, xs, a, m: np.linalg.svd(m),
    "np.linalg.qr": lambda v, xs, a, m: np.linalg.qr(m),
    "np.linalg.cholesky": lambda v, xs, a, m: np.linalg.cholesky(m),
    "np.linalg.lstsq": lambda v, xs, a, m: np.linalg.lstsq(m, [1.0, 2.0]),
    "np.fft.fft": lambda v, xs, a, m: np.fft.fft(a),
    "np.random": lambda v, xs, a, m: np.random.default_rng(0).normal(v, 1.0),
    "np.matrix * v": lambda v, xs, a, m: np.matrix([[1.0, 2.0]]) * v,
}


@dataclasses.dataclass
class Point:
    x: Any
    y: Any


def values() -> tuple[Value, list[Value], Any, Any]:
    xs = [Value(x) for x in NUMBERS]
    return xs[0], xs, np.array(xs), np.array([[Value(x) for x in row] for row in SQUARE])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # NumPy's, of a nan
@pytest.mark.parametrize("form", KEEPS)
def test_what_a_library_makes_of_values_has_the_gradient_of_the_formula(form: str) -> None:
    f = KEEPS[form]
    value, slopes = tg.value_and_grad(f, (0, 1, 2))(*NUMBERS)
    assert value == pytest.approx(float(f(*NUMBERS)), rel=1e-13)
    for i in range(3):
        around = [[x + sign * 1e-5 * (k == i) for k, x in enumerate(NUMBERS)] for sign in (1, -1)]
        expected = (float(f(*around[0])) - float(f(*around[1]))) / 2e-5
        if "array_equal" in form or "isin" in form:  # a test of equality: constant but for a point
            expected = (2 if form == "np.array_equal" else 3) * [NUMBERS[1], NUMBERS[0], 0.0][i]
        assert slopes[i] == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("form", REFUSES)
def test_who_asks_for_the_number_is_refused(form: str) -> None:
    f = REFUSES[form]
    refusal: Any = (TypeError, AttributeError, struct.error)
    with pytest.raises(refusal):
        f(*values())
    with pytest.raises(refusal):
        tg.grad(lambda v: (f(v, [v, v, v], np.array([v, v, v]), np.array([[v, v], [v, v]])), v)[1])(2.0)


@pytest.mark.parametrize(
    ("form", "remedy"),
    [
        ("statistics.mean", r"statistics\.mean: tinygrad_lite\.mean\(xs\)"),
        ("statistics.fmean", r"tinygrad_lite\.mean\(xs\)"),
        ("statistics.stdev", r"numpy\.std\(numpy\.array\(xs\), ddof=1\)"),
        ("statistics.pvariance", r"numpy\.var\(numpy\.array\(xs\)\)"),
        ("statistics.geometric_mean", r"exp\(mean"),
        ("statistics.harmonic_mean", r"1 / tinygrad_lite\.mean"),
        ("np.cov", r"numpy\.cov does not take Values.*X\.mean\(axis=1, keepdims=True\)"),
        ("np.corrcoef", r"numpy\.(corrcoef|cov) does not take Values"),
        ("np.isnan", r"numpy\.isnan does not take Values.*v\.data"),
        ("np.linalg.inv", r"numpy\.linalg\.inv does not take Values.*Write the formula out"),
        ("np.fft.fft", r"numpy\.fft\.fft does not take Values"),
        ("np.exp2", "does not take Values"),
        ("np.round", r"round\(v\.data, digits\)"),
        ("math.trunc", r"math\.trunc\(v\.data\)"),
        ("math.exp", r"tinygrad_lite\.exp\(v\)"),
        ("array.array", r"v\.data"),
    ],
)
def test_a_refusal_says_what_to_write_instead(form: str, remedy: str) -> None:
    def f(x: Any) -> Any:
        row = [x[0, 0], x[0, 1], x[1, 0]]
        return REFUSES[form](row[0], row, np.array(row), x)

    with pytest.raises(TypeError, match=remedy):
        tg.grad(f)(np.array(SQUARE))


@pytest.mark.parametrize("form", ["np.cov", "np.isnan", "np.linalg.inv"])
def test_lift_says_the_same(form: str) -> None:
    with pytest.raises(TypeError, match=r"does not take Values.*Instead"):
        tg.lift.lift(lambda x: REFUSES[form](None, None, x[0], x))(np.array(SQUARE))


def test_what_refusals_recommend_is_right() -> None:
    xs, ys = [2.5, 3.0, 1.0, 7.0], [1.0, 0.0, 2.0, 4.0]
    values = [Value(x) for x in xs]
    assert tg.mean(values).data == pytest.approx(statistics.mean(xs), rel=1e-15)
    assert tg.exp(tg.mean([tg.log(x) for x in values])).data == pytest.approx(statistics.geometric_mean(xs))
    assert (1 / tg.mean([1 / x for x in values])).data == pytest.approx(statistics.harmonic_mean(xs))
    array = np.array(values)
    for name, f in (("var", statistics.pvariance), ("std", statistics.pstdev)):
        assert getattr(np, name)(array).data == pytest.approx(f(xs))
    assert np.std(array, ddof=1).data == pytest.approx(statistics.stdev(xs))
    rows = np.array([values, [Value(y) for y in ys]])
    d = rows - rows.mean(axis=1, keepdims=True)
    c = d @ d.T / (rows.shape[1] - 1)
    np.testing.assert_allclose([[x.data for x in row] for row in c], np.cov([xs, ys]), rtol=1e-14)
    s = np.sqrt(c.diagonal())
    found = c / np.outer(s, s)
    np.testing.assert_allclose([[x.data for x in row] for row in found], np.corrcoef([xs, ys]), rtol=1e-14)
    a, b = rows[0] - rows[0].mean(), rows[1] - rows[1].mean()
    assert (a @ b / tg.sqrt((a @ a) * (b @ b))).data == pytest.approx(statistics.correlation(xs, ys))
    slope = a @ rows[1] / (a @ a)
    line = statistics.linear_regression(xs, ys)
    assert (slope.data, (rows[1].mean() - slope * rows[0].mean()).data) == pytest.approx((line.slope, line.intercept))


def test_an_error_that_is_not_about_values_is_left_as_it_is() -> None:
    with pytest.raises(ValueError, match="matmul"):
        tg.grad(lambda x: x @ np.ones(3))(np.ones(2))
    with pytest.raises(TypeError, match="takes exactly one argument"):
        tg.grad(lambda x: math.sqrt())(2.0)  # type: ignore[call-arg]  # as a user would get it wrong
    with pytest.raises(AttributeError, match="no attribute 'foo'"):
        tg.grad(lambda x: x.foo)(2.0)
    with pytest.raises(TypeError, match=r"out of the graph|v\.data"):
        tg.grad(lambda x: x * float(x))(2.0)


NAN = [[math.nan, 3.0], [3.0, math.nan], [1.0, math.nan, 2.0]]
#: NumPy's functions that look for an order, of a list of numbers.
ORDERS: dict[str, Form] = {
    "np.max": lambda xs: np.max(xs),
    "max": lambda xs: np.array(xs).max(),
    "np.min": lambda xs: np.min(xs),
    "np.maximum": lambda xs: np.maximum(np.array(xs), 2.0),
    "np.minimum": lambda xs: np.minimum(2.0, np.array(xs)),
    "np.fmax": lambda xs: np.fmax(np.array(xs), 2.0),
    "accumulate": lambda xs: np.maximum.accumulate(np.array(xs)),
    "imported": lambda xs: imported(xs),
    "np.argmax": lambda xs: np.argmax(xs),
    "argmin": lambda xs: np.array(xs).argmin(),
    "np.sort": lambda xs: np.sort(xs),
    "sort": lambda xs: np.array(xs).sort(),
    "np.argsort": lambda xs: np.argsort(xs),
    "np.partition": lambda xs: np.partition(xs, 1),
    "np.median": lambda xs: np.median(xs),
    "np.percentile": lambda xs: np.percentile(xs, 50),
    "np.ptp": lambda xs: np.ptp(np.array(xs)),
    "np.clip": lambda xs: np.clip(np.array(xs), 0.0, 1.0),
    "clip": lambda xs: np.array(xs).clip(0.0, 1.0),
    "np.searchsorted": lambda xs: np.array(xs).searchsorted(2.0),
}


def imported(xs: list[Value]) -> Any:
    from numpy import maximum

    return maximum(np.array(xs), 2.0)


@pytest.mark.parametrize("numbers", NAN, ids=str)
@pytest.mark.parametrize("form", ORDERS)
def test_no_order_of_numpys_passes_over_a_nan(form: str, numbers: list[float]) -> None:
    """Of floats NumPy gives nan, or puts nan at the end; of objects it would give what comes first or last."""
    with pytest.raises(ValueError, match="nan has no place in"):
        ORDERS[form]([Value(x) for x in numbers])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # NumPy's, of a nan
def test_comparisons_with_nan_are_false_and_pythons_own_orders_are_those_of_floats() -> None:
    nan = Value(math.nan)
    for numbers in NAN:
        xs = [Value(x) for x in numbers]
        for order in (max, min, lambda xs: sorted(xs)[0], lambda xs: (xs.sort(), xs[0])[1]):
            assert repr(order(xs).data) == repr(order(list(numbers)))
        assert [bool(b) for b in np.array(xs) > 2.0] == [x > 2.0 for x in numbers]
        assert [bool(b) for b in np.greater(np.array(xs), 2.0)] == [x > 2.0 for x in numbers]
        assert bisect.bisect_left(xs, 9.0) == bisect.bisect_left(numbers, 9.0)
    for op in (operator.lt, operator.le, operator.gt, operator.ge):
        assert op(nan, 1.0) is False
        assert op(1.0, nan) is False
        assert op(nan, nan) is False
    assert nan == nan
    assert not nan != nan  # noqa: SIM202 (as above)


def test_numpys_functions_compare_numbers_and_the_users_code_nodes() -> None:
    a = np.array([Value(2.0), Value(1.0), Value(2.0)])
    assert [v.data for v in np.unique(a)] == [1.0, 2.0]
    assert np.array_equal(a, [2.0, 1.0, 2.0])
    assert not np.array_equal(a, [2.0, 1.0, 3.0])
    assert np.isin(a, [1.0]).tolist() == [False, True, False]
    np.testing.assert_array_equal(a, [2.0, 1.0, 2.0])
    assert (a == 2.0).tolist() == [False, False, False]  # as v == 2.0
    assert a[0] != 2.0
    assert a[0] != a[2]
    assert np.isnan([x.data for x in np.nan_to_num(np.array([Value(math.nan)]))]).all()
    with pytest.raises(ZeroDivisionError, match="Weights sum to zero"):
        np.average([1.0, 2.0], weights=np.array([Value(1.0), Value(-1.0)]))


COPIES: dict[str, Form] = {
    "copy": lambda x, y: copy.copy(x) * y,
    "copy of a node": lambda x, y: copy.copy(x * y),
    "deepcopy": lambda x, y: copy.deepcopy(x) * y,
    "deepcopy of a node": lambda x, y: copy.deepcopy(x * y),
    "deepcopy of a list": lambda x, y: copy.deepcopy([x, [y]])[1][0] * x,
    "deepcopy of an array": lambda x, y: copy.deepcopy(np.array([x, y])).prod(),
    "array.copy": lambda x, y: np.array([x, y]).copy().prod(),
    "asdict": lambda x, y: dataclasses.asdict(Point(x, [y]))["x"] * y,
    "asdict, nested": lambda x, y: dataclasses.asdict(Point(x, {"y": [Point(x * y, 0.0)]}))["y"]["y"][0]["x"],
    "asdict of an array": lambda x, y: dataclasses.asdict(Point(np.array([x, y]), 0.0))["x"].prod(),
    "astuple": lambda x, y: math.prod(dataclasses.astuple(Point(x, y))),
}


@pytest.mark.parametrize("form", COPIES)
def test_a_copy_inside_a_transform_is_differentiated(form: str) -> None:
    """Of x·y at (2, 3): a copy that began a graph of its own would have the derivative 0."""
    f = COPIES[form]
    assert tg.value_and_grad(f, (0, 1))(2.0, 3.0) == (6.0, (3.0, 2.0))
    assert tg.hessian(f, (0, 1))(2.0, 3.0) == ((0.0, 1.0), (1.0, 0.0))
    assert tg.jvp(f, (2.0, 3.0), (1.0, 10.0)) == (6.0, 23.0)
    model = Linear(1, 1, bias=False, generator=0)
    slopes = tg.grad(lambda model: f(model.weight[0][0], 3.0))(model)
    assert slopes["weight"].tolist() == [[3.0]]


def test_a_pickle_inside_a_transform_is_refused_and_other_graphs_are_copied() -> None:
    with pytest.raises(pickle.PicklingError, match="a Value that is being differentiated"):
        tg.grad(lambda x: pickle.loads(pickle.dumps(x)) * 2.0)(3.0)
    other = Value(5.0)
    assert tg.grad(lambda x: copy.deepcopy(other) * pickle.loads(pickle.dumps(other)) * x)(3.0) == 25.0
    twin = copy.copy(other)
    assert twin is not other


def test_asdict_has_the_values_themselves() -> None:
    x = Value(3.0)
    loss = dataclasses.asdict(Point(x, [x * x]))["y"][0]
    loss.backward()
    assert x.grad == 6.0
    program: Any = tg.lift.lift(lambda x, y: dataclasses.asdict(Point(x, y))["x"] * y)
    assert program(2.0, 3.0) == 6.0


def test_views_copies_and_pickles_hold_the_graph() -> None:
    x = Value(3.0)
    for twin in (copy.deepcopy(x * x), pickle.loads(pickle.dumps(x * x)), copy.deepcopy(np.array([x * x]))[0]):
        twin.backward()
        assert twin.parents[0].grad == 6.0


PANDAS: dict[str, Form] = {
    "sum": lambda s: s.sum(),
    "prod": lambda s: s.prod(),
    "max": lambda s: s.max() * s[1],
    "cumsum": lambda s: s.cumsum().sum() * s[0],
    "product with a number": lambda s: (s * s[0]).sum(),
    "of numbers": lambda s: (type(s)([1.0, 2.0, 4.0]) * s[0]).sum() * s[1],
    "dot": lambda s: s.dot(s),
    "map": lambda s: s.map(lambda x: x * x).sum(),
    "quantile": lambda s: s.quantile(0.5) * s[0],
    "groupby": lambda s: s.groupby([0, 0, 1]).sum()[0] * s[0],
    "sort_values": lambda s: s.sort_values().iloc[1] * s[0],
    "diff": lambda s: s.diff()[1] * s[0],
    "np.exp": lambda s: np.exp(s / 3.0).sum(),
}


@pytest.mark.parametrize("form", PANDAS)
def test_what_pandas_makes_of_values_has_the_gradient_of_the_formula(form: str) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is an extra")
    f = PANDAS[form]

    def of_list(xs: list[Any]) -> Any:
        return f(pandas.Series(xs))

    value, slopes = tg.value_and_grad(of_list)(NUMBERS)
    assert value == pytest.approx(float(of_list(NUMBERS)), rel=1e-13)
    for i in range(3):
        up, down = ([x + sign * 1e-5 * (k == i) for k, x in enumerate(NUMBERS)] for sign in (1, -1))
        assert slopes[i] == pytest.approx((float(of_list(up)) - float(of_list(down))) / 2e-5, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    "form", ["mean", "std", "var", "median", "skew", "round", "autocorr", "nlargest", "interpolate"]
)
def test_what_pandas_computes_with_floats_is_refused(form: str) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is an extra")
    series = pandas.Series([Value(x) for x in NUMBERS])
    with pytest.raises((TypeError, ValueError)):
        getattr(series, form)()
    for dtype in (float, int, "float32", "Float64"):
        with pytest.raises((TypeError, ValueError)):
            series.astype(dtype)
    with pytest.raises((TypeError, ValueError)):
        pandas.to_numeric(series)
