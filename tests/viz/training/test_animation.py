"""Animations show the training and the sweep as they were: their states, numbers and words, not their pixels."""

from __future__ import annotations

import base64
import io
import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite import StaleGraphError, Value, dot, relu, sqrt, tanh, topological_order
from tinygrad_lite.nn.layers.layers import MLP
from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits
from tinygrad_lite.nn.optim.optimizers import SGD
from tinygrad_lite.nn.train.data import xor
from tinygrad_lite.plotting.themes import THEMES
from tinygrad_lite.viz.animation.svg_picture import SVG, image_of
from tinygrad_lite.viz.animation.sweep import sweep_steps
from tinygrad_lite.viz.animation.sweep_animation import animate_backward
from tinygrad_lite.viz.drawing import renderers
from tinygrad_lite.viz.training.animation import Animation, animate_training
from tinygrad_lite.viz.training.recorders import WeightRecorder

pytest.importorskip("matplotlib")

needs_renderer = pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed")


def trained(epochs: int = 6) -> WeightRecorder:
    inputs, targets = xor()
    model = MLP(2, [3, 1], "tanh", seed=0)
    optimizer = SGD(model.parameters(), 0.5)
    recorder = WeightRecorder(model)
    for _ in range(epochs):
        loss = binary_cross_entropy_with_logits([model(x) for x in inputs], targets)
        recorder.record(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return recorder


def frames_of(gif: bytes) -> list[Any]:
    from PIL import Image, ImageSequence

    return [frame.convert("RGB") for frame in ImageSequence.Iterator(Image.open(io.BytesIO(gif)))]


def durations_of(gif: bytes) -> list[int]:
    from PIL import Image, ImageSequence

    return [frame.info["duration"] for frame in ImageSequence.Iterator(Image.open(io.BytesIO(gif)))]


def shared() -> Value:
    """A node that is used twice: its gradient has two parts."""
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    y = tanh(a * b + 6.5) * a
    y.label = "y"
    return y


# ------------------------------------------------------------------------------------------------- the training


def test_a_gif_has_a_frame_for_each_state_that_was_taken_down() -> None:
    gif = animate_training(trained(), *xor(), resolution=12, fps=10).gif()
    frames = frames_of(gif)
    assert len(frames) == 6
    assert {frame.size for frame in frames} == {(800, 370)}
    assert durations_of(gif) == [100] * 5 + [2000]
    assert frames[0].tobytes() != frames[-1].tobytes()


def test_many_states_are_thinned_out_with_the_first_and_the_last() -> None:
    recorder = trained(30)
    animation = animate_training(recorder, *xor(), frames=5, resolution=4)
    assert len(animation.pictures) == 5
    first, last = (animate_training(_only(recorder, k), *xor(), resolution=4).pictures[0] for k in (0, -1))
    assert _boundary(animation.pictures[0]) == _boundary(first)
    assert _boundary(animation.pictures[-1]) == _boundary(last)


def _only(recorder: WeightRecorder, k: int) -> WeightRecorder:
    one = WeightRecorder(recorder.model)
    one.states, one.losses, one.epochs = [recorder.states[k]], [recorder.losses[k]], [recorder.epochs[k]]
    return one


def _boundary(picture: Any) -> bytes:
    """The part of a picture that the samples and the boundary are in."""
    data: bytes = picture.crop((80, 40, 380, 310)).tobytes()
    return data


def test_the_same_bytes_each_time_and_the_model_is_left_as_it_is() -> None:
    recorder = trained()
    output = recorder.model([1.0, 0.0])
    before = [p.data for p in recorder.model.parameters()]
    gifs = {animate_training(recorder, *xor(), resolution=8).gif() for _ in range(2)}
    assert len(gifs) == 1
    assert before == [p.data for p in recorder.model.parameters()]
    output.backward()  # its graph is not stale


@pytest.mark.parametrize("theme", THEMES)
def test_the_page_has_the_colour_of_the_theme(theme: str) -> None:
    from matplotlib.colors import to_hex

    animation = animate_training(trained(2), *xor(), resolution=4, theme=theme)
    for picture in frames_of(animation.gif()):
        assert to_hex([part / 255 for part in picture.getpixel((2, 2))]) == THEMES[theme].backdrop.lower()


def test_a_loss_that_is_not_known_is_left_out() -> None:
    recorder = trained(2)
    recorder.losses = [math.nan, math.nan]
    assert len(animate_training(recorder, *xor(), resolution=4).pictures) == 2


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))


