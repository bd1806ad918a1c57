"""From arguments to the arrays of a program's input groups, in each call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.tracing.argument_guards import Reader, compile_reader
from tinygrad_lite.lift.tracing.arguments import Arguments, Signature, take_apart

Floats = NDArray[np.float64]


@dataclass(eq=False)
class Inputs:
    """How the arrays of the input groups are put together from the arguments.

    Attributes:
        names: Of the positional arguments.
        batch: For each positional argument the axis of its samples, or None.
        static: Which arguments are not traced.
        signature: The structure of the arguments.
        sources: For each input group the units that it is made of, in order.
        shapes: Of the input groups.
        captured: The Values that the function closed over, one input group of them, the last, if there are any.
    """

    names: tuple[str, ...]
    batch: tuple[int | None, ...]
    static: tuple[int | str, ...]
    signature: Signature
    sources: list[list[int]]
    shapes: list[tuple[int, ...]]
    captured: list[Any] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        names: tuple[str, ...],
        batch: tuple[int | None, ...],
        static: tuple[int | str, ...],
        arguments: Arguments,
        sources: list[list[int]],
        captured: list[Any],
    ) -> Inputs:
        """Say how a program that was made for some arguments reads others."""
        units = arguments.units
        shapes = [
            units[members[0]].shape if len(members) == 1 else (len(members), *units[members[0]].shape)
            for members in sources
        ]
        return cls(names, batch, static, arguments.signature, sources, shapes, captured)

    def take_apart(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Arguments:
        """Take arguments apart, if they have the structure."""
        arguments = take_apart(self.names, args, kwargs, self.batch, self.static)
        if arguments.signature != self.signature:
            raise LiftError(
                f"this program was made for arguments of another structure or shape: {_show(self.signature)}, not "
                f"{_show(arguments.signature)}. What lift(f) gives makes a program for each structure."
            )
        return arguments

    def make_reader(self, as_given: bool = False) -> Reader:
        """Make what reads plain arguments of this structure; it reads none where they take a closer look.

        Args:
            as_given: Whether arrays of any library are taken as they are, with samples along whatever axis these are.
        """
        direct = self.sources == [[unit] for unit in range(len(self.sources))]
        found = compile_reader(self.signature, as_given=as_given) if direct else None
        if found is None or not self.captured:
            return found or Reader(lambda args: None, [])
        read, axes, modules = found

        def with_captured(args: Sequence[Any]) -> list[Any] | None:
            arrays = read(args)
            return None if arrays is None else [*arrays, self._read_captured()]

        return Reader(with_captured, [*axes, None], modules)

    def gather(self, arguments: Arguments, captured: Floats | None = None) -> list[Floats]:
        """Put an array together for each input group.

        Args:
            arguments: Of a call.
            captured: Numbers of the captured Values, if not those that they hold.
        """
        arrays = []
        for units, shape in zip(self.sources, self.shapes, strict=True):
            if len(units) == 1:
                arrays.append(arguments.arrays[units[0]])
            else:
                arrays.append(np.concatenate([arguments.arrays[unit].ravel() for unit in units]).reshape(shape))
        if self.captured:
            arrays.append(self._read_captured() if captured is None else captured)
        return arrays

    def _read_captured(self) -> Floats:
        return np.array([value.data for value in self.captured], dtype=np.float64)


def find_positional_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Find the names of a function's positional arguments, as far as they can be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple([parameter.name for parameter in parameters if parameter.kind in kinds])


def _show(signature: Signature) -> str:
    text = ", ".join(str(part) for part in signature.parts)
    return text if len(text) < 400 else text[:400] + " ..."
