"""Step by step, the page says what the engine computed: values, local derivatives, sums of the chain rule."""

from __future__ import annotations

from showing import Show, card, classes, neuron, numbers_on, phase, press

import tinygrad_lite as tg
from tinygrad_lite import Value

# ------------------------------------------------------------------------------------------------- steps


def test_it_opens_at_the_end_with_every_value_and_gradient(show: Show) -> None:
    root, nodes = neuron()
    page = show(root)
    assert phase(page) == "All gradients"
    for name, node in nodes.items():
        assert numbers_on(page, name) == [f"{node.data:.4g}", f"{node.grad:.4g}"]


def test_forward_each_node_gets_its_value_after_its_operands(show: Show) -> None:
    root, nodes = neuron()
    page = show(root)
    press(page, "Home")
    assert phase(page) == "Start"
    assert [numbers_on(page, name)[0] for name in ("a", "p", "t", "s", "L")] == ["2", "·", "·", "·", "·"]
    for k, name in enumerate(("p", "t", "s", "L"), start=1):
        press(page, "ArrowRight")
        assert phase(page) == f"Forward {k} of 4"
        assert "active" in classes(card(page, name))
        assert page.locator("#canvas .card.active").count() == 1
        assert numbers_on(page, name)[0] == f"{nodes[name].data:.4g}"
        assert page.locator("#canvas .card.waiting").count() == 4 - k
    assert page.locator("#explanation math").count() > 0


def test_the_operation_is_explained_with_its_equation(show: Show) -> None:
    root, _ = neuron()
    page = show(root, "#step=3")
    assert "Hyperbolic tangent." in page.locator("#explanation").text_content()
    assert page.locator("#explanation .equation math").text_content() == "s=tanh(t)=tanh(0.5)=0.462117"


def test_backward_each_node_waits_for_all_its_uses(show: Show) -> None:
    root, nodes = neuron()
    page = show(root, "#step=4")
    for k, name in enumerate(("L", "s", "t", "p"), start=1):
        press(page, "ArrowRight")
        assert phase(page) == f"Backward {k} of 7"
        assert "active" in classes(card(page, name))
        assert numbers_on(page, name)[1] == f"{nodes[name].grad:.4g}"
        if name != "p":  # a has one of its two terms
            assert numbers_on(page, "a")[1] == f"{nodes['s'].data:.4g}…"
    assert numbers_on(page, "a")[1] == f"{nodes['a'].grad:.4g}"


def test_the_chain_rule_is_written_out_with_numbers(show: Show) -> None:
    root, nodes = neuron()
    page = show(root)
    card(page, "a").click()
    page.get_by_role("button", name="Its gradient").click()
    assert page.locator("#step-title").text_content() == "a"
    rule, total = page.locator("#explanation .equation math").all_text_contents()
    assert rule == "∂L∂a=∑uses∂L∂u·∂u∂a"
    s, p = nodes["s"].data, nodes["p"].grad
    assert total == f"∂L∂a=1·{s:.4g}+{p:.4g}·(−3)={nodes['a'].grad:.6g}".replace("-", "−")
    rows = [
        [cell.text_content() for cell in row.locator("td").all()] for row in page.locator("#explanation tbody tr").all()
    ]
    assert rows[0] == ["∂L∂L·∂L∂a", f"1·{s:.4g}", f"{s:.4g}"]
    assert rows[1] == ["∂L∂p·∂p∂a", f"{p:.4g}·(−3)", f"−{3 * p:.4g}"]
    assert rows[2][2] == f"{nodes['a'].grad:.6g}".replace("-", "−")


