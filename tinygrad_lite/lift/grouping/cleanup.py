"""The last passes over the groups: samples, equal constants, axes in the order of the results, and what nobody reads.

- With ``batch``, what the graph of one sample gives becomes a sum or a mean over samples. A product that is averaged
  becomes a contraction over the samples: ∂L/∂W = mean over b of δ[i, b]·a[k, b] is one matrix product.
- Constants with the same numbers are one; factors of 1 go, and what is a copy of another group then is that group.
- A group that only a result reads, along exchanged axes, gets the axes of the result.

Why it is sound: a mean over samples is linear; the rest renames. Cost: one pass over the groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term, all_of
from tinygrad_lite.lift.loops.loop_fusion import reads_same_place


def reduce_samples(program: Groups, reduce: str | None) -> None:
    """Make the results sums or means over the samples, or give them one axis for these."""
    readers = _count_readers(program)
    reduced: dict[int, int] = {}
    outputs = []
    for output in program.outputs:
        number = output.ref.group
        if not program.groups[number].batched and reduce == "mean":
            outputs.append(output)  # what all samples share is its own mean
            continue
        if number not in reduced:
            source = number if program.groups[number].batched else _repeat_for_samples(program, number)
            reduced[number] = source if reduce is None else _reduce(program, source, reduce, readers)
        outputs.append(replace(output, ref=replace(output.ref, group=reduced[number]), batched=reduce is None))
    program.outputs = outputs


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


def _reduce(program: Groups, number: int, over: str, readers: Sequence[int]) -> int:
    """Add a group that is the mean (or sum) of another over the samples."""
    group = program.groups[number]
    terms: tuple[Term, ...]
    if group.kind == "sum" and _is_unread(number, readers) and (over == "mean" or _all_batched(program, group)):
        terms = group.terms
    elif group.kind == "map" and group.op == "mul" and _is_unread(number, readers):
        terms = (Term(group.operands),)
    else:
        terms = (Term((all_of(number, len(group.shape)),)),)
    program.groups.append(Group("sum", group.shape, terms=terms, over=over, present=group.present, nodes=group.nodes))
    return len(program.groups) - 1


def _is_unread(number: int, readers: Sequence[int]) -> bool:
    """Whether no group reads it; ``readers`` does not count the newest groups."""
    return number >= len(readers) or not readers[number]


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
    """Give groups that one result alone reads the axes of that result."""
    readers = _count_readers(program)
    for output in (*program.outputs, *[output for output, _ in program.demands]):
        readers[output.ref.group] += 1
    stepwise = program.find_loops()
    for place, output in enumerate(program.outputs):
        group = program.groups[output.ref.group]
        order = _find_permutation(output, group)
        if group.initial or output.ref.group in stepwise:
            continue  # its first axis is the step
        if order is None or readers[output.ref.group] != 1 or group.kind not in ("map", "sum"):
            continue
        number = dict(enumerate(order))  # the new place of each axis
        back = [order.index(axis) for axis in range(len(order))]
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
        shape = tuple([group.shape[axis] for axis in order])
        if group.nodes is not None:
            group.nodes = np.ascontiguousarray(group.nodes.reshape(shape).transpose(back)).ravel()
        if group.present is not None:
            group.present = np.ascontiguousarray(group.present.transpose(back))
        program.outputs[place] = replace(output, ref=all_of(output.ref.group, len(order)))


def _find_permutation(output: Output, group: Group) -> list[int] | None:
    """Find the axis of the result that runs along each axis of the group, if the axes are merely exchanged."""
    if output.ref.flat or output.shape is None or len(output.shape) != len(group.shape):
        return None
    order = []
    for index, size in zip(output.ref.index, group.shape, strict=True):
        if index.table is not None or index.offset or len(index.steps) != 1:
            return None
        ((axis, step),) = index.steps
        if step != 1 or output.shape[axis] != size:
            return None
        order.append(axis)
    if order == sorted(order) or len(set(order)) < len(order):
        return None
    return order


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
