"""What may be wrong with a graph before a sweep: numbers that are partly old, and counts that were not taken back."""

from __future__ import annotations

from typing import Any, Final

from tinygrad_lite.errors import StaleGraphError
from tinygrad_lite.node.codes import BY_HAND, CONSTANT
from tinygrad_lite.node.fields import Node, Order
from tinygrad_lite.node.state import STATE

#: How many nodes are in all the orders that are kept, at most: 80 MB. The orders of the roots in one chain overlap.
MOST_KEPT: Final = 10_000_000


def check_fresh(order: list[Any]) -> None:
    """Raise if an operand is newer than the node above it; quick where no leaf was changed since all were recorded."""
    now = STATE.clock
    node: Node
    for node in order:
        if node._stamp != now:
            break
    else:
        return
    for node in order:
        for parent in node.parents:
            if _is_older(node, parent):
                raise _stale(order[0], node, parent)


def _is_older(node: Node, parent: Node) -> bool:
    return parent._stamp > node._stamp


def _stale(root: Node, node: Node, parent: Node) -> StaleGraphError:
    if node._stamp == BY_HAND:
        return StaleGraphError(
            f"the data of {node!r} was set by hand, and is not what {node.op!r} of its operands gives: it has no "
            f"gradient to pass on to them. Call forward() on {root!r} to evaluate the graph from its leaves again, or "
            "take v.detach(), a leaf, where its number is to be set."
        )
    changed = parent
    if parent._code > CONSTANT:  # evaluated again from another root: name the leaf that began it
        changed = next(leaf for leaf in _below(parent) if leaf.is_leaf and leaf._stamp > node._stamp)
    return StaleGraphError(
        f"the graph below {root!r} is stale: {changed!r} was changed after {node.op!r} had used it, so its gradients "
        "would mix old numbers and new. Call forward() on the root to evaluate the recorded graph with the new data, "
        "or run your code again to record a new one."
    )


def keep_order(root: Node, order: list[Any]) -> None:
    """Keep the order of the graph below a root with it, unless there are very many of them."""
    if len(order) > 1 and STATE.kept + len(order) <= MOST_KEPT:
        root.rare().order = Order(order[1:])


def forget_counts(root: Node) -> None:
    """Set every count below root back to 0, after a traversal was broken off anywhere."""
    for node in _below(root):
        node._pending = 0


def _below(root: Node) -> list[Node]:
    found = [root]
    seen = {id(root)}
    for node in found:
        for parent in node.parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                found.append(parent)
    return found
