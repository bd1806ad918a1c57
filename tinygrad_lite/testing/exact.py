"""What derivatives really are: dual numbers in mpmath, to any precision, with derivative rules of their own.

Nothing here comes from the engine but the textbook ``definition`` of an operation. :func:`partial` evaluates it on a
dual number (value and slope, Clifford 1873) at a precision that is doubled until two results agree. Dual numbers nest,
so the same definitions give derivatives of any order. :func:`ulps` says how far a float is from such a truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import mpmath
from mpmath import mp, mpf

from tinygrad_lite.operation import NARY, Op


class Dual:
    """value + slope·ε with ε² = 0. An inner derivative has a lower level than the derivative taken of it."""

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
        return Dual(self.value * v, self.slope * v + self.value * s, self.level)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return Dual(-self.value, -self.slope, self.level)

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


def outranks(x: Any, y: Dual) -> bool:
    """Whether x is a dual number of a higher level."""
    return isinstance(x, Dual) and x.level > y.level


def primal(x: Any) -> Any:
    """The number below all slopes."""
    while isinstance(x, Dual):
        x = x.value
    return x


def reciprocal(x: Any) -> Any:
    """1/x."""
    if isinstance(x, Dual):
        inverse = reciprocal(x.value)
        return Dual(inverse, -x.slope * (inverse * inverse), x.level)
    return 1 / mpf(x)


def power(x: Any, y: Any) -> Any:
    """x to the power y, by its total differential; a plain exponent allows x <= 0."""
    if not isinstance(x, Dual) and not isinstance(y, Dual):
        return mpf(x) ** y
    level = max(z.level for z in (x, y) if isinstance(z, Dual))
    xv, xs = (x.value, x.slope) if isinstance(x, Dual) and x.level == level else (x, 0)
    yv, ys = (y.value, y.slope) if isinstance(y, Dual) and y.level == level else (y, 0)
    slope: Any = 0
    if not is_zero(xs) and not is_zero(yv):
        slope = slope + xs * (yv * power(xv, yv - 1))
    if not is_zero(ys):
        slope = slope + ys * (power(xv, yv) * FUNCTIONS["log"](xv))
    return Dual(power(xv, yv), slope, level)


def is_zero(x: Any) -> bool:
    """Whether it is the plain number 0."""
    return not isinstance(x, Dual) and x == 0


def lifted(function: Callable[[Any], Any], derivative: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of mpmath numbers and of dual numbers, from it and its derivative."""

    def on_either(x: Any) -> Any:
        if isinstance(x, Dual):
            return Dual(on_either(x.value), x.slope * derivative(x.value), x.level)
        return function(mpf(x))

    return on_either


FUNCTIONS: dict[str, Callable[..., Any]] = {}
F = FUNCTIONS
for _name, _derivative in {
    "exp": lambda x: F["exp"](x),
    "expm1": lambda x: F["exp"](x),
    "log": lambda x: 1 / x,
    "log1p": lambda x: 1 / (1 + x),
    "sqrt": lambda x: 1 / (2 * F["sqrt"](x)),
    "cbrt": lambda x: F["cbrt"](x) / (3 * x),
    "sin": lambda x: F["cos"](x),
    "cos": lambda x: -F["sin"](x),
    "tan": lambda x: F["cos"](x) ** -2,
    "asin": lambda x: 1 / F["sqrt"](1 - x * x),
    "acos": lambda x: -1 / F["sqrt"](1 - x * x),
    "atan": lambda x: 1 / (1 + x * x),
    "sinh": lambda x: F["cosh"](x),
    "cosh": lambda x: F["sinh"](x),
    "tanh": lambda x: F["cosh"](x) ** -2,
    "asinh": lambda x: 1 / F["sqrt"](x * x + 1),
    "acosh": lambda x: 1 / F["sqrt"](x * x - 1),
    "atanh": lambda x: 1 / (1 - x * x),
    "erf": lambda x: 2 / mp.sqrt(mp.pi) * F["exp"](-(x * x)),
    "erfc": lambda x: -2 / mp.sqrt(mp.pi) * F["exp"](-(x * x)),
    "floor": lambda x: 0,
    "ceil": lambda x: 0,
    "sign": lambda x: 0,
}.items():  # fmt: skip
    FUNCTIONS[_name] = lifted(getattr(mpmath, _name), _derivative)


