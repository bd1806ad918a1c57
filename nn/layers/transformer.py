"""The block that a transformer is a stack of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_shape, like, values
from tinygrad_lite.nn.layers.activations import Activation
from tinygrad_lite.nn.layers.attention import MultiHeadAttention
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.nn.layers.kv_cache import KVCache
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.layers.normalization import LayerNorm, RMSNorm
from tinygrad_lite.value import Value

_NORMS: Final = ("layer", "rms")


class TransformerBlock(Module):
    """x + attention(norm(x)), then x + feedforward(norm(x)): positions tell one another, and each thinks about it.

    Vaswani et al. (2017), "Attention is all you need"; normalised before each part and not after, as in GPT-2 (Xiong et
    al. 2020). The parts have the names that they have in PyTorch's ``TransformerEncoderLayer``, whose state loads.

    Args:
        embed_dim: E, the size of the vectors.
        num_heads: How many heads the attention has; E is a multiple of it.
        feedforward: How many numbers there are between the two layers of the feedforward part; 4E, if left out.
        activation: Between the two: the name of any operation on one number, or a function from Value to Value.
        dropout: The probability with which, in training, a weight of the attention, or a number of what attention,
            activation and feedforward part give, is dropped.
        norm: ``"layer"`` for LayerNorm, ``"rms"`` for RMSNorm.
        norm_first: Whether to normalise before each part; if not, after each sum, as Vaswani et al. did:
            norm(x + attention(x)).
        causal: Whether a position sees itself and those before it only, as in GPT; False as in BERT.
        bias: Whether projections, layers and LayerNorm have biases.
        batch_first: Whether a batch is (N, L, E), not (L, N, E).
        generator: What the parameters, and what is dropped, are drawn from: a ``random.Random``, an int that seeds
            one, or None.

    Attributes:
        self_attn: The :class:`MultiHeadAttention`.
        linear1: The first layer of the feedforward part.
        linear2: The second.
        norm1: The normalisation of the attention.
        norm2: That of the feedforward part.

    Raises:
        ValueError: E is no multiple of ``num_heads``, a size is not positive, or there is no such norm or activation.

    >>> block = TransformerBlock(4, 2, generator=0)
    >>> block
    TransformerBlock(4, 2): 244 parameters
    >>> xs = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    >>> ys = block(xs)

    Position by position, with a cache, the outputs are the same:

    >>> cache = KVCache()
    >>> [block([x], cache=cache)[0][0].data == y[0].data for x, y in zip(xs, ys)]
    [True, True, True]
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        feedforward: int | None = None,
        activation: str | Callable[[Value], Value] = "gelu",
        dropout: float = 0.0,
        *,
        norm: str = "layer",
        norm_first: bool = True,
        causal: bool = True,
        bias: bool = True,
        batch_first: bool = True,
        generator: Generator = None,
    ) -> None:
        if norm not in _NORMS:
            raise ValueError(f"norm is {' or '.join(map(repr, _NORMS))}, not {norm!r}")
        rng = as_generator(generator)
        self.causal = causal
        self.norm_first = norm_first
        self.self_attn = MultiHeadAttention(embed_dim, num_heads, dropout, bias, batch_first=batch_first, generator=rng)
        hidden = 4 * embed_dim if feedforward is None else feedforward
        self.linear1 = Linear(embed_dim, hidden, bias, generator=rng)
        self.activation = Activation(activation)
        self.dropout = Dropout(dropout, generator=rng)
        self.linear2 = Linear(hidden, embed_dim, bias, generator=rng)
        self.norm1: Module = LayerNorm(embed_dim, bias=bias) if norm == "layer" else RMSNorm(embed_dim)
        self.norm2: Module = LayerNorm(embed_dim, bias=bias) if norm == "layer" else RMSNorm(embed_dim)
        self.dropout1 = Dropout(dropout, generator=rng)
        self.dropout2 = Dropout(dropout, generator=rng)

    def forward(
        self,
        input: Nest,
        attn_mask: Nest = None,
        key_padding_mask: Nest = None,
        *,
        cache: KVCache | None = None,
    ) -> Nest:
        """Compute the vectors, with what they took from others and made of it.

        Args:
            input: L vectors, of shape (L, embed_dim), or (N, L, embed_dim) for a batch.
            attn_mask: What the attention must not see, as in :class:`MultiHeadAttention`.
            key_padding_mask: The same.
            cache: What earlier calls have seen: the vectors follow on those; one cache serves all blocks of a model.

        Returns:
            Lists (an object array for an array) of the same shape.

        Raises:
            ValueError: A shape is wrong, a position sees none, or a cache comes with a block that is not causal.
            TypeError: Something is no number, or a mask holds ints.
        """
        axes = ("N", "L") if self.self_attn.batch_first else ("L", "N")
        size = self.self_attn.embed_dim
        check_shape(head(self), input, ("L", size), (*axes, size))
        if cache is not None and not self.causal:
            raise ValueError(f"{head(self)} is not causal: what comes later changes all, and a cache has no use")

        def attention(x: Nest) -> Nest:
            found = self.self_attn(
                x, attn_mask=attn_mask, key_padding_mask=key_padding_mask, is_causal=self.causal, cache=cache
            )
            return self.dropout1(found)

        def feedforward(x: Nest) -> Nest:
            return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        x = values(input)
        for part, norm in ((attention, self.norm1), (feedforward, self.norm2)):
            x = _plus(x, part(norm(x))) if self.norm_first else norm(_plus(x, part(x)))
        return like(input, x)

    def extra_repr(self) -> str:
        """Show its sizes, and what differs from the default."""
        attention, hidden = self.self_attn, self.linear1.out_features
        name = getattr(self.activation.function, "__name__", repr(self.activation.function))
        options: dict[str, tuple[Any, Any]] = {
            "feedforward": (hidden, 4 * attention.embed_dim),
            "activation": (name, "gelu"),
            "dropout": (self.dropout.p, 0.0),
            "norm": ("rms" if isinstance(self.norm1, RMSNorm) else "layer", "layer"),
            "norm_first": (self.norm_first, True),
            "causal": (self.causal, True),
            "bias": (self.linear1.bias is not None, True),
            "batch_first": (attention.batch_first, True),
        }
        changed = [f"{name}={value!r}" for name, (value, default) in options.items() if value != default]
        return ", ".join([str(attention.embed_dim), str(attention.num_heads), *changed])


def _plus(x: Nest, y: Nest) -> Nest:
    """Return the sum, number by number."""
    if isinstance(x, Value):
        return x + y
    return [_plus(xi, yi) for xi, yi in zip(x, y, strict=True)]
