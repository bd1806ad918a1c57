"""The record of the operation that made a node, whether the table has it or a user defined it."""

from __future__ import annotations

from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import BY_CODE
from tinygrad_lite.value import Value


def operation_of(node: Value) -> Op:
    """Return the record of the operation that made an interior node.

    By its code, as a user may define two operations of one name.

    Args:
        node: An interior node.

    >>> operation_of(Value(2.0) + 1.0)
    <operation add>
    """
    operation = BY_CODE[node._code]
    assert operation is not None, "a leaf has no operation"
    return operation


def symbol(node: Value) -> str:
    """Return the symbol of a node's operation; ``""`` for a leaf.

    Args:
        node: Any node.

    >>> symbol(Value(2.0) + 1.0)
    '+'
    """
    return "" if node.is_leaf else operation_of(node).symbol
