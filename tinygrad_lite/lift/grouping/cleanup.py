"""The last passes over the groups: samples, equal constants, axes in the order of the results, and what nobody reads.

- With ``batch``, what the graph of one sample gives becomes a sum or a mean over samples. A product that is averaged
  becomes a contraction over the samples: ∂L/∂W = mean over b of δ[i, b]·a[k, b] is one matrix product.
- Constants with the same numbers are one; factors of 1 go, and what is a copy of another group then is that group.
- A group that only a result reads, along exchanged axes, gets the axes of the result.

Why it is sound: a mean over samples is linear; the rest renames. Cost: one pass over the groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term, all_of
from tinygrad_lite.lift.loops.loop_fusion import reads_same_place


def reduce_samples(program: Groups, reduce: str | None) -> None:
    """Make the results sums or means over the samples, or give them one axis for these."""
    reduction = None if reduce is None else _Reduction(program, reduce)
    repeated: dict[int, int] = {}
    outputs = []
    for output in program.outputs:
        number = output.ref.group
        if reduction is not None:
            number = reduction.reduce(number)
        elif not program.groups[number].batched:
            if number not in repeated:
                repeated[number] = _repeat_for_samples(program, number)
            number = repeated[number]
        outputs.append(replace(output, ref=replace(output.ref, group=number), batched=reduce is None))
    program.outputs = outputs


class _Reduction:
    """Sums or means of groups over the samples.

    A result may consist of parts, such as the gradients of weights that are one array of all layers: a sum of groups,
    each with a mask. Sum and mask may be exchanged, so each part is reduced for itself, where it may be a matrix
    product, and it is what is left of them that is put together.

    Args:
        program: The groups; more are added to them.
        over: ``"sum"`` or ``"mean"``.
    """

    def __init__(self, program: Groups, over: str) -> None:
        self._program = program
        self._over = over
        self._readers = _count_readers(program)
        self._reduced: dict[int, int] = {}
        results = {output.ref.group for output in program.outputs}
        self._joins = {number for number in results if self._is_unread(number) and _is_join(program.groups[number])}
        for number in self._joins:
            for ref in program.groups[number].refs():
                self._readers[ref.group] -= 1  # it reads what becomes of them

    def reduce(self, number: int) -> int:
        """Find the group that is a group's mean (or sum) over the samples; it is made once."""
        if number not in self._reduced:
            self._reduced[number] = self._make(number)
        return self._reduced[number]

    def _make(self, number: int) -> int:
        if not self._program.groups[number].batched:
            if self._over == "mean":
                return number  # what all samples share is its own mean
            number = _repeat_for_samples(self._program, number)
        if number in self._joins:
            return self._join_parts(self._program.groups[number])
        return self._add(number)

    def _join_parts(self, group: Group) -> int:
        """Add a group that joins parts as another one does, after the samples were added up in each."""
        terms = tuple([self._reduce_part(term, group) for term in group.terms])
        self._program.groups.append(replace(group, terms=terms, batched=False))
        return len(self._program.groups) - 1

    def _reduce_part(self, term: Term, group: Group) -> Term:
        (ref,) = term.factors
        source = self._program.groups[ref.group]
        if source.batched and source.size > _count_cells(term, group):  # most of it would be added up for nothing
            self._program.groups.append(Group("sum", group.shape, terms=(term,), over=self._over))
            return replace(term, factors=(all_of(len(self._program.groups) - 1, len(group.shape)),))
        return replace(term, factors=(replace(ref, group=self.reduce(ref.group)),))

    def _is_unread(self, number: int) -> bool:
        """Whether no group reads it; ``readers`` does not count the newest groups."""
        return number >= len(self._readers) or not self._readers[number]

    def _add(self, number: int) -> int:
        """Add a group that is the mean (or sum) of another over the samples."""
        program, group = self._program, self._program.groups[number]
        terms: tuple[Term, ...]
        unread = self._is_unread(number)
        if group.kind == "sum" and unread and (self._over == "mean" or _all_batched(program, group)):
            terms = group.terms
        elif group.kind == "map" and group.op == "mul" and unread:
            terms = (Term(group.operands),)
        else:
            terms = (Term((all_of(number, len(group.shape)),)),)
        made = Group("sum", group.shape, terms=terms, over=self._over, present=group.present, nodes=group.nodes)
        program.groups.append(made)
        return len(program.groups) - 1


