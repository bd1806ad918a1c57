"""Sums, products, quotients and powers of formulas as a hand writes them: x², not x·x; 1 − x², not (1 − x)·(1 + x).

What is simplified is the notation of one step. What cancels in a whole derivative is found by
:mod:`~tinygrad_lite.viz.derivation.algebra`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from tinygrad_lite.viz.formulas.formulas import (
    Call,
    Condition,
    Constant,
    Indexed,
    Member,
    Negative,
    Number,
    Operand,
    Power,
    Product,
    Quotient,
    Root,
    Series,
    Sum,
    Symbol,
    Tree,
    parts_of,
)

ZERO: Final = Number(0)
ONE: Final = Number(1)
_FLIPPED: Final = {">": "<", "≥": "≤"}


def add(x: Tree, y: Tree) -> Tree:
    """x + y, with the numbers in it added up.

    >>> add(Symbol("a", "a", 1.0), ZERO)
    Symbol(text='a', latex='a', data=1.0)
    """
    terms: list[Tree] = []
    for term in (*_terms(x), *_terms(y)):
        number = _number(term)
        place = next((k for k, other in enumerate(terms) if _number(other) is not None), None)
        if number is None or place is None:
            terms.append(term)
        else:
            terms[place] = _signed(number + _number_at(terms, place))
    kept = [term for term in terms if _number(term) != 0]
    return Sum(tuple(kept)) if len(kept) > 1 else kept[0] if kept else ZERO


def negate(x: Tree) -> Tree:
    """−x.

    >>> negate(negate(ONE))
    Number(value=1)
    """
    if isinstance(x, Negative):
        return x.of
    return _signed(-x.value) if isinstance(x, Number) else Negative(x)


def multiply(x: Tree, y: Tree) -> Tree:
    """x·y, with equal factors as a power, a number before the others, and one fraction of all fractions.

    >>> x = Symbol("x", "x", 0.5)
    >>> multiply(multiply(x, Number(2)), x) == Product((Number(2), Power(x, Number(2))))
    True
    """
    if isinstance(x, Negative) or isinstance(y, Negative):
        product = multiply(*(z.of if isinstance(z, Negative) else z for z in (x, y)))
        return product if isinstance(x, Negative) and isinstance(y, Negative) else negate(product)
    if ZERO in (x, y):
        return ZERO
    if ONE in (x, y):
        return y if x == ONE else x
    if {type(x), type(y)} == {Quotient, Condition}:
        return Product((x, y) if isinstance(x, Quotient) else (y, x))
    (above, below), (more_above, more_below) = _fraction(x), _fraction(y)
    if below != ONE or more_below != ONE:
        return divide(multiply(above, more_above), multiply(below, more_below))
    factors = list(_factors(x))
    for factor in _factors(y):
        _multiply_in(factors, factor)
    factors.sort(key=lambda factor: not isinstance(factor, Number))
    return Product(tuple(factors)) if len(factors) > 1 else factors[0]


def divide(x: Tree, y: Tree) -> Tree:
    """x/y, as one fraction.

    >>> x = Symbol("x", "x", 0.5)
    >>> divide(divide(ONE, x), x) == Quotient(ONE, Power(x, Number(2)))
    True
    """
    if isinstance(x, Negative) or isinstance(y, Negative):
        quotient = divide(*(z.of if isinstance(z, Negative) else z for z in (x, y)))
        return quotient if isinstance(x, Negative) and isinstance(y, Negative) else negate(quotient)
    if x == ZERO and y != ZERO:
        return ZERO
    if y == ONE:
        return x
    if isinstance(x, Series):
        return Product((divide(ONE, y), x))
    (above, below), (more_above, more_below) = _fraction(x), _fraction(y)
    if below != ONE or more_below != ONE:
        return divide(multiply(above, more_below), multiply(more_above, below))
    return Quotient(x, y)


def raise_to(base: Tree, exponent: Tree) -> Tree:
    """base^exponent.

    >>> raise_to(Root(ONE, 2), Number(2))
    Number(value=1)
    """
    if exponent == ONE or base == ONE:
        return base
    match base, exponent:
        case Root(of, degree), Number(value) if value == degree:
            return of
        case Power(inner, Number(first)), Number(second) if int(second) == second:
            return raise_to(inner, Number(first * second))
        case Negative(of), Number(value) if value % 2 == 0:
            return raise_to(of, exponent)
    return Power(base, exponent)


def _terms(tree: Tree) -> Sequence[Tree]:
    return tree.terms if isinstance(tree, Sum) else (tree,)


def _factors(tree: Tree) -> Sequence[Tree]:
    return tree.factors if isinstance(tree, Product) else (tree,)


def _number(term: Tree) -> float | Fraction | None:
    if isinstance(term, Number):
        return term.value
    return -term.of.value if isinstance(term, Negative) and isinstance(term.of, Number) else None


def _number_at(terms: Sequence[Tree], place: int) -> float | Fraction:
    number = _number(terms[place])
    assert number is not None
    return number


def _signed(number: float | Fraction) -> Tree:
    return Negative(Number(-number)) if number < 0 else Number(number)


def _fraction(tree: Tree) -> tuple[Tree, Tree]:
    """Numerator and denominator; a coefficient with a name of its own in it, such as 2/√π, stays whole."""
    if not isinstance(tree, Quotient):
        return tree, ONE
    named = any(isinstance(part, (Symbol, Operand, Member, Indexed, Call)) for part in parts_of(tree))
    whole = any(isinstance(part, Constant) for part in parts_of(tree)) and not named
    return (tree, ONE) if whole else (tree.top, tree.bottom)


def _multiply_in(factors: list[Tree], factor: Tree) -> None:
    """Put a factor beside the others, or makes one of it and another."""
    for place, other in enumerate(factors):
        joined = _joined(other, factor)
        if joined is not None:
            factors[place : place + 1] = _factors(joined)
            return
    factors.append(factor)


def _joined(x: Tree, y: Tree) -> Tree | None:
    """Return the product, if it is not written as one."""
    match x, y:
        case Number(first), Number(second):
            return Number(first * second)
        case Root(of, degree), Root(other, same) if degree == same and of != other:
            return Root(multiply(of, other), degree)
        case Sum((a, b)), Sum((c, d)):
            for kept, changed in ((a, b), (b, a)):
                if {c, d} == {kept, negate(changed)}:
                    return add(_square(kept), negate(_square(changed)))
        case Condition((a, low), (above,)), Condition((b, high), (below,)) if (
            a == b and above in _FLIPPED and below in _FLIPPED.values()
        ):
            return Condition((low, a, high), (_FLIPPED[above], below))
        case Call("sigmoid", (a,)), Call("sigmoid", (b,)) if a == negate(b):
            kept = x if isinstance(b, Negative) else y
            return Product((kept, add(ONE, negate(kept))))
    (base, power), (other_base, other_power) = _power(x), _power(y)
    if base == other_base and not isinstance(base, Number):
        return raise_to(base, Number(power + other_power))
    return None


def _square(tree: Tree) -> Tree:
    number = _number(tree)
    return Number(number * number) if number is not None else raise_to(tree, Number(2))


def _power(tree: Tree) -> tuple[Tree, float | Fraction]:
    if isinstance(tree, Power) and isinstance(tree.exponent, Number):
        return tree.base, tree.exponent.value
    return tree, 1
