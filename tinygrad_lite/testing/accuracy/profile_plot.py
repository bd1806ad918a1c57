"""The error of a derivative as a picture: ulp over x, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_lite.plotting.plot_style import MARKERS, Style, frame, label_axes, new_figure, save_figure, style_of
from tinygrad_lite.testing.accuracy.short_numbers import short, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: So many profiles in one picture look different.
_SERIES_STYLES = 4
#: The least error that has a place of its own; smaller ones, 0 among them, are drawn there.
_FLOOR = 0.01
#: Where errors above the next are drawn, NaN among them: from 2^53 = 9e15 on, no digit is right any more.
_CEILING = 1e18
_HOPELESS = 1e17
_LARGEST = math.nextafter(math.inf, 0.0)
_SERIES = "accuracy: series"
_WORST = "accuracy: worst"
_LINES = "accuracy: lines"


def draw(
    xs: Sequence[float],
    errors: Sequence[float],
    worst: tuple[float, float],
    bound: float,
    operand: str,
    label: str,
    path: str | Path | None = None,
    ax: Axes | None = None,
    theme: str | None = None,
) -> Figure:
    """Draw errors over x; see :meth:`Profile.plot`.

    Args:
        xs: Where they were measured, at least one.
        errors: In ulp.
        worst: The x and the error of the worst.
        bound: What they should not exceed; inf for none.
        operand: What x is called.
        label: What to call them in the legend.
        path: Where to save the picture.
        ax: Axes to draw into.
        theme: ``"light"``, ``"dark"`` or ``"print"``.

    Returns:
        The figure.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: The theme or the suffix is unknown.
    """
    style = style_of(theme or ("light" if ax is None else _theme_of(ax)))
    if ax is None:
        ax = new_figure(8.0, 4.5, style).add_subplot()
    ax.set_autoscale_on(False)  # matplotlib's margins overflow beside the largest float
    number = sum(artist.get_gid() == _SERIES for artist in ax.collections)
    colour = style.colour(number % _SERIES_STYLES)
    _draw_samples(ax, xs, errors, label, colour, MARKERS[number % _SERIES_STYLES])
    _draw_lines(ax, bound, style)
    _draw_axes(ax, operand, style)
    _draw_worst(ax, worst, operand, colour, style.theme.backdrop)
    figure: Figure = ax.figure.figure  # the figure of a subfigure's axes, too
    if path is not None:
        save_figure(figure, path)
    return figure


def _theme_of(ax: Axes) -> str:
    """Light or dark, by the luminance of the background."""
    from matplotlib.colors import to_rgba

    red, green, blue, alpha = to_rgba(ax.get_facecolor())
    return "light" if alpha == 0.0 or 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5 else "dark"


def _draw_samples(ax: Axes, xs: Sequence[float], errors: Sequence[float], label: str, colour: str, marker: str) -> None:
    """Draw the errors, and the legend above."""
    heights = [_height(error) for error in errors]
    dots = ax.scatter(xs, heights, s=9, marker=marker, color=colour, alpha=0.6, linewidth=0, zorder=3)
    dots.set_gid(_SERIES)
    dots.set_label("series")  # the real one may begin with _, which hides it, or hold mathematics
    series = [artist for artist in ax.collections if artist.get_gid() == _SERIES]
    earlier: Any = ax.get_legend()
    before = [text.get_text() for text in earlier.get_texts()] if len(series) > 1 else []
    legend: Any = ax.legend(
        series,
        ["series"] * len(series),
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        frameon=False,
        markerscale=2.0,
        handletextpad=0.2,
        borderaxespad=0.2,
    )
    for handle in legend.legend_handles:
        handle.set_alpha(1.0)
    for text, name in zip(legend.get_texts(), [*before, label], strict=True):
        text.set_parse_math(False)
        text.set_text(" ".join(name.split()))


def _draw_worst(ax: Axes, worst: tuple[float, float], operand: str, colour: str, page: str) -> None:
    """Draw a ring around the worst point, and its name above it, on the side where there is room."""
    from matplotlib.patheffects import withStroke

    x, error = worst
    at = (x, _height(error))
    ring = ax.scatter(*at, s=70, marker="o", facecolor="none", edgecolor=colour, linewidth=1.5, zorder=5)
    ring.set_gid(_WORST)
    across = ax.transAxes.inverted().transform(ax.transData.transform(at))[0]
    name = ax.annotate(
        _minus(f"{size(error)} ulp at {operand} = {x:.6g}"),
        at,
        xytext=(0, 9),
        textcoords="offset points",
        ha="left" if across < 0.2 else "right" if across > 0.8 else "center",
        va="bottom",
        fontsize=9,
        color=colour,
        parse_math=False,
        zorder=6,
    )
    name.set_gid(_WORST)
    name.set_path_effects([withStroke(linewidth=3.0, foreground=page)])


def _minus(text: str) -> str:
    """With the sign that is as wide as a digit."""
    return text.replace("-", "\N{MINUS SIGN}")


def _height(error: float) -> float:
    """Where an error is drawn."""
    return _CEILING if error > _HOPELESS else max(error, _FLOOR)


def _draw_lines(ax: Axes, bound: float, style: Style) -> None:
    """Draw a line at 0.5 ulp and one at the bound, named beside the axes."""
    drawn = {line.get_ydata()[0] for line in ax.lines if line.get_gid() == _LINES}  # type: ignore[index]  # a list
    for height, name, dashes in ((0.5, "correct rounding", ":"), (bound, "bound", "--")):
        if not math.isfinite(height) or height in drawn:
            continue
        ax.axhline(height, color=style.theme.muted, linewidth=1.0, linestyle=dashes, zorder=2).set_gid(_LINES)
        ax.annotate(
            f"{height:g}: {name}",
            (1.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=style.theme.muted,
        )


def _draw_axes(ax: Axes, operand: str, style: Style) -> None:
    """Scales that hold all series, their ticks and colours."""
    series: Any = [artist.get_offsets() for artist in ax.collections if artist.get_gid() == _SERIES]
    xs = [float(x) for offsets in series for x, _ in offsets]
    _scale_x(ax, min(xs), max(xs))
    _scale_y(ax, max([10.0, *(float(y) for offsets in series for _, y in offsets)]))
    label_axes(ax, operand, "error (ulp)", style)
    frame(ax, style, grid=False)
    ax.figure.set_facecolor(ax.get_facecolor())
    ax.tick_params(which="minor", length=0)
    legend: Any = ax.get_legend()
    for text in legend.get_texts():
        text.set_color(style.theme.ink)


def _scale_x(ax: Axes, low: float, high: float) -> None:
    """Linear where x is of one magnitude, else logarithmic on both sides of 0."""
    largest, least = max(abs(low), abs(high)), min(abs(low), abs(high))
    if largest <= (100.0 if low <= 0.0 <= high else 100.0 * least):
        ax.set_xscale("linear")
        margin = max(0.03 * (high - low), 1e-3 * largest, 1e-280)  # less is nothing to matplotlib
        if largest > 1e300:  # where matplotlib looks for ticks it overflows
            ax.set_xticks(sorted({low, high}))
        ax.set_xlim(max(low - margin, -_LARGEST), min(high + margin, _LARGEST))
        return
    # Where 0 belongs to it, the part in which functions change is linear, and takes a third of the axis.
    around_zero = low <= 0.0 <= high
    linear = 10.0 ** math.floor(math.log10(min(10.0, largest / 20.0) if around_zero else max(least, 1e-300)))
    decades = math.log10(largest) - math.log10(linear)
    ax.set_xscale("symlog", linthresh=linear, linscale=max(decades / 2.0, 1.0) if around_zero else 0.1)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500) if (3 if around_zero else 6) * step >= decades)
    exponents = range(math.ceil(math.log10(linear)), math.floor(math.log10(largest)) + 1)
    ladder = [10.0**k for k in exponents if k % step == 0 or (around_zero and k == exponents[0])]
    ticks = [tick for tick in (*(-tick for tick in ladder), 0.0, *ladder) if low <= tick <= high]
    ax.set_xticks(ticks, labels=[_minus(short(tick)) for tick in ticks])
    ax.set_xlim(*(_beyond(x, sign) for x, sign in ((low, -1.0), (high, 1.0))))


def _beyond(x: float, sign: float) -> float:
    """Return a little further out than the last point, on an axis of magnitudes."""
    return min(max(x * 1.3 if x * sign > 0.0 else x / 1.3, -_LARGEST), _LARGEST)


def _scale_y(ax: Axes, top: float) -> None:
    """Logarithmic, with ticks that do not crowd."""
    highest = math.ceil(math.log10(top))
    step = 1 if highest <= 5 else 4
    exponents = [-2, *range(0, highest + 1, step)]
    labels = ["≤0.01", *(f"{10**k}" if k <= 3 else f"$10^{{{k}}}$" for k in exponents[1:])]
    if top == _CEILING:
        exponents, labels = [*exponents, 18], [*labels, "NaN"]
    ax.set_yscale("log")
    ax.set_yticks([10.0**k for k in exponents], labels=labels)
    ax.set_ylim(_FLOOR / 1.6, 10.0 ** (highest + 0.08 * (highest + 2)))
