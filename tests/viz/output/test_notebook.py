"""In a notebook a graph is shown as a picture, a huge one as text, and nothing ever fails."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tinygrad_lite import Value, sum
from tinygrad_lite.viz import draw, mimebundle
from tinygrad_lite.viz.drawing import renderers
from tinygrad_lite.viz.output import notebook

needs_renderer = pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed")


def chain(nodes: int) -> Value:
    value = Value(1.0, "x")
    for _ in range(nodes - 1):
        value = -value
    return value


@needs_renderer
def test_a_small_graph_is_shown_as_picture_and_text() -> None:
    bundle = mimebundle(chain(50))
    assert bundle.keys() == {"image/svg+xml", "text/plain"}
    assert "<svg" in bundle["image/svg+xml"]
    assert bundle["text/plain"] == repr(chain(50))


@needs_renderer
def test_a_large_graph_is_shown_collapsed() -> None:
    svg = mimebundle(sum([Value(1.0) for _ in range(1000)]))["image/svg+xml"]
    assert "×1,000" in svg
    assert svg.count('class="node"') == 2


@pytest.mark.parametrize("root", [chain(2001), sum([Value(1.0) for _ in range(2000)])], ids=["deep", "wide"])
def test_a_huge_graph_is_shown_as_text(root: Value) -> None:
    assert mimebundle(root) == {"text/plain": repr(root)}


@needs_renderer
def test_a_picture_that_would_make_the_notebook_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    length = len(mimebundle(chain(3))["image/svg+xml"])
    monkeypatch.setattr(notebook, "MAX_LENGTH", length - 1)
    assert mimebundle(chain(3)).keys() == {"text/plain"}


@needs_renderer
def test_a_drawn_picture_shows_itself_with_any_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    if "pygraphviz" in renderers.installed():
        monkeypatch.setenv("PATH", "")
    figure = draw(chain(3))
    assert "<svg" in figure._repr_mimebundle_()["image/svg+xml"]
    assert figure._repr_mimebundle_(include={"image/png"}) == {}
    assert figure._repr_mimebundle_(exclude={"image/svg+xml"}) == {}


@needs_renderer
def test_a_drawn_picture_is_the_same_text_in_every_run() -> None:
    first, second = draw(Value(1.0)), draw(Value(2.0))
    assert repr(first) == repr(second)
    assert "viz.save" in repr(first)


def test_ipython_finds_the_forms_of_a_value() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    bundle, _ = formatters.DisplayFormatter().format(chain(3))
    assert "<svg" in bundle["image/svg+xml"]
    assert bundle["text/plain"] == repr(chain(3))


def test_the_size_is_found_at_once() -> None:
    root = chain(300_000)
    assert mimebundle(root).keys() == {"text/plain"}


@needs_renderer
def test_include_and_exclude_are_honoured() -> None:
    root = chain(3)
    assert mimebundle(root, include={"image/svg+xml"}).keys() == {"image/svg+xml"}
    assert mimebundle(root, exclude={"image/svg+xml"}).keys() == {"text/plain"}
    assert mimebundle(root, {"text/html"}) == {}


def test_without_a_renderer_it_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderers, "installed", list)
    assert mimebundle(chain(3)).keys() == {"text/plain"}


def test_a_stale_graph_is_text() -> None:
    x = Value(1.0, "x")
    y = x * x
    x.data = 2.0
    assert mimebundle(y).keys() == {"text/plain"}


@needs_renderer
def test_what_is_shown_first_imports_what_draws_it() -> None:
    """The engine does not know of viz, and a notebook need not import it."""
    code = """
import sys
import tinygrad_lite as tg
y = tg.Value(2.0) * 3.0
assert "tinygrad_lite.viz" not in sys.modules
assert y._repr_mimebundle_().keys() == {"image/svg+xml", "text/plain"}
"""
    subprocess.run([sys.executable, "-c", code], check=True)
