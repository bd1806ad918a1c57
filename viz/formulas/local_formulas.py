"""The formula of one node, and of its local derivatives, in the names of its operands: the table's, filled in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import DEFINED
from tinygrad_lite.viz.formulas.formula_reader import UnreadableError, read
from tinygrad_lite.viz.formulas.formulas import (
    Call,
    Constant,
    Delta,
    Foreign,
    Indexed,
    Negative,
    Number,
    Operand,
    Power,
    Product,
    Series,
    Sum,
    Symbol,
    Tree,
    rebuilt,
)
from tinygrad_lite.viz.formulas.symbols import in_latex, in_text

#: Sums and products of more operands than this are written with an index, not term by term.
LONGEST: Final = 4

_SLOTS: Final = ("x", "y", "w")


class Application(NamedTuple):
    """An operation on these operands, with this result.

    >>> from tinygrad_lite.operations.ops import find
    >>> from tinygrad_lite.viz.formulas.expr_printer import text
    >>> a, b, c = Symbol("a", "a", 2.0), Symbol("b", "b", -3.0), Symbol("c", "c", -6.0)
    >>> product = Application(find("mul"), (a, b), c)
    >>> text(product.formula()), text(product.partial(0)), text(product.partial(0), numbers=True)
    ('a·b', 'b', '−3')
    """

    op: Op
    operands: tuple[Tree, ...]
    result: Symbol

    def formula(self) -> Tree:
        """What the result is."""
        if self.op.latex.startswith(rf"\operatorname{{{self.op.name}}}(") and DEFINED.get(self.op.name) is self.op:
            return self._call("")
        try:
            return self._filled(read(self.op.latex), self._chosen())
        except UnreadableError:
            return self._foreign(self.op.latex, self._call(""))

    def partial(self, k: int) -> Tree:
        """The derivative of the result by the operand in place k.

        Args:
            k: From 0 on.
        """
        if self.op.arity != NARY:
            template, place = self.op.latex_partials[k], k
        else:
            sequence, place = self._sequence(k)
            if sequence == "index":
                return Number(0)
            names = self.op.operands
            template = self.op.latex_partials[names.index(sequence) if len(self.op.latex_partials) > 1 else 0]
        try:
            tree = read(template)
        except UnreadableError:
            derivative = self._call("'" if len(self.operands) == 1 else rf"\partial_{{{k + 1}}}")
            return derivative if r"\partial \mathrm" in template else self._foreign(template, derivative)
        by_index = any(isinstance(part, Delta) for part in parts_of(tree))
        free = {"i": self._chosen().get("i", 0), "j": place} if by_index else {"i": place}
        return self._filled(tree, free)

    # ----------------------------------------------------------------------------------------- operands of many

    def _values(self, name: str) -> tuple[Tree, ...]:
        """The operands that the table calls ``x_i`` or ``w_i``."""
        count = self._count()
        if self.op.operands[0] == "ws":
            return self.operands[:count] if name == "w" else self.operands[count : 2 * count]
        return self.operands[:count]

    def _count(self) -> int:
        extra = self.op.operands[-1] in ("bias", "index")
        return (len(self.operands) - extra) // (2 if self.op.operands[0] == "ws" else 1)

    def _sequence(self, k: int) -> tuple[str, int]:
        """Which of the operands' sequences the one in place k belongs to, and its place there."""
        names, count = self.op.operands, self._count()
        return (names[k // count], k % count) if k < count * (2 if names[0] == "ws" else 1) else (names[-1], 0)

    def _chosen(self) -> dict[str, int]:
        """The index that the last operand is, as a place from 0 on."""
        if self.op.arity != NARY or self.op.operands[-1] != "index":
            return {}
        number = value_of(self.operands[-1])
        return {"i": int(number) % self._count() if math.isfinite(number) else 0}

    # ------------------------------------------------------------------------------------------------- filling

    def _filled(self, tree: Tree, places: Mapping[str, int]) -> Tree:
        def fill(part: Tree) -> Tree | None:
            match part:
                case Operand(name):
                    return self._operand(name, places)
                case Indexed(name, index):
                    return self._item(name, index, places)
                case Delta(left, right):
                    return Number(int(places[left] == places[right]))
                case Series(kind, index, without, body, _):
                    return self._series(kind, index, without, body, places)
                case Power(base, exponent):
                    return _power(rebuilt(base, fill), rebuilt(exponent, fill))
            return None

        return rebuilt(tree, fill)

    def _operand(self, name: str, places: Mapping[str, int]) -> Tree:
        if name == "z":
            return self.result
        if name == "n":
            return Number(self._count())
        if name == "b" or (name == "y" and self.op.arity == NARY):
            return self.operands[-1]
        if name in places:
            return Number(places[name])
        return self.operands[_SLOTS.index(name)]

    def _item(self, name: str, index: str | Operand, places: Mapping[str, int]) -> Tree:
        place = places.get("i" if isinstance(index, Operand) else index)
        if name not in ("x", "w"):  # the softmax of another entry
            if place == self._chosen().get("i"):
                return self.result
            assert place is not None
            return Call(rf"\operatorname{{{name}}}", self._values("x"), Number(place + 1))
        if place is None:  # the index of a sum that is not written out
            return Indexed(name, index)
        if isinstance(index, Operand):
            return self._values("x")[self._chosen()["i"]]
        return self._values(name)[place]

    def _series(self, kind: str, index: str, without: str, body: Tree, places: Mapping[str, int]) -> Tree:
        count = self._count()
        left_out = places.get(without)
        if count > LONGEST:
            shown = "" if left_out is None else str(left_out + 1)
            return Series(kind, index, shown, self._filled(body, _without(places, index)), count)
        each = [self._filled(body, {**places, index: k}) for k in range(count) if k != left_out]
        if not each:
            return Number(1 if kind == "Π" else 0)
        if len(each) == 1:
            return each[0]
        return Product(tuple(each)) if kind == "Π" else Sum(tuple(each))

    # ---------------------------------------------------------------------------------- operations of the user's

    def _call(self, derivative: str) -> Tree:
        """The operation as a function; with ``'`` or ``\\partial_2`` before its name, a derivative of it."""
        name = rf"\mathop{{{in_latex(self.op.name)}}}"
        if derivative == "'":
            return Call(name + "'", self.operands, text=in_text(self.op.name))
        before = f"∂{derivative[10:-1].translate(_DIGITS)}" if derivative else ""
        return Call(derivative + name, self.operands, text=before + in_text(self.op.name))

    def _foreign(self, template: str, plain: Tree) -> Tree:
        given = (*zip(_SLOTS, self.operands, strict=False), ("z", self.result))
        return Foreign(template, given, plain)


_DIGITS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _power(base: Tree, exponent: Tree) -> Tree:
    """A power whose exponent is one number if it is made of numbers: x², not x^(3 − 1)."""
    if isinstance(exponent, Sum) and all(isinstance(part, (Sum, Negative, Number)) for part in parts_of(exponent)):
        total = sum(-value_of(term.of) if isinstance(term, Negative) else value_of(term) for term in exponent.terms)
        return base if total == 1.0 else Power(base, Number(total))
    return Power(base, exponent)


def value_of(tree: Tree) -> float:
    """The number that a name or a number stands for; nan for any other formula.

    >>> value_of(Number(2))
    2.0
    """
    if isinstance(tree, Symbol):
        return tree.data
    return float(tree.value) if isinstance(tree, (Number, Constant)) else math.nan


def parts_of(tree: Tree) -> list[Tree]:
    """The tree and all that is in it.

    >>> len(parts_of(read("$x + 1")))
    3
    """
    found: list[Tree] = []

    def note(part: Tree) -> Tree | None:
        found.append(part)
        return None

    rebuilt(tree, note)
    return found


def _without(places: Mapping[str, int], index: str) -> dict[str, int]:
    return {name: place for name, place in places.items() if name != index}
