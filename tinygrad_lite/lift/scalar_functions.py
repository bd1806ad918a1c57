"""Operations of the table as text of plain arithmetic and ``math``, for compilers that know nothing else.

The text is a record's ``source``, or a call of the function of ``math`` that it is, or else its formula, run on text.
What a formula uses twice stands twice in the text: compilers compute it once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lite import ops
from tinygrad_lite.operation import NARY


class Formula:
    """A text that arithmetic makes longer."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __add__(self, other: Any) -> Formula:
        return Formula(f"({self} + {other})")

    def __radd__(self, other: Any) -> Formula:
        return Formula(f"({other} + {self})")

    def __sub__(self, other: Any) -> Formula:
        return Formula(f"({self} - {other})")

    def __rsub__(self, other: Any) -> Formula:
        return Formula(f"({other} - {self})")

    def __mul__(self, other: Any) -> Formula:
        return Formula(f"({self} * {other})")

    def __rmul__(self, other: Any) -> Formula:
        return Formula(f"({other} * {self})")

    def __truediv__(self, other: Any) -> Formula:
        return Formula(f"({self} / {other})")

    def __rtruediv__(self, other: Any) -> Formula:
        return Formula(f"({other} / {self})")

    def __pow__(self, other: Any) -> Formula:
        return Formula(f"({self} ** {other})")

    def __neg__(self) -> Formula:
        return Formula(f"(-{self})")

    def __abs__(self) -> Formula:
        return Formula(scalar_text("abs", [self.text]))

    def __str__(self) -> str:
        return self.text


class _Functions:
    """What a formula may call: every operation of the table, as text."""

    def __getattr__(self, name: str) -> Callable[..., Formula]:
        return lambda *operands: Formula(scalar_text(name, [str(x) for x in operands]))


def scalar_text(name: str, operands: Sequence[str]) -> str:
    """The text of one operation of operands that are names, numbers or text in brackets.

    >>> scalar_text("maximum", ["x", "y"])
    '(x if (x >= y or x != x) else y)'
    >>> scalar_text("softplus", ["x"])
    '((x if (x >= 0.0 or x != x) else 0.0) + math.log1p(math.exp((-abs(x)))))'
    """
    op = ops.find(name)
    if op.source:
        return op.source.format(*operands)
    formula = op.stable or op.definition
    if formula is None or op.forward is getattr(math, name, None):
        return f"math.{name}({', '.join(operands)})"
    xs = [Formula(operand) for operand in operands]
    return str(formula(_Functions(), xs) if op.arity == NARY else formula(_Functions(), *xs))
