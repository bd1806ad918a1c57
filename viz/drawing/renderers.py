"""Graphviz, which turns DOT into SVG, PNG and PDF: as the program ``dot``, or in this process, inside of pygraphviz."""

from __future__ import annotations

import importlib.util
import shutil
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphviz import Digraph

_DEFAULT_DPI = 144


class RenderError(RuntimeError):
    """No renderer is installed, or none of those that are could make the picture; the message says why."""


def installed() -> list[str]:
    """Return the renderers that are there, in the order in which they are tried: ``dot``, ``pygraphviz``."""
    there = {"dot": shutil.which("dot") is not None, "pygraphviz": importlib.util.find_spec("pygraphviz") is not None}
    return [name for name in _RENDERERS if there[name]]


def render_figure(figure: Digraph, format: str, dpi: int | None = None) -> bytes:
    """Lay a figure out and draw it, with the first renderer that can.

    Args:
        figure: What to draw.
        format: ``"svg"``, ``"png"`` or ``"pdf"``.
        dpi: Dots an inch of a PNG; 144 if not given.

    Returns:
        The contents of a file.

    Raises:
        RenderError: Neither ``dot`` nor pygraphviz is installed, or they failed.
    """
    if format == "png":
        figure = figure.copy()
        figure.graph_attr["dpi"] = str(dpi or _DEFAULT_DPI)
    return render_source(figure.source, format)


def render_source(source: str, format: str) -> bytes:
    """Lay out what is written in DOT, and draw it.

    Args:
        source: The graph.
        format: ``"svg"``, ``"png"`` or ``"pdf"``.

    Returns:
        The contents of a file.

    Raises:
        RenderError: Neither ``dot`` nor pygraphviz is installed, or they failed.
    """
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
            return _RENDERERS[name](source, format)
        except Exception as error:  # whatever it is, the other may do better
            failures.append(f"{name}: {error}")
    raise RenderError(f"Graphviz could not make the {format}. " + "; ".join(failures))


def _by_program(source: str, file_format: str) -> bytes:
    import subprocess

    # Not figure.pipe(): where dot stops before it has read everything, that is a BrokenPipeError without dot's message.
    done = subprocess.run(
        [shutil.which("dot") or "dot", f"-T{file_format}"],
        input=source.encode(),
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


def _in_process(source: str, file_format: str) -> bytes:
    import pygraphviz

    with _ONE_AT_A_TIME:
        contents: bytes | None = pygraphviz.AGraph(string=source).draw(format=file_format, prog="dot")
    if not contents:
        raise RenderError(f"it gave an empty {file_format}")
    return contents


_RENDERERS: dict[str, Callable[[str, str], bytes]] = {"dot": _by_program, "pygraphviz": _in_process}
