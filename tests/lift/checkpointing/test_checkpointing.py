"""Checkpoints: the same results as without them, in far less memory, on every engine, or a clear refusal."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from interpreted_loops import without_compiler
from step_programs import draw_program
from time_programs import PROGRAMS, numbers

from tinygrad_lite import tanh, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift, load
from tinygrad_lite.lift.checkpointing.running import build
from tinygrad_lite.lift.checkpointing.schedule import make_schedule
from tinygrad_lite.lift.engines import numpy_engine, registry
from tinygrad_lite.lift.ir.verifier import check_groups


def make(name, steps, **options):
    """A lifted program of so many steps, and its arguments."""
    given = PROGRAMS[name]
    arguments = given.arguments(np.random.default_rng(steps), steps)
    static = {"static": (3,)} if name == "hidden_markov" else {}
    return lift(value_and_grad(given.f, argnums=given.argnums), batch=given.batch, **static, **options), arguments


def compare(program, arrays, checkpoint):
    """Raise unless the parts of a program are valid, and compute together what the program does."""
    schedule = make_schedule(program, checkpoint)
    levels = [part for level in schedule.levels for part in (level.first, level.segment, level.last)]
    for part in (*schedule.stages, *levels):
        check_groups(part.program, 10**7)
    found, expected = build("numpy", program, schedule, {})(arrays), numpy_engine.build(program)(arrays)
    for array, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-10, atol=1e-12 * (1 + np.abs(other).max()))
    return schedule


@pytest.mark.parametrize("checkpoint", [True, *[pytest.param(steps, marks=pytest.mark.slow) for steps in (3, 11)]])
@pytest.mark.parametrize("name", PROGRAMS)
def test_results_are_those_without_checkpoints(name, checkpoint):
    lifted, arguments = make(name, 41)
    program = lifted.program_for(*arguments)
    arrays = program.inputs.gather(program.inputs.take_apart(arguments, {}))
    schedule = compare(program.ir, arrays, checkpoint)
    assert schedule.segments * schedule.steps >= 20
    if checkpoint is not True:
        assert schedule.steps == checkpoint


@pytest.mark.parametrize("seed", range(8))
def test_results_of_random_loops_are_those_without_checkpoints(seed):
    names = {}
    exec(draw_program(seed), names)
    f, rng = names["program"], np.random.default_rng(seed)
    arguments = [0.1, 0.2, 0.3], rng.uniform(-1, 1, (34, 3)), [0.5, 0.4, 0.3]
    if not isinstance(f(*arguments), tuple):
        f = value_and_grad(f, argnums=(0, 1, 2))
    program = lift(f).program_for(*arguments).ir
    if not program.loops:
        pytest.skip("it has no loop")
    compare(program, [rng.uniform(-1, 1, program.groups[number].shape) for number in program.inputs], True)


@pytest.mark.parametrize(("engine", "name"), [("jax", "recurrent"), ("jax", "hidden_markov"), ("numba", "recurrent")])
def test_engines_keep_checkpoints(engine, name):
    pytest.importorskip(engine)
    lifted, arguments = make(name, 30, engine=engine, checkpoint=True)
    plain, _ = make(name, 30)
    assert "segments of" in lifted.program_for(*arguments).report().checkpoints
    np.testing.assert_allclose(numbers(lifted(*arguments)), numbers(plain(*arguments)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops_as_they_are_written_for_numba_keep_checkpoints(name):
    with without_compiler():
        test_engines_keep_checkpoints("numba", name)


def peak(program, arguments):
    """The largest memory during a call, in bytes."""
    program(*arguments)
    tracemalloc.start()
    program(*arguments)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_memory_grows_with_the_root_of_the_steps():
    def f(p, xs):
        h = [0.1, 0.2, 0.3]
        for x in xs:
            h = [tanh(p[k] * h[k] + p[3] * h[k - 1] + x) for k in range(3)]
        return sum(h)

    p, most = [0.5, 0.6, 0.7, 0.1], {}
    for steps in (100, 1600):
        arguments = p, np.random.default_rng(0).normal(size=(64, steps))
        for checkpoint in (False, True):
            lifted = lift(value_and_grad(f), batch=(None, 0), sizes=True, checkpoint=checkpoint)
            most[steps, checkpoint] = peak(lifted.program_for(*arguments), arguments)
    assert most[1600, False] > 12 * most[100, False]
    assert most[1600, True] < 6 * most[100, True]
    assert most[1600, True] < most[1600, False] / 8


def test_memory_on_jax_is_less():
    pytest.importorskip("jax")
    arguments = [0.3, 0.8], np.random.default_rng(0).normal(size=(64, 900))
    program = lift(value_and_grad(last_state), batch=(None, 0), sizes=True).program_for(*arguments)
    arrays = program.inputs.gather(program.inputs.take_apart(arguments, {}))
    frugal = build("jax", program.ir, make_schedule(program.ir, True), {})
    assert frugal.memory(arrays) < registry.build("jax", program.ir, {}).memory(arrays) / 4


def last_state(p, xs):
    h = p[0]
    for x in xs:
        h = tanh(p[1] * h + x)
    return h * h


def test_a_loop_without_a_derivative_keeps_one_segment():
    def rows(p, xs):
        h, out = p[0], []
        for x in xs:
            h = tanh(p[1] * h + x)
            out.append(h)
        return out

    xs = np.linspace(-1, 1, 50)
    for f in (last_state, rows):
        found = lift(f, checkpoint=True)([0.3, 0.8], xs)
        np.testing.assert_array_equal(numbers(found), numbers(lift(f)([0.3, 0.8], xs)))


def test_an_array_that_something_needs_whole_is_kept_whole():
    def f(p, xs):
        h, states = p[0], []
        for x in xs:
            h = tanh(p[1] * h + x)
            states.append(h)
        return sum(a * b for a, b in zip(states, reversed(states), strict=True))

    program = lift(value_and_grad(f)).program_for([0.3, 0.8], np.linspace(-1, 1, 40)).ir
    arrays = [np.random.default_rng(0).uniform(-1, 1, program.groups[number].shape) for number in program.inputs]
    assert any(level.whole for level in compare(program, arrays, True).levels)


def test_a_file_is_run_with_checkpoints(tmp_path):
    arguments = [0.3, 0.8], np.linspace(-1, 1, 50)
    program = lift(value_and_grad(last_state)).program_for(*arguments)
    program.save(tmp_path / "f.lift")
    again = load(tmp_path / "f.lift", checkpoint=10)
    assert again.report().checkpoints == "4 segments of 10 steps: the rows between two of them are kept"
    np.testing.assert_allclose(numbers(again(*arguments)), numbers(program(*arguments)), rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "arguments", "checkpoint", "message"),
    [
        (lambda x, y: x * y, (1.0, 2.0), True, "there is no loop in it"),
        (value_and_grad(last_state), ([0.3, 0.8], np.arange(12.0)), 6, "fewer than two segments of 6"),
    ],
)
def test_what_cannot_be_divided_is_refused(f, arguments, checkpoint, message):
    with pytest.raises(LiftError, match=message):
        lift(f, checkpoint=checkpoint)(*arguments)


@pytest.mark.parametrize("wrong", [-1, 2.5, "all"])
def test_a_checkpoint_is_a_number_of_steps(wrong):
    with pytest.raises(LiftError, match="a number of steps"):
        lift(last_state, checkpoint=wrong)


def test_a_number_that_is_not_finite_is_found_with_checkpoints():
    def f(p, xs):
        h = p[0]
        for x in xs:
            h = p[1] * h * h + x
        return h

    lifted = lift(f, checkpoint=True)
    assert np.isfinite(lifted([0.1, 0.1], np.zeros(40)))
    with pytest.raises(FloatingPointError, match="h1"):
        lifted([0.1, 10.0], np.full(40, 100.0))
