"""Operations of the table as text of plain arithmetic and ``math``, for compilers that know nothing else.

The text is a record's ``source``, or a call of the function of ``math`` that it is, or else its formula, run on text.
What a formula uses twice stands twice in the text: compilers compute it once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from tinygrad_lite.lift.source.precedence import ATOM, Text, fill_template, infix, write_minus
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.arithmetic import interpreter
from tinygrad_lite.operations.operation import NARY


class Formula:
    """A text that arithmetic makes longer.

    Args:
        text: In Python.
        level: How tightly its outermost operator binds.
    """

    def __init__(self, text: str, level: int = ATOM) -> None:
        self.text = text
        self.level = level

    def __add__(self, other: Any) -> Formula:
        return Formula(*infix("+", self, _to_formula(other)))

    def __radd__(self, other: Any) -> Formula:
        return Formula(*infix("+", _to_formula(other), self))

    def __sub__(self, other: Any) -> Formula:
        return Formula(*infix("-", self, _to_formula(other)))

    def __rsub__(self, other: Any) -> Formula:
        return Formula(*infix("-", _to_formula(other), self))

    def __mul__(self, other: Any) -> Formula:
        return Formula(*infix("*", self, _to_formula(other)))

    def __rmul__(self, other: Any) -> Formula:
        return Formula(*infix("*", _to_formula(other), self))

    def __truediv__(self, other: Any) -> Formula:
        return Formula(*infix("/", self, _to_formula(other)))

    def __rtruediv__(self, other: Any) -> Formula:
        return Formula(*infix("/", _to_formula(other), self))

    def __pow__(self, other: Any) -> Formula:
        return Formula(*infix("**", self, _to_formula(other)))

    def __rpow__(self, other: Any) -> Formula:
        return Formula(*infix("**", _to_formula(other), self))

    def __neg__(self) -> Formula:
        return Formula(*write_minus(self))

    def __abs__(self) -> Formula:
        return make_formula("abs", [self])

    def __str__(self) -> str:
        return self.text


def _to_formula(operand: Any) -> Formula:
    """Make a text or a number an operand of a formula."""
    if isinstance(operand, Formula):
        return operand
    number = Text.of(operand)
    return Formula(number.text, number.level)


def make_formula(name: str, operands: Sequence[Formula]) -> Formula:
    """Apply one operation to operands that are text."""
    op = ops.find(name)
    if op.source:
        return Formula(*fill_template(op.source, operands))
    formula = op.stable or op.definition
    if formula is None or op.forward is getattr(math, name, None):
        return Formula(f"math.{name}({', '.join(map(str, operands))})")
    return _to_formula(formula(_TEXT, operands) if op.arity == NARY else formula(_TEXT, *operands))


#: The arithmetic in which formulas run on text.
_TEXT: Final = interpreter(lambda op, operands: make_formula(op.name, [_to_formula(x) for x in operands]))


def write_scalar(name: str, operands: Sequence[str]) -> str:
    """Write the text of one operation of operands that are names.

    >>> write_scalar("maximum", ["x", "y"])
    'x if x >= y or x != x else y'
    >>> write_scalar("softplus", ["x"])
    '(x if x >= 0.0 or x != x else 0.0) + math.log1p(math.exp(-abs(x)))'
    """
    return make_formula(name, [Formula(operand) for operand in operands]).text
