"""A kink told from a fault: where rounding decides on which side of a kink a number lies, both sides are looked at.

A program adds up in another order. What is a hair above 0 in the function may be a hair below in the program, and a
step, or a derivative, is then that of the other side: nobody is wrong. So the nodes of the function's own graph are
sought that lie nearer to a jump than rounding can tell (:mod:`~tinygrad_lite.lift.checking.error_analysis` finds them),
and the graph is computed again, with each of them on its other side. Each result may differ by as much as it changes
then, and no more: the kink of one number excuses no other. A tie that is exact is none of these, and there the
conventions of the operation table hold.

Costs: a run of the graph for each such node, only where a probe happens to meet one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.checking.probes import Probe, is_whole
from tinygrad_lite.lift.checking.tolerance import TOLERANCE
from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.operation import NARY

Floats = NDArray[np.float64]

#: So many nodes are looked at one by one; the others together.
_SINGLE: Final = 100
#: How far the last places of a number are, relative to it; and in how many directions they change.
_LAST_PLACES: Final = 64.0 * 2.0**-53
_SHAKES: Final = 12


def measure_jumps(graph: Graph, kinks: Mapping[int, Sequence[float]]) -> Floats:
    """Measure by how much each result of a graph changes, where nodes take other values.

    Args:
        graph: With the numbers that its nodes hold.
        kinks: For some nodes the values on the other sides.

    Returns:
        For each result the sum of its changes, the largest for each node.
    """
    total = np.zeros(len(graph.roots))
    nodes = list(kinks)
    single, together = nodes[:_SINGLE], nodes[_SINGLE:]
    for node in single:
        total += np.max([_measure_change(graph, {node: value}) for value in kinks[node]], axis=0)
    for pick in (min, max) if together else ():
        total += _measure_change(graph, {node: pick(kinks[node]) for node in together})
    return total


def _measure_change(graph: Graph, forced: Mapping[int, float]) -> Floats:
    """Measure how much the results change, where some nodes take these values; 0 where there is no number then."""
    numbers = graph.numbers.tolist()
    changed: set[int] = set()
    for node in range(min(forced), len(graph)):
        if node in forced:
            new = forced[node]
        else:
            row = graph.operands[graph.starts[node] : graph.starts[node + 1]].tolist()
            op = ops.BY_CODE[graph.codes[node]]
            if op is None or changed.isdisjoint(row):
                continue
            xs = [numbers[k] for k in row]
            try:
                new = op.forward(xs) if op.arity == NARY else op.forward(*xs)
            except (ArithmeticError, ValueError, IndexError):
                new = math.nan
        if new != numbers[node]:
            numbers[node] = new
            changed.add(node)
    after = np.array([numbers[k] for k in graph.roots.tolist()])
    return np.nan_to_num(np.abs(after - graph.numbers[graph.roots]), nan=0.0, posinf=0.0)


def is_undecided(probe: Probe, function: Callable[[list[Floats]], list[Floats]]) -> bool:
    """Whether the function's own results change as much as a probe's differ, when its inputs change in the last places.

    Args:
        probe: Where the difference is.
        function: Evaluates the function.
    """
    rng = np.random.default_rng(0)
    around = [probe.eager]
    for _ in range(_SHAKES):
        shaken = [
            array if is_whole(array) else array * (1.0 + _LAST_PLACES * rng.uniform(-1.0, 1.0, array.shape))
            for array in probe.arrays
        ]
        try:
            around.append(function([np.asarray(array) for array in shaken]))
        except Exception:  # whatever the function says of numbers that it does not take
            continue
    for number, ours in enumerate(probe.lifted):
        found = np.stack([np.asarray(results[number], dtype=np.float64) for results in around])
        low, high = found.min(axis=0), found.max(axis=0)
        slack = (high - low) + TOLERANCE * np.abs(found).max(initial=0.0)
        if not ((np.asarray(ours) >= low - slack) & (np.asarray(ours) <= high + slack)).all():
            return False
    return True
