"""How an operand is read, as array source: slices, transposes, splits, windows, and gathers for the rest.

An operand's places are read dimension by dimension. A place that moves along one axis is a slice; along several axes,
one of which counts the whole turns of the next, a reshape; along two that overlap, a sliding window; one that goes
around at the end, a roll. Places that follow no rule are looked up with an array of ints. All but these, rolls and some
reshapes are views: nothing is copied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.ir.groups import Group, Index, Integers, Ref
from tinygrad_lite.lift.source.bound_constants import BoundConstants
from tinygrad_lite.lift.source.fragments import BATCH, Fragment


@dataclass(frozen=True)
class Reading:
    """What a read needs to know of the place where it stands.

    Attributes:
        sizes: The size of each axis: the group's own, then the reduced ones.
        own: How many axes are the group's own.
        constants: Where index arrays are bound.
        dialect: ``"numpy"`` or ``"jax"``.
        samples_stay: Whether the result keeps the samples.
    """

    sizes: tuple[int, ...]
    own: int
    constants: BoundConstants
    dialect: str
    samples_stay: bool = True


def read(source: Fragment, group: Group, ref: Ref, reading: Reading) -> Fragment:
    """Write an operand as an array, each dimension of which runs along one axis of those that read it.

    Args:
        source: The text of the group's array, which has the group's dimensions and, if it is batched, the samples'.
        group: The group that is read.
        ref: Where.
        reading: The axes, and where constants go.
    """
    shape, places = group.shape, list(ref.index)
    if ref.flat and len(shape) != 1:
        shape = (group.size,)
        source = _reshape_fragment(source, shape, group.batched)
    source, shape, places = _merge_dimensions(source, shape, places, group.batched, reading)
    places = _keep_ones(shape, [_simplify(index, reading.sizes) for index in places], reading.sizes)
    view = _View(replace(source, axes=()), shape, group.batched, reading)
    return view.read_at(places)


def read_constant(group: Group, ref: Ref, reading: Reading) -> Fragment:
    """Read a constant now: the array of its numbers at those places."""
    assert group.data is not None
    data = np.asarray(group.data, dtype=float)
    if not ref.index or not data.size:
        return reading.constants.numbers(data, tuple(range(data.ndim)) if ref.index else ())
    axes = sorted({axis for index in ref.index for axis in index.depends_on() if reading.sizes[axis] > 1})
    grid = _make_grid(axes, reading.sizes)
    places = tuple(np.broadcast_to(index.at(grid), tuple(reading.sizes[a] for a in axes)) for index in ref.index)
    return reading.constants.numbers(data.reshape(-1)[places] if ref.flat else data[places], tuple(axes))


def align(fragment: Fragment, wanted: Sequence[int]) -> Fragment:
    """Put dimensions in the order of the wanted axes, with some of size 1 for those between that it lacks."""
    if None in fragment.axes:  # it has been aligned
        return fragment
    order = [axis for axis in wanted if axis in fragment.axes]
    fragment = transpose(fragment, order)
    if not order:
        return fragment
    places: list[int] = []
    dimension = 0
    for axis in wanted[wanted.index(order[0]) :]:
        if axis in order:
            dimension += 1
        else:
            places.append(dimension)
    return fragment.insert_axes(places) if places else fragment


def transpose(fragment: Fragment, order: Sequence[int | None]) -> Fragment:
    """Put dimensions in another order."""
    axes = fragment.axes
    if tuple(order) == axes:
        return fragment
    permutation = [axes.index(axis) for axis in order]
    moved = [place for place, axis in enumerate(permutation) if place != axis]
    if permutation == list(reversed(range(len(axes)))):
        return fragment.call_method("T", tuple(order))
    if len(moved) == 2:
        return fragment.call_method(f"swapaxes({moved[0]}, {moved[1]})", tuple(order))
    return fragment.call_method(f"transpose({', '.join(map(str, permutation))})", tuple(order))


# -------------------------------------------------------------------------------------------------- places


def _make_grid(axes: Sequence[int], sizes: Sequence[int]) -> Any:
    """Make coordinates of those axes, as arrays that broadcast against one another in that order."""
    coordinates: Any = np.indices(tuple(sizes[axis] for axis in axes), sparse=True)
    grid = {axis: np.zeros((1,) * len(axes), dtype=np.intp) for axis in range(len(sizes))}
    return [{**grid, **dict(zip(axes, coordinates, strict=True))}[axis] for axis in range(len(sizes))]


def _simplify(index: Index, sizes: Sequence[int]) -> Index:
    """Leave out axes along which nothing moves, and find steps where a table says no more than these."""
    if index.table is None:
        return Index(index.offset, tuple((axis, step) for axis, step in index.steps if sizes[axis] > 1))
    keep = [axis for axis in index.axes if sizes[axis] > 1]
    table = index.table.reshape(tuple(sizes[axis] for axis in keep))
    return _find_affine(table, keep) or Index(table=table, axes=tuple(keep))


def _find_affine(table: Integers, axes: Sequence[int]) -> Index | None:
    """Find the steps that explain a table of places; None if there are none."""
    if not table.size:
        return None
    offset = int(table.flat[0])
    steps = [int(np.take(table, 1, place).flat[0]) - offset for place in range(table.ndim)]
    found: Any = np.full(table.shape, offset)
    grid: Any = np.indices(table.shape, sparse=True)
    for coordinates, step in zip(grid, steps, strict=True):
        found = found + step * coordinates
    if not np.array_equal(found, table):
        return None
    return Index(offset, tuple((axis, step) for axis, step in zip(axes, steps, strict=True) if step))


def _keep_ones(shape: Sequence[int], places: list[Index], sizes: Sequence[int]) -> list[Index]:
    """Let dimensions of size 1 run along axes of size 1, where there are such: the array keeps its dimensions then."""
    used = [axis for index in places for axis in index.depends_on()]
    ones = [axis for axis, size in enumerate(sizes) if size == 1 and axis not in used]
    found = []
    for size, index in zip(shape, places, strict=True):
        if size == 1 and ones and not index.depends_on():
            index = Index(0, ((ones.pop(0), 1),))
        found.append(index)
    return found


def _merge_dimensions(
    source: Fragment, shape: tuple[int, ...], places: list[Index], batched: bool, reading: Reading
) -> tuple[Fragment, tuple[int, ...], list[Index]]:
    """Make neighbouring dimensions one, where their places together follow a rule that they do not follow alone."""
    count = {axis: sum(axis in index.depends_on() for index in places) for axis in range(len(reading.sizes))}
    odd = [
        place
        for place, index in enumerate(places)
        if index.table is not None or any(count[axis] > 1 for axis in index.depends_on())
    ]
    if len(odd) < 2 or odd != list(range(odd[0], odd[-1] + 1)):
        return source, shape, places
    first, last = odd[0], odd[-1] + 1
    axes = sorted({a for index in places[first:last] for a in index.depends_on() if reading.sizes[a] > 1})
    grid = _make_grid(axes, reading.sizes)
    extents = tuple(reading.sizes[axis] for axis in axes)
    together = np.zeros(extents, dtype=np.intp)
    for size, index in zip(shape[first:last], places[first:last], strict=True):
        together = together * size + np.broadcast_to(index.at(grid), extents)
    found = _find_affine(together, axes)
    if found is None:
        return source, shape, places
    shape = (*shape[:first], math.prod(shape[first:last]), *shape[last:])
    return _reshape_fragment(source, shape, batched), shape, [*places[:first], found, *places[last:]]


# --------------------------------------------------------------------------------------------------- views


def _reshape_fragment(source: Fragment, shape: Sequence[int], batched: bool) -> Fragment:
    sizes = [*map(str, shape), "-1"] if batched else ["-1"] if len(shape) == 1 else list(map(str, shape))
    return source.call_method(f"reshape({', '.join(sizes)})", ())


@dataclass
class _View:
    """A view being made: the text so far, the sizes of its dimensions, and whether the samples' is the last."""

    fragment: Fragment
    shape: tuple[int, ...]
    batched: bool
    reading: Reading

    def read_at(self, places: list[Index]) -> Fragment:
        """Read the array at those places."""
        shared = {axis for axis in range(len(self.reading.sizes)) if sum(axis in p.depends_on() for p in places) > 1}
        shifts: dict[int, int] = {}
        splits: list[_Split | None] = []
        items: list[str] = []
        dimensions: list[_Dimension] = []
        for size, index in zip(self.shape, places, strict=True):
            regular = index.table is None and not shared.intersection(index.depends_on())
            if regular and not index.steps:
                items.append(str(index.offset))
                continue
            if not shared.intersection(index.axes) and (shift := _find_roll(index, size)):
                shifts[len(dimensions)] = shift
                index, regular = Index(0, ((index.axes[0], 1),)), True
            split = _make_split(index, size, self.reading.sizes) if regular else None
            if split:
                items.append(split.item)
                dimensions.append(_Dimension(split.length, index, split.axes))
            else:
                items.append(":")
                dimensions.append(_Dimension(size, index, ()))
            splits.append(split)
        if self.batched:
            items.append(":")
            dimensions.append(_Dimension(None, None, (BATCH,)))
            splits.append(None)
        labels = tuple(d.axes[0] if len(d.axes) == 1 else None for d in dimensions)
        self.fragment = self.fragment.with_items(_fill(self.fragment.items, items), labels)
        if shifts:
            self._roll(shifts, dimensions)
        dimensions = self._reshape(dimensions, splits)
        dimensions = self._slide(dimensions)
        return self._gather(dimensions)

    def _roll(self, shifts: dict[int, int], dimensions: Sequence[_Dimension]) -> None:
        """Roll the dimensions that are read from some place on and around; they are read from their beginning then."""
        by, along = (
            str(numbers[0]) if len(numbers) == 1 else f"({', '.join(map(str, numbers))})"
            for numbers in (list(shifts.values()), list(shifts))
        )
        closed = self.fragment.close()
        self.fragment = Fragment(f"roll({closed.text}, {by}, {along})", boolean=closed.boolean)
        self._open([":"] * len(dimensions), dimensions)

    def _reshape(self, dimensions: list[_Dimension], splits: list[_Split | None]) -> list[_Dimension]:
        if all(split is None or len(split.axes) == 1 for split in splits):
            return dimensions
        sizes: list[str] = []
        items: list[str] = []
        found: list[_Dimension] = []
        for dimension, split in zip(dimensions, splits, strict=True):
            if split is None:
                sizes.append("-1" if dimension.size is None else str(dimension.size))
                items.append(":")
                found.append(dimension)
                continue
            for axis, size in zip(split.axes, split.shape, strict=True):
                wanted = self.reading.sizes[axis]
                sizes.append(str(size))
                items.append(":" if wanted == size else f":{wanted}")
                found.append(_Dimension(wanted, None, (axis,)))
        self.fragment = self.fragment.call_method(f"reshape({', '.join(sizes)})", ())
        self._open(items, found)
        return found

    def _slide(self, dimensions: list[_Dimension]) -> list[_Dimension]:
        """Take sliding windows over the dimensions that two axes step along."""
        windows = {
            place: window
            for place, dimension in enumerate(dimensions)
            if self.reading.dialect == "numpy" and (window := _find_window(dimension, dimensions, self.reading))
        }
        if not windows:
            return dimensions
        sizes = [str(window.size) for window in windows.values()]
        axes = [str(place) for place in windows]
        size = sizes[0] if len(sizes) == 1 else f"({', '.join(sizes)})"
        axis = axes[0] if len(axes) == 1 else f"({', '.join(axes)})"
        text = f"sliding_window_view({self.fragment.text}, {size}, axis={axis})"
        self.fragment = Fragment(text, boolean=self.fragment.boolean)
        items = [windows[place].positions if place in windows else ":" for place in range(len(dimensions))]
        items += [window.inside for window in windows.values()]
        found = [
            _Dimension(self.reading.sizes[windows[place].outer], None, (windows[place].outer,))
            if place in windows
            else dimension
            for place, dimension in enumerate(dimensions)
        ]
        found += [_Dimension(self.reading.sizes[w.inner], None, (w.inner,)) for w in windows.values()]
        self._open(items, found)
        return found

    def _gather(self, dimensions: list[_Dimension]) -> Fragment:
        """Put index arrays along the dimensions that are left."""
        odd = [place for place, dimension in enumerate(dimensions) if not dimension.axes]
        if not odd:
            return self.fragment
        indices = [index for place in odd if (index := dimensions[place].index) is not None]
        axes = self._order_axes(sorted({axis for index in indices for axis in index.depends_on()}))
        grid = _make_grid(axes, self.reading.sizes)
        names = iter([self.reading.constants.bind_places(_tabulate(index, grid, len(axes))) for index in indices])
        items = [next(names) if place in odd else ":" for place in range(len(dimensions))]
        rest = [dimension.axes[0] for dimension in dimensions if dimension.axes]
        together = odd == list(range(odd[0], odd[-1] + 1))
        first = odd[0] if together else 0
        self.fragment = self.fragment.close()
        gathered = replace(self.fragment, axes=tuple(range(len(items)))).with_items(items, ()).close()
        return replace(gathered, axes=(*rest[:first], *axes, *rest[first:]))

    def _order_axes(self, axes: list[int]) -> list[int]:
        """Put axes that a contraction sums together: before the samples, or with them, if it sums those too."""
        if not self.batched or self.reading.samples_stay:
            return sorted(axes, key=lambda axis: (axis < self.reading.own, axis))
        return axes

    def _open(self, items: list[str], dimensions: Sequence[_Dimension]) -> None:
        labels = tuple(d.axes[0] if len(d.axes) == 1 else None for d in dimensions)
        self.fragment = self.fragment.with_items(items, labels)


