"""The second half of the canonical form: sums of any number of signed terms, and what is no longer needed beside them.

Each function is one rewriting of :mod:`~tinygrad_lite.lift.canonical.canonical`, which says what they are for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.canonical.decompositions import MUL, TRUEDIV
from tinygrad_lite.lift.canonical.rewriter import CONSTANT, SUM, Draft, Integers, follow


def turn_into_sums(draft: Draft) -> None:
    """a + b, a − b, −a, +a and sums of one term as sums of signed terms."""
    for name, signs in (("add", (1, 1)), ("sub", (1, -1)), ("neg", (-1,))):
        nodes = draft.of(name)
        draft.rewrite(nodes, SUM)
        for place, sign in enumerate(signs):
            draft.more.add(nodes, draft.row(nodes, place), sign)
        if len(signs) == 2:
            draft.shifted[nodes] = draft.codes[draft.row(nodes, 1)] == CONSTANT
    nodes = draft.of("pos")
    draft.stand_for(nodes, draft.row(nodes, 0))


def count_repeated_products(draft: Draft) -> None:
    """a·b + a·b = 2·(a·b), as the derivative of a square says it."""
    draft.join_edges()
    nodes = np.flatnonzero((draft.codes == MUL) & (draft.counts == 2))
    first, second = (draft.edge_operands[draft.starts[nodes] + place] for place in (0, 1))
    pairs = np.minimum(first, second) * len(draft.codes) + np.maximum(first, second)
    _, firsts, which = np.unique(pairs, return_index=True, return_inverse=True)
    same = np.arange(len(draft.codes))
    same[nodes] = nodes[firsts[which]]
    draft.edge_operands = same[draft.edge_operands]
    draft.roots = same[draft.roots]


def pull_signs_out_of_products(draft: Draft) -> None:
    """(−a)·b = −(a·b), and (−a)/b = −(a/b): the sum above takes the sign."""
    draft.join_edges()
    _simplify(draft)
    _turn_negative_sums(draft)
    targets, signs = _Aliases(draft).of(draft.edge_operands)
    product = (draft.codes == MUL) | (draft.codes == TRUEDIV)
    sign = np.ones(len(draft.codes), dtype=np.int8)
    inside = product[draft.edge_nodes]
    np.multiply.at(sign, draft.edge_nodes[inside], signs[inside])
    # operands of products are the positive nodes; other operations keep their negatives as nodes
    is_sum = draft.codes[draft.edge_nodes] == SUM
    positive = inside | is_sum | (signs == 1)
    draft.edge_operands = np.where(positive, targets, draft.edge_operands)
    draft.edge_signs = np.where(is_sum, draft.edge_signs * signs, draft.edge_signs).astype(np.int8)
    negative = np.flatnonzero(sign < 0)
    if len(negative):  # the node becomes −twin, and the twin the product
        twins = draft.new(len(negative), 0)
        draft.codes[twins] = draft.codes[negative]
        place = np.arange(len(draft.codes))
        place[negative] = twins
        moved = sign[draft.edge_nodes] < 0
        draft.edge_nodes = np.where(moved, place[draft.edge_nodes], draft.edge_nodes)
        draft.codes[negative] = SUM
        draft.edge_nodes = np.concatenate([draft.edge_nodes, negative])
        draft.edge_operands = np.concatenate([draft.edge_operands, twins])
        draft.edge_signs = np.concatenate([draft.edge_signs, np.full(len(negative), -1, dtype=np.int8)])
    draft.replaced[:] = False
    draft.join_edges()


def flatten(draft: Draft) -> None:
    """Inner sums that are used once become part of the sums above them, and what is added twice has a factor."""
    _simplify(draft)
    _add_up_repeated(draft)
    _drop_zeros(draft)
    _use_aliases(draft)
    _merge_factors(draft)


def _simplify(draft: Draft) -> None:
    _drop_products_with_zero(draft)
    _drop_zeros(draft)
    _use_aliases(draft)
    _merge_sums(draft)


def _turn_negative_sums(draft: Draft) -> None:
    """−a − b = −(a + b): a sum of one term, −a, may stand among them, and in it there is no sum to be seen."""
    sums = (draft.codes == SUM) & (draft.counts > 1)
    negative = np.ones(len(draft.codes), dtype=bool)
    negative[draft.edge_nodes[draft.edge_signs > 0]] = False
    nodes = np.flatnonzero(sums & negative)
    if not len(nodes):
        return
    twins = draft.new(len(nodes), SUM)
    place = np.arange(len(draft.codes))
    place[nodes] = twins
    inside = place[draft.edge_nodes] != draft.edge_nodes
    draft.edge_nodes = place[draft.edge_nodes]
    draft.edge_signs = np.where(inside, 1, draft.edge_signs).astype(np.int8)
    draft.more.add(nodes, twins, -1)
    draft.replaced[:] = False
    draft.join_edges()


def _drop_products_with_zero(draft: Draft) -> None:
    """a + 0·b = a: the rim of a padded image. Products that other operations read stay what they are."""
    zero = (draft.codes == CONSTANT) & (draft.numbers == 0.0)
    product = draft.codes == MUL
    inside = product[draft.edge_nodes]
    nodes, operands = draft.edge_nodes[inside], draft.edge_operands[inside]
    while len(found := nodes[zero[operands] & ~zero[nodes]]):  # c·(0·b) too
        zero[found] = True
    zero &= product
    readers = draft.edge_nodes
    zero[draft.edge_operands[(draft.codes[readers] != SUM) & ~zero[readers]]] = False
    zero[draft.roots] = False
    if zero.any():
        draft.codes[zero] = CONSTANT
        draft.numbers[zero] = 0.0
        draft.keep_edges(~zero[draft.edge_nodes])


def _drop_zeros(draft: Draft) -> None:
    """0 + x = x; a sum's constants are added up."""
    in_sum = draft.codes[draft.edge_nodes] == SUM
    fixed = in_sum & (draft.codes[draft.edge_operands] == CONSTANT)
    if not fixed.any():
        return
    totals = np.zeros(len(draft.codes))
    np.add.at(totals, draft.edge_nodes[fixed], draft.edge_signs[fixed] * draft.numbers[draft.edge_operands[fixed]])
    owners = np.unique(draft.edge_nodes[fixed])
    others = np.bincount(draft.edge_nodes[in_sum & ~fixed], minlength=len(draft.codes))[owners] > 0
    alone = owners[~others]  # nothing but constants: a constant
    draft.codes[alone] = CONSTANT
    draft.numbers[alone] = totals[alone]
    owners = owners[others & ((totals[owners] != 0.0) | draft.shifted[owners])]
    draft.keep_edges(~fixed)
    if len(owners):
        draft.more.add(owners, draft.constants(totals[owners]))
        draft.replaced[:] = False
        draft.join_edges()


