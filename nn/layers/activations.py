"""Activations as modules, under PyTorch's names: each applies one operation of the table number by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from tinygrad_lite.nary import logsumexp, softmax
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import (
    Nest,
    check_shape,
    flat,
    is_number,
    like,
    map_numbers,
    map_vectors,
    nested,
    values,
)
from tinygrad_lite.nn.layers.layers import find_activation
from tinygrad_lite.value import Value


class Activation(Module):
    """Any operation of the table that works on one number, as a module.

    Args:
        operation: Its name, such as ``"tanh"``, or a function from Value to Value.
        arguments: What the operation takes besides the number.

    Raises:
        ValueError: No operation of the table has this name and works on one number.
        TypeError: It is None.

    >>> [y.data for y in Activation("leaky_relu", 0.1)([1.0, -2.0])]
    [1.0, -0.2]
    >>> Activation("sin")
    Activation('sin'): 0 parameters
    """

    def __init__(self, operation: str | Callable[[Value], Value], *arguments: float) -> None:
        function = find_activation(operation)
        if function is None:
            raise TypeError(f"Activation takes the name of an operation, or a function, not {operation!r}")
        self.function: Callable[..., Value] = function
        self.arguments = arguments

    def forward(self, input: Nest) -> Nest:
        """Apply the operation to each number: a nest of the same shape.

        Raises:
            TypeError: Something in it is no number.
        """
        return like(input, map_numbers(self._apply, values(input)))

    def _apply(self, x: Value) -> Value:
        return self.function(x, *self.arguments)

    def extra_repr(self) -> str:
        """Show the operation, and what it takes besides."""
        name = getattr(self.function, "__name__", repr(self.function))
        return ", ".join([repr(name), *map(repr, self.arguments)])


class _Named(Activation):
    """An activation with a class of its own, whose name is that of PyTorch."""

    operation: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(self.operation)

    def extra_repr(self) -> str:
        """Show what the operation takes besides the number."""
        return ", ".join(map(repr, self.arguments))


class ReLU(_Named):
    """max(x, 0), with derivative 0 at 0.

    >>> [y.data for y in ReLU()([1.0, -2.0])]
    [1.0, 0.0]
    """

    operation = "relu"


class LeakyReLU(_Named):
    """x where x > 0, negative_slope · x elsewhere (Maas et al. 2013).

    >>> LeakyReLU(0.2)(-1.0).data
    -0.2
    """

    operation = "leaky_relu"

    def __init__(self, negative_slope: float = 0.01) -> None:
        Activation.__init__(self, self.operation, negative_slope)


class ELU(_Named):
    """x where x > 0, alpha · (exp(x) − 1) elsewhere (Clevert et al. 2016).

    >>> ELU()(2.0).data
    2.0
    """

    operation = "elu"

    def __init__(self, alpha: float = 1.0) -> None:
        Activation.__init__(self, self.operation, alpha)


class SELU(_Named):
    """Self-normalising ELU (Klambauer et al. 2017).

    >>> SELU()(0.0).data
    0.0
    """

    operation = "selu"


class GELU(_Named):
    """x times the normal distribution function (Hendrycks & Gimpel 2016), exact form.

    >>> GELU()(0.0).data
    0.0
    """

    operation = "gelu"


class SiLU(_Named):
    """x · sigmoid(x), also called swish (Ramachandran et al. 2017).

    >>> SiLU()(0.0).data
    0.0
    """

    operation = "silu"


class Sigmoid(_Named):
    """1/(1 + exp(−x)).

    >>> Sigmoid()(0.0).data
    0.5
    """

    operation = "sigmoid"


class LogSigmoid(_Named):
    """log(sigmoid(x)), without underflow.

    >>> LogSigmoid()(-1000.0).data
    -1000.0
    """

    operation = "logsigmoid"


class Tanh(_Named):
    """Hyperbolic tangent.

    >>> Tanh()([0.0])[0].data
    0.0
    """

    operation = "tanh"


class Softplus(_Named):
    """log(1 + exp(x)), a smooth relu.

    >>> Softplus()(1000.0).data
    1000.0
    """

    operation = "softplus"


class Softsign(_Named):
    """x/(1 + |x|).

    >>> Softsign()(1.0).data
    0.5
    """

    operation = "softsign"


class Hardtanh(_Named):
    """x, cut off below at min_val and above at max_val.

    >>> Hardtanh()([0.5, -2.0])[1].data
    -1.0
    """

    operation = "hardtanh"

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        Activation.__init__(self, self.operation, min_val, max_val)


#: The operation of each activation that has a class of its own, by the name of the class, which is PyTorch's.
OPERATIONS: Final[dict[str, str]] = {kind.__name__: kind.operation for kind in _Named.__subclasses__()}


class _AlongAxis(Module):
    """A function from vectors to vectors, of the numbers along one axis."""

    def __init__(self, dim: int = -1) -> None:
        if not isinstance(dim, int) or isinstance(dim, bool):
            raise TypeError(f"dim is the number of an axis, an int, not {dim!r}")
        self.dim = dim

    def of_vector(self, xs: tuple[Value, ...]) -> list[Value]:
        raise NotImplementedError

    def forward(self, input: Nest) -> Nest:
        """Apply the function to each vector along the axis: a nest of the same shape.

        Raises:
            ValueError: There is no such axis.
            TypeError: It is a single number, or something in it is no number.
        """
        if is_number(input):
            raise TypeError(f"{head(self)} takes the numbers of at least one axis, not one number: {input!r}")
        shape = check_shape(head(self), input, ("*",))
        axis = self.dim + len(shape) if self.dim < 0 else self.dim
        if not 0 <= axis < len(shape):
            raise ValueError(
                f"{head(self)} takes an input that has axis {self.dim}, and was given one of shape {shape}"
            )

        def of_block(block: Nest) -> Nest:
            return self.of_vector(block) if axis == len(shape) - 1 else self._of_first_axis(block, shape[axis + 1 :])

        return like(input, map_vectors(of_block, values(input), axis))

    def _of_first_axis(self, block: Nest, rest: tuple[int, ...]) -> Nest:
        results = [self.of_vector(xs) for xs in zip(*map(flat, block), strict=True)]
        return [nested(rest, iter(numbers)) for numbers in zip(*results, strict=True)]

    def extra_repr(self) -> str:
        """Show the axis, unless it is the last."""
        return "" if self.dim == -1 else f"dim={self.dim}"


class Softmax(_AlongAxis):
    """exp(xᵢ) over the sum of exp(xₖ) along one axis: positive numbers that add up to 1.

    Args:
        dim: The axis; negative ones count from the end. The last, if left out.

    >>> [p.data for p in Softmax()([3.0, 3.0])]
    [0.5, 0.5]
    """

    def of_vector(self, xs: tuple[Value, ...]) -> list[Value]:
        """Return the softmax of one vector of Values, unchecked."""
        return softmax(xs)


class LogSoftmax(_AlongAxis):
    """xᵢ − log of the sum of exp(xₖ) along one axis: the logarithm of :class:`Softmax`, without underflow.

    Args:
        dim: The axis; negative ones count from the end. The last, if left out.

    >>> [p.data for p in LogSoftmax()([0.0, -1000.0])]
    [0.0, -1000.0]
    """

    def of_vector(self, xs: tuple[Value, ...]) -> list[Value]:
        """Return the logarithm of the softmax of one vector of Values, unchecked."""
        total = logsumexp(xs)
        return [x - total for x in xs]
