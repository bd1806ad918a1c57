"""What is put together by clicks: the operations that there are, and the lines of Python that clicks write."""

from __future__ import annotations

import ast
import itertools
import string
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.syntax import written
from tinygrad_lite.value import Value
from tinygrad_lite.viz.playground.program import prelude

#: The name of what is no operation: a new leaf.
LEAF = "Value"


def operations() -> list[dict[str, Any]]:
    """Return the operations of the table that can be applied to nodes: name, symbol, what it does, how many it takes.

    >>> operations()[0]
    {'name': 'add', 'symbol': '+', 'doc': 'Sum of two numbers.', 'takes': [2]}
    """
    return [
        {"name": op.name, "symbol": op.symbol, "doc": op.doc, "takes": _takes(op)} for op in TABLE.values() if op.public
    ]


def apply(text: str, names: Mapping[str, Any], operation: str, operands: Sequence[str]) -> str:
    """Return a program with one more line, which applies an operation to some of its variables.

    Args:
        text: The program.
        names: Its names.
        operation: An operation's name in the table, or ``"Value"`` for a new leaf.
        operands: Variables, in the order in which the operation takes them.

    Raises:
        ValueError: There is no such operation or variable, or it takes another number of operands.

    >>> print(apply("a = Value(2.0)", {"a": Value(2.0)}, "tanh", ["a"]))
    a = Value(2.0)
    v1 = tanh(a)
    """
    body = text.rstrip()
    lines = [body] if body else []
    if operation == LEAF:
        name = next(letter for letter in _letters() if letter not in names and letter not in prelude())
        return "\n".join([*lines, f"{name} = Value(1.0, label={name!r})"])
    op = TABLE.get(operation)
    if op is None or not op.public:
        raise ValueError(f"there is no operation {operation!r:.40}")
    missing = [name for name in operands if not isinstance(names.get(name), Value)]
    if missing:
        raise ValueError(f"{', '.join(missing)} is no variable of this program that is a Value")
    if len(operands) not in _takes(op):
        raise ValueError(f"{op.name} takes {' or '.join(map(str, _takes(op)[:4]))} operands, not {len(operands)}")
    parts: list[ast.expr] = [ast.Name(name) for name in operands]
    if op.operands[-1] == "index":
        parts.append(ast.Constant(0))
    parts += [ast.Constant(number) for number in op.defaults[len(parts) - op.arity :] if len(parts) < op.arity]
    name = next(f"v{k}" for k in itertools.count(1) if f"v{k}" not in names)
    line = f"{name} = {ast.unparse(written(op, parts))}"
    if op.name == "sum" and "import sum" not in text:  # Python's own adds one after the other
        lines.insert(0, "from tinygrad_lite import sum")
    return "\n".join([*lines, line])


def _takes(op: Op) -> list[int]:
    """How many nodes an operation can be applied to; of what takes any number, up to a dozen."""
    if op.arity != NARY:
        return list(range(op.arity - len(op.defaults), op.arity + 1))
    return list(range(3, 12, 2)) if op.operands[-1] == "bias" else list(range(1, 12))


def _letters() -> itertools.chain[str]:
    return itertools.chain(
        string.ascii_lowercase, (f"{letter}{k}" for k in itertools.count(1) for letter in string.ascii_lowercase)
    )
