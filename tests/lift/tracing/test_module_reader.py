"""Whatever is changed in a module between two calls of a lifted function, the second call sees it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value, nn, value_and_grad
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.tracing.module_reader import ModuleReader, UnreadableError, describe_parameters
from tinygrad_lite.nn.layers.layers import Neuron

X = [0.5, -1.0]


class Everything(nn.Module):
    """Parameters and settings in whatever an attribute may hold."""

    def __init__(self) -> None:
        self.net = nn.MLP(2, [3, 2], "tanh", generator=0)
        self.gain = Value(1.5)
        self.lists = [[Value(0.5), Value(2.0)], 3]
        self.by_name = {"a": Value(0.25), "b": 2.0}
        self.shift = np.array([0.5, 0.25])
        self.pair = (Value(0.1), [Value(0.2)])
        self.power = 1

    def forward(self, x: Any) -> Any:
        y, z = self.net(x)
        out = self.gain * y * self.lists[0][0] + z * self.lists[0][1] * self.lists[1]
        out = out + self.by_name["a"] * self.by_name["b"] + float(self.shift[0])
        out = out + self.pair[0] * self.pair[1][0]
        return out**self.power if self.training else 2 * out


def replace_neuron(m: Any) -> None:
    m.net.layers[0].neurons[1] = Neuron(2, "tanh", generator=5)


class Other(Everything):
    def forward(self, x: Any) -> Any:
        return 3 * super().forward(x)


class OtherNeuron(Neuron):
    def forward(self, x: Any) -> Any:
        return 2 * super().forward(x)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda m: None,
    "a number": lambda m: setattr(m.gain, "data", 4.0),
    "a number in a neuron": lambda m: setattr(m.net.layers[0].neurons[2].w[1], "data", 4.0),
    "a parameter": lambda m: setattr(m, "gain", Value(3.0)),
    "a parameter in a list": lambda m: m.lists[0].__setitem__(1, Value(9.0)),
    "a parameter in a list in a tuple": lambda m: m.pair[1].__setitem__(0, Value(9.0)),
    "a parameter in a dict": lambda m: m.by_name.update(a=Value(5.0)),
    "a setting in a dict": lambda m: m.by_name.update(b=5.0),
    "a setting in a list": lambda m: m.lists.__setitem__(1, 7),
    "a setting": lambda m: setattr(m, "power", 2),
    "an array in place": lambda m: m.shift.__setitem__(0, 8.0),
    "an array": lambda m: setattr(m, "shift", np.array([3.0, 0.0])),
    "the weights of a neuron": lambda m: setattr(m.net.layers[0].neurons[0], "w", (Value(1.0), Value(2.0))),
    "the activation of a neuron": lambda m: setattr(m.net.layers[0].neurons[0], "activation", None),
    "a neuron": replace_neuron,
    "a layer": lambda m: m.net.layers.__setitem__(1, nn.Layer(3, 2, None, 7)),
    "the mode": lambda m: m.eval(),
    "the mode of a part": lambda m: m.net.eval(),
    "the class": lambda m: setattr(m, "__class__", Other),
    "the class of a neuron": lambda m: setattr(m.net.layers[1].neurons[0], "__class__", OtherNeuron),
    "all attributes": lambda m: setattr(m, "__dict__", {**vars(m), "gain": Value(-1.0)}),
    "the order of neurons": lambda m: m.net.layers[0].neurons.reverse(),
    "an attribute of a neuron": lambda m: setattr(m.net.layers[0].neurons[0], "note", "here"),
    "the label of a parameter": lambda m: setattr(m.net.layers[0].neurons[0].b, "label", "b"),
    "what is frozen": lambda m: setattr(m.gain, "requires_grad", False),
    "what is frozen in a neuron": lambda m: setattr(m.net.layers[0].neurons[0].b, "requires_grad", False),
}


def f(m: Any, x: Any) -> Any:
    return m(x) ** 2


#: What an engine is given is the same on all: those after which it has other arrays, other constants, another program.
ON_JAX = ["a number in a neuron", "an array in place", "a neuron", "the mode of a part", "what is frozen"]


@pytest.mark.parametrize(
    ("name", "engine"), [*[(name, "numpy") for name in CHANGES], *[(name, "jax") for name in ON_JAX]]
)
def test_a_call_sees_what_was_changed_since_the_last(name: str, engine: str) -> None:
    if engine == "jax":
        pytest.importorskip("jax")
    model = Everything()
    lifted = lift(value_and_grad(f), engine=engine, **({"dtype": "float64"} if engine == "jax" else {}))
    for change in (CHANGES["nothing"], CHANGES["nothing"], CHANGES[name], CHANGES["a number"], CHANGES["nothing"]):
        change(model)
        value, slopes = lifted(model, np.array(X))
        expected, wanted = value_and_grad(f)(model, X)
        assert float(value) == pytest.approx(expected, rel=1e-12)
        assert slopes.keys() == wanted.keys()
        for key, slope in slopes.items():
            np.testing.assert_allclose(slope, wanted[key], rtol=1e-10, atol=1e-12)


def reader_of(module: Any) -> ModuleReader:
    return ModuleReader(module, describe_parameters(module.__parameter_tree__()))


def test_arrays_are_the_same_until_a_leaf_changes() -> None:
    model = Everything()
    reader = reader_of(model)
    first = reader.read()
    assert first is not None
    assert reader.read() is first
    model.gain.data = 2.0
    second = reader.read()
    assert second is not first
    assert [np.array_equal(a, b) for a, b in zip(first, second or [], strict=True)].count(False) == 1
    assert not reader.is_stale
    model.lists.append(1)
    assert reader.read() is None
    assert reader.is_stale


def test_a_program_reads_a_module_quickly_again_after_it_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Everything()
    lifted = lift(value_and_grad(f))
    x = np.array(X)
    for _ in range(2):
        lifted(model, x)
    replace_neuron(model)
    for _ in range(3):
        lifted(model, x)
    taken: list[Any] = []
    monkeypatch.setattr(type(lifted.last.inputs), "take_apart", lambda *args: taken.append(args))
    value, _ = lifted(model, x)
    assert value == pytest.approx(value_and_grad(f)(model, X)[0], rel=1e-12)
    assert not taken


@pytest.mark.parametrize(
    "part", [OrderedDict(a=Value(1.0)), {1, 2}, np.array([Value(1.0)])], ids=["own", "set", "objects"]
)
def test_what_may_change_unseen_has_no_reader_and_is_taken_apart_each_time(part: Any) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            self.weight = Value(2.0)
            self.part = part

        def forward(self, x: Any) -> Any:
            return self.weight * x

    odd = Odd()
    with pytest.raises(UnreadableError):
        reader_of(odd)
    lifted = lift(lambda m, x: m(x))
    for number in (2.0, 3.0, 4.0):
        odd.weight.data = number
        assert lifted(odd, 5.0) == 5.0 * number


def test_a_reader_is_for_arrays_of_the_shapes_that_the_program_takes() -> None:
    model = nn.Linear(2, 3)
    with pytest.raises(UnreadableError):
        ModuleReader(model, (("weight", (3, 2), ()), ("bias", (4,), ())))


def test_a_neuron_that_is_labelled_is_another_module_to_the_reader() -> None:
    model = nn.MLP(2, [3, 1], generator=0)
    reader = reader_of(model)
    assert reader.read() is not None
    model.layers[0].neurons[2].note = "here"  # type: ignore[attr-defined]
    assert reader.read() is None
    assert reader.is_stale


def test_slots_are_watched_also_those_whose_names_python_changes_and_those_that_are_empty() -> None:
    class Hidden(nn.Module):
        __slots__ = ("__power", "later")

        def __init__(self) -> None:
            self.weight = Value(2.0)
            self.raise_to(1)

        def raise_to(self, power: int) -> None:
            self.__power = power

        def forward(self, x: Any) -> Any:
            y = self.weight**self.__power * x
            return y + self.later if hasattr(self, "later") else y

    model: Any = Hidden()
    lifted = lift(lambda m, x: m(x))
    assert [lifted(model, 3.0), lifted(model, 3.0)] == [6.0, 6.0]
    model.raise_to(2)
    assert lifted(model, 3.0) == 12.0
    model.later = 1.0
    assert lifted(model, 3.0) == 13.0
    del model.later
    assert lifted(model, 3.0) == 12.0
