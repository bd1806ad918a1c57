"""Nodes are looked at, selected, searched for; and whatever their labels say stays text."""

from __future__ import annotations

import pytest
from showing import Show, card, classes, neuron, phase, press

from tinygrad_lite import Value

# ------------------------------------------------------------------------------------------------- nodes


def test_hover_and_focus_tell_value_gradient_and_meaning(show: Show) -> None:
    root, nodes = neuron()
    page = show(root)
    tip = page.get_by_role("tooltip")
    assert tip.is_hidden()
    card(page, "s").hover()
    text = tip.text_content()
    assert "Hyperbolic tangent." in text
    assert repr(nodes["s"].data) in text
    assert repr(nodes["s"].grad).removesuffix(".0") in text
    page.locator("h1").hover()
    assert tip.is_hidden()
    card(page, "b").focus()
    assert "b" in tip.text_content()
    assert repr(nodes["b"].grad) in tip.text_content()


def test_a_click_marks_ancestors_and_descendants(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    card(page, "p").click()
    marks = {name: classes(card(page, name)) & {"ancestor", "descendant", "selected", "aside"} for name in "abcptsL"}
    assert marks == {
        **{name: {"ancestor"} for name in "ab"},
        **{name: {"descendant"} for name in "tsL"},
        "p": {"selected"},
        "c": {"aside"},
    }
    fills = {
        page.locator(f"#canvas .card.{mark} .face").first.evaluate("e => getComputedStyle(e).fill")
        for mark in ("ancestor", "descendant")
    }
    assert len(fills) == 2
    details = page.locator("#selected").text_content()
    assert "computed from 2 nodes" in details
    assert "used by 3 nodes" in details
    assert "mul: Product of two numbers." in details
    press(page, "Escape")
    assert page.locator("#selected").is_hidden()
    assert page.locator("#canvas .aside").count() == 0


def test_a_click_beside_deselects(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    card(page, "p").click()
    page.locator("#canvas").click(position={"x": 20, "y": 20})
    assert page.locator("#selected").is_hidden()


def test_a_gradient_that_was_added_up_is_told_beside_the_right_one(show: Show) -> None:
    a = Value(3.0, "a")
    root = a * a
    root.backward()
    root.backward()
    page = show(root)
    card(page, "a").click()
    assert "gradient6" in page.locator("#selected dl").text_content()
    assert ".grad12 as backward() left it" in page.locator("#selected dl").text_content()


def test_search_finds_labels_and_operations(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    press(page, "/")
    page.keyboard.type("mul")
    assert page.locator("#hits").text_content() == "2"
    assert page.locator("#canvas .found .title").all_text_contents() == ["p", "L"]
    press(page, "Enter")
    assert page.locator("#hits").text_content() == "1 / 2"
    assert page.locator("#selected-title").text_content() == "p"
    press(page, "Enter")
    assert page.locator("#selected-title").text_content() == "L"
    press(page, "Shift+Enter")
    assert page.locator("#selected-title").text_content() == "p"
    page.get_by_role("searchbox", name="Search nodes").fill("B")
    assert page.locator("#canvas .found .title").all_text_contents() == ["b"]
    page.get_by_role("searchbox", name="Search nodes").fill("nothing like it")
    assert page.locator("#hits").text_content() == "none"
    press(page, "Escape")
    assert page.locator("#canvas .aside").count() == 0


def test_keys_in_the_search_box_are_text(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    press(page, "/", "t", "o", "f", "Home", "Space")
    assert page.get_by_role("searchbox", name="Search nodes").input_value() == " tof"
    assert phase(page) == "All gradients"


# ---------------------------------------------------------------------------------------- hostile labels

HOSTILE = [
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<svg onload=\"document.title='owned'\">",
    "'\"><b>bold</b>",
    "javascript:document.title='owned'",
    "{{script}}",
    "\u202eright to left",
]


@pytest.mark.parametrize("label", HOSTILE, ids=ascii)
def test_a_hostile_label_stays_text(show: Show, label: str) -> None:
    a = Value(2.0, label)
    root = a * a
    root.label = label
    page = show(root)
    page.locator("#canvas .card").first.hover()
    page.locator("#canvas .card").first.click()
    press(page, "ArrowLeft", "ArrowLeft", "Home", "ArrowRight")
    press(page, "o", "/")
    page.keyboard.type(label[:4])
    press(page, "Enter")
    assert page.title() == label
    assert page.locator("h1").text_content() == label
    assert label in page.locator("#selected").text_content()
    assert page.locator("img, b, body svg[onload], script:not([type])").count() == 1  # the page's own script
