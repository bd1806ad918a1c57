"""Which keys each query may look at: masks as PyTorch writes them, read into what is added to each score."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_lite.nn.base.shapes import Axes, Nest, check_shape, flat, nested
from tinygrad_lite.node.fields import is_numpy_scalar
from tinygrad_lite.trace_mode import is_traced
from tinygrad_lite.value import Value, operand

#: What is added to the score of a query and a key; None where the key is left out.
Bias = Value | None


def read_mask(name: str, what: str, mask: Nest, *axes: Axes, true_keeps: bool) -> Nest:
    """Return the biases that a mask stands for.

    Args:
        name: The layer, as messages name it.
        what: The argument, as messages name it: ``"an attn_mask"``.
        mask: Bools; or numbers and Values that are added to the scores, -inf where a key is left out.
        axes: The shapes that it may have.
        true_keeps: Whether True keeps a key, or leaves it out: PyTorch's functions differ.

    Returns:
        A nest of the mask's shape: a Value to add, or None.

    Raises:
        TypeError: It holds ints, which may mean either, or something that is no number.
        ValueError: Its shape is wrong, or a number is inf or nan.

    >>> read_mask("attention", "an attn_mask", [[True, False]], (1, 2), true_keeps=True)
    [[Value(data=0.0, grad=0.0), None]]
    >>> read_mask("attention", "an attn_mask", [[0.5, float("-inf")]], (1, 2), true_keeps=True)
    [[Value(data=0.5, grad=0.0), None]]
    """
    shape = check_shape(name, mask, *axes, name=what)
    numbers = [x.item() if is_numpy_scalar(x) else x for x in flat(mask)]
    zero = operand(0.0)
    if all(isinstance(x, bool) for x in numbers):
        return nested(shape, iter([zero if x is true_keeps else None for x in numbers]))
    if any(isinstance(x, bool) for x in numbers) or all(isinstance(x, int) for x in numbers):
        meaning = "keeps a key" if true_keeps else "leaves a key out"
        raise TypeError(
            f"{name} takes {what} of bools, where True {meaning}, or of floats, which are added to the scores; ints "
            "may mean either: write True and False, or 0.0 and -math.inf"
        )
    return nested(shape, iter([_bias(name, what, x, zero) for x in numbers]))


def plus_padding(biases: Nest, padding: Nest) -> Nest:
    """Return the biases of (L, S) with those of (S,) added to each row; left out where either leaves out.

    >>> zero, half = operand(0.0), Value(0.5)
    >>> plus_padding([[half, half], [zero, zero]], [half, None])
    [[Value(data=1.0, grad=0.0), None], [Value(data=0.5, grad=0.0), None]]
    """
    return [[_sum(a, b) for a, b in zip(row, padding, strict=True)] for row in biases]


def _sum(a: Bias, b: Bias) -> Bias:
    if a is None or b is None:
        return None
    for one, other in ((a, b), (b, a)):
        if one.is_constant and not is_traced(one) and one.data == 0.0:
            return other
    return a + b


def _bias(name: str, what: str, x: Any, zero: Value) -> Bias:
    if isinstance(x, Value) and is_traced(x):  # its number is not known yet
        return x
    number = x.data if isinstance(x, Value) else x
    if number != number or number == math.inf:
        raise ValueError(f"{name} takes {what} of finite numbers, and of -inf where a key is left out, not {number}")
    if number == -math.inf:
        return None
    if isinstance(x, Value):
        return x
    return operand(x) if x else zero
