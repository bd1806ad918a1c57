"""The text of the loops that compute a program: nests of groups → lines of Python.

Numbers stand in flat arrays (:mod:`tinygrad_lite.lift.loops.buffer_allocation`) at places that are known while the text
is written. The loop over ``b`` runs along memory, over the samples of a chunk or over the grid's last axis. The text is
such that LLVM turns it into vector instructions:

- What does not change in the loop over ``b`` is read before it, and what one step of it writes, no other step reads or
  writes: the compiler is told so.
- A sum of up to ``UNROLLED`` products is a loop of fixed length inside the one over ``b``, which LLVM unrolls. A longer
  one is added to its row in blocks of that length.
- Two rows (in sums over samples: up to eight results) are computed in one loop over ``b``, so that what they share is
  read once.
- A mask that leaves one stretch of a reduced axis becomes the loop's bounds.
- Operations that call functions have a loop over ``b`` of their own, as a call keeps its loop from being vectorised.

Names in the text are made here (``g12_0``, ``i0``, ``x3``) and never come from the program, and its numbers are in the
arrays. Why it is sound: nests are in an order in which all is computed before it is read
(:mod:`tinygrad_lite.lift.loops.loop_fusion`), and what is read before a loop over ``b`` is not written in it. Costs:
the text grows with the number of groups, not with their sizes.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Loop, Output, Ref, Term
from tinygrad_lite.lift.ir.reductions import LOOKUP, REDUCTIONS
from tinygrad_lite.lift.loops import buffer_allocation, loop_fusion
from tinygrad_lite.lift.loops.buffer_allocation import Cell
from tinygrad_lite.lift.loops.code_writer import Lane, Tables, Text
from tinygrad_lite.lift.loops.loop_fusion import Nest
from tinygrad_lite.lift.loops.scalar_functions import Formula
from tinygrad_lite.lift.loops.tiling import choose_block_length, choose_tile, cut_last_axis, find_mask_stretch
from tinygrad_lite.lift.source.precedence import fill_template, infix, write_choice

#: A coordinate: the name of a loop variable, or "" where it is fixed, and what is added to it.
Coordinate = tuple[str, int]
Coordinates = list[Coordinate]
#: The variables of loops over steps, the outermost first.
STEP = "step{}"


class Loops:
    """Writes the loops of one program, into ``text``.

    Args:
        program: The program.
        cells: Where each group stands; None for what is never read outside the loop that computes it.
        width: How many samples a chunk has at most: the length of a row.
        operation: ``operation(name, operands)`` is the text of one operation of names.
        calls: Whether that operation calls a function.
    """

    def __init__(
        self,
        program: Groups,
        cells: Sequence[Cell | None],
        width: int,
        operation: Callable[[str, Sequence[str]], str],
        calls: Callable[[str], bool],
    ) -> None:
        self.program = program
        self.groups = program.groups
        self.cells = cells
        self.width = width
        self.operation = operation
        self.calls = calls
        self.tables = Tables()
        self.text = Text()
        self._fresh = itertools.count()
        self._lane = ""  # how many times the loop over b runs; "" where there is none
        self._values: dict[tuple[int, int], str] = {}  # what the present loop over b has computed

    # -------------------------------------------------------------------------------------------------- the nests

    def write_nest(self, nest: Nest) -> None:
        """Write the loops of one nest."""
        samples = nest.batched or nest.accumulates
        step = self.name_steps(nest.loops)
        shape = nest.shape[len(step) :]
        axes = len(shape) - (not samples and not nest.dot and shape != ())
        self._lane = "m" if samples else str(shape[-1]) if axes < len(shape) else ""
        for number in nest.members:
            if self.groups[number].axis >= len(step):
                self.write_initial(number, step)
        together = choose_tile(shape[:axes], self._choose_width(nest))
        where = [*step, *self._open_grid(shape[:axes], together)]
        together = [1 for _ in step] + together
        lane: Coordinates = [("b", 0)] * (len(shape) - axes)
        copies = [
            [(name, k) for (name, _), k in zip(where, steps, strict=True)] + lane
            for steps in itertools.product(*map(range, together))
        ]
        if nest.accumulates:
            self._accumulate(nest.members[0], copies)
        else:
            for members in loop_fusion.split_segments(self.program, nest, self.calls):
                if nest.batched:
                    self._lane = "m" if loop_fusion.has_calls(self.groups[members[0]], self.calls) else "blocks*16"
                self._write_segment(members, copies)
        self.text.close()

    def name_steps(self, loops: Sequence[Loop]) -> Coordinates:
        """Name the coordinates that the steps of loops are."""
        return [(STEP.format(loop.axis), 0) for loop in loops]

    def write_initial(self, number: int, steps: Coordinates) -> None:
        """Copy the rows of a group that are not computed, at steps of the loops around it."""
        group = self.groups[number]
        for row, ref in enumerate(group.initial):
            shape = group.row[len(steps) :]
            where = [*steps, *self._open_grid(shape, [1] * len(shape))]
            own = [Index(0, ((axis, 1),)) for axis in range(len(group.row))]
            if group.batched:
                self.text.open("for b in range(m):")
            whole = Ref(number, (*own[: group.axis], Index(row), *own[group.axis :]))
            self.text.add(f"{self._write_read(whole, where)[0]} = {self._write_read(ref, where)[0]}")
            self.text.close()

    def write_zeros(self, number: int) -> None:
        """Make a sum over samples 0."""
        cell = self._get_cell(number)
        self.text.open(f"for b in range({self.groups[number].size}):")
        self.text.add(f"{cell.pointer}[{cell.offset}+b] = 0.0")
        self.text.close()

    def write_input_chunk(self, place: int, number: int) -> None:
        """Copy a chunk of a batched input into its rows; the array has the samples last, or (``f``) first."""
        group, row = self.groups[number], f"v[{self._get_cell(number).offset * self.width}+i*{self.width}+b]"
        self.text.open(f"for i in range({group.size}):")
        if group.shape:
            self.text.add(f"if f{place}:")
            self.text.add(f" for b in range(m): {row} = constant(x{place}, (start+b)*{group.size}+i)")
            self.text.open("else:")
        self.text.add(f"for b in range(m): {row} = constant(x{place}, i*n+start+b)")
        self.text.close()

    def write_result(self, place: int, output: Output) -> None:
        """Copy a result, or a chunk of one, into its array."""
        shape = output.shape or ()
        where: Coordinates = [("" if size == 1 else f"i{axis}", 0) for axis, size in enumerate(shape)]
        if output.batched:
            self.text.open("for b in range(m):")
        for (name, _), size in zip(where, shape, strict=True):
            if name:
                # For samples a length that LLVM does not know: it would unroll both loops, and take seconds for it.
                self.text.open(
                    f"for {name} in range({f'constant(t, {self.tables.place([size])})' if output.batched else size}):"
                )
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        flat = [f"{name}*{stride}" for (name, _), stride in zip(where, strides, strict=True) if name]
        flat += [f"(start+b)*{math.prod(shape)}"] if output.batched else []
        self.text.add(f"o{place}[{'+'.join(flat) or '0'}] = {self._write_read(output.ref, where)[0]}")
        self.text.close()

    def _open_grid(self, shape: Sequence[int], together: Sequence[int]) -> Coordinates:
        """Begin loops over a grid, in steps; no loop for what is done in one step."""
        where: Coordinates = []
        for size, step in zip(shape, together, strict=True):
            name = "" if size == step else f"i{len(where)}"
            if name:
                self.text.open(
                    f"for {name} in range({size}):" if step == 1 else f"for {name} in range(0, {size}, {step}):"
                )
            where.append((name, 0))
        return where

    def _choose_width(self, nest: Nest) -> int:
        """Choose how many results are computed in one loop over b."""
        terms = [term for number in nest.members for term in self.groups[number].terms]
        if any(term.mask is not None for term in terms) or not (nest.batched or nest.accumulates):
            return 1
        if nest.accumulates:
            return 16 if len(nest.shape) > 1 else 8
        return 2 if any(math.prod(term.reduced) > 3 for term in terms) and len(nest.members) <= 4 else 1

    # -------------------------------------------------------------------------------------------- places of numbers

    def _get_cell(self, number: int) -> Cell:
        cell = self.cells[number]
        assert cell is not None
        return cell

    def _write_own(self, number: int, where: Coordinates) -> str:
        """Write the text of a group's own number at the coordinates of its grid."""
        group = self.groups[number]
        return self._write_read(Ref(number, group.own), where)[0]

    def _write_read(self, ref: Ref, where: Coordinates) -> tuple[str, bool]:
        """Write the text of a number that is read, and whether it changes in the loop over b."""
        cell = self._get_cell(ref.group)
        unit = self.width if cell.batched else 1
        fixed, steps, texts = cell.offset * unit, dict[str, int](), list[str]()
        varies = cell.batched
        indices, sizes = ref.index[cell.steps :], cell.shape[cell.steps :]
        for index, size in zip(reversed(indices), (1,) if ref.flat else reversed(sizes), strict=True):
            if index.table is not None:
                text, here, changes = self._write_table_read(index.table * unit, [where[axis] for axis in index.axes])
                texts += [text] if text else []
                fixed += here
                varies |= changes
            else:
                fixed += index.offset * unit
                for axis, step in index.steps:
                    name, more = where[axis]
                    fixed += step * more * unit
                    steps[name] = steps.get(name, 0) + step * unit
            unit *= size
        varies |= "b" in steps
        if cell.batched:
            steps["b"] = steps.get("b", 0) + 1
        texts += [name if step == 1 else f"{name}*{step}" for name, step in steps.items() if name and step]
        texts += [str(fixed)] if fixed or not texts else []
        place = "+".join(texts)
        return (f"constant({cell.pointer}, {place})" if cell.pointer[0] == "x" else f"{cell.pointer}[{place}]"), varies

    def _write_table_read(self, table: NDArray[Any], where: Sequence[Coordinate]) -> tuple[str, int, bool]:
        """Write an element of a table of ints, or ("", the int), and whether it changes in the loop over b."""
        if not any(name for name, _ in where):
            return "", int(table[tuple([more for _, more in where])]), False
        fixed, unit, texts = self.tables.place(table), 1, list[str]()
        for (name, more), size in zip(reversed(where), reversed(table.shape), strict=True):
            fixed += more * unit
            texts += [f"{name}*{unit}"] if name else []
            unit *= size
        return f"constant(t, {'+'.join([*texts, str(fixed)])})", 0, any(name == "b" for name, _ in where)

    # ----------------------------------------------------------------------------------------------- loops over b

    def _write_segment(self, members: Sequence[int], copies: Sequence[Coordinates]) -> None:
        """Write one loop over b, after those of the long sums and folds in it."""
        lane = Lane()
        for number in members:
            for copy, value in enumerate(self._write_numbers(number, copies, lane)):
                self._values[number, copy] = f"g{number}_{copy}"
                lane.inside.add(f"g{number}_{copy} = {value}")
                if self.cells[number] is not None:
                    lane.after.add(f"{self._write_own(number, copies[copy])} = g{number}_{copy}")
        self._write_lane(lane)
        self._values.clear()

    def _write_lane(self, lane: Lane) -> None:
        """Write a loop over b."""
        depth = self.text.depth
        self.text.append(lane.before)
        if self._lane:
            self.text.open(f"for b in range({self._lane}):")
        self.text.append(lane.inside)
        self.text.append(lane.after)
        self.text.close(depth)

    def _write_numbers(self, number: int, copies: Sequence[Coordinates], lane: Lane) -> list[str]:
        """Write the text of the scalars of a group that are computed together."""
        group = self.groups[number]
        if group.op == LOOKUP:
            return [self._write_lookup(number, copy, where, lane) for copy, where in enumerate(copies)]
        if group.kind != "map":
            return self._write_totals(number, copies, lane)
        return [
            self.operation(group.op, [self._read(number, ref, copy, where, lane) for ref in group.operands])
            for copy, where in enumerate(copies)
        ]

    def _read(self, number: int, ref: Ref, copy: int, where: Coordinates, lane: Lane) -> str:
        """Name an operand: what this loop has computed, or what is read from memory."""
        if (ref.group, copy) in self._values and loop_fusion.reads_own_place(self.program, number, ref):
            return self._values[ref.group, copy]
        return lane.load(*self._write_read(ref, where))

    def _write_lookup(self, number: int, copy: int, where: Coordinates, lane: Lane) -> str:
        """Write the element that the index names, modulo the table's size."""
        group = self.groups[number]
        (term,) = group.terms
        place = f"j{next(self._fresh)}"
        index = self._read(number, group.operands[-1], copy, where, lane)
        lane.inside.add(f"{place} = int({index}) % {term.reduced[0]}")
        return self._write_read(term.factors[0], [*where, (place, 0)])[0]

    # --------------------------------------------------------------------------------------------- sums and folds

    def _write_totals(self, number: int, copies: Sequence[Coordinates], lane: Lane) -> list[str]:
        """Write the lines that compute sums or folds, and give their names."""
        group = self.groups[number]
        short, long = self._split(number, copies)
        if long:
            self._fill_rows(number, long, copies)
        names = [f"s{next(self._fresh)}" for _ in copies]
        for name, where in zip(names, copies, strict=True):
            start = Formula(_write_neutral(group))
            if long or loop_fusion.accumulates(self.program, group):
                start = Formula(lane.load(self._write_own(number, where), True))
                start = start / Formula("n") if group.over == "mean" else start
            lane.inside.add(f"{name} = {start}")
        for term in short:
            self._add_short(number, term, names, copies, lane)
        return names

    def _split(self, number: int, copies: Sequence[Coordinates]) -> tuple[list[Term], list[Term]]:
        """Tell the terms that the loop over b adds up from those, or parts of them, added up in memory before."""
        group, short, long = self.groups[number], list[Term](), list[Term]()
        most = buffer_allocation.UNROLLED // len(copies)
        for term in group.terms:
            if loop_fusion.is_over_samples(self.program, group, term):
                continue
            in_loop = not self._lane or math.prod(term.reduced) <= most or not self._varies(term, copies[0])
            if in_loop or loop_fusion.accumulates(self.program, group):
                short.append(term)
            elif term.mask is None and term.reduced[-1] == math.prod(term.reduced):
                head, tail = cut_last_axis(term, len(group.shape), most)
                long.append(head)
                short.append(tail)
            else:
                long.append(term)
        return short, long

    def _add_short(
        self, number: int, term: Term, names: Sequence[str], copies: Sequence[Coordinates], lane: Lane
    ) -> None:
        """Add a term to the totals in the loop over b, or before it if it is the same for all b."""
        group = self.groups[number]
        if not term.reduced and (term.mask is None or self._reads_this_loops(number, term)):
            for copy, (name, where) in enumerate(zip(names, copies, strict=True)):
                factors = [self._read(number, factor, copy, where, lane) for factor in term.factors]
                chosen = self._choose(lane.inside, term, where, _add_factor(group, term, name, factors), name)
                lane.inside.add(f"{name} = {chosen}")
            return
        varies = self._varies(term, copies[0])
        text, totals = (lane.inside, names) if varies else (lane.before, [f"s{next(self._fresh)}" for _ in copies])
        choose = varies and self._lane != ""

        def add_product(term: Term, point: Coordinates, count: int) -> None:
            self._add_products(text, group, term, totals, [where + point for where in copies], choose)

        if not varies:
            for total in totals:
                text.add(f"{total} = {_write_neutral(group)}")
        self._loop_over_reduced(text, term, copies[0], add_product, guard=not choose)
        if not varies:
            for name, total in zip(names, totals, strict=True):
                lane.inside.add(f"{name} = {_join_totals(group, name, total)}")

    def _varies(self, term: Term, where: Coordinates) -> bool:
        """Whether the term changes in the loop over b."""
        here = where + [("r", 0)] * len(term.reduced)
        changes = any(here[axis][0] == "b" for axis in term.axes)
        return not self._lane or changes or any(self._write_read(factor, here)[1] for factor in term.factors)

    def _fill_rows(self, number: int, terms: Sequence[Term], copies: Sequence[Coordinates]) -> None:
        """Add long terms up in the group's rows, in blocks."""
        group, most = self.groups[number], buffer_allocation.UNROLLED // len(copies)
        rows = [self._write_own(number, where) for where in copies]
        names = [f"s{next(self._fresh)}" for _ in copies]
        neutral = _write_neutral(group)
        one_block = len(terms) == 1 and terms[0].mask is None and 0 < math.prod(terms[0].reduced) <= most
        if not one_block:
            lane = Lane()
            for row in rows:
                lane.inside.add(f"{row} = {neutral}")
            self._write_lane(lane)

        def add_block(term: Term, point: Coordinates, count: int) -> None:
            lane = Lane()
            for row, name in zip(rows, names, strict=True):
                lane.inside.add(f"{name} = {neutral if one_block else row}")
                lane.after.add(f"{row} = {name}")
            if count > 1:
                name, more = point[-1]
                lane.inside.open(f"for k in range({count}):")
                lane.inside.add(f"q = {name or more}+k")
                point = [*point[:-1], ("q", 0)]
            self._add_products(lane.inside, group, term, names, [where + point for where in copies])
            lane.inside.close(0)
            self._write_lane(lane)

        for term in terms:
            self._loop_over_reduced(self.text, term, copies[0], add_block, most)

    def _accumulate(self, number: int, copies: Sequence[Coordinates]) -> None:
        """Add to a sum over samples what the chunk gives."""
        group = self.groups[number]
        names = [f"a{copy}" for copy in range(len(copies))]
        for name in names:
            self.text.add(f"{name} = 0.0")

        def add_samples(term: Term, point: Coordinates, count: int) -> None:
            lane = Lane()
            self._add_products(lane.inside, group, term, names, [where + point for where in copies])
            self._write_lane(lane)

        for term in group.terms:
            if loop_fusion.is_over_samples(self.program, group, term):
                self._loop_over_reduced(self.text, term, copies[0], add_samples)
        for name, where in zip(names, copies, strict=True):
            self.text.add(f"{self._write_own(number, where)} += {name}")

    def _add_products(
        self,
        text: Text,
        group: Group,
        term: Term,
        names: Sequence[str],
        points: Sequence[Coordinates],
        choose: bool = False,
    ) -> None:
        """Add the product of the factors at each point to each total; if ``choose``, only where the mask holds."""
        read: dict[str, str] = {}

        def load(place: str) -> str:
            if place not in read:
                read[place] = f"p{len(read)}"
                text.add(f"{read[place]} = {place}")
            return read[place]

        for name, point in zip(names, points, strict=True):
            total = _add_factor(
                group, term, name, [load(self._write_read(factor, point)[0]) for factor in term.factors]
            )
            text.add(f"{name} = {self._choose(text, term, point, total, name) if choose else total}")

    def _reads_this_loops(self, number: int, term: Term) -> bool:
        """Whether a factor is what this loop has computed, which is not in memory before the loop ends."""
        return any(
            (factor.group, 0) in self._values and loop_fusion.reads_own_place(self.program, number, factor)
            for factor in term.factors
        )

    def _choose(self, text: Text, term: Term, where: Coordinates, total: Formula, before: str) -> Formula:
        """Take the new total where the mask holds, and else the one before."""
        condition = self._write_condition(term, where)
        if not condition:
            return total
        text.add(f"c = {condition}")
        return Formula(*write_choice(Formula(*infix("≠", Formula("c"), Formula("0"))), total, Formula(before)))

    def _write_condition(self, term: Term, where: Coordinates) -> str:
        """Write the text of the mask's element; "" where there is no mask."""
        if term.mask is None:
            return ""
        text, known, _ = self._write_table_read(term.mask, [where[axis] for axis in term.axes])
        return text or str(known)

    def _loop_over_reduced(
        self,
        text: Text,
        term: Term,
        where: Coordinates,
        body: Callable[[Term, Coordinates, int], None],
        most: int = 1,
        guard: bool = True,
    ) -> None:
        """Write loops over the reduced axes, where the mask holds if ``guard``; the last axis by blocks of ``most``.

        The body is given a point and how many points it begins.
        """
        depth = text.depth
        blocks = most > 1 and term.mask is None
        stretch = find_mask_stretch(term, len(where)) if guard else None
        point = [("" if size == 1 else f"r{axis}", 0) for axis, size in enumerate(term.reduced)]
        order = sorted(range(len(point) - blocks), key=lambda axis: stretch is not None and stretch[0] == axis)
        for axis in order:
            if stretch is not None and stretch[0] == axis:
                point[axis] = (f"r{axis}", 0)
                bounds = [
                    self._write_table_read(table, [[*where, *point][k] for k in stretch[1]]) for table in stretch[2:]
                ]
                text.open(f"for r{axis} in range({', '.join([bound or str(known) for bound, known, _ in bounds])}):")
            elif point[axis][0]:
                text.open(f"for r{axis} in range({term.reduced[axis]}):")
        if guard and term.mask is not None and stretch is None:
            text.open(f"if {self._write_condition(term, [*where, *point])} != 0:")
        if blocks:
            self._loop_over_blocks(text, term, point, most, body)
        else:
            body(term, point, 1)
        text.close(depth)

    def _loop_over_blocks(
        self, text: Text, term: Term, point: Coordinates, most: int, body: Callable[[Term, Coordinates, int], None]
    ) -> None:
        """Write a loop over blocks along the last axis, of a length that divides the axis if one of those does."""
        size, name = term.reduced[-1], f"r{len(point) - 1}"
        block = choose_block_length(size, most)
        whole = size // block * block if size else 0
        if whole == block:
            body(term, [*point[:-1], ("", 0)], block)
        elif whole:
            text.open(f"for {name} in range(0, {whole}, {block}):")
            body(term, [*point[:-1], (name, 0)], block)
            text.close(text.depth - 1)
        if whole < size:
            body(term, [*point[:-1], ("", whole)], size - whole)


def _write_neutral(group: Group) -> str:
    """Write the text of the number that a sum or a fold begins with."""
    return repr(REDUCTIONS[group.op].neutral) if group.kind == "fold" else "0.0"


def _join_totals(group: Group, total: str, part: str) -> Formula:
    """Join two totals of the same sum or fold."""
    if group.kind == "fold":
        return Formula(*fill_template(REDUCTIONS[group.op].step, [Formula(total), Formula(part)]))
    return Formula(total) + Formula(part)


def _add_factor(group: Group, term: Term, total: str, factors: Sequence[str]) -> Formula:
    """Add one product more to a total, or one element more to a fold."""
    if group.kind == "fold":
        return _join_totals(group, total, factors[0])
    product = functools.reduce(operator.mul, map(Formula, factors))
    return Formula(total) - product if term.sign < 0 else Formula(total) + product
