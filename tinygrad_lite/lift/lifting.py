"""``lift``: from a function of Values to tensor programs, one for each structure of arguments."""

from __future__ import annotations

import functools
import gc
import inspect
import time
import traceback
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import display
from tinygrad_lite.errors import AnomalyError, LiftError, TraceError
from tinygrad_lite.lift.canonical.canonical import canonical
from tinygrad_lite.lift.checking import equivalence_check, error_analysis
from tinygrad_lite.lift.checking.demands import Demanded, UnforeseenError
from tinygrad_lite.lift.checking.disagreement import Case, Judge, Probe, Recording, depends_on_numbers, own_faults
from tinygrad_lite.lift.checking.stand_ins import arranged, as_given, holding, samples_of, tie
from tinygrad_lite.lift.engines import engines
from tinygrad_lite.lift.grouping import tidying
from tinygrad_lite.lift.grouping.grouping import grouped
from tinygrad_lite.lift.ir.groups import Group, Groups, Output
from tinygrad_lite.lift.program import Inputs, Program, Report, positional_names
from tinygrad_lite.lift.source.naming import name_groups
from tinygrad_lite.lift.tracing.arguments import Arguments, Signature, merged, take_apart
from tinygrad_lite.lift.tracing.results import Results, take_apart_results
from tinygrad_lite.lift.tracing.surroundings import Seen, Surroundings
from tinygrad_lite.lift.tracing.trace import Graph, graph_of, lines_of
from tinygrad_lite.modes import detect_anomaly
from tinygrad_lite.node.protocols import explained
from tinygrad_lite.node.state import STATE
from tinygrad_lite.operations.ops import CONSTANT_CODE, LEAF_CODE
from tinygrad_lite.trace_mode import is_tracing, tracing
from tinygrad_lite.transforms import recording_derivatives
from tinygrad_lite.value import Value

Floats = NDArray[np.float64]
#: How many programs a lifted function keeps.
_KEPT: Final = 64
#: From so many programs for one structure on, it says so.
_MANY: Final = 8


@overload
def lift(
    f: Callable[..., Any],
    batch: int | Sequence[int | None] | None = ...,
    reduce: str | None = ...,
    engine: str = ...,
    *,
    static: int | str | Sequence[int | str] = ...,
    check: bool = ...,
    **options: Any,
) -> Lifted: ...
@overload
def lift(
    f: None = None,
    batch: int | Sequence[int | None] | None = ...,
    reduce: str | None = ...,
    engine: str = ...,
    *,
    static: int | str | Sequence[int | str] = ...,
    check: bool = ...,
    **options: Any,
) -> Callable[[Callable[..., Any]], Lifted]: ...
def lift(
    f: Callable[..., Any] | None = None,
    batch: int | Sequence[int | None] | None = None,
    reduce: str | None = "mean",
    engine: str = "numpy",
    *,
    static: int | str | Sequence[int | str] = (),
    check: bool = True,
    **options: Any,
) -> Any:
    """The tensor program inside a function of scalars: the same results, at the speed of arrays.

    The function is run once on Values, for each structure of arguments. In the graph that it records, equal patterns
    are found and become matrix products, convolutions, sums along axes and elementwise operations on arrays; every
    program is compared with the function itself on fresh inputs before it is used.

    Args:
        f: A function of numbers, arrays, modules, and lists, tuples and dicts of these, that gives Values. The
            transforms compose with it: ``lift(value_and_grad(loss))``.
        batch: For each positional argument the axis along which samples run, or None where all samples share it:
            ``(None, 0, 0)``. ``f`` is a function of one sample then. An int is the axis of every argument. Without it,
            ``f`` may loop over samples itself; that axis is found as every other is.
        reduce: With ``batch``: ``"mean"`` or ``"sum"`` over the samples, or None for one result a sample, along the
            first axis.
        engine: ``"numpy"``, ``"numba"`` (fused loops, fastest for small models; extra ``fast``) or ``"jax"`` (``jit``
            on any device; extra ``jax``).
        static: Positions or names of arguments that the function may branch on: a program is made for each of their
            values. Strings, booleans and None are static by themselves.
        check: Whether a result that is not finite, where all inputs are, is an error that names the group where it
            arose.
        **options: For the engine; its page says which.

    Returns:
        A function of the same arguments: a :class:`Lifted`. Results are floats and arrays; a rectangular nest of
        numbers is given as an array. Without ``f``, a decorator.

    Raises:
        LiftError: There is no such engine, or no argument of a name in ``static``; or, when called, the function cannot
            be lifted. The message says why.
        ImportError: The engine's library is not installed.

    >>> from tinygrad_lite import tanh, value_and_grad
    >>> def loss(w, x, y):
    ...     total = 0.0
    ...     for i in range(len(x)):
    ...         total = total + (tanh(sum(wj * xj for wj, xj in zip(w, x[i]))) - y[i]) ** 2
    ...     return total / len(x)
    >>> program = lift(value_and_grad(loss))
    >>> value, gradient = program([0.5, -1.0], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [0.0, 1.0, 0.5])
    >>> round(value, 6), gradient.round(6)
    (2.336822, array([-0.232884, -0.380783]))
    >>> print(program.report())
    value_and_grad(loss): ... scalar nodes in ... groups
    ...

    References: the pattern of it is partial evaluation by tracing (Frostig et al. 2018, "Compiling machine learning
    programs via high-level tracing"), run backwards: from scalars to arrays.
    """
    if f is None:
        return functools.partial(lift, batch=batch, reduce=reduce, engine=engine, static=static, check=check, **options)
    return Lifted(f, batch, reduce, engine, static, check, options)


