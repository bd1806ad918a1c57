"""Recurrent networks compute what PyTorch and the formulas say, and so do their gradients."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracles import numbers, of_leaves
from sequence_oracles import assert_is_pytorchs, assert_is_the_formulas, drawn, set_drawn

from tinygrad_lite import Value, topological_order
from tinygrad_lite import sum as total
from tinygrad_lite.nn.base.shapes import flat
from tinygrad_lite.nn.layers.recurrent import GRU, LSTM, RNN
from tinygrad_lite.nn.layers.recurrent_cells import GRUCell, LSTMCell, RNNCell
from tinygrad_lite.testing import Verdict, check_gradients

FEW = settings(max_examples=settings().max_examples // 4)
NETWORKS = (RNN, LSTM, GRU)
CELLS = (RNNCell, LSTMCell, GRUCell)
PAIRS = list(zip(NETWORKS, CELLS, strict=True))
GATES = {RNN: 1, LSTM: 4, GRU: 3, RNNCell: 1, LSTMCell: 4, GRUCell: 3}
seeds = st.integers(0, 2**16)
sizes = st.integers(1, 3)


def nests(result: Any) -> list[Any]:
    """Output and states, in a list."""
    output, states = result
    return [output, *states] if isinstance(states, tuple) else [output, states]


def state_of(network: type, arrays: list[Any]) -> Any:
    """hx: one array for RNN and GRU, the pair for LSTM, None for none."""
    if not arrays:
        return None
    return tuple(arrays) if network in (LSTM, LSTMCell) else arrays[0]


# ------------------------------------------------------------------------------------- the formulas, in NumPy


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def rnn_formula(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = 0.0, bias_hh: Any = 0.0) -> list[Any]:
    return [np.tanh(weight_ih @ x + bias_ih + weight_hh @ h + bias_hh)]


def lstm_formula(
    x: Any, h: Any, c: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = 0.0, bias_hh: Any = 0.0
) -> list[Any]:
    i, f, g, o = np.split(weight_ih @ x + bias_ih + weight_hh @ h + bias_hh, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


def gru_formula(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = 0.0, bias_hh: Any = 0.0) -> list[Any]:
    r, z, n = np.split(weight_ih @ x + bias_ih, 3)
    r_h, z_h, n_h = np.split(weight_hh @ h + bias_hh, 3)
    r, z = sigmoid(r + r_h), sigmoid(z + z_h)
    return [(1 - z) * np.tanh(n + r * n_h) + z * h]


FORMULAS = {RNNCell: rnn_formula, LSTMCell: lstm_formula, GRUCell: gru_formula}


@FEW
@given(cell=st.sampled_from(CELLS), size=sizes, hidden=sizes, bias=st.booleans(), seed=seeds)
def test_a_step_and_its_gradients_are_those_of_the_formula(
    cell: Any, size: int, hidden: int, bias: bool, seed: int
) -> None:
    layer = cell(size, hidden, bias)
    inputs = [drawn(seed, size), *(drawn(seed + k, hidden) for k in range(1, 1 + len(cell.state_names)))]

    def call(x: Any, *states: Any) -> list[Any]:
        result = layer(x, state_of(cell, list(states)))
        return list(result) if cell is LSTMCell else [result]

    assert_is_the_formulas(layer, call, FORMULAS[cell], inputs, seed)


@pytest.mark.parametrize(("network", "cell"), PAIRS)
def test_a_network_is_the_formula_step_by_step_and_layer_by_layer(network: Any, cell: Any) -> None:
    layer, xs, states = network(2, 3, num_layers=2), drawn(0, 4, 2), len(cell.state_names)

    def formula(x: Any, **state: Any) -> list[Any]:
        finals = []
        for number in range(2):
            weights = {name.removesuffix(f"_l{number}"): w for name, w in state.items() if name.endswith(f"_l{number}")}
            now, outputs = [np.zeros(3)] * states, []
            for xt in x:
                now = FORMULAS[cell](xt, *now, **weights)
                outputs.append(now[0])
            x = outputs
            finals.append(now)
        return [np.array(x), *(np.array([final[k] for final in finals]) for k in range(states))]

    assert_is_the_formulas(layer, lambda x: nests(layer(x)), formula, [xs])


@pytest.mark.parametrize("network", NETWORKS)
def test_derivatives_are_those_of_60_digit_arithmetic(network: Any) -> None:
    def last(layer: Any, xs: Any) -> Any:
        return layer(xs)[1]

    report = check_gradients(last, network(1, 2, generator=1), [[0.5], [-0.7]], order=1)
    assert report.verdict is Verdict.CORRECT


# ------------------------------------------------------------------------------------------------- PyTorch


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@settings(max_examples=8)
@given(
    options=st.fixed_dictionaries(
        {"num_layers": st.integers(1, 3), "bias": st.booleans(), "batch_first": st.booleans()}
    ),
    nonlinearity=st.sampled_from(["tanh", "relu"]),
    shape=st.tuples(*[st.sampled_from([3, 2, 1])] * 4),
    with_state=st.booleans(),
    seed=seeds,
)
def test_values_and_gradients_are_pytorchs(
    network: Any,
    batched: bool,
    bidirectional: bool,
    options: dict[str, Any],
    nonlinearity: str,
    shape: tuple[int, int, int, int],
    with_state: bool,
    seed: int,
) -> None:
    torch = pytest.importorskip("torch")
    length, batch, size, hidden = shape
    options = {**options, "bidirectional": bidirectional}
    if network is RNN:
        options["nonlinearity"] = nonlinearity
    layer, twin = network(size, hidden, **options), getattr(torch.nn, network.__name__)(size, hidden, **options)
    axes = ((batch, length) if options["batch_first"] else (length, batch)) if batched else (length,)
    inputs = [drawn(seed, *axes, size)]
    if with_state:
        count = options["num_layers"] * (2 if options["bidirectional"] else 1)
        middle = (batch,) if batched else ()
        inputs += [drawn(seed + k, count, *middle, hidden) for k in range(1, 1 + len(network.state_names))]
    assert_is_pytorchs(
        layer,
        twin,
        lambda x, *hx: nests(layer(x, state_of(network, list(hx)))),
        lambda x, *hx: nests(twin(x, state_of(network, list(hx)))),
        inputs,
        seed,
    )


@FEW
@given(cell=st.sampled_from(CELLS), size=sizes, hidden=sizes, bias=st.booleans(), batch=st.integers(0, 2), seed=seeds)
def test_values_and_gradients_of_cells_are_pytorchs(
    cell: Any, size: int, hidden: int, bias: bool, batch: int, seed: int
) -> None:
    torch = pytest.importorskip("torch")
    layer, twin = cell(size, hidden, bias), getattr(torch.nn, cell.__name__)(size, hidden, bias)
    axes = (batch,) if batch else ()
    inputs = [drawn(seed, *axes, size), *(drawn(seed + k, *axes, hidden) for k in range(1, 1 + len(cell.state_names)))]

    def listed(result: Any) -> list[Any]:
        return list(result) if cell is LSTMCell else [result]

    assert_is_pytorchs(
        layer,
        twin,
        lambda x, *hx: listed(layer(x, state_of(cell, list(hx)))),
        lambda x, *hx: listed(twin(x, state_of(cell, list(hx)))),
        inputs,
        seed,
    )


@pytest.mark.parametrize("kind", [*NETWORKS, *CELLS])
def test_parameters_have_pytorchs_names_shapes_and_bounds(kind: Any) -> None:
    layer = kind(3, 2, generator=0)
    rows = 2 * GATES[kind]
    suffix = "_l0" if kind in NETWORKS else ""
    shapes = {"weight_ih": (rows, 3), "weight_hh": (rows, 2), "bias_ih": (rows,), "bias_hh": (rows,)}
    state = layer.state_dict()
    assert {name: array.shape for name, array in state.items()} == {n + suffix: shape for n, shape in shapes.items()}
    everything = np.concatenate([array.ravel() for array in state.values()])
    assert 0.8 / math.sqrt(2) < np.abs(everything).max() <= 1 / math.sqrt(2)
    assert everything.min() < 0.0 < everything.max()


def test_parameters_depend_on_the_generator_alone() -> None:
    first, second, third = (LSTM(2, 2, 2, generator=generator).state_dict() for generator in (5, random.Random(5), 6))
    assert all((first[name] == second[name]).all() for name in first)
    assert all((first[name] != third[name]).any() for name in first)


# ------------------------------------------------------------------------------------ sequences and states


@pytest.mark.parametrize(("network", "cell"), PAIRS)
def test_a_network_of_one_layer_is_its_cell_along_the_sequence_bit_for_bit(network: Any, cell: Any) -> None:
    layer, step = network(2, 3, generator=0), cell(2, 3)
    step.load_state_dict({name.removesuffix("_l0"): array for name, array in layer.state_dict().items()})
    xs = drawn(0, 5, 2).tolist()
    output, final = layer(xs)
    state = None
    for x, y in zip(xs, output, strict=True):
        state = step(x, state)
        assert (numbers(state[0] if network is LSTM else state) == numbers(y)).all()
    assert (numbers(state) == numbers(final).reshape(numbers(state).shape)).all()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("cut", [1, 3])
def test_a_sequence_in_two_parts_goes_on_where_it_was_bit_for_bit(network: Any, cut: int) -> None:
    layer, xs = network(2, 3, num_layers=2, generator=0), drawn(0, 5, 2).tolist()
    whole, final = layer(xs)
    first, state = layer(xs[:cut])
    second, end = layer(xs[cut:], state)
    assert (numbers(whole) == numbers(first + second)).all()
    assert (numbers(final) == numbers(end)).all()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_sequence_of_a_batch_has_the_outputs_that_it_has_alone(network: Any, batch_first: bool) -> None:
    layer, xs = network(2, 3, 2, batch_first=batch_first, bidirectional=True, generator=0), drawn(0, 3, 4, 2)
    given = xs if batch_first else xs.swapaxes(0, 1)
    output, final = layer(given.tolist())
    outputs = numbers(output) if batch_first else numbers(output).swapaxes(0, 1)
    for n, sequence in enumerate(xs):
        alone, end = layer(sequence.tolist())
        assert (outputs[n] == numbers(alone)).all()
        assert (numbers(final)[..., n, :] == numbers(end)).all()


@pytest.mark.parametrize("network", NETWORKS)
def test_the_backward_direction_is_the_forward_one_of_the_sequence_reversed(network: Any) -> None:
    both, one, xs = network(2, 3, bidirectional=True, generator=0), network(2, 3), drawn(0, 4, 2).tolist()
    state = both.state_dict()
    one.load_state_dict({name: state[f"{name}_reverse"] for name in one.state_dict()})
    output, _ = both(xs)
    expected, _ = one(xs[::-1])
    assert (numbers(output)[:, 3:] == numbers(expected)[::-1]).all()


@pytest.mark.parametrize("network", NETWORKS)
def test_an_output_depends_on_no_later_input(network: Any) -> None:
    leaves = of_leaves(drawn(0, 4, 2))
    output, _ = network(2, 3, 2, generator=0)(leaves)
    total(output[1]).backward()
    assert [all(x.grad != 0.0 for x in xs) for xs in leaves] == [True, True, False, False]
    assert all(x.grad == 0.0 for xs in leaves[2:] for x in xs)


def test_an_lstm_whose_gates_say_so_keeps_its_cell_and_its_gradient_for_good() -> None:
    lstm = LSTM(1, 1, generator=0)
    for parameter in lstm.parameters():
        parameter.data = 0.0
    for bias, number in zip(lstm.bias_ih_l0, (-800.0, 40.0, 0.0, 40.0), strict=True):  # write nothing, keep all, show
        bias.data = number
    c = Value(0.25)
    _, (_, c_n) = lstm([[1.0]] * 100, ([[0.0]], [[c]]))
    c_n[0][0].backward()
    assert (c_n[0][0].data, c.grad) == (0.25, 1.0)


@pytest.mark.parametrize("network", NETWORKS)
def test_arrays_give_object_arrays(network: Any) -> None:
    xs = drawn(0, 4, 2, 3)
    output, states = network(3, 2, num_layers=2)(xs)
    assert isinstance(output, np.ndarray)
    assert output.shape == (4, 2, 2)
    for state in states if network is LSTM else [states]:
        assert isinstance(state, np.ndarray)
        assert state.shape == (2, 2, 2)
    again, _ = network(3, 2, num_layers=2)(xs, states)
    assert again.shape == (4, 2, 2)


@pytest.mark.parametrize("network", NETWORKS)
def test_each_row_of_weights_is_one_dot_node_a_step(network: Any) -> None:
    output, _ = network(2, 3)([[1.0, 2.0]] * 2)
    nodes = topological_order(total([y for ys in output for y in ys]))
    dots = [node for node in nodes if node.op == "dot"]
    # Of the last step of an LSTM all gates are used. A GRU's candidate has two rows, one of which r multiplies.
    assert len(dots) == 2 * 3 * {RNN: 1, LSTM: 4, GRU: 4}[network]
    assert {len(node.parents) for node in dots} <= {2 * (2 + 3) + 1, 2 * 2 + 1, 2 * 3 + 1}


# ------------------------------------------------------------------------------------------------- dropout


def test_dropout_is_between_layers_only_and_in_training_only() -> None:
    xs = of_leaves(drawn(0, 3, 2))
    layer = GRU(2, 3, num_layers=2, dropout=1.0, generator=0)
    output, h_n = layer(xs)
    total(list(flat(output))).backward()
    assert all(x.grad == 0.0 for x in flat(xs))  # nothing gets from layer 0 to layer 1
    assert all(y.data != 0.0 for y in flat([output, h_n]))  # nothing is dropped behind layer 1
    first = GRU(2, 3)
    first.load_state_dict(layer.state_dict(), strict=False)
    assert (numbers(first(xs)[1][0]) == numbers(h_n[0])).all()  # nor before layer 0
    assert (numbers(layer.eval()(xs)[0]) != numbers(output)).any()
    plain = GRU(2, 3, num_layers=2)
    plain.load_state_dict(layer.state_dict())
    assert (numbers(layer(xs)[0]) == numbers(plain(xs)[0])).all()


def test_what_is_dropped_depends_on_the_generator_alone() -> None:
    xs = drawn(0, 3, 2).tolist()
    first, second = (LSTM(2, 4, num_layers=2, dropout=0.5, generator=3)(xs)[0] for _ in range(2))
    assert (numbers(first) == numbers(second)).all()


def test_dropout_without_a_layer_behind_it_warns() -> None:
    with pytest.warns(UserWarning, match=r"RNN drops between layers: dropout=0\.5 does nothing where num_layers is 1"):
        RNN(2, 3, dropout=0.5)


# -------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RNN(0, 1), "input_size is a positive number, not 0"),
        (lambda: LSTM(1, -1), "hidden_size is a positive number, not -1"),
        (lambda: GRU(1, 1, num_layers=0), "num_layers is a positive number, not 0"),
        (lambda: RNN(1, 1, nonlinearity="sigmoid"), "nonlinearity is 'tanh' or 'relu', not 'sigmoid'"),
        (lambda: RNNCell(1, 1, nonlinearity="gelu"), "nonlinearity is 'tanh' or 'relu', not 'gelu'"),
        (lambda: GRUCell(2, 0), "hidden_size is a positive number, not 0"),
        (
            lambda: LSTM(2, 3)([[1.0]]),
            r"LSTM\(2, 3\) takes an input of shape \(L, 2\) or \(L, N, 2\), and was given one of shape \(1, 1\)",
        ),
        (
            lambda: LSTM(2, 3, batch_first=True)([1.0, 2.0]),
            r"LSTM\(2, 3, batch_first=True\) takes an input of shape \(L, 2\) or \(N, L, 2\), .* shape \(2,\)",
        ),
        (lambda: GRU(2, 3)([]), r"GRU\(2, 3\) takes an input of shape .* shape \(0,\)"),
        (lambda: GRU(2, 3)(np.zeros((0, 2))), r"GRU\(2, 3\) takes at least one step .* not an input of shape \(0, 2\)"),
        (lambda: GRUCell(2, 3)(np.zeros((0, 2))), r"GRUCell\(2, 3\) takes at least one input, not a .* shape \(0, 2\)"),
        (
            lambda: GRU(2, 3)([[1.0, 2.0]], [1.0, 2.0, 3.0]),
            r"GRU\(2, 3\) takes a state h of shape \(1, 3\), and was given one of shape \(3,\)",
        ),
        (
            lambda: LSTM(2, 3, 2)([[[1.0, 2.0]]], (np.zeros((2, 1, 3)), np.zeros((2, 2, 3)))),
            r"LSTM\(2, 3, num_layers=2\) takes a state c of shape \(2, 1, 3\), and was given one of shape \(2, 2, 3\)",
        ),
        (
            lambda: RNNCell(2, 3)([1.0, 2.0, 3.0]),
            r"RNNCell\(2, 3\) takes an input of shape \(2,\) or \(N, 2\), and was given one of shape \(3,\)",
        ),
        (
            lambda: RNN(2, 3)([[[1.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]]]),
            r"RNN\(2, 3\) takes an input .* parts of different shapes",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: LSTM(2, 3)([[1.0, 2.0]], np.zeros((1, 3))),
            r"LSTM\(2, 3\) takes as its state a pair \(h, c\), .*ndarray",
        ),
        (lambda: LSTMCell(2, 3)([1.0, 2.0], [1.0] * 3), r"takes as its state a pair \(h, c\), .* list of 3 items"),
        (lambda: RNN(2, 3)([["a", "b"]]), r"RNN\(2, 3\) takes an input .* not str 'a'"),
        (lambda: RNN(2.0, 3), "input_size is a positive int, not float"),
    ],
)
def test_what_is_of_another_kind_is_refused(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_reprs_say_what_differs_from_the_default() -> None:
    assert repr(RNN(1, 2, nonlinearity="relu")) == "RNN(1, 2, nonlinearity='relu'): 10 parameters"
    layer = LSTM(1, 2, 2, bias=False, dropout=0.5, bidirectional=True)
    assert repr(layer).startswith("LSTM(1, 2, num_layers=2, bias=False, dropout=0.5, bidirectional=True): ")
    assert repr(GRUCell(1, 2, bias=False)) == "GRUCell(1, 2, bias=False): 18 parameters"


def test_parameters_that_are_set_later_are_used() -> None:
    layer = RNN(1, 1, bias=False)
    set_drawn(layer, 0)
    layer.weight_ih_l0 = ((Value(2.0),),)
    output, _ = layer([[0.5]])
    assert output[0][0].data == math.tanh(1.0)
