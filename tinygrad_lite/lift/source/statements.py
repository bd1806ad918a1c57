"""One group as array source: what stands on the right of its statement."""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from tinygrad_lite.lift.ir.groups import Group, Term
from tinygrad_lite.lift.source.averaging import Averaging
from tinygrad_lite.lift.source.folds import write_fold
from tinygrad_lite.lift.source.fragments import BATCH, Fragment, binary, call, join, literal, negate
from tinygrad_lite.lift.source.joins import Join, find_join
from tinygrad_lite.lift.source.precedence import ATOM, COMPARE, OPERATORS
from tinygrad_lite.lift.source.terms import Scope, SignedTerm, find_axes, is_square, write_axis, write_term
from tinygrad_lite.lift.source.views import align
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.operation import CONDITION

#: The names of array functions that the text may use, besides the operations of the table, ``inf`` and ``nan``.
FUNCTIONS = (
    *("arange", "asarray", "broadcast_to", "concatenate", "einsum", "empty", "eye", "mean", "roll", "scan"),
    *("sliding_window_view", "stack", "take_along_axis", "tri", "take_window", "where"),
)
_OPERATION = re.compile(r"[a-z][a-z0-9_]*\Z")


class Statements:
    """Writes groups.

    Attributes:
        operations: The operations used so far: the function's name in the text, and the operation's in the table.
        parts: Of the sum that was written last: its text, term by term.
    """

    def __init__(self, scope: Scope, divisions: Averaging, taken: Collection[str]) -> None:
        self.operations: dict[str, str] = {}
        self.parts: list[str] = []
        self._scope = scope
        self._divisions = divisions
        self._taken = {*taken, *FUNCTIONS, "n", "program", "inf", "nan"}

    def write(self, number: int) -> Fragment:
        """Write the group's array, with all its dimensions, but for initial rows."""
        group = self._scope.groups[number]
        if group.initial:
            group = replace(group, shape=group.grid)
        self.parts = []
        if group.kind == "map":
            fragment = self._write_map(group)
        elif group.kind == "fold":
            fragment = write_fold(group, self._scope)
        else:
            fragment = self._write_sum(group, group.over == "mean" and number not in self._divisions.summed)
        if number in self._divisions.divided:
            fragment = _divide(fragment)
        return complete(fragment, group)

    # -------------------------------------------------------------------------------------------- maps

    def _write_map(self, group: Group) -> Fragment:
        wanted = find_axes(group)
        operands = [align(self._scope.read(ref, group, (), group.batched), wanted) for ref in group.operands]
        op = ops.find(group.op)
        if op.forward is operator.neg:
            return negate(operands[0])
        if op.forward is operator.pos:
            return operands[0].as_number()
        literals = all(fragment.number is not None for fragment in operands)
        if op.symbol in OPERATORS and len(operands) == 2 and not literals and _reads_as_operator(op.symbol, operands):
            return binary(op.symbol, operands[0], operands[1])
        conditions = [domain is CONDITION for domain in op.domain]
        arguments = [f if condition else f.as_number() for f, condition in zip(operands, conditions, strict=True)]
        if literals:
            arguments = [call("asarray", arguments[:1], ()), *arguments[1:]]
        compares = op.symbol in OPERATORS and OPERATORS[op.symbol].level == COMPARE
        return replace(call(self._name_function(op.name), arguments, join(operands)), boolean=compares)

    def _name_function(self, operation: str) -> str:
        """Choose what the text calls an operation. A user's may have any name: one that is not plain gets another."""
        name = operation
        if operation not in ops.TABLE and (not _OPERATION.match(operation) or operation in self._taken):
            known = {op: name for name, op in self.operations.items()}
            name = known.get(operation, f"operation_{len(self.operations) + 1}")
        self.operations[name] = operation
        return name

    # -------------------------------------------------------------------------------------------- sums

    def _write_sum(self, group: Group, mean: bool) -> Fragment:
        join = find_join(group)
        if join is not None:
            return self._write_join(join, group)
        if self._is_sum_of_sums(group):
            return self._write_sum_of_sums(group, mean)
        terms = [write_term(term, group, self._scope) for term in group.terms]
        if mean and all(term.over_samples for term in terms):
            return _divide(self._write_total(terms))
        if mean:
            terms = [term.divide() if term.over_samples else term for term in terms]
        return self._write_total(terms)

    def _write_join(self, join: Join, group: Group) -> Fragment:
        """Write slices one behind the other, each with all its dimensions."""
        texts = [complete(self._write_sum(part, False), part).as_number().text for part in join.parts]
        self.parts = []
        along = (Fragment(str(join.axis)),) if join.axis else ()
        pieces = Fragment(f"[{', '.join(texts)}]")
        return call("stack" if join.stacked else "concatenate", (pieces, *along), find_axes(group))

    def _is_sum_of_sums(self, group: Group) -> bool:
        """Whether all terms sum the same, and none is a contraction: they are added first then, and summed once."""
        if not group.terms or len({term.reduced for term in group.terms}) > 1:
            return False
        reduced = group.terms[0].reduced
        wide = [any(self._scope.groups[factor.group].batched for factor in term.factors) for term in group.terms]
        over_samples = any(wide) and not group.batched
        if not (all(wide) if over_samples else any(size > 1 for size in reduced)):
            return False
        if any(term.mask is not None or not self._is_elementwise(term, group) for term in group.terms):
            return False
        if len(group.terms) > 1:
            return True
        return math.prod(reduced) == 1 and (len(group.terms[0].factors) == 1 or is_square(group.terms[0]))

    def _is_elementwise(self, term: Term, group: Group) -> bool:
        """Whether the product is no larger than its factors, so that nothing is gained by adding up on the way."""
        moving = self._find_moving_axes(term, group)
        return all(left == right for left, right in itertools.pairwise(moving))

    def _find_moving_axes(self, term: Term, group: Group) -> list[set[int]]:
        """Find the axes along which each factor varies."""
        sizes = group.shape + term.reduced
        return [
            {axis for index in factor.index for axis in index.depends_on() if sizes[axis] > 1}
            | ({BATCH} if self._scope.groups[factor.group].batched else set())
            for factor in term.factors
        ]

    def _write_sum_of_sums(self, group: Group, mean: bool) -> Fragment:
        reduced = group.terms[0].reduced
        batched = any(self._scope.groups[ref.group].batched for ref in group.refs())
        wide = Group("sum", group.shape + reduced, batched=batched)
        terms = [replace(term, reduced=()) for term in group.terms]
        total = self._write_total([write_term(term, wide, self._scope) for term in terms]).as_number()
        self.parts = []
        if any(size > 1 and axis not in total.axes for axis, size in enumerate(reduced, len(group.shape))):
            total = complete(total, wide)
        along = find_axes(wide)[-len(total.axes) :]
        kept = find_axes(group)
        places = [place for place, axis in enumerate(along) if axis not in kept]
        rest = tuple(label for label, axis in zip(total.axes, along, strict=True) if axis in kept)
        if not mean or math.prod(reduced) > 1:
            found = total.call_method(f"sum({write_axis(places, len(total.axes))})", rest)
            return _divide(found) if mean else found
        if not rest:
            return call("mean", (total,), ())
        return total.call_method(f"mean({write_axis(places, len(total.axes))})", rest)

    def _write_total(self, terms: Sequence[SignedTerm]) -> Fragment:
        """Write the terms with + and − between: contractions first, and what is subtracted last."""
        ordered = sorted(terms, key=lambda term: (term.negative, not term.contraction))
        if all(term.fragment.number is not None for term in ordered):
            return literal(sum((term.number for term in ordered), 0.0))
        first, *rest = ordered
        total = negate(first.fragment) if first.negative else first.fragment
        parts = [total.text]
        for term in rest:
            longer = binary("-" if term.negative else "+", total, term.fragment)
            before = f"{total.text} "
            parts = [*parts, longer.text[len(before) :]] if longer.text.startswith(before) else [longer.text]
            total = longer
        self.parts = parts
        return total


