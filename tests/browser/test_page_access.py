"""The page can be used by keyboard and with a screen reader, in both themes, in any window."""

from __future__ import annotations

import re

import pytest
from showing import Show, card, module_graph, neuron, phase, press


def test_every_control_has_a_name_and_can_be_reached_by_tab(show: Show) -> None:
    root, names = module_graph()
    page = show(root, names=names)
    names_of = """all => all.filter((e) => e.getClientRects().length).map((e) =>
        e.getAttribute("aria-label") || e.textContent.trim() || (e.labels?.[0]?.textContent ?? "").trim())"""
    found = page.locator("button, input, select, [role=button]").evaluate_all(names_of)
    assert len(found) > 30
    assert all(found), found
    reached = []
    for _ in range(40):
        press(page, "Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.dataset.key || ''"))
    expected = [
        "search",
        "why",
        "copy",
        "theme",
        "help",
        "n",
        "collapse-all",
        "expand-all",
        "zoom-out",
        "fit",
        "zoom-in",
    ]
    assert [re.sub(r"\d+$", "", name) for name in reached[: len(expected)]] == expected
    assert {"first", "back", "play", "scrubber", "speed"} <= set(reached)


def test_arrow_keys_move_between_nodes_and_enter_selects(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    spoken = "document.activeElement.getAttribute('aria-label')"
    press(page, "ArrowDown")
    assert page.evaluate(spoken) == "L, mul, value 0.9242, gradient 1"
    press(page, "ArrowUp")
    assert page.evaluate(spoken) == "s, tanh, value 0.4621, gradient 2"
    press(page, "Enter")
    assert page.locator("#selected-title").text_content() == "s"
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    press(page, "ArrowDown", "ArrowDown")
    assert page.evaluate(spoken) == "a, leaf, value 2, gradient −4.257"


def test_arrow_keys_scroll_the_explanation_where_that_has_the_focus(show: Show) -> None:
    root, _ = neuron()
    page = show(root, "#step=6")
    page.locator("#explanation .equation").focus()
    press(page, "ArrowDown")
    assert page.evaluate("document.activeElement.className") == "equation"
    press(page, "ArrowRight")  # nothing to scroll: a step
    assert page.locator("#position").text_content() == "7 / 12"


def test_steps_are_announced(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    status = page.locator("#status")
    assert status.get_attribute("aria-live") == "polite"
    press(page, "Home", "ArrowRight")
    assert status.text_content() == "Forward step 1: p, mul, is −6."
    page.get_by_role("slider", name="Step").fill("6")
    assert status.text_content() == "Backward step 2: the gradient of L by s is 2."


def test_help_opens_and_closes(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    press(page, "?")
    dialog = page.get_by_role("dialog", name="Explorer of a gradient graph")
    assert dialog.is_visible()
    press(page, "ArrowLeft")  # keys of the page rest
    assert phase(page) == "All gradients"
    press(page, "Escape")
    assert dialog.is_hidden()
    page.get_by_role("button", name="Help").click()
    page.get_by_role("button", name="Close").click()
    assert dialog.is_hidden()


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_theme_is_the_systems_and_can_be_switched(show: Show, scheme: str, dark: bool) -> None:
    root, _ = neuron()
    page = show(root, tab={"color_scheme": scheme})

    def is_dark() -> bool:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour))) < 3 * 128

    assert is_dark() is dark
    page.get_by_role("button", name="Switch between light and dark").click()
    assert is_dark() is not dark
    press(page, "t")
    assert is_dark() is dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_its_background(show: Show, scheme: str) -> None:
    """A contrast of 4.5 to 1 (WCAG 2.2, 1.4.3), on cards in every state."""
    root, _ = neuron()
    page = show(root, "#step=6", tab={"color_scheme": scheme})
    card(page, "p").click()
    ratios = page.evaluate("""() => {
      const luminance = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((c) => c / 255)
          .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const page = getComputedStyle(document.body).backgroundColor;
      return [...document.querySelectorAll("#canvas .card:not(.aside) text")].map((text) => {
        const face = getComputedStyle(text.closest(".card").querySelector(".face")).fill;
        const [a, b] = [getComputedStyle(text).fill, /^rgb\\(/.test(face) ? face : page].map(luminance);
        return [text.textContent, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
      });
    }""")
    assert [pair for pair in ratios if pair[1] < 4.5] == []


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_nothing_sticks_out_of_the_window(show: Show, width: int) -> None:
    root, names = module_graph()
    page = show(root, names=names)
    page.set_viewport_size({"width": width, "height": 740})
    press(page, "ArrowLeft")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.documentElement.scrollHeight") == 740
    for identity in ("canvas", "play", "scrubber", "step"):
        box = page.locator(f"#{identity}").bounding_box()
        assert box["width"] > 20
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width + 1
