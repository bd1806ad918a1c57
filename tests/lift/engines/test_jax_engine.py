"""Programs on JAX give what the interpreter gives, in all dtypes; they are compiled once and compose with JAX."""

from __future__ import annotations

import sys
from typing import Any

import interpreter
import numpy as np
import pytest
from dense_program import dense_inputs, dense_program, reads
from drawn_programs import programs
from hypothesis import given, settings

from tinygrad_lite import define
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.engines import jax_engine
from tinygrad_lite.lift.engines.jax_library import use_x64
from tinygrad_lite.lift.ir.groups import Group, Groups, Output, Term

jax = pytest.importorskip("jax", reason="the engine needs JAX: the extra jax")

TOLERANCES = {"float64": 1e-13, "float32": 2e-6, "bfloat16": 2e-2}


def assert_close(found, truth, tolerance: float) -> None:
    for array, right in zip(found, truth, strict=True):
        assert array.shape == right.shape
        scale = np.abs(right).max(initial=1e-30)
        assert np.abs(np.asarray(array, dtype=float) - right).max(initial=0.0) <= tolerance * scale


def whole_numbers(program: Groups, samples: int, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    groups = [program.groups[number] for number in program.inputs]
    return [generator.integers(-3, 4, size=g.shape + (samples,) * g.batched).astype(float) for g in groups]


@settings(max_examples=settings().max_examples * 2 // 5)
@given(programs())
def test_a_drawn_program_gives_what_the_interpreter_gives(program):
    inputs = whole_numbers(program, 3, seed=1)
    assert_close(jax_engine.build(program)(inputs), interpreter.run(program, inputs), TOLERANCES["float64"])


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_a_network_and_its_gradients_are_right_in_every_dtype(dtype):
    inputs = dense_inputs(32)
    with jax.default_matmul_precision("highest"):
        found = jax_engine.build(dense_program(), dtype=dtype)(inputs)
    assert_close(found, interpreter.run(dense_program(), inputs), TOLERANCES[dtype])
    assert {str(array.dtype) for array in found} == {"float64" if dtype == "float64" else "float32"}


def contraction(size: int) -> Groups:
    """The dot product of two vectors and the sum of one, of which the first runs through a contraction."""
    groups = [
        Group("input", (size,), path="u"),
        Group("input", (size,), path="v"),
        Group("sum", (), terms=(Term((reads(0, 0), reads(1, 0)), (size,)),)),
        Group("sum", (), terms=(Term((reads(0, 0),), (size,)),)),
    ]
    return Groups(groups, [0, 1], [Output(None, reads(2)), Output(None, reads(3))])


def test_bfloat16_adds_up_in_float32():
    size = 1001  # ones added up in bfloat16 stop at 256, and 1001 is none of its numbers
    found = jax_engine.build(contraction(size), dtype="bfloat16")([np.ones(size), np.ones(size)])
    assert [float(number) for number in found] == [1001.0, 1001.0]


def test_bfloat16_multiplies_stacks_of_matrices():
    generator = np.random.default_rng(0)
    inputs = [generator.normal(size=(4, 3, 5)), generator.normal(size=(4, 5, 2))]
    groups = [
        Group("input", (4, 3, 5), path="left"),
        Group("input", (4, 5, 2), path="right"),
        Group("sum", (4, 3, 2), terms=(Term((reads(0, 0, 1, 3), reads(1, 0, 3, 2)), (5,)),)),
    ]
    program = Groups(groups, [0, 1], [Output((4, 3, 2), reads(2, 0, 1, 2))])
    found = jax_engine.build(program, dtype="bfloat16")(inputs)
    assert_close(found, [inputs[0] @ inputs[1]], TOLERANCES["bfloat16"])


def test_bfloat16_contractions_are_of_bfloat16_for_accelerators():
    run = jax.jit(jax_engine.make_function(contraction(8), "bfloat16"))
    inputs = [np.ones(8, dtype=np.float32)] * 2
    text = run.trace(inputs).lower(lowering_platforms=("cuda",)).as_text()
    assert "(tensor<8xbf16>, tensor<8xbf16>) -> tensor<f32>" in text


def test_bfloat16_adds_up_samples_in_float32_that_it_keeps_in_bfloat16():
    groups = [
        Group("input", (2, 3), path="W"),
        Group("input", (3,), path="x", batched=True),
        Group("sum", (2,), terms=(Term((reads(0, 0, 1), reads(1, 1)), (3,)),), batched=True),
        Group("sum", (2,), terms=(Term((reads(2, 0),)),), over="sum"),
        Group("sum", (2,), terms=(Term((reads(2, 0),)),), over="mean"),
    ]
    results = [Output((2,), reads(2, 0), batched=True), Output((2,), reads(3, 0)), Output((2,), reads(4, 0))]
    run = jax_engine.build(Groups(groups, [0, 1], results), dtype="bfloat16")
    x = np.zeros((3, 1000))
    x[0] = [1.0, 1.0 + 2.0**-7] * 500  # two neighbours in bfloat16
    each, total, mean = run([np.eye(2, 3) + np.eye(2, 3, -1), x])
    assert np.all(np.asarray(each) == x[0][:, None])
    assert total.tolist() == [1000.0 + 500 / 128] * 2
    assert mean.tolist() == [1.0 + 2.0**-8] * 2


def test_bfloat16_rounds_the_factors_of_contractions_and_nothing_else():
    finer = np.full(4, 1.0 + 2.0**-10)
    product, total = jax_engine.build(contraction(4), dtype="bfloat16")([finer, finer])
    assert float(product) == 4.0
    assert float(total) == 4.0 * finer[0]


def test_bfloat16_keeps_what_a_layer_computes_for_each_sample_in_bfloat16():
    run = jax_engine.build(dense_program(), dtype="bfloat16")
    residuals = np.asarray(run(dense_inputs(8))[-1])
    with use_x64(False):
        assert np.array_equal(residuals, np.asarray(jax.numpy.asarray(residuals).astype("bfloat16"), dtype="float32"))


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_places_in_a_table_are_exact_in_every_dtype(dtype):
    index = Group("input", (), path="index", batched=True)
    table = Group("input", (1000,), path="table")
    look = Group("fold", (), "lookup", (reads(0),), (Term((reads(1, 0),), (1000,)),), batched=True)
    program = Groups([index, table, look], [0, 1], [Output(None, reads(2), batched=True)])
    places = np.array([0.0, 257.0, 999.0, 514.0])
    (found,) = jax_engine.build(program, dtype=dtype)([places, np.arange(1000) * 0.5])
    assert found.tolist() == [0.0, 128.5, 499.5, 257.0]


def test_a_program_is_traced_once_for_each_number_of_samples(monkeypatch):
    traced = []
    whole = jax_engine.make_function

    def counted(program, dtype):
        function = whole(program, dtype)
        return lambda arrays: traced.append(arrays[-1].shape[-1]) or function(arrays)

    monkeypatch.setattr(jax_engine, "make_function", counted)
    run = jax_engine.build(dense_program())
    for samples in (8, 8, 16, 8, 16):
        run(dense_inputs(samples))
    with use_x64():
        run([jax.numpy.asarray(array) for array in dense_inputs(8)])
    assert traced == [8, 16]


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_the_proof_the_first_call_and_the_next_ones_share_what_is_compiled(axis, monkeypatch):
    made, calls = jax_engine.make_function, []

    def make_counted(*args: Any) -> Any:
        function = made(*args)

        def counted(arrays: Any) -> Any:
            calls.append(1)
            return function(arrays)

        return counted

    monkeypatch.setattr(jax_engine, "make_function", make_counted)
    batch = None if axis is None else (axis, None)
    program = lift(lambda x, w: x * w.sum(), batch=batch, engine="jax", reduce=None)
    x, w = np.arange(6.0).reshape(2, 3) + 0.5, np.array([1.0, 2.0])
    x = x.T if axis == 0 else x  # as many samples as the proof takes
    slow = program.program_for(x, w).run_arguments
    found = [program(x, w), program(x, w), slow(program.last.inputs.take_apart((x, w), {}))]
    assert len(calls) == 1
    for array in found:
        np.testing.assert_allclose(array, 3.0 * (x.T if axis == 1 else x))


def test_arrays_on_the_device_stay_there():
    run = jax_engine.build(dense_program())
    with use_x64():
        inputs = [jax.numpy.asarray(array) for array in dense_inputs(8)]
    run(inputs)
    with jax.transfer_guard("disallow_explicit"):
        found = run(inputs)
    assert all(isinstance(array, jax.Array) for array in found)


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_the_dtype_does_not_depend_on_jax_enable_x64_nor_change_it(dtype, flag):
    inputs = dense_inputs(8)
    with use_x64(flag):
        found = jax_engine.build(dense_program(), dtype=dtype)(inputs)
        assert jax.config.jax_enable_x64 is flag
    assert_close(found, interpreter.run(dense_program(), inputs), TOLERANCES[dtype])
    assert {str(array.dtype) for array in found} == {"float64" if dtype == "float64" else "float32"}


def test_wider_arrays_on_the_device_are_rounded_for_a_narrower_program():
    inputs = dense_inputs(8)
    with use_x64():
        found = jax_engine.build(dense_program(), dtype="float32")([jax.numpy.asarray(array) for array in inputs])
    assert found[0].dtype == "float32"
    assert_close(found, interpreter.run(dense_program(), inputs), TOLERANCES["float32"])


def constants_and_comparisons(*weight: int) -> Groups:
    """x plus constants, plus whether that is greater than 1/4: once, or 1/4 times if the weight is group 3."""
    table = np.array([0.5, -1.5, 2.5])
    groups = [
        Group("input", (3,), path="x", batched=True),
        Group("constant", (3,), data=table),
        Group("constant", (3,), data=np.arange(3.0)),
        Group("constant", (), data=np.array(0.25)),
        Group("sum", (3,), terms=tuple(Term((reads(group, 0),)) for group in (0, 1, 2)), batched=True),
        Group("map", (3,), "greater", (reads(4, 0), reads(3)), batched=True),
        Group("sum", (3,), terms=(Term((reads(5, 0), *map(reads, weight))), Term((reads(4, 0),))), batched=True),
    ]
    outputs = [Output((3,), reads(6, 0), batched=True), Output(None, reads(3))]
    return Groups(groups, [0], outputs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_narrow_programs_have_nothing_wide_in_them(dtype):
    inputs = [np.ones((3, 4), dtype=np.float32)]
    with use_x64(True):
        assert "f64" not in jax_engine.build(constants_and_comparisons(3), dtype=dtype).text(inputs)
        function = jax_engine.make_function(constants_and_comparisons(), dtype)
        assert "f64" not in str(jax.make_jaxpr(function)(inputs))


def test_samples_may_run_along_any_axis():
    inputs = dense_inputs(8)
    run = jax_engine.build(dense_program(), axes=(None, None, None, 0, -1))
    found = run([*inputs[:3], np.ascontiguousarray(inputs[3].T), inputs[4]])
    assert_close(found, interpreter.run(dense_program(), inputs), TOLERANCES["float64"])


def test_jax_differentiates_the_function_to_the_programs_own_gradients():
    program, inputs = dense_program(), dense_inputs(8)
    loss = Groups(program.groups, program.inputs, program.outputs[:1])
    with use_x64():
        function = jax_engine.make_function(loss)
        gradients = jax.grad(lambda parameters: function([*parameters, *inputs[3:]])[0])(inputs[:3])
    assert_close(gradients, interpreter.run(program, inputs)[1:4], 1e-13)


def test_the_function_composes_with_vmap():
    inputs = dense_inputs(8)
    weights = np.stack([inputs[0], 2.0 * inputs[0]])
    with use_x64():
        function = jax_engine.make_function(dense_program())
        losses = jax.vmap(lambda weight: function([weight, *inputs[1:]])[0])(weights)
    for weight, found in zip(weights, np.asarray(losses), strict=True):
        assert_close([found], interpreter.run(dense_program(), [weight, *inputs[1:]])[:1], 1e-13)


def descent(function):
    """Steps of gradient descent with momentum on the network, on batches of places in the data."""

    def step(parameters, velocity, places, x, y):
        loss, *gradients, _ = function([*parameters, x[:, places], y[:, places]])
        velocity = [0.5 * v + g for v, g in zip(velocity, gradients, strict=True)]
        return [p - 0.1 * v for p, v in zip(parameters, velocity, strict=True)], velocity, loss

    return step


def test_many_steps_in_one_call_are_the_same_steps():
    *parameters, x, y = dense_inputs(12)
    start = parameters, [np.zeros_like(p) for p in parameters]
    places = np.random.default_rng(0).integers(0, 12, size=(7, 4))
    with use_x64():
        step = descent(jax_engine.make_function(dense_program()))
    found = jax_engine.scan_steps(step)(*start, places, x, y)
    eager, losses = start, []
    for few in places:
        *eager, loss = descent(lambda arrays: interpreter.run(dense_program(), arrays))(*eager, few, x, y)
        losses.append(loss)
    assert_close([found[2]], [np.array(losses)], 1e-12)
    assert_close(found[0], eager[0], 1e-12)
    assert_close(found[1], eager[1], 1e-12)


def test_parameters_keep_their_dtype_over_many_steps():
    run = jax_engine.scan_steps(lambda weight, state, x: (weight - x, state, weight))
    weight, _, losses = run(np.float32(1.0), (), np.array([0.25, 0.5]))
    assert (float(weight), weight.dtype, losses.tolist()) == (0.25, "float32", [1.0, 0.75])


def test_many_steps_are_traced_once():
    traced = []

    def step(weight, state, x):
        traced.append(x)
        return weight - x, state + 1, weight

    run = jax_engine.scan_steps(step)
    for _ in range(3):
        run(1.0, 0, np.ones(5))
    assert len(traced) == 1


def test_an_operation_that_a_user_defined_runs_on_the_host_and_has_its_own_derivative():
    define("cubed_on_host", lambda x: x**3 if x >= 0.0 else 1.0 / 0.0, lambda m, x, z: 3.0 * m.abs(x) * x)
    program = Groups([Group("input", (3,), path="x"), Group("map", (3,), "cubed_on_host", (reads(0, 0),))], [0])
    program.outputs.append(Output((3,), reads(1, 0)))
    (found,) = jax_engine.build(program)([np.array([2.0, 3.0, -1.0])])
    assert np.array_equal(found, [8.0, 27.0, np.nan], equal_nan=True)
    with use_x64():
        slope = jax.grad(lambda x: jax_engine.make_function(program)([x])[0].sum())(np.array([2.0, 3.0, 5.0]))
    assert slope.tolist() == [12.0, 27.0, 75.0]


def test_what_xla_made_of_a_program_can_be_read():
    assert "dot" in jax_engine.build(dense_program()).text(dense_inputs(8))


def chain(steps: int, size: int) -> Groups:
    """Numbers of which each is made of the two before it: written out, their number grows as Fibonacci's."""
    groups = [Group("input", (size,), path="x"), Group("map", (size,), "cos", (reads(0, 0),))]
    groups += [
        Group("map", (size,), ("sub", "mul")[number % 2], (reads(number, 0), reads(number - 1, 0)))
        for number in range(1, steps)
    ]
    return Groups(groups, [0], [Output((size,), reads(steps, 0))])


@pytest.mark.parametrize(("many", "size", "fuses"), [(500, 3, True), (30, 3, False), (30, 300, True)])
def test_long_chains_of_few_numbers_are_not_fused_on_cpus_and_are_right(many, size, fuses, monkeypatch):
    monkeypatch.setattr(jax_engine, "_MANY", many)
    program, x = chain(40, size), [np.linspace(0.1, 1.4, size)]
    run = jax_engine.build(program)
    assert ("fused_computation" in run.text(x)) == fuses
    assert_close(run(x), interpreter.run(program, x), TOLERANCES["float64"])


def test_a_chain_whose_numbers_would_be_computed_again_and_again_is_compiled_and_right():
    program, x = chain(600, 3), [np.linspace(0.1, 1.4, 3)]
    assert_close(jax_engine.build(program)(x), interpreter.run(program, x), TOLERANCES["float64"])


def test_a_dtype_that_is_none_of_the_three_is_refused():
    with pytest.raises(LiftError, match="no dtype 'float16' here: choose one of float64, float32, bfloat16"):
        jax_engine.build(dense_program(), dtype="float16")


def test_without_jax_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r"tinygrad-lite\[jax\]"):
        jax_engine.build(dense_program())
