"""Dropout."""

from __future__ import annotations

from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.hyperparameters import PROPORTION
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_shape, like, map_numbers, values
from tinygrad_lite.trace_errors import refuse
from tinygrad_lite.trace_mode import is_tracing
from tinygrad_lite.value import Value, operand


class Dropout(Module):
    """In training, multiplies each number by 0 with probability p and else by 1/(1 − p), which keeps the expectation.

    After ``eval()`` it gives its input back. (Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks
    from overfitting", section 10, with the factor in training and not in use: so-called inverted dropout.)

    Args:
        p: The probability that a number is dropped; 1 drops all.
        generator: What decides which: a ``random.Random``, an int that seeds one, or None. Numbers are drawn in the
            order of the input, the last axis running fastest.

    The recorded graph keeps its choice: ``forward()`` of a Value above evaluates it with the same numbers dropped.

    Raises:
        ValueError: p is not in [0, 1].
        TypeError: p is no number.

    >>> layer = Dropout(0.5, generator=0)
    >>> sorted({y.data for y in layer([1.0] * 100)})
    [0.0, 2.0]
    >>> layer.eval()([1.0, 2.0])
    [1.0, 2.0]
    """

    def __init__(self, p: float = 0.5, *, generator: Generator = None) -> None:
        self.p: float = PROPORTION("p", p)
        self.generator = as_generator(generator)

    def forward(self, input: Nest) -> Nest:
        """Compute the numbers that were not dropped, and zeros: a nest of the same shape.

        Raises:
            TypeError: Something in it is no number.
        """
        check_shape(head(self), input, ("*",))
        if not self.training or self.p == 0.0:
            return input
        if is_tracing():
            refuse(
                f"{head(self)} in training",
                "draw once, and the program would drop the same numbers at each call",
                "call eval() on the model, or set p to 0",
            )
        p = self.p
        dropped = operand(0.0)
        kept = operand(1.0 / (1.0 - p)) if p < 1.0 else dropped
        draw = self.generator.random

        def drop(x: Value) -> Value:
            return x * (dropped if draw() < p else kept)

        return like(input, map_numbers(drop, values(input)))

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"
