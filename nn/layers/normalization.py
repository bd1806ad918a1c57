"""Normalisations, as in PyTorch: numbers of mean 0 and variance 1, then scaled and shifted by what is learnt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from tinygrad_lite.functions import sqrt
from tinygrad_lite.nary import dot, mean
from tinygrad_lite.nn.base.hyperparameters import AT_LEAST_ZERO, PROPORTION
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import (
    Nest,
    check_shape,
    check_size,
    flat,
    like,
    map_vectors,
    nested,
    parameters_of_shape,
    values,
)
from tinygrad_lite.trace_errors import refuse
from tinygrad_lite.trace_mode import is_traced
from tinygrad_lite.value import Value, operand

Vector = tuple[Value, ...]


class LayerNorm(Module):
    """(x − mean)/√(variance + eps) · weight + bias, with mean and variance over the numbers of one sample.

    Ba et al. (2016), "Layer normalization". The variance is the mean of the squared deviations from the mean, which
    does not cancel where the mean is large, as E[x²] − E[x]² does.

    Args:
        normalized_shape: The shape of what is normalised, the last axes of the input; one number for one axis.
        eps: What is added to the variance.
        elementwise_affine: Whether there are a weight and a bias, one number for each that is normalised.
        bias: Whether there is a bias, if there is a weight.

    Attributes:
        weight: A nest of tuples of shape ``normalized_shape``, which begins as ones; or None.
        bias: The same, beginning as zeros; or None.

    Raises:
        ValueError: A size is not positive, or eps negative.
        TypeError: A size is not an int, or eps no number.

    >>> layer = LayerNorm(3, eps=0.0)
    >>> layer
    LayerNorm(3, eps=0.0): 6 parameters
    >>> [round(y.data, 3) for y in layer([101.0, 102.0, 103.0])]
    [-1.225, 0.0, 1.225]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        self.normalized_shape = _checked_sizes(normalized_shape)
        self.eps: float = AT_LEAST_ZERO("eps", eps)
        self.weight: Nest = parameters_of_shape(self.normalized_shape, 1.0) if elementwise_affine else None
        self.bias: Nest = parameters_of_shape(self.normalized_shape, 0.0) if elementwise_affine and bias else None

    def forward(self, input: Nest) -> Nest:
        """Compute the normalised numbers.

        Args:
            input: A nest of shape (*, normalized_shape).

        Returns:
            Lists (an object array for an array) of the same shape.

        Raises:
            ValueError: The last axes have another shape.
            TypeError: Something is no number.
        """
        weight, bias = _flat_or_none(self.weight), _flat_or_none(self.bias)

        def normalised(xs: Vector) -> list[Value]:
            deviations = _deviations(xs, mean(xs))
            return _scaled(deviations, _mean_square(deviations), self.eps, weight, bias)

        return _of_last_axes(self, self.normalized_shape, normalised, input)

    def extra_repr(self) -> str:
        """Show the shape of what is normalised."""
        affine = ", elementwise_affine=False" if self.weight is None else ", bias=False" if self.bias is None else ""
        return f"{_shown(self.normalized_shape)}{_shown_eps(self.eps, 1e-5)}{affine}"


