"""How parameters begin: PyTorch's initialisers, each drawing from a generator that it is given.

They work on nests of leaves, such as the ``weight`` of a layer, and write their data. The first axis is what comes out
(``fan_out``), the second what comes in (``fan_in``), and further axes are the kernel of a convolution.

>>> from tinygrad_lite.nn.layers.linear import Linear
>>> layer = Linear(2, 3)
>>> _ = xavier_uniform_(layer.weight, generator=0)
>>> _ = zeros_(layer.bias)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.shapes import flat, shape_of
from tinygrad_lite.value import Value

_T = TypeVar("_T")

#: Writes the data of a nest of leaves: ``initializer(nest, generator=generator)``.
Initializer = Callable[..., Any]


def find_initializer(initializer: Initializer | str) -> Initializer:
    """Return the initialiser of a name such as ``"xavier_uniform"``; a function is given back.

    Raises:
        ValueError: There is no such initialiser.

    >>> find_initializer("zeros") is zeros_
    True
    """
    if callable(initializer):
        return initializer
    found: Initializer | None = globals().get(f"{initializer}_")
    if not callable(found) or initializer.startswith("_"):
        names = sorted(name[:-1] for name in globals() if name.endswith("_") and not name.startswith("_"))
        raise ValueError(f"no initialiser is named {initializer!r}; there are: {', '.join(names)}")
    return found


def constant_(nest: _T, val: float, generator: Generator = None) -> _T:
    """Set every leaf to ``val``.

    >>> constant_(Value(0.0), 0.5)
    Value(data=0.5, grad=0.0)
    """
    for leaf in _leaves(nest):
        leaf.data = val
    return nest


def zeros_(nest: _T, generator: Generator = None) -> _T:
    """Set every leaf to 0.

    >>> zeros_(Value(5.0))
    Value(data=0.0, grad=0.0)
    """
    return constant_(nest, 0.0)


def ones_(nest: _T, generator: Generator = None) -> _T:
    """Set every leaf to 1.

    >>> ones_(Value(5.0))
    Value(data=1.0, grad=0.0)
    """
    return constant_(nest, 1.0)


def uniform_(nest: _T, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> _T:
    """Draw every leaf uniformly from [a, b].

    >>> -1 <= uniform_(Value(0.0), -1.0, 1.0, generator=0).data <= 1
    True
    """
    rng = as_generator(generator)
    for leaf in _leaves(nest):
        leaf.data = rng.uniform(a, b)
    return nest


def normal_(nest: _T, mean: float = 0.0, std: float = 1.0, generator: Generator = None) -> _T:
    """Draw every leaf from the normal distribution of this mean and standard deviation.

    Raises:
        ValueError: ``std`` is negative.

    >>> normal_(Value(0.0), mean=3.0, std=0.0).data
    3.0
    """
    if std < 0.0:
        raise ValueError(f"std is at least 0, not {std!r}")
    rng = as_generator(generator)
    for leaf in _leaves(nest):
        leaf.data = rng.gauss(mean, std)
    return nest


def xavier_uniform_(nest: _T, gain: float = 1.0, generator: Generator = None) -> _T:
    """Uniform in ±g·√(6/(fan_in + fan_out)): variance kept forward and backward (Glorot & Bengio 2010, equation 16).

    Raises:
        ValueError: The nest has less than two axes.
    """
    fan_in, fan_out = fans(nest)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(nest, -bound, bound, generator)


def xavier_normal_(nest: _T, gain: float = 1.0, generator: Generator = None) -> _T:
    """Draw every leaf from a normal distribution of variance g²·2/(fan_in + fan_out) (Glorot & Bengio 2010).

    Raises:
        ValueError: The nest has less than two axes.
    """
    fan_in, fan_out = fans(nest)
    return normal_(nest, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    nest: _T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator = None
) -> _T:
    """Draw every leaf uniformly, of variance g²/fan: variance kept through rectifiers (He et al. 2015, section 2.2).

    Args:
        nest: Leaves, of at least two axes.
        a: The slope of a leaky rectifier for negative numbers; 0 for relu.
        mode: ``"fan_in"`` keeps the variance forward, ``"fan_out"`` backward.
        nonlinearity: What follows, as for :func:`calculate_gain`.
        generator: What the numbers are drawn from.

    Raises:
        ValueError: The nest has less than two axes, or there is no such mode or nonlinearity.
    """
    bound = math.sqrt(3.0) * _kaiming_std(nest, a, mode, nonlinearity)
    return uniform_(nest, -bound, bound, generator)


def kaiming_normal_(
    nest: _T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator = None
) -> _T:
    """Draw every leaf from a normal distribution of variance g²/fan; see :func:`kaiming_uniform_`.

    Raises:
        ValueError: The nest has less than two axes, or there is no such mode or nonlinearity.
    """
    return normal_(nest, 0.0, _kaiming_std(nest, a, mode, nonlinearity), generator)


def orthogonal_(nest: _T, gain: float = 1.0, generator: Generator = None) -> _T:
    """Draw an orthogonal matrix, uniformly: all singular values are ``gain`` (Saxe et al. 2014; Mezzadri 2007).

    Axes from the second on are taken as one. Where there are more rows than columns, the columns are orthonormal, else
    the rows.

    Raises:
        ValueError: The nest has less than two axes.

    >>> from tinygrad_lite.nn.base.shapes import parameters_of_shape
    >>> (a, b), (c, d) = orthogonal_(parameters_of_shape((2, 2)), generator=0)
    >>> abs(a.data * b.data + c.data * d.data) < 1e-15
    True
    """
    import numpy

    shape = shape_of(nest)
    if len(shape) < 2:
        raise ValueError(f"orthogonal_ takes at least two axes, rows and columns, not a nest of shape {shape}")
    rows, columns = shape[0], math.prod(shape[1:])
    rng = as_generator(generator)
    normal = numpy.array([rng.gauss(0.0, 1.0) for _ in range(rows * columns)]).reshape(rows, columns)
    q, r = numpy.linalg.qr(normal if rows >= columns else normal.T)
    q = q * numpy.where(numpy.diag(r) < 0.0, -1.0, 1.0)  # without it the draw would not be uniform
    matrix = gain * (q if rows >= columns else q.T)
    for leaf, number in zip(_leaves(nest), matrix.ravel().tolist(), strict=True):
        leaf.data = number
    return nest


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """PyTorch's factor for what follows a layer: 1 for none, √2 for relu, 5/3 for tanh, √(2/(1+a²)) for leaky_relu.

    Args:
        nonlinearity: ``"linear"``, ``"conv1d"``, ``"conv2d"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``,
            ``"leaky_relu"`` or ``"selu"``.
        param: The slope a of leaky_relu; None is 0.01.

    Raises:
        ValueError: There is no factor for it.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    slope = 0.01 if param is None else param
    gains = {
        "linear": 1.0,
        "conv1d": 1.0,
        "conv2d": 1.0,
        "sigmoid": 1.0,
        "tanh": 5.0 / 3.0,
        "relu": math.sqrt(2.0),
        "leaky_relu": math.sqrt(2.0 / (1.0 + slope * slope)),
        "selu": 0.75,
    }
    if nonlinearity not in gains:
        raise ValueError(f"no gain is known for {nonlinearity!r}; there are: {', '.join(gains)}")
    return gains[nonlinearity]


def fans(nest: Any) -> tuple[int, int]:
    """Return how many inputs each output has, and how many outputs each input.

    Raises:
        ValueError: The nest has less than two axes.

    >>> from tinygrad_lite.nn.base.shapes import parameters_of_shape
    >>> fans(parameters_of_shape((8, 3, 5)))
    (15, 40)
    """
    shape = shape_of(nest)
    if len(shape) < 2:
        raise ValueError(f"fan-in and fan-out need at least two axes (outputs, inputs), not a nest of shape {shape}")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def _kaiming_std(nest: Any, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(nest)[mode == "fan_out"])


def _leaves(nest: Any) -> list[Value]:
    leaves = list(flat(nest))
    for leaf in leaves:
        if not isinstance(leaf, Value) or not leaf.is_leaf:
            raise TypeError(f"an initialiser writes the data of leaf Values, such as layer.weight, not of {leaf!r}")
    return leaves
