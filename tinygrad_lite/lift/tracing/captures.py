"""What a function reads beside its arguments, and whether it is still what the trace read.

A trace turns the numbers that a function closes over into constants. Here they are found, so that each call can look
whether they are the same. Numbers, text, arrays and containers count by what they are; functions and objects by
identity, and objects also by the attributes that any code of the user's names. A Value that was put in the place of
another is read in its place.

Why it is sound: more is looked at than is read (:mod:`~tinygrad_lite.lift.tracing.capture_walk`); what is looked at
in vain costs a new trace, never a wrong number. Cost: a fifteenth of a microsecond for each name, and a comparison of
bytes for an array (:mod:`~tinygrad_lite.lift.tracing.capture_guards`). What it does not find: the state of what is not
Python's to see, such as files, time, generators of random numbers, and what other libraries keep.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.tracing.cache_key import Identity
from tinygrad_lite.lift.tracing.capture_walk import MISSING, CaptureWalk
from tinygrad_lite.value import Value

#: How many differences a message names.
_SHOWN: Final = 3


class Snapshot(NamedTuple):
    """What a function would read."""

    #: What was found in each place, hashable.
    parts: dict[str, Hashable]
    #: The Values among it, each once.
    values: list[Value]
    #: Whether all of it is as it was: quick.
    is_current: Callable[[], bool]


class Captures:
    """What some functions read beside their arguments."""

    def __init__(self) -> None:
        self._attributes: frozenset[str] = frozenset()
        self._any = False
        self._last: tuple[list[Any], Snapshot] | None = None
        #: the places that the function itself writes to, and what stood there when somebody last looked
        self._own: set[str] = set()
        self._written: dict[str, Hashable] = {}
        self._generation = 0

    def take_snapshot(self, roots: Sequence[Any], arguments: Sequence[Any] = ()) -> Snapshot:
        """Look at what is there now.

        Args:
            roots: Functions and objects.
            arguments: Objects whose own numbers are compared by others already: only what their code reads besides.
        """
        things = [*roots, *arguments]
        if self._last is not None:
            before, snapshot = self._last
            if len(before) == len(things) and all(map(operator.is_, before, things)) and snapshot.is_current():
                return snapshot
        while True:
            walk = CaptureWalk(self._attributes, self._any)
            walk.run(roots, arguments)
            if walk.named == self._attributes and walk.any == self._any:
                break
            self._attributes, self._any = frozenset(walk.named), walk.any  # more code was found: look again
        if not all(value.is_leaf for value in walk.values):  # their graphs have these very leaves
            walk.parts["the graphs"] = tuple(map(Identity, walk.values))
        snapshot = Snapshot(walk.parts, walk.values, walk.guards.compile(walk.values))
        self._last = things, snapshot
        return snapshot

    def make_key(self, snapshot: Snapshot) -> tuple[Hashable, ...]:
        """Make the key of what two calls must have in common to run the same program.

        What the function itself writes counts only where somebody else has written to it since.
        """
        if not self._own:
            return tuple(snapshot.parts.items())
        own = {path: part for path, part in snapshot.parts.items() if self._is_own(path)}
        if own != self._written:
            self._written = own
            self._generation += 1
        return (self._generation, *[item for item in snapshot.parts.items() if item[0] not in own])

    def learn_writes(self, before: Snapshot, after: Snapshot) -> None:
        """Learn from what the function has changed while it ran."""
        self._own = self._own | set(find_differences(before, after))  # a new one: other threads walk over it
        self._written = {path: part for path, part in after.parts.items() if self._is_own(path)}

    def have_changed(self, before: Snapshot, now: Snapshot) -> bool:
        """Whether somebody else than the function has changed something."""
        if now is before:
            return False
        paths = [path for path in find_differences(before, now) if not self._is_own(path)]
        return bool(paths) or list(map(id, before.values)) != list(map(id, now.values))

    def describe_changes(self, before: Snapshot, now: Snapshot) -> str:
        """Say where two differ: ``lr was 0.1 (now 0.2)``."""
        paths = [path for path in find_differences(before, now) if not self._is_own(path)] or find_differences(
            before, now
        )
        texts = [
            f"{path or 'the function'} was {_describe(before.parts.get(path, MISSING))} "
            f"(now {_describe(now.parts.get(path, MISSING))})"
            for path in paths[:_SHOWN]
        ]
        return ", ".join(texts) + (", ..." if len(paths) > _SHOWN else "")

    def _is_own(self, path: str) -> bool:
        return path in self._own or any(path.startswith((f"{own}.", f"{own}[")) for own in self._own)


@dataclass(eq=False)
class CaptureGuard:
    """Holds a program for what its function read beside its arguments.

    Attributes:
        captures: What looks at it.
        code: What it looks at: the function, and the functions and objects among the arguments.
        snapshot: What stood there when somebody last looked.
        key: What must be the same for the program to be right.
        places: For each captured Value of the program its number among those of ``snapshot``; None where it is not
            found there, or has to be this very one.
    """

    captures: Captures
    code: tuple[list[Any], list[Any]]
    snapshot: Snapshot
    key: tuple[Any, ...]
    places: list[int | None] = field(default_factory=list)

    def locate(self, captured: Sequence[Any]) -> None:
        """Find the places of Values, where others may stand later, unless graphs outside the function have them."""
        numbers = {id(value): number for number, value in enumerate(self.snapshot.values)}
        is_plain = all(value.is_leaf for value in self.snapshot.values)
        self.places = [numbers.get(id(value)) if is_plain else None for value in captured]

    def update(self, captured: list[Any]) -> None:
        """Put the Values that stand there now into their places."""
        for number, place in enumerate(self.places):
            if place is not None:
                captured[number] = self.snapshot.values[place]

    def check(self, name: str) -> Snapshot:
        """Accept other Values in the places of those that were there.

        Args:
            name: Of the function.

        Raises:
            LiftError: Something else has changed, which is part of the program.
        """
        snapshot = self.captures.take_snapshot(*self.code)
        if self.captures.make_key(snapshot) != self.key:
            raise LiftError(
                f"this program was made when {self.captures.describe_changes(self.snapshot, snapshot)}, and is for "
                f"that alone. What lift({name}) gives makes a program for each: call that, or give what changes as an "
                "argument. (A program that was saved and loaded has the numbers with which it was saved.)"
            )
        return snapshot


def find_differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Find the places where two differ."""
    paths = {**before.parts, **after.parts}
    return [path for path in paths if before.parts.get(path, MISSING) != after.parts.get(path, MISSING)]


def _describe(part: Hashable) -> str:
    match part:
        case str():
            return part
        case ("array", tuple(shape), str(dtype), bytes(content), _):
            numbers = np.frombuffer(content, dtype)
            return f"{numbers[0]}" if not shape else f"an array of {', '.join(map(str, numbers[:3]))} ..."
        case ("value", _, bool(is_free)):
            return "a Value" if is_free else "a frozen Value"
        case ("value", *_):
            return "a computed Value"
        case (str(kind), int(count), _) if kind in ("list", "tuple", "deque"):
            return f"a {kind} of {count}"
        case (str(), number):
            return f"{number}"[:60]
        case _:
            return f"{part}"[:60]
