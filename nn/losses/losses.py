"""What training makes small: the losses, as functions with PyTorch's names.

Every loss takes what the model gave and what it should have given, as numbers or as lists, tuples and arrays of them;
``reduction`` says what becomes of the losses of all: their mean, their sum, or, for ``"none"``, all of them.

A sigmoid or a softmax before the cross entropy belongs into the loss (``binary_cross_entropy_with_logits``,
``cross_entropy``), for two reasons. Apart from it, a confident mistake is the logarithm of 0. Together with it, the
derivative is as simple as that of least squares, ∂L/∂z = ŷ − y (Bishop 1995, "Neural networks for pattern
recognition", chapter 6; Nielsen 2015, "Neural networks and deep learning", chapter 3), and the local derivatives of the
recorded graph are its two terms.
"""

from __future__ import annotations

import math
from typing import Any, Final

from tinygrad_lite.functions import abs, clamp, exp, greater, less, log, log1p, relu, softplus, where
from tinygrad_lite.nn.base.shapes import Nest, is_number
from tinygrad_lite.nn.losses.loss_reduction import REDUCTIONS, Number, check_reduction, each_number
from tinygrad_lite.trace_mode import Demand, is_traced
from tinygrad_lite.value import Value, operand

#: The least logarithm of a probability in a loss, that probability, and the slope below it: PyTorch's.
_LEAST_LOG: Final = -100.0
_LEAST: Final = math.exp(_LEAST_LOG)
_STEEPEST: Final = 1e12

_SIGN: Final = Demand(
    "target", "is {}, and a label of the hinge loss is -1 or 1; for labels 0 and 1 give 2 * y - 1", -1.0, 1.0, 2.0
)
_TARGET: Final = Demand(
    "target", "is {}, and a probability is in [0, 1]; for labels -1 and 1 give (y + 1) / 2", 0.0, 1.0
)
_PREDICTION: Final = Demand(
    "input", "is {}, and a probability is in [0, 1]; for logits there is binary_cross_entropy_with_logits", 0.0, 1.0
)
_NOT_NEGATIVE: Final = Demand(
    "target", "is {}, and a probability is not negative; for logarithms say log_target=True", 0.0, math.inf
)

# ------------------------------------------------------------------------------------------------ regression


def mse_loss(input: Nest, target: Nest, *, reduction: str = "mean") -> Any:
    """(ŷ − y)², the squared error: least squares (Legendre 1805).

    Args:
        input: The predictions ŷ: a Value or a number, or a list, tuple or array of these, nested in any way.
        target: y: as many numbers, in the same structure.
        reduction: ``"mean"`` or ``"sum"`` over all numbers, or ``"none"``.

    Returns:
        A Value; for ``"none"`` a Value each, in the structure of ``input``.

    Raises:
        ValueError: The structures differ, they are empty, or there is no such reduction.
        TypeError: Something is no number.

    >>> prediction = Value(3.0)
    >>> loss = mse_loss([prediction, 1.0], [1.0, 1.0])
    >>> loss.backward()
    >>> loss.data, prediction.grad
    (2.0, 2.0)
    """
    return each_number(_squared_error, input, target, reduction)


def l1_loss(input: Nest, target: Nest, *, reduction: str = "mean") -> Any:
    """|ŷ − y|, the absolute error; its derivative at 0 is 0.

    Args:
        input: The predictions ŷ, as in :func:`mse_loss`.
        target: y, in the same structure.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A Value; for ``"none"`` a Value each, in the structure of ``input``.

    Raises:
        ValueError: The structures differ, they are empty, or there is no such reduction.
        TypeError: Something is no number.

    >>> l1_loss([Value(3.0), Value(-1.0)], [1.0, 0.0]).data
    1.5
    """
    return each_number(lambda prediction, y: abs(prediction - y), input, target, reduction)


def huber_loss(input: Nest, target: Nest, reduction: str = "mean", delta: float = 1.0) -> Any:
    """½d² for |d| ≤ δ and δ(|d| − ½δ) beyond, where d = ŷ − y: an outlier pulls no harder than δ (Huber 1964).

    Recorded without a case distinction, as c·(d − ½c) with c = d cut off at ±δ.

    Args:
        input: The predictions ŷ, as in :func:`mse_loss`.
        target: y, in the same structure.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        delta: δ, a positive number: where the parabola becomes a line.

    Returns:
        A Value; for ``"none"`` a Value each, in the structure of ``input``.

    Raises:
        ValueError: The structures differ, they are empty, delta is not positive, or there is no such reduction.
        TypeError: Something is no number.

    >>> prediction = Value(10.0)
    >>> loss = huber_loss(prediction, 0.0)
    >>> loss.backward()
    >>> loss.data, prediction.grad
    (9.5, 1.0)
    """
    _check_positive("delta", delta)

    def formula(prediction: Value, y: Number) -> Value:
        d = prediction - y
        cut: Value = clamp(d, -delta, delta)
        return cut * (d - 0.5 * cut)

    return each_number(formula, input, target, reduction)


