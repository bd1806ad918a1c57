"""How much a program may differ from its function: sums are re-associated, and nothing else.

A result may be off by :data:`TOLERANCE` of the largest number in its array; where the function itself amplifies
rounding more than that, by a multiple of what a change in the last place of the inputs changes in the eager result; and
where terms cancel, by what rounding can do to them (:mod:`~tinygrad_lite.lift.checking.error_analysis`). A branch that
was frozen in the trace, or a constant that was read from a number, differs by much more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.checking.probes import is_whole

Floats = NDArray[np.float64]

#: The largest difference, relative to the largest number of the array that it stands in.
TOLERANCE = 1e-9
#: How many times the effect of rounding the inputs a result may differ.
AMPLIFIED = 1e4
#: How many times the bound of the error analysis it may differ: the function is evaluated in other roundings.
SAFETY = 16.0
#: Which share of the largest number on the way a bound grants at most.
SHARE = 1e-6
#: How far away the slope of a function is measured, relative to its arguments; and what a last place is.
_STEP = 2.0**-20
_LAST_PLACES = 4.0 * 2.0**-53


@dataclass(frozen=True)
class Difference:
    """Where a program and its function disagree most on one probe.

    Attributes:
        relative: |difference| over the largest number of the array.
        result: Which array of the results.
        place: Where in it, in C order.
        lifted: What the program gives there.
        eager: What the function gives.
    """

    relative: float
    result: int
    place: int
    lifted: float
    eager: float


def find_largest_difference(lifted: Sequence[Floats], eager: Sequence[Floats]) -> Difference:
    """Find where they differ most."""
    worst = Difference(0.0, 0, 0, 0.0, 0.0)
    for number, (ours, truth) in enumerate(zip(lifted, eager, strict=True)):
        ours, truth = np.asarray(ours, dtype=np.float64).ravel(), np.asarray(truth, dtype=np.float64).ravel()
        if ours.shape != truth.shape:
            return Difference(np.inf, number, 0, np.nan, np.nan)
        if not ours.size:
            continue
        same = (ours == truth) | (np.isnan(ours) & np.isnan(truth))
        finite = np.abs(truth[np.isfinite(truth)])
        scale = max(float(finite.max()) if len(finite) else 0.0, 1e-290)
        with np.errstate(all="ignore"):
            relative = np.where(same, 0.0, np.abs(ours - truth) / scale)
        relative = np.where(np.isnan(relative), np.inf, relative)
        place = int(relative.argmax())
        if relative[place] > worst.relative:
            worst = Difference(float(relative[place]), number, place, float(ours[place]), float(truth[place]))
    return worst


def measure_rounding(eager: Callable[[Sequence[Floats]], list[Floats]], arrays: Sequence[Floats]) -> list[Floats]:
    """Measure how much each eager result changes when inputs change in their last places: labels and indices do not.

    It is the slope between two points, one on either side and a good deal further away: a jump in between, which is no
    rounding, counts for next to nothing. Where the function takes no such numbers, there is no slope.
    """
    rng = np.random.default_rng(0)
    signs = [0.0 if is_whole(array) else rng.choice([-1.0, 1.0], array.shape) for array in arrays]
    pairs = list(zip(arrays, signs, strict=True))
    try:
        above, below = [eager([array * (1.0 + side * sign) for array, sign in pairs]) for side in (_STEP, -_STEP)]
    except Exception:  # whatever the function says of numbers that it does not take
        return [np.zeros(part.shape) for part in eager(arrays)]
    with np.errstate(all="ignore"):
        slopes = [np.abs(a - b) * (_LAST_PLACES / (2.0 * _STEP)) for a, b in zip(above, below, strict=True)]
    return [np.nan_to_num(slope, nan=0.0, posinf=0.0) for slope in slopes]


def compare_to_rounding(
    lifted: Sequence[Floats],
    eager: Sequence[Floats],
    bounds: Sequence[Floats | float],
    shaken: Sequence[Floats] | None = None,
    largest: float = np.inf,
) -> float:
    """Find the largest difference, relative to what it is excused by.

    Args:
        lifted: What the program gives.
        eager: What the function gives.
        bounds: On the rounding errors of each result.
        shaken: What :func:`measure_rounding` found; nothing is granted for it, if not given.
        largest: The largest number on the way: a bound grants a small share of it at most, as a probe on which rounding
            may take a result anywhere says nothing.

    Returns:
        Up to :data:`TOLERANCE` if rounding explains all differences, more if it does not. Where nothing cancels, it is
        relative to the largest number of the array; where terms cancel, to what they were before, by and large.

    >>> compare_to_rounding([np.array([1e-13])], [np.array([0.0])], [1e-13]) < 1e-9  # of terms about as large as 1000
    True
    >>> compare_to_rounding([np.array([1e-6])], [np.array([0.0])], [1e-13]) < 1e-9
    False
    """
    moved = [0.0] * len(eager) if shaken is None else [AMPLIFIED * part.max(initial=0.0) for part in shaken]
    worst = 0.0
    for ours, truth, bound, more in zip(lifted, eager, bounds, moved, strict=True):
        ours, truth = np.asarray(ours, dtype=np.float64), np.asarray(truth, dtype=np.float64)
        same = (ours == truth) | (np.isnan(ours) & np.isnan(truth))
        scale = np.abs(truth).max(initial=0.0, where=np.isfinite(truth))
        with np.errstate(all="ignore"):
            granted = TOLERANCE * scale + more + np.minimum(SAFETY * bound, SHARE * largest)
            parts = np.where(same, 0.0, np.abs(ours - truth) / granted)
        worst = max(worst, float(np.nan_to_num(parts, nan=np.inf).max(initial=0.0)))
    return TOLERANCE * worst


def is_within_rounding(
    lifted: Sequence[Floats],
    eager: Sequence[Floats],
    bounds: Sequence[Floats | float],
    shaken: Sequence[Floats] | None = None,
    largest: float = np.inf,
) -> bool:
    """Whether results differ by no more than rounding can make them; arguments as :func:`compare_to_rounding` has."""
    return compare_to_rounding(lifted, eager, bounds, shaken, largest) <= TOLERANCE
