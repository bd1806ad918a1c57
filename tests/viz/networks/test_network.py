"""The picture of a network shows each weight, bias and value as it is, in the order of the neurons' numbers."""

from __future__ import annotations

import base64
import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lite import Value, nn, tanh, viz
from tinygrad_lite.plotting.themes import THEMES
from tinygrad_lite.viz.networks.layout import place_columns

SVG = "{http://www.w3.org/2000/svg}"


def drawn(picture: Any) -> ET.Element:
    return ET.fromstring(picture.svg())


def numbers_of(root: ET.Element, what: str) -> dict[tuple[str, str], tuple[float, dict[str, str]]]:
    """The number that the tooltip of each edge has, and how it looks, by the names of its ends."""
    found = {}
    for path in root.iter(f"{SVG}path"):
        tooltip = path.findtext(f"{SVG}title")
        if tooltip:
            number, ends = tooltip.removeprefix(f"{what} ").split("\n")
            start, end = ends.split(" → ")
            found[start, end] = (float(number), dict(path.attrib))
    return found


def circles_of(root: ET.Element) -> list[ET.Element]:
    return list(root.iter(f"{SVG}ellipse"))


def test_each_weight_is_an_edge_whose_width_and_colour_are_its_size_and_sign() -> None:
    model = nn.MLP(3, [8, 8, 1], activation="tanh", seed=0)
    edges = numbers_of(drawn(viz.network(model)), "weight")
    assert len(edges) == 3 * 8 + 8 * 8 + 8
    expected = {}
    for k, layer in enumerate(model.layers):
        for j, neuron in enumerate(layer.neurons):
            for i, w in enumerate(neuron.w):
                start = "x" + "₁₂₃"[i] if k == 0 else f"layers.{k - 1}[{i}]"
                expected[start, f"layers.{k}[{j}]"] = w.data
    assert {ends: number for ends, (number, _) in edges.items()} == expected
    ordered = sorted(edges.values(), key=lambda edge: abs(edge[0]))
    widths = [float(look["stroke-width"]) for _, look in ordered]
    assert widths == sorted(widths)
    assert widths[-1] > 5 * widths[0]
    for number, look in ordered:
        assert look["stroke"] == (THEMES["light"].positive if number > 0 else THEMES["light"].negative)


def test_widths_are_in_proportion_over_the_whole_picture() -> None:
    model = nn.MLP(1, [2, 1], activation=None, seed=0)
    for parameter, number in zip(model.parameters(), (1.0, 0.0, -2.0, 0.0, 4.0, 0.5, 0.0), strict=True):
        parameter.data = number
    looks = dict(numbers_of(drawn(viz.network(model)), "weight").values())
    least, *widths = [float(looks[number]["stroke-width"]) for number in (0.5, 1.0, -2.0, 4.0)]
    steps = [widths[0] - least, widths[1] - widths[0], widths[2] - widths[1]]
    assert steps == pytest.approx([steps[0], 2 * steps[0], 4 * steps[0]], abs=0.03)


def test_gradients_are_those_that_backward_left() -> None:
    neuron = nn.Neuron(2, None)
    neuron([3.0, -5.0]).backward()
    edges = numbers_of(drawn(viz.network(neuron, edges="gradient")), "gradient")
    assert {start: number for (start, _), (number, _) in edges.items()} == {"x₁": 3.0, "x₂": -5.0}
    assert "gradient of the bias 1.0" in (circles_of(drawn(viz.network(neuron, edges="gradient")))[-1][0].text or "")
    neuron.zero_grad()
    assert "every gradient is 0" in viz.network(neuron, edges="gradient").svg()


def test_values_are_what_the_neurons_give_in_evaluation_mode() -> None:
    first, second = nn.Linear(2, 3, generator=0), nn.Linear(3, 1, bias=False, generator=1)
    model = nn.Sequential(first, nn.Tanh(), nn.Dropout(0.5), second)
    x = [0.3, -0.7]
    tooltips = [circle[0].text or "" for circle in circles_of(drawn(viz.network(model, x)))]
    values = [float(re.search(r"value (.*)$", tooltip)[1]) for tooltip in tooltips]  # type: ignore[index]
    hidden = [
        math.tanh(sum(w.data * v for w, v in zip(row, x, strict=True)) + b.data)
        for row, b in zip(first.weight, first.bias, strict=True)
    ]
    output = sum(w.data * h for w, h in zip(second.weight[0], hidden, strict=True))
    assert values == pytest.approx([*x, *hidden, output], rel=1e-14)
    assert model.training
    assert all(parameter.grad == 0.0 for parameter in model.parameters())


def test_neurons_stand_in_the_order_of_their_numbers() -> None:
    tooltips = [circle[0].text or "" for circle in circles_of(drawn(viz.network(nn.MLP(2, [8, 1]))))]
    heights = [float(circle.get("cy", "")) for circle in circles_of(drawn(viz.network(nn.MLP(2, [8, 1]))))]
    assert [tooltip.split("\n")[0] for tooltip in tooltips[2:10]] == [f"layers.0[{k}]" for k in range(8)]
    assert heights[2:10] == sorted(heights[2:10])


