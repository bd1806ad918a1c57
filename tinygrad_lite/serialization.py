"""How Values are copied and pickled: node by node, operands first, so that depth costs no recursion.

``pickle`` and ``copy`` walk objects recursively: a chain of a million nodes would overflow. So a root is reduced to a
list of all nodes below it, leaves first; by the time the walk meets a node in that list, its operands are in the memo.
Nodes shared with other objects in the same pickle stay shared. Operations are stored by name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

from tinygrad_lite.ops import find
from tinygrad_lite.value import CONSTANT, STATE, Details, Value, topological_order

_Reduced = tuple[Any, ...]


class _Expected(threading.local):
    """The identities of the nodes in the list being walked: each of these is reduced to itself alone.

    The root comes last in its list, and is never in the memo before; with it the list is done.
    """

    nodes: frozenset[int] = frozenset()
    root: int = 0


_expected: Final = _Expected()


class _Nodes:
    """Stands for the list of all nodes below a root, leaves first."""

    def __init__(self, root: Value) -> None:
        self.order = topological_order(root, leaves=True)
        self.order.reverse()
        _expected.nodes = frozenset(map(id, self.order))
        _expected.root = id(root)

    def __reduce_ex__(self, protocol: object) -> tuple[type[list[Value]], tuple[()], None, Iterator[Value]]:
        return list, (), None, self._walk()

    def _walk(self) -> Iterator[Value]:
        try:
            yield from self.order
        except GeneratorExit:  # the pickle was broken off
            _expected.nodes = frozenset()
            raise


def reduce(node: Value) -> _Reduced:
    """What ``Value.__reduce_ex__`` gives."""
    if node.is_leaf:
        return _leaf, (node.data, node.grad, node.label, node.is_constant)
    if id(node) not in _expected.nodes:
        return _last, (_Nodes(node),)
    if id(node) == _expected.root:
        _expected.nodes = frozenset()
    details = node._details
    first, second = ((), ()) if details is None else (details.first, details.second)
    rest = tuple(x for x in (node._a, node._b) if x is not None)
    stale = any(parent._stamp > node._stamp for parent in node.parents)
    dtype = "" if details is None else details.dtype
    return _node, (node.op, node.data, node.grad, node.label, first, second, rest, stale, dtype)


def _leaf(data: float, grad: float, label: str, constant: bool) -> Value:
    leaf = Value(data, label or None, _code=CONSTANT if constant else 0)
    leaf.grad = grad
    return leaf


def _node(
    op: str,
    data: float,
    grad: float,
    label: str,
    first: tuple[Value, ...],
    second: tuple[Value, ...],
    rest: tuple[Value, ...],
    stale: bool,
    dtype: str = "",
) -> Value:
    record = find(op)
    needed = label or first or dtype or record.arity not in (1, 2)
    details = Details(label, first, second, dtype=dtype) if needed else None
    if dtype:
        STATE.narrow = True
    a, b = (*rest, None, None)[:2]
    node = Value(None, _code=record.code, _a=a, _b=b, _details=details)
    node._number = data
    node._grad = grad
    if stale:
        node._stamp = -1
    return node


def _last(nodes: list[Value]) -> Value:
    return nodes[-1]
