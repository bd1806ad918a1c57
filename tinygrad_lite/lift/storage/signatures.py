"""Signatures that hold in another process: what a program's arguments must look like, as plain data.

A signature knows a module by its identity, which means nothing in a file or in another process. In a *portable*
signature a module is known by the names and shapes of its parameters, which of them take gradients, and whether it is
in training mode. That is less: the program of a ``tanh`` network takes a ``relu`` network of the same shapes for it.

A portable signature is plain data if all static arguments are: None, booleans, numbers, strings, and tuples of these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.tracing.arguments import Signature

#: Deeper nests are refused: no argument has so many levels, and Python's recursion ends somewhere.
_DEEPEST = 100


def make_portable(signature: Signature) -> Signature:
    """Leave the identities of modules out of a signature.

    Args:
        signature: Any.

    >>> make_portable(Signature((("module", 139, False, (("w", (2,), (True, True)),)), "number"))).parts
    (('module', None, False, (('w', (2,), (True, True)),)), 'number')
    """
    return Signature(tuple([_make_portable(part) for part in signature.parts]))


def _make_portable(part: Any) -> Any:
    match part:
        case ("module", _, training, shapes):
            return "module", None, training, shapes
        case ("keyword", name, inner):
            return "keyword", name, _make_portable(inner)
        case ("dict", tuple(items)):
            return "dict", tuple([(key, _make_portable(item)) for key, item in items])
        case (str(kind), tuple(items)):
            return kind, tuple([_make_portable(item) for item in items])
    return part


def list_units(signature: Signature) -> list[tuple[tuple[int, ...], bool]]:
    """List the arrays and numbers that arguments of this signature have: the shape of each, and whether it has samples.

    Args:
        signature: A portable one, from anywhere.

    Raises:
        LiftError: It is no signature.

    >>> list_units(Signature((("array", (2, 3), 0), ("list", ("number", ("static", "str", "a"))))))
    [((2, 3), True), ((), False)]
    """
    return [unit for part in signature.parts for unit in _list_units(part, 0)]


def _list_units(part: Any, depth: int) -> Iterator[tuple[tuple[int, ...], bool]]:
    if depth < _DEEPEST:
        match part:
            case "number":
                yield (), False
                return
            case ("array", shape, axis) | ("nest", shape, axis, _) if _is_shape(shape):
                yield shape, axis is not None
                return
            case ("module", None, bool(), tuple(entries)) if all(_is_parameter(entry) for entry in entries):
                yield from [(shape, False) for _, shape, _ in entries]
                return
            case ("static", str(), _):
                return
            case ("keyword", str(), inner):
                yield from _list_units(inner, depth + 1)
                return
            case ("dict", tuple(items)) if all(isinstance(item, tuple) and len(item) == 2 for item in items):
                for _, item in items:
                    yield from _list_units(item, depth + 1)
                return
            case (str(), tuple(items)):
                for item in items:
                    yield from _list_units(item, depth + 1)
                return
    raise LiftError(f"it describes an argument as {part!r:.80}, which is none")


def _is_parameter(entry: Any) -> bool:
    return isinstance(entry, tuple) and len(entry) == 3 and _is_shape(entry[1])


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(type(size) is int and 0 <= size < 2**48 for size in shape)


def to_json(part: Any, what: str) -> Any:
    """Turn a part of a portable signature into what JSON can hold.

    Args:
        part: Of a signature, or the whole.
        what: What messages call it.

    Raises:
        LiftError: Something in it is no plain data.
    """
    if isinstance(part, tuple):
        if len(part) == 3 and part[0] == "static" and not _is_plain(part[2]):
            raise LiftError(
                f"{what} cannot be saved: it has a static argument that is a {part[1]}, {part[2]!r:.80}. Static "
                "arguments in a file are None, bool, int, float, str and tuples of these. Lift a function without it, "
                "such as a functools.partial that has it already."
            )
        return [to_json(item, what) for item in part]
    if type(part) is float and not math.isfinite(part):
        return {"float": repr(part)}
    if not _is_plain(part):
        raise LiftError(f"{what} cannot be saved: its arguments have {part!r:.80}, which is no plain name or number")
    return part


def _is_plain(part: Any) -> bool:
    if type(part) is tuple:
        return all(_is_plain(item) for item in part)
    return part is None or type(part) in (bool, int, float, str)


def from_json(given: Any, depth: int = 0) -> Any:
    """Turn back what :func:`to_json` was given.

    Args:
        given: Anything that JSON can hold.
        depth: In how many lists it lies.

    Raises:
        LiftError: It is nothing that :func:`to_json` gives.
    """
    if isinstance(given, list) and depth < _DEEPEST:
        return tuple([from_json(item, depth + 1) for item in given])
    if isinstance(given, dict) and given.keys() == {"float"} and given["float"] in ("nan", "inf", "-inf"):
        return float(given["float"])
    if isinstance(given, (list, dict)):
        raise LiftError(f"it describes arguments by {given!r:.80}")
    return given
