"""A Value takes attributes of one's own, and what other libraries' Values are asked for is right or refused."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import StaleGraphError, Value
from tinygrad_lite.foreign import attributes
from tinygrad_lite.node.fields import Node
from tinygrad_lite.node.state import STATE

WAYS: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda x: pickle.loads(pickle.dumps(x)),
    lambda x: pickle.loads(pickle.dumps(x, 0)),
]


def leaf() -> Any:
    return Value(2.0, label="a")


def interior() -> Any:
    return Value(2.0) * 3.0


def of_many() -> Any:
    return tg.dot([Value(1.0), 2.0], [Value(3.0), 4.0], 1.0)


NODES = [leaf, interior, of_many]


# ------------------------------------------------------------------------------------------- of one's own


@pytest.mark.parametrize("make", NODES)
def test_an_attribute_is_set_read_changed_and_deleted(make: Callable[[], Any]) -> None:
    v, other = make(), make()
    v.color = "red"
    v.color, v._layer = "blue", 3
    assert (v.color, v._layer) == ("blue", 3)
    assert not hasattr(other, "color")
    assert getattr(other, "_layer", None) is None
    assert "color" in dir(v)
    del v.color
    for node in (v, other):
        with pytest.raises(AttributeError, match="no attribute 'color'"):
            _ = node.color
        with pytest.raises(AttributeError):
            del node.color


@pytest.mark.parametrize("make", NODES)
def test_an_attribute_leaves_the_node_what_it_was(make: Callable[[], Any]) -> None:
    plain, marked = make(), make()
    marked.color = "red"
    for v in (plain, marked):
        y = v * v + v
        y.backward()
    assert repr(plain) == repr(marked)
    assert plain.precision == marked.precision == "float64"
    assert [p.grad for p in plain.parents] == [p.grad for p in marked.parents]
    assert len(plain.parents) == len(marked.parents)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", NODES)
def test_a_copy_keeps_the_attributes(make: Callable[[], Any], way: Callable[[Any], Any]) -> None:
    v = make()
    v.history = [1.0]
    twin = way(v)
    assert twin.history == [1.0]
    twin.color = "red"
    assert not hasattr(v, "color")
    assert (twin.history is v.history) == (way is copy.copy)


@pytest.mark.parametrize("way", WAYS[1:])
def test_attributes_may_lead_to_other_graphs_and_back(way: Callable[[Any], Any]) -> None:
    x = Value(2.0)
    other: Any = (x * 3.0).exp()
    inner: Any = x * x
    root: Any = inner + 1.0
    inner.friend, other.friend, inner.above = other, [inner], root
    whole = way([root, other, x])
    root2, other2, x2 = whole
    inner2 = root2.parents[0]
    assert inner2.friend is other2
    assert inner2.above is root2
    assert other2.friend[0] is inner2
    assert other2.parents[0].parents[0] is inner2.parents[0] is x2
    root2.backward()
    other2.backward()
    assert x2.grad == pytest.approx(4.0 + 3.0 * math.exp(6.0), rel=1e-15)
    assert x.grad == 0.0
    assert [y.data for y in way([x * x, x * 2.0])] == [4.0, 4.0]  # the next copy is not disturbed


def test_what_an_attribute_holds_is_freed_with_the_node() -> None:
    class Resource:
        freed = 0

        def __del__(self) -> None:
            Resource.freed += 1

    for make in NODES:
        v = make()
        v.resource = Resource()
        del v
    gc.collect()
    assert Resource.freed == len(NODES)


def test_nodes_without_attributes_are_no_larger() -> None:
    v = leaf()
    before = sys.getsizeof(v)
    v.color = "red"
    assert sys.getsizeof(leaf()) == sys.getsizeof(v) == before
    if attributes.COMPILED:
        assert before == 80  # two words of Python, one of mypyc, three links, three numbers, a count and a code


def test_a_node_in_a_narrow_format_has_attributes_and_its_format() -> None:
    with tg.autocast("float16"):
        y: Any = Value(0.1) * 3.0
    y.color = "red"
    twin = copy.copy(y)
    assert (twin.color, twin.precision) == ("red", "float16")


def test_a_name_that_was_added_to_the_class_is_one_that_any_node_may_have() -> None:
    attributes.add("added_here")
    try:
        v, other = interior(), interior()
        v.added_here = 1
        assert attributes._held(v) == {"added_here": v.added_here}
        assert not hasattr(other, "added_here")
    finally:
        delattr(Value, "added_here")


@pytest.mark.parametrize("name", ["color", "__secret__"])
def test_what_the_compiled_build_does_is_tested_in_both(name: str) -> None:
    """The two functions by which it adds an attribute to the class."""
    v = leaf()
    if name == "__secret__":
        with pytest.raises(AttributeError, match="a meaning in Python"):
            attributes.add(name)
        return
    own = attributes._Own(name)
    with pytest.raises(AttributeError, match="no attribute 'color'"):
        own.__get__(v)
    own.__set__(v, "red")
    attributes._Own("size").__set__(v, 3)
    assert own.__get__(v) == "red"
    own.__delete__(v)
    with pytest.raises(AttributeError, match="no attribute 'color'"):
        own.__delete__(v)
    with pytest.raises(AttributeError):
        own.__get__(None)


def test_the_compiled_builds_assignment(monkeypatch: pytest.MonkeyPatch) -> None:
    v = leaf()
    Node._assign(v, "data", 5.0)
    Node._assign(v, "grad", 7.0)
    Node._assign(v, "label", "b")
    assert repr(v) == "Value(data=5.0, grad=7.0, label='b')"
    with pytest.raises(AttributeError, match="define"):
        Node._assign(v, "_backward", None)
    added: list[str] = []
    monkeypatch.setattr(STATE, "add_attribute", added.append)
    with pytest.raises(AttributeError):  # it was not added, so it is not there
        Node._assign(v if attributes.COMPILED else Node(), "not_there_yet", 1)  # what has no __dict__
    assert added == ["not_there_yet"]


# --------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", sorted(attributes.MEANT))
@pytest.mark.parametrize("make", NODES)
def test_a_name_that_means_something_here_is_refused_with_that(name: str, make: Callable[[], Any]) -> None:
    v = make()
    with pytest.raises(AttributeError, match=f"cannot set '{name}' of a Value: .*(v|vs)"):
        setattr(v, name, 0.0)
    with pytest.raises(AttributeError, match=f"no '{name}'"):
        getattr(v, name)
    with pytest.raises(AttributeError, match="cannot delete"):
        delattr(v, name)
    assert not hasattr(v, name)
    assert name not in dir(v)


@pytest.mark.parametrize("name", sorted(attributes.READ))
def test_what_is_only_read_says_what_to_write(name: str) -> None:
    v = interior()
    before = getattr(v, name)
    with pytest.raises(AttributeError, match=f"cannot set '{name}' of a Value: "):
        setattr(v, name, before)
    with pytest.raises(AttributeError, match="cannot delete"):
        delattr(v, name)
    assert hasattr(v, name)
    assert name in dir(v)


def test_a_closure_of_ones_own_is_answered_with_define() -> None:
    v = leaf()
    with pytest.raises(AttributeError, match=r"define\(name, forward, partials\)"):
        v._backward = lambda: None


def test_a_subclass_is_refused_where_it_is_defined() -> None:
    with pytest.raises(TypeError, match=r"class Weight\(Value\).*no Weight.*v\.velocity = 0\.0.*define"):
        type("Weight", (Value,), {})


def test_methods_of_ones_own_are_added_to_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Value, "double", lambda self: self * 2, raising=False)
    x: Any = Value(3.0)
    y = x.double()
    y.backward()
    assert (y.data, x.grad) == (6.0, 2.0)


# ------------------------------------------------------------------------------------------- nodes made by hand

#: How micrograd, its lecture and its ports write nodes, and what they are.
BY_HAND: list[tuple[str, Callable[..., Any]]] = [
    ("+", lambda x, y: x + y),
    ("*", lambda x, y: x * y),
    ("-", lambda x, y: x - y),
    ("/", lambda x, y: x / y),
    ("**", lambda x, y: x**y),
    ("**3", lambda x: x**3),
    ("**-1", lambda x: x**-1),
    ("**0.5", lambda x: x**0.5),
    ("ReLU", lambda x: x.relu()),
    ("relu", lambda x: x.relu()),
    ("tanh", lambda x: x.tanh()),
    ("exp", lambda x: x.exp()),
    ("log", lambda x: x.log()),
    ("neg", lambda x: -x),
    ("sigmoid", lambda x: x.sigmoid()),
    ("max", lambda x, y: x.maximum(y)),
    ("sum", lambda x, y, z: tg.sum([x, y, z])),
]


@pytest.mark.parametrize(("op", "function"), BY_HAND, ids=[op for op, _ in BY_HAND])
@given(st.data())
def test_a_node_made_as_in_micrograd_is_the_operations(op: str, function: Callable[..., Any], data: Any) -> None:
    n = function.__code__.co_argcount
    numbers = data.draw(st.lists(st.floats(0.1, 3.0), min_size=n, max_size=n))
    ours, theirs = [Value(x) for x in numbers], [Value(x) for x in numbers]
    expected = function(*theirs)
    made = Value(expected.data, tuple(ours), op, "label")
    assert (made.data, made.op, made.label) == (expected.data, expected.op, "label")
    assert made.parents[:n] == tuple(ours)
    made.backward()
    expected.backward()
    assert [x.grad for x in ours] == [x.grad for x in theirs]
    ours[0].data = numbers[0] + 1.0
    theirs[0].data = numbers[0] + 1.0
    assert made.forward().data == expected.forward().data


@pytest.mark.parametrize(
    "make",
    [
        lambda: Value(2.0, (), ""),
        lambda: Value(2.0, (), "", "a"),
        lambda: Value(2.0, _children=(), _op="", label="a"),
        lambda: Value(2.0, "a"),
        lambda: Value(2.0, set(), ""),
        lambda: Value(2.0, None, None),
        lambda: Value(2.0, requires_grad=True),
    ],
)
def test_a_leaf_in_the_manner_of_micrograd_is_a_leaf(make: Callable[[], Value]) -> None:
    v = make()
    assert (v.data, v.parents, v.op, v.is_constant) == (2.0, (), "", False)
    assert v.label in ("", "a")


def test_a_leaf_that_requires_no_gradient_is_a_constant() -> None:
    v = Value(2.0, label="a", requires_grad=False)
    assert v.is_constant
    assert v.label == "a"


def test_a_node_of_numbers_and_a_node_inside_no_grad() -> None:
    x = Value(3.0)
    assert Value(5.0, (x, 2.0), "+").parents[0] is x
    with tg.no_grad():
        frozen = Value(9.0, (x, x), "*", label="b")
    assert frozen.is_leaf
    assert (frozen.data, frozen.label) == (9.0, "b")


def test_the_number_of_a_node_is_the_operations_to_the_last_bit() -> None:
    x = Value(0.8)
    t = (math.exp(2 * 0.8) - 1) / (math.exp(2 * 0.8) + 1)
    assert Value(t, (x,), "tanh").data == math.tanh(0.8)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: Value(5.0, (x, x), "+"), ValueError, r"which is 6\.0.*x \+ y"),
        (lambda x: Value(3.0, (x,)), TypeError, "no operation.*define"),
        (lambda x: Value(3.0, (x,), ""), TypeError, "no operation.*define"),
        (lambda x: Value(9.0, (x,), (6.0,)), TypeError, "local derivatives by hand.*define"),
        (lambda x: Value(9.0, (x,), "square"), TypeError, "written 'square'.*define"),
        (lambda x: Value(9.0, (x, x, x), "*"), TypeError, "on 3 operands"),
        (lambda x: Value(6.0, {x}, "+"), TypeError, "no order.*tuple"),
        (lambda x: Value(3.0, (), "input"), TypeError, "label="),
        (lambda x: Value(3.0, 7, "+"), TypeError, "a label is a str"),
        (lambda x: Value(3.0, label=7), TypeError, "a label is a str"),
        (lambda x: Value(6.0, (x, "x"), "+"), TypeError, "expected a Value"),
        (lambda x: Value(9.0, (x, x), "*", requires_grad=False), RuntimeError, "freeze"),
    ],
)
def test_a_node_that_no_operation_makes_is_refused(
    make: Callable[[Value], Value], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(Value(3.0))


# ---------------------------------------------------------------------------------------- a number set by hand


def test_what_is_recorded_after_a_bump_uses_the_new_number() -> None:
    """The lecture's check of a derivative: bump a node in the middle, compute what stands on it again."""
    h = 1e-4

    def loss(bump: float) -> float:
        e = Value(2.0) * Value(-3.0)
        e.data += bump
        d = e + Value(10.0)
        return (d * Value(-2.0)).data

    assert (loss(h) - loss(0.0)) / h == pytest.approx(-2.0, rel=1e-9)


