"""Plain data (numbers, text, lists, tuples, dicts, arrays) as JSON and named arrays, and back, to the bit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tinygrad_lite.node.fields import is_numpy_scalar
from tinygrad_lite.pytree import is_array

#: A list of at least so many floats, or so many ints, is kept as an array.
_LONG: Final = 8
#: The floats that JSON has no number for.
_NOT_FINITE: Final = {repr(number): number for number in (math.inf, -math.inf, math.nan)}


def encode(tree: Any, name: str, arrays: dict[str, Any]) -> str:
    """JSON for a tree of plain data; its arrays, and long lists of numbers, are put aside.

    Args:
        tree: None, bools, ints, floats, text, NumPy arrays and numbers, and lists, tuples and dicts of these (the keys
            are text, ints, floats or bools).
        name: What the names of its arrays begin with; may be ``""``.
        arrays: Where they are put.

    Raises:
        TypeError: Something in it is no plain data; the message says where.

    >>> arrays = {}
    >>> text = encode({"lr": 0.1, "moments": {0: [0.5] * 8}}, "optimizer", arrays)
    >>> list(arrays)
    ['optimizer.moments.0']
    >>> decode(text, arrays)
    {'lr': 0.1, 'moments': {0: [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]}}
    """
    return json.dumps(_encoded(tree, name, arrays), separators=(",", ":"), allow_nan=False)


def decode(text: str, arrays: Mapping[str, Any]) -> Any:
    """Rebuild the tree that :func:`encode` made the text and the arrays from.

    Raises:
        ValueError: It did not make them.

    >>> decode('{"tuple": [1, {"float": "inf"}]}', {})
    (1, inf)
    """
    try:
        return _decoded(json.loads(text), arrays)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{text[:40]!r}... is no plain data ({error!r})") from None


# What JSON has no word for is a dict of one item, whose key says what it is; a dict is the list of its items.


def _encoded(tree: Any, name: str, arrays: dict[str, Any]) -> Any:
    if tree is None or isinstance(tree, (bool, str)) or type(tree) is int:
        return tree
    if type(tree) is float:
        return tree if math.isfinite(tree) else {"float": repr(tree)}  # one of _NOT_FINITE
    if isinstance(tree, Mapping):
        return {"dict": [[_key(key, name), _encoded(item, _below(name, key), arrays)] for key, item in tree.items()]}
    if isinstance(tree, (list, tuple)):
        kind = "list" if isinstance(tree, list) else "tuple"
        if len(tree) >= _LONG and _are_numbers(tree):
            import numpy

            return {f"{kind} of numbers": _put(numpy.array(tree), name, arrays)}
        items = [_encoded(item, _below(name, i), arrays) for i, item in enumerate(tree)]
        return items if kind == "list" else {kind: items}
    if is_array(tree) and tree.dtype.kind in "fiub":
        return {"array": _put(tree.copy(), name, arrays)}
    if is_numpy_scalar(tree):
        return _encoded(tree.item(), name, arrays)
    raise TypeError(
        f"{name} is a {type(tree).__name__}, {tree!r}: files hold numbers, text, lists, tuples, dicts and arrays of "
        "numbers only. "
        + (
            "Give its state_dict() instead."
            if hasattr(tree, "state_dict") and not isinstance(tree, type)
            else "Leave it out of the state_dict(), or keep what it is made from."
        )
    )


def _are_numbers(items: Sequence[Any]) -> bool:
    """Tell whether all are floats, or all ints of 64 bits, so that an array keeps them, and keeps what they are."""
    if type(items[0]) is float:
        return all(type(item) is float for item in items)
    return all(type(item) is int and -(2**63) <= item < 2**63 for item in items)


def _key(key: Any, name: str) -> Any:
    if isinstance(key, (str, bool, int)) or (isinstance(key, float) and math.isfinite(key)):
        return key
    raise TypeError(f"{name} has the key {key!r}: files hold dicts whose keys are text, ints, floats or bools")


def _below(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _put(array: Any, name: str, arrays: dict[str, Any]) -> str:
    unique = name
    while unique in arrays:  # of the keys 1 and "1"
        unique += "'"
    arrays[unique] = array
    return unique


def _decoded(node: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_decoded(item, arrays) for item in node]
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "dict":
        return {key: _decoded(item, arrays) for key, item in content}
    if kind == "tuple":
        return tuple([_decoded(item, arrays) for item in content])
    if kind == "float":
        return _NOT_FINITE[content]
    array = arrays[content]
    if kind == "array":
        return array.copy()
    return {"list of numbers": list, "tuple of numbers": tuple}[kind](array.tolist())
