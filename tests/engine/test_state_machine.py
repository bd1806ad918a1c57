"""Graphs that grow, change, are differentiated and copied in any order hold what a naive reference says.

The reference differentiates forwards, one node at a time, by formulas written out here; it knows that a graph is stale
because every node remembers which versions of its operands it has seen. It shares no idea with the engine, which sweeps
backwards and compares the times of one clock.
"""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, initialize, invariant, multiple, rule

import tinygrad_lite as tg
from tinygrad_lite import StaleGraphError, Value

#: For each operation: its number, and its local derivatives.
FORMULAS: dict[str, tuple[Callable[..., float], Callable[..., list[float]]]] = {
    "add": (lambda x, y: x + y, lambda x, y: [1.0, 1.0]),
    "sub": (lambda x, y: x - y, lambda x, y: [1.0, -1.0]),
    "mul": (lambda x, y: x * y, lambda x, y: [y, x]),
    "truediv": (lambda x, y: x / y, lambda x, y: [1.0 / y, -x / (y * y)]),
    "maximum": (max, lambda x, y: [(x > y) + 0.5 * (x == y), (x < y) + 0.5 * (x == y)]),
    "neg": (lambda x: -x, lambda x: [-1.0]),
    "abs": (abs, lambda x: [float((x > 0.0) - (x < 0.0))]),
    "relu": (lambda x: max(x, 0.0), lambda x: [float(x > 0.0)]),
    "sin": (math.sin, lambda x: [math.cos(x)]),
    "tanh": (math.tanh, lambda x: [1.0 / math.cosh(x) ** 2]),
    "sum": (lambda *xs: sum(xs), lambda *xs: [1.0 for _ in xs]),
    "prod": (lambda *xs: math.prod(xs), lambda *xs: [math.prod(xs[:k] + xs[k + 1 :]) for k in range(len(xs))]),
    "dot": (lambda w, v, x, y, b: b + w * x + v * y, lambda w, v, x, y, b: [x, y, w, v, 1.0]),
}
#: How the package is asked for each.
CALLS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "truediv": lambda x, y: x / y,
    "maximum": tg.maximum,
    "neg": lambda x: -x,
    "abs": abs,
    "relu": tg.relu,
    "sin": tg.sin,
    "tanh": tg.tanh,
    "sum": lambda *xs: tg.sum(xs),
    "prod": lambda *xs: tg.prod(xs),
    "dot": lambda w, v, x, y, b: tg.dot([w, v], [x, y], b),
}
ARITY = dict.fromkeys(("add", "sub", "mul", "truediv", "maximum"), 2) | {"sum": 3, "prod": 3, "dot": 5}
Mode = Callable[[], AbstractContextManager[None]]


class Node:
    """The reference: a number, how it was made, and which versions of its operands that has seen."""

    def __init__(self, data: float, name: str = "", operands: tuple[Node, ...] = ()) -> None:
        self.data = data
        self.name = name
        self.operands = operands
        self.grad = 0.0
        #: the sizes of all that was ever added to grad: what its rounding errors are relative to
        self.size = 0.0
        self.version = 0
        self.seen = [x.version for x in operands]

    def below(self) -> list[Node]:
        """Itself and everything below, operands first."""
        found: list[Node] = []
        for x in self.operands:
            found += [node for node in x.below() if node not in found]
        return [*found, self]

    def is_stale(self) -> bool:
        return any(node.seen != [x.version for x in node.operands] for node in self.below())

    def evaluate_again(self) -> None:
        for node in self.below():
            versions = [x.version for x in node.operands]
            if node.seen != versions:
                node.data = FORMULAS[node.name][0](*[x.data for x in node.operands])
                node.seen = versions
                node.version += 1

    def slope(self, by: Node) -> tuple[float, float]:
        """∂self/∂by, and the same with every term's absolute value: forward mode."""
        slopes: dict[Node, tuple[float, float]] = {}
        for node in self.below():
            partials = FORMULAS[node.name][1](*[x.data for x in node.operands]) if node.operands else []
            terms = [(p * slopes[x][0], abs(p) * slopes[x][1]) for p, x in zip(partials, node.operands, strict=True)]
            slopes[node] = (1.0, 1.0) if node is by else (sum(t for t, _ in terms), sum(t for _, t in terms))
        return slopes[self]

    def differentiate(self, seed: float) -> None:
        """Leaves add up; interior nodes are set afresh; a plain number that met a Value has no gradient."""
        for node in self.below():
            if node.name == "number":
                continue
            slope, size = self.slope(node)
            kept, kept_size = (0.0, 0.0) if node.operands else (node.grad, node.size)
            node.grad, node.size = kept + seed * slope, kept_size + abs(seed) * size

    def bound(self) -> float:
        """How great the number can become while leaves stay within ±2."""
        limits = [x.bound() for x in self.operands]
        if self.name == "truediv":  # by a plain number only
            return limits[0] / abs(self.operands[1].data)
        if self.name == "dot":
            return limits[0] * limits[2] + limits[1] * limits[3] + limits[4]
        if self.name in ("mul", "prod"):
            return math.prod(limits)
        return sum(limits) if limits else max(2.0, abs(self.data))


