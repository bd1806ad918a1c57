"""The explorer: a page on which one steps through a graph, forward and backward, and sees the chain rule at work.

>>> from tinygrad_lite import Value, tanh
>>> a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
>>> page = explore(tanh(a * b + c))  # the last line of a notebook's cell: it shows itself
>>> page.save("explorer.html")  # one file, which needs no network
PosixPath('explorer.html')
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_lite.value import Value
from tinygrad_lite.viz.drawing.embedding import HTML
from tinygrad_lite.viz.explorer.graph_page import Explorer, explorer_page, title_of
from tinygrad_lite.viz.explorer.widget import live_widget
from tinygrad_lite.viz.output.notebook import mimebundle

if TYPE_CHECKING:
    from tinygrad_lite.lift.stages import Passes


def explore(root: Value | Passes, live: bool = False, **options: Any) -> Any:
    """Return a page on which one steps through a graph: evaluation forward, the chain rule backward, one node at a
    time; or through the passes of ``lift``.

    At each backward step it shows the local derivative on each edge, and the sum of the chain rule with its numbers. It
    can be searched, zoomed and linked to; modules open and close; a mode shows why the order must be topological.
    Nothing in the graph is changed, and ``backward()`` need not have been called, unless it is ``live``.

    Of what ``lift(f).passes_for(...)`` gives it shows the program after each pass: what the pass does and why it is
    right, what it changed, the statements, and of each group the scalars and the groups that it is made of. Graphs of
    many scalars are drawn as piles. The options are ``title`` and ``max_groups``.

    Args:
        root: The node at the end of the graph, or the passes of a function.
        live: Whether to show it as a widget, with a slider and a box for each leaf: what is set there is set in the
            graph, which is evaluated and differentiated again (``forward()``, ``zero_grad()``, ``backward()``).
        options: Those of :func:`explorer_page`; for passes those of
            :func:`~tinygrad_lite.viz.programs.passes_page.passes_page`.

    Returns:
        An :class:`Explorer`, which notebooks show and ``save`` writes; with ``live`` an anywidget.AnyWidget.

    Raises:
        ImportError: ``live``, and anywidget is not installed.
        TypeError: ``root`` is a program, which does not keep its passes; or as :func:`explorer_page`.
        ValueError, StaleGraphError: As :func:`explorer_page`.

    >>> a = Value(2.0, label="a")
    >>> explore(a * a).save("square.html").name
    'square.html'
    >>> from tinygrad_lite.lift import lift
    >>> explore(lift(lambda x, y: [p * q for p, q in zip(x, y)]).passes_for([1.0, 2.0], [3.0, 4.0]), title="products")
    <explorer of 'products': in a notebook it shows itself; .save("explorer.html") writes it>
    """
    from tinygrad_lite.viz.programs.passes_page import find_passes, passes_page, title_of_passes

    passes = find_passes(root)
    if passes is not None:
        if live:
            raise TypeError("the passes of a function have no leaves that could be set: explore them without live=True")
        title = title_of_passes(passes, options.get("title"))
        return Explorer(passes_page(passes, **options), title, lambda: _still(passes.program))
    graph: Any = root
    if live:
        return live_widget(graph, lambda: _still(graph), **options)
    page = explorer_page(graph, **options)
    return Explorer(page, title_of(graph, options.get("title")), lambda: _still(graph))


def _still(root: Any) -> str:
    """Return HTML of the picture of a graph or program, as a notebook shows it; ``""`` where there is none."""
    return mimebundle(root, {HTML}).get(HTML, "")
