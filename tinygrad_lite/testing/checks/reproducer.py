"""Recorded graphs and arguments as code that a reader can run."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tinygrad_lite.pytree import Rebuild
from tinygrad_lite.syntax import written
from tinygrad_lite.testing.oracles.recorded_steps import Program

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
    known: dict[int, ast.expr] = {}
    lines: list[str] = []
    for i, (where, number) in enumerate(zip(program.inputs, point, strict=True)):
        if where is not None:
            name = names[i] if names[i].isidentifier() else f"x{i}"
            lines.append(f"{name} = Value({number_text(number)})")
            known[where] = ast.Name(name)
    for where in range(program.first):
        known.setdefault(where, ast.parse(number_text(program.data[where]), mode="eval").body)
    uses = Counter(where for _, operands in program.steps for where in operands) + Counter(program.outputs)
    free = (f"t{k}" for k in itertools.count(1) if f"t{k}" not in names)
    for where, (op, operands) in enumerate(program.steps, program.first):
        known[where] = written(op, [known[i] for i in operands])
        if uses[where] > 1:
            name = next(free)
            lines.append(f"{name} = {ast.unparse(known[where])}")
            known[where] = ast.Name(name)
    outputs = [ast.unparse(known[i]) for i in program.outputs]
    lines.append(f"y = {outputs[0]}" if len(outputs) == 1 else f"y = [{', '.join(outputs)}]")
    return "\n".join(lines)
