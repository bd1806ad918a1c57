"""The picture of a graph in each state of the backward sweep: one by one, or as one SVG file that moves."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from tinygrad_lite.plotting.themes import FONT, Theme
from tinygrad_lite.value import Value
from tinygrad_lite.viz.animation.svg_picture import SVG, bounds, view_box
from tinygrad_lite.viz.animation.sweep import Step
from tinygrad_lite.viz.drawing.cards import number
from tinygrad_lite.viz.drawing.palette import text_colour_of
from tinygrad_lite.viz.reading.labels import shortened, visible

TITLE: Final = "The backward sweep over the graph"
#: Space below the graph for what the step says, and the size of its letters.
_CAPTION: Final = 34.0
_LETTERS: Final = 12.0
#: So many characters of a caption have room on so many units.
_CHARACTERS_A_UNIT: Final = 1.0 / 6.2
#: What the sweep has not reached yet.
_WAITING: Final = "0.22"


class Frames:
    """The picture of the graph, to be shown in each state of the sweep."""

    def __init__(
        self, picture: ET.Element, steps: Sequence[Step], order: Sequence[Value], precision: int, theme: Theme
    ) -> None:
        self.picture = picture
        self.steps = steps
        self.precision = precision
        self.theme = theme
        names = {f"n{i}": i for i in range(len(order))}
        #: the numbers of the nodes that each group of the file draws: a node, or an edge's operand and its user
        self.ends = {
            group: tuple(names[name] for name in (group.findtext(f"{SVG}title") or "").split("->") if name in names)
            for group in picture.iter(f"{SVG}g")
            if group.get("class") in ("node", "edge")
        }
        self.constants = frozenset(i for i, node in enumerate(order) if node.is_constant)
        for group in list(picture.iter()):
            for child in list(group):
                if child.tag == f"{SVG}title":
                    group.remove(child)  # else the pointer shows Graphviz's names

    def still(self, k: int) -> ET.Element:
        """Return the picture in one state."""
        return self._built(lambda values: values[k], None)

    def animated(self, seconds: float) -> str:
        """Return the picture that goes through all states."""
        period = seconds * (len(self.steps) + 1)  # the last state stays for two
        styles: list[str] = []
        rules: dict[tuple[str, ...], str] = {}

        def animate(property_: str, values: Sequence[str]) -> str:
            """Return the name of the class that gives an element these values of a property, one after the other."""
            key = (property_, *values)
            if key not in rules:
                rules[key] = f"s{len(rules)}"
                count = len(values) + 1
                frames = [
                    f"{100.0 * i / count:.3f}% {{ {property_}: {value}; }}"
                    for i, value in enumerate(values)
                    if i == 0 or value != values[i - 1]
                ]
                styles.append(
                    f"@keyframes {rules[key]} {{ {' '.join(frames)} }}\n"
                    f".{rules[key]} {{ animation: {rules[key]} {period:g}s step-end infinite; }}"
                )
            return rules[key]

        root = self._built(lambda values: values[-1], animate)
        style = ET.Element(f"{SVG}style")
        style.text = "\n".join(
            [*styles, "@media (prefers-reduced-motion: reduce) { * { animation: none !important; } }"]
        )
        root.insert(0, style)
        title = ET.Element(f"{SVG}title")
        title.text = TITLE
        root.insert(0, title)
        root.set("role", "img")
        ET.register_namespace("", SVG[1:-1])
        ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
        return ET.tostring(root, encoding="unicode")

    def _built(self, chosen: Any, animate: Any) -> ET.Element:
        """Return a copy of the picture in the state that ``chosen`` takes of all; with ``animate``, moving."""
        root = copy.deepcopy(self.picture)
        groups = zip(self.ends, [g for g in root.iter(f"{SVG}g") if g.get("class") in ("node", "edge")], strict=True)
        for original, group in groups:
            ends = self.ends[original]
            if len(ends) == 2:
                self._set(
                    group, "opacity", ["1" if ends[1] in s.done else _WAITING for s in self.steps], chosen, animate
                )
            elif len(ends) == 1 and ends[0] not in self.constants:
                self._node(group, ends[0], chosen, animate)
        self._captions(root, chosen, animate)
        return root

    def _set(self, element: ET.Element, attribute: str, values: list[str], chosen: Any, animate: Any) -> None:
        element.set(attribute, chosen(values))
        if animate is not None and len(set(values)) > 1:
            element.set("class", f"{element.get('class', '')} {animate(attribute, values)}".strip())

    def _node(self, group: ET.Element, i: int, chosen: Any, animate: Any) -> None:
        """Show the node's card: faint before it is reached, framed while it passes on, its gradient as far as it is."""
        box = bounds(group)
        reached = ["1" if i in step.reached else _WAITING for step in self.steps]
        self._set(group, "opacity", reached, chosen, animate)
        shown = _gradient_text(group)
        if shown is not None:
            self._numbers(shown, i, chosen, animate)
        active = ["visible" if step.active == i else "hidden" for step in self.steps]
        if "visible" in active:
            frame = ET.SubElement(group, f"{SVG}rect", {
                "x": f"{box.left - 3:.2f}", "y": f"{box.top - 3:.2f}", "rx": "10", "fill": "none",
                "width": f"{box.right - box.left + 6:.2f}", "height": f"{box.bottom - box.top + 6:.2f}",
                "stroke": self.theme.ink, "stroke-width": "2.5",
            })  # fmt: skip
            self._set(frame, "visibility", active, chosen, animate)

    def _numbers(self, last: tuple[ET.Element, ET.Element], i: int, chosen: Any, animate: Any) -> None:
        """In the place of the last gradient a text for each that the node has had, aligned to the right."""
        parent, text = last
        written = [number(step.grads[i], self.precision) for step in self.steps]
        colours = {
            text: text_colour_of(step.grads[i], self.theme) for step, text in zip(self.steps, written, strict=True)
        }
        right = float(text.get("x", 0.0)) + _width(text.text or "", float(text.get("font-size", 12.0)))
        place = list(parent).index(text)
        parent.remove(text)
        for value in dict.fromkeys(written):
            one = ET.Element(text.tag, dict(text.attrib))
            one.text = value
            one.set("x", f"{right:.2f}")
            one.set("text-anchor", "end")
            if value != written[-1]:
                one.set("fill", colours[value])
            self._set(one, "visibility", ["visible" if w == value else "hidden" for w in written], chosen, animate)
            parent.insert(place, one)

    def _captions(self, root: ET.Element, chosen: Any, animate: Any) -> None:
        """Room below the graph, and there a line for each state."""
        box = view_box(root)
        width, height = box.right - box.left, box.bottom - box.top + _CAPTION
        root.set("viewBox", f"{box.left:g} {box.top:g} {width:g} {height:g}")
        root.set("width", f"{width:g}pt")
        root.set("height", f"{height:g}pt")
        if self.theme.page != "transparent":
            page = {
                "x": f"{box.left:g}",
                "y": f"{box.bottom - 1:g}",
                "width": f"{width:g}",
                "height": f"{_CAPTION + 1:g}",
            }
            ET.SubElement(root, f"{SVG}rect", {**page, "fill": self.theme.page})
        room = int(width * _CHARACTERS_A_UNIT)
        for k, step in enumerate(self.steps):
            line = ET.SubElement(root, f"{SVG}text", {
                "x": f"{(box.left + box.right) / 2:.2f}", "y": f"{box.bottom + 0.55 * _CAPTION:.2f}",
                "text-anchor": "middle", "font-family": FONT, "font-size": f"{_LETTERS:g}",
                "fill": self.theme.ink,
            })  # fmt: skip
            line.text = visible(shortened(step.caption, max(room, 24)))
            self._set(
                line, "visibility", ["visible" if i == k else "hidden" for i in range(len(self.steps))], chosen, animate
            )


def _gradient_text(group: ET.Element) -> tuple[ET.Element, ET.Element] | None:
    """Return the text beside the word ``grad`` on a card, and the element that it is in; None if the card has none."""
    for parent in group.iter():
        children = list(parent)
        for word, text in pairwise(children):
            if word.tag == text.tag == f"{SVG}text" and word.text == "grad" and word.get("y") == text.get("y"):
                return parent, text
    return None


def _width(text: str, size: float) -> float:
    """About how wide a number is in Helvetica: digits are 0.556 em, a point 0.278, a minus sign 0.584."""
    return size * sum({".": 0.278, "−": 0.584, "+": 0.584, "f": 0.278, "i": 0.222}.get(c, 0.556) for c in text)
