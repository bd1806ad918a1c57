"""The steps from the root of a structure to a part of it, and paths of them as text."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """The step to an item of a list or a tuple.

    >>> str(SequenceKey(0))
    '[0]'
    """

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx}]"


@dataclass(frozen=True, slots=True)
class DictKey:
    """The step to an item of a dict.

    >>> str(DictKey("w"))
    "['w']"
    """

    key: Hashable

    def __str__(self) -> str:
        return f"[{self.key!r}]"


@dataclass(frozen=True, slots=True)
class GetAttrKey:
    """The step to an attribute: of a dataclass, or a named tuple.

    >>> str(GetAttrKey("w"))
    '.w'
    """

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclass(frozen=True, slots=True)
class FlattenedIndexKey:
    """The step to a part of a container that was registered without keys.

    >>> str(FlattenedIndexKey(0))
    '[<flat index 0>]'
    """

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


#: The steps from the root to a part.
Path = tuple[Any, ...]
#: The same while it grows, the last step first; a number is that of an item in a sequence.
Place = tuple[Any, Any] | None


def keystr(keys: Iterable[Any], *, simple: bool = False, separator: str = "") -> str:
    """Return a path as text.

    Args:
        keys: The steps, as :func:`tree_flatten_with_path` gives them.
        simple: Whether to leave out brackets, quotes and dots.
        separator: What stands between steps.

    >>> keystr((DictKey("layers"), SequenceKey(0), GetAttrKey("w")))
    "['layers'][0].w"
    >>> keystr((DictKey("layers"), SequenceKey(0), GetAttrKey("w")), simple=True, separator=".")
    'layers.0.w'
    """
    return separator.join(map(simple_key if simple else str, keys))


def simple_key(key: Any) -> str:
    """Return a step without brackets, quotes and dots.

    >>> simple_key(DictKey("w"))
    'w'
    """
    inner = _INNER.get(type(key))
    return str(key if inner is None else inner(key))


_INNER: Final[dict[type[Any], Callable[[Any], Any]]] = {
    SequenceKey: attrgetter("idx"),
    DictKey: attrgetter("key"),
    GetAttrKey: attrgetter("name"),
    FlattenedIndexKey: attrgetter("key"),
}


def path_to(place: Place) -> Path:
    """Return the steps to a place.

    >>> path_to(((None, DictKey("w")), 0))
    (DictKey(key='w'), SequenceKey(idx=0))
    """
    steps = []
    while place is not None:
        place, step = place
        steps.append(SequenceKey(step) if type(step) is int else step)
    return tuple(steps[::-1])
