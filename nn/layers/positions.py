"""Where in the sequence each vector stands, which attention alone would not know."""

from __future__ import annotations

import math

from tinygrad_lite.nn.base.generators import Generator
from tinygrad_lite.nn.base.init import normal_
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_shape, check_size, like, map_vectors, parameters_of_shape, values
from tinygrad_lite.value import Value


class SinusoidalPositions(Module):
    """Adds to position t the sines and cosines of t at E/2 wavelengths, from 2π to 10000·2π (Vaswani et al. 2017).

    Number 2i is sin(t/10000^(2i/E)) and number 2i+1 the cosine of the same (section 3.5). It has no parameters.

    Args:
        embed_dim: E, the size of the vectors.
        max_length: How many positions there are; None for no limit.

    Raises:
        ValueError: A size is not positive.

    >>> positions = SinusoidalPositions(4)
    >>> positions.encoding(0)
    [0.0, 1.0, 0.0, 1.0]
    >>> xs = [[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]
    >>> [y.data for y in positions(xs)[0]]
    [0.5, 1.5, 0.5, 1.5]
    """

    def __init__(self, embed_dim: int, max_length: int | None = None) -> None:
        check_size("embed_dim", embed_dim)
        if max_length is not None:
            check_size("max_length", max_length)
        self.embed_dim = embed_dim
        self.max_length = max_length

    def forward(self, input: Nest, offset: int = 0) -> Nest:
        """Compute the vectors with their positions added.

        Args:
            input: L vectors, of shape (*, L, embed_dim).
            offset: The position of the first, such as ``cache.length`` where a sequence goes on.

        Returns:
            Lists (an object array for an array) of the same shape.

        Raises:
            ValueError: The shape is wrong, or there are not so many positions.
            TypeError: Something is no number, or ``offset`` no int.
        """
        length = _checked_length(self, input, self.embed_dim, self.max_length, offset)
        return _added(input, values([self.encoding(offset + t) for t in range(length)]))

    def encoding(self, position: int) -> list[float]:
        """Return what is added to the vector at a position.

        Args:
            position: Counted from 0.

        >>> SinusoidalPositions(2).encoding(1) == [math.sin(1.0), math.cos(1.0)]
        True
        """
        size = self.embed_dim
        angles = [position / 10000.0 ** ((k - k % 2) / size) for k in range(size)]
        return [math.cos(angle) if k % 2 else math.sin(angle) for k, angle in enumerate(angles)]

    def extra_repr(self) -> str:
        """Show its sizes."""
        return f"{self.embed_dim}{'' if self.max_length is None else f', max_length={self.max_length}'}"


class LearnedPositions(Module):
    """Adds to each position a vector of its own, which is learnt (Gehring et al. 2017; GPT, BERT).

    They begin standard normal, as the vectors of an Embedding do.

    Args:
        max_length: How many positions there are.
        embed_dim: E, the size of the vectors.
        generator: What the vectors are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        weight: ``max_length`` tuples of ``embed_dim`` Values.

    Raises:
        ValueError: A size is not positive.

    >>> positions = LearnedPositions(8, 2, generator=0)
    >>> positions
    LearnedPositions(8, 2): 16 parameters
    >>> ys = positions([[0.0, 0.0]], offset=3)
    >>> [y.data for y in ys[0]] == [w.data for w in positions.weight[3]]
    True
    """

    def __init__(self, max_length: int, embed_dim: int, *, generator: Generator = None) -> None:
        check_size("max_length", max_length)
        check_size("embed_dim", embed_dim)
        self.max_length = max_length
        self.embed_dim = embed_dim
        self.weight: Nest = normal_(parameters_of_shape((max_length, embed_dim)), generator=generator)

    def forward(self, input: Nest, offset: int = 0) -> Nest:
        """Compute the vectors with those of their positions added.

        Args:
            input: L vectors, of shape (*, L, embed_dim).
            offset: The position of the first, such as ``cache.length`` where a sequence goes on.

        Returns:
            Lists (an object array for an array) of the same shape.

        Raises:
            ValueError: The shape is wrong, or there are not so many positions.
            TypeError: Something is no number, or ``offset`` no int.
        """
        length = _checked_length(self, input, self.embed_dim, self.max_length, offset)
        return _added(input, self.weight[offset : offset + length])

    def extra_repr(self) -> str:
        """Show its sizes."""
        return f"{self.max_length}, {self.embed_dim}"


def _checked_length(module: Module, input: Nest, embed_dim: int, max_length: int | None, offset: int) -> int:
    """Return how many vectors there are in each sequence."""
    length = check_shape(head(module), input, ("*", "L", embed_dim))[-2]
    if not isinstance(offset, int) or isinstance(offset, bool):
        raise TypeError(f"{head(module)} takes an int as its offset, not {type(offset).__name__} {offset!r}")
    if offset < 0:
        raise ValueError(f"{head(module)} counts positions from 0, and was given the offset {offset}")
    if max_length is not None and offset + length > max_length:
        raise ValueError(
            f"{head(module)} has positions 0 to {max_length - 1}, and was given {length} vectors from position "
            f"{offset} on: positions up to {offset + length - 1}"
        )
    return length


def _added(input: Nest, positions: list[tuple[Value, ...]]) -> Nest:
    """Return the sum of each sequence and the positions."""
    given = values(input)

    def sequence(vectors: Nest) -> Nest:
        return [[x + p for x, p in zip(*pair, strict=True)] for pair in zip(vectors, positions, strict=True)]

    return like(input, map_vectors(sequence, given, _axes(given) - 2))


def _axes(nest: Nest) -> int:
    return 1 + _axes(nest[0]) if isinstance(nest, (list, tuple)) else 0
