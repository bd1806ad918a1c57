"""How accurate a derivative is: its error in ulp over all magnitudes of its operand, held against 60-digit mpmath.

:func:`accuracy` tries a derivative (a rule of the operation table, or anybody's) at floats of the whole domain and
gives a :class:`~tinygrad_lite.testing.accuracy.profiles.Profile`, which prints as a table and draws itself.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tinygrad_lite import functions
from tinygrad_lite.dispatch import define, record_operation
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.operation import NARY, Interval, Op
from tinygrad_lite.testing.accuracy.profiles import Profile, Sample, listed
from tinygrad_lite.testing.strategies import sampling
from tinygrad_lite.testing.strategies.grids import ends_of, spread
from tinygrad_lite.transforms import grad
from tinygrad_lite.value import Value

#: The operands at one point, and the place of the one that the derivative is taken by.
Case = tuple[Sequence[float], int]
#: A derivative, of such operands by the one at such a place.
Partial = Callable[[Sequence[float], int], Any]

#: What operands that stay fixed are, if the domain allows it: first a number that makes no formula simpler.
_FIXED = (1.5, -1.5, 1.0, 0.5, 0.0)
#: Above this error, in ulp, it is asked whether there is a kink: at a kink any convention is right.
_SUSPECT = 4.0
#: Points that are tried: each is computed to 60 digits, in about 2 ms.
MOST_POINTS = 1_000_000


def accuracy(
    op: str | Op | Callable[..., Any],
    df: Callable[..., Any] | None = None,
    exact: Callable[..., Any] | None = None,
    *,
    argnum: int | str = 0,
    points: int = 2000,
    low: float | None = None,
    high: float | None = None,
    seed: int = 0,
    at: Mapping[str, float] | None = None,
) -> Profile:
    """Measures the error of a derivative, in units in the last place, over the domain of the function.

    The points are spread over all magnitudes (evenly among the floats), evenly over the ranges in which functions
    change their regime, and beside poles, roots, ends of domains, overflow and underflow.

    A point is left out, and counted, where the function is not defined or overflows, where it has a kink, and where
    the exact derivative overflows or underflows and the one under test does so too. Where that says NaN, it is an
    error.

    Args:
        op: What is differentiated: an operation of the table (its name, its record, or its function, such as
            ``tinygrad_lite.tanh``), or a function of one number.
        df: The derivative under test, ``df(*operands)``, on floats; None: the engine's own. An ArithmeticError or
            a ValueError from it counts as NaN. One on arrays or tensors is wrapped:
            ``lambda x: df(numpy.array([x]))[0]``, ``lambda x: jax.grad(f)(x)``.
        exact: The function on mpmath numbers, such as ``mpmath.tanh``, where ``op`` does not accept them. It is
            differentiated with dual numbers if it is mpmath's own, or written with operators and the functions of
            ``tinygrad_lite.testing.oracles.exact.ARITHMETIC``; else by differences; both at a precision that is doubled
            until 30 digits agree. Its constants must be exact too: ``mpmath.sqrt(2)``, not ``math.sqrt(2)``.
        argnum: The operand that moves: its place, or its name.
        points: How many points are tried; a million at most.
        low: The least x that is tried; None: that of the domain.
        high: The greatest x that is tried; None: that of the domain.
        seed: The points depend on it alone.
        at: The other operands by name. Those left out have their default, or 1.5 if that is in their domain. An
            operation of any number of operands has all of them drawn instead.

    Returns:
        The profile: the error at each point, the worst point, a table and a plot.

    Raises:
        KeyError: There is no operation of that name; the message names the nearest.
        TypeError: ``op`` is neither an operation nor a function, or a function gives no number.
        ValueError: An argument is out of range, a function raised, or no point could be measured.
        ImportError: mpmath is not installed.

    >>> import math
    >>> from tinygrad_lite import tanh
    >>> ours = accuracy(tanh, points=300)
    >>> textbook = accuracy(tanh, lambda x: 1 - math.tanh(x) ** 2, points=300)
    >>> ours.worst.error <= ours.bound, textbook.worst.error > 1e9
    (True, True)
    """
    _require_mpmath()
    if points < 1:
        raise ValueError(f"points must be at least 1, not {points}")
    if points > MOST_POINTS:
        raise ValueError(f"points must be at most {MOST_POINTS:,}, which take about half an hour")
    record = _record(op)
    subject = record or _as_record(op)
    k = _place(subject, argnum)
    fixed: dict[str, float] = {}
    if subject.arity == NARY:
        if any(option is not None for option in (df, exact, at, low, high)):
            raise ValueError(f"the operands of {subject.name} are all drawn: df, exact, at, low and high do not apply")
        cases = [_nary_case(subject, k, xs, i) for i, xs in enumerate(sampling.points(subject, points, seed))]
    else:
        fixed = _fixed(subject, k, at or {})
        xs = spread(_within(subject, k, low, high), points, f"{seed} {subject.name}")
        cases = [([fixed.get(name, x) for name in subject.operands], k) for x in xs]

    function = None if record is not None and exact is None else _Function(exact or subject.forward)
    ours = record is not None and df is None
    samples, skipped = measure(
        cases,
        engine_partial(subject) if ours else _called(df or grad(subject.forward)),
        function.partial if function else true_partial(subject),
        function.kink(k) if function else subject.kink,
    )
    if not samples:
        raise ValueError(f"none of {len(cases)} points of {subject.name} could be measured: {listed(skipped)}")
    if function:
        function.must_be_exact(samples, k)
    return Profile(
        function=subject.name,
        operand=subject.operands[k],
        samples=tuple(samples),
        bound=subject.bound if ours else math.inf,
        skipped=skipped,
        fixed=fixed,
        seed=seed,
    )


# ------------------------------------------------------------------------------------------------ the measurement


def measure(
    cases: Iterable[Case], candidate: Partial, truth: Partial, kink: Callable[..., bool] | None = None
) -> tuple[list[Sample], dict[str, int]]:
    """Return the error of a derivative at each case.

    Args:
        cases: Operands, and the place of the one that the derivative is taken by.
        candidate: The derivative under test.
        truth: The exact one; an ArithmeticError or a ValueError where there is none.
        kink: Whether the function has a kink at these operands; asked where the error is large.

    Returns:
        The samples, by increasing x, and how many cases were left out, by the reason.

    Raises:
        ValueError: The derivative under test raised what is no ArithmeticError or ValueError.
        TypeError: It gave no number.

    >>> from tinygrad_lite.operations.ops import TABLE
    >>> cases = [([3.0, 2.0], 0), ([0.0, -1.0], 0)]
    >>> measure(cases, lambda xs, k: 2.0 * xs[0], true_partial(TABLE["pow"]))
    ([Sample(x=3.0, error=0.0, got=6.0, expected=6.0, operands=(3.0, 2.0), note='')], {'not defined': 1})
    """
    from mpmath.libmp import NoConvergence

    samples = []
    skipped = Counter[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of overflow: what comes of it is measured
        for operands, k in cases:
            try:
                expected = truth(operands, k)
            except (ArithmeticError, ValueError, NoConvergence) as error:
                skipped["overflow" if isinstance(error, OverflowError) else "not defined"] += 1
                continue
            sample = _sample(operands, k, candidate, expected)
            vanishes = sample.expected == 0.0 and expected != 0
            no_float = "overflow" if math.isinf(sample.expected) else "underflow" if vanishes else ""
            if no_float and sample.error <= 1.0:
                skipped[no_float] += 1
            elif sample.error > _SUSPECT and kink is not None and kink(*operands):
                skipped["kink"] += 1
            else:
                samples.append(sample)
    return sorted(samples), dict(sorted(skipped.items()))


def _sample(operands: Sequence[float], k: int, candidate: Partial, truth: Any) -> Sample:
    """Return the derivative under test at one point, held against the truth."""
    from tinygrad_lite.testing.oracles.exact import ulps

    expected = float(truth)
    note = ""
    try:
        got = candidate(operands, k)
    except (ArithmeticError, ValueError) as error:
        note = f"{type(error).__name__}: {error}"
        # As Python's floats say it, an overflow is right where the truth is beyond them.
        got = expected if isinstance(error, OverflowError) and math.isinf(expected) else math.nan
    except Exception as error:
        raise ValueError(f"the derivative raised {type(error).__name__} at {_shown(operands)}: {error}") from error
    try:
        number = float(got)
    except (TypeError, ValueError):
        raise TypeError(f"the derivative gave {got!r} at {_shown(operands)}, which is no number") from None
    return Sample(operands[k], ulps(number, truth), number, expected, tuple(operands), note)


def true_partial(op: Op) -> Partial:
    """Return the exact derivative of an operation of the table; a ValueError or an ArithmeticError where it has none.

    Args:
        op: A record of the table.

    Returns:
        A function of the operands, and the place of the one that the derivative is taken by.

    >>> from tinygrad_lite.operations.ops import TABLE
    >>> float(true_partial(TABLE["mul"])([2.0, 3.0], 0))
    3.0
    """
    from tinygrad_lite.testing.oracles import exact

    def partial(operands: Sequence[float], k: int) -> Any:
        if not math.isfinite(op.value(operands)):
            raise OverflowError(f"{op.name} is not finite there")
        return exact.partial(op, operands, k)

    return partial


def engine_partial(op: Op) -> Partial:
    """Return the engine's derivative of an operation, as ``backward()`` uses it.

    Args:
        op: A record of the table.

    Returns:
        A function of the operands, and the place of the one that the derivative is taken by.

    >>> from tinygrad_lite.operations.ops import TABLE
    >>> engine_partial(TABLE["mul"])([2.0, 3.0], 0)
    3.0
    """
    return lambda operands, k: record_operation(op, [Value(x) for x in operands]).partials[k]


class _Function:
    """A function on mpmath numbers, and its exact derivative."""

    def __init__(self, function: Callable[..., Any]) -> None:
        import mpmath

        from tinygrad_lite.testing.oracles.exact import ARITHMETIC

        # mpmath's own functions take no dual numbers; those of the oracle do.
        name = getattr(function, "__name__", "")
        known = getattr(mpmath, name, None) is function and hasattr(ARITHMETIC, name)
        self.function = getattr(ARITHMETIC, name) if known else function
        self.record = _as_record(self.function)
        self.takes_duals = True

    def partial(self, operands: Sequence[float], k: int) -> Any:
        """Return the derivative, by dual numbers where the function takes them."""
        from tinygrad_lite.testing.oracles import exact

        self.value(operands)
        if self.takes_duals:
            try:
                return exact.partial(self.record, operands, k)
            except (TypeError, AttributeError):  # a function of mpmath that is not told about dual numbers
                self.takes_duals = False
        return self.slope(operands, k)

    def value(self, operands: Sequence[Any]) -> Any:
        """Return the function's value, if it is a finite real number; a ValueError if not."""
        import mpmath

        numbers = [mpmath.mpf(x) for x in operands]
        try:
            value = self.function(*numbers)
        except (ArithmeticError, ValueError, mpmath.libmp.NoConvergence):
            raise
        except Exception as error:
            raise TypeError(f"{_NO_MPMATH}: at {_shown(operands)} it raised {type(error).__name__}: {error}") from error
        if isinstance(value, float) or not isinstance(value, (int, mpmath.mpf, mpmath.mpc)):
            raise TypeError(f"{_NO_MPMATH}: at {_shown(operands)} it gave {type(value).__name__} {value!r}")
        if isinstance(value, mpmath.mpc) or not mpmath.isfinite(value):
            raise ValueError("not real, or not finite")
        return value

    def slope(self, operands: Sequence[float], k: int, direction: int = 0) -> Any:
        """Return the derivative by differences; from above if the direction is 1, from below if -1."""
        import mpmath

        from tinygrad_lite.testing.oracles import exact

        def along(x: Any) -> Any:
            return self.function(*(x if i == k else mpmath.mpf(y) for i, y in enumerate(operands)))

        def evaluate() -> Any:
            slope = mpmath.diff(along, mpmath.mpf(operands[k]), direction=direction)
            if not isinstance(slope, mpmath.mpf):
                raise ValueError("not real beside this point")
            return slope

        return exact.converged(evaluate, operands)

    def kink(self, k: int) -> Callable[..., bool]:
        """Whether the slopes from below and from above differ, or one is missing."""

        def is_kink(*operands: float) -> bool:
            try:
                below, above = (self.slope(operands, k, direction) for direction in (-1, 1))
            except (ArithmeticError, ValueError, TypeError):
                return True
            return bool(abs(above - below) > 1e-6 * max(abs(above), abs(below)))

        return is_kink

    def must_be_exact(self, samples: Sequence[Sample], k: int) -> None:
        """Raise if the function rounds to floats on its way: its differences over tiny steps are then wrong."""
        import mpmath

        plain = [sample for sample in samples if 1e-3 <= abs(sample.x) <= 30.0 and abs(sample.expected) > 1e-3]
        plain = plain[:: len(plain) // 10 + 1]
        if self.takes_duals or len(plain) < 3:
            return
        off = []
        with mpmath.workdps(50):
            for sample in plain:
                step = mpmath.mpf(sample.x) / 10**5
                ends = [list(sample.operands), list(sample.operands)]
                ends[0][k], ends[1][k] = sample.x + step, sample.x - step
                try:
                    slope = (self.value(ends[0]) - self.value(ends[1])) / (2 * step)
                except (ArithmeticError, ValueError):
                    continue
                if abs(slope - sample.expected) > 1e-2 * abs(sample.expected):
                    off.append(sample)
        if 2 * len(off) > len(plain):
            raise TypeError(f"{_NO_MPMATH}: its slope near {_shown(off[0].operands)} differs from that over tiny steps")


_NO_MPMATH = "the function must compute in mpmath numbers (mpmath.tanh, not math.tanh; or give exact=)"


# --------------------------------------------------------------------------------------------------- the operands


def places(op: Op, operand: str, count: int) -> range:
    """Where an operand stands among those of one call: one place, or all of a sequence's.

    Args:
        op: A record of the table.
        operand: The name of the operand.
        count: How many numbers the call has in all.

    Returns:
        The places.

    >>> from tinygrad_lite.operations.ops import TABLE
    >>> places(TABLE["dot"], "xs", 7), places(TABLE["softmax"], "xs", 4), places(TABLE["pow"], "y", 2)
    (range(3, 6), range(0, 3), range(1, 2))
    """
    at = op.operands.index(operand)
    if op.arity != NARY:
        return range(at, at + 1)
    scalars = sum(name in ("bias", "index") for name in op.operands)
    size = (count - scalars) // (len(op.operands) - scalars)
    if operand in ("bias", "index"):
        return range(count - 1, count)
    return range(at * size, (at + 1) * size)


# --------------------------------------------------------------------------------------------------- the arguments


def _require_mpmath() -> None:
    try:
        import mpmath  # noqa: F401 (only whether it is there)
    except ModuleNotFoundError as error:
        raise ImportError('accuracy compares with mpmath: pip install "tinygrad-lite[testing]"') from error


def _record(op: str | Op | Callable[..., Any]) -> Op | None:
    """Return the record of an operation by its name or its function; None for any other function."""
    if isinstance(op, Op):
        return op
    if isinstance(op, str):
        return ops.find(op)
    if not callable(op):
        raise TypeError(f"op is the name of an operation or a function, not {type(op).__name__} {op!r}")
    name = getattr(op, "__name__", "")
    if name in ops.DEFINED and op.__module__ == define.__module__:
        return ops.DEFINED[name]
    return ops.TABLE[name] if getattr(functions, name, None) is op and name in ops.TABLE else None


def _as_record(function: Any) -> Op:
    """Return a record for a function of one number, with itself as its definition."""
    name = getattr(function, "__name__", "f")
    return Op(
        "f" if name == "<lambda>" else name,
        "f",
        1,
        function,
        (),
        definition=lambda m, *operands: function(*operands),
        doc="",
    )


def _place(op: Op, argnum: int | str) -> int:
    """Return the place of the operand that moves."""
    names = [name for name in op.operands if name != "index"]
    if argnum in names:
        return op.operands.index(str(argnum))
    if isinstance(argnum, int) and 0 <= argnum < len(names):
        return argnum
    raise ValueError(f"{op.name} has no derivative by {argnum!r}: its operands are {', '.join(names)}")


def _fixed(op: Op, k: int, at: Mapping[str, float]) -> dict[str, float]:
    """Return the operands that do not move."""
    others = [name for name in op.operands if name != op.operands[k]]
    for name in at:
        if name not in others:
            what = "is the one that moves" if name in op.operands else "is none of its operands"
            raise ValueError(f"at: {name!r} {what}; {op.name} has {', '.join(op.operands)}")
    defaults = dict(zip(reversed(op.operands), reversed(op.defaults), strict=False))
    fixed = {}
    for name, domain in zip(op.operands, op.domain, strict=True):
        if name in others:
            fixed[name] = float(at[name]) if name in at else defaults.get(name, _inside(domain))
    return fixed


def _inside(domain: Interval) -> float:
    candidates = (x for x in _FIXED if sampling.contains(domain, x) and not (domain.whole and x % 1.0))
    return next(candidates, ends_of(domain)[0])


def _within(op: Op, k: int, low: float | None, high: float | None) -> Interval:
    """Return the domain of the operand that moves, as far as it was asked for."""
    domain = op.domain[k]
    below, above = -math.inf if low is None else float(low), math.inf if high is None else float(high)
    if not below < above:
        raise ValueError(f"low must be less than high, not {below:g} and {above:g}")
    # An end of the domain that does not belong to it may have been cut away.
    open_low = domain.open in ("low", "both") and domain.low >= below
    open_high = domain.open in ("high", "both") and domain.high <= above
    part = Interval(
        max(domain.low, below),
        min(domain.high, above),
        open="both" if open_low and open_high else "low" if open_low else "high" if open_high else "",
        whole=domain.whole,
    )
    least, greatest = ends_of(part)
    if least > greatest:
        raise ValueError(f"{op.name} is defined for {op.operands[k]} in {domain!r}, not from {below:g} to {above:g}")
    return part


def _called(df: Callable[..., Any]) -> Partial:
    return lambda operands, k: df(*operands)


def _nary_case(op: Op, k: int, operands: Sequence[float], i: int) -> Case:
    """One of the places of the operand, in turns."""
    among = places(op, op.operands[k], len(operands))
    return operands, among[i % len(among)]


def _shown(operands: Sequence[Any]) -> str:
    return ", ".join(f"x = {x}" if len(operands) == 1 else f"{x}" for x in operands)
