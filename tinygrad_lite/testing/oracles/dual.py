"""Dual numbers, and the arithmetics in which a textbook formula is evaluated to differentiate it.

A dual number carries a value and a slope (Clifford 1873); arithmetic on it is forward-mode differentiation. Dual
numbers nest, so that formulas give derivatives of any order. The derivatives of the twenty
elementary functions stand in this file, apart from the operation table's rules, which they are there to judge; of the
table nothing is used but definitions.

An :class:`Arithmetic` is a base of numbers (mpmath's, floats or complex numbers) with the table's functions on it. It
also notes each decision (which of two numbers is greater, how one is rounded down), and takes other ones if told to:
that is how both sides of a kink are looked at.
"""

from __future__ import annotations

import cmath
import functools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
from mpmath import mp, mpc, mpf

from tinygrad_lite.operations.ops import TABLE

#: One rounding of a float is at most this, relative to the result.
UNIT_ROUNDOFF = 2.0**-53


class Dual:
    """value + slope·ε with ε² = 0. An inner derivative has a lower level than the derivative taken of it.

    A slope that is the int 0 is that of something which does not move; any other slope of 0 just happens to be 0 here.
    """

    __slots__ = ("level", "slope", "value")

    def __init__(self, value: Any, slope: Any, level: int = 1) -> None:
        self.value = value
        self.slope = slope
        self.level = level

    def parts(self, other: Any) -> tuple[Any, Any]:
        """Value and slope of the other operand, seen from this level."""
        if isinstance(other, Dual) and other.level == self.level:
            return other.value, other.slope
        return other, 0

    def __add__(self, other: Any) -> Any:
        if outranks(other, self):
            return other + self
        v, s = self.parts(other)
        return Dual(self.value + v, self.slope + s, self.level)

    def __mul__(self, other: Any) -> Any:
        if outranks(other, self):
            return other * self
        v, s = self.parts(other)
        if not isinstance(other, Dual) and primal(other) == 0:  # a constant 0 passes nothing on
            return Dual(self.value * v, 0, self.level)
        return Dual(self.value * v, scaled(self.slope, v) + scaled(s, self.value), self.level)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return Dual(-self.value, -self.slope, self.level)

    def __pos__(self) -> Any:
        return self

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __truediv__(self, other: Any) -> Any:
        return self * reciprocal(other)

    def __rtruediv__(self, other: Any) -> Any:
        return other * reciprocal(self)

    def __pow__(self, other: Any) -> Any:
        return power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return power(other, self)

    def __abs__(self) -> Any:
        return -self if primal(self) < 0 else self

    def __lt__(self, other: Any) -> bool:
        return bool(primal(self) < primal(other))

    def __gt__(self, other: Any) -> bool:
        return bool(primal(self) > primal(other))

    def __le__(self, other: Any) -> bool:
        return bool(primal(self) <= primal(other))

    def __ge__(self, other: Any) -> bool:
        return bool(primal(self) >= primal(other))

    def __bool__(self) -> bool:
        return bool(primal(self) != 0)

    def __int__(self) -> int:
        return int(primal(self))

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, {self.slope!r}, level={self.level})"


class Noisy:
    """A number on which every operation is off by a few roundings: how far the result moves is how far floats may be.

    (The idea of CESTAC, Vignes 1974: rounding errors are not bounded but sampled.)
    """

    __slots__ = ("number", "source")

    def __init__(self, number: Any, source: random.Random) -> None:
        self.number = number
        self.source = source

    def shaken(self, result: Any, *operands: Any) -> Noisy:
        """Return the result of an operation, moved by 8 to 16 roundings; exact where floats are exact too."""
        if isinstance(result, mpc):
            raise ValueError("outside the domain: the result is not real")
        source = self.source
        if result and result not in operands and -result not in operands and not _whole(result, operands):
            sign = 1.0 if source.random() < 0.5 else -1.0
            roundings = sign * (8.0 + 8.0 * source.random())
            if abs(result) < 1e-290:  # subnormal floats are further apart
                result = result + mpf(roundings) * mpf(5e-324)
            result = result * (1 + mpf(roundings * UNIT_ROUNDOFF))
        return Noisy(result, source)

    def __add__(self, other: Any) -> Any:
        number = plain(other)
        return NotImplemented if number is None else self.shaken(self.number + number, self.number, number)

    def __mul__(self, other: Any) -> Any:
        number = plain(other)
        return NotImplemented if number is None else self.shaken(self.number * number, self.number, number)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Noisy:
        return Noisy(-self.number, self.source)

    def __pos__(self) -> Noisy:
        return self

    def __sub__(self, other: Any) -> Any:
        return NotImplemented if plain(other) is None else self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __truediv__(self, other: Any) -> Any:
        number = plain(other)
        return NotImplemented if number is None else self.shaken(self.number / number, self.number, number)

    def __rtruediv__(self, other: Any) -> Any:
        number = plain(other)
        return NotImplemented if number is None else self.shaken(number / self.number, number)

    def __pow__(self, other: Any) -> Any:
        number = plain(other)
        return NotImplemented if number is None else self.shaken(self.number**number, self.number)

    def __rpow__(self, other: Any) -> Any:
        number = plain(other)
        return NotImplemented if number is None else self.shaken(number**self.number, number)

    def __abs__(self) -> Noisy:
        return Noisy(abs(self.number), self.source)

    def __int__(self) -> int:
        return int(self.number)

    def __repr__(self) -> str:
        return f"Noisy({self.number!r})"


