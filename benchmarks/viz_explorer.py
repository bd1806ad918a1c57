"""How fast the explorer is in a browser, on graphs of 2,000 nodes: ``python benchmarks/viz_explorer.py``.

Each line is a graph: how long Python takes to make its page; how long the browser takes from opening it to the first
frame with the graph, and what of that its main thread works, which is what it takes on an idle machine; how long a step
takes, from the key to the frame that shows it (a screen of 60 frames a second shows none before 16.7), and what of that
is work; all in milliseconds; and how large the page is without the graph. It needs Playwright, and Chromium on PATH.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.viz.explorer.graph_page import explorer_page

FRAME = "() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))"
STEPS = """async (count) => {
  const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const times = [];
  for (const [start, key] of [["Home", "ArrowRight"], ["End", "ArrowLeft"]]) {
    press(start);
    await frame();
    for (let i = 0; i < count; i++) {
      const before = performance.now();
      press(key);
      await frame();
      times.push(performance.now() - before);
    }
  }
  return times.sort((a, b) => a - b);
}"""


def chain(count: int) -> Value:
    """Each node uses the one before."""
    node = Value(0.5, "x")
    for _ in range(count // 2):
        node = node * Value(0.99)
    return node


def wide(count: int) -> Value:
    """Return a sum of products."""
    draw = random.Random(0).random
    return tg.sum([Value(draw()) * Value(draw()) for _ in range(count // 3)])


def tangled(count: int) -> Value:
    """Everything is used again, by something not far away."""
    draw = random.Random(0)
    nodes = [Value(draw.uniform(-1.0, 1.0), f"x{i}") for i in range(40)]
    while len(nodes) < count - 1:
        a, b = draw.choice(nodes[-60:]), draw.choice(nodes[-60:])
        nodes.append(draw.choice([a + b, a.tanh(), a * b]))
    used = {id(operand) for node in nodes for operand in node.parents}
    return tg.sum([node for node in nodes if id(node) not in used])


def measure(browser: Any, name: str, graph: Callable[[int], Value], count: int, steps: int, folder: str) -> str:
    root = graph(count)
    size = len(tg.topological_order(root, leaves=True))
    start = time.perf_counter()
    text = explorer_page(root, max_nodes=10 * count)
    made = time.perf_counter() - start
    path = Path(folder) / f"{name}.html"
    path.write_text(text, encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    protocol = page.context.new_cdp_session(page)
    protocol.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked() -> float:
        """Return the seconds that the page's main thread has worked."""
        metrics = protocol.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))

    before = worked()
    start = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.evaluate(FRAME)
    opened, opening = time.perf_counter() - start, worked() - before
    page.wait_for_timeout(500)
    before = worked()
    times = page.evaluate(STEPS, steps)
    stepping = (worked() - before) / (2 * steps)
    page.close()
    median, slow = times[len(times) // 2], times[len(times) * 95 // 100]
    return (
        f"{name:8} {size:6,} {1e3 * made:9.0f} {1e3 * opened:9.0f} {1e3 * opening:9.0f} {median:9.0f} {slow:9.0f}"
        f" {times[-1]:9.0f} {1e3 * stepping:9.1f}"
        f"   {len(explorer_page(Value(1.0)).encode()) / 1000:.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=2000, help="of each graph (2000)")
    parser.add_argument("--steps", type=int, default=50, help="forward, and backward (50)")
    arguments = parser.parse_args()
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("this benchmark needs Playwright: pip install playwright")
    if browser_path is None:
        sys.exit("this benchmark needs a browser: install Chromium")
    # Chromium's own sandbox refuses to run for root, as in a container.
    options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    print("graph     nodes   make ms  frame ms   of work   step ms   95 % ms  worst ms   of work   page kB")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=options)
        for name, graph in {"chain": chain, "wide": wide, "tangled": tangled}.items():
            print(measure(browser, name, graph, arguments.nodes, arguments.steps, folder), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
