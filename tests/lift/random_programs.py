"""Random functions of Values, as source: drawn expressions arranged in drawn regular and irregular patterns.

A drawn program is a module of Python, so that a failure is read, and run, as it stands. It is written one statement at
a time, and each statement is run at once on every set of drawn arguments: where a number is not finite, or is large, or
an operation stands near its kink or the edge of its domain, rounding alone would decide about the result. Such a
statement is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tinygrad_lite.lift.checking import error_analysis, tolerance
from tinygrad_lite.lift.checking.probes import is_whole
from tinygrad_lite.lift.lifting import lift
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.tracing.results import take_apart_results
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import find
from tinygrad_lite.testing import expressions
from tinygrad_lite.value import Value

HEADER = """from tinygrad_lite import *


def added(xs, start=0.0):
    for x in xs:
        start = start + x
    return start


def folded(f, xs):
    result = xs[0]
    for x in xs[1:]:
        result = f(result, x)
    return result
"""

#: For how many sets of arguments a program is stable: it is lifted on the first, and compared on all.
SETS = 3
_LARGEST = 1e3
#: How far from a kink, or from the edge of a domain, every operand stands, relative to its size.
_MARGIN = 1e-5


@dataclass
class RandomProgram:
    """A drawn function, what to lift it with, and arguments to call it with.

    Attributes:
        source: A module that defines ``program``.
        arguments: Sets of arguments, all of one structure.
        batch: For ``lift``.
        reduce: For ``lift``.
    """

    source: str
    arguments: list[tuple[Any, ...]]
    batch: tuple[int | None, ...] | None = None
    reduce: str | None = "mean"

    def function(self) -> Callable[..., Any]:
        """The function itself."""
        names: dict[str, Any] = {}
        exec(compile(self.source, "<random program>", "exec"), names)
        function: Callable[..., Any] = names["program"]
        return function

    def __repr__(self) -> str:
        calls = f"\n# lift(program, batch={self.batch!r}, reduce={self.reduce!r}), called with:"
        return self.source + calls + "".join(f"\n# {arguments!r}" for arguments in self.arguments)


@dataclass
class _Array:
    """A name of the program and its shape; ``row`` is the length of row i, as text, where rows differ."""

    name: str
    shape: tuple[int, ...]
    row: str = ""
    whole: bool = False


@dataclass
class _Draft:
    """A program while it is drawn."""

    arrays: list[_Array]
    names: list[dict[str, Any]]
    definitions: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    count: int = 0

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def add(self, name: str, statement: str, shape: tuple[int, ...], definitions: Sequence[str], row: str = "") -> None:
        """Adds a statement, if its numbers are such that rounding does not decide about them."""
        added = []
        for names in self.names:
            trial = dict(names)
            try:
                exec("\n".join([*definitions, statement]), trial)
            except (ArithmeticError, ValueError):
                return
            if not stable(_values(trial[name]), {id(v) for known in names.values() for v in _values(known)}):
                return
            added.append(trial)
        self.names = added
        self.definitions += definitions
        self.body.append(statement)
        self.arrays.append(_Array(name, shape, row))


def stable(results: Sequence[Value], known: set[int]) -> bool:
    """Whether all nodes above the known ones are smooth where they are, and hold numbers of an ordinary size."""
    seen = set(known)
    stack = [result for result in results if id(result) not in seen]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if not abs(node.data) < _LARGEST:
            return False
        if node.parents:
            largest = max(abs(parent.data) for parent in node.parents)
            if find(node.op).name in ("add", "sub", "sum", "dot", "mean") and abs(node.data) < 1e-9 * largest:
                return False  # what is left of a sum that cancels is rounding
            if not _smooth(find(node.op), [parent.data for parent in node.parents]):
                return False
            stack.extend(node.parents)
    return True


def _smooth(op: Op, xs: list[float]) -> bool:
    """Whether an operation has no kink, jump or end of its domain near these operands."""
    bounded = any(math.isfinite(d.low) or math.isfinite(d.high) for d in op.domain)
    if op.kink is None and not bounded and op.name not in ("truediv", "where", "tan"):
        return True
    call = op.forward if op.arity != NARY else lambda *ys: op.forward(ys)
    last = len(xs) - 1 if op.operands[-1] == "index" else len(xs)
    for k in range(last):
        if op.arity != NARY and op.domain[k].whole:
            continue
        step = _MARGIN * max(1.0, abs(xs[k]))
        try:
            low, middle, high = (call(*xs[:k], xs[k] + s, *xs[k + 1 :]) for s in (-step, 0.0, step))
        except (ArithmeticError, ValueError):
            return False
        if not abs(low - 2.0 * middle + high) <= 1e-2 * step * max(1.0, abs(middle)):
            return False
    return True


def _values(tree: Any) -> list[Value]:
    if isinstance(tree, Value):
        return [tree]
    if isinstance(tree, np.ndarray):
        return [value for value in tree.ravel().tolist() if isinstance(value, Value)]
    if isinstance(tree, (list, tuple)):
        return [value for item in tree for value in _values(item)]
    return []


# -------------------------------------------------------------------------------------------------- comparison


class WrongProgramError(AssertionError):
    """A program is not its function."""


def compared(drawn: RandomProgram, engine: str = "numpy") -> Program | None:
    """Lifts a drawn program with its first arguments, and compares on all of them.

    Returns:
        What lift made; None where the function's own results are not finite or large: its derivatives may be.

    Raises:
        WrongProgramError: A result differs by more than the proof allows.
        Exception: As lift raises it, which it should not.
    """
    function = drawn.function()
    try:
        eager = [_eager(drawn, function, arguments) for arguments in drawn.arguments]
    except (ArithmeticError, ValueError):
        return None
    if not all((np.abs(array) < _LARGEST**2).all() for arrays in eager for array in arrays):
        return None
    lifted = lift(function, batch=drawn.batch, reduce=drawn.reduce, engine=engine)
    for arguments, truth in zip(drawn.arguments, eager, strict=True):
        found = _flat(lifted(*arguments))
        if [a.shape for a in found] != [a.shape for a in truth]:
            raise WrongProgramError(f"shapes {[a.shape for a in found]} instead of {[a.shape for a in truth]}")
        worst = tolerance.find_largest_difference(found, truth)
        if worst.relative > tolerance.TOLERANCE and not _only_rounding(
            drawn, lifted.last, function, arguments, found, truth
        ):
            raise WrongProgramError(f"{worst}, lifted {found}, eager {truth}")
    program: Program = lifted.last
    return program


#: What arguments are replaced by: infinite, no number, and so large or small that products leave the range of floats.
_BEYOND = (math.inf, -math.inf, math.nan, 0.0, -0.0, 1e200, -1e200, 1e-200)
_TRIES = 4


def compared_beyond(drawn: RandomProgram, engine: str = "numpy") -> int:
    """Lifts a drawn program, and compares it where some arguments are infinite, no numbers, or out of range.

    Two differences are by design (docs/lift.md says so): 0·x, which padding makes, counts as 0 whatever x is, and
    a sum that leaves elements out may be NaN where these are not finite.

    Returns:
        For how many sets of arguments the function is defined.

    Raises:
        WrongProgramError: A result is another number.
    """
    function = drawn.function()
    lifted = lift(function, batch=drawn.batch, reduce=drawn.reduce, engine=engine, check=False)
    lifted(*drawn.arguments[0])
    is_masked = lifted.report().masked > 0
    rng = np.random.default_rng(len(drawn.source))
    defined = 0
    for _ in range(_TRIES):
        arguments = tuple([_beyond(x, rng) for x in drawn.arguments[0]])
        try:
            with np.errstate(all="ignore"):  # the function may well compute on NumPy's numbers
                truth = _eager(drawn, function, arguments)
        except (ArithmeticError, ValueError):
            continue
        defined += 1
        for ours, numbers in zip(_flat(lifted(*arguments)), truth, strict=True):
            finite = np.abs(numbers[np.isfinite(numbers)])
            with np.errstate(all="ignore"):
                near = np.abs(ours - numbers) <= tolerance.TOLERANCE * finite.max(initial=0.0)
            by_design = (np.isnan(numbers) & ("else 0.0" in drawn.source)) | (np.isnan(ours) & is_masked)
            same = (ours == numbers) | (np.isnan(ours) & np.isnan(numbers)) | near | by_design
            if not same.all():
                raise WrongProgramError(f"for {arguments}: lifted {ours}, eager {numbers}")
    return defined


def _beyond(x: Any, rng: np.random.Generator) -> Any:
    """An argument with some of its numbers replaced; indices stay."""
    array = np.array(x, dtype=float)
    if array.size and not is_whole(array):
        array = np.where(rng.uniform(size=array.shape) < 0.3, rng.choice(_BEYOND, array.shape), array)
    return _given(array, isinstance(x, list))


def _eager(drawn: RandomProgram, function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
    """The arrays that the function itself gives, sample by sample."""
    if drawn.batch is None:
        return _arrays(function(*arguments))
    samples = next(len(x) for x, axis in zip(arguments, drawn.batch, strict=True) if axis is not None)
    each = []
    for k in range(samples):
        given = [_plain(x[k]) if axis == 0 else x for x, axis in zip(arguments, drawn.batch, strict=True)]
        each.append(_arrays(function(*given)))
    stacked = [np.stack(parts) for parts in zip(*each, strict=True)]
    reduce = {"mean": np.mean, "sum": np.sum, None: lambda array, axis: array}[drawn.reduce]
    return [reduce(array, axis=0) for array in stacked]


def _plain(x: Any) -> Any:
    return x.item() if isinstance(x, np.generic) else x


def _arrays(results: Any) -> list[Any]:
    taken = take_apart_results(results, "program")
    return [
        np.array([node.data for node in nodes]).reshape(shape or ())
        for nodes, shape in zip(taken.nodes, taken.shapes, strict=True)
    ]


def _flat(results: Any) -> list[Any]:
    if isinstance(results, (tuple, list)):
        return [array for part in results for array in _flat(part)]
    return [np.asarray(results, dtype=float)]


def _only_rounding(
    drawn: RandomProgram,
    program: Program,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    found: list[Any],
    truth: list[Any],
) -> bool:
    """Whether rounding explains the difference, by the measures of the proof."""
    arrays = [np.asarray(x, dtype=float) for x in arguments]

    def eager(xs: Sequence[Any]) -> list[Any]:
        given = [_given(x, isinstance(a, list)) for a, x in zip(arguments, xs, strict=True)]
        return _eager(drawn, function, given)

    shaken = tolerance.measure_rounding(eager, arrays)
    inputs = program.inputs.gather(program.inputs.take_apart(arguments, {}))
    return tolerance.is_within_rounding(found, truth, error_analysis.bound_errors(program.ir, inputs), shaken)


# --------------------------------------------------------------------------------------------------- arguments

_SIZES = st.sampled_from((1, 2, 3, 4, 5))


@st.composite
def random_programs(draw: DrawFn, statements: int = 4, transforms: bool = True, batches: bool = True) -> RandomProgram:
    """Random programs with up to so many statements, and, if wanted, transforms and batches."""
    arrays = [_Array(f"x{k}", tuple(draw(st.lists(_SIZES, max_size=2)))) for k in range(draw(st.integers(1, 3)))]
    if draw(st.integers(0, 3)) == 3:
        arrays.append(_Array("index", tuple(draw(st.lists(_SIZES, max_size=1))), whole=True))
    seed = draw(st.integers(0, 2**32 - 1))
    samples = draw(st.sampled_from((0, 0, 0, 1, 4))) if batches else 0
    batched = [draw(st.booleans()) if samples else False for _ in arrays]
    batch = tuple([0 if has else None for has in batched]) if any(batched) else None
    sets = [_numbers(arrays, batched, samples, np.random.default_rng([seed, k])) for k in range(SETS)]
    draft = _Draft(list(arrays), [_names(arrays, one) for numbers in sets for one in _each(numbers, batched, samples)])
    for _ in range(draw(st.integers(1, statements))):
        draw(_statement(draft))
    kinds = ["values", "values", "value_and_grad", "value_and_grad", "grad", "hessian", "jacobian", "hvp"]
    kind = draw(st.sampled_from(kinds)) if transforms else "values"
    source, vector = draw(_finished(draft, arrays, kind))
    nested = draw(st.booleans())
    arguments = [
        tuple([_given(x, nested) for x in (*numbers, *numbers[:1])[: len(numbers) + vector]]) for numbers in sets
    ]
    if vector and batch:
        batch = (*batch, batch[0])
    reduce = draw(st.sampled_from(("mean", "sum", None))) if batch else "mean"
    return RandomProgram(source, arguments, batch, reduce)


def _numbers(arrays: Sequence[_Array], batched: Sequence[bool], samples: int, rng: np.random.Generator) -> list[Any]:
    """Numbers for one set of arguments: some of each sign, none near 0."""
    found = []
    for array, has in zip(arrays, batched, strict=True):
        shape = (samples, *array.shape) if has else array.shape
        if array.whole:
            indices = rng.integers(0, 3, shape)
            found.append(np.where(indices.sum() == 0, 2, indices).astype(float))
        else:
            found.append(rng.uniform(0.3, 1.7, shape) * rng.choice([-1.0, 1.0, 1.0], shape))
    return found


def _each(numbers: Sequence[Any], batched: Sequence[bool], samples: int) -> list[list[Any]]:
    """The arguments of each sample."""
    if not any(batched):
        return [list(numbers)]
    return [[x[k] if has else x for x, has in zip(numbers, batched, strict=True)] for k in range(samples)]


def _names(arrays: Sequence[_Array], numbers: Sequence[Any]) -> dict[str, Any]:
    """What the statements of a program see: its arguments, as Values."""
    names: dict[str, Any] = {}
    exec(HEADER, names)
    for array, x in zip(arrays, numbers, strict=True):
        values = np.empty(array.shape, dtype=object)
        values.ravel()[:] = [Value(float(number)) for number in np.ravel(x)]
        names[array.name] = values if array.shape else values.item()
    return names


def _given(x: Any, nested: bool) -> Any:
    """An argument as a caller gives it."""
    if not np.ndim(x):
        return float(x)
    return x.tolist() if nested else x


# -------------------------------------------------------------------------------------------------- expressions


@st.composite
def _place(draw: DrawFn, size: int, loops: Sequence[tuple[str, int]]) -> str:
    """An index from 0 to size − 1, for loop variables and the numbers of their values."""
    offset = draw(st.integers(0, size - 1))
    if not loops:
        return str(offset)
    i, extent = draw(st.sampled_from(loops))
    found = [f"{i}"] * 4 + [f"{size - 1} - {i}"] if extent <= size else []
    found += [f"{i} + {o}" for o in (offset,) if extent + o <= size]
    found += [f"{s} * {i} + {o}" for s in (2, 3) for o in (0, offset) if s * (extent - 1) + o < size]
    found += [f"{i} // 2"] if (extent - 1) // 2 < size else []
    for j, other in loops:
        if j != i and extent + other - 1 <= size:
            found += [f"{i} + {j}"] * 2
        if j != i and extent * other <= size:
            found += [f"{other} * {i} + {j}"] * 2
        if j != i and other <= size and extent <= size:
            found.append(f"max({i}, {j})")
    found += [f"({i} + {offset}) % {size}", str(offset), "table"]
    choice = draw(st.sampled_from(found))
    if choice == "table":
        return f"{draw(st.lists(st.integers(0, size - 1), min_size=extent, max_size=extent))}[{i}]"
    return choice


@st.composite
def _operand(draw: DrawFn, draft: _Draft, loops: Sequence[tuple[str, int]]) -> str:
    """An element of an array, of the program's data, or of a padded array."""
    kind = draw(st.integers(0, 11))
    if kind == 11 and loops:
        i, extent = draw(st.sampled_from(loops))
        return f"{draw(st.lists(_DATA, min_size=extent, max_size=extent))}[{i}]"
    if kind == 10:
        return repr(draw(_DATA))
    regular = [array for array in draft.arrays if not array.row and not array.whole]
    array = draw(st.sampled_from(regular[-3:] if kind % 2 else regular))
    if not array.shape:
        return array.name
    if kind == 9 and len(array.shape) == 1 and loops:
        i, _ = draw(st.sampled_from(loops))
        place = f"{i} - {draw(st.integers(1, 2))}" if draw(st.booleans()) else f"{i} + {draw(st.integers(0, 2))}"
        return f"({array.name}[{place}] if 0 <= {place} < {array.shape[0]} else 0.0)"
    return array.name + "".join(f"[{draw(_place(size, loops))}]" for size in array.shape)