class _Aliases:
    """What each node stands for, and with which sign: a sum of one term is that term.

    They are found anew each time that they are asked for, as every rewriting of sums makes and ends some.
    """

    def __init__(self, draft: Draft) -> None:
        single = np.flatnonzero((draft.codes == SUM) & (draft.counts == 1))
        self._target = np.arange(len(draft.codes))
        self._sign = np.ones(len(draft.codes), dtype=np.int8)
        self._target[single] = draft.edge_operands[draft.starts[single]]
        self._sign[single] = draft.edge_signs[draft.starts[single]]
        follow(self._target, self._sign)

    def of(self, nodes: Integers) -> tuple[Integers, NDArray[np.int8]]:
        """What nodes stand for, and the signs."""
        return self._target[nodes], self._sign[nodes]

    def without_sign(self, nodes: Integers) -> Integers:
        """What nodes stand for; where that is −x, the one node −x that all share: the least of them."""
        negative = np.flatnonzero(self._sign < 0)
        least = np.full(len(self._target), len(self._target), dtype=np.intp)
        np.minimum.at(least, self._target[negative], negative)
        targets, signs = self.of(nodes)
        return np.where(signs < 0, least[targets], targets)

    def gone(self, draft: Draft) -> NDArray[np.bool_]:
        """The nodes that only stand for another, and that nobody names any more."""
        named = np.zeros(len(draft.codes), dtype=bool)
        named[draft.edge_operands] = True
        named[draft.roots] = True
        stands_for_another: NDArray[np.bool_] = self._target != np.arange(len(draft.codes))
        return stands_for_another & ~named


def _use_aliases(draft: Draft) -> None:
    """What reads a sum of one term reads that term; sums take on the sign, other operations read the node −x."""
    aliases = _Aliases(draft)
    targets, signs = aliases.of(draft.edge_operands)
    is_sum = draft.codes[draft.edge_nodes] == SUM
    draft.edge_operands = np.where(is_sum, targets, aliases.without_sign(draft.edge_operands))
    draft.edge_signs = np.where(is_sum, draft.edge_signs * signs, draft.edge_signs).astype(np.int8)
    draft.roots = aliases.without_sign(draft.roots)
    draft.keep_edges(~aliases.gone(draft)[draft.edge_nodes])


