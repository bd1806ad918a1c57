"""The first ten seconds: a large button, the expression on top, and what a number such as v₁ stands for."""

from __future__ import annotations

import pytest
from showing import Show, card, neuron, press

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.nn.layers.layers import MLP


def unlabelled() -> Value:
    a, b, c = Value(2.0, "a"), Value(-3.0, "b"), Value(6.5, "c")
    return tg.tanh(a * b + c) * a


def test_it_opens_with_a_large_button_that_plays_the_backward_sweep(show: Show) -> None:
    page = show(unlabelled())
    watch = page.get_by_role("button", name="Watch backpropagation")
    box = watch.bounding_box()
    assert box["height"] >= 44
    assert box["width"] >= 200
    watch.click()
    assert watch.is_hidden()
    assert page.get_by_role("button", name="Pause").is_visible()
    page.wait_for_function("() => document.getElementById('phase').textContent === 'Backward 2 of 7'")


def test_a_link_to_a_step_opens_without_the_button(show: Show) -> None:
    page = show(unlabelled(), "#step=3")
    assert page.locator("#watch").is_hidden()


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda a, b, c: tg.tanh(a * b + c), "L = tanh(a·b + c)"),
        (lambda a, b, c: a - (b - c), "L = a − (b − c)"),
        (lambda a, b, c: (a - b) - c, "L = a − b − c"),
        (lambda a, b, c: a / (b * c) * -a, "L = a/(b·c)·(−a)"),
        (lambda a, b, c: (a + b) ** 2 * (-c) ** 3.0, "L = (a + b)^2·(−c)^3"),
        (lambda a, b, c: tg.dot([a, b], [b, c], a), "L = dot(a, b, b, c, a)"),
        (lambda a, b, c: a * -2.0, "L = a·(−2)"),
    ],
)
def test_the_expression_is_written_on_top_as_the_code_has_it(show: Show, build: object, text: str) -> None:
    leaves = [Value(2.0, "a"), Value(3.0, "b"), Value(6.5, "c")]
    assert show(build(*leaves)).locator("#expression").text_content() == text  # type: ignore[operator]


def test_an_expression_that_is_too_wide_is_scrolled_by_keys(show: Show) -> None:
    leaves = [Value(float(k), f"a_rather_long_name_{k}") for k in range(12)]
    page = show(tg.tanh(sum(leaves[1:], leaves[0])), tab={"viewport": {"width": 700, "height": 600}})
    bar = page.locator("#expression")
    bar.focus()
    step = page.locator("#phase").inner_text()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.getElementById('expression').scrollLeft > 0")
    assert page.locator("#phase").inner_text() == step


def test_the_part_that_a_step_is_about_is_marked_in_it(show: Show) -> None:
    page = show(unlabelled())
    marked = page.locator("#expression .part.now")
    assert marked.count() == 0
    seen = []
    press(page, "Home")
    for _ in range(11):
        press(page, "ArrowRight")
        seen.append(marked.all_text_contents())
    forward = [["a·b"], ["a·b + c"], ["tanh(a·b + c)"], ["L", "tanh(a·b + c)·a"]]
    assert seen == [*forward, *forward[::-1], ["c"], ["b"], ["a", "a"]]


def test_of_a_large_graph_the_bar_has_what_the_step_is_about(show: Show) -> None:
    model = MLP(2, [8, 1], "tanh", seed=0)
    page = show((model([Value(0.5, "x1"), Value(-1.0, "x2")]) - 1.0) ** 2, "#step=2", names={"model": model})
    text = page.locator("#expression").text_content()
    name = page.locator("#step-title bdi").text_content()
    assert text.startswith(f"{name} = ")
    assert page.locator("#expression .part.now").first.text_content() == name


def test_a_large_expression_is_written_in_the_names_that_the_code_has(show: Show) -> None:
    x, w = Value(0.5, "x"), Value(2.0, "w")
    h = x * w
    for _ in range(12):
        h = tg.tanh(h + w * x)
    h.label = "h"
    page = show(h * h + h)
    assert page.locator("#expression").text_content() == "L = h·h + h"