_DATA = st.sampled_from((0.5, 1.5, -0.75, 2.0, 1.0, -1.0, 0.25, 3.0))


@st.composite
def _element(draw: DrawFn, draft: _Draft, loops: Sequence[tuple[str, int]]) -> tuple[str, list[str]]:
    """An expression in the loop variables, and the definitions that it calls."""
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return draw(_operand(draft, loops)), []
    if kind <= 3:
        symbol = draw(st.sampled_from(("*", "*", "*", "+", "-", "/")))
        return f"{draw(_operand(draft, loops))} {symbol} {draw(_operand(draft, loops))}", []
    formula = draw(_FORMULAS)
    name = draft.name("element")
    text = repr(formula).replace("def f(", f"def {name}(")
    if text.startswith("lambda"):
        text = f"{name} = {text}"
    operands = [draw(_operand(draft, loops)) for _ in formula.inputs]
    return f"{name}({', '.join(operands)})", [text]


_FORMULAS = (
    st.integers(1, 3).flatmap(lambda n: expressions(inputs=n, max_nodes=4, kinks=False)).filter(lambda f: f.nodes)
)


# --------------------------------------------------------------------------------------------------- statements


@st.composite
def _statement(draw: DrawFn, draft: _Draft) -> None:
    """One more array, if its numbers are fit."""
    statements = (
        _elementwise,
        _elementwise,
        _reduced,
        _reduced,
        _reduced,
        _windows,
        _rows,
        _scanned,
        _chosen,
        _looked_up,
    )
    draw(draw(st.sampled_from(statements))(draft))


