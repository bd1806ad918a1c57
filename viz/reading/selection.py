"""Which part of a graph is drawn: all of it, what lies between two nodes, or the nodes nearest to the output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tinygrad_lite.node.fields import Details
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.value import Value, topological_order


class Part(NamedTuple):
    """Some nodes of a graph."""

    #: in topological order, each before its operands
    order: list[Value]
    #: ids of those whose operands are not drawn, though there are some
    cut: frozenset[int]


def select(
    root: Value | Sequence[Value], start: Value | Iterable[Value] | None = None, depth: int | None = None
) -> Part:
    """Return the part of a graph that is drawn.

    Args:
        root: The node at its end, or several.
        start: Only what lies on a path from here (one node, or several) to ``root``, and the other operands of that.
        depth: Only nodes that are at most so many edges away from ``root``.

    Returns:
        The nodes.

    Raises:
        TypeError: ``root`` or ``start`` is no Value, or ``depth`` no int.
        ValueError: ``start`` is not below ``root``, or ``depth`` is negative.

    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> y = (a * b).exp() + a
    >>> [node.label or node.op for node in select(y, depth=1).order]
    ['add', 'exp', 'a']
    """
    roots = [root] if isinstance(root, Value) else root
    order = _order_below(roots)
    cut: set[int] = set()
    if start is not None:
        if not isinstance(start, (Value, Iterable)):
            raise TypeError(_not_a_start(start))
        starts = [start] if isinstance(start, Value) else list(start)
        order, cut = _between(order, starts)
    if depth is not None:
        order, cut = _near(order, cut, depth, roots)
    return Part(order, frozenset(cut))


def _order_below(roots: Sequence[Value]) -> list[Value]:
    """Return the nodes of all their graphs as one: the order below a node whose operands they are, without that
    node."""
    if len(roots) == 1:
        return topological_order(roots[0], leaves=True)
    above = Value(None, _code=TABLE["sum"].code, _details=Details("", tuple(roots)))
    return topological_order(above, leaves=True)[1:]


def descendants(order: Sequence[Value], nodes: Iterable[Value]) -> set[int]:
    """Return the ids of the nodes and of all that were computed from them, among those of the order."""
    found = {id(node) for node in nodes}
    for node in reversed(order):
        if id(node) not in found and any(id(operand) in found for operand in node.parents):
            found.add(id(node))
    return found


def ancestors(order: Sequence[Value], nodes: Iterable[Value]) -> set[int]:
    """Return the ids of the nodes and of all that they were computed from, among those of the order."""
    found = {id(node) for node in nodes}
    for node in order:
        if id(node) in found:
            found.update(map(id, node.parents))
    return found


def _between(order: list[Value], starts: Sequence[Any]) -> tuple[list[Value], set[int]]:
    known = {id(node) for node in order}
    for start in starts:
        if not isinstance(start, Value):
            raise TypeError(_not_a_start(start))
        if id(start) not in known:
            raise ValueError(f"start is a node below the one that is drawn, and {start!r} is not below {order[0]!r}")
    inside = descendants(order, starts) - {id(start) for start in starts}
    beside = {id(operand) for node in order if id(node) in inside for operand in node.parents} - inside
    drawn = inside | beside | {id(start) for start in starts}
    kept = [node for node in order if id(node) in drawn]
    return kept, {id(node) for node in kept if id(node) not in inside and not node.is_leaf}


def _near(order: list[Value], cut: set[int], depth: Any, roots: Sequence[Value]) -> tuple[list[Value], set[int]]:
    if not isinstance(depth, int) or isinstance(depth, bool):
        raise TypeError(f"depth is a number of edges, an int, not {type(depth).__name__} {depth!r}")
    if depth < 0:
        raise ValueError(f"depth is a number of edges, at least 0, not {depth}")
    distance = {id(root): 0 for root in roots}
    border = list(roots)
    for step in range(1, depth + 1):
        operands = [operand for node in border if id(node) not in cut for operand in node.parents]
        border = []
        for operand in operands:
            if id(operand) not in distance:
                distance[id(operand)] = step
                border.append(operand)
        if not border:
            break
    kept = [node for node in order if id(node) in distance]
    return kept, {id(node) for node in kept if not node.is_leaf and (id(node) in cut or distance[id(node)] == depth)}


def _not_a_start(start: object) -> str:
    return f"start is a Value or several, not {type(start).__name__} {start!r:.80}"
