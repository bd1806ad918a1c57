"""The table of a model's modules, from what the model says of them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tinygrad_lite.nn.base.shapes import shape_of
from tinygrad_lite.value import Value

#: A notebook shows so many modules.
_MOST_ROWS: Final = 60


def format_summary(parts: Iterable[tuple[str, str, list[Value]]], shapes: Mapping[str, str] | None) -> str:
    """Format the table that :meth:`Module.summary` gives.

    Args:
        parts: Name, type and parameters of each module.
        shapes: The shape of the output of each that was called, by name; None leaves the column out.

    >>> print(format_summary([("", "Linear", [Value(1.0)])], None))
    module  type    parameters  trained
            Linear           1        1
    """
    rows = _rows(parts, shapes)
    return align(rows, len(rows[0]) - 2)


def summary_as_html(caption: str, parts: Iterable[tuple[str, str, list[Value]]]) -> str:
    """Return the table as a notebook shows it; whatever stands in it is text, never markup.

    Args:
        caption: What stands above it.
        parts: As for :func:`format_summary`.

    >>> page = summary_as_html("<b>", [("", "Linear", [Value(1.0)])])
    >>> "&lt;b&gt;" in page, page.count("<tr>")
    (True, 2)
    """
    first, *rows = _rows(parts, None)
    left_out = len(rows) - _MOST_ROWS
    if left_out > 0:
        rows = [*rows[:_MOST_ROWS], [f"… and {left_out:,} more", "", "", ""]]
    lines = [_row_as_html("th", first), *(_row_as_html("td", row) for row in rows)]
    return f'<table><caption style="text-align: left">{html.escape(caption)}</caption>{"".join(lines)}</table>'


def _row_as_html(kind: str, cells: Sequence[str]) -> str:
    made = [
        f'<{kind} style="text-align: {"left" if k < 2 else "right"}">{html.escape(cell)}</{kind}>'
        for k, cell in enumerate(cells)
    ]
    return f"<tr>{''.join(made)}</tr>"


def _rows(parts: Iterable[tuple[str, str, list[Value]]], shapes: Mapping[str, str] | None) -> list[list[str]]:
    output = [] if shapes is None else ["output"]
    rows = [["module", "type", *output, "parameters", "trained"]]
    for name, kind, parameters in parts:
        shape = [] if shapes is None else [shapes.get(name, "")]
        trained = sum(parameter.requires_grad for parameter in parameters)
        rows.append([name, kind, *shape, f"{len(parameters):,}", f"{trained:,}"])
    return rows


def align(rows: Sequence[Sequence[str]], texts: int) -> str:
    """Align the cells of a table: the first ``texts`` columns on the left, the numbers after them on the right.

    >>> print(align([("loss", "epoch"), ("0.5", "1")], 1))
    loss  epoch
    0.5       1
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k < texts else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def describe_shape(output: Any) -> str:
    """Describe the shape of what a module gave; of several outputs, that of each.

    >>> describe_shape([1.0, 2.0]), describe_shape(([1.0], [[2.0, 3.0]]))
    ('(2,)', '((1,), (1, 2))')
    """
    try:
        return str(shape_of(output))
    except (TypeError, ValueError):
        return "(" + ", ".join(map(_describe_part, output)) + ")"


def _describe_part(part: Any) -> str:
    try:
        return str(shape_of(part))
    except (TypeError, ValueError):
        return "..."
