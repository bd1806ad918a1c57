"""What the picture of a program says, before it is drawn: its boxes, one for each group, and the links between them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Groups, Loop, Ref, Term
from tinygrad_lite.lift.ir.loop_bodies import reads_earlier_step
from tinygrad_lite.lift.source.listing import Listed, is_uniform, list_statements
from tinygrad_lite.lift.source.naming import find_forward_groups

Place = tuple[int, ...]

#: Of a group that is opened so many scalars are drawn, of a matrix in rows of at most so many.
CELLS: Final = 64
_COLUMNS: Final = 8
#: Between two opened vectors so many lines from scalar to scalar are drawn; in place of more, one line.
_LINES: Final = 64


class Box(NamedTuple):
    """A group in a picture."""

    #: its place in the program
    number: int
    group: Group
    line: Listed
    is_backward: bool
    is_result: bool
    #: the scalars that are shown, in rows; none, unless it is opened
    cells: list[list[Place]]

    @property
    def is_computed(self) -> bool:
        """Whether it is no input and no constant."""
        return bool(self.line.parts)

    @property
    def scalars(self) -> int:
        """How many scalars, of one sample, the graph has."""
        return self.group.size if self.group.present is None else int(np.count_nonzero(self.group.present))

    def has(self, place: Place) -> bool:
        """Whether the graph has the scalar there."""
        return self.group.present is None or bool(self.group.present[place])


class Link(NamedTuple):
    """From a group to one that reads it, once, however often it does."""

    tail: int
    head: int
    #: which scalar reads which; none, where the groups are not both opened, and vectors or numbers
    cells: list[tuple[Place, Place]]
    #: whether all that is read belongs to earlier steps of the loop that both are in
    is_carried: bool = False


class Frame(NamedTuple):
    """A loop over steps in a picture."""

    #: the numbers of its groups
    members: list[int]
    steps: int
    #: the names of what one step hands over to the next
    carried: list[str]
    #: the number of the frame that it stands in
    within: int | None = None

    @property
    def title(self) -> str:
        """How many steps there are, and what they hand over."""
        return f"{self.steps} steps" + (f", each hands over {', '.join(self.carried)}" if self.carried else "")


class ProgramPicture(NamedTuple):
    """All that is drawn."""

    boxes: list[Box]
    links: list[Link]
    frames: list[Frame]


def compose(program: Groups, expand: Any = (), lines: Sequence[Listed] | None = None) -> ProgramPicture:
    """Return the boxes and links of a picture. Constants that are one number are no boxes: they stand in the
    statements.

    Args:
        program: The program.
        expand: Which groups are shown with their scalars: a name, several, or a number, for all that have at most so
            many scalars.
        lines: The statement of each group, if they are written already.

    Raises:
        TypeError: ``expand`` is none of these.
        ValueError: No group has that name; the message says the nearest.

    >>> from tinygrad_lite.lift.ir.groups import Index
    >>> along = (Index(0, ((0, 1),)),)
    >>> picture = compose(Groups([Group("input", (3,), path="x"), Group("map", (3,), "exp", (Ref(0, along),))], [0]), 3)
    >>> [box.line.text for box in picture.boxes], picture.links[0].cells[2]
    (['x', 't1 = exp(x)'], ((2,), (2,)))
    """
    lines = lines or list_statements(program)
    drawn = [n for n, group in enumerate(program.groups) if group.kind != "constant" or not is_uniform(group)]
    opened = _opened(program, drawn, expand)
    forward = find_forward_groups(program)
    results = {output.ref.group for output in program.outputs}
    boxes = {
        n: Box(
            n,
            program.groups[n],
            lines[n],
            n not in forward and bool(lines[n].parts),
            n in results,
            _cells(program.groups[n]) if n in opened else [],
        )
        for n in drawn
    }
    links = [
        Link(
            read,
            box.number,
            _lines(program, boxes[read], box) if box.cells and boxes[read].cells else [],
            _is_carried(program, box.number, read),
        )
        for box in boxes.values()
        for read in dict.fromkeys([ref.group for ref in box.group.refs()])
        if read in boxes
    ]
    links.sort(key=lambda link: link.is_carried)
    frames = [_frame(program, loop) for loop in program.loops]
    return ProgramPicture(list(boxes.values()), links, frames)


def _frame(program: Groups, loop: Loop) -> Frame:
    members = list(range(loop.start, loop.stop))
    refs = [ref for reader in members for ref in _list_operands(program, reader)]
    read = {ref.group for ref in refs if reads_earlier_step(program, ref, [loop])}
    around = [k for k, other in enumerate(program.loops) if other.start <= loop.start < other.stop]
    within = next((k for k in around if program.loops[k].axis == loop.axis - 1), None)
    return Frame(members, loop.steps, [program.groups[number].name for number in members if number in read], within)


def _is_carried(program: Groups, reader: int, read: int) -> bool:
    """Whether a group reads nothing of another but rows of earlier steps of their loop."""
    loops = program.find_nesting().get(reader, ())
    refs = [ref for ref in _list_operands(program, reader) if ref.group == read]
    return bool(refs) and all(reads_earlier_step(program, ref, loops) for ref in refs)


def _list_operands(program: Groups, reader: int) -> list[Ref]:
    """List what a group reads at the steps of loops around it: all but initial rows that are copied before them."""
    group = program.groups[reader]
    factors = [ref for term in group.terms for ref in term.factors]
    return [*group.operands, *factors, *(group.initial if group.axis else ())]


def _opened(program: Groups, drawn: Iterable[int], expand: Any) -> set[int]:
    """Return the numbers of the groups that are shown with their scalars."""
    if isinstance(expand, int) and not isinstance(expand, bool):
        return {n for n in drawn if program.groups[n].size <= expand}
    names = [expand] if isinstance(expand, str) else list(expand) if isinstance(expand, Iterable) else [expand]
    if not all(isinstance(name, str) for name in names):
        raise TypeError(
            "expand takes names of groups, such as 'z1', or a number of scalars up to which all groups are shown with "
            f"theirs; not {expand!r:.80}"
        )
    number = {program.groups[n].name: n for n in drawn}
    for name in names:
        if name not in number:
            near = difflib.get_close_matches(name, number, n=3) or list(number)[:8]
            raise ValueError(f"the program has no group {name!r:.80}; there are {', '.join(near)}")
    return {number[name] for name in names}


def _cells(group: Group) -> list[list[Place]]:
    """Return the places that are drawn, in rows along the last axis; as many as have room."""
    if not group.shape:
        return [[()]]
    columns = min(group.shape[-1], CELLS if len(group.shape) == 1 else _COLUMNS)
    rows: list[list[Place]] = []
    for before in np.ndindex(*group.shape[:-1]):
        if (len(rows) + 1) * columns > CELLS:
            break
        rows.append([(*before, column) for column in range(columns)])
    return rows


def _lines(program: Groups, tail: Box, head: Box) -> list[tuple[Place, Place]]:
    """Which drawn scalar reads which; none, if there are too many lines."""
    if max(len(tail.group.shape), len(head.group.shape)) > 1 or head.is_backward != tail.is_backward:
        return []  # lines to the inside of a grid hide what they cross
    shown = {place for row in tail.cells for place in row}
    found: dict[tuple[Place, Place], None] = {}
    for row in head.cells:
        for place in row:
            for read in _reads(program, tail.number, head.group, place) if head.has(place) else ():
                if read in shown:
                    found[read, place] = None
                if len(found) > _LINES:
                    return []
    return list(found)


def _reads(program: Groups, source: int, group: Group, place: Place) -> Iterator[Place]:
    """Yield the places of a group that a scalar reads."""
    pairs: list[tuple[Ref, Term | None]] = [(ref, None) for ref in group.operands]
    pairs += [(ref, term) for term in group.terms for ref in term.factors]
    shape = program.groups[source].shape
    if group.initial:
        row = place[0] - len(group.initial)
        if row < 0:
            pairs, place = [(group.initial[place[0]], None)], place[1:]
        else:
            place = (row, *place[1:])
    for ref, term in pairs:
        if ref.group == source:
            reduced = term.reduced if term else ()
            for inner in np.ndindex(*reduced):
                grid = [np.asarray(k) for k in (*place, *inner)]
                if term and term.mask is not None and not term.mask[tuple([grid[axis] for axis in term.axes])]:
                    continue
                at = [int(index.at(grid)) for index in ref.index]
                yield tuple([int(k) for k in np.unravel_index(at[0], shape)]) if ref.flat else tuple(at)
