"""Arguments of any structure as a flat list of numbers, and back: nested lists, tuples, dicts and NumPy arrays."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from tinygrad_lite.value import Value, is_numpy_scalar

Rebuild = Callable[[Iterator[Any]], Any]


def flatten(tree: Any, what: str, path: str = "") -> tuple[list[Any], Rebuild]:
    """The leaves of a structure, each a Value or a float, and the function that puts others in their places.

    Args:
        tree: Numbers and Values in lists, tuples, dicts and NumPy arrays, nested in any way.
        what: What the structure is, for the message: ``"argument 0 of loss"``.
        path: Where in the structure this is.

    Raises:
        TypeError: A leaf is no number; the message says where.

    >>> leaves, rebuild = flatten({"w": [1, 2.0], "b": 3.0}, "the argument")
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> rebuild(iter(x * 10 for x in leaves))
    {'w': [10.0, 20.0], 'b': 30.0}
    """
    if isinstance(tree, Value):
        return [tree], next
    if isinstance(tree, (float, int)) or (is_numpy_scalar(tree) and not is_array(tree)):
        return [float(tree)], next
    if isinstance(tree, dict):
        parts = [flatten(item, what, f"{path}[{key!r}]") for key, item in tree.items()]
        keys = list(tree)
        return _join(parts), lambda leaves: dict(zip(keys, [rebuild(leaves) for _, rebuild in parts], strict=True))
    if isinstance(tree, (list, tuple)):
        parts = [flatten(item, what, f"{path}[{i}]") for i, item in enumerate(tree)]
        kind = type(tree)

        def sequence(leaves: Iterator[Any]) -> Any:
            items = [rebuild(leaves) for _, rebuild in parts]
            return kind(*items) if hasattr(kind, "_fields") else kind(items)

        return _join(parts), sequence
    if is_array(tree):
        parts = [flatten(item, what, f"{path}[{i}]") for i, item in enumerate(tree.flat)]
        if any(len(leaves) != 1 for leaves, _ in parts):
            raise TypeError(f"{what}{path} is an array of sequences; an array holds numbers and Values")
        shape = tree.shape
        return _join(parts), lambda leaves: as_array([next(leaves) for _ in parts], shape)
    raise TypeError(
        f"{what}{path} is a {type(tree).__name__}, {tree!r}; expected a number, a Value, or a list, tuple, dict or "
        "NumPy array of those. Mark other arguments as not differentiated, with argnums."
    )


def flatten_units(tree: Any, what: str) -> tuple[list[tuple[int, tuple[int, ...] | None]], Rebuild]:
    """The arrays and numbers of a structure, each one unit, and the function that puts others in their places.

    Args:
        tree: As for :func:`flatten`.
        what: As for :func:`flatten`.

    Returns:
        For each unit how many numbers it holds, and its shape if it is an array; and the function.

    >>> units, rebuild = flatten_units([1.0, (2.0, 3.0)], "the argument")
    >>> units
    [(1, None), (1, None), (1, None)]
    >>> rebuild(iter("abc"))
    ['a', ('b', 'c')]
    """
    if is_array(tree):
        return [(int(tree.size), tree.shape)], next
    if isinstance(tree, (dict, list, tuple)):
        items = list(tree.values()) if isinstance(tree, dict) else list(tree)
        parts = [flatten_units(item, what) for item in items]
        keys = list(tree) if isinstance(tree, dict) else None
        kind = type(tree)

        def container(units: Iterator[Any]) -> Any:
            found = [rebuild(units) for _, rebuild in parts]
            if keys is not None:
                return dict(zip(keys, found, strict=True))
            return kind(*found) if hasattr(kind, "_fields") else kind(found)

        return [unit for units, _ in parts for unit in units], container
    flatten(tree, what)
    return [(1, None)], next


def structure(tree: Any) -> Any:
    """What two structures must have in common to be added number by number.

    >>> structure([1.0, (2.0, 3.0)]) == structure([0, (0, 0)])
    True
    """
    if is_array(tree) and tree.ndim:
        return tree.shape
    if isinstance(tree, dict):
        return {key: structure(item) for key, item in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [structure(item) for item in tree]
    return "number"


def is_array(tree: Any) -> bool:
    """Whether it is a NumPy array (without importing NumPy: if it is one, NumPy is there)."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(tree, numpy.ndarray)


def as_array(leaves: list[Any], shape: tuple[int, ...]) -> Any:
    """A float array, or an object array if a leaf is not a number."""
    import numpy

    plain = all(isinstance(x, (float, int)) for x in leaves)
    array = numpy.empty(len(leaves), dtype=float if plain else object)
    for i, leaf in enumerate(leaves):
        array[i] = leaf
    return array.reshape(shape)


def _join(parts: list[tuple[list[Any], Rebuild]]) -> list[Any]:
    return [leaf for leaves, _ in parts for leaf in leaves]
