"""Nodes of the same shape: groups that a picture can draw once, with ×16.

Two nodes have the same shape if they are the same operation of operands of the same shapes (Weisfeiler & Leman 1968
call this a colour, and refine it in rounds). Colours go up the graph in topological order, without recursion:

- all constants begin with one colour, and all other leaves with another;
- a node's colour stands for its operation and its operands' colours, in their order, or, where the operation takes any
  number of operands, as a set: sums of different lengths have one shape;
- a chain of additions, of which only the last is used elsewhere, counts as one sum, whatever its length;
- last, leaves are told apart by what uses them, so that the weights of two layers are two groups.

Loops that were recorded step by step have a new colour at each step. For them the rounds can be bounded: then a node's
colour tells its operation, its operands', theirs, and no more, all steps but the first few look alike, and the picture
shows one step, whose edges lead around to itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.value import Value
from tinygrad_lite.viz.reading.node_operations import operation_of

#: Operations whose chains count as one node of many operands.
_ASSOCIATIVE: Final = frozenset({"add", "mul"})
#: Beyond these, bounded rounds only tell the first steps of a loop apart from the others.
_MOST_ROUNDS: Final = 2


def colours(
    order: Sequence[Value],
    *,
    fixed: Mapping[int, Hashable] | None = None,
    classes: Mapping[int, Hashable] | None = None,
    rounds: int | None = None,
    by_use: bool = True,
) -> dict[int, int]:
    """Return a number for each node, the same for nodes of the same shape.

    Args:
        order: The nodes in topological order, each before its operands. Operands that are not among them count as
            leaves.
        fixed: Colours of nodes that have one already, such as the module that is drawn as one.
        classes: What nodes of one shape must have in common besides, such as the frame that they are in.
        rounds: How far below a node its shape reaches; None: to the leaves.
        by_use: Whether interior nodes, too, are told apart by what uses them; not where rounds are bounded.

    Returns:
        The colours, by the nodes' ids.

    >>> xs = [Value(1.0), Value(2.0)]
    >>> tanhs = [x.tanh() for x in xs]
    >>> y = tanhs[0] * 3.0 + tanhs[1] * 4.0
    >>> from tinygrad_lite.value import topological_order
    >>> found = colours(topological_order(y, leaves=True))
    >>> found[id(tanhs[0])] == found[id(tanhs[1])], len(set(found.values()))  # x, tanh, the factors, *, +
    (True, 5)
    """
    fixed = fixed or {}
    ends = _chain_ends(order, fixed)
    if rounds is None:
        found = _upwards(order, fixed, ends)
    else:
        *_, found = islice(_rounds(order, fixed, ends), rounds + 1)
    return _by_use(order, fixed, ends, _parted(found, classes), interior=by_use and rounds is None)


def fitting_colours(
    order: Sequence[Value],
    limit: int,
    *,
    fixed: Mapping[int, Hashable] | None = None,
    classes: Mapping[int, Hashable] | None = None,
) -> dict[int, int]:
    """Return the finest :func:`colours` of which there are not too many.

    Args:
        order: As for :func:`colours`.
        limit: How many there may be; if even the operations alone are more, these are what is given.
        fixed: As for :func:`colours`.
        classes: As for :func:`colours`.

    Returns:
        The colours, by the nodes' ids.

    >>> from tinygrad_lite.value import topological_order
    >>> y = Value(0.5)
    >>> for _ in range(100):
    ...     y = y.tanh()
    >>> len(set(fitting_colours(topological_order(y, leaves=True), 10).values()))
    4
    """
    fixed = fixed or {}
    ends = _chain_ends(order, fixed)
    found = _parted(_upwards(order, fixed, ends), classes)
    if _count(found) <= limit:
        for interior in (True, False):
            refined = _by_use(order, fixed, ends, found, interior=interior)
            if _count(refined) <= limit:
                return refined
    finest: dict[int, int] = {}
    for bounded in islice(_rounds(order, fixed, ends), _MOST_ROUNDS + 1):
        refined = _by_use(order, fixed, ends, _parted(bounded, classes), interior=False)
        if finest and _count(refined) > limit:
            break
        finest = refined
    return finest


def _count(found: Mapping[int, int]) -> int:
    return len(set(found.values()))


def _parted(found: dict[int, int], classes: Mapping[int, Hashable] | None) -> dict[int, int]:
    """Colours that tell nodes of different classes apart."""
    if not classes:
        return found
    number = _Numbering()
    return {key: number((colour, classes.get(key))) for key, colour in found.items()}


def _chain_ends(order: Sequence[Value], fixed: Mapping[int, Hashable]) -> dict[int, int]:
    """For each node of a chain of additions (or multiplications) the id of its last; a node alone is its own."""
    ends = {id(node): id(node) for node in order}
    links = [node for node in order if node.op in _ASSOCIATIVE and id(node) not in fixed]
    if not links:
        return ends
    uses = dict.fromkeys(map(id, links), 0)
    for node in order:
        for operand in node.parents:
            if id(operand) in uses:
                uses[id(operand)] += 1
    for node in links:
        for operand in node.parents:
            if operand.op == node.op and uses.get(id(operand)) == 1:
                ends[id(operand)] = ends[id(node)]
    return ends


class _Numbering:
    """A number for each new key."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def __call__(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _leaf_key(node: Value) -> Hashable:
    return "constant" if node.is_constant else "leaf"


