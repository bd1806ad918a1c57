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

from tinygrad_lite.lift.canonical.rewriter import Draft, Integers
from tinygrad_lite.lift.ir.reductions import MAXIMUM, MINIMUM, PROD
from tinygrad_lite.operations.ops import TABLE

Booleans = NDArray[np.bool_]

_MUL: Final = TABLE["mul"].code
_EQUAL: Final = TABLE["equal"].code
_WHERE: Final = TABLE["where"].code
#: Of so many numbers chains are unfolded: fewer take few statements as they are, more would take too much memory.
_LEAST: Final = 10
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
        """Leaves out the chains with other starts."""
        self.nodes = self.nodes[kept[self.start[self.nodes]]]

    def longest(self, size: int) -> Integers:
        """By the start of each chain, how many steps it has."""
        steps = np.zeros(size, dtype=np.intp)
        np.maximum.at(steps, self.start[self.nodes], self.place[self.nodes] + 1)
        return steps

    def rows(self) -> tuple[Integers, Integers]:
        """For each step all that was added so far, in order: the step, and what was added."""
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


def unfold_extremes(draft: Draft) -> None:
    """Chains of maxima, or of minima, whose steps are read."""
    uses = np.bincount(draft.edge_operands, minlength=len(draft.codes))
    np.add.at(uses, draft.roots, 1)
    slopes = np.zeros(len(draft.codes), dtype=bool)
    for extreme, comparisons in ((MAXIMUM, _LARGER), (MINIMUM, _SMALLER)):
        for chains, is_choice in (
            (_of_extremes(draft, extreme.name), False),
            (_of_choices(draft, comparisons, _SMALLER if comparisons is _LARGER else _LARGER), True),
        ):
            _choose(draft, chains, uses > (0 if is_choice else 1))
            if not len(chains.nodes):
                continue
            inner = chains.nodes[chains.before[chains.nodes] >= 0]
            if is_choice:
                slopes[_slopes_of_choices(draft, inner)] = True
            else:
                slopes[_slopes_of_extremes(draft, inner, chains.before[inner], extreme is MAXIMUM)] = True
            owners, members = chains.rows()
            if is_choice:
                members = _without_nan(draft, members, -np.inf if extreme is MAXIMUM else np.inf)
            draft.rewrite(chains.nodes, extreme.code)
            firsts = chains.first[chains.start[chains.nodes]]
            draft.more.add(chains.nodes, firsts)
            draft.more.add(owners, members)
    if slopes.any():
        _unfold_products(draft, slopes)


def _of_extremes(draft: Draft, name: str) -> _Chains:
    nodes = draft.of(name)
    a, b = draft.row(nodes, 0), draft.row(nodes, 1)
    known = np.zeros(len(draft.codes), dtype=bool)
    known[nodes] = True
    swapped = known[b] & ~known[a]
    is_step = known[a] != known[b]
    return _chains(draft, nodes, np.where(swapped, b, a), np.where(swapped, a, b), is_step)


def _of_choices(draft: Draft, larger: tuple[int, ...], smaller: tuple[int, ...]) -> _Chains:
    """where(greater(x, m), x, m), where(less(m, x), x, m)."""
    nodes = draft.of("where")
    condition, x, m = (draft.row(nodes, place) for place in range(3))
    chosen = np.zeros(len(nodes), dtype=bool)
    for codes, first, second in ((larger, x, m), (smaller, m, x)):
        for code in codes:
            places = np.flatnonzero(draft.codes[condition] == code)
            found = condition[places]
            same = (draft.row(found, 0) == first[places]) & (draft.row(found, 1) == second[places])
            chosen[places[same]] = True
    nodes, x, m = nodes[chosen], x[chosen], m[chosen]
    known = np.zeros(len(draft.codes), dtype=bool)
    known[nodes] = True
    return _chains(draft, nodes, m, x, known[m])


def _chains(draft: Draft, nodes: Integers, kept: Integers, added: Integers, is_step: Booleans) -> _Chains:
    before, more, first = (np.full(len(draft.codes), -1, dtype=np.intp) for _ in range(3))
    before[nodes[is_step]] = kept[is_step]
    more[nodes], first[nodes] = added, kept
    return _Chains(nodes, before, more, first)


