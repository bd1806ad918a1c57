"""What is seen of a graph: near and far, with modules open and closed, laid out without overlap, however large."""

from __future__ import annotations

import pytest
from showing import Show, card, classes, module_graph, neuron, numbers_on, phase, press, transform

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.nn.layers.layers import MLP

# ---------------------------------------------------------------------------------------------- the view


def test_zoom_pan_and_fit(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    x, y, scale = transform(page)
    page.get_by_role("button", name="Zoom in").click()
    assert transform(page)[2] == pytest.approx(1.3 * scale, rel=1e-3)
    page.get_by_role("button", name="Zoom out").click()
    assert transform(page)[2] == pytest.approx(scale, rel=1e-3)
    press(page, "+")
    assert transform(page)[2] > scale
    page.get_by_role("button", name="Fit", exact=True).click()
    assert transform(page) == [x, y, scale]
    page.mouse.move(300, 600)
    page.mouse.down()
    page.mouse.move(340, 590, steps=5)
    page.mouse.up()
    assert transform(page) == pytest.approx([x + 40, y - 10, scale])
    press(page, "f")
    page.mouse.move(300, 600)
    page.mouse.wheel(0, -300)
    page.wait_for_function(
        "s => Number(document.querySelector('.scene').getAttribute('transform').match(/scale.([\\d.]+)/)[1]) > s",
        arg=scale,
    )
    after = transform(page)
    # What was under the pointer still is.
    left, top = (page.locator("#canvas").bounding_box()[side] for side in ("x", "y"))
    for place, pointer, start in ((0, 300 - left, x), (1, 600 - top, y)):
        assert (pointer - after[place]) / after[2] == pytest.approx((pointer - start) / scale, abs=0.1)


def test_a_drag_that_ends_on_a_node_selects_nothing(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    box = card(page, "p").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 10, box["y"] + 60, steps=4)
    page.mouse.up()
    assert page.locator("#selected").is_hidden()


def test_steps_out_of_sight_come_into_view(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    around = page.locator("#canvas").bounding_box()
    for _ in range(11):
        press(page, "ArrowLeft")
        if page.locator("#canvas .card.active").count():
            box = page.locator("#canvas .card.active .face").bounding_box()
            assert around["x"] <= box["x"]
            assert box["x"] + box["width"] <= around["x"] + around["width"]


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_operands_lie_before_what_uses_them_and_no_cards_overlap(show: Show, direction: str) -> None:
    model = MLP(2, [3, 2, 1], "tanh", seed=0)
    inputs = [Value(0.5, "x1"), Value(-1.0, "x2")]
    root = (model(inputs) - 1.0) ** 2 + inputs[0]
    page = show(root, names={"model": model}, direction=direction, expanded=True)
    boxes = page.locator("#canvas .card .face").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(({x, y, width, height}) => [x, y, x + width, y + height])"
    )
    assert len(boxes) == len(tg.topological_order(root, leaves=True))
    for k, a in enumerate(boxes):
        for b in boxes[:k]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    axis = 0 if direction == "LR" else 1
    by_key = dict(
        zip(page.locator("#canvas .card").evaluate_all("all => all.map(e => e.dataset.key)"), boxes, strict=True)
    )
    order = tg.topological_order(root, leaves=True)[::-1]
    place = {id(node): f"n{k}" for k, node in enumerate(order)}
    for node in order:
        for operand in node.parents:
            assert by_key[place[id(operand)]][axis + 2] <= by_key[place[id(node)]][axis]


# ----------------------------------------------------------------------------------------------- modules


def test_modules_collapse_and_expand(show: Show) -> None:
    root, names = module_graph()
    page = show(root, names=names)
    cards = page.locator("#canvas .card")
    count = cards.count()
    assert count == len(tg.topological_order(root, leaves=True))
    page.get_by_role("button", name="Collapse model.layers[0].neurons[1]").click()
    assert page.locator("#canvas .card.module .title").all_text_contents() == ["neurons[1]"]
    assert cards.count() == count - 5 + 1  # three parameters, dot, tanh
    page.get_by_role("button", name="Collapse modules").click()
    assert page.locator("#canvas .card.module .title").all_text_contents() == ["model"]
    assert page.get_by_role("button", name="model: module of").count() == 1
    page.locator("#canvas .card.module").click()
    assert page.locator("#canvas .card.module .title").all_text_contents() == ["layers[0]", "layers[1]"]
    page.get_by_role("button", name="Expand modules").click()
    assert cards.count() == count


def test_modules_open_and_close_by_keyboard_and_keep_the_focus(show: Show) -> None:
    root, names = module_graph()
    page = show(root, names=names, expanded=False)
    page.locator("#canvas .card.module").focus()
    press(page, "Enter")
    assert page.locator("#canvas .card.module").count() == 2
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused) == "Collapse model"
    press(page, "Enter")
    assert page.evaluate(focused).startswith("model: module of")


