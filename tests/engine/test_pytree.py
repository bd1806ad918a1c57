"""Containers and their leaves: the rules of JAX and optree; containers of one's own wherever structures are taken."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    SequenceKey,
    Value,
    keystr,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_map,
    tree_map_with_path,
    tree_structure,
    tree_unflatten,
)
from tinygrad_lite.pytree.keys import simple_key
from tinygrad_lite.pytree.registry import is_container, parts_below, parts_of

Pair = namedtuple("Pair", "first second")
Other = namedtuple("Other", "a b")


@dataclasses.dataclass
class Line:
    slope: Any
    offset: Any


class Interval:
    """Registered without keys, with a unit that is no leaf."""

    def __init__(self, low: Any, high: Any, unit: str) -> None:
        self.low, self.high, self.unit = low, high, unit

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interval) and vars(self) == vars(other)


register_pytree_node(Interval, lambda x: (iter([x.low, x.high]), x.unit), lambda unit, ends: Interval(*ends, unit))


class Point:
    """Registered with keys."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and vars(self) == vars(other)


register_pytree_with_keys(
    Point, lambda p: (((GetAttrKey("x"), p.x), (GetAttrKey("y"), p.y)), None), lambda _, xy: Point(*xy)
)


@register_pytree_node_class
class Scaled:
    """Registered by methods."""

    def __init__(self, factor: Any) -> None:
        self.factor = factor

    def tree_flatten(self) -> Any:
        return (self.factor,), None

    @classmethod
    def tree_unflatten(cls, aux_data: Any, children: Any) -> Scaled:
        return cls(*children)


@dataclasses.dataclass
class Marked:
    value: Any
    name: str = dataclasses.field(default="", metadata={"static": True})
    shown: Any = dataclasses.field(init=False, default=None)


register_dataclass(Marked)


class Sorted(OrderedDict[str, Any]):
    """A dict of another class, whose order counts."""


keys = st.text("abc", min_size=1, max_size=2)
#: What JAX and optree take for a container, too.
trees = st.recursive(
    st.integers() | st.none(),
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(keys, children, max_size=4),
        st.dictionaries(keys, children, max_size=4).map(OrderedDict),
        st.dictionaries(keys, children, max_size=4).map(lambda items: defaultdict(list, items)),
        st.tuples(children, children).map(lambda pair: Pair(*pair)),
    ),
    max_leaves=12,
)


@given(trees)
def test_flattened_and_unflattened_it_is_the_same(tree: Any) -> None:
    leaves, treedef = tree_flatten(tree)
    again = tree_unflatten(treedef, leaves)
    assert (again, repr(again)) == (tree, repr(tree))  # repr has the order of keys and the classes
    assert treedef == tree_structure(again) == tree_structure(tree_map(str, tree))
    assert hash(treedef) == hash(tree_structure(again))
    assert treedef.num_leaves == len(leaves) == len(tree_leaves(tree))


def is_list(part: Any) -> bool:
    return isinstance(part, list)


@given(trees)
def test_leaves_and_paths_are_those_of_jax(tree: Any) -> None:
    jax = pytest.importorskip("jax")
    assert tree_leaves(tree) == jax.tree_util.tree_leaves(tree)
    found = [(keystr(path), leaf) for path, leaf in tree_flatten_with_path(tree)[0]]
    assert found == [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]]
    assert tree_structure(tree).num_leaves == jax.tree_util.tree_structure(tree).num_leaves
    assert tree_map(str, tree) == jax.tree_util.tree_map(str, tree)
    assert tree_leaves(tree, is_list) == jax.tree_util.tree_leaves(tree, is_leaf=is_list)


@given(trees)
def test_leaves_and_what_is_made_of_them_are_those_of_optree(tree: Any) -> None:
    optree = pytest.importorskip("optree")
    assert tree_leaves(tree) == optree.tree_leaves(tree)
    made = tree_map(str, tree)
    assert (made, repr(made)) == (optree.tree_map(str, tree), repr(optree.tree_map(str, tree)))
    assert tree_leaves(tree, is_list) == optree.tree_leaves(tree, is_leaf=is_list)


