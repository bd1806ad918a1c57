"""The third pass: isomorphic scalar nodes become groups.

:mod:`~tinygrad_lite.lift.grouping.rounds` groups a graph as early as operands allow, which suits most programs. Where
that makes many groups, they are counted, and so are those of :mod:`~tinygrad_lite.lift.grouping.levels`, which keeps
scalars near a rim with the others. The way with far fewer is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tinygrad_lite.lift.canonical.canonicalize import Canonical
from tinygrad_lite.lift.grouping.levels import Levels
from tinygrad_lite.lift.grouping.rounds import Rounds
from tinygrad_lite.lift.ir.groups import Group, Integers

#: From so many classes on, it is asked whether there are fewer by levels;
_MANY: Final = 24
#: but only if the rounds have so many classes for each operation.
_ALIKE: Final = 2.5
#: Levels are taken if they have at most this share of the groups. They cost readability: masks, and collected groups.
_SHARE: Final = 0.6


def group_nodes(
    graph: Canonical, inputs: Sequence[Group], unit: Integers, place: Integers, shapes: Sequence[tuple[int, ...]]
) -> Rounds:
    """Group the nodes of a canonical graph; ask the result for its ``program`` and its ``results``."""

    def make(kind: type[Rounds], counts_only: bool = False) -> Rounds:
        return kind(graph, inputs, unit, place, shapes, counts_only)

    grouping = make(Rounds)
    asked = False
    for _ in grouping.run():
        if not asked and grouping.found > max(_MANY, _ALIKE * grouping.operations):
            asked = True
            most = _SHARE * _count_groups(make(Rounds, counts_only=True))
            if _count_groups(make(Levels, counts_only=True), most) <= most:
                levels = make(Levels)
                for _ in levels.run():
                    pass
                return levels
    return grouping


def _count_groups(grouping: Rounds, most: float = math.inf) -> int:
    """Count the groups of a graph; those after the first that are too many are not counted."""
    for _ in grouping.run():
        if grouping.count > most:
            break
    return grouping.count
