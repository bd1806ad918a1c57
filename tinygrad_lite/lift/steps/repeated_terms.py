"""Sums over what the steps of a loop computed: a term for each step becomes one term, with the steps as an axis.

- Gradients of what all steps share add up a product for each step. Products of the same arrays that differ in nothing
  but the places that they read are one product, summed over one axis more: ∂L/∂W = Σ over t of δ[t, i]·h[t, k].
- A result with an element for each step was collected: each term is one step's, where a mask says so. Together they
  read the array of all steps, at places that follow from their coordinates.

Why it is sound: the same products are added, in another order.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import replace

import numpy as np

from tinygrad_lite.lift.grouping.contractions import make_mask, make_table
from tinygrad_lite.lift.grouping.index_maps import Search, is_within
from tinygrad_lite.lift.ir.groups import Group, Index, Ref, Term

#: So many terms that are alike become one.
_LEAST = 3


def merge_repeated_terms(group: Group, groups: Sequence[Group], rolled: Collection[int]) -> Group:
    """Make one term of many that read rows of the same rolled group.

    Args:
        group: A sum.
        groups: Those that it reads.
        rolled: The numbers of those whose first axis is the step.
    """
    kinds: dict[Hashable, list[Term]] = {}
    for term in group.terms:
        kinds.setdefault(_describe(term, rolled), []).append(term)
    terms: list[Term] = []
    for kind, alike in kinds.items():
        merged = None
        if kind is not None and len(alike) >= _LEAST:
            merged = _gather(group, groups, alike) if alike[0].mask is not None else _sum_over_steps(group, alike)
        terms += alike if merged is None else [merged]
    return replace(group, terms=tuple(terms))


def _describe(term: Term, rolled: Collection[int]) -> Hashable:
    """Say what a term is, but for where it reads; None for one that reads no row of a rolled group."""
    if not any(factor.group in rolled and not factor.flat for factor in term.factors):
        return None
    if term.mask is not None:
        alone = len(term.factors) == 1 and not term.reduced
        return (term.factors[0].group, term.sign) if alone else None
    refs = tuple([(factor.group, factor.flat, _describe_moves(factor)) for factor in term.factors])
    return (refs, term.reduced, term.sign)


def _describe_moves(ref: Ref) -> Hashable:
    return tuple(
        [(index.steps, None if index.table is None else (index.axes, index.table.tobytes())) for index in ref.index]
    )


def _sum_over_steps(group: Group, alike: Sequence[Term]) -> Term | None:
    """Make a term with one reduced axis more of terms that differ in their offsets."""
    ordered = sorted(alike, key=lambda term: [index.offset for factor in term.factors for index in factor.index])
    axis = len(group.shape) + len(ordered[0].reduced)
    factors = []
    for refs in zip(*[term.factors for term in ordered], strict=True):
        indices = [_join_offsets(list(places), axis) for places in zip(*[ref.index for ref in refs], strict=True)]
        if any(index is None for index in indices):
            return None
        factors.append(replace(refs[0], index=tuple([index for index in indices if index is not None])))
    return replace(ordered[0], factors=tuple(factors), reduced=(*ordered[0].reduced, len(ordered)))


def _join_offsets(indices: Sequence[Index], axis: int) -> Index | None:
    """Join indices that differ in their offsets in one that moves along an axis more; None where it takes a table."""
    offsets = np.array([index.offset for index in indices], dtype=np.intp)
    distances = np.diff(offsets)
    first = indices[0]
    if not distances.any():
        return first
    if (distances == distances[0]).all():
        return Index(first.offset, (*first.steps, (axis, int(distances[0]))))
    return None if first.steps else Index(table=offsets, axes=(axis,))


def _gather(group: Group, groups: Sequence[Group], alike: Sequence[Term]) -> Term | None:
    """Make one term of terms of which each gives some elements; None where two give the same one."""
    count = math.prod(group.shape)
    grid = [np.asarray(axis) for axis in np.unravel_index(np.arange(count), group.shape)]
    source = alike[0].factors[0].group
    limits = groups[source].shape
    places = np.zeros((len(limits), count), dtype=np.intp)
    filled = np.zeros(count, dtype=bool)
    for term in alike:
        assert term.mask is not None
        chosen = term.mask[tuple([grid[axis] for axis in term.axes])]
        if (filled & chosen).any():
            return None
        filled |= chosen
        for row, index in zip(places, term.factors[0].index, strict=True):
            row[chosen] = np.broadcast_to(index.at(grid), (count,))[chosen]
    search = Search(int(filled.sum()), [axis[filled] for axis in grid], group.shape)
    known = filled.reshape(group.shape)
    indices = []
    for row, limit in zip(places, limits, strict=True):
        found = search.find_known(row[filled])
        if found is None or not is_within(found, group.shape, limit):
            found = make_table(row.reshape(group.shape), known)
        indices.append(found)
    mask, axes = make_mask(known)
    return Term((Ref(source, tuple(indices)),), (), alike[0].sign, mask, axes)