@given(trees, trees)
def test_structures_are_equal_where_those_of_jax_are(a: Any, b: Any) -> None:
    jax = pytest.importorskip("jax")
    same = jax.tree_util.tree_structure(a) == jax.tree_util.tree_structure(b)
    assert (tree_structure(a) == tree_structure(b)) is same
    if same:
        assert tree_map(lambda x, y: (x, y), a, b) == jax.tree_util.tree_map(lambda x, y: (x, y), a, b)


@given(trees, trees)
def test_a_structure_with_more_is_paired_as_jax_pairs_it(a: Any, b: Any) -> None:
    jax = pytest.importorskip("jax")
    more = tree_map(lambda _: b, a)
    pairs = tree_map(lambda _, part: [part], a, more)
    assert pairs == jax.tree_util.tree_map(lambda _, part: [part], a, more)
    try:
        expected = jax.tree_util.tree_structure(a).flatten_up_to(b)
    except ValueError:
        return  # a list for a tuple, and a dict for an OrderedDict, are taken here
    assert tree_structure(a).flatten_up_to(b) == expected


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"a": 1, "b": 2}, {"b": 3, "a": 4}),
        ([1, {2: 0}], [None, {2: "x"}]),
        ({1: 0, "a": 0}, {"a": 0, 1: 0}),
        ({1j: 0, "a": 0, None: 0}, {None: 0, "a": 0, 1j: 0}),
        (Interval(1, 2, "m"), Interval(3, 4, "m")),
        (Marked(1, "a"), Marked(2, "a")),
        (defaultdict(list, a=1), defaultdict(list, a=2)),
    ],
)
def test_equal_structures(a: Any, b: Any) -> None:
    marked = tree_map(lambda _: 0, a), tree_map(lambda _: 0, b, is_leaf=lambda x: x is None)
    assert tree_structure(marked[0]) == tree_structure(marked[1])
    assert hash(tree_structure(marked[0])) == hash(tree_structure(marked[1]))
    one, other = (parts_of(tree).aux for tree in (a, b))  # type: ignore[union-attr]  # all are containers
    assert one == other
    assert not one != other  # noqa: SIM202 (a tuple has a != of its own)
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 2], (1, 2)),
        ([1], [1, 2]),
        ([None, 1], [1, None]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, OrderedDict(a=1)),
        (OrderedDict(a=1, b=1), OrderedDict(b=1, a=1)),
        (Sorted(a=1, b=1), Sorted(b=1, a=1)),
        (defaultdict(list, a=1), defaultdict(set, a=1)),
        (Pair(1, 2), Other(1, 2)),
        (Interval(1, 2, "m"), Interval(1, 2, "s")),
        (Marked(1, "a"), Marked(1, "b")),
        ({frozenset([1]): 0, frozenset([2]): 0}, {frozenset([2]): 0, frozenset([1]): 0}),
        ({1j: 0, 2j: 0}, {2j: 0, 1j: 0}),
    ],
)
def test_unequal_structures(a: Any, b: Any) -> None:
    assert tree_structure(a) != tree_structure(b)
    assert tree_structure(a) != a


def test_keys_of_several_types_are_sorted_by_type_first() -> None:
    optree = pytest.importorskip("optree")
    tree = {"b": 1, 2: 2, "a": 3, 1: 4}
    assert tree_leaves(tree) == optree.tree_leaves(tree) == [4, 2, 3, 1]


