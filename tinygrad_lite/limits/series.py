"""Numbers that are known near a point: series in an infinitesimal ε > 0, with fractional powers.

Where the chain rule meets 0·inf, the derivative is its limit along curves through the point, and numbers on a curve are
such series (Levi-Civita 1892; Shamseddine & Berz 1996 compute derivatives with them). A series knows up to which power
of ε it holds. A number that does not move with ε is a plain float; so is an exact 0, and 0 times anything is 0 here.

How an operation acts on series is read from its record: sums, products, quotients and powers by its ``definition``;
what chooses, by the sign of the leading term; an operation that scales (``degree``) by taking the power of ε out;
everything else from its derivative rule, as z' = Σ ∂z/∂x·x' is integrated term by term.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from tinygrad_lite.operations.arithmetic import interpreter, products_without_each
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import TABLE

#: So many powers of ε beyond the leading one are kept.
WINDOW: Final = 6.0
#: Powers of ε that are closer than this are the same; they are sums and products of a few fractions.
_SAME: Final = 1e-9
#: A sum that is smaller than its terms by this is 0: rounding, and nothing else.
_ROUNDING: Final = 2.0**-44
#: A recorded number and a series' term without ε differ by rounding if they differ by less.
_TOLERANCE: Final = 1e-12
#: So many terms of a series with small fractional powers.
_LONGEST: Final = 24.0
#: The power of ε from which on nothing is known of a number that is known to be continuous.
_NEXT_TO_NOTHING: Final = 1e-6
#: The records whose codes are up to this one are arithmetic, and what else value.py names.
_LAST_NAMED: Final = TABLE["relu"].code


class UndefinedError(Exception):
    """The curve leaves the domain: the function is not defined on this side."""


class UnknownError(Exception):
    """No series in powers of ε (a logarithm of it, say), or one that is not known far enough."""


class Series:
    """Σ termsₖ·ε^powersₖ + O(ε^limit), in ascending powers. Made by :func:`collected` alone."""

    __slots__ = ("_shorter", "limit", "powers", "results", "terms")

    def __init__(self, powers: list[float], terms: list[float], limit: float) -> None:
        self.powers: list[float] = powers
        self.terms: list[float] = terms
        self.limit: float = limit
        #: results of operations on it, by their code and their other operands
        self.results: dict[Any, Any] = {}
        self._shorter: dict[float, Any] = {}

    @property
    def lead(self) -> float:
        """The leading power."""
        return self.powers[0] if self.powers else self.limit

    def shorter(self, limit: float) -> Any:
        """Return the same without the terms from ε^limit on."""
        if limit >= self.limit:
            return self
        if limit not in self._shorter:
            self._shorter[limit] = collected(list(zip(self.powers, self.terms, strict=True)), limit)
        return self._shorter[limit]

    def shifted(self, power: float) -> Any:
        """Return it times ε^power."""
        return collected([(p + power, c) for p, c in zip(self.powers, self.terms, strict=True)], self.limit + power)

    def settled(self, number: float) -> Any:
        """Return the same with the number that the recorded node holds as its term without ε: they differ by
        rounding."""
        if not math.isfinite(number) or self.limit <= _SAME or (self.powers and self.powers[0] < -_SAME):
            return self
        start = self.coefficient()
        if start == number or abs(start - number) > _TOLERANCE * max(abs(start), abs(number), *map(abs, self.terms)):
            return self
        return collected(
            [(0.0, number), *[(p, c) for p, c in zip(self.powers, self.terms, strict=True) if p > _SAME]], self.limit
        )

    def coefficient(self) -> float:
        """Return the term without ε, which is the limit; infinite where there is a negative power.

        Raises:
            UnknownError: The series is not known so far.
        """
        if self.powers and self.powers[0] < -_SAME:
            return math.copysign(math.inf, self.terms[0])
        if self.limit <= _SAME:
            raise UnknownError
        return self.terms[0] if self.powers and self.powers[0] <= _SAME else 0.0

    def __add__(self, other: Any) -> Any:
        pairs = list(zip(self.powers, self.terms, strict=True))
        if isinstance(other, Series):
            return collected([*pairs, *zip(other.powers, other.terms, strict=True)], min(self.limit, other.limit))
        return collected([*pairs, (0.0, float(other))], self.limit)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Series):
            pairs = [
                (p + q, c * d)
                for p, c in zip(self.powers, self.terms, strict=True)
                for q, d in zip(other.powers, other.terms, strict=True)
            ]
            return collected(pairs, min(self.limit + other.lead, other.limit + self.lead))
        factor = float(other)
        if factor == 0.0:
            return 0.0
        if not math.isfinite(factor):
            raise UnknownError
        return collected([(p, c * factor) for p, c in zip(self.powers, self.terms, strict=True)], self.limit)

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __neg__(self) -> Any:
        return self * -1.0

    def __pos__(self) -> Any:
        return self

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Series):
            return self * power(other, -1.0)
        if other == 0.0:
            raise UnknownError
        return collected([(p, c / other) for p, c in zip(self.powers, self.terms, strict=True)], self.limit)

    def __rtruediv__(self, other: Any) -> Any:
        return 0.0 if other == 0.0 else power(self, -1.0) * other

    def __pow__(self, other: Any) -> Any:
        return evaluate_by_rule(TABLE["pow"], [self, other]) if isinstance(other, Series) else power(self, float(other))

    def __rpow__(self, other: Any) -> Any:
        return evaluate_by_rule(TABLE["pow"], [other, self])

    def __abs__(self) -> Any:
        return -self if sign(self) < 0.0 else self

    def __floordiv__(self, other: Any) -> Any:
        return evaluate(TABLE["floor"], [self / other])

    def __rfloordiv__(self, other: Any) -> Any:
        return evaluate(TABLE["floor"], [other / self])

    def __repr__(self) -> str:
        terms = " + ".join(f"{c!r}·ε^{p:g}" for p, c in zip(self.powers, self.terms, strict=True))
        return f"{terms or 0} + O(ε^{self.limit:g})"


def epsilon(start: float, step: float, order: float) -> Any:
    """start + step·ε^order: how a leaf moves."""
    return collected([(0.0, start), (order, step)], math.inf)


def seed(number: float) -> Series:
    """Return a number that moves in a way which is not known."""
    return Series([0.0], [number], _NEXT_TO_NOTHING)


def collected(pairs: list[tuple[float, float]], limit: float) -> Any:
    """Return the sum of (power, coefficient) pairs and O(ε^limit): a Series, or a float where nothing moves."""
    pairs.sort()
    powers: list[float] = []
    terms: list[float] = []
    i = 0
    while i < len(pairs):
        exponent, total = pairs[i]
        size = abs(total)
        i += 1
        while i < len(pairs) and pairs[i][0] - exponent < _SAME:
            total += pairs[i][1]
            size += abs(pairs[i][1])
            i += 1
        if powers and exponent > powers[0] + WINDOW:
            limit = min(limit, exponent)
        if exponent > limit - _SAME:
            break
        if not math.isfinite(total):
            raise UnknownError
        if abs(total) > _ROUNDING * size:
            powers.append(exponent)
            terms.append(total)
    if limit == math.inf and (not powers or (len(powers) == 1 and abs(powers[0]) < _SAME)):
        return terms[0] if terms else 0.0
    return Series(powers, terms, limit)


def standard(x: Any) -> float:
    """Return the term without ε of a finite number.

    Raises:
        UnknownError: It is infinite, or not known.
    """
    if not isinstance(x, Series):
        return float(x)
    found = x.coefficient()
    if not math.isfinite(found):
        raise UnknownError
    return found


def sign(x: Any) -> float:
    """-1, 0 or 1 as it is for all small ε."""
    if not isinstance(x, Series):
        return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0
    if not x.powers:
        raise UnknownError
    return math.copysign(1.0, x.terms[0])


def power(x: Series, exponent: float) -> Any:
    """x to a plain power: (c·ε^q)^p times the binomial series of what is left."""
    if exponent == 0.0:
        return 1.0
    if not x.powers:
        raise UnknownError
    lead, factor = x.powers[0], x.terms[0]
    if factor < 0.0 and exponent != math.floor(exponent):
        raise UndefinedError
    rest = collected([(p - lead, c / factor) for p, c in zip(x.powers[1:], x.terms[1:], strict=True)], x.limit - lead)
    total: Any = 1.0
    term: Any = 1.0
    k = 0
    if isinstance(rest, Series):
        while True:
            term = term * rest * ((exponent - k) / (k + 1))
            k += 1
            if not isinstance(term, Series):  # a whole power ends by itself
                break
            total = total + term
            if term.lead > WINDOW or not term.powers:
                total = total + Series([], [], term.lead)
                break
    scale = math.pow(factor, exponent)
    if isinstance(total, Series):
        return (total * scale).shifted(lead * exponent)
    return collected([(lead * exponent, scale)], math.inf)


def derivative(x: Series) -> Any:
    """By ε."""
    return collected([(p - 1.0, c * p) for p, c in zip(x.powers, x.terms, strict=True) if p != 0.0], x.limit - 1.0)


def integral(x: Any) -> Any:
    """Over ε, from 0.

    Raises:
        UnknownError: It is a logarithm.
    """
    if not isinstance(x, Series):
        return 0.0 if x == 0.0 else Series([1.0], [float(x)], math.inf)
    pairs = []
    for p, c in zip(x.powers, x.terms, strict=True):
        if p <= -1.0 + _SAME:
            raise UnknownError
        pairs.append((p + 1.0, c / (p + 1.0)))
    return collected(pairs, x.limit + 1.0)


# --------------------------------------------------------------------------------------------- operations


def evaluate(op: Op, operands: Sequence[Any]) -> Any:
    """Return the operation on series and floats.

    Raises:
        UndefinedError: They are outside its domain.
        UnknownError: The result is no series in powers of ε.
    """
    if not any(isinstance(x, Series) for x in operands):
        return _on_floats(op, operands)
    if op.definition is not None and (op.code <= _LAST_NAMED or op.chooses or op.kink is not None):
        return _by_definition(op, operands)
    if op.flat:
        return _jump(op, operands)
    moving = [x for x in operands if isinstance(x, Series)]
    key = (op.code, *[None if isinstance(x, Series) else x for x in operands])
    if len(moving) == 1 and key in moving[0].results:
        return moving[0].results[key]
    try:
        result = _scaled(op, operands) if op.degree is not None else evaluate_by_rule(op, operands)
    except UnknownError:
        if op.definition is None or op.degree is not None:
            raise
        result = _by_definition(op, operands)
    if len(moving) == 1:
        moving[0].results[key] = result
    return result


def _by_definition(op: Op, operands: Sequence[Any]) -> Any:
    try:
        return op.by_definition(SERIES, operands)
    except (ArithmeticError, AttributeError) as error:
        raise UnknownError from error


def _on_floats(op: Op, operands: Sequence[Any]) -> float:
    try:
        return float(op.value(operands))
    except ValueError as error:
        raise UndefinedError from error
    except (ArithmeticError, LookupError, TypeError) as error:
        raise UnknownError from error


def _jump(op: Op, operands: Sequence[Any]) -> float:
    """Return what is constant on either side: a comparison by the sign of the difference, the rest a float further."""
    if op.arity == 2:
        return _on_floats(op, [sign(operands[0] - operands[1]), 0.0])
    x = standard(operands[0])
    towards = sign(operands[0] - x)
    return _on_floats(op, [math.nextafter(x, towards * math.inf) if towards else x])


def _scaled(op: Op, operands: Sequence[Any]) -> Any:
    """Evaluate what scales with its operands: take ε^lead out of them, so that some are neither infinite nor small."""
    assert op.degree is not None
    leads = [x.lead if isinstance(x, Series) else 0.0 for x in operands if isinstance(x, Series) or x != 0.0]
    lead = min(leads)
    if abs(lead) < _SAME:
        return evaluate_by_rule(op, operands)
    scaled = [x.shifted(-lead) if isinstance(x, Series) else x * Series([-lead], [1.0], math.inf) for x in operands]
    result = evaluate(op, scaled)
    if isinstance(result, Series):
        return result.shifted(lead * op.degree)
    return collected([(lead * op.degree, result)], math.inf)


def evaluate_by_rule(op: Op, operands: Sequence[Any]) -> Any:
    """z from its value without ε and from z' = Σ ∂z/∂x·x', where the rule runs on series that are known less far."""
    start = _on_floats(op, [standard(x) for x in operands])
    if not math.isfinite(start):
        raise UnknownError
    limit = WINDOW
    step = math.inf
    for x in operands:
        if isinstance(x, Series):
            limit = min(limit, x.limit)
            step = min([step, x.limit, *[p for p in x.powers if p > _SAME][:1]])
    limit = min(limit, _LONGEST * step)
    if limit <= step + _SAME:
        return collected([(0.0, start)], limit)
    shorter = [x.shorter(limit - step) if isinstance(x, Series) else x for x in operands]
    try:
        result = evaluate(op, shorter)
    except UnknownError:  # at an edge of the domain too little is left of the operands; few rules look at the result
        result = collected([(0.0, start)], _NEXT_TO_NOTHING)
    moving = [isinstance(x, Series) for x in operands]
    slope: Any = 0.0
    for x, partial in zip(operands, partials(op, shorter, result, moving), strict=True):
        if isinstance(x, Series):
            slope = slope + partial * derivative(x)
    moved = integral(slope) + start
    return moved.shorter(limit) if isinstance(moved, Series) else moved


def partials(op: Op, operands: Sequence[Any], result: Any, wanted: Sequence[bool]) -> list[Any]:
    """Return the derivative rule on series; None where not wanted.

    Raises:
        UndefinedError, UnknownError: As its operations.
    """
    try:
        return op.derivatives(SERIES, list(operands), result, wanted)
    except (ArithmeticError, ValueError) as error:
        raise UnknownError from error


def _where(condition: Any, x: Any, y: Any) -> Any:
    return x if sign(condition) != 0.0 else y


def _softmaxes(xs: Sequence[Any]) -> list[Any]:
    top = max(standard(x) for x in xs)
    exponentials = [evaluate(TABLE["exp"], [x - top]) for x in xs]
    total: Any = 0.0
    for e in exponentials:
        total = total + e
    return [e / total for e in exponentials]


#: The arithmetic in which rules and definitions run on series.
SERIES: Final = interpreter(
    evaluate,
    where=_where,
    sum=lambda xs: _by_definition(TABLE["sum"], xs),
    abs=abs,
    softmaxes=_softmaxes,
    products_without_each=products_without_each,
)
