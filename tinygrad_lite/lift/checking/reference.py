"""The function itself, beside its program: evaluated on numbers, or recorded again on others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_lite.dispatch import apply
from tinygrad_lite.errors import AnomalyError, LiftError
from tinygrad_lite.lift.checking.probes import is_whole
from tinygrad_lite.lift.grouping.input_groups import find_inputs
from tinygrad_lite.lift.tracing.arguments import Arguments, Floats, Unit
from tinygrad_lite.lift.tracing.results import Results, take_apart_results
from tinygrad_lite.lift.tracing.trace import (
    Graph,
    Trace,
    find_lines,
    make_graph,
    make_leaves,
    shape_values,
    trace_function,
)
from tinygrad_lite.modes import detect_anomaly
from tinygrad_lite.operations.ops import BY_CODE


@dataclass(frozen=True)
class Recording:
    """One call of the function.

    Attributes:
        graph: Its graph; leaves that are not arguments are constants.
        lines: Where each node was recorded: file, line and text; "" where that is not known.
        shapes: Of the arrays of its results.
    """

    graph: Graph
    lines: list[str]
    shapes: list[tuple[int, ...]]

    def split_results(self, numbers: Floats) -> list[Floats]:
        """Split numbers of the results into the arrays that the function gives."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(numbers, ends[:-1]), self.shapes, strict=True)]


