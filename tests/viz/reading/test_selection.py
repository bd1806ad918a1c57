"""What is left out of a picture, and what is highlighted in it, follows from the paths of the graph."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value, sum, topological_order
from tinygrad_lite.viz.drawing.highlighting import highlighted
from tinygrad_lite.viz.reading.selection import ancestors, descendants, select


@st.composite
def graphs(draw: st.DrawFn) -> list[Value]:
    """Small graphs with shared nodes, in topological order."""
    nodes = [Value(1.0, f"x{i}") for i in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(1, 7))):
        nodes.append(draw(st.sampled_from(nodes)) * draw(st.sampled_from(nodes)))
    return topological_order(nodes[-1], leaves=True)


def paths(root: Value) -> list[list[Value]]:
    """Every path from the root to a leaf, by recursion."""
    if root.is_leaf:
        return [[root]]
    return [[root, *path] for operand in dict.fromkeys(root.parents) for path in paths(operand)]


@given(order=graphs(), data=st.data())
def test_between_two_nodes_is_what_lies_on_a_path(order: list[Value], data: st.DataObject) -> None:
    start = data.draw(st.sampled_from(order))
    on_paths = {id(node) for path in paths(order[0]) if start in path for node in path[: path.index(start) + 1]}
    part = select(order[0], start=start)
    inner = [node for node in part.order if id(node) in on_paths and node is not start]
    beside = {id(operand) for node in inner for operand in node.parents}
    assert {id(node) for node in part.order} == on_paths | beside
    assert part.cut == {id(node) for node in part.order if node not in inner and not node.is_leaf}


@given(order=graphs(), depth=st.integers(0, 5))
def test_depth_is_the_number_of_edges_of_the_shortest_path(order: list[Value], depth: int) -> None:
    shortest: dict[int, int] = {}
    for path in paths(order[0]):
        for i, node in enumerate(path):
            shortest[id(node)] = min(shortest.get(id(node), i), i)
    part = select(order[0], depth=depth)
    assert part.order == [node for node in order if shortest[id(node)] <= depth]
    assert part.cut == {id(node) for node in part.order if shortest[id(node)] == depth and not node.is_leaf}


@given(order=graphs(), data=st.data())
def test_a_pair_highlights_all_paths_between_two_nodes(order: list[Value], data: st.DataObject) -> None:
    node = data.draw(st.sampled_from(order))
    on_paths = {id(x) for path in paths(order[0]) if node in path for x in path[: path.index(node) + 1]}
    assert highlighted(order, (node, order[0])) == on_paths
    assert highlighted(order, (order[0], node)) == on_paths


@given(order=graphs(), data=st.data())
def test_ancestors_and_descendants_are_what_paths_lead_to(order: list[Value], data: st.DataObject) -> None:
    node = data.draw(st.sampled_from(order))
    assert ancestors(order, [node]) == {id(x) for path in paths(node) for x in path}
    above = {id(x) for path in paths(order[0]) if node in path for x in path[: path.index(node) + 1]}
    assert descendants(order, [node]) == above


def test_a_node_or_a_list_highlights_just_these() -> None:
    a, b = Value(1.0), Value(2.0)
    order = topological_order(a * b, leaves=True)
    assert highlighted(order, a) == {id(a)}
    assert highlighted(order, [a, b]) == {id(a), id(b)}
    assert highlighted(order, None) == frozenset()


def test_start_may_be_several_nodes() -> None:
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    deep = a.exp()
    root = sum([deep.tanh(), b.tanh(), c.tanh()])
    part = select(root, start=[deep, b])
    assert sorted(node.op for node in part.order if not node.is_leaf) == ["exp", "sum", "tanh", "tanh", "tanh"]
    assert part.cut == {id(deep), id(root.parents[2])}


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"start": 1.0}, TypeError, "start is a Value or several, not float 1.0"),
        ({"start": ["a"]}, TypeError, "start is a Value or several, not str 'a'"),
        ({"start": Value(1.0)}, ValueError, "is not below"),
        ({"depth": -1}, ValueError, "at least 0, not -1"),
        ({"depth": 1.5}, TypeError, "not float 1.5"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        select(Value(1.0) * 2.0, **options)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    ("highlight", "error", "says"),
    [
        (1.0, TypeError, "not float 1.0"),
        (["a"], TypeError, "not str 'a'"),
        (Value(7.0, "far"), ValueError, "label='far'.*not in the graph"),
    ],
)
def test_what_cannot_be_highlighted_is_refused(highlight: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        highlighted(topological_order(Value(1.0) * 2.0, leaves=True), highlight)


def test_two_nodes_without_a_path_are_refused() -> None:
    a, b = Value(1.0, "a"), Value(2.0, "b")
    with pytest.raises(ValueError, match="neither is computed from the other"):
        highlighted(topological_order(a * b, leaves=True), (a, b))


def test_long_chains_need_no_recursion() -> None:
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = -y
    assert len(select(y, start=x).order) == 100_001
    assert len(select(y, depth=50_000).order) == 50_001
    assert len(highlighted(topological_order(y, leaves=True), (x, y))) == 100_001
