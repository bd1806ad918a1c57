"""What the soak does with graphs: any operation of the table, changes, copies, second derivatives, pictures."""

from __future__ import annotations

import copy
import json
import math
import operator
import pickle
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import ordinary_expressions
from world import World, check_graph, is_variable, nodes_below, require

import tinygrad_lite as tg
from tinygrad_lite import StaleGraphError, Value, viz
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import load
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing import check_gradients

_OPERATIONS = [op for op in TABLE.values() if op.public]
_GREATEST = 1e3
_STEEPEST = 1e4


def grow(world: World) -> None:
    """Make a graph of up to 40 nodes, of any operations of the table."""
    rng = world.rng
    nodes = [Value(rng.uniform(-2.0, 2.0), label=f"x{k}") for k in range(rng.randint(1, 5))]
    for _ in range(rng.randint(1, 40)):
        node = _apply(world, rng.choice(_OPERATIONS), nodes)
        if node is not None:
            nodes.append(node)
    world.keep(world.graphs, nodes[-1])
    world.counts["nodes"] += len(nodes)


def _apply(world: World, op: Op, nodes: list[Value]) -> Value | None:
    """Apply an operation to nodes and plain numbers; None where it raises as a float would, or is large or steep."""
    rng = world.rng

    def operand() -> Any:
        return rng.choice(nodes) if rng.random() < 0.85 else rng.choice((0.5, -1.0, 2, 1.25, True))

    function: Callable[..., Any] = getattr(tg, op.name, None) or getattr(operator, op.name)
    if op.arity == NARY:
        count = rng.randint(1, 5)
        given = [
            rng.randrange(count)
            if name == "index"
            else operand()
            if name == "bias"
            else [operand() for _ in range(count)]
            for name in (op.operands if op.name != "softmax" else op.operands[:1])  # it gives all at once
        ]
    else:
        given = [rng.choice((0.0, 1.0)) if d.whole else operand() for d in op.domain]
    try:
        node = function(*given)
        if isinstance(node, (list, tuple)):
            node = rng.choice(node)
        if not isinstance(node, Value) or not node.parents:
            return None  # of plain numbers alone
        steep = [p for p in node.partials if not abs(p) < _STEEPEST]
    except (ArithmeticError, ValueError):
        world.counts["errors of domains"] += 1
        return None
    return None if steep or not abs(node.data) < _GREATEST else node


def change(world: World) -> None:
    """Give a leaf another number: the graph is stale until it is evaluated again, and right afterwards."""
    root = _any_graph(world)
    leaves = [node for node in nodes_below(root) if is_variable(node)]
    if not leaves or not root.parents:
        return
    leaf = world.rng.choice(leaves)
    before, leaf.data = leaf.data, world.rng.uniform(-2.0, 2.0)
    try:
        root.backward()
    except StaleGraphError:
        pass
    else:
        require(leaf.data == before, "a stale graph was differentiated")
    try:
        root.forward()
        usable = all(abs(node.data) < _GREATEST for node in nodes_below(root)) and all(
            abs(p) < _STEEPEST for node in nodes_below(root) for p in node.partials
        )
    except (ArithmeticError, ValueError):
        usable = False
    if not usable:
        leaf.data = before
        root.forward()
    check_graph(root)


def duplicate(world: World) -> None:
    """Copy a graph, by pickle or by ``copy``: the same bits, and nothing shared."""
    root = _any_graph(world)
    twin = pickle.loads(pickle.dumps(root)) if world.rng.random() < 0.5 else copy.deepcopy(root)
    pairs = list(zip(nodes_below(root), nodes_below(twin), strict=True))
    for a, b in pairs:
        require(a is not b, "a copy shares a node")
        require(
            (a.op, a.data.hex(), a.grad.hex(), a.label) == (b.op, b.data.hex(), b.grad.hex(), b.label), "a copy differs"
        )
    world.keep(world.graphs, twin)


