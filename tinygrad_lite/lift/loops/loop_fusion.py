"""Which groups share a loop nest, and in which order the nests run: what is decided before loops are written.

Into what: groups → phases, each a list of nests. Samples are worked through in chunks, so that all numbers of a chunk
stay in the cache. Phase 0 is what needs no sample, phase 1 a loop over the chunks, phase 2 what needs sums over all
samples (it finishes them), phase 3 again a loop over chunks for what needs those, and so on: batched groups are in odd
phases, the others in even ones. Most programs end with phase 2.

A sum over samples (an unbatched sum of batched factors) appears twice: a nest of its own in the odd phase adds up what
a chunk gives, and where more is to be done (a division by the number of samples, terms without samples) its group is
also a member of a nest in the even phase after it.

Why it is sound: a group joins a nest only where everything that it reads is computed before that nest, or in it by an
earlier member at the very same coordinates. Costs: linear in the number of references, apart from a search among the
nests of one phase. What it does not do: fuse across different shapes, change the order of axes, or compute twice to
save a pass over memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tinygrad_lite.lift.ir.groups import Group, Groups, Loop, Ref, Term
from tinygrad_lite.lift.ir.loop_bodies import reads_earlier_step

#: More members than this make one loop body that no longer fits the registers, and slow to compile.
_MOST_MEMBERS = 12


@dataclass
class Nest:
    """Groups that are computed by one loop nest.

    Attributes:
        shape: The grid's, which all members have.
        batched: Whether its innermost loop runs over samples.
        accumulates: Whether it adds up a sum over samples; it has one member then.
        dot: Whether its members are sums whose innermost loop is best one over a reduced axis.
        members: Numbers of groups, in the order in which they are computed.
        loops: The loops over steps that it is in, the outermost first: its grid's first axes are their steps, and it
            computes one at a time. Nests of a loop stand behind one another.
    """

    shape: tuple[int, ...]
    batched: bool
    accumulates: bool = False
    dot: bool = False
    members: list[int] = field(default_factory=list)
    loops: tuple[Loop, ...] = ()


def fuse_loops(program: Groups) -> list[list[Nest]]:
    """Put groups into the nests of each phase, in order.

    Args:
        program: The program; inputs and constants are in no nest.

    >>> from tinygrad_lite.lift.ir.groups import Index
    >>> x = Ref(0, (Index(steps=((0, 1),)),))
    >>> y = Ref(1, (Index(steps=((0, 1),)),))
    >>> exp, neg = Group("map", (3,), op="exp", operands=(x,)), Group("map", (3,), op="neg", operands=(y,))
    >>> [[nest.members for nest in phase] for phase in fuse_loops(Groups([Group("input", (3,)), exp, neg], [0]))]
    [[[1, 2]]]
    """
    schedule = _Schedule(program)
    for number, group in enumerate(program.groups):
        schedule.place(number, group)
    return schedule.phases


def split_segments(program: Groups, nest: Nest, calls: Callable[[str], bool]) -> list[list[int]]:
    """Split the members by innermost loops: operations that call functions stand apart, as a call is not vectorised."""
    groups = program.groups
    return [list(members) for _, members in itertools.groupby(nest.members, lambda k: has_calls(groups[k], calls))]


def has_calls(group: Group, calls: Callable[[str], bool]) -> bool:
    """Whether it is a map over samples that calls a function."""
    return group.batched and group.kind == "map" and calls(group.op)


def is_over_samples(program: Groups, group: Group, term: Term) -> bool:
    """Whether the term of a sum is added up over the samples."""
    return not group.batched and any(program.groups[factor.group].batched for factor in term.factors)


def accumulates(program: Groups, group: Group) -> bool:
    """Whether the group is a sum over samples."""
    return group.kind == "sum" and any(is_over_samples(program, group, term) for term in group.terms)


def needs_finish(program: Groups, group: Group) -> bool:
    """Whether a sum over samples is more than what the chunks add up to."""
    return group.over == "mean" or not all(is_over_samples(program, group, term) for term in group.terms)


def reads_same_place(ref: Ref, shape: tuple[int, ...], source: tuple[int, ...]) -> bool:
    """Whether the scalar at each coordinate of a grid reads the scalar at that same coordinate."""
    return (
        not ref.flat
        and shape == source
        and all(
            index.table is None and index.offset == 0 and (size == 1 or index.steps == ((axis, 1),))
            for axis, (index, size) in enumerate(zip(ref.index, shape, strict=True))
        )
    )


def reads_own_place(program: Groups, number: int, ref: Ref) -> bool:
    """Whether each scalar that a group computes reads the one at the same coordinates of another's grid.

    Of a group with initial rows that is the row as far behind these; in loops, what the same steps have computed.
    """
    group, source = program.groups[number], program.groups[ref.group]
    if not source.initial and not group.initial:
        return reads_same_place(ref, group.shape, source.shape)
    if ref.flat or not ref.index or group.grid != source.grid:
        return False
    axis = source.axis
    offset = ref.index[axis].offset - len(source.initial)
    index = (*ref.index[:axis], replace(ref.index[axis], offset=offset), *ref.index[axis + 1 :])
    return reads_same_place(replace(ref, index=index), group.grid, source.grid)


class _Schedule:
    def __init__(self, program: Groups) -> None:
        self.program = program
        self.inside = program.find_nesting()
        self.phases: list[list[Nest]] = []
        #: Where each group's numbers are complete: (phase, place of the nest in it). Before everything: (0, −1).
        self.done: list[tuple[int, int]] = []

    def place(self, number: int, group: Group) -> None:
        """Give the group its nest, or both of them."""
        if group.kind in ("input", "constant"):
            self.done.append((int(group.batched), -1))
            return
        if number in self.inside:
            loops = self.inside[number]
            nest = Nest(group.grid, group.batched, dot=_is_dot(self.program, group, len(loops)), loops=loops)
            self.done.append(self._join(number, nest, self._find_phase(loops[0])))
            return
        first = max((self.done[ref.group][0] for ref in group.refs()), default=0)
        if accumulates(self.program, group):
            chunks = first + (first % 2 == 0)
            self._join(number, Nest(group.shape, batched=False, accumulates=True), chunks)
            if not needs_finish(self.program, group):
                self.done.append((chunks + 1, -1))
                return
            first = chunks + 1
        elif first % 2 != group.batched:
            first += 1
        self.done.append(self._join(number, Nest(group.grid, group.batched, dot=_is_dot(self.program, group)), first))

    def _find_phase(self, loop: Loop) -> int:
        """Find the phase of a loop: the first in which all is at hand that its groups read of others."""
        groups = self.program.groups[loop.start : loop.stop]
        read = {ref.group for group in groups for ref in group.refs()} - set(range(loop.start, loop.stop))
        first = max((self.done[number][0] for number in read), default=0)
        return first + (first % 2 != groups[0].batched)

    def _join(self, number: int, nest: Nest, phase: int) -> tuple[int, int]:
        """Put the group into a nest like the given one, as far ahead as may be; into a new one where there is none."""
        while len(self.phases) <= phase:
            self.phases.append([])
        nests = self.phases[phase]
        kind = (nest.shape, nest.batched, nest.dot, nest.loops)
        for place in range(self._find_earliest(number, phase, nest), len(nests)):
            other = nests[place]
            alike = (other.shape, other.batched, other.dot, other.loops) == kind and not (
                nest.accumulates or other.accumulates
            )
            if alike and len(other.members) < _MOST_MEMBERS:
                other.members.append(number)
                return phase, place
        nest.members.append(number)
        nests.append(nest)
        return phase, len(nests) - 1

    def _find_earliest(self, number: int, phase: int, nest: Nest) -> int:
        """Find the first place among the phase's nests where everything that the group reads is at hand."""
        group, earliest = self.program.groups[number], 0
        reads = [(ref, False) for ref in group.operands]
        reads += [(ref, term.reduced != ()) for term in group.terms for ref in term.factors]
        reads += [(ref, True) for ref in self._list_initial(number)]
        for ref, reduced in reads:
            loops = self.inside.get(number, ())
            if reads_earlier_step(self.program, ref, loops):
                continue
            done, place = self.done[ref.group]
            if done == phase:
                fits = not reduced and not nest.dot and reads_own_place(self.program, number, ref)
                earliest = max(earliest, place if fits else place + 1)
        return earliest

    def _list_initial(self, number: int) -> list[Ref]:
        """List what is copied before a group is computed: before a loop, for all of its groups."""
        groups, loops = self.program.groups, self.inside.get(number, ())
        around = [(loop.axis, member) for loop in loops for member in range(loop.start, loop.stop)]
        copied = {member for axis, member in around if groups[member].axis == axis}
        if groups[number].axis >= len(loops):
            copied.add(number)
        return [ref for member in copied for ref in groups[member].initial]


def _is_dot(program: Groups, group: Group, steps: int = 0) -> bool:
    """Whether an unbatched sum reads its factors in strides if its innermost loop runs along the grid's last axis.

    Args:
        program: The program.
        group: The sum.
        steps: How many of its first axes are steps of a loop.
    """
    if group.batched:
        return False
    if len(group.shape) == steps:
        return any(term.reduced for term in group.terms)
    last = len(group.shape) - 1
    for term in group.terms:
        if term.reduced and term.mask is not None and last in term.axes:
            return True
        for factor in term.factors:
            if term.reduced and _find_stride(program.groups[factor.group].shape, factor, last) not in (0, 1):
                return True
    return False


def _find_stride(shape: tuple[int, ...], ref: Ref, axis: int) -> int:
    """Find how far apart two neighbours along the axis read; −1 where that is not fixed."""
    total, unit = 0, 1
    for index, size in zip(reversed(ref.index), (1,) if ref.flat else reversed(shape), strict=True):
        if index.table is not None and axis in index.axes:
            return -1
        total += unit * dict(index.steps).get(axis, 0)
        unit *= size
    return total
