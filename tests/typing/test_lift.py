"""Functions, lifted."""

from __future__ import annotations

from typing import Any, assert_type

import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, value_and_grad
from tinygrad_lite.lift import Lifted, Program, Report, lift


def square(x: Value) -> Value:
    return (x * x).tanh()


def test_lift() -> None:
    program = lift(value_and_grad(square))
    assert_type(program, Lifted)
    program(0.5)
    assert_type(program.source, str)
    assert_type(program.report(), Report)
    assert_type(program.last, Program)


def test_lift_with_options_decorates() -> None:
    @lift(batch=0, reduce="sum")
    def total(x: Value) -> Value:
        return square(x)

    assert_type(total, Lifted)
    assert_type(lift(square, batch=0), Lifted)


def test_the_package_is_called_as_the_function() -> None:
    assert_type(tg.lift(square), Any)  # to type checkers a package cannot be called
    with pytest.raises(tg.lift.LiftError):
        tg.lift(lambda x: x if x > 0 else -x)(2.0)
