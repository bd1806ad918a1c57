"""The cards of a program's picture: one for each group, and a grid of small cells for the scalars of a group."""

from __future__ import annotations

import textwrap
from typing import Final

from tinygrad_lite.operations.ops import find
from tinygrad_lite.plotting.themes import Theme
from tinygrad_lite.viz.drawing.cards import table
from tinygrad_lite.viz.programs.program_graph import CELLS, Box, Place
from tinygrad_lite.viz.reading.labels import in_label, in_tooltip, shortened

#: Of a statement so many characters a row are drawn, and so many rows; the tooltip has the rest.
_WIDTH: Final = 54
_ROWS: Final = 6
#: So many numbers of scalar nodes are told.
_NODES: Final = 20
_SMALL: Final = 9
#: Room at the end of a line: a browser's font may be wider than the one that Graphviz measured with.
_SLACK: Final = "\u00a0"


def card(box: Box, theme: Theme) -> str:
    """Return what is drawn for a group: its name and shape, what it is computed as, and how many scalars it stands for.

    Args:
        box: The group.
        theme: The colours.

    Returns:
        An HTML-like label, in its angle brackets.
    """
    strong = box.is_result
    return f"<{table(theme, fill(box, theme), rows=_rows(box, theme), colour=_border(box, theme), border=1 + strong)}>"


def frame_label(box: Box, theme: Theme) -> str:
    """Return the same without a border, for the frame around the scalars of a group.

    Args:
        box: The group.
        theme: The colours.

    Returns:
        A table, without the angle brackets of a label.
    """
    return table(theme, "", rows=_rows(box, theme), border=0, padding=1)


def cells(box: Box, theme: Theme, across: bool) -> str:
    """Return what is drawn for the scalars of a group: a grid of small cells, each with its place.

    Args:
        box: The group, which is opened.
        theme: The colours.
        across: Whether the picture runs from top to bottom: vectors lie across then, and what the frame would say
            stands beside the cells, so that no line runs over it.

    Returns:
        An HTML-like label, in its angle brackets; each cell is a port.
    """
    rows = box.cells
    if len(box.group.shape) == 1:
        length = min(CELLS // 4 if across else CELLS, len(rows[0]))
        rows = [rows[0][i : i + length] for i in range(0, len(rows[0]), length)] if across else [[p] for p in rows[0]]
    body = "".join(f"<TR>{''.join(_cell(place, box, theme) for place in row)}</TR>" for row in rows)
    more = box.group.size - sum(map(len, box.cells))
    if more:
        text = _text(theme.muted, f"… {more:,} more", _SMALL)
        body += f'<TR><TD COLSPAN="{len(rows[0])}" ALIGN="LEFT" BORDER="0">{text}</TD></TR>'
    grid = f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="2" CELLPADDING="3" COLOR="{theme.muted}">{body}</TABLE>'
    if not across:
        return f"<{grid}>"
    gap = '<FONT POINT-SIZE="3"> <BR ALIGN="LEFT"/></FONT>'
    text = gap.join(f'{line}<BR ALIGN="LEFT"/>' for line in _lines(box, theme))
    beside = f'<TR><TD VALIGN="TOP" CELLPADDING="4">{text}</TD><TD>{grid}</TD></TR>'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2" CELLPADDING="0">{beside}</TABLE>>'


def port(place: Place) -> str:
    """Return the port of a scalar's cell.

    >>> port((0, 12))
    'p0_12'
    """
    return "p" + "_".join(map(str, place))


def fill(box: Box, theme: Theme) -> str:
    """Return the colour of a card, by where the group stands.

    Args:
        box: The group.
        theme: The colours.
    """
    if not box.is_computed:
        return theme.leaf
    if box.is_result and not box.is_backward:
        return theme.output
    return theme.module if box.is_backward else theme.interior


def details(box: Box) -> str:
    """Return what the pointer shows over a group: the whole statement, the operation, and the scalar nodes behind it.

    Args:
        box: The group.

    Returns:
        The value of a ``tooltip`` attribute.
    """
    group = box.group
    lines = [box.line.text]
    if not box.is_computed:
        lines.append(f"{group.kind} {group.path}".strip())
    if group.op:
        lines.append(f"{group.op}: {find(group.op).doc}")
    lines.append(_counted(box))
    if box.scalars < group.size:
        lines.append(f"{group.size - box.scalars:,} elements more are computed along, and never used")
    nodes = [] if group.nodes is None else [int(node) for node in group.nodes[:CELLS] if node >= 0]
    if nodes:
        more = ", …" if len(nodes) > _NODES or group.size > CELLS else ""
        lines.append(f"scalar nodes {', '.join(map(str, nodes[:_NODES]))}{more}")
    return in_tooltip(*lines)


def _rows(box: Box, theme: Theme) -> list[str]:
    return [f'<TR><TD ALIGN="LEFT">{line}</TD></TR>' for line in _lines(box, theme)]


def _lines(box: Box, theme: Theme) -> list[str]:
    """All that a card says, line by line."""
    name = f"<B>{_text(theme.ink, shortened(box.line.name))}</B>"
    shape = f"  {_text(theme.muted, box.line.shape + _SLACK)}" if box.line.shape else ""
    return [
        name + shape,
        *(_text(theme.ink, row + _SLACK * (1 + len(row) // 16)) for row in _statement(box)),
        _text(theme.muted, _counted(box), _SMALL),
    ]


def _statement(box: Box) -> list[str]:
    """Return what it is computed as, in rows; of an input where it comes from, if its name does not say so."""
    if not box.is_computed:
        return [shortened(box.group.path, _WIDTH)] if box.group.path not in ("", box.line.name) else []
    whole = " ".join(box.line.parts)
    parts = box.line.parts if len(whole) > _WIDTH else (whole,)
    rows = [row for part in parts for row in textwrap.wrap(part, _WIDTH, subsequent_indent="    ")]
    return rows if len(rows) <= _ROWS else [*rows[: _ROWS - 1], "…"]


def _cell(place: Place, box: Box, theme: Theme) -> str:
    colour = fill(box, theme) if box.has(place) else theme.frame
    text = _text(theme.ink if box.has(place) else theme.faint, ", ".join(map(str, place)) or box.line.name, _SMALL)
    return f'<TD PORT="{port(place)}" BGCOLOR="{colour}" COLOR="{_border(box, theme)}">{text}</TD>'


def _border(box: Box, theme: Theme) -> str:
    return theme.ink if box.is_result else theme.muted


def _counted(box: Box) -> str:
    """How many scalars it stands for."""
    count = f"{box.scalars:,} scalar" + ("" if box.scalars == 1 else "s")
    return f"{count} a sample" if box.group.batched else count


def _text(colour: str, text: str, size: int = 0) -> str:
    points = f' POINT-SIZE="{size}"' if size else ""
    indented = text.replace("    ", "\u00a0" * 4)
    return f'<FONT COLOR="{colour}"{points}>{in_label(indented)}</FONT>'
