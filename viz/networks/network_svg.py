"""The picture of a network as SVG: in one state, or in several one after the other."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.plotting.themes import FONT, Theme, faded
from tinygrad_lite.viz.animation.svg_picture import SVG
from tinygrad_lite.viz.drawing.cards import number
from tinygrad_lite.viz.drawing.palette import colour_of
from tinygrad_lite.viz.networks.columns import Column
from tinygrad_lite.viz.networks.layout import NAME_SIZE, Layout, Place
from tinygrad_lite.viz.reading.labels import shortened, visible

#: How wide the thinnest edge is, and how much of its colour is seen.
_THINNEST: Final = 0.5
_FAINTEST: Final = 0.3
#: How much of its colour a circle has at most: its number is to be read.
_DEEPEST: Final = 0.5
_DEEPEST_GREY: Final = 0.3
#: Of the legend: from the left edge, from row to row, and its letters.
_MARGIN: Final = 14.0
_LEGEND_ROW: Final = 14.0
_LEGEND_SIZE: Final = 9.0
#: For so many seconds an animation stays at its end, before it begins anew.
_END: Final = 2.0
#: Above this many edges the pointer finds no number on them: the file would be large.
_MOST_TOOLTIPS: Final = 2000


class State(NamedTuple):
    """The numbers of a network at one time, of all neurons, by column; the inputs have no weights and no biases."""

    weights: Sequence[Sequence[Sequence[float]]]
    biases: Sequence[Sequence[float] | None]
    #: what each neuron gives; None if that is not drawn
    values: Sequence[Sequence[float]] | None
    #: below the picture
    caption: str = ""


class _Entry(NamedTuple):
    """What the legend says of one thing."""

    words: str
    #: of the line before it; ``""`` for none
    colour: str = ""
    dashed: bool = False

    @property
    def width(self) -> float:
        """About how much room it takes, with the space after it."""
        return (20.0 if self.colour else 0.0) + 0.49 * _LEGEND_SIZE * len(self.words) + 12.0


class NetworkSvg:
    """Draws a network.

    Args:
        columns: What is drawn.
        layout: Where.
        states: Its numbers, at one time or at several.
        what: What the weights are called: ``"weight"``, or ``"gradient"``.
        names: To the left of the inputs, and to the right of the outputs.
        title: What the picture shows, for those who do not see it.
        theme: The colours.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        layout: Layout,
        states: Sequence[State],
        what: str,
        names: tuple[Sequence[str], Sequence[str]],
        title: str,
        theme: Theme,
    ) -> None:
        self.columns = columns
        self.layout = layout
        self.states = states
        self.what = what
        self.names = names
        self.title = title
        self.theme = theme
        #: one scale for the whole picture, and for all its states
        self.greatest = max(map(_greatest, states))
        self._legend = self._legend_rows()

    def still(self, k: int) -> ET.Element:
        """Return the picture of one state."""
        return self._built([self.states[k]], None)

    def animated(self, seconds: float) -> ET.Element:
        """Return the picture that goes through all states; where nothing moves, it is that of the last one."""
        styles: list[str] = []
        root = self._built(self.states, lambda frames: _animation(styles, frames, seconds))
        style = ET.Element(f"{SVG}style")
        style.text = "\n".join(
            [*styles, "@media (prefers-reduced-motion: reduce) { * { animation: none !important; } }"]
        )
        root.insert(1, style)
        return root

    def _built(self, states: Sequence[State], animate: Callable[[list[dict[str, str]]], str] | None) -> ET.Element:
        theme = self.theme
        width, height = self.layout.width, self.layout.height + _LEGEND_ROW * (len(self._legend) - 1)
        root = ET.Element(f"{SVG}svg", {
            "viewBox": f"0 0 {width:.2f} {height:.2f}", "width": f"{width:.2f}", "height": f"{height:.2f}",
            "role": "img", "font-family": FONT,
        })  # fmt: skip
        ET.SubElement(root, f"{SVG}title").text = self.title
        if theme.page != "transparent":
            ET.SubElement(root, f"{SVG}rect", {
                "x": "0", "y": "0", "width": f"{width:.2f}", "height": f"{height:.2f}", "fill": theme.page,
            })  # fmt: skip
        pen = _Pen(root, states, animate)
        self._draw_edges(pen)
        self._draw_neurons(pen)
        self._draw_words(pen)
        return root

    # ------------------------------------------------------------------------------------------------ edges

    def _draw_edges(self, pen: _Pen) -> None:
        """Draw all edges, the strongest last, so that they lie on top."""
        edges = sorted(_pairs(self.layout.columns), key=lambda edge: self._ratio(_weight(pen.states[-1], *edge)))
        for k, start, end in edges:
            numbers = [_weight(state, k, start, end) for state in pen.states]
            line = pen.draw("path", {"d": self._curve(start, end), "fill": "none"}, list(map(self._edge_look, numbers)))
            if len(edges) <= _MOST_TOOLTIPS:
                ends = f"{self._called(k - 1, start.neuron)} → {self._called(k, end.neuron)}"
                _explain(line, [f"{self.what} {numbers[-1]!r}", ends])

    def _curve(self, start: Place, end: Place) -> str:
        x1, x2 = start.x + self.layout.radius, end.x - self.layout.radius
        bend = 0.42 * (x2 - x1)
        return (
            f"M{x1:.2f},{start.y:.2f} C{x1 + bend:.2f},{start.y:.2f} {x2 - bend:.2f},{end.y:.2f} {x2:.2f},{end.y:.2f}"
        )

    def _edge_look(self, weight: float) -> dict[str, str]:
        ratio = self._ratio(weight)
        look = {
            "stroke": self.theme.faint if weight == 0.0 else colour_of(weight, self.theme),
            "stroke-width": f"{_THINNEST + (self.layout.widest - _THINNEST) * ratio:.2f}",
            "opacity": f"{_FAINTEST + (1.0 - _FAINTEST) * math.sqrt(ratio):.3f}",
        }
        if not math.isfinite(weight) or (weight < 0.0 and self.theme.negative_style == "dashed"):
            look["stroke-dasharray"] = "5,3"
        return look

    def _ratio(self, weight: float) -> float:
        if not math.isfinite(weight):
            return 1.0
        return abs(weight) / self.greatest if self.greatest else 0.0

    # -------------------------------------------------------------------------------------------- neurons

    def _draw_neurons(self, pen: _Pen) -> None:
        for k, places in enumerate(self.layout.columns):
            largest = [_largest(state.values[k]) if state.values else 0.0 for state in pen.states]
            for place in places:
                self._draw_neuron(pen, k, place, largest)
            gap = self.layout.gaps[k]
            if gap:
                self._draw_gap(pen, gap.x, gap.y, f"… ×{gap.left_out:,}")

    def _draw_neuron(self, pen: _Pen, k: int, place: Place, largest: Sequence[float]) -> None:
        radius, lines = self.layout.radius, [self._called(k, place.neuron)]
        looks = [
            {**self._ring(self._bias(state, k, place.neuron)), "fill": self._fill(state, k, place.neuron, most)}
            for state, most in zip(pen.states, largest, strict=True)
        ]
        centre = {"cx": f"{place.x:.2f}", "cy": f"{place.y:.2f}", "rx": f"{radius:.2f}", "ry": f"{radius:.2f}"}
        # Edges end behind the circle, not in a ring that is seen through.
        group = pen.group()
        circle = group.draw("ellipse", centre, looks)
        state = pen.states[-1]
        bias = self._bias(state, k, place.neuron)
        if bias is not None:
            lines.append(f"{'bias' if self.what == 'weight' else 'gradient of the bias'} {bias!r}")
        if state.values:
            value = state.values[k][place.neuron]
            lines.append(f"value {value!r}")
            if len(pen.states) == 1:
                size = 0.62 * radius
                written = _short(value)
                text = group.text(written, place.x, place.y + 0.35 * size, size, self.theme.ink, "middle")
                _explain(text, lines)
        _explain(circle, lines)

    def _bias(self, state: State, k: int, index: int) -> float | None:
        biases = state.biases[k]
        return None if biases is None else biases[index]

    def _ring(self, bias: float | None) -> dict[str, str]:
        thin = 1.1
        if not bias:
            return {"stroke": self.theme.muted, "stroke-width": f"{thin}"}
        ratio = self._ratio(bias)
        ring = {
            "stroke": colour_of(bias, self.theme),
            "stroke-width": f"{thin + (0.9 * self.layout.widest - thin) * ratio:.2f}",
        }
        if not math.isfinite(bias) or (bias < 0.0 and self.theme.negative_style == "dashed"):
            ring["stroke-dasharray"] = "4,2"
        return ring

    def _fill(self, state: State, k: int, index: int, most: float) -> str:
        if not state.values:
            last = len(self.columns) - 1
            return self.theme.leaf if k == 0 else self.theme.output if k == last else self.theme.interior
        value = state.values[k][index]
        if value == 0.0 or not most:
            return self.theme.leaf
        ratio = abs(value) / most if math.isfinite(value) else 1.0
        deepest = _DEEPEST_GREY if self.theme.name == "print" else _DEEPEST
        return faded(colour_of(value, self.theme), self.theme, 0.06 + (deepest - 0.06) * ratio)

    def _draw_gap(self, pen: _Pen, x: float, y: float, words: str) -> None:
        size = 11.0
        width, height = 0.6 * size * len(words) + 8.0, size + 8.0
        pen.draw("rect", {
            "x": f"{x - width / 2:.2f}", "y": f"{y - height / 2:.2f}", "rx": f"{height / 2:.2f}",
            "width": f"{width:.2f}", "height": f"{height:.2f}", "fill": self.theme.backdrop,
            "stroke": self.theme.faint, "stroke-width": "0.8",
        })  # fmt: skip
        pen.text(words, x, y + 0.35 * size, size, self.theme.muted, "middle")

    # ---------------------------------------------------------------------------------------------- words

    def _draw_words(self, pen: _Pen) -> None:
        layout, theme = self.layout, self.theme
        ends = ((0, -1.0, "end", self.names[0]), (-1, 1.0, "start", self.names[1]))
        for k, side, anchor, names in ends:
            for place in layout.columns[k]:
                if names:
                    x = place.x + side * (layout.radius + 8.0)
                    name = visible(shortened(names[place.neuron], 24))
                    pen.text(name, x, place.y + 0.35 * NAME_SIZE, NAME_SIZE, theme.ink, anchor)
        last = len(self.columns) - 1
        for k, column in enumerate(self.columns):
            kind = "input" if k == 0 else "output" if k == last else "linear"
            words = [*(["input"] if k == 0 else []), *column.functions] or [kind]
            x = layout.columns[k][0].x
            room = 18 if len(self.columns) < 8 else 12
            pen.text(shortened(", ".join(words), room), x, layout.below + 14.0, 12.0, theme.ink, "middle", bold=True)
            pen.text(f"{column.size:,}", x, layout.below + 29.0, 11.0, theme.muted, "middle")
        self._draw_legend(pen)

    def _draw_legend(self, pen: _Pen) -> None:
        """Below: what colours, widths and fills mean; and on top what this state is."""
        theme = self.theme
        for row, entries in enumerate(self._legend):
            x, y = _MARGIN, self.layout.height - 16.0 + row * _LEGEND_ROW
            for entry in entries:
                if entry.colour:
                    pen.draw("path", {
                        "d": f"M{x:.2f},{y - 3:.2f} L{x + 16:.2f},{y - 3:.2f}", "fill": "none",
                        "stroke": entry.colour, "stroke-width": "2.6",
                        **({"stroke-dasharray": "5,3"} if entry.dashed else {}),
                    })  # fmt: skip
                pen.text(entry.words, x + (20.0 if entry.colour else 0.0), y, _LEGEND_SIZE, theme.muted)
                x += entry.width
        pen.captions([state.caption for state in pen.states], self.layout.width - _MARGIN, 15.0, theme.ink)

    def _legend_rows(self) -> list[list[_Entry]]:
        """Return what the legend says, in as many rows as it needs."""
        dashed = self.theme.negative_style == "dashed"
        entries = [
            _Entry(f"{self.what} > 0", self.theme.positive),
            _Entry(f"{self.what} < 0", self.theme.negative, dashed),
            _Entry(f"wider: larger, up to {number(self.greatest, 3)}" if self.greatest else f"every {self.what} is 0"),
        ]
        if any(column.biases is not None for column in self.columns):
            entries.append(_Entry("ring: the bias" if self.what == "weight" else "ring: of the bias"))
        if self.states[-1].values:
            entries.append(_Entry("fill: the value, on each column’s scale"))
        rows: list[list[_Entry]] = [[]]
        for entry in entries:
            if rows[-1] and sum(e.width for e in rows[-1]) + entry.width > self.layout.width - _MARGIN:
                rows.append([])
            rows[-1].append(entry)
        return rows

    def _called(self, k: int, index: int) -> str:
        if k == 0:
            return self.names[0][index] if self.names[0] else f"input {index}"
        return f"{self.columns[k].path or 'neuron'}[{index}]"