def test_the_page_of_a_player_loads_nothing_and_has_labels() -> None:
    animation = animate_training(trained(3), *xor(), resolution=4)
    page = animation.html()
    reader = Reader()
    reader.feed(page)
    assert not re.search(r"https?://|\bsrc=\"(?!data:)|url\(|import ", page.replace("data:image/png", ""))
    tags = [tag for tag, _ in reader.elements]
    assert {"button", "input", "img", "script"} <= set(tags)
    assert dict(reader.elements)["input"]["aria-label"] == "picture"
    assert dict(reader.elements)["input"]["max"] == "2"
    assert page.count('"iVBOR') == 3


def test_a_description_is_text() -> None:
    picture = animate_training(trained(2), *xor(), resolution=4).pictures[0]
    animation = Animation([picture], 5.0, '"><script>alert(1)</script>')
    assert "<script>alert" not in animation.html() + animation._repr_html_()


def test_files_have_the_format_of_their_name(tmp_path: Path) -> None:
    animation = animate_training(trained(2), *xor(), resolution=4)
    assert animation.save(tmp_path / "a.GIF").read_bytes()[:6] == b"GIF89a"
    assert animation.save(tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(ValueError, match=r"saved as .gif or .html, not as 'a.mp4'"):
        animation.save(tmp_path / "a.mp4")


def test_what_cannot_be_animated_is_refused() -> None:
    recorder = trained(2)
    with pytest.raises(TypeError, match=r"takes a WeightRecorder.*not MLP"):
        animate_training(recorder.model, *xor())  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ValueError, match="took down nothing"):
        animate_training(WeightRecorder(recorder.model), *xor())
    with pytest.raises(ValueError, match="frames"):
        animate_training(recorder, *xor(), frames=1)
    with pytest.raises(ValueError, match="fps"):
        animate_training(recorder, *xor(), resolution=4, fps=0)
    with pytest.raises(ValueError, match="at least one picture"):
        Animation([], 5.0, "")


# ------------------------------------------------------------------------------------------- the steps of the sweep


def test_every_interior_node_passes_its_gradient_on_once_after_it_is_complete() -> None:
    y = shared()
    order = topological_order(y, leaves=True)
    steps = sweep_steps(order, [node.label or node.op for node in order], 4)
    active = [step.active for step in steps]
    assert sorted(i for i in active if i is not None) == [i for i, node in enumerate(order) if not node.is_leaf]
    assert active[0] is active[-1] is None
    y.backward()
    assert list(steps[-1].grads) == [node.grad for node in order]
    for step in steps:
        if step.active is not None:
            assert step.grads[step.active] == order[step.active].grad


def test_captions_say_what_is_multiplied_and_added() -> None:
    order = topological_order(shared(), leaves=True)
    steps = sweep_steps(order, [node.label or node.op for node in order], 4)
    assert [step.caption for step in steps] == [
        "the gradient of y by itself is 1",
        "step 1 of 4:  y  passes on  1 · 2 = 2  to tanh,  1 · 0.4621 = 0.4621  to a",
        "step 2 of 4:  tanh  passes on  2 · 0.7864 = 1.573  to add",
        "step 3 of 4:  add  passes on  1.573 · 1 = 1.573  to mul",
        "step 4 of 4:  mul  passes on  1.573 · (−3) = −4.719  to a (now −4.257),  1.573 · 2 = 3.146  to b",
        "every node has its gradient",
    ]


def test_a_gradient_of_0_passes_on_nothing_even_at_a_pole() -> None:
    x = Value(0.0, "x")
    y = sqrt(x) * relu(Value(-1.0, "c"))
    order = topological_order(y, leaves=True)
    steps = sweep_steps(order, [node.label or node.op for node in order], 4)
    y.backward()
    assert list(steps[-1].grads) == [node.grad for node in order]


