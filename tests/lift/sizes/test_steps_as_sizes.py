"""The number of steps as a size: loops of any length from traces of a few steps, or a refusal."""

from __future__ import annotations

import numpy as np
import pytest
from time_programs import PROGRAMS

from tinygrad_lite import tanh, tree_leaves, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift


def numbers(results):
    return np.concatenate([np.ravel(np.asarray(leaf, dtype=float)) for leaf in tree_leaves(results)])


@pytest.mark.parametrize(
    "name", ["runge_kutta", *[pytest.param(name, marks=pytest.mark.slow) for name in ("kalman", "arm")]]
)
def test_loops_of_many_steps_come_from_traces_of_few(name):
    given = PROGRAMS[name]
    f = value_and_grad(given.f, argnums=given.argnums)
    lifted = lift(f, sizes=True)
    for steps in (70, 160):
        arguments = given.arguments(np.random.default_rng(steps), steps)
        np.testing.assert_allclose(numbers(lifted(*arguments)), numbers(f(*arguments)), rtol=1e-9, atol=1e-11)
        program = lifted.program_for(*arguments)
        assert max(loop.steps for loop in program.ir.loops) > steps - 10
        assert "from traces at" in program.report().sizes


def odd_step(t, steps):
    return t == 40


def middle_step(t, steps):
    return t == steps // 2


def root_step(t, steps):
    return t == int(steps**0.5)


def late_steps(t, steps):
    return t >= 30


def every_hundredth(t, steps):
    return t % 100 == 99


def make_walk(differs):
    def walk(p, xs):
        h = p[0]
        for t, x in enumerate(xs):
            h = tanh(p[1] * h + x) if not differs(t, len(xs)) else 0.5 * h - x
        return h * h

    return value_and_grad(walk, argnums=(0, 1))


def test_a_step_that_differs_in_the_middle_of_all_lengths_parts_two_loops():
    f = make_walk(middle_step)
    lifted = lift(f, sizes=True)
    for steps in (120, 121):
        arguments = ([0.3, 0.9], np.sin(np.arange(float(steps))))
        np.testing.assert_allclose(numbers(lifted(*arguments)), numbers(f(*arguments)), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("differs", [odd_step, root_step, late_steps, every_hundredth])
def test_steps_that_no_small_trace_has_are_seen(differs):
    arguments = ([0.3, 0.9], np.sin(np.arange(120.0)))
    f = make_walk(differs)
    with pytest.raises(LiftError, match="cannot be traced at smaller sizes"):
        lift(f, sizes=True)(*arguments)
    np.testing.assert_allclose(numbers(lift(f)(*arguments)), numbers(f(*arguments)), rtol=1e-9, atol=1e-11)
