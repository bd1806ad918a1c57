"""The passes of ``lift``, in their order: from a function and its arguments to a program that was compared with it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.canonical.canonicalize import canonicalize
from tinygrad_lite.lift.checking.equivalence_check import EquivalenceCheck
from tinygrad_lite.lift.checking.internal_errors import Judge, report_internal_errors
from tinygrad_lite.lift.checking.reference import Reference
from tinygrad_lite.lift.checking.runtime_checks import TracedDemands
from tinygrad_lite.lift.grouping import cleanup
from tinygrad_lite.lift.grouping.grouping import group_nodes
from tinygrad_lite.lift.grouping.input_groups import InputGroups, find_inputs
from tinygrad_lite.lift.ir.groups import Groups, Output
from tinygrad_lite.lift.ir.report import Report
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.source.naming import name_groups
from tinygrad_lite.lift.stages import (
    AXES,
    CANONICAL,
    CONSTANTS,
    GROUPS,
    ONES,
    SAMPLES,
    STEPS,
    TRACE,
    UNREAD,
    Watch,
    ignore,
)
from tinygrad_lite.lift.steps.rolling import roll_steps
from tinygrad_lite.lift.tracing.arguments import Arguments, take_apart
from tinygrad_lite.lift.tracing.inputs import Inputs
from tinygrad_lite.lift.tracing.trace import Graph, Trace, make_graph, trace_function
from tinygrad_lite.value import Value


@dataclass(frozen=True)
class Settings:
    """What is lifted, and how.

    Attributes:
        f: The function.
        name: Of it.
        names: Of its positional arguments.
        batch: For each of these the axis of its samples, or None.
        reduce: What is made of the results of all samples: ``"mean"``, ``"sum"``, or None for all of them.
        static: Positions and names of arguments that are not traced.
        engine: What runs the program.
        check: Whether results that are not finite are an error.
        options: For the engine.
    """

    f: Callable[..., Any]
    name: str
    names: tuple[str, ...] = ()
    batch: tuple[int | None, ...] = ()
    reduce: str | None = None
    static: tuple[int | str, ...] = ()
    engine: str = "numpy"
    check: bool = True
    options: dict[str, Any] = field(default_factory=dict)

    def take_apart(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Arguments:
        """Take the arguments of a call apart."""
        return take_apart(self.names, args, kwargs, self.batch, self.static)


@dataclass(eq=False)
class Grouped:
    """A function as groups, before they are tidied.

    Attributes:
        program: The groups, results and demands.
        graph: What was recorded, with the results as its roots.
        structure: Of the results.
        sources: For each input group the units of the arguments that it is made of.
        captured: The Values that the function closed over.
    """

    program: Groups
    graph: Graph
    structure: Any
    sources: list[list[int]]
    captured: list[Value]


@dataclass(eq=False)
class Recorded:
    """A function as the graph that it records.

    Attributes:
        graph: With the results as its roots, and then the numbers of which something is demanded.
        inputs: Which of its leaves are which of the arguments' numbers.
        shapes: Of the results; None for plain numbers.
        structure: Of the results.
        demands: What is demanded of numbers.
        count: How many of the roots are results.
    """

    graph: Graph
    inputs: InputGroups
    shapes: list[tuple[int, ...] | None]
    structure: Any
    demands: TracedDemands
    count: int


def group_function(
    settings: Settings,
    arguments: Arguments,
    timer: Timer | None = None,
    judge_on: Callable[[str], Judge | None] = lambda engine: None,
    watch: Watch = ignore,
) -> Grouped:
    """Run the passes from a function to groups.

    Args:
        settings: The function.
        arguments: Of a call.
        timer: Is told how long each takes.
        judge_on: What tells of an engine whether lift goes wrong on it.
        watch: Is told what there is after each pass.

    Raises:
        LiftError: The function cannot be lifted.
    """
    timer = timer or Timer()
    recorded = record(settings, arguments, timer)
    graph, inputs = recorded.graph, recorded.inputs
    watch(TRACE, (graph, inputs))
    with report_internal_errors(settings.name, graph, judge_on("numpy")):
        reduce = settings.reduce if arguments.samples is not None else ""
        program = group_recorded(recorded, reduce, timer, watch)
    graph = replace(graph, roots=graph.roots[: recorded.count])
    return Grouped(program, graph, recorded.structure, inputs.sources, inputs.captured)


def record(settings: Settings, arguments: Arguments, timer: Timer) -> Recorded:
    """Run the function on Values, and say of its graph's leaves what they are.

    Raises:
        LiftError: The function cannot be lifted.
    """
    with pause_collector():
        trace, graph, inputs, demands, count = _record(settings, arguments, timer)
        demands.arrange(graph, count, inputs.group_of)
    return Recorded(graph, inputs, trace.results.shapes, trace.results.structure, demands, count)


def group_recorded(recorded: Recorded, reduce: str | None, timer: Timer, watch: Watch = ignore) -> Groups:
    """Run the passes from a graph to groups, which are still to be tidied.

    Args:
        recorded: The graph.
        reduce: What is made of the results of all samples; "" where there are none.
        timer: Is told how long each takes.
        watch: Is told what there is after each pass.
    """
    inputs, demands = recorded.inputs, recorded.demands
    with timer("canonical"):
        canonical = canonicalize(recorded.graph)
        watch(CANONICAL, canonical)
    with timer("groups"):
        shapes = [*[shape or () for shape in recorded.shapes], *demands.shapes]
        grouping = group_nodes(canonical, inputs.groups, inputs.group_of, inputs.place_of, shapes)
        program = grouping.program
    with timer("results"):
        refs = grouping.locate_results()
        program.outputs = [Output(shape, ref) for shape, ref in zip(recorded.shapes, refs, strict=False)]
        program.demands = demands.locate(program, refs[len(program.outputs) :])
        watch(GROUPS, program)
        if reduce != "":
            cleanup.reduce_samples(program, reduce)
            watch(SAMPLES, program)
        cleanup.drop_unread(program)
        watch(UNREAD, program)
    return program


def _record(
    settings: Settings, arguments: Arguments, timer: Timer
) -> tuple[Trace, Graph, InputGroups, TracedDemands, int]:
    """Run the function on copies of the modules among its arguments; on themselves, where copies will not do.

    That is so where it reads their parameters by another way too, as through a closure, or keeps something in them.

    Returns:
        The trace, its graph, its inputs, what is demanded of numbers in it, and the number of results among its roots.
    """
    while True:
        try:
            with timer("trace"):
                trace = trace_function(settings.f, settings.name, arguments)
            demands = TracedDemands(trace.demands)
            count = sum(map(len, trace.results.nodes))
            trace.demands = ()
            with timer("flatten"):
                graph = make_graph([*trace.results.release(), *demands.release()])
        except Exception:
            if arguments.is_bound or arguments.lengths or not arguments.modules:
                raise
        else:
            inputs = find_inputs(arguments, trace, graph)
            changed, read = trace.has_changed_modules, arguments.read_directly(inputs.captured)
            if arguments.is_bound or not (changed or read):
                return trace, graph, inputs, demands, count
            if arguments.lengths:
                what = "keeps something in its modules" if changed else "reads parameters past its arguments"
                raise LiftError(f"{settings.name} {what}, and can only be called with these very modules")
        arguments.is_bound = True


def simplify(program: Groups, watch: Watch = ignore) -> None:
    """Merge what is equal, drop what nobody needs, and name what is left."""
    cleanup.share_constants(program)
    watch(CONSTANTS, program)
    cleanup.drop_ones(program)
    watch(ONES, program)
    cleanup.orient_results(program)
    watch(AXES, program)
    cleanup.drop_unread(program)
    watch(UNREAD, program)
    name_groups(program)


def tidy(program: Groups, watch: Watch = ignore) -> Groups:
    """Simplify, make loops of steps that repeat, and name what there is."""
    simplify(program, watch)
    rolled = roll_steps(program)
    name_groups(rolled)
    watch(STEPS, rolled)
    return rolled


def make_program(settings: Settings, arguments: Arguments, explains: bool = True, watch: Watch = ignore) -> Program:
    """Run all passes.

    Args:
        settings: The function.
        arguments: Of a call: the program is for all of their structure.
        explains: Whether it is worth some seconds to find out what goes wrong, where something does.
        watch: Is told what there is after each pass.

    Raises:
        LiftError: The function cannot be lifted, or the program is not the function.
    """
    f, name = settings.f, settings.name
    timer = Timer()

    def judge_on(engine: str) -> Judge | None:
        return make_judge(engine, settings.options if engine == settings.engine else {}) if explains else None

    grouped = group_function(settings, arguments, timer, judge_on, watch)
    graph, program, count = grouped.graph, grouped.program, len(grouped.graph)
    with report_internal_errors(name, graph, judge_on("numpy")), timer("loops"):
        program = tidy(program, watch)
    report = Report.count(name, count, program, timer.seconds)
    made = Program(
        name,
        program,
        Inputs.of(settings.names, settings.batch, settings.static, arguments, grouped.sources, grouped.captured),
        grouped.structure,
        report,
        settings.engine,
        settings.check,
        settings.options,
    )
    made.check_constants()
    with timer("proof"):
        reference = Reference(f, name, settings.reduce, arguments)
        report.difference = EquivalenceCheck(made, reference, graph, judge_on).run()
    return made


def make_judge(engine: str, options: dict[str, Any]) -> Judge:
    """Make what tells whether ``lift`` goes wrong on an engine: it lifts other functions, and gives no reasons."""

    options = {name: option for name, option in options.items() if name != "checkpoint"}

    def prove(f: Callable[..., Any], numbers: Sequence[float]) -> Program:
        settings = Settings(f, f.__name__, engine=engine, check=False, options=options)
        return make_program(settings, settings.take_apart(numbers, {}), explains=False)

    return Judge(engine, prove)


@contextmanager
def pause_collector() -> Iterator[None]:
    """Keep Python from looking for reference cycles while a graph is recorded, which has none and many objects."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Timer:
    """How long each pass takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Note how long the block takes, under a name."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
