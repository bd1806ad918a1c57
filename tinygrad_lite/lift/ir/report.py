"""What lifting tells about a program: how much was found, and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from tinygrad_lite.lift.ir.groups import Group, Groups

#: From so many statements on there is something to say of them; and from so many that are masked.
_MANY: Final = 40
_SOME: Final = 3
#: How often a kind of statement comes, on average, where a loop is written out.
_REPEATED: Final = 4
#: Fewer numbers in a statement are not worth a call of NumPy.
_NUMBERS: Final = 10
#: Which part of all statements is worth a word: one in so many.
_PART: Final = 4


@dataclass(eq=False)
class Report:
    """What lifting found, and what it cost. ``print(program.report())`` shows it.

    Attributes:
        name: Of the function.
        nodes: Scalar nodes of the trace.
        groups: Statements of the program: maps, sums and folds.
        contractions: Sums of products over at least one axis.
        gathers: Statements that read through a table of places instead of slices.
        masked: Statements that leave elements out of a sum.
        seconds: What each pass took.
        kinds: How many of its statements differ in more than what they read, or stand in a loop: far fewer than there
            are, where a loop over time or rows stands written out.
        runs: How often statements run in a call: those in a loop once for each step.
        difference: The largest difference on a probe, relative to what it is excused by: the largest number of the
            array that it stands in; where terms cancel, their size, about. No program with more than 1e-9 is given out.
        loops: How many loops over steps it has; their statements count once.
        sizes: How the program came to its sizes, where arguments are large: from which small traces it was made, or
            why it was traced whole.
        checkpoints: Where states of few steps are kept: of which.
        instructions: Of a tape how many it has, which computes scalar by scalar; 0 for groups.
    """

    name: str
    nodes: int
    groups: int
    contractions: int
    gathers: int
    masked: int
    seconds: dict[str, float] = field(default_factory=dict)
    difference: float = 0.0
    kinds: int = 0
    loops: int = 0
    runs: int = 0
    sizes: str = ""
    checkpoints: str = ""
    instructions: int = 0

    @classmethod
    def count(cls, name: str, nodes: int, program: Groups, seconds: dict[str, float]) -> Report:
        """Count what a program has.

        Args:
            name: Of the function.
            nodes: How many scalar nodes its graph has.
            program: What was made of them.
            seconds: What each pass took.
        """
        numbers = [n for n, group in enumerate(program.groups) if group.kind in ("map", "sum", "fold")]
        statements = [program.groups[number] for number in numbers]
        loops = program.find_nesting()
        return cls(
            name,
            nodes,
            len(statements),
            sum(any(len(t.factors) > 1 and (t.reduced or g.over) for t in g.terms) for g in statements),
            sum(any(i.table is not None for ref in g.refs() for i in ref.index) for g in statements),
            sum(any(t.mask is not None for t in g.terms) for g in statements),
            seconds,
            loops=len(program.loops),
            kinds=len({n if n in loops else _describe_kind(program.groups[n]) for n in numbers}),
            runs=sum(math.prod([loop.steps for loop in loops.get(n, ())]) for n in numbers),
        )

    @property
    def limits(self) -> list[str]:
        """What limits the program's speed or size most, in words, with what to do: two sentences of each at most.

        >>> Report("f", 9000, 1200, 0, 0, 0, kinds=30).limits[0]
        '1200 statements are of 30 kinds: steps of a loop, written out one after the other. Steps become a loop ...'
        """
        found = []
        if self.groups >= _MANY and self.groups >= _REPEATED * self.kinds > 0:
            found.append(
                f"{self.groups} statements are of {self.kinds} kinds: steps of a loop, written out one after the "
                "other. Steps become a loop where all do the same with arrays of the same shapes; else lift one alone."
            )
        whole = not self.sizes.startswith("made for")  # or the nodes are those of small traces
        if whole and self.runs >= _MANY and self.nodes < _NUMBERS * self.runs:
            found.append(
                f"A statement computes {max(self.nodes / self.runs, 1.0):.0f} numbers on average: the function itself "
                'may be as fast as NumPy. engine="numba" has no cost for a statement.'
            )
        if self.gathers and self.gathers * _PART >= self.groups:
            found.append(
                f"{self.gathers} statements read through tables of places, which is slower than slices. Indices that "
                "grow evenly with the loops become slices: pad the edges instead of wrapping around or choosing there."
            )
        if self.masked >= _SOME and self.masked * _PART >= self.groups:
            found.append(
                f"{self.masked} statements compute numbers that a mask leaves out again. Sums that are equally long "
                "need no mask: pad with zeros."
            )
        return found[:2]

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.nodes} scalar nodes in {self.groups} groups",
            f"  loops          {self.loops}",
            f"  contractions   {self.contractions}",
            f"  masked         {self.masked}",
            f"  gathers        {self.gathers}",
            f"  largest difference on a probe: {self.difference:.1e}",
        ]
        if self.instructions:
            lines[:-1] = [f"{self.name}: {self.nodes} scalar nodes on a tape of {self.instructions} instructions"]
        if self.checkpoints:
            lines.insert(2, f"  checkpoints    {self.checkpoints}")
        if self.sizes:
            lines.insert(1, f"  {self.sizes}")
        lines += [f"  limited: {limit}" for limit in self.limits]
        total = sum(self.seconds.values())
        lines += [f"  {name:<14} {1e3 * seconds:9.1f} ms" for name, seconds in self.seconds.items()]
        lines.append(f"  {'together':<14} {1e3 * total:9.1f} ms, {1e6 * total / max(self.nodes, 1):.2f} µs a node")
        return "\n".join(lines)


def _describe_kind(group: Group) -> tuple[Any, ...]:
    """Say what a statement computes, without what it reads."""
    terms = tuple([(len(term.factors), term.reduced, term.sign) for term in group.terms])
    return group.kind, group.op, group.shape, group.batched, group.over, terms
