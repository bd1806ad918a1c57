"""Programs as compiled loops give what the interpreter gives, however long, masked, batched or scattered they are."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import interpreter
import numpy as np
import pytest
from dense_program import reads
from drawn_programs import programs
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreted_loops import without_compiler

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.engines import numba_engine
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term
from tinygrad_lite.lift.loops import buffer_allocation

pytest.importorskip("llvmlite", reason="the engine needs numba's compiler: the extra fast")


#: Each is compiled once more for samples.
BATCHED = [pytest.param(True, marks=pytest.mark.slow), False]


def result(groups: list[Group], *wanted: int) -> Groups:
    """A program whose results are those groups, whole."""
    inputs = [number for number, group in enumerate(groups) if group.kind == "input"]
    whole = [(groups[k], reads(k, *range(len(groups[k].shape)))) for k in wanted]
    return Groups(groups, inputs, [Output(group.shape, ref, group.batched) for group, ref in whole])


def numbers(program: Groups, samples: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    groups = [program.groups[number] for number in program.inputs]
    return [generator.normal(size=g.shape + (samples,) * g.batched) for g in groups]


def assert_close(found: list[np.ndarray], truth: list[np.ndarray]) -> None:
    for ours, right in zip(found, truth, strict=True):
        assert ours.shape == np.shape(right)
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, right, rtol=1e-12, atol=1e-12)


def assert_as_interpreted(program: Groups, *samples: int) -> None:
    """Compiled once, it gives the interpreter's results for each number of samples, and again."""
    run = numba_engine.build(program)
    for count in [*samples, *samples] or [0, 0]:
        inputs = numbers(program, count, seed=count)
        assert_close(run(inputs), interpreter.run(program, inputs))


def network(width: int) -> Groups:
    """A layer of relu and a linear one, the mean of all outputs and its gradients, over samples."""
    h = (width,)
    groups = [
        Group("input", (width, 3), path="W1"),
        Group("input", h, path="b1"),
        Group("input", (width, width), path="W2"),
        Group("input", (3,), path="x", batched=True),
        Group("constant", (), data=np.array(0.0)),
        Group("sum", h, terms=(Term((reads(1, 0),)), Term((reads(0, 0, 1), reads(3, 1)), (3,))), batched=True),
        Group("map", h, "relu", (reads(5, 0),), batched=True),
        Group("sum", h, terms=(Term((reads(2, 0, 1), reads(6, 1)), h),), batched=True),
        Group("sum", (), terms=(Term((reads(7, 0),), h, -1.0),), over="mean"),
        Group("map", h, "greater", (reads(5, 0), reads(4)), batched=True),
        Group("sum", h, terms=(Term((reads(2, 1, 0), reads(7, 1)), h),), batched=True),
        Group("map", h, "mul", (reads(10, 0), reads(9, 0)), batched=True),
        Group("sum", (width, 3), terms=(Term((reads(11, 0), reads(3, 1))),), over="mean"),
        Group("sum", h, terms=(Term((reads(11, 0),)),), over="sum"),
        Group("sum", (width, width), terms=(Term((reads(7, 0), reads(6, 1))), Term((reads(2, 1, 0),))), over="mean"),
    ]
    return result(groups, 8, 12, 13, 14, 7)


@pytest.fixture(scope="module")
def compiled():
    """A network, and it compiled."""
    return network(16), numba_engine.build(network(16))


def test_a_network_and_its_gradients_for_any_number_of_samples(compiled):
    program, run = compiled
    for samples in (1, 7, 64, 129, 300, 64):
        inputs = numbers(program, samples)
        assert_close(run(inputs), interpreter.run(program, inputs))


def test_blocks_that_do_not_divide_a_sum():
    assert_as_interpreted(network(39), 3, 130)


def test_no_samples_have_no_mean_and_the_sum_0(compiled):
    program, run = compiled
    loss, _, total, _, outputs = run(numbers(program, 0))
    assert np.isnan(loss)
    assert total.tolist() == [0.0] * 16
    assert outputs.shape == (0, 16)


def test_samples_along_an_axis():
    h = (16, 40)
    groups = [
        Group("input", (16, 20), path="W"),
        Group("input", (20, 40), path="x"),
        Group("sum", h, terms=(Term((reads(0, 0, 2), reads(1, 2, 1)), (20,)),)),
        Group("map", h, "tanh", (reads(2, 0, 1),)),
        Group("sum", (16, 20), terms=(Term((reads(3, 0, 2), reads(1, 1, 2)), (40,)),)),
        Group("sum", (), terms=(Term((reads(3, 0, 1),), h),)),
    ]
    assert_as_interpreted(result(groups, 5, 4, 3))


