"""The affine map, as in PyTorch."""

from __future__ import annotations

import math

from tinygrad_lite.nary import dot
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.init import uniform_
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_shape, check_size, like, map_vectors, parameters_of_shape, values
from tinygrad_lite.value import Value, operand


class Linear(Module):
    """W x + b, recorded as one ``dot`` node an output.

    Weights and biases begin uniform in ±1/√in_features, as in PyTorch.

    Args:
        in_features: The number of inputs.
        out_features: The number of outputs.
        bias: Whether there is a b.
        generator: What the parameters are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        weight: W, ``out_features`` tuples of ``in_features`` Values.
        bias: b, a tuple of ``out_features`` Values, or None.

    Raises:
        ValueError: A size is not positive.

    >>> layer = Linear(2, 3, generator=0)
    >>> layer
    Linear(2, 3): 9 parameters
    >>> [type(y).__name__ for y in layer([1.0, -2.0])]
    ['Value', 'Value', 'Value']
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, generator: Generator = None) -> None:
        check_size("in_features", in_features)
        check_size("out_features", out_features)
        rng = as_generator(generator)
        bound = 1.0 / math.sqrt(in_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight: Nest = uniform_(parameters_of_shape((out_features, in_features)), -bound, bound, rng)
        self.bias: Nest = uniform_(parameters_of_shape((out_features,)), -bound, bound, rng) if bias else None

    def forward(self, input: Nest) -> Nest:
        """Compute the outputs.

        Args:
            input: ``in_features`` numbers, or any nest of such vectors: shape (*, in_features).

        Returns:
            Lists (an object array for an array) of shape (*, out_features).

        Raises:
            ValueError: The last axis has another size.
            TypeError: Something is no number.
        """
        shape = check_shape(head(self), input, ("*", self.in_features))
        return like(input, map_vectors(self.of_vector, values(input), len(shape) - 1))

    def of_vector(self, xs: tuple[Value, ...]) -> list[Value]:
        """Return the outputs for one vector of Values, unchecked: for layers that contain this one."""
        if self.bias is None:
            return [dot(ws, xs, operand(0.0)) for ws in self.weight]
        return [dot(ws, xs, b) for ws, b in zip(self.weight, self.bias, strict=True)]

    def extra_repr(self) -> str:
        """Show its sizes."""
        return f"{self.in_features}, {self.out_features}{'' if self.bias is not None else ', bias=False'}"
