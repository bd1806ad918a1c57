"""A large graph is drawn as modules and as groups, quickly; what to collapse and to expand can be chosen."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value, mean, sum, topological_order
from tinygrad_lite.nn import MLP, binary_cross_entropy_with_logits, train_xor
from tinygrad_lite.viz import draw, render
from tinygrad_lite.viz.drawing import renderers
from tinygrad_lite.viz.drawing.long_edges import far_links
from tinygrad_lite.viz.drawing.picture import Picture, compose
from tinygrad_lite.viz.reading.patterns import pattern

needs_renderer = pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed")


def network(samples: int, hidden: int = 16) -> tuple[MLP, Value]:
    model = MLP(2, [hidden, hidden, 1], seed=1)
    logits = [model([math.sin(i), math.cos(i)]) for i in range(samples)]
    loss = binary_cross_entropy_with_logits(logits, [i % 2 for i in range(samples)])
    loss.backward()
    return model, loss


def loop(steps: int) -> Value:
    w, b, y = Value(0.5, "w"), Value(0.1, "b"), Value(0.3, "y0")
    for _ in range(steps):
        y = (w * y + b).tanh()
    y.backward()
    return y


def drawn(picture: Picture) -> list[tuple[str, int]]:
    """The module or the operation of each box, and its number of nodes."""
    return [(box.module or box.nodes[0].op, len(box.nodes)) for box in picture.boxes]


def modules(picture: Picture) -> list[str]:
    return sorted(box.module for box in picture.boxes if box.module)


# ------------------------------------------------------------------------------------------ by itself


@given(samples=st.integers(1, 4), limit=st.integers(1, 40), with_names=st.booleans())
def test_every_node_is_in_one_box_and_every_edge_between_boxes_in_one_link(
    samples: int, limit: int, with_names: bool
) -> None:
    model, loss = network(samples, hidden=3)
    picture = compose(loss, names=model if with_names else None, max_nodes=limit)
    order = topological_order(loss, leaves=True)
    assert sorted(id(node) for box in picture.boxes for node in box.nodes) == sorted(map(id, order))
    place = {id(node): i for i, box in enumerate(picture.boxes) for node in box.nodes}
    edges = [(place[id(x)], place[id(node)]) for node in order for x in node.parents]
    between = [edge for edge in edges if edge[0] != edge[1]]
    assert math.fsum(link.uses for link in picture.links if link.tail != link.head) == len(between)
    assert {(link.tail, link.head) for link in picture.links if link.tail != link.head} == set(between)


def test_up_to_max_nodes_every_node_is_drawn_and_above_the_picture_is_collapsed() -> None:
    total = sum([Value(1.0) for _ in range(99)])
    assert len(compose(total, max_nodes=100).boxes) == 100
    assert drawn(compose(total, max_nodes=99)) == [("sum", 1), ("", 99)]


def test_a_link_of_many_edges_has_the_range_of_their_derivatives_and_the_sum_of_what_flows() -> None:
    ws = [Value(float(i)) for i in (1, -2, 3)]
    root = mean([w * w for w in ws])
    root.backward()
    link = next(link for link in compose(root, max_nodes=2).links if link.node.op == "mul")
    assert (link.uses, link.low, link.high) == (6, -2.0, 3.0)
    assert link.share == pytest.approx(2 * (1 + 2 + 3) / 3)
    assert link.mixed


def test_links_of_one_sign_keep_it_and_what_is_not_finite_shows() -> None:
    xs = [Value(1.0), Value(2.0)]
    root = mean([-x for x in xs])
    root.backward()
    shares = {link.node.op: (link.share, link.mixed) for link in compose(root, max_nodes=2).links}
    assert shares == {"mean": (1.0, False), "neg": (-1.0, False)}
    roots = mean([Value(0.0).sqrt(), Value(4.0).sqrt()])
    roots.backward()
    link = next(link for link in compose(roots, max_nodes=2).links if link.node.op == "sqrt")
    assert (link.share, link.high) == (math.inf, math.inf)


def test_a_chain_of_additions_is_one_box_without_an_edge_to_itself() -> None:
    total = Value(0.0)
    for i in range(50):
        total = total + Value(float(i)).exp()
    picture = compose(total, max_nodes=10)
    assert ("add", 50) in drawn(picture)
    assert all(link.tail != link.head for link in picture.links)


def test_a_loop_is_drawn_as_one_step_that_leads_around() -> None:
    picture = compose(loop(1000), max_nodes=20)
    assert ("tanh", 1000) in drawn(picture)
    assert len(picture.boxes) <= 20
    place = {box.nodes[0].op: i for i, box in reversed(list(enumerate(picture.boxes)))}
    links = {(link.tail, link.head) for link in picture.links}
    assert {(place["tanh"], place["mul"]), (place["mul"], place["add"]), (place["add"], place["tanh"])} <= links


# --------------------------------------------------------------------------------------------- modules


def test_the_smallest_modules_that_leave_the_picture_readable_are_drawn() -> None:
    run = train_xor(epochs=1, progress=False)
    neurons = [f"model.layers[0].neurons[{i}]" for i in range(4)]
    assert modules(compose(run.loss, names=run.model, max_nodes=60)) == [*neurons, "model.layers[1].neurons[0]"]
    assert modules(compose(run.loss, names=run.model, max_nodes=9)) == ["model.layers[0]", "model.layers[1]"]
    assert modules(compose(run.loss, names=run.model, max_nodes=7)) == ["model"]
    model, loss = network(3)
    assert modules(compose(loss, names={"net": model}, max_nodes=60)) == [f"net.layers[{i}]" for i in range(3)]


def test_the_loss_of_a_model_is_grouped() -> None:
    model, loss = network(5)
    rest = [entry for entry in drawn(compose(loss, names=model, max_nodes=60)) if not entry[0].startswith("model")]
    assert sorted(rest) == [("", 5), ("", 10), ("mean", 1), ("mul", 5), ("softplus", 5), ("sub", 5)]


def test_a_card_of_a_module_says_what_it_is_what_it_gives_and_how_large_its_gradient_is() -> None:
    model, loss = network(4)
    source = draw(loss, names=model).source
    gradient = math.hypot(*(p.grad for p in model.layers[1].parameters()))
    card = next(line for line in source.splitlines() if "<B>model.layers[1]</B>" in line)
    assert "Layer(16, 16, activation=&#x27;relu&#x27;)" in card
    assert f">{gradient:.4g}<" in card
    assert ">64 outputs<" in card
    assert ">‖grad‖ of 272<" in card


def test_expanding_a_module_draws_its_parts_in_a_frame() -> None:
    run = train_xor(epochs=1, progress=False)
    picture = compose(run.loss, names=run.model, expand="layers[0]", max_nodes=60)
    assert modules(picture) == [*(f"model.layers[0].neurons[{i}]" for i in range(4)), "model.layers[1]"]
    assert picture.frames == {"model": "", "model.layers[0]": "model"}
    inner = compose(run.loss, names=run.model, expand="layers[0].neurons[1]", max_nodes=60)
    frames = {box.frame for box in inner.boxes if box.nodes[0].op in ("dot", "tanh") and not box.module}
    assert frames == {"model.layers[0].neurons[1]"}
    source = draw(run.loss, names=run.model, expand="layers[0].neurons[1]").source
    assert source.count("subgraph cluster_") == 3


def test_modules_to_collapse_are_chosen_by_path_by_its_end_or_by_class() -> None:
    run = train_xor(epochs=1, progress=False)
    for chosen in ("model.layers[0]", "layers[0]", ["layers[0]"]):
        picture = compose(run.loss, names=run.model, collapse=chosen, max_nodes=1000)
        assert modules(picture) == ["model.layers[0]"]
    assert len(modules(compose(run.loss, names=run.model, collapse="Neuron", max_nodes=1000))) == 5
    assert modules(compose(run.loss, names=run.model, collapse="MLP", max_nodes=1000)) == ["model"]


def test_collapse_true_and_false_do_not_look_at_the_size() -> None:
    total = sum([Value(1.0) for _ in range(5)])
    assert len(compose(total, collapse=True, max_nodes=100).boxes) == 2
    assert len(compose(total, collapse=False, max_nodes=1).boxes) == 6


def test_an_expanded_value_does_not_vanish_in_a_group() -> None:
    xs = [Value(float(i), f"x{i}") for i in range(100)]
    exps = [x.exp() for x in xs]
    picture = compose(sum(exps), expand=exps[3], max_nodes=20)
    assert sorted(drawn(picture)) == [("", 100), *[("exp", 1)] * 100, ("sum", 1)]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"collapse": "layers[9]"}, ValueError, r"collapse='layers\[9\]'.*there are 'model', 'model.layers\[0\]'"),
        ({"expand": "Conv"}, ValueError, "expand='Conv': there is no such module"),
        ({"expand": 3}, TypeError, "expand takes .* not int 3"),
        ({"collapse": [3]}, TypeError, "collapse takes .* not int 3"),
        ({"collapse": Value(1.0)}, TypeError, "collapse takes .* not Value"),
    ],
)
def test_wrong_wishes_are_refused(options: Mapping[str, Any], error: type[Exception], says: str) -> None:
    model, loss = network(1, hidden=2)
    with pytest.raises(error, match=says):
        draw(loss, names=model, **options)


def test_without_names_no_module_is_known() -> None:
    _, loss = network(1, hidden=2)
    with pytest.raises(ValueError, match="no module is known: pass names="):
        draw(loss, collapse="layers[0]")


# ----------------------------------------------------------------------------------------- group cards


def test_a_group_says_how_many_it_is_and_the_ranges_of_its_numbers() -> None:
    xs = [Value(0.5 * i, f"x[{i}]") for i in range(100)]
    root = sum([x * x for x in xs])
    root.backward()
    lines = draw(root, max_nodes=10).source.splitlines()
    products = next(line for line in lines if "×100" in line and ">*<" in line)
    assert ">0 … 2.45e+03<" in products
    assert ">1<" in products
    leaves = next(line for line in lines if "<B>x[0–99]</B>" in line)
    assert "×100" in leaves
    assert ">0 … 49.5<" in leaves
    assert ">0 … 99<" in leaves


@given(names=st.lists(st.text("w[]01", min_size=1, max_size=6), min_size=1, max_size=6))
def test_a_pattern_stands_for_each_of_its_names(names: list[str]) -> None:
    found = pattern(names)
    distinct = list(dict.fromkeys(names))
    if ", " in found:
        assert found.removesuffix(", …").split(", ") == distinct[:3]
    else:
        pieces = [r"(\d+)" if "–" in piece else re.escape(piece) for piece in re.split(r"(\d+–\d+)", found)]
        for name in distinct:
            assert re.fullmatch("".join(pieces), name)


def test_a_name_of_digits_without_end_is_no_number_that_python_refuses() -> None:
    assert pattern(["x" + "1" * 10_000, "x2"]).startswith("x2–1")


def test_names_without_a_pattern_are_listed_and_one_missing_name_is_none() -> None:
    assert pattern(["a", "b"]) == "a, b"
    assert pattern(["a", "", "b"]) == ""
    assert pattern(["a", "a"]) == "a"


# --------------------------------------------------------------------------------------- large graphs


def test_in_large_pictures_long_edges_begin_at_a_reference_beside_their_end() -> None:
    root = loop(100)
    source = draw(root, collapse=False).source
    assert "↑ w" in source
    names = {id(node): f"n{i}" for i, node in enumerate(topological_order(root, leaves=True))}
    assert len(re.findall(r"^\tn\d+ \[", source, re.MULTILINE)) == len(names)
    edges = re.findall(r"^\t([nr]\d+) -> n\d+ ", source, re.MULTILINE)
    assert len(edges) == 5 * 100
    far = [tail for tail in edges if tail.startswith("r")]
    assert len(set(far)) == len(far) == len(re.findall(r"^\tr\d+ \[", source, re.MULTILINE)) > 150


def test_short_edges_are_never_far() -> None:
    picture = compose(sum([Value(1.0).exp() for _ in range(400)]), collapse=False, max_nodes=1)
    assert far_links(len(picture.boxes), picture.links) == frozenset()


@needs_renderer
@pytest.mark.parametrize(
    "kind", [*[pytest.param(kind, marks=pytest.mark.slow) for kind in ("network", "network with names")], "loop"]
)
def test_100_000_nodes_are_drawn_collapsed(kind: str) -> None:
    model, root = network(1410) if kind != "loop" else (None, loop(33_333))
    assert len(topological_order(root, leaves=True)) > 99_000
    svg = render(root, names=model if kind == "network with names" else None)
    assert len(svg) < 100_000


@needs_renderer
@pytest.mark.parametrize("kind", [pytest.param("network", marks=pytest.mark.slow), "loop"])
def test_1000_nodes_are_drawn_one_by_one(kind: str) -> None:
    root = network(26, hidden=8)[1] if kind == "network" else loop(333)
    count = len(topological_order(root, leaves=True))
    assert count >= 1000
    svg = render(root, collapse=False)
    assert svg.count(b'class="node"') >= count