def window(group: int, row: int, column: int, row_in: int, column_in: int, stride: int = 1) -> Ref:
    return Ref(group, (Index(0, ((row, stride), (row_in, 1))), Index(0, ((column, stride), (column_in, 1)))))


@pytest.mark.parametrize("batched", BATCHED)
def test_a_convolution_and_its_gradient(batched):
    forward = Term((window(0, 0, 1, 2, 3, 2), reads(1, 2, 3)), (5, 3))
    backward = Term((window(0, 2, 3, 0, 1, 2), reads(2, 2, 3)), (4, 5))
    groups = [
        Group("input", (11, 11), path="image", batched=batched),
        Group("input", (5, 3), path="kernel"),
        Group("sum", (4, 5), terms=(forward,), batched=batched),
        Group("sum", (5, 3), terms=(backward,), over="sum" if batched else ""),
    ]
    assert_as_interpreted(result(groups, 2, 3), *([5, 130] if batched else []))


@pytest.mark.parametrize("batched", BATCHED)
def test_masks_of_any_form(batched):
    """Triangles become bounds of loops, what is scattered a choice, and a mask need not depend on a reduced axis."""
    size = 20
    lower = np.tril(np.ones((size, size), bool))
    scattered = np.random.default_rng(0).random((size, size)) < 0.5
    some = np.arange(size) % 3 == 0
    reduced = (size,)
    groups = [
        Group("input", (size, size), path="scores", batched=batched),
        Group("input", (size, 4), path="values"),
        Group("sum", (size, 4), terms=(Term((reads(0, 0, 2), reads(1, 2, 1)), reduced, 1.0, lower, (0, 2)),)),
        Group("sum", (size, 4), terms=(Term((reads(0, 2, 0), reads(1, 2, 1)), reduced, -1.0, lower.T, (0, 2)),)),
        Group("sum", (size,), terms=(Term((reads(0, 0, 1),), reduced, 1.0, scattered, (0, 1)),)),
        Group(
            "sum",
            (size,),
            terms=(Term((reads(0, 0, 1),), reduced, 1.0, some, (0,)), Term((Ref(1, (Index(0, ((0, 1),)), Index(3))),))),
        ),
        Group("sum", (size,), terms=(Term((reads(0, 1, 0),), reduced, 1.0, some, (1,)),)),
        Group("fold", (size,), "maximum", terms=(Term((reads(0, 0, 1),), reduced, 1.0, lower, (0, 1)),)),
        Group("sum", (size, size), terms=(Term((reads(0, 0, 1),), (), 1.0, lower, (0, 1)),)),
    ]
    for group in groups[2:]:
        group.batched = batched
    assert_as_interpreted(result(groups, *range(2, 9)), *([3, 129] if batched else []))


def test_what_a_mask_leaves_out_does_not_count_even_where_it_is_not_a_number():
    mask = np.array([True, False, True])
    term = Term((reads(0, 0),), (3,), 1.0, mask, (0,))
    program = result([Group("input", (3,)), Group("sum", (), terms=(term,))], 1)
    assert numba_engine.build(program)([np.array([1.0, np.nan, 2.0])]) == [3.0]


@pytest.mark.parametrize("batched", BATCHED)
@pytest.mark.parametrize("shape", [(3, 20), (20,)])
def test_a_mask_on_what_the_same_loop_computes(shape, batched):
    """What a loop has computed is in memory after it, and not before."""
    axes = tuple(range(len(shape)))
    mask = np.random.default_rng(0).random(shape) < 0.5
    groups = [
        Group("input", shape, path="x", batched=batched),
        Group("map", shape, "neg", (reads(0, *axes),), batched=batched),
        Group("sum", shape, terms=(Term((reads(1, *axes),), (), 1.0, mask, axes),), batched=batched),
    ]
    assert_as_interpreted(result(groups, 1, 2), *([2, 140] if batched else []))


