"""A mean that is divided early is the same mean: whatever is scaled holds an n-th of its group's value."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import interpreter
import numpy as np
import pytest
from drawn_programs import programs
from hypothesis import given
from program_builder import Builder, mlp, ref

from tinygrad_lite.lift.ir.groups import Groups, Output, Term, all_of
from tinygrad_lite.lift.source.averaging import Averaging, place_divisions

SAMPLES = 3


def arrays_of(program: Groups, inputs: list[Any], averaging: Averaging | None = None) -> list[Any]:
    """The array of every group; with an averaging, computed as it says."""
    if averaging is None:
        outputs = [
            Output(group.shape or None, all_of(number, len(group.shape))) for number, group in enumerate(program.groups)
        ]
        return interpreter.run(replace(program, outputs=outputs), inputs)
    # a divided group is divided by n where it is computed, which one more factor says; a summed one is no mean
    changed = copy.deepcopy(program)
    for number in averaging.summed:
        assert changed.groups[number].over == "mean"
        changed.groups[number].over = "sum"
    given_inputs = dict(zip(program.inputs, inputs, strict=True))
    arrays: list[Any] = []
    with np.errstate(all="ignore"):
        for number, group in enumerate(changed.groups):
            array = interpreter._value(changed, group, arrays, given_inputs.get(number), SAMPLES)
            arrays.append(array / SAMPLES if number in averaging.divided else array)
    return arrays


def inputs_of(program: Groups) -> list[Any]:
    rng = np.random.default_rng(0)
    groups = [program.groups[number] for number in program.inputs]
    return [rng.integers(-3, 4, g.shape + ((SAMPLES,) if g.batched else ())).astype(float) for g in groups]


def check(program: Groups) -> Averaging:
    averaging = place_divisions(program)
    inputs = inputs_of(program)
    assert averaging.divided <= averaging.scaled
    assert not averaging.scaled & {output.ref.group for output in program.outputs}
    plain, divided = arrays_of(program, inputs), arrays_of(program, inputs, averaging)
    for number, (ours, truth) in enumerate(zip(divided, plain, strict=True)):
        factor = SAMPLES if number in averaging.scaled else 1.0
        np.testing.assert_allclose(ours * factor, truth, rtol=1e-12, atol=1e-12)
    return averaging


@given(programs())
def test_every_array_is_what_it_was_or_an_nth_of_it(program):
    check(program)


@given(programs())
def test_the_program_is_left_as_it_is(program):
    before = repr(program)
    place_divisions(program)
    assert repr(program) == before


@pytest.mark.parametrize("sizes", [(2, 1), (3, 4, 2), (2, 5, 5, 1)])
def test_backpropagation_divides_once_at_its_start(sizes):
    program = mlp(*sizes)
    averaging = check(program)
    (start,) = averaging.divided
    assert program.groups[start].shape == sizes[-1:]
    # all gradients are sums then; the loss is a mean
    means = [number for number, group in enumerate(program.groups) if group.over == "mean"]
    assert len(means) - len(averaging.summed) == 1
    assert len(averaging.summed) == 2 * (len(sizes) - 1)


def test_what_is_squared_is_not_scaled():
    b = Builder()
    x = b.input("x", 3, batched=True)
    delta = b.map("neg", (3,), ref(x, 0))
    b.result(b.sum((3, 3), Term((ref(delta, 0), ref(delta, 1))), over="mean"))
    assert not check(b.program).scaled


def test_what_something_else_than_a_product_reads_is_not_scaled():
    b = Builder()
    x, y = b.input("x", 3, batched=True), b.input("y", 3, batched=True)
    delta = b.map("neg", (3,), ref(x, 0))
    bent = b.map("exp", (3,), ref(delta, 0))
    b.result(b.sum((3, 3), Term((ref(bent, 0), ref(y, 1))), Term((ref(delta, 0), ref(y, 1))), over="mean"))
    assert delta not in check(b.program).scaled


def test_a_mean_of_one_array_divides_its_result():
    b = Builder()
    x = b.input("x", 3, batched=True)
    b.result(b.sum((3,), Term((ref(b.map("exp", (3,), ref(x, 0)), 0),)), over="mean"))
    averaging = check(b.program)
    assert averaging == Averaging(frozenset(), frozenset(), frozenset())


def test_what_is_a_result_itself_is_not_scaled():
    b = Builder()
    x, y = b.input("x", 3, batched=True), b.input("y", 2, batched=True)
    delta = b.map("neg", (3,), ref(x, 0))
    b.result(delta)
    b.result(b.sum((3, 2), Term((ref(delta, 0), ref(y, 1))), over="mean"))
    assert not check(b.program).scaled & {delta}
