"""The part of a graph between a root and a node below it: its paths, their numbers, and the nodes that all pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinygrad_lite.adjoints import adjoints_as_floats
from tinygrad_lite.node.freshness import check_fresh
from tinygrad_lite.value import Value, topological_order


class Between:
    """All nodes on a path from the root down to another node.

    Attributes:
        nodes: These nodes, each before its operands: the root first, the lower end last.
        order: All interior nodes below the root, in the same order.

    Args:
        root: The upper end.
        end: The lower end.

    Raises:
        StaleGraphError: A leaf was changed since the graph was evaluated.

    >>> a = Value(2.0)
    >>> b = a * a
    >>> c = b + a
    >>> between = Between(c, a)
    >>> [node.op for node in between.nodes], between.adjoints(c)[id(a)]
    (['add', 'mul', ''], 5.0)
    """

    def __init__(self, root: Value, end: Value) -> None:
        self.order = topological_order(root)
        check_fresh(self.order)
        reaching = {id(end)}
        on_path = []
        for node in reversed(self.order):
            if node is not end and any(id(operand) in reaching for operand in node.parents):
                reaching.add(id(node))
                on_path.append(node)
        self.nodes = [*reversed(on_path), end] if root is end or id(root) in reaching else []
        self._place = {id(node): i for i, node in enumerate(self.nodes)}

    def operands(self, node: Value) -> list[Value]:
        """Return the operands of a node that lead on to the lower end, each once, in their order."""
        return list({id(x): x for x in node.parents if id(x) in self._place}.values()) if node in self else []

    def __contains__(self, node: Value) -> bool:
        """Whether a node is on a path, and not the lower end."""
        return self._place.get(id(node), math.inf) < len(self.nodes) - 1

    def uses(self, node: Value, operand: Value) -> list[int]:
        """Return the places of an operand among the operands of a node."""
        return [k for k, x in enumerate(node.parents) if x is operand]

    def partial(self, node: Value, operand: Value) -> float:
        """∂node/∂operand, over all places in which the node uses it."""
        return sum(p for x, p in zip(node.parents, node.partials, strict=True) if x is operand)

    def count_paths(self, upper: Value, lower: Value) -> int:
        """How many ways lead from one node on a path down to another."""
        if id(lower) not in self._place or self._place[id(upper)] > self._place[id(lower)]:
            return 0
        ways = {id(upper): 1}
        for node in self.nodes[self._place[id(upper)] : self._place[id(lower)]]:
            for operand in self.operands(node) if id(node) in ways else ():
                ways[id(operand)] = ways.get(id(operand), 0) + ways[id(node)]
        return ways.get(id(lower), 0)

    def list_paths(self, upper: Value, lower: Value) -> list[list[Value]]:
        """Return these ways, each as its nodes; few, as :meth:`count_paths` should have said before."""
        found: list[list[Value]] = []
        last = self._place[id(lower)]
        waiting = [[upper]]
        while waiting:
            path = waiting.pop()
            if path[-1] is lower:
                found.append(path)
            elif self._place[id(path[-1])] < last:
                waiting += [[*path, operand] for operand in reversed(self.operands(path[-1]))]
        return found

    def bottlenecks(self) -> list[Value]:
        """Return the nodes that every path passes, from the root to the lower end."""
        found = []
        furthest = 0  # how far down the edges from the nodes so far reach
        for place, node in enumerate(self.nodes):
            if furthest <= place:
                found.append(node)
            furthest = max([furthest, *(self._place[id(operand)] for operand in self.operands(node))])
        return found

    def section(self, upper: Value, lower: Value) -> list[Value]:
        """Return the nodes from one bottleneck down to another."""
        return self.nodes[self._place[id(upper)] : self._place[id(lower)] + 1]

    def adjoints(self, upper: Value) -> dict[int, float]:
        """∂upper/∂node for each node on a path below it, added up in the order of ``backward()``."""
        found = {id(node): 0.0 for node in self.nodes}
        found[id(upper)] = 1.0
        below = self.nodes[self._place[id(upper)] :]
        for node in below[:-1]:
            adjoint = found[id(node)]
            partials = node.partials
            if not all(map(math.isfinite, partials)):  # 0·inf may be a limit, which the engine looks for
                return found | dict(zip(map(id, below), adjoints_as_floats(upper, below), strict=True))
            for operand, partial in zip(node.parents, partials, strict=True):
                if id(operand) in found and adjoint != 0.0 != partial:
                    found[id(operand)] += adjoint * partial
        return found


def product(numbers: Sequence[float]) -> float:
    """Return the product from the left; once 0 it stays 0, as in ``backward()``.

    >>> product([2.0, 0.0, float("inf")])
    0.0
    """
    result = 1.0
    for number in numbers:
        if result == 0.0:
            return 0.0
        result = result * number if number != 0.0 else 0.0
    return result
