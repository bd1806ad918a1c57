"""What functions and objects read: from the names in their code to what stands there.

What the code of a function names is followed: variables of the functions around it, globals, defaults, attributes, and
what the functions and objects found there read, as far as they are the user's own. Of the objects of other libraries,
what is numbers or a function. Each thing is looked at once.
"""

from __future__ import annotations

import array
import collections
import enum
import functools
import numbers
import operator
import sys
import types
from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np

from tinygrad_lite.lift.tracing.bytecode import find_names, is_library
from tinygrad_lite.lift.tracing.cache_key import Identity
from tinygrad_lite.lift.tracing.capture_guards import ABSENT, Guards, is_filled, watch_numbers
from tinygrad_lite.value import Value

_PLAIN: Final = (type(None), bool, int, float, complex, str, bytes)
_BY_VALUE: Final = (range, slice, enum.Enum, np.dtype, np.generic, numbers.Number, types.EllipsisType)
_SCALARS: Final = {float, int, bool, str, type(None)}
#: From so many numbers on, a list is compared as a whole.
_LONG: Final = 64
#: What a name that stands for nothing is.
MISSING: Final = "missing"
#: Methods that are not called by what one does with an object that is there.
_UNCALLED: Final = frozenset(
    {"__init__", "__new__", "__repr__", "__str__", "__del__", "__setattr__", "__delattr__", "__reduce__"}
    | {"__init_subclass__", "__class_getitem__", "__set_name__", "__getstate__", "__setstate__", "__subclasshook__"}
)


