"""Transforms take functions and give functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

import tinygrad_lite as tg
from tinygrad_lite import Value


def cube(x: Value) -> Any:
    return x**3


def test_transforms() -> None:
    assert_type(tg.grad(cube), Callable[..., Any])
    assert_type(tg.grad(tg.grad(cube)), Callable[..., Any])
    assert_type(tg.value_and_grad(cube), Callable[..., tuple[Any, Any]])
    assert_type(tg.jacobian(cube), Callable[..., Any])
    assert_type(tg.hessian(cube), Callable[..., Any])
    assert_type(tg.hvp(cube), Callable[..., Any])
    assert_type(tg.jvp(cube, [2.0], [1.0]), tuple[Any, Any])


def test_gradients_on_a_recorded_graph() -> None:
    x = Value(2.0)
    assert_type(tg.gradient(cube(x), [x]), list[Any])
    assert_type(tg.gradient(cube(x), x), Any)
