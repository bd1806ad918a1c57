"""Where everything in the picture of a network stands: columns of circles, a gap where neurons are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

#: Room above the circles, and below them for what the columns are and for the legend.
_TOP: Final = 22.0
_BOTTOM: Final = 78.0
#: How wide a character of a name is about, in ems.
_CHARACTER: Final = 0.58
NAME_SIZE: Final = 13.0


class Place(NamedTuple):
    """Where a neuron is."""

    #: which neuron of its column
    neuron: int
    x: float
    y: float


class Gap(NamedTuple):
    """What stands for neurons that are left out."""

    x: float
    y: float
    left_out: int


class Layout(NamedTuple):
    """Where all circles are."""

    width: float
    height: float
    #: of a circle
    radius: float
    #: how wide the widest edge is
    widest: float
    #: the neurons of each column that are drawn, in the order of their numbers
    columns: tuple[tuple[Place, ...], ...]
    #: of each column, None if all its neurons are drawn
    gaps: tuple[Gap | None, ...]
    #: where the words below the columns begin
    below: float


def place_columns(sizes: Sequence[int], max_neurons: int, before: Sequence[str], after: Sequence[str]) -> Layout:
    """Find a place for each neuron.

    Args:
        sizes: How many there are in each column.
        max_neurons: At most so many are drawn of a column, the first and the last ones.
        before: The names to the left of the first column.
        after: The names to the right of the last column.

    >>> layout = place_columns([784, 1], 4, [], [])
    >>> [place.neuron for place in layout.columns[0]], layout.gaps[0].left_out
    ([0, 1, 782, 783], 780)
    """
    chosen = [_chosen(size, max_neurons) for size in sizes]
    rows = max(len(indices) + (len(indices) < size) for indices, size in zip(chosen, sizes, strict=True))
    radius = min(18.0, max(10.0, 190.0 / rows))
    pitch = 2.72 * radius
    tall = max(rows * pitch, 3.0 * pitch)
    step = min(max(0.5 * tall, 135.0), 230.0, max(1150.0 / len(sizes), 5.0 * radius))
    left, right = (20.0 + radius + max(map(name_width, names), default=0.0) for names in (before, after))
    columns, gaps = [], []
    for k, (indices, size) in enumerate(zip(chosen, sizes, strict=True)):
        x = left + k * step
        count = len(indices) + (len(indices) < size)
        first = _TOP + 0.5 * tall - 0.5 * (count - 1) * pitch
        half = (len(indices) + 1) // 2
        split = len(indices) < size
        columns.append(
            tuple(Place(index, x, first + (row + (split and row >= half)) * pitch) for row, index in enumerate(indices))
        )
        gaps.append(Gap(x, first + half * pitch, size - len(indices)) if split else None)
    width = left + (len(sizes) - 1) * step + right
    return Layout(width, _TOP + tall + _BOTTOM, radius, 0.27 * radius, tuple(columns), tuple(gaps), _TOP + tall)


def name_width(name: str) -> float:
    """Return about how much room a name beside a circle takes, with the space between the two.

    >>> name_width("")
    0.0
    """
    return 9.0 + _CHARACTER * NAME_SIZE * len(name) if name else 0.0


def _chosen(size: int, most: int) -> list[int]:
    """Return which neurons of a column are drawn: all, or as many first as last ones."""
    if size <= most:
        return list(range(size))
    first = (most + 1) // 2
    return [*range(first), *range(size - (most - first), size)]
