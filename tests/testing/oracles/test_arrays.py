"""Numbers and arrays of any library as float64, and back in their own type."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.testing.oracles.arrays import leaf_of, leaves_of
from tinygrad_lite.testing.oracles.differences import DOUBLE, Precision
from tinygrad_lite.value import Value

Pair = namedtuple("Pair", "first second")

floats = st.floats(allow_nan=False, width=32)
trees = st.recursive(
    st.one_of(
        floats,
        floats.map(np.float32),
        st.lists(floats, min_size=1, max_size=3).map(np.array),
        st.lists(floats, min_size=1, max_size=3).map(lambda xs: np.array(xs, dtype=np.float32)),
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), children, max_size=3),
        st.tuples(children, children).map(lambda pair: Pair(*pair)),
    ),
    max_leaves=8,
)


def same(x: Any, y: Any) -> bool:
    if isinstance(x, dict):
        return list(x) == list(y) and all(same(x[key], y[key]) for key in x)
    if isinstance(x, (list, tuple)):
        return type(x) is type(y) and len(x) == len(y) and all(map(same, x, y))
    return type(x) is type(y) and bool(np.array_equal(x, y)) and getattr(x, "dtype", 0) == getattr(y, "dtype", 0)


@given(trees)
def test_rebuilding_gives_types_and_numbers_back(tree: Any) -> None:
    leaves, rebuild = leaves_of(tree, "it")
    assert all(leaf.values.dtype == np.float64 for leaf in leaves)
    assert same(rebuild(iter([leaf.make(leaf.values) for leaf in leaves])), tree)


@given(st.floats(-1e30, 1e30))
def test_the_nearest_number_is_what_the_type_makes_of_it(x: float) -> None:
    assert leaf_of(1.0, "x").nearest(x) == x
    if abs(x) > 1e-30:
        assert leaf_of(np.float32(1.0), "x").nearest(x) == float(np.float32(x))


def test_values_are_copies() -> None:
    array = np.ones(3)
    leaf = leaf_of(array, "x")
    leaf.values[0] = 5.0
    made = leaf.make(np.zeros(3))
    assert array.tolist() == [1.0, 1.0, 1.0]
    assert made is not array


def test_values_and_object_arrays_are_numbers() -> None:
    assert leaf_of(Value(3.0), "x").values == 3.0
    assert isinstance(leaf_of(Value(3.0), "x").make(np.array(2.0)), Value)
    leaf = leaf_of(np.array([Value(1.0), 2.0], dtype=object), "x")
    assert leaf.values.tolist() == [1.0, 2.0]
    assert leaf.make(leaf.values).tolist() == [1.0, 2.0]


def test_integers_are_recognised() -> None:
    for number in (1, True, np.int32(3), np.arange(3), np.array([True])):
        assert leaf_of(number, "x").integer
    assert not leaf_of(1.0, "x").integer


def test_precision_is_that_of_the_type() -> None:
    assert leaf_of(1.0, "x").precision == leaf_of(np.ones(2), "x").precision == DOUBLE
    assert leaf_of(np.float32(1.0), "x").precision.epsilon == 2.0**-23
    assert leaf_of(np.ones(1, np.float16), "x").precision.epsilon == 2.0**-10
    assert leaf_of(np.ones(1, np.longdouble), "x").precision == DOUBLE


@pytest.mark.parametrize(
    "number", ["text", None, 1j, np.array([1j]), np.array(["a"], dtype=object), {"a": [object()]}, np.array(["a"])]
)
def test_what_is_no_number_is_an_error_that_says_where(number: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        leaves_of(number, "argument 0")


def test_the_error_names_the_place() -> None:
    with pytest.raises(TypeError, match=r"argument 0\['a'\]\[1\] is a NoneType"):
        leaves_of({"a": [1.0, None]}, "argument 0")


@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16"])
def test_tensors(name: str) -> None:
    torch = pytest.importorskip("torch")
    kind = getattr(torch, name)
    for grad in (False, True):
        tensor = torch.tensor([0.5, 2.0], dtype=kind, requires_grad=grad)
        leaf = leaf_of(tensor, "x")
        made = leaf.make(leaf.values)
        assert leaf.values.tolist() == [0.5, 2.0]
        assert (made.dtype, made.requires_grad, made.is_leaf) == (kind, grad, True)
        assert leaf.nearest(0.1) == float(torch.tensor(0.1, dtype=torch.float64).to(kind))
        assert leaf.precision.epsilon == torch.finfo(kind).eps
    assert leaf_of(torch.tensor([1, 2]), "x").integer
    with pytest.raises(TypeError, match="complex"):
        leaf_of(torch.tensor([1j]), "x")


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_jax_arrays(name: str) -> None:
    jnp = pytest.importorskip("jax.numpy")
    array = jnp.array([0.5, 2.0], dtype=name)
    leaf = leaf_of(array, "x")
    made = leaf.make(leaf.values)
    assert leaf.values.tolist() == [0.5, 2.0]
    assert (type(made), made.dtype) == (type(array), array.dtype)
    assert leaf.precision == Precision(float(jnp.finfo(name).eps), float(jnp.finfo(name).tiny))
    assert leaf.nearest(0.1) == float(jnp.array(0.1, dtype=name))
