"""What a lifted function gives: its structure, and the numbers in it as arrays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.pytree import dict_like, foreign, is_record, record_of, vars_of
from tinygrad_lite.value import Value, operand

Rebuild = Callable[[Iterator[Any]], Any]


class Kind(str):
    """What makes of a dict or a tuple an object of the kind that the function gave; in a file, its name alone."""

    __slots__ = ("make",)

    def __new__(cls, name: str, make: Callable[[Any], Any]) -> Kind:
        """The name of a class, and what makes objects of it."""
        kind = super().__new__(cls, name)
        kind.make = make
        return kind

    make: Callable[[Any], Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)

    @classmethod
    def of_dict(cls, tree: Any) -> Kind:
        """That of a dict of another kind, such as a defaultdict with its default.

        >>> from collections import OrderedDict
        >>> Kind.of_dict(OrderedDict(a=1)).make({"b": 2})
        OrderedDict([('b', 2)])
        """
        empty = copy.copy(tree)
        empty.clear()
        return cls(type(tree).__name__, partial(dict_like, empty))


@dataclass(eq=False)
class Results:
    """The results of one trace, taken apart.

    Attributes:
        shapes: Of each array; None for a plain number.
        nodes: The Values of each array in C order.
        structure: What holds them, as nested lists of names, numbers and keys that can be written to a file.
    """

    shapes: list[tuple[int, ...] | None] = field(default_factory=list)
    nodes: list[list[Value]] = field(default_factory=list)
    structure: Any = None

    def forgotten(self) -> list[Value]:
        """All nodes in one list; they are not held here any more, so that the graph may go."""
        nodes = [node for nodes in self.nodes for node in nodes]
        self.nodes = []
        return nodes


def take_apart_results(tree: Any, name: str) -> Results:
    """The arrays of what a function gave: numbers, arrays, and rectangular nests of numbers as arrays.

    Raises:
        LiftError: Something in it is no number.
    """
    taken = Results()
    taken.structure = _structure(taken, tree, f"the result of {name}")
    return taken


def _structure(taken: Results, tree: Any, what: str) -> Any:
    if isinstance(tree, dict):
        for key in tree:
            if not isinstance(key, (str, int)):
                raise LiftError(f"{what} is a dict with the key {key!r}: keys are str or int")
        held = {"dict": [[key, _structure(taken, item, f"{what}[{key!r}]")] for key, item in tree.items()]}
        return held if type(tree) is dict else {"made": [Kind.of_dict(tree), held]}
    if is_record(tree):
        named = [[name, _structure(taken, item, f"{what}.{name}")] for name, item in vars_of(tree).items()]
        return {"made": [Kind(type(tree).__name__, partial(record_of, type(tree))), {"dict": named}]}
    unlike = foreign(tree)
    if unlike:
        raise LiftError(f"{what} is {unlike}")
    array = _as_array(tree)
    if array is not None:
        taken.shapes.append(None if not isinstance(tree, np.ndarray) and array.ndim == 0 else array.shape)
        taken.nodes.append([operand(item) for item in array.flat])
        return "array"
    if isinstance(tree, (list, tuple)):
        kind = "tuple" if isinstance(tree, tuple) else "list"
        inner = {kind: [_structure(taken, item, f"{what}[{i}]") for i, item in enumerate(tree)]}
        if not hasattr(tree, "_fields"):
            return inner
        return {"made": [Kind(type(tree).__name__, type(tree)._make), inner]}  # type: ignore[union-attr]  # a named tuple
    if tree is None:
        raise LiftError(f"{what} is None: return the Values to compute")
    raise LiftError(f"{what} is a {type(tree).__name__}, {tree!r:.80}: a lifted function gives Values and numbers")


def _as_array(tree: Any) -> Any:
    """Numbers and Values in a rectangular arrangement as an object array; None for anything else."""
    if isinstance(tree, np.ndarray):
        return tree.astype(object)
    if isinstance(tree, Value) or (isinstance(tree, (float, int, np.number)) and not isinstance(tree, bool)):
        array = np.empty((), dtype=object)
        array[()] = tree
        return array
    if isinstance(tree, list) and tree and not any(isinstance(item, np.ndarray) for item in tree):
        parts = [_as_array(item) for item in tree]
        if all(part is not None and part.shape == parts[0].shape for part in parts):
            whole = np.empty((len(parts), *parts[0].shape), dtype=object)
            for i, part in enumerate(parts):
                whole[i] = part[()]  # a number, not an array without dimensions
            return whole
    return None


def rebuilt(structure: Any, arrays: Iterator[Any]) -> Any:
    """The results, with these arrays."""
    found = list(arrays)
    return builder_of(structure, [False] * len(found))(found)


def builder_of(structure: Any, numbers: Sequence[bool]) -> Callable[[Sequence[Any]], Any]:
    """A function from the arrays to the results.

    Args:
        structure: Of the results.
        numbers: Which of the arrays are given as floats.

    >>> builder_of({"tuple": ["array", {"dict": [["w", "array"]]}]}, [True, False])([np.array(1.0), np.zeros(2)])
    (1.0, {'w': array([0., 0.])})
    """
    keys: dict[str, Any] = {}
    text = _text_of(structure, iter(enumerate(numbers)), keys)
    build: Callable[[Sequence[Any]], Any] = eval(f"lambda found: {text}", keys)
    return build


def _text_of(structure: Any, places: Iterator[tuple[int, bool]], keys: dict[str, Any]) -> str:
    """The results as an expression in the list ``found``; keys of dicts are given to it, never written into it."""
    if structure == "array":
        place, is_number = next(places)
        return f"float(found[{place}])" if is_number else f"found[{place}]"
    ((kind, items),) = structure.items()
    if kind == "made":
        whole, held = items
        inner = _text_of(held, places, keys)
        if not isinstance(whole, Kind):  # from a file
            return inner
        name = f"k{len(keys)}"
        keys[name] = whole.make
        return f"{name}({inner})"
    if kind == "dict":
        parts = []
        for key, item in items:
            name = f"k{len(keys)}"
            keys[name] = key
            parts.append(f"{name}: {_text_of(item, places, keys)}")
        return f"{{{', '.join(parts)}}}"
    inner = "".join([f"{_text_of(item, places, keys)}, " for item in items])
    return f"({inner})" if kind == "tuple" else f"[{inner}]"
