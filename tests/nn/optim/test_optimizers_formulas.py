"""Each optimiser is the formula of its paper, in whatever arithmetic it runs, and can be differentiated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_problems import Problem, assert_same_runs, problems, run

from tinygrad_lite import Value, gradient, jvp
from tinygrad_lite.dispatch import VALUE
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.optim.optimizers import SGD, Adam, AdamW, Lion, RMSprop
from tinygrad_lite.nn.optim.schedule_free import AdamWScheduleFree, SGDScheduleFree
from tinygrad_lite.nn.optim.sophia import SophiaG, SophiaH
from tinygrad_lite.operations.arithmetic import FLOAT, array
from tinygrad_lite.operations.ops import TABLE

fewer = settings(max_examples=settings().max_examples // 4)

#: Every optimiser, with hyperparameters that reach every branch of its formula.
VARIANTS: list[tuple[type[Optimizer], dict[str, Any]]] = [
    (SGD, {}),
    (SGD, {"momentum": 0.9, "dampening": 0.25, "weight_decay": 0.1, "maximize": True}),
    (SGD, {"momentum": 0.9, "nesterov": True}),
    (RMSprop, {}),
    (RMSprop, {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "maximize": True}),
    (Adam, {}),
    (Adam, {"amsgrad": True, "weight_decay": 0.1, "maximize": True, "betas": (0.5, 0.75)}),
    (AdamW, {}),
    (AdamW, {"maximize": True, "amsgrad": True}),
    (Lion, {"weight_decay": 0.1}),
    (SophiaH, {}),
    (SophiaG, {"rho": 2.0}),
    (SGDScheduleFree, {"warmup_steps": 3, "weight_decay": 0.1, "r": 1.0}),
    (SGDScheduleFree, {"lr": 0.0}),
    (AdamWScheduleFree, {"warmup_steps": 2, "weight_decay": 0.1, "weight_lr_power": 0.5}),
]
every_variant = pytest.mark.parametrize(("kind", "given_settings"), VARIANTS)

# ------------------------------------------------------------------------------- the papers, written out by hand


def sgd(
    p: float, lr: float, mu: float, tau: float, decay: float, nesterov: bool, gradient_at: Callable[[float], float]
) -> Iterator[float]:
    velocity = None
    while True:
        g = gradient_at(p) + decay * p
        velocity = g if velocity is None else mu * velocity + (1 - tau) * g
        p -= lr * (g + mu * velocity if nesterov else velocity)
        yield p


def adam(
    p: float, lr: float, b1: float, b2: float, decay: float, gradient_at: Callable[[float], float], highest: bool
) -> Iterator[float]:
    mean = square = greatest = 0.0
    step = 0
    while True:
        step += 1
        g = gradient_at(p)
        mean = b1 * mean + (1 - b1) * g
        square = b2 * square + (1 - b2) * g**2
        greatest = max(greatest, square) if highest else square
        unbiased = mean / (1 - b1**step), greatest / (1 - b2**step)
        p = p - lr * decay * p - lr * unbiased[0] / (math.sqrt(unbiased[1]) + 1e-8)
        yield p


def rmsprop(
    p: float, lr: float, alpha: float, centered: bool, gradient_at: Callable[[float], float]
) -> Iterator[float]:
    square = mean = 0.0
    while True:
        g = gradient_at(p)
        square = alpha * square + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        p -= lr * g / (math.sqrt(square - mean**2 if centered else square) + 1e-8)
        yield p


def lion(
    p: float, lr: float, b1: float, b2: float, decay: float, gradient_at: Callable[[float], float]
) -> Iterator[float]:
    mean = 0.0
    while True:
        g = gradient_at(p)
        c = b1 * mean + (1 - b1) * g
        p -= lr * ((c > 0) - (c < 0) + decay * p)
        mean = b2 * mean + (1 - b2) * g
        yield p


def schedule_free(
    p: float, lr: float, beta: float, warmup: int, second: float | None, gradient_at: Callable[[float], float]
) -> Iterator[float]:
    """The three sequences of the paper, each kept by itself; gives the average x. lr is halved after 50 steps."""
    x = z = p
    square = weights = highest = 0.0
    step = 0
    while True:
        step += 1
        y = (1 - beta) * z + beta * x
        g = gradient_at(y)
        if second is not None:
            square = second * square + (1 - second) * g**2
            g = g / (math.sqrt(square / (1 - second**step)) + 1e-8)
        rate = lr * min(1.0, step / warmup) if warmup else lr
        rate = rate / 2 if step > 50 else rate
        highest = max(highest, rate)
        weights += highest**2
        c = highest**2 / weights
        z = z - rate * g
        x = (1 - c) * x + c * z
        yield x


def each(
    problem: Problem, formula: Callable[[float, Callable[[float], float]], Iterator[float]]
) -> Iterator[list[float]]:
    """A formula in each direction of the problem by itself."""
    now = [0]

    def gradient_in(i: int) -> Callable[[float], float]:
        return lambda p: problem.gradient(i, p, now[0])

    runs = [formula(p, gradient_in(i)) for i, p in enumerate(problem.start)]
    for step in range(100):
        now[0] = step
        yield [next(one) for one in runs]


rates = st.floats(1e-3, 0.1)
fractions = st.floats(0.0, 0.95)


@fewer
@given(
    problem=problems(2),
    lr=rates,
    mu=st.floats(0.1, 0.95),
    tau=st.floats(0.0, 1.0),
    decay=st.floats(0.0, 0.5),
    nesterov=st.booleans(),
    maximize=st.booleans(),
)
def test_sgd_is_the_formula(
    problem: Problem, lr: float, mu: float, tau: float, decay: float, nesterov: bool, maximize: bool
) -> None:
    values = [Value(p) for p in problem.start]
    tau = 0.0 if nesterov else tau
    ours = run(SGD(values, lr, mu, tau, decay, nesterov, maximize=maximize), values, problem)
    sign = -1 if maximize else 1
    assert_same_runs(ours, each(problem, lambda p, g: sgd(p, lr, mu, tau, decay, nesterov, lambda q: sign * g(q))))


@fewer
@given(problem=problems(2), lr=rates, b1=fractions, b2=st.floats(0.5, 0.999), highest=st.booleans())
def test_adam_is_the_formula(problem: Problem, lr: float, b1: float, b2: float, highest: bool) -> None:
    values = [Value(p) for p in problem.start]
    ours = run(Adam(values, lr, (b1, b2), amsgrad=highest), values, problem)
    assert_same_runs(ours, each(problem, lambda p, g: adam(p, lr, b1, b2, 0.0, g, highest)))


@fewer
@given(problem=problems(2), lr=rates, b1=fractions, decay=st.floats(0.0, 1.0), maximize=st.booleans())
def test_adamw_is_the_formula(problem: Problem, lr: float, b1: float, decay: float, maximize: bool) -> None:
    values = [Value(p) for p in problem.start]
    ours = run(AdamW(values, lr, (b1, 0.99), weight_decay=decay, maximize=maximize), values, problem)
    sign = -1 if maximize else 1
    assert_same_runs(ours, each(problem, lambda p, g: adam(p, lr, b1, 0.99, decay, lambda q: sign * g(q), False)))


@fewer
@given(problem=problems(2), lr=rates, alpha=st.floats(0.9, 0.999), centered=st.booleans())
def test_rmsprop_is_the_formula(problem: Problem, lr: float, alpha: float, centered: bool) -> None:
    values = [Value(p) for p in problem.start]
    ours = run(RMSprop(values, lr, alpha, centered=centered), values, problem)
    assert_same_runs(ours, each(problem, lambda p, g: rmsprop(p, lr, alpha, centered, g)))


@fewer
@given(problem=problems(2), lr=rates, b1=fractions, b2=fractions, decay=st.floats(0.0, 1.0))
def test_lion_is_the_formula(problem: Problem, lr: float, b1: float, b2: float, decay: float) -> None:
    values = [Value(p) for p in problem.start]
    ours = run(Lion(values, lr, (b1, b2), decay), values, problem)
    assert_same_runs(ours, each(problem, lambda p, g: lion(p, lr, b1, b2, decay, g)))


@pytest.mark.parametrize("second", [None, 0.99])
@fewer
@given(problem=problems(2), lr=rates, beta=st.floats(0.2, 0.98), warmup=st.sampled_from([0, 1, 20]))
def test_schedule_free_is_the_three_sequences(
    second: float | None, problem: Problem, lr: float, beta: float, warmup: int
) -> None:
    values = [Value(p) for p in problem.start]
    optimizer: Any = (
        SGDScheduleFree(values, lr, beta, warmup_steps=warmup)
        if second is None
        else AdamWScheduleFree(values, lr, (beta, second), warmup_steps=warmup)
    )

    def averages() -> Iterator[list[float]]:
        for step, _ in enumerate(run(optimizer, values, problem)):
            optimizer.eval()
            yield [p.data for p in values]
            optimizer.train()
            optimizer.lr = lr / 2 if step >= 49 else lr

    assert_same_runs(averages(), each(problem, lambda p, g: schedule_free(p, lr, beta, warmup, second, g)))


def test_the_sign_of_zero_is_zero_for_lion() -> None:
    p = Value(3.0)
    Lion([p], lr=0.1).step()
    assert p.data == 3.0


def test_rounding_of_the_variance_gives_no_nan() -> None:
    """Of a constant gradient, whose mean square and squared mean are equal but for rounding."""
    p = Value(0.0)
    optimizer = RMSprop([p], lr=0.01, alpha=0.5, centered=True)
    for _ in range(100):
        p.grad = 0.7
        optimizer.step()
    assert math.isfinite(p.data)


def test_what_is_not_finite_goes_through_without_a_warning() -> None:
    values = [Value(1.0), Value(1.0), Value(1.0)]
    for optimizer in (SGD(values, lr=1.0), Adam(values, eps=0.0), SophiaH(values)):
        for parameter, g in zip(values, (math.inf, math.nan, 1e300), strict=True):
            parameter.grad = g
        optimizer.step()
    assert all(math.isnan(p.data) for p in values[:2])


# ------------------------------------------------------------------------------------------ in any arithmetic

numbers = st.lists(st.floats(-10.0, 10.0).map(lambda x: x + 0.0), min_size=3, max_size=3)  # + 0.0: no -0.0
gradients = st.lists(numbers, min_size=1, max_size=5)


def steps_in(
    m: Any, kind: type[Optimizer], group: Any, parameter: Any, grads: list[Any], state: Any = None, first: Any = 1
) -> Any:
    """A number, or an array, after a step with each gradient, and its state."""
    state = {**kind.initial_state(), **(state or {})}
    for step, g in enumerate(grads):
        parameter, new = kind.update(m, parameter, g, state, group, first + step)
        state = {**state, **new}
    return parameter, state


@every_variant
@given(start=numbers, grads=gradients, curvature=st.floats(-0.1, 10.0))
@settings(max_examples=settings().max_examples // 5)
def test_floats_values_arrays_and_the_optimiser_itself_give_the_same_bits(
    kind: type[Optimizer],
    given_settings: dict[str, Any],
    start: list[float],
    grads: list[list[float]],
    curvature: float,
) -> None:
    values = [Value(p) for p in start]
    optimizer = kind(values, **given_settings)
    group = optimizer.checked_group(optimizer.param_groups[0])
    known = {"hessian": curvature} if "hessian" in kind.numbers else {}
    by_floats = [steps_in(FLOAT, kind, group, p, [g[i] for g in grads], known)[0] for i, p in enumerate(start)]
    by_values = [
        steps_in(VALUE, kind, group, Value(p), [Value(g[i]) for g in grads], known)[0] for i, p in enumerate(start)
    ]
    arrays, _ = steps_in(array(), kind, group, np.array(start), [np.array(g) for g in grads], known)
    for bucket in optimizer._states[0].buckets():
        optimizer._states[0].remember(bucket, known, kind.numbers)
    for g in grads:
        for parameter, x in zip(values, g, strict=True):
            parameter.grad = x
        optimizer.step()
    assert [p.data for p in by_values] == by_floats
    assert arrays.tolist() == by_floats
    assert [p.data for p in values] == by_floats


@every_variant
def test_update_leaves_its_arguments_alone(kind: type[Optimizer], given_settings: dict[str, Any]) -> None:
    group = kind([Value(0.0)], **given_settings).defaults
    parameter, grads = np.array([1.0, 2.0]), [np.array([0.5, -0.5]), np.array([0.25, 4.0])]
    _, state = steps_in(array(), kind, group, parameter, grads)
    copies = {name: np.array(x) for name, x in state.items()}
    kind.update(array(), parameter, grads[0], state, group, 3)
    assert parameter.tolist() == [1.0, 2.0]
    assert grads[0].tolist() == [0.5, -0.5]
    assert all(np.array_equal(copies[name], state[name]) for name in state)


def jax_arithmetic(jax: Any) -> SimpleNamespace:
    return SimpleNamespace(**{op.name: getattr(jax.numpy, op.numpy) for op in TABLE.values() if op.numpy})


@every_variant
def test_jax_compiles_the_same_code(kind: type[Optimizer], given_settings: dict[str, Any]) -> None:
    """With the number of the step and the learning rate as arguments of the compiled function."""
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    m = jax_arithmetic(jax)
    group = kind([Value(0.0)], **given_settings).defaults
    start, grads = [1.0, -2.0, 0.5], [[0.5, -0.25, 0.0], [1.5, 0.0, -2.0], [-0.5, 0.125, 0.0]]
    with jax.enable_x64(True):

        @jax.jit
        def compiled(parameter: Any, first: Any, lr: Any, *gs: Any) -> Any:
            return steps_in(m, kind, {**group, "lr": lr}, parameter, list(gs), None, first)[0]

        found = np.asarray(compiled(jnp.array(start), 1.0, group["lr"], *map(jnp.array, grads)))
    expected, _ = steps_in(array(), kind, group, np.array(start), [np.array(g) for g in grads])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# --------------------------------------------------------------------------------- derivatives of an update


@every_variant
def test_the_derivatives_of_three_steps_are_those_of_differences_and_of_forward_mode(
    kind: type[Optimizer], given_settings: dict[str, Any]
) -> None:
    """By the parameter, the gradients and the learning rate."""
    base = kind([Value(0.0)], **given_settings).defaults
    point = [1.5, 0.3, -0.7, 0.9, 0.01]

    def three_steps(m: Any, parameter: Any, g1: Any, g2: Any, g3: Any, lr: Any) -> Any:
        known = {"hessian": 40.0} if "hessian" in kind.numbers else {}
        return steps_in(m, kind, {**base, "lr": lr}, parameter, [g1, g2, g3], known)[0]

    leaves = [Value(x) for x in point]
    found = gradient(three_steps(VALUE, *leaves), leaves)
    for i, x in enumerate(point):
        h = 1e-6
        up, down = [*point[:i], x + h, *point[i + 1 :]], [*point[:i], x - h, *point[i + 1 :]]
        difference = (three_steps(FLOAT, *up) - three_steps(FLOAT, *down)) / (2 * h)
        assert found[i] == pytest.approx(difference, rel=1e-6, abs=1e-8)
        direction = [float(i == j) for j in range(len(point))]
        _, forward = jvp(lambda *xs: three_steps(VALUE, *xs), tuple(point), tuple(direction))
        assert found[i] == pytest.approx(forward, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(("kind", "slope"), [(Adam, -0.5 / 1e-8), (RMSprop, -0.5 / 1e-8), (SGD, -0.5)])
def test_where_all_gradients_were_zero_the_update_has_a_slope(kind: type[Optimizer], slope: float) -> None:
    """As in the units of a dead relu: √0 has no slope, and the update has."""
    group = {**kind([Value(0.0)]).defaults, "lr": 0.5}
    g = Value(0.0)
    updated, _ = kind.update(VALUE, Value(1.0), g, kind.initial_state(), group, 1)
    first = gradient(updated, g, create_graph=True)
    assert first.data == pytest.approx(slope, rel=1e-12)
    assert math.isfinite(gradient(first, g))


@pytest.mark.parametrize(("kind", "slope"), [(Adam, -0.5 / 1e-8), (RMSprop, -0.5 / 1e-8)])
def test_and_jax_finds_it_too(kind: type[Optimizer], slope: float) -> None:
    """An engine that does not stop where an adjoint is 0 computes 0·inf, unless the formula keeps it from √0."""
    jax = pytest.importorskip("jax")
    group = {**kind([Value(0.0)]).defaults, "lr": 0.5}
    with jax.enable_x64(True):
        update = jax.grad(lambda g: kind.update(jax_arithmetic(jax), 1.0, g, kind.initial_state(), group, 1)[0])
        assert float(update(0.0)) == pytest.approx(slope, rel=1e-12)


def test_a_learning_rate_can_be_learnt_through_training_steps() -> None:
    """The slope of the loss after 5 steps of gradient descent on x², which is x₀²(1 − 2·lr)¹⁰, in lr."""
    lr, x = Value(0.1), Value(3.0)
    group = {**SGD([Value(0.0)]).defaults, "lr": lr}
    for step in range(1, 6):
        x, _ = SGD.update(VALUE, x, gradient(x * x, x, create_graph=True), {}, group, step)
    (x * x).backward()
    assert lr.grad == pytest.approx(-20 * 9.0 * 0.8**9, rel=1e-12)
