"""What :func:`~tinygrad_lite.testing.accuracy.accuracy` finds, as a table and as a plot: :class:`Profile`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tinygrad_lite.testing.accuracy.short_numbers import short, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Sample(NamedTuple):
    """A derivative at one point.

    Attributes:
        x: The operand that moves.
        error: By how many units in the last place the derivative is off; inf for NaN.
        got: The derivative under test.
        expected: The float nearest to the exact one.
        operands: All operands.
        note: What it raised, if it did.
    """

    x: float
    error: float
    got: float
    expected: float
    operands: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True, repr=False)
class Profile:
    """The error of a derivative over the domain.

    Attributes:
        function: What was differentiated.
        operand: By which operand.
        samples: What was found, by increasing x.
        bound: The error that its record promises not to exceed; inf where nobody promised.
        skipped: How many points were left out, by the reason.
        fixed: The other operands.
        seed: What the points depend on.
    """

    function: str
    operand: str
    samples: tuple[Sample, ...]
    bound: float = math.inf
    skipped: Mapping[str, int] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    @property
    def x(self) -> list[float]:
        """Where it was measured, increasing."""
        return [sample.x for sample in self.samples]

    @property
    def errors(self) -> list[float]:
        """The error at each x, in ulp."""
        return [sample.error for sample in self.samples]

    @property
    def got(self) -> list[float]:
        """The derivative under test, at each x."""
        return [sample.got for sample in self.samples]

    @property
    def truth(self) -> list[float]:
        """The exact derivative at each x, rounded to a float."""
        return [sample.expected for sample in self.samples]

    @property
    def worst(self) -> Sample:
        """The sample with the greatest error."""
        return worst(self.samples)

    @property
    def median(self) -> float:
        """The error that half of the points do not exceed."""
        return median(self.errors)

    @property
    def name(self) -> str:
        """Such as ``∂pow/∂x at y = 1.5``."""
        others = ", ".join(f"{name} = {x:g}" for name, x in self.fixed.items())
        return f"∂{self.function}/∂{self.operand}" + (f" at {others}" if others else "")

    def __repr__(self) -> str:
        return table(self)

    def plot(
        self,
        path: str | Path | None = None,
        ax: Axes | None = None,
        *,
        label: str | None = None,
        theme: str | None = None,
    ) -> Figure:
        """Draws the error over x, with the worst point named and lines at 0.5 ulp and at the bound.

        Args:
            path: Where to save the picture, as its suffix says: svg, png, pdf.
            ax: Axes of an earlier plot, or your own, to draw into; None: a new figure.
            label: What to call it in the legend; None: its name.
            theme: ``"light"``, ``"dark"`` or ``"print"``; None: that of the axes' background, light for a new figure.

        Returns:
            The figure.

        Raises:
            ImportError: matplotlib is not installed.
            ValueError: The theme or the suffix is unknown.

        >>> from tinygrad_lite.testing.accuracy.accuracy import accuracy
        >>> figure = accuracy("tanh", points=100).plot("tanh.svg")
        >>> figure.axes[0].get_ylabel()
        'error (ulp)'
        """
        from tinygrad_lite.testing.accuracy.profile_plot import draw

        worst_at = (self.worst.x, self.worst.error)
        return draw(self.x, self.errors, worst_at, self.bound, self.operand, label or self.name, path, ax, theme)


def worst(samples: Sequence[Sample]) -> Sample:
    """Return the sample with the greatest error; of several, that nearest to 0.

    Args:
        samples: At least one.

    >>> worst([Sample(1.0, 0.5, 0.0, 0.0), Sample(2.0, 3.0, 0.0, 0.0)]).x
    2.0
    """
    return max(samples, key=lambda sample: (sample.error, -abs(sample.x), sample.x))


# -------------------------------------------------------------------------------------------------------- the table

#: Where a row of the table ends and the next begins, in magnitude: for an x of both signs, and for one of one sign.
_LADDER = (0.0, 1e-8, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e16, math.inf)
_LONG_LADDER = (
    0.0,
    1e-200,
    1e-100,
    1e-30,
    1e-16,
    1e-8,
    1e-4,
    0.01,
    0.1,
    *_LADDER[4:7],
    1e4,
    1e8,
    1e16,
    1e100,
    math.inf,
)
_BAR = 20
_LEAST = 0.1


def table(profile: Profile) -> str:
    """Return the error by intervals of x, with what is worst and what was left out.

    Args:
        profile: At least one sample.

    >>> print(table(Profile("f", "x", (Sample(0.5, 0.0, 1.0, 1.0), Sample(2.0, 3.0, 5.0, 5.0)))))
    error of ∂f/∂x in ulp at 2 points, seed 0
    ...
    worst     3.00 ulp at x = 2.0: got 5.0, exact 5.0
    median    1.50
    """
    bins = intervals(profile.x)
    top = max([10.0, *(error for error in profile.errors if math.isfinite(error))])
    rows = [
        ("from", "to", "points", "median", "max", f"{_LEAST:g} to {short(float(f'{top:.1e}'))} ulp, log", "worst at")
    ]
    for low, high, samples in _filled(profile, bins):
        greatest = worst(samples)
        middle = median(sample.error for sample in samples)
        bar = _bar(greatest.error, top)
        at = repr(greatest.x) if greatest.error else ""
        rows.append((short(low), short(high), str(len(samples)), size(middle), size(greatest.error), bar, at))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"error of {profile.name} in ulp at {len(profile.samples)} points, seed {profile.seed}", ""]
    for row in rows:
        cells = (f"{x:<{w}}" if i == 5 else f"{x:>{w}}" for i, (x, w) in enumerate(zip(row, widths, strict=True)))
        lines.append("  ".join(cells))
    return "\n".join([*lines, "", *_summary(profile)])


def intervals(xs: Sequence[float]) -> list[float]:
    """Return the ends of about sixteen intervals that hold all x: equal where x is of one magnitude, else by magnitude.

    Args:
        xs: Increasing, at least one.

    >>> intervals([-1.0, 1.0])[:3]
    [-1.0, -0.8, -0.6]
    >>> intervals([-1e300, 1e300])[:3]
    [-inf, -1e+16, -1000.0]
    """
    low, high = xs[0], xs[-1]
    largest, least = max(abs(low), abs(high)), min(abs(low), abs(high))
    if low == high:
        return [low, high]
    if largest <= 100.0 if low < 0.0 < high or least == 0.0 else largest <= 100.0 * least:
        return _even(low, high)
    if low < 0.0 < high:
        edges = [*(-edge for edge in reversed(_LADDER[1:])), *_LADDER]
    else:
        edges = list(_LONG_LADDER) if high > 0.0 else [-edge for edge in reversed(_LONG_LADDER)]
    first, last = bisect_right(edges, low) - 1, bisect_right(edges, high)
    return edges[max(first, 0) : last + 1]


def _even(low: float, high: float) -> list[float]:
    """Round numbers at equal distances."""
    rough = (high - low) / 16.0
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * unit >= 0.999 * rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def _filled(profile: Profile, edges: Sequence[float]) -> list[tuple[float, float, list[Sample]]]:
    """Return the intervals that have samples, with them."""
    found: dict[int, list[Sample]] = {}
    for sample in profile.samples:
        found.setdefault(min(max(bisect_right(edges, sample.x), 1), len(edges) - 1), []).append(sample)
    return [(edges[i - 1], edges[i], samples) for i, samples in sorted(found.items())]


def _bar(error: float, top: float) -> str:
    """Return a bar as long as the logarithm of the error."""
    share = 1.0 if error >= top else max(math.log(max(error, _LEAST) / _LEAST) / math.log(top / _LEAST), 0.0)
    eighths = round(8 * _BAR * share)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _summary(profile: Profile) -> list[str]:
    found = profile.worst
    if len(found.operands) > 1 + len(profile.fixed):
        where = f"({', '.join(map(repr, found.operands))})"
    else:
        where = f"{profile.operand} = {found.x!r}"
    note = f" ({found.note})" if found.note else ""
    lines = [f"worst     {size(found.error)} ulp at {where}: got {found.got!r}{note}, exact {found.expected!r}"]
    lines.append(f"median    {size(profile.median)}")
    if math.isfinite(profile.bound):
        lines.append(f"bound     {profile.bound:g}, {'kept' if found.error <= profile.bound else 'EXCEEDED'}")
    if profile.skipped:
        lines.append(f"left out  {listed(profile.skipped)}")
    return lines


def listed(counts: Mapping[str, int]) -> str:
    """Count in words.

    Args:
        counts: How many, by what.

    >>> listed({"kink": 2, "underflow": 40})
    '2 kink, 40 underflow'
    """
    return ", ".join(f"{count} {what}" for what, count in counts.items())