def _is_join(group: Group) -> bool:
    """Whether it is a sum of groups with masks."""
    return group.kind == "sum" and all(
        term.mask is not None and len(term.factors) == 1 and not term.reduced for term in group.terms
    )


def _count_cells(term: Term, group: Group) -> int:
    """Count the scalars of the group to which the term adds something."""
    assert term.mask is not None
    return int(term.mask.sum()) * math.prod(n for axis, n in enumerate(group.shape) if axis not in term.axes)


def _repeat_for_samples(program: Groups, number: int) -> int:
    """Repeat a group that all samples share, once for each of them: times 1, read off a sample's first number."""
    sample = next(n for n in program.inputs if program.groups[n].batched)
    first = Ref(sample, tuple([Index(0)] * len(program.groups[sample].shape)))
    program.groups.append(Group("constant", (), data=np.array(np.nan)))
    nothing = Ref(len(program.groups) - 1, ())
    program.groups.append(Group("map", (), "not_equal", (first, nothing), batched=True))  # no number equals nan: 1
    shape = program.groups[number].shape
    operands = (all_of(number, len(shape)), Ref(len(program.groups) - 1, ()))
    program.groups.append(Group("map", shape, "mul", operands, batched=True))
    return len(program.groups) - 1


def _count_readers(program: Groups) -> list[int]:
    readers = [0] * len(program.groups)
    for group in program.groups:
        for ref in group.refs():
            readers[ref.group] += 1
    return readers


def _all_batched(program: Groups, group: Group) -> bool:
    return all(any(program.groups[ref.group].batched for ref in term.factors) for term in group.terms)


def share_constants(program: Groups) -> None:
    """Read equal constants from the first of them."""
    known: dict[tuple[tuple[int, ...], bytes], int] = {}
    same = list(range(len(program.groups)))
    for number, group in enumerate(program.groups):
        if group.kind == "constant":
            assert group.data is not None
            same[number] = known.setdefault((group.shape, group.data.tobytes()), number)
    _renumber(program, same)


def drop_ones(program: Groups) -> None:
    """Rewrite x · 1 as x: the factor was kept so that scalars multiplied by 1 look like those multiplied by 2."""
    ones = {
        number
        for number, group in enumerate(program.groups)
        if group.data is not None and group.data.size and (group.data == 1.0).all()
    }
    if not ones:
        return
    for group in program.groups:
        group.terms = tuple([_drop_factors(term, ones) for term in group.terms])
        if group.kind == "map" and group.op == "mul":
            (term,) = (_drop_factors(Term(group.operands), ones),)
            if len(term.factors) == 1:
                group.kind, group.op, group.operands, group.terms = "sum", "", (), (term,)
    same = list(range(len(program.groups)))
    for number, group in enumerate(program.groups):
        if group.kind == "sum" and _is_copy(program, group):
            same[number] = same[group.terms[0].factors[0].group]
    _renumber(program, same)


def _drop_factors(term: Term, ones: set[int]) -> Term:
    """Leave out a factor of 1, if the term has another."""
    if len(term.factors) < 2:
        return term
    kept = tuple([factor for factor in term.factors if factor.group not in ones])
    return replace(term, factors=kept or term.factors[:1])


def _is_copy(program: Groups, group: Group) -> bool:
    """Whether a sum is another group as it stands."""
    (term, *others) = group.terms
    if others or len(term.factors) > 1 or term.reduced or term.mask is not None or term.sign < 0 or group.over:
        return False
    (ref,) = term.factors
    return reads_same_place(ref, group.shape, program.groups[ref.group].shape)


def orient_results(program: Groups) -> None:
    """Give groups that one result alone reads the axes of that result; and the parts that it is joined of."""
    readers = _count_readers(program)
    for output in (*program.outputs, *[output for output, _ in program.demands]):
        readers[output.ref.group] += 1
    stepwise = program.find_loops()

    def may_be_turned(number: int) -> bool:
        group = program.groups[number]
        if group.initial or number in stepwise:
            return False  # its first axis is the step
        return readers[number] == 1 and group.kind in ("map", "sum")

    for place, output in enumerate(program.outputs):
        number = output.ref.group
        if not may_be_turned(number):
            continue
        order = _find_order(output.ref)
        if order is not None and _reads_all(output, program.groups[number]):
            _turn(program.groups[number], order)
            program.outputs[place] = replace(output, ref=_sort_axes(output.ref, order))
        if _is_join(program.groups[number]):
            _orient_parts(program, program.groups[number], may_be_turned)


