"""Why the order is topological: the wrong gradient stands beside the right one. And links lead to a step."""

from __future__ import annotations

import re

import pytest
from showing import Show, card, neuron, numbers_on, phase, press, shared

# ------------------------------------------------------------------------------------------------- order


def test_depth_first_gives_the_wrong_gradient_beside_the_right_one(show: Show) -> None:
    page = show(shared())
    page.get_by_role("button", name="Why topological order?").first.click()
    assert "h is used 3 times" in page.locator("#order").text_content()
    page.get_by_role("button", name="Depth first").click()
    press(page, "End")
    rows = [row.locator("td").all_text_contents() for row in page.locator("#order tbody tr").all()]
    assert rows == [["h", "1", "13", "✗ wrong"], ["w", "3", "39", "✗ wrong"], ["x", "2", "26", "✗ wrong"]]
    assert page.locator("#canvas .mistaken .title").all_text_contents() == ["x", "w", "h"]
    page.get_by_role("button", name="Topological order", exact=True).click()
    press(page, "End")
    rows = [row.locator("td").all_text_contents() for row in page.locator("#order tbody tr").all()]
    assert rows == [["h", "13", "13", "✓"], ["w", "39", "39", "✓"], ["x", "26", "26", "✓"]]
    page.get_by_role("button", name="Close").click()
    assert page.locator("#order").is_hidden()


def test_a_node_whose_turn_comes_too_early_says_so(show: Show) -> None:
    page = show(shared(), "#order=depth-first&step=5")
    assert "Too early. h passes its gradient on now, but only one of its terms has arrived: 2 still to come." in (
        page.locator("#explanation").text_content()
    )


def test_where_every_order_is_right_an_example_shows_the_difference(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    press(page, "o")
    assert "no node between leaves and output is used twice" in page.locator("#order").text_content()
    page.get_by_role("button", name="Show an example").click()
    page.get_by_role("button", name="Depth first").click()
    press(page, "End")
    assert "✗ wrong" in page.locator("#order").text_content()
    page.get_by_role("button", name="Back to the graph").click()
    assert numbers_on(page, "p")[0] == "-6"
    press(page, "o")
    assert page.locator("#order").is_hidden()


def test_closing_the_mode_leaves_the_example(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    press(page, "o")
    page.get_by_role("button", name="Show an example").click()
    page.get_by_role("button", name="Close").click()
    assert numbers_on(page, "p") == ["-6", "1.573"]
    assert phase(page) == "All gradients"


# ------------------------------------------------------------------------------------------------- links


def test_a_copied_link_leads_to_the_same_step(show: Show) -> None:
    root, _ = neuron()
    page = show(root, tab={"permissions": ["clipboard-read", "clipboard-write"]})
    press(page, "Home", "ArrowRight", "ArrowRight", "ArrowRight")
    card(page, "p").click()
    page.get_by_role("button", name="Copy link to this step").click()
    page.locator("#notice.shown").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url.split("#")[0] + "#step=3&node=3"
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector("html[data-ready]")
    assert phase(page) == "Forward 3 of 4"
    assert page.locator("#selected-title").text_content() == "p"


def test_the_address_follows_the_step(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    press(page, "ArrowLeft")
    page.wait_for_function("() => location.hash === '#step=11'")
    page.evaluate("location.hash = '#step=2'")
    page.wait_for_function("() => document.getElementById('position').textContent === '2 / 12'")


@pytest.mark.parametrize(
    "fragment", ["#step=x", "#step=-5", "#step=1e9", "#node=99&step=", "#%%%", "#order=up", "#<img>"]
)
def test_a_fragment_that_is_none_does_no_harm(show: Show, fragment: str) -> None:
    root, _ = neuron()
    page = show(root, fragment)
    assert re.fullmatch(r"\d+ / 12", page.locator("#position").text_content())


def test_without_a_clipboard_the_link_is_shown(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    press(page, "c")
    assert page.get_by_role("textbox", name="Link").input_value().endswith("#step=12")
    page.get_by_role("button", name="Close").click()
    assert page.locator("#link-dialog").is_hidden()
