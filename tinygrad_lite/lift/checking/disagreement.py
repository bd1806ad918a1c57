"""Why a program is not its function: the function is recorded again, on the probe, and the recordings are compared.

A recording is the scalar graph of one call, with the line of the user that made each node. What two recordings say:

- Other operations, or other constants, for other numbers: the graph depends on the numbers, and the line is named.
- Other ones for the same numbers: the function keeps something between its calls.
- The same graph, whose numbers are not those that the function gives for plain numbers: it asks what it is given.
- The same graph, and a difference that the rounding of the function itself explains, or a kink: nobody is wrong.
- The same graph, and the function's own numbers: it is the fault of ``lift``, and the smallest function is sought that
  shows it.

Costs: a few runs of the function, and for the search a few seconds; nothing, where a program is its function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tinygrad_lite.lift.checking.error_analysis import analyze_graph, bound_graph_errors, find_largest
from tinygrad_lite.lift.checking.internal_errors import Judge, advise
from tinygrad_lite.lift.checking.kinks import is_undecided, measure_jumps
from tinygrad_lite.lift.checking.probes import Probe
from tinygrad_lite.lift.checking.reference import Recording, Reference
from tinygrad_lite.lift.checking.tolerance import is_within_rounding
from tinygrad_lite.lift.tracing.trace import Floats, Graph
from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE

#: Constants from here on round what is added to them, on purpose or not.
_ROUNDS: Final = 1e6


def explain_dependence(what: str) -> str:
    """Say what to do where a function, called with other numbers, does something else."""
    return (
        "The function's graph depends on the numbers of its arguments, and a program has one graph. Called with other "
        f"numbers, {what}. Use where, maximum or lookup instead of a branch, or of a number that is read out of the "
        "graph; or mark the argument that it depends on as static."
    )


@dataclass(frozen=True)
class Case:
    """What is known where a program differs from its function on a probe.

    Attributes:
        reference: The function.
        graph: That of which the program was made.
        again: The function recorded again on the numbers that gave that graph.
        samples: The function recorded on each sample of the probe.
        probe: The numbers.
        remedy: Another engine, whose program gives the function's numbers; "" if there is none.
        judge: What tells whether lift goes wrong.
    """

    reference: Reference
    graph: Graph
    again: Recording
    samples: Sequence[Recording]
    probe: Probe
    remedy: str
    judge: Judge

    def explain(self) -> str:
        """Say why, and what to do; "" if it is the rounding of the function itself, and neither is wrong."""
        changed = find_first_difference(Recording(self.graph, [], []), replace(self.again, lines=[]))
        if changed:
            return (
                "The function records another graph when it is called again with the same arguments: "
                f"{changed}. It keeps something between its calls, or changes what it closes over, which a program "
                "would not: give it as an argument."
            )
        for sample in self.samples:
            changed = find_first_difference(self.again, sample)
            if changed:
                return explain_dependence(f"it records another graph: {changed}")
        reduce = self.reference.reduce_samples
        recorded = reduce([sample.split_results(sample.graph.numbers[sample.graph.roots]) for sample in self.samples])
        if self._meets_limit(recorded):
            return (
                "The function takes a derivative where the chain rule meets an infinite slope, and is 0·inf or "
                "inf - inf; called by itself it looks for the limit around that point. A program computes the chain "
                "rule alone, which is nan there. Write the function so that no slope is infinite (x**1.5 for "
                "sqrt(x) * x), or make the program from other arguments: it refuses such points when it is called."
            )
        if not all(map(_is_nearer, recorded, self.probe.eager, self.probe.lifted)):
            return (
                "The function itself gives other numbers for Values than for plain numbers: a program follows what it "
                "does with Values. Let it do the same with both; it may ask which of them it is given, or call "
                "something that does."
            )
        if self._is_rounding(self.probe.lifted):
            return self._explain_rounding()
        if self._is_excused():
            return ""
        return self._blame_lift()

    def _meets_limit(self, recorded: Sequence[Floats]) -> bool:
        """Whether the program and the recorded chain rule are not finite where the function has found a limit."""
        lost = [
            (np.isfinite(eager) & ~np.isfinite(found) & ~np.isfinite(lifted)).any()
            for eager, found, lifted in zip(self.probe.eager, recorded, self.probe.lifted, strict=True)
        ]
        return any(lost) and any(has_infinite_slope(sample.graph) for sample in self.samples)

    def _is_rounding(self, lifted: Sequence[Floats]) -> bool:
        """Whether rounding in the function, evaluated node by node, explains the difference of these results."""
        bounds = self._bound_errors()
        largest = max(find_largest(sample.graph.numbers) for sample in self.samples)
        return is_within_rounding(lifted, self.probe.eager, bounds, largest=largest)

    def _is_excused(self) -> bool:
        """Whether it is a kink, on whose side rounding decides; or rounding takes the function's results anywhere."""
        kinks = [analyze_graph(sample.graph)[1] for sample in self.samples]
        jumps = self.reference.reduce_samples(
            [
                sample.split_results(measure_jumps(sample.graph, found))
                for sample, found in zip(self.samples, kinks, strict=True)
            ]
        )
        lifted, eager = self.probe.lifted, self.probe.eager
        if any(kinks) and self._is_rounding(
            [np.clip(e, a - j, a + j) for a, e, j in zip(lifted, eager, jumps, strict=True)]
        ):
            return True
        is_anywhere = is_within_rounding(lifted, eager, self._bound_errors())
        return is_anywhere and is_undecided(self.probe, self.reference.evaluate)

    def _bound_errors(self) -> list[Floats]:
        return self.reference.reduce_samples(
            [sample.split_results(bound_graph_errors(sample.graph)) for sample in self.samples]
        )

    def _explain_rounding(self) -> str:
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

    def _blame_lift(self) -> str:
        advice = advise(self.reference.name, self.samples[0].graph, self.judge, self.remedy)
        return (
            "This is a mistake of lift, not of the function: recorded again on the probe, the function gave the same "
            f"graph and the right numbers. {advice}"
        )


