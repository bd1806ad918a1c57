"""Multi-head attention, as in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

from tinygrad_lite.functions import dot, mean
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.init import xavier_uniform_, zeros_
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_shape, check_size, like, parameters_of_shape, values
from tinygrad_lite.nn.layers.attention_masks import Bias, plus_padding, read_mask
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.nn.layers.kv_cache import KVCache, Seen
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.layers.scaled_dot_product import Vector, attend
from tinygrad_lite.value import operand


class MultiHeadAttention(Module):
    """Each position looks at others, in several ways at once, and takes from them what it finds (Vaswani et al. 2017).

    Every position makes a query q, a key k and a value v, each ``num_heads`` vectors of E/``num_heads`` numbers. In
    each head, position i takes the mean of the values, weighted by softmax(q_i·k_j/√(E/num_heads)) over those j that it
    sees; a matrix then mixes the heads. Parameters have the names, shapes and beginnings that they have in PyTorch.

    Args:
        embed_dim: E, the size of the vectors.
        num_heads: How many heads; E is a multiple of it.
        dropout: The probability with which a weight is dropped, in training.
        bias: Whether the projections have biases.
        batch_first: Whether a batch is (N, L, E), not (L, N, E).
        generator: What the parameters, and what is dropped, are drawn from: a ``random.Random``, an int that seeds
            one, or None.

    Attributes:
        in_proj_weight: 3E tuples of E Values: the rows that make q, those that make k, those that make v.
        in_proj_bias: A tuple of 3E Values, or None.
        out_proj: The :class:`Linear` that mixes the heads.

    Raises:
        ValueError: E is no multiple of ``num_heads``, or a size is not positive.

    >>> attention = MultiHeadAttention(4, 2, generator=0)
    >>> attention
    MultiHeadAttention(4, 2): 80 parameters
    >>> xs = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    >>> ys = attention(xs, is_causal=True)
    >>> len(ys), len(ys[0])
    (3, 4)

    Position by position, with a cache, the outputs are the same:

    >>> cache = KVCache()
    >>> [attention([x], cache=cache)[0][0].data == y[0].data for x, y in zip(xs, ys)]
    [True, True, True]
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        batch_first: bool = True,
        generator: Generator = None,
    ) -> None:
        check_size("embed_dim", embed_dim)
        check_size("num_heads", num_heads)
        if embed_dim % num_heads:
            raise ValueError(
                f"embed_dim is divided among the heads: {embed_dim} numbers are not {num_heads} equal parts; "
                f"num_heads may be {', '.join(str(n) for n in range(1, embed_dim + 1) if embed_dim % n == 0)}"
            )
        rng = as_generator(generator)
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.batch_first = batch_first
        self.in_proj_weight: Nest = xavier_uniform_(parameters_of_shape((3 * embed_dim, embed_dim)), generator=rng)
        self.in_proj_bias: Nest = parameters_of_shape((3 * embed_dim,)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, generator=rng)
        if bias:
            zeros_(self.out_proj.bias)
        self.dropout = Dropout(dropout, generator=rng)

    def forward(
        self,
        query: Nest,
        key: Nest = None,
        value: Nest = None,
        key_padding_mask: Nest = None,
        need_weights: bool = False,
        attn_mask: Nest = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> Any:
        """Compute what each position takes from those that it sees.

        Args:
            query: The positions that look, of shape (L, E), or (N, L, E) for a batch.
            key: The positions that are looked at, (S, E) or (N, S, E); ``query`` itself, if left out.
            value: What they are taken for, in the shape of ``key``; ``key``, if left out.
            key_padding_mask: Of shape (S,), or (N, S) for a batch: True for a key that no query sees; or numbers that
                are added to the scores.
            need_weights: Whether the weights are wanted too.
            attn_mask: Of shape (L, S), or (N·num_heads, L, S) with N = 1 for one sequence: True where a query does not
                see a key, as in PyTorch; or numbers and Values that are added to the scores. (In
                ``scaled_dot_product_attention`` True means the opposite, as in PyTorch.)
            average_attn_weights: Whether the weights are averaged over the heads.
            is_causal: Whether position i sees positions 0 to i only; it need not come with a mask.
            cache: What earlier calls have seen. The positions of ``query`` follow on those in it, see them, and
                themselves up to their own place, and are added to it; masks have all S positions as their last axis.

        Returns:
            The outputs in the shape of ``query``, in lists (an object array for an array). With ``need_weights`` the
            pair of these and the weights, of shape (L, S), or (num_heads, L, S) if not averaged, with N before them
            for a batch: after dropout, and 0 where a key is not seen.

        Raises:
            ValueError: A shape is wrong, a query sees no key, or a cache comes with keys or belongs to other sequences.
            TypeError: Something is no number, or a mask holds ints.
        """
        name = head(self)
        key = query if key is None else key
        value = key if value is None else value
        if cache is not None and (key is not query or value is not query):
            raise ValueError(f"{name} keeps in a cache what its own queries have seen: leave out key and value")
        shape = self._checked(name, query, key, value)
        batched = len(shape) == 3
        queries = self._sequences(query, batched)
        keys = queries if key is query else self._sequences(key, batched)
        vectors = keys if value is key else self._sequences(value, batched)
        past = [] if cache is None else cache.of(self, name, len(queries))
        before = len(past[0][0].keys) if past else 0
        length = len(queries[0]), before + len(keys[0])
        masks = self._masks(name, attn_mask, key_padding_mask, (len(queries), *length), batched)
        drop = self.dropout if self.dropout.p else None
        outputs, weights, kept = [], [], []
        for n, (q_xs, k_xs, v_xs) in enumerate(zip(queries, keys, vectors, strict=True)):
            heads = self._heads(q_xs, k_xs, v_xs)
            if past:
                heads = [(q, old.keys + k, old.values + v) for (q, k, v), old in zip(heads, past[n], strict=True)]
            found = [
                attend(name, *each, mask, before if is_causal or cache is not None else None, drop)
                for each, mask in zip(heads, masks[n], strict=True)
            ]
            outputs.append([tuple(chain(*parts)) for parts in zip(*(output for output, _ in found), strict=True)])
            weights.append([rows for _, rows in found])
            kept.append([Seen(k, v) for _, k, v in heads])
        result = like(query, self._mixed(outputs, batched))
        if cache is not None:
            cache.keep(self, kept)
        if not need_weights:
            return result
        shown = [_averaged(rows) if average_attn_weights else _with_zeros(rows) for rows in weights]
        return result, like(query, shown if batched else shown[0])

    def _checked(self, name: str, query: Nest, key: Nest, value: Nest) -> tuple[int, ...]:
        """Check that all three fit, and return the shape of the query."""
        size = self.embed_dim
        batch_axes = ("N", "L") if self.batch_first else ("L", "N")
        shape = check_shape(name, query, ("L", size), (*batch_axes, size), name="a query")
        if key is not query or value is not query:
            others: tuple[int | str, ...] = ("S",)
            if len(shape) == 3:
                others = (shape[0], "S") if self.batch_first else ("S", shape[1])
            key_shape = check_shape(name, key, (*others, size), name="a key")
            check_shape(name, value, key_shape, name="a value")
            shape_of_keys = key_shape
        else:
            shape_of_keys = shape
        if 0 in shape or 0 in shape_of_keys:
            raise ValueError(f"{name} takes at least one query and one key, not shapes {shape} and {shape_of_keys}")
        return shape

    def _sequences(self, input: Nest, batched: bool) -> list[Sequence[Vector]]:
        """Return the sequences of a batch, or the one."""
        given = values(input)
        if not batched:
            return [given]
        return list(given) if self.batch_first else list(zip(*given, strict=True))

    def _mixed(self, outputs: list[list[Vector]], batched: bool) -> Nest:
        """Return the outputs of all heads, mixed, in the shape of the query."""
        if not batched:
            return self.out_proj(outputs[0])
        mixed = self.out_proj(outputs)
        return mixed if self.batch_first else [list(parts) for parts in zip(*mixed, strict=True)]

    def _heads(
        self, q_xs: Sequence[Vector], k_xs: Sequence[Vector], v_xs: Sequence[Vector]
    ) -> list[tuple[list[Vector], list[Vector], list[Vector]]]:
        """For each head the queries, divided by the root of their size, the keys, and the values of all positions."""
        size = self.embed_dim // self.num_heads
        factor = operand(1.0 / math.sqrt(size))
        queries = [tuple([q * factor for q in vector]) for vector in self._projected(q_xs, 0)]
        keys, vectors = self._projected(k_xs, 1), self._projected(v_xs, 2)
        parts = [slice(h * size, (h + 1) * size) for h in range(self.num_heads)]
        return [([q[part] for q in queries], [k[part] for k in keys], [v[part] for v in vectors]) for part in parts]

    def _projected(self, xs: Sequence[Vector], third: int) -> list[Vector]:
        """Return queries (0), keys (1) or values (2), of all heads."""
        rows = slice(third * self.embed_dim, (third + 1) * self.embed_dim)
        weight = self.in_proj_weight[rows]
        biases = (operand(0.0),) * self.embed_dim if self.in_proj_bias is None else self.in_proj_bias[rows]
        return [tuple([dot(w, x, b) for w, b in zip(weight, biases, strict=True)]) for x in xs]

    def _masks(
        self, name: str, attn_mask: Nest, key_padding_mask: Nest, shape: tuple[int, int, int], batched: bool
    ) -> list[list[Nest]]:
        """For each sequence and each head what is added to the scores; None for nothing."""
        count, length, seen = shape
        masks: list[list[Nest]] = [[None] * self.num_heads for _ in range(count)]
        if attn_mask is not None:
            axes = (length, seen), (count * self.num_heads, length, seen)
            biases = read_mask(name, "an attn_mask", attn_mask, *axes, true_keeps=False)
            each = iter(biases if isinstance(biases[0][0], list) else [biases] * (count * self.num_heads))
            masks = [[next(each) for _ in range(self.num_heads)] for _ in range(count)]
        if key_padding_mask is not None:
            axis = (count, seen) if batched else (seen,)
            padding = read_mask(name, "a key_padding_mask", key_padding_mask, axis, true_keeps=False)
            masks = [
                [[row] * length if mask is None else plus_padding(mask, row) for mask in of_heads]
                for of_heads, row in zip(masks, padding if batched else [padding], strict=True)
            ]
        return masks

    def extra_repr(self) -> str:
        """Show its sizes, and what differs from the default."""
        options = [
            f", dropout={self.dropout.p!r}" if self.dropout.p else "",
            ", bias=False" if self.in_proj_bias is None else "",
        ]
        return f"{self.embed_dim}, {self.num_heads}{''.join(options)}"


class MultiheadAttention(MultiHeadAttention):
    """:class:`MultiHeadAttention` as PyTorch has it: a batch is (L, N, E), and the weights are always in the result.

    Args:
        embed_dim: E, the size of the vectors.
        num_heads: How many heads; E is a multiple of it.
        dropout: The probability with which a weight is dropped, in training.
        bias: Whether the projections have biases.
        batch_first: Whether a batch is (N, L, E), not (L, N, E).
        generator: What the parameters, and what is dropped, are drawn from: a ``random.Random``, an int that seeds
            one, or None.

    Raises:
        ValueError: E is no multiple of ``num_heads``, or a size is not positive.

    >>> attention = MultiheadAttention(4, 2, generator=0)
    >>> x = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]
    >>> output, weights = attention(x, x, x)
    >>> len(weights), len(weights[0])
    (2, 2)
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        batch_first: bool = False,
        generator: Generator = None,
    ) -> None:
        super().__init__(embed_dim, num_heads, dropout, bias, batch_first=batch_first, generator=generator)

    def forward(
        self,
        query: Nest,
        key: Nest = None,
        value: Nest = None,
        key_padding_mask: Nest = None,
        need_weights: bool = True,
        attn_mask: Nest = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> tuple[Any, Any]:
        """Do what :meth:`MultiHeadAttention.forward` does, and return a pair: the outputs, and the weights or None."""
        arguments = (key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal)
        found = super().forward(query, *arguments, cache=cache)
        return found if need_weights else (found, None)


def _with_zeros(heads: list[list[list[Bias]]]) -> Nest:
    """Return the weights of each head, with 0 for a key that is not seen."""
    zero = operand(0.0)
    return [[[zero if w is None else w for w in row] for row in rows] for rows in heads]


def _averaged(heads: list[list[list[Bias]]]) -> Nest:
    """Return the mean over the heads."""
    return [[mean(ws) for ws in zip(*rows, strict=True)] for rows in zip(*_with_zeros(heads), strict=True)]
