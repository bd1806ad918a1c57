"""A recorded graph as a list of steps, to be evaluated in another arithmetic: mpmath, dual numbers, complex numbers.

The graph says which operation was applied to what; the textbook definitions say what that means. Neither the engine's
float functions nor its derivative rules take part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import BY_CODE
from tinygrad_lite.testing.oracles import exact
from tinygrad_lite.testing.oracles.dual import Arithmetic, primal, real
from tinygrad_lite.value import Value, topological_order

#: A decision of a program: the number of the step, and of the comparison within it.
Decision = tuple[int, int]


class Program:
    """The graph below some outputs.

    Attributes:
        nodes: Every node, operands first; leaves come first of all.
        data: The float of each node when it was recorded.
        steps: For each interior node, its operation and the places of its operands in ``nodes``.
        inputs: The places of the inputs in ``nodes``; None for one that nothing depends on.
        outputs: The places of the outputs.
    """

    def __init__(self, outputs: Sequence[Value], inputs: Sequence[Value]) -> None:
        self.nodes = _below(outputs)
        self.data = [node.data for node in self.nodes]
        place = {id(node): i for i, node in enumerate(self.nodes)}
        self.first = sum(node.is_leaf for node in self.nodes)
        self.steps: list[tuple[Op, tuple[int, ...]]] = []
        for node in self.nodes[self.first :]:
            op = BY_CODE[node._code]
            assert op is not None
            self.steps.append((op, tuple(place[id(parent)] for parent in node.parents)))
        self.inputs = [place.get(id(x)) for x in inputs]
        self.outputs = [place[id(y)] for y in outputs]

    @property
    def shape(self) -> tuple[object, ...]:
        """What two programs have in common that differ in nothing but the numbers in their leaves."""
        steps = tuple((op.name, operands) for op, operands in self.steps)
        return self.first, steps, tuple(self.inputs), tuple(self.outputs)

    def constants(self) -> dict[int, float]:
        """Return the data of each leaf that is no input, by its place."""
        inputs = set(self.inputs)
        return {i: self.data[i] for i in range(self.first) if i not in inputs}

    def evaluate(
        self,
        m: Arithmetic,
        numbers: Sequence[Any],
        forced: Mapping[Decision, int] | None = None,
        decisions: dict[Decision, tuple[int, bool]] | None = None,
        leaves: Mapping[int, Any] | None = None,
    ) -> list[Any]:
        """All nodes' results in the arithmetic m.

        Args:
            m: The arithmetic.
            numbers: One for each input.
            forced: Decisions to take otherwise: 1 for "slightly above", -1 for "slightly below".
            decisions: Where to note all decisions, and whether each was a tie.
            leaves: What to put in the place of other leaves than the inputs.

        Raises:
            ValueError: A step is evaluated outside its domain: its result is not real.
            ArithmeticError: A step divides by 0.
        """
        results: list[Any] = [m.number(x) for x in self.data[: self.first]]
        for place, number in (leaves or {}).items():
            results[place] = number
        for where, number in zip(self.inputs, numbers, strict=True):
            if where is not None:
                results[where] = number
        by_step: dict[int, dict[int, int]] = {}
        for (step, ordinal), side in (forced or {}).items():
            by_step.setdefault(step, {})[ordinal] = side
        for step, (op, operands) in enumerate(self.steps):
            m.begin(by_step.get(step))
            try:
                result = exact.value(op, [results[i] for i in operands], m)
            except AssertionError as error:  # mpmath's own, on infinities
                raise ValueError(f"mpmath cannot evaluate {op.name} here") from error
            real(primal(result))
            results.append(result)
            if decisions is not None:
                taken = zip(m.decisions, m.tied, strict=True)
                decisions.update({(step, ordinal): decision for ordinal, decision in enumerate(taken)})
        m.begin()
        return results

    def kinks(self, m: Arithmetic) -> tuple[set[Decision], set[int]]:
        """Where the floats that the engine computed are at a kink of their operation.

        Returns:
            The decisions that are ties there, and the steps whose kink no decision makes, as of hypot(0, 0).
        """
        ties: set[Decision] = set()
        corners: set[int] = set()
        for step, (op, operands) in enumerate(self.steps):
            data = [self.data[i] for i in operands]
            if op.kink is None or not op.kink(*data):
                continue
            m.begin()
            try:
                exact.value(op, [m.number(x) for x in data], m)
            except (ArithmeticError, ValueError):
                corners.add(step)
                continue
            tied = {(step, ordinal) for ordinal, tie in enumerate(m.tied) if tie}
            ties |= tied
            if not tied:
                corners.add(step)
        return ties, corners

    def active(self) -> set[int]:
        """Return the steps that an input takes part in."""
        moving = {i for i in self.inputs if i is not None}
        steps = set()
        for step, (_, operands) in enumerate(self.steps):
            if not moving.isdisjoint(operands):
                moving.add(self.first + step)
                steps.add(step)
        return steps


def _below(outputs: Sequence[Value]) -> list[Value]:
    """Every node below the outputs, leaves first, then each after its operands."""
    if len(outputs) == 1:
        order = topological_order(outputs[0], leaves=True)
    else:
        from tinygrad_lite.nary import sum as total

        above = total([*outputs])
        order = topological_order(above, leaves=True)[1:]
    order.reverse()
    return order
