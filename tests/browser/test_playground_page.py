"""The playground in a real browser: the engine's own numbers, no other host, and nothing that cannot be stopped.

One page for most tests: Python starts once. The folder is that of ``make playground``, or of the built site.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tinygrad_lite import topological_order
from tinygrad_lite.expressions import parse

ROOT = Path(__file__).resolve().parent.parent.parent
PHONE = {"width": 390, "height": 844}

pytestmark = pytest.mark.slow


#: A card's name is its label; the numbers that stand on it are part of its name, but not in the order of the drawing.
UNUSED = "{ 'label-content-name-mismatch': { enabled: false } }"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, quietly."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def folder() -> Path:
    built = Path(os.environ["BUILT_SITE"]) if "BUILT_SITE" in os.environ else ROOT / "build"
    if not (built / "playground" / "index.html").exists():
        pytest.skip("the playground is not built: make playground, or make docs")
    return built / "playground"


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()
        thread.join()


class Sheet:
    """The playground in a tab; what it asked for, and what it complained about."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.address = address

    def open(self, fragment: str = "") -> Any:
        self.page.goto("about:blank")
        self.page.goto(self.address + fragment)
        self.page.wait_for_selector("html[data-ready]")
        self.page.frame_locator("#graph").locator("html[data-ready]").wait_for()
        if "program=" not in fragment:  # which is not run yet, and the page says so
            self.page.frame_locator("#graph").locator(".chart").first.wait_for()  # a leaf's curve comes last
            assert self.page.locator("#message").inner_text() == ""
        return self.page

    @property
    def frame(self) -> Any:
        return self.page.frame_locator("#graph")

    def write(self, text: str, kind: str = "formula") -> None:
        self.page.locator(f"#kind-{kind}").click()
        self.page.locator("#text").fill(text)

    def card(self, name: str) -> Any:
        return self.frame.locator("#canvas .card").filter(has=self.page.locator(f"text:text-is('{name}')"))

    def leaves(self) -> dict[str, tuple[str, str]]:
        rows = self.frame.locator("#leaves li").all()
        return {
            row.locator(".leaf-name").inner_text(): (
                row.locator("input[type=text]").input_value(),
                row.locator("output").inner_text(),
            )
            for row in rows
        }

    def expect(self, expression: str, argument: Any = None) -> None:
        self.page.wait_for_function(expression, arg=argument)

    def says(self, text: str) -> None:
        self.expect("(text) => document.getElementById('message').textContent.includes(text)", text)

    def wait_for_leaves(self, names: list[str]) -> None:
        self.frame.locator(f"#leaves li:nth-child({len(names)}):last-child").wait_for()
        for name in names:
            self.frame.locator("#leaves .leaf-name").filter(has_text=re.compile(f"^{name}$")).wait_for()


@pytest.fixture(scope="module")
def shared(browser: Any, address: str) -> Iterator[Sheet]:
    sheet = Sheet(browser, address)
    sheet.open()
    yield sheet
    sheet.context.close()
    origin = address.rpartition("/")[0]
    assert {
        url
        for url in sheet.requests
        if not url.startswith((origin, "blob:" + origin.rpartition("/")[0], "data:", "about:"))
    } == set()
    assert sheet.complaints == []


@pytest.fixture
def sheet(shared: Sheet) -> Sheet:
    """The shared page, at its beginning: the formula of the first example."""
    shared.page.locator(".example").first.click()
    shared.wait_for_leaves(["b", "w1", "w2", "x1", "x2"])
    return shared


def number(text: str) -> float:
    return float(text.replace("\u2212", "-"))


def test_a_formula_has_the_gradients_that_the_engine_has_in_cpython(sheet: Sheet) -> None:
    sheet.write("sin(p*q) / softplus(r) + p**2")
    sheet.wait_for_leaves(["p", "q", "r"])
    shown = sheet.leaves()
    values = {name: number(value) for name, (value, _) in shown.items()}
    root = parse("sin(p*q) / softplus(r) + p**2").evaluate(values)
    root.backward()
    expected = {node.label: node.grad for node in topological_order(root, leaves=True) if node.is_leaf}
    for name, (_, gradient) in shown.items():
        assert number(gradient) == pytest.approx(expected[name], rel=1e-3)


def test_a_program_runs_and_prints(sheet: Sheet) -> None:
    sheet.write("a = Value(3.0, label='a')\ny = a\nfor _ in range(2):\n    y = y * y\nprint('y', y.data)", "program")
    sheet.wait_for_leaves(["a"])
    assert sheet.leaves()["a"] == ("3", "108")
    assert sheet.page.locator("#printed").inner_text() == "y 81.0\n"


