"""Maxima that are folded one by one: each step as a fold of all numbers up to it.

``m = v[0]``, then ``m = maximum(m, x)`` or ``m = where(greater(x, m), x, m)`` for each further x, is a chain of as many
nodes as there are numbers, each of another depth, and its derivative is a second one, of products. Where nothing reads
the maxima on the way, :func:`~tinygrad_lite.lift.canonical.decompositions.fold_extremes` makes one fold of it. A
derivative does read
them: the derivative of a step asks which of the two was larger. So each maximum on the way becomes the maximum of all
numbers so far, and each product of slopes the product of all slopes from the end on: nodes of one depth, which are two
ragged folds, however many steps there are.

Why it is sound: the same numbers are compared as before, and ties share as they do step by step. The slopes are 0, 1/2
and 1, whose products do not round in any order. ``where`` keeps the maximum so far beside a number that is nan, so
that such a number counts as nothing there. Cost: half the square of the number of steps, for which there are limits.
What it does not find: ``where(greater(m, x), m, x)``, which begins anew after a nan.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.canonical.rewriter import Integers, Rewriter
from tinygrad_lite.lift.ir.reductions import MAXIMUM, MINIMUM, PROD
from tinygrad_lite.operations.ops import TABLE

Booleans = NDArray[np.bool_]

_MUL: Final = TABLE["mul"].code
_EQUAL: Final = TABLE["equal"].code
_WHERE: Final = TABLE["where"].code
#: Of so many numbers chains are unfolded: fewer take few statements as they are, more would take too much memory.
_LEAST: Final = 8
_MOST: Final = 256
#: So many operands all of them may have together.
_TOGETHER: Final = 2**21
#: What says that its first operand is larger than the second, and smaller.
_LARGER: Final = (TABLE["greater"].code, TABLE["greater_equal"].code)
_SMALLER: Final = (TABLE["less"].code, TABLE["less_equal"].code)


class _Chains:
    """Steps of chains: which node goes on from which.

    Attributes:
        nodes: The steps.
        before: For each node of the graph the step before it, or −1.
        added: What each step adds to the one before.
        first: What the first step of a chain begins with, beside what it adds.
        place: How many steps are before each one.
        start: The first step of each one's chain.
    """

    def __init__(self, nodes: Integers, before: Integers, added: Integers, first: Integers) -> None:
        self.nodes, self.before, self.added, self.first = nodes, before, added, first
        self.start = np.arange(len(before))
        self.start[nodes] = np.where(before[nodes] >= 0, before[nodes], nodes)
        self.place = (self.start != np.arange(len(before))).astype(np.intp)
        moving = nodes[self.place[nodes] > 0]
        while len(moving):  # by pointer jumping
            here = self.start[moving]
            steps, further = self.place[here], self.start[here]
            self.place[moving] += steps
            self.start[moving] = further
            moving = moving[further != here]

    def keep(self, kept: Booleans) -> None:
        """Leave out the chains with other starts."""
        self.nodes = self.nodes[kept[self.start[self.nodes]]]

    def measure_lengths(self, size: int) -> Integers:
        """Count the steps of each chain, by its start."""
        steps = np.zeros(size, dtype=np.intp)
        np.maximum.at(steps, self.start[self.nodes], self.place[self.nodes] + 1)
        return steps

    def unroll(self) -> tuple[Integers, Integers]:
        """List for each step all that was added so far, in order: the step, and what was added."""
        owners, members, places = [], [], []
        here, own = self.nodes, self.nodes
        while len(here):
            owners.append(own)
            members.append(self.added[here])
            places.append(self.place[here])
            goes_on = self.before[here] >= 0
            here, own = self.before[here[goes_on]], own[goes_on]
        if not owners:
            return self.nodes, self.nodes
        owner, member, place = map(np.concatenate, (owners, members, places))
        order = np.lexsort((place, owner))
        return owner[order], member[order]


def unfold_extremes(rewriter: Rewriter) -> None:
    """Unfold chains of maxima, or of minima, whose steps are read."""
    uses = np.bincount(rewriter.edge_operands, minlength=len(rewriter.codes))
    np.add.at(uses, rewriter.roots, 1)
    slopes = np.zeros(len(rewriter.codes), dtype=bool)
    for extreme, comparisons in ((MAXIMUM, _LARGER), (MINIMUM, _SMALLER)):
        for chains, is_choice in (
            (_find_extreme_chains(rewriter, extreme.name), False),
            (_find_choice_chains(rewriter, comparisons, _SMALLER if comparisons is _LARGER else _LARGER), True),
        ):
            _select(rewriter, chains, uses > (0 if is_choice else 1))
            if not len(chains.nodes):
                continue
            inner = chains.nodes[chains.before[chains.nodes] >= 0]
            if is_choice:
                slopes[_find_slopes_of_choices(rewriter, inner)] = True
            else:
                slopes[_find_slopes_of_extremes(rewriter, inner, chains.before[inner], extreme is MAXIMUM)] = True
            owners, members = chains.unroll()
            if is_choice:
                members = _replace_nan(rewriter, members, -np.inf if extreme is MAXIMUM else np.inf)
            rewriter.rewrite(chains.nodes, extreme.code)
            firsts = chains.first[chains.start[chains.nodes]]
            rewriter.more.add(chains.nodes, firsts)
            rewriter.more.add(owners, members)
    if slopes.any():
        _unfold_products(rewriter, slopes)


def _find_extreme_chains(rewriter: Rewriter, name: str) -> _Chains:
    nodes = rewriter.find(name)
    a, b = rewriter.get_operand(nodes, 0), rewriter.get_operand(nodes, 1)
    known = np.zeros(len(rewriter.codes), dtype=bool)
    known[nodes] = True
    swapped = known[b] & ~known[a]
    is_step = known[a] != known[b]
    return _make_chains(rewriter, nodes, np.where(swapped, b, a), np.where(swapped, a, b), is_step)


def _find_choice_chains(rewriter: Rewriter, larger: tuple[int, ...], smaller: tuple[int, ...]) -> _Chains:
    """Find chains of where(greater(x, m), x, m), or of where(less(m, x), x, m)."""
    nodes = rewriter.find("where")
    condition, x, m = (rewriter.get_operand(nodes, place) for place in range(3))
    chosen = np.zeros(len(nodes), dtype=bool)
    for codes, first, second in ((larger, x, m), (smaller, m, x)):
        for code in codes:
            places = np.flatnonzero(rewriter.codes[condition] == code)
            found = condition[places]
            same = (rewriter.get_operand(found, 0) == first[places]) & (
                rewriter.get_operand(found, 1) == second[places]
            )
            chosen[places[same]] = True
    nodes, x, m = nodes[chosen], x[chosen], m[chosen]
    known = np.zeros(len(rewriter.codes), dtype=bool)
    known[nodes] = True
    return _make_chains(rewriter, nodes, m, x, known[m])


def _make_chains(rewriter: Rewriter, nodes: Integers, kept: Integers, added: Integers, is_step: Booleans) -> _Chains:
    before, more, first = (np.full(len(rewriter.codes), -1, dtype=np.intp) for _ in range(3))
    before[nodes[is_step]] = kept[is_step]
    more[nodes], first[nodes] = added, kept
    return _Chains(nodes, before, more, first)


def _select(rewriter: Rewriter, chains: _Chains, is_read: Booleans) -> None:
    """Keep those of a length that pays, whose inner steps are read."""
    steps = chains.measure_lengths(len(rewriter.codes))
    read = np.zeros(len(rewriter.codes), dtype=bool)
    inner = chains.before[chains.nodes[chains.before[chains.nodes] >= 0]]
    read[chains.start[inner[is_read[inner]]]] = True
    chains.keep(read & (steps + 1 >= _LEAST) & (steps + 1 <= _MOST))
    if (chains.place[chains.nodes] + 2).sum() > _TOGETHER:
        chains.keep(np.zeros(len(rewriter.codes), dtype=bool))


def _replace_nan(rewriter: Rewriter, members: Integers, instead: float) -> Integers:
    """Put what is never chosen in the place of a nan."""
    distinct, which = np.unique(members, return_inverse=True)
    is_number = rewriter.add_nodes(len(distinct), _EQUAL)
    rewriter.more.add(is_number, distinct)
    rewriter.more.add(is_number, distinct)
    cleaned = rewriter.add_nodes(len(distinct), _WHERE)
    rewriter.more.add(cleaned, is_number)
    rewriter.more.add(cleaned, distinct)
    rewriter.more.add(cleaned, np.repeat(rewriter.add_constants(np.array([instead])), len(distinct)))
    return cleaned[which]


def _find_slopes_of_extremes(rewriter: Rewriter, nodes: Integers, before: Integers, is_maximum: bool) -> Integers:
    """Find the derivatives of steps by the ones before: [x > y] + 1/2 [x = y]."""
    sums = rewriter.find("add")
    left, right = rewriter.get_operand(sums, 0), rewriter.get_operand(sums, 1)
    greater, less = TABLE["greater"].code, TABLE["less"].code
    likely = ((rewriter.codes[left] == greater) | (rewriter.codes[left] == less)) & (rewriter.codes[right] == _MUL)
    sums, left, right = sums[likely], left[likely], right[likely]
    half, tie = rewriter.get_operand(right, 0), rewriter.get_operand(right, 1)
    likely = (rewriter.get_constants(half) == 0.5) & (rewriter.codes[tie] == _EQUAL)
    sums, left, tie = sums[likely], left[likely], tie[likely]
    pairs = rewriter.get_operand(left, 0) * len(rewriter.codes) + rewriter.get_operand(left, 1)
    likely = pairs == rewriter.get_operand(tie, 0) * len(rewriter.codes) + rewriter.get_operand(tie, 1)
    by_first = (rewriter.codes[left] == greater) == is_maximum
    known = rewriter.get_operand(nodes, 0) * len(rewriter.codes) + rewriter.get_operand(nodes, 1)
    of_first = rewriter.get_operand(nodes, 0) == before
    wanted = np.where(by_first, pairs, -pairs - 1)
    found: Integers = sums[likely & np.isin(wanted, np.where(of_first, known, -known - 1))]
    return found


def _find_slopes_of_choices(rewriter: Rewriter, nodes: Integers) -> Integers:
    """Find the derivatives of choices by their second alternatives: [condition = 0]."""
    equal = rewriter.find("equal")
    is_zero = rewriter.get_constants(rewriter.get_operand(equal, 1)) == 0.0
    found: Integers = equal[is_zero & np.isin(rewriter.get_operand(equal, 0), rewriter.get_operand(nodes, 0))]
    return found


def _unfold_products(rewriter: Rewriter, slopes: Booleans) -> None:
    """Rewrite a·s₁, a·s₁·s₂ ... as products of a with all slopes up to each."""
    slopes = np.append(slopes, np.zeros(len(rewriter.codes) - len(slopes), dtype=bool))
    nodes = rewriter.find("mul")
    a, b = rewriter.get_operand(nodes, 0), rewriter.get_operand(nodes, 1)
    kept, added = np.where(slopes[b], a, b), np.where(slopes[b], b, a)
    chosen = slopes[added]
    nodes, kept, added = nodes[chosen], kept[chosen], added[chosen]
    known = np.zeros(len(rewriter.codes), dtype=bool)
    known[nodes] = True
    chains = _make_chains(rewriter, nodes, kept, added, known[kept])
    steps = chains.measure_lengths(len(rewriter.codes))
    chains.keep((steps + 2 >= _LEAST) & (steps <= _MOST))
    if not len(chains.nodes):
        return
    owners, members = chains.unroll()
    products = rewriter.add_nodes(len(chains.nodes), PROD.code)
    place = np.searchsorted(chains.nodes, owners)
    rewriter.more.add(products[place], members)
    rewriter.rewrite(chains.nodes, _MUL, chains.first[chains.start[chains.nodes]], products)
