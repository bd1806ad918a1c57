"""A graph of Values as a graph of Graphviz: a card for each node, an edge for each operand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tinygrad_lite import Value, topological_order
from tinygrad_lite.value import check_fresh
from tinygrad_lite.viz import palette
from tinygrad_lite.viz.cards import called, card, details, edge_label
from tinygrad_lite.viz.labels import in_tooltip

if TYPE_CHECKING:
    from graphviz import Digraph

DIRECTIONS = ("LR", "RL", "TB", "BT")
_FONT = "Helvetica,Arial,sans-serif"


class _Edge(NamedTuple):
    """From an operand to the node that uses it; one for each use."""

    operand: Value
    node: Value
    partial: float
    #: what the operand's gradient receives along this edge; None for a constant, which receives none
    share: float | None


def draw(root: Value, *, direction: str = "LR", precision: int = 4, max_nodes: int = 500) -> Digraph:
    """The graph below a node as a picture, to be shown in a notebook or written with :func:`save`.

    Each node shows its label or operation, its data and its grad, as ``backward()`` left them; the output stands out,
    and constants recede. Each edge shows the local derivative of its node by its operand. Its colour is the sign of the
    share of the gradient that flows along it (blue: positive; orange: negative; grey: none; purple and dashed: not
    finite), its width the size of that share.

    Args:
        root: The node at the end of the graph.
        direction: Where the output lies: ``"LR"`` puts it to the right, ``"TB"`` below, ``"RL"``, ``"BT"``.
        precision: Significant digits of the numbers; the tooltips have all of them.
        max_nodes: How many nodes a picture may have: layout takes time that grows faster than their number.

    Returns:
        The same DOT source for the same graph, always: nodes are numbered in topological order.

    Raises:
        TypeError: ``root`` is not a Value.
        ValueError: An option is out of range, or the graph has more than ``max_nodes`` nodes.
        StaleGraphError: A leaf was changed since the graph was evaluated.

    >>> a = Value(2.0, label="a")
    >>> b = a * a
    >>> b.backward()
    >>> draw(b).source.count("n1 -> n0")  # used twice: two edges
    2
    """
    import graphviz

    _check_options(root, direction, precision)
    order = topological_order(root, leaves=True)
    if len(order) > max_nodes:
        raise ValueError(
            f"the graph has {len(order):,} nodes, more than max_nodes={max_nodes:,}: its layout may take very long, "
            "and nobody could read it. Draw a part of it, from a node nearer to the leaves, or record fewer nodes, "
            f"with dot and sum for many products and sums; to draw it all the same, pass max_nodes={len(order)}."
        )
    check_fresh(order)
    names = {id(node): f"n{i}" for i, node in enumerate(order)}
    edges = [edge for node in order for edge in _edges_into(node)]
    strongest = max((abs(e.share) for e in edges if e.share is not None and math.isfinite(e.share)), default=0.0)

    figure = graphviz.Digraph(
        graph_attr={
            # First, since pygraphviz takes the first charset="..." that it meets in the source, in a label even.
            "charset": "utf-8",
            "rankdir": direction,
            "bgcolor": palette.PAGE,
            "pad": "0.2",
            "nodesep": "0.2",
            "ranksep": "0.6",
        },
        node_attr={"shape": "plain", "fontname": _FONT, "fontsize": "12", "fontcolor": palette.INK},
        edge_attr={"fontname": _FONT, "fontsize": "10", "fontcolor": palette.MUTED, "arrowsize": "0.6"},
    )
    # Operands first: what is declared first, dot lays out further up.
    for node in reversed(order):
        # Operands of - / ** read from the top; those of a sum or a dot may lie as they cross least.
        ordering = "in" if 1 < len(node.parents) <= 3 else None
        figure.node(names[id(node)], card(node, precision, node is root), tooltip=details(node), ordering=ordering)
    for edge in edges:
        label = None if edge.share is None else edge_label(edge.partial, precision)
        tooltip = _tooltip(edge)
        attributes = {"tooltip": tooltip, "labeltooltip": tooltip, **palette.pen(edge.share, strongest)}
        figure.edge(names[id(edge.operand)], names[id(edge.node)], label=label, **attributes)
    return figure


def _check_options(root: object, direction: str, precision: int) -> None:
    if not isinstance(root, Value):
        raise TypeError(
            f"only the graph below a Value can be drawn, not {type(root).__name__} {root!r:.80}: "
            "pass the node at its end, such as the loss"
        )
    if direction not in DIRECTIONS:
        raise ValueError(f"direction is one of {', '.join(DIRECTIONS)}, not {direction!r}")
    if not isinstance(precision, int) or not 1 <= precision <= 17:
        raise ValueError(f"precision is a number of significant digits from 1 to 17, not {precision!r}")


def _edges_into(node: Value) -> list[_Edge]:
    adjoint = node.grad
    return [
        # As in backward(): a gradient of 0 passes on nothing, not even 0 times inf.
        _Edge(operand, node, partial, None if operand.is_constant else adjoint * partial if adjoint else 0.0)
        for operand, partial in zip(node.parents, node.partials, strict=True)
    ]


def _tooltip(edge: _Edge) -> str:
    if edge.share is None:
        return in_tooltip("a constant: no gradient flows to it")
    return in_tooltip(
        f"∂({called(edge.node)})/∂({called(edge.operand)}) = {edge.partial!r}",
        f"times the grad {edge.node.grad!r} of {called(edge.node)}",
        f"gives {edge.share!r} to the grad of {called(edge.operand)}",
    )
