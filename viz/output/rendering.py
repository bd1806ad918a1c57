"""A picture in any format: drawn by Graphviz, or as data, or as a page to explore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tinygrad_lite.value import Value
from tinygrad_lite.viz.drawing.renderers import render_figure
from tinygrad_lite.viz.output.draw import draw

if TYPE_CHECKING:
    from graphviz import Digraph

    from tinygrad_lite.lift.stages import Passes


class Picture(Protocol):
    """What knows how to draw itself, such as the picture of a network."""

    def as_format(self, format: str, dpi: int | None = None) -> bytes:
        """Return it as the contents of a file; ValueError for a format that it does not have."""


#: Those that Graphviz makes, and those that hold the graph itself.
FORMATS = ("svg", "png", "pdf", "dot", "json", "html")


def render(
    picture: Value | Sequence[Value] | Digraph | Passes | Picture,
    format: str = "svg",
    *,
    dpi: int | None = None,
    **options: Any,
) -> bytes:
    """Return the picture as the contents of a file.

    Args:
        picture: The Value at the end of the graph, or several, or what :func:`draw` or
            :func:`~tinygrad_lite.viz.network` gave; for HTML also the passes of
            ``lift``, as :func:`~tinygrad_lite.viz.explore` takes them.
        format: ``"svg"``, ``"png"``, ``"pdf"``, ``"dot"``; ``"json"`` for the graph as data
            (:mod:`tinygrad_lite.viz.output.structure` describes it); ``"html"`` for a page to explore it.
        dpi: Dots an inch of a PNG; 144 if not given.
        options: For a Value: those of :func:`draw`; for JSON those of ``structure``, and for HTML of ``explorer_page``.

    Raises:
        RenderError: Neither ``dot`` nor pygraphviz is installed, or they failed. (The last three need neither.)
        ValueError: The format is unknown, ``dpi`` is given for another format than PNG, or as :func:`draw`.
        TypeError: Options are given for a picture that is already drawn, or as :func:`draw`.

    >>> render(Value(2.0, label="a"), "dot").decode().splitlines()[0]
    'digraph {'
    """
    if format not in FORMATS:
        raise ValueError(f"format is one of {', '.join(FORMATS)}, not {format!r}")
    if dpi is not None and (format != "png" or not 0 < dpi <= 2400):
        raise ValueError(f"dpi is for PNG, up to 2400: dots an inch; not {dpi!r} for {format}")
    if hasattr(picture, "as_format"):
        _refuse_options("network", options)
        contents: bytes = picture.as_format(format, dpi)
        return contents
    if format in _OF_GRAPHS:
        if format == "html":
            from tinygrad_lite.viz.programs.passes_page import find_passes, passes_page

            passes = find_passes(picture)
            if passes is not None:
                return passes_page(passes, **options).encode()
        if not isinstance(picture, Value):
            raise TypeError(
                f"{format} is made from a graph, not from {type(picture).__name__}: pass the Value at its end"
            )
        return _OF_GRAPHS[format](picture, options).encode()
    figure = _figure(picture, options)
    if format == "dot":
        return str(figure.source).encode()
    return render_figure(figure, format, dpi)


def _figure(picture: Value | Sequence[Value] | Digraph, options: dict[str, Any]) -> Digraph:
    if not hasattr(picture, "pipe"):
        return draw(picture, **{"theme": "light", **options})
    _refuse_options("draw", options)
    return picture


def _refuse_options(function: str, options: dict[str, Any]) -> None:
    if options:
        raise TypeError(f"the picture is drawn already: pass {', '.join(options)} to {function}()")


def _json(root: Value, options: dict[str, Any]) -> str:
    from tinygrad_lite.viz.output.structure import as_json

    return as_json(root, **options)


def _html(root: Value, options: dict[str, Any]) -> str:
    from tinygrad_lite.viz.explorer.graph_page import explorer_page

    page: str = explorer_page(root, **options)
    return page


_OF_GRAPHS: dict[str, Callable[[Value, dict[str, Any]], str]] = {"json": _json, "html": _html}
