"""Why a result is not finite: from the result back to the first number that is not, though all that it is made of are.

The program is run once more on NumPy, statement by statement. From an element of the result that is not finite the way
leads to an operand that is not, and so on, until all operands are finite. Only what is really read counts: elements
that the graph does not have, that a mask leaves out, or that ``where`` does not choose, are not on the way. Costs: one
run that keeps all arrays, and for each step the elements that one scalar reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.engines import numpy_engine
from tinygrad_lite.lift.engines.op_lowerings import evaluate_limit
from tinygrad_lite.lift.ir.groups import Group, Groups, Output, Ref, Term, all_of
from tinygrad_lite.lift.ir.reductions import LOOKUP, REDUCTIONS
from tinygrad_lite.lift.source.listing import list_statements
from tinygrad_lite.lift.source.precedence import OPERATORS, Text, infix
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.operation import Interval, Op

Floats = NDArray[np.float64]
#: So many operands of a sum are shown.
_SHOWN = 3


def explain(groups: Groups, name: str, arrays: Sequence[Floats], result: int) -> str:
    """Say where a result stops to be finite although all inputs are, and what can be done.

    Args:
        groups: The program.
        name: Of the function.
        arrays: Of the input groups, all of them finite; samples along the last axis.
        result: The number of the result.

    Returns:
        Which statement is the first one whose number is not finite, at which place, for which operands, and what can be
        done about it.

    >>> from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref
    >>> along = (Index(0, ((0, 1),)),)
    >>> groups = [Group("input", (3,), path="x"), Group("map", (3,), "log", (Ref(0, along),))]
    >>> program = Groups(groups, [0], [Output((3,), Ref(1, along))])
    >>> print(explain(program, "f", [np.array([1.0, 0.0, 2.0])], 0))
    f: result 0 is not finite, although all inputs are. It begins in the statement
        t1 = log(x)
    at t1[1]: log(0.0) is -inf, with x[1] = 0.0.
    log takes numbers in (0, inf): keep its operand there, with maximum(x, 1e-12) or by adding a small number.
    With lift(..., check=False) such results are given as they are.
    """
    values = _Values(groups, arrays)
    start = values.find_start(groups.outputs[result])
    what = f"{name}: result {result} is not finite, although all inputs are."
    if start is None:
        return (
            f"{what} Computed statement by statement on NumPy it is finite: sums in another order overflow. Scale the "
            'numbers down, or use engine="numpy".'
        )
    spot = values.trace_origin(start)
    return f"{what} {_Account(values, spot).text}\nWith lift(..., check=False) such results are given as they are."


@dataclass(frozen=True)
class _Spot:
    """One scalar: an element of a group, of one sample."""

    group: int
    place: tuple[int, ...]
    sample: int | None


@dataclass(frozen=True)
class _Factor:
    """What one scalar reads through one reference: numbers, and where each stands.

    Attributes:
        ref: The reference.
        numbers: Along the reduced axes, and the samples where these are added up.
        places: For each axis of the group that is read, the places, along the reduced axes.
        sample: Which sample is read; None for all, or where there are none.
        counts: Which of them belong to it.
    """

    ref: Ref
    numbers: Floats
    places: tuple[Any, ...]
    sample: int | None
    counts: NDArray[np.bool_]

    def locate_number(self, at: int, groups: Groups) -> _Spot:
        """Find where the number at a place in C order stands."""
        where = np.unravel_index(at, self.numbers.shape)
        place = tuple([int(places[where[: places.ndim]]) for places in self.places])
        if not groups.groups[self.ref.group].batched:
            return _Spot(self.ref.group, place, None)
        return _Spot(self.ref.group, place, int(where[-1]) if self.sample is None else self.sample)


class _Values:
    """The arrays of all groups, samples along the last axis, and how scalars read one another."""

    def __init__(self, program: Groups, arrays: Sequence[Floats]) -> None:
        self.program = program
        self.groups = program.groups
        computed = [number for number, group in enumerate(self.groups) if group.kind in ("map", "sum", "fold")]
        outputs = [
            Output(self.groups[k].shape, all_of(k, len(self.groups[k].shape)), self.groups[k].batched) for k in computed
        ]
        found = numpy_engine.build(replace(program, outputs=outputs))(arrays)
        self.arrays = {
            **{number: np.asarray(array) for number, array in zip(program.inputs, arrays, strict=True)},
            **{
                number: np.moveaxis(np.asarray(array), 0, -1) if self.groups[number].batched else np.asarray(array)
                for number, array in zip(computed, found, strict=True)
            },
        }

    def get_array(self, number: int) -> Any:
        """Get the array of a group, of the function's own numbers too."""
        group = self.groups[number]
        return group.data if group.kind == "constant" else self.arrays[number]

    def get_number(self, spot: _Spot) -> float:
        """Get one scalar, of its sample."""
        found = self.get_array(spot.group)[spot.place]
        return float(found if spot.sample is None else found[spot.sample])

    def find_start(self, output: Output) -> _Spot | None:
        """Find the first scalar of a result that is not finite."""
        factor = self._read(output.ref, (), output.shape or (), None, None)
        return self._find_first(factor, np.isfinite(factor.numbers))

    def trace_origin(self, spot: _Spot) -> _Spot:
        """Go down from a scalar that is not finite to one whose operands all are."""
        while (below := self._find_cause(spot)) is not None:
            spot = below
        return spot

    def _find_cause(self, spot: _Spot) -> _Spot | None:
        """Find an operand that makes a scalar not finite, if one does."""
        group = self.groups[spot.group]
        if group.initial and spot.place[group.axis] < len(group.initial):  # what is copied there
            ref = group.initial[spot.place[group.axis]]
            rest = spot.place[: group.axis] + spot.place[group.axis + 1 :]
            return self._read(ref, rest, (), None, spot.sample).locate_number(0, self.program)
        if group.kind == "map":
            return self._find_cause_in_map(group, spot)
        for factor in self.read_factors(spot):
            finite = np.isfinite(factor.numbers) | ~factor.counts
            if group.kind == "fold":  # of a maximum the one that is it, not a -inf beside it
                chosen = finite | ~((factor.numbers == self.get_number(spot)) | np.isnan(factor.numbers))
                finite = finite if chosen.all() else chosen
            found = self._find_first(factor, finite)
            if found is not None:
                return found
        return None

    def _find_cause_in_map(self, group: Group, spot: _Spot) -> _Spot | None:
        operands = [self._locate(ref, spot) for ref in group.operands]
        found = find_culprit(ops.find(group.op), [self.get_number(operand) for operand in operands])
        return None if found is None else operands[found]

    def locate_operands(self, spot: _Spot) -> list[_Spot]:
        """Locate what a map's scalar reads."""
        return [self._locate(ref, spot) for ref in self.groups[spot.group].operands]

    def read_factors(self, spot: _Spot) -> Iterator[_Factor]:
        """Read what the scalar of a sum or of a fold is made of, term by term."""
        group, at = self.groups[spot.group], self._find_coordinates(spot)
        if group.op == LOOKUP:
            index = self._locate(group.operands[0], spot)
            yield self._read(group.operands[0], at, (), None, spot.sample)
            (term,) = group.terms
            place = self.get_number(index)
            chosen = int(place) % term.reduced[0] if math.isfinite(place) else 0
            yield self._read(term.factors[0], (*at, chosen), (), None, spot.sample)
            return
        for term in group.terms:
            for ref in term.factors:
                yield self._read(ref, at, term.reduced, term, spot.sample)

    def _locate(self, ref: Ref, spot: _Spot) -> _Spot:
        found = self._read(ref, self._find_coordinates(spot), (), None, spot.sample)
        return found.locate_number(0, self.program)

    def _find_coordinates(self, spot: _Spot) -> tuple[int, ...]:
        """Find the coordinates in its group's grid, which count from behind the initial rows."""
        group = self.groups[spot.group]
        return tuple([k - (axis == group.axis) * len(group.initial) for axis, k in enumerate(spot.place)])

    def _read(
        self, ref: Ref, place: tuple[int, ...], reduced: tuple[int, ...], term: Term | None, sample: int | None
    ) -> _Factor:
        source = self.groups[ref.group]
        grid: list[Any] = [np.asarray(k, dtype=np.intp) for k in place]
        grid += np.indices(reduced, sparse=True) if reduced else []
        places = tuple([np.broadcast_to(np.asarray(index.at(grid)), reduced) for index in ref.index])
        if ref.flat:
            places = tuple(np.unravel_index(places[0], source.shape))
        array = self.get_array(ref.group)
        numbers = array[places] if places else np.broadcast_to(array, reduced + array.shape)
        sample = sample if source.batched else None
        if sample is not None:
            numbers = numbers[..., sample]
        counts = np.ones(reduced, dtype=bool)
        if term is not None and term.mask is not None:
            counts = np.broadcast_to(term.mask[tuple([grid[axis] for axis in term.axes])], reduced)
        counts = counts.reshape(counts.shape + (1,) * (numbers.ndim - counts.ndim))
        return _Factor(ref, np.asarray(numbers), places, sample, np.broadcast_to(counts, np.shape(numbers)))

    def _find_first(self, factor: _Factor, finite: NDArray[np.bool_]) -> _Spot | None:
        if finite.all():
            return None
        return factor.locate_number(int(np.argmin(finite)), self.program)


