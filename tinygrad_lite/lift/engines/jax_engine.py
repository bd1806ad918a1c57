"""Programs on JAX: the emitted source, traced once for each number of samples, and compiled by XLA for the device.

A function of the program's input arrays is made from its source (:func:`make_function`), and ``jax.jit`` compiles it
(:func:`build`). The text is that of the NumPy engine but for sliding windows. What a call costs beside the arithmetic:
JAX's own dispatch and the entry of one context.

- Results are JAX arrays: they stay on the device, and are there before their numbers are. ``float(loss)`` waits. NumPy
  arrays among the arguments are copied to the device in each call, JAX arrays are taken where they are. No argument is
  donated.
- ``"float64"`` is computed as such whatever ``jax_enable_x64`` says, which is left as it is. Whoever goes on with such
  results in JAX should set it, for JAX without it rounds what it computes from them to float32.
- ``"float32"`` multiplies matrices as JAX does, which on some devices is less exact than float32;
  ``jax.default_matmul_precision`` says otherwise.
- ``"bfloat16"`` is explained in :mod:`tinygrad_lite.lift.engines.mixed_precision`. Its results are float32.
- With ``devices``, samples are divided among these; see :mod:`tinygrad_lite.lift.engines.sharding`.

It does not check shapes, which is its caller's work, and it does not look for numbers that are not finite.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.engines import mixed_precision, op_lowerings
from tinygrad_lite.lift.engines.jax_library import import_jax, use_x64
from tinygrad_lite.lift.engines.sharding import Placement, find_sample_axes, make_mesh
from tinygrad_lite.lift.ir.groups import Groups
from tinygrad_lite.lift.ir.loop_outputs import compute_behind_loops
from tinygrad_lite.lift.source.emit import Source, emit
from tinygrad_lite.operations import ops

if TYPE_CHECKING:
    from jax.sharding import Mesh

Run = Callable[[Sequence[Any]], list[Any]]

#: What a program's numbers can be: the type that it computes in, and that of its results.
_RESULTS: Final = {"float64": "float64", "float32": "float32", "bfloat16": "float32"}

#: From so many statements on, of arrays that have so few elements, a program is compiled without fusion on CPUs.
_MANY: Final = 500
_FEW: Final = 256

#: The functions of ``jax.numpy`` that sources use as they are.
ARRAY_FUNCTIONS: Final = (
    *("asarray", "broadcast_to", "concatenate", "einsum", "mean", "roll", "stack", "take_along_axis", "where"),
)


def build(
    program: Groups,
    *,
    dtype: str = "float64",
    devices: int | Mesh | None = None,
    axes: Sequence[int | None] | None = None,
) -> Compiled:
    """Compile the program as a function of the input groups' arrays, which gives the outputs' arrays.

    Args:
        program: A valid program.
        dtype: ``"float64"``, ``"float32"``, or ``"bfloat16"``, which accumulates in float32.
        devices: Divides the samples among so many devices, or among those of a ``jax.sharding.Mesh``. None: all on
            JAX's default device.
        axes: For each input the axis along which its samples are given, where that is not the last: they are moved in
            the compiled code, without a copy.

    Returns:
        A function of a list of arrays, NumPy's or JAX's, one for each input group, of the group's shape; those of
        batched groups have the samples as one more dimension, the last. It gives JAX arrays, with the samples first.

    Raises:
        ImportError: JAX is not installed.
        LiftError: There is no such dtype, or there are not as many devices.

    >>> from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref
    >>> along = (Index(0, ((0, 1),)),)
    >>> program = Groups([Group("input", (3,), path="x"), Group("map", (3,), "exp", (Ref(0, along),))], [0])
    >>> program.outputs.append(Output((3,), Ref(1, along)))
    >>> build(program, dtype="float32")([np.zeros(3)])
    [Array([1., 1., 1.], dtype=float32)]
    """
    import_jax()
    return compile_function(make_function(program, dtype), program, dtype=dtype, devices=devices, axes=axes)


def compile_function(
    function: Run,
    program: Groups,
    *,
    dtype: str = "float64",
    devices: int | Mesh | None = None,
    axes: Sequence[int | None] | None = None,
) -> Compiled:
    """Compile a function of JAX's that computes a program.

    Args:
        function: What :func:`make_function` makes of the program, or what computes the same.
        program: The program.
        dtype: As of :func:`build`, as all that follows.
        devices: Divides the samples among them.
        axes: For each input the axis of its samples.
    """
    mesh = make_mesh(devices)
    given = find_sample_axes(program, axes)
    placement = None if mesh is None else Placement(program, mesh, given)
    moved = function if axes is None else _move_samples(function, given)
    return Compiled(moved, dtype == "float64", placement, choose_compiler_options(program, mesh))


class Compiled:
    """A function of arrays that XLA compiles once for each number of samples; :func:`build` makes it.

    Attributes:
        function: What is compiled.
        placement: Which devices hold what; None for JAX's default device.
    """

    def __init__(
        self, function: Run, wide: bool, placement: Placement | None, options: dict[str, str] | None = None
    ) -> None:
        jax = import_jax()
        self.function: Final = function
        self.placement: Final = placement
        self._wide: Final = wide
        told = {} if options is None else {"compiler_options": options}
        if placement is None:
            self._jit = jax.jit(function, **told)
        else:
            shardings = {"in_shardings": (placement.inputs,), "out_shardings": placement.outputs}
            self._jit = jax.jit(function, **shardings, **told)

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """Compute the results, which are JAX arrays.

        Raises:
            LiftError: The samples cannot be divided equally among the devices.
        """
        with use_x64(self._wide):
            found: list[Any] = self._jit(list(arrays) if self.placement is None else self.placement.place(arrays))
            return found

    def text(self, arrays: Sequence[Any]) -> str:
        """Show what XLA made of it for such arrays, in its own language: all-reduces and fused loops stand there."""
        with use_x64(self._wide):
            return str(self._compile(arrays).as_text())

    def memory(self, arrays: Sequence[Any]) -> int:
        """Ask XLA how many bytes a call holds at most for such arrays, besides these and the results."""
        with use_x64(self._wide):
            return int(self._compile(arrays).memory_analysis().temp_size_in_bytes)

    def _compile(self, arrays: Sequence[Any]) -> Any:
        placed = list(arrays) if self.placement is None else self.placement.place(arrays)
        return self._jit.lower(placed).compile()


def make_function(program: Groups, dtype: str = "float64") -> Run:
    """Make a pure function in ``jax.numpy``, to be composed with ``jax.grad``, ``jax.vmap``, ``jax.jit``.

    Args:
        program: A valid program.
        dtype: As of :func:`build`. ``"float64"`` needs ``jax_enable_x64`` wherever the function is called.

    Returns:
        A function of a list of arrays, as that of :func:`build`.

    Raises:
        ImportError: JAX is not installed.
        LiftError: There is no such dtype.
    """
    import_jax()
    if dtype not in _RESULTS:
        raise LiftError(f"there is no dtype {dtype!r} here: choose one of {', '.join(_RESULTS)}")
    program = compute_behind_loops(program)
    source = emit(program, dialect="jax")
    statements = _compile(program, source, dtype)
    result = np.dtype(_RESULTS[dtype])
    given = _make_conversion(dtype)

    def function(arrays: Sequence[Any]) -> list[Any]:
        return [array.astype(result) for array in statements(*[given(array) for array in arrays])]

    return function


def scan_steps(
    step: Callable[..., tuple[Any, Any, Any]], dtype: str = "float64"
) -> Callable[..., tuple[Any, Any, Any]]:
    """Make many training steps one compiled call.

    Args:
        step: A pure function in ``jax.numpy``, ``step(parameters, state, batch, *shared)``, which gives ``(parameters,
            state, loss)``, the first two in the structure and the shapes that they had.
        dtype: As of :func:`build`: whether float64 is to be had while it runs.

    Returns:
        A function ``run(parameters, state, batches, *shared)``, in which the arrays of ``batches`` have the steps as
        their first axis, and which gives the last parameters and state, with the dtypes that they had, and the losses
        of all steps. ``shared`` is what all steps read: the data set, of which a batch has the places. Where arguments
        are divided among devices, the work is too.

    Raises:
        ImportError: JAX is not installed.

    >>> import numpy as np
    >>> run = scan_steps(lambda weight, state, x: (weight - 0.5 * x, state, weight * x))
    >>> weight, state, losses = run(np.float64(8.0), (), np.array([2.0, 4.0, 6.0]))
    >>> float(weight), losses.tolist()
    (2.0, [16.0, 28.0, 30.0])
    """
    jax = import_jax()

    def steps(parameters: Any, state: Any, batches: Any, *shared: Any) -> tuple[Any, Any, Any]:
        def body(carried: Any, batch: Any) -> tuple[Any, Any]:
            parameters, state, loss = step(*carried, batch, *shared)
            return jax.tree.map(lambda new, old: new.astype(old.dtype), (parameters, state), carried), loss

        start = jax.tree.map(jax.numpy.asarray, (parameters, state))
        (parameters, state), losses = jax.lax.scan(body, start, batches)
        return parameters, state, losses

    compiled = jax.jit(steps)

    def run(parameters: Any, state: Any, batches: Any, *shared: Any) -> tuple[Any, Any, Any]:
        with use_x64(dtype == "float64"):
            found: tuple[Any, Any, Any] = compiled(parameters, state, batches, *shared)
            return found

    return run


def choose_compiler_options(program: Groups, mesh: Mesh | None = None) -> dict[str, str] | None:
    """Choose what XLA is told about a program: not to fuse on CPUs what is a long chain of small arrays.

    Fusion computes a number again in each loop that reads it. A step of Runge and Kutta reads a state eight times, so
    that 23 steps, one after the other, ran for 42 seconds, and 25 were not compiled in minutes; without fusion they run
    in a third of a millisecond, after 4 seconds. Where arrays are large, fusion saves memory traffic, and stays.
    """
    platform = import_jax().default_backend() if mesh is None else mesh.devices.flat[0].platform
    small = sum(group.kind in ("map", "sum", "fold") and group.size <= _FEW for group in program.groups)
    known = "compiler_options" in inspect.signature(import_jax().jit).parameters  # not before JAX 0.5
    return {"xla_disable_hlo_passes": "fusion"} if known and platform == "cpu" and small >= _MANY else None


def _move_samples(function: Run, axes: Sequence[int | None]) -> Run:
    """Make a function of arrays whose samples run along these axes."""
    moved = import_jax().numpy.moveaxis

    def run_moved(arrays: Sequence[Any]) -> list[Any]:
        last = [a if axis is None else moved(a, axis, -1) for a, axis in zip(arrays, axes, strict=True)]
        return function(last)

    return run_moved


def _compile(program: Groups, source: Source, dtype: str) -> Callable[..., tuple[Any, ...]]:
    """Compile the function that the source defines. Text is made from a validated program, and run here."""
    number = np.dtype(_RESULTS[dtype])
    narrow = dtype == "bfloat16"
    text = mixed_precision.rewrite_source(source.text, mixed_precision.find_narrow(program)) if narrow else source.text
    namespace = {
        **_find_operations(source),
        **_make_array_functions(number),
        **{name: _convert_constant(array, number) for name, array in source.constants.items()},
        **(mixed_precision.make_functions() if narrow else {}),
    }
    exec(compile(text, "<lifted program>", "exec"), namespace)
    function: Callable[..., tuple[Any, ...]] = namespace["program"]
    return function


def _find_operations(source: Source) -> dict[str, Any]:
    """Find JAX's functions for the operations that the source uses."""
    known = op_lowerings.load_jax_functions()
    return {name: known.get(op) or _call_host(op, known) for name, op in source.operations.items()}


