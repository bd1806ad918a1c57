"""Activations apply their operation number by number; Softmax works on the vectors along one axis."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracles import assert_close, assert_is_pytorchs, differentiated, numbers, of_leaves

from tinygrad_lite import Value, softplus, tanh
from tinygrad_lite.nn import Module
from tinygrad_lite.nn.layers import activations
from tinygrad_lite.nn.layers.activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from tinygrad_lite.testing import Verdict, check_gradients

numbers_or_kinks = st.one_of(st.floats(-20.0, 20.0), st.sampled_from([0.0, -1.0, 1.0, -2.0, 2.0]))

#: The formula of each in 60-digit arithmetic, written from the papers.
FORMULAS: list[tuple[Module, Any]] = [
    (ReLU(), lambda x: max(x, 0)),
    (LeakyReLU(), lambda x: x if x > 0 else mpmath.mpf(0.01) * x),
    (LeakyReLU(0.3), lambda x: x if x > 0 else mpmath.mpf(0.3) * x),
    (ELU(), lambda x: x if x > 0 else mpmath.expm1(x)),
    (ELU(0.5), lambda x: x if x > 0 else mpmath.expm1(x) / 2),
    (
        SELU(),
        lambda x: (
            mpmath.mpf("1.0507009873554804934")
            * (x if x > 0 else mpmath.mpf("1.6732632423543772848") * mpmath.expm1(x))
        ),
    ),
    (GELU(), lambda x: x * mpmath.ncdf(x)),
    (SiLU(), lambda x: x / (1 + mpmath.exp(-x))),
    (Sigmoid(), lambda x: 1 / (1 + mpmath.exp(-x))),
    (LogSigmoid(), lambda x: -mpmath.log1p(mpmath.exp(-x))),
    (Tanh(), mpmath.tanh),
    (Softplus(), lambda x: mpmath.log1p(mpmath.exp(x))),
    (Softsign(), lambda x: x / (1 + abs(x))),
    (Hardtanh(), lambda x: min(max(x, -1), 1)),
    (Hardtanh(-0.5, 2.0), lambda x: min(max(x, -0.5), 2)),
]
IDS = [repr(module).split(":")[0] for module, _ in FORMULAS]


def twin_of(module: Module) -> Any:
    """PyTorch's module of the same name with the same arguments."""
    torch = pytest.importorskip("torch")
    if isinstance(module, Softplus):
        return torch.nn.Softplus(threshold=1e9)  # by default it gives x itself from 20 on
    if isinstance(module, (Softmax, LogSoftmax)):
        return getattr(torch.nn, type(module).__name__)(module.dim)
    return getattr(torch.nn, type(module).__name__)(*getattr(module, "arguments", ()))


