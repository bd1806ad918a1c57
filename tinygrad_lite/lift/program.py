"""A lifted program: what ``lift`` gives for one structure of arguments."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import display
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.checking.demands import Demands
from tinygrad_lite.lift.engines import engines
from tinygrad_lite.lift.engines.jax_library import is_traced_by_jax, library
from tinygrad_lite.lift.ir.groups import Group, Groups
from tinygrad_lite.lift.tracing.arguments import Arguments, Signature, take_apart
from tinygrad_lite.lift.tracing.guards import Reader, reader_of
from tinygrad_lite.lift.tracing.results import builder_of
from tinygrad_lite.lift.tracing.surroundings import Seen, Surroundings

Floats = NDArray[np.float64]
Run = Callable[[list[Floats]], list[Floats]]


@dataclass(eq=False)
class Report:
    """What lifting found, and what it cost. ``print(program.report())`` shows it.

    Attributes:
        name: Of the function.
        nodes: Scalar nodes of the trace.
        groups: Statements of the program: maps, sums and folds.
        contractions: Sums of products over at least one axis.
        gathers: Statements that read through a table of places instead of slices.
        masked: Statements that leave elements out of a sum.
        seconds: What each pass took.
        difference: The largest difference on a probe, relative to the largest number of the array it stands in.
    """

    name: str
    nodes: int
    groups: int
    contractions: int
    gathers: int
    masked: int
    seconds: dict[str, float] = field(default_factory=dict)
    difference: float = 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.nodes} scalar nodes in {self.groups} groups",
            f"  contractions   {self.contractions}",
            f"  masked         {self.masked}",
            f"  gathers        {self.gathers}",
            f"  largest difference on a probe: {self.difference:.1e}",
        ]
        total = sum(self.seconds.values())
        lines += [f"  {name:<14} {1e3 * seconds:9.1f} ms" for name, seconds in self.seconds.items()]
        lines.append(f"  {'together':<14} {1e3 * total:9.1f} ms, {1e6 * total / max(self.nodes, 1):.2f} µs a node")
        return "\n".join(lines)


class Program:
    """A tensor program, and the structure of the arguments that it takes.

    Attributes:
        name: Of the function that was lifted.
        engine: What runs it: ``"numpy"``, ``"numba"`` or ``"jax"``.

    It is made by calling what :func:`~tinygrad_lite.lift.lift` gives, or by its method ``program_for``.
    """

    def __init__(
        self,
        name: str,
        groups: Groups,
        inputs: Inputs,
        results: Any,
        report: Report,
        engine: str = "numpy",
        check: bool = True,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.name: Final = name
        self.engine: Final = engine
        self.check: Final = check
        self.options: Final = dict(options or {})
        self._groups = groups
        #: how the arguments become the arrays of the input groups
        self.inputs: Final = inputs
        self._results = results
        self._report = report
        self._run: Run | None = None
        self._run_given: Run | None = None
        self._demands: Demands | None = None
        self._read: Callable[[Sequence[Any]], list[Any] | None] | None = None
        self._axes: list[int | None] = []
        self._build: Callable[[Sequence[Any]], Any] | None = None
        self._source: str | None = None
        self._watch: Watch | None = None

    @property
    def groups(self) -> list[Group]:
        """The statements: maps, sums and folds, and the inputs and constants that they read."""
        return self._groups.groups

    @property
    def source(self) -> str:
        """The program as readable NumPy."""
        if self._source is None:
            from tinygrad_lite.lift.source.emit import emit

            self._source = emit(self._groups).text
        return self._source

    def report(self) -> Report:
        """What lifting found and cost."""
        return self._report

    def __repr__(self) -> str:
        r = self._report
        return f"<program {self.name}: {r.nodes} scalar nodes in {r.groups} groups, engine {self.engine!r}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the program.

        Args:
            *args: As those that the function was lifted with: same structure, same shapes. Only the number of samples
                may differ.
            **kwargs: As before.

        Raises:
            LiftError: The arguments have another structure or shape; or what the function reads beside its arguments
                is not what it was when the program was made.
            FloatingPointError: A result is not finite, though all inputs are, and ``check`` is on.
        """
        if not self.is_current():
            assert self._watch is not None
            self._watch.look_again(self)
        found = NotImplemented if kwargs else self.quickly(args)
        return self.run_on(self.inputs.taken(args, kwargs)) if found is NotImplemented else found

    def watch(self, surroundings: Surroundings, code: tuple[list[Any], list[Any]], seen: Seen) -> None:
        """Holds the program for what the function reads beside its arguments now.

        Args:
            surroundings: What looks at it.
            code: The function, and the functions and objects among the arguments.
            seen: What stands there.
        """
        if self._watch is None:
            self._watch = Watch(surroundings, code, seen, surroundings.key(seen))
            self._watch.find(self.inputs.captured)
        elif seen is not self._watch.seen:
            self._watch.seen = seen
            self._watch.put(self.inputs.captured)

    @property
    def seen(self) -> Seen | None:
        """What the function read beside its arguments when the program was last right; None if nobody looks."""
        return None if self._watch is None else self._watch.seen

    def is_current(self) -> bool:
        """Whether what the function reads beside its arguments is what it was when this was asked for last."""
        return self._watch is None or self._watch.seen.is_current()

    def quickly(self, args: Sequence[Any]) -> Any:
        """The results for plain arrays of the right shapes; NotImplemented for arguments that take a closer look."""
        if self._read is None:
            self._read, self._axes = self.inputs.reader(as_given=self.engine == "jax")
            if self.engine == "jax":  # which moves the axes in the code that it compiles
                options = {**self.options, "axes": self._axes}
                self._run_given = engines.build(self.engine, self.demanding_groups, options)
        arrays = self._read(args)
        if arrays is None:
            return NotImplemented
        if self._run_given is not None:
            return self._run_on_jax(self._run_given, arrays, self._axes)
        return self.run_arrays(arrays)

    def run_on(self, arguments: Arguments) -> Any:
        """The results for arguments that were taken apart."""
        return self.run_arrays(self.inputs.gathered(arguments))

    def run_arrays(self, arrays: list[Floats]) -> Any:
        """The results for an array for each input group, in the structure of the function's results."""
        run, demands = self._run or self._prepared(), self.demands
        if self.engine == "jax":
            return self._run_on_jax(run, arrays, None)
        if demands:
            demands.check_arguments(arrays)
        checked = getattr(run, "checked", None)
        found, is_finite = checked(arrays) if checked is not None and self.check else (run(arrays), not self.check)
        if demands.outputs:
            found = self._without_demanded(found)
        if not is_finite:
            self._check(arrays, found)
        return self._built(found)

    def run(self, arrays: list[Floats]) -> list[Floats]:
        """The engine's function: an array for each input group, an array for each result. Nothing is checked."""
        run = self._run or self._prepared()
        return run(arrays)[: len(self._groups.outputs)]

    def run_as_demanded(self, arrays: list[Floats], known: Collection[int] = ()) -> list[Floats] | None:
        """As :meth:`run`; None where a number is not as the function demands.

        Args:
            arrays: Of the input groups.
            known: The places of arrays that were looked at before.
        """
        run, demands = self._run or self._prepared(), self.demands
        try:
            demands.check_arguments(arrays, known=known)
            found = run(arrays)
            return self._without_demanded(found) if demands.outputs else found
        except (ArithmeticError, IndexError, TypeError, ValueError):
            return None

    @property
    def demands(self) -> Demands:
        """What the function demands of numbers: each call looks at them."""
        if self._demands is None:
            self._demands = Demands(self._groups, self.name)
        return self._demands

    def check_constants(self) -> None:
        """Looks at the numbers that are a part of the program, and raises where the function does."""
        self._demands = Demands(self._groups, self.name)

    @property
    def demanding_groups(self) -> Groups:
        """The groups, with the numbers of which something is demanded as further results, the last."""
        return replace(self._groups, outputs=[*self._groups.outputs, *self.demands.outputs])

    def _prepared(self) -> Run:
        self._run = engines.build(self.engine, self.demanding_groups, self.options)
        return self._run

    def _without_demanded(self, found: list[Any]) -> list[Any]:
        """The function's own results, after a look at the others."""
        count = len(self._groups.outputs)
        self.demands.check_computed(found[count:])
        return found[:count]

    def _run_on_jax(self, run: Any, arrays: list[Any], axes: Sequence[int | None] | None) -> Any:
        """The results, where nothing is looked at but what is demanded of numbers."""
        if not self.demands:
            return self._built(run(arrays))
        if any(is_traced_by_jax(array) for array in arrays):
            return self._built(self._nan_unless_as_demanded(run, arrays, axes))
        self.demands.check_arguments(arrays, axes)
        return self._built(self._without_demanded(run(arrays)))

    def _nan_unless_as_demanded(self, run: Any, arrays: list[Any], axes: Sequence[int | None] | None) -> list[Any]:
        """The results where JAX traces, and nothing can be raised."""
        numpy = library().numpy
        found = run(arrays)
        count = len(self._groups.outputs)
        last = [
            array if axis is None else numpy.moveaxis(array, axis, -1)
            for array, axis in zip(arrays, axes or [None] * len(arrays), strict=True)
        ]
        fine = self.demands.hold(numpy, last, found[count:])
        return [numpy.where(fine, array, numpy.nan) for array in found[:count]]

    def run_to_prove(self, arrays: list[Floats]) -> list[Floats]:
        """The same in float64 on one device: narrow formats differ by their rounding, and devices share samples."""
        wide = {name: option for name, option in self.options.items() if name not in ("dtype", "devices")}
        if wide == self.options:
            return self.run(arrays)
        return engines.build(self.engine, self._groups, wide)(arrays)

    def _built(self, found: Sequence[Any]) -> Any:
        if self._build is None:
            self._build = builder_of(self._results, self._outward())
        return self._build(found)

    def _outward(self) -> list[bool]:
        """Which of the results are given as plain numbers."""
        numbers = [output.shape is None and not output.batched for output in self._groups.outputs]
        return [number and self.engine != "jax" for number in numbers]

    def _check(self, arrays: Sequence[Floats], found: Sequence[Any]) -> None:
        """Raises if a result is not finite though all inputs are. A sum of squares tells in a third of the time."""
        if self.engine == "jax":
            return
        for number, array in enumerate(found):
            if math.isfinite(np.vdot(array, array)) or np.isfinite(array).all():
                continue
            if all(np.isfinite(a).all() for a in arrays):
                from tinygrad_lite.lift.checking.diagnosis import explain

                raise FloatingPointError(explain(self._groups, self.name, list(arrays), number))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the program to a file, as data: :func:`tinygrad_lite.lift.storage.storage.load` reads it, on any
        machine.

        Args:
            path: Of the file.

        Raises:
            LiftError: A static argument is something else than text, a number, a boolean, None or a tuple of these.
            OSError: The file cannot be written; it is as it was.
        """
        from tinygrad_lite.lift.storage.storage import save

        save(self, path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        return display.mimebundle(self, include, exclude)

    def __getstate__(self) -> dict[str, Any]:
        from tinygrad_lite.lift.storage.storage import made_portable

        made_anew = dict.fromkeys(("_run", "_run_given", "_read", "_build", "_demands", "_watch"))
        return {**self.__dict__, **made_anew, "inputs": made_portable(self.inputs)}


@dataclass(eq=False)
class Watch:
    """What a program's function read beside its arguments.

    Attributes:
        surroundings: What looks at it.
        code: What it looks at: the function, and the functions and objects among the arguments.
        seen: What stood there when somebody last looked.
        key: What must be the same for the program to be right.
        places: For each captured Value of the program its number among those of ``seen``; None where it is not found
            there, or has to be this very one.
    """

    surroundings: Surroundings
    code: tuple[list[Any], list[Any]]
    seen: Seen
    key: tuple[Any, ...]
    places: list[int | None] = field(default_factory=list)

    def find(self, captured: Sequence[Any]) -> None:
        """Finds the places of Values, where others may stand later, unless graphs outside the function have them."""
        numbers = {id(value): number for number, value in enumerate(self.seen.values)}
        is_plain = all(value.is_leaf for value in self.seen.values)
        self.places = [numbers.get(id(value)) if is_plain else None for value in captured]

    def put(self, captured: list[Any]) -> None:
        """Puts the Values that stand there now into their places."""
        for number, place in enumerate(self.places):
            if place is not None:
                captured[number] = self.seen.values[place]

    def look_again(self, program: Program) -> None:
        """Accepts other Values in the places of those that were there.

        Raises:
            LiftError: Something else has changed, which is part of the program.
        """
        seen = self.surroundings.seen(*self.code)
        if self.surroundings.key(seen) != self.key:
            raise LiftError(
                f"this program was made when {self.surroundings.told(self.seen, seen)}, and is for that alone. What "
                f"lift({program.name}) gives makes a program for each: call that, or give what changes as an argument. "
                "(A program that was saved and loaded has the numbers with which it was saved.)"
            )
        program.watch(self.surroundings, self.code, seen)


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

    def taken(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Arguments:
        """The arguments taken apart, if they have the structure."""
        arguments = take_apart(self.names, args, kwargs, self.batch, self.static)
        if arguments.signature != self.signature:
            raise LiftError(
                f"this program was made for arguments of another structure or shape: {_shown(self.signature)}, not "
                f"{_shown(arguments.signature)}. What lift(f) gives makes a program for each structure."
            )
        return arguments

    def reader(self, as_given: bool = False) -> Reader:
        """What reads plain arguments of this structure; it reads none where they take a closer look.

        Args:
            as_given: Whether arrays of any library are taken as they are, with samples along whatever axis these are.
        """
        direct = self.sources == [[unit] for unit in range(len(self.sources))]
        found = reader_of(self.signature, as_given=as_given) if direct else None
        if found is None or not self.captured:
            return found or Reader(lambda args: None, [])
        read, axes = found

        def with_captured(args: Sequence[Any]) -> list[Any] | None:
            arrays = read(args)
            return None if arrays is None else [*arrays, self._captured()]

        return Reader(with_captured, [*axes, None])

    def gathered(self, arguments: Arguments) -> list[Floats]:
        """An array for each input group."""
        arrays = []
        for units, shape in zip(self.sources, self.shapes, strict=True):
            if len(units) == 1:
                arrays.append(arguments.arrays[units[0]])
            else:
                arrays.append(np.concatenate([arguments.arrays[unit].ravel() for unit in units]).reshape(shape))
        if self.captured:
            arrays.append(self._captured())
        return arrays

    def _captured(self) -> Floats:
        return np.array([value.data for value in self.captured], dtype=np.float64)


def positional_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's positional arguments, as far as they can be known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple([parameter.name for parameter in parameters if parameter.kind in kinds])


def _shown(signature: Signature) -> str:
    text = ", ".join(str(part) for part in signature.parts)
    return text if len(text) < 400 else text[:400] + " ..."