@pytest.mark.parametrize("batched", BATCHED)
def test_tables_and_flat_places(batched):
    table = np.array([[3, 0, 5], [1, 1, 4]])
    rows = np.random.default_rng(1).integers(0, 6, (4, 30))
    groups = [
        Group("input", (2, 3), path="x", batched=batched),
        Group("map", (2, 3), "exp", (Ref(0, (Index(table=table, axes=(0, 1)),), flat=True),), batched=batched),
        Group(
            "sum", (4,), terms=(Term((Ref(0, (Index(table=rows, axes=(0, 1)),), flat=True),), (30,)),), batched=batched
        ),
        Group("sum", (3,), terms=(Term((Ref(1, (Index(1, ()), Index(2, ((0, -1),)))), reads(2, 0))),), batched=batched),
    ]
    assert_as_interpreted(result(groups, 1, 2, 3), *([2, 140] if batched else []))


def test_a_lookup_counts_modulo_the_size_of_the_table():
    groups = [
        Group("input", (5, 3), path="table"),
        Group("input", (), path="index", batched=True),
        Group("fold", (3,), "lookup", (reads(1),), (Term((reads(0, 1, 0),), (5,)),), batched=True),
        Group("constant", (), data=np.array(-2.0)),
        Group("fold", (3,), "lookup", (reads(3),), (Term((reads(0, 1, 0),), (5,)),)),
    ]
    program = result(groups, 2, 4)
    inputs = [np.arange(15.0).reshape(5, 3), np.array([0.0, 4.0, -1.0, 7.0])]
    assert_close(numba_engine.build(program)(inputs), interpreter.run(program, inputs))


@pytest.mark.parametrize("batched", BATCHED)
def test_folds_short_and_long_keep_what_is_not_a_number(batched):
    groups = [Group("input", (6, 30), path="x", batched=batched)]
    for op in ("maximum", "minimum", "prod"):
        groups.append(Group("fold", (6,), op, terms=(Term((reads(0, 0, 1),), (30,)),), batched=batched))
        groups.append(Group("fold", (30,), op, terms=(Term((reads(0, 1, 0),), (6,)),), batched=batched))
    program = result(groups, *range(1, 7))
    inputs = numbers(program, 40)
    inputs[0][2, 3, ...] = np.nan
    inputs[0][4, 5, ...] = np.inf
    assert_close(numba_engine.build(program)(inputs), interpreter.run(program, inputs))


def test_what_depends_on_a_mean_over_all_samples_is_computed_after_it():
    """Each sample less the mean of all, twice over: three loops over the chunks."""
    x = (4,)
    groups = [
        Group("input", x, path="x", batched=True),
        Group("sum", x, terms=(Term((reads(0, 0),)),), over="mean"),
        Group("sum", x, terms=(Term((reads(0, 0),)), Term((reads(1, 0),), (), -1.0)), batched=True),
        Group("sum", x, terms=(Term((reads(2, 0), reads(2, 0))),), over="mean"),
        Group("map", x, "truediv", (reads(2, 0), reads(3, 0)), batched=True),
        Group("sum", (), terms=(Term((reads(4, 0), reads(0, 0)), x),), over="sum"),
    ]
    assert_as_interpreted(result(groups, 1, 4, 5, 2), 3, 300, 129)


def test_numbers_that_are_read_again_in_the_next_chunk_or_the_next_call_keep_their_place():
    backwards = (Index(3, ((0, -1),)),)
    groups = [
        Group("input", (4,), path="w"),
        Group("input", (4,), path="x", batched=True),
        Group("constant", (4,), data=np.arange(4.0)),
        Group("map", (4,), "mul", (reads(0, 0), reads(2, 0))),
        Group("map", (4,), "exp", (Ref(3, backwards),)),
        Group("map", (4,), "mul", (reads(1, 0), Ref(4, backwards)), batched=True),
        Group("sum", (4,), terms=(Term((Ref(5, backwards), reads(1, 0))),), over="sum"),
        Group("map", (4,), "neg", (Ref(6, backwards),)),
        Group("map", (4,), "neg", (Ref(7, backwards),)),
    ]
    assert_as_interpreted(Groups(groups, [0, 1], [Output((4,), Ref(8, backwards))]), 300)


