"""Whether things are what they were, and the numbers of leaves: loops over many of either.

A lifted function asks in each call whether a module is made of what it was made of, and reads its leaves if one was
changed. The compiled engine has these loops in C: ``sameness.c``. What stands here says what they do, and is what an
interpreted engine runs. None of them runs code of anybody else, but for descriptors that are no slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_lite.node.fields import Node


def hold_the_same(containers: list[Any], contents: list[list[Any]]) -> bool:
    """Whether lists and dicts hold the very same things in the same order.

    Args:
        containers: Of the classes ``list`` and ``dict`` themselves.
        contents: What has to be in each of them; for a dict each key, with what stands under it behind it.

    >>> hold_the_same([[1, 2], {"a": None}], [[1, 2], ["a", None]])
    True
    >>> hold_the_same([[1, 2], {"a": 3}], [[1, 2], ["a", None]])
    False
    """
    for container, known in zip(containers, contents, strict=True):
        items = container if type(container) is list else [part for item in container.items() for part in item]
        if len(items) != len(known):
            return False
        for item, other in zip(items, known, strict=True):
            if item is not other:
                return False
    return True


def are_of_the_same(objects: list[Any], kinds: list[Any], names: list[Any]) -> bool:
    """Whether objects are of the same classes, and have the same dicts of attributes, whatever is in these.

    Args:
        objects: Each with a ``__dict__``.
        kinds: Their classes.
        names: Their dicts.

    >>> class Thing: ...
    >>> thing = Thing()
    >>> are_of_the_same([thing], [Thing], [thing.__dict__]), are_of_the_same([thing], [Thing], [{}])
    (True, False)
    """
    for thing, kind, attributes in zip(objects, kinds, names, strict=True):
        if type(thing) is not kind or thing.__dict__ is not attributes:
            return False
    return True


def slots_hold_the_same(objects: list[Any], slots: list[Any], contents: list[Any], absent: object) -> bool:
    """Whether the slots of objects hold the very same things.

    Args:
        objects: One for each slot.
        slots: What a class has under a name in ``__slots__``.
        contents: What has to be in each.
        absent: Stands in ``contents`` for nothing at all.

    >>> class Point:
    ...     __slots__ = ("x", "y")
    >>> point, nothing = Point(), object()
    >>> point.x = 1
    >>> slots_hold_the_same([point, point], [Point.x, Point.y], [1, nothing], nothing)
    True
    >>> slots_hold_the_same([point, point], [Point.x, Point.y], [1, 2], nothing)
    False
    """
    for thing, slot, known in zip(objects, slots, contents, strict=True):
        try:
            found = slot.__get__(thing)
        except AttributeError:
            found = absent
        if found is not known:
            return False
    return True


def read_numbers(leaves: list[Any], codes: list[int], numbers: Any) -> bool:
    """Write the numbers of leaves into an array; tell whether each is a leaf, and frozen, as it was.

    Args:
        leaves: The leaves.
        codes: Of each of them what :func:`codes_of` gave.
        numbers: As many floats, in a row, that can be written to. Where the answer is no, some are written.

    Raises:
        ValueError: There are not as many.

    >>> from array import array
    >>> from tinygrad_lite.value import Value
    >>> leaves, numbers = [Value(1.0), Value(2.0)], array("d", [0.0, 0.0])
    >>> codes = codes_of(leaves)
    >>> read_numbers(leaves, codes, numbers), numbers.tolist()
    (True, [1.0, 2.0])
    >>> leaves[1].requires_grad = False
    >>> read_numbers(leaves, codes, numbers)
    False
    """
    if not len(leaves) == len(codes) == len(numbers):
        raise ValueError("there are not as many numbers as leaves")
    for place, each in enumerate(leaves):
        leaf: Node = each
        if leaf._code != codes[place]:
            return False
        numbers[place] = leaf._number
    return True


def codes_of(leaves: Sequence[Node]) -> list[int]:
    """Return what tells of leaves whether they are frozen."""
    return [leaf._code for leaf in leaves]