def _call_host(operation: str, known: Mapping[str, Any]) -> Callable[..., Any]:
    """Run an operation that a user defined on the host, nan where it raises. JAX differentiates it by its rules."""
    jax = import_jax()
    op = ops.find(operation)
    on_host = op_lowerings.vectorize(op)

    @jax.custom_jvp  # type: ignore[untyped-decorator]  # library() is Any
    def on_device(*operands: Any) -> Any:
        arrays = jax.numpy.broadcast_arrays(*operands)
        result = jax.ShapeDtypeStruct(arrays[0].shape, jax.numpy.result_type(float, *arrays))
        return jax.pure_callback(
            lambda *xs: on_host(*xs).astype(result.dtype), result, *arrays, vmap_method="broadcast_all"
        )

    @on_device.defjvp  # type: ignore[untyped-decorator]  # as above
    def derivative(operands: Any, tangents: Any) -> Any:
        result = on_device(*operands)
        arithmetic = SimpleNamespace(**known)
        partials = [partial(arithmetic, *operands, result) for partial in op.partials]
        return result, sum(partial * tangent for partial, tangent in zip(partials, tangents, strict=True))

    return on_device  # type: ignore[no-any-return]  # as above


def _convert_constant(array: Any, number: np.dtype[Any]) -> Any:
    """Convert a constant to the type that the program computes in; places and masks stay as they are."""
    return (array.astype(number) if array.dtype.kind == "f" else array).view(_Table)


