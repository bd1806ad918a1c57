"""A JSON file holds the graph, every digit and every label as they are."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value, dot, sqrt, topological_order
from tinygrad_lite.nn import MLP
from tinygrad_lite.viz import render
from tinygrad_lite.viz.output.structure import structure


@given(
    label=st.text(st.characters()),
    numbers=st.lists(st.floats(), min_size=2, max_size=4),
)
def test_labels_and_numbers_come_back_exactly(label: str, numbers: list[float]) -> None:
    xs = [Value(x, label) for x in numbers]
    root = dot(xs, xs, 1.0)
    root.backward()
    order = topological_order(root, leaves=True)
    found = json.loads(render(root, "json"))
    assert [node["label"] for node in found["nodes"]] == [node.label for node in order]
    for plain, node in zip(found["nodes"], order, strict=True):
        assert repr(float(plain["data"])) == repr(node.data)
        assert repr(float(plain["grad"])) == repr(node.grad)
        assert plain["op"] == (node.op or None)
        assert plain["constant"] == node.is_constant


def test_edges_are_the_uses_with_derivatives_and_flow() -> None:
    a, b = Value(2.0, "a"), Value(5.0, "b")
    root = (a - b) * a * 3.0
    root.backward()
    order = topological_order(root, leaves=True)
    number = {id(node): i for i, node in enumerate(order)}
    expected = [
        {
            "operand": number[id(operand)],
            "node": number[id(node)],
            "position": i,
            "local": local,
            "flow": None if operand.is_constant else node.grad * local,
        }
        for node in order
        for i, (operand, local) in enumerate(zip(node.parents, node.partials, strict=True))
    ]
    found = structure(root)
    assert found["edges"] == expected
    assert (found["format"], found["version"]) == ("tinygrad-lite graph", 1)
    for i, node in enumerate(found["nodes"]):
        flows = [edge["flow"] for edge in found["edges"] if edge["operand"] == i and edge["flow"] is not None]
        assert node["grad"] == (math.fsum(flows) if i else 1.0)


def test_a_gradient_of_zero_passes_on_nothing_even_at_a_pole() -> None:
    found = structure(sqrt(Value(0.0)))
    assert (found["edges"][0]["local"], found["edges"][0]["flow"]) == ("inf", 0.0)


def test_names_and_modules_are_told_where_they_are_given() -> None:
    model = MLP(1, [1, 1], "tanh", seed=0)
    nodes = structure(model(2.0), names={"net": model})["nodes"]
    assert [(node["op"], node["module"]) for node in nodes[:3]] == [
        ("dot", "net.layers[1].neurons[0]"),
        ("tanh", "net.layers[0].neurons[0]"),
        ("dot", "net.layers[0].neurons[0]"),
    ]
    assert "net.layers[1].neurons[0].w[0]" in {node["name"] for node in nodes}


def test_what_is_left_out_is_marked() -> None:
    x = Value(1.0, "x")
    found = structure(x.exp().sin(), depth=1)
    assert [(node["op"], node["cut"]) for node in found["nodes"]] == [("sin", False), ("exp", True)]
    assert len(found["edges"]) == 1


def test_a_graph_whose_evaluation_raised_says_where() -> None:
    x = Value(1.0, "x")
    y = x.log() + 1.0
    x.data = -1.0
    with pytest.raises(ValueError, match="math domain"):
        y.forward()
    found = structure(y)
    assert [(node["op"], node["stale"], node["failure"]) for node in found["nodes"][:2]] == [
        ("add", True, ""),
        ("log", True, "ValueError: math domain error"),
    ]
    assert [edge["local"] for edge in found["edges"]] == [None, None, None]


def test_options_of_pictures_are_refused() -> None:
    with pytest.raises(TypeError, match="theme"):
        render(Value(1.0), "json", theme="dark")
