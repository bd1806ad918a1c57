"""The true derivative of a recorded program at a point, to 60 digits, and how far floats may be from it.

Three questions are answered by evaluating the program's textbook definitions:

- *What is it?* On dual numbers of mpmath numbers, at a precision that is doubled until nothing changes.
- *How much is rounding?* The same with every operation off by a few roundings (:class:`~.dual.Noisy`), some times over.
  The spread is what a correct rule may be off by: no tolerance is chosen.
- *Is it smooth?* Decisions that are ties, or that rounding turns over, are taken both ways. The derivatives found span
  the interval in which a convention may choose.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpc, mpf

from tinygrad_lite.testing.oracles import exact
from tinygrad_lite.testing.oracles.dual import Dual, mpmath_arithmetic, primal
from tinygrad_lite.testing.oracles.recorded_steps import Decision, Program

#: A direction of differentiation: the weight of each input that moves.
Direction = tuple[tuple[int, float], ...]

_NOISY_VALUES = 6
_NOISY_DERIVATIVES = 4
#: Of k decisions all 3^k combinations, up to this many; then as many drawn ones.
_COMBINATIONS = 27
#: What a correct rule may be off by, in units of the spread: each operation of it may be off by 4 roundings, as its
#: record says, and noise is 8 to 16; the rest is for rules in other forms than the definition.
_SAFETY = 8
#: Numbers that differ by less, relative to the largest, tend to the same one.
_SAME = "1e-12"
#: How near to a point its limits are looked at, relative to its size.
_NEAR = "1e-30", "1e-60"


@dataclass(frozen=True)
class Truth:
    """A derivative as it should be.

    Attributes:
        low: The least derivative that is right; nan if none is known but those of the sides.
        high: The greatest; the same where the function is smooth.
        tolerance: By how much rounding may have moved it.
        sides: The derivatives from below and from above where there is no other; an infinite slope is an infinity, and
            None stands for a side on which the function is not defined.
        settled: Whether a number outside of the sides is wrong; if not, they are not known well enough to say so.
    """

    low: Any
    high: Any
    tolerance: Any
    sides: tuple[Any, Any] | None = None
    settled: bool = True

    @property
    def is_limit(self) -> bool:
        """Whether the sides are all that is known, and say the same finite number."""
        if self.sides is None or any(side is None or not mp.isfinite(side) for side in self.sides):
            return False
        below, above = self.sides
        return bool(abs(above - below) <= mpf(_SAME) * (abs(below) + abs(above)))


class Reference:
    """A program at a point, ready to be differentiated.

    Args:
        program: What was recorded at that point.
        point: The data of its inputs.
        seed: Of the noise.

    Raises:
        DefinitionError: The program has an operation of the user's without a formula.
    """

    def __init__(self, program: Program, point: Sequence[float], seed: int = 0) -> None:
        for op, operands in program.steps:
            exact.require_formula(op, [program.data[i] for i in operands])
        self.program = program
        self.point = list(point)
        self.random = random.Random(seed)
        self._known: dict[tuple[Direction, ...], list[Truth]] = {}
        #: the digits to begin with: as many as the values need
        self.digits = 60
        #: what is 0 at fewer digits than this may be 1 + 1e-200 - 1
        self._enough = exact.digits_for([*program.data[: program.first], *point])
        before: list[Any] = []
        while True:
            taken: dict[Decision, tuple[int, bool]] = {}
            with mp.workdps(self.digits):
                m = mpmath_arithmetic()
                results = program.evaluate(m, [m.number(x) for x in point], decisions=taken)
                #: the outputs' true values
                self.values = [results[i] for i in program.outputs]
                if self.digits > 1000 or (before and all(map(self._settled, before, self.values))):
                    break
                before = self.values
            self.digits *= 2
        self.digits //= 2
        with mp.workdps(self.digits):
            ties, corners = program.kinks(mpmath_arithmetic())
        undecided = {decision for decision, (_, tied) in taken.items() if tied} | ties
        self.value_spread = [mpf(0)] * len(self.values)
        with mp.workdps(self.digits):
            for _ in range(_NOISY_VALUES):
                noisy: dict[Decision, tuple[int, bool]] = {}
                m = mpmath_arithmetic(self.random)
                try:
                    moved = program.evaluate(m, [m.number(x) for x in point], decisions=noisy)
                except (ArithmeticError, ValueError):  # noise left the domain
                    continue
                undecided |= {decision for decision, (way, _) in taken.items() if noisy.get(decision, (way,))[0] != way}
                self.value_spread = [
                    max(spread, abs(primal(moved[i]) - truth))
                    for spread, i, truth in zip(self.value_spread, program.outputs, self.values, strict=True)
                ]
        active = program.active()
        #: the decisions that can be taken either way
        self.undecided = sorted(decision for decision in undecided if decision[0] in active)
        self.choices = self._combinations()
        #: whether an operation is at a kink that no decision makes: hypot(0, 0)
        self.at_corner = not corners.isdisjoint(active)
        #: whether the floats on the way are right, and so is where they are 0
        self.is_exact = all(
            abs(program.data[i] - primal(results[i])) <= mpf("1e-9") * abs(primal(results[i]))
            for i in (program.first + step for step in active)
            if math.isfinite(program.data[i])
        )
        #: the size of the numbers on the way, as sums of large numbers are rounded as such
        self.largest = max((abs(x) for x in program.data if math.isfinite(x)), default=0.0)

    def _combinations(self) -> list[dict[Decision, int]]:
        """Each decision as it is (first of all), slightly above and slightly below."""
        count = len(self.undecided)
        if 3**count <= _COMBINATIONS:
            ways = list(itertools.product((0, 1, -1), repeat=count))
        else:
            drawn = [tuple(self.random.choice((0, 1, -1)) for _ in range(count)) for _ in range(_COMBINATIONS - 3)]
            ways = [(0,) * count, (1,) * count, (-1,) * count, *drawn]
        return [dict(zip(self.undecided, way, strict=True)) for way in ways]

    def derivatives(self, directions: Sequence[Direction]) -> list[Truth]:
        """Return the derivative of each output along the directions, one after the other."""
        key = tuple(sorted(directions))
        if key not in self._known:
            self._known[key] = self._differentiate(key)
        return self._known[key]

    def _differentiate(self, directions: tuple[Direction, ...]) -> list[Truth]:
        found: list[list[Any]] = []
        spreads: list[list[Any]] = [[mpf(0)] for _ in self.program.outputs]
        for forced in self.choices:
            try:
                slopes = self._converged(directions, forced)
            except (ArithmeticError, ValueError):  # a side on which the function is not defined
                continue
            found.append(slopes)
            with mp.workdps(self.digits):
                for _ in range(max(1, _NOISY_DERIVATIVES // len(self.choices))):
                    try:
                        noisy = self._slopes(directions, forced, self.random)
                    except (ArithmeticError, ValueError):
                        continue
                    for spread, slope, truth in zip(spreads, noisy, slopes, strict=True):
                        if mp.isfinite(slope) and mp.isfinite(truth):
                            spread.append(abs(slope - truth))
        truths = []
        for k, spread in enumerate(spreads):
            slopes = [each[k] for each in found]
            if slopes and all(mp.isfinite(slope) for slope in slopes) and not self.at_corner:
                largest = max(abs(slope) for slope in slopes)
                tolerance = _SAFETY * max(spread) + 4 * _ulp(largest)
                truths.append(Truth(min(slopes), max(slopes), tolerance))
            else:
                finite = [slope for slope in slopes if mp.isfinite(slope)] or [mpf("nan")]
                sides, settled = self._sides(directions, k)
                infinite = any(side is not None and mp.isinf(side) for side in sides)
                if self.undecided or (self.at_corner and (infinite or len(self.program.steps) > 1)):
                    finite = [mpf("-inf"), mpf("inf")]  # a convention times an infinite slope may be anything
                truths.append(Truth(min(finite), max(finite), mpf(0), sides, settled))
        return truths

    def _converged(self, directions: Sequence[Direction], forced: dict[Decision, int]) -> list[Any]:
        """Return the slopes at a precision at which doubling it changes nothing any more."""
        digits = self.digits
        with mp.workdps(digits):
            before = self._slopes(directions, forced)
        while True:
            digits *= 2
            with mp.workdps(digits):
                slopes = self._slopes(directions, forced)
                if digits > 1000 or all(map(self._settled, before, slopes)):
                    return slopes
            before = slopes

    def _settled(self, before: Any, after: Any) -> bool:
        """Whether a number stays when digits are added."""
        if not mp.isfinite(after):
            return True
        if max(abs(before), abs(after)) < mpf("1e-340"):  # 0, but for terms that cancel
            return bool(mp.dps >= self._enough)
        return bool(abs(after - before) <= abs(after) * mpf("1e-25"))

    def _slopes(
        self,
        directions: Sequence[Direction],
        forced: dict[Decision, int],
        noise: random.Random | None = None,
        at: Sequence[Any] | None = None,
    ) -> list[Any]:
        m = mpmath_arithmetic(noise)
        numbers: list[Any] = [m.number(x) for x in at or self.point]
        for level, direction in enumerate(directions, 1):
            for i, weight in direction:
                numbers[i] = Dual(numbers[i], mpf(weight), level)
        results = self.program.evaluate(m, numbers, forced)
        return [slope_of(results[i], len(directions)) for i in self.program.outputs]

    # ------------------------------------------------------------------------ where the formula has no derivative

    def _sides(self, directions: Sequence[Direction], output: int) -> tuple[tuple[Any, Any], bool]:
        """Return the one-sided derivatives, None where there is none to be known, and whether no other number is right.

        Both are the limit of the derivative, where it is the same on all curves to the point on which the function is
        defined. Else they are those along the direction, of first order.
        """
        limit = self._limit(directions, output) if self._is_smooth_below(directions, output) else None
        if limit is not None and (mp.isfinite(limit) or len(directions) > 1):
            return (limit, limit), self.is_exact
        if len(directions) > 1:
            return (None, None), False
        sides = self.side(directions[0], output, -1), self.side(directions[0], output, 1)
        # A derivative along several inputs is no sum of those along each where it is not a limit.
        return sides, len(directions[0]) == 1 and self.is_exact and all(
            self._settles(directions[0], output, sign) for sign in (-1, 1)
        )

    def _is_smooth_below(self, directions: Sequence[Direction], output: int) -> bool:
        """Whether there are derivatives of one order less: where these jump, theirs have limits that mean nothing."""
        if len(directions) == 1:
            return True
        rest = [[d for i, d in enumerate(directions) if i != k] for k in range(len(directions))]
        below = [self.derivatives(each)[output] for each in rest]
        return all(
            truth.is_limit if truth.sides is not None else truth.high - truth.low <= truth.tolerance for truth in below
        )

    def _limit(self, directions: Sequence[Direction], output: int) -> Any:
        """Return the limit of the derivative, the same on all curves on which the function is defined; None if there is
        none.

        What is 0 on a whole curve is no 0 that meets an infinity.
        """
        found: list[Any] = []
        count = len(self.point)
        signs = [[1] * count, [1 if i % 2 else -1 for i in range(count)], [1 if i % 3 else -1 for i in range(count)]]
        with mp.workdps(3 * self.digits + 60 * len(directions)):
            for c, sign in enumerate(signs if count > 1 else signs[:1]):
                for way in (1, -1):
                    steps = [way * sign[i] * (1 + mpf((7 * i + 3 * c) % 11) / 13) for i in range(count)]
                    try:
                        near, nearer = (self._beside(directions, output, steps, mpf(power)) for power in _NEAR)
                    except (ArithmeticError, ValueError):  # outside the domain
                        continue
                    limit = _limit_of(near, nearer, mpf(10) ** (-mp.dps // 3) * max(1, mpf(self.largest)))
                    if limit is None:
                        return None
                    found.append(limit)
        if not found or any(map(mp.isinf, found)):
            return found[0] if len(set(found)) == 1 else None
        largest = max(abs(x) for x in found)
        return found[0] if max(found) - min(found) <= mpf(_SAME) * largest else None

    def _beside(self, directions: Sequence[Direction], output: int, steps: Sequence[Any], size: Any) -> Any:
        """Return the derivative some steps of a size away from the point."""
        moved = [mpf(x) + (abs(mpf(x)) or 1) * size * step for x, step in zip(self.point, steps, strict=True)]
        return self._slopes(directions, {}, at=moved)[output]

    def side(self, direction: Direction, output: int, sign: int) -> Any:
        """Return the derivative along a direction from below (-1) or above (1); None if the function is not defined
        there."""
        quotients = self._quotients(direction, output, sign)
        if quotients is None:
            return None
        first, last = quotients
        return mpf("inf") * mp.sign(last) if abs(last) > 10 * abs(first) else last

    def _settles(self, direction: Direction, output: int, sign: int) -> bool:
        """Whether the quotients on a side tend to something."""
        quotients = self._quotients(direction, output, sign)
        return quotients is None or _limit_of(*quotients, mpf("1e-100")) is not None

    def _quotients(self, direction: Direction, output: int, sign: int) -> tuple[Any, Any] | None:
        """Return the difference quotients over 10^-15 and 10^-30 on a side; None if the function is not defined
        there."""
        with mp.workdps(3 * self.digits + 60):
            size = max((abs(self.point[i]) for i, _ in direction), default=1.0) or 1.0
            quotients = []
            for power in (-15, -30):
                step = sign * mpf(size) * mpf(10) ** power
                try:
                    quotients.append((self.moved(direction, step)[output] - self.moved(direction, 0)[output]) / step)
                except (ArithmeticError, ValueError):
                    return None
            first, last = quotients
            return None if isinstance(last, mpc) or not mp.isfinite(last) else (first, last)

    def jump(self, direction: Direction, output: int) -> tuple[Any, Any] | None:
        """Return what the function tends to from below and from above along a direction, where it jumps; None where
        not.

        It also jumps where it does so a few roundings beside: in floats, the point may be on either side.
        """
        if not (self.undecided or self.at_corner):
            return None
        here = self.values[output]
        widest = max((abs(self.point[i]) for i, _ in direction), default=1.0)
        size = widest or 1.0
        limits, jumps = [], False
        with mp.workdps(3 * self.digits + 60):
            for sign in (-1, 1):
                try:
                    steps = widest * mpf("1e-15"), size * mpf("1e-30"), size * mpf("1e-60")
                    rounding, far, near = (self.moved(direction, sign * step)[output] for step in steps)
                except (ArithmeticError, ValueError):
                    return None
                if any(isinstance(x, mpc) or not mp.isfinite(x) for x in (rounding, far, near)):
                    return None
                exactly = abs(near - here) > mpf("1e-20") * abs(here) and abs(near - here) > mpf("0.9") * abs(
                    far - here
                )
                beside = abs(rounding - here) > mpf(2) ** -30 * self.largest
                jumps = jumps or exactly or beside
                limits.append(near if exactly else rounding if beside else here)
        return (limits[0], limits[1]) if jumps else None

    def moved(self, direction: Direction, step: Any) -> list[Any]:
        """Return the outputs' values a step along the direction away."""
        m = mpmath_arithmetic()
        numbers: list[Any] = [m.number(x) for x in self.point]
        for i, weight in direction:
            numbers[i] = numbers[i] + step * mpf(weight)
        results = self.program.evaluate(m, numbers)
        return [results[i] for i in self.program.outputs]


def _limit_of(near: Any, nearer: Any, rounding: Any) -> Any:
    """Return what two numbers tend to, the second taken 10^15 times nearer to the point or more; None if that is not
    plain."""
    if not (mp.isfinite(near) and mp.isfinite(nearer)):
        return None
    if abs(near) <= rounding and abs(nearer) <= rounding:
        return mpf(0)
    if abs(nearer - near) <= mpf(_SAME) * abs(nearer):
        return nearer
    if abs(nearer) <= mpf("1e-3") * abs(near):
        return mpf(0)
    return mp.sign(nearer) * mpf("inf") if abs(nearer) >= mpf("1e3") * abs(near) else None


def slope_of(result: Any, order: int) -> Any:
    """Return the derivative of that order in a nest of dual numbers, as a plain number."""
    for level in range(order, 0, -1):
        if isinstance(result, Dual) and result.level == level:
            result = result.slope
        elif not mp.isnan(primal(result)):  # that of a constant; what is no number has no derivative either
            return mpf(0)
    return mpf(primal(result))


def _ulp(x: Any) -> Any:
    """Return a unit in the last place of a float of that size; that of subnormal floats below them."""
    return max(abs(x) * mpf(2) ** -52, mpf(5e-324))
