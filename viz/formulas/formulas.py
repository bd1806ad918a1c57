r"""Formulas as trees.

They come from the rules of the operation table, run on trees (:mod:`~tinygrad_lite.viz.formulas.symbolic`,
:mod:`~tinygrad_lite.viz.formulas.local_formulas`). They are written as text and as LaTeX
(:mod:`~tinygrad_lite.viz.formulas.expr_printer`) and as MathML (:mod:`~tinygrad_lite.viz.formulas.mathml`), evaluated
(:mod:`~tinygrad_lite.viz.formulas.formula_values`), and computed with (:mod:`~tinygrad_lite.viz.derivation.algebra`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Union

Tree = Union[
    "Number",
    "Constant",
    "Symbol",
    "Sum",
    "Negative",
    "Product",
    "Quotient",
    "Power",
    "Root",
    "Call",
    "Bars",
    "Condition",
    "Cases",
    "Remainder",
    "Series",
    "Operand",
    "Indexed",
    "Member",
]


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float | Fraction


@dataclass(frozen=True)
class Constant:
    """A number that has a name of its own, such as π."""

    text: str
    latex: str
    value: float


@dataclass(frozen=True)
class Symbol:
    """A name, as text and as LaTeX, and the number that it stands for."""

    text: str
    latex: str
    data: float


@dataclass(frozen=True)
class Sum:
    """Terms that are added; one that is subtracted is a :class:`Negative`."""

    terms: tuple[Tree, ...]


@dataclass(frozen=True)
class Negative:
    """Minus something."""

    of: Tree


@dataclass(frozen=True)
class Product:
    """Factors."""

    factors: tuple[Tree, ...]


@dataclass(frozen=True)
class Quotient:
    """A fraction."""

    top: Tree
    bottom: Tree


@dataclass(frozen=True)
class Power:
    """A base and its exponent."""

    base: Tree
    exponent: Tree


@dataclass(frozen=True)
class Root:
    """The root of that degree."""

    of: Tree
    degree: int


@dataclass(frozen=True)
class Call:
    """An operation, by its name, as a function of arguments; or its derivative ``by`` one of them, counted from 1."""

    function: str
    arguments: tuple[Tree, ...]
    subscript: Tree | None = None
    by: int = 0


@dataclass(frozen=True)
class Bars:
    """What stands between a pair of signs: ``|`` (absolute value), ``floor`` or ``ceil``."""

    kind: str
    of: Tree


@dataclass(frozen=True)
class Condition:
    """A chain of comparisons in brackets, which are 1 where it holds and 0 elsewhere (Iverson 1962)."""

    parts: tuple[Tree, ...]
    relations: tuple[str, ...]


@dataclass(frozen=True)
class Cases:
    """One tree where the condition holds, the other elsewhere."""

    condition: Condition
    then: Tree
    otherwise: Tree


@dataclass(frozen=True)
class Remainder:
    """x mod y."""

    x: Tree
    y: Tree


@dataclass(frozen=True)
class Series:
    """A sum or a product over an index, ``without`` another one, from 1 to ``count`` (0: not said)."""

    kind: str
    index: str
    without: str
    body: Tree
    count: int = 0


@dataclass(frozen=True)
class Operand:
    """Any operand, by its name in the operation table and its place (-1: the result), in a formula of no graph."""

    name: str
    place: int


@dataclass(frozen=True)
class Indexed:
    """One of many operands, such as xᵢ."""

    name: str
    index: str | Operand


@dataclass(frozen=True)
class Member:
    """The operand ``of``, as one of many: the one of that name and place, counted from 0."""

    name: str
    place: int
    of: Tree


def rebuilt(tree: Tree, change: Callable[[Tree], Tree | None]) -> Tree:
    """Return the tree with what ``change`` gives in the place of parts, from the outermost on; None leaves one.

    >>> rebuilt(Negative(Number(1)), lambda part: Number(2) if part == Number(1) else None)
    Negative(of=Number(value=2))
    """
    new = change(tree)
    if new is not None:
        return new
    again = functools.partial(rebuilt, change=change)
    match tree:
        case Sum(terms):
            return _flat(map(again, terms))
        case Product(factors):
            return Product(tuple(map(again, factors)))
        case Negative(of):
            return Negative(again(of))
        case Quotient(top, bottom):
            return Quotient(again(top), again(bottom))
        case Power(base, exponent):
            return Power(again(base), again(exponent))
        case Root(of, degree):
            return Root(again(of), degree)
        case Call(function, arguments, subscript, by):
            below = None if subscript is None else again(subscript)
            return Call(function, tuple(map(again, arguments)), below, by)
        case Bars(kind, of):
            return Bars(kind, again(of))
        case Condition(parts, relations):
            return Condition(tuple(map(again, parts)), relations)
        case Cases(condition, then, otherwise):
            kept = again(condition)
            assert isinstance(kept, Condition)
            return Cases(kept, again(then), again(otherwise))
        case Remainder(x, y):
            return Remainder(again(x), again(y))
        case Series(kind, index, without, body, count):
            return Series(kind, index, without, again(body), count)
    return tree


def _flat(terms: Iterable[Tree]) -> Sum:
    """Return the sum of terms, of which some may be sums themselves."""
    return Sum(tuple(part for term in terms for part in (term.terms if isinstance(term, Sum) else (term,))))


def parts_of(tree: Tree) -> list[Tree]:
    """Return the tree and all that is in it.

    >>> len(parts_of(Sum((Number(1), Negative(Number(2))))))
    4
    """
    found: list[Tree] = []

    def note(part: Tree) -> Tree | None:
        found.append(part)
        return None

    rebuilt(tree, note)
    return found


def value_of(tree: Tree) -> float:
    """Return the number that a name or a number stands for; nan for any other formula.

    >>> value_of(Number(2))
    2.0
    """
    if isinstance(tree, Symbol):
        return tree.data
    return float(tree.value) if isinstance(tree, (Number, Constant)) else math.nan
