"""Laws of arrays whose first or last rows are others than those between: rims of stencils, ends of strides and rules.

Along one axis a few rows at either end have laws of their own, which have an axis less, and so have all rows between
them. The rows of a rim may have rims along another axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.sizes.laws import NoLawError

_Array = TypeVar("_Array", bound=NDArray[Any])
#: How many rows at the beginning, and at the end, have laws of their own.
_WIDTHS: Final = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (1, 2), (2, 1), (2, 2))
#: So many rows are left between them in every trace.
_LEAST_INSIDE: Final = 3
#: Arrays of more axes are not looked at.
_MOST_AXES: Final = 2


class ArrayLaw(Protocol):
    """What makes an array for a shape and sizes."""

    def at(self, shape: tuple[int, ...], sizes: Sequence[int]) -> NDArray[Any]:
        """Make the array."""
        ...


@dataclass(frozen=True)
class RimLaw:
    """An array in three parts along an axis.

    Attributes:
        axis: The axis.
        before: Laws of the first rows, which lack that axis.
        inside: Of what is between.
        after: Of the last rows.
    """

    axis: int
    before: tuple[ArrayLaw, ...]
    inside: ArrayLaw
    after: tuple[ArrayLaw, ...]

    def at(self, shape: tuple[int, ...], sizes: Sequence[int]) -> NDArray[Any]:
        """Make the array of that shape."""
        row = (*shape[: self.axis], *shape[self.axis + 1 :])
        length = shape[self.axis] - len(self.before) - len(self.after)
        if length < 0:
            raise NoLawError(f"an axis of length {shape[self.axis]}, shorter than its rims")
        between = self.inside.at((*shape[: self.axis], length, *shape[self.axis + 1 :]), sizes)
        first, last = (
            [np.expand_dims(law.at(row, sizes), self.axis) for law in laws] for laws in (self.before, self.after)
        )
        return np.concatenate([*first, between, *last], axis=self.axis)


def fit_rims(
    columns: Sequence[Sequence[NDArray[Any]]], fit: Callable[..., ArrayLaw], axes: Sequence[int] | None = None
) -> RimLaw:
    """Find a law of arrays with rims along one axis, or several.

    Args:
        columns: What the law is fitted to, each as one array for each trace, all of them of the shapes of the first.
        fit: Finds the law of such columns, without rims.
        axes: Along which there may be rims; along any, if not given.

    Raises:
        NoLawError: There is none.
    """
    shapes = [array.shape for array in columns[0]]
    axes = range(len(shapes[0])) if axes is None else axes
    if len(shapes[0]) > _MOST_AXES:
        raise NoLawError(f"an array of {len(shapes[0])} axes")

    def fit_part(part: list[list[NDArray[Any]]], left: Sequence[int]) -> ArrayLaw:
        try:
            return fit(*part)
        except NoLawError:
            return fit_rims(part, fit, left)

    for place, axis in enumerate(axes):
        later = list(axes[place + 1 :])
        in_rows = [other - (other > axis) for other in later]
        least = min([shape[axis] for shape in shapes])
        for first, last in _WIDTHS:
            if least < first + last + _LEAST_INSIDE:
                continue
            rows = [*range(first), *range(-last, 0)]
            try:
                rims = [fit_part([[a.take(k, axis) for a in column] for column in columns], in_rows) for k in rows]
                inside = [[_cut(a, axis, first, last) for a in column] for column in columns]
                return RimLaw(axis, tuple(rims[:first]), fit_part(inside, later), tuple(rims[first:]))
            except NoLawError:
                continue
    raise NoLawError(f"an array of shape {shapes[0]}")


def _cut(array: NDArray[Any], axis: int, first: int, last: int) -> NDArray[Any]:
    """Leave out the first and the last rows."""
    return array[(slice(None),) * axis + (slice(first, array.shape[axis] - last),)]
