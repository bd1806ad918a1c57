"""Where statements repeat: stretches of a list that are alike again and again, and what they read shifts along.

A stretch has a *period*: the statements of one step. Of each statement and operand, what is read stands in a fixed
distance from one step to the next: 0 for what all steps share, the period for what the step itself or the one before
has computed, minus the period of another stretch for what a derivative reads, which goes backwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.intp]
#: A stretch has so many steps at least,
LEAST_STEPS = 4
#: and saves so many statements.
_LEAST_SAVED = 6
#: Steps of more statements are not looked for.
_LONGEST_PERIOD = 2048


@dataclass(frozen=True)
class Stretch:
    """Steps that repeat.

    Attributes:
        start: The place of the first statement.
        period: How many statements a step has.
        steps: How many steps there are.
        spare: How many statements more are like them behind the last step: the first may stand so much later.
    """

    start: int
    period: int
    steps: int
    spare: int = 0

    @property
    def stop(self) -> int:
        """The place after the last statement."""
        return self.start + self.period * self.steps

    def split(self, place: int) -> tuple[int, int]:
        """Say which statement of a step stands at a place, and at which step; steps before the first are negative."""
        step, column = divmod(place - self.start, self.period)
        return column, step

    def is_worthwhile(self) -> bool:
        """Whether a loop is shorter than what it stands for."""
        return self.steps >= LEAST_STEPS and self.period * (self.steps - 1) >= _LEAST_SAVED


def find_stretches(
    descriptions: Sequence[Hashable], shifts: Callable[[int, int], bool], longest: int = _LONGEST_PERIOD
) -> list[Stretch]:
    """Find stretches that repeat, in order; the longest are found first.

    Args:
        descriptions: Of the statements: what is equal may repeat.
        shifts: ``shifts(place, period)``: whether what the statement there and the two in these distances read shifts
            along.
        longest: Steps of more statements are not looked for.

    >>> find_stretches("xabcabcabcabcabcabcaby", lambda place, period: True)
    [Stretch(start=1, period=3, steps=6, spare=2)]
    """
    numbers: dict[Hashable, int] = {}
    row = np.array([numbers.setdefault(description, len(numbers)) for description in descriptions], dtype=np.intp)
    found: list[Stretch] = []
    pending = [(0, len(row))]
    while pending:
        start, stop = pending.pop()
        best = _find_longest(row[start:stop], start, longest)
        if best is None:
            continue
        place, period, length = best
        stretch = _trim(place, period, length, shifts)
        if stretch is None or not stretch.is_worthwhile():
            # what repeats is not read alike: look at what is in its place for shorter stretches
            pending += [(start, place), (place + length, stop)]
            continue
        found.append(stretch)
        pending += [(start, stretch.start), (stretch.stop + stretch.spare, stop)]
    return sorted(found, key=lambda stretch: stretch.start)


def find_inner_period(descriptions: Sequence[Hashable], shifts: Callable[[int, int], bool]) -> int:
    """Find how many statements the steps have that repeat within steps that repeat; 0 where none do.

    Args:
        descriptions: Of the statements.
        shifts: As of :func:`find_stretches`.

    >>> find_inner_period("xababababyzababababyzababababyzababababyz", lambda place, period: True)
    2
    """
    found = [0]
    for stretch in find_stretches(descriptions, shifts):
        start = stretch.start  # wherever in a step it begins, two of them have each inner loop whole
        inside = descriptions[start : start + 2 * stretch.period]
        within = functools.partial(_shift_behind, shifts, start)
        found += [inner.period for inner in find_stretches(inside, within)]
    return max(found)


def _shift_behind(shifts: Callable[[int, int], bool], start: int, place: int, period: int) -> bool:
    return shifts(start + place, period)


def _find_longest(row: Integers, offset: int, most: int) -> tuple[int, int, int] | None:
    """Find the place, the period and the length of the longest stretch of equal descriptions."""
    best: tuple[int, int, int] | None = None
    for period in range(1, min(len(row) // LEAST_STEPS, most) + 1):
        same = np.concatenate([[False], row[period:] == row[:-period], [False]])
        edges = np.flatnonzero(same[1:] != same[:-1])
        if not len(edges):
            continue
        starts, lengths = edges[0::2], edges[1::2] - edges[0::2] + period
        longest = int(lengths.argmax())
        if lengths[longest] >= LEAST_STEPS * period and (best is None or lengths[longest] > best[2]):
            best = (offset + int(starts[longest]), period, int(lengths[longest]))
    return best


def _trim(place: int, period: int, length: int, shifts: Callable[[int, int], bool]) -> Stretch | None:
    """Find the longest part in which all that is read shifts along."""
    good = [shifts(place + k, period) for k in range(length - 2 * period)]
    best, run, first = 0, 0, 0
    for k, fine in enumerate(good):
        run = run + 1 if fine else 0
        if run > best:
            best, first = run, k - run + 1
    if not best:
        return None
    steps, spare = divmod(best + 2 * period, period)
    return Stretch(place + first, period, steps, spare)
