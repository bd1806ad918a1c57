"""A graph as a tree of text, for the terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.value import Value, topological_order
from tinygrad_lite.viz.drawing.cards import SHOWN
from tinygrad_lite.viz.drawing.options import check_precision, check_root, shown
from tinygrad_lite.viz.reading.labels import shortened, visible
from tinygrad_lite.viz.reading.names import find_names
from tinygrad_lite.viz.reading.node_operations import symbol
from tinygrad_lite.viz.reading.staleness import Staleness, staleness

#: So many operands of a node are written, if it has more than one more.
_WIDE: Final = 12
#: Characters that turn the direction of the text around them; a terminal would show other lines than these.
_DIRECTION: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Tree:
    """Lines of text, which ``print`` and the interactive prompt show as they are.

    Attributes:
        lines: The lines.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = list(lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    __repr__ = __str__


class _Line(NamedTuple):
    text: str
    data: str = ""
    grad: str = ""


def tree(
    root: Value,
    *,
    depth: int | None = None,
    max_nodes: int = 100,
    precision: int = 4,
    show: Iterable[str] = SHOWN,
    names: Any = None,
) -> Tree:
    """Return the graph below a node as a tree of text: each node above its operands, with the local derivatives beside
    them.

    A node that is used several times is written out where it comes first, and named with an arrow, ``↑``, where it
    comes again; one without a name gets a number for that. Where something is left out there is a ``⋯``. Control
    characters in labels are written as pictures or escapes.

    Args:
        root: The node at the end of the graph.
        depth: How many operands of operands of operands... are followed.
        max_nodes: How many lines there may be, about; the nodes nearest to the root are kept.
        precision: Significant digits.
        show: Any of ``"data"``, ``"grad"`` and ``"local"``.
        names: Where nodes without a label get their name from: ``locals()``, or as for :func:`tinygrad_lite.viz.draw`.

    Returns:
        What prints as the tree.

    Raises:
        TypeError: ``root`` is not a Value, or an option is of another type.
        ValueError: An option is out of range.
        StaleGraphError: A leaf was changed since the graph was evaluated.

    >>> a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(10.0, label="c")
    >>> y = (a * b + c).relu() + a
    >>> y.backward()
    >>> tree(y)
                      data  grad
    +                    6     1
    ├─[1]─ ReLU          4     1
    │  └─[1]─ +          4     1
    │     ├─[1]─ *      -6     1
    │     │  ├─[-3]─ a   2    -2
    │     │  └─[2]─ b   -3     2
    │     └─[1]─ c      10     1
    └─[1]─ ↑ a
    """
    check_root(root)
    check_precision(precision)
    for name, bound in (("depth", depth), ("max_nodes", max_nodes)):
        if bound is not None and (not isinstance(bound, int) or bound < (name == "max_nodes")):
            raise ValueError(f"{name} is a number, at least {int(name == 'max_nodes')}, not {bound!r}")
    order = topological_order(root, leaves=True)
    writer = _Writer(
        names={} if names is None else find_names(names).values,
        state=staleness(order),
        precision=precision,
        show=shown(show),
        expanded=_expanded(root, depth, max_nodes),
    )
    return Tree(_aligned(writer.lines(root), writer.show))


def _expanded(root: Value, depth: int | None, max_nodes: int) -> set[int]:
    """Return the ids of the nodes below which operands are written: breadth first, until there are enough lines."""
    found: set[int] = set()
    seen = {id(root)}
    border = [root]
    lines = 1
    step = 0
    while border and (depth is None or step < depth):
        following: list[Value] = []
        for node in border:
            if node.is_leaf:
                continue
            operands = _written(node)
            if lines + len(operands) > max_nodes and lines > 1:
                return found
            lines += len(operands)
            found.add(id(node))
            following += [operand for operand in operands if id(operand) not in seen]
            seen.update(map(id, operands))
        border = list({id(node): node for node in following}.values())
        step += 1
    return found


def _written(node: Value) -> Sequence[Value]:
    operands = node.parents
    return operands if len(operands) <= _WIDE + 1 else operands[:_WIDE]


class _Writer:
    """Writes each node once."""

    def __init__(
        self, names: dict[int, str], state: Staleness, precision: int, show: frozenset[str], expanded: set[int]
    ) -> None:
        self.names = names
        self.state = state
        self.precision = precision
        self.show = show
        self.expanded = expanded
        self.numbers: dict[int, int] = {}
        self.written: set[int] = set()

    def lines(self, root: Value) -> list[_Line]:
        """Return the lines, not aligned yet."""
        self.numbers = self._numbered(root)
        found: list[_Line] = []
        # What is still to be written: a node, the branch that leads to it, and what stands before its operands.
        stack: list[tuple[Value | str, str, str]] = [(root, "", "")]
        while stack:
            node, branch, indent = stack.pop()
            if isinstance(node, str):
                found.append(_Line(branch + node))
                continue
            again = id(node) in self.written
            self.written.add(id(node))
            found.append(self._line(node, branch, again))
            if id(node) in self.expanded and not again:
                stack += reversed(self._below(node, indent))
        return found

    def _numbered(self, root: Value) -> dict[int, int]:
        """Numbers for nodes that are written more than once and have no name, in the order of the lines."""
        seen = {id(root)}
        repeated: dict[int, int] = {}
        stack = [root]
        while stack:
            node = stack.pop()
            if id(node) not in self.expanded:
                continue
            for operand in reversed(_written(node)):
                if id(operand) not in seen:
                    seen.add(id(operand))
                    stack.append(operand)
                elif not self._name(operand) and not operand.is_constant:
                    repeated.setdefault(id(operand), len(repeated) + 1)
        return repeated

    def _below(self, node: Value, indent: str) -> list[tuple[Value | str, str, str]]:
        operands = _written(node)
        left_out = len(node.parents) - len(operands)
        partials = node.partials if "local" in self.show and id(node) not in self.state.stale else ()
        found: list[tuple[Value | str, str, str]] = []
        for i, operand in enumerate(operands):
            last = i + 1 == len(operands) and not left_out
            local = ""
            if partials and not operand.is_constant:
                local = f"[{_number(partials[i], self.precision)}]─"
            found.append((operand, f"{indent}{'└─' if last else '├─'}{local} ", indent + ("   " if last else "│  ")))
        if left_out:
            found.append((f"⋯ {left_out:,} more operands", f"{indent}└─ ", ""))
        return found

    def _line(self, node: Value, branch: str, again: bool) -> _Line:
        name = self._name(node)
        if node.is_constant:
            return _Line(f"{branch}{f'{name} = ' if name else ''}{_number(node.data, self.precision)}")
        tag = f"#{self.numbers[id(node)]}" if id(node) in self.numbers else ""
        if again:
            return _Line(f"{branch}↑ {name or tag}")
        sign = symbol(node)
        title = f"{name} = {sign}" if name and sign else name or sign or "·"
        cut = " ⋯" if not node.is_leaf and id(node) not in self.expanded else ""
        text = branch + " ".join(filter(None, (title, tag))) + cut
        if id(node) in self.state.failures:
            return _Line(f"{text}  ✗ {visible(self.state.failures[id(node)])}")
        if id(node) in self.state.stale:
            return _Line(f"{text}  not evaluated")
        return _Line(text, _number(node.data, self.precision), _number(node.grad, self.precision))

    def _name(self, node: Value) -> str:
        name = shortened(visible(node.label or self.names.get(id(node), "")))
        return _DIRECTION.sub(lambda match: f"\\u{ord(match.group()):04x}", name)


def _aligned(lines: Sequence[_Line], show: frozenset[str]) -> list[str]:
    """Return the lines with their numbers in columns."""
    columns = [name for name in ("data", "grad") if name in show]
    left = max(map(_width, (line.text for line in lines if line.data)), default=0)
    widths = [max(len(name), *(len(getattr(line, name)) for line in lines)) for name in columns]
    found = []
    for line in [_Line("", "data", "grad"), *lines] if columns else lines:
        numbers = "  ".join(getattr(line, name).rjust(width) for name, width in zip(columns, widths, strict=True))
        padding = " " * (left - _width(line.text)) if line.data else ""
        found.append(f"{line.text}{padding}  {numbers}".rstrip())
    return found


def _width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.category(character) in ("Mn", "Me", "Cf") else 2 if wide else 1
        for character, wide in ((c, unicodedata.east_asian_width(c) in "WF") for c in text)
    )


def _number(x: float, precision: int) -> str:
    """Return a number as a terminal shows it, and as Python reads it."""
    return f"{x:.{precision}g}"