def _nest(text: str, sizes: Sequence[int]) -> str:
    """The text within loops over i, j, as nested lists."""
    for i, size in reversed(list(zip("ij", sizes, strict=False))):
        text = f"[{text} for {i} in range({size})]"
    return text


def _loops(sizes: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip("ij", sizes, strict=False))


@st.composite
def _elementwise(draw: DrawFn, draft: _Draft) -> None:
    """One expression in each cell."""
    sizes = tuple(draw(st.lists(_SIZES, max_size=2)))
    text, definitions = draw(_element(draft, _loops(sizes)))
    name = draft.name("a")
    draft.add(name, f"{name} = {_nest(text, sizes)}", sizes, definitions)


@st.composite
def _bound(draw: DrawFn, loops: Sequence[tuple[str, int]], most: int) -> tuple[str, int]:
    """How many terms a sum has, in terms of the loop variables, and at most."""
    size = draw(st.integers(1, most))
    if not loops or draw(st.booleans()):
        return str(size), size
    i, extent = draw(st.sampled_from(loops))
    ragged = draw(st.lists(st.integers(1, size), min_size=extent, max_size=extent))
    triangle = [(f"{i} + 1", extent), (f"{extent} - {i}", extent)] if extent <= most else []
    return draw(st.sampled_from([*triangle, *triangle, (f"{ragged}[{i}]", max(ragged))]))


