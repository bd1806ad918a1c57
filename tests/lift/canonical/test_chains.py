"""Maxima that are folded one by one cost a constant number of statements, and mean what they meant."""

import functools
import math

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import grad, value_and_grad
from tinygrad_lite.lift import lift

#: Steps of a fold: the maximum (1) or minimum (-1) so far, and one number more.
STEPS = {
    "maximum(m, x)": (1, tg.maximum),
    "maximum(x, m)": (1, lambda m, x: tg.maximum(x, m)),
    "minimum(m, x)": (-1, tg.minimum),
    "minimum(x, m)": (-1, lambda m, x: tg.minimum(x, m)),
    "where(greater(x, m), x, m)": (1, lambda m, x: tg.where(tg.greater(x, m), x, m)),
    "where(greater_equal(x, m), x, m)": (1, lambda m, x: tg.where(tg.greater_equal(x, m), x, m)),
    "where(less(m, x), x, m)": (1, lambda m, x: tg.where(tg.less(m, x), x, m)),
    "where(less(x, m), x, m)": (-1, lambda m, x: tg.where(tg.less(x, m), x, m)),
    "where(greater(m, x), x, m)": (-1, lambda m, x: tg.where(tg.greater(m, x), x, m)),
}


def groups_of(f, *arguments):
    return lift(f).program_for(*arguments).report().groups


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape)


def folded(step):
    return lambda v: functools.reduce(step, list(v))


def shifted_logsumexp(step):
    """By hand, with a maximum that is subtracted: of each row of a matrix, added up."""

    def loss(rows):
        total = 0.0
        for row in rows:
            m = folded(step)(row)
            total = total + tg.log(tg.sum([tg.exp(x - m) for x in row])) + m
        return total

    return loss


def slopes_of(name, v):
    """The derivatives of a fold by hand: each step passes the share of what was kept on to the steps before."""
    sign, _ = STEPS[name]
    v = sign * np.asarray(v)
    shares, rest = np.zeros(len(v)), 1.0
    so_far = np.maximum.accumulate(v)
    for k in range(len(v) - 1, 0, -1):
        m, x = so_far[k - 1], v[k]
        share_of_a_tie = 0.5 if "where" not in name else float("equal" in name)
        taken = share_of_a_tie if x == m else float(x > m)
        shares[k], rest = rest * taken, rest * (1.0 - taken)
    shares[0] = rest
    return shares


@pytest.mark.parametrize("name", STEPS)
def test_a_fold_by_hand_costs_the_same_whatever_its_length(name):
    _, step = STEPS[name]
    assert len({groups_of(folded(step), numbers(n)) for n in (9, 12, 20, 40)}) == 1
    assert len({groups_of(grad(folded(step)), numbers(n)) for n in (9, 12, 20, 40)}) == 1
    counts = {groups_of(value_and_grad(shifted_logsumexp(step)), numbers(r, n)) for r, n in ((2, 12), (2, 30), (3, 20))}
    assert len(counts) == 1
    assert counts.pop() <= 30


@pytest.mark.parametrize(
    ("name", "engine"),
    [*[(name, "numpy") for name in STEPS], ("maximum(m, x)", "jax"), ("where(less(x, m), x, m)", "jax")],
)
def test_ties_share_as_they_do_step_by_step(name, engine):
    sign, step = STEPS[name]
    if engine == "jax":
        pytest.importorskip("jax", reason="the jax engine needs JAX")
    lifted = lift(value_and_grad(folded(step)), engine=engine)
    rng = np.random.default_rng(1)
    for _ in range(20):
        v = rng.integers(0, 4, 12).astype(float)
        value, slopes = lifted(v)
        assert float(value) == sign * max(sign * v)
        assert list(np.asarray(slopes)) == list(slopes_of(name, v))


def test_the_gradient_of_a_softmax_by_hand_is_that_of_the_function():
    lifted = lift(value_and_grad(shifted_logsumexp(tg.maximum)))
    v = numbers(3, 15)
    value, slopes = lifted(v)
    powers = np.exp(v)
    assert math.isclose(value, np.log(powers.sum(1)).sum(), rel_tol=1e-12)
    np.testing.assert_allclose(slopes, powers / powers.sum(1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("name", STEPS)
def test_a_number_that_is_nan_counts_as_it_does_step_by_step(name):
    sign, step = STEPS[name]
    lifted = lift(value_and_grad(folded(step)), check=False)
    lifted(numbers(12))
    for places in ([3], [0], [11], [2, 5]):
        v = numbers(12)
        v[places] = math.nan
        value, slopes = lifted(v)
        if "where" in name and 0 not in places:  # a comparison with nan is false: what was there stays
            assert value == sign * np.nanmax(sign * v)
            assert slopes[np.nanargmax(sign * v)] == 1.0
            assert slopes.sum() == 1.0
        else:
            assert math.isnan(value)


def test_all_the_maxima_on_the_way_are_one_statement():
    def running(v):
        m, found = v[0], []
        for x in v[1:]:
            m = tg.maximum(m, x)
            found.append(m)
        return found

    program = lift(running).program_for(numbers(15))
    assert program.report().groups <= 2
    v = numbers(15)
    np.testing.assert_array_equal(program(v), np.maximum.accumulate(v)[1:])


LONG = [pytest.param(size, marks=pytest.mark.slow) for size in (256, 257, 300)]


@pytest.mark.parametrize("size", [3, 7, 8, 9, 10, *LONG])
def test_folds_of_any_length_are_right(size):
    v = np.random.default_rng(2).integers(0, size, size).astype(float)
    value, slopes = lift(value_and_grad(folded(tg.maximum)))(v)
    assert value == v.max()
    assert list(slopes) == list(slopes_of("maximum(m, x)", v))


def test_two_folds_that_share_their_first_steps_are_both_right():
    def f(v):
        m = functools.reduce(tg.maximum, list(v[:12]))
        return functools.reduce(tg.maximum, list(v[12:18]), m) * functools.reduce(tg.maximum, list(v[18:]), m)

    v = numbers(24)
    value, slopes = lift(value_and_grad(f))(v)
    first, second = max(v[:18]), max([*v[:12], *v[18:]])
    truth = np.zeros(24)
    truth[np.flatnonzero(v == first)] += second
    truth[np.flatnonzero(v == second)] += first
    assert math.isclose(value, first * second, rel_tol=1e-15)
    np.testing.assert_allclose(slopes, truth, rtol=1e-15)


def test_a_maximum_of_maxima_is_right():
    def f(v):
        return tg.maximum(folded(tg.maximum)(v[:12]), folded(tg.maximum)(v[12:]))

    v = numbers(24)
    value, slopes = lift(value_and_grad(f))(v)
    assert value == v.max()
    assert list(slopes) == list((v == v.max()).astype(float))
