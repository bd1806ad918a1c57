"""The backward sweep as an animation of the graph: node after node passes its gradient on to its operands."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, Final, final

from tinygrad_lite.node.freshness import check_fresh
from tinygrad_lite.node.state import LOCK
from tinygrad_lite.plotting.themes import Theme, find_theme
from tinygrad_lite.value import Value, topological_order
from tinygrad_lite.viz.animation.svg_picture import image_of, view_box
from tinygrad_lite.viz.animation.sweep import Step, sweep_steps
from tinygrad_lite.viz.animation.sweep_frames import TITLE, Frames
from tinygrad_lite.viz.drawing.cards import called
from tinygrad_lite.viz.drawing.embedding import HTML, SVG, embedded, wanted
from tinygrad_lite.viz.output.draw import draw
from tinygrad_lite.viz.output.rendering import render
from tinygrad_lite.viz.reading.labels import apart, shortened, visible
from tinygrad_lite.viz.reading.names import find_names
from tinygrad_lite.viz.training.animation import Animation, save_as

#: Pixels of a GIF for each unit of the picture, and its greatest width in pixels.
_SCALE: Final = 1.5
_WIDEST: Final = 1200.0


def animate_backward(
    root: Value,
    *,
    seconds: float = 1.2,
    precision: int = 4,
    names: Any = None,
    direction: str = "LR",
    theme: str | Theme = "light",
    max_nodes: int = 60,
) -> SweepAnimation:
    """Return the backward sweep over a graph, step by step, as an animated picture.

    In each step one node is framed. Its gradient times the local derivative flows along each of its edges, and is added
    to the gradient of the operand there. What the sweep has not reached yet is faint. The gradients are those that
    ``root.backward()`` gives on cleared ones; those that the nodes have are left as they are.

    Args:
        root: The node at the end of the graph.
        seconds: How long each step is shown.
        precision: Significant digits of the numbers.
        names: Names of nodes without a label, as for :func:`~tinygrad_lite.viz.draw`.
        direction: Where the output lies: ``"LR"`` puts it to the right, ``"TB"`` below.
        theme: ``"light"``, ``"dark"`` or ``"print"``, or a theme of one's own.
        max_nodes: How many nodes the graph may have: nobody would watch more.

    Returns:
        What a notebook shows; ``save("sweep.svg")`` or ``save("sweep.gif")`` writes it.

    Raises:
        TypeError: ``root`` is not a Value.
        ValueError: There are too many nodes, or an option is out of range.
        StaleGraphError: A leaf was changed since the graph was evaluated.
        RenderError: There is no Graphviz.

    >>> a = Value(2.0, label="a")
    >>> animation = animate_backward(a * a + 1.0)
    >>> [step.caption for step in animation.steps][1]
    'step 1 of 2:  +  passes on  1 · 1 = 1  to *'
    """
    if not isinstance(root, Value):
        raise TypeError(f"the sweep goes over the graph below a Value, not {type(root).__name__} {root!r:.60}")
    if not 0.05 <= seconds <= 60.0:
        raise ValueError(f"seconds is how long a step is shown, 0.05 to 60, not {seconds!r}")
    order = topological_order(root, leaves=True)
    if len(order) > max_nodes:
        raise ValueError(
            f"the graph has {len(order):,} nodes, more than max_nodes={max_nodes}: nobody would watch its sweep. Take "
            "a smaller example, or a node nearer to the leaves."
        )
    check_fresh(order)
    found = {} if names is None else find_names(names).values
    steps = sweep_steps(order, [_called(node, found) for node in order], precision)
    options: dict[str, Any] = {"precision": precision, "names": names, "direction": direction, "theme": theme}
    with LOCK:
        before = [node.grad for node in order]
        try:
            for node, grad in zip(order, steps[-1].grads, strict=True):
                node.grad = grad
            picture = render(draw(root, collapse=False, legend=False, max_nodes=max_nodes, **options), "svg")
        finally:
            for node, grad in zip(order, before, strict=True):
                node.grad = grad
    return SweepAnimation(ET.fromstring(picture), steps, order, seconds, precision, find_theme(theme))


@final
class SweepAnimation:
    """An animated picture of the backward sweep, as :func:`animate_backward` makes it.

    Attributes:
        steps: The states of the sweep.
        seconds: How long each is shown.
    """

    def __init__(
        self,
        picture: ET.Element,
        steps: Sequence[Step],
        order: Sequence[Value],
        seconds: float,
        precision: int,
        theme: Theme,
    ) -> None:
        self.steps: Final = list(steps)
        self.seconds: Final = seconds
        self._frames = Frames(picture, self.steps, order, precision, theme)
        self._theme = theme

    def svg(self) -> str:
        """As an SVG file that moves by itself; where nothing moves, and on request of the reader, its last state."""
        return self._frames.animated(self.seconds)

    def gif(self) -> bytes:
        """As a GIF, which begins anew at its end.

        Raises:
            ImportError: matplotlib is not installed.
        """
        stills = [self._frames.still(k) for k in range(len(self.steps))]
        scale = min(_SCALE, _WIDEST / view_box(stills[0]).right)
        pictures = [image_of(still, scale, self._theme.backdrop) for still in stills]
        return Animation(pictures, 1.0 / self.seconds, TITLE).gif()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a file.

        Args:
            path: Ends in ``.svg`` or ``.gif``.

        Returns:
            The path.

        Raises:
            ValueError: It has another suffix.
            ImportError: A GIF needs matplotlib.
            OSError: The file cannot be written.
        """
        return save_as(path, {".svg": lambda: self.svg().encode(), ".gif": self.gif}, "the sweep")

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None, **_: Any
    ) -> dict[str, str]:
        kinds = wanted((HTML, SVG), include, exclude)
        svg = self.svg() if kinds else ""
        return {kind: embedded(svg, TITLE) if kind == HTML else svg for kind in kinds}

    def __repr__(self) -> str:
        return f"<animation of a backward sweep, {len(self.steps)} steps>"


def _called(node: Value, found: dict[int, str]) -> str:
    return apart(visible(shortened(node.label or found.get(id(node), "") or called(node), 24)))
