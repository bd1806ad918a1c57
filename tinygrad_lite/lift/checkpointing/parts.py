"""Parts of a program: some rows of some groups as a program of its own, which is given the rest.

A part computes rows of stepwise groups, or groups that are not stepwise. What it reads besides is its input: arrays, or
rows of them. A part of a *segment* is run for one segment of the steps after the other; it is the same for all, and so
its inputs move along.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinygrad_lite.lift.checkpointing.step_sums import find_along, list_reads, map_refs
from tinygrad_lite.lift.checkpointing.timeline import Timeline
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Integers, Loop, Output, Ref, Term, all_of


@dataclass(frozen=True)
class Rows:
    """Some rows of a group, or all of it.

    Attributes:
        group: The number of the group.
        low: The first row.
        high: That behind the last; None for all of a group that is not stepwise.
    """

    group: int
    low: int = 0
    high: int | None = None


@dataclass(frozen=True)
class Before:
    """The rows of a group that belong to the steps before a segment, as many as its lag."""

    group: int


@dataclass(frozen=True, eq=False)
class Moving:
    """What a segment reads along one axis of an array.

    Attributes:
        start: The first place that the first segment reads.
        stride: By how much that grows from segment to segment.
        length: How many places.
        table: The places themselves, a row for each segment, if they follow no such law.
    """

    start: int = 0
    stride: int = 0
    length: int = 0
    table: Integers | None = None


@dataclass(frozen=True, eq=False)
class Window:
    """What a segment reads of an array that does not belong to it.

    Attributes:
        group: The number of the group.
        axes: Where along each of its axes; None for all of it.
    """

    group: int
    axes: tuple[Moving | None, ...]


Request = Rows | Before | Window


@dataclass(frozen=True)
class Span:
    """A range of times, of the first segment if there are several.

    Attributes:
        start: The first time.
        stop: The time behind the last.
        segments: How many follow, each as long; 1 for a part that is no segment.
        by: By how much the times grow from one to the next: the length, or minus it.
        first: Whether the groups begin here: their initial rows are those of the program.
    """

    start: int
    stop: int
    segments: int = 1
    by: int = 0
    first: bool = False


@dataclass(eq=False)
class Part:
    """A program of its own.

    Attributes:
        program: Its groups.
        requests: What its inputs are.
        results: What its results are.
    """

    program: Groups
    requests: list[Request]
    results: list[Rows | Before]


@dataclass
class _Local:
    """A group that a part computes.

    Attributes:
        low: The row that is the first one here.
        high: That behind the last.
        start: The coordinate, in the program, of the first that is computed.
        count: How many are computed.
    """

    low: int
    high: int
    start: int
    count: int


def make_part(
    timeline: Timeline,
    members: Collection[int],
    results: Sequence[Rows | Before],
    span: Span | None = None,
    outputs: Sequence[Output] = (),
) -> Part:
    """Make a part of a program.

    Args:
        timeline: The program.
        members: The groups that it may compute; only those that are needed are.
        results: What is wanted of it.
        span: Of stepwise groups the times.
        outputs: Further results, of the whole program.
    """
    return _PartMaker(timeline, members, span).make(results, outputs)


class _PartMaker:
    def __init__(self, timeline: Timeline, members: Collection[int], span: Span | None) -> None:
        self.timeline = timeline
        self.groups = timeline.program.groups
        self.members = members
        self.span = span
        self.requests: list[Request] = []
        self.front: list[Group] = []
        self.known: dict[object, int] = {}
        self.local: dict[int, _Local] = {}

    def make(self, results: Sequence[Rows | Before], outputs: Sequence[Output]) -> Part:
        loops = [loop for loop in self.timeline.program.loops if loop.start in self.members]
        wanted = {result.group for result in results} | {output.ref.group for output in outputs} & set(self.members)
        chosen = self._find_needed(wanted, loops)
        for number in chosen:
            if number in self.timeline.scales:
                self.local[number] = self._locate(number, 0)
        made = [self._make_group(number) for number in chosen]
        given = [self._read(output.ref, output.shape or ()) for output in outputs]
        count, place = len(self.front), {number: k for k, number in enumerate(chosen)}

        def move(ref: Ref) -> Ref:
            return replace(ref, group=ref.group if ref.group >= 0 else count + place[-1 - ref.group])

        program = Groups([*self.front, *[_map_all(group, move) for group in made]])
        program.inputs = [number for number, group in enumerate(self.front) if group.kind == "input"]
        for loop in loops:
            if loop.start in place:
                first = self.local.get(loop.start)
                steps = loop.steps if first is None else first.count
                start = count + place[loop.start]
                program.loops.append(Loop(start, start + loop.stop - loop.start, steps))
        for result in results:
            program.outputs.append(self._make_output(program, result, count + place[result.group]))
        program.outputs += [replace(output, ref=move(ref)) for output, ref in zip(outputs, given, strict=True)]
        return Part(program, self.requests, list(results))

    def _find_needed(self, wanted: set[int], loops: Sequence[Loop]) -> list[int]:
        """List the members that are needed, in order."""
        inside = {number: loop for loop in loops for number in range(loop.start, loop.stop)}
        needed = set(wanted)
        pending = list(needed)
        while pending:
            number = pending.pop()
            loop = inside.get(number)
            reads = [ref.group for ref in self._list_computed_reads(number)]
            for other in [*reads, *(range(loop.start, loop.stop) if loop else ())]:
                if other in self.members and other not in needed:
                    needed.add(other)
                    pending.append(other)
        return sorted(needed)

    def _list_computed_reads(self, number: int) -> list[Ref]:
        """List the references that may be to what this part computes."""
        group, scale = self.groups[number], self.timeline.scales.get(number)
        return list(group.refs()) if scale is None else [ref for ref, _, _ in list_reads(group, scale.axis)]

    def _locate(self, number: int, segment: int) -> _Local:
        """Find which rows of a stepwise group are computed."""
        assert self.span is not None
        scale, shift = self.timeline.scales[number], segment * self.span.by
        low, high = scale.find_rows(self.span.start + shift, self.span.stop + shift)
        if self.timeline.is_sum(number):
            return _Local(low, high, low, high - low)
        if self.span.first:
            return _Local(0, high, 0, high - scale.initial)
        return _Local(low - scale.lag, high, low - scale.initial, high - low)

    # ---------------------------------------------------------------------------------------------- its groups

    def _make_group(self, number: int) -> Group:
        group, scale = self.groups[number], self.timeline.scales.get(number)
        cleared = replace(group, name="", nodes=None)
        if scale is None:
            sizes = group.grid
            return self._map_refs(cleared, lambda ref, term: self._read(ref, (*sizes, *term)))
        assert self.span is not None
        local, axis = self.local[number], scale.axis

        def read(ref: Ref, term: tuple[int, ...]) -> Ref:
            sizes = [*group.grid, *term]
            sizes[axis] = local.count
            return self._read_stepwise(number, ref, sizes)

        made = self._map_refs(cleared, read)
        if self.timeline.is_sum(number):
            (term,) = made.terms
            reduced = list(term.reduced)
            reduced[axis - len(group.shape)] = local.count
            return replace(made, terms=(replace(term, reduced=tuple(reduced)),))
        made.shape = (local.high - local.low, *group.shape[1:])
        if group.present is not None:
            made.present = group.present[local.low : local.high]
        if not self.span.first and scale.lag:
            given = self._request(Before(number), Group("input", (scale.lag, *group.shape[1:]), batched=group.batched))
            rest = tuple([Index(0, ((k, 1),)) for k in range(len(group.shape) - 1)])
            made.initial = tuple([Ref(given, (Index(row), *rest)) for row in range(scale.lag)])
        elif not self.span.first:
            made.initial = ()
        return made

    def _map_refs(self, group: Group, read: Callable[[Ref, tuple[int, ...]], Ref]) -> Group:
        terms = [
            replace(term, factors=tuple([read(ref, term.reduced) for ref in term.factors])) for term in group.terms
        ]
        begins = self.span is None or self.span.first
        initial = [self._read(ref, group.shape[1:]) for ref in group.initial] if begins else []
        return replace(
            group,
            operands=tuple([read(ref, ()) for ref in group.operands]),
            terms=tuple(terms),
            initial=tuple(initial),
        )

    def _read_stepwise(self, number: int, ref: Ref, sizes: Sequence[int]) -> Ref:
        """Read something from a stepwise group, whose rows are others here than in the program."""
        scale, local = self.timeline.scales[number], self.local[number]
        along = find_along(ref, scale.axis)
        if along is not None and ref.group in self.local:
            offset = along[0] + along[1] * local.start - self.local[ref.group].low
            return Ref(-1 - ref.group, (Index(offset, ref.index[0].steps), *ref.index[1:]))
        moves = any(scale.axis in index.depends_on() for index in ref.index)
        if moves and self.span is not None and self.span.segments > 1:
            return self._read_window(number, ref, sizes)
        shifted = [_restrict(index, scale.axis, local.start, local.count) for index in ref.index]
        return self._read(replace(ref, index=tuple(shifted)), sizes)

    def _read(self, ref: Ref, sizes: Sequence[int]) -> Ref:
        """Read something that does not move, or in a part that is no segment."""
        group = self.groups[ref.group]
        if ref.group in self.members and ref.group not in self.timeline.scales:
            return replace(ref, group=-1 - ref.group)
        if group.kind == "constant":
            return replace(ref, group=self._add_constant(ref.group))
        if ref.group not in self.timeline.scales or self.timeline.is_sum(ref.group):
            given = Group("input", group.shape, batched=group.batched, path=group.path)
            return replace(ref, group=self._request(Rows(ref.group), given))
        low, high = (0, group.shape[0]) if ref.flat else _find_range(ref.index[0], sizes)
        given = Group("input", (high - low, *group.shape[1:]), batched=group.batched)
        number = self._request(Rows(ref.group, low, high), given)
        if ref.flat:
            return replace(ref, group=number)
        return replace(ref, group=number, index=(_move_places(ref.index[0], -low), *ref.index[1:]))

    def _read_window(self, number: int, ref: Ref, sizes: Sequence[int]) -> Ref:
        """Read what moves along with the segments."""
        assert self.span is not None
        axis, local = self.timeline.scales[number].axis, self.local[number]
        starts = [self._locate(number, segment).start for segment in range(self.span.segments)]
        source = self.groups[ref.group]
        limits = (source.size,) if ref.flat else source.shape
        shape, indices = list[int](), list[Index]()
        moving: list[Moving | None] = []
        for index, limit in zip(ref.index, limits, strict=True):
            if axis not in index.depends_on():
                shape.append(limit)
                moving.append(None)
                indices.append(index)
            elif index.table is not None:
                if index.axes != (axis,):
                    raise UnmovableError(number)
                rows = np.stack([index.table[start : start + local.count] for start in starts])
                shape.append(local.count)
                moving.append(Moving(table=rows))
                indices.append(Index(0, ((axis, 1),)))
            else:
                first = _restrict(index, axis, starts[0], local.count)
                low, high = _find_range(first, sizes)
                shape.append(high - low)
                stride = dict(index.steps)[axis] * (starts[1] - starts[0])
                moving.append(Moving(low, stride, high - low))
                indices.append(replace(first, offset=first.offset - low))
        if ref.flat:
            raise UnmovableError(number)
        given = Group("input", tuple(shape), batched=source.batched)
        return Ref(self._request(Window(ref.group, tuple(moving)), given), tuple(indices))

    def _request(self, request: Request, group: Group) -> int:
        key = _describe(request)
        if key not in self.known:
            self.known[key] = len(self.front)
            self.front.append(group)
            self.requests.append(request)
        return self.known[key]

    def _add_constant(self, number: int) -> int:
        if number not in self.known:
            self.known[number] = len(self.front)
            self.front.append(replace(self.groups[number], name="", nodes=None))
        return self.known[number]

    # --------------------------------------------------------------------------------------------- its results

    def _make_output(self, program: Groups, result: Rows | Before, number: int) -> Output:
        number = _clear_absent(program, number)
        group = program.groups[number]
        ref, shape = all_of(number, len(group.shape)), group.shape
        low = 0
        if isinstance(result, Before):
            lag = self.timeline.scales[result.group].lag
            low, shape = shape[0] - lag, (lag, *shape[1:])
        elif result.high is not None:
            low = result.low - self.local[result.group].low
            shape = (result.high - result.low, *shape[1:])
        if low:
            ref = replace(ref, index=(Index(low, ((0, 1),)), *ref.index[1:]))
        return Output(shape, ref, group.batched)


class UnmovableError(Exception):
    """A group reads places for which there is no law from segment to segment."""

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group


def _clear_absent(program: Groups, number: int) -> int:
    """Put 0 where the graph has no number, so that others may read the array."""
    group = program.groups[number]
    if group.present is None or group.present.all() or not group.shape:
        return number
    axes = tuple(range(len(group.shape)))
    term = Term((all_of(number, len(axes)),), mask=group.present.reshape(group.shape), axes=axes)
    program.groups.append(Group("sum", group.shape, terms=(term,), batched=group.batched))
    return len(program.groups) - 1


def _restrict(index: Index, axis: int, start: int, count: int) -> Index:
    """Make an index one of so many places of an axis, from one on."""
    if axis not in index.depends_on():
        return index
    if index.table is not None:
        return replace(index, table=index.table.take(range(start, start + count), axis=index.axes.index(axis)))
    return replace(index, offset=index.offset + dict(index.steps)[axis] * start)


def _move_places(index: Index, distance: int) -> Index:
    if index.table is not None:
        return replace(index, table=index.table + distance)
    return replace(index, offset=index.offset + distance)


def _find_range(index: Index, sizes: Sequence[int]) -> tuple[int, int]:
    """Find the range of the places that an index reads."""
    if index.table is not None:
        return int(index.table.min()), int(index.table.max()) + 1
    reach = [step * (sizes[axis] - 1) for axis, step in index.steps]
    low = index.offset + sum(min(distance, 0) for distance in reach)
    return low, index.offset + sum(max(distance, 0) for distance in reach) + 1


def _describe(request: Request) -> object:
    if not isinstance(request, Window):
        return request
    return (
        request.group,
        *[
            None
            if moving is None
            else (moving.start, moving.stride, moving.length, None if moving.table is None else moving.table.tobytes())
            for moving in request.axes
        ],
    )


def _map_all(group: Group, change: Callable[[Ref], Ref]) -> Group:
    return replace(map_refs(group, change), initial=tuple([change(ref) for ref in group.initial]))
