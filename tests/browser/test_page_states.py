"""Controls can be read in every state: pointed at, pressed, focused, disabled; who checks a page at rest sees none."""

from __future__ import annotations

from typing import Any

import pytest
from showing import Show, module_graph, press

#: Text and icons on what is behind them, and the frame of what has the focus on what is beside it.
CONTRAST = """(element) => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = channels(colour).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (channels(colour)[3] !== 0) return colour;
    }
  };
  const ratio = (a, b) => {
    const [x, y] = [a, b].map(luminance);
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };
  const style = getComputedStyle(element);
  const outlined = element.matches(":focus-visible");
  return {
    text: ratio(style.color, behind(element)),
    outline: outlined ? ratio(style.outlineColor, behind(element.parentElement)) : null,
  };
}"""


def readable(control: Any, state: str) -> None:
    found = control.evaluate(CONTRAST)
    name = control.get_attribute("id") or control.text_content()
    assert found["text"] >= 4.5, (name, state, found)
    if found["outline"] is not None:
        assert found["outline"] >= 3.0, (name, state, found)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_controls_can_be_read_in_every_state(show: Show, scheme: str) -> None:
    root, names = module_graph()
    page = show(root, names=names, tab={"color_scheme": scheme, "reduced_motion": "reduce"})
    page.get_by_role("button", name="Why topological order?").click()
    controls = [control for control in page.locator("button, select, input[type=search]").all() if control.is_visible()]
    assert len(controls) > 15
    for control in controls:
        readable(control, "at rest")
        control.hover(force=True)
        readable(control, "pointed at")
        if control.is_enabled():
            page.mouse.down()
            readable(control, "held down")
            page.mouse.move(1, 1)
            page.mouse.up()
            press(page, "Tab")
            control.focus()
            assert control.evaluate("(e) => e.matches(':focus-visible')")
            readable(control, "focused")
    page.mouse.move(1, 1)
    assert page.locator("button[aria-pressed=true]").count() >= 2
    assert page.locator("button:disabled").count() >= 2
