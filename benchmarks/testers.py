"""How good derivative testers are: ``python benchmarks/testers.py``. Ours, PyTorch's gradcheck and JAX's check_grads.

Two figures for each. *Caught*: of all derivative rules of the operation table, mutated (0.1 % off, sign flipped,
operands swapped, a factor dropped, the rule of a neighbouring operation), how many it calls wrong within 200 drawn
points. *False alarms*: how many of the correct rules' points it calls wrong, with relu, abs and maximum at and near
their kinks counted apart. The peers are measured where they are installed, with their own default tolerances, on the
same rules at the same points: an ``autograd.Function`` and a ``custom_vjp`` whose passes are the table's.

``check_derivative`` gets weighted sums over arrays in which the rule of one entry has the mistake. It looks at them
along random directions, in float64, float32, bfloat16 and float16; caught is what it calls wrong in that entry.
"""

from __future__ import annotations

import argparse
import collections
import functools
import importlib.util
import itertools
import math
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tinygrad_lite as tg
from tinygrad_lite.dispatch import VALUE, record_operation
from tinygrad_lite.operations.arithmetic import evaluate_rule
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing import Verdict, check_derivative, check_gradients
from tinygrad_lite.testing.oracles.recorded_steps import Program
from tinygrad_lite.testing.strategies import sampling

Rule = Callable[..., Any]
Point = Sequence[float]


@dataclass(frozen=True)
class Mutant:
    """A rule of the table with a mistake in it."""

    op: Op
    operand: int
    kind: str
    rule: Rule


# ------------------------------------------------------------------------------------------------ mutants


def mutants(op: Op) -> Iterator[Mutant]:
    """All mistakes in all rules of an operation, but those that change nothing."""
    points = list(itertools.islice(drawn(op, 60, seed=99), 60))
    for k, rule in enumerate(op.partials):
        for kind, wrong in mistakes(op, k, rule):
            if any(differs(op, rule, wrong, point) for point in points):
                yield Mutant(op, k, kind, wrong)