def _choose(draft: Draft, chains: _Chains, is_read: Booleans) -> None:
    """Keeps those of a length that pays, whose inner steps are read."""
    steps = chains.longest(len(draft.codes))
    read = np.zeros(len(draft.codes), dtype=bool)
    inner = chains.before[chains.nodes[chains.before[chains.nodes] >= 0]]
    read[chains.start[inner[is_read[inner]]]] = True
    chains.keep(read & (steps + 1 >= _LEAST) & (steps + 1 <= _MOST))
    if (chains.place[chains.nodes] + 2).sum() > _TOGETHER:
        chains.keep(np.zeros(len(draft.codes), dtype=bool))


def _without_nan(draft: Draft, members: Integers, instead: float) -> Integers:
    """x, and beside a nan what is never chosen."""
    distinct, which = np.unique(members, return_inverse=True)
    is_number = draft.new(len(distinct), _EQUAL)
    draft.more.add(is_number, distinct)
    draft.more.add(is_number, distinct)
    cleaned = draft.new(len(distinct), _WHERE)
    draft.more.add(cleaned, is_number)
    draft.more.add(cleaned, distinct)
    draft.more.add(cleaned, np.repeat(draft.constants(np.array([instead])), len(distinct)))
    return cleaned[which]


def _slopes_of_extremes(draft: Draft, nodes: Integers, before: Integers, is_maximum: bool) -> Integers:
    """[x > y] + 1/2 [x = y], the derivative of a step by the one before."""
    sums = draft.of("add")
    left, right = draft.row(sums, 0), draft.row(sums, 1)
    greater, less = TABLE["greater"].code, TABLE["less"].code
    likely = ((draft.codes[left] == greater) | (draft.codes[left] == less)) & (draft.codes[right] == _MUL)
    sums, left, right = sums[likely], left[likely], right[likely]
    half, tie = draft.row(right, 0), draft.row(right, 1)
    likely = (draft.fixed(half) == 0.5) & (draft.codes[tie] == _EQUAL)
    sums, left, tie = sums[likely], left[likely], tie[likely]
    pairs = draft.row(left, 0) * len(draft.codes) + draft.row(left, 1)
    likely = pairs == draft.row(tie, 0) * len(draft.codes) + draft.row(tie, 1)
    by_first = (draft.codes[left] == greater) == is_maximum
    known = draft.row(nodes, 0) * len(draft.codes) + draft.row(nodes, 1)
    of_first = draft.row(nodes, 0) == before
    wanted = np.where(by_first, pairs, -pairs - 1)
    found: Integers = sums[likely & np.isin(wanted, np.where(of_first, known, -known - 1))]
    return found


def _slopes_of_choices(draft: Draft, nodes: Integers) -> Integers:
    """[condition = 0], the derivative of a choice by its second alternative."""
    equal = draft.of("equal")
    is_zero = draft.fixed(draft.row(equal, 1)) == 0.0
    found: Integers = equal[is_zero & np.isin(draft.row(equal, 0), draft.row(nodes, 0))]
    return found


def _unfold_products(draft: Draft, slopes: Booleans) -> None:
    """a·s₁, a·s₁·s₂ ... as products of a with all slopes up to each."""
    slopes = np.append(slopes, np.zeros(len(draft.codes) - len(slopes), dtype=bool))
    nodes = draft.of("mul")
    a, b = draft.row(nodes, 0), draft.row(nodes, 1)
    kept, added = np.where(slopes[b], a, b), np.where(slopes[b], b, a)
    chosen = slopes[added]
    nodes, kept, added = nodes[chosen], kept[chosen], added[chosen]
    known = np.zeros(len(draft.codes), dtype=bool)
    known[nodes] = True
    chains = _chains(draft, nodes, kept, added, known[kept])
    steps = chains.longest(len(draft.codes))
    chains.keep((steps + 2 >= _LEAST) & (steps <= _MOST))
    if not len(chains.nodes):
        return
    owners, members = chains.rows()
    products = draft.new(len(chains.nodes), PROD.code)
    place = np.searchsorted(chains.nodes, owners)
    draft.more.add(products[place], members)
    draft.rewrite(chains.nodes, _MUL, chains.first[chains.start[chains.nodes]], products)
