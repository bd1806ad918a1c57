"""The second half of the canonical form: sums of any number of signed terms, and what is no longer needed beside them.

Each function is one rewriting of :mod:`~tinygrad_lite.lift.canonical.canonicalize`, which says what they are for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.canonical.decompositions import MUL, TRUEDIV
from tinygrad_lite.lift.canonical.rewriter import CONSTANT, SUM, Integers, Rewriter, follow


def turn_into_sums(rewriter: Rewriter) -> None:
    """Rewrite a + b, a − b, −a, +a and sums of one term as sums of signed terms."""
    for name, signs in (("add", (1, 1)), ("sub", (1, -1)), ("neg", (-1,))):
        nodes = rewriter.find(name)
        rewriter.rewrite(nodes, SUM)
        for place, sign in enumerate(signs):
            rewriter.more.add(nodes, rewriter.get_operand(nodes, place), sign)
        if len(signs) == 2:
            rewriter.shifted[nodes] = rewriter.codes[rewriter.get_operand(nodes, 1)] == CONSTANT
    nodes = rewriter.find("pos")
    rewriter.replace_by(nodes, rewriter.get_operand(nodes, 0))


def count_repeated_products(rewriter: Rewriter) -> None:
    """Rewrite a·b + a·b as 2·(a·b), as the derivative of a square says it."""
    rewriter.join_edges()
    nodes = np.flatnonzero((rewriter.codes == MUL) & (rewriter.counts == 2))
    first, second = (rewriter.edge_operands[rewriter.starts[nodes] + place] for place in (0, 1))
    pairs = np.minimum(first, second) * len(rewriter.codes) + np.maximum(first, second)
    _, firsts, which = np.unique(pairs, return_index=True, return_inverse=True)
    same = np.arange(len(rewriter.codes))
    same[nodes] = nodes[firsts[which]]
    rewriter.edge_operands = same[rewriter.edge_operands]
    rewriter.roots = same[rewriter.roots]


def pull_signs_out_of_products(rewriter: Rewriter) -> None:
    """Rewrite (−a)·b as −(a·b), and (−a)/b as −(a/b): the sum above takes the sign."""
    rewriter.join_edges()
    _simplify(rewriter)
    _turn_negative_sums(rewriter)
    targets, signs = _Aliases(rewriter).of(rewriter.edge_operands)
    product = (rewriter.codes == MUL) | (rewriter.codes == TRUEDIV)
    sign = np.ones(len(rewriter.codes), dtype=np.int8)
    inside = product[rewriter.edge_nodes]
    np.multiply.at(sign, rewriter.edge_nodes[inside], signs[inside])
    # operands of products are the positive nodes; other operations keep their negatives as nodes
    is_sum = rewriter.codes[rewriter.edge_nodes] == SUM
    positive = inside | is_sum | (signs == 1)
    rewriter.edge_operands = np.where(positive, targets, rewriter.edge_operands)
    rewriter.edge_signs = np.where(is_sum, rewriter.edge_signs * signs, rewriter.edge_signs).astype(np.int8)
    negative = np.flatnonzero(sign < 0)
    if len(negative):  # the node becomes −twin, and the twin the product
        twins = rewriter.add_nodes(len(negative), 0)
        rewriter.codes[twins] = rewriter.codes[negative]
        place = np.arange(len(rewriter.codes))
        place[negative] = twins
        moved = sign[rewriter.edge_nodes] < 0
        rewriter.edge_nodes = np.where(moved, place[rewriter.edge_nodes], rewriter.edge_nodes)
        rewriter.codes[negative] = SUM
        rewriter.edge_nodes = np.concatenate([rewriter.edge_nodes, negative])
        rewriter.edge_operands = np.concatenate([rewriter.edge_operands, twins])
        rewriter.edge_signs = np.concatenate([rewriter.edge_signs, np.full(len(negative), -1, dtype=np.int8)])
    rewriter.replaced[:] = False
    rewriter.join_edges()


def flatten(rewriter: Rewriter) -> None:
    """Add inner sums that are used once to the sums above them, and give what is added twice a factor."""
    _simplify(rewriter)
    _add_up_repeated(rewriter)
    _drop_zeros(rewriter)
    _use_aliases(rewriter)
    _merge_factors(rewriter)


def _simplify(rewriter: Rewriter) -> None:
    _drop_products_with_zero(rewriter)
    _drop_zeros(rewriter)
    _use_aliases(rewriter)
    _merge_sums(rewriter)


def _turn_negative_sums(rewriter: Rewriter) -> None:
    """Rewrite −a − b as −(a + b): a sum of one term, −a, may stand among them, and in it there is no sum to be seen."""
    sums = (rewriter.codes == SUM) & (rewriter.counts > 1)
    negative = np.ones(len(rewriter.codes), dtype=bool)
    negative[rewriter.edge_nodes[rewriter.edge_signs > 0]] = False
    nodes = np.flatnonzero(sums & negative)
    if not len(nodes):
        return
    twins = rewriter.add_nodes(len(nodes), SUM)
    place = np.arange(len(rewriter.codes))
    place[nodes] = twins
    inside = place[rewriter.edge_nodes] != rewriter.edge_nodes
    rewriter.edge_nodes = place[rewriter.edge_nodes]
    rewriter.edge_signs = np.where(inside, 1, rewriter.edge_signs).astype(np.int8)
    rewriter.more.add(nodes, twins, -1)
    rewriter.replaced[:] = False
    rewriter.join_edges()


def _drop_products_with_zero(rewriter: Rewriter) -> None:
    """Rewrite a + 0·b as a: the rim of a padded image. Products that other operations read stay what they are."""
    zero = (rewriter.codes == CONSTANT) & (rewriter.numbers == 0.0)
    product = rewriter.codes == MUL
    inside = product[rewriter.edge_nodes]
    nodes, operands = rewriter.edge_nodes[inside], rewriter.edge_operands[inside]
    while len(found := nodes[zero[operands] & ~zero[nodes]]):  # c·(0·b) too
        zero[found] = True
    zero &= product
    readers = rewriter.edge_nodes
    zero[rewriter.edge_operands[(rewriter.codes[readers] != SUM) & ~zero[readers]]] = False
    zero[rewriter.roots] = False
    if zero.any():
        rewriter.codes[zero] = CONSTANT
        rewriter.numbers[zero] = 0.0
        rewriter.keep_edges(~zero[rewriter.edge_nodes])


def _drop_zeros(rewriter: Rewriter) -> None:
    """Rewrite 0 + x as x, and add up a sum's constants."""
    in_sum = rewriter.codes[rewriter.edge_nodes] == SUM
    fixed = in_sum & (rewriter.codes[rewriter.edge_operands] == CONSTANT)
    if not fixed.any():
        return
    totals = np.zeros(len(rewriter.codes))
    np.add.at(
        totals, rewriter.edge_nodes[fixed], rewriter.edge_signs[fixed] * rewriter.numbers[rewriter.edge_operands[fixed]]
    )
    owners = np.unique(rewriter.edge_nodes[fixed])
    others = np.bincount(rewriter.edge_nodes[in_sum & ~fixed], minlength=len(rewriter.codes))[owners] > 0
    alone = owners[~others]  # nothing but constants: a constant
    rewriter.codes[alone] = CONSTANT
    rewriter.numbers[alone] = totals[alone]
    owners = owners[others & ((totals[owners] != 0.0) | rewriter.shifted[owners])]
    rewriter.keep_edges(~fixed)
    if len(owners):
        rewriter.more.add(owners, rewriter.add_constants(totals[owners]))
        rewriter.replaced[:] = False
        rewriter.join_edges()


