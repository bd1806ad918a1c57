"""What cancels on the way back through a graph, such as all of −y/ŷ + (1−y)/(1−ŷ) times ŷ·(1−ŷ) but ŷ − y.

Found by exact algebra over the formulas of the operation table, whatever the graph looks like; and shown only if the
result, evaluated in floats, is the adjoint that the backward sweep found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.value import Value
from tinygrad_lite.viz.derivation.algebra import ONE, ZERO, Algebra, Ratio, TooComplexError, times
from tinygrad_lite.viz.derivation.paths import Between
from tinygrad_lite.viz.formulas.formula_values import evaluate
from tinygrad_lite.viz.formulas.formulas import (
    Call,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Symbol,
    Tree,
    parts_of,
    rebuilt,
)
from tinygrad_lite.viz.formulas.local_formulas import Application

#: A result with more terms does not look simpler.
_TERMS: Final = 3
#: By how much the result may differ from the adjoint, relative to its terms: both are rounded.
_TOLERANCE: Final = 1e-9

#: Functions whose value is a probability that a network predicts.
_PREDICTIONS: Final = ("sigmoid", "softmax")


class Cancellation(NamedTuple):
    """An adjoint that comes to something simple."""

    #: ∂root/∂node, simplified
    result: Tree
    #: whether denominators cancelled; if not, it is a prediction less its target as it stands
    cancelled: bool
    #: what is predicted, if the result is a number times a prediction, less something or not
    prediction: Tree | None
    #: whether something is subtracted from it
    has_target: bool


class Adjoints:
    """The derivative of a root by each node on a path below it, as formulas.

    Args:
        between: The nodes.
        applications: The operations of interior nodes, by id.

    >>> from tinygrad_lite.viz.derivation.notation import Notation
    >>> x = Value(0.5, label="x")
    >>> between = Between(x.log().exp(), x)
    >>> Adjoints(between, Notation(between, {}, 4).applications).at(x, 1.0) is None
    True
    """

    def __init__(self, between: Between, applications: Mapping[int, Application]) -> None:
        self.between = between
        self.applications = applications
        self.algebra = Algebra(_meanings(applications), _names(applications))
        self._predictions = {
            application.result for application in applications.values() if application.op.name in ("sigmoid", "softmax")
        }
        self.ratios = self._sweep()

    def at(self, node: Value, adjoint: float, *, with_zero: bool = False) -> Cancellation | None:
        """Return what the derivative of the root by a node comes to, if that is worth showing.

        Args:
            node: The node.
            adjoint: The number that the backward sweep found.
            with_zero: Whether a prediction is worth showing from which no target is subtracted, because it is 0.
        """
        ratio = self.ratios.get(id(node))
        if ratio is None or ratio.bottom or len(ratio.top) > _TERMS:
            return None
        cancelled = any(self._had_denominators(user, node) for user in self._users(node))
        result = self.algebra.tree(ratio)
        prediction = self._prediction(ratio)
        has_target = prediction is not None and len(ratio.top) == 2
        if not (cancelled or has_target or (with_zero and prediction)) or not self._is_right(ratio, adjoint):
            return None
        return Cancellation(result, cancelled, prediction, has_target)

    def sections(self, stations: Sequence[Value]) -> list[tuple[Value, Value]]:
        """Neighbours of nodes that all paths pass; first steps whose derivative is a number go with the next one."""
        first = 0
        while first < len(stations) - 2 and isinstance(self._step(*stations[first : first + 2]), (Number, Negative)):
            first += 1
        return [(stations[0], stations[first + 1]), *pairwise(stations[first + 1 :])]

    def _step(self, upper: Value, lower: Value) -> Tree | None:
        """Return the derivative of a node by its operand; None if there are several paths between the two."""
        return self.partial(upper, lower) if self.between.count_paths(upper, lower) == 1 else None

    def section(self, upper: Value, lower: Value) -> tuple[Tree, Tree] | None:
        """Return the derivative of a bottleneck by the next one: as the sum over the paths, and over one
        denominator."""
        if self.between.count_paths(upper, lower) > _TERMS:
            return None
        try:
            paths = self.between.list_paths(upper, lower)
            if len(paths) == 1:
                factors = [self.partial(a, b) for a, b in pairwise(paths[0])]
                renamed = [rebuilt(factor, self.algebra.names.get) for factor in factors]
                tree = renamed[0] if len(renamed) == 1 else self.algebra.tree(self._along(paths[0]))
                return tree, tree
            ratios = [self._along(path) for path in paths]
        except TooComplexError:
            return None
        total = ZERO
        for ratio in ratios:
            total = self.algebra.plus(total, ratio)
        terms = [self.algebra.tree(ratio) for ratio in ratios if ratio.top]
        separate: Tree = Sum(tuple(terms)) if len(terms) > 1 else terms[0] if terms else Number(0)
        return separate, self.algebra.tree(total)

    def partial(self, node: Value, operand: Value) -> Tree:
        """∂node/∂operand, the sum over all places in which the node uses it."""
        application = self.applications[id(node)]
        trees = [application.partial(k) for k in self.between.uses(node, operand)]
        if all(tree == trees[0] for tree in trees):
            return trees[0] if len(trees) == 1 else Product((Number(len(trees)), trees[0]))
        return Sum(tuple(trees))

    def _along(self, path: list[Value]) -> Ratio:
        ratio = ONE
        for node, operand in pairwise(path):
            ratio = times(ratio, self.algebra.ratio(self.partial(node, operand)))
        return ratio

    def _sweep(self) -> dict[int, Ratio]:
        """Return the adjoints from the root down, as far as they are simple enough."""
        nodes = self.between.nodes
        found: dict[int, Ratio] = {id(nodes[0]): ONE}
        lost: set[int] = set()
        for node in nodes[:-1]:
            adjoint = found.get(id(node))
            for operand in self.between.operands(node):
                known = None if adjoint is None or id(node) in lost else self._share(adjoint, node, operand)
                total = None if known is None else self._total(found.get(id(operand), ZERO), known)
                if total is None:
                    lost.add(id(operand))
                else:
                    found[id(operand)] = total
        return {key: ratio for key, ratio in found.items() if key not in lost}

    def _share(self, adjoint: Ratio, node: Value, operand: Value) -> Ratio | None:
        """Return what a node passes on to an operand; None if that is too complex."""
        try:
            return times(adjoint, self.algebra.ratio(self.partial(node, operand)))
        except TooComplexError:
            return None

    def _total(self, x: Ratio, y: Ratio) -> Ratio | None:
        try:
            return self.algebra.plus(x, y)
        except TooComplexError:
            return None

    def _users(self, node: Value) -> list[Value]:
        return [user for user in self.between.nodes[:-1] if any(x is node for x in self.between.operands(user))]

    def _had_denominators(self, user: Value, node: Value) -> bool:
        """Whether a factor of what a user passes on has a name in its denominator."""
        ratio = self.ratios.get(id(user))
        return ratio is not None and bool(ratio.bottom or self.algebra.ratio(self.partial(user, node)).bottom)

    def _prediction(self, ratio: Ratio) -> Tree | None:
        """Return the prediction p, if the ratio is p − t, or a number times that, where t has nothing to do with p."""
        terms = list(ratio.top.items())
        if len(terms) == 1:
            terms.append(((), -terms[0][1]))
        if len(terms) != 2 or terms[0][1] != -terms[1][1]:
            return None
        one, other = terms[0][0], terms[1][0]
        for monomial, rest in ((one, other), (other, one)):
            if len(monomial) == 1 and monomial[0][1] == 1 and len(rest) <= 1:
                atom = self.algebra.atoms[monomial[0][0]]
                if atom in self._predictions or (isinstance(atom, Call) and atom.function in _PREDICTIONS):
                    return atom
        return None

    def _is_right(self, ratio: Ratio, adjoint: float) -> bool:
        try:
            terms = [evaluate(self.algebra.tree(Ratio({monomial: value}, ()))) for monomial, value in ratio.top.items()]
        except (ArithmeticError, ValueError):
            return False
        size = math.fsum(map(abs, terms))
        return math.isfinite(size) and abs(math.fsum(terms) - adjoint) <= _TOLERANCE * (size + abs(adjoint))


def _meanings(applications: Mapping[int, Application]) -> dict[Symbol, Tree]:
    """Return the formulas of nodes that are made of + − · / and whole powers alone."""
    found = {}
    for application in applications.values():
        formula, name = application.formula(), application.result
        if isinstance(name, Symbol) and _is_arithmetic(formula):
            found[name] = formula
    return found


def _names(applications: Mapping[int, Application]) -> dict[Tree, Tree]:
    """Return what other formulas are called: by the node that has the formula; and a share of exponentials is the
    softmax."""
    found: dict[Tree, Tree] = {}
    for application in applications.values():
        formula = application.formula()
        if not _is_arithmetic(formula):
            found.setdefault(formula, application.result)
        if application.op.operands == ("xs",):
            for k in range(len(application.operands)):
                of_these = Application(TABLE["softmax"], (*application.operands, Number(k)), application.result)
                share = of_these.formula()
                if application.partial(k) == share:
                    call = Call("softmax", application.operands, Number(k + 1))
                    found.setdefault(share, found.get(call, call))
        if application.op.name == "softmax":
            place, values = evaluate(application.operands[-1]), application.operands[:-1]
            call = Call("softmax", values, Number(int(place) % len(values) + 1))
            found[call] = found[formula] = application.result
    return found


def _is_arithmetic(formula: Tree) -> bool:
    """Whether it is made of + − · / and powers alone."""
    return all(
        isinstance(part, (Number, Symbol, Sum, Negative, Product, Quotient, Power)) for part in parts_of(formula)
    )
