"""Plots of a training run: its losses and metrics, and the gradient of each layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tinygrad_lite.plotting.plot_style import (
    Style,
    axes_of,
    frame,
    label_axes,
    legend,
    new_figure,
    spread,
    style_of,
    whole_ticks,
)
from tinygrad_lite.plotting.themes import Theme
from tinygrad_lite.viz.training.recorders import GradientRecorder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: From this ratio of the largest number to the smallest on, an axis is logarithmic.
_LOGARITHMIC: Final = 30.0
_VALIDATION: Final = "val_"
#: The learning rate, which is drawn if it changes.
_RATE: Final = "lr"
#: At most so many panels, one for each metric.
_PANELS: Final = 6


def plot_history(
    history: Mapping[str, Sequence[float]] | Sequence[float],
    *,
    names: Iterable[str] | None = None,
    log: bool | None = None,
    ax: Axes | None = None,
    theme: str | Theme = "light",
    x_label: str = "epoch",
) -> Figure:
    """Return the losses and metrics of a training run over the epochs: training solid, validation dashed.

    Each metric has a panel of its own, with its validation (``val_`` before the name). A ring marks the least loss, of
    the validation if there is one. The learning rate has a panel if it changes.

    Args:
        history: What ``fit`` gave, or lists of numbers by name; or a list of losses alone. NaN leaves a gap.
        names: Of the metrics to draw, without ``val_``; all, if not given.
        log: Whether the axis of the loss is logarithmic; None: if the losses differ by more than a factor of 30.
        ax: Axes to draw into, the first metric alone.
        theme: ``"light"``, ``"dark"`` or ``"print"``, or a theme of one's own.
        x_label: What the numbers were taken after, one by one.

    Returns:
        The figure.

    Raises:
        TypeError: The history is neither a mapping nor a sequence of numbers.
        ValueError: It is empty, lists have different lengths, or there is no metric of that name, or no such theme.
        ImportError: matplotlib is not installed.

    >>> figure = plot_history({"loss": [0.9, 0.5, 0.3], "val_loss": [1.0, 0.7, 0.6]})
    >>> figure.axes[0].get_ylabel(), len(figure.axes[0].lines)
    ('loss', 2)
    """
    columns = _columns(history)
    style = style_of(theme)
    groups = _groups(columns, names)
    if ax is not None:
        _panel(axes_of(ax, 0, 0, style), groups[0], columns, style, log, x_label)
        label_axes(ax, x_label, groups[0], style)
        return ax.figure.figure  # the figure of a subfigure's axes, too
    figure = new_figure(6.4, 0.6 + 2.6 * len(groups) if len(groups) > 1 else 3.6, style)
    panels: Any = figure.subplots(len(groups), 1, sharex=True, squeeze=False)
    for panel, name in zip(panels[:, 0], groups, strict=True):
        frame(panel, style)
        _panel(panel, name, columns, style, log if name == groups[0] else None, x_label)
        label_axes(panel, x_label if name == groups[-1] else "", "learning rate" if name == _RATE else name, style)
    return figure


def plot_gradients(
    recorded: GradientRecorder | Mapping[str, Sequence[float]],
    *,
    smooth: int | None = None,
    ax: Axes | None = None,
    theme: str | Theme = "light",
    x_label: str = "step",
) -> Figure:
    """Return the norm of each layer's gradient over the training, on a logarithmic axis.

    Where gradients vanish, the lines of the first layers (dark) lie far below those of the last (bright); where they
    explode, far above. A gradient of 0, or one that is not finite, is drawn at the edge with a triangle. Many steps are
    drawn faintly, with their geometric mean over some steps before and behind.

    Args:
        recorded: A :class:`GradientRecorder`, or norms by the names of the layers, from the input to the output.
        smooth: Over how many norms the mean is taken; 1 for none. If not given, a thirtieth of all.
        ax: Axes to draw into.
        theme: ``"light"``, ``"dark"`` or ``"print"``, or a theme of one's own.
        x_label: What the norms were taken after, one by one.

    Returns:
        The figure.

    Raises:
        ValueError: Nothing is recorded, lists have different lengths, ``smooth`` is not positive, or there is no such
            theme.
        TypeError: It is neither a recorder nor a mapping.
        ImportError: matplotlib is not installed.

    >>> figure = plot_gradients({"layers.0": [1e-3, 1e-4], "layers.1": [1.0, 0.5]})
    >>> figure.axes[0].get_yscale(), [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ('log', ['layers.1', 'layers.0'])
    """
    if isinstance(recorded, GradientRecorder):
        columns, steps = _columns(recorded.norms), list(recorded.steps)
    elif isinstance(recorded, Mapping):
        columns = _columns(recorded)
        steps = list(range(1, 1 + len(next(iter(columns.values())))))
    else:
        raise TypeError(
            f"plot_gradients takes a GradientRecorder, or lists of norms by layer, not {type(recorded).__name__}"
        )
    if smooth is not None and (not isinstance(smooth, int) or smooth < 1):
        raise ValueError(f"smooth is a positive number of steps, not {smooth!r}")
    window = smooth or max(1, len(steps) // 30)
    style = style_of(theme)
    ax = axes_of(ax, 6.4, 3.8, style)
    numbers = [number for column in columns.values() for number in column if 0.0 < number < math.inf]
    low, high = (min(numbers), max(numbers)) if numbers else (0.1, 10.0)
    bottom, top = low / (high / low) ** 0.06 / 1.3, high * (high / low) ** 0.06 * 1.3
    handles = []
    for k, column in enumerate(columns.values()):
        colour = _shade(k, len(columns), style)
        drawn = [_inside(x) for x in column]
        if window > 1:
            ax.plot(steps, drawn, color=colour, linewidth=0.6, alpha=0.35, zorder=2)
            drawn = _smoothed(drawn, window)
        (line,) = ax.plot(steps, drawn, color=colour, linewidth=1.6, zorder=3)
        if len(column) == 1:
            line.set_marker("o")
        handles.append(line)
        for marker, height, edge in (("v", bottom, 0.0), ("^", top, math.inf)):
            places = [step for step, x in zip(steps, column, strict=True) if x == edge or (edge and math.isnan(x))]
            ax.scatter(places, [height] * len(places), marker=marker, s=24, color=colour, clip_on=False, zorder=4)
    ax.set_yscale("log")
    ax.set_ylim(bottom, top)
    label_axes(ax, x_label, "norm of the gradient, ‖∂L/∂w‖", style)
    whole_ticks(ax)
    # In the order in which the lines are expected: the last layer above, as its gradient is the largest mostly.
    order = list(reversed(range(len(columns))))
    names = list(columns)
    legend(
        ax,
        [handles[k] for k in order],
        [names[k] for k in order],
        style,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        ncols=1 + len(names) // 16,
    )
    return ax.figure.figure


def _columns(history: Any) -> dict[str, list[float]]:
    """List of floats by name, of one length that is not 0."""
    if isinstance(history, Mapping):
        given = {str(name): column for name, column in history.items()}
    elif hasattr(history, "__len__") and not isinstance(history, (str, bytes)):
        given = {"loss": history}
    else:
        raise TypeError(
            f"a history is what fit() gave, a dict of lists of numbers, or a list of losses, not "
            f"{type(history).__name__} {history!r:.60}"
        )
    columns = {name: [float(getattr(x, "data", x)) for x in column] for name, column in given.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if not any(lengths.values()):
        raise ValueError("there is nothing to plot yet: not one number is recorded")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"all lists of a history have one length; here are {lengths}")
    return columns


def _groups(columns: Mapping[str, list[float]], names: Iterable[str] | None) -> list[str]:
    """Return the names of the panels, the loss first."""
    there = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in columns))
    if names is not None:
        wanted = [names] if isinstance(names, str) else list(names)
        missing = [name for name in wanted if name not in there]
        if missing or not wanted:
            raise ValueError(f"the history has {', '.join(there)}, not {', '.join(missing) or 'nothing'}")
        return wanted
    rates = columns.get(_RATE, [])
    kept = [name for name in there if name != _RATE or len(set(rates)) > 1]
    return sorted(kept or there, key=lambda name: (name == _RATE, name != "loss"))[:_PANELS]


def _panel(
    ax: Axes, name: str, columns: Mapping[str, list[float]], style: Style, log: bool | None, x_label: str
) -> None:
    """One metric and its validation."""
    series = [(key, columns[key]) for key in (name, _VALIDATION + name) if key in columns]
    epochs = list(range(1, 1 + len(series[0][1])))
    handles = []
    for k, (key, column) in enumerate(series):
        dashed = key.startswith(_VALIDATION)
        colour = style.theme.muted if name == _RATE else style.colour(k if len(series) > 1 else int(dashed))
        finite = [x if math.isfinite(x) else math.nan for x in column]
        (line,) = ax.plot(epochs, finite, color=colour, linewidth=1.6, linestyle="--" if dashed else "-", zorder=3)
        alone = [k for k in range(len(finite)) if _is_alone(finite, k)]
        if alone:
            line.set(marker="o", markersize=4, markevery=alone)
        handles.append(line)
    numbers = [x for _, column in series for x in column]
    is_loss = name.endswith("loss")
    if log or (log is None and (is_loss or name == _RATE) and spread(numbers) > _LOGARITHMIC):
        ax.set_yscale("log")
    if is_loss:
        which = "validation loss" if len(series) > 1 else name
        what = f"least {which}, at {x_label}"
        _mark_least(ax, epochs, series[-1][1], handles[-1].get_color(), style, what)
    whole_ticks(ax)
    if len(series) > 1:
        legend(ax, handles, ["training", "validation"], style, loc="best")


def _is_alone(numbers: Sequence[float], k: int) -> bool:
    """Whether a number has no neighbour to draw a line to."""
    beside = [numbers[i] for i in (k - 1, k + 1) if 0 <= i < len(numbers)]
    return not math.isnan(numbers[k]) and all(map(math.isnan, beside))


def _mark_least(ax: Axes, epochs: Sequence[int], column: Sequence[float], colour: Any, style: Style, what: str) -> None:
    """Draw a ring around the least number, and above the panel what it is."""
    finite = [(number, epoch) for number, epoch in zip(column, epochs, strict=True) if math.isfinite(number)]
    if not finite:
        return
    least, epoch = min(finite)
    ax.scatter([epoch], [least], s=60, facecolor="none", edgecolor=colour, linewidth=1.4, zorder=4)
    note = f"{what} {epoch}: {least:.3g}"
    ax.set_title(note, loc="right", fontsize=9, color=style.theme.muted, pad=4, parse_math=False)


def _inside(number: float) -> float:
    """Return a number that a logarithmic axis has a place for, else nan."""
    return number if 0.0 < number < math.inf else math.nan


def _smoothed(numbers: Sequence[float], window: int) -> list[float]:
    """Return the geometric mean of each number and its neighbours, as far as they are numbers."""
    before = window // 2
    means = []
    for k, number in enumerate(numbers):
        near = [math.log(x) for x in numbers[max(0, k - before) : k - before + window] if not math.isnan(x)]
        means.append(math.exp(math.fsum(near) / len(near)) if near and not math.isnan(number) else math.nan)
    return means


def _shade(k: int, count: int, style: Style) -> Any:
    """Return a colour from dark to bright, for the layers from the input to the output (viridis, Smith & van der
    Walt)."""
    if style.theme.name == "print":
        return str(round(0.65 * k / max(count - 1, 1), 3))
    from matplotlib import colormaps

    # Without the ends that vanish on the page.
    low, high = (0.25, 1.0) if style.theme.name == "dark" else (0.0, 0.85)
    return colormaps["viridis"](low + (high - low) * k / max(count - 1, 1))
