"""The parameters of a module as arrays, call after call: what was not changed is not read again.

The first call takes a module apart (:mod:`~tinygrad_lite.lift.tracing.arguments`). Later ones only look whether it is
still made of the same things: the class and every attribute of every module in it, and what stands in its lists, dicts
and arrays. If so, and the engine's clock says that no leaf was changed since, the arrays of the last call are given
again; else the numbers are gathered. Both are compiled loops (:mod:`~tinygrad_lite.node.sameness`).

Why it is sound: immutable things are the same if they are the same object, and what can be changed in place is compared
item by item. What can be neither, such as a container of the user's own, has no reader, and is taken apart each time.
The arrays are for programs, which do not write into what they are given.
"""

from __future__ import annotations

import array
import math
import operator
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise
from types import GetSetDescriptorType, MappingProxyType, MemberDescriptorType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.tracing.cache_key import find_slots
from tinygrad_lite.lift.tracing.capture_guards import ABSENT, GONE
from tinygrad_lite.node.sameness import are_of_the_same, codes_of, hold_the_same, read_numbers, slots_hold_the_same
from tinygrad_lite.node.state import STATE
from tinygrad_lite.pytree.registry import container_of
from tinygrad_lite.value import Value

Floats = NDArray[np.float64]
#: What cannot be changed in place, and has no parts.
_ATOMS = (bool, int, float, complex, str, bytes, type(None), Value)

#: What can be changed in place, and is no container that has a branch of its own.
_IN_PLACE = (set, frozenset, list, tuple, dict, deque, MappingProxyType, bytearray, array.array)

_REQUIRES_GRAD = operator.attrgetter("requires_grad")
_IS_LEAF = operator.attrgetter("is_leaf")


class UnreadableError(Exception):
    """A module holds something of which it cannot be said quickly whether it was changed."""


class ModuleReader:
    """Reads the parameters of one module.

    Args:
        module: The module.
        arrays: For each array of its parameters its name, its shape, and the places of those that are frozen.

    Raises:
        UnreadableError: It cannot be read quickly; or its arrays have other shapes.

    >>> from tinygrad_lite.nn import Linear
    >>> layer = Linear(2, 1)
    >>> reader = ModuleReader(layer, (("weight", (1, 2), ()), ("bias", (1,), ())))
    >>> reader.read()[0].shape, reader.read()[0] is reader.read()[0]
    ((1, 2), True)
    >>> layer.weight[0][0].data = 7.0
    >>> float(reader.read()[0][0, 0])
    7.0
    >>> layer.bias = None
    >>> reader.read() is None
    True
    """

    def __init__(self, module: Any, arrays: Sequence[tuple[str, tuple[int, ...], tuple[int, ...]]]) -> None:
        found = module.__parameter_tree__()
        if describe_parameters(found) != tuple(arrays):
            raise UnreadableError
        self._leaves: list[Value] = [value for array in found.values() for value in array[1]]
        self._codes = codes_of(self._leaves)
        shapes = [shape for _, shape, _ in arrays]
        ends = np.cumsum([0, *map(math.prod, shapes)]).tolist()
        self._parts = [(slice(*pair), shape) for pair, shape in zip(pairwise(ends), shapes, strict=True)]
        #: whether the module is not what it was
        self.is_stale = False
        self._watched = _Watched()
        self._watched.visit(module)
        #: the time on the engine's clock of the last call, and what it gave
        self._last: tuple[int, list[Floats]] = (-1, [])

    def read(self) -> list[Floats] | None:
        """Return the arrays of the parameters; None if the module is not made of the same things any more."""
        if not self._watched.is_as_it_was():
            self.is_stale = True
            return None
        now, last = STATE.clock, self._last
        if last[0] == now:
            return last[1]
        flat = np.empty(len(self._leaves))
        if not read_numbers(self._leaves, self._codes, flat):
            self.is_stale = True
            return None
        arrays = [flat[part] if len(shape) == 1 else flat[part].reshape(shape) for part, shape in self._parts]
        self._last = now, arrays
        return arrays


def describe_parameters(arrays: Mapping[str, Any]) -> tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]:
    """Say of each array of parameters its name, its shape, and the places of those that are frozen."""
    return tuple([(name, array[0], _find_frozen(array[1])) for name, array in arrays.items()])