class Lifted:
    """A function that runs as a tensor program; :func:`lift` makes it.

    Attributes:
        engine: What runs it.
        programs: The programs made so far, by the structure of the arguments and what the function reads besides.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        batch: int | Sequence[int | None] | None,
        reduce: str | None,
        engine: str,
        static: int | str | Sequence[int | str],
        check: bool,
        options: dict[str, Any],
    ) -> None:
        if not callable(f):
            raise LiftError(f"lift takes a function, not {type(f).__name__} {f!r:.80}")
        if reduce not in ("mean", "sum", None):
            raise LiftError(f'reduce is "mean", "sum" or None, not {reduce!r}')
        self.engine: Final = engines.checked(engine)
        engines.check_options(engine, options)
        self.programs: dict[tuple[Signature, Hashable], Program] = {}
        self._surroundings = Surroundings()
        self._advised = False
        self._f = f
        self._name = str(getattr(f, "__name__", type(f).__name__))
        self._names = positional_names(f)
        self._batch = _axes(batch, len(self._names))
        self._reduce = reduce
        self._static = (static,) if isinstance(static, (int, str)) else tuple(static)
        _check_static(f, self._static, self._name)
        self._check = check
        self._options = options
        self._last: Program | None = None
        self._explains = True  # not where a fault of lift is narrowed down
        functools.update_wrapper(self, f, updated=())

    def __repr__(self) -> str:
        return f"<lift({self._name}), engine {self.engine!r}: {len(self.programs)} programs>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        return display.mimebundle(self, include, exclude)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the program for these arguments; the first call with a structure of arguments makes it."""
        if STATE.tracing != 0 and is_tracing():
            if any(axis is not None for axis in self._batch):
                raise LiftError(
                    f"lift({self._name}) with a batch is called in a function that is lifted: lift only that"
                )
            return self._f(*args, **kwargs)
        last = self._last
        try:
            if last is not None and not kwargs and last.is_current():
                found = last.quickly(args)
                if found is not NotImplemented:
                    return found
            arguments = self._taken(args, kwargs)
            return self._program(arguments).run_on(arguments)
        except UnforeseenError:
            return self._made_anew(self._taken(args, kwargs))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def program_for(self, *args: Any, **kwargs: Any) -> Program:
        """The program for arguments of this structure, without running it.

        Raises:
            LiftError: The function cannot be lifted.

        >>> program = lift(lambda x, y: x * y + x).program_for(1.0, 2.0)
        >>> program(3.0, 4.0)
        15.0
        """
        return self._program(self._taken(args, kwargs))

    @property
    def source(self) -> str:
        """The source of the program that was used last, as readable NumPy."""
        return self.last.source

    @property
    def groups(self) -> list[Group]:
        """The groups of the program that was used last."""
        return self.last.groups

    def report(self) -> Report:
        """What was found in the program that was used last, and what it cost."""
        return self.last.report()

    @property
    def last(self) -> Program:
        """The program that was used last.

        Raises:
            LiftError: None was made yet.
        """
        if self._last is None:
            raise LiftError(
                f"lift({self._name}) was not called yet: a program is made for the structure of its arguments. "
                "Call it, or program_for(...), first."
            )
        return self._last

    def _taken(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Arguments:
        return take_apart(self._names, args, kwargs, self._batch, self._static)

    def _program(self, arguments: Arguments) -> Program:
        code = [self._f], arguments.code
        seen = self._surroundings.seen(*code)
        last = self._last
        if last is not None and last.seen is seen and last.inputs.signature == arguments.signature:
            return last
        program = self.programs.get((arguments.signature, self._surroundings.key(seen)))
        if program is None:
            if any(axis is not None for axis in self._batch) and arguments.samples is None:
                raise LiftError(f"batch={self._batch} names axes of samples, and no argument of {self._name} has one")
            if arguments.samples == 0:
                raise LiftError(
                    f"{self._name} was called without samples, and is traced on the first one: call it, or "
                    "program_for(...), with at least one"
                )
            self._advise(arguments, seen)
            program = self._made(arguments)
            before, seen = seen, self._surroundings.seen(*code)
            if seen is not before:
                self._surroundings.ran(before, seen)
            while len(self.programs) >= _KEPT:
                del self.programs[next(iter(self.programs))]
            self.programs[arguments.signature, self._surroundings.key(seen)] = program
        program.watch(self._surroundings, code, seen)
        self._last = program
        return program

    def _made_anew(self, arguments: Arguments) -> Any:
        """The results of a program that takes the place of the last one, which was made from too plain an example."""
        before, self._last = self._last, None
        for key in [key for key, program in self.programs.items() if program is before]:
            del self.programs[key]
        try:
            return self._program(arguments).run_on(arguments)
        finally:
            self._last = self._last or before

    def _advise(self, arguments: Arguments, seen: Seen) -> None:
        """Says once that numbers which change from call to call are better given as arguments."""
        alike = [program for (signature, _), program in self.programs.items() if signature == arguments.signature]
        if self._advised or len(alike) < _MANY or alike[-1].seen is None:
            return
        self._advised = True
        warnings.warn(
            f"lift({self._name}) makes its program for the {len(alike) + 1}th time for arguments of one structure, as "
            f"what the function reads besides keeps changing: {self._surroundings.told(alike[-1].seen, seen)}. Give it "
            "as an argument: one program serves all its numbers then.",
            UserWarning,
            stacklevel=4,
        )

    # ------------------------------------------------------------------------------------------ making a program

    def _made(self, arguments: Arguments) -> Program:
        watch = _Watch()
        with _without_collector():
            with watch("trace"):
                leaves, results, demanded = self._traced(arguments)
            count = sum(map(len, results.nodes))
            with watch("flatten"):
                graph = graph_of([*results.forgotten(), *demanded.forgotten()])
            inputs, groups, unit, place = self._inputs(arguments, leaves, graph)
            _mark_constants(graph, unit)
            demanded.arrange(graph, count, unit)
        with own_faults(self._name, graph, self._judge("numpy")):
            with watch("canonical"):
                simple = canonical(graph)
            with watch("groups"):
                shapes = [*[shape or () for shape in results.shapes], *demanded.shapes]
                grouping = grouped(simple, groups, unit, place, shapes)
                program = grouping.program
            with watch("results"):
                refs = grouping.results()
                program.outputs = [Output(shape, ref) for shape, ref in zip(results.shapes, refs, strict=False)]
                program.demands = demanded.found(program, refs[len(program.outputs) :])
                if arguments.samples is not None:
                    tidying.reduce_samples(program, self._reduce)
                tidying.share_constants(program)
                tidying.drop_ones(program)
                tidying.orient(program)
                tidying.drop_unread(program)
                name_groups(program)
        report = _reported(self._name, len(graph), program, watch.seconds)
        made = Program(self._name, program, inputs, results.structure, report, self.engine, self._check, self._options)
        made.check_constants()
        with watch("proof"):
            report.difference = self._prove(made, arguments, replace(graph, roots=graph.roots[:count]))
        return made

    def _traced(self, arguments: Arguments) -> tuple[list[list[Value]], Results, Demanded]:
        """The leaves of each unit, what the function gives on them, and what it demands of its numbers."""
        STATE.clock += 1  # what the function makes from here on is newer than all that was there before
        leaves: list[list[Value]] = []
        stand_ins: list[Any] = []
        for unit, array in zip(arguments.units, arguments.arrays, strict=True):
            numbers = array[..., 0] if unit.axis is not None else array
            nodes = unit.values or [Value(x) for x in numbers.ravel().tolist()]
            leaves.append(nodes)
            stand_ins.append(arranged(nodes, unit.shape))
        args, kwargs = arguments.rebuilt(iter(stand_ins))
        inputs = [node for nodes in leaves for node in nodes]
        frozen = [node for node in inputs if not node.requires_grad]
        trace = tracing(inputs, STATE.clock)
        try:
            with trace, recording_derivatives(frozen):
                found = self._f(*args, **kwargs)
        except (TypeError, AttributeError) as error:
            told = explained(error)
            if told is not error:
                raise told from error
            if "Value" not in str(error) or "integer" not in str(error):
                raise
            line = traceback.extract_tb(error.__traceback__)[-1]
            code = f": {line.line}" if line.line else ""  # none, where it was typed in
            raise TraceError(
                f"lift cannot trace a Value as an index or a count, at {line.filename}:{line.lineno}{code}. It "
                "would take the number of this example, and the program would use it for all others. Instead: "
                "lookup(table, v) takes v as an index. If it comes from an argument that is a setting, not data, keep "
                'that one as a number: lift(f, static=("n",)).'
            ) from error
        return leaves, take_apart_results(found, self._name), Demanded(trace.inside.demands)

    def _inputs(
        self, arguments: Arguments, leaves: list[list[Value]], graph: Graph
    ) -> tuple[Inputs, list[Group], NDArray[np.intp], NDArray[np.intp]]:
        """The input groups, and for each leaf of the graph its group and place."""
        families = merged(arguments.units)
        groups = []
        owner: dict[int, tuple[int, int]] = {}
        for number, (path, members) in enumerate(families):
            first = arguments.units[members[0]]
            shape = first.shape if len(members) == 1 else (len(members), *first.shape)
            groups.append(Group("input", shape, path=".".join(path), batched=first.axis is not None))
            place = 0
            for member in members:
                for node in leaves[member]:
                    owner.setdefault(id(node), (number, place))
                    place += 1
        before = STATE.clock
        unit = np.full(len(graph.leaves), -1, dtype=np.intp)
        places = np.zeros(len(graph.leaves), dtype=np.intp)
        captured: list[Value] = []
        for i, leaf in enumerate(graph.leaves):
            known = owner.get(id(leaf))
            if known is None and leaf._stamp < before:
                known = owner[id(leaf)] = (len(groups), len(captured))
                captured.append(leaf)
            if known is not None:
                unit[i], places[i] = known
        if captured:
            groups.append(Group("input", (len(captured),), path="captured"))
        inputs = Inputs(
            self._names,
            self._batch,
            self._static,
            arguments.signature,
            [members for _, members in families],
            [group.shape for group in groups[: len(families)]],
            captured,
        )
        return inputs, groups, unit, places

    # ------------------------------------------------------------------------------------------------- the proof

    def _prove(self, program: Program, arguments: Arguments, graph: Graph) -> float:
        """Compares the program with the function on probes; the largest difference."""
        worst = 0.0
        is_large = program.report().nodes >= equivalence_check.LARGE
        few = 2 if is_large else equivalence_check.SAMPLES
        for seed in (None, 1) if is_large else (None, *range(equivalence_check.PROBES)):
            arrays, eager = self._probed(arguments, seed, few)
            given = program.inputs.gathered(replace(arguments, arrays=arrays))
            with own_faults(self._name, graph, self._judge(self.engine)):
                lifted = program.run_to_prove(given)
            found = equivalence_check.largest_difference([np.asarray(a) for a in lifted], eager)
            if found.relative > equivalence_check.TOLERANCE and not self._only_rounding(
                program, arguments, arrays, lifted, eager
            ):
                reason = self._reason(program, arguments, graph, Probe(arrays, [np.asarray(a) for a in lifted], eager))
                if reason:
                    raise LiftError(
                        f"the program of {self._name} is not the function: on a probe, number {found.place} of result "
                        f"{found.result} is {found.lifted!r} instead of {found.eager!r}. {reason}"
                    )
            worst = max(worst, found.relative)
        return worst

    def _reason(self, program: Program, arguments: Arguments, graph: Graph, probe: Probe) -> str:
        """Why a program is not the function; "" if the function itself rounds so much."""
        judge = self._judge(self.engine)
        if judge is None:
            return "It is a part of another one."
        if self.engine != "numpy":
            given = program.inputs.gathered(replace(arguments, arrays=probe.arrays))
            on_numpy = equivalence_check.largest_difference(
                engines.build("numpy", program._groups, {})(given), probe.eager
            )
            if on_numpy.relative > equivalence_check.TOLERANCE:
                judge = self._judge("numpy") or judge
        again = self._recorded(arguments, arguments.arrays, 1)[0]
        try:
            samples = self._recorded(arguments, probe.arrays)
        except Exception as error:  # whatever the function does when it is given Values with these numbers
            return depends_on_numbers(f"it raises {type(error).__name__}: {error}".rstrip(": "))
        case = Case(
            self._name,
            graph,
            again,
            samples,
            probe,
            lambda each: each[0] if arguments.samples is None else self._over_samples(each),
            "numpy" if judge.engine != "numpy" else "",
            judge,
        )
        return case.reason()

    def _judge(self, engine: str) -> Judge | None:
        """What tells whether lift goes wrong on an engine; nothing, where that is being found out."""

        def prove(f: Callable[..., Any], numbers: Sequence[float]) -> Program:
            lifted = Lifted(f, None, None, engine, (), False, self._options if engine == self.engine else {})
            lifted._explains = False
            return lifted.program_for(*numbers)

        return Judge(engine, prove) if self._explains else None

    def _recorded(self, arguments: Arguments, arrays: list[Floats], most: int | None = None) -> list[Recording]:
        """The function recorded on some samples, with lines where it records finite numbers only."""
        found = []
        for one in samples_of(arguments.units, arrays)[:most]:
            pairs = zip(one, arguments.units, strict=True)
            given = replace(arguments, arrays=[a if unit.axis is None else a[..., None] for a, unit in pairs])
            with holding(arguments.units, one):
                try:
                    with detect_anomaly():
                        leaves, results, demanded = self._traced(given)
                except AnomalyError:
                    leaves, results, demanded = self._traced(given)
            count = sum(map(len, results.nodes))
            nodes = [*results.forgotten(), *demanded.forgotten()]
            lines, graph = lines_of(nodes), graph_of(nodes)
            graph.roots = graph.roots[:count]
            _mark_constants(graph, self._inputs(arguments, leaves, graph)[2])
            found.append(Recording(graph, lines, [shape or () for shape in results.shapes]))
        return found

    def _check_repeats(self, arguments: Arguments, arrays: list[Floats], eager: list[Floats]) -> None:
        """Raises if the function gives other numbers when it is called again with the same ones."""
        again = self._eagerly(arguments, arrays)
        same = [np.array_equal(a, b, equal_nan=True) for a, b in zip(again, eager, strict=False)]
        if len(again) != len(eager) or not all(same):
            raise LiftError(
                f"{self._name} gives other results when it is called again with the same arguments: it draws random "
                "numbers, or keeps something between its calls, which a program would not. Give what it draws or keeps "
                "as an argument."
            )

    def _probed(self, arguments: Arguments, seed: int | None, few: int) -> tuple[list[Floats], list[Floats]]:
        """The boldest probe, of a few samples, on which the function gives finite numbers, and these.

        Without a seed, what the caller gave, if the function gives finite numbers there.
        """
        batched = [unit.axis is not None for unit in arguments.units]
        drawn = list(equivalence_check.probes(arguments.arrays, batched, seed or 0))
        probes = [
            [array[..., :few] if has else array for array, has in zip(arrays, batched, strict=True)]
            for arrays in ([drawn[-1], *drawn] if seed is None else drawn)
        ]
        for arrays in probes:
            tie(arguments.units, arrays)
        for arrays in probes[:-1]:
            with suppress(Exception):  # the function may take no such numbers, and say so in any way
                eager = self._eagerly(arguments, arrays)
                if all(np.isfinite(array).all() for array in eager):
                    return arrays, eager
        return probes[-1], self._eagerly(arguments, probes[-1])

    def _only_rounding(
        self, program: Program, arguments: Arguments, arrays: list[Floats], lifted: Any, eager: list[Floats]
    ) -> bool:
        """Whether the results differ by no more than rounding can make them."""
        self._check_repeats(arguments, arrays, eager)
        shaken = equivalence_check.rounding(lambda xs: self._eagerly(arguments, list(xs)), arrays)
        bounds = error_analysis.bounds(program._groups, program.inputs.gathered(replace(arguments, arrays=arrays)))
        for ours, truth, moved, bound in zip(lifted, eager, shaken, bounds, strict=True):
            difference = np.abs(np.asarray(ours, dtype=np.float64) - truth)
            scale = np.abs(truth).max(initial=0.0)
            allowed = (
                equivalence_check.TOLERANCE * scale
                + equivalence_check.AMPLIFIED * moved.max(initial=0.0)
                + equivalence_check.SAFETY * bound
            )
            if not (difference <= allowed).all():
                return False
        return True

    def _eagerly(self, arguments: Arguments, arrays: list[Floats]) -> list[Floats]:
        """The results of the function itself, on floats."""
        each = [self._called(arguments, one) for one in samples_of(arguments.units, arrays)]
        return each[0] if arguments.samples is None else self._over_samples(each)

    def _over_samples(self, each: list[list[Floats]]) -> list[Floats]:
        """The results of all samples as those of the program."""
        if len({tuple([part.shape for part in parts]) for parts in each}) > 1:
            raise LiftError(f"{self._name} gives results of other shapes for another sample")
        stacked = [np.stack(parts) for parts in zip(*each, strict=True)]
        if self._reduce is None:
            return stacked
        return [part.mean(axis=0) if self._reduce == "mean" else part.sum(axis=0) for part in stacked]

    def _called(self, arguments: Arguments, arrays: Sequence[Floats]) -> list[Floats]:
        """On plain numbers; on Values, if it calls their methods."""
        with holding(arguments.units, arrays):
            numbers = [as_given(unit, array) for unit, array in zip(arguments.units, arrays, strict=True)]
            try:
                results = self._results_on(arguments, numbers)
            except (AttributeError, TypeError):
                values = [arranged([Value(x) for x in array.ravel().tolist()], array.shape) for array in arrays]
                results = self._results_on(arguments, values)
            return [
                np.array([node.data for node in nodes], dtype=np.float64).reshape(shape or ())
                for nodes, shape in zip(results.nodes, results.shapes, strict=True)
            ]

    def _results_on(self, arguments: Arguments, stand_ins: list[Any]) -> Results:
        args, kwargs = arguments.rebuilt(iter(stand_ins))
        return take_apart_results(self._f(*args, **kwargs), self._name)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keeps Python from looking for reference cycles while a graph is recorded, which has none and many objects."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Watch:
    """How long each pass takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def _axes(batch: int | Sequence[int | None] | None, count: int) -> tuple[int | None, ...]:
    if batch is None:
        return ()
    if isinstance(batch, int):
        return (batch,) * max(count, 1)
    axes = tuple(batch)
    for axis in axes:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise LiftError(f"batch names an axis for each positional argument, or None: not {batch!r}")
    return axes


def _check_static(f: Callable[..., Any], static: Sequence[int | str], name: str) -> None:
    """Refuses the name of an argument that the function has not, as far as its arguments can be known."""
    try:
        parameters = inspect.signature(f).parameters
    except (TypeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for argument in static:
        if isinstance(argument, str) and argument not in parameters:
            raise LiftError(
                f"{name} has no argument {argument!r}, which static names: its arguments are {', '.join(parameters)}"
            )


def _mark_constants(graph: Graph, unit: NDArray[np.intp]) -> None:
    """Leaves that are arguments are inputs, even frozen ones; what the function made itself is constant."""
    graph.codes[: len(graph.leaves)] = np.where(unit >= 0, LEAF_CODE, CONSTANT_CODE)


def _reported(name: str, nodes: int, program: Groups, seconds: dict[str, float]) -> Report:
    statements = [group for group in program.groups if group.kind in ("map", "sum", "fold")]
    return Report(
        name,
        nodes,
        len(statements),
        sum(any(len(t.factors) > 1 and (t.reduced or g.over) for t in g.terms) for g in statements),
        sum(any(i.table is not None for ref in g.refs() for i in ref.index) for g in statements),
        sum(any(t.mask is not None for t in g.terms) for g in statements),
        seconds,
    )
