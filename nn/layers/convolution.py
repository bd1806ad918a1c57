"""Convolutions, as in PyTorch: the same weights at every place of the input."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, ClassVar

from tinygrad_lite.nary import dot
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.init import uniform_
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import (
    Axes,
    Nest,
    check_shape,
    check_size,
    flat,
    like,
    nested,
    parameters_of_shape,
    values,
)
from tinygrad_lite.nn.layers.conv_geometry import Windows, expand_axes, flat_indices, format_axes, format_options
from tinygrad_lite.value import Value, operand


class _Convolution(Module):
    """What the convolutions have in common; how many axes there are is the only difference."""

    #: The names of the axes along which the kernel moves.
    axes: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        generator: Generator = None,
    ) -> None:
        axes = len(self.axes)
        for name, size in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            check_size(name, size)
        for name, size in (("in_channels", in_channels), ("out_channels", out_channels)):
            if size % groups:
                raise ValueError(f"{name} is a multiple of groups: {size} channels do not fall into {groups} groups")
        if padding_mode != "zeros":
            raise ValueError(
                f"padding_mode is 'zeros', not {padding_mode!r}: for another padding, pad the input before the layer"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = expand_axes("kernel_size", kernel_size, axes, least=1)
        self.stride = expand_axes("stride", stride, axes, least=1)
        self.dilation = expand_axes("dilation", dilation, axes, least=1)
        self.groups = groups
        self.padding = self._checked_padding(padding)
        rng = as_generator(generator)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        bound = 1.0 / math.sqrt(math.prod(shape[1:]))
        self.weight: Nest = uniform_(parameters_of_shape(shape), -bound, bound, rng)
        self.bias: Nest = uniform_(parameters_of_shape((out_channels,)), -bound, bound, rng) if bias else None

    def _checked_padding(self, padding: Any) -> tuple[int, ...] | str:
        if not isinstance(padding, str):
            return expand_axes("padding", padding, len(self.axes), least=0)
        if padding not in ("same", "valid"):
            raise ValueError(f"padding is 'same', 'valid' or how many zeros, not {padding!r}")
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(
                f"padding='same' needs a stride of 1, not {format_axes(self.stride)}: give the padding as numbers"
            )
        return padding

    def forward(self, input: Nest) -> Nest:
        """Compute the weighted sum of every window, for each output channel.

        Args:
            input: Channels of equal shape, or samples of these.

        Returns:
            Lists (an object array for an array).

        Raises:
            ValueError: The input has another shape, or is smaller than the kernel.
            TypeError: Something in it is no number.
        """
        one: Axes = (self.in_channels, *self.axes)
        shape = check_shape(head(self), input, one, ("N", *one))
        sample_shape = shape[-len(self.axes) :]
        windows = self._windows()
        outputs = windows.output_shape(head(self), sample_shape)
        places = _places(self.in_channels // self.groups, sample_shape, windows)
        zero = operand(0.0)
        kernels = [tuple(flat(kernel)) for kernel in self.weight]
        biases = self.bias if self.bias is not None else (zero,) * self.out_channels

        def of_sample(sample: Nest) -> Nest:
            numbers = self._of_sample(sample, places, kernels, biases, zero)
            return nested((self.out_channels, *outputs), iter(numbers))

        nest = values(input)
        return like(input, of_sample(nest) if len(shape) == len(one) else [of_sample(sample) for sample in nest])

    def _of_sample(self, sample: Nest, places: Any, kernels: Any, biases: Any, zero: Value) -> list[Value]:
        """Return the outputs, channel after channel. The tuple of a window is made once, for all output channels."""
        ins, outs = self.in_channels // self.groups, self.out_channels // self.groups
        result: list[Value] = []
        for group in range(self.groups):
            numbers = [*flat(sample[group * ins : (group + 1) * ins]), zero]
            inputs = [tuple([numbers[place] for place in window]) for window in places]
            for channel in range(group * outs, (group + 1) * outs):
                kernel, bias = kernels[channel], biases[channel]
                result += [dot(kernel, xs, bias) for xs in inputs]
        return result

    def _windows(self) -> Windows:
        padding: tuple[tuple[int, int], ...]
        if isinstance(self.padding, tuple):
            padding = tuple([(size, size) for size in self.padding])
        elif self.padding == "valid":
            padding = ((0, 0),) * len(self.axes)
        else:
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            padding = tuple([(total // 2, total - total // 2) for total in totals])
        return Windows(self.kernel_size, self.stride, padding, self.dilation)

    def extra_repr(self) -> str:
        """Show its sizes."""
        ones = (1,) * len(self.axes)
        return (
            f"{self.in_channels}, {self.out_channels}, {format_axes(self.kernel_size)}"
            + format_options(self, stride=ones, padding=(0,) * len(ones), dilation=ones, groups=1)
            + ("" if self.bias is not None else ", bias=False")
        )


class Conv1d(_Convolution):
    """Convolution along one axis: yᵒ(t) = bᵒ + Σ wᵒᶜ(j) xᶜ(s·t + d·j − p), one ``dot`` node an output.

    The kernel is not mirrored: what networks call a convolution is the cross-correlation (LeCun et al. 1989; 1998,
    "Gradient-based learning applied to document recognition"). Padding is constants of 0, so that every window holds as
    many numbers. Weights and biases begin uniform in ±1/√(in_channels/groups · kernel size), as in PyTorch.

    Args:
        in_channels: The number of channels of the input.
        out_channels: The number of channels of the output.
        kernel_size: The length of a window.
        stride: How far apart windows lie: s.
        padding: How many zeros are added at either end: p; ``"valid"`` for none, ``"same"`` for as many as give an
            output of the input's length (where they are odd in number, one more at the end).
        dilation: How far apart the numbers of a window lie: d.
        groups: Into how many groups channels are split, each with its own convolution.
        bias: Whether there is a b.
        padding_mode: ``"zeros"``.
        generator: What the parameters are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        weight: w, nested tuples of shape (out_channels, in_channels/groups, kernel_size).
        bias: b, a tuple of ``out_channels`` Values, or None.

    An input of shape (in_channels, L) gives (out_channels, L'), with samples (N, in_channels, L) gives
    (N, out_channels, L'), where L' = ⌊(L + 2p − d(kernel_size − 1) − 1)/s⌋ + 1 (Dumoulin & Visin 2016).

    Raises:
        ValueError: A size is out of range, groups do not divide the channels, or the padding is unknown.
        TypeError: A size is not an int.

    >>> edges = Conv1d(1, 1, 2, bias=False)
    >>> _ = edges.load_state_dict({"weight": [[[-1.0, 1.0]]]})
    >>> edges
    Conv1d(1, 1, 2, bias=False): 2 parameters
    >>> [y.data for y in edges([[0.0, 0.0, 1.0, 1.0]])[0]]
    [0.0, 1.0, 0.0]
    """

    axes = ("L",)


class Conv2d(_Convolution):
    """Convolution along two axes, one ``dot`` node an output; see :class:`Conv1d`.

    Args:
        in_channels: The number of channels of the input.
        out_channels: The number of channels of the output.
        kernel_size: Height and width of a window; one number for both.
        stride: How far apart windows lie, down and across.
        padding: How many rows of zeros are added above and below, and columns at the left and at the right; or
            ``"valid"`` or ``"same"``.
        dilation: How far apart the numbers of a window lie, down and across.
        groups: Into how many groups channels are split, each with its own convolution.
        bias: Whether there is a bias.
        padding_mode: ``"zeros"``.
        generator: What the parameters are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        weight: Nested tuples of shape (out_channels, in_channels/groups, height, width of the kernel).
        bias: A tuple of ``out_channels`` Values, or None.

    An input of shape (in_channels, H, W) gives (out_channels, H', W'), with samples (N, in_channels, H, W) gives
    (N, out_channels, H', W'); H' and W' follow from H and W as in :class:`Conv1d`.

    Raises:
        ValueError: A size is out of range, groups do not divide the channels, or the padding is unknown.
        TypeError: A size is not an int, or not as many as there are axes.

    >>> from tinygrad_lite.nn.base.shapes import shape_of
    >>> layer = Conv2d(1, 4, 3, stride=2, padding=1, generator=0)
    >>> layer
    Conv2d(1, 4, 3, stride=2, padding=1): 40 parameters
    >>> shape_of(layer([[[0.0] * 8] * 8]))
    (4, 4, 4)
    """

    axes = ("H", "W")


@lru_cache(maxsize=64)
def _places(channels: int, shape: tuple[int, ...], windows: Windows) -> list[tuple[int, ...]]:
    """Return the places of each window's numbers in the list of all numbers of these channels."""
    return flat_indices((channels, *shape), [[range(channels)], *windows.positions(shape)])
