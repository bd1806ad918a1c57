"""The arithmetic of formulas: a rule of the operation table that is run in it gives the tree of what it computes.

As :data:`~tinygrad_lite.operations.arithmetic.FLOAT` computes with floats and ``VALUE`` with Values, :data:`SYMBOLIC`
computes with :class:`Term` objects. What mathematics has a sign for is written with it (:data:`_SIGNS`); an operation
with a ``notation``, or without a ``definition``, is written as a function; any other is what its definition gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from itertools import groupby
from typing import Any, Final

from tinygrad_lite.operations import numerics
from tinygrad_lite.operations.arithmetic import interpreter
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.viz.formulas.formulas import (
    Bars,
    Call,
    Cases,
    Condition,
    Constant,
    Indexed,
    Member,
    Negative,
    Number,
    Operand,
    Power,
    Quotient,
    Remainder,
    Root,
    Series,
    Sum,
    Tree,
    rebuilt,
)
from tinygrad_lite.viz.formulas.simplification import ONE, ZERO, add, divide, multiply, negate, raise_to

#: Sums and products of more operands than this are written with an index, not term by term.
LONGEST: Final = 4
#: The index of a sum or a product.
INDEX: Final = "i"

_E: Final = Constant("e", "e", math.e)
_PI: Final = Constant("π", r"\pi", math.pi)
_LAMBDA: Final = Constant("λ", r"\lambda", numerics.SELU_SCALE)
_ALPHA: Final = Constant("α", r"\alpha", numerics.SELU_SLOPE / numerics.SELU_SCALE)
#: Numbers in rules that are written in closed form.
_CLOSED_FORMS: Final[dict[float, Tree]] = {
    math.log2(math.e): Quotient(ONE, Call("log", (Number(2),))),
    math.log10(math.e): Quotient(ONE, Call("log", (Number(10),))),
    2.0 / math.sqrt(math.pi): Quotient(Number(2), Root(_PI, 2)),
    numerics.SELU_SCALE: _LAMBDA,
    numerics.SELU_SLOPE: multiply(_LAMBDA, _ALPHA),
}
#: Fractions in rules, such as 2/3, have smaller denominators than this; 1/n may have any.
_DENOMINATORS: Final = 10


class Term:
    """A formula that rules compute with as they do with numbers.

    Args:
        tree: The formula.

    >>> x = Term(Operand("x", 0))
    >>> (1.0 / x / x).tree == Quotient(ONE, Power(Operand("x", 0), Number(2)))
    True
    """

    __slots__ = ("tree",)

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def __int__(self) -> int:
        if isinstance(self.tree, Number):
            return int(self.tree.value)
        if isinstance(self.tree, Operand):  # whichever it is
            return 0
        raise TypeError(f"{self.tree!r} is no number")

    def __bool__(self) -> bool:
        raise TypeError("a formula is neither true nor false: a rule that branches in Python has none")

    def __eq__(self, other: object) -> bool:
        return bool(self)

    __hash__ = None  # type: ignore[assignment]  # as Python has it for what has an __eq__ of its own


def _give_operator(method: str, name: str, *, reflected: bool = False) -> None:
    """Give terms an operator of Python's: the operation of the table that it is."""

    def operator(self: Term, *others: Any) -> Term:
        operands = (*others, self) if reflected else (self, *others)
        return Term(written(TABLE[name], list(map(as_tree, operands))))

    setattr(Term, f"__{method}__", operator)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _give_operator(_name, _name)
    _give_operator(f"r{_name}", _name, reflected=True)
for _name in ("neg", "pos", "abs"):
    _give_operator(_name, _name)
for _method, _name in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}.items():
    _give_operator(_method, _name)


def as_tree(x: Any) -> Tree:
    """Return the formula of a term, or of a number that stands in a rule.

    Args:
        x: A :class:`Term`, or a number.

    >>> as_tree(-0.5) == Negative(Quotient(Number(1), Number(2)))
    True
    """
    if isinstance(x, Term):
        return x.tree
    number = float(x)
    size = abs(number)
    tree: Tree | None = _CLOSED_FORMS.get(size)
    if tree is None and 0.0 < size < math.inf:
        near = Fraction(size).limit_denominator(_DENOMINATORS)
        if 0.0 < size < 1.0 and 1.0 / round(1.0 / size) == size:
            near = Fraction(1, round(1.0 / size))
        if near.numerator / near.denominator == size:
            tree = divide(Number(near.numerator), Number(near.denominator))
    if tree is None:
        tree = Number(size)
    return negate(tree) if number < 0.0 else tree


def compare(x: Tree, relation: str, y: Tree) -> Tree:
    """[x < y] with that sign for <; 1 or 0 where both are known.

    Args:
        x: The left side.
        relation: One of < > = ≤ ≥ ≠.
        y: The right side.

    >>> compare(ONE, "=", ZERO)
    Number(value=0)
    """
    if isinstance(x, Number) and isinstance(y, Number) and relation == "=":
        return Number(int(x.value == y.value))
    return Condition((x, y), (relation,))


def _choose(condition: Tree, x: Tree, y: Tree) -> Tree:
    if isinstance(condition, Number):
        return x if condition.value else y
    return Cases(condition if isinstance(condition, Condition) else Condition((condition, ZERO), ("≠",)), x, y)


