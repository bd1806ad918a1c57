"""How far rounding can take the results of a program: a running error analysis, group by group.

Each number comes with a bound on its error. An operation passes on the errors of its operands by its partial
derivatives, which the table knows, and adds a few units in the last place of its own result; a sum adds one for each of
its terms. Where terms cancel, the bound stays as large as they were: this is what tells a result that is 0 but for
rounding from one that is wrong.

Why it is sound: to first order in the errors, and away from kinks, the bound holds for the program, and for the
function evaluated node by node as well, which does the same in another order. Cost: one run of the program with all
products written out, in memory too; it is needed only where a program and its function differ.

Reference: Higham 2002, "Accuracy and stability of numerical algorithms", section 3.3.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.lift.checking.tolerance import SAFETY
from tinygrad_lite.lift.engines import op_lowerings
from tinygrad_lite.lift.ir.groups import Group, Groups, Loop, Ref, Term
from tinygrad_lite.lift.ir.reductions import LOOKUP, REDUCTIONS
from tinygrad_lite.lift.ir.unrolling import take_step
from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.operations import ops
from tinygrad_lite.operations.arithmetic import evaluate_rule
from tinygrad_lite.operations.operation import NARY, Op

Floats = NDArray[np.float64]
#: Half a unit in the last place, relative to the number.
_UNIT: Final = 2.0**-53
#: So many half units an operation may be off.
_OPERATION: Final = 16.0
#: The least float above 0: how far a product may be off that is too small for more digits.
_LEAST: Final = 2.0**-1074
#: From here on, relative to the numbers, a change is a jump: rounding changes less.
_JUMP: Final = 1e-3


def bound_errors(program: Groups, arrays: Sequence[Floats]) -> list[float]:
    """Find for each result the largest bound on the rounding error of one of its numbers.

    Args:
        program: A valid program.
        arrays: Of the input groups, samples along the last axis.

    >>> from tinygrad_lite.lift.ir.groups import Index, Output
    >>> along = (Index(0, ((0, 1),)),)
    >>> sum_of_three = Group("sum", (), terms=(Term((Ref(0, along),), (3,)),))
    >>> program = Groups([Group("input", (3,)), sum_of_three], [0], [Output((), Ref(1, ()))])
    >>> (bound,) = bound_errors(program, [np.array([1e9, -1e9, 1.0])])
    >>> 1e-7 < bound < 1e-5
    True
    """
    return analyze_program(program, arrays)[0]


def analyze_program(program: Groups, arrays: Sequence[Floats]) -> tuple[list[float], float]:
    """Find what :func:`bound_errors` does, and the largest finite number that is computed on the way."""
    with np.errstate(all="ignore"):
        analysis = _Analysis(program, arrays)
        return analysis.bound_outputs(), max(map(find_largest, (value for value, _ in analysis.found)), default=0.0)


def find_largest(numbers: Any) -> float:
    """Find the largest size of the finite ones among some numbers; 0 if there are none."""
    sizes = np.abs(np.asarray(numbers, dtype=np.float64))
    return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))


def bound_graph_errors(graph: Graph) -> Floats:
    """Bound the rounding error of each result of a scalar graph, where it is evaluated node by node.

    Args:
        graph: With the numbers that its nodes hold.
    """
    return analyze_graph(graph)[0]


def analyze_graph(graph: Graph) -> tuple[Floats, dict[int, list[float]]]:
    """Find what :func:`bound_graph_errors` does, and where rounding decides on which side of a kink a number is.

    Args:
        graph: With the numbers that its nodes hold.

    Returns:
        The bounds; and for each node that is so near to a jump the values that it may take instead.
    """
    errors, kinks = [0.0] * len(graph), {}
    numbers = graph.numbers.tolist()
    for node in range(len(graph.leaves), len(graph)):
        op = ops.BY_CODE[graph.codes[node]]
        assert op is not None
        row = graph.operands[graph.starts[node] : graph.starts[node + 1]].tolist()
        xs = [numbers[k] for k in row]
        sizes = [abs(numbers[node])]
        if any(errors[k] for k in row):
            if op.arity == NARY:
                slopes = evaluate_rule(op.partials[0], (xs, numbers[node]))
            else:
                slopes = [
                    evaluate_rule(rule, (*xs, numbers[node])) if errors[k] else 0.0
                    for rule, k in zip(op.partials, row, strict=True)
                ]
            errors[node] = sum(abs(slope) * errors[k] for slope, k in zip(slopes, row, strict=True) if errors[k])
            if op.kink is not None:
                sides = _find_sides(op, xs, [SAFETY * errors[k] for k in row])
                if sides:
                    kinks[node] = sides
        if op.arity == NARY and op.definition is not None:  # what is added up on the way
            sizes += [abs(x) for x in xs]
        if not _is_exact(op, xs, numbers[node]):
            errors[node] += _UNIT * _OPERATION * sum(sizes) + _LEAST * len(row)
    return np.array([errors[k] for k in graph.roots.tolist()]), kinks


def _is_exact(op: Op, xs: Sequence[float], z: float) -> bool:
    """Whether an operation chooses among its operands, takes a step, or a sign: nothing is rounded then."""
    if op.forward in (operator.neg, operator.pos):
        return True
    return (op.kink is not None or op.chooses) and (abs(z) in map(abs, xs) or z.is_integer())


def _find_sides(op: Op, xs: Sequence[float], errors: Sequence[float]) -> list[float]:
    """Find the values that an operation takes where its operands differ by their errors, if it jumps to them."""
    sides = [(x - error, x, x + error) if error else (x,) for x, error in zip(xs, errors, strict=True)]
    here, found = op.forward(*xs), []
    for corner in itertools.product(*sides):
        try:
            there = op.forward(*corner)
        except (ArithmeticError, ValueError):  # on one side it is not defined
            continue
        if not abs(there - here) <= _JUMP * max(abs(here), abs(there)) + len(xs) * sum(errors):
            found.append(there)
    return sorted(set(found))


def _take_steps(group: Group, steps: Sequence[int]) -> Group:
    for step in steps:
        group = take_step(group, step)
    return group


def _find_place(group: Group, steps: Sequence[int]) -> tuple[int, ...]:
    """Find where in the array of a group stands what these steps compute, the outermost loop's first."""
    return tuple([step + (len(group.initial) if axis == group.axis else 0) for axis, step in enumerate(steps)])