def _shape(node: Value, operands: Sequence[Any]) -> Hashable:
    """Return what two nodes of the same shape have in common."""
    operation = operation_of(node)
    if operation.arity == NARY:
        return node.op, frozenset(operands)
    return node.op, tuple(operands)


def _upwards(order: Sequence[Value], fixed: Mapping[int, Hashable], ends: Mapping[int, int]) -> dict[int, int]:
    number = _Numbering()
    found: dict[int, int] = {}
    gathered: dict[int, set[int]] = {}  # the operands of a chain
    for node in reversed(order):
        key = id(node)
        if key in fixed:
            found[key] = number(("fixed", fixed[key]))
        elif node.is_leaf or not all(id(operand) in found or id(operand) in ends for operand in node.parents):
            found[key] = number(_leaf_key(node) if node.is_leaf else ("cut", node.op))
        elif node.op not in _ASSOCIATIVE:
            found[key] = number(_shape(node, [found[id(operand)] for operand in node.parents]))
        else:
            end = ends[key]
            below = gathered.setdefault(end, set())
            below.update(found[id(x)] for x in node.parents if ends[id(x)] != end)
            if end == key:
                two = len(node.parents) == 2 and not any(ends[id(x)] == end for x in node.parents)
                operands = sorted(found[id(x)] for x in node.parents) if two else sorted(below)
                found[key] = number((node.op, tuple(operands), two))
    for node in order:  # the rest of each chain is as its end
        found.setdefault(id(node), found[ends[id(node)]])
    return found


def _rounds(order: Sequence[Value], fixed: Mapping[int, Hashable], ends: Mapping[int, int]) -> Iterator[dict[int, int]]:
    """Yield the colours after 0 rounds, 1, 2 and so on, without end."""
    number = _Numbering()
    found = {
        id(node): number(("fixed", fixed[id(node)]) if id(node) in fixed else node.op or _leaf_key(node))
        for node in order
    }
    while True:
        yield found
        number = _Numbering()
        before = found
        found = {}
        for node in order:
            key = id(node)
            if key in fixed or node.is_leaf:
                found[key] = number(("old", before[key]))
                continue
            operands = [before[id(x)] for x in node.parents if id(x) in before and ends[id(x)] != ends[key]]
            chained = node.op in _ASSOCIATIVE
            found[key] = number((node.op, frozenset(operands)) if chained else _shape(node, operands))


def _by_use(
    order: Sequence[Value],
    fixed: Mapping[int, Hashable],
    ends: Mapping[int, int],
    found: Mapping[int, int],
    *,
    interior: bool,
) -> dict[int, int]:
    """Tells leaves apart by what uses them, and in which place; with ``interior`` all nodes."""
    number = _Numbering()
    refined: dict[int, int] = {}
    uses: dict[int, set[tuple[int, int]]] = {}
    for node in order:  # users first
        key = id(node)
        if key in fixed or not (interior or node.is_leaf):
            refined[key] = number(("as", found[key]))
        elif ends[key] != key:
            refined[key] = refined[ends[key]]
        else:
            refined[key] = number((found[key], frozenset(uses.pop(key, ()))))
        if not node.is_leaf:
            colour = refined[key]
            for operand, place in zip(node.parents, places(node), strict=True):
                if id(operand) not in fixed:
                    uses.setdefault(id(operand), set()).add((colour, place))
    return refined


def places(node: Value) -> Sequence[int]:
    """For each operand the number of the argument that it came in: 0 for all weights of a dot, 1 for its inputs.

    Args:
        node: An interior node.

    >>> from tinygrad_lite.nary import dot
    >>> places(dot([Value(1.0), Value(2.0)], [3.0, 4.0], 5.0))
    [0, 0, 1, 1, 2]
    """
    operation = operation_of(node)
    count = len(node.parents)
    if operation.arity != NARY:
        return [0] * count if node.op == "add" else range(count)
    scalars = 1 if len(operation.operands) > 1 else 0
    sequences = len(operation.operands) - scalars
    length = (count - scalars) // sequences
    return [i // length for i in range(count - scalars)] + [sequences] * scalars
