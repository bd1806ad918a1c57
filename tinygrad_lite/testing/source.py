"""Recorded graphs and arguments as code that a reader can run."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from tinygrad_lite.operation import NARY, Op
from tinygrad_lite.testing.program import Program
from tinygrad_lite.trees import Rebuild

#: Longer programs are not written out.
LONGEST = 40


def argument_text(arg: Any, numbers: Sequence[float], rebuild: Rebuild | None) -> str:
    """An argument with these numbers in it, as code."""
    if rebuild is None:  # a Module, a string: it stands for itself
        return repr(arg) if arg is None or isinstance(arg, str) else getattr(arg, "__name__", type(arg).__name__)
    return _text(rebuild(iter(numbers)))


def _text(tree: Any) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key!r}: {_text(item)}" for key, item in tree.items()) + "}"
    if isinstance(tree, tuple):
        if hasattr(tree, "_fields"):
            return repr(tree)
        return "(" + ", ".join(_text(item) for item in tree) + ("," if len(tree) == 1 else "") + ")"
    if isinstance(tree, list):
        return "[" + ", ".join(_text(item) for item in tree) + "]"
    if hasattr(tree, "tolist"):
        return f"numpy.array({_text(tree.tolist())})"
    return number_text(tree)


def number_text(number: float) -> str:
    """A float as an expression: inf and nan too."""
    text = repr(float(number))
    return f"float({text!r})" if text in ("inf", "-inf", "nan") else text


def program_text(program: Program, names: Sequence[str], point: Sequence[float]) -> str:
    """The program as lines of Python in the names of :mod:`tinygrad_lite`; ``""`` for a long one.

    What is used once is written where it is used; what is shared has a name.
    """
    if len(program.steps) > LONGEST:
        return ""
    known: dict[int, str] = {}
    lines: list[str] = []
    for i, (where, number) in enumerate(zip(program.inputs, point, strict=True)):
        if where is not None:
            name = names[i] if names[i].isidentifier() else f"x{i}"
            lines.append(f"{name} = Value({number_text(number)})")
            known[where] = name
    for where in range(program.first):
        known.setdefault(where, number_text(program.data[where]))
    uses: dict[int, int] = dict.fromkeys(program.outputs, 1)
    for _, operands in program.steps:
        for where in operands:
            uses[where] = uses.get(where, 0) + 1
    shared = 0
    for step, (op, operands) in enumerate(program.steps):
        where = program.first + step
        text = _call(op, [known[i] for i in operands])
        if uses.get(where, 0) > 1:
            shared += 1
            lines.append(f"t{shared} = {_bare(text)}")
            text = f"t{shared}"
        known[where] = text
    outputs = [_bare(known[i]) for i in program.outputs]
    lines.append(f"y = {outputs[0]}" if len(outputs) == 1 else f"y = [{', '.join(outputs)}]")
    return "\n".join(lines)


def _call(op: Op, operands: list[str]) -> str:
    """An operation on operands that are written out."""
    if op.arity == NARY:
        last = len(operands) - 1
        if op.name == "dot":
            bare = [_bare(text) for text in operands]
            return f"dot([{', '.join(bare[: last // 2])}], [{', '.join(bare[last // 2 : last])}], {bare[last]})"
        if len(op.operands) == 1:
            return f"{op.name}([{', '.join(map(_bare, operands))}])"
        items = f"[{', '.join(map(_bare, operands[:last]))}]"
        index = operands[last]
        whole = str(int(float(index))) if _is_number(index) else index
        return f"softmax({items})[{whole}]" if op.name == "softmax" else f"{op.name}({items}, {whole})"
    if hasattr(operator, op.name) and op.public and not op.symbol[0].isalpha() and op.symbol in "+-*/**//%":
        left, right = (f"({text})" if text.startswith("-") else text for text in operands)
        return f"({left} {op.symbol} {right})"
    if op.name == "neg":
        return f"(-{operands[0]})"
    if op.name == "pos":
        return f"(+{operands[0]})"
    return f"{op.name}({', '.join(map(_bare, operands))})"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _bare(text: str) -> str:
    """Without the parentheses around all of it."""
    if not text.startswith("(") or not text.endswith(")"):
        return text
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and i < len(text) - 1:
            return text
    return text[1:-1]