def test_circles_and_gaps_do_not_touch_one_another_or_the_rim() -> None:
    for sizes in ([3, 8, 8, 1], [784, 128, 10], [1, 1], [2, *[8] * 12, 1], [17, 16, 15]):
        layout = place_columns(sizes, 16, ["a name"], ["y"])
        for places, gap, size in zip(layout.columns, layout.gaps, sizes, strict=True):
            assert len(places) == min(size, 16)
            assert (gap.left_out if gap else 0) == size - len(places)
            heights = sorted([place.y for place in places] + ([gap.y] if gap else []))
            assert all(high - low > 2.5 * layout.radius for low, high in pairwise(heights))
            assert heights[0] > layout.radius
            assert heights[-1] < layout.below
        xs = [places[0].x for places in layout.columns]
        assert all(right - left >= 4 * layout.radius for left, right in pairwise(xs))
        assert layout.radius < xs[0] < xs[-1] < layout.width - layout.radius


def test_a_large_layer_says_how_many_it_leaves_out() -> None:
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    root = drawn(viz.network(model))
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert {"… ×768", "… ×112", "784", "128", "10", "relu", "input", "output"} <= set(words)
    assert len(numbers_of(root, "weight")) == 16 * 16 + 16 * 10
    greatest = max(abs(parameter.data) for parameter in model.parameters())  # of all, not of those that are drawn
    assert f"wider: larger, up to {greatest:.3g}" in words


def test_what_is_not_finite_is_not_drawn_as_a_number() -> None:
    model = nn.Neuron(2, None)
    model.w[0].data = math.nan
    model.w[1].data = 2.0
    looks = {str(number): look for number, look in numbers_of(drawn(viz.network(model)), "weight").values()}
    assert looks["nan"]["stroke"] == THEMES["light"].not_finite
    assert "stroke-dasharray" in looks["nan"]
    assert looks["2.0"]["stroke"] == THEMES["light"].positive


def test_on_paper_negative_is_dashed() -> None:
    edges = numbers_of(drawn(viz.network(nn.MLP(2, [3, 1], seed=0), theme="print")), "weight")
    assert {("stroke-dasharray" in look) == (number < 0.0) for number, look in edges.values()} == {True}


def test_names_are_drawn_as_they_stand() -> None:
    picture = viz.network(nn.Neuron(2), input_names=["<b>&", "a\x00"], output_names=[])
    words = [text.text for text in drawn(picture).iter(f"{SVG}text")]
    assert words[:2] == ["<b>&", "a␀"]


def test_functions_of_the_table_and_names_of_layers_are_named() -> None:
    model = nn.Sequential(nn.Layer(2, 4, "sin"), nn.Linear(4, 4), tanh, nn.Linear(4, 3), nn.Softmax())
    words = [text.text for text in drawn(viz.network(model, [1.0, 2.0])).iter(f"{SVG}text")]
    assert [word for word in words if word in ("input", "sin", "tanh", "softmax")] == [
        "input",
        "sin",
        "tanh",
        "softmax",
    ]
    shown = re.search(r"value ([\d.]+)", circles_of(drawn(viz.network(model, [1.0, 2.0])))[-1][0].text or "")
    assert shown is not None
    same = nn.Sequential(*(nn.Tanh() if part is tanh else part for part in model))  # tanh itself takes no lists
    assert float(shown[1]) == same([1.0, 2.0])[-1].data


class _Own(nn.MLP):
    def forward(self, x: Any) -> Any:
        return super().forward(x)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Sequential(nn.Conv1d(1, 2, 3), nn.Linear(2, 1)), r"cannot draw Conv1d.* of Sequential: .*model\.summary"),
        (nn.MultiHeadAttention(4, 2), "cannot draw MultiHeadAttention"),
        (nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)), "cannot draw LayerNorm"),
        (nn.Sequential(nn.Linear(2, 2), lambda xs: xs), "cannot draw the function f of Sequential"),
        (_Own(2, [1]), "a forward of its own"),
        (Value(1.0), "draws a model of nn.*draw.value."),
    ],
)
def test_other_models_are_refused_with_what_to_do_instead(model: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        viz.network(model)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"x": [1.0]}, "a number for each of the 2 inputs"),
        ({"x": [[1.0, 2.0]]}, r"x=X\[0\]"),
        ({"edges": "bias"}, "'weight', 'gradient', not 'bias'"),
        ({"input_names": ["a"]}, "1 names, and there are 2"),
        ({"max_neurons": 1}, "from 2 on"),
        ({"theme": "pink"}, "theme is one of"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        viz.network(nn.MLP(2, [3, 1]), **options)


def test_layers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 4 numbers, and there are 3"):
        viz.network(nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 1)))
    with pytest.raises(ValueError, match="no layer of neurons"):
        viz.network(nn.Sequential(nn.ReLU()))


