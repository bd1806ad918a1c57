"""A Linear is W x + b, and so are its derivatives."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracles import assert_close, assert_is_pytorchs, differentiated, numbers, of_leaves
from scipy import stats

from tinygrad_lite import Value, topological_order
from tinygrad_lite import sum as total
from tinygrad_lite.nn.base.shapes import check_size, flat
from tinygrad_lite.nn.layers.layers import MLP
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.testing import Verdict, check_gradients

sizes = st.integers(1, 4)
leading = st.lists(st.integers(1, 3), max_size=2).map(tuple)
seeds = st.integers(0, 1000)


@given(nin=sizes, nout=sizes, batch=leading, bias=st.booleans(), seed=seeds)
def test_value_and_gradients_are_those_of_the_matrix_product(
    nin: int, nout: int, batch: tuple[int, ...], bias: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    layer = Linear(nin, nout, bias, generator=seed)
    state = layer.state_dict()
    x, c = rng.normal(size=(*batch, nin)), rng.normal(size=(*batch, nout))
    y, by_input, by_parameters = differentiated(layer, x, c)
    assert_close(y, x @ state["weight"].T + state.get("bias", 0.0))
    assert_close(by_input, c @ state["weight"])
    assert_close(by_parameters["weight"], c.reshape(-1, nout).T @ x.reshape(-1, nin))
    if bias:
        assert_close(by_parameters["bias"], c.reshape(-1, nout).sum(axis=0))


@settings(max_examples=settings().max_examples // 4)
@given(nin=sizes, nout=sizes, batch=leading, bias=st.booleans(), seed=seeds)
def test_it_is_pytorchs(nin: int, nout: int, batch: tuple[int, ...], bias: bool, seed: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(seed).normal(size=(*batch, nin))
    assert_is_pytorchs(Linear(nin, nout, bias), torch.nn.Linear(nin, nout, bias), x, seed)


def test_second_derivatives_are_right_too() -> None:
    layer = Linear(2, 2, generator=0)
    assert check_gradients(lambda layer, x: layer(x), layer, [0.5, -1.5], order=2).verdict is Verdict.CORRECT


def test_an_output_is_one_dot_node_and_neurons_share_the_tuple_of_inputs() -> None:
    layer = Linear(3, 2)
    y = layer(of_leaves(np.ones(3)))
    assert [node.op for node in topological_order(total(y))] == ["sum", "dot", "dot"]
    assert y[0].details().second is y[1].details().second
    assert [yi.details().first is row for yi, row in zip(y, layer.weight, strict=True)] == [True, True]


def test_without_a_bias_there_is_none() -> None:
    layer = Linear(2, 3, bias=False)
    assert layer.bias is None
    assert list(layer.state_dict()) == ["weight"]
    assert numbers(layer([0.0, 0.0])).tolist() == [0.0, 0.0, 0.0]


def test_of_vector_is_forward_of_a_tuple_of_values() -> None:
    layer = Linear(2, 3, generator=0)
    xs = (Value(1.0), Value(-2.0))
    assert [y.data for y in layer.of_vector(xs)] == [y.data for y in layer(xs)]


@pytest.mark.parametrize("x", [(0.5, 1), [Value(0.5), True], np.array([0.5, 1.0]), np.array([Value(0.5), 1.0])])
def test_inputs_of_any_kind_give_the_same(x: Any) -> None:
    layer = Linear(2, 2, generator=0)
    assert np.array_equal(numbers(layer(x)), numbers(layer([0.5, 1.0])))
    assert isinstance(layer(x), np.ndarray) == isinstance(x, np.ndarray)


@pytest.mark.parametrize("nin", [1, 9])
def test_parameters_begin_uniform_in_one_over_the_root_of_the_number_of_inputs(nin: int) -> None:
    bound = 1.0 / math.sqrt(nin)
    for array in Linear(nin, 400, generator=0).state_dict().values():
        assert np.max(np.abs(array)) <= bound
        assert stats.kstest(array.ravel(), "uniform", (-bound, 2.0 * bound)).pvalue > 0.001


def test_equal_seeds_give_equal_layers_and_the_global_random_state_stays() -> None:
    before = random.getstate()

    def weights(generator: Any) -> list[float]:
        return [p.data for p in Linear(2, 3, generator=generator).parameters()]

    assert weights(0) == weights(random.Random(0)) != weights(1)
    assert random.getstate() == before
    assert weights(None) != weights(None)


def test_parameters_are_numbered_weights_first() -> None:
    assert [name for name, _ in Linear(2, 1).named_parameters()] == ["weight.0.0", "weight.0.1", "bias.0"]


@pytest.mark.parametrize(
    ("x", "shape"), [([1.0], r"\(1,\)"), (np.zeros((3, 4)), r"\(3, 4\)"), (1.0, r"\(\)"), ([], r"\(0,\)")]
)
def test_wrong_shapes_are_refused_with_both_shapes(x: Any, shape: str) -> None:
    with pytest.raises(ValueError, match=rf"Linear\(3, 2\) takes an input of shape \(\*, 3\), .* shape {shape}"):
        Linear(3, 2)(x)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Linear\(1, 2, bias=False\) .*str"):
        Linear(1, 2, bias=False)(["a"])
    with pytest.raises(ValueError, match="parts of different shapes"):
        Linear(2, 1)([[1.0, 2.0], [1.0]])


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        (0, ValueError, "size is a positive number, not 0"),
        (-3, ValueError, "not -3"),
        (2.0, TypeError, "size is a positive int, not float 2.0"),
        (True, TypeError, "not bool True"),
        ("3", TypeError, "not str '3'"),
    ],
)
def test_sizes_are_positive_ints(size: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_size("size", size)
    with pytest.raises(error, match="in_features"):
        Linear(size, 1)
    with pytest.raises(error, match="out_features"):
        Linear(1, size)
    with pytest.raises(error, match="nin"):
        MLP(size, [1], seed=0)
    with pytest.raises(error, match="nout"):
        MLP(1, [size], seed=0)


def test_sizes_may_be_whole_numbers_of_numpy() -> None:
    size = np.int64(2)
    assert repr(Linear(size, size)) == "Linear(2, 2): 6 parameters"
    assert repr(MLP(size, [size], seed=0)) == "MLP(2, [2], activation=None): 6 parameters"


def test_repr() -> None:
    assert repr(Linear(2, 3)) == "Linear(2, 3): 9 parameters"
    assert repr(Linear(2, 3, bias=False)) == "Linear(2, 3, bias=False): 6 parameters"


def test_all_outputs_of_a_batch_are_values() -> None:
    assert all(isinstance(y, Value) for y in flat(Linear(1, 2)(np.zeros((2, 2, 1)))))