def _find_frozen(values: Sequence[Value]) -> tuple[int, ...]:
    if all(map(_REQUIRES_GRAD, values)):
        return ()
    return tuple([place for place, value in enumerate(values) if not value.requires_grad])


class _Watched:
    """What a module is made of, and has to be made of."""

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}
        self._modules: list[Any] = []
        self._kinds: list[type] = []
        self._names: list[dict[str, Any]] = []
        self._containers: list[Any] = []
        self._contents: list[list[Any]] = []
        #: for each slot the module that has it, what the class has under its name, and what stands in it
        self._owners: list[Any] = []
        self._slots: list[MemberDescriptorType] = []
        self._found: list[Any] = []
        self._arrays: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def is_as_it_was(self) -> bool:
        """Look at all of it."""
        try:
            return (
                are_of_the_same(self._modules, self._kinds, self._names)
                and hold_the_same(self._containers, self._contents)
                and slots_hold_the_same(self._owners, self._slots, self._found, ABSENT)
                and (not self._arrays or all(_is_same_array(tree, kept) for tree, kept in self._arrays))
            )
        except GONE:  # changed meanwhile by another thread, where the loops are interpreted
            return False

    def visit(self, tree: Any) -> None:
        """Watch all that can be changed in a module or what its attributes hold.

        Raises:
            UnreadableError: Of something in it that cannot be said.
        """
        kind = type(tree)
        if kind is Value and not tree.is_leaf:
            raise UnreadableError  # its graph is a part of the program
        if kind in _ATOMS or id(tree) in self._seen:
            return
        self._seen[id(tree)] = tree
        if hasattr(kind, "__parameter_tree__"):
            self._visit_module(tree)
        elif kind is tuple:
            if set(map(type, tree)) != {Value} or not all(map(_IS_LEAF, tree)):
                self._visit_all(tree)
        elif kind is list:
            self._watch(tree, list(tree))
            self._visit_all(tree)
        elif kind is dict:
            self._visit_dict(tree)
        elif isinstance(tree, np.ndarray):
            if tree.dtype == object or isinstance(tree, np.ma.MaskedArray):
                raise UnreadableError
            self._arrays.append((tree, tree.copy()))
        elif container_of(kind) is not None or isinstance(tree, _IN_PLACE):
            raise UnreadableError
        elif hasattr(kind, "__array__") and not isinstance(tree, np.generic):
            raise UnreadableError  # another library's, which may be changed in place

    def _visit_all(self, items: Iterable[Any]) -> None:
        for item in items:
            self.visit(item)

    def _visit_dict(self, tree: dict[Any, Any]) -> None:
        self._watch(tree, list(chain.from_iterable(tree.items())))
        self._visit_all(list(tree.values()))

    def _watch(self, container: Any, contents: list[Any]) -> None:
        self._containers.append(container)
        self._contents.append(contents)

    def _visit_module(self, module: Any) -> None:
        kind = type(module)
        if "__getattribute__" in vars(kind) or not _has_dict(kind) or "__parameter_tree__" in vars(module):
            raise UnreadableError
        self._modules.append(module)
        self._kinds.append(kind)
        self._names.append(vars(module))
        slots = find_slots(kind)
        found = [_read_slot(slot, module) for slot in slots]
        self._owners += [module] * len(slots)
        self._slots += slots
        self._found += found
        self._visit_all([part for part in found if part is not ABSENT])
        self._visit_dict(vars(module))


def _read_slot(slot: MemberDescriptorType, module: Any) -> Any:
    try:
        return slot.__get__(module)
    except AttributeError:
        return ABSENT


def _has_dict(kind: type) -> bool:
    """Whether instances have a ``__dict__`` of their own, and no property of that name."""
    found = next((vars(each)["__dict__"] for each in kind.__mro__ if "__dict__" in vars(each)), None)
    return isinstance(found, GetSetDescriptorType)


def _is_same_array(tree: NDArray[Any], kept: NDArray[Any]) -> bool:
    return tree.shape == kept.shape and tree.dtype == kept.dtype and tree.tobytes() == kept.tobytes()
