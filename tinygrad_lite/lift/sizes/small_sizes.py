"""Smaller arguments of the same pattern, to trace a function with: which axes are sizes, and what they are in a trace.

An axis of an argument that is longer than :data:`LEAST` is a *size*; equal lengths are one symbol. The symbols of a
trace are small and distinct, no two of them differ by the same number in all traces, and they keep the order that they
have in the call, as the order of axes in a program follows it. Where a function cannot be traced so, because its sizes
depend on one another, lengths that are multiples of others, or differ from them by little, are tied to them, and the
width that most axes have is a multiple of 4 or 8, as widths are that are divided among heads. What is left over after
strides is as much as in the call, where the lengths differ by multiples of the stride: :data:`FAMILIES`.

Numbers are those of the call, taken at equal distances. Whole numbers (labels, indices) stay below the sizes that they
were below of.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
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
#: Up to so many heads are narrower than they are many in no trace; more are so in all of them.
_FEW_HEADS: Final = 4
#: Into how many heads a width may be divided.
_MOST_HEADS: Final = 64
#: How many lengths each axis has in the traces of a wide network, if it can: of two, many laws say the same.
_DIFFERENT: Final = 3
#: From so many axes on the most frequent length is a width.
_WIDTH_AXES: Final = 4


@dataclass(frozen=True)
class Family:
    """How small sizes are chosen.

    Attributes:
        tied: Whether lengths that are multiples of others, or near them, stay so.
        step: What all lengths differ by multiples of, from those of the call.
        width: What the width is a multiple of, besides.
        start: The least length: some rows are a rim at both ends, and a loop has steps at both ends that differ.
    """

    tied: bool = False
    step: int = 1
    width: int = 1
    start: int = 5


#: In the order in which they are tried; those with a width first, where there is one.
FAMILIES: Final = (
    Family(tied=True, width=4),
    Family(tied=True, width=8),
    Family(),
    Family(tied=True),
    Family(step=2),
    Family(start=11),
    Family(tied=True, start=11),
    Family(tied=True, step=2),
    Family(step=2, start=11),
    Family(step=3, start=8),
    Family(step=4, start=12),
    Family(start=18),
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
        steps: What each of the lengths differs by multiples of, from that of the call.
        rests: What is left of each of the lengths, modulo its step.
        start: The least length in a trace.
        wide: The place of the width; -1 where there is none.
    """

    lengths: Sizes
    fixed: tuple[int, ...]
    ties: tuple[Tie | None, ...]
    steps: tuple[int, ...]
    rests: tuple[int, ...]
    start: int
    wide: int = -1

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
        many = self.wide >= 0 and self.steps[self.wide] > _FEW_HEADS
        heads = [self.steps[self.wide]] if many else []  # nothing but the width of a head is less than they are many
        start = max([self.start, *[length + 1 for length in (*self.fixed, *heads)]])
        least: tuple[bool, int] | None = None
        found: list[Sizes] = []
        for seed in range(200):
            drawn = random.Random(seed)
            points = list(dict.fromkeys([self._draw(drawn, start, count) for _ in range(3 * count)]))
            points = [point for point in points if self._may_be_traced(point)][:count]
            rows = np.array([[1, *point] for point in points[:count]])
            if len(points) == count and np.linalg.matrix_rank(rows) == symbols + 1:
                steps = [self.steps[place] for place in self.free]
                largest = [max(each) for each in zip(*points, strict=True)]
                middle = tuple([x + (k + 1) * step for k, (x, step) in enumerate(zip(largest, steps, strict=True))])
                middle = self._narrow(middle, points)
                if not self._may_be_traced(middle):
                    continue
                if self.wide < 0:
                    return [*points, middle]
                is_poor = any(len(set(each)) < _DIFFERENT for each in zip(*points, strict=True))
                cost = is_poor, sum([math.prod(self.expand(point)) for point in points])
                if least is None or cost < least:  # traces of wide networks are large: the smallest will do
                    least, found = cost, [*points, middle]
        return found

    def _draw(self, drawn: random.Random, start: int, count: int) -> Sizes:
        found: list[int] = []
        last = start - 1
        for place in self.free:
            step, rest = self.steps[place], self.rests[place]
            if place == self.wide:  # a head's width is more than the heads are, or less, in all traces
                last = max(last, (step + 1 if step <= _FEW_HEADS else 2) * step)
            most = 3 if found else max(3, count + 2 - 2 * len(self.free))
            last = rest + step * ((last - rest) // step + drawn.randint(1, most))
            found.append(last)
        return tuple(found)

    def _narrow(self, middle: Sizes, points: Sequence[Sizes]) -> Sizes:
        """Make the width less than in a trace, where heads would be as wide as they are many."""
        if self.wide < 0 or self.steps[self.wide] <= _FEW_HEADS:
            return middle
        heads, place = self.steps[self.wide], self.free.index(self.wide)
        used = {point[place] for point in points}
        least = middle[place - 1] if place else 0
        widths = [heads * k for k in range(heads - 1, 1, -1) if heads * k not in used and heads * k > least]
        return middle if not widths else (*middle[:place], widths[0], *middle[place + 1 :])

    def _may_be_traced(self, sizes: Sizes) -> bool:
        """Whether all lengths keep their order, and none is another's by chance."""
        lengths = self.expand(sizes)
        if self.wide >= 0:
            heads = self.steps[self.wide]
            if heads in lengths or lengths[self.wide] // heads in lengths:
                return False
            if (lengths[self.wide] // heads > heads) != (heads <= _FEW_HEADS):
                return False
        return all(a < b for a, b in pairwise(lengths)) and not set(lengths) & set(self.fixed)


def find_pattern(arguments: Arguments, family: Family) -> Pattern | None:
    """Find the sizes among the axes of arguments; None where there are none, or none of that family."""
    axes = [length for unit in arguments.units for length in unit.shape]
    every = sorted(set(axes))
    lengths = tuple([length for length in every if length > LEAST])
    if not lengths:
        return None
    width = max(lengths, key=axes.count) if family.width > 1 else 0
    if width and (axes.count(width) < _WIDTH_AXES or width < 2 * family.width):
        return None
    ties = tuple([_find_tie(lengths, place, width) if family.tied else None for place in range(len(lengths))])
    if family.tied and not width and not any(ties):
        return None
    steps, wide = [family.step] * len(lengths), -1
    if width:
        place = lengths.index(width)
        tie = ties[place]
        wide = place if tie is None else tie.symbol
        steps[wide] = family.width
    if wide >= 0 and lengths[wide] % steps[wide]:
        return None
    rests = tuple([length % step for length, step in zip(lengths, steps, strict=True)])
    fixed = tuple([length for length in every if length <= LEAST])
    return Pattern(lengths, fixed, ties, tuple(steps), rests, family.start, wide)


def _find_tie(lengths: Sizes, place: int, width: int) -> Tie | None:
    """Find what a length is tied to; with a width, multiples of that alone count, as others may be so by chance."""
    length = lengths[place]
    for symbol, other in enumerate(lengths[:place]):
        if length % other == 0 and length // other <= _LARGEST_MULTIPLE and width in (0, other):
            return Tie(symbol, length // other, 0)
        if length - other <= _NEAR:
            return Tie(symbol, 1, length - other)
    return None


def count_scalars(arguments: Arguments) -> int:
    """Count the numbers in the arguments of one sample."""
    return sum([math.prod(unit.shape) for unit in arguments.units])


def shrink(arguments: Arguments, pattern: Pattern, sizes: Sizes) -> Arguments:
    """Make arguments of the same structure at other sizes; the function is called with copies of modules.

    What modules keep of the sizes as whole numbers, as ``in_features``, is changed in the copies too.
    """
    length_of = dict(zip(pattern.lengths, pattern.expand(sizes), strict=True))
    units: list[Unit] = []
    arrays: list[Floats] = []
    for unit, array in zip(arguments.units, arguments.arrays, strict=True):
        shape = tuple([length_of.get(length, length) for length in unit.shape])
        frozen = range(math.prod(shape)) if len(unit.frozen) == math.prod(unit.shape) else unit.frozen
        units.append(replace(unit, shape=shape, frozen=tuple(frozen)))
        arrays.append(_shrink_array(array, unit, shape, length_of))
    samples = None if arguments.samples is None else min(arguments.samples, _SAMPLES)
    return replace(arguments, units=units, arrays=arrays, samples=samples, lengths=length_of)


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


def _find_kept_numbers(arguments: Arguments) -> set[int]:
    """Find the whole numbers that modules keep in their attributes: how many heads they have may be among them."""
    parts = [part for module in arguments.modules for part in getattr(module, "modules", lambda: ())()]
    return {x for part in parts for x in getattr(part, "__dict__", {}).values() if type(x) is int}


def list_patterns(arguments: Arguments) -> list[Pattern]:
    """List the patterns to try, in their order."""
    kept = _find_kept_numbers(arguments)
    families = [Family(tied=True, width=heads) for heads in sorted(kept) if 1 < heads <= _MOST_HEADS]
    if arguments.modules:  # what does not keep a number of heads has none
        families += [family for family in FAMILIES if family.width == 1]
    else:
        families += FAMILIES
    found = [find_pattern(arguments, family) for family in families]
    return list(dict.fromkeys([pattern for pattern in found if pattern is not None]))
