"""One group as array source: what stands on the right of its statement."""

from __future__ import annotations

import operator
import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from tinygrad_lite import ops
from tinygrad_lite.lift.averaging import Averaging
from tinygrad_lite.lift.folds import write_fold
from tinygrad_lite.lift.fragments import ATOM, BATCH, COMPARE, OPERATORS, Fragment, binary, call, joined, literal, negative
from tinygrad_lite.lift.groups import Group, Term
from tinygrad_lite.lift.terms import Scope, SignedTerm, axes_of, write_term
from tinygrad_lite.lift.views import align
from tinygrad_lite.operation import CONDITION

#: The names of array functions that the text may use, besides the operations of the table, ``inf`` and ``nan``.
FUNCTIONS = (
    *("arange", "asarray", "broadcast_to", "einsum", "eye", "mean", "sliding_window_view", "take_along_axis"),
    *("tri", "where"),
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
        """The group's array, with all its dimensions."""
        group = self._scope.groups[number]
        self.parts = []
        if group.kind == "map":
            fragment = self._map(group)
        elif group.kind == "fold":
            fragment = write_fold(group, self._scope)
        else:
            fragment = self._sum(group, group.over == "mean" and number not in self._divisions.summed)
        if number in self._divisions.divided:
            fragment = _divided(fragment)
        return complete(fragment, group)

    # -------------------------------------------------------------------------------------------- maps

    def _map(self, group: Group) -> Fragment:
        wanted = axes_of(group)
        operands = [align(self._scope.read(ref, group, (), group.batched), wanted) for ref in group.operands]
        op = ops.find(group.op)
        if op.forward is operator.neg:
            return negative(operands[0])
        if op.forward is operator.pos:
            return operands[0].as_number()
        literals = all(fragment.number is not None for fragment in operands)
        if op.symbol in OPERATORS and len(operands) == 2 and not literals and _reads_as_operator(op.symbol, operands):
            return binary(op.symbol, *operands)
        conditions = [domain is CONDITION for domain in op.domain]
        arguments = [f if condition else f.as_number() for f, condition in zip(operands, conditions, strict=True)]
        if literals:
            arguments = [call("asarray", arguments[:1], ()), *arguments[1:]]
        compares = OPERATORS.get(op.symbol, ("", ATOM))[1] == COMPARE
        return replace(call(self._function(op.name), arguments, joined(operands)), boolean=compares)

    def _function(self, operation: str) -> str:
        """What the text calls an operation. A user's may have any name: one that is not plain gets another."""
        name = operation
        if operation not in ops.TABLE and (not _OPERATION.match(operation) or operation in self._taken):
            known = {op: name for name, op in self.operations.items()}
            name = known.get(operation, f"operation_{len(self.operations) + 1}")
        self.operations[name] = operation
        return name

    # -------------------------------------------------------------------------------------------- sums

    def _sum(self, group: Group, mean: bool) -> Fragment:
        if self._adds_samples_last(group):
            return self._sum_over_samples(group, mean)
        terms = [write_term(term, group, self._scope) for term in group.terms]
        if mean and all(term.over_samples for term in terms):
            return _divided(self._total(terms))
        if mean:
            terms = [term.divided() if term.over_samples else term for term in terms]
        return self._total(terms)

    def _adds_samples_last(self, group: Group) -> bool:
        """Whether the samples are added up of what the terms make together: where none is a contraction."""
        if group.batched or not group.terms:
            return False
        return all(
            not term.reduced
            and term.mask is None
            and any(self._scope.groups[factor.group].batched for factor in term.factors)
            and (len(term.factors) == 1 or (len(group.terms) > 1 and self._is_elementwise(term, group)))
            for term in group.terms
        )

    def _is_elementwise(self, term: Term, group: Group) -> bool:
        """Whether a product is no larger than one of its factors."""
        left, right = (
            {axis for index in factor.index for axis in index.depends_on() if group.shape[axis] > 1}
            | {BATCH for _ in range(self._scope.groups[factor.group].batched)}
            for factor in term.factors
        )
        return left <= right or right <= left

    def _sum_over_samples(self, group: Group, mean: bool) -> Fragment:
        total = self._total([write_term(term, group, self._scope, samples_stay=True) for term in group.terms])
        total = total.as_number()
        self.parts = []
        if total.axes == (BATCH,):
            return call("mean", (total,), ()) if mean else total.method("sum()", ())
        return total.method("mean(-1)" if mean else "sum(-1)", total.axes[:-1])

    def _total(self, terms: Sequence[SignedTerm]) -> Fragment:
        """The terms with + and − between: contractions first, and what is subtracted last."""
        ordered = sorted(terms, key=lambda term: (term.negative, not term.contraction))
        if all(term.fragment.number is not None for term in ordered):
            return literal(sum((term.number for term in ordered), 0.0))
        first, *rest = ordered
        total = negative(first.fragment) if first.negative else first.fragment
        parts = [total.text]
        for term in rest:
            before = total.as_number().text
            parts[0] = before if len(parts) == 1 else parts[0]
            total = binary("-" if term.negative else "+", total, term.fragment)
            parts.append(total.text.removeprefix(before).strip())
        self.parts = parts
        return total


def complete(fragment: Fragment, group: Group) -> Fragment:
    """With all dimensions of the group's array, in full size."""
    wanted = axes_of(group)
    missing = [axis for axis in wanted if axis not in fragment.axes]
    if fragment.number is not None:
        fragment = call("asarray", (fragment,), ())
    if any(axis == BATCH or group.shape[axis] > 1 for axis in missing):
        return Fragment(f"broadcast_to({fragment.text}, {shape_text(group)})", ATOM, wanted, boolean=fragment.boolean)
    if len(fragment.axes) < len(wanted):
        fragment = fragment.size_one([0] * (len(wanted) - len(fragment.axes)))
    return fragment.with_axes(wanted)


def shape_text(group: Group) -> str:
    """The shape of a group's array, n for the number of samples."""
    sizes = [*map(str, group.shape), *(("n",) if group.batched else ())]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


def _reads_as_operator(symbol: str, operands: Sequence[Fragment]) -> bool:
    """Powers stand as ``**`` only where the exponent is a small number: NumPy squares faster than it raises."""
    return symbol != "**" or operands[1].number in (-1.0, 0.5, 2.0, 3.0)


def _divided(fragment: Fragment) -> Fragment:
    return binary("/", fragment, Fragment("n"), fragment.axes)
