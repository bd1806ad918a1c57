"""Recurrent networks: the same step at each place of a sequence, with a state that is handed on, as in PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_shape, check_size, like, values
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.nn.layers.recurrent_steps import (
    CellWeights,
    State,
    Step,
    Vector,
    check_nonlinearity,
    get_parameters,
    gru_step,
    lstm_step,
    read_states,
    rnn_step,
    set_parameters,
)


class _Recurrent(Module):
    """Layers of steps: each layer takes the outputs of the one before, in one direction or in both."""

    #: How many rows of weights each unit has.
    gates: ClassVar[int]
    #: The vectors of the state.
    state_names: ClassVar[tuple[str, ...]] = ("h",)

    # The parameters of layer 0, for type checkers; those of other layers and of the other direction are named alike.
    weight_ih_l0: tuple[Vector, ...]
    weight_hh_l0: tuple[Vector, ...]
    bias_ih_l0: Vector
    bias_hh_l0: Vector

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        generator: Generator = None,
    ) -> None:
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            check_size(name, size)
        rng = as_generator(generator)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.bidirectional = bidirectional
        self.dropout = Dropout(dropout, generator=rng)
        if dropout and num_layers == 1:
            warnings.warn(
                f"{type(self).__name__} drops between layers: dropout={dropout} does nothing where num_layers is 1",
                stacklevel=3,
            )
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * self._directions
            for suffix in self._suffixes(layer):
                set_parameters(self, suffix, self.gates, width, hidden_size, bias, rng)

    def forward(self, input: Nest, hx: Nest = None) -> tuple[Any, Any]:
        """Compute the outputs at all places of the sequence, and the states at the end.

        Args:
            input: A sequence of shape (L, input_size). Or N sequences of the same length, (L, N, input_size), with
                ``batch_first`` (N, L, input_size); sequences of different lengths are given one by one.
            hx: The states at the beginning, of shape (num_layers·D, hidden_size) for a sequence, and
                (num_layers·D, N, hidden_size) for a batch, where D is 2 if ``bidirectional``, else 1; zeros, if left
                out. Layer by layer, in each the forward direction first. For an LSTM a pair of these, (h_0, c_0).

        Returns:
            ``output``, of shape (L, D·hidden_size), with the batch where ``input`` has it: h of the last layer at each
            place, forward and then backward. And ``h_n``, in the shape of ``hx``; for an LSTM the pair (h_n, c_n).
            Lists, or object arrays if ``input`` is an array.

        Raises:
            ValueError: A shape is wrong, or the sequence is empty.
            TypeError: Something is no number.
        """
        name = head(self)
        batch_axes = ("N", "L") if self.batch_first else ("L", "N")
        shape = check_shape(name, input, ("L", self.input_size), (*batch_axes, self.input_size))
        if 0 in shape:
            raise ValueError(f"{name} takes at least one step of at least one sequence, not an input of shape {shape}")
        batched = len(shape) == 3
        sequences = _swapped(values(input), batched and not self.batch_first) if batched else [values(input)]
        states = self._initial_states(name, hx, len(sequences) if batched else None)
        layers = [
            [self._step(get_parameters(self, suffix)) for suffix in self._suffixes(layer)]
            for layer in range(self.num_layers)
        ]
        results = [self._run(layers, xs, initial) for xs, initial in zip(sequences, states, strict=True)]
        return self._collected(input, results, batched)

    def _run(self, layers: list[list[Step]], xs: Sequence[Vector], initial: list[State]) -> tuple[Nest, list[State]]:
        """Return output and final states for one sequence."""
        final: list[State] = []
        for number, steps in enumerate(layers):
            if number > 0:
                xs = values(self.dropout(xs))
            directions = []
            for step, backward in zip(steps, (False, True), strict=False):
                outputs, state = scan(step, xs[::-1] if backward else xs, initial[len(final)])
                directions.append(outputs[::-1] if backward else outputs)
                final.append(state)
            xs = [sum(hs, ()) for hs in zip(*directions, strict=True)]
        return xs, final

    def _initial_states(self, name: str, hx: Nest, batch: int | None) -> list[list[State]]:
        """For each sequence, the state of each layer and direction."""
        count = self.num_layers * self._directions
        shape = (count, self.hidden_size) if batch is None else (count, batch, self.hidden_size)
        parts = read_states(name, hx, self.state_names, shape)
        if batch is None:
            return [list(zip(*parts, strict=True))]
        return [list(zip(*[[of_layer[n] for of_layer in part] for part in parts], strict=True)) for n in range(batch)]

    def _collected(self, input: Nest, results: list[tuple[Nest, list[State]]], batched: bool) -> tuple[Any, Any]:
        """Return the outputs and the final states of all sequences, in the shapes in which PyTorch gives them."""
        outputs = [[list(hs) for hs in output] for output, _ in results]
        ends = [[[list(state[k]) for state in final] for _, final in results] for k in range(len(self.state_names))]
        if batched:
            output = _swapped(outputs, not self.batch_first)
            finals = [_swapped(end, True) for end in ends]
        else:
            output, finals = outputs[0], [end[0] for end in ends]
        states = tuple([like(input, final) for final in finals])
        return like(input, output), states if len(states) > 1 else states[0]

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self._directions]

    def _step(self, weights: CellWeights) -> Step:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show its sizes, and what differs from the default."""
        options = {
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "batch_first": (self.batch_first, False),
            "dropout": (self.dropout.p, 0.0),
            "bidirectional": (self.bidirectional, False),
        }
        changed = [f"{name}={value!r}" for name, (value, default) in options.items() if value != default]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])


