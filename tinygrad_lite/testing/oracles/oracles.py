"""What a derivative is, found in independent ways. Each takes a function and its arguments and gives an estimate.

| oracle | from | sees | does not see |
|---|---|---|---|
| ``finite_difference`` | f's floats at all scales | any f; kinks, jumps, edges; its error | what f's rounding hides |
| ``complex_step`` | f(x + ih), h = 1e-200 | analytic f, to the last digits | abs; comparisons; ``x.real`` |
| ``forward_mode`` | dual numbers, 60 digits | operators, recorded Values | a kink's other side |
| ``mpmath_derivative`` | quotients, 200 digits | mpmath's functions, recorded Values; kinks | floats on the way |
| ``taylor_slope`` | f(x + hv) - f(x) - h·v·df | that df is wrong, by 1e-6 or less | where; what is right |

An oracle that cannot tell says UNDECIDED and why; it raises nothing. The first four need no derivative rule of the
program under test, and share nothing with one another but f.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpmath import mp, mpc, mpf
from numpy.typing import NDArray

from tinygrad_lite.testing.oracles.arrays import as_one_array, leaf_of, leaves_of, parts_like
from tinygrad_lite.testing.oracles.differences import DOUBLE, OUTSIDE, Precision, judge, sample
from tinygrad_lite.testing.oracles.dual import Arithmetic, Dual, complex_arithmetic, mpmath_arithmetic
from tinygrad_lite.testing.oracles.exact import converged
from tinygrad_lite.testing.oracles.recorded_steps import Program
from tinygrad_lite.testing.oracles.verdicts import Estimate, Verdict
from tinygrad_lite.value import Value

#: What a function raises that does not take such numbers.
_REJECTED = (TypeError, AttributeError)


def finite_difference(f: Callable[..., Any], *args: Any, argnum: int = 0) -> Estimate:
    """∂f/∂args[argnum] from f's values alone, with a bound on the error: see :mod:`.differences`.

    Args:
        f: Gives a number, a Value, or an array of one number.
        args: Where; the one to differentiate by is a float, or an array or tensor of one.
        argnum: Which that is.

    Returns:
        CORRECT, KINK, JUMP, DOMAIN_EDGE, NON_FINITE or UNDECIDED; see :func:`.differences.judge`.

    >>> estimate = finite_difference(lambda x, y: x * y**2, 3.0, 2.0, argnum=1)
    >>> abs(estimate.value - 12.0) < estimate.error < 1e-10
    True
    """
    moving = leaf_of(args[argnum], f"argument {argnum}")
    found: list[Precision] = []

    def value(number: float) -> NDArray[np.float64]:
        point = moving.make(np.full(moving.values.shape, number))
        try:
            result = f(*args[:argnum], point, *args[argnum + 1 :])
        except OUTSIDE:
            return np.array(math.nan)
        if isinstance(result, complex):
            return np.array(math.nan)
        leaf = leaf_of(result, "the result")
        found.append(leaf.precision)
        return leaf.values.reshape(())

    x = float(moving.values.reshape(()))
    value(x)
    precision = found[0] if found else DOUBLE
    return judge(sample(value, x, precision, moving.precision, moving.nearest))


def complex_step(f: Callable[..., Any], *args: Any, argnum: int = 0) -> Estimate:
    """∂f/∂args[argnum] as Im f(x + ih)/h with a tiny h: no difference, so no cancellation (Squire & Trapp 1998).

    Args:
        f: An analytic function that takes complex numbers, or one of Values.
        args: Where.
        argnum: By which argument.

    Returns:
        CORRECT, or UNDECIDED where f does not take complex numbers, is not analytic, or drops the imaginary part.

    >>> complex_step(lambda x: x**3, 2.0).value
    12.0
    >>> print(complex_step(abs, 2.0))
    undecided: f gives a real number for a complex one
    """
    name = "complex step"
    x = float(args[argnum])
    step = 1e-200 * min(max(abs(x), 1e-100), 1.0)

    def slope_at(point: float) -> tuple[float, float]:
        result = _evaluated(f, args, argnum, complex(point, step), complex_arithmetic)
        if not isinstance(result, (complex, np.complexfloating)):
            raise TypeError("f gives a real number for a complex one")
        return float(result.imag / step), float(result.real)

    try:
        value, real = slope_at(x)
        beside = [slope_at(x + direction * math.ulp(x))[0] for direction in (-2, 2)]
        result = f(*args)
        plain = float(leaf_of(result.real if isinstance(result, complex) else result, "the result").values)
    except (*_REJECTED, *OUTSIDE) as error:
        return _undecided(name, _why(error))
    if not math.isclose(real, plain, rel_tol=1e-9, abs_tol=1e-300):
        return _undecided(name, f"f's real part is {real:.6g} with an imaginary part in x, and {plain:.6g} without")
    error_bound = 8.0 * max(abs(value - other) for other in beside) + 2.0**-46 * abs(value)
    if not math.isfinite(error_bound):
        return _undecided(name, f"it gives {value}")
    return Estimate(value, error_bound, name)


def forward_mode(f: Callable[..., Any], *args: Any, argnum: int = 0) -> Estimate:
    """∂f/∂args[argnum] on dual numbers (Clifford 1873) of mpmath numbers with 60 digits.

    Args:
        f: A function made of + - * / ** and abs, or one of Values.
        args: Where.
        argnum: By which argument.

    Returns:
        CORRECT, or UNDECIDED where f does not take such numbers. At a kink it is the slope on one side.

    >>> forward_mode(lambda x, y: x**2 / y, 3.0, 2.0).value
    3.0
    """
    name = "forward mode"
    try:
        with mp.workdps(60):
            numbers = [mpf(float(x)) if i != argnum and _is_number(x) else x for i, x in enumerate(args)]
            moving = Dual(mpf(float(args[argnum])), mpf(1))
            result = _evaluated(f, numbers, argnum, moving, mpmath_arithmetic, args)
            slope = result.slope if isinstance(result, Dual) else mpf(0)
            return _rounded(slope, name)
    except (*_REJECTED, *OUTSIDE) as error:
        return _undecided(name, _why(error))


def mpmath_derivative(f: Callable[..., Any], *args: Any, argnum: int = 0) -> Estimate:
    """∂f/∂args[argnum] as a difference quotient with as many digits as it takes for 30 of them to be right.

    Args:
        f: A function of mpmath numbers: of mpmath's functions and operators, or of Values.
        args: Where.
        argnum: By which argument.

    Returns:
        CORRECT with no error but that of rounding to a float; KINK, JUMP and DOMAIN_EDGE with the slopes on the sides;
        UNDECIDED where f does not take mpmath numbers, or turns to floats on the way.

    >>> import mpmath
    >>> mpmath_derivative(mpmath.exp, 1.0).value == math.e
    True
    >>> print(mpmath_derivative(abs, 0.0))
    -1 from below, 1 from above
    """
    name = "mpmath"
    x = float(args[argnum])
    numbers = [mpf(float(y)) if _is_number(y) else y for y in args]

    def at(offset: Any) -> Any:
        result = _evaluated(f, numbers, argnum, mpf(x) + offset, mpmath_arithmetic, args)
        if isinstance(result, mpc):
            raise ValueError("f is complex there")
        if not isinstance(result, (mpf, int)):
            raise TypeError(f"f gives a {type(result).__name__} for an mpmath number")
        return result

    def side(direction: int, jumps: bool) -> Any:
        def quotient() -> Any:
            step = direction * (abs(mpf(x)) or mpf(1)) * mpf(10) ** (-mp.dps // 2 if x or jumps else -mp.dps)
            return (at(2 * step) - at(step)) / step if jumps else (at(step) - at(0)) / step

        try:
            return converged(quotient, [float(y) for y in args if _is_number(y)])
        except OUTSIDE:
            return None

    try:
        with mp.workdps(60):
            here = at(0)
        jumps = [_leads_elsewhere(at, x, direction) for direction in (-1, 1)]
        left, right = (side(direction, jump) for direction, jump in zip((-1, 1), jumps, strict=True))
    except (*_REJECTED, *OUTSIDE) as error:
        return _undecided(name, _why(error))
    if any(jumps):
        below, above = (math.nan if end is None else float(end) for end in (left, right))
        return Estimate(math.nan, 0.0, name, below, above, Verdict.JUMP)
    if not mp.isfinite(here) or (left is None and right is None):
        return _undecided(name, "no quotient converges there")
    if left is None or right is None:
        one = _rounded(left if right is None else right, name)
        ends = (one.value, math.nan) if right is None else (math.nan, one.value)
        return Estimate(one.value, one.error, name, *ends, kind=Verdict.DOMAIN_EDGE)
    if abs(left - right) > mpf("1e-20") * (abs(left) + abs(right)):
        return Estimate(math.nan, 0.0, name, float(left), float(right), Verdict.KINK)
    if _is_rounded(at, x, right):
        return _undecided(name, "f turns to floats on the way")
    return _rounded((left + right) / 2, name)


def _leads_elsewhere(at: Callable[[Any], Any], x: float, direction: int) -> bool:
    """Whether f tends to another number from that side than it is at x."""
    with mp.workdps(300):
        size = direction * (abs(mpf(x)) or mpf(1))
        try:
            far, near = (abs(at(size * mpf(step)) - at(0)) for step in ("1e-60", "1e-120"))
            return bool(near > mpf("1e-30") * abs(at(0)) and near > mpf("0.9") * far)
        except OUTSIDE:
            return False


def _is_rounded(at: Callable[[Any], Any], x: float, slope: Any) -> bool:
    """Whether f turns to floats on the way: it is then constant within half an ulp, and jumps there."""
    near, far = (mpf(math.ulp(x)) * mpf(part) / 10 for part in (1, 9))
    if x == 0.0:
        near, far = mpf(0), mpf(2) ** -20

    def differs(direction: int) -> bool:
        try:
            with mp.workdps(400):
                quotient = (at(direction * far) - at(direction * near)) / (direction * (far - near))
                return bool(abs(quotient - slope) > mpf("1e-3") * (abs(slope) + abs(quotient)))
        except OUTSIDE:
            return True

    # A kink beside x is on one side only; a slope of 0, as of x**2 at 0, is that of no other step.
    return (x != 0.0 or slope != 0) and differs(-1) and differs(1)


@dataclass(frozen=True)
class TaylorSlope:
    """With which power of h the remainder of the first-order Taylor polynomial shrinks.

    Attributes:
        slope: 2 or more for a right derivative, 1 for a wrong one; inf if nothing remains, as for a linear function.
        steps: The steps that it was read off.
        remainders: |f(x + hv) - f(x) - h·v·df| there.
    """

    slope: float
    steps: tuple[float, ...]
    remainders: tuple[float, ...]

    @property
    def passes(self) -> bool:
        """Whether it is nearer to 2 than to 1."""
        return self.slope > 1.5

    def __float__(self) -> float:
        return self.slope


def taylor_slope(f: Callable[..., Any], df: Callable[..., Any], *args: Any, seed: int = 0) -> TaylorSlope:
    """Whether f(x + hv) - f(x) - h·v·df shrinks with h² (the Taylor test of dolfin-adjoint, Farrell et al. 2013).

    Args:
        f: Gives a number.
        df: Gives its gradient: the argument's structure, or a tuple with one for each of several arguments.
        args: Where.
        seed: For the direction v.

    Returns:
        The slope in the log-log plot at the smallest steps where the remainder is no noise; inf where there are none.

    >>> taylor_slope(lambda x: x**3, lambda x: 3 * x**2, 2.0).passes
    True
    >>> taylor_slope(lambda x: x**3, lambda x: 3.003 * x**2, 2.0).passes
    False
    """
    rng = random.Random(seed)
    leaves, rebuild = leaves_of(args, "args")
    directions = [_direction(rng, leaf.values) for leaf in leaves]
    gradient = df(*args)
    what = "the result of df"
    given = parts_like(gradient if len(args) > 1 else (gradient,), args, what, "the arguments")
    parts = [leaf_of(as_one_array(part), what, path).values for path, part in given]
    for (path, _), part, leaf in zip(given, parts, leaves, strict=True):
        if part.shape != leaf.values.shape:
            raise ValueError(f"{what}{path} has shape {part.shape}, but the argument has shape {leaf.values.shape}")
    rate = sum(float(np.sum(d * part)) for d, part in zip(directions, parts, strict=True))

    def along(step: float) -> float:
        moved = [leaf.make(leaf.values + step * d) for leaf, d in zip(leaves, directions, strict=True)]
        result = leaf_of(f(*rebuild(iter(moved))), "the result of f")
        return float(result.values.reshape(()))

    epsilon = max(leaf.precision.epsilon for leaf in [*leaves, leaf_of(f(*args), "the result of f")])
    here = along(0.0)
    steps, remainders = [], []
    for k in range(3, 60):
        step = 2.0**-k
        try:
            there = along(step)
        except OUTSIDE:
            continue
        remainder = abs(there - here - step * rate)
        noise = 64.0 * epsilon * (abs(there) + abs(here) + abs(rate))
        if math.isfinite(remainder) and remainder > noise:
            steps.append(step)
            remainders.append(remainder)
    return _fitted(steps[-6:], remainders[-6:])


def _direction(rng: random.Random, values: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.where(values == 0.0, 1.0, np.abs(values))
    signs = [rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 1.0) for _ in values.flat]
    return np.asarray(size * np.reshape(signs, values.shape), dtype=np.float64)


def _fitted(steps: list[float], remainders: list[float]) -> TaylorSlope:
    if len(steps) < 3:
        return TaylorSlope(math.inf, tuple(steps), tuple(remainders))
    slope = float(np.polyfit(np.log(steps), np.log(remainders), 1)[0])
    return TaylorSlope(slope, tuple(steps), tuple(remainders))


def _evaluated(
    f: Callable[..., Any],
    args: Sequence[Any],
    argnum: int,
    number: Any,
    arithmetic: Callable[[], Arithmetic],
    plain: Sequence[Any] | None = None,
) -> Any:
    """f with another kind of number in the place of an argument; a function of Values by what it records."""
    try:
        return f(*args[:argnum], number, *args[argnum + 1 :])
    except _REJECTED:
        floats = list(args if plain is None else plain)
        moving = Value(float(floats[argnum]))
        output = f(*floats[:argnum], moving, *floats[argnum + 1 :])
        if not isinstance(output, Value):
            raise
        program = Program([output], [moving])
        return program.evaluate(arithmetic(), [number])[program.outputs[0]]


def _is_number(x: Any) -> bool:
    return isinstance(x, (float, int, np.floating, Value))


def _rounded(slope: Any, oracle: str) -> Estimate:
    """As a float, within half a unit in the last place."""
    if isinstance(slope, Dual) or not mp.isfinite(slope):
        return _undecided(oracle, f"it gives {slope}")
    value = float(slope)
    return Estimate(value, math.ulp(value) / 2.0 if math.isfinite(value) else math.inf, oracle)


def _undecided(oracle: str, note: str) -> Estimate:
    return Estimate(math.nan, math.inf, oracle, kind=Verdict.UNDECIDED, note=note)


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
