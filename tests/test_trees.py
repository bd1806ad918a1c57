"""Structures as flat lists of numbers, and back."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.trees import flatten
from tinygrad_lite.value import Value

Pair = namedtuple("Pair", "first second")

trees = st.recursive(
    st.floats(allow_nan=False),
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), children, max_size=3),
        st.tuples(children, children).map(lambda pair: Pair(*pair)),
    ),
    max_leaves=12,
)


@given(trees)
def test_rebuilding_gives_the_structure_back(tree: Any) -> None:
    leaves, rebuild = flatten(tree, "the tree")
    found = rebuild(iter(leaves))
    assert found == tree
    assert type(found) is type(tree)


def test_leaves_come_in_their_order_and_numbers_become_floats() -> None:
    v = Value(4.0)
    leaves, rebuild = flatten({"b": [1, True], "a": (np.float32(0.5), np.array([[2, 3]])), "v": v}, "it")
    assert leaves[:-1] == [1.0, 1.0, 0.5, 2.0, 3.0]
    assert all(type(x) is float for x in leaves[:-1])
    assert leaves[-1] is v
    found = rebuild(iter([10.0 * i for i in range(6)]))
    assert list(found) == ["b", "a", "v"]
    np.testing.assert_array_equal(found["a"][1], [[30.0, 40.0]])


def test_arrays_keep_shape_and_hold_objects_only_for_values() -> None:
    for shape in [(), (3,), (2, 0), (1, 2, 3)]:
        array = np.arange(float(np.prod(shape))).reshape(shape)
        leaves, rebuild = flatten(array, "it")
        found = rebuild(iter(leaves))
        assert found.dtype == float
        np.testing.assert_array_equal(found, array)
        values = rebuild(Value(x) for x in leaves)
        assert values.shape == shape
        assert values.dtype == (object if values.size else float)


def test_a_leaf_that_is_no_number_is_named_by_its_place() -> None:
    with pytest.raises(TypeError, match=r"argument 0 of f\['layers'\]\[1\] is a str, 'x'.*argnums"):
        flatten({"layers": [1.0, "x"]}, "argument 0 of f")
    with pytest.raises(TypeError, match="NoneType"):
        flatten(None, "it")
    with pytest.raises(TypeError, match="array of sequences"):
        flatten(np.array([[1.0, 2.0], [3.0]], dtype=object), "it")


@pytest.mark.parametrize("tree", [OrderedDict(a=1.0)])
def test_dicts_of_other_classes_become_dicts(tree: Any) -> None:
    leaves, rebuild = flatten(tree, "it")
    assert rebuild(iter(leaves)) == {"a": 1.0}