class Pair(NamedTuple):
    """A node of the engine, and the reference's."""

    value: Value
    node: Node


def duplicate(node: Node, memo: dict[Node, Node]) -> Node:
    """A copy of everything below a node, which remembers what it has seen."""
    if node not in memo:
        twin = Node(node.data, node.name, tuple(duplicate(x, memo) for x in node.operands))
        twin.grad, twin.size, twin.version, twin.seen = node.grad, node.size, node.version, list(node.seen)
        memo[node] = twin
    return memo[node]


def side_by_side(value: Value, node: Node, found: dict[Node, Value]) -> None:
    """Adds to ``found`` which node of the engine stands for which of the reference: the graphs have one shape."""
    assert value is found.setdefault(node, value)
    for x, y in zip(value.parents, node.operands, strict=True):
        side_by_side(x, y, found)


#: coarse, so that kinks and ties are met
small = st.integers(-8, 8).map(lambda k: k / 4.0)
names = st.sampled_from([*FORMULAS, "add", "mul", "mul"])
places = st.integers(0, 9)
steps = st.tuples(names, st.lists(st.integers(0, 7), min_size=5, max_size=5), small, places)
modes: st.SearchStrategy[Mode] = st.sampled_from([nullcontext, nullcontext, tg.no_grad, tg.detect_anomaly])


