"""A program as a Python module that stands alone: ``program.export("step.py")``.

The module imports NumPy, or JAX, and nothing else (SciPy for erf and its kin, where it is installed, as the program
itself does). It holds the program's source, the functions that this uses, written out from the formulas of the
operation table, the constants, and a function ``run`` that takes the arguments as the program's callers do. It computes
what the program computes, to the bit, and checks what the program checks.

Text is made from validated groups, safe names and Python's own literals. What strangers wrote (names of functions and
arguments, messages) stands in docstrings without quotes and backslashes, and else as literals.
"""

from __future__ import annotations

import functools
import inspect
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.files.atomic import write_atomically
from tinygrad_lite.lift.checking.runtime_checks import RuntimeChecks
from tinygrad_lite.lift.engines import einsum, jax_engine, numpy_engine
from tinygrad_lite.lift.ir.groups import Group, Groups
from tinygrad_lite.lift.ir.loop_outputs import compute_behind_loops
from tinygrad_lite.lift.loops.scalar_functions import Formula
from tinygrad_lite.lift.source.emit import Source, emit
from tinygrad_lite.lift.tracing.inputs import Inputs
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.arithmetic import interpreter
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE

#: So many numbers of constants are written out in a file; more stand beside it.
MOST_WRITTEN: Final = 1000
_DATA: Final = "_data"


class Exported(Protocol):
    """What is written: a :class:`tinygrad_lite.lift.Program`."""

    @property
    def name(self) -> str:
        """Of the function."""

    @property
    def engine(self) -> str:
        """What runs it here."""

    @property
    def check(self) -> bool:
        """Whether results that are not finite are an error."""

    @property
    def options(self) -> dict[str, Any]:
        """Of the engine."""

    @property
    def ir(self) -> Groups:
        """Its groups."""

    @property
    def checked_ir(self) -> Groups:
        """The groups, with the numbers of which something is demanded as further results."""

    @property
    def inputs(self) -> Inputs:
        """How arguments become arrays."""

    @property
    def demands(self) -> RuntimeChecks:
        """What is demanded of numbers."""

    @property
    def structure(self) -> Any:
        """Of the results."""


def export(program: Exported, path: str | os.PathLike[str], engine: str | None = None) -> None:
    """Write a program as a module; see :meth:`tinygrad_lite.lift.Program.export`."""
    target = Path(path)
    if target.suffix != ".py":
        raise LiftError(f"a program is exported as a Python module: {str(path)!r} does not end in .py")
    beside = target.with_suffix(".npz")
    for file in (target, beside):
        if file.exists() and not file.is_file():
            raise LiftError(f"{str(file)!r} is there, and is no regular file: it is left alone. Choose another name")
    text, arrays = _write_module(program, engine, MOST_WRITTEN, beside.name)
    if arrays:
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]  # its stubs take the arrays for its own options
        write_atomically(beside, content.getvalue())
    write_atomically(target, text.encode())


def write_module(program: Exported, engine: str | None = None) -> str:
    """Write a program as the text of a module, with all constants in it."""
    return _write_module(program, engine, None, "")[0]


def _write_module(
    program: Exported, engine: str | None, most: int | None, beside: str
) -> tuple[str, Mapping[str, NDArray[Any]]]:
    engine = engine or ("jax" if program.engine == "jax" else "numpy")
    if engine not in ("numpy", "jax"):
        raise LiftError(f'a program is exported for "numpy" or "jax", not {engine!r}')
    dtype = program.options.get("dtype", "float64") if engine == program.engine else "float64"
    if dtype == "bfloat16":
        raise LiftError("a program in bfloat16 cannot be exported: export one in float32 or float64")
    groups = program.checked_ir
    if engine == "jax":
        groups = compute_behind_loops(groups)
    source = emit(groups, engine)
    constants = {name: np.asarray(array) for name, array in source.constants.items()}
    inline = most is None or sum([array.size for array in constants.values()]) <= most
    writer = _Writer(program, groups, source, engine, dtype)
    text = writer.write(constants if inline else {}, "" if inline else beside, constants)
    return text, {} if inline else constants


