"""Long edges of large pictures, drawn from a small reference beside their end.

dot splits an edge that passes over 300 ranks into 300 pieces. A weight that a recorded loop uses at each step would
take most of the time, and its edges cover the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tinygrad_lite.viz.drawing.arrangement import ranks
from tinygrad_lite.viz.drawing.picture import Link

#: How many ranks an edge may pass over.
_FAR: Final = 12


def far_links(count: int, links: Sequence[Link]) -> frozenset[int]:
    """Return the positions of the links that lead too far to be drawn as a line.

    Args:
        count: The number of boxes; in a picture of single nodes each comes before its operands.
        links: Between the boxes.

    >>> from tinygrad_lite.value import Value
    >>> from tinygrad_lite.viz.drawing.picture import compose
    >>> w = Value(0.5)
    >>> y = w
    >>> for _ in range(20):
    ...     y = y.tanh() * w
    >>> picture = compose(y, max_nodes=100)
    >>> len(far_links(len(picture.boxes), picture.links))
    14
    """
    rank = ranks(count, links)
    nearest: dict[int, int] = {}
    inner = {link.head for link in links}
    for link in links:
        nearest[link.tail] = min(nearest.get(link.tail, rank[link.head]), rank[link.head])
    start = [rank[i] if i in inner else nearest.get(i, 1) - 1 for i in range(count)]  # a leaf lies beside its first use
    return frozenset(k for k, link in enumerate(links) if rank[link.head] - start[link.tail] > _FAR)
