"""Is this a program? Everything that the engines take for granted of a program of groups, checked.

The passes make valid programs; a file may hold anything. What is checked: kinds, operations and their numbers of
operands, that a group reads only groups before it, or in a loop earlier steps, that every place read lies within the
group that is read, the dimensions of tables, masks and numbers, which arrays have samples, and that no grid is larger
than a bound. Costs: one pass over the references and tables; nothing is allocated, for the places of an affine index
are bounded by arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Loop, Output, Ref, Term
from tinygrad_lite.lift.ir.loop_bodies import find_body, find_present, find_windows
from tinygrad_lite.lift.ir.reductions import LOOKUP, REDUCTIONS
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.operation import Op

_FOLDS = (*REDUCTIONS, LOOKUP)
#: The samples are one axis more, and NumPy before 2.0 has arrays of at most 32.
_MOST_AXES = 30


def check_groups(program: Groups, largest: int) -> None:
    """Raise unless it is a valid program.

    Args:
        program: Any groups, whose fields have the right types.
        largest: How many elements a grid may have, reduced axes included, and all results together.

    Raises:
        LiftError: It is none; the message says which group, and what is wrong with it.

    >>> check_groups(Groups([Group("map", (3,), "exp", (Ref(1, (Index(0, ((0, 1),)),)),))]), 100)
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.LiftError: it is no program: group 0 reads group 1, which is not before it
    """
    nesting = _check_loops(program)
    for number, group in enumerate(program.groups):
        _Check(program, number, f"group {number}", largest, nesting.get(number, ())).check_group(group)
    _check_inner_loops(program, range(len(program.groups)), largest)
    inputs = [number for number, group in enumerate(program.groups) if group.kind == "input"]
    if sorted(program.inputs) != inputs:
        _refuse(f"its inputs are said to be {program.inputs}, and the input groups are {inputs}")
    for place, output in enumerate(program.outputs):
        _Check(program, len(program.groups), f"result {place}", largest).check_output(output)
    for place, (output, _) in enumerate(program.demands):
        _Check(program, len(program.groups), f"demand {place}", largest).check_output(output)
    together = sum(
        math.prod(output.shape or ()) for output in (*program.outputs, *[output for output, _ in program.demands])
    )
    if together > largest:
        _refuse(f"its results have {together:,} elements together, more than the {largest:,} that are allowed for")


class _Check:
    """Checks of one group or result.

    Args:
        program: The program.
        number: It may read the groups before this one.
        what: What messages call it.
        largest: How many elements its grid may have.
        loops: The loops that the group is in, the outermost first.
    """

    def __init__(self, program: Groups, number: int, what: str, largest: int, loops: tuple[Loop, ...] = ()) -> None:
        self.groups = program.groups
        self.loops = loops
        self.number = number
        self.what = what
        self.largest = largest

    def check_group(self, group: Group) -> None:
        self._check_grid(group.shape, 0 if group.kind in ("input", "constant") else 1)
        for name, array in (("present", group.present), ("nodes", group.nodes)):
            if array is not None and array.size != group.size:
                self._fail(f"has {array.size} entries in {name}, and {group.size} elements")
        if group.role not in ("", "forward", "backward"):
            self._fail(f"has the role {group.role!r}")
        check = getattr(self, f"_check_{group.kind}", None) if group.kind in _FIELDS else None
        if check is None:
            self._fail(f"is of kind {group.kind!r}; there are {', '.join(_FIELDS)}")
        for name in ("op", "operands", "terms", "data", "over"):
            if name not in _FIELDS[group.kind] and getattr(group, name) not in ("", (), None):
                self._fail(f"is of kind {group.kind}, which has no {name}")
        self._check_initial(group)
        if self.loops:
            self._check_member(group, self.loops[0])
        check(group)

    def check_output(self, output: Output) -> None:
        shape = output.shape or ()
        self._check_grid(shape, 0)
        self._check_ref(output.ref, shape)
        if output.batched != self.groups[output.ref.group].batched:
            self._fail("is said to have samples, or not to, unlike the group that it reads")

    def _check_initial(self, group: Group) -> None:
        """Check the rows that are copied."""
        if not 0 <= group.axis < max(len(group.shape), 1) or (
            group.initial and (group.kind not in _COMPUTED or not group.shape or min(group.grid) < 0)
        ):
            self._fail("has initial rows, and no axis for them")
        if group.initial and group.axis < len(self.loops) - 1:
            self._fail("is in a loop within a loop, and has initial rows for steps of the outer one")
        for ref in group.initial:
            self._check_ref(ref, group.row)
            if self.loops and not group.axis and ref.group >= self.loops[0].start:
                self._fail("has initial rows that its own loop computes")
            if self.groups[ref.group].batched != group.batched:
                self._fail("has samples, or none, unlike its initial rows")

    def _check_member(self, group: Group, loop: Loop) -> None:
        """Check what is asked of a group that is computed step by step."""
        if group.kind not in _COMPUTED or not group.shape or group.grid[0] != loop.steps:
            self._fail(f"is in a loop of {loop.steps} steps, and has the shape {group.shape}")
        if group.over or group.batched != self.groups[loop.start].batched:
            self._fail("is in a loop with groups that have samples, or none, unlike it")
        if group.present is not None and (group.present != group.present[-1:]).any():
            self._fail("is in a loop, and lacks other elements from step to step")
        if any(0 in term.axes for term in group.terms):
            self._fail("is in a loop, and has a mask that changes from step to step")
        for ref in group.operands:
            self._check_step(ref, group.grid)
        for term in group.terms:
            for ref in term.factors:
                self._check_step(ref, group.grid + term.reduced)
        for ref in group.initial if group.axis else ():
            self._check_step(ref, group.row)

    def _check_step(self, ref: Ref, sizes: tuple[int, ...]) -> None:
        """Check what a group in a loop reads at each step."""
        self._check_ref(ref, sizes)
        if not any(0 in index.depends_on() for index in ref.index):
            return
        if ref.flat or any(index.table is not None and index.axes != (0,) for index in ref.index if 0 in index.axes):
            self._fail("is in a loop, and reads places that change from step to step through a table, or flat")
        source = self.groups[ref.group]
        try:
            find_present(source, find_windows(ref, source.shape, sizes), sizes[0])
        except ValueError as error:
            self._fail(f"is in a loop, and reads group {ref.group}, of which {error}")

    # ------------------------------------------------------------------------------------------------ by kind

    def _check_input(self, group: Group) -> None:
        pass

    def _check_constant(self, group: Group) -> None:
        if group.batched or group.data is None or group.data.shape != group.shape:
            self._fail(f"is a constant of shape {group.shape} without the numbers for it")

    def _check_map(self, group: Group) -> None:
        arity = self._find_operation(group.op).arity
        if arity < 1 or len(group.operands) != arity:
            self._fail(f"applies {group.op} to {len(group.operands)} operands element by element")
        for ref in group.operands:
            self._check_ref(ref, group.grid)
        self._check_samples(group, group.operands)

    def _check_sum(self, group: Group) -> None:
        if not group.terms:
            self._fail("is a sum without terms")
        for term in group.terms:
            self._check_term(term, group)
        wide = any(self.groups[ref.group].batched for ref in group.refs())
        if group.over not in ("", "sum", "mean") or wide != (group.batched or bool(group.over)):
            self._fail('adds up samples: over must be "sum" or "mean" where factors have samples and it has none')
        if group.batched and group.over:
            self._fail("has samples, and adds them up")

    def _check_fold(self, group: Group) -> None:
        if group.op not in _FOLDS or len(group.terms) != 1 or len(group.terms[0].factors) != 1:
            self._fail(f"folds with {group.op!r}; there are {', '.join(_FOLDS)}, of one factor")
        (term,) = group.terms
        self._check_term(term, group)
        if term.sign != 1.0:
            self._fail("folds with a sign")
        if group.op == LOOKUP:
            if len(group.operands) != 1 or len(term.reduced) != 1 or term.mask is not None:
                self._fail("looks up without one index into one axis")
            self._check_ref(group.operands[0], group.grid)
        elif group.operands:
            self._fail(f"folds with {group.op}, which has no index")
        self._check_samples(group, list(group.refs()))

    def _check_samples(self, group: Group, refs: Sequence[Ref]) -> None:
        if group.batched != any(self.groups[ref.group].batched for ref in refs):
            self._fail("is said to have samples, or not to, unlike what it reads")

    def _find_operation(self, name: str) -> Op:
        try:
            return ops.find(name)
        except KeyError as error:
            raise LiftError(
                f"{self.what} needs an operation that is not there: {error.args[0]:.300}. An operation of your own is "
                "to be defined, with tinygrad_lite.define, before the program is loaded."
            ) from None

    # ----------------------------------------------------------------------------------------------- its parts

    def _check_term(self, term: Term, group: Group) -> None:
        sizes = group.grid + term.reduced
        self._check_grid(sizes, 1)
        if not 1 <= len(term.factors) <= 2:
            self._fail(f"has a term of {len(term.factors)} factors")
        if term.sign not in (1.0, -1.0):
            self._fail(f"has a term with the sign {term.sign}")
        for ref in term.factors:
            self._check_ref(ref, sizes)
        if term.mask is not None:
            self._check_axes("a mask", term.mask.shape, term.axes, sizes)
        elif term.axes:
            self._fail("has axes of a mask, and no mask")

    def _check_ref(self, ref: Ref, sizes: tuple[int, ...]) -> None:
        if not 0 <= ref.group < self.number and not self._reads_earlier_step(ref):
            self._fail(f"reads group {ref.group}, which is not before it")
        if self.loops and self.loops[0].start <= ref.group < self.loops[0].stop:
            self._check_rows(ref)
        shape = self.groups[ref.group].shape
        if ref.flat:
            shape = (math.prod(shape),)
        if len(ref.index) != len(shape):
            self._fail(f"reads group {ref.group}, which has {len(shape)} axes, at {len(ref.index)} places")
        for index, size in zip(ref.index, shape, strict=True):
            low, high = self._find_range(index, sizes)
            if math.prod(sizes) and not 0 <= low <= high < size:
                self._fail(f"reads places {low} to {high} of an axis of group {ref.group} that has {size}")

    def _reads_earlier_step(self, ref: Ref) -> bool:
        """Whether it is a group further on in one of the loops, of which an earlier step's row is read."""
        return any(
            self.number <= ref.group < loop.stop
            and len(ref.index) > loop.axis
            and ref.index[loop.axis].offset < self._count_initial(ref.group, loop.axis)
            for loop in self.loops
        )

    def _count_initial(self, number: int, axis: int) -> int:
        """Count the rows along an axis that are copied."""
        group = self.groups[number]
        return len(group.initial) if group.axis == axis else 0

    def _check_rows(self, ref: Ref) -> None:
        """Check that a group of the same loop is read along with the steps: no row before it is computed."""
        first = ref.index[0] if ref.index and not ref.flat else Index()
        along = first.table is None and first.steps == ((0, 1),)
        moving = any(0 in index.depends_on() for index in ref.index[1:])
        if not along or moving or first.offset > self._count_initial(ref.group, 0):
            self._fail(f"reads group {ref.group} of the same loop otherwise than along with the steps")

    def _find_range(self, index: Index, sizes: tuple[int, ...]) -> tuple[int, int]:
        """Find the least and the greatest place."""
        if index.table is not None:
            self._check_axes("a table", index.table.shape, index.axes, sizes)
            if index.offset or index.steps:
                self._fail("reads through a table that has steps")
            return (int(index.table.min()), int(index.table.max())) if index.table.size else (0, -1)
        axes = [axis for axis, _ in index.steps]
        if index.axes or len(set(axes)) < len(axes) or not all(0 <= axis < len(sizes) for axis in axes):
            self._fail(f"has {len(sizes)} axes, and an index along axes {axes}")
        if not all(step for _, step in index.steps):
            self._fail("has an index with a step of 0")
        reach = [step * (sizes[axis] - 1) for axis, step in index.steps]
        return index.offset + sum(x for x in reach if x < 0), index.offset + sum(x for x in reach if x > 0)

    def _check_axes(self, what: str, shape: tuple[int, ...], axes: tuple[int, ...], sizes: tuple[int, ...]) -> None:
        """Raise unless an array has one dimension for each of those axes."""
        fitting = len(set(axes)) == len(axes) == len(shape) and all(0 <= axis < len(sizes) for axis in axes)
        if not fitting or shape != tuple([sizes[axis] for axis in axes]):
            self._fail(f"has {what} of shape {shape} along axes {axes} of a grid of shape {sizes}")

    def _check_grid(self, sizes: tuple[int, ...], least: int) -> None:
        if len(sizes) > _MOST_AXES or any(size < least for size in sizes):
            self._fail(f"has a grid of the impossible shape {_show(sizes)}")
        if math.prod(sizes) > self.largest:
            self._fail(
                f"has a grid of shape {_show(sizes)}: more than the {self.largest:,} elements that are allowed for"
            )

    def _fail(self, what: str) -> NoReturn:
        _refuse(f"{self.what} {what}")