class _Writer:
    def __init__(self, program: Exported, groups: Groups, source: Source, engine: str, dtype: str) -> None:
        self.program = program
        self.groups = groups
        self.source = source
        self.engine = engine
        self.dtype = dtype
        self.inputs = [groups.groups[number] for number in groups.inputs]
        self.captured = self.inputs.pop() if program.inputs.captured else None

    def write(self, inline: Mapping[str, Any], beside: str, constants: Mapping[str, Any]) -> str:
        """Write the whole module."""
        imports = ["import numpy as np"]
        if self.engine == "jax":
            imports = ["import jax", "import jax.numpy as jnp", "import numpy as np"]
        if beside:
            imports = ["from pathlib import Path", "", *imports]
        parts = [f'"""{self._describe()}"""', "\n".join(imports), *self._write_helpers()]
        if constants:
            parts.append(self._write_constants(inline, beside, constants))
        body = re.sub(r"(?m)^# .*, given as data\n", "", self.source.text)
        parts.append(body.strip("\n"))
        if self.captured is not None:
            numbers = [value.data for value in self.program.inputs.captured]
            parts.append(f"#: What the function closed over.\n{_CAPTURED} = np.array({_write_list(numbers)})")
        parts.append(self._write_run())
        return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"

    # ------------------------------------------------------------------------------------------------- description

    def _describe(self) -> str:
        name = _make_plain(self.program.name)
        lines = [f"The program of {name}, which tinygrad_lite found in a function of scalars.", ""]
        lines += [f"run({', '.join(group.name for group in self.inputs)}) takes", ""]
        lines += [f"    {group.name}: {self._describe_input(group)}" for group in self.inputs]
        lines += ["", f"and gives {_make_plain(self._write_structure(iter(self._list_shapes())))}."]
        return "\n".join(lines) + "\n"

    def _describe_input(self, group: Group) -> str:
        shape: list[Any] = list(group.shape)
        said = f"of shape {tuple(shape)}" if shape else "a number"
        axis = self._find_axis(group)
        if axis is not None:
            shape.insert(axis % (len(shape) + 1), "n")
            ending = "," if len(shape) == 1 else ""
            said = f"of shape ({', '.join(map(str, shape))}{ending}), a sample along axis {shape.index('n')}"
        path = _make_plain(group.path)
        return said if path in ("", group.name) else f"{path}, {said}"

    def _find_axis(self, group: Group) -> int | None:
        """Find the axis along which callers give the samples of an input."""
        if not group.batched:
            return None
        inputs = self.program.inputs
        place = next(k for k, number in enumerate(self.groups.inputs) if self.groups.groups[number] is group)
        if len(inputs.sources[place]) > 1:
            return -1
        name = group.path.split(".")[0]
        position = inputs.names.index(name) if name in inputs.names else int(name.removeprefix("argument"))
        return inputs.batch[position]

    def _list_shapes(self) -> list[str]:
        found = []
        for output in self.program.ir.outputs:
            if output.shape is None and not output.batched:
                found.append("a number")
            else:
                sizes = [*["n"] * output.batched, *map(str, output.shape or ())]
                found.append(f"an array ({', '.join(sizes)}{',' if len(sizes) == 1 else ''})")
        return found

    def _write_structure(self, parts: Any, structure: Any = None) -> str:
        """Write the results as a display of tuples, lists and dicts, for parts that stand for the arrays."""
        structure = self.program.structure if structure is None else structure
        if structure == "array":
            return str(next(parts))
        ((kind, items),) = structure.items()
        if kind == "made":
            return self._write_structure(parts, items[1])
        if kind == "sparse":
            raise LiftError(
                "a program that gives sparse matrices cannot be exported: lift a function that gives their entries, "
                "jacobian(f, sparse=True)(...).data"
            )
        if kind == "dict":
            return "{" + ", ".join([f"{key!a}: {self._write_structure(parts, item)}" for key, item in items]) + "}"
        inner = [self._write_structure(parts, item) for item in items]
        whole = ", ".join(inner)
        return f"({whole}{',' if len(inner) == 1 else ''})" if kind == "tuple" else f"[{whole}]"

    # ---------------------------------------------------------------------------------------------- what it uses

    def _write_helpers(self) -> list[str]:
        words = set(re.findall(r"\w+", self.source.text))
        known = _JAX_HELPERS if self.engine == "jax" else _make_numpy_helpers()
        lines = [text for name, text in known.items() if name in words and "\n" not in text]
        blocks = [text for name, text in known.items() if name in words and "\n" in text]
        if self.engine == "jax":
            blocks.insert(0, _TABLE.replace("NUMBER", self.dtype))
        functions = _Functions(self.engine)
        others: list[str] = []
        for name, op in self.source.operations.items():
            function = functions.refer(ops.find(op))
            if function != name:
                (lines if "." in function else others).append(f"{name} = {function}")
        return [part for part in ("\n".join(lines), *blocks, *functions.blocks, "\n".join(others)) if part]

    def _write_constants(self, inline: Mapping[str, Any], beside: str, constants: Mapping[str, Any]) -> str:
        lines = []
        if beside:
            lines.append(f"{_DATA} = np.load(Path(__file__).with_name({beside!a}), allow_pickle=False)")
        for name, array in constants.items():
            text = _write_array(array) if name in inline else f"{_DATA}[{name!a}]"
            lines.append(f"{name} = _table({text})" if self.engine == "jax" else f"{name} = {text}")
        return "\n".join(lines)

    # ------------------------------------------------------------------------------------------------------- run

    def _write_run(self) -> str:
        names = [group.name for group in self.inputs]
        lines = [f"def run({', '.join(names)}):", f'    """Compute {_make_plain(self.program.name)}; see above."""']
        is_jax = self.engine == "jax"
        for group in self.inputs:
            axis = self._find_axis(group)
            along = "" if axis is None else f", {axis % (len(group.shape) + 1)}"
            lines.append(f"    {group.name} = _take({group.name}, {group.name!a}, {tuple(group.shape)}{along})")
        counts = [
            f"{group.name}.shape[{self._find_axis(group) if is_jax else -1}]" for group in self.inputs if group.batched
        ]
        if len(counts) > 1:
            lines.append(f"    if len({{{', '.join(counts)}}}) > 1:")
            lines.append('        raise ValueError("the arguments have different numbers of samples")')
        lines += [f"    {line}" for line in self._write_checks()]
        arguments = [*names, *([_CAPTURED] if self.captured is not None else [])]
        count = len(self.program.ir.outputs)
        if is_jax:
            call = [f"found = _compiled([{', '.join(arguments)}])"]
            lines += [f"    {line}" for line in (_nest_x64(call) if self.dtype == "float64" else call)]
        else:
            lines += ['    with np.errstate(all="ignore"):']
            lines += [f"        found = [np.array(part) for part in program({', '.join(arguments)})]"]
        for place, demand in enumerate([computed.demand for computed in self.program.demands.computed], count):
            lines.append(f"    {_write_check(f'found[{place}]', 'computed by the program', demand)}")
        if self.program.check and not is_jax:
            lines.append(f"    if not all(np.isfinite(part).all() for part in found[:{count}]):")
            lines.append(f"        if all(np.isfinite(part).all() for part in ({', '.join(arguments)},)):")
            lines.append('            raise FloatingPointError("a result is not finite, although all arguments are")')
        numbers = [output.shape is None and not output.batched and not is_jax for output in self.program.ir.outputs]
        parts = [f"float(found[{k}])" if number else f"found[{k}]" for k, number in enumerate(numbers)]
        lines.append(f"    return {self._write_structure(iter(parts))}")
        before = self._write_jit() if is_jax else ""
        check = [_CHECK] if self.program.demands else []
        take = _TAKE
        if is_jax:
            take = _TAKE_ON_JAX if self.dtype == "float64" else _TAKE_ON_JAX.replace("with _wide(True):\n        ", "")
        return "\n\n\n".join([*check, *([before] if before else []), take, "\n".join(lines)])

    def _write_checks(self) -> list[str]:
        lines = []
        for given in self.program.demands.given:
            group = self.groups.groups[self.groups.inputs[given.place]]
            name = group.name if self.captured is None or group is not self.captured else _CAPTURED
            numbers = f"np.asarray({name})"
            axis = self._find_axis(group)
            if given.elements is not None:
                if axis is not None and self.engine == "jax":
                    numbers = f"np.moveaxis({numbers}, {axis}, -1)"
                rest = f", {numbers}.shape[-1]" if group.batched else ""
                numbers = f"{numbers}.reshape({group.size}{rest})[{_write_array(np.asarray(given.elements))}]"
            lines.append(_write_check(numbers, given.path, given.demand))
        return lines

    def _write_jit(self) -> str:
        options = jax_engine.choose_compiler_options(self.groups)
        told = "" if options is None else f", compiler_options={options!r}"
        axes = [self._find_axis(group) for group in [*self.inputs, *([self.captured] if self.captured else [])]]
        lines = ["def _function(arrays):"]
        if any(axis is not None for axis in axes):
            lines.append(f"    axes = {axes!r}")
            lines.append("    arrays = [a if k is None else jnp.moveaxis(a, k, -1) for a, k in zip(arrays, axes)]")
        lines.append(f"    found = program(*[jnp.asarray(a).astype({self.dtype!r}) for a in arrays])")
        lines.append(f"    return [part.astype({self.dtype!r}) for part in found]")
        return (
            "\n".join(lines)
            + f"\n\n\n_compiled = jax.jit(_function{told})"
            + (f"\n{_X64}" if self.dtype == "float64" else "")
        )


