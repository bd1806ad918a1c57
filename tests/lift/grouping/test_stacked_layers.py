"""Layers whose weights are rows of one array: their gradients are matrix products, and put together at the end."""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite import tanh, value_and_grad
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.lifting import lift

ENGINES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(find_spec(registry.ENGINES[name].library) is None, reason=f"{name} is not installed"),
    )
    for name in ("numpy", "numba", "jax")
]


def layer(weights: Any, x: Any) -> list[Any]:
    return [tanh(sum(w * v for w, v in zip(row, x, strict=True))) for row in weights]


def through_all(weights: Any, x: Any) -> Any:
    for matrix in weights:
        x = layer(matrix, x)
    return sum(v * v for v in x)


def through_biases(weights: Any, biases: Any, x: Any) -> Any:
    for matrix, shifts in zip(weights, biases, strict=True):
        x = [tanh(sum(map(operator.mul, row, x)) + b) for row, b in zip(matrix, shifts, strict=True)]
    return sum(v * v for v in x)


def compare(f: Callable[..., Any], *arguments: Any, engine: str, reduce: str = "mean", **options: Any) -> str:
    """Compare value and gradients, the last argument being samples, with those of Values; give the source."""
    *parameters, samples = arguments
    of_one = value_and_grad(f, argnums=tuple(range(len(parameters))))
    batch = (*[None] * len(parameters), 0)
    lifted = lift(of_one, batch=batch, reduce=reduce, engine=engine, **options)
    value, gradients = lifted(*arguments)
    values, found = zip(*[of_one(*parameters, x) for x in samples], strict=True)
    combine = {"mean": np.mean, "sum": np.sum}[reduce]
    np.testing.assert_allclose(value, combine(values), rtol=1e-12)
    for ours, truth in zip(gradients, zip(*found, strict=True), strict=True):
        expected = combine(np.array(truth, dtype=float), axis=0)
        np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12 * max(1.0, np.abs(expected).max()))
    return str(lifted.source)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_gradients_of_stacked_weights_and_biases_are_stacked_products(engine: str, reduce: str) -> None:
    rng = np.random.default_rng(0)
    weights, biases, x = rng.normal(size=(3, 4, 4)), rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    source = compare(through_biases, weights, biases, x, engine=engine, reduce=reduce)
    if reduce == "mean":
        assert "grad_weights = stack([d1 @ x.T, d2 @ a1.T, d3 @ a2.T])" in source
        assert "grad_biases = stack([d1.sum(1), d2.sum(1), d3.sum(1)])" in source
    assert "where(" not in source
    assert "None] *" not in source  # no outer product for each sample


@pytest.mark.parametrize("engine", ENGINES)
def test_so_are_those_of_layers_that_are_a_loop(engine: str) -> None:
    rng = np.random.default_rng(1)
    source = compare(through_all, 0.5 * rng.normal(size=(6, 3, 3)), rng.normal(size=(5, 3)), engine=engine)
    assert "for t in range(5):" in source or "scan(" in source
    assert "where(" not in source
    assert len(re.findall(r"@ \w+(\[\d\])?\.T / n", source)) == 6


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_and_columns_of_one_matrix_are_put_side_by_side(engine: str) -> None:
    def rows(weights: Any, x: Any) -> Any:
        return through_all([weights[:3], weights[3:]], x)

    def columns(weights: Any, x: Any) -> Any:
        return through_all([[row[:3] for row in weights], [row[3:] for row in weights]], x)

    rng = np.random.default_rng(2)
    x = rng.normal(size=(4, 3))
    assert "concatenate([d1 @ x.T, d2 @ a1.T])" in compare(rows, rng.normal(size=(5, 3)), x, engine=engine)
    assert "concatenate([d1 @ x.T, d2 @ a1.T], 1)" in compare(columns, rng.normal(size=(3, 6)), x, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_layer_that_nothing_passes_has_a_gradient_of_zeros(engine: str) -> None:
    def without_the_second(weights: Any, x: Any) -> Any:
        return through_all([weights[0], weights[2]], x)

    rng = np.random.default_rng(3)
    source = compare(without_the_second, rng.normal(size=(4, 3, 3)), rng.normal(size=(4, 3)), engine=engine)
    assert "where(" not in source
    assert source.count("asarray(0.0)") == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_of_each_samples_input_are_put_together_for_each_sample(engine: str) -> None:
    def f(x: Any, weights: Any) -> Any:
        h = layer(weights[0], x[0])
        return sum(v * v for v in layer(weights[1], [a + b for a, b in zip(h, x[1], strict=True)]))

    rng = np.random.default_rng(4)
    x, weights = rng.normal(size=(5, 2, 3)), rng.normal(size=(2, 3, 3))
    lifted = lift(value_and_grad(f), batch=(0, None), reduce=None, engine=engine)
    values, gradients = lifted(x, weights)
    for row, sample in enumerate(x):
        value, gradient = value_and_grad(f)(sample, weights)
        np.testing.assert_allclose(values[row], value, rtol=1e-12)
        np.testing.assert_allclose(gradients[row], np.array(gradient, dtype=float), rtol=1e-11)
    assert "stack([" in lifted.source


def test_in_single_precision_the_result_is_single() -> None:
    def without_the_second(weights: Any, x: Any) -> Any:
        return through_all([weights[0], weights[2]], x)

    rng = np.random.default_rng(5)
    weights, x = rng.normal(size=(3, 3, 3)), rng.normal(size=(4, 3))
    pytest.importorskip("jax")
    lifted = lift(value_and_grad(without_the_second), batch=(None, 0), engine="jax", dtype="float32")
    _, gradient = lifted(weights, x)
    assert gradient.dtype == np.float32


@settings(max_examples=12)
@given(st.data())
@pytest.mark.parametrize("engine", ENGINES)
def test_layers_read_any_rows_of_a_stack_in_any_order(engine: str, data: st.DataObject) -> None:
    layers, width = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    order = data.draw(st.lists(st.integers(0, layers - 1), min_size=1, max_size=4))
    axis = data.draw(st.integers(0, 2))
    squares = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    reduce = data.draw(st.sampled_from(["mean", "sum"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))

    def f(stack: Any, biases: Any, x: Any) -> Any:
        for k, square in zip(order, squares, strict=True):
            matrix = [[_pick(stack, axis, k, i, j) for j in range(width)] for i in range(width)]
            x = [z + b for z, b in zip(layer(matrix, x), biases[k], strict=True)]
            x = [v * v for v in x] if square else x
        return functools.reduce(lambda a, b: a + b, x)

    weights = np.moveaxis(rng.normal(size=(layers, width, width)), 0, axis)
    compare(f, weights, rng.normal(size=(layers, width)), rng.normal(size=(3, width)), engine=engine, reduce=reduce)


def _pick(stack: Any, axis: int, k: int, i: int, j: int) -> Any:
    first, second, third = itertools.chain((i, j)[:axis], (k,), (i, j)[axis:])
    return stack[first][second][third]
