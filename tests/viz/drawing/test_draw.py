"""The picture has the graph's structure, says every number, and is the same in every run."""

from __future__ import annotations

import functools
import operator
import os
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import StaleGraphError, Value, dot, sqrt, tanh, topological_order
from tinygrad_lite.nn import MLP
from tinygrad_lite.plotting.themes import LIGHT
from tinygrad_lite.viz import draw, explore, render, save, structure, tree
from tinygrad_lite.viz.drawing import renderers

EDGE = re.compile(r"^\t(n\d+) -> (n\d+) \[(.*)\]$", re.MULTILINE)
NODE = re.compile(r"^\t(n\d+) \[(.*)\]$", re.MULTILINE)


def neuron() -> tuple[Value, list[Value]]:
    a, b, c = Value(2.0, "a"), Value(-3.0, "b"), Value(6.5, "c")
    output = tanh(a * b + c)
    output.label = "out"
    output.backward()
    return output, [a, b, c]


@st.composite
def graphs(draw_case: st.DrawFn) -> Value:
    """Sums, products and dots of any earlier nodes: nodes are shared, and used twice by one node."""
    nodes = [Value(x, f"x{i}") for i, x in enumerate(draw_case(st.lists(st.floats(-2, 2), min_size=1, max_size=3)))]
    for kind in draw_case(st.lists(st.sampled_from(["+", "*", "dot", "2*"]), max_size=6)):
        one, other = (draw_case(st.sampled_from(nodes)) for _ in range(2))
        if kind == "dot":
            nodes.append(dot(nodes, nodes, one))
        else:
            nodes.append(one + other if kind == "+" else one * other if kind == "*" else 2 * one)
    nodes[-1].backward()
    return nodes[-1]


@given(root=graphs())
def test_a_card_for_each_node_and_an_edge_for_each_use(root: Value) -> None:
    order = topological_order(root, leaves=True)
    names = {id(node): f"n{i}" for i, node in enumerate(order)}
    source = draw(root).source
    assert sorted(name for name, _ in NODE.findall(source)) == sorted(names.values())
    drawn = sorted((tail, head) for tail, head, _ in EDGE.findall(source))
    assert drawn == sorted((names[id(x)], names[id(node)]) for node in order for x in node.parents)


@given(root=graphs())
def test_edges_carry_the_local_derivatives_and_the_sign_of_the_share(root: Value) -> None:
    order = topological_order(root, leaves=True)
    expected = [
        (x.is_constant, partial, node.grad * partial)
        for node in order
        for x, partial in zip(node.parents, node.partials, strict=True)
    ]
    drawn = [attributes for _, _, attributes in EDGE.findall(draw(root, precision=17, show=["local"]).source)]
    for (is_constant, partial, share), attributes in zip(expected, drawn, strict=True):
        if is_constant:
            assert "<TD>" not in attributes
            assert LIGHT.faint in attributes
        else:
            assert ">" + f"{partial + 0.0:.17g}".replace("-", "−") + "</TD>" in attributes
            colour = LIGHT.faint if share == 0.0 else LIGHT.positive if share > 0.0 else LIGHT.negative
            assert colour in attributes


def test_cards_say_label_operation_data_and_grad() -> None:
    output, _ = neuron()
    cards = dict(NODE.findall(draw(output).source))
    assert all(text in cards["n0"] for text in ("<B>out</B>", "tanh", ">0.4621<", ">1<", LIGHT.output))
    assert ">+<" in cards["n1"]
    leaf = next(card for card in cards.values() if "<B>b</B>" in card)
    assert ">−3<" in leaf
    assert f">{output.partials[0] * 2.0:.4g}<" in leaf


def test_constants_recede_and_have_no_grad() -> None:
    x = Value(3.0, "x")
    cards = dict(NODE.findall(draw(x * 7.0).source))
    constant = next(card for card in cards.values() if ">7<" in card)
    assert "grad" not in constant
    assert LIGHT.muted in constant


def test_thicker_where_more_flows() -> None:
    a, b = Value(1.0), Value(1.0)
    y = 100.0 * a + 2.0 * b
    y.backward()
    widths = [float(w) for _, _, rest in EDGE.findall(draw(y).source) for w in re.findall(r"penwidth=([\d.]+)", rest)]
    assert max(widths) > 2.0 > min(widths) > 0.0