def smooth_l1_loss(input: Nest, target: Nest, *, reduction: str = "mean", beta: float = 1.0) -> Any:
    """½d²/β for |d| < β and |d| − ½β beyond, where d = ŷ − y (Girshick 2015, "Fast R-CNN"): Huber's loss over β.

    Args:
        input: The predictions ŷ, as in :func:`mse_loss`.
        target: y, in the same structure.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        beta: β, where the parabola becomes a line; 0 for |d|.

    Returns:
        A Value; for ``"none"`` a Value each, in the structure of ``input``.

    Raises:
        ValueError: The structures differ, they are empty, beta is negative, or there is no such reduction.
        TypeError: Something is no number.

    >>> smooth_l1_loss([Value(0.5), Value(3.0)], [0.0, 0.0], reduction="none")[1].data
    2.5
    """
    if beta == 0.0:
        return l1_loss(input, target, reduction=reduction)
    _check_positive("beta", beta)

    def formula(prediction: Value, y: Number) -> Value:
        d = prediction - y
        cut: Value = clamp(d, -beta, beta)
        return (cut / beta) * (d - 0.5 * cut)

    return each_number(formula, input, target, reduction)


# ------------------------------------------------------------------------------------------------ two classes


def hinge_loss(input: Nest, target: Nest, *, reduction: str = "mean") -> Any:
    """max(0, 1 − y·z): nothing to gain beyond the margin of 1 (Cortes & Vapnik 1995, "Support-vector networks").

    Args:
        input: The scores z, as in :func:`mse_loss`.
        target: The labels y, −1 or 1, in the same structure.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A Value; for ``"none"`` a Value each, in the structure of ``input``.

    Raises:
        ValueError: The structures differ, they are empty, a label is not ±1, or there is no such reduction.
        TypeError: Something is no number.

    >>> hinge_loss([Value(0.25), Value(3.0)], [-1, 1], reduction="sum").data
    1.25
    """
    return each_number(lambda z, y: relu(1.0 - y * z), input, target, reduction, demands=[_SIGN])


def binary_cross_entropy(input: Nest, target: Nest, weight: Nest = None, *, reduction: str = "mean") -> Any:
    """−y log p − (1−y) log(1−p), where the model gives the probability p.

    Give the logit to :func:`binary_cross_entropy_with_logits` where there is one: p = σ(z) is 1 in floats from z = 37
    on, and then it is too late. A logarithm below −100 counts as −100 here and has the derivative 1e12, as in PyTorch:
    a prediction that is certain and wrong is not left alone. (From 1e-12 down PyTorch's slope is 1e12 too; ours is 1/p
    as long as there is a logarithm.)

    Args:
        input: The probabilities p in [0, 1], as in :func:`mse_loss`.
        target: y in [0, 1], in the same structure: the true probability of class 1, for labels 0 or 1.
        weight: What each loss is multiplied by: a number, or numbers in the structure of ``input``, of which the first
            axes may be left out.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A Value; for ``"none"`` a Value each, in the structure of ``input``.

    Raises:
        ValueError: The structures differ, they are empty, an input or a target is not in [0, 1], or there is no such
            reduction.
        TypeError: Something is no number.

    >>> p = Value(0.25)
    >>> loss = binary_cross_entropy(p, 1)
    >>> loss.backward()
    >>> round(loss.data, 6), p.grad  # ln 4, and -1/p
    (1.386294, -4.0)
    """

    def formula(p: Value, y: Number) -> Value:
        if isinstance(y, Value) or 0.0 < y < 1.0:
            return -(y * _log(p) + (1.0 - y) * _log_of_rest(p))
        return -(_log(p) if y else _log_of_rest(p))  # the other one would be multiplied by 0

    demands = [_PREDICTION, _TARGET]
    return each_number(formula, input, target, reduction, demands=demands, weight=weight)