def mistakes(op: Op, k: int, rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield the five kinds of mistake."""
    yield "0.1 % off", scaled(op, rule, 1.001)
    yield "sign flipped", scaled(op, rule, -1.0)
    if op.arity in (2, 3):
        yield "operands swapped", lambda m, *xs: rule(m, xs[1], xs[0], *xs[2:])
    if op.arity != NARY:
        yield from without_factors(op, rule)
    yield "neighbour's rule", neighbour(op).partials[k]


def scaled(op: Op, rule: Rule, factor: float) -> Rule:
    """Return the rule times a number."""
    if op.arity == NARY:
        return lambda m, operands, z: [factor * p for p in rule(m, operands, z)]
    return lambda m, *xs: factor * rule(m, *xs)


def neighbour(op: Op) -> Op:
    """Return the next operation of the table with as many operands."""
    alike = [other for other in TABLE.values() if other.arity == op.arity]
    return alike[(alike.index(op) + 1) % len(alike)]


def without_factors(op: Op, rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield the rule without one factor of one of its products, for each product in it."""
    point = next(drawn(op, 1, seed=7))
    operands = [tg.Value(x) for x in point]
    z = record_operation(op, [tg.Value(x) for x in point])
    result = rule(VALUE, *operands, tg.Value(z.data))
    if not isinstance(result, tg.Value):
        return
    inputs = [*operands, tg.Value(z.data)]
    result = rule(VALUE, *inputs)
    program = Program([result], inputs)
    for step, (factor, operands_of) in enumerate(program.steps):
        if factor.name in ("mul", "truediv"):
            yield f"factor {step} dropped", replayed(program, step, operands_of[0])


def replayed(program: Program, dropped: int, instead: int) -> Rule:
    """Return a recorded rule as a rule in any arithmetic, with the result of one step replaced by its first operand."""

    def rule(m: Any, *numbers: Any) -> Any:
        results: list[Any] = list(program.data[: program.first])
        for place, number in zip(program.inputs, numbers, strict=True):
            if place is not None:
                results[place] = number
        for step, (op, operands) in enumerate(program.steps):
            xs = [results[i] for i in operands]
            if step == dropped:
                results.append(results[instead])
            else:
                results.append(getattr(m, op.name)(xs) if op.arity == NARY else getattr(m, op.name)(*xs))
        return results[program.outputs[0]]

    return rule


def differs(op: Op, rule: Rule, wrong: Rule, point: Point) -> bool:
    """Whether a mistake shows at this point."""
    try:
        z = op.forward(list(point)) if op.arity == NARY else op.forward(*point)
        arguments = (list(point), z) if op.arity == NARY else (*point, z)
        right, off = evaluate_rule(rule, arguments), evaluate_rule(wrong, arguments)
    except Exception:
        return False
    pairs = zip(right, off, strict=True) if isinstance(right, list) else [(right, off)]
    return any(abs(a - b) > 1e-9 * abs(a) for a, b in pairs if a == a and b == b)


def drawn(op: Op, count: int, seed: int) -> Iterator[list[float]]:
    """Points of moderate size within the domain, away from kinks: where a user would try a rule."""
    found = 0
    for point in sampling.points(op, 40 * count, seed):
        if all(x == 0.0 or 1e-6 < abs(x) < 1e3 for x in point):
            found += 1
            yield point
        if found == count:
            return


# ------------------------------------------------------------------------------------------------ testers


def defined(op: Op, rules: Sequence[Rule]) -> Callable[..., Any]:
    """Return the operation with other rules, as a function of its operands."""
    name = op.name
    function = tg.define(
        f"{name}_under_test",
        op.forward,
        list(rules),
        arity=op.arity,
        definition=op.definition or (lambda m, *xs: getattr(m, name)(*xs)),
        domain=op.domain,
        kink=op.kink,
        convention=op.convention,
    )
    if op.arity != NARY:
        return function
    return lambda *xs: function(xs)


def differentiated(op: Op, function: Callable[..., Any], point: Point) -> tuple[Callable[..., Any], Point]:
    """Return the function of all operands but an index, which is no number to differentiate by."""
    if op.operands[-1] != "index":
        return function, point
    index = point[-1]
    return lambda *xs: function(*xs, index), point[:-1]


class Ours:
    """check_gradients."""

    name = "tinygrad_lite"

    def __init__(self, order: int) -> None:
        self.order = order

    def prepare(self, op: Op, rules: Sequence[Rule]) -> Callable[[Point], set[int]]:
        """Return what tells the orders at which the rules are wrong at a point; empty if they are right."""
        function = defined(op, rules)

        def wrong(point: Point) -> set[int]:
            f, xs = differentiated(op, function, point)
            report = check_gradients(f, *xs, order=self.order, shrink=False, raise_exception=False)
            return {finding.order for finding in report.findings if finding.verdict is Verdict.WRONG}

        return wrong


def float_value(op: Op, point: Point) -> float:
    """Return the operation on floats; nan outside its domain, as in the peers' own functions."""
    try:
        return float(op.forward(list(point)) if op.arity == NARY else op.forward(*point))
    except (ArithmeticError, ValueError):
        return math.nan


def float_rules(op: Op, rules: Sequence[Rule], point: Point) -> list[float]:
    """Return the derivatives by all operands, as floats."""
    z = float_value(op, point)
    try:
        if op.arity == NARY:
            return [float(p) for p in evaluate_rule(rules[0], (list(point), z))]
        return [float(evaluate_rule(rule, (*point, z))) for rule in rules]
    except (ArithmeticError, ValueError):  # a wrong rule, outside its domain
        return [math.nan] * len(point)


class PyTorch:
    """torch.autograd.gradcheck."""

    name = "gradcheck"

    def prepare(self, op: Op, rules: Sequence[Rule]) -> Callable[[Point], set[int]]:
        """As :meth:`Ours.prepare`."""
        import torch

        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *xs: Any) -> Any:
                ctx.save_for_backward(*xs)
                return torch.tensor(float_value(op, [x.item() for x in xs]), dtype=torch.float64)

            @staticmethod
            def backward(ctx: Any, adjoint: Any) -> Any:
                slopes = float_rules(op, rules, [x.item() for x in ctx.saved_tensors])
                return tuple(adjoint * slope for slope in slopes)

        def wrong(point: Point) -> set[int]:
            last = len(point) - (op.operands[-1] == "index")
            xs = [torch.tensor(x, dtype=torch.float64, requires_grad=k < last) for k, x in enumerate(point)]
            return set() if torch.autograd.gradcheck(Function.apply, xs, raise_exception=False) else {1}

        return wrong


