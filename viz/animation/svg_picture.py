"""The shapes of an SVG file that Graphviz wrote, drawn by matplotlib: how a frame of an animation becomes an image.

It knows what Graphviz writes, and no more: polygons, lines, paths of straight lines and Bézier curves, ellipses, text.
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from tinygrad_lite.plotting.plot_style import image_of_figure

SVG: Final = "{http://www.w3.org/2000/svg}"

_NUMBERS: Final = re.compile(r"-?\d*\.?\d+(?:e-?\d+)?")
_PATH: Final = re.compile(r"([MLCZ])([^MLCZ]*)")
#: How much wider DejaVu Sans, which comes with matplotlib, is than the font that Graphviz left room for.
_FONT_SCALE: Final = 0.88
_POINTS_AN_INCH: Final = 72.0


class Box(NamedTuple):
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float


def view_box(root: ET.Element) -> Box:
    """Return what part of the plane a file shows.

    >>> view_box(ET.fromstring('<svg viewBox="0 0 30.5 20"/>'))
    Box(left=0.0, top=0.0, right=30.5, bottom=20.0)
    """
    left, top, width, height = map(float, _NUMBERS.findall(root.get("viewBox", "")))
    return Box(left, top, left + width, top + height)


def shift_of(group: ET.Element) -> tuple[float, float]:
    """By how much a group is moved.

    >>> shift_of(ET.fromstring('<g transform="scale(1 1) rotate(0) translate(4 179)"/>'))
    (4.0, 179.0)
    """
    found = re.search(r"translate\(([^)]*)\)", group.get("transform", ""))
    x, y = map(float, _NUMBERS.findall(found[1])) if found else (0.0, 0.0)
    return x, y


def bounds(group: ET.Element) -> Box:
    """Return the rectangle around the shapes of a group, in its own coordinates.

    Raises:
        ValueError: It has none.

    >>> bounds(ET.fromstring(f'<g xmlns="{SVG[1:-1]}"><polygon points="0,-4 3,-4 3,0"/></g>'))
    Box(left=0.0, top=-4.0, right=3.0, bottom=0.0)
    """
    points = []
    for element in group.iter():
        if element.tag in (f"{SVG}polygon", f"{SVG}polyline"):
            points += _points(element.get("points", ""))
        elif element.tag == f"{SVG}path":
            points += _points(re.sub("[MLCZ]", " ", element.get("d", "")))
        elif element.tag == f"{SVG}ellipse":
            x, y, rx, ry = (float(element.get(name, 0.0)) for name in ("cx", "cy", "rx", "ry"))
            points += [(x - rx, y - ry), (x + rx, y + ry)]
    if not points:
        raise ValueError("the group has no shapes")
    xs, ys = zip(*points, strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))


def image_of(root: ET.Element, scale: float, page: str) -> Any:
    """Return a file as an image of Pillow.

    Args:
        root: The element ``svg``.
        scale: Pixels for each unit of the file.
        page: The colour behind it.

    Raises:
        ImportError: matplotlib is not installed.
    """
    with _quietly():
        return image_of_figure(_figure_of(root, _POINTS_AN_INCH * scale, page, "GIFs"))


def file_of(root: ET.Element, format: str, page: str, dpi: float) -> bytes:
    """Return a file in another format.

    Args:
        root: The element ``svg``.
        format: ``"png"`` or ``"pdf"``.
        page: The colour behind it, or ``"transparent"``.
        dpi: Dots an inch, of which each is 72 units of the file.

    Raises:
        ImportError: matplotlib is not installed.

    >>> file_of(ET.fromstring('<svg viewBox="0 0 30.5 20"/>'), "png", "#FFFFFF", 72)[1:4]
    b'PNG'
    """
    figure = _figure_of(root, dpi, _colour(page), "PNG and PDF of this picture")
    contents = io.BytesIO()
    # No dates: the same picture is the same file.
    metadata = {"CreationDate": None} if format == "pdf" else None
    with _quietly():
        figure.savefig(contents, format=format, dpi=dpi, metadata=metadata)
    return contents.getvalue()


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # an emoji is an empty box then
        yield


def _figure_of(root: ET.Element, dpi: float, page: str, what: str) -> Any:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ImportError(f"{what} need matplotlib: pip install 'tinygrad-lite[viz]'") from error
    box = view_box(root)
    size = ((box.right - box.left) / _POINTS_AN_INCH, (box.bottom - box.top) / _POINTS_AN_INCH)
    figure = Figure(figsize=size, dpi=dpi, facecolor=page)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_xlim(box.left, box.right)
    ax.set_ylim(box.bottom, box.top)
    ax.axis("off")
    _draw(ax, root, (0.0, 0.0), 1.0)
    return figure


def _draw(ax: Any, element: ET.Element, shift: tuple[float, float], opacity: float) -> None:
    """Draw the shapes of an element, in the order in which they are written."""
    if element.get("visibility") == "hidden":
        return
    x, y = shift_of(element)
    shift = (shift[0] + x, shift[1] + y)
    opacity *= float(element.get("opacity", 1.0))
    kind = element.tag.removeprefix(SVG)
    if kind in ("polygon", "polyline", "path", "ellipse", "rect"):
        _draw_shape(ax, element, kind, shift, opacity)
    elif kind == "text":
        _draw_text(ax, element, shift, opacity)
    for child in element:
        _draw(ax, child, shift, opacity)


def _draw_shape(ax: Any, element: ET.Element, kind: str, shift: tuple[float, float], opacity: float) -> None:
    from matplotlib import patches
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D

    stroke, fill = (_colour(element.get(name)) for name in ("stroke", "fill"))
    look: dict[str, Any] = {
        "edgecolor": stroke,
        "facecolor": fill,
        "linewidth": float(element.get("stroke-width", 1.0)) if stroke != "none" else 0.0,
        "alpha": opacity,
        "transform": Affine2D().translate(*shift) + ax.transData,
    }
    if element.get("stroke-dasharray"):
        look["linestyle"] = (0, tuple(map(float, _NUMBERS.findall(element.get("stroke-dasharray", "")))))
    if kind == "ellipse":
        x, y, rx, ry = (float(element.get(name, 0.0)) for name in ("cx", "cy", "rx", "ry"))
        ax.add_patch(patches.Ellipse((x, y), 2.0 * rx, 2.0 * ry, **look))
    elif kind == "rect":
        x, y, width, height = (float(element.get(name, 0.0)) for name in ("x", "y", "width", "height"))
        rounding = float(element.get("rx", 0.0))
        style = f"round,pad=0,rounding_size={rounding}" if rounding else "square,pad=0"
        ax.add_patch(patches.FancyBboxPatch((x, y), width, height, boxstyle=style, **look))
    else:
        if kind == "path":
            path = _path(element.get("d", ""))
        else:
            points = _points(element.get("points", ""))
            path = Path([*points, points[0]] if kind == "polygon" else points, closed=kind == "polygon")
        ax.add_patch(patches.PathPatch(path, **look))


def _draw_text(ax: Any, element: ET.Element, shift: tuple[float, float], opacity: float) -> None:
    anchor = {"start": "left", "middle": "center", "end": "right"}[element.get("text-anchor", "start")]
    ax.text(
        float(element.get("x", 0.0)) + shift[0],
        float(element.get("y", 0.0)) + shift[1],
        element.text or "",
        fontsize=float(element.get("font-size", 14.0)) * _FONT_SCALE,
        fontfamily="DejaVu Sans",
        fontweight=element.get("font-weight", "normal"),
        color=_colour(element.get("fill")) if element.get("fill") else "#000000",
        alpha=opacity,
        ha=anchor,
        va="baseline",
        parse_math=False,
    )


def _colour(written: str | None) -> str:
    return "none" if written in (None, "transparent") else str(written)


def _path(commands: str) -> Any:
    from matplotlib.path import Path

    kinds = {"M": Path.MOVETO, "L": Path.LINETO, "C": Path.CURVE4}
    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    for command, written in _PATH.findall(commands):
        if command == "Z":
            points.append(points[0])
            codes.append(Path.CLOSEPOLY)
            continue
        new = _points(written)
        points += new
        codes += [kinds[command]] * len(new)
    return Path(points, codes)


def _points(written: str) -> list[tuple[float, float]]:
    numbers = list(map(float, _NUMBERS.findall(written)))
    return list(zip(numbers[::2], numbers[1::2], strict=True))
