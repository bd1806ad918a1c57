r"""Text that strangers wrote, made safe for a picture: drawn as it stands, and never read as markup or as DOT.

A label passes three readers on its way to an SVG file, and each gives some characters a meaning: DOT (``"``), the
XML of HTML-like labels (``< > & "``), and Graphviz's escapes (``\N`` becomes the node's name). Entities hide text from
the first two. The third is undone by doubling the backslash as often as Graphviz substitutes: once in an HTML-like
label, twice in a tooltip (so do 2.43 and 14.1, the oldest and the newest that were tried).
"""

from __future__ import annotations

import html
import re
import unicodedata

#: What XML forbids, or what would break a line that is one line.
_UNDRAWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
#: Classes of characters (bidi) that change in which order a line is read.
_REORDERING = {"R", "AL", "AN", "RLE", "RLO", "LRE", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI"}
_ISOLATES = re.compile("[\u2066-\u2069]")
_LINE_BREAKS = "\x85\u2028\u2029"

#: How many characters of a label are drawn; the tooltip has the rest.
WIDTH = 40


def visible(text: str) -> str:
    r"""Return the text in one line, with pictures in the place of characters that cannot be drawn.

    Args:
        text: Any text.

    Returns:
        As many characters, none of which XML forbids.

    >>> visible("a\tb\x00")
    'a␉b␀'
    """
    return _UNDRAWABLE.sub(lambda match: _picture(match.group()), text)


def shortened(text: str, width: int = WIDTH) -> str:
    """Return the text, cut to a number of characters, of which the last is then an ellipsis.

    Args:
        text: Any text.
        width: How many characters it may have.

    >>> shortened("gradient", 5)
    'grad…'
    """
    return text if len(text) <= width else text[: width - 1] + "…"


def apart(text: str) -> str:
    r"""Return a name for the middle of a line, whose order it cannot change: one that runs from right to left, or has
    control characters that make it run so, is isolated (Unicode Standard Annex 9).

    Args:
        text: Any text in one line.

    >>> apart("loss"), apart("\u202eevil")
    ('loss', '\u2068\u202eevil\u2069')
    """
    if not any(unicodedata.bidirectional(character) in _REORDERING for character in text):
        return text
    # What is in the name must not end the isolation.
    return f"\u2068{_ISOLATES.sub('', text)}\u2069"


def in_label(text: str) -> str:
    r"""Return the text for the inside of an HTML-like label.

    Args:
        text: Any text.

    >>> print(in_label(r"<b>\N"))
    &lt;b&gt;\\N
    """
    return html.escape(visible(text)).replace("\\", "\\" * 2)


def in_tooltip(*lines: str) -> str:
    r"""Return the lines for the value of a ``tooltip`` attribute.

    Args:
        lines: Any text, one a line.

    >>> print(in_tooltip("a & b", "c"))
    a &amp; b&#10;c
    """
    return "&#10;".join(html.escape(visible(line)).replace("\\", "\\" * 4) for line in lines)


def _picture(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return "␤" if character in _LINE_BREAKS else "\ufffd"