@pytest.mark.parametrize("when", ["before", "after"])
def test_backward_over_a_bumped_node_is_refused_until_forward(when: str) -> None:
    a = Value(2.0, label="a")
    d = a.exp()
    if when == "before":
        d.data += 0.5
    root = d * 3.0
    if when == "after":
        d.data += 0.5
    for failing in (root.backward, d.backward, d._backward, lambda: tg.gradient(root, [a])):
        d.grad = 1.0
        with pytest.raises(StaleGraphError, match=r"set by hand.*'exp'.*forward\(\).*detach\(\)"):
            failing()
        assert a.grad == 0.0
    assert root.forward().data == pytest.approx(3.0 * math.exp(2.0), rel=1e-15)
    assert d.data == math.exp(2.0)
    root.backward()
    assert a.grad == pytest.approx(3.0 * math.exp(2.0), rel=1e-15)


def test_several_bumped_nodes_are_evaluated_again() -> None:
    a = Value(2.0)
    b = a * a
    c = -b
    root = c + a
    c.data, b.data, root.data = 100.0, 200.0, 300.0
    with pytest.raises(StaleGraphError):
        root.backward()
    assert (root.forward().data, c.data, b.data) == (-2.0, -4.0, 4.0)


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_a_bumped_node_is_as_stale(way: Callable[[Any], Any]) -> None:
    d = Value(2.0) * 3.0
    d.data = 7.0
    twin = way(d)
    assert twin.data == 7.0
    with pytest.raises(StaleGraphError, match="set by hand"):
        twin.backward()
    assert twin.forward().data == 6.0