def test_not_finite_gradients_are_drawn() -> None:
    x = Value(0.0, "x")
    y = sqrt(x)
    y.backward()
    source = draw(y).source
    assert ">inf</TD>" in source
    assert LIGHT.not_finite in source


def test_a_gradient_of_zero_passes_on_nothing_even_at_a_pole() -> None:
    x = Value(0.0, "x")
    source = draw(sqrt(x)).source  # no backward(): every grad is 0, and the local derivative inf
    assert LIGHT.not_finite not in EDGE.findall(source)[0][2]
    assert "nan" not in source


@pytest.mark.parametrize("direction", ["LR", "RL", "TB", "BT"])
def test_direction(direction: str) -> None:
    assert f"rankdir={direction}" in draw(Value(1.0), direction=direction).source


def test_background_is_explicit() -> None:
    assert f'bgcolor="{LIGHT.page}"' in draw(Value(1.0)).source


def test_a_leaf_alone_is_drawn() -> None:
    assert len(NODE.findall(draw(Value(1.0)).source)) == 1


def test_same_graph_same_text_whatever_the_hash_seed() -> None:
    program = """
from tinygrad_lite import Value, dot, tanh
from tinygrad_lite.nn import MLP
from tinygrad_lite.viz import draw, explore, save, structure, tree
ws, xs = [Value(0.1 * i, f"w{i}") for i in range(8)], [Value(1.0 - 0.3 * i, f"x{i}") for i in range(8)]
hidden = [tanh(dot(ws, xs, w) * 2 + x) for w, x in zip(ws, xs)]
root = dot(hidden, hidden, ws[0])
root.backward()
print(draw(root).source)
"""
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
            encoding="utf-8",
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(texts) == 1


def test_direction_and_precision_are_checked_and_so_is_everything_else() -> None:
    with pytest.raises(ValueError, match="max_nodes is a number of nodes, at least 1, not 0"):
        draw(Value(1.0), max_nodes=0)
    with pytest.raises(ValueError, match="show is any of 'data', 'grad', 'local'"):
        draw(Value(1.0), show=["sign"])


# ---------------------------------------------------------------------------------------------- what is shown


@pytest.mark.parametrize("left_out", ["data", "grad", "local"])
def test_what_is_not_shown_is_not_there(left_out: str) -> None:
    output, _ = neuron()
    source = draw(output, show={"data", "grad", "local"} - {left_out}).source
    assert (">data<" in source) == (left_out != "data")
    assert (">grad<" in source) == (left_out != "grad")
    assert ("label=<<TABLE" in "".join(rest for *_, rest in EDGE.findall(source))) == (left_out != "local")
    assert LIGHT.positive in source  # lines keep their colours


def test_a_card_without_anything_to_show_has_its_number() -> None:
    cards = dict(NODE.findall(draw(Value(2.5), show=()).source))
    assert ">2.5<" in cards["n0"]


def test_names_of_variables_stand_where_there_is_no_label() -> None:
    w, labelled, xs = Value(2.0), Value(3.0, "its own"), [Value(4.0)]
    z = w * xs[0] + labelled
    cards = dict(NODE.findall(draw(z, names=locals()).source))
    titles = {text for card in cards.values() for text in re.findall("<B>([^<]*)</B>", card)}
    assert {"w", "xs[0]", "its own", "z"} <= titles
    assert "labelled" not in titles


def test_the_operation_stands_beside_a_name() -> None:
    out = Value(1.0) + 2.0
    card = dict(NODE.findall(draw(out, names={"out": out}).source))["n0"]
    assert "<B>out</B>" in card
    assert ">+<" in card


# --------------------------------------------------------------------------------------- highlights and parts


def test_what_is_highlighted_stands_out_and_the_rest_fades() -> None:
    output, (a, _, _) = neuron()
    source = draw(output, highlight=(a, output)).source
    cards = {
        title: card for card in dict(NODE.findall(source)).values() for title in re.findall("<B>([^<]*)</B>", card)
    }
    for name in ("a", "out"):
        assert 'BORDER="3"' in cards[name]
        assert LIGHT.ink in cards[name]
    for name in ("b", "c"):
        assert LIGHT.ink not in cards[name]
    strong = [rest for *_, rest in EDGE.findall(source) if LIGHT.positive in rest or LIGHT.negative in rest]
    assert len(strong) == 3  # a to *, * to +, + to out
    assert len(EDGE.findall(source)) == 5


