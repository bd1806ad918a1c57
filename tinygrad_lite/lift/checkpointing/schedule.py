"""The parts of a program that keeps checkpoints, and the order in which they run.

With T steps in segments of q: the forward steps run segment by segment, and of each segment only the rows are kept that
its first steps read. Backwards, each segment's forward steps are computed again from these, then its part of the
derivative. At any time the rows of one segment are there, and T/q checkpoints: of the order of √T for q ≈ √T, for one
more computation of the forward steps (Chen et al. 2016, "Training deep nets with sublinear memory cost"). The steps at
either end, and those that are too few for a segment, keep their rows.

    before   groups that need no step
    level 0  first steps, segments, last steps
    between  what needs all steps, as a loss
    level 1  the same backwards: last steps, segments from the last to the first, first steps
    after    what needs all of that
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.checkpointing.parts import Before, Part, Rows, Span, UnmovableError, Window, make_part
from tinygrad_lite.lift.checkpointing.timeline import Timeline, UnsuitableError, find_timeline
from tinygrad_lite.lift.ir.groups import Groups

#: Fewer segments are not worth it.
_LEAST_SEGMENTS = 2
_FAR = 10**12


@dataclass(eq=False)
class Level:
    """The parts of one direction through the steps.

    Attributes:
        first: The steps before the segments.
        segment: One segment.
        last: The steps behind the segments.
        before: Of which groups a segment is given rows, and gives them on.
        whole: Of which groups all rows are kept.
        sums: The sums over steps.
        times: Of the segments: the first, and that behind the last.
    """

    first: Part
    segment: Part
    last: Part
    before: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    times: tuple[int, int] = (0, 0)


@dataclass(eq=False)
class Schedule:
    """A program in parts.

    Attributes:
        timeline: The program.
        steps: How many steps a segment has.
        segments: How many there are.
        start: The time of the first of their steps.
        stages: The parts without steps: before, between and after the levels.
        levels: One, or two where it goes backwards as well.
    """

    timeline: Timeline
    steps: int
    segments: int
    start: int
    stages: list[Part] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)

    def describe(self) -> str:
        """Say in words which steps are kept."""
        return f"{self.segments} segments of {self.steps} steps: the rows between two of them are kept"


def make_schedule(program: Groups, checkpoint: bool | int) -> Schedule:
    """Divide a program into parts.

    Args:
        program: A valid program.
        checkpoint: How many steps a segment has; True for about √T.

    Raises:
        LiftError: It has no loop for which that can be done.
    """
    excluded: set[int] = set()
    while True:
        try:
            timeline = find_timeline(program, excluded)
            return _Planner(timeline, checkpoint).plan()
        except UnsuitableError as error:
            raise LiftError(
                f"checkpoint={checkpoint!r} is for programs with a loop over time, whose steps are computed again "
                f"segment by segment, and this one cannot be divided: {error}. Lift it without checkpoint."
            ) from None
        except UnmovableError as error:
            excluded |= timeline.find_origins(error.group)


def read_checkpoint(checkpoint: bool | int) -> dict[str, bool | int]:
    """Make an option of what the user gives.

    Raises:
        LiftError: It is no number of steps.
    """
    if not isinstance(checkpoint, int) or checkpoint < 0:
        raise LiftError(f"checkpoint is True, False or a number of steps, not {checkpoint!r:.80}")
    return {"checkpoint": checkpoint} if checkpoint else {}


class _Planner:
    def __init__(self, timeline: Timeline, checkpoint: bool | int) -> None:
        self.timeline = timeline
        self.scales = timeline.scales
        self.rows: dict[int, list[Rows]] = {}
        self.wanted: set[int] = set()
        lag = max(scale.lag for scale in self.scales.values())
        ends = [scale.computed for scale in self.scales.values()]
        start = max(end[0] for end in ends) + 1 + lag
        count = min(end[1] for end in ends) - lag - start
        steps = math.isqrt(max(count, 1) - 1) + 1 if checkpoint is True else int(checkpoint)
        steps = max(steps, lag, 1)
        if count < _LEAST_SEGMENTS * steps:
            raise UnsuitableError(f"{max(count, 0)} of its steps are alike, fewer than two segments of {steps}")
        self.schedule = Schedule(timeline, steps, count // steps, start)

    def plan(self) -> Schedule:
        """Make all parts, from the last to the first: each is asked for what the later ones read."""
        groups, outputs = self.timeline.program.groups, self.timeline.program.outputs
        depth = max(scale.level for scale in self.scales.values()) + 1
        for stage in range(depth, -1, -1):
            members = {
                number
                for number, after in self.timeline.stages.items()
                if after == stage and groups[number].kind not in ("input", "constant")
            }
            results = [Rows(number) for number in sorted(self.wanted & members)]
            made = make_part(self.timeline, members, results, outputs=outputs if stage == depth else ())
            self.schedule.stages.insert(0, self._ask(made))
            if stage:
                self.schedule.levels.insert(0, self._plan_level(stage - 1))
        return self.schedule

    def _plan_level(self, number: int) -> Level:
        """Make the parts of one direction through the steps."""
        members = {group for group, scale in self.scales.items() if scale.level == number}
        sums = [group for group in sorted(members & self.wanted) if self.timeline.is_sum(group)]
        arrays = [group for group in sorted(members) if not self.timeline.is_sum(group)]
        before = [group for group in arrays if self.scales[group].lag]
        steps, low = self.schedule.steps, self.schedule.start
        high = low + steps * self.schedule.segments
        spans = [Span(-_FAR, low, first=True), Span(low, low + steps, self.schedule.segments, steps), Span(high, _FAR)]
        if number:
            spans = [
                Span(high, _FAR, first=True),
                Span(high - steps, high, spans[1].segments, -steps),
                Span(-_FAR, low),
            ]

        def count_first(group: int) -> int:
            return self.scales[group].find_rows(spans[0].start, spans[0].stop)[1]

        added = [Rows(group) for group in sums]
        ends = [self._find_end(group, count_first(group)) for group in arrays]
        last = [end for end in ends if self._is_read(end)]
        parts = [self._ask(make_part(self.timeline, members, [*added, *last], spans[2]))]
        whole = [group for group in arrays if self._needs_all(group, count_first(group))]
        rows = [Rows(group, *self.scales[group].find_rows(spans[1].start, spans[1].stop)) for group in whole]
        passed = [Before(group) for group in before]
        again = members if not number else members | {group for group, scale in self.scales.items() if not scale.level}
        parts.append(self._ask(make_part(self.timeline, again, [*added, *passed, *rows], spans[1])))
        begins = [Rows(group, 0, count_first(group)) for group in arrays]
        first = [begin for begin in begins if begin.group in before or self._is_read(begin)]
        parts.append(self._ask(make_part(self.timeline, members, [*added, *first], spans[0])))
        return Level(parts[2], parts[1], parts[0], before, whole, sums, (low, high))

    def _find_end(self, group: int, first: int) -> Rows:
        """Find the rows behind the segments."""
        return Rows(group, first + self.schedule.steps * self.schedule.segments, self.scales[group].rows)

    def _is_read(self, rows: Rows) -> bool:
        """Whether some of these rows are read in other parts."""
        assert rows.high is not None
        return any(rows.low < (read.high or 0) and read.low < rows.high for read in self.rows.get(rows.group, ()))

    def _needs_all(self, group: int, first: int) -> bool:
        """Whether rows of the segments are read in other parts, but for the last ones, which are given on."""
        return self._is_read(Rows(group, first, self._find_end(group, first).low - self.scales[group].lag))

    def _ask(self, part: Part) -> Part:
        """Note what a part reads."""
        for request in part.requests:
            if isinstance(request, Before):
                continue
            group = request.group
            if group not in self.scales or self.timeline.is_sum(group):
                self.wanted.add(group)
                continue
            high = self.scales[group].rows
            rows = Rows(group, 0, high) if isinstance(request, Window) else request
            self.rows.setdefault(group, []).append(rows)
        return part
