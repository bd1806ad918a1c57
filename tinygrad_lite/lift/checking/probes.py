"""Fresh inputs made from the caller's own, on which a program is compared with its function.

Bold ones have other signs and sizes, so that a branch which was taken on a number is taken otherwise; modest ones are
near the caller's, where the function is defined. Whole numbers (labels, indices) are drawn from those that the caller
gave where the function takes no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: How many kinds of probes there are: near the caller's numbers, of other signs, larger, and smaller.
KINDS = 4
_MORE = 3
#: Larger floats are all whole.
_LARGEST_LABEL = 2.0**31


@dataclass(frozen=True)
class Probe:
    """Numbers on which a program and its function differ.

    Attributes:
        arrays: The arguments.
        lifted: What the program gives.
        eager: What the function gives.
    """

    arrays: list[Floats]
    lifted: list[Floats]
    eager: list[Floats]


def make_probes(arrays: Sequence[Floats], batched: Sequence[bool], seed: int) -> Iterator[list[Floats]]:
    """Draw fresh inputs near the given ones or far, the boldest first; the last are the given ones.

    Args:
        arrays: The caller's inputs.
        batched: Which of them have samples along their last axis.
        seed: Which probe: the first begins near the caller's numbers, the others with bold ones.
    """
    bold = ((), (_flip, _enlarge), (_enlarge,), (_reduce,))[seed % KINDS]
    for move in (*bold, _nudge):
        for draws_whole in (False, True):
            if draws_whole and not any(map(is_whole, arrays)):
                continue
            yield _move(arrays, batched, np.random.default_rng(seed), move, draws_whole)
    for attempt in range(_MORE if any(batched) else 0):  # one sample of many may be what the function refuses
        yield _move(arrays, batched, np.random.default_rng([seed, attempt]), _nudge, True)
    yield [np.array(array) for array in arrays]


def _move(
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


def _nudge(array: Floats, rng: np.random.Generator) -> Floats:
    """Move by up to a tenth, zeros by up to a hundredth."""
    relative = array * (1.0 + rng.uniform(-0.1, 0.1, array.shape))
    return np.where(array == 0.0, rng.uniform(-0.01, 0.01, array.shape), relative)


def _enlarge(array: Floats, rng: np.random.Generator) -> Floats:
    """Make up to four times as large, with the same signs, or somewhat smaller; a number alone at least twice."""
    factors = 2.0 ** rng.uniform(-1.0 if array.size > 1 else 1.0, 2.0, array.shape)
    return np.where(array == 0.0, rng.uniform(0.0, 0.5, array.shape), array * factors)


def _reduce(array: Floats, rng: np.random.Generator) -> Floats:
    """Make at most half as large, with the same signs."""
    return np.where(array == 0.0, rng.uniform(0.0, 0.1, array.shape), array * rng.uniform(0.1, 0.5, array.shape))


def _flip(array: Floats, rng: np.random.Generator) -> Floats:
    """Give another size and, about half of the time, another sign; to a number alone certainly."""
    signs = rng.choice([-1.0, 1.0], array.shape) if array.size > 1 else np.full(array.shape, -1.0)
    flipped: Floats = _enlarge(array, rng) * signs
    return flipped


def is_whole(array: Floats) -> bool:
    """Whether all its numbers are whole: labels and indices, which are drawn, never moved."""
    return bool(array.size) and bool((array == np.rint(array)).all()) and bool((np.abs(array) < _LARGEST_LABEL).all())
