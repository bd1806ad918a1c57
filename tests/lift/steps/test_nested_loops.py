"""Loops within loops: found where the steps are alike, and computing what the function computes on every engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nested_programs import INNER, OUTER, compare_nested, draw_program

from tinygrad_lite import sin, sqrt, tanh, tree_leaves, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift, load
from tinygrad_lite.lift.checking.error_analysis import bound_errors
from tinygrad_lite.lift.engines import numpy_engine
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term, all_of, copy_groups
from tinygrad_lite.lift.ir.loop_outputs import compute_behind_loops
from tinygrad_lite.lift.ir.unrolling import unroll
from tinygrad_lite.lift.ir.verifier import check_groups
from tinygrad_lite.lift.source.emit import emit
from tinygrad_lite.lift.steps.repeated_terms import merge_repeated_terms
from tinygrad_lite.viz.programs.program_graph import compose


def descend(parameters, x, y):
    """Training by one sample after the other, with a momentum that begins anew in each epoch, and decay after it."""
    w, b = parameters
    for inputs, targets in zip(x, y, strict=True):
        m = 0.0 * w
        for xi, yi in zip(inputs, targets, strict=True):
            error = tanh(w * xi + b) - yi
            m = m * 0.9 + error * xi
            w = w - 0.1 * m
            b = b - 0.1 * error
        w = w * 0.99
    return w * w + b * b


def pay(rate, growth, start):
    """What grows from month to month, and pays a dividend after some."""
    total, value = 0.0, start
    for months in growth:
        for month in months:
            value = value + 0.01 * rate * value * (1.0 - value / 5.0) + 0.01 * tanh(month)
        dividend = sin(value) * 0.05
        total = total + dividend
        value = value - dividend
    return total + value


def solve(parameters, start):
    """Implicit steps of an equation, each solved by Newton's method."""
    y = start
    for _ in range(9):
        z = y
        for _ in range(8):
            excess = z - y + 0.1 * parameters[0] * z * z * z - 0.1 * parameters[1]
            z = z - excess / (1.0 + 0.3 * parameters[0] * z * z)
        y = z
    return y * y


def make_arguments(name, outer, inner):
    rng = np.random.default_rng(outer * inner)
    if name == "descend":
        return descend, ([0.3, -0.2], rng.normal(size=(outer, inner)), rng.normal(size=(outer, inner)))
    if name == "pay":
        return pay, (0.7, rng.normal(size=(outer, inner)), 1.2)
    return solve, ([0.7, 0.2], 1.5)


def numbers(found):
    return np.concatenate([np.ravel(leaf) for leaf in tree_leaves(found)])


def count(program):
    return sum(group.kind in ("map", "sum", "fold") for group in program.groups)


@pytest.fixture(scope="module")
def programs():
    """Programs of functions and their gradients, by name and numbers of steps."""
    found = {}

    def make(name, outer=OUTER, inner=INNER):
        if (name, outer, inner) not in found:
            f, arguments = make_arguments(name, outer, inner)
            found[name, outer, inner] = lift(value_and_grad(f), sizes=False).program_for(*arguments)
        return found[name, outer, inner]

    return make


@pytest.mark.parametrize("name", ["descend", "pay"])
def test_groups_are_as_many_whatever_the_numbers_of_steps(programs, name):
    one, other = programs(name, 10, 9), programs(name, 12, 14)
    assert count(one) == count(other) < 120
    assert [(loop.start, loop.stop, loop.axis) for loop in one.ir.loops] == [
        (loop.start, loop.stop, loop.axis) for loop in other.ir.loops
    ]
    assert [loop.steps for loop in other.ir.loops if loop.axis] == [
        loop.steps + 5 for loop in one.ir.loops if loop.axis
    ]


@pytest.mark.parametrize("name", ["descend", "pay", "solve"])
def test_a_loop_within_a_loop_computes_what_the_function_computes(programs, name):
    program = programs(name)
    assert [loop.axis for loop in program.ir.loops].count(1) == 2  # forwards and backwards
    f, arguments = make_arguments(name, OUTER, INNER)
    rng = np.random.default_rng(5)
    for _ in range(2):
        plain = [argument.tolist() if isinstance(argument, np.ndarray) else argument for argument in arguments]
        np.testing.assert_allclose(numbers(program(*arguments)), numbers(value_and_grad(f)(*plain)), rtol=1e-11)
        arguments = [np.asarray(argument) + 0.1 * rng.normal(size=np.shape(argument)) for argument in arguments]
        arguments = [argument.tolist() if argument.ndim < 2 else argument for argument in arguments]


