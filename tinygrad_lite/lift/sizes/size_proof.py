"""The proof of a program at sizes that were never traced.

At sizes a little larger than those of the traces the program is compared with the function, gradients and all. At the
sizes that were asked for no graph is recorded: the function is evaluated on plain floats, for one sample, and its
result compared with the program's. Gradients are compared with derivatives of that result: in each array of the
arguments one direction is drawn, and the program's gradient times it must be the derivative that forward mode finds in
the program (:mod:`~tinygrad_lite.lift.sizes.tangents`), whose result was compared with the function's.

Why it is sound: a law that is wrong at these sizes gives another result there, or another gradient, and both are seen
at drawn numbers with probability 1, but for rounding. What it does not find: what shows on no probe, as for every
program of ``lift``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.checking.probes import KINDS, is_whole, make_probes
from tinygrad_lite.lift.checking.reference import Reference
from tinygrad_lite.lift.checking.tolerance import (
    AMPLIFIED,
    TOLERANCE,
    find_largest_difference,
    measure_rounding,
)
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.ir.groups import Groups, Output, all_of
from tinygrad_lite.lift.sizes.alignment import PartError
from tinygrad_lite.lift.sizes.tangents import add_tangents
from tinygrad_lite.lift.tracing.arguments import Unit
from tinygrad_lite.lift.tracing.trace import make_graph, trace_function

Floats = NDArray[np.float64]
#: By what a gradient is taken: a unit of the arguments, and where in it.
Place = tuple[int, tuple[int, ...]]
#: How far the function's result may be from the program's, relative to the largest number of an array: larger sums
#: round more than this, and are looked at more closely then.
_CLOSE: Final = 1e-11
#: How far a number may be from a recorded one, relative to the largest of its kind: what cancels is all rounding.
_NOISE: Final = 1e-12
#: How long one evaluation of the function may take, in seconds, for a second probe to be drawn.
_QUICK: Final = 2.0


@dataclass(frozen=True)
class SizedProof:
    """A program, and what it has to be.

    Attributes:
        program: Its groups.
        reference: The function whose results it has: all of them, or the first.
        gather: Makes arrays of the input groups of the arrays of the arguments.
        sizes: For messages: the sizes of the arguments.
        tried: Inputs on which the results were compared.
    """

    program: Groups
    reference: Reference
    gather: Callable[[list[Floats]], list[Floats]]
    sizes: str
    tried: list[list[Floats]] = field(default_factory=list)

    def check_results(self, kinds: Sequence[int] = range(KINDS), most: int = 2) -> float:
        """Compare the function's results with the program's on drawn inputs.

        Args:
            kinds: Of the probes.
            most: Of how many samples.

        Returns:
            The largest difference, relative to the largest number of the array that it stands in.

        Raises:
            PartError: They differ.
        """
        worst = 0.0
        run = registry.build("numpy", self.program, {})
        for kind in kinds:
            begun = time.perf_counter()
            arrays, wanted = self._draw(kind, most)
            took = time.perf_counter() - begun
            found = run(self.gather(arrays))[: len(wanted)]
            worst = max(worst, self._compare(arrays, wanted, found))
            self.tried.append(arrays)
            if took > _QUICK:
                break
        return worst

    def _compare(self, arrays: list[Floats], wanted: list[Floats], found: Sequence[Any]) -> float:
        difference = find_largest_difference([np.asarray(array) for array in found], wanted)
        if difference.relative <= _CLOSE:
            return difference.relative
        if difference.relative <= TOLERANCE:
            shaken = measure_rounding(self.reference.evaluate, arrays)
            moved = [AMPLIFIED * part.max(initial=0.0) for part in shaken]
            apart = [np.abs(np.asarray(a) - b).max(initial=0.0) for a, b in zip(found, wanted, strict=True)]
            if all(a <= b for a, b in zip(apart, moved, strict=True)):
                return difference.relative
        raise PartError(
            f"the program of other sizes is not the function at {self.sizes}: number {difference.place} of result "
            f"{difference.result} is {difference.lifted!r} instead of {difference.eager!r}. The function is not the "
            "same at all sizes: it may ask how long something is, or hold numbers that go with one size"
        )

    def check_steps(self, f: Callable[..., Any], name: str, numbers: Sequence[int]) -> None:
        """Look for each number of the program's loops among those that the function records: a step that differs shows.

        A loop may forget: of a step that the function takes otherwise nothing may be left in its result.

        Args:
            f: The function, without its derivative.
            name: Of it.
            numbers: Groups of loops that it computes, each of whose scalars was recorded where they were traced.

        Raises:
            PartError: The function records no such number.
        """
        arrays = self.tried[0]
        trace = trace_function(f, name, replace(self.reference.arguments, arrays=arrays))
        recorded = np.sort(np.abs(make_graph(trace.results.release()).numbers))
        recorded = recorded[np.isfinite(recorded)]
        groups = self.program.groups
        outputs = [Output(groups[n].shape, all_of(n, len(groups[n].shape)), groups[n].batched) for n in numbers]
        run = registry.build("numpy", replace(self.program, outputs=outputs), {})
        for number, array in zip(numbers, run(self.gather(arrays)), strict=True):
            rows = np.abs(np.asarray(array)[0] if groups[number].batched else np.asarray(array))
            rows = np.delete(rows, range(len(groups[number].initial)), axis=groups[number].axis)
            place = np.searchsorted(recorded, rows)
            above = recorded[np.minimum(place, len(recorded) - 1)]
            below = recorded[np.maximum(place - 1, 0)]
            distance = np.minimum(np.abs(above - rows), np.abs(rows - below))
            wrong = distance > TOLERANCE * rows + _NOISE * float(rows.max(initial=0.0))
            if wrong.any():
                step = int(np.argwhere(wrong)[0][0])
                raise PartError(
                    f"the program of other sizes is not the function at {self.sizes}: at step {step + 1} of "
                    f"{len(rows)} of a loop the function computes something else. Steps may differ at the first and at "
                    "the last, but not where small sizes have none"
                )

    def check_gradients(self, places: Sequence[Place]) -> float:
        """Compare gradients, the results after the first, with derivatives of the first.

        Args:
            places: By what each of them is taken.

        Returns:
            The largest difference, relative to the sum of what it is made of.

        Raises:
            PartError: They differ.
        """
        worst = 0.0
        rng = np.random.default_rng(0)
        arrays = self.tried[0]
        given = self.gather(arrays)
        gradients = [np.asarray(g) for g in registry.build("numpy", self.program, {})(given)[1 : 1 + len(places)]]
        forward = registry.build("numpy", add_tangents(self.program), {})
        for (unit, place), gradient in zip(places, gradients, strict=True):
            directions = [np.zeros_like(array) for array in arrays]
            if directions[unit][place].shape != gradient.shape:
                raise PartError("its gradients stand in another order than its arguments, and cannot be proved")
            drawn = rng.standard_normal(gradient.shape)
            directions[unit][place] = drawn
            _, slope = forward([*given, *self.gather(directions)])
            parts = gradient.ravel() * drawn.ravel()
            scale = max(float(np.abs(parts).sum()), 1e-290)
            relative = abs(float(np.ravel(slope)[0]) - float(parts.sum())) / scale
            if not relative <= TOLERANCE:
                path = ".".join(self.reference.arguments.units[unit].path)
                raise PartError(
                    f"the gradient by {path} of the program of other sizes is not that of the function at "
                    f"{self.sizes}: in a direction that was drawn it is {float(parts.sum())!r} instead of "
                    f"{float(np.ravel(slope)[0])!r}"
                )
            worst = max(worst, relative)
        return worst

    def _draw(self, kind: int, most: int) -> tuple[list[Floats], list[Floats]]:
        """Draw the boldest probe on which the function gives finite numbers, and evaluate it there."""
        arrays: list[Floats] | None = None
        last: list[Floats] | None = None
        for arrays in self._list_probes(kind, most):  # each is as large as the arguments, and made when it is needed
            last = None
            with suppress(Exception):  # the function may take no such numbers, and say so in any way
                last = self.reference.evaluate(arrays)
                if all(np.isfinite(array).all() for array in last):
                    break
        assert arrays is not None  # the last are the given ones
        try:
            return arrays, self.reference.evaluate(arrays) if last is None else last
        except LiftError:
            raise
        except Exception as error:
            raise PartError(
                f"the function raises {type(error).__name__} on plain numbers at {self.sizes}: {error}"
            ) from error

    def _list_probes(self, kind: int, most: int) -> Iterator[list[Floats]]:
        units = self.reference.arguments.units
        batched = [unit.axis is not None for unit in units]
        few = [
            array[..., :most] if has else array
            for array, has in zip(self.reference.arguments.arrays, batched, strict=True)
        ]
        for arrays in make_probes(few, batched, kind):
            self.reference.tie_parameters(arrays)
            if any(np.any(array) or is_whole(array) for array in arrays):
                yield arrays


def match_gradients(structure: Any, units: Sequence[Unit]) -> list[Place] | None:
    """Say by what each gradient is taken: a unit of the arguments, and where in it; None where that cannot be said.

    Args:
        structure: Of the gradients, which is that of the arguments: lists, tuples, dicts of arrays.
        units: Of the arguments, with paths that begin as the structure does.

    >>> units = [Unit(("w",), (2, 3)), Unit(("b",), (4,))]
    >>> match_gradients({"dict": [["b", "array"], ["w", {"list": ["array", "array"]}]]}, units)
    [(1, ()), (0, (0,)), (0, (1,))]
    """
    number_of = {_split_names(unit.path): number for number, unit in enumerate(units)}
    found: list[Place] = []
    for names in _list_paths(structure):
        path = _split_names(names)
        for length in range(len(path), -1, -1):
            number = number_of.get(path[:length])
            rest = path[length:]
            if number is not None and all(key.isdigit() for key in rest):
                found.append((number, tuple(map(int, rest))))
                break
        else:
            return None
    return found


def _split_names(path: tuple[str, ...]) -> tuple[str, ...]:
    """Split names of arrays of a module, which have dots in them."""
    return tuple(".".join(path).split(".")) if path else ()


def _list_paths(structure: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """List where each array of results stands."""
    if structure == "array":
        yield path
        return
    ((kind, items),) = structure.items()
    if kind == "made":
        yield from _list_paths(items[1], path)
        return
    for key, item in items if kind == "dict" else enumerate(items):
        yield from _list_paths(item, (*path, str(key)))