class JAX:
    """jax.test_util.check_grads."""

    name = "check_grads"

    def prepare(self, op: Op, rules: Sequence[Rule]) -> Callable[[Point], set[int]]:
        """As :meth:`Ours.prepare`."""
        import jax
        import jax.test_util
        import numpy

        jax.config.update("jax_enable_x64", True)

        def value(*xs: Any) -> Any:
            return numpy.asarray(float_value(op, [float(x) for x in xs]))

        def slopes(*xs: Any) -> Any:
            return numpy.asarray(float_rules(op, rules, [float(x) for x in xs]))

        scalar = jax.ShapeDtypeStruct((), numpy.float64)

        @jax.custom_vjp
        def function(*xs: Any) -> Any:
            return jax.pure_callback(value, scalar, *xs)

        def backward(xs: Any, adjoint: Any) -> Any:
            vector = jax.ShapeDtypeStruct((len(xs),), numpy.float64)
            return tuple(adjoint * jax.pure_callback(slopes, vector, *xs))

        function.defvjp(lambda *xs: (function(*xs), xs), backward)

        def wrong(point: Point) -> set[int]:
            f, xs = differentiated(op, function, point)
            try:
                jax.test_util.check_grads(f, tuple(xs), order=1, modes=["rev"])
            except Exception:
                return {1}
            return set()

        return wrong


# -------------------------------------------------------------------------------------------- on arrays

#: The formats of arrays, and how many entries they have.
FORMATS = ("float64", "float32", "bfloat16", "float16")
ENTRIES = 16


@dataclass(frozen=True)
class ArrayRule:
    """A weighted sum of one operation over an array, and its derivative by that array.

    Attributes:
        op: The operation.
        operand: The one that the array holds; of an operation of any number of operands all.
        points: The operands, one list for each entry; of an operation of any number of operands one list for all.
        weights: Of the entries: so that all contribute alike.
    """

    op: Op
    operand: int
    points: list[list[float]]
    weights: list[float]

    def array(self, format: str) -> Any:
        """Return what is moved."""
        if self.op.arity == NARY:
            return as_format(differentiated(self.op, abs, self.points[0])[1], format)
        return as_format([point[self.operand] for point in self.points], format)

    def placed(self, x: Any) -> list[list[float]]:
        """Return the operands with these numbers in them."""
        numbers = [float(number) for number in x]
        if self.op.arity == NARY:
            return [numbers + list(self.points[0][len(numbers) :])]
        pairs = zip(self.points, numbers, strict=True)
        return [[*point[: self.operand], number, *point[self.operand + 1 :]] for point, number in pairs]

    def value(self, x: Any) -> Any:
        """Return the weighted sum, in the array's own format."""
        points = zip(self.placed(x), self.weights, strict=True)
        return as_format(math.fsum(weight * float_value(self.op, point) for point, weight in points), x.dtype)

    def slopes(self, rules: Sequence[Rule], x: Any, place: int = -1, wrong: Sequence[Rule] = ()) -> Any:
        """Return the derivative, in the array's own format; at one place by other rules."""
        found: list[float] = []
        for i, (point, weight) in enumerate(zip(self.placed(x), self.weights, strict=True)):
            slopes = float_rules(self.op, wrong if i == place else rules, point)
            found += slopes[: len(x)] if self.op.arity == NARY else [weight * slopes[self.operand]]
        return as_format(found, x.dtype)


