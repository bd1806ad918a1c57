"""What :func:`tinygrad_lite.viz.draw` returns: a ``Digraph`` that notebooks show even without the program ``dot``."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

try:
    import graphviz
except ImportError as error:
    raise ImportError("pictures are written with the package graphviz: pip install graphviz") from error

from tinygrad_lite.plotting.themes import DARK, FONT, LIGHT, Theme, find_theme
from tinygrad_lite.viz.drawing.embedding import HTML, SVG, embedded, wanted
from tinygrad_lite.viz.drawing.renderers import render_source
from tinygrad_lite.viz.drawing.two_themes import merge, styled


class Figure(graphviz.Digraph):  # type: ignore[misc]  # graphviz has no types
    """A graph in DOT. A notebook shows it with whichever renderer is installed; graphviz's own asks for ``dot``.

    Attributes:
        dark: The same in the dark theme, if no theme was asked for: a notebook shows it where its own theme is dark.
    """

    dark: Figure | None = None

    def __repr__(self) -> str:
        """Return the same in every run, as it is kept in notebooks."""
        return '<picture of a graph: in a notebook it shows itself; viz.save(picture, "graph.svg") writes it>'

    def in_page(self) -> str:
        """Return the SVG for a page: if no theme was asked for, in that of the page.

        Raises:
            RenderError: Neither ``dot`` nor pygraphviz is installed, or they failed.
        """
        if self.dark is None:
            return render_source(self.source, "svg").decode()
        source, colours = merge(self.source, self.dark.source)
        return styled(render_source(source, "svg").decode(), colours)

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None, **_: Any
    ) -> dict[str, str]:
        kinds = wanted((HTML, SVG), include, exclude)
        svg = self.in_page() if kinds else ""
        return {kind: embedded(svg, "a graph") if kind == HTML else svg for kind in kinds}


def in_themes(theme: str | Theme | None, draw: Callable[[Theme], Figure]) -> Figure:
    """Return a picture in a theme; where none is asked for, the light one, which has the dark one at hand.

    Args:
        theme: ``"light"``, ``"dark"`` or ``"print"``, or a theme of one's own, or None.
        draw: Draws in a theme.

    Raises:
        ValueError: There is no such theme.
    """
    if theme is not None:
        return draw(find_theme(theme))
    figure = draw(LIGHT)
    figure.dark = draw(DARK)
    return figure


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
