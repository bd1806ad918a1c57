"""A table of vectors, as in PyTorch."""

from __future__ import annotations

from typing import Any

from tinygrad_lite.nary import lookup
from tinygrad_lite.nn.base.generators import Generator
from tinygrad_lite.nn.base.init import normal_
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_size, flat, like, map_numbers, parameters_of_shape
from tinygrad_lite.node.fields import is_numpy_scalar
from tinygrad_lite.trace_mode import Demand, demanded, is_traced
from tinygrad_lite.value import Value


class Embedding(Module):
    """A vector for each of ``num_embeddings`` things: the row of a table, found by its index.

    A plain index gives the row's leaves themselves, and records nothing. An index that is a Value records a ``lookup``
    node a number, so that it may be an input of the recorded program; only the table has gradients.

    The vectors begin standard normal, as in PyTorch.

    Args:
        num_embeddings: How many vectors there are.
        embedding_dim: How many numbers each has.
        padding_idx: The index of a vector that stands for no thing: it begins as zeros and stays as it is, its numbers
            being frozen. Negative ones count from the end.
        generator: What the vectors are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        weight: ``num_embeddings`` tuples of ``embedding_dim`` Values.

    Raises:
        ValueError: A size is not positive, or ``padding_idx`` is not the index of a vector.
        TypeError: One of them is not an int.

    >>> letters = Embedding(26, 3, generator=0)
    >>> letters
    Embedding(26, 3): 78 parameters
    >>> row = letters(7)
    >>> row[0] is letters.weight[7][0]
    True
    >>> [len(row) for row in letters([7, 8])]
    [3, 3]
    >>> letters(Value(7.0))[0].op
    'lookup'
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        generator: Generator = None,
    ) -> None:
        check_size("num_embeddings", num_embeddings)
        check_size("embedding_dim", embedding_dim)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _checked_padding(padding_idx, num_embeddings)
        self.weight: Nest = normal_(parameters_of_shape((num_embeddings, embedding_dim)), generator=generator)
        if self.padding_idx is not None:
            for parameter in self.weight[self.padding_idx]:
                parameter.data = 0.0
            self._freeze_padding()

    def forward(self, input: Nest) -> Nest:
        """Compute the vector of each index.

        Args:
            input: Whole numbers from 0 to ``num_embeddings`` − 1, or Values that hold them, of any shape (*).

        Returns:
            Lists (an object array for an array) of shape (*, embedding_dim).

        Raises:
            IndexError: An index is out of range.
            TypeError: An index is no whole number.
        """
        indices = map_numbers(self._checked_index, input)
        self._freeze_padding()
        columns = list(zip(*self.weight, strict=True)) if any(isinstance(i, Value) for i in flat(indices)) else []

        def vector(index: int | Value) -> list[Value]:
            return [lookup(column, index) for column in columns] if isinstance(index, Value) else [*self.weight[index]]

        return like(input, map_numbers(vector, indices))

    def _checked_index(self, given: Any) -> int | Value:
        index = given.item() if is_numpy_scalar(given) else given
        if isinstance(index, Value) and is_traced(index):  # its number is not known yet
            demanded(index, self._demand())
            return index
        number = index.data if isinstance(index, Value) else index
        if isinstance(index, bool) or not (isinstance(index, int) or (isinstance(index, Value) and number % 1 == 0)):
            raise TypeError(
                f"{head(self)} takes indices: ints, or Values that hold whole numbers; it was given "
                f"{type(given).__name__} {given!r}"
            )
        if not 0 <= number < self.num_embeddings:
            raise IndexError(self._demand().message(number))
        found: int | Value = index
        return found

    def _demand(self) -> Demand:
        most = self.num_embeddings - 1
        said = f"takes indices from 0 to {most}, and was given {{}}"
        return Demand(head(self), said, 0.0, float(most), 1.0, "IndexError")

    def _freeze_padding(self) -> None:
        """At each call, as ``requires_grad_()`` of a model around thaws all of its parameters."""
        if self.padding_idx is not None:
            for parameter in self.weight[self.padding_idx]:
                if parameter.is_leaf:
                    parameter.requires_grad = False

    def extra_repr(self) -> str:
        """Show its sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


def _checked_padding(padding_idx: Any, num_embeddings: int) -> int | None:
    if padding_idx is None:
        return None
    if not isinstance(padding_idx, int) or isinstance(padding_idx, bool):
        raise TypeError(f"padding_idx is an int or None, not {type(padding_idx).__name__} {padding_idx!r}")
    if not -num_embeddings <= padding_idx < num_embeddings:
        raise ValueError(f"padding_idx is an index of {num_embeddings} vectors, not {padding_idx}")
    return padding_idx % num_embeddings