_REDUCTIONS = (
    *("added([{0}])", "added([{0}])", "sum([{0}])", "added([{0}], {1})", "added([{0}]) / {2}", "mean([{0}])"),
    *("dot([{0}], [{3}])", "dot([{0}], [{3}], {1})", "prod([{0}])", "logsumexp([{0}])"),
    *("folded(maximum, [{0}])", "folded(minimum, [{0}])", "softmax([{0}])[0]", "dot(softmax([{0}]), [{3}])"),
    *("folded(lambda a, b: b - a, [{0}])", "folded(lambda a, b: a * b, [{0}])"),
)


@st.composite
def _reduced(draw: DrawFn, draft: _Draft) -> None:
    """A reduction in each cell, over as many terms in each, or over different numbers of terms."""
    sizes = tuple(draw(st.lists(_SIZES, max_size=2)))
    loops = _loops(sizes)
    bound, most = draw(_bound(loops, 5))
    inner = [*loops, ("k", most)]
    text, definitions = draw(_element(draft, inner))
    other, more = draw(_element(draft, inner))
    start = draw(_operand(draft, loops))
    along = f" for k in range({bound})"
    reduction = draw(st.sampled_from(_REDUCTIONS))
    if most * math.prod(sizes) <= 40 and draw(st.integers(0, 4)) == 4:
        along += f" for l in range({draw(st.integers(1, 2))})"
    if "{3}" not in reduction:
        more = []
    text = reduction.format(text + along, start, f"({bound})", other + along)
    name = draft.name("a")
    draft.add(name, f"{name} = {_nest(text, sizes)}", sizes, [*definitions, *more])


