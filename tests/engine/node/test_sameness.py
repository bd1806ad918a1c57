"""Whatever is changed in things, the loops that look at them see it: interpreted, and in C."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import pytest

from tinygrad_lite import Value
from tinygrad_lite.node.sameness import are_of_the_same, codes_of, hold_the_same, read_numbers, slots_hold_the_same

ABSENT = object()


class Plain:
    """Has attributes."""


class Slotted:
    """Has slots, one of them with a name that Python changes."""

    __slots__ = ("__hidden", "a", "b")


class Derived(Slotted):
    __slots__ = ("c",)


def test_lists_and_dicts_are_compared_item_by_item() -> None:
    one, other = [1.5], [1.5]  # equal, and not the same
    things: list[Any] = [one, "x", None]
    names: dict[str, Any] = {"a": one, "b": 2}
    containers: list[Any] = [things, names, [], {}]
    contents = [[one, "x", None], ["a", one, "b", names["b"]], [], []]
    assert hold_the_same(containers, contents)
    changes: list[Callable[[], Any]] = [
        lambda: things.__setitem__(0, other),
        lambda: things.append(1),
        things.pop,
        things.reverse,
        lambda: names.update(a=other),
        lambda: names.update(c=1),
        lambda: names.pop("a"),
        lambda: (names.pop("b"), names.update(z=2)),
        lambda: names.update(a=names.pop("a")),  # other order
        lambda: containers[2].append(1),
        lambda: containers[3].update(a=1),
    ]
    for change in changes:
        kept = things.copy(), names.copy()
        change()
        assert not hold_the_same(containers, contents)
        things[:] = kept[0]
        names.clear()
        names.update(kept[1])
        containers[2].clear()
        containers[3].clear()
        assert hold_the_same(containers, contents)


def test_objects_are_of_the_same_class_with_the_same_dict() -> None:
    class Other:
        pass

    things = [Plain(), Plain()]
    names = [thing.__dict__ for thing in things]
    assert are_of_the_same(things, [Plain, Plain], names)
    things[1].x = 1  # type: ignore[attr-defined]
    assert are_of_the_same(things, [Plain, Plain], names)  # what is in it others look at
    things[1].__dict__ = {"x": 1}
    assert not are_of_the_same(things, [Plain, Plain], names)
    things[1].__dict__ = names[1]
    assert are_of_the_same(things, [Plain, Plain], names)
    things[0].__class__ = Other  # type: ignore[assignment]
    assert not are_of_the_same(things, [Plain, Plain], names)


def test_slots_are_compared_and_those_that_are_empty() -> None:
    thing = Derived()
    hidden = Slotted.__dict__["_Slotted__hidden"]
    slots: list[Any] = [Slotted.a, Slotted.b, hidden, Derived.c]  # type: ignore[attr-defined]
    thing.a, thing.c = [1], [2]  # type: ignore[attr-defined]
    contents = [thing.a, ABSENT, ABSENT, thing.c]  # type: ignore[attr-defined]
    assert slots_hold_the_same([thing] * 4, slots, contents, ABSENT)
    for slot, before in zip(slots, contents, strict=True):
        slot.__set__(thing, [1])
        assert not slots_hold_the_same([thing] * 4, slots, contents, ABSENT)
        if before is ABSENT:
            slot.__delete__(thing)
        else:
            slot.__set__(thing, before)
        assert slots_hold_the_same([thing] * 4, slots, contents, ABSENT)
    del thing.a  # type: ignore[attr-defined]
    assert not slots_hold_the_same([thing] * 4, slots, contents, ABSENT)


def test_what_is_no_slot_of_that_class_is_asked_as_python_asks_it() -> None:
    class Asked:
        x = property(lambda self: self.y)

    thing: Any = Asked()
    assert slots_hold_the_same([thing], [Asked.x], [ABSENT], ABSENT)
    thing.y = "y"
    assert slots_hold_the_same([thing], [Asked.x], ["y"], ABSENT)
    assert not slots_hold_the_same([thing], [Asked.x], ["z"], ABSENT)
    with pytest.raises(TypeError):  # a slot of another class
        slots_hold_the_same([thing], [Slotted.a], ["z"], ABSENT)  # type: ignore[attr-defined]


def test_numbers_of_leaves_are_read_until_one_is_frozen_or_thawed() -> None:
    leaves = [Value(1.5), Value(-0.0), Value(1e300, requires_grad=False)]
    codes, numbers = codes_of(leaves), array("d", [7.0] * 3)
    assert read_numbers(leaves, codes, numbers)
    assert str(numbers.tolist()) == "[1.5, -0.0, 1e+300]"
    for place, leaf in enumerate(leaves):
        leaf.requires_grad = not leaf.requires_grad
        assert not read_numbers(leaves, codes, numbers), place
        leaf.requires_grad = not leaf.requires_grad
    leaves[2].data = 4.0
    assert read_numbers(leaves, codes, numbers)
    assert numbers.tolist() == [1.5, 0.0, 4.0]
    assert read_numbers([], [], array("d"))


@pytest.mark.parametrize("wrong", [(1, 2, 2), (2, 1, 2), (2, 2, 1), (2, 2, 3)])
def test_other_numbers_of_leaves_are_refused(wrong: tuple[int, int, int]) -> None:
    leaves = [Value(1.0), Value(2.0)]
    given, codes, numbers = leaves[: wrong[0]], codes_of(leaves)[: wrong[1]], array("d", [0.0] * wrong[2])
    with pytest.raises(ValueError, match="not as many numbers as leaves"):
        read_numbers(given, codes, numbers)


def test_nothing_but_values_is_a_leaf() -> None:
    with pytest.raises((TypeError, AttributeError)):
        read_numbers([2.5], [0], array("d", [0.0]))  # type: ignore[list-item]
