"""Live pages in a browser: from the server, in a notebook's frame, and through the widget."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.viz.explorer.server import LiveServer
from tinygrad_lite.viz.output.explore import explore

Tabs = Callable[..., Any]


@pytest.fixture
def served() -> Iterator[tuple[LiveServer, Value, Value]]:
    """A server of log(a)·b, and its leaves."""
    a, b = Value(2.0, "a"), Value(3.0, "b")
    root = tg.log(a) * b
    root.label = "L"
    with LiveServer(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server, a, b
        server.shutdown()
        thread.join()


def wait_for_text(page: Any, selector: str, text: str) -> None:
    page.wait_for_function("([s, t]) => document.querySelector(s)?.textContent.includes(t)", arg=[selector, text])


def box(page: Any, name: str) -> Any:
    return page.get_by_role("textbox", name=f"{name}, number")


def test_a_box_sets_a_leaf_in_python_and_the_picture_follows(tabs: Tabs, served: Any) -> None:
    server, a, b = served
    tab = tabs()
    page = tab.open(server.address)
    box(page, "a").fill("4")
    box(page, "a").press("Enter")
    wait_for_text(page, "#canvas .card.output", f"{b.data * tg.log(4.0):.4g}")
    assert a.data == 4.0
    assert (a.grad, b.grad) == (3.0 / 4.0, tg.log(4.0))
    gradients = page.locator("#leaves output").all_text_contents()
    assert gradients == [f"{a.grad:.4g}", f"{b.grad:.4g}"]
    assert all(address.startswith(server.address) for address in tab.requests if not address.startswith("data:"))


def test_a_slider_sets_a_leaf(tabs: Tabs, served: Any) -> None:
    server, _, b = served
    page = tabs().open(server.address)
    page.get_by_role("slider", name="b, slider").fill("1")
    wait_for_text(page, "#canvas .card.output", f"{tg.log(2.0):.4g}")
    assert b.data == 1.0
    assert box(page, "b").input_value() == "1"
    page.get_by_role("slider", name="b, slider").focus()
    page.keyboard.press("ArrowRight")  # moves the slider, not the step
    page.wait_for_function("() => document.querySelectorAll('#leaves input[type=text]')[1].value !== '1'")
    assert page.locator("#phase").text_content() == "All gradients"


def test_the_finite_difference_stands_beside_the_gradient(tabs: Tabs, served: Any) -> None:
    server, _, _ = served
    page = tabs().open(server.address)
    page.get_by_role("combobox", name="Step of the finite difference").select_option("0.1")
    wait_for_text(page, "#difference", "They differ by 0.0013")
    gradient, difference = page.locator("#difference .pair strong").all_text_contents()
    quotient = 3.0 * (tg.log(2.1) - tg.log(1.9)) / 0.2
    assert gradient == "1.5"
    assert float(difference) == pytest.approx(quotient, rel=1e-8)
    box(page, "b").focus()
    wait_for_text(page, "#difference", "∂L∂b")


def test_where_the_graph_is_not_defined_the_page_says_so_and_goes_back(tabs: Tabs, served: Any) -> None:
    server, a, _ = served
    page = tabs().open(server.address)
    box(page, "a").fill("-1")
    box(page, "a").press("Enter")
    wait_for_text(page, "#live-error", "math domain error")
    page.wait_for_timeout(600)  # answers about the curve come meanwhile
    assert page.get_by_role("alert").is_visible()
    assert a.data == 2.0
    box(page, "a").fill("5")
    box(page, "a").press("Enter")
    page.wait_for_function("() => document.getElementById('live-error').hidden")
    assert a.data == 5.0


@pytest.mark.parametrize("text", ["x", "", "1e999", "--3"])
def test_what_is_no_number_is_told_and_not_sent(tabs: Tabs, served: Any, text: str) -> None:
    server, a, _ = served
    page = tabs().open(server.address)
    box(page, "a").fill(text)
    box(page, "a").press("Enter")
    wait_for_text(page, "#live-error", "is no number")
    assert box(page, "a").get_attribute("aria-invalid") == "true"
    page.wait_for_timeout(600)  # answers about the curve come meanwhile
    assert "is no number" in page.locator("#live-error").inner_text()
    assert a.data == 2.0
    box(page, "b").focus()  # what was typed goes, and so does what was said of it
    page.wait_for_function("() => document.getElementById('live-error').hidden")
    assert box(page, "a").get_attribute("aria-invalid") == "false"


def test_steps_work_on_the_new_numbers(tabs: Tabs, served: Any) -> None:
    server, _, _ = served
    page = tabs().open(server.address)
    box(page, "b").fill("10")
    box(page, "b").press("Enter")
    wait_for_text(page, "#canvas .card.output", f"{10 * tg.log(2.0):.4g}")
    page.locator("#position").click()
    page.locator("#back").click()
    page.locator("#back").click()
    page.get_by_role("slider", name="Step").fill("4")
    assert "10" in page.locator("#explanation").text_content()


def test_many_leaves_can_be_searched(tabs: Tabs) -> None:
    leaves = [Value(0.1 * i, f"w{i}") for i in range(100)]
    with LiveServer(tg.sum(leaves)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        page = tabs().open(server.address)
        assert page.locator("#leaves li").count() == 60
        assert page.locator("#leaves-note").text_content() == "and 40 more: search for them"
        page.get_by_role("searchbox", name="Search leaves").fill("w99")
        assert page.locator("#leaves .leaf-name").all_text_contents() == ["w99"]
        server.shutdown()
        thread.join()


def test_a_server_that_is_gone_is_told(tabs: Tabs, served: Any) -> None:
    server, _, _ = served
    tab = tabs()
    page = tab.open(server.address)
    page.locator(".chart").first.wait_for()  # the last of the requests at the beginning
    page.route("**/evaluate", lambda route: route.abort())
    box(page, "a").fill("3")
    box(page, "a").press("Enter")
    wait_for_text(page, "#live-error", "No answer from Python")
    assert len(tab.complaints) == 1  # the browser's own line about the request
    tab.complaints.clear()


def test_another_page_cannot_reach_the_graph(tabs: Tabs, served: Any, tmp_path: Path) -> None:
    server, a, _ = served
    elsewhere = tmp_path / "elsewhere.html"
    elsewhere.write_text("<!DOCTYPE html><title>elsewhere</title>")
    tab = tabs()
    tab.may_complain = True  # the browser says that it refused
    tab.page.goto(elsewhere.as_uri())
    found = tab.page.evaluate(
        """async (address) => {
          const found = [];
          for (const type of ["application/json", "text/plain"]) {
            try {
              const headers = {"Content-Type": type};
              await fetch(address + "evaluate", {method: "POST", headers, body: '{"set":{"0":9}}'});
              found.push("answered");
            } catch { found.push("refused"); }
          }
          const frame = document.createElement("iframe");
          frame.src = address;
          document.body.append(frame);
          await new Promise((resolve) => frame.addEventListener("load", resolve));
          try { found.push(frame.contentDocument?.title ?? "refused"); } catch { found.push("refused"); }
          return found;
        }""",
        server.address,
    )
    assert found == ["refused"] * 3
    assert a.data == 2.0


def test_the_curve_of_the_output_has_its_tangent_and_a_secant(tabs: Tabs, served: Any) -> None:
    server, _, b = served
    page = tabs().open(server.address)
    page.get_by_role("combobox", name="Step of the finite difference").select_option("1")
    page.locator(".chart .secant").first.wait_for()
    key = page.locator(".chart-key span").all_text_contents()
    quotient = 3.0 * (tg.log(3.0) - tg.log(1.0)) / 2.0
    assert key == ["tangent, slope 1.5", f"secant, slope {quotient:.4g}"]
    (x1, y1), (x2, y2) = page.locator(".chart .curve").first.evaluate(
        "(e) => [0.9, 1].map((k) => e.getPointAtLength(k * e.getTotalLength())).map(({x, y}) => [x, y])"
    )
    assert (y1 - y2) / (x2 - x1) > 0  # the logarithm rises, drawn from where it is defined
    assert page.get_by_role("img", name="the tangent has the slope 1.5").is_visible()
    box(page, "b").focus()
    page.get_by_role("img", name="L for b from").wait_for()
    assert b.data == 3.0


def test_the_error_against_the_step_is_drawn_as_a_u(tabs: Tabs, served: Any) -> None:
    server, _, _ = served
    page = tabs().open(server.address)
    page.get_by_role("img", name="The error is least").wait_for()
    heights = (
        page.locator(".chart")
        .nth(1)
        .locator("circle:not(.here)")
        .evaluate_all("all => all.map((e) => +e.getAttribute('cy'))")
    )
    lowest = heights.index(max(heights))
    assert 6 < lowest < 24  # between h = 1e-3 and h = 1e-12
    assert heights[0] < heights[lowest] - 50
    assert min(heights[-6:]) < heights[lowest] - 50


@pytest.mark.parametrize("width", [390, 700, 1280])
def test_sliders_have_room_and_nothing_is_cut(tabs: Tabs, width: int) -> None:
    leaf = Value(-1.2345e-7, "a_leaf_of_a_rather_long_name")
    root = tg.tanh(leaf * 3.0)
    root.label = "tanh(a*b + c)"
    with LiveServer(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        page = tabs(viewport={"width": width, "height": 800}).open(server.address)
        page.locator(".chart").first.wait_for()
        assert page.locator("#leaves input[type=range]").bounding_box()["width"] >= 160
        assert (
            page.evaluate("() => { const e = document.querySelector('aside'); return e.scrollWidth - e.clientWidth; }")
            == 0
        )
        edge = page.evaluate("document.querySelector('#live').getBoundingClientRect().right")
        for part in page.locator("#leaves li > *, #difference-body > *, .pair > div").all():
            found = part.bounding_box()
            assert found["x"] + found["width"] <= edge - 6
        lines = "all => all.map((e) => e.getClientRects().length)"
        assert set(page.locator(".pair strong").evaluate_all(lines)) == {1}
        assert page.locator(".pair strong").first.bounding_box()["height"] < 26
        formula = page.locator("#difference .equation math").first
        assert formula.text_content().startswith("∂L∂")
        assert "L(a" in formula.text_content()
        server.shutdown()
        thread.join()


# --------------------------------------------------------------------------------------------------- notebooks


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize(
    ("light", "dark"),
    [
        ("document.body.dataset.jpThemeLight = 'true'", "document.body.dataset.jpThemeLight = 'false'"),
        ("document.body.className = 'vscode-light'", "document.body.className = 'vscode-dark'"),
        ("document.documentElement.className = 'light'", "document.documentElement.className = 'dark'"),
    ],
    ids=["JupyterLab", "VS Code", "marimo"],
)
def test_the_page_has_the_theme_of_the_notebook(tabs: Tabs, tmp_path: Path, system: str, light: str, dark: str) -> None:
    a = Value(2.0, "a")
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!DOCTYPE html><body>{explore(a * a)._repr_html_()}</body>", encoding="utf-8")
    tab = tabs(color_scheme=system)
    tab.page.goto(notebook.as_uri())
    frame = tab.page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    for change, theme in ((dark, "dark"), (light, "light"), (dark, "dark")):
        tab.page.evaluate(change)
        frame.locator(f"html[data-theme={theme}]").wait_for()
    frame.locator("#theme").click()  # the reader's own choice
    frame.locator("html[data-theme=light]").wait_for()


def test_the_page_works_in_a_notebooks_frame(tabs: Tabs, tmp_path: Path) -> None:
    a = Value(2.0, "a")
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!DOCTYPE html><body>{explore(a * a)._repr_html_()}</body>", encoding="utf-8")
    tab = tabs()
    tab.page.goto(notebook.as_uri())
    frame = tab.page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    frame.locator("#first").click()
    frame.locator("#next").click()
    assert frame.locator("#phase").text_content() == "Forward 1 of 1"
    frame.locator("body").press("ArrowRight")
    assert frame.locator("#phase").text_content() == "Backward 1 of 2"
    assert frame.locator("#copy").is_hidden()  # a frame has no address
    assert tab.requests == [notebook.as_uri()]


def test_the_widget_passes_messages_between_page_and_python(tabs: Tabs) -> None:
    pytest.importorskip("anywidget")
    a, b = Value(2.0, "a"), Value(3.0, "b")
    widget = explore(a * b, live=True)
    answers: list[Any] = []
    passed: list[int] = []
    type(widget).send = lambda self, content, buffers=None: answers.append(content)  # to the notebook

    def ask(message: str) -> str:
        passed.append(json.loads(message)["number"])
        answers.clear()
        widget._handle_custom_msg(json.loads(message), [])
        return json.dumps(answers[-1])

    tab = tabs()
    tab.page.expose_function("ask", ask)
    tab.page.goto("data:text/html,<!DOCTYPE html><body></body>")
    # What a notebook does with an anywidget: it loads the module, and gives it a model and an element.
    tab.page.evaluate(
        """async ({esm, page}) => {
          const module = await import(URL.createObjectURL(new Blob([esm], {type: "text/javascript"})));
          let listener;
          const model = {
            get: (name) => ({page, title: "a*b"})[name],
            on: (name, callback) => (listener = callback),
            off: () => (listener = undefined),
            send: async (message) => listener(JSON.parse(await window.ask(JSON.stringify(message)))),
          };
          window.leave = module.default.render({model, el: document.body});
        }""",
        {"esm": str(widget._esm), "page": widget.page},
    )
    frame = tab.page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    frame.get_by_role("textbox", name="a, number").fill("7")
    frame.get_by_role("textbox", name="a, number").press("Enter")
    frame.locator("#canvas .card.output:has-text('21')").wait_for()
    assert (a.data, a.grad, b.grad) == (7.0, 3.0, 7.0)
    assert "finite difference" in frame.locator("#difference").text_content()
    # A message that does not come from the frame is not passed on.
    tab.page.evaluate("window.postMessage({explorer: true, number: 999, request: {set: {0: 1}}}, '*')")
    tab.page.wait_for_timeout(100)
    assert 999 not in passed
    assert a.data == 7.0
    tab.page.evaluate("window.leave()")