_CAPTURED: Final = "_captured"


class _Functions:
    """The functions of the operation table that a program uses, as text.

    Attributes:
        blocks: Those that are no function of the library, each after those that it calls.
    """

    def __init__(self, engine: str) -> None:
        self.blocks: list[str] = []
        self._engine = engine
        self._library = "jnp" if engine == "jax" else "np"
        self._done: set[str] = set()

    def refer(self, op: Op) -> str:
        """Say what the function of an operation is called, and write it if nobody else has."""
        if op.numpy and not self._is_mended(op):
            return f"{self._library}.{op.numpy}"
        if op.special and self._engine == "jax":
            return f"jax.scipy.special.{op.special}"
        if op.name not in self._done:
            self._done.add(op.name)
            self.blocks.append(self._write_special(op) if op.special else self._write_formula(op))
        return op.name

    def _write_formula(self, op: Op) -> str:
        formula = op.stable or op.definition
        if self._is_mended(op):
            own = f"{self._library}.{op.numpy}"
            formula = functools.partial(_swap, op.mended, lambda *xs: Formula(f"{own}({', '.join(map(str, xs))})"))
        if TABLE.get(op.name) is not op or formula is None or op.arity == NARY:
            raise LiftError(
                f"{op.name} is an operation of your own, which is Python that no module can be written of: write it "
                "with the table's operations to export the program"
            )
        names = list("xyz"[: op.arity])
        text = formula(interpreter(self._call), *[Formula(name) for name in names])
        return f"def {op.name}({', '.join(names)}):\n    return {text}"

    def _is_mended(self, op: Op) -> bool:
        """Whether the library's function is no more than a part of it."""
        return self._engine == "jax" and op.mended is not None

    def _call(self, op: Op, operands: Sequence[Any]) -> Formula:
        return Formula(f"{self.refer(op)}({', '.join(map(str, operands))})")

    def _write_special(self, op: Op) -> str:
        """Write what takes SciPy's function, or the one of ``math`` if there is no SciPy, as the engine does."""
        return (
            f"try:\n    from scipy.special import {op.special} as {op.name}\nexcept ImportError:\n    import math\n\n"
            f"    {op.name} = np.vectorize(math.{op.name}, otypes=[float])"
        )


