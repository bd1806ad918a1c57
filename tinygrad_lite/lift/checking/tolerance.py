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
    """Measure how much each eager result changes when inputs change in their last places: labels and indices do not."""
    rng = np.random.default_rng(0)
    shaken = [
        array if is_whole(array) else array * (1.0 + rng.choice([-4.0, 4.0], array.shape) * 2.0**-53)
        for array in arrays
    ]
    return [np.abs(a - b) for a, b in zip(eager(shaken), eager(arrays), strict=True)]


def is_within_rounding(
    lifted: Sequence[Floats],
    eager: Sequence[Floats],
    bounds: Sequence[Floats | float],
    shaken: Sequence[Floats] | None = None,
) -> bool:
    """Whether results differ by no more than rounding can make them.

    Args:
        lifted: What the program gives.
        eager: What the function gives.
        bounds: On the rounding errors of each result.
        shaken: What :func:`measure_rounding` found; nothing is granted for it, if not given.
    """
    moved = [0.0] * len(eager) if shaken is None else [AMPLIFIED * part.max(initial=0.0) for part in shaken]
    for ours, truth, bound, more in zip(lifted, eager, bounds, moved, strict=True):
        difference = np.abs(np.asarray(ours, dtype=np.float64) - truth)
        if not (difference <= TOLERANCE * np.abs(truth).max(initial=0.0) + more + SAFETY * bound).all():
            return False
    return True
