"""The graph while it is brought into canonical form: nodes grow at the end, rows of operands are replaced.

Nothing is moved while rewritings say what they want: new edges are collected in pieces, and joined once. A node whose
row is replaced keeps its number, so that its readers need not be told.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.operations.ops import CONSTANT_CODE, TABLE

Integers = NDArray[np.intp]
Floats = NDArray[np.float64]

CONSTANT = CONSTANT_CODE
#: The code of a sum of signed terms, the only sum that is left.
SUM = TABLE["sum"].code


@dataclass(eq=False)
class Edges:
    """Operands of many nodes, in pieces that are joined in the end.

    Attributes:
        nodes: Whose operands they are, in each piece.
        operands: The operands.
        signs: 1 or −1 for each.
    """

    nodes: list[Integers] = field(default_factory=list)
    operands: list[Integers] = field(default_factory=list)
    signs: list[Integers] = field(default_factory=list)

    def add(self, nodes: Integers, operands: Integers, signs: Integers | int = 1) -> None:
        """Add one operand more to each of some nodes."""
        self.nodes.append(nodes)
        self.operands.append(operands)
        self.signs.append(np.broadcast_to(np.asarray(signs, dtype=np.int8), nodes.shape))


class Rewriter:
    """A graph while it is rewritten.

    Attributes:
        codes: The operation of each node.
        numbers: Of constants.
        roots: The results.
        leaves: How many nodes are leaves: the first ones.
        traced: How many nodes the traced graph has: those after them were made here.
        edge_nodes: The node of each edge, ascending once edges are joined.
        edge_operands: The operand of each edge.
        edge_signs: 1 or −1 for each edge: of the terms of sums.
        counts: How many edges each node has.
        starts: Where the edges of each node begin.
        more: Edges that are still to be joined.
        replaced: Nodes whose own edges go when edges are joined.
        shifted: Sums to which a constant is added that may be 0, and stays.
    """

    def __init__(self, graph: Graph) -> None:
        self.codes = graph.codes.copy()
        self.numbers = graph.numbers.copy()
        self.roots = graph.roots
        self.leaves = graph.leaf_count
        self.traced = len(graph)
        counts = np.diff(graph.starts)
        self.edge_nodes = np.repeat(np.arange(len(graph)), counts)
        self.edge_operands = graph.operands
        self.edge_signs = np.ones(len(graph.operands), dtype=np.int8)
        self.starts = graph.starts
        self.counts = counts
        self.more = Edges()
        self.replaced = np.zeros(len(graph), dtype=bool)
        self.shifted = np.zeros(len(graph), dtype=bool)

    def add_nodes(self, count: int, code: int, numbers: Floats | float = 0.0) -> Integers:
        """Add nodes that the traced graph has not."""
        first = len(self.codes)
        self.codes = np.concatenate([self.codes, np.full(count, code, dtype=np.intp)])
        self.numbers = np.concatenate([self.numbers, np.broadcast_to(np.asarray(numbers, float), (count,))])
        self.replaced = np.concatenate([self.replaced, np.ones(count, dtype=bool)])
        self.shifted = np.concatenate([self.shifted, np.zeros(count, dtype=bool)])
        return np.arange(first, first + count)

    def add_constants(self, numbers: Floats) -> Integers:
        """Add nodes for some numbers."""
        return self.add_nodes(len(numbers), CONSTANT, numbers)

    def find(self, name: str) -> Integers:
        """Find the traced nodes of an operation that have not been rewritten yet."""
        nodes = np.flatnonzero(self.codes[: self.traced] == TABLE[name].code)
        return nodes[~self.replaced[nodes]]

    def get_operand(self, nodes: Integers, place: int) -> Integers:
        """Get one operand of each node."""
        return self.edge_operands[self.starts[nodes] + place]

    def get_operands(self, nodes: Integers) -> tuple[Integers, Integers]:
        """Get all operands of all nodes: for each the place of its node in ``nodes``, and the operand."""
        counts = self.counts[nodes]
        owners = np.repeat(np.arange(len(nodes)), counts)
        ends = np.cumsum(counts)
        offsets = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)
        return owners, self.edge_operands[np.repeat(self.starts[nodes], counts) + offsets]

    def rewrite(self, nodes: Integers, code: int, *operands: Integers) -> None:
        """Give nodes another operation and other operands."""
        self.codes[nodes] = code
        self.replaced[nodes] = True
        for column in operands:
            self.more.add(nodes, column)

    def replace_by(self, nodes: Integers, others: Integers) -> None:
        """Make nodes other names of others: sums of that one term."""
        self.rewrite(nodes, SUM, others)

    def get_constants(self, nodes: Integers) -> Floats:
        """Get the numbers of constants; nan for other nodes."""
        return np.where(self.codes[nodes] == CONSTANT, self.numbers[nodes], np.nan)

    def join_edges(self) -> None:
        """Put the new edges into their rows; those of replaced nodes go."""
        kept = ~self.replaced[self.edge_nodes]
        in_order = not self.more.nodes and kept.all() and (self.edge_nodes[1:] >= self.edge_nodes[:-1]).all()
        if in_order:
            self._count_edges()
            return
        nodes = np.concatenate([self.edge_nodes[kept], *self.more.nodes])
        operands = np.concatenate([self.edge_operands[kept], *self.more.operands])
        signs = np.concatenate([self.edge_signs[kept], *self.more.signs])
        order = np.argsort(nodes, kind="stable")
        self.edge_nodes, self.edge_operands, self.edge_signs = nodes[order], operands[order], signs[order]
        self.more = Edges()
        self.replaced[:] = False
        self._count_edges()

    def _count_edges(self) -> None:
        self.counts = np.bincount(self.edge_nodes, minlength=len(self.codes))
        self.starts = np.zeros(len(self.counts) + 1, dtype=np.intp)
        np.cumsum(self.counts, out=self.starts[1:])

    def keep_edges(self, kept: NDArray[np.bool_]) -> None:
        """Leave the other edges out."""
        if not kept.all():
            self.edge_nodes, self.edge_operands = self.edge_nodes[kept], self.edge_operands[kept]
            self.edge_signs = self.edge_signs[kept]
            self._count_edges()


def follow(above: Integers, sign: NDArray[np.int8] | None = None) -> None:
    """Let each node point at the end of its chain, by pointer jumping (Wyllie 1979): as many rounds as doublings.

    Args:
        above: The node that each points at; itself, at the end of a chain. It is changed in place.
        sign: Of each step; then that of the whole way.
    """
    moving = np.flatnonzero(above != np.arange(len(above)))
    while len(moving):
        here = above[moving]
        further = above[here]
        on = further != here
        moving, here, further = moving[on], here[on], further[on]
        if sign is not None:
            sign[moving] = sign[moving] * sign[here]
        above[moving] = further
