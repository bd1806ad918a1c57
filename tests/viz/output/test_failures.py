"""A graph whose evaluation raised is drawn as far as it got, with the operation that failed marked."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import tinygrad_lite as tg
from tinygrad_lite import StaleGraphError, Value
from tinygrad_lite.plotting import themes
from tinygrad_lite.viz import draw
from tinygrad_lite.viz.output.failures import draw_error

NODE = re.compile(r"^\t(n\d+) \[(.*)\]$", re.MULTILINE)
EDGE = re.compile(r"^\t(n\d+) -> (n\d+) \[(.*)\]$", re.MULTILINE)


def cards(source: str) -> dict[str, str]:
    return dict(NODE.findall(source))


def card_with(source: str, text: str) -> tuple[str, str]:
    return next((name, card) for name, card in cards(source).items() if text in card)


# --------------------------------------------------------------------------------------------- forward()


def failed_forward() -> tuple[Value, Value]:
    x = Value(2.0, "x")
    inner = x * 3.0
    inner.label = "inner"
    root = inner.log().exp() + inner
    root.backward()
    x.data = -1.0
    with pytest.raises(ValueError, match="math domain"):
        root.forward()
    return root, inner


def test_where_forward_raised_the_operation_is_marked_with_what_it_raised() -> None:
    root, _ = failed_forward()
    _, card = card_with(draw(root).source, "✗")
    assert all(text in card for text in (">log<", "✗ ValueError", "math domain error", themes.LIGHT.failure_fill))


def test_nodes_before_it_have_their_new_numbers_and_nodes_after_it_have_none() -> None:
    root, inner = failed_forward()
    source = draw(root).source
    assert f">{inner.data:g}<".replace("-", "−") in card_with(source, ">inner<")[1]
    for symbol in (">exp<", ">+<"):
        _, card = card_with(source, symbol)
        assert "not evaluated" in card
        assert ">data<" not in card
        assert "DASHED" in card


def test_there_are_no_gradients_as_they_are_older_than_the_failure() -> None:
    root, _ = failed_forward()
    source = draw(root).source
    assert ">grad<" not in source
    assert themes.LIGHT.positive not in source
    assert "gradient &gt; 0" not in source


def test_a_failure_within_a_group_marks_the_group() -> None:
    xs = [Value(1.0, f"x{i}") for i in range(100)]
    root = tg.mean([x.log() for x in xs])
    xs[7].data = -1.0
    with pytest.raises(ValueError, match="math domain"):
        root.forward()
    _, card = card_with(draw(root).source, "✗")
    assert "×100" in card


def test_a_graph_that_could_be_evaluated_but_was_not_is_refused() -> None:
    x = Value(2.0, "x")
    root = x.log()
    x.data = 3.0
    with pytest.raises(StaleGraphError, match="forward"):
        draw(root)


# --------------------------------------------------------------------------------------------- recording


def caught(function: Callable[..., object], *arguments: object) -> Exception:
    with pytest.raises(Exception, match=r"\(Value\(") as info:
        function(*arguments)
    return info.value


def unfinished(w: Value, x: Value) -> Value:
    z = w * x - 3.0
    return tg.log(z) + 1.0


def test_the_operation_that_raised_is_drawn_upon_its_operands_and_all_below_them() -> None:
    w, x = Value(2.0, "w"), Value(1.0, "x")
    source = draw_error(caught(unfinished, w, x)).source
    failed, card = card_with(source, "✗")
    assert "math domain error" in card
    assert ">log<" in card
    z, z_card = card_with(source, ">z<")
    assert ">−1<" in z_card
    assert [(tail, head) for tail, head, _ in EDGE.findall(source) if head == failed] == [(z, failed)]
    assert {">w<", ">x<", ">*<", ">−<"} <= set(re.findall(">[^<>]+<", source))


def test_an_operand_that_no_variable_leads_to_is_drawn_from_its_repr_and_dashed() -> None:
    def f(a: Value) -> Value:
        return 1.0 / (a - 2.0)

    source = draw_error(caught(f, Value(2.0, "a"))).source
    assert "float division by zero" in source
    assert len([card for card in cards(source).values() if "DASHED" in card]) == 2


def test_operands_that_the_exception_carries_are_taken() -> None:
    a = Value(2.0, "a")
    difference = a - 2.0
    error = ZeroDivisionError("truediv(Value(data=1.0, grad=0.0), Value(data=0.0, grad=0.0)): float division by zero.")
    error.operands = (Value(1.0), difference)  # type: ignore[attr-defined]  # what the engine may put there
    source = draw_error(error).source
    assert ">a<" in source
    assert "DASHED" not in source


def test_an_exception_that_was_raised_from_it_will_do() -> None:
    def f(x: Value) -> None:
        try:
            tg.sqrt(x)
        except ValueError as error:
            raise RuntimeError("training failed") from error

    with pytest.raises(RuntimeError) as info:
        f(Value(-1.0, "x"))
    assert "✗ ValueError" in draw_error(info.value).source


HOSTILE = ["), grad=0.0", 'a"b', "it's", "\\'", "Value(data=1.0, grad=0.0)", ": x. ", "a\nb", "<b>"]


@pytest.mark.parametrize("label", HOSTILE, ids=ascii)
def test_labels_do_not_confuse_the_search_for_operands(label: str) -> None:
    x, y = Value(1.0, label), Value(0.0, label)
    source = draw_error(caught(lambda: x / y)).source
    assert "float division by zero" in source
    assert "DASHED" not in source
    assert len(cards(source)) == 3


def test_a_stand_in_has_the_label_of_what_was_lost() -> None:
    def f() -> Value:
        return tg.log(Value(-1.0, 'it\'s "lost"'))

    source = draw_error(caught(f)).source
    assert "it&#x27;s &quot;lost&quot;" in source
    assert "DASHED" in source


def test_operations_of_many_operands_are_drawn_too() -> None:
    table = [Value(1.0, "t0"), Value(2.0, "t1"), Value(5.0, "i")]
    with pytest.raises(IndexError) as info:
        tg.lookup(table[:2], table[2])
    source = draw_error(info.value).source
    assert len(EDGE.findall(source)) == 3
    assert "✗ IndexError" in source


def test_options_are_those_of_draw() -> None:
    error = caught(unfinished, Value(2.0, "w"), Value(1.0, "x"))
    assert "rankdir=TB" in draw_error(error, direction="TB").source
    assert ">z<" not in draw_error(error, names={}).source


def test_another_error_is_refused() -> None:
    with pytest.raises(ValueError, match="no operation on Values raised"):
        draw_error(KeyError("x"))
    with pytest.raises(TypeError, match="not str"):
        draw_error("log(Value(data=1.0, grad=0.0)): no")  # type: ignore[arg-type]  # the point of the test
