"""The second pass: one way to write each thing, so that code in any style gives the same graph.

What it turns into what:

- Chains of ``+``, ``-``, ``sum``, ``mean``, unary minus and the addition inside ``dot`` become one sum of any number
  of terms, each with a sign, where the inner ones are used nowhere else. A ``dot`` falls apart into its products and
  such a sum. Chains of ``maximum`` or ``minimum`` become one of all their operands; where the steps of a long chain are
  read, as its derivative reads them, each step becomes one of all operands so far.
- ``softmax`` and ``logsumexp`` become maximum, exponentials, their sum and a quotient, one of each for a row of
  operands however many nodes read the row. What equals the maximum is 0 below it, infinite or not.
- ``x**2`` becomes x·x, the derivative of a power a product; a minus sign moves out of products into the sum above;
  ``lookup`` with a fixed index and ``+x`` become what they stand for; a sum of one term is that term.
- What is computed of constants alone is a constant.
- Zeros with which a sum begins, and products with 0, as padding makes them, leave sums. A 0 that is added (x + 0.0)
  stays: its siblings may add other numbers, and it has to look like them.

Why it is sound: every rewriting is an identity of real numbers that re-associates sums at most; none divides, and none
moves an operation past a comparison. (0·x counts as 0 whatever x is, infinite or not a number.)

The rewritings are in :mod:`~tinygrad_lite.lift.canonical.decompositions`, :mod:`~tinygrad_lite.lift.canonical.scans`
and :mod:`~tinygrad_lite.lift.canonical.signed_sums`; they work on a
:class:`~tinygrad_lite.lift.canonical.rewriter.Rewriter`.

Cost: a few vectorised passes over all edges. What it does not find: distributivity, (a + b)·c against a·c + b·c; equal
subexpressions, which the next pass finds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.canonical import decompositions, scans, signed_sums
from tinygrad_lite.lift.canonical.rewriter import Rewriter
from tinygrad_lite.lift.tracing.trace import Graph

Integers = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(eq=False)
class Canonical:
    """A graph in canonical form; nodes are numbered in no particular order.

    Attributes:
        codes: Of the operations: those of the table, ``SUM``, and those of
            :mod:`~tinygrad_lite.lift.ir.reductions`.
        starts: Where the operands of each node begin in ``operands``; one more at the end.
        operands: Numbers of nodes: the terms of a sum.
        signs: 1 or −1 for each entry of ``operands``: of terms; 1 elsewhere.
        numbers: Of constants.
        origins: The node of the traced graph that each node computes; −1 for those that this pass made.
        roots: The results.
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


def canonicalize(graph: Graph) -> Canonical:
    """Bring a graph into canonical form."""
    rewriter = Rewriter(graph)
    decompositions.fold_constants(rewriter)
    scans.unfold_extremes(rewriter)
    decompositions.fold_extremes(rewriter)
    decompositions.expand_means(rewriter)
    decompositions.expand_dots(rewriter)
    decompositions.expand_softmaxes(rewriter)
    decompositions.rewrite_powers(rewriter)
    decompositions.resolve_lookups(rewriter)
    signed_sums.turn_into_sums(rewriter)
    signed_sums.count_repeated_products(rewriter)
    signed_sums.pull_signs_out_of_products(rewriter)
    signed_sums.flatten(rewriter)
    origins = np.where(np.arange(len(rewriter.codes)) < rewriter.traced, np.arange(len(rewriter.codes)), -1)
    return Canonical(
        rewriter.codes,
        rewriter.starts,
        rewriter.edge_operands,
        rewriter.edge_signs.astype(np.intp),
        rewriter.numbers,
        origins,
        rewriter.roots,
        rewriter.leaves,
    )
