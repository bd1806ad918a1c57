"""What the page of passes is told: for each stage the boxes that are drawn, what each is made of, and its text.

A stage's *elements* are its scalars or its groups, by number. Where there are too many of them to be drawn, those that
end in one statement of the program are one *pile*. A box stands for an element or a pile; its key tells which, and is
the same from stage to stage as long as the element is.
"""

from __future__ import annotations

import difflib
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tinygrad_lite.lift.canonical.canonicalize import Canonical
from tinygrad_lite.lift.canonical.rewriter import SUM
from tinygrad_lite.lift.ir.reductions import REDUCTIONS
from tinygrad_lite.lift.stages import CANONICAL, SOURCE, TRACE, Pass, Passes, Stage, find_reached
from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE, LEAF_CODE
from tinygrad_lite.viz.programs.program_graph import Box, compose
from tinygrad_lite.viz.reading.labels import shortened, visible

#: Above so many scalars, and so many groups, a stage is drawn as piles.
MOST_SCALARS: Final = 500
MOST_GROUPS: Final = 90
#: So many lines of a stage of scalars are listed, and so many in a row that went.
_LINES: Final = 120
_GONE: Final = 4
#: And so many lines about arrays of data, above the source.
_DATA: Final = 4
#: A card has so many letters in a row, and so many rows.
_WIDTH: Final = 36
_ROWS: Final = 4
_INFIX: Final = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}


@dataclass(eq=False)
class _Sheet:
    """A stage in the making.

    Attributes:
        done: The pass.
        boxes: What is drawn, by the number of the element.
        sources: Of each element those of the stage before that it was made of.
        lines: The text, line by line, each with the element that it computes, or −1.
        counts: What there is, in words.
        loops: The loops over steps, each with the elements in it, and the number of the loop around it.
    """

    done: Pass
    boxes: dict[int, dict[str, Any]]
    sources: dict[int, list[int]]
    lines: list[tuple[str, int]]
    counts: list[str]
    most: int
    loops: list[tuple[str, list[int], int | None]] = field(default_factory=list)
    piles: dict[int, int] = field(default_factory=dict)


def passes_data(passes: Passes, max_groups: int = 1000) -> dict[str, Any]:
    """Return the passes of a function for the page.

    Args:
        passes: What ``lift(f).passes_for(...)`` gave.
        max_groups: How many groups the program may have.

    Returns:
        ``stages``, each with its ``boxes``, which name one another by their places in the list.

    Raises:
        ValueError: The program has more groups.

    >>> from tinygrad_lite.lift import lift
    >>> data = passes_data(lift(lambda x, y: [a * b for a, b in zip(x, y)]).passes_for([1.0, 2.0], [3.0, 4.0]))
    >>> [(stage["title"], len(stage["boxes"])) for stage in data["stages"]]
    [('Trace', 6), ('Canonical form', 6), ('Groups', 3), ('Source', 3)]
    """
    final = passes.stages[-1]
    count = len(final.statements)
    if count > max_groups:
        raise ValueError(
            f"the program has {count:,} statements, more than max_groups={max_groups:,}: nobody could step through "
            "them. Follow the passes with smaller arguments, or fewer steps; to show them all the same, pass "
            f"max_groups={count}"
        )
    sheets = [_scalar_sheet(passes, TRACE), _scalar_sheet(passes, CANONICAL)]
    sheets += [_group_sheet(stage) for stage in passes.stages]
    sheets[2].sources = _own_scalars(passes, passes.canonical)
    sheets.append(_source_sheet(passes, final))
    _trace_back(sheets, passes)
    shown = [_keys(sheet) for sheet in sheets]
    stages = []
    for number, sheet in enumerate(sheets):
        before = sheets[number - 1] if number else None
        stages.append(_stage(sheet, shown[number], before, shown[number - 1] if number else {}, sheets[-1]))
    stages[-1]["proof"] = passes.program.report().difference
    stages[-1]["limits"] = passes.program.report().limits
    return {"stages": stages}


# ------------------------------------------------------------------------------------------------------- scalars


