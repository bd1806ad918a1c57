"""What the explorer's page is told about a graph: its nodes in the order of evaluation, their numbers, and the records
of their operations, all of it as JSON can hold it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_lite.node.freshness import check_fresh
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import find
from tinygrad_lite.value import Value, topological_order
from tinygrad_lite.viz.explorer.explorer_names import short_names
from tinygrad_lite.viz.formulas.local_formulas import infix, layout, letters, template
from tinygrad_lite.viz.formulas.mathml import mathml
from tinygrad_lite.viz.reading.labels import visible
from tinygrad_lite.viz.reading.module_attribution import owners
from tinygrad_lite.viz.reading.names import enclosing, find_names

#: Modules are opened, the outermost first, as long as there are no more boxes than this.
OPENED = 80


def graph_data(
    root: Value,
    *,
    names: Mapping[str, Any] | Any = None,
    expanded: bool | None = None,
    max_nodes: int = 5000,
) -> dict[str, Any]:
    """Return a graph for the explorer's page. Nothing in the graph is changed.

    Args:
        root: The node at the end of the graph.
        names: As for :func:`tinygrad_lite.viz.explore`.
        expanded: As for :func:`tinygrad_lite.viz.explore`.
        max_nodes: As for :func:`tinygrad_lite.viz.explore`.

    Returns:
        ``nodes``, each after its operands, which it names by their places in the list; ``numbers``; ``operations`` by
        name; ``modules``, each after the one that holds it.

    Raises:
        TypeError, ValueError, StaleGraphError: As :func:`tinygrad_lite.viz.explore`.

    >>> a = Value(2.0, label="a")
    >>> data = graph_data(a * a)
    >>> data["nodes"]
    [{'name': 'a', 'label': 'a'}, {'name': 'L', 'op': 'mul', 'operands': [0, 0]}]
    >>> data["numbers"]["adjoint"]
    [4.0, 1.0]
    """
    order = evaluation_order(root, max_nodes)
    check_fresh(order[::-1])
    found = find_names({} if names is None else names)
    owner = owners(root, names) if found.modules else {}
    modules = _modules(owner, found.modules)
    place = {id(node): k for k, node in enumerate(order)}
    module = {path: k for k, path in enumerate(modules)}
    called = short_names(order, found.values, owner)
    return {
        "nodes": [_node(node, called[k], place, module.get(owner.get(id(node), ""))) for k, node in enumerate(order)],
        "numbers": numbers(order),
        "operations": {name: _operation(find(name)) for name in sorted({node.op for node in order if node.op})},
        "modules": _as_data(modules, order, owner, expanded),
    }


def evaluation_order(root: Value, max_nodes: int) -> list[Value]:
    """Return the nodes of a graph, leaves first, each after its operands, the output last.

    Args:
        root: The node at the end of the graph.
        max_nodes: How many there may be.

    Raises:
        TypeError: ``root`` is not a Value.
        ValueError: There are more nodes.

    >>> [node.op for node in evaluation_order(-Value(2.0), 10)]
    ['', 'neg']
    """
    if not isinstance(root, Value):
        raise TypeError(f"the explorer shows the graph of one Value, not {type(root).__name__} {root!r:.80}")
    order = topological_order(root, leaves=True)
    if len(order) > max_nodes:
        raise ValueError(
            f"the graph has {len(order):,} nodes, more than max_nodes={max_nodes:,}: a browser would be slow with it, "
            "and nobody could step through it. Explore a part of it, from a node nearer to the leaves or for fewer "
            f"samples, or record fewer nodes, with dot and sum; to show it all the same, pass max_nodes={len(order)}."
        )
    order.reverse()
    return order


def numbers(order: Sequence[Value]) -> dict[str, Any]:
    """Return what changes when leaves are set: data, local derivatives, and the adjoints that follow from these.

    Args:
        order: The nodes, each after its operands, the output last.

    Returns:
        ``data``, ``adjoint`` and ``grad`` (the attribute, as it is), a number a node; ``partials``, a list a node.
    """
    partials = [node.partials for node in order]
    return {
        "data": [finite(node.data) for node in order],
        "adjoint": [finite(adjoint) for adjoint in adjoints(order, partials)],
        "grad": [finite(node.grad) for node in order],
        "partials": [[finite(partial) for partial in row] for row in partials],
    }


def adjoints(order: Sequence[Value], partials: Sequence[Sequence[float]]) -> list[float]:
    """∂output/∂node for each node, as ``backward()`` finds it, without a change to the graph.

    Args:
        order: The nodes, each after its operands, the output last.
        partials: Their local derivatives.

    >>> a = Value(3.0)
    >>> adjoints([a, a * a], [(), (3.0, 3.0)])
    [6.0, 1.0]
    """
    place = {id(node): k for k, node in enumerate(order)}
    found = [0.0] * len(order)
    found[-1] = 1.0
    for k in range(len(order) - 1, -1, -1):
        if found[k] == 0.0:  # passes on nothing, not even 0 times inf
            continue
        for operand, partial in zip(order[k].parents, partials[k], strict=True):
            if partial != 0.0 and not operand.is_constant:
                found[place[id(operand)]] += found[k] * partial
    return found


def finite(number: float) -> float | str:
    """Return the number, or the word that JavaScript reads as it: JSON has neither infinities nor nan.

    Args:
        number: Any float.

    >>> finite(1.5), finite(-math.inf)
    (1.5, '-Infinity')
    """
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0.0 else "-Infinity"


def _node(node: Value, name: str, place: Mapping[int, int], module: int | None) -> dict[str, Any]:
    """Return what does not change: only what it has, as there may be thousands."""
    record: dict[str, Any] = {"name": name} if name else {}
    if node.label:
        record["label"] = visible(node.label)
    if node.is_constant:
        record["constant"] = True
    if node.op:
        record["op"] = node.op
        record["operands"] = [place[id(operand)] for operand in node.parents]
    if module is not None:
        record["module"] = module
    return record


def _operation(op: Op) -> dict[str, Any]:
    record: dict[str, Any] = {"symbol": op.symbol, "doc": op.doc, "arity": op.arity}
    formula, partials = template(op)
    record["formula"] = mathml(formula)
    record["partials"] = list(map(mathml, partials))
    signs = infix(op)
    if signs:
        record["between"], record["level"] = signs
    if op.convention:
        record["convention"] = op.convention
    if op.arity == NARY:
        record["sequences"], _, record["singles"] = layout(op, 0)
        record["letters"], record["index"] = letters(op)
    return record


# ------------------------------------------------------------------------------------------------- modules


def _modules(owner: Mapping[int, str], modules: Mapping[str, Any]) -> dict[str, str]:
    """Return the paths of the modules that nodes belong to, and of those around these, each with the one around it."""
    used = set(owner.values())
    for path in list(used):
        while path:
            used.add(path)
            path = enclosing(path, modules)
    return {path: enclosing(path, modules) for path in modules if path in used}


def _as_data(
    modules: Mapping[str, str], order: Sequence[Value], owner: Mapping[int, str], expanded: bool | None
) -> list[dict[str, Any]]:
    place = {path: k for k, path in enumerate(modules)}
    opened = set(modules) if expanded else set() if expanded is False else _opened(modules, order, owner)
    return [
        {
            "path": visible(path),
            "name": visible(path.removeprefix(above).lstrip(".") if above else path),
            "around": place.get(above, -1),
            "collapsed": path not in opened,
        }
        for path, above in modules.items()
    ]


def _opened(modules: Mapping[str, str], order: Sequence[Value], owner: Mapping[int, str]) -> set[str]:
    """Return the modules to open at first: level by level, as long as what is then seen fits on a screen."""
    opened: set[str] = set()
    while True:
        level = {path for path, above in modules.items() if path not in opened and (not above or above in opened)}
        if not level or _boxes(modules, order, owner, opened | level) > OPENED:
            return opened
        opened |= level


def _boxes(modules: Mapping[str, str], order: Sequence[Value], owner: Mapping[int, str], opened: set[str]) -> int:
    closed: dict[str, str] = {"": ""}  # by path: the outermost closed module around it, or ""
    for path, above in modules.items():
        closed[path] = closed[above] or ("" if path in opened else path)
    around = [closed[owner.get(id(node), "")] for node in order]
    return around.count("") + len(set(around) - {""})
