"""How an operation on operands is written in Python, in the names of :mod:`tinygrad_lite`."""

from __future__ import annotations

import ast
from typing import Final

from tinygrad_lite.expressions import OPERATORS
from tinygrad_lite.operations.operation import NARY, Op

#: The sign of an operation, where it is written with one: what the parser of expressions reads, the other way round.
#: (Not of pow: on floats ** may be complex, where the function raises.)
_SIGNS: Final = {name: sign for sign, name in OPERATORS.items() if name != "pow"}


def written(op: Op, parts: list[ast.expr]) -> ast.expr:
    """How an operation on these operands is written."""
    sign = _SIGNS.get(op.name)
    if sign is not None:
        return ast.BinOp(parts[0], sign(), parts[1]) if op.arity == 2 else ast.UnaryOp(sign(), parts[0])
    if op.arity != NARY:
        return ast.Call(ast.Name(op.name), parts, [])
    if op.operands[-1] == "bias":
        n = len(parts) // 2
        return ast.Call(ast.Name(op.name), [ast.List(parts[:n]), ast.List(parts[n : 2 * n]), parts[-1]], [])
    if op.operands[-1] != "index":
        return ast.Call(ast.Name(op.name), [ast.List(parts)], [])
    index = parts[-1]
    if isinstance(index, ast.Constant) and isinstance(index.value, float):  # an item has a whole number
        index = ast.Constant(int(index.value))
    table = ast.List(parts[:-1])
    if op.name == "softmax":
        return ast.Subscript(ast.Call(ast.Name("softmax"), [table], []), index)
    return ast.Call(ast.Name(op.name), [table, index], [])
