"""Copies of single rows of loops: what a step around them hands over to the next.

In a loop within a loop a step of the outer one reads, of an earlier step's inner loop, a row alone, mostly the last
one: the weights at the end of an epoch. That row is made a group of its own, behind the inner loop, so that the outer
loop hands it over as it does all else. Which rows these are is seen between a loop and the next one; the same rows of
all loops that are alike are copied.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Loop, Output, Ref, Term, all_of
from tinygrad_lite.lift.steps.trace_order import describe


def copy_last_rows(program: Groups) -> Groups:
    """Let statements behind a loop read copies of its rows, where they read a single one.

    Args:
        program: A valid program, with no loops within loops; it is left as it is.

    Returns:
        A program that computes the same.
    """
    return _Copier(program).copy()


class _Copier:
    def __init__(self, program: Groups) -> None:
        self.program = program
        self.inside = program.find_loops()
        self.made = Groups()
        self.new: dict[int, int] = {}
        self.copies: dict[tuple[int, int], int] = {}

    def copy(self) -> Groups:
        program = self.program
        rows = self._find_rows()
        place = 0
        for number in range(len(program.groups)):  # members of loops read one another, further on as well
            for copied in rows.get(number, ()):
                self.copies[copied] = place
                place += 1
            self.new[number] = place
            place += 1
        for number, group in enumerate(program.groups):
            self.made.groups += [self._make_copy(*row) for row in rows.get(number, ())]
            self.made.groups.append(self._move(number, group))
        self.made.loops = [
            replace(loop, start=self.new[loop.start], stop=self.new[loop.stop - 1] + 1) for loop in program.loops
        ]
        self.made.inputs = [self.new[number] for number in program.inputs]
        self.made.outputs = [self._move_output(output) for output in program.outputs]
        self.made.demands = [(self._move_output(output), demand) for output, demand in program.demands]
        return self.made

    def _find_rows(self) -> dict[int, list[tuple[int, int]]]:
        """Find by the number behind a loop which rows are copied there: groups, and places along the first axis."""
        groups, loops = self.program.groups, self.program.loops
        kinds = [(loop.steps, *[describe(group) for group in groups[loop.start : loop.stop]]) for loop in loops]
        wanted: dict[Hashable, set[tuple[int, int]]] = {kind: set() for kind in kinds}
        for loop, following, kind in zip(loops, loops[1:], kinds, strict=False):
            for number in range(loop.stop, following.stop):
                for ref in groups[number].refs():
                    if self.inside.get(ref.group) is loop and _is_row(ref):
                        wanted[kind].add((ref.group - loop.start, ref.index[0].offset))
        return {
            loop.stop: [(loop.start + member, place) for member, place in sorted(wanted[kind])]
            for loop, kind in zip(loops, kinds, strict=True)
            if loop.stop < len(groups)
        }

    def _make_copy(self, number: int, place: int) -> Group:
        group = self.program.groups[number]
        whole = all_of(self.new[number], len(group.shape) - 1).index
        term = Term((Ref(self.new[number], (Index(place), *whole)),))
        present = None if group.present is None else group.present[place]
        return Group("sum", group.shape[1:], terms=(term,), batched=group.batched, role=group.role, present=present)

    def _move(self, number: int, group: Group) -> Group:
        def move(refs: tuple[Ref, ...]) -> tuple[Ref, ...]:
            return tuple([self._read(ref, self.inside.get(number)) for ref in refs])

        terms = tuple([replace(term, factors=move(term.factors)) for term in group.terms])
        return replace(group, operands=move(group.operands), terms=terms, initial=move(group.initial))

    def _read(self, ref: Ref, reader: Loop | None = None) -> Ref:
        loop = self.inside.get(ref.group)
        if loop is not None and loop is not reader and _is_row(ref):
            copied = self.copies.get((ref.group, ref.index[0].offset))
            if copied is not None:
                return Ref(copied, ref.index[1:])
        return replace(ref, group=self.new[ref.group])

    def _move_output(self, output: Output) -> Output:
        return replace(output, ref=self._read(output.ref))


def _is_row(ref: Ref) -> bool:
    """Whether a group's places along its first axis are a single one."""
    return not ref.flat and ref.index[0].table is None and not ref.index[0].steps
