"""The explorer of one graph: its page, and what holds the page in a notebook or writes it to a file."""

from __future__ import annotations

import hashlib
import html
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinygrad_lite.files.atomic import write_atomically
from tinygrad_lite.value import Value
from tinygrad_lite.viz.explorer.explorer_data import graph_data
from tinygrad_lite.viz.explorer.html_page import notebook_theme, page
from tinygrad_lite.viz.reading.labels import shortened, visible

DIRECTIONS = ("LR", "TB")
#: Below a picture that stands in for a page.
RUN_ME = "<p>A still picture: run the cell for the page to explore.</p>"
#: Notebooks run it beside the frame; where they do not, the page has the system's theme.
_FOLLOW = """(() => {
  const follow = %s
  for (const frame of document.querySelectorAll("iframe[data-explorer]:not([data-follows])")) {
    frame.dataset.follows = "true";
    follow(frame);
  }
})();"""


def follow_themes() -> str:
    """Return a script that tells each page in a frame ``<iframe data-explorer>`` the theme of the page around it.

    >>> follow_themes().splitlines()[0]
    '(() => {'
    """
    return _FOLLOW % notebook_theme()


class Explorer:
    """The page of :func:`explore`.

    Args:
        html: The page.
        title: What it shows.
        still: Gives HTML of a picture of the same, for a notebook that is not trusted yet, or ``""``.

    Attributes:
        html: The whole page.

    >>> Explorer(explorer_page(Value(2.0)), "a")
    <explorer of 'a': in a notebook it shows itself; .save("explorer.html") writes it>
    """

    def __init__(self, html: str, title: str, still: Callable[[], str] = str) -> None:
        self.html = html
        self._title = title
        self._still = still

    def __repr__(self) -> str:
        return f'<explorer of {self._title!r}: in a notebook it shows itself; .save("explorer.html") writes it>'

    def _repr_html_(self) -> str:
        """Return a frame with the page inside it, apart from the notebook's own document, whose theme it is told.

        A notebook that is not trusted yet leaves out the frame, and the style that hides the still picture beside it.
        """
        frame = (
            f'<iframe data-explorer srcdoc="{html.escape(self.html)}" sandbox="allow-scripts" '
            f'title="{html.escape(self._title)}" width="100%" height="640" '
            'style="border: 1px solid #8888; border-radius: 8px"></iframe>'
            f"<script>{follow_themes()}</script>"
        )
        still = self._still()
        if not still:
            return frame
        name = "still-" + hashlib.sha256(self.html.encode()).hexdigest()[:16]
        return f'{frame}<div class="{name}">{still}{RUN_ME}</div><style>.{name} {{ display: none }}</style>'

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, which any browser opens, with no network.

        Args:
            path: Ends in ``.html``.

        Returns:
            The path.

        Raises:
            ValueError: The name ends otherwise.
            OSError: The file cannot be written.

        >>> Explorer(explorer_page(Value(2.0)), "two").save("value.html").name
        'value.html'
        """
        target = Path(path)
        if target.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"the explorer is an HTML page: write save('graph.html'), not {target.name!r}")
        write_atomically(target, self.html.encode())
        return target


def explorer_page(
    root: Value,
    *,
    names: Mapping[str, Any] | Any = None,
    title: str | None = None,
    direction: str | None = None,
    expanded: bool | None = None,
    max_nodes: int = 5000,
    live: str = "",
) -> str:
    """Return the page of :func:`explore` as text: one HTML document, which loads nothing.

    Args:
        root: The node at the end of the graph.
        names: What the code calls things, such as ``locals()``, or a model: nodes without a label take the names of
            their variables, and those of a module are drawn within it.
        title: Of the page; the root's label, if not given.
        direction: Where the output lies: ``"LR"``, to the right, or ``"TB"``, below; if not given, as the window's
            shape suggests.
        expanded: Whether modules are open at first; if not given, as many as fit on a screen.
        max_nodes: How many nodes the graph may have.
        live: How the page reaches Python: ``"server"``, ``"server until closed"``, which it tells that it is open,
            ``"notebook"``, or not at all.

    Returns:
        The page.

    Raises:
        TypeError: ``root`` is not a Value, or ``names`` is neither a mapping nor a module.
        ValueError: The graph has more than ``max_nodes`` nodes, or ``direction`` is another one.
        StaleGraphError: A leaf was changed since the graph was evaluated.

    >>> a = Value(2.0, label="a")
    >>> explorer_page(a * a, title="a squared").splitlines()[0]
    '<!DOCTYPE html>'
    """
    if direction not in (None, *DIRECTIONS):
        raise ValueError(f"direction is one of {', '.join(DIRECTIONS)} or None, not {direction!r}")
    data: dict[str, Any] = {
        "main": graph_data(root, names=names, expanded=expanded, max_nodes=max_nodes),
        "example": graph_data(_example()),
    }
    if expanded is not None:
        data["expanded"] = "as asked for"
    if direction:
        data["direction"] = direction
    if live:
        data["live"] = live
    return page(data, title_of(root, title), connects=live.startswith("server"))


def title_of(root: Value, title: str | None) -> str:
    """Shorten what strangers wrote to what fits in a title: ``title``, or the label of ``root``."""
    return shortened(visible(title or root.label or "Gradient graph"), 80)


def _example() -> Value:
    """Return the smallest graph that shows what a sweep in another order gets wrong: h is used twice, and has
    operands."""
    x, w = Value(3.0, label="x"), Value(2.0, label="w")
    h = x * w
    h.label = "h"
    square = h * h
    square.label = "s"
    root = h + square
    root.label = "L"
    return root
