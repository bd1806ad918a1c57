"""The rules of ``dot``, the node that networks are made of, written out for speed. A test holds them to the table's."""

from __future__ import annotations

from typing import Any

from mypy_extensions import i64

from tinygrad_lite.node.codes import CONSTANT
from tinygrad_lite.node.fields import Details, Node


def evaluate_dot(details: Details, bias: Node) -> float:
    """Give the number of a dot node: :func:`sum_products` of its operands."""
    return sum_products(details.first, details.second, bias)


def sum_products(ws: tuple[Any, ...], xs: tuple[Any, ...], bias: Node) -> float:
    """Give the number bias + w₁x₁ + … + wₙxₙ, added from the left."""
    total = bias._number
    i: i64 = 0
    n: i64 = len(ws)
    while i < n:
        w: Node = ws[i]
        x: Node = xs[i]
        total += w._number * x._number
        i += 1
    return total


def pass_on_dot(details: Details | None, bias: Node | None, g: float) -> None:
    """Do the sweep's step at a dot node whose gradient is g."""
    assert details is not None
    assert bias is not None
    if bias._code != CONSTANT:
        bias._grad += g
    ws = details.first
    xs = details.second
    i: i64 = 0
    n: i64 = len(ws)
    while i < n:
        w: Node = ws[i]
        x: Node = xs[i]
        i += 1
        if w._code != CONSTANT:
            w._grad += g * x._number
        if x._code != CONSTANT:
            x._grad += g * w._number
