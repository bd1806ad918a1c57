"""The terms of a sum as array source: matrix products as ``@``, sums along axes, and ``einsum`` for other contractions.

A mask is set on a factor that has all its axes, before the product, so that the product can be a matrix product. That
needs the other factor to be finite where the mask leaves it out (0 · inf is nan): elements that the graph does not
have may be anything, and are set to 0 first. An overflow to inf in an element that the graph has and the mask leaves
out would show as nan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tinygrad_lite.lift.ir.groups import Booleans, Group, Ref, Term
from tinygrad_lite.lift.source.bound_constants import BoundConstants
from tinygrad_lite.lift.source.fragments import BATCH, Fragment, binary, call, join, literal
from tinygrad_lite.lift.source.precedence import ATOM
from tinygrad_lite.lift.source.views import Reading, align, read, read_constant, transpose

_LETTERS = "ijklmopqrstuvwxyzabcdefghIJKLMNOPQRSTUVWXYZABCDEFGH"


@dataclass(frozen=True)
class Scope:
    """Where a term stands.

    Attributes:
        groups: The program's groups.
        source: The text of a group's array.
        constants: Where constant arrays are bound.
        dialect: ``"numpy"`` or ``"jax"``.
        last: Groups of loops whose text is that of their last row alone, by number; as one row.
    """

    groups: Sequence[Group]
    source: Callable[[int], Fragment]
    constants: BoundConstants
    dialect: str
    last: dict[int, Group] = field(default_factory=dict)

    def read(self, ref: Ref, group: Group, reduced: tuple[int, ...] = (), samples_stay: bool = True) -> Fragment:
        """Read an operand of that group, along its axes and the reduced ones."""
        source = self.groups[ref.group]
        if ref.group in self.last:
            source, ref = self.last[ref.group], replace(ref, index=ref.index[1:])
        sizes = group.shape + reduced
        reading = Reading(sizes, len(group.shape), self.constants, self.dialect, samples_stay)
        if source.kind == "constant":
            return read_constant(source, ref, reading)
        return read(self.source(ref.group), source, ref, reading)

    def read_known(self, number: int) -> Fragment:
        """Read a group's array with 0 for the elements that the graph does not have."""
        group, array = self.groups[number], self.source(number)
        if group.present is None or not group.shape:
            return array
        mask = self.constants.bind_mask(group.present, tuple(range(len(group.shape))), find_axes(group))
        return call("where", (mask, array.as_number(), literal(0.0)), ())


def find_axes(group: Group) -> tuple[int, ...]:
    """Find the axes of a group's array."""
    return (*range(len(group.shape)), *((BATCH,) if group.batched else ()))


@dataclass(frozen=True)
class SignedTerm:
    """A term as source, aligned to the group's axes.

    Attributes:
        fragment: Its text, without the sign.
        negative: Whether it is subtracted.
        over_samples: Whether the samples were added up in it.
        contraction: Whether it is a sum of products.
    """

    fragment: Fragment
    negative: bool
    over_samples: bool = False
    contraction: bool = False

    @property
    def number(self) -> float:
        """The number with its sign, if it is a literal."""
        number = self.fragment.number or 0.0
        return -number if self.negative else number

    def divide(self) -> SignedTerm:
        """Take an n-th of it."""
        return replace(self, fragment=binary("/", self.fragment, Fragment("n"), self.fragment.axes))


def write_term(term: Term, group: Group, scope: Scope, samples_stay: bool | None = None) -> SignedTerm:
    """Write the source of a term of that group.

    Args:
        term: What is written.
        group: Whose term it is.
        scope: Names of arrays and of constants.
        samples_stay: Whether the samples remain, for a sum that adds them up itself; as the group's, if left out.
    """
    stay = group.batched if samples_stay is None else samples_stay
    return _Writer(term, group, scope, stay).write()


