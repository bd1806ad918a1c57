"""The explorer: a page on which one steps through a graph, forward and backward, and sees the chain rule at work.

>>> from tinygrad_lite import Value, tanh
>>> a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
>>> page = explore(tanh(a * b + c))  # the last line of a notebook's cell: it shows itself
>>> page.save("explorer.html")  # one file, which needs no network
PosixPath('explorer.html')
"""

from __future__ import annotations

from typing import Any

from tinygrad_lite.value import Value
from tinygrad_lite.viz.explorer.graph_page import Explorer, explorer_page, title_of
from tinygrad_lite.viz.explorer.widget import live_widget


def explore(root: Value, live: bool = False, **options: Any) -> Any:
    """Return a page on which one steps through a graph: evaluation forward, the chain rule backward, one node at a
    time.

    At each backward step it shows the local derivative on each edge, and the sum of the chain rule with its numbers. It
    can be searched, zoomed and linked to; modules open and close; a mode shows why the order must be topological.
    Nothing in the graph is changed, and ``backward()`` need not have been called, unless it is ``live``.

    Args:
        root: The node at the end of the graph.
        live: Whether to show it as a widget, with a slider and a box for each leaf: what is set there is set in the
            graph, which is evaluated and differentiated again (``forward()``, ``zero_grad()``, ``backward()``).
        options: Those of :func:`explorer_page`.

    Returns:
        An :class:`Explorer`, which notebooks show and ``save`` writes; with ``live`` an anywidget.AnyWidget.

    Raises:
        ImportError: ``live``, and anywidget is not installed.
        TypeError, ValueError, StaleGraphError: As :func:`explorer_page`.

    >>> a = Value(2.0, label="a")
    >>> explore(a * a).save("square.html").name
    'square.html'
    """
    if live:
        return live_widget(root, **options)
    return Explorer(explorer_page(root, **options), title_of(root, options.get("title")))
