"""Why a program is not its function: the function is recorded again, on the probe, and the recordings are compared.

A recording is the scalar graph of one call, with the line of the user that made each node. What two recordings say:

- Other operations, or other constants, for other numbers: the graph depends on the numbers, and the line is named.
- Other ones for the same numbers: the function keeps something between its calls.
- The same graph, whose numbers are not those that the function gives for plain numbers: it asks what it is given.
- The same graph, and a difference that the rounding of the function itself explains: nobody is wrong.
- The same graph, and the function's own numbers: it is the fault of ``lift``, and the smallest function is sought that
  shows it.

Costs: a few runs of the function, and for the search a few seconds; nothing, where a program is its function.
"""

from __future__ import annotations

import ast
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tinygrad_lite.dispatch import apply
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.checking import equivalence_check, error_analysis
from tinygrad_lite.lift.tracing.trace import Floats, Graph
from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE, LEAF_CODE, TABLE

#: In graphs of at most so many nodes the smallest function is sought.
_LARGEST: Final = 20_000
#: How long the smallest function is sought, in seconds, and how many operations one has at most that is shown.
_SECONDS: Final = 5.0
_LONGEST: Final = 30
#: Constants from here on round what is added to them, on purpose or not.
_ROUNDS: Final = 1e6


def depends_on_numbers(what: str) -> str:
    """The reason where a function, called with other numbers, does something else."""
    return (
        "The function's graph depends on the numbers of its arguments, and a program has one graph. Called with other "
        f"numbers, {what}. Use where, maximum or lookup instead of a branch, or of a number that is read out of the "
        "graph; or mark the argument that it depends on as static."
    )


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
            self.prove(part.function(), part.arguments())
        except Exception:  # whatever it is, the function is not to blame: its operations are defined here
            return True
        return False

    @property
    def options(self) -> str:
        """The engine as an option of lift."""
        return "" if self.engine == "numpy" else f", engine={self.engine!r}"


