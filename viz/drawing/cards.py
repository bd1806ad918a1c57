"""The card that stands for one node: its name, its number and its gradient, as an HTML-like label of Graphviz."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from tinygrad_lite.plotting.themes import LIGHT, Theme
from tinygrad_lite.value import Value
from tinygrad_lite.viz.drawing.palette import text_colour_of
from tinygrad_lite.viz.reading.labels import apart, in_label, in_tooltip, shortened
from tinygrad_lite.viz.reading.node_operations import operation_of, symbol

#: What a picture can show besides names and operations.
SHOWN = ("data", "grad", "local")


class Style(NamedTuple):
    """How cards are written."""

    theme: Theme = LIGHT
    #: significant digits
    precision: int = 4
    show: frozenset[str] = frozenset(SHOWN)
    #: names of nodes without labels, by id
    names: Mapping[int, str] = {}

    def name_of(self, node: Value) -> str:
        """Return the label of a node, or else the name of its variable; ``""`` if it has neither."""
        return node.label or self.names.get(id(node), "")


_PLAIN: Final = Style()


class Mark(NamedTuple):
    """What is special about a node."""

    is_output: bool = False
    is_highlighted: bool = False
    #: whether its operands are left out
    is_cut: bool = False
    #: whether its numbers are old
    is_stale: bool = False
    #: what its operation raised
    failure: str = ""


def card(node: Value, style: Style, mark: Mark) -> str:
    """Return what is drawn for a node.

    Args:
        node: The node.
        style: How.
        mark: What is special about it.

    Returns:
        An HTML-like label, in its angle brackets.
    """
    theme = style.theme
    if node.is_constant:
        text = " ".join(filter(None, (shortened(style.name_of(node)), number(node.data, style.precision))))
        return f"<{table(theme, '', rows=[cell(font(theme.muted, text))], padding=3, border=0)}>"
    rows = []
    if style.name_of(node) or not node.is_leaf:
        rows.append(cell(_title(node, style), span=2))
    if mark.failure:
        rows += failure_rows(mark.failure, theme)
    elif not mark.is_stale:
        if "data" in style.show:
            rows.append(row("data", number(node.data, style.precision), theme.ink, theme))
        if "grad" in style.show:
            rows.append(row("grad", number(node.grad, style.precision), text_colour_of(node.grad, theme), theme))
    elif "data" in style.show or "grad" in style.show:
        rows.append(cell(font(theme.muted, "not evaluated"), span=2))
    if not rows:
        rows.append(cell(font(theme.ink, number(node.data, style.precision))))
    fill = theme.output if mark.is_output else theme.leaf if node.is_leaf else theme.interior
    if mark.failure:
        fill = theme.failure_fill
    strong = mark.is_output or mark.is_highlighted or bool(mark.failure)
    colour = theme.failure if mark.failure else theme.ink if strong else theme.muted
    border = 3 if mark.is_highlighted else 2 if strong else 1
    dashed = mark.is_cut or (mark.is_stale and not mark.failure)
    return f"<{table(theme, fill, rows=rows, colour=colour, border=border, dashed=dashed)}>"


def edge_label(low: float, high: float, style: Style) -> str:
    """Return what is drawn beside an edge: the local derivative, on a ground that no line is seen through.

    Args:
        low: The local derivative, or the least of several.
        high: The same, or the greatest.
        style: How.

    Returns:
        An HTML-like label, in its angle brackets.
    """
    page = "" if style.theme.page == "transparent" else f' BGCOLOR="{style.theme.page}"'
    text = between(low, high, style.precision)
    return f'<<TABLE BORDER="0" CELLSPACING="3" CELLPADDING="0"><TR><TD{page}>{text}</TD></TR></TABLE>>'


def details(node: Value, style: Style, mark: Mark) -> str:
    """Return what the pointer shows over a node: the whole label, what the operation does, and every digit.

    Args:
        node: The node.
        style: How its card is written.
        mark: What is special about it.

    Returns:
        The value of a ``tooltip`` attribute.
    """
    lines = list(dict.fromkeys(filter(None, (node.label, style.names.get(id(node), "")))))
    if not node.is_leaf:
        operation = operation_of(node)
        lines.append(f"{operation.name}: {operation.doc}")
    if mark.failure:
        lines.append(f"cannot be evaluated: {mark.failure}")
    if mark.is_stale:
        lines.append("has an old number: its operands were changed")
    lines.append(f"data {node.data!r}")
    if not node.is_constant:
        lines.append(f"grad {node.grad!r}")
    if mark.is_cut:
        lines.append("what it is computed from is left out")
    return in_tooltip(*lines)


def called(node: Value, style: Style = _PLAIN) -> str:
    """Return a short name for a node: its label, or else its variable, its operation's symbol, or its number.

    Args:
        node: The node.
        style: Where names of variables are.

    >>> called(Value(2.0, label="a")), called(-Value(2.0)), called(Value(2.0))
    ('a', 'neg', '2')
    """
    return apart(shortened(style.name_of(node))) or symbol(node) or number(node.data, 4)


def number(x: float, precision: int) -> str:
    """Return a number with so many significant digits.

    Args:
        x: The number.
        precision: How many.

    >>> number(0.70710678, 4), number(-2.0, 4)
    ('0.7071', '−2')
    """
    return f"{x:.{precision}g}".replace("-", "−")


def between(low: float, high: float, precision: int) -> str:
    """Return a range of numbers, or one number.

    Args:
        low: The least.
        high: The greatest.
        precision: Significant digits.

    >>> between(0.0, 1.0, 4), between(2.0, 2.0, 4)
    ('0 … 1', '2')
    """
    first, last = number(low + 0.0, precision), number(high + 0.0, precision)  # + 0.0: no range begins at -0
    return first if first == last else f"{first} … {last}"


def title(name: str, sign: str, theme: Theme) -> str:
    """Return the heading of a card.

    Args:
        name: The name; may be empty.
        sign: The symbol of the operation; may be empty.
        theme: The colours.
    """
    drawn = in_label(sign.replace("-", "−"))
    if sign and len(sign) <= 2:  # · and ** are hard to see among words
        drawn = f'<FONT POINT-SIZE="16">{drawn}</FONT>'
    if not name:
        return f'<FONT COLOR="{theme.ink}"><B>{drawn}</B></FONT>'
    label = f'<FONT COLOR="{theme.ink}"><B>{in_label(shortened(name))}</B></FONT>'
    return f'{label}  <FONT COLOR="{theme.muted}">{drawn}</FONT>' if sign else label


def table(
    theme: Theme,
    fill: str,
    *,
    rows: Iterable[str],
    colour: str = "",
    border: int = 1,
    padding: int = 3,
    dashed: bool = False,
) -> str:
    """Return a table of rows with rounded corners, without the angle brackets of a label.

    Args:
        theme: The colours.
        fill: Of the background; may be empty.
        rows: As :func:`row` and :func:`cell` make them.
        colour: Of the border.
        border: Its width.
        padding: Around the text of each cell.
        dashed: Whether the border is.
    """
    attributes = f'BORDER="{border}" CELLBORDER="0" CELLSPACING="1" CELLPADDING="{padding}"'
    if border:
        attributes += f' COLOR="{colour}" STYLE="ROUNDED{",DASHED" if dashed else ""}"'
    if fill:
        attributes += f' BGCOLOR="{fill}"'
    return f"<TABLE {attributes}>{''.join(rows)}</TABLE>"


def row(name: str, text: str, colour: str, theme: Theme) -> str:
    """Return a row with the name of a quantity and what it is.

    Args:
        name: On the left.
        text: On the right.
        colour: Of the text.
        theme: The colours.
    """
    left, right = font(theme.muted, name), font(colour, text)
    return f'<TR><TD ALIGN="LEFT">{left}</TD><TD ALIGN="RIGHT">{right}</TD></TR>'


def failure_rows(failure: str, theme: Theme) -> list[str]:
    """Return what is said of an operation that could not be evaluated: the exception, and below it the message.

    Args:
        failure: ``"ValueError: math domain error"``.
        theme: The colours.
    """
    kind, _, message = failure.partition(": ")
    return [cell(font(theme.failure_text, text), span=2) for text in (f"✗ {kind}", message) if text]


def cell(content: str, span: int = 1) -> str:
    """Return a row of one cell.

    Args:
        content: HTML-like.
        span: How many columns it takes.
    """
    return f'<TR><TD COLSPAN="{span}">{content}</TD></TR>' if span > 1 else f"<TR><TD>{content}</TD></TR>"


def font(colour: str, text: str) -> str:
    """Text in a colour, shortened and made safe.

    Args:
        colour: Of the text.
        text: Any.
    """
    return f'<FONT COLOR="{colour}">{in_label(shortened(text))}</FONT>'


def _title(node: Value, style: Style) -> str:
    return title(style.name_of(node), symbol(node), style.theme)
