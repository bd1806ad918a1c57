"""Exact algebra with formulas, to see what cancels: sums, products and quotients of names, with rational coefficients.

A formula becomes a polynomial over a product of polynomials. What is neither added, multiplied nor divided, such as
σ(z), is a name to it (an *atom*). Polynomials are divided as by hand (the division algorithm of several variables, Cox,
Little & O'Shea 2015, "Ideals, varieties, and algorithms", section 2.3), which finds every factor of the numerator that
is written in the denominator. Of functions it knows one identity, σ(−x) = 1 − σ(x).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from tinygrad_lite.viz.formulas.formulas import (
    Call,
    Cases,
    Constant,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Remainder,
    Sum,
    Symbol,
    Tree,
)

#: A product of atoms: the number of each, and its exponent.
Monomial = tuple[tuple[int, int], ...]
#: The coefficient of each monomial; none is 0.
Polynomial = dict[Monomial, Fraction]

#: Polynomials with more terms, or with higher powers, would not be read.
_TERMS: Final = 24
_POWERS: Final = 8

_ONE: Final[Polynomial] = {(): Fraction(1)}


class TooComplexError(ValueError):
    """The formula has too many terms, or a number that is not finite."""


class Ratio(NamedTuple):
    """A polynomial over a product of polynomials, none of which divides it."""

    top: Polynomial
    bottom: tuple[Polynomial, ...]


ONE: Final = Ratio(_ONE, ())
ZERO: Final = Ratio({}, ())


class Algebra:
    """Formulas as ratios of polynomials, and back.

    Args:
        meanings: What names stand for, if that is to be looked into: ``1 - p`` for a node of that formula.
        names: What formulas are called: ``p`` for ``σ(z)``.

    >>> from tinygrad_lite.viz.formulas.expr_printer import text
    >>> p, y = Symbol("p", "p", 0.5), Symbol("y", "y", 1.0)
    >>> rest = Sum((Number(1), Negative(p)))
    >>> slope = Sum((Negative(Quotient(y, p)), Quotient(Sum((Number(1), Negative(y))), rest)))
    >>> algebra = Algebra()
    >>> text(algebra.tree(algebra.ratio(Product((slope, p, rest)))))
    'p − y'
    """

    def __init__(self, meanings: Mapping[Symbol, Tree] | None = None, names: Mapping[Tree, Tree] | None = None) -> None:
        self.meanings = dict(meanings or {})
        self.names = dict(names or {})
        self.atoms: list[Tree] = []
        self._places: dict[Tree, int] = {}
        self._known: dict[Tree, Ratio] = {}

    def ratio(self, tree: Tree) -> Ratio:
        """Return a formula as a ratio.

        Raises:
            TooComplexError: It has too many terms, or a number that is not finite.
        """
        if tree not in self._known:
            self._known[tree] = self._ratio(tree)
        return self._known[tree]

    def _ratio(self, tree: Tree) -> Ratio:
        if tree in self.names:
            return self._atom(self.names[tree])
        match tree:
            case Number(value):
                if not math.isfinite(value):
                    raise TooComplexError(f"{value} is no number to calculate with")
                return Ratio({(): Fraction(value)} if value else {}, ())
            case Symbol() if tree in self.meanings:
                try:
                    return self.ratio(self.meanings[tree])
                except TooComplexError:
                    return self._atom(tree)
            case Sum(terms):
                total = ZERO
                for term in terms:
                    total = self.plus(total, self.ratio(term))
                return total
            case Negative(of):
                return times(Ratio({(): Fraction(-1)}, ()), self.ratio(of))
            case Product(factors):
                product = ONE
                for factor in factors:
                    product = times(product, self.ratio(factor))
                return product
            case Quotient(top, bottom):
                quotient = self.ratio(top)
                for factor in bottom.factors if isinstance(bottom, Product) else (bottom,):
                    quotient = times(quotient, inverse(self.ratio(factor)))
                return quotient
            case Power(base, exponent) if not isinstance(base, Constant):
                return self._power(tree, base, exponent)
            case Call("sigmoid", (argument,)) if (opposite := self._opposite(argument)) is not None:
                rest = self.ratio(Call("sigmoid", (opposite,)))
                return self.plus(ONE, times(Ratio({(): Fraction(-1)}, ()), rest))
            case Cases() | Remainder():
                raise TooComplexError("a formula that is not looked into")
        return self._atom(tree)

    def tree(self, ratio: Ratio) -> Tree:
        """Return a ratio as a formula: positive terms first, and a common factor of all terms before them."""
        top = self._polynomial(ratio.top)
        if not ratio.bottom:
            return top
        below = [self._polynomial(factor) for factor in ratio.bottom]
        bottom = below[0] if len(below) == 1 else Product(tuple(below))
        if isinstance(top, Negative):
            return Negative(Quotient(top.of, bottom))
        return Quotient(top, bottom)

    def plus(self, x: Ratio, y: Ratio) -> Ratio:
        """Return the sum, over the product of all factors that one of the denominators has."""
        missing_in_x = _difference(y.bottom, x.bottom)
        missing_in_y = _difference(x.bottom, y.bottom)
        top = _plus(_product(x.top, missing_in_x), _product(y.top, missing_in_y))
        return _cancelled(top, (*x.bottom, *missing_in_x))

    def _power(self, tree: Tree, base: Tree, exponent: Tree) -> Ratio:
        raised = self.ratio(exponent)
        power = raised.top.get((), Fraction(0))
        constant = not raised.bottom and len(raised.top) <= 1 and (not raised.top or () in raised.top)
        if not constant or power.denominator != 1 or abs(power) > _POWERS:
            return self._atom(tree)
        factor = self.ratio(base) if power >= 0 else inverse(self.ratio(base))
        product = ONE
        for _ in range(abs(int(power))):
            product = times(product, factor)
        return product

    def _opposite(self, tree: Tree) -> Tree | None:
        """Return what a formula is minus of: one with that sign, or a name for one if the sigmoid of the other has a
        name."""
        if isinstance(tree, Negative):
            return tree.of
        meaning = self.meanings.get(tree) if isinstance(tree, Symbol) else None
        named = isinstance(meaning, Negative) and Call("sigmoid", (meaning.of,)) in self.names
        return meaning.of if named and isinstance(meaning, Negative) else None

    def _atom(self, tree: Tree) -> Ratio:
        place = self._places.setdefault(tree, len(self.atoms))
        if place == len(self.atoms):
            self.atoms.append(tree)
        return Ratio({((place, 1),): Fraction(1)}, ())

    def _polynomial(self, polynomial: Polynomial) -> Tree:
        if not polynomial:
            return Number(0)
        content = _common(polynomial)
        if content < 0 and any(value > 0 for value in polynomial.values()):
            content = -content  # y − 1, not −(1 − y): a term is positive, and can stand first
        ordered = sorted(polynomial.items(), key=lambda term: (term[1] / content < 0, term[0] != (), term[0]))
        terms = [self._term(monomial, value / content) for monomial, value in ordered]
        tree: Tree = terms[0] if len(terms) == 1 else Sum(tuple(terms))
        if content == 1:
            return tree
        size = abs(content)
        if size != 1:
            tree = Quotient(tree, Number(size.denominator)) if size.numerator == 1 else Product((Number(size), tree))
        return Negative(tree) if content < 0 else tree

    def _term(self, monomial: Monomial, coefficient: Fraction) -> Tree:
        factors: list[Tree] = [
            self.atoms[place] if power == 1 else Power(self.atoms[place], Number(power)) for place, power in monomial
        ]
        size = abs(coefficient)
        divisor = size.denominator if factors and size.numerator == 1 else 1
        if (size != 1 and divisor == 1) or not factors:
            factors.insert(0, Number(size))
        tree = factors[0] if len(factors) == 1 else Product(tuple(factors))
        if divisor != 1:
            tree = Quotient(tree, Number(divisor))
        return Negative(tree) if coefficient < 0 else tree


def times(x: Ratio, y: Ratio) -> Ratio:
    """Return the product.

    >>> times(ONE, ZERO) == ZERO
    True
    """
    return _cancelled(_times(x.top, y.top), (*x.bottom, *y.bottom))


def inverse(x: Ratio) -> Ratio:
    """1/x.

    Raises:
        TooComplexError: x is 0.

    >>> inverse(ONE) == ONE
    True
    """
    if not x.top:
        raise TooComplexError("a division by 0")
    return _cancelled(_product(_ONE, x.bottom), (x.top,))


# ------------------------------------------------------------------------------------------------- polynomials


def _cancelled(top: Polynomial, bottom: tuple[Polynomial, ...]) -> Ratio:
    """Return the ratio without the factors that both have."""
    if not top:
        return ZERO
    left: list[Polynomial] = []
    for factor in (part for whole in bottom for part in _split(whole)):
        if len(factor) == 1 and () in factor:
            top = _scaled(top, 1 / factor[()])
            continue
        quotient = _divided(top, factor)
        if quotient is None:
            # with the sign that an equal factor has already
            same = next((other for other in left if _is_multiple(factor, other)), None)
            if same is not None:
                top = _scaled(top, _leading(same) / _leading(factor))
            left.append(factor if same is None else same)
        else:
            top = quotient
    return Ratio(top, tuple(left))


def _split(polynomial: Polynomial) -> list[Polynomial]:
    """Return the powers of atoms that all terms have, one by one, and the rest."""
    shared = dict(next(iter(polynomial)))
    for monomial in polynomial:
        powers = dict(monomial)
        shared = {place: min(power, powers[place]) for place, power in shared.items() if place in powers}
    factors: list[Polynomial] = []
    for place, power in sorted(shared.items()):
        factors += [{((place, 1),): Fraction(1)}] * power
    rest = {_without(monomial, shared): value for monomial, value in polynomial.items()}
    return factors if rest == _ONE else [*factors, rest]


def _without(monomial: Monomial, powers: Mapping[int, int]) -> Monomial:
    left = [(place, power - powers.get(place, 0)) for place, power in monomial]
    return tuple((place, power) for place, power in left if power)


def _divided(top: Polynomial, bottom: Polynomial) -> Polynomial | None:
    """Return the quotient; None if there is a remainder."""
    lead = max(bottom, key=_rank)
    quotient: Polynomial = {}
    rest = dict(top)
    while rest:
        leading = max(rest, key=_rank)
        monomial = _monomial_quotient(leading, lead)
        if monomial is None or len(quotient) > _TERMS:
            return None
        value = rest[leading] / bottom[lead]
        quotient[monomial] = value
        rest = _plus(rest, _times({monomial: -value}, bottom))
    return quotient


def _rank(monomial: Monomial) -> tuple[tuple[int, int], ...]:
    """Return the lexicographic order: the first atom's power counts most."""
    return tuple((-place, power) for place, power in monomial)


