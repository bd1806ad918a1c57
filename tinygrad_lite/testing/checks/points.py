"""Points to check at: others near a given one, and simpler ones that fail as well."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

#: How many simpler points are tried.
_ATTEMPTS = 80


def nearby(rng: random.Random, point: Sequence[float]) -> list[float]:
    """Another point of about the same size: some numbers moved a little, some drawn anew, some short."""
    return [_moved(rng, x) for x in point]


def _moved(rng: random.Random, x: float) -> float:
    size = abs(x) or 1.0
    kind = rng.randrange(4)
    if kind == 0:
        return x + size * rng.gauss(0.0, 0.1)
    if kind == 1:
        return size * rng.gauss(0.0, 1.0)
    if kind == 2:
        return round(size * rng.uniform(-2.0, 2.0), 1)
    return math.ldexp(x, rng.randint(-3, 3))


def shrunk(point: Sequence[float], fails: Callable[[Sequence[float]], bool]) -> list[float]:
    """Return the simplest point found at which it fails: 0, 1, few digits.

    Args:
        point: One at which it fails.
        fails: Whether it fails at another.
    """
    best = list(point)
    attempts = 0
    improved = True
    while improved and attempts < _ATTEMPTS:
        improved = False
        for i in range(len(best)):
            for simpler in _simpler(best[i]):
                if attempts >= _ATTEMPTS:
                    break
                attempts += 1
                candidate = [*best[:i], simpler, *best[i + 1 :]]
                if fails(candidate):
                    best = candidate
                    improved = True
                    break
    return best


def _simpler(x: float) -> list[float]:
    """Numbers simpler than x, the simplest first."""
    short = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5]
    if x in short:
        return short[: short.index(x)]
    rounded = [float(f"{x:.{digits}g}") for digits in (1, 2, 3)]
    return list(dict.fromkeys([*short, *(y for y in rounded if len(repr(y)) < len(repr(x)))]))
