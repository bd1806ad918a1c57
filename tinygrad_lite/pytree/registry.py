"""What is a container: how objects of each class are taken apart, and made again; and registration of one's own."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, TypeVar

from tinygrad_lite.pytree.array_kinds import is_array
from tinygrad_lite.pytree.keys import DictKey, FlattenedIndexKey, GetAttrKey, SequenceKey
from tinygrad_lite.value import Value

C = TypeVar("C", bound=type[Any])


class Container(NamedTuple):
    """How containers of one class are taken apart and made.

    Attributes:
        kind: The class.
        flatten: Gives the items, and what else the container is made of.
        unflatten: Makes a container of what else it is made of, and items.
        keys: Gives the step to each item.
        called: Makes a container as its user does, of one that is like it and items; None where ``unflatten`` does. A
            function is called with such a one. A gradient is not made so: numbers that must be positive have gradients
            that are not.
        is_sequence: Whether it is a list or a tuple of any class.
    """

    kind: type[Any]
    flatten: Callable[[Any], tuple[Sequence[Any], Any]]
    unflatten: Callable[[Any, Sequence[Any]], Any]
    keys: Callable[[Any], Sequence[Any]]
    called: Callable[[Any, Sequence[Any]], Any] | None = None
    is_sequence: bool = False

    def made_of(self, aux: Any) -> Callable[[Sequence[Any]], Any]:
        """Return what makes containers like one that was taken apart, of items."""
        return partial(self.unflatten, aux)

    def called_of(self, tree: Any, aux: Any) -> Callable[[Sequence[Any]], Any]:
        """Return what makes, of items, containers like one that was taken apart, as their user makes them."""
        return partial(self.unflatten, aux) if self.called is None else partial(self.called, tree)

    def steps(self, tree: Any) -> Sequence[Any]:
        """Return the keys as a :data:`~tinygrad_lite.pytree.keys.Place` has them."""
        return range(len(tree)) if self.keys is _sequence_keys else self.keys(tree)


class Parts:
    """A container taken apart: its items, in the order that they have in it.

    >>> parts = parts_of({"w": 1.0, "b": [2.0]})
    >>> parts.items, [str(key) for key in parts.keys]
    ([1.0, [2.0]], ["['w']", "['b']"])
    >>> parts.made([10.0, 20.0])
    {'w': 10.0, 'b': 20.0}
    """

    __slots__ = ("aux", "container", "items", "tree")

    def __init__(self, tree: Any, container: Container) -> None:
        self.tree = tree
        self.container = container
        self.items, self.aux = container.flatten(tree)

    @property
    def keys(self) -> Sequence[Any]:
        """The step to each item."""
        return self.container.keys(self.tree)

    def made(self, items: Sequence[Any]) -> Any:
        """Return a container of this kind with other items: a gradient, say."""
        return self.container.unflatten(self.aux, items)

    def called(self, items: Sequence[Any]) -> Any:
        """Return a container with other items that a function is called with: as its user makes it."""
        return self.container.called_of(self.tree, self.aux)(items)


def parts_of(tree: Any) -> Parts | None:
    """Return the parts of a container; None for anything else, and for None.

    >>> parts_of(1.0) is None
    True
    """
    container = container_of(type(tree))
    return None if container is None else Parts(tree, container)


def is_container(tree: Any) -> bool:
    """Whether it has parts.

    >>> is_container([]), is_container(1.0)
    (True, False)
    """
    return container_of(type(tree)) is not None


def parts_below(tree: Any) -> Iterator[Any]:
    """All that is in a structure and no container; the items of arrays of objects, too.

    >>> list(parts_below({"w": [1.0, None], "b": 2.0}))
    [1.0, None, 2.0]
    """
    parts = parts_of(tree)
    if parts is not None:
        for item in parts.items:
            yield from parts_below(item)
    elif is_array(tree) and tree.dtype == object:
        yield from tree.flat
    else:
        yield tree


#: What was registered.
_registered: Final[dict[type[Any], Container]] = {}


def _container_of(kind: type[Any]) -> Container | None:
    if kind in _registered or hasattr(kind, "__parameter_tree__"):
        return _registered.get(kind)
    if kind in (dict, OrderedDict):
        order = DictNames if kind is dict else OrderedNames
        return Container(kind, lambda tree: (list(tree.values()), order(tree)), _filled(kind), _dict_keys)
    if issubclass(kind, dict):
        return Container(kind, lambda tree: (list(tree.values()), NamesOfKind(tree)), NamesOfKind.filled, _dict_keys)
    if issubclass(kind, (list, tuple)):
        fields = getattr(kind, "_fields", None)
        if fields is None:
            return Container(kind, _as_it_is, lambda aux, items: kind(items), _sequence_keys, is_sequence=True)
        keys = tuple(map(GetAttrKey, fields))
        return Container(kind, _as_it_is, lambda aux, items: kind(*items), lambda tree: keys, is_sequence=True)
    if hasattr(kind, "__dataclass_fields__"):
        return _container_of_dataclass(kind, [field.name for field in dataclasses.fields(kind) if field.init], [])
    return None


_known: Final = lru_cache(4096)(_container_of)
#: How objects of a class are taken apart; None if they are leaves.
container_of: Final[Callable[[type[Any]], Container | None]] = _known  # type: ignore[assignment]  # classes are hashable


def _as_it_is(tree: Any) -> tuple[Sequence[Any], Any]:
    return tree, None


def _sequence_keys(tree: Any) -> Sequence[Any]:
    return [SequenceKey(i) for i in range(len(tree))]


def _dict_keys(tree: dict[Any, Any]) -> Sequence[Any]:
    return [DictKey(key) for key in tree]


def _filled(kind: type[dict[Any, Any]]) -> Callable[[Any, Sequence[Any]], Any]:
    return lambda names, items: kind(zip(names, items, strict=True))


class DictNames(tuple[Any, ...]):
    """The keys of a dict: they equal those of another if its items, in the order of leaves, have their places here."""

    __slots__ = ()

    def order(self) -> Sequence[int]:
        """Return the places of the keys in the order of leaves."""
        places = range(len(self))
        try:
            return sorted(places, key=self.__getitem__)
        except TypeError:
            pass
        try:
            return sorted(places, key=lambda i: (type(self[i]).__qualname__, self[i]))
        except TypeError:
            return places

    def in_order(self) -> list[Any]:
        """Return the keys in the order of leaves."""
        return [self[i] for i in self.order()]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.in_order() == other.in_order()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(frozenset(self))


class OrderedNames(DictNames):
    """The keys of an OrderedDict, which count in their order."""

    __slots__ = ()

    def order(self) -> Sequence[int]:
        """As they come."""
        return range(len(self))


class NamesOfKind(DictNames):
    """The keys of a dict of another class, such as a defaultdict with its default."""

    def __init__(self, tree: dict[Any, Any]) -> None:
        self.empty: Any = copy.copy(tree)
        self.empty.clear()

    def filled(self, items: Sequence[Any]) -> dict[Any, Any]:
        """Return a dict of the same class with other items."""
        made: dict[Any, Any] = copy.copy(self.empty)
        for name, item in zip(self, items, strict=True):
            made[name] = item  # noqa: PERF403 (update() of a Counter would count the pairs)
        return made

    def order(self) -> Sequence[int]:
        """As of its class."""
        return range(len(self)) if isinstance(self.empty, OrderedDict) else super().order()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamesOfKind) and super().__eq__(other) and self._default() is other._default()

    def __hash__(self) -> int:
        return super().__hash__()

    def _default(self) -> Any:
        return getattr(self.empty, "default_factory", None)


def _container_of_dataclass(kind: type[Any], data: Sequence[str], meta: Sequence[str]) -> Container:
    """How objects of a dataclass are taken apart.

    Where they are not made as their user makes them, nothing runs that the class defines, and what is neither in
    ``data`` nor in ``meta`` is None.
    """
    keys = tuple(map(GetAttrKey, data))
    others = {field.name: None for field in dataclasses.fields(kind)}

    def flatten(tree: Any) -> tuple[Sequence[Any], Any]:
        return [getattr(tree, name) for name in data], tuple([getattr(tree, name) for name in meta])

    def unflatten(aux: Any, items: Sequence[Any]) -> Any:
        made = object.__new__(kind)
        known = dict(zip(data, items, strict=True)) | dict(zip(meta, aux, strict=True))
        for name, content in (others | known).items():
            object.__setattr__(made, name, content)
        return made

    def called(tree: Any, items: Sequence[Any]) -> Any:
        return dataclasses.replace(tree, **dict(zip(data, items, strict=True)))

    return Container(kind, flatten, unflatten, lambda tree: keys, called)


# -------------------------------------------------------------------------------------------------------- registration


def register_pytree_node(
    nodetype: type[Any],
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_with_keys_func: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Any]] | None = None,
) -> None:
    """Make objects of a class containers.

    Args:
        nodetype: The class. Its subclasses are not meant.
        flatten_func: Gives the items of an object, and what else it is made of: what can be compared, and hashed for
            ``lift``.
        unflatten_func: Makes an object of what else it is made of, and items; of anything, so it does not check them.
        flatten_with_keys_func: As the first, but with a key for each item, for paths and messages: pairs of both.

    Raises:
        TypeError: It is a class of numbers, arrays or Modules, which are leaves.
        ValueError: It is a container already.

    >>> class Interval:
    ...     def __init__(self, low, high, unit):
    ...         self.low, self.high, self.unit = low, high, unit
    >>> register_pytree_node(
    ...     Interval, lambda x: ((x.low, x.high), x.unit), lambda unit, ends: Interval(*ends, unit)
    ... )
    >>> from tinygrad_lite import grad
    >>> slope = grad(lambda x: x.high**2 - x.low)(Interval(1.0, 3.0, "metres"))
    >>> slope.low, slope.high, slope.unit
    (-1.0, 6.0, 'metres')
    """

    def flatten(tree: Any) -> tuple[Sequence[Any], Any]:
        items, aux = flatten_func(tree)
        return items if isinstance(items, (list, tuple)) else list(items), aux

    def keys(tree: Any) -> Sequence[Any]:
        if flatten_with_keys_func is None:
            return [FlattenedIndexKey(i) for i in range(len(flatten(tree)[0]))]
        return [key for key, _ in flatten_with_keys_func(tree)[0]]

    _register(Container(nodetype, flatten, unflatten_func, keys))


def register_pytree_with_keys(
    nodetype: type[Any],
    flatten_with_keys: Callable[[Any], tuple[Iterable[tuple[Any, Any]], Any]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]] | None = None,
) -> None:
    """Make objects of a class containers whose items have names.

    Args:
        nodetype: The class.
        flatten_with_keys: Gives pairs of a key and an item, and what else an object is made of.
        unflatten_func: Makes an object of what else it is made of, and items.
        flatten_func: Gives items without keys, if that is faster.

    Raises:
        TypeError, ValueError: As :func:`register_pytree_node`.

    >>> class Point:
    ...     def __init__(self, x, y):
    ...         self.x, self.y = x, y
    >>> register_pytree_with_keys(
    ...     Point,
    ...     lambda p: (((GetAttrKey("x"), p.x), (GetAttrKey("y"), p.y)), None),
    ...     lambda _, items: Point(*items),
    ... )
    >>> from tinygrad_lite import keystr, tree_flatten_with_path
    >>> [keystr(path) for path, _ in tree_flatten_with_path([Point(1.0, 2.0)])[0]]
    ['[0].x', '[0].y']
    """

    def flatten(tree: Any) -> tuple[Iterable[Any], Any]:
        pairs, aux = flatten_with_keys(tree)
        return [item for _, item in pairs], aux

    register_pytree_node(nodetype, flatten_func or flatten, unflatten_func, flatten_with_keys)


def register_pytree_node_class(cls: C) -> C:
    """Make objects of a class containers, as a decorator: it has the methods that say how.

    Args:
        cls: A class with a method ``tree_flatten()`` and a class method ``tree_unflatten(aux_data, children)``.

    Returns:
        The class.

    >>> @register_pytree_node_class
    ... class Scaled:
    ...     def __init__(self, factor):
    ...         self.factor = factor
    ...     def tree_flatten(self):
    ...         return (self.factor,), None
    ...     @classmethod
    ...     def tree_unflatten(cls, aux_data, children):
    ...         return cls(*children)
    >>> from tinygrad_lite import tree_map
    >>> tree_map(lambda x: 2 * x, Scaled(3.0)).factor
    6.0
    """
    register_pytree_node(cls, lambda tree: tree.tree_flatten(), cls.tree_unflatten)
    return cls


def register_dataclass(
    nodetype: C, data_fields: Sequence[str] | None = None, meta_fields: Sequence[str] | None = None
) -> C:
    """Says which fields of a dataclass are not looked into: names, settings. Without this, all are.

    Args:
        nodetype: A dataclass.
        data_fields: The fields that hold leaves; by default those that are not in ``meta_fields``.
        meta_fields: The others; by default those that are marked by ``field(metadata={"static": True})``.

    Returns:
        The class: this is a decorator, too.

    Raises:
        TypeError: It is no dataclass.
        ValueError: These are not its fields, or it is registered already.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Line:
    ...     slope: float
    ...     name: str
    >>> _ = register_dataclass(Line, meta_fields=["name"])
    >>> from tinygrad_lite import tree_map
    >>> tree_map(lambda x: 2 * x, Line(3.0, "a"))
    Line(slope=6.0, name='a')
    """
    if not (isinstance(nodetype, type) and dataclasses.is_dataclass(nodetype)):
        raise TypeError(f"register_dataclass takes a dataclass, not {nodetype!r}")
    fields = [field for field in dataclasses.fields(nodetype) if field.init]
    names = [field.name for field in fields]
    if meta_fields is None:
        marked = [field.name for field in fields if field.metadata.get("static", False)]
        meta_fields = marked if data_fields is None else [name for name in names if name not in data_fields]
    if data_fields is None:
        data_fields = [name for name in names if name not in meta_fields]
    if sorted([*data_fields, *meta_fields]) != sorted(names):
        raise ValueError(
            f"the fields of {nodetype.__name__} are {', '.join(names)}: each is one of data_fields or of meta_fields, "
            f"not {', '.join([*data_fields, *meta_fields])}"
        )
    _register(_container_of_dataclass(nodetype, list(data_fields), list(meta_fields)))
    return nodetype


def _register(container: Container) -> None:
    kind = container.kind
    if not isinstance(kind, type):
        raise TypeError(f"a class is registered, not {kind!r}")
    numpy = sys.modules.get("numpy")
    numbers: tuple[type[Any], ...] = (Value, float, int, str, type(None))
    if issubclass(kind, numbers if numpy is None else (*numbers, numpy.ndarray, numpy.generic)):
        raise TypeError(f"{kind.__name__} is registered as a container, but numbers, text, None and arrays are leaves")
    if hasattr(kind, "__parameter_tree__"):
        raise TypeError(f"{kind.__name__} is a Module: its parameters are found without a registration")
    if kind in _registered or kind in (list, tuple, dict):
        raise ValueError(f"{kind.__name__} is a container already: a class is registered once")
    _registered[kind] = container
    _known.cache_clear()