class _Aliases:
    """What each node stands for, and with which sign: a sum of one term is that term.

    They are found anew each time that they are asked for, as every rewriting of sums makes and ends some.
    """

    def __init__(self, rewriter: Rewriter) -> None:
        single = np.flatnonzero((rewriter.codes == SUM) & (rewriter.counts == 1))
        self._target = np.arange(len(rewriter.codes))
        self._sign = np.ones(len(rewriter.codes), dtype=np.int8)
        self._target[single] = rewriter.edge_operands[rewriter.starts[single]]
        self._sign[single] = rewriter.edge_signs[rewriter.starts[single]]
        follow(self._target, self._sign)

    def of(self, nodes: Integers) -> tuple[Integers, NDArray[np.int8]]:
        """Find what nodes stand for, and the signs."""
        return self._target[nodes], self._sign[nodes]

    def resolve_unsigned(self, nodes: Integers) -> Integers:
        """Find what nodes stand for; where that is −x, the one node −x that all share: the least of them."""
        negative = np.flatnonzero(self._sign < 0)
        least = np.full(len(self._target), len(self._target), dtype=np.intp)
        np.minimum.at(least, self._target[negative], negative)
        targets, signs = self.of(nodes)
        return np.where(signs < 0, least[targets], targets)

    def find_unnamed(self, rewriter: Rewriter) -> NDArray[np.bool_]:
        """Find the nodes that only stand for another, and that nobody names any more."""
        named = np.zeros(len(rewriter.codes), dtype=bool)
        named[rewriter.edge_operands] = True
        named[rewriter.roots] = True
        stands_for_another: NDArray[np.bool_] = self._target != np.arange(len(rewriter.codes))
        return stands_for_another & ~named


def _use_aliases(rewriter: Rewriter) -> None:
    """Let what reads a sum of one term read that term; sums take on the sign, other operations read the node −x."""
    aliases = _Aliases(rewriter)
    targets, signs = aliases.of(rewriter.edge_operands)
    is_sum = rewriter.codes[rewriter.edge_nodes] == SUM
    rewriter.edge_operands = np.where(is_sum, targets, aliases.resolve_unsigned(rewriter.edge_operands))
    rewriter.edge_signs = np.where(is_sum, rewriter.edge_signs * signs, rewriter.edge_signs).astype(np.int8)
    rewriter.roots = aliases.resolve_unsigned(rewriter.roots)
    rewriter.keep_edges(~aliases.find_unnamed(rewriter)[rewriter.edge_nodes])