def _monomial_quotient(top: Monomial, bottom: Monomial) -> Monomial | None:
    powers = dict(top)
    for place, power in bottom:
        powers[place] = powers.get(place, 0) - power
        if powers[place] < 0:
            return None
    return tuple(sorted((place, power) for place, power in powers.items() if power))


def _plus(x: Polynomial, y: Polynomial) -> Polynomial:
    total = dict(x)
    for monomial, value in y.items():
        total[monomial] = total.get(monomial, Fraction(0)) + value
    return _checked({monomial: value for monomial, value in total.items() if value})


def _times(x: Polynomial, y: Polynomial) -> Polynomial:
    product: Polynomial = {}
    for one, value in x.items():
        for other, factor in y.items():
            powers = dict(one)
            for place, power in other:
                powers[place] = powers.get(place, 0) + power
            monomial = tuple(sorted(powers.items()))
            product[monomial] = product.get(monomial, Fraction(0)) + value * factor
    return _checked({monomial: value for monomial, value in product.items() if value})


def _checked(polynomial: Polynomial) -> Polynomial:
    if len(polynomial) > _TERMS or any(power > _POWERS for monomial in polynomial for _, power in monomial):
        raise TooComplexError(f"a polynomial of {len(polynomial)} terms")
    return polynomial


