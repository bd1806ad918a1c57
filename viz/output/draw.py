"""The graph below a Value, or a lifted program, as a picture: the function :func:`draw` and its options."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_lite.plotting.themes import Theme
from tinygrad_lite.value import Value
from tinygrad_lite.viz.drawing.arrangement import fitting_direction, is_crowded
from tinygrad_lite.viz.drawing.cards import SHOWN, Style
from tinygrad_lite.viz.drawing.drawing import Drawing
from tinygrad_lite.viz.drawing.highlighting import highlighted
from tinygrad_lite.viz.drawing.options import check_precision, check_root, outputs_of, shown
from tinygrad_lite.viz.drawing.picture import compose

if TYPE_CHECKING:
    from graphviz import Digraph

    from tinygrad_lite.lift.lifting import Lifted
    from tinygrad_lite.lift.program import Program

DIRECTIONS = ("LR", "RL", "TB", "BT")

#: Above this many nodes a picture is collapsed, unless it is told otherwise: nobody could read it.
MAX_NODES = 60


def draw(
    root: Value | Sequence[Value] | Program | Lifted,
    *,
    direction: str | None = None,
    precision: int = 4,
    show: Iterable[str] = SHOWN,
    names: Any = None,
    highlight: Any = None,
    start: Value | Iterable[Value] | None = None,
    depth: int | None = None,
    collapse: bool | str | Iterable[str] | None = None,
    expand: int | str | Value | Iterable[str | Value] = (),
    max_nodes: int = MAX_NODES,
    theme: str | Theme | None = None,
    legend: bool = True,
) -> Digraph:
    """Return the graph below a node, or a lifted program, as a picture: a notebook shows it, and :func:`save` writes
    it.

    Each node shows its label or operation, its data and its grad, as ``backward()`` left them; the output stands out,
    and constants recede. Each edge shows the local derivative of its node by its operand. Its colour is the sign of the
    share of the gradient that flows along it (blue: positive; orange: negative; grey: none; purple and dashed: not
    finite), its width the size of that share.

    A graph of more than ``max_nodes`` nodes is collapsed. Modules, where ``names`` has any, are drawn as one box each,
    the smallest ones that leave the picture readable; nodes of the same shape are drawn once, with ``×16`` and the
    range of their numbers; a chain of additions counts as one sum, and a loop that was recorded step by step as one
    step that leads around to itself.

    In a picture of more than 200 boxes an edge that would pass over many others begins at a small ``↑ name`` instead.

    Where ``forward()`` raised, the operation that could not be evaluated is marked, with what it raised; the nodes
    above it, which have old numbers, show none, and there are no gradients. (Where recording raised, see
    :func:`draw_error`.)

    Of a program each group of scalars is a card, with the statement that computes it. The options for it are
    ``direction``, ``expand``, ``theme`` and ``legend``; :func:`tinygrad_lite.viz.programs.program_picture.draw_program`
    explains them.

    Args:
        root: The node at the end of the graph, or a list of several, such as the outputs of a network, whose graphs are
            drawn as one; or a lifted program.
        direction: Where the output lies: ``"LR"`` puts it to the right, ``"TB"`` below, ``"RL"``, ``"BT"``. If not
            given, to the right, and below in a picture that would be far wider than high.
        precision: Significant digits of the numbers; the tooltips have all of them.
        show: Any of ``"data"``, ``"grad"`` and ``"local"`` (derivatives, on the edges). If not given, all; but where
            more than 24 edges have a derivative, only the tooltips do.
        names: Where nodes without a label get their name from: ``locals()`` or any mapping from names to Values,
            lists, dicts, arrays and modules; or a module, which is then called ``model``. If not given, the parameters
            of a model of ``nn`` are called by where they are in it.
        highlight: A node, a list of nodes, or a tuple of two nodes for all paths between them; the rest fades.
        start: Only what lies between this node (or these) and ``root``; other operands are drawn, but not what is
            below them.
        depth: Only nodes that are at most so many edges away from ``root``.
        collapse: None: above ``max_nodes``; True: always; False: never; or modules to draw as one box each, by path
            (``"model.layers[0]"``, ``"layers[0]"``) or by class (``"Neuron"``).
        expand: In a picture that is collapsed: modules to open, so that their parts are drawn, in a frame; and Values
            that are not to vanish in a group. Of a program: groups that are shown with their scalars.
        max_nodes: Above how many nodes the picture is collapsed.
        theme: ``"light"``, ``"dark"``, or ``"print"`` (black on transparent; negative is dashed). If not given,
            light in a file, and in a notebook the notebook's own.
        legend: Whether a line below the picture says what its colours mean.

    Returns:
        The same DOT source for the same graph, always: nodes are numbered in topological order.

    Raises:
        TypeError: ``root`` is not a Value and no list of Values, or an option is of another type.
        ValueError: An option is out of range, or names a module or a node that is not there.
        StaleGraphError: A leaf was changed since the graph was evaluated.

    >>> a = Value(2.0, label="a")
    >>> b = a * a
    >>> b.backward()
    >>> draw(b).source.count("n1 -> n0")  # used twice: two edges
    2
    """
    options: dict[str, Any] = {
        "precision": precision,
        "show": show,
        "names": names,
        "highlight": highlight,
        "start": start,
        "depth": depth,
        "collapse": collapse,
        "max_nodes": max_nodes,
    }
    nodes = outputs_of(root)
    if nodes is not None:
        return draw_node(nodes, "", direction=direction, expand=expand, theme=theme, legend=legend, **options)
    from tinygrad_lite.viz.programs.program_picture import draw_program, is_program

    program: Any = root
    if not is_program(program):
        check_root(program)
    _check_not_given(options)
    return draw_program(program, direction=direction, expand=expand, theme=theme, legend=legend)


def draw_node(
    root: Value | Sequence[Value],
    failure: str,
    *,
    lost: frozenset[int] = frozenset(),
    direction: str | None = None,
    precision: int = 4,
    show: Iterable[str] = SHOWN,
    theme: str | Theme | None = None,
    legend: bool = True,
    max_nodes: int = MAX_NODES,
    highlight: Any = None,
    **part: Any,
) -> Digraph:
    """:func:`draw`, also for a node that could not be evaluated.

    Args:
        root: The node at the end of the graph, or several.
        failure: What it raised; ``""`` if nothing.
        lost: Ids of nodes whose operands are not known any more.
        direction, precision, show, theme, legend, max_nodes, highlight: As for :func:`draw`.
        part: The other options of :func:`draw`.
    """
    from tinygrad_lite.viz.drawing.digraph import in_themes

    check_precision(precision)
    _check_options(direction, max_nodes)
    picture = compose(root, failure=failure, lost=lost, max_nodes=max_nodes, **part)
    quantities = shown(show) - ({"grad"} if picture.staleness.failures else set())
    if show is SHOWN and is_crowded(picture.links):
        quantities -= {"local"}
    ids = highlighted([node for box in picture.boxes for node in box.nodes], highlight)
    lies = direction or fitting_direction(picture)

    def drawn(colours: Theme) -> Digraph:
        style = Style(colours, precision, quantities, picture.names.values)
        return Drawing(picture, style, ids).figure(lies, legend)

    return in_themes(theme, drawn)


def _check_not_given(options: Mapping[str, Any]) -> None:
    """Raise if one of these options of graphs is not what it is by itself."""
    usual = inspect.signature(draw).parameters
    given = [name for name, option in options.items() if option is not usual[name].default]
    if given:
        raise TypeError(
            f"{', '.join(given)}: for the graph below a Value, and this is a program; draw(program) takes "
            "direction, expand, theme and legend"
        )


def _check_options(direction: str | None, max_nodes: int) -> None:
    if direction is not None and direction not in DIRECTIONS:
        raise ValueError(f"direction is one of {', '.join(DIRECTIONS)}, not {direction!r}")
    if not isinstance(max_nodes, int) or max_nodes < 1:
        raise ValueError(f"max_nodes is a number of nodes, at least 1, not {max_nodes!r}")
