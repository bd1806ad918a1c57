"""Programs that keep checkpoints, on every engine: each part is a program for the engine, and here is who calls whom.

On NumPy and numba, Python calls the parts, segment by segment. On JAX the segments are the steps of ``lax.scan``, and
the whole is compiled as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lite.lift.checkpointing.parts import Before, Moving, Part, Request, Rows
from tinygrad_lite.lift.checkpointing.schedule import Level, Schedule
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.ir.groups import Groups

Run = Callable[[list[Any]], list[Any]]
#: What a segment is given and gives on: arrays by number of the group; ~number for rows that are kept.
State = dict[int, Any]


def build(engine: str, program: Groups, schedule: Schedule, options: Mapping[str, Any]) -> Run:
    """Make a function of the input groups' arrays, which gives the outputs' arrays.

    Args:
        engine: What runs it.
        program: A valid program.
        schedule: Its parts (:func:`~tinygrad_lite.lift.checkpointing.schedule.make_schedule`).
        options: For the engine.

    Raises:
        ImportError: The engine's library is not installed.
    """
    if engine != "jax":
        return _Run(schedule, lambda part: registry.build(engine, part, dict(options)), _OnNumPy())
    from tinygrad_lite.lift.engines import jax_engine

    dtype = options.get("dtype", "float64")
    run = _Run(schedule, lambda part: jax_engine.make_function(part, dtype), _OnJax())
    return jax_engine.compile_function(run, program, **options)


class _OnNumPy:
    """Segments one after the other, in Python."""

    def scan(self, step: Callable[[State, int], tuple[State, State]], state: State, count: int) -> tuple[State, State]:
        """Run a step so many times; give the last state, and what each gave, one behind the other."""
        kept: State = {}
        for number in range(count):
            state, given = step(state, number)
            for group, array in given.items():
                if group not in kept:
                    kept[group] = np.empty((count, *array.shape))
                kept[group][number] = array
        return state, kept

    def take(self, array: Any, axis: int, moving: Moving, number: Any) -> Any:
        """Take the places of one axis that a segment reads."""
        if moving.table is not None:
            return array.take(moving.table[number], axis=axis)
        start = moving.start + moving.stride * number
        return array[(slice(None),) * axis + (slice(start, start + moving.length),)]

    def copy(self, array: Any) -> Any:
        """Make an array of its own: a view would keep all that it is a part of."""
        return np.array(array)

    concatenate = staticmethod(np.concatenate)
    moveaxis = staticmethod(np.moveaxis)


class _OnJax:
    """Segments as the steps of ``lax.scan``."""

    def __init__(self) -> None:
        from tinygrad_lite.lift.engines.jax_library import import_jax

        self.jax = import_jax()
        self.concatenate = self.jax.numpy.concatenate
        self.moveaxis = self.jax.numpy.moveaxis

    def scan(self, step: Callable[[State, Any], tuple[State, State]], state: State, count: int) -> tuple[State, State]:
        """As on NumPy."""
        found: tuple[State, State] = self.jax.lax.scan(step, state, self.jax.numpy.arange(count))
        return found

    def take(self, array: Any, axis: int, moving: Moving, number: Any) -> Any:
        """As on NumPy."""
        if moving.table is not None:
            return self.jax.numpy.take(array, self.jax.numpy.asarray(moving.table)[number], axis=axis)
        start = moving.start + moving.stride * number
        return self.jax.lax.dynamic_slice_in_dim(array, start, moving.length, axis)

    def copy(self, array: Any) -> Any:
        """Arrays of JAX's are their own."""
        return array


class _Run:
    """A program in parts as a function of arrays."""

    def __init__(self, schedule: Schedule, build_part: Callable[[Groups], Run], backend: _OnNumPy | _OnJax) -> None:
        self.schedule = schedule
        self.backend = backend
        self.functions: dict[int, Run] = {}
        for level in schedule.levels:
            for part in (level.first, level.segment, level.last):
                self.functions[id(part)] = build_part(part.program)
        for part in schedule.stages:
            if part.program.outputs:
                self.functions[id(part)] = build_part(part.program)

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """Compute the results."""
        program = self.schedule.timeline.program
        call = _Call(self, dict(zip(program.inputs, arrays, strict=True)))
        for stage, part in enumerate(self.schedule.stages):
            found = call.run(part)
            if stage < len(self.schedule.levels):
                call.run_level(self.schedule.levels[stage])
        return found