def _product(polynomial: Polynomial, factors: tuple[Polynomial, ...]) -> Polynomial:
    for factor in factors:
        polynomial = _times(polynomial, factor)
    return polynomial


def _scaled(polynomial: Polynomial, factor: Fraction) -> Polynomial:
    return {monomial: value * factor for monomial, value in polynomial.items()}


def _leading(polynomial: Polynomial) -> Fraction:
    """Return the coefficient of the leading term."""
    return polynomial[max(polynomial, key=_rank)]


def _common(polynomial: Polynomial) -> Fraction:
    """Return what to write before the terms: their least coefficient, if all are multiples of it, with the leading
    sign."""
    if len(polynomial) == 1:
        return Fraction(1)
    least = min(map(abs, polynomial.values()))
    size = least if all((value / least).denominator == 1 for value in polynomial.values()) else Fraction(1)
    return size if _leading(polynomial) > 0 else -size


def _is_multiple(x: Polynomial, y: Polynomial) -> bool:
    """Whether one is a number times the other."""
    return x.keys() == y.keys() and len({x[monomial] / y[monomial] for monomial in x}) == 1


def _difference(wanted: tuple[Polynomial, ...], there: tuple[Polynomial, ...]) -> tuple[Polynomial, ...]:
    """Return the factors that are wanted and not there, each as often as it is missing."""
    left = list(there)
    missing = []
    for factor in wanted:
        if factor in left:
            left.remove(factor)
        else:
            missing.append(factor)
    return tuple(missing)
