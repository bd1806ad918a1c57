"""What :func:`tinygrad_lite.viz.draw` returns: a ``Digraph`` that notebooks show even without the program ``dot``."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

try:
    import graphviz
except ImportError as error:
    raise ImportError("pictures are written with the package graphviz: pip install graphviz") from error

from tinygrad_lite.plotting.themes import FONT, Theme
from tinygrad_lite.viz.drawing.renderers import render_figure


class Figure(graphviz.Digraph):  # type: ignore[misc]  # graphviz has no types
    """A graph in DOT. A notebook shows it with whichever renderer is installed; graphviz's own asks for ``dot``."""

    def __repr__(self) -> str:
        """Return the same in every run, as it is kept in notebooks."""
        return '<picture of a graph: in a notebook it shows itself; viz.save(picture, "graph.svg") writes it>'

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None, **_: Any
    ) -> dict[str, str]:
        kind = "image/svg+xml"
        if (include is not None and kind not in include) or (exclude is not None and kind in exclude):
            return {}
        return {kind: render_figure(self, "svg").decode()}


def new_figure(theme: Theme, direction: str, legend: str = "", **graph_attributes: str) -> Figure:
    """Begin a picture: its page, its letters, the line below it that says what colours mean.

    Args:
        theme: The colours.
        direction: Where the results lie, as Graphviz's ``rankdir``.
        legend: An HTML-like label; none, if empty.
        graph_attributes: Others of Graphviz.
    """
    figure = Figure(
        graph_attr={
            # First, since pygraphviz takes the first charset="..." that it meets in the source, in a label even.
            "charset": "utf-8",
            "rankdir": direction,
            "bgcolor": theme.page,
            "pad": "0.2",
            "nodesep": "0.2",
            **graph_attributes,
        },
        node_attr={"shape": "plain", "fontname": FONT, "fontsize": "12", "fontcolor": theme.ink},
        edge_attr={"fontname": FONT, "fontsize": "10", "fontcolor": theme.muted, "arrowsize": "0.6"},
    )
    if legend:
        figure.attr(label=legend, labelloc="b", labeljust="l", fontname=FONT, fontsize="9")
    return figure