class _Writer:
    """One term on its way to source."""

    def __init__(self, term: Term, group: Group, scope: Scope, samples_stay: bool) -> None:
        self.group, self.scope, self.term = group, scope, term
        self.sizes = group.shape + term.reduced
        self.own = tuple(range(len(group.shape)))
        self.wide = any(scope.groups[factor.group].batched for factor in term.factors)
        self.over_samples = self.wide and not samples_stay
        self.wanted = (*self.own, *((BATCH,) if self.wide and samples_stay else ()))
        self.target = (*self.own, *((BATCH,) if samples_stay and (self.wide or group.batched) else ()))
        self.summed = {*range(len(self.own), len(self.sizes)), *((BATCH,) if self.over_samples else ())}
        self.coefficient = term.sign
        self.mask = find_mask(term, self.sizes)
        self.contraction = False

    def write(self) -> SignedTerm:
        arrays, refs = [], []
        for factor in self.term.factors:
            array = self._read(factor)
            if array.number is not None:
                self.coefficient *= array.number
            else:
                arrays.append(array)
                refs.append(factor)
        self._count_repeats(arrays)
        if not arrays:
            found = self._count_mask()
        elif len(arrays) == 1:
            found = self._reduce(self._apply_mask(arrays[0]))
        else:
            found = self._write_product(arrays, refs)
        found = align(found, self.target)
        negative, found = self._scale(found)
        return SignedTerm(found, negative, self.over_samples, self.contraction)

    def _read(self, factor: Ref) -> Fragment:
        return self.scope.read(factor, self.group, self.term.reduced, not self.over_samples)

    def _count_repeats(self, arrays: Sequence[Fragment]) -> None:
        """Make a sum along an axis that nothing moves along a multiple."""
        moving = {axis for array in arrays for axis in array.axes}
        moving.update(() if self.mask is None else self.mask[1])
        for axis in self.summed - {BATCH} - moving:
            self.coefficient *= self.sizes[axis]

    def _scale(self, found: Fragment) -> tuple[bool, Fragment]:
        """Take the sign apart, and multiply the text by what remains of the coefficient."""
        number = self.coefficient
        negative = math.copysign(1.0, number) < 0 and number == number
        number = -number if negative else number
        if found.number is not None:
            return negative, literal(found.number * number)
        return negative, found if number == 1.0 else binary("*", literal(number), found, found.axes)

    # ------------------------------------------------------------------------------------------- masks

    def _count_mask(self) -> Fragment:
        """Add up ones: how many there are."""
        if self.mask is None:
            return literal(1.0)
        mask, axes = self.mask
        counts = mask.sum(axis=tuple(place for place, axis in enumerate(axes) if axis in self.summed), dtype=float)
        return self.scope.constants.numbers(counts, tuple(axis for axis in axes if axis not in self.summed))

    def _apply_mask(self, array: Fragment) -> Fragment:
        """Make the array 0 where the mask says no."""
        return array if self.mask is None else write_mask(array, *self.mask, literal(0.0), self.scope.constants)

    # ---------------------------------------------------------------------------------------- products

    def _write_product(self, arrays: list[Fragment], refs: list[Ref]) -> Fragment:
        common = self._find_contracted(arrays)
        if common and self.mask is not None:
            self._mask_factor(arrays, refs)
        if self.mask is None:
            left, right = arrays
            arrays = [self._sum_away(left, right), self._sum_away(right, left)]
        self.contraction = bool(common)
        if self.mask is not None or not common or not _saves_memory(arrays):
            return self._reduce(self._apply_mask(self._write_elementwise(arrays)))
        arrays = [array.as_number() for array in arrays]
        outer = [axis for axis in self.wanted if any(axis in array.axes for array in arrays)]
        return _write_matmul(arrays, common, outer) or _write_einsum(arrays, outer)

    def _mask_factor(self, arrays: list[Fragment], refs: list[Ref]) -> None:
        """Set the mask on one factor, if one has all its axes."""
        assert self.mask is not None
        for this, other in ((0, 1), (1, 0)):
            if set(self.mask[1]) <= set(arrays[this].axes):
                arrays[this] = self._apply_mask(arrays[this])
                arrays[other] = self._clear_unknown(refs[other], arrays[other])
                self.mask = None
                return

    def _find_contracted(self, arrays: list[Fragment]) -> list[int]:
        return [axis for axis in sorted(self.summed) if all(axis in array.axes for array in arrays)]

    def _write_elementwise(self, arrays: list[Fragment]) -> Fragment:
        if is_square(self.term):
            return binary("**", arrays[0].as_number(), literal(2.0))
        order = [axis for axis in arrays[0].axes if axis is not None]
        order += [axis for axis in arrays[1].axes if axis is not None and axis not in order]
        if list(arrays[1].axes) != order or list(arrays[0].axes) != order:
            order.sort(key=lambda axis: (axis == BATCH, axis))
        left, right = (align(array, order) for array in arrays)
        return binary("*", left, right)

    def _clear_unknown(self, ref: Ref, array: Fragment) -> Fragment:
        """Put 0 where the other factor has elements that the graph does not have, which may be nan."""
        group = self.scope.groups[ref.group]
        if group.kind in ("input", "constant") or group.present is None:
            return array
        known = Scope(self.scope.groups, self.scope.read_known, self.scope.constants, self.scope.dialect)
        return known.read(ref, self.group, self.term.reduced, not self.over_samples)

    def _sum_away(self, array: Fragment, other: Fragment) -> Fragment:
        """Add the array up along the axes that only it has."""
        alone = [axis for axis in array.axes if axis in self.summed and axis not in other.axes]
        return _sum_axes(array, alone)

    def _reduce(self, array: Fragment) -> Fragment:
        """Add the array up along all axes that are summed."""
        return _sum_axes(array, [axis for axis in array.axes if axis in self.summed])


