"""Estimates of the diagonal of the Hessian, from one sweep or two over a recorded graph."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_lite.functions import sigmoid, softplus
from tinygrad_lite.nary import dot, logsumexp, mean
from tinygrad_lite.pytree import is_array
from tinygrad_lite.transforms import gradient
from tinygrad_lite.value import Value, operand


def hutchinson(loss: Value, parameters: Sequence[Value], directions: Sequence[float]) -> list[float]:
    """u ⊙ (H·u), where H is the Hessian of the loss.

    Args:
        loss: As recorded.
        parameters: n Values.
        directions: u, n numbers.

    Returns:
        n numbers.

    >>> x = Value(3.0)
    >>> hutchinson(x**3, [x], [-1.0])
    [18.0]
    """
    slopes = gradient(loss, parameters, create_graph=True)
    along = operand(dot(directions, slopes))
    return [u * product for u, product in zip(directions, gradient(along, parameters), strict=True)]


def gauss_newton_bartlett(
    rows: Sequence[Value | Sequence[Value]], labels: Sequence[int], parameters: Sequence[Value]
) -> list[float]:
    """B·ĝ ⊙ ĝ, where ĝ is the gradient of the mean cross entropy of B samples.

    Args:
        rows: B samples: for each its logit, or the logits of all classes.
        labels: B labels, drawn from the model's own distribution.
        parameters: n Values.

    Returns:
        n numbers.

    >>> z = Value(0.0)
    >>> gauss_newton_bartlett([z, z], [1, 1], [z])
    [0.5]
    """
    losses = [
        softplus(row) - label * row if isinstance(row, Value) else logsumexp(row) - row[label]
        for row, label in zip(rows, labels, strict=True)
    ]
    return [len(rows) * slope * slope for slope in gradient(operand(mean(losses)), parameters)]


def sample_label(row: Value | Sequence[Value], generator: random.Random) -> int:
    """Draw a label with the probability that the logits give it: by sigmoid for one, by softmax for several.

    >>> sample_label(Value(1000.0), random.Random(0)), sample_label([Value(0.0), Value(1000.0)], random.Random(0))
    (1, 1)
    """
    if isinstance(row, Value):
        return int(generator.random() < sigmoid(row.data))
    top = max(logit.data for logit in row)
    return generator.choices(range(len(row)), [math.exp(logit.data - top) for logit in row])[0]


def read_logits(logits: Any) -> list[Any]:
    """Return a batch of logits as a list of Values, or of lists of Values.

    Raises:
        TypeError: They are no Values.
        ValueError: There are none.

    >>> a, b, c, d = (Value(float(i)) for i in range(4))
    >>> len(read_logits([[[a, b], [c, d]]]))
    2
    """
    rows = list(_rows(logits))
    if not rows:
        raise ValueError("the estimate needs the logits of at least one sample")
    return rows


def _rows(logits: Any) -> Iterable[Any]:
    if isinstance(logits, Value):
        return [logits]
    if is_array(logits):
        logits = logits.tolist()
    if not isinstance(logits, (list, tuple)):
        raise TypeError(f"logits are Values in lists, a row for each sample, not {type(logits).__name__} {logits!r}")
    if all(isinstance(item, Value) for item in logits):
        return logits
    rows: list[Any] = []
    for item in logits:
        if is_array(item):
            item = item.tolist()
        if isinstance(item, (list, tuple)) and item and all(isinstance(logit, Value) for logit in item):
            rows.append(list(item))
        else:
            rows += _rows(item)
    return rows
