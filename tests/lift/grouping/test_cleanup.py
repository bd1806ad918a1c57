"""The last passes over the groups leave every result as it is, and the samples become a sum or a mean."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import interpreter
import numpy as np
import pytest
from drawn_programs import programs
from hypothesis import given, settings
from program_builder import Builder, at, ref

from tinygrad_lite.lift.grouping import cleanup
from tinygrad_lite.lift.ir.groups import Groups, Output, Term

SAMPLES = 3


def inputs_of(program: Groups) -> list[Any]:
    rng = np.random.default_rng(0)
    groups = [program.groups[number] for number in program.inputs]
    return [rng.integers(-3, 4, g.shape + ((SAMPLES,) if g.batched else ())).astype(float) for g in groups]


def compare(before: Groups, after: Groups) -> None:
    inputs = inputs_of(before)
    for ours, truth in zip(interpreter.run(after, inputs), interpreter.run(before, inputs), strict=True):
        np.testing.assert_allclose(ours, truth, rtol=1e-12, atol=1e-12)


def check_order(program: Groups) -> None:
    for number, group in enumerate(program.groups):
        assert all(0 <= r.group < number for r in group.refs())


@pytest.mark.parametrize(
    "passes",
    [
        (cleanup.share_constants,),
        (cleanup.drop_ones,),
        (cleanup.orient_results,),
        (cleanup.drop_unread,),
        (cleanup.share_constants, cleanup.drop_ones, cleanup.orient_results, cleanup.drop_unread),
    ],
    ids=lambda passes: " ".join(p.__name__ for p in passes),
)
def test_a_pass_leaves_every_result_as_it_is(passes: tuple[Callable[[Groups], None], ...]) -> None:
    @settings(max_examples=settings().max_examples * 3 // 10)
    @given(programs())
    def holds(program: Groups) -> None:
        tidied = copy.deepcopy(program)
        for one in passes:
            one(tidied)
        check_order(tidied)
        compare(program, tidied)
        assert [tidied.groups[number].path for number in tidied.inputs] == [
            program.groups[number].path for number in program.inputs
        ]

    holds()


@pytest.mark.parametrize("reduce", ["mean", "sum", None])
def test_results_of_one_sample_become_those_of_all(reduce: str | None) -> None:
    @settings(max_examples=settings().max_examples * 3 // 10)
    @given(programs())
    def holds(program: Groups) -> None:
        if not any(program.groups[number].batched for number in program.inputs):
            return
        each = copy.deepcopy(program)
        for output in each.outputs:
            assert output.batched == each.groups[output.ref.group].batched
            output.batched = False
        reduced = copy.deepcopy(each)
        cleanup.reduce_samples(reduced, reduce)
        numbers = inputs_of(program)
        # an unbatched result is the same for each sample
        truth = [
            result if output.batched else np.broadcast_to(result, (SAMPLES, *np.shape(result)))
            for output, result in zip(program.outputs, interpreter.run(program, numbers), strict=True)
        ]
        combine = {"mean": np.mean, "sum": np.sum, None: lambda array, axis: array}[reduce]
        for ours, expected in zip(interpreter.run(reduced, numbers), truth, strict=True):
            np.testing.assert_allclose(ours, combine(expected, axis=0), rtol=1e-12, atol=1e-12)

    holds()


def test_a_product_that_is_averaged_becomes_a_contraction_over_the_samples() -> None:
    b = Builder()
    delta, x = b.input("d", 4, batched=True), b.input("x", 3, batched=True)
    outer = b.map("mul", (4, 3), ref(delta, 0), ref(x, 1))
    b.program.outputs.append(Output((4, 3), ref(outer, 0, 1)))
    cleanup.reduce_samples(b.program, "mean")
    cleanup.drop_unread(b.program)
    (group,) = [g for g in b.program.groups if g.kind != "input"]
    assert (group.kind, group.over, group.batched) == ("sum", "mean", False)
    assert len(group.terms[0].factors) == 2


def test_a_sum_with_a_part_that_all_samples_share_is_added_up_as_often_as_there_are_samples() -> None:
    b = Builder()
    w, x = b.input("w", 2), b.input("x", 2, batched=True)
    total = b.sum((2,), Term((ref(w, 0),)), Term((ref(x, 0),)))
    b.program.outputs.append(Output((2,), ref(total, 0)))
    for reduce, times in (("sum", SAMPLES), ("mean", 1.0)):
        program = copy.deepcopy(b.program)
        cleanup.reduce_samples(program, reduce)
        weights, samples = inputs_of(program)
        (found,) = interpreter.run(program, [weights, samples])
        np.testing.assert_allclose(found, (weights[:, None] + samples).mean(1) * times)


def test_what_all_samples_share_is_repeated_for_them_once() -> None:
    b = Builder()
    w, _ = b.input("w", 2), b.input("x", 2, batched=True)
    b.program.outputs += [Output((), ref(w, at(row))) for row in range(2)]
    cleanup.reduce_samples(b.program, None)
    assert len({output.ref.group for output in b.program.outputs}) == 1


def test_equal_constants_are_one_and_others_are_not() -> None:
    b = Builder()
    x = b.input("x", 2)
    constants = [b.constant(c) for c in ([1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [[1.0, 2.0]], 0.0, -0.0)]
    for c, group in zip(constants, list(b.program.groups)[1:], strict=True):
        places = (*[at(0)] * (len(group.shape) - 1), 0) if group.shape else ()
        b.result(b.map("mul", (2,), ref(x, 0), ref(c, *places)))
    cleanup.share_constants(b.program)
    read = [g.operands[1].group for g in b.program.groups if g.kind == "map"]
    assert read == [constants[0], constants[0], *constants[2:]]


def test_a_result_along_exchanged_axes_has_a_group_with_these_axes() -> None:
    b = Builder()
    x, y = b.input("x", 2), b.input("y", 3)
    outer = b.map("mul", (2, 3), ref(x, 0), ref(y, 1), nodes=np.arange(6), present=np.tri(2, 3, 1, dtype=bool))
    b.program.outputs.append(Output((3, 2), ref(outer, 1, 0)))
    cleanup.orient_results(b.program)
    group = b.program.groups[outer]
    assert group.shape == (3, 2)
    np.testing.assert_array_equal(group.nodes, np.arange(6).reshape(2, 3).T.ravel())
    np.testing.assert_array_equal(group.present, np.tri(2, 3, 1, dtype=bool).T)
    assert [index.steps for index in b.program.outputs[0].ref.index] == [((0, 1),), ((1, 1),)]


def test_a_group_that_others_read_keeps_its_axes() -> None:
    b = Builder()
    x, y = b.input("x", 2), b.input("y", 3)
    outer = b.map("mul", (2, 3), ref(x, 0), ref(y, 1))
    b.program.outputs.append(Output((3, 2), ref(outer, 1, 0)))
    b.result(b.map("exp", (2, 3), ref(outer, 0, 1)))
    cleanup.orient_results(b.program)
    assert b.program.groups[outer].shape == (2, 3)


def test_factors_of_one_go_and_other_factors_stay() -> None:
    b = Builder()
    x, one, two = b.input("x", 2), b.constant(1.0), b.constant([1.0, 2.0])
    b.result(b.map("mul", (2,), ref(x, 0), ref(one)))
    b.result(b.map("mul", (2,), ref(x, 0), ref(two, 0)))
    b.result(b.sum((), Term((ref(x, 0), ref(one)), (2,))))
    before = copy.deepcopy(b.program)
    cleanup.drop_ones(b.program)
    compare(before, b.program)
    assert b.program.outputs[0].ref.group == x
    assert [len(t.factors) for g in b.program.groups for t in g.terms if t.reduced] == [1]


def test_what_no_result_depends_on_goes_and_inputs_stay() -> None:
    b = Builder()
    x, unused = b.input("x", 2), b.input("unused", 5)
    b.map("exp", (5,), ref(unused, 0))
    b.result(b.map("sin", (2,), ref(x, 0)))
    cleanup.drop_unread(b.program)
    assert [g.op or g.path for g in b.program.groups] == ["x", "unused", "sin"]
    assert b.program.inputs == [0, 1]


def test_parts_of_a_result_are_added_up_before_they_are_joined() -> None:
    b = Builder()
    delta, x = b.input("d", 4, batched=True), b.input("x", 3, batched=True)
    parts = [b.map("mul", (3, 4), ref(x, 0), ref(delta, 1)), b.map("exp", (4, 3), ref(b.input("w", 4, 3), 0, 1))]
    places = [(2, 1), (1, 2)]
    masks = [np.arange(2) == row for row in range(2)]
    terms = [Term((ref(part, *place),), mask=m, axes=(0,)) for part, place, m in zip(parts, places, masks, strict=True)]
    b.program.outputs.append(Output((2, 4, 3), ref(b.sum((2, 4, 3), *terms), 0, 1, 2)))
    for reduce in ("mean", "sum"):
        program = copy.deepcopy(b.program)
        cleanup.reduce_samples(program, reduce)
        cleanup.drop_unread(program)
        join = program.groups[program.outputs[0].ref.group]
        assert not join.batched
        assert not join.over
        product = program.groups[join.terms[0].factors[0].group]
        assert (product.shape, product.over, len(product.terms[0].factors)) == ((3, 4), reduce, 2)
        cleanup.orient_results(program)
        assert product.shape == (4, 3)
        d, samples, w = inputs_of(program)
        times = SAMPLES if reduce == "sum" else 1.0
        (found,) = interpreter.run(program, [d, samples, w])
        truth = np.stack([np.einsum("in,jn->ij", d, samples) / SAMPLES, np.exp(w)]) * times
        np.testing.assert_allclose(found, truth, rtol=1e-12)


def test_a_few_elements_of_a_large_group_are_added_up_alone() -> None:
    b = Builder()
    large, small = b.input("x", 50, 4, batched=True), b.input("y", 4, batched=True)
    read = [ref(b.map("exp", (50, 4), ref(large, 0, 1)), at(7), 1), ref(small, 1)]
    terms = [Term((part,), mask=np.arange(2) == row, axes=(0,)) for row, part in enumerate(read)]
    b.program.outputs.append(Output((2, 4), ref(b.sum((2, 4), *terms), 0, 1)))
    cleanup.reduce_samples(b.program, "mean")
    assert (50, 4) not in [group.shape for group in b.program.groups if group.over]
    x, y = inputs_of(b.program)
    (found,) = interpreter.run(b.program, [x, y])
    np.testing.assert_allclose(found, np.stack([np.exp(x[7]).mean(1), y.mean(1)]), rtol=1e-12)
