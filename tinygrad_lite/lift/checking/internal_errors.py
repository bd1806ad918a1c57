"""Mistakes of ``lift`` itself: the smallest function that shows one is sought, as what to report.

The graph on which a program goes wrong is cut down: to a part that ends in one node, to the operands of that, and nodes
that need not be computed become arguments. Costs: a few seconds, and only where ``lift`` is at fault.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tinygrad_lite.dispatch import apply
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE, LEAF_CODE, TABLE

#: In graphs of at most so many nodes the smallest function is sought.
_LARGEST: Final = 20_000
#: How long the smallest function is sought, in seconds, and how many operations one has at most that is shown.
_SECONDS: Final = 5.0
_LONGEST: Final = 30


class MistakeError(LiftError):
    """A mistake of ``lift`` itself, and none of the function."""


@dataclass(frozen=True)
class Judge:
    """What tells whether ``lift`` goes wrong.

    Attributes:
        engine: On this engine.
        prove: Makes the program of a function for some numbers, and raises if it is not the function.
    """

    engine: str
    prove: Callable[[Callable[..., Any], Sequence[float]], object]

    def is_wrong(self, part: _Part) -> bool:
        """Whether lift makes a wrong program of a part of a graph, or none."""
        try:
            self.prove(part.make_function(), part.get_arguments())
        except Exception:  # whatever it is, the function is not to blame: its operations are defined here
            return True
        return False

    @property
    def options(self) -> str:
        """The engine as an option of lift."""
        return "" if self.engine == "numpy" else f", engine={self.engine!r}"


def advise(name: str, graph: Graph, judge: Judge, remedy: str = "") -> str:
    """Say what to do about a mistake of lift: how to go on, and what to report."""
    other = f", or lift it with engine={remedy!r}, whose program is right" if remedy else ""
    text = minimize(graph, judge)
    shown = ["with this:", *text.rstrip().split("\n")] if text else [f"with {name} and its arguments."]
    on = f"Until it is mended, call the function itself{other}. Please report it, "
    return on + "\n    ".join(shown)


@contextmanager
def report_internal_errors(name: str, graph: Graph, judge: Judge | None) -> Iterator[None]:
    """Say of an error in the block that lift has made it, and not the function; and more, with a judge.

    What the machine lacks (libraries, memory, devices) is no mistake, nor what an operation of the user's own raises.
    """
    try:
        yield
    except (LiftError, ImportError, MemoryError, OSError, RuntimeError):
        raise
    except Exception as error:
        if (graph.codes >= len(TABLE) + CONSTANT_CODE + 1).any():
            raise
        what = f"lift cannot make a program of {name}: {type(error).__name__}: {error}. This is a mistake of lift, not "
        rest = advise(name, graph, judge) if judge is not None else ""
        raise MistakeError(f"{what}of the function. {rest}") from error


def minimize(graph: Graph, judge: Judge) -> str:
    """Find a function, as short as may be, of which ``lift`` makes a wrong program, as Python; "" if none is found.

    Args:
        graph: Recorded on numbers on which the program is wrong.
        judge: What tells whether lift goes wrong.
    """
    ends = time.monotonic() + _SECONDS
    if len(graph) > _LARGEST:
        return ""

    def shows(part: _Part) -> bool:
        return time.monotonic() < ends and len(part.inner) > 0 and judge.is_wrong(part)

    found = next((part for root in graph.roots.tolist() if shows(part := _Part(graph, root))), None)
    if found is None:
        return ""
    while below := next((part for part in found.cut_at_operands() if shows(part)), None):
        found = below
    for node in found.inner[:-1]:  # what needs not be computed is an argument
        if node in found.inner and shows(shorter := found.cut_at(node)):
            found = shorter
    return found.write(judge.options) if len(found.inner) <= _LONGEST else ""


class _Part:
    """A node of a graph with all below it, down to leaves and nodes that stand for arguments.

    Attributes:
        inner: The operations, each after its operands.
        given: The arguments: leaves, and nodes that are given instead of computed.
    """

    def __init__(self, graph: Graph, root: int, cut: frozenset[int] = frozenset()) -> None:
        self.graph, self.root, self.cut = graph, root, cut
        reached, stack = {root}, [root]
        while stack:
            node = stack.pop()
            for operand in () if self._is_given(node) else self._operands_of(node):
                if operand not in reached:
                    reached.add(operand)
                    stack.append(operand)
        self.inner = [n for n in sorted(reached) if n >= len(graph.leaves) and n not in cut]
        self.given = [n for n in sorted(reached) if n in cut or graph.codes[n] == LEAF_CODE]

    def _is_given(self, node: int) -> bool:
        return node in self.cut

    def _operands_of(self, node: int) -> list[int]:
        row: list[int] = self.graph.operands[self.graph.starts[node] : self.graph.starts[node + 1]].tolist()
        return row

    def cut_at_operands(self) -> list[_Part]:
        """List the parts that end in an operand of this one's end."""
        return [
            _Part(self.graph, operand) for operand in self._operands_of(self.root) if operand >= len(self.graph.leaves)
        ]

    def cut_at(self, node: int) -> _Part:
        """Make a node an argument."""
        return _Part(self.graph, self.root, self.cut | {node})

    def get_arguments(self) -> list[float]:
        """Get the numbers of the arguments."""
        found: list[float] = self.graph.numbers[self.given].tolist()
        return found

    def make_function(self) -> Callable[..., Any]:
        """Make a function of the part's arguments."""

        def replay(*arguments: Any) -> Any:
            known: dict[int, Any] = dict(zip(self.given, arguments, strict=True))
            for node in self.inner:
                op = BY_CODE[self.graph.codes[node]]
                assert op is not None
                operands = [known.get(k, float(self.graph.numbers[k])) for k in self._operands_of(node)]
                known[node] = apply(op, operands)
            return known[self.root]

        return replay

    def write(self, options: str) -> str:
        """Write the part as Python, to be run as it stands: what lift, with these options, and the function give."""
        names = {node: f"x{k}" for k, node in enumerate(self.given)}
        lines: list[str] = []
        for node in self.inner:
            parts: list[ast.expr] = [
                ast.Name(names[k]) if k in names else ast.Constant(float(self.graph.numbers[k]))
                for k in self._operands_of(node)
            ]
            names[node] = f"t{len(lines)}"
            lines.append(f"    {names[node]} = {_write_call(int(self.graph.codes[node]), parts)}\n")
        arguments = ", ".join([names[node] for node in self.given])
        numbers = ", ".join(map(repr, self.get_arguments()))
        body = f"def f({arguments}):\n{''.join(lines)}    return {names[self.root]}\n"
        more = ["from tinygrad_lite.dispatch import apply", "from tinygrad_lite.operations.ops import find"]
        head = ["import tinygrad_lite as tg", *(more if "find(" in body else []), "from tinygrad_lite.lift import lift"]
        return "\n".join([*head, "", body, f"print(lift(f{options})({numbers}), f({numbers}))", ""])


def _write_call(code: int, parts: list[ast.expr]) -> str:
    from tinygrad_lite.syntax import written

    op = BY_CODE[code]
    assert op is not None
    if op.public:
        tree = written(op, parts)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                node.func = ast.Attribute(ast.Name("tg"), node.func.id)
        return ast.unparse(ast.fix_missing_locations(tree))
    return f"apply(find({op.name!r}), [{', '.join(map(ast.unparse, parts))}])"
