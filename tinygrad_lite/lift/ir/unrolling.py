"""The statements that a loop stands for: a program without loops, which computes the same.

It is what a program with loops means, and what tests compare it with. Costs: as many groups as the loops have steps,
and a sum of all rows of each. Who goes through a loop once takes one step after the other (:func:`take_step`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Loop, Output, Ref, Term, all_of


def unroll(program: Groups) -> Groups:
    """Write each step of each loop as groups of its own, and join their rows after it.

    Args:
        program: A valid program; it is left as it is.

    Returns:
        A program without loops. Groups keep their names; a step's have its number besides.
    """
    while program.loops:  # those within loops once they are loops alone
        program = _Unroller(program).unroll()
    return program


class _Unroller:
    def __init__(self, program: Groups) -> None:
        self.program = program
        self.made = Groups()
        self.whole: dict[int, int] = {}
        self.names = {program.groups[number].name for number in program.inputs}
        #: The new group of each row of a group in a loop.
        self.rows: dict[tuple[int, int], Ref] = {}

    def unroll(self) -> Groups:
        loops = {loop.start: loop for loop in self.program.loops if not loop.axis}
        number = 0
        while number < len(self.program.groups):
            if number in loops:
                self._unroll_loop(loops[number])
                number = loops[number].stop
                continue
            self._add_whole(number)
            number += 1
        self.made.inputs = [self.whole[number] for number in self.program.inputs]
        self.made.outputs = [self._move_output(output) for output in self.program.outputs]
        self.made.demands = [(self._move_output(output), demand) for output, demand in self.program.demands]
        return self.made

    def _add(self, group: Group) -> int:
        name, more = group.name, 0
        while name and name in self.names and group.kind != "input":
            more += 1
            name = f"{group.name}r{more}"
        self.names.add(name)
        if name != group.name:
            group = replace(group, name=name)
        self.made.groups.append(group)
        return len(self.made.groups) - 1

    def _add_whole(self, number: int) -> None:
        """Add a group that is computed at once, and where it has initial rows, what they are together."""
        group = self._move(self.program.groups[number])
        computed = self._add(replace(group, shape=group.grid, initial=(), nodes=None, present=None))
        if group.initial:
            axis = group.axis
            axes = [Index(0, ((other, 1),)) for other in range(len(group.shape)) if other != axis]
            places = np.arange(group.shape[axis]) - len(group.initial)
            rest = Index(table=np.maximum(places, 0), axes=(axis,))
            terms = [
                Term((_compose(ref, axes),), mask=places == row - len(group.initial), axes=(axis,))
                for row, ref in enumerate(group.initial)
            ]
            whole = (*axes[:axis], rest, *axes[axis:])
            terms.append(Term((Ref(computed, whole),), mask=places >= 0, axes=(axis,)))
            name = f"{group.name}_rows" if group.name else ""
            computed = self._add(
                replace(group, kind="sum", op="", operands=(), terms=tuple(terms), over="", initial=(), name=name)
            )
        self.whole[number] = computed

    def _move(self, group: Group) -> Group:
        return replace(
            group,
            operands=tuple([self._move_ref(ref) for ref in group.operands]),
            terms=tuple(
                [replace(term, factors=tuple([self._move_ref(ref) for ref in term.factors])) for term in group.terms]
            ),
            initial=tuple([self._move_ref(ref) for ref in group.initial]),
        )

    def _move_ref(self, ref: Ref) -> Ref:
        return replace(ref, group=self.whole[ref.group])

    def _move_output(self, output: Output) -> Output:
        return replace(output, ref=self._move_ref(output.ref))

    def _unroll_loop(self, loop: Loop) -> None:
        groups = self.program.groups
        members = range(loop.start, loop.stop)
        for number in members:
            for row, ref in enumerate(() if groups[number].axis else groups[number].initial):
                self.rows[number, row] = self._move_ref(ref)
        inner = [other for other in self.program.loops if other.axis and loop.start <= other.start < loop.stop]
        for step in range(loop.steps):
            start = len(self.made.groups)
            for number in members:
                row = _count_rows(groups[number]) + step
                self.rows[number, row] = all_of(start + number - loop.start, len(groups[number].shape) - 1)
            for number in members:
                self._add(self._take_step(loop, groups[number], step))
            for other in inner:
                begin = start + other.start - loop.start
                self.made.loops.append(Loop(begin, begin + other.stop - other.start, other.steps, other.axis - 1))
        for number in members:
            self.whole[number] = self._add(self._join_rows(number))

    def _take_step(self, loop: Loop, group: Group, step: int) -> Group:
        """Make the group that computes one row."""
        row = _count_rows(group) + step
        size = group.size // group.shape[0]
        found = take_step(group, step)
        return replace(
            found,
            operands=tuple([self._find_row(loop, ref) for ref in found.operands]),
            terms=tuple(
                [
                    replace(term, factors=tuple([self._find_row(loop, ref) for ref in term.factors]))
                    for term in found.terms
                ]
            ),
            initial=tuple([self._find_row(loop, ref) for ref in found.initial]),
            nodes=None if group.nodes is None else group.nodes[row * size : (row + 1) * size],
            present=None if group.present is None else group.present[row],
            name=f"{group.name}_{row}" if group.name else "",
        )

    def _find_row(self, loop: Loop, ref: Ref) -> Ref:
        if not loop.start <= ref.group < loop.stop:
            return self._move_ref(ref)
        return _compose(self.rows[ref.group, ref.index[0].offset], ref.index[1:])

    def _join_rows(self, number: int) -> Group:
        """Make the group that all rows are together: a sum of them, each where it belongs."""
        group = self.program.groups[number]
        count = group.shape[0]
        terms = []
        for row in range(count):
            ref = _compose(self.rows[number, row], [Index(0, ((axis, 1),)) for axis in range(1, len(group.shape))])
            mask = np.arange(count) == row
            terms.append(Term((ref,), mask=mask, axes=(0,)) if count > 1 else Term((ref,)))
        return Group(
            "sum", group.shape, terms=tuple(terms), batched=group.batched, name=group.name, present=group.present
        )


def _count_rows(group: Group) -> int:
    """Count the rows of a group in a loop that are not computed by its steps."""
    return 0 if group.axis else len(group.initial)


def _compose(outer: Ref, inner: Sequence[Index]) -> Ref:
    """Read at inner places of what a reference reads along its own axes."""
    found = []
    for index in outer.index:
        if index.table is not None:
            raise ValueError("initial rows are read through tables")
        total = Index(index.offset)
        for axis, step in index.steps:
            total = _add(total, inner[axis], step)
        found.append(total)
    return replace(outer, index=tuple(found))


def _add(total: Index, more: Index, times: int) -> Index:
    if more.table is not None:
        if total.steps or total.table is not None:
            raise ValueError("two tables of places are added")
        return Index(table=total.offset + times * more.table, axes=more.axes)
    steps = dict(total.steps)
    for axis, step in more.steps:
        steps[axis] = steps.get(axis, 0) + times * step
    return Index(total.offset + times * more.offset, tuple([(axis, step) for axis, step in steps.items() if step]))


def take_step(group: Group, step: int) -> Group:
    """Make of a group in a loop what one step computes: the same without the axis of the steps.

    Args:
        group: The group. What it reads keeps its axes; a row of it is a fixed place along the first.
        step: Which step.
    """

    def fix(ref: Ref) -> Ref:
        return replace(ref, index=tuple([fix_index(index, step) for index in ref.index]))

    def fix_term(term: Term) -> Term:
        mask, axes = (None, ()) if term.mask is None else fix_array(term.mask, term.axes, step)
        return replace(term, factors=tuple([fix(ref) for ref in term.factors]), mask=mask, axes=axes)

    return replace(
        group,
        shape=group.shape[1:],
        operands=tuple([fix(ref) for ref in group.operands]),
        terms=tuple([fix_term(term) for term in group.terms]),
        initial=tuple([fix(ref) for ref in group.initial]) if group.axis else (),
        axis=max(group.axis - 1, 0),
        nodes=None,
        present=None,
    )


def fix_index(index: Index, step: int) -> Index:
    """Make an index one of a single step: its coordinates are those behind the first.

    >>> fix_index(Index(1, ((0, 2), (1, 1))), 3)
    Index(offset=7, steps=((0, 1),), table=None, axes=())
    """
    if index.table is not None:
        table, axes = fix_array(index.table, index.axes, step)
        return Index(table=table, axes=axes) if axes else Index(int(table))
    offset = index.offset + dict(index.steps).get(0, 0) * step
    return Index(offset, tuple([(axis - 1, by) for axis, by in index.steps if axis]))


def fix_array(array: NDArray[Any], axes: tuple[int, ...], step: int) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Take what an array over some axes says of one step, and over which axes that is."""
    if 0 in axes:
        array = array.take(step, axis=axes.index(0))
    return array, tuple([axis - 1 for axis in axes if axis])
