"""An LSTM that reads digits row by row: 8 steps of 8 pixels, and nothing of the image but what it remembers.

At each step it sees one row, and has to keep in its state what the next rows will be judged with. The cell is that of
Hochreiter & Schmidhuber (1997, "Long short-term memory") with the forget gate of Gers et al. (2000); reading images row
by row is a test of memory since Le et al. (2015, "A simple way to initialize recurrent networks of rectified linear
units", who read them pixel by pixel).
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from tinygrad_lite.functions import dot, sigmoid, tanh
from tinygrad_lite.modes import no_grad
from tinygrad_lite.nn.architectures.digit_images import SIZE, digit_images
from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.base.shapes import Nest
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.layers.recurrent import LSTM
from tinygrad_lite.nn.layers.recurrent_steps import get_parameters
from tinygrad_lite.nn.losses.class_losses import cross_entropy


class Memory(NamedTuple):
    """What goes on in an LSTM while it reads: for each step, a list of one number a unit.

    Attributes:
        write: The gate i: how much of the candidate is added to the cell, from 0 to 1.
        keep: The gate f: how much of the cell stays.
        show: The gate o: how much of the cell is seen outside.
        candidate: g, what is written, from −1 to 1.
        cell: c, after the step.
        hidden: h, after the step: what the next step and the last layer see.
    """

    write: list[list[float]]
    keep: list[list[float]]
    show: list[list[float]]
    candidate: list[list[float]]
    cell: list[list[float]]
    hidden: list[list[float]]


class RowReader(Module):
    """Scores of ten digits, from the state of an LSTM that has read the rows of an image one after the other.

    Args:
        hidden: How many units the LSTM has.
        size: How many numbers a row has.
        classes: How many scores there are.
        generator: What the weights are drawn from: a ``random.Random``, an int that seeds one, or None. The gates that
            keep begin open, by a bias of 1 (Jozefowicz et al. 2015).

    Attributes:
        lstm: The :class:`~tinygrad_lite.nn.LSTM`.
        scores: The :class:`~tinygrad_lite.nn.Linear` that reads its last state.

    Raises:
        ValueError: A size is not positive.

    >>> model = RowReader(4, size=3, classes=2, generator=0)
    >>> image = [[0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    >>> len(model(image))
    2

    After the last row, its guess is its answer:

    >>> model.guesses(image)[-1] == [score.data for score in model(image)]
    True
    """

    def __init__(self, hidden: int = 32, size: int = SIZE, classes: int = 10, *, generator: Generator = None) -> None:
        rng = as_generator(generator)
        self.lstm = LSTM(size, hidden, generator=rng)
        for bias in get_parameters(self.lstm, "_l0").bias_ih[hidden : 2 * hidden]:
            bias.data = 1.0
        self.scores = Linear(hidden, classes, generator=rng)

    def forward(self, input: Nest) -> Nest:
        """Compute the scores after the last row.

        Args:
            input: The rows, of shape (rows, size).

        Returns:
            A list of one score a class.

        Raises:
            ValueError: The shape is wrong.
            TypeError: Something is no number.
        """
        hidden, _ = self.lstm(input)
        return self.scores(hidden[-1])

    def guesses(self, input: Nest) -> list[list[float]]:
        """Return the scores after each row: what the last layer would say if the image ended there.

        Args:
            input: The rows, of shape (rows, size).
        """
        with no_grad():
            hidden, _ = self.lstm(input)
            return [[score.data for score in self.scores(h)] for h in hidden]

    def memory(self, input: Nest) -> Memory:
        """Return the gates and the state at each row, from the equations of the LSTM.

        Args:
            input: The rows, of shape (rows, size).

        >>> model = RowReader(4, size=3, classes=2, generator=0)
        >>> memory = model.memory([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
        >>> len(memory.cell), len(memory.cell[0])
        (2, 4)
        """
        weights = get_parameters(self.lstm, "_l0")
        units = self.lstm.hidden_size
        h: list[Any] = [0.0] * units
        c: list[Any] = [0.0] * units
        steps = []
        with no_grad():
            for x in input:
                z = [dot(w, x) + dot(u, h) + b + d for w, u, b, d in zip(*weights, strict=True)]
                i, f, o = (_each(sigmoid, z[k * units : (k + 1) * units]) for k in (0, 1, 3))
                g = _each(tanh, z[2 * units : 3 * units])
                c = [fk * ck + ik * gk for fk, ck, ik, gk in zip(f, c, i, g, strict=True)]
                h = [ok * tanh(ck) for ok, ck in zip(o, c, strict=True)]
                steps.append((i, f, o, g, c, h))
        return Memory(*[list(series) for series in zip(*steps, strict=True)])


def _each(function: Any, zs: list[Any]) -> list[float]:
    return [function(z).data for z in zs]


def rows_of_digits(seed: int = 0) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return the digits of :func:`~tinygrad_lite.nn.architectures.digit_images.digit_images`, as rows.

    Args:
        seed: What the split depends on, and nothing else.

    Returns:
        Images and labels to train on, and others to test on: arrays of shape (N, 8, 8), of numbers from 0 to 1, and N
        ints.

    Raises:
        ImportError: scikit-learn is not installed.

    >>> (images, labels), (test_images, test_labels) = rows_of_digits()
    >>> images.shape, test_images.shape
    ((1438, 8, 8), (359, 8, 8))
    """
    train, test = digit_images(seed=seed)
    return (train[0][:, 0], train[1]), (test[0][:, 0], test[1])


def example(hidden: int = 32, *, seed: int = 0) -> Example:
    """Return a reader of rows, and the digits that it learns from.

    Args:
        hidden: How many units the LSTM has.
        seed: What the weights are drawn from.

    >>> made = example(hidden=2)
    >>> made.of_one_sample(made.data[0][0], made.data[1][0]).data > 0
    True
    """
    return Example(RowReader(hidden, generator=random.Random(seed)), cross_entropy, rows_of_digits()[0])
