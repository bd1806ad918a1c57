"""Structures as flat lists of numbers, and back."""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite.nn import Neuron
from tinygrad_lite.pytree.flat_arguments import Flat, flatten
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


def test_a_namedtuples_field_is_named_in_the_message() -> None:
    with pytest.raises(TypeError, match=r"it\[0\]\.second\['k'\] is a str"):
        flatten([Pair(1.0, {"k": "x"})], "it")


def test_modules_are_refused_where_they_have_no_place() -> None:
    with pytest.raises(TypeError, match=r"it\[1\] is a Neuron"):
        flatten([1.0, Neuron(1)], "it")


def test_a_parameter_has_one_place_in_the_row_and_any_number_in_the_structure() -> None:
    model = Neuron(2)
    flat = Flat([model, 3.0, model], "it", lambda parameter: parameter is not model.w[1])
    assert flat.leaves == [model.w[0], model.b, 3.0]
    found = flat.block([[10.0, 20.0, 30.0]], None)
    for part in (found[0], found[2]):
        assert list(part) == ["w", "b"]
        np.testing.assert_array_equal(part["w"], [10.0, 0.0])
        assert part["b"] == 20.0
    rows = flat.block([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], (2,))
    np.testing.assert_array_equal(rows[0]["w"], [[1.0, 0.0], [4.0, 0.0]])
    np.testing.assert_array_equal(rows[1], [3.0, 6.0])
    assert flat.row_of(iter([1.0, 9.0, 2.0, 3.0, 1.0, 9.0, 2.0]), "they") == [1.0, 2.0, 3.0]


