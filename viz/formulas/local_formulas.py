"""The formula of one operation, and of its local derivatives: the table's definition and rule, run on formulas."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, Final, NamedTuple

from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.viz.formulas.expr_printer import text
from tinygrad_lite.viz.formulas.formulas import (
    Call,
    Constant,
    Indexed,
    Member,
    Negative,
    Number,
    Operand,
    Power,
    Product,
    Quotient,
    Series,
    Sum,
    Symbol,
    Tree,
    rebuilt,
    value_of,
)
from tinygrad_lite.viz.formulas.symbolic import INDEX, LONGEST, SYMBOLIC, Term, as_tree, in_brackets, written

#: Formulas of nodes that a user wrote with a sign: as they were written, without any simplification.
_AS_WRITTEN: Final[dict[str, Callable[..., Tree]]] = {
    "add": lambda x, y: Sum((*_terms(x), *_terms(y))),
    "sub": lambda x, y: Sum((*_terms(x), Negative(y))),
    "mul": lambda x, y: Product((x, y)),
    "truediv": Quotient,
    "pow": Power,
    "neg": Negative,
}
#: So many operands, and the derivative by that one, stand for n and for the i-th: numbers that no rule has.
_COUNT: Final = 97
_PLACE: Final = 89


class Application:
    """An operation on these operands, with this result.

    Args:
        op: The record of the operation.
        operands: The formulas of its operands.
        result: The name of its result.

    >>> from tinygrad_lite.operations.ops import find
    >>> from tinygrad_lite.viz.formulas.expr_printer import text
    >>> a, b, c = Symbol("a", "a", 2.0), Symbol("b", "b", -3.0), Symbol("c", "c", -6.0)
    >>> product = Application(find("mul"), (a, b), c)
    >>> text(product.formula()), text(product.partial(0)), text(product.partial(0), numbers=True)
    ('a·b', 'b', '−3')
    """

    def __init__(self, op: Op, operands: tuple[Tree, ...], result: Symbol | Operand) -> None:
        self.op: Final = op
        self.operands: Final = operands
        self.result: Final = result

    def formula(self) -> Tree:
        """Return what the result is."""
        return self._formula

    def partial(self, k: int) -> Tree:
        """Return the derivative of the result by the operand in place k.

        Args:
            k: From 0 on.
        """
        try:
            return self._finished(as_tree(self._derivatives[k]))
        except Exception:  # whatever a rule of the user's raises that is for numbers alone
            return Call(self.op.name, self.operands, by=k + 1)

    # ------------------------------------------------------------------------------------------- running the rules

    @cached_property
    def _formula(self) -> Tree:
        if self.op.name in _AS_WRITTEN:
            return _AS_WRITTEN[self.op.name](*self.operands)
        return _without_members(written(self.op, self._members()))

    @cached_property
    def _derivatives(self) -> list[Any]:
        """What the rules give by each operand; None for one that is for numbers alone."""
        terms, z = list(map(Term, self._members())), Term(self.result)
        rules = [textbook or rule for textbook, rule in zip(self.op.textbook, self.op.partials, strict=True)]
        if self.op.arity == NARY:
            return list(rules[0](SYMBOLIC, terms, z))
        return [_attempt(rule, SYMBOLIC, *terms, z) for rule in rules]

    def _finished(self, tree: Tree) -> Tree:
        """With numbers in the place of cases, and the result by its own name."""
        tree, itself = _without_members(in_brackets(tree)), self._itself
        return tree if itself is None else rebuilt(tree, lambda part: self.result if part == itself else None)

    @cached_property
    def _itself(self) -> Tree | None:
        """The result as other rules write it, where that is shorter than what it is: an entry of the softmax."""
        if self.op.name != "softmax":
            return None
        return _without_members(as_tree(SYMBOLIC.softmax(list(map(Term, self._members())))))

    def _members(self) -> tuple[Tree, ...]:
        """Return the operands; of an operation of any number each as one of many."""
        if self.op.arity != NARY:
            return self.operands
        sequences, count, singles = layout(self.op, len(self.operands))
        single = self.operands[-singles:] if singles else ()
        if self.op.operands[-1] == "index" and not isinstance(single[0], Operand):
            single = (Number(int(value_of(single[0])) % count),)
        places = range(sequences * count)
        many = [Member(_letter(self.op, k // count), k % count, self.operands[k]) for k in places]
        if self.op.operands[-1] == "bias":
            single = (Member("b", 0, single[0]),)
        return (*many, *single)


class Layout(NamedTuple):
    """Sequences of equal length, and a single operand, or none, behind them."""

    sequences: int
    length: int
    singles: int


def layout(op: Op, operands: int) -> Layout:
    """How the operands of an operation of any number of operands are arranged.

    Args:
        op: The operation.
        operands: How many operands it has.

    >>> from tinygrad_lite.operations.ops import find
    >>> layout(find("dot"), 7)
    Layout(sequences=2, length=3, singles=1)
    """
    singles = int(op.operands[-1] in ("bias", "index"))
    sequences = len(op.operands) - singles
    return Layout(sequences, (operands - singles) // sequences, singles)


def letters(op: Op) -> tuple[list[str], str]:
    """Return what the operands of each sequence are called in the formulas of :func:`template`, and the index of one.

    Args:
        op: An operation of any number of operands.

    >>> from tinygrad_lite.operations.ops import find
    >>> letters(find("dot"))
    (['w', 'x'], 'i')
    """
    names = [_letter(op, k) for k in range(layout(op, 0).sequences)]
    return names, "j" if op.operands[-1] == "index" else "i"


class Template(NamedTuple):
    """The formulas of an operation on any operands."""

    formula: Tree
    #: of any number of operands one for each sequence, and one for a bias
    partials: tuple[Tree, ...]


@cache
def template(op: Op) -> Template:
    """Return the formulas of an operation, in the names that the table has for its operands.

    Args:
        op: The operation.

    >>> from tinygrad_lite.operations.ops import find
    >>> from tinygrad_lite.viz.formulas.expr_printer import text
    >>> text(template(find("logsumexp")).formula), text(template(find("logsumexp")).partials[0])
    ('ln(Σᵢ e^xᵢ)', 'e^xᵢ/(Σₖ e^xₖ)')
    """
    result = Operand("z", -1)
    if op.arity != NARY:
        application = Application(op, tuple(Operand(name, k) for k, name in enumerate(op.operands)), result)
        return Template(application.formula(), tuple(map(application.partial, range(op.arity))))
    sequences, _, singles = layout(op, 0)
    has_index = op.operands[-1] == "index"
    single = (Operand("i" if has_index else "b", 1),) * singles
    operands = tuple(Indexed(letter, str(k)) for letter in letters(op)[0] for k in range(_COUNT)) + single
    application = Application(op, operands, result)
    places = [k * _COUNT + _PLACE for k in range(sequences)] + [sequences * _COUNT] * (singles and not has_index)
    formula = _of_any_number(application.formula(), 0, single[0] if has_index else INDEX, "k" if has_index else INDEX)
    by = letters(op)[1]
    return Template(formula, tuple(_of_any_number(application.partial(k), _PLACE, by, "k") for k in places))


class Infix(NamedTuple):
    """How an operation is written with a sign."""

    #: before, between and behind its operands
    between: tuple[str, ...]
    #: how tightly the sign binds: 1 as a sum does, 2 as a product, 3 as a power
    level: int


def infix(op: Op) -> Infix | None:
    """Return the signs that stand around the operands, where it is written with a sign; ``None``: as a function.

    Args:
        op: The operation.

    >>> from tinygrad_lite.operations.ops import find
    >>> infix(find("truediv")), infix(find("exp"))
    (Infix(between=('', '/', ''), level=2), None)
    """
    if op.name not in _AS_WRITTEN:
        return None
    formula = template(op).formula
    level = 3 if isinstance(formula, Power) else 2 if isinstance(formula, (Product, Quotient)) else 1
    return Infix(tuple(re.split(rf"\b(?:{'|'.join(op.operands)})\b", text(formula))), level)


def _letter(op: Op, sequence: int) -> str:
    name = op.operands[sequence]
    return name[0] if name in ("ws", "xs") else "x"


def _of_any_number(tree: Tree, place: int, index: str | Operand, bound: str) -> Tree:
    """Return a formula of ``_COUNT`` operands with n for their number and an index for a place among them.

    Args:
        tree: The formula.
        place: The place.
        index: What is written for it.
        bound: The index of sums and products.
    """
    named = index if isinstance(index, Operand) else Constant(index, index, math.nan)

    def change(part: Tree) -> Tree | None:
        match part:
            case Series(kind, _, without, body):
                renamed = rebuilt(body, lambda x: Indexed(x.name, bound) if isinstance(x, Indexed) else None)
                return Series(kind, bound, str(index) if without else "", renamed)
            case Indexed(name, k) if k == str(place):
                return Indexed(name, index)
            case Number(value) if value == _COUNT:
                return Constant("n", "n", math.nan)
            case Number(value) if value in (_PLACE, _PLACE + 1):
                return named
            case Call(function, arguments, below, by) if len(arguments) >= _COUNT:
                ends = Indexed("x", "1"), *[Indexed("x", INDEX)] * LONGEST, Indexed("x", "n")
                return Call(function, ends, None if below is None else rebuilt(below, change), by)
        return None

    return rebuilt(tree, change)


def _attempt(rule: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return rule(*arguments)
    except Exception:  # whatever a rule of the user's raises that is for numbers alone
        return None


def _terms(tree: Tree) -> tuple[Tree, ...]:
    return tree.terms if isinstance(tree, Sum) else (tree,)


def _without_members(tree: Tree) -> Tree:
    return rebuilt(tree, lambda part: part.of if isinstance(part, Member) else None)