def _whole(result: Any, operands: Sequence[Any]) -> bool:
    """Whether floats compute this result without rounding: sums and products of small whole numbers are such."""
    return (
        bool(operands)
        and abs(result) < 2**53
        and result == int(result)
        and all(abs(x) < 2**53 and x == int(x) for x in operands)
    )


def plain(x: Any) -> Any:
    """Return the mpmath number of a plain or a noisy one; None for anything else."""
    if isinstance(x, Noisy):
        return x.number
    if isinstance(x, mpf):
        return x
    return mpf(x) if isinstance(x, (int, float)) else None


def outranks(x: Any, y: Dual) -> bool:
    """Whether x is a dual number of a higher level."""
    return isinstance(x, Dual) and x.level > y.level


def primal(x: Any) -> Any:
    """Return the number below all slopes, without its noise."""
    while isinstance(x, Dual):
        x = x.value
    return x.number if isinstance(x, Noisy) else x


def vanishes(x: Any) -> bool:
    """Whether it is 0 and so are all its slopes."""
    if isinstance(x, Dual):
        return vanishes(x.value) and vanishes(x.slope)
    return bool(primal(x) == 0)


def is_still(slope: Any) -> bool:
    """Whether it is the slope of what does not move, and does not just happen to be 0 here."""
    return isinstance(slope, int) and slope == 0


def scaled(slope: Any, factor: Any) -> Any:
    """Return a slope times a number: of what does not move, it does not either."""
    return 0 if is_still(slope) else slope * factor


def chain(slope: Any, derivative: Callable[[], Any]) -> Any:
    """slope times the derivative: nan where there is none, unless nothing moves; 0 times infinity is not known."""
    if is_still(slope):
        return 0
    try:
        return slope * derivative()
    except (ZeroDivisionError, ValueError):
        return mpf("nan")


def reciprocal(x: Any) -> Any:
    """1/x."""
    if isinstance(x, Dual):
        inverse = reciprocal(x.value)
        return Dual(inverse, -scaled(x.slope, inverse * inverse), x.level)
    return 1 / (mpf(x) if isinstance(x, int) else x)


def power(x: Any, y: Any) -> Any:
    """x to the power y, by its total differential; a plain exponent allows x <= 0."""
    if not isinstance(x, Dual) and not isinstance(y, Dual):
        if isinstance(x, int):
            x = mpf(x)
        result = x**y
        return real(result) if isinstance(result, mpc) else result
    level = max(z.level for z in (x, y) if isinstance(z, Dual))
    xv, xs = (x.value, x.slope) if isinstance(x, Dual) and x.level == level else (x, 0)
    yv, ys = (y.value, y.slope) if isinstance(y, Dual) and y.level == level else (y, 0)
    by_base = 0 if vanishes(yv) else chain(xs, lambda: yv * power(xv, yv - 1))
    by_exponent = chain(ys, lambda: power(xv, yv) * _log(xv))
    return Dual(power(xv, yv), by_base + by_exponent, level)


def _log(x: Any) -> Any:
    """Return the logarithm in whatever x is made of."""
    if isinstance(x, Dual):
        return Dual(_log(x.value), chain(x.slope, lambda: reciprocal(x.value)), x.level)
    if isinstance(x, Noisy):
        return x.shaken(mp.log(x.number))
    if isinstance(x, complex):
        return cmath.log(x)
    return math.log(x) if isinstance(x, float) else real(mp.log(x))


def real(x: Any) -> Any:
    """Return the number, if it is real.

    Raises:
        ValueError: It is not: a formula was evaluated outside its domain.
    """
    if isinstance(x, mpc):
        raise ValueError("outside the domain: the result is not real")
    return x


