"""The first pass: from a function of Values to its scalar graph, as arrays of numbers.

The graph that the function records is the trace. Derivatives are part of it where the function differentiates, because
inside a trace the transforms record them as Values. The arrays number the nodes so that operands come before the nodes
that use them; leaves come first.

Cost: one pass over the nodes. Nothing is decided here: what the graph says is kept to the letter.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.flat_graph import arrays_of
from tinygrad_lite.lift.tracing.arguments import Arguments
from tinygrad_lite.lift.tracing.cache_key import make_module_key
from tinygrad_lite.lift.tracing.results import Results, take_apart_results
from tinygrad_lite.lift.tracing.traced_indices import explain_traced_index
from tinygrad_lite.limits.chosen import forget
from tinygrad_lite.node.fields import Details, line_of
from tinygrad_lite.node.protocols import explained
from tinygrad_lite.node.state import STATE
from tinygrad_lite.operations.ops import CONSTANT_CODE, TABLE
from tinygrad_lite.trace_mode import Demand, tracing
from tinygrad_lite.transforms import recording_derivatives
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
        leaves: The Values that are leaves: nodes 0, 1, 2 ... None of a graph that is kept.
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

    @property
    def leaf_count(self) -> int:
        """How many nodes are leaves."""
        return int(np.count_nonzero(self.codes <= CONSTANT_CODE))


@dataclass(eq=False)
class Trace:
    """One run of a function on Values.

    Attributes:
        leaves: The Values that stood for each unit of the arguments.
        results: What the function gave.
        demands: Nodes of whose numbers the function demands something, and what.
        since: The time on the engine's clock when it began: what is older was there before.
        has_changed_modules: Whether it changed something in the copies of modules that it was run on.
    """

    leaves: list[list[Value]]
    results: Results
    demands: Sequence[tuple[Value, Demand]]
    since: int
    has_changed_modules: bool = False


def trace_function(f: Callable[..., Any], name: str, arguments: Arguments) -> Trace:
    """Run a function on Values that hold the arguments' numbers, those of the first sample where there are samples.

    Modules are copied, and the copies have these Values as parameters, unless ``arguments.is_bound``: then the function
    is run on the modules themselves, whose Values are the leaves.

    Raises:
        LiftError: A result is no number.
        TraceError: The function reads a number out of the graph.
    """
    STATE.clock += 1  # what the function makes from here on is newer than all that was there before
    pairs = list(zip(arguments.units, arguments.arrays, strict=True))
    leaves = make_leaves(arguments, [given if unit.axis is None else given[..., 0] for unit, given in pairs])
    copies: list[Any] = []
    args, kwargs = arguments.rebuild(
        [shape_values(nodes, unit.shape) for nodes, (unit, _) in zip(leaves, pairs, strict=True)], copies
    )
    before = [make_module_key(module) for module in copies]
    inputs = [node for nodes in leaves for node in nodes]
    frozen = [node for node in inputs if not node.requires_grad]
    trace = tracing(inputs, STATE.clock)
    try:
        with trace, recording_derivatives(frozen):
            found = f(*args, **kwargs)
    except (TypeError, AttributeError, IndexError) as error:
        told = explained(error)
        if told is not error:
            raise told from error
        refused = explain_traced_index(error)
        if refused is None:
            raise
        raise refused from error
    finally:
        forget()
    has_changed = before != [make_module_key(module) for module in copies]
    return Trace(leaves, take_apart_results(found, name), trace.inside.demands, trace.inside.since, has_changed)


def make_leaves(arguments: Arguments, arrays: Sequence[Floats]) -> list[list[Value]]:
    """Make the Values that stand for the units of arguments: a parameter that stands in several has one."""
    known: dict[int, Value] = {}
    leaves: list[list[Value]] = []
    for unit, numbers in zip(arguments.units, arrays, strict=True):
        if arguments.is_bound and unit.values is not None:
            leaves.append(unit.values)
            continue
        nodes = [Value(x) for x in numbers.ravel().tolist()]
        for place in unit.frozen:
            nodes[place].requires_grad = False
        if arguments.share_parameters() and unit.values is not None and len(unit.values) == len(nodes):
            nodes = [known.setdefault(id(value), node) for value, node in zip(unit.values, nodes, strict=True)]
        leaves.append(nodes)
    return leaves


def shape_values(nodes: Sequence[Value], shape: tuple[int, ...]) -> Any:
    """Put Values into a shape: an object array, or the Value itself."""
    if not shape:
        return nodes[0]
    values = np.empty(len(nodes), dtype=object)
    values[:] = nodes
    return values.reshape(shape)


def make_graph(roots: list[Value]) -> Graph:
    """Put the nodes below some roots into arrays; the list of these is emptied."""
    codes, counts, operands, numbers, leaves, positions = arrays_of(roots)
    roots.clear()  # nothing else holds the graph: it goes, all but its leaves
    starts = np.zeros(len(codes) + 1, dtype=np.intp)
    np.cumsum(_to_array(counts), out=starts[1:])
    floats = np.frombuffer(array("d", numbers), dtype=np.float64)
    return Graph(_to_array(codes), starts, _to_array(operands), floats, leaves, _to_array(positions))


def find_lines(roots: list[Value]) -> list[str]:
    """Find where each node of :func:`make_graph` was recorded, if ``detect_anomaly()`` saw it: file, line and text."""
    above = Value(None, _code=TABLE["sum"].code, _details=Details("", tuple(roots)))
    nodes = topological_order(above, True)[:0:-1]
    return [line_of(node) for node in nodes]


def _to_array(numbers: list[int]) -> Integers:
    """Make an array by way of Python's, which reads a list in half the time that NumPy takes."""
    return np.frombuffer(array("q", numbers), dtype=np.int64).astype(np.intp)
