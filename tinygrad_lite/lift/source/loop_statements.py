"""Loops over time as array source: a ``for`` over steps for NumPy, ``scan`` for JAX.

For NumPy the arrays of all steps are there before the loop, and each step writes its rows: ``h[t + 1] = ...``. What is
read in the same step alone has no array, but a variable. For JAX a step is a function of what the steps before carry,
and gives what it carries on and the rows of the arrays that are read outside:

    def step(carried, t):
        (h_before,) = carried
        h = tanh(W @ h_before + x[:, t, None])
        return (h,), (h,)

    last, rows = scan(step, (h0,), 16)

Of what is read behind the loop at its last step alone, no rows are given: that is what it carries in the end.

A loop within a loop stands in the body of the outer one, and writes rows of that one's row: ``p[t, k + 1] = ...``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Loop
from tinygrad_lite.lift.ir.loop_bodies import Body, Slice, Window, find_body
from tinygrad_lite.lift.source.averaging import Averaging
from tinygrad_lite.lift.source.blocks import Block, Line
from tinygrad_lite.lift.source.fragments import Fragment
from tinygrad_lite.lift.source.statements import write_shape
from tinygrad_lite.lift.source.terms import find_axes

_NO_DIVISIONS = Averaging(frozenset(), frozenset(), frozenset())


def write_loop(block: Block, program: Groups, loop: Loop) -> None:
    """Write a loop into a block.

    Args:
        block: Where it stands.
        program: The program.
        loop: One of its loops.
    """
    _LoopWriter(block, program, loop).write()


def list_steps(block: Block, program: Groups, loop: Loop) -> list[Line]:
    """List the statements of one step, one for each group of the loop, with nothing written into another.

    Args:
        block: Where the loop stands.
        program: The program.
        loop: One of its loops.
    """
    writer = _LoopWriter(block, program, loop)
    inner = writer.write_rows()
    found: dict[str, Line] = {}
    for line in inner:
        if line.name in found:  # a long sum goes on
            found[line.name].parts += line.parts[1:]
        else:
            found[line.name] = line
    return list(found.values())


class _LoopWriter:
    """Writes one loop into a block."""

    def __init__(self, block: Block, program: Groups, loop: Loop) -> None:
        self.outer = block
        self.program = program
        self.loop = loop
        self.body: Body = find_body(program, loop)
        self.count = len(self.body.slices)
        self.numbers = range(loop.start, loop.stop)
        self.chosen = set(block.names)
        self.carried: dict[tuple[int, int], str] = {}
        self.step = self._choose_name("k" if block.names else "t")
        self.lags = {
            number: max([part.lag for part in self.body.slices if part.group == number], default=0)
            for number in self.numbers
        }
        self.stored = {number for number in self.numbers if self._is_stored(number)}

    def write(self) -> None:
        if self.outer.dialect == "numpy":
            self._write_for()
        else:
            self._write_scan()
        self._finish()

    def _finish(self) -> None:
        """Say what the arrays of all steps are called from here on."""
        for number in self.numbers:
            self.outer.fragments[number] = self._open(number)

    def _open(self, number: int) -> Fragment:
        """Write the array of all steps so that a bracket can go on: ``p[t, :]``."""
        group = self.program.groups[number]
        array, *places = _split_place(self._name(number))
        if not places:
            return Fragment(array)
        return Fragment(array, items=(*places, *[":"] * len(find_axes(group))))

    def _name(self, number: int) -> str:
        """Write the array of all steps: its name, or the row of it that a loop around this one is at."""
        return self.outer.targets.get(number, self.program.groups[number].name)

    def _choose_name(self, wanted: str) -> str:
        taken = {group.name for group in self.program.groups} | self.chosen
        name = next(name for name in (wanted, *[f"{wanted}_{k}" for k in range(len(taken) + 1)]) if name not in taken)
        self.chosen.add(name)
        return name

    def _is_stored(self, number: int) -> bool:
        """Whether its rows are read outside the loop."""
        inside = sum(ref.group == number for member in self.numbers for ref in self.program.groups[member].refs())
        return self.outer.uses[number] > inside or number in self.outer.kept or number in self.outer.targets

    def _make_block(self, kept: set[int], depth: int, targets: dict[int, str], rows: bool = False) -> Block:
        """Make the block of one step, in which slices have their texts; of inner loops only the rows, if so asked."""
        outer, body = self.outer, self.body.program
        place = {number: self.count + k for k, number in enumerate(self.numbers)}
        inside = body.find_loops()  # what an inner loop reads is not to be computed at each of its steps
        read = {ref.group for number in inside for ref in body.groups[number].refs()}
        block = Block(
            body.groups,
            outer.constants,
            outer.dialect,
            _NO_DIVISIONS,
            {place[number] for number in kept} | (read - inside.keys()),
            depth,
            {place[number]: target for number, target in targets.items()},
            self.chosen,
        )
        block.statements.operations = outer.statements.operations
        block.uses = Counter(ref.group for group in body.groups for ref in group.refs())
        for number, part in enumerate(self.body.slices):
            if body.groups[number].kind != "constant":
                block.fragments[number] = self._write_slice(part)
        for number in range(self.count, len(body.groups)):
            loop = inside.get(number)
            if loop is None:
                block.write(number)
            elif number == loop.start:
                inner = _LoopWriter(block, body, loop)
                if rows:
                    block.lines += inner.write_rows()
                else:
                    inner.write()
        return block

    def _write_slice(self, part: Slice) -> Fragment:
        if part.lag and self.outer.dialect == "jax":
            return Fragment(self._name_carried(part.group, part.lag))
        source = self.program.groups[part.group]
        if source.data is not None:
            whole = Fragment(self.outer.constants.bind_numbers(source.data))
        else:
            whole = self._open(part.group) if part.group in self.numbers else self.outer.fragments[part.group]
        if not any(part.windows):
            return whole.close()
        items = [":" if window is None else self._write_window(window) for window in part.windows]
        taken = _take(whole, [*items, ":"] if source.batched else items)
        lengths = [window for window in part.windows if window is not None and window.length is not None]
        if self.outer.dialect == "jax":
            axis = 0
            for window in part.windows:
                if window is not None and window.length is not None:
                    start = self._write_place(window.start)
                    taken = Fragment(f"take_window({taken.text}, {axis}, {start}, {window.length})")
                axis += window is None or window.length is not None
        return taken.close() if lengths else taken

    def _write_window(self, window: Window) -> str:
        start = self._write_place(window.start)
        if window.length is None:
            return start
        if self.outer.dialect == "jax":
            return ":"
        return f"{start}:{self._write_place(window.start, window.length)}"

    def _write_place(self, index: Index, more: int = 0) -> str:
        """Write a place that moves with the step: ``t + 1``, ``15 - t``, ``i1[t]``."""
        if index.table is not None:
            return f"{self.outer.constants.bind_places(index.table)}[{self.step}]"
        ((_, by),) = index.steps
        offset = index.offset + more
        if by < 0:
            return f"{offset} - {self.step}" if by == -1 else f"{offset} - {-by} * {self.step}"
        moved = self.step if by == 1 else f"{by} * {self.step}"
        return f"{moved} + {offset}" if offset > 0 else f"{moved} - {-offset}" if offset else moved

    def _add(self, text: str, depth: int = 0) -> None:
        self.outer.lines.append(Line("", [text], "", self.outer.depth + depth))

    def write_rows(self) -> list[Line]:
        """Write each group as a row of its array."""
        targets = {number: self._write_row(number) for number in self.numbers}
        lines = self._make_block(set(self.numbers), 0, targets, rows=True).lines
        self._finish()
        return lines

    def _write_row(self, number: int) -> str:
        """Write the row of an array that this step computes."""
        group = self.program.groups[number]
        row = Index(0 if group.axis else len(group.initial), ((0, 1),))
        array, *places = _split_place(self._name(number))
        return f"{array}[{', '.join([*places, self._write_place(row)])}]"

    # ------------------------------------------------------------------------------------------------- NumPy

    def _write_for(self) -> None:
        groups = self.program.groups
        arrays = [number for number in self.numbers if number in self.stored or self.lags[number]]
        targets = {}
        for number in arrays:
            group = groups[number]
            if number not in self.outer.targets:
                self._add(f"{group.name} = empty({write_shape(group)})")
            array, *places = _split_place(self._name(number))
            for row, initial in enumerate(() if group.axis else self.outer.read_initial(group)):
                self._add(f"{array}[{', '.join([*places, str(row)])}] = {initial.text}")
            targets[number] = self._write_row(number)
        self._add(f"for {self.step} in range({self.loop.steps}):")
        self.outer.lines += self._make_block(set(arrays), self.outer.depth + 1, targets).lines

    # --------------------------------------------------------------------------------------------------- JAX

    def _name_carried(self, number: int, lag: int) -> str:
        if (number, lag) not in self.carried:
            name = f"{self.program.groups[number].name}_before{'' if lag == 1 else lag}"
            self.carried[number, lag] = self._choose_name(name)
        return self.carried[number, lag]

    def _write_scan(self) -> None:
        groups = self.program.groups
        carried = [(number, lag) for number in self.numbers for lag in range(1, self.lags[number] + 1)]
        ends = [number for number in self.numbers if number in self.stored and self._is_read_at_end(number)]
        rows = [number for number in self.numbers if number in self.stored and number not in ends]
        function = self._choose_name("step")
        names = [self._name_carried(number, lag) for number, lag in carried]
        carrying = self._choose_name("carried")
        self._add(f"def {function}({carrying}, {self.step}):")
        if names:
            self._add(f"{_write_tuple(names)} = {carrying}", 1)
        block = self._make_block({number for number, _ in carried} | set(rows), self.outer.depth + 1, {})
        self.outer.lines += block.lines
        new = {number: self._get_text(block, number) for number in self.numbers}
        passed = [new[number] if lag == 1 else self._name_carried(number, lag - 1) for number, lag in carried]
        self._add(f"return {_write_tuple(passed)}, {_write_tuple([new[number] for number in rows])}", 1)
        initial = {
            number: [] if groups[number].axis else self.outer.read_initial(groups[number]) for number in self.numbers
        }
        starts = [initial[number][-lag].text for number, lag in carried]
        last, found = self._choose_name("last") if ends else "_", self._choose_name("rows") if rows else "_"
        self._add(f"{last}, {found} = scan({function}, {_write_tuple(starts)}, {self.loop.steps})")
        for number in ends:
            row = replace(groups[number], shape=groups[number].row, initial=())
            self.outer.scope.last[number] = row
            self._write_given(number, f"{last}[{carried.index((number, 1))}]", row)
        for place, number in enumerate(rows):
            before = [row.insert_axes([0]).text for row in initial[number]]
            text = f"{found}[{place}]"
            if before:
                text = f"concatenate([{', '.join([*before, text])}])"
            self._write_given(number, text, groups[number])

    def _write_given(self, number: int, text: str, shape: Group) -> None:
        """Write what the loop gives of a group."""
        comment = f"# {write_shape(shape)}" if find_axes(shape) else ""
        self.outer.lines.append(Line(self.program.groups[number].name, [text], comment, self.outer.depth))

    def _is_read_at_end(self, number: int) -> bool:
        """Whether a group that is carried is read outside the loop at its last step alone, and by nothing in a loop."""
        group, inside = self.program.groups[number], self.program.find_loops()
        refs = [output.ref for output in self.program.outputs if output.ref.group == number]
        if not self.lags[number] or group.present is not None or (number in self.outer.kept and not refs):
            return False
        for other, reader in enumerate(self.program.groups):
            if other in self.numbers:
                continue
            copied = reader.initial if other not in inside or not reader.axis else ()
            refs += [ref for ref in copied if ref.group == number]
            computed = [ref for ref in reader.refs() if ref.group == number and not any(ref is row for row in copied)]
            if computed and other in inside:
                return False
            refs += computed
        places = [None if ref.flat else ref.index[0] for ref in refs]
        last = group.shape[0] - 1
        return all(p is not None and p.table is None and not p.steps and p.offset == last for p in places)

    def _get_text(self, block: Block, number: int) -> str:
        place = self.count + number - self.loop.start
        fragment = block.fragments.get(place)
        return "" if fragment is None else fragment.as_number().text


def _take(whole: Fragment, items: list[str]) -> Fragment:
    """Write what an array is at some places, an item for each of its dimensions."""
    if whole.items is None or any(":" in item and item != ":" for item in whole.items):
        return Fragment(whole.close().text, items=tuple(items))
    left = iter(items)
    return Fragment(whole.base, items=tuple([next(left) if item == ":" else item for item in whole.items]))


def _split_place(text: str) -> list[str]:
    """Split an array's text into its name and the places in its bracket: ``p[t, k]``."""
    name, _, places = text.partition("[")
    return [name, *([places.removesuffix("]")] if places else [])]


def _write_tuple(names: list[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"
