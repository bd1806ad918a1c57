"""Programs of a few traces, laid side by side: one program whose integers, numbers, tables and masks are laws of sizes.

The groups of the traces are compared one by one. What must be the same: the kind and the operation, which groups are
read, along which axes. What may differ: shapes, offsets, steps, tables, masks and numbers; for each a law is found
(:mod:`~tinygrad_lite.lift.sizes.laws`, :mod:`~tinygrad_lite.lift.sizes.array_laws`). Where something has none, or the
traces part, the program is not the same at all sizes, and the error names the group.

The programs are taken before equal constants are merged and factors of 1 dropped, as these may be so by coincidence:
1/n is 0.2 at n = 5.

What is found is data: fields of :mod:`~tinygrad_lite.lift.ir.groups` that are ints, numbers or arrays in one trace are
laws here, in the same places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.ir.groups import Booleans, Group, Groups, Index, Loop, Output, Ref, Term
from tinygrad_lite.lift.sizes.array_laws import fit_data, fit_mask, fit_table
from tinygrad_lite.lift.sizes.laws import Fitter, IntegerLaw, NoLawError, NumberLaw, Sizes, TextLaw
from tinygrad_lite.lift.sizes.rim_laws import ArrayLaw
from tinygrad_lite.trace_mode import Demand

_T = TypeVar("_T")
#: A shape as a law for each axis.
Shape = tuple[IntegerLaw, ...]
#: How many elements the grid of a group may have, reduced axes included.
LARGEST: Final = 2**40


class PartError(LiftError):
    """The programs part at different sizes: what is said is where."""


@dataclass(frozen=True)
class IndexLaw:
    """An :class:`~tinygrad_lite.lift.ir.groups.Index`, at any sizes."""

    offset: IntegerLaw | None
    steps: tuple[tuple[int, IntegerLaw], ...]
    table: ArrayLaw | None
    axes: tuple[int, ...]

    def at(self, shape: Sequence[int], limit: int, sizes: Sizes) -> Index:
        """Make it for a grid of that shape, to read along an axis of that length."""
        if self.table is not None:
            table = self.table.at(tuple([shape[axis] for axis in self.axes]), sizes)
            return Index(table=np.clip(table, 0, limit - 1), axes=self.axes)  # where nobody cares it may lead outside
        assert self.offset is not None
        steps = [(axis, law.at(sizes)) for axis, law in self.steps]
        return Index(self.offset.at(sizes), tuple([(axis, step) for axis, step in steps if step]))


@dataclass(frozen=True)
class RefLaw:
    """A :class:`~tinygrad_lite.lift.ir.groups.Ref`, at any sizes."""

    group: int
    index: tuple[IndexLaw, ...]
    flat: bool

    def at(self, shape: Sequence[int], groups: Sequence[Group], sizes: Sizes) -> Ref:
        """Make it for a grid of that shape."""
        if self.group < len(groups):
            source = groups[self.group]
            limits = (source.size,) if self.flat else source.shape
        else:  # an earlier step's row, of a group further on in the loop
            limits = (LARGEST,) * len(self.index)
        index = [law.at(shape, limit, sizes) for law, limit in zip(self.index, limits, strict=True)]
        return Ref(self.group, tuple(index), self.flat)


@dataclass(frozen=True)
class TermLaw:
    """A :class:`~tinygrad_lite.lift.ir.groups.Term`, at any sizes."""

    factors: tuple[RefLaw, ...]
    reduced: Shape
    sign: float
    mask: ArrayLaw | None
    axes: tuple[int, ...]

    def at(self, shape: tuple[int, ...], groups: Sequence[Group], sizes: Sizes) -> Term:
        """Make it for a group of that shape."""
        reduced = _shape_at(self.reduced, sizes)
        full = (*shape, *reduced)
        mask = None if self.mask is None else self.mask.at(tuple([full[axis] for axis in self.axes]), sizes)
        factors = tuple([factor.at(full, groups, sizes) for factor in self.factors])
        return Term(factors, reduced, self.sign, mask, self.axes)


@dataclass(frozen=True)
class GroupLaw:
    """A :class:`~tinygrad_lite.lift.ir.groups.Group`, at any sizes; ``example`` has what is the same at all.

    It is ``recorded`` where each of its scalars is a node of the trace, and not one that a pass made.
    """

    example: Group
    shape: Shape
    operands: tuple[RefLaw, ...]
    terms: tuple[TermLaw, ...]
    data: ArrayLaw | None
    present: ArrayLaw | None
    initial: tuple[RefLaw, ...] = ()
    recorded: bool = False

    def at(self, groups: Sequence[Group], sizes: Sizes) -> Group:
        """Make it, for those before it."""
        shape = _shape_at(self.shape, sizes)
        example = replace(self.example, shape=shape)
        grid = example.grid
        return replace(
            example,
            name="",
            operands=tuple([ref.at(grid, groups, sizes) for ref in self.operands]),
            terms=tuple([term.at(grid, groups, sizes) for term in self.terms]),
            data=None if self.data is None else self.data.at(shape, sizes),
            present=None if self.present is None else self.present.at(shape, sizes),
            initial=tuple([ref.at(example.row, groups, sizes) for ref in self.initial]),
        )


@dataclass(frozen=True)
class OutputLaw:
    """An :class:`~tinygrad_lite.lift.ir.groups.Output`, at any sizes."""

    shape: Shape | None
    ref: RefLaw
    batched: bool

    def at(self, groups: Sequence[Group], sizes: Sizes) -> Output:
        """Make it."""
        shape = None if self.shape is None else _shape_at(self.shape, sizes)
        return Output(shape, self.ref.at(shape or (), groups, sizes), self.batched)


@dataclass(frozen=True)
class DemandLaw:
    """A demand, at any sizes: the numbers in what it says, too."""

    what: TextLaw
    said: TextLaw
    low: NumberLaw
    high: NumberLaw
    example: Demand

    def at(self, sizes: Sizes) -> Demand:
        """Make it."""
        low, high = self.low.at(sizes), self.high.at(sizes)
        return self.example._replace(what=self.what.at(sizes), said=self.said.at(sizes), low=low, high=high)


@dataclass(frozen=True)
class Alignment:
    """A program at any sizes.

    Attributes:
        groups: Its groups.
        inputs: The numbers of the input groups.
        outputs: Its results.
        demands: What it demands of which numbers.
        points: The sizes at which it was traced.
        loops: Its loops over steps: the first group of each, the one after the last, how many steps it has, and along
            which axis.
    """

    groups: tuple[GroupLaw, ...]
    inputs: tuple[int, ...]
    outputs: tuple[OutputLaw, ...]
    demands: tuple[tuple[OutputLaw, DemandLaw], ...]
    points: tuple[Sizes, ...]
    loops: tuple[tuple[int, int, IntegerLaw, int], ...] = ()

    def at(self, sizes: Sizes) -> Groups:
        """Make the program for sizes."""
        groups: list[Group] = []
        for law in self.groups:
            groups.append(law.at(groups, sizes))
        outputs = [law.at(groups, sizes) for law in self.outputs]
        demands = [(law.at(groups, sizes), demand.at(sizes)) for law, demand in self.demands]
        loops = [Loop(start, stop, steps.at(sizes), axis) for start, stop, steps, axis in self.loops]
        return Groups(groups, list(self.inputs), outputs, demands, loops)

    def count_nodes(self, sizes: Sizes) -> int:
        """Estimate how many scalars a trace at these sizes would record."""
        total = 0
        for law in self.groups:
            size = math.prod(_shape_at(law.shape, sizes))
            inner = sum([math.prod(_shape_at(term.reduced, sizes)) for term in law.terms])
            total += size * (1 + inner) if law.example.kind not in ("input", "constant") else 0
        return total


def align(programs: Sequence[Groups], points: Sequence[Sizes]) -> Alignment:
    """Find the laws of the programs of several traces.

    Args:
        programs: Of the traces, of which nothing was merged.
        points: The sizes of each trace.

    Raises:
        PartError: They part; the message says where.
    """
    return _Aligner(programs, points).align()


class _Aligner:
    """The programs, and where in them the search stands: for messages."""

    def __init__(self, programs: Sequence[Groups], points: Sequence[Sizes]) -> None:
        self.programs = programs
        self.points = tuple(points)
        self.fitter = Fitter(self.points)
        self.where = ""

    def align(self) -> Alignment:
        self.where = "the program"
        counts = [len(program.groups) for program in self.programs]
        columns = list(zip(*[program.groups for program in self.programs], strict=False))
        groups = []
        for number, column in enumerate(columns):
            self.where = f"group {number}, {_describe(column[0])},"
            groups.append(self._align_group(column))
        self.where = "the program"
        self._same("numbers of groups", counts)
        inputs = self._same("inputs", [tuple(program.inputs) for program in self.programs])
        self._same("numbers of results", [len(program.outputs) for program in self.programs])
        outputs = []
        for number, each in enumerate(zip(*[program.outputs for program in self.programs], strict=True)):
            self.where = f"result {number}"
            outputs.append(self._align_output(each))
        self.where = "what is demanded of numbers"
        self._same("their number", [len(program.demands) for program in self.programs])
        demands = [
            (self._align_output([output for output, _ in each]), self._align_demand([demand for _, demand in each]))
            for each in zip(*[program.demands for program in self.programs], strict=True)
        ]
        self.where = "the loops"
        self._same("their groups", [[(x.start, x.stop, x.axis) for x in program.loops] for program in self.programs])
        loops = [
            (
                each[0].start,
                each[0].stop,
                self._fit("the steps", self.fitter.fit_integer, [loop.steps for loop in each]),
                each[0].axis,
            )
            for each in zip(*[program.loops for program in self.programs], strict=True)
        ]
        return Alignment(tuple(groups), inputs, tuple(outputs), tuple(demands), self.points, tuple(loops))

    def _align_group(self, groups: Sequence[Group]) -> GroupLaw:
        for what, get in _SAME:
            self._same(what, [get(group) for group in groups])
        shape = self._fit_shape("shape", [group.shape for group in groups])
        shapes = [group.grid for group in groups]
        cares = [
            np.ones(each, dtype=bool)
            if group.present is None
            else np.delete(group.present, range(len(group.initial)), axis=group.axis)
            if group.initial
            else group.present
            for group, each in zip(groups, shapes, strict=True)
        ]
        operands = tuple(
            [
                self._align_ref(f"operand {k}", refs, shapes, [tuple(range(len(each))) for each in shapes], cares)
                for k, refs in enumerate(zip(*[group.operands for group in groups], strict=True))
            ]
        )
        terms = tuple(
            [
                self._align_term(f"term {k}", terms, shapes, cares)
                for k, terms in enumerate(zip(*[group.terms for group in groups], strict=True))
            ]
        )
        data = present = None
        if groups[0].data is not None:
            arrays = [group.data for group in groups if group.data is not None]
            data = self._fit("its numbers", fit_data, arrays, self.fitter)
        if any(group.present is not None for group in groups):
            try:
                whole = [np.ones(g.shape, dtype=bool) if g.present is None else g.present for g in groups]
                present = fit_mask(whole, self.fitter)
            except NoLawError:
                present = None  # it is used for pictures, and to keep numbers small that nobody reads
        rows = [group.row for group in groups]
        everywhere = [np.ones(row, dtype=bool) for row in rows]
        axes = [tuple(range(len(row))) for row in rows]
        initial = tuple(
            [
                self._align_ref(f"initial row {k}", refs, rows, axes, everywhere)
                for k, refs in enumerate(zip(*[group.initial for group in groups], strict=True))
            ]
        )
        example = replace(groups[0], nodes=None, present=None)
        recorded = all(_is_recorded(group) for group in groups)
        return GroupLaw(example, shape, operands, terms, data, present, initial, recorded)

    def _align_term(
        self, what: str, terms: Sequence[Term], shapes: Sequence[tuple[int, ...]], present: Sequence[Booleans]
    ) -> TermLaw:
        sign = self._same(f"signs of {what}", [term.sign for term in terms])
        axes = self._same(f"axes of the mask of {what}", [term.axes for term in terms])
        self._same(f"factors of {what}", [len(term.factors) for term in terms])
        has_mask = self._same(f"masks of {what}", [term.mask is not None for term in terms])
        reduced = self._fit_shape(f"summed axes of {what}", [term.reduced for term in terms])
        full = [(*shape, *term.reduced) for shape, term in zip(shapes, terms, strict=True)]
        mask = None
        read = [tuple(range(len(shape))) for shape in shapes]
        cares = list(present)
        if has_mask:
            masks = [term.mask for term in terms if term.mask is not None]
            mask = self._fit(f"the mask of {what}", fit_mask, masks, self.fitter)
            read, cares = [term.axes for term in terms], masks
        factors = tuple(
            [
                self._align_ref(f"factor {k} of {what}", refs, full, read, cares)
                for k, refs in enumerate(zip(*[term.factors for term in terms], strict=True))
            ]
        )
        return TermLaw(factors, reduced, sign, mask, axes)

    def _align_output(self, outputs: Sequence[Output]) -> OutputLaw:
        self._same("a number or an array", [output.shape is None for output in outputs])
        batched = self._same("samples", [output.batched for output in outputs])
        shapes = [output.shape or () for output in outputs]
        shape = self._fit_shape("its shape", shapes)
        cares = [np.ones(each, dtype=bool) for each in shapes]
        axes = [tuple(range(len(each))) for each in shapes]
        ref = self._align_ref("where it is read", [output.ref for output in outputs], shapes, axes, cares)
        return OutputLaw(None if outputs[0].shape is None else shape, ref, batched)

    def _align_demand(self, demands: Sequence[Demand]) -> DemandLaw:
        first = demands[0]
        self._same("kinds", [(d.step, d.error, repr(d.other)) for d in demands])
        what, said = (
            self._fit("what is said", self.fitter.fit_text, texts)
            for texts in ([d.what for d in demands], [d.said for d in demands])
        )
        low, high = (
            self._fit("bounds", self.fitter.fit_number, bounds)
            for bounds in ([float(d.low) for d in demands], [float(d.high) for d in demands])
        )
        return DemandLaw(what, said, low, high, first)

    def _align_ref(
        self,
        what: str,
        refs: Sequence[Ref],
        shapes: Sequence[tuple[int, ...]],
        axes: Sequence[tuple[int, ...]],
        cares: Sequence[Booleans],
    ) -> RefLaw:
        """Find the law of a Ref.

        Args:
            what: For messages.
            refs: In each trace.
            shapes: Of the grids that read.
            axes: Those of the grid that ``cares`` has.
            cares: Which cells of the grid count.
        """
        group = self._same(f"the group that is read by {what},", [ref.group for ref in refs])
        flat = self._same(f"how {what} reads", [ref.flat for ref in refs])
        sources = [program.groups[group] for program in self.programs]
        limits = [(source.size,) if flat else source.shape for source in sources]
        found = [
            self._align_index(f"axis {k} of {what}", each, shapes, axes, cares, [limit[k] for limit in limits])
            for k, each in enumerate(zip(*[ref.index for ref in refs], strict=True))
        ]
        return RefLaw(group, tuple(found), flat)

    def _align_index(
        self,
        what: str,
        indices: Sequence[Index],
        shapes: Sequence[tuple[int, ...]],
        axes: Sequence[tuple[int, ...]],
        cares: Sequence[Booleans],
        limits: Sequence[int],
    ) -> IndexLaw:
        if any(index.table is not None for index in indices):
            own = tuple(sorted({axis for index in indices for axis in index.depends_on()}))
            tables = [_tabulate(index, own, shape) for index, shape in zip(indices, shapes, strict=True)]
            known = [
                _project(*each) for each in zip(cares, axes, [own] * len(cares), [t.shape for t in tables], strict=True)
            ]
            law = self._fit(f"the places of {what}", fit_table, tables, known, limits, self.fitter)
            return IndexLaw(None, (), law, own)
        along = self._same(f"the axes along which {what} moves", [tuple([a for a, _ in i.steps]) for i in indices])
        fit = self.fitter.fit_integer
        offset = self._fit(f"the offset of {what}", fit, [index.offset for index in indices])
        steps = [
            (axis, self._fit(f"a step of {what}", fit, [index.steps[k][1] for index in indices]))
            for k, axis in enumerate(along)
        ]
        return IndexLaw(offset, tuple(steps), None, ())

    # -------------------------------------------------------------------------------------------- what parts

    def _fit_shape(self, what: str, shapes: Sequence[tuple[int, ...]]) -> Shape:
        self._same(f"numbers of axes of the {what}", [len(shape) for shape in shapes])
        return tuple(
            [
                self._fit(f"axis {k} of the {what}", self.fitter.fit_integer, each)
                for k, each in enumerate(zip(*shapes, strict=True))
            ]
        )

    def _fit(self, what: str, find: Callable[..., _T], *said: Any) -> _T:
        """Find a law of what the traces say; where there is none, say of what."""
        try:
            return find(*said)
        except NoLawError as error:
            raise PartError(
                f"{self.where} has no law of its sizes that lift knows: {what} is {error} at the sizes "
                f"{_show_points(self.points)}"
            ) from None

    def _same(self, what: str, values: Sequence[Any]) -> Any:
        first: Hashable = values[0]
        for point, value in zip(self.points, values, strict=True):
            if value != first:
                raise PartError(
                    f"{self.where} parts, in {what} {first!r} at the sizes {_show_points(self.points[:1])}, "
                    f"{value!r} at {_show_points([point])}"
                )
        return first


#: What groups of all traces have in common.
_SAME: Final[tuple[tuple[str, Callable[[Group], Any]], ...]] = (
    ("the kind", lambda group: group.kind),
    ("the operation", lambda group: group.op),
    ("the samples", lambda group: (group.batched, group.over)),
    ("the argument", lambda group: group.path),
    ("the number of axes", lambda group: len(group.shape)),
    ("the number of operands", lambda group: len(group.operands)),
    ("the number of terms", lambda group: len(group.terms)),
    ("the number of initial rows", lambda group: (len(group.initial), group.axis)),
)


def _is_recorded(group: Group) -> bool:
    """Whether each scalar that a group computes is a node of the trace."""
    if group.nodes is None or group.present is not None:
        return False
    copied = range(len(group.initial))
    computed = np.delete(group.nodes.reshape(group.shape), copied, group.axis) if copied else group.nodes
    return bool((computed >= 0).all())


def _tabulate(index: Index, axes: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Make a table over some axes of an index that may have none, or one over fewer axes."""
    sizes = tuple([shape[axis] for axis in axes])
    grid = dict(zip(axes, np.indices(sizes, sparse=True), strict=True))
    return np.broadcast_to(np.asarray(index.at(grid)), sizes).astype(np.intp)


def _project(care: Booleans, axes: tuple[int, ...], wanted: tuple[int, ...], shape: tuple[int, ...]) -> Booleans:
    """Say which cells along some axes anybody cares for, where it is known along others."""
    gone = tuple([place for place, axis in enumerate(axes) if axis not in wanted])
    left = [axis for axis in axes if axis in wanted]
    known = care.any(axis=gone) if gone else care
    order = np.argsort(left)
    sizes = dict(zip(left, known.shape, strict=True))
    known = np.asarray(known).transpose(order).reshape([sizes.get(axis, 1) for axis in wanted])
    return np.array(np.broadcast_to(known, shape))


def _shape_at(laws: Shape, sizes: Sizes) -> tuple[int, ...]:
    return tuple([law.at(sizes) for law in laws])


def _describe(group: Group) -> str:
    return f"a {group.kind} {group.op}".rstrip() + (f" ({group.path})" if group.path else "")


def _show_points(points: Sequence[Sizes]) -> str:
    return ", ".join(["×".join(map(str, point)) for point in points])