def as_format(numbers: Any, format: Any) -> Any:
    """Return an array of that format."""
    import numpy

    if format == "bfloat16":
        import ml_dtypes

        format = ml_dtypes.bfloat16
    with numpy.errstate(all="ignore"):
        return numpy.asarray(numbers, dtype=float).astype(format)


def is_smooth(op: Op, operand: int, point: Point, slope: float) -> bool:
    """Whether a thousandth of the operand to either side is no kink, jump or edge: these have a row of their own."""
    for step in (1e-3, 1e-5):
        moved = []
        for sign in (-1.0, 1.0):
            beside = list(point)
            beside[operand] += sign * step * max(abs(point[operand]), 1.0)
            moved.append((float_value(op, beside), beside[operand]))
        (low, a), (high, b) = moved
        middle = float_value(op, point)
        for left, right, width in [(low, middle, point[operand] - a), (middle, high, b - point[operand])]:
            if not abs((right - left) - slope * width) <= 0.05 * abs(slope * width):
                return False
    return True


@functools.cache
def array_rule(op: Op, operand: int, format: str, seed: int) -> ArrayRule | None:
    """Return the operation at points at which its value tells its slope; None if there are too few."""
    points, weights = [], []
    for point in drawn(op, 8 * ENTRIES, seed):
        if op.arity == NARY:
            slopes = float_rules(op, op.partials, point)
            if all(map(math.isfinite, slopes)) and abs(float_value(op, point)) < 1e3 * min(map(abs, slopes)):
                return ArrayRule(op, operand, [list(point)], [1.0])
            continue
        rounded = list(point)
        rounded[operand] = float(as_format(point[operand], format))
        size = max(abs(rounded[operand]), 1.0)
        slope, value = float_rules(op, op.partials, rounded)[operand], float_value(op, rounded)
        if not is_smooth(op, operand, rounded, slope):
            continue
        if 1e-6 < abs(slope) * size < 1e6 and abs(value) < 1e3 * abs(slope) * size:
            points.append(rounded)
            weights.append(1.0 / (abs(slope) * size))
        if len(points) == ENTRIES:
            return ArrayRule(op, operand, points, weights)
    return None


def caught_in_arrays(found: Sequence[Mutant], format: str) -> tuple[list[Mutant], int]:
    """Return the mutants that check_derivative passes or finds elsewhere, of those that show, and how many show."""
    passed, tried = [], 0
    for mutant in found:
        rule = array_rule(mutant.op, mutant.operand, format, seed=1)
        if rule is None:
            continue
        wrong = list(mutant.op.partials)
        wrong[mutant.operand] = mutant.rule
        x = rule.array("float64")
        right = rule.slopes(mutant.op.partials, x)
        places = range(len(rule.points))
        shown = (p for p in places if _off(right, rule.slopes(mutant.op.partials, x, p, wrong)))
        place = next(shown, None)
        if place is None:
            continue
        tried += 1
        report = check_derivative(
            rule.value,
            lambda x: rule.slopes(mutant.op.partials, x, place, wrong),  # noqa: B023 (it is called in this turn)
            rule.array(format),
            raise_exception=False,
            shrink=False,
        )
        named = mutant.op.arity == NARY or (report.worst is not None and report.worst.argument == f"args[0][{place}]")
        if report.verdict is not Verdict.WRONG or not named:
            passed.append(mutant)
    return passed, tried


def _off(right: Any, wrong: Any) -> bool:
    return bool((abs(wrong - right) > 9e-4 * abs(right)).any())


def false_alarms_in_arrays(chosen: Sequence[Op], format: str, each: int) -> tuple[list[str], list[str], int]:
    """Return what check_derivative calls wrong and what it leaves undecided, of correct rules on arrays, and their
    number."""
    alarms, undecided, count = [], [], 0
    for op in chosen:
        for operand in range(len(op.partials)):
            for seed in range(each):
                rule = array_rule(op, operand, format, seed=seed + 2)
                if rule is None:
                    continue
                count += 1
                report = check_derivative(
                    rule.value,
                    lambda x: rule.slopes(op.partials, x),  # noqa: B023 (it is called in this turn)
                    rule.array(format),
                    raise_exception=False,
                    shrink=False,
                )
                where = f"{op.name} by operand {operand}, seed {seed + 2}: {report.reason}"
                if report.verdict in (Verdict.WRONG, Verdict.UNDECIDED):
                    (alarms if report.verdict is Verdict.WRONG else undecided).append(where)
    return alarms, undecided, count


