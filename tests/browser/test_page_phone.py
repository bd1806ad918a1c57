"""The page on a phone: what a finger is to hit is large enough, nothing is cut, and large graphs begin small."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from showing import Show, neuron, press, transform

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.nn.layers.layers import MLP
from tinygrad_lite.viz.explorer.server import LiveServer

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

#: What can be hit, with its size; what is drawn in the graph can be magnified.
TARGETS = """() => [...document.querySelectorAll("button, select, input, [role=button]")]
  .filter((e) => e.getClientRects().length && !e.closest("svg"))
  .map((e) => [e.id || e.className || e.outerHTML.slice(0, 60), e.getBoundingClientRect()])
  .map(([name, {width, height}]) => [name, Math.round(width), Math.round(height)])"""


def small_targets(page: Any) -> list[Any]:
    found = page.evaluate(TARGETS)
    assert len(found) > 12
    return [target for target in found if min(target[1:]) < 40]


def network() -> tuple[Value, dict[str, Any]]:
    model = MLP(3, [8, 8, 1], "tanh", seed=0)
    return (model([0.5, -1.0, 0.3]) - 1.0) ** 2, {"model": model}


def test_what_a_finger_is_to_hit_is_40_pixels_large(show: Show) -> None:
    root, names = network()
    page = show(root, tab=PHONE, names=names)
    assert small_targets(page) == []
    press(page, "ArrowLeft", "ArrowLeft", "o")
    page.locator("#canvas .card").last.click()
    assert small_targets(page) == []
    press(page, "?")
    assert small_targets(page) == []


def test_what_a_finger_is_to_hit_is_40_pixels_large_on_a_live_page(tabs: Callable[..., Any]) -> None:
    root, _ = neuron()
    with LiveServer(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        page = tabs(**PHONE).open(server.address)
        page.wait_for_selector("#difference:not([hidden])")
        assert small_targets(page) == []
        server.shutdown()
        thread.join()


def test_the_title_has_a_row_and_the_speed_has_none(show: Show) -> None:
    root, _ = neuron()
    page = show(root, tab=PHONE, title="One neuron, tanh(a*b + c)")
    assert page.evaluate("() => { const h = document.querySelector('h1'); return h.scrollWidth <= h.clientWidth; }")
    play, speed = (page.locator(name).bounding_box() for name in ("#play", "#speed"))
    assert abs(play["y"] + play["height"] / 2 - speed["y"] - speed["height"] / 2) < 4
    assert page.locator(".legend").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_large_graph_begins_collapsed_and_in_the_middle(show: Show) -> None:
    root, names = network()
    page = show(root, tab=PHONE, names=names)
    cards = page.locator("#canvas .card:not(.constant)")
    assert cards.count() <= 24
    boxes = cards.locator(".face").evaluate_all("all => all.map((e) => e.getBoundingClientRect().toJSON())")
    around = page.locator("#canvas").bounding_box()
    low, high = min(box["left"] for box in boxes), max(box["right"] for box in boxes)
    assert abs((low + high) / 2 - 195) < 40
    assert around["y"] <= min(box["top"] for box in boxes)
    assert max(box["bottom"] for box in boxes) <= around["y"] + around["height"]


def test_what_was_asked_for_is_open_on_a_phone_too(show: Show) -> None:
    root, names = network()
    page = show(root, tab=PHONE, names=names, expanded=True)
    assert page.locator("#canvas .card.module").count() == 0


def test_playing_goes_to_where_the_node_can_be_read_and_back(show: Show) -> None:
    node = Value(0.5, "x")
    for _ in range(8):
        node = tg.tanh(node)
    page = show(node, tab={**PHONE, "reduced_motion": "reduce"})
    before = transform(page)
    assert before[2] < 0.5
    page.get_by_role("button", name="Watch backpropagation").click()
    page.wait_for_function("() => document.getElementById('phase').textContent === 'Backward 2 of 9'")
    assert transform(page)[2] >= 0.7
    around = page.locator("#canvas").bounding_box()
    active = page.locator("#canvas .card.active .face").bounding_box()
    assert around["x"] <= active["x"]
    assert active["x"] + active["width"] <= around["x"] + around["width"]
    page.get_by_label("Speed").select_option("16")
    page.wait_for_function("() => document.getElementById('phase').textContent === 'All gradients'")
    assert transform(page) == before


def test_from_afar_the_operation_is_what_can_be_read_the_longest(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    size = """() => ["title", "symbol", "number"].map((name) => {
        const texts = [...document.querySelectorAll(`#canvas .card.node:not(.leaf) .${name}`)];
        return Math.max(0, ...texts.map((e) => e.getBoundingClientRect().height));
    })"""
    while transform(page)[2] > 0.15:
        title, symbol, number = page.evaluate(size)
        assert symbol > 0
        if transform(page)[2] < 0.34:
            assert symbol > 2 * max(title, number)
        page.get_by_role("button", name="Zoom out").click()
    assert page.evaluate(size)[1] > 2 * max(page.evaluate(size)[0], page.evaluate(size)[2])
