"""Formulas evaluated in floats, by the functions of the operation table: a check on what algebra made of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Final

from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE, find
from tinygrad_lite.viz.formulas.formula_reader import read
from tinygrad_lite.viz.formulas.formulas import (
    Bars,
    Call,
    Cases,
    Condition,
    Constant,
    Foreign,
    Negative,
    Number,
    Operand,
    Power,
    Product,
    Quotient,
    Remainder,
    Root,
    Sum,
    Symbol,
    Tree,
)

_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": float.__lt__,
    ">": float.__gt__,
    "=": float.__eq__,
    "≤": float.__le__,
    "≥": float.__ge__,
    "≠": float.__ne__,
}
_BARS: Final[dict[str, Callable[[float], float]]] = {"|": abs, "floor": math.floor, "ceil": math.ceil}
_ROOTS: Final = {2: "sqrt", 3: "cbrt"}


def evaluate(tree: Tree) -> float:
    """The number that a formula stands for.

    Args:
        tree: A formula, with the numbers in its symbols.

    Raises:
        ValueError: It has a sum that is not written out, or a function that the table does not have; or as a function
            raises.
        ArithmeticError: As an operation raises.

    >>> evaluate(Quotient(Number(1), Symbol("a", "a", 4.0)))
    0.25
    """
    match tree:
        case Number(value) | Constant(_, _, value) | Symbol(_, _, value):
            return float(value)
        case Sum(terms):
            return math.fsum(map(evaluate, terms))
        case Negative(of):
            return -evaluate(of)
        case Product(factors):
            return math.prod(map(evaluate, factors))
        case Quotient(top, bottom):
            return evaluate(top) / evaluate(bottom)
        case Power(base, exponent):
            return float(find("pow").forward(evaluate(base), evaluate(exponent)))
        case Root(of, degree):
            return float(find(_ROOTS[degree]).forward(evaluate(of)))
        case Bars(kind, of):
            return float(_BARS[kind](evaluate(of)))
        case Remainder(x, y):
            return evaluate(x) % evaluate(y)
        case Condition(parts, relations):
            numbers = list(map(evaluate, parts))
            return float(
                all(_COMPARISONS[sign](x, y) for sign, x, y in zip(relations, numbers, numbers[1:], strict=False))
            )
        case Cases(condition, then, otherwise):
            return evaluate(then if evaluate(condition) else otherwise)
        case Foreign(_, _, plain):
            return evaluate(plain)
        case Call():
            return _called(tree)
    raise ValueError(f"{tree!r} is not written out")


def _called(call: Call) -> float:
    numbers = [evaluate(argument) for argument in call.arguments]
    below = None if call.subscript is None else evaluate(call.subscript)
    if call.function == r"\operatorname{softmax}" and below is not None:
        return float(find("softmax").forward([*numbers, below - 1.0]))
    name, derivative = call.function.rstrip("'"), "_derivative" * call.function.endswith("'")
    op = _functions().get((name, "" if below is None else f"{below:g}"))
    if op is None and below is not None:  # a parameter that is written below
        op = _functions().get((name, "$y"))
        numbers.append(below)
    if op is None:
        raise ValueError(f"{call.function} is no function of the table")
    if derivative:
        op = find(op.name + derivative)
    return float(op.forward(*numbers, *op.defaults[len(op.defaults) - op.arity + len(numbers) :]))


@functools.cache
def _functions() -> dict[tuple[str, str], Op]:
    """The operation that each function of LaTeX is, with its subscript: what the records' own formulas say."""
    found: dict[tuple[str, str], Op] = {}
    for op in TABLE.values():
        tree = read(op.latex)
        if op.arity != NARY and isinstance(tree, Call) and all(isinstance(x, Operand) for x in tree.arguments):
            below = tree.subscript
            subscript = "" if below is None else "$y" if isinstance(below, Operand) else f"{evaluate(below):g}"
            found[tree.function, subscript] = op
    found[r"\max", ""] = find("maximum")  # relu is written with it, too
    return found
