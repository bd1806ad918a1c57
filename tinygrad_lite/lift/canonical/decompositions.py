"""The first half of the canonical form: operations that are written in several ways are written in one.

Each function is one rewriting of :mod:`~tinygrad_lite.lift.canonical.canonical`, which says what they are for.
"""

from __future__ import annotations

import numpy as np

from tinygrad_lite.lift.canonical.rewriter import CONSTANT, SUM, Draft, Integers, follow
from tinygrad_lite.lift.ir.reductions import LOOKUP, MAXIMUM, MINIMUM
from tinygrad_lite.lift.ir.row_hashes import row_hashes
from tinygrad_lite.operations.ops import TABLE

MUL = TABLE["mul"].code
TRUEDIV = TABLE["truediv"].code
#: From so many operands on, chains of ``maximum`` are folded: shorter ones may well be of things that have little in
#: common.
_LEAST_FOLDED = 4


def fold_constants(draft: Draft) -> None:
    """An operation on constants is the number that it gave when it was recorded."""
    draft.codes[(draft.counts == 0) & (draft.codes > CONSTANT)] = CONSTANT  # the sum of nothing
    slopes = draft.of("pow_by_base")  # that of x is 1, and that of 1 is 0
    if len(slopes):
        exponents = draft.fixed(draft.row(slopes, 1))
        flat = slopes[(exponents == 1.0) | (exponents == 0.0)]
        draft.numbers[flat] = draft.numbers[draft.row(flat, 1)]
        draft.codes[flat] = CONSTANT
        draft.replaced[flat] = True
    inner = np.flatnonzero(draft.counts > 0)
    if not len(inner):
        return
    while True:
        constant = np.logical_and.reduceat(draft.codes[draft.edge_operands] == CONSTANT, draft.starts[inner])
        found = inner[constant & (draft.codes[inner] != CONSTANT)]
        if not len(found):
            break
        draft.codes[found] = CONSTANT
        draft.replaced[found] = True
    constants = np.flatnonzero(draft.codes == CONSTANT)  # equal ones are one from here on
    _, firsts, which = np.unique(draft.numbers[constants].view(np.int64), return_index=True, return_inverse=True)
    same = np.arange(len(draft.codes))
    same[constants] = constants[firsts[which]]
    draft.edge_operands = same[draft.edge_operands]
    draft.roots = same[draft.roots]


def fold_extremes(draft: Draft) -> None:
    """maximum(maximum(a, b), c) = maximum(a, b, c), of any number of operands; inner ones are used once."""
    uses = np.bincount(draft.edge_operands, minlength=len(draft.codes))
    np.add.at(uses, draft.roots, 1)
    for extreme in (MAXIMUM, MINIMUM):
        nodes = draft.of(extreme.name)
        if len(nodes) < _LEAST_FOLDED - 1:
            continue
        rows = np.concatenate([nodes, nodes])
        operands = np.concatenate([draft.row(nodes, 0), draft.row(nodes, 1)])
        inner = (draft.codes[operands] == TABLE[extreme.name].code) & (uses[operands] == 1)
        above = np.arange(len(draft.codes))
        above[operands[inner]] = rows[inner]
        follow(above)
        owners, members = above[rows[~inner]], operands[~inner]
        many = np.bincount(owners, minlength=len(draft.codes)) >= _LEAST_FOLDED
        folded = np.flatnonzero(many)
        draft.replaced[nodes[many[above[nodes]]]] = True
        draft.rewrite(folded, extreme.code)
        chosen = many[owners]
        draft.more.add(owners[chosen], members[chosen])


def expand_means(draft: Draft) -> None:
    """mean(xs) = sum(xs) / n."""
    nodes = draft.of("mean")
    if len(nodes):
        owners, operands = draft.rows(nodes)
        sums = draft.new(len(nodes), SUM)
        draft.more.add(sums[owners], operands)
        draft.rewrite(nodes, TRUEDIV, sums, draft.constants(draft.counts[nodes].astype(float)))


def expand_dots(draft: Draft) -> None:
    """dot(ws, xs, bias) = bias + Σ wᵢ·xᵢ, with a node for each product."""
    nodes = draft.of("dot")
    if not len(nodes):
        return
    pairs = (draft.counts[nodes] - 1) // 2
    owners = np.repeat(np.arange(len(nodes)), pairs)
    ends = np.cumsum(pairs)
    offsets = np.arange(int(ends[-1])) - np.repeat(ends - pairs, pairs)
    first = draft.starts[nodes][owners] + offsets
    products = draft.new(len(owners), MUL)
    draft.more.add(products, draft.edge_operands[first])
    draft.more.add(products, draft.edge_operands[first + pairs[owners]])
    bias = draft.edge_operands[draft.starts[nodes] + 2 * pairs]
    draft.rewrite(nodes, SUM)
    draft.more.add(nodes[owners], products)
    draft.more.add(nodes, bias)