@st.composite
def graphs(draw: st.DrawFn) -> Value:
    nodes = [Value(x, f"x{i}") for i, x in enumerate(draw(st.lists(st.floats(-2, 2), min_size=1, max_size=3)))]
    for kind in draw(st.lists(st.sampled_from(["+", "*", "dot", "tanh", "relu"]), min_size=1, max_size=6)):
        one, other = (draw(st.sampled_from(nodes)) for _ in range(2))
        made = {
            "+": one + other,
            "*": one * other,
            "tanh": tanh(one),
            "relu": relu(one),
            "dot": dot([one], [other], one),
        }
        nodes.append(made[kind])
    return nodes[-1]


@given(root=graphs())
def test_the_sweep_ends_with_the_gradients_of_backward(root: Value) -> None:
    order = topological_order(root, leaves=True)
    steps = sweep_steps(order, ["" for _ in order], 4)
    root.backward()
    assert list(steps[-1].grads) == pytest.approx([node.grad for node in order], rel=1e-12, abs=1e-12)
    assert steps[-1].done == {i for i, node in enumerate(order) if not node.is_leaf}


# ---------------------------------------------------------------------------------------------- the picture of it


def visible_texts(root: ET.Element) -> list[str]:
    found: list[str] = []

    def walk(element: ET.Element) -> None:
        if element.get("visibility") == "hidden":
            return
        if element.tag == f"{SVG}text":
            found.append(element.text or "")
        for child in element:
            walk(child)

    walk(root)
    return found


@needs_renderer
def test_each_still_shows_the_gradients_of_its_step() -> None:
    y = shared()
    animation = animate_backward(y)
    for k, step in enumerate(animation.steps):
        texts = visible_texts(animation._frames.still(k))
        shown = sorted(texts[i + 1] for i, text in enumerate(texts) if text == "grad")
        order = topological_order(y, leaves=True)
        grads = [grad for grad, node in zip(step.grads, order, strict=True) if not node.is_constant]
        expected = [f"{grad:.4g}".replace("-", "−") for grad in grads]
        assert shown == sorted(expected)
        assert texts[-1] == step.caption


@needs_renderer
def test_what_the_sweep_has_not_reached_is_faint_and_what_is_active_is_framed() -> None:
    y = shared()
    animation = animate_backward(y)
    order = topological_order(y, leaves=True)
    for k, step in enumerate(animation.steps):
        still = animation._frames.still(k)
        groups = [g for g in still.iter(f"{SVG}g") if g.get("class") == "node"]
        faint = sum(g.get("opacity") not in (None, "1") for g in groups)
        assert faint == sum(i not in step.reached and not node.is_constant for i, node in enumerate(order))
        frames = [r for g in groups for r in g.iter(f"{SVG}rect") if r.get("visibility") == "visible"]
        assert len(frames) == (step.active is not None)
        edges = [g for g in still.iter(f"{SVG}g") if g.get("class") == "edge"]
        lit = sum(g.get("opacity") == "1" for g in edges)
        assert lit == sum(len(order[i].parents) for i in step.done)


@needs_renderer
def test_the_file_that_moves_ends_in_its_last_state_and_stands_still_on_request() -> None:
    animation = animate_backward(shared())
    written = animation.svg()
    root = ET.fromstring(written)
    last = animation._frames.still(len(animation.steps) - 1)
    assert visible_texts(root) == visible_texts(last)
    style = root.findtext(f"{SVG}style") or ""
    assert "prefers-reduced-motion" in style
    rules = set(re.findall(r"^\.(s\d+) ", style, re.MULTILINE))
    used = {name for element in root.iter() for name in (element.get("class") or "").split() if name.startswith("s")}
    assert used == rules
    assert set(re.findall(r"@keyframes (s\d+)", style)) == rules
    assert all(line.count("%") > 1 for line in style.splitlines() if line.startswith("@keyframes"))
    assert root.findtext(f"{SVG}title") == "The backward sweep over the graph"
    assert written == animate_backward(shared()).svg()
    assert animation._repr_mimebundle_({"image/svg+xml"}) == {"image/svg+xml": written}
    assert base64.b64encode(written.encode()).decode() in animation._repr_mimebundle_()["text/html"]


