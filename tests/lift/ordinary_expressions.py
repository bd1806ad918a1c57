"""Ordinary expressions, drawn at random as source, to be lifted and compared: what people write in a line or two.

Unary minus, differences, quotients, powers, remainders and functions of three numbers and two short arrays; with
subexpressions that are shared, several results, loops, sums in loops, and gradients. They are drawn without regard to
what lift makes of them: ``x - x``, ``x * 0`` and ``1 - 2`` are as ordinary as any. Left out are only those that are not
finite, or that stand at a jump or at the end of a domain, where rounding alone decides about the result.

All take the same arguments, so that many can be lifted as one program: :func:`together`.
"""

from __future__ import annotations

import ast
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.checking import error_analysis, tolerance
from tinygrad_lite.lift.engines import numba_engine
from tinygrad_lite.lift.loops import loop_fusion, vector_functions
from tinygrad_lite.lift.loops.buffer_allocation import allocate
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.tracing.results import take_apart_results
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import find
from tinygrad_lite.value import Value

ARGUMENTS = "x, y, z, a, b"
#: How many numbers the arrays have.
LENGTH = 3
_LARGEST = 1e6
#: How far every operand stands from a jump, or from the end of a domain, relative to its size.
_MARGIN = 1e-4
_BINARY: dict[type[ast.operator], int] = {
    ast.Add: 4,
    ast.Sub: 6,
    ast.Mult: 6,
    ast.Div: 4,
    ast.Pow: 4,
    ast.FloorDiv: 1,
    ast.Mod: 1,
}
_EXPONENTS = (2, 3, 2.0, 0.5, -1, -2, 1, 0, 1.5, -0.5)
_NUMBERS = (1, 2, 3, 0.5, 10, 0, 1.0, -1, -2.0, 0.1, 1.5)
_FUNCTIONS = ("exp", "tanh", "sin", "sigmoid", "abs", "relu", "sqrt", "log", "softplus", "cos")
_KINDS = ("line", "line", "shared", "shared", "several", "loop", "total", "nested")


@dataclass(frozen=True)
class Expression:
    """A drawn function.

    Attributes:
        source: A module that defines ``program``.
        points: Sets of arguments at which it is smooth.
    """

    source: str
    points: tuple[tuple[Any, ...], ...]

    def function(self) -> Callable[..., Any]:
        """The function itself."""
        names: dict[str, Any] = {}
        exec(compile(self.source, "<ordinary expression>", "exec"), names)
        found: Callable[..., Any] = names["program"]
        return found

    def __repr__(self) -> str:
        return self.source + "".join(f"\n# program(*{point!r})" for point in self.points)


def batch(seed: int, count: int) -> list[Expression]:
    """So many different expressions, all smooth at the same points: always the same for a seed."""
    rng = random.Random(seed)
    points = tuple(_point(rng) for _ in range(2))
    found: dict[str, Expression] = {}
    while len(found) < count:
        expression = Expression(_source(rng), points)
        if all(_is_settled(expression, point) for point in points):
            found[expression.source] = expression
    return list(found.values())


def together(expressions: Sequence[Expression]) -> Callable[..., Any]:
    """One function that gives the results of all."""
    functions = [expression.function() for expression in expressions]

    def program(*arguments: Any) -> Any:
        return [function(*arguments) for function in functions]

    return program


def _point(rng: random.Random) -> tuple[Any, ...]:
    def number() -> float:
        return round(rng.choice((-1.0, 1.0, 1.0)) * rng.uniform(0.3, 3.0), 3)

    return (number(), number(), number(), *([number() for _ in range(LENGTH)] for _ in range(2)))


# ---------------------------------------------------------------------------------------------------- the source


