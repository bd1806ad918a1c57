"""In a notebook a small graph is shown as a picture, a large one as text, and nothing ever fails."""

from __future__ import annotations

import time

import pytest

from tinygrad_lite import Value, sum
from tinygrad_lite.viz import mimebundle, rendering

needs_renderer = pytest.mark.skipif(not rendering.installed(), reason="neither dot nor pygraphviz is installed")


def chain(nodes: int) -> Value:
    value = Value(1.0, "x")
    for _ in range(nodes - 1):
        value = -value
    return value


@needs_renderer
def test_a_small_graph_is_shown_as_picture_and_text() -> None:
    bundle = mimebundle(chain(100))
    assert bundle.keys() == {"image/svg+xml", "text/plain"}
    assert "<svg" in bundle["image/svg+xml"]
    assert bundle["text/plain"] == repr(chain(100))


@pytest.mark.parametrize("root", [chain(101), sum([Value(1.0) for _ in range(100)])], ids=["deep", "wide"])
def test_a_large_graph_is_shown_as_text(root: Value) -> None:
    assert mimebundle(root) == {"text/plain": repr(root)}


def test_a_huge_graph_is_shown_at_once() -> None:
    root = chain(300_000)
    start = time.perf_counter()
    assert mimebundle(root).keys() == {"text/plain"}
    assert time.perf_counter() - start < 0.05


@needs_renderer
def test_include_and_exclude_are_honoured() -> None:
    root = chain(3)
    assert mimebundle(root, include={"image/svg+xml"}).keys() == {"image/svg+xml"}
    assert mimebundle(root, exclude={"image/svg+xml"}).keys() == {"text/plain"}
    assert mimebundle(root, {"text/html"}) == {}


def test_without_a_renderer_it_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "installed", list)
    assert mimebundle(chain(3)).keys() == {"text/plain"}


def test_a_stale_graph_is_text() -> None:
    x = Value(1.0, "x")
    y = x * x
    x.data = 2.0
    assert mimebundle(y).keys() == {"text/plain"}
