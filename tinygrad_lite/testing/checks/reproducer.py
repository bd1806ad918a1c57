"""Recorded graphs and arguments as code that a reader can run."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lite.pytree import GetAttrKey
from tinygrad_lite.pytree.flat_arguments import Rebuild
from tinygrad_lite.pytree.registry import parts_of
from tinygrad_lite.syntax import written
from tinygrad_lite.testing.oracles.recorded_steps import Program

#: Longer programs are not written out.
LONGEST = 40


def argument_text(arg: Any, numbers: Sequence[float], rebuild: Rebuild | None) -> str:
    """Return an argument with these numbers in it, as code."""
    if rebuild is None:  # a Module, a string: it stands for itself
        return repr(arg) if arg is None or isinstance(arg, str) else getattr(arg, "__name__", type(arg).__name__)
    return code_of(rebuild(iter(numbers)), _text)


def code_of(tree: Any, leaf: Callable[[Any], str]) -> str:
    """Return a structure as code that makes it.

    Args:
        tree: The structure.
        leaf: The code of a leaf.

    >>> code_of({"w": [1.0], "b": (2.0,)}, str)
    "{'w': [1.0], 'b': (2.0,)}"
    """
    parts = parts_of(tree)
    if parts is None:
        return leaf(tree)
    items = [code_of(item, leaf) for item in parts.items]
    if isinstance(tree, dict):
        return "{" + ", ".join([f"{key!r}: {item}" for key, item in zip(tree, items, strict=True)]) + "}"
    if isinstance(tree, list):
        return f"[{', '.join(items)}]"
    if isinstance(tree, tuple) and not hasattr(tree, "_fields"):
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    keys = parts.keys
    named = [f"{key.name}={x}" if isinstance(key, GetAttrKey) else x for key, x in zip(keys, items, strict=True)]
    return f"{type(tree).__name__}({', '.join(named)})"


def _text(leaf: Any) -> str:
    return f"numpy.array({code_of(leaf.tolist(), _text)})" if hasattr(leaf, "tolist") else number_text(leaf)


def number_text(number: float) -> str:
    """Return a float as an expression: inf and nan too."""
    text = repr(float(number))
    return f"float({text!r})" if text in ("inf", "-inf", "nan") else text


def program_text(program: Program, names: Sequence[str], point: Sequence[float]) -> str:
    """Return the program as lines of Python in the names of :mod:`tinygrad_lite`; ``""`` for a long one.

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
