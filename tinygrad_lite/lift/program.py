"""A lifted program: what ``lift`` gives for one structure of arguments."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import display
from tinygrad_lite.errors import LiftError
from tinygrad_lite.files.atomic import write_atomically
from tinygrad_lite.lift import exporting
from tinygrad_lite.lift.checking.runtime_checks import RuntimeChecks
from tinygrad_lite.lift.checkpointing import running
from tinygrad_lite.lift.checkpointing.schedule import make_schedule
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.engines.jax_library import import_jax, is_traced_by_jax
from tinygrad_lite.lift.ir.groups import Group, Groups
from tinygrad_lite.lift.ir.report import Report
from tinygrad_lite.lift.storage.program_file import StoredProgram, make_inputs_portable
from tinygrad_lite.lift.tracing.arguments import Arguments
from tinygrad_lite.lift.tracing.captures import CaptureGuard, Captures, Snapshot
from tinygrad_lite.lift.tracing.inputs import Inputs
from tinygrad_lite.lift.tracing.module_reader import ModuleReader
from tinygrad_lite.lift.tracing.results import compile_builder
from tinygrad_lite.transforms import is_differentiating

Floats = NDArray[np.float64]
Run = Callable[[list[Floats]], list[Floats]]


class Program:
    """A tensor program, and the structure of the arguments that it takes.

    Attributes:
        name: Of the function that was lifted.
        engine: What runs it: ``"numpy"``, ``"numba"``, ``"jax"`` or ``"tape"``.
        outline: Its inputs, results and demands: the groups, or what stands for them where none are needed.
        inputs: How arguments become the arrays of its input groups.

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
        self.outline: Final = groups
        self.inputs: Final = inputs
        self._results = results
        self._report = report
        self._run: Run | None = None
        self._demands: RuntimeChecks | None = None
        self._read: Callable[[Sequence[Any]], list[Any] | None] | None = None
        self._axes: list[int | None] = []
        self._modules: Sequence[ModuleReader] = ()
        self._build: Callable[[Sequence[Any]], Any] | None = None
        self._build_plainly: Callable[[Sequence[Any]], Any] | None = None
        self._source: str | None = None
        self._guard: CaptureGuard | None = None
        #: what gives Values for arguments with Values; None where the function is not known, and numbers for others
        self.on_values: Callable[[Arguments], Any] | None = None
        if checkpoint := self.options.get("checkpoint", False):
            report.checkpoints = make_schedule(groups, checkpoint).describe()

    @property
    def ir(self) -> Groups:
        """Its groups and results."""
        return self.outline

    @property
    def groups(self) -> list[Group]:
        """The statements: maps, sums and folds, and the inputs and constants that they read."""
        return self.ir.groups

    @property
    def source(self) -> str:
        """The program as readable NumPy."""
        if self._source is None:
            from tinygrad_lite.lift.source.emit import emit

            self._source = emit(self.ir).text
        return self._source

    def report(self) -> Report:
        """Tell what lifting found and cost."""
        return self._report

    def __repr__(self) -> str:
        r = self._report
        return f"<program {self.name}: {r.nodes} scalar nodes in {r.groups} groups, engine {self.engine!r}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program.

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
            assert self._guard is not None
            self.watch(self._guard.captures, self._guard.code, self._guard.check(self.name))
        found = NotImplemented if kwargs or is_differentiating() else self.try_fast(args)
        return self.run_arguments(self.inputs.take_apart(args, kwargs)) if found is NotImplemented else found

    def watch(self, captures: Captures, code: tuple[list[Any], list[Any]], snapshot: Snapshot) -> None:
        """Hold the program for what the function reads beside its arguments now.

        Args:
            captures: What looks at it.
            code: The function, and the functions and objects among the arguments.
            snapshot: What stands there.
        """
        if self._guard is None:
            self._guard = CaptureGuard(captures, code, snapshot, captures.make_key(snapshot))
            self._guard.locate(self.inputs.captured)
        elif snapshot is not self._guard.snapshot:
            self._guard.snapshot = snapshot
            self._guard.update(self.inputs.captured)

    def check_unchanged(self) -> None:
        """Raise if what the function reads beside its arguments is part of the program, and has changed.

        Raises:
            LiftError: It has.
        """
        if self._guard is not None:
            self._guard.check(self.name)

    @property
    def snapshot(self) -> Snapshot | None:
        """What the function read beside its arguments when the program was last right; None if nobody looks."""
        return None if self._guard is None else self._guard.snapshot

    def is_current(self) -> bool:
        """Whether what the function reads beside its arguments is what it was when this was asked for last."""
        return self._guard is None or self._guard.snapshot.is_current()

    def try_fast(self, args: Sequence[Any]) -> Any:
        """Compute the results for plain arrays of the right shapes; NotImplemented for others."""
        arrays = (self._read or self._make_reader())(args)
        if arrays is None:
            if any(reader.is_stale for reader in self._modules):
                self._read = None  # a module is made of other things now: another reader may know them
            return NotImplemented
        if self.engine == "jax":
            return self._build_results(self._run_on_jax(self._run or self._prepare(), arrays))
        return self.run_arrays(arrays)

    def run_arguments(self, arguments: Arguments) -> Any:
        """Compute the results for arguments that were taken apart: of Values as Values."""
        if arguments.holds_values or is_differentiating():
            if self.on_values is not None:
                return self.on_values(arguments)
            if arguments.holds_values:
                raise LiftError(
                    f"the program {self.name} was given Values, and has no derivatives: it was loaded from a file, or "
                    "pickled, without its function. Lift the function itself; for the numbers alone give v.data."
                )
        return self.run_arrays(self.inputs.gather(arguments))

    def run_arrays(self, arrays: list[Floats]) -> Any:
        """Compute the results for an array for each input group, in the structure of the function's results."""
        return self._build_results(self.compute(arrays))

    def compute(self, arrays: list[Floats]) -> list[Any]:
        """Compute an array for each result, for one of each input group, and look at all that calls look at."""
        run, demands = self._run or self._prepare(), self.demands
        if self.engine == "jax":
            return self._run_on_jax(run, self._move_samples(arrays))
        if demands:
            demands.check_arguments(arrays)
        checked = getattr(run, "checked", None)
        found, is_finite = checked(arrays) if checked is not None and self.check else (run(arrays), not self.check)
        if demands.outputs:
            found = self._check_computed(found)
        if not is_finite:
            self._check_finite(arrays, found)
        return list(found)

    def build_results(self, parts: Sequence[Any]) -> Any:
        """Put arrays, or what stands for plain numbers, into the structure of the function's results, as they are."""
        if self._build_plainly is None:
            self._build_plainly = compile_builder(self._results, [False] * len(parts))
        return self._build_plainly(parts)

    def run(self, arrays: list[Floats]) -> list[Floats]:
        """Run the engine's function: an array for each input group, an array for each result. Nothing is checked."""
        run = self._run or self._prepare()
        return run(self._move_samples(arrays))[: len(self.outline.outputs)]

    def try_run(self, arrays: list[Floats], known: Collection[int] = ()) -> list[Floats] | None:
        """Run as :meth:`run` does; None where a number is not as the function demands.

        Args:
            arrays: Of the input groups.
            known: The places of arrays that were looked at before.
        """
        run, demands = self._run or self._prepare(), self.demands
        try:
            demands.check_arguments(arrays, known=known)
            found = run(self._move_samples(arrays))
            return self._check_computed(found) if demands.outputs else found
        except (ArithmeticError, IndexError, TypeError, ValueError):
            return None

    @property
    def demands(self) -> RuntimeChecks:
        """What the function demands of numbers: each call looks at them."""
        if self._demands is None:
            self._demands = RuntimeChecks(self.outline, self.name)
        return self._demands

    def check_constants(self) -> None:
        """Look at the numbers that are a part of the program, and raise where the function does."""
        self._demands = RuntimeChecks(self.outline, self.name)

    @property
    def checked_ir(self) -> Groups:
        """The groups, with the numbers of which something is demanded as further results, the last."""
        return replace(self.ir, outputs=[*self.ir.outputs, *self.demands.outputs])

    def _prepare(self) -> Run:
        options = self.options
        if self.engine == "jax":  # which moves the axes in the code that it compiles
            if self._read is None:
                self._make_reader()
            options = {**options, "axes": self._axes or None}
        self._run = self._build_engine(self.checked_ir, options)
        return self._run

    def _build_engine(self, groups: Groups, options: dict[str, Any]) -> Run:
        checkpoint = options.get("checkpoint", False)
        if not checkpoint:
            return registry.build(self.engine, groups, options)
        schedule = make_schedule(groups, checkpoint)
        rest = {name: option for name, option in options.items() if name != "checkpoint"}
        return running.build(self.engine, groups, schedule, rest)

    def _make_reader(self) -> Callable[[Sequence[Any]], list[Any] | None]:
        self._read, self._axes, self._modules = self.inputs.make_reader(as_given=self.engine == "jax")
        return self._read

    def _move_samples(self, arrays: list[Any]) -> list[Any]:
        """Move samples from the last axis to where the engine's function takes them; no array is copied."""
        if self.engine != "jax" or not self._axes:
            return arrays
        return [
            array if axis is None else np.moveaxis(array, -1, axis)
            for array, axis in zip(arrays, self._axes, strict=True)
        ]

    def _check_computed(self, found: list[Any]) -> list[Any]:
        """Take the function's own results, after a look at the others."""
        count = len(self.outline.outputs)
        self.demands.check_computed(found[count:])
        return found[:count]

    def _run_on_jax(self, run: Any, arrays: list[Any]) -> list[Any]:
        """Compute the results, where nothing is looked at but what is demanded of numbers."""
        if not self.demands:
            return list(run(arrays))
        if any(is_traced_by_jax(array) for array in arrays):
            return self._mask_unmet(run, arrays)
        self.demands.check_arguments(arrays, self._axes or None)
        return self._check_computed(run(arrays))

    def _mask_unmet(self, run: Any, arrays: list[Any]) -> list[Any]:
        """Compute the results where JAX traces, and nothing can be raised: they are nan instead."""
        numpy = import_jax().numpy
        found = run(arrays)
        count = len(self.outline.outputs)
        last = [
            array if axis is None else numpy.moveaxis(array, axis, -1)
            for array, axis in zip(arrays, self._axes or [None] * len(arrays), strict=True)
        ]
        fine = self.demands.are_met(numpy, last, found[count:])
        return [numpy.where(fine, array, numpy.nan) for array in found[:count]]

    def run_in_double(self, arrays: list[Floats]) -> list[Floats]:
        """Run in float64 on one device: narrow formats differ by their rounding, and devices share samples."""
        wide = {name: option for name, option in self.options.items() if name not in ("dtype", "devices")}
        if wide == self.options:
            return self.run(arrays)
        return self._build_engine(self.ir, wide)(arrays)

    def _build_results(self, found: Sequence[Any]) -> Any:
        if self._build is None:
            self._build = compile_builder(self._results, self._find_numbers())
        return self._build(found)

    def _find_numbers(self) -> list[bool]:
        """Find which of the results are given as plain numbers."""
        numbers = [output.shape is None and not output.batched for output in self.outline.outputs]
        return [number and self.engine != "jax" for number in numbers]

    def _check_finite(self, arrays: Sequence[Floats], found: Sequence[Any]) -> None:
        """Raise if a result is not finite though all inputs are. A sum of squares tells in a third of the time."""
        if self.engine == "jax":
            return
        for number, array in enumerate(found):
            if math.isfinite(np.vdot(array, array)) or np.isfinite(array).all():
                continue
            if all(np.isfinite(a).all() for a in arrays):
                raise FloatingPointError(self._explain_origin(list(arrays), number))

    def _explain_origin(self, arrays: list[Floats], number: int) -> str:
        """Say where a result stops to be finite although all inputs are."""
        from tinygrad_lite.lift.checking.nonfinite_origin import explain

        return explain(self.ir, self.name, arrays, number)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the program to a file, as data, whole or not at all.

        :func:`~tinygrad_lite.lift.loading.load` reads it, on any machine.

        Values that the function closed over are written as constants, with their numbers of now.

        Args:
            path: Of the file.

        Raises:
            LiftError: A static argument is something else than text, a number, a boolean, None or a tuple of these.
            OSError: The file cannot be written; it is as it was.

        >>> import tempfile
        >>> from tinygrad_lite.lift import lift, load
        >>> program = lift(lambda x, y: x * y + x).program_for(1.0, 2.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     program.save(f"{folder}/f.lift")
        ...     load(f"{folder}/f.lift")(3.0, 4.0)
        15.0
        """
        write_atomically(path, self.to_bytes())

    def export(self, path: str | os.PathLike[str], engine: str | None = None) -> None:
        """Write the program as a Python module that stands alone: it imports NumPy, or JAX, and not this library.

        Its function ``run`` takes an array for each input, as callers of the program give them, and gives the same
        results, to the bit, in tuples, lists and dicts. (A program with ``checkpoint`` is written without.) Its
        docstring says the names and shapes. Many constants stand beside it, in a ``.npz`` of the same name. Values that
        the function closed over are constants, with their numbers of now.

        Args:
            path: Of the module; it ends in ``.py``. A file that is there is replaced, whole or not at all.
            engine: ``"numpy"`` or ``"jax"``; the program's own, if left out, and NumPy for numba.

        Raises:
            LiftError: The path is no such name, or that of something else than a regular file; or the program has an
                operation of the user's own, or gives sparse matrices, or computes in bfloat16.
            OSError: The file cannot be written; it is as it was.

        >>> import runpy, tempfile
        >>> from tinygrad_lite.lift import lift
        >>> program = lift(lambda x, y: x * y + x).program_for(1.0, 2.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     program.export(f"{folder}/step.py")
        ...     runpy.run_path(f"{folder}/step.py")["run"](3.0, 4.0)
        15.0
        """
        exporting.export(self, path, engine)

    def write_module(self, engine: str | None = None) -> str:
        """Write what :meth:`export` does as text, with all constants in it, to be copied and run anywhere.

        Args:
            engine: As of :meth:`export`.

        Raises:
            LiftError: As of :meth:`export`.

        >>> from tinygrad_lite import tanh
        >>> from tinygrad_lite.lift import lift
        >>> text = lift(lambda x, y: tanh(x) * y).program_for(1.0, 2.0).write_module()
        >>> names = {}
        >>> exec(text, names)
        >>> round(names["run"](1.0, 2.0), 6)
        1.523188
        """
        return exporting.write_module(self, engine)

    @property
    def structure(self) -> Any:
        """The structure of the results, as nested lists of names, numbers and keys."""
        return self._results

    def to_bytes(self) -> bytes:
        """Make the contents of the file that :meth:`save` writes."""
        return StoredProgram(self.name, self.ir, self.inputs, self._results, self._report).to_bytes()

    @classmethod
    def from_bytes(cls, content: bytes, engine: str = "numpy", *, check: bool = True, **options: Any) -> Program:
        """Read the contents of a file, as :func:`~tinygrad_lite.lift.loading.load` does."""
        stored = StoredProgram.from_bytes(content)
        return cls(stored.name, stored.groups, stored.inputs, stored.results, stored.report, engine, check, options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        return display.mimebundle(self, include, exclude)

    def __getstate__(self) -> dict[str, Any]:
        made_anew = dict.fromkeys(("_run", "_read", "_build", "_build_plainly", "_demands", "_guard", "on_values"))
        return {**self.__dict__, **made_anew, "_modules": (), "inputs": make_inputs_portable(self.inputs)}
