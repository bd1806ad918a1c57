"""Finite differences that know their error: every scale is looked at, and the smallest one that can be seen wins.

At each step h of a geometric ladder, f is evaluated at the nine points x, x ± h, ..., x ± 4h. From them come

- the slope by central differences that are exact for polynomials of degree 8 (Fornberg 1988), and how far the one of
  degree 6 is from it: what the series leaves out;
- the slopes and values on either side from x ± h, ..., x ± 4h alone, so that a jump, a kink or a peculiar value at x
  itself is recognised;
- the seventh and eighth differences, which are what noise and structure finer than h leave (Moré & Wild 2011).

So each scale makes a claim, slope ± error. A claim stands if no smaller scale contradicts it and another one supports
it; of those that stand, the tightest is taken. What is too small for the smallest steps is not seen by any such method.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.testing.oracles.verdicts import Estimate, Verdict

Array = NDArray[np.float64]

ORACLE = "finite difference"

#: Outside its domain, a function of floats raises one of these.
OUTSIDE = (ValueError, ArithmeticError)


class Precision(NamedTuple):
    """How finely numbers are spaced: relative to their size, and at least."""

    epsilon: float
    smallest: float


DOUBLE = Precision(2.0**-52, 2.0**-1074)

_OFFSETS = np.arange(-4.0, 5.0)
#: Weights of f(x - 4h) ... f(x + 4h) in h·f'(x), exact to degree 8 and to degree 6.
_CENTRAL_8 = np.array([1 / 280, -4 / 105, 1 / 5, -4 / 5, 0.0, 4 / 5, -1 / 5, 4 / 105, -1 / 280])
_CENTRAL_6 = np.array([0.0, -1 / 60, 3 / 20, -3 / 4, 0.0, 3 / 4, -3 / 20, 1 / 60, 0.0])
#: Weights of f(x + h) ... f(x + 4h) in h·f'(x+) and in f(x+), exact to degree 3 and to degree 2.
_SIDE_SLOPE_3 = np.array([-13 / 3, 19 / 2, -7.0, 11 / 6])
_SIDE_SLOPE_2 = np.array([-5 / 2, 4.0, -3 / 2, 0.0])
_SIDE_VALUE_3 = np.array([4.0, -6.0, 4.0, -1.0])
_SIDE_VALUE_2 = np.array([3.0, -3.0, 1.0, 0.0])

#: The steps are this times powers of 2. Few digits, so that x + h is exact; not a power of 2, as then rounding to
#: fewer binary digits would shift all nine points alike and stay unseen.
_MANTISSA = 23.0 / 16.0
#: How many steps halve before they may go faster.
_DENSE = 50
#: By how many units in the last place a value may be off where nothing larger is measured.
_ULPS = 4.0
#: No claim is finer than this: what is rounded inside f may be more than its value tells.
_FINEST = 1e-12
#: From the scatter of noise to its bound.
_SCATTER = 64.0
#: From the difference of two orders to the error of the better one.
_TRUNCATION = 4.0


@dataclass(frozen=True)
class Samples:
    """What f is around x, at all scales.

    Attributes:
        x: The point.
        steps: The steps h, from large to small; shape (scales,).
        values: f at x + j·h for j = -4 ... 4, nan outside the domain; shape (scales, 9, *output).
        value: f(x); the output's shape.
        neighbours: f at the numbers next to x, below and above; nan outside the domain.
        precision: That of f's values.
        magnitude: How large the numbers are that were moved: |x|.
        shift: By how much points may lie beside x + j·h.
    """

    x: float
    steps: Array
    values: Array
    value: Array
    neighbours: tuple[Array, Array]
    precision: Precision
    magnitude: float
    shift: float

    def part(self, rows: slice) -> Samples:
        """Return the same at some of the steps."""
        return replace(self, steps=self.steps[rows], values=self.values[rows])

    def column(self, index: tuple[int, ...]) -> Samples:
        """Return the same for one output."""
        below, above = self.neighbours
        selected: Any = (slice(None), slice(None), *index)
        values = self.values[selected]
        return replace(self, values=values, value=self.value[index], neighbours=(below[index], above[index]))


def sample(
    function: Callable[[float], Array],
    x: float,
    precision: Precision = DOUBLE,
    grid: Precision = DOUBLE,
    nearest: Callable[[float], float] = float,
    magnitude: float | None = None,
) -> Samples:
    """Evaluate f at nine points on each of all scales.

    Args:
        function: Gives arrays of one shape; nan where f is not defined.
        x: Where.
        precision: That of f's values.
        grid: That of f's argument.
        nearest: The number that f gets in place of a float64, if its argument has less precision.
        magnitude: How large the numbers are that move with x, if x is only the way along them.
    """
    size = abs(x) if magnitude is None else magnitude
    seen: dict[float, Array] = {}
    shift = 0.0

    def at(offset: float) -> Array:
        nonlocal shift
        point = nearest(x + offset)
        if math.isinf(point):
            return np.full_like(value, math.nan)
        shift = max(shift, abs((point - x) - offset) / (size + abs(offset) or 1.0))
        if point not in seen:
            seen[point] = function(point)
        return seen[point]

    value = seen[x] = np.asarray(function(x), dtype=float)
    steps = ladder(size, grid)
    values = np.array([[at(j * h) for j in _OFFSETS] for h in steps], dtype=float)
    spacing = max(grid.epsilon * size, grid.smallest)
    neighbours = at(-spacing), at(spacing)
    return Samples(x, np.array(steps), values, value, neighbours, precision, size, shift)


def ladder(size: float, grid: Precision) -> list[float]:
    """Return the steps from a tenth of the argument's size, or of 1, down to where x + h is x.

    They halve over the first fifty and the last fifty; between these, for tiny x, and towards 0 they go ever faster.
    """
    top = math.frexp(max(size, 1.0))[1] - 4
    # x + h is exact for an h with the digits of the mantissa if the last of these is a unit in the last place of x.
    low = max(math.frexp(size * grid.epsilon)[1] + 3, math.frexp(grid.smallest)[1] + 7)
    low = math.frexp(grid.smallest)[1] + 7 if size * grid.epsilon == 0.0 else low
    near = math.frexp(size)[1] - 2 if size else low
    exponents = set(range(max(low, top - _DENSE), top + 1)) | set(range(low, min(near, low + _DENSE + 10) + 1))
    exponent, stride = top - _DENSE, 4
    while exponent > near:
        exponents.add(exponent)
        exponent -= stride
        stride = min(2 * stride, 128)
    return [math.ldexp(_MANTISSA, e) for e in sorted(exponents, reverse=True) if e >= low]


class Claim(NamedTuple):
    """A number, by how much it may be off, and the step that it was found with; nan and inf if there is none."""

    value: float
    error: float
    step: float = math.nan

    def excludes(self, value: float, error: float = 0.0) -> bool:
        """Whether they cannot be the same, by a wide margin."""
        return abs(self.value - value) > 4.0 * (self.error + error)


def judge(samples: Samples) -> Estimate:
    """Return what the samples of one output say about the derivative there.

    Returns:
        An estimate: CORRECT with value and error where the function is smooth; KINK with the slopes on either side;
        JUMP with these, as far as they are known; DOMAIN_EDGE with the slope on the side where it is defined, or where
        the slope is infinite; NON_FINITE where the function is no number at x; UNDECIDED with the reason.
    """
    here = float(samples.value)
    if not math.isfinite(here):
        return Estimate(math.nan, math.inf, ORACLE, kind=Verdict.NON_FINITE, note=f"f is {here} there")
    with np.errstate(all="ignore"):
        left, right = _Side(samples, -1), _Side(samples, 1)
        if not (left.present and right.present):
            estimate = _at_edge(left, right)
        elif not np.isfinite(samples.values).all(axis=1).any():
            estimate = _undecided("the edge of the domain is nearer than f can be resolved")
        elif _random(samples):
            estimate = _undecided("f changes at random from one number to the next")
        elif stair := _stair(samples):
            estimate = _undecided(f"f takes steps of about {stair:.0e}, as if rounded inside")
        else:
            estimate = _rounded(samples, left, right) or _inside(samples, left, right)
        if _vague(samples, estimate):
            return _undecided(f"only {_range(estimate)} can be told")
        return replace(estimate, around=_steepness(samples, estimate.step))


def _random(samples: Samples) -> bool:
    """Whether f scatters at the smallest steps as much as at the largest, on both sides."""
    values = samples.values[np.isfinite(samples.values).all(axis=1)]
    if not len(values):
        return False
    finest = min(float(np.median(np.ptp(side, axis=1))) for side in (values[-6:, :4], values[-6:, 5:]))
    noise = 4096.0 * samples.precision.epsilon * float(np.abs(values).max())
    return finest > 0.05 * float(np.ptp(values)) and finest > noise


def _stair(samples: Samples) -> float:
    """Return the height of the stairs if f is constant around x and its values farther off are those of a coarser
    format."""
    moving = np.flatnonzero((samples.values != samples.value).any(axis=1))
    if not len(moving) or samples.precision.epsilon > DOUBLE.epsilon or len(samples.steps) - moving[-1] < 10:
        return 0.0
    around = samples.values[: moving[-1] + 1]
    if not all((side != samples.value).any() for side in (around[:, :4], around[:, 5:])):
        return 0.0
    levels = np.unique(around[np.isfinite(around)])
    coarse = len(levels) > 4 and bool(np.all(levels == levels.astype(np.float32)))
    height = float(np.diff(levels).min()) if coarse else 0.0
    size = float(np.abs(levels).max(initial=0.0))
    return height if 2.0**-26 * size <= height <= 2.0**-7 * size else 0.0


def _vague(samples: Samples, estimate: Estimate) -> bool:
    """Whether the error is large: for that slope, for what f does at large scales, and for the size of f."""
    if math.isinf(estimate.error) or math.isinf(estimate.value):
        return False
    slope = max(abs(end) for end in (estimate.value, estimate.left, estimate.right) if not math.isnan(end))
    around = np.delete(samples.values, 4, axis=1)
    row = int(np.argmax(np.isfinite(around).sum(axis=1) >= 4))
    large = float((np.nanmax(around[row]) - np.nanmin(around[row])) / samples.steps[row])
    relative = float(np.nanmax(np.abs(around[row])) / max(samples.magnitude, 1.0))
    coarsest = math.sqrt(samples.precision.epsilon) / 8.0
    return estimate.error > max(1e-2 * slope, 1e-4 * large, coarsest * relative, 1e-300)


def _steepness(samples: Samples, step: float) -> float:
    """How steep f is around the point, on the scale of a step; inf for no step."""
    return (
        math.inf if math.isnan(step) else float(np.nanmax(np.ptp(samples.values[samples.steps == step], axis=1)) / step)
    )


def is_flat(function: Callable[[float], float], x: float, precision: Precision = DOUBLE) -> bool:
    """Whether a function that is constant around x is so indeed, or only as its change is less than its rounding.

    Either it is the same far away as well, or it ends to be constant with an edge, as a clamp does. What saturates
    leaves its limit as slowly as it comes to it.

    >>> is_flat(lambda x: min(x, 1.0), 5.0), is_flat(math.tanh, 50.0), is_flat(lambda x: 3.0, 5.0)
    (True, False, True)
    """
    here = function(x)
    if here == 0.0:  # floats have no trouble to tell what is near to 0
        return True
    size = max(abs(x), 1.0)
    far = [x + sign * size * step for step in (1.0, 2.5, 8.0, 60.0) for sign in (-1.0, 1.0)]
    other = next((y for y in far if function(y) != here and not math.isnan(function(y))), None)
    if other is None:
        return True
    inside = x
    for _ in range(60):
        middle = (inside + other) / 2.0
        if function(middle) == here:
            inside = middle
        else:
            other = middle
    return abs(function(other + 1e-4 * (other - x)) - here) > 1e3 * precision.epsilon * abs(here)


def _range(estimate: Estimate) -> str:
    slope = str(estimate) if estimate.kind in (Verdict.KINK, Verdict.JUMP) else f"{estimate.value:.3g}"
    return f"{slope} ± {estimate.error:.1e}"


def _rounded(samples: Samples, left: _Side, right: _Side) -> Estimate | None:
    """Where f is a staircase on both sides: its slope if the stairs follow that, else nothing to be told."""
    scatter, rounding = _scatter(samples)
    height, last = _stairs(scatter, rounding)
    if not height or not (left.rough(last) and right.rough(last)):
        return None
    fine, coarse = (_centre(samples.part(rows)) for rows in (slice(last + 2, None), slice(last + 1)))
    # Steps that are no larger than the rounding of f's values farther off: sums that cancel here.
    tiny = 1024.0 * samples.precision.epsilon * float(np.nanmax(np.abs(samples.values)))
    if height < tiny and math.isfinite(coarse.error):
        return _smooth(coarse)
    if not abs(fine.value - coarse.value) <= fine.error + coarse.error / 4.0:
        return _undecided(f"f takes steps of about {height:.0e}, as if rounded inside")
    return _smooth(min(fine, coarse, key=lambda claim: claim.error))


def _inside(samples: Samples, left: _Side, right: _Side) -> Estimate:
    """Where f is defined on both sides."""
    here = float(samples.value)
    infinite = left.infinity, right.infinity
    bend = right.slope.value - left.slope.value
    offset = (left.value.value - right.value.value) / bend if bend else math.nan
    bent = left.slope.excludes(right.slope.value, right.slope.error)
    off = left.jumps or right.jumps
    if (off or abs(left.value.value - here) > left.value.error) and bent and abs(offset) <= 8.0 * samples.steps[-1]:
        return _undecided(f"there is a kink {abs(offset):.1e} beside the point, nearer than f can be resolved")
    if off and left.stairs and right.stairs:
        return _undecided(f"f takes steps of about {max(left.stairs, right.stairs):.0e}, as if rounded inside")
    if off:
        values = f"{left.value.value:.6g} below, {here:.6g} there and {right.value.value:.6g} above"
        return _jump(left.slope, right.slope, f"f jumps: it is {values}")
    if all(infinite) and infinite[0] == infinite[1]:
        return Estimate(infinite[0], 0.0, ORACLE, *infinite, kind=Verdict.DOMAIN_EDGE, note="the slope is infinite")
    if any(infinite):
        ends = [Claim(end, 0.0) if end else side.slope for end, side in zip(infinite, (left, right), strict=True)]
        return _kink(ends[0], ends[1], "the slope is infinite on one side")
    centre = _centre(samples)
    closest = min(left.slope.step, right.slope.step)
    if bent:
        if centre.step < closest and centre.error < abs(bend) / 8.0:
            return _smooth(centre)
        within = max(abs((left.value.error + right.value.error) / bend), abs(offset))
        if within > 4.0 * closest:
            return _undecided(f"the slopes on either side differ by {bend:.1e}, and it is unclear where they meet")
        return _kink(left.slope, right.slope, f"within {within:.1e} of the point")
    bound = left.slope.error + right.slope.error
    middle = Claim((left.slope.value + right.slope.value) / 2.0, bound, closest)
    if math.isfinite(bound) and (bound < centre.error or (middle.excludes(*centre[:2]) and closest < centre.step)):
        return _smooth(middle)
    if math.isinf(centre.error):
        return _undecided("no two scales agree: f has structure or noise at all of them")
    return _smooth(centre)


def _at_edge(left: _Side, right: _Side) -> Estimate:
    """Where f is defined on one side only."""
    if not (left.present or right.present):
        return _undecided("f is defined at no step to either side")
    side, other = (left, right) if left.present else (right, left)
    if math.isfinite(other.neighbour):
        return _undecided("the edge of the domain is nearer than f can be resolved")
    claim = Claim(side.infinity, 0.0) if side.infinity else side.slope
    if math.isinf(claim.error) or side.jumps:
        return _undecided("f is defined on one side only, and no two scales agree on its slope there")
    ends = (claim.value, math.nan) if side is left else (math.nan, claim.value)
    return Estimate(claim.value, claim.error, ORACLE, *ends, Verdict.DOMAIN_EDGE, f"f is not defined {other.name}")


def _smooth(claim: Claim) -> Estimate:
    return Estimate(claim.value, claim.error, ORACLE, note=f"step {claim.step:.1e}", step=claim.step)


def _kink(left: Claim, right: Claim, note: str) -> Estimate:
    error = max(left.error, right.error)
    if math.isinf(error):
        return _undecided(f"{note}; no two scales agree on the slopes")
    return Estimate(math.nan, error, ORACLE, left.value, right.value, Verdict.KINK, note)


def _jump(left: Claim, right: Claim, note: str) -> Estimate:
    known = [side for side in (left, right) if math.isfinite(side.error)]
    below, above = (side.value if math.isfinite(side.error) else math.nan for side in (left, right))
    error = max((side.error for side in known), default=math.inf)
    return Estimate(math.nan, error, ORACLE, below, above, Verdict.JUMP, note)


def _undecided(note: str) -> Estimate:
    return Estimate(math.nan, math.inf, ORACLE, kind=Verdict.UNDECIDED, note=note)


class _Side:
    """The slope and the value that f tends to from one side, and how sure that is."""

    def __init__(self, samples: Samples, direction: int) -> None:
        points = samples.values[:, 5:] if direction > 0 else samples.values[:, 3::-1]
        steps = samples.steps
        self.name = "above" if direction > 0 else "below"
        self._finite = np.isfinite(points).all(axis=1)
        self.present = bool(self._finite.any())
        self.here = float(samples.value)
        self.neighbour = float(samples.neighbours[direction > 0])
        slopes = direction * (points @ _SIDE_SLOPE_3) / steps
        lower = direction * (points @ _SIDE_SLOPE_2) / steps
        rounding = _rounding(samples, points, slopes)
        scatter = np.abs(np.diff(points, n=3, axis=1)[:, 0]) / math.sqrt(20.0)
        noise = _noise(scatter, rounding)
        values = points @ _SIDE_VALUE_3
        truncation = np.abs(values - points @ _SIDE_VALUE_2)
        self.value = _best(values, 15.0 * noise, truncation, steps)
        closest = np.abs(values[self._finite][-5:] - self.here)
        apart = abs(self.value.value - self.here)
        self.jumps = self.value.excludes(self.here) and bool(np.all(closest > apart / 2.0))
        # Where the side's values lead elsewhere than at smaller steps, its slope is that of something else.
        astray = np.abs(values - self.value.value) > self.value.error + 15.0 * noise + _TRUNCATION * truncation
        self.slope = _best(slopes, np.where(astray, math.inf, 22.7 * noise / steps), np.abs(slopes - lower), steps)
        whole = np.isfinite(samples.values).all(axis=1)
        self.infinity = _divergence(slopes, 22.7 * rounding / steps, steps, whole if whole.any() else self._finite)
        self._is_rough = scatter > 8.0 * rounding
        self.stairs, _ = _stairs(scatter, rounding)

    def rough(self, last: int) -> bool:
        """Whether there is noise, down to that scale."""
        return bool(self._is_rough[max(0, last - 14) : last + 1].sum() >= 3)


def _centre(samples: Samples) -> Claim:
    """Return the slope by all nine points."""
    steps = samples.steps
    slopes = samples.values @ _CENTRAL_8 / steps
    lower = samples.values @ _CENTRAL_6 / steps
    noise = _noise(*_scatter(samples))
    # Rounding of x + b inside f is a shift of x, by which the slope changes with the curvature.
    bend = np.abs(samples.values[:, 3] - 2.0 * samples.values[:, 4] + samples.values[:, 5]) / steps
    shift = (samples.precision.epsilon * samples.magnitude / steps) * bend
    return _best(slopes, 2.1 * noise / steps + shift, np.abs(slopes - lower), steps)


def _scatter(samples: Samples) -> tuple[Array, Array]:
    """Return what the seventh and eighth differences say of noise, and what rounding explains."""
    slopes = samples.values @ _CENTRAL_8 / samples.steps
    eighth = np.abs(np.diff(samples.values, n=8, axis=1)[:, 0]) / math.sqrt(12870.0)
    seventh = np.abs(np.diff(samples.values, n=7, axis=1)).max(axis=1) / math.sqrt(3432.0)
    return np.maximum(eighth, seventh), _rounding(samples, samples.values, slopes)


def _rounding(samples: Samples, points: Array, slopes: Array) -> Array:
    """By how much rounding may have moved f, from the size of its values and of its argument."""
    epsilon, smallest = samples.precision
    # A product that underflows on the way has lost its digits long before its value is subnormal.
    smallest = max(smallest, 2.0**-1050)
    moved = _ULPS * epsilon * samples.magnitude + samples.shift * (samples.magnitude + 4.0 * samples.steps)
    rounding: Array = _ULPS * (epsilon * np.abs(points).max(axis=1) + smallest) + moved * np.abs(slopes)
    return rounding


def _noise(scatter: Array, rounding: Array) -> Array:
    """Return what rounding explains and what was measured, here and at four smaller scales, as noise is there the same.

    Scatter that comes again and again while the step shrinks 256-fold is noise, and hides at smaller steps.
    """
    padded = np.concatenate([scatter, np.zeros(4)])
    measured = np.fmax.reduce([padded[i : i + len(scatter)] for i in range(5)])
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.full(8, math.inf), scatter]), 9)
    level = windows.max(axis=1)
    persists = ((windows > level[:, None] / 3.0).sum(axis=1) >= 3) & (level <= 4096.0 * rounding)
    lasting = np.maximum.accumulate(np.where(persists, level, 0.0))
    total: Array = rounding + _SCATTER * np.maximum(measured, lasting)
    return np.where(np.isfinite(scatter), total, math.inf)


def _best(values: Array, noise: Array, truncation: Array, steps: Array) -> Claim:
    """Of the claims that no smaller scale contradicts and two others support, the tightest."""
    errors = noise + _TRUNCATION * truncation + _slowness(values, noise, steps)
    errors += _FINEST * np.abs(values) + 2.0**-1074
    errors[~np.isfinite(errors) | ~np.isfinite(values)] = math.inf
    values = np.where(np.isfinite(errors), values, 0.0)
    agree = np.abs(values[:, None] - values) <= errors[:, None] + errors
    stands = np.triu(agree).sum(axis=1) == np.arange(len(values), 0, -1)
    supports = agree & (errors <= 64.0 * errors[:, None]) & np.isfinite(errors)
    stands &= (supports.sum(axis=1) >= 3) & np.isfinite(errors)
    if not stands.any():
        return Claim(math.nan, math.inf)
    k = int(np.argmin(np.where(stands, errors, math.inf)))
    return Claim(float(values[k]), float(errors[k]), float(steps[k]))


def _slowness(values: Array, noise: Array, steps: Array) -> Array:
    """Return what is still to come if the last changes continue as a geometric series, as at x**1.5 they do."""
    change = np.abs(np.diff(values, prepend=math.nan)) + 2.0**-1074
    before = np.concatenate([[math.nan], change[:-1]])
    ratio = np.clip(change / before, 0.0, 0.97)
    series = np.where(ratio > 0.3, 2.0 * change * ratio / (1.0 - ratio), 0.0)
    halves = np.concatenate([[False], steps[:-1] < 2.5 * steps[1:]])
    rest = np.where(halves, series, change)
    noticed = change > noise + np.concatenate([[0.0], noise[:-1]])
    return np.where(noticed, rest, 0.0)


def _divergence(slopes: Array, noise: Array, steps: Array, usable: Any) -> float:
    """inf or -inf if the slope grows as a power of 1/h down to the smallest steps, else 0."""
    known = usable & (np.abs(slopes) > 4.0 * noise)
    slopes, steps = slopes[known][-12:], steps[known][-12:]
    if len(slopes) < 10 or not (np.all(slopes > 0.0) or np.all(slopes < 0.0)):
        return 0.0
    rate = np.log2(slopes[1:] / slopes[:-1]) / np.log2(steps[:-1] / steps[1:])
    steady = rate.min() > 0.05 and rate.max() < 1.0 and rate.max() - rate.min() < 0.1
    return math.copysign(math.inf, slopes[-1]) if steady else 0.0


def _stairs(scatter: Array, rounding: Array) -> tuple[float, int]:
    """Return the height of the steps if f is rounded inside, and the last scale that shows them.

    That is scatter of one size at large scales and none at smaller ones. A smooth function's scatter falls 8-fold with
    each halving of the step, a kink's in proportion to it.
    """
    rough = np.flatnonzero(scatter > 1024.0 * rounding)
    last = int(rough[-1]) if len(rough) else 0
    after = slice(last + 1, last + 6)
    if last < 9 or last + 1 == len(scatter) or not np.median(scatter[after] - 8.0 * rounding[after]) <= 0.0:
        return 0.0, last
    fine = float(scatter[last - 2 : last + 1].max())
    coarse = [scatter[max(0, last - span) : last - 2].max() for span in (7, 14)]
    return (fine if any(fine / 8.0 < level < 8.0 * fine for level in coarse) else 0.0), last
