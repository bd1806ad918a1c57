"""One step of a loop as groups of its own: what it reads of the arrays around it, and what it computes.

The groups of a loop have the step as their first axis. An engine that goes step by step wants to know what one step
does: the same groups without that axis, which read *slices*, the parts of arrays that belong to the step: ``x[:, t]``,
or ``h[t]``, which the step before has computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_lite.lift.ir.groups import Booleans, Group, Groups, Index, Loop, Ref, Term
from tinygrad_lite.lift.ir.unrolling import fix_array


@dataclass(frozen=True)
class Window:
    """The places of one axis that a step reads, from one that moves with the step on.

    Attributes:
        start: The first of them, as an Index of the step.
        length: How many; None for one place alone, which leaves no axis.
    """

    start: Index
    length: int | None = None


@dataclass(frozen=True)
class Slice:
    """What a step reads of a group.

    Attributes:
        group: The number of the group in the program.
        windows: For each of its axes the places; None for all of them.
        lag: Of a group in the loop itself: how many steps before this one the row was computed; else 0.
    """

    group: int
    windows: tuple[Window | None, ...]
    lag: int = 0


@dataclass(eq=False)
class Body:
    """One step of a loop.

    Attributes:
        program: The slices, in their order, as inputs or constants; then the loop's groups, in theirs, and the loops
            that stand within the loop.
        slices: What the first of the groups are.
    """

    program: Groups = field(default_factory=Groups)
    slices: list[Slice] = field(default_factory=list)


def find_body(program: Groups, loop: Loop) -> Body:
    """Find what one step of a loop reads and computes.

    Args:
        program: A valid program.
        loop: One of its loops.
    """
    finder = _Finder(program, loop)
    members = [finder.make_member(program.groups[number]) for number in range(loop.start, loop.stop)]
    body = finder.body
    count = len(body.slices)
    body.program.groups += [_renumber(member, count) for member in members]
    for inner in program.loops:
        if loop.start <= inner.start and inner.stop <= loop.stop and inner.axis > loop.axis:
            start = count + inner.start - loop.start
            body.program.loops.append(Loop(start, start + inner.stop - inner.start, inner.steps, inner.axis - 1))
    return body


def _renumber(group: Group, count: int) -> Group:
    """Let references to the loop's groups, which are numbered −1, −2 ..., find them behind the slices."""

    def move(ref: Ref) -> Ref:
        return replace(ref, group=count - 1 - ref.group) if ref.group < 0 else ref

    terms = tuple([replace(term, factors=tuple([move(ref) for ref in term.factors])) for term in group.terms])
    return replace(
        group,
        operands=tuple([move(ref) for ref in group.operands]),
        terms=terms,
        initial=tuple([move(ref) for ref in group.initial]),
    )


def find_present(source: Group, windows: Sequence[Window | None], steps: int) -> Booleans | None:
    """Find which elements the graph has of what each step reads of a group; None for all of them.

    Raises:
        ValueError: That is not the same at all steps.
    """
    if source.present is None:
        return None
    if any(window is not None and window.length is not None for window in windows):
        parts = [source.present]
    else:
        parts = [source.present[_take_places(windows, step)] for step in range(steps)]
    if all(part.all() for part in parts):
        return None
    if len(parts) == 1 or any((part != parts[0]).any() for part in parts):
        raise ValueError("the elements that the graph has are others from step to step")
    return parts[0]


def _take_places(windows: Sequence[Window | None], step: int) -> tuple[Any, ...]:
    return tuple([slice(None) if w is None else w.start.at({0: np.asarray(step)}) for w in windows])


def find_windows(ref: Ref, shape: Sequence[int], sizes: Sequence[int]) -> list[Window | None]:
    """Find the places along each axis of a group that a reference of a loop reads at each step."""
    return [_split_index(index, size, sizes)[0] for index, size in zip(ref.index, shape, strict=True)]


