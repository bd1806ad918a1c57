"""A function written for floats, run on Values: where it says ``math.tanh``, the table's ``tanh`` is meant.

The functions of :mod:`math` take no Values, as that would leave the graph. For a check, though, what a function of
floats computes is wanted as a graph. So its code is given other globals, closures and defaults, in which each function
of ``math`` that the operation table knows is the table's; likewise the functions of the user's that it calls.
"""

from __future__ import annotations

import functools
import math
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from tinygrad_lite import functions
from tinygrad_lite.nary import sum as total
from tinygrad_lite.operations.ops import TABLE

#: The table's function for each of ``math``'s; those of math's own names do what the built-in ones do.
_OURS: Final[dict[Any, Any]] = {
    getattr(math, op.name): getattr(functions, op.name)
    for op in TABLE.values()
    if op.public and hasattr(math, op.name) and hasattr(functions, op.name)
} | {math.fabs: abs, math.fsum: lambda numbers: total(list(numbers))}
_MATH: Final = types.SimpleNamespace(**{name: _OURS.get(x, x) if callable(x) else x for name, x in vars(math).items()})
#: So many functions that call one another are followed.
_MOST: Final = 64


def on_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, with the table's functions in the place of math's.

    Args:
        function: Any. One that is not written in Python, or is a library's, stays as it is.

    >>> import math
    >>> from tinygrad_lite import Value
    >>> on_values(functools.partial(math.hypot, 3.0))(Value(4.0)).op
    'hypot'
    """
    made: Callable[..., Any] = _Rewriting().of(function)
    return made


class _Rewriting:
    """The functions rewritten so far, by the id of what they were made of, which is kept alive."""

    def __init__(self) -> None:
        self.made: dict[int, tuple[Any, Any]] = {}

    def of(self, thing: Any) -> Any:
        """Return what stands in its place."""
        if thing is math:
            return _MATH
        if isinstance(thing, types.BuiltinFunctionType):
            return _OURS.get(thing, thing)
        if isinstance(thing, functools.partial):
            keywords = {name: self._part(x) for name, x in thing.keywords.items()}
            return functools.partial(self.of(thing.func), *map(self._part, thing.args), **keywords)
        if isinstance(thing, types.MethodType) and isinstance(thing.__func__, types.FunctionType):
            return types.MethodType(self.of(thing.__func__), thing.__self__)
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        call = vars(type(thing)).get("__call__")
        if isinstance(call, types.FunctionType) and _is_users(call):
            return types.MethodType(self._function(call), thing)
        return thing

    def _function(self, function: types.FunctionType) -> Any:
        known = self.made.get(id(function))
        if known is not None:
            return known[1]
        if not _is_users(function) or len(self.made) >= _MOST:
            return function
        names = dict(function.__globals__)
        closure = tuple(types.CellType() for _ in function.__closure__ or ())
        again = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, closure or None)
        self.made[id(function)] = function, again  # before its parts, as it may call itself
        again.__kwdefaults__ = function.__kwdefaults__ and {
            k: self._part(x) for k, x in function.__kwdefaults__.items()
        }
        again.__defaults__ = function.__defaults__ and tuple(map(self._part, function.__defaults__))
        for name in _names_in(function.__code__):
            if name in names:
                names[name] = self._part(names[name])
        for cell, given in zip(closure, function.__closure__ or (), strict=True):
            self._fill(cell, given)
        return again

    def _fill(self, cell: types.CellType, given: types.CellType) -> None:
        with suppress(ValueError):  # nothing is in it yet
            cell.cell_contents = self._part(given.cell_contents)

    def _part(self, thing: Any) -> Any:
        """Functions and the module math; whatever else a function refers to stays as it is."""
        known = thing is math or isinstance(
            thing, (types.BuiltinFunctionType, types.FunctionType, types.MethodType, functools.partial)
        )
        return self.of(thing) if known else thing


def _names_in(code: types.CodeType) -> set[str]:
    """Return the names in a function's code, and in that of the functions within it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names_in(constant)
    return found


def _is_users(function: types.FunctionType) -> bool:
    """Whether it is neither ours, nor Python's, nor of a library that is installed."""
    package = (function.__module__ or "").partition(".")[0]
    if package in sys.stdlib_module_names and package != "__main__":
        return False
    return package != "tinygrad_lite" and "site-packages" not in function.__code__.co_filename