def test_without_a_highlight_nothing_fades() -> None:
    output, _ = neuron()
    assert draw(output, highlight=None).source == draw(output).source
    assert 'BORDER="3"' not in draw(output).source


def test_only_what_lies_between_two_nodes_is_drawn_and_cut_nodes_are_dashed() -> None:
    output, _ = neuron()
    product = output.parents[0].parents[0]
    source = draw(output, start=product).source
    cards = dict(NODE.findall(source))
    assert len(cards) == 4  # out, +, c, *
    assert [name for name, card in cards.items() if "DASHED" in card] == [
        name for name, card in cards.items() if ">*<" in card
    ]
    assert len(EDGE.findall(source)) == 3


def test_only_nodes_within_the_depth_are_drawn() -> None:
    output, _ = neuron()
    assert [len(NODE.findall(draw(output, depth=depth).source)) for depth in range(5)] == [1, 2, 4, 6, 6]


# ----------------------------------------------------------------------------------------------------- legend


def legend_of(root: Value, **options: Any) -> list[str]:
    found = re.search(r"label=<<TABLE BORDER=\"0\" CELLBORDER=.*", draw(root, **options).source.split("n0 [")[0])
    return re.findall(">([^<>]+)<", found.group()) if found else []


def test_the_legend_explains_the_colours_that_there_are() -> None:
    output, _ = neuron()
    assert [text for text in legend_of(output) if text[0].isalpha()] == [
        "gradient &gt; 0",
        "gradient &lt; 0",
        "wider: more flows",
    ]
    y = Value(2.0).exp()
    y.backward()
    assert "gradient &lt; 0" not in legend_of(y)
    pole = sqrt(Value(0.0))
    pole.backward()
    assert "not finite" in legend_of(pole)


def test_the_legend_can_be_left_out_and_is_not_there_before_backward() -> None:
    output, _ = neuron()
    assert legend_of(output, legend=False) == []
    assert legend_of(Value(1.0).exp()) == []


def test_the_output_stands_out_in_a_group_too() -> None:
    y = Value(0.5)
    for _ in range(100):
        y = y.tanh()
    card = next(card for card in dict(NODE.findall(draw(y).source)).values() if LIGHT.output in card)
    assert "×" in card


# ----------------------------------------------------------------------------------------------------- refusals


def test_a_stale_graph_is_refused() -> None:
    output, (a, _, _) = neuron()
    a.data = 5.0
    with pytest.raises(StaleGraphError, match="forward"):
        draw(output)


@pytest.mark.parametrize("options", [{"direction": "left"}, {"precision": 0}, {"precision": 2.5}])
def test_options_out_of_range_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        draw(Value(1.0), **options)  # type: ignore[arg-type]  # the point of the test


def test_what_is_not_a_value_is_refused() -> None:
    with pytest.raises(TypeError, match="not float"):
        draw(1.0)  # type: ignore[arg-type]  # the point of the test


def test_drawing_changes_nothing() -> None:
    output, leaves = neuron()
    before = [(x.data, x.grad, x.label) for x in [output, *leaves]]
    draw(output)
    assert before == [(x.data, x.grad, x.label) for x in [output, *leaves]]


def test_several_outputs_are_one_graph_and_each_stands_out() -> None:
    x, y = Value(2.0, "x"), Value(3.0, "y")
    hidden = (x * y).tanh()
    one, other, last = hidden + x, hidden * hidden, y.exp()
    above = other.exp()  # uses an output, and is none
    outputs = [one, other, last]
    source = draw(outputs).source
    order = {id(node) for root in outputs for node in topological_order(root, leaves=True)}
    assert len(NODE.findall(source)) == len(order) == 7
    assert len(EDGE.findall(source)) == sum(len(node.parents) for node in (x * y, hidden, *outputs))
    assert source.count(LIGHT.output) == 3
    assert draw([other, above]).source.count("n1 -> n0") == 1  # an output below another is drawn once
    assert draw((one,)).source == draw([one, one]).source == draw(one).source
    assert draw(np.array([outputs])).source == draw(tuple(outputs)).source == source


