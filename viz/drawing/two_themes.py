"""One SVG in two themes: light, and dark where the page that shows it is dark.

A notebook's theme is known to its page alone. An SVG in an ``<img>`` can ask for it: ``prefers-color-scheme`` means in
there the ``color-scheme`` of the element around it, which JupyterLab, Notebook and most sites set (CSS Color Adjustment
Module Level 1, 2.2; Media Queries Level 5, 12.5). Where it is not set, it is the system's.
"""

from __future__ import annotations

import re
from typing import Final

_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{6}\b")
#: Attributes of SVG that Graphviz writes colours into.
_PAINTS: Final = ("fill", "stroke")


def merge(light: str, dark: str) -> tuple[str, dict[str, str]]:
    """Return one source for Graphviz, and what each of its colours is on a dark page.

    Two things that have the same colour on a light page may differ on a dark one. Then one of them becomes lighter or
    darker by a shade that nobody sees, so that a style sheet can tell them apart.

    Args:
        light: The source in DOT.
        dark: The same in other colours.

    Returns:
        The source in light colours, in lower case; and the dark ones by the light ones, where they differ.

    Raises:
        ValueError: The sources differ in more than their colours.

    >>> merge('a [color="#FFFFFF"] b [color="#FFFFFF"]', 'a [color="#000000"] b [color="#111111"]')
    ('a [color="#ffffff"] b [color="#fffffe"]', {'#ffffff': '#000000', '#fffffe': '#111111'})
    """
    if _COLOUR.sub("#", light) != _COLOUR.sub("#", dark):
        raise ValueError("the two sources differ in more than their colours")
    pairs = [*zip(_lower(light), _lower(dark), strict=True)]
    # What is the same in both, a label that reads like a colour perhaps, stays as it is.
    taken = {bright for bright, dim in pairs if bright == dim}
    written: dict[tuple[str, str], str] = {}
    for pair in pairs:
        if pair[0] != pair[1] and pair not in written:
            written[pair] = _free(pair[0], taken)
            taken.add(written[pair])
    found = iter(pairs)
    source = _COLOUR.sub(lambda match: written.get(next(found), match[0]), light)
    return source, {colour: dim for (_, dim), colour in written.items()}


def _lower(source: str) -> list[str]:
    return [colour.lower() for colour in _COLOUR.findall(source)]


def _free(colour: str, taken: set[str]) -> str:
    """Return a colour that is not taken, and nearly this one: a shade of blue more in it, or less."""
    number = int(colour[1:], 16)
    step = 1 if number & 0xFF < 0x80 else -1
    while f"#{number:06x}" in taken:
        number += step
    return f"#{number:06x}"


def styled(svg: str, dark: dict[str, str]) -> str:
    """Return an SVG with a style sheet that recolours it on a dark page.

    Args:
        svg: What Graphviz made of the source that :func:`merge` gave.
        dark: The colours that it gave.

    >>> styled('<svg><g fill="#ffffff"/></svg>', {"#ffffff": "#000000"})
    '<svg><style>@media (prefers-color-scheme: dark) {[fill="#ffffff"]{fill:#000000}}</style><g fill="#ffffff"/></svg>'
    """
    rules = "".join(
        f'[{paint}="{bright}"]{{{paint}:{dim}}}'
        for bright, dim in dark.items()
        for paint in _PAINTS
        if f'{paint}="{bright}"' in svg
    )
    sheet = f"<style>@media (prefers-color-scheme: dark) {{{rules}}}</style>"
    return re.sub(r"<svg\b[^>]*>", lambda tag: tag[0] + sheet, svg, count=1)
