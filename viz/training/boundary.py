"""The classes that a model sees in the plane, and how sure it is of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.plotting.plot_style import MARKERS, Style, axes_of, label_axes, legend, style_of
from tinygrad_lite.plotting.themes import Theme
from tinygrad_lite.viz.training.decision_grid import (
    OUTPUTS,
    Grid,
    Points,
    evaluate_grid,
    most_probable,
    points_of,
    probabilities_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Where the probability is drawn as a thin line.
_LEVELS: Final = (0.1, 0.25, 0.75, 0.9)
#: How much of a class's colour is in the shade of certainty.
_DEPTH: Final = 0.62


def plot_decision_boundary(
    model: Module | Callable[[list[float]], Any],
    X: Any,  # noqa: N803 (scikit-learn's name)
    y: Any = None,
    *,
    resolution: int = 120,
    outputs: str = "logits",
    feature_names: tuple[str, str] = ("x₁", "x₂"),
    scale: bool = True,
    ax: Axes | None = None,
    theme: str | Theme = "light",
) -> Figure:
    """Return the classes that a model sees in the plane: the colour is the class, its depth how probable the model
    thinks it.

    The boundary between the classes is a line. With two classes thin lines show where the probability is 0.1, 0.25,
    0.75 and 0.9. Samples are drawn over it, each class with its own colour and shape; those that the model takes for
    another class have a ring.

    Args:
        model: From two numbers to a logit, or to a list of one for each class; a module, which is asked in evaluation
            mode and left as it is, or a function.
        X: The samples: n pairs of numbers.
        y: Their classes: 0 and 1 (or −1 and 1) for one output, the index of an output otherwise. If not given, the
            samples are drawn as points.
        resolution: On so many places along each axis the model is asked, 2 to 1000.
        outputs: ``"logits"``, or ``"probabilities"`` if the model gives these.
        feature_names: The names of the axes.
        scale: Whether a bar beside two classes says what the shades mean; it takes a fifth of the width.
        ax: Axes to draw into.
        theme: ``"light"``, ``"dark"`` or ``"print"``, or a theme of one's own.

    Returns:
        The figure.

    Raises:
        ValueError: Samples are not pairs, there are none, classes and outputs do not go together, an output is not
            finite, or an option is out of range.
        TypeError: Samples are no sequence.
        ImportError: matplotlib is not installed.

    >>> figure = plot_decision_boundary(lambda x: x[0] * x[1], [[1.0, 1.0], [-1.0, 1.0]], [1, 0], resolution=20)
    >>> figure.axes[0].get_xlabel(), [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ('x₁', ['0', '1'])
    """
    if not isinstance(resolution, int) or not 2 <= resolution <= 1000:
        raise ValueError(f"resolution is a number of places along each axis, 2 to 1000, not {resolution!r}")
    if outputs not in OUTPUTS:
        raise ValueError(f"outputs are 'logits' or 'probabilities', not {outputs!r}")
    style = style_of(theme)
    points = points_of(X, y)
    grid = evaluate_grid(model, points, resolution, outputs)
    predicted = [most_probable(p) for p in probabilities_of(model, points.inputs, outputs)] if points.classes else []
    ax = axes_of(ax, 5.6, 4.6, style)
    draw_boundary(ax, grid, style)
    draw_points(ax, points, predicted, style)
    label_axes(ax, *feature_names, style)
    if scale and len(grid.probabilities[0]) == 1:
        _draw_scale(ax, points, style)
    return ax.figure.figure  # the figure of a subfigure's axes, too


def draw_boundary(ax: Axes, grid: Grid, style: Style, bands: int = 0) -> None:
    """Shades and lines, below all else.

    Args:
        ax: The axes.
        grid: What the model gives.
        style: The colours.
        bands: In so many steps; 0 for a smooth shade.
    """
    import numpy as np
    from matplotlib.colors import to_rgb

    width, height = len(grid.xs), len(grid.ys)
    found = np.array(grid.probabilities).reshape(height, width, -1)
    each = found if found.shape[2] > 1 else np.concatenate([1.0 - found, found], axis=2)
    count = each.shape[2]
    lines = each
    if bands:
        each = _finer(_finer(each, 0), 1)
    # 0 where all classes are as probable, 1 where there is no doubt.
    certainty = (each.max(axis=2) - 1.0 / count) / (1.0 - 1.0 / count)
    if bands:
        certainty = (np.floor(certainty * bands) + 0.5) / bands
    colours = np.array([to_rgb(style.colour(k)) for k in range(count)])[each.argmax(axis=2)]
    page = np.array(to_rgb(style.theme.backdrop))
    mixed = page + (colours - page) * (_DEPTH * certainty[:, :, None])
    # Each number is that of the middle of its place.
    half = [
        (numbers[-1] - numbers[0]) / (size - 1) / 2.0
        for numbers, size in ((grid.xs, mixed.shape[1]), (grid.ys, mixed.shape[0]))
    ]
    extent = (grid.xs[0] - half[0], grid.xs[-1] + half[0], grid.ys[0] - half[1], grid.ys[-1] + half[1])
    smooth = "nearest" if bands else "bilinear"
    ax.imshow(mixed.clip(0.0, 1.0), extent=extent, origin="lower", aspect="auto", interpolation=smooth, zorder=0)
    ax.grid(False)
    ink, muted = style.theme.ink, style.theme.muted
    if count == 2:
        _contour(ax, grid, lines[:, :, 1], [0.5], ink, 1.6)
        if not bands:
            _contour(ax, grid, lines[:, :, 1], _LEVELS, muted, 0.5)
        return
    for k in range(count):
        others = np.delete(lines, k, axis=2).max(axis=2)
        _contour(ax, grid, lines[:, :, k] - others, [0.0], ink, 1.2)


def _finer(numbers: Any, axis: int, factor: int = 5) -> Any:
    """Numbers between the numbers along an axis, by linear interpolation, so that bands have smooth edges."""
    import numpy as np

    count = numbers.shape[axis]
    places = np.linspace(0.0, count - 1.0, factor * (count - 1) + 1)
    below = np.minimum(places.astype(int), count - 2)
    share = (places - below).reshape([-1 if k == axis else 1 for k in range(numbers.ndim)])
    return np.take(numbers, below, axis) * (1.0 - share) + np.take(numbers, below + 1, axis) * share


def _contour(ax: Axes, grid: Grid, heights: Any, levels: Sequence[float], colour: str, width: float) -> None:
    inside = [level for level in levels if heights.min() < level < heights.max()]  # others would be a warning
    if inside:
        ax.contour(grid.xs, grid.ys, heights, levels=inside, colors=[colour], linewidths=width, zorder=2)


def draw_points(ax: Axes, points: Points, predicted: Sequence[int], style: Style) -> None:
    """Draw the samples, and a ring around those that the model takes for another class."""
    edge = style.theme.backdrop
    if not points.classes:
        xs, ys = _columns(points.inputs)
        ax.scatter(xs, ys, s=18, color=style.theme.ink, edgecolor=edge, linewidth=0.6, zorder=4)
        return
    handles = []
    for k in range(len(points.names)):
        of_class = [pair for pair, label in zip(points.inputs, points.classes, strict=True) if label == k]
        xs, ys = _columns(of_class)
        marker = MARKERS[k % len(MARKERS)]
        handles.append(
            ax.scatter(xs, ys, s=34, marker=marker, color=style.colour(k), edgecolor=edge, linewidth=0.9, zorder=4)
        )
    wrong = [pair for pair, label, seen in zip(points.inputs, points.classes, predicted, strict=True) if label != seen]
    if wrong:
        xs, ys = _columns(wrong)
        ax.scatter(xs, ys, s=110, facecolor="none", edgecolor=style.theme.ink, linewidth=1.2, zorder=3)
    legend(
        ax,
        handles,
        points.names,
        style,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=min(len(handles), 8),
        columnspacing=1.0,
        handletextpad=0.1,
        borderaxespad=0.2,
    )
    note = f"{1.0 - len(wrong) / len(points.classes):.0%} of {len(points.classes)} right" if predicted else ""
    ax.set_title(note, loc="right", fontsize=9, color=style.theme.muted, pad=7)


def _draw_scale(ax: Axes, points: Points, style: Style) -> None:
    """Draw the bar that says what the shades of two classes mean."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb

    page = to_rgb(style.theme.backdrop)
    ends = [tuple(p + (c - p) * _DEPTH for p, c in zip(page, to_rgb(style.colour(k)), strict=True)) for k in (0, 1)]
    shades = LinearSegmentedColormap.from_list("certainty", [ends[0], page, ends[1]])
    bar = ax.figure.figure.colorbar(ScalarMappable(Normalize(0.0, 1.0), shades), ax=ax, fraction=0.05, pad=0.03)
    bar.set_ticks([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0], labels=["0", ".1", ".25", ".5", ".75", ".9", "1"])
    name = points.names[1] if len(points.names) == 2 else "1"
    bar.set_label(f"probability of class {name}", color=style.theme.ink, fontsize=9)
    bar.ax.tick_params(color=style.theme.muted, labelcolor=style.theme.ink, labelsize=8)
    bar.outline.set_visible(False)


def _columns(pairs: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]