@dataclass(frozen=True)
class Reference:
    """What a program has to agree with.

    Attributes:
        f: The function.
        name: Of it.
        reduce: What is made of the results of all samples: ``"mean"``, ``"sum"``, or None for all of them.
        arguments: Those that it was lifted with.
    """

    f: Callable[..., Any]
    name: str
    reduce: str | None
    arguments: Arguments

    def evaluate(self, arrays: Sequence[Floats]) -> list[Floats]:
        """Call the function on numbers.

        Args:
            arrays: For each unit of the arguments.

        Returns:
            The results, as the program gives them.
        """
        return self.reduce_samples([self._evaluate_sample(one) for one in self._split_samples(arrays)])

    def record(self, arrays: Sequence[Floats], most: int | None = None) -> list[Recording]:
        """Record the function on some samples, with lines where it records finite numbers only.

        Args:
            arrays: For each unit of the arguments.
            most: Of how many samples; of all, if not given.
        """
        found = []
        for one in self._split_samples(arrays)[:most]:
            pairs = zip(one, self.arguments.units, strict=True)
            given = replace(self.arguments, arrays=[a if unit.axis is None else a[..., None] for a, unit in pairs])
            try:
                with detect_anomaly():
                    trace = trace_function(self.f, self.name, given)
            except AnomalyError:
                trace = trace_function(self.f, self.name, given)
            nodes = [node for part in trace.results.nodes for node in part]
            count = len(nodes)
            nodes += dict.fromkeys(node for node, _ in trace.demands)
            lines, graph = find_lines(nodes), make_graph(nodes)
            graph.roots = graph.roots[:count]
            self._renumber(graph, trace, one)
            find_inputs(self.arguments, trace, graph)
            found.append(Recording(graph, lines, [shape or () for shape in trace.results.shapes]))
        return found

    def reduce_samples(self, each: list[list[Floats]]) -> list[Floats]:
        """Make of the results of all samples what the program gives: their mean, say."""
        if self.arguments.samples is None:
            return each[0]
        if len({tuple([part.shape for part in parts]) for parts in each}) > 1:
            raise LiftError(f"{self.name} gives results of other shapes for another sample")
        stacked = [np.stack(parts) for parts in zip(*each, strict=True)]
        if self.reduce is None:
            return stacked
        return [part.mean(axis=0) if self.reduce == "mean" else part.sum(axis=0) for part in stacked]

    def tie_parameters(self, arrays: list[Floats]) -> None:
        """Give a parameter that stands in several places one number: that of the first."""
        if not self.arguments.share_parameters():
            return
        first: dict[int, float] = {}
        for place, unit in enumerate(self.arguments.units):
            if unit.values and len(unit.values) == arrays[place].size:
                numbers = arrays[place].ravel().tolist()
                tied = [first.setdefault(id(value), number) for value, number in zip(unit.values, numbers, strict=True)]
                arrays[place] = np.array(tied, dtype=np.float64).reshape(arrays[place].shape)

    def _split_samples(self, arrays: Sequence[Floats]) -> list[list[Floats]]:
        """Split arrays into those of each sample; of the only one, where there are none."""
        units = self.arguments.units
        count = next((a.shape[-1] for a, unit in zip(arrays, units, strict=True) if unit.axis is not None), 1)
        return [
            [array if unit.axis is None else array[..., k] for unit, array in zip(units, arrays, strict=True)]
            for k in range(count)
        ]

    def _evaluate_sample(self, arrays: Sequence[Floats]) -> list[Floats]:
        """Call the function on plain numbers; on Values, if it calls their methods.

        It is called with copies of modules; with these themselves, where they have the numbers that are asked for.
        """
        arguments = self.arguments
        if not arguments.modules or arguments.lengths:
            return self._evaluate_with(arguments, arrays)
        if self._has_own_parameters(arrays):
            found = self._evaluate_with(replace(arguments, is_bound=True), arrays)
            if arguments.is_bound or self._has_own_parameters(arrays):  # nobody has changed them meanwhile
                return found
        return self._replay(arrays) if arguments.is_bound else self._evaluate_with(arguments, arrays)

    def _evaluate_with(self, arguments: Arguments, arrays: Sequence[Floats]) -> list[Floats]:
        leaves = make_leaves(arguments, arrays)
        values = [shape_values(nodes, array.shape) for nodes, array in zip(leaves, arrays, strict=True)]
        pairs = zip(arguments.units, arrays, values, strict=True)
        numbers = [value if unit.values is not None else _restore_type(unit, array) for unit, array, value in pairs]
        try:
            results = self._call(arguments, numbers)
        except (AttributeError, TypeError):
            results = self._call(arguments, values)
        return [
            np.array([node.data for node in nodes], dtype=np.float64).reshape(shape or ())
            for nodes, shape in zip(results.nodes, results.shapes, strict=True)
        ]

    def _has_own_parameters(self, arrays: Sequence[Floats]) -> bool:
        """Whether numbers of parameters are those that the modules have now."""
        return all(
            unit.values is None or [value._number for value in unit.values] == array.ravel().tolist()
            for unit, array in zip(self.arguments.units, arrays, strict=True)
        )

    def _replay(self, arrays: Sequence[Floats]) -> list[Floats]:
        """Record the function on modules as they are, and evaluate its graph, node by node, with other parameters."""
        given = [
            array if unit.axis is None else array[..., None]
            for unit, array in zip(self.arguments.units, arrays, strict=True)
        ]
        trace = trace_function(self.f, self.name, replace(self.arguments, arrays=given))
        shapes = [shape or () for shape in trace.results.shapes]
        graph = make_graph(trace.results.release())
        self._renumber(graph, trace, arrays)
        return Recording(graph, [], shapes).split_results(graph.numbers[graph.roots])

    def _renumber(self, graph: Graph, trace: Trace, arrays: Sequence[Floats]) -> None:
        """Give a graph that was recorded on modules as they are the numbers that it has with other parameters."""
        if not self.arguments.is_bound or self._has_own_parameters(arrays):
            return
        numbers = {
            id(leaf): number
            for leaves, array in zip(trace.leaves, arrays, strict=True)
            for leaf, number in zip(leaves, array.ravel().tolist(), strict=True)
        }
        known: list[Any] = [numbers.get(id(leaf), leaf.data) for leaf in graph.leaves]
        starts, operands = graph.starts.tolist(), graph.operands.tolist()
        for node, code in enumerate(graph.codes.tolist()[len(known) :], len(known)):
            op = BY_CODE[code]
            assert op is not None
            known.append(float(apply(op, [known[k] for k in operands[starts[node] : starts[node + 1]]])))
        graph.numbers = np.array(known)

    def _call(self, arguments: Arguments, stand_ins: list[Any]) -> Results:
        args, kwargs = arguments.rebuild(stand_ins)
        return take_apart_results(self.f(*args, **kwargs), self.name)


def _restore_type(unit: Unit, array: Floats) -> Any:
    """Give a probe's numbers the type that the caller's have, as far as they can have it."""
    if unit.integer and is_whole(array):
        array = array.astype(np.int64)
    return array if array.ndim else array.item()
