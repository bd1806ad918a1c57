"""Whether things are what they were, found out as fast as Python can.

Immutable things are the same if they are the same object; so are the contents of containers, one by one.
"""

from __future__ import annotations

import functools
import itertools
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from tinygrad_lite.value import Value

#: Stands for what is not there.
ABSENT: Final = object()
#: Up to so many things are looked at by a line of code each.
_FEW: Final = 40
#: What is raised where something was deleted.
GONE: Final = (KeyError, ValueError, AttributeError, RuntimeError)
_contents: Final = operator.attrgetter("cell_contents")
_parts_of_functions: Final = [operator.attrgetter(name) for name in ("__code__", "__defaults__", "__kwdefaults__")]


class Guards:
    """What has to be as it was, by how it is looked at."""

    def __init__(self) -> None:
        self.cells: list[tuple[Any, Any]] = []
        self.entries: list[tuple[Any, str, Any]] = []
        self.missing: list[tuple[Any, str]] = []
        self.slots: list[tuple[Any, str, Any]] = []
        self.functions: list[types.FunctionType] = []
        self.sized: list[Any] = []
        self.others: list[Callable[[], bool]] = []
        self._containers: list[Any] = []
        self._contents: list[Any] = []
        self._of_values: list[list[Value]] = []
        self._values: list[Value] = []

    def watch_items(self, container: Any, sized: bool = True) -> None:
        """Watch a list, the keys or the values of a dict: the same things have to be in it."""
        if sized:
            self.sized.append(container)
        self._containers.append(container)
        self._contents += container

    def watch_values(self, container: list[Value]) -> None:
        """Watch a list of nothing but Values, which equal only themselves: compared in a quarter of the time."""
        self.sized.append(container)
        self._of_values.append(container)
        self._values += container

    def compile(self, values: list[Value]) -> Callable[[], bool]:
        """Make one function that looks at all."""
        counts = [len(self.cells), len(self.entries), len(self.missing), len(self.functions), len(self.sized)]
        is_little = sum(counts) <= _FEW
        others = [*self._check_many(values), *self.others]
        return self._compile_lines(others) if is_little else _combine([*self._check_all(), *others])

    def _compile_lines(self, others: list[Callable[[], bool]]) -> Callable[[], bool]:
        """Write a line of code for each thing: it takes a third of the time."""
        names: dict[str, Any] = {"others": others}
        for number, (cell, found) in enumerate(self.cells):
            names |= {f"c{number}": cell, f"v{number}": found}
        for number, (entry, key, found) in enumerate(self.entries):
            names |= {f"d{number}": entry, f"n{number}": key, f"w{number}": found}
        for number, (entry, key) in enumerate(self.missing):
            names |= {f"e{number}": entry, f"m{number}": key}
        for number, function in enumerate(self.functions):
            parts = [part(function) for part in _parts_of_functions]
            names |= {f"f{number}": function, **dict(zip([f"{kind}{number}" for kind in "xyz"], parts, strict=True))}
        for number, thing in enumerate(self.sized):
            names |= {f"t{number}": thing, f"s{number}": len(thing)}
        counts = [len(self.cells), len(self.entries), len(self.missing), len(self.functions), len(self.sized)]
        exec(_write_guard(*counts, bool(others)), names)
        return names["is_current"]  # type: ignore[no-any-return]  # made by the text

    def _check_all(self) -> Iterator[Callable[[], bool]]:
        """Look at many things of each kind at once."""
        if self.sized:
            things = self.sized
            sizes = [len(thing) for thing in things]
            yield lambda: [len(thing) for thing in things] == sizes
        if self.cells:
            places, held = zip(*self.cells, strict=True)
            yield lambda: all(map(operator.is_, map(_contents, places), held))
        if self.entries:
            dicts, keys, stood = zip(*self.entries, strict=True)
            yield lambda: all(map(operator.is_, map(operator.getitem, dicts, keys), stood))
        if self.missing:
            names, absent = zip(*self.missing, strict=True)
            yield lambda: not any(map(operator.contains, names, absent))
        functions = self.functions
        known = [(part, list(map(part, functions))) for part in _parts_of_functions]
        yield lambda: all(all(map(operator.is_, map(part, functions), parts)) for part, parts in known)

    def _check_many(self, values: list[Value]) -> Iterator[Callable[[], bool]]:
        """Look at that of which there may be much."""
        if self.slots:
            things, attributes, found = zip(*self.slots, strict=True)
            absent = itertools.repeat(ABSENT)
            yield lambda: all(map(operator.is_, map(getattr, things, attributes, absent), found))
        if self._contents:
            containers, contents = self._containers, self._contents
            yield lambda: all(map(operator.is_, itertools.chain.from_iterable(containers), contents))
        if self._values:
            lists, known = self._of_values, self._values
            yield lambda: list(itertools.chain.from_iterable(lists)) == known
        if values:
            kinds = [value._code for value in values]  # what each is, and whether it is frozen
            yield lambda: [value._code for value in values] == kinds


def _combine(checks: list[Callable[[], bool]]) -> Callable[[], bool]:
    def is_current() -> bool:
        try:
            return all(check() for check in checks)
        except GONE:
            return False

    return is_current


@functools.lru_cache(maxsize=256)
def _write_guard(cells: int, entries: int, missing: int, functions: int, sized: int, others: bool) -> types.CodeType:
    """Write what looks at so many of each, to be run with their names."""
    lines = [f"len(t{number}) == s{number}" for number in range(sized)]
    lines += [f"c{number}.cell_contents is v{number}" for number in range(cells)]
    lines += [f"d{number}[n{number}] is w{number}" for number in range(entries)]
    lines += [f"m{number} not in e{number}" for number in range(missing)]
    for kind, attribute in zip("xyz", ("__code__", "__defaults__", "__kwdefaults__"), strict=True):
        lines += [f"f{number}.{attribute} is {kind}{number}" for number in range(functions)]
    lines += ["all(check() for check in others)"] if others else []
    gone = ", ".join(error.__name__ for error in GONE)
    text = f"def is_current():\n try:\n  return {' and '.join(lines) or 'True'}\n except ({gone}):\n  return False"
    return compile(text, "<what a function reads>", "exec")


def watch_numbers(items: Any) -> Callable[[], bool]:
    """Watch a long list or deque of numbers and text: Python compares equal ones faster than the same ones."""
    kept = items.copy()
    zeros = [(place, item) for place, item in enumerate(items) if item == 0]  # 0.0 equals -0.0
    places, known = [place for place, _ in zeros], [item for _, item in zeros]
    if not zeros:
        return lambda: bool(items == kept)
    return lambda: bool(items == kept) and all(map(operator.is_, map(items.__getitem__, places), known))


def is_filled(cell: Any) -> bool:
    """Whether a variable of a function around has something."""
    try:
        cell.cell_contents  # noqa: B018  # it raises where there is nothing
    except ValueError:
        return False
    return True