class CaptureWalk:
    """One look at everything."""

    def __init__(self, attributes: frozenset[str], any_attribute: bool) -> None:
        self.named = set(attributes)
        self.any = any_attribute
        self.parts: dict[str, Hashable] = {}
        self.values: list[Value] = []
        self.guards = Guards()
        self._places: dict[int, int] = {}
        self._visited: dict[int, str] = {}
        self._alive: list[Any] = []
        self._read: set[tuple[int, str]] = set()
        self._todo: list[tuple[str, Any, bool]] = []

    def run(self, roots: Sequence[Any], arguments: Sequence[Any]) -> None:
        """Follow everything from the roots."""
        self._todo += [("", root, True) for root in reversed(roots)]
        self._todo += [("", thing, False) for thing in arguments]
        while self._todo:
            path, thing, whole = self._todo.pop()
            self._visit(path, thing, whole)

    def _visit(self, path: str, thing: Any, whole: bool) -> None:
        """Note what stands in a place.

        Args:
            path: The place.
            thing: What stands there.
            whole: Whether its numbers count.
        """
        if isinstance(thing, Value):
            if whole:
                self._note(path, self._make_value_key(thing))
            return
        if isinstance(thing, _PLAIN) or (isinstance(thing, _BY_VALUE) and not isinstance(thing, np.ndarray)):
            if whole:
                self._note(path, make_plain_key(thing))
            return
        known = self._visited.get(id(thing))
        if known is not None:
            self._note(path, ("as", known))
            return
        self._visited[id(thing)] = path
        self._alive.append(thing)
        if isinstance(thing, np.ndarray) or (hasattr(type(thing), "__array__") and _is_of_library(thing)):
            self._visit_array(path, thing, whole)
        elif isinstance(thing, (list, tuple, collections.deque)):
            self._visit_sequence(path, thing, whole)
        elif isinstance(thing, (dict, types.MappingProxyType)):
            self._visit_mapping(path, thing, whole)
        elif isinstance(thing, (set, frozenset, bytearray, array.array)):
            self._note(path, (type(thing).__name__, _freeze(thing)))
            kept = _freeze(thing)
            self.guards.others.append(lambda: bool(_freeze(thing) == kept))
        else:
            self._note(path, Identity(thing))
            self._visit_object(path, thing, whole or not hasattr(type(thing), "__parameter_tree__"))

    def _note(self, path: str, part: Hashable) -> None:
        while path in self.parts:  # two roots, or a name that stands for two things
            path += "'"
        self.parts[path] = part

    # ------------------------------------------------------------------------------------- numbers and containers

    def _make_value_key(self, value: Value) -> Hashable:
        number = self._places.setdefault(id(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
        if value.is_leaf:
            return "value", number, value.requires_grad
        return "value", number, Identity(value)  # its graph is part of the program

    def _visit_array(self, path: str, thing: Any, whole: bool) -> None:
        if not whole:
            return
        try:
            found = np.asarray(thing)
        except Exception:  # another library's array, on a device perhaps
            self._note(path, Identity(thing))
            return
        if found.dtype == object:
            items = found.ravel().tolist()
            self._note(path, ("objects", found.shape))
            self.guards.others.append(lambda: all(map(operator.is_, np.ravel(thing).tolist(), items)))
            self._visit_items(path, items, whole)
            return
        if found is thing and found.base is None and not found.flags.writeable:
            self._note(path, Identity(found))
            self.guards.others.append(lambda: not found.flags.writeable)
            return
        shape, dtype, content = found.shape, found.dtype, found.tobytes()
        mask = thing.mask.tobytes() if isinstance(thing, np.ma.MaskedArray) else b""
        self._note(path, ("array", shape, dtype.str, content, mask))

        def same() -> bool:
            now = np.asarray(thing)
            return now.shape == shape and now.dtype == dtype and now.tobytes() == content

        self.guards.others.append(same)
        if isinstance(thing, np.ma.MaskedArray):
            self.guards.others.append(lambda: thing.mask.tobytes() == mask)

    def _visit_sequence(self, path: str, thing: Any, whole: bool) -> None:
        kinds = set(map(type, thing))
        if hasattr(thing, "__dict__"):
            self._visit_attributes(path, thing, whole)
        if whole and type(thing) in (list, collections.deque) and kinds <= _SCALARS and len(thing) > _LONG:
            self.guards.others.append(watch_numbers(thing))
        elif whole and type(thing) is list and kinds == {Value}:
            self.guards.watch_values(thing)
        elif whole and not isinstance(thing, tuple):
            self.guards.watch_items(thing)
        if kinds <= _SCALARS:
            if whole:
                numbers = np.array(thing).tobytes() if kinds == {float} else tuple(map(make_plain_key, thing))
                self._note(path, (type(thing).__name__, len(thing), numbers))
            return
        if whole:
            self._note(path, (type(thing).__name__, len(thing)))
        elif kinds == {Value}:  # a row of a module's parameters, which say nothing
            return
        self._visit_items(path, thing, whole)

    def _visit_items(self, path: str, items: Any, whole: bool) -> None:
        self._todo += [(f"{path}[{number}]", item, whole) for number, item in enumerate(items)]

    def _visit_mapping(self, path: str, thing: Any, whole: bool) -> None:
        if whole:
            self.guards.watch_items(thing)
            self.guards.watch_items(thing.values(), sized=False)
            self._note(path, (type(thing).__name__, tuple([make_dict_key(key) for key in thing])))
        if hasattr(thing, "__dict__"):
            self._visit_attributes(path, thing, whole)
        self._todo += [(f"{path}[{key!r}]", item, whole) for key, item in thing.items()]

    # ------------------------------------------------------------------------------------- functions and objects

    def _visit_object(self, path: str, thing: Any, whole: bool) -> None:
        if isinstance(thing, types.FunctionType):
            self._visit_function(path, thing)
        elif isinstance(thing, types.MethodType):
            self._follow(f"{path}.{thing.__name__}" if path else "", thing.__func__)
            owner = thing.__self__
            if not _is_of_library(owner) or isinstance(owner, type) or hasattr(type(owner), "__parameter_tree__"):
                self._follow(_join_attribute(path, "self"), owner)
        elif isinstance(thing, (types.BuiltinMethodType, types.MethodWrapperType)):
            if not isinstance(thing.__self__, types.ModuleType):
                self._follow(_join_attribute(path, "self"), thing.__self__)
        elif isinstance(thing, functools.partial):
            self._follow(path, thing.func)
            self._todo.append((_join_attribute(path, "args"), thing.args, True))
            self._todo.append((_join_attribute(path, "keywords"), thing.keywords, True))
        elif isinstance(thing, types.ModuleType):
            if not is_library(thing.__name__):
                self._visit_members(path, vars(thing))
        elif isinstance(thing, type):
            self._visit_class(path, thing, constructed=True)
        elif isinstance(thing, (property, functools.cached_property, staticmethod, classmethod)):
            for name in ("fget", "func", "__func__"):
                self._follow(path, getattr(thing, name, None))
        elif not isinstance(thing, types.CodeType):
            self._visit_instance(path, thing, whole)

    def _follow(self, path: str, thing: Any) -> None:
        if thing is not None:
            self._todo.append((path, thing, True))

    def _visit_function(self, path: str, function: types.FunctionType) -> None:
        self.guards.functions.append(function)
        code = function.__code__
        self._note(_join_read(path, "code"), Identity(code))
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        is_own = not is_library(function.__globals__.get("__name__"))
        for name, cell in cells.items():
            self._visit_cell(_join_read(path, name), cell)
        self._todo.append((_join_read(path, "defaults"), function.__defaults__, True))
        if function.__kwdefaults__:
            self._todo.append((_join_read(path, "defaults"), function.__kwdefaults__, True))
        if is_own:
            named = find_names(code)
            self._learn(named.attributes, named.any_attribute)
            for name in named.globals:
                self._visit_global(_join_read(path, name), function.__globals__, name)
            for name in named.modules:
                self._follow(_join_read(path, name), sys.modules.get(name))
        elif "__wrapped__" in vars(function):
            self._follow(path, vars(function)["__wrapped__"])
        if is_own and vars(function):
            self._visit_members(path, vars(function))

    def _learn(self, attributes: frozenset[str], any_attribute: bool) -> None:
        self.named |= attributes
        self.any = self.any or any_attribute

    def _visit_cell(self, path: str, cell: Any) -> None:
        if (id(cell), "") in self._read:
            return
        self._read.add((id(cell), ""))
        try:
            found = cell.cell_contents
        except ValueError:  # nothing yet
            self._note(path, MISSING)
            self.guards.others.append(lambda: not is_filled(cell))
            return
        self.guards.cells.append((cell, found))
        self._todo.append((path, found, True))

    def _visit_global(self, path: str, names: dict[str, Any], name: str) -> None:
        if (id(names), name) in self._read:
            return
        self._read.add((id(names), name))
        found = names.get(name, ABSENT)
        if found is ABSENT:  # one of Python's own, or nothing at all
            self._note(path, MISSING)
            self.guards.missing.append((names, name))
            return
        self.guards.entries.append((names, name, found))
        self._todo.append((path, found, True))

    def _visit_members(self, path: str, names: Any, whole: bool = True, everything: bool = False) -> None:
        """Visit the entries of the dict of an object or a module that code names."""
        for name in list(names):
            wanted = name in self.named or ((everything or self.any) and not name.startswith("__"))
            if wanted and (id(names), name) not in self._read:
                self._read.add((id(names), name))
                if whole:
                    self.guards.entries.append((names, name, names[name]))
                self._todo.append((_join_attribute(path, name), names[name], whole))

    def _visit_instance(self, path: str, thing: Any, whole: bool) -> None:
        """Visit the attributes of an object that code names, and what its class reads."""
        kind = type(thing)
        if hasattr(kind, "__parameter_tree__"):
            if hasattr(thing, "__dict__"):
                self._visit_attributes(path, thing, whole, everything=True)
        else:
            self._visit_attributes(path, thing, whole)
            if _is_of_library(thing) and hasattr(thing, "__dict__"):  # its code is not looked into: what has numbers
                own = kind.__module__.startswith("tinygrad_lite")
                names = vars(thing)
                for name in list(names):
                    item = names[name]
                    tells = name == "__wrapped__" or _may_have_numbers(item, own or name.startswith("_"))
                    if tells and name not in self.named and not self.any:
                        self.guards.entries.append((names, name, item))
                        self._todo.append((path if name == "__wrapped__" else _join_attribute(path, name), item, True))
        self._visit_class(path, kind, constructed=False)

    def _visit_attributes(self, path: str, thing: Any, whole: bool, everything: bool = False) -> None:
        if hasattr(thing, "__dict__"):
            if whole:
                self.guards.sized.append(vars(thing))
            self._visit_members(path, vars(thing), whole, everything)
        for kind in type(thing).__mro__:
            for name, item in vars(kind).items():
                if isinstance(item, types.MemberDescriptorType) and (self.any or name in self.named):
                    found = getattr(thing, name, ABSENT)
                    if whole:
                        self.guards.slots.append((thing, name, found))
                    self._todo.append((_join_attribute(path, name), None if found is ABSENT else found, whole))

    def _visit_class(self, path: str, kind: type, constructed: bool) -> None:
        """Visit what the code of a class reads: methods that are named, or that Python or a library's base may call."""
        own = [base for base in kind.__mro__ if not is_library(base.__module__)]
        if not own:
            return
        inherited = {name for base in kind.__mro__ if base not in own and base is not object for name in vars(base)}
        for base in own:
            names = vars(base)
            self.guards.sized.append(names)
            for name, item in list(names.items()):
                if name.startswith("__"):
                    is_function = isinstance(item, types.FunctionType)
                    wanted = is_function and (constructed or name not in _UNCALLED)
                else:
                    wanted = self.any or name in self.named or name in inherited or name == "forward"
                if wanted and (id(base), name) not in self._read:
                    self._read.add((id(base), name))
                    self.guards.entries.append((names, name, item))
                    self._todo.append((_join_attribute(path, name), item, True))


def _is_of_library(thing: Any) -> bool:
    return is_library(type(thing).__module__)


def _may_have_numbers(item: Any, inner: bool) -> bool:
    """Whether an attribute of a library's object may be numbers; or, unless it is its inner affair, have them."""
    if isinstance(item, (*_PLAIN, *_BY_VALUE, np.ndarray)):
        return True
    return not inner and (callable(item) or isinstance(item, (list, tuple, dict, Value)))


def make_plain_key(thing: Any) -> Hashable:
    """Make the key of a number or text, so that 0.0 and -0.0 differ, and 1 and True."""
    if isinstance(thing, slice):
        return "slice", thing.start, thing.stop, thing.step
    if isinstance(thing, np.generic):
        return type(thing).__name__, repr(thing.item())
    if isinstance(thing, (float, complex)):
        return type(thing).__name__, repr(thing)
    return type(thing).__name__, thing


def make_dict_key(key: Any) -> Hashable:
    """Make the key of a key of a dict."""
    return make_plain_key(key) if isinstance(key, _PLAIN) else key


def _freeze(thing: Any) -> Hashable:
    return frozenset(thing) if isinstance(thing, (set, frozenset)) else bytes(thing)


def _join_read(path: str, name: str) -> str:
    """Name what a function reads."""
    return f"{path}:{name}" if path else name


def _join_attribute(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
