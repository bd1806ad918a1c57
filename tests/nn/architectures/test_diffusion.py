"""Noise is added and taken away by the right amounts, and the denoiser learns, lifted as it does eagerly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from example_training import assert_trains_as_eagerly
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tinygrad_lite import Value, nn, value_and_grad
from tinygrad_lite.lift import lift
from tinygrad_lite.nn.architectures.diffusion import (
    Denoiser,
    NoiseSchedule,
    energy_distance,
    example,
    lifted_denoiser,
    linear_schedule,
    moon_points,
    noised_data,
    sample,
)
from tinygrad_lite.testing import Verdict, check_gradients

SCHEDULES = st.lists(st.floats(0.001, 0.9), min_size=1, max_size=8).map(lambda betas: NoiseSchedule(tuple(betas)))
NUMBERS = st.floats(-3.0, 3.0)


def chain(schedule: NoiseSchedule) -> tuple[Any, Any]:
    """Weights of x₀ in x₁ ... x_T, and their covariance for a fixed x₀, by composing the steps one by one."""
    steps = schedule.steps
    weights, mixing = np.ones(steps), np.zeros((steps, steps))
    for i, beta in enumerate(schedule.betas):
        weights[i] = np.sqrt(1.0 - beta) * (weights[i - 1] if i else 1.0)
        mixing[i] = np.sqrt(1.0 - beta) * mixing[i - 1] if i else 0.0
        mixing[i, i] = np.sqrt(beta)
    return weights, mixing @ mixing.T


# ------------------------------------------------------------------------------------------------------- formulas


@given(SCHEDULES)
def test_many_steps_at_once_are_these_steps_one_by_one(schedule: NoiseSchedule) -> None:
    weights, covariance = chain(schedule)
    for t in range(1, schedule.steps + 1):
        assert schedule.signal(t) == pytest.approx(weights[t - 1], rel=1e-12)
        assert schedule.noise(t) ** 2 == pytest.approx(covariance[t - 1, t - 1], rel=1e-9)


@given(SCHEDULES, NUMBERS, NUMBERS, st.data())
def test_the_posterior_is_the_conditional_of_the_joint_normal_distribution(
    schedule: NoiseSchedule, x0: float, xt: float, data: st.DataObject
) -> None:
    t = data.draw(st.integers(1, schedule.steps))
    mean, variance = schedule.posterior(x0, xt, t)
    if t == 1:
        assert (mean, variance) == (pytest.approx(x0, abs=1e-12), 0.0)
        return
    weights, covariance = chain(schedule)
    before, now = t - 2, t - 1
    gain = covariance[before, now] / covariance[now, now]
    assert mean == pytest.approx(weights[before] * x0 + gain * (xt - weights[now] * x0), rel=1e-8, abs=1e-9)
    assert variance == pytest.approx(covariance[before, before] - gain * covariance[before, now], rel=1e-7)


@given(SCHEDULES, NUMBERS, NUMBERS, st.data())
def test_the_posterior_is_the_product_of_its_two_factors(
    schedule: NoiseSchedule, x0: float, xt: float, data: st.DataObject
) -> None:
    """q(x_{t−1} | x_t, x₀) ∝ q(x_t | x_{t−1}) q(x_{t−1} | x₀): precisions add up."""
    t = data.draw(st.integers(2, schedule.steps)) if schedule.steps > 1 else None
    if t is None:
        return
    alpha, beta = 1.0 - schedule.betas[t - 1], schedule.betas[t - 1]
    kept = np.prod(1.0 - np.array(schedule.betas[: t - 1]))
    precision = alpha / beta + 1.0 / (1.0 - kept)
    wanted = (np.sqrt(alpha) * xt / beta + np.sqrt(kept) * x0 / (1.0 - kept)) / precision
    mean, variance = schedule.posterior(x0, xt, t)
    assert variance == pytest.approx(1.0 / precision, rel=1e-8)
    assert mean == pytest.approx(wanted, rel=1e-8, abs=1e-9)


@given(SCHEDULES, NUMBERS, NUMBERS, st.data())
def test_a_step_back_is_the_posterior_of_the_origin_that_the_noise_tells_of(
    schedule: NoiseSchedule, x0: float, noise: float, data: st.DataObject
) -> None:
    t = data.draw(st.integers(1, schedule.steps))
    xt = schedule.noised(x0, t, noise)
    assert schedule.origin(xt, t, noise) == pytest.approx(x0, rel=1e-6, abs=1e-6)
    mean, variance = schedule.posterior(x0, xt, t)
    found, found_variance = schedule.back(xt, t, noise)
    assert found == pytest.approx(mean, rel=1e-6, abs=1e-6)
    assert found_variance == pytest.approx(variance, rel=1e-9)


def test_formulas_take_values_and_arrays() -> None:
    schedule = linear_schedule(30)
    x = Value(0.5)
    schedule.noised(x, 10, 0.0).backward()
    assert x.grad == schedule.signal(10)
    mean, _ = schedule.posterior(np.zeros((2, 3)), np.ones((2, 3)), 10)
    assert mean.shape == (2, 3)


def test_a_thousand_steps_are_those_of_the_paper() -> None:
    betas = linear_schedule(1000).betas
    np.testing.assert_allclose(betas, np.linspace(1e-4, 0.02, 1000), rtol=1e-12)
    with pytest.raises(ValueError, match="at least 21 steps"):
        linear_schedule(20)


def test_noised_data_have_the_mean_and_variance_of_their_step() -> None:
    schedule = linear_schedule(25)
    points = np.array([[2.0, -1.0]])
    inputs, noise = noised_data(points, schedule, 100_000)
    for t in (1, 12, 25):
        at = inputs[:, 2] == t
        assert at.mean() == pytest.approx(1 / 25, abs=0.003)
        error = inputs[at, :2] - schedule.signal(t) * points
        np.testing.assert_allclose(error, schedule.noise(t) * noise[at], rtol=1e-9, atol=1e-12)
    assert noise.mean() == pytest.approx(0.0, abs=0.02)
    assert noise.std() == pytest.approx(1.0, abs=0.02)


def best_guess(schedule: NoiseSchedule, center: float, spread: float) -> Callable[[Any, int], Any]:
    """The expected noise in a point, if the data are normal: the conditional of a joint normal distribution."""

    def denoise(xs: Any, t: int) -> Any:
        total = schedule.kept(t) * spread**2 + schedule.noise(t) ** 2
        return schedule.noise(t) * (xs - schedule.signal(t) * center) / total

    return denoise


def moments(schedule: NoiseSchedule, denoise: Callable[[Any, int], Any]) -> tuple[float, float]:
    """Mean and variance of samples, where each step back is an affine map with normal noise."""
    mean, variance = 0.0, 1.0
    for t in range(schedule.steps, 0, -1):
        low, added = schedule.back(0.0, t, denoise(0.0, t))
        slope = schedule.back(1.0, t, denoise(1.0, t))[0] - low
        mean, variance = low + slope * mean, slope**2 * variance + added
    return mean, variance


def test_samples_of_normal_data_have_the_moments_that_follow_from_the_steps() -> None:
    schedule = linear_schedule(40)
    denoise = best_guess(schedule, 1.5, 0.4)
    mean, variance = moments(schedule, denoise)
    found = sample(denoise, schedule, 40_000, size=1)[-1]
    assert found.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / 40_000))
    assert found.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / 40_000))
    assert stats.kstest((found[:, 0] - mean) / np.sqrt(variance), "norm").pvalue > 1e-3


def test_samples_of_normal_data_come_to_be_the_data_as_steps_grow_in_number() -> None:
    errors = []
    for steps in (50, 200, 800):
        schedule = linear_schedule(steps)
        mean, variance = moments(schedule, best_guess(schedule, 1.5, 0.4))
        assert mean == pytest.approx(1.5, abs=0.05)
        errors.append(0.4 - np.sqrt(variance))
    assert 0.0 < errors[2] < errors[1] / 2 < errors[0] / 4
    assert errors[2] < 0.01


# ------------------------------------------------------------------------------------------------------- distance


@given(st.lists(NUMBERS, min_size=2, max_size=6).map(np.array), st.lists(NUMBERS, min_size=2, max_size=6).map(np.array))
def test_the_energy_distance_is_scipys_without_pairs_of_a_point_with_itself(xs: Any, ys: Any) -> None:
    n, m = len(xs), len(ys)
    within_x = np.abs(xs[:, None] - xs).sum()
    within_y = np.abs(ys[:, None] - ys).sum()
    biased = stats.energy_distance(xs, ys) ** 2  # SciPy's is the root, of means over all pairs
    wanted = biased - within_x / (n * n * (n - 1)) - within_y / (m * m * (m - 1))
    assert energy_distance(xs[:, None], ys[:, None]) == pytest.approx(wanted, abs=1e-9)


def test_the_energy_distance_of_two_normal_distributions_is_the_closed_form() -> None:
    """Of N(0, 1) and N(d, 1): 2 E|z√2 + d| − 2 E|z√2|, where E|N(d, s²)| is that of the folded normal distribution."""
    d, s = 1.0, np.sqrt(2.0)
    folded = s * np.sqrt(2 / np.pi) * np.exp(-(d**2) / (2 * s**2)) + d * (1 - 2 * stats.norm.cdf(-d / s))
    wanted = 2 * folded - 2 * s * np.sqrt(2 / np.pi)
    points = stats.norm.ppf((np.arange(1000) + 0.5) / 1000)[:, None]
    assert energy_distance(points, points + d) == pytest.approx(wanted, rel=0.01)


# ------------------------------------------------------------------------------------------------------- the model


def test_moons_have_mean_0_and_variance_1() -> None:
    points = moon_points(20_000)
    np.testing.assert_allclose(points.mean(0), 0.0, atol=0.02)
    np.testing.assert_allclose(points.std(0), 1.0, atol=0.02)


def test_gradients_are_right() -> None:
    one = example(n=4, draws=1, hidden=[3])
    x, y = one.data[0][0].tolist(), one.data[1][0].tolist()
    assert check_gradients(lambda m: one.of_one_sample(x, y, m), one.model).verdict is Verdict.CORRECT


@pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])
def test_trains_lifted_as_it_does_eagerly(engine: str) -> None:
    assert_trains_as_eagerly(lambda: example(n=5, draws=2, hidden=[3]), engine)


def test_the_lifted_denoiser_is_the_model_with_the_weights_that_it_has() -> None:
    model = Denoiser(hidden=[3])
    denoise = lifted_denoiser(model)
    xs = np.random.default_rng(0).normal(size=(4, 2))
    for _ in range(2):
        expected = [[value.data for value in model([*x, 7])] for x in xs.tolist()]
        np.testing.assert_allclose(denoise(xs, 7), expected, rtol=1e-12)
        for parameter in model.parameters():
            parameter.data += 0.1


@pytest.mark.parametrize("hidden", [(4, 4), (7, 9)])
def test_has_as_few_groups_whatever_the_width(hidden: tuple[int, int]) -> None:
    def loss(model: Denoiser, x: object, y: object) -> object:
        return nn.mse_loss([model(x)], [y])

    program = lift(value_and_grad(loss), batch=(None, 0, 0))
    report = program.program_for(Denoiser(hidden=hidden), np.ones((2, 3)), np.zeros((2, 2))).report()
    assert report.groups <= 30


def test_samples_come_nearer_to_the_data_than_noise_is() -> None:
    model, loss, data = example(n=300, draws=25, hidden=[24, 24], steps=50)
    optimizer = nn.AdamW(model.parameters(), lr=0.01)
    schedule = linear_schedule(50)
    moons = moon_points(600, 1)
    untrained = energy_distance(sample(lifted_denoiser(model), schedule, 600)[-1], moons)
    nn.fit(model, loss, data, optimizer, 8, 100, engine="numpy", progress=False, generator=0)
    trained = energy_distance(sample(lifted_denoiser(model), schedule, 600)[-1], moons)
    noise = energy_distance(np.random.default_rng(0).normal(size=(600, 2)), moons)
    assert trained < noise / 2 < untrained / 2
