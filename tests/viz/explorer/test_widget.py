"""The widget answers what its page asks, and says what is missing where it cannot be made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lite import Value
from tinygrad_lite.viz.explorer.graph_page import explorer_page
from tinygrad_lite.viz.output.explore import explore


def made(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[Any], list[Value]]:
    """A widget, the messages that it sends, and its leaves."""
    pytest.importorskip("anywidget")
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    root = a * b
    root.label = "product"
    widget = explore(root, live=True)
    sent: list[Any] = []
    monkeypatch.setattr(type(widget), "send", lambda self, content, buffers=None: sent.append(content))
    return widget, sent, [a, b]


def test_the_widget_has_the_page_of_its_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    widget, _, _ = made(monkeypatch)
    assert '"live":"notebook"' in widget.page
    assert widget.title == "product"
    assert {"page", "title"} <= set(widget.keys)  # what the notebook is sent


def test_a_message_sets_leaves_and_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    widget, sent, (a, b) = made(monkeypatch)
    widget._handle_custom_msg({"number": 7, "request": {"set": {"0": 5.0}}}, [])
    (message,) = sent
    assert (message["explorer"], message["number"]) == (True, 7)
    assert message["answer"]["numbers"]["data"] == [5.0, -3.0, -15.0]
    assert (a.data, a.grad, b.grad) == (5.0, -3.0, 5.0)


def test_a_message_that_is_no_request_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    widget, sent, (a, _) = made(monkeypatch)
    widget._handle_custom_msg({"number": 1, "request": {"set": {"0": "x"}}}, [])
    assert sent == [{"explorer": True, "number": 1, "answer": {"error": "'x' is no finite number"}}]
    widget._handle_custom_msg("hello", [])
    widget._handle_custom_msg({"other": 1}, [])
    assert len(sent) == 1
    assert a.data == 2.0


def test_save_writes_the_page_as_it_is_now_without_the_live_part(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    widget, _, (a, b) = made(monkeypatch)
    widget._handle_custom_msg({"number": 1, "request": {"set": {"0": 5.0}}}, [])
    fresh = Value(5.0, "a") * Value(-3.0, "b")
    fresh.label = "product"
    fresh.backward()
    assert widget.save(tmp_path / "now.html").read_text(encoding="utf-8") == explorer_page(fresh)
    assert (a.data, b.data) == (5.0, -3.0)


def test_without_anywidget_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"needs anywidget: pip install 'tinygrad-lite\[notebook\]'"):
        explore(Value(1.0), live=True)


def test_errors_of_the_graph_are_those_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anywidget")
    with pytest.raises(ValueError, match="more than max_nodes=1"):
        explore(-Value(1.0), live=True, max_nodes=1)
