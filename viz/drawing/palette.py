"""The colours of numbers by their sign, and the pens that edges are drawn with."""

from __future__ import annotations

import math

from tinygrad_lite.plotting.themes import LIGHT, Theme

_THINNEST, _THICKEST = 1.0, 3.2


def pen(share: float | None, strongest: float, theme: Theme = LIGHT, *, mixed: bool = False) -> dict[str, str]:
    """How to draw an edge along which a share of the gradient flows: its sign is the colour, its size the width.

    Args:
        share: What flows: ∂output/∂node times ∂node/∂operand; None for a constant, to which nothing flows.
        strongest: The greatest finite size of any share in the picture.
        theme: The colours.
        mixed: Whether it is the size of shares of both signs.

    Returns:
        Attributes of the edge.

    >>> pen(-2.0, 2.0)
    {'color': '#D55E00', 'penwidth': '3.20'}
    """
    if share is None:
        return {"color": theme.faint, "penwidth": "0.80"}
    if not math.isfinite(share):
        return {"color": theme.not_finite, "penwidth": f"{_THICKEST:.2f}", "style": "dashed"}
    if share == 0.0:
        return {"color": theme.faint, "penwidth": f"{_THINNEST:.2f}"}
    # The square root keeps shares of a hundredth apart from shares of nothing.
    width = _THINNEST + (_THICKEST - _THINNEST) * math.sqrt(abs(share) / strongest)
    attributes = {"color": theme.mixed if mixed else colour_of(share, theme), "penwidth": f"{width:.2f}"}
    if share < 0.0 and not mixed and theme.negative_style != "solid":
        attributes["style"] = theme.negative_style
    return attributes


def colour_of(number: float, theme: Theme = LIGHT) -> str:
    """Return the colour of a line for a number's sign.

    Args:
        number: Any number.
        theme: The colours.

    >>> colour_of(1.0) == LIGHT.positive
    True
    """
    if not math.isfinite(number):
        return theme.not_finite
    return theme.muted if number == 0.0 else theme.positive if number > 0.0 else theme.negative


def text_colour_of(number: float, theme: Theme = LIGHT) -> str:
    """Return the colour of a number that is written, by its sign.

    Args:
        number: Any number.
        theme: The colours.

    >>> text_colour_of(0.0) == LIGHT.muted
    True
    """
    if not math.isfinite(number):
        return theme.not_finite_text
    return theme.muted if number == 0.0 else theme.positive_text if number > 0.0 else theme.negative_text
