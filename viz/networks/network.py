"""The classic picture of a network: :func:`network`."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, final

from tinygrad_lite.plotting.themes import DARK, LIGHT, Theme, find_theme
from tinygrad_lite.viz.animation.svg_picture import SVG, file_of
from tinygrad_lite.viz.drawing.embedding import embedded
from tinygrad_lite.viz.drawing.two_themes import merge, styled
from tinygrad_lite.viz.networks.columns import Column, columns_of, number_of, values_of
from tinygrad_lite.viz.networks.layout import place_columns
from tinygrad_lite.viz.networks.network_svg import NetworkSvg, State
from tinygrad_lite.viz.training.animation import save_as

WHAT: Final = ("weight", "gradient")
_DPI: Final = 144


def network(
    model: Any,
    x: Any = None,
    *,
    edges: str = "weight",
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    max_neurons: int = 16,
    theme: str | Theme | None = None,
) -> NetworkPicture:
    """Draw a network as it is drawn on blackboards: a column of circles for each layer, and a line for each weight.

    A line is blue where its weight is positive, orange where it is negative, and as wide as the weight is large; so is
    the ring of a neuron by its bias. All are drawn on one scale. Neurons stand in the order of their numbers.

    Args:
        model: An ``MLP``, ``Layer``, ``Neuron`` or ``Linear``, or a ``Sequential`` of these, activations, ``Softmax``
            and ``Dropout``.
        x: One sample, a number for each input: the circles are then filled by what each neuron gives for it, in
            evaluation mode.
        edges: ``"weight"``, or ``"gradient"`` for the gradients of the weights and biases, as ``backward()`` left them.
        input_names: What the inputs are called; x₁, x₂, … if not given, and ``[]`` for no names.
        output_names: What the outputs are called; ŷ, or ŷ₁, ŷ₂, …
        max_neurons: At most so many neurons are drawn of a layer, the first and the last ones, with ``… ×112`` between
            them for the others; from 2 on.
        theme: ``"light"``, ``"dark"`` or ``"print"``, or a theme of one's own. If not given, light in a file, and in a
            notebook the notebook's own.

    Returns:
        What a notebook shows; :func:`save`, or its own ``save``, writes it as SVG, PNG or PDF.

    Raises:
        TypeError: The model is not made of such layers, as with convolution and attention; the message says what draws
            it.
        ValueError: Layers, the sample or names do not fit one another, or an option is out of range.

    >>> from tinygrad_lite.nn import MLP
    >>> model = MLP(3, [8, 8, 1], activation="tanh", seed=0)
    >>> picture = network(model, [0.5, -1.0, 2.0])
    >>> picture.save("network.svg")
    PosixPath('network.svg')
    """
    if edges not in WHAT:
        raise ValueError(f"edges is one of {', '.join(map(repr, WHAT))}, not {edges!r}")
    drawn = NetworkDrawing(model, input_names, output_names, max_neurons, LIGHT if theme is None else theme)
    state = state_of(model, drawn.columns, x, edges)
    sizes = "-".join(str(column.size) for column in drawn.columns)

    def still(colours: Theme) -> ET.Element:
        return drawn.svg([state], edges, f"A network of {sizes} neurons and its {edges}s", colours).still(0)

    return NetworkPicture(still(drawn.theme), drawn.theme, still(DARK) if theme is None else None)


@final
class NetworkPicture:
    """The picture of a network, as :func:`network` makes it."""

    def __init__(self, root: ET.Element, theme: Theme, dark: ET.Element | None = None) -> None:
        self._root = root
        self._theme = theme
        self._dark = dark

    def svg(self) -> str:
        """As SVG, with every number in the tooltips; no Graphviz is needed."""
        return written(self._root)

    def png(self, dpi: int | None = None) -> bytes:
        """As PNG.

        Args:
            dpi: Dots an inch; 144 if not given.

        Raises:
            ImportError: matplotlib is not installed.
        """
        return file_of(self._root, "png", self._theme.page, dpi or _DPI)

    def pdf(self) -> bytes:
        """As PDF.

        Raises:
            ImportError: matplotlib is not installed.
        """
        return file_of(self._root, "pdf", self._theme.page, _DPI)

    def as_format(self, format: str, dpi: int | None = None) -> bytes:
        """As ``"svg"``, ``"png"`` or ``"pdf"``: what :func:`~tinygrad_lite.viz.render` asks for.

        Raises:
            ValueError: It is another format.
            ImportError: PNG and PDF need matplotlib.
        """
        if format == "png":
            return self.png(dpi)
        if format not in ("svg", "pdf"):
            raise ValueError(f"the picture of a network is made as svg, png or pdf, not as {format!r}")
        return self.pdf() if format == "pdf" else self.svg().encode()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a file.

        Args:
            path: Ends in ``.svg``, ``.png`` or ``.pdf``.

        Returns:
            The path.

        Raises:
            ValueError: It has another suffix.
            ImportError: PNG and PDF need matplotlib.
            OSError: The file cannot be written.
        """
        forms = {".svg": lambda: self.svg().encode(), ".png": self.png, ".pdf": self.pdf}
        return save_as(path, forms, "the picture of a network")

    def _repr_html_(self) -> str:
        return shown(self._root, self._dark)

    def __repr__(self) -> str:
        return '<picture of a network: in a notebook it shows itself; .save("network.svg") writes it>'


