"""The derivatives of many outputs by many inputs, where a sweep for each output, by all inputs, would be wasteful.

An output that depends on few inputs has a sweep of its own, over what lies below it and by those inputs. Outputs that
have much in common share one sweep, from the inputs upwards, in which each node holds its derivatives by the inputs on
which it depends: a sparse row. Either way no derivative is computed that is 0 by structure, and none shares a number
with another one, as in a Jacobian that is compressed by a colouring of its columns (Curtis, Powell, Reid 1974). There
an infinite derivative spoils columns of its colour by 0·inf, and here it stays where it is.

In the sweep from the inputs nothing is left out, as a sweep from an output leaves out what ``where`` did not choose: so
what is infinite or nan on the way is so at the end, too. Such rows are found from their outputs.

References: Bischof, Khademi, Bouaricha, Carle 1996, "Efficient computation of gradients and Jacobians by dynamic
exploitation of sparsity in automatic differentiation" (sparse rows); Griewank, Walther 2008, "Evaluating derivatives",
chapters 3 (both sweeps) and 7 (patterns).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from tinygrad_lite.adjoints import (
    Thawed,
    _Numbered,
    adjoints_as_floats,
    adjoints_as_values,
    plus,
    recorded_partials,
    times,
)
from tinygrad_lite.limits import limits
from tinygrad_lite.node.codes import ADD, MUL
from tinygrad_lite.node.evaluation import local_derivatives
from tinygrad_lite.node.fields import Details, dtype_of
from tinygrad_lite.node.state import LOCK, STATE
from tinygrad_lite.operations.arithmetic import IEEELimits
from tinygrad_lite.operations.ops import BY_CODE, TABLE
from tinygrad_lite.trace_mode import is_tracing
from tinygrad_lite.value import Value, topological_order

#: By the place of an input.
Row = dict[int, Any]

_SUM: Final = TABLE["sum"].code
#: With fewer outputs there is not much to gain.
_FEWEST: Final = 32
#: So many pairs of outputs are looked at, at most, to choose between the sweeps; and one of so many outputs.
_SAMPLE: Final = 8
_SPACE: Final = 64
#: A node takes so many times as long in the sweep from the inputs, and half a time more for each input of an output.
_NODE: Final = 5.0


def is_faster_from_inputs(outputs: Sequence[Value], inputs: Sequence[Value]) -> bool:
    """Whether one sweep from the inputs seems faster than a sweep from each output.

    The one visits each node once, and multiplies each entry of its row; the others visit it as often as there are
    outputs above it. How many nodes there are is known from some outputs, and what they do not share with the ones
    before them.

    >>> angle = Value(2.0)
    >>> points = [angle * 3.0]
    >>> for _ in range(50):
    ...     points.append(points[-1] * angle)
    >>> is_faster_from_inputs(points, [angle]), is_faster_from_inputs([angle * p.data for p in points], [angle])
    (True, False)
    """
    count = len(outputs)
    if count < _FEWEST:
        return False
    places = {id(x) for x in inputs}
    space = max(_SPACE, count // _SAMPLE)
    sample = range(min(space, count) // 2, count, space)
    visited = own = entries = 0
    for i in sample:
        shared = {id(node) for node in topological_order(outputs[i - 1], True)}
        below = topological_order(outputs[i], True)
        visited += len(below)
        for node in below:
            if id(node) not in shared:
                own += 1
            if id(node) in places:
                entries += 1
    nodes = visited + own * (count - 1)
    return nodes * (_NODE + 0.5 * entries / len(sample)) < visited * count


def find_rows(
    outputs: Sequence[Value], inputs: Sequence[Value], from_inputs: bool | None = None, higher: bool = False
) -> list[Row]:
    """Return for each output its derivatives by those inputs on which it depends, in their order.

    Args:
        outputs: Nodes.
        inputs: Nodes, none of them twice.
        from_inputs: Whether in one sweep from the inputs; if None, where that seems faster.
        higher: Whether the derivatives are Values (or floats, where they are constants).

    Returns:
        A row has an entry for each input from which operations lead to the output, whatever the numbers are. (A
        comparison, or another operation that is constant between jumps, leads nowhere.)

    >>> x, y = Value(2.0), Value(3.0)
    >>> find_rows([x * y, y * y, y.greater(0.0)], [x, y])
    [{0: 3.0, 1: 2.0}, {1: 6.0}, {}]
    """
    paths = _Paths(outputs, inputs)
    if from_inputs is None:
        from_inputs = is_faster_from_inputs(outputs, inputs)
    found: list[Row | None] = [None] * len(outputs)
    if from_inputs:
        with LOCK, Thawed(inputs), IEEELimits():
            found = paths.recorded_rows() if higher else paths.rows()
    rows: list[Row] = []
    for i in range(len(outputs)):
        row = found[i]
        if row is None:
            places = paths.places_below(i)
            nodes = [inputs[j] for j in places]
            if not nodes:
                row = {}
            elif higher:
                row = dict(zip(places, adjoints_as_values(outputs[i], nodes), strict=True))
            else:
                row = dict(zip(places, adjoints_as_floats(outputs[i], nodes), strict=True))
        rows.append(row)
    return rows


class _Paths:
    """The operations that lead from inputs to outputs, in numbers as :class:`_Numbered` has them.

    Args:
        outputs: Nodes.
        inputs: Nodes, none of them twice.
    """

    def __init__(self, outputs: Sequence[Value], inputs: Sequence[Value]) -> None:
        graph = _Numbered(Value(None, _code=_SUM, _details=Details("", tuple(outputs))), inputs)
        #: the first only holds the outputs
        self._order: list[Value] = graph.order
        self._starts: list[int] = graph.starts
        self._operands: list[int] = graph.operands
        self._inputs: list[int] = graph.inputs
        self._outputs: list[int] = graph.operands[: graph.starts[1]]
        #: by number: the place of an input; -1 for other nodes
        self._places: list[int] = [-1] * len(graph.active)
        #: by number: whether it depends on an input, and not only where it jumps
        self._live: list[bool] = [False] * len(graph.active)
        for j in range(len(graph.inputs)):
            self._places[graph.inputs[j]] = j
            self._live[graph.inputs[j]] = True
        for i in range(len(self._order) - 1, 0, -1):
            op = BY_CODE[self._order[i]._code]
            assert op is not None
            if op.flat:
                continue
            for k in range(self._starts[i], self._starts[i + 1]):
                if self._live[self._operands[k]]:
                    self._live[i + 1] = True
                    break
        #: by number: the last output from which a walk came by
        self._seen: list[int] = [-1] * len(graph.active)

    def places_below(self, row: int) -> list[int]:
        """Return the places of the inputs on which an output depends: a walk down from there."""
        seen, live, operands, starts = self._seen, self._live, self._operands, self._starts
        found: list[int] = []
        stack = [self._outputs[row]]
        while stack:
            number = stack.pop()
            if seen[number] == row or not live[number]:
                continue
            seen[number] = row
            if self._places[number] >= 0:
                found.append(self._places[number])
            if number <= len(self._order):  # it is no leaf
                stack += operands[starts[number - 1] : starts[number]]
        found.sort()
        return found

    def rows(self) -> list[Row | None]:
        """Return the derivatives as floats; no row where one is not finite, or gradients are rounded to a format."""
        if STATE.narrow and any(dtype_of(node) for node in self._order):
            return [None] * len(self._outputs)
        tangents: list[Row | None] = [None] * len(self._live)
        waiting = [0] * len(self._live)  # how many operations have yet to read it
        for number in self._operands:
            waiting[number] += 1
        for j in range(len(self._inputs)):
            tangents[self._inputs[j]] = {j: 1.0}
        for i in range(len(self._order) - 1, 0, -1):
            start, end = self._starts[i], self._starts[i + 1]
            if self._live[i + 1]:
                partials = _partials(self._order[i])
                total = tangents[i + 1]
                for k in range(start, end):
                    tangent = tangents[self._operands[k]]
                    if tangent is not None:
                        total = _plus_multiple(total, tangent, partials[k - start])
                tangents[i + 1] = total
            for k in range(start, end):
                number = self._operands[k]
                waiting[number] -= 1
                if waiting[number] == 0:
                    tangents[number] = None
        rows: list[Row | None] = []
        for number in self._outputs:
            found: Row = tangents[number] or {}
            is_finite = all(math.isfinite(x) for x in found.values())
            rows.append({j: found[j] for j in sorted(found)} if is_finite else None)
        return rows

    def recorded_rows(self) -> list[Row | None]:
        """Return the derivatives as Values, or floats; no rows where the chain rule may not decide."""
        if not (STATE.tracing != 0 and is_tracing()):
            order = self._order[1:]
            if limits.is_singular(order) or limits.has_corner(order):
                return [None] * len(self._outputs)
        tangents: list[Row] = [{} for _ in self._live]
        for j in range(len(self._inputs)):
            tangents[self._inputs[j]][j] = 1.0
        for i in range(len(self._order) - 1, 0, -1):
            if not self._live[i + 1]:
                continue
            numbers = self._operands[self._starts[i] : self._starts[i + 1]]
            wanted = [self._live[number] for number in numbers]
            partials = recorded_partials(self._order[i], wanted)
            total = tangents[i + 1]
            for k in range(len(numbers)):
                for j, tangent in tangents[numbers[k]].items():
                    total[j] = plus(total.get(j), None if tangent is None else times(tangent, partials[k]))
        rows: list[Row | None] = []
        for number in self._outputs:
            row = tangents[number]
            rows.append({j: 0.0 if row[j] is None else row[j] for j in sorted(row)})
        return rows


def _partials(node: Value) -> Sequence[Any]:
    code = node._code
    if code == ADD:  # most nodes are one of these two; a test holds them equal to the table's rules
        return (1.0, 1.0)
    if code == MUL:
        a, b = node._a, node._b
        assert a is not None
        assert b is not None
        return (b._number, a._number)
    return local_derivatives(node)


def _plus_multiple(total: Row | None, row: Row, factor: float) -> Row:
    """Return total + factor·row, in the place of total."""
    if total is None:
        return {place: factor * derivative for place, derivative in row.items()}
    for place, derivative in row.items():
        total[place] = total.get(place, 0.0) + factor * derivative
    return total
