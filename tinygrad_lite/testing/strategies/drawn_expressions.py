"""A scalar function as data: what the strategy ``expressions`` draws. Its ``repr`` is Python that can be run."""

from __future__ import annotations

import ast
import inspect
import itertools
from typing import Any, Final, NamedTuple, final

from tinygrad_lite.dispatch import apply
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.syntax import written


class Node(NamedTuple):
    """One operation of a :class:`Formula`.

    Attributes:
        op: The record of the operation.
        operands: An int for the result of an input or of a node before it, counted together from 0; a float for a
            constant.
    """

    op: Op
    operands: tuple[int | float, ...]


@final
class Formula:
    """A scalar function, as :func:`expressions` draws it: call it on numbers, or on Values to record its graph.

    Its ``repr`` is Python, to be run after ``from tinygrad_lite import *``; a node that is used twice has a name there.

    Attributes:
        inputs: The names of its arguments.
        nodes: Its operations, each after its operands.
        output: What it returns: the number of an input or of a node, as in :class:`Node`.
        point: Arguments at which each of its nodes is finite.

    >>> from tinygrad_lite import Value
    >>> from tinygrad_lite.operations.ops import TABLE
    >>> x = 0
    >>> product = Node(TABLE["mul"], (x, 2.0))
    >>> f = Formula(("x",), (product, Node(TABLE["tanh"], (1,))), 2, (0.5,))
    >>> f
    lambda x: tanh(x * 2.0)
    >>> f(*f.point) == f(Value(0.5)).data
    True
    >>> Formula(("x",), (product, Node(TABLE["hypot"], (1, 1))), 2, (0.5,))
    def f(x):
        a = x * 2.0
        return hypot(a, a)
    """

    def __init__(self, inputs: tuple[str, ...], nodes: tuple[Node, ...], output: int, point: tuple[float, ...]) -> None:
        self.inputs: Final = inputs
        self.nodes: Final = nodes
        self.output: Final = output
        self.point: Final = point

    def __call__(self, *arguments: Any) -> Any:
        """Return the function's value.

        Args:
            arguments: As many numbers or Values as it has inputs.

        Returns:
            A Value if one of them is, else a float.

        Raises:
            TypeError: They are more or fewer.
            ArithmeticError, ValueError: As an operation raises.
        """
        if len(arguments) != len(self.inputs):
            raise TypeError(f"{self!r} takes {len(self.inputs)} arguments, not {len(arguments)}")
        results = list(arguments)
        for op, parts in self.nodes:
            results.append(apply(op, [results[part] if isinstance(part, int) else part for part in parts]))
        return results[self.output]

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.inputs])

    def __repr__(self) -> str:
        lines, result = _code(self)
        inputs = ", ".join(self.inputs)
        if not lines:
            return f"lambda {inputs}: {result}"
        return "\n    ".join([f"def f({inputs}):", *lines, f"return {result}"])


#: So many operations within one another at most, then one gets a name: Python's parser takes 200 parentheses.
_DEEPEST: Final = 20


def _code(f: Formula) -> tuple[list[str], str]:
    """Return the assignments of nodes that are used twice, and the expression of the result."""
    uses = [part for node in f.nodes for part in node.operands if isinstance(part, int)]
    free = itertools.chain("abcdeghijklmnopqrst", (f"a{k}" for k in itertools.count(1)))
    names = (name for name in free if name not in f.inputs)
    trees: list[ast.expr] = [ast.Name(name) for name in f.inputs]
    depths = [0] * len(trees)
    lines = []
    for op, parts in f.nodes:
        tree = written(op, [trees[part] if isinstance(part, int) else ast.Constant(part) for part in parts])
        depth = 1 + max(depths[part] for part in parts if isinstance(part, int))
        if uses.count(len(trees)) > 1 or depth > _DEEPEST:
            name = next(names)
            lines.append(f"{name} = {ast.unparse(tree)}")
            tree, depth = ast.Name(name), 0
        trees.append(tree)
        depths.append(depth)
    return lines, ast.unparse(trees[f.output])
