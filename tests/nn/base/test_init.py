"""Initialisers draw from the distributions of their papers, and write nothing else."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_oracles import assert_close, numbers
from scipy import stats

from tinygrad_lite import Value
from tinygrad_lite.nn import init
from tinygrad_lite.nn.base.shapes import flat, parameters_of_shape
from tinygrad_lite.nn.layers.linear import Linear

#: Enough numbers to tell distributions apart: 40 · 10 · 5.
SHAPE = (40, 10, 5)
FAN_IN, FAN_OUT = 50, 200


def drawn(initializer: Callable[..., Any], *arguments: Any, shape: tuple[int, ...] = SHAPE, **named: Any) -> Any:
    """What the initialiser makes of new leaves, as an array."""
    nest = parameters_of_shape(shape, 7.0)
    assert initializer(nest, *arguments, generator=0, **named) is nest
    return numbers(nest)


def assert_uniform(found: Any, low: float, high: float) -> None:
    assert low <= found.min() <= found.max() <= high
    assert stats.kstest(found.ravel(), "uniform", (low, high - low)).pvalue > 0.001


def assert_normal(found: Any, mean: float, std: float) -> None:
    assert stats.kstest(found.ravel(), stats.norm(mean, std).cdf).pvalue > 0.001


def test_constants() -> None:
    assert set(drawn(init.constant_, 0.5).ravel()) == {0.5}
    assert set(drawn(init.zeros_).ravel()) == {0.0}
    assert set(drawn(init.ones_).ravel()) == {1.0}


def test_uniform_and_normal() -> None:
    assert_uniform(drawn(init.uniform_), 0.0, 1.0)
    assert_uniform(drawn(init.uniform_, -3.0, 5.0), -3.0, 5.0)
    assert_normal(drawn(init.normal_), 0.0, 1.0)
    assert_normal(drawn(init.normal_, 2.0, 0.5), 2.0, 0.5)


@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_xavier_has_variance_2_over_the_sum_of_the_fans(gain: float) -> None:
    std = gain * math.sqrt(2.0 / (FAN_IN + FAN_OUT))
    assert_uniform(drawn(init.xavier_uniform_, gain), -math.sqrt(3.0) * std, math.sqrt(3.0) * std)
    assert_normal(drawn(init.xavier_normal_, gain), 0.0, std)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", FAN_IN), ("fan_out", FAN_OUT)])
@pytest.mark.parametrize(
    ("arguments", "squared_gain"),
    [({}, 2.0), ({"a": 2.0}, 0.4), ({"nonlinearity": "linear"}, 1.0), ({"nonlinearity": "tanh"}, 25.0 / 9.0)],
)
def test_kaiming_has_the_squared_gain_over_the_fan_as_variance(
    mode: str, fan: int, arguments: dict[str, Any], squared_gain: float
) -> None:
    std = math.sqrt(squared_gain / fan)
    found = drawn(init.kaiming_uniform_, mode=mode, **arguments)
    assert_uniform(found, -math.sqrt(3.0) * std, math.sqrt(3.0) * std)
    assert_normal(drawn(init.kaiming_normal_, mode=mode, **arguments), 0.0, std)


def test_kaiming_uniform_of_root_five_is_the_default_of_pytorchs_layers() -> None:
    """±1/√fan_in: what Linear and convolutions draw from."""
    nest = parameters_of_shape((4, 9))
    init.kaiming_uniform_(nest, a=math.sqrt(5.0), generator=0)
    assert_close(numbers(nest), Linear(9, 4, generator=0).state_dict()["weight"])


@given(
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=4).map(tuple),
    gain=st.floats(0.1, 10.0),
    seed=st.integers(0, 1000),
)
def test_orthogonal_matrices_have_all_singular_values_equal(shape: tuple[int, ...], gain: float, seed: int) -> None:
    nest = init.orthogonal_(parameters_of_shape(shape), gain, seed)
    matrix = numbers(nest).reshape(shape[0], -1)
    rows, columns = matrix.shape
    product = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    np.testing.assert_allclose(product, gain**2 * np.eye(min(rows, columns)), atol=1e-13 * gain**2)


def test_orthogonal_matrices_are_drawn_uniformly() -> None:
    """Of 2 × 2: the first column is a uniform angle, and reflections are as likely as rotations."""
    rng = random.Random(0)
    matrices = [numbers(init.orthogonal_(parameters_of_shape((2, 2)), generator=rng)) for _ in range(1000)]
    angles = [math.atan2(m[1, 0], m[0, 0]) for m in matrices]
    assert stats.kstest(angles, "uniform", (-math.pi, 2.0 * math.pi)).pvalue > 0.001
    reflections = sum(np.linalg.det(m) < 0.0 for m in matrices)
    assert abs(reflections - 500) < 4.0 * math.sqrt(250.0)


# ------------------------------------------------------------------------------------------ gains and fans


@given(shape=st.lists(st.integers(1, 6), min_size=2, max_size=5).map(tuple))
def test_fans_are_sizes_times_the_kernel(shape: tuple[int, ...]) -> None:
    kernel = math.prod(shape[2:])
    assert init.fans(parameters_of_shape(shape)) == (shape[1] * kernel, shape[0] * kernel)


@pytest.mark.parametrize("name", ["linear", "conv1d", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)
    assert init.calculate_gain(name, 0.3) == pytest.approx(torch.nn.init.calculate_gain(name, 0.3), rel=1e-15)


def test_gains() -> None:
    assert init.calculate_gain("linear") == 1.0
    assert init.calculate_gain("relu") == math.sqrt(2.0)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2.0 / 1.0001)
    assert init.calculate_gain("leaky_relu", 1.0) == 1.0
    assert init.calculate_gain("leaky_relu", 0.0) == math.sqrt(2.0)


# ---------------------------------------------------------------------------------------------- generators

RANDOM = [
    init.uniform_,
    init.normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
]


@pytest.mark.parametrize("initializer", RANDOM)
def test_numbers_depend_on_the_generator_alone(initializer: Callable[..., Any]) -> None:
    def numbers_of(generator: Any) -> list[float]:
        return [leaf.data for leaf in flat(initializer(parameters_of_shape((3, 2)), generator=generator))]

    before = random.getstate()
    assert numbers_of(3) == numbers_of(random.Random(3)) != numbers_of(4)
    rng = random.Random(3)
    assert numbers_of(rng) != numbers_of(rng)
    assert random.getstate() == before
    assert numbers_of(None) != numbers_of(None)


# ------------------------------------------------------------------------------------------ names and nests


@pytest.mark.parametrize("initializer", [*RANDOM, init.zeros_, init.ones_, init.constant_])
def test_initialisers_are_found_by_name_without_the_underscore(initializer: Callable[..., Any]) -> None:
    assert init.find_initializer(initializer.__name__.removesuffix("_")) is initializer
    assert init.find_initializer(initializer) is initializer


@pytest.mark.parametrize("name", ["xavier", "", "_leaves", "__name_", "fans"])
def test_other_names_are_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(ValueError, match=r"no initialiser is named .*constant, kaiming_normal, .*, zeros$"):
        init.find_initializer(name)


def test_lists_and_arrays_and_single_leaves_are_written_too() -> None:
    leaf = Value(5.0)
    init.zeros_([leaf, (Value(1.0),)])
    assert leaf.data == 0.0
    init.ones_(np.array([[leaf]], dtype=object))
    assert leaf.data == 1.0
    assert init.constant_(leaf, 3).data == 3.0


def test_frozen_leaves_are_written_and_stay_frozen() -> None:
    leaf = Value(5.0)
    leaf.requires_grad = False
    assert init.ones_(leaf).data == 1.0
    assert not leaf.requires_grad


@pytest.mark.parametrize("item", [1.0, Value(1.0) * 2.0, "w"])
def test_what_is_no_leaf_is_refused_before_anything_is_written(item: Any) -> None:
    leaf = Value(5.0)
    for initializer in (init.zeros_, init.uniform_, init.normal_):
        with pytest.raises(TypeError, match="an initialiser writes the data of leaf Values"):
            initializer([leaf, item])
    assert leaf.data == 5.0


@pytest.mark.parametrize("initializer", RANDOM[2:])
@pytest.mark.parametrize("nest", [Value(5.0), (Value(5.0), Value(5.0))])
def test_fans_need_two_axes(initializer: Callable[..., Any], nest: Any) -> None:
    with pytest.raises(ValueError, match=r"at least two axes.*not a nest of shape \("):
        initializer(nest)
    assert {leaf.data for leaf in flat(nest)} == {5.0}


def test_arguments_that_make_no_sense_are_refused() -> None:
    matrix = parameters_of_shape((2, 2), 5.0)
    with pytest.raises(ValueError, match="std is at least 0, not -1"):
        init.normal_(matrix, std=-1.0)
    for initializer in (init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.raises(ValueError, match="mode is 'fan_in' or 'fan_out', not 'fan'"):
            initializer(matrix, mode="fan")
        with pytest.raises(ValueError, match="no gain is known for 'swish'; there are: linear, "):
            initializer(matrix, nonlinearity="swish")
    assert {leaf.data for leaf in flat(matrix)} == {5.0}
