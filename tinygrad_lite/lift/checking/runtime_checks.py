"""What a function demands of numbers that it takes, checked at each call of its program.

The function itself checks as it runs: ``lookup`` raises for an index that is out of range, ``cross_entropy`` for a
class that there is not. A trace sees one example, and a program computes: it takes an index modulo the size of the
table, and whatever number a formula is given. So programs have the demands beside their statements, as
:func:`tinygrad_lite.trace_mode.demanded` noted them while the function was traced.

Numbers that are arguments are looked at before the program runs, others are results of it that nobody gets. Costs:
three passes over the numbers that are demanded of, a few microseconds where they are few. With the jax engine, numbers
that are computed are waited for; inside of a function that JAX traces nothing can be raised, and all results are nan.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.ir.groups import Group, Groups, Output, Ref
from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.operations.numerics import index_of
from tinygrad_lite.trace_mode import Demand
from tinygrad_lite.value import Value

Floats = NDArray[np.float64]


class UnforeseenError(LiftError):
    """A number to which the function does what it did to none of those that it was traced with."""


class RuntimeChecks:
    """All demands of a program.

    Args:
        program: Its groups.
        name: Of the function, for messages.

    Attributes:
        outputs: What the program has to compute beside its results.
        given: Demands on numbers that are arguments.
        computed: On those that are computed, in the order of ``outputs``.

    >>> from tinygrad_lite import lookup
    >>> from tinygrad_lite.lift.lifting import lift
    >>> program = lift(lambda table, i: lookup(table, 2 * i)).program_for([1.0, 2.0, 3.0], 1)
    >>> len(program.demands.outputs)
    1
    """

    def __init__(self, program: Groups, name: str) -> None:
        self.given: list[_Given] = []
        self.computed: list[_Computed] = []
        self._name = name
        for output, demand in program.demands:
            source = program.groups[output.ref.group]
            if source.kind == "input":
                self._add(_Given(program, output, demand))
            elif source.kind == "constant":
                _check_constant(source, output, demand)
            else:
                self.computed.append(_Computed(output, demand))
        self.outputs: Final = [computed.output for computed in self.computed]

    def __bool__(self) -> bool:
        return bool(self.given or self.computed)

    def _add(self, new: _Given) -> None:
        """Add a demand, unless another is the same or stricter."""
        if not any(known.includes(new) for known in self.given):
            self.given.append(new)

    def check_arguments(
        self, arrays: Sequence[Any], axes: Sequence[int | None] | None = None, known: Collection[int] = ()
    ) -> None:
        """Look at the numbers that are arguments.

        Args:
            arrays: Of the input groups, NumPy's or JAX's.
            axes: Along which their samples run, where that is not the last.
            known: The places of arrays that were looked at before.

        Raises:
            IndexError, TypeError, ValueError, OverflowError: As the function does.
        """
        for given in self.given:
            if given.place in known:
                continue
            axis = None if axes is None else axes[given.place]
            for part in _copy_to_host(arrays[given.place]):
                if not _are_met(np, given.select(part, axis), given.demand):
                    raise given.make_error(part, axis)

    def check_computed(self, arrays: Sequence[Any]) -> None:
        """Look at what was computed for :attr:`outputs`; raise as :meth:`check_arguments`."""
        for computed, array in zip(self.computed, arrays, strict=True):
            for part in _copy_to_host(array):
                if not _are_met(np, part, computed.demand):
                    raise computed.make_error(part, self._name)

    def are_met(
        self, arrays_of: Any, arrays: Sequence[Any], computed: Sequence[Any], known: Collection[int] = ()
    ) -> Any:
        """Whether all numbers are as demanded, as an array of one boolean.

        Args:
            arrays_of: ``numpy`` or ``jax.numpy``.
            arrays: Of the input groups, with samples along the last axis.
            computed: For each of :attr:`outputs`.
            known: The places of arrays that were looked at before.
        """
        fine = arrays_of.asarray(True)
        for given in [given for given in self.given if given.place not in known]:
            fine = fine & _are_met(arrays_of, given.select(arrays[given.place], None), given.demand)
        for one, array in zip(self.computed, computed, strict=True):
            fine = fine & _are_met(arrays_of, array, one.demand)
        return fine


class TracedDemands:
    """What a trace noted, on the way through the passes: numbers are results there, beside those of the function.

    Args:
        noted: Nodes, and what is demanded of each.

    Attributes:
        shapes: Of the arrays that they are put into: one for each demand and argument.
    """

    def __init__(self, noted: Sequence[tuple[Value, Demand]]) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._nodes: list[Value] = []
        self._demands: list[Demand] = []
        seen = set()
        for node, demand in noted:
            if (id(node), demand) not in seen:
                seen.add((id(node), demand))
                self._nodes.append(node)
                self._demands.append(demand)

    @classmethod
    def of(cls, shapes: Sequence[tuple[int, ...]], demands: Sequence[Demand]) -> TracedDemands:
        """Make what there is once numbers are arranged: the demands, one for each array."""
        made = cls(())
        made.shapes, made._demands = list(shapes), list(demands)
        return made

    @property
    def demands(self) -> list[Demand]:
        """What is demanded of each array, once they are arranged."""
        return self._demands

    def release(self) -> list[Value]:
        """Give the nodes away: they are not held here any more, so that the graph may go."""
        nodes, self._nodes = self._nodes, []
        return nodes

    def arrange(self, graph: Graph, first: int, unit: NDArray[np.intp]) -> None:
        """Put the graph's roots from the first of these on in order, so that one array reads one argument only.

        Args:
            graph: Of the function.
            first: How many roots there are before.
            unit: For each leaf of the graph its argument.
        """
        roots = graph.roots[first:]
        number = {demand: k for k, demand in enumerate(dict.fromkeys(self._demands))}
        kinds = np.array([number[demand] for demand in self._demands], dtype=np.intp)
        units = np.array([unit[node] if node < len(unit) else -1 for node in roots.tolist()], dtype=np.intp)
        order = np.lexsort((units, kinds))
        pairs = [(int(kinds[k]), int(units[k])) for k in order]
        self.shapes = [(sum(1 for _ in members),) for _, members in itertools.groupby(pairs)]
        self._demands = [list(number)[kind] for (kind, _), _ in itertools.groupby(pairs)]
        graph.roots = np.concatenate([graph.roots[:first], roots[order]])

    def locate(self, program: Groups, refs: Sequence[Ref]) -> list[tuple[Output, Demand]]:
        """Say where the numbers stand in the program, for what grouping gives for them."""
        return [
            (Output(shape, ref, program.groups[ref.group].batched), demand)
            for shape, ref, demand in zip(self.shapes, refs, self._demands, strict=True)
        ]


class _Given:
    """A demand on numbers of an argument.

    Attributes:
        place: Of the argument among the inputs.
        elements: Their places in C order; None for all.
        path: Of the argument.
    """

    def __init__(self, program: Groups, output: Output, demand: Demand) -> None:
        source = program.groups[output.ref.group]
        places = _find_places(output)
        if output.ref.flat or not places:
            (flat,) = places or [np.zeros(output.shape or (), dtype=np.intp)]
        else:
            flat = np.ravel_multi_index(tuple(places), source.shape)
        elements = np.unique(flat)
        self.place: Final = program.inputs.index(output.ref.group)
        self.elements: Final = None if len(elements) == source.size else elements
        self.demand: Final = demand
        self._batched = source.batched
        self.path = source.path or "an argument"
        self._shape = source.shape

    def includes(self, other: _Given) -> bool:
        """Whether the other asks for nothing more."""
        if self.place != other.place:
            return False
        if self.elements is not None and (other.elements is None or not np.isin(other.elements, self.elements).all()):
            return False
        ours, theirs = self.demand, other.demand
        return ours.low >= theirs.low and ours.high <= theirs.high and ours.step >= theirs.step

    def select(self, array: Any, axis: int | None) -> Any:
        """Take those of an array of the whole argument, with samples along an axis: the last, if None."""
        return array if self.elements is None else self._flatten(array, axis)[self.elements]

    def _flatten(self, array: Any, axis: int | None) -> Any:
        """Put all numbers of the argument along the first axis; samples along the second."""
        if not self._batched:
            return array.reshape(-1)
        if axis is not None and axis != array.ndim - 1:
            array = array.transpose(*[k for k in range(array.ndim) if k != axis], axis)
        return array.reshape(math.prod(self._shape), array.shape[-1])

    def make_error(self, array: Any, axis: int | None) -> Exception:
        """Make the error for the first number that is wrong."""
        numbers = self._flatten(np.asarray(array, dtype=np.float64), axis)
        numbers = numbers if self.elements is None else numbers[self.elements]
        element, *sample = np.argwhere(_mark_wrong(numbers, self.demand))[0].tolist()
        number = float(numbers[(element, *sample)])
        element = element if self.elements is None else int(self.elements[element])
        indices = "".join([f"[{k}]" for k in np.unravel_index(element, self._shape)]) if self._shape else ""
        where = f"{self.path}{indices}" + (f" of sample {sample[0]}" if sample else "")
        return _make_error(self.demand, number, where)


class _Computed:
    """A demand on numbers that the program computes."""

    def __init__(self, output: Output, demand: Demand) -> None:
        self.output: Final = output
        self.demand: Final = demand

    def make_error(self, array: Any, name: str) -> Exception:
        """Make the error for the first number that is wrong."""
        numbers = np.asarray(array, dtype=np.float64)
        first = np.argwhere(_mark_wrong(numbers, self.demand))[0].tolist()
        sample = f" for sample {first[0]}" if self.output.batched else ""
        return _make_error(self.demand, float(numbers[tuple(first)]), f"computed by {name}{sample}")


def _check_constant(source: Group, output: Output, demand: Demand) -> None:
    """Look at numbers that are part of the program: those that the function closed over, in one that was saved."""
    assert source.data is not None
    data = source.data.ravel() if output.ref.flat else source.data
    numbers = data[tuple(_find_places(output))].ravel()
    if not _are_met(np, numbers, demand):
        raise _make_error(demand, float(numbers[_mark_wrong(numbers, demand)][0]), "a number of the function itself")


def _find_places(output: Output) -> list[Any]:
    """Find the places along each axis of the group that is read."""
    shape = output.shape or ()
    grid: Any = np.indices(shape, sparse=True)
    return [np.broadcast_to(np.asarray(index.at(grid)), shape) for index in output.ref.index]


def _copy_to_host(array: Any) -> list[Any]:
    """Copy what this process has of it, as NumPy's arrays."""
    if isinstance(array, np.ndarray):
        return [array]
    if getattr(array, "is_fully_addressable", True):
        return [np.asarray(array)]
    return [np.asarray(shard.data) for shard in array.addressable_shards]


