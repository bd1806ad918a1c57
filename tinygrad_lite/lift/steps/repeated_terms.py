"""Sums over what the steps of a loop computed: a term for each step becomes one term, with the steps as an axis.

- Gradients of what all steps share add up a product for each step. Products of the same arrays that differ in nothing
  but the places that they read are one product, summed over one axis more: ∂L/∂W = Σ over t of δ[t, i]·h[t, k].
- A result with an element for each step was collected: each term is one step's, where a mask says so. Together they
  read the array of all steps, at places that follow from their coordinates. Each may be a sum over the steps of an
  inner loop.

Why it is sound: the same products are added, in another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import replace
from typing import Any

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
    summed = _merge(group.terms, lambda term: _describe(term, rolled), lambda alike: _sum_over_steps(group, alike))
    terms = _merge(
        summed, lambda term: _describe_masked(term, group, rolled), lambda alike: _gather(group, groups, alike)
    )
    return replace(group, terms=tuple(terms))


def _merge(
    terms: Sequence[Term], describe: Callable[[Term], Hashable], join: Callable[[Sequence[Term]], Term | None]
) -> list[Term]:
    """Join the terms of which there are many of a kind, where that can be done; None is no kind."""
    kinds: dict[Hashable, list[Term]] = {}
    for term in terms:
        kinds.setdefault(describe(term), []).append(term)
    found: list[Term] = []
    for kind, alike in kinds.items():
        merged = join(alike) if kind is not None and len(alike) >= _LEAST else None
        found += alike if merged is None else [merged]
    return found


def _describe(term: Term, rolled: Collection[int]) -> Hashable:
    """Say what a term is, but for where it reads; None for one that reads no row of a rolled group."""
    if not any(factor.group in rolled and not factor.flat for factor in term.factors):
        return None
    refs = tuple([(factor.group, factor.flat, _describe_moves(factor)) for factor in term.factors])
    return (refs, term.reduced, term.sign, term.axes, None if term.mask is None else term.mask.tobytes())


def _describe_masked(term: Term, group: Group, rolled: Collection[int]) -> Hashable:
    """Say what a term with a mask is, but for where its own coordinates read; None for one that is not so simple."""
    if term.mask is None or not any(factor.group in rolled for factor in term.factors):
        return None
    axes = len(group.shape)
    indices = [index for factor in term.factors for index in factor.index]
    tables = [*term.axes, *[axis for index in indices for axis in index.axes]]
    if any(factor.flat for factor in term.factors) or max(tables, default=0) >= axes:
        return None
    refs = tuple(
        [(factor.group, tuple([_find_reduced(index, axes) for index in factor.index])) for factor in term.factors]
    )
    return (refs, term.reduced, term.sign)


def _find_reduced(index: Index, axes: int) -> tuple[tuple[int, int], ...]:
    """Find how an index moves along the reduced axes, which come behind so many others."""
    return tuple([(axis, step) for axis, step in index.steps if axis >= axes])


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
    zeros: list[Any] = [*grid, *[np.zeros(count, dtype=np.intp) for _ in alike[0].reduced]]
    filled = np.zeros(count, dtype=bool)
    places = [[np.zeros(count, dtype=np.intp) for _ in factor.index] for factor in alike[0].factors]
    for term in alike:
        assert term.mask is not None
        chosen = term.mask[tuple([grid[axis] for axis in term.axes])]
        if (filled & chosen).any():
            return None
        filled |= chosen
        for rows, factor in zip(places, term.factors, strict=True):
            for row, index in zip(rows, factor.index, strict=True):
                row[chosen] = np.broadcast_to(index.at(zeros), (count,))[chosen]
    search = Search(int(filled.sum()), [axis[filled] for axis in grid], group.shape)
    known = filled.reshape(group.shape)
    shape = (*group.shape, *alike[0].reduced)
    factors = []
    for rows, factor in zip(places, alike[0].factors, strict=True):
        indices: list[Index] = []
        for row, index, limit in zip(rows, factor.index, groups[factor.group].shape, strict=True):
            along = _find_reduced(index, len(group.shape))
            found = search.find_known(row[filled])
            if found is not None and found.table is None:
                found = replace(found, steps=(*found.steps, *along))
            elif along:
                return None  # places that stand in a table do not move besides
            if found is None or not is_within(found, shape, limit):
                found = make_table(row.reshape(group.shape), known)
            indices.append(found)
        factors.append(Ref(factor.group, tuple(indices)))
    mask, axes = make_mask(known)
    return Term(tuple(factors), alike[0].reduced, alike[0].sign, mask, axes)
