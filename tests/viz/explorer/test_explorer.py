"""The explorer's page: one file that loads nothing, where data stays data, with the numbers that backward() finds."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import StaleGraphError, Value, dot, topological_order
from tinygrad_lite.nn.layers.layers import MLP
from tinygrad_lite.viz.explorer.explorer_data import OPENED, graph_data
from tinygrad_lite.viz.explorer.explorer_names import short_names, within
from tinygrad_lite.viz.explorer.graph_page import explorer_page
from tinygrad_lite.viz.explorer.html_page import in_script
from tinygrad_lite.viz.output.explore import explore
from tinygrad_lite.viz.reading.labels import visible

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp; \"quotes\" 'single'",
    "{{script}} {{data}}",
    r"\u003c \g<1> \1 \\",
    "\u2028\u2029\x00\ud800",
    "\u202eright to left",
    "x" * 10_000,
    "__proto__",
]
texts = st.text(st.characters(), min_size=1, max_size=40) | st.text(
    "<>&\"'/!-{}\\scriptylebdo ", min_size=1, max_size=40
)


class Tags(HTMLParser):
    """The elements of a page, their attributes, and what is inside those that are read raw."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.within = False
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[dict[str, str | None], str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.within = tag in ("script", "style", "title")
        if self.within:
            self.raw.append(({"tag": tag, **dict(attrs)}, ""))

    def handle_endtag(self, tag: str) -> None:
        self.within = False

    def handle_data(self, data: str) -> None:
        if self.within:
            self.raw[-1] = (self.raw[-1][0], self.raw[-1][1] + data)

    def inside(self, tag: str, **attributes: str) -> list[str]:
        return [text for found, text in self.raw if {"tag": tag, **attributes}.items() <= found.items()]


def data_of(page: str) -> dict[str, Any]:
    (text,) = Tags(page).inside("script", type="application/json")
    found: dict[str, Any] = json.loads(text)
    return found


def neuron() -> Value:
    a, b, c = Value(2.0, "a"), Value(-3.0, "b"), Value(6.5, "c")
    return (a * b + c).tanh() * a


@st.composite
def graphs(draw: st.DrawFn) -> Value:
    nodes = [Value(x, f"x{i}") for i, x in enumerate(draw(st.lists(st.floats(-2, 2), min_size=1, max_size=3)))]
    for kind in draw(st.lists(st.sampled_from(["+", "*", "dot", "2*", "tanh", "max"]), max_size=8)):
        one, other = (draw(st.sampled_from(nodes)) for _ in range(2))
        made = {
            "+": lambda a, b: a + b,
            "*": lambda a, b: a * b,
            "dot": lambda a, b: dot(nodes, nodes, a),
            "2*": lambda a, b: 2.0 * a,
            "tanh": lambda a, b: a.tanh(),
            "max": lambda a, b: a.maximum(b),
        }[kind](one, other)
        nodes.append(made)
    return nodes[-1]


# --------------------------------------------------------------------------------------------------- the graph


@given(root=graphs())
def test_every_node_comes_after_its_operands_and_the_output_last(root: Value) -> None:
    data = graph_data(root)
    order = topological_order(root, leaves=True)[::-1]
    assert len(data["nodes"]) == len(order)
    assert order[-1] is root
    for k, (node, record) in enumerate(zip(order, data["nodes"], strict=True)):
        assert [order[place] for place in record.get("operands", [])] == list(node.parents)
        assert all(place < k for place in record.get("operands", []))
        assert record.get("op", "") == node.op
        assert record.get("label", "") == node.label
        assert record.get("constant", False) == node.is_constant


@given(root=graphs())
def test_adjoints_are_the_gradients_of_backward_and_the_graph_stays_as_it_was(root: Value) -> None:
    order = topological_order(root, leaves=True)[::-1]
    for k, node in enumerate(order):
        node.grad = float(k)
    numbers = graph_data(root)["numbers"]
    assert numbers["grad"] == [node.grad for node in order] == list(map(float, range(len(order))))
    root.zero_grad()
    root.backward()
    assert numbers["data"] == [node.data for node in order]
    assert numbers["partials"] == [list(node.partials) for node in order]
    # The engine adds what comes from one dot node in another order than that of its operands.
    assert numbers["adjoint"] == pytest.approx([node.grad for node in order], rel=1e-12, abs=1e-12)


def test_numbers_that_json_lacks_are_words_that_javascript_reads() -> None:
    x = Value(0.0, "x")
    numbers = graph_data(tg.sqrt(x) * math.inf + math.nan)["numbers"]
    assert {"Infinity", "NaN"} <= set(numbers["data"])
    json.dumps(numbers, allow_nan=False)


def test_a_gradient_of_zero_passes_on_nothing_even_at_a_pole() -> None:
    x = Value(0.0, "x")
    data = graph_data(tg.where(1.0, Value(3.0, "y"), tg.sqrt(x)))
    place = next(k for k, node in enumerate(data["nodes"]) if node.get("label") == "x")
    assert data["numbers"]["adjoint"][place] == 0.0


def test_a_derivative_of_zero_lets_not_even_an_infinite_gradient_through() -> None:
    x = Value(-1.0, "x")
    root = tg.sqrt(x.maximum(0.0))
    root.backward()
    assert graph_data(root)["numbers"]["adjoint"][0] == x.grad == 0.0


@pytest.mark.parametrize("op", [op for op in tg.ops.TABLE.values() if op.arity < 0], ids=lambda op: op.name)
def test_the_operands_of_an_nary_operation_are_sequences_and_single_ones(op: Any) -> None:
    record = {
        "dot": graph_data(dot([Value(2.0), Value(3.0)], [Value(5.0), Value(7.0)], Value(1.0))),
        "softmax": graph_data(tg.softmax([Value(1.0), Value(2.0)])[0]),
        "lookup": graph_data(tg.lookup([Value(1.0), Value(2.0)], Value(1.0))),
    }.get(op.name) or graph_data(getattr(tg, op.name)([Value(1.0), Value(2.0)]))
    found = record["operations"][op.name]
    count = len(record["nodes"][-1]["operands"])
    expected = {"dot": (2, 1, 5), "softmax": (1, 1, 3), "lookup": (1, 1, 3)}.get(op.name, (1, 0, 2))
    assert (found["sequences"], found["singles"], count) == expected
    assert (count - found["singles"]) % found["sequences"] == 0


def test_a_leaf_alone_is_a_graph() -> None:
    data = graph_data(Value(2.0))
    assert data["nodes"] == [{"name": "L"}]
    assert data["numbers"]["adjoint"] == [1.0]


# --------------------------------------------------------------------------------------------------- names


def test_nodes_without_a_name_are_numbered_with_a_letter_that_no_label_has() -> None:
    v1 = Value(1.0, "v1")
    nodes = [v1, v1 * v1, v1 + v1]
    assert short_names([*nodes, nodes[1] * nodes[2]], {}, {}) == ["v1", "u₁", "u₂", "L"]


def test_a_long_formula_is_no_name_for_an_output_in_formulas() -> None:
    a = Value(1.0, "L")
    root = a * a
    root.label = "a formula with more than twenty-four characters"
    data = graph_data(root)
    assert data["nodes"][-1] == {
        "name": "a formula with more tha…",
        "label": root.label,
        "op": "mul",
        "operands": [0, 0],
    }
    a.label = "a"
    assert graph_data(root)["nodes"][-1]["name"] == "L"


def test_variables_name_nodes_without_labels() -> None:
    w, xs = Value(1.0), [Value(2.0), Value(3.0)]
    data = graph_data(w * xs[0] * xs[1], names={"w": w, "xs": xs})
    assert [node["name"] for node in data["nodes"][:3]] == ["w", "xs[0]", "xs[1]"]


@pytest.mark.parametrize(
    ("name", "path", "short"),
    [
        ("layers.0.neurons.1.w.0", "model.layers[0].neurons[1]", "w.0"),
        ("model.layers[0].neurons[1].w[0]", "model.layers[0].neurons[1]", "w[0]"),
        ("w", "model", "w"),
        ("model", "model", "model"),
        ("models.w", "model", "models.w"),
        ("layers.0.w", "", "layers.0.w"),
        ("0.w", "model.layers[0]", "w"),
    ],
)
def test_names_leave_out_the_module_that_they_are_drawn_in(name: str, path: str, short: str) -> None:
    assert within(name, path) == short


# --------------------------------------------------------------------------------------------------- modules


def test_nodes_are_in_their_modules_and_modules_in_theirs() -> None:
    model = MLP(2, [2, 1], "tanh", seed=0)
    data = graph_data((model([1.0, 2.0]) - 1.0) ** 2, names={"model": model})
    paths = [module["path"] for module in data["modules"]]
    assert paths[0] == "model"
    assert {"model.layers[0]", "model.layers[0].neurons[1]"} <= set(paths)
    for k, module in enumerate(data["modules"]):
        assert module["around"] < k
        around = paths[module["around"]] if module["around"] >= 0 else ""
        assert module["path"] == f"{around}.{module['name']}".lstrip(".")
    weights = [node for node in data["nodes"] if node.get("name") == "w[0]"]
    assert {paths[node["module"]] for node in weights} == {path for path in paths if "neurons" in path}
    assert "module" not in data["nodes"][-1]  # the loss is nobody's


@pytest.mark.parametrize(("expanded", "closed"), [(True, False), (False, True)])
def test_modules_begin_as_asked(expanded: bool, closed: bool) -> None:
    model = MLP(2, [2, 1], seed=0)
    data = graph_data(model([1.0, 2.0]), names=model, expanded=expanded)
    assert {module["collapsed"] for module in data["modules"]} == {closed}


def test_modules_are_open_as_far_as_there_is_room() -> None:
    small, large = (MLP(2, [width, 1], seed=0) for width in (2, 100))
    assert not any(module["collapsed"] for module in graph_data(small([1.0, 2.0]), names=small)["modules"])
    data = graph_data(large([1.0, 2.0]), names=large)
    opened = [module["path"] for module in data["modules"] if not module["collapsed"]]
    assert opened == ["model"]
    assert len(data["nodes"]) > OPENED


# --------------------------------------------------------------------------------------------------- the page


@settings(max_examples=settings().max_examples * 3 // 5)
@given(label=texts)
def test_labels_stay_data(label: str) -> None:
    check_label(label)


@pytest.mark.parametrize("label", HOSTILE, ids=lambda label: ascii(label)[:30])
def test_hostile_labels_stay_data(label: str) -> None:
    check_label(label)


def check_label(label: str) -> None:
    page, reference = (explorer_page(Value(2.0, text) * Value(3.0, text), title=text) for text in (label, "REFERENCE"))
    found, expected = Tags(page), Tags(reference)
    assert Counter(tag for tag, _ in found.tags) == Counter(tag for tag, _ in expected.tags)
    assert found.inside("style") == expected.inside("style")
    assert [text for at, text in found.raw if at == {"tag": "script"}] == [
        text for at, text in expected.raw if at == {"tag": "script"}
    ]
    assert [node["label"] for node in data_of(page)["main"]["nodes"][:2]] == [visible(label)] * 2
    page.encode()


@given(
    data=st.recursive(
        st.text(st.characters()) | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    )
)
@example({"a": "</script>"})
@example(["<!--", "]]>", "\u2028"])
def test_json_in_a_script_is_ascii_without_markup_and_reads_back(data: Any) -> None:
    text = in_script(data)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == data


def test_the_page_names_nothing_to_load() -> None:
    page = explorer_page(neuron())
    loading = {"src", "href", "action", "formaction", "poster", "srcset", "background"}
    links = [attrs[name] for _, attrs in Tags(page).tags for name in loading & attrs.keys()]
    assert [link.partition(",")[0] for link in links if link] == ["data:image/svg+xml"]
    addresses = set(re.findall(r"https?://[\w./]+", page))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}  # names, not places
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_the_policy_admits_one_script_and_one_style_sheet_by_their_hashes() -> None:
    page = explorer_page(neuron())
    tags = Tags(page)
    (policy,) = (attrs["content"] for tag, attrs in tags.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in (policy or "").split("; "))
    (script,) = (text for at, text in tags.raw if at == {"tag": "script"})
    (style,) = tags.inside("style")
    digest = {
        text: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in (script, style)
    }
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    assert rules["script-src"] == digest[script]
    assert rules["style-src"] == digest[style]
    assert not any("style" in attrs or any(name.startswith("on") for name in attrs) for _, attrs in tags.tags)


def test_the_page_is_less_than_500_kilobytes() -> None:
    assert len(explorer_page(neuron()).encode()) < 500_000


def test_the_same_graph_gives_the_same_page() -> None:
    assert explorer_page(neuron()) == explorer_page(neuron())


def test_save_writes_the_page_and_refuses_other_names(tmp_path: Path) -> None:
    explorer = explore(neuron())
    assert explorer.save(tmp_path / "a.html").read_text(encoding="utf-8") == explorer.html
    with pytest.raises(ValueError, match=r"write save\('graph.html'\), not 'a.svg'"):
        explorer.save(tmp_path / "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_a_notebook_shows_the_page_in_a_frame_of_its_own() -> None:
    explorer = explore(Value(1.0, "</iframe><script>"))
    frame, script, *_ = Tags(explorer._repr_html_()).tags
    assert script[0] == "script"  # our own, which tells the frame the notebook's theme
    assert frame[0] == "iframe"
    assert frame[1]["srcdoc"] == explorer.html
    assert frame[1]["sandbox"] == "allow-scripts"
    assert frame[1]["title"] == "</iframe><script>"
    assert "save" in repr(explorer)


def test_viz_save_writes_the_page(tmp_path: Path) -> None:
    from tinygrad_lite import viz

    root = neuron()
    assert viz.save(root, tmp_path / "a.html", title="A").read_text(encoding="utf-8") == explorer_page(root, title="A")


def test_the_title_is_the_label_or_as_given() -> None:
    a = Value(2.0, "a <b>")
    assert "<title>a &lt;b&gt;</title>" in explorer_page(a)
    assert "<title>my title</title>" in explorer_page(a, title="my title")
    assert "<title>Gradient graph</title>" in explorer_page(Value(1.0))


def test_bad_input_is_told() -> None:
    with pytest.raises(TypeError, match="the graph of one Value, not list"):
        explore([Value(1.0)])
    with pytest.raises(ValueError, match=r"7 nodes, more than max_nodes=5: .* pass max_nodes=7"):
        explore(Value(1.0) + Value(2.0) + Value(3.0) + 0.0, max_nodes=5)
    with pytest.raises(ValueError, match="direction is one of LR, TB or None, not 'up'"):
        explore(Value(1.0), direction="up")
    with pytest.raises(TypeError, match="names are given as a mapping"):
        explore(Value(1.0), names=3)
    a = Value(1.0, "a")
    root = a * a
    a.data = 2.0
    with pytest.raises(StaleGraphError):
        explore(root)


def test_a_deep_chain_is_no_recursion() -> None:
    x = root = Value(0.5, "x")
    for _ in range(3000):
        root = root * 1.0
    assert graph_data(root, max_nodes=10_000)["numbers"]["adjoint"][0] == 1.0
    assert x.grad == 0.0


def test_html_of_the_page_is_well_formed() -> None:
    void = {"meta", "link", "input", "br", "wbr", "path", "circle"}
    stack: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in void:
                stack.append(tag)

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            pass

        def handle_endtag(self, tag: str) -> None:
            assert stack.pop() == tag

    checker = Checker()
    checker.feed(explorer_page(neuron()))
    checker.close()
    assert not stack
    identifiers = re.findall(r'\bid="([\w-]+)"', html.unescape(explorer_page(neuron())))
    assert len(identifiers) == len(set(identifiers))


def test_the_page_knows_what_the_formulas_call_one_of_many_operands() -> None:
    operations = graph_data(dot([Value(1.0, "w0"), Value(2.0, "w1")], [Value(3.0, "x0"), Value(4.0, "x1")]))[
        "operations"
    ]
    assert operations["dot"]["letters"] == ["w", "x"]
    assert operations["dot"]["index"] == "i"
    assert operations["dot"]["partials"][0] == ["msub", ["mi", "x"], ["mi", "i"]]
