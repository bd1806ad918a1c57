"""The second pass: one way to write each thing, so that code in any style gives the same graph.

What it turns into what:

- Chains of ``+``, ``-``, ``sum``, ``mean``, unary minus and the addition inside ``dot`` become one sum of any number
  of terms, each with a sign, where the inner ones are used nowhere else. A ``dot`` falls apart into its products and
  such a sum. Chains of ``maximum`` or ``minimum`` become one of all their operands.
- ``softmax`` and ``logsumexp`` become maximum, exponentials, their sum and a quotient, one of each for a row of
  operands however many nodes read the row.
- ``x**2`` becomes x·x, the derivative of a power a product; a minus sign moves out of products into the sum above;
  ``lookup`` with a fixed index and ``+x`` become what they stand for; a sum of one term is that term.
- What is computed of constants alone is a constant.
- Zeros with which a sum begins, and products with 0, as padding makes them, leave sums. A 0 that is added (x + 0.0)
  stays: its siblings may add other numbers, and it has to look like them.

Why it is sound: every rewriting is an identity of real numbers that re-associates sums at most; none divides, and none
moves an operation past a comparison. (0·x counts as 0 whatever x is, infinite or not a number.)

Cost: a few vectorised passes over all edges. What it does not find: distributivity, (a + b)·c against a·c + b·c; equal
subexpressions, which the next pass finds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.trace import Graph
from tinygrad_lite.ops import CONSTANT_CODE, LEAF_CODE, TABLE

Integers = NDArray[np.intp]
Floats = NDArray[np.float64]

LEAF = LEAF_CODE
CONSTANT = CONSTANT_CODE
#: The code of a sum of signed terms, the only sum that is left.
SUM = TABLE["sum"].code
MUL = TABLE["mul"].code
TRUEDIV = TABLE["truediv"].code
#: The codes of a maximum and a minimum of any number of operands; a ``maximum`` of two or three stays what it is.
FOLDED_MAXIMUM = -1
FOLDED_MINIMUM = -2
_FOLDED = {"maximum": FOLDED_MAXIMUM, "minimum": FOLDED_MINIMUM}
#: From so many operands on, chains are folded: shorter ones may well be of things that have little in common.
_LEAST_FOLDED = 4
PROD = TABLE["prod"].code
LOOKUP = TABLE["lookup"].code


@dataclass(eq=False)
class Canonical:
    """A graph in canonical form; nodes are numbered in no particular order.

    Attributes:
        codes: Of the operations: those of the table, ``SUM``, ``FOLDED_MAXIMUM`` and ``FOLDED_MINIMUM``.
        starts: Where the operands of each node begin in ``operands``; one more at the end.
        operands: Numbers of nodes: the terms of a sum.
        signs: 1 or −1 for each entry of ``operands``: of terms; 1 elsewhere.
        numbers: Of constants.
        origins: The node of the traced graph that each node computes; −1 for those that this pass made.
        roots: The results.
        root_signs: −1 where the result is the negative of its root.
        leaves: How many nodes are leaves: the first ones.
    """

    codes: Integers
    starts: Integers
    operands: Integers
    signs: Integers
    numbers: Floats
    origins: Integers
    roots: Integers
    leaves: int

    def __len__(self) -> int:
        return len(self.codes)


def canonical(graph: Graph) -> Canonical:
    """The graph in canonical form."""
    draft = _Draft(graph)
    draft.fold_constants()
    draft.fold_extremes()
    draft.expand_means()
    draft.expand_dots()
    draft.expand_softmaxes()
    draft.rewrite_powers()
    draft.resolve_lookups()
    draft.turn_into_sums()
    draft.count_repeated_products()
    draft.pull_signs_out_of_products()
    return draft.flattened()


@dataclass(eq=False)
class _Edges:
    """Operands of many nodes, in pieces that are joined in the end."""

    nodes: list[Integers] = field(default_factory=list)
    operands: list[Integers] = field(default_factory=list)
    signs: list[Integers] = field(default_factory=list)

    def add(self, nodes: Integers, operands: Integers, signs: Integers | int = 1) -> None:
        self.nodes.append(nodes)
        self.operands.append(operands)
        self.signs.append(np.broadcast_to(np.asarray(signs, dtype=np.int8), nodes.shape))


class _Draft:
    """The graph while it is rewritten: codes and numbers grow at the end, rows of operands are replaced."""

    def __init__(self, graph: Graph) -> None:
        self.codes = graph.codes.copy()
        self.numbers = graph.numbers.copy()
        self.roots = graph.roots
        self.leaves = len(graph.leaves)
        self.traced = len(graph)
        #: each node's row: its place in ``starts`` and ``operands`` of the traced graph, or of a later block
        counts = np.diff(graph.starts)
        self.edge_nodes = np.repeat(np.arange(len(graph)), counts)
        self.edge_operands = graph.operands
        self.edge_signs = np.ones(len(graph.operands), dtype=np.int8)
        self.starts = graph.starts
        self.counts = counts
        self.more = _Edges()
        self.replaced = np.zeros(len(graph), dtype=bool)
        #: sums to which a constant is added that may be 0, and stays
        self.shifted = np.zeros(len(graph), dtype=bool)
        #: what a node stands for, and the sign: itself at first
        self.alias = np.arange(len(graph))
        self.alias_sign = np.ones(len(graph), dtype=np.int8)

    # -------------------------------------------------------------------------------------------- small steps

    def new(self, count: int, code: int, numbers: Floats | float = 0.0) -> Integers:
        """Nodes that the traced graph has not."""
        first = len(self.codes)
        self.codes = np.concatenate([self.codes, np.full(count, code, dtype=np.intp)])
        self.numbers = np.concatenate([self.numbers, np.broadcast_to(np.asarray(numbers, float), (count,))])
        self.replaced = np.concatenate([self.replaced, np.ones(count, dtype=bool)])
        self.shifted = np.concatenate([self.shifted, np.zeros(count, dtype=bool)])
        nodes = np.arange(first, first + count)
        self.alias = np.concatenate([self.alias, nodes])
        self.alias_sign = np.concatenate([self.alias_sign, np.ones(count, dtype=np.int8)])
        return nodes

    def constants(self, numbers: Floats) -> Integers:
        return self.new(len(numbers), CONSTANT, numbers)

    def of(self, name: str) -> Integers:
        """The traced nodes of an operation that have not been rewritten yet."""
        nodes = np.flatnonzero(self.codes[: self.traced] == TABLE[name].code)
        return nodes[~self.replaced[nodes]]

    def row(self, nodes: Integers, place: int) -> Integers:
        """One operand of each node."""
        return self.edge_operands[self.starts[nodes] + place]

    def rows(self, nodes: Integers) -> tuple[Integers, Integers]:
        """All operands of all nodes: for each the place of its node in ``nodes``, and the operand."""
        counts = self.counts[nodes]
        owners = np.repeat(np.arange(len(nodes)), counts)
        ends = np.cumsum(counts)
        offsets = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)
        return owners, self.edge_operands[np.repeat(self.starts[nodes], counts) + offsets]

    def rewrite(self, nodes: Integers, code: int, *operands: Integers) -> None:
        """Gives nodes another operation and other operands."""
        self.codes[nodes] = code
        self.replaced[nodes] = True
        for column in operands:
            self.more.add(nodes, column)

    def stand_for(self, nodes: Integers, others: Integers) -> None:
        """Makes nodes other names of others."""
        self.alias[nodes] = others
        self.replaced[nodes] = True
        self.codes[nodes] = SUM

    # -------------------------------------------------------------------------------------------- the rewritings

    def fold_constants(self) -> None:
        """An operation on constants is the number that it gave when it was recorded."""
        self.codes[(self.counts == 0) & (self.codes > CONSTANT)] = CONSTANT  # the sum of nothing
        inner = np.flatnonzero(self.counts > 0)
        if not len(inner):
            return
        while True:
            constant = np.logical_and.reduceat(self.codes[self.edge_operands] == CONSTANT, self.starts[inner])
            found = inner[constant & (self.codes[inner] != CONSTANT)]
            if not len(found):
                break
            self.codes[found] = CONSTANT
            self.replaced[found] = True
        constants = np.flatnonzero(self.codes == CONSTANT)  # equal ones are one from here on
        _, firsts, which = np.unique(self.numbers[constants].view(np.int64), return_index=True, return_inverse=True)
        same = np.arange(len(self.codes))
        same[constants] = constants[firsts[which]]
        self.edge_operands = same[self.edge_operands]
        self.roots = same[self.roots]

    def fold_extremes(self) -> None:
        """maximum(maximum(a, b), c) = maximum(a, b, c), of any number of operands; inner ones are used once."""
        uses = np.bincount(self.edge_operands, minlength=len(self.codes))
        np.add.at(uses, self.roots, 1)
        for name, code in _FOLDED.items():
            nodes = self.of(name)
            if len(nodes) < _LEAST_FOLDED - 1:
                continue
            rows = np.concatenate([nodes, nodes])
            operands = np.concatenate([self.row(nodes, 0), self.row(nodes, 1)])
            inner = (self.codes[operands] == TABLE[name].code) & (uses[operands] == 1)
            above = np.arange(len(self.codes))
            above[operands[inner]] = rows[inner]
            top = _ends(above)
            owners, members = top[rows[~inner]], operands[~inner]
            many = np.bincount(owners, minlength=len(self.codes)) >= _LEAST_FOLDED
            folded = np.flatnonzero(many)
            self.replaced[nodes[many[top[nodes]]]] = True
            self.rewrite(folded, code)
            chosen = many[owners]
            self.more.add(owners[chosen], members[chosen])

    def expand_means(self) -> None:
        """mean(xs) = sum(xs) / n."""
        nodes = self.of("mean")
        if len(nodes):
            owners, operands = self.rows(nodes)
            sums = self.new(len(nodes), SUM)
            self.more.add(sums[owners], operands)
            self.rewrite(nodes, TRUEDIV, sums, self.constants(self.counts[nodes].astype(float)))

    def expand_dots(self) -> None:
        """dot(ws, xs, bias) = bias + Σ wᵢ·xᵢ, with a node for each product."""
        nodes = self.of("dot")
        if not len(nodes):
            return
        pairs = (self.counts[nodes] - 1) // 2
        owners = np.repeat(np.arange(len(nodes)), pairs)
        ends = np.cumsum(pairs)
        offsets = np.arange(int(ends[-1])) - np.repeat(ends - pairs, pairs)
        first = self.starts[nodes][owners] + offsets
        products = self.new(len(owners), MUL)
        self.more.add(products, self.edge_operands[first])
        self.more.add(products, self.edge_operands[first + pairs[owners]])
        bias = self.edge_operands[self.starts[nodes] + 2 * pairs]
        self.rewrite(nodes, SUM)
        self.more.add(nodes[owners], products)
        self.more.add(nodes, bias)

    def expand_softmaxes(self) -> None:
        """With m the maximum of a row: softmaxᵢ = exp(xᵢ − m) / Σ exp(xₖ − m), logsumexp = m + log Σ exp(xₖ − m)."""
        softmaxes, others = self.of("softmax"), self.of("logsumexp")
        nodes = np.concatenate([softmaxes, others])
        if not len(nodes):
            return
        owners, operands = self.rows(nodes)
        counts = self.counts[nodes]
        is_index = np.zeros(len(owners), dtype=bool)
        is_index[(np.cumsum(counts) - 1)[: len(softmaxes)]] = True  # a softmax's last operand says which one it is
        owners, operands = owners[~is_index], operands[~is_index]
        counts = np.bincount(owners, minlength=len(nodes))
        firsts, which = _distinct_rows(owners, operands, len(nodes))
        starts = np.cumsum(counts) - counts
        # the elements of the distinct rows
        rows_counts = counts[firsts]
        row_of = np.repeat(np.arange(len(firsts)), rows_counts)
        row_starts = np.cumsum(rows_counts) - rows_counts
        elements = operands[np.repeat(starts[firsts], rows_counts) + np.arange(len(row_of)) - row_starts[row_of]]
        greatest = self.new(len(firsts), FOLDED_MAXIMUM)
        self.more.add(greatest[row_of], elements)
        shifted = self.new(len(elements), SUM)
        self.more.add(shifted, elements)
        self.more.add(shifted, greatest[row_of], -1)
        exponentials = self.new(len(elements), TABLE["exp"].code)
        self.more.add(exponentials, shifted)
        totals = self.new(len(firsts), SUM)
        self.more.add(totals[row_of], exponentials)
        if len(softmaxes):
            self._finish_softmaxes(softmaxes, which[: len(softmaxes)], row_starts, rows_counts, exponentials, totals)
        if len(others):
            rows = which[len(softmaxes) :]
            self._recognise_softmaxes(others, rows, row_of, elements, exponentials, totals)
            logarithms = self.new(len(others), TABLE["log"].code)
            self.more.add(logarithms, totals[rows])
            self.rewrite(others, SUM, greatest[rows], logarithms)

    def _finish_softmaxes(
        self,
        nodes: Integers,
        rows: Integers,
        row_starts: Integers,
        row_counts: Integers,
        exponentials: Integers,
        totals: Integers,
    ) -> None:
        index = self.edge_operands[self.starts[nodes] + self.counts[nodes] - 1]
        fixed = self.codes[index] == CONSTANT
        place = np.where(fixed, self.numbers[index], 0.0).astype(np.intp) % row_counts[rows]
        chosen = exponentials[row_starts[rows] + place]
        for node in np.flatnonzero(~fixed):  # the index is a Value: look it up
            row = rows[node]
            (found,) = self.new(1, LOOKUP)
            members = exponentials[row_starts[row] : row_starts[row] + row_counts[row]]
            operands = np.append(members, index[node])
            self.more.add(np.full(len(operands), found), operands)
            chosen[node] = found
        self.rewrite(nodes, TRUEDIV, chosen, totals[rows])

    def _recognise_softmaxes(
        self,
        nodes: Integers,
        rows: Integers,
        row_of: Integers,
        elements: Integers,
        exponentials: Integers,
        totals: Integers,
    ) -> None:
        """exp(xᵢ − logsumexp(x)) is the softmax too, and is what a trace records for it."""
        row = np.full(len(self.codes), -1, dtype=np.intp)
        row[nodes] = rows
        found = self.of("exp")
        inner = self.row(found, 0)
        difference = (self.codes[inner] == TABLE["sub"].code) & (inner < self.traced)
        found, inner = found[difference], inner[difference]
        x, total = self.row(inner, 0), self.row(inner, 1)
        of_row = row[total] >= 0
        found, x, of_row = found[of_row], x[of_row], row[total[of_row]]
        keys = row_of * len(self.codes) + elements
        order = np.argsort(keys, kind="stable")
        wanted = of_row * len(self.codes) + x
        place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
        hit = keys[order][place] == wanted
        self.rewrite(found[hit], TRUEDIV, exponentials[order[place[hit]]], totals[of_row[hit]])

    def count_repeated_products(self) -> None:
        """a·b + a·b = 2·(a·b), as the derivative of a square says it."""
        self._join_edges()
        nodes = np.flatnonzero((self.codes == MUL) & (self.counts == 2))
        first, second = (self.edge_operands[self.starts[nodes] + place] for place in (0, 1))
        pairs = np.minimum(first, second) * len(self.codes) + np.maximum(first, second)
        _, firsts, which = np.unique(pairs, return_index=True, return_inverse=True)
        same = np.arange(len(self.codes))
        same[nodes] = nodes[firsts[which]]
        self.edge_operands = same[self.edge_operands]
        self.roots = same[self.roots]

    def _add_up_repeated(self) -> None:
        """Terms that are the same product become one, with a factor."""
        inside = np.flatnonzero((self.codes[self.edge_nodes] == SUM) & (self.codes[self.edge_operands] == MUL))
        keys = (self.edge_nodes[inside] * len(self.codes) + self.edge_operands[inside]) * 2
        keys += self.edge_signs[inside] > 0
        _, firsts, counts = np.unique(keys, return_index=True, return_counts=True)
        repeated = counts > 1
        if not repeated.any():
            return
        edges = inside[firsts[repeated]]
        scaled = self.new(len(edges), MUL)
        self.more.add(scaled, self.constants(counts[repeated].astype(float)))
        self.more.add(scaled, self.edge_operands[edges])
        kept = np.ones(len(self.edge_nodes), dtype=bool)
        kept[inside] = False
        kept[inside[firsts]] = True
        self.edge_operands = self.edge_operands.copy()
        self.edge_operands[edges] = scaled
        self.edge_nodes, self.edge_operands = self.edge_nodes[kept], self.edge_operands[kept]
        self.edge_signs = self.edge_signs[kept]
        self.replaced[:] = False
        self._join_edges()

    def rewrite_powers(self) -> None:
        """x**2 = x·x; the derivative y·x^(y−1) for a fixed exponent y as that product."""
        nodes = self.of("pow")
        exponents = self._fixed(self.row(nodes, 1)) if len(nodes) else np.empty(0)
        squares = nodes[exponents == 2.0]
        bases = self.row(squares, 0)
        self.rewrite(squares, MUL, bases, bases)
        nodes = self.of("pow_by_base")
        exponents = self._fixed(self.row(nodes, 1)) if len(nodes) else np.empty(0)
        twice = nodes[exponents == 2.0]
        self.rewrite(twice, MUL, self.constants(np.full(len(twice), 2.0)), self.row(twice, 0))
        chosen = np.isfinite(exponents) & (exponents != 2.0) & (exponents != 1.0) & (exponents != 0.0)
        nodes, exponents = nodes[chosen], exponents[chosen]
        powers = self.new(len(nodes), TABLE["pow"].code)
        self.more.add(powers, self.row(nodes, 0))
        self.more.add(powers, self.constants(exponents - 1.0))
        self.rewrite(nodes, MUL, self.constants(exponents), powers)

    def resolve_lookups(self) -> None:
        """lookup(table, 3) is the table's entry 3."""
        nodes = self.of("lookup")
        if len(nodes):
            sizes = self.counts[nodes] - 1
            places = self._fixed(self.edge_operands[self.starts[nodes] + sizes])
            fixed = np.isfinite(places)
            nodes, places = nodes[fixed], places[fixed].astype(np.intp) % sizes[fixed]
            self.stand_for(nodes, self.edge_operands[self.starts[nodes] + places])

    def turn_into_sums(self) -> None:
        """a + b, a − b, −a, +a and sums of one term as sums of signed terms."""
        for name, signs in (("add", (1, 1)), ("sub", (1, -1)), ("neg", (-1,))):
            nodes = self.of(name)
            self.rewrite(nodes, SUM)
            for place, sign in enumerate(signs):
                self.more.add(nodes, self.row(nodes, place), sign)
            if len(signs) == 2:
                self.shifted[nodes] = self.codes[self.row(nodes, 1)] == CONSTANT
        nodes = self.of("pos")
        self.stand_for(nodes, self.row(nodes, 0))

    def _fixed(self, nodes: Integers) -> Floats:
        """The numbers of constants; nan for other nodes."""
        return np.where(self.codes[nodes] == CONSTANT, self.numbers[nodes], np.nan)

    # ------------------------------------------------------------------------------------------------ the end

    def _join_edges(self) -> None:
        kept = ~self.replaced[self.edge_nodes]
        nodes = np.concatenate([self.edge_nodes[kept], *self.more.nodes])
        operands = np.concatenate([self.edge_operands[kept], *self.more.operands])
        signs = np.concatenate([self.edge_signs[kept], *self.more.signs])
        order = np.argsort(nodes, kind="stable")
        self.edge_nodes, self.edge_operands, self.edge_signs = nodes[order], operands[order], signs[order]
        self.more = _Edges()
        self.replaced[:] = False
        self._count_edges()

    def _count_edges(self) -> None:
        self.counts = np.bincount(self.edge_nodes, minlength=len(self.codes))
        self.starts = np.zeros(len(self.counts) + 1, dtype=np.intp)
        np.cumsum(self.counts, out=self.starts[1:])

    def _keep_edges(self, kept: NDArray[np.bool_]) -> None:
        """Leaves the other edges out."""
        if not kept.all():
            self.edge_nodes, self.edge_operands = self.edge_nodes[kept], self.edge_operands[kept]
            self.edge_signs = self.edge_signs[kept]
            self._count_edges()

    def pull_signs_out_of_products(self) -> None:
        """(−a)·b = −(a·b), and (−a)/b = −(a/b): the sum above takes the sign."""
        self._join_edges()
        self._simplify()
        self._turn_negative_sums()
        self._find_aliases()
        targets, signs = self._resolved(self.edge_operands)
        product = (self.codes == MUL) | (self.codes == TRUEDIV)
        sign = np.ones(len(self.codes), dtype=np.int8)
        inside = product[self.edge_nodes]
        np.multiply.at(sign, self.edge_nodes[inside], signs[inside])
        # operands of products are the positive nodes; other operations keep their negatives as nodes
        is_sum = self.codes[self.edge_nodes] == SUM
        positive = inside | is_sum | (signs == 1)
        self.edge_operands = np.where(positive, targets, self.edge_operands)
        self.edge_signs = np.where(is_sum, self.edge_signs * signs, self.edge_signs).astype(np.int8)
        negative = np.flatnonzero(sign < 0)
        if len(negative):  # the node becomes −twin, and the twin the product
            twins = self.new(len(negative), 0)
            self.codes[twins] = self.codes[negative]
            place = np.arange(len(self.codes))
            place[negative] = twins
            moved = sign[self.edge_nodes] < 0
            self.edge_nodes = np.where(moved, place[self.edge_nodes], self.edge_nodes)
            self.codes[negative] = SUM
            self.edge_nodes = np.concatenate([self.edge_nodes, negative])
            self.edge_operands = np.concatenate([self.edge_operands, twins])
            self.edge_signs = np.concatenate([self.edge_signs, np.full(len(negative), -1, dtype=np.int8)])
        self.replaced[:] = False
        self._join_edges()

    def _merge_factors(self) -> None:
        """a·(b·x) = (a·b)·x for constants a and b, where b·x is used once: the mean of squares has 2/n, not 1/n · 2."""
        pairs = np.flatnonzero((self.codes == MUL) & (self.counts == 2))
        first, second = (self.edge_operands[self.starts[pairs] + place] for place in (0, 1))
        by_first = self.codes[first] == CONSTANT
        scaled = by_first | (self.codes[second] == CONSTANT)
        nodes = pairs[scaled]
        factors = self.numbers[np.where(by_first, first, second)[scaled]]
        factor = np.ones(len(self.codes))
        factor[nodes] = factors
        below = np.arange(len(self.codes))
        below[nodes] = np.where(by_first, second, first)[scaled]
        uses = np.bincount(self.edge_operands, minlength=len(self.codes))
        np.add.at(uses, self.roots, 1)
        ordinary = np.zeros(len(self.codes), dtype=bool)
        ordinary[nodes] = (np.abs(factors) > 1e-100) & (np.abs(factors) < 1e100)
        merged = np.flatnonzero(ordinary & ordinary[below] & (uses[below] == 1) & (below != np.arange(len(below))))
        if not len(merged):
            return
        top = np.setdiff1d(merged, below[merged], assume_unique=False)
        deeper = np.zeros(len(self.codes), dtype=bool)
        deeper[merged] = True
        total, end = factor[top].copy(), top.copy()
        while (further := deeper[end]).any():
            end = np.where(further, below[end], end)
            total = np.where(further, total * factor[end], total)
        self._keep_edges(~np.isin(self.edge_nodes, top))
        self.rewrite(top, MUL, self.constants(total), below[end])
        self.replaced[:] = False
        self._join_edges()

    def _simplify(self) -> None:
        self._drop_products_with_zero()
        self._drop_zeros()
        self._find_aliases()
        self._use_aliases()
        self._merge_sums()

    def _turn_negative_sums(self) -> None:
        """−a − b = −(a + b): a sum of one term, −a, may stand among them, and in it there is no sum to be seen."""
        sums = (self.codes == SUM) & (self.counts > 1)
        negative = np.ones(len(self.codes), dtype=bool)
        negative[self.edge_nodes[self.edge_signs > 0]] = False
        nodes = np.flatnonzero(sums & negative)
        if not len(nodes):
            return
        twins = self.new(len(nodes), SUM)
        place = np.arange(len(self.codes))
        place[nodes] = twins
        inside = place[self.edge_nodes] != self.edge_nodes
        self.edge_nodes = place[self.edge_nodes]
        self.edge_signs = np.where(inside, 1, self.edge_signs).astype(np.int8)
        self.more.add(nodes, twins, -1)
        self.replaced[:] = False
        self._join_edges()

    def _drop_products_with_zero(self) -> None:
        """a + 0·b = a: the rim of a padded image. Products that something else reads stay what they are."""
        is_zero = (self.codes == CONSTANT) & (self.numbers == 0.0)
        zero = np.zeros(len(self.codes), dtype=bool)
        zero[self.edge_nodes[is_zero[self.edge_operands]]] = True
        zero &= self.codes == MUL
        zero[self.edge_operands[self.codes[self.edge_nodes] != SUM]] = False
        zero[self.roots] = False
        if zero.any():
            self.codes[zero] = CONSTANT
            self.numbers[zero] = 0.0
            self._keep_edges(~zero[self.edge_nodes])

    def _drop_zeros(self) -> None:
        """0 + x = x; a sum's constants are added up."""
        in_sum = self.codes[self.edge_nodes] == SUM
        fixed = in_sum & (self.codes[self.edge_operands] == CONSTANT)
        if not fixed.any():
            return
        totals = np.zeros(len(self.codes))
        np.add.at(totals, self.edge_nodes[fixed], self.edge_signs[fixed] * self.numbers[self.edge_operands[fixed]])
        owners = np.unique(self.edge_nodes[fixed])
        others = np.bincount(self.edge_nodes[in_sum & ~fixed], minlength=len(self.codes))[owners] > 0
        alone = owners[~others]  # nothing but constants: a constant
        self.codes[alone] = CONSTANT
        self.numbers[alone] = totals[alone]
        owners = owners[others & ((totals[owners] != 0.0) | self.shifted[owners])]
        self._keep_edges(~fixed)
        if len(owners):
            self.more.add(owners, self.constants(totals[owners]))
            self.replaced[:] = False
            self._join_edges()

    def _find_aliases(self) -> None:
        """A sum of one term is that term, with its sign."""
        single = np.flatnonzero((self.codes == SUM) & (self.counts == 1))
        self.alias[single] = self.edge_operands[self.starts[single]]
        self.alias_sign[single] = self.edge_signs[self.starts[single]]
        while True:
            further = self.alias[self.alias]
            if (further == self.alias).all():
                return
            self.alias_sign = self.alias_sign * self.alias_sign[self.alias]
            self.alias = further

    def _resolved(self, nodes: Integers) -> tuple[Integers, Integers]:
        return self.alias[nodes], self.alias_sign[nodes]

    def flattened(self) -> Canonical:
        """The graph after inner sums that are used once became part of the sums above them."""
        self._simplify()
        self._add_up_repeated()
        self._drop_zeros()
        self._find_aliases()
        self._use_aliases()
        self._merge_factors()
        origins = np.where(np.arange(len(self.codes)) < self.traced, np.arange(len(self.codes)), -1)
        return Canonical(
            self.codes, self.starts, self.edge_operands, self.edge_signs, self.numbers, origins, self.roots, self.leaves
        )

    def _use_aliases(self) -> None:
        targets, signs = self._resolved(self.edge_operands)
        is_sum = self.codes[self.edge_nodes] == SUM
        self.edge_operands = np.where(is_sum | (signs == 1), targets, self._negatives(self.edge_operands))
        self.edge_signs = np.where(is_sum, self.edge_signs * signs, self.edge_signs).astype(np.int8)
        targets, signs = self._resolved(self.roots)
        self.roots = np.where(signs == 1, targets, self._negatives(self.roots))
        self._forget_aliases()

    def _forget_aliases(self) -> None:
        """A node that only stood for another, and that nobody names any more, does not use that one."""
        named = np.zeros(len(self.codes), dtype=bool)
        named[self.edge_operands] = True
        named[self.roots] = True
        gone = (self.alias != np.arange(len(self.codes))) & ~named
        self._keep_edges(~gone[self.edge_nodes])

    def _negatives(self, nodes: Integers) -> Integers:
        """Of nodes that stand for −x, the one node −x that all share: the least of them."""
        negative = np.flatnonzero(self.alias_sign < 0)
        least = np.full(len(self.codes), len(self.codes), dtype=np.intp)
        np.minimum.at(least, self.alias[negative], negative)
        # that one must be a sum of one term, x itself
        shared = least[self.alias[nodes]]
        return np.where(self.alias_sign[nodes] < 0, shared, nodes)

    def _merge_sums(self) -> None:
        """Terms of a sum that is used once, by a sum, belong to that one."""
        uses = np.bincount(self.edge_operands, minlength=len(self.codes))
        np.add.at(uses, self.roots, 1)
        inner = (
            (self.codes[self.edge_nodes] == SUM)
            & (self.codes[self.edge_operands] == SUM)
            & (uses[self.edge_operands] == 1)
        )
        above = np.arange(len(self.codes))
        sign = np.ones(len(self.codes), dtype=np.int8)
        above[self.edge_operands[inner]] = self.edge_nodes[inner]
        sign[self.edge_operands[inner]] = self.edge_signs[inner]
        while True:
            further = above[above]
            if (further == above).all():
                break
            sign = sign * sign[above]
            above = further
        self.shifted[above[self.shifted]] = True
        nodes = np.where(self.codes[self.edge_nodes] == SUM, above[self.edge_nodes], self.edge_nodes)
        signs = np.where(nodes == self.edge_nodes, self.edge_signs, self.edge_signs * sign[self.edge_nodes])
        kept = ~inner
        self.edge_nodes, self.edge_operands, self.edge_signs = (
            nodes[kept],
            self.edge_operands[kept],
            signs[kept].astype(np.int8),
        )
        self.replaced[:] = False
        self._join_edges()