class _Finder:
    def __init__(self, program: Groups, loop: Loop) -> None:
        self.program = program
        self.loop = loop
        self.body = Body()
        self._known: dict[tuple[object, ...], int] = {}

    def make_member(self, group: Group) -> Group:
        """Make the group of one step."""
        sizes = group.grid
        return replace(
            group,
            shape=group.shape[1:],
            operands=tuple([self._read(ref, sizes) for ref in group.operands]),
            terms=tuple([self._read_term(term, sizes) for term in group.terms]),
            initial=tuple([self._read(ref, group.row) for ref in group.initial]) if group.axis else (),
            axis=max(group.axis - 1, 0),
            nodes=None,
            present=None if group.present is None else group.present[-1],
        )

    def _read_term(self, term: Term, sizes: tuple[int, ...]) -> Term:
        factors = tuple([self._read(ref, sizes + term.reduced) for ref in term.factors])
        mask, axes = (None, ()) if term.mask is None else fix_array(term.mask, term.axes, 0)
        return replace(term, factors=factors, mask=mask, axes=axes)

    def _read(self, ref: Ref, sizes: Sequence[int]) -> Ref:
        source = self.program.groups[ref.group]
        lag = 0
        if self.loop.start <= ref.group < self.loop.stop:
            lag = count_lag(source, ref)
            if not lag:
                rest = tuple([_drop_step(index) for index in ref.index[1:]])
                return Ref(self.loop.start - 1 - ref.group, rest)
        if not any(0 in index.depends_on() for index in ref.index):
            number = self._add_slice(Slice(ref.group, (None,) * len(source.shape)), source)
            return Ref(number, tuple([_drop_step(index) for index in ref.index]), ref.flat)
        windows: list[Window | None] = []
        rest_of: list[Index] = []
        shape: list[int] = []
        for index, size in zip(ref.index, source.shape, strict=True):
            window, left, length = _split_index(index, size, sizes)
            windows.append(window)
            if left is not None:
                rest_of.append(left)
                shape.append(length)
        kind = "input" if source.kind == "constant" else source.kind
        present = find_present(source, windows, self.loop.steps)
        part = replace(source, kind=kind, shape=tuple(shape), data=None, present=present)
        return Ref(self._add_slice(Slice(ref.group, tuple(windows), lag), part), tuple(rest_of))

    def _add_slice(self, slice_: Slice, group: Group) -> int:
        key = (slice_.group, slice_.lag, *[_describe(window) for window in slice_.windows])
        if key not in self._known:
            self._known[key] = len(self.body.slices)
            self.body.slices.append(slice_)
            self.body.program.groups.append(replace(group, operands=(), terms=(), initial=(), axis=0, nodes=None))
        return self._known[key]


def count_lag(source: Group, ref: Ref) -> int:
    """Count how many steps before its own a group of a loop reads another one of it."""
    return (0 if source.axis else len(source.initial)) - ref.index[0].offset


def reads_earlier_step(program: Groups, ref: Ref, loops: Sequence[Loop]) -> bool:
    """Whether a reference reads what an earlier step has computed of one of the loops that it stands in."""
    source = program.groups[ref.group]
    for loop in loops:
        if not loop.start <= ref.group < loop.stop:
            return False
        if ref.index[loop.axis].offset < (len(source.initial) if source.axis == loop.axis else 0):
            return True
    return False


def _describe(window: Window | None) -> object:
    if window is None:
        return None
    start = window.start
    return (window.length, start.offset, start.steps, None if start.table is None else start.table.tobytes())


def _split_index(index: Index, size: int, sizes: Sequence[int]) -> tuple[Window | None, Index | None, int]:
    """Split an index into what moves with the step, and where within that is read; and the length of it."""
    if 0 not in index.depends_on():
        return None, _drop_step(index), size
    if index.table is not None:
        return Window(index), None, 0
    rest = [(axis, step) for axis, step in index.steps if axis]
    start = [(axis, step) for axis, step in index.steps if not axis]
    if not rest:
        return Window(index), None, 0
    below = sum(min(step * (sizes[axis] - 1), 0) for axis, step in rest)
    above = sum(max(step * (sizes[axis] - 1), 0) for axis, step in rest)
    length = above - below + 1
    return Window(Index(index.offset + below, tuple(start)), length), _drop_step(Index(-below, tuple(rest))), length


def _drop_step(index: Index) -> Index:
    """Count the axes without that of the step, which nothing depends on."""
    if index.table is not None:
        return replace(index, axes=tuple([axis - 1 for axis in index.axes]))
    return replace(index, steps=tuple([(axis - 1, step) for axis, step in index.steps]))