def _orient_parts(program: Groups, join: Group, may_be_turned: Callable[[int], bool]) -> None:
    terms = []
    for term in join.terms:
        (ref,) = term.factors
        order = _find_order(ref) if may_be_turned(ref.group) else None
        if order is not None:
            _turn(program.groups[ref.group], order)
            term = replace(term, factors=(_sort_axes(ref, order),))
        terms.append(term)
    join.terms = tuple(terms)


def _find_order(ref: Ref) -> list[int] | None:
    """Find the reader's axis that runs along each axis of the group, if these are axes in another order."""
    along = [index.depends_on() for index in ref.index]
    if ref.flat or any(len(axes) != 1 for axes in along):
        return None
    order = [axis for (axis,) in along]
    return None if order == sorted(order) or len(set(order)) < len(order) else order


def _reads_all(output: Output, group: Group) -> bool:
    """Whether a result, which reads each axis of a group along one of its own, is all of it."""
    indices = output.ref.index
    if output.shape is None or len(output.shape) != len(indices) or any(index.table is not None for index in indices):
        return False
    return all(
        index.offset == 0 and index.steps[0][1] == 1 and output.shape[index.steps[0][0]] == size
        for index, size in zip(indices, group.shape, strict=True)
    )


def _sort_axes(ref: Ref, order: list[int]) -> Ref:
    """Read the axes of a group, which was turned, in the order in which the reader has them."""
    return replace(ref, index=tuple([ref.index[order.index(axis)] for axis in sorted(order)]))


def _turn(group: Group, axes: list[int]) -> None:
    """Exchange the axes of a group, so that those of its reader that run along them are in order."""
    back = sorted(range(len(axes)), key=axes.__getitem__)  # the old place of each axis
    number = {old: new for new, old in enumerate(back)}
    if group.nodes is not None:
        group.nodes = np.ascontiguousarray(group.nodes.reshape(group.shape).transpose(back)).ravel()
    if group.present is not None:
        group.present = np.ascontiguousarray(group.present.transpose(back))
    group.shape = tuple([group.shape[axis] for axis in back])
    group.operands = tuple([_renumber_axes(ref, number) for ref in group.operands])
    group.terms = tuple(
        [
            replace(
                term,
                factors=tuple([_renumber_axes(ref, number) for ref in term.factors]),
                axes=tuple([number.get(axis, axis) for axis in term.axes]),
            )
            for term in group.terms
        ]
    )


def _renumber_axes(ref: Ref, number: dict[int, int]) -> Ref:
    return replace(ref, index=tuple([_renumber_index_axes(index, number) for index in ref.index]))


def _renumber_index_axes(index: Index, number: dict[int, int]) -> Index:
    if index.table is not None:
        return replace(index, axes=tuple([number.get(axis, axis) for axis in index.axes]))
    return replace(index, steps=tuple(sorted([(number.get(axis, axis), step) for axis, step in index.steps])))


def drop_unread(program: Groups) -> None:
    """Leave out the groups on which no result depends; inputs stay."""
    results = [output for output, _ in program.demands]
    read = program.find_needed(output.ref.group for output in (*program.outputs, *results))
    kept = sorted({*read, *program.inputs})
    new = {number: place for place, number in enumerate(kept)}
    _renumber(program, [new.get(number, -1) for number in range(len(program.groups))])
    program.groups = [program.groups[number] for number in kept]
    program.loops = [
        replace(loop, start=new[loop.start], stop=new[loop.stop - 1] + 1) for loop in program.loops if loop.start in new
    ]
    program.inputs = [new[number] for number in program.inputs]


def _renumber(program: Groups, number: list[int]) -> None:
    def renumber_refs(refs: tuple[Ref, ...]) -> tuple[Ref, ...]:
        return tuple([replace(ref, group=number[ref.group]) for ref in refs])

    for group in program.groups:
        group.operands = renumber_refs(group.operands)
        group.terms = tuple([replace(term, factors=renumber_refs(term.factors)) for term in group.terms])
        group.initial = renumber_refs(group.initial)
    program.outputs = [replace(output, ref=renumber_refs((output.ref,))[0]) for output in program.outputs]
    program.demands = [
        (replace(output, ref=renumber_refs((output.ref,))[0]), demand) for output, demand in program.demands
    ]
