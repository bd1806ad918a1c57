"""Derivatives where the chain rule meets 0·inf: their limits, where there are any.

The rule, for all ways to differentiate (``backward``, ``create_graph``, ``jvp`` and what is made of them):

1. A zero that is **chosen** passes nothing on, not even 0·inf: the branch that ``where`` did not choose, relu left of
   its kink, a product with a constant 0.
2. Any other zero beside an infinite factor, inf - inf, and a derivative of a derivative at a kink (of ``abs``,
   ``hypot``) are not for the chain rule to decide. There the derivative is the limit of derivatives along curves
   through the point: from both sides, in several directions, and with each leaf in turn far from the point beside the
   others. Where all curves on which the function is defined agree, it is that. Where they do not, but those on which
   one leaf moves alone do, it is the partial derivative, which is defined by these. Else it is nan; at a kink whose
   sides are finite and differ, its convention.
3. For all limits of one sweep, nodes are evaluated on curves so often (:data:`BUDGET`) and no oftener, so that the time
   for them is bounded. The derivatives that are not known then are nan.

The first pass (:class:`Paths`) finds out which gradients are concerned, and through which edges. Only the nodes above
these, as far as one with an ordinary gradient, are evaluated again, as series in an infinitesimal (:mod:`.series`). A
derivative that is recorded as a graph is the chain rule's graph, which is right around the point, under a ``limit``
node, whose number is right at the point: its own derivatives are limits again.

All this begins with :data:`~tinygrad_lite.node.state.STATE` ``.singular``: where nothing was ever recorded at an
infinite slope, nobody comes here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from tinygrad_lite import modes
from tinygrad_lite.errors import AnomalyError
from tinygrad_lite.limits.series import Series, UndefinedError, UnknownError, epsilon, evaluate, partials, seed
from tinygrad_lite.node.codes import CONSTANT, DOT, EDGED, LEAF, MUL, POS, TRUEDIV
from tinygrad_lite.node.evaluation import local_derivatives
from tinygrad_lite.node.state import STATE
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import BY_CODE, TABLE
from tinygrad_lite.value import Value, sweep

#: The code of a derivative that the chain rule alone does not give.
LIMIT: Final = TABLE["limit"].code

#: What a gradient is: for the chain rule; at a kink's convention unless there is a limit; a limit or nan.
_ORDINARY: Final = 0
_KINK: Final = 1
_INDETERMINATE: Final = 2
#: Of a derivative that does not exist itself.
_NONE: Final = 3

#: A leaf that is to be near the point beside the others moves with this power of ε.
_BEHIND: Final = 5.0
#: Two limits that differ by less, relative to the largest, are the same.
_TOLERANCE: Final = 1e-9
#: So many nodes and operands are evaluated on curves in one sweep; and as many more as the graph has nodes.
BUDGET: Final = 10_000
_GOLDEN: Final = 0.6180339887498949


class Edge:
    """From a node to one of its operands, on a path from the output.

    Attributes:
        target: The number of the operand.
        share: What it adds to the operand's gradient by the chain rule.
        level: Whether the chain rule may decide.
        kinked: Whether a derivative of it is not for the chain rule.
    """

    __slots__ = ("kinked", "level", "share", "target")

    def __init__(self, target: int, share: float, level: int, kinked: bool) -> None:
        self.target: int = target
        self.share: float = share
        self.level: int = level
        self.kinked: bool = kinked

    @property
    def special(self) -> bool:
        """Whether what it adds is a limit, if its target's gradient is one."""
        return self.level != _ORDINARY or not math.isfinite(self.share)


