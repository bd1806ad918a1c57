"""Numbers spread over an interval, so that nowhere in it a derivative goes untried.

:mod:`tinygrad_lite.testing.strategies.sampling` draws single hard points; here are sweeps over all magnitudes beside
them.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterable, Iterator, Sequence

from tinygrad_lite.operations.operation import Interval
from tinygrad_lite.testing.strategies import sampling

#: Magnitudes at which most is different from 1 and most is not lost beside it.
_CENTRAL = (1e-20, 1e20)
#: An interval wider than this is not worth an even spread.
_WIDE = 1e7
_LARGEST = math.nextafter(math.inf, 0.0)


def spread(interval: Interval, count: int, seed: str) -> list[float]:
    """Where an operand is tried: all magnitudes, the ranges in which functions change, hard spots and ends.

    Args:
        interval: Where it may lie.
        count: How many points; fewer if the interval has no more.
        seed: They depend on it alone.

    Returns:
        Distinct numbers.

    >>> spread(Interval(0.0, 1.0, whole=True), 10, "0")
    [0.0, 1.0]
    >>> len(spread(Interval(2.0, open="low"), 1000, "0"))
    1000
    """
    if interval.whole:
        return [float(n) for n in range(int(interval.low), int(interval.high) + 1)][:count]
    rng = random.Random(seed)
    low, high = ends_of(interval)
    special = [low, high, *([0.0] if low < 0.0 < high else [])][: count // 4]
    everywhere = _among_floats(rng, [(low, high)], count // 8)
    central = _among_floats(rng, _within_both_signs([_CENTRAL], low, high), count // 4)
    ranges = [(low, high)] if high - low < _WIDE else []
    evenly = _evenly(rng, ranges + _within_both_signs(sampling.RANGES, low, high), count * 3 // 8)
    found = dict.fromkeys([*special, *everywhere, *central, *evenly])
    for _ in range(20 * count):
        if len(found) >= count:
            break
        found[sampling.number(rng, interval) + 0.0] = None  # -0.0 + 0.0 is 0.0
    return list(found)


def _within_both_signs(ranges: Iterable[tuple[float, float]], low: float, high: float) -> list[tuple[float, float]]:
    """Return the ranges and their mirror images, as far as they lie between low and high."""
    both = (ends for a, b in ranges for ends in ((a, b), (-b, -a)))
    clipped = ((max(a, low), min(b, high)) for a, b in both)
    return [(a, b) for a, b in clipped if a < b]


def _among_floats(rng: random.Random, ranges: Sequence[tuple[float, float]], count: int) -> list[float]:
    """Numbers spread over the floats of the ranges in turn: as many from 1e-300 to 2e-300 as from 1 to 2."""
    places = ((_ordinal(a), _ordinal(b), i, n) for a, b, i, n in _strata(ranges, count))
    return [_float_at(a + ((b - a) * i + rng.randrange(b - a + 1)) // n) for a, b, i, n in places]


def _evenly(rng: random.Random, ranges: Sequence[tuple[float, float]], count: int) -> list[float]:
    """Numbers spread evenly over the ranges in turn."""
    return [min(max(a + (b - a) * ((i + rng.random()) / n), a), b) for a, b, i, n in _strata(ranges, count)]


def _strata(ranges: Sequence[tuple[float, float]], count: int) -> Iterator[tuple[float, float, int, int]]:
    """Each of count numbers' range, and its share of that: the i-th of n."""
    for j in range(count if ranges else 0):
        a, b = ranges[j % len(ranges)]
        yield a, b, j // len(ranges), -(-count // len(ranges))


def ends_of(interval: Interval) -> tuple[float, float]:
    """Return the least and the greatest float in it.

    Args:
        interval: Any.

    >>> ends_of(Interval(0.0, open="low"))
    (5e-324, 1.7976931348623157e+308)
    """
    low, high = max(interval.low, -_LARGEST), min(interval.high, _LARGEST)
    return (
        low if sampling.contains(interval, low) else math.nextafter(low, math.inf),
        high if sampling.contains(interval, high) else math.nextafter(high, -math.inf),
    )


def _ordinal(x: float) -> int:
    """Its place among the floats: 0 for 0.0, 1 for the next."""
    place: int = struct.unpack("<q", struct.pack("<d", abs(x)))[0]
    return place if x >= 0.0 else -place


def _float_at(place: int) -> float:
    """Return the float at that place."""
    x: float = struct.unpack("<d", struct.pack("<q", abs(place)))[0]
    return x if place >= 0 else -x