def _are_met(arrays_of: Any, numbers: Any, demand: Demand) -> Any:
    """Whether all numbers are as demanded: one boolean. NaN is not."""
    if not numbers.size:
        return True
    fine = (numbers.min() >= demand.low) & (numbers.max() <= demand.high)
    if demand.step:
        steps = numbers if demand.step == 1.0 else (numbers - demand.low) / demand.step
        fine = fine & (steps == arrays_of.rint(steps)).all()
    return fine


def _mark_wrong(numbers: Floats, demand: Demand) -> NDArray[np.bool_]:
    """Mark which of them are not as demanded."""
    with np.errstate(all="ignore"):
        fine = (numbers >= demand.low) & (numbers <= demand.high)
        if demand.step:
            steps = (numbers - demand.low) / demand.step
            fine &= steps == np.rint(steps)
    wrong: NDArray[np.bool_] = ~fine
    return wrong


def _make_error(demand: Demand, number: float, where: str) -> Exception:
    """Make the function's own error, which says which number of which argument it is about."""
    kind: type[Exception] = ValueError
    said = demand.message(number)
    if number == demand.other:
        return UnforeseenError(
            f"{demand.what} is {number:g} ({where}), which the function treats in a way of its own, and this program "
            "was made from numbers without one: what lift(f) gives makes another program for it, a saved one cannot"
        )
    if demand.error == "index_of":
        try:
            index_of(number, int(demand.high) + 1)
        except (ArithmeticError, IndexError, TypeError, ValueError) as error:
            kind = type(error)
            said = said if kind is IndexError else str(error)
    elif demand.error == "IndexError":
        kind = IndexError if number % 1.0 == 0.0 else TypeError
    return kind(f"{said} ({where})")
