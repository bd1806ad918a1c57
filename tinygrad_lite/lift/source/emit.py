"""A program of groups as array source that people read: ``z1 = W1 @ x + b1[:, None]``, one statement a line.

The same text runs on NumPy and on JAX: functions stand under the names of the operation table and of NumPy, and the
engine says what they are. A group that is read once and has no name of its own is written into the line that reads it,
as long as that stays short. Text is made from the structure and from safe names only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinygrad_lite.lift.ir.groups import Group, Groups, Output
from tinygrad_lite.lift.source.averaging import place_divisions
from tinygrad_lite.lift.source.blocks import WIDEST, Block, add_comments
from tinygrad_lite.lift.source.bound_constants import BoundConstants
from tinygrad_lite.lift.source.fragments import BATCH
from tinygrad_lite.lift.source.loop_statements import write_loop
from tinygrad_lite.lift.source.naming import is_safe, name_groups
from tinygrad_lite.lift.source.statements import complete
from tinygrad_lite.lift.source.terms import find_axes
from tinygrad_lite.lift.source.views import align, transpose

#: What constant arrays hold, by the kind of their type.
_KINDS = {"f": "numbers", "i": "places", "b": "a mask"}


@dataclass(frozen=True)
class Source:
    """The source of a program.

    Attributes:
        text: Statements for constants, then ``def program(...)``, which returns a tuple of arrays.
        constants: Arrays that the text uses, by name.
        operations: The operations of the table that it uses: the function's name in the text and the operation's.
    """

    text: str
    constants: Mapping[str, NDArray[Any]]
    operations: Mapping[str, str]


def emit(program: Groups, dialect: str = "numpy") -> Source:
    """Write a program as array source.

    Args:
        program: A valid program. Groups without a name get one.
        dialect: ``"numpy"``, or ``"jax"``, which has no sliding windows: it gathers there.

    Raises:
        ValueError: A name is no safe identifier, or two groups have the same.

    >>> from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term
    >>> weight = Ref(0, (Index(0, ((0, 1),)), Index(0, ((1, 1),))))
    >>> program = Groups(
    ...     groups=[
    ...         Group("input", (2, 3), path="model.weight"),
    ...         Group("input", (3,), path="x", batched=True),
    ...         Group("sum", (2,), terms=(Term((weight, Ref(1, (Index(0, ((1, 1),)),))), (3,)),), batched=True),
    ...     ],
    ...     inputs=[0, 1],
    ...     outputs=[Output((2,), Ref(2, (Index(0, ((0, 1),)),)), batched=True)],
    ... )
    >>> print(emit(program).text)
    def program(W, x):
        z1 = W @ x  # (2, n)
        return (z1.T,)
    <BLANKLINE>
    """
    if dialect not in ("numpy", "jax"):
        raise ValueError(f"emit(dialect={dialect!r}): there are 'numpy' and 'jax'")
    if not all(group.name for group in program.groups):
        name_groups(program)
    names = [group.name for group in program.groups]
    if len(set(names)) < len(names) or not all(is_safe(name) for name in names):
        raise ValueError(
            "names of groups must be safe identifiers, each given once: let name_groups(program) give them"
        )
    return _Emitter(program, dialect).source()


@dataclass
class _Emitter:
    program: Groups
    dialect: str

    def __post_init__(self) -> None:
        groups = self.program.groups
        self.constants = BoundConstants({group.name for group in groups})
        self.results = {output.ref.group for output in self.program.outputs}
        needed = self.program.find_needed(self.results)
        inside = self.program.find_loops()  # what a loop reads is not to be computed at each step
        read = {ref.group for number in inside for ref in groups[number].refs()}
        kept = self.results | (read - inside.keys())
        self.block = Block(groups, self.constants, self.dialect, place_divisions(self.program), kept)
        self.block.uses = Counter(ref.group for number in needed for ref in groups[number].refs())
        self.needed = sorted(needed | set(self.program.inputs))

    def source(self) -> Source:
        """Write the whole text."""
        starts = {loop.start: loop for loop in self.program.loops if not loop.axis}
        inside = self.program.find_loops()
        for number in self.needed:
            loop = inside.get(number)
            if loop is None:
                self.block.write(number)
            elif loop.start in starts:
                write_loop(self.block, self.program, starts.pop(loop.start))
        lines = self.block.lines
        results = [self._write_result(output) for output in self.program.outputs]
        code = "\n".join([*(line.text for line in lines), _write_return(results)])
        used = set(re.findall(r"\w+", re.sub("'[^']*'", "", code)))  # without the letters of einsum
        count = [f"    n = {self._samples()}.shape[-1]"] if "n" in used else []
        body = add_comments(lines)
        made = [line for line in self.constants.lines if line.split(" ", 1)[0] in used]
        names = [self.program.groups[number].name for number in self.program.inputs]
        bound = {name: array for name, array in self.constants.arrays.items() if name in used}
        given = [f"# {name}: {_KINDS[array.dtype.kind]}, {array.shape}, given as data" for name, array in bound.items()]
        head = [*given, *made]
        text = "\n".join(
            [*head, *([""] if head else []), _write_signature(names), *count, *body, _write_return(results)]
        )
        operations = {name: op for name, op in self.block.statements.operations.items() if name in used}
        return Source(f"{text}\n", bound, operations)

    def _samples(self) -> str:
        for number in self.program.inputs:
            if self.program.groups[number].batched:
                return self.program.groups[number].name
        raise ValueError("the program has batched groups, but no batched input that says how many samples there are")

    def _write_result(self, output: Output) -> str:
        """Write an output's array: its shape, and the samples first."""
        group = Group("map", output.shape or (), batched=output.batched)
        array = self.block.scope.read(output.ref, group, (), output.batched).as_number()
        array = complete(align(array, find_axes(group)), group)
        if output.batched:
            array = transpose(array, (BATCH, *range(len(group.shape))))
        return array.text


# ------------------------------------------------------------------------------------------------- layout


def _write_signature(names: Sequence[str]) -> str:
    whole = f"def program({', '.join(names)}):"
    return whole if len(whole) <= WIDEST else _break_line("def program(", names, "):", "    ")


def _write_return(results: Sequence[str]) -> str:
    whole = (
        f"    return {', '.join(results)}" if len(results) > 1 else f"    return ({''.join(f'{r},' for r in results)})"
    )
    return whole if len(whole) <= WIDEST else _break_line("    return (", results, "    )", "        ")


def _break_line(start: str, items: Sequence[str], end: str, indent: str) -> str:
    """Put items on lines of their own width."""
    lines, line = [start], indent
    for item in items:
        if len(line) + len(item) + 2 > WIDEST and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += f"{item}, "
    return "\n".join([*lines, line.rstrip(), end])
