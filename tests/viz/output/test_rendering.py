"""Pictures come out of whichever renderer is there, and an error says what is missing or what failed."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tinygrad_lite import Value, dot
from tinygrad_lite.viz import RenderError, draw, render
from tinygrad_lite.viz.drawing import renderers

BEGINS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


def root() -> Value:
    xs = [Value(0.5, f"x{i}") for i in range(5)]
    y = dot(xs, xs, 1.0).tanh()
    y.backward()
    return y


@pytest.mark.parametrize("renderer", ["dot", "pygraphviz"])
@pytest.mark.parametrize("file_format", BEGINS)
def test_each_renderer_makes_each_format(renderer: str, file_format: str) -> None:
    if renderer not in renderers.installed():
        pytest.skip(f"{renderer} is not installed")
    contents = renderers._RENDERERS[renderer](draw(root()).source, file_format)
    assert contents.startswith(BEGINS[file_format])


@pytest.mark.skipif("pygraphviz" not in renderers.installed(), reason="pygraphviz is not installed")
def test_pygraphviz_needs_no_program_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert renderers.installed() == ["pygraphviz"]
    for file_format, begins in BEGINS.items():
        assert render(root(), file_format).startswith(begins)


@pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed")
def test_svg_has_a_group_for_each_node_and_edge() -> None:
    groups = [g.get("class") for g in ET.fromstring(render(root())).iter("{http://www.w3.org/2000/svg}g")]
    assert groups.count("node") == 8  # 5 inputs, the bias 1.0, dot and tanh
    assert groups.count("edge") == 12


@pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed")
def test_png_grows_with_dpi() -> None:
    def width(dpi: int | None) -> int:
        return int.from_bytes(render(root(), "png", dpi=dpi)[16:20], "big")

    assert width(288) == pytest.approx(2 * width(144), rel=0.02)
    assert width(None) == width(144)


def test_dot_needs_no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderers, "installed", list)
    assert render(root(), "dot").decode() == draw(root()).source


def test_without_a_renderer_the_error_names_both_ways_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert renderers.installed() == []
    with pytest.raises(RenderError, match=r"pip install tinygrad-lite\[viz\].*system.*graphviz"):
        render(root())


def test_when_one_renderer_fails_the_other_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(source: str, file_format: str) -> bytes:
        raise OSError("no fonts")

    monkeypatch.setattr(renderers, "installed", lambda: ["dot", "pygraphviz"])
    monkeypatch.setattr(renderers, "_RENDERERS", {"dot": fails, "pygraphviz": lambda source, file_format: b"picture"})
    assert render(root()) == b"picture"
    monkeypatch.setattr(renderers, "_RENDERERS", {"dot": fails, "pygraphviz": fails})
    with pytest.raises(RenderError, match="dot: no fonts; pygraphviz: no fonts"):
        render(root())


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a shell script")
def test_a_failing_dot_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    program = os.path.join(str(tmp_path), "dot")
    with open(program, "w", encoding="utf-8") as script:
        script.write('#!/bin/sh\necho "Format: svg not recognized" >&2\nexit 1\n')
    os.chmod(program, 0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(RenderError, match="dot: Format: svg not recognized"):
        render(root())


@pytest.mark.parametrize(
    ("arguments", "options", "error", "says"),
    [
        (("gif",), {}, ValueError, "svg, png, pdf, dot"),
        (("svg",), {"dpi": 100}, ValueError, "dpi is for PNG"),
        (("png",), {"dpi": 0}, ValueError, "dpi is for PNG"),
        (("png",), {"directions": "LR"}, TypeError, "directions"),
    ],
)
def test_wrong_options_are_refused(
    arguments: tuple[str], options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        render(root(), *arguments, **options)


def test_options_for_a_picture_that_is_drawn_are_refused() -> None:
    with pytest.raises(TypeError, match="pass precision to draw"):
        render(draw(root()), "dot", precision=3)


def test_importing_viz_loads_no_graphviz() -> None:
    program = "import sys, tinygrad_lite.viz; sys.exit(bool({'graphviz', 'pygraphviz'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
