"""The float functions that ``math`` lacks, where the range of floats ends."""

from __future__ import annotations

import math

import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.operations import numerics


def test_maximum_and_minimum_are_nan_if_either_operand_is() -> None:
    for f in (tg.maximum, tg.minimum):
        assert math.isnan(f(math.nan, 1.0))
        assert math.isnan(f(1.0, math.nan))
        assert math.isnan(f(Value(math.nan), Value(math.inf)).data)


def test_a_part_of_a_product_that_leaves_the_range_of_floats_is_infinite() -> None:
    assert numerics.products_without_each([2.0, 1e200, 1e200]) == [math.inf, 2e200, 2e200]
    assert numerics.products_without_each([2.0, -1e200, 1e200]) == [-math.inf, 2e200, -2e200]
    xs = [Value(2.0), Value(1e200), Value(1e120)]
    node = tg.prod([*xs[:1], Value(0.0), *xs[1:]])
    node.backward()
    assert node.data == 0.0
    assert node.parents[1].grad == math.inf


@pytest.mark.parametrize(
    ("xs", "total", "shares"),
    [
        ([math.inf, 1.0], math.inf, [1.0, 0.0]),
        ([-math.inf, 1.0], 1.0, [0.0, 1.0]),
        ([math.inf, math.inf], math.inf, [0.5, 0.5]),
        ([-math.inf, -math.inf], -math.inf, [0.5, 0.5]),
        ([math.nan, 1.0], math.nan, [math.nan, math.nan]),
        ([math.inf, math.nan], math.nan, [math.nan, math.nan]),
        ([0.0, -1e4], 0.0, [1.0, 0.0]),
    ],
)
def test_softmax_and_logsumexp_have_their_limits(xs: list[float], total: float, shares: list[float]) -> None:
    node = tg.logsumexp([Value(x) for x in xs])
    node.backward()
    assert repr(node.data) == repr(total)
    assert repr(tg.softmax(xs)) == repr(shares)
    assert repr([x.grad for x in node.parents]) == repr([0.0 + s for s in shares])


def test_derivatives_of_inverse_functions_have_their_limits_at_the_ends() -> None:
    assert [numerics.asin_derivative(x) for x in (-1.0, 0.0, 1.0)] == [math.inf, 1.0, math.inf]
    assert math.isnan(numerics.asin_derivative(1.5))
    assert [numerics.atanh_derivative(x) for x in (-1.0, 0.0, 1.0)] == [math.inf, 1.0, math.inf]
    assert [numerics.hypot_derivative(x, y) for x, y in ((0.0, 0.0), (-3.0, 4.0), (0.0, 2.0))] == [0.0, -0.6, 0.0]