def test_every_edge_says_its_local_derivative(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    partials = [partial for node in tg.topological_order(root) for partial in node.partials]
    expected = sorted(f"{partial:.4g}".replace("-", "−") for partial in partials)
    assert sorted(page.locator("#canvas .partial").all_text_contents()) == expected
    press(page, "Home")
    assert set(page.locator("#canvas .partial").all_text_contents()) == {""}


def test_an_operand_used_twice_by_one_node_has_two_edges(show: Show) -> None:
    a = Value(3.0, "a")
    page = show(a * a)
    assert page.locator("#canvas .partial").all_text_contents() == ["3", "3"]
    ends = {path.get_attribute("d") for path in page.locator("#canvas path.edge").all()}
    assert len(ends) == 2
    press(page, "ArrowLeft")
    assert page.locator("#explanation tbody tr").count() == 3


def test_what_is_passed_on_has_its_formula(show: Show) -> None:
    root, nodes = neuron()
    page = show(root, "#step=6")
    (row,) = page.locator("#explanation tbody tr").all()
    cells = [cell.text_content() for cell in row.locator("td").all()]
    assert cells == ["∂s∂t", f"1cosh2(t)={nodes['s'].partials[0]:.4g}", f"{nodes['t'].grad:.4g}"]


def test_signs_have_their_colours(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    assert "negative" in classes(card(page, "a").locator(".number").nth(1))
    assert "positive" in classes(card(page, "b").locator(".number").nth(1))
    signs = [classes(edge) & {"positive", "negative"} for edge in page.locator("#canvas .edge").all()]
    assert sorted(map(len, signs)) == [1] * 7
    assert signs.count({"negative"}) == 1


def test_constants_get_no_gradient(show: Show) -> None:
    x = Value(3.0, "x")
    page = show(x * 7.0)
    constant = page.locator("#canvas .card.constant")
    assert constant.text_content() == "7"
    assert page.locator("#position").text_content() == "4 / 4"  # one forward, L and x backward, the end


def test_numbers_that_are_not_finite_are_shown(show: Show) -> None:
    page = show(tg.sqrt(Value(0.0, "x")))
    assert numbers_on(page, "x") == ["0", "inf"]
    assert page.locator("#canvas .edge.not-finite").count() == 1


# --------------------------------------------------------------------------------------------- transport


def test_buttons_step_and_play(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    position = page.locator("#position")
    page.get_by_role("button", name="To the start").click()
    assert position.text_content() == "0 / 12"
    assert page.locator("#back").is_disabled()
    page.get_by_role("button", name="One step on").click()
    page.get_by_role("button", name="One step on").click()
    page.get_by_role("button", name="One step back").click()
    assert position.text_content() == "1 / 12"
    page.get_by_label("Speed").select_option("16")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.getElementById('position').textContent === '12 / 12'")
    assert page.get_by_role("button", name="Play").is_visible()  # no longer "Pause"
    page.get_by_role("button", name="To the start").click()
    page.get_by_role("button", name="To the end").click()
    assert page.locator("#next").is_disabled()


def test_play_pauses_and_begins_again_from_the_end(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    press(page, "Space")  # at the end: from the start
    assert page.get_by_role("button", name="Pause").is_visible()
    page.wait_for_function("() => document.getElementById('position').textContent === '1 / 12'")
    press(page, "Space")
    assert page.get_by_role("button", name="Play").is_visible()
    before = page.locator("#position").text_content()
    page.wait_for_timeout(1300)  # more than one step takes
    assert page.locator("#position").text_content() == before


def test_keys_step(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    seen = []
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowLeft", "End"):
        press(page, key)
        seen.append(page.locator("#position").text_content().split(" /")[0])
    assert seen == ["0", "1", "2", "1", "12"]


def test_the_scrubber_goes_to_a_step(show: Show) -> None:
    root, _ = neuron()
    page = show(root)
    scrubber = page.get_by_role("slider", name="Step")
    scrubber.fill("6")
    assert phase(page) == "Backward 2 of 7"
    assert scrubber.get_attribute("aria-valuetext") == "step 6 of 12: backward, s"
    scrubber.focus()
    press(page, "ArrowRight")
    assert page.locator("#position").text_content() == "7 / 12"


def test_each_of_many_operands_has_its_own_local_derivative(show: Show) -> None:
    root = tg.dot([Value(0.5, "u"), Value(-1.0, "v"), Value(2.0, "q")], [3.0, 4.0, Value(5.0, "p")])
    page = show(root, "#step=2")
    told = [row.text_content() or "" for row in page.locator("#explanation tr").all()]
    assert [text.partition("=")[0][-2:] for text in told[1:]] == ["x0", "x1", "qp", "pq"]
    assert [text.partition("=")[2] for text in told[1:]] == ["33", "44", "55", "22"]
