"""Statements one behind the other, those of a program or of one step of a loop, as lines of source.

A group that is read once and has no name of its own is written into the line that reads it, as long as that stays
short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tinygrad_lite.lift.ir.groups import Group
from tinygrad_lite.lift.source.averaging import Averaging
from tinygrad_lite.lift.source.bound_constants import BoundConstants
from tinygrad_lite.lift.source.fragments import Fragment, call
from tinygrad_lite.lift.source.naming import is_temporary
from tinygrad_lite.lift.source.statements import Statements, complete, write_shape
from tinygrad_lite.lift.source.terms import Scope, find_axes
from tinygrad_lite.lift.source.views import align

_LINE = 88
_INLINE = 48
#: Longer lines are broken.
WIDEST = 110
_COMMENTS_AT = 60
_TERMS = 32
_INDENT = "    "


@dataclass
class Line:
    """A statement: what it sets, the terms of its sum, for a line that is too long, and how deep it stands."""

    name: str
    parts: list[str]
    comment: str = ""
    depth: int = 1

    @property
    def text(self) -> str:
        """Its source."""
        indent = _INDENT * self.depth
        whole = f"{self.name} = {' '.join(self.parts)}" if self.name else " ".join(self.parts)
        if len(whole) <= WIDEST or len(self.parts) == 1:
            return indent + whole
        return "\n".join(
            [f"{indent}{self.name} = (", *(f"{indent}{_INDENT}{part}" for part in self.parts), f"{indent})"]
        )


class Block:
    """Statements in the making.

    Args:
        groups: What references number.
        constants: Where constant arrays are bound.
        dialect: ``"numpy"`` or ``"jax"``.
        divisions: Where means over the samples divide.
        kept: Groups that have lines of their own, as somebody else reads them.
        depth: How deep the lines stand.
        targets: What lines set instead of a variable of the group's name, by group: ``h[t + 1]``.
        names: What loops around it have named: steps, and what they carry.

    Attributes:
        lines: Those written so far.
        uses: How often each group is read.
        fragments: The text of each group that was written.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        constants: BoundConstants,
        dialect: str,
        divisions: Averaging,
        kept: Collection[int] = (),
        depth: int = 1,
        targets: dict[int, str] | None = None,
        names: Collection[str] = (),
    ) -> None:
        self.groups = groups
        self.constants = constants
        self.dialect = dialect
        self.kept = kept
        self.depth = depth
        self.targets = targets or {}
        self.names = names
        self.lines: list[Line] = []
        self.uses: Counter[int] = Counter()
        self.fragments: dict[int, Fragment] = {}
        self.scope = Scope(groups, self.fragments.__getitem__, constants, dialect)
        self.statements = Statements(self.scope, divisions, [group.name for group in groups])
        self._inlined: dict[int, list[str]] = {}

    def write(self, number: int) -> None:
        """Write a group: its line, or what other lines write for it."""
        group = self.groups[number]
        if group.kind == "input":
            self.fragments[number] = Fragment(group.name)
            return
        if group.kind == "constant":
            return
        fragment = self.write_whole(number)
        inlined = [n for n in dict.fromkeys(ref.group for ref in group.refs()) if n in self._inlined]
        inlined.sort(key=lambda n: len(self.fragments[n].text))
        while inlined and len(f"{group.name} = {fragment.text}") > _LINE:
            longest = inlined.pop()
            self._write_line(longest, self._inlined.pop(longest))
            fragment = self.write_whole(number)
        parts = self.statements.parts
        if number in self.targets:
            fragment = fragment.as_number()
        self.fragments[number] = fragment
        if self._may_be_inlined(number) and len(fragment.text) <= _INLINE:
            self._inlined[number] = parts
        else:
            self._write_line(number, parts)

    def write_whole(self, number: int) -> Fragment:
        """Write what a group is, with its initial rows."""
        group = self.groups[number]
        fragment = self.statements.write(number)
        return self._join_initial(group, fragment) if group.initial else fragment

    def read_initial(self, group: Group) -> list[Fragment]:
        """Write the initial rows of a group, with all their dimensions."""
        row = Group("map", group.row, batched=group.batched)
        rows = [self.scope.read(ref, row, (), group.batched).as_number() for ref in group.initial]
        return [complete(align(found, find_axes(row)), row) for found in rows]

    def _join_initial(self, group: Group, computed: Fragment) -> Fragment:
        """Write an array whose first rows are those of others."""
        rows = [row.insert_axes([group.axis]) for row in self.read_initial(group)]
        joined = Fragment(f"[{', '.join([*[row.text for row in rows], computed.as_number().text])}]")
        along = (Fragment(str(group.axis)),) if group.axis else ()
        return call("concatenate", (joined, *along), find_axes(group))

    def _may_be_inlined(self, number: int) -> bool:
        return self.uses[number] == 1 and number not in self.kept and is_temporary(self.groups[number].name)

    def _write_line(self, number: int, terms: list[str]) -> None:
        """Write the group's statement; from here on, its text is its name."""
        group, fragment = self.groups[number], self.fragments[number]
        target = self.targets.get(number, group.name)
        shape = f"# {write_shape(group)}" if find_axes(group) else ""
        parts = terms if " ".join(terms) == fragment.text else [fragment.text]
        for start in range(0, len(parts), _TERMS):
            some = parts[start : start + _TERMS]
            self.lines.append(Line(target, [target, *some] if start else some, shape, self.depth))
        self.fragments[number] = Fragment(target, boolean=fragment.boolean)


def add_comments(lines: Sequence[Line]) -> list[str]:
    """Put comments into one column, where lines are short enough."""
    column = max([len(line.text) for line in lines if line.comment and len(line.text) <= _COMMENTS_AT], default=0)
    return [
        f"{line.text.ljust(column)}  {line.comment}" if line.comment and "\n" not in line.text else line.text
        for line in lines
    ]