class RMSNorm(Module):
    """x/√(mean of x² + eps) · weight, with the mean over the numbers of one sample.

    Zhang & Sennrich (2019), "Root mean square layer normalization".

    Args:
        normalized_shape: The shape of what is normalised, the last axes of the input; one number for one axis.
        eps: What is added to the mean square; None for the spacing of floats at 1, 2.2e-16.
        elementwise_affine: Whether there is a weight, one number for each that is normalised.

    Attributes:
        weight: A nest of tuples of shape ``normalized_shape``, which begins as ones; or None.

    Raises:
        ValueError: A size is not positive, or eps negative.
        TypeError: A size is not an int, or eps no number.

    >>> layer = RMSNorm(2)
    >>> layer
    RMSNorm(2): 2 parameters
    >>> [round(y.data, 3) for y in layer([3.0, -4.0])]
    [0.849, -1.131]
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True
    ) -> None:
        self.normalized_shape = _checked_sizes(normalized_shape)
        self.eps: float | None = None if eps is None else AT_LEAST_ZERO("eps", eps)
        self.weight: Nest = parameters_of_shape(self.normalized_shape, 1.0) if elementwise_affine else None

    def forward(self, input: Nest) -> Nest:
        """Compute the normalised numbers.

        Args:
            input: A nest of shape (*, normalized_shape).

        Returns:
            Lists (an object array for an array) of the same shape.

        Raises:
            ValueError: The last axes have another shape.
            TypeError: Something is no number.
        """
        weight = _flat_or_none(self.weight)
        eps = sys.float_info.epsilon if self.eps is None else self.eps

        def normalised(xs: Vector) -> list[Value]:
            return _scaled(xs, _mean_square(xs), eps, weight, None)

        return _of_last_axes(self, self.normalized_shape, normalised, input)

    def extra_repr(self) -> str:
        """Show the shape of what is normalised."""
        affine = ", elementwise_affine=False" if self.weight is None else ""
        return f"{_shown(self.normalized_shape)}{_shown_eps(self.eps, None)}{affine}"


class BatchNorm1d(Module):
    """(x − mean)/√(variance + eps) · weight + bias for each channel, with mean and variance over the whole batch.

    In training they are those of the batch, and running averages of them are kept, which are used after ``eval()``.
    (Ioffe & Szegedy 2015, "Batch normalization", algorithms 1 and 2. The running variance is the unbiased one, with
    divisor n − 1.)

    Args:
        num_features: The number C of channels.
        eps: What is added to the variance.
        momentum: The weight of the newest batch in the running averages; None for that of all batches alike.
        affine: Whether there are a weight and a bias, one number for each channel.
        track_running_stats: Whether running averages are kept; if not, the batch's own are used after ``eval()`` too.

    Attributes:
        weight: A tuple of C Values, which begins as ones; or None.
        bias: A tuple of C Values, which begins as zeros; or None.
        running_mean: C numbers, which begin as zeros: a buffer; or None.
        running_var: C numbers, which begin as ones: a buffer; or None.
        num_batches_tracked: How many batches are in the running averages: a buffer; or None.

    Raises:
        ValueError: ``num_features`` is not positive, eps is negative, or momentum is not in [0, 1].
        TypeError: One of them is no number.

    >>> layer = BatchNorm1d(2)
    >>> layer
    BatchNorm1d(2): 4 parameters
    >>> [[round(y.data, 3) for y in sample] for sample in layer([[1.0, 10.0], [3.0, 30.0]])]
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> layer.running_mean
    [0.2, 2.0]
    """

    needs_batch = True

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        check_size("num_features", num_features)
        self.num_features = num_features
        self.eps: float = AT_LEAST_ZERO("eps", eps)
        self.momentum: float | None = None if momentum is None else PROPORTION("momentum", momentum)
        self.weight: Nest = parameters_of_shape((num_features,), 1.0) if affine else None
        self.bias: Nest = parameters_of_shape((num_features,), 0.0) if affine else None
        self.running_mean: list[float] | None = None
        self.running_var: list[float] | None = None
        self.num_batches_tracked: int | None = None
        if track_running_stats:
            self.register_buffer("running_mean", [0.0] * num_features)
            self.register_buffer("running_var", [1.0] * num_features)
            self.register_buffer("num_batches_tracked", 0)

    def forward(self, input: Nest) -> Nest:
        """Compute the normalised numbers; in training the running averages are updated.

        Args:
            input: A batch of shape (N, C) or (N, C, L).

        Returns:
            Lists (an object array for an array) of the same shape.

        Raises:
            ValueError: The batch has another shape, or one number a channel where their variance is needed.
            TypeError: Something is no number.
        """
        shape = check_shape(head(self), input, ("N", self.num_features), ("N", self.num_features, "L"), name="a batch")
        channels = _channels(values(input), len(shape))
        of_batch = self.training or self.running_mean is None
        if of_batch and len(channels[0]) < 2:
            raise ValueError(
                f"{head(self)} needs more than one number a channel to find their variance, and was given a batch of "
                f"shape {shape}; " + ("after eval() one will do" if self.running_mean is not None else "give more")
            )
        is_tracking = self.training and self.running_mean is not None
        means, variances, results = [], [], []
        for c, xs in enumerate(channels):
            centre = mean(xs) if of_batch else operand(self.running_mean[c])  # type: ignore[index]  # see of_batch
            deviations = _deviations(xs, centre)
            variance = _mean_square(deviations) if of_batch else operand(self.running_var[c])  # type: ignore[index]  # "
            results.append(self._scaled(c, deviations, variance))
            if is_tracking and is_traced(centre):
                refuse(
                    f"{head(self)} in training",
                    "move its running averages by this example, and the program would move none",
                    "call eval() on the model, or make the layer with track_running_stats=False",
                )
            if is_tracking:
                means.append(centre.data)
                variances.append(variance.data)
        if is_tracking:
            self._track(means, variances, len(channels[0]))
        return like(input, _samples(results, shape))

    def _scaled(self, c: int, deviations: Vector, variance: Value) -> list[Value]:
        scale = 1.0 / sqrt(variance + self.eps)
        if self.weight is None:
            return [d * scale for d in deviations]
        slope, shift = self.weight[c] * scale, self.bias[c]
        return [d * slope + shift for d in deviations]

    def _track(self, means: list[float], variances: list[float], n: int) -> None:
        """Move the running averages by a step towards the mean and the unbiased variance of the batch."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        step = 1.0 / self.num_batches_tracked if self.momentum is None else self.momentum
        unbiased = [variance * (n / (n - 1)) for variance in variances]
        self.running_mean = _moved(self.running_mean, means, step)
        self.running_var = _moved(self.running_var, unbiased, step)

    def extra_repr(self) -> str:
        """Show its number of channels."""
        momentum = "" if self.momentum == 0.1 else f", momentum={self.momentum}"
        affine = "" if self.weight is not None else ", affine=False"
        tracked = "" if self.running_mean is not None else ", track_running_stats=False"
        return f"{self.num_features}{_shown_eps(self.eps, 1e-5)}{momentum}{affine}{tracked}"


