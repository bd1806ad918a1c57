"""Programs in files: the structure as data, from which the source is written anew when it is loaded.

A file is a safetensors file (numbers, and text by name), whose text ``program`` is JSON:

- ``groups``, ``inputs``, ``outputs``: as :mod:`tinygrad_lite.lift.storage.groups_codec` says;
- ``arguments``: the names of the arguments, their axes of samples, which are static, their portable signature
  (:mod:`tinygrad_lite.lift.storage.signatures`), and which arrays make up each input;
- ``results``: how the results are nested;
- ``name``, ``report``.

Nothing in a file is ever run: operations are looked up by name in the table, names of arrays are made anew, and
whatever a file says is checked before a program is made of it (:mod:`tinygrad_lite.lift.ir.verifier`). No array of a
program that is loaded has more elements than the file has bytes, but for the user's own arguments, and what is
computed on the way is bounded by a multiple of the two.

What changes on the way: Values that the function closed over are constants from then on, with the numbers that they
have when the program is saved. A module is known by the names and shapes of its parameters. An operation of the user's
own is looked up by its name when the program is loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.files import safetensors
from tinygrad_lite.jacobians.sparse_values import Pattern
from tinygrad_lite.lift.ir.groups import Group, Groups
from tinygrad_lite.lift.ir.report import Report
from tinygrad_lite.lift.ir.verifier import check_groups
from tinygrad_lite.lift.source.naming import name_groups
from tinygrad_lite.lift.storage.groups_codec import Fields, decode_groups, encode_groups, make_printable
from tinygrad_lite.lift.storage.signatures import from_json, list_units, make_portable, to_json
from tinygrad_lite.lift.tracing.arguments import Arguments, Signature, take_apart
from tinygrad_lite.lift.tracing.inputs import Inputs

FORMAT: Final = "tinygrad-lite program"
VERSION: Final = "2"
#: Of files with what the tape engine runs: :mod:`tinygrad_lite.lift.storage.tape_file`.
TAPE_FORMAT: Final = "tinygrad-lite tape"

#: A grid, reduced axes included, may have so many elements, or a multiple of what the file and the arguments have: an
#: element is an edge of the scalar graph, each node of the graph is 4 bytes of the file, and no usual graph has more
#: edges a node.
_ALWAYS_ALLOWED: Final = 2**24
_EDGES_A_BYTE: Final = 256
_LARGEST: Final = 2**48
_DEEPEST: Final = 100


@dataclass(eq=False)
class StoredProgram:
    """What a file holds of a program.

    Attributes:
        name: Of the function.
        groups: The statements.
        inputs: How the arguments become arrays.
        results: How the results are nested.
        report: What lifting found.
    """

    name: str
    groups: Groups
    inputs: Inputs
    results: Any
    report: Report

    def to_bytes(self) -> bytes:
        """Make the contents of a file; Values that the function closed over are constants, with their numbers of now.

        Raises:
            LiftError: A static argument is something else than text, a number, a boolean, None or a tuple of these.
        """
        inputs = self.inputs
        groups = _freeze_captured(self.groups, inputs)
        structure, arrays = encode_groups(groups)
        structure["arguments"] = encode_inputs(inputs, self.name)
        structure["results"] = self.results
        structure["name"] = self.name
        structure["report"] = asdict(self.report)
        text = json.dumps(structure, separators=(",", ":"))
        content = safetensors.to_bytes(arrays, {"format": FORMAT, "version": VERSION, "program": text})
        check_groups(groups, _bound_size(groups, len(content)))
        return content

    @classmethod
    def from_bytes(cls, content: bytes) -> StoredProgram:
        """Read the contents of a file, and check everything in it.

        Raises:
            LiftError: They are of no such file, or damaged, or of another version; or an operation of the user's own is
                not defined.
        """
        arrays, structure = read_content(
            content,
            FORMAT,
            VERSION,
            "it is no program that was saved by program.save(...)",
            {TAPE_FORMAT: 'it has a tape, which runs on no other engine: load it with engine="tape"'},
        )
        groups = decode_groups(structure, arrays)
        if arrays:
            raise LiftError(f"it is damaged: it has arrays that belong nowhere, such as {next(iter(arrays))!r:.80}")
        check_groups(groups, _bound_size(groups, len(content)))
        name_groups(groups)
        parts = Fields(structure, "the program")
        inputs = read_inputs(Fields(parts.get("arguments"), "the arguments"), groups)
        results = parts.get("results")
        check_results(results, [output.shape for output in groups.outputs])
        report = read_report(Fields(parts.get("report"), "the report"))
        return cls(make_printable(parts.text("name")), groups, inputs, results, report)


def read_content(
    content: bytes, wanted: str, version: str, otherwise: str, others: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[str, Any], Any]:
    """Read the arrays and the text of a file that lift has written.

    Args:
        content: Of the file.
        wanted: The format that it has to have.
        version: Of that format.
        otherwise: What to say of a file that has another.
        others: What to say instead, by the format.

    Returns:
        The arrays by name, and what the text says: anything that JSON can hold.

    Raises:
        LiftError: It is no such file, or damaged, or of another version.
    """
    try:
        arrays, metadata, _ = safetensors.from_bytes(content)
        if metadata.get("format") != wanted:
            raise LiftError(others.get(metadata.get("format", ""), otherwise))
        if metadata.get("version") != version:
            raise LiftError(
                f"it has version {metadata.get('version')!r:.20} of the format, and this is for version {version}: "
                "use the version of tinygrad-lite that saved it, or lift the function again"
            )
        return arrays, json.loads(metadata.get("program", ""))
    except (ValueError, RecursionError) as error:
        raise LiftError(str(error)) from None


@dataclass(eq=False)
class PortableInputs(Inputs):
    """How arguments become arrays, in another process than the function's: modules are known by their parameters."""

    def take_apart(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Arguments:
        """Take arguments apart, if they have the structure."""
        arguments = take_apart(self.names, args, kwargs, self.batch, self.static)
        if make_portable(arguments.signature) == self.signature:
            return arguments
        return super().take_apart(args, kwargs)  # which says what is different


def make_inputs_portable(inputs: Inputs) -> PortableInputs:
    """Make inputs hold in another process, as a pickle's have to. Values that the function closed over come along."""
    names = [field.name for field in fields(Inputs) if field.init]
    given = {name: getattr(inputs, name) for name in names}
    return PortableInputs(**{**given, "signature": make_portable(inputs.signature)})


# ------------------------------------------------------------------------------------------------------ to a file


def encode_inputs(inputs: Inputs, name: str) -> dict[str, Any]:
    """Turn how the arguments become arrays into JSON.

    Args:
        inputs: Of a program.
        name: Of it, for messages.
    """
    return {
        "names": list(inputs.names),
        "batch": list(inputs.batch),
        "static": list(inputs.static),
        "signature": to_json(make_portable(inputs.signature).parts, f"the program {name}"),
        "sources": [[int(unit) for unit in members] for members in inputs.sources],
    }


def _freeze_captured(program: Groups, inputs: Inputs) -> Groups:
    """Make constants of the Values that the function closed over."""
    if not inputs.captured:
        return program
    *kept, last = program.inputs
    groups = list(program.groups)
    numbers = np.array([value.data for value in inputs.captured], dtype=np.float64)
    groups[last] = Group("constant", groups[last].shape, data=numbers.reshape(groups[last].shape))
    return replace(program, groups=groups, inputs=kept)


def _bound_size(program: Groups, size: int) -> int:
    """Say how many elements a grid may have in a file of so many bytes."""
    given = sum(math.prod(group.shape) for group in program.groups if group.kind == "input")
    return min(max(_ALWAYS_ALLOWED, _EDGES_A_BYTE * (size + given)), _LARGEST)


# ---------------------------------------------------------------------------------------------------- from a file


def read_inputs(stored: Fields, program: Groups) -> PortableInputs:
    """Read how the arguments become arrays, for a program with these inputs."""
    names, batch, static = (tuple(stored.items(name)) for name in ("names", "batch", "static"))
    given = [
        *(type(name) is str for name in names),
        *(axis is None or type(axis) is int for axis in batch),
        *(type(item) in (int, str) for item in static),
    ]
    parts = from_json(stored.items("signature"))
    sources = [
        list(Fields({"units": item}, "what an input is made of").integers("units")) for item in stored.items("sources")
    ]
    signature = Signature(parts)
    if not all(given):
        raise LiftError("it is damaged: it does not say what the arguments are")
    _check_sources(sources, list_units(signature), program)
    shapes = [program.groups[number].shape for number in program.inputs]
    return PortableInputs(names, batch, static, signature, sources, shapes)


def _check_sources(sources: list[list[int]], found: list[tuple[tuple[int, ...], bool]], program: Groups) -> None:
    """Raise unless the arguments' arrays are what the input groups are made of."""
    if len(sources) != len(program.inputs):
        raise LiftError(f"it is damaged: it has {len(program.inputs)} inputs, and {len(sources)} are put together")
    for members, number in zip(sources, program.inputs, strict=True):
        group = program.groups[number]
        if not members or not all(0 <= member < len(found) for member in members):
            raise LiftError(f"it is damaged: group {number} is made of the arrays {members!r:.80}, which are not there")
        if len(members) == 1:
            fitting = found[members[0]] == (group.shape, group.batched)
        else:
            size = sum(math.prod(found[member][0]) for member in members)
            fitting = size == math.prod(group.shape) and not group.batched
            fitting = fitting and not any(found[member][1] for member in members)
        if not fitting:
            raise LiftError(f"it is damaged: group {number} has another shape than the arguments that it is made of")


def check_results(structure: Any, shapes: Sequence[tuple[int, ...] | None]) -> None:
    """Raise unless it is a nest of so many arrays, and those of sparse matrices have an entry for each place."""

    def patterns(part: Any, depth: int) -> list[Pattern | None]:
        if part == "array":
            return [None]
        if depth < _DEEPEST and isinstance(part, dict) and len(part) == 1:
            ((kind, items),) = part.items()
            if kind in ("tuple", "list") and isinstance(items, list):
                return [found for item in items for found in patterns(item, depth + 1)]
            if kind == "made" and isinstance(items, list) and len(items) == 2 and isinstance(items[0], str):
                return patterns(items[1], depth + 1)
            if kind == "dict" and isinstance(items, list) and all(_is_member(item) for item in items):
                return [found for _, item in items for found in patterns(item, depth + 1)]
            if kind == "sparse" and isinstance(items, list) and len(items) == 4 and items[3] == "array":
                pattern = Pattern(*items[:3])
                if pattern.is_sound():
                    return [pattern]
        raise LiftError(f"it is damaged: it describes results by {part!r:.80}")

    found = patterns(structure, 0)
    if len(found) != len(shapes):
        raise LiftError(f"it is damaged: its groups have {len(shapes)} results, and their description another number")
    for shape, pattern in zip(shapes, found, strict=True):
        if pattern is not None and shape != (len(pattern.indices),):
            raise LiftError(f"it is damaged: a sparse result of {len(pattern.indices)} entries has an array of {shape}")


def _is_member(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], (str, int))


def read_report(stored: Fields) -> Report:
    """Read what lifting found."""
    seconds = Fields(stored.get("seconds"), "the times of the report")
    times = {make_printable(name): seconds.number(name) for name in stored.get("seconds")}
    return Report(
        make_printable(stored.text("name")),
        nodes=stored.integer("nodes"),
        groups=stored.integer("groups"),
        contractions=stored.integer("contractions"),
        gathers=stored.integer("gathers"),
        masked=stored.integer("masked"),
        seconds=times,
        difference=stored.number("difference"),
        kinds=stored.integer("kinds"),
        loops=stored.integer("loops"),
        sizes=make_printable(stored.text("sizes")),
        runs=stored.integer("runs"),
    )
