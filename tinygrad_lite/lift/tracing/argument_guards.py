"""Arguments whose structure is known already, as arrays: what a call of a small program spends most of its time on.

:mod:`~tinygrad_lite.lift.tracing.arguments` takes anything apart, and finds out what it is. Here a signature becomes a
function of straight-line Python that only compares: each part is what the signature says, or it gives up, and the
arguments are taken apart. Its text is made of places and numbers; keys and static arguments are given to it, never
written into it. Modules are read by :mod:`~tinygrad_lite.lift.tracing.module_reader`.

Why it is sound: it gives the same arrays, or none. Cost: a tenth of a microsecond for each array. What it does not
read, and leaves to the other: lists of numbers, integers, static arguments that are no text, number, boolean or None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite.lift.tracing.arguments import Signature
from tinygrad_lite.lift.tracing.cache_key import Identity, make_module_key
from tinygrad_lite.lift.tracing.module_reader import ModuleReader, UnreadableError
from tinygrad_lite.pytree import foreign


class Reader(NamedTuple):
    """What reads the arguments of one structure."""

    #: The arrays of all arguments; None where they are not as expected.
    read: Callable[[Sequence[Any]], list[Any] | None]
    #: For each array the axis of its samples as the caller gives it; None where it has none.
    axes: list[int | None]
    #: What reads the modules among the arguments.
    modules: Sequence[ModuleReader] = ()


def compile_reader(signature: Signature, *, as_given: bool = False) -> Reader | None:
    """Compile what turns arguments into the arrays of their units, samples along the last axis; None if nothing can.

    Args:
        signature: Of the arguments.
        as_given: Whether arrays of any library are taken, with their samples along whatever axis these are.

    >>> read = compile_reader(Signature((("array", (2,), 0), ("list", (("array", (3,), None), "number"))))).read
    >>> [array.shape for array in read([np.zeros((5, 2)), [np.ones(3), 4.0]])]
    [(2, 5), (3,), ()]
    >>> read([np.zeros((5, 2)), [np.ones(4), 4.0]]) is None
    True
    """
    writer = _Writer(as_given)
    try:
        writer.read_sequence("arguments", signature.parts)
    except _UnreadError:
        return None
    exec(writer.write(), writer.names)
    return Reader(writer.names["read"], writer.axes, writer.modules)


class _UnreadError(Exception):
    """There is no reader for such a part."""


class _Writer:
    """The text of a reader, and the names that it uses."""

    def __init__(self, as_given: bool) -> None:
        self.names: dict[str, Any] = {
            "ndarray": np.ndarray,
            "float64": np.dtype(np.float64),
            "asarray": np.asarray,
            "moveaxis": np.moveaxis,
            "foreign": foreign,
        }
        self.axes: list[int | None] = []
        self.modules: list[ModuleReader] = []
        self._as_given = as_given
        self._lines: list[str] = []
        self._arrays: list[str] = []
        self._samples: list[str] = []
        self._variables = 0

    def write(self) -> str:
        """Write the whole function."""
        same = [f" if {size} != {self._samples[0]}: return None" for size in self._samples[1:]]
        end = f" return [{', '.join(self._arrays)}]"
        return "\n".join(["def read(arguments):", *self._lines, *same, end])

    def read_sequence(self, name: str, parts: Sequence[Any]) -> None:
        """Take a list or a tuple of so many parts."""
        self._require(f"len({name}) == {len(parts)}")
        inner = [self._add_variable() for _ in parts]
        if inner:
            self._lines.append(f" {', '.join(inner)}, = {name}")
        for variable, part in zip(inner, parts, strict=True):
            self._read_part(variable, part)

    def _read_part(self, name: str, part: Any) -> None:
        match part:
            case "number":
                self._require(f"type({name}) is float")
                self._add(f"asarray({name})", None)
            case ("array", tuple(shape), None):
                self._require(f"{self._is_array(name)} and {name}.shape == {self._bind(shape)}")
                self._convert(name)
                self._add(name, None)
            case ("array", tuple(shape), int(axis)):
                self._read_samples(name, shape, axis)
            case ("static", "float", float(key)) if key == 0.0:
                raise _UnreadError  # -0.0 equals it
            case ("static", str(kind), key) if key is None or isinstance(key, (str, int, float, bool)):
                self._require(f"type({name}).__name__ == {self._bind(kind)} and {name} == {self._bind(key)}")
            case ("module", Identity() as key, bool(training), tuple(arrays)):
                self._read_module(name, key, training, arrays)
            case ("list" | "tuple" as kind, tuple(parts)):
                self._require(f"type({name}) is {kind}")
                self.read_sequence(name, parts)
            case ("dict", tuple(items)):
                self._require(f"type({name}) is dict and list({name}) == {self._bind([key for key, _ in items])}")
                self._lines.append(f" {name} = tuple({name}.values())")
                self.read_sequence(name, [item for _, item in items])
            case _:
                raise _UnreadError

    def _read_module(self, name: str, key: Identity, training: bool, arrays: tuple[Any, ...]) -> None:
        """Take the very module, as it is now, if that is as the signature says."""
        module = key.thing
        if make_module_key(module) != key or bool(getattr(module, "training", False)) != training:
            raise _UnreadError
        try:
            reader = ModuleReader(module, arrays)
        except UnreadableError as error:
            raise _UnreadError from error
        self.modules.append(reader)
        self._require(f"{name} is {self._bind(module)}")
        found = self._add_variable()
        self._lines.append(f" {found} = {self._bind(reader.read)}()")
        self._require(f"{found} is not None")
        for place in range(len(arrays)):
            self._add(f"{found}[{place}]", None)

    def _read_samples(self, name: str, shape: tuple[int, ...], axis: int) -> None:
        """Take an array with samples along an axis."""
        place = axis % (len(shape) + 1)
        self._require(f"{self._is_array(name)} and {name}.ndim == {len(shape) + 1}")
        if place == 0:
            self._require(f"{name}.shape[1:] == {self._bind(shape)}" if shape else "True")
        else:
            rest = f"{name}.shape[:{place}] + {name}.shape[{place + 1}:]"
            self._require(f"{rest} == {self._bind(shape)}")
        self._samples.append(f"{name}.shape[{place}]")
        self._convert(name)
        if self._as_given or place == len(shape):
            self._add(name, place)
        elif len(shape) == 1:
            self._add(f"{name}.T", place)
        else:
            self._add(f"moveaxis({name}, {place}, -1)", place)

    def _add(self, array: str, axis: int | None) -> None:
        self._arrays.append(array)
        self.axes.append(axis)

    def _is_array(self, name: str) -> str:
        if self._as_given:
            return f"hasattr({name}, 'dtype') and {name}.dtype != object and not foreign({name})"
        return f"type({name}) is ndarray and {name}.dtype.kind in 'fiub'"

    def _convert(self, name: str) -> None:
        """Make floats of integers, which labels and indices often are."""
        if not self._as_given:
            self._lines.append(f" if {name}.dtype is not float64: {name} = asarray({name}, float64)")

    def _require(self, condition: str) -> None:
        self._lines.append(f" if not ({condition}): return None")

    def _bind(self, thing: Any) -> str:
        """Name something for the text that is not written into it."""
        name = f"k{len(self.names)}"
        self.names[name] = thing
        return name

    def _add_variable(self) -> str:
        self._variables += 1
        return f"a{self._variables}"
