"""The first half of the canonical form: operations that are written in several ways are written in one.

Each function is one rewriting of :mod:`~tinygrad_lite.lift.canonical.canonicalize`, which says what they are for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.canonical.rewriter import CONSTANT, SUM, Floats, Integers, Rewriter, follow
from tinygrad_lite.lift.ir.reductions import LOOKUP, MAXIMUM, MINIMUM
from tinygrad_lite.lift.ir.row_hashes import hash_rows
from tinygrad_lite.operations.ops import TABLE

MUL = TABLE["mul"].code
TRUEDIV = TABLE["truediv"].code
#: From so many operands on, chains of ``maximum`` are folded: shorter ones may well be of things that have little in
#: common.
_LEAST_FOLDED = 4
#: From so many exponents on, the powers of one number are an array with an array of exponents, each of them alike.
LEAST_EXPONENTS = 4


def fold_constants(rewriter: Rewriter) -> None:
    """Make an operation on constants the number that it gave when it was recorded."""
    rewriter.codes[(rewriter.counts == 0) & (rewriter.codes > CONSTANT)] = CONSTANT  # the sum of nothing
    slopes = rewriter.find("pow_by_base")  # that of x is 1, and that of 1 is 0
    if len(slopes):
        exponents = rewriter.get_constants(rewriter.get_operand(slopes, 1))
        in_series = _find_series(rewriter)[rewriter.get_operand(slopes, 0)]
        flat = slopes[((exponents == 1.0) & ~in_series) | (exponents == 0.0)]
        rewriter.numbers[flat] = rewriter.numbers[rewriter.get_operand(flat, 1)]
        rewriter.codes[flat] = CONSTANT
        rewriter.replaced[flat] = True
    inner = np.flatnonzero(rewriter.counts > 0)
    if not len(inner):
        return
    while True:
        constant = np.logical_and.reduceat(rewriter.codes[rewriter.edge_operands] == CONSTANT, rewriter.starts[inner])
        found = inner[constant & (rewriter.codes[inner] != CONSTANT)]
        if not len(found):
            break
        rewriter.codes[found] = CONSTANT
        rewriter.replaced[found] = True
    constants = np.flatnonzero(rewriter.codes == CONSTANT)  # equal ones are one from here on
    _, firsts, which = np.unique(rewriter.numbers[constants].view(np.int64), return_index=True, return_inverse=True)
    same = np.arange(len(rewriter.codes))
    same[constants] = constants[firsts[which]]
    rewriter.edge_operands = same[rewriter.edge_operands]
    rewriter.roots = same[rewriter.roots]


def fold_extremes(rewriter: Rewriter) -> None:
    """Make maximum(maximum(a, b), c) one maximum(a, b, c), of any number of operands; inner ones are used once."""
    uses = np.bincount(rewriter.edge_operands, minlength=len(rewriter.codes))
    np.add.at(uses, rewriter.roots, 1)
    for extreme in (MAXIMUM, MINIMUM):
        nodes = rewriter.find(extreme.name)
        if len(nodes) < _LEAST_FOLDED - 1:
            continue
        rows = np.concatenate([nodes, nodes])
        operands = np.concatenate([rewriter.get_operand(nodes, 0), rewriter.get_operand(nodes, 1)])
        inner = (rewriter.codes[operands] == TABLE[extreme.name].code) & (uses[operands] == 1)
        above = np.arange(len(rewriter.codes))
        above[operands[inner]] = rows[inner]
        follow(above)
        owners, members = above[rows[~inner]], operands[~inner]
        many = np.bincount(owners, minlength=len(rewriter.codes)) >= _LEAST_FOLDED
        folded = np.flatnonzero(many)
        rewriter.replaced[nodes[many[above[nodes]]]] = True
        rewriter.rewrite(folded, extreme.code)
        chosen = many[owners]
        rewriter.more.add(owners[chosen], members[chosen])


def expand_means(rewriter: Rewriter) -> None:
    """Rewrite mean(xs) as sum(xs) / n."""
    nodes = rewriter.find("mean")
    if len(nodes):
        owners, operands = rewriter.get_operands(nodes)
        sums = rewriter.add_nodes(len(nodes), SUM)
        rewriter.more.add(sums[owners], operands)
        rewriter.rewrite(nodes, TRUEDIV, sums, rewriter.add_constants(rewriter.counts[nodes].astype(float)))


def expand_dots(rewriter: Rewriter) -> None:
    """Rewrite dot(ws, xs, bias) as bias + Σ wᵢ·xᵢ, with a node for each product."""
    nodes = rewriter.find("dot")
    if not len(nodes):
        return
    pairs = (rewriter.counts[nodes] - 1) // 2
    owners = np.repeat(np.arange(len(nodes)), pairs)
    ends = np.cumsum(pairs)
    offsets = np.arange(int(ends[-1])) - np.repeat(ends - pairs, pairs)
    first = rewriter.starts[nodes][owners] + offsets
    products = rewriter.add_nodes(len(owners), MUL)
    rewriter.more.add(products, rewriter.edge_operands[first])
    rewriter.more.add(products, rewriter.edge_operands[first + pairs[owners]])
    bias = rewriter.edge_operands[rewriter.starts[nodes] + 2 * pairs]
    rewriter.rewrite(nodes, SUM)
    rewriter.more.add(nodes[owners], products)
    rewriter.more.add(nodes, bias)


def expand_softmaxes(rewriter: Rewriter) -> None:
    """Rewrite, with m the maximum of a row: softmaxᵢ = exp(xᵢ − m) / Σ exp(xₖ − m), logsumexp = m + log Σ exp(xₖ − m).

    xᵢ − m is 0 where both are the same, which makes a difference where they are infinite: a row of scores that are all
    -inf, as masks make them, has equal probabilities, and one that is inf has all of it.
    """
    softmaxes, others = rewriter.find("softmax"), rewriter.find("logsumexp")
    nodes = np.concatenate([softmaxes, others])
    if not len(nodes):
        return
    owners, operands = rewriter.get_operands(nodes)
    counts = rewriter.counts[nodes]
    is_index = np.zeros(len(owners), dtype=bool)
    is_index[(np.cumsum(counts) - 1)[: len(softmaxes)]] = True  # a softmax's last operand says which one it is
    owners, operands = owners[~is_index], operands[~is_index]
    counts = np.bincount(owners, minlength=len(nodes))
    firsts, which = _find_distinct_rows(owners, operands, len(nodes))
    starts = np.cumsum(counts) - counts
    # the elements of the distinct rows
    rows_counts = counts[firsts]
    row_of = np.repeat(np.arange(len(firsts)), rows_counts)
    row_starts = np.cumsum(rows_counts) - rows_counts
    elements = operands[np.repeat(starts[firsts], rows_counts) + np.arange(len(row_of)) - row_starts[row_of]]
    greatest = rewriter.add_nodes(len(firsts), MAXIMUM.code)
    rewriter.more.add(greatest[row_of], elements)
    shifted = rewriter.add_nodes(len(elements), SUM)
    rewriter.more.add(shifted, elements)
    rewriter.more.add(shifted, greatest[row_of], -1)
    below = rewriter.add_nodes(len(elements), TABLE["not_equal"].code)
    rewriter.more.add(below, elements)
    rewriter.more.add(below, greatest[row_of])
    finite = rewriter.add_nodes(len(elements), TABLE["where"].code)
    rewriter.more.add(finite, below)
    rewriter.more.add(finite, shifted)
    rewriter.more.add(finite, np.broadcast_to(rewriter.add_constants(np.zeros(1)), len(elements)))
    exponentials = rewriter.add_nodes(len(elements), TABLE["exp"].code)
    rewriter.more.add(exponentials, finite)
    totals = rewriter.add_nodes(len(firsts), SUM)
    rewriter.more.add(totals[row_of], exponentials)
    if len(softmaxes):
        _finish_softmaxes(rewriter, softmaxes, which[: len(softmaxes)], row_starts, rows_counts, exponentials, totals)
    if len(others):
        rows = which[len(softmaxes) :]
        _recognise_softmaxes(rewriter, others, rows, row_of, elements, exponentials, totals)
        logarithms = rewriter.add_nodes(len(others), TABLE["log"].code)
        rewriter.more.add(logarithms, totals[rows])
        rewriter.rewrite(others, SUM, greatest[rows], logarithms)


def _finish_softmaxes(
    rewriter: Rewriter,
    nodes: Integers,
    rows: Integers,
    row_starts: Integers,
    row_counts: Integers,
    exponentials: Integers,
    totals: Integers,
) -> None:
    index = rewriter.edge_operands[rewriter.starts[nodes] + rewriter.counts[nodes] - 1]
    fixed = rewriter.codes[index] == CONSTANT
    place = np.where(fixed, rewriter.numbers[index], 0.0).astype(np.intp) % row_counts[rows]
    chosen = exponentials[row_starts[rows] + place]
    for node in np.flatnonzero(~fixed):  # the index is a Value: look it up
        row = rows[node]
        (found,) = rewriter.add_nodes(1, TABLE[LOOKUP].code)
        members = exponentials[row_starts[row] : row_starts[row] + row_counts[row]]
        operands = np.append(members, index[node])
        rewriter.more.add(np.full(len(operands), found), operands)
        chosen[node] = found
    rewriter.rewrite(nodes, TRUEDIV, chosen, totals[rows])


def _recognise_softmaxes(
    rewriter: Rewriter,
    nodes: Integers,
    rows: Integers,
    row_of: Integers,
    elements: Integers,
    exponentials: Integers,
    totals: Integers,
) -> None:
    """Take exp(xᵢ − logsumexp(x)) for the softmax, which is what a trace records for it."""
    row = np.full(len(rewriter.codes), -1, dtype=np.intp)
    row[nodes] = rows
    found = rewriter.find("exp")
    inner = rewriter.get_operand(found, 0)
    difference = (rewriter.codes[inner] == TABLE["sub"].code) & (inner < rewriter.traced)
    found, inner = found[difference], inner[difference]
    x, total = rewriter.get_operand(inner, 0), rewriter.get_operand(inner, 1)
    known = row[total] >= 0
    found, x, of_row = found[known], x[known], row[total[known]]
    keys = row_of * len(rewriter.codes) + elements
    order = np.argsort(keys, kind="stable")
    wanted = of_row * len(rewriter.codes) + x
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    hit = keys[order][place] == wanted
    rewriter.rewrite(found[hit], TRUEDIV, exponentials[order[place[hit]]], totals[of_row[hit]])


def rewrite_powers(rewriter: Rewriter) -> None:
    """Rewrite x**2 as x·x, x**1 as x, and the derivative y·x^(y−1) for a fixed exponent y as that product.

    Where a number is raised to many powers, as in a polynomial, x**1 and x**2 stay: they look like their siblings.
    """
    series = _find_series(rewriter)
    nodes, exponents, alone = _find_powers(rewriter, "pow", series)
    _expand_squares(rewriter, nodes[alone & (exponents == 2.0)])
    ones = nodes[alone & (exponents == 1.0)]
    rewriter.replace_by(ones, rewriter.get_operand(ones, 0))
    nodes, exponents, alone = _find_powers(rewriter, "pow_by_base", series)
    twice = nodes[alone & (exponents == 2.0)]
    rewriter.rewrite(twice, MUL, rewriter.add_constants(np.full(len(twice), 2.0)), rewriter.get_operand(twice, 0))
    chosen = np.isfinite(exponents) & ~(alone & (exponents == 2.0))
    nodes, exponents, alone = nodes[chosen], exponents[chosen], alone[chosen]
    powers = rewriter.add_nodes(len(nodes), TABLE["pow"].code)
    square = alone & (exponents == 3.0)
    rewriter.codes[powers[square]] = MUL
    rewriter.more.add(powers, rewriter.get_operand(nodes, 0))
    rewriter.more.add(powers[square], rewriter.get_operand(nodes[square], 0))
    rewriter.more.add(powers[~square], rewriter.add_constants(exponents[~square] - 1.0))
    rewriter.rewrite(nodes, MUL, rewriter.add_constants(exponents), powers)


def _find_powers(
    rewriter: Rewriter, name: str, series: NDArray[np.bool_]
) -> tuple[Integers, Floats, NDArray[np.bool_]]:
    """Find powers or their slopes: the nodes, their exponents (nan if not fixed), and which are not of a series."""
    nodes = rewriter.find(name)
    if not len(nodes):
        return nodes, np.empty(0), np.empty(0, dtype=bool)
    return nodes, rewriter.get_constants(rewriter.get_operand(nodes, 1)), ~series[rewriter.get_operand(nodes, 0)]


def _find_series(rewriter: Rewriter) -> NDArray[np.bool_]:
    """Find the nodes that are raised to many fixed powers."""
    series = np.zeros(len(rewriter.codes), dtype=bool)
    nodes = rewriter.find("pow")
    if len(nodes) >= LEAST_EXPONENTS:
        exponents = rewriter.get_constants(rewriter.get_operand(nodes, 1))
        fixed = np.isfinite(exponents)
        bases, numbers = rewriter.get_operand(nodes[fixed], 0), exponents[fixed]
        order = np.lexsort((numbers, bases))
        bases, numbers = bases[order], numbers[order]
        new = np.append(True, (bases[1:] != bases[:-1]) | (numbers[1:] != numbers[:-1]))[: len(bases)]
        series = np.bincount(bases[new], minlength=len(series)) >= LEAST_EXPONENTS
    return series


def _expand_squares(rewriter: Rewriter, nodes: Integers) -> None:
    bases = rewriter.get_operand(nodes, 0)
    rewriter.rewrite(nodes, MUL, bases, bases)


def resolve_lookups(rewriter: Rewriter) -> None:
    """Rewrite lookup(table, 3) as the table's entry 3."""
    nodes = rewriter.find(LOOKUP)
    if len(nodes):
        sizes = rewriter.counts[nodes] - 1
        places = rewriter.get_constants(rewriter.edge_operands[rewriter.starts[nodes] + sizes])
        fixed = np.isfinite(places)
        nodes, places = nodes[fixed], places[fixed].astype(np.intp) % sizes[fixed]
        rewriter.replace_by(nodes, rewriter.edge_operands[rewriter.starts[nodes] + places])


def _find_distinct_rows(owners: Integers, operands: Integers, count: int) -> tuple[Integers, Integers]:
    """Find rows that hold the same nodes in the same order: the first of each kind, and for every row its kind."""
    hashes = hash_rows(owners, operands, count, ordered=True)
    _, firsts, which = np.unique(hashes, return_index=True, return_inverse=True)
    return firsts, which