def _real_root(principal: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make the odd root that is real everywhere of the principal one. (No decision is taken: it has no kink.)"""
    return lambda x: principal(x) if _ordered(x) >= 0 else -principal(-x)


#: The derivative of each elementary function of one operand (Abramowitz & Stegun 1964, chapters 4 and 7).
DERIVATIVES: Mapping[str, Callable[[Any, Any], Any]] = {
    "exp": lambda m, x: m.exp(x),
    "expm1": lambda m, x: m.exp(x),
    "log": lambda m, x: 1 / x,
    "log1p": lambda m, x: 1 / (1 + x),
    "sqrt": lambda m, x: 1 / (2 * m.sqrt(x)),
    "cbrt": lambda m, x: m.cbrt(x) / (3 * x),
    "sin": lambda m, x: m.cos(x),
    "cos": lambda m, x: -m.sin(x),
    "tan": lambda m, x: m.cos(x) ** -2,
    "asin": lambda m, x: 1 / m.sqrt(1 - x * x),
    "acos": lambda m, x: -1 / m.sqrt(1 - x * x),
    "atan": lambda m, x: 1 / (1 + x * x),
    "sinh": lambda m, x: m.cosh(x),
    "cosh": lambda m, x: m.sinh(x),
    "tanh": lambda m, x: m.cosh(x) ** -2,
    "asinh": lambda m, x: 1 / m.sqrt(x * x + 1),
    "acosh": lambda m, x: 1 / m.sqrt(x * x - 1),
    "atanh": lambda m, x: 1 / (1 - x * x),
    "erf": lambda m, x: 2 / m.sqrt(m.pi) * m.exp(-(x * x)),
    "erfc": lambda m, x: -2 / m.sqrt(m.pi) * m.exp(-(x * x)),
}


class Arithmetic:
    """The functions that a definition of the operation table names, on one kind of numbers and on dual numbers of them.

    Args:
        number: Makes a number of this kind from a float or an int.
        functions: The elementary functions on plain numbers of this kind.
        pi: π as such a number.
        source: Where noise comes from; None: none.
    """

    exp: Any
    log: Any
    sqrt: Any
    cbrt: Any

    def __init__(
        self,
        number: Callable[[Any], Any],
        functions: Callable[[str], Callable[[Any], Any]],
        pi: Any,
        source: random.Random | None = None,
    ) -> None:
        self._number = number
        self.pi = pi
        self.source = source
        #: every decision since it was last cleared: -1, 0 or 1 for a comparison, a whole number for a rounding
        self.decisions: list[int] = []
        #: which of them are ties: equal numbers, or a whole number to be rounded
        self.tied: list[bool] = []
        #: what to decide instead, by the number of the decision: 1 "slightly above", -1 "slightly below", 0 as it is
        self.forced: Mapping[int, int] = {}
        for name, derivative in DERIVATIVES.items():
            function = functions(name)
            setattr(self, name, self._lifted(_real_root(function) if name == "cbrt" else function, derivative))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return an operation of the table that is none of these functions, by its definition."""
        op = TABLE.get(name)
        if op is None or op.definition is None:
            raise AttributeError(f"no arithmetic of definitions has {name!r}")
        return functools.partial(op.definition, self)

    def number(self, x: float) -> Any:
        """Return a float as a number of this kind."""
        made = self._number(x)
        return made if self.source is None else Noisy(made, self.source)

    def _lifted(self, function: Callable[[Any], Any], derivative: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
        def on_any(x: Any) -> Any:
            if isinstance(x, Dual):
                return Dual(on_any(x.value), chain(x.slope, lambda: derivative(self, x.value)), x.level)
            if isinstance(x, Noisy):
                return x.shaken(function(x.number))
            return real(function(self._number(x)))

        return on_any

    # ------------------------------------------------------------------------------------- decisions

    def begin(self, forced: Mapping[int, int] | None = None) -> None:
        """Forgets the decisions of the operation before; sets those to take otherwise in the next."""
        self.decisions.clear()
        self.tied.clear()
        self.forced = forced or {}

    def _decide(self, decision: int, tied: bool, forced: Callable[[int], int]) -> int:
        side = self.forced.get(len(self.decisions))
        if side:
            decision = forced(side)
        self.decisions.append(decision)
        self.tied.append(tied)
        return decision

    def compare(self, x: Any, y: Any) -> int:
        """-1, 0 or 1 as x is less than, equal to or greater than y."""
        a, b = _ordered(primal(x)), _ordered(primal(y))
        return self._decide(int(a > b) - int(a < b), bool(a == b), lambda side: side)

    def floor(self, x: Any) -> Any:
        """Return the greatest whole number not above x; its derivative is 0."""
        number = _ordered(primal(x))
        nearest = int(mpmath.nint(number))
        # At a jump: the number itself from above, the one before from below.
        down = self._decide(int(mpmath.floor(number)), number == nearest, lambda side: nearest - (side < 0))
        return self._number(down)

    def ceil(self, x: Any) -> Any:
        """Return the least whole number not below x; its derivative is 0."""
        return -self.floor(-x)

    def sign(self, x: Any) -> Any:
        """-1, 0 or 1; its derivative is 0."""
        return self._number(self.compare(x, 0))

    def abs(self, x: Any) -> Any:
        """x or -x."""
        return -x if self.compare(x, 0) < 0 else x

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        """x or y."""
        return x if primal(condition) != 0 else y

    def greater(self, x: Any, y: Any) -> int:
        """1 or 0; likewise the five that follow."""
        return int(self.compare(x, y) > 0)

    def greater_equal(self, x: Any, y: Any) -> int:
        """X >= y."""
        return int(self.compare(x, y) >= 0)

    def less(self, x: Any, y: Any) -> int:
        """X < y."""
        return int(self.compare(x, y) < 0)

    def less_equal(self, x: Any, y: Any) -> int:
        """X <= y."""
        return int(self.compare(x, y) <= 0)

    def equal(self, x: Any, y: Any) -> int:
        """X equals y."""
        return int(self.compare(x, y) == 0)

    def not_equal(self, x: Any, y: Any) -> int:
        """X differs from y."""
        return int(self.compare(x, y) != 0)

    # -------------------------------------------------------------------------- functions of several operands

    def pow(self, x: Any, y: Any) -> Any:
        """x to the power y."""
        return power(x, y)

    def hypot(self, x: Any, y: Any) -> Any:
        """Length of the vector (x, y)."""
        return self.sqrt(x * x + y * y)

    def atan2(self, y: Any, x: Any) -> Any:
        """Angle of the point (x, y)."""
        level = max((z.level for z in (x, y) if isinstance(z, Dual)), default=0)
        if not level:
            angle = mpmath.atan2(primal(y), primal(x))
            noisy = next((z for z in (y, x) if isinstance(z, Noisy)), None)
            return angle if noisy is None else noisy.shaken(angle)
        xv, xs = (x.value, x.slope) if isinstance(x, Dual) and x.level == level else (x, 0)
        yv, ys = (y.value, y.slope) if isinstance(y, Dual) and y.level == level else (y, 0)
        return Dual(
            self.atan2(yv, xv), chain(scaled(ys, xv) - scaled(xs, yv), lambda: reciprocal(xv * xv + yv * yv)), level
        )

    def sum(self, xs: Sequence[Any]) -> Any:
        """Return the sum of all."""
        total = self._number(0)
        for x in xs:
            total = total + x
        return total

    def prod(self, xs: Sequence[Any]) -> Any:
        """Return the product of all."""
        product = self._number(1)
        for x in xs:
            product = product * x
        return product


def _ordered(x: Any) -> Any:
    """Return what comparisons compare: of complex numbers the real part, as a complex step is infinitely small."""
    return x.real if isinstance(x, complex) else x


def mpmath_arithmetic(source: random.Random | None = None) -> Arithmetic:
    """mpmath numbers, at the precision of the moment; noisy ones if there is a source of noise."""
    ours = {"erfc": _erfc, "exp": _exp}
    return Arithmetic(mpf, lambda name: ours.get(name) or getattr(mpmath, name), mp.pi, source)


def _exp(x: Any) -> Any:
    """mpmath's, which multiplies e by itself for whole numbers: where they are huge, their neighbours are faster."""
    size = mpmath.mag(x)
    if not 64 < size < mp.inf:
        return mp.exp(x)
    with mp.workprec(mp.prec + size + 10):
        result = mp.exp(x - mpf(0.5)) * mp.exp(mpf(0.5))
    return +result


def _erfc(x: Any) -> Any:
    """mpmath's, which overflows for huge x (mpmath 1.4); there, the first term of its series is right to 60 digits."""
    if abs(x) < mpf(10) ** 40:
        return mpmath.erfc(x)
    return mpf(2) if x < 0 else _exp(-(x * x)) / (x * mp.sqrt(mp.pi))


def float_arithmetic() -> Arithmetic:
    """Python floats."""
    return Arithmetic(float, lambda name: getattr(math, name), math.pi)


def complex_arithmetic() -> Arithmetic:
    """Python's complex numbers, for the complex step."""
    return Arithmetic(complex, _complex_function, math.pi)


def _complex_function(name: str) -> Callable[[Any], Any]:
    found = getattr(cmath, name, None)
    if found is not None:
        return found  # type: ignore[no-any-return]  # a function of cmath
    function = getattr(mpmath, name)
    return lambda x: complex(function(mpc(x)))