def test_dicts_are_paired_by_key_whatever_their_class_and_order() -> None:
    assert tree_map(lambda x, y: x - y, {"b": 5, "a": 3}, OrderedDict(a=1, b=2)) == {"b": 3, "a": 2}
    assert list(tree_map(lambda x, y: x - y, {"b": 5, "a": 3}, {"a": 1, "b": 2})) == ["b", "a"]
    assert tree_map(lambda x, y: x - y, Pair(5, 3), [1, 2]) == Pair(4, 1)
    assert tree_map(lambda x, y: (x, y), 5, [1, 2]) == (5, [1, 2])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"a": 1}, {"b": 1}, r"the tree has other keys than the structure: 'a' is missing, and 'b' is none of the"),
        ({"a": 1}, {}, r"other keys than the structure: 'a' is missing$"),
        ({}, {"a": 1}, r"other keys than the structure: 'a' is none of the structure's$"),
        ([{"a": 1}], [[1]], r"the tree\[0\] is a list, and the structure\[0\] is a dict: give a dict"),
        ({"w": [1, 2]}, {"w": [1]}, r"the tree\['w'\] has 1 part, but the structure\['w'\] has 2"),
        ([1], 1, "the tree is an int, and the structure is a list of 1: give one part for each"),
        (Pair(1, 2), Other(1, 2), "the tree is an Other, and the structure is a Pair of 2"),
        ([None], [1], r"the tree\[0\] is an int, and the structure\[0\] is None"),
        ([Interval(1, 2, "m")], [Interval(1, 2, "s")], r"the structure\[0\] is a Interval: give one that is equal in"),
        (Line(1, 2), 3, "the tree is an int, and the structure is a Line: give one"),
    ],
)
def test_another_structure_is_refused_with_the_place(first: Any, second: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tree_map(lambda x, y: x, first, second)


def test_another_number_of_leaves_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PyTreeDef\(\[\*, \*\]\) has 2 leaves, and was given 3"):
        tree_unflatten(tree_structure([1, 2]), [1, 2, 3])


def test_a_structure_is_shown_as_it_is_written() -> None:
    tree = [1, None, (2,), (3, 4), {"b": 1, "a": []}, OrderedDict(c=1), Pair(1, 2), Line(1, 2)]
    assert repr(tree_structure(tree)) == (
        "PyTreeDef([*, None, (*,), (*, *), {'a': [], 'b': *}, OrderedDict({'c': *}), Pair([*, *]), Line([*, *])])"
    )


def test_paths_are_written_as_jax_writes_them() -> None:
    jax = pytest.importorskip("jax.tree_util")
    for ours in (SequenceKey(3), DictKey("a"), DictKey(1.5), GetAttrKey("x"), FlattenedIndexKey(2)):
        fields = [getattr(ours, name) for name in ("idx", "key", "name") if hasattr(ours, name)]
        theirs = getattr(jax, type(ours).__name__)(*fields)
        for options in ({}, {"simple": True, "separator": "/"}):
            assert keystr((ours, ours), **options) == jax.keystr((theirs, theirs), **options)
    assert simple_key("mine") == "mine"


def test_paths_go_through_containers_of_all_kinds() -> None:
    tree = {"w": [1, Pair(2, 3)], "line": Line(4, 5), "point": Point(6, 7), "interval": Interval(8, 9, "m")}
    paths = [keystr(path) for path, _ in tree_flatten_with_path(tree)[0]]
    assert paths == [
        "['interval'][<flat index 0>]",
        "['interval'][<flat index 1>]",
        "['line'].slope",
        "['line'].offset",
        "['point'].x",
        "['point'].y",
        "['w'][0]",
        "['w'][1].first",
        "['w'][1].second",
    ]
    shown = tree_map_with_path(lambda path, x, y: f"{keystr(path)}={x + y}", Pair(1, 2), Pair(10, 20))
    assert shown == Pair(".first=11", ".second=22")


def test_all_registered_kinds_are_made_again() -> None:
    tree = [Interval(1, 2, "m"), Point(3, 4), Scaled(5), Marked(6, "name")]
    made = tree_map(lambda x: 10 * x, tree)
    assert made[:2] == [Interval(10, 20, "m"), Point(30, 40)]
    assert made[2].factor == 50
    assert (made[3].value, made[3].name, made[3].shown) == (60, "name", None)
    assert tree_leaves(tree) == [1, 2, 3, 4, 5, 6]


def test_fields_of_a_dataclass_are_data_or_meta() -> None:
    @dataclasses.dataclass
    class Named:
        x: Any
        name: str

    assert tree_leaves(Named(1, "a")) == [1, "a"]  # without a registration all are data
    assert register_dataclass(Named, data_fields=["x"]) is Named
    assert tree_leaves(Named(1, "a")) == [1]
    with pytest.raises(ValueError, match="Named is a container already"):
        register_dataclass(Named, meta_fields=["x"])
    with pytest.raises(ValueError, match="the fields of Line are slope, offset: each is one of data_fields or of meta"):
        register_dataclass(Line, data_fields=["slope"], meta_fields=["name"])
    with pytest.raises(TypeError, match="takes a dataclass, not"):
        register_dataclass(Interval)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (Value, TypeError, "numbers, text, None and arrays are leaves"),
        (np.ndarray, TypeError, "numbers, text, None and arrays are leaves"),
        (tg.nn.MLP, TypeError, "MLP is a Module: its parameters are found without a registration"),
        (Interval, ValueError, "Interval is a container already"),
        (dict, ValueError, "dict is a container already"),
        (3, TypeError, "a class is registered, not 3"),
    ],
)
def test_what_cannot_be_registered(kind: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        register_pytree_node(kind, lambda tree: ((), None), lambda aux, items: None)


def test_a_registration_counts_for_what_was_a_container_by_its_class() -> None:
    class Pairs(dict[str, Any]):
        pass

    assert tree_leaves(Pairs(a=1, b=2)) == [1, 2]
    register_pytree_node(Pairs, lambda tree: ((tree["a"],), None), lambda _, items: Pairs(a=items[0], b=0))
    assert tree_leaves(Pairs(a=1, b=2)) == [1]
    assert tree_map(lambda x: 7 * x, Pairs(a=1, b=2)) == {"a": 7, "b": 0}


def test_parts() -> None:
    assert parts_of("text") is None
    assert not is_container(tg.nn.Neuron(1))
    array = np.array([Value(1.0), 2.0], dtype=object)
    assert list(parts_below([array, np.ones(2), (3.0, None)]))[1] == 2.0
    parts = parts_of(Line(1.0, 2.0))
    assert parts is not None
    assert parts.made([3.0, 4.0]) == parts.called([3.0, 4.0]) == Line(3.0, 4.0)
    assert [str(key) for key in parts.keys] == [".slope", ".offset"]


# ------------------------------------------------------------------------------------- where structures are taken


def area(shape: Any) -> Any:
    """Of a structure of all registered kinds: 2 (high − low) x² f v."""
    interval, point, scaled, marked = shape
    return 2.0 * (interval.high - interval.low) * point.x**2 * scaled.factor * marked.value + 0.0 * point.y


def example() -> list[Any]:
    return [Interval(1.0, 3.0, "m"), Point(2.0, 1.0), Scaled(0.5), Marked(1.5, "name")]


SLOPES = [-6.0, 6.0, 12.0, 0.0, 24.0, 8.0]  # by hand


def test_registered_containers_are_differentiated_in_their_own_kinds() -> None:
    value, slopes = tg.value_and_grad(area)(example())
    assert value == 12.0
    assert tree_structure(slopes) == tree_structure(example())
    assert tree_leaves(slopes) == tree_leaves(tg.grad(area)(example())) == SLOPES
    jacobian = tg.jacobian(lambda shape: Point(area(shape), shape[2].factor))(example())
    assert isinstance(jacobian, Point)
    assert tree_leaves(jacobian) == [*SLOPES, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert tg.jvp(area, (example(),), (slopes,)) == (12.0, sum(x * x for x in SLOPES))
    assert tree_leaves(tg.hvp(area)(example(), slopes))[4] == pytest.approx(
        tg.jvp(lambda shape: tg.grad(area)(shape)[2].factor, (example(),), (slopes,))[1]
    )
    assert len(tree_leaves(tg.hessian(area)(example()))) == 36


def test_what_is_no_number_in_a_registered_container_is_named() -> None:
    with pytest.raises(TypeError, match=r"argument 0 of <lambda>\[1\]\.y is a str, 'x'"):
        tg.grad(lambda shape: shape[0])([1.0, Point(1.0, "x")])
    with pytest.raises(TypeError, match="gave a Point, and a gradient is of one number"):
        tg.grad(lambda x: Point(x, x))(1.0)


@pytest.mark.parametrize(
    "tangents",
    [
        [Interval(1.0, 1.0, "s"), Point(1.0, 1.0), Scaled(1.0), Marked(1.0, "name")],
        [1.0, 1.0, 1.0, 1.0],
        [Interval(1.0, [1.0], "m"), Point(1.0, 1.0), Scaled(1.0), Marked(1.0, "name")],
        [Interval(1.0, np.ones(2), "m"), Point(1.0, 1.0), Scaled(1.0), Marked(1.0, "name")],
    ],
)
def test_tangents_of_registered_containers_are_alike(tangents: Any) -> None:
    with pytest.raises(
        ValueError, match=r"the tangents have another structure than the primals: the tangents\[0\]\[0\]"
    ):
        tg.jvp(area, (example(),), (tangents,))
