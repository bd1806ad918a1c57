"""Neurons, layers and MLPs compute what they say, and so do their gradients."""

from __future__ import annotations

import math
import random

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite
from tinygrad_lite import Value, topological_order
from tinygrad_lite.nn import MLP, Layer, Module, Neuron
from tinygrad_lite.operations.ops import TABLE

ACTIVATIONS = [op.name for op in TABLE.values() if op.public and op.arity - len(op.defaults) == 1]

floats = st.floats(-3.0, 3.0)


def oracle(model: MLP, x: list[float], activation: str) -> list[mpmath.mpf]:
    """The output and its gradient, by central differences of a 60-digit evaluation written out here."""
    flat = [mpmath.mpf(p.data) for p in model.parameters()]
    sizes = [len(model.layers[0].neurons[0].w), *(len(layer.neurons) for layer in model.layers)]

    def output(parameters: list[mpmath.mpf]) -> mpmath.mpf:
        rest = iter(parameters)
        values = [mpmath.mpf(xi) for xi in x]
        for i, nout in enumerate(sizes[1:]):
            out = []
            for _ in range(nout):
                z = mpmath.fsum([next(rest) * v for v in values]) + next(rest)
                out.append(z if i == len(sizes) - 2 else getattr(mpmath, activation)(z))
            values = out
        return values[0]

    gradient = []
    h = mpmath.mpf(10) ** -20  # the error of the difference is about h², and 10⁻⁶⁰/h from rounding
    for k in range(len(flat)):
        up, down = list(flat), list(flat)
        up[k] += h
        down[k] -= h
        gradient.append((output(up) - output(down)) / (2 * h))
    return [output(flat), *gradient]


@given(x=st.lists(floats, min_size=2, max_size=2), seed=st.integers(0, 1000), name=st.sampled_from(["tanh", "sin"]))
def test_value_and_gradient_of_an_mlp_are_those_of_60_digit_arithmetic(x: list[float], seed: int, name: str) -> None:
    model = MLP(2, [3, 2, 1], name, seed=seed)
    y = model(x)
    y.backward()
    with mpmath.workdps(60):
        expected = oracle(model, x, name)
        found = [y.data, *(p.grad for p in model.parameters())]
        for ours, theirs in zip(found, expected, strict=True):
            # Each is a sum of at most 6 paths of products of at most 6 factors below 20.
            assert abs(ours - theirs) <= 1e-12 * max(1, abs(theirs))


