"""When each row of a program with loops can be computed: the rows of all arrays on one scale of time.

A loop over time and that of its derivative go through the same steps, in opposite directions, and so do the arrays that
are computed for all steps at once, before, between and after them. Row r of such a *stepwise* group belongs to the time
c + d·r, where d is 1 or −1: what one group reads of another along with its own rows says how their scales lie together.

- A group is of *level* 0 if it needs nothing that is known only after all steps, and of level 1 if it needs something
  that is known after those of level 0: the derivative, from the last step back to the first.
- A row may read rows of its own level that were computed before it, and rows of level 0 that are not later in time. By
  how many steps these lie apart, at most, is the *lag* of the group that is read.

Where the scales begin is found by relaxation (Bellman and Ford, on these inequalities). What does not fit, as a group
that reads all steps for each of its rows, is computed at once; what it reads is kept whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from tinygrad_lite.lift.checkpointing.step_sums import SplitSums, list_reads, split_sums, turn_rows
from tinygrad_lite.lift.ir.groups import Group, Groups, Loop

#: Stepwise arrays have a row for each step of the longest loop; so many fewer may be missing.
_MOST_MISSING = 12
_COMPUTED = ("map", "sum", "fold")


class UnsuitableError(Exception):
    """Loops that are not on one scale of time; the message says why."""


@dataclass(frozen=True)
class Scale:
    """The times of a group's rows: row r belongs to the time ``start + direction · r``.

    Attributes:
        start: The time of row 0.
        direction: 1 or −1.
        axis: Which axis the rows are: 0, or of a sum over steps one of its reduced axes.
        rows: How many there are, initial ones included.
        initial: How many of these are initial.
        level: 0, or 1 for what needs something that is known only after all steps.
        lag: How many steps back others read it.
    """

    start: int
    direction: int
    axis: int
    rows: int
    initial: int
    level: int
    lag: int = 0

    def find_rows(self, start: int, stop: int) -> tuple[int, int]:
        """Find the rows of the times from ``start`` to before ``stop``, as a range.

        >>> Scale(9, -1, 0, 10, 1, 1).find_rows(2, 5)
        (5, 8)
        """
        low, high = start - self.start, stop - self.start
        if self.direction < 0:
            low, high = 1 - high, 1 - low
        return min(max(low, 0), self.rows), max(min(high, self.rows), 0)

    @property
    def computed(self) -> tuple[int, int]:
        """The first and the last time of the rows that are computed."""
        ends = self.start + self.direction * self.initial, self.start + self.direction * (self.rows - 1)
        return min(ends), max(ends)


@dataclass(eq=False)
class Timeline:
    """A program, and which of its groups are stepwise.

    Attributes:
        program: The groups; sums over steps are groups of their own.
        scales: The times of the stepwise ones.
        loops: The loops among these; others are computed at once.
        stages: Of each group that is not stepwise: after how many levels it can be computed, 0, 1 or 2.
        origin: The number of each group in the program that it was made of; of a sum over steps, of the whole sum.
    """

    program: Groups
    scales: dict[int, Scale]
    loops: list[Loop]
    stages: dict[int, int]
    origin: dict[int, int]

    def is_sum(self, number: int) -> bool:
        """Whether a stepwise group is a sum over steps, which has no rows of its own."""
        return self.scales[number].axis >= len(self.program.groups[number].shape)

    def find_origins(self, number: int) -> set[int]:
        """Find of which groups a group was made, and those of its loop."""
        return find_origins(self.loops, self.origin, number)


def find_origins(loops: Sequence[Loop], origin: Mapping[int, int], number: int) -> set[int]:
    """Find of which groups a group was made, and those of its loop."""
    loop = next((loop for loop in loops if loop.start <= number < loop.stop), Loop(number, number + 1, 0))
    return {origin[member] for member in range(loop.start, loop.stop)}


def find_timeline(program: Groups, left_out: Collection[int] = ()) -> Timeline:
    """Find the scale of time of a program's main loops.

    Args:
        program: A valid program; it is left as it is.
        left_out: Groups that are not to be stepwise.

    Raises:
        UnsuitableError: There is none.
    """
    if not program.loops:
        raise UnsuitableError("there is no loop in it")
    if any(loop.axis for loop in program.loops):
        raise UnsuitableError("its loops have loops within them")
    for anchor in sorted(program.loops, key=lambda loop: -loop.steps * (loop.stop - loop.start)):
        excluded = set(left_out)
        while anchor.start not in excluded:
            try:
                return _Finder(program, anchor, excluded).find()
            except _UnfitError as unfit:
                excluded |= unfit.groups
    raise UnsuitableError("its loops do not go through the same steps once forwards, and once backwards")


class _UnfitError(Exception):
    def __init__(self, groups: set[int]) -> None:
        super().__init__()
        self.groups = groups


@dataclass(frozen=True)
class _Order:
    """That one class must not begin earlier than so many steps after another."""

    later: int
    earlier: int
    distance: int


class _Finder:
    """Finds the times of a program's groups, or which of them do not fit.

    Args:
        program: The program.
        anchor: Its longest loop.
        excluded: Groups that are known not to fit.
    """

    def __init__(self, program: Groups, anchor: Loop, excluded: set[int]) -> None:
        self.least = anchor.steps - _MOST_MISSING
        axes = self._find_stepwise(program, anchor, excluded)
        split = split_sums(program, axes, excluded, self.least)
        self.split: SplitSums = split
        self.program = split.program
        self.axes = split.axes
        self.groups = split.program.groups
        self.loops = [loop for loop in self.program.loops if loop.start in self.axes]
        self.first_of = {number: number for number in self.axes}
        self.first_of |= {number: loop.start for loop in self.loops for number in range(loop.start, loop.stop)}
        self.anchor = next(loop.start for loop in self.loops if split.origin[loop.start] == anchor.start)

    def _find_stepwise(self, program: Groups, anchor: Loop, excluded: set[int]) -> dict[int, int]:
        """Find the groups that read, or are read by, one another along with their rows; the axis of these is 0."""
        inside = program.find_loops()
        needed = program.find_needed(output.ref.group for output in program.outputs)
        found = set(range(anchor.start, anchor.stop))

        def may_be_stepwise(number: int) -> bool:
            group = program.groups[number]
            long = group.kind in _COMPUTED and len(group.shape) > 0 and group.grid[0] >= self.least
            return long and number not in excluded and not any(0 in term.axes for term in group.terms)

        size = 0
        while size < len(found):
            size = len(found)
            for number in sorted(needed):
                reads = [ref.group for ref, _, _ in list_reads(program.groups[number], 0)]
                new = [read for read in reads if number in found and may_be_stepwise(read)]
                if may_be_stepwise(number) and any(read in found for read in reads):
                    new.append(number)
                for member in new:
                    loop = inside.get(member, Loop(member, member + 1, 0))
                    found.update(range(loop.start, loop.stop))
        return dict.fromkeys(found, 0)

    def find(self) -> Timeline:
        directions = self._find_directions()
        levels, stages = self._find_levels()
        if levels[self.anchor] == 1:
            self.anchor = next((loop.start for loop in self.loops if not levels[loop.start]), self.anchor)
            directions = {number: -direction for number, direction in directions.items()}
        self._turn(directions, levels)
        times = self._find_times(directions, levels)
        scales = {}
        for number, axis in self.axes.items():
            group, first = self.groups[number], self.first_of[number]
            rows = group.terms[0].reduced[axis - len(group.shape)] if self._is_sum(number) else group.shape[0]
            initial = len(group.initial)
            start = times[first] - directions[first] * initial
            scales[number] = Scale(start, directions[first], axis, rows, initial, levels[first])
        for number, scale in scales.items():
            for read, offset, _ in self._list_reads(number):
                there = scales[read]
                time = scale.start + scale.direction * scale.initial
                lag = abs(there.start + there.direction * offset - time)
                scales[read] = replace(there, lag=max(there.lag, lag))
        return Timeline(self.program, scales, self.loops, stages, self.split.origin)

    def _exclude(self, number: int) -> NoReturn:
        """Say that a group, with the loop that it is in, is not stepwise."""
        raise _UnfitError(find_origins(self.loops, self.split.origin, number))

    def _list_reads(self, number: int) -> Iterator[tuple[int, int, int]]:
        """List what a stepwise group reads of others along with its rows: who, from which row on, and by which step."""
        for ref, offset, pace in list_reads(self.groups[number], self.axes[number]):
            if ref.group in self.axes:
                yield ref.group, offset, pace

    def _find_directions(self) -> dict[int, int]:
        """Find in which direction the rows of each class go, as against those of the anchor."""
        found = {self.anchor: 1}
        size = 0
        while size < len(found):
            size = len(found)
            for number in sorted(self.axes):
                for read, _, pace in self._list_reads(number):
                    mine, other = self.first_of[number], self.first_of[read]
                    if mine in found and found.setdefault(other, pace * found[mine]) != pace * found[mine]:
                        self._exclude(number if number in found and number != self.anchor else read)
                    if other in found:
                        found.setdefault(mine, pace * found[other])
        for number, first in self.first_of.items():
            if first not in found:
                self._exclude(number)
        return found

    def _find_levels(self) -> tuple[dict[int, int], dict[int, int]]:
        """Find the level of each class of stepwise groups, and the stage of each other group."""
        levels: dict[int, int] = {}
        stages: dict[int, int] = {}
        blamed: dict[int, int] = {}
        inside = self.program.find_loops()
        number = 0
        while number < len(self.groups):
            loop = inside.get(number, Loop(number, number + 1, 0))
            members = range(loop.start, loop.stop)
            level, blame = max([self._find_stage(member, members, levels, stages, blamed) for member in members])
            blamed.update(dict.fromkeys(members, blame))
            if number in self.axes:
                if level > 1:
                    self._exclude(number if blame < 0 else blame)
                levels[number] = level
            else:
                stages.update(dict.fromkeys(members, level))
            number = loop.stop
        return levels, stages

    def _find_stage(
        self, number: int, members: range, levels: dict[int, int], stages: dict[int, int], blamed: dict[int, int]
    ) -> tuple[int, int]:
        """Find after how many levels a group can be computed, and which group without need makes it so late, or −1."""
        group, found = self.groups[number], (0, -1)
        axis = self.axes.get(number)
        along = {id(ref) for ref, _, _ in list_reads(group, axis)} if axis is not None else set()
        for read in [ref for ref in group.refs() if ref.group not in members]:
            first = self.first_of.get(read.group)
            if first is None:
                found = max(found, (stages[read.group], blamed[read.group]))
            elif id(read) in along:
                found = max(found, (levels[first], blamed[first]))
            else:  # an array of all steps that is there at once, were it not stepwise
                at_once = levels[first] and all(loop.start != first for loop in self.loops) and not self._is_sum(first)
                found = max(found, (levels[first] + 1, first if at_once else -1))
        return found

    def _is_sum(self, number: int) -> bool:
        """Whether it is a sum over steps."""
        return self.axes[number] >= len(self.groups[number].shape)

    def _turn(self, directions: dict[int, int], levels: dict[int, int]) -> None:
        """Let the rows of all arrays be in the order in which they are computed."""
        turned = {
            number
            for number in self.axes
            if (directions[self.first_of[number]] > 0) == bool(levels[self.first_of[number]])
            and not self._is_sum(number)
        }
        readers = [*self.groups, *[Group("map", (), operands=(output.ref,)) for output in self.program.outputs]]
        flat = {ref.group for group in readers for ref in group.refs() if ref.flat}
        for number in turned:
            if (
                number in flat
                or self.groups[number].initial
                or self.first_of[number] != number
                or number in self.program.find_loops()
            ):
                self._exclude(number)
            directions[number] *= -1
        turn_rows(self.program, turned)

    # ---------------------------------------------------------------------------------------------------- times

    def _find_times(self, directions: dict[int, int], levels: dict[int, int]) -> dict[int, int]:
        """Find the time of the first computed row of each class."""
        orders = []
        for number in self.axes:
            for read, offset, _ in self._list_reads(number):
                mine, other = self.first_of[number], self.first_of[read]
                distance = directions[other] * (offset - len(self.groups[read].initial))
                orders.append(_Order(mine, other, distance) if not levels[other] else _Order(other, mine, -distance))
        times = self._relax(orders)
        fixed = {loop.start for loop in self.loops}
        firsts = sorted(set(self.first_of.values()))
        late = [first for first in firsts if levels[first]]
        for first in [*late, *reversed([first for first in firsts if not levels[first]])]:
            if first in fixed and first in times:
                continue
            ends = [
                times[order.later] - order.distance
                for order in orders
                if order.earlier == first and order.later != first and order.later in times
            ]
            if ends:
                times[first] = min(ends)
        for first in firsts:
            if first not in times:
                self._exclude(first)
        for order in orders:
            if times[order.later] < times[order.earlier] + order.distance:
                self._exclude(order.later if order.later != self.anchor else order.earlier)
        return times

    def _relax(self, orders: list[_Order]) -> dict[int, int]:
        """Find the least times that fulfil the orders, where the anchor is at 0."""
        times, raised = {self.anchor: 0}, None
        for _ in range(len(self.axes) + 1):
            raised = None
            for order in orders:
                if order.earlier in times:
                    least = times[order.earlier] + order.distance
                    if order.later not in times or times[order.later] < least:
                        times[order.later], raised = least, order
            if raised is None or times[self.anchor] > 0:
                break
        if raised is not None:  # they go round in a circle
            self._exclude(raised.earlier if raised.later == self.anchor else raised.later)
        return times