def test_a_loop_without_an_end_is_stopped_and_the_text_stays(sheet: Sheet) -> None:
    text = "a = Value(2.0, label='aa')\nwhile True:\n    pass"
    sheet.write(text, "program")
    sheet.page.locator("#stop").click()
    sheet.says("Stopped")
    assert sheet.page.locator("#text").input_value() == text
    sheet.page.locator("#text").fill("a = Value(2.0, label='aa')\nL = a * a")
    sheet.wait_for_leaves(["aa"])
    assert sheet.leaves()["aa"] == ("2", "4")


@pytest.mark.parametrize(
    ("kind", "text", "place", "says"),
    [
        ("formula", "tanh(w1) + foo(b)", "foo", "did you mean floor"),
        ("program", "a = Value(2.0)\nb = a + tahn(a)", "tahn", "line 2: NameError"),
        ("program", "from micrograd.engine import Value", "from micrograd.engine import Value", "leave this line out"),
        ("program", "import numpy", "import numpy", "NumPy is not in the playground"),
    ],
)
def test_an_error_is_marked_at_its_place(sheet: Sheet, kind: str, text: str, place: str, says: str) -> None:
    sheet.write(text, kind)
    sheet.says(says)
    assert sheet.page.locator("#message mark").inner_text() == place
    sheet.page.get_by_role("button", name="Show the place").click()
    chosen = (
        "() => { const t = document.getElementById('text'); return t.value.slice(t.selectionStart, t.selectionEnd); }"
    )
    assert sheet.page.evaluate(chosen) == place
    assert sheet.page.locator("#text").get_attribute("aria-invalid") == "true"


def test_a_leaf_is_moved_and_the_link_has_it(sheet: Sheet) -> None:
    sheet.write("k * k")
    sheet.wait_for_leaves(["k"])
    box = sheet.frame.get_by_label("k, number")
    box.fill("1.5")
    box.press("Enter")
    sheet.frame.locator("#leaves output").filter(has_text=re.compile("^3$")).wait_for()
    sheet.page.locator("#share").click()
    link = sheet.page.locator("#link").input_value()
    sheet.page.locator("#link-close").click()
    assert "k+*+k" in link
    assert "1.5" in link


def test_undo_and_redo_go_through_what_was_written(sheet: Sheet) -> None:
    first = sheet.page.locator("#text").input_value()
    sheet.write("uu + vv")
    sheet.wait_for_leaves(["uu", "vv"])
    sheet.page.keyboard.press("Control+z")
    assert sheet.page.locator("#text").input_value() == first
    sheet.wait_for_leaves(["b", "w1", "w2", "x1", "x2"])
    sheet.page.locator("#redo").click()
    assert sheet.page.locator("#text").input_value() == "uu + vv"


def test_nodes_are_clicked_together_and_the_code_is_seen(sheet: Sheet) -> None:
    sheet.write("m * n")
    sheet.wait_for_leaves(["m", "n"])
    sheet.frame.locator("#canvas .card").filter(has_text=re.compile("^m")).first.click()
    sheet.expect("() => document.getElementById('chosen').textContent === 'Apply to m:'")
    sheet.page.locator("#operations").get_by_role("button", name="tanh", exact=True).click()
    sheet.expect("() => document.getElementById('text').value.endsWith('v1 = tanh(m)')")
    sheet.wait_for_leaves(["m"])
    assert sheet.page.locator("#kind-program").get_attribute("aria-pressed") == "true"
    sheet.page.locator("#undo").click()
    assert sheet.page.locator("#text").input_value() == "m * n"


@pytest.mark.parametrize(
    ("what", "start"),
    [("svg", b"<svg"), ("png", b"\x89PNG"), ("page", b"<!DOCTYPE html>"), ("program", b"from tinygrad_lite import")],
)
def test_what_is_shown_can_be_saved(sheet: Sheet, what: str, start: bytes) -> None:
    with sheet.page.expect_download() as download:
        sheet.page.locator("#save").select_option(what)
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(start)
    if what == "svg":
        assert b"NaN" not in content
        assert b"tanh" in content


def test_a_link_leads_back_to_text_and_numbers(browser: Any, address: str) -> None:
    one = Sheet(browser, address)
    fragment = urlencode({"formula": "g * h + 1", "values": json.dumps({"g": 5, "h": 0.5, "bad": "x"})})
    page = one.open(f"#{fragment}")
    one.wait_for_leaves(["g", "h"])
    assert one.leaves() == {"g": ("5", "0.5"), "h": ("0.5", "5")}
    # A program of a link is run when the reader says so.
    program = urlencode(
        {"program": "q = Value(2.0, label='q')\nprint('ran')\nL = q * q", "values": json.dumps({"q": 4})}
    )
    one.open(f"#{program}")
    one.says("press Run")
    page.wait_for_timeout(800)
    assert page.locator("#printed").is_hidden()
    page.locator("#run").click()
    one.wait_for_leaves(["q"])
    assert page.locator("#printed").inner_text() == "ran\n"
    assert one.leaves()["q"] == ("4", "8")
    one.context.close()


