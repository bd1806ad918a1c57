"""In a notebook a graph is shown as a picture, a huge one as text, and nothing ever fails."""

from __future__ import annotations

import base64
import pickle
import re
import subprocess
import sys

import pytest

from tinygrad_lite import Value, sum
from tinygrad_lite.lift import lift
from tinygrad_lite.viz import draw, explore, mimebundle, plot_history
from tinygrad_lite.viz.drawing import renderers
from tinygrad_lite.viz.drawing.embedding import embedded
from tinygrad_lite.viz.drawing.two_themes import merge
from tinygrad_lite.viz.output import notebook

needs_renderer = pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed")


def embedded_svg(html: str) -> str:
    """The file that the address of an image holds."""
    return base64.b64decode(html.partition("image/svg+xml;base64,")[2].partition('"')[0]).decode()


def chain(nodes: int) -> Value:
    value = Value(1.0, "x")
    for _ in range(nodes - 1):
        value = -value
    return value


@needs_renderer
def test_a_small_graph_is_shown_as_picture_and_text() -> None:
    bundle = mimebundle(chain(50))
    assert bundle.keys() == {"text/html", "text/plain"}
    assert "<svg" in embedded_svg(bundle["text/html"])
    assert bundle["text/plain"] == repr(chain(50))


@needs_renderer
def test_a_large_graph_is_shown_collapsed() -> None:
    svg = embedded_svg(mimebundle(sum([Value(1.0) for _ in range(1000)]))["text/html"])
    assert "×1,000" in svg
    assert svg.count('class="node"') == 2


@pytest.mark.parametrize("root", [chain(2001), sum([Value(1.0) for _ in range(2000)])], ids=["deep", "wide"])
def test_a_huge_graph_is_shown_as_text(root: Value) -> None:
    assert mimebundle(root) == {"text/plain": repr(root)}


@needs_renderer
def test_a_picture_that_would_make_the_notebook_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    length = len(embedded_svg(mimebundle(chain(3))["text/html"]))
    monkeypatch.setattr(notebook, "MAX_LENGTH", length - 1)
    assert mimebundle(chain(3)).keys() == {"text/plain"}


@needs_renderer
def test_a_drawn_picture_shows_itself_with_any_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    if "pygraphviz" in renderers.installed():
        monkeypatch.setenv("PATH", "")
    figure = draw(chain(3))
    assert "<svg" in embedded_svg(figure._repr_mimebundle_()["text/html"])
    assert "<svg" in figure._repr_mimebundle_(include={"image/svg+xml"})["image/svg+xml"]
    assert figure._repr_mimebundle_(include={"image/png"}) == {}
    assert figure._repr_mimebundle_(exclude={"text/html"}) == {}


@needs_renderer
def test_a_drawn_picture_is_the_same_text_in_every_run() -> None:
    first, second = draw(Value(1.0)), draw(Value(2.0))
    assert repr(first) == repr(second)
    assert "viz.save" in repr(first)


def test_ipython_finds_the_forms_of_a_value() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    bundle, _ = formatters.DisplayFormatter().format(chain(3))
    assert "<svg" in embedded_svg(bundle["text/html"])
    assert bundle["text/plain"] == repr(chain(3))


def test_the_size_is_found_at_once() -> None:
    root = chain(300_000)
    assert mimebundle(root).keys() == {"text/plain"}


@needs_renderer
def test_include_and_exclude_are_honoured() -> None:
    root = chain(3)
    assert mimebundle(root, include={"image/svg+xml"}).keys() == {"image/svg+xml"}
    assert mimebundle(root, exclude={"text/html"}).keys() == {"text/plain"}
    assert mimebundle(root, {"text/latex"}) == {}


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
assert y._repr_mimebundle_().keys() == {"text/html", "text/plain"}
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_renderer
def test_a_picture_without_a_theme_has_the_colours_of_both() -> None:
    product = chain(3) * Value(2.0, "#ffffff")
    product.backward()
    svg = mimebundle(product, {"image/svg+xml"})["image/svg+xml"]
    light, dark = (draw(product, theme=theme) for theme in ("light", "dark"))
    assert_colours(svg, light.in_page(), dark.in_page())


@needs_renderer
def test_programs_have_the_colours_of_both_themes() -> None:
    f = lift(lambda x, y: [(p * q).tanh() for p, q in zip(x, y, strict=True)])
    f([1.0, 2.0], [3.0, 4.0])
    light, dark = (draw(f, theme=theme) for theme in ("light", "dark"))
    assert_colours(draw(f).in_page(), light.in_page(), dark.in_page())


def assert_colours(both: str, light: str, dark: str) -> None:
    """Each paint of the one file is the light picture's, but for a shade, and the style makes it the dark one's."""
    rules = dict(re.findall(r'\[(?:fill|stroke)="(#\w+)"\]\{(?:fill|stroke):(#\w+)\}', both))
    paints = [re.findall(r' (?:fill|stroke)="([^"]+)"', text) for text in (both, light, dark)]
    assert len({*map(len, paints)}) == 1
    assert rules
    for shown, bright, dim in zip(*paints, strict=True):
        assert rules.get(shown, shown) == dim
        assert shown == bright or abs(int(shown[1:], 16) - int(bright[1:], 16)) < 8


@needs_renderer
def test_a_picture_in_a_theme_stays_in_it() -> None:
    assert "prefers-color-scheme" not in draw(chain(3), theme="light").in_page()
    assert "prefers-color-scheme" in draw(chain(3)).in_page()


def test_sources_that_differ_in_more_than_colours_are_not_merged() -> None:
    with pytest.raises(ValueError, match="more than their colours"):
        merge('a [color="#ffffff"]', 'b [color="#000000"]')


def test_words_of_a_picture_are_no_markup() -> None:
    assert "<script>" not in embedded("<svg/>", '"><script>alert(1)</script>')


@needs_renderer
def test_an_explorer_has_a_still_picture_beside_its_frame() -> None:
    html = explore(chain(3))._repr_html_()
    name = re.search(r'<div class="(still-\w+)">', html)
    assert name is not None
    assert f"<style>.{name[1]} {{ display: none }}</style>" in html
    assert "<svg" in embedded_svg(html)
    passes = explore(lift(lambda x: x * x).passes_for(2.0))._repr_html_()
    assert "<svg" in embedded_svg(passes)


def test_without_a_renderer_an_explorer_is_its_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderers, "installed", list)
    html = explore(chain(3))._repr_html_()
    assert "<iframe" in html
    assert "still-" not in html


def test_a_plot_shows_itself_before_pyplot_is_imported() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    figure = plot_history([1.0, 0.5])
    bundle, metadata = formatters.DisplayFormatter().format(figure)
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert 0 < metadata["image/png"]["width"] < 1000
    assert pickle.loads(pickle.dumps(figure)).axes
