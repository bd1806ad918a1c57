"""The colours of the explorer's page: those of the pictures' themes, and a few that only the page needs.

Ancestors and descendants have the two colours of Okabe & Ito (2008) that no sign has: bluish green, reddish purple. The
current step is violet, as yellow is the output, and what a wrong order spoils is crimson, as orange is a sign.
"""

from __future__ import annotations

from typing import Final

from tinygrad_lite.plotting.themes import DARK, LIGHT, Theme

_ONLY_HERE: Final = {
    "light": {
        "stage": "#F6F7F9",
        "dots": "#DFE3E8",
        "line": "#E1E5EA",
        "active-ring": "#6F4CC3",
        "wrong": "#B3123C",
        "wrong-text": "#A30F36",
        "ancestor": "#009E73",
        "ancestor-face": "#E0F4EE",
        "ancestor-text": "#00785A",
        "descendant": "#CC79A7",
        "descendant-face": "#F9EBF3",
        "shadow": "0 1px 2px rgb(31 41 51 / 8%), 0 4px 14px rgb(31 41 51 / 8%)",
    },
    "dark": {
        "stage": "#0C1116",
        "dots": "#252E38",
        "line": "#2A343F",
        "active-ring": "#B79CFF",
        "wrong": "#FF6B81",
        "wrong-text": "#FF8C9D",
        "ancestor": "#2FC79B",
        "ancestor-face": "#0F352B",
        "ancestor-text": "#2FC79B",
        "descendant": "#E3A3C6",
        "descendant-face": "#3D2533",
        "shadow": "0 1px 2px rgb(0 0 0 / 40%), 0 4px 14px rgb(0 0 0 / 40%)",
    },
}
_OF_THEMES: Final = (
    *("page", "ink", "muted", "faint", "leaf", "interior", "module", "output"),
    *("positive", "negative", "not_finite", "positive_text", "negative_text", "not_finite_text"),
)


def custom_properties() -> str:
    """Return the style sheet's variables, for the light theme, and for the dark one if the system or the reader wants
    it.

    >>> "--positive: #0072B2" in custom_properties()
    True
    """
    dark = _properties(DARK)
    return (
        f":root {{\n{_properties(LIGHT)}}}\n"
        f'@media (prefers-color-scheme: dark) {{\n:root:not([data-theme="light"]) {{\n{dark}}}\n}}\n'
        f':root[data-theme="dark"] {{\n{dark}}}\n'
    )


def _properties(theme: Theme) -> str:
    colours = {name.replace("_", "-"): getattr(theme, name) for name in _OF_THEMES} | _ONLY_HERE[theme.name]
    lines = [f"  color-scheme: {theme.name};", *(f"  --{name}: {colour};" for name, colour in colours.items())]
    return "\n".join(lines) + "\n"
