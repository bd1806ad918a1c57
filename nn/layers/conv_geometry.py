"""Where windows lie on an input: the arithmetic of convolution and pooling (Dumoulin & Visin 2016).

Along one axis of i numbers, with kernel size k, stride s, dilation d, and p numbers of padding in all, a window reaches
over d(k − 1) + 1 numbers, and there are ⌊(i + p − d(k − 1) − 1)/s⌋ + 1 windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: The positions of each window along one axis.
Positions = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Windows:
    """Windows of one shape, at equal distances.

    Attributes:
        kernel_size: How many numbers a window holds, along each axis.
        stride: How far apart windows lie.
        padding: How many numbers are added before and after each axis.
        dilation: How far apart the numbers of a window lie.
        ceil_mode: Whether a last window may reach over the end of the padding.

    >>> Windows((3,), (2,), ((1, 1),), (1,)).positions((5,))
    [[range(-1, 2), range(1, 4), range(3, 6)]]
    """

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    ceil_mode: bool = False

    def output_shape(self, head: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return how many windows there are along each axis of an input.

        Args:
            head: The layer, as messages name it.
            shape: Of the input, without samples and channels.

        Raises:
            ValueError: The windows are larger than the padded input.

        >>> Windows((3,), (2,), ((1, 1),), (1,)).output_shape("Conv1d(1, 1, 3, stride=2, padding=1)", (5,))
        (3,)
        """
        counts = tuple([self._count(axis, size) for axis, size in enumerate(shape)])
        if min(counts) < 1:
            reaches = tuple([self._reach(axis) for axis in range(len(shape))])
            padded = tuple([size + before + after for size, (before, after) in zip(shape, self.padding, strict=True)])
            raise ValueError(
                f"{head} takes an input on which its window fits: the window reaches over {_shown(reaches)}, and the "
                f"input of shape {shape} is {_shown(padded)} with its padding. Make the kernel smaller or the padding "
                "larger."
            )
        return counts

    def positions(self, shape: tuple[int, ...]) -> list[list[range]]:
        """Return the positions of each window along each axis; those outside of ``range(size)`` are padding."""
        return [
            [
                range(start, start + self._reach(axis), self.dilation[axis])
                for start in range(-before, self._count(axis, size) * self.stride[axis] - before, self.stride[axis])
            ]
            for axis, (size, (before, _)) in enumerate(zip(shape, self.padding, strict=True))
        ]

    def _reach(self, axis: int) -> int:
        return self.dilation[axis] * (self.kernel_size[axis] - 1) + 1

    def _count(self, axis: int, size: int) -> int:
        before, after = self.padding[axis]
        stride = self.stride[axis]
        room = size + before + after - self._reach(axis)
        count = (room + (stride - 1 if self.ceil_mode else 0)) // stride + 1
        # A window that would hold nothing but padding behind the input is left out, as in PyTorch.
        return count - 1 if self.ceil_mode and (count - 1) * stride >= size + before else count


def flat_indices(shape: Sequence[int], positions: Sequence[Positions]) -> list[tuple[int, ...]]:
    """For each window, the places of its numbers in the flat list of all, the last axis running fastest.

    Args:
        shape: Of the input.
        positions: For each axis, the positions of each window.

    Returns:
        One tuple a window, the last axis running fastest. A number outside of the input has the place −1, the last in
        the list: there the caller puts what stands for padding.

    >>> flat_indices((2, 3), [[range(2)], [range(0, 2), range(2, 4)]])
    [(0, 1, 3, 4), (2, -1, 5, -1)]
    """
    windows = [[0]]
    for size, along in zip(shape, positions, strict=True):
        windows = [
            [
                place * size + position if place >= 0 and 0 <= position < size else -1
                for place in window
                for position in stretch
            ]
            for window in windows
            for stretch in along
        ]
    return [tuple(window) for window in windows]


def expand_axes(name: str, given: Any, axes: int, least: int) -> tuple[int, ...]:
    """Return one number for each axis; a single one stands for all.

    Args:
        name: Of the argument.
        given: An int, or a tuple of as many ints as there are axes.
        axes: How many there are.
        least: The least number that makes sense.

    Raises:
        TypeError: It is something else.
        ValueError: A number is too small.

    >>> expand_axes("stride", 2, 2, least=1)
    (2, 2)
    """
    sizes = tuple(given) if isinstance(given, (tuple, list)) else (given,) * axes
    if len(sizes) != axes or not all(isinstance(size, int) and not isinstance(size, bool) for size in sizes):
        each = "an int" if axes == 1 else f"an int, or a tuple of {axes} ints"
        raise TypeError(f"{name} is {each}, not {type(given).__name__} {given!r}")
    if min(sizes) < least:
        raise ValueError(f"{name} is at least {least}, not {given!r}")
    return sizes


def format_options(layer: Any, **defaults: Any) -> str:
    """Return the arguments of a layer that are not what they are by default, as its ``repr`` shows them.

    >>> from types import SimpleNamespace
    >>> format_options(SimpleNamespace(stride=(2, 2), padding=(0, 0)), stride=(1, 1), padding=(0, 0))
    ', stride=2'
    """
    given = {name: getattr(layer, name) for name in defaults}
    return "".join([f", {name}={format_axes(given[name])}" for name in given if given[name] != defaults[name]])


def format_axes(given: Any) -> str:
    """Return an argument as it may be written: one number for a tuple of equal ones.

    >>> format_axes((3, 3)), format_axes((3, 5))
    ('3', '(3, 5)')
    """
    return repr(given[0] if isinstance(given, tuple) and len(set(given)) == 1 else given)


def _shown(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))
