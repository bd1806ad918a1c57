"""Fewer results of a loop: what others read of its steps is computed again behind it, for all steps at once.

A step on JAX gives a row of each array that is read outside of the loop. XLA compiles a loop nest of its own for each
of these, and computes what they have in common once in each. What no later step reads follows from what the loop
carries: where that is arithmetic on a few numbers, it costs less to compute it again, as whole arrays, and the steps
give only what they carry.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tinygrad_lite.lift.ir.groups import Group, Groups, Loop, Ref
from tinygrad_lite.operations import ops

#: So many numbers a step.
_FEW = 16


def compute_behind_loops(program: Groups) -> Groups:
    """Compute arithmetic of loops that no later step reads once more, behind the loop, for those who read it there.

    Args:
        program: A valid program; it is left as it is.

    Returns:
        A program that computes the same.
    """
    return _Rewriter(program).rewrite() if program.loops else program


class _Rewriter:
    def __init__(self, program: Groups) -> None:
        self.program = program
        self.made = Groups()
        self.inside: dict[int, int] = {}
        self.outside: dict[int, int] = {}
        self.names = {group.name for group in program.groups}

    def rewrite(self) -> Groups:
        loops = {loop.start: loop for loop in self.program.loops if not loop.axis}
        number = 0
        while number < len(self.program.groups):
            loop = loops.get(number, Loop(number, number + 1, 0))
            start = len(self.made.groups)
            members = range(loop.start, loop.stop)
            self.inside.update({member: start + place for place, member in enumerate(members)})
            self.outside.update({member: start + place for place, member in enumerate(members)})
            for member in members:
                self.made.groups.append(self._move(self.program.groups[member], members))
            if loop.steps:
                within = [inner for inner in self.program.loops if inner.start in members]
                self.made.loops += [
                    replace(each, start=start + each.start - number, stop=start + each.stop - number) for each in within
                ]
                if len(within) == 1:
                    self._compute_again(members)
            number = loop.stop
        self.made.inputs = [self.outside[number] for number in self.program.inputs]
        self.made.outputs = [replace(output, ref=self._read(output.ref)) for output in self.program.outputs]
        self.made.demands = [
            (replace(output, ref=self._read(output.ref)), demand) for output, demand in self.program.demands
        ]
        return self.made

    def _compute_again(self, members: range) -> None:
        groups = self.program.groups
        later = {
            ref.group
            for member in members
            for ref in _list_reads(groups[member])
            if ref.group in members and ref.index[0].offset < len(groups[ref.group].initial)
        }
        read = {ref.group for number, group in enumerate(groups) if number not in members for ref in group.refs()} | {
            output.ref.group for output in (*self.program.outputs, *[output for output, _ in self.program.demands])
        }
        wanted = {member for member in members if member in read and self._may_be_repeated(member, later)}
        for member in reversed(members):
            if member in wanted:
                own = [ref.group for ref in _list_reads(groups[member]) if ref.group in members]
                wanted.update(number for number in own if self._may_be_repeated(number, later))
        for member in sorted(wanted):
            made = self._move(groups[member], range(0))
            name = next(n for k in range(len(self.names) + 1) if (n := f"{made.name}s{k or ''}") not in self.names)
            self.names.add(name)
            self.outside[member] = len(self.made.groups)
            self.made.groups.append(replace(made, name=name if made.name else ""))

    def _may_be_repeated(self, member: int, later: Collection[int]) -> bool:
        """Whether it is arithmetic on a few numbers, and no later step reads it."""
        group = self.program.groups[member]
        arithmetic = (group.kind == "map" and bool(ops.find(group.op).symbol)) or (
            group.kind == "sum" and not any(term.reduced for term in group.terms)
        )
        few = not group.batched and group.size <= _FEW * group.shape[0]
        return arithmetic and few and not group.initial and member not in later

    def _move(self, group: Group, members: range) -> Group:
        def read(refs: tuple[Ref, ...]) -> tuple[Ref, ...]:
            return tuple([self._read(ref, members) for ref in refs])

        terms = tuple([replace(term, factors=read(term.factors)) for term in group.terms])
        return replace(
            group, operands=read(group.operands), terms=terms, initial=tuple([self._read(r) for r in group.initial])
        )

    def _read(self, ref: Ref, members: range = range(0)) -> Ref:
        return replace(ref, group=(self.inside if ref.group in members else self.outside)[ref.group])


def _list_reads(group: Group) -> list[Ref]:
    return [*group.operands, *[factor for term in group.terms for factor in term.factors]]
