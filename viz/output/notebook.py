"""What a notebook shows when a Value, or a lifted program, is the last line of a cell."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any

from tinygrad_lite.value import Value
from tinygrad_lite.viz.drawing.embedding import HTML, SVG, embedded, wanted
from tinygrad_lite.viz.output.draw import draw

if TYPE_CHECKING:
    from tinygrad_lite.lift.lifting import Lifted
    from tinygrad_lite.lift.program import Program

#: Above this many nodes a picture, collapsed, is made only when it is asked for: a cell is to show its value at once.
MAX_NODES = 2000
#: A longer SVG would make the notebook's file large.
MAX_LENGTH = 500_000

_TEXT = "text/plain"


def mimebundle(
    root: Value | Program | Lifted, include: Container[str] | None = None, exclude: Container[str] | None = None
) -> dict[str, str]:
    """Give a Value or a program in the forms that a notebook can show: as text, and as a picture.

    Jupyter, VS Code and Colab ask for it through ``_repr_mimebundle_``, and show the richest form that they can.

    Args:
        root: The Value at the end of a graph, a program, or a lifted function.
        include: The MIME types that are wanted; all, if not given.
        exclude: The MIME types that are not.

    Returns:
        The forms by MIME type: the text, and the picture, collapsed if the graph is large. It is HTML, which notebooks
        show before they are trusted, in their own theme; SVG is given to those that ask for it by name. No picture if
        there are more than 2,000 nodes, or if it cannot be made, whatever the reason: showing a thing never fails.

    >>> mimebundle(Value(2.0), include={"text/plain"})
    {'text/plain': 'Value(data=2.0, grad=0.0)'}
    """
    kinds = wanted((HTML, SVG, _TEXT), include, exclude)
    bundle = {_TEXT: repr(root)} if _TEXT in kinds else {}
    if bundle.keys() != set(kinds) and not (isinstance(root, Value) and _is_large(root)):
        try:
            figure: Any = draw(root)
            svg = figure.in_page()
        except Exception:  # no renderer, a stale graph, a function not called yet, ...: the text is there all the same
            return bundle
        if len(svg) <= MAX_LENGTH:
            forms = {HTML: embedded(svg, repr(root)), SVG: svg}
            bundle |= {kind: forms[kind] for kind in kinds if kind in forms}
    return bundle


def _is_large(root: Value) -> bool:
    """Whether there are more than MAX_NODES, found without walking through the millions that there may be."""
    found = {id(root)}
    waiting = [root]
    while waiting:
        for operand in waiting.pop().parents:
            if id(operand) not in found:
                found.add(id(operand))
                waiting.append(operand)
                if len(found) > MAX_NODES:
                    return True
    return False