FOREIGN = [
    (lambda: np.ma.masked_array([1.0, 2.0], mask=[0, 1]), r"is a masked array.*x\.compressed\(\)"),
    (lambda: np.ma.masked, "is a masked array"),
    (lambda: np.matrix([[1.0, 2.0]]), r"is a matrix, whose \* is the matrix product: give numpy\.asarray\(x\)"),
    (lambda: np.rec.array([1.0, 2.0]), "is a recarray"),
    (lambda: np.ones(2).view(type("Metres", (np.ndarray,), {})), "is a Metres, whose own rules would be lost"),
    (lambda: np.array([(1.0, 2.0)], dtype="f8,f8"), "is a void"),
    (lambda: type("Series", (), {"to_numpy": None})(), r"is a Series, whose own rules.*x\.to_numpy\(\)"),
    (lambda: type("Tensor", (), {"__module__": "torch", "numpy": None})(), r"a tensor of PyTorch.*x\.numpy\(\)"),
]


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(("make", "message"), FOREIGN)
def test_an_array_with_rules_of_its_own_is_refused_as_argument_tangent_and_result(make: Any, message: str) -> None:
    array = make()
    for call in (
        lambda: tg.grad(lambda x: 0.0)(array),
        lambda: tg.grad(lambda p: 0.0)({"w": [1.0, array]}),
        lambda: tg.jvp(lambda x: 0.0, (array,), (array,)),
        lambda: tg.jacobian(lambda x: array)(2.0),
        lambda: tg.hessian(lambda x: 0.0)(array),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_an_array_in_a_file_is_an_array_of_numbers(tmp_path: Any) -> None:
    array = np.memmap(tmp_path / "numbers", float, "w+", shape=2)
    array[:] = [3.0, 4.0]
    assert tg.grad(lambda x: (x * x).sum())(array).tolist() == [6.0, 8.0]


# ------------------------------------------------------------------------------------- what is made is of its kind


@dataclasses.dataclass(frozen=True)
class Line:
    slope: Any
    offset: Any


@dataclasses.dataclass
class Box:
    width: Any
    height: Any
    area: Any = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise ValueError("a width is positive")
        self.area = self.width * self.height


@dataclasses.dataclass(slots=True)
class Nested:
    line: Line
    weights: Any


def line_loss(p: Any) -> Any:
    return p.slope**2 * p.offset


#: An argument, a function of it, its numbers in order, and its gradient and Hessian in closed form.
KINDS: list[Any] = [
    pytest.param(OrderedDict(b=2.0, a=3.0), lambda p: p["b"] ** 2 * p["a"], [12.0, 4.0], id="OrderedDict"),
    pytest.param(defaultdict(float, b=2.0, a=3.0), lambda p: p["b"] ** 2 * p["a"] + p["c"], [12.0, 4.0], id="default"),
    pytest.param(Counter(b=2, a=3), lambda p: p["b"] ** 2 * p["a"], [12.0, 4.0], id="counter"),
    pytest.param(Pair(2.0, 3.0), lambda p: p.first**2 * p.second, [12.0, 4.0], id="namedtuple"),
    pytest.param(Line(2.0, 3.0), line_loss, [12.0, 4.0], id="frozen dataclass"),
    pytest.param(Box(2.0, 3.0), lambda p: p.area * p.width, [12.0, 4.0], id="dataclass with a computed field"),
]


def numbers_in(tree: Any) -> list[float]:
    return [float(x.data if isinstance(x, Value) else x) for x in flatten(tree, "it")[0]]


@pytest.mark.parametrize(("argument", "f", "slopes"), KINDS)
def test_derivatives_are_of_the_kind_of_the_argument(argument: Any, f: Any, slopes: list[float]) -> None:
    kind = type(argument)
    value, gradient = tg.value_and_grad(f)(argument)
    assert (value, type(gradient), numbers_in(gradient)) == (12.0, kind, slopes)
    for again in (tg.grad(f)(argument), tg.grad(lambda n, p: f(p) * n, np.int64(1))(1.0, argument)):
        assert (type(again), numbers_in(again)) == (kind, slopes)
    hessian = tg.hessian(f)(argument)
    rows = list(hessian) if kind is Pair else list((hessian if isinstance(hessian, dict) else vars(hessian)).values())
    assert [type(row) for row in (hessian, *rows[:2])] == [kind] * 3
    assert [numbers_in(row) for row in rows[:2]] == [[6.0, 4.0], [4.0, 0.0]]  # of x²y at (2, 3)
    identity = tg.jacobian(lambda p: p)(argument)
    assert (type(identity), numbers_in(identity)) == (kind, [1.0, 0.0, 0.0, 1.0])
    ones = type(argument)(1.0, 1.0) if not isinstance(argument, dict) else {"a": 1.0, "b": 1.0}
    assert tg.jvp(f, (argument,), (ones,)) == (12.0, 16.0)
    product = tg.hvp(f)(argument, ones)
    assert (type(product), numbers_in(product)) == (kind, [10.0, 4.0])
    value_again, direction = tg.jvp(lambda p: p, (argument,), (ones,))
    assert (type(value_again), type(direction), numbers_in(direction)) == (kind, kind, [1.0, 1.0])
    leaves, rebuild = flatten(argument, "it")
    assert rebuild(iter(leaves)) == argument or kind is Box
    program: Any = tg.lift.lift(tg.value_and_grad(f), check=False) if kind is not Box else tg.value_and_grad(f)
    for _ in range(2):
        lifted_value, lifted = program(argument)
        assert (lifted_value, type(lifted), numbers_in(lifted)) == (12.0, kind, slopes)


def test_kinds_may_be_nested_and_hold_arrays() -> None:
    nested = Nested(Line(2.0, np.array([1.0, 3.0])), OrderedDict(w=[4.0, (5.0,)]))
    gradient = tg.grad(lambda p: (p.line.slope * p.line.offset).sum() + p.weights["w"][0] * p.weights["w"][1][0])(
        nested
    )
    assert gradient.line.slope == 4.0
    assert gradient.line.offset.tolist() == [2.0, 2.0]
    assert gradient.weights == OrderedDict(w=[5.0, (4.0,)])
    assert type(gradient.weights) is OrderedDict


def test_a_gradient_is_not_made_as_its_user_makes_objects() -> None:
    """A width is positive, its derivative need not be; and what is computed from others has no derivative."""
    gradient = tg.grad(lambda box: -box.area)(Box(2.0, 3.0))
    assert (gradient.width, gradient.height, gradient.area) == (-3.0, -2.0, None)
    with pytest.raises(ValueError, match="a width is positive"):
        tg.grad(lambda box: box.area)(dataclasses.replace(Box(2.0, 3.0), width=-2.0))


def test_a_defaultdict_keeps_its_default_and_is_not_changed() -> None:
    argument = defaultdict(lambda: 7.0, a=2.0)
    gradient = tg.grad(lambda p: p["a"] * p["missing"])(argument)
    assert (gradient, gradient["new"]) == ({"a": 7.0, "new": 7.0}, 7.0)
    assert argument == {"a": 2.0}


def test_tangents_are_paired_by_key_in_dicts_of_any_kind() -> None:
    for kind in (dict, OrderedDict):
        given = kind({"b": Line(3.0, 1.0), "a": 2.0})
        direction = {"a": 10.0, "b": Line(1.0, 0.0)}
        assert tg.jvp(lambda p: p["a"] * p["b"].slope, (given,), (direction,)) == (6.0, 32.0)
    with pytest.raises(ValueError, match="another structure"):
        tg.jvp(line_loss, (Line(1.0, 2.0),), ([1.0, 2.0],))


def test_what_is_no_number_in_a_dataclass_is_named() -> None:
    with pytest.raises(TypeError, match=r"argument 0 of line_loss\.offset is a str, 'x'"):
        tg.grad(line_loss)(Line(1.0, "x"))
    with pytest.raises(TypeError, match="is a type"):
        tg.grad(line_loss)(Line)
    with pytest.raises(TypeError, match="gave a Line, and a gradient is of one number"):
        tg.grad(lambda p: p)(Line(1.0, 2.0))
