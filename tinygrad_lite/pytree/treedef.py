"""Structures as a row of leaves and what is left of them, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from tinygrad_lite.pytree.keys import DictKey, Path, Place, keystr, path_to
from tinygrad_lite.pytree.registry import Container, DictNames, container_of, parts_of

IsLeaf = Callable[[Any], bool] | None


class PyTreeDef:
    """A structure without its leaves. Two are equal where leaves of the one have their places in the other.

    Attributes:
        num_leaves: How many leaves it has.

    >>> tree_structure([1, {"a": 2}]) == tree_structure([3.0, {"a": 4.0}])
    True
    >>> tree_structure([1, (2, 3)]).num_leaves
    3
    """

    __slots__ = ("_aux", "_children", "_container", "num_leaves")

    def __init__(self, container: Container | None, aux: Any, children: Sequence[PyTreeDef], num_leaves: int) -> None:
        self._container = container
        self._aux = aux
        self._children = children
        self.num_leaves = num_leaves

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """Return the structure with these leaves.

        Raises:
            ValueError: There are too many of them, or too few.

        >>> tree_structure([1, (2, 3)]).unflatten("abc")
        ['a', ('b', 'c')]
        """
        row = list(leaves)
        if len(row) != self.num_leaves:
            raise ValueError(f"{self} has {self.num_leaves} leaves, and was given {len(row)}")
        return self._made(iter(row))

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """Return what another structure has in the places of the leaves: more structure, perhaps.

        Raises:
            ValueError: It has other keys, another length or another class; the message says where.

        >>> tree_structure({"a": 0, "b": 0}).flatten_up_to({"b": [1, 2], "a": 3})
        [3, [1, 2]]
        """
        return [part for _, part in paired(tree, self, "the tree", "the structure")]

    def _made(self, leaves: Iterator[Any]) -> Any:
        if self._container is None:
            return next(leaves) if self.num_leaves else None
        items = [next(leaves) if child is _LEAF else child._made(leaves) for child in self._children]
        if isinstance(self._aux, DictNames):
            placed = dict(zip(self._aux.order(), items, strict=True))
            items = [placed[i] for i in range(len(items))]
        return self._container.unflatten(self._aux, items)

    def _pair(self, tree: Any, place: Place, what: str, whose: str, found: list[tuple[Place, Any]]) -> None:
        """Add what :func:`paired` gives, from a place on."""
        if self._container is None and self.num_leaves:
            found.append((place, tree))
            return
        alike = self._items_of(tree)
        if alike is None:
            at = keystr(path_to(place))
            raise ValueError(self._difference(tree, f"{what}{at}", f"{whose}{at}", whose))
        for child, item, step in zip(self._children, *alike, strict=True):
            if child is _LEAF:
                found.append(((place, step), item))
            else:
                child._pair(item, (place, step), what, whose, found)

    def _items_of(self, tree: Any) -> tuple[Sequence[Any], Sequence[Any]] | None:
        """Return what a structure has in the places of the children, and the step to each; None if it is not alike."""
        container, aux, count = self._container, self._aux, len(self._children)
        if container is None:
            return None if tree is not None else ((), ())
        if isinstance(aux, DictNames):
            if not isinstance(tree, dict) or len(tree) != count or not all(key in tree for key in aux):
                return None
            names = aux.in_order()
            return [tree[name] for name in names], [DictKey(name) for name in names]
        if container.is_sequence:
            fields, others = getattr(container.kind, "_fields", None), getattr(tree, "_fields", None)
            alike = isinstance(tree, (list, tuple)) and (not fields or not others or fields == others)
            return (tree, range(count)) if alike and len(tree) == count else None
        parts = parts_of(tree)
        if parts is None or type(tree) is not container.kind or parts.aux != aux or len(parts.items) != count:
            return None
        return parts.items, parts.keys

    def _difference(self, tree: Any, here: str, there: str, whose: str) -> str:
        """Return what makes a structure unlike this one, as a sentence."""
        container, aux, count = self._container, self._aux, len(self._children)
        name = type(tree).__name__
        found = f"{here} is {'an' if name[:1].lower() in 'aeiou' else 'a'} {name}, and {there} is"
        if container is None:
            return f"{found} None"
        if isinstance(aux, DictNames):
            if not isinstance(tree, dict):
                return f"{found} a dict: give a dict with its keys"
            missing, further = ([repr(key) for key in a if key not in b] for a, b in ((aux, tree), (tree, set(aux))))
            wrong = [f"{', '.join(missing)} is missing"] if missing else []
            wrong += [f"{', '.join(further)} is none of {whose}'s"] if further else []
            return f"{here} has other keys than {there}: {', and '.join(wrong)}"
        if container.is_sequence and isinstance(tree, (list, tuple)) and len(tree) != count:
            return f"{here} has {len(tree)} part{'s' * (len(tree) != 1)}, but {there} has {count}"
        if container.is_sequence:
            return f"{found} a {container.kind.__name__} of {count}: give one part for each of its parts"
        return f"{found} a {container.kind.__name__}: give one that is equal in all but its leaves"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, PyTreeDef)
            and self.num_leaves == other.num_leaves
            and self._kind() is other._kind()
            and len(self._children) == len(other._children)
            and bool(self._aux == other._aux)
            and all(mine == others for mine, others in zip(self._children, other._children, strict=True))
        )

    def __hash__(self) -> int:
        return hash((self._kind(), self.num_leaves, *map(hash, self._children)))

    def __repr__(self) -> str:
        return f"PyTreeDef({self._text()})"

    def _kind(self) -> Any:
        return None if self._container is None else self._container.kind

    def _text(self) -> str:
        kind = self._kind()
        if kind is None:
            return "*" if self.num_leaves else "None"
        parts = [child._text() for child in self._children]
        if isinstance(self._aux, DictNames):
            inner = ", ".join([f"{key!r}: {part}" for key, part in zip(self._aux.in_order(), parts, strict=True)])
            return f"{{{inner}}}" if kind is dict else f"{kind.__name__}({{{inner}}})"
        if kind is tuple:
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        inner = f"[{', '.join(parts)}]"
        return inner if kind is list else f"{kind.__name__}({inner})"


_LEAF: Final = PyTreeDef(None, None, (), 1)
_NONE: Final = PyTreeDef(None, None, (), 0)


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """Return the leaves of a structure in one row, and the structure without them.

    Args:
        tree: Containers and leaves, nested in any way.
        is_leaf: Whether a part is not looked into.

    >>> tree_flatten([1.0, (2.0, {"a": 3.0})])
    ([1.0, 2.0, 3.0], PyTreeDef([*, (*, {'a': *})]))
    """
    leaves: list[Any] = []
    return leaves, _taken_apart(tree, is_leaf, leaves, None, ())


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """Return the structure with these leaves.

    Raises:
        ValueError: There are too many of them, or too few.

    >>> tree_unflatten(tree_structure({"a": 1, "b": 2}), [10, 20])
    {'a': 10, 'b': 20}
    """
    return treedef.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """Return the leaves of a structure in one row.

    >>> tree_leaves({"b": [1, 2], "a": 3})
    [3, 1, 2]
    """
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> PyTreeDef:
    """Return a structure without its leaves.

    >>> tree_structure({"b": [1, 2], "a": None})
    PyTreeDef({'a': None, 'b': [*, *]})
    """
    return tree_flatten(tree, is_leaf)[1]


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Return the structure with the function of each leaf in its place.

    Args:
        f: Takes a leaf of each structure.
        tree: A structure; the result has it.
        rest: Others, which have the same, or more structure where this one has leaves. Items of dicts are paired by
            their keys, whatever their order.
        is_leaf: Whether a part of the first is not looked into.

    Raises:
        ValueError: Another structure does not have that of the first; the message says where.

    >>> weights, slopes = {"w": [1.0, 2.0], "b": 3.0}, {"b": 1.0, "w": [0.5, 0.5]}
    >>> tree_map(lambda x, d: x - d, weights, slopes)
    {'w': [0.5, 1.5], 'b': 2.0}
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    return treedef.unflatten(map(f, leaves, *(treedef.flatten_up_to(other) for other in rest)))


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[Path, Any]], PyTreeDef]:
    """Return the leaves of a structure with the steps to each, and the structure without them.

    >>> pairs, _ = tree_flatten_with_path({"layers": [{"w": 1.0}]})
    >>> [(keystr(path), leaf) for path, leaf in pairs]
    [("['layers'][0]['w']", 1.0)]
    """
    leaves: list[Any] = []
    paths: list[Path] = []
    treedef = _taken_apart(tree, is_leaf, leaves, paths, ())
    return list(zip(paths, leaves, strict=True)), treedef


def tree_map_with_path(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Return the structure with the function of the steps to each leaf, and of the leaf, in its place.

    >>> tree_map_with_path(lambda path, x: f"{keystr(path)} = {x}", {"w": [1, 2]})
    {'w': ["['w'][0] = 1", "['w'][1] = 2"]}
    """
    pairs, treedef = tree_flatten_with_path(tree, is_leaf)
    others = [treedef.flatten_up_to(other) for other in rest]
    return treedef.unflatten([f(path, leaf, *more) for (path, leaf), *more in zip(pairs, *others, strict=True)])