def _merge_sums(rewriter: Rewriter) -> None:
    """Move the terms of a sum that is used once, by a sum, into that one."""
    uses = np.bincount(rewriter.edge_operands, minlength=len(rewriter.codes))
    np.add.at(uses, rewriter.roots, 1)
    inner = (
        (rewriter.codes[rewriter.edge_nodes] == SUM)
        & (rewriter.codes[rewriter.edge_operands] == SUM)
        & (uses[rewriter.edge_operands] == 1)
    )
    if not inner.any():
        return
    above = np.arange(len(rewriter.codes))
    sign = np.ones(len(rewriter.codes), dtype=np.int8)
    above[rewriter.edge_operands[inner]] = rewriter.edge_nodes[inner]
    sign[rewriter.edge_operands[inner]] = rewriter.edge_signs[inner]
    follow(above, sign)
    rewriter.shifted[above[rewriter.shifted]] = True
    nodes = np.where(rewriter.codes[rewriter.edge_nodes] == SUM, above[rewriter.edge_nodes], rewriter.edge_nodes)
    signs = np.where(nodes == rewriter.edge_nodes, rewriter.edge_signs, rewriter.edge_signs * sign[rewriter.edge_nodes])
    kept = ~inner
    rewriter.edge_nodes, rewriter.edge_operands, rewriter.edge_signs = (
        nodes[kept],
        rewriter.edge_operands[kept],
        signs[kept].astype(np.int8),
    )
    rewriter.replaced[:] = False
    rewriter.join_edges()


def _add_up_repeated(rewriter: Rewriter) -> None:
    """Make terms that are the same product one, with a factor."""
    inside = np.flatnonzero(
        (rewriter.codes[rewriter.edge_nodes] == SUM) & (rewriter.codes[rewriter.edge_operands] == MUL)
    )
    keys = (rewriter.edge_nodes[inside] * len(rewriter.codes) + rewriter.edge_operands[inside]) * 2
    keys += rewriter.edge_signs[inside] > 0
    _, firsts, counts = np.unique(keys, return_index=True, return_counts=True)
    repeated = counts > 1
    if not repeated.any():
        return
    edges = inside[firsts[repeated]]
    scaled = rewriter.add_nodes(len(edges), MUL)
    rewriter.more.add(scaled, rewriter.add_constants(counts[repeated].astype(float)))
    rewriter.more.add(scaled, rewriter.edge_operands[edges])
    kept = np.ones(len(rewriter.edge_nodes), dtype=bool)
    kept[inside] = False
    kept[inside[firsts]] = True
    rewriter.edge_operands = rewriter.edge_operands.copy()
    rewriter.edge_operands[edges] = scaled
    rewriter.edge_nodes, rewriter.edge_operands = rewriter.edge_nodes[kept], rewriter.edge_operands[kept]
    rewriter.edge_signs = rewriter.edge_signs[kept]
    rewriter.replaced[:] = False
    rewriter.join_edges()


def _merge_factors(rewriter: Rewriter) -> None:
    """Rewrite a·(b·x) as (a·b)·x for constants a and b, b·x used once: the mean of squares has 2/n, not 1/n · 2."""
    pairs = np.flatnonzero((rewriter.codes == MUL) & (rewriter.counts == 2))
    first, second = (rewriter.edge_operands[rewriter.starts[pairs] + place] for place in (0, 1))
    by_first = rewriter.codes[first] == CONSTANT
    scaled = by_first | (rewriter.codes[second] == CONSTANT)
    nodes = pairs[scaled]
    factors = rewriter.numbers[np.where(by_first, first, second)[scaled]]
    factor = np.ones(len(rewriter.codes))
    factor[nodes] = factors
    below = np.arange(len(rewriter.codes))
    below[nodes] = np.where(by_first, second, first)[scaled]
    uses = np.bincount(rewriter.edge_operands, minlength=len(rewriter.codes))
    np.add.at(uses, rewriter.roots, 1)
    ordinary = np.zeros(len(rewriter.codes), dtype=bool)
    ordinary[nodes] = (np.abs(factors) > 1e-100) & (np.abs(factors) < 1e100)
    merged = np.flatnonzero(ordinary & ordinary[below] & (uses[below] == 1) & (below != np.arange(len(below))))
    if not len(merged):
        return
    top = np.setdiff1d(merged, below[merged], assume_unique=False)
    deeper = np.zeros(len(rewriter.codes), dtype=bool)
    deeper[merged] = True
    total, end = factor[top].copy(), top.copy()
    while (further := deeper[end]).any():
        end = np.where(further, below[end], end)
        total = np.where(further, total * factor[end], total)
    rewriter.keep_edges(~np.isin(rewriter.edge_nodes, top))
    rewriter.rewrite(top, MUL, rewriter.add_constants(total), below[end])
    rewriter.replaced[:] = False
    rewriter.join_edges()