class Paths:
    """The gradients of a graph by the chain rule, and which of them are limits.

    Nodes have numbers: those with operands as in ``order``, then the leaves that are no constants.

    Args:
        order: The nodes, each before its operands.
        start: The gradient of the first.
    """

    def __init__(self, order: list[Value], start: float) -> None:
        self.order: list[Value] = order
        self.nodes: list[Value] = list(order)
        self.number: dict[int, int] = {id(order[i]): i for i in range(len(order))}
        for node in order:
            for parent in node.parents:
                if parent._code == LEAF and id(parent) not in self.number:
                    self.number[id(parent)] = len(self.nodes)
                    self.nodes.append(parent)
        count = len(self.nodes)
        self.gradients: list[float] = [0.0] * count
        self.reached: list[bool] = [False] * count
        self.levels: list[int] = [_ORDINARY] * count
        self.kinked: list[bool] = [False] * count
        #: whether it is part of a derivative under a ``limit``: what is chosen at this point may not be around it
        self.around: list[bool] = [False] * count
        #: for each node one for each operand; None where nothing is passed on
        self.edges: list[list[Edge | None]] = []
        #: whether a chosen 0 meets an infinite gradient, or nan: nan in the sweep, which multiplies
        self.spared: bool = False
        #: where the first 0·inf is met
        self.origin: Value | None = None
        #: how many evaluations are left to look for limits; below 0 once they did not suffice
        self.left: int = BUDGET + count
        self.gradients[0] = start
        self.reached[0] = True
        for i in range(len(order)):
            self.edges.append(self._edges_of(i) if self.reached[i] else [])

    def _edges_of(self, i: int) -> list[Edge | None]:
        node = self.order[i]
        op = BY_CODE[node._code]
        assert op is not None
        parents = node.parents
        local = local_derivatives(node)
        gradient = self.gradients[i]
        kinked = self.kinked[i] or _is_corner(node, op)
        edges: list[Edge | None] = []
        for k in range(len(parents)):
            parent = parents[k]
            partial: float = local[k]
            chosen = partial == 0.0 and _passes_nothing(op, k, parents)
            if parent._code == CONSTANT or (chosen and not self.around[i]):
                edges.append(None)
                self.spared = self.spared or (parent._code != CONSTANT and not math.isfinite(gradient))
                continue
            level = self.levels[i]
            share = 0.0 if chosen else gradient * partial
            if node._code == LIMIT:
                level = max(level, _level_under(node))
            elif share != share:
                level = max(level, _INDETERMINATE)
            target = self.number[id(parent)]
            self.gradients[target] += share
            if math.isnan(self.gradients[target]):  # inf - inf too
                self.levels[target] = max(self.levels[target], _INDETERMINATE)
            self.levels[target] = max(self.levels[target], level)
            if self.origin is None and self.levels[target] >= _INDETERMINATE:
                self.origin = node
            self.reached[target] = True
            self.around[target] = self.around[target] or self.around[i] or node._code == LIMIT
            self.kinked[target] = self.kinked[target] or kinked or level != _ORDINARY
            edges.append(Edge(target, share, level, kinked or level != _ORDINARY))
        return edges

    def sums(self, special: bool, kinked: bool) -> list[float]:
        """For each node what edges of one kind add to its gradient; a ``pos`` passes on each kind as it is.

        Args:
            special: Whether special edges count.
            kinked: Whether edges without kinks do not.
        """
        totals = [0.0] * len(self.nodes)
        for i in range(len(self.order)):
            for edge in self.edges[i]:
                if edge is not None and self.order[i]._code == POS:
                    totals[edge.target] += totals[i] if i else edge.share
                elif edge is not None and (special or not edge.special) and (edge.kinked or not kinked):
                    totals[edge.target] += edge.share
        return totals

    def affords(self, cost: int) -> bool:
        """Spends that many evaluations, if there are so many left; else there are none from here on."""
        self.left = self.left - cost if 0 <= cost <= self.left else -1
        return self.left >= 0

    def is_ordinary(self, i: int) -> bool:
        """Whether the node's gradient is one that can stand for its values on all curves: any but 0."""
        return self.levels[i] == _ORDINARY and self.gradients[i] != 0.0 and math.isfinite(self.gradients[i])


def _level_under(limit: Value) -> int:
    """Return the level of a derivative of a derivative: none, at a kink, or indeterminate."""
    (below,) = limit.parents
    if limit._number != limit._number:
        return _NONE
    return _KINK if limit._number == below._number else _INDETERMINATE


def _is_corner(node: Value, op: Op) -> bool:
    """Whether it is at a kink that is no choice: there derivatives of its derivative are not those of the rule."""
    if op.kink is None or op.chooses or op.flat:
        return False
    return bool(op.kink(*[parent._number for parent in node.parents]))


