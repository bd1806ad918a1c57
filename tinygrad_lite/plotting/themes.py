"""Themes: the colours of a picture on a light page, on a dark one, and on paper.

Signs are told apart by everyone: the colours are Okabe & Ito's (2008, "Color universal design"), and on paper, where
there may be no colour at all, negative is dashed. The light and the dark theme bring their own background, so that a
picture reads the same wherever it is shown; the one for print is transparent and has black ink. Text is darker than the
lines of its colour, and has a contrast of at least 4.5 to 1 (WCAG 2.2, criterion 1.4.3).
"""

from __future__ import annotations

from typing import Final, NamedTuple

#: The letters of pictures: what most systems have.
FONT: Final = "Helvetica,Arial,sans-serif"


class Theme(NamedTuple):
    """The colours of a picture, as ``#RRGGBB``, or ``transparent`` for a page."""

    name: str
    page: str
    #: of text and of the border of the output
    ink: str
    #: of what is less important
    muted: str
    #: of lines along which nothing flows
    faint: str
    #: fills of cards
    leaf: str
    interior: str
    output: str
    module: str
    #: the fill of a frame around the nodes of a module
    frame: str
    #: lines, by the sign of what flows along them
    positive: str
    negative: str
    not_finite: str
    mixed: str
    #: text, by the sign of the number
    positive_text: str
    negative_text: str
    not_finite_text: str
    #: what has failed: border, text, fill
    failure: str
    failure_text: str
    failure_fill: str
    #: of a negative edge
    negative_style: str = "solid"
    #: what faded colours approach
    backdrop: str = "#FFFFFF"


LIGHT: Final = Theme(
    name="light",
    page="#FFFFFF",
    ink="#1F2933",
    muted="#5F6B76",
    faint="#B4BCC4",
    leaf="#FFFFFF",
    interior="#EEF1F4",
    output="#FFF3C4",
    module="#E3F1F8",
    frame="#F7F9FB",
    positive="#0072B2",
    negative="#D55E00",
    not_finite="#CC79A7",
    mixed="#7B8794",
    positive_text="#0067A3",
    negative_text="#B04A00",
    not_finite_text="#9C3F74",
    failure="#D55E00",
    failure_text="#8F3C00",
    failure_fill="#FDE6D8",
)

DARK: Final = Theme(
    name="dark",
    page="#12181F",
    ink="#E8EDF2",
    muted="#9FADBA",
    faint="#4E5B68",
    leaf="#161E27",
    interior="#222D38",
    output="#4A3E12",
    module="#173548",
    frame="#171F28",
    positive="#56B4E9",
    negative="#E69F00",
    not_finite="#CC79A7",
    mixed="#93A1AF",
    positive_text="#6CC0F0",
    negative_text="#F0AE2A",
    not_finite_text="#E29CC4",
    failure="#F08A4C",
    failure_text="#FFB080",
    failure_fill="#4A2410",
    backdrop="#12181F",
)

PRINT: Final = Theme(
    name="print",
    page="transparent",
    ink="#000000",
    muted="#4D4D4D",
    faint="#A6A6A6",
    leaf="#FFFFFF",
    interior="#FFFFFF",
    output="#FFFFFF",
    module="#F2F2F2",
    frame="#FFFFFF",
    positive="#000000",
    negative="#000000",
    not_finite="#000000",
    mixed="#737373",
    positive_text="#000000",
    negative_text="#000000",
    not_finite_text="#000000",
    failure="#000000",
    failure_text="#000000",
    failure_fill="#F2F2F2",
    negative_style="dashed",
)

THEMES: Final = {theme.name: theme for theme in (LIGHT, DARK, PRINT)}


def find_theme(name: str | Theme) -> Theme:
    """Return the theme of a name, or the one that is given.

    Args:
        name: ``"light"``, ``"dark"`` or ``"print"``, or a theme of one's own.

    Raises:
        ValueError: There is no such theme.

    >>> find_theme("dark").page
    '#12181F'
    """
    if isinstance(name, Theme):
        return name
    if name not in THEMES:
        raise ValueError(f"theme is one of {', '.join(THEMES)}, not {name!r}")
    return THEMES[name]


def faded(colour: str, theme: Theme, rest: float = 0.3) -> str:
    """Return a colour on its way to that of the page: of what stands back while something else is highlighted.

    Args:
        colour: As ``#RRGGBB``.
        theme: Whose page.
        rest: How much of the colour is left.

    >>> faded("#000000", LIGHT, 0.5)
    '#808080'
    """
    mixed = [
        round(int(theme.backdrop[i : i + 2], 16) * (1.0 - rest) + int(colour[i : i + 2], 16) * rest) for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02X}" for part in mixed)


def all_faded(theme: Theme) -> Theme:
    """Return the theme with every colour faded but that of the page.

    Args:
        theme: Any.

    >>> all_faded(LIGHT).page, all_faded(LIGHT).ink != LIGHT.ink
    ('#FFFFFF', True)
    """
    kept = ("name", "page", "negative_style", "backdrop", "leaf", "frame")
    return theme._replace(
        **{field: faded(getattr(theme, field), theme) for field in Theme._fields if field not in kept}
    )