def report_on_arrays(every: Sequence[Op], mutants: Sequence[Mutant], each: int) -> bool:
    """Print the figures of check_derivative; whether a mistake passed or a correct rule was called wrong.

    With ``each`` of 0, a mistake and a rule are tried in one of the formats, in turn.
    """
    failed = False
    for k, format in enumerate(FORMATS):
        share_of_all = slice(None) if each else slice(k, None, len(FORMATS))
        chosen, found = every[share_of_all], mutants[share_of_all]
        if format == "bfloat16" and not importlib.util.find_spec("ml_dtypes"):
            print("bfloat16: not measured, as ml_dtypes is not installed")
            continue
        started = time.perf_counter()
        passed, tried = caught_in_arrays(found, format)
        alarms, undecided, count = false_alarms_in_arrays(chosen, format, max(1, each))
        share = 100 * (1 - len(passed) / max(1, tried))
        print(
            f"check_derivative on arrays of {format}: {tried - len(passed)} of {tried} caught in their entry, "
            f"{share:.1f} %; {len(alarms)} false alarms and {len(undecided)} undecided in {count} arrays of correct "
            f"rules ({time.perf_counter() - started:.0f} s)",
            flush=True,
        )
        for mutant in passed:
            print(f"{'':<14} passed: {mutant.op.name} by operand {mutant.operand}, {mutant.kind}")
        for where in alarms + undecided:
            print(f"{'':<14} {where}")
        failed = failed or bool(passed or alarms or undecided)
    return failed


# ----------------------------------------------------------------------------------------------- measuring


def caught(tester: Any, found: Sequence[Mutant], count: int, order: int) -> tuple[list[Mutant], int]:
    """Return the mutants that a tester passes at this order, and the most points that it took to catch one."""
    passed, most = [], 0
    for mutant in found:
        rules = list(mutant.op.partials)
        rules[mutant.operand] = mutant.rule
        wrong = tester.prepare(mutant.op, rules)
        for tried, point in enumerate(drawn(mutant.op, count, seed=0), 1):
            try:
                orders = wrong(point)
            except (ArithmeticError, ValueError):
                continue
            if order in orders:
                most = max(most, tried)
                break
        else:
            passed.append(mutant)
    return passed, most


def false_alarms(tester: Any, cases: Sequence[tuple[Op, Point]]) -> list[tuple[Op, Point]]:
    """Return the points at which a tester calls a correct rule wrong."""
    alarms = []
    prepared: dict[str, Any] = {}
    for op, point in cases:
        if op.name not in prepared:
            prepared[op.name] = tester.prepare(op, op.partials)
        try:
            if prepared[op.name](point):
                alarms.append((op, point))
        except (ArithmeticError, ValueError):
            continue
    return alarms


def kinks() -> list[tuple[Op, Point]]:
    """relu, abs and maximum at their kinks and near them."""
    beside = [0.0, *(sign * 10.0**-k for k in range(1, 17, 1) for sign in (1, -1))]
    cases: list[tuple[Op, Point]] = [(TABLE[name], [x]) for name in ("relu", "abs") for x in beside]
    return cases + [(TABLE["maximum"], [a, a + x]) for a in (0.0, 1.0, -3.0) for x in beside]


def linear(mutant: Mutant) -> bool:
    """Whether the wrong rule's own derivative is right all the same: 1.001 in the place of 1 has derivative 0."""
    for point in itertools.islice(drawn(mutant.op, 20, seed=5), 20):
        rules = list(mutant.op.partials)
        rules[mutant.operand] = mutant.rule
        try:
            ours, theirs = (second_derivatives(mutant.op, each, point) for each in (mutant.op.partials, rules))
        except Exception:
            continue
        if any(abs(a - b) > 1e-9 * max(abs(a), abs(b)) for a, b in zip(ours, theirs, strict=True)):
            return False
    return True


