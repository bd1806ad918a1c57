"""Lifted calls inside of eager graphs: a program's results as nodes, whose derivative rule is another program.

Where a lifted function is given Values, or a transform differentiates by what it reads, its results are Values, and
each is one node above all Values that the call reads: those among the arguments, the parameters of modules, and what
the function closes over. (A call with numbers and modules alone, outside of transforms, gives numbers: what most calls
want, and the fastest.) The node's rule is the function's vector-Jacobian product, lifted when it is first asked for,
and kept with the program. Asked for derivatives of derivatives, the rule is itself such a call.

The operation is one of the user's own (:func:`tinygrad_lite.define`), named after the function. Behind its operands
stands a constant that says which result of which call it is. What it says is held by that constant, so that it lives
as long as the node.

Cost: a node has an edge to every Value that the call reads, and a row of the Jacobian: many results of many Values are
better lifted whole, ``lift(value_and_grad(f))``, and refused from :data:`MOST_EDGES` on.
"""

from __future__ import annotations

import itertools
import math
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from dataclasses import replace
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.dispatch import define
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.sized_program import SizedFunction
from tinygrad_lite.lift.tracing.arguments import ITSELF, Arguments, Signature, StandIns, Unit
from tinygrad_lite.lift.tracing.results import take_apart_results
from tinygrad_lite.modes import is_casting
from tinygrad_lite.nary import sum as sum_of
from tinygrad_lite.node.fields import Details
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import DEFINED
from tinygrad_lite.short_calls import active, depends_on
from tinygrad_lite.transforms import gradient
from tinygrad_lite.value import Value, operand, record

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

#: A call has at most so many results times Values that it reads.
MOST_EDGES: Final = 5_000_000
#: So many names of functions have an operation of their own; the others share one. Operations are never forgotten.
_MOST_NAMES: Final = 500
_LONGEST_NAME: Final = 60
#: By so many sets of its arguments, and with so many Values in the places of those that it reads besides, a program
#: keeps its derivatives.
_MOST_DERIVATIVES: Final = 16


class EagerCalls:
    """What makes nodes of the calls of one program.

    Args:
        function: What was lifted, and how.
        program: Made of it.
    """

    def __init__(self, function: SizedFunction, program: Program) -> None:
        self.function: Final = function
        self.program: Final = program
        self._derivatives: dict[tuple[Any, ...], Derivative] = {}

    @property
    def name(self) -> str:
        """Of the function."""
        return self.function.settings.name

    def __call__(self, arguments: Arguments) -> Any:
        """Give the results, in the function's structure: Values, if a path leads through them; numbers, if not."""
        captured = list(self.program.inputs.captured)
        operands, placement = _place(arguments, captured)
        if not arguments.holds_values and not _is_reached(operands):
            return self.program.run_arrays(self.program.inputs.gather(arguments))
        if is_casting():
            raise LiftError(
                f"lift({self.name}) is called with Values inside of autocast(), which rounds each operation, and a "
                "program has none that it could round: leave autocast() out, and choose the format with the engine, "
                'lift(f, engine="jax", dtype="bfloat16")'
            )
        units = [replace(unit, given=None) for unit in arguments.units]
        call = Call(self, replace(arguments, units=units), captured, placement, operands)
        nodes = iter(call.record(operands, range(call.results.size)))
        parts = []
        for shape, output in zip(call.shapes, self.program.ir.outputs, strict=True):
            is_number = output.shape is None and not output.batched
            part = list(itertools.islice(nodes, math.prod(shape)))
            parts.append(part[0] if is_number else _shape(part, shape))
        return self.program.build_results(parts)

    def derivative(self, call: Call, units: tuple[int, ...], reduce: str | None) -> Derivative:
        """Make the vector-Jacobian product by some units, or find it.

        Args:
            call: A call.
            units: Numbers of units; those without samples come with the captured Values.
            reduce: Over the samples.
        """
        key = units, reduce, tuple(map(id, call.captured))
        if key not in self._derivatives:
            while len(self._derivatives) >= _MOST_DERIVATIVES:
                self._derivatives.pop(list(self._derivatives)[0], None)  # noqa: RUF015 (see Lifted)
            # in a context of its own: it may be made within backward(), a transform, no_grad() ...
            made = Context().run(Derivative, call, units, reduce)
            self._derivatives[key] = made
            return made
        return self._derivatives[key]


