"""The emitted source: what it computes, compared with the interpreter, and how it reads."""

from __future__ import annotations

import re
import warnings

import interpreter
import numpy as np
import pytest
from drawn_programs import programs
from hypothesis import given, settings
from hypothesis import strategies as st
from program_builder import Builder, along, at, causal_attention, mlp, ref, table

from tinygrad_lite.lift.engines.einsum import einsum
from tinygrad_lite.lift.engines.numpy_engine import build
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Term
from tinygrad_lite.lift.source.averaging import place_divisions
from tinygrad_lite.lift.source.emit import emit


def check(program: Groups, samples: int = 5, whole: bool = False) -> str:
    """Compares the engine with the interpreter, and gives the text."""
    rng = np.random.default_rng(0)
    inputs = []
    for number in program.inputs:
        group = program.groups[number]
        shape = group.shape + ((samples,) if group.batched else ())
        inputs.append(rng.integers(-3, 8, shape).astype(float) if whole else rng.normal(size=shape))
    results = build(program)(inputs)
    for found, expected in zip(results, interpreter.run(program, inputs), strict=True):
        assert np.shape(found) == np.shape(expected)
        assert np.asarray(found).dtype == float
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)
    return emit(program).text


def lines(text: str) -> list[str]:
    """The statements, without comments."""
    return [line.split("#")[0].strip() for line in text.splitlines()]


# ------------------------------------------------------------------------------------------------ dense layers


def test_the_mlp_reads_as_an_expert_would_have_written_it():
    assert lines(check(mlp(2, 16, 1))) == [
        "def program(W1, b1, W2, b2, x, y):",
        "n = x.shape[-1]",
        "z1 = W1 @ x + b1[:, None]",
        "a1 = maximum(z1, 0.0)",
        "z2 = W2 @ a1 + b2[:, None]",
        "loss = mean(softplus(z2) - y * z2)",
        "d2 = (sigmoid(z2) - y) / n",
        "grad_b2 = d2.sum(1)",
        "grad_W2 = d2 @ a1.T",
        "d1 = (W2.T @ d2) * (z1 > 0)",
        "grad_b1 = d1.sum(1)",
        "grad_W1 = d1 @ x.T",
        "return loss, grad_W1, grad_b1, grad_W2, grad_b2",
    ]


@pytest.mark.parametrize("sizes", [(1, 1), (3, 4), (2, 16, 16, 1), (5, 1, 3), (1, 2, 1, 2)])
@pytest.mark.parametrize("samples", [1, 4])
def test_mlps_of_any_width_equal_the_interpreter(sizes, samples):
    check(mlp(*sizes), samples)


def test_comments_say_shapes():
    assert re.search(r"z1 = W1 @ x \+ b1\[:, None\] +# \(16, n\)", emit(mlp(2, 16, 2)).text)


@pytest.mark.parametrize(("samples", "inner", "outer"), [(4, 3, 2), (1, 3, 2), (4, 1, 2), (4, 3, 1), (1, 1, 1)])
def test_samples_that_are_an_axis_of_their_own_are_matrix_products_too(samples, inner, outer):
    b = Builder()
    weight, bias, x = b.input("w.weight", outer, inner), b.input("w.bias", outer), b.input("X", samples, inner)
    product = Term((ref(weight, 1, 2), ref(x, 0, 2)), (inner,))
    z = b.sum((samples, outer), product, Term((ref(bias, 1),)))
    gradient = b.sum((outer, inner), Term((ref(z, 2, 0), ref(x, 2, 1)), (samples,)))
    text = check(b.result(z).result(gradient).program)
    if (samples, inner, outer) == (4, 3, 2):
        assert "z1 = X @ W.T + b" in text
        assert "z2 = z1.T @ X" in text


def test_a_sum_of_many_terms_is_broken_into_lines():
    b = Builder()
    xs = [b.input(f"input_{k}", 3) for k in range(100)]
    text = check(b.result(b.sum((3,), *(Term((ref(x, 0),), sign=(-1.0) ** x) for x in xs))).program)
    assert max(map(len, text.splitlines())) < 120


