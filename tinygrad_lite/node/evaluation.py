"""What an operation gives for the numbers of its operands: its result, its local derivatives, and its errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from mypy_extensions import i16

from tinygrad_lite.node.codes import ABS, ADD, CONSTANT, EDGED, FORWARD, MUL, POW, RELU, SUB, TRUEDIV
from tinygrad_lite.node.fields import Node
from tinygrad_lite.node.state import STATE
from tinygrad_lite.operations.arithmetic import evaluate_rule, failed
from tinygrad_lite.operations.numerics import power
from tinygrad_lite.operations.ops import BY_CODE


def evaluate_unary(code: i16, x: Node) -> float:
    """Give the float result of an operation on one operand."""
    if code == RELU:
        return 0.0 if x._number <= 0.0 else x._number
    if code == ABS:
        return abs(x._number)
    try:
        data: float = FORWARD[code](x._number)
    except (ArithmeticError, ValueError) as error:
        data = failed(code, (x,), error)
        STATE.singular = True
    edged = EDGED[code]
    if edged is not None and edged.is_singular((x._number,)):
        STATE.singular = True
    return data


def evaluate_binary(code: i16, x: Node, y: Node) -> float:
    """Give the float result of an operation on two operands."""
    if code == ADD:
        return x._number + y._number
    if code == SUB:
        return x._number - y._number
    if code == MUL:
        return x._number * y._number
    if code == TRUEDIV and y._number != 0.0:
        return x._number / y._number
    try:
        if code == POW and x._number != 0.0:
            return power(x._number, y._number)
        data: float = FORWARD[code](x._number, y._number)
    except (ArithmeticError, ValueError) as error:
        data = failed(code, (x, y), error)
        STATE.singular = True
    edged = EDGED[code]
    if edged is not None and edged.is_singular((x._number, y._number)):
        STATE.singular = True
    return data


def evaluate(code: i16, operands: tuple[Any, ...]) -> float:
    """Give the float result of an operation on any number of operands."""
    op = BY_CODE[code]
    assert op is not None
    numbers = [_number(x) for x in operands]
    if EDGED[code] is not None and op.is_singular(numbers):
        STATE.singular = True
    try:
        if op.arity < 0:
            return cast(float, op.forward(numbers))
        return cast(float, op.forward(*numbers))
    except (ArithmeticError, ValueError, TypeError, IndexError) as error:
        return failed(code, operands, error)


def _number(x: Node) -> float:
    return x._number


def local_derivatives(node: Node) -> Sequence[Any]:
    """∂node/∂operand for each operand, as floats, by the rule of its record; 0 for a constant operand."""
    op = BY_CODE[node._code]
    assert op is not None
    parents: Sequence[Node] = node.parents
    numbers = [parent._number for parent in parents]
    if op.arity < 0:
        return cast("Sequence[Any]", evaluate_rule(op.partials[0], (numbers, node._number)))
    return [
        0.0 if parents[k]._code == CONSTANT else evaluate_rule(op.partials[k], (*numbers, node._number))
        for k in range(len(parents))
    ]
