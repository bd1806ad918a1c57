"""The sweeps behind the transforms: from an output to its inputs, and from the inputs to the outputs.

Both work on a recorded graph and leave every ``grad`` as it was. On floats they run the engine's own sweep; on Values
they record each rule in the arithmetic :data:`~tinygrad_lite.dispatch.VALUE`, so that what they give is a graph again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_lite.arithmetic import IEEELimits
from tinygrad_lite.dispatch import VALUE
from tinygrad_lite.modes import is_traced
from tinygrad_lite.ops import BY_CODE, TABLE
from tinygrad_lite.value import (
    CONSTANT,
    LOCK,
    STATE,
    Value,
    check_fresh,
    local_derivatives,
    nary,
    operand,
    propagate,
    topological_order,
)


def adjoints_as_floats(output: Value, inputs: Sequence[Value]) -> list[float]:
    """∂output/∂input for each input."""
    with LOCK:
        order = _fresh_order(output)
        nodes = [*topological_order(output, leaves=True), *inputs]
        before = [node._grad for node in nodes]
        try:
            for node in nodes:
                node._grad = 0.0
            output._grad = 1.0
            propagate(order)
            return [x._grad for x in inputs]
        finally:
            for i in range(len(nodes)):
                nodes[i]._grad = before[i]


def adjoints_as_values(output: Value, inputs: Sequence[Value]) -> list[Any]:
    """∂output/∂input for each input: a Value, or a float where it is a constant."""
    order = _fresh_order(output)
    active = {id(x) for x in inputs}
    for node in reversed(order):
        if id(node) not in active:
            for parent in node.parents:
                if id(parent) in active:
                    active.add(id(node))
                    break
    adjoints: dict[int, Any] = {id(output): 1.0}
    with IEEELimits():
        for node in order:
            adjoint = adjoints.get(id(node))
            if adjoint is None or id(node) not in active:
                continue
            parents = node.parents
            wanted = [id(parent) in active for parent in parents]
            partials = recorded_partials(node, wanted)
            for k in range(len(parents)):
                if wanted[k]:
                    key = id(parents[k])
                    adjoints[key] = plus(adjoints.get(key), times(adjoint, partials[k]))
    found = [adjoints.get(id(x)) for x in inputs]
    return [0.0 if x is None else x for x in found]


def tangents_of(outputs: Sequence[Any], inputs: Sequence[Value], directions: Sequence[Any], higher: bool) -> list[Any]:
    """The derivative of each output where the inputs move in ``directions``; Values if ``higher``."""
    tangents: dict[int, Any] = {}
    for x, direction in zip(inputs, directions, strict=True):
        tangents[id(x)] = direction
    roots = tuple([operand(y) for y in outputs])
    above = nary(TABLE["sum"].code, roots)
    order = _fresh_order(above)
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


def as_values(derivatives: Sequence[Any]) -> list[Any]:
    """Each as a Value: a plain number is one that depends on nothing."""
    return [x if isinstance(x, Value) else Value(x) for x in derivatives]


def recorded_partials(node: Value, wanted: Sequence[bool]) -> list[Any]:
    """The local derivatives of a node as Values; None where not wanted.

    A constant operand enters the rule as a plain number, so that what depends on it alone is computed now. (Not if it
    is an input that ``lift`` traces: its number is only an example.)
    """
    op = BY_CODE[node._code]
    assert op is not None
    operands = [
        parent._data if parent._code == CONSTANT and (STATE.tracing == 0 or not is_traced(parent)) else parent
        for parent in node.parents
    ]
    if op.arity < 0:
        return list(op.partials[0](VALUE, operands, node))
    return [op.partials[k](VALUE, *operands, node) if wanted[k] else None for k in range(len(operands))]


def times(x: Any, y: Any) -> Any:
    """x·y without a node where one of them is 0, 1 or -1; None for 0.

    As in the sweep on floats, an adjoint of 0 passes nothing on where the partial is infinite or nan. (Not if ``lift``
    traces it: then it is 0 for the example only.)
    """
    if isinstance(x, Value) and x._data == 0.0 and not math.isfinite(y._data if isinstance(y, Value) else y):
        if is_traced(x):
            return x * y
        return None
    if isinstance(y, float):
        x, y = y, x
    if isinstance(x, float):
        if x == 0.0:
            return None
        if x == 1.0:
            return y
        if x == -1.0:
            return -y
    if isinstance(y, float) and y == 0.0:
        return None
    return x * y


def plus(x: Any, y: Any) -> Any:
    """x + y, where None stands for nothing to add."""
    if x is None:
        return y
    return x if y is None else x + y


def _fresh_order(output: Value) -> list[Value]:
    order = topological_order(output)
    check_fresh(order)
    return order