def in_brackets(tree: Tree) -> Tree:
    """Return the same with [x > 0]·a + [x ≤ 0]·b for what is a where x > 0, and b elsewhere: with that one can
    calculate.

    Args:
        tree: A formula.

    >>> x = Operand("x", 0)
    >>> in_brackets(Cases(Condition((x, ZERO), (">",)), ONE, ZERO))
    Condition(parts=(Operand(name='x', place=0), Number(value=0)), relations=('>',))
    """

    def change(part: Tree) -> Tree | None:
        if not isinstance(part, Cases) or len(part.condition.relations) > 1:
            return None
        holds = part.condition
        fails = Condition(holds.parts, (_OPPOSITES[holds.relations[0]],))
        return add(multiply(in_brackets(part.then), holds), multiply(in_brackets(part.otherwise), fails))

    return rebuilt(tree, change)


_OPPOSITES: Final = {">": "≤", "≤": ">", "<": "≥", "≥": "<", "=": "≠", "≠": "="}

#: Operations that mathematics writes in another way than as a function.
_SIGNS: Final[dict[str, Callable[..., Tree]]] = {
    "add": add,
    "sub": lambda x, y: add(x, negate(y)),
    "mul": multiply,
    "truediv": divide,
    "neg": negate,
    "pow": raise_to,
    "exp": lambda x: Power(_E, x),
    "expm1": lambda x: Sum((Power(_E, x), Negative(ONE))),
    "log1p": lambda x: Call("log", (add(ONE, x),)),
    "sqrt": lambda x: Root(x, 2),
    "cbrt": lambda x: Root(x, 3),
    "hypot": lambda x, y: Root(reduce(add, [raise_to(z, Number(2)) for z in sorted((x, y), key=repr)]), 2),
    "abs": lambda x: Bars("|", x),
    "floor": lambda x: Bars("floor", x),
    "ceil": lambda x: Bars("ceil", x),
    "floordiv": lambda x, y: Bars("floor", divide(x, y)),
    "mod": Remainder,
    "where": _choose,
    "sum": lambda *xs: _total(xs, "Σ"),
    "prod": lambda *xs: _total(xs, "Π"),
    **{
        name: lambda x, y, relation=relation: compare(x, relation, y)
        for name, relation in (
            *(("greater", ">"), ("greater_equal", "≥"), ("less", "<"), ("less_equal", "≤")),
            *(("equal", "="), ("not_equal", "≠")),
        )
    },
}


def _total(terms: Sequence[Tree], kind: str) -> Tree:
    """Their sum or product; what is the same of more than a few operands in their order is written with an index."""
    combine = add if kind == "Σ" else multiply
    nothing: Tree = ZERO if kind == "Σ" else ONE
    if len(terms) <= LONGEST:
        return reduce(combine, terms, nothing)
    parts: list[Tree] = []
    for body, run in groupby(terms, lambda term: rebuilt(term, _with_index)):
        each = list(run)
        long = len(each) > LONGEST and body != each[0]
        parts += [Series(kind, INDEX, "", body, len(each))] if long else each
    if len(parts) <= LONGEST:
        return reduce(combine, parts, nothing)
    return Sum(tuple(parts)) if kind == "Σ" else reduce(combine, parts, nothing)


def _with_index(part: Tree) -> Tree | None:
    return Indexed(part.name, INDEX) if isinstance(part, Member) else None


def written(op: Op, operands: Sequence[Tree]) -> Tree:
    """Return an operation on these operands, as it is written.

    Args:
        op: The operation, of the table or a user's.
        operands: Formulas.

    >>> written(TABLE["sqrt"], [ONE])
    Root(of=Number(value=1), degree=2)
    """
    if op.name in _SIGNS:
        return _SIGNS[op.name](*operands)
    if op.notation or op.definition is None:
        return Call(op.name, tuple(operands))
    return as_tree(op.by_definition(SYMBOLIC, list(map(Term, operands))))


def _softmax(operands: Sequence[Any]) -> Term:
    *xs, index = map(as_tree, operands)
    return Term(Call("softmax", tuple(xs), add(index, ONE)))


def _softmaxes(xs: Sequence[Any]) -> list[Term]:
    exponentials = [Power(_E, as_tree(x)) for x in xs]
    total = _total(exponentials, "Σ")
    return [Term(divide(e, total)) for e in exponentials]


def _products_without_each(xs: Sequence[Any]) -> list[Term]:
    trees = list(map(as_tree, xs))
    match _total(trees, "Π"):
        case Series(kind, index, _, body, count):
            return [Term(Series(kind, index, str(k + 1), body, count)) for k in range(len(trees))]
    return [Term(_total([*trees[:k], *trees[k + 1 :]], "Π")) for k in range(len(trees))]


#: The arithmetic in which rules and definitions run on terms.
SYMBOLIC: Final = interpreter(
    lambda op, xs: Term(written(op, list(map(as_tree, xs)))),
    pi=Term(_PI),
    softmax=_softmax,
    softmaxes=_softmaxes,
    products_without_each=_products_without_each,
)
