"""Trace small, run large: the program for arguments of many numbers is made from traces of a few smaller ones.

Arguments of more than :data:`MANY` scalars take long to record, as the graph has many nodes for each. Their program is
traced at small sizes (:mod:`~tinygrad_lite.lift.sizes.small_sizes`), aligned
(:mod:`~tinygrad_lite.lift.sizes.alignment`), made for the sizes of the call, and proved there
(:mod:`~tinygrad_lite.lift.sizes.size_proof`). Where a function is not the same at all sizes, it is traced whole.

Costs: a handful of small traces, however large the arguments are, and one evaluation of the function on plain numbers.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.checking.internal_errors import MistakeError
from tinygrad_lite.lift.checking.probes import KINDS
from tinygrad_lite.lift.checking.reference import Reference
from tinygrad_lite.lift.checking.tolerance import TOLERANCE, find_largest_difference
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.ir.groups import Groups, copy_groups
from tinygrad_lite.lift.ir.report import Report
from tinygrad_lite.lift.ir.verifier import check_groups
from tinygrad_lite.lift.passes import Settings, Timer, group_function, make_program, pause_collector, simplify, tidy
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.sizes.alignment import LARGEST, Alignment, PartError, align
from tinygrad_lite.lift.sizes.laws import Sizes
from tinygrad_lite.lift.sizes.size_proof import Place, SizedProof, match_gradients
from tinygrad_lite.lift.sizes.small_sizes import Pattern, count_scalars, list_patterns, shrink
from tinygrad_lite.lift.source.naming import name_groups
from tinygrad_lite.lift.tape_program import TAPE, make_tape_program
from tinygrad_lite.lift.tracing.arguments import Arguments
from tinygrad_lite.lift.tracing.inputs import Inputs
from tinygrad_lite.lift.tracing.traced_indices import explain_traced_index
from tinygrad_lite.modes import no_grad
from tinygrad_lite.node.protocols import explained
from tinygrad_lite.transforms import Differentiated, value_and_grad
from tinygrad_lite.value import Value

Floats = NDArray[np.float64]

#: From so many scalars in the arguments of one sample on, a function is traced at smaller sizes.
MANY: Final = 20_000
#: How many traces there are, besides one for each size.
_TRACES: Final = 4
#: How many scalars the arguments of a small trace may have.
_LARGEST_TRACE: Final = 100_000
#: Up to so many nodes the program at small sizes is proved on probes of all kinds.
_FEW_NODES: Final = 50_000
#: How many scalars a function with loops may record in its proof.
_MOST_RECORDED: Final = 20_000_000
#: The largest number of different structures of arguments whose laws are kept.
_KEPT: Final = 16


@dataclass(eq=False)
class Sized:
    """A function at any sizes of one pattern.

    Attributes:
        pattern: Which axes are sizes.
        alignment: The laws.
        structure: Of the results.
        sources: For each input group the units of the arguments that it is made of.
        captured: The Values that the function closes over.
        seconds: What each pass took.
        nodes: How many scalars were recorded.
        difference: What the proof found.
        rolled: Whether the program has its loops over steps already: their number is a size.
    """

    pattern: Pattern
    alignment: Alignment
    structure: Any
    sources: list[list[int]]
    captured: list[Value]
    seconds: dict[str, float]
    nodes: int
    difference: float = 0.0
    rolled: bool = False


@dataclass(eq=False)
class _SmallTrace:
    """What is kept of a trace at small sizes: not its graph, which is larger than all else."""

    program: Groups
    structure: Any
    sources: list[list[int]]
    captured: list[Value]
    nodes: int


@dataclass(eq=False)
class SizedFunction:
    """What makes the programs of a lifted function: from small traces where that is worth it.

    Attributes:
        settings: The function.
        wanted: Whether to trace small: None where there are many scalars, True always, False never.
        known: What is known of the function, by the structure of arguments without their sizes.
    """

    settings: Settings
    wanted: bool | None = None
    known: dict[Hashable, Sized] = field(default_factory=dict)

    def make_program(self, arguments: Arguments, captured: Hashable = None) -> Program:
        """Make the program for arguments.

        Args:
            arguments: Of a call.
            captured: What the function reads beside them.

        Raises:
            LiftError: The function cannot be lifted; or, where it is to be traced small, is not the same at all sizes.
        """
        if self.settings.engine == TAPE:
            return self._make_tape(arguments)
        if not self.is_large(arguments):
            return make_program(self.settings, arguments)
        try:
            return self._make_from_small(arguments, captured)
        except (LiftError, MemoryError) as error:
            reason = str(error) or "there is too little memory"
            if self.wanted:
                raise LiftError(
                    f"{self.settings.name} cannot be traced at smaller sizes: {reason}. With sizes=None it is traced "
                    "whole, as it is for arguments of few numbers."
                ) from error
        except Exception as error:  # the function's own are LiftErrors by then
            reason = f"lift makes a mistake at smaller sizes, {type(error).__name__}: {error}"
            if self.wanted:
                raise
            warnings.warn(
                f"{self.settings.name} is traced whole, as {reason}. Please report it", RuntimeWarning, stacklevel=2
            )
        program = make_program(self.settings, arguments)
        program.report().sizes = f"traced whole, as {reason}"
        return program

    def _make_tape(self, arguments: Arguments) -> Program:
        if self.wanted:
            raise LiftError(
                f'sizes=True makes the program of {self.settings.name} from smaller traces, and engine="tape" runs the '
                "trace itself: leave sizes out, or take another engine"
            )
        return make_tape_program(self.settings, arguments)

    def is_large(self, arguments: Arguments) -> bool:
        """Whether the program for arguments is made from small traces, where it can be."""
        return self.wanted or (self.wanted is None and count_scalars(arguments) > MANY)

    def _make_from_small(self, arguments: Arguments, captured: Hashable) -> Program:
        _check_modules(arguments)
        refusals: list[str] = []
        for pattern in list_patterns(arguments):
            key = (
                _forget_sizes(arguments.signature.parts, pattern.lengths),
                pattern.ties,
                pattern.steps,
                pattern.rests,
                pattern.start,
                captured,
            )
            try:
                sized = self.known.get(key) or self._trace_small(arguments, pattern)
            except LiftError as error:  # another family of sizes may be what the function takes
                if isinstance(error, MistakeError):
                    raise RuntimeError(str(error)) from error
                refusals.append(str(error))
                continue
            program = self._make_at(sized, arguments, pattern)
            while len(self.known) >= _KEPT:
                self.known.pop(list(self.known)[0], None)  # noqa: RUF015 (an iterator fails where threads add)
            self.known[key] = sized
            return program
        if not refusals:
            raise PartError("no axis of its arguments is longer than 8, or their lengths cannot be made smaller")
        raise PartError(refusals[0])

    # ------------------------------------------------------------------------------------------- small traces

    def _trace_small(self, arguments: Arguments, pattern: Pattern) -> Sized:
        timer = Timer()
        settings = self._with_value()
        settings = replace(settings, f=_say_what_is_raised(settings.f))
        *points, middle = pattern.list_points(_TRACES + len(pattern.free)) or [()]
        if not points:
            raise PartError("its sizes are too near to one another to be made smaller in the same order")
        most = max([count_scalars(shrink(arguments, pattern, point)) for point in points])
        if most > _LARGEST_TRACE:
            raise PartError(f"its sizes depend on one another: the smallest arguments have {most:,} numbers")
        with timer("small traces"):
            traces = [_trace_at(settings, shrink(arguments, pattern, point)) for point in points]
        _check_same("structures of results", [repr(trace.structure) for trace in traces])
        _check_same("Values that it reads besides", [list(map(id, trace.captured)) for trace in traces])
        first, nodes = traces[0], sum([trace.nodes for trace in traces])
        with timer("laws"):
            alignment, rolled = _align_traces([trace.program for trace in traces], points)
        sized = Sized(pattern, alignment, first.structure, first.sources, first.captured, timer.seconds, nodes)
        sized.rolled = rolled
        with timer("proof"):
            small = shrink(arguments, pattern, middle)
            program = self._instantiate(sized, middle, small)
            kinds = (0, 1) if alignment.count_nodes(middle) > _FEW_NODES else range(KINDS)
            sized.difference = self._prove(settings.f, program, sized, small, middle).check_results(kinds)
        return sized

    def _with_value(self) -> Settings:
        """Return settings with a function that gives its value as well as its gradient, which proofs compare."""
        known = self._differentiated
        if known is None or known.with_value:
            return self.settings
        return replace(self.settings, f=value_and_grad(known.f, known.argnums))

    @property
    def _differentiated(self) -> Differentiated | None:
        found = getattr(self.settings.f, "__differentiated__", None)
        return found if isinstance(found, Differentiated) else None

    # ------------------------------------------------------------------------------------------ at other sizes

    def _make_at(self, sized: Sized, arguments: Arguments, pattern: Pattern) -> Program:
        timer = Timer()
        settings, sizes = self.settings, pattern.sizes
        with timer("instantiation"):
            groups = self._instantiate(sized, sizes, arguments)
        with timer("proof at its sizes"), pause_collector():  # which would walk all parameters, of which a copy is made
            difference, probe = self._prove_at(sized, groups, arguments, sizes)
        structure = sized.structure
        if self._with_value() is not settings:  # the value was for the proof alone
            structure = structure["tuple"][1]
            groups.outputs = groups.outputs[1:]
        with timer("loops"):
            groups = tidy(groups) if sized.rolled else _roll(groups, probe)
        seconds = {**sized.seconds, **timer.seconds}
        report = Report.count(settings.name, sized.nodes, groups, seconds)
        report.difference = max(sized.difference, difference)
        recorded = "recorded for the proof alone" if sized.rolled else "not recorded"
        points = ", ".join(["×".join(map(str, point)) for point in sized.alignment.points])
        report.sizes = (
            f"made for the sizes {'×'.join(map(str, sizes))} from traces at {points}; "
            f"{sized.alignment.count_nodes(sizes):,} scalar nodes were {recorded}"
        )
        inputs = self._inputs(sized, arguments)
        options = settings.engine, settings.check, settings.options
        program = Program(settings.name, groups, inputs, structure, report, *options)
        program.check_constants()
        return program

    def _instantiate(self, sized: Sized, sizes: Sizes, arguments: Arguments) -> Groups:
        program = sized.alignment.at(sizes)
        inputs = self._inputs(sized, arguments)
        wanted = [*inputs.shapes, *[(len(inputs.captured),) for _ in range(bool(inputs.captured))]]
        found = [program.groups[number].shape for number in program.inputs]
        if found != wanted:
            raise PartError(f"the shapes of its arguments have no laws: they are {wanted}, not {found}")
        check_groups(program, LARGEST)
        if sized.rolled:
            name_groups(program)
        else:
            simplify(program)
        return program

    def _inputs(self, sized: Sized, arguments: Arguments) -> Inputs:
        settings = self.settings
        return Inputs.of(settings.names, settings.batch, settings.static, arguments, sized.sources, sized.captured)

    def _prove(
        self, f: Callable[..., Any], program: Groups, sized: Sized, arguments: Arguments, sizes: Sizes
    ) -> SizedProof:
        inputs = self._inputs(sized, arguments)
        reference = Reference(_say_what_is_raised(f), self.settings.name, self.settings.reduce, arguments)
        return SizedProof(
            program,
            reference,
            lambda arrays: inputs.gather(replace(arguments, arrays=arrays)),
            f"the sizes {'×'.join(map(str, sizes))}",
        )

    def _prove_at(self, sized: Sized, groups: Groups, arguments: Arguments, sizes: Sizes) -> tuple[float, list[Floats]]:
        """Prove a program at its sizes: what differs at most, and arrays of its inputs for which it was tried."""
        known = self._differentiated
        if sized.rolled:  # a number for each step is quickly recorded: the gradients are the function's own, too
            settings = self._with_value()
            if sized.alignment.count_nodes(sizes) > _MOST_RECORDED:
                raise PartError("its loops have too many steps to be proved: the function cannot be recorded once")
            proof = self._prove(settings.f, groups, sized, arguments, sizes)
            found = proof.check_results(kinds=(0, 1), most=1)
            numbers = {number for number, law in enumerate(sized.alignment.groups) if law.recorded}
            own = groups.outputs if known is None else groups.outputs[:1]  # and not the derivative's
            numbers &= groups.find_loops().keys() & groups.find_needed(output.ref.group for output in own)
            f = self.settings.f if known is None else known.f
            proof.check_steps(_say_what_is_raised(f), settings.name, sorted(numbers))
            return found, []
        f = self.settings.f if known is None else _without_recording(known.f)
        proof = self._prove(f, groups, sized, arguments, sizes)
        found = proof.check_results(kinds=(0, 1), most=1)
        probe = proof.gather(proof.tried[0])
        if known is None:
            return found, probe
        places = _match_gradients(known, sized.structure["tuple"][1], self.settings, arguments)
        if places is None:
            raise PartError("its gradients stand in another order than its arguments, and cannot be proved")
        return max(found, proof.check_gradients(places)), probe


def _without_recording(f: Callable[..., Any]) -> Callable[..., Any]:
    """Call a function for its numbers alone: with modules it would record a graph."""

    def plain(*args: Any, **kwargs: Any) -> Any:
        with no_grad():
            return f(*args, **kwargs)

    return plain


def _check_modules(arguments: Arguments) -> None:
    """Raise for modules of which no smaller ones can be made."""
    if arguments.is_bound and arguments.modules:
        raise PartError(
            f"it takes a {type(arguments.modules[0]).__name__}, of which lift can make no copy of other sizes: let it "
            "be an nn.Module"
        )
    for unit in arguments.units:
        if len(unit.frozen) not in (0, math.prod(unit.shape)):
            raise PartError(f"some of the numbers of {'.'.join(unit.path)} are frozen, and others are not")


def _trace_at(settings: Settings, arguments: Arguments) -> _SmallTrace:
    found = group_function(settings, arguments)
    return _SmallTrace(found.program, found.structure, found.sources, found.captured, len(found.graph))


def _align_traces(programs: Sequence[Groups], points: Sequence[Sizes]) -> tuple[Alignment, bool]:
    """Find the laws of traces; where their groups grow with a number of steps, those of their loops."""
    try:
        return align(programs, points), False
    except PartError:
        rolled = [tidy(copy_groups(program)) for program in programs]
        if not all(program.loops for program in rolled):
            raise
        return align(rolled, points), True


def _roll(program: Groups, probe: list[Floats]) -> Groups:
    """Make loops of steps that repeat, and see that this changes nothing."""
    rolled = tidy(program)
    if rolled.loops:
        pairs = [registry.build("numpy", each, {})(probe)[: len(program.outputs)] for each in (program, rolled)]
        if find_largest_difference(*[[np.asarray(a) for a in each] for each in pairs]).relative > TOLERANCE:
            raise PartError("loops over its steps give other numbers")
    return rolled


def _say_what_is_raised(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make of whatever a function raises, at sizes that nobody asked for, a LiftError: what else is raised is a bug."""

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except (LiftError, MemoryError):
            raise
        except Exception as error:
            told = explain_traced_index(error) or explained(error)
            raise PartError(f"it raises {type(told).__name__}: {told}") from error

    return call


