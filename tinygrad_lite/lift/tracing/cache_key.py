"""What makes two static arguments, or two states of a module, the same for a program.

A program holds for the very things that the function was run with, apart from numbers: the mode of a module and of all
its parts, its buffers and settings, and whatever is static. Things without a value of their own are known by identity,
and kept alive, as Python gives the address of a thing that is gone to another.
"""

from __future__ import annotations

import array
import enum
import operator
from collections import deque
from contextlib import suppress
from types import MappingProxyType, MemberDescriptorType
from typing import Any, Final

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.pytree.registry import parts_of
from tinygrad_lite.value import Value

_PLAIN: Final = (type(None), bool, int, float, complex, str, bytes)
_BY_VALUE: Final = (*_PLAIN, range, slice, enum.Enum, np.dtype, np.generic)
_IS_LEAF: Final = operator.attrgetter("is_leaf")


class Identity:
    """A thing that equals itself alone, with a state that counts too."""

    def __init__(self, thing: Any, state: Any = None) -> None:
        self.thing: Final = thing
        self.state: Final = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.thing is other.thing and bool(self.state == other.state)

    def __hash__(self) -> int:
        return id(self.thing)

    def __repr__(self) -> str:
        return f"<{type(self.thing).__name__} at {id(self.thing):#x}>"


def make_module_key(module: Any) -> Identity:
    """Make the key of a module: all that the function may read of it beside the numbers of its parameters.

    >>> from tinygrad_lite.nn.layers.dropout import Dropout
    >>> layer = Dropout(0.5)
    >>> before = make_module_key(layer)
    >>> before == make_module_key(layer), before == make_module_key(layer.eval())
    (True, False)
    """
    parts = list(module.modules()) if hasattr(module, "modules") else [module]
    return Identity(
        module, tuple([(Identity(part), type(part), _make_state_key(_attributes_of(part))) for part in parts])
    )


def _attributes_of(part: Any) -> dict[str, Any]:
    """Return all attributes of an object, those in slots too, as the activation of a neuron is."""
    found = dict(getattr(part, "__dict__", {}))
    for place, slot in enumerate(find_slots(type(part))):  # two of them may have one name
        with suppress(AttributeError):  # nothing stands in it
            found[f"{place} {slot.__name__}"] = slot.__get__(part)
    return found


def find_slots(kind: type) -> list[MemberDescriptorType]:
    """Find what a class and its bases have under the names in their ``__slots__``, those that Python changes too.

    >>> class Point:
    ...     __slots__ = ("__y", "x")
    >>> [slot.__name__ for slot in find_slots(Point)]
    ['_Point__y', 'x']
    """
    return [part for each in kind.__mro__ for part in vars(each).values() if type(part) is MemberDescriptorType]


def make_static_key(tree: Any, named: bool, what: str) -> Any:
    """Make the key of a static argument.

    Args:
        tree: The argument.
        named: Whether it was named in ``static``.
        what: What messages call it.

    Raises:
        LiftError: It was not named, and it is an object whose numbers nobody would see change.
    """
    if isinstance(tree, float) and repr(tree) == "-0.0":
        return "-0.0"  # equal to 0.0, and another number
    if isinstance(tree, _PLAIN):
        return tree
    if named or callable(tree) or isinstance(tree, (*_BY_VALUE, set, frozenset, list, tuple, dict)):
        return _make_state_key(tree)
    raise LiftError(
        f"{what} is of type {type(tree).__name__}, which lift does not look into: its numbers would be those of this "
        "call for ever. Give them as a dict, a named tuple, an array or a Module; or name the argument in static, if "
        "it is a setting that does not change."
    )


def make_metadata_key(settings: Any) -> Any:
    """Make the key of what a container is made of beside its items: what was registered says itself what it equals.

    >>> make_metadata_key(("metres", 1)) == make_metadata_key(("metres", 1))
    True
    >>> make_metadata_key(1) == make_metadata_key(1.0)
    False
    """
    state = _make_state_key(settings)
    hashed: Any = type(settings).__hash__
    says_so = isinstance(state, Identity) and hashed not in (None, object.__hash__)
    return ("equal", settings) if says_so else state


def _make_state_key(tree: Any) -> Any:
    """Make what is hashable, and equal where the function would see no difference but in the numbers of Values."""
    if isinstance(tree, Value):
        # A leaf is a parameter. What was computed is a part of the program, with its graph.
        return "value" if tree.is_leaf else Identity(tree)
    if isinstance(tree, _PLAIN):
        return type(tree).__name__, repr(tree) if isinstance(tree, (float, complex)) else tree
    if isinstance(tree, np.generic):
        return type(tree).__name__, repr(tree.item())  # apart from 0.0 is -0.0, and nan is nan
    if isinstance(tree, _BY_VALUE) and not isinstance(tree, slice):
        return type(tree).__name__, tree
    if isinstance(tree, slice):
        return "slice", tree.start, tree.stop, tree.step
    if isinstance(tree, (dict, MappingProxyType)):
        return type(tree).__name__, tuple([(_make_state_key(key), _make_state_key(item)) for key, item in tree.items()])
    if isinstance(tree, (list, tuple, deque)):
        if set(map(type, tree)) == {Value} and all(map(_IS_LEAF, tree)):
            return type(tree).__name__, len(tree)
        return type(tree).__name__, tuple([_make_state_key(item) for item in tree])
    if isinstance(tree, (set, frozenset)):
        return type(tree).__name__, frozenset(map(_make_state_key, tree))
    if isinstance(tree, (bytearray, array.array)):
        return type(tree).__name__, getattr(tree, "typecode", ""), bytes(tree)
    if isinstance(tree, np.ndarray) or hasattr(type(tree), "__array__"):
        return _make_array_key(tree)
    parts = parts_of(tree)
    if parts is None:
        return Identity(tree)
    return type(tree), tuple(map(_make_state_key, parts.items)), make_metadata_key(parts.aux)


def _make_array_key(tree: Any) -> Any:
    """Make the key of an array of NumPy or of another library: what is in it, for it may be changed in place."""
    try:
        found = np.asarray(tree)
    except Exception:  # one that is on a device, or has a gradient of its own
        return Identity(tree)
    if found.dtype == object:
        return type(tree).__name__, "objects", found.shape, tuple(map(_make_state_key, found.ravel().tolist()))
    mask = tree.mask.tobytes() if isinstance(tree, np.ma.MaskedArray) else b""
    return type(tree).__name__, "array", found.shape, found.dtype.str, found.tobytes(), mask
