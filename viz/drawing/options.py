"""Checks of options that several pictures have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_lite.pytree import is_array
from tinygrad_lite.value import Value
from tinygrad_lite.viz.drawing.cards import SHOWN


def check_root(root: Any) -> None:
    """Raise unless it is a Value.

    >>> check_root([Value(1.0)])
    Traceback (most recent call last):
    ...
    TypeError: only the graph below a Value can be drawn, not list [Value(data=1.0, grad=0.0)]: ...
    """
    if not isinstance(root, Value):
        raise TypeError(
            f"only the graph below a Value can be drawn, not {type(root).__name__} {root!r:.80}: "
            "pass the node at its end, such as the loss; draw and save take a list of several"
        )


def outputs_of(root: Any) -> Value | list[Value] | None:
    """Return the node or the nodes at the end of a graph, each once; None if it is something else.

    >>> a = Value(1.0)
    >>> outputs_of((a, a)), outputs_of("a")
    ([Value(data=1.0, grad=0.0)], None)
    """
    if is_array(root):
        root = root.ravel().tolist()
    if not isinstance(root, (list, tuple)) or not root:
        return root if isinstance(root, Value) else None
    for node in root:
        check_root(node)
    return list({id(node): node for node in root}.values())


def check_precision(precision: Any) -> None:
    """Raise unless it is a number of digits that a float can have.

    >>> check_precision(0)
    Traceback (most recent call last):
    ...
    ValueError: precision is a number of significant digits from 1 to 17, not 0
    """
    if not isinstance(precision, int) or not 1 <= precision <= 17:
        raise ValueError(f"precision is a number of significant digits from 1 to 17, not {precision!r}")


def shown(show: Iterable[str]) -> frozenset[str]:
    """Return the option ``show`` as a set.

    Raises:
        ValueError: Something in it is no such thing.

    >>> sorted(shown(["grad", "data"]))
    ['data', 'grad']
    """
    found = frozenset([show] if isinstance(show, str) else show)
    if not found <= set(SHOWN):
        raise ValueError(f"show is any of {', '.join(map(repr, SHOWN))}, not {show!r}")
    return found
