"""Smaller arguments of the same pattern, to trace a function with: which axes are sizes, and what they are in a trace.

An axis of an argument that is longer than :data:`LEAST` is a *size*; equal lengths are one symbol. The symbols of a
trace are small and distinct, no two of them differ by the same number in all traces, and they keep the order that they
have in the call, as the order of axes in a program follows it. Where a function cannot be traced so, because its sizes
depend on one another, lengths that are multiples of others, or differ from them by little, are tied to them
(:data:`FAMILIES`), and the rest are multiples of 2, 4, 8, as widths are that are divided among heads.

Numbers are those of the call, taken at equal distances. Whole numbers (labels, indices) stay below the sizes that they
were below of.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.checking.probes import is_whole
from tinygrad_lite.lift.sizes.laws import Sizes
from tinygrad_lite.lift.tracing.arguments import Arguments, Unit

Floats = NDArray[np.float64]

#: Axes up to this length are what they are; longer ones are sizes.
LEAST: Final = 8
#: How many samples small arguments have, at most.
_SAMPLES: Final = 3
#: How far a length may be from another to be tied to it.
_NEAR: Final = 3
_LARGEST_MULTIPLE: Final = 16
#: Whether lengths are tied, what all are multiples of, and from where on they are: some rows are a rim at both ends.
FAMILIES: Final = (
    (False, 1, 5),
    (True, 1, 5),
    (False, 2, 5),
    (False, 1, 11),
    (True, 1, 11),
    (True, 2, 5),
    (True, 4, 5),
    (True, 8, 5),
)


@dataclass(frozen=True)
class Tie:
    """A length as a multiple of an earlier one, and some more."""

    symbol: int
    multiple: int
    shift: int


@dataclass(frozen=True)
class Pattern:
    """Which axes of the arguments are sizes.

    Attributes:
        lengths: The sizes of a call, ascending.
        fixed: The lengths of all other axes.
        ties: For each of the lengths what it is tied to; None for one that is free.
        step: What all free lengths are multiples of.
        start: The least length in a trace.
    """

    lengths: Sizes
    fixed: tuple[int, ...]
    ties: tuple[Tie | None, ...]
    step: int
    start: int

    @property
    def free(self) -> list[int]:
        """The places of the lengths that are free: the symbols of the laws."""
        return [place for place, tie in enumerate(self.ties) if tie is None]

    @property
    def sizes(self) -> Sizes:
        """The symbols' sizes in the call."""
        return tuple([self.lengths[place] for place in self.free])

    def expand(self, sizes: Sequence[int]) -> Sizes:
        """Compute all lengths from those of the symbols."""
        given = iter(sizes)
        found: list[int] = []
        for tie in self.ties:
            found.append(next(given) if tie is None else tie.multiple * found[tie.symbol] + tie.shift)
        return tuple(found)

    def list_points(self, count: int) -> list[Sizes]:
        """List sizes of symbols to trace with, and one to prove the program at, the last: none of them is another's."""
        symbols = len(self.free)
        start = max([self.start, *[length + 1 for length in self.fixed]])
        for seed in range(200):
            drawn = random.Random(seed)
            points = list(dict.fromkeys([self._draw(drawn, start, count) for _ in range(3 * count)]))
            points = [point for point in points if self._keeps_order(point)][:count]
            rows = np.array([[1, *point] for point in points[:count]])
            if len(points) == count and np.linalg.matrix_rank(rows) == symbols + 1:
                last = [2 * x + self.step * drawn.randint(1, 3) * (k + 1) for k, x in enumerate(max(points))]
                middle = tuple([self.step * (x // self.step) for x in last])
                if self._keeps_order(middle):
                    return [*points, middle]
        return []

    def _draw(self, drawn: random.Random, start: int, count: int) -> Sizes:
        found: list[int] = []
        last = -(-start // self.step) - 1
        for _ in self.free:
            last += drawn.randint(1, 3 if found else max(3, count + 2 - 2 * len(self.free)))
            found.append(last * self.step)
        return tuple(found)

    def _keeps_order(self, sizes: Sizes) -> bool:
        lengths = self.expand(sizes)
        return all(a < b for a, b in pairwise(lengths)) and not set(lengths) & set(self.fixed)


def find_pattern(arguments: Arguments, family: tuple[bool, int, int]) -> Pattern | None:
    """Find the sizes among the axes of arguments; None where there are none, or none of that family.

    Args:
        arguments: Of a call.
        family: One of :data:`FAMILIES`.
    """
    every = sorted({length for unit in arguments.units if unit.values is None for length in unit.shape})
    lengths = tuple([length for length in every if length > LEAST])
    tied, step, start = family
    ties = tuple([_find_tie(lengths, place) if tied else None for place in range(len(lengths))])
    if not lengths or (tied and step <= 2 and not any(ties)):
        return None
    if any(length % step for length, tie in zip(lengths, ties, strict=True) if tie is None):
        return None
    modules = {length for unit in arguments.units if unit.values is not None for length in unit.shape}
    fixed = tuple([length for length in sorted({*every, *modules}) if length <= LEAST])
    return Pattern(lengths, fixed, ties, step, start)


def _find_tie(lengths: Sizes, place: int) -> Tie | None:
    length = lengths[place]
    for symbol, other in enumerate(lengths[:place]):
        if length % other == 0 and length // other <= _LARGEST_MULTIPLE:
            return Tie(symbol, length // other, 0)
        if length - other <= _NEAR:
            return Tie(symbol, 1, length - other)
    return None


def shrink(arguments: Arguments, pattern: Pattern, sizes: Sizes) -> Arguments:
    """Make arguments of the same structure at other sizes."""
    length_of = dict(zip(pattern.lengths, pattern.expand(sizes), strict=True))
    units: list[Unit] = []
    arrays: list[Floats] = []
    for unit, array in zip(arguments.units, arguments.arrays, strict=True):
        if unit.values is not None:
            units.append(unit)
            arrays.append(array)
            continue
        shape = tuple([length_of.get(length, length) for length in unit.shape])
        units.append(replace(unit, shape=shape))
        arrays.append(_shrink_array(array, unit, shape, length_of))
    samples = None if arguments.samples is None else min(arguments.samples, _SAMPLES)
    return replace(arguments, units=units, arrays=arrays, samples=samples)


def _shrink_array(array: Floats, unit: Unit, shape: tuple[int, ...], length_of: dict[int, int]) -> Floats:
    whole = is_whole(array) and array.size > 0
    greatest = float(array.max()) if whole else 0.0
    for axis, length in enumerate(shape):
        array = array.take(_spread(array.shape[axis], length), axis=axis)
    if unit.axis is not None:
        array = array[..., :_SAMPLES]
    if whole and greatest > 1.0:
        bounds = [small for length, small in length_of.items() if length > greatest]
        least = min(bounds, default=0)
        if least and float(array.max()) >= least:
            array = np.where(array >= least, array % least, array)
    return np.array(array)


def _spread(length: int, count: int) -> Any:
    """Choose so many of the places along an axis, at equal distances; some twice, where there are fewer."""
    return np.arange(count) * length // count


def list_families(arguments: Arguments) -> Iterator[Pattern]:
    """List the patterns to try, the freest first."""
    for family in FAMILIES:
        pattern = find_pattern(arguments, family)
        if pattern is not None:
            yield pattern