def test_steps_inside_a_collapsed_module_light_it_up_and_can_be_stepped_over(show: Show) -> None:
    root, names = module_graph()
    page = show(root, names=names, expanded=False)
    press(page, "Home", "ArrowRight")
    assert "active" in classes(page.locator("#canvas .card.module"))
    press(page, "ArrowRight")
    assert "active" in classes(page.locator("#canvas .card.module"))
    press(page, "Shift+ArrowRight")
    assert "active" not in classes(page.locator("#canvas .card.module"))
    assert phase(page).startswith("Forward")


def test_a_module_that_is_used_twice_is_drawn(show: Show) -> None:
    model = MLP(1, [1], seed=0)
    root = model([model([0.5])])
    page = show(root, names={"model": model}, expanded=False)
    assert page.locator("#canvas .card.module").count() == 1


# ------------------------------------------------------------------------------------------ large graphs


def large() -> Value:
    """2,000 nodes in which everything is used again."""
    nodes = [Value(0.01 * i, f"x{i}") for i in range(50)]
    for i in range(1948):
        a, b = nodes[-1 - i % 37], nodes[-1 - i % 11]
        nodes.append(a + b if i % 3 else a.tanh())
    return tg.sum(nodes)


def test_a_step_in_2000_nodes_touches_only_what_changes(show: Show) -> None:
    root = large()
    assert 1990 <= len(tg.topological_order(root, leaves=True)) <= 2010
    page = show(root)
    page.set_default_timeout(20_000)
    page.evaluate("""() => {
      window.changes = [];
      let count = 0;
      new MutationObserver((records) => (count += records.length))
        .observe(document.getElementById("canvas"),
                 {subtree: true, childList: true, attributes: true, characterData: true});
      window.take = () => { const found = count; count = 0; return found; };
    }""")
    press(page, "f")  # so that nothing comes into sight
    page.get_by_role("slider", name="Step").fill("900")
    page.wait_for_timeout(50)
    page.evaluate("take()")
    for _ in range(5):
        press(page, "ArrowRight")
        page.wait_for_timeout(20)
        assert 0 < page.evaluate("take()") < 60


def test_of_2000_nodes_those_in_sight_are_drawn_and_the_focus_goes_to_any(show: Show) -> None:
    page = show(large())
    drawn = "() => document.querySelectorAll('#canvas .card .face').length"
    shown = page.locator("#canvas .card:not([display])")
    assert 0 < page.evaluate(drawn) < 700
    assert shown.count() < 700
    hits = page.get_by_role("searchbox", name="Search nodes")
    hits.fill("x7")
    hits.press("Enter")
    assert card(page, "x7").is_visible()
    assert numbers_on(page, "x7")[0] == "0.07"  # drawn just now, with the numbers of the step
    around, found = page.locator("#canvas").bounding_box(), card(page, "x7").bounding_box()
    assert around["x"] <= found["x"] < around["x"] + around["width"]
    hits.press("Escape")
    page.locator("#canvas .card[data-key='n3']").evaluate("(e) => e.focus()")  # out of sight or not
    press(page, "ArrowDown")
    key, visible = page.evaluate("[document.activeElement.dataset.key, document.activeElement.checkVisibility()]")
    assert key
    assert visible
    press(page, "f")  # everything is in sight, and is drawn
    assert page.evaluate(drawn) > 1990
    assert page.locator("#canvas path.edge").count() > 2000


def test_a_minimap_goes_to_any_part_of_a_large_graph(show: Show) -> None:
    page = show(large())
    minimap = page.locator("#minimap")
    minimap.wait_for()
    before = transform(page)
    box = minimap.bounding_box()
    assert box["width"] <= 170
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    left, top, scale = transform(page)
    assert [left, top] != before[:2]
    width = page.locator("#canvas").bounding_box()["width"]
    origin = page.locator("#canvas .scene").evaluate("(e) => { const {x, y} = e.getBBox(); return [x, y]; }")
    assert origin[0] <= (width / 2 - left) / scale < origin[0] + 2000
    assert scale == before[2]
    inked = page.evaluate("""() => {
      const canvas = document.getElementById("minimap");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((_, k) => k % 4 === 3).some((alpha) => alpha > 0);
    }""")
    assert inked
    press(page, "f")
    minimap.wait_for(state="hidden")


def test_a_small_graph_has_no_minimap(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    for _ in range(5):
        press(page, "+")
    page.wait_for_timeout(50)
    assert page.locator("#minimap").is_hidden()


def test_2000_nodes_are_all_there(show: Show) -> None:
    page = show(large(), "#step=1")
    assert page.locator("#canvas .card").count() > 1990
    assert phase(page).startswith("Forward 1 of")
