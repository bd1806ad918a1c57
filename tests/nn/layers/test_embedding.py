"""An embedding gives rows of its table, and gradients go to the rows that were asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracles import assert_close, numbers, slopes
from scipy import stats

from tinygrad_lite import Value, dot, topological_order
from tinygrad_lite.nn import Module, Sequential
from tinygrad_lite.nn.base.shapes import flat, map_numbers, shape_of
from tinygrad_lite.nn.layers.embedding import Embedding
from tinygrad_lite.testing import Verdict, check_gradients

SIZE, DIM = 5, 3
indices = st.one_of(
    st.integers(0, SIZE - 1),
    st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=6),
    st.lists(st.lists(st.integers(0, SIZE - 1), min_size=2, max_size=2), min_size=1, max_size=3),
)
seeds = st.integers(0, 1000)


def by_table(layer: Embedding, given: Any, cotangent: Any) -> Any:
    """The gradient of Σ cotangent · output by the table."""
    layer.zero_grad()
    dot([float(c) for c in cotangent.ravel()], flat(layer(given)), Value(0.0)).backward()
    return slopes(layer.weight)


@given(index=indices, seed=seeds)
@pytest.mark.parametrize("as_values", [False, True])
def test_rows_are_those_of_the_table_and_gradients_add_up_over_repeated_indices(
    as_values: bool, index: Any, seed: int
) -> None:
    layer = Embedding(SIZE, DIM, generator=seed)
    table = layer.state_dict()["weight"]
    given = map_numbers(lambda i: Value(float(i)), index) if as_values else index
    assert np.array_equal(numbers(layer(given)), table[np.array(index)])
    c = np.random.default_rng(seed).normal(size=(*np.shape(index), DIM))
    expected = np.zeros((SIZE, DIM))
    np.add.at(expected, np.array(index), c)
    assert_close(by_table(layer, given, c), expected)


@settings(max_examples=settings().max_examples // 4)
@given(index=indices, padding=st.one_of(st.none(), st.integers(-SIZE, SIZE - 1)), as_values=st.booleans(), seed=seeds)
def test_it_is_pytorchs(index: Any, padding: int | None, as_values: bool, seed: int) -> None:
    torch = pytest.importorskip("torch")
    layer = Embedding(SIZE, DIM, padding, generator=seed)
    twin = torch.nn.Embedding(SIZE, DIM, padding).double()
    assert layer.padding_idx == twin.padding_idx
    layer.load_state_dict(twin.state_dict())
    expected = twin(torch.tensor(index))
    c = np.random.default_rng(seed).normal(size=tuple(expected.shape))
    expected.backward(torch.from_numpy(c))
    given = map_numbers(lambda i: Value(float(i)), index) if as_values else index
    assert np.array_equal(numbers(layer(given)), expected.detach().numpy())
    assert_close(by_table(layer, given, c), twin.weight.grad.numpy())


def test_a_plain_index_records_nothing() -> None:
    layer = Embedding(SIZE, DIM)
    assert all(a is b for a, b in zip(layer(2), layer.weight[2], strict=True))


def test_an_index_that_is_a_value_stays_in_the_graph() -> None:
    layer, index = Embedding(SIZE, DIM, generator=0), Value(1.0)
    y = layer(index)
    assert [yi.op for yi in y] == ["lookup"] * DIM
    assert index in topological_order(y[0], leaves=True)
    index.data = 4.0
    for yi in y:
        yi.forward()
    assert [yi.data for yi in y] == [w.data for w in layer.weight[4]]


def test_derivatives_are_right() -> None:
    layer = Embedding(3, 2, generator=0)
    assert check_gradients(lambda m: [y * y for row in m([0, 2, 2]) for y in row], layer).verdict is Verdict.CORRECT
    assert check_gradients(lambda m: [y * y for y in m(Value(2.0))], layer).verdict is Verdict.CORRECT


def test_the_list_that_it_gives_is_not_the_table() -> None:
    layer = Embedding(SIZE, DIM)
    row = layer(0)
    row[0] = Value(100.0)
    assert layer.weight[0][0].data != 100.0


@pytest.mark.parametrize("index", [np.array([[1, 4], [0, 2]]), np.array([3]), np.int64(2), [np.int32(1), 2]])
def test_indices_may_be_numpys(index: Any) -> None:
    layer = Embedding(SIZE, DIM)
    found = layer(index)
    assert isinstance(found, np.ndarray) == isinstance(index, np.ndarray)
    assert np.array_equal(numbers(found), layer.state_dict()["weight"][np.array(index)])


def test_sequences_may_have_different_lengths() -> None:
    layer = Embedding(SIZE, DIM)
    assert [len(rows) for rows in layer([[0, 1, 2], [3]])] == [3, 1]


def test_vectors_begin_standard_normal() -> None:
    drawn = Embedding(100, 20, generator=0).state_dict()["weight"].ravel()
    assert stats.kstest(drawn, "norm").pvalue > 0.001


def test_equal_seeds_give_equal_tables() -> None:
    def table(seed: int) -> Any:
        return Embedding(SIZE, DIM, generator=seed).state_dict()["weight"]

    assert np.array_equal(table(1), table(1))
    assert not np.array_equal(table(1), table(2))


# ------------------------------------------------------------------------------------------------- padding


def test_the_vector_for_padding_is_zeros_that_nothing_moves() -> None:
    layer = Embedding(SIZE, DIM, padding_idx=-2)
    assert layer.padding_idx == SIZE - 2
    assert [w.data for w in layer.weight[3]] == [0.0] * DIM
    assert [w.requires_grad for w in layer.weight[3]] == [False] * DIM
    assert sum(not p.requires_grad for p in layer.parameters()) == DIM
    assert repr(layer) == "Embedding(5, 3, padding_idx=3): 15 parameters, 3 frozen"


@pytest.mark.parametrize("index", [1, Value(1.0)])
def test_thawing_the_model_around_it_does_not_train_the_padding(index: Any) -> None:
    model: Module = Sequential(Embedding(SIZE, DIM, padding_idx=1))
    model.requires_grad_(False).requires_grad_(True)
    c = np.ones(DIM)
    assert by_table(model[0], index, c).tolist() == np.zeros((SIZE, DIM)).tolist()  # type: ignore[index]  # a Sequential


def test_a_state_with_other_numbers_for_padding_is_taken_over() -> None:
    layer, twin = Embedding(SIZE, DIM, padding_idx=0), Embedding(SIZE, DIM)
    layer.load_state_dict(twin.state_dict())
    assert np.array_equal(numbers(layer(0)), numbers(twin(0)))


# -------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("index", [SIZE, -1, [0, SIZE], Value(5.0), [[Value(-1.0)]], np.array([7])])
def test_indices_out_of_range_are_refused_with_the_range(index: Any) -> None:
    with pytest.raises(IndexError, match=r"Embedding\(5, 3\) takes indices from 0 to 4, and was given (5|-1|7)"):
        Embedding(SIZE, DIM)(index)


@pytest.mark.parametrize(
    "index", [1.0, True, "1", None, Value(1.5), Value(math.inf), Value(math.nan), np.array([1.0]), np.float64(2)]
)
def test_what_is_no_index_is_refused(index: Any) -> None:
    with pytest.raises(TypeError, match=r"Embedding\(5, 3\) takes indices: ints, or Values that hold whole numbers"):
        Embedding(SIZE, DIM)(index)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 3), ValueError, "num_embeddings is a positive number, not 0"),
        ((3, -1), ValueError, "embedding_dim is a positive number, not -1"),
        ((3, 2.0), TypeError, "embedding_dim is a positive int, not float"),
        ((3, 2, 3), ValueError, "padding_idx is an index of 3 vectors, not 3"),
        ((3, 2, -4), ValueError, "not -4"),
        ((3, 2, 1.0), TypeError, "padding_idx is an int or None, not float"),
        ((3, 2, True), TypeError, "padding_idx is an int or None, not bool"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Embedding(*arguments)


def test_state_and_repr() -> None:
    layer = Embedding(SIZE, DIM)
    assert {name: array.shape for name, array in layer.state_dict().items()} == {"weight": (SIZE, DIM)}
    assert repr(layer) == "Embedding(5, 3): 15 parameters"
    assert shape_of(layer([[0, 1]])) == (1, 2, DIM)