class _Call:
    """One call.

    Attributes:
        whole: The arrays of groups that are not stepwise, of sums, and of what all rows are kept of.
        pieces: Rows of stepwise groups that are kept: from which row on, and the array.
        saved: Of each segment what the one before it has handed over.
    """

    def __init__(self, run: _Run, whole: dict[int, Any]) -> None:
        self.functions = run.functions
        self.backend = run.backend
        self.schedule = run.schedule
        self.timeline = run.schedule.timeline
        self.whole = whole
        self.pieces: dict[int, list[tuple[int, Any]]] = {}
        self.saved: State = {}

    def run(self, part: Part, state: State | None = None, segment: Any = 0) -> list[Any]:
        """Run a part, and keep what it computes; give the results of the program, if it is the last."""
        if id(part) not in self.functions:
            return []
        found = self._call(part, state or {}, segment)
        for result, array in zip(part.results, found, strict=False):
            assert isinstance(result, Rows)
            if result.high is not None:
                self.pieces.setdefault(result.group, []).append((result.low, array))
            elif result.group in self.whole:  # a sum over steps, of which this is one part more
                self.whole[result.group] = self.whole[result.group] + array
            else:
                self.whole[result.group] = array
        return found[len(part.results) :]

    def run_level(self, level: Level) -> None:
        """Go through all steps in one direction."""
        self.run(level.first)
        lags = {group: self.timeline.scales[group].lag for group in level.before}
        state = {}
        for group, lag in lags.items():
            (first,) = [array for low, array in self.pieces[group] if low == 0]
            state[group] = self.backend.copy(first[first.shape[0] - lag :])
        ends = {group: first.shape[0] for group in level.before for _, first in self.pieces[group]}
        last = self._run_segments(level, state)
        count = self.schedule.steps * self.schedule.segments
        for group, lag in lags.items():
            self.pieces[group].append((ends[group] + count - lag, last[group]))
        self.run(level.last, last)

    def _run_segments(self, level: Level, state: State) -> State:
        """Run the segments; give what the last one hands over."""
        steps, count = self.schedule.steps, self.schedule.segments
        backwards = level is not self.schedule.levels[0]
        saved = self.saved

        def step(state: State, number: Any) -> tuple[State, State]:
            given = {group: state[group] for group in level.before}
            if backwards:
                given |= {group: rows[count - 1 - number] for group, rows in saved.items()}
            found = self._call(level.segment, given, number)
            new, kept = dict(state), {} if backwards else dict(given)
            for result, array in zip(level.segment.results, found, strict=True):
                if isinstance(result, Before):
                    new[result.group] = self.backend.copy(array)
                elif result.high is None:
                    new[result.group] = state[result.group] + array
                else:
                    kept[~result.group] = array
            return new, kept

        sums = {group: self.whole[group] for group in level.sums}
        last, kept = self.backend.scan(step, {**state, **sums}, count)
        self.whole.update({group: last[group] for group in level.sums})
        if not backwards:
            self.saved = {group: kept[group] for group in level.before}
        for group in level.whole:
            rows = kept[~group]
            low = self.timeline.scales[group].find_rows(*level.times)[0]
            self.pieces[group].append((low, rows.reshape((count * steps, *rows.shape[2:]))))
        return last

    def _call(self, part: Part, state: State, segment: Any) -> list[Any]:
        """Call the engine's function of a part; samples are the last axis of what others read."""
        found = list(self.functions[id(part)]([self._find(request, state, segment) for request in part.requests]))
        for place, output in enumerate(part.program.outputs[: len(part.results)]):
            if output.batched:
                found[place] = self.backend.moveaxis(found[place], 0, -1)
        return found

    def _find(self, request: Request, state: State, segment: Any) -> Any:
        """Find what an input of a part is."""
        if isinstance(request, Before):
            return state[request.group]
        if isinstance(request, Rows):
            return self.whole[request.group] if request.high is None else self._join(request)
        array = self._find_whole(request.group)
        for axis, moving in enumerate(request.axes):
            if moving is not None:
                array = self.backend.take(array, axis, moving, segment)
        return array

    def _find_whole(self, group: int) -> Any:
        """Find all of a group's rows."""
        if group not in self.whole:
            constant = self.timeline.program.groups[group].data
            rows = Rows(group, 0, self.timeline.program.groups[group].shape[0] if constant is None else 0)
            self.whole[group] = self._join(rows) if constant is None else constant
        return self.whole[group]

    def _join(self, rows: Rows) -> Any:
        """Put rows together of the pieces that are kept."""
        assert rows.high is not None
        found, low = [], rows.low
        while low < rows.high:
            fitting = [(begin + len(array), begin, array) for begin, array in self.pieces[rows.group] if begin <= low]
            stop, begin, array = max(fitting, key=lambda piece: piece[0])
            assert stop > low
            found.append(array[low - begin : min(rows.high, stop) - begin])
            low = stop
        return found[0] if len(found) == 1 else self.backend.concatenate(found)