class Placement(NamedTuple):
    """Where Values stand among the numbers of a call: those of all units, one after the other, then the captured."""

    places: Integers
    #: for each place the number of its operand
    which: Integers


def _place(arguments: Arguments, captured: Sequence[Any]) -> tuple[list[Value], Placement]:
    """Find the Values that a call reads, each once, and where they stand."""
    numbers: dict[int, int] = {}
    operands: list[Value] = []
    places: list[int] = []
    which: list[int] = []
    parts = [unit.given or unit.values or [] for unit in arguments.units]
    starts = itertools.accumulate([numbers.size for numbers in arguments.arrays], initial=0)
    for start, part in zip(starts, [*parts, captured], strict=True):
        for place, item in enumerate(part, start):
            if isinstance(item, Value):
                number = numbers.setdefault(id(item), len(operands))
                if number == len(operands):
                    operands.append(item)
                places.append(place)
                which.append(number)
    return operands, Placement(np.array(places, dtype=np.intp), np.array(which, dtype=np.intp))


def _is_reached(operands: Sequence[Value]) -> bool:
    """Whether a transform that is calling its function here differentiates by one of them, or by what is below it."""
    calls = active.get()
    inputs = {id(x) for call in calls for x in call.inputs}
    return any(id(x) in inputs for x in operands) or depends_on([x for x in operands if not x.is_leaf], calls)