@pytest.mark.parametrize(("module", "formula"), FORMULAS, ids=IDS)
@settings(max_examples=settings().max_examples // 2)
@given(x=numbers_or_kinks)
def test_values_are_those_of_60_digit_arithmetic(module: Module, formula: Any, x: float) -> None:
    with mpmath.workdps(60):
        expected = formula(mpmath.mpf(x))
    assert abs(module(x).data - expected) <= 1e-15 * max(abs(expected), 1e-15)


@pytest.mark.parametrize("module", [module for module, _ in FORMULAS], ids=IDS)
@settings(max_examples=settings().max_examples // 4)
@given(x=st.lists(numbers_or_kinks, min_size=1, max_size=4))
def test_they_are_pytorchs_at_kinks_too(module: Module, x: list[float]) -> None:
    assert_is_pytorchs(module, twin_of(module), x)


@pytest.mark.parametrize("module", [module for module, _ in FORMULAS], ids=IDS)
def test_derivatives_are_right(module: Module) -> None:
    x = [0.7, -0.3, 3.0]
    assert check_gradients(lambda x: module(x), x).verdict is Verdict.CORRECT


@pytest.mark.parametrize("module", [module for module, _ in FORMULAS], ids=IDS)
@given(shape=st.lists(st.integers(1, 3), max_size=3).map(tuple))
@settings(max_examples=10)
def test_the_shape_stays_and_an_array_gives_an_object_array(module: Module, shape: tuple[int, ...]) -> None:
    x = np.linspace(-2.0, 2.0, int(np.prod(shape))).reshape(shape)
    of_lists = module(of_leaves(x))
    assert numbers(of_lists).shape == shape
    of_array = module(x)
    if shape:
        assert isinstance(of_array, np.ndarray)
        assert of_array.shape == shape
    assert np.array_equal(numbers(of_array), numbers(of_lists))


@pytest.mark.parametrize("module", [module for module, _ in FORMULAS], ids=IDS)
def test_each_number_is_one_node_and_there_are_no_parameters(module: Module) -> None:
    x = Value(0.5)
    y = module(x)
    assert y.parents[0] is x
    assert module.parameters() == []
    assert module.state_dict() == {}


@pytest.mark.parametrize("module", [module for module, _ in FORMULAS], ids=IDS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_and_pickles_do_the_same(module: Module, copied: Any) -> None:
    twin = copied(module)
    assert repr(twin) == repr(module)
    assert [y.data for y in twin([0.3, -0.7])] == [y.data for y in module([0.3, -0.7])]


def test_every_activation_of_the_module_is_tested_here() -> None:
    public = {
        cls
        for name, cls in vars(activations).items()
        if isinstance(cls, type) and issubclass(cls, Module) and cls is not Module and not name.startswith("_")
    }
    assert public == {type(module) for module, _ in FORMULAS} | {Activation, Softmax, LogSoftmax}


# ------------------------------------------------------------------------------------------------- Softmax


@st.composite
def shapes_with_an_axis(draw: st.DrawFn) -> tuple[tuple[int, ...], int]:
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
    return shape, draw(st.integers(-len(shape), len(shape) - 1))


@given(case=shapes_with_an_axis(), seed=st.integers(0, 1000))
def test_softmax_and_its_gradient_are_those_of_the_formula_along_the_axis(
    case: tuple[tuple[int, ...], int], seed: int
) -> None:
    shape, axis = case
    rng = np.random.default_rng(seed)
    x, c = rng.normal(size=shape), rng.normal(size=shape)
    s = np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)
    y, by_input, _ = differentiated(Softmax(axis), x, c)
    assert_close(y, s)
    assert_close(by_input, s * (c - (c * s).sum(axis=axis, keepdims=True)))
    y, by_input, _ = differentiated(LogSoftmax(axis), x, c)
    assert_close(y, np.log(s))
    assert_close(by_input, c - s * c.sum(axis=axis, keepdims=True))


@pytest.mark.parametrize("kind", [Softmax, LogSoftmax])
@settings(max_examples=settings().max_examples // 4)
@given(case=shapes_with_an_axis(), seed=st.integers(0, 1000))
def test_softmax_is_pytorchs(kind: type[Softmax], case: tuple[tuple[int, ...], int], seed: int) -> None:
    shape, axis = case
    module = kind(axis)
    assert_is_pytorchs(module, twin_of(module), np.random.default_rng(seed).normal(0.0, 5.0, size=shape))


def test_softmax_is_along_the_last_axis_if_none_is_named() -> None:
    x = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(numbers(Softmax()(x)), numbers(Softmax(1)(x)))
    assert not np.array_equal(numbers(Softmax()(x)), numbers(Softmax(0)(x)))


@pytest.mark.parametrize(("axis", "shape"), [(1, (3,)), (-2, (3,)), (2, (2, 3))])
def test_an_axis_that_is_not_there_is_refused(axis: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"Softmax\(dim={axis}\) takes an input that has axis {axis}, .* shape \("):
        Softmax(axis)(of_leaves(np.zeros(shape)))
    with pytest.raises(TypeError, match="dim is the number of an axis"):
        Softmax(1.0)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("module", [Softmax(), LogSoftmax()], ids=repr)
def test_softmax_keeps_the_container_and_refuses_a_single_number(module: Module) -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert isinstance(module(x), np.ndarray)
    assert isinstance(module(x.tolist()), list)
    assert np.array_equal(numbers(module(x)), numbers(module(x.tolist())))
    for number in (1.0, Value(1.0), np.float64(1.0), np.array(1.0)):
        with pytest.raises(TypeError, match=r"Softmax\(\) takes the numbers of at least one axis, not one number"):
            module(number)


def test_confident_scores_neither_overflow_nor_vanish() -> None:
    assert numbers(LogSoftmax()([0.0, -1e4])).tolist() == [0.0, -1e4]
    assert numbers(Softmax()([1e4, 0.0])).tolist() == [1.0, 0.0]


# ---------------------------------------------------------------------------------------------- Activation


def test_any_operation_on_one_number_is_an_activation() -> None:
    assert numbers(Activation("sin")([0.5])).tolist() == [np.sin(0.5)]
    assert numbers(Activation("leaky_relu", 0.3)([-1.0])).tolist() == [-0.3]
    assert Activation(tanh)(0.5).data == Tanh()(0.5).data
    assert Activation(lambda x: x * x)(3.0).data == 9.0


@pytest.mark.parametrize("name", ["tahn", "softmax", "mul", ""])
def test_other_names_are_no_activation(name: str) -> None:
    with pytest.raises(ValueError, match="no operation on one number is named"):
        Activation(name)


def test_what_is_neither_a_name_nor_a_function_is_refused() -> None:
    for nothing in (None, False):
        with pytest.raises(TypeError, match=f"name of an operation, or a function, not {nothing}"):
            Activation(nothing)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("module", [Tanh(), Softmax(), Activation("sin")], ids=repr)
@pytest.mark.parametrize("x", ["a", ["a"], [None], {"x": 1.0}])
def test_what_is_no_number_is_refused(module: Module, x: Any) -> None:
    with pytest.raises(TypeError):
        module(x)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (ReLU(), "ReLU(): 0 parameters"),
        (LeakyReLU(), "LeakyReLU(0.01): 0 parameters"),
        (Hardtanh(-2.0, 2.0), "Hardtanh(-2.0, 2.0): 0 parameters"),
        (Activation("leaky_relu", 0.1), "Activation('leaky_relu', 0.1): 0 parameters"),
        (Activation(softplus), "Activation('softplus'): 0 parameters"),
        (Softmax(), "Softmax(): 0 parameters"),
        (LogSoftmax(1), "LogSoftmax(dim=1): 0 parameters"),
    ],
)
def test_reprs_show_the_operation_and_its_arguments(module: Module, text: str) -> None:
    assert repr(module) == text