def complete(fragment: Fragment, group: Group) -> Fragment:
    """Give an array all dimensions of the group's, in full size."""
    wanted = find_axes(group)
    missing = [axis for axis in wanted if axis not in fragment.axes]
    if fragment.number is not None:
        fragment = call("asarray", (fragment,), ())
    if any(axis == BATCH or group.shape[axis] > 1 for axis in missing):
        return Fragment(f"broadcast_to({fragment.text}, {write_shape(group)})", ATOM, wanted, boolean=fragment.boolean)
    if len(fragment.axes) < len(wanted):
        fragment = fragment.insert_axes([0] * (len(wanted) - len(fragment.axes)))
    return fragment.with_axes(wanted)


def write_shape(group: Group) -> str:
    """Write the shape of a group's array, n for the number of samples."""
    sizes = [*map(str, group.shape), *(("n",) if group.batched else ())]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


def _reads_as_operator(symbol: str, operands: Sequence[Fragment]) -> bool:
    """Whether it is an operator's arithmetic: ``pow`` of two arrays is a function, as it has limits of its own."""
    return symbol != "**" or (operands[1].number is not None and math.isfinite(operands[1].number))


def _divide(fragment: Fragment) -> Fragment:
    return binary("/", fragment, Fragment("n"), fragment.axes)
