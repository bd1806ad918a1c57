"""Where the fused loops keep their numbers: groups → places in few flat arrays, reused as soon as they are free.

An unbatched group has its numbers one behind the other in the array ``u``, a batched one a row of samples for each of
its scalars in ``v``, which holds one chunk of samples. Inputs without samples stay in the caller's arrays, and a group
that is a result as it stands is written into the result's array at once. What only the loop that computes it reads has
no place at all.

Why it is sound: a place is given again only after the last nest that reads it. The sums over samples have
theirs from the start and keep it, as they are filled throughout a phase, and so do the rows where a later phase may
read them. Costs: linear in the
references.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.ir.groups import Group, Groups, Output
from tinygrad_lite.lift.loops import loop_fusion
from tinygrad_lite.lift.loops.loop_fusion import Nest

#: Sums and folds of up to so many elements are one expression; longer ones are added up in their place.
UNROLLED = 16


@dataclass(frozen=True)
class Cell:
    """Where a group's numbers stand: a pointer's name, and the first number's place (in ``v``: the first row's).

    Along the first ``steps`` axes all steps of the loops have the same place: only the present one is read.
    """

    pointer: str
    offset: int
    shape: tuple[int, ...]
    batched: bool
    steps: int = 0


@dataclass(frozen=True)
class Memory:
    """Where everything stands.

    Attributes:
        cells: The place of each group; None for what has none.
        unbatched: What ``u`` holds before a run: the constants.
        rows: How many rows ``v`` has for a chunk.
        chunks_kept: Whether each chunk needs rows of its own, as there is more than one loop over the chunks.
        results: By group, the number of the output that it is written into at once.
    """

    cells: list[Cell | None]
    unbatched: NDArray[np.float64]
    rows: int
    chunks_kept: bool
    results: dict[int, int]


def allocate(program: Groups, phases: list[list[Nest]], calls: Callable[[str], bool]) -> Memory:
    """Give each group its place.

    Args:
        program: The program.
        phases: Its nests.
        calls: Whether an operation is a call (:func:`tinygrad_lite.lift.loops.loop_fusion.split_segments`).
    """
    return _Allocator(program, phases, calls).allocate()


class _Allocator:
    def __init__(self, program: Groups, phases: list[list[Nest]], calls: Callable[[str], bool]) -> None:
        self.program = program
        self.nests = [nest for phase in phases for nest in phase]
        self.chunks_kept = sum(1 for phase in phases[1::2] if phase) > 1
        self.cells: list[Cell | None] = [None] * len(program.groups)
        self.numbers, self.rows = _Row(unit=8), _Row(unit=1)
        self.transient = self._find_transient()
        self.stored = self._find_stored(calls)
        self.last = self._find_last_reads()

    def allocate(self) -> Memory:
        results = self._place_results()
        data = self._place_inputs()
        for number, group in enumerate(self.program.groups):
            if loop_fusion.accumulates(self.program, group) and self.cells[number] is None:
                self.cells[number] = self._allocate(number)
        for place, nest in enumerate(self.nests):
            for number in nest.members:
                if self.cells[number] is None and number in self.stored:
                    self.cells[number] = self._allocate(number)
            for number in self.last.get(place, ()):
                self._release(number)
        unbatched = np.zeros(self.numbers.end)
        for number, array in data.items():
            cell = self.cells[number]
            assert cell is not None
            unbatched[cell.offset : cell.offset + array.size] = array.reshape(-1)
        return Memory(self.cells, unbatched, self.rows.end, self.chunks_kept, results)

    def _allocate(self, number: int) -> Cell:
        group = self.program.groups[number]
        row, pointer = (self.rows, "v") if group.batched else (self.numbers, "u")
        return Cell(pointer, row.take(self._size(number)), group.shape, group.batched, self.transient.get(number, 0))

    def _size(self, number: int) -> int:
        return math.prod(self.program.groups[number].shape[self.transient.get(number, 0) :])

    def _find_transient(self) -> dict[int, int]:
        """Find of the groups in loops in how many of these, from the outermost on, only the present step is read."""
        groups, nesting = self.program.groups, self.program.find_nesting()
        found = {number: len(loops) for number, loops in nesting.items()}
        for number in found:
            if groups[number].initial:
                found[number] = min(found[number], groups[number].axis)
        found.update(dict.fromkeys([output.ref.group for output in self.program.outputs], 0))
        for number, group in enumerate(groups):
            for ref in group.refs():
                around = zip(nesting.get(number, ()), nesting.get(ref.group, ()), strict=False)
                common = len(list(itertools.takewhile(lambda pair: pair[0] is pair[1], around)))
                found[ref.group] = min(found.get(ref.group, 0), common)
        return found

    def _release(self, number: int) -> None:
        group, cell = self.program.groups[number], self.cells[number]
        if cell is None or group.kind == "constant" or loop_fusion.accumulates(self.program, group):
            return
        if cell.pointer == "u":
            self.numbers.give_back(cell.offset, self._size(number))
        elif cell.pointer == "v" and not self.chunks_kept:
            self.rows.give_back(cell.offset, self._size(number))

    def _place_results(self) -> dict[int, int]:
        """Let groups that are results as they stand be written there at once."""
        results: dict[int, int] = {}
        for place, output in enumerate(self.program.outputs):
            number = output.ref.group
            group = self.program.groups[number]
            if number not in results and _is_whole(group, output):
                results[number] = place
                self.cells[number] = Cell(f"o{place}", 0, group.shape, False)
        return results

    def _place_inputs(self) -> dict[int, NDArray[np.float64]]:
        data = {}
        for number, group in enumerate(self.program.groups):
            if group.kind == "input" and not group.batched:
                self.cells[number] = Cell(f"x{self.program.inputs.index(number)}", 0, group.shape, False)
            elif group.kind == "input":
                self.cells[number] = self._allocate(number)
            elif group.kind == "constant":
                self.cells[number] = self._allocate(number)
                data[number] = np.asarray(group.data, dtype=np.float64)
        return data

    def _find_stored(self, calls: Callable[[str], bool]) -> set[int]:
        """Find the groups that are read outside the innermost loop that computes them, or added up in place."""
        groups = self.program.groups
        loop: dict[int, tuple[int, int]] = {}
        for place, nest in enumerate(self.nests):
            for k, members in enumerate(loop_fusion.split_segments(self.program, nest, calls)):
                loop.update(dict.fromkeys(members, (place, k)))
        stored = {output.ref.group for output in self.program.outputs}
        for number, group in enumerate(groups):
            if any(math.prod(term.reduced) > UNROLLED // 2 for term in group.terms) or loop_fusion.accumulates(
                self.program, group
            ):
                stored.add(number)
            for ref in group.refs():
                here = loop_fusion.reads_own_place(self.program, number, ref)
                if not (here and loop.get(number) == loop.get(ref.group)):
                    stored.add(ref.group)
        return stored

    def _find_last_reads(self) -> dict[int, list[int]]:
        """List by nest the groups that no later nest reads."""
        last = {}
        # what a loop reads it reads at each step
        ends = {nest.loops[0]: place for place, nest in enumerate(self.nests) if nest.loops}
        for place, nest in enumerate(self.nests):
            place = ends[nest.loops[0]] if nest.loops else place
            for number in nest.members:
                last[number] = place
                last.update({ref.group: place for ref in self.program.groups[number].refs()})
        for output in self.program.outputs:
            last[output.ref.group] = len(self.nests)
        by_nest: dict[int, list[int]] = {}
        for number, place in last.items():
            by_nest.setdefault(place, []).append(number)
        return by_nest


def _is_whole(group: Group, output: Output) -> bool:
    """Whether the result is a computed group without samples, as it stands."""
    computed = group.kind not in ("input", "constant") and not group.batched
    return computed and loop_fusion.reads_same_place(output.ref, output.shape or (), group.shape)


class _Row:
    """A flat array of places that are taken and given back."""

    def __init__(self, unit: int) -> None:
        self.end = 0
        self._unit = unit
        self._free: dict[int, list[int]] = {}

    def take(self, size: int) -> int:
        """Take a place for so many numbers."""
        size = -(-size // self._unit) * self._unit
        if self._free.get(size):
            return self._free[size].pop()
        self.end += size
        return self.end - size

    def give_back(self, place: int, size: int) -> None:
        """Let a place be taken again."""
        self._free.setdefault(-(-size // self._unit) * self._unit, []).append(place)