@given(st.data())
def test_a_neuron_is_the_formula_bit_for_bit(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    x = data.draw(st.lists(floats, min_size=n, max_size=n))
    neuron = Neuron(n, "tanh")
    neuron.b.data = data.draw(floats)
    total = neuron.b.data
    for wi, xi in zip(neuron.w, x, strict=True):
        total += wi.data * xi
    assert neuron(x).data == math.tanh(total)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_operation_on_one_number_is_an_activation(name: str) -> None:
    inside = 0.5 if TABLE[name].domain[0].high == 1.0 else 1.0
    neuron = Neuron(1, name)
    neuron.b.data = inside
    assert neuron([0.0]).data == getattr(tinygrad_lite, name)(inside)


@pytest.mark.parametrize("name", ["tahn", "mul", "softmax", "tanh_derivative", ""])
def test_other_names_are_no_activation(name: str) -> None:
    with pytest.raises(ValueError, match="no operation on one number is named"):
        Neuron(1, name)


def test_a_misspelt_activation_is_answered_with_the_right_one() -> None:
    with pytest.raises(ValueError, match=r"did you mean .*tanh"):
        MLP(1, [2, 1], "tahn", seed=0)


def test_an_activation_may_be_a_function_of_ones_own() -> None:
    neuron = Neuron(1, lambda z: z * z)
    neuron.w[0].data = 3.0
    assert neuron([1.0]).data == 9.0


def test_a_neuron_is_one_dot_node_and_one_of_the_activation() -> None:
    y = MLP(2, [3, 1], seed=0)([1.0, 2.0])
    assert sorted(node.op for node in topological_order(y)) == ["dot"] * 4 + ["relu"] * 3


def test_plain_inputs_become_one_node_for_the_whole_layer() -> None:
    y = MLP(2, [3, 1], seed=0)([1.0, 2.0])
    constants = [node for node in topological_order(y, leaves=True) if node.is_constant]
    assert sorted(c.data for c in constants) == [1.0, 2.0]


def test_micrograds_nonlin() -> None:
    assert Neuron(1, nonlin=False).activation is None
    assert Neuron(1, False).activation is None
    assert Neuron(1, nonlin=True).activation is Neuron(1, True).activation is Neuron(1).activation
    assert Layer(1, 1, nonlin=False).neurons[0].activation is None


def test_only_the_last_layer_is_linear() -> None:
    model = MLP(2, [3, 3, 2], "tanh", seed=0)
    kinds = [{neuron.activation for neuron in layer.neurons} for layer in model.layers]
    assert kinds == [{tinygrad_lite.tanh}, {tinygrad_lite.tanh}, {None}]


def test_one_output_is_a_value_and_several_are_a_list() -> None:
    assert isinstance(MLP(2, [3, 1], seed=0)([1.0, 2.0]), Value)
    assert isinstance(Layer(2, 1)([1.0, 2.0]), Value)
    several = MLP(2, [3, 2], seed=0)([1.0, 2.0])
    assert isinstance(several, list)
    assert len(several) == 2
    assert isinstance(Layer(2, 2)([1.0, 2.0]), list)


@pytest.mark.parametrize(
    "x", [(0.5, 1), [Value(0.5), 1], np.array([0.5, 1.0]), np.array([0.5, 1], dtype=object), iter([0.5, True])]
)
def test_inputs_of_any_kind_give_the_same(x: object) -> None:
    assert MLP(2, [3, 1], seed=0)(x).data == MLP(2, [3, 1], seed=0)([0.5, 1.0]).data


@pytest.mark.parametrize("x", [0.5, Value(0.5), np.float64(0.5), [0.5]])
def test_a_single_input_needs_no_list(x: object) -> None:
    assert MLP(1, [3, 1], seed=0)(x).data == MLP(1, [3, 1], seed=0)([0.5]).data


def test_gradients_reach_inputs() -> None:
    x = [Value(0.3), Value(-0.2)]
    MLP(2, [3, 1], "tanh", seed=0)(x).backward()
    assert all(xi.grad != 0.0 for xi in x)


def test_a_width_of_one_in_the_middle() -> None:
    assert len(MLP(2, [1, 3], seed=0)([1.0, 2.0])) == 3


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Neuron(2), r"Neuron\(2, activation='relu'\) takes 2 inputs, and was given 3"),
        (Layer(1, 4, None), r"Layer\(1, 4, activation=None\) takes 1 input, and was given 3"),
        (MLP(2, [4, 1], "tanh", seed=0), r"Layer\(2, 4, activation='tanh'\) takes 2 inputs, and was given 3"),
    ],
)
def test_a_wrong_number_of_inputs_names_the_layer_and_both_sizes(module: Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module([1.0, 2.0, 3.0])


@pytest.mark.parametrize("nouts", [[1], [3, 2]])
@pytest.mark.parametrize("kind", [list, np.array])
def test_samples_in_a_list_or_an_array_give_what_each_gives(nouts: list[int], kind: type) -> None:
    model = MLP(2, nouts, seed=0)
    samples = [[1.0, 2.0], [3.0, -4.0], [0.5, 0.0]]
    outputs = model(kind(samples))
    assert isinstance(outputs, np.ndarray if kind is np.array else list)
    for sample, output in zip(samples, outputs, strict=True):
        expected = model(sample)
        if nouts[-1] == 1:
            assert output.data == expected.data
        else:
            assert [y.data for y in output] == [y.data for y in expected]


@pytest.mark.parametrize(
    "make", [lambda: Neuron(0), lambda: Layer(2, 0), lambda: MLP(2, [], seed=0), lambda: MLP(2, [3, -1], seed=0)]
)
def test_sizes_are_positive(make: object) -> None:
    with pytest.raises(ValueError, match=r"positive|at least one layer"):
        make()  # type: ignore[operator]  # one of the functions above


def test_one_size_in_the_place_of_those_of_all_layers_is_told_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"the sizes of all layers, as in MLP\(2, \[16, 16, 1\]\), not 4$"):
        MLP(2, 4, seed=0)  # type: ignore[arg-type]  # that is the test