def test_options_are_about_all_outputs() -> None:
    x = Value(2.0, "x")
    hidden = x * x
    outputs = [hidden + x, hidden.exp()]
    assert len(NODE.findall(draw(outputs, depth=0).source)) == 2
    assert len(NODE.findall(draw(outputs, depth=1).source)) == 4
    assert len(NODE.findall(draw(outputs, start=hidden).source)) == 4
    assert len(NODE.findall(draw([v.tanh() for v in outputs], collapse=True, max_nodes=3).source)) <= 5
    model = MLP(2, [3, 2], seed=0)
    source = draw(model([x, 1.0]), names=model, collapse=["layers[1]"]).source
    assert "2 outputs" in source
    x.data = 5.0
    with pytest.raises(StaleGraphError):
        draw(outputs)


@pytest.mark.parametrize("roots", [[], [1.0], (Value(1.0), "a"), [[Value(1.0)]]], ids=str)
def test_a_list_of_outputs_holds_values(roots: Any) -> None:
    with pytest.raises(TypeError, match=r"only the graph below a Value can be drawn, not (list|float|str)"):
        draw(roots)


def test_what_shows_one_graph_says_so_of_several(tmp_path: Any) -> None:
    a = Value(2.0)
    roots: Any = [a * a, a.exp()]
    save(roots, tmp_path / "a.dot")
    for show in (
        tree,
        explore,
        structure,
        lambda r: save(r, tmp_path / "a.json"),
        lambda r: save(r, tmp_path / "a.html"),
    ):
        with pytest.raises(TypeError, match="list"):
            show(roots)


def test_neurons_stand_in_the_order_of_their_numbers() -> None:
    pytest.importorskip("graphviz")
    if not renderers.installed():
        pytest.skip("neither dot nor pygraphviz is installed")
    model = MLP(3, [8, 8, 1], activation="tanh", seed=0)
    loss = model([0.5, -1.0, 2.0]).tanh()
    loss.backward()
    picture = render(loss, "svg", names={"model": model}).decode()
    places = re.findall(r">model\.layers\[(\d)\]\.neurons\[(\d)\]</text>", picture)
    heights = re.findall(r'y="([-\d.]+)"[^>]*>model\.layers\[\d\]\.neurons\[\d\]</text>', picture)
    assert len(places) == len(heights) == 17
    found = sorted(
        (int(layer), float(height), int(neuron)) for (layer, neuron), height in zip(places, heights, strict=True)
    )
    assert [(layer, neuron) for layer, _, neuron in found] == sorted((layer, neuron) for layer, _, neuron in found)
    width, height = (float(x) for x in re.findall(r'(?:width|height)="(\d+)pt"', picture))
    assert height < 1.2 * width  # it was 2463 by 1118


def test_numbers_beside_edges_are_left_to_the_tooltips_where_there_are_many() -> None:
    def labels(count: int, **options: Any) -> int:
        xs = [Value(1.0, f"x{i}") for i in range(count)]
        source = draw(functools.reduce(operator.add, xs), collapse=False, **options).source
        assert source.count("∂(") == 4 * 2 * (count - 1)
        return len(re.findall(r"n\d+ -> n\d+ \[label=", source))

    assert labels(13) == 24
    assert labels(14) == 0
    assert labels(14, show=("data", "local")) == 26


def test_a_long_narrow_picture_grows_downwards_unless_it_is_told_otherwise() -> None:
    y = Value(1.0)
    for _ in range(15):
        y = y.tanh()
    assert "rankdir=TB" in draw(y).source
    assert "rankdir=LR" in draw(y, direction="LR").source
    assert "rankdir=LR" in draw(y, depth=5).source


def test_parameters_of_a_model_are_named_without_being_told() -> None:
    model = MLP(3, [8, 8, 1], activation="tanh", seed=0)
    loss = model([0.5, -1.0, 2.0]).tanh()
    source = draw(loss).source
    assert "model.layers[1].neurons[0–7].w[0–7]" in source
    assert not re.findall(r'<TD COLSPAN="2"><FONT COLOR="#5F6B76">×', source)  # a box without a name
    other = MLP(1, [1])
    both = draw(loss * other(2.0), collapse=False).source
    assert "mlp1.layers[0].neurons[0].w[0]<" in both
    assert "mlp2.layers[0].neurons[0].b<" in both
    assert "neurons" not in draw(loss, names={}).source


def test_a_broken_model_elsewhere_spoils_no_picture() -> None:
    class Broken(MLP):
        def named_parameters(self) -> Any:
            raise RuntimeError

    kept = Broken(1, [1])
    model = MLP(1, [1])
    assert "model.layers[0]" in draw(model(1.0)).source
    del kept