@dataclass(frozen=True)
class Recording:
    """One call of the function.

    Attributes:
        graph: Its graph; leaves that are not arguments are constants.
        lines: Where each node was recorded: file, line and text; "" where that is not known.
        shapes: Of the arrays of its results.
    """

    graph: Graph
    lines: list[str]
    shapes: list[tuple[int, ...]]

    def arrays(self, numbers: Floats) -> list[Floats]:
        """Numbers of the results, as the arrays that the function gives."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(numbers, ends[:-1]), self.shapes, strict=True)]


@dataclass(frozen=True)
class Probe:
    """Numbers on which a program and its function differ.

    Attributes:
        arrays: The arguments.
        lifted: What the program gives.
        eager: What the function gives.
    """

    arrays: list[Floats]
    lifted: list[Floats]
    eager: list[Floats]


@dataclass(frozen=True)
class Case:
    """What is known where a program differs from its function on a probe.

    Attributes:
        name: Of the function.
        graph: That of which the program was made.
        again: The function recorded again on the numbers that gave that graph.
        samples: The function recorded on each sample of the probe.
        probe: The numbers.
        together: What the function's arrays of all samples are together: their mean, say.
        remedy: Another engine, whose program gives the function's numbers; "" if there is none.
        judge: What tells whether lift goes wrong.
    """

    name: str
    graph: Graph
    again: Recording
    samples: Sequence[Recording]
    probe: Probe
    together: Callable[[list[list[Floats]]], list[Floats]]
    remedy: str
    judge: Judge

    def reason(self) -> str:
        """Why, and what to do; "" if it is the rounding of the function itself, and neither is wrong."""
        changed = first_difference(Recording(self.graph, [], []), replace(self.again, lines=[]))
        if changed:
            return (
                "The function records another graph when it is called again with the same arguments: "
                f"{changed}. It keeps something between its calls, or changes what it closes over, which a program "
                "would not: give it as an argument."
            )
        for sample in self.samples:
            changed = first_difference(self.again, sample)
            if changed:
                return depends_on_numbers(f"it records another graph: {changed}")
        recorded = self.together([sample.arrays(sample.graph.numbers[sample.graph.roots]) for sample in self.samples])
        if not all(map(_nearer, recorded, self.probe.eager, self.probe.lifted)):
            return (
                "The function itself gives other numbers for Values than for plain numbers: a program follows what it "
                "does with Values. Let it do the same with both; it may ask which of them it is given, or call "
                "something that does."
            )
        if self._is_rounding():
            return self._rounds_on_purpose()
        return self._own_fault()

    def _is_rounding(self) -> bool:
        """Whether rounding in the function, evaluated node by node, explains the difference."""
        bounds = self.together([sample.arrays(error_analysis.graph_bounds(sample.graph)) for sample in self.samples])
        for ours, truth, bound in zip(self.probe.lifted, self.probe.eager, bounds, strict=True):
            difference = np.abs(np.asarray(ours, dtype=float) - truth)
            if not (
                difference
                <= equivalence_check.TOLERANCE * np.abs(truth).max(initial=0.0) + equivalence_check.SAFETY * bound
            ).all():
                return False
        return True

    def _rounds_on_purpose(self) -> str:
        constants = np.abs(self.graph.numbers[self.graph.codes == CONSTANT_CODE])
        greatest = float(constants[np.isfinite(constants)].max(initial=0.0))
        if greatest < _ROUNDS:
            return ""
        return (
            "Neither is wrong, and the function's is the less exact one: it adds a number that is much larger than "
            f"the result, such as {greatest!r}, and takes it away again, which rounds. A program adds up sums in "
            "another order, and keeps the digits. If they are to be rounded, say so with floor; if not, leave out "
            "what cancels."
        )

    def _own_fault(self) -> str:
        return (
            "This is a mistake of lift, not of the function: recorded again on the probe, the function gave the same "
            f"graph and the right numbers. {advice(self.name, self.samples[0].graph, self.judge, self.remedy)}"
        )


def advice(name: str, graph: Graph, judge: Judge, remedy: str = "") -> str:
    """What to do about a mistake of lift: how to go on, and what to report."""
    other = f", or lift it with engine={remedy!r}, whose program is right" if remedy else ""
    text = smallest(graph, judge)
    shown = ["with this:", *text.rstrip().split("\n")] if text else [f"with {name} and its arguments."]
    on = f"Until it is mended, call the function itself{other}. Please report it, "
    return on + "\n    ".join(shown)


@contextmanager
def own_faults(name: str, graph: Graph, judge: Judge | None) -> Iterator[None]:
    """Says of an error in the block that lift has made it, and not the function; and more, with a judge.

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
        rest = advice(name, graph, judge) if judge is not None else ""
        raise LiftError(f"{what}of the function. {rest}") from error


def _nearer(found: Floats, one: Floats, other: Floats) -> bool:
    """Whether numbers are those of one array rather than those of another."""
    with np.errstate(all="ignore"):
        away, apart = (np.abs(np.asarray(x, dtype=float) - one) for x in (found, other))
    return bool((np.nan_to_num(away, nan=math.inf) <= 0.5 * np.nan_to_num(apart, nan=math.inf)).all())


def first_difference(first: Recording, second: Recording) -> str:
    """In what two recordings differ: "this first, that then", of what was computed first; "" if they do not.

    Numbers of constants count, those of the arguments do not.
    """
    one, other = first.graph, second.graph
    if _same(one, other):
        return ""
    ours, theirs = _operations(first), _operations(second)
    for (op, number, line), (op_then, number_then, line_then) in zip(ours, theirs, strict=False):
        if op != op_then or line != line_then:
            return f"{_at(op, line)} first, {_at(op_then, line_then)} then"
        if number != number_then:
            return f"{_at(op, line)} with the constant {number[0]!r} first, with {number_then[0]!r} then"
    if len(ours) != len(theirs):
        op, _, line = (ours if len(ours) > len(theirs) else theirs)[min(len(ours), len(theirs))]
        return f"{len(ours)} operations first, {len(theirs)} then, of which only one has {_at(op, line)}"
    return "the same operations on other operands, or other results"


def _at(op: str, line: str) -> str:
    return f"{op} ({line})" if line else op