class Call:
    """A call of a program, apart from the Values that it was given: numbers stand in their places.

    Args:
        calls: Those of the program.
        arguments: What it was given, without the Values.
        captured: The Values that the function closed over.
        placement: Where Values stood.
        operands: Values and numbers that stand there.

    Attributes:
        shapes: Of the results.
    """

    def __init__(
        self,
        calls: EagerCalls,
        arguments: Arguments,
        captured: list[Value],
        placement: Placement,
        operands: Sequence[Any],
    ) -> None:
        self.calls: Final = calls
        self.arguments: Final = arguments
        self.captured: Final = captured
        self.placement: Final = placement
        self.count: Final = len(operands)
        given = [x._number for x in captured]
        self._numbers = np.concatenate([*[part.ravel() for part in arguments.arrays], np.array(given, dtype=float)])
        numbers = [_number(x) for x in operands]
        found = self._compute(numbers)
        self.shapes: Final = [part.shape for part in found]
        self._last = _make_key(numbers), _join(found)
        self._rows: tuple[bytes, Floats] | None = None
        self._check_size()

    @property
    def results(self) -> Floats:
        """The numbers of all results that were computed last."""
        return self._last[1]

    def record(self, operands: Sequence[Any], places: Sequence[int]) -> list[Value]:
        """Record the nodes of some results.

        Args:
            operands: Values, and numbers in the place of Values that no derivative is asked by.
            places: Of the results, among all numbers of these.
        """
        code = _find_code(self.calls.name)
        details = Details("", tuple([operand(x) for x in operands]))
        numbers = self.results.tolist()
        return [record(code, numbers[place], Result(self, place).make_operand(), None, details) for place in places]

    def evaluate(self, numbers: Sequence[float]) -> Floats:
        """Compute all results for other numbers of the operands."""
        key, last = _make_key(numbers), self._last
        if last[0] != key:
            last = self._last = key, _join(self._compute(numbers))
        return last[1]

    def find_rows(self, numbers: Sequence[float]) -> Floats:
        """Compute the Jacobian: a row for each result, a column for each operand."""
        key, rows = _make_key(numbers), self._rows
        if rows is None or rows[0] != key:
            rows = self._rows = key, self._compute_rows(numbers)
        return rows[1]

    def record_row(self, operands: Sequence[Any], row: int) -> list[Any]:
        """Record the derivatives of one result by each operand: Values, or 0."""
        found: list[list[Any]] = [[] for _ in operands]
        owners = self._find_owners()
        given, _ = self._split(self._fill([_number(x) for x in operands]))
        sample, weights = self._weigh(row)
        for derivative in self._derivatives():
            places, columns = derivative.locate(self, given, sample)
            asked = [(place, owners[column]) for place, column in zip(places, columns, strict=True)]
            asked = [(place, owner) for place, owner in asked if owner >= 0]
            call = derivative.call(self, given, weights, operands)
            nodes = call.record(operands, [place for place, _ in asked])
            for (_, owner), node in zip(asked, nodes, strict=True):
                found[owner].append(node if derivative.scale(given) == 1.0 else derivative.scale(given) * node)
        return [0.0 if not parts else parts[0] if len(parts) == 1 else sum_of(parts) for parts in found]

    def _compute_rows(self, numbers: Sequence[float]) -> Floats:
        given, captured = self._split(self._fill(numbers))
        owners = self._find_owners()
        rows = np.zeros((self.results.size, self.count))
        is_batched = given.samples is not None
        for derivative in self._derivatives():
            scale = derivative.scale(given)
            if not is_batched:  # a sample for each row
                found = derivative.compute(self, given, captured, np.eye(len(rows)))
                places, columns = derivative.locate(self, given, 0)
                asked = owners[columns] >= 0
                together = np.concatenate([part.reshape(len(rows), -1) for part in found], axis=1)
                np.add.at(rows.T, owners[columns][asked], together.T[asked])
                continue
            for place, weights in enumerate(np.eye(self._count_of_sample())):
                each = _join(derivative.compute(self, given, captured, weights))
                for row, sample in self._find_rows_of(place):
                    places, columns = derivative.locate(self, given, sample)
                    asked = owners[columns] >= 0
                    np.add.at(rows[row], owners[columns][asked], scale * each[places][asked])
        return rows

    # ------------------------------------------------------------------------------------------------ its derivatives

    def _derivatives(self) -> list[Derivative]:
        """List what computes the Jacobian: by what all samples share, and by what has samples."""
        settings, units = self.calls.function.settings, self.arguments.units
        ends = np.cumsum([part.size for part in self.arguments.arrays])
        held = set(np.searchsorted(ends, self.placement.places, side="right").tolist())
        shared = tuple([k for k, unit in enumerate(units) if k in held and unit.axis is None])
        batched = tuple([k for k, unit in enumerate(units) if k in held and unit.axis is not None])
        reduce = None if self.arguments.samples is None else settings.reduce
        found = []
        if shared or len(units) in held:
            found.append(self.calls.derivative(self, shared, reduce))
        if batched:
            found.append(self.calls.derivative(self, batched, None))
        return found

    def _find_owners(self) -> Integers:
        """For each number of the call the operand that stands there; −1 for none."""
        owners = np.full(self._numbers.size, -1, dtype=np.intp)
        owners[self.placement.places] = self.placement.which
        return owners

    def _weigh(self, row: int) -> tuple[int | None, Floats]:
        """Find the sample that a result is of (None: of all), and the weights of the results that pick it out."""
        if self.arguments.samples is None:
            return 0, np.eye(self.results.size)[row]
        for place in range(self._count_of_sample()):
            for number, sample in self._find_rows_of(place):
                if number == row:
                    return sample, np.eye(self._count_of_sample())[place]
        raise AssertionError("there is no such result")

    def _count_of_sample(self) -> int:
        return sum([math.prod(output.shape or ()) for output in self.calls.program.ir.outputs])

    def _find_rows_of(self, place: int) -> Iterator[tuple[int, int | None]]:
        """List the results that one result of a sample became, and the sample that each is of."""
        start = 0
        for shape, output in zip(self.shapes, self.calls.program.ir.outputs, strict=True):
            size = math.prod(output.shape or ())
            if place < size:
                samples = [None] if not output.batched else list(range(shape[0]))
                for k, sample in enumerate(samples):
                    yield start + k * size + place, sample
                return
            place -= size
            start += math.prod(shape)

    # --------------------------------------------------------------------------------------------------- its numbers

    def _compute(self, numbers: Sequence[float]) -> list[Floats]:
        given, captured = self._split(self._fill(numbers))
        program = self.calls.program
        found = program.compute(program.inputs.gather(given, captured))
        return [np.asarray(part, dtype=np.float64) for part in found]

    def _fill(self, numbers: Sequence[float]) -> Floats:
        """Put numbers into the places of the operands."""
        filled = self._numbers.copy()
        filled[self.placement.places] = np.array(numbers, dtype=np.float64)[self.placement.which]
        return filled

    def _split(self, numbers: Floats) -> tuple[Arguments, Floats]:
        """Make arguments, and the numbers of captured Values, of the numbers of a call."""
        arrays = self.arguments.arrays
        *parts, captured = np.split(numbers, np.cumsum([part.size for part in arrays]))
        shaped = [part.reshape(before.shape) for part, before in zip(parts, arrays, strict=True)]
        return replace(self.arguments, arrays=shaped), captured

    def _check_size(self) -> None:
        results, operands = self.results.size, self.count
        if results * operands > MOST_EDGES:
            raise LiftError(
                f"lift({self.calls.name}) gives {results:,} numbers that depend on {operands:,} Values: as nodes of a "
                f"graph they would have {results * operands:,} edges. Lift the whole, down to the loss: "
                "lift(value_and_grad(loss)) in the place of value_and_grad(loss) around it"
            )