def _atan2(y: Any, x: Any) -> Any:
    level = max((z.level for z in (x, y) if isinstance(z, Dual)), default=0)
    if not level:
        return mpmath.atan2(y, x)
    xv, xs = (x.value, x.slope) if isinstance(x, Dual) and x.level == level else (x, 0)
    yv, ys = (y.value, y.slope) if isinstance(y, Dual) and y.level == level else (y, 0)
    return Dual(_atan2(yv, xv), (ys * xv - xs * yv) / (xv * xv + yv * yv), level)


def _comparison(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], int]:
    return lambda x, y: int(holds(primal(x), primal(y)))


def _total(xs: Sequence[Any]) -> Any:
    total: Any = mpf(0)
    for x in xs:
        total = total + x
    return total


def _product(xs: Sequence[Any]) -> Any:
    product: Any = mpf(1)
    for x in xs:
        product = product * x
    return product


#: The arithmetic in which a record's ``definition`` is evaluated.
ARITHMETIC = SimpleNamespace(
    **FUNCTIONS,
    pow=power,
    atan2=_atan2,
    hypot=lambda x, y: F["sqrt"](x * x + y * y),
    where=lambda condition, x, y: x if primal(condition) != 0 else y,
    copysign=lambda x, y: abs(x) if primal(y) >= 0 else -abs(x),
    greater=_comparison(lambda x, y: x > y),
    greater_equal=_comparison(lambda x, y: x >= y),
    less=_comparison(lambda x, y: x < y),
    less_equal=_comparison(lambda x, y: x <= y),
    equal=_comparison(lambda x, y: x == y),
    not_equal=_comparison(lambda x, y: x != y),
    sum=_total,
    prod=_product,
    # mpmath's pi, at the precision of the moment
    pi=mp.pi,
)


def value(op: Op, operands: Sequence[Any]) -> Any:
    """The operation by its definition, on mpmath or dual numbers."""
    definition = op.definition
    if definition is None:
        return getattr(ARITHMETIC, op.name)(*operands)
    return definition(ARITHMETIC, list(operands)) if op.arity == NARY else definition(ARITHMETIC, *operands)


def partial(op: Op, operands: Sequence[float], k: int) -> Any:
    """∂op/∂operand k, as an mpmath number good to 30 digits; ZeroDivisionError or ValueError where there is none."""

    def evaluate() -> Any:
        numbers: list[Any] = [mpf(x) for x in operands]
        numbers[k] = Dual(numbers[k], mpf(1))
        result = value(op, numbers)
        return mpf(result.slope) if isinstance(result, Dual) else mpf(0)

    return converged(evaluate, operands)


def converged(evaluate: Callable[[], Any], operands: Sequence[float]) -> Any:
    """The result at a precision at which doubling it changes nothing any more."""
    largest = max((abs(math.log10(abs(x))) for x in operands if x != 0.0 and math.isfinite(x)), default=0.0)
    digits = 50 + int(largest)
    with mp.workdps(digits):
        before = evaluate()
    while digits < 20_000:
        digits *= 2
        with mp.workdps(digits):
            result = evaluate()
            if not mp.isfinite(result):
                raise ValueError(f"no derivative: {result}")
            agree = abs(result - before) <= abs(result) * mpf("1e-30")
            tiny = abs(result) < mpf("1e-400")
            # Terms that cancel to exactly 0 at two precisions do not at 400 digits, unless the float is 0 as well.
            if (agree and result != 0) or (tiny and digits >= 800):
                return result
        before = result
    raise ValueError("the definition cancels beyond 20,000 digits")


_TOP = 2.0**1023


def ulps(got: float, truth: Any) -> float:
    """|got − truth| in units in the last place of the truth; an overflow counts as 2^1024, which would follow."""
    with mp.workdps(400):
        if math.isnan(got):
            return math.inf
        top = mpf(_TOP) * 2
        limited = max(-top, min(top, truth))
        shown = max(-top, min(top, mpf(got)))
        nearest = max(-math.nextafter(math.inf, 0), min(math.nextafter(math.inf, 0), float(limited)))
        return float(abs(shown - limited) / mpf(math.ulp(nearest)))