# --------------------------------------------------------------------------------------------------- pieces of text


def _swap(rule: Any, own: Any, arithmetic: Any, *operands: Any) -> Any:
    """Call a rule that takes the library's function behind the arithmetic."""
    return rule(arithmetic, own, *operands)


def _make_plain(text: str) -> str:
    """Take what may stand in a docstring from somebody's text."""
    return "".join(c if c.isprintable() and c not in '\\"' else "?" for c in text)[:300]


def _write_list(numbers: Sequence[Any]) -> str:
    return "[" + ", ".join(map(repr, numbers)) + "]"


def _write_array(array: NDArray[Any]) -> str:
    kind = {"f": "np.float64", "i": "np.intp", "b": "np.bool_"}[array.dtype.kind]
    items = _write_list(array.ravel().tolist()).replace("nan", "np.nan").replace("inf", "np.inf")
    shaped = f".reshape({array.shape})" if array.ndim != 1 else ""
    return f"np.array({items}, dtype={kind}){shaped}"


def _write_check(numbers: str, where: str, demand: Any) -> str:
    message = demand.message(0.5).replace("0.5", "{}", 1)
    kind = {"IndexError": "IndexError", "index_of": "IndexError"}.get(demand.error, "ValueError")
    low, high, step = [repr(float(x)).replace("inf", "np.inf") for x in (demand.low, demand.high, demand.step)]
    return f"_check({numbers}, {low}, {high}, {step}, {kind}, {message + ' (' + where + ')'!a})"


def _nest_x64(lines: Sequence[str]) -> list[str]:
    return ["with _wide(True):", *[f"    {line}" for line in lines]]


def _take_source(function: Callable[..., Any]) -> str:
    """Take the text of a function of this package that needs nothing but NumPy."""
    return inspect.getsource(function).rstrip()


_SHAPED: Final = """
    whole = array.shape if axis is None else array.shape[:axis] + array.shape[axis + 1 :]
    if array.ndim != len(shape) + (axis is not None) or whole != shape:
        along = "" if axis is None else f", with samples along axis {axis}"
        raise ValueError(f"{name} is of shape {shape}{along}, and not {array.shape}")"""