class _Analysis:
    """The numbers of all groups, and the bounds on their errors."""

    def __init__(self, program: Groups, arrays: Sequence[Floats]) -> None:
        self.program = program
        self.functions = op_lowerings.load_numpy_functions()
        self.arithmetic = SimpleNamespace(**self.functions)
        given = dict(zip(program.inputs, arrays, strict=True))
        self.samples = next((a.shape[-1] for n, a in given.items() if program.groups[n].batched), 1)
        self.found: list[tuple[Any, Any]] = []
        loops = {loop.start: loop for loop in program.loops if not loop.axis}
        number = 0
        while number < len(program.groups):
            group = program.groups[number]
            if number in loops:
                for member in program.groups[number : loops[number].stop]:
                    rows = np.zeros((*member.shape, *([self.samples] if member.batched else [])))
                    self.found.append((rows, rows.copy()))
                self._analyze_loop(loops[number], ())
                number = loops[number].stop
                continue
            self.found.append(self._analyze(group, given.get(number)))
            number += 1

    def bound_outputs(self) -> list[float]:
        found = []
        for output in self.program.outputs:
            source = self.program.groups[output.ref.group]
            _, errors = self._read(output.ref, output.shape or (), source.batched)
            found.append(float(np.max(np.nan_to_num(errors, nan=0.0, posinf=np.inf), initial=0.0)))
        return found

    def _analyze_loop(self, loop: Loop, around: tuple[int, ...]) -> None:
        """Analyze one step after the other, at one step of each of the loops around it."""
        for number in range(loop.start, loop.stop):
            group = self.program.groups[number]
            if group.initial and group.axis == loop.axis:
                for row, found in enumerate(self._read_initial(_take_steps(group, around))):
                    self._set(number, (*_find_place(group, around), row), found)
        inner = {other.start: other for other in self.program.loops if other.axis == loop.axis + 1}
        for step in range(loop.steps):
            steps = (*around, step)
            number = loop.start
            while number < loop.stop:
                if number in inner:
                    self._analyze_loop(inner[number], steps)
                    number = inner[number].stop
                    continue
                group = self.program.groups[number]
                self._set(number, _find_place(group, steps), self._analyze(_take_steps(group, steps), None))
                number += 1

    def _set(self, number: int, place: tuple[int, ...], found: tuple[Any, Any]) -> None:
        for whole, part in zip(self.found[number], found, strict=True):
            whole[place] = part

    def _read_initial(self, group: Group) -> list[tuple[Any, Any]]:
        return [self._read(ref, group.row, group.batched) for ref in group.initial]

    def _analyze(self, group: Group, given: Floats | None) -> tuple[Any, Any]:
        """Compute the numbers of a group, behind the rows that are copied, and their bounds."""
        if group.initial:
            rows = self._read_initial(group)
            computed = self._analyze(replace(group, shape=group.grid, initial=()), None)
            value, error = (
                np.concatenate([np.stack([row[k] for row in rows], group.axis), computed[k]], group.axis)
                for k in (0, 1)
            )
            return value, error
        if group.kind == "input":
            array = np.asarray(given, dtype=np.float64)
            return array, np.zeros_like(array)
        if group.kind == "constant":
            data = np.asarray(group.data)
            return data, np.where(data == np.rint(data), 0.0, _UNIT * np.abs(data))  # a whole number is exact
        if group.kind == "map":
            return self._analyze_map(group)
        return self._analyze_sum(group) if group.kind == "sum" else self._analyze_fold(group)

    def _analyze_map(self, group: Group) -> tuple[Any, Any]:
        op = ops.find(group.op)
        function = self.functions.get(group.op) or op_lowerings.vectorize(op)
        operands = [self._read(ref, group.shape, group.batched) for ref in group.operands]
        xs = [x for x, _ in operands]
        value = self._broadcast(1.0 * function(*xs), group)
        errors = _UNIT * _OPERATION * np.abs(value)
        for rule, (_, error) in zip(op.partials, operands, strict=True):
            if np.any(error):
                slope = np.abs(np.asarray(rule(self.arithmetic, *xs, value), dtype=np.float64))
                errors = errors + np.where(error == 0.0, 0.0, slope * error)
        return value, errors

    def _analyze_sum(self, group: Group) -> tuple[Any, Any]:
        total, errors, sizes, terms = 0.0, 0.0, 0.0, 0
        for term in group.terms:
            wide = any(self.program.groups[ref.group].batched for ref in term.factors)
            shape = group.shape + term.reduced
            value, error = self._read(term.factors[0], shape, wide)
            for ref in term.factors[1:]:
                other, other_error = self._read(ref, shape, wide)
                error = np.abs(value) * other_error + np.abs(other) * error
                value = value * other
            kept = self._make_mask(term, len(shape), wide)
            value, error = (np.where(kept, array, 0.0) for array in (term.sign * value, error))
            axes = tuple(range(len(group.shape), len(shape)))
            over = (*axes, -1) if wide and not group.batched else axes
            share = self.samples if over != axes and group.over == "mean" else 1
            parts = [np.sum(array, axis=over) / share for array in (value, error, np.abs(value))]
            if group.batched and not wide:
                parts = [part[..., None] for part in parts]
            total, errors, sizes = total + parts[0], errors + parts[1], sizes + parts[2]
            terms += int(np.prod(term.reduced, dtype=int)) * (self.samples if over != axes else 1)
        return self._broadcast(total, group), self._broadcast(errors + _UNIT * (terms + 1) * sizes, group)

    def _analyze_fold(self, group: Group) -> tuple[Any, Any]:
        (term,) = group.terms
        shape = group.shape + term.reduced
        axes = tuple(range(len(group.shape), len(shape)))
        value, error = self._read(term.factors[0], shape, group.batched)
        if group.op == LOOKUP:
            index, _ = self._read(group.operands[-1], group.shape, group.batched)
            place = np.expand_dims(index.astype(int) % term.reduced[0], axes[0])
            taken = [np.take_along_axis(array, place, axis=axes[0]).squeeze(axes[0]) for array in (value, error)]
            return taken[0], taken[1]
        reduction = REDUCTIONS[group.op]
        kept = self._make_mask(term, len(shape), group.batched)
        value, error = np.where(kept, value, reduction.neutral), np.where(kept, error, 0.0)
        result = getattr(np, reduction.method)(value, axis=axes)
        if reduction.selects:
            return result, error.max(axis=axes)
        relative = np.nan_to_num(error / np.abs(value), posinf=0.0).sum(axis=axes)
        return result, np.abs(result) * (relative + _UNIT * np.prod(term.reduced))

    def _read(self, ref: Ref, shape: tuple[int, ...], wide: bool) -> tuple[Any, Any]:
        """Read numbers and errors for each coordinate of a grid, and each sample."""
        source = self.program.groups[ref.group]
        grid: Any = np.indices(shape, sparse=True)
        places = tuple([np.broadcast_to(np.asarray(index.at(grid)), shape) for index in ref.index])
        if ref.flat:
            places = tuple(np.unravel_index(places[0], source.shape))
        read = []
        for array in self.found[ref.group]:
            rest = array.shape[len(source.shape) :]
            found = array[places] if places else np.broadcast_to(array, shape + rest)
            read.append(found[..., None] if wide and not source.batched else found)
        return read[0], read[1]

    def _make_mask(self, term: Term, axes: int, wide: bool) -> Any:
        """Say which cells of a term's grid count."""
        if term.mask is None:
            return True
        order = np.argsort(term.axes)
        sizes = dict(zip(term.axes, term.mask.shape, strict=True))
        mask = term.mask.transpose(order).reshape([sizes.get(axis, 1) for axis in range(axes)])
        return mask[..., None] if wide else mask

    def _broadcast(self, array: Any, group: Group) -> Any:
        return np.broadcast_to(array, group.shape + ((self.samples,) if group.batched else ()))
