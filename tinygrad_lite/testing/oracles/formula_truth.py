"""The true derivatives of a function that anybody wrote, if it records a graph when it is run on Values.

What it records is differentiated in 60 digits (:mod:`.truth`), so that derivatives are decided that are lost in the
rounding of the function's values: of tanh at 20, where floats are 1.0 all around.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp, mpf
from numpy.typing import NDArray

from tinygrad_lite.modes import recording
from tinygrad_lite.testing.oracles.deciding import NOTHING, RESOLUTION
from tinygrad_lite.testing.oracles.dual import Dual, mpmath_arithmetic
from tinygrad_lite.testing.oracles.on_values import on_values
from tinygrad_lite.testing.oracles.recorded_steps import Program
from tinygrad_lite.testing.oracles.truth import Reference, slope_of
from tinygrad_lite.testing.oracles.verdicts import Estimate, Verdict
from tinygrad_lite.value import Value

Array = NDArray[np.float64]

ORACLE = "mpmath, 60 digits"
#: Longer programs take too long in 60 digits.
_LONGEST = 1000
#: So many steps are evaluated at most to look at the derivatives of an output.
_MOST_STEPS = 30_000
#: The direction of differentiation: by the one input.
_ALONG = ((0, 1.0),)
#: By how much what was recorded may differ from f's floats, relative: they may be summed in another order.
_SAME = 1e-9


class FormulaTruth:
    """The derivatives of a function at a point, from what it records there and a few floats to either side.

    Args:
        f: The function.
        call: Calls a function like f with these numbers in its arguments, and gives the numbers in its result.
        values: What f gives for floats.
        seed: Of the noise that tells what rounding may explain.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        call: Callable[[Callable[..., Any], list[Any]], list[Any]],
        values: Callable[[Array], Array],
        seed: int,
    ) -> None:
        self._f = on_values(f)
        self._call = call
        self._values = values
        self._seed = seed
        self._hopeless = False
        self._known: dict[bytes, tuple[list[Value], list[Any]] | None] = {}

    def estimate(self, point: Array, row: int, column: int) -> Estimate | None:
        """Return the derivative of a result by an argument; None where 60 digits do not tell.

        That is where nothing is recorded, at jumps and at edges. A branch of Python that turns over at the point makes
        a kink.
        """
        here = self._program(point, row, column)
        if here is None:
            return None
        programs = {_branch(here): here}
        for direction in (-math.inf, math.inf):
            moved = point.copy()
            for _ in range(4):
                moved[column] = math.nextafter(moved[column], direction)
            program = self._program(moved, row, column)
            if program is None:  # the edge of the domain
                return None
            programs.setdefault(_branch(program), program)
        slopes: list[tuple[float, float, float, Any]] = []
        largest = 0.0
        for program in programs.values():
            reference = self._reference(float(point[column]), program)
            if reference is None or reference.jump(_ALONG, 0) is not None:
                return None
            largest = max(largest, reference.largest)
            truth = reference.derivatives((_ALONG,))[0]
            if truth.sides is None:
                ends = float(truth.low), float(truth.high)
            elif truth.is_limit and truth.settled:
                ends = float(truth.sides[0]), float(truth.sides[0])
            else:
                return None
            slopes.append((*ends, float(truth.tolerance), reference.values[0]))
        low, high = min(slope[0] for slope in slopes), max(slope[1] for slope in slopes)
        error = max(slope[2] for slope in slopes)
        values = [slope[3] for slope in slopes]
        apart = max(values) - min(values) > mpf(2) ** -30 * largest
        if apart or not (math.isfinite(low) and math.isfinite(high)):
            return None
        if high - low <= error:
            return Estimate(slopes[0][0], error, ORACLE)
        return Estimate(math.nan, error, ORACLE, low, high, Verdict.KINK, "the slope jumps here")

    def contradicted(self, point: Array, row: int, got: dict[int, float]) -> list[int]:
        """Return the arguments by which what is recorded at the point has another derivative, relative to its own size.

        That costs one call of f for all of them, but sees neither noise nor branches: ask :meth:`estimate` about these.
        """
        columns = list(got)
        program = self._between(point, row, columns)
        if program is None:
            return []
        columns = columns[: max(1, _MOST_STEPS // max(1, len(program.steps)))]
        found = []
        for i, column in enumerate(columns):
            true = 0.0 if program.inputs[i] is None else _slope(program, point[list(got)].tolist(), i)
            size = max(abs(true), abs(got[column]))
            if size > NOTHING and abs(got[column] - true) > RESOLUTION * size:
                found.append(column)
        return found

    def _program(self, point: Array, row: int, column: int) -> Program | None:
        """Return what is recorded at a point from an argument to a result, if that is what f computes."""
        return self._between(point, row, [column])

    def _between(self, point: Array, row: int, columns: list[int]) -> Program | None:
        key = point.tobytes()
        if key not in self._known:
            self._known[key] = None if self._hopeless else self._recorded(point)
            self._hopeless = self._hopeless or (len(self._known) == 1 and self._known[key] is None)
        found = self._known[key]
        if found is None:
            return None
        numbers, results = found
        try:
            output = results[row] if isinstance(results[row], Value) else Value(float(results[row]))
        except TypeError:
            return None
        if not math.isclose(output.data, self._values(point)[row], rel_tol=_SAME):
            return None
        program = Program([output], [numbers[column] for column in columns])
        return program if len(program.steps) <= _LONGEST else None

    def _recorded(self, point: Array) -> tuple[list[Value], list[Any]] | None:
        """Return the Values, and f's results, or None if it does not take Values."""
        numbers = [Value(x) for x in point.tolist()]  # all of them: NumPy's functions take no mixed arrays
        try:
            with recording(), np.errstate(all="ignore"):
                return numbers, self._call(self._f, numbers)
        except Exception:  # whatever f raises
            return None

    def _reference(self, number: float, program: Program) -> Reference | None:
        try:
            return Reference(program, [number], self._seed)
        except (ArithmeticError, ValueError):
            return None


def _slope(program: Program, point: list[float], i: int) -> float:
    """Return the derivative by the i-th input, to 60 digits and more; nan where there is none."""
    results = []
    for digits in (60, 120):
        with mp.workdps(digits):
            m = mpmath_arithmetic()
            numbers: list[Any] = [m.number(x) for x in point]
            numbers[i] = Dual(numbers[i], mpf(1), 1)
            try:
                results.append(slope_of(program.evaluate(m, numbers)[program.outputs[0]], 1))
            except (ArithmeticError, ValueError):
                return math.nan
    first, last = results
    return float(last) if abs(first - last) <= mpf("1e-25") * abs(last) else math.nan


def _branch(program: Program) -> tuple[object, ...]:
    return program.shape, tuple(program.constants().items())