class _Pen:
    """Adds shapes to a picture, whose looks may differ from state to state."""

    def __init__(self, parent: ET.Element, states: Sequence[State], animate: Any) -> None:
        self.parent = parent
        self.states = states
        self.animate = animate

    def group(self) -> _Pen:
        """Return a pen that draws into a group of its own."""
        return _Pen(ET.SubElement(self.parent, f"{SVG}g"), self.states, self.animate)

    def draw(self, kind: str, shape: dict[str, str], looks: list[dict[str, str]] | None = None) -> ET.Element:
        """Add a shape, with its look in each of the states."""
        element = ET.SubElement(self.parent, f"{SVG}{kind}", shape)
        if looks:
            for name, value in looks[-1].items():
                element.set(name, value)
            if self.animate is not None and any(look != looks[0] for look in looks):
                element.set("class", self.animate(looks))
        return element

    def text(
        self, words: str, x: float, y: float, size: float, colour: str, anchor: str = "start", *, bold: bool = False
    ) -> Any:
        """Add words."""
        element = ET.SubElement(self.parent, f"{SVG}text", {
            "x": f"{x:.2f}", "y": f"{y:.2f}", "font-size": f"{size:.2f}", "fill": colour, "text-anchor": anchor,
            **({"font-weight": "bold"} if bold else {}),
        })  # fmt: skip
        element.text = visible(words)
        return element

    def captions(self, words: Sequence[str], x: float, y: float, colour: str) -> None:
        """Add a line for each state, in one place."""
        for line in dict.fromkeys(words):
            if line:
                looks = [{"visibility": "visible" if line == word else "hidden"} for word in words]
                element = self.text(line, x, y, 11.0, colour, "end")
                element.set("visibility", looks[-1]["visibility"])
                if self.animate is not None and len(set(words)) > 1:
                    element.set("class", self.animate(looks))


