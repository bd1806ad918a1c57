"""Laws of sizes: an integer, a number or a text that each of a few traces has, as a function of the sizes.

A trace at small sizes says 12, one at other sizes 15, and so on: the simplest law that gives all of them exactly is
taken. A law has fewer coefficients than there are traces, by two at least, so that it is checked on traces that it was
not fitted on. Products of sizes are strides of arrays, sizes divided by a whole number are widths of heads and lengths
after a stride; 1/n, n^(−1/2) and the like are what means and scales are made of.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Final

import numpy as np

from tinygrad_lite.errors import LiftError

#: Sizes, one for each symbol.
Sizes = tuple[int, ...]
#: The symbols of which a product is made.
_Monomial = tuple[int, ...]

#: How many traces a law is checked on that it was not fitted on, at least.
_CHECKED: Final = 2
#: Denominators of coefficients are at most this: the width of a head is a size divided by a small number.
_LARGEST_DENOMINATOR: Final = 16
#: How far numbers may be from their law, relative to the largest: 1/n and n^(−1) round in different ways.
_ROUNDING: Final = 4e-15
#: What is added to a size, or taken from it, in a number: 1/(n − 1).
_SHIFTS: Final = (0, -1, 1, -2, 2, -3, 3)
#: How far what is looked at exactly may be from a law when computed in floats, relative to the largest.
_NEAR: Final = 1e-9
_EXPONENTS: Final = (-1.0, 1.0, -0.5, 0.5, -2.0, 2.0)


class NoLawError(LiftError):
    """Nothing simple explains what the traces say."""


@dataclass(frozen=True)
class IntegerLaw:
    """A polynomial in the sizes, divided by a whole number and rounded down.

    Attributes:
        terms: Coefficients, and the symbols that each is multiplied by.
        divisor: 1 where nothing is divided.
        offset: What is added afterwards.

    >>> IntegerLaw(((2, (0, 1)), (1, ()))).at((3, 5))
    31
    """

    terms: tuple[tuple[int, _Monomial], ...]
    divisor: int = 1
    offset: int = 0

    def at(self, sizes: Sequence[int]) -> int:
        """Compute it for sizes."""
        total = sum([coefficient * math.prod([sizes[i] for i in monomial]) for coefficient, monomial in self.terms])
        return total // self.divisor + self.offset


@dataclass(frozen=True)
class NumberLaw:
    """A number: constant + factor · basis(sizes).

    Attributes:
        constant: What is added.
        factor: Of the basis.
        bases: Pairs of a base, an :class:`IntegerLaw`, and its exponent: the basis is their product.
    """

    constant: float
    factor: float = 0.0
    bases: tuple[tuple[IntegerLaw, float], ...] = ()

    def at(self, sizes: Sequence[int]) -> float:
        """Compute it for sizes."""
        if not self.bases:
            return self.constant
        basis = _power(math.prod([float(base.at(sizes)) for base, _ in self.bases]), self.bases[0][1])
        return self.constant + self.factor * basis


@dataclass(frozen=True)
class TextLaw:
    """A text with whole numbers in it: what is around them, and a law for each."""

    parts: tuple[str, ...]
    numbers: tuple[IntegerLaw, ...]

    def at(self, sizes: Sequence[int]) -> str:
        """Write it for sizes."""
        written = [str(law.at(sizes)) for law in self.numbers]
        return "".join([part + number for part, number in itertools.zip_longest(self.parts, written, fillvalue="")])


class Fitter:
    """Finds laws of what a few traces say.

    Args:
        points: The sizes of each trace.

    >>> fitter = Fitter([(5, 7), (6, 9), (8, 11), (9, 10), (7, 13)])
    >>> law = fitter.fit_integer([35, 54, 88, 90, 91])
    >>> law.at((100, 1000))
    100000
    >>> fitter.fit_number([1 / 6, 1 / 8, 1 / 10, 1 / 9, 1 / 12]).at((2, 101))
    0.01
    >>> fitter.fit_integer([1, 7, 2, 90, 4])
    Traceback (most recent call last):
    ...
    tinygrad_lite.lift.sizes.laws.NoLawError: 1, 7, 2, 90, 4
    """

    def __init__(self, points: Sequence[Sizes]) -> None:
        self.points = points
        self._symbols = range(len(points[0]))
        self._integers: dict[tuple[int, ...], IntegerLaw | None] = {}
        self._numbers: dict[tuple[float, ...], NumberLaw | None] = {}
        self._bases: list[tuple[tuple[tuple[IntegerLaw, float], ...], list[float]]] | None = None

    def fit_integer(self, values: Sequence[int]) -> IntegerLaw:
        """Find the law of a whole number.

        Raises:
            NoLawError: There is none.
        """
        key = tuple([int(value) for value in values])
        if key not in self._integers:
            self._integers[key] = self._search_integer(key)
        law = self._integers[key]
        if law is None:
            raise NoLawError(", ".join(map(str, key)))
        return law

    def fit_number(self, values: Sequence[float]) -> NumberLaw:
        """Find the law of a number; raise as :meth:`fit_integer`."""
        key = tuple(values)
        if key not in self._numbers:
            self._numbers[key] = self._search_number(key)
        law = self._numbers[key]
        if law is None:
            raise NoLawError(", ".join(map(repr, key)))
        return law

    def fit_text(self, texts: Sequence[str]) -> TextLaw:
        """Find the law of a text; raise as :meth:`fit_integer`."""
        split = [re.split(r"(\d+)", text) for text in texts]
        if len({tuple(parts[::2]) for parts in split}) > 1:
            raise NoLawError(" and ".join(map(repr, dict.fromkeys(texts))))
        numbers = zip(*[map(int, parts[1::2]) for parts in split], strict=True)
        return TextLaw(tuple(split[0][::2]), tuple([self.fit_integer(each) for each in numbers]))

    # ------------------------------------------------------------------------------------------- whole numbers

    def _search_integer(self, values: tuple[int, ...]) -> IntegerLaw | None:
        if len(set(values)) == 1:
            return IntegerLaw(((values[0], ()),))
        numbers = np.array(values, dtype=np.float64)
        for choices, projectors in self._systems:
            apart = np.abs(projectors @ numbers).max(axis=1)
            for place in np.flatnonzero(apart <= _NEAR * np.abs(numbers).max()).tolist():
                law = self._solve(choices[place], values)
                if law is not None:
                    return law
        return self._search_quotient(values)

    @cached_property
    def _systems(self) -> list[tuple[list[tuple[_Monomial, ...]], Any]]:
        """List which monomials may make a law, the simplest first, with projectors on what they cannot explain."""
        most = len(self.points) - _CHECKED
        affine: list[_Monomial] = [(), *[(i,) for i in self._symbols]]
        products = [*itertools.combinations_with_replacement(self._symbols, 2)]
        cubes = [*itertools.combinations_with_replacement(self._symbols, 3)]
        found = []
        for monomials, count in ((affine, min(3, most)), ([*affine, *products], min(3, most)), ([*affine, *cubes], 2)):
            for terms in range(1, min(count, len(monomials)) + 1):
                choices = list(itertools.combinations(monomials, terms))
                rows = np.array([self._compute_rows(chosen) for chosen in choices], dtype=np.float64)
                rows /= np.abs(rows).max(axis=1, keepdims=True)
                found.append((choices, np.eye(len(self.points)) - rows @ np.linalg.pinv(rows)))
        return found

    def _compute_rows(self, chosen: Sequence[_Monomial]) -> list[list[int]]:
        return [[math.prod([point[i] for i in monomial]) for monomial in chosen] for point in self.points]

    def _solve(self, chosen: Sequence[_Monomial], values: tuple[int, ...]) -> IntegerLaw | None:
        """Find the coefficients that give the values, if they do in all traces."""
        rows = self._compute_rows(chosen)
        if len(chosen) == 1:  # most laws are a size, or a product of sizes
            first = Fraction(values[0], rows[0][0])
            solution: list[Fraction] | None = [first]
        else:
            solution = _solve_exactly(rows, values)
        if solution is None or any(x.denominator > _LARGEST_DENOMINATOR or not x for x in solution):
            return None
        divisor = math.lcm(*[x.denominator for x in solution])
        law = IntegerLaw(
            tuple([(int(x * divisor), monomial) for x, monomial in zip(solution, chosen, strict=True)]), divisor
        )
        exact = all(
            sum([x * y for x, y in zip(solution, row, strict=True)]) == value
            for row, value in zip(rows, values, strict=True)
        )
        return law if exact else None

    def _search_quotient(self, values: tuple[int, ...]) -> IntegerLaw | None:
        """Find (size + shift) // divisor + offset: what is left after strides."""
        for i in self._symbols:
            for divisor in range(2, 9):
                for shift in range(divisor):
                    rounded = [(point[i] + shift) // divisor for point in self.points]
                    offset = values[0] - rounded[0]
                    if all(whole + offset == value for whole, value in zip(rounded, values, strict=True)):
                        return IntegerLaw(((1, (i,)), (shift, ())), divisor, offset)
        return None

    # ------------------------------------------------------------------------------------------------- numbers

    def _search_number(self, values: tuple[float, ...]) -> NumberLaw | None:
        if len(set(values)) == 1 or all(math.isnan(value) for value in values):
            return NumberLaw(values[0])
        if not all(map(math.isfinite, values)):
            return None
        if all(value == int(value) for value in values):
            try:
                return NumberLaw(0.0, 1.0, ((self.fit_integer([int(value) for value in values]), 1.0),))
            except NoLawError:
                pass
        for free in (False, True):
            for bases, basis in self._list_bases():
                law = _fit_line(bases, basis, values, free)
                if law is not None:
                    return law
        return None

    def _list_bases(self) -> list[tuple[tuple[tuple[IntegerLaw, float], ...], list[float]]]:
        if self._bases is None:
            self._bases = []
            for bases in self._list_factors():
                for exponent in _EXPONENTS:
                    numbers = [
                        _power(math.prod([float(base.at(point)) for base in bases]), exponent) for point in self.points
                    ]
                    if all(map(math.isfinite, numbers)) and len(set(numbers)) > 1:
                        self._bases.append((tuple([(base, exponent) for base in bases]), numbers))
        return self._bases

    def _list_factors(self) -> Iterator[tuple[IntegerLaw, ...]]:
        """List what numbers are powers of: n + k, n · m, (n + k) · (m + l), n + m."""
        shifted = {
            i: [IntegerLaw(((1, (i,)), *([(shift, ())] if shift else []))) for shift in _SHIFTS] for i in self._symbols
        }
        for i in self._symbols:
            yield from [(law,) for law in shifted[i]]
        for i, j in itertools.combinations_with_replacement(self._symbols, 2):
            yield from [(a, b) for a in shifted[i][:3] for b in shifted[j][:3]]
            if i < j:
                yield (IntegerLaw(((1, (i,)), (1, (j,)))),)


def _power(base: float, exponent: float) -> float:
    if exponent == -1.0:
        return 1.0 / base if base else math.nan
    if exponent == 0.5:
        return math.sqrt(base) if base >= 0.0 else math.nan
    if exponent == -0.5:
        return 1.0 / math.sqrt(base) if base > 0.0 else math.nan
    return float(base**exponent) if base else math.nan


def _fit_line(
    bases: tuple[tuple[IntegerLaw, float], ...], basis: Sequence[float], values: Sequence[float], free: bool
) -> NumberLaw | None:
    """Fit factor · basis to the values, and with ``free`` a constant besides."""
    constant = 0.0
    if free:
        low, high = min(range(len(basis)), key=basis.__getitem__), max(range(len(basis)), key=basis.__getitem__)
        factor = (values[high] - values[low]) / (basis[high] - basis[low])
        constant = values[low] - factor * basis[low]
        simple = round(constant * 720.0) / 720.0
        constant = simple if abs(constant - simple) < 1e-12 else constant
    else:
        factor = values[0] / basis[0]
    whole = round(factor * 720.0) / 720.0  # 1.0000000000000002 is 1: what rounded was the trace's 1/n
    if whole and abs(factor - whole) < 1e-14 * abs(factor):
        factor = whole
    scale = max(map(abs, values))
    bound = _ROUNDING * scale * (8.0 if free else 1.0)
    fits = all(abs(constant + factor * x - value) <= bound for x, value in zip(basis, values, strict=True))
    return NumberLaw(constant, factor, bases) if fits else None


def _solve_exactly(rows: Sequence[Sequence[int]], values: Sequence[int]) -> list[Fraction] | None:
    """Solve a system with more equations than unknowns, if its rank is full: by elimination, in fractions."""
    count = len(rows[0])
    table = [[*map(Fraction, row), Fraction(value)] for row, value in zip(rows, values, strict=True)]
    for column in range(count):
        pivot = next((row for row in range(column, len(table)) if table[row][column]), None)
        if pivot is None:
            return None
        table[column], table[pivot] = table[pivot], table[column]
        leading = table[column]
        for row in range(len(table)):
            if row != column and table[row][column]:
                share = table[row][column] / leading[column]
                table[row] = [x - share * y for x, y in zip(table[row], leading, strict=True)]
    if any(row[count] for row in table[count:]):
        return None
    return [table[i][count] / table[i][i] for i in range(count)]
