"""Scaled dot-product attention, written as loops: each query looks at those keys that it may see, and no others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tinygrad_lite.functions import dot, softmax
from tinygrad_lite.nn.base.generators import Generator
from tinygrad_lite.nn.base.shapes import Nest, check_shape, like, values
from tinygrad_lite.nn.layers.attention_masks import Bias, read_mask
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.value import Value, operand

Vector = tuple[Value, ...]


def scaled_dot_product_attention(
    query: Nest,
    key: Nest,
    value: Nest,
    attn_mask: Nest = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    generator: Generator = None,
) -> Nest:
    """Return the values of all keys, weighted by softmax(q·k/√E): a lookup by similarity (Vaswani et al. 2017, equation
    1).

    Args:
        query: L vectors of E numbers, of shape (*, L, E).
        key: S vectors of E numbers, of shape (*, S, E), with the same first axes.
        value: S vectors of any size, of shape (*, S, Ev).
        attn_mask: Of shape (L, S) or (*, L, S). Bools, where True keeps a key and False leaves it out; or numbers and
            Values that are added to the scores. (As in PyTorch; in MultiHeadAttention True leaves out, as in PyTorch.)
        dropout_p: The probability with which a weight is dropped; 0 in use.
        is_causal: Whether query i sees keys 0 to i only. Both hold if there is also a mask.
        scale: What the scores are multiplied by; 1/√E, if left out.
        generator: What is dropped is drawn from: a ``random.Random``, an int that seeds one, or None.

    Returns:
        L vectors, of shape (*, L, Ev): lists, or an object array if ``query`` is one.

    Raises:
        ValueError: A shape is wrong, or a query sees no key.
        TypeError: Something is no number, or a mask holds ints.

    >>> keys = [[1.0, 0.0], [0.0, 1.0]]
    >>> ((y,),) = scaled_dot_product_attention([[40.0, 0.0]], keys, [[5.0], [7.0]])
    >>> round(y.data, 6)  # the query is like key 0
    5.0
    """
    name = "scaled_dot_product_attention"
    *batch, length, size = check_shape(name, query, ("*", "L", "E"), name="a query")
    *_, keys, _ = check_shape(name, key, (*batch, "S", size), name="a key")
    check_shape(name, value, (*batch, keys, "Ev"), name="a value")
    biases = None
    if attn_mask is not None:
        shapes = ((length, keys), (*batch, length, keys)) if batch else ((length, keys),)
        biases = read_mask(name, "an attn_mask", attn_mask, *shapes, true_keeps=True)
    drop = Dropout(dropout_p, generator=generator) if dropout_p else None
    factor = operand(1.0 / math.sqrt(size) if scale is None else scale)

    def along(axes: int, q: Nest, k: Nest, v: Nest, mask: Nest) -> Nest:
        """Return the outputs below some axes; a mask of (L, S) holds for all."""
        if axes == 0:
            scaled = [tuple([x * factor for x in vector]) for vector in q]
            return attend(name, scaled, k, v, mask, 0 if is_causal else None, drop)[0]
        shared = mask is None or not isinstance(mask[0][0], list)
        masks = [mask] * len(q) if shared else mask
        return [along(axes - 1, *parts) for parts in zip(q, k, v, masks, strict=True)]

    return like(query, along(len(batch), values(query), values(key), values(value), biases))


def attend(
    name: str,
    queries: Sequence[Vector],
    keys: Sequence[Vector],
    values: Sequence[Vector],
    biases: Sequence[Sequence[Bias]] | None = None,
    before: int | None = None,
    drop: Callable[[list[Value]], list[Value]] | None = None,
) -> tuple[list[list[Value]], list[list[Bias]]]:
    """For each query the values of the keys that it sees, weighted by the softmax of q·k.

    A key that is not seen has no part in the graph: no score, no term in the softmax, no gradient.

    Args:
        name: The layer, as messages name it.
        queries: L vectors, scaled.
        keys: S vectors.
        values: S vectors.
        biases: What is added to the score of query i and key j; None where the key is not seen.
        before: How many keys come before the first query, if each query sees only those up to its own; None for all.
        drop: What becomes of the weights.

    Returns:
        L outputs; and L rows of S weights, with None for a key that is not seen.

    Raises:
        ValueError: A query sees no key.
    """
    zero = operand(0.0)
    columns: dict[tuple[int, ...], list[Vector]] = {}  # of the values seen: queries that see the same share them
    outputs, rows = [], []
    for i, q in enumerate(queries):
        end = len(keys) if before is None else min(before + i + 1, len(keys))
        added = [zero] * end if biases is None else biases[i][:end]
        seen = tuple([j for j, bias in enumerate(added) if bias is not None])
        if not seen:
            raise ValueError(
                f"{name}: the masks leave no key for query {i}, and a softmax of no terms is not defined; give it one "
                "key at least, such as its own, and leave its output out of the loss"
            )
        scores = [dot(q, key, bias) for key, bias in zip(keys, added, strict=False) if bias is not None]
        weights = softmax(scores) if drop is None else drop(softmax(scores))
        if seen not in columns:
            columns[seen] = list(zip(*[values[j] for j in seen], strict=True))
        shared = tuple(weights)
        outputs.append([dot(shared, column, zero) for column in columns[seen]])
        row: list[Bias] = [None] * len(keys)
        for j, weight in zip(seen, weights, strict=True):
            row[j] = weight
        rows.append(row)
    return outputs, rows
