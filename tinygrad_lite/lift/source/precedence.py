"""How tightly Python's operators bind: the one table by which all generated source sets its brackets.

Array source (:mod:`~tinygrad_lite.lift.source.fragments`), the text of loops
(:mod:`~tinygrad_lite.lift.loops.scalar_functions`) and messages are put together from pieces. A piece knows how tightly
its outermost operator binds; this module says how tightly an operator wants its operands to bind, and a piece that
binds less is put into brackets.

Python gives ``@ * / // %`` one level, from left to right. Here they have three, so that no reader has to know that:
``(W @ d) * g`` and ``(a % b) * c`` have brackets, ``a @ b / n`` has none. A minus before a product stands before its
first factor, which gives the same number, to the bit: ``-a * b``. Before a remainder it does not: ``-(a % b)``.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

#: The levels, from what binds least: ``a if c else b``, ``or``, ``a < b``, ``+``, ``//``, ``@``, ``*``, ``-a``, ``**``,
#: and what needs no brackets anywhere: names, calls, subscripts.
CHOICE, OR, COMPARE, ADD, REMAINDER, MATMUL, MUL, UNARY, POWER, ATOM = range(10)


@dataclass(frozen=True)
class Operator:
    """An operator between two operands.

    Attributes:
        text: In Python.
        level: How tightly it binds.
        left: How tightly its left operand binds at least, without brackets.
        right: The same of its right operand.
    """

    text: str
    level: int
    left: int
    right: int


#: Python's operators by the symbol of the operation table.
OPERATORS = {
    **{symbol: Operator(symbol, COMPARE, ADD, ADD) for symbol in "<>"},  # one after the other they are a chain
    "≥": Operator(">=", COMPARE, ADD, ADD),
    "≤": Operator("<=", COMPARE, ADD, ADD),
    "=": Operator("==", COMPARE, ADD, ADD),
    "≠": Operator("!=", COMPARE, ADD, ADD),
    "+": Operator("+", ADD, ADD, REMAINDER),
    "-": Operator("-", ADD, ADD, REMAINDER),
    "//": Operator("//", REMAINDER, UNARY, UNARY),
    "%": Operator("%", REMAINDER, UNARY, UNARY),
    "@": Operator("@", MATMUL, UNARY, UNARY),
    "*": Operator("*", MUL, MUL, UNARY),
    "/": Operator("/", MUL, MATMUL, UNARY),
    "**": Operator("**", POWER, ATOM, UNARY),
}


class Piece(Protocol):
    """Text, and how tightly its outermost operator binds."""

    @property
    def text(self) -> str:
        """The text."""

    @property
    def level(self) -> int:
        """How tightly the outermost operator of the text binds."""


def wrap(piece: Piece, level: int) -> str:
    """Put the text of a piece in brackets unless it binds at least as tightly."""
    return piece.text if piece.level >= level else f"({piece.text})"


def infix(symbol: str, left: Piece, right: Piece) -> tuple[str, int]:
    """Put an operator between two pieces: the text, and how tightly it binds."""
    operator = OPERATORS[symbol]
    between = operator.text if operator.level == POWER else f" {operator.text} "
    return f"{wrap(left, operator.left)}{between}{wrap(right, operator.right)}", operator.level


def write_minus(piece: Piece) -> tuple[str, int]:
    """Write minus a piece: the text, and how tightly it binds."""
    if piece.level == MUL and not piece.text.startswith("-"):
        return f"-{piece.text}", MUL
    return f"-{wrap(piece, POWER)}", UNARY


def write_choice(condition: Piece, chosen: Piece, other: Piece) -> tuple[str, int]:
    """Write a piece or another: the text, and how tightly it binds."""
    return f"{wrap(chosen, OR)} if {wrap(condition, OR)} else {wrap(other, CHOICE)}", CHOICE


def access(piece: Piece, name: str) -> str:
    """Write ``piece.name``: an atom. (``2.T`` is no Python.)"""
    text = wrap(piece, ATOM)
    return f"({text}).{name}" if text.isdigit() else f"{text}.{name}"


def fill_template(template: str, operands: Sequence[Piece]) -> tuple[str, int]:
    """Fill a text with ``{0}``, ``{1}`` for operands, as atoms: the text, and how tightly it binds.

    >>> fill_template("{0} // {1}", [Text("a"), Text("b + c", ADD)])
    ('a // (b + c)', 4)
    """
    return template.format(*[wrap(operand, ATOM) for operand in operands]), _find_template_level(template)


@dataclass(frozen=True)
class Text:
    """A piece, and nothing more.

    Attributes:
        text: The text.
        level: How tightly its outermost operator binds.
    """

    text: str
    level: int = ATOM

    @staticmethod
    def of(number: float) -> Text:
        """Write a number out; one that begins with a minus binds as minus does."""
        text = repr(number)
        return Text(text, UNARY if text.startswith("-") else ATOM)


@functools.cache
def _find_template_level(template: str) -> int:
    operands = [f"x{k}" for k in range(template.count("{"))]
    return find_level(template.format(*operands))


#: The levels of what Python's parser finds outermost.
_NODES: dict[type, int] = {ast.IfExp: CHOICE, ast.BoolOp: OR, ast.Compare: COMPARE, ast.UnaryOp: UNARY}
_SYMBOLS: dict[type, str] = {
    **dict(zip((ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod, ast.MatMult), "+-*/%@", strict=True)),
    ast.FloorDiv: "//",
    ast.Pow: "**",
}


def find_level(text: str) -> int:
    """Find how tightly the outermost operator of a text binds, as Python reads it.

    >>> find_level("a * b + c") == ADD, find_level("(a + b)") == ATOM, find_level("f(a + b)") == ATOM
    (True, True, True)
    """
    tree = ast.parse(text, mode="eval").body
    if tree.col_offset > 0:  # in brackets
        return ATOM
    if isinstance(tree, ast.BinOp):
        return OPERATORS[_SYMBOLS[type(tree.op)]].level
    return _NODES.get(type(tree), ATOM)
