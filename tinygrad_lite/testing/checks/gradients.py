"""check_gradients: are the derivatives that the engine gives those of the function?

At a point, every derivative up to an order is held against the truth of :mod:`~.truth`: the recorded graph's textbook
definitions, differentiated in 60-digit arithmetic. What the recorded graph cannot show is looked at by calling the
function again close by: branches of Python that turn over, and numbers that left the graph.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

from tinygrad_lite.modes import recording
from tinygrad_lite.nary import dot
from tinygrad_lite.testing.checks.blame import culprit, out_of_range
from tinygrad_lite.testing.checks.calls import Call
from tinygrad_lite.testing.checks.compare import judged
from tinygrad_lite.testing.checks.hypothesis_bridge import drawn_report, is_strategy
from tinygrad_lite.testing.checks.points import nearby, shrunk
from tinygrad_lite.testing.checks.reproducer import program_text
from tinygrad_lite.testing.oracles import exact
from tinygrad_lite.testing.oracles.dual import Dual, complex_arithmetic, float_arithmetic, mpmath_arithmetic
from tinygrad_lite.testing.oracles.libraries import library_of
from tinygrad_lite.testing.oracles.recorded_steps import Program
from tinygrad_lite.testing.oracles.truth import Direction, Reference, Truth, slope_of
from tinygrad_lite.testing.oracles.verdicts import (
    DerivativeError,
    Estimate,
    Finding,
    FunctionError,
    Report,
    Verdict,
    shortened,
)
from tinygrad_lite.transforms import gradient
from tinygrad_lite.value import Value

#: Of more inputs or outputs than this, ...
MOST = 24
#: ... as many are drawn, and a random direction stands for all of them.
DRAWN = 8
_ORACLE = "mpmath, 60 digits"


def check_gradients(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    examples: int = 1,
    seed: int = 0,
    shrink: bool = True,
    raise_exception: bool = True,
) -> Report:
    """Whether the derivatives of a function on Values are right, at a point, up to an order.

    No tolerance is to be chosen: the truth has 60 digits, and how much rounding may explain is found by simulating it.
    What ``f`` closes over is constant; give a Module, or Values, as arguments to differentiate by them in place.

    Args:
        f: Gives a Value, or lists, tuples, dicts and arrays of them.
        args: The point: numbers, Values, Modules, NumPy arrays, and lists, tuples and dicts of them. Or hypothesis
            strategies that draw these.
        order: The highest order of derivatives that is checked.
        examples: How many points: the one given, and others drawn around it; of strategies, as many as this.
        seed: What is drawn depends on it alone.
        shrink: Whether to look for a simpler point where a derivative is wrong.
        raise_exception: Whether to raise if a derivative is wrong.

    Returns:
        The report on the worst point: its ``verdict`` is the gravest of its ``findings``.

    Raises:
        DerivativeError: A derivative is wrong. It carries the report, with the simplest failing point that was found.
        TypeError: ``f`` gives nothing, or no numbers; there is nothing to differentiate by.
        FunctionError: ``f`` raises at the point, changes its arguments, is not deterministic, or changes its shape. (A
            ValueError.)

    >>> import tinygrad_lite as tg
    >>> check_gradients(lambda x, y: tg.tanh(x * y), 0.5, 2.0).verdict
    <Verdict.CORRECT: 'smooth and correct'>
    >>> print(check_gradients(tg.relu, 0.0).verdict)
    kink
    >>> wrong = tg.define("wrong", lambda x: x**3, lambda m, x, z: 3.003 * x**2)
    >>> check_gradients(wrong, 0.7)
    Traceback (most recent call last):
    ...
    tinygrad_lite.testing.DerivativeError: ...
    """
    for name, number in (("order", order), ("examples", examples)):
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"{name} is a whole number of at least 1, not {number!r}")
    with _other_tester_named(f, args):
        if any(is_strategy(arg) for arg in args):
            report = drawn_report(lambda *drawn: _report(f, drawn, order, 1, seed, shrink=False), args, examples, seed)
        else:
            report = _report(f, args, order, examples, seed, shrink)
    if raise_exception and report.verdict is Verdict.WRONG:
        raise DerivativeError(report)
    return report


@contextmanager
def _other_tester_named(f: Callable[..., Any], args: Sequence[Any]) -> Iterator[None]:
    """Yield what is raised about a function of another library says which tester is for those."""
    try:
        yield
    except (TypeError, FunctionError) as error:
        library = library_of(f, args)
        if not library:
            raise
        name = getattr(f, "__name__", "f")
        name = name if name.isidentifier() else "f"
        raise type(error)(
            f"{error}\ncheck_gradients is for functions on Values. For one on arrays of {library}: "
            f'check_derivative({name}, "{library}", ...), which takes the derivative by {library} and checks that, or '
            f"check_derivative({name}, df, ...) with a derivative of yours"
        ) from error


def _report(f: Callable[..., Any], args: Sequence[Any], order: int, examples: int, seed: int, shrink: bool) -> Report:
    """Return the report on the worst of the points."""
    call = Call(f, args)
    rng = random.Random(seed)
    with call.restored(), recording():
        worst = _at(call, call.point, order, seed)
        skipped = 0
        for _ in range(examples - 1):
            if worst.verdict is Verdict.WRONG:
                break
            point = [
                x if fixed else y for x, y, fixed in zip(call.point, nearby(rng, call.point), call.fixed, strict=True)
            ]
            try:
                report = _at(call, point, order, seed)
            except FunctionError as error:
                if not error.outside_domain:
                    raise
                skipped += 1
                continue
            worst = max(worst, report, key=lambda each: each.gravity)
        if shrink and worst.verdict is Verdict.WRONG:
            worst = _simplest(call, worst, order, seed)
        worst.skipped = skipped
    return worst


def _simplest(call: Call, found: Report, order: int, seed: int) -> Report:
    """Return the report on the simplest point at which a derivative is wrong."""
    reports = {found.numbers: found}

    def fails(point: Sequence[float]) -> bool:
        if any(x != y for x, y, fixed in zip(point, found.numbers, call.fixed, strict=True) if fixed):
            return False
        try:
            report = _at(call, point, order, seed)
        except FunctionError:
            return False
        reports[tuple(point)] = report
        return report.verdict is Verdict.WRONG

    simplest = reports[tuple(shrunk(found.numbers, fails))]
    given = call.text(call.point)
    simplest.given = given if given != simplest.point else ""
    return simplest


def _at(call: Call, point: Sequence[float], order: int, seed: int) -> Report:
    """Return the report on one point."""
    report = Report(call.name, call.text(point), numbers=tuple(point), seed=seed)
    try:
        check = _Check(call, list(point), seed)
    except exact.DefinitionError:
        from tinygrad_lite.testing.checks.numerical import findings_by_differences

        report.findings += findings_by_differences(call, point, order)
        return _reproducible(report)
    except EdgeError as error:
        report.findings.append(
            Finding("", "", 0, math.nan, math.nan, math.nan, 0.0, "", Verdict.DOMAIN_EDGE, str(error))
        )
        return report
    report.findings += check.values()
    report.findings += check.hidden()
    report.findings += check.derivatives(order)
    report.unused = [name for name, where in zip(call.names, check.program.inputs, strict=True) if where is None]
    report.code = program_text(check.program, call.names, point)
    worst = report.worst
    if worst is not None and worst.verdict is Verdict.WRONG:
        report.culprit = check.culprits.get(worst.order, "")
    return _reproducible(report)


def _reproducible(report: Report) -> Report:
    """Return the report, with the call that shows a wrong derivative again."""
    worst = report.worst
    if worst is not None and worst.verdict is Verdict.WRONG:
        order = max(1, worst.order)
        report.call = f"check_gradients({report.function}, {report.point}, order={order}, seed={report.seed})"
    return report


class EdgeError(ArithmeticError):
    """The floats of a function are defined at a point, and its formula in exact arithmetic is not."""


class _Check:
    """One point."""

    def __init__(self, call: Call, point: list[float], seed: int) -> None:
        self.call = call
        self.point = point
        self.seed = seed
        self.random = random.Random(seed)
        #: the operation that is to blame, for each order
        self.culprits: dict[int, str] = {}
        self.outputs, self.inputs = self._called(point)
        self.program = Program(self.outputs, self.inputs)
        again, inputs = self._called(point)
        for y, z, name in zip(self.outputs, again, call.output_names, strict=True):
            if y.data.hex() != z.data.hex():
                raise FunctionError(
                    f"{call.name}({shortened(call.text(point))}){name} is {y.data!r} the first time and {z.data!r} the "
                    "second: a derivative is that of a function, which gives the same for the same arguments. Seed its "
                    "random numbers within it, or take them as arguments"
                )
        if Program(again, inputs).shape != self.program.shape:
            raise FunctionError(
                f"{call.name}({shortened(call.text(point))}) records another graph each time it is called"
            )
        self.outputs, self.inputs = self._called(point)
        self.program = Program(self.outputs, self.inputs)
        try:
            self.reference = Reference(self.program, point, seed)
        except exact.DefinitionError:
            raise
        except (ArithmeticError, ValueError) as error:
            raise EdgeError(f"within rounding of a point where the function is not defined: {error}") from error
        #: what is recorded on other sides of branches of Python: by which input, whether below or above
        self.alternatives, self.edges = self._neighbours()

    def _called(self, point: Sequence[float]) -> tuple[list[Value], list[Value]]:
        try:
            return self.call(point)
        except FunctionError:
            raise
        except Exception as error:
            if _raised_here(error):
                raise
            outside = isinstance(error, (ArithmeticError, ValueError))
            raise FunctionError(
                f"{self.call.name}({shortened(self.call.text(point))}) raises {type(error).__name__}: {error}", outside
            ) from error

    def _neighbours(self) -> tuple[list[tuple[int, int, Reference]], set[int]]:
        """Return what was recorded a few floats away, where that is another program; the inputs that are at an edge."""
        alternatives: list[tuple[int, int, Reference]] = []
        edges: set[int] = set()
        shapes = [self._branch(self.program)]
        for i in self._some(range(len(self.point)), DRAWN):
            for direction in (-math.inf, math.inf):
                moved = list(self.point)
                for _ in range(4):
                    moved[i] = math.nextafter(moved[i], direction)
                program = self._recorded(moved)
                if program is None:
                    edges.add(i)
                    continue
                if not any(_same(self._branch(program), shape) for shape in shapes) and len(alternatives) < 8:
                    shapes.append(self._branch(program))
                    try:
                        reference = Reference(program, self.point, self.seed)
                        alternatives.append((i, 1 if direction > 0 else -1, reference))
                    except (ArithmeticError, ValueError):
                        edges.add(i)
        return alternatives, edges

    def _recorded(self, point: Sequence[float]) -> Program | None:
        """Return what the function records at another point; None if it is not defined there. Leaves in use are put
        back."""
        with self.call.restored():
            try:
                outputs, inputs = self.call(point)
                return Program(outputs, inputs)
            except (ArithmeticError, ValueError):
                return None

    @staticmethod
    def _branch(program: Program) -> tuple[object, dict[int, float]]:
        return program.shape, program.constants()

    def _some(self, items: Sequence[int], most: int = MOST) -> list[int]:
        """All, or a few drawn of many."""
        return list(items) if len(items) <= most else sorted(self.random.sample(list(items), DRAWN))

    # --------------------------------------------------------------------------------------- order 0

    def values(self) -> list[Finding]:
        """Whether the float functions compute their definitions: one finding for each output that is off."""
        found = []
        for k, y in enumerate(self.outputs):
            truth, spread = self.reference.values[k], self.reference.value_spread[k]
            tolerance = 8 * spread + 8 * abs(truth) * mpf(2) ** -52 + mpf(5e-324)
            name = self.call.output_names[k]
            if not math.isfinite(y.data):
                reason = "the value itself is no finite float"
                found.append(Finding("", name, 0, y.data, y.data, y.data, 0.0, "", Verdict.NON_FINITE, reason))
                continue
            if self.reference.undecided or self.reference.at_corner or abs(mpf(y.data) - truth) <= tolerance:
                continue
            if self._leaves_range(self.program):
                continue
            reason = "the value itself differs from the definition of the operations"
            expected = float(truth)
            found.append(
                Finding("", name, 0, y.data, expected, expected, float(tolerance), _ORACLE, Verdict.WRONG, reason)
            )
        return found

    # ------------------------------------------------------------------------------- what left the graph

    def hidden(self) -> list[Finding]:
        """Dependence on an input that the graph does not hold: numbers in it that change with the input."""
        found = []
        constants = self.program.constants()
        for i in self._some(range(len(self.point)), DRAWN):
            drift = self._drift(i, constants)
            if not drift:
                continue
            for k in range(len(self.outputs)):
                recorded, missing = self._contribution(i, k, drift)
                scale = max(abs(recorded), abs(self.outputs[k].data) / max(1.0, abs(self.point[i])))
                if abs(missing) > 1e-6 * scale + 1e-30:
                    where = max(drift, key=lambda place: abs(drift[place]))
                    name, right = self.call.names[i], recorded + missing
                    reason = (
                        f"the graph does not hold all of the function: the number {constants[where]!r} in it comes "
                        f"from {name} outside the graph (by .data, detach(), no_grad(), float ...)"
                    )
                    found.append(
                        Finding(
                            name,
                            self.call.output_names[k],
                            1,
                            recorded,
                            right,
                            right,
                            abs(missing) * 1e-3,
                            "finite differences",
                            Verdict.WRONG,
                            reason,
                        )
                    )
        return found

    def _drift(self, i: int, constants: dict[int, float]) -> dict[int, float]:
        """d(leaf)/d(input i) of each leaf that is no input."""
        slopes: list[dict[int, float]] = []
        size = abs(self.point[i]) or 1.0
        for step in (size * 2.0**-12, size * 2.0**-16):
            moved = list(self.point)
            moved[i] += step
            program = self._recorded(moved)
            if program is None or program.shape != self.program.shape:
                return {}
            slopes.append(
                {
                    place: (after - constants[place]) / (moved[i] - self.point[i])
                    for place, after in program.constants().items()
                    if after != constants[place] and math.isfinite(after - constants[place])
                }
            )
        far, near = slopes
        # One step of Richardson's extrapolation, where the two agree; where not, the number jumps: it is a branch.
        return {
            place: near[place] - (far[place] - near[place]) / 15.0
            for place in near
            if abs(far.get(place, 0.0) - near[place]) <= 0.1 * abs(near[place])
        }

    def _contribution(self, i: int, k: int, drift: dict[int, float]) -> tuple[float, float]:
        """Return the derivative of output k by input i in the graph, and what the drifting leaves add to it."""
        m = mpmath_arithmetic()
        with mp.workdps(self.reference.digits):
            numbers: list[Any] = [m.number(x) for x in self.point]
            leaves = {place: Dual(mpf(self.program.data[place]), mpf(slope)) for place, slope in drift.items()}
            missing = slope_of(self.program.evaluate(m, numbers, leaves=leaves)[self.program.outputs[k]], 1)
            numbers[i] = Dual(numbers[i], mpf(1))
            recorded = slope_of(self.program.evaluate(m, numbers)[self.program.outputs[k]], 1)
            return float(recorded), float(missing)

    # ------------------------------------------------------------------------------------- order 1, 2, ...

    def derivatives(self, order: int) -> list[Finding]:
        """Return a finding for each derivative looked at."""
        findings = []
        for k in self._some(range(len(self.outputs))):
            if not math.isfinite(self.outputs[k].data):
                continue
            findings += self._first(k)
            # What is differentiated next, and by what it was before.
            scalars: list[tuple[Value, tuple[Direction, ...], str]] = [(self.outputs[k], (), "")]
            for level in range(1, order + 1):
                following = []
                for scalar, before, name in scalars:
                    slopes = self._gradient(scalar)
                    findings += self._compared(slopes, k, before, name, scalar)
                    if level < order:
                        following += self._next(slopes, before, name, level)
                scalars = following
        return findings

    def _first(self, k: int) -> list[Finding]:
        """Return what backward() gives: floats by the engine's quickest path."""
        output = self.outputs[k]
        with _grads_restored(self.program):
            for x in self.inputs:
                x.grad = 0.0
            try:
                output.backward()
                slopes: list[Any] = [x.grad for x in self.inputs]
            except Exception as error:
                slopes = [error for _ in self.inputs]
        return self._compared(slopes, k, (), "", output)

    def _gradient(self, scalar: Value) -> list[Any]:
        """∂scalar/∂input for each, as Values."""
        try:
            return gradient(scalar, self.inputs, create_graph=True)
        except Exception as error:
            return [error for _ in self.inputs]

    def _next(
        self, slopes: list[Any], before: tuple[Direction, ...], name: str, level: int
    ) -> list[tuple[Value, tuple[Direction, ...], str]]:
        """Return what to differentiate once more: each derivative, if they are few, else a random sum of them."""
        if any(not isinstance(slope, Value) for slope in slopes):
            return []
        if len(slopes) <= 3 and level == 1:
            return [
                (slope, (*before, ((i, 1.0),)), self._joined(name, self.call.names[i]))
                for i, slope in enumerate(slopes)
            ]
        weights = [self.random.choice((-1.0, 1.0)) for _ in slopes]
        finite = [(i, w) for i, w in enumerate(weights) if math.isfinite(slopes[i].data)]
        if not finite:
            return []
        total = dot([w for _, w in finite], [slopes[i] for i, _ in finite])
        if not isinstance(total, Value):
            return []
        return [(total, (*before, tuple(finite)), self._joined(name, "v"))]

    @staticmethod
    def _joined(name: str, further: str) -> str:
        return f"{name}, {further}" if name else further

    def _compared(
        self, slopes: list[Any], k: int, before: tuple[Direction, ...], name: str, scalar: Value
    ) -> list[Finding]:
        """Return the derivatives of one scalar, held against the truth."""
        chosen: list[tuple[Direction, str, Any]] = [
            (((i, 1.0),), self.call.names[i], slopes[i]) for i in self._some(range(len(slopes)))
        ]
        if len(slopes) > MOST and not any(isinstance(slope, Exception) for slope in slopes):
            weights = [self.random.choice((-1.0, 1.0)) for _ in slopes]
            total = math.fsum(w * _number(slope) for w, slope in zip(weights, slopes, strict=True))
            chosen.append((tuple(enumerate(weights)), "v", total))
        findings = []
        for direction, argument, slope in chosen:
            truth = self._truth((*before, direction), k)
            findings.append(
                self._finding(slope, truth, k, len(before) + 1, self._joined(name, argument), direction, scalar)
            )
        return findings

    def _truth(self, directions: tuple[Direction, ...], k: int) -> Truth:
        """Of the program at this point, and of the programs on the other sides of a branch of Python."""
        truth = self.reference.derivatives(directions)[k]
        others = [other.derivatives(directions)[k] for _, _, other in self.alternatives if len(other.values) > k]
        finite = [each for each in (truth, *others) if each.sides is None]
        if truth.sides is not None or len(finite) == 1:
            return truth
        return Truth(
            min(each.low for each in finite),
            max(each.high for each in finite),
            max(each.tolerance for each in finite),
        )

    def _finding(
        self, slope: Any, truth: Truth, k: int, order: int, argument: str, direction: Direction, scalar: Value
    ) -> Finding:
        got = math.nan if isinstance(slope, Exception) else _number(slope)
        raised = f"the rule raises {type(slope).__name__}: {slope}" if isinstance(slope, Exception) else ""
        verdict, low, high, reason = judged(got, truth)
        if raised and verdict is not Verdict.WRONG:
            verdict, reason = Verdict.WRONG, raised
        if verdict is Verdict.CORRECT and truth.sides is None and any(i in self.edges for i, _ in direction):
            verdict, reason = Verdict.DOMAIN_EDGE, "the function is defined on one side only"
        others: list[Estimate] = []
        tolerance = float(truth.tolerance)
        jump = self._jump(direction, k) if order == 1 else ""
        if jump and (verdict is not Verdict.WRONG or not math.isfinite(got)) and not raised:
            verdict, reason = Verdict.JUMP, jump
        if order > 1 and verdict is not Verdict.CORRECT and any(self._jump(((i, 1.0),), k) for i, _ in direction):
            verdict, reason = Verdict.JUMP, "the function jumps here: there is no derivative of higher order"
        if verdict in (Verdict.WRONG, Verdict.UNDECIDED) and order > 1 and self._at_kink(k):
            verdict, reason = Verdict.KINK, "the slope jumps here: there is no derivative of higher order"
        if verdict is Verdict.WRONG and not raised:
            form = self._form(scalar, direction, truth)
            if form is not None and math.isfinite(got) and abs(got - low) <= form.tolerance:
                verdict, tolerance = Verdict.CORRECT, form.tolerance
                reason = (
                    f"the rule loses digits here, {abs(got - low):.1e}: its formula is right, its float form cancels"
                )
            elif form is not None and form.out_of_range:
                verdict = Verdict.NON_FINITE
                reason = "a step of the rule overflows or underflows, though the derivative is a float"
        if verdict is Verdict.WRONG:
            program = Program([scalar], self.inputs)
            guilty = culprit(program)
            if not guilty and not raised and not truth.is_limit and self._leaves_range(program):
                verdict = Verdict.NON_FINITE
                reason = "a step on the way overflows or underflows, though the derivative is a float"
            else:
                self.culprits.setdefault(order, guilty)
                reason = raised or reason
                others = self._others(direction, k) if order == 1 else []
        name = self.call.output_names[k]
        return Finding(argument, name, order, got, low, high, tolerance, _ORACLE, verdict, reason, others)

    def _jump(self, direction: Direction, k: int) -> str:
        """Return what a function that jumps along a direction is on either side, in words; ``""`` where it does not
        jump."""
        limits = self.reference.jump(direction, k)
        here = self.outputs[k].data
        if limits is None:
            moving = {i for i, _ in direction}
            for i, sign, other in self.alternatives:
                beyond = other.values[k] if i in moving and k < len(other.values) else self.reference.values[k]
                if abs(beyond - self.reference.values[k]) > mpf(2) ** -30 * max(self.reference.largest, other.largest):
                    limits = (beyond, here) if sign < 0 else (here, beyond)
        if limits is None:
            return ""
        below, above = (mp.nstr(limit, 6) for limit in limits)
        return f"the function jumps here: it is {below} below, {here!r} there and {above} above"

    def _at_kink(self, k: int) -> bool:
        """Whether the derivative of first order jumps, by any of the inputs."""
        slopes = [self._truth((((i, 1.0),),), k) for i in self._some(range(len(self.point)))]
        return any(
            truth.high - truth.low > truth.tolerance if truth.sides is None else not truth.is_limit for truth in slopes
        )

    def _leaves_range(self, program: Program) -> bool:
        """Whether a step of a program is no float, or one that has lost digits."""
        try:
            return out_of_range(program, Reference(program, self.point, self.seed), 0)
        except (ArithmeticError, ValueError):  # in exact arithmetic it is not even defined
            return True

    def _form(self, scalar: Value, direction: Direction, truth: Truth) -> _Form | None:
        """Return the derivative in the form in which the engine computes it; None if that is not the truth's.

        The derivative is recorded, and what was recorded is a program like any other: its exact value says whether the
        formula is right, and its noise how many digits its form costs.
        """
        slopes = self._gradient(scalar)
        if truth.sides is not None or any(isinstance(slope, Exception) for slope in slopes):
            return None
        recorded = [slopes[i] for i, _ in direction]
        program = Program(recorded, self.inputs)
        try:
            reference = Reference(program, self.point, self.seed)
        except (ArithmeticError, ValueError):
            return None
        with mp.workdps(self.reference.digits):
            formula = mp.fsum(value * weight for value, (_, weight) in zip(reference.values, direction, strict=True))
            # Constants of the rules, such as 2/sqrt(pi), are floats: their error is a rounding too.
            tolerance = 8 * mp.fsum(reference.value_spread) + 8 * abs(truth.low) * mpf(2) ** -52 + mpf(5e-324)
            slack = (tolerance + truth.tolerance) * mpf("1e-3")
            if not mp.isfinite(formula) or not truth.low - slack <= formula <= truth.high + slack:
                return None
            return _Form(float(tolerance), any(out_of_range(program, reference, k) for k in range(len(recorded))))

    def _others(self, direction: Direction, k: int) -> list[Estimate]:
        """Return what further oracles say of a derivative by one input, none of which uses the 60 digits."""
        from tinygrad_lite.testing.oracles.oracles import finite_difference

        if len(direction) > 1:
            return []
        i = direction[0][0]

        def along(x: float) -> Value:
            with self.call.restored():
                return self.call([*self.point[:i], x, *self.point[i + 1 :]])[0][k]

        found = []
        for name, m, moving, part in (
            ("forward mode", float_arithmetic(), Dual(self.point[i], 1.0), lambda y: float(slope_of(y, 1))),
            ("complex step", complex_arithmetic(), complex(self.point[i], 1e-200), lambda y: y.imag / 1e-200),
        ):
            numbers = [m.number(x) for x in self.point]
            numbers[i] = moving
            try:
                slope = part(self.program.evaluate(m, numbers)[self.program.outputs[k]])
            except (TypeError, AttributeError, ValueError, ArithmeticError):  # not in these numbers
                continue
            found.append(Estimate(slope, 0.0, name))
        return [*found, finite_difference(along, self.point[i])]


@dataclass(frozen=True)
class _Form:
    """A right formula: how far rounding may take it, and whether a step of it is no float."""

    tolerance: float
    out_of_range: bool


def _number(slope: Any) -> float:
    return slope.data if isinstance(slope, Value) else float(slope)


def _same(one: tuple[object, dict[int, float]], other: tuple[object, dict[int, float]]) -> bool:
    """Whether two recorded programs are the same branch: a number that moves a little is not another branch."""
    return one[0] == other[0] and all(
        x == other[1][place] or abs(x - other[1][place]) <= 1e-9 * abs(x) or x != x for place, x in one[1].items()
    )


def _raised_here(error: Exception) -> bool:
    """Whether an error is about the function, and not the function's own."""
    traceback = error.__traceback__
    last = None
    while traceback is not None:
        last = traceback
        traceback = traceback.tb_next
    return last is not None and last.tb_frame.f_globals.get("__name__") == Call.__module__


@contextmanager
def _grads_restored(program: Program) -> Iterator[None]:
    before = [node.grad for node in program.nodes]
    try:
        yield
    finally:
        for node, grad in zip(program.nodes, before, strict=True):
            node.grad = grad