class Derivative:
    """The lifted vector-Jacobian product of a program, by some of its units.

    Args:
        call: A call of the program.
        units: Numbers of the units to differentiate by; without samples, by what the function closes over too.
        reduce: Over the samples; None where each sample has a derivative of its own.

    Raises:
        LiftError: It cannot be lifted; or what the function reads beside its arguments has changed since the call.
    """

    def __init__(self, call: Call, units: tuple[int, ...], reduce: str | None) -> None:
        program, function = call.calls.program, call.calls.function
        settings = function.settings
        program.check_unchanged()
        self._units: Final = units
        #: alive as long as this, which is found by their identity
        self._read: Final = call.captured
        self._by: Final = [] if any(call.arguments.units[k].axis is not None for k in units) else call.captured
        self._has_samples: Final = call.arguments.samples is not None and reduce is None
        self._mean: Final = settings.reduce == "mean" and self._has_samples
        # the arguments that it was made for are kept by it, not those of later calls
        f = _pull_back(settings.f, settings.name, call.arguments, units, self._by)
        changed = replace(settings, f=f, name=f"gradient of {settings.name}", batch=(), static=(), reduce=reduce)
        sized = SizedFunction(changed, function.wanted)
        count = call.results.size if call.arguments.samples is None else call._count_of_sample()
        given = self.give(call.arguments, np.eye(count)[0])
        self._calls: Final = EagerCalls(sized, sized.make_program(given))
        self._captured: Final = list(self._calls.program.inputs.captured)
        if not {id(x) for x in self._captured} <= {id(x) for x in call.captured}:
            raise LiftError(
                f"{settings.name} reads other Values than it did when it was called: its derivative is made when it is "
                "asked for. Ask before they are replaced, or give them as arguments"
            )

    def give(self, given: Arguments, weights: Floats) -> Arguments:
        """Put weights before the arguments: of one row, or rows of them, where arguments have no samples."""
        has_samples = given.samples is not None
        rows = weights if has_samples else np.atleast_2d(weights).T
        unit = Unit(("weights",), (len(rows),), None if has_samples else 0, whole=True)
        arguments = Arguments(
            [unit, *given.units],
            [rows, *given.arrays],
            Signature((("weights", len(rows)), *given.signature.parts)),
            given.samples if has_samples else rows.shape[-1],
            given.code,
            given.lengths,
            given.modules,
            given.is_bound,
        )
        arguments._builders.append((None, StandIns.take_rest))
        return arguments

    def compute(self, call: Call, given: Arguments, captured: Floats, weights: Floats) -> list[Floats]:
        """Compute the gradient by each unit, and by the captured Values, of the results so weighed."""
        program = self._calls.program
        numbers = dict(zip(map(id, call.captured), captured, strict=True))
        own = np.array([numbers[id(x)] for x in self._captured], dtype=np.float64)
        found = program.compute(program.inputs.gather(self.give(given, weights), own))
        return [np.asarray(part, dtype=np.float64) for part in found]

    def call(self, call: Call, given: Arguments, weights: Floats, operands: Sequence[Any]) -> Call:
        """Call it, as what has derivatives itself."""
        total = sum([part.size for part in given.arrays])
        numbers = {id(x): place for place, x in enumerate(self._captured, total)}
        moved = {total + k: numbers[id(x)] for k, x in enumerate(call.captured) if id(x) in numbers}
        pairs = [
            (place if place < total else moved[place], which)
            for place, which in zip(call.placement.places.tolist(), call.placement.which.tolist(), strict=True)
            if place < total or place in moved
        ]
        places = np.array([place + weights.size for place, _ in pairs], dtype=np.intp)
        placement = Placement(places, np.array([which for _, which in pairs], dtype=np.intp))
        return Call(self._calls, self.give(given, weights), self._captured, placement, operands)

    def locate(self, call: Call, given: Arguments, sample: int | None) -> tuple[Integers, Integers]:
        """Find the places of a gradient: among what is computed, and among the numbers of the call.

        Args:
            call: The call.
            given: Its arguments.
            sample: Whose gradient; None for all.
        """
        starts = np.cumsum([0, *[part.size for part in given.arrays]])
        places, columns = [], []
        start = 0
        samples = given.samples if self._has_samples and given.samples is not None else 1
        chosen = slice(None) if sample is None or not self._has_samples else slice(sample, sample + 1)
        for part in [*self._units, *[len(given.units)] * bool(self._by)]:
            size = len(self._by)
            by = np.arange(size)[None]
            if part < len(given.units):
                unit = given.units[part]
                size = math.prod(unit.shape)
                by = np.arange(size)[None]
                if unit.axis is not None:
                    by = np.arange(size * samples).reshape(size, samples).T
            own = start + np.arange(samples * size).reshape(samples, size)
            places.append(own[chosen].ravel())
            columns.append((starts[part] + np.broadcast_to(by, own.shape))[chosen].ravel())
            start += own.size
        return np.concatenate(places), np.concatenate(columns)

    def scale(self, given: Arguments) -> float:
        """Say what a sample's gradient counts in that of a mean."""
        return 1.0 / given.samples if self._mean and given.samples else 1.0


