"""A graph as data, for other programs: what ``save(root, "graph.json")`` writes.

Version 1 is an object with these members::

    format      "tinygrad-lite graph"
    version     1; a program that reads these files refuses versions that it does not know
    nodes       a list; the position of a node in it is its number. The output is number 0; a node comes before its
                operands. Each is an object:
        op          the name of the operation, such as "tanh"; null for a leaf
        symbol      how the operation is drawn; "" for a leaf
        label       the label, as it was given; "" if there is none
        name        the variable that holds it, where names were given: "model.layers[0].neurons[3].w[1]"; or ""
        module      the module that it belongs to, where names were given: "model.layers[0].neurons[3]"; or ""
        constant    whether it gets no gradient
        data        the number
        grad        its gradient, as backward() left it
        stale       whether its numbers are older than its operands'
        failure     what its operation raised, or ""
        cut         whether its operands are left out
    edges       a list with an object for each use of a node by a node, in the order of the nodes and their operands:
        operand     the number of the node that is used
        node        the number of the node that uses it
        position    the position among the operands
        local       the local derivative ∂node/∂operand; null where the node is stale
        flow        what the operand's gradient receives: grad of the node times local; null for a constant, and where
                    the node is stale

Numbers have all their digits. JSON has none that are not finite: they are the strings "inf", "-inf" and "nan".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tinygrad_lite.value import Value
from tinygrad_lite.viz.drawing.options import check_root
from tinygrad_lite.viz.reading.module_attribution import owners_in_order
from tinygrad_lite.viz.reading.modules import ModuleTree
from tinygrad_lite.viz.reading.names import Names, find_names
from tinygrad_lite.viz.reading.node_operations import symbol
from tinygrad_lite.viz.reading.selection import select
from tinygrad_lite.viz.reading.staleness import Staleness, staleness

FORMAT: Final = "tinygrad-lite graph"
VERSION: Final = 1


def structure(
    root: Value, *, names: Any = None, start: Value | Iterable[Value] | None = None, depth: int | None = None
) -> dict[str, Any]:
    """Return the graph below a node as lists and dicts of plain Python, ready for JSON.

    Args:
        root: The node at the end of the graph.
        names: Where the names of nodes and modules come from, as for :func:`tinygrad_lite.viz.draw`.
        start: Only what lies between this node (or these) and ``root``.
        depth: Only nodes that are at most so many edges away from ``root``.

    Returns:
        What the documentation of this module describes.

    Raises:
        TypeError, ValueError, StaleGraphError: As :func:`tinygrad_lite.viz.draw`.

    >>> a = Value(2.0, label="a")
    >>> found = structure(a * a)
    >>> [node["op"] for node in found["nodes"]], [edge["local"] for edge in found["edges"]]
    (['mul', None], [2.0, 2.0])
    """
    check_root(root)
    found = Names({}, {}, {}) if names is None else find_names(names)
    whole = select(root).order
    part = select(root, start, depth)
    state = staleness(whole)
    owner = owners_in_order(whole, ModuleTree(found.modules)) if found.modules else {}
    number = {id(node): i for i, node in enumerate(part.order)}
    return {
        "format": FORMAT,
        "version": VERSION,
        "nodes": [
            {
                "op": node.op or None,
                "symbol": symbol(node),
                "label": node.label,
                "name": found.values.get(id(node), ""),
                "module": owner.get(id(node), ""),
                "constant": node.is_constant,
                "data": _plain(node.data),
                "grad": _plain(node.grad),
                "stale": id(node) in state.stale,
                "failure": state.failures.get(id(node), ""),
                "cut": id(node) in part.cut,
            }
            for node in part.order
        ],
        "edges": [edge for node in part.order if id(node) not in part.cut for edge in _edges(node, number, state)],
    }


def as_json(root: Value, **options: Any) -> str:
    """:func:`structure` as the text of a JSON file, in ASCII.

    Args:
        root: The node at the end of the graph.
        options: Those of :func:`structure`.

    >>> as_json(Value(2.0, label="a"))[:44]
    '{"format": "tinygrad-lite graph", "version":'
    """
    return json.dumps(structure(root, **options), allow_nan=False) + "\n"


def _edges(node: Value, number: dict[int, int], state: Staleness) -> Iterable[dict[str, Any]]:
    known = id(node) not in state.stale
    derivatives: Sequence[float | None] = node.partials if known else (None,) * len(node.parents)
    for i, (operand, local) in enumerate(zip(node.parents, derivatives, strict=True)):
        flow: float | None = None
        if local is not None and not operand.is_constant:
            # As in backward(): a gradient of 0 passes on nothing, not even 0 times inf.
            flow = node.grad * local if node.grad else 0.0
        yield {
            "operand": number[id(operand)],
            "node": number[id(node)],
            "position": i,
            "local": _plain(local),
            "flow": _plain(flow),
        }


def _plain(x: float | None) -> float | str | None:
    return x if x is None or math.isfinite(x) else str(x)
