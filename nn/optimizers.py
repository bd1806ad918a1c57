"""How parameters follow their gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tinygrad_lite.value import Value


class SGD:
    """Gradient descent, with momentum if wanted: b ← μ·b + grad, p ← p − lr·b.

    These are PyTorch's formulas (momentum after Sutskever et al. 2013, with lr outside of b, which begins at 0).

    Args:
        parameters: Leaf Values, as ``model.parameters()`` gives them.
        lr: The learning rate, a positive number. ``optimizer.lr`` may be changed between steps.
        momentum: μ, in [0, 1).

    Raises:
        ValueError: There are no parameters, one is there twice, or a number is out of its range.
        TypeError: A parameter is no Value, or no leaf.

    >>> from tinygrad_lite import Value
    >>> x = Value(3.0)
    >>> optimizer = SGD([x], lr=0.25)
    >>> (x * x).backward()
    >>> optimizer.step()
    >>> x.data
    1.5
    """

    def __init__(self, parameters: Iterable[Value], lr: float = 0.001, momentum: float = 0.0) -> None:
        self.parameters = _checked(parameters)
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"momentum is in [0, 1), not {momentum!r}")
        self.momentum = momentum
        self.lr = lr
        self._velocities = [0.0] * len(self.parameters)

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        if not 0.0 < lr < math.inf:
            raise ValueError(f"lr is a positive, finite number, not {lr!r}")
        self._lr = lr

    def step(self) -> None:
        """Moves every parameter once. The graphs above them are stale then: run the model again, or ``forward()``."""
        velocities = self._velocities
        for i, parameter in enumerate(self.parameters):
            velocities[i] = self.momentum * velocities[i] + parameter.grad
            parameter.data -= self._lr * velocities[i]

    def zero_grad(self) -> None:
        """Sets the gradient of every parameter to 0, which ``backward()`` adds to."""
        for parameter in self.parameters:
            parameter.grad = 0.0

    def __repr__(self) -> str:
        return f"SGD({len(self.parameters)} parameters, lr={self.lr!r}, momentum={self.momentum!r})"


def _checked(parameters: Iterable[Value]) -> list[Value]:
    if isinstance(parameters, Value):
        raise TypeError("SGD takes a list of Values: write SGD([v], lr), or SGD(model.parameters(), lr)")
    found = list(parameters)
    if not found:
        raise ValueError("SGD was given no parameters: a model's are the leaf Values in its attributes")
    for i, parameter in enumerate(found):
        if not isinstance(parameter, Value):
            raise TypeError(f"parameter {i} is a {type(parameter).__name__}, {parameter!r}, and no Value")
        if not parameter.is_leaf or parameter.is_constant:
            made = "a constant of a graph" if parameter.is_constant else f"computed by {parameter.op!r}"
            raise TypeError(
                f"parameter {i}, {parameter!r}, is {made}; only leaves can be trained: v.detach() makes one"
            )
    if len({id(parameter) for parameter in found}) < len(found):
        raise ValueError("a parameter is there twice, and would move twice at each step: leave one of them out")
    return found
