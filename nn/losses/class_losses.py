"""The losses of a choice between many classes, as functions with PyTorch's names.

They take a score for each class, in the shapes of PyTorch: (C,) for one sample, (N, C) for N, and (N, C, d₁, …) for N
samples with a choice at each of d₁… positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_lite.functions import dot, logsumexp, relu, sum
from tinygrad_lite.nn.base.shapes import Nest
from tinygrad_lite.nn.losses.class_targets import Weights, each_sample, item, one_hot
from tinygrad_lite.nn.losses.loss_reduction import Number, depth
from tinygrad_lite.value import Value, operand


def log_softmax(input: Nest) -> Any:
    """log softmax(z)ᵢ = zᵢ − logsumexp(z), over the last axis: finite where the softmax itself is 0 in floats.

    Args:
        input: C scores z, or a nest of such sequences.

    Returns:
        A list of C Values (floats, if no score is a Value), or as nested lists.

    Raises:
        ValueError: There are no scores.

    >>> log_softmax([0.0, 1000.0])
    [-1000.0, 0.0]
    """
    if depth(input) > 1:
        return [log_softmax(part) for part in input]
    total = logsumexp(input)
    return [z - total for z in input]


def cross_entropy(
    input: Nest,
    target: Nest,
    weight: Weights = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """−Σ y_c log softmax(z)_c, where the model gives a logit z_c for each class, as logsumexp(z) − Σ y_c z_c.

    For a class index k that is logsumexp(z) − z_k. Its derivative is ∂L/∂z = ŷ − y, the predicted probabilities
    softmax(z) less the target, and the graph shows it: z_c has an edge softmax(z)_c to the logsumexp, and one of the
    target's probability, with the minus, to the loss.

    Args:
        input: The logits, of shape (C,), (N, C) or (N, C, d₁, …): nested lists, tuples or arrays.
        target: The right class, a whole number from 0 to C − 1, for each sample: of shape (), (N,) or (N, d₁, …). Or
            the probability y_c of each class, in the shape of ``input``.
        weight: A number for each class, that its part of the sum is multiplied by.
        ignore_index: Samples of this class index do not count.
        reduction: ``"mean"`` over the samples (by class index: weighted), ``"sum"``, or ``"none"``.
        label_smoothing: ε in [0, 1]: the target becomes (1 − ε)·y + ε/C (Szegedy et al. 2016, section 7).

    Returns:
        A Value; for ``"none"`` a Value for each sample, in the shape of the class indices.

    Raises:
        ValueError: Shapes or sizes do not agree, an index or a probability is out of range, nothing is left to take the
            mean of, or there is no such reduction.
        TypeError: Something is no number.

    >>> z = [Value(2.0), Value(0.0)]
    >>> loss = cross_entropy([z], [0])
    >>> loss.backward()
    >>> round(z[0].grad, 6), round(z[1].grad, 6)  # softmax(z) - (1, 0)
    (-0.119203, 0.119203)
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing is in [0, 1], not {label_smoothing!r}")

    def formula(scores: tuple[Value, ...], y: Any, weights: Weights) -> Value:
        by_index = not isinstance(y, tuple)
        if by_index and label_smoothing == 0.0:
            return _times_weight(logsumexp(scores) - item(scores, y), weights, y)
        probabilities = one_hot(y, len(scores)) if by_index else y
        if label_smoothing:
            rest = label_smoothing / len(scores)
            probabilities = [(1.0 - label_smoothing) * p + rest for p in probabilities]
        return _against_probabilities(scores, probabilities, weights)

    return each_sample(formula, input, target, weight, reduction, ignore_index=ignore_index)


def nll_loss(
    input: Nest,
    target: Nest,
    weight: Weights = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """−ℓ_k, the negative log likelihood, where the model gives the logarithm ℓ_c of each class's probability.

    ``nll_loss(log_softmax(z), k)`` is ``cross_entropy(z, k)``.

    Args:
        input: Logarithms of probabilities, of shape (C,), (N, C) or (N, C, d₁, …).
        target: The right class k of each sample, of shape (), (N,) or (N, d₁, …).
        weight: A number for each class, that its loss is multiplied by.
        ignore_index: Samples of this class index do not count.
        reduction: ``"mean"`` over the samples, weighted; ``"sum"``; or ``"none"``.

    Returns:
        A Value; for ``"none"`` a Value for each sample, in the shape of ``target``.

    Raises:
        ValueError: Shapes or sizes do not agree, an index is out of range, nothing is left to take the mean of, or
            there is no such reduction.
        TypeError: Something is no number.

    >>> nll_loss([[Value(-0.5), Value(-1.0)]], [1]).data
    1.0
    """

    def formula(scores: tuple[Value, ...], y: Any, weights: Weights) -> Value:
        if isinstance(y, tuple):
            raise ValueError("nll_loss takes class indices, and was given probabilities: kl_div takes these")
        return _times_weight(-item(scores, y), weights, y)

    return each_sample(formula, input, target, weight, reduction, ignore_index=ignore_index)


def multi_margin_loss(
    input: Nest,
    target: Nest,
    p: int = 1,
    margin: float = 1.0,
    weight: Weights = None,
    *,
    reduction: str = "mean",
) -> Any:
    """Σ max(0, m − z_k + z_c)^p / C over the classes c ≠ k: the hinge loss of many classes (Weston & Watkins 1999).

    Args:
        input: The scores z, of shape (C,) or (N, C).
        target: The right class k of each sample, of shape () or (N,).
        p: 1 or 2.
        margin: m, by how much the right class should lead.
        weight: A number for each class, that its samples' loss is multiplied by.
        reduction: ``"mean"`` over the samples, ``"sum"``, or ``"none"``.

    Returns:
        A Value; for ``"none"`` a Value for each sample.

    Raises:
        ValueError: Shapes or sizes do not agree, an index is out of range, p is neither 1 nor 2, or there is no such
            reduction.
        TypeError: Something is no number.

    >>> multi_margin_loss([Value(0.25), Value(1.0)], 0).data
    0.875
    """
    if p not in (1, 2):
        raise ValueError(f"p is 1 or 2, not {p!r}")

    def formula(scores: tuple[Value, ...], y: Any, weights: Weights) -> Value:
        if isinstance(y, tuple):
            raise ValueError("multi_margin_loss takes class indices, and was given probabilities")
        short = margin - item(scores, y)
        others = []
        for z, is_right in zip(scores, one_hot(y, len(scores)), strict=True):
            if isinstance(is_right, Value):
                others.append((1.0 - is_right) * relu(short + z))
            elif not is_right:
                others.append(relu(short + z))
        total = operand(sum(others) if p == 1 else dot(others, others))
        return _times_weight(total / len(scores), weights, y)

    return each_sample(formula, input, target, weight, reduction, weighted_mean=False)


def _times_weight(loss: Value, weights: Weights, index: Number) -> Value:
    return loss if weights is None else operand(item(weights, index) * loss)


def _against_probabilities(scores: tuple[Value, ...], y: Sequence[Number], weights: Weights) -> Value:
    """Σ y_c·(logsumexp(z) − z_c), as one node upon the logsumexp; a class of probability 0 has no part in it."""
    shares = list(y) if weights is None else [w * p for w, p in zip(weights, y, strict=True)]
    chosen = [(-share, z) for share, z in zip(shares, scores, strict=True) if isinstance(share, Value) or share]
    total: Number = sum(shares)
    return operand(dot([total, *(share for share, _ in chosen)], [logsumexp(scores), *(z for _, z in chosen)]))
