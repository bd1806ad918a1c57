"""The parameters of a module as arrays, call after call: what was not changed is not read again.

The first call takes a module apart (:mod:`~tinygrad_lite.lift.tracing.arguments`). Later ones only look whether it is
still made of the same things: every attribute of every module in it, and what stands in its lists, dicts and arrays.
If so, and the engine's clock says that no leaf was changed since, the arrays of the last call are given again; else the
numbers are gathered by a compiled loop.

Why it is sound: immutable things are the same if they are the same object, and what can be changed in place is compared
item by item. What can be neither, such as a container of the user's own, has no reader, and is taken apart each time.
The arrays are for programs, which do not write into what they are given.
"""

from __future__ import annotations

import math
import operator
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.flat_graph import codes_of, numbers_of
from tinygrad_lite.lift.tracing.capture_guards import ABSENT, Guards
from tinygrad_lite.node.state import STATE
from tinygrad_lite.pytree.registry import container_of
from tinygrad_lite.value import Value

Floats = NDArray[np.float64]
#: What cannot be changed in place, and has no parts.
_ATOMS = (bool, int, float, complex, str, bytes, type(None), Value)

_REQUIRES_GRAD = operator.attrgetter("requires_grad")


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
        watched = _Watched()
        watched.visit(module)
        self._is_current = watched.compile()
        #: the time on the engine's clock of the last call, and what it gave
        self._last: tuple[int, list[Floats]] = (-1, [])

    def read(self) -> list[Floats] | None:
        """Return the arrays of the parameters; None if the module is not made of the same things any more."""
        if not self._is_current():
            self.is_stale = True
            return None
        now, last = STATE.clock, self._last
        if last[0] == now:
            return last[1]
        numbers = numbers_of(self._leaves, self._codes)
        if numbers is None:
            self.is_stale = True
            return None
        flat = np.frombuffer(array("d", numbers))  # in half the time that NumPy takes to read a list
        arrays = [flat[part].reshape(shape) for part, shape in self._parts]
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
        self.guards = Guards()
        self._seen: dict[int, Any] = {}
        #: by the names of slots the modules that have them, and what stands in them
        self._slots: dict[tuple[str, ...], tuple[list[Any], list[Any]]] = {}

    def compile(self) -> Callable[[], bool]:
        """Make one function that looks at all."""
        for names, (modules, found) in self._slots.items():
            self.guards.others.append(_watch_slots(names, modules, found))
        return self.guards.compile([])

    def visit(self, tree: Any) -> None:
        """Watch all that can be changed in a module or what its attributes hold.

        Raises:
            UnreadableError: Of something in it that cannot be said.
        """
        kind = type(tree)
        if kind in _ATOMS or id(tree) in self._seen:
            return
        self._seen[id(tree)] = tree
        if hasattr(kind, "__parameter_tree__"):
            self._visit_module(tree)
        elif kind is tuple:
            if set(map(type, tree)) != {Value}:
                self._visit_all(tree)
        elif kind is list:
            self.guards.watch_items(tree)
            self._visit_all(tree)
        elif kind is dict:
            self._visit_dict(tree)
        elif isinstance(tree, np.ndarray):
            self._visit_array(tree)
        elif container_of(kind) is not None or isinstance(tree, (set, frozenset)):
            raise UnreadableError

    def _visit_all(self, items: Sequence[Any]) -> None:
        for item in items:
            self.visit(item)

    def _visit_dict(self, tree: dict[Any, Any]) -> None:
        if not tree:  # as that of a neuron, of which there are many
            self.guards.sized.append(tree)
            return
        self.guards.watch_items(tree)
        self.guards.watch_items(tree.values(), sized=False)
        self._visit_all(list(tree.values()))

    def _visit_array(self, tree: Any) -> None:
        if tree.dtype == object:
            raise UnreadableError
        kept = tree.copy()
        self.guards.others.append(
            lambda: tree.shape == kept.shape and tree.dtype == kept.dtype and tree.tobytes() == kept.tobytes()
        )

    def _visit_module(self, module: Any) -> None:
        kind = type(module)
        if "__parameter_tree__" in vars(module) or "__getattribute__" in vars(kind):
            raise UnreadableError
        slots = [each.__dict__.get("__slots__", ()) for each in kind.__mro__]
        names = [name for each in slots for name in ((each,) if isinstance(each, str) else each)]
        names = [name for name in names if not name.startswith("__")]
        parts = [getattr(module, name, ABSENT) for name in names]
        if len(names) > 1 and not any(part is ABSENT for part in parts):  # one reading for all of them
            modules, found = self._slots.setdefault(tuple(names), ([], []))
            modules.append(module)
            found += parts
        else:
            self.guards.slots += [(module, name, part) for name, part in zip(names, parts, strict=True)]
        self._visit_all([part for part in parts if part is not ABSENT])
        self._visit_dict(vars(module))


def _watch_slots(names: Sequence[str], modules: list[Any], found: list[Any]) -> Callable[[], bool]:
    read = operator.attrgetter(*names)
    return lambda: all(map(operator.is_, chain.from_iterable(map(read, modules)), found))