def differentiate_twice(world: World) -> None:
    """Differentiate twice: second derivatives are symmetric, and first ones as Values are those as floats."""
    root = _any_graph(world)
    leaves = [node for node in nodes_below(root) if is_variable(node)][:4]
    if not leaves or not root.parents:
        return
    plain = tg.gradient(root, leaves)
    try:
        slopes = tg.gradient(root, leaves, create_graph=True)
        rows = [tg.gradient(slope, leaves) for slope in slopes]
    except (ArithmeticError, ValueError):
        world.counts["second derivatives that are infinite"] += 1
        return
    for slope, number in zip(slopes, plain, strict=True):
        require(abs(slope.data - number) <= 1e-9 * (1.0 + abs(number)), "slopes differ:", slope.data, number)
    largest = max([abs(x) for row in rows for x in row])
    if largest < 1e8:
        for i in range(len(rows)):
            for k in range(i):
                require(abs(rows[i][k] - rows[k][i]) <= 1e-6 * (1.0 + largest), "not symmetric:", rows)


def deep_chain(world: World) -> None:
    """Differentiate a chain of up to 200,000 nodes, and free it."""
    x = Value(world.rng.uniform(0.5, 1.5))
    y, count = x, world.rng.randint(10_000, 200_000)
    for _ in range(count // 2):
        y = -(y + 1.0)
    y.backward()
    require(x.grad == (-1.0) ** (count // 2), "the gradient of a chain is", x.grad)
    world.counts["nodes"] += count


def compare_expressions(world: World) -> None:
    """Compare ordinary expressions: their derivatives against 60 digits, and lifted on an engine against themselves."""
    rng = world.rng
    expressions = ordinary_expressions.batch(rng.randrange(2**32), rng.randint(1, 6))
    function, points = ordinary_expressions.together(expressions), expressions[0].points
    if rng.random() < 0.3:
        check_gradients(expressions[0].function(), *points[0], order=1)
        world.counts["derivatives against 60 digits"] += 1
    engine = world.engine(4, 4, 1)
    lifted = tg.lift(function, engine=engine)
    lifted(*points[0])
    ordinary_expressions.compare(lifted, lifted.last, function, points)
    world.counts[f"programs on {engine}"] += 1
    path = world.path(".tg")
    lifted.last.save(path)
    again = load(path, engine)
    require(_text(again(*points[1])) == _text(lifted(*points[1])), "a program from a file gives other bits")


def _text(tree: Any) -> str:
    if isinstance(tree, (list, tuple)):
        return str([_text(part) for part in tree])
    return repr(tree.tolist() if hasattr(tree, "tolist") else tree)


def picture(world: World) -> None:
    """Draw a graph as text, as JSON, as a picture or as a page."""
    root = _any_graph(world)
    order = nodes_below(root)
    format = world.rng.choice(("svg", "dot", "json", "html", "png", "pdf"))
    path = viz.save(root, world.path(f".{format}"))
    content = path.read_bytes()
    if format == "svg":
        require(ElementTree.fromstring(content).tag.endswith("svg"), "no SVG")
    elif format == "json":
        require(len(json.loads(content)["nodes"]) == len(order), "not every node is in the JSON")
    else:
        require(len(content) > 50, "an empty picture")
    require(str(viz.tree(root)), "an empty tree")
    world.counts[f"pictures: {format}"] += 1


def mistakes(world: World) -> None:
    """Ask for what must be refused: it is, in words, and nothing changes."""
    x = Value(0.0)
    for wrong, error in (
        (lambda: 1.0 / x, ZeroDivisionError),
        (lambda: tg.log(x), ValueError),
        (lambda: tg.exp(x + 1e4), OverflowError),
        (lambda: float(x), TypeError),
        (lambda: tg.grad(lambda a: [a])(1.0), TypeError),
        (lambda: tg.lift(lambda a: a if a > 0 else -a)(1.0), LiftError),
        (lambda: x + "a", TypeError),
    ):
        try:
            wrong()
        except error as caught:
            require(len(str(caught)) > 10, "a message without words:", caught)
        else:
            require(False, "nothing was raised instead of", error)
    with tg.detect_anomaly():
        y = tg.sqrt(x)
        try:
            y.backward()
        except tg.AnomalyError:
            pass
        else:
            require(math.isinf(x.grad), "no anomaly")


def _any_graph(world: World) -> Value:
    if not world.graphs:
        grow(world)
    return world.rng.choice(world.graphs)