def _ends(above: Integers) -> Integers:
    """Where each chain of nodes ends, whose next ones these are."""
    while True:
        further = above[above]
        if (further == above).all():
            return above
        above = further


def _distinct_rows(owners: Integers, operands: Integers, count: int) -> tuple[Integers, Integers]:
    """Rows that hold the same nodes in the same order: the first of each kind, and for every row its kind."""
    hashes = row_hashes(owners, operands, count, ordered=True)
    _, firsts, which = np.unique(hashes, return_index=True, return_inverse=True)
    return firsts, which


def row_hashes(owners: Integers, entries: Integers, count: int, ordered: bool) -> NDArray[np.uint64]:
    """A 64-bit number for each row of entries; rows with the same entries have the same."""
    x = entries.astype(np.uint64)
    if ordered:
        starts = np.searchsorted(owners, np.arange(count))
        x = x * np.uint64(0x9E3779B97F4A7C15) + (np.arange(len(owners)) - starts[owners]).astype(np.uint64)
    x = scrambled(x)
    sums = np.zeros(count, dtype=np.uint64)
    np.add.at(sums, owners, x)
    return scrambled(sums + np.bincount(owners, minlength=count).astype(np.uint64))


def scrambled(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele et al. 2014): numbers that differ a little become very different."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
