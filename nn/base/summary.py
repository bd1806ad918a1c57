"""The table of a model's modules, from what the model says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinygrad_lite.nn.base.shapes import shape_of
from tinygrad_lite.value import Value


def format_summary(parts: Iterable[tuple[str, str, list[Value]]], shapes: Mapping[str, str] | None) -> str:
    """Format the table that :meth:`Module.summary` gives.

    Args:
        parts: Name, type and parameters of each module.
        shapes: The shape of the output of each that was called, by name; None leaves the column out.

    >>> print(format_summary([("", "Linear", [Value(1.0)])], None))
    module  type    parameters  trained
            Linear           1        1
    """
    output = [] if shapes is None else ["output"]
    rows = [["module", "type", *output, "parameters", "trained"]]
    for name, kind, parameters in parts:
        shape = [] if shapes is None else [shapes.get(name, "")]
        trained = sum(parameter.requires_grad for parameter in parameters)
        rows.append([name, kind, *shape, f"{len(parameters):,}", f"{trained:,}"])
    return align(rows, 2 + len(output))


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
