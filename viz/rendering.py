"""From DOT to SVG, PNG and PDF: by the program ``dot``, or else in this process by pygraphviz, which holds Graphviz."""

from __future__ import annotations

import importlib.util
import shutil
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_lite.value import Value
from tinygrad_lite.viz.graph import draw

if TYPE_CHECKING:
    from graphviz import Digraph

#: Those that Graphviz makes, and those that hold the graph itself.
FORMATS = ("svg", "png", "pdf", "dot", "json", "html")

_DEFAULT_DPI = 144


class RenderError(RuntimeError):
    """No renderer is installed, or none of those that are could make the picture; the message says why."""


def render(
    picture: Value | Sequence[Value] | Digraph, format: str = "svg", *, dpi: int | None = None, **options: Any
) -> bytes:
    """The picture as the contents of a file.

    Args:
        picture: The Value at the end of the graph, or several, or what :func:`draw` gave.
        format: ``"svg"``, ``"png"``, ``"pdf"``, ``"dot"``; ``"json"`` for the graph as data
            (:mod:`tinygrad_lite.viz.structure` describes it); ``"html"`` for a page to explore it.
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
    if format in _OF_GRAPHS:
        if not isinstance(picture, Value):
            raise TypeError(
                f"{format} is made from a graph, not from {type(picture).__name__}: pass the Value at its end"
            )
        return _OF_GRAPHS[format](picture, options).encode()
    figure = _figure(picture, options)
    if format == "dot":
        return str(figure.source).encode()
    if format == "png":
        figure = figure.copy()
        figure.graph_attr["dpi"] = str(dpi or _DEFAULT_DPI)
    renderers = installed()
    if not renderers:
        raise RenderError(
            f"to make {format} pictures, install Graphviz: with 'pip install tinygrad-lite[viz]' (pygraphviz, which "
            "brings Graphviz along), or as the system's package 'graphviz', so that the program 'dot' is on PATH "
            "(https://graphviz.org/download). DOT files need neither: save(root, 'graph.dot')."
        )
    failures = []
    for name in renderers:
        try:
            return _RENDERERS[name](figure, format)
        except Exception as error:  # whatever it is, the other may do better
            failures.append(f"{name}: {error}")
    raise RenderError(f"Graphviz could not make the {format}. " + "; ".join(failures))


def installed() -> list[str]:
    """The renderers that are there, in the order in which they are tried: ``dot``, ``pygraphviz``."""
    there = {"dot": shutil.which("dot") is not None, "pygraphviz": importlib.util.find_spec("pygraphviz") is not None}
    return [name for name in _RENDERERS if there[name]]


def _figure(picture: Value | Sequence[Value] | Digraph, options: dict[str, Any]) -> Digraph:
    if not hasattr(picture, "pipe"):
        return draw(picture, **options)
    if options:
        raise TypeError(f"the picture is drawn already: pass {', '.join(options)} to draw()")
    return picture


def _json(root: Value, options: dict[str, Any]) -> str:
    from tinygrad_lite.viz.structure import as_json

    return as_json(root, **options)


def _html(root: Value, options: dict[str, Any]) -> str:
    from tinygrad_lite.viz.explorer import explorer_page

    page: str = explorer_page(root, **options)
    return page


_OF_GRAPHS: dict[str, Callable[[Value, dict[str, Any]], str]] = {"json": _json, "html": _html}


def _by_program(figure: Digraph, file_format: str) -> bytes:
    import subprocess

    # Not figure.pipe(): where dot stops before it has read everything, that is a BrokenPipeError without dot's message.
    done = subprocess.run(
        [shutil.which("dot") or "dot", f"-T{file_format}"],
        input=figure.source.encode(),
        capture_output=True,
        check=False,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    if done.returncode or not done.stdout:
        raise RenderError(done.stderr.decode(errors="replace").strip() or f"it stopped with code {done.returncode}")
    contents: bytes = done.stdout
    return contents


#: Graphviz's libraries keep global state.
_ONE_AT_A_TIME = threading.Lock()


def _in_process(figure: Digraph, file_format: str) -> bytes:
    import pygraphviz

    with _ONE_AT_A_TIME:
        contents: bytes | None = pygraphviz.AGraph(string=figure.source).draw(format=file_format, prog="dot")
    if not contents:
        raise RenderError(f"it gave an empty {file_format}")
    return contents


_RENDERERS: dict[str, Callable[[Digraph, str], bytes]] = {"dot": _by_program, "pygraphviz": _in_process}