class _Table(np.ndarray):
    """A constant array of NumPy's that can be read at places which JAX traces."""

    def __getitem__(self, places: Any) -> Any:
        items = places if isinstance(places, tuple) else (places,)
        plain = np.asarray(self)
        if any(isinstance(item, import_jax().core.Tracer) for item in items):
            return import_jax().numpy.asarray(plain)[places]
        return plain[places]


def _make_array_functions(number: np.dtype[Any]) -> dict[str, Any]:
    """Compute arrays by ``jax.numpy``, and constants by NumPy: XLA sees their numbers, no device holds them."""
    jnp = import_jax().numpy

    def constant(make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *sizes, **options: _convert_constant(make(*sizes, **options), number)

    return {
        **{name: constant(getattr(np, name)) for name in ("arange", "eye", "tri")},
        **{name: getattr(jnp, name) for name in ARRAY_FUNCTIONS},
        "scan": _scan,
        "take_window": _take_window,
        "inf": np.inf,
        "nan": np.nan,
    }


def _scan(step: Callable[[Any, Any], Any], start: Sequence[Any], steps: int) -> Any:
    """Run a step of a program again and again; give what it carries in the end, and the rows that are read outside."""
    jax = import_jax()

    def body(carried: Any, place: Any) -> Any:
        passed, rows = step(carried, place)
        return [new.astype(old.dtype) for new, old in zip(passed, carried, strict=True)], rows

    return jax.lax.scan(body, [jax.numpy.asarray(array) for array in start], jax.numpy.arange(steps))


def _take_window(array: Any, axis: int, start: Any, length: int) -> Any:
    """Take so many places of an axis, from one that JAX traces on."""
    return import_jax().lax.dynamic_slice_in_dim(array, start, length, axis)


def _make_conversion(dtype: str) -> Callable[[Any], Any]:
    """Convert arguments to the type that the program computes in. bfloat16 stays so in a bfloat16 program."""
    jnp = import_jax().numpy
    if dtype != "bfloat16":
        return lambda array: jnp.asarray(array).astype(dtype)
    return lambda array: array if array.dtype == jnp.bfloat16 else jnp.asarray(array).astype(jnp.float32)
