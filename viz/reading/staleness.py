"""How far the evaluation of a graph got: which operation failed, and which nodes still have old numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tinygrad_lite.errors import StaleGraphError
from tinygrad_lite.node.freshness import check_fresh
from tinygrad_lite.operations.arithmetic import reason
from tinygrad_lite.value import Value
from tinygrad_lite.viz.reading.node_operations import operation_of


class Staleness(NamedTuple):
    """What is wrong with a graph's numbers; nothing, most of the time."""

    #: by the id of a node whose operation cannot be evaluated: what it raises
    failures: Mapping[int, str] = {}
    #: ids of these and of all computed from them
    stale: frozenset[int] = frozenset()


def staleness(order: Sequence[Value]) -> Staleness:
    """Find the operation at which ``forward()`` raised, if it did.

    Args:
        order: A graph in topological order.

    Returns:
        The nodes that failed, and those that have old numbers therefore.

    Raises:
        StaleGraphError: A leaf was changed, and nothing stands in the way of ``forward()``, which was not called.

    >>> from tinygrad_lite.value import topological_order
    >>> x = Value(1.0)
    >>> y = x.log() + 1.0
    >>> x.data = -1.0
    >>> list(staleness(topological_order(y, leaves=True)).failures.values())
    ['ValueError: math domain error']
    """
    nodes = list(order)
    try:
        check_fresh(nodes)
    except StaleGraphError as error:
        found = _failures(nodes)
        if not found.failures:
            raise error from None
        return found
    return Staleness()


def _failures(order: Sequence[Value]) -> Staleness:
    stale: set[int] = set()
    failures: dict[int, str] = {}
    for node in reversed(order):
        if any(id(operand) in stale for operand in node.parents):
            stale.add(id(node))
        elif any(operand._stamp > node._stamp for operand in node.parents):
            stale.add(id(node))
            failure = _failure(node)
            if failure:
                failures[id(node)] = failure
    return Staleness(failures, frozenset(stale))


def _failure(node: Value) -> str:
    """Return what the operation raises on its operands' numbers, in words; empty if nothing."""
    operation = operation_of(node)
    numbers = [operand.data for operand in node.parents]
    try:
        operation.value(numbers)
    except (ArithmeticError, ValueError, TypeError, IndexError) as error:  # as the engine's forward() may
        return f"{type(error).__name__}: {reason(operation, error)}"
    return ""