@needs_renderer
def test_edges_have_the_colours_of_the_gradients_that_flow() -> None:
    still = animate_backward(shared())._frames.still(0)
    edges = [g for g in still.iter(f"{SVG}g") if g.get("class") == "edge"]
    strokes = {(path.get("stroke") or "").upper() for g in edges for path in g.iter(f"{SVG}path")}
    assert {THEMES["light"].positive, THEMES["light"].negative} <= strokes


def test_images_of_pictures_are_upright_and_read_no_mathematics() -> None:
    def dark(text: str) -> list[tuple[int, int]]:
        shapes = f'<text x="4" y="20" font-size="12" fill="#000000">{text}</text>'
        root = ET.fromstring(f'<svg xmlns="{SVG[1:-1]}" viewBox="0 0 60 60">{shapes}</svg>')
        image = image_of(root, 2.0, "#FFFFFF")
        return [(x, y) for x in range(120) for y in range(120) if sum(image.getpixel((x, y))) < 200]

    assert max(y for _, y in dark("x")) < 60
    assert len(dark("$x$")) > 2 * len(dark("x"))


@needs_renderer
def test_gradients_are_left_as_they_are() -> None:
    y = shared()
    nodes = topological_order(y, leaves=True)
    for i, node in enumerate(nodes):
        node.grad = float(i)
    animate_backward(y).svg()
    assert [node.grad for node in nodes] == [float(i) for i in range(len(nodes))]


@needs_renderer
def test_a_gif_has_a_frame_for_each_step() -> None:
    animation = animate_backward(shared(), seconds=0.5, theme="dark")
    gif = animation.gif()
    assert len(frames_of(gif)) == len(animation.steps)
    assert durations_of(gif)[:-1] == [500] * (len(animation.steps) - 1)
    assert gif == animate_backward(shared(), seconds=0.5, theme="dark").gif()


@needs_renderer
def test_sweeps_are_saved_in_the_format_of_their_name(tmp_path: Path) -> None:
    animation = animate_backward(shared())
    assert ET.parse(animation.save(tmp_path / "a.svg")).getroot().tag == f"{SVG}svg"
    assert animation.save(tmp_path / "a.gif").read_bytes()[:6] == b"GIF89a"
    with pytest.raises(ValueError, match=r"saved as .svg or .gif, not as 'a.html'"):
        animation.save(tmp_path / "a.html")


HOSTILE = [
    "<script>alert(1)</script>",
    "]]>",
    "&amp;",
    '"',
    "'><g>",
    "a\nb",
    "\x00",
    "$x$",
    "grad",
    "data",
    "-->",
    "{}",
    "x" * 99,
]


@needs_renderer
@pytest.mark.parametrize("label", HOSTILE, ids=lambda label: ascii(label[:20]))
def test_hostile_labels_stay_text(label: str) -> None:
    def picture(name: str) -> tuple[ET.Element, str]:
        a = Value(2.0, name)
        y = a * a
        y.label = name
        written = animate_backward(y).svg()
        return ET.fromstring(written), written

    root, _ = picture(label)
    reference, _ = picture("ab")
    assert [element.tag for element in root.iter()] == [element.tag for element in reference.iter()]
    assert "<script" not in picture(label)[1]
    image_of(animate_backward(Value(2.0, label) * 2.0)._frames.still(0), 1.0, "#FFFFFF")


@needs_renderer
@settings(max_examples=15)
@given(label=st.text(st.characters(), min_size=1, max_size=20))
def test_any_label_gives_a_well_formed_file(label: str) -> None:
    y = Value(2.0, label) * 3.0
    ET.fromstring(animate_backward(y).svg())


@needs_renderer
def test_names_of_the_code_are_in_captions() -> None:
    weight = Value(2.0)
    animation = animate_backward(weight * 3.0, names={"weight": weight})
    assert animation.steps[1].caption.endswith("to weight")


def test_what_cannot_be_swept_is_refused() -> None:
    with pytest.raises(TypeError, match="below a Value, not list"):
        animate_backward([])  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ValueError, match="seconds"):
        animate_backward(Value(1.0), seconds=0.0)
    x = y = Value(1.0)
    for _ in range(100):
        y = y + 1.0
    with pytest.raises(ValueError, match="201 nodes, more than max_nodes=60"):
        animate_backward(y)
    z = x * 2.0
    x.data = 5.0
    with pytest.raises(StaleGraphError, match="forward"):
        animate_backward(z)
