"""Sophia is the algorithm of its paper, and its estimates are of the Hessian's diagonal."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite import StaleGraphError, Value, exp, hessian, logsumexp, mean, softplus, tanh
from tinygrad_lite.nn.optim.hessian_estimates import gauss_newton_bartlett, hutchinson, sample_label
from tinygrad_lite.nn.optim.sophia import SophiaG, SophiaH

fewer = settings(max_examples=settings().max_examples // 4)
points = st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3)


def bowl(v: Any) -> Any:
    """Coupled, and curved differently in each direction and place."""
    x, y, z = v
    return 0.5 * x**4 + exp(x * y) + 3.0 * y * y + tanh(z) * x + z * z * y * y


def bowl_hessian(x: float, y: float, z: float) -> np.ndarray:
    """By hand."""
    e, t = math.exp(x * y), math.tanh(z)
    xy = e + x * y * e
    xz = 1 - t * t
    zz = -2 * t * (1 - t * t) * x + 2 * y * y
    yz = 4 * z * y
    return np.array([[6 * x * x + y * y * e, xy, xz], [xy, x * x * e + 6 + 2 * z * z, yz], [xz, yz, zz]])


def bowl_gradient(x: float, y: float, z: float) -> np.ndarray:
    e, t = math.exp(x * y), math.tanh(z)
    return np.array([2 * x**3 + y * e + t, x * e + 6 * y + 2 * z * z * y, (1 - t * t) * x + 2 * z * y * y])


# ------------------------------------------------------------------------------------------------ the estimates


@given(point=points, directions=points)
def test_hutchinsons_estimate_is_u_times_the_hessian_times_u(point: list[float], directions: list[float]) -> None:
    leaves = [Value(x) for x in point]
    found = hutchinson(bowl(leaves), leaves, directions)
    u = np.array(directions)
    matrix = bowl_hessian(*point)
    np.testing.assert_allclose(found, u * (matrix @ u), rtol=1e-11, atol=1e-11 * np.abs(matrix).max())
    assert [leaf.grad for leaf in leaves] == [0.0] * 3


@pytest.mark.parametrize("distribution", ["rademacher", "normal"])
def test_its_mean_is_the_diagonal(distribution: str) -> None:
    point = [0.5, -0.7, 0.9]
    leaves = [Value(x) for x in point]
    optimizer = SophiaH(leaves, distribution=distribution, generator=0)
    draws = np.array([hutchinson(bowl(leaves), leaves, optimizer._directions(leaves)) for _ in range(2000)])
    error = draws.std(axis=0) / math.sqrt(len(draws))
    assert (abs(draws.mean(axis=0) - np.diag(bowl_hessian(*point))) < 4 * error).all()


def test_signs_are_exact_for_a_separable_loss() -> None:
    leaves = [Value(x) for x in (1.0, 2.0)]
    optimizer = SophiaH(leaves, betas=(0.0, 0.0), generator=0)
    assert optimizer.update_hessian(leaves[0] ** 2 + 5.0 * leaves[1] ** 2)
    assert optimizer.state_dict()["state"][0]["hessian"] == [2.0, 10.0]


def test_a_loss_without_the_parameters_has_no_curvature() -> None:
    leaf, other = Value(1.0), Value(2.0)
    assert hutchinson(other * other, [leaf], [1.0]) == [0.0]
    assert hutchinson(2.0 * leaf, [leaf], [1.0]) == [0.0]


@given(
    weights=st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3),
    labels=st.lists(st.integers(0, 2), min_size=4, max_size=4),
)
def test_gauss_newton_bartlett_is_the_square_of_the_gradient_of_the_sampled_labels(
    weights: list[float], labels: list[int]
) -> None:
    """Of softmax regression with one input: ĝ_c = mean over b of (softmax_c(b) − [c = ŷ_b])·x_b."""
    inputs = [0.5, -1.0, 2.0, 0.1]
    leaves = [Value(w) for w in weights]
    rows = [[w * x for w in leaves] for x in inputs]
    found = gauss_newton_bartlett(rows, labels, leaves)
    slopes = np.zeros(3)
    for x, label in zip(inputs, labels, strict=True):
        powers = np.exp(np.array(weights) * x)
        slopes += (powers / powers.sum() - (np.arange(3) == label)) * x / 4
    np.testing.assert_allclose(found, 4 * slopes**2, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("classes", [1, 3])
def test_its_mean_over_the_models_own_labels_is_the_diagonal_of_the_hessian(classes: int) -> None:
    """Of a model that is linear in its parameters, the Gauss-Newton matrix is the Hessian."""
    inputs = [0.5, -1.0, 2.0, 0.1]
    weights = [0.3, -0.4, 0.8][:classes]

    def loss(leaves: Any) -> Any:
        if classes == 1:
            return mean([softplus(leaves[0] * x) for x in inputs])
        return mean([logsumexp([w * x for w in leaves]) for x in inputs])

    leaves = [Value(w) for w in weights]
    rows: list[Any] = [[w * x for w in leaves] if classes > 1 else leaves[0] * x for x in inputs]
    generator = random.Random(0)
    draws = np.array(
        [gauss_newton_bartlett(rows, [sample_label(row, generator) for row in rows], leaves) for _ in range(3000)]
    )
    error = draws.std(axis=0) / math.sqrt(len(draws))
    assert (abs(draws.mean(axis=0) - np.diag(hessian(loss)(weights))) < 4 * error).all()


def test_labels_are_drawn_with_the_probabilities_of_the_model() -> None:
    generator = random.Random(0)
    row = [Value(math.log(p)) for p in (0.1, 0.6, 0.3)]
    counts = np.bincount([sample_label(row, generator) for _ in range(10_000)], minlength=3)
    assert counts / 10_000 == pytest.approx([0.1, 0.6, 0.3], abs=0.02)
    ones = sum(sample_label(Value(math.log(3.0)), generator) for _ in range(10_000))
    assert ones / 10_000 == pytest.approx(0.75, abs=0.02)


# --------------------------------------------------------------------------------------------- the algorithm


@fewer
@given(
    start=points,
    lr=st.floats(1e-3, 0.1),
    betas=st.tuples(st.floats(0.0, 0.97), st.floats(0.0, 0.99)),
    rho=st.sampled_from([0.0, 0.05, 1.0]),
    decay=st.floats(0.0, 0.5),
    k=st.integers(1, 12),
    seed=st.integers(0, 100),
    normal=st.booleans(),
)
def test_sophia_h_is_algorithm_3(
    start: list[float],
    lr: float,
    betas: tuple[float, float],
    rho: float,
    decay: float,
    k: int,
    seed: int,
    normal: bool,
) -> None:
    leaves = [Value(x) for x in start]
    distribution = "normal" if normal else "rademacher"
    optimizer = SophiaH(leaves, lr, betas, rho, decay, eps=1e-6, k=k, distribution=distribution, generator=seed)
    generator = random.Random(seed)
    theta, m, h = np.array(start), np.zeros(3), np.zeros(3)
    for t in range(1, 31):
        loss = bowl(leaves)
        optimizer.zero_grad()
        loss.backward()
        assert optimizer.update_hessian(loss) == (k == 1 or t % k == 1)
        optimizer.step()

        g = bowl_gradient(*theta)
        m = betas[0] * m + (1 - betas[0]) * g
        if k == 1 or t % k == 1:
            u = np.array([generator.gauss(0.0, 1.0) if normal else generator.choice((-1.0, 1.0)) for _ in range(3)])
            estimate = u * (bowl_hessian(*theta) @ u)
            h = betas[1] * h + (1 - betas[1]) * estimate
        theta = theta - lr * decay * theta
        theta = theta - lr * np.clip(m / np.maximum(rho * h, 1e-6), -1.0, 1.0)
        np.testing.assert_allclose([p.data for p in leaves], theta, rtol=1e-9, atol=1e-9)


@fewer
@given(start=points, rho=st.floats(0.01, 2.0), k=st.integers(1, 5), seed=st.integers(0, 100))
def test_sophia_g_is_algorithm_3(start: list[float], rho: float, k: int, seed: int) -> None:
    """Logistic regression with three inputs, and labels drawn anew for the estimate."""
    inputs = np.array([[1.0, 0.5, -0.2], [0.3, -1.0, 0.8], [-0.6, 0.9, 1.5], [0.1, 0.2, -1.0]])
    targets = np.array([1.0, 0.0, 1.0, 1.0])
    leaves = [Value(x) for x in start]
    optimizer = SophiaG(leaves, 0.05, (0.9, 0.8), rho, 0.1, k=k, generator=seed)
    generator = random.Random(seed)
    theta, m, h = np.array(start), np.zeros(3), np.zeros(3)
    for t in range(1, 21):
        logits = [sum(w * x for w, x in zip(leaves, row.tolist(), strict=True)) for row in inputs]
        loss = mean([softplus(z) - y * z for z, y in zip(logits, targets.tolist(), strict=True)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.update_hessian(logits)
        optimizer.step()

        probabilities = 1 / (1 + np.exp(-inputs @ theta))
        m = 0.9 * m + 0.1 * ((probabilities - targets) @ inputs / 4)
        if k == 1 or t % k == 1:
            drawn = np.array([float(generator.random() < p) for p in probabilities])
            slopes = (probabilities - drawn) @ inputs / 4
            h = 0.8 * h + 0.2 * (4 * slopes**2)
        theta = theta - 0.05 * 0.1 * theta
        theta = theta - 0.05 * np.clip(m / np.maximum(rho * h, 1e-12), -1.0, 1.0)
        np.testing.assert_allclose([p.data for p in leaves], theta, rtol=1e-9, atol=1e-9)


def test_no_parameter_moves_farther_than_the_learning_rate() -> None:
    leaves = [Value(0.0), Value(0.0)]
    optimizer = SophiaH(leaves, lr=0.5, weight_decay=0.0)
    leaves[0].grad, leaves[1].grad = 1e300, -1e-300
    optimizer.step()
    assert [p.data for p in leaves] == [-0.5, pytest.approx(0.0, abs=1e-280)]


def test_groups_and_frozen_parameters_get_their_own_estimates() -> None:
    a, b, c = Value(1.0), Value(1.0), Value(1.0)
    optimizer = SophiaH([{"params": [a, b]}, {"params": [c], "betas": (0.0, 0.5)}], betas=(0.0, 0.0), generator=0)
    b.requires_grad = False
    optimizer.update_hessian(a * a + 3.0 * b * b + 2.0 * c * c)
    found = [state["hessian"] for state in optimizer.state_dict()["state"]]
    assert found == [[2.0, 0.0], [2.0]]


def test_a_function_is_called_only_when_the_estimate_is_due() -> None:
    leaf = Value(1.0)
    calls = []

    def loss() -> Value:
        calls.append(1)
        return leaf * leaf

    optimizer = SophiaH([leaf], k=3)
    due = []
    for _ in range(7):
        due.append(optimizer.update_hessian(loss))
        due.append(optimizer.update_hessian(loss))
        optimizer.step()
    assert due == [True, False, *[False] * 4] * 2 + [True, False]
    assert len(calls) == 3


def test_calling_at_every_kth_step_only_is_as_good() -> None:
    leaf = Value(1.0)
    optimizer = SophiaH([leaf], k=3)
    due = []
    for step in range(7):
        if step % 3 == 0:
            due.append(optimizer.update_hessian(leaf * leaf))
        optimizer.step()
    assert due == [True] * 3


@pytest.mark.parametrize("shape", ["one", "binary", "rows", "array", "arrays", "positions", "function"])
def test_logits_come_in_the_shapes_that_models_give(shape: str) -> None:
    leaf = Value(0.5)
    z = [[leaf * 1.0, leaf * -2.0], [leaf * 0.5, leaf * 3.0]]
    given_logits: Any = {
        "one": z[0][0],
        "binary": z[0],
        "arrays": [np.array(row, dtype=object) for row in z],
        "rows": z,
        "array": np.array(z, dtype=object),
        "positions": [z, z],
        "function": lambda: z,
    }[shape]
    optimizer = SophiaG([leaf], generator=0)
    assert optimizer.update_hessian(given_logits)
    assert optimizer.state_dict()["state"][0]["hessian"][0] > 0.0


@pytest.mark.parametrize("kind", [SophiaH, SophiaG])
def test_a_run_goes_on_from_its_state_to_the_last_bit(kind: Any) -> None:
    """Through JSON; with the generator, and in between two estimates."""

    def steps(leaves: list[Value], optimizer: Any, count: int) -> None:
        for _ in range(count):
            loss = bowl(leaves)
            optimizer.zero_grad()
            loss.backward()
            optimizer.update_hessian(loss if kind is SophiaH else [leaves[0] * 2.0, leaves[1] * leaves[2]])
            optimizer.step()

    whole = [Value(x) for x in (0.5, -0.7, 0.9)]
    first = kind(whole, lr=0.01, k=4, generator=7)
    steps(whole, first, 6)
    saved = json.loads(json.dumps(first.state_dict()))
    resumed = [Value(p.data) for p in whole]
    second = kind(resumed, lr=0.5, k=4, generator=99)
    second.load_state_dict(saved)
    steps(whole, first, 10)
    steps(resumed, second, 10)
    assert [p.data for p in resumed] == [p.data for p in whole]


# --------------------------------------------------------------------------------------------------- errors


def test_a_loss_that_is_no_value_is_refused() -> None:
    leaf = Value(1.0)
    with pytest.raises(TypeError, match=r"takes the loss as it was recorded, a Value, .* not float 1.0"):
        SophiaH([leaf]).update_hessian(1.0)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(TypeError, match="logits are Values in lists, a row for each sample, not float"):
        SophiaG([leaf]).update_hessian([[0.5, 0.5]])
    with pytest.raises(ValueError, match="at least one sample"):
        SophiaG([leaf]).update_hessian([])


def test_a_stale_loss_is_refused_and_the_estimate_stays_due() -> None:
    leaf = Value(1.0)
    optimizer = SophiaH([leaf])
    loss = leaf * leaf
    leaf.data = 2.0
    with pytest.raises(StaleGraphError):
        optimizer.update_hessian(loss)
    assert optimizer.hessian_is_due
    assert "hessian" not in optimizer.state_dict()["state"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, r"k is in \[1, inf\) whole, not 0"),
        ({"eps": 0.0}, r"eps is in \(0, inf\), not 0.0"),
        ({"rho": -1.0}, r"rho is in \[0, inf\), not -1.0"),
        ({"betas": (0.9, 1.0)}, r"betas\[1\] is in \[0, 1\), not 1.0"),
        ({"distribution": "uniform"}, "'rademacher' or 'normal', not 'uniform'"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SophiaH([Value(1.0)], **arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generator": [3, [1, 2], None]}, "'generator' of the state is no state of random.Random"),
        ({"generator": 5}, "'generator' of the state is no state of random.Random"),
        ({"steps": -1}, "steps is in"),
        ({"more": 1}, "has steps, due and generator"),
    ],
)
def test_a_damaged_state_is_refused_and_nothing_changes(change: dict[str, Any], message: str) -> None:
    leaf = Value(1.0)
    optimizer = SophiaH([leaf], generator=0)
    optimizer.update_hessian(leaf * leaf)
    optimizer.step()
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict({**before, **change})
    assert optimizer.state_dict() == before


def test_with_a_generator_the_global_random_state_is_not_touched() -> None:
    before = random.getstate()
    leaf = Value(1.0)
    SophiaH([leaf], generator=0).update_hessian(leaf * leaf)
    SophiaG([leaf], generator=0).update_hessian([leaf * 2.0])
    assert random.getstate() == before