def _fill(before: Sequence[str] | None, items: Sequence[str]) -> list[str]:
    """Put items into a bracket in which some places are taken: ``x[:, t]`` at 0 is ``x[0, t]``."""
    rest = iter(items)
    return list(items) if before is None else [next(rest) if item == ":" else item for item in before]


@dataclass(frozen=True)
class _Dimension:
    """A dimension of a view: its size (None: the samples), where it is read, and the axes once they are known."""

    size: int | None
    index: Index | None
    axes: tuple[int, ...]


def _tabulate(index: Index, grid: Any, ndim: int) -> NDArray[Any]:
    """List the places, without leading dimensions along which nothing moves."""
    places = np.asarray(index.at(grid))
    while places.ndim > 1 and places.shape[0] == 1:
        places = places[0]
    return places


def _find_roll(index: Index, size: int) -> int:
    """Find by how much a dimension of that size is to be rolled, so that it is read in order; 0 for other indices."""
    if index.table is None or index.table.shape != (size,):
        return 0
    first = int(index.table[0])
    if not np.array_equal(index.table, (np.arange(size) + first) % size):
        return 0
    return size - first if 2 * first > size else -first


@dataclass(frozen=True)
class _Split:
    """One dimension that axes count through like the digits of a number: a slice, then a reshape."""

    item: str
    length: int
    axes: tuple[int, ...]
    shape: tuple[int, ...]