def test_it_is_saved_and_shown_as_other_pictures(tmp_path: Path) -> None:
    picture = viz.network(nn.MLP(2, [3, 1], seed=0))
    assert viz.save(picture, tmp_path / "a.svg").read_text(encoding="utf-8") == picture.svg()
    shown = picture._repr_html_()
    source = re.search(r"base64,([^\"]+)", shown)
    assert source is not None
    both = base64.b64decode(source[1]).decode()
    assert re.sub(r"<style>@media.*</style>", "", both).count("<") == picture.svg().count("<")
    assert "prefers-color-scheme" in both
    light = viz.network(nn.MLP(2, [3, 1], seed=0), theme="light")
    assert base64.b64encode(light.svg().encode()).decode() in light._repr_html_()
    for name in ("a.dot", "a.json"):
        with pytest.raises(ValueError, match="made as svg, png or pdf"):
            viz.save(picture, tmp_path / name)
    with pytest.raises(TypeError, match=r"drawn already: pass theme to network\(\)"):
        viz.save(picture, tmp_path / "a.svg", theme="dark")


def test_png_and_pdf(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from PIL import Image

    picture = viz.network(nn.MLP(2, [3, 1], seed=0), [1.0, 0.0])
    width = float(drawn(picture).get("width", ""))
    with Image.open(viz.save(picture, tmp_path / "a.png", dpi=72)) as image:
        assert abs(image.width - width) <= 1
        assert len(image.convert("RGB").getcolors(100_000) or []) > 20
    assert picture.save(tmp_path / "a.pdf").read_bytes() == viz.render(picture, "pdf")
    assert picture.pdf().startswith(b"%PDF")


def trained() -> viz.WeightRecorder:
    model = nn.MLP(2, [2, 1], activation="tanh", seed=0)
    recorder = viz.WeightRecorder(model)
    for step in range(3):
        model.parameters()[0].data = float(step - 1)
        recorder.record(0.5**step)
    return recorder


def test_an_animation_goes_through_what_was_taken_down() -> None:
    recorder = trained()
    recorder.model.parameters()[0].data = 7.0
    animation = viz.animate_network(recorder, [1.0, 2.0], fps=2.0)
    root = ET.fromstring(animation.svg())
    style = root.findtext(f"{SVG}style") or ""
    (edge,) = (path for path in root.iter(f"{SVG}path") if path.get("class"))
    (rule,) = re.findall(rf"@keyframes {edge.get('class')} {{ (.*) }}", style)
    light = THEMES["light"]
    assert re.findall(r"([\d.]+)%[^{]*{ stroke: (\S+);", rule) == [
        ("0.00", light.negative), ("16.67", light.faint), ("33.33", light.positive)
    ]  # fmt: skip
    assert "animation: none" in style
    captions = [text for text in root.iter(f"{SVG}text") if (text.text or "").startswith("epoch")]
    assert [text.text for text in captions] == ["epoch 0, loss 1", "epoch 1, loss 0.5", "epoch 2, loss 0.25"]
    assert [text.get("visibility") for text in captions] == ["hidden", "hidden", "visible"]
    assert recorder.model.parameters()[0].data == 7.0
    assert "base64" in animation._repr_html_()


def test_a_weight_that_changes_its_sign_changes_its_dashes_in_print() -> None:
    svg = viz.animate_network(trained(), theme="print").svg()
    (edge,) = (path for path in ET.fromstring(svg).iter(f"{SVG}path") if path.get("class"))
    (rule,) = re.findall(rf"@keyframes {edge.get('class')} {{ (.*) }}", svg)
    assert re.findall(r"stroke-dasharray: ([\w,]+)", rule) == ["5,3", "none", "none"]
    assert edge.get("stroke-dasharray") is None


def test_an_animation_is_saved(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    animation = viz.animate_network(trained(), frames=2)
    assert animation.save(tmp_path / "a.gif").read_bytes().startswith(b"GIF89a")
    assert animation.save(tmp_path / "a.html").read_text(encoding="utf-8").count("iVBOR") == 2
    with pytest.raises(ValueError, match=r"saved as .svg or .gif or .html"):
        animation.save(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("recorder", "options", "kind", "words"),
    [
        (nn.MLP(2, [1]), {}, TypeError, "takes a WeightRecorder"),
        (viz.WeightRecorder(nn.MLP(2, [1])), {}, ValueError, "took down nothing"),
        (trained(), {"frames": 1}, ValueError, "frames is an int"),
        (trained(), {"fps": 0.0}, ValueError, "fps is a number"),
    ],
)
def test_what_cannot_be_animated_is_refused(recorder: Any, options: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        viz.animate_network(recorder, **options)
