"""The numba engine: groups → one compiled function of fused loops, the fastest engine for small models.

:mod:`tinygrad_lite.lift.loops.loop_fusion` decides which groups share loops,
:mod:`tinygrad_lite.lift.loops.buffer_allocation` where numbers stand and
:mod:`tinygrad_lite.lift.loops.loop_writer` writes the loops as text in Python; here the text is divided into functions,
:mod:`tinygrad_lite.lift.machine_code` compiles them with LLVM, and a call hands over the arrays. Of numba it is LLVM
that is used (its package llvmlite): numba's compiler would find out anew what is known here, the kinds of all names,
and take ten times as long. Only text that was written here is compiled. A program has to be valid
(:mod:`tinygrad_lite.lift.ir.verifier`): compiled loops read memory without asking whether an index is in range.

Samples are worked through in chunks of at most ``WIDTH``; the number of samples may change from call to call. Calls may
come from several threads at once: each has arrays of its own to work in, which are kept for later calls, and the
interpreter's lock is free during a run.

Costs: compiling takes 2 to 20 ms a group, in the first process that does
(:mod:`tinygrad_lite.lift.machine_code.code_cache`); a call about a microsecond besides the loops. The machine code is
freed with the function. There is no BLAS: up to layers of a thousand by a thousand the loops are faster than it.

How results may differ from the graph's, evaluated node by node: sums are added in another order, a product and the sum
after it may be rounded once instead of twice, and ``exp`` and others are
:mod:`tinygrad_lite.lift.loops.vector_functions`'. Everything but sums is computed with the order of operations
unchanged, and infinities and NaN are kept. A division by 0 gives an infinity or NaN, not an error.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.ir.groups import Groups, Loop
from tinygrad_lite.lift.loops import loop_fusion, vector_functions, whole_divisions
from tinygrad_lite.lift.loops.buffer_allocation import Memory, allocate
from tinygrad_lite.lift.loops.code_writer import Text
from tinygrad_lite.lift.loops.loop_fusion import Nest
from tinygrad_lite.lift.loops.loop_writer import STEP, Loops
from tinygrad_lite.lift.loops.scalar_functions import write_scalar
from tinygrad_lite.lift.machine_code import code_cache, compilation, lowering
from tinygrad_lite.lift.machine_code.compilation import compile_object, describe_target, load_function, write_entry
from tinygrad_lite.lift.machine_code.lowering import (
    FLOAT_ARRAY,
    FLOATS,
    INT,
    INT_ARRAY,
    INTS,
    NOTHING,
    Dialect,
    Module,
)
from tinygrad_lite.operations import ops

Array = NDArray[np.float64]

#: How many samples are worked through together, at most: a multiple of 16.
WIDTH = 128

#: What may be done to sums. Never "nnan" and "ninf": infinities and NaN have to come out as they are.
REASSOCIATE = frozenset({"reassoc", "nsz", "contract"})

#: Where the functions stand that text may call.
_LIBRARY = (vector_functions, whole_divisions)

#: A function of more lines than this is split, as compiling takes longer than in proportion.
_MOST_LINES = 60


class Compiled:
    """A program as a compiled function.

    Attributes:
        checked: Gives the results, and whether all are finite.
    """

    def __init__(self, checked: Callable[[Sequence[Array]], tuple[list[Array], bool]]) -> None:
        self.checked: Final = checked

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Compute the results, without a look whether they are finite."""
        return self.checked(inputs)[0]


