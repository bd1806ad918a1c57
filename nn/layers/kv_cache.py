"""The cache with which attention goes on one position at a time."""

from __future__ import annotations

from typing import NamedTuple

from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.value import Value

Vector = tuple[Value, ...]


class Seen(NamedTuple):
    """The positions that a head has seen in a sequence."""

    keys: list[Vector]
    values: list[Vector]


class KVCache:
    """Keys and values of the positions that a model has seen, so that it goes on without looking at them afresh.

    One cache serves all attention layers of a model: each keeps its own part in it. A sequence has a cache of its own,
    and so has a layer that is used twice in a model. Outputs are bit for bit those of the whole sequence at once.

    Attributes:
        length: How many positions it holds: the place of the next one.

    >>> from tinygrad_lite.nn.layers.attention import MultiHeadAttention
    >>> attention = MultiHeadAttention(2, 1, generator=0)
    >>> cache = KVCache()
    >>> _ = attention([[1.0, 0.0], [0.0, 1.0]], cache=cache)
    >>> cache
    KVCache(length=2)
    >>> y = attention([[1.0, 1.0]], cache=cache)  # position 2: sees positions 0, 1 and itself
    >>> cache.length
    3
    """

    def __init__(self) -> None:
        self._kept: dict[Module, list[list[Seen]]] = {}

    @property
    def length(self) -> int:
        """How many positions all layers have seen."""
        return min((len(kept[0][0].keys) for kept in self._kept.values()), default=0)

    def of(self, layer: Module, name: str, count: int) -> list[list[Seen]]:
        """Return what a layer has seen of each of ``count`` sequences, in each head; empty at first.

        Raises:
            ValueError: It has seen another number of sequences.
        """
        kept = self._kept.get(layer, [])
        if kept and len(kept) != count:
            raise ValueError(
                f"{name} was given {count} sequences with a cache of {len(kept)}: begin others with a new KVCache()"
            )
        return kept

    def keep(self, layer: Module, seen: list[list[Seen]]) -> None:
        """Set what a layer has seen."""
        self._kept[layer] = seen

    def __repr__(self) -> str:
        return f"KVCache(length={self.length})"
