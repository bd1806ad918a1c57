"""The card that stands for one node: its name, its number and its gradient, as an HTML-like label of Graphviz."""

from __future__ import annotations

from tinygrad_lite import Value
from tinygrad_lite.ops import TABLE
from tinygrad_lite.viz import palette
from tinygrad_lite.viz.labels import in_label, in_tooltip, shortened


def card(node: Value, precision: int, is_output: bool) -> str:
    """What is drawn for a node.

    Args:
        node: The node.
        precision: Significant digits of its numbers.
        is_output: Whether it is the node that the picture is about.

    Returns:
        An HTML-like label, in its angle brackets.
    """
    if node.is_constant:
        text = " ".join(filter(None, (shortened(node.label), number(node.data, precision))))
        return f'<<TABLE BORDER="0" CELLPADDING="3"><TR><TD>{_font(palette.MUTED, text)}</TD></TR></TABLE>>'
    background = palette.OUTPUT if is_output else palette.LEAF if node.is_leaf else palette.INTERIOR
    border = f'BORDER="{2 if is_output else 1}" COLOR="{palette.INK if is_output else palette.MUTED}"'
    rows = [
        _row("data", number(node.data, precision), palette.INK),
        _row("grad", number(node.grad, precision), palette.colour_of(node.grad)),
    ]
    if node.label or not node.is_leaf:
        rows.insert(0, f'<TR><TD COLSPAN="2">{_title(node)}</TD></TR>')
    table = f'<TABLE {border} BGCOLOR="{background}" STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="1" CELLPADDING="3">'
    return f"<{table}{''.join(rows)}</TABLE>>"


def edge_label(partial: float, precision: int) -> str:
    """What is drawn beside an edge: the local derivative, with room around it.

    Args:
        partial: The local derivative.
        precision: Significant digits.

    Returns:
        An HTML-like label, in its angle brackets.
    """
    return f'<<TABLE BORDER="0" CELLPADDING="2"><TR><TD>{number(partial, precision)}</TD></TR></TABLE>>'


def details(node: Value) -> str:
    """What the pointer shows over a node: the whole label, what the operation does, and every digit.

    Args:
        node: The node.

    Returns:
        The value of a ``tooltip`` attribute.
    """
    operation = TABLE.get(node.op)
    lines = [node.label] if node.label else []
    if operation is not None:
        lines.append(f"{operation.name}: {operation.doc}")
    lines.append(f"data {node.data!r}")
    if not node.is_constant:
        lines.append(f"grad {node.grad!r}")
    return in_tooltip(*lines)


def called(node: Value) -> str:
    """A short name for a node: its label, or else its operation's symbol, or else its number.

    Args:
        node: The node.

    >>> called(Value(2.0, label="a")), called(-Value(2.0)), called(Value(2.0))
    ('a', 'neg', '2')
    """
    return shortened(node.label) or _symbol(node) or number(node.data, 4)


def number(x: float, precision: int) -> str:
    """A number with so many significant digits.

    Args:
        x: The number.
        precision: How many.

    >>> number(0.70710678, 4)
    '0.7071'
    """
    return f"{x:.{precision}g}"


def _symbol(node: Value) -> str:
    operation = TABLE.get(node.op)
    return "" if operation is None else operation.symbol


def _title(node: Value) -> str:
    symbol = _symbol(node)
    drawn = in_label(symbol)
    if symbol and len(symbol) <= 2:  # · and ** are hard to see among words
        drawn = f'<FONT POINT-SIZE="16">{drawn}</FONT>'
    if not node.label:
        return f"<B>{drawn}</B>"
    label = f"<B>{in_label(shortened(node.label))}</B>"
    return f'{label}  <FONT COLOR="{palette.MUTED}">{drawn}</FONT>' if symbol else label


def _row(name: str, text: str, colour: str) -> str:
    return f'<TR><TD ALIGN="LEFT">{_font(palette.MUTED, name)}</TD><TD ALIGN="RIGHT">{_font(colour, text)}</TD></TR>'


def _font(colour: str, text: str) -> str:
    return f'<FONT COLOR="{colour}">{in_label(shortened(text))}</FONT>'
