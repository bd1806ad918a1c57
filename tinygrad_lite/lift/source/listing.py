"""Each group as a statement of its own, with nothing written into it that has a statement itself.

The source of a program (:mod:`tinygrad_lite.lift.source.emit`) puts small statements into the lines that read them.
Messages and pictures speak of one group at a time; here is the text for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tinygrad_lite.lift.ir.groups import Group, Groups
from tinygrad_lite.lift.source.averaging import Averaging, place_divisions
from tinygrad_lite.lift.source.blocks import Block
from tinygrad_lite.lift.source.bound_constants import BoundConstants
from tinygrad_lite.lift.source.fragments import Fragment
from tinygrad_lite.lift.source.loop_statements import list_steps
from tinygrad_lite.lift.source.naming import name_groups
from tinygrad_lite.lift.source.statements import write_shape
from tinygrad_lite.lift.source.terms import find_axes


@dataclass(frozen=True)
class Listed:
    """A group as text.

    Attributes:
        name: Of its array; of a group in a loop, with the row that a step computes: ``h[t + 1]``.
        parts: What it is computed as; of a sum, term by term. Nothing, of inputs and constants.
        shape: Of its array, ``(16, n)``; nothing, of one number.
    """

    name: str
    parts: tuple[str, ...]
    shape: str

    @property
    def text(self) -> str:
        """The statement."""
        return f"{self.name} = {' '.join(self.parts)}" if self.parts else self.name


def list_statements(program: Groups, *, divided: bool = True) -> list[Listed]:
    """Write the statement of each group, in order.

    Args:
        program: A valid program. Groups without a name get one.
        divided: Whether means over the samples divide where the source does
            (:mod:`tinygrad_lite.lift.source.averaging`), and not where they are computed.

    >>> from tinygrad_lite.lift.ir.groups import Index, Ref, Term
    >>> along, weight = Index(0, ((1, 1),)), (Index(0, ((0, 1),)), Index(0, ((1, 1),)))
    >>> product = Group("sum", (2,), terms=(Term((Ref(0, weight), Ref(1, (along,))), (3,)),))
    >>> [line.text for line in list_statements(Groups([Group("input", (2, 3)), Group("input", (3,)), product], [0, 1]))]
    ['x1', 'x2', 'z1 = x1 @ x2']
    """
    if not all(group.name for group in program.groups):
        name_groups(program)
    groups = [_as_array(group) for group in program.groups]
    names = [group.name for group in groups]
    divisions = place_divisions(program) if divided else Averaging(frozenset(), frozenset(), frozenset())
    block = Block(groups, BoundConstants(set(names)), "numpy", divisions)
    block.fragments.update({number: Fragment(name) for number, name in enumerate(names)})
    outer = [loop for loop in program.loops if not loop.axis]
    steps = {loop.start: list_steps(block, replace(program, groups=groups), loop) for loop in outer}
    rows = {start + place: line for start, lines in steps.items() for place, line in enumerate(lines)}
    found = []
    for number, group in enumerate(groups):
        parts: tuple[str, ...] = ()
        name = group.name
        if number in rows:
            name, parts = rows[number].name, tuple(rows[number].parts)
        elif group.kind in ("map", "sum", "fold"):
            text = block.write_whole(number).text
            told = block.statements.parts
            parts = tuple(told) if " ".join(told) == text else (text,)
        found.append(Listed(name, parts, write_shape(group) if find_axes(group) else ""))
    return found


def _as_array(group: Group) -> Group:
    """Name a constant of many numbers; one that is the same everywhere is written out."""
    if group.kind != "constant" or group.data is None or not group.data.size or is_uniform(group):
        return group
    return replace(group, kind="input")


def is_uniform(group: Group) -> bool:
    """Whether a constant is one number, everywhere."""
    return group.data is not None and len(set(group.data.ravel().tolist())) == 1
