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

The rewritings are in :mod:`~tinygrad_lite.lift.canonical.decompositions`, :mod:`~tinygrad_lite.lift.canonical.chains`
and :mod:`~tinygrad_lite.lift.canonical.signed_sums`; they work on a
:class:`~tinygrad_lite.lift.canonical.rewriter.Draft`.

Cost: a few vectorised passes over all edges. What it does not find: distributivity, (a + b)·c against a·c + b·c; equal
subexpressions, which the next pass finds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.canonical import chains, decompositions, signed_sums
from tinygrad_lite.lift.canonical.rewriter import Draft
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


def canonical(graph: Graph) -> Canonical:
    """The graph in canonical form."""
    draft = Draft(graph)
    decompositions.fold_constants(draft)
    chains.unfold_extremes(draft)
    decompositions.fold_extremes(draft)
    decompositions.expand_means(draft)
    decompositions.expand_dots(draft)
    decompositions.expand_softmaxes(draft)
    decompositions.rewrite_powers(draft)
    decompositions.resolve_lookups(draft)
    signed_sums.turn_into_sums(draft)
    signed_sums.count_repeated_products(draft)
    signed_sums.pull_signs_out_of_products(draft)
    signed_sums.flatten(draft)
    origins = np.where(np.arange(len(draft.codes)) < draft.traced, np.arange(len(draft.codes)), -1)
    return Canonical(
        draft.codes,
        draft.starts,
        draft.edge_operands,
        draft.edge_signs.astype(np.intp),
        draft.numbers,
        origins,
        draft.roots,
        draft.leaves,
    )
