"""Whom the statements of a stretch read, as the steps go on: a law for each operand, which holds at every step.

A law says that an operand is always the same array, at places that move along; or the row of a stretch, this one or
another, that goes along with the step, or against it; or a constant of the step's own. Where a law does not hold at the
first or the last steps, the stretch is shortened by these; where there is none, the stretch is no loop.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_lite.lift.ir.groups import Booleans, Group, Groups, Loop, Ref
from tinygrad_lite.lift.steps.stretches import Stretch
from tinygrad_lite.lift.steps.trace_order import describe

#: So many places are tried for the begin of a step.
_MOST_STARTS = 64


@dataclass(frozen=True)
class Law:
    """What one operand of a statement reads, step by step.

    Attributes:
        refs: At each step.
        stretch: The number of the stretch whose rows it reads; −1 where all steps read the same group, or constants.
        column: Which statement of that stretch's body.
        first: Which step of that stretch it reads at step 0; negative: before its first.
        pace: By how many steps that grows from step to step.
    """

    refs: tuple[Ref, ...]
    stretch: int = -1
    column: int = 0
    first: int = 0
    pace: int = 0

    def find_rows(self, steps: int) -> list[int]:
        """List the steps of the stretch that are read."""
        return [self.first + self.pace * step for step in range(steps)]


class Listing:
    """The statements of a program in an order, and what each of them reads."""

    def __init__(self, program: Groups, order: Sequence[int]) -> None:
        self.program = program
        self.order = order
        self.place = {number: place for place, number in enumerate(order)}
        self.refs = [tuple(program.groups[number].refs()) for number in order]
        self.loops = program.find_loops()

    def get_group(self, place: int) -> Group:
        """Get the statement at a place."""
        return self.program.groups[self.order[place]]

    def describe(self) -> list[Hashable]:
        """Say of each statement what it is, and where in a loop it stands."""
        found: list[Hashable] = []
        for number in self.order:
            loop = self.loops.get(number)
            place = None if loop is None else (number - loop.start, loop.stop - number, loop.steps)
            found.append((describe(self.program.groups[number]), place))
        return found

    def find_loop(self, place: int) -> Loop | None:
        """Find the loop that the statement at a place is in."""
        return self.loops.get(self.order[place])

    def is_whole(self, place: int) -> bool:
        """Whether a statement can have no rows before the first step of a stretch that it is in."""
        return bool(self.find_loop(place) or self.program.groups[self.order[place]].initial)

    def choose_start(self, stretch: Stretch) -> Stretch | None:
        """Let a step begin where it hands over least to the next; as late as may be, as the last one is whole."""
        for steps, spare in ((stretch.steps, stretch.spare), (stretch.steps - 1, stretch.spare + stretch.period)):
            starts = [stretch.start + more for more in range(min(spare, _MOST_STARTS) + 1)]
            starts = [start for start in starts if not self._cuts_loop(start)]
            if starts:
                start = min(starts, key=lambda start: (*self._count_carried(start, stretch.period), -start))
                return Stretch(start, stretch.period, steps)
        return None

    def _cuts_loop(self, place: int) -> bool:
        """Whether a loop begins before a place, and ends behind it."""
        loop = self.find_loop(place)
        return loop is not None and loop.start < self.order[place]

    def _count_carried(self, start: int, period: int) -> tuple[int, int]:
        """Count the statements of one step that the next one reads: those that cannot be handed over, and all."""
        second = range(start + period, start + 2 * period)
        read = {self.place.get(ref.group, -1) for place in second for ref in self.refs[place]}
        carried = [place for place in read if start <= place < start + period]
        return sum(self.is_whole(place) for place in carried), len(carried)

    def shifts_along(self, place: int, period: int) -> bool:
        """Whether what a statement and the two after it in these distances read shifts along."""
        three = (self.refs[place + k * period] for k in range(3))
        return all(self._shifts(*refs) for refs in zip(*three, strict=True))

    def _shifts(self, a: Ref, b: Ref, c: Ref) -> bool:
        if a.group == b.group == c.group:
            return True
        places = [self.place.get(ref.group, -1) for ref in (a, b, c)]
        if min(places) < 0:
            groups = [self.program.groups[ref.group] for ref in (a, b, c)]
            return {group.kind for group in groups} == {"constant"} and len({group.shape for group in groups}) == 1
        return places[2] - places[1] == places[1] - places[0] and _have_equal_offsets((a, b, c))


def _can_join_places(refs: Sequence[Ref]) -> bool:
    """Whether places that all steps read in one group can be one index each, of the step too."""
    for indices in zip(*[ref.index for ref in refs], strict=True):
        distances = np.diff([index.offset for index in indices])
        regular = (distances == distances[0]).all()
        if distances.any() and (indices[0].table is not None or not (regular or not indices[0].steps)):
            return False
        if distances.any() and refs[0].flat:
            return False
    return True


def _is_present(group: Group, refs: Sequence[Ref]) -> bool:
    """Whether the graph has all elements of the parts of a group that steps read, where these are parts of it."""
    if group.present is None or _have_equal_offsets(refs):
        return True
    moving = [
        len({index.offset for index in indices}) > 1 for indices in zip(*[ref.index for ref in refs], strict=True)
    ]
    if any(moves and index.steps for moves, index in zip(moving, refs[0].index, strict=True)):
        return bool(group.present.all())
    present: Booleans = group.present
    parts = [tuple([i.offset if m else slice(None) for i, m in zip(r.index, moving, strict=True)]) for r in refs]
    return all(np.all(present[part]) for part in parts)


def _have_equal_offsets(refs: Sequence[Ref]) -> bool:
    return len({tuple([index.offset for index in ref.index]) for ref in refs}) == 1


def fit_laws(listing: Listing, stretches: Sequence[Stretch]) -> tuple[Stretch, list[list[Law]]] | None:
    """Find the laws of the last of some stretches, by statement and operand, for as many steps as follow them."""
    *others, stretch = stretches
    while stretch.is_worthwhile():
        laws: list[list[Law]] = []
        ends = (0, 0)
        for column in range(stretch.period):
            places = range(stretch.start + column, stretch.stop, stretch.period)
            slots = zip(*[listing.refs[place] for place in places], strict=True)
            row: list[Law] = []
            for refs in slots:
                law = _fit_law(listing, [*others, stretch], column, refs)
                if law is None:
                    return None
                row.append(law)
                first, last = _find_steps_without(listing, law, others, stretch)
                ends = max(ends[0], first), max(ends[1], last)
            laws.append(row)
        if ends == (0, 0):
            return (stretch, laws) if _can_read_initial(listing, [*others, stretch], laws) else None
        start = stretch.start + ends[0] * stretch.period
        stretch = Stretch(start, stretch.period, stretch.steps - sum(ends))
    return None


def _fit_law(listing: Listing, stretches: Sequence[Stretch], column: int, refs: Sequence[Ref]) -> Law | None:
    own = stretches[-1]
    if all(ref.group == refs[0].group for ref in refs):
        if own.start <= listing.place.get(refs[0].group, -1) < own.stop:
            return Law(tuple(refs), len(stretches) - 1)
        group = listing.program.groups[refs[0].group]
        return Law(tuple(refs)) if _can_join_places(refs) and _is_present(group, refs) else None
    if refs[0].flat:
        return None
    places = [listing.place.get(ref.group, -1) for ref in refs]
    if min(places) < 0:
        return Law(tuple(refs))  # constants
    distances = np.diff(places)
    if (distances != distances[0]).any():
        return None
    inside = [
        number for number, other in enumerate(stretches) if any(other.start <= place < other.stop for place in places)
    ]
    if not inside:
        return None
    number = inside[-1]
    other = stretches[number]
    if distances[0] % other.period:
        return None
    read, first = other.split(places[0])
    pace = int(distances[0]) // other.period
    if other is own and (pace != 1 or first > 0 or (first == 0 and read >= column)):
        loop = listing.find_loop(own.start + column)  # within a loop an earlier step of it may be read
        if pace != 1 or first or loop is None or listing.find_loop(own.start + read) is not loop:
            return None
    return Law(tuple(refs), number, read, first, pace)


def _find_steps_without(listing: Listing, law: Law, others: Sequence[Stretch], stretch: Stretch) -> tuple[int, int]:
    """Find how many of the first and of the last steps read rows that another stretch has not, and cannot have.

    That is rows behind its last; of a loop within it, or an array that has initial rows, those before its first, too.
    """
    if law.stretch < 0:
        return 0, 0
    if law.stretch == len(others):  # what all steps read must not be computed in one of them
        return int(law.pace == 0), 0
    other = others[law.stretch]
    whole = listing.is_whole(other.start + law.column)
    missing = [row >= other.steps or (row < 0 and whole) for row in law.find_rows(stretch.steps)]
    first = missing.index(False) if False in missing else len(missing)
    return first, missing[::-1].index(False) if False in missing else 0


def _can_read_initial(listing: Listing, stretches: Sequence[Stretch], laws: Sequence[Sequence[Law]]) -> bool:
    """Whether what is read before the first step of a stretch can be rows of the same array."""
    steps = stretches[-1].steps
    for law in (law for row in laws for law in row if law.stretch >= 0):
        other = stretches[law.stretch]
        like = listing.get_group(other.start + law.column)
        for step in law.find_rows(steps):
            place = other.start + law.column + step * other.period
            if step < 0 and (place < 0 or not _fits(listing.get_group(place), like)):
                return False
            if step < 0 and listing.is_whole(other.start + law.column):
                return False
    return True


def _fits(group: Group, like: Group) -> bool:
    same = (group.present is None) == (like.present is None)
    if same and group.present is not None and like.present is not None:
        same = np.array_equal(group.present, like.present)
    return same and group.shape == like.shape and group.batched == like.batched