def test_a_program_of_a_link_in_an_open_tab_waits_for_run_whatever_else_is_done(sheet: Sheet) -> None:
    page = sheet.page
    fragment = urlencode({"program": "q = Value(2.0, label='q')\nprint('ran')\nL = q * q"})
    page.evaluate("(fragment) => { location.hash = fragment; }", fragment)
    sheet.says("press Run")
    page.locator("#text").press("End")
    page.locator("#text").press_sequentially(" ")
    page.wait_for_timeout(900)
    page.locator(".example").first.click()
    sheet.wait_for_leaves(["b", "w1", "w2", "x1", "x2"])
    page.locator("#undo").click()
    sheet.says("press Run")
    page.wait_for_timeout(400)
    assert page.locator("#printed").is_hidden()
    page.locator("#run").click()
    sheet.wait_for_leaves(["q"])
    assert page.locator("#printed").inner_text() == "ran\n"
    box = sheet.frame.get_by_label("q, number")
    box.fill("3")
    box.press("Enter")
    sheet.frame.locator("#leaves output").filter(has_text=re.compile("^6$")).wait_for()


def test_a_formula_becomes_python_and_a_program_is_kept(browser: Any, address: str) -> None:
    one = Sheet(browser, address)
    page = one.open()
    one.write("e1 * e1")
    one.wait_for_leaves(["e1"])
    page.locator("#kind-program").click()
    one.expect("() => document.getElementById('text').value.includes('L = e1 * e1')")
    page.locator("#text").fill("e2 = Value(2.0, label='e2')\nL = e2 * e2")
    one.wait_for_leaves(["e2"])
    page.locator("#kind-formula").click()
    one.wait_for_leaves(["e1"])
    page.locator("#kind-program").click()
    one.wait_for_leaves(["e2"])
    one.context.close()


def test_what_a_program_put_into_the_browsers_store_is_not_run(browser: Any, address: str) -> None:
    sheet = Sheet(browser, address)
    page = sheet.open()
    poisoned = """async () => {
      const names = (await caches.keys()).filter((name) => name.startsWith("tinygrad-lite-playground-"));
      const store = await caches.open(names[0]);
      const kept = (await store.keys()).map(({ url }) => url).find((url) => url.endsWith("engine.zip"));
      await store.put(kept, new Response("no archive"));
      return kept;
    }"""
    assert page.evaluate(poisoned).endswith("engine.zip")
    sheet.open()  # loads the engine anew; with the other one nothing would come
    again = """async () => {
      const names = (await caches.keys()).filter((name) => name.startsWith("tinygrad-lite-playground-"));
      const store = await caches.open(names[0]);
      const kept = (await store.keys()).map(({ url }) => url).find((url) => url.endsWith("engine.zip"));
      return (await (await store.match(kept)).arrayBuffer()).byteLength;
    }"""
    assert page.evaluate(again) > 100_000
    sheet.context.close()


def test_a_program_reaches_no_other_host(browser: Any, address: str) -> None:
    one = Sheet(browser, address)
    one.open()
    asked: list[str] = []
    one.context.route("**/*", lambda route: (asked.append(route.request.url), route.continue_()))
    text = """from js import fetch, XMLHttpRequest
request = XMLHttpRequest.new()
request.open('GET', 'http://localhost:9/a', False)
try:
    request.send()
except Exception:
    print('refused')
fetch('http://localhost:9/b')"""
    one.write(text, "program")
    one.page.wait_for_selector("#printed:not([hidden])")
    assert "refused" in one.page.locator("#printed").inner_text()
    assert [url for url in asked if ":9/" in url] == []
    one.context.close()


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", {"width": 1280, "height": 800}), ("dark", PHONE)], ids=["desktop", "phone"]
)
def test_nothing_sticks_out_and_axe_finds_nothing_serious(
    browser: Any, address: str, scheme: str, size: dict[str, int], axe: str
) -> None:
    one = Sheet(browser, address, viewport=size, color_scheme=scheme, bypass_csp=True)
    page = one.open()
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    assert serious(page, axe) == []
    one.write("tanh(", "formula")
    one.says("never closed")
    assert serious(page, axe) == []
    one.context.close()


@pytest.fixture(scope="module")
def axe() -> str:
    found = sorted((ROOT / "build" / "vendored").glob("axe-core-*/axe.min.js"))
    if not found:
        pytest.skip("axe-core is not fetched: python tools/playground.py --fetch axe-core")
    return found[-1].read_text(encoding="utf-8")


def serious(page: Any, axe: str) -> list[tuple[str, str]]:
    """What axe calls serious or critical, on the page and in its frames."""
    found = []
    for frame in page.frames:
        frame.evaluate(axe)
        result = frame.evaluate(f"() => axe.run(document, {{ iframes: false, rules: {UNUSED} }})")
        found += [
            (violation["id"], node["html"][:200])
            for violation in result["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
    return found