class NetworkDrawing:
    """A model read and laid out, ready to be drawn with any numbers.

    Args:
        model, input_names, output_names, max_neurons, theme: As for :func:`network`.

    Raises:
        TypeError, ValueError: As :func:`network`.
    """

    def __init__(
        self,
        model: Any,
        input_names: Sequence[str] | None,
        output_names: Sequence[str] | None,
        max_neurons: int,
        theme: str | Theme,
    ) -> None:
        if not isinstance(max_neurons, int) or max_neurons < 2:
            raise ValueError(f"max_neurons is an int from 2 on, not {max_neurons!r}")
        self.theme: Final = find_theme(theme)
        self.columns: Final = columns_of(model)
        self.names: Final = (
            _names(input_names, self.columns[0].size, "x", "input_names"),
            _names(output_names, self.columns[-1].size, "ŷ", "output_names"),
        )
        sizes = [column.size for column in self.columns]
        self.layout: Final = place_columns(sizes, max_neurons, *self.names)

    def svg(self, states: Sequence[State], what: str, title: str, theme: Theme | None = None) -> NetworkSvg:
        """Return what draws it in these states, in its own theme or another."""
        return NetworkSvg(self.columns, self.layout, states, what, self.names, title, theme or self.theme)


def state_of(model: Any, columns: Sequence[Column], x: Any, what: str, caption: str = "") -> State:
    """Return the numbers of a model as they are now.

    Args:
        model: Whose columns they are.
        columns: As :func:`~tinygrad_lite.viz.networks.columns.columns_of` gives them.
        x: One sample, or None.
        what: ``"weight"`` or ``"gradient"``.
        caption: What is written above.
    """
    weights = [[[number_of(weight, what) for weight in row] for row in column.weights] for column in columns]
    biases = [None if c.biases is None else [number_of(bias, what) for bias in c.biases] for c in columns]
    return State(weights, biases, None if x is None else values_of(model, columns, x), caption)


def written(root: ET.Element) -> str:
    """Return the element ``svg`` as text."""
    ET.register_namespace("", SVG[1:-1])
    return ET.tostring(root, encoding="unicode")


def shown(root: ET.Element, dark: ET.Element | None = None) -> str:
    """Return what a notebook shows, be it trusted or not: an image, which fits the cell; with its dark twin in either
    theme."""
    text = written(root)
    if dark is not None:
        merged, colours = merge(text, written(dark))
        text = styled(merged, colours)
    return embedded(text, root.findtext(f"{SVG}title") or "")


def _names(given: Sequence[str] | None, count: int, letter: str, what: str) -> Sequence[str]:
    if given is None:
        return [letter] if count == 1 else [f"{letter}{_subscript(k)}" for k in range(1, count + 1)]
    names = [str(name) for name in given]
    if names and len(names) != count:
        raise ValueError(f"{what} has {len(names)} names, and there are {count}")
    return names


def _subscript(k: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(k))