def _operations(recording: Recording) -> list[tuple[str, tuple[float, ...], str]]:
    """The operations in their order: name, constant operands, line."""
    graph, found = recording.graph, []
    for node in range(len(graph.leaves), len(graph)):
        op = BY_CODE[graph.codes[node]]
        assert op is not None
        row = graph.operands[graph.starts[node] : graph.starts[node + 1]]
        constants = graph.numbers[row[graph.codes[row] == CONSTANT_CODE]].tolist()
        found.append((op.name, tuple(constants), recording.lines[node] if recording.lines else ""))
    return found


def _same(one: Graph, other: Graph) -> bool:
    pairs = ((one.codes, other.codes), (one.operands, other.operands), (one.roots, other.roots))
    if not all(np.array_equal(a, b) for a, b in (*pairs, (one.starts, other.starts))):
        return False
    fixed = one.codes == CONSTANT_CODE
    return np.array_equal(one.numbers[fixed], other.numbers[fixed], equal_nan=True)


# ------------------------------------------------------------------------------------ the smallest that shows it


def smallest(graph: Graph, judge: Judge) -> str:
    """A function, as short as it can be found, of which ``lift`` makes a wrong program, as Python; "" if none is found.

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
    while below := next((part for part in found.operands() if shows(part)), None):
        found = below
    for node in found.inner[:-1]:  # what needs not be computed is an argument
        if node in found.inner and shows(shorter := found.without(node)):
            found = shorter
    return found.text(judge.options) if len(found.inner) <= _LONGEST else ""


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
            for operand in () if self._is_given(node) else self._row(node):
                if operand not in reached:
                    reached.add(operand)
                    stack.append(operand)
        self.inner = [n for n in sorted(reached) if n >= len(graph.leaves) and n not in cut]
        self.given = [n for n in sorted(reached) if n in cut or graph.codes[n] == LEAF_CODE]

    def _is_given(self, node: int) -> bool:
        return node in self.cut

    def _row(self, node: int) -> list[int]:
        row: list[int] = self.graph.operands[self.graph.starts[node] : self.graph.starts[node + 1]].tolist()
        return row

    def operands(self) -> list[_Part]:
        """The parts that end in an operand of this one's end."""
        return [_Part(self.graph, operand) for operand in self._row(self.root) if operand >= len(self.graph.leaves)]

    def without(self, node: int) -> _Part:
        """The same, where a node is given."""
        return _Part(self.graph, self.root, self.cut | {node})

    def arguments(self) -> list[float]:
        """The numbers of the arguments."""
        found: list[float] = self.graph.numbers[self.given].tolist()
        return found

    def function(self) -> Callable[..., Any]:
        """The part as a function of its arguments."""

        def replayed(*arguments: Any) -> Any:
            known: dict[int, Any] = dict(zip(self.given, arguments, strict=True))
            for node in self.inner:
                op = BY_CODE[self.graph.codes[node]]
                assert op is not None
                operands = [known.get(k, float(self.graph.numbers[k])) for k in self._row(node)]
                known[node] = apply(op, operands)
            return known[self.root]

        return replayed

    def text(self, options: str) -> str:
        """The part as Python, to be run as it stands: what lift, with these options, and the function give."""
        names = {node: f"x{k}" for k, node in enumerate(self.given)}
        lines: list[str] = []
        for node in self.inner:
            parts: list[ast.expr] = [
                ast.Name(names[k]) if k in names else ast.Constant(float(self.graph.numbers[k]))
                for k in self._row(node)
            ]
            names[node] = f"t{len(lines)}"
            lines.append(f"    {names[node]} = {_written(int(self.graph.codes[node]), parts)}\n")
        arguments = ", ".join([names[node] for node in self.given])
        numbers = ", ".join(map(repr, self.arguments()))
        body = f"def f({arguments}):\n{''.join(lines)}    return {names[self.root]}\n"
        more = ["from tinygrad_lite.dispatch import apply", "from tinygrad_lite.operations.ops import find"]
        head = ["import tinygrad_lite as tg", *(more if "find(" in body else []), "from tinygrad_lite.lift import lift"]
        return "\n".join([*head, "", body, f"print(lift(f{options})({numbers}), f({numbers}))", ""])


def _written(code: int, parts: list[ast.expr]) -> str:
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