def _pull_back(
    f: Callable[..., Any], name: str, arguments: Arguments, units: Sequence[int], captured: Sequence[Value]
) -> Callable[..., Any]:
    """Make the function of weights and of all units that gives the gradient of the weighed results."""
    template = replace(arguments, arrays=[])

    def pulled_back(taken: tuple[list[Any], Any]) -> tuple[Any, ...]:
        (weights, *items), lengths = taken
        for k in units:
            items[k] = _make_values(items[k])
        args, kwargs = replace(template, lengths=lengths).rebuild(items)
        outputs = take_apart_results(f(*args, **kwargs), name).release()
        total = sum_of([weight * output for weight, output in zip(weights, outputs, strict=True)])
        by = [_list_values(items[k], arguments.units[k]) for k in units]
        if captured:
            by.append((list(captured), (len(captured),)))
        each = list({id(x): x for values, _ in by for x in values}.values())
        slopes = gradient(total, each, create_graph=True) if isinstance(total, Value) else [0.0] * len(each)
        known = dict(zip(map(id, each), slopes, strict=True))
        # a parameter that stands in several places has its derivative in the first
        return tuple([_shape([known.pop(id(x), 0.0) for x in values], shape) for values, shape in by])

    return pulled_back


def _make_values(item: Any) -> Any:
    """Make Values of the numbers that stand for a unit."""
    if item is ITSELF or isinstance(item, Value):
        return item
    if not isinstance(item, np.ndarray):
        return Value(item)
    values = [x if isinstance(x, Value) else Value(x) for x in item.ravel().tolist()]
    return _shape(values, item.shape)


