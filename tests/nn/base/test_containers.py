"""Sequential is composition, Residual is x + f(x); both name their parts as PyTorch does."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from layer_oracles import assert_close, assert_is_pytorchs, differentiated, numbers, of_leaves

from tinygrad_lite import Value, tanh
from tinygrad_lite.nn import Module
from tinygrad_lite.nn.base.containers import Residual, Sequential
from tinygrad_lite.nn.layers.activations import ReLU, Tanh
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.testing import Verdict, check_gradients


def network(seed: int = 0) -> Sequential:
    return Sequential(Linear(2, 3, generator=seed), Tanh(), Linear(3, 2, generator=seed + 1))


# ------------------------------------------------------------------------------------------------ Sequential


def test_each_module_takes_what_the_one_before_gives() -> None:
    first, second, third = parts = network()
    x = [0.5, -1.0]
    assert np.array_equal(numbers(Sequential(*parts)(x)), numbers(third(second(first(x)))))
    assert Sequential(lambda x: x + 1.0, lambda x: 2.0 * x)(Value(3.0)).data == 8.0


def test_without_modules_the_input_comes_back() -> None:
    x = [Value(1.0)]
    assert Sequential()(x) is x
    assert Sequential({})(x) is x


def test_functions_may_stand_between_modules() -> None:
    linear = Linear(1, 1, generator=0)
    model = Sequential(linear, lambda xs: [tanh(x) for x in xs])
    assert numbers(model([0.5])).tolist() == numbers(Sequential(linear, Tanh())([0.5])).tolist()
    assert list(model.state_dict()) == ["0.weight", "0.bias"]


def test_it_is_pytorchs_with_its_names_and_states() -> None:
    torch = pytest.importorskip("torch")
    twin = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
    model = network()
    assert list(model.state_dict()) == list(twin.state_dict())
    assert list(model[1:].state_dict()) == list(twin[1:].state_dict())
    assert_is_pytorchs(model, twin, np.random.default_rng(0).normal(size=(4, 2)))


def test_derivatives_are_right() -> None:
    assert check_gradients(lambda m, x: m(x), network(), [0.5, -1.0], order=1).verdict is Verdict.CORRECT


def test_modules_are_found_by_number_slice_and_name() -> None:
    model = network()
    first, second, third = model
    assert len(model) == 3
    assert model[0] is first
    assert model[-1] is third
    assert model["1"] is second
    assert list(model[:2]) == [first, second]
    assert isinstance(model[:2], Sequential)
    with pytest.raises(IndexError):
        model[3]
    with pytest.raises(KeyError):
        model["3"]


def test_a_dict_names_the_modules() -> None:
    model = Sequential({"hidden": Linear(2, 3), "act": ReLU(), "out": Linear(3, 1, bias=False)})
    assert list(model.state_dict()) == ["hidden.weight", "hidden.bias", "out.weight"]
    assert [name for name, _ in model.named_children()] == ["hidden", "act", "out"]
    assert isinstance(model["act"], ReLU)


def test_a_slice_shares_its_modules_and_keeps_their_names() -> None:
    model = network()
    tail = model[2:]
    assert list(tail.state_dict()) == ["2.weight", "2.bias"]
    assert tail[0] is model[2]


def test_append_adds_at_the_end_and_overwrites_nothing() -> None:
    model = network()
    assert model.append(ReLU()) is model
    assert isinstance(model["3"], ReLU)
    assert len(model) == 4
    for other in (Sequential({"1": Tanh()}), network()[2:3].append(Tanh())[:1], Sequential(*network()[1:])):
        before = list(other)
        added = ReLU()
        other.append(added)
        assert list(other) == [*before, added]


def test_a_module_that_stands_twice_counts_once() -> None:
    linear = Linear(2, 2)
    assert len(Sequential(linear, Tanh(), linear).parameters()) == 6


def test_modes_reach_all_parts() -> None:
    model = Sequential(network(), Tanh()).eval()
    assert not any(module.training for module in model.modules())


def test_a_copy_has_parameters_of_its_own() -> None:
    model = network()
    twin = copy.deepcopy(model)
    assert numbers(twin([1.0, 2.0])).tolist() == numbers(model([1.0, 2.0])).tolist()
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in model.parameters()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Tanh(), 3.0), "1 is float 3.0$"),
        (([Tanh(), Tanh()],), r"0 is list .*: write Sequential\(\*layers\)$"),
        (({"a": Tanh(), "b": None},), "b is NoneType None$"),
    ],
)
def test_what_cannot_be_called_is_refused_with_its_place(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=rf"Sequential takes modules and functions, one argument each; {message}"):
        Sequential(*arguments)
    model = Sequential()
    with pytest.raises(TypeError, match="Sequential takes modules and functions, not int 3"):
        model.append(3)
    with pytest.raises(TypeError, match=r"Tanh is a class of modules: write Tanh\(\.\.\.\), as in"):
        model.append(Tanh)
    with pytest.raises(TypeError, match="Tanh is a class of modules"):
        Sequential(Linear(2, 3), Tanh)
    assert len(model) == 0


def test_reprs_show_the_parts() -> None:
    assert repr(network()) == "Sequential(Linear(2, 3), Tanh(), Linear(3, 2)): 17 parameters"
    assert repr(Sequential(Tanh(), tanh)) == "Sequential(Tanh(), tanh): 0 parameters"
    long = repr(Sequential(*[Linear(10, 10) for _ in range(9)]))
    assert long.splitlines()[0] == "Sequential: 990 parameters"
    assert long.splitlines()[9] == "  (8) Linear(10, 10): 110 parameters"


# -------------------------------------------------------------------------------------------------- Residual


@pytest.mark.parametrize("shape", [(2,), (3, 2), (2, 2, 2)])
def test_a_residual_adds_its_input(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    linear = Linear(2, 2, generator=0)
    state = linear.state_dict()
    x, c = rng.normal(size=shape), rng.normal(size=shape)
    y, by_input, _ = differentiated(Residual(linear), x, c)
    assert_close(y, x + x @ state["weight"].T + state["bias"])
    assert_close(by_input, c + c @ state["weight"])


def test_a_shortcut_takes_the_place_of_the_input() -> None:
    module, shortcut = Linear(2, 3, generator=0), Linear(2, 3, bias=False, generator=1)
    x = np.random.default_rng(0).normal(size=(4, 2))
    model = Residual(module, shortcut)
    assert_close(numbers(model(x)), numbers(module(x)) + numbers(shortcut(x)))
    assert list(model.state_dict()) == ["module.weight", "module.bias", "shortcut.weight"]


def test_a_residual_of_a_single_number() -> None:
    assert Residual(tanh)(Value(0.5)).data == 0.5 + tanh(0.5)
    assert Residual(tanh)(0.5).data == 0.5 + tanh(0.5)


def test_a_residual_gives_an_array_for_an_array() -> None:
    model = Residual(Linear(2, 2))
    assert isinstance(model(np.ones((3, 2))), np.ndarray)
    assert isinstance(model([1.0, 2.0]), list)


def test_derivatives_of_a_residual_are_right() -> None:
    model = Residual(Sequential(Linear(2, 2, generator=0), Tanh()))
    assert check_gradients(lambda m, x: m(x), model, [0.5, -1.0], order=1).verdict is Verdict.CORRECT


@pytest.mark.parametrize("x", [[1.0, 2.0], [[1.0, 2.0]]])
def test_shapes_that_do_not_add_up_are_refused_with_both(x: Any) -> None:
    shape, other = np.shape(x), (*np.shape(x)[:-1], 3)
    with pytest.raises(ValueError, match=r"Residual\(Linear\(2, 3\)\) adds .* the two must agree") as refused:
        Residual(Linear(2, 3))(x)
    assert f"shape {shape}" in str(refused.value)
    assert f"shape {other}" in str(refused.value)


def test_a_residual_is_pytorchs_sum() -> None:
    torch = pytest.importorskip("torch")

    class Twin(torch.nn.Module):  # type: ignore[misc, name-defined]  # torch is imported inside
        def __init__(self) -> None:
            super().__init__()
            self.module = torch.nn.Linear(2, 3)
            self.shortcut = torch.nn.Linear(2, 3, bias=False)

        def forward(self, x: Any) -> Any:
            return self.shortcut(x) + self.module(x)

    ours = Residual(Linear(2, 3), Linear(2, 3, bias=False))
    assert_is_pytorchs(ours, Twin(), np.random.default_rng(0).normal(size=(3, 2)))


def test_repr_of_a_residual() -> None:
    assert repr(Residual(Linear(2, 2))) == "Residual(Linear(2, 2)): 6 parameters"
    assert repr(Residual(Linear(2, 3), Linear(2, 3))) == "Residual(Linear(2, 3), Linear(2, 3)): 18 parameters"
    assert isinstance(Residual(tanh), Module)
    assert repr(Residual(tanh)) == "Residual(tanh): 0 parameters"


def test_inputs_of_leaves_get_gradients_through_both_ways() -> None:
    x = of_leaves([0.0, 0.0])
    Residual(lambda xs: [2.0 * xi for xi in xs])(x)[0].backward()
    assert [xi.grad for xi in x] == [3.0, 0.0]
