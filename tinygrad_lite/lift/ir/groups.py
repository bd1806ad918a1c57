"""The tensor program that lift finds: groups of isomorphic scalar nodes, and how each is computed from earlier ones.

A group is a grid of scalars, of some shape, that one statement computes. Scalar (i, j) of a group reads its operands at
places that depend on (i, j): an :class:`Index` says where along one axis of the operand's group, a :class:`Ref` has one
Index for each axis. There are five kinds of groups, and no others:

- ``input``: an argument's numbers, or those of captured Values.
- ``constant``: numbers of the function's text.
- ``map``: one operation of the table, element by element.
- ``sum``: a sum of terms, each a sum over axes of its own of a product of factors: matrix products, convolutions, sums
  along axes, and plain addition.
- ``fold``: ``maximum``, ``minimum`` or ``prod`` of many elements of one group, and ``lookup`` of one of them
  (:mod:`tinygrad_lite.lift.ir.reductions`).

Groups that are computed step by step are a :class:`Loop`: a stretch of the list whose groups have the steps as their
first axis. At each step its groups are computed in their order, each one row of its array, from what the rows before
hold; so a group of a loop may read rows of itself, and of groups after it, that belong to earlier steps. The rows that
the first steps read are the group's ``initial`` ones. A loop may stand within another one: the steps of the inner one
are the second axis of its groups, and it is gone through at each step of the outer one. What an outer step reads of an
earlier one's inner loop is a group of the outer loop: a row of the last step, say.

That is the whole language that engines must know. The array of a *batched* group has one axis more than its shape, the
last, over the samples. An unbatched sum with batched factors adds them up (``over="sum"``) or averages them
(``over="mean"``) over the samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.trace_mode import Demand

Integers = NDArray[np.intp]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Index:
    """A place along one axis of the group that is read, as a function of the coordinates of the scalar that reads.

    Either affine, ``offset + Σ step · coordinate[axis]``, or where ``table`` is given ``table[coordinates of axes]``.

    Attributes:
        offset: The place where all coordinates are 0.
        steps: Pairs (axis, step), each axis at most once, no step 0.
        table: Places, for what is not affine: an array of ints of one dimension for each of ``axes``.
        axes: The axes that the table depends on.
    """

    offset: int = 0
    steps: tuple[tuple[int, int], ...] = ()
    table: Integers | None = None
    axes: tuple[int, ...] = ()

    def at(self, grid: Sequence[Integers] | Mapping[int, Integers]) -> Any:
        """Compute the places, for coordinates as arrays that broadcast against one another (``numpy.indices``)."""
        if self.table is not None:
            return self.table[tuple([grid[axis] for axis in self.axes])]
        places: Any = self.offset
        for axis, step in self.steps:
            places = places + step * grid[axis]
        return places

    def depends_on(self) -> tuple[int, ...]:
        """List the axes whose coordinates it uses."""
        return self.axes if self.table is not None else tuple([axis for axis, _ in self.steps])


@dataclass(frozen=True, eq=False)
class Ref:
    """Where an operand is read: a group, and a place along each of its axes.

    Attributes:
        group: The number of the group that is read.
        index: One Index for each axis of that group; a single one into its elements in C order, if ``flat``.
        flat: Whether the group is read as one row of elements.
    """

    group: int
    index: tuple[Index, ...]
    flat: bool = False


@dataclass(frozen=True, eq=False)
class Term:
    """One term of a sum: sign · Σ over the reduced axes of the product of the factors, where the mask holds.

    Attributes:
        factors: One or two operands. Their indices know the group's own axes, 0 to n − 1, and then the reduced ones.
        reduced: The sizes of the reduced axes, which are numbered on from n.
        sign: 1.0 or −1.0.
        mask: Which elements belong to the sum, if not all: one dimension for each of ``axes``. What it leaves out
            counts as 0, whatever the factors hold there (inf and nan too).
        axes: The axes that the mask depends on.
    """

    factors: tuple[Ref, ...]
    reduced: tuple[int, ...] = ()
    sign: float = 1.0
    mask: Booleans | None = None
    axes: tuple[int, ...] = ()


@dataclass(eq=False)
class Group:
    """One statement of the program: a grid of scalars and how they are computed.

    Attributes:
        kind: ``input``, ``constant``, ``map``, ``sum`` or ``fold``.
        shape: Of the grid, without the batch axis. ``()`` is one scalar.
        op: Of a map and a fold: the operation's name in the table.
        operands: Of a map: one Ref for each operand. Of ``lookup``: the index, which is taken modulo the table's size.
        terms: Of a sum. A fold has one, whose only factor is folded over its reduced axes (of a lookup: the only one);
            its mask leaves elements out.
        data: Of a constant: the array of ``shape``.
        batched: Whether its array has the samples as one more axis, the last.
        over: Of an unbatched sum of batched factors: ``"sum"`` or ``"mean"`` over the samples.
        name: What the source calls it; naming gives it.
        path: Of an input: where it stands in the arguments, for names and messages: ``"model.layers.0.weight"``.
        present: Which scalars of the grid the graph has, if not all. The others are computed along and never used.
        nodes: The number of a scalar node for each element of the grid in C order, −1 where there is none.
        role: ``"forward"`` or ``"backward"``, where known.
        initial: The first rows along one axis, where these are not computed but copied: each is read along the group's
            other axes. Coordinates count from the first row that is computed.
        axis: That axis: of a group in loops, the one along which the innermost goes.
    """

    kind: str
    shape: tuple[int, ...]
    op: str = ""
    operands: tuple[Ref, ...] = ()
    terms: tuple[Term, ...] = ()
    data: NDArray[np.float64] | None = None
    batched: bool = False
    over: str = ""
    name: str = ""
    path: str = ""
    present: Booleans | None = None
    nodes: Integers | None = None
    role: str = ""
    initial: tuple[Ref, ...] = ()
    axis: int = 0

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape of what is computed: its shape, without the initial rows."""
        if not self.initial:
            return self.shape
        return tuple([n - (axis == self.axis) * len(self.initial) for axis, n in enumerate(self.shape)])

    @property
    def row(self) -> tuple[int, ...]:
        """The shape of an initial row: its shape, without their axis."""
        return self.shape[: self.axis] + self.shape[self.axis + 1 :]

    @property
    def own(self) -> tuple[Index, ...]:
        """Where each scalar that is computed stands in the array."""
        return tuple([Index((k == self.axis) * len(self.initial), ((k, 1),)) for k in range(len(self.shape))])

    @property
    def size(self) -> int:
        """How many scalars the grid has."""
        return int(np.prod(self.shape, dtype=int))

    def refs(self) -> Iterator[Ref]:
        """List everything that it reads."""
        yield from self.operands
        for term in self.terms:
            yield from term.factors
        yield from self.initial


