"""The tree in the terminal has each node once, its numbers, and the local derivatives."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import StaleGraphError, Value, dot, sqrt, sum, topological_order
from tinygrad_lite.viz.output.tree import tree


@st.composite
def graphs(draw: st.DrawFn) -> Value:
    nodes = [Value(draw(st.floats(-2, 2)), f"x{i}") for i in range(draw(st.integers(1, 3)))]
    for i in range(draw(st.integers(1, 6))):
        node = draw(st.sampled_from(nodes)) * draw(st.sampled_from(nodes))
        node.label = f"y{i}"
        nodes.append(node)
    nodes[-1].backward()
    return nodes[-1]


@given(root=graphs())
def test_each_node_is_written_out_once_and_each_use_has_its_local_derivative(root: Value) -> None:
    order = topological_order(root, leaves=True)
    lines = tree(root, max_nodes=1000, precision=17).lines[1:]
    first = [line for line in lines if "↑" not in line]
    assert sorted(re.findall(r"[xy]\d+", " ".join(line.split(" = ")[0] for line in first))) == sorted(
        node.label for node in order
    )
    uses = [
        (operand.label, partial) for node in order for operand, partial in zip(node.parents, node.partials, strict=True)
    ]
    found = [(name, float(local)) for local, name in re.findall(r"\[([^]]+)\]─ (?:↑ )?([xy]\d+)", "\n".join(lines))]
    assert sorted(found) == sorted(uses)
    for node in order:
        line = next(line for line in first if re.search(rf"{node.label}\b", line))
        assert line.split()[-2:] == [f"{node.data:.17g}", f"{node.grad:.17g}"]


def test_it_reads_like_this() -> None:
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    h = -(a * b)
    root = h * h + 1.0
    root.backward()
    assert tree(root).lines == [
        "                    data  grad",
        "+                     37     1",
        "├─[1]─ *              36     1",
        "│  ├─[6]─ neg #1       6    12",
        "│  │  └─[-1]─ *       -6   -12",
        "│  │     ├─[-3]─ a     2    36",
        "│  │     └─[2]─ b     -3   -24",
        "│  └─[6]─ ↑ #1",
        "└─ 1",
    ]
    assert str(tree(root)) == repr(tree(root)) == "\n".join(tree(root).lines)


def test_columns_are_aligned_also_beside_wide_characters() -> None:
    root = Value(2.0, "漢字") + Value(3.0, "e\u0301")
    lines = tree(root).lines
    assert lines[2] == "├─[1]─ 漢字     2     0"
    assert lines[3] == "└─[1]─ e\u0301        3     0"


def test_names_are_found_in_variables() -> None:
    w, xs = Value(2.0), [Value(3.0)]
    assert "xs[0]" in str(tree(w * xs[0], names={"w": w, "xs": xs}))


def test_depth_cuts_with_a_mark() -> None:
    lines = tree((-Value(2.0, "x")).abs().sqrt(), depth=1).lines
    assert [line.split()[0] for line in lines[1:]] == ["sqrt", "└─[0.3536]─"]
    assert lines[2].split()[1:3] == ["abs", "⋯"]


def test_a_deep_graph_is_cut_at_max_nodes_and_takes_no_recursion() -> None:
    y = Value(1.0)
    for _ in range(100_000):
        y = -y
    lines = tree(y, max_nodes=50).lines
    assert len(lines) == 51
    assert "⋯" in lines[-1]


def test_a_wide_node_says_how_many_operands_are_left_out() -> None:
    lines = tree(sum([Value(1.0, "x") for _ in range(100)])).lines
    assert lines[-1] == "└─ ⋯ 88 more operands"
    assert len(lines) == 2 + 12 + 1


def test_the_nodes_nearest_to_the_root_are_kept() -> None:
    deep = Value(1.0, "far")
    for _ in range(100):
        deep = -deep
    text = str(tree(deep + Value(1.0, "near"), max_nodes=10))
    assert "near" in text
    assert "far" not in text


def test_control_characters_and_characters_that_turn_text_around_are_escaped() -> None:
    text = str(tree(Value(1.0, "a\nb\x1b[31m\u202ec\u2066") + 1.0))
    assert "a␊b␛[31m\\u202ec\\u2066" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\u2066]", text)


def test_a_long_label_is_shortened() -> None:
    assert max(map(len, tree(Value(1.0, "x" * 10_000)).lines)) < 80


def test_what_is_not_shown_is_not_there() -> None:
    y = sqrt(Value(4.0, "x"))
    y.backward()
    assert tree(y, show=()).lines == ["sqrt", "└─ x"]
    assert tree(y, show=["local"]).lines == ["sqrt", "└─[0.25]─ x"]
    assert tree(y, show="grad").lines[0].split() == ["grad"]


def test_where_forward_raised_the_operation_is_marked_and_old_numbers_are_not_shown() -> None:
    x = Value(2.0, "x")
    y = x.log() + 1.0
    x.data = -1.0
    with pytest.raises(ValueError, match="math domain"):
        y.forward()
    assert tree(y).lines[1:3] == ["+  not evaluated", "├─ log  ✗ ValueError: math domain error"]


def test_a_stale_graph_is_refused() -> None:
    x = Value(2.0, "x")
    y = x * x
    x.data = 3.0
    with pytest.raises(StaleGraphError, match="forward"):
        tree(y)


@pytest.mark.parametrize("options", [{"depth": -1}, {"max_nodes": 0}, {"precision": 0}, {"show": ["sign"]}])
def test_options_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        tree(Value(1.0), **options)  # type: ignore[arg-type]  # the point of the test


def test_what_is_not_a_value_is_refused() -> None:
    with pytest.raises(TypeError, match="not list"):
        tree([Value(1.0)])  # type: ignore[arg-type]  # the point of the test


def test_constants_have_no_gradient_and_no_local_derivative() -> None:
    lines = tree(dot([2.0], [Value(3.0, "x")], 0.0)).lines
    assert lines[2] == "├─ 2"
    assert lines[4] == "└─ 0"