def _passes_nothing(op: Op, k: int, parents: Sequence[Value]) -> bool:
    """Whether a partial of 0 is chosen, and does not just happen to be 0 here."""
    if op.chooses or op.flat:
        return True
    if op.code == MUL:
        return parents[1 - k]._code == CONSTANT
    if op.code == TRUEDIV:
        return parents[0]._code == CONSTANT
    if op.code == DOT:
        n = len(parents) // 2
        return parents[k + n if k < n else k - n]._code == CONSTANT
    return False


def is_singular(order: Sequence[Value]) -> bool:
    """Whether a derivative of one of the nodes by an operand is infinite or nan."""
    if not (STATE.singular or STATE.narrow):
        return False
    for node in order:
        op = EDGED[node._code]
        if op is None or not op.is_singular([parent._number for parent in node.parents]):
            continue
        if node._code == LIMIT or not all(map(math.isfinite, local_derivatives(node))):
            return True
    return False


def has_corner(order: Sequence[Value]) -> bool:
    """Whether one of the nodes is at a kink that is no choice."""
    for node in order:
        op = BY_CODE[node._code]
        assert op is not None
        if _is_corner(node, op):
            return True
    return False


# ------------------------------------------------------------------------------------- gradients as numbers


class Found:
    """A gradient that is a limit, and what stood there before."""

    __slots__ = ("before", "gradient", "node")

    def __init__(self, node: Value, before: float, gradient: float) -> None:
        self.node: Value = node
        self.before: float = before
        self.gradient: float = gradient


def of_gradients(order: list[Value], wanted: Sequence[Value] | None, together: Sequence[Value] = ()) -> list[Found]:
    """Return the gradients, of the wanted nodes or of all, that are limits; see :func:`limits` for those that move
    together.

    Raises:
        AnomalyError: Under ``detect_anomaly()``, where there is no limit.
    """
    start = order[0]._grad if order else 0.0
    if start == 0.0 or not math.isfinite(start) or not is_singular(order):
        return []
    paths = Paths(order, start)
    numbers = None if wanted is None else {paths.number[id(node)] for node in wanted if id(node) in paths.number}
    found = limits(paths, numbers, together)
    ordinary = paths.sums(special=False, kinked=False) if found else []
    gradients = []
    for i, limit in found.items():
        node = paths.nodes[i]
        if limit != limit:
            _look_at(paths, node)
        gradients.append(Found(node, _before(node), ordinary[i] + limit))
    if paths.spared:
        spared = [i for i in range(1, len(paths.nodes)) if paths.levels[i] == _ORDINARY]
        gradients += [Found(paths.nodes[i], _before(paths.nodes[i]), paths.gradients[i]) for i in spared]
    return gradients


def _before(node: Value) -> float:
    """Gradients of leaves add up over calls."""
    return node._grad if node._code == LEAF else 0.0


def sweep_slowly(order: list[Value], wanted: Sequence[Value] | None, together: Sequence[Value] = ()) -> None:
    """Sweep with a look at each node, after which gradients that are limits (of the wanted, or all) are set."""
    found = of_gradients(order, wanted, together) if STATE.singular or STATE.narrow else []
    if (STATE.modes == 0 and not STATE.narrow) or not modes.sweep_slowly(order):
        sweep(order)
    for each in found:
        each.node._grad = each.before + each.gradient


def _look_at(paths: Paths, node: Value) -> None:
    """Raise, under ``detect_anomaly()``, for a gradient that does not exist."""
    if STATE.modes == 0:
        return
    origin = paths.origin
    if modes.watching() and origin is not None:
        reason = "the limits from all sides are not the same"
        if paths.left < 0:
            reason = "these are too many to look for a limit"
        raise AnomalyError(
            f"the gradient of {node!r} does not exist: the backward step of {origin.op} met 0·inf, with local "
            f"derivatives {origin.partials}, and gradient {paths.gradients[paths.number[id(origin)]]} of its result, "
            f"and {reason}. It was recorded at {modes.line_of(origin)}. "
            "Keep the operand away from the edge of the operation's domain, or clip before it."
        )


# ------------------------------------------------------------------------------------------------- limits


