"""Operations on operands of any kind, and those that users define."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.node import codes
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import BY_CODE, DEFINED, find


@pytest.fixture
def table() -> Iterator[None]:
    """Takes away again what a test defines: other tests go over the table."""
    before = len(BY_CODE), dict(DEFINED)
    yield
    for listed in (BY_CODE, codes.FORWARD, codes.UNARY_RULE):
        del listed[before[0] :]
    DEFINED.clear()
    DEFINED.update(before[1])


def test_an_int_of_any_size_has_a_logarithm() -> None:
    for x in (10**400, 2**1100 + 1):
        assert tg.log(x) == math.log(x)
        assert tg.log2(x) == math.log2(x)


@pytest.mark.usefixtures("table")
def test_a_defined_operation_of_a_sequence_takes_one_sequence() -> None:
    square_sum = tg.define(
        "square_sum",
        lambda xs: math.fsum(x * x for x in xs),
        lambda m, xs, z: [2.0 * x for x in xs],
        arity=NARY,
    )
    xs = [Value(3.0), Value(4.0)]
    node = square_sum(x for x in xs)
    node.backward()
    assert (node.data, node.op, [x.grad for x in xs]) == (25.0, "square_sum", [6.0, 8.0])
    assert square_sum([3.0, 4.0]) == 25.0
    assert find("square_sum").notation == "square_sum"
    hessian: Any = tg.hessian(square_sum)([3.0, 4.0])
    assert hessian == [[2.0, 0.0], [0.0, 2.0]]


@pytest.mark.usefixtures("table")
def test_a_defined_operation_refuses_another_number_of_operands() -> None:
    cube = tg.define("cube_of", lambda x: x**3, lambda m, x, z: 3.0 * x * x)
    with pytest.raises(TypeError, match="cube_of takes 1 operands, not 2"):
        cube(Value(1.0), 2.0)


@pytest.mark.parametrize(
    ("name", "forward", "partials", "arity", "error", "message"),
    [
        ("f", 1.0, abs, None, TypeError, "takes a function, and a rule for each"),
        ("f", abs, (abs, 2.0), None, TypeError, "takes a function, and a rule for each"),
        ("f", abs, 2.0, None, TypeError, "takes a function, and a rule for each"),
        ("f", abs, lambda x: 1.0, None, TypeError, r"a rule is called with \(m, x, z\), and takes \(x\)"),
        ("f", math.atan2, lambda m, x, z: 1.0, None, TypeError, r"forward is called with \(x\), and takes \(y, x, /\)"),
        ("f", math.fsum, lambda m, xs: [1.0], NARY, TypeError, r"with \(m, operands, z\), and takes \(m, xs\)"),
        ("f", abs, (), None, TypeError, "has 0 rules for 0 operands"),
        ("f", abs, (abs,) * 4, None, TypeError, "has 4 rules for 4 operands"),
        ("f", abs, (abs,), 2, TypeError, "has 1 rules for 2 operands"),
        ("f", abs, (abs, abs), NARY, TypeError, "has 2 rules for any number of operands"),
        ("tanh", abs, abs, None, ValueError, "has 'tanh' already"),
    ],
)
def test_a_definition_that_cannot_be_is_refused_and_leaves_no_trace(
    name: str, forward: Any, partials: Any, arity: int | None, error: type[Exception], message: str
) -> None:
    before = len(BY_CODE), len(DEFINED)
    with pytest.raises(error, match=message):
        tg.define(name, forward, partials, arity=arity)
    assert (len(BY_CODE), len(DEFINED)) == before


@pytest.mark.usefixtures("table")
def test_a_function_whose_signature_is_unknown_may_be_an_operation() -> None:
    # max has none, up to Python 3.14 at least
    greater = tg.define("greater_of", max, (lambda m, x, y, z: 1.0 * (x > y), lambda m, x, y, z: 1.0 * (y > x)))
    x, y = Value(2.0), Value(3.0)
    greater(x, y).backward()
    assert (x.grad, y.grad) == (0.0, 1.0)


def test_a_list_in_the_place_of_a_number_is_told_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"not list \[1.0\]: for each item of it, \[relu\(x\) for x in xs\]"):
        tg.relu([1.0])  # type: ignore[call-overload]  # that is the mistake
