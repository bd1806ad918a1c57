"""The pass that finds loops over time: statements that repeat step after step become one, with the steps as an axis.

What was recorded of a loop in Python is its body, once for each step; so is that of its derivative, backwards. In the
order of recording (:mod:`~tinygrad_lite.lift.steps.trace_order`) both are stretches of statements that repeat
(:mod:`~tinygrad_lite.lift.steps.stretches`). All statements at one place of the body become one group, whose first axis
is the step. Whom such a group reads follows a law (:mod:`~tinygrad_lite.lift.steps.reading_laws`):

- itself, or another of the body, in the same step or some steps before: what the first steps read becomes initial rows;
- a group of another loop, at a row that goes along with the step, or against it;
- what all steps share, at places that move with the step by equal distances, or else stand in a table;
- constants, which are put side by side.

A group that needs no earlier step of itself is an ordinary one then, computed for all steps at once, before the loop or
after it; the others are a :class:`~tinygrad_lite.lift.ir.groups.Loop`. Sums over what the steps computed are sums along
an axis (:mod:`~tinygrad_lite.lift.steps.repeated_terms`). Steps at either end that do otherwise stay as they are.

Why it is sound: only what is the same becomes one, and the laws are checked at each step;
:func:`tinygrad_lite.lift.ir.unrolling.unroll` gives the statements back. Sums over steps are added in another order.
Cost: for each period that is tried one pass over the list, and one over the references of what repeats. What it does
not find: steps whose shapes change.

Loops within a loop are found by doing this twice. Where steps that repeat have within them stretches that repeat, these
become loops first, each with copies of the rows that are read behind it (:mod:`~tinygrad_lite.lift.steps.inner_rows`);
then the steps around them, of which a loop is a part as it is. What an outer step reads of a whole inner loop of an
earlier one keeps it from becoming one; and of three loops within one another the innermost are written out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tinygrad_lite.lift.ir.groups import Booleans, Group, Groups, Index, Loop, Output, Ref, Term, all_of
from tinygrad_lite.lift.steps.inner_rows import copy_last_rows
from tinygrad_lite.lift.steps.reading_laws import Law, Listing, fit_laws
from tinygrad_lite.lift.steps.repeated_terms import merge_repeated_terms
from tinygrad_lite.lift.steps.stretches import Stretch, find_inner_period, find_stretches
from tinygrad_lite.lift.steps.trace_order import order_by_trace, sort_terms


def roll_steps(program: Groups) -> Groups:
    """Make loops of the steps that repeat.

    Args:
        program: A valid program without loops; it is left as it is.

    Returns:
        The program with loops; the same one, where nothing repeats.
    """
    if program.loops:
        return program
    order = order_by_trace(program)
    versions = (program, sort_terms(program, order))
    found = [_roll_ordered(each, order) for each in versions]
    found += [nested for each in versions if (nested := _roll_nested(each, order)) is not None]
    return min(found, key=lambda each: len(each.groups))


def _roll_nested(program: Groups, order: Sequence[int]) -> Groups | None:
    """Make loops of the steps within steps first, and then of those around them; None where there are no such."""
    listing = Listing(program, order)
    period = find_inner_period(listing.describe(), listing.shifts_along)
    if not period:
        return None
    once = copy_last_rows(_roll_ordered(program, order, period))
    order = [number for number, group in enumerate(once.groups) if group.kind not in ("input", "constant")]
    twice = _roll_ordered(once, order)
    return twice if any(loop.axis for loop in twice.loops) else None


def _roll_ordered(program: Groups, order: Sequence[int], longest: int | None = None) -> Groups:
    listing = Listing(program, order)
    found = find_stretches(listing.describe(), listing.shifts_along, *([] if longest is None else [longest]))
    stretches: list[Stretch] = []
    laws: list[list[list[Law]]] = []
    for stretch in found:
        begun = listing.choose_start(stretch)
        fitted = None if begun is None else fit_laws(listing, [*stretches, begun])
        if fitted is not None:
            stretches.append(fitted[0])
            laws.append(fitted[1])
    return _Roller(listing, stretches, laws).roll() if stretches else program


@dataclass(eq=False)
class _Column:
    """All statements at one place of a body.

    Attributes:
        stretch: The number of the stretch.
        number: The place in the body.
        laws: What its operands read.
        initial: How many rows it has before the first step.
        new: The number of its group in the new program.
        products: By term of its sum, the group in which that was computed before the loop.
    """

    stretch: int
    number: int
    laws: Sequence[Law]
    initial: int = 0
    new: int = -1
    products: dict[int, int] = field(default_factory=dict)


@dataclass(eq=False)
class _Roller:
    """The new program in the making."""

    listing: Listing
    stretches: Sequence[Stretch]
    laws: Sequence[Sequence[Sequence[Law]]]
    made: Groups = field(default_factory=Groups)
    stacked: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.new: dict[int, int] = {}
        self.columns = [
            [_Column(s, number, laws) for number, laws in enumerate(rows)] for s, rows in enumerate(self.laws)
        ]
        for column in (column for columns in self.columns for column in columns):
            for law in column.laws:
                if law.stretch >= 0:
                    read = self.columns[law.stretch][law.column]
                    earliest = min(law.find_rows(self.stretches[column.stretch].steps))
                    read.initial = max(read.initial, -earliest)

    def roll(self) -> Groups:
        """Make the new program."""
        program = self.listing.program
        for number, group in enumerate(program.groups):
            if group.kind in ("input", "constant"):
                self.new[number] = self._add(group)
        self.made.inputs = [self.new[number] for number in program.inputs]
        starts = {stretch.start: number for number, stretch in enumerate(self.stretches)}
        place = 0
        while place < len(self.listing.order):
            if place in starts:
                self._add_stretch(starts[place])
                place = self.stretches[starts[place]].stop
                continue
            number = self.listing.order[place]
            loop = self.listing.find_loop(place)
            if loop is not None and loop.start == number:
                start = len(self.made.groups)
                self.new.update({member: start + member - number for member in range(number, loop.stop)})
                self.made.loops.append(replace(loop, start=start, stop=start + loop.stop - number))
            self.new[number] = self._add(self._move(program.groups[number], loop is None))
            place += 1
        self.made.outputs = [self._move_output(output) for output in program.outputs]
        self.made.demands = [(self._move_output(output), demand) for output, demand in program.demands]
        return self.made

    def _add(self, group: Group) -> int:
        self.made.groups.append(group)
        return len(self.made.groups) - 1

    # ------------------------------------------------------------------------------------ what stays as it is

    def _move(self, group: Group, merge: bool) -> Group:
        """Let a statement read the new groups, many terms that read the rows of one as one."""
        chained = {column.new for columns in self.columns for column in columns if column.new >= 0}
        moved = replace(
            group,
            operands=tuple([self._move_ref(ref) for ref in group.operands]),
            terms=tuple([self._move_term(term) for term in group.terms]),
            initial=tuple([self._move_ref(ref) for ref in group.initial]),
        )
        return merge_repeated_terms(moved, self.made.groups, chained) if merge and group.kind == "sum" else moved

    def _move_term(self, term: Term) -> Term:
        return replace(term, factors=tuple([self._move_ref(ref) for ref in term.factors]))

    def _move_output(self, output: Output) -> Output:
        return replace(output, ref=self._move_ref(output.ref))

    def _move_ref(self, ref: Ref) -> Ref:
        """Read a row of a new group instead of a statement."""
        place = self.listing.place.get(ref.group, -1)
        for stretch, columns in zip(self.stretches, self.columns, strict=True):
            if stretch.start <= place < stretch.stop:
                number, step = stretch.split(place)
                column = columns[number]
                if ref.flat:
                    size = self.made.groups[column.new].size // self.made.groups[column.new].shape[0]
                    (index,) = ref.index
                    return replace(ref, group=column.new, index=(_add_places(index, (column.initial + step) * size),))
                return Ref(column.new, (Index(column.initial + step), *ref.index))
        return replace(ref, group=self.new[ref.group])

    # ------------------------------------------------------------------------------------------- what is rolled

    def _add_stretch(self, number: int) -> None:
        """Add the groups of a body: those that need no loop before it and after it."""
        stretch = self.stretches[number]
        inner = self._find_inner_loops(stretch)
        before, inside, after = _split_body(self.columns[number], number, inner)
        for column in before:
            self._add_column(column)
        for samples in (False, True):
            members = [column for column in inside if self._get_group(column, 0).batched == samples]
            if members:
                for column in members:
                    self._stack_constants(column)
                    self._add_products(column, {member.number for member in inside})
                start = len(self.made.groups)
                for place, column in enumerate(members):
                    column.new = start + place
                for column in members:
                    self._add_column(column)
                self.made.loops.append(Loop(start, len(self.made.groups), stretch.steps))
                places = {column.number: column.new for column in members}
                for loop, columns in inner:
                    if columns.start in places:
                        first = places[columns.start]
                        self.made.loops.append(Loop(first, first + len(columns), loop.steps, loop.axis + 1))
        for column in after:
            self._add_column(column)

    def _find_inner_loops(self, stretch: Stretch) -> list[tuple[Loop, range]]:
        """Find the loops within a step, and which statements of its body they have."""
        first = {self.listing.order[stretch.start + column]: column for column in range(stretch.period)}
        loops = self.listing.program.loops
        return [
            (loop, range(first[loop.start], first[loop.start] + loop.stop - loop.start))
            for loop in loops
            if loop.start in first
        ]

    def _get_group(self, column: _Column, step: int) -> Group:
        stretch = self.stretches[column.stretch]
        return self.listing.get_group(stretch.start + column.number + step * stretch.period)

    def _stack_constants(self, column: _Column) -> None:
        """Put constants that differ from step to step side by side."""
        for law in column.laws:
            if law.stretch < 0 and len({ref.group for ref in law.refs}) > 1 and id(law) not in self.stacked:
                rows = [np.asarray(self.listing.program.groups[ref.group].data) for ref in law.refs]
                if all(np.array_equal(row, rows[0]) for row in rows):
                    continue
                data = np.stack(rows)
                self.stacked[id(law)] = self._add(Group("constant", data.shape, data=data))

    def _add_products(self, column: _Column, inside: Collection[int]) -> None:
        """Compute the contractions of a sum that need nothing of the loop for all steps at once, before it."""
        first = self._get_group(column, 0)
        if self.listing.find_loop(self.stretches[column.stretch].start + column.number) is not None:
            return
        laws = iter(column.laws[len(first.operands) :])
        for number, term in enumerate(first.terms):
            factors = [next(laws) for _ in term.factors]
            carried = any(law.stretch == column.stretch and law.column in inside for law in factors)
            if first.kind == "sum" and not carried and len(factors) > 1 and math.prod(term.reduced) > 1:
                refs = tuple([self._read(law, column) for law in factors])
                product = replace(term, factors=refs, axes=tuple([axis + 1 for axis in term.axes]), sign=1.0)
                shape = (self.stretches[column.stretch].steps, *first.shape)
                batched = any(self.made.groups[ref.group].batched for ref in refs)
                made = Group("sum", shape, terms=(product,), batched=batched, role=first.role)
                column.products[number] = self._add(made)

    def _add_column(self, column: _Column) -> None:
        stretch = self.stretches[column.stretch]
        if column.new < 0:
            self._stack_constants(column)
            column.new = len(self.made.groups)
        first = self._get_group(column, 0)
        refs = iter([self._read(law, column) for law in column.laws])
        operands = tuple([next(refs) for _ in first.operands])
        terms = []
        for number, term in enumerate(first.terms):
            factors = tuple([next(refs) for _ in term.factors])
            if number in column.products:
                whole = all_of(column.products[number], len(first.shape) + 1)
                terms.append(Term((whole,), sign=term.sign))
            else:
                terms.append(replace(term, factors=factors, axes=tuple([axis + 1 for axis in term.axes])))
        within = tuple([next(refs) for _ in first.initial])
        initial = [self._get_group(column, step) for step in range(-column.initial, 0)]
        rows = [*initial, *[self._get_group(column, step) for step in range(stretch.steps)]]
        size = first.size
        nodes = [
            np.full(size, -1) if k < len(initial) or row.nodes is None else row.nodes for k, row in enumerate(rows)
        ]
        present: Booleans | None = None
        if any(row.present is not None for row in rows):
            present = np.stack([np.ones(row.shape, bool) if row.present is None else row.present for row in rows])
        group = replace(
            first,
            shape=(len(rows), *first.shape),
            operands=operands,
            terms=tuple(terms),
            nodes=np.concatenate(nodes),
            present=present,
            initial=within or tuple([self._read_row(column, step) for step in range(-column.initial, 0)]),
            axis=first.axis + 1 if within else 0,
        )
        assert self._add(group) == column.new

    def _read_row(self, column: _Column, step: int) -> Ref:
        stretch = self.stretches[column.stretch]
        number = self.listing.order[stretch.start + column.number + step * stretch.period]
        return self._move_ref(all_of(number, len(self.listing.program.groups[number].shape)))

    def _read(self, law: Law, column: _Column) -> Ref:
        """Write what an operand reads at each step as one reference, whose axis 0 is the step."""
        if law.stretch >= 0:
            read = self.columns[law.stretch][law.column]
            rest = [_shift_axes(index) for index in law.refs[0].index]
            leading = Index(read.initial + law.first, ((0, law.pace),))
            assert not law.refs[0].flat
            return Ref(read.new, (leading, *rest))
        if id(law) in self.stacked:
            rest = [_shift_axes(index) for index in law.refs[0].index]
            return Ref(self.stacked[id(law)], (Index(0, ((0, 1),)), *rest))
        moved = self._move_ref(law.refs[0])
        more = len(moved.index) - len(law.refs[0].index)
        places = zip(*[ref.index for ref in law.refs], strict=True)
        return replace(moved, index=(*moved.index[:more], *[_join_places(list(indices)) for indices in places]))


def _split_body(
    columns: Sequence[_Column], number: int, inner: Sequence[tuple[Loop, range]]
) -> tuple[list[_Column], list[_Column], list[_Column]]:
    """Split a body: what needs nothing that the loop carries, what is in the loop, and what nothing in it needs.

    A loop within it stays in it, whole.
    """
    count = len(columns)
    reads: Booleans = np.zeros((count, count), dtype=np.bool_)
    for _, places in inner:
        reads[places.start : places.stop, places.start : places.stop] = True
    for column in columns:
        for law in column.laws:
            if law.stretch == number:
                reads[column.number, law.column] = True
    reach = _close(reads)
    carried = reach.diagonal()
    needs: Booleans = np.asarray(reach[:, carried].any(axis=1))
    needed: Booleans = np.asarray(reach[carried].any(axis=0))
    order = sorted(range(count), key=lambda k: (int(reach[k].sum()), k))  # what is read reaches less
    before = [columns[k] for k in order if not needs[k] and not carried[k]]
    after = [columns[k] for k in order if needs[k] and not needed[k] and not carried[k]]
    inside = [columns[k] for k in range(count) if carried[k] or (needs[k] and needed[k])]
    return before, inside, after


def _close(reads: Booleans) -> Booleans:
    """Add to who reads whom all that is read by what is read."""
    while True:
        numbers = reads.astype(np.float32)
        further: Booleans = np.asarray(reads | (numbers @ numbers > 0), dtype=np.bool_)
        if np.array_equal(further, reads):
            return reads
        reads = further


def _shift_axes(index: Index) -> Index:
    """Make an index one of coordinates with the step before them."""
    if index.table is not None:
        return replace(index, axes=tuple([axis + 1 for axis in index.axes]))
    return replace(index, steps=tuple([(axis + 1, step) for axis, step in index.steps]))


def _add_places(index: Index, distance: int) -> Index:
    if index.table is not None:
        return replace(index, table=index.table + distance)
    return replace(index, offset=index.offset + distance)


def _join_places(indices: Sequence[Index]) -> Index:
    """Join the indices of all steps, which differ in their offsets alone, in one."""
    shifted = _shift_axes(indices[0])
    if indices[0].table is not None:
        return shifted
    offsets = np.array([index.offset for index in indices])
    distances = np.diff(offsets)
    if (distances == distances[0]).all():
        steps = ((0, int(distances[0])),) if distances[0] else ()
        return Index(int(offsets[0]), (*steps, *shifted.steps))
    if not shifted.steps:
        return Index(table=offsets.astype(np.intp), axes=(0,))
    raise ValueError("places of steps follow no law")
