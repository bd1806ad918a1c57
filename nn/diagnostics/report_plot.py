"""A gradient report as a picture: gradient norms above, singular values below, from the input to the output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinygrad_lite.nn.diagnostics.layer_jacobians import ROUNDING, LayerReport
from tinygrad_lite.plotting.plot_style import Style, frame, new_figure, save_figure, style_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(layers: Sequence[LayerReport], path: str | Path | None = None, theme: str = "light") -> Figure:
    """Draw the layers of a report; see :meth:`GradientReport.plot`.

    Args:
        layers: At least one.
        path: Where to save the picture.
        theme: ``"light"``, ``"dark"`` or ``"print"``.

    Returns:
        The figure, which pyplot does not keep.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: There is no such theme.
    """
    style = style_of(theme)
    with_values = any(layer.to_output is not None for layer in layers)
    width = min(max(7.0, 1.6 + 0.6 * len(layers)), 16.0)
    figure = new_figure(width, 6.0 if with_values else 3.2, style)
    if with_values:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
        _draw_singular_values(below, layers, style)
    else:
        above = below = figure.subplots()
    _draw_norms(above, layers, style)
    for axes in dict.fromkeys((above, below)):
        frame(axes, style)
    _name_layers(below, layers, style)
    if path is not None:
        save_figure(figure, path)
    return figure


def _draw_norms(axes: Axes, layers: Sequence[LayerReport], style: Style) -> None:
    """Draw the gradient norm of each layer that has one, and the share of its dead ReLUs as a bar from the bottom."""
    norms = {i: layer.gradient_norm for i, layer in enumerate(layers) if layer.gradient_norm is not None}
    axes.set_title("gradient norm", loc="left", fontsize=10, color=style.theme.ink)
    floor = _scale(axes, [norm for norm in norms.values() if math.isfinite(norm)], 0.0 in norms.values())
    heights = [norm or floor for norm in norms.values()]
    axes.plot(list(norms), heights, color=style.colour(0), linewidth=1.5, marker="o", markersize=6, zorder=3)
    dead = [(i, layer.dead) for i, layer in enumerate(layers) if layer.dead is not None]
    if not dead:
        return
    shares = axes.twinx()
    shares.set_ylim(0.0, 1.12)
    shares.axis("off")
    axes.set_zorder(shares.get_zorder() + 1)  # the norms before the bars
    axes.patch.set_visible(False)
    shares.bar([i for i, _ in dead], [share for _, share in dead], width=0.56, color=style.theme.faint)
    for i, share in dead:
        shares.text(i, share + 0.02, f"{share:.0%}", ha="center", va="bottom", fontsize=8, color=style.theme.muted)
    axes.set_title("bars: dead ReLUs", loc="right", fontsize=9, color=style.theme.muted)


def _draw_singular_values(axes: Axes, layers: Sequence[LayerReport], style: Style) -> None:
    """All singular values of each Jacobian, and a line of the largest one of the product from there to the output."""
    places, values, hollow = [], [], []
    products: list[tuple[int, float]] = []
    for i, layer in enumerate(layers):
        if layer.singular_values is None:
            continue
        products.append((i, float(layer.to_output[0])))
        for value in layer.singular_values:
            if math.isfinite(value):
                places.append(i)
                values.append(float(value))
                hollow.append(value <= ROUNDING * layer.singular_values[0])
    drawn = [value for value, is_zero in zip(values, hollow, strict=True) if not is_zero]
    reached = [value for _, value in products if 0.0 < value < math.inf]
    floor = _scale(axes, [*drawn, *reached, 1.0], any(hollow) or len(reached) < len(products))
    axes.axhline(1.0, color=style.theme.muted, linewidth=1.0, linestyle=":", zorder=1)
    axes.plot(
        [i for i, _ in products],
        [value or floor for _, value in products],
        color=style.colour(1),
        linewidth=1.5,
        marker="s",
        markersize=5,
        zorder=4,
        label="the largest from there to the output",
    )
    axes.scatter(
        [i for i, is_zero in zip(places, hollow, strict=True) if not is_zero],
        drawn,
        s=22,
        color=style.colour(0),
        alpha=0.75,
        linewidth=0,
        zorder=3,
        label="of the layer",
    )
    zeros = sorted({i for i, is_zero in zip(places, hollow, strict=True) if is_zero})
    axes.scatter(zeros, [floor] * len(zeros), s=22, facecolor="none", edgecolor=style.colour(0), zorder=3)
    axes.set_title("singular values", loc="left", fontsize=10, color=style.theme.ink)
    legend = axes.legend(
        loc="lower right", bbox_to_anchor=(1.01, 0.98), ncols=2, frameon=False, fontsize=9, handletextpad=0.4
    )
    for text in legend.get_texts():
        text.set_color(style.theme.ink)


def _scale(axes: Axes, numbers: Sequence[float], with_zero: bool = False) -> float:
    """Return a logarithmic axis that holds the positive numbers; below them a place for 0, if wanted, which is
    returned."""
    exponents = [math.log10(number) for number in numbers if number > 0.0] or [0.0]
    low, high = math.floor(min(exponents) - 0.15), math.ceil(max(exponents) + 0.15)
    zero = low - max(1.0, 0.12 * (high - low))
    bottom = zero - 0.08 * (high - zero) if with_zero else low
    step = max(1, math.ceil((high - low) / 6))
    ticks = [k for k in range(low, high + 1) if k % step == 0]
    axes.set_yscale("log")
    axes.set_yticks(
        [*([10.0**zero] if with_zero else []), *(10.0**k for k in ticks)],
        labels=[*(["0"] if with_zero else []), *(_power(k) for k in ticks)],
    )
    axes.minorticks_off()
    axes.set_ylim(10.0**bottom, 10.0**high)
    return float(10.0**zero)


def _power(k: int) -> str:
    return f"{10.0**k:g}" if -3 <= k <= 3 else f"$10^{{{k}}}$"


def _name_layers(axes: Axes, layers: Sequence[LayerReport], style: Style) -> None:
    """Below each place the number or name of the layer and its type."""
    axes.set_xlim(-0.5, len(layers) - 0.5)
    crowded = len(layers) > 24
    labels = [layer.name.removeprefix("layers.") or "0" for layer in layers]
    gap = "\n" if len(labels) <= 12 else " "
    kinds = [layer.module.split("(")[0] for layer in layers]
    axes.set_xticks(
        range(len(labels)),
        labels=labels if crowded else [f"{label}{gap}{kind}" for label, kind in zip(labels, kinds, strict=True)],
        parse_math=False,
        fontsize=9 if len(labels) <= 12 else 8,
        rotation=0 if len(labels) <= 12 or crowded else 45,
        ha="center" if len(labels) <= 12 or crowded else "right",
        rotation_mode="anchor",
    )
    axes.set_xlabel("from the input to the output  →", color=style.theme.muted, fontsize=9)
