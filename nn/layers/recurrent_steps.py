"""What a recurrent network does at one place of a sequence: from an input, and the state that it is in, to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.functions import dot, relu, sigmoid, tanh
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.init import uniform_
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.base.shapes import Nest, check_shape, parameters_of_shape, values
from tinygrad_lite.value import Value, operand

Vector = tuple[Value, ...]
#: What is handed on from one step to the next: (h,), or (h, c) for an LSTM.
State = tuple[Vector, ...]
#: From an input and a state to the next state, whose first vector is the output.
Step = Callable[[Vector, State], State]

NONLINEARITIES: Final[dict[str, Callable[[Any], Any]]] = {"tanh": tanh, "relu": relu}


class CellWeights(NamedTuple):
    """The parameters of a step: W_ih x + b_ih + W_hh h + b_hh, the rows of all gates one below the other."""

    ih: Sequence[Vector]
    hh: Sequence[Vector]
    bias_ih: Sequence[Value]
    bias_hh: Sequence[Value]

    def rows(self, first: int, end: int) -> CellWeights:
        """Return those of some gates."""
        rows = slice(first, end)
        return CellWeights(self.ih[rows], self.hh[rows], self.bias_ih[rows], self.bias_hh[rows])

    def sums(self) -> Callable[[Vector, Vector], list[Value]]:
        """Return the function from x and h to W_ih x + b_ih + W_hh h + b_hh, one ``dot`` node a row: (W_ih W_hh)(x, h)
        + b."""
        weights = [(*w_ih, *w_hh) for w_ih, w_hh in zip(self.ih, self.hh, strict=True)]
        biases = [b_ih + b_hh for b_ih, b_hh in zip(self.bias_ih, self.bias_hh, strict=True)]

        def sums(x: Vector, h: Vector) -> list[Value]:
            xh = (*x, *h)
            return [dot(w, xh, b) for w, b in zip(weights, biases, strict=True)]

        return sums


def rnn_step(weights: CellWeights, nonlinearity: str) -> Step:
    """h′ = tanh(W_ih x + b_ih + W_hh h + b_hh) (Elman 1990, "Finding structure in time")."""
    sums = weights.sums()
    f = NONLINEARITIES[nonlinearity]

    def step(x: Vector, state: State) -> State:
        (h,) = state
        return (tuple([f(z) for z in sums(x, h)]),)

    return step


def lstm_step(weights: CellWeights) -> Step:
    """c′ = f·c + i·g and h′ = o·tanh(c′), gates i, f, o in (0, 1) and candidate g from x and h; rows i, f, g, o."""
    sums = weights.sums()
    n = len(weights.hh) // 4

    def step(x: Vector, state: State) -> State:
        h, c = state
        z = sums(x, h)
        i = [sigmoid(zk) for zk in z[:n]]
        f = [sigmoid(zk) for zk in z[n : 2 * n]]
        g = [tanh(zk) for zk in z[2 * n : 3 * n]]
        o = [sigmoid(zk) for zk in z[3 * n :]]
        c = tuple([fk * ck + ik * gk for fk, ck, ik, gk in zip(f, c, i, g, strict=True)])
        return tuple([ok * tanh(ck) for ok, ck in zip(o, c, strict=True)]), c

    return step


def gru_step(weights: CellWeights) -> Step:
    """h′ = (1 − z)·n + z·h with n = tanh(W_in x + b_in + r·(W_hn h + b_hn)); rows r, z, n."""
    size = len(weights.hh) // 3
    gate_sums = weights.rows(0, 2 * size).sums()
    candidate = weights.rows(2 * size, 3 * size)

    def step(x: Vector, state: State) -> State:
        (h,) = state
        gates = [sigmoid(s) for s in gate_sums(x, h)]
        r, z = gates[:size], gates[size:]
        n = [
            tanh(dot(w_ih, x, b_ih) + rk * dot(w_hh, h, b_hh))
            for rk, w_ih, w_hh, b_ih, b_hh in zip(r, *candidate, strict=True)
        ]
        # (1 − z)·n + z·h, in three operations.
        return (tuple([nk + zk * (hk - nk) for nk, zk, hk in zip(n, z, h, strict=True)]),)

    return step


def set_parameters(
    module: Module, suffix: str, gates: int, input_size: int, hidden_size: int, bias: bool, generator: Generator
) -> None:
    """Give a module the parameters of a step, under PyTorch's names; ``suffix`` says of which layer and direction."""
    rng = as_generator(generator)
    bound = 1.0 / math.sqrt(hidden_size)
    rows = gates * hidden_size
    for name, shape in (("weight_ih", (rows, input_size)), ("weight_hh", (rows, hidden_size))):
        setattr(module, name + suffix, uniform_(parameters_of_shape(shape), -bound, bound, rng))
    for name in ("bias_ih", "bias_hh"):
        setattr(module, name + suffix, uniform_(parameters_of_shape((rows,)), -bound, bound, rng) if bias else None)


def get_parameters(module: Module, suffix: str) -> CellWeights:
    """Return what :func:`set_parameters` set; zeros for a bias that there is not."""
    ih, hh, bias_ih, bias_hh = (
        getattr(module, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    zeros = (operand(0.0),) * len(ih)
    return CellWeights(ih, hh, zeros if bias_ih is None else bias_ih, zeros if bias_hh is None else bias_hh)


def read_states(name: str, hx: Nest, state_names: tuple[str, ...], shape: tuple[int, ...]) -> list[Nest]:
    """Return the vectors of a state that was given, or zeros: h, and for an LSTM c, each a nest of this shape."""
    if hx is None:
        zero = operand(0.0)
        return [_filled(shape, zero) for _ in state_names]
    if len(state_names) == 1:
        given = [hx]
    elif isinstance(hx, (list, tuple)) and len(hx) == len(state_names):
        given = list(hx)
    else:
        many = f" of {len(hx)} items" if isinstance(hx, (list, tuple)) else ""
        raise TypeError(f"{name} takes as its state a pair (h, c), and was given {type(hx).__name__}{many}")
    for state_name, vectors in zip(state_names, given, strict=True):
        check_shape(name, vectors, shape, name=f"a state {state_name}")
    return [values(vectors) for vectors in given]


def check_nonlinearity(nonlinearity: str) -> None:
    """Raise unless there is such a nonlinearity.

    >>> check_nonlinearity("sin")
    Traceback (most recent call last):
    ...
    ValueError: nonlinearity is 'tanh' or 'relu', not 'sin'
    """
    if nonlinearity not in NONLINEARITIES:
        raise ValueError(f"nonlinearity is {' or '.join(map(repr, NONLINEARITIES))}, not {nonlinearity!r}")


def _filled(shape: tuple[int, ...], value: Value) -> Nest:
    return (value,) * shape[0] if len(shape) == 1 else [_filled(shape[1:], value) for _ in range(shape[0])]