@st.composite
def _windows(draw: DrawFn, draft: _Draft) -> None:
    """A window that moves along an axis, with stride, dilation and padding."""
    rows = [array for array in draft.arrays if array.shape and not array.row and not array.whole]
    if not rows:
        return
    array = draw(st.sampled_from(rows))
    size = array.shape[-1]
    width = draw(st.integers(1, min(3, size)))
    stride, dilation, padding = (draw(st.integers(low, 2)) for low in (1, 1, 0))
    count = (size + 2 * padding - dilation * (width - 1) - 1) // stride + 1
    if count < 1:
        return
    place = f"{stride} * i + {dilation} * k - {padding}"
    lead = "".join(f"[{draw(_place(n, [('j', 2)]))}]" for n in array.shape[:-1])
    read = (
        f"({array.name}{lead}[{place}] if 0 <= {place} < {size} else 0.0)"
        if padding
        else f"{array.name}{lead}[{place}]"
    )
    weight = draw(_operand(draft, [("k", width), ("j", 2)]))
    along = f"for k in range({width})"
    text = draw(
        st.sampled_from(
            (
                f"added([{read} * {weight} {along}])",
                f"dot([{weight} {along}], [{read} {along}])",
                f"folded(maximum, [{read} {along}])",
                f"added([{read} {along}]) / {width}",
                f"mean([{read} {along} if 0 <= {place} < {size}] or [1.0])",
            )
        )
    )
    sizes = (count, 2) if "j" in text else (count,)
    name = draft.name("a")
    draft.add(name, f"{name} = {_nest(text, sizes)}", sizes, [])