class RNN(_Recurrent):
    """Elman's recurrent network: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh) (Elman 1990).

    All parameters begin uniform in ±1/√hidden_size, as in PyTorch.

    Args:
        input_size: The number of inputs at each place of the sequence.
        hidden_size: The number of units of each layer and direction.
        num_layers: How many layers; each but the first takes the outputs of the one before.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: Whether there are b_ih and b_hh.
        batch_first: Whether a batch is (N, L, input_size), not (L, N, input_size).
        dropout: The probability with which an output is dropped on the way to the next layer, in training.
        bidirectional: Whether each layer also goes from the end to the beginning, with parameters of its own
            (Schuster & Paliwal 1997).
        generator: What the parameters, and what is dropped, are drawn from: a ``random.Random``, an int that seeds
            one, or None.

    Attributes:
        weight_ih_l0: W_ih of layer 0, ``hidden_size`` tuples of ``input_size`` Values; ``weight_ih_l1`` of layer 1, and
            so on, ``weight_ih_l0_reverse`` of the other direction.
        weight_hh_l0: W_hh, ``hidden_size`` tuples of ``hidden_size`` Values.
        bias_ih_l0: A tuple of ``hidden_size`` Values, or None.
        bias_hh_l0: The same again: PyTorch has two, of which only the sum matters.

    Raises:
        ValueError: A size is not positive, or there is no such nonlinearity.

    >>> rnn = RNN(2, 3, generator=0)
    >>> rnn
    RNN(2, 3): 21 parameters
    >>> output, h_n = rnn([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> len(output), output[-1] == h_n[0]
    (3, True)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        generator: Generator = None,
    ) -> None:
        check_nonlinearity(nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, generator=generator
        )
        self.nonlinearity = nonlinearity

    def _step(self, weights: CellWeights) -> Step:
        return rnn_step(weights, self.nonlinearity)

    def extra_repr(self) -> str:
        """Show its sizes, and what differs from the default."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity!r}")


