"""A recorded graph as flat lists of numbers: what ``lift`` reads."""

from __future__ import annotations

from mypy_extensions import i32

from tinygrad_lite.node.codes import CONSTANT
from tinygrad_lite.node.fields import Details
from tinygrad_lite.node.state import LOCK
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.value import Value, topological_order


def arrays_of(roots: list[Value]) -> tuple[list[int], list[int], list[int], list[float], list[Value], list[int]]:
    """Return the graph below some nodes, numbered so that operands come before the nodes that use them, leaves first.

    Args:
        roots: The nodes.

    Returns:
        For each node its operation's code, the number of its operands, these operands' numbers one after the other,
        and its float; then the leaves themselves, which are nodes 0, 1, 2 ..., and the number of each root.

    >>> x = Value(3.0)
    >>> arrays_of([x * x])
    ([0, 4], [0, 2], [0, 0], [3.0, 9.0], [Value(data=3.0, grad=0.0)], [1])
    """
    with LOCK:
        above = Value(None, _code=TABLE["sum"].code, _details=Details("", tuple(roots)))
        order = topological_order(above, True)
        order.reverse()
        order.pop()  # the sum above them all
        leaves: list[Value] = []
        codes: list[int] = []
        counts: list[int] = []
        operands: list[int] = []
        numbers: list[float] = []
        try:
            place: i32 = 0
            for node in order:
                node._pending = place  # counts of edges are 0 between traversals, and must be so again
                place += 1
                codes.append(node._code)
                numbers.append(node._number)
                if node._code <= CONSTANT:
                    leaves.append(node)
                    counts.append(0)
                    continue
                count = 0
                details = node._details
                if node._b is None and details is not None:
                    operand: Value
                    # extend would make a generator of each node's operands: slower, compiled
                    for operand in details.first:
                        operands.append(operand._pending)  # noqa: PERF401 (see above)
                    for operand in details.second:
                        operands.append(operand._pending)  # noqa: PERF401 (see above)
                    count = len(details.first) + len(details.second)
                a = node._a
                if a is not None:
                    operands.append(a._pending)
                    count += 1
                b = node._b
                if b is not None:
                    operands.append(b._pending)
                    count += 1
                counts.append(count)
            positions = [root._pending for root in roots]
        finally:
            for node in order:
                node._pending = 0
        return codes, counts, operands, numbers, leaves, positions