def _scalar_sheet(passes: Passes, done: Pass) -> _Sheet:
    graph: Graph | Canonical = passes.graph if done is TRACE else passes.canonical
    names = _name_leaves(passes)
    reached = find_reached(graph)
    leaves = set(names)
    drawn = [node for node in reached if graph.codes[node] != CONSTANT_CODE]
    constants = len(reached) - len(drawn)
    counts = [_count(len(drawn), "scalar")]
    if constants:
        counts.append(_count(constants, "constant"))
    texts = {node: names.get(node) or _scalar_text(graph, node, names) for node in drawn}
    boxes = {}
    for node in drawn:
        boxes[node] = {
            "name": names.get(node, f"v{node}"),
            "kind": "leaf" if node in leaves else "scalar",
            "statement": [texts[node]] if node not in leaves else [],
            "reads": [int(operand) for operand in dict.fromkeys(_operands(graph, node)) if operand in texts],
            "text": texts[node],
        }
    lines = [(f"v{node} = {texts[node]}", node) for node in drawn if node not in leaves]
    if len(lines) > _LINES:
        lines = [*lines[:_LINES], (f"… {len(lines) - _LINES:,} more", -1)]
    sources: dict[int, list[int]] = {}
    if done is CANONICAL:  # a recorded scalar is itself still, or vanished inside the one that reads it
        own = set(drawn)
        recorded = find_reached(passes.graph)
        sources = _gather(_spread(passes.graph, {node: node for node in recorded if node in own}), drawn)
    return _Sheet(done, boxes, sources, lines, counts, MOST_SCALARS)


def _operands(graph: Graph | Canonical, node: int) -> list[int]:
    found: list[int] = graph.operands[graph.starts[node] : graph.starts[node + 1]].tolist()
    return found


def _name_leaves(passes: Passes) -> dict[int, str]:
    """Return what leaves are called: the argument, and the place in it."""
    inputs, names = passes.inputs, {}
    for node, (number, place) in enumerate(zip(inputs.group_of.tolist(), inputs.place_of.tolist(), strict=True)):
        if number >= 0:
            group = inputs.groups[number]
            at = ", ".join(map(str, np.unravel_index(place, group.shape))) if group.shape else ""
            names[node] = shortened(visible(group.path)) + (f"[{at}]" if at else "")
    return names


def _scalar_text(graph: Graph | Canonical, node: int, names: dict[int, str]) -> str:
    """Return how a scalar is computed."""
    code = int(graph.codes[node])
    if code == LEAF_CODE:
        return f"v{node}"
    operands = _operands(graph, node)

    def name(operand: int) -> str:
        if graph.codes[operand] == CONSTANT_CODE:
            return f"{graph.numbers[operand]:.6g}"
        return names.get(operand, f"v{operand}")

    terms = [name(operand) for operand in operands]
    if code == SUM and isinstance(graph, Canonical):
        signs = graph.signs[graph.starts[node] : graph.starts[node + 1]].tolist()
        text = " ".join(f"{'+' if sign > 0 else '-'} {term}" for sign, term in zip(signs, terms, strict=True))
        return text.removeprefix("+ ")
    record = BY_CODE[code] if code >= 0 else None
    op = record.name if record else next(name for name, reduction in REDUCTIONS.items() if reduction.code == code)
    if op in _INFIX and len(terms) == 2:
        return f" {_INFIX[op]} ".join(terms)
    return f"{op}({', '.join(terms)})"


def _own_scalars(passes: Passes, graph: Graph | Canonical) -> dict[int, list[int]]:
    """Return the scalars of each group of the first stage: its own, and those that vanish inside its sums."""
    program = passes.stages[0].program
    owner: dict[int, int] = {}
    number_of = {int(number): n for n, number in enumerate(program.inputs)}
    for leaf, unit in enumerate(passes.inputs.group_of.tolist()):
        if unit >= 0:
            owner[leaf] = program.inputs[unit]
    for number, group in enumerate(program.groups):
        if group.nodes is not None and number not in number_of:
            owner.update((int(node), number) for node in group.nodes if node >= 0)
    reached = set(find_reached(graph))
    owner = _spread(graph, {node: number for node, number in owner.items() if node in reached})
    return _gather(owner, range(len(program.groups)))


def _spread(graph: Graph | Canonical, owner: dict[int, int]) -> dict[int, int]:
    """Let scalars that nobody owns belong to whom their reader belongs to."""
    found, waiting = dict(owner), list(owner)
    while waiting:
        node = waiting.pop()
        for operand in _operands(graph, node):
            if operand not in found and graph.codes[operand] != CONSTANT_CODE:
                found[operand] = found[node]
                waiting.append(operand)
    return found


def _gather(owner: dict[int, int], owners: Iterable[int]) -> dict[int, list[int]]:
    """Return what belongs to each."""
    found: dict[int, list[int]] = {number: [] for number in owners}
    for node in sorted(owner):
        found[owner[node]].append(node)
    return found


# -------------------------------------------------------------------------------------------------------- groups