def test_results_of_every_sort():
    groups = [
        Group("input", (2, 3), path="x"),
        Group("input", (3,), path="y", batched=True),
        Group("constant", (2,), data=np.array([1.0, 2.0])),
        Group("map", (2, 3), "neg", (reads(0, 0, 1),)),
        Group("map", (3,), "neg", (reads(1, 0),), batched=True),
    ]
    wanted = [
        Output(None, Ref(3, (Index(1), Index(2)))),
        Output((2, 3), reads(3, 0, 1)),
        Output((2, 3), reads(3, 0, 1)),
        Output((3, 2), reads(3, 1, 0)),
        Output((6,), Ref(3, (Index(5, ((0, -1),)),), flat=True)),
        Output((2, 3), reads(0, 0, 1)),
        Output((2,), reads(2, 0)),
        Output((3,), reads(1, 0), batched=True),
        Output((2, 3), Ref(4, (Index(0, ((1, 1),)),)), batched=True),
        Output(None, Ref(4, (Index(1),)), batched=True),
    ]
    program = Groups(groups, [0, 1], wanted)
    run, inputs = numba_engine.build(program), numbers(program, 5)
    found = run(inputs)
    assert_close(found, interpreter.run(program, inputs))
    kept = [array.copy() for array in found]
    run([array + 1.0 for array in inputs])
    assert_close(found, kept)
    assert not any(np.shares_memory(array, other) for array in found for other in inputs)


def test_divisions_by_zero_and_infinities_are_ieee_limits():
    groups = [Group("input", (4,)), Group("input", (4,)), Group("map", (4,), "truediv", (reads(0, 0), reads(1, 0)))]
    groups.append(Group("map", (4,), "sub", (reads(0, 0), reads(0, 0))))
    run = numba_engine.build(result(groups, 2, 3))
    quotient, difference = run([np.array([1.0, -1.0, 0.0, np.inf]), np.zeros(4)])
    np.testing.assert_array_equal(quotient, [np.inf, -np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(difference, [0.0, 0.0, 0.0, np.nan])


def test_inputs_of_any_layout_and_type(compiled):
    program, run = compiled
    inputs = numbers(program, 70)
    truth = interpreter.run(program, inputs)
    w1, b1, w2, x = inputs
    assert_close(run([np.asfortranarray(w1), b1, w2.T.copy().T, np.asfortranarray(x)]), truth)
    assert_close(run([np.repeat(w1, 2, axis=1)[:, ::2], b1.tolist(), w2, np.repeat(x, 2, axis=1)[:, ::2]]), truth)
    single = [array.astype(np.float32) for array in inputs]
    assert_close(run(single), interpreter.run(program, [array.astype(float) for array in single]))
    with pytest.raises(LiftError, match=r"input 2 \(W2\) has shape \(16, 7\).*\(16, 16\)"):
        run([w1, b1, w2[:, :7], x])


def test_threads_do_not_disturb_each_other(compiled):
    program, run = compiled
    cases = [numbers(program, 50 + seed, seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, cases * 20))
    for case, results in zip(cases * 20, found, strict=True):
        assert_close(results, interpreter.run(program, case))


def test_sums_may_be_added_in_order():
    """Without a licence to reassociate, 1e16 + 1 − 1e16 loses the 1, as it does in the graph."""
    program = result([Group("input", (4,)), Group("sum", (), terms=(Term((reads(0, 0),), (4,)),))], 1)
    assert numba_engine.build(program, fastmath=())([np.array([1e16, 1.0, -1e16, 1.0])]) == [1.0]


def test_without_numba_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"tinygrad-lite\[fast\]"):
        numba_engine.build(network(2))


# ------------------------------------------------------------------------------------------------- drawn programs


def whole_numbers(program: Groups, samples: int, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    groups = [program.groups[number] for number in program.inputs]
    return [generator.integers(-3, 4, size=g.shape + (samples,) * g.batched).astype(float) for g in groups]


@pytest.mark.slow
@settings(max_examples=20, derandomize=True, deadline=None)
@given(programs())
def test_drawn_programs_give_what_the_interpreter_gives(program):
    inputs = whole_numbers(program, 150, 0)
    assert_close(numba_engine.build(program)(inputs), interpreter.run(program, inputs))


@given(programs(), st.sampled_from([2, 4, 16]), st.sampled_from([1, 2, 17, 40]), st.integers(0, 99))
def test_the_loops_read_and_write_within_their_memory_and_mean_what_the_groups_mean(program, unrolled, samples, seed):
    """Many more than there is time to compile, with short blocks and chunks, so that all forms of loops occur."""
    with without_compiler() as patch:
        patch.setattr(numba_engine, "WIDTH", 16)
        patch.setattr(buffer_allocation, "UNROLLED", unrolled)
        inputs = whole_numbers(program, samples, seed)
        assert_close(numba_engine.build(program)(inputs), interpreter.run(program, inputs))