def build(program: Groups, fastmath: Iterable[str] = REASSOCIATE) -> Compiled:
    """Compile the program as a function of its inputs' arrays.

    Args:
        program: A valid program.
        fastmath: LLVM's licences for sums, by its names; none: added one by one, in order.

    Returns:
        A function of the list of inputs (each of its group's shape, with the samples as one more axis, the last, if it
        is batched) that returns the list of results (the samples as the first axis of those that keep them).

    Raises:
        ImportError: numba is not installed, nor llvmlite alone.

    >>> from tinygrad_lite.lift.ir.groups import Group, Index, Output, Ref
    >>> along = (Index(steps=((0, 1),)),)
    >>> program = Groups([Group("input", (3,)), Group("map", (3,), "relu", (Ref(0, along),))], [0])
    >>> program.outputs.append(Output((3,), Ref(1, along)))
    >>> build(program)([np.array([-1.0, 0.0, 2.0])])
    [array([0., 0., 2.])]
    """
    _require_numba()
    phases = loop_fusion.fuse_loops(program)
    memory = allocate(program, phases, _is_call)
    writer = _Writer(program, memory)
    writer.write(phases)
    kernel = _compile(program, writer, frozenset(fastmath))
    return _make_caller(program, memory, kernel, writer.loops.tables.join())


def _require_numba() -> None:
    if importlib.util.find_spec("llvmlite") is None:
        raise ImportError("engine 'numba' needs numba's compiler, llvmlite: pip install 'tinygrad-lite[fast]'")


