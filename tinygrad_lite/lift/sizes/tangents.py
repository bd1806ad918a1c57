"""Forward mode on groups: a program's result and how it changes in a direction, both as one program.

Each group gets a second one, its tangent: of a sum the sum with one factor after the other replaced by its tangent,
of a map the sum of its operation's partial derivatives, as the table has them, times the operands' tangents. What
gradients in a program are is held against it: the two come from one function in different ways.

Source: Griewank & Walther 2008, "Evaluating derivatives", section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Groups, Output, Ref, Term, all_of
from tinygrad_lite.lift.ir.reductions import LOOKUP, REDUCTIONS
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.arithmetic import interpreter, products_without_each
from tinygrad_lite.operations.operation import Op


def add_tangents(program: Groups, place: int = 0) -> Groups:
    """Make a program of a result and its derivative in a direction.

    Args:
        program: Any; of its groups those that the result needs are taken.
        place: Of the result among its outputs.

    Returns:
        Takes the arrays of the inputs, and then a tangent for each; gives the result and its tangent.

    >>> from tinygrad_lite.lift.engines.numpy_engine import build
    >>> groups = [Group("input", (3,)), Group("map", (3,), "exp", (all_of(0, 1),))]
    >>> program = Groups(groups, [0], [Output((3,), all_of(1, 1))])
    >>> _, tangent = build(add_tangents(program))([np.zeros(3), np.array([1.0, 2.0, 3.0])])
    >>> tangent
    array([1., 2., 3.])
    """
    return _Tangents(program, program.outputs[place]).make()


@dataclass
class _Tangents:
    """The program while it is made."""

    program: Groups
    output: Output
    made: list[Group] = field(default_factory=list)
    place_of: dict[int, int] = field(default_factory=dict)
    tangent_of: dict[int, int] = field(default_factory=dict)

    def make(self) -> Groups:
        groups = self.program.groups
        needed = self.program.find_needed([self.output.ref.group])
        inputs = []
        for number in self.program.inputs:
            self.place_of[number] = self._add(replace(groups[number], name="", nodes=None))
            inputs.append(self.place_of[number])
        for number in self.program.inputs:
            self.tangent_of[number] = self._add(replace(groups[number], name="", nodes=None))
            inputs.append(self.tangent_of[number])
        for number in sorted(needed - set(self.program.inputs)):
            self._copy(number)
        value = replace(self.output, ref=self._moved(self.output.ref))
        tangent = self._tangent(self.output.ref)
        if tangent is None:
            shape = groups[self.output.ref.group].shape
            zero = self._add(Group("constant", shape, data=np.zeros(shape)))
            tangent = replace(self.output.ref, group=zero)
        outputs = [value, replace(value, ref=tangent, batched=self.made[tangent.group].batched)]
        for k, group in enumerate(self.made):
            group.name = f"t{k}"
        return Groups(self.made, inputs, outputs)

    def _add(self, group: Group) -> int:
        self.made.append(group)
        return len(self.made) - 1

    def _moved(self, ref: Ref) -> Ref:
        return replace(ref, group=self.place_of[ref.group])

    def _tangent(self, ref: Ref) -> Ref | None:
        found = self.tangent_of.get(ref.group)
        return None if found is None else replace(ref, group=found)

    def _copy(self, number: int) -> None:
        group = self.program.groups[number]
        operands = tuple([self._moved(ref) for ref in group.operands])
        terms = tuple([replace(t, factors=tuple([self._moved(ref) for ref in t.factors])) for t in group.terms])
        new = replace(group, operands=operands, terms=terms, name="", nodes=None, present=None)
        self.place_of[number] = self._add(new)
        if not any(ref.group in self.tangent_of for ref in group.refs()):
            return
        made = getattr(self, f"_differentiate_{group.kind}")(group, number)
        if made is not None:
            self.tangent_of[number] = made

    def _differentiate_sum(self, group: Group, number: int) -> int | None:
        terms = []
        for term in group.terms:
            for k, ref in enumerate(term.factors):
                tangent = self._tangent(ref)
                if tangent is not None:
                    factors = [self._moved(other) for other in term.factors]
                    factors[k] = tangent
                    terms.append(replace(term, factors=tuple(factors)))
        return self._add_sum(group, terms)

    def _add_sum(self, group: Group, terms: Sequence[Term]) -> int:
        batched = any(self.made[ref.group].batched for term in terms for ref in term.factors)
        over = group.over if batched else ""
        return self._add(Group("sum", group.shape, terms=tuple(terms), batched=batched and not over, over=over))

    def _differentiate_map(self, group: Group, number: int) -> int | None:
        op = ops.find(group.op)
        xs = [_Read(self, group.shape, self._moved(ref)) for ref in group.operands]
        z = _Read(self, group.shape, all_of(self.place_of[number], len(group.shape)))
        arithmetic = interpreter(
            lambda found, operands: _apply(self, group.shape, found, operands),
            products_without_each=products_without_each,
        )
        terms = []
        for rule, ref in zip(op.partials, group.operands, strict=True):
            tangent = self._tangent(ref)
            if tangent is not None:
                slope = _Read.of(self, group.shape, rule(arithmetic, *xs, z))
                terms.append(Term((slope.ref, tangent)))
        return self._add_sum(group, terms) if terms else None

    def _differentiate_fold(self, group: Group, number: int) -> int | None:
        (term,) = group.terms
        tangent = self._tangent(term.factors[0])
        if tangent is None:
            return None
        if group.op == LOOKUP:
            operands = tuple([self._moved(ref) for ref in group.operands])
            batched = any(self.made[ref.group].batched for ref in (*operands, tangent))
            return self._add(
                Group("fold", group.shape, LOOKUP, operands, (replace(term, factors=(tangent,)),), batched=batched)
            )
        full = (*group.shape, *term.reduced)
        x = _Read(self, full, self._moved(term.factors[0]))
        z = _Read(self, full, all_of(self.place_of[number], len(group.shape)))
        if not REDUCTIONS[group.op].selects:  # a product: z · Σ dx / x
            share = _apply(self, full, ops.find("truediv"), [z, x])
            return self._add_sum(group, [self._reduce(term, group, (share.ref, tangent))])
        equal = _apply(self, full, ops.find("equal"), [x, z])
        ties = self._add_sum(group, [self._reduce(term, group, (equal.ref,))])
        total = self._add_sum(group, [self._reduce(term, group, (equal.ref, tangent))])
        axes = len(group.shape)
        operands = (all_of(total, axes), all_of(ties, axes))
        batched = any(self.made[ref.group].batched for ref in operands)
        return self._add(Group("map", group.shape, "truediv", operands, batched=batched))

    def _reduce(self, term: Term, group: Group, factors: tuple[Ref, ...]) -> Term:
        return Term(factors, term.reduced, 1.0, term.mask, term.axes)


@dataclass(frozen=True, eq=False)
class _Read:
    """What a derivative rule computes with: something that is read at each cell of a grid."""

    tangents: _Tangents
    shape: tuple[int, ...]
    ref: Ref

    @classmethod
    def of(cls, tangents: _Tangents, shape: tuple[int, ...], x: Any) -> _Read:
        if isinstance(x, _Read):
            return x
        return cls(tangents, shape, Ref(tangents._add(Group("constant", (), data=np.array(float(x)))), ()))

    def _with(self, name: str, *operands: Any) -> _Read:
        return _apply(self.tangents, self.shape, ops.find(name), operands)

    def __add__(self, other: Any) -> _Read:
        return self._with("add", self, other)

    def __radd__(self, other: Any) -> _Read:
        return self._with("add", other, self)

    def __sub__(self, other: Any) -> _Read:
        return self._with("sub", self, other)

    def __rsub__(self, other: Any) -> _Read:
        return self._with("sub", other, self)

    def __mul__(self, other: Any) -> _Read:
        return self._with("mul", self, other)

    def __rmul__(self, other: Any) -> _Read:
        return self._with("mul", other, self)

    def __truediv__(self, other: Any) -> _Read:
        return self._with("truediv", self, other)

    def __rtruediv__(self, other: Any) -> _Read:
        return self._with("truediv", other, self)

    def __pow__(self, other: Any) -> _Read:
        return self._with("pow", self, other)

    def __rpow__(self, other: Any) -> _Read:
        return self._with("pow", other, self)

    def __mod__(self, other: Any) -> _Read:
        return self._with("mod", self, other)

    def __floordiv__(self, other: Any) -> _Read:
        return self._with("floordiv", self, other)

    def __neg__(self) -> _Read:
        return self._with("neg", self)

    def __abs__(self) -> _Read:
        return self._with("abs", self)


def _apply(tangents: _Tangents, shape: tuple[int, ...], op: Op, operands: Sequence[Any]) -> _Read:
    """Add a map of an operation; sums and differences, which groups have as sums, too."""
    reads = [_Read.of(tangents, shape, x) for x in operands]
    refs = tuple([read.ref for read in reads])
    batched = any(tangents.made[ref.group].batched for ref in refs)
    if op.name in ("add", "sub", "neg", "pos", "sum"):
        last = -1.0 if op.name in ("sub", "neg") else 1.0
        signs = [1.0] * (len(refs) - 1) + [last]
        terms = tuple([Term((ref,), (), sign) for ref, sign in zip(refs, signs, strict=True)])
        group = Group("sum", shape, terms=terms, batched=batched)
    else:
        group = Group("map", shape, op.name, refs, batched=batched)
    return _Read(tangents, shape, all_of(tangents._add(group), len(shape)))