def is_square(term: Term) -> bool:
    """Whether it is a product of an array with itself."""
    if len(term.factors) != 2:
        return False
    left, right = term.factors
    same = left.group == right.group and left.flat == right.flat and len(left.index) == len(right.index)
    return same and all(
        a.table is None and b.table is None and a.offset == b.offset and a.steps == b.steps
        for a, b in zip(left.index, right.index, strict=True)
    )


def _saves_memory(arrays: Sequence[Fragment]) -> bool:
    """Whether the product is larger than a factor, so that it is better added up on the way; and dot products."""
    left, right = (set(array.axes) for array in arrays)
    return left != right or len(left) == 1


def find_mask(term: Term, sizes: Sequence[int]) -> tuple[Booleans, tuple[int, ...]] | None:
    """Find the mask without axes of size 1, its axes in order; None, if it holds everywhere."""
    if term.mask is None or term.mask.all():
        return None
    order = np.argsort(term.axes)
    axes = sorted(term.axes)
    keep = tuple(axis for axis in axes if sizes[axis] > 1)
    mask = term.mask.transpose(order).reshape(tuple(sizes[axis] for axis in keep))
    return mask, keep


def write_mask(
    array: Fragment, mask: Booleans, axes: tuple[int, ...], neutral: Fragment, constants: BoundConstants
) -> Fragment:
    """Put the neutral element where the mask, which has those axes, says no."""
    order = [axis for axis in array.axes if axis is not None]
    if any(axis not in order for axis in axes):
        order = sorted({*order, *axes}, key=lambda axis: (axis == BATCH, axis))
        array = align(array, order)
    along = tuple(axis for axis in order if axis in axes)
    bound = constants.bind_mask(mask.transpose([axes.index(axis) for axis in along]), along, order)
    return call("where", (bound, array.as_number(), neutral), join((bound, array)))


def _sum_axes(array: Fragment, axes: Sequence[int | None]) -> Fragment:
    if not axes:
        return array
    array = array.as_number()
    places = [array.axes.index(axis) for axis in axes]
    rest = tuple(axis for axis in array.axes if axis not in axes)
    return array.call_method(f"sum({write_axis(places, len(array.axes))})", rest)


def write_axis(places: Sequence[int], ndim: int) -> str:
    """Write the ``axis`` argument of a reduction; nothing for all of them."""
    if len(places) == ndim:
        return ""
    return str(places[0]) if len(places) == 1 else f"({', '.join(map(str, sorted(places)))})"


def _write_matmul(arrays: Sequence[Fragment], common: Sequence[int], outer: Sequence[int]) -> Fragment | None:
    """Write the contraction as ``left @ right``; None where that takes more than to swap the last two dimensions."""
    if len(common) != 1:
        return None
    left, right = arrays
    found = [product for a, b in ((left, right), (right, left)) if (product := _order_matmul(a, b, common[0], outer))]
    return min(found, key=lambda product: len(product.text), default=None)


def _order_matmul(left: Fragment, right: Fragment, k: int, outer: Sequence[int]) -> Fragment | None:
    """Write the product in that order, if matmul's rule fits: stacks of matrices contract in their last two axes."""
    rows = [axis for axis in outer if axis in left.axes]
    columns = [axis for axis in outer if axis in right.axes]
    if rows and columns:
        if len(outer) < 2 or outer[-2] in columns or outer[-1] in rows:
            return None
        if not (_pairs_dimensions(outer[:-2], rows[:-1]) and _pairs_dimensions(outer[:-2], columns[:-1])):
            return None
    left_order = [*rows, k]
    right_order = [*columns[:-1], k, *columns[-1:]]
    if not _is_nearly(left.axes, left_order) or not _is_nearly(right.axes, right_order):
        return None
    return binary("@", transpose(left, left_order), transpose(right, right_order), tuple(outer))


def _pairs_dimensions(stack: Sequence[int], part: Sequence[int]) -> bool:
    """Whether matmul's broadcasting, which pairs dimensions from the last, meets the right ones."""
    return list(stack[len(stack) - len(part) :]) == list(part)


def _is_nearly(axes: Sequence[int | None], order: Sequence[int]) -> bool:
    """Whether the dimensions stand in that order, but for the last two."""
    return list(axes) in ([*order], [*order[:-2], *reversed(order[-2:])])


def _write_einsum(arrays: Sequence[Fragment], outer: Sequence[int]) -> Fragment:
    letters: dict[int | None, str] = {BATCH: "n"}
    for axis in [*outer, *(axis for array in arrays for axis in array.axes)]:
        if axis not in letters:
            letters[axis] = _LETTERS[len(letters) - 1]
    inputs = ["".join([letters[axis] for axis in array.axes]) for array in arrays]
    subscripts = f"{','.join(inputs)}->{''.join([letters[axis] for axis in outer])}"
    text = ", ".join([repr(subscripts), *(array.text for array in arrays)])
    return Fragment(f"einsum({text})", ATOM, tuple(outer))