def second_derivatives(op: Op, rules: Sequence[Rule], point: Point) -> list[float]:
    """Those of the operation with these rules."""
    function, xs = differentiated(op, defined(op, rules), point)
    leaves = [tg.Value(x) for x in xs]
    first = tg.gradient(function(*leaves), leaves, create_graph=True)
    return [slope for each in first for slope in tg.gradient(each, leaves)]


def table(names: Sequence[str] | None) -> list[Op]:
    """Return the operations chosen."""
    return [op for op in TABLE.values() if not names or op.name in names]


def peers() -> list[Any]:
    """Return the testers of other projects that are installed."""
    found: list[Any] = []
    if importlib.util.find_spec("torch"):
        found.append(PyTorch())
    if importlib.util.find_spec("jax"):
        found.append(JAX())
    return found


def main() -> int:
    """Print the figures; the exit status is 1 if ours passes a mutant or gives a false alarm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ops", nargs="*", metavar="op", help="operations of the table (all)")
    parser.add_argument("--points", type=int, default=200, help="points tried on each mutant (200)")
    parser.add_argument("--cases", type=int, default=3000, help="points of correct rules; the nightly size is 100000")
    parser.add_argument("--peer-cases", type=int, default=3000, help="the same for the peers")
    parser.add_argument("--seed", type=int, default=0, help="of the correct rules' points")
    parser.add_argument("--no-mutants", action="store_true", help="false alarms only")
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = table(options.ops)
    others = [] if options.no_peers else peers()
    failed = False
    if not options.no_mutants:
        found = [mutant for op in chosen for mutant in mutants(op)]
        kinds = collections.Counter(mutant.kind.split()[0] for mutant in found)
        print(f"{len(found)} mutants of {sum(len(op.partials) for op in chosen)} rules: {dict(kinds)}", flush=True)
        second = [mutant for mutant in found if not linear(mutant)]
        for tester, order, subset in [
            (Ours(1), 1, found),
            (Ours(2), 2, second),
            *((tester, 1, found) for tester in others),
        ]:
            started = time.perf_counter()
            passed, most = caught(tester, subset, options.points, order)
            share = 100 * (1 - len(passed) / max(1, len(subset)))
            print(
                f"{tester.name:<14} order {order}: {len(subset) - len(passed)} of {len(subset)} caught, {share:.1f} %, "
                f"after {most} points at most ({time.perf_counter() - started:.0f} s)",
                flush=True,
            )
            for kind, count in collections.Counter(m.kind.split()[0] for m in passed).items():
                print(f"{'':<14} passed: {count} {kind}")
            if isinstance(tester, Ours):
                failed = failed or bool(passed)
                for mutant in passed:
                    print(f"{'':<14} passed: {mutant.op.name} by operand {mutant.operand}, {mutant.kind}")
        failed = report_on_arrays(chosen, found, options.cases // 3000) or failed
    for tester, count in [(Ours(2), options.cases), *((tester, options.peer_cases) for tester in others)]:
        started = time.perf_counter()
        each = -(-count // len(chosen))
        cases = [(op, point) for op in chosen for point in sampling.points(op, each, options.seed)]
        random.Random(0).shuffle(cases)
        alarms = false_alarms(tester, cases)
        at_kinks = false_alarms(tester, kinks())
        print(
            f"{tester.name:<14} false alarms: {len(alarms)} in {len(cases)} points of correct rules, "
            f"{len(at_kinks)} in {len(kinks())} at and near kinks ({time.perf_counter() - started:.0f} s)",
            flush=True,
        )
        if isinstance(tester, Ours):
            failed = failed or bool(alarms or at_kinks)
            for op, point in alarms + at_kinks:
                print(f"{'':<14} {op.name}{tuple(point)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