@dataclass(frozen=True)
class Loop:
    """A stretch of groups that are computed step by step, one row of each at a step.

    Attributes:
        start: The number of its first group.
        stop: One more than that of its last.
        steps: How often: the length of each group's grid along the axis of the steps.
        axis: Which axis that is: in how many loops it stands.
    """

    start: int
    stop: int
    steps: int
    axis: int = 0


@dataclass(eq=False)
class Output:
    """One array or number of the results: where each of its elements is found.

    Attributes:
        shape: Of the result, without the batch axis; None for a plain number.
        ref: Where its elements are read; the axes are the result's.
        batched: Whether samples are kept: they are the result's first axis then.
    """

    shape: tuple[int, ...] | None
    ref: Ref
    batched: bool = False


@dataclass(eq=False)
class Groups:
    """The whole program: groups in an order in which each can be computed from those before it, and the results.

    Attributes:
        groups: The statements. A group's number is its place in this list.
        inputs: The numbers of the input groups, in the order of the arguments' arrays.
        outputs: The results.
        demands: Numbers of which the function demands something, and what that is, where no statement says so
            (:mod:`tinygrad_lite.lift.checking.runtime_checks`).
        loops: Those of the groups that are computed step by step, in order; an inner one comes behind its outer one.
    """

    groups: list[Group] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    demands: list[tuple[Output, Demand]] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)

    def find_loops(self) -> dict[int, Loop]:
        """Find the loop of each group that is in one; of several the outermost."""
        return {number: loops[0] for number, loops in self.find_nesting().items()}

    def find_nesting(self) -> dict[int, tuple[Loop, ...]]:
        """Find all loops of each group that is in one, the outermost first."""
        found: dict[int, tuple[Loop, ...]] = {}
        for loop in self.loops:
            for number in range(loop.start, loop.stop):
                found[number] = (*found.get(number, ()), loop)
        return found

    def find_needed(self, numbers: Iterable[int]) -> set[int]:
        """Find the groups that some are computed from, these included; of a loop all, if one is needed.

        Args:
            numbers: Of the groups that are wanted.
        """
        needed, inside = set(numbers), self.find_loops()
        for number in range(len(self.groups) - 1, -1, -1):
            if number in needed:
                loop = inside.get(number)
                for member in range(loop.start, loop.stop) if loop else [number]:
                    needed.add(member)
                    needed.update(ref.group for ref in self.groups[member].refs())
        return needed


def copy_groups(program: Groups) -> Groups:
    """Copy a program, so that passes that change its groups and results leave the first one as it is."""
    return replace(program, groups=[replace(group) for group in program.groups], outputs=list(program.outputs))


def all_of(number: int, axes: int) -> Ref:
    """Read all of a group that has so many axes, as it is.

    >>> [index.steps for index in all_of(3, 2).index]
    [((0, 1),), ((1, 1),)]
    """
    return Ref(number, tuple([Index(0, ((axis, 1),)) for axis in range(axes)]))