def _merge_sums(draft: Draft) -> None:
    """Terms of a sum that is used once, by a sum, belong to that one."""
    uses = np.bincount(draft.edge_operands, minlength=len(draft.codes))
    np.add.at(uses, draft.roots, 1)
    inner = (
        (draft.codes[draft.edge_nodes] == SUM)
        & (draft.codes[draft.edge_operands] == SUM)
        & (uses[draft.edge_operands] == 1)
    )
    if not inner.any():
        return
    above = np.arange(len(draft.codes))
    sign = np.ones(len(draft.codes), dtype=np.int8)
    above[draft.edge_operands[inner]] = draft.edge_nodes[inner]
    sign[draft.edge_operands[inner]] = draft.edge_signs[inner]
    follow(above, sign)
    draft.shifted[above[draft.shifted]] = True
    nodes = np.where(draft.codes[draft.edge_nodes] == SUM, above[draft.edge_nodes], draft.edge_nodes)
    signs = np.where(nodes == draft.edge_nodes, draft.edge_signs, draft.edge_signs * sign[draft.edge_nodes])
    kept = ~inner
    draft.edge_nodes, draft.edge_operands, draft.edge_signs = (
        nodes[kept],
        draft.edge_operands[kept],
        signs[kept].astype(np.int8),
    )
    draft.replaced[:] = False
    draft.join_edges()


def _add_up_repeated(draft: Draft) -> None:
    """Terms that are the same product become one, with a factor."""
    inside = np.flatnonzero((draft.codes[draft.edge_nodes] == SUM) & (draft.codes[draft.edge_operands] == MUL))
    keys = (draft.edge_nodes[inside] * len(draft.codes) + draft.edge_operands[inside]) * 2
    keys += draft.edge_signs[inside] > 0
    _, firsts, counts = np.unique(keys, return_index=True, return_counts=True)
    repeated = counts > 1
    if not repeated.any():
        return
    edges = inside[firsts[repeated]]
    scaled = draft.new(len(edges), MUL)
    draft.more.add(scaled, draft.constants(counts[repeated].astype(float)))
    draft.more.add(scaled, draft.edge_operands[edges])
    kept = np.ones(len(draft.edge_nodes), dtype=bool)
    kept[inside] = False
    kept[inside[firsts]] = True
    draft.edge_operands = draft.edge_operands.copy()
    draft.edge_operands[edges] = scaled
    draft.edge_nodes, draft.edge_operands = draft.edge_nodes[kept], draft.edge_operands[kept]
    draft.edge_signs = draft.edge_signs[kept]
    draft.replaced[:] = False
    draft.join_edges()


def _merge_factors(draft: Draft) -> None:
    """a·(b·x) = (a·b)·x for constants a and b, where b·x is used once: the mean of squares has 2/n, not 1/n · 2."""
    pairs = np.flatnonzero((draft.codes == MUL) & (draft.counts == 2))
    first, second = (draft.edge_operands[draft.starts[pairs] + place] for place in (0, 1))
    by_first = draft.codes[first] == CONSTANT
    scaled = by_first | (draft.codes[second] == CONSTANT)
    nodes = pairs[scaled]
    factors = draft.numbers[np.where(by_first, first, second)[scaled]]
    factor = np.ones(len(draft.codes))
    factor[nodes] = factors
    below = np.arange(len(draft.codes))
    below[nodes] = np.where(by_first, second, first)[scaled]
    uses = np.bincount(draft.edge_operands, minlength=len(draft.codes))
    np.add.at(uses, draft.roots, 1)
    ordinary = np.zeros(len(draft.codes), dtype=bool)
    ordinary[nodes] = (np.abs(factors) > 1e-100) & (np.abs(factors) < 1e100)
    merged = np.flatnonzero(ordinary & ordinary[below] & (uses[below] == 1) & (below != np.arange(len(below))))
    if not len(merged):
        return
    top = np.setdiff1d(merged, below[merged], assume_unique=False)
    deeper = np.zeros(len(draft.codes), dtype=bool)
    deeper[merged] = True
    total, end = factor[top].copy(), top.copy()
    while (further := deeper[end]).any():
        end = np.where(further, below[end], end)
        total = np.where(further, total * factor[end], total)
    draft.keep_edges(~np.isin(draft.edge_nodes, top))
    draft.rewrite(top, MUL, draft.constants(total), below[end])
    draft.replaced[:] = False
    draft.join_edges()