@st.composite
def _rows(draw: DrawFn, draft: _Draft) -> None:
    """Rows of different lengths, and then something of each row: attention, graph networks."""
    size = draw(st.integers(1, 4))
    bound, most = draw(_bound([("i", size)], 4))
    text, definitions = draw(_element(draft, [("i", size), ("j", most)]))
    rows = draft.name("rows")
    before = len(draft.body)
    wrap = draw(st.sampled_from(("[{}]", "softmax([{}])", "[tanh(t) for t in [{}]]")))
    inner = wrap.format(f"{text} for j in range({bound})")
    draft.add(rows, f"{rows} = [{inner} for i in range({size})]", (size, most), definitions, bound)
    if len(draft.body) == before:
        return
    width = draw(st.integers(1, 3))
    value, definitions = draw(_element(draft, [("k", most), ("j", width)]))
    name = draft.name("a")
    text = f"added([{rows}[i][k] * ({value}) for k in range({bound})])"
    draft.add(name, f"{name} = {_nest(text, (size, width))}", (size, width), definitions)


@st.composite
def _scanned(draw: DrawFn, draft: _Draft) -> None:
    """A state that goes along an axis."""
    size = draw(st.integers(1, 4))
    formula = draw(st.integers(0, 2))
    term = draw(_operand(draft, [("i", size)]))
    start = draw(_operand(draft, []))
    step = (f"tanh(state * 0.5 + {term})", f"state * {term}", f"state + {term}")[formula]
    name = draft.name("a")
    statement = f"{name} = []\nstate = {start}\nfor i in range({size}):\n    state = {step}\n    {name}.append(state)"
    draft.add(name, statement, (size,), [])


