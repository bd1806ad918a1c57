"""Programs as tapes: the traced scalars themselves, computed one after the other by one compiled loop.

Where a graph is irregular, ``lift`` finds hundreds of small groups: each is a call of NumPy, and compilers take long. A
tape needs neither groups nor a compiler: it has the graph as it was traced, an instruction for each scalar
(:mod:`tinygrad_lite.tape.walking`), the gradient's included. So it is made in the time that tracing takes, and gives
what the graph gives, to the bit.

The functions are those of the operation table. Where floats raise there is the IEEE limit, as in the other engines.
What a call costs beside the loop: an array's numbers are copied to where the loop reads them, and the results from
there. Memory: 8 bytes a scalar for each of the samples that are computed at once, of which there are few.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.engines import op_lowerings
from tinygrad_lite.lift.ir.groups import Group, Groups, Integers
from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.operations.ops import BY_CODE
from tinygrad_lite.tape.walking import walk

Floats = NDArray[np.float64]

#: So many numbers are computed at once: what a processor keeps near.
_NEAR: Final = 2**16
#: Of so many samples at most, and at least.
_MOST_SAMPLES: Final = 64
_FEWEST_SAMPLES: Final = 4


def build(program: Groups) -> Any:
    """Refuse: a tape is made of a graph.

    Raises:
        LiftError: Always. Groups add up in another order than the function does.
    """
    raise LiftError(
        "the tape engine runs the scalars that were traced, and here are groups of them: lift the function with "
        'engine="tape", or run these groups on "numpy", "numba" or "jax"'
    )


def evaluate(code: int, operands: list[float]) -> float:
    """Compute an operation of floats; where that raises, its IEEE limit as NumPy gives it, or nan.

    >>> from tinygrad_lite.operations.ops import TABLE
    >>> evaluate(TABLE["log"].code, [1.0]), evaluate(TABLE["log"].code, [0.0])
    (0.0, -inf)
    """
    op = BY_CODE[code]
    assert op is not None
    try:
        return float(op.value(operands))
    except (ArithmeticError, ValueError):
        function = op_lowerings.load_numpy_functions().get(op.name)
        if function is None or op.arity < 0:
            return math.nan
        with np.errstate(all="ignore"):
            return float(function(*map(np.float64, operands)))
    except (IndexError, TypeError):
        if "index" in op.operands:  # no index: what demands one says so
            return math.nan
        raise


@dataclass(frozen=True)
class _Filled:
    """Leaves that stand together and are numbers of one input group: those of some places, or all.

    Attributes:
        group: The number of the group.
        leaves: Where they stand.
        places: In the group, in C order; None for all of them.
        is_batched: Whether each sample has its own.
    """

    group: int
    leaves: slice
    places: Integers | None
    is_batched: bool


class _Memory(NamedTuple):
    """A number for each node and sample: as a grid, as a row, and as the loop reads it."""

    grid: Floats
    row: Floats
    view: memoryview


class Tape:
    """A scalar graph as instructions.

    Args:
        graph: Operands come before the nodes that use them; the leaves come first.
        groups: The input groups.
        group_of: For each leaf the number of its input group; −1 for a constant.
        place_of: For each leaf its place in its group, in C order.

    >>> from tinygrad_lite import Value
    >>> from tinygrad_lite.lift.tracing.trace import make_graph
    >>> x = Value(2.0)
    >>> graph = make_graph([x * x + x])
    >>> tape = Tape(graph, [Group("input", ())], np.zeros(1, dtype=int), np.zeros(1, dtype=int))
    >>> tape.run([np.array(3.0)]).tolist()
    [12.0]
    """

    def __init__(self, graph: Graph, groups: Sequence[Group], group_of: Integers, place_of: Integers) -> None:
        self._count: Final = len(graph)
        self._leaves: Final = len(group_of)
        order = np.lexsort((place_of, group_of))  # constants first, then group by group
        number = np.arange(len(graph))
        number[order] = np.arange(len(order))
        owners, places = group_of[order], place_of[order]
        self._constants: Final = graph.numbers[order][: int(np.searchsorted(owners, 0))]
        filled = [_find_filled(owners, places, k, group) for k, group in enumerate(groups)]
        self._filled: Final = [one for one in filled if one.leaves.start < one.leaves.stop]
        self._number: Final = number
        self._roots: Final[Integers] = number[graph.roots]
        self._instructions: Final = _write_instructions(graph, number, self._leaves)
        self._view: Final = self._instructions.data
        self._most: Final = min(max(_NEAR // max(self._count, 1), _FEWEST_SAMPLES), _MOST_SAMPLES)
        self._free: Final[list[_Memory]] = []

    def run(self, arrays: Sequence[Any]) -> Floats:
        """Compute the numbers of the roots, without samples.

        Args:
            arrays: Of the input groups.
        """
        try:  # what no other call is using
            memory = self._free.pop()
        except IndexError:
            memory = self._make_memory(1)
        row = memory.row
        for filled in self._filled:
            array = arrays[filled.group].reshape(-1)
            row[filled.leaves] = array if filled.places is None else array[filled.places]
        walk(self._view, memory.view, self._leaves, 1, evaluate)
        found = row.take(self._roots)
        self._free.append(memory)
        return found

    def run_samples(self, arrays: Sequence[Any], samples: int) -> Iterator[Floats]:
        """Compute the numbers of the roots for some samples at once, and then for others.

        Args:
            arrays: Of the input groups; the samples of batched ones run along the last axis.
            samples: How many there are.

        Yields:
            An array with a row for each root, and a column for each of these samples.
        """
        memory = self._make_memory(min(self._most, samples))
        for start in range(0, samples, self._most):
            some = slice(start, min(start + self._most, samples))
            if some.stop - start < memory.grid.shape[1]:
                memory = self._make_memory(some.stop - start)
            self._compute(memory, arrays, some)
            yield memory.grid[self._roots]

    def list_numbers(self, arrays: Sequence[Any], sample: int | None) -> Floats:
        """Compute the numbers of all nodes of the graph.

        Args:
            arrays: As for :meth:`run_samples`.
            sample: Of which sample, if there are any.
        """
        memory = self._make_memory(1)
        self._compute(memory, arrays, slice(sample or 0, (sample or 0) + 1))
        return memory.row[self._number]

    def _compute(self, memory: _Memory, arrays: Sequence[Any], samples: slice) -> None:
        """Compute all nodes: one after the other, each for these samples."""
        for filled in self._filled:
            array = arrays[filled.group]
            columns = array.reshape(-1, array.shape[-1])[:, samples] if filled.is_batched else array.reshape(-1, 1)
            memory.grid[filled.leaves] = columns if filled.places is None else columns[filled.places]
        walk(self._view, memory.view, self._leaves, memory.grid.shape[1], evaluate)

    def _make_memory(self, width: int) -> _Memory:
        """Make memory for so many samples; its constants are there."""
        row = np.zeros(self._count * width)
        grid = row.reshape(self._count, width)
        grid[: len(self._constants)] = self._constants[:, None]
        return _Memory(grid, row, row.data)


def _find_filled(owners: Integers, places: Integers, number: int, group: Group) -> _Filled:
    """Find the leaves of a group, which stand together."""
    leaves = slice(*np.searchsorted(owners, [number, number + 1]).tolist())
    is_whole = np.array_equal(places[leaves], np.arange(group.size))
    return _Filled(number, leaves, None if is_whole else places[leaves], group.batched)


def _write_instructions(graph: Graph, number: Integers, leaves: int) -> NDArray[np.int32]:
    """Write for each node that is no leaf its code, the number of its operands, and these."""
    first = int(graph.starts[leaves])
    counts = np.diff(graph.starts[leaves:])
    written = np.empty(2 * len(counts) + len(graph.operands) - first, dtype=np.int32)
    heads = 2 * np.arange(len(counts)) + graph.starts[leaves:-1] - first
    is_operand = np.ones(len(written), dtype=bool)
    is_operand[heads] = is_operand[heads + 1] = False
    written[heads], written[heads + 1] = graph.codes[leaves:], counts
    written[is_operand] = number[graph.operands[first:]]
    return written
