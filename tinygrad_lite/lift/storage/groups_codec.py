"""Groups as JSON and arrays, and back: what a file holds of a program, and nothing that could be run.

The JSON says the structure; the arrays have names that say their place: ``4.data``, ``4.nodes``, ``4.present``,
``4.mask.0`` of the first term, ``4.1.table.0`` of the second operand's first axis, ``result.0.table.1``. Each group
that is computed has its ``nodes`` in the file, an entry for each element, so that no group is larger than the file.
Names of groups are not kept: they are made anew.

Reading checks the types of everything, and leaves what it means to :mod:`tinygrad_lite.lift.ir.verifier`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Loop, Output, Ref, Term
from tinygrad_lite.trace_mode import Demand

_Arrays = dict[str, NDArray[Any]]
_T = TypeVar("_T")
#: Larger integers stand nowhere in a program that fits into memory.
_LARGEST = 2**48


# ---------------------------------------------------------------------------------------------------- to a file


def encode_groups(program: Groups) -> tuple[dict[str, Any], _Arrays]:
    """Turn a program into JSON, and its arrays by name.

    Args:
        program: A valid program.
    """
    arrays: _Arrays = {}
    groups = [_encode_group(group, str(number), arrays) for number, group in enumerate(program.groups)]
    outputs = [_encode_output(output, f"result.{place}", arrays) for place, output in enumerate(program.outputs)]
    structure = {"groups": groups, "inputs": _to_ints(program.inputs), "outputs": outputs}
    if program.loops:
        structure["loops"] = [
            _to_ints((loop.start, loop.stop, loop.steps, loop.axis)[: 4 if loop.axis else 3]) for loop in program.loops
        ]
    if program.demands:
        structure["demands"] = [
            _encode_output(output, f"demand.{place}", arrays) | demand._asdict()
            for place, (output, demand) in enumerate(program.demands)
        ]
    return structure, arrays


def _encode_output(output: Output, name: str, arrays: _Arrays) -> dict[str, Any]:
    return {
        "shape": None if output.shape is None else _to_ints(output.shape),
        "ref": _encode_ref(output.ref, name, arrays),
        "batched": bool(output.batched),
    }


def _encode_group(group: Group, name: str, arrays: _Arrays) -> dict[str, Any]:
    refs = iter([_encode_ref(ref, f"{name}.{place}", arrays) for place, ref in enumerate(group.refs())])
    found: dict[str, Any] = {"kind": group.kind, "shape": _to_ints(group.shape), "batched": bool(group.batched)}
    for field in ("op", "over", "path", "role"):
        if getattr(group, field):
            found[field] = getattr(group, field)
    if group.operands:
        found["operands"] = [next(refs) for _ in group.operands]
    if group.terms:
        found["terms"] = [
            {
                "factors": [next(refs) for _ in term.factors],
                "reduced": _to_ints(term.reduced),
                "sign": term.sign,
                "mask": None if term.mask is None else _to_ints(term.axes),
            }
            for term in group.terms
        ]
    if group.initial:
        found["initial"] = [next(refs) for _ in group.initial]
        if group.axis:
            found["axis"] = int(group.axis)
    for place, term in enumerate(group.terms):
        if term.mask is not None:
            arrays[f"{name}.mask.{place}"] = np.asarray(term.mask, dtype=np.uint8)
    if group.data is not None:
        arrays[f"{name}.data"] = np.asarray(group.data, dtype=np.float64)
    if group.present is not None:
        arrays[f"{name}.present"] = np.asarray(group.present, dtype=np.uint8)
    if group.kind in ("map", "sum", "fold"):
        nodes = np.full(group.size, -1) if group.nodes is None else group.nodes
        arrays[f"{name}.nodes"] = np.asarray(nodes, dtype=np.int32)
    return found


def _encode_ref(ref: Ref, name: str, arrays: _Arrays) -> dict[str, Any]:
    index = []
    for axis, place in enumerate(ref.index):
        if place.table is None:
            index.append({"offset": int(place.offset), "steps": [_to_ints(step) for step in place.steps]})
        else:
            index.append({"table": _to_ints(place.axes)})
            arrays[f"{name}.table.{axis}"] = np.asarray(place.table, dtype=np.int64)
    return {"group": int(ref.group), "flat": ref.flat, "index": index}


def _to_ints(numbers: Iterable[int]) -> list[int]:
    """Make Python's ints, which JSON can hold, of numbers among which NumPy's may be."""
    return [int(number) for number in numbers]


# -------------------------------------------------------------------------------------------------- from a file


def decode_groups(given: Any, arrays: _Arrays) -> Groups:
    """Make the program that :func:`encode_groups` was given, if that is where these come from.

    Args:
        given: Anything that JSON can hold.
        arrays: By name; those that are used are taken out.

    Raises:
        LiftError: Something has the wrong type, or an array is missing.
    """
    fields = Fields(given, "the program")
    groups = [_decode_group(item, number, arrays) for number, item in enumerate(fields.items("groups"))]
    outputs = [_decode_output(item, f"result.{place}", arrays) for place, item in enumerate(fields.items("outputs"))]
    demands = [
        (_decode_output(item, f"demand.{place}", arrays), decode_demand(Fields(item, f"demand {place}")))
        for place, item in enumerate(fields.items("demands", ()))
    ]
    loops = [_check_integers(item, "a loop") for item in fields.items("loops", ())]
    if any(len(loop) not in (3, 4) for loop in loops):
        raise LiftError("it is damaged: a loop has not a start, a stop and a number of steps")
    return Groups(groups, list(fields.integers("inputs")), outputs, demands, [Loop(*loop) for loop in loops])


def _decode_group(given: Any, number: int, arrays: _Arrays) -> Group:
    fields = Fields(given, f"group {number}")
    group = Group(fields.text("kind"), fields.integers("shape"), batched=fields.flag("batched"))
    group.op, group.over = fields.text("op", ""), fields.text("over", "")
    group.path, group.role = make_printable(fields.text("path", "")), fields.text("role", "")
    operands = [
        _decode_ref(item, f"{number}.{place}", arrays) for place, item in enumerate(fields.items("operands", ()))
    ]
    group.operands = tuple(operands)
    terms: list[Term] = []
    for place, item in enumerate(fields.items("terms", ())):
        before = len(operands) + sum(len(term.factors) for term in terms)
        terms.append(_decode_term(Fields(item, f"a term of group {number}"), str(number), place, before, arrays))
    group.terms = tuple(terms)
    before = len(operands) + sum(len(term.factors) for term in terms)
    group.initial = tuple(
        [_decode_ref(item, f"{number}.{before + k}", arrays) for k, item in enumerate(fields.items("initial", ()))]
    )
    group.axis = fields.integer("axis") if fields.has("axis") else 0
    if group.kind == "constant":
        group.data = _take(arrays, f"{number}.data", "f").astype(np.float64, copy=False)
    if f"{number}.present" in arrays:
        group.present = _take_booleans(arrays, f"{number}.present")
        if group.present.shape != group.shape:
            raise LiftError(f"it is damaged: {number}.present has not the shape of its group")
    if group.kind in ("map", "sum", "fold"):
        nodes = _take(arrays, f"{number}.nodes", "i").astype(np.intp, copy=False)
        group.nodes = nodes if nodes.size and nodes.max() >= 0 else None
        if nodes.ndim != 1 or nodes.size != math.prod(group.shape):
            raise LiftError(f"it is damaged: {number}.nodes has not an entry for each element of its group")
    return group


def _decode_term(fields: Fields, name: str, place: int, before: int, arrays: _Arrays) -> Term:
    factors = [
        _decode_ref(item, f"{name}.{before + factor}", arrays) for factor, item in enumerate(fields.items("factors"))
    ]
    masked = fields.has("mask")
    return Term(
        tuple(factors),
        fields.integers("reduced"),
        fields.number("sign"),
        _take_booleans(arrays, f"{name}.mask.{place}") if masked else None,
        fields.integers("mask") if masked else (),
    )


def _decode_output(given: Any, name: str, arrays: _Arrays) -> Output:
    fields = Fields(given, name.replace(".", " "))
    shape = fields.integers("shape") if fields.has("shape") else None
    return Output(shape, _decode_ref(fields.get("ref"), name, arrays), fields.flag("batched"))


def decode_demand(fields: Fields) -> Demand:
    """Read what is demanded of numbers."""
    what, said = make_printable(fields.text("what")), make_printable(fields.text("said"))
    low, high, step = fields.number("low"), fields.number("high"), fields.number("step")
    error = fields.text("error")
    if error not in ("IndexError", "ValueError", "index_of") or not (low <= high and step >= 0.0):
        raise LiftError("it is damaged: it demands what no number is")
    return Demand(what, said, low, high, step, error, fields.number("other"))


def _decode_ref(given: Any, name: str, arrays: _Arrays) -> Ref:
    fields = Fields(given, f"a reference ({name})")
    index = [_decode_index(item, f"{name}.table.{axis}", arrays) for axis, item in enumerate(fields.items("index"))]
    return Ref(fields.integer("group"), tuple(index), fields.flag("flat"))


def _decode_index(given: Any, name: str, arrays: _Arrays) -> Index:
    fields = Fields(given, f"an index ({name})")
    if fields.has("table"):
        return Index(table=_take(arrays, name, "i").astype(np.intp, copy=False), axes=fields.integers("table"))
    steps = [_check_integers(item, f"a step ({name})") for item in fields.items("steps")]
    if any(len(step) != 2 for step in steps):
        raise LiftError(f"it is damaged: a step ({name}) is no pair of an axis and a step")
    return Index(fields.integer("offset"), tuple([(axis, step) for axis, step in steps]))


def _take_booleans(arrays: _Arrays, name: str) -> NDArray[np.bool_]:
    array = _take(arrays, name, "u")
    if array.size and array.max() > 1:
        raise LiftError(f"it is damaged: {name} has numbers other than 0 and 1")
    return array.astype(bool)


def _take(arrays: _Arrays, name: str, kind: str) -> NDArray[Any]:
    array = arrays.pop(name, None)
    if array is None or array.dtype.kind != kind:
        raise LiftError(f"it is damaged: the array {name} is not there, or of another type")
    return array


# ------------------------------------------------------------------------------------------------- checked JSON


class Fields:
    """An object of a JSON file whose members are checked as they are read.

    Args:
        given: Anything that JSON can hold.
        what: What messages call it.

    Raises:
        LiftError: It is no object; from the methods: a member is missing, or has another type.

    >>> Fields({"shape": [2, 3]}, "group 0").integers("shape")
    (2, 3)
    """

    def __init__(self, given: Any, what: str) -> None:
        if not isinstance(given, dict):
            raise LiftError(f"it is damaged: {what} is no object, but {given!r:.80}")
        self._given = given
        self._what = what

    def has(self, name: str) -> bool:
        """Whether there is such a member, and it is not null."""
        return self._given.get(name) is not None

    def get(self, name: str) -> Any:
        """Get the member, of any type."""
        if name not in self._given:
            raise LiftError(f"it is damaged: {self._what} has no {name}")
        return self._given[name]

    def text(self, name: str, default: str | None = None) -> str:
        """Get a string."""
        return self._of(str, name, default)

    def flag(self, name: str) -> bool:
        """Get true or false."""
        return self._of(bool, name)

    def integer(self, name: str) -> int:
        """Get an int of a size that numbers in a program have."""
        (found,) = _check_integers([self.get(name)], f"{name} of {self._what}")
        return found

    def integers(self, name: str) -> tuple[int, ...]:
        """Get a list of such ints."""
        return _check_integers(self.items(name), f"{name} of {self._what}")

    def number(self, name: str) -> float:
        """Get a float."""
        given = self.get(name)
        return float(self.integer(name)) if type(given) is int else self._of(float, name)

    def items(self, name: str, default: Iterable[Any] | None = None) -> list[Any]:
        """Get a list."""
        return self._of(list, name, None if default is None else list(default))

    def _of(self, kind: type[_T], name: str, default: _T | None = None) -> _T:
        if default is not None and name not in self._given:
            return default
        found = self.get(name)
        if type(found) is not kind:  # a bool is no int here
            raise LiftError(
                f"it is damaged: {name} of {self._what} is {found!r:.80}, and should be of type {kind.__name__}"
            )
        return found


def _check_integers(given: Any, what: str) -> tuple[int, ...]:
    if not isinstance(given, list) or not all(type(item) is int and abs(item) < _LARGEST for item in given):
        raise LiftError(f"it is damaged: {what} should be whole numbers, not {given!r:.80}")
    return tuple(given)


def make_printable(text: str) -> str:
    """Replace characters that a terminal would obey."""
    return "".join([character if character.isprintable() else "\ufffd" for character in text])
