"""The legend: one line below the picture that says what the colours in it mean."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tinygrad_lite.plotting.themes import Theme
from tinygrad_lite.viz.drawing.picture import Link
from tinygrad_lite.viz.reading.labels import in_label

_LINE, _DASHES = "━━", "━ ━"


def legend(links: Iterable[Link], theme: Theme) -> str:
    """Return what the lines of a picture mean, those that there are.

    Args:
        links: Of the picture.
        theme: The colours.

    Returns:
        An HTML-like label, in its angle brackets; ``""`` where no gradient flows, so that there is nothing to explain.
    """
    kinds = {_kind(link) for link in links}
    negative = _DASHES if theme.negative_style == "dashed" else _LINE
    entries = [
        ("positive", _LINE, theme.positive, "gradient > 0"),
        ("negative", negative, theme.negative, "gradient < 0"),
        ("mixed", _LINE, theme.mixed, "both signs"),
        ("not finite", _DASHES, theme.not_finite, "not finite"),
    ]
    shown = [(mark, colour, text) for kind, mark, colour, text in entries if kind in kinds]
    if not shown:
        return ""
    shown.append(("", theme.muted, "wider: more flows"))
    gap = '<TD WIDTH="6"></TD>'
    cells = gap.join(
        "".join(
            f'<TD><FONT COLOR="{ink}">{in_label(part)}</FONT></TD>'
            for ink, part in ((colour, mark), (theme.muted, text))
            if part
        )
        for mark, colour, text in shown
    )
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="0"><TR>{cells}</TR></TABLE>>'


def _kind(link: Link) -> str:
    if not link.share:
        return ""
    if not math.isfinite(link.share):
        return "not finite"
    return "mixed" if link.mixed else "positive" if link.share > 0.0 else "negative"