def limits(paths: Paths, wanted: set[int] | None, together: Sequence[Value] = ()) -> dict[int, float]:
    """For each node whose gradient is a limit, the limit of what its special edges add; nan where there is none.

    Without those at a kink where the convention holds. Of nodes that move together a partial derivative is no part of
    the derivative in their direction, if it is known that the limits on curves differ.
    """
    result = {}
    others = {paths.number[id(x)] for x in together if id(x) in paths.number}
    targets = []
    for i in range(len(paths.nodes)):
        if paths.levels[i] != _ORDINARY and (wanted is None or i in wanted):
            if paths.levels[i] == _NONE:
                result[i] = math.nan
            else:
                targets.append(i)
    for whole in (False, True):
        if not targets:
            break
        region = _Region(paths, targets, whole, range(len(paths.order)))
        sides = _sides(region)
        targets = []
        complete = paths.left >= 0
        for i, each in sides.items():
            result.pop(i, 0.0)
            known = [x for x in each if x == x]
            apart = others - {i} if i in others and known and not _agree(known) else set()
            axis = each if _agree(each) else region.on_axis(i, apart)
            if complete and _agree(axis):
                result[i] = _shortest(axis)
            elif paths.left < 0 or paths.levels[i] == _INDETERMINATE or not all(map(math.isfinite, each)):
                result[i] = math.nan
                if not axis or any(x != x for x in [*each, *axis]):  # it may be known further from above
                    targets.append(i)
    return result


def _sides(region: _Region) -> dict[int, list[float]]:
    """For each target the limits on the curves, as far as it takes to see that they differ."""
    sides: dict[int, list[float]] = {i: [] for i in region.targets}
    for curve in _curves(len(region.moving)):
        if not region.paths.affords(region.cost):
            break
        found = region.on(curve)
        largest = max([abs(x) for x in found.values() if math.isfinite(x)], default=0.0)
        for i, limit in found.items():
            sides[i].append(0.0 if abs(limit) < 1e-3 * _TOLERANCE * largest else limit)
        if all(each and not _agree(each) for each in sides.values()):
            break
    return sides


def _agree(sides: list[float]) -> bool:
    """Whether there are some, and all are the same but for rounding."""
    if not sides or any(x != x for x in sides):
        return False
    low, high = min(sides), max(sides)
    if math.isinf(low) or math.isinf(high):
        return low == high
    return high - low <= _TOLERANCE * max(abs(low), abs(high))


def _shortest(same: list[float]) -> float:
    """One of numbers that differ by rounding: with the fewest digits, as that is what they are rounded from."""
    found = min(same, key=lambda x: (len(repr(x)), x))
    short = float(f"{found:.12g}")
    return short if abs(short - found) <= 2.0**-48 * abs(found) else found


def _curves(count: int) -> list[list[tuple[float, float]]]:
    """How the leaves move: for each curve, and each leaf, the step and the power of ε.

    All forwards and all backwards first, as domains end at 0 from one side; then with mixed signs; then with the leaves
    in two groups, one of which hardly moves, such that each leaf is in front of each other (up to 8, as the groups are
    the bits of their numbers).
    """
    signs = [[1.0] * count]
    orders = [[1.0] * count]
    if count > 1:
        signs.append([1.0 if k % 3 else -1.0 for k in range(count)])
        orders.append(orders[0])
        for bit in range(min(3, (count - 1).bit_length())):
            for front in (0, 1):
                signs.append(signs[0])
                orders.append([1.0 if (k >> bit) & 1 == front else _BEHIND for k in range(count)])
    curves = []
    for way in (1.0, -1.0):
        for c in range(len(signs)):
            steps = [way * signs[c][k] * (0.5 + math.modf((k + 1) * _GOLDEN + 0.3 * c)[0]) for k in range(count)]
            curves.append(list(zip(steps, orders[c], strict=True)))
    curves.insert(1, curves.pop(len(signs)))
    return curves


