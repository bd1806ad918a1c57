"""The sweeps behind the transforms: from an output to its inputs, and from the inputs to the outputs.

Both work on a recorded graph and leave every ``grad`` as it was. On floats they run the engine's own sweep; on Values
they record each rule in the arithmetic :data:`~tinygrad_lite.dispatch.VALUE`, so that what they give is a graph again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mypy_extensions import i32

from tinygrad_lite.dispatch import VALUE, nary
from tinygrad_lite.limits import limits
from tinygrad_lite.limits.chosen import choice
from tinygrad_lite.node.codes import ADD, CONSTANT, LEAF, MUL, POS, SUB
from tinygrad_lite.node.evaluation import local_derivatives
from tinygrad_lite.node.state import LOCK, STATE
from tinygrad_lite.operations.arithmetic import IEEELimits
from tinygrad_lite.operations.ops import BY_CODE, TABLE
from tinygrad_lite.trace_mode import is_traced, is_tracing
from tinygrad_lite.value import Value, check_order, fresh_order, operand, propagate, topological_order


def adjoints_as_floats(output: Value, inputs: Sequence[Value], together: Sequence[Value] = ()) -> list[float]:
    """∂output/∂input for each input; for those that move together, as terms of one derivative."""
    for x in inputs:
        if x._code == CONSTANT:
            with LOCK, Thawed(inputs):
                return _adjoints_by_leaves(output, inputs, together)
    return _adjoints_by_leaves(output, inputs, together)


def _adjoints_by_leaves(output: Value, inputs: Sequence[Value], together: Sequence[Value]) -> list[float]:
    """:func:`adjoints_as_floats` by nodes that are not frozen."""
    with LOCK:
        nodes = topological_order(output, True, False)  # leaves come last
        order = [node for node in nodes if node._code > CONSTANT]
        check_order(order)
        nodes.extend(inputs)
        before = [node._grad for node in nodes]
        try:
            for node in nodes:
                node._grad = 0.0
            output._grad = 1.0
            propagate(order, inputs, together)
            return [x._grad for x in inputs]
        finally:
            for i in range(len(nodes)):
                nodes[i]._grad = before[i]


def adjoints_as_values(output: Value, inputs: Sequence[Value], together: Sequence[Value] = ()) -> list[Any]:
    """∂output/∂input for each input: a Value, or a float where it is a constant; see :func:`adjoints_as_floats`."""
    graph = _Numbered(output, inputs)
    active = graph.active
    adjoints: list[Any] = [None] * len(active)
    adjoints[graph.output] = 1.0
    with LOCK, Thawed(inputs), IEEELimits():
        plan = None if STATE.tracing != 0 and is_tracing() else limits.plan(graph.order, inputs, together)
        if plan is not None:
            return _adjoints_with_limits(graph, plan, inputs)
        for i in range(len(graph.order)):
            adjoint = adjoints[i + 1]
            if adjoint is None or not active[i + 1]:
                continue
            node = graph.order[i]
            code = node._code
            start: i32 = graph.starts[i]
            end: i32 = graph.starts[i + 1]
            if code in (ADD, SUB, MUL):  # most nodes; a test holds these equal to the table's rules
                x, y = node._a, node._b
                first: i32 = graph.operands[start]
                second: i32 = graph.operands[start + 1]
                if active[first]:
                    part = times(adjoint, _in_rule(y) if code == MUL else 1.0)
                    adjoints[first] = plus(adjoints[first], part)
                if active[second]:
                    part = times(adjoint, _in_rule(x) if code == MUL else 1.0 if code == ADD else -1.0)
                    adjoints[second] = plus(adjoints[second], part)
                continue
            numbers = graph.operands[start:end]
            wanted = [active[number] for number in numbers]
            partials = recorded_partials(node, wanted)
            for k in range(len(numbers)):
                if wanted[k]:
                    adjoints[numbers[k]] = plus(adjoints[numbers[k]], times(adjoint, partials[k]))
    return [0.0 if adjoints[number] is None else adjoints[number] for number in graph.inputs]


class Thawed:
    """Inside, frozen leaves among these are not: who differentiates by a leaf means it, whatever ``backward`` does.

    >>> w = Value(2.0)
    >>> w.requires_grad = False
    >>> with Thawed([w]):
    ...     w.requires_grad
    True
    >>> w.requires_grad
    False
    """

    def __init__(self, leaves: Sequence[Value]) -> None:
        self.frozen: list[Value] = [x for x in leaves if x._code == CONSTANT]

    def __enter__(self) -> None:
        for x in self.frozen:
            x._code = LEAF

    def __exit__(self, *exception: object) -> None:
        for x in self.frozen:
            x._code = CONSTANT


def _adjoints_with_limits(graph: _Numbered, plan: limits.Plan, inputs: Sequence[Value]) -> list[Any]:
    """:func:`adjoints_as_values` where some are limits: those are kept apart, each under a node of its own."""
    active = graph.active
    adjoints: list[Any] = [None] * len(active)
    adjoints[graph.output] = 1.0
    ordinary: dict[int, Any] = {}
    special: dict[int, Any] = {}
    for i in range(len(graph.order)):
        adjoint = adjoints[i + 1]
        if adjoint is None or not active[i + 1]:
            continue
        numbers = graph.operands[graph.starts[i] : graph.starts[i + 1]]
        if graph.order[i]._code == POS and i + 1 != graph.output:
            (number,) = numbers
            adjoints[number] = plus(adjoints[number], adjoint)
            for parts in (ordinary, special):
                if i + 1 in parts:
                    parts[number] = plus(parts.get(number), parts[i + 1])
            continue
        wanted = [active[number] for number in numbers]
        partials = recorded_partials(graph.order[i], wanted)
        for k in range(len(numbers)):
            if not wanted[k]:
                continue
            number = numbers[k]
            edge = plan.edge(i, k)
            part = times(adjoint, partials[k], edge is not None)
            adjoints[number] = plus(adjoints[number], part)
            if edge is not None and plan.is_apart(edge):
                special[number] = plus(special.get(number), part)
            else:
                ordinary[number] = plus(ordinary.get(number), part)
    results: list[Any] = []
    for j in range(len(inputs)):
        number = graph.inputs[j]
        found = adjoints[number]
        if number in special and number != graph.output:  # all of it may be a constant 0
            limit = plan.limit_of(inputs[j], operand(0.0 if special[number] is None else special[number]))
            found = plus(ordinary.get(number), limit)
        results.append(0.0 if found is None else found)
    return results


class _Numbered:
    """The graph below an output as numbers, so that a sweep needs no dictionaries.

    Attributes:
        order: The nodes from the output downwards, those with operands; they have the numbers 1, 2, 3 ...
        starts: Where the operands of each begin in ``operands``; one more at the end.
        operands: Numbers; 0 for leaves that are no inputs.
        active: By number, whether a node depends on an input.
        output: The number of the output; 0 if it depends on no operand and is no input.
        inputs: The number of each input.
    """

    def __init__(self, output: Value, inputs: Sequence[Value]) -> None:
        order = fresh_order(output)
        operands: list[int] = []
        starts: list[int] = [0]
        with LOCK:
            try:
                count: i32 = 1
                for node in order:
                    node._pending = count  # counts of edges are 0 between traversals, and must be so again
                    count += 1
                active = [False] * len(order)
                active.append(False)
                for x in inputs:
                    if x._pending == 0:
                        x._pending = count
                        count += 1
                        active.append(True)
                    else:
                        active[x._pending] = True
                for node in order:
                    details = node._details
                    if details is not None:
                        parent: Value
                        for parent in details.first:
                            operands.append(parent._pending)  # noqa: PERF401 (quicker than a generator, compiled)
                        for parent in details.second:
                            operands.append(parent._pending)  # noqa: PERF401 (as above)
                    if node._a is not None:
                        operands.append(node._a._pending)
                    if node._b is not None:
                        operands.append(node._b._pending)
                    starts.append(len(operands))
                self.inputs: list[int] = [x._pending for x in inputs]
                self.output: int = output._pending
            finally:
                for node in order:
                    node._pending = 0
                for x in inputs:
                    x._pending = 0
        for i in range(len(order) - 1, -1, -1):
            if not active[i + 1]:
                for k in range(starts[i], starts[i + 1]):
                    if active[operands[k]]:
                        active[i + 1] = True
                        break
        self.order: list[Value] = order
        self.starts: list[int] = starts
        self.operands: list[int] = operands
        self.active: list[bool] = active


def _in_rule(operand: Value | None) -> Any:
    """Return an operand as a rule takes it: a constant as a plain number, but for what may be differentiated by
    afterwards.

    That is a leaf that was frozen, and one that ``lift`` traces as an input.
    """
    assert operand is not None
    if operand._code == CONSTANT and operand._details is None and (STATE.tracing == 0 or not is_traced(operand)):
        return operand._number
    return operand


def tangents_of(outputs: Sequence[Any], inputs: Sequence[Value], directions: Sequence[Any], higher: bool) -> list[Any]:
    """Return the derivative of each output where the inputs move in ``directions``; Values if ``higher``.

    Where the chain rule meets 0·inf, or a kink whose derivative is differentiated, it is put together from the
    adjoints, so that limits are the same in both modes.
    """
    tangents: dict[int, Any] = {}
    for x, direction in zip(inputs, directions, strict=True):
        tangents[id(x)] = direction
    roots = tuple([operand(y) for y in outputs])
    above = nary(TABLE["sum"].code, roots)
    order = fresh_order(above)
    if not (STATE.tracing != 0 and is_tracing()):
        with LOCK, Thawed(inputs):
            apart = limits.is_singular(order) or (higher and limits.has_corner(order))
        if apart:
            return [_tangent(root, inputs, directions, higher) for root in roots]
    with IEEELimits():
        for node in reversed(order):
            if id(node) in tangents:
                continue
            parents = node.parents
            wanted = [id(parent) in tangents for parent in parents]
            if True not in wanted:
                continue
            partials = recorded_partials(node, wanted) if higher else local_derivatives(node)
            tangent: Any = None
            for k in range(len(parents)):
                if wanted[k]:
                    tangent = plus(tangent, times(tangents[id(parents[k])], partials[k]))
            if tangent is not None:
                tangents[id(node)] = tangent
    found = [tangents.get(id(root)) for root in roots]
    return [0.0 if x is None else x for x in found]


def _tangent(output: Value, inputs: Sequence[Value], directions: Sequence[Any], higher: bool) -> Any:
    """Return the derivative of one output in the directions, from its adjoints."""
    together = [x for x, direction in zip(inputs, directions, strict=True) if _number(direction) != 0.0]
    found = (adjoints_as_values if higher else adjoints_as_floats)(output, inputs, together)
    total: Any = None
    for adjoint, direction in zip(found, directions, strict=True):
        total = plus(total, times(direction, adjoint))
    return 0.0 if total is None else total


def as_values(derivatives: Sequence[Any]) -> list[Any]:
    """Each as a Value: a plain number is one that depends on nothing."""
    return [x if isinstance(x, Value) else Value(x) for x in derivatives]


def recorded_partials(node: Value, wanted: Sequence[bool]) -> list[Any]:
    """Return the local derivatives of a node as Values; None where not wanted.

    A constant operand enters the rule as a plain number, so that what depends on it alone is computed now. (Not if it
    is an input that ``lift`` traces: its number is only an example.)
    """
    op = BY_CODE[node._code]
    assert op is not None
    operands = [_in_rule(parent) for parent in node.parents]
    return op.derivatives(VALUE, operands, node, wanted)


def times(x: Any, y: Any, reached: bool = False) -> Any:
    """x·y without a node where one of them is 0, 1 or -1; None for 0.

    As in the sweep on floats, a zero that is chosen passes nothing on where the other factor is infinite or nan; one
    that only happens to be 0 here does. (So does any if ``lift`` traces it: then it is 0 for the example only.)

    Args:
        x: The adjoint.
        y: The partial.
        reached: Whether neither of them is a chosen zero.
    """
    if isinstance(x, Value) and isinstance(y, Value) and STATE.tracing != 0 and is_tracing():
        chosen = choice(x, y)
        if chosen is not None:
            return VALUE.where(chosen, x * y, 0.0)
    if not reached and (
        (_is_zero(x) and not math.isfinite(_number(y))) or (_is_zero(y) and not math.isfinite(_number(x)))
    ):
        return x * y if is_traced(x) or is_traced(y) else None
    if isinstance(x, Value) and isinstance(y, Value):
        return x * y
    if isinstance(y, float):
        x, y = y, x
    if x == 0.0 or (isinstance(y, float) and y == 0.0):  # x is a float: two Values were multiplied above
        return None
    if x == 1.0:
        return y
    return -y if x == -1.0 else x * y


def _number(x: Any) -> float:
    return x._number if isinstance(x, Value) else x


def _is_zero(x: Any) -> bool:
    return isinstance(x, Value) and x._number == 0.0


def plus(x: Any, y: Any) -> Any:
    """x + y, where None stands for nothing to add."""
    if x is None:
        return y
    if isinstance(x, Value) and isinstance(y, Value):
        return x + y
    return x if y is None else x + y
