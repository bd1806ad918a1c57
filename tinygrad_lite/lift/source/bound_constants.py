"""The constant arrays of generated source: written out where they are plain, bound to a name as data where not.

``arange``, ``eye`` and ``tri`` are recognised, and affine grids of places; each stands once, above the function, so
that a call does not compute it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.source.fragments import Fragment, literal
from tinygrad_lite.lift.source.precedence import Text, infix, write_minus


class BoundConstants:
    """Constant arrays and their names.

    Attributes:
        lines: Statements that make the plain ones.
        arrays: The others, by name.
    """

    def __init__(self, taken: set[str]) -> None:
        self.lines: list[str] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self._taken = set(taken)
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def numbers(self, array: NDArray[Any], axes: tuple[int | None, ...]) -> Fragment:
        """Write numbers: as a literal if all are the same."""
        array = np.asarray(array, dtype=float)
        if array.size and np.array_equal(array, np.full_like(array, array.flat[0]), equal_nan=True):
            signs = np.signbit(array)
            if signs.all() or not signs.any():
                return literal(float(array.flat[0]))
        return Fragment(self._bind("c", array), axes=axes)

    def bind_numbers(self, array: NDArray[Any]) -> str:
        """Name an array of numbers, whatever they are."""
        return self._bind("c", np.asarray(array, dtype=float))

    def bind_places(self, array: NDArray[Any]) -> str:
        """Name an array of ints, places to read at."""
        return self._bind("i", np.asarray(array, dtype=np.intp))

    def bind_mask(self, array: NDArray[Any], axes: tuple[int, ...], order: Sequence[int]) -> Fragment:
        """Name a mask along axes, with dimensions of size 1 for those that it lacks between the ordered ones."""
        along = [axis if axis in axes else None for axis in order[order.index(axes[0]) if axes else len(order) :]]
        items = [":" if axis in axes else "None" for axis in along]
        while items and items[-1] == ":":
            items.pop()
        sizes = iter(array.shape)
        aligned = np.asarray(array, dtype=bool).reshape([1 if axis is None else next(sizes) for axis in along])
        bracket = f"[{', '.join(items)}]" if items else ""
        return Fragment(self._bind("m", aligned, array, bracket), axes=tuple(along), boolean=True)

    def _bind(self, letter: str, array: NDArray[Any], plain: NDArray[Any] | None = None, bracket: str = "") -> str:
        """Name the array. It is made from the plain one by a bracket, where that can be written out."""
        key = (letter, array.shape, array.tobytes())
        if key not in self._names:
            number = 1
            while f"{letter}{number}" in self._taken:
                number += 1
            name = self._names[key] = f"{letter}{number}"
            self._taken.add(name)
            text = _recognise(array if plain is None else plain)
            if text:
                self.lines.append(f"{name} = {text}{bracket}")
            else:
                self.arrays[name] = array
        return self._names[key]


def _recognise(array: NDArray[Any]) -> str:
    """Write source that makes the array; nothing, if it is not plain."""
    if array.dtype == np.intp:
        return _write_affine(array)
    kind = ", dtype=bool" if array.dtype == np.bool_ else ""
    if array.ndim == 2 and array.size > 1:
        rows, columns = array.shape
        if rows == columns and np.array_equal(array, np.eye(rows)):
            return f"eye({rows}{kind})"
        for diagonal in (0, -1):
            size = f"{rows}" if rows == columns and not diagonal else f"{rows}, {columns}"
            if np.array_equal(array, np.tri(rows, columns, diagonal)):
                return f"tri({size}{f', {diagonal}' if diagonal else ''}{kind})"
    if array.dtype == float and array.ndim == 1 and array.size > 1 and np.array_equal(array, np.arange(array.size)):
        return f"arange({array.size}.0)"
    return ""


def _write_affine(places: NDArray[Any]) -> str:
    """Write ``arange(26)[:, None] + arange(3)``, for places that a step along each axis explains."""
    parts: list[tuple[bool, Text]] = []
    explained: Any = places.flat[0] if places.size else 0
    offset = int(explained)
    for axis, size in enumerate(places.shape):
        if size > 1:
            step = int(np.take(places, 1, axis).flat[0] - places.flat[0])
            if not step:
                return ""
            ends = (1,) * (places.ndim - axis - 1)
            explained = explained + step * np.arange(size).reshape(size, *ends)
            column = f"[:{', None' * len(ends)}]" if ends else ""
            start = offset if not parts and step > 0 else 0
            stop = start + step * (size - 1) + 1
            if step > 0:
                limits = f"{start}, {stop}, {step}" if step > 1 else f"{start}, {stop}" if start else f"{stop}"
                offset -= start
                parts.append((False, Text(f"arange({limits}){column}")))
            else:
                part = Text(f"arange({size}){column}")
                parts.append((True, part if step == -1 else Text(*infix("*", Text.of(-step), part))))
    if not parts or not np.array_equal(places, np.broadcast_to(explained, places.shape)) or places.shape[0] < 2:
        return ""
    if offset:
        parts.append((offset < 0, Text.of(abs(offset))))
    (negative, total), *rest = parts
    total = Text(*write_minus(total)) if negative else total
    for negative, part in rest:
        total = Text(*infix("-" if negative else "+", total, part))
    return total.text
