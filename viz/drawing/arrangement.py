"""How the boxes of a picture lie: which way it grows, and which stand in a row in the order of their numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tinygrad_lite.viz.drawing.picture import Link, Picture

#: A picture of more ranks than this many grows downwards, if it is far wider than high: a page is scrolled that way.
_WIDE: Final = 10
_FAR_WIDER: Final = 4
#: Above so many edges with a number beside them the numbers are in nobody's reach.
_READABLE: Final = 24

_NUMBERED: Final = re.compile(r"(.*)\[(\d+)\]")


def ranks(count: int, links: Sequence[Link]) -> list[int]:
    """Return by how many links each box is above the leaves, along the longest way.

    Args:
        count: The number of boxes; in a picture of single nodes each comes before its operands.
        links: Between the boxes.

    >>> from tinygrad_lite.value import Value
    >>> from tinygrad_lite.viz.drawing.picture import compose
    >>> picture = compose(Value(1.0).tanh().tanh(), max_nodes=10)
    >>> ranks(len(picture.boxes), picture.links)
    [2, 1, 0]
    """
    rank = [0] * count
    # Backwards: the links into a box come after those into all boxes that it is an operand of.
    for link in reversed(links):
        if link.tail > link.head:  # a loop may lead back
            rank[link.head] = max(rank[link.head], rank[link.tail] + 1)
    return rank


def fitting_direction(picture: Picture) -> str:
    """Return where the output of a picture lies, if nobody says: to the right, or below in a long, narrow one.

    >>> from tinygrad_lite.value import Value
    >>> from tinygrad_lite.viz.drawing.picture import compose
    >>> y = Value(1.0)
    >>> for _ in range(20):
    ...     y = y.tanh()
    >>> fitting_direction(compose(y, max_nodes=60)), fitting_direction(compose(y, depth=3, max_nodes=9))
    ('TB', 'LR')
    """
    rank = ranks(len(picture.boxes), picture.links)
    across = Counter(rank[i] for i, box in enumerate(picture.boxes) if not box.nodes[0].is_leaf or box.module)
    deep, broad = max(rank, default=0), max(across.values(), default=1)
    return "TB" if deep > _WIDE and deep > _FAR_WIDER * broad else "LR"


def is_crowded(links: Sequence[Link]) -> bool:
    """Whether there are so many edges that numbers beside them would be in one another's way."""
    return sum(link.share is not None and link.known for link in links) > _READABLE


def rows(picture: Picture) -> list[list[int]]:
    """Return the boxes of modules that are numbered parts of one module, such as the neurons of a layer, in order.

    Args:
        picture: The picture.

    Returns:
        Positions of boxes; none of a row leads to another. None where modules are drawn as frames, in which Graphviz
        puts what is inside.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> from tinygrad_lite.viz.drawing.picture import compose
    >>> model = MLP(2, [3, 1])
    >>> picture = compose(model([1.0, 2.0]), names={"model": model}, collapse=["Neuron"], max_nodes=60)
    >>> [[picture.boxes[i].module for i in row] for row in rows(picture)]
    [['model.layers[0].neurons[0]', 'model.layers[0].neurons[1]', 'model.layers[0].neurons[2]']]
    """
    if picture.frames:
        return []
    rank = ranks(len(picture.boxes), picture.links)
    found: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for i, box in enumerate(picture.boxes):
        numbered = _NUMBERED.fullmatch(box.module)
        if numbered:
            found.setdefault((numbered[1], rank[i]), []).append((int(numbered[2]), i))
    return [[i for _, i in sorted(row)] for row in found.values() if len(row) > 1]