# ------------------------------------------------------------------------------------------- what they share


def _deviations(xs: Vector, centre: Value) -> Vector:
    return tuple([x - centre for x in xs])


def _mean_square(xs: Vector) -> Value:
    return dot(xs, xs, operand(0.0)) / len(xs)


def _scaled(xs: Vector, mean_square: Value, eps: float, weight: Vector | None, bias: Vector | None) -> list[Value]:
    """Return each x/√(mean_square + eps), times its weight, plus its bias."""
    scale = 1.0 / sqrt(mean_square + eps)
    scaled = [x * scale for x in xs]
    if weight is not None:
        scaled = [y * w for y, w in zip(scaled, weight, strict=True)]
    return scaled if bias is None else [y + b for y, b in zip(scaled, bias, strict=True)]


def _of_last_axes(layer: Module, normalized: tuple[int, ...], function: Any, input: Nest) -> Nest:
    """Apply a function to the numbers along the last axes, for each index along the others."""
    shape = check_shape(head(layer), input, ("*", *normalized))

    def of_block(block: Nest) -> Nest:
        return nested(normalized, iter(function(tuple(flat(block)))))

    return like(input, map_vectors(of_block, values(input), len(shape) - len(normalized)))


def _channels(samples: Nest, axes: int) -> list[Vector]:
    """Return the numbers of each channel, sample after sample."""
    columns = zip(*samples, strict=True)
    return list(columns) if axes == 2 else [tuple([x for part in column for x in part]) for column in columns]


def _samples(channels: list[list[Value]], shape: tuple[int, ...]) -> Nest:
    """Return the inverse of :func:`_channels`."""
    if len(shape) == 2:
        return [list(sample) for sample in zip(*channels, strict=True)]
    length = shape[2]
    return [[channel[n * length : (n + 1) * length] for channel in channels] for n in range(shape[0])]


def _moved(averages: list[float], newest: list[float], step: float) -> list[float]:
    return [(1.0 - step) * old + step * new for old, new in zip(averages, newest, strict=True)]


def _flat_or_none(parameters: Nest | None) -> Vector | None:
    return None if parameters is None else tuple(flat(parameters))


def _checked_sizes(given: Any) -> tuple[int, ...]:
    sizes = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if not sizes:
        raise ValueError("normalized_shape has at least one axis, such as 3 or (2, 3), not ()")
    for size in sizes:
        check_size("a size in normalized_shape", size)
    return sizes


def _shown(normalized_shape: tuple[int, ...]) -> str:
    return repr(normalized_shape[0] if len(normalized_shape) == 1 else normalized_shape)


def _shown_eps(eps: float | None, default: float | None) -> str:
    return "" if eps == default else f", eps={eps}"
