"""How Values are copied and pickled: node by node, operands first, so that depth costs no recursion.

``pickle`` and ``copy`` walk objects recursively: a chain of a million nodes would overflow. So a root is reduced to a
list of all nodes below it, leaves first; by the time the walk meets a node in that list, its operands are in the memo.
Nodes shared with other objects in the same pickle stay shared. Operations are stored by name.
"""

from __future__ import annotations

import copyreg
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from tinygrad_lite.foreign import attributes
from tinygrad_lite.node import protocols
from tinygrad_lite.node.codes import BY_HAND, CONSTANT
from tinygrad_lite.node.fields import Details, Rare, dtype_of
from tinygrad_lite.node.state import STATE
from tinygrad_lite.operations.ops import find
from tinygrad_lite.transforms import is_differentiated
from tinygrad_lite.value import Value, topological_order

_Reduced = tuple[Any, ...]


class _Walk:
    """A list of nodes that is being walked: each of them is reduced to itself alone.

    The root comes last in its list; with it the list is done. (An attribute of the user's own may lead to it before.)
    """

    def __init__(self, nodes: list[Value], root: Value) -> None:
        self.nodes = frozenset(map(id, nodes))
        self.root = id(root)
        self.done = False


class _Walks(threading.local):
    """The walks of this thread, the innermost last: an attribute of the user's own may lead to another graph."""

    def __init__(self) -> None:
        self.open: list[_Walk] = []


_walks: Final = _Walks()


class _Nodes:
    """Stands for the list of all nodes below a root, leaves first."""

    def __init__(self, root: Value) -> None:
        self.order = topological_order(root, leaves=True)
        self.order.reverse()
        _walks.open.append(_Walk(self.order, root))

    def __reduce_ex__(self, protocol: object) -> tuple[type[list[Value]], tuple[()], None, Iterator[Value]]:
        return list, (), None, self._walk()

    def _walk(self) -> Iterator[Value]:
        try:
            yield from self.order
        except GeneratorExit:  # the pickle was broken off
            _walks.open.clear()
            raise


def reduce(node: Value) -> _Reduced | str:
    """Return what ``pickle`` and ``copy.deepcopy`` ask for.

    A text, which the one makes of itself and the other fails with, where there is to be no copy.
    """
    if protocols.asked_by_dataclasses():
        return "the Value itself"
    if STATE.tracing != 0:
        STATE.refuse_if_traced(node, "deepcopy")
    if is_differentiated(node):
        return "a Value that is being differentiated"
    if node.is_leaf:
        leaf = (node.data, node.grad, node.label, node.is_constant)
        return _with_attributes(node, _leaf, leaf)
    walks = _walks.open
    if not walks or id(node) not in walks[-1].nodes:
        return _last, (_Nodes(node),)
    for walk in walks:
        walk.done = walk.done or walk.root == id(node)
    while walks and walks[-1].done:
        walks.pop()
    details = node._details
    first, second = ((), ()) if details is None else (details.first, details.second)
    rest = tuple(x for x in (node._a, node._b) if x is not None)
    stale = 2 if node._stamp == BY_HAND else int(any(parent._stamp > node._stamp for parent in node.parents))
    parts = (node.op, node.data, node.grad, node.label, first, second, rest, stale, dtype_of(node))
    return _with_attributes(node, _node, parts)


def _with_attributes(node: Value, make: Callable[..., Value], parts: tuple[Any, ...]) -> _Reduced:
    """With the attributes of the user's own, where there are some; ``attributes.set_own`` sets them."""
    own = attributes.own(node)
    return (make, parts, dict(own)) if own else (make, parts)


def _leaf(data: float, grad: float, label: str, constant: bool) -> Value:
    leaf = Value(data, label=label or None, _code=CONSTANT if constant else 0)
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
    stale: int,
    dtype: str = "",
) -> Value:
    record = find(op)
    needed = label or first or dtype or record.arity not in (1, 2)
    details = Details(label, first, second, Rare("", dtype) if dtype else None) if needed else None
    if dtype:
        STATE.narrow = True
    if record.may_be_singular:
        STATE.singular = True
    a, b = (*rest, None, None)[:2]
    node = Value(None, _code=record.code, _a=a, _b=b, _details=details)
    node._number = data
    node._grad = grad
    if stale:
        node._stamp = -int(stale)  # 2, for a number that was set by hand, is BY_HAND
    return node


def _last(nodes: list[Value]) -> Value:
    return nodes[-1]


def _copy(node: Value) -> Value:
    """Return what ``copy.copy`` gives: a node over the same operands."""
    if STATE.tracing != 0:
        STATE.refuse_if_traced(node, "copy")
    if is_differentiated(node):
        return node
    details = node._details
    if details is not None:
        rare = details.rare
        details = Details(details.label, details.first, details.second, rare and Rare(rare.line, rare.dtype))
    twin = Value(node._number if node.is_leaf else None, _code=node._code, _a=node._a, _b=node._b, _details=details)
    twin._number = node._number
    twin._grad = node._grad
    twin._stamp = node._stamp
    attributes.set_own(twin, attributes.own(node))
    return twin


copyreg.pickle(Value, reduce)
setattr(Value, "__copy__", _copy)  # noqa: B010 (a compiled class has no such attribute for a type checker)
