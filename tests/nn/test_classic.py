"""The four equations by hand and the engine give the same loss and the same gradients, from any network and batch."""
# ruff: noqa: N806 (capital letters are matrices, as in the equations)

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite import Value
from tinygrad_lite.nn import MLP, SGD, binary_cross_entropy_with_logits, classic, xor

sizes = st.integers(1, 4)


def assert_same(hand: classic.Gradient, engine: classic.Gradient) -> None:
    assert hand.loss == pytest.approx(engine.loss, rel=1e-12, abs=1e-12)
    for ours, theirs in zip([*hand.weights, *hand.biases], [*engine.weights, *engine.biases], strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def drawn_model(data: st.DataObject, number: Any) -> tuple[MLP, int, int]:
    nin, outputs = data.draw(sizes), data.draw(st.integers(1, 2))
    model = MLP(nin, [*data.draw(st.lists(sizes, min_size=1, max_size=3)), outputs], seed=0)
    for parameter in model.parameters():
        parameter.data = number()
    return model, nin, outputs


@given(seed=st.integers(0, 2**32), n=st.integers(1, 5), data=st.data())
def test_loss_and_gradients_are_the_engines(seed: int, n: int, data: st.DataObject) -> None:
    rng = random.Random(seed)
    model, nin, outputs = drawn_model(data, lambda: rng.gauss(0.0, 1.5))
    X = [[rng.gauss(0.0, 2.0) for _ in range(nin)] for _ in range(n)]
    y = [rng.random() if outputs == 1 else [rng.random() for _ in range(outputs)] for _ in range(n)]
    assert_same(classic.by_hand(*classic.weights_of(model), X, y), classic.by_engine(model, X, y))


@given(data=st.data(), n=st.integers(1, 4))
def test_neurons_at_the_kink_agree_too(data: st.DataObject, n: int) -> None:
    # Quarters are summed without rounding, so that many sums are exactly 0.
    quarters = st.sampled_from([-0.5, -0.25, 0.0, 0.0, 0.25, 0.5])
    model, nin, outputs = drawn_model(data, lambda: data.draw(quarters))
    X = data.draw(st.lists(st.lists(quarters, min_size=nin, max_size=nin), min_size=n, max_size=n))
    label = st.integers(0, 1)
    y = data.draw(st.lists(label if outputs == 1 else st.tuples(label, label), min_size=n, max_size=n))
    assert_same(classic.by_hand(*classic.weights_of(model), X, y), classic.by_engine(model, X, y))


def test_nothing_passes_a_neuron_at_zero() -> None:
    model = MLP(1, [1, 1], seed=0)
    for parameter, number in zip(model.parameters(), [0.0, 0.0, 3.0, 0.5], strict=True):
        parameter.data = number
    gradient = classic.by_hand(*classic.weights_of(model), [[2.0]], [1])
    assert gradient.weights[0].tolist() == [[0.0]]  # relu'(0) = 0
    assert gradient.biases[0].tolist() == [0.0]
    assert gradient.biases[1].tolist() == [pytest.approx(-0.3775406687981454)]  # σ(1/2) − 1


@pytest.mark.parametrize("z", [-1000.0, 1000.0])
def test_confident_mistakes_are_finite(z: float) -> None:
    y = float(z < 0)
    gradient = classic.by_hand([np.array([[z]])], [np.array([0.0])], [[1.0]], [y])
    assert gradient.loss == 1000.0
    assert gradient.biases[0][0] == pytest.approx(-1.0 if y else 1.0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_training_by_hand_follows_the_engine_step_by_step(seed: int) -> None:
    X, y = xor()
    model = MLP(2, [16, 16, 1], seed=seed)
    optimizer = SGD(model.parameters(), lr=0.5)
    losses = []
    for step in range(501):
        loss = binary_cross_entropy_with_logits([model(x) for x in X], y)
        losses.append(loss.data)
        optimizer.zero_grad()
        loss.backward()
        if step < 500:
            optimizer.step()
    np.testing.assert_allclose(classic.train_xor(seed), losses, rtol=1e-9, atol=1e-9)
    assert losses[-1] < 0.01 < 0.5 < losses[0]


def test_it_is_learnt_from_every_seed() -> None:
    for seed in range(settings().max_examples):
        assert classic.train_xor(seed)[-1] < 0.01, seed


def test_an_exploration_of_the_weights_leaves_the_model_as_it_is() -> None:
    model = MLP(2, [3, 1], seed=0)
    before = [p.data for p in model.parameters()]
    weights, biases = classic.weights_of(model)
    assert weights[0].tolist() == [[w.data for w in neuron.w] for neuron in model.layers[0].neurons]
    weights[0] += 1.0
    biases[0] += 1.0
    assert [p.data for p in model.parameters()] == before


@pytest.mark.parametrize("model", [MLP(2, [3, 1], "tanh", seed=0), MLP(2, [3, 1], None, seed=0)])
def test_other_activations_are_refused(model: MLP) -> None:
    with pytest.raises(ValueError, match="relu in its hidden layers"):
        classic.weights_of(model)


def test_other_models_are_refused() -> None:
    with pytest.raises(TypeError, match="the textbook network is an MLP"):
        classic.weights_of(Value(1.0))  # type: ignore[arg-type]  # that is the test
