"""Names of groups: meaningful where they can be, and safe whatever the paths hold."""

from __future__ import annotations

import builtins
import keyword

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from program_builder import Builder, causal_attention, mlp, ref

from tinygrad_lite import ops, value_and_grad
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.engines.numpy_engine import build
from tinygrad_lite.lift.ir.groups import Term
from tinygrad_lite.lift.source.emit import emit
from tinygrad_lite.lift.source.naming import is_safe, is_temporary, name_groups


def names_of_inputs(*paths: str) -> list[str]:
    b = Builder()
    for path in paths:
        b.input(path)
    name_groups(b.program)
    return [group.name for group in b.program.groups]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("model.layers.0.weight", "model.layers.0.bias", "model.layers.2.weight"), ["W1", "b1", "W2"]),
        (("model.layers.0.neurons.w", "model.layers.0.neurons.b", "model.layers.1.neurons.w"), ["W1", "b1", "W2"]),
        (("model.weight", "model.bias", "x", "y"), ["W", "b", "x", "y"]),
        (("model.query.weight", "model.key.weight", "model.key.bias"), ["W_query", "W_key", "b_key"]),
        (("model.blocks.0.query.weight", "model.blocks.1.query.weight"), ["W_query1", "W_query2"]),
        (("params[0]", "params[1]", "params[2][3]"), ["params0", "params1", "params2_3"]),
        (("weights['tokens']", "weights['query']"), ["tokens", "query"]),
        (("w", "b", "W", "exp", "n", "lambda", "sum"), ["w", "b", "W", "exp1", "n1", "lambda1", "sum1"]),
        (("x", "x", "x1"), ["x1", "x2", "x1_1"]),
        (("", "0", "é", "日本", "[1]"), ["x1", "x2", "x3", "x4", "x5"]),
        (("__class__", "a.__dict__", "_private"), ["class1", "dict1", "private"]),
    ],
)
def test_inputs_are_named_after_their_paths(paths, names):
    assert names_of_inputs(*paths) == names


@given(paths=st.lists(st.text(max_size=80), max_size=8), labels=st.lists(st.text(max_size=20), max_size=3))
@example(
    paths=["x; import os", "x\nimport os", "a" * 5000, "True", "None.weight", "\u202ex", "x" * 60 + "1"], labels=[]
)
@example(paths=["t1", "c1", "z1", "loss", "i1", "m1", "d1", "grad_W"], labels=[])
@example(paths=["x1", "x", "x", "x1", "x1_1", "x_1", "version"], labels=[])
def test_hostile_paths_give_safe_names_and_programs_that_run(paths, labels):
    b = Builder()
    inputs = [b.input(path, 3) for path in paths]
    for number in inputs:
        b.result(b.map("exp", (3,), ref(number, 0)))
    for group, label in zip(b.program.groups, labels, strict=False):
        group.role = label
    name_groups(b.program)
    names = [group.name for group in b.program.groups]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.isascii()
        assert name.isidentifier()
        assert len(name) <= 32
        assert "__" not in name
        assert not keyword.iskeyword(name)
        assert not keyword.issoftkeyword(name)
        assert name not in ops.TABLE
        assert not hasattr(builtins, name)
        assert not hasattr(np, name)
        assert is_safe(name)
    arrays = [np.full(3, float(k)) for k in range(len(paths))]
    for k, result in enumerate(build(b.program)(arrays)):
        np.testing.assert_array_equal(result, np.exp(arrays[k]))


def test_an_mlp_has_the_names_of_a_text_book():
    program = mlp(2, 16, 8, 1)
    name_groups(program)
    named = [group.name for group in program.groups if not is_temporary(group.name)]
    assert named == [
        *("W1", "b1", "W2", "b2", "W3", "b3", "x", "y", "c1", "z1", "a1", "z2", "a2", "z3", "loss"),
        *("d3", "grad_b3", "grad_W3", "d2", "grad_b2", "grad_W2", "d1", "grad_b1", "grad_W1"),
    ]


def test_the_gradient_that_is_computed_transposed_says_so():
    b = Builder()
    weight, x, y = b.input("model.weight", 3, 3), b.input("x", 3, batched=True), b.input("y", 3, batched=True)
    z = b.sum((3,), Term((ref(weight, 0, 1), ref(x, 1)), (3,)))
    loss = b.sum((), Term((ref(z, 0), ref(y, 0)), (3,)), over="mean")
    delta = b.map("tanh", (3,), ref(y, 0))
    transposed = b.sum((3, 3), Term((ref(x, 0), ref(delta, 1))), over="mean")
    plain = b.sum((3, 3), Term((ref(delta, 0), ref(x, 1))), over="mean")
    b.result(loss)
    for number in (transposed, plain):
        b.program.outputs.append(b.result(number).program.outputs.pop())
    b.program.outputs.append(b.program.outputs[-1])
    name_groups(b.program)
    assert b.program.groups[transposed].name == "grad_W_T"
    assert b.program.groups[plain].name == "grad_W"


def test_a_last_layer_of_one_neuron_gives_its_gradients_their_names_and_none_to_the_target():
    def loss(params, x, y):
        hidden = np.tanh(params[0]["W"] @ x + params[0]["b"])
        return ((params[1]["W"] @ hidden + params[1]["b"])[0] - y) ** 2

    params = [{"W": np.ones((3, 2)), "b": np.ones(3)}, {"W": np.ones((1, 3)), "b": np.ones(1)}]
    step = lift(value_and_grad(loss), batch=(None, 0, 0))
    step(params, np.ones((4, 2)), np.ones(4))
    names = [group.name for group in step.groups]
    assert [name for name in names if name.startswith("grad")] == ["grad_W1", "grad_b1", "grad_W2", "grad_b2"]
    assert "return loss, grad_W1, grad_b1, grad_W2[None], grad_b2[None]" in step.source


def test_a_function_without_gradients_has_neither_loss_nor_deltas():
    program = causal_attention(3, 4, 2, batched=False)
    name_groups(program)
    assert not any(group.name.startswith(("d", "grad", "loss")) for group in program.groups)
    assert [group.name for group in program.groups if group.kind == "input"] == [
        *("W_query", "W_key", "W_value", "W_out", "x"),
    ]


def test_roles_that_are_known_are_used():
    program = mlp(2, 4, 1)
    for group in program.groups:
        group.role = "forward"
    name_groups(program)
    assert not any(group.name.startswith(("d", "grad")) for group in program.groups)


def test_naming_is_repeatable():
    program = mlp(2, 4, 1)
    name_groups(program)
    first = [group.name for group in program.groups]
    text = emit(program).text
    name_groups(program)
    assert [group.name for group in program.groups] == first
    assert emit(program).text == text
