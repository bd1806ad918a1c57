"""``einsum`` of two arrays by matrix products, planned once for each subscripts and shapes.

NumPy's own computes a contraction in one plain loop; its ``optimize`` plans anew at each call. Here the letters of each
array are sorted into those of both and the result (a stack), of one and the result (rows, columns), and of both alone
(summed); the rest is two transposes, two reshapes, one matrix product. Small matrices in a large stack are left to
NumPy's loop, which is faster there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_plans: dict[tuple[str, tuple[int, ...], tuple[int, ...]], Callable[[Array, Array], Array]] = {}
_SMALL = 256


def einsum(subscripts: str, left: Array, right: Array) -> Array:
    """Contract two arrays.

    Args:
        subscripts: Such as ``"tin,tjn->ij"``: letters, each at most once in an array, and an explicit result.
        left: The first array.
        right: The second array.

    >>> einsum("ij,jk->ik", np.eye(2), np.ones((2, 3)))
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    key = (subscripts, left.shape, right.shape)
    plan = _plans.get(key)
    if plan is None:
        if len(_plans) > 4096:
            _plans.clear()
        plan = _plans[key] = _plan(subscripts, left.shape, right.shape)
    return plan(left, right)


def _plan(
    subscripts: str, left_shape: tuple[int, ...], right_shape: tuple[int, ...]
) -> Callable[[Array, Array], Array]:
    inputs, result = subscripts.split("->")
    left, right = inputs.split(",")
    sizes = {**dict(zip(left, left_shape, strict=True)), **dict(zip(right, right_shape, strict=True))}
    stack = [letter for letter in result if letter in left and letter in right]
    rows = [letter for letter in left if letter in result and letter not in right]
    columns = [letter for letter in right if letter in result and letter not in left]
    longer = left if math.prod(left_shape) >= math.prod(right_shape) else right
    summed = [letter for letter in longer if letter in left and letter in right and letter not in result]
    alone = len(stack) + len(rows) + len(summed) < len(left) or len(stack) + len(columns) + len(summed) < len(right)
    small = math.prod(sizes[letter] for letter in (*rows, *columns, *summed)) < _SMALL
    if alone or not summed or (stack and small):
        return lambda a, b: np.asarray(np.einsum(subscripts, a, b))
    by_left = [left.index(letter) for letter in (*stack, *rows, *summed)]
    by_right = [right.index(letter) for letter in (*stack, *summed, *columns)]
    depth = [sizes[letter] for letter in stack]
    m, k, n = (math.prod(sizes[letter] for letter in letters) for letters in (rows, summed, columns))
    left_matrix, right_matrix = (*depth, m, k), (*depth, k, n)
    whole = [sizes[letter] for letter in (*stack, *rows, *columns)]
    order = [[*stack, *rows, *columns].index(letter) for letter in result]

    def contract(a: Array, b: Array) -> Array:
        a = a.transpose(by_left).reshape(left_matrix)
        b = b.transpose(by_right).reshape(right_matrix)
        if depth:
            a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
        product: Array = np.matmul(a, b).reshape(whole).transpose(order)
        return product

    return contract
