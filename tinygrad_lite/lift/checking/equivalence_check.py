"""The last pass: a program is run on fresh inputs, beside the function itself, before anyone gets it.

On each probe (:mod:`~tinygrad_lite.lift.checking.probes`) the function runs eagerly, on floats, and both results must
agree, but for rounding (:mod:`~tinygrad_lite.lift.checking.tolerance`). The boldest probe counts on which the function
gives finite numbers. Where they do not agree, the error says why (:mod:`~tinygrad_lite.lift.checking.disagreement`).

Costs: a few runs of the function on a few samples, which take most of the time of lifting a large one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.checking.disagreement import Case, explain_dependence
from tinygrad_lite.lift.checking.error_analysis import analyze_program
from tinygrad_lite.lift.checking.internal_errors import Judge, report_internal_errors
from tinygrad_lite.lift.checking.probes import KINDS, Probe, make_probes
from tinygrad_lite.lift.checking.reference import Reference
from tinygrad_lite.lift.checking.tolerance import (
    TOLERANCE,
    compare_to_rounding,
    find_largest_difference,
    measure_rounding,
)
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.ir.groups import Groups
from tinygrad_lite.lift.tracing.inputs import Inputs
from tinygrad_lite.lift.tracing.trace import Floats, Graph

#: From so many nodes on a graph is large: it has many numbers, all of which one probe of other signs moves.
_LARGE: Final = 50_000
#: Of how many samples the function itself is evaluated.
_SAMPLES: Final = 3


class Candidate(Protocol):
    """A program that has to be its function."""

    @property
    def engine(self) -> str:
        """What runs it."""

    @property
    def ir(self) -> Groups:
        """Its groups."""

    @property
    def inputs(self) -> Inputs:
        """How arguments become the arrays of its input groups."""

    def run_in_double(self, arrays: list[Floats]) -> list[Floats]:
        """Run it in float64, whatever it computes in otherwise."""


@dataclass(frozen=True)
class EquivalenceCheck:
    """A program beside its function.

    Attributes:
        program: The program.
        reference: The function.
        graph: That of which the program was made.
        judge_on: What tells whether ``lift`` goes wrong on an engine; nothing, where that is being found out.
    """

    program: Candidate
    reference: Reference
    graph: Graph
    judge_on: Callable[[str], Judge | None]

    def run(self) -> float:
        """Compare them on all probes.

        Returns:
            The largest difference, relative to what it is excused by: to the largest number of the array that it stands
            in; where terms cancel, to their size, about; and :data:`TOLERANCE` where a kink is between them.

        Raises:
            LiftError: They differ; or the function gives other results when it is called again.
        """
        worst = 0.0
        is_large = len(self.graph) >= _LARGE
        for seed in (None, 1) if is_large else (None, *range(KINDS)):
            arrays, eager = self._draw_probe(seed, 2 if is_large else _SAMPLES)
            given = self._gather(arrays)
            with report_internal_errors(self.reference.name, self.graph, self.judge_on(self.program.engine)):
                lifted = [np.asarray(array) for array in self.program.run_in_double(given)]
            found = find_largest_difference(lifted, eager)
            relative = found.relative
            if relative > TOLERANCE:
                relative = self._compare_to_rounding(arrays, lifted, eager)
            if relative > TOLERANCE:
                reason = self._explain(Probe(arrays, lifted, eager))
                if reason:
                    raise LiftError(
                        f"the program of {self.reference.name} is not the function: on a probe, number {found.place} "
                        f"of result {found.result} is {found.lifted!r} instead of {found.eager!r}. {reason}"
                    )
            worst = max(worst, min(relative, TOLERANCE))
        return worst

    def _gather(self, arrays: list[Floats]) -> list[Floats]:
        return self.program.inputs.gather(replace(self.reference.arguments, arrays=arrays))

    def _draw_probe(self, seed: int | None, few: int) -> tuple[list[Floats], list[Floats]]:
        """Draw the boldest probe, of a few samples, on which the function gives finite numbers; and evaluate it there.

        Without a seed it is what the caller gave, if the function gives finite numbers there.
        """
        arguments = self.reference.arguments
        batched = [unit.axis is not None for unit in arguments.units]
        drawn = list(make_probes(arguments.arrays, batched, seed or 0))
        probes = [
            [array[..., :few] if has else array for array, has in zip(arrays, batched, strict=True)]
            for arrays in ([drawn[-1], *drawn] if seed is None else drawn)
        ]
        for arrays in probes:
            self.reference.tie_parameters(arrays)
        for arrays in probes[:-1]:
            with suppress(Exception):  # the function may take no such numbers, and say so in any way
                eager = self.reference.evaluate(arrays)
                if all(np.isfinite(array).all() for array in eager):
                    return arrays, eager
        return probes[-1], self.reference.evaluate(probes[-1])

    def _compare_to_rounding(self, arrays: list[Floats], lifted: list[Any], eager: list[Floats]) -> float:
        """Find the largest difference, relative to what rounding can do."""
        self._check_repeats(arrays, eager)
        shaken = measure_rounding(self.reference.evaluate, arrays)
        bounds, largest = analyze_program(self.program.ir, self._gather(arrays))
        return compare_to_rounding(lifted, eager, bounds, shaken, largest)

    def _check_repeats(self, arrays: list[Floats], eager: list[Floats]) -> None:
        """Raise if the function gives other numbers when it is called again with the same ones."""
        again = self.reference.evaluate(arrays)
        same = [np.array_equal(a, b, equal_nan=True) for a, b in zip(again, eager, strict=False)]
        if len(again) != len(eager) or not all(same):
            raise LiftError(
                f"{self.reference.name} gives other results when it is called again with the same arguments: it draws "
                "random numbers, or keeps something between its calls, which a program would not. Give what it draws "
                "or keeps as an argument."
            )

    def _explain(self, probe: Probe) -> str:
        """Say why a program is not the function; "" if the function itself rounds so much."""
        judge = self.judge_on(self.program.engine)
        if judge is None:
            return "It is a part of another one."
        if judge.engine != "numpy":
            on_numpy = registry.build("numpy", self.program.ir, {})(self._gather(probe.arrays))
            if find_largest_difference(on_numpy, probe.eager).relative > TOLERANCE:
                judge = self.judge_on("numpy") or judge
        again = self.reference.record(self.reference.arguments.arrays, 1)[0]
        try:
            samples = self.reference.record(probe.arrays)
        except Exception as error:  # whatever the function does when it is given Values with these numbers
            return explain_dependence(f"it raises {type(error).__name__}: {error}".rstrip(": "))
        remedy = "numpy" if judge.engine != "numpy" else ""
        return Case(self.reference, self.graph, again, samples, probe, remedy, judge).explain()