def _source(rng: random.Random) -> str:
    kind = rng.choice(_KINDS)
    leaves = ["x", "y", "z", f"a[{rng.randrange(LENGTH)}]", f"b[{rng.randrange(LENGTH)}]"]
    rng.shuffle(leaves)
    leaves = leaves[: rng.randint(1, 3)]
    lines: list[str] = []
    for k in range(rng.randint(1, 3) if kind != "line" else 0):
        lines.append(f"d{k} = {_write_operation(rng, leaves, 2)}")
        leaves = [*leaves, f"d{k}"]
    result, is_number = _result(rng, kind, leaves, lines)
    gradient = is_number and rng.random() < 0.4
    body = "".join(f"    {line}\n" for line in [*lines, f"return {result}"])
    name = "f" if gradient else "program"
    text = f"from tinygrad_lite import *\n\n\ndef {name}({ARGUMENTS}):\n{body}"
    if gradient:
        wanted = rng.choice(("0", "(0, 1)", "(0, 1, 2)", "(0, 3)", "3", "(0, 1, 2, 3, 4)"))
        text += f"\n\nprogram = value_and_grad(f, {wanted})\n"
    return text


def _result(rng: random.Random, kind: str, leaves: list[str], lines: list[str]) -> tuple[str, bool]:
    """What is returned, and whether it is one number."""
    inner = [*leaves, "a[i]", "b[i]"]
    if kind == "several":
        return f"[{', '.join(_write_operation(rng, leaves, 2) for _ in range(rng.randint(2, 4)))}]", False
    if kind == "loop":
        return f"[{_write_operation(rng, inner, 3)} for i in range({LENGTH})]", False
    if kind == "nested":
        text = _write_operation(rng, [*inner, "a[j]", "b[j]"], 3)
        return f"[[{text} for j in range({LENGTH})] for i in range({LENGTH})]", False
    if kind == "total":
        start = rng.choice(("0.0", leaves[-1], f"-{leaves[0]}"))
        lines.append(f"total = {start}")
        sign = rng.choice("+-")
        lines.append(f"for i in range({LENGTH}): total = total {sign} {_write_operation(rng, inner, 2)}")
        return rng.choice(("total", f"-total / {LENGTH}", f"(-total)**2 - {leaves[0]}", f"{leaves[0]} - total")), True
    return _write_operation(rng, leaves, rng.choice((2, 3, 4))), True


def _write_operation(rng: random.Random, leaves: Sequence[str], depth: int) -> str:
    return ast.unparse(ast.fix_missing_locations(ast.Expression(_tree(rng, leaves, depth))))


def _tree(rng: random.Random, leaves: Sequence[str], depth: int) -> ast.expr:
    """A drawn expression; Python's own module writes it."""
    if depth == 0 or rng.random() < 0.05:
        if rng.random() < 0.15:
            return _parsed(repr(rng.choice(_NUMBERS)))
        return _parsed(rng.choice(leaves))
    chance = rng.random()
    if chance < 0.3:
        return ast.UnaryOp(ast.USub() if chance < 0.28 else ast.UAdd(), _tree(rng, leaves, depth - 1))
    if chance < 0.4:
        return _call(rng, leaves, depth)
    symbol = rng.choices(list(_BINARY), list(_BINARY.values()))[0]
    left = _tree(rng, leaves, depth - 1)
    if symbol is ast.Pow and rng.random() < 0.85:
        return ast.BinOp(left, ast.Pow(), _parsed(repr(rng.choice(_EXPONENTS))))
    return ast.BinOp(left, symbol(), _tree(rng, leaves, depth - 1))


def _call(rng: random.Random, leaves: Sequence[str], depth: int) -> ast.expr:
    choice = rng.random()
    parts = [_tree(rng, leaves, depth - 1) for _ in range(3)]
    if choice < 0.7:
        return ast.Call(ast.Name(rng.choice(_FUNCTIONS)), parts[:1], [])
    if choice < 0.85:
        return ast.Call(ast.Name(rng.choice(("maximum", "minimum", "hypot"))), parts[:2], [])
    condition = ast.Call(ast.Name(rng.choice(("greater", "less"))), [parts[0], _parsed("x")], [])
    return ast.Call(ast.Name("where"), [condition, *parts[1:]], [])


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


# -------------------------------------------------------------------------------------------------- comparison


class WrongProgramError(AssertionError):
    """A program is not its function."""