def _list_values(item: Any, unit: Unit) -> tuple[list[Value], tuple[int, ...]]:
    if item is ITSELF:
        return list(unit.values or ()), unit.shape
    return ([item], ()) if isinstance(item, Value) else (list(item.flat), item.shape)


class Result:
    """Which result of which call a node is. It is held by the node's last operand, and found by that one's number."""

    def __init__(self, call: Call, place: int) -> None:
        self.call: Final = call
        self.place: Final = place
        self.number: Final = float(next(_numbers))

    def make_operand(self) -> Value:
        """Make the constant that stands behind a node's operands."""
        constant = Value(self.number, label=f"result {self.place}", requires_grad=False)
        constant._lifted_result = self  # type: ignore[attr-defined]  # an attribute of our own, which Values take
        _results[self.number] = self
        return constant

    def __deepcopy__(self, memo: Any) -> Result:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a graph with a call of lift({self.call.calls.name}) cannot be pickled: the node's derivative is a "
            "program. Pickle what it is computed from, or the program without the graph"
        )


_numbers: Final = itertools.count(1)
_results: Final[weakref.WeakValueDictionary[float, Result]] = weakref.WeakValueDictionary()


def _forward(operands: Sequence[Any]) -> float:
    *numbers, number = operands
    _check_numbers(operands)
    result = _results[number]
    return float(result.call.evaluate(numbers)[result.place])


def _partials(m: Any, operands: Sequence[Any], z: Any) -> list[Any]:
    *given, number = operands
    if any(isinstance(x, Value) for x in given):
        result = _results[_number(number)]
        return [*result.call.record_row(given, result.place), 0.0]
    _check_numbers(operands)
    result = _results[float(number)]
    return [*result.call.find_rows([float(x) for x in given])[result.place].tolist(), 0.0]


def _check_numbers(operands: Sequence[Any]) -> None:
    if not all(isinstance(x, (int, float, np.floating)) for x in operands):
        raise TypeError("a lifted call is a program, which computes in floats alone: no series, formula or interval")


def _find_code(name: str) -> int:
    """Find the code of the operation that stands for the calls of a function, or define it."""
    whole = f"lifted {name}"[:_LONGEST_NAME]
    if whole not in _codes:
        if len(_codes) >= _MOST_NAMES:
            whole = "lifted"
        if whole not in _codes:
            define(whole, _forward, _partials, arity=NARY, doc=f"A call of lift({name}).")
            _codes[whole] = DEFINED[whole].code
    return _codes[whole]


_codes: Final[dict[str, int]] = {}


def _number(x: Any) -> float:
    return x._number if isinstance(x, Value) else x


def _make_key(numbers: Sequence[float]) -> bytes:
    """Make what tells numbers apart to the bit: 0 is not -0, and nan is itself."""
    return array("d", numbers).tobytes()


def _join(arrays: Sequence[Floats]) -> Floats:
    return np.concatenate([part.ravel() for part in arrays])


def _shape(items: Sequence[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Put things into an array of objects."""
    made = np.empty(len(items), dtype=object)
    made[:] = items
    return made.reshape(shape)