def _match_gradients(
    known: Differentiated, structure: Any, settings: Settings, arguments: Arguments
) -> list[Place] | None:
    """Say by what each gradient is taken."""
    several = not isinstance(known.argnums, int)
    argnums = list(known.argnums) if not isinstance(known.argnums, int) else [known.argnums]
    found: list[Place] = []
    for k, position in enumerate(argnums):
        name = settings.names[position] if position < len(settings.names) else f"argument{position}"
        own = [(number, unit) for number, unit in enumerate(arguments.units) if unit.path[0] == name]
        part = structure["tuple"][k] if several else structure
        places = match_gradients(part, [replace(unit, path=unit.path[1:]) for _, unit in own])
        if places is None:
            return None
        found += [(own[unit][0], rest) for unit, rest in places]
    return found


def _check_same(what: str, found: Sequence[Any]) -> None:
    if any(one != found[0] for one in found):
        raise PartError(f"the {what} differ from size to size")


def _forget_sizes(parts: Any, lengths: Sizes) -> Any:
    """Put symbols in the place of the sizes in a signature."""
    if isinstance(parts, tuple):
        if len(parts) > 1 and parts[0] in ("array", "nest"):
            shape = tuple([("size", lengths.index(x)) if x in lengths else x for x in parts[1]])
            return (parts[0], shape, *parts[2:])
        return tuple([_forget_sizes(part, lengths) for part in parts])
    return parts
