"""The page of passes, in a browser: steps by buttons and keys, what a group is made of, both themes, any window."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Tab
from showing import card, classes, press

from tinygrad_lite import relu, tanh, value_and_grad, viz
from tinygrad_lite.lift import Passes, lift

Follow = Callable[..., Any]


def loss(weights: Any, bias: Any, x: Any, y: Any) -> Any:
    hidden = [relu(sum(w * xk for w, xk in zip(row, x, strict=True)) + b) for row, b in zip(weights, bias, strict=True)]
    return (sum(hidden) - y) ** 2


def state(matrix: Any, xs: Any) -> Any:
    h = [0.0] * len(matrix)
    for x in xs:
        h = [tanh(sum(m * hk for m, hk in zip(row, h, strict=True)) + x) for row in matrix]
    return sum(h)


@pytest.fixture(scope="module")
def network() -> Passes:
    arguments = np.ones((3, 2)), np.ones(3), np.ones((4, 2)), np.zeros(4)
    return lift(value_and_grad(loss, argnums=(0, 1)), batch=(None, None, 0, 0)).passes_for(*arguments)


@pytest.fixture(scope="module")
def recurrent() -> Passes:
    rng = np.random.default_rng(3)
    return lift(value_and_grad(state)).passes_for(rng.normal(size=(3, 3)), rng.normal(size=30))


@pytest.fixture
def follow(tabs: Callable[..., Tab], tmp_path: Path) -> Iterator[Follow]:
    """Opens the page of passes from a file; nothing but that file may be asked for."""
    opened: list[Tab] = []

    def open_passes(passes: Passes, fragment: str = "", tab: dict[str, Any] | None = None, **options: Any) -> Any:
        path = viz.explore(passes, **options).save(tmp_path / f"{len(opened)}.html")
        opened.append(tabs(**{"reduced_motion": "reduce", **(tab or {})}))
        page = opened[-1].open(path.as_uri() + fragment)
        opened[-1].file = path.as_uri()
        return page

    yield open_passes
    for tab in opened:
        assert {address.partition("#")[0] for address in tab.requests} == {tab.file}


def title(page: Any) -> str:
    return str(page.locator("#step-title").text_content())


def test_buttons_and_keys_go_from_pass_to_pass(follow: Follow, network: Passes) -> None:
    page = follow(network)
    titles = ["Trace", "Canonical form", *[stage.done.title for stage in network.stages], "Source"]
    seen = [title(page)]
    while page.locator("#next").is_enabled():
        page.get_by_role("button", name="One step on").click()
        seen.append(title(page))
    assert seen == titles
    press(page, "Home")
    assert title(page) == "Trace"
    press(page, "ArrowRight", "ArrowRight", "ArrowLeft")
    assert title(page) == "Canonical form"
    assert page.locator("#position").text_content() == f"2 / {len(titles)}"
    press(page, "End")
    assert title(page) == "Source"
    page.locator("#strip").get_by_role("button", name="Groups", exact=False).first.click()
    assert title(page) == "Groups"
    assert page.locator("#strip [aria-current=step]").count() == 1


def test_play_goes_through_all_passes(follow: Follow, network: Passes) -> None:
    page = follow(network)
    page.get_by_label("Speed").select_option("16")
    press(page, "Space")
    page.wait_for_function("() => document.getElementById('step-title').textContent === 'Source'")
    assert page.locator("#next").is_disabled()


def test_scalars_are_dots_and_groups_are_boxes_with_their_statements(follow: Follow, network: Passes) -> None:
    page = follow(network)
    assert page.locator("#canvas .card.dot").count() == page.locator("#canvas .card").count() > 50
    page.get_by_role("slider", name="Step").fill("2")
    assert page.locator("#canvas .card.dot").count() == 0
    stage = network.stages[0]
    shown = {
        line.name: line for number, line in enumerate(stage.lines) if stage.program.groups[number].kind != "constant"
    }
    assert set(page.locator("#canvas .card .title").all_text_contents()) == set(shown)
    assert shown["z1"].parts
    assert card(page, "z1").locator(".statement").all_text_contents() == [" ".join(shown["z1"].parts)]
    assert page.locator("#text .line").count() == len(stage.statements)


def test_the_last_stage_is_the_source(follow: Follow, network: Passes) -> None:
    page = follow(network)
    press(page, "End")
    assert page.locator("#text").text_content() == network.program.source
    page.locator("#text .line", has_text="z1 = ").click()
    assert page.locator("#selected-title bdi").text_content() == "z1"


def test_what_a_group_is_made_of_stays_selected_at_every_stage(follow: Follow, network: Passes) -> None:
    page = follow(network, "#step=2")
    card(page, "z1").click()
    assert "selected" in classes(card(page, "z1"))
    assert "ancestor" in classes(card(page, "x"))
    press(page, "ArrowLeft")
    selected = page.locator("#canvas .card.dot.selected")
    number = [group.name for group in network.stages[0].program.groups].index("z1")
    nodes = network.stages[0].program.groups[number].nodes
    assert nodes is not None
    keys = {dot.get_attribute("data-key") for dot in selected.all()}
    assert {f"v{node}" for node in nodes} <= keys  # and the products inside its sums
    assert len(keys) == 3 * (2 + 1)
    press(page, "ArrowLeft")
    assert selected.count() > len(keys)  # and what vanished inside those
    press(page, "End")
    assert "selected" in classes(card(page, "z1"))
    press(page, "Escape")
    assert page.locator("#canvas .card.selected").count() == 0
    assert page.locator("#selected").is_hidden()


def test_what_changed_is_marked_and_named(follow: Follow, network: Passes) -> None:
    titles = ["Trace", "Canonical form", *[stage.done.title for stage in network.stages]]
    page = follow(network, f"#step={titles.index('Samples')}")
    assert "rewritten" in classes(card(page, "loss"))
    assert page.locator("#text .line.new").count() > 0
    assert "loss" in page.locator("#explanation .names button").all_text_contents()
    press(page, "ArrowRight")
    assert title(page) == "Unread groups"
    assert "Gone" in page.locator("#explanation").text_content()
    assert page.locator("#text .line.gone").count() > 0


def test_a_large_trace_is_drawn_as_piles_and_steps_as_loops(follow: Follow, recurrent: Passes) -> None:
    page = follow(recurrent)
    assert "too many to be drawn" in page.locator("#explanation").text_content()
    assert page.locator("#canvas .card").count() < 40
    titles = ["Trace", "Canonical form", *[stage.done.title for stage in recurrent.stages]]
    page.get_by_role("slider", name="Step").fill(str(titles.index("Steps")))
    loops = recurrent.stages[-1].program.loops
    assert page.locator("#canvas .loop").count() == len(loops) == 2
    assert str(loops[0].steps) in page.locator("#canvas .loop .title").first.text_content()
    card(page, "h1[t + 1]").click()
    assert f"made of {loops[0].steps} groups" in page.locator("#selected-body").text_content()


def test_search_marks_and_goes_from_hit_to_hit(follow: Follow, network: Passes) -> None:
    page = follow(network, "#step=2")
    press(page, "/")
    page.keyboard.type("relu")
    assert page.locator("#hits").text_content() == "1"
    assert page.locator("#canvas .card.found").count() == 1
    press(page, "Enter")
    assert page.locator("#canvas .card.selected").count() == 1


def test_arrow_keys_move_between_boxes_and_enter_selects(follow: Follow, network: Passes) -> None:
    page = follow(network, "#step=2")
    press(page, "ArrowDown", "Enter")
    assert page.locator("#canvas .card.selected").count() == 1
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"


def test_a_link_leads_back_to_step_and_group(follow: Follow, network: Passes) -> None:
    page = follow(network, "#step=2")
    card(page, "z1").click()
    page.wait_for_function("() => location.hash.includes('box=')")
    fragment = page.evaluate("location.hash")
    other = follow(network, fragment)
    assert title(other) == "Groups"
    assert "selected" in classes(card(other, "z1"))


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_theme_is_the_systems_and_can_be_switched(follow: Follow, network: Passes, scheme: str, dark: bool) -> None:
    page = follow(network, tab={"color_scheme": scheme})

    def is_dark() -> bool:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour))) < 3 * 128

    assert is_dark() is dark
    press(page, "t")
    assert is_dark() is not dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("selects", [False, True])
def test_text_can_be_read_on_its_background(follow: Follow, network: Passes, scheme: str, selects: bool) -> None:
    """A contrast of 4.5 to 1 (WCAG 2.2, 1.4.3), on boxes in every state."""
    page = follow(network, "#step=3", tab={"color_scheme": scheme})
    if selects:
        card(page, "z1").click()
    ratios = page.evaluate("""() => {
      const luminance = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((c) => c / 255)
          .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      return [...document.querySelectorAll("#canvas .card:not(.aside) text")].map((text) => {
        const face = getComputedStyle(text.closest(".card").querySelector(".face")).fill;
        const [a, b] = [getComputedStyle(text).fill, face].map(luminance);
        return [text.textContent, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
      });
    }""")
    assert len(ratios) > 10
    assert [pair for pair in ratios if pair[1] < 4.5] == []


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_nothing_sticks_out_of_the_window(follow: Follow, recurrent: Passes, width: int) -> None:
    page = follow(recurrent)
    page.set_viewport_size({"width": width, "height": 780})
    for _ in range(3):
        press(page, "ArrowRight")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("document.documentElement.scrollHeight") == 780
    press(page, "End")
    for identity in ("canvas", "play", "scrubber", "step", "strip"):
        box = page.locator(f"#{identity}").bounding_box()
        assert box["width"] > 20
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width + 1


def test_help_opens_and_every_control_has_a_name(follow: Follow, network: Passes) -> None:
    page = follow(network)
    press(page, "?")
    dialog = page.get_by_role("dialog", name="From scalars to arrays, pass by pass")
    assert dialog.is_visible()
    press(page, "Escape")
    assert dialog.is_hidden()
    names = """all => all.filter((e) => e.getClientRects().length).map((e) =>
        e.getAttribute("aria-label") || e.textContent.trim() || (e.labels?.[0]?.textContent ?? "").trim())"""
    assert all(page.locator("button, input, select, [role=button]").evaluate_all(names))