# ------------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("batched", [False, True])
def test_a_convolution_is_a_contraction_of_sliding_windows(stride, dilation, batched):
    b = Builder()
    width, channels, kernel, filters = 14, 2, 3, 4
    steps = (width - dilation * (kernel - 1) - 1) // stride + 1
    weight = b.input("weight", filters, channels, kernel)
    x = b.input("x", channels, width, batched=batched)
    place = Index(0, ((1, stride), (3, dilation)))
    z = b.sum((filters, steps), Term((ref(weight, 0, 2, 3), ref(x, 2, place)), (channels, kernel)))
    place = Index(0, ((3, stride), (2, dilation)))
    over = {"over": "sum"} if batched else {}
    gradient = b.sum((filters, channels, kernel), Term((ref(z, 0, 3), ref(x, 1, place)), (steps,)), **over)
    program = b.result(z).result(gradient).program
    apart = dilation == 1 and stride >= kernel
    assert ("reshape" if apart else "sliding_window_view(x, ") in check(program)
    assert "sliding_window_view" not in emit(program, "jax").text


def test_a_convolution_in_two_dimensions_slides_in_both_at_once():
    b = Builder()
    weight, x = b.input("weight", 3, 2, 3, 3), b.input("x", 2, 7, 9, batched=True)
    places = Index(0, ((1, 2), (4, 1))), Index(0, ((2, 1), (5, 1)))
    b.result(b.sum((3, 3, 7), Term((ref(weight, 0, 3, 4, 5), ref(x, 3, *places)), (2, 3, 3))))
    assert "sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2]" in check(b.program)


def test_windows_that_run_backwards_are_windows():
    b = Builder()
    weight, x = b.input("weight", 3), b.input("x", 9)
    b.result(b.sum((7,), Term((ref(weight, 1), ref(x, Index(8, ((0, -1), (1, -1))))), (3,))))
    b.result(b.sum((7,), Term((ref(weight, 1), ref(x, Index(2, ((0, 1), (1, -1))))), (3,))))
    assert check(b.program).count("sliding_window_view(x, 3, axis=0)") == 2


# --------------------------------------------------------------------------------------------------- views


def test_views_are_slices_transposes_and_reshapes():
    b = Builder()
    x = b.input("x", 4, 12)
    cases = {
        "x[2:, ::2]": ((2, 6), (along(0, 1, 2), along(1, 2))),
        "x[0]": ((12,), (at(0), along(0))),
        "x.T": ((12, 4), (along(1), along(0))),
        "x[:, ::-1]": ((4, 12), (along(0), along(1, -1, 11))),
        "x[:, 1:4].T": ((3, 4), (along(1), along(0, 1, 1))),
        "x.reshape(4, 3, 4)": ((4, 3, 4), (along(0), Index(0, ((1, 4), (2, 1))))),
        "x[:, :8].reshape(4, 2, 4)[:, :, :3]": ((4, 2, 3), (along(0), Index(0, ((1, 4), (2, 1))))),
        "x[3, ::-3][None]": ((1, 4), (at(3), along(1, -3, 11))),
    }
    for shape, places in cases.values():
        b.result(b.map("exp", shape, ref(x, *places)))
    text = check(b.program)
    for view in cases:
        assert f"exp({view})" in text or f"exp({view.removesuffix('[None]')})" in text


