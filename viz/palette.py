"""Colours and pens, chosen to be told apart by everyone (Okabe & Ito 2008) on any page.

The picture brings its own white background, so that it reads the same on a light and on a dark page.
"""

from __future__ import annotations

import math

PAGE = "#FFFFFF"
INK = "#1F2933"
MUTED = "#5F6B76"
FAINT = "#B4BCC4"
LEAF = "#FFFFFF"
INTERIOR = "#EEF1F4"
OUTPUT = "#FFF3C4"

POSITIVE = "#0072B2"
NEGATIVE = "#D55E00"
NOT_FINITE = "#CC79A7"

_THINNEST, _THICKEST = 1.0, 3.2


def pen(share: float | None, strongest: float) -> dict[str, str]:
    """How to draw an edge along which a share of the gradient flows: its sign is the colour, its size the width.

    Args:
        share: What flows: ∂output/∂node times ∂node/∂operand; None for a constant, to which nothing flows.
        strongest: The greatest finite size of any share in the picture.

    Returns:
        Attributes of the edge.

    >>> pen(-2.0, 2.0)
    {'color': '#D55E00', 'penwidth': '3.20'}
    """
    if share is None:
        return {"color": FAINT, "penwidth": "0.80"}
    if not math.isfinite(share):
        return {"color": NOT_FINITE, "penwidth": f"{_THICKEST:.2f}", "style": "dashed"}
    if share == 0.0:
        return {"color": FAINT, "penwidth": f"{_THINNEST:.2f}"}
    # The square root keeps shares of a hundredth apart from shares of nothing.
    width = _THINNEST + (_THICKEST - _THINNEST) * math.sqrt(abs(share) / strongest)
    return {"color": colour_of(share), "penwidth": f"{width:.2f}"}


def colour_of(number: float) -> str:
    """The colour of a number's sign.

    Args:
        number: Any number.

    >>> colour_of(1.0) == POSITIVE
    True
    """
    if not math.isfinite(number):
        return NOT_FINITE
    return MUTED if number == 0.0 else POSITIVE if number > 0.0 else NEGATIVE
