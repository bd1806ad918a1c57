"""What is highlighted: nodes, or all paths between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_lite.value import Value
from tinygrad_lite.viz.reading.selection import ancestors, descendants


def highlighted(order: Sequence[Value], highlight: Any) -> frozenset[int]:
    """Return the ids of the nodes to highlight.

    Args:
        order: The graph in topological order.
        highlight: A node; a list of nodes; or a tuple of two, for all nodes on all paths between them.

    Returns:
        Their ids; none for None.

    Raises:
        TypeError: It is something else.
        ValueError: A node is not in the graph, or no path leads from one to the other.

    >>> from tinygrad_lite.value import topological_order
    >>> a, b = Value(2.0), Value(3.0)
    >>> y = (a * b).tanh() + b
    >>> len(highlighted(topological_order(y, leaves=True), (a, y)))
    4
    """
    if highlight is None:
        return frozenset()
    ends = [highlight] if isinstance(highlight, Value) else highlight
    if not isinstance(ends, Iterable):
        raise TypeError(_expected(highlight))
    ends = list(ends)
    known = {id(node) for node in order}
    for node in ends:
        if not isinstance(node, Value):
            raise TypeError(_expected(node))
        if id(node) not in known:
            raise ValueError(f"cannot highlight {node!r}: it is not in the graph below {order[0]!r}")
    if isinstance(highlight, tuple) and len(ends) == 2:
        return _paths(order, *ends)
    return frozenset(map(id, ends))


def _paths(order: Sequence[Value], first: Value, last: Value) -> frozenset[int]:
    for below, above in ((first, last), (last, first)):
        found = descendants(order, [below]) & ancestors(order, [above])
        if id(below) in found and id(above) in found:
            return frozenset(found)
    raise ValueError(f"cannot highlight paths between {first!r} and {last!r}: neither is computed from the other")


def _expected(thing: object) -> str:
    return (
        "highlight takes a Value, a list of Values, or a tuple of two for all paths between them, not "
        f"{type(thing).__name__} {thing!r:.80}"
    )
