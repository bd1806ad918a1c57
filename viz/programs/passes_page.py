"""The page that steps through the passes of ``lift``: the explorer's controls, on groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tinygrad_lite.lift.stages import Passes
from tinygrad_lite.viz.explorer.html_page import SHARED, STYLE, Parts, page
from tinygrad_lite.viz.programs.passes_data import passes_data
from tinygrad_lite.viz.programs.program_picture import is_program
from tinygrad_lite.viz.reading.labels import shortened, visible

_FOLDER: Final = Path(__file__).parent / "page"
PASSES: Final = Parts(
    _FOLDER / "passes.html",
    (STYLE, _FOLDER / "passes.css"),
    (*SHARED, *(_FOLDER / name for name in ("stages.js", "stage_picture.js", "passes.js"))),
)


def passes_page(passes: Passes, *, title: str | None = None, max_groups: int = 1000) -> str:
    """Return the page of the passes of a function as text: one HTML document, which loads nothing.

    Args:
        passes: What ``lift(f).passes_for(...)`` gave.
        title: Of the page; the function's name, if not given.
        max_groups: How many statements the program may have.

    Returns:
        The page.

    Raises:
        ValueError: The program has more.

    >>> from tinygrad_lite.lift import lift
    >>> passes = lift(lambda x, y: x * y).passes_for(2.0, 3.0)
    >>> passes_page(passes, title="a product").splitlines()[0]
    '<!DOCTYPE html>'
    """
    return page(passes_data(passes, max_groups), title_of_passes(passes, title), parts=PASSES)


def title_of_passes(passes: Passes, title: str | None) -> str:
    """Shorten what strangers wrote to what fits in a title: ``title``, or the name of the function."""
    return shortened(visible(title or passes.name), 80)


def find_passes(root: Any) -> Passes | None:
    """Return the passes of a function, if it is these.

    Args:
        root: Anything.

    Raises:
        TypeError: It is a program, or a lifted function, which do not keep them.
    """
    if is_program(root):
        raise TypeError(
            f"{root!r:.80} does not keep its passes: explore lift(f).passes_for(...), with arguments, or draw the "
            "program: viz.draw(program)"
        )
    return root if isinstance(root, Passes) else None
