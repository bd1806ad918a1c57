"""Copies of modules with other parameters: nothing of the original is changed, and nothing is left out."""

from __future__ import annotations

import functools
import math
import random
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value
from tinygrad_lite.nn import MLP, BatchNorm1d, Dropout, Linear, Module, Sequential, Tanh
from tinygrad_lite.nn.architectures.gpt import GPT
from tinygrad_lite.nn.base.state import ParameterArray


def contents_of(module: Module, lengths: dict[int, int] | None = None) -> dict[str, ParameterArray]:
    """New parameters for all arrays of a module, 0, 1, 2 ... in hundredths."""
    found = {}
    for name, array in module.__parameter_tree__().items():
        shape = tuple((lengths or {}).get(length, length) for length in array.shape)
        found[name] = ParameterArray(shape, [Value(0.01 * k) for k in range(math.prod(shape))])
    return found


def twin_of(module: Module, lengths: dict[int, int] | None = None) -> Any:
    return module.__twins__().make(contents_of(module, lengths), {}, lengths or {})


def numbers(values: Any) -> list[float]:
    return [value.data for value in values]


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (MLP(2, [3, 1], "tanh", generator=0), [0.5, -1.0]),
        (Sequential(Linear(2, 3, generator=0), Tanh(), Linear(3, 2, generator=1)), [0.5, -1.0]),
        (GPT(12, 4, embed_dim=8, num_heads=2, layers=2, generator=0), [3, 1, 4]),
    ],
)
def test_a_twin_computes_what_the_module_computes_with_these_parameters(model: Module, x: Any) -> None:
    before = model.state_dict()
    twin = twin_of(model)
    assert model.state_dict().keys() == twin.state_dict().keys()
    assert all(np.array_equal(model.state_dict()[name], array) for name, array in before.items())
    assert not {id(p) for p in model.parameters()} & {id(p) for p in twin.parameters()}
    other = twin_of(model)
    other.load_state_dict(before)
    assert np.array_equal(np.ravel(read(other(x))), np.ravel(read(model(x))))
    model.load_state_dict(twin.state_dict())
    assert np.array_equal(np.ravel(read(twin(x))), np.ravel(read(model(x))))
    model.load_state_dict(before)


def read(tree: Any) -> Any:
    return [read(item) for item in tree] if isinstance(tree, (list, tuple)) else tree.data


def test_parts_that_are_shared_stay_shared_and_methods_are_those_of_the_twin() -> None:
    class Tied(Module):
        def __init__(self) -> None:
            self.first = Linear(2, 2, generator=0)
            self.again = self.first
            self.rows = [self.first.weight[0], self.first.weight[1]]
            self.call = self.first.forward
            self.later = functools.partial(self.first.of_vector)

        def forward(self, x: Any) -> Any:
            return self.call(x)

    tied = Tied()
    twin = twin_of(tied)
    assert twin.again is twin.first
    assert twin.first is not tied.first
    assert twin.rows[1][0] is twin.first.weight[1][0]
    assert numbers(twin([1.0, 1.0])) == pytest.approx([0.01 + 0.0, 0.02 + 0.03 + 0.01])
    assert twin.later.func.__self__ is twin.first


def test_buffers_are_copied_and_random_generators_are_the_same() -> None:
    norm = BatchNorm1d(2)
    twin = twin_of(norm)
    twin([[1.0, 2.0], [3.0, 5.0]])
    assert twin.running_mean != norm.running_mean
    assert list(norm.running_mean) == [0.0, 0.0]
    dropout = Dropout(0.5, generator=random.Random(0))
    assert twin_of(dropout).generator is dropout.generator


def test_sizes_that_modules_keep_are_changed_with_those_of_their_arrays() -> None:
    model = MLP(20, [30, 10], "tanh", generator=0)
    small = twin_of(model, {20: 5, 30: 6, 10: 7})
    assert [array.shape for array in small.state_dict().values()] == [(6, 5), (6,), (7, 6), (7,)]
    assert len(small([0.1] * 5)) == 7
    gpt = GPT(64, 16, embed_dim=32, num_heads=4, layers=1, generator=0)
    small = twin_of(gpt, {64: 12, 16: 10, 32: 8, 96: 24, 128: 32})
    assert small.blocks[0].self_attn.embed_dim == 8
    assert small.blocks[0].self_attn.num_heads == 4
    assert len(small([1, 2, 3])) == 3
    assert gpt.blocks[0].self_attn.embed_dim == 32


def test_a_module_that_keeps_its_parameters_twice_has_no_twin_of_another_size() -> None:
    class Twice(Module):
        def __init__(self) -> None:
            self.weight = tuple(Value(float(k)) for k in range(12))
            self.reversed = list(reversed(self.weight))

    twice = Twice()
    assert twin_of(twice).reversed[0].data == 0.11
    with pytest.raises(ValueError, match="Twice keeps parameters in several arrays"):
        twin_of(twice, {12: 5})


def test_neurons_are_one_array_of_the_state_unless_they_share_parameters() -> None:
    model = MLP(2, [3, 1], generator=0)
    assert {name: array.shape for name, array in model.state_dict().items()} == {
        "layers.0.neurons.w": (3, 2),
        "layers.0.neurons.b": (3,),
        "layers.1.neurons.w": (1, 3),
        "layers.1.neurons.b": (1,),
    }
    state = model.state_dict()
    assert state["layers.0.neurons.w"][1, 0] == model.layers[0].neurons[1].w[0].data
    other = MLP(2, [3, 1], generator=1)
    other.load_state_dict(state)
    assert numbers(other.parameters()) == numbers(model.parameters())
    model.layers[0].neurons[2].b = model.layers[0].neurons[0].b
    names = list(model.state_dict())
    assert names[:3] == ["layers.0.neurons.0.w", "layers.0.neurons.0.b", "layers.0.neurons.1.w"]
    assert "layers.0.neurons.2.b" not in names
