"""A graph as a program, one operation a line: every node has a name, so that more can be written below."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Sequence

from tinygrad_lite.operations.ops import find
from tinygrad_lite.syntax import written
from tinygrad_lite.value import Value
from tinygrad_lite.viz.explorer.explorer_names import short_names
from tinygrad_lite.viz.playground.program import prelude

#: Functions that ``from tinygrad_lite import *`` leaves to Python, whose own does something else.
_NOT_AT_HAND = frozenset({"sum"})
_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def identifiers(order: Sequence[Value]) -> list[str]:
    """Return a variable's name for each node; ``""`` for a number, which stands for itself.

    Args:
        order: The nodes in the order of evaluation, the output last.

    >>> a = Value(2.0, label="a")
    >>> square = a * a
    >>> identifiers([a, square, (square + 1.0).exp()])
    ['a', 'v1', 'L']
    """
    found: list[str] = []
    for name, node in zip(short_names(order, {}, {}), order, strict=True):
        plain = name.translate(_DIGITS)
        if node.is_constant and node.is_leaf:
            plain = ""
        elif not plain.isidentifier() or keyword.iskeyword(plain) or plain in prelude():
            plain = f"x{len(found) + 1}"
        while plain and plain in found:
            plain += "_"
        found.append(plain)
    return found


def program_of(order: Sequence[Value], *, whole: bool = False) -> str:
    """Return a program that makes the graph.

    Args:
        order: Its nodes in the order of evaluation, the output last.
        whole: Whether it is to be run elsewhere: it then begins with an import, and ends with the gradients.

    >>> a = Value(2.0, label="a")
    >>> print(program_of([a, a * a]), end="")
    a = Value(2.0, label='a')
    L = a * a
    """
    names = dict(zip(map(id, order), identifiers(order), strict=True))
    lines: list[str] = []
    called: set[str] = set()
    for node in order:
        name = names[id(node)]
        if not name:
            continue
        if node.is_leaf:
            lines.append(f"{name} = Value({node.data!r}, label={name!r})")
            continue
        line = written(find(node.op), [_operand(operand, names) for operand in node.parents])
        called |= {part.id for part in ast.walk(line) if isinstance(part, ast.Name)} - set(names.values())
        lines.append(f"{name} = {ast.unparse(line)}")
    needed = {"Value", *called} if whole else called & _NOT_AT_HAND
    if needed:
        lines.insert(0, f"from tinygrad_lite import {', '.join(sorted(needed))}\n")
    if whole:
        leaves = [names[id(node)] for node in order if node.is_leaf and names[id(node)]]
        root = names[id(order[-1])]
        lines += ["", f"{root}.backward()", f"print({root}.data)"]
        lines += [f"print({name!r}, {name}.data, {name}.grad)" for name in leaves]
    return "\n".join(lines) + "\n"


def _operand(node: Value, names: dict[int, str]) -> ast.expr:
    name = names[id(node)]
    return ast.Name(name) if name else ast.Constant(node.data)
