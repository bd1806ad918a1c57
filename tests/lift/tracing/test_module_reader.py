"""Whatever is changed in a module between two calls of a lifted function, the second call sees it."""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value, nn, value_and_grad
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.tracing import module_reader
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


class Holding(nn.Module):
    """Holds something, which its result reads."""

    def __init__(self, held: Any, read: Callable[[Any], Any]) -> None:
        self.weight = Value(2.0)
        self.held = held
        self.read = read

    def forward(self, x: Any) -> Any:
        return self.weight * x + self.read(self.held)


class Foreign:
    """An array of another library."""

    def __init__(self) -> None:
        self.numbers = [1.0, 2.0]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.numbers, dtype)


VIEWED = {"a": 1.0}
A, B = Value(3.0), Value(4.0)
#: What a module may hold, what is changed in it, and how it is read.
HELD: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "a number behind a parameter": (lambda: [Value(2.0), 5.0], lambda h: h.__setitem__(1, 7.0), lambda h: h[0] + h[1]),
    "a tuple with a parameter first": (
        lambda: [(Value(2.0), 2)],
        lambda h: h.__setitem__(0, (h[0][0], 3)),
        lambda h: h[0][0] ** h[0][1],
    ),
    "a number in an array of objects": (
        lambda: np.array([Value(2.0), 5.0], dtype=object),
        lambda h: h.__setitem__(1, 7.0),
        lambda h: h[0] + h[1],
    ),
    "numbers in an array of objects": (
        lambda: np.array([2.0, 5.0], dtype=object),
        lambda h: h.__setitem__(1, 7.0),
        lambda h: h[0] + h[1],
    ),
    "a deque": (lambda: deque([1.0, 2.0]), lambda h: h.__setitem__(0, 50.0), lambda h: h[0]),
    "a view of a dict": (
        lambda: (MappingProxyType(VIEWED), VIEWED),
        lambda h: h[1].update(a=9.0),
        lambda h: h[0]["a"],
    ),
    "an array of Python": (lambda: array("d", [1.0]), lambda h: h.__setitem__(0, 5.0), lambda h: h[0]),
    "bytes": (lambda: bytearray(b"a"), lambda h: h.__setitem__(0, 5), lambda h: float(h[0])),
    "a masked array": (
        lambda: np.ma.masked_array([1.0, 2.0], [False, False]),
        lambda h: h.mask.__setitem__(0, True),
        lambda h: float(h.sum()),
    ),
    "another library's array": (Foreign, lambda h: h.numbers.__setitem__(0, 5.0), lambda h: float(np.asarray(h)[0])),
    "the sign of a zero": (
        lambda: [np.float32(0.0)],
        lambda h: h.__setitem__(0, np.float32(-0.0)),
        lambda h: math.copysign(1.0, h[0]),
    ),
    "what was computed": (lambda: [A * B], lambda h: h.__setitem__(0, A + B), lambda h: h[0] * 1.0),
    "what was computed, again": (
        lambda: [A * B],
        lambda h: (setattr(A, "data", A.data + 1.0), h[0].forward()),
        lambda h: h[0] * 1.0,
    ),
}


@pytest.mark.parametrize("name", HELD)
def test_whatever_a_module_holds_a_call_sees_what_was_changed_in_it(name: str) -> None:
    make, change, read = HELD[name]
    model = Holding(make(), read)
    lifted = lift(lambda m, x: m(x))
    for changed in (False, False, True, False):
        if changed:
            change(model.held)
        expected = model(3.0)
        assert lifted(model, 3.0) == pytest.approx(float(getattr(expected, "data", expected)), rel=1e-12)


class Mangled(nn.Module):
    """Has a parameter and a setting under names that Python changes."""

    __slots__ = ("__gain", "__power")

    def __init__(self) -> None:
        self.__gain = Value(2.0)
        self.__power = 1

    def change(self) -> None:
        self.__gain = Value(5.0)

    def forward(self, x: Any) -> Any:
        return self.__gain * x**self.__power


def test_a_parameter_in_a_slot_whose_name_python_changes_is_one() -> None:
    model = Mangled()
    assert [name for name, _ in model.named_parameters()] == ["_Mangled__gain"]
    lifted = lift(lambda m, x: m(x))
    for expected in (6.0, 6.0, 15.0):
        if expected == 15.0:
            model.change()
        assert lifted(model, 3.0) == expected
    loaded = Mangled()
    loaded.load_state_dict(model.state_dict())
    assert loaded(3.0).data == 15.0


def test_of_two_slots_with_one_name_the_one_that_is_read_counts() -> None:
    class Neuron(nn.Neuron):
        __slots__ = ("activation",)

    Neuron.__qualname__ = nn.Neuron.__qualname__
    model = Neuron(1, None, 0)
    nn.Neuron.activation.__set__(model, None)
    lifted = lift(lambda m, x: m([x]))
    before = lifted(model, 3.0)
    assert lifted(model, 3.0) == before
    model.activation = lambda z: z * z
    assert lifted(model, 3.0) == pytest.approx(before**2)


class Proxy:
    """Stands for a module, and has no dict."""

    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "inner"), name)

    def __parameter_tree__(self) -> Any:
        return self.inner.__parameter_tree__()

    def __call__(self, x: Any) -> Any:
        return self.inner(x)


def test_a_stand_in_without_a_dict_is_taken_apart_each_time() -> None:
    model = nn.MLP(2, [3, 1], generator=0)
    proxy = Proxy(model)
    lifted = lift(lambda m, x: m(x))
    for number in (1.0, 2.0, 3.0):
        model.layers[0].neurons[0].b.data = number
        assert lifted(proxy, X) == pytest.approx(model(X).data, rel=1e-12)


def test_a_dict_that_grows_while_it_is_looked_at_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = reader_of(nn.Linear(2, 1))

    def raises(*_: Any) -> bool:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(module_reader, "hold_the_same", raises)
    assert reader.read() is None
    assert reader.is_stale
