"""SGD is its formula, step for step."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import GraphError, Value
from tinygrad_lite.nn import MLP, SGD

gradients = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)


@given(start=st.floats(-10, 10), grads=gradients, lr=st.floats(1e-4, 10.0), momentum=st.floats(0.0, 0.99))
def test_every_step_is_the_formula(start: float, grads: list[float], lr: float, momentum: float) -> None:
    p = Value(start)
    optimizer = SGD([p], lr, momentum)
    expected, velocity = start, 0.0
    for grad in grads:
        p.grad = grad
        optimizer.step()
        velocity = momentum * velocity + grad
        expected -= lr * velocity
        assert p.data == expected


def test_each_parameter_has_a_velocity_of_its_own() -> None:
    a, b = Value(0.0), Value(0.0)
    optimizer = SGD([a, b], lr=1.0, momentum=0.5)
    a.grad = 1.0
    optimizer.step()
    a.grad = 0.0
    optimizer.step()
    assert (a.data, b.data) == (-1.5, 0.0)


def test_step_leaves_gradients_and_zero_grad_clears_them() -> None:
    p = Value(1.0)
    p.grad = 2.0
    optimizer = SGD([p], lr=0.5)
    optimizer.step()
    assert p.grad == 2.0
    optimizer.zero_grad()
    assert p.grad == 0.0


def test_the_learning_rate_may_change_between_steps() -> None:
    p = Value(0.0)
    optimizer = SGD([p], lr=1.0)
    p.grad = 1.0
    optimizer.step()
    optimizer.lr = 0.5
    optimizer.step()
    assert p.data == -1.5
    with pytest.raises(ValueError, match="lr is a positive"):
        optimizer.lr = 0.0


def test_graphs_above_are_stale_after_a_step() -> None:
    p = Value(1.0)
    y = p * p
    y.backward()
    SGD([p], lr=0.1).step()
    with pytest.raises(GraphError, match="stale"):
        y.backward()


def test_it_takes_any_iterable_once() -> None:
    model = MLP(1, [1])
    optimizer = SGD(iter(model.parameters()), lr=0.1)
    assert repr(optimizer) == "SGD(2 parameters, lr=0.1, momentum=0.0)"


@pytest.mark.parametrize("lr", [0.0, -1.0, math.inf, math.nan])
def test_lr_is_positive_and_finite(lr: float) -> None:
    with pytest.raises(ValueError, match="lr is a positive, finite number"):
        SGD([Value(1.0)], lr)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, math.nan])
def test_momentum_is_below_one(momentum: float) -> None:
    with pytest.raises(ValueError, match="momentum is in"):
        SGD([Value(1.0)], 0.1, momentum)


def test_no_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="no parameters"):
        SGD([], 0.1)


def test_what_cannot_be_trained_is_refused() -> None:
    a = Value(1.0)
    with pytest.raises(TypeError, match=r"parameter 1, .* is computed by 'mul'; .*detach"):
        SGD([a, a * 2.0], 0.1)
    with pytest.raises(TypeError, match="constant"):
        SGD([(a * 2.0).parents[1]], 0.1)
    with pytest.raises(TypeError, match="parameter 0 is a float"):
        SGD([1.0], 0.1)  # type: ignore[list-item]  # that is the test
    with pytest.raises(TypeError, match="a list of Values"):
        SGD(a, 0.1)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(ValueError, match="twice"):
        SGD([a, a], 0.1)
