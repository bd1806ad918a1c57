"""Where a result is not finite, the message names the scalar operation that made it so."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import dot, exp, log, lookup, maximum, sqrt, sum, value_and_grad, where
from tinygrad_lite.functions import greater
from tinygrad_lite.lift.checking.nonfinite_origin import explain, write_call
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term
from tinygrad_lite.lift.lifting import lift

ALONG = (Index(0, ((0, 1),)),)


def why(f: Any, good: tuple[Any, ...], bad: tuple[Any, ...], **options: Any) -> str:
    """What is said of a function that was lifted with good numbers, and is then called with bad ones."""
    lifted = lift(f, **options)
    lifted(*good)
    with pytest.raises(FloatingPointError) as caught:
        lifted(*bad)
    return str(caught.value)


def test_the_statement_the_place_the_sample_and_the_operand_are_named() -> None:
    def f(w: Any, x: Any) -> Any:
        return sum(log(dot(tuple(row), tuple(x))) for row in w) * 2.0

    w, x = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]]), np.array([[4.0, 1.0], [5.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    good = x + np.array([3.0, 0.0])
    message = why(value_and_grad(f), (w, good), (w, x), batch=(None, 0))
    assert "result 0 is not finite" in message
    assert "= log(z1)\n" in message
    assert "[1] of sample 2 (scalar node " in message
    assert "log(0.0) is -inf, with z1[1] of sample 2 = 0.0" in message
    assert "log takes numbers in (0, inf)" in message
    assert "check=False" in message


def test_without_the_check_the_infinity_is_the_result() -> None:
    x = np.array([1.0, 0.0])
    assert lift(lambda x: sum(log(t) for t in x), check=False)(np.ones(2)) == 0.0
    unchecked = lift(lambda x: sum(log(t) for t in x), check=False)
    unchecked(np.ones(2))
    assert unchecked(x) == -math.inf
    with pytest.raises(FloatingPointError, match=r"log\(0\.0\) is -inf"):
        lift(lambda x: sum(log(t) for t in x)).program_for(np.ones(2))(x)


def test_it_begins_where_the_first_number_is_not_finite_and_not_where_it_is_seen() -> None:
    message = why(lambda x: sum(1.0 / (exp(t) - 1.0) for t in x) ** 2, (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    assert "1.0 / 0.0 is " in message or "0.0 ** -1" in message
    assert "exp(t" not in message


def test_a_branch_that_where_does_not_choose_is_not_blamed() -> None:
    def f(x: Any) -> Any:
        return sum(where(greater(t, 0.0), log(t), 0.0) for t in x) / sqrt(x[0])

    program = lift(f, check=False).program_for(np.array([1.0, 2.0, 3.0]))
    assert any(group.op == "where" for group in program.groups)
    x = np.array([0.0, -1.0, 2.0])
    message = explain(program.ir, "f", [x], 0)
    assert "log(" not in message.replace("log_softmax", "")
    assert "0.0" in message


def test_a_sum_that_overflows_shows_its_largest_operands() -> None:
    message = why(lambda x: dot(tuple(x), tuple(x)), (np.ones(5),), (np.array([1.0, 3e200, 2.0, 4.0, 5.0]),))
    assert "the sum of products " in message
    assert "x[1] = 3e+200" in message
    assert "beyond the largest float" in message


def test_a_fold_that_overflows_is_named_by_what_it_is() -> None:
    factors = (Ref(0, (Index(0, ((0, 1),)),)),)
    groups = [Group("input", (3,), path="x"), Group("fold", (), "prod", terms=(Term(factors, (3,)),))]
    program = Groups(groups, [0], [Output((), Ref(1, ()))])
    message = explain(program, "f", [np.array([1e200, 1e150, 2.0])], 0)
    assert "the product of 3 numbers is inf" in message
    assert "x[0] = 1e+200, x[1] = 1e+150, x[2] = 2.0" in message


def test_a_sum_over_samples_finds_the_sample() -> None:
    groups = [
        Group("input", (2,), path="x", batched=True),
        Group("map", (2,), "exp", (Ref(0, ALONG),), batched=True),
        Group("sum", (2,), terms=(Term((Ref(1, ALONG),)),), over="mean"),
    ]
    program = Groups(groups, [0], [Output((2,), Ref(2, ALONG))])
    x = np.zeros((2, 4))
    x[1, 3] = 800.0
    assert "at t1[1] of sample 3: exp(800.0) is inf, with x[1] of sample 3 = 800.0" in explain(program, "f", [x], 0)


def test_elements_that_a_mask_leaves_out_or_the_graph_does_not_have_are_not_blamed() -> None:
    mask = np.array([[False, True, True], [True, False, True]])
    groups = [
        Group("input", (3,), path="x"),
        Group("map", (3,), "log", (Ref(0, ALONG),)),
        Group("sum", (2,), terms=(Term((Ref(1, (Index(0, ((1, 1),)),)),), (3,), 1.0, mask, (0, 1)),)),
    ]
    program = Groups(groups, [0], [Output((), Ref(2, (Index(0),)))])
    message = explain(program, "f", [np.array([-1.0, 1.0, 0.0])], 0)
    assert "at t1[2]: log(0.0) is -inf" in message


def test_a_mask_over_samples_and_reduced_axes_is_respected() -> None:
    mask = np.array([False, True])
    groups = [
        Group("input", (2,), path="x", batched=True),
        Group("map", (2,), "log", (Ref(0, ALONG),), batched=True),
        Group("sum", (), terms=(Term((Ref(1, ALONG),), (2,), 1.0, mask, (0,)),), over="sum"),
    ]
    program = Groups(groups, [0], [Output((), Ref(2, ()))])
    message = explain(program, "f", [np.array([[-1.0, -1.0, -1.0], [1.0, 2.0, 0.0]])], 0)
    assert "at t1[1] of sample 2: log(0.0) is -inf" in message


def test_a_difference_that_only_another_order_of_summation_makes_is_told_as_such() -> None:
    program = Groups([Group("input", (), path="x")], [0], [Output((), Ref(0, ()))])
    assert "on NumPy it is finite" in explain(program, "f", [np.array(1.0)], 0)


def test_the_maximum_of_many_is_blamed_for_its_greatest_and_not_for_an_infinity_below() -> None:
    factors = (Ref(2, (Index(0, ((0, 1),)),)),)
    groups = [
        Group("input", (3,), path="x"),
        Group("constant", (), data=np.array(1.0)),
        Group("map", (3,), "truediv", (Ref(1, ()), Ref(0, ALONG))),
        Group("fold", (), "maximum", terms=(Term(factors, (3,)),)),
    ]
    program = Groups(groups, [0], [Output((), Ref(3, ()))])
    assert "with x[2] = 0.0" in explain(program, "f", [np.array([-0.0, 1.0, 0.0])], 0)


def test_the_operand_that_the_maximum_did_not_take_is_not_blamed() -> None:
    def f(x: Any, y: Any) -> Any:
        return maximum(log(x[0]), exp(x[1])) * y

    message = why(f, (np.array([1.0, 1.0]), 1.0), (np.array([0.0, 900.0]), 1.0))
    assert "exp(900.0) is inf" in message


def test_a_lookup_leads_to_the_element_that_was_looked_up() -> None:
    def f(x: Any, i: Any) -> Any:
        return lookup([log(t) for t in x], i)

    message = why(f, (np.ones(3), 1.0), (np.array([0.0, 1.0, 0.0]), 2.0))
    assert "x[2] = 0.0" in message


def test_an_infinity_in_the_functions_own_text_is_told_as_such() -> None:
    groups = [
        Group("input", (2,), path="x"),
        Group("constant", (), data=np.array(math.inf)),
        Group("map", (2,), "add", (Ref(0, ALONG), Ref(1, ()))),
    ]
    message = explain(Groups(groups, [0], [Output((2,), Ref(2, ALONG))]), "f", [np.zeros(2)], 0)
    assert "a number of the function itself: inf" in message


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_every_engine_that_runs_eagerly_says_the_same(engine: str) -> None:
    pytest.importorskip("numba" if engine == "numba" else "numpy")
    message = why(lambda x: sqrt(x) * 2.0, (1.0,), (-1.0,), engine=engine)
    assert "sqrt(-1.0) is nan, with x = -1.0" in message
    assert "sqrt takes numbers in [0, inf)" in message


def test_operations_are_written_as_python_writes_them() -> None:
    assert [write_call(op, [2.0, -0.0]) for op in ("pow", "greater", "maximum")] == [
        "2.0**-0.0",
        "2.0 > -0.0",
        "maximum(2.0, -0.0)",
    ]
    assert write_call("pow", [-2.0, 0.5]) == "(-2.0)**0.5"
