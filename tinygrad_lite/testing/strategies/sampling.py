"""Points at which derivatives are hard: all magnitudes, edges of domains, roots, poles, overflow and underflow.

The hard spots of all operations are in one list, and every operation is tried at all of them: what is harmless for
one operation is where another one breaks.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from tinygrad_lite.operations.operation import NARY, Interval, Op

#: Roots and poles of functions, of their derivatives and of the next; where constants of implementations stand.
SPOTS = (
    0.5, 1.0, 2.0, 3.0, math.e, 1.0 / math.e, math.sqrt(0.5), math.sqrt(2.0), math.sqrt(3.0), 1.0 / 3.0, 2.0 / 3.0,
    math.log(2.0), math.log(3.0) / 2.0, math.asinh(1.0),
    *(k * math.pi / 2.0 for k in (1, 2, 3, 4, 5, 100, 10**6, 10**12, 10**17)),
    1.2784645427610738, 2.3993572805154676, 0.7517915246935645, 0.1, 0.4, 0.55, 0.95, 1.15, 1.35, 1.6, 1.85, 2.1, 2.4,
    5.0, 8.0, 9.0, 18.36, 18.7, 19.06, 27.2, 28.0, 37.0, 37.5, 38.5, 39.0, 39.5,
    354.9, 372.5, 600.0, 708.4, 709.78, 710.47, 745.1,
    2.0**-26, 2.0**-27, 2.0**-53, 2.0**-54, 2.0**26, 2.0**53, 1e-103, 1e103, 1.34e154, 1.5e-154, 1e-290, 1e290,
)  # fmt: skip

#: Where functions change from one regime to another: most of it within these.
RANGES = ((0.0, 1.0), (0.0, 3.0), (0.0, 30.0), (0.0, 1e3), (26.0, 28.0), (35.0, 40.0), (340.0, 380.0), (690.0, 750.0))


def contains(interval: Interval, x: float) -> bool:
    """Whether x lies in the interval."""
    above = x > interval.low if interval.open in ("low", "both") or math.isinf(interval.low) else x >= interval.low
    below = x < interval.high if interval.open in ("high", "both") or math.isinf(interval.high) else x <= interval.high
    return above and below


def number(rng: random.Random, interval: Interval) -> float:
    """One operand within the interval."""
    if interval.whole:
        return float(rng.randint(int(interval.low), int(interval.high)))
    while True:
        x = _candidate(rng, interval)
        if contains(interval, x):
            return x


def _candidate(rng: random.Random, interval: Interval) -> float:
    sign = rng.choice((-1.0, 1.0)) if interval.low < 0.0 < interval.high else 1.0 if interval.high > 0.0 else -1.0
    ends = [end for end in (interval.low, interval.high) if math.isfinite(end)]
    kind = rng.randrange(8)
    if kind == 0:
        return sign * math.pow(10.0, rng.uniform(-300.0, 300.0))
    if kind == 1:
        return sign * math.pow(10.0, rng.uniform(-20.0, 20.0))
    if kind in (2, 3):
        return sign * rng.uniform(*rng.choice(RANGES))
    if kind in (4, 5):
        return sign * beside(rng, rng.choice(SPOTS))
    if kind == 6 and ends:
        return beside(rng, rng.choice(ends))
    if len(ends) == 2:
        return rng.uniform(*ends)
    return sign * rng.uniform(0.0, 30.0)


def beside(rng: random.Random, spot: float) -> float:
    """Return a few ulp from the spot, or a power of ten from it."""
    if rng.random() < 0.4:
        x = spot
        for _ in range(rng.randrange(5)):
            x = math.nextafter(x, rng.choice((-math.inf, math.inf)))
        return x
    scale = abs(spot) if spot != 0.0 and rng.random() < 0.5 else 1.0
    return spot + rng.choice((-1.0, 1.0)) * scale * math.pow(10.0, rng.uniform(-18.0, 0.0))


def companion(rng: random.Random, x: float, interval: Interval) -> float:
    """Return a further operand that stands in some relation to the first: equal, opposite, near, or 745/log of it."""
    for _ in range(20):
        kind = rng.randrange(6)
        if kind == 0:
            y = beside(rng, x)
        elif kind == 1:
            y = -beside(rng, x)
        elif kind == 2:
            y = x + rng.uniform(-40.0, 40.0)
        elif kind == 3:
            y = x * 10.0 ** rng.uniform(-20.0, 20.0)
        elif kind == 4 and x > 0.0 and x != 1.0:
            y = rng.uniform(-750.0, 712.0) / math.log(x)
        elif x != 0.0:
            y = rng.uniform(-3.0, 3.0) / x
        else:
            y = x
        if math.isfinite(y) and contains(interval, y):
            return y
    return number(rng, interval)


def operands(rng: random.Random, op: Op) -> list[float]:
    """Operands of the operation within its domain; of an n-ary one, 1 to 6 (and what else it takes)."""
    if op.arity != NARY:
        first = number(rng, op.domain[0])
        related = rng.random() < 0.5 and not op.domain[0].whole
        return [first, *(companion(rng, first, d) if related else number(rng, d) for d in op.domain[1:])]
    n = rng.randint(1, 6)
    count = 2 * n + 1 if op.name == "dot" else n
    domain = op.domain[0]
    first = number(rng, domain)
    near = rng.random() < 0.7
    xs = [first, *(companion(rng, first, domain) if near else number(rng, domain) for _ in range(count - 1))]
    rng.shuffle(xs)
    if op.operands[-1] == "index":
        xs.append(float(rng.randrange(n)))
    return xs


def points(op: Op, count: int, seed: int) -> Iterator[list[float]]:
    """Points at which the operation has a finite value, away from its kinks."""
    rng = random.Random(f"{seed} {op.name}")
    for _ in range(20 * count):
        xs = operands(rng, op)
        if op.kink is not None and op.kink(*xs):
            continue
        try:
            result = op.value(xs)
        except (ArithmeticError, ValueError):
            continue
        if math.isfinite(result):
            yield xs
            count -= 1
            if count == 0:
                return
    raise AssertionError(f"{op.name}: hardly any point drawn is in its domain")
