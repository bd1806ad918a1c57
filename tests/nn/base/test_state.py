"""state_dict and load_state_dict: everything goes out, comes back, and is refused whole where it does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value
from tinygrad_lite.nn import MLP, Linear, Module, ReLU, Sequential
from tinygrad_lite.nn.base import state


class Everything(Module):
    """Each kind of entry that a state can have."""

    def __init__(self, seed: int) -> None:
        self.scalar = Value(seed + 0.5)
        self.matrix = [[Value(seed + i + 10.0 * j) for i in range(3)] for j in range(2)]
        self.array = np.array([Value(seed + 7.0), Value(seed + 8.0)], dtype=object)
        self.ragged = [[Value(seed + 1.0)], [Value(seed + 2.0), Value(seed + 3.0)]]
        self.layers = [Linear(2, 2, generator=seed), {"inner": Linear(1, 1, bias=False, generator=seed)}]
        self.tied = self.scalar
        self.register_buffer("running_mean", [seed + 0.25, 1.5])
        self.register_buffer("batches", seed)
        self.register_buffer("statistics", np.full((2, 1), seed, dtype=np.float32))
        self.plain = 3.0


SHAPES = {
    "scalar": (),
    "matrix": (2, 3),
    "array": (2,),
    "ragged.0": (1,),
    "ragged.1": (2,),
    "layers.0.weight": (2, 2),
    "layers.0.bias": (2,),
    "layers.1.inner.weight": (1, 1),
    "running_mean": (2,),
    "batches": (),
    "statistics": (2, 1),
}


def test_each_attribute_is_one_array_of_its_shape() -> None:
    state = Everything(0).state_dict()
    assert {name: array.shape for name, array in state.items()} == SHAPES
    assert {array.dtype for array in state.values()} == {np.dtype(np.float64)}
    assert state["matrix"].tolist() == [[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]


def test_the_state_is_a_copy() -> None:
    model = Everything(0)
    model.state_dict()["scalar"] += 1.0
    assert model.scalar.data == 0.5


def test_a_loaded_state_is_the_state_with_containers_and_types_kept() -> None:
    source, target = Everything(1), Everything(5)
    parameters = target.parameters()
    assert target.load_state_dict(source.state_dict()) == ([], [])
    for name, array in source.state_dict().items():
        assert np.array_equal(target.state_dict()[name], array)
    assert all(before is after for before, after in zip(parameters, target.parameters(), strict=True))
    assert target.running_mean == [1.25, 1.5]
    assert (type(target.batches), target.batches) == (int, 1)
    assert (target.statistics.dtype, target.statistics.shape) == (np.float32, (2, 1))


def test_all_that_does_not_fit_is_listed_and_nothing_is_loaded() -> None:
    model = Everything(0)
    before = model.state_dict()
    state: dict[str, Any] = Everything(1).state_dict()
    del state["scalar"]
    state["strange"] = np.zeros(2)
    state["matrix"] = np.zeros((3, 2))
    state["array"] = "text"
    with pytest.raises(ValueError, match="the state does not fit Everything") as caught:
        model.load_state_dict(state)
    for part in ("missing: scalar", "unexpected: strange", "matrix has shape (2, 3), and was given shape (3, 2)",
                 "array is no array of numbers but str", "Nothing was loaded"):  # fmt: skip
        assert part in str(caught.value)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())


def test_not_strict_loads_what_is_there_and_says_what_was_not() -> None:
    model = Everything(0)
    keys = model.load_state_dict({"scalar": 9.0, "strange": 1.0}, strict=False)
    assert model.scalar.data == 9.0
    assert keys.unexpected_keys == ["strange"]
    assert keys.missing_keys == [name for name in SHAPES if name != "scalar"]
    with pytest.raises(ValueError, match=r"scalar has shape \(\), and was given shape \(2,\)"):
        model.load_state_dict({"scalar": [1.0, 2.0]}, strict=False)


def test_a_long_list_of_names_is_cut() -> None:
    with pytest.raises(ValueError, match="and 10 more"):
        MLP(2, [1] * 9, seed=0).load_state_dict({})


def test_something_that_is_no_state_is_refused() -> None:
    with pytest.raises(TypeError, match="arrays by name"):
        MLP(2, [1], seed=0).load_state_dict([1.0])


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_a_model_with_the_state_of_another_computes_what_it_computes(sizes: list[int], seed: int) -> None:
    source, target = MLP(2, sizes, seed=seed), MLP(2, sizes, seed=seed + 1)
    target.load_state_dict(source.state_dict())
    x = [0.3, -0.7]
    assert repr(source(x)) == repr(target(x))


def test_names_of_sequential_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    ours = Sequential(Linear(3, 4), ReLU(), Linear(4, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).double()
    assert {name: tuple(t.shape) for name, t in theirs.state_dict().items()} == {
        name: array.shape for name, array in ours.state_dict().items()
    }
    ours.load_state_dict(theirs.state_dict())
    x = [0.5, -1.0, 2.0]
    expected = theirs(torch.tensor(x, dtype=torch.float64))
    assert [y.data for y in ours(x)] == pytest.approx(expected.tolist(), rel=1e-12)


def test_an_array_that_is_masked_is_no_state() -> None:
    layer = Linear(2, 1, generator=0)
    before = layer.state_dict()
    given = {"weight": np.ma.masked_array([[1.0, 2.0]], mask=[[0, 1]]), "bias": [0.0]}
    with pytest.raises(ValueError, match="weight is a masked array"):
        layer.load_state_dict(given)
    assert layer.state_dict()["weight"].tolist() == before["weight"].tolist()


class _Shared(Module):
    """Parameters of which others are made: turned, a part of them, one more, alone, and those of units."""

    def __init__(self) -> None:
        self.first = Linear(6, 5, bias=False)
        weight: Any = self.first.weight
        self.between = Value(1.0)
        self.turned = [list(column) for column in zip(*weight, strict=True)]
        self.part = list(weight[2])
        self.more = [*weight[0], Value(2.0)]
        self.alone = weight[3][1]
        self.layer = MLP(3, [4])
        neurons: Any = self.layer.layers[0].neurons
        self.of_units = [neuron.w[0] for neuron in neurons]
        self.twice = [MLP(3, [4])]
        self.twice[0].layers[0].neurons[0].w = neurons[1].w


@pytest.mark.parametrize("many", [1, 4, 10, 20, 10**9], ids=str)
def test_shared_parameters_stand_where_they_are_met_first_however_large_a_block_is(
    monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(state, "_MANY_LEAVES", many)
    assert {name: array.shape for name, array in _Shared().__parameter_tree__().items()} == {
        "first.weight": (5, 6),
        "between": (),
        "more": (7,),
        "layer.layers.0.neurons.w": (4, 3),
        "layer.layers.0.neurons.b": (4,),
        **{f"twice.0.layers.0.neurons.{k}.w": (3,) for k in (1, 2, 3)},
        **{f"twice.0.layers.0.neurons.{k}.b": () for k in range(4)},
    }