class LSTM(_Recurrent):
    """Long short-term memory: the cell c is kept, and added to, so that gradients last (Hochreiter & Schmidhuber 1997).

    At each place, with W and b of each of i, f, g, o as in :class:`RNN`:

        i, f, o = σ(W_ih x + b_ih + W_hh h + b_hh)      how much to write, to keep, and to show
        g = tanh(W_ih x + b_ih + W_hh h + b_hh)         what to write
        c = f·c + i·g
        h = o·tanh(c)

    The forget gate f is of Gers et al. (2000, "Learning to forget"). Where memory must last long, it helps to begin
    with it open, by a bias of 1 (Jozefowicz et al. 2015): its biases are items ``hidden_size`` to 2·``hidden_size`` of
    ``bias_ih_l0``. All parameters begin uniform in ±1/√hidden_size, as in PyTorch.

    Args:
        input_size: The number of inputs at each place of the sequence.
        hidden_size: The number of units of each layer and direction: of h, and of c.
        num_layers: How many layers; each but the first takes the outputs of the one before.
        bias: Whether there are b_ih and b_hh.
        batch_first: Whether a batch is (N, L, input_size), not (L, N, input_size).
        dropout: The probability with which an output is dropped on the way to the next layer, in training.
        bidirectional: Whether each layer also goes from the end to the beginning, with parameters of its own.
        generator: What the parameters, and what is dropped, are drawn from: a ``random.Random``, an int that seeds
            one, or None.

    Attributes:
        weight_ih_l0: 4·``hidden_size`` tuples of ``input_size`` Values: the rows of i, of f, of g, of o. Further layers
            and directions as in :class:`RNN`.
        weight_hh_l0: 4·``hidden_size`` tuples of ``hidden_size`` Values, in the same order.
        bias_ih_l0: A tuple of 4·``hidden_size`` Values, or None.
        bias_hh_l0: The same again.

    Raises:
        ValueError: A size is not positive.

    >>> lstm = LSTM(2, 3, generator=0)
    >>> for b in lstm.bias_ih_l0[3:6]:  # the forget gates begin open
    ...     b.data = 1.0
    >>> output, (h_n, c_n) = lstm([[1.0, 0.0], [0.0, 1.0]])
    >>> output, (h_n, c_n) = lstm([[1.0, 1.0]], (h_n, c_n))  # goes on where it was
    >>> len(output), len(h_n[0]), len(c_n[0])
    (1, 3, 3)
    """

    gates = 4
    state_names = ("h", "c")

    def _step(self, weights: CellWeights) -> Step:
        return lstm_step(weights)


class GRU(_Recurrent):
    """Gated recurrent unit: keeps z of the state, and takes the rest from a candidate n (Cho et al. 2014).

    At each place, with W and b of each of r, z, n as in :class:`RNN`:

        r, z = σ(W_ih x + b_ih + W_hh h + b_hh)             how much to look back, and how much to keep
        n = tanh(W_ih x + b_ih + r·(W_hh h + b_hh))
        h = (1 − z)·n + z·h

    (Cho et al. write W_hh (r·h); PyTorch multiplies by r afterwards, and so does this.) All parameters begin uniform
    in ±1/√hidden_size, as in PyTorch.

    Args:
        input_size: The number of inputs at each place of the sequence.
        hidden_size: The number of units of each layer and direction.
        num_layers: How many layers; each but the first takes the outputs of the one before.
        bias: Whether there are b_ih and b_hh.
        batch_first: Whether a batch is (N, L, input_size), not (L, N, input_size).
        dropout: The probability with which an output is dropped on the way to the next layer, in training.
        bidirectional: Whether each layer also goes from the end to the beginning, with parameters of its own.
        generator: What the parameters, and what is dropped, are drawn from: a ``random.Random``, an int that seeds
            one, or None.

    Attributes:
        weight_ih_l0: 3·``hidden_size`` tuples of ``input_size`` Values: the rows of r, of z, of n. Further layers and
            directions as in :class:`RNN`.
        weight_hh_l0: 3·``hidden_size`` tuples of ``hidden_size`` Values, in the same order.
        bias_ih_l0: A tuple of 3·``hidden_size`` Values, or None.
        bias_hh_l0: The same again.

    Raises:
        ValueError: A size is not positive.

    >>> gru = GRU(2, 3, bidirectional=True, generator=0)
    >>> output, h_n = gru([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> output[-1][:3] == h_n[0], output[0][3:] == h_n[1]  # where each direction ends
    (True, True)
    """

    gates = 3

    def _step(self, weights: CellWeights) -> Step:
        return gru_step(weights)


def scan(step: Step, xs: Sequence[Vector], state: State) -> tuple[list[Vector], State]:
    """Return the outputs of a step along a sequence, and the state after it."""
    outputs = []
    for x in xs:
        state = step(x, state)
        outputs.append(state[0])
    return outputs, state


def _swapped(nest: Nest, swap: bool) -> Nest:
    """Return the nest with its first two axes exchanged."""
    return [list(parts) for parts in zip(*nest, strict=True)] if swap else nest
