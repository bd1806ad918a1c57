"""The proof of a program: it is run on fresh inputs, beside the function itself, before anyone gets it.

A probe is an input made from the caller's own: bold ones have other signs and sizes, so that a branch which was taken
on a number is taken otherwise; modest ones are near the caller's, where the function is defined. Whole numbers
(labels, indices) are drawn from those that the caller gave where the function takes no others. On a probe the
function runs eagerly, on floats, and both results must agree. The boldest probe counts on which the function gives
finite numbers.

How much may they differ? Sums are re-associated, nothing else. A result may be off by :data:`TOLERANCE` of the largest
number in its array; where the function itself amplifies rounding more than that, by a multiple of what a change in the
last place of the inputs changes in the eager result; and where terms cancel, by what rounding can do to them
(:mod:`~tinygrad_lite.lift.checking.error_analysis`). A branch that was frozen in the trace, or a constant that was read
from a number, differs by much more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The largest difference, relative to the largest number of the array that it stands in.
TOLERANCE = 1e-9
#: How many times the effect of rounding the inputs a result may differ.
AMPLIFIED = 1e4
#: How many times the bound of the error analysis it may differ: the function is evaluated in other roundings.
SAFETY = 16.0
#: How many probes there are besides the caller's numbers: near these, of other signs, larger and smaller. Of a graph
#: that is large only that of other signs: it has many numbers, and all of them move.
PROBES = 4
LARGE = 50_000
_MORE = 3
#: Larger floats are all whole.
_LARGEST_LABEL = 2.0**31
#: Of how many samples the function itself is evaluated.
SAMPLES = 3


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


def probes(arrays: Sequence[Floats], batched: Sequence[bool], seed: int) -> Iterator[list[Floats]]:
    """Fresh inputs made from the given ones, the boldest first; the last are the given ones.

    Args:
        arrays: The caller's inputs.
        batched: Which of them have samples along their last axis.
        seed: Which probe: the first begins near the caller's numbers, the others with bold ones.
    """
    bold = ((), (_flipped, _enlarged), (_enlarged,), (_reduced,))[seed % PROBES]
    for move in (*bold, _nudged):
        for draws_whole in (False, True):
            if draws_whole and not any(map(is_whole, arrays)):
                continue
            yield _moved(arrays, batched, np.random.default_rng(seed), move, draws_whole)
    for attempt in range(_MORE if any(batched) else 0):  # one sample of many may be what the function refuses
        yield _moved(arrays, batched, np.random.default_rng([seed, attempt]), _nudged, True)
    yield [np.array(array) for array in arrays]


def _moved(
    arrays: Sequence[Floats],
    batched: Sequence[bool],
    rng: np.random.Generator,
    move: Callable[[Floats, np.random.Generator], Floats],
    draws_whole: bool,
) -> list[Floats]:
    samples = next((a.shape[-1] for a, has in zip(arrays, batched, strict=True) if has), 0)
    order = rng.integers(0, samples, samples) if samples else None
    fresh = []
    for array, has in zip(arrays, batched, strict=True):
        moved = array[..., order] if has else array
        if draws_whole and is_whole(array):
            fresh.append(moved if has or not array.size else rng.choice(array.ravel(), size=array.shape))
        else:
            fresh.append(move(moved, rng))
    return fresh


def _nudged(array: Floats, rng: np.random.Generator) -> Floats:
    """Moved by up to a tenth, zeros by up to a hundredth."""
    relative = array * (1.0 + rng.uniform(-0.1, 0.1, array.shape))
    return np.where(array == 0.0, rng.uniform(-0.01, 0.01, array.shape), relative)


def _enlarged(array: Floats, rng: np.random.Generator) -> Floats:
    """Up to four times as large, with the same signs, or somewhat smaller; a number alone at least twice."""
    factors = 2.0 ** rng.uniform(-1.0 if array.size > 1 else 1.0, 2.0, array.shape)
    return np.where(array == 0.0, rng.uniform(0.0, 0.5, array.shape), array * factors)


def _reduced(array: Floats, rng: np.random.Generator) -> Floats:
    """At most half as large, with the same signs."""
    return np.where(array == 0.0, rng.uniform(0.0, 0.1, array.shape), array * rng.uniform(0.1, 0.5, array.shape))


def _flipped(array: Floats, rng: np.random.Generator) -> Floats:
    """Of another size and, about half of them, with another sign; a number alone certainly."""
    signs = rng.choice([-1.0, 1.0], array.shape) if array.size > 1 else np.full(array.shape, -1.0)
    flipped: Floats = _enlarged(array, rng) * signs
    return flipped


def is_whole(array: Floats) -> bool:
    """Whether all its numbers are whole: labels and indices, which are drawn, never moved."""
    return bool(array.size) and bool((array == np.rint(array)).all()) and bool((np.abs(array) < _LARGEST_LABEL).all())


def largest_difference(lifted: Sequence[Floats], eager: Sequence[Floats]) -> Difference:
    """Where they differ most."""
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


def rounding(eager: Callable[[Sequence[Floats]], list[Floats]], arrays: Sequence[Floats]) -> list[Floats]:
    """How much each eager result changes when every input changes in its last places: labels and indices do not."""
    rng = np.random.default_rng(0)
    shaken = [
        array if is_whole(array) else array * (1.0 + rng.choice([-4.0, 4.0], array.shape) * 2.0**-53)
        for array in arrays
    ]
    return [np.abs(a - b) for a, b in zip(eager(shaken), eager(arrays), strict=True)]
