"""Grouping by depth from the results: for programs in which scalars near a rim differ from the others.

A stencil with a border, a binomial tree and a table of dynamic programming have one thing in common: a scalar near the
rim reads another group than the others do, so that it is in a group of its own, and so is its neighbour in the next
step. Round by round the program falls apart into groups by the distance to the rim. Here they stay together:

1. Equal nodes are made one, in the whole graph.
2. Nodes are taken level by level, where the level is the longest way to a result: a rim, where there is less to
   compute, waits for the inside. Nodes of a level do not depend on one another.
3. Classes of a level that have the same operation, and operands of the same operations, are one class, whichever
   groups they read. A sum has one term for each group, with a mask; other operations read a group that collects what
   they need.

Why it is sound: each scalar keeps exactly its own operands; what is collected is read where it belongs, and what a mask
leaves out counts as 0. Cost: as grouping round by round, once more. What it does not find: rims that are computed by
other operations than the inside, which are groups of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from tinygrad_lite.lift.canonical.decompositions import MUL
from tinygrad_lite.lift.canonical.rewriter import CONSTANT, SUM
from tinygrad_lite.lift.grouping.group_builder import FOLDS, gather_operands
from tinygrad_lite.lift.grouping.rounds import Rounds
from tinygrad_lite.lift.ir.groups import Integers
from tinygrad_lite.operations.ops import LEAF_CODE

#: What a class reads in one place: the codes of its operations with their signs; nothing where these are leaves.
_Roles = tuple[frozenset[tuple[int, int]], ...]


class Levels(Rounds):
    """The pass at work, level by level."""

    def run(self) -> Iterator[None]:
        """Run level after level, until all nodes are in groups."""
        for nodes in self._find_levels():
            self._run_level(nodes)
            yield
        self._compute_waiting_sums(())

    def _find_levels(self) -> list[Integers]:
        """Find the nodes of each level, the ones furthest from the results first; equal nodes are one from here on."""
        graph = self.graph
        alive = self._find_alive()
        self._count_consumers(alive)
        ready = self._resolve(np.flatnonzero((self.cls >= 0) & alive))
        while len(ready):
            self._merge_equal(ready)
            ready = self._resolve(ready)
        owners = np.repeat(np.arange(len(graph)), np.diff(graph.starts))
        operands = self.same[graph.operands]
        alive &= self.same == np.arange(len(graph))
        used = alive[owners]
        owners, operands = owners[used], operands[used]
        readers = np.bincount(operands, minlength=len(graph))
        not_sums = np.bincount(operands[graph.codes[owners] != SUM], minlength=len(graph))
        np.add.at(not_sums, self.same[graph.roots], 1)
        self._only_summed = not_sums == 0
        levels = []
        inner = self.cls < 0
        ready = np.flatnonzero(alive & (readers == 0) & inner)
        while len(ready):
            levels.append(ready)
            below = self.same[gather_operands(graph.starts, graph.operands, ready)]
            below, counts = np.unique(below, return_counts=True)
            readers[below] -= counts
            ready = below[(readers[below] == 0) & inner[below]]
        return levels[::-1]

    def _run_level(self, nodes: Integers) -> None:
        sums = nodes[self.graph.codes[nodes] == SUM]
        lazy = self._find_single_sums(sums)
        classes = self._merge_classes(self._split_classes(np.setdiff1d(nodes, lazy, assume_unique=True)))
        self._compute_waiting_sums(classes)
        for members in classes:
            self._make_group(members)
        self._defer_sums(lazy)

    def _merge_classes(self, classes: Sequence[Integers]) -> list[Integers]:
        """Make classes one that differ only in the groups that they read."""
        alike: dict[int, list[int]] = defaultdict(list)
        for number, members in enumerate(classes):
            alike[int(self.graph.codes[members[0]])].append(number)
        pieces: dict[int, list[Integers]] = {}
        for code, numbers in alike.items():
            if len(numbers) == 1:
                pieces[numbers[0]] = [classes[numbers[0]]]
                continue
            roles = [self._find_roles(code, int(classes[number][0])) for number in numbers]
            for found in _connect(roles):
                together = [classes[numbers[place]] for place in found]
                pieces[numbers[found[0]]] = self._unite(code, together) if len(found) > 1 else together
        return [members for number in sorted(pieces) for members in pieces[number]]

    def _unite(self, code: int, classes: Sequence[Integers]) -> list[Integers]:
        """Make classes one; where many of them read the same few nodes in one place, one for each of these."""
        whole = np.sort(np.concatenate(classes))
        if code == SUM or code in FOLDS:
            return [whole]
        for operands in self._sort_operands(whole, code):
            shared, which = np.unique(operands, return_inverse=True)
            if len(shared) > 1 and 2 * len(shared) <= len(classes):
                return [whole[which == number] for number in range(len(shared))]
        return [whole]

    def _find_roles(self, code: int, node: int) -> _Roles:
        """Find what kinds of operands a node has: place by place, or together where their order does not count."""
        _, operands, signs = self._get_operands(np.array([node]))
        codes = self.graph.codes[operands]
        unknown = (LEAF_CODE,) if code == MUL else (CONSTANT, LEAF_CODE)
        kinds = [
            frozenset() if inner in unknown else frozenset([(int(inner), int(sign))])
            for inner, sign in zip(codes, signs, strict=True)
        ]
        if code == SUM or code in FOLDS:
            return (frozenset[tuple[int, int]]().union(*kinds),)
        return tuple(sorted(kinds, key=sorted) if code == MUL else kinds)


def _connect(roles: Sequence[_Roles]) -> list[list[int]]:
    """Find which are alike, directly or through others: the places of each kind, in order."""
    kind = list(range(len(roles)))
    for a, first in enumerate(roles):
        for b in range(a):
            if kind[a] != kind[b] and _are_alike(first, roles[b]):
                old, new = max(kind[a], kind[b]), min(kind[a], kind[b])
                kind = [new if k == old else k for k in kind]
    found: dict[int, list[int]] = defaultdict(list)
    for place, k in enumerate(kind):
        found[k].append(place)
    return list(found.values())


def _are_alike(a: _Roles, b: _Roles) -> bool:
    """Whether what one has in each place the other has as well, apart from leaves, and something at all."""
    nested = all(x <= y or y <= x for x, y in zip(a, b, strict=True))
    return nested and any(x & y for x, y in zip(a, b, strict=True))
