"""Errors and places in few characters, for tables and pictures."""

from __future__ import annotations

import math


def size(error: float) -> str:
    """Return an error in at most five characters or so.

    Args:
        error: In ulp.

    >>> size(1.234), size(9.007e15), size(float("inf"))
    ('1.23', '9e15', 'inf')
    """
    return "inf" if math.isinf(error) else f"{error:.2f}" if error < 1e4 else short(float(f"{error:.0e}"))


def short(x: float) -> str:
    """Return a number in few characters.

    Args:
        x: Any number; an infinity is shown as the largest float.

    >>> short(1e-8), short(-math.inf), short(0.25)
    ('1e-8', '-1.8e308', '0.25')
    """
    if math.isinf(x):
        return "1.8e308" if x > 0.0 else "-1.8e308"
    text = f"{x:.12g}" if 1e-3 <= abs(x) < 1e4 else f"{x:.3g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text
