"""Code of micrograd's users on Neuron, Layer, MLP and Module: their subclasses, and what they read of ours."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from collections.abc import Callable, Iterator, Sequence
from operator import add

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.nn import MLP, Layer, Linear, Module, Neuron


def test_weights_and_bias_are_added_as_the_lists_of_micrograd() -> None:
    neuron = Neuron(3, generator=0)
    plain = tuple(neuron.w)
    assert add(neuron.w, [neuron.b]) == [*plain, neuron.b] == neuron.parameters()
    assert add([neuron.b], neuron.w) == [neuron.b, *plain]
    assert add(neuron.w, (neuron.b,)) == (*plain, neuron.b)
    assert add((neuron.b,), neuron.w) == (neuron.b, *plain)
    assert [p for n in Layer(2, 3, generator=0).neurons for p in add(n.w, [n.b])][5].data == 0.0
    with pytest.raises(TypeError):
        add(neuron.w, 1.0)
    neuron.w = neuron.w
    assert neuron.parameters() == [*plain, neuron.b]
    assert [name for name, _ in neuron.named_parameters()] == ["w.0", "w.1", "w.2", "b"]
    for twin in (copy.deepcopy(neuron), pickle.loads(pickle.dumps(neuron))):
        assert [p.data for p in add(twin.w, [twin.b])] == [p.data for p in neuron.parameters()]


def test_weights_are_differentiated_as_the_tuple_that_they_are() -> None:
    neuron = Neuron(2, None, generator=0)
    gradients = tg.grad(lambda w: w[0] * 2.0 + w[1] * 3.0)(neuron.w)
    assert [g.data for g in gradients] == [2.0, 3.0]


def test_nonlin_is_read_and_set_as_in_micrograd() -> None:
    neuron = Neuron(1, nonlin=False)
    neuron.w[0].data = -1.0
    assert not neuron.nonlin
    assert neuron([3.0]).data == -3.0
    neuron.nonlin = True
    assert neuron.nonlin
    assert neuron([3.0]).data == 0.0
    assert Neuron(2, "tanh").nonlin
    assert [n.nonlin for layer in MLP(2, [3, 1]).layers for n in layer.neurons] == [True] * 3 + [False]


class OwnNeuron(Neuron):
    """As a student writes it: an ``__init__`` that calls no other."""

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Value(0.5 * k - 0.25) for k in range(nin)]
        self.b = Value(0.125)
        self.nonlin = nonlin


class CalledNeuron(OwnNeuron):
    """And as micrograd does, which has no ``forward``."""

    def __call__(self, x: Sequence[Value]) -> Value:
        act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
        return act.tanh()


class OwnLayer(Layer):
    def __init__(self, nin: int, nout: int, neuron: type[Neuron] = OwnNeuron) -> None:
        self.neurons = [neuron(nin) for _ in range(nout)]


class OwnMLP(MLP):
    def __init__(self, sizes: list[int], neuron: type[Neuron] = OwnNeuron) -> None:
        self.layers = [OwnLayer(a, b, neuron) for a, b in itertools.pairwise(sizes)]


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (OwnNeuron(2), "OwnNeuron(2, activation='relu'): 3 parameters"),
        (OwnNeuron(2, nonlin=False), "OwnNeuron(2, activation=None): 3 parameters"),
        (CalledNeuron(2), "CalledNeuron(2, activation='relu'): 3 parameters"),
        (OwnLayer(2, 3), "OwnLayer(2, 3, activation='relu'): 9 parameters"),
        (OwnMLP([2, 3, 1]), "OwnMLP(2, [3, 1], activation='relu'): 13 parameters"),
    ],
)
def test_subclasses_with_an_init_of_their_own_show_what_they_are(model: Module, text: str) -> None:
    assert repr(model) == text
    assert str(len(model.parameters())) in model.summary()


@pytest.mark.parametrize(("neuron", "f"), [(OwnNeuron, lambda z: max(z, 0.0)), (CalledNeuron, math.tanh)])
def test_subclasses_with_an_init_of_their_own_compute_what_they_say(
    neuron: type[Neuron], f: Callable[[float], float]
) -> None:
    def layer(xs: list[float], n: int) -> list[float]:
        return [f(sum((0.5 * k - 0.25) * x for k, x in enumerate(xs)) + 0.125)] * n

    x = [0.75, 2.0]
    expected = layer(layer(x, 3), 1)[0]
    model = OwnMLP([2, 3, 1], neuron)
    assert model(x).data == pytest.approx(expected, rel=1e-15)
    built_in = MLP(2, [3, 1], generator=0)
    built_in.layers[0].neurons = [neuron(2) for _ in range(3)]
    assert [v.data for v in built_in.layers[0](x)] == pytest.approx(layer(x, 3), rel=1e-15)
    model.zero_grad()
    model(x).backward()
    assert any(p.grad != 0.0 for p in model.parameters())
    lifted, gradients = tg.lift(tg.value_and_grad(lambda m, z: m(z)))(model, np.array(x))
    assert float(lifted) == pytest.approx(expected, rel=1e-12)
    flat = np.concatenate([np.ravel(g) for g in gradients.values()])
    assert sorted(flat) == pytest.approx(sorted(p.grad for p in model.parameters()), rel=1e-12)


def test_what_an_init_of_ones_own_left_out_is_named_when_it_is_needed() -> None:
    class Empty(Neuron):
        def __init__(self) -> None:
            pass

    neuron = Empty()
    assert repr(neuron) == "Empty(): 0 parameters"
    for name, remedy in (("w", r"self\.w = \["), ("b", r"self\.b = Value"), ("activation", r"self\.nonlin = True")):
        with pytest.raises(AttributeError, match=rf"no {name}.*super\(\).__init__\(nin\).*{remedy}"):
            neuron([1.0])
        setattr(neuron, name, {"w": [Value(2.0)], "b": Value(1.0), "activation": None}[name])
    assert neuron([3.0]).data == 7.0


def test_an_attribute_error_of_an_activation_is_its_own() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        Neuron(1, lambda z: z.nothing)([1.0])  # type: ignore[attr-defined]  # that is the test


def test_a_layer_without_neurons_and_a_model_of_other_layers_show_what_they_are() -> None:
    layer = Layer(2, 2, generator=0)
    layer.neurons = []
    assert repr(layer) == "Layer(0): 0 parameters"
    model = MLP(2, [2, 1], generator=0)
    model.layers[0] = Linear(2, 2)  # type: ignore[call-overload]  # as one may
    assert repr(model).startswith("MLP(")
    assert model([1.0, 2.0]).data == model.layers[1](model.layers[0]([1.0, 2.0])).data


def test_a_module_of_ones_own_as_in_micrograd() -> None:
    """``Module`` there has ``parameters`` to override and ``zero_grad``; classes define ``__call__``."""

    class Line(Module):
        def __init__(self) -> None:
            self.m, self.c = Value(2.0), Value(1.0)

        def __call__(self, x: float) -> Value:
            return self.m * x + self.c

        def parameters(self) -> list[Value]:
            return [self.m, self.c]

    class Yielding(Line):
        def parameters(self) -> Iterator[Value]:  # type: ignore[override]  # as people write it
            yield self.m

    class Pair(Module):
        def __init__(self) -> None:
            self.parts = [Line(), Line()]

        def __call__(self, x: float) -> Value:
            return self.parts[1](self.parts[0](x))  # type: ignore[arg-type]

        def parameters(self) -> list[Value]:
            return [p for part in self.parts for p in part.parameters()]

    assert repr(Yielding()) == "Yielding(): 1 parameter"
    model = Pair()
    for _ in range(200):
        loss = (model(3.0) - 5.0) ** 2
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data += -0.001 * p.grad
    assert model(3.0).data == pytest.approx(5.0, abs=1e-3)
