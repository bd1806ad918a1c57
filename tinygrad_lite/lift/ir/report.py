"""What lifting tells about a program: how much was found, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from tinygrad_lite.lift.ir.groups import Groups


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
        difference: The largest difference on a probe, relative to what it is excused by: the largest number of the
            array that it stands in; where terms cancel, their size, about. No program with more than 1e-9 is given out.
        sizes: How the program came to its sizes, where arguments are large: from which small traces it was made, or
            why it was traced whole.
    """

    name: str
    nodes: int
    groups: int
    contractions: int
    gathers: int
    masked: int
    seconds: dict[str, float] = field(default_factory=dict)
    difference: float = 0.0
    sizes: str = ""

    @classmethod
    def count(cls, name: str, nodes: int, program: Groups, seconds: dict[str, float]) -> Report:
        """Count what a program has.

        Args:
            name: Of the function.
            nodes: How many scalar nodes its graph has.
            program: What was made of them.
            seconds: What each pass took.
        """
        statements = [group for group in program.groups if group.kind in ("map", "sum", "fold")]
        return cls(
            name,
            nodes,
            len(statements),
            sum(any(len(t.factors) > 1 and (t.reduced or g.over) for t in g.terms) for g in statements),
            sum(any(i.table is not None for ref in g.refs() for i in ref.index) for g in statements),
            sum(any(t.mask is not None for t in g.terms) for g in statements),
            seconds,
        )

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.nodes} scalar nodes in {self.groups} groups",
            f"  contractions   {self.contractions}",
            f"  masked         {self.masked}",
            f"  gathers        {self.gathers}",
            f"  largest difference on a probe: {self.difference:.1e}",
        ]
        if self.sizes:
            lines.insert(1, f"  {self.sizes}")
        total = sum(self.seconds.values())
        lines += [f"  {name:<14} {1e3 * seconds:9.1f} ms" for name, seconds in self.seconds.items()]
        lines.append(f"  {'together':<14} {1e3 * total:9.1f} ms, {1e6 * total / max(self.nodes, 1):.2f} µs a node")
        return "\n".join(lines)
