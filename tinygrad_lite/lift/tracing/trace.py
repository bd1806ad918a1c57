"""The first pass: from a function of Values to its scalar graph, as arrays of numbers.

The graph that the function records is the trace. Derivatives are part of it where the function differentiates, because
inside a trace the transforms record them as Values. The arrays number the nodes so that operands come before the nodes
that use them; leaves come first.

Cost: one pass over the nodes. Nothing is decided here: what the graph says is kept to the letter.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.flat_graph import arrays_of
from tinygrad_lite.node.fields import Details, line_of
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.value import Value, topological_order

Integers = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(eq=False)
class Graph:
    """A scalar graph: for each node its operation's code, its operands and its number.

    Attributes:
        codes: Of the operations; see :data:`tinygrad_lite.operations.ops.BY_CODE`.
        starts: Where the operands of each node begin in ``operands``; one more at the end.
        operands: Numbers of nodes.
        numbers: What each node held when it was recorded.
        leaves: The Values that are leaves: nodes 0, 1, 2 ...
        roots: The nodes that are results.
    """

    codes: Integers
    starts: Integers
    operands: Integers
    numbers: Floats
    leaves: list[Value]
    roots: Integers

    def __len__(self) -> int:
        return len(self.codes)


def graph_of(roots: list[Value]) -> Graph:
    """The graph below some nodes; the list is emptied."""
    codes, counts, operands, numbers, leaves, positions = arrays_of(roots)
    roots.clear()  # nothing else holds the graph: it goes, all but its leaves
    starts = np.zeros(len(codes) + 1, dtype=np.intp)
    np.cumsum(_integers(counts), out=starts[1:])
    floats = np.frombuffer(array("d", numbers), dtype=np.float64)
    return Graph(_integers(codes), starts, _integers(operands), floats, leaves, _integers(positions))


def lines_of(roots: list[Value]) -> list[str]:
    """Where each node of :func:`graph_of` was recorded, if ``detect_anomaly()`` saw it: file, line and text."""
    above = Value(None, _code=TABLE["sum"].code, _details=Details("", tuple(roots)))
    nodes = topological_order(above, True)[:0:-1]
    return [line_of(node) for node in nodes]


def _integers(numbers: list[int]) -> Integers:
    """As an array: by way of Python's, which reads a list in half the time that NumPy takes."""
    return np.frombuffer(array("q", numbers), dtype=np.int64).astype(np.intp)
