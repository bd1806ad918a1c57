"""Programs that run on a tape: the scalars that were traced, one after the other, and no groups.

They are made by tracing and comparing alone: of the passes of :mod:`~tinygrad_lite.lift.passes` there is the first and
the last. Whoever asks for their groups or their source gets those that the other engines would run, which are made
then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.canonical.softmaxes import restore_softmaxes
from tinygrad_lite.lift.checking.equivalence_check import EquivalenceCheck
from tinygrad_lite.lift.checking.internal_errors import Judge
from tinygrad_lite.lift.checking.reference import Reference
from tinygrad_lite.lift.checking.runtime_checks import TracedDemands
from tinygrad_lite.lift.checking.tape_origin import explain_scalar
from tinygrad_lite.lift.engines.tape_engine import Tape
from tinygrad_lite.lift.grouping.input_groups import InputGroups
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Integers, Output, Ref
from tinygrad_lite.lift.ir.report import Report
from tinygrad_lite.lift.passes import Recorded, Settings, Timer, group_recorded, make_judge, record, tidy
from tinygrad_lite.lift.program import Floats, Program, Run
from tinygrad_lite.lift.storage.tape_file import StoredTape
from tinygrad_lite.lift.tracing.arguments import Arguments
from tinygrad_lite.lift.tracing.inputs import Inputs
from tinygrad_lite.lift.tracing.trace import Graph
from tinygrad_lite.trace_mode import Demand

#: The name of the engine.
TAPE: Final = "tape"


class TapeProgram(Program):
    """A program that computes the scalars of a graph one by one.

    Args:
        name: Of the function that was lifted.
        recorded: Its graph, without its leaves' Values.
        reduce: What is made of the results of all samples: ``"mean"``, ``"sum"``, None for all; "" without samples.
        inputs: How arguments become arrays.
        report: What lifting cost.
        check: Whether results that are not finite are an error.
    """

    def __init__(
        self, name: str, recorded: Recorded, reduce: str | None, inputs: Inputs, report: Report, check: bool = True
    ) -> None:
        super().__init__(name, _make_outline(recorded, reduce), inputs, recorded.structure, report, TAPE, check)
        self._recorded = recorded
        self._reduce = reduce
        self._groups: Groups | None = None

    @property
    def ir(self) -> Groups:
        """The groups that other engines would run, made when they are asked for."""
        if self._groups is None:
            inputs = replace(self._recorded.inputs, groups=[replace(group) for group in self._recorded.inputs.groups])
            self._groups = tidy(group_recorded(replace(self._recorded, inputs=inputs), self._reduce, Timer()))
        return self._groups

    def __repr__(self) -> str:
        return f"<program {self.name}: {self._report.nodes} scalar nodes on a tape, engine {self.engine!r}>"

    def _prepare(self) -> Run:
        self._run = _Runner(self._recorded, self.outline, len(self.demands.outputs), self._reduce)
        return self._run

    def run_in_double(self, arrays: list[Floats]) -> list[Floats]:
        """Run it, which computes in float64 always."""
        return self.run(arrays)

    def _explain_origin(self, arrays: list[Floats], number: int) -> str:
        """Say where a result stops to be finite although all inputs are."""
        graph, inputs = self._recorded.graph, self._recorded.inputs
        run = self._run or self._prepare()
        assert isinstance(run, _Runner)
        what = f"{self.name}: result {number} is not finite, although all inputs are"
        sample, root = run.find_non_finite(arrays, number)
        if root < 0:
            return f"{what}, as their {self._reduce} over the samples is beyond the largest float: scale them down."
        numbers = run.tape.list_numbers(arrays, sample)
        reason = explain_scalar(graph, inputs.groups, inputs.group_of, inputs.place_of, numbers, root)
        where = "." if sample is None else f", for sample {sample}."
        return f"{what}{where} {reason}\nWith lift(..., check=False) such results are given as they are."

    def to_bytes(self) -> bytes:
        """Make the contents of the file that :meth:`save` writes."""
        r = self._recorded
        stored = StoredTape(
            self.name, r.graph, r.inputs.groups, r.inputs.group_of, r.inputs.place_of, r.shapes, r.structure,
            r.demands.shapes, r.demands.demands, self._reduce, self.inputs, self._report,
        )  # fmt: skip
        return stored.to_bytes()

    @classmethod
    def from_bytes(cls, content: bytes, engine: str = TAPE, *, check: bool = True, **options: Any) -> TapeProgram:
        """Read the contents of a file, as :func:`~tinygrad_lite.lift.loading.load` does."""
        refuse_options(options)
        stored = StoredTape.from_bytes(content)
        inputs = InputGroups(stored.groups, stored.inputs.sources, [], stored.group_of, stored.place_of)
        count = len(stored.graph.roots) - sum(math.prod(shape) for shape in stored.demand_shapes)
        demands = TracedDemands.of(stored.demand_shapes, stored.demands)
        recorded = Recorded(stored.graph, inputs, stored.shapes, stored.structure, demands, count)
        return cls(stored.name, recorded, stored.reduce, stored.inputs, stored.report, check)


def make_tape_program(settings: Settings, arguments: Arguments) -> TapeProgram:
    """Trace a function, and compare its tape with it.

    Args:
        settings: The function.
        arguments: Of a call: the program is for all of their structure.

    Raises:
        LiftError: The function cannot be lifted; or it has no numbers of its own, as one that draws them at random.
    """
    refuse_options(settings.options)
    timer = Timer()
    recorded = record(settings, arguments, timer)
    graph, inputs = recorded.graph, recorded.inputs
    computed, more = restore_softmaxes(graph, settings.name)
    kept = replace(
        recorded,
        graph=replace(computed, leaves=[]),
        inputs=replace(
            inputs,
            captured=[],
            group_of=np.append(inputs.group_of, np.full(more, -1)),
            place_of=np.append(inputs.place_of, np.zeros(more, dtype=np.intp)),
        ),
    )
    count = len(graph)
    report = Report(settings.name, count, 0, 0, 0, 0, timer.seconds, instructions=count - graph.leaf_count)
    made = TapeProgram(
        settings.name,
        kept,
        settings.reduce if arguments.samples is not None else "",
        Inputs.of(settings.names, settings.batch, settings.static, arguments, inputs.sources, inputs.captured),
        report,
        settings.check,
    )
    made.check_constants()

    def judge_on(engine: str) -> Judge:
        return make_judge("numpy", {})  # lift has no passes between the graph and its tape

    with timer("proof"):
        reference = Reference(settings.f, settings.name, settings.reduce, arguments)
        whole = replace(graph, roots=graph.roots[: recorded.count])
        report.difference = EquivalenceCheck(made, reference, whole, judge_on).run()
    return made


def refuse_options(options: dict[str, Any]) -> None:
    """Raise where a tape is asked for what it has not."""
    if options.get("checkpoint", False):
        raise LiftError(
            "checkpoint is about loops over steps, and a tape has none: it keeps one number for each scalar. Leave "
            'checkpoint out, or take engine="numpy", "numba" or "jax"'
        )


class _Runner:
    """What computes the results, and after them the numbers of which something is demanded."""

    def __init__(self, recorded: Recorded, outline: Groups, demanded: int, reduce: str | None) -> None:
        graph, inputs = recorded.graph, recorded.inputs
        computed = len(outline.groups) - 1
        kept = [output.ref.group == computed for output, _ in outline.demands]
        shapes = [output.shape or () for output in outline.outputs]
        sizes = [math.prod(shape) for shape in [*shapes, *recorded.demands.shapes]]
        chosen = np.repeat([*[True] * len(shapes), *kept], sizes).astype(bool)
        self._roots = graph.roots[chosen]
        shapes += [shape for shape, wanted in zip(recorded.demands.shapes, kept, strict=True) if wanted]
        ends = np.cumsum([0, *[math.prod(shape) for shape in shapes]]).tolist()
        self._parts = [(start, stop, shape) for start, stop, shape in zip(ends, ends[1:], shapes, strict=False)]
        self._results = len(outline.outputs)
        self._count = ends[self._results]
        self._reduce = reduce
        self._sampled = [place for place, group in enumerate(inputs.groups) if group.batched]
        self.tape = Tape(replace(graph, roots=self._roots), inputs.groups, inputs.group_of, inputs.place_of)
        batched = [group.batched for group in inputs.groups]
        #: results that all samples share: the mean of equal numbers need not be that number
        self._shared = ~_find_dependent(graph, batched, inputs.group_of)[self._roots] if reduce == "mean" else None

    def __call__(self, arrays: list[Floats]) -> list[Floats]:
        if self._reduce == "":
            return self._split(self.tape.run(arrays))
        blocks = self.tape.run_samples(arrays, self._count_samples(arrays))
        if self._reduce is None:
            return self._split_samples(list(blocks), self._parts)
        demanded: list[Floats] = []
        total = np.zeros(self._count)
        last = np.full((len(self._roots), 1), np.nan)
        with np.errstate(all="ignore"):
            for last in blocks:
                total += last[: self._count].sum(axis=1)
                demanded.append(last)
            if self._shared is not None:
                shared = self._shared[: self._count]
                total = np.where(shared, last[: self._count, 0], total / self._count_samples(arrays))
        found = [total[start:stop].reshape(shape) for start, stop, shape in self._parts[: self._results]]
        rest = self._parts[self._results :]
        return found + (self._split_samples(demanded, rest) if rest else [])

    def checked(self, arrays: list[Floats]) -> tuple[list[Floats], bool]:
        """Compute the results, and tell whether they are known to be finite: where a sum of their squares is."""
        if self._reduce != "":
            return self(arrays), False
        found = self.tape.run(arrays)
        results = found[: self._count]
        return self._split(found), math.isfinite(np.vdot(results, results))

    def _split(self, found: Floats) -> list[Floats]:
        return [found[start:stop].reshape(shape) for start, stop, shape in self._parts]

    def _count_samples(self, arrays: Sequence[Any]) -> int:
        return int(arrays[self._sampled[0]].shape[-1])

    def _split_samples(self, blocks: Sequence[Floats], parts: Sequence[tuple[int, int, tuple[int, ...]]]) -> list[Any]:
        """Put the samples of all blocks along the first axis of each array."""
        every = np.concatenate([np.empty((len(self._roots), 0)), *blocks], axis=1)
        return [np.ascontiguousarray(every[start:stop].T).reshape(-1, *shape) for start, stop, shape in parts]

    def find_non_finite(self, arrays: Sequence[Any], number: int) -> tuple[int | None, int]:
        """Find the first sample and the node of a result that are not finite; −1 where all nodes are."""
        start, stop, _ = self._parts[number]
        if self._reduce == "":
            wrong = ~np.isfinite(self.tape.run(arrays)[start:stop])
            return None, int(self._roots[start + int(np.argmax(wrong))])
        first = 0
        for block in self.tape.run_samples(arrays, self._count_samples(arrays)):
            places = np.argwhere(~np.isfinite(block[start:stop].T))
            if len(places):
                sample, place = places[0].tolist()
                return first + sample, int(self._roots[start + place])
            first += block.shape[1]
        return None, -1


def _make_outline(recorded: Recorded, reduce: str | None) -> Groups:
    """Make groups of the inputs alone, and one that stands for all that is computed."""
    graph, inputs = recorded.graph, recorded.inputs
    computed = Ref(len(inputs.groups), ())
    groups = [*inputs.groups, Group("map", (len(graph),), batched=reduce != "")]
    outputs = [Output(shape, computed, reduce is None) for shape in recorded.shapes]
    demands: list[tuple[Output, Demand]] = []
    start = recorded.count
    for shape, demand in zip(recorded.demands.shapes, recorded.demands.demands, strict=True):
        nodes = graph.roots[start : start + math.prod(shape)]
        start += len(nodes)
        owner = inputs.group_of[nodes] if (nodes < len(inputs.group_of)).all() else np.full(len(nodes), -1)
        ref = computed
        if len(nodes) and owner[0] >= 0 and (owner == owner[0]).all():
            ref = Ref(int(owner[0]), (Index(table=inputs.place_of[nodes], axes=(0,)),), flat=True)
        demands.append((Output(shape, ref, groups[ref.group].batched), demand))
    return Groups(groups, list(range(len(inputs.groups))), outputs, demands)


def _find_dependent(graph: Graph, batched: Sequence[bool], group_of: Integers) -> Any:
    """Mark the nodes that depend on an input group that differs from sample to sample."""
    found = [group >= 0 and batched[group] for group in group_of.tolist()]
    starts, operands = graph.starts.tolist(), graph.operands.tolist()
    for node in range(len(found), len(graph)):
        found.append(any(found[operand] for operand in operands[starts[node] : starts[node + 1]]))
    return np.array(found, dtype=bool)