def test_a_lifted_function_does_not_undo_a_bump_without_a_word() -> None:
    w = Value(2.0)
    d = w * 3.0
    d.data = 7.0

    def f(x: Any) -> Any:
        return x * d

    assert f(Value(2.0)).data == 14.0
    try:
        lifted = tg.lift(f)(2.0)
    except tg.lift.LiftError:
        return
    assert float(lifted) == 14.0


# ------------------------------------------------------------------------------------------ backward as in PyTorch


def test_gradient_is_pytorchs_name_for_the_seed() -> None:
    x = Value(3.0)
    (x * x).backward(gradient=2.0)
    assert x.grad == 12.0
    x.grad = 0.0
    (x * x).backward(2.0, retain_graph=True)
    assert x.grad == 12.0
    x.grad = 0.0
    (x * x).backward(gradient=None, create_graph=False, inputs=None)
    assert x.grad == 6.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"create_graph": True}, r"gradient\(loss, xs, create_graph=True\)"),
        ({"inputs": []}, r"gradient\(loss, xs\)"),
        ({"seed": 2.0, "gradient": 2.0}, "two names of it"),
    ],
)
def test_what_backward_does_not_do_is_answered_with_what_to_write(options: dict[str, Any], message: str) -> None:
    x = Value(3.0)
    y = x * x
    with pytest.raises(TypeError, match=message):
        y.backward(**options)
    assert x.grad == 0.0


# ---------------------------------------------------------------------------------------------- names of operands


@pytest.mark.parametrize("x", [-2.0, 0.5, 3.0])
def test_operands_have_the_names_of_pytorch_and_of_micrograds_ports(x: float) -> None:
    leaky = x if x > 0 else 0.2 * x
    for name in ("slope", "negative_slope", "alpha"):
        assert tg.leaky_relu(x, **{name: 0.2}) == leaky
        assert Value(x).leaky_relu(**{name: 0.2}).data == leaky
        assert tg.leaky_relu(np.array([x, x]), **{name: 0.2}).tolist() == [leaky, leaky]  # type: ignore[call-overload]
    cut = min(max(x, -1.5), 2.0)
    assert tg.hardtanh(x, min_val=-1.5, max_val=2.0) == cut
    assert Value(x).hardtanh(min_val=-1.5, max_val=2.0).data == cut
