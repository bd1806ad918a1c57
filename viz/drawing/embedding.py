"""Pictures in a notebook that was not run: as HTML that JupyterLab shows before anybody trusts the notebook.

Opened for the first time, a notebook is not trusted. Then SVG and scripts are left out, and of HTML what could run.
What is left is an image whose address holds its data.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Container, Iterable
from typing import Final

HTML: Final = "text/html"
SVG: Final = "image/svg+xml"

_WIDTH: Final = re.compile(r'<svg\b[^>]*?\swidth="([\d.]+)(pt|px)?"')
#: Pixels of CSS for a unit of length in SVG.
_PIXELS: Final = {"pt": 4.0 / 3.0, "px": 1.0, None: 1.0}
#: How much smaller than it is drawn a picture may become to fit; then it is scrolled.
_SMALLEST: Final = 0.6


def wanted(kinds: Iterable[str], include: Container[str] | None, exclude: Container[str] | None) -> list[str]:
    """Return those MIME types that a notebook asks for; HTML stands in for SVG unless SVG is asked for by name.

    Args:
        kinds: Those that there are, such as :data:`HTML` and :data:`SVG`.
        include: Those that are wanted; if not given, all but SVG.
        exclude: Those that are not.

    >>> wanted((HTML, SVG), None, None), wanted((HTML, SVG), {SVG}, None)
    (['text/html'], ['image/svg+xml'])
    """
    return [
        kind
        for kind in kinds
        if (kind in include if include else kind != SVG) and not (exclude is not None and kind in exclude)
    ]


def embedded(svg: str, words: str) -> str:
    """Return HTML that shows an SVG: as wide as there is room, and scrolled where that would be too small to read.

    Args:
        svg: The file.
        words: What is in the picture, for those who do not see it.

    >>> embedded('<svg width="90pt" height="9pt"></svg>', "a < b").partition(" src=")[0]
    '<div style="overflow-x: auto"><img alt="a &lt; b" style="min-width: 72px; max-width: 100%"'
    """
    found = _WIDTH.search(svg)
    width = float(found[1]) * _PIXELS[found[2]] if found else 0.0
    style = f"min-width: {_SMALLEST * width:.0f}px; max-width: 100%"
    data = base64.b64encode(svg.encode()).decode()
    image = f'<img alt="{html.escape(words)}" style="{style}" src="data:image/svg+xml;base64,{data}">'
    return f'<div style="overflow-x: auto">{image}</div>'