def compare(run: Callable[..., Any], program: Program, function: Callable[..., Any], points: Sequence[Any]) -> None:
    """Compares a program with its function at points, within the rounding that the proof allows.

    Args:
        run: What gives the program's results for arguments.
        program: The program, for the bounds of its rounding.
        function: What was lifted.
        points: Sets of arguments.

    Raises:
        WrongProgramError: It differs.
    """
    for point in points:
        truth = _arrays(function(*point))
        found = _flat(run(*point))
        worst = tolerance.find_largest_difference(found, truth)
        if worst.relative <= tolerance.TOLERANCE:
            continue
        moved = tolerance.measure_rounding(
            lambda xs: _arrays(function(*[x.tolist() for x in xs])), [np.asarray(p) for p in point]
        )
        bounds = error_analysis.bound_errors(program.ir, program.inputs.gather(program.inputs.take_apart(point, {})))
        if not tolerance.is_within_rounding(found, truth, bounds, moved):
            raise WrongProgramError(f"at {point}: {worst}")


def loops_by_python(program: Program) -> Callable[..., Any]:
    """The loops that numba would compile, run by Python: all that is made here, in a thousandth of the time."""
    phases = loop_fusion.fuse_loops(program.ir)
    memory = allocate(program.ir, phases, numba_engine._is_call)
    writer = numba_engine._Writer(program.ir, memory)
    writer.write(phases)
    names = {
        **{function.__name__: function for function in vector_functions.FUNCTIONS},
        "math": _LENIENT,
        "inf": np.inf,
        "constant": lambda array, place: array[place],
        "pointer": lambda array, place: array.reshape(-1)[place:],
    }
    for text in [*(text for text, _ in writer.parts), writer.write_kernel()]:
        exec(compile(text, "<loops>", "exec"), names)
    kernel: Any = names["kernel"]
    run = numba_engine._make_caller(program.ir, memory, kernel, writer.loops.tables.join())

    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return run(program.inputs.gather(program.inputs.take_apart(arguments, {})))

    return call


class _Lenient:
    """``math``, nan where it raises: as in compiled code, where both sides of a choice may be computed."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(math, name)

        def limit(*numbers: float) -> float:
            try:
                return float(function(*numbers))
            except (ArithmeticError, ValueError):
                return math.nan

        return limit


_LENIENT = _Lenient()


def _arrays(results: Any) -> list[Any]:
    taken = take_apart_results(results, "program")
    return [
        np.array([node.data for node in nodes], dtype=float).reshape(shape or ())
        for nodes, shape in zip(taken.nodes, taken.shapes, strict=True)
    ]


def _flat(results: Any) -> list[Any]:
    if isinstance(results, (tuple, list)):
        return [array for part in results for array in _flat(part)]
    return [np.asarray(results, dtype=float)]


def _is_settled(expression: Expression, point: tuple[Any, ...]) -> bool:
    """Whether every number on the way is finite, and no operation stands at a jump or at the end of its domain."""
    values = [Value(x) if isinstance(x, float) else [Value(k) for k in x] for x in point]
    try:
        roots = take_apart_results(expression.function()(*values), "program").nodes
    except (ArithmeticError, ValueError, TypeError, LiftError):  # of powers that are complex
        return False
    stack = [node for nodes in roots for node in nodes]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            if not abs(node.data) < _LARGEST or not _is_smooth(node):
                return False
            stack.extend(node.parents)
    return True


def _is_smooth(node: Value) -> bool:
    """Whether an operation has no kink, jump or end of its domain near its operands."""
    if node.is_leaf:
        return True
    op = find(node.op)
    bounded = any(np.isfinite(interval.low) or np.isfinite(interval.high) for interval in op.domain)
    if op.arity == NARY or (op.kink is None and not bounded and op.name not in ("truediv", "where")):
        return True
    xs = [parent.data for parent in node.parents]
    for k, parent in enumerate(node.parents):
        if _is_fixed(parent):
            continue
        step = _MARGIN * max(1.0, abs(xs[k]))
        try:
            low, middle, high = (op.forward(*xs[:k], xs[k] + s, *xs[k + 1 :]) for s in (-step, 0.0, step))
        except (ArithmeticError, ValueError):
            return False
        if not abs(low - 2.0 * middle + high) <= 0.1 * step * max(1.0, abs(middle)):
            return False
    return True


def _is_fixed(node: Value) -> bool:
    """Whether it is a number of the source, which no rounding moves."""
    return node.is_leaf and not node.requires_grad