def _group_sheet(stage: Stage) -> _Sheet:
    picture = compose(stage.program, lines=stage.lines)
    reads: dict[int, list[int]] = {box.number: [] for box in picture.boxes}
    for link in picture.links:
        if link.tail != link.head:
            reads[link.head].append(link.tail)
    boxes = {box.number: {**_group_box(box), "reads": sorted(reads[box.number])} for box in picture.boxes}
    loops = [
        (frame.title, [number for number in frame.members if number in boxes], frame.within) for frame in picture.frames
    ]
    counts = [_count(len(stage.statements), "group")]
    if loops:
        counts.append(_count(len(loops), "loop"))
    sources = {number: stage.sources[number] for number in boxes}
    return _Sheet(stage.done, boxes, sources, _listing(stage), counts, MOST_GROUPS, loops)


def _group_box(box: Box) -> dict[str, Any]:
    statement = " ".join(box.line.parts)
    rows = textwrap.wrap(statement, _WIDTH, subsequent_indent="    ")
    kind = "input" if not box.is_computed else "backward" if box.is_backward else "forward"
    count = _count(box.scalars, "scalar") + (" a sample" if box.group.batched else "")
    return {
        "name": shortened(box.line.name),
        "kind": kind,
        "result": box.is_result,
        "shape": box.line.shape,
        "statement": rows if len(rows) <= _ROWS else [*rows[: _ROWS - 1], "…"],
        "caption": count,
        "text": box.line.text,
    }


def _listing(stage: Stage) -> list[tuple[str, int]]:
    """Return a stage's statements, those of a loop below its head."""
    nesting = stage.program.find_nesting()
    lines: list[tuple[str, int]] = []
    for number, line in enumerate(stage.lines):
        loops = nesting.get(number, ())
        lines += [
            (f"{'    ' * loop.axis}for {'k' if loop.axis else 't'} in range({loop.steps}):", -1)
            for loop in loops
            if loop.start == number
        ]
        if line.parts:
            lines.append(("    " * len(loops) + line.text, number))
    return lines


def _source_sheet(passes: Passes, final: Stage) -> _Sheet:
    """Return the last stage: the same groups, and the source as it is run."""
    sheet = _group_sheet(final)
    boxes = {box.number: box for box in compose(passes.program.ir).boxes}
    for number, data in sheet.boxes.items():
        data.update(_group_box(boxes[number]))
    number_of = {group.name: number for number, group in enumerate(passes.program.groups)}
    lines: list[tuple[str, int]] = []
    for text in _fold_data(passes.program.source.rstrip().split("\n")):
        made = re.match(r"\s+(\w+)(?:\[[^]]*\])? = ", text)
        lines.append((text, number_of.get(made[1], -1) if made else -1))
    written = {number for _, number in lines}
    for number, data in sheet.boxes.items():
        data["inlined"] = data["kind"] != "input" and number not in written
    sheet.done, sheet.lines = SOURCE, lines
    sheet.counts = [_count(passes.program.source.count("\n"), "line"), *sheet.counts]
    sheet.sources = {number: [number] for number in sheet.boxes}
    return sheet


def _fold_data(lines: Sequence[str]) -> list[str]:
    """Leave out most of the lines that only say which arrays of numbers are given, where there are many."""
    data = [line for line in lines if line.startswith("# ")]
    if len(data) <= 2 * _DATA:
        return list(lines)
    return [*data[:_DATA], f"# … {len(data) - _DATA:,} more", *(line for line in lines if not line.startswith("# "))]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


# -------------------------------------------------------------------------------------------- from stage to stage


def _trace_back(sheets: Sequence[_Sheet], passes: Passes) -> None:
    """Note for each element which element of the last stage it ends in: that is its pile."""
    sheets[-1].piles = {number: number for number in sheets[-1].boxes}
    for before, after in zip(reversed(sheets[1:-1]), reversed(sheets[2:]), strict=True):
        for number in after.boxes:
            if number in after.piles:  # and is not left out later
                for source in after.sources.get(number, []):
                    before.piles.setdefault(source, after.piles[number])
    for group, nodes in _own_scalars(passes, passes.graph).items():
        for node in nodes if group in sheets[2].piles else []:
            sheets[0].piles.setdefault(node, sheets[2].piles[group])


def _keys(sheet: _Sheet) -> dict[int, str]:
    """Return the key of the box that stands for each element."""
    letter = "v" if sheet.most == MOST_SCALARS else "g"
    if len(sheet.boxes) <= sheet.most or sheet.done is SOURCE or len(set(sheet.piles.values())) >= len(sheet.boxes):
        return {number: f"{letter}{number}" for number in sheet.boxes}
    return {number: f"p{sheet.piles.get(number, -1)}" for number in sheet.boxes}


