"""Programs on NumPy: the emitted source, compiled, with NumPy's functions under the names that it uses.

Text is made from a validated program and run here, nowhere else. What a call costs beside the arithmetic: one entry of
``numpy.errstate``, as IEEE limits (1/0 = inf) are results here, not warnings. Matrix products are BLAS's, transposed
operands are views. It computes on float64 arrays; it does not check their shapes, which is its caller's work.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tinygrad_lite.lift.engines import op_lowerings
from tinygrad_lite.lift.engines.einsum import einsum
from tinygrad_lite.lift.ir.groups import Group, Groups, Output
from tinygrad_lite.lift.source.emit import Source, emit
from tinygrad_lite.operations import ops

Array = NDArray[np.float64]


def build(program: Groups) -> Callable[[Sequence[Array]], list[Array]]:
    """Make a function of the input groups' arrays, which gives the outputs' arrays.

    Args:
        program: A valid program.

    Returns:
        A function of a list of float64 arrays, one for each input group, of the group's shape; those of batched groups
        have the samples as one more dimension, the last. It returns new arrays, with the samples first.

    >>> from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref
    >>> along = (Index(0, ((0, 1),)),)
    >>> program = Groups([Group("input", (3,), path="x"), Group("map", (3,), "exp", (Ref(0, along),))], [0])
    >>> program.outputs.append(Output((3,), Ref(1, along)))
    >>> build(program)([np.zeros(3)])
    [array([1., 1., 1.])]
    """
    source = emit(program)
    function = compile_source(source, {**_find_functions(source), **ARRAY_FUNCTIONS})
    shared = _find_shared(program)
    repeated = "broadcast_to(" in source.text

    def run(inputs: Sequence[Array]) -> list[Array]:
        with np.errstate(all="ignore"):
            results = list(function(*inputs))
        for place in shared:
            results[place] = np.array(results[place])
        if repeated:  # such a view cannot be written to
            results = [result if result.flags.writeable else np.array(result) for result in results]
        return results

    return run


def compile_source(source: Source, functions: Mapping[str, Any]) -> Callable[..., tuple[Any, ...]]:
    """Compile the function that the source defines.

    Args:
        source: What :func:`tinygrad_lite.lift.source.emit.emit` made. Text from anywhere else is never to be given.
        functions: What the names of operations and of array functions mean.
    """
    namespace: dict[str, Any] = {**functions, **source.constants}
    exec(compile(source.text, "<lifted program>", "exec"), namespace)
    function: Callable[..., tuple[Any, ...]] = namespace["program"]
    return function


def _find_functions(source: Source) -> dict[str, Any]:
    """Find NumPy's functions for the operations that the source uses."""
    known = op_lowerings.load_numpy_functions()
    return {name: known.get(op) or op_lowerings.vectorize(ops.find(op)) for name, op in source.operations.items()}


def _mean(x: Array) -> Any:
    """Compute what ``numpy.mean`` does of all elements, in a third of the time where they are few."""
    return np.add.reduce(x, axis=None) / x.size


def _find_shared(program: Groups) -> list[int]:
    """Find the places of the results that may share elements with an argument, a constant or another result."""
    readers = Counter(output.ref.group for output in program.outputs)
    several = {
        place: _find_elements(program, output)
        for place, output in enumerate(program.outputs)
        if readers[output.ref.group] > 1
    }
    read = {group: np.zeros(program.groups[group].size, dtype=int) for group in readers}
    for place, elements in several.items():
        read[program.outputs[place].ref.group][elements] += 1
    return [
        place
        for place, output in enumerate(program.outputs)
        if not _is_computed(program.groups[output.ref.group])
        or (place in several and read[output.ref.group][several[place]].max(initial=0) > 1)
    ]


def _is_computed(group: Group) -> bool:
    """Whether its array is its own: not an argument, a constant, or a view of another."""
    if group.kind == "sum":
        return (
            len(group.terms) > 1
            or len(group.terms[0].factors) > 1
            or any(size > 1 for size in group.terms[0].reduced)
            or group.over != ""  # one sample alone is added up too, into a new array
        )
    # A fold of one element alone, and +x, may be what they read.
    return group.kind == "map" and ops.find(group.op).forward is not operator.pos


def _find_elements(program: Groups, output: Output) -> NDArray[Any]:
    """Find the elements of its group that a result reads, each once, by their places in C order."""
    shape = output.shape or ()
    grid: Any = np.indices(shape, sparse=True)
    places = tuple(np.broadcast_to(index.at(grid), shape) for index in output.ref.index)
    if not places:
        return np.zeros(1, dtype=int)
    sizes = (program.groups[output.ref.group].size,) if output.ref.flat else program.groups[output.ref.group].shape
    return np.unique(np.ravel_multi_index(places, sizes))


def _roll(array: NDArray[Any], by: Any, along: Any) -> NDArray[Any]:
    """Compute ``np.roll``, which takes several times as long for small arrays."""
    pairs: Any = zip(by, along, strict=True) if isinstance(by, tuple) else [(by, along)]
    for shift, axis in pairs:
        before = (slice(None),) * axis
        array = np.concatenate((array[(*before, slice(-shift, None))], array[(*before, slice(None, -shift))]), axis)
    return array


def _stack(arrays: Any, axis: int = 0) -> Any:
    """Compute ``np.stack``, which takes several times as long for small arrays."""
    stacked = np.array(arrays)
    return stacked if axis == 0 else np.moveaxis(stacked, 0, axis)


#: What sources call besides the operations of the table.
ARRAY_FUNCTIONS: dict[str, Any] = {
    **{
        name: getattr(np, name)
        for name in (
            *("arange", "asarray", "broadcast_to", "concatenate", "empty", "eye", "take_along_axis", "tri", "where"),
        )
    },
    "einsum": einsum,
    "mean": _mean,
    "roll": _roll,
    "sliding_window_view": sliding_window_view,
    "stack": _stack,
    "inf": np.inf,
    "nan": np.nan,
}