def binary_cross_entropy_with_logits(
    input: Nest, target: Nest, weight: Nest = None, *, pos_weight: Nest = None, reduction: str = "mean"
) -> Any:
    """−y log σ(z) − (1−y) log(1−σ(z)), where the model gives the logit z, as softplus(z) − y·z.

    The two are equal, for log σ(z) = z − softplus(z) and log(1−σ(z)) = −softplus(z); the second is finite and accurate
    for every finite z. Its derivative is ∂L/∂z = σ(z) − y, the prediction less the target, and the graph shows it: z
    has two edges, σ(z) to the softplus and y to the product that is subtracted.

    Args:
        input: The logits: a Value or a number, or a list, tuple or array of these, nested in any way.
        target: As many numbers in [0, 1], in the same structure: the probability of class 1, for labels 0 or 1.
        weight: What each loss is multiplied by: a number, or numbers in the structure of ``input``, of which the first
            axes may be left out.
        pos_weight: What the part −y log σ(z) is multiplied by, given in the same way: above 1 where class 1 is rare.
        reduction: ``"mean"`` or ``"sum"`` over all, or ``"none"``.

    Returns:
        A Value; for ``"none"`` a Value each, in the structure of ``input``.

    Raises:
        ValueError: The structures differ, they are empty, a target is not in [0, 1], or there is no such reduction.
        TypeError: A logit or a target is no number.

    >>> z = Value(0.0)
    >>> loss = binary_cross_entropy_with_logits(z, 1)
    >>> loss.backward()
    >>> round(loss.data, 6), z.grad  # ln 2, and sigmoid(0) - 1
    (0.693147, -0.5)
    """

    def formula(z: Value, y: Number) -> Value:
        return softplus(z) - y * z

    def formula_of_rare(z: Value, y: Number, positive: Number) -> Value:
        return (1.0 - y) * softplus(z) + positive * y * softplus(-z)

    return each_number(
        formula if pos_weight is None else formula_of_rare,
        input,
        target,
        reduction,
        demands=[_TARGET],
        weight=weight,
        pos_weight=pos_weight,
    )


# ---------------------------------------------------------------------------------------------- distributions


def kl_div(input: Nest, target: Nest, *, reduction: str = "mean", log_target: bool = False) -> Any:
    """p·(log p − ℓ), where the model gives the logarithm ℓ of the probability p (Kullback & Leibler 1951).

    Summed over the classes that is the divergence of the model's distribution from the target's. So is, over samples
    of shape (N, C), the mean for ``reduction="batchmean"``; ``"mean"`` divides by N·C, as in PyTorch.

    Args:
        input: Logarithms of probabilities ℓ, as in :func:`mse_loss`; ``log_softmax`` gives them.
        target: The probabilities p, in the same structure; with ``log_target`` their logarithms.
        reduction: ``"mean"``, ``"batchmean"`` (the sum over the length of ``input``), ``"sum"`` or ``"none"``.
        log_target: Whether ``target`` holds logarithms.

    Returns:
        A Value; for ``"none"`` a Value each, in the structure of ``input``.

    Raises:
        ValueError: The structures differ, they are empty, a probability is negative, or there is no such reduction.
        TypeError: Something is no number.

    >>> half = Value(0.5).log()
    >>> round(kl_div([half, half], [1.0, 0.0], reduction="sum").data, 6)  # ln 2
    0.693147
    """
    check_reduction(reduction, ("mean", "batchmean", *REDUCTIONS[1:]))

    def formula(score: Value, y: Number) -> Value:
        if log_target:
            return exp(y) * (y - score)
        if is_traced(y):
            return where(y, y * (log(where(y, y, 1.0)) - score), -y * score)
        if isinstance(y, Value):
            return y * (log(y) - score) if y.data else -y * score  # p log p is 0 at 0
        return y * log(y) - y * score if y else operand(0.0)

    demands = [] if log_target else [_NOT_NEGATIVE]
    if reduction != "batchmean":
        return each_number(formula, input, target, reduction, demands=demands)
    total = each_number(formula, input, target, "sum", demands=demands)
    return total if is_number(input) else total / len(input)


# ------------------------------------------------------------------------------------------- parts of formulas


def _squared_error(prediction: Value, y: Number) -> Value:
    d = prediction - y
    return d * d


def _log(p: Value) -> Value:
    """log p, at least −100."""
    if is_traced(p):
        inside = greater(p, _LEAST)
        return where(inside, log(where(inside, p, 1.0)), _cut_off(p))
    return log(p) if p.data > _LEAST else _cut_off(p)


def _log_of_rest(p: Value) -> Value:
    """log(1−p), at least −100."""
    if is_traced(p):
        inside = less(p, 1.0)
        return where(inside, log1p(-where(inside, p, 0.0)), _cut_off(1.0 - p))
    return log1p(-p) if p.data < 1.0 else _cut_off(1.0 - p)


def _cut_off(p: Value) -> Value:
    """−100 for p ≤ exp(−100), to the last bit, with a slope that leads out of there."""
    return _STEEPEST * p + _LEAST_LOG


def _check_positive(name: str, number: float) -> None:
    if not 0.0 < number < math.inf:
        raise ValueError(f"{name} is a positive, finite number, not {number!r}")