def _stage(
    sheet: _Sheet, keys: dict[int, str], before: _Sheet | None, old: dict[int, str], final: _Sheet
) -> dict[str, Any]:
    members: dict[str, list[int]] = {}
    for number, key in keys.items():
        members.setdefault(key, []).append(number)
    place = {key: k for k, key in enumerate(members)}
    boxes = []
    for key, numbers in members.items():
        box = dict(sheet.boxes[numbers[0]]) if not key.startswith("p") else _pile(sheet, numbers, final)
        reads = [keys[read] for number in numbers for read in sheet.boxes[number]["reads"]]
        box["reads"] = [place[read] for read in dict.fromkeys(reads) if read != key]
        sources = [old[number] for n in numbers for number in sheet.sources.get(n, []) if number in old]
        box["from"] = list(dict.fromkeys(sources))
        box["key"] = key
        box["colour"] = sheet.piles.get(numbers[0], -1)
        if before is not None and len(numbers) == 1 and sheet.most == before.most:
            box["mark"] = _mark(sheet, before, numbers[0])
        del box["text"]
        boxes.append(box)
    kept = {number for numbers in sheet.sources.values() for number in numbers}
    alike = before is not None and sheet.most == before.most
    gone = [before.boxes[n]["name"] for n in before.boxes if n not in kept] if alike and before else []
    compared = before.lines if alike and before and sheet.done is not SOURCE else None
    return {
        "title": sheet.done.title,
        "does": sheet.done.does,
        "sound": sheet.done.sound,
        "counts": sheet.counts,
        "boxes": boxes,
        "loops": _frames(sheet, keys),
        "gone": gone,
        "piled": len(sheet.boxes) if len(members) < len(sheet.boxes) else 0,
        "scalars": sheet.most == MOST_SCALARS,
        "lines": _diff(compared, sheet.lines, keys),
    }


def _frames(sheet: _Sheet, keys: dict[int, str]) -> list[dict[str, Any]]:
    return [
        {"title": title, "keys": list(dict.fromkeys(keys[n] for n in numbers)), "within": within}
        for title, numbers, within in sheet.loops
    ]


def _pile(sheet: _Sheet, numbers: Sequence[int], final: _Sheet) -> dict[str, Any]:
    """Return one box for many elements."""
    first = sheet.boxes[numbers[0]]
    if len(numbers) == 1:
        return {**first, "statement": [shortened(row, _WIDTH) for row in first["statement"]]}
    end = final.boxes.get(sheet.piles.get(numbers[0], -1))
    noun = "scalar" if sheet.most == MOST_SCALARS else "group"
    kinds = {sheet.boxes[number]["kind"] for number in numbers}
    example = first["statement"][:1] or [first["name"]]
    return {
        "name": f"→ {end['name']}" if end else "left out later",
        "kind": first["kind"] if len(kinds) == 1 else "forward",
        "statement": [shortened(f"such as {row}", _WIDTH) for row in example],
        "caption": _count(len(numbers), noun),
        "pile": True,
        "members": [sheet.boxes[number]["name"] for number in numbers[:20]],
        "text": "",
    }


def _mark(sheet: _Sheet, before: _Sheet, number: int) -> str:
    """Say what a pass did to an element."""
    sources = [source for source in sheet.sources.get(number, []) if source in before.boxes]
    if len(sources) > 1:
        return "merged"
    if not sources:
        return "new"
    now, then = sheet.boxes[number], before.boxes[sources[0]]
    if now["kind"] == "input":
        return ""
    return "" if (now["text"], now.get("shape")) == (then["text"], then.get("shape")) else "rewritten"


def _diff(
    before: Iterable[tuple[str, int]] | None, after: Sequence[tuple[str, int]], keys: dict[int, str]
) -> list[list[str]]:
    """Return lines of text, each with what happened to it and the key of the box that it computes."""
    now = [[text, "", keys.get(number, "")] for text, number in after]
    if before is None:
        return now
    old = [text for text, _ in before]
    found: list[list[str]] = []
    matcher = difflib.SequenceMatcher(None, old, [text for text, _ in after], autojunk=False)
    for kind, start, stop, first, last in matcher.get_opcodes():
        if kind != "equal":
            gone = old[start:stop]
            found += [[text, "gone", ""] for text in gone[:_GONE]]
            if len(gone) > _GONE:
                found.append([f"… {len(gone) - _GONE:,} lines more", "gone", ""])
        found += [[text, "" if kind == "equal" else "new", key] for text, _, key in now[first:last]]
    return found
