"""What a lifted function gives: its structure, and the numbers in it as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.jacobians.sparse_values import Pattern, parts_of_sparse
from tinygrad_lite.pytree import foreign
from tinygrad_lite.pytree.keys import DictKey, GetAttrKey
from tinygrad_lite.pytree.registry import parts_of
from tinygrad_lite.value import Value, operand

Rebuild = Callable[[Iterator[Any]], Any]


class Kind(str):
    """What makes of items a container of the kind that the function gave; in a file, its name alone."""

    __slots__ = ("make",)

    def __new__(cls, name: str, make: Callable[[Sequence[Any]], Any]) -> Kind:
        """Name a class, with what makes objects of it."""
        kind = super().__new__(cls, name)
        kind.make = make
        return kind

    make: Callable[[Sequence[Any]], Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


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

    def release(self) -> list[Value]:
        """Give all nodes away in one list: they are not held here any more, so that the graph may go."""
        nodes = [node for nodes in self.nodes for node in nodes]
        self.nodes = []
        return nodes


def take_apart_results(tree: Any, name: str) -> Results:
    """Take apart what a function gave: numbers, arrays, and rectangular nests of numbers as arrays.

    Raises:
        LiftError: Something in it is no number.
    """
    taken = Results()
    taken.structure = _take_structure(taken, tree, f"the result of {name}")
    return taken


def _take_structure(taken: Results, tree: Any, what: str) -> Any:
    sparse = parts_of_sparse(tree)
    if sparse is not None:
        data, pattern = sparse
        taken.shapes.append((len(data),))
        taken.nodes.append([operand(item) for item in data])
        return {"sparse": [*pattern, "array"]}
    parts = parts_of(tree)
    unlike = foreign(tree) if parts is None else ""
    if unlike:
        raise LiftError(f"{what} is {unlike}")
    array = _as_array(tree) if parts is None or isinstance(tree, list) else None
    if array is not None:
        taken.shapes.append(None if not isinstance(tree, np.ndarray) and array.ndim == 0 else array.shape)
        taken.nodes.append([operand(item) for item in array.flat])
        return "array"
    if parts is None:
        if tree is None:
            raise LiftError(f"{what} is None: return the Values to compute")
        raise LiftError(f"{what} is a {type(tree).__name__}, {tree!r:.80}: a lifted function gives Values and numbers")
    keys = parts.keys
    items = [_take_structure(taken, item, f"{what}{key}") for key, item in zip(keys, parts.items, strict=True)]
    held: Any = {"tuple" if isinstance(tree, tuple) else "list": items}
    if not parts.container.is_sequence and all(isinstance(key, (DictKey, GetAttrKey)) for key in keys):
        names = [key.key if isinstance(key, DictKey) else key.name for key in keys]
        for name in names:
            if not isinstance(name, (str, int)):
                raise LiftError(f"{what} is a dict with the key {name!r}: keys are str or int")
        held = {"dict": [list(pair) for pair in zip(names, items, strict=True)]}
    return (
        held
        if type(tree) in (dict, list, tuple)
        else {"made": [Kind(type(tree).__name__, parts.container.made_of(parts.aux)), held]}
    )


def _as_array(tree: Any) -> Any:
    """Make an object array of numbers and Values in a rectangular arrangement; None for anything else."""
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


def compile_builder(structure: Any, numbers: Sequence[bool]) -> Callable[[Sequence[Any]], Any]:
    """Compile a function from the arrays to the results.

    Args:
        structure: Of the results.
        numbers: Which of the arrays are given as floats.

    >>> compile_builder({"tuple": ["array", {"dict": [["w", "array"]]}]}, [True, False])([np.array(1.0), np.zeros(2)])
    (1.0, {'w': array([0., 0.])})
    """
    keys: dict[str, Any] = {}
    text = _write_builder(structure, iter(enumerate(numbers)), keys)
    build: Callable[[Sequence[Any]], Any] = eval(f"lambda found: {text}", keys)
    return build


def _make_filler(pattern: Pattern) -> Callable[[Any], Any]:
    """Make what puts the entries of a sparse matrix into one."""
    fill = pattern.filler()

    def fill_checked(data: Any) -> Any:
        if data.ndim > 1:
            raise LiftError(
                "with batch and reduce=None there is a sparse Jacobian for each sample, and scipy.sparse has none of "
                "three axes: lift a function that gives the entries alone, jacobian(f, sparse=True)(...).data; the "
                "program then gives a row of them for each sample"
            )
        try:
            entries = np.array(data)  # a copy: it may be a constant of the program
        except TypeError as error:
            raise LiftError(
                "a sparse Jacobian is an array of scipy.sparse, which cannot be made while JAX traces: lift a function "
                "that gives the entries alone, jacobian(f, sparse=True)(...).data"
            ) from error
        return fill(entries)

    return fill_checked


def _write_builder(structure: Any, places: Iterator[tuple[int, bool]], keys: dict[str, Any]) -> str:
    """Write the results as an expression in the list ``found``; keys of dicts are given to it, never written."""
    if structure == "array":
        place, is_number = next(places)
        return f"float(found[{place}])" if is_number else f"found[{place}]"
    ((kind, items),) = structure.items()
    if kind == "sparse":
        *pattern, held = items
        name = f"k{len(keys)}"
        keys[name] = _make_filler(Pattern(*pattern))
        return f"{name}({_write_builder(held, places, keys)})"
    if kind == "made":
        whole, held = items
        if not isinstance(whole, Kind):  # from a file
            return _write_builder(held, places, keys)
        ((kind, items),) = held.items()
        inner = _write_builder({"list": [item for _, item in items] if kind == "dict" else items}, places, keys)
        name = f"k{len(keys)}"
        keys[name] = whole.make
        return f"{name}({inner})"
    if kind == "dict":
        parts = []
        for key, item in items:
            name = f"k{len(keys)}"
            keys[name] = key
            parts.append(f"{name}: {_write_builder(item, places, keys)}")
        return f"{{{', '.join(parts)}}}"
    inner = "".join([f"{_write_builder(item, places, keys)}, " for item in items])
    return f"({inner})" if kind == "tuple" else f"[{inner}]"