def test_a_diagonal_and_a_merge_of_axes_are_views_of_the_flat_array():
    b = Builder()
    x = b.input("x", 4, 4, batched=True)
    b.result(b.map("exp", (4,), ref(x, 0, 0)))
    b.result(b.map("exp", (16,), ref(x, table(np.arange(16) // 4, 0), table(np.arange(16) % 4, 0))))
    b.result(b.map("exp", (16,), ref(x, 0, flat=True)))
    text = check(b.program)
    assert "exp(x.reshape(16, -1)[::5])" in text
    assert text.count("exp(x.reshape(16, -1))") == 2


@pytest.mark.parametrize("batched", [False, True])
def test_places_that_follow_no_rule_are_gathered_and_masked(batched):
    neighbours = [[0, 3, 1], [2, 0, 0], [1, 2, 4], [3, 3, 0]]
    mask = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 0]], dtype=bool)
    b = Builder()
    x, weight = b.input("x", 5, 2, batched=batched), b.input("weight", 3, 2)
    places = table(neighbours, 0, 2)
    message = b.sum((4, 2), Term((ref(x, places, 1),), (3,), 1.0, mask, (0, 2)))
    flat = Index(table=np.asarray(neighbours) * 2 + 1, axes=(0, 1))
    picked = b.sum((4,), Term((ref(x, flat, flat=True),), (3,), -1.0, mask, (0, 1)))
    turned = b.sum((4, 3), Term((ref(weight, 1, 2), ref(message, 0, 2)), (2,)))
    text = check(b.result(message).result(picked).result(turned).program)
    assert "x[i" in text
    assert "x.reshape(" in text
    assert str(neighbours) not in text


# --------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(("positions", "width", "heads"), [(6, 8, 2), (6, 8, 1), (1, 4, 2), (5, 4, 4)])
def test_causal_attention_equals_the_interpreter(positions, width, heads, batched):
    text = check(causal_attention(positions, width, heads, batched))
    assert ("tri(" in text) == (positions > 1)


def test_a_mask_is_set_on_a_factor_so_that_the_product_is_a_matrix_product():
    b = Builder()
    weights, values = b.input("p", 4, 4), b.input("v", 4, 3)
    mask = np.tri(4, dtype=bool)
    b.result(b.sum((4, 3), Term((ref(weights, 0, 2), ref(values, 2, 1)), (4,), 1.0, mask, (0, 2))))
    text = check(b.program)
    assert text.startswith("m1 = tri(4, dtype=bool)\n")
    assert "where(m1, p, 0.0) @ v" in text


def test_what_the_graph_does_not_have_may_be_infinite_without_harm():
    b = Builder()
    mask = np.tri(4, dtype=bool)
    x, weights = b.input("x", 4), b.input("p", 4, 4)
    zeros = b.constant([0.0, 1.0, 1.0, 1.0])
    quotient = b.map("truediv", (4,), ref(x, 0), ref(zeros, 0), present=np.array([False, True, True, True]))
    mask[:, 0] = False
    b.result(b.sum((4,), Term((ref(weights, 0, 1), ref(quotient, 1)), (4,), 1.0, mask, (0, 1))))
    check(b.program)


def test_a_mask_of_both_factors_is_set_on_the_product():
    b = Builder()
    x, y = b.input("x", 3), b.input("y", 4)
    mask = np.eye(3, 4, dtype=bool)
    b.result(b.sum((3,), Term((ref(x, 0), ref(y, 1)), (4,), 1.0, mask, (0, 1))))
    check(b.program)


# --------------------------------------------------------------------------------------------------- folds


@pytest.mark.parametrize("op", ["maximum", "minimum", "prod"])
@pytest.mark.parametrize("batched", [False, True])
def test_folds_equal_the_interpreter(op, batched):
    b = Builder()
    x = b.input("x", 3, 4, batched=batched)
    mask = np.tri(3, 4, dtype=bool)
    b.result(b.fold(op, (3,), Term((ref(x, 0, 1),), (4,))))
    b.result(b.fold(op, (3,), Term((ref(x, 0, 1),), (4,), 1.0, mask, (0, 1))))
    b.result(b.fold(op, (), Term((ref(x, 0, 1),), (3, 4))))
    b.result(b.fold(op, (3,), Term((ref(x, 0, at(2)),), (2,))))
    text = check(b.program)
    name = {"maximum": "max", "minimum": "min"}.get(op, op)
    assert f"x.{name}(1)" in text
    assert f"where(m1, x, {'1.0' if op == 'prod' else '-inf' if op == 'maximum' else 'inf'}).{name}(1)" in text


@pytest.mark.parametrize("batched", [False, True])
def test_a_lookup_in_one_table_is_an_index(batched):
    b = Builder()
    weight, tokens = b.input("weight", 7, 3), b.input("tokens", 4, batched=batched)
    b.result(b.fold("lookup", (4, 3), Term((ref(weight, 2, 1),), (7,)), ref(tokens, 0)))
    b.result(b.fold("lookup", (3, 4), Term((ref(weight, 2, 0),), (7,)), ref(tokens, 1)))
    text = check(b.program, whole=True)
    assert "weight[tokens.astype(int) % 7]" in text


@pytest.mark.parametrize("batched", [False, True])
def test_a_lookup_in_a_table_for_each_element_takes_along_the_axis(batched):
    b = Builder()
    rows, index = b.input("rows", 4, 3, batched=batched), b.input("index", 4, batched=batched)
    b.result(b.fold("lookup", (4,), Term((ref(rows, 0, 1),), (3,)), ref(index, 0)))
    assert "take_along_axis(rows, " in check(b.program, whole=True)


# ----------------------------------------------------------------------------------------- drawn programs


@settings(max_examples=2 * settings().max_examples)
@given(program=programs(), samples=st.sampled_from((1, 2, 4)), seed=st.integers(0, 2**32))
def test_drawn_programs_equal_the_interpreter(program, samples, seed):
    rng = np.random.default_rng(seed)
    inputs = [
        rng.integers(-3, 4, program.groups[i].shape + (samples,) * program.groups[i].batched).astype(float)
        for i in program.inputs
    ]
    copies = [array.copy() for array in inputs]
    results = build(program)(inputs)
    for found, expected in zip(results, interpreter.run(program, inputs), strict=True):
        assert np.shape(found) == np.shape(expected)
        assert np.asarray(found).dtype == float
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    for result in results:
        if isinstance(result, np.ndarray):
            result[...] = 9.0
    for array, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    for found, expected in zip(build(program)(inputs), interpreter.run(program, inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(data=st.data())
def test_einsum_by_matrix_products_equals_numpys(data):
    letters = "abcdef"
    sizes = {letter: data.draw(st.sampled_from((1, 2, 3, 8)), label=letter) for letter in letters}
    left = "".join(data.draw(st.lists(st.sampled_from(letters), unique=True, max_size=4), label="left"))
    right = "".join(data.draw(st.lists(st.sampled_from(letters), unique=True, max_size=4), label="right"))
    either = sorted({*left, *right})
    result = "".join(data.draw(st.permutations(either))[: data.draw(st.integers(0, len(either)))])
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=[sizes[letter] for letter in side]) for side in (left, right))
    subscripts = f"{left},{right}->{result}"
    expected = np.einsum(subscripts, a, b)
    for _ in range(2):
        np.testing.assert_allclose(einsum(subscripts, a, b), expected, rtol=1e-12, atol=1e-12)


# ------------------------------------------------------------------------------------------------ the rest


def test_a_mean_is_divided_once_before_the_contractions():
    program = mlp(3, 4, 4, 2)
    divisions = place_divisions(program)
    assert len(divisions.divided) == 1
    (start,) = divisions.divided
    assert program.groups[start].shape == (2,)
    assert emit(program).text.count("/ n") == 2  # of the loss, and of the first delta


def test_a_mean_of_what_is_also_used_otherwise_is_divided_at_its_end():
    b = Builder()
    x, y = b.input("x", 3, batched=True), b.input("y", 3, batched=True)
    delta = b.sum((3,), Term((ref(x, 0),)), Term((ref(y, 0),), sign=-1.0))
    b.result(b.sum((3, 3), Term((ref(delta, 0), ref(x, 1))), over="mean"))
    b.result(b.map("exp", (3,), ref(delta, 0)))
    assert not place_divisions(b.program).scaled
    check(b.program)


def test_names_that_are_no_identifiers_are_refused():
    for name in ("x; import os", "lambda", "exp", "__import__", "é", "n"):
        program = mlp(2, 1)
        for number, group in enumerate(program.groups):
            group.name = f"g{number}"
        program.groups[0].name = name
        with pytest.raises(ValueError, match="safe identifiers"):
            emit(program)


def test_an_unknown_dialect_is_refused():
    with pytest.raises(ValueError, match="numpy"):
        emit(mlp(2, 1), "fortran")


def test_operations_of_users_run_whatever_they_are_called(monkeypatch):
    from tinygrad_lite import ops
    from tinygrad_lite.operations.operation import Op

    hostile = "where) or __import__('os'"
    b = Builder()
    x = b.input("x", 3)
    for name in (hostile, "einsum", "plain"):
        operation = Op(name, name, 1, lambda v: v * v, (), doc="")
        monkeypatch.setitem(ops.DEFINED, name, operation)  # other tests have operations of theirs there
        b.result(b.map(name, (3,), ref(x, 0)))
    text = check(b.program)
    assert "plain(x)" in text
    assert "import" not in text
    assert "einsum" not in text


def test_limits_are_results_and_not_warnings():
    b = Builder()
    x, zero = b.input("x", 3), b.constant(0.0)
    b.result(b.map("truediv", (3,), ref(x, 0), ref(zero)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = build(b.program)([np.array([1.0, -1.0, 0.0])])
    np.testing.assert_array_equal(found, [np.inf, -np.inf, np.nan])


def test_results_that_are_the_same_array_are_not_shared():
    b = Builder()
    x = b.input("x", 3)
    squares = b.map("exp", (3,), ref(x, 0))
    b.result(squares).result(squares).result(x)
    b.program.outputs.append(Output(None, ref(squares, at(1))))
    given_array = np.zeros(3)
    first, second, third, number = build(b.program)([given_array])
    assert not any(
        np.shares_memory(a, b) for a, b in ((first, second), (third, given_array), (first, number), (second, number))
    )


def test_a_program_of_literals_gives_arrays():
    b = Builder()
    two = b.constant(2.0)
    twos = b.map("mul", (3,), ref(two), ref(two))
    b.result(twos).result(b.sum((), Term((ref(two),), (4,)))).result(b.map("greater", (), ref(two), ref(two)))
    check(b.program)


def test_groups_that_nothing_reads_are_not_computed():
    program = mlp(2, 3)
    program.groups.append(Group("map", (3,), op="exp", operands=(ref(1, 0),)))
    assert "exp" not in emit(program).text.replace("softplus", "")
