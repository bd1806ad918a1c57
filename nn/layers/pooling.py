"""Pooling and flattening, as in PyTorch: fewer numbers of each channel, and no parameters."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, ClassVar

from tinygrad_lite.functions import maximum
from tinygrad_lite.nary import mean, sum
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_shape, flat, like, map_vectors, nested, values
from tinygrad_lite.nn.layers.conv_geometry import Windows, expand_axes, flat_indices, format_axes, format_options
from tinygrad_lite.pytree import is_array
from tinygrad_lite.value import Value, operand


class _Pooling(Module):
    """What the pooling layers have in common: which windows there are, and one number for each."""

    #: The names of the axes along which the windows move.
    axes: ClassVar[tuple[str, ...]]
    #: What stands for padding.
    padding_number: ClassVar[float]

    def __init__(self, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
        axes = len(self.axes)
        self.kernel_size = expand_axes("kernel_size", kernel_size, axes, least=1)
        self.stride = self.kernel_size if stride is None else expand_axes("stride", stride, axes, least=1)
        self.padding = expand_axes("padding", padding, axes, least=0)
        self.dilation = expand_axes("dilation", dilation, axes, least=1)
        self.ceil_mode = bool(ceil_mode)
        for p, k, d in zip(self.padding, self.kernel_size, self.dilation, strict=True):
            if 2 * p > d * (k - 1) + 1:
                raise ValueError(f"padding is at most half of what the window reaches over, {d * (k - 1) + 1}, not {p}")

    def forward(self, input: Nest) -> Nest:
        """Compute one number for each window of each channel.

        Args:
            input: Channels of equal shape, or samples of these.

        Returns:
            Lists (an object array for an array).

        Raises:
            ValueError: The input has another shape, or is smaller than the window.
            TypeError: Something in it is no number.
        """
        shape = check_shape(head(self), input, ("C", *self.axes), ("N", "C", *self.axes))
        depth = len(shape) - len(self.axes)
        windows = Windows(
            self.kernel_size, self.stride, tuple([(p, p) for p in self.padding]), self.dilation, self.ceil_mode
        )
        outputs = windows.output_shape(head(self), shape[depth:])
        places = self._places(shape[depth:], windows)
        padding = operand(self.padding_number)

        def of_channel(channel: Nest) -> Nest:
            numbers = [*flat(channel), padding]
            return nested(outputs, iter([self._of_window([numbers[place] for place in window]) for window in places]))

        return like(input, map_vectors(of_channel, values(input), depth))

    def _places(self, shape: tuple[int, ...], windows: Windows) -> list[tuple[int, ...]]:
        raise NotImplementedError

    def _of_window(self, xs: list[Value]) -> Value:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show its sizes."""
        zeros, ones = (0,) * len(self.axes), (1,) * len(self.axes)
        return format_axes(self.kernel_size) + format_options(
            self, stride=self.kernel_size, padding=zeros, dilation=ones, ceil_mode=False
        )


class _MaxPool(_Pooling):
    padding_number = -math.inf

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        *,  # PyTorch has return_indices here
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def _places(self, shape: tuple[int, ...], windows: Windows) -> list[tuple[int, ...]]:
        return _all_places(shape, windows)

    def _of_window(self, xs: list[Value]) -> Value:
        """Find the largest as in a knockout tournament: in log₂ n rounds."""
        while len(xs) > 1:
            winners = [maximum(xs[i], xs[i + 1]) for i in range(0, len(xs) - 1, 2)]
            xs = winners + xs[2 * len(winners) :]
        return xs[0]


class MaxPool1d(_MaxPool):
    """The largest number of each window along one axis, by a tree of ``maximum`` nodes.

    Where several are largest, each match of the tree splits the gradient equally, as the table's ``maximum`` does: two
    equal numbers get 1/2 each, four get 1/4 each, three 1/2, 1/4 and 1/4 in some order. (PyTorch gives it all to the
    first. All are derivatives from within the subdifferential.)

    Args:
        kernel_size: The length of a window.
        stride: How far apart windows lie; as far as they are long, if None.
        padding: How many numbers that are never the largest, −inf, are added at either end.
        dilation: How far apart the numbers of a window lie.
        ceil_mode: Whether a last window may reach over the end. (By keyword only, as PyTorch has another argument
            before it.)

    An input of shape (C, L) gives (C, L'), (N, C, L) gives (N, C, L').

    Raises:
        ValueError: A size is out of range.
        TypeError: A size is not an int.

    >>> [y.data for y in MaxPool1d(2)([[1.0, 5.0, -3.0, -2.0]])[0]]
    [5.0, -2.0]
    """

    axes = ("L",)


class MaxPool2d(_MaxPool):
    """The largest number of each window along two axes; see :class:`MaxPool1d`.

    Args:
        kernel_size: Height and width of a window; one number for both.
        stride: How far apart windows lie, down and across; as far as they are large, if None.
        padding: How many numbers that are never the largest, −inf, are added at each edge.
        dilation: How far apart the numbers of a window lie.
        ceil_mode: Whether last windows may reach over the end. (By keyword only.)

    An input of shape (C, H, W) gives (C, H', W'), (N, C, H, W) gives (N, C, H', W').

    Raises:
        ValueError: A size is out of range.
        TypeError: A size is not an int, or not as many as there are axes.

    >>> MaxPool2d(2)([[[1.0, 2.0], [3.0, 4.0]]])[0][0][0].data
    4.0
    """

    axes = ("H", "W")


