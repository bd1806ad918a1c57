"""Modules find their parameters, and name them."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from tinygrad_lite import Value, tanh
from tinygrad_lite.nn import MLP, SGD, Layer, Linear, Module, Neuron, Residual, Sequential, Tanh, name_parameters
from tinygrad_lite.nn.base.module import head, observing


class Mixed(Module):
    """A parameter in each kind of place where one may be."""

    def __init__(self) -> None:
        self.scale = Value(2.0)
        self.parts = [Neuron(1), {"inner": (Neuron(1, None), Value(1.0))}]
        self.array = np.array([[Value(1.0), Value(2.0)]], dtype=object)
        self.numbers = np.zeros(3)
        self.text = "no parameter"
        self.tied = self.scale
        self.computed = self.scale * 3.0


class Cyclic(Module):
    def __init__(self) -> None:
        self.w = Value(1.0)
        self.myself = self


def test_names_are_paths_in_the_order_of_setting() -> None:
    assert [name for name, _ in Mixed().named_parameters()] == [
        "scale",
        "parts.0.w.0",
        "parts.0.b",
        "parts.1.inner.0.w.0",
        "parts.1.inner.0.b",
        "parts.1.inner.1",
        "array.0.0",
        "array.0.1",
    ]


def test_mlp_names_follow_layers_neurons_weights_then_bias() -> None:
    names = [name for name, _ in MLP(2, [3, 1], seed=0).named_parameters()]
    assert names[:4] == ["layers.0.neurons.0.w.0", "layers.0.neurons.0.w.1", "layers.0.neurons.0.b", names[3]]
    assert names[-1] == "layers.1.neurons.0.b"
    assert len(names) == len(set(names)) == 13


def test_every_name_is_the_path_to_its_parameter() -> None:
    model = MLP(3, [4, 2], seed=0)
    for name, parameter in model.named_parameters():
        found: object = model
        for step in name.split("."):
            found = found[int(step)] if isinstance(found, (list, tuple)) else getattr(found, step)
        assert found is parameter


def test_tied_and_computed_values_do_not_count_again() -> None:
    model = Mixed()
    ids = [id(p) for p in model.parameters()]
    assert len(ids) == len(set(ids))
    assert all(p.is_leaf for p in model.parameters())


def test_a_module_that_holds_itself_is_searched_once() -> None:
    assert len(Cyclic().parameters()) == 1


def test_parameters_is_a_list_that_can_be_updated_as_in_micrograd() -> None:
    model = MLP(2, [2, 1], seed=0)
    parameters = model.parameters()
    assert isinstance(parameters, list)
    model([1.0, 2.0]).backward()
    assert any(p.grad != 0.0 for p in parameters)
    model.zero_grad()
    assert all(p.grad == 0.0 for p in parameters)


def test_call_is_forward_with_all_arguments() -> None:
    class Affine(Module):
        def __init__(self) -> None:
            self.a = Value(3.0)

        def forward(self, x: float, *, shift: float = 0.0) -> Value:
            return self.a * x + shift

    assert Affine()(2.0, shift=1.0).data == 7.0


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Cyclic defines no forward"):
        Cyclic()(1.0)


def test_repr_counts_parameters() -> None:
    class Net(Module):
        def __init__(self) -> None:
            self.hidden = Layer(2, 4, "tanh")
            self.out = Layer(4, 1, tanh)

    assert repr(Net()) == (
        "Net(hidden=Layer(2, 4, activation='tanh'), out=Layer(4, 1, activation='tanh')): 17 parameters"
    )
    assert repr(MLP(2, [16, 16, 1], seed=0)) == "MLP(2, [16, 16, 1], activation='relu'): 337 parameters"


def test_labels_are_set_only_on_request() -> None:
    model = MLP(1, [1], seed=0)
    assert {p.label for p in model.parameters()} == {""}
    name_parameters(model)
    assert [p.label for p in model.parameters()] == [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_computes_the_same_with_parameters_of_its_own(copied: object) -> None:
    model = MLP(2, [3, 1], "tanh", seed=0)
    twin = copied(model)  # type: ignore[operator]  # one of the two functions above
    assert twin([0.5, -1.0]).data == model([0.5, -1.0]).data
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}


def test_importing_nn_loads_neither_numpy_nor_tqdm() -> None:
    code = "import sys, tinygrad_lite.nn; print([m for m in ('numpy', 'tqdm') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_modes_reach_every_module_and_begin_as_training() -> None:
    model = Sequential(Linear(1, 2), Residual(Tanh()), {"inner": 1}.get)
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    model.train()
    assert all(module.training for module in model.modules())
    assert Linear(1, 1).training


def test_children_are_direct_and_modules_are_all_once() -> None:
    inner = Linear(1, 1)
    model = Sequential(inner, Residual(inner))
    assert [name for name, _ in model.named_children()] == ["0", "1"]
    assert [name for name, _ in model.named_modules()] == ["", "0", "1"]
    assert list(model.children()) == [inner, model[1]]
    assert [type(module).__name__ for module in Residual(Tanh()).children()] == ["Tanh"]


def test_frozen_parameters_are_counted_kept_and_not_moved() -> None:
    model = Sequential(Linear(2, 3, generator=0), Tanh(), Linear(3, 1, generator=1))
    model[0].requires_grad_(False)
    assert "13 parameters, 9 frozen" in repr(model)
    before = model.state_dict()
    assert list(before) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    model([1.0, -2.0])[0].backward()
    assert all(p.grad == 0.0 for p in model[0].parameters())
    SGD(model.parameters(), lr=0.1).step()
    after = model.state_dict()
    assert [np.array_equal(before[name], after[name]) for name in before] == [True, True, False, False]
    model.requires_grad_()
    model([1.0, -2.0])[0].backward()
    assert any(p.grad != 0.0 for p in model[0].parameters())


def test_a_long_repr_has_a_line_for_each_part() -> None:
    model = Sequential(*(Linear(10, 10, generator=0) for _ in range(3)), Sequential(*(Tanh() for _ in range(12))))
    lines = repr(model).splitlines()
    assert lines[0] == "Sequential: 330 parameters"
    assert lines[1] == "  (0) Linear(10, 10): 110 parameters"
    assert lines[4:6] == ["  (3) Sequential: 0 parameters", "    (0) Tanh(): 0 parameters"]
    assert len(lines) == 17


def test_a_module_that_holds_itself_has_a_repr() -> None:
    assert repr(Cyclic()) == "Cyclic(myself=Cyclic(...)): 1 parameter"
    assert head(Cyclic()) == "Cyclic(myself=Cyclic(...))"


def test_a_summary_counts_each_part_and_leaves_the_model_as_it_was() -> None:
    model = Sequential(Linear(2, 3, generator=0), Tanh())
    model[0].requires_grad_(False)
    lines = model.summary([[1.0, 2.0]]).splitlines()
    assert [line.split() for line in lines] == [
        ["module", "type", "output", "parameters", "trained"],
        ["Sequential", "(1,", "3)", "9", "0"],
        ["0", "Linear", "(1,", "3)", "9", "0"],
        ["1", "Tanh", "(1,", "3)", "0", "0"],
    ]
    assert len({len(line) for line in lines}) == 1
    assert model.training
    with pytest.raises(ValueError, match=r"Linear\(2, 3\) takes an input of shape"):
        model.summary([1.0])
    assert model[0].training


def test_a_summary_shows_the_shapes_of_several_outputs() -> None:
    class Two(Module):
        def forward(self, x: object) -> object:
            return [Value(1.0)], ([[Value(1.0)] * 2], "text")

    assert Two().summary(1.0).splitlines()[1].split()[1:4] == ["((1,),", "...)", "0"]


def test_observers_see_each_module_with_its_output_and_go() -> None:
    model = MLP(2, [3, 1], seed=0)
    seen: list[object] = []
    with observing(lambda module, output: seen.append((module, output))):
        y = model([1.0, 2.0])
    assert [module for module, _ in seen] == [*model.layers, model]  # type: ignore[misc]  # pairs
    assert seen[-1][1] is y  # type: ignore[index]  # a pair
    model([1.0, 2.0])
    assert len(seen) == 3
