"""What :func:`tinygrad_lite.viz.draw` returns: a ``Digraph`` that notebooks show even without the program ``dot``."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

try:
    import graphviz
except ImportError as error:
    raise ImportError("pictures are written with the package graphviz: pip install graphviz") from error

from tinygrad_lite.viz.drawing.renderers import render_figure


class Figure(graphviz.Digraph):  # type: ignore[misc]  # graphviz has no types
    """A graph in DOT. A notebook shows it with whichever renderer is installed; graphviz's own asks for ``dot``."""

    def __repr__(self) -> str:
        """The same in every run, as it is kept in notebooks."""
        return '<picture of a graph: in a notebook it shows itself; viz.save(picture, "graph.svg") writes it>'

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None, **_: Any
    ) -> dict[str, str]:
        kind = "image/svg+xml"
        if (include is not None and kind not in include) or (exclude is not None and kind in exclude):
            return {}
        return {kind: render_figure(self, "svg").decode()}