class _Region:
    """The part of a graph in which gradients are limits.

    Args:
        paths: The graph.
        targets: The nodes whose gradients are wanted.
        whole: Whether to begin at the output, and not at nodes with an ordinary gradient, of which no more is known
            than that it is near this one on the curves.
        within: The numbers of nodes with operands among which those are that it needs, in ascending order.

    Attributes:
        inside: The numbers of the nodes with operands that are evaluated, in ascending order.
        cost: How many evaluations a curve takes.
    """

    def __init__(self, paths: Paths, targets: list[int], whole: bool, within: Sequence[int]) -> None:
        self.paths: Paths = paths
        self.whole: bool = whole
        self.targets: set[int] = set(targets)
        count = len(paths.order)
        #: the nodes whose gradients are followed along the curves
        self.followed: list[bool] = [False] * len(paths.nodes)
        for i in reversed(within):
            self.followed[i] = any(edge is not None and self._leads_on(edge) for edge in paths.edges[i])
        #: the nodes whose values are
        self.evaluated: list[bool] = list(self.followed)
        self.inside: list[int] = []
        self.cost: int = 0
        for i in within:
            if self.evaluated[i]:
                parents = paths.order[i].parents
                self.inside.append(i)
                self.cost += (1 + len(parents)) * (2 if self.followed[i] else 1)
                for parent in parents:
                    if id(parent) in paths.number:
                        self.evaluated[paths.number[id(parent)]] = True
        self.moving: list[int] = [i for i in range(count, len(paths.nodes)) if self.evaluated[i]]

    def _leads_on(self, edge: Edge) -> bool:
        target = edge.target
        if target in self.targets and edge.special:
            return True
        if target < len(self.paths.order) and self.paths.order[target]._code == POS and not edge.special:
            return False  # it has been added already
        return self.followed[target] and not self._is_start(target)

    def _is_start(self, i: int) -> bool:
        return not self.whole and self.paths.is_ordinary(i)

    def on(self, curve: list[tuple[float, float]]) -> dict[int, float]:
        """Return the limits on one curve: nan where there is none, and nothing where the function is not defined."""
        return self._limits(self._values(curve))

    def _limits(self, values: list[Any]) -> dict[int, float]:
        paths = self.paths
        gradients: list[Any] = [0.0] * len(paths.nodes)
        gradients[0] = paths.gradients[0]
        sums: dict[int, Any] = dict.fromkeys(self.targets, 0.0)
        for i in self.inside:
            if not self.followed[i]:
                continue
            gradient = seed(paths.gradients[i]) if i != 0 and self._is_start(i) else gradients[i]
            edges = paths.edges[i]
            local = self._partials(i, [edge is not None and self._leads_on(edge) for edge in edges], values)
            for k in range(len(edges)):
                edge = edges[k]
                if edge is None or not self._leads_on(edge):
                    continue
                share = _times(gradient, local if isinstance(local, Exception) else local[k])
                if edge.target in self.targets and edge.special:
                    sums[edge.target] = _plus(sums[edge.target], share)
                gradients[edge.target] = _plus(gradients[edge.target], share)
        found = {}
        for i, total in sums.items():
            if not isinstance(total, UndefinedError):
                found[i] = _known(total)
        return found

    def on_axis(self, target: int, others: set[int]) -> list[float]:
        """Return the limits where this leaf moves alone, forwards and backwards: what a partial derivative is by
        definition.

        Nothing if the function, which may be a derivative, jumps there: then the limit of its derivative is none. And
        nothing if one of the others takes part, which are to move, too.
        """
        paths = self.paths
        if paths.left < 0 or target not in self.moving or not math.isfinite(paths.nodes[target]._number):
            return []
        part = _Region(paths, [target], self.whole, self.inside)
        if any(part.evaluated[i] for i in others):
            return []
        if not paths.affords((len(self.inside) + len(self.moving)) // 8 + 2 * part.cost):
            return []
        found = []
        for step in (1.0, -1.0):
            curve = [(step if i == target else 0.0, 1.0) for i in part.moving]
            values = part._values(curve)
            for i in part.inside:
                if part.followed[i] and (i == 0 or part._is_start(i)) and _jumps(values[i], paths.order[i]._number):
                    return []
            limit = part._limits(values).get(target)
            if limit is not None:
                found.append(limit)
        return found

    def _values(self, curve: list[tuple[float, float]]) -> list[Any]:
        """Series, floats, or the error that says why there is none."""
        paths = self.paths
        values: list[Any] = [None] * len(paths.nodes)
        for k in range(len(self.moving)):
            i = self.moving[k]
            number = paths.nodes[i]._number
            # a leaf that is infinite stays where it is
            values[i] = epsilon(number, curve[k][0], curve[k][1]) if math.isfinite(number) else number
        for i in reversed(self.inside):
            values[i] = self._value(paths.order[i], values)
        return values

    def _value(self, node: Value, values: list[Any]) -> Any:
        op = BY_CODE[node._code]
        assert op is not None
        operands = self._operands(node, values)
        failure = _failure(operands)
        if failure is not None and not op.chooses:
            return failure
        try:
            value = evaluate(op, operands)
        except (UndefinedError, UnknownError, TypeError) as error:  # what failed is chosen
            return failure or error
        return value.settled(node._number) if isinstance(value, Series) else value

    def _operands(self, node: Value, values: list[Any]) -> list[Any]:
        number = self.paths.number
        return [values[number[id(x)]] if id(x) in number else x._number for x in node.parents]

    def _partials(self, i: int, wanted: list[bool], values: list[Any]) -> Any:
        """Return the rule on series, or the error that says why it has no result."""
        node = self.paths.order[i]
        op = BY_CODE[node._code]
        assert op is not None
        operands = self._operands(node, values)
        try:
            return partials(op, operands, values[i], wanted)
        except (UndefinedError, UnknownError) as error:
            return error
        except TypeError:
            return _failure([*operands, values[i]]) or UnknownError()


def _known(x: Any) -> float:
    """Return the limit of a series or float; nan for an error, or where it is not known so far."""
    try:
        return x.coefficient() if isinstance(x, Series) else float(x)
    except (UnknownError, TypeError):
        return math.nan


def _jumps(value: Any, number: float) -> bool:
    return not isinstance(value, UndefinedError) and not abs(_known(value) - number) <= _TOLERANCE * abs(number)


def _failure(xs: Sequence[Any]) -> Any:
    """Where the function is not defined, it does not matter what is not known."""
    failures = [x for x in xs if isinstance(x, Exception)]
    undefined = [x for x in failures if isinstance(x, UndefinedError)]
    return (undefined or failures or [None])[0]


def _times(x: Any, y: Any) -> Any:
    """x·y, where an exact 0 takes everything with it, and an error all else."""
    if (isinstance(x, float) and x == 0.0) or (isinstance(y, float) and y == 0.0):
        return 0.0
    failure = _failure([x, y])
    if failure is not None:
        return failure
    try:
        return x * y
    except UnknownError as error:
        return error


def _plus(x: Any, y: Any) -> Any:
    failure = _failure([x, y])
    if failure is not None:
        return failure
    try:
        return x + y
    except UnknownError as error:
        return error


# --------------------------------------------------------------------------------- gradients that are graphs


class Plan:
    """What a sweep that records derivatives has to know where there are limits, or kinks.

    Args:
        order: The nodes, each before its operands.
        inputs: The nodes to differentiate by.
    """

    def __init__(self, order: list[Value], inputs: Sequence[Value], together: Sequence[Value] = ()) -> None:
        self.paths: Paths = Paths(order, 1.0)
        number = self.paths.number
        wanted = {number[id(x)] for x in inputs if id(x) in number}
        self.limits: dict[int, float] = limits(self.paths, wanted, together)
        #: by number: what the edges come to that are limits, or behind kinks
        self.apart: list[float] = self.paths.sums(special=True, kinked=True)
        behind = self.paths.sums(special=False, kinked=True)
        for i, limit in self.limits.items():
            self.apart[i] = limit + behind[i]

    def edge(self, i: int, k: int) -> Edge | None:
        """Return the edge from the i-th node to its k-th operand; None if nothing that is infinite may pass there."""
        edges = self.paths.edges[i]
        return edges[k] if edges else None

    def is_apart(self, edge: Edge) -> bool:
        """Whether what is recorded for it goes under a ``limit`` node."""
        return edge.kinked or (edge.target in self.limits and edge.special)

    def limit_of(self, x: Value, derivative: Value) -> Value:
        """Return the node over what the chain rule recorded; its number is the derivative at this point."""
        number = self.apart[self.paths.number[id(x)]]
        STATE.singular = True
        node = derivative._unary(LIMIT)
        node._number = number
        return node


def plan(order: list[Value], inputs: Sequence[Value], together: Sequence[Value] = ()) -> Plan | None:
    """Return what to know of a graph before derivatives by the inputs are recorded; None if it is smooth here."""
    return Plan(order, inputs, together) if is_singular(order) or has_corner(order) else None


STATE.sweep_slowly = sweep_slowly
