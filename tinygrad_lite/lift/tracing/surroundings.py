"""What a function reads beside its arguments, and whether it is still what the trace read.

A trace turns the numbers that a function closes over into constants. Here they are found, so that each call can look
whether they are the same. Numbers, text, arrays and containers count by what they are; functions and objects by
identity, and objects also by the attributes that any code of the user's names. A Value that was put in the place of
another is read in its place.

Why it is sound: more is looked at than is read (:mod:`~tinygrad_lite.lift.tracing.captured_reads`); what is looked at
in vain costs a new trace, never a wrong number. Cost: a fifteenth of a microsecond for each name, and a comparison of
bytes for an array (:mod:`~tinygrad_lite.lift.tracing.unchanged`). What it does not find: the state of what is not
Python's to see, such as files, time, generators of random numbers, and what other libraries keep.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from tinygrad_lite.lift.tracing.cache_key import Identity
from tinygrad_lite.lift.tracing.captured_reads import MISSING, Walk
from tinygrad_lite.value import Value

#: How many differences a message names.
_SHOWN: Final = 3


class Seen(NamedTuple):
    """What a function would read."""

    #: What was found in each place, hashable.
    parts: dict[str, Hashable]
    #: The Values among it, each once.
    values: list[Value]
    #: Whether all of it is as it was: quick.
    is_current: Callable[[], bool]


class Surroundings:
    """What some functions read beside their arguments."""

    def __init__(self) -> None:
        self._attributes: frozenset[str] = frozenset()
        self._any = False
        self._last: tuple[list[Any], Seen] | None = None
        #: the places that the function itself writes to, and what stood there when somebody last looked
        self._own: set[str] = set()
        self._written: dict[str, Hashable] = {}
        self._generation = 0

    def seen(self, roots: Sequence[Any], arguments: Sequence[Any] = ()) -> Seen:
        """What is there now.

        Args:
            roots: Functions and objects.
            arguments: Objects whose own numbers are compared by others already: only what their code reads besides.
        """
        things = [*roots, *arguments]
        if self._last is not None:
            before, seen = self._last
            if len(before) == len(things) and all(map(operator.is_, before, things)) and seen.is_current():
                return seen
        while True:
            walk = Walk(self._attributes, self._any)
            walk.run(roots, arguments)
            if walk.named == self._attributes and walk.any == self._any:
                break
            self._attributes, self._any = frozenset(walk.named), walk.any  # more code was found: look again
        if not all(value.is_leaf for value in walk.values):  # their graphs have these very leaves
            walk.parts["the graphs"] = tuple(map(Identity, walk.values))
        seen = Seen(walk.parts, walk.values, walk.checks.together(walk.values))
        self._last = things, seen
        return seen

    def key(self, seen: Seen) -> tuple[Hashable, ...]:
        """What two calls must have in common to run the same program.

        What the function itself writes counts only where somebody else has written to it since.
        """
        if not self._own:
            return tuple(seen.parts.items())
        own = {path: part for path, part in seen.parts.items() if self._is_own(path)}
        if own != self._written:
            self._written = own
            self._generation += 1
        return (self._generation, *[item for item in seen.parts.items() if item[0] not in own])

    def ran(self, before: Seen, after: Seen) -> None:
        """Learns from what the function has changed while it ran."""
        self._own.update(differing(before, after))
        self._written = {path: part for path, part in after.parts.items() if self._is_own(path)}

    def differ(self, before: Seen, now: Seen) -> bool:
        """Whether somebody else than the function has changed something."""
        if now is before:
            return False
        paths = [path for path in differing(before, now) if not self._is_own(path)]
        return bool(paths) or list(map(id, before.values)) != list(map(id, now.values))

    def told(self, before: Seen, now: Seen) -> str:
        """Where two differ, in words: ``lr was 0.1 (now 0.2)``."""
        paths = [path for path in differing(before, now) if not self._is_own(path)] or differing(before, now)
        texts = [
            f"{path or 'the function'} was {_shown(before.parts.get(path, MISSING))} "
            f"(now {_shown(now.parts.get(path, MISSING))})"
            for path in paths[:_SHOWN]
        ]
        return ", ".join(texts) + (", ..." if len(paths) > _SHOWN else "")

    def _is_own(self, path: str) -> bool:
        return path in self._own or any(path.startswith((f"{own}.", f"{own}[")) for own in self._own)


def differing(before: Seen, after: Seen) -> list[str]:
    """The places where two differ."""
    paths = {**before.parts, **after.parts}
    return [path for path in paths if before.parts.get(path, MISSING) != after.parts.get(path, MISSING)]


def _shown(part: Hashable) -> str:
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
