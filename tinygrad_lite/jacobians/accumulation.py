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
from tinygrad_lite.value import Value

#: By the place of an input.
Row = dict[int, Any]

_SUM: Final = TABLE["sum"].code
#: Of so many outputs it is looked at what they depend on, to choose between the sweeps.
_SAMPLE: Final = 16
#: A node in the sweep from the inputs takes as long as so many entries of its row.
_NODE: Final = 5


def is_faster_from_inputs(outputs: Sequence[Value], inputs: Sequence[Value]) -> bool:
    """Whether one sweep from the inputs seems faster than a sweep from each output.

    It multiplies each entry of each node's row; they have what the outputs have on average, at most. The others visit
    each node as often as there are outputs above it. Both numbers are those of some of the outputs.

    >>> angle = Value(2.0)
    >>> far = angle
    >>> for _ in range(50):
    ...     far = far * angle
    >>> outputs = [far * float(i) for i in range(50)]
    >>> is_faster_from_inputs(outputs, [angle]), is_faster_from_inputs(outputs[:1], [angle])
    (True, False)
    """
    return _Paths(outputs, inputs).is_faster_from_inputs()


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
        from_inputs = paths.is_faster_from_inputs()
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
        #: by number: the last walk that came by
        self._seen: list[int] = [-1] * len(graph.active)
        self._walks = 0
        #: how many operands the walks came by
        self._walked = 0

    def places_below(self, row: int) -> list[int]:
        """Return the places of the inputs on which an output depends: a walk down from there."""
        seen, live, operands, starts = self._seen, self._live, self._operands, self._starts
        walk = self._walks
        self._walks += 1
        found: list[int] = []
        stack = [self._outputs[row]]
        while stack:
            number = stack.pop()
            if seen[number] == walk or not live[number]:
                continue
            seen[number] = walk
            if self._places[number] >= 0:
                found.append(self._places[number])
            if number <= len(self._order):  # it is no leaf
                start, end = starts[number - 1], starts[number]
                stack += operands[start:end]
                self._walked += end - start
        found.sort()
        return found

    def is_faster_from_inputs(self) -> bool:
        count = len(self._outputs)
        if count < 2 or not self._inputs:
            return False
        sample = range(0, count, (count + _SAMPLE - 1) // _SAMPLE)
        self._walked = 0
        entries = sum([len(self.places_below(row)) for row in sample])
        return len(self._operands) * (entries / len(sample) + _NODE) < self._walked * count / len(sample)

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