class _AvgPool(_Pooling):
    padding_number = 0.0

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = bool(count_include_pad)

    def _places(self, shape: tuple[int, ...], windows: Windows) -> list[tuple[int, ...]]:
        return _counted_places(shape, windows, self.count_include_pad)

    def _of_window(self, xs: list[Value]) -> Value:
        return mean(xs)

    def extra_repr(self) -> str:
        """Show its sizes."""
        return super().extra_repr() + format_options(self, count_include_pad=True)


class AvgPool1d(_AvgPool):
    """The mean of each window along one axis, one ``mean`` node each.

    Args:
        kernel_size: The length of a window.
        stride: How far apart windows lie; as far as they are long, if None.
        padding: How many zeros are added at either end.
        ceil_mode: Whether a last window may reach over the end; what lies beyond the padding does not count.
        count_include_pad: Whether the zeros of the padding count as numbers; if not, the mean is of the others.

    An input of shape (C, L) gives (C, L'), (N, C, L) gives (N, C, L').

    Raises:
        ValueError: A size is out of range.
        TypeError: A size is not an int.

    >>> [y.data for y in AvgPool1d(2)([[1.0, 5.0, -3.0, -2.0]])[0]]
    [3.0, -2.5]
    """

    axes = ("L",)


class AvgPool2d(_AvgPool):
    """The mean of each window along two axes, one ``mean`` node each.

    Args:
        kernel_size: Height and width of a window; one number for both.
        stride: How far apart windows lie, down and across; as far as they are large, if None.
        padding: How many zeros are added at each edge.
        ceil_mode: Whether last windows may reach over the end; what lies beyond the padding does not count.
        count_include_pad: Whether the zeros of the padding count as numbers; if not, the mean is of the others.
        divisor_override: What the sum of a window is divided by, in the place of how many numbers it has.

    An input of shape (C, H, W) gives (C, H', W'), (N, C, H, W) gives (N, C, H', W').

    Raises:
        ValueError: A size is out of range.
        TypeError: A size is not an int, or not as many as there are axes.

    >>> AvgPool2d(2)([[[1.0, 2.0], [3.0, 4.0]]])[0][0][0].data
    2.5
    """

    axes = ("H", "W")

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        if divisor_override is not None:
            expand_axes("divisor_override", divisor_override, 1, least=1)
        self.divisor_override = divisor_override

    def _of_window(self, xs: list[Value]) -> Value:
        return mean(xs) if self.divisor_override is None else sum(xs) / self.divisor_override

    def extra_repr(self) -> str:
        """Show its sizes."""
        return super().extra_repr() + format_options(self, divisor_override=None)


class Flatten(Module):
    """Makes one axis of several: what stands between convolutions and a Linear.

    Args:
        start_dim: The first axis that goes into it; negative ones count from the end.
        end_dim: The last axis that goes into it.

    The default leaves axis 0, the samples, as it is. A single sample has no such axis: its channels would be left
    apart, so it is flattened by ``Flatten(0)``.

    Raises:
        TypeError: An axis is not an int.

    >>> Flatten()([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]
    >>> Flatten(0)([[1.0, 2.0], [3.0, 4.0]])
    [1.0, 2.0, 3.0, 4.0]
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        for name, axis in (("start_dim", start_dim), ("end_dim", end_dim)):
            if not isinstance(axis, int) or isinstance(axis, bool):
                raise TypeError(f"{name} is the number of an axis, an int, not {axis!r}")
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Nest) -> Nest:
        """Compute the same numbers, in lists (an array for an array).

        Raises:
            ValueError: The input has too few axes.
            TypeError: Something in it is no number.
        """
        shape = check_shape(head(self), input, ("*",))
        axes = max(len(shape), 1)  # a single number counts as one axis, as in PyTorch
        start, end = [axis + axes if axis < 0 else axis for axis in (self.start_dim, self.end_dim)]
        if not 0 <= start <= end < axes:
            raise ValueError(
                f"{head(self)} makes one axis of those from start_dim to end_dim, and was given shape {shape}, which "
                "has no such axes" + ("; a single sample is flattened by Flatten(0)" if axes == 1 else "")
            )
        flattened = (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
        return input.reshape(flattened) if is_array(input) else nested(flattened, iter(flat(input)))

    def extra_repr(self) -> str:
        """Show the axes."""
        return format_options(self, start_dim=1, end_dim=-1).removeprefix(", ")


@lru_cache(maxsize=64)
def _all_places(shape: tuple[int, ...], windows: Windows) -> list[tuple[int, ...]]:
    """Return the places of each window's numbers in the list of a channel's numbers."""
    return flat_indices(shape, windows.positions(shape))


@lru_cache(maxsize=64)
def _counted_places(shape: tuple[int, ...], windows: Windows, count_include_pad: bool) -> list[tuple[int, ...]]:
    """Of each window the places that count: those in the input and, if wanted, those in its padding."""
    counted = []
    for size, (before, after), along in zip(shape, windows.padding, windows.positions(shape), strict=True):
        inside = range(-before, size + after) if count_include_pad else range(size)
        counted.append([[position for position in window if position in inside] for window in along])
    return flat_indices(shape, counted)