_COMPUTED = ("map", "sum", "fold")
#: What groups of each kind have, besides what all have.
_FIELDS = {
    "input": (),
    "constant": ("data",),
    "map": ("op", "operands"),
    "sum": ("terms", "over"),
    "fold": ("op", "operands", "terms"),
}


def _check_loops(program: Groups) -> dict[int, tuple[Loop, ...]]:
    """Find the loops of each group that is in one, if these are stretches behind or within one another."""
    around: list[Loop] = []
    end = 0
    for loop in program.loops:
        while around and around[-1].stop <= loop.start:
            end = around.pop().stop
        start, stop = (around[-1].start, around[-1].stop) if around else (0, len(program.groups))
        within = max(start, end) <= loop.start < loop.stop <= stop and loop.axis == len(around)
        if not within or loop.steps < 1:
            _refuse(f"it has a loop of groups {loop.start} to {loop.stop - 1}, which are not there, or in another one")
        around.append(loop)
    return program.find_nesting()


def _check_inner_loops(program: Groups, numbers: Sequence[int], largest: int) -> None:
    """Check the loops within loops, as what they are at a step of the outer ones.

    Args:
        program: A valid program, but for these.
        numbers: What messages call its groups.
        largest: As of :func:`check_groups`.
    """
    for loop in program.loops:
        inner = [other for other in program.loops if loop.start <= other.start < loop.stop and other.axis > loop.axis]
        if loop.axis or not inner:
            continue
        body = find_body(program, loop)
        count = len(body.slices)
        known = [*[-1] * count, *numbers[loop.start : loop.stop]]
        for number, loops in body.program.find_nesting().items():
            _Check(body.program, number, f"group {known[number]}", largest, loops).check_group(
                body.program.groups[number]
            )
        _check_inner_loops(body.program, known, largest)


def _refuse(what: str) -> NoReturn:
    raise LiftError(f"it is no program: {what}")


def _show(sizes: Sequence[Any]) -> str:
    return f"{tuple(sizes)}" if len(sizes) <= _MOST_AXES else f"with {len(sizes)} axes"