class Graphs(RuleBasedStateMachine):
    """What a user can do to graphs."""

    nodes = Bundle("nodes")
    #: a node, often the newest
    roots = st.one_of(st.none(), nodes)

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[Node, Value] = {}

    def keep(self, value: Value, node: Node) -> Pair:
        self.values[node] = value
        if node.operands:
            self.newest = Pair(value, node)
        return Pair(value, node)

    # ------------------------------------------------------------------------------------------- graphs grow

    def record(self, name: str, operands: list[Pair], number: float, place: int, mode: Mode) -> MultipleResults[Pair]:
        """Any operation on nodes of any kind; at times a plain number stands in the place of one."""
        operands = operands[: ARITY.get(name, 1)]
        values: list[Any] = [x.value for x in operands]
        nodes = [x.node for x in operands]
        if name == "truediv":  # by a plain number only, so that a bound can be told
            number, place = math.copysign(max(abs(number), 0.25), number), 1
        if place < len(nodes) > 1:
            values[place], nodes[place] = number, Node(number, "number")
        node = Node(FORMULAS[name][0](*[x.data for x in nodes]), name, tuple(nodes))
        if node.bound() > 1e6 or len(node.below()) > 40:
            return multiple()
        with mode():
            value = CALLS[name](*values)
        return multiple(self.keep(value, Node(node.data) if mode is tg.no_grad else node))

    @initialize(
        target=nodes, xs=st.lists(small, min_size=3, max_size=3), program=st.lists(steps, min_size=6, max_size=12)
    )
    def first_nodes(self, xs: list[float], program: list[Any]) -> MultipleResults[Pair]:
        """A graph to begin with, or most machines would have little to do: of the rules some are drawn never."""
        pairs = [self.keep(Value(x), Node(x)) for x in xs]
        for name, choices, number, place in program:
            pairs += self.record(name, [pairs[-1 - k % len(pairs)] for k in choices], number, place, nullcontext).values
        self.newest.value.backward()
        self.newest.node.differentiate(1.0)
        return multiple(*pairs)

    @rule(target=nodes, x=small)
    def leaf(self, x: float) -> Pair:
        return self.keep(Value(x), Node(x))

    @rule(
        target=nodes,
        name=names,
        xs=st.lists(roots, min_size=5, max_size=5),
        number=small,
        place=places,
        mode=modes,
    )
    def operation(
        self, name: str, xs: list[Pair | None], number: float, place: int, mode: Mode
    ) -> MultipleResults[Pair]:
        return self.record(name, [x or self.newest for x in xs], number, place, mode)

    # --------------------------------------------------------------------------------------- and are copied

    @rule(target=nodes, a=nodes)
    def shallow_copy(self, a: Pair) -> Pair:
        node = Node(a.node.data, a.node.name, a.node.operands)
        node.grad, node.size, node.seen = a.node.grad, a.node.size, list(a.node.seen)
        return self.keep(copy.copy(a.value), node)

    @rule(target=nodes, root=roots, b=nodes, pickled=st.booleans())
    def deep_copy(self, root: Pair | None, b: Pair, pickled: bool) -> MultipleResults[Pair]:
        """Of two graphs at once: what they share stays shared, and nothing is shared with the originals."""
        a = root or self.newest
        both = (a.value, b.value)
        values = pickle.loads(pickle.dumps(both)) if pickled else copy.deepcopy(both)
        memo: dict[Node, Node] = {}
        found: dict[Node, Value] = {}
        for value, pair in zip(values, (a, b), strict=True):
            side_by_side(value, duplicate(pair.node, memo), found)
        originals: dict[Node, Value] = {}
        for pair in (a, b):
            side_by_side(pair.value, pair.node, originals)
        assert not {id(x) for x in originals.values()} & {id(x) for x in found.values()}
        copies = [self.keep(x, y) for y, x in found.items()]
        return multiple(*[pair for pair in copies if pair.node.name != "number"][-3:])

    # ------------------------------------------------------------------------------- and change, and are swept

    @rule(root=roots, which=st.integers(0, 7), x=small)
    def set_data_below(self, root: Pair | None, which: int, x: float) -> None:
        leaves = [node for node in (root or self.newest).node.below() if not node.operands and node.name != "number"]
        if leaves:
            leaf = leaves[which % len(leaves)]
            self.values[leaf].data = x
            leaf.data = x
            leaf.version += 1

    @rule(root=roots, x=small)
    def set_data_of_an_interior_node(self, root: Pair | None, x: float) -> None:
        """It is stale until it is evaluated again; what is recorded on it before that uses the number."""
        a = root or self.newest
        if a.node.operands:
            a.value.data = x
            a.node.data, a.node.seen = x, []
            a.node.version += 1

    @rule(a=nodes, x=small)
    def set_grad(self, a: Pair, x: float) -> None:
        a.value.grad = x
        a.node.grad, a.node.size = x, abs(x)

    @rule(root=roots, mode=modes)
    def forward(self, root: Pair | None, mode: Mode) -> None:
        a = root or self.newest
        with mode():
            assert a.value.forward() is a.value
        a.node.evaluate_again()

    @rule(root=roots, seed=st.sampled_from([1.0, -2.0, 0.0, 0.5]), mode=modes)
    def backward(self, root: Pair | None, seed: float, mode: Mode) -> None:
        a = root or self.newest
        with mode():
            if a.node.is_stale():
                with pytest.raises(StaleGraphError):
                    a.value.backward(seed)
            else:
                a.value.backward(seed)
                a.node.differentiate(seed)

    @rule(a=nodes)
    def zero_grad(self, a: Pair) -> None:
        a.value.zero_grad()
        for node in a.node.below():
            node.grad = node.size = 0.0

    @rule(root=roots, inputs=st.lists(nodes, max_size=3), create_graph=st.booleans())
    def gradient(self, root: Pair | None, inputs: list[Pair], create_graph: bool) -> None:
        a = root or self.newest
        values = [x.value for x in inputs]
        if a.node.is_stale():
            with pytest.raises(StaleGraphError):
                tg.gradient(a.value, values, create_graph)
            return
        found = tg.gradient(a.value, values, create_graph)
        for x, derivative in zip(inputs, found, strict=True):
            slope, size = a.node.slope(x.node)
            number = derivative.data if create_graph else derivative
            assert number == pytest.approx(slope, rel=0.0, abs=1e-12 * size)

    @invariant()
    def every_node_is_as_the_reference_says(self) -> None:
        for node, value in self.values.items():
            assert value.data == node.data
            assert value.grad == pytest.approx(node.grad, rel=0.0, abs=1e-12 * node.size)
            assert value.is_leaf == (not node.operands)


TestGraphs = Graphs.TestCase
TestGraphs.settings = settings(stateful_step_count=30)