@pytest.mark.parametrize(("name", "engine"), [("descend", "numba"), ("pay", "jax")])
def test_engines_agree(programs, name, engine):
    pytest.importorskip(engine)
    f, arguments = make_arguments(name, OUTER, INNER)
    found = lift(value_and_grad(f), sizes=False, engine=engine)(*arguments)
    np.testing.assert_allclose(numbers(found), numbers(programs(name)(*arguments)), rtol=1e-11, atol=1e-14)


def test_samples_go_through_the_loops_together():
    pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    growth, starts = rng.normal(size=(OUTER, INNER)), rng.uniform(0.5, 2.0, 70)
    expected = np.mean([numbers(value_and_grad(pay)(0.7, growth.tolist(), start)) for start in starts], axis=0)
    for engine in ("numpy", "numba"):
        lifted = lift(value_and_grad(pay), batch=(None, None, 0), engine=engine)
        assert any(loop.axis for loop in lifted.program_for(0.7, growth, starts).ir.loops)
        np.testing.assert_allclose(numbers(lifted(0.7, growth, starts)), expected, rtol=1e-11)


def test_the_source_has_one_loop_in_another(programs):
    lines = programs("pay").source.splitlines()
    outer = [k for k, line in enumerate(lines) if line.startswith("    for t in range(")]
    inner = [k for k, line in enumerate(lines) if line.startswith("        for k in range(")]
    assert len(inner) == 2
    assert all(any(0 < place - start < 8 for start in outer) for place in inner)
    assert sum("[t, k + 1] = " in line for line in lines) == 1  # forwards all is kept, for the way back


def test_a_step_on_jax_has_a_scan_in_it(programs):
    text = emit(compute_behind_loops(programs("pay").ir), "jax").text
    assert text.count("\n        def step_0(carried_0, k):\n") == text.count(" = scan(step_0, ") == 2


@pytest.mark.parametrize("masked", ["own", "summed"])
def test_terms_of_many_steps_are_joined_where_their_masks_are_of_results_alone(masked):
    rolled = Group("map", (4, 5), "exp", (Ref(0, (Index(0, ((0, 1),)), Index(0, ((1, 1),)))),))
    terms = []
    for step in range(4):
        row = Ref(1, (Index(3 - step), Index(0, ((1, 1),))))
        mask, axes = np.arange(4) == step, (0,)
        if masked == "summed":  # an element is left out of the sum
            mask, axes = mask[:, None] & (np.arange(5) != 2), (0, 1)
        terms.append(Term((row,), (5,), 1.0, mask, axes))
    group = Group("sum", (4,), terms=tuple(terms))
    program = Groups([Group("input", (4, 5)), rolled, group], [0], [Output((4,), all_of(2, 1))])
    merged = merge_repeated_terms(group, program.groups, {1})
    assert len(merged.terms) == (1 if masked == "own" else 4)
    array = np.random.default_rng(0).normal(size=(4, 5))
    made = Groups([*program.groups[:2], merged], [0], program.outputs)
    np.testing.assert_allclose(
        numpy_engine.build(made)([array])[0], numpy_engine.build(program)([array])[0], rtol=1e-14
    )


@pytest.mark.parametrize("name", ["descend", "pay", "solve"])
def test_loops_are_the_statements_that_they_stand_for(programs, name):
    program = programs(name).ir
    check_groups(program, 10**6)
    flat = unroll(program)
    check_groups(flat, 10**6)
    assert not flat.loops
    rng = np.random.default_rng(1)
    arrays = [rng.uniform(0.1, 1.0, program.groups[number].shape) for number in program.inputs]
    for array, other in zip(numpy_engine.build(program)(arrays), numpy_engine.build(flat)(arrays), strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-12, atol=1e-14)
    found, expected = (np.array(bound_errors(groups, arrays)) for groups in (program, flat))
    assert max(expected) > 0.0
    assert (found <= expected * 1.0001).all()
    assert (found >= expected / 2).all()


def test_random_programs():
    nested = [
        any(loop.axis for loop in compare_nested(seed).ir.loops) for seed in (*range(1, 6), 10, *range(13, 16), 19)
    ]
    assert sum(nested) >= 7


def test_a_drawn_program_can_be_read():
    assert "for t in range(len(xs[0])):" in draw_program(0)


def test_an_outer_step_that_reads_a_whole_inner_loop_of_an_earlier_one_is_written_out():
    def f(start, xs):
        before = [start for _ in range(6)]
        for row in xs:
            state, now = before[0], []
            for k in range(6):
                state = tanh(state * row[k] + before[k])
                now.append(state)
            before = now
        return before[5]

    arguments = (0.4, np.random.default_rng(0).normal(size=(9, 6)))
    program = lift(value_and_grad(f)).program_for(*arguments)
    expected = numbers(value_and_grad(f)(arguments[0], arguments[1].tolist()))
    np.testing.assert_allclose(numbers(program(*arguments)), expected, rtol=1e-11)