def _make_caller(program: Groups, memory: Memory, kernel: Callable[..., int], tables: NDArray[np.int64]) -> Compiled:
    """Hand arrays to the kernel; written for speed, as small programs take no longer than this."""
    groups = [program.groups[number] for number in program.inputs]
    batched = [place for place, group in enumerate(groups) if group.batched]
    turnable = [(place, (len(groups[place].shape), *range(len(groups[place].shape)))) for place in batched]
    turnable = [(place, axes) for place, axes in turnable if len(axes) > 1]
    shapes = [() if output.batched else output.shape or () for output in program.outputs]
    with_samples = [(place, output.shape or ()) for place, output in enumerate(program.outputs) if output.batched]
    workspaces: list[tuple[int, Array, Array]] = []
    asarray, empty, float64 = np.asarray, np.empty, np.dtype(np.float64)
    size = memory.unbatched.size

    def new_workspace(chunks: int) -> tuple[int, Array, Array]:
        u, v = _allocate(size + 1), _allocate(memory.rows * WIDTH * chunks)
        u[:size] = memory.unbatched
        return chunks, u, v

    def run(inputs: Sequence[Array]) -> tuple[list[Array], bool]:
        n, first = 0, list[bool]()
        if batched:
            n = inputs[batched[0]].shape[-1]
            for place, axes in turnable:
                samples_first = not inputs[place].flags.c_contiguous
                if samples_first:
                    inputs = list(inputs)
                    inputs[place] = inputs[place].transpose(axes)
                first.append(samples_first)
        results = [empty(shape) for shape in shapes]
        for place, shape in with_samples:
            results[place] = empty((n, *shape))
        chunks = -(-n // WIDTH) if memory.chunks_kept else 1
        try:
            work = workspaces.pop()  # so that no other thread uses it now
            if work[0] < chunks:
                work = new_workspace(chunks)
        except IndexError:
            work = new_workspace(chunks)
        _, u, v = work
        wrong = kernel(u, v, tables, n, *first, *[asarray(x, float64, order="C") for x in inputs], *results)
        is_finite = u[size] == 0.0
        workspaces.append(work)
        if wrong:
            group, found = groups[wrong - 1], np.shape(inputs[wrong - 1])
            expected = group.shape + ((n,) if group.batched else ())
            raise LiftError(f"input {wrong - 1} ({group.path or 'unnamed'}) has shape {found}, not {expected}")
        return results, is_finite

    return Compiled(run)


#: The functions of ``math`` that keep a loop from being vectorised, and of which there are others that do not.
_REPLACED = re.compile(rf"\bmath\.({'|'.join(function.__name__ for function in vector_functions.FUNCTIONS)})\(")


def _write_operation(name: str, operands: Sequence[str]) -> str:
    """Write the text of an operation, with our own functions for those that keep a loop from being vectorised."""
    return _REPLACED.sub(r"\1(", write_scalar(name, operands))


def _is_call(name: str) -> bool:
    """Whether that text still calls the C library: powers and remainders do."""
    text = _write_operation(name, [f"x{k}" for k in range(max(ops.find(name).arity, 1))])
    return re.search(r"math\.|\*\*|//|%", text) is not None


def _allocate(size: int) -> Array:
    """Allocate zeros that begin where a cache line does: vectors across two lines take twice as long to read."""
    array = np.zeros(size + 7)
    skipped = -array.ctypes.data // 8 % 8
    return array[skipped : skipped + size]


class _Writer:
    """Puts the nests into functions, and writes the kernel, which calls them."""

    def __init__(self, program: Groups, memory: Memory) -> None:
        self.program = program
        self.memory = memory
        self.loops = Loops(program, memory.cells, WIDTH, _write_operation, _is_call)
        #: Each function's text, and whether there is nothing but sums in it.
        self.parts: list[tuple[str, bool]] = []
        self._is_call = Text()
        self._loops: tuple[Loop, ...] = ()

    def write(self, phases: list[list[Nest]]) -> None:
        """Write everything."""
        samples = any(group.batched for group in self.program.groups)
        for number in range(max(len(phases), 2 * samples)):
            phase = phases[number] if number < len(phases) else []
            if number % 2 == 0:
                self._write_nests(phase)
            elif phase or number == 1:
                self._write_chunks(phase, number == 1, not any(phases[number + 2 :: 2]))
        for place, output in enumerate(self.program.outputs):
            if not output.batched and self.memory.results.get(output.ref.group) != place:
                self.loops.write_result(place, output)
        self._end_part(False)
        self._write_finiteness()

    def _write_finiteness(self) -> None:
        """Leave 0 behind the constants if all results are finite, for x·0 is 0 then; else NaN."""
        self.loops.text.add("total = 0.0")
        for place, output in enumerate(self.program.outputs):
            size = f"{math.prod(output.shape or ())}{'*n' if output.batched else ''}"
            self.loops.text.add(f"for k in range({size}): total += o{place}[k] * 0.0")
        self.loops.text.add(f"u[{self.memory.unbatched.size}] = total")
        self._end_part(True)

    def write_kernel(self) -> str:
        """Write the text of the kernel; it returns 0, or 1 + the number of an input of the wrong size."""
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
        text.add("width = ((n + chunks - 1) // chunks + 15) // 16 * 16 if chunks else 0")
        text.append(self._is_call)
        text.add("return 0")
        return "\n".join(text.lines)

    def _write_chunks(self, phase: list[Nest], first: bool, last: bool) -> None:
        """Write the loop over the chunks of one phase."""
        for nest in phase:
            if nest.accumulates:
                self.loops.write_zeros(nest.members[0])
        self._end_part(False)
        self._is_call.open("for c in range(chunks):")
        self._is_call.add("start = c * width")
        self._is_call.add("m = max(0, min(width, n - start))")
        self._is_call.add("blocks = (m + 15) // 16")
        self._is_call.add(f"v = pointer(v_, c * {self.memory.rows * WIDTH if self.memory.chunks_kept else 0})")
        for place, number in enumerate(self.program.inputs):
            if first and self.program.groups[number].batched:
                self.loops.write_input_chunk(place, number)
        self._write_nests(phase)
        for place, output in enumerate(self.program.outputs):
            if last and output.batched:
                self.loops.write_result(place, output)
        self._end_part(False)
        self._is_call.close()

    def _write_nests(self, phase: list[Nest]) -> None:
        """Write the functions of some nests."""
        sums = False
        for nest in phase:
            alike = (nest.accumulates or nest.dot, nest.loops) == (sums, self._loops)
            if not alike or len(self.loops.text.lines) > _MOST_LINES:
                self._end_part(sums)
                sums = nest.accumulates or nest.dot
            self._begin_loops(nest.loops)
            self.loops.write_nest(nest)
        self._end_part(sums)
        self._begin_loops(())

    def _begin_loops(self, loops: tuple[Loop, ...]) -> None:
        """End the loops over steps that are over, and begin others, after the rows that their first steps read."""
        kept = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(loops, self._loops, strict=False))))
        if len(self._loops) > kept:
            self._is_call.close(self._is_call.depth - (len(self._loops) - kept))
        for loop in loops[kept:]:
            steps = self.loops.name_steps(loops[: loop.axis])
            for number in range(loop.start, loop.stop):
                if self.program.groups[number].axis == loop.axis:
                    self.loops.write_initial(number, steps)
            self._end_part(False)
            self._is_call.open(f"for {STEP.format(loop.axis)} in range({loop.steps}):")
        self._loops = loops

    def _end_part(self, sums: bool) -> None:
        """Make a function of the lines that have been written, if there are any, and call it."""
        lines, self.loops.text.lines = self.loops.text.lines, []
        if lines:
            names = re.findall(r"\b(?:[uvtmn]|start|blocks|step\d|[fxo]\d+)\b", "\n".join(lines))
            call = f"part{len(self.parts)}({', '.join(sorted(set(names)))})"
            self.parts.append((f"def {call}:\n" + "\n".join([" " + line for line in lines]), sums))
            self._is_call.add(call)