def expand_softmaxes(draft: Draft) -> None:
    """With m the maximum of a row: softmaxᵢ = exp(xᵢ − m) / Σ exp(xₖ − m), logsumexp = m + log Σ exp(xₖ − m).

    xᵢ − m is 0 where both are the same, which makes a difference where they are infinite: a row of scores that are all
    -inf, as masks make them, has equal probabilities, and one that is inf has all of it.
    """
    softmaxes, others = draft.of("softmax"), draft.of("logsumexp")
    nodes = np.concatenate([softmaxes, others])
    if not len(nodes):
        return
    owners, operands = draft.rows(nodes)
    counts = draft.counts[nodes]
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
    greatest = draft.new(len(firsts), MAXIMUM.code)
    draft.more.add(greatest[row_of], elements)
    shifted = draft.new(len(elements), SUM)
    draft.more.add(shifted, elements)
    draft.more.add(shifted, greatest[row_of], -1)
    below = draft.new(len(elements), TABLE["not_equal"].code)
    draft.more.add(below, elements)
    draft.more.add(below, greatest[row_of])
    finite = draft.new(len(elements), TABLE["where"].code)
    draft.more.add(finite, below)
    draft.more.add(finite, shifted)
    draft.more.add(finite, np.broadcast_to(draft.constants(np.zeros(1)), len(elements)))
    exponentials = draft.new(len(elements), TABLE["exp"].code)
    draft.more.add(exponentials, finite)
    totals = draft.new(len(firsts), SUM)
    draft.more.add(totals[row_of], exponentials)
    if len(softmaxes):
        _finish_softmaxes(draft, softmaxes, which[: len(softmaxes)], row_starts, rows_counts, exponentials, totals)
    if len(others):
        rows = which[len(softmaxes) :]
        _recognise_softmaxes(draft, others, rows, row_of, elements, exponentials, totals)
        logarithms = draft.new(len(others), TABLE["log"].code)
        draft.more.add(logarithms, totals[rows])
        draft.rewrite(others, SUM, greatest[rows], logarithms)


def _finish_softmaxes(
    draft: Draft,
    nodes: Integers,
    rows: Integers,
    row_starts: Integers,
    row_counts: Integers,
    exponentials: Integers,
    totals: Integers,
) -> None:
    index = draft.edge_operands[draft.starts[nodes] + draft.counts[nodes] - 1]
    fixed = draft.codes[index] == CONSTANT
    place = np.where(fixed, draft.numbers[index], 0.0).astype(np.intp) % row_counts[rows]
    chosen = exponentials[row_starts[rows] + place]
    for node in np.flatnonzero(~fixed):  # the index is a Value: look it up
        row = rows[node]
        (found,) = draft.new(1, TABLE[LOOKUP].code)
        members = exponentials[row_starts[row] : row_starts[row] + row_counts[row]]
        operands = np.append(members, index[node])
        draft.more.add(np.full(len(operands), found), operands)
        chosen[node] = found
    draft.rewrite(nodes, TRUEDIV, chosen, totals[rows])


def _recognise_softmaxes(
    draft: Draft,
    nodes: Integers,
    rows: Integers,
    row_of: Integers,
    elements: Integers,
    exponentials: Integers,
    totals: Integers,
) -> None:
    """exp(xᵢ − logsumexp(x)) is the softmax too, and is what a trace records for it."""
    row = np.full(len(draft.codes), -1, dtype=np.intp)
    row[nodes] = rows
    found = draft.of("exp")
    inner = draft.row(found, 0)
    difference = (draft.codes[inner] == TABLE["sub"].code) & (inner < draft.traced)
    found, inner = found[difference], inner[difference]
    x, total = draft.row(inner, 0), draft.row(inner, 1)
    known = row[total] >= 0
    found, x, of_row = found[known], x[known], row[total[known]]
    keys = row_of * len(draft.codes) + elements
    order = np.argsort(keys, kind="stable")
    wanted = of_row * len(draft.codes) + x
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    hit = keys[order][place] == wanted
    draft.rewrite(found[hit], TRUEDIV, exponentials[order[place[hit]]], totals[of_row[hit]])


def rewrite_powers(draft: Draft) -> None:
    """x**2 = x·x and x**1 = x; the derivative y·x^(y−1) for a fixed exponent y as that product."""
    nodes = draft.of("pow")
    exponents = draft.fixed(draft.row(nodes, 1)) if len(nodes) else np.empty(0)
    _square(draft, nodes[exponents == 2.0])
    ones = nodes[exponents == 1.0]
    draft.stand_for(ones, draft.row(ones, 0))
    nodes = draft.of("pow_by_base")
    exponents = draft.fixed(draft.row(nodes, 1)) if len(nodes) else np.empty(0)
    twice = nodes[exponents == 2.0]
    draft.rewrite(twice, MUL, draft.constants(np.full(len(twice), 2.0)), draft.row(twice, 0))
    chosen = np.isfinite(exponents) & (exponents != 2.0)
    nodes, exponents = nodes[chosen], exponents[chosen]
    powers = draft.new(len(nodes), TABLE["pow"].code)
    square = exponents == 3.0
    draft.codes[powers[square]] = MUL
    draft.more.add(powers, draft.row(nodes, 0))
    draft.more.add(powers[square], draft.row(nodes[square], 0))
    draft.more.add(powers[~square], draft.constants(exponents[~square] - 1.0))
    draft.rewrite(nodes, MUL, draft.constants(exponents), powers)


def _square(draft: Draft, nodes: Integers) -> None:
    bases = draft.row(nodes, 0)
    draft.rewrite(nodes, MUL, bases, bases)


def resolve_lookups(draft: Draft) -> None:
    """lookup(table, 3) is the table's entry 3."""
    nodes = draft.of(LOOKUP)
    if len(nodes):
        sizes = draft.counts[nodes] - 1
        places = draft.fixed(draft.edge_operands[draft.starts[nodes] + sizes])
        fixed = np.isfinite(places)
        nodes, places = nodes[fixed], places[fixed].astype(np.intp) % sizes[fixed]
        draft.stand_for(nodes, draft.edge_operands[draft.starts[nodes] + places])


def _distinct_rows(owners: Integers, operands: Integers, count: int) -> tuple[Integers, Integers]:
    """Rows that hold the same nodes in the same order: the first of each kind, and for every row its kind."""
    hashes = row_hashes(owners, operands, count, ordered=True)
    _, firsts, which = np.unique(hashes, return_index=True, return_inverse=True)
    return firsts, which
