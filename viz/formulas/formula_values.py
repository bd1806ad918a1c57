"""Formulas evaluated in floats, by the functions of the operation table: a check on what algebra made of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from tinygrad_lite.operations.arithmetic import FLOAT
from tinygrad_lite.operations.ops import find
from tinygrad_lite.viz.formulas.formulas import (
    Bars,
    Call,
    Cases,
    Condition,
    Constant,
    Negative,
    Number,
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
    """Return the number that a formula stands for.

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
        case Call():
            return _called(tree)
    raise ValueError(f"{tree!r} is not written out")


def _called(call: Call) -> float:
    op, numbers = find(call.function), [evaluate(argument) for argument in call.arguments]
    if call.subscript is not None:  # one of the softmaxes
        numbers.append(evaluate(call.subscript) - 1.0)
    z = float(op.value(numbers))
    return float(op.derivatives(FLOAT, numbers, z)[call.by - 1]) if call.by else z
