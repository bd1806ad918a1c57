"""Python's ``//`` and ``%`` of floats, for compilers that have C's remainder only: plain Python, to be compiled.

C's remainder is exact, and has the sign of the dividend. Python's has that of the divisor, and its quotient is the
whole number nearest to what is left without the remainder. Results are Python's bit for bit; where Python raises, as
the divisor is 0, they are infinite or NaN.
"""

from __future__ import annotations

import math

from tinygrad_lite.lift.loops.vector_functions import floor


def remainder(x: float, y: float) -> float:
    """Compute ``x % y``.

    >>> remainder(-7.0, 3.0), remainder(7.0, -3.0), remainder(-6.0, 3.0), remainder(-1.0, math.inf)
    (2.0, -2.0, 0.0, inf)
    """
    rest = math.fmod(x, y)
    moved = rest + y if (rest < 0.0) != (y < 0.0) else rest
    return math.copysign(0.0, y) if rest == 0.0 else moved


def floor_divide(x: float, y: float) -> float:
    """Compute ``x // y``.

    >>> floor_divide(-7.0, 3.0), floor_divide(7.0, -3.0), floor_divide(1.0, -math.inf), floor_divide(-0.0, 3.0)
    (-3.0, -3.0, -1.0, -0.0)
    """
    rest = math.fmod(x, y)
    without = (x - rest) / y
    quotient = without - 1.0 if rest != 0.0 and (rest < 0.0) != (y < 0.0) else without
    whole = floor(quotient)
    nearest = whole + 1.0 if quotient - whole > 0.5 else whole
    signed = math.copysign(0.0, x / y) if quotient == 0.0 else nearest
    return x / y if y == 0.0 else signed
