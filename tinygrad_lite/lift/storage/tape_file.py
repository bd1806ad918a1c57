"""Tapes in files: the scalar graph as arrays of numbers, in the format of other programs' files.

A file is a safetensors file, whose text ``program`` is JSON with the arguments, the results and what is demanded, as
:mod:`~tinygrad_lite.lift.storage.program_file` has them. Operations have names there, as their codes may be others in
another version. Nothing is ever run, and all is checked: the loop that walks a tape trusts it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.files import safetensors
from tinygrad_lite.lift.ir.groups import Group, Groups, Integers
from tinygrad_lite.lift.ir.report import Report
from tinygrad_lite.lift.storage.groups_codec import Fields, decode_demand, make_printable
from tinygrad_lite.lift.storage.program_file import (
    TAPE_FORMAT,
    check_results,
    encode_inputs,
    read_content,
    read_inputs,
    read_report,
)
from tinygrad_lite.lift.tracing.inputs import Inputs
from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.trace_mode import Demand

VERSION: Final = "1"

#: Of each array the dtype.
_ARRAYS: Final = {
    "codes": "i", "counts": "i", "operands": "i", "roots": "i", "owners": "i", "places": "i", "numbers": "f",
}  # fmt: skip


@dataclass(eq=False)
class StoredTape:
    """What a file holds of a tape.

    Attributes:
        name: Of the function.
        graph: Without the Values of its leaves.
        groups: The input groups.
        group_of: For each leaf the number of its input group; −1 for a constant.
        place_of: For each leaf its place in its group.
        shapes: Of the results; None for plain numbers.
        structure: Of the results.
        demand_shapes: Of the arrays of which something is demanded.
        demands: What.
        reduce: What is made of the results of all samples; "" where there are none.
        inputs: How the arguments become arrays.
        report: What lifting found.
    """

    name: str
    graph: Graph
    groups: list[Group]
    group_of: Integers
    place_of: Integers
    shapes: list[tuple[int, ...] | None]
    structure: Any
    demand_shapes: list[tuple[int, ...]]
    demands: list[Demand]
    reduce: str | None
    inputs: Inputs
    report: Report

    def to_bytes(self) -> bytes:
        """Make the contents of a file; Values that the function closed over are constants, with their numbers of now.

        Raises:
            LiftError: A static argument is something else than text, a number, a boolean, None or a tuple of these.
        """
        graph, leaves = self.graph, len(self.group_of)
        owners, numbers = self.group_of.copy(), graph.numbers[:leaves].copy()
        if self.inputs.captured:
            mine = owners == len(self.groups) - 1
            numbers[mine] = np.array([value.data for value in self.inputs.captured])[self.place_of[mine]]
            owners[mine] = -1
        groups = self.groups[: len(self.inputs.sources)]
        used, codes = np.unique(graph.codes[leaves:], return_inverse=True)
        arrays = {
            "codes": codes.astype(np.int32),
            "counts": np.diff(graph.starts[leaves:]).astype(np.int32),
            "operands": graph.operands[graph.starts[leaves] :].astype(np.int32),
            "roots": graph.roots.astype(np.int32),
            "owners": owners.astype(np.int32),
            "places": self.place_of.astype(np.int32),
            "numbers": numbers,
        }
        structure = {
            "operations": [_name_of(code) for code in used.tolist()],
            "inputs": [{"shape": list(g.shape), "path": g.path, "batched": bool(g.batched)} for g in groups],
            "shapes": [None if shape is None else list(shape) for shape in self.shapes],
            "demands": [
                {"shape": list(shape), **demand._asdict()}
                for shape, demand in zip(self.demand_shapes, self.demands, strict=True)
            ],
            "reduce": self.reduce,
            "arguments": encode_inputs(self.inputs, self.name),
            "results": self.structure,
            "name": self.name,
            "report": asdict(self.report),
        }
        text = json.dumps(structure, separators=(",", ":"))
        return safetensors.to_bytes(arrays, {"format": TAPE_FORMAT, "version": VERSION, "program": text})

    @classmethod
    def from_bytes(cls, content: bytes) -> StoredTape:
        """Read the contents of a file, and check everything in it.

        Raises:
            LiftError: They are of no such file, or damaged, or of another version; or an operation of the user's own is
                not defined.
        """
        arrays, structure = read_content(
            content,
            TAPE_FORMAT,
            VERSION,
            'it is no tape: only a program that was lifted with engine="tape", and then saved, has one; those of the '
            'other engines are loaded with engine="numpy", "numba" or "jax"',
        )
        parts = Fields(structure, "the program")
        for name, kind in _ARRAYS.items():
            array = arrays.get(name)
            _check(array is not None and array.dtype.kind == kind and array.ndim == 1, f"the array {name}")
        items = [Fields(item, "an input") for item in parts.items("inputs")]
        groups = [
            Group("input", f.integers("shape"), path=make_printable(f.text("path")), batched=f.flag("batched"))
            for f in items
        ]
        _check(all(size >= 0 for group in groups for size in group.shape), "an input's shape")
        graph = _read_graph(arrays, [_find_operation(name) for name in parts.items("operations")])
        owners, places = arrays["owners"].astype(np.intp), arrays["places"].astype(np.intp)
        _check_leaves(owners, places, groups)
        outline = Groups(groups, list(range(len(groups))))
        shapes = [
            None if given is None else Fields({"shape": given}, "a result").integers("shape")
            for given in parts.items("shapes")
        ]
        demanded = [Fields(item, "a demand") for item in parts.items("demands")]
        demand_shapes = [fields.integers("shape") for fields in demanded]
        sizes = [math.prod(shape or ()) for shape in [*shapes, *demand_shapes]]
        _check(min(sizes, default=0) >= 0 and sum(sizes) == len(graph.roots), "how many results there are")
        _check(all(len(shape) == 1 for shape in demand_shapes), "what is demanded")
        results, reduce = parts.get("results"), parts.get("reduce")
        check_results(results, shapes)
        _check(reduce in ("", "mean", "sum", None), "reduce")
        _check((reduce != "") == any(group.batched for group in groups), "which inputs have samples")
        return cls(
            make_printable(parts.text("name")), graph, groups, owners, places, shapes, results, demand_shapes,
            [decode_demand(fields) for fields in demanded], reduce,
            read_inputs(Fields(parts.get("arguments"), "the arguments"), outline),
            replace(read_report(Fields(parts.get("report"), "the report")), instructions=len(arrays["codes"])),
        )  # fmt: skip


def _name_of(code: int) -> str:
    op = ops.BY_CODE[code]
    assert op is not None
    return op.name


def _find_operation(name: Any) -> Op:
    """Find an operation; an error says which is not there."""
    try:
        return ops.find(str(name))
    except KeyError:
        raise LiftError(
            f"it needs the operation {name!r:.80}, which is not in the table: if it is your own, define it first"
        ) from None


def _read_graph(arrays: dict[str, Any], operations: Sequence[Op]) -> Graph:
    """Make the graph of a file, and raise unless each node reads nodes before it, as many as its operation takes."""
    leaves, codes, counts = len(arrays["owners"]), arrays["codes"], arrays["counts"]
    total = leaves + len(codes)
    _check(len(counts) == len(codes) and len(arrays["numbers"]) == leaves, "how many nodes there are")
    _check(total < 2**31 and _are_between(codes, 0, len(operations)), "an operation")
    for place, op in enumerate(operations):
        mine = counts[codes == place]
        if op.arity != NARY:
            fits = (mine == op.arity).all()
        else:  # sequences of one length, and single operands after them
            single = len(op.defaults) + (op.operands[-1] == "index")
            rows = max(len(op.operands) - single, 1)
            fits = ((mine >= single) & ((mine - single) % rows == 0)).all()
        _check(bool(fits), f"the operands of {op.name}")
    operands = arrays["operands"].astype(np.intp)
    _check(int(counts.sum(dtype=np.int64)) == len(operands), "how many operands there are")
    own = np.repeat(np.arange(leaves, total), counts)
    _check(bool(((operands >= 0) & (operands < own)).all()), "an operand")
    _check(_are_between(arrays["roots"], 0, total), "a result")
    table = np.array([op.code for op in operations], dtype=np.intp)
    starts = np.concatenate([np.zeros(leaves + 1, dtype=np.intp), np.cumsum(counts, dtype=np.intp)])
    leaf_codes = np.where(arrays["owners"] >= 0, ops.LEAF_CODE, ops.CONSTANT_CODE)
    whole = np.concatenate([leaf_codes, table[codes] if len(codes) else codes]).astype(np.intp)
    numbers = np.concatenate([arrays["numbers"].astype(np.float64), np.zeros(len(codes))])
    return Graph(whole, starts, operands, numbers, [], arrays["roots"].astype(np.intp))


def _check_leaves(owners: Integers, places: Integers, groups: Sequence[Group]) -> None:
    """Raise unless each leaf is a constant, or stands in an input group."""
    _check(len(places) == len(owners) and _are_between(owners, -1, len(groups)), "where leaves stand")
    sizes = np.array([*[group.size for group in groups], 1])  # the last for constants
    _check(bool(((places >= 0) & (places < sizes[owners])).all() or not len(places)), "where leaves stand")


def _are_between(numbers: Any, low: int, end: int) -> bool:
    return not len(numbers) or bool(numbers.min() >= low and numbers.max() < end)


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise LiftError(f"it is damaged: {what} cannot be so")
