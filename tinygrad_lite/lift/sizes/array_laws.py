"""Laws of arrays: masks, tables of places and constant numbers, as functions of coordinates and of the sizes.

- A mask is a conjunction of inequalities between coordinates (the triangle of causal attention, the rim of a padded
  image) and of congruences (the rows that a stride reaches), or what such a conjunction leaves out (``i != j``).
- A table is affine in the coordinates; or that, clipped to an interval, or modulo a number (neighbours on a ring); or
  affine in quotient and remainder of the first coordinate (a grid that is numbered in one row, what strides reach).
- Constant numbers are equal, or whole numbers as in a table, or affine with steps that are numbers, or two numbers as a
  mask chooses.
- Any of them may have rims (:mod:`~tinygrad_lite.lift.sizes.rim_laws`).

Each is found in all traces at once: what stands in it is a law of :mod:`~tinygrad_lite.lift.sizes.laws`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.ir.groups import Booleans, Integers
from tinygrad_lite.lift.sizes.laws import Fitter, IntegerLaw, NoLawError, NumberLaw
from tinygrad_lite.lift.sizes.rim_laws import ArrayLaw, fit_rims

Floats = NDArray[np.float64]
#: How far coordinates are multiplied in a sum of them; less where there are many axes.
_MULTIPLES: Final = (-2, -1, 0, 1, 2)
_MODULI: Final = (2, 3, 4)
_FEW_AXES: Final = 4
#: How far from 0 a table begins that is clipped or wrapped.
_FARTHEST: Final = 4


@dataclass(frozen=True)
class Constraint:
    """What holds where a mask is True: Σ multiple · coordinate >= bound; or, with a modulus, ≡ bound.

    Attributes:
        multiples: Of each coordinate.
        bound: A law of the sizes.
        modulus: 0 for an inequality.
    """

    multiples: tuple[int, ...]
    bound: IntegerLaw
    modulus: int = 0

    def holds(self, grid: Sequence[Any], sizes: Sequence[int]) -> Any:
        """Say where it holds."""
        place = _combine(self.multiples, grid)
        bound = self.bound.at(sizes)
        return place % self.modulus == bound % self.modulus if self.modulus else place >= bound


@dataclass(frozen=True)
class MaskLaw:
    """A conjunction of constraints, or where it does not hold; or the very mask, where all traces have the same."""

    constraints: tuple[Constraint, ...]
    negated: bool = False
    literal: Booleans | None = None

    def at(self, shape: tuple[int, ...], sizes: Sequence[int]) -> Booleans:
        """Make the mask of that shape."""
        if self.literal is not None:
            return self.literal.reshape(shape).copy()
        grid = np.indices(shape, sparse=True)
        mask: Any = np.ones((1,) * len(shape), dtype=bool)
        for constraint in self.constraints:
            mask = mask & constraint.holds(grid, sizes)
        return np.array(np.broadcast_to(~mask if self.negated else mask, shape))


@dataclass(frozen=True)
class TableLaw:
    """Places as a function of the coordinates.

    Attributes:
        kind: ``"affine"``, ``"clip"``, ``"wrap"``, ``"sort"``, a wrap that is sorted along the last axis, as terms of a
            sum are, or ``"split"``.
        steps: The offset, and what each coordinate is multiplied by; of a split the quotient and the remainder, too.
        limits: Of a clip the least and the greatest place; of a wrap and a sort the modulus; of a split the divisor.
        literal: The very table, where all traces have the same.
    """

    kind: str
    steps: tuple[IntegerLaw, ...]
    limits: tuple[IntegerLaw, ...] = ()
    literal: Integers | None = None

    def at(self, shape: tuple[int, ...], sizes: Sequence[int]) -> Integers:
        """Make the table of that shape."""
        if self.literal is not None:
            return self.literal.reshape(shape).copy()
        numbers = [law.at(sizes) for law in self.steps]
        limits = [law.at(sizes) for law in self.limits]
        return np.array(np.broadcast_to(_tabulate(self.kind, numbers, limits, shape), shape), dtype=np.intp)


@dataclass(frozen=True)
class DataLaw:
    """Numbers of a constant: places of a table, affine numbers, or one of two numbers.

    Attributes:
        numbers: The offset and a step for each axis; or the numbers where the mask holds, and where not.
        mask: Which of two numbers stands where.
        table: Whole numbers.
        literal: The very array, where it is the same in all traces.
    """

    numbers: tuple[NumberLaw, ...] = ()
    mask: ArrayLaw | None = None
    table: ArrayLaw | None = None
    literal: Floats | None = None

    def at(self, shape: tuple[int, ...], sizes: Sequence[int]) -> Floats:
        """Make the array of that shape."""
        if self.literal is not None:
            return self.literal.reshape(shape).copy()
        if self.table is not None:
            return self.table.at(shape, sizes).astype(np.float64)
        found = [law.at(sizes) for law in self.numbers]
        if self.mask is not None:
            return np.where(self.mask.at(shape, sizes), found[0], found[1])
        whole: Any = found[0]
        for step, coordinate in zip(found[1:], np.indices(shape, sparse=True), strict=True):
            whole = whole + step * coordinate
        return np.array(np.broadcast_to(whole, shape), dtype=np.float64)


def fit_mask(masks: Sequence[Booleans], fitter: Fitter) -> ArrayLaw:
    """Find the law of a mask.

    Raises:
        NoLawError: There is none.
    """
    try:
        return _fit_mask(masks, fitter)
    except NoLawError:
        return fit_rims([masks], lambda part: _fit_mask(part, fitter))


def _fit_mask(masks: Sequence[Booleans], fitter: Fitter) -> MaskLaw:
    for negated in (False, True):
        law = _fit_conjunction([~mask if negated else mask for mask in masks], fitter)
        if law is not None:
            return MaskLaw(law, negated)
    if _are_same(masks):
        return MaskLaw((), literal=masks[0])
    raise NoLawError(f"a mask of shape {masks[0].shape}")


def fit_table(tables: Sequence[Integers], cares: Sequence[Booleans], limits: Sequence[int], fitter: Fitter) -> ArrayLaw:
    """Find the law of a table of places.

    Args:
        tables: In each trace.
        cares: Which of their cells anybody reads.
        limits: The length of the axis that is read.
        fitter: Of the traces.

    Raises:
        NoLawError: There is none.
    """
    try:
        return _fit_table(tables, cares, limits, fitter)
    except NoLawError as error:
        with suppress(NoLawError):
            return fit_rims([tables, cares], lambda part, known: _fit_table(part, known, limits, fitter))
        raise error


def _fit_table(
    tables: Sequence[Integers], cares: Sequence[Booleans], limits: Sequence[int], fitter: Fitter
) -> TableLaw:
    axes = tables[0].ndim
    if not all(care.any() for care in cares):
        if any(care.any() for care in cares):
            raise NoLawError("a table of which not all traces read")
        return TableLaw("affine", (IntegerLaw(()),) * (axes + 1))
    for kind, candidates in _list_candidates(tables, cares, limits, fitter):
        found = []
        for number, (table, care) in enumerate(zip(tables, cares, strict=True)):
            bounds = [law.at(fitter.points[number]) for law in candidates]
            steps = _find_steps(kind, table, care, bounds)
            if steps is None:
                break
            found.append(steps)
        else:
            try:
                laws = tuple([fitter.fit_integer(each) for each in zip(*found, strict=True)])
            except NoLawError:
                continue
            return TableLaw(kind, laws, tuple(candidates))
    if _are_same(tables):
        return TableLaw("affine", (), literal=tables[0])
    raise NoLawError(f"a table of places of shape {tables[0].shape}, {axes} axes, {_show(tables[0])}")


def _are_same(arrays: Sequence[NDArray[Any]]) -> bool:
    """Whether all traces have the same array."""
    return all(np.array_equal(array, arrays[0]) for array in arrays)


def fit_data(arrays: Sequence[Floats], fitter: Fitter) -> ArrayLaw:
    """Find the law of a constant's numbers.

    Raises:
        NoLawError: There is none.
    """
    try:
        return _fit_data(arrays, fitter)
    except NoLawError as error:
        with suppress(NoLawError):
            return fit_rims([arrays], lambda part: _fit_data(part, fitter))
        raise error


def _fit_data(arrays: Sequence[Floats], fitter: Fitter) -> DataLaw:
    first = arrays[0]
    if all(array.shape == first.shape and np.array_equal(array, first, equal_nan=True) for array in arrays):
        return DataLaw(literal=first)
    if all(array.size and (array == array.flat[0]).all() for array in arrays):
        one = fitter.fit_number([float(array.flat[0]) for array in arrays])
        return DataLaw((one, *[NumberLaw(0.0)] * first.ndim))
    for fit in (_fit_whole, _fit_two, _fit_affine_numbers):
        try:
            return fit(arrays, fitter)
        except NoLawError:
            continue
    raise NoLawError(f"constant numbers of shape {first.shape}, {_show(first)}")


# --------------------------------------------------------------------------------------------------- masks


def _fit_conjunction(masks: Sequence[Booleans], fitter: Fitter) -> tuple[Constraint, ...] | None:
    if all(mask.all() for mask in masks):
        return ()
    smallest = min(range(len(masks)), key=lambda number: masks[number].size)
    if not all(mask.any() for mask in masks) or not _is_conjunction(masks[smallest]):
        return None
    grids = [np.indices(mask.shape, sparse=True) for mask in masks]
    current = [np.ones_like(mask) for mask in masks]
    kept: list[tuple[Constraint, list[Booleans]]] = []
    for direction in _list_directions(masks[0].ndim):
        places = [np.broadcast_to(_combine(direction, grid), m.shape) for grid, m in zip(grids, masks, strict=True)]
        for modulus in _list_moduli(direction):
            bounds = [_find_bound(place, mask, modulus) for place, mask in zip(places, masks, strict=True)]
            holds = [_holds(place, bound, modulus) for place, bound in zip(places, bounds, strict=True)]
            narrowed = [a & b for a, b in zip(current, holds, strict=True)]
            if all((a == b).all() for a, b in zip(narrowed, current, strict=True)):
                continue
            with suppress(NoLawError):
                kept.append((Constraint(direction, fitter.fit_integer(bounds), modulus), holds))
                current = narrowed
        if all((a == b).all() for a, b in zip(current, masks, strict=True)):
            return _drop_needless(kept, masks)
    return None


def _is_conjunction(mask: Booleans) -> bool:
    """Whether a mask alone is a conjunction of constraints, of whatever bounds."""
    grid = np.indices(mask.shape, sparse=True)
    whole = np.ones_like(mask)
    for direction in _list_directions(mask.ndim):
        place = np.broadcast_to(_combine(direction, grid), mask.shape)
        for modulus in _list_moduli(direction):
            whole &= _holds(place, _find_bound(place, mask, modulus), modulus)
        if (whole == mask).all():
            return True
    return False


def _find_bound(place: Integers, mask: Booleans, modulus: int) -> int:
    """Find the tightest bound of an inequality that holds in a mask; of a congruence the rest; -1 if there is none."""
    inside = place[mask]
    if not modulus:
        return int(inside.min())
    rests = inside % modulus
    return int(rests[0]) if (rests == rests[0]).all() else -1


def _holds(place: Integers, bound: int, modulus: int) -> Booleans:
    if not modulus:
        return np.asarray(place >= bound)
    return np.asarray(place % modulus == bound if bound >= 0 else np.ones(place.shape, dtype=bool))


def _list_moduli(direction: Sequence[int]) -> tuple[int, ...]:
    """List the moduli that are tried, 0 for an inequality; a direction and its opposite have the same congruences."""
    return (0, *_MODULI) if next(x for x in direction if x) > 0 else (0,)


@cache
def _list_directions(axes: int) -> list[tuple[int, ...]]:
    """List in which directions bounds are sought, the simplest first."""
    multiples = _MULTIPLES if axes <= _FEW_AXES else (-1, 0, 1)
    found = [each for each in itertools.product(multiples, repeat=axes) if any(each) and math.gcd(*each) == 1]
    return sorted(found, key=_complexity)


def _drop_needless(kept: list[tuple[Constraint, list[Booleans]]], wanted: Sequence[Booleans]) -> tuple[Constraint, ...]:
    """Leave out constraints that follow from others, the most complicated first."""
    for one in sorted(kept, key=lambda pair: _complexity(pair[0].multiples), reverse=True):
        others = [pair for pair in kept if pair is not one]
        if others and all(
            (np.logical_and.reduce([holds[k] for _, holds in others]) == mask).all() for k, mask in enumerate(wanted)
        ):
            kept = others
    return tuple([constraint for constraint, _ in kept])


def _complexity(direction: Sequence[int]) -> tuple[int, int]:
    return sum(map(abs, direction)), sum(x != 0 for x in direction)


# -------------------------------------------------------------------------------------------------- tables


def _list_candidates(
    tables: Sequence[Integers], cares: Sequence[Booleans], limits: Sequence[int], fitter: Fitter
) -> Iterator[tuple[str, list[IntegerLaw]]]:
    """List kinds of laws with the limits in them."""
    yield "affine", []
    pairs = list(zip(tables, cares, strict=True))
    least, greatest = ([int(f(table[care])) for table, care in pairs] for f in (np.min, np.max))
    edges: list[list[int]] = [list(limits), [x + 1 for x in greatest]]
    for low, high in ((least, greatest), ([0] * len(pairs), [x - 1 for x in limits])):
        with suppress(NoLawError):
            yield "clip", [fitter.fit_integer(low), fitter.fit_integer(high)]
    for modulus in edges:
        with suppress(NoLawError):
            yield from [("wrap", [fitter.fit_integer(modulus)]), ("sort", [fitter.fit_integer(modulus)])]
    if tables[0].ndim == 1:
        for law in _list_divisors(fitter):
            yield "split", [law]
    elif tables[0].ndim > 1:
        yield from [("split", [IntegerLaw(((modulus, ()),))]) for modulus in _MODULI]


def _list_divisors(fitter: Fitter) -> Iterator[IntegerLaw]:
    symbols = range(len(fitter.points[0]))
    for shift in (0, -1, 1, -2, 2):
        for i in symbols:
            yield IntegerLaw(((1, (i,)), *([(shift, ())] if shift else [])))
    for i, j in itertools.combinations_with_replacement(symbols, 2):
        yield IntegerLaw(((1, (i, j)),))
    for number in range(2, 17):
        yield IntegerLaw(((number, ()),))
        divided = [i for i in symbols if all(point[i] % number == 0 for point in fitter.points)]
        yield from [IntegerLaw(((1, (i,)),), number) for i in divided]  # without a rest: a seventh may be an eighth


def _find_steps(kind: str, table: Integers, care: Booleans, limits: Sequence[int]) -> list[int] | None:
    """Find the offset and the steps with which a law of that kind gives a table where anybody cares."""
    known = table[care]
    cells = np.argwhere(care)
    if kind == "split":
        if limits[0] < 2:
            return None
        rest = cells[:, :1]
        cells = np.concatenate([rest // limits[0], rest % limits[0], cells[:, 1:]], axis=1)
    if kind in ("affine", "split"):
        return _solve_steps(cells, known)
    if kind == "sort" and (not care.all() or table.ndim < 2):
        return None
    for steps in itertools.product(_MULTIPLES, repeat=table.ndim):
        if kind == "sort":
            for offset in range(-_FARTHEST, _FARTHEST + 1):
                if np.array_equal(_tabulate(kind, [offset, *steps], limits, table.shape), table):
                    return [offset, *steps]
            continue
        moved = cells @ np.array(steps, dtype=np.intp)
        for offset in sorted(range(-_FARTHEST, _FARTHEST + 1), key=abs):
            if (_limit(kind, moved + offset, limits) == known).all():
                return [offset, *steps]
    return None


def _solve_steps(cells: Integers, known: Integers) -> list[int] | None:
    """Solve for the offset and steps, whole numbers; steps of coordinates that do not vary are 0."""
    steps = np.zeros(cells.shape[1], dtype=np.intp)
    matrix = np.concatenate([np.ones((len(cells), 1)), cells], axis=1)
    solution, *_ = np.linalg.lstsq(matrix, known.astype(np.float64), rcond=None)
    varying = [axis for axis in range(cells.shape[1]) if np.ptp(cells[:, axis])]
    steps[varying] = np.rint(solution[1:][varying]).astype(np.intp)
    offset = int(known[0] - cells[0] @ steps)
    return [offset, *steps.tolist()] if (cells @ steps + offset == known).all() else None


def _tabulate(kind: str, numbers: Sequence[int], limits: Sequence[int], shape: tuple[int, ...]) -> Any:
    if kind == "split":
        first, *others = np.indices(shape, sparse=True)
        return numbers[0] + _combine(numbers[1:], [first // limits[0], first % limits[0], *others])
    whole = numbers[0] + _combine(numbers[1:], np.indices(shape, sparse=True))
    places = _limit(kind, whole, limits)
    return np.sort(np.broadcast_to(places, shape), axis=-1) if kind == "sort" else places


def _limit(kind: str, places: Any, limits: Sequence[int]) -> Any:
    if kind == "clip":
        return np.clip(places, limits[0], limits[1])
    return places % limits[0] if kind in ("wrap", "sort") else places


def _combine(multiples: Sequence[int], grid: Sequence[Any]) -> Any:
    total: Any = 0
    for multiple, coordinate in zip(multiples, grid, strict=True):
        total = total + multiple * coordinate if multiple else total
    return np.asarray(total)


# ------------------------------------------------------------------------------------------- constant numbers


def _fit_whole(arrays: Sequence[Floats], fitter: Fitter) -> DataLaw:
    if not all((array == np.rint(array)).all() and (np.abs(array) < 2**31).all() for array in arrays):
        raise NoLawError("numbers that are not whole")
    tables = [array.astype(np.intp) for array in arrays]
    cares = [np.ones(table.shape, dtype=bool) for table in tables]
    return DataLaw(table=fit_table(tables, cares, [int(table.max()) + 1 for table in tables], fitter))


def _fit_two(arrays: Sequence[Floats], fitter: Fitter) -> DataLaw:
    kinds = [np.unique(array) for array in arrays]
    if any(len(kind) != 2 for kind in kinds):
        raise NoLawError("more than two numbers")
    low, high = (fitter.fit_number([float(kind[k]) for kind in kinds]) for k in (0, 1))
    return DataLaw((high, low), fit_mask([array == kind[1] for array, kind in zip(arrays, kinds, strict=True)], fitter))


def _fit_affine_numbers(arrays: Sequence[Floats], fitter: Fitter) -> DataLaw:
    found = []
    for array in arrays:
        if min(array.shape, default=0) < 2:
            raise NoLawError("an axis of length 1")
        origin = (0,) * array.ndim
        offset = float(array[origin])
        ends = [
            tuple([size - 1 if a == axis else 0 for a, size in enumerate(array.shape)]) for axis in range(array.ndim)
        ]
        steps = [(float(array[end]) - offset) / (size - 1) for end, size in zip(ends, array.shape, strict=True)]
        grid: Any = np.indices(array.shape, sparse=True)
        whole: Any = offset + sum([step * coordinate for step, coordinate in zip(steps, grid, strict=True)])
        if not np.allclose(whole, array, rtol=0.0, atol=4e-15 * float(np.abs(array).max())):
            raise NoLawError("numbers that are not affine")
        found.append([offset, *steps])
    return DataLaw(tuple([fitter.fit_number(each) for each in zip(*found, strict=True)]))


def _show(array: NDArray[Any]) -> str:
    numbers = ", ".join(map(str, array.ravel()[:8].tolist()))
    return f"[{numbers}{', ...' if array.size > 8 else ''}]"
