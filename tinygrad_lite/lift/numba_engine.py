"""The numba engine: groups → one compiled function of fused loops, the fastest engine for small models.

:mod:`tinygrad_lite.lift.nests` decides which groups share loops, :mod:`tinygrad_lite.lift.memory` where numbers stand and
:mod:`tinygrad_lite.lift.loops` writes the loops; here the text becomes functions, numba compiles them, and a
call hands over the arrays. Only text that was written here is executed; a program is checked first, as compiled loops
read memory without asking whether an index is in range.

Samples are worked through in chunks of at most ``WIDTH``; the number of samples may change from call to call. Calls may
come from several threads at once: each has arrays of its own to work in, which are kept for later calls, and the
interpreter's lock is free during a run.

How results may differ from the graph's, evaluated node by node: sums are added in another order, a product and the sum
after it may be rounded once instead of twice, and ``exp`` and others are the C library's. Everything but sums is
computed with the order of operations unchanged, and infinities and NaN are kept. A division by 0 gives an infinity
or NaN, not an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift import nests
from tinygrad_lite.lift.groups import Groups
from tinygrad_lite.lift.loops import Loops, Text
from tinygrad_lite.lift.memory import Memory, arrange
from tinygrad_lite.lift.nests import Nest
from tinygrad_lite.lift.scalar_functions import calls_function, scalar_text

Array = NDArray[np.float64]

#: How many samples are worked through together, at most.
WIDTH = 64

#: What may be done to sums. Never "nnan" and "ninf": infinities and NaN have to come out as they are.
REASSOCIATE = frozenset({"reassoc", "nsz", "contract"})

#: A function of more lines than this is split, as compiling takes longer than in proportion.
_MOST_LINES = 150


def build(program: Groups, fastmath: Iterable[str] = REASSOCIATE) -> Callable[[Sequence[Array]], list[Array]]:
    """The program as a compiled function of its inputs' arrays.

    Args:
        program: A valid program.
        fastmath: LLVM's licences for sums, as numba's argument of that name; none: added one by one, in order.

    Returns:
        A function of the list of inputs (each of its group's shape, with the samples as one more axis, the last, if it
        is batched) that returns the list of results (the samples as the first axis of those that keep them).

    Raises:
        ImportError: numba is not installed.

    >>> from tinygrad_lite.lift.groups import Group, Index, Output, Ref
    >>> along = (Index(steps=((0, 1),)),)
    >>> program = Groups([Group("input", (3,)), Group("map", (3,), "relu", (Ref(0, along),))], [0])
    >>> program.outputs.append(Output((3,), Ref(1, along)))
    >>> build(program)([np.array([-1.0, 0.0, 2.0])])
    [array([0., 0., 2.])]
    """
    phases = nests.phases(program)
    memory = arrange(program, phases, calls_function)
    writer = _Writer(program, memory)
    for number, phase in enumerate(phases):
        writer.phase(number, phase)
    kernel = _compile(writer, frozenset(fastmath))
    return _Caller(program, memory, kernel, writer.loops.tables.joined())


class _Caller:
    """Hands arrays to the kernel."""

    def __init__(self, program: Groups, memory: Memory, kernel: Callable[..., int], tables: NDArray[np.int64]) -> None:
        self.program = program
        self._kernel = kernel
        self._tables = tables
        self._memory = memory
        self._batched = [place for place, number in enumerate(program.inputs) if program.groups[number].batched]
        self._turned = [place for place in self._batched if program.groups[program.inputs[place]].shape]
        self._workspaces: list[tuple[int, Array, Array]] = []
        self._shapes = [(output.shape or (), output.batched) for output in program.outputs]

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        arrays = list(inputs)
        n = arrays[self._batched[0]].shape[-1] if self._batched else 0
        first = []
        for place in self._turned:
            array = arrays[place]
            turned = not array.flags.c_contiguous
            first.append(turned)
            if turned:
                arrays[place] = np.moveaxis(array, -1, 0)
        arrays = [np.asarray(array, np.float64, order="C") for array in arrays]
        results = [np.empty((n, *shape) if batched else shape) for shape, batched in self._shapes]
        size, u, v = self._workspace(n)
        wrong = self._kernel(u, v, self._tables, n, *first, *arrays, *results)
        self._workspaces.append((size, u, v))
        if wrong:
            self._refuse(wrong - 1, np.asarray(inputs[wrong - 1]).shape, n)
        return results

    def _workspace(self, n: int) -> tuple[int, Array, Array]:
        """Arrays to work in that nobody else uses now."""
        chunks = -(-n // WIDTH) if self._memory.chunks_kept else 1
        try:
            found = self._workspaces.pop()
            if found[0] >= chunks:
                return found
        except IndexError:
            pass
        return chunks, self._memory.unbatched.copy(), np.zeros(self._memory.rows * WIDTH * chunks)

    def _refuse(self, place: int, shape: tuple[int, ...], n: int) -> None:
        group = self.program.groups[self.program.inputs[place]]
        wanted = group.shape + ((n,) if group.batched else ())
        raise ValueError(f"input {place} ({group.path or 'unnamed'}) has shape {shape}; the program was made for {wanted}")


class _Writer:
    """Puts the nests into functions, and writes the one that calls them."""

    def __init__(self, program: Groups, memory: Memory) -> None:
        self.program = program
        self.memory = memory
        self.loops = Loops(program, memory.cells, WIDTH, scalar_text, calls_function)
        #: Each function's text, and whether it has nothing but sums in it.
        self.parts: list[tuple[str, bool]] = []
        self._kernel = Text()

    def phase(self, number: int, phase: list[Nest]) -> None:
        """The functions of one phase, and their calls."""
        if number % 2 == 0:
            self._write(phase)
            return
        groups = self.program.groups
        for nest in phase:
            if nest.accumulates:
                self.loops.zeros(nest.members[0])
        self._finish(False)
        rows = self.memory.rows * WIDTH if self.memory.chunks_kept else 0
        self._kernel.open("for c in range(chunks):")
        self._kernel.add("start = c * width")
        self._kernel.add("m = min(width, n - start)")
        self._kernel.add(f"v = pointer(v_, c * {rows})")
        for place, group in enumerate(self.program.inputs):
            if number == 1 and groups[group].batched:
                self.loops.chunk_of_input(place, group)
        self._write(phase)
        for place, output in enumerate(self.program.outputs):
            if output.batched and self._last_phase == number:
                self.loops.result(place, output)
        self._finish(False)
        self._kernel.close()
