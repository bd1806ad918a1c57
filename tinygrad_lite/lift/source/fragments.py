"""Pieces of array source: text, how tightly its outermost operator binds, and which axis each dimension is.

Parentheses are set by precedence (:mod:`~tinygrad_lite.lift.source.precedence`), so that a piece can be put into any
other. The last bracket of a piece stays open for more: ``b1[0]`` read as a column is ``b1[0, :, None]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinygrad_lite.lift.source.precedence import ATOM, COMPARE, OPERATORS, Text, access, infix, wrap, write_minus

#: The label of the dimension over the samples, which is always an array's last one.
BATCH = -1


@dataclass(frozen=True)
class Fragment:
    """A piece of source.

    Attributes:
        base: Its text, without the last bracket.
        tightness: How tightly the outermost operator of ``base`` binds.
        axes: For each dimension of the array the axis that runs along it; None for a dimension of size 1.
        items: What stands in the last bracket, an item for each dimension of ``base``; None if it has been closed.
        boolean: Whether its elements are True and False, not numbers.
        number: The number, of a literal.
    """

    base: str
    tightness: int = ATOM
    axes: tuple[int | None, ...] = ()
    items: tuple[str, ...] | None = None
    boolean: bool = False
    number: float | None = None

    @property
    def bracketed(self) -> bool:
        """Whether the last bracket says anything."""
        return self.items is not None and any(item != ":" for item in self.items)

    @property
    def level(self) -> int:
        """How tightly the outermost operator of the text binds."""
        return ATOM if self.bracketed else self.tightness

    @property
    def text(self) -> str:
        """The source."""
        if not self.bracketed or self.items is None:
            return self.base
        items = list(self.items)
        while items[-1] == ":":
            items.pop()
        return f"{self._atom_base()}[{', '.join(items)}]"

    def _atom_base(self) -> str:
        return self.base if self.tightness == ATOM else f"({self.base})"

    def wrap(self, level: int) -> str:
        """Put the text in parentheses unless it binds at least as tightly."""
        return wrap(self, level)

    def call_method(self, call: str, axes: tuple[int | None, ...]) -> Fragment:
        """Write ``piece.call``, whose result has those axes."""
        return Fragment(access(self, call), ATOM, axes, None, self.boolean)

    def open(self) -> tuple[str, ...]:
        """Take the items of the last bracket, if it is open; otherwise those of a new one."""
        return self.items if self.items is not None else (":",) * len(self.axes)

    def with_items(self, items: Sequence[str], axes: Sequence[int | None]) -> Fragment:
        """Give the same base another last bracket."""
        return replace(self, items=tuple(items), axes=tuple(axes))

    def with_axes(self, axes: Sequence[int | None]) -> Fragment:
        """Say that the text's dimensions run along those axes."""
        return replace(self, axes=tuple(axes))

    def close(self) -> Fragment:
        """Let the last bracket take no more."""
        return Fragment(self.text, self.level, self.axes, None, self.boolean)

    def insert_axes(self, places: Sequence[int]) -> Fragment:
        """Insert a dimension of size 1 before each of those dimensions (the number of dimensions: at the end)."""
        items: list[str] = []
        axes: list[int | None] = []
        dimension = 0
        for item in self.open():
            if ":" not in item and item != "None":  # a place
                items.append(item)
                continue
            for _ in range(places.count(dimension)):
                items.append("None")
                axes.append(None)
            items.append(item)
            axes.append(self.axes[dimension])
            dimension += 1
        items.extend(["None"] * places.count(dimension))
        axes.extend([None] * places.count(dimension))
        return self.with_items(items, axes)

    def as_number(self) -> Fragment:
        """Make numbers of the elements, where they are True and False."""
        if not self.boolean:
            return self
        return Fragment(*infix("*", literal(1.0), self), self.axes)


def literal(number: float) -> Fragment:
    """Write a number out."""
    text = Text.of(number)
    return Fragment(text.text, text.level, number=number)


def operand(fragment: Fragment, other: Fragment) -> Fragment:
    """Write a literal beside an operator: 2, not 2.0, where the other side makes the result a float."""
    number = fragment.number
    if number is None or other.boolean or other.number is not None or not abs(number) < 1e6 or number != int(number):
        return fragment
    if number == 0 and str(number).startswith("-"):
        return fragment
    return replace(fragment, base=str(int(number)))


def join(fragments: Sequence[Fragment]) -> tuple[int | None, ...]:
    """Find the axes of what broadcasting makes of pieces; they are aligned, so that axes meet from the right."""
    length = max((len(f.axes) for f in fragments), default=0)
    found: list[int | None] = [None] * length
    for fragment in fragments:
        for place, axis in enumerate(fragment.axes, length - len(fragment.axes)):
            found[place] = axis if axis is not None else found[place]
    return tuple(found)


def binary(symbol: str, left: Fragment, right: Fragment, axes: tuple[int | None, ...] | None = None) -> Fragment:
    """Write two pieces with one of Python's operators between them."""
    if symbol not in "+-*" or left.boolean == right.boolean:  # what is divided may get a minus, which booleans have not
        left, right = left.as_number(), right.as_number()
    if symbol == "*" and left.boolean and not right.boolean:
        left, right = right, left
    both = join((left, right)) if axes is None else axes
    left, right = operand(left, right), operand(right, left)
    return Fragment(*infix(symbol, left, right), both, boolean=OPERATORS[symbol].level == COMPARE)


def negate(fragment: Fragment) -> Fragment:
    """Write minus a piece."""
    if fragment.number is not None:
        return literal(-fragment.number)
    fragment = fragment.as_number()
    return Fragment(*write_minus(fragment), fragment.axes)


def call(name: str, arguments: Sequence[Fragment], axes: tuple[int | None, ...]) -> Fragment:
    """Write a function of pieces."""
    return Fragment(f"{name}({', '.join(argument.text for argument in arguments)})", ATOM, axes)