def _make_split(index: Index, size: int, sizes: Sequence[int]) -> _Split | None:
    if len(index.steps) == 1:
        ((axis, step),) = index.steps
        return _Split(_write_slice(index.offset, step, sizes[axis], size), sizes[axis], (axis,), (sizes[axis],))
    digits = sorted(index.steps, key=lambda pair: -pair[1])
    unit = digits[-1][1]
    if unit < 0:
        return None
    shape: list[int] = []
    for (axis, step), (_, greater) in zip(digits[1:], digits, strict=False):
        if greater % step or greater // step < sizes[axis]:
            return None
        shape.append(greater // step)
    shape.insert(0, sizes[digits[0][0]])
    length = math.prod(shape)
    if index.offset + unit * (length - 1) >= size:
        return None
    return _Split(
        _write_slice(index.offset, unit, length, size), length, tuple(axis for axis, _ in digits), tuple(shape)
    )


def _write_slice(start: int, step: int, count: int, size: int) -> str:
    """Write ``2:5`` and the like; ``:`` for all."""
    step = step if count > 1 else 1
    if step < 0:
        first = "" if start == size - 1 else str(start)
        end = start + step * (count - 1)
        last = "" if end + step < 0 else str(end - 1)
        return f"{first}:{last}:{step}"
    end = start + step * (count - 1) + 1
    last = "" if -(-(size - start) // step) == count else str(end)
    return f"{start or ''}:{last}" + (f":{step}" if step > 1 else "")


@dataclass(frozen=True)
class _Window:
    """A dimension read at ``outer step · outer + inner step · inner``."""

    outer: int
    inner: int
    size: int
    positions: str
    inside: str


def _find_window(dimension: _Dimension, dimensions: Sequence[_Dimension], reading: Reading) -> _Window | None:
    index = dimension.index
    if dimension.axes or index is None or dimension.size is None or index.table is not None or len(index.steps) != 2:
        return None
    axes = [axis for axis, _ in index.steps]
    others = [d.index for d in dimensions if d is not dimension and d.index is not None]
    if any(axis in other.depends_on() for other in others for axis in axes):
        return None
    inner, step = max(index.steps, key=lambda pair: (pair[0] >= reading.own, -reading.sizes[pair[0]]))
    ((outer, stride),) = [pair for pair in index.steps if pair[0] != inner]
    reach = abs(step) * (reading.sizes[inner] - 1)
    start = index.offset - (reach if step < 0 else 0)
    positions = dimension.size - reach
    return _Window(
        outer,
        inner,
        reach + 1,
        _write_slice(start, stride, reading.sizes[outer], positions),
        _write_slice(reach if step < 0 else 0, step, reading.sizes[inner], reach + 1),
    )
