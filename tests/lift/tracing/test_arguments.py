"""Arguments are taken apart into arrays, and the function gets what stands for them in the same structure."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite import Value, nn
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.tracing.arguments import Arguments, take_apart
from tinygrad_lite.lift.tracing.results import take_apart_results

Point = namedtuple("Point", ["x", "y"])

NUMBERS = st.one_of(st.floats(-9.0, 9.0), st.integers(-9, 9), st.floats(-9.0, 9.0).map(Value))
STATIC = st.one_of(st.none(), st.text(max_size=3))
#: All sequences of one tree are lists, or all are tuples.
TREES = st.sampled_from([list, tuple]).flatmap(
    lambda kind: st.recursive(
        st.one_of(NUMBERS, NUMBERS, STATIC),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(kind), st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=8,
    )
)


def taken(*args: Any, batch: Any = (), static: Any = (), **kwargs: Any) -> Arguments:
    return take_apart(("a", "b", "c"), args, kwargs, batch, static)


def plain(tree: Any) -> Any:
    """With floats for numbers and lists for arrays, so that trees can be compared."""
    if isinstance(tree, dict):
        return {key: plain(item) for key, item in tree.items()}
    if isinstance(tree, np.ndarray):
        return plain(tree.tolist())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree).__name__, [plain(item) for item in tree]
    if isinstance(tree, (list, tuple)):
        return type(tree)([plain(item) for item in tree])
    if isinstance(tree, Value):
        return tree.data
    return tree if tree is None or isinstance(tree, (bool, str)) else float(tree)


def again(arguments: Arguments) -> list[Any]:
    """The arguments, rebuilt from their arrays."""
    given_again = [array.item() if not array.ndim else array.astype(object) for array in arguments.arrays]
    args, kwargs = arguments.rebuild(iter(given_again))
    assert not kwargs
    return args


@settings(max_examples=settings().max_examples // 2)
@given(TREES)
def test_arguments_are_rebuilt_as_they_were(tree):
    assert plain(again(taken(tree))) == [plain(tree)]


@settings(max_examples=settings().max_examples // 2)
@given(TREES, TREES)
def test_equal_structures_have_equal_signatures_and_others_do_not(first, second):
    def shape(tree: Any) -> Any:
        """A tree without its numbers."""
        if isinstance(tree, dict):
            return {key: shape(item) for key, item in tree.items()}
        if isinstance(tree, (list, tuple)):
            return type(tree).__name__, [shape(item) for item in tree]
        return ("static", repr(tree)) if tree is None or isinstance(tree, (bool, str)) else "number"

    one, other = taken(first).signature, taken(second).signature
    assert hash(one) == hash(taken(first).signature)
    assert one == taken(first).signature
    assert (one == other) == (shape(first) == shape(second))


@pytest.mark.parametrize(
    ("tree", "shapes", "paths"),
    [
        (1.0, [()], ["a"]),
        (np.float32(1.0), [()], ["a"]),
        (Value(1.0), [()], ["a"]),
        ([1.0, 2.0], [(2,)], ["a"]),
        ([[1.0, 2.0], [3.0, 4.0]], [(2, 2)], ["a"]),
        (((1.0,), (2.0,)), [(2, 1)], ["a"]),
        ([[1.0], [2.0, 3.0]], [(1,), (2,)], ["a.0", "a.1"]),
        ({"w": [1.0], "b": 2.0}, [(1,), ()], ["a.w", "a.b"]),
        ([1.0, "text", 2.0], [(), ()], ["a.0", "a.2"]),
        (np.ones((2, 0)), [(2, 0)], ["a"]),
        (np.array([True, False]), [(2,)], ["a"]),
        (np.array([Value(1.0), 2.0], dtype=object), [(2,)], ["a"]),
        ([np.ones(2), np.ones(2)], [(2, 2)], ["a"]),
        ([np.ones(2), np.ones(3)], [(2,), (3,)], ["a.0", "a.1"]),
        ([], [], []),
        (None, [], []),
        ("text", [], []),
        (True, [], []),
    ],
)
def test_a_rectangular_nest_of_numbers_is_one_array(tree, shapes, paths):
    found = taken(tree)
    assert [unit.shape for unit in found.units] == shapes
    assert [".".join(unit.path) for unit in found.units] == paths
    assert [array.shape for array in found.arrays] == shapes
    assert all(array.dtype == np.float64 for array in found.arrays)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_samples_are_moved_to_the_last_axis(axis):
    x = np.arange(24.0).reshape(2, 3, 4)
    found = taken(x, batch=(axis,))
    np.testing.assert_array_equal(found.arrays[0], np.moveaxis(x, axis, -1))
    assert found.samples == x.shape[axis]
    assert found.units[0].shape == tuple(np.delete(x.shape, axis).tolist())


def test_samples_in_a_nest_are_taken_out_of_it():
    found = taken([([1.0, 2.0],), ([3.0, 4.0],), ([5.0, 6.0],)], batch=(0,))
    assert found.samples == 3
    sample = found.arrays[0][..., 1]
    args, _ = found.rebuild(iter([sample.astype(object)]))
    assert args == [([3.0, 4.0],)]


def test_the_number_of_samples_is_not_part_of_the_signature():
    one, other = (taken(np.ones((n, 2)), batch=(0,)).signature for n in (3, 7))
    assert one == other
    assert one != taken(np.ones((3, 2))).signature
    assert one != taken(np.ones((2, 3)), batch=(1,)).signature


@pytest.mark.parametrize(
    ("args", "batch", "says"),
    [
        ((np.ones(3),), (1,), "batch names axis 1 of a for the samples, which has shape (3,)"),
        ((1.0,), (0,), "batch names axis 0 of a for the samples, which has shape ()"),
        ((np.ones(3), np.ones(2)), (0, 0), "b has 2 samples along axis 0, and the arguments before it have 3"),
        (([np.ones(3), 1.0],), (0,), "batch names axis 0 of a.1"),
        ((nn.MLP(1, [1], generator=0),), (0,), "batch names an axis of a, a module"),
        ((np.array([1.0, None]),), (), "a is an array of objects that are neither Values nor numbers"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_path(args, batch, says):
    with pytest.raises(LiftError) as raised:
        taken(*args, batch=batch)
    assert says in str(raised.value)


@pytest.mark.parametrize("static", [(0,), ("a",)])
def test_static_arguments_are_given_as_they_are_and_told_apart_by_value(static):
    tree = {"sizes": [1, 2], "array": np.ones(2), "set": frozenset({1})}
    found = taken(tree, static=static)
    assert found.units == []
    assert found.rebuild(iter(()))[0][0] is tree
    same = {"sizes": [1, 2], "array": np.ones(2), "set": frozenset({1})}
    assert found.signature == taken(same, static=static).signature
    assert hash(found.signature) == hash(taken(same, static=static).signature)
    for other in ({**same, "sizes": [1, 3]}, {**same, "array": np.zeros(2)}, {**same, "more": 1}):
        assert found.signature != taken(other, static=static).signature


def test_keywords_are_named_in_the_signature():
    first, second = taken(x=1.0, y=2.0), taken(x=3.0, z=4.0)
    assert first.signature != second.signature
    assert first.signature == taken(x=5.0, y=6.0).signature
    _, kwargs = first.rebuild(iter([7.0, 8.0]))
    assert kwargs == {"x": 7.0, "y": 8.0}


def test_the_parameters_of_a_module_are_arrays_and_the_module_is_given_itself():
    model = nn.MLP(2, [3, 1], generator=0)
    found = taken(model)
    assert sum(array.size for array in found.arrays) == len(list(model.parameters()))
    leaves = [value for array in model.__parameter_tree__().values() for value in array.values]
    assert [value for unit in found.units for value in unit.values or ()] == leaves
    items = [np.array([Value(x) for x in array.flat], dtype=object).reshape(array.shape) for array in found.arrays]
    [twin], _ = found.rebuild(items)
    assert type(twin) is nn.MLP
    assert twin is not model
    assert twin.layers[0].neurons[1].w[0].data == found.arrays[0][1, 0]
    found.is_bound = True
    assert found.rebuild(items)[0] == [model]
    before = found.signature
    next(iter(model.parameters())).data = 9.0
    assert taken(model).signature == before
    next(iter(model.parameters())).requires_grad = False
    assert taken(model).signature != before
    assert taken(nn.MLP(2, [3, 1], generator=0)).signature != before


def test_the_arrays_of_a_call_may_be_the_callers_own_and_are_only_read():
    x = np.arange(6.0).reshape(2, 3)
    found = taken(x, batch=(0,))
    np.testing.assert_array_equal(found.arrays[0], x.T)
    np.testing.assert_array_equal(x, np.arange(6.0).reshape(2, 3))


def test_named_tuples_of_different_things_stay_named_tuples():
    (tree,) = again(taken(Point(1.0, [2.0, 3.0])))
    assert type(tree) is Point
    assert plain(tree) == ("Point", [1.0, [2.0, 3.0]])


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: np.ma.masked_array([1.0, 5.0], mask=[0, 1]), r"is a masked array.*compressed\(\)"),
        (lambda: np.matrix([[1.0, 2.0]]), "is a matrix"),
        (lambda: np.ones(2).view(type("Metres", (np.ndarray,), {})), "is a Metres"),
    ],
)
def test_an_array_with_rules_of_its_own_is_refused_and_not_stripped(make: Any, message: str) -> None:
    array = make()
    with pytest.raises(LiftError, match=message):
        taken(array)
    with pytest.raises(LiftError, match=message):
        take_apart_results([1.0, array], "f")
    program: Any = lift(lambda x: x.sum())
    assert program(np.ones(array.shape)) == array.size
    with pytest.raises(LiftError, match=message):
        program(array)  # known arguments are read by another reader


def test_a_data_frame_and_its_columns_are_refused() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is an extra")
    for frame in (pandas.Series([1.0, 2.0]), pandas.DataFrame({"a": [1.0, 2.0]})):
        with pytest.raises(LiftError, match=r"whose own rules.*give x\.to_numpy\(\)"):
            lift(lambda x: x.std())(frame)  # 0.5 of an array, 0.707 of a column


@dataclasses.dataclass
class Line:
    slope: Any
    offset: Any
    name: str = "line"

    def __post_init__(self) -> None:
        self.double = self.slope * 2.0


def test_the_function_is_called_with_dicts_and_dataclasses_of_their_own_kind() -> None:
    def f(p: Any) -> Any:
        kinds.append((type(p), type(p["line"]), p["line"].name))
        return p["line"].double * p["x"] + p["missing"] + p["line"].offset.sum()

    for name in ("line", "other", "line"):
        kinds: list[Any] = []
        argument = defaultdict(float, x=3.0, line=Line(2.0, np.array([1.0, 5.0]), name))
        program: Any = lift(f)
        assert program(argument) == 18.0
        assert program(argument) == 18.0
        assert set(kinds) == {(defaultdict, Line, name)}
        assert "missing" not in argument
    assert lift(lambda p: p["x"] * p["missing"])(defaultdict(lambda: 2.0, x=3.0)) == 6.0


def test_another_kind_another_default_and_another_setting_are_another_structure() -> None:
    def two() -> float:
        return 2.0

    given = [
        {"a": 1.0},
        OrderedDict(a=1.0),
        defaultdict(float, a=1.0),
        defaultdict(two, a=1.0),
        Line(1.0, 2.0),
        Line(1.0, 2.0, "other"),
        Line(1.0, np.zeros(2)),
    ]
    signatures = [taken(argument).signature for argument in given]
    assert len(set(signatures)) == len(given)
    assert [taken(argument).signature for argument in given] == signatures