_TAKE: Final = f'''def _take(array, name, shape, axis=None):
    """Make an array of numbers, with samples along the last axis; raise where it has another shape."""
    array = np.asarray(array, dtype=np.float64){_SHAPED}
    return array if axis is None else np.moveaxis(array, axis, -1)'''
_TAKE_ON_JAX: Final = f'''def _take(array, name, shape, axis=None):
    """Make an array; raise where it has another shape."""
    with _wide(True):
        array = jnp.asarray(array){_SHAPED}
    return array'''

_CHECK: Final = '''def _check(numbers, low, high, step, kind, message):
    """Raise for a number that the function does not take."""
    fine = (numbers >= low) & (numbers <= high)
    if step:
        fine &= (numbers - low) / step == np.rint((numbers - low) / step)
    if not fine.all():
        raise kind(message.replace("{}", repr(float(np.asarray(numbers)[~fine].flat[0]))))'''

_X64: Final = """_wide = getattr(jax, "enable_x64", None)
if _wide is None:  # before JAX 0.8
    from jax.experimental import enable_x64 as _wide"""

_TABLE: Final = '''class _Table(np.ndarray):
    """A constant array that can be read at places which JAX traces."""

    def __getitem__(self, places):
        items = places if isinstance(places, tuple) else (places,)
        plain = np.asarray(self)
        if any(isinstance(item, jax.core.Tracer) for item in items):
            return jnp.asarray(plain)[places]
        return plain[places]


def _table(array):
    return (array.astype("NUMBER") if array.dtype.kind == "f" else array).view(_Table)'''

_EINSUM: Final = '''_plans = {}
_SMALL = 256


def einsum(subscripts, left, right):
    """Contract two arrays by matrix products."""
    key = (subscripts, left.shape, right.shape)
    if key not in _plans:
        _plans[key] = _plan(subscripts, left.shape, right.shape)
    return _plans[key](left, right)


'''


def _strip_annotations(text: str) -> str:
    """Take the annotations of types from a function's text."""
    import ast

    class Plain(ast.NodeTransformer):
        def visit_arg(self, node: ast.arg) -> ast.arg:
            node.annotation = None
            return node

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
            self.generic_visit(node)
            node.returns = None
            return node

        def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
            self.generic_visit(node)
            assert node.value is not None
            return ast.copy_location(ast.Assign([node.target], node.value), node)

    return ast.unparse(ast.fix_missing_locations(Plain().visit(ast.parse(text))))


@functools.cache
def _make_numpy_helpers() -> dict[str, str]:
    roll = _strip_annotations(_take_source(numpy_engine._roll)).replace("def _roll(", "def roll(")
    mean = _strip_annotations(_take_source(numpy_engine._mean)).replace("def _mean(", "def mean(")
    stack = _strip_annotations(_take_source(numpy_engine._stack)).replace("def _stack(", "def stack(")
    plan = _strip_annotations(_take_source(einsum._plan))
    plain = [name for name, found in numpy_engine.ARRAY_FUNCTIONS.items() if getattr(np, name, None) is found]
    return {
        **{name: f"{name} = np.{name}" for name in plain},
        "sliding_window_view": "sliding_window_view = np.lib.stride_tricks.sliding_window_view",
        "einsum": f"import math\n\n{_EINSUM}{plan}",
        "mean": mean,
        "roll": roll,
        "stack": stack,
    }


_JAX_HELPERS: Final = {
    **{name: f"{name} = jnp.{name}" for name in jax_engine.ARRAY_FUNCTIONS},
    **{name: f"{name} = np.{name}" for name in ("inf", "nan")},
    **{
        name: f"def {name}(*sizes, **options):\n    return _table(np.{name}(*sizes, **options))"
        for name in ("arange", "eye", "tri")
    },
    "scan": '''def scan(step, start, steps):
    """Run a step again and again; give what it carries in the end, and the rows that are read outside."""

    def body(carried, place):
        passed, rows = step(carried, place)
        return [new.astype(old.dtype) for new, old in zip(passed, carried)], rows

    return jax.lax.scan(body, [jnp.asarray(array) for array in start], jnp.arange(steps))''',
    "take_window": '''def take_window(array, axis, start, length):
    """Take so many places of an axis, from one that JAX traces on."""
    return jax.lax.dynamic_slice_in_dim(array, start, length, axis)''',
}
