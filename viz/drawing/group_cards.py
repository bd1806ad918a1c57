"""The cards of what stands for many nodes: a group of the same shape, or a module."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_lite.plotting.themes import Theme
from tinygrad_lite.value import Value
from tinygrad_lite.viz.drawing.cards import Mark, Style, between, cell, failure_rows, font, number, row, table, title
from tinygrad_lite.viz.drawing.palette import text_colour_of
from tinygrad_lite.viz.reading.labels import in_tooltip, shortened
from tinygrad_lite.viz.reading.node_operations import operation_of, symbol
from tinygrad_lite.viz.reading.patterns import pattern

#: So many different numbers are written out; of more the range is.
_FEW = 4


def group_card(nodes: Sequence[Value], style: Style, mark: Mark) -> str:
    """Return what is drawn for nodes of the same shape: the operation, how many they are, and the ranges of their
    numbers.

    Args:
        nodes: At least two.
        style: How.
        mark: What is special about them.

    Returns:
        An HTML-like label, in its angle brackets.
    """
    theme = style.theme
    first = nodes[0]
    times = font(theme.muted, f"×{len(nodes):,}")
    name = pattern([style.name_of(node) for node in nodes])
    if all(node.is_constant for node in nodes):
        words = font(theme.muted, " ".join(filter(None, (shortened(name), numbers(nodes, style.precision)))))
        return f"<{table(theme, '', rows=[cell(f'{words}  {times}')], border=0)}>"
    head = title(name, symbol(first), theme)
    rows = [cell(f"{head}  {times}" if name or symbol(first) else times, span=2)]
    if mark.failure:
        rows += failure_rows(mark.failure, theme)
    elif mark.is_stale:
        rows.append(cell(font(theme.muted, "not evaluated"), span=2))
    else:
        rows += _ranges(nodes, style)
    fill = theme.output if mark.is_output else theme.leaf if first.is_leaf else theme.interior
    if mark.failure:
        fill = theme.failure_fill
    return f"<{_stacked(rows, fill, style, mark)}>"


def module_card(
    path: str, module: Any, nodes: Sequence[Value], outputs: Sequence[Value], style: Style, mark: Mark
) -> str:
    """Return what is drawn for a module: its name, what it is, its outputs and the size of its gradient.

    Args:
        path: Its name.
        module: The module.
        nodes: All nodes that belong to it.
        outputs: Those that others use.
        style: How.
        mark: What is special about them.

    Returns:
        An HTML-like label, in its angle brackets.
    """
    theme = style.theme
    rows = [cell(title(path, "", theme), span=2), cell(font(theme.muted, described(module)), span=2)]
    leaves = _trained(nodes)
    if mark.failure:
        rows += failure_rows(mark.failure, theme)
    elif not mark.is_stale:
        if outputs and "data" in style.show:
            rows.append(row(_plural(len(outputs), "output"), _range(_data(outputs), style), theme.ink, theme))
        if leaves and "grad" in style.show:
            text = number(norm(leaf.grad for leaf in leaves), style.precision)
            rows.append(row(f"‖grad‖ of {len(leaves):,}", text, theme.ink, theme))
    fill = theme.failure_fill if mark.failure else theme.module
    colour, border = _border(mark, theme)
    return f"<{table(theme, fill, rows=rows, colour=colour, border=border)}>"


def group_details(nodes: Sequence[Value], style: Style) -> str:
    """Return what the pointer shows over a group.

    Args:
        nodes: Of the group.
        style: How its card is written.

    Returns:
        The value of a ``tooltip`` attribute.
    """
    lines = [f"{len(nodes):,} nodes of the same shape"]
    names = list(dict.fromkeys(filter(None, map(style.name_of, nodes))))
    if names:
        lines.append(", ".join(names[:20]) + (", …" if len(names) > 20 else ""))
    if not nodes[0].is_leaf:
        operation = operation_of(nodes[0])
        lines.append(f"{operation.name}: {operation.doc}")
    lines.append(f"data from {min(_data(nodes))!r} to {max(_data(nodes))!r}")
    if not nodes[0].is_constant:
        lines.append(f"grad from {min(_grad(nodes))!r} to {max(_grad(nodes))!r}")
    return in_tooltip(*lines)


def module_details(path: str, module: Any, nodes: Sequence[Value]) -> str:
    """Return what the pointer shows over a module.

    Args:
        path: Its name.
        module: The module.
        nodes: All nodes that belong to it.

    Returns:
        The value of a ``tooltip`` attribute.
    """
    leaves = _trained(nodes)
    operations = sum(not node.is_leaf for node in nodes)
    lines = [path, described(module), f"{_plural(operations, 'operation')}, drawn as one"]
    if leaves:
        size = norm(leaf.grad for leaf in leaves)
        lines.append(f"gradient of {_plural(len(leaves), 'parameter')}: Euclidean norm {size!r}")
    return in_tooltip(*lines)


def described(module: Any) -> str:
    """Return what a module is: its class and what it was made with.

    Args:
        module: A ``Module``, or another object with parameters.

    >>> from tinygrad_lite.nn.layers.layers import Layer
    >>> described(Layer(2, 3))
    "Layer(2, 3, activation='relu')"
    """
    extra = getattr(module, "extra_repr", None)
    return f"{type(module).__name__}({extra()})" if callable(extra) else type(module).__name__


def numbers(nodes: Sequence[Value], precision: int) -> str:
    """Return the numbers of constants, if they are few, or else their range.

    Args:
        nodes: At least one.
        precision: Significant digits.

    >>> numbers([Value(0.0), Value(1.0), Value(0.0)], 4)
    '0, 1'
    """
    distinct = sorted(set(_data(nodes)))
    if len(distinct) <= _FEW:
        return ", ".join(number(x, precision) for x in distinct)
    return between(min(distinct), max(distinct), precision)


def norm(numbers: Iterable[float]) -> float:
    """Return the Euclidean norm.

    Args:
        numbers: Of a vector.

    >>> norm([3.0, 4.0])
    5.0
    """
    return math.hypot(*numbers)


def _ranges(nodes: Sequence[Value], style: Style) -> list[str]:
    rows = []
    if "data" in style.show:
        rows.append(row("data", _range(_data(nodes), style), style.theme.ink, style.theme))
    if "grad" in style.show:
        grads = _grad(nodes)
        low, high = min(grads), max(grads)
        one_sign = low == high or low * high > 0.0
        colour = text_colour_of(high if high else low, style.theme) if one_sign else style.theme.muted
        rows.append(row("grad", _range(grads, style), colour, style.theme))
    return rows


def _range(found: Sequence[float], style: Style) -> str:
    if any(x != x for x in found):
        return "nan"
    return between(min(found), max(found), min(style.precision, 3))


def _stacked(rows: Sequence[str], fill: str, style: Style, mark: Mark) -> str:
    """Return a card with a second border, as of cards in a pile."""
    theme = style.theme
    colour, border = _border(mark, theme)
    inner = table(theme, fill, rows=rows, colour=colour, border=border)
    outer = (
        f'BORDER="1" COLOR="{colour}" STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="0" CELLPADDING="2" BGCOLOR="{fill}"'
    )
    return f"<TABLE {outer}><TR><TD>{inner}</TD></TR></TABLE>"


def _border(mark: Mark, theme: Theme) -> tuple[str, int]:
    """Return the colour and the width of the border of a card for many nodes."""
    strong = mark.is_output or mark.is_highlighted
    colour = theme.failure if mark.failure else theme.ink if strong else theme.muted
    return colour, 3 if mark.is_highlighted else 2 if strong or mark.failure else 1


def _trained(nodes: Sequence[Value]) -> list[Value]:
    return [node for node in nodes if node.is_leaf and not node.is_constant]


def _data(nodes: Sequence[Value]) -> list[float]:
    return [node.data for node in nodes]


def _grad(nodes: Sequence[Value]) -> list[float]:
    return [node.grad for node in nodes]


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