class _Account:
    """What is said about the scalar where it began."""

    def __init__(self, values: _Values, spot: _Spot) -> None:
        self.values = values
        self.spot = spot
        self.group = values.groups[spot.group]
        self.lines = list_statements(values.program, divided=False)

    @property
    def text(self) -> str:
        """All of it."""
        if self.group.kind == "constant":
            return (
                f"It begins at a number of the function itself: {self.values.get_number(self.spot)!r}, of shape "
                f"{self.group.shape}. Leave it out, or put a large finite number in its place."
            )
        reads, remedy = self._explain_map() if self.group.kind == "map" else self._explain_sum()
        return (
            f"It begins in the statement\n    {self.lines[self.spot.group].text}\n"
            f"at {self._name(self.spot)}{self._name_node()}: {reads}.\n{remedy}"
        )

    def _explain_map(self) -> tuple[str, str]:
        """Say the operation with its numbers, where these stand, and what can be done."""
        operands = self.values.locate_operands(self.spot)
        numbers = [self.values.get_number(operand) for operand in operands]
        named = self._name_all(operands)
        reads = f"{write_call(self.group.op, numbers)} is {self.values.get_number(self.spot)!r}"
        return f"{reads}{f', with {named}' if named else ''}", advise(self.group.op, numbers)

    def _explain_sum(self) -> tuple[str, str]:
        """Say the largest of what is added up."""
        what = REDUCTIONS[self.group.op].noun if self.group.op in REDUCTIONS else "the sum"
        found = [
            (abs(number), factor.locate_number(place, self.values.program))
            for factor in self.values.read_factors(self.spot)
            for place, number in enumerate(np.where(factor.counts, factor.numbers, 0.0).ravel().tolist())
        ]
        count = sum(int(factor.counts.sum()) for factor in self.values.read_factors(self.spot))
        if not count:
            return f"{what} of nothing is {self.values.get_number(self.spot)!r}", "Give it at least one number."
        found.sort(key=lambda item: -item[0])
        named = self._name_all([spot for _, spot in found[:_SHOWN]])
        products = " products" if any(len(term.factors) > 1 for term in self.group.terms) else ""
        reads = (
            f"{what} of{products} {count:,} numbers is {self.values.get_number(self.spot)!r}; the largest are {named}"
        )
        return reads, OVERFLOW

    def _name_all(self, spots: Sequence[_Spot]) -> str:
        constant = [self.values.groups[spot.group].kind == "constant" for spot in spots]
        shown = [spot for spot, known in zip(spots, constant, strict=True) if not known]
        return ", ".join(dict.fromkeys([f"{self._name(spot)} = {self.values.get_number(spot)!r}" for spot in shown]))

    def _name(self, spot: _Spot) -> str:
        """Name a scalar: ``z1[3]`` of sample 7."""
        name = self.values.groups[spot.group].name
        place = f"[{', '.join(map(str, spot.place))}]" if spot.place else ""
        return f"{name}{place}" + ("" if spot.sample is None else f" of sample {spot.sample}")

    def _name_node(self) -> str:
        """Say the number of the scalar node, where one is known."""
        if self.group.nodes is None:
            return ""
        node = int(self.group.nodes.reshape(self.group.shape)[self.spot.place])
        return f" (scalar node {node} of the trace)" if node >= 0 else ""


