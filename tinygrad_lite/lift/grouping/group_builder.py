"""How a set of isomorphic scalars becomes a statement: a map, sums or a fold, with the places that it reads.

Where each scalar of the graph is (its group, and its place in it) is noted as groups are made;
:mod:`~tinygrad_lite.lift.grouping.grouping` decides which scalars belong together, and in which order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.canonical.canonicalize import Canonical
from tinygrad_lite.lift.canonical.decompositions import MUL
from tinygrad_lite.lift.canonical.rewriter import CONSTANT, SUM
from tinygrad_lite.lift.grouping.contractions import (
    Entries,
    are_distinct,
    fit_entries,
    fit_ranked,
    fit_rows,
    make_mask,
    make_table,
    split_rows,
)
from tinygrad_lite.lift.grouping.index_maps import Grid, Search, find_used_axes, fit, flatten, is_within
from tinygrad_lite.lift.grouping.shifts import fit_terms
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Integers, Ref, Term, all_of
from tinygrad_lite.lift.ir.reductions import LOOKUP, REDUCTIONS
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import BY_CODE, TABLE

Floats = NDArray[np.float64]
#: Some rows of many sums, the number of the group that computes them, and its grid.
_Sum = tuple[Integers, int, Grid]

#: The operations of folds by their codes in the canonical graph.
FOLDS = {**{found.code: found.name for found in REDUCTIONS.values()}, TABLE[LOOKUP].code: LOOKUP}
#: The class of constants.
CONSTANTS = 0


@dataclass(eq=False)
class _Operands:
    """Where some scalars read one operand: elements of one group, or numbers."""

    group: int
    places: Integers
    numbers: Floats | None = None

    def take(self, members: Integers) -> _Operands:
        return _Operands(self.group, self.places[members], None if self.numbers is None else self.numbers[members])

    def rank_uses(self) -> list[Integers]:
        """Say which of its numbers each scalar reads, in the order of their use; nothing if all read the same."""
        if self.numbers is None or (self.numbers == self.numbers[0]).all():
            return []
        _, firsts, which = np.unique(self.numbers, return_index=True, return_inverse=True)
        rank = np.empty(len(firsts), dtype=np.intp)
        rank[np.argsort(firsts)] = np.arange(len(firsts))
        if (np.diff(rank) < 0).all():  # a derivative uses numbers in the order against that of the code
            rank = rank[::-1]
        return [rank[which]]


@dataclass(eq=False)
class _Class:
    """Nodes that belong together.

    Attributes:
        group: The number of their group; −1 while they have none.
        factors: Of products that are not computed for themselves: what each reads.
        nodes: The members of such products.
    """

    group: int = -1
    factors: list[_Operands] = field(default_factory=list)
    nodes: Integers = field(default_factory=lambda: np.empty(0, dtype=np.intp))


class Builder:
    """Groups in the making, and where each scalar of the graph is in them.

    Args:
        graph: The canonical graph.
        inputs: The input groups.
        unit: For each leaf its place in ``inputs``; −1 for constants.
        place: For each leaf its place within that group.
        shapes: Of the results, whose elements are the graph's roots, one result after the other.
        counts_only: Whether it is only asked how many classes there are: no group is made then.
    """

    def __init__(
        self,
        graph: Canonical,
        inputs: Sequence[Group],
        unit: Integers,
        place: Integers,
        shapes: Sequence[tuple[int, ...]],
        counts_only: bool = False,
    ) -> None:
        self.graph = graph
        self.shapes = shapes
        self._counts_only = counts_only
        #: how many groups were counted
        self.count = 0
        ends = np.cumsum([math.prod(shape) for shape in shapes], dtype=np.intp)
        self._roots = np.split(graph.roots, ends[:-1]) if len(ends) else []
        self.program = Groups(list(inputs), list(range(len(inputs))))
        self.classes = [_Class()] + [_Class(group=i) for i in range(len(inputs))]
        n = len(graph)
        self.cls = np.full(n, -1, dtype=np.intp)
        self.place = np.zeros(n, dtype=np.intp)
        self.lazy = np.zeros(n, dtype=bool)
        #: of sums that count as elements of their group, and of elements that are made sums: the sum's group and place
        self.sum_group = np.full(n, -1, dtype=np.intp)
        self.sum_place = np.zeros(n, dtype=np.intp)
        self.same = np.arange(n)
        self.cls[graph.codes == CONSTANT] = CONSTANTS
        self.cls[: graph.leaves][unit >= 0] = unit[unit >= 0] + 1
        self.place[: graph.leaves] = place
        for number, group in enumerate(inputs):
            members = np.flatnonzero(unit == number)
            group.nodes = np.full(group.size, -1, dtype=np.intp)
            group.nodes[place[members]] = members
        #: groups that collect elements of others, by what they collect
        self._collected: dict[tuple[bytes, bytes, tuple[int, ...]], int] = {}
        #: nodes that nothing but sums reads
        self._only_summed = np.zeros(n, dtype=bool)
        #: sums that count as elements and are not computed yet
        self._waiting: list[Integers] = []

    def _get_operands(self, nodes: Integers) -> tuple[Integers, Integers, Integers]:
        """Get the operands of nodes: for each the place of its node in ``nodes``, the operand, its sign."""
        starts = self.graph.starts
        counts = starts[nodes + 1] - starts[nodes]
        owners = np.repeat(np.arange(len(nodes)), counts)
        edges = find_edges(starts, nodes)
        return owners, self.same[self.graph.operands[edges]], self.graph.signs[edges]

    def _make_group(self, members: Integers) -> None:
        code = int(self.graph.codes[members[0]])
        number = len(self.classes)
        if self._counts_only:
            self._count_group(members, code)
            return
        if code == SUM:
            for rows, group, grid in self._make_sum(members):
                self._finish(members[rows], group, grid)
            return
        if code in FOLDS:
            group, grid = self._make_fold(members, code)
        else:
            slots = [self._read(operands) for operands in self._sort_operands(members, code)]
            if code == MUL and self._is_inside_sums(members):
                self.classes.append(_Class(-1, slots, members))
                self.cls[members] = number
                self.place[members] = np.arange(len(members))
                return
            group, grid = self._make_map(code, slots, len(members))
        self._finish(members, group, grid)

    def _count_group(self, members: Integers, code: int) -> None:
        """Count the group of a class in place of making it; and what would have to be collected for it."""
        self.cls[members] = len(self.classes)
        self.classes.append(_Class())
        if code == SUM:
            self.count += 1
            return
        self.count += code != MUL or not self._is_inside_sums(members)
        slots = [self._get_operands(members)[1]] if code in FOLDS else self._sort_operands(members, code)
        self.count += sum(bool((self.cls[operands] != self.cls[operands[0]]).any()) for operands in slots)

    def _is_inside_sums(self, products: Integers) -> bool:
        """Whether products are not computed for themselves."""
        return bool(np.mean(self._only_summed[products]) >= 0.5)

    def _finish(self, members: Integers, group: int, grid: Grid) -> None:
        """Note where the members of a new group are."""
        self.cls[members] = len(self.classes)
        self.classes.append(_Class(group))
        self.place[members] = grid.find_places()
        self._note(group, grid, members)

    def _split_operands(self, members: Integers) -> list[Integers]:
        """Split the operands of nodes with equally many, one array for each place."""
        starts = self.graph.starts
        count = int(starts[members[0] + 1] - starts[members[0]])
        return [self.same[self.graph.operands[starts[members] + place]] for place in range(count)]

    def _sort_operands(self, members: Integers, code: int) -> list[Integers]:
        slots = self._split_operands(members)
        if code != MUL:
            op = BY_CODE[code]
            if op is None or op.arity == NARY:
                raise LiftError(
                    f"{op.name if op else code} takes any number of operands and is an operation of your own: lift "
                    "knows how to compute those of the table. Write it with the table's operations."
                )
            return slots
        a, b = slots
        first, second = self.cls[a], self.cls[b]
        swap = (first > second) | ((first == second) & self._stands_later(a, b))
        return [np.where(swap, b, a), np.where(swap, a, b)]

    def _stands_later(self, a: Integers, b: Integers) -> NDArray[np.bool_]:
        """Whether the first of two operands from one group stands behind the second."""
        places = [np.where(self.lazy[x], self.sum_place[x], self.place[x]) for x in (a, b)]
        return np.asarray(places[0] > places[1])

    def _read(self, operands: Integers) -> _Operands:
        """Find where the operands of one slot are: all in one group, whatever it takes."""
        classes = self.cls[operands]
        if (classes == CONSTANTS).all():
            return _Operands(-1, np.zeros(len(operands), dtype=np.intp), self.graph.numbers[operands])
        groups, places = self._locate(operands)
        if (groups == groups[0]).all():
            return _Operands(int(groups[0]), places)
        return _Operands(self._collect(groups, places, groups.shape), np.arange(len(groups)))

    def _locate(self, operands: Integers) -> tuple[Integers, Integers]:
        """Find the group and the place of each node, once it is computed for itself."""
        groups = np.empty(len(operands), dtype=np.intp)
        places = self.place[operands].copy()
        lazy = self.lazy[operands]
        base = int(self.cls[operands[0]])
        if base != CONSTANTS and not lazy.any() and (self.cls[operands] == base).all():
            if self.classes[base].group < 0:
                self._compute_products(base)
                places = self.place[operands]
            groups[:] = self.classes[base].group
            return groups, places
        as_sums = lazy | ((self.sum_group[operands] >= 0) if lazy.any() else False)
        for base in np.unique(self.cls[operands[~as_sums]]).tolist():
            chosen = ~as_sums & (self.cls[operands] == base)
            if base == CONSTANTS:
                groups[chosen], places[chosen] = self._add_constants(self.graph.numbers[operands[chosen]])
                continue
            if self.classes[base].group < 0:
                self._compute_products(base)
                places[chosen] = self.place[operands[chosen]]
            groups[chosen] = self.classes[base].group
        groups[as_sums] = self.sum_group[operands[as_sums]]
        places[as_sums] = self.sum_place[operands[as_sums]]
        return groups, places

    def _compute_products(self, base: int) -> None:
        """Compute products that something other than a sum reads after all."""
        products = self.classes[base]
        group, grid = self._make_map(MUL, products.factors, len(products.nodes))
        products.group = group
        self.place[products.nodes] = grid.find_places()
        self._note(group, grid, products.nodes)

    def _make_map(self, code: int, slots: Sequence[_Operands], count: int) -> tuple[int, Grid]:
        columns: list[Integers] = []
        limits: list[int] = []
        for slot in slots:
            more, sizes = self._list_columns(slot)
            columns += more
            limits += sizes
        if all(slot.numbers is not None for slot in slots) and count > 1:
            columns, limits = [np.arange(count)], [count]
        if count == 1:
            grid = Grid((), [], [Index(int(column[0])) for column in columns])
        else:
            spare = [column for slot in slots for column in slot.rank_uses()]
            if spare and not are_distinct(columns, count):
                columns += spare
                limits += [count] * len(spare)
            grid = fit(columns, limits, count)
        indices = list(grid.columns)
        refs = tuple([self._make_ref(slot, indices, grid.shape, grid.coordinates) for slot in slots])
        op = BY_CODE[code]
        assert op is not None
        return self._add(Group("map", grid.shape, op.name, refs)), grid

    def _list_columns(self, slot: _Operands) -> tuple[list[Integers], list[int]]:
        if slot.numbers is not None:
            return [], []
        shape = self.program.groups[slot.group].shape
        return list(np.unravel_index(slot.places, shape)) if shape else [], list(shape)

    def _make_ref(
        self, slot: _Operands, indices: list[Index], shape: tuple[int, ...], cells: Sequence[Integers]
    ) -> Ref:
        """Make a Ref of an operand; it takes its columns' indices from the front of the list."""
        if slot.numbers is not None:
            return self._make_constant_ref(slot.numbers, shape, cells)
        axes = len(self.program.groups[slot.group].shape)
        ref = Ref(slot.group, tuple(indices[:axes]))
        del indices[:axes]
        return ref

    def _make_constant_ref(self, numbers: Floats, shape: tuple[int, ...], cells: Sequence[Integers]) -> Ref:
        """Read numbers at the cells of a box, over no more axes than they depend on."""
        whole = np.full(int(np.prod(shape, dtype=int)), numbers[0])
        if not (numbers == numbers[0]).all():
            whole[flatten(cells, shape)] = numbers
        array = whole.reshape(shape)
        axes = find_used_axes(array)
        for axis in range(array.ndim):
            if axis not in axes:
                array = array.take([0], axis=axis)
        array = array.reshape([shape[axis] for axis in axes])
        number = self._add(Group("constant", array.shape, data=array))
        return Ref(number, tuple([Index(0, ((axis, 1),)) for axis in axes]))

    def _add_constants(self, numbers: Floats) -> tuple[int, Integers]:
        number = self._add(Group("constant", numbers.shape, data=numbers.copy()))
        return number, np.arange(len(numbers))

    def _make_sum(self, members: Integers) -> list[_Sum]:
        owners, operands, signs = self._get_operands(members)
        parts = []
        kinds = (self.cls[operands] * 2 + self.lazy[operands]) * 2 + (signs < 0)
        for kind in np.unique(kinds).tolist():
            chosen = kinds == kind
            base = int(kind) // 4
            parts.append((-1.0 if kind % 2 else 1.0, base, owners[chosen], operands[chosen]))
        return self._add_sums(len(members), parts)

    def _add_sums(self, count: int, parts: Sequence[tuple[float, int, Integers, Integers]]) -> list[_Sum]:
        """Add sum groups of parts: the sign, the class, and the row and the node of each entry."""
        slots: list[list[_Operands]] = []
        entries: list[Entries] = []
        for _, base, owners, operands in parts:
            read = self._split_factors(base, operands)
            columns: list[Integers] = []
            limits: list[int] = []
            for slot in read:
                more, sizes = self._list_columns(slot)
                columns += more
                limits += sizes
            slots.append(read)
            spare = [column for slot in read for column in slot.rank_uses()]
            entries.append(Entries(owners, columns, limits, np.bincount(owners, minlength=count), spare))
        if count == 1 and all(len(part.owners) == 1 for part in entries):
            single = [
                Term(tuple([self._make_ref(slot, indices, (), ()) for slot in read]), (), sign)
                for (sign, _, _, _), read, part in zip(parts, slots, entries, strict=True)
                for indices in [[Index(int(column[0])) for column in part.columns]]
            ]
            return [(np.zeros(1, dtype=np.intp), self._add(Group("sum", (), terms=tuple(single))), Grid((), [], []))]
        found = []
        for rows, grid in split_rows(entries, count):
            terms = []
            for (sign, _, _, _), read, whole in zip(parts, slots, entries, strict=True):
                part, chosen = whole.select_rows(rows)
                if not len(chosen):
                    continue  # these rows read other groups
                if len(read) == 1 and read[0].numbers is not None and not part.counts.all():
                    numbers = np.zeros(len(rows))
                    np.add.at(numbers, part.owners, read[0].numbers[chosen])
                    terms.append(Term((self._make_constant_ref(numbers, grid.shape, grid.coordinates),), (), sign))
                    continue
                for entries_of_term, fitted in fit_terms(part, grid):
                    indices = list(fitted.columns)
                    shape = (*grid.shape, *fitted.reduced)
                    own = chosen[entries_of_term]
                    factors = tuple([self._make_ref(slot.take(own), indices, shape, fitted.cells) for slot in read])
                    terms.append(Term(factors, fitted.reduced, sign, fitted.mask, fitted.axes))
            found.append((rows, self._add(Group("sum", grid.shape, terms=tuple(terms))), grid))
        return found

    def _split_factors(self, base: int, operands: Integers) -> list[_Operands]:
        """Find what the terms of one class read: two factors for products that are not computed for themselves."""
        if base != CONSTANTS and self.classes[base].group < 0 and not self.lazy[operands].any():
            return [factor.take(self.place[operands]) for factor in self.classes[base].factors]
        return [self._read(operands)]

    def _make_fold(self, members: Integers, code: int) -> tuple[int, Grid]:
        owners, operands, _ = self._get_operands(members)
        index: list[_Operands] = []
        parts: list[Entries] = []
        looks_up = FOLDS[code] == LOOKUP
        if looks_up:
            last = np.append(np.flatnonzero(np.diff(owners)), len(owners) - 1)
            index = [self._read(operands[last])]
            owners, operands = np.delete(owners, last), np.delete(operands, last)
        slot = self._read(operands)
        columns, limits = self._list_columns(slot)
        part = Entries(owners, columns, limits, np.bincount(owners, minlength=len(members)))
        parts.append(part)
        for found in index:
            columns, limits = self._list_columns(found)
            ones = np.ones(len(members), dtype=np.intp)
            parts.append(Entries(np.arange(len(members)), columns, limits, ones))
        rows = fit_rows(parts, len(members))
        fitted = fit_ranked(part, rows) if looks_up else fit_entries(part, rows)
        shape = (*rows.shape, *fitted.reduced)
        factor = self._make_ref(slot, list(fitted.columns), shape, fitted.cells)
        refs = []
        for found, entries in zip(index, parts[1:], strict=True):
            places = fit_entries(entries, rows)
            refs.append(self._make_ref(found, list(places.columns), rows.shape, rows.coordinates))
        term = Term((factor,), fitted.reduced, 1.0, fitted.mask, fitted.axes)
        return self._add(Group("fold", rows.shape, FOLDS[code], tuple(refs), (term,))), rows

    def _collect(self, groups: Integers, places: Integers, shape: tuple[int, ...]) -> int:
        """Collect elements of several groups in one, of that shape; it is made once."""
        key = (groups.tobytes(), places.tobytes(), shape)
        if key not in self._collected:
            self._collected[key] = self._add_collected(groups, places, shape)
        return self._collected[key]

    def _add_collected(self, groups: Integers, places: Integers, shape: tuple[int, ...]) -> int:
        """Add a group with a term for each group that it collects of: each is read where it belongs, 0 elsewhere."""
        terms = []
        grid = _make_coordinates(shape)
        numbers = np.zeros(len(groups))
        for number in np.unique(groups).tolist():
            data = self.program.groups[number].data
            chosen = groups == number
            if data is not None:
                numbers[chosen] = data.ravel()[places[chosen]]
                continue
            search = Search(int(chosen.sum()), [coordinate[chosen] for coordinate in grid], shape)
            columns, limits = self._list_columns(_Operands(number, places[chosen]))
            indices = []
            for column, limit in zip(columns, limits, strict=True):
                index = search.find_known(column)
                if index is None or not is_within(index, shape, limit):
                    table = np.zeros(len(groups), dtype=np.intp)
                    table[chosen] = column
                    index = make_table(table.reshape(shape), chosen.reshape(shape))
                indices.append(index)
            mask, axes = make_mask(chosen.reshape(shape))
            terms.append(Term((Ref(number, tuple(indices)),), (), 1.0, mask, axes))
        if not terms:
            return self._add(Group("constant", shape, data=numbers.reshape(shape)))
        if numbers.any():
            terms.append(Term((self._make_constant_ref(numbers, shape, grid),)))
        return self._add(Group("sum", shape, terms=tuple(terms)))

    def locate_results(self) -> list[Ref]:
        """Find where the elements of each result are, in C order."""
        found: list[Ref | None] = []
        scattered: dict[tuple[int, ...], list[int]] = {}
        located = []
        for number, (roots, shape) in enumerate(zip(self._roots, self.shapes, strict=True)):
            nodes = self.same[roots]
            if not len(nodes):
                located.append((nodes, nodes))
                number = self._add(Group("constant", shape, data=np.zeros(shape)))
                found.append(all_of(number, len(shape)))
                continue
            if (self.cls[nodes] == CONSTANTS).all():
                located.append((nodes, nodes))
                found.append(self._make_constant_ref(self.graph.numbers[nodes], shape, _make_coordinates(shape)))
                continue
            groups, places = self._locate(nodes)
            located.append((groups, places))
            if (groups == groups[0]).all():
                found.append(self._locate_result(int(groups[0]), places, shape))
            else:
                found.append(None)
                scattered.setdefault(shape, []).append(number)
        for shape, numbers in scattered.items():  # results of one shape are collected together
            groups, places = (np.concatenate([located[number][part] for number in numbers]) for part in (0, 1))
            several = (len(numbers),) if len(numbers) > 1 else ()
            collected = self._collect(groups, places, (*several, *shape))
            own = all_of(collected, len(shape)).index
            for which, number in enumerate(numbers):
                found[number] = Ref(collected, (*[Index(which) for _ in several], *own))
        return [ref for ref in found if ref is not None]

    def _locate_result(self, group: int, places: Integers, shape: tuple[int, ...]) -> Ref:
        search = Search(len(places), _make_coordinates(shape), shape)
        columns, _ = self._list_columns(_Operands(group, places))
        indices = [search.find_known(column) or make_table(column.reshape(shape)) for column in columns]
        return Ref(group, tuple(indices))

    def _add(self, group: Group) -> int:
        group.batched = group.batched or any(self.program.groups[ref.group].batched for ref in group.refs())
        self.program.groups.append(group)
        return len(self.program.groups) - 1

    def _note(self, number: int, grid: Grid, members: Integers) -> None:
        group = self.program.groups[number]
        places = grid.find_places()
        nodes = np.full(group.size, -1, dtype=np.intp)
        known = members >= 0
        nodes[places[known]] = self.graph.origins[members[known]]
        group.nodes = nodes
        if len(members) < group.size:
            present = np.zeros(group.size, dtype=bool)
            present[places] = True
            group.present = present.reshape(group.shape)


def find_edges(starts: Integers, nodes: Integers) -> Integers:
    """Find the edges of some nodes, whose edges begin at these places."""
    counts = starts[nodes + 1] - starts[nodes]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts[nodes] - (ends - counts), counts) + np.arange(total)


def gather_operands(starts: Integers, entries: Integers, nodes: Integers) -> Integers:
    """Gather what the edges of some nodes lead to."""
    return entries[find_edges(starts, nodes)]


def _make_coordinates(shape: tuple[int, ...]) -> list[Integers]:
    """Make the coordinates of the cells of a box, in C order."""
    return [np.asarray(c) for c in np.unravel_index(np.arange(math.prod(shape)), shape)] if shape else []