def _compile(program: Groups, writer: _Writer, fastmath: frozenset[str]) -> Callable[..., int]:
    """Compile the kernel, and the functions that it calls; or take the code of a process that has."""
    kernel = writer.write_kernel()
    licences = [sorted(fastmath if sums else fastmath & {"contract"}) for _, sums in writer.parts]
    texts = [text for text, _ in writer.parts]

    def make() -> bytes:
        module = Module(*_read_library())
        for text, licence in zip(texts, licences, strict=True):
            _lower(module, text, NOTHING, Dialect(licence, "noinline", independent=("b",)))
        kinds = _lower(module, kernel, INT, Dialect())
        return compile_object(module.text() + write_entry("kernel", kinds))

    source = repr((_describe_compiler(), texts, licences, kernel))
    return load_function(code_cache.fetch(source, make))


def _lower(module: Module, text: str, result: int, dialect: Dialect) -> list[int]:
    """Add a function to a module, and give the kinds of its parameters."""
    (tree,) = ast.parse(text).body
    assert isinstance(tree, ast.FunctionDef)
    kinds = {argument.arg: _find_kind(argument.arg) for argument in tree.args.args}
    module.add(tree, kinds, result, dialect)
    return list(kinds.values())


def _find_kind(name: str) -> int:
    """Tell from a name what it is: the text's names say so."""
    if name in ("n", "m", "start", "blocks") or name.startswith(STEP.format("")) or name[0] == "f":
        return INT
    if name[0] == "t":
        return INT_ARRAY if name[-1] == "_" else INTS
    return FLOAT_ARRAY if name[-1] == "_" else FLOATS


@functools.cache
def _describe_compiler() -> tuple[str, ...]:
    """Say by what text is compiled: other code comes of it when any of these changes."""
    sources = [inspect.getsource(module) for module in (*_LIBRARY, lowering, compilation)]
    return (*describe_target(), hashlib.sha256("".join(sources).encode()).hexdigest())


@functools.cache
def _read_library() -> tuple[dict[str, ast.FunctionDef], dict[str, float]]:
    """Read the functions that text may call, and the numbers that they name, from their modules' source."""
    functions, numbers = dict[str, ast.FunctionDef](), {"inf": math.inf}
    for module in _LIBRARY:
        found = [node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.FunctionDef)]
        functions |= {node.name: node for node in found}
        numbers |= {name: value for name, value in vars(module).items() if isinstance(value, (int, float))}
    return functions, numbers
