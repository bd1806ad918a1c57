"""The results of a function are taken apart into arrays, and put together again as they were."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.tracing.results import compile_builder, take_apart_results

NUMBERS = st.one_of(st.floats(-9.0, 9.0), st.integers(-9, 9), st.floats(-9.0, 9.0).map(Value))
TREES = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(-2, 2)), inner, max_size=3),
    ),
    max_leaves=12,
)


def arrays_of(tree: Any) -> tuple[Any, list[Any]]:
    taken = take_apart_results(tree, "f")
    found = []
    for shape, nodes in zip(taken.shapes, taken.nodes, strict=True):
        assert all(isinstance(node, Value) for node in nodes)
        array = np.array([node.data for node in nodes]).reshape(shape or ())
        found.append(float(array) if shape is None else array)
    return taken.structure, found


def plain(tree: Any) -> Any:
    """The tree with floats for numbers, and lists for arrays."""
    if isinstance(tree, dict):
        return {key: plain(item) for key, item in tree.items()}
    if isinstance(tree, np.ndarray):
        return plain(tree.tolist())
    if isinstance(tree, (list, tuple)):
        return type(tree)([plain(item) for item in tree])
    return tree.data if isinstance(tree, Value) else float(tree)


def rebuild(structure: Any, arrays: Any) -> Any:
    found = list(arrays)
    return compile_builder(structure, [False] * len(found))(found)


@given(TREES)
def test_results_are_put_together_as_they_were_taken_apart(tree):
    structure, arrays = arrays_of(tree)
    assert plain(rebuild(structure, arrays)) == plain(tree)


@given(TREES)
def test_a_structure_can_be_written_to_a_file(tree):
    structure, arrays = arrays_of(tree)
    assert plain(rebuild(json.loads(json.dumps(structure)), arrays)) == plain(tree)


@pytest.mark.parametrize(
    ("tree", "shapes"),
    [
        (1.0, [None]),
        (Value(1.0), [None]),
        ([1.0, Value(2.0)], [(2,)]),
        ((1.0, 2.0), [None, None]),
        ([[1.0, 2.0], [3.0, 4.0]], [(2, 2)]),
        ([(1.0, 2.0), (3.0, 4.0)], [None] * 4),
        ([[1.0], [2.0, 3.0]], [(1,), (2,)]),
        ([1.0, [2.0]], [None, (1,)]),
        ([], []),
        ({"a": 1.0, "b": [1.0]}, [None, (1,)]),
        (np.ones((2, 3)), [(2, 3)]),
        (np.array(2.0), [()]),
        (np.ones((0, 2)), [(0, 2)]),
        ([np.ones(2), np.ones(2)], [(2,), (2,)]),
        ([np.ones(2), np.ones(3)], [(2,), (3,)]),
        (np.float64(2.0), [None]),
    ],
)
def test_rectangular_lists_of_numbers_are_arrays_and_tuples_and_lists_of_arrays_are_not(tree, shapes):
    assert take_apart_results(tree, "f").shapes == shapes


def test_nodes_are_in_c_order():
    values = [Value(float(k)) for k in range(6)]
    (nodes,) = take_apart_results([values[:3], values[3:]], "f").nodes
    assert all(a is b for a, b in zip(nodes, values, strict=True))


def test_taking_all_nodes_forgets_them():
    taken = take_apart_results([Value(1.0), Value(2.0)], "f")
    assert [node.data for node in taken.release()] == [1.0, 2.0]
    assert taken.nodes == []
    assert taken.shapes == [(2,)]


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (None, "the result of f is None: return the Values to compute"),
        ("text", "the result of f is a str, 'text'"),
        ((1.0, None), "the result of f[1] is None"),
        ({"a": [1.0, "b"]}, "the result of f['a'][1] is a str"),
        ({1.5: 1.0}, "the result of f is a dict with the key 1.5: keys are str or int"),
        (True, "the result of f is a bool"),
        ({1, 2}, "the result of f is a set"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(tree, says):
    with pytest.raises(LiftError) as raised:
        take_apart_results(tree, "f")
    assert says in str(raised.value)


Pair = namedtuple("Pair", "first second")


@dataclasses.dataclass(frozen=True)
class Line:
    slope: Any
    offset: Any


@pytest.mark.parametrize(
    ("tree", "plain"),
    [
        (Pair(1.0, [2.0, 3.0]), (1.0, [2.0, 3.0])),
        (Line(1.0, Pair(2.0, 3.0)), {"slope": 1.0, "offset": (2.0, 3.0)}),
        (OrderedDict(b=1.0, a=2.0), {"b": 1.0, "a": 2.0}),
        (defaultdict(list, a=[1.0, 2.0]), {"a": [1.0, 2.0]}),
        ([Line(1.0, 2.0), {"x": Pair(3.0, 4.0)}], [{"slope": 1.0, "offset": 2.0}, {"x": (3.0, 4.0)}]),
    ],
    ids=str,
)
def test_results_are_of_their_own_kind_and_from_a_file_plain(tree: Any, plain: Any) -> None:
    structure, arrays = arrays_of(tree)
    found = rebuild(structure, arrays)
    assert type(found) is type(tree)
    assert repr(found).replace("array(", "").replace(".])", ".0]").replace(".,", ".0,") == repr(tree)
    stored = json.loads(json.dumps(structure))
    assert repr(rebuild(stored, arrays)).replace("array(", "").replace(".])", ".0]").replace(".,", ".0,") == repr(plain)
    assert rebuild(copy.deepcopy(structure), arrays) is not None


def test_a_default_of_a_result_is_kept() -> None:
    structure, arrays = arrays_of(defaultdict(lambda: 7.0, a=1.0))
    assert rebuild(structure, arrays)["new"] == 7.0
