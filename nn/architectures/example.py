"""What is needed to train a model, and to measure and check it, in one record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.value import Value


class Example(NamedTuple):
    """A model and what it learns from, as :func:`tinygrad_lite.nn.fit` takes them.

    Attributes:
        model: What is trained; called with one input.
        loss: ``loss(outputs, targets)``, of lists of one item a sample: the mean of the losses of the samples.
        data: The pair (inputs, targets), one item a sample, all of one shape.

    >>> from tinygrad_lite.nn import MLP, mse_loss, xor
    >>> example = Example(MLP(2, [1], seed=0), mse_loss, xor())
    >>> example.of_one_sample([0, 0], 0).data
    0.0
    """

    model: Module
    loss: Callable[[Any, Any], Value]
    data: tuple[Any, Any]

    def of_one_sample(self, x: Any, y: Any, model: Any = None) -> Value:
        """Return the loss of one sample, which is what ``lift`` and ``check_gradients`` look at.

        Args:
            x: Its input.
            y: Its target.
            model: Another model than the example's own.
        """
        return self.loss([(self.model if model is None else model)(x)], [y])
