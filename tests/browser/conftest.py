"""A real browser for the tests in this folder, or the reason why there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lite import Value
from tinygrad_lite.viz.output.explore import explore

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright; for one module at a time, as it keeps an event loop running."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)} is on PATH")
    with playwright.sync_playwright() as driver:
        # Chromium's own sandbox refuses to run for root, as in a container.
        arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        started = driver.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


class Tab:
    """A page, and what it must not do: write to the console, raise, or ask the network for anything."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)  # a busy machine takes its time for a large page
        self.complaints: list[str] = []
        #: Whether the test makes the browser complain: when it says so is up to the browser.
        self.may_complain = False
        self.requests: list[str] = []
        self.file = ""
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, address: str) -> Any:
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]")
        return self.page


@pytest.fixture
def tabs(browser: Any) -> Iterator[Callable[..., Tab]]:
    """Makes tabs; after the test none of them may have complained."""
    made: list[Tab] = []

    def make(**options: Any) -> Tab:
        made.append(Tab(browser, **options))
        return made[-1]

    yield make
    for tab in made:
        tab.context.close()
        assert tab.may_complain or tab.complaints == []


@pytest.fixture
def show(tabs: Callable[..., Tab], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the explorer of a graph from a file; nothing but that file may be asked for."""
    opened: list[Tab] = []

    def open_graph(root: Value, fragment: str = "", tab: dict[str, Any] | None = None, **options: Any) -> Any:
        path = explore(root, **options).save(tmp_path / f"{len(opened)}.html")
        opened.append(tabs(**(tab or {})))
        page = opened[-1].open(path.as_uri() + fragment)
        opened[-1].file = path.as_uri()
        return page

    yield open_graph
    for tab in opened:
        assert {address.partition("#")[0] for address in tab.requests} == {tab.file}
