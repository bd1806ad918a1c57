"""What all plots have in common: their colours, their frame, and a figure that pyplot does not keep."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from tinygrad_lite.files.atomic import write_atomically
from tinygrad_lite.plotting.themes import Theme, find_theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of classes and of series on a light page and on a dark one (Okabe & Ito 2008), and in greys for print.
_COLOURS: Final = {
    "light": ("#0072B2", "#D55E00", "#007A5E", "#CC79A7", "#8A6D00", "#56B4E9", "#1F2933"),
    "dark": ("#56B4E9", "#F08A3C", "#2FBF9B", "#E59AC6", "#F0E442", "#4F8FD0", "#E8EDF2"),
    "print": ("#000000", "#6E6E6E", "#404040", "#9A9A9A", "#2A2A2A", "#B4B4B4", "#585858"),
}
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")


class Style(NamedTuple):
    """Colours of a plot."""

    theme: Theme
    #: one after the other
    colours: tuple[str, ...]

    def colour(self, k: int) -> str:
        """Return the colour of a series or class."""
        return self.colours[k % len(self.colours)]


def style_of(theme: str | Theme) -> Style:
    """Return the colours of plots in a theme.

    Args:
        theme: ``"light"``, ``"dark"`` or ``"print"``, or a theme of one's own.

    Raises:
        ValueError: There is no such theme.

    >>> style_of("dark").theme.page
    '#12181F'
    """
    found = find_theme(theme)
    return Style(found, _COLOURS.get(found.name, _COLOURS["light"]))


def new_figure(width: float, height: float, style: Style, *, fixed: bool = False) -> Figure:
    """Return an empty figure of so many inches.

    Args:
        width: In inches.
        height: In inches.
        style: The colours.
        fixed: Whether axes stay where they are put; else they make room for their labels.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ImportError("plots need matplotlib: pip install 'tinygrad-lite[viz]'") from error
    figure = Figure(figsize=(width, height), layout=None if fixed else "constrained", facecolor=_page(style))
    # IPython asks for it, and does not know figures before pyplot is imported.
    cast(Any, figure)._repr_png_ = functools.partial(_png, figure)
    return figure


def _png(figure: Figure) -> tuple[bytes, dict[str, float]]:
    """Return a figure as a notebook shows it, and how wide: of two pixels each, as IPython's ``retina``."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=2.0 * figure.dpi)
    return content.getvalue(), {"width": figure.get_figwidth() * figure.dpi}


def axes_of(ax: Axes | None, width: float, height: float, style: Style) -> Axes:
    """Return the axes that are given, or those of a new figure; framed.

    Raises:
        TypeError: What is given are no axes.
        ImportError: matplotlib is not installed.
    """
    if ax is None:
        ax = new_figure(width, height, style).add_subplot()
    elif not hasattr(ax, "plot"):
        raise TypeError(f"ax are the axes of matplotlib to draw into, not {type(ax).__name__} {ax!r:.60}")
    frame(ax, style)
    return ax


def frame(ax: Axes, style: Style, *, grid: bool = True) -> None:
    """Axes on the left and below, in the colours of the theme, and lines across unless there is no ``grid``."""
    ink, muted = style.theme.ink, style.theme.muted
    ax.set_facecolor(_page(style))
    ax.tick_params(which="both", color=muted, labelcolor=ink, labelsize=9)
    if grid:
        ax.grid(axis="y", color=muted, alpha=0.18, linewidth=0.8)
        ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(muted)


def label_axes(ax: Axes, x: str, y: str, style: Style) -> None:
    """Names of the axes, as they are written: no mathematics in them."""
    ax.set_xlabel(x, color=style.theme.ink, fontsize=10, parse_math=False)
    ax.set_ylabel(y, color=style.theme.ink, fontsize=10, parse_math=False)


def legend(ax: Axes, handles: Sequence[Any], names: Sequence[str], style: Style, **options: Any) -> None:
    """Add a legend of these names, as they are written.

    Args:
        ax: The axes.
        handles: What is drawn.
        names: What it is called: any text.
        style: The colours.
        options: Of ``Axes.legend``.
    """
    # A name may begin with _, which would hide it, or hold mathematics: so it is set afterwards.
    made: Any = ax.legend(handles, ["name"] * len(handles), frameon=False, fontsize=9, **options)
    for text, name in zip(made.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(" ".join(name.split()))
        text.set_color(style.theme.ink)


def whole_ticks(ax: Axes) -> None:
    """Whole numbers alone below the axis of epochs or steps."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure, the same bytes each time, and whole or not at all.

    Args:
        figure: The figure.
        path: Its suffix says the format.

    Raises:
        ValueError: It has no suffix, or one that matplotlib does not know.
        OSError: The file cannot be written.
    """
    import matplotlib

    suffix = Path(path).suffix.lower()
    if not suffix:
        raise ValueError(f"the suffix says the format, and there is none: write {path}.svg, {path}.png or {path}.pdf")

    # Else the file names the time, and its identifiers are drawn anew.
    times: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"svg.hashsalt": "tinygrad_lite"}):
        content = io.BytesIO()
        figure.savefig(content, format=suffix[1:], dpi=160, metadata=times.get(suffix))
    write_atomically(path, content.getvalue())


def image_of_figure(figure: Figure) -> Any:
    """Return a figure as an image of Pillow, which comes with matplotlib: red, green and blue."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba())).convert("RGB")


def spread(numbers: Sequence[float]) -> float:
    """By which factor positive numbers differ; 1 if one is not positive, or there is none.

    >>> spread([1.0, 100.0]), spread([0.0, 1.0])
    (100.0, 1.0)
    """
    finite = [number for number in numbers if math.isfinite(number)]
    return max(finite) / min(finite) if finite and min(finite) > 0.0 else 1.0


def _page(style: Style) -> str:
    return "none" if style.theme.page == "transparent" else style.theme.page
