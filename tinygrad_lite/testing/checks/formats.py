"""float32, bfloat16 and float16: f in float64 at the same numbers, and derivatives by the rounding of their own format.

A number of eight binary digits tells little of a slope, however it is differenced. Where f and df take float64 as well,
because their results' type follows their arguments', both are checked there, with all digits; what is left to ask of
the given format is whether df there is df in float64 but for rounding.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.testing.checks.user_derivative import Block, Handwritten
from tinygrad_lite.testing.oracles.arrays import doubles, leaves_of
from tinygrad_lite.testing.oracles.differences import DOUBLE, Precision
from tinygrad_lite.testing.oracles.verdicts import FunctionError, Verdict

Array = NDArray[np.float64]

#: By how many units in the last place a derivative may be off that was rounded a few times.
FEW = 16.0


class InDouble(Handwritten):
    """A function and its derivative at the same numbers in float64.

    Args:
        given: The two as they were given.
        args: Its arguments, with float64 in the place of coarser floats.

    Attributes:
        follows: Whether df gives float64 as well; if not, it is the given one's.
    """

    def __init__(self, given: Handwritten, args: Sequence[Any]) -> None:
        self.given = given
        super().__init__(_with_doubles(given.f), _with_doubles(given.df), args, given.argnums, given.nondet_tol)
        self.name = given.name
        try:
            super().derivative(self.point)
            self.follows = self.slope_precision == DOUBLE
        except (FunctionError, ValueError, TypeError):
            self.follows = False

    def derivative(self, point: Array) -> list[Block]:
        """df there, in float64 if it can be had."""
        if self.follows:
            return super().derivative(point)
        blocks = self.given.derivative(point)
        self.slope_precision = self.given.slope_precision
        return blocks

    def arguments_text(self, point: Array) -> str:
        """Return the given arguments as code: a call with these does all of this again."""
        return self.given.arguments_text(point)

    def on_grid(self, point: Sequence[float]) -> Array:
        """Return the nearest point that the given types hold."""
        return self.given.on_grid(point)


def in_double(rule: Handwritten) -> InDouble | None:
    """Return the same in float64, if f takes that and is the same function there.

    Args:
        rule: A function and its derivative at arguments of any format.

    Returns:
        Nothing where all is in float64 already, or f's result does not follow its arguments' type.

    >>> rule = Handwritten(np.sin, np.cos, [np.ones(3, np.float32)], None)
    >>> float(in_double(rule).values(rule.point)[0]) == float(np.sin(1.0))
    True
    """
    if rule.epsilon.epsilon < 1e-10:
        return None
    args = _widened(rule.args)
    try:
        wide = InDouble(rule, args)
        here, there = rule.values(rule.point), wide.values(rule.point)
    except (FunctionError, ValueError, TypeError):
        return None
    if wide.epsilon.epsilon > 1e-10 or wide.outputs != rule.outputs:
        return None
    # Sums of numbers of size 1 may cancel; else the two are one function.
    finite = np.isfinite(here) & np.isfinite(there)
    size = float(np.max(np.abs(there[finite]), initial=0.0))
    allowed = max(0.1, 64.0 * rule.epsilon.epsilon) * size + 64.0 * rule.epsilon.epsilon
    return wide if bool(np.all(np.abs(here - there)[finite] <= allowed)) else None


def _widened(args: Sequence[Any]) -> list[Any]:
    """Arguments with the same numbers, those of floating-point arrays in float64."""
    made = []
    for arg in args:
        try:
            leaves, rebuild = leaves_of(arg, "it")
        except TypeError:
            made.append(arg)
            continue
        made.append(rebuild(iter([(leaf.wide or leaf.make)(leaf.values) for leaf in leaves])))
    return made


def _with_doubles(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function, updated=())
    def called(*args: Any) -> Any:
        with doubles():
            return function(*args)

    return called


@dataclass(frozen=True)
class Rounded:
    """A derivative in the given format beside the same in float64.

    Attributes:
        row: Of which output.
        column: By which number.
        got: In the given format.
        exact: In float64.
        allowed: How far apart rounding may have moved them.
        verdict: WRONG, NON_FINITE, or CORRECT for the one that is off by most of what is allowed.
        reason: Why, if it is not correct.
    """

    row: int
    column: int
    got: float
    exact: float
    allowed: float
    verdict: Verdict
    reason: str = ""


def rounding(wide: InDouble, point: Array, blocks: Sequence[Block], seed: int) -> Rounded:
    """Return the derivative that the given format changes most, and whether rounding explains it.

    Args:
        wide: The rule in float64, whose df follows.
        point: Where; numbers of the given format.
        blocks: df there, in float64.
        seed: For what is drawn.
    """
    given = wide.given
    found = given.derivative(point)
    precision = given.slope_precision
    with np.errstate(all="ignore"):
        allowed = _allowed(wide, point, blocks, precision)
        excess = [
            np.where(np.isfinite(a.entries), np.abs(b.entries - a.entries) / bound, 0.0)
            for a, b, bound in zip(blocks, found, allowed, strict=True)
        ]
    leaf = max(range(len(excess)), key=lambda i: float(np.max(_worse(excess[i]), initial=0.0)))
    place = int(np.argmax(_worse(excess[leaf])))
    row, within = _place(blocks[leaf], place)
    column = within + sum(leaf.values.size for leaf in wide.leaves[:leaf])
    got, exact = float(found[leaf].entries.ravel()[place]), float(blocks[leaf].entries.ravel()[place])
    bound = float(allowed[leaf].ravel()[place])
    name = _name(precision)
    if math.isinf(got) and abs(exact) >= _largest(precision):
        return Rounded(row, column, got, exact, bound, Verdict.NON_FINITE, f"{exact:.3g} is too large for {name}")
    if abs(got - exact) <= bound:
        return Rounded(row, column, got, exact, bound, Verdict.CORRECT)
    bound += 8.0 * _conditioning(wide, point, leaf, place, random.Random(seed))
    if abs(got - exact) <= bound:
        return Rounded(row, column, got, exact, bound, Verdict.CORRECT)
    reason = f"df gives this in {name}; in float64, at the same numbers, it gives {exact!r}"
    return Rounded(row, column, got, exact, bound, Verdict.WRONG, reason)


def _worse(excess: Array) -> Array:
    """Return the excess, infinite where it is no number: that is worst."""
    return np.where(np.isnan(excess), math.inf, excess)


def _place(block: Block, place: int) -> tuple[int, int]:
    if block.elementwise:
        return place, place
    row, column = divmod(place, int(block.entries.shape[1]))
    return row, column


def _allowed(wide: InDouble, point: Array, blocks: Sequence[Block], precision: Precision) -> list[Array]:
    """How far rounding on the way may move each derivative: by its size, and by that of what may cancel."""
    sizes = [np.abs(block.entries[np.isfinite(block.entries)]) for block in blocks]
    largest = max(float(np.max(size, initial=0.0)) for size in sizes)
    values = np.abs(wide.values(point))
    value = float(np.max(values[np.isfinite(values)], initial=0.0)) / max(1.0, float(np.abs(point).max()))
    epsilon = FEW * precision.epsilon
    floor = epsilon * (largest + value) + FEW * precision.smallest
    return [epsilon * np.abs(block.entries) + floor for block in blocks]


def _conditioning(wide: InDouble, point: Array, leaf: int, place: int, rng: random.Random) -> float:
    """By how much that derivative changes when every number moves by a unit in its last place or less."""
    epsilon = wide.given.epsilon.epsilon
    here = float(wide.derivative(point)[leaf].entries.ravel()[place])
    changes = [0.0]
    for _ in range(4):
        moved = point * np.array([1.0 + epsilon * rng.uniform(-1.0, 1.0) for _ in point])
        there = float(wide.derivative(moved)[leaf].entries.ravel()[place])
        changes.append(abs(there - here) if math.isfinite(there) else 0.0)
    return max(changes)


def _largest(precision: Precision) -> float:
    return 65504.0 if precision.smallest > 1e-10 else 3.3e38


def _name(precision: Precision) -> str:
    names = {-23: "float32", -10: "float16", -7: "bfloat16"}
    return names.get(round(math.log2(precision.epsilon)), f"its format of {1 - math.log2(precision.epsilon):.0f} bits")
