"""What stands for the arguments of a function while it is traced, or runs on a probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_lite.lift.checking import equivalence_check
from tinygrad_lite.lift.tracing.arguments import Floats, Unit
from tinygrad_lite.value import Value


def samples_of(units: Sequence[Unit], arrays: Sequence[Floats]) -> list[list[Floats]]:
    """The arrays of each sample; of the only one, where there are none."""
    count = next((a.shape[-1] for a, unit in zip(arrays, units, strict=True) if unit.axis is not None), 1)
    return [
        [array if unit.axis is None else array[..., k] for unit, array in zip(units, arrays, strict=True)]
        for k in range(count)
    ]


def tie(units: Sequence[Unit], arrays: list[Floats]) -> None:
    """Gives a parameter that stands in several places one number: that of the first."""
    first: dict[int, float] = {}
    for place, unit in enumerate(units):
        if unit.values:
            numbers = arrays[place].ravel().tolist()
            tied = [first.setdefault(id(value), number) for value, number in zip(unit.values, numbers, strict=True)]
            arrays[place] = np.array(tied, dtype=np.float64).reshape(arrays[place].shape)


@contextmanager
def holding(units: Sequence[Unit], arrays: Sequence[Floats]) -> Iterator[None]:
    """Lets the parameters of modules hold other numbers for a while; graphs that were recorded before do not notice."""
    before = [(value, value._number) for unit in units for value in unit.values or ()]
    try:
        for unit, array in zip(units, arrays, strict=True):
            for value, number in zip(unit.values or (), array.ravel().tolist(), strict=bool(unit.values)):
                value._number = number
        yield
    finally:
        for value, number in before:
            value._number = number


def as_given(unit: Unit, array: Floats) -> Any:
    """A probe's numbers in the type that the caller gave, as far as they can be."""
    if unit.integer and equivalence_check.is_whole(array):
        array = array.astype(np.int64)
    return array if array.ndim else array.item()


def arranged(nodes: Sequence[Value], shape: tuple[int, ...]) -> Any:
    """Values in a shape: an object array, or the Value itself."""
    if not shape:
        return nodes[0]
    array = np.empty(len(nodes), dtype=object)
    array[:] = nodes
    return array.reshape(shape)