def test_equal_seeds_give_equal_models_and_others_do_not() -> None:
    def weights(**arguments: object) -> list[float]:
        return [p.data for p in MLP(2, [3, 1], **arguments).parameters()]  # type: ignore[arg-type]  # as given below

    assert weights(seed=0) == weights(generator=random.Random(0))
    assert weights(seed=1) != weights(seed=2)


def test_neurons_without_rng_differ() -> None:
    assert Neuron(1).w[0].data != Neuron(1).w[0].data


@pytest.mark.parametrize(("name", "gain"), [(None, 1.0), ("relu", math.sqrt(2.0)), ("tanh", 1.5925374197228312)])
def test_weights_have_the_variance_that_the_activation_asks_for(name: str | None, gain: float) -> None:
    n = 10_000
    weights = [w.data for w in Neuron(n, name, random.Random(0)).w]
    bound = gain * math.sqrt(3.0 / n)
    assert max(map(abs, weights)) <= bound * (1 + 1e-3)
    assert sum(w * w for w in weights) == pytest.approx(gain * gain, rel=0.03)


@pytest.mark.parametrize("name", ["log", "acosh", "exp", "sqrt"])
def test_activations_of_a_limited_domain_can_be_initialised(name: str) -> None:
    assert all(math.isfinite(p.data) for p in Neuron(2, name).parameters())


def test_new_weights_in_a_neuron_are_used() -> None:
    neuron = Neuron(2, None)
    neuron.w = [Value(1.0), Value(10.0)]
    neuron.b = Value(100.0)
    assert neuron([1.0, 2.0]).data == 121.0
    neuron.w[0].data = 5.0
    assert neuron([1.0, 2.0]).data == 125.0
    assert len(neuron.parameters()) == 3


def test_the_weights_of_a_new_neuron_cannot_be_replaced_one_by_one() -> None:
    with pytest.raises(TypeError, match="item assignment"):
        Neuron(2).w[0] = Value(1.0)  # type: ignore[index]  # that is the test


def test_subclasses_of_neuron_and_layer_are_used() -> None:
    class Seven(Neuron):
        def forward(self, x: object) -> Value:
            return Value(7.0)

    class Doubled(Layer):
        def forward(self, x: object) -> list[Value]:
            return [Value(2.0), Value(2.0)]

    model = MLP(2, [2, 1], None, seed=0)
    model.layers[1].neurons[0].w = (Value(1.0), Value(1.0))
    model.layers[0].neurons = [Seven(2), Seven(2)]
    assert model([1.0, 1.0]).data == 14.0
    model.layers[0] = Doubled(2, 2)
    assert model([1.0, 1.0]).data == 4.0


def test_training_as_written_for_micrograd() -> None:
    model = MLP(2, [8, 1], seed=0)
    xs = [[2.0, 3.0], [3.0, -1.0], [-0.5, 1.0], [1.0, 1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]
    losses = []
    for k in range(100):
        inputs = [list(map(Value, row)) for row in xs]
        scores = list(map(model, inputs))
        hinge = [(1 + -yi * score).relu() for yi, score in zip(ys, scores, strict=True)]
        data_loss = sum(hinge) * (1.0 / len(hinge))
        total = data_loss + 1e-4 * sum(p * p for p in model.parameters())
        model.zero_grad()
        total.backward()
        for p in model.parameters():
            p.data -= (0.2 - 0.1 * k / 100) * p.grad
        losses.append(total.data)
    assert losses[-1] < 0.05 < losses[0]
    assert [score.data > 0 for score in map(model, xs)] == [y > 0 for y in ys]
