"""What there is after each pass of ``lift``: kept on request, to be read, and to be drawn.

:mod:`~tinygrad_lite.lift.passes` tells whoever watches when a pass is done; a :class:`Recorder` watches and keeps
copies. Nobody does where a program is merely made. What a pass does, and why it is right, is told by its :class:`Pass`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tinygrad_lite.lift.canonical.canonicalize import Canonical
from tinygrad_lite.lift.grouping.input_groups import InputGroups
from tinygrad_lite.lift.ir.groups import Group, Groups, copy_groups
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.source.listing import Listed, is_uniform, list_statements
from tinygrad_lite.lift.source.naming import is_temporary, name_groups
from tinygrad_lite.lift.tracing.trace import Graph


@dataclass(frozen=True)
class Pass:
    """A pass of ``lift``.

    Attributes:
        title: What it is called.
        does: What it does, in a sentence or two.
        sound: Why its result is the same function.
    """

    title: str
    does: str
    sound: str


TRACE: Final = Pass(
    "Trace",
    "The function was run once, on Values: what it recorded is its graph, a scalar for each step of arithmetic. The "
    "chain rule computes in Values too, so that a gradient is part of the same graph.",
    "Nothing is decided here: what the graph says is kept to the letter, and a function that reads a number out of it "
    "is refused.",
)
CANONICAL: Final = Pass(
    "Canonical form",
    "Each thing is written in one way. A chain of additions becomes one sum of any number of terms, each with a sign; "
    "a dot falls apart into products and such a sum; a minus moves out of products into the sum above.",
    "Each rewriting is an identity of real numbers: at most a sum is added up in another order, nothing is divided, "
    "and nothing moves past a comparison.",
)
GROUPS: Final = Pass(
    "Groups",
    "Scalars that have the same operation, and whose operands belong together, become one group. Where each of them "
    "reads tells the axes of its grid, and a sum of products over one more axis is a matrix product.",
    "The scalars of a group do not depend on one another, and each keeps exactly its own operands: what is said of "
    "their places was checked on every one of them.",
)
SAMPLES: Final = Pass(
    "Samples",
    "What one sample gives becomes the mean, or the sum, over all samples. A product that is averaged becomes a "
    "contraction over the samples.",
    "A mean and a sum are linear: they may be taken term by term, and after a factor that all samples share.",
)
UNREAD: Final = Pass(
    "Unread groups",
    "Groups on which no result depends are left out.",
    "No result is computed from them.",
)
CONSTANTS: Final = Pass(
    "Equal constants",
    "Constants with the same numbers become one.",
    "Whoever read the one reads the same numbers in the other.",
)
ONES: Final = Pass(
    "Factors of 1",
    "A factor of 1 goes, and what is a copy of another group then is that group. The factor had been kept so that "
    "scalars multiplied by 1 look like those multiplied by 2.",
    "x · 1 is x, to the bit.",
)
AXES: Final = Pass(
    "Axes of results",
    "A group that one result alone reads, along exchanged axes, gets the axes of the result.",
    "The same scalars stand in another order, each with its own operands.",
)
STEPS: Final = Pass(
    "Steps",
    "Statements that repeat, step after step, become one, with the steps as its first axis. What needs the step before "
    "it becomes a loop; what does not is computed for all steps at once. Loops within loops are found from the inside.",
    "Only what is alike becomes one, and whom it reads was checked at every step. Undone, the loops are the statements "
    "that they were made of; sums over steps are added up in another order.",
)
SOURCE: Final = Pass(
    "Source",
    "Each group is a statement. One that is read once, and has no name of its own, is written into the line that reads "
    "it; a division by the number of samples moves to where the array is small.",
    "Text is made from the structure of the groups and from safe names only. Then the program was run beside the "
    "function, on inputs that it had not seen, before anyone got it.",
)


def find_reached(graph: Graph | Canonical) -> list[int]:
    """Find the nodes that the results of a graph are computed from, these included, in the order of their numbers."""
    found, waiting = {int(root) for root in graph.roots}, [int(root) for root in graph.roots]
    while waiting:
        node = waiting.pop()
        for operand in graph.operands[graph.starts[node] : graph.starts[node + 1]].tolist():
            if operand not in found:
                found.add(operand)
                waiting.append(operand)
    return sorted(found)


#: Is told what there is after a pass.
Watch = Callable[[Pass, Any], None]


def ignore(done: Pass, found: Any) -> None:
    """Watch nothing."""


@dataclass(eq=False)
class Stage:
    """The groups that there are after a pass.

    Attributes:
        done: The pass.
        program: The groups; each has a name.
        lines: Each of them as a statement.
        sources: For each group those of the stage before that it was made of; at the first stage nothing.
    """

    done: Pass
    program: Groups
    lines: list[Listed]
    sources: list[list[int]]

    @property
    def statements(self) -> list[Listed]:
        """The statements of what is computed."""
        return [line for line in self.lines if line.parts]

    def is_shown(self, number: int) -> bool:
        """Whether a group is worth a place of its own: a constant that is one number stands in the statements."""
        group = self.program.groups[number]
        return group.kind != "constant" or not is_uniform(group)


@dataclass(eq=False)
class Passes:
    """A function after each pass of ``lift``: what ``lift(f).passes_for(...)`` gives.

    ``print`` lists the passes; :func:`tinygrad_lite.viz.explore` makes a page of them.

    Attributes:
        name: Of the function.
        graph: What was recorded.
        canonical: The same in canonical form.
        inputs: Which leaves of these are which of the arguments' numbers.
        stages: The groups after the passes that changed them.
        program: What came out, proved.
    """

    name: str
    graph: Graph
    canonical: Canonical
    inputs: InputGroups
    stages: list[Stage]
    program: Program

    def __repr__(self) -> str:
        return f"<passes of {self.name}: {len(self.graph)} scalar nodes, {len(self.stages[-1].statements)} statements>"

    def __str__(self) -> str:
        rows = [
            (done.title, f"{len(find_reached(graph)):,} scalar nodes")
            for done, graph in ((TRACE, self.graph), (CANONICAL, self.canonical))
        ]
        rows += [(stage.done.title, f"{len(stage.statements):,} groups") for stage in self.stages]
        rows.append((SOURCE.title, f"{self.program.source.count(chr(10)):,} lines"))
        return "\n".join([self.name, *(f"  {title:<20}{count}" for title, count in rows)])


@dataclass(eq=False)
class Recorder:
    """Watches the passes, and keeps what there is after each."""

    graph: Graph | None = None
    inputs: InputGroups | None = None
    canonical: Canonical | None = None
    snapshots: list[tuple[Pass, Groups, list[Group]]] = field(default_factory=list)

    def __call__(self, done: Pass, found: Any) -> None:
        """Keep what there is after a pass."""
        if done is TRACE:
            self.graph, self.inputs = found
        elif done is CANONICAL:
            self.canonical = found
        else:  # passes change groups: the copies are what there is now, the groups themselves tell who is who later
            self.snapshots.append((done, copy_groups(found), list(found.groups)))

    def finish(self, name: str, program: Program) -> Passes:
        """Make what is read and drawn of what was kept.

        Args:
            name: Of the function.
            program: What came out.
        """
        assert self.graph is not None
        assert self.inputs is not None
        assert self.canonical is not None
        sources: list[list[list[int]]] = [[[] for _ in self.snapshots[0][1].groups]]
        for (_, before, old), (_, after, new) in zip(self.snapshots, self.snapshots[1:], strict=False):
            sources.append(_find_sources(before, old, after, new, len(self.graph)))
        programs = [groups for _, groups, _ in self.snapshots]
        _name_alike(programs, sources)
        stages: list[Stage] = []
        for (done, groups, _), found in zip(self.snapshots, sources, strict=True):
            stage = Stage(done, groups, list_statements(groups, divided=False), found)
            if stages and _list_shown(stage) == _list_shown(stages[-1]):  # nothing that anybody sees has changed
                last = stages.pop()
                stage.done, stage.sources = last.done, _join(last.sources, found)
            stages.append(stage)
        return Passes(name, self.graph, self.canonical, self.inputs, stages, program)


def _list_shown(stage: Stage) -> list[Listed]:
    return [line for number, line in enumerate(stage.lines) if stage.is_shown(number)]


def _join(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> list[list[int]]:
    """Follow who was made of whom over two passes."""
    return [sorted({old for number in numbers for old in before[number]}) for numbers in after]


def _find_sources(
    before: Groups, old: Sequence[Group], after: Groups, new: Sequence[Group], nodes: int
) -> list[list[int]]:
    """Find which groups each group was made of: itself, or those that stood for its scalars."""
    place = {id(group): number for number, group in enumerate(old)}
    owner = np.full(nodes, -1, dtype=np.intp)
    for number, group in enumerate(before.groups):
        if group.nodes is not None:
            owner[group.nodes[group.nodes >= 0]] = number
    found = []
    for group, copy in zip(new, after.groups, strict=True):
        own = place.get(id(group))
        if own is not None:
            found.append([own])
            continue
        members = [] if copy.nodes is None else np.unique(owner[copy.nodes[copy.nodes >= 0]]).tolist()
        found.append([number for number in members if number >= 0])
    return found


def _name_alike(programs: Sequence[Groups], sources: Sequence[Sequence[Sequence[int]]]) -> None:
    """Name groups after what they become, as far as one becomes one: so they can be followed from pass to pass."""
    later: Groups | None = None
    for number in range(len(programs) - 1, -1, -1):
        groups = programs[number].groups
        name_groups(programs[number])
        if later is not None and len(later.loops) == len(programs[number].loops):
            becomes: dict[int, str] = {}
            for made, members in enumerate(sources[number + 1]):
                if len(members) == 1:
                    becomes.setdefault(members[0], later.groups[made].name)
            _rename(groups, becomes)
        later = programs[number]


def _rename(groups: Sequence[Group], names: dict[int, str]) -> None:
    """Give groups these names, and the others none of them."""
    used = set(names.values())
    fresh = _count_names(used)
    for number, group in enumerate(groups):
        if number in names:
            group.name = names[number]
        elif group.name in used or is_temporary(group.name):
            group.name = next(fresh)
        used.add(group.name)


def _count_names(used: set[str]) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if f"u{number}" not in used:
            yield f"u{number}"
