"""Sums over steps as groups of their own, of which a part can be added up at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Ref, Term, all_of


@dataclass(eq=False)
class SplitSums:
    """A program in which each sum over steps is a group.

    Attributes:
        program: The groups.
        axes: Of the stepwise ones which axis is that of the steps: 0, or one that a sum over steps reduces.
        origin: The number of each group in the program that it was made of; of a sum over steps, of the whole sum.
    """

    program: Groups
    axes: dict[int, int]
    origin: dict[int, int]


def list_reads(group: Group, axis: int) -> Iterator[tuple[Ref, int, int]]:
    """List what a group reads along with the places of an axis: the reference, its first row, and 1 or −1."""
    for ref in (*group.operands, *[factor for term in group.terms for factor in term.factors]):
        found = find_along(ref, axis)
        if found is not None:
            yield ref, *found


def find_along(ref: Ref, axis: int) -> tuple[int, int] | None:
    """Find the first row that a reference reads, and in which direction it goes on, along with the places of an axis.

    >>> from tinygrad_lite.lift.ir.groups import Index
    >>> find_along(Ref(3, (Index(17, ((0, -1),)), Index(0, ((1, 1),)))), 0)
    (17, -1)
    """
    if ref.flat or not ref.index or ref.index[0].table is not None or len(ref.index[0].steps) != 1:
        return None
    if any(axis in index.depends_on() for index in ref.index[1:]):
        return None
    ((along, pace),) = ref.index[0].steps
    return (ref.index[0].offset, pace) if along == axis and abs(pace) == 1 else None


def split_sums(program: Groups, axes: Mapping[int, int], excluded: Collection[int], least: int) -> SplitSums:
    """Make the terms that sum over steps groups of their own, which stand before the sums.

    Args:
        program: A valid program; it is left as it is.
        axes: The stepwise groups.
        excluded: Sums that stay as they are.
        least: How many steps there are at least.
    """
    whole = program.find_loops().keys() | axes.keys() | set(excluded)
    summed = {
        number: [
            None if group.kind != "sum" or number in whole else _find_summed(term, axes, len(group.shape), least)
            for term in group.terms
        ]
        for number, group in enumerate(program.groups)
    }
    moved, count = {}, 0
    for number, found in summed.items():
        count += sum(axis is not None for axis in found)
        moved[number] = count
        count += 1
    split = SplitSums(Groups(), {moved[number]: axis for number, axis in axes.items()}, {})
    made = split.program.groups
    for number, group in enumerate(program.groups):
        terms = []
        for term, axis in zip(group.terms, summed[number], strict=True):
            if axis is not None:
                split.axes[len(made)], split.origin[len(made)] = axis, number
                ref = all_of(len(made), len(group.shape))
                made.append(_make_part(program, group, term, moved))
                term = Term((replace(ref, group=-1 - ref.group),), sign=term.sign)
            terms.append(term)
        split.origin[len(made)] = number
        rest = move_refs(
            replace(group, terms=tuple(terms)), lambda number: -1 - number if number < 0 else moved[number]
        )
        wide = any(made[ref.group].batched for ref in rest.refs() if ref.group < len(made))
        made.append(replace(rest, over=group.over if wide else ""))
    split.program.inputs = [moved[number] for number in program.inputs]
    split.program.outputs = [
        replace(output, ref=replace(output.ref, group=moved[output.ref.group])) for output in program.outputs
    ]
    split.program.loops = [
        replace(loop, start=moved[loop.start], stop=moved[loop.stop - 1] + 1) for loop in program.loops
    ]
    return split


def _make_part(program: Groups, group: Group, term: Term, moved: Mapping[int, int]) -> Group:
    """Make the group of one term of a sum."""
    wide = any(program.groups[ref.group].batched for ref in term.factors)
    part = replace(
        group,
        terms=(replace(term, sign=1.0),),
        batched=wide and not group.over,
        over=group.over if wide else "",
        name="",
        present=None,
        nodes=None,
    )
    return move_refs(part, moved.__getitem__)


def map_refs(group: Group, change: Callable[[Ref], Ref]) -> Group:
    """Change all that a group reads, but for its initial rows."""
    terms = tuple([replace(term, factors=tuple([change(ref) for ref in term.factors])) for term in group.terms])
    return replace(group, operands=tuple([change(ref) for ref in group.operands]), terms=terms)


def move_refs(group: Group, move: Callable[[int], int]) -> Group:
    """Let a group read groups of other numbers."""

    def change(ref: Ref) -> Ref:
        return replace(ref, group=move(ref.group))

    return replace(map_refs(group, change), initial=tuple([change(ref) for ref in group.initial]))


def _find_summed(term: Term, axes: Collection[int], count: int, least: int) -> int | None:
    """Find the axis of the steps that a term sums, if that can be done part by part."""
    for axis, size in enumerate(term.reduced, count):
        reads = any(ref.group in axes and find_along(ref, axis) is not None for ref in term.factors)
        if reads and size >= least and axis not in term.axes:
            return axis
    return None


def turn_rows(program: Groups, numbers: Collection[int]) -> None:
    """Let groups have their rows the other way round.

    Args:
        program: Its groups are changed.
        numbers: Of groups without initial rows, and in no loop, whose masks do not depend on the rows.
    """

    for number, group in enumerate(program.groups):
        axis = 0 if number in numbers else None
        turned = map_refs(group, partial(_turn_ref, program.groups, numbers, axis, group.shape))
        initial = [_turn_ref(program.groups, numbers, None, (), ref) for ref in group.initial]
        if axis == 0 and group.present is not None:
            turned.present = np.flip(group.present, 0)
        program.groups[number] = replace(turned, initial=tuple(initial), nodes=None)
    program.outputs = [
        replace(output, ref=_turn_ref(program.groups, numbers, None, (), output.ref)) for output in program.outputs
    ]


def _turn_ref(
    groups: Sequence[Group], numbers: Collection[int], axis: int | None, shape: Sequence[int], ref: Ref
) -> Ref:
    indices = list(ref.index)
    if axis is not None:
        indices = [_turn_index(index, shape[0]) for index in indices]
    if ref.group in numbers:
        first, last = indices[0], groups[ref.group].shape[0] - 1
        if first.table is not None:
            indices[0] = replace(first, table=last - first.table)
        else:
            indices[0] = Index(last - first.offset, tuple([(along, -by) for along, by in first.steps]))
    return replace(ref, index=tuple(indices))


def _turn_index(index: Index, rows: int) -> Index:
    """Count the places of axis 0 from the last."""
    if index.table is not None:
        return replace(index, table=np.flip(index.table, index.axes.index(0))) if 0 in index.axes else index
    steps = tuple([(axis, by if axis else -by) for axis, by in index.steps])
    return replace(index, offset=index.offset + dict(index.steps).get(0, 0) * (rows - 1), steps=steps)