OVERFLOW = (
    "It is beyond the largest float, 1.8e308: make the numbers smaller before, or use a function that does not "
    "overflow, such as logsumexp, softplus or log_softmax."
)


def find_culprit(op: Op, numbers: Sequence[float]) -> int | None:
    """Find the operand that makes a number not finite: of those that are not themselves, one that matters.

    >>> find_culprit(ops.find("where"), [0.0, math.inf, math.nan]), find_culprit(ops.find("log"), [0.0])
    (2, None)
    """
    before = evaluate_limit(op, *numbers)
    suspects = [place for place, number in enumerate(numbers) if not math.isfinite(number)]
    for place in suspects:
        after = evaluate_limit(op, *[0.0 if k == place else number for k, number in enumerate(numbers)])
        if after != before and not (math.isnan(after) and math.isnan(before)):
            return place
    return suspects[0] if suspects else None


def advise(op: str, numbers: Sequence[float]) -> str:
    """Say what can be done about an operation that gives no finite number."""
    domain = ops.find(op).domain
    for interval, number in zip(domain, numbers, strict=False):
        if not _is_inside(interval, number):
            return (
                f"{op} takes numbers in {interval}: keep its operand there, with maximum(x, 1e-12) or by adding a "
                "small number."
            )
    return OVERFLOW


def _is_inside(interval: Interval, number: float) -> bool:
    low = number > interval.low if interval.open in ("low", "both") else number >= interval.low
    high = number < interval.high if interval.open in ("high", "both") else number <= interval.high
    return low and high


def write_call(op: str, numbers: Sequence[float]) -> str:
    """Write one scalar operation with its numbers.

    >>> write_call("log", [0.0]), write_call("truediv", [1.0, 0.0])
    ('log(0.0)', '1.0 / 0.0')
    """
    symbol = ops.find(op).symbol
    if symbol in OPERATORS and len(numbers) == 2:
        return infix(symbol, *map(Text.of, numbers))[0]
    return f"{op}({', '.join(map(repr, numbers))})"
