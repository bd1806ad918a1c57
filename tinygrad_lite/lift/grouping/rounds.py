"""Grouping round by round: as early as the operands allow.

It goes over the graph in rounds. A round takes all nodes whose operands are in groups already, and puts those
together that have the same operation and operands from the same groups. They are independent of one another, so one
statement can compute them all; :mod:`~tinygrad_lite.lift.grouping.index_maps` and
:mod:`~tinygrad_lite.lift.grouping.contractions` find the shape of it.

- Equal nodes (the same operation on the same operands) are one.
- Products that only sums read are not computed for themselves: they are the inside of a contraction.
- A sum of elements of one group alone counts as an element of that group until something reads it. For in a sum of
  one term there is nothing to be seen of the sum: the first position of causal attention looks back on itself alone.
  Where some of the scalars that a statement reads are such sums and some are single elements, all are made sums.
- Sums of different lengths over the same groups are one group.

Why it is sound: nodes of a round do not depend on one another, and each keeps exactly its own operands. Cost: a fixed
number of vectorised operations a round and group, and there are as many rounds as the graph is deep. What it does not
find: groups whose members differ in depth, such as the steps of a recurrent network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.canonical.decompositions import LEAST_EXPONENTS, MUL
from tinygrad_lite.lift.canonical.rewriter import SUM
from tinygrad_lite.lift.grouping.group_builder import CONSTANTS, FOLDS, Builder, gather_operands
from tinygrad_lite.lift.ir.groups import Integers
from tinygrad_lite.lift.ir.reductions import REDUCTIONS
from tinygrad_lite.lift.ir.row_hashes import hash_rows, scramble
from tinygrad_lite.operations.ops import TABLE

_POW = TABLE["pow"].code
#: So many nodes are told apart one by one, which is faster then.
_FEW = 12
_REDUCED = [reduction.code for reduction in REDUCTIONS.values()]


class Rounds(Builder):
    """The pass at work; the arguments are a :class:`~tinygrad_lite.lift.grouping.group_builder.Builder`'s.

    Attributes:
        found: How many classes the rounds so far had.
        operations: How many different operations each of them had, added up.
    """

    found = 0
    operations = 0

    def run(self) -> Iterator[None]:
        """Run round after round, until all nodes are in groups."""
        alive = self._find_alive()
        self._count_consumers(alive)
        ready = self._resolve(np.flatnonzero((self.cls >= 0) & alive))
        while len(ready):
            ready = self._run_round(ready)
            yield

    def _count_consumers(self, alive: NDArray[np.bool_]) -> None:
        """Count what has to be done before each node, and who reads it."""
        graph = self.graph
        owners = np.repeat(np.arange(len(graph)), np.diff(graph.starts))
        used = alive[owners]
        consumers_of, consumers = graph.operands[used], owners[used]
        order = np.argsort(consumers_of, kind="stable")
        self._consumers = consumers[order]
        counts = np.bincount(consumers_of, minlength=len(graph))
        self._consumer_starts = np.concatenate([[0], np.cumsum(counts)])
        self._pending = np.bincount(consumers, minlength=len(graph))
        not_sums = np.bincount(consumers_of[graph.codes[consumers] != SUM], minlength=len(graph))
        np.add.at(not_sums, graph.roots, 1)
        self._only_summed = not_sums == 0

    def _find_alive(self) -> NDArray[np.bool_]:
        """Find what the results depend on."""
        graph = self.graph
        alive = np.zeros(len(graph), dtype=bool)
        frontier = np.unique(graph.roots)
        while len(frontier):
            alive[frontier] = True
            below = np.unique(gather_operands(graph.starts, graph.operands, frontier))
            frontier = below[~alive[below]]
        return alive

    def _resolve(self, nodes: Integers) -> Integers:
        """Tell the readers of some nodes that these are done; find which of the readers have all operands now."""
        readers: Integers = gather_operands(self._consumer_starts, self._consumers, nodes)
        if not len(readers):
            return readers
        readers, counts = np.unique(readers, return_counts=True)
        self._pending[readers] -= counts
        done: Integers = readers[self._pending[readers] == 0]
        return done

    def _run_round(self, ready: Integers) -> Integers:
        rest: list[Integers] = []
        while len(ready):  # sums that count as elements make their readers ready in the same round
            lazy = self._defer_sums(self._find_single_sums(ready))
            rest.append(np.setdiff1d(ready, lazy, assume_unique=True) if len(lazy) else ready)
            ready = self._resolve(lazy)
        nodes = np.sort(np.concatenate(rest))
        distinct = self._merge_equal(nodes)
        classes = self._split_classes(distinct)
        self.found += len(classes)
        self.operations += len(np.unique(self.graph.codes[distinct]))
        self._compute_waiting_sums(classes)
        for members in classes:
            self._make_group(members)
        return self._resolve(nodes)

    def _find_single_sums(self, nodes: Integers) -> Integers:
        """Find sums of elements of one group alone."""
        sums: Integers = nodes[self.graph.codes[nodes] == SUM]
        if not len(sums):
            return sums
        owners, operands, signs = self._get_operands(sums)
        classes = self.cls[operands]
        first = classes[np.searchsorted(owners, np.arange(len(sums)))]
        other = (classes != first[owners]) | (signs < 0) | self.lazy[operands] | (classes == CONSTANTS)
        plain: Integers = sums[np.bincount(owners, weights=other, minlength=len(sums)) == 0]
        return plain

    def _defer_sums(self, sums: Integers) -> Integers:
        """Let sums of elements of one group alone count as elements of it."""
        if not len(sums):
            return sums
        owners, operands, _ = self._get_operands(sums)
        first = self.cls[operands[np.searchsorted(owners, np.arange(len(sums)))]]
        sums_kept = self._merge_equal(sums)
        self.cls[sums] = first
        self.lazy[sums] = True
        if len(sums_kept):
            self._waiting.append(sums_kept)
        return sums

    def _merge_equal(self, nodes: Integers) -> Integers:
        """Keep one node of each kind of equal ones; the others are marked as the same."""
        if len(nodes) <= _FEW:
            return self._merge_few(nodes)
        owners, operands, signs = self._get_operands(nodes)
        codes = self.graph.codes[nodes]
        identity = operands * 4 + (signs < 0)
        constant = self.cls[operands] == CONSTANTS
        if constant.any():  # equal numbers are equal nodes
            bits = self.graph.numbers[operands[constant]].view(np.int64)
            identity[constant] = scramble(bits.view(np.uint64)).view(np.int64) | 2
        commutes = (codes == SUM) | (codes == MUL)
        ordered = hash_rows(owners, identity, len(nodes), ordered=True)
        unordered = hash_rows(owners, identity, len(nodes), ordered=False)
        key = scramble(np.where(commutes, unordered, ordered) ^ scramble(codes.astype(np.uint64)))
        _, firsts, which = np.unique(key, return_index=True, return_inverse=True)
        self.same[nodes] = nodes[firsts[which]]
        return nodes[np.sort(firsts)]

    def _split_classes(self, nodes: Integers) -> list[Integers]:
        """Put nodes of one operation with operands from the same groups together, ordered by their first members."""
        if len(nodes) <= _FEW and not (self.graph.codes[nodes] == _POW).any():
            return self._split_few(nodes)
        owners, operands, signs = self._get_operands(nodes)
        codes = self.graph.codes[nodes]
        kind = self.cls[operands] * 4 + (signs < 0)
        summed = (codes[owners] == SUM) | (codes[owners] < 0)
        kind = np.where(summed, kind + 2 * self.lazy[operands], kind)
        fixed = np.flatnonzero((codes[owners] == _POW) & (self.cls[operands] == CONSTANTS))
        if len(fixed):
            self._tell_powers_apart(kind, owners, operands, fixed)
        unordered = codes[owners] == SUM
        kinds = kind
        if unordered.any():  # of a sum only which groups it reads counts, not how often
            pairs = np.unique(np.stack([owners[unordered], kind[unordered]]), axis=1)
            sums = hash_rows(pairs[0], pairs[1], len(nodes), ordered=False)
        else:
            sums = np.zeros(len(nodes), dtype=np.uint64)
        if (codes == MUL).any():
            kinds = self._sort_products(owners, kind, codes)
        folded = np.logical_or.reduce([codes == code for code in _REDUCED])
        if folded.any():
            inside = folded[owners]
            pairs = np.unique(np.stack([owners[inside], kind[inside]]), axis=1)
            folds = hash_rows(pairs[0], pairs[1], len(nodes), ordered=False)
            sums = np.where(folded, folds, sums)
        others = hash_rows(owners, kinds, len(nodes), ordered=True)
        key = np.where((codes == SUM) | folded, sums, others)
        key = scramble(key ^ scramble((codes + 16).astype(np.uint64)))
        _, firsts, which = np.unique(key, return_index=True, return_inverse=True)
        order = np.argsort(which, kind="stable")
        pieces = np.split(nodes[order], np.cumsum(np.bincount(which))[:-1])
        return [pieces[i] for i in np.argsort(firsts)]

    def _merge_few(self, nodes: Integers) -> Integers:
        """Keep one node of each kind of equal ones, where there are few: without arrays."""
        if len(nodes) < 2:
            return nodes
        kept: dict[tuple[Any, ...], int] = {}
        for node, code, operands, classes, signs, _ in self._list_few(nodes):
            which: list[Any] = [
                (self.graph.numbers[operand].tobytes(), sign) if base == CONSTANTS else (operand, sign)
                for operand, base, sign in zip(operands, classes, signs, strict=True)
            ]
            key = (code, *(sorted(which, key=repr) if code in (SUM, MUL) else which))
            self.same[node] = kept.setdefault(key, node)
        return np.array(list(kept.values()), dtype=np.intp)

    def _split_few(self, nodes: Integers) -> list[Integers]:
        """Split nodes into classes, where there are few: without arrays."""
        if len(nodes) < 2:
            return [nodes] if len(nodes) else []
        found: dict[tuple[Any, ...], list[int]] = {}
        for node, code, _, classes, signs, lazy in self._list_few(nodes):
            kinds = list(zip(classes, signs, lazy, strict=True))
            if code == SUM or code in _REDUCED:
                key: tuple[Any, ...] = (code, frozenset(kinds))
            else:
                plain = [kind[:2] for kind in kinds]
                key = (code, *(sorted(plain) if code == MUL else plain))
            found.setdefault(key, []).append(node)
        return [np.array(members, dtype=np.intp) for members in found.values()]

    def _list_few(self, nodes: Integers) -> Iterator[tuple[int, int, list[int], list[int], list[bool], list[bool]]]:
        """List nodes with their operations and, of each operand, the number, class, sign, and whether it is lazy."""
        _, operands, signs = self._get_operands(nodes)
        columns = operands.tolist(), self.cls[operands].tolist(), (signs < 0).tolist(), self.lazy[operands].tolist()
        counts = (self.graph.starts[nodes + 1] - self.graph.starts[nodes]).tolist()
        start = 0
        for node, code, count in zip(nodes.tolist(), self.graph.codes[nodes].tolist(), counts, strict=True):
            end = start + count
            first, second, third, fourth = (column[start:end] for column in columns)
            yield node, code, first, second, third, fourth
            start = end

    def _tell_powers_apart(self, kind: Integers, owners: Integers, operands: Integers, fixed: Integers) -> None:
        """Make a number that powers have as exponent or base a part of its kind, where there are few numbers."""
        second = np.append(False, owners[1:] == owners[:-1])[fixed]
        others = kind[np.where(second, fixed - 1, fixed + 1)] * 2 + second
        numbers = self.graph.numbers[operands[fixed]].view(np.int64)
        pairs = np.unique(np.stack([others, numbers]), axis=1)
        families, counts = np.unique(pairs[0], return_counts=True)
        few = counts[np.searchsorted(families, others)] < LEAST_EXPONENTS
        kind[fixed[few]] = scramble(numbers[few].view(np.uint64)).view(np.int64) | 3

    def _sort_products(self, owners: Integers, kind: Integers, codes: Integers) -> Integers:
        """Sort the kinds of a product's two operands, the lesser first: a·b and b·a are the same."""
        kinds = kind.copy()
        edges = np.flatnonzero(codes[owners] == MUL)
        first, second = edges[0::2], edges[1::2]
        kinds[first] = np.minimum(kind[first], kind[second])
        kinds[second] = np.maximum(kind[first], kind[second])
        return kinds

    def _compute_waiting_sums(self, classes: Sequence[Integers]) -> None:
        """Compute the sums that wait, with single elements among them where one statement reads both."""
        if not self._waiting or self._counts_only:
            return
        waiting = np.concatenate(self._waiting)
        self._waiting = []
        single: list[Integers] = []
        for members in classes:
            if self.graph.codes[members[0]] in (SUM, *FOLDS):
                continue
            for operands in self._split_operands(members):
                lazy = self.lazy[operands]
                if lazy.any() and not lazy.all():
                    single.append(np.unique(operands[~lazy]))
        for roots in self._roots:
            operands = self.same[roots]
            lazy = self.lazy[operands]
            if lazy.any() and not lazy.all():
                single.append(np.unique(operands[~lazy]))
        alone = np.unique(np.concatenate(single)) if single else np.empty(0, dtype=np.intp)
        for base in np.unique(self.cls[waiting]).tolist():
            sums = waiting[self.cls[waiting] == base]
            nodes = np.concatenate([sums, alone[self.cls[alone] == base]])
            owners, operands, _ = self._get_operands(sums)
            owners = np.concatenate([owners, np.arange(len(sums), len(nodes))])
            operands = np.concatenate([operands, nodes[len(sums) :]])
            origins = np.where(np.arange(len(nodes)) < len(sums), nodes, -1)
            for rows, number, grid in self._add_sums(len(nodes), [(1.0, base, owners, operands)]):
                self.sum_group[nodes[rows]] = number
                self.sum_place[nodes[rows]] = grid.find_places()
                self._note(number, grid, origins[rows])