def paired(tree: Any, treedef: PyTreeDef, what: str, whose: str) -> list[tuple[Place, Any]]:
    """Return what one structure has in the places of another one's leaves, and where. Dicts of all classes, and
    sequences of all, are alike.

    Args:
        tree: The structure.
        treedef: The other one.
        what: What the structure is, for the message.
        whose: Whose structure it should have, for the message: ``"the argument"``.

    Raises:
        ValueError: It has other keys, another length or another class; the message says where.

    >>> pairs = paired({"b": 1.0, "w": [2.0]}, tree_structure({"w": [0.0], "b": 0.0}), "the slope", "the argument")
    >>> [(keystr(path_to(place)), part) for place, part in pairs]
    [("['b']", 1.0), ("['w'][0]", 2.0)]
    >>> paired({"b": 1.0}, tree_structure({"w": 0.0}), "the slope", "the argument")
    Traceback (most recent call last):
    ...
    ValueError: the slope has other keys than the argument: 'w' is missing, and 'b' is none of the argument's
    """
    found: list[tuple[Place, Any]] = []
    treedef._pair(tree, None, what, whose, found)
    return found


def _taken_apart(tree: Any, is_leaf: IsLeaf, leaves: list[Any], paths: list[Path] | None, path: Path) -> PyTreeDef:
    container = container_of(type(tree))
    if (container is None and tree is not None) or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        if paths is not None:
            paths.append(path)
        return _LEAF
    if container is None:
        return _NONE
    before = len(leaves)
    items, aux = container.flatten(tree)
    order = aux.order() if isinstance(aux, DictNames) else range(len(items))
    if paths is not None:
        keys = container.keys(tree)
        children = [_taken_apart(items[i], is_leaf, leaves, paths, (*path, keys[i])) for i in order]
    else:
        children = [_taken_apart(items[i], is_leaf, leaves, None, ()) for i in order]
    return PyTreeDef(container, aux, children, len(leaves) - before)
