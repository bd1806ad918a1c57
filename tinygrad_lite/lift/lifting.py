"""``lift``: from a function of Values to tensor programs, one for each structure of arguments."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import replace
from typing import Any, Final, overload

from tinygrad_lite import display
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.checking.runtime_checks import UnforeseenError
from tinygrad_lite.lift.checkpointing.schedule import read_checkpoint
from tinygrad_lite.lift.eager_calls import EagerCalls
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.ir.groups import Group
from tinygrad_lite.lift.ir.report import Report
from tinygrad_lite.lift.passes import Settings, make_program
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.sized_program import SizedFunction
from tinygrad_lite.lift.stages import Passes, Recorder
from tinygrad_lite.lift.tracing.arguments import Arguments, Signature
from tinygrad_lite.lift.tracing.captures import Captures, Snapshot
from tinygrad_lite.lift.tracing.inputs import find_positional_names
from tinygrad_lite.modes import is_casting, is_recording
from tinygrad_lite.node.state import STATE
from tinygrad_lite.trace_mode import is_tracing
from tinygrad_lite.transforms import is_differentiating

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
    sizes: bool | None = ...,
    checkpoint: bool | int = ...,
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
    sizes: bool | None = ...,
    checkpoint: bool | int = ...,
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
    sizes: bool | None = None,
    checkpoint: bool | int = False,
    **options: Any,
) -> Any:
    """Find the tensor program inside a function of scalars: the same results, at the speed of arrays.

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
        engine: ``"numpy"``, ``"numba"`` (fused loops, fastest for small models; extra ``fast``), ``"jax"`` (``jit`` on
            any device; extra ``jax``) or ``"tape"`` (the scalars themselves, one after the other by one compiled loop:
            for graphs in which little repeats, and for a program without a wait).
        static: Positions or names of arguments that the function may branch on: a program is made for each of their
            values. Strings, booleans and None are static by themselves.
        check: Whether a result that is not finite, where all inputs are, is an error that names the group where it
            arose.
        sizes: Whether the function is traced at a few small sizes, and its program made for the sizes of the arguments
            without recording a scalar of them: axes that are longer than 8 are sizes, equal lengths are one. None:
            where the arguments of a sample have more than 20,000 numbers, and a function that is not the same at all
            sizes is traced whole; its report says why. True: always, and such a function is an error. False: never.
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
        return functools.partial(
            lift,
            batch=batch,
            reduce=reduce,
            engine=engine,
            static=static,
            check=check,
            sizes=sizes,
            checkpoint=checkpoint,
            **options,
        )
    return Lifted(f, batch, reduce, engine, static, check, options, sizes, checkpoint)


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
        sizes: bool | None = None,
        checkpoint: bool | int = False,
    ) -> None:
        if not callable(f):
            raise LiftError(f"lift takes a function, not {type(f).__name__} {f!r:.80}")
        if reduce not in ("mean", "sum", None):
            raise LiftError(f'reduce is "mean", "sum" or None, not {reduce!r}')
        self.engine: Final = registry.check_engine(engine)
        registry.check_options(engine, options)
        self.programs: dict[tuple[Signature, Hashable], Program] = {}
        names = find_positional_names(f)
        self._settings = Settings(
            f,
            str(getattr(f, "__name__", type(f).__name__)),
            names,
            _read_batch(batch, len(names)),
            reduce,
            (static,) if isinstance(static, (int, str)) else tuple(static),
            engine,
            check,
            {**options, **read_checkpoint(checkpoint)},
        )
        _check_static(self._settings)
        self._sized = SizedFunction(self._settings, sizes)
        self._captures = Captures()
        self._advised = False
        self._last: Program | None = None
        functools.update_wrapper(self, f, updated=())

    def __repr__(self) -> str:
        return f"<lift({self._settings.name}), engine {self.engine!r}: {len(self.programs)} programs>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, str]:
        return display.mimebundle(self, include, exclude)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program for these arguments; the first call with a structure of arguments makes it."""
        if STATE.tracing != 0 and is_tracing():
            if any(axis is not None for axis in self._settings.batch):
                raise LiftError(
                    f"lift({self._settings.name}) with a batch is called in a function that is lifted: lift only that"
                )
            return self._settings.f(*args, **kwargs)
        last = self._last
        try:
            if last is not None and not kwargs and not is_differentiating() and last.is_current():
                found = last.try_fast(args)
                if found is not NotImplemented:
                    return found
            arguments = self._settings.take_apart(args, kwargs)
            return self._find_program(arguments).run_arguments(arguments)
        except UnforeseenError:
            return self._make_anew(self._settings.take_apart(args, kwargs))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def program_for(self, *args: Any, **kwargs: Any) -> Program:
        """Make the program for arguments of this structure, without running it.

        Raises:
            LiftError: The function cannot be lifted.

        >>> program = lift(lambda x, y: x * y + x).program_for(1.0, 2.0)
        >>> program(3.0, 4.0)
        15.0
        """
        return self._find_program(self._settings.take_apart(args, kwargs))

    def passes_for(self, *args: Any, **kwargs: Any) -> Passes:
        """Run the passes for arguments, and keep what there is after each: to be printed, or explored as a page.

        Args:
            *args: As for a call. The function is traced whole, at their sizes.
            **kwargs: As before.

        Returns:
            The stages; :func:`tinygrad_lite.viz.explore` steps through them.

        Raises:
            LiftError: The function cannot be lifted; or it would be traced at smaller sizes, as its arguments have
                many numbers.

        >>> print(lift(lambda x, y: [a * b for a, b in zip(x, y)]).passes_for([1.0, 2.0], [3.0, 4.0]))
        <lambda>
          Trace               ... scalar nodes
          Canonical form      ... scalar nodes
          Groups              1 groups
          Source              3 lines
        """
        arguments = self._settings.take_apart(args, kwargs)
        self._check_samples(arguments)
        if self._sized.is_large(arguments):
            raise LiftError(
                f"{self._settings.name} is traced at small sizes here, and no scalar of these arguments is recorded: "
                "follow the passes with smaller arguments, which go through the same ones (and without sizes=True)"
            )
        watch = Recorder()
        settings = replace(self._settings, engine="numpy", options={})
        return watch.finish(settings.name, make_program(settings, arguments, watch=watch))

    @property
    def source(self) -> str:
        """The source of the program that was used last, as readable NumPy."""
        return self.last.source

    @property
    def groups(self) -> list[Group]:
        """The groups of the program that was used last."""
        return self.last.groups

    def report(self) -> Report:
        """Tell what was found in the program that was used last, and what it cost."""
        return self.last.report()

    @property
    def last(self) -> Program:
        """The program that was used last.

        Raises:
            LiftError: None was made yet.
        """
        if self._last is None:
            raise LiftError(
                f"lift({self._settings.name}) was not called yet: a program is made for the structure of its "
                "arguments. Call it, or program_for(...), first."
            )
        return self._last

    def _find_program(self, arguments: Arguments) -> Program:
        code = [self._settings.f], arguments.code
        snapshot = self._captures.take_snapshot(*code)
        last = self._last
        if last is not None and last.snapshot is snapshot and last.inputs.signature == arguments.signature:
            return last
        program = self.programs.get((arguments.signature, self._captures.make_key(snapshot)))
        if program is None:
            self._check_samples(arguments)
            self._advise(arguments, snapshot)
            program = self._make_program(arguments, self._captures.make_key(snapshot))
            before, snapshot = snapshot, self._captures.take_snapshot(*code)
            if snapshot is not before:
                self._captures.learn_writes(before, snapshot)
            while len(self.programs) >= _KEPT:
                self.programs.pop(list(self.programs)[0], None)  # noqa: RUF015 (an iterator fails where threads add)
            self.programs[arguments.signature, self._captures.make_key(snapshot)] = program
        program.watch(self._captures, code, snapshot)
        self._last = program
        return program

    def _make_program(self, arguments: Arguments, captured: Hashable) -> Program:
        """Make a program, and what gives Values for Values, whatever transforms and ``no_grad()`` are around it."""
        if (is_differentiating() or not is_recording()) and not is_casting():
            program = Context().run(self._sized.make_program, arguments, captured)
        else:
            program = self._sized.make_program(arguments, captured)
        program.on_values = EagerCalls(self._sized, program)
        return program

    def _check_samples(self, arguments: Arguments) -> None:
        """Raise where there is no sample to trace."""
        batch, name = self._settings.batch, self._settings.name
        if any(axis is not None for axis in batch) and arguments.samples is None:
            raise LiftError(f"batch={batch} names axes of samples, and no argument of {name} has one")
        if arguments.samples == 0:
            raise LiftError(
                f"{name} was called without samples, and is traced on the first one: call it, or "
                "program_for(...), with at least one"
            )

    def _make_anew(self, arguments: Arguments) -> Any:
        """Run a program that takes the place of the last one, which was made from too plain an example."""
        before, self._last = self._last, None
        for key in [key for key, program in list(self.programs.items()) if program is before]:
            self.programs.pop(key, None)
        try:
            return self._find_program(arguments).run_arguments(arguments)
        finally:
            self._last = self._last or before

    def _advise(self, arguments: Arguments, snapshot: Snapshot) -> None:
        """Say once that numbers which change from call to call are better given as arguments."""
        alike = [program for (signature, _), program in list(self.programs.items()) if signature == arguments.signature]
        if self._advised or len(alike) < _MANY or alike[-1].snapshot is None:
            return
        self._advised = True
        changes = self._captures.describe_changes(alike[-1].snapshot, snapshot)
        warnings.warn(
            f"lift({self._settings.name}) makes its program for the {len(alike) + 1}th time for arguments of one "
            f"structure, as what the function reads besides keeps changing: {changes}. Give it "
            "as an argument: one program serves all its numbers then.",
            UserWarning,
            stacklevel=4,
        )


def _read_batch(batch: int | Sequence[int | None] | None, count: int) -> tuple[int | None, ...]:
    if batch is None:
        return ()
    if isinstance(batch, int):
        return (batch,) * max(count, 1)
    axes = tuple(batch)
    for axis in axes:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise LiftError(f"batch names an axis for each positional argument, or None: not {batch!r}")
    return axes


def _check_static(settings: Settings) -> None:
    """Raise for the name of an argument that the function has not, as far as its arguments can be known."""
    try:
        parameters = inspect.signature(settings.f).parameters
    except (TypeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for argument in settings.static:
        if isinstance(argument, str) and argument not in parameters:
            raise LiftError(
                f"{settings.name} has no argument {argument!r}, which static names: its arguments are "
                f"{', '.join(parameters)}"
            )
