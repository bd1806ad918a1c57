"""The numba engine: groups → one compiled function of fused loops, the fastest engine for small models.

:mod:`tinygrad_lite.lift.nests` decides which groups share loops, :mod:`tinygrad_lite.lift.memory` where numbers
stand and :mod:`tinygrad_lite.lift.loops` writes the loops; here the text becomes functions, numba compiles them, and a
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

import importlib.util
import math
import re
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
    _require_numba()
    phases = nests.phases(program)
    memory = arrange(program, phases, calls_function)
    writer = _Writer(program, memory)
    writer.write(phases)
    kernel = _compile(program, writer, frozenset(fastmath))
    caller = _Caller(program, memory, kernel, writer.loops.tables.joined())
    caller.text = "\n".join([text for text, _ in writer.parts] + [writer.kernel()])
    return caller


def _require_numba() -> None:
    if importlib.util.find_spec("numba") is None:
        raise ImportError("engine 'numba' needs numba: pip install 'tinygrad-lite[fast]'")


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
        raise ValueError(
            f"input {place} ({group.path or 'unnamed'}) has shape {shape}; the program was made for {wanted}"
        )


class _Writer:
    """Puts the nests into functions, and writes the kernel, which calls them."""

    def __init__(self, program: Groups, memory: Memory) -> None:
        self.program = program
        self.memory = memory
        self.loops = Loops(program, memory.cells, WIDTH, scalar_text, calls_function)
        #: Each function's text, and whether there is nothing but sums in it.
        self.parts: list[tuple[str, bool]] = []
        self._calls = Text()

    def write(self, phases: list[list[Nest]]) -> None:
        """Write everything."""
        samples = any(group.batched for group in self.program.groups)
        for number in range(max(len(phases), 2 * samples)):
            phase = phases[number] if number < len(phases) else []
            if number % 2 == 0:
                self._nests(phase)
            elif phase or number == 1:
                self._chunks(phase, number == 1, not any(phases[number + 2 :: 2]))
        for place, output in enumerate(self.program.outputs):
            if not output.batched and self.memory.results.get(output.ref.group) != place:
                self.loops.result(place, output)
        self._part(False)

    def kernel(self) -> str:
        """The text of the kernel; it returns 0, or 1 + the number of an input of the wrong size."""
        groups, inputs = self.program.groups, self.program.inputs
        text = Text()
        flags = [f"f{place}" for place, number in enumerate(inputs) if groups[number].batched and groups[number].shape]
        names = [f"x{place}" for place in range(len(inputs))] + [f"o{k}" for k in range(len(self.program.outputs))]
        text.open(f"def kernel(u_, v_, t_, n, {', '.join([*flags, *[name + '_' for name in names]])}):")
        for place, number in enumerate(inputs):
            size = f"{groups[number].size}{' * n' if groups[number].batched else ''}"
            text.add(f"if x{place}_.size != {size}: return {place + 1}")
        for name in ["u", "t", *names]:
            text.add(f"{name} = pointer({name}_, 0)")
        text.add(f"chunks = (n + {WIDTH - 1}) // {WIDTH}")
        text.add("width = ((n + chunks - 1) // chunks + 7) // 8 * 8 if chunks else 0")
        text.append(self._calls)
        text.add("return 0")
        return "\n".join(text.lines)

    def _chunks(self, phase: list[Nest], first: bool, last: bool) -> None:
        """The loop over the chunks of one phase."""
        for nest in phase:
            if nest.accumulates:
                self.loops.zeros(nest.members[0])
        self._part(False)
        self._calls.open("for c in range(chunks):")
        self._calls.add("start = c * width")
        self._calls.add("m = max(0, min(width, n - start))")
        self._calls.add(f"v = pointer(v_, c * {self.memory.rows * WIDTH if self.memory.chunks_kept else 0})")
        for place, number in enumerate(self.program.inputs):
            if first and self.program.groups[number].batched:
                self.loops.chunk_of_input(place, number)
        self._nests(phase)
        for place, output in enumerate(self.program.outputs):
            if last and output.batched:
                self.loops.result(place, output)
        self._part(False)
        self._calls.close()

    def _nests(self, phase: list[Nest]) -> None:
        """The functions of some nests."""
        sums = False
        for nest in phase:
            if (nest.accumulates or nest.dot) != sums or len(self.loops.text.lines) > _MOST_LINES:
                self._part(sums)
                sums = nest.accumulates or nest.dot
            self.loops.nest(nest)
        self._part(sums)

    def _part(self, sums: bool) -> None:
        """Make a function of the lines that have been written, if there are any, and call it."""
        lines, self.loops.text.lines = self.loops.text.lines, []
        if lines:
            names = re.findall(r"\b(?:[uvtmn]|start|[fxo]\d+)\b", "\n".join(lines))
            call = f"part{len(self.parts)}({', '.join(sorted(set(names)))})"
            self.parts.append((f"def {call}:\n" + "\n".join([" " + line for line in lines]), sums))
            self._calls.add(call)


def _compile(program: Groups, writer: _Writer, fastmath: frozenset[str]) -> Callable[..., int]:
    """The kernel, compiled."""
    import numba
    from numba import types

    namespace: dict[str, Any] = {"math": math, "inf": math.inf, **_memory_access()}
    for number, (text, sums) in enumerate(writer.parts):
        exec(text, namespace)
        licence = set(fastmath if sums else fastmath & {"contract"})
        namespace[f"part{number}"] = numba.njit(fastmath=licence, error_model="numpy")(namespace[f"part{number}"])
    exec(writer.kernel(), namespace)
    numbers = types.Array(types.float64, 1, "C")
    inputs = [program.groups[number] for number in program.inputs]
    ranks = [len(group.shape) + group.batched for group in inputs]
    ranks += [len(output.shape or ()) + output.batched for output in program.outputs]
    signature = types.int64(
        numbers,
        numbers,
        types.Array(types.int64, 1, "C"),
        types.int64,
        *[types.boolean for group in inputs if group.batched and group.shape],
        *[types.Array(types.float64, rank, "C") for rank in ranks],
    )
    kernel: Callable[..., int] = numba.njit(signature, nogil=True, error_model="numpy")(namespace["kernel"])
    return kernel


def _memory_access() -> dict[str, Any]:
    """Two functions for the kernel: an array's memory from a place on, and a number in memory that nobody writes to.

    An index of an array that is negative counts from the end; a check of that in each access would keep loops from
    being vectorised. LLVM takes a read marked as invariant out of loops whatever these write.
    """
    from numba import types
    from numba.extending import intrinsic

    @intrinsic  # type: ignore[untyped-decorator] # numba has no types
    def pointer(typing: Any, array: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            memory = context.make_array(signature.args[0])(context, builder, values[0]).data
            return builder.gep(memory, [values[1]])

        return types.CPointer(array.dtype)(array, types.intp), generate

    @intrinsic  # type: ignore[untyped-decorator] # numba has no types
    def constant(typing: Any, memory: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            loaded = builder.load(builder.gep(values[0], [values[1]], inbounds=True))
            loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
            return loaded

        return memory.dtype(memory, types.intp), generate

    return {"pointer": pointer, "constant": constant}
