"""Operations of the table as text of plain arithmetic and ``math``, for compilers that know nothing else.

A stand-in until :mod:`tinygrad_lite.lift.vocabulary` is there: the record's ``definition``, run on text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

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

    def __str__(self) -> str:
        return self.text


class _Functions:
    """What a definition may call: comparisons and choices as text, the rest of ``math``."""

    pi = Formula("math.pi")
    _WRITTEN: ClassVar = {
        "where": "({1} if {0} != 0.0 else {2})",
        "greater": "(1.0 if {0} > {1} else 0.0)",
        "greater_equal": "(1.0 if {0} >= {1} else 0.0)",
        "less": "(1.0 if {0} < {1} else 0.0)",
        "less_equal": "(1.0 if {0} <= {1} else 0.0)",
        "equal": "(1.0 if {0} == {1} else 0.0)",
        "not_equal": "(1.0 if {0} != {1} else 0.0)",
        "relu": "(0.0 if {0} <= 0.0 else {0})",
        "maximum": "({0} if ({0} >= {1} or {0} != {0}) else {1})",
        "minimum": "({0} if ({0} <= {1} or {0} != {0}) else {1})",
        "abs": "abs({0})",
        "floor": "float(math.floor({0}))",
        "ceil": "float(math.ceil({0}))",
        "cbrt": "math.copysign(math.pow(abs({0}), 1.0 / 3.0), {0})",
    }

    def __getattr__(self, name: str) -> Any:
        def call(*operands: Any) -> Formula:
            form = self._WRITTEN.get(name, f"math.{name}({', '.join(['{}'] * len(operands))})")
            return Formula(form.format(*operands))

        return call


def scalar_text(name: str, operands: Sequence[str]) -> str:
    """The text of one operation of operands that are names.

    >>> scalar_text("relu", ["x"])
    '(0.0 if x <= 0.0 else x)'
    """
    op, functions = ops.find(name), _Functions()
    xs = [Formula(operand) for operand in operands]
    if op.definition is None or name in functions._WRITTEN:
        return str(getattr(functions, name)(*xs))
    return str(op.definition(functions, xs) if op.arity == NARY else op.definition(functions, *xs))