@pytest.mark.slow  # what test_steps_as_sizes holds of one loop
def test_sizes_of_both_loops_need_not_be_traced():
    rng = np.random.default_rng(3)
    growth = rng.normal(size=(60, 90))
    lifted = lift(value_and_grad(pay), sizes=True)
    program = lifted.program_for(0.7, growth, 1.2)
    assert [loop.steps for loop in program.ir.loops if loop.axis] == [90, 89]
    expected = numbers(value_and_grad(pay)(0.7, growth.tolist(), 1.2))
    np.testing.assert_allclose(numbers(program(0.7, growth, 1.2)), expected, rtol=1e-10)


def test_a_file_holds_loops_within_loops(programs, tmp_path):
    program = programs("pay")
    program.save(tmp_path / "pay.lift")
    again = load(tmp_path / "pay.lift")
    assert again.ir.loops == program.ir.loops
    assert [group.axis for group in again.groups] == [group.axis for group in program.groups]
    _, arguments = make_arguments("pay", OUTER, INNER)
    np.testing.assert_array_equal(numbers(again(*arguments)), numbers(program(*arguments)))


def test_a_number_that_is_not_finite_is_traced_to_its_steps():
    def f(start, xs):
        state = start
        for row in xs:
            for x in row:
                state = sqrt(state) - x
            state = state + 0.5
        return state

    xs = np.zeros((OUTER, INNER))
    lifted = lift(f)
    assert any(loop.axis for loop in lifted.program_for(0.5, xs).ir.loops)
    xs[5, 3] = 5.0
    with pytest.raises(FloatingPointError, match=r"at h2\[4, 4\] .*: sqrt\(-3\.\d+\) is nan") as caught:
        lifted(0.5, xs)
    assert "h2[t, k + 1] = sqrt(" in str(caught.value)


def test_checkpoints_are_refused_with_the_reason():
    _, arguments = make_arguments("pay", OUTER, INNER)
    with pytest.raises(LiftError, match="its loops have loops within them"):
        lift(value_and_grad(pay), checkpoint=True, sizes=False).program_for(*arguments)


def test_a_picture_frames_one_loop_within_the_other(programs):
    frames = compose(programs("pay").ir).frames
    within = [frame.within for frame in frames if frame.within is not None]
    assert len(within) == 2
    inner = [frame for frame in frames if frame.within is not None]
    assert all(set(frame.members) < set(frames[frame.within].members) for frame in inner)
    assert [(frame.carried, frames[frame.within].carried) for frame in inner] == [(["h2"], ["h3"]), (["dh2"], ["dh3"])]


# -------------------------------------------------------------------------------------------------- damaged


def find_inner(program):
    loop = next(loop for loop in program.loops if loop.axis)
    first = next(n for n in range(loop.start, loop.stop) if program.groups[n].initial)
    return loop, first


def damage_axis(program):
    loop, _ = find_inner(program)
    program.loops[program.loops.index(loop)] = replace(loop, axis=0)
    return "which are not there, or in another one"


def damage_extent(program):
    loop, _ = find_inner(program)
    outer = next(other for other in program.loops if other.start <= loop.start < other.stop)
    program.loops[program.loops.index(loop)] = replace(loop, stop=outer.stop + 1)
    return "which are not there, or in another one"


def damage_steps(program):
    loop, _ = find_inner(program)
    program.loops[program.loops.index(loop)] = replace(loop, steps=loop.steps - 1)
    return f"is in a loop of {loop.steps - 1} steps"


def damage_initial(program):
    _, first = find_inner(program)
    group = program.groups[first]
    group.initial = (Ref(first, (Index(0, ((0, 1),)), Index(1))),)
    return f"reads group {first}, which is not before it"


def damage_initial_axis(program):
    _, first = find_inner(program)
    group = program.groups[first]
    group.axis, group.shape = 0, (group.shape[0] + 1, group.shape[1] - 1)
    return "has initial rows for steps of the outer one"


def damage_order(program):
    loop, first = find_inner(program)
    readers = [program.groups[n] for n in range(loop.start, first)]
    group = next(each for each in readers if any(ref.group == first for ref in each.refs()))

    def later(ref):
        if ref.group != first:
            return ref
        return replace(ref, index=(ref.index[0], replace(ref.index[1], offset=1)))

    group.operands = tuple([later(ref) for ref in group.operands])
    group.terms = tuple([replace(t, factors=tuple([later(ref) for ref in t.factors])) for t in group.terms])
    return "which is not before it"


@pytest.mark.parametrize(
    "damage", [damage_axis, damage_extent, damage_steps, damage_initial, damage_initial_axis, damage_order]
)
def test_damaged_programs_are_refused(programs, damage):
    program = copy_groups(programs("pay").ir)
    program.loops = list(program.loops)
    message = damage(program)
    with pytest.raises(LiftError, match=message):
        check_groups(program, 10**6)
