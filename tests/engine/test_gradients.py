"""Gradients of random expressions over the whole table, of first and second order, against 60-digit arithmetic."""

from __future__ import annotations

from hypothesis import given, settings

import tinygrad_lite as tg
from tinygrad_lite.testing import Verdict, check_gradients
from tinygrad_lite.testing.strategies.strategies import Formula, expressions
from tinygrad_lite.value import Value


@settings(max_examples=settings().max_examples * 3 // 2)
@given(expressions(max_nodes=8))
def test_random_expressions_have_the_right_derivatives_of_first_and_second_order(f: Formula) -> None:
    report = check_gradients(f, *f.point, order=2)
    assert report.verdict is not Verdict.UNDECIDED


@settings(max_examples=settings().max_examples * 3 // 10)
@given(expressions(max_nodes=5, inputs=1))
def test_and_of_third_order(f: Formula) -> None:
    check_gradients(f, *f.point, order=3)


@given(expressions(max_nodes=8, inputs=3))
def test_the_transforms_give_what_backward_gives(f: Formula) -> None:
    leaves = [Value(x) for x in f.point]
    y = f(*leaves)
    if not isinstance(y, Value):
        return
    y.backward()
    assert tg.grad(lambda xs: f(*xs))(list(f.point)) == [x.grad for x in leaves]