@st.composite
def _chosen(draw: DrawFn, draft: _Draft) -> None:
    """Elements from here and there."""
    name = draft.name("a")
    parts = [draw(_operand(draft, [])) for _ in range(draw(st.integers(1, 5)))]
    draft.add(name, f"{name} = [{', '.join(parts)}]", (len(parts),), [])


@st.composite
def _looked_up(draw: DrawFn, draft: _Draft) -> None:
    """Rows of a table, at indices that are arguments."""
    index = next((array for array in draft.arrays if array.whole), None)
    if index is None:
        return
    sizes = (*index.shape, draw(_SIZES)) if index.shape else (draw(_SIZES),)
    loops = _loops(sizes)
    table = ", ".join(draw(_operand(draft, loops[-1:])) for _ in range(draw(st.integers(3, 4))))
    name = draft.name("a")
    at = "index[i]" if index.shape else "index"
    draft.add(name, f"{name} = {_nest(f'lookup([{table}], {at})', sizes)}", sizes, [])


# ------------------------------------------------------------------------------------------------------- results


@st.composite
def _finished(draw: DrawFn, draft: _Draft, arrays: Sequence[_Array], kind: str) -> tuple[str, bool]:
    """The module, and whether the function takes a vector besides."""
    regular = [array for array in draft.arrays[len(arrays) :] if not array.row] or draft.arrays[:1]
    results = [regular[-1], *draw(st.lists(st.sampled_from(regular), max_size=2))]
    if kind in ("values", "jacobian"):
        texts = [array.name for array in results]
        result = texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
    else:
        texts = [draw(_total(array)) for array in results]
        result = " + ".join(texts)
    names = ", ".join(array.name for array in arrays)
    lines = [line for statement in draft.body for line in statement.split("\n")]
    body = "\n    ".join([*lines, f"return {result}"])
    name = "program" if kind == "values" else "f"
    source = "\n\n".join([HEADER, *draft.definitions, f"def {name}({names}):\n    {body}"])
    if kind == "values":
        return source + "\n", False
    most = 2 if kind in ("hessian", "hvp") else len(arrays)
    real = [k for k, array in enumerate(arrays) if not array.whole][:most]
    wanted: Any = 0 if kind == "hvp" or len(real) == 1 else draw(st.sampled_from([0, real[-1], tuple(real)]))
    return f"{source}\n\nprogram = {kind}(f, {wanted!r})\n", kind == "hvp"


@st.composite
def _total(draw: DrawFn, array: _Array) -> str:
    """One number of an array."""
    if not array.shape:
        return array.name
    sizes = array.shape
    along = " ".join(f"for {i} in range({size})" for i, size in _loops(sizes))
    element = array.name + "".join(f"[{i}]" for i, _ in _loops(sizes))
    if draw(st.integers(0, 4)) == 4:
        return array.name + "".join(f"[{draw(st.integers(0, size - 1))}]" for size in sizes)
    if draw(st.booleans()):
        return f"added([{element} {along}]) / {math.prod(sizes)}"
    return f"added([{element} * {draw(_DATA)} {along}])"
