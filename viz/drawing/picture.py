"""What a picture says, before it is drawn: its boxes, and the links between them with what flows along each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.value import Value
from tinygrad_lite.viz.reading.collapse import Box, boxes, wishes
from tinygrad_lite.viz.reading.module_attribution import owners_in_order
from tinygrad_lite.viz.reading.modules import ModuleTree
from tinygrad_lite.viz.reading.names import Names, find_names, find_names_of_models
from tinygrad_lite.viz.reading.selection import select
from tinygrad_lite.viz.reading.staleness import Staleness, staleness

#: Operations whose chains are one box, without an edge from the box to itself.
_CHAINS: Final = frozenset({"add", "mul"})


class Link(NamedTuple):
    """From a box to one that uses it: one use of a node, or all uses of nodes of the one by nodes of the other."""

    tail: int
    head: int
    #: an operand and the node that uses it; of several uses the first
    operand: Value
    node: Value
    uses: int
    #: the least and the greatest local derivative; nan if one is
    low: float
    high: float
    #: What the operands' gradients receive along it; None for constants, which receive none. Of several uses the sum of
    #: the sizes, with the sign that all have.
    share: float | None
    #: whether the shares have both signs
    mixed: bool = False
    #: whether the local derivatives are of numbers that were evaluated
    known: bool = True


class Picture(NamedTuple):
    """All that is drawn."""

    #: ids of the nodes at the end of the graph
    roots: frozenset[int]
    boxes: list[Box]
    links: list[Link]
    #: of each box that is a module the nodes that other boxes use, by the box's position
    outputs: dict[int, list[Value]]
    names: Names
    #: for each module that is drawn as a frame, outer ones first, the one that its frame lies in, or ""
    frames: dict[str, str]
    staleness: Staleness
    #: ids of nodes whose operands are left out
    cut: frozenset[int]

    @property
    def strongest(self) -> float:
        """The greatest finite size of a share."""
        return max((abs(x.share) for x in self.links if x.share is not None and math.isfinite(x.share)), default=0.0)


def compose(
    root: Value | Sequence[Value],
    *,
    names: Any = None,
    start: Any = None,
    depth: int | None = None,
    collapse: Any = None,
    expand: Any = (),
    max_nodes: int,
    failure: str = "",
    lost: frozenset[int] = frozenset(),
) -> Picture:
    """Return the boxes and links of a picture; the options are those of :func:`tinygrad_lite.viz.draw`.

    ``failure`` is what ``root`` raised, if it could not be evaluated; ``lost`` are ids of nodes whose operands are not
    known any more.

    >>> a = Value(2.0, label="a")
    >>> picture = compose(a * a, max_nodes=10)
    >>> len(picture.boxes), [(link.tail, link.head, link.low) for link in picture.links]
    (2, [(1, 0, 2.0), (1, 0, 2.0)])
    """
    roots = frozenset([id(root)] if isinstance(root, Value) else map(id, root))
    part = select(root, start, depth)
    found = find_names_of_models(part.order) if names is None else find_names(names)
    tree = ModuleTree(found.modules) if found.modules else None
    wished = wishes(collapse, expand, tree)
    whole = part.order if start is None and depth is None else select(root).order
    state = Staleness(dict.fromkeys(roots, failure), roots) if failure else staleness(whole)
    owner = owners_in_order(whole, tree) if tree is not None else {}
    drawn = boxes(part.order, owner, tree, wished, max_nodes)
    links, outputs = _links(drawn, part.cut, state, roots)
    frames = _frames(drawn, tree) if tree is not None else {}
    return Picture(roots, drawn, links, outputs, found, frames, state, part.cut | lost)


def _frames(drawn: Sequence[Box], tree: ModuleTree) -> dict[str, str]:
    used = {path for box in drawn for path in tree.lineage(box.frame)}
    return {path: above for path, above in tree.above.items() if path in used}


def _links(
    drawn: Sequence[Box], cut: frozenset[int], state: Staleness, roots: frozenset[int]
) -> tuple[list[Link], dict[int, list[Value]]]:
    """Return the links, and the outputs of the boxes that are modules."""
    place = {id(node): i for i, box in enumerate(drawn) for node in box.nodes}
    found: list[Link] = []
    bundles: dict[tuple[int, int], _Bundle] = {}
    outputs: dict[int, dict[int, Value]] = {
        i: {id(node): node for node in box.nodes if id(node) in roots} for i, box in enumerate(drawn) if box.module
    }
    for head, box in enumerate(drawn):
        for node in box.nodes:
            operands = node.parents
            if id(node) in cut:
                continue
            # Within a box that is a module, or a chain of additions, nothing is drawn.
            inside = head if box.module or node.op in _CHAINS else -1
            tails = [place[id(operand)] for operand in operands]
            if tails.count(inside) == len(operands):
                continue
            known = id(node) not in state.stale
            adjoint = 0.0 if state.failures else node.grad  # gradients are older than what failed
            partials = node.partials if known else (math.nan,) * len(operands)
            for operand, tail, partial in zip(operands, tails, partials, strict=True):
                if tail == inside:
                    continue
                if drawn[tail].module:
                    outputs[tail][id(operand)] = operand
                # As in backward(): a gradient of 0 passes on nothing, not even 0 times inf.
                share = None if operand.is_constant else adjoint * partial if adjoint else 0.0
                if len(box.nodes) == 1 == len(drawn[tail].nodes):
                    found.append(Link(tail, head, operand, node, 1, partial, partial, share, known=known))
                    continue
                bundle = bundles.get((tail, head))
                if bundle is None:
                    bundle = bundles[tail, head] = _Bundle(len(found), operand, node)
                    found.append(Link(tail, head, operand, node, 0, 0.0, 0.0, None))  # replaced below
                bundle.add(partial, share, known)
    for (tail, head), bundle in bundles.items():
        found[bundle.position] = bundle.link(tail, head)
    return found, {i: list(nodes.values()) for i, nodes in outputs.items()}


class _Bundle:
    """Uses that are drawn as one link, added up."""

    __slots__ = ("high", "known", "low", "negative", "node", "operand", "position", "positive", "uses", "varying")

    def __init__(self, position: int, operand: Value, node: Value) -> None:
        self.position = position
        self.operand = operand
        self.node = node
        self.uses = 0
        self.varying = False  # whether any operand is no constant
        self.known = False  # whether the number of any user is
        self.low = math.inf
        self.high = -math.inf
        self.positive = 0.0
        self.negative = 0.0

    def add(self, partial: float, share: float | None, known: bool) -> None:
        self.uses += 1
        self.varying = self.varying or share is not None
        self.known = self.known or known
        if share is None or not known:
            return
        if partial != partial:  # and nan it stays
            self.low = self.high = partial
        elif self.low == self.low:
            self.low = min(self.low, partial)
            self.high = max(self.high, partial)
        if share < 0.0:
            self.negative -= share
        else:
            self.positive += share

    def link(self, tail: int, head: int) -> Link:
        share = self.positive + self.negative
        return Link(
            tail,
            head,
            self.operand,
            self.node,
            self.uses,
            self.low,
            self.high,
            None if not self.varying else -share if self.negative and not self.positive else share,
            bool(self.positive and self.negative),
            self.known,
        )