def _explain(element: ET.Element, lines: Sequence[str]) -> None:
    """Let the pointer show some lines."""
    ET.SubElement(element, f"{SVG}title").text = "\n".join(map(visible, lines))


def _animation(styles: list[str], looks: Sequence[Mapping[str, str]], seconds: float) -> str:
    """Add the rules by which a shape goes through its looks, and return the name of their class."""
    name = f"s{len(styles)}"
    count = len(looks) - 1
    moving = seconds * count
    period = moving + _END
    # A property that a frame does not name would be that of the shape itself, which has the last look.
    usual = {key: "none" for look in looks for key in look if key == "stroke-dasharray"}
    looks = [{**usual, **look} for look in looks]
    frames = []
    for i, look in enumerate(looks):
        if 0 < i < count and look == looks[i - 1] == looks[i + 1]:
            continue
        percents = f"{100.0 * i * seconds / period:.2f}%" + (", 100%" if i == count else "")
        frames.append(f"{percents} {{ {'; '.join(f'{key}: {value}' for key, value in look.items())} }}")
    pace = "step-end" if "visibility" in looks[0] else "linear"
    styles.append(
        f"@keyframes {name} {{ {' '.join(frames)} }}\n.{name} {{ animation: {name} {period:g}s {pace} infinite; }}"
    )
    return name


def _pairs(columns: Sequence[Sequence[Place]]) -> Iterator[tuple[int, Place, Place]]:
    """Yield each edge: the column that it leads to, and its ends."""
    for k in range(1, len(columns)):
        for end in columns[k]:
            for start in columns[k - 1]:
                yield k, start, end


def _weight(state: State, k: int, start: Place, end: Place) -> float:
    return state.weights[k][end.neuron][start.neuron]


def _greatest(state: State) -> float:
    """Return the greatest finite size of all weights and biases."""
    rows = [row for matrix in state.weights for row in matrix] + [row for row in state.biases if row is not None]
    return max((abs(weight) for row in rows for weight in row if math.isfinite(weight)), default=0.0)


def _largest(values: Sequence[float]) -> float:
    return max((abs(value) for value in values if math.isfinite(value)), default=0.0)


def _short(value: float) -> str:
    """Return a number for the inside of a circle: about two digits, in at most five characters mostly.

    >>> _short(-0.4621), _short(0.0), _short(123.4), _short(1e-7)
    ('−0.46', '0', '123', '1e−7')
    """
    written = number(value, 3 if abs(value) >= 100.0 else 2)
    if 0.0 < abs(value) < 0.1:
        written = f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.0e}"
    return written.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", "−")