def test_a_numbered_node_says_what_it_stands_for(show: Show) -> None:
    page = show(unlabelled(), "#step=2")
    assert "v₂ stands for a·b + c" in page.locator("#explanation").text_content()
    assert page.get_by_role("button", name="v₁", exact=True).get_attribute("title") == "v₁ = a·b. Select this node"
    card(page, "v₃").hover()
    assert "v₃ = tanh(a·b + c)" in page.get_by_role("tooltip").text_content()
    card(page, "v₃").click()
    assert "stands fortanh(a·b + c)" in page.locator("#selected").text_content()


def test_what_is_named_is_not_written_out(show: Show) -> None:
    root, _ = neuron()
    page = show(root, "#step=2")
    card(page, "t").hover()
    assert "t = p + c" in page.get_by_role("tooltip").text_content()
    assert "stands for" not in page.locator("#explanation").text_content()


def test_the_hint_under_the_pointer_follows_the_phase(show: Show) -> None:
    page = show(unlabelled())
    card(page, "v₁").hover()
    tip = page.get_by_role("tooltip")
    assert "gradient" in tip.text_content()
    press(page, "Home")
    assert "not evaluated yet" in tip.text_content()
    assert "gradient" not in tip.text_content()
    press(page, "ArrowRight")
    assert "value−6" in tip.text_content()


def test_the_small_example_plays_by_itself(show: Show) -> None:
    page = show(unlabelled())
    press(page, "o")
    page.get_by_role("button", name="Show an example").click()
    assert page.get_by_role("button", name="Depth first").get_attribute("aria-pressed") == "true"
    page.wait_for_function("() => document.getElementById('phase').textContent === 'Forward 2 of 3'")
    page.get_by_label("Speed").select_option("16")
    page.wait_for_function("() => document.getElementById('phase').textContent.endsWith('some of them wrong')")
    assert "✗ wrong" in page.locator("#order").text_content()


def test_what_a_search_finds_stands_on_top_of_the_panel(show: Show) -> None:
    page = show(unlabelled(), "#step=3")
    search = page.get_by_role("searchbox", name="Search nodes")
    search.fill("mul")
    visible = "() => [...document.querySelectorAll('aside > section')].filter((e) => !e.hidden).map((e) => e.id)"
    assert page.evaluate(visible) == ["found", "step"]
    assert page.locator("#found h2").text_content() == "Found: 2 nodes"
    assert page.locator("#found li").all_text_contents() == ["v₁mul, −6", "Lmul, 0.9242"]
    search.press("Enter")
    assert page.evaluate(visible) == ["found", "selected", "step"]
    assert page.locator("#found [aria-current]").text_content() == "v₁"
    page.locator("#found").get_by_role("button", name="L").click()
    assert page.locator("#selected-title").text_content() == "L"
    assert page.locator("#hits").text_content() == "2 / 2"
    search.fill("")
    assert page.evaluate(visible) == ["step", "selected"]


# ---------------------------------------------------------------------------------------- names in texts


def test_control_characters_of_direction_cannot_reorder_what_stands_beside_them(show: Show) -> None:
    """Each label with one is within an element of its own direction, or between isolates."""
    a, w = Value(2.0, "\u202eevil"), Value(3.0, "w")
    h = a * w
    h.label = "\u202ehidden\u2069"
    page = show(h + h * h, "#step=2")
    card(page, "w").hover()
    press(page, "o", "ArrowRight", "ArrowRight", "ArrowRight", "/")
    page.keyboard.type("mul")
    press(page, "Enter")
    loose = page.evaluate("""() => {
      const found = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const { data, parentElement } = walker.currentNode;
        if (!data.includes("\\u202e") || parentElement.closest("script, style")) continue;
        const alone = data.startsWith("\\u202e");
        const style = getComputedStyle(parentElement);
        const isolated = style.unicodeBidi === "isolate" || style.display.includes("block") ||
          parentElement.namespaceURI.endsWith("MathML");
        const within = /\\u2068[^\\u2068\\u2069]*\\u202e[^\\u2068\\u2069]*\\u2069/.test(data);
        if (!(alone && isolated) && !within) found.push([parentElement.outerHTML, data]);
      }
      for (const element of document.querySelectorAll("[aria-label], [title]")) {
        for (const text of [element.getAttribute("aria-label"), element.getAttribute("title")]) {
          const within = /^[^\\u202e]*(\\u2068[^\\u2069]*\\u2069[^\\u202e]*)+$/;
          if (text?.includes("\\u202e") && !within.test(text)) found.push(text);
        }
      }
      return found;
    }""")
    assert loose == []
