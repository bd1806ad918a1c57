"""The input groups of a program: which arrays of the arguments are one, and where each leaf stands in them.

The neurons of a layer, each with weights of its own, are one matrix; Values that the function closed over are one more
input, the last. Everything else that the graph begins with is a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Integers
from tinygrad_lite.lift.tracing.arguments import Arguments, merge_units
from tinygrad_lite.lift.tracing.trace import Graph, Trace
from tinygrad_lite.operations.ops import CONSTANT_CODE, LEAF_CODE
from tinygrad_lite.value import Value


@dataclass(eq=False)
class InputGroups:
    """Where a graph's leaves come from.

    Attributes:
        groups: The input groups.
        sources: For each of them, but that of captured Values, the units of the arguments that it is made of.
        captured: The Values that the function closed over.
        group_of: For each leaf the number of its group; −1 for a constant.
        place_of: For each leaf its place in its group, in C order.
    """

    groups: list[Group]
    sources: list[list[int]]
    captured: list[Value]
    group_of: Integers
    place_of: Integers


def find_inputs(arguments: Arguments, trace: Trace, graph: Graph) -> InputGroups:
    """Group the arguments, and say of each leaf of a graph whether it is one of them, captured, or a constant.

    Args:
        arguments: Of the function.
        trace: The run of the function, whose Values stand for the units.
        graph: What it recorded. The codes of its leaves are set: arguments are inputs, even frozen ones, and
            what the function made itself is constant.
    """
    merged = merge_units(arguments.units)
    groups = []
    owner: dict[int, tuple[int, int]] = {}
    for number, (path, members) in enumerate(merged):
        first = arguments.units[members[0]]
        shape = first.shape if len(members) == 1 else (len(members), *first.shape)
        groups.append(Group("input", shape, path=".".join(path), batched=first.axis is not None))
        nodes = [node for member in members for node in trace.leaves[member]]
        for place, node in enumerate(nodes):
            owner.setdefault(id(node), (number, place))
    group_of = np.full(len(graph.leaves), -1, dtype=np.intp)
    place_of = np.zeros(len(graph.leaves), dtype=np.intp)
    captured: list[Value] = []
    for k, leaf in enumerate(graph.leaves):
        known = owner.get(id(leaf))
        if known is None and leaf._stamp < trace.since:  # and not on the clock of now, which other threads advance
            known = owner[id(leaf)] = (len(groups), len(captured))
            captured.append(leaf)
        if known is not None:
            group_of[k], place_of[k] = known
    if captured:
        groups.append(Group("input", (len(captured),), path="captured"))
    graph.codes[: len(graph.leaves)] = np.where(group_of >= 0, LEAF_CODE, CONSTANT_CODE)
    return InputGroups(groups, [members for _, members in merged], captured, group_of, place_of)
