"""One step of a recurrent network as a module, as in PyTorch."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_lite.nn.base.generators import Generator
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_shape, check_size, like, values
from tinygrad_lite.nn.layers.recurrent_steps import (
    CellWeights,
    Step,
    check_nonlinearity,
    get_parameters,
    gru_step,
    lstm_step,
    read_states,
    rnn_step,
    set_parameters,
)


class _Cell(Module):
    """A step with its parameters."""

    #: How many rows of weights each unit has.
    gates: ClassVar[int]
    #: The vectors of the state.
    state_names: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, generator: Generator = None) -> None:
        check_size("input_size", input_size)
        check_size("hidden_size", hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.weight_ih: Nest
        self.weight_hh: Nest
        self.bias_ih: Nest
        self.bias_hh: Nest
        set_parameters(self, "", self.gates, input_size, hidden_size, bias, generator)

    def forward(self, input: Nest, hx: Nest = None) -> Any:
        """Compute the next state.

        Args:
            input: x, of shape (input_size,), or (N, input_size) for a batch.
            hx: The state h, of shape (hidden_size,), or (N, hidden_size) for a batch; zeros, if left out. For an LSTM
                the pair (h, c).

        Returns:
            h′, in the shape of h (an object array for an array). For an LSTM the pair (h′, c′).

        Raises:
            ValueError: A shape is wrong, or the batch is empty.
            TypeError: Something is no number.
        """
        name = head(self)
        shape = check_shape(name, input, (self.input_size,), ("N", self.input_size))
        if 0 in shape:
            raise ValueError(f"{name} takes at least one input, not a batch of shape {shape}")
        given, batch = values(input), shape[:-1]
        initial = read_states(name, hx, self.state_names, (*batch, self.hidden_size))
        step = self._step(get_parameters(self, ""))
        states: list[Nest]
        if not batch:
            states = [list(vector) for vector in step(given, tuple(initial))]
        else:
            samples = [step(x, state) for x, state in zip(given, zip(*initial, strict=True), strict=True)]
            states = [[list(vector) for vector in vectors] for vectors in zip(*samples, strict=True)]
        results = tuple([like(input, state) for state in states])
        return results if len(results) > 1 else results[0]

    def _step(self, weights: CellWeights) -> Step:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show its sizes."""
        return f"{self.input_size}, {self.hidden_size}{'' if self.bias_ih is not None else ', bias=False'}"


class RNNCell(_Cell):
    """h′ = tanh(W_ih x + b_ih + W_hh h + b_hh): a step of Elman's recurrent network (1990).

    All parameters begin uniform in ±1/√hidden_size, as in PyTorch.

    Args:
        input_size: The number of inputs x.
        hidden_size: The number of units h.
        bias: Whether there are b_ih and b_hh.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        generator: What the parameters are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        weight_ih: W_ih, ``hidden_size`` tuples of ``input_size`` Values.
        weight_hh: W_hh, ``hidden_size`` tuples of ``hidden_size`` Values.
        bias_ih: A tuple of ``hidden_size`` Values, or None.
        bias_hh: The same again: PyTorch has two, of which only the sum matters.

    Raises:
        ValueError: A size is not positive, or there is no such nonlinearity.

    >>> cell = RNNCell(3, 2, generator=0)
    >>> h = [0.0, 0.0]
    >>> for x in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]:
    ...     h = cell(x, h)
    >>> len(h)
    2
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        generator: Generator = None,
    ) -> None:
        check_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, generator=generator)
        self.nonlinearity = nonlinearity

    def _step(self, weights: CellWeights) -> Step:
        return rnn_step(weights, self.nonlinearity)

    def extra_repr(self) -> str:
        """Show its sizes and its nonlinearity."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity!r}")


class LSTMCell(_Cell):
    """A step of the long short-term memory; see :class:`~tinygrad_lite.nn.layers.recurrent.LSTM`.

    Args:
        input_size: The number of inputs x.
        hidden_size: The number of units: of h, and of c.
        bias: Whether there are b_ih and b_hh.
        generator: What the parameters are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        weight_ih: 4·``hidden_size`` tuples of ``input_size`` Values: the rows of i, of f, of g, of o.
        weight_hh: 4·``hidden_size`` tuples of ``hidden_size`` Values, in the same order.
        bias_ih: A tuple of 4·``hidden_size`` Values, or None.
        bias_hh: The same again.

    Raises:
        ValueError: A size is not positive.

    >>> cell = LSTMCell(3, 2, generator=0)
    >>> h, c = cell([1.0, 0.0, 0.0])
    >>> h, c = cell([0.0, 1.0, 0.0], (h, c))
    >>> len(h), len(c)
    (2, 2)
    """

    gates = 4
    state_names = ("h", "c")

    def _step(self, weights: CellWeights) -> Step:
        return lstm_step(weights)


class GRUCell(_Cell):
    """A step of the gated recurrent unit; see :class:`~tinygrad_lite.nn.layers.recurrent.GRU`.

    Args:
        input_size: The number of inputs x.
        hidden_size: The number of units h.
        bias: Whether there are b_ih and b_hh.
        generator: What the parameters are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        weight_ih: 3·``hidden_size`` tuples of ``input_size`` Values: the rows of r, of z, of n.
        weight_hh: 3·``hidden_size`` tuples of ``hidden_size`` Values, in the same order.
        bias_ih: A tuple of 3·``hidden_size`` Values, or None.
        bias_hh: The same again.

    Raises:
        ValueError: A size is not positive.

    >>> cell = GRUCell(3, 2, generator=0)
    >>> h = cell([1.0, 0.0, 0.0])
    >>> len(cell([0.0, 1.0, 0.0], h))
    2
    """

    gates = 3

    def _step(self, weights: CellWeights) -> Step:
        return gru_step(weights)
