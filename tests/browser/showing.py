"""Graphs to show, and what a page shows of them, read back from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tinygrad_lite import Value
from tinygrad_lite.nn.layers.layers import MLP

Show = Callable[..., Any]


def neuron() -> tuple[Value, dict[str, Value]]:
    """tanh(a·b + c)·a: a is used twice, at the start and at the end."""
    a, b, c = Value(2.0, "a"), Value(-3.0, "b"), Value(6.5, "c")
    product = a * b
    product.label = "p"
    total = product + c
    total.label = "t"
    squashed = total.tanh()
    squashed.label = "s"
    root = squashed * a
    root.label = "L"
    root.backward()
    return root, {node.label: node for node in (a, b, c, product, total, squashed, root)}


def shared() -> Value:
    """h + h·h: depth first, h passes its gradient on before the terms of h·h have arrived."""
    x, w = Value(3.0, "x"), Value(2.0, "w")
    h = x * w
    h.label = "h"
    square = h * h
    square.label = "q"
    return h + square


def card(page: Any, name: str) -> Any:
    return page.locator(f"#canvas .card:has(.title:text-is('{name}'))")


def numbers_on(page: Any, name: str) -> list[str]:
    return [text.replace("−", "-") for text in card(page, name).locator(".number").all_text_contents()]


def classes(locator: Any) -> set[str]:
    return set(locator.get_attribute("class").split())


def phase(page: Any) -> str:
    return str(page.locator("#phase").text_content())


def transform(page: Any) -> list[float]:
    return [float(x) for x in re.findall(r"-?[\d.]+", page.locator("#canvas .scene").get_attribute("transform"))]


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def module_graph() -> tuple[Value, dict[str, Any]]:
    model = MLP(2, [2, 1], "tanh", seed=0)
    return (model([Value(0.5, "x1"), Value(-1.0, "x2")]) - 1.0) ** 2, {"model": model}
