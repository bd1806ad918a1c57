"""Loops over time: found, as long as the steps are alike, and computing what the function computes on every engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from interpreted_loops import without_compiler
from step_programs import compare_over_time, draw_program
from time_programs import PROGRAMS, numbers

from tinygrad_lite import sqrt, tanh, value_and_grad
from tinygrad_lite.lift import lift, load
from tinygrad_lite.lift.checking.error_analysis import bound_errors
from tinygrad_lite.lift.engines import numpy_engine
from tinygrad_lite.lift.ir.groups import Output, all_of
from tinygrad_lite.lift.ir.loop_outputs import compute_behind_loops
from tinygrad_lite.lift.ir.unrolling import unroll
from tinygrad_lite.lift.ir.verifier import check_groups
from tinygrad_lite.lift.source.emit import emit
from tinygrad_lite.lift.source.naming import find_forward_groups


def make(name, steps, **options):
    """A program for so many steps, its arguments, and the function itself."""
    given = PROGRAMS[name]
    arguments = given.arguments(np.random.default_rng(steps), steps)
    static = {"static": (3,)} if name == "hidden_markov" else {}
    differentiated = value_and_grad(given.f, argnums=given.argnums)
    lifted = lift(differentiated, batch=given.batch, **static, **options)
    return lifted, arguments, differentiated


def count(program):
    return sum(group.kind in ("map", "sum", "fold") for group in program.groups)


@pytest.mark.parametrize("name", PROGRAMS)
def test_groups_and_terms_are_as_many_whatever_the_number_of_steps(name):
    sizes = {"hidden_markov": (25, 35), "heat": (30, 40)}.get(name, (18, 23))
    programs = [lifted.program_for(*arguments) for lifted, arguments, _ in (make(name, n) for n in sizes)]
    assert all(program.ir.loops for program in programs)
    assert count(programs[0]) == count(programs[1])
    terms = [sum(len(group.terms) for group in program.groups) for program in programs]
    assert terms[0] == terms[1]
    assert [loop.steps for loop in programs[1].ir.loops] > [loop.steps for loop in programs[0].ir.loops]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_loop_computes_what_the_function_computes(name):
    lifted, arguments, function = make(name, 13)
    samples = [(arguments[0], one) for one in arguments[1]] if PROGRAMS[name].batch else [arguments]
    expected = np.mean([numbers(function(*sample)) for sample in samples], axis=0)
    np.testing.assert_allclose(numbers(lifted(*arguments)), expected, rtol=1e-9, atol=1e-12)
    assert lifted.program_for(*arguments).ir.loops


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        *[(name, "numba") for name in ("recurrent", "gated", "kalman", "fibonacci")],
        *[(name, "jax") for name in ("recurrent", "gated", "kalman", "fibonacci", "hidden_markov")],
    ],
)
def test_engines_agree_on_loops(name, engine):
    pytest.importorskip(engine)
    lifted, arguments, _ = make(name, 9, engine=engine)
    on_numpy, _, _ = make(name, 9)
    assert lifted.program_for(*arguments).ir.loops
    np.testing.assert_allclose(numbers(lifted(*arguments)), numbers(on_numpy(*arguments)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops_as_they_are_written_for_numba_agree(name):
    with without_compiler():
        test_engines_agree_on_loops(name, "numba")


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_computed_behind_loops_is_the_same(name):
    lifted, arguments, _ = make(name, 12)
    program = lifted.program_for(*arguments)
    arrays = program.inputs.gather(program.inputs.take_apart(arguments, {}))
    moved = compute_behind_loops(program.ir)
    check_groups(moved, 10**7)
    found, expected = numpy_engine.build(moved)(arrays), numpy_engine.build(program.ir)(arrays)
    for array, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-13, atol=1e-15)


def test_a_step_on_jax_gives_what_it_carries():
    lifted, arguments, _ = make("runge_kutta", 12)
    program = lifted.program_for(*arguments).ir
    returned = [
        [line.count(",") for line in emit(groups, "jax").text.splitlines() if line.startswith("        return")]
        for groups in (compute_behind_loops(program), program)
    ]
    assert len(returned[0]) == len(returned[1]) == 2
    assert all(few < many / 1.5 for few, many in zip(*returned, strict=True))


@pytest.mark.parametrize("seed", [*range(12), 244])
def test_random_loops_are_the_statements_that_they_stand_for(seed):
    program = compare_over_time(seed)
    check_groups(program.ir, 10**7)
    flat = unroll(program.ir)
    check_groups(flat, 10**7)
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(-1, 1, program.groups[number].shape) for number in program.ir.inputs]
    found, expected = numpy_engine.build(program.ir)(arrays), numpy_engine.build(flat)(arrays)
    for array, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-12, atol=1e-13)


def test_most_random_loops_are_found():
    found = 0
    for seed in range(12):
        names = {}
        exec(draw_program(seed), names)
        xs = np.linspace(-1, 1, 45).reshape(15, 3)
        found += bool(lift(names["program"]).program_for([0.1, 0.2, 0.3], xs, [0.5, 0.4, 0.3]).ir.loops)
    assert found >= 6


# ------------------------------------------------------------------------------------------------ odd steps


def branching(where):
    def f(p, xs):
        h = p[0]
        for t, x in enumerate(xs):
            h = tanh(p[1] * h * h + x) - p[2] if t in where else tanh(p[1] * h + x)
        return h * h

    return f


@pytest.mark.parametrize("where", [(0,), (7,), (19,), (3, 11), (0, 1, 18, 19)])
def test_a_step_that_differs_stays_outside(where):
    f = value_and_grad(branching(where), argnums=(0, 1))
    arguments = ([0.3, 0.8, 0.1], np.linspace(-1, 1, 20))
    lifted = lift(f)
    np.testing.assert_allclose(numbers(lifted(*arguments)), numbers(f(*arguments)), rtol=1e-10)
    assert lifted.program_for(*arguments).ir.loops


def test_steps_may_use_constants_of_their_own():
    def f(p, xs):
        h = p[0]
        for t, x in enumerate(xs):
            h = tanh(h * (0.3 + 0.01 * t * t) + x)
        return h

    lifted, xs = lift(value_and_grad(f)), np.linspace(-1, 1, 16)
    program = lifted.program_for([0.5], xs)
    np.testing.assert_allclose(numbers(lifted([0.5], xs)), numbers(value_and_grad(f)([0.5], xs)), rtol=1e-10)
    assert len(program.ir.loops) == 2
    assert count(program) <= 12


def test_steps_that_read_forward_backward_and_everywhere():
    def f(p, xs):
        h, out = p[0], []
        for t in range(2, len(xs) - 1):
            h = tanh(h * xs[t - 2] + xs[t + 1] * xs[0] + xs[len(xs) - 1 - t])
            out.append(h)
        return out, sum(out)

    lifted, xs = lift(f), np.linspace(-1, 1, 20)
    found, expected = lifted([0.5], xs), f([0.5], xs)
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-12)
    assert lifted.program_for([0.5], xs).ir.loops


def test_a_window_that_moves_along():
    def f(w, xs):
        h = 0.0
        for t in range(len(xs) - 3):
            h = tanh(0.5 * h * h + sum(a * b for a, b in zip(w, xs[t : t + 4], strict=True)))
        return h

    arguments = ([0.3, -0.2, 0.5, 0.1], np.linspace(-1, 1, 20))
    for engine in ("numpy", "jax"):
        if engine == "jax":
            pytest.importorskip("jax")
        lifted = lift(value_and_grad(f, argnums=(0, 1)), engine=engine)
        expected = numbers(value_and_grad(f, argnums=(0, 1))(*arguments))
        np.testing.assert_allclose(numbers(lifted(*arguments)), expected, rtol=1e-10)
        assert lifted.program_for(*arguments).ir.loops


def test_layers_that_are_rows_of_one_array_are_steps():
    def network(weights, x):
        for layer in weights:
            x = [tanh(sum(w * k for w, k in zip(row, x, strict=True))) for row in layer]
        return sum(x)

    weights, xs = np.random.default_rng(0).normal(size=(9, 4, 4)), np.random.default_rng(1).normal(size=(7, 4))
    lifted = lift(value_and_grad(network), batch=(None, 0))
    expected = np.mean([numbers(value_and_grad(network)(weights, x)) for x in xs], axis=0)
    np.testing.assert_allclose(numbers(lifted(weights, xs)), expected, rtol=1e-9, atol=1e-12)
    assert lifted.program_for(weights, xs).ir.loops


# ------------------------------------------------------------------------------------------- text and files


def walk(p, xs):
    h = p[0]
    for x in xs:
        h = tanh(p[1] * h + x)
    return h


def test_the_source_of_a_loop_is_a_for():
    program = lift(walk).program_for([0.5, 0.9], np.arange(14.0))
    assert program.source == (
        "def program(p, xs):\n"
        "    t2 = tanh(xs[0] + p[0] * p[1])\n"
        "    h1 = empty((14,))\n"
        "    h1[0] = t2\n"
        "    for t in range(13):\n"
        "        h1[t + 1] = tanh(xs[t + 1] + p[1] * h1[t])\n"
        "    return (h1[13],)\n"
    )


def test_the_source_of_a_loop_is_a_scan_on_jax():
    program = lift(walk).program_for([0.5, 0.9], np.arange(14.0))
    assert emit(program.ir, "jax").text == (
        "def program(p, xs):\n"
        "    t2 = tanh(xs[0] + p[0] * p[1])\n"
        "    def step(carried, t):\n"
        "        (h1_before,) = carried\n"
        "        h1 = tanh(xs[t + 1] + p[1] * h1_before)\n"
        "        return (h1,), ()\n"
        "    last, _ = scan(step, (t2,), 13)\n"
        "    h1 = last[0]\n"
        "    return (h1,)\n"
    )


def test_a_file_holds_loops(tmp_path):
    lifted, arguments, _ = make("gated", 9)
    program = lifted.program_for(*arguments)
    program.save(tmp_path / "gated.lift")
    again = load(tmp_path / "gated.lift")
    assert again.ir.loops == program.ir.loops
    np.testing.assert_array_equal(numbers(again(*arguments)), numbers(program(*arguments)))


def test_a_number_that_is_not_finite_is_traced_to_its_step():
    def f(p, xs):
        h = p[0]
        for x in xs:
            h = sqrt(h) - x
        return h

    lifted, wrong = lift(f), np.zeros(20)
    assert lifted.program_for([0.5], wrong).ir.loops
    wrong[11] = 5.0
    with pytest.raises(FloatingPointError, match=r"sqrt\(-4\.\d+\) is nan, with h1\[11\]") as caught:
        lifted([0.5], wrong)
    assert "t3[t] = sqrt(h1[t])" in str(caught.value)


@pytest.mark.parametrize("seed", [3, 5])
def test_bounds_on_rounding_are_those_of_the_statements_that_a_loop_stands_for(seed):
    program = compare_over_time(seed)
    assert program.ir.loops
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(-1, 1, program.groups[number].shape) for number in program.ir.inputs]
    found, expected = (np.array(bound_errors(groups, arrays)) for groups in (program.ir, unroll(program.ir)))
    assert max(expected) > 0.0
    assert (found <= expected * 1.0001).all()
    assert (found >= expected / 2).all()  # joining the rows is one more sum


def test_a_part_of_a_loop_is_enough_for_a_result():
    lifted, arguments, _ = make("gated", 12)
    program = lifted.program_for(*arguments)
    arrays = program.inputs.gather(program.inputs.take_apart(arguments, {}))
    members = sorted(program.ir.find_loops())
    outputs = [
        Output(program.groups[n].shape, all_of(n, len(program.groups[n].shape)), program.groups[n].batched)
        for n in members
    ]
    whole = numpy_engine.build(replace(program.ir, outputs=outputs))(arrays)
    for output, expected in zip(outputs, whole, strict=True):
        (alone,) = numpy_engine.build(replace(program.ir, outputs=[output]))(arrays)
        np.testing.assert_array_equal(alone, expected)


def test_a_loop_runs_for_each_chunk_of_samples():
    pytest.importorskip("numba")
    given, samples = PROGRAMS["recurrent"], np.random.default_rng(1).normal(size=(300, 8, 2))
    parameters, _ = given.arguments(np.random.default_rng(0), 8)
    results = [
        numbers(lift(value_and_grad(given.f), batch=given.batch, engine=engine)(parameters, samples))
        for engine in ("numpy", "numba")
    ]
    np.testing.assert_allclose(results[1], results[0], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["gated", "kalman", "fibonacci"])
def test_what_a_loop_needs_is_needed_with_all_that_it_reads(name):
    lifted, arguments, _ = make(name, 14)
    program = lifted.program_for(*arguments).ir
    inside = program.find_loops()
    assert inside
    for number in range(len(program.groups)):
        needed = program.find_needed([number])
        assert all(ref.group in needed for other in needed for ref in program.groups[other].refs())
        assert all(set(range(inside[n].start, inside[n].stop)) <= needed for n in needed if n in inside)
    forward = find_forward_groups(program)
    assert all(ref.group in forward for number in forward for ref in program.groups[number].refs())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loops_on_jax_keep_to_their_format(dtype):
    jax = pytest.importorskip("jax")
    lifted, arguments, _ = make("recurrent", 12, engine="jax", dtype=dtype)
    exact, _, _ = make("recurrent", 12)
    found = lifted(*arguments)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype("float32")}
    expected = numbers(exact(*arguments))
    tolerance = 1e-4 if dtype == "float32" else 0.1
    assert np.abs(numbers(found) - expected).max() <= tolerance * np.abs(expected).max()