def has_infinite_slope(graph: Graph) -> bool:
    """Whether a node of a graph has, at its numbers, a derivative that may be infinite."""
    for node in range(len(graph.leaves), len(graph)):
        op = BY_CODE[graph.codes[node]]
        assert op is not None
        if op.may_be_singular:
            row = graph.operands[graph.starts[node] : graph.starts[node + 1]]
            if op.is_singular(graph.numbers[row].tolist()):
                return True
    return False


def _is_nearer(found: Floats, one: Floats, other: Floats) -> bool:
    """Whether numbers are those of one array rather than those of another."""
    with np.errstate(all="ignore"):
        away, apart = (np.abs(np.asarray(x, dtype=float) - one) for x in (found, other))
    return bool((np.nan_to_num(away, nan=math.inf) <= 0.5 * np.nan_to_num(apart, nan=math.inf)).all())


def find_first_difference(first: Recording, second: Recording) -> str:
    """Say in what two recordings differ: "this first, that then", of what was computed first; "" if they do not.

    Numbers of constants count, those of the arguments do not.
    """
    one, other = first.graph, second.graph
    if _are_same(one, other):
        return ""
    ours, theirs = _list_operations(first), _list_operations(second)
    for (op, number, line), (op_then, number_then, line_then) in zip(ours, theirs, strict=False):
        if op != op_then or line != line_then:
            return f"{_describe(op, line)} first, {_describe(op_then, line_then)} then"
        if number != number_then:
            return f"{_describe(op, line)} with the constant {number[0]!r} first, with {number_then[0]!r} then"
    if len(ours) != len(theirs):
        op, _, line = (ours if len(ours) > len(theirs) else theirs)[min(len(ours), len(theirs))]
        return f"{len(ours)} operations first, {len(theirs)} then, of which only one has {_describe(op, line)}"
    return "the same operations on other operands, or other results"


def _describe(op: str, line: str) -> str:
    return f"{op} ({line})" if line else op


def _list_operations(recording: Recording) -> list[tuple[str, tuple[float, ...], str]]:
    """List the operations in their order: name, constant operands, line."""
    graph, found = recording.graph, []
    for node in range(len(graph.leaves), len(graph)):
        op = BY_CODE[graph.codes[node]]
        assert op is not None
        row = graph.operands[graph.starts[node] : graph.starts[node + 1]]
        constants = graph.numbers[row[graph.codes[row] == CONSTANT_CODE]].tolist()
        found.append((op.name, tuple(constants), recording.lines[node] if recording.lines else ""))
    return found


def _are_same(one: Graph, other: Graph) -> bool:
    pairs = ((one.codes, other.codes), (one.operands, other.operands), (one.roots, other.roots))
    if not all(np.array_equal(a, b) for a, b in (*pairs, (one.starts, other.starts))):
        return False
    fixed = one.codes == CONSTANT_CODE
    return np.array_equal(one.numbers[fixed], other.numbers[fixed], equal_nan=True)
