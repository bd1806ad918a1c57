"""copy, deepcopy and pickle: the whole graph, shared as it was, at any depth."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import StaleGraphError, Value, topological_order


def python_pickle(x: Any) -> Any:
    """Through the pickler that is written in Python."""
    buffer = io.BytesIO()
    pickle._Pickler(buffer).dump(x)  # type: ignore[attr-defined]  # not in typeshed
    return pickle._Unpickler(io.BytesIO(buffer.getvalue())).load()  # type: ignore[attr-defined]  # not in typeshed


def protocol(number: int) -> Callable[[Any], Any]:
    return lambda x: pickle.loads(pickle.dumps(x, number))


WAYS = [
    pytest.param(protocol(0), id="protocol0"),
    pytest.param(protocol(2), id="protocol2"),
    pytest.param(protocol(pickle.HIGHEST_PROTOCOL), id="pickle"),
    pytest.param(python_pickle, id="pure-python-pickle"),
    pytest.param(copy.deepcopy, id="deepcopy"),
]


def graph() -> tuple[Value, Value, Value]:
    a, b = Value(0.5, label="a"), Value(1.5)
    y = tg.dot([a, b], [b, 2.0], a) + tg.softmax([a, b, a * b])[1] * tg.clamp(b, 0.0, 1.0) ** 2
    y.label = "y"
    y.backward()
    return a, b, y


def described(root: Value) -> list[Any]:
    nodes = topological_order(root, leaves=True)
    place = {id(node): i for i, node in enumerate(nodes)}
    return [(n.op, n.data, n.grad, n.label, n.is_constant, [place[id(p)] for p in n.parents]) for n in nodes]


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_has_the_same_graph_data_gradients_and_labels(way: Callable[[Any], Any]) -> None:
    _, _, y = graph()
    twin = way(y)
    assert twin is not y
    assert described(twin) == described(y)
    assert not {id(n) for n in topological_order(twin, leaves=True)} & {
        id(n) for n in topological_order(y, leaves=True)
    }
    twin.backward()


@pytest.mark.parametrize("way", WAYS)
def test_objects_in_one_copy_stay_shared(way: Callable[[Any], Any]) -> None:
    a, b, y = graph()
    a2, (y2, b2), d = way((a, [y, b], {"y": y, "z": y * a}))
    assert d["y"] is y2
    leaves = [id(n) for n in topological_order(y2, leaves=True) if n.is_leaf]
    assert id(a2) in leaves
    assert id(b2) in leaves
    assert [id(x) for x in d["z"].parents] == [id(y2), id(a2)]
    z2, a3 = way((y * a, a))
    a3.grad = 0.0
    z2.backward()
    assert a3.grad != 0.0


@pytest.mark.parametrize("way", WAYS)
def test_a_leaf_and_a_constant_stay_what_they_are(way: Callable[[Any], Any]) -> None:
    leaf = Value(-0.0, label="w")
    leaf.grad = 3.0
    twin = way(leaf)
    assert (str(twin.data), twin.grad, twin.label, twin.is_leaf, twin.is_constant) == ("-0.0", 3.0, "w", True, False)
    assert way((2.0 * leaf).parents[0]).is_constant


@pytest.mark.parametrize("way", WAYS)
def test_a_stale_graph_stays_stale(way: Callable[[Any], Any]) -> None:
    a = Value(2.0, label="a")
    y = a * a + 1.0
    a.data = 3.0
    twin = way(y)
    with pytest.raises(StaleGraphError, match="label='a'"):
        twin.backward()
    assert twin.forward().data == 10.0
    twin.backward()


@pytest.mark.parametrize("way", WAYS)
def test_a_stale_node_stays_stale(way: Callable[[Any], Any]) -> None:
    a = Value(2.0, label="a")
    y = a * a
    a.data = 3.0
    twin = way(y)
    with pytest.raises(StaleGraphError, match="label='a'"):
        twin.backward()
    assert twin.forward().data == 9.0


@pytest.mark.parametrize("way", WAYS)
def test_a_fresh_graph_stays_fresh_after_data_was_set(way: Callable[[Any], Any]) -> None:
    a = Value(2.0)
    a.data = 3.0
    y = a * a
    way(y).backward()
    twin_a, twin_y = way((a, y))
    twin_y.backward()
    assert twin_a.grad == 6.0
    twin_a.data = 5.0
    with pytest.raises(StaleGraphError):
        twin_y.backward()


def test_copy_is_shallow() -> None:
    a, _, y = graph()
    twin = copy.copy(y)
    assert [id(x) for x in twin.parents] == [id(x) for x in y.parents]
    assert (twin.data, twin.grad, twin.label, twin.op) == (y.data, y.grad, y.label, y.op)
    twin.label = "other"
    assert y.label == "y"
    leaf = copy.copy(a)
    leaf.data = 7.0
    assert a.data == 0.5


@pytest.mark.parametrize("way", [copy.deepcopy, protocol(pickle.HIGHEST_PROTOCOL)])
def test_a_chain_of_a_hundred_thousand_nodes_is_copied(way: Callable[[Any], Any]) -> None:
    leaf = Value(1.0)
    node = leaf
    for _ in range(50_000):
        node = +(-node)
    twin, end = way((leaf, node))
    end.backward()
    assert twin.grad == 1.0
    shallow = copy.copy(node)
    shallow.backward()
    assert leaf.grad == 1.0


@given(st.lists(st.integers(0, 10**4), min_size=1, max_size=25))
def test_any_graph_survives_a_round_trip(choices: list[int]) -> None:
    nodes = [Value(0.5, label="x"), Value(-1.25)]
    for choice in choices:
        x, y = nodes[choice % len(nodes)], nodes[choice // 7 % len(nodes)]
        nodes.append(tg.sum([x, 1.0, y, x]) if choice % 3 == 0 else tg.dot([x], [y], y) if choice % 3 == 1 else x - y)
    y = nodes[-1]
    y.backward()
    for way in (copy.deepcopy, protocol(pickle.HIGHEST_PROTOCOL)):
        assert described(way(y)) == described(y)
        together = way(nodes)
        assert [described(n) for n in together] == [described(n) for n in nodes]


def test_an_operation_that_is_not_in_the_table_is_refused_by_name() -> None:
    data = pickle.dumps(Value(1.0) * Value(2.0), 0).replace(b"mul", b"mux")
    with pytest.raises(KeyError, match="no operation is named 'mux'"):
        pickle.loads(data)


def test_a_copy_that_was_broken_off_does_not_disturb_the_next() -> None:
    class Refuses:
        def __reduce__(self) -> Any:
            raise RuntimeError("refused")

    _, _, y = graph()
    for broken in ([y, Refuses()], [Refuses(), y]):
        for way in (copy.deepcopy, pickle.dumps):
            with pytest.raises(RuntimeError, match="refused"):
                way(broken)
    assert described(copy.deepcopy(y)) == described(y)
    assert described(pickle.loads(pickle.dumps(y))) == described(y)
    inner = y.parents[0]
    assert described(copy.deepcopy(inner)) == described(inner)


def test_a_node_without_operand_pairs_comes_back_whole() -> None:
    bias = Value(1.0, label="bias")
    y = pickle.loads(pickle.dumps(tg.dot([], [], bias)))
    y.backward()
    assert y.parents[0].grad == 1.0


def test_a_pickle_that_was_broken_off_does_not_harm_the_next() -> None:
    class Full(io.RawIOBase):
        def __init__(self) -> None:
            self.room = 100_000

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.room -= len(data)
            if self.room < 0:
                raise OSError("no space left")
            return len(data)

    y = Value(1.0)
    nodes = []
    for _ in range(20_000):
        y = y + 1.0
        nodes.append(y)
    with pytest.raises(OSError, match="no space"):
        pickle.dump(y, Full())
    assert pickle.loads(pickle.dumps(nodes[-5_000])).data == nodes[-5_000].data
