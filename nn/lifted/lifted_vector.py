"""The parameters of a run as one array, and what the optimiser remembers of them: a step is one formula on it.

The array is ordered by buckets: parameters of one group that have made equally many steps stand together, as one call
of the optimiser's formula moves them all; frozen ones come last. What a program takes are views of it. The functions
that compute know NumPy's arrays and JAX's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.nn.base.state import ParameterArray
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.optim.optimizer_state import Bucket
from tinygrad_lite.operations.arithmetic import array

Floats = NDArray[np.float64]


class Segment(NamedTuple):
    """Where a bucket of the optimiser stands in the array."""

    #: The number of its parameter group.
    group: int
    bucket: Bucket
    start: int
    stop: int
    #: For each place in the array from ``start`` on, the place in the bucket.
    order: NDArray[np.intp]


class Numbers(NamedTuple):
    """What a step changes."""

    #: All parameters.
    parameters: Any
    #: For each segment what the optimiser remembers, by name: an array, or a number of the group as a whole.
    memory: tuple[Mapping[str, Any], ...]
    #: For each segment the number of steps that were made.
    steps: tuple[Any, ...]


class Vector:
    """Where each parameter stands in the array.

    Args:
        optimizer: What moves them.
        arrays: Each array of parameters that a program takes.
        moved: The places in ``arrays`` of those that a program gives gradients of.

    Attributes:
        segments: The buckets.
        moving: How many parameters move: the first ones.
        values: All of them, in order.
    """

    def __init__(self, optimizer: Optimizer, arrays: Sequence[ParameterArray], moved: Sequence[int]) -> None:
        self.optimizer = optimizer
        buckets = _buckets(optimizer)
        owner = {id(value): number for number, (_, bucket) in enumerate(buckets) for value in bucket.parameters}
        values = [value for array in arrays for value in array.values]
        numbers = np.array([owner.get(id(value), len(buckets)) for value in values], dtype=np.intp)
        by_bucket = np.argsort(numbers, kind="stable")
        place = np.empty(len(values), dtype=np.intp)
        place[by_bucket] = np.arange(len(values))
        ends = np.cumsum([0, *[len(array.values) for array in arrays]])
        places = [place[start:stop] for start, stop in pairwise(ends)]
        self.values = [values[i] for i in by_bucket]
        self.moving = int((numbers < len(buckets)).sum())
        self._views = [(_slice_of(at), shape) for at, (shape, *_) in zip(places, arrays, strict=True)]
        self._pick = _picked([places[i] for i in moved], self.moving)
        self.segments: list[Segment] = []
        for group, bucket in buckets:
            start = self.segments[-1].stop if self.segments else 0
            stop = start + len(bucket.parameters)
            inside = {id(value): i for i, value in enumerate(bucket.parameters)}
            order = np.array([inside[id(value)] for value in self.values[start:stop]], dtype=np.intp)
            self.segments.append(Segment(group, bucket, start, stop, order))

    def is_current(self) -> bool:
        """Tell whether the optimiser moves the same parameters together as when this was made."""
        found = _buckets(self.optimizer)
        return len(found) == len(self.segments) and all(
            group == segment.group and list(map(id, bucket.parameters)) == list(map(id, segment.bucket.parameters))
            for (group, bucket), segment in zip(found, self.segments, strict=True)
        )

    # ------------------------------------------------------------------------------------- from Values, and back

    def read(self) -> Numbers:
        """Return the present numbers of the parameters, and what the optimiser remembers."""
        memory, steps = [], []
        for segment, (_, bucket) in zip(self.segments, _buckets(self.optimizer), strict=True):
            state = self.optimizer._states[segment.group]
            remembered = {name: found[segment.order] for name, found in state.at(bucket).items()}
            memory.append({**self.optimizer.shared, **state.shared, **self.optimizer.numbers, **remembered})
            steps.append(bucket.steps)
        return Numbers(
            np.array([value._number for value in self.values], dtype=np.float64), tuple(memory), tuple(steps)
        )

    def write(self, numbers: Numbers) -> None:
        """Put them into the parameters and the optimiser."""
        for value, number in zip(self.values[: self.moving], np.asarray(numbers.parameters).tolist(), strict=False):
            value.data = number
        first = {**self.optimizer.numbers, **self.optimizer.shared}
        for segment, memory, steps in zip(self.segments, numbers.memory, numbers.steps, strict=True):
            state = self.optimizer._states[segment.group]
            if (state.steps[segment.bucket.places] == int(steps)).all():
                continue
            changed = [name for name in memory if memory[name] is not first[name]]
            numbers_of = {name: _unordered(memory[name], segment) for name in changed if name in self.optimizer.numbers}
            state.remember(segment.bucket, numbers_of, self.optimizer.numbers)
            state.shared.update({name: float(memory[name]) for name in changed if name in self.optimizer.shared})
            state.steps[segment.bucket.places] = int(steps)

    def changing(self, numbers: Numbers, groups: Sequence[Mapping[str, Any]]) -> list[dict[str, tuple[int, ...]]]:
        """Find what a step changes of the memory of each segment, with its shape: () for a number of the group."""
        with np.errstate(all="ignore"):
            after = self.moved(np, array(), numbers, np.zeros(self.moving), groups)
        return [
            {
                name: () if name in self.optimizer.shared else (segment.stop - segment.start,)
                for name in new
                if new[name] is not old[name]
            }
            for segment, old, new in zip(self.segments, numbers.memory, after.memory, strict=True)
        ]

    # ---------------------------------------------------------------------------------------------- computing

    def split(self, parameters: Any) -> list[Any]:
        """Split the vector into the arrays that a program takes."""
        return [parameters[where].reshape(shape) for where, shape in self._views]

    def gradient(self, xp: Any, slopes: Sequence[Any]) -> Any:
        """Return the gradients that a program gives as one array, like the first ``moving`` parameters.

        Args:
            xp: ``numpy`` or ``jax.numpy``.
            slopes: One for each array that is moved.
        """
        if not slopes:
            return xp.zeros(0)
        joined = xp.concatenate([slope.reshape(-1) for slope in slopes])
        return joined if self._pick is None else joined[self._pick]

    def moved(self, xp: Any, m: Any, numbers: Numbers, gradient: Any, groups: Sequence[Mapping[str, Any]]) -> Numbers:
        """Compute the numbers after one step.

        Args:
            xp: ``numpy`` or ``jax.numpy``.
            m: The arithmetic for the optimiser's formula.
            numbers: Those before.
            gradient: By the first ``moving`` parameters.
            groups: The hyperparameters of each group.
        """
        parameters = numbers.parameters
        pieces, memory = [], []
        for segment, remembered, steps in zip(self.segments, numbers.memory, numbers.steps, strict=True):
            start, stop = segment.start, segment.stop
            moved, new = self.optimizer.update(
                m, parameters[start:stop], gradient[start:stop], remembered, groups[segment.group], steps + 1
            )
            self.optimizer._check_new(new)
            pieces.append(moved if xp.shape(moved) == (stop - start,) else xp.full(stop - start, moved))
            memory.append({**remembered, **new})
        if self.moving < len(self.values):
            pieces.append(parameters[self.moving :])
        together = pieces[0] if len(pieces) == 1 else xp.concatenate(pieces)
        return Numbers(together, tuple(memory), tuple([steps + 1 for steps in numbers.steps]))


def clip_norm(xp: Any, gradient: Any, limit: float, counted: Any = None) -> Any:
    """Shorten the gradient to a norm as :func:`~tinygrad_lite.nn.optim.clipping.clip_grad_norm_` does.

    Args:
        xp: ``numpy`` or ``jax.numpy``.
        gradient: Finite numbers.
        limit: The greatest norm allowed.
        counted: Which numbers count, and are shortened: booleans; None for all.

    >>> clip_norm(np, np.array([3.0, 4.0]), 1.0).round(6)
    array([0.6, 0.8])
    """
    taken = gradient if counted is None else gradient[counted]
    greatest = abs(taken).max(initial=0.0)
    scale = xp.where(greatest == 0.0, 1.0, greatest)
    relative = taken / scale
    factor = (limit / scale) / (xp.sqrt((relative * relative).sum()) + 1e-6 / scale)
    factor = xp.where(greatest == 0.0, 1.0, xp.minimum(factor, 1.0))
    return gradient * (factor if counted is None else xp.where(counted, factor, 1.0))


def _buckets(optimizer: Optimizer) -> list[tuple[int, Bucket]]:
    return [(group, bucket) for group, state in enumerate(optimizer._states) for bucket in state.buckets()]


def _slice_of(places: NDArray[np.intp]) -> Any:
    """Return places as a slice, if they are consecutive."""
    if len(places) and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _picked(given: Sequence[NDArray[np.intp]], moving: int) -> NDArray[np.intp] | None:
    """Which of numbers, that are to stand in the given places, stand in places 0, 1, 2 ...; None if just these."""
    places = np.concatenate([*given, np.zeros(0, dtype=np.intp)])
    if len(places) == moving and (np.diff(places) == 1).all():
        return None
    return np.argsort(places, kind="stable")[:moving]


def _unordered(numbers: Any, segment: Segment) -> Floats:
    """Return numbers of a segment in the order of its bucket."""
    full = np.empty(segment.stop - segment.start)
    full[segment.order] = numbers
    return full
