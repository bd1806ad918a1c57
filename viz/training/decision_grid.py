"""Samples in the plane, and what a model gives there and around."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.modes import no_grad
from tinygrad_lite.nn.base.batches import as_list, as_numbers
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.training import predict
from tinygrad_lite.operations.numerics import sigmoid

#: What a model's outputs may be.
OUTPUTS: Final = ("logits", "probabilities")


class Points(NamedTuple):
    """Points in the plane, and their classes."""

    inputs: list[list[float]]
    #: the place of each point's class among ``names``; [] if they have none
    classes: list[int]
    names: list[str]


class Grid(NamedTuple):
    """Places in the plane, and what a model gives there."""

    xs: list[float]
    ys: list[float]
    #: a list of the classes' probabilities for each place, row by row from below; of class 1 alone if there are two
    probabilities: list[list[float]]


def points_of(X: Any, y: Any) -> Points:  # noqa: N803 (scikit-learn's name)
    """Return samples and their classes.

    Raises:
        ValueError: Samples are not pairs of numbers, there are none, or there are not as many classes.
        TypeError: They are no sequence.

    >>> points_of([[0, 1], [2, 3]], [-1, 1])
    Points(inputs=[[0.0, 1.0], [2.0, 3.0]], classes=[0, 1], names=['-1', '1'])
    """
    inputs = as_list(X, "the samples X")
    for k, pair in enumerate(inputs):
        if not hasattr(pair, "__len__") or len(pair) != 2:
            raise ValueError(
                f"a decision boundary is drawn in the plane: every sample is two numbers, and X[{k}] is {pair!r:.60}. "
                "For more features, pass a function of two that puts in the others, and X with these two columns."
            )
    pairs = [[float(getattr(x, "data", x)) for x in pair] for pair in inputs]
    if not pairs or not all(math.isfinite(x) for pair in pairs for x in pair):
        raise ValueError("X has no samples" if not pairs else "a sample in X is not finite")
    if y is None:
        return Points(pairs, [], [])
    labels = [_label(label) for label in as_list(y, "the classes y")]
    if len(labels) != len(pairs):
        raise ValueError(f"X has {len(pairs)} samples and y has {len(labels)} classes: there is one for each sample")
    kinds = sorted(set(labels))
    if set(kinds) <= {0, 1}:
        kinds = [0, 1]
    elif set(kinds) <= {-1, 1}:
        kinds = [-1, 1]
    else:
        if kinds[0] < 0:
            raise ValueError(f"classes are 0, 1, 2 …, or -1 and 1, and y has {kinds[:5]}")
        kinds = list(range(kinds[-1] + 1))
    return Points(pairs, [kinds.index(label) for label in labels], [str(kind) for kind in kinds])


def evaluate_grid(model: Any, points: Points, resolution: int, outputs: str, margin: float = 0.12) -> Grid:
    """Return what a model gives around samples.

    Args:
        model: As for :func:`plot_decision_boundary`.
        points: The samples.
        resolution: The number of places along each axis.
        outputs: What the model gives.
        margin: How far the grid reaches beyond the samples, as a share of their extent.

    Raises:
        ValueError: Classes and outputs do not go together, or an output is not finite.
    """
    axes = []
    for k in (0, 1):
        numbers = [pair[k] for pair in points.inputs]
        low, high = min(numbers), max(numbers)
        beyond = margin * (high - low) or 1.0
        step = (high - low + 2.0 * beyond) / (resolution - 1)
        axes.append([low - beyond + i * step for i in range(resolution)])
    places = [[x, y] for y in axes[1] for x in axes[0]]
    found = probabilities_of(model, places, outputs)
    count = max(2, len(found[0]))
    if points.classes and len(points.names) > count:
        raise ValueError(
            f"the model tells {count} classes apart, and y has classes up to {points.names[-1]}: give it an output for "
            "each class"
        )
    return Grid(axes[0], axes[1], found)


def probabilities_of(model: Any, inputs: list[list[float]], outputs: str) -> list[list[float]]:
    """Return the probabilities of the classes for each input; of class 1 alone if the model has one output.

    Raises:
        ValueError: An output is not finite, or is no probability.

    >>> probabilities_of(lambda x: x[0], [[0.0, 1.0]], "logits")
    [[0.5]]
    """
    if isinstance(model, Module):
        given = predict(model, inputs, batch_size=4096)
    else:
        with no_grad():
            given = as_numbers([model(list(pair)) for pair in inputs])
    rows = [list(row) if isinstance(row, (list, tuple)) else [row] for row in given]
    for pair, row in zip(inputs, rows, strict=True):
        if not all(map(math.isfinite, row)):
            raise ValueError(f"the model gives {row} at {pair}: there is no class there")
        if outputs == "probabilities" and not all(-1e-6 <= p <= 1.0 + 1e-6 for p in row):
            raise ValueError(f"the model gives {row} at {pair}, no probabilities: say outputs='logits'")
    if outputs == "probabilities":
        return rows
    return [[sigmoid(row[0])] if len(row) == 1 else _softmax(row) for row in rows]


def most_probable(probabilities: Sequence[float]) -> int:
    """Return the place of the class that a model sees.

    >>> most_probable([0.7]), most_probable([0.2, 0.5, 0.3])
    (1, 1)
    """
    if len(probabilities) == 1:
        return int(probabilities[0] > 0.5)
    return max(range(len(probabilities)), key=probabilities.__getitem__)


def _label(label: Any) -> int:
    while hasattr(label, "__len__") and not isinstance(label, str) and len(label) == 1:
        label = label[0]
    number = getattr(label, "data", label)
    try:
        if int(number) == number:
            return int(number)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"a class is a whole number, such as 0 or 1, not {label!r:.60}")


def _softmax(scores: Sequence[float]) -> list[float]:
    greatest = max(scores)
    powers = [math.exp(score - greatest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]
