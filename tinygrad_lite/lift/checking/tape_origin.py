"""Why a result of a tape is not finite: from the result back to the first scalar that is not, though its operands are.

As :mod:`~tinygrad_lite.lift.checking.nonfinite_origin` does it with groups; here each scalar is known by itself. Costs:
one walk of the tape, of the sample that the result is not finite for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinygrad_lite.lift.checking.nonfinite_origin import OVERFLOW, advise, find_culprit, write_call
from tinygrad_lite.lift.ir.groups import Group, Integers
from tinygrad_lite.lift.tracing.trace import Floats, Graph
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import BY_CODE

#: So many operands of a sum are shown.
_SHOWN = 3


def explain_scalar(
    graph: Graph, groups: Sequence[Group], group_of: Integers, place_of: Integers, numbers: Floats, root: int
) -> str:
    """Say where a scalar stops to be finite, and what can be done.

    Args:
        graph: Of the function.
        groups: Its input groups.
        group_of: For each leaf the number of its group; −1 for a constant.
        place_of: For each leaf its place in its group.
        numbers: Of all nodes.
        root: The node, which is not finite.
    """
    starts, operands = graph.starts, graph.operands

    def read(node: int) -> tuple[Op | None, list[int], list[float]]:
        below = operands[starts[node] : starts[node + 1]].tolist()
        return BY_CODE[graph.codes[node]], below, [float(numbers[k]) for k in below]

    def name(node: int) -> str:
        if node >= len(group_of) or group_of[node] < 0:
            return ""
        group = groups[group_of[node]]
        place = ", ".join(map(str, np.unravel_index(place_of[node], group.shape))) if group.shape else ""
        return f"{group.path}{f'[{place}]' if place else ''} = {float(numbers[node])!r}"

    node = root
    while True:
        op, below, given = read(node)
        found = None if op is None else _find_operand(op, given)
        if found is None:
            break
        node = below[found]
    if op is None:
        return (
            f"It begins at a number of the function itself: {float(numbers[node])!r}. Leave it out, or put a large "
            "finite number in its place."
        )
    named = ", ".join(dict.fromkeys(filter(None, map(name, below[:_SHOWN]))))
    where = f"It begins at scalar node {node} of the trace: "
    result = f"{float(numbers[node])!r}{f', with {named}' if named else ''}."
    if op.arity < 0:
        largest = sorted(given, key=abs, reverse=True)[:_SHOWN]
        shown = ", ".join(map(repr, largest))
        return f"{where}{op.name} of {len(given)} numbers, the largest of which are {shown}, is {result}\n{OVERFLOW}"
    return f"{where}{write_call(op.name, given)} is {result}\n{advise(op.name, given)}"


def _find_operand(op: Op, numbers: Sequence[float]) -> int | None:
    """Find the operand that makes a number not finite, if one does."""
    if op.arity >= 0:
        return find_culprit(op, numbers)
    *table, last = numbers
    if op.operands[-1] == "index" and op.chooses and last % 1.0 == 0.0:  # of a lookup only one is read
        chosen = int(last) % len(table)
        return None if math.isfinite(table[chosen]) else chosen
    return next((place for place, number in enumerate(numbers) if not math.isfinite(number)), None)
