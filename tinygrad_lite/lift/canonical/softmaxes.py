"""Softmaxes that a trace has as ``exp(x − logsumexp(xs))`` made operations of their own, for who computes node by node.

A trace has the derivative of ``logsumexp`` that way, since n softmaxes of n operands each would be n² edges, and
:mod:`~tinygrad_lite.lift.canonical.decompositions` knows it. As it stands it is another number: rounded in the
difference, and nan where x is infinite.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.operations.ops import CONSTANT_CODE, TABLE

_EXP: Final = TABLE["exp"].code
_SUB: Final = TABLE["sub"].code
_LOGSUMEXP: Final = TABLE["logsumexp"].code
_SOFTMAX: Final = TABLE["softmax"].code

#: So many operands may softmaxes have together.
_MOST_OPERANDS: Final = 2**24


def restore_softmaxes(graph: Graph, name: str) -> tuple[Graph, int]:
    """Make softmaxes of what is one.

    Args:
        graph: Of the function.
        name: Of it, for messages.

    Returns:
        The graph, and how many constants it has more: the last of its leaves, 0, 1, 2 ..., for the indices.

    Raises:
        LiftError: They would have too many operands.

    >>> from tinygrad_lite import Value, exp, logsumexp
    >>> from tinygrad_lite.lift.tracing.trace import make_graph
    >>> xs = [Value(1.0), Value(2.0)]
    >>> graph, more = restore_softmaxes(make_graph([exp(xs[1] - logsumexp(xs))]), "f")
    >>> [more, int(graph.codes[-1]) == _SOFTMAX, graph.numbers[: graph.leaf_count].tolist()]
    [2, True, [1.0, 2.0, 0.0, 1.0]]
    """
    codes, starts, operands = graph.codes, graph.starts, graph.operands
    found: dict[int, tuple[int, int]] = {}  # by node: the logsumexp, and the place in its row
    for node in np.flatnonzero(codes == _EXP).tolist():
        below = operands[starts[node]]
        if codes[below] == _SUB:
            x, total = operands[starts[below] : starts[below + 1]].tolist()
            if codes[total] == _LOGSUMEXP:
                places = np.flatnonzero(operands[starts[total] : starts[total + 1]] == x)
                if len(places):
                    found[node] = total, int(places[0])
    if not found:
        return graph, 0
    counts = np.diff(starts)
    for node, (total, _) in found.items():
        counts[node] = starts[total + 1] - starts[total] + 1
    if sum([int(counts[node]) for node in found]) > _MOST_OPERANDS:
        raise LiftError(
            f'{name} differentiates logsumexp, or cross_entropy, over many numbers: with engine="tape" each derivative '
            'is a softmax of all of them, which takes too much memory. Take engine="numpy", "numba" or "jax"'
        )
    leaves, more = graph.leaf_count, max([place for _, place in found.values()]) + 1
    number = np.arange(len(graph))
    number[leaves:] += more
    edges = np.zeros(len(graph) + 1, dtype=np.intp)
    np.cumsum(counts, out=edges[1:])
    joined = np.empty(edges[-1], dtype=np.intp)
    kept = np.ones(len(graph), dtype=bool)
    kept[list(found)] = False
    joined[np.repeat(kept, counts)] = number[operands[np.repeat(kept, np.diff(starts))]]
    for node, (total, place) in found.items():
        joined[edges[node] : edges[node + 1] - 1] = number[operands[starts[total] : starts[total + 1]]]
        joined[edges[node + 1] - 1] = leaves + place
    codes = codes.copy()
    codes[list(found)] = _SOFTMAX
    widened = Graph(
        np.insert(codes, leaves, [CONSTANT_CODE] * more),
        np.insert(edges, leaves, [0] * more),
        joined,
        np.insert(graph.numbers, leaves, np.arange(float(more))),
        [],
        number[graph.roots],
    )
    return widened, more
