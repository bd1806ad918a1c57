"""``check_derivative``: is the derivative that I wrote, in whatever library, the derivative of my function?

Every derivative is held against adaptive finite differences with an error bound (:mod:`.differences`), so that there is
no step and no tolerance to choose: at a kink it has to lie between the slopes, beside one it has to be right, and where
the values of f do not tell, the verdict says so. A failure is made as small as it can be.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mpmath import mpf
from numpy.typing import NDArray

from tinygrad_lite.testing.checks.directions import Line, Places, Product, search
from tinygrad_lite.testing.checks.formats import FEW, InDouble, in_double, rounding
from tinygrad_lite.testing.checks.hypothesis_bridge import drawn_report, is_strategy
from tinygrad_lite.testing.checks.orders import highest_order, of_order
from tinygrad_lite.testing.checks.points import shrunk
from tinygrad_lite.testing.checks.user_derivative import Block, Handwritten
from tinygrad_lite.testing.oracles.deciding import NOTHING, RESOLUTION, agree, below, decisive, judged
from tinygrad_lite.testing.oracles.differences import DOUBLE, Precision, Samples, is_flat, judge, sample
from tinygrad_lite.testing.oracles.formula_truth import FormulaTruth
from tinygrad_lite.testing.oracles.libraries import arrays_of, derivatives_by
from tinygrad_lite.testing.oracles.oracles import complex_step, forward_mode, mpmath_derivative
from tinygrad_lite.testing.oracles.verdicts import (
    DerivativeError,
    Estimate,
    Finding,
    FunctionError,
    Report,
    Verdict,
    shortened,
)
from tinygrad_lite.value import Value

Array = NDArray[np.float64]

#: Up to so many derivatives are looked at one by one; of more, some are drawn, and all are looked at together.
_ENTRIES = 64
#: Up to so many numbers that are no arrays are looked at one by one, and so many that random directions leave open.
_FEW = 8
_OPEN = 16
#: What has fewer digits is sampled at more points than seven.
_FINE = 1e-13
_DIRECTION = "a random direction"
_DRAWN = 24
#: So many outputs are looked at by themselves whose slopes cannot be told from 0.
_LOST = 4
_DIRECTIONS = 4
#: Up to so many entries that directions cannot tell to a per cent are held against 60 digits, of so many in all.
_HIDDEN = 300
_SEEN = 20_000
_TOLD = 0.01
#: What differences tell as well as this, relative, needs no 60 digits.
_SHARP = 1e-7


def check_derivative(
    f: Callable[..., Any],
    df: Callable[..., Any] | Sequence[Callable[..., Any]] | str,
    *args: Any,
    exact: Callable[..., Any] | None = None,
    argnums: int | Sequence[int] | None = None,
    order: int | None = None,
    examples: int = 20,
    raise_exception: bool = True,
    strict: bool = True,
    full: bool = False,
    nondet_tol: float | None = None,
    shrink: bool = True,
    seed: int = 0,
) -> Report:
    """Hold a derivative that you wrote against f's values, in any library: floats, NumPy, PyTorch, JAX.

    Arrays are checked along random directions, all numbers together: f is called at most three times as often as
    ``torch.autograd.gradcheck`` calls it, and of large arrays far less, as the number of directions grows with the
    logarithm of theirs. What does not agree is narrowed down to the entry.

    Of float32, bfloat16 and float16, f and df are evaluated in float64 at the same numbers, if their results' type
    follows their arguments'; then df in the given format is held against df in float64.

    Args:
        f: Gives a number or an array, or several in lists, tuples and dicts.
        df: Of the same arguments. For one argument of shape s and a result of shape r: an array of shape r + s; or
            of shape s where f is elementwise (r = s). For several arguments a tuple with one for each. Of several
            results, the structure of the results with the derivative of each in its place. Or ``"torch"`` or ``"jax"``:
            that library takes the derivative itself. Or a tuple of functions, the first derivative, the second, ...,
            each of which is the derivative of the one before.
        args: Where: floats, arrays, tensors, or lists, tuples and dicts of these. Or hypothesis strategies that draw
            them.
        exact: f written with mpmath, for a reference of 30 digits where f's values do not tell.
        argnums: By which arguments; by all if not given.
        order: Up to which order "torch" or "jax" takes derivatives: 1 if not given.
        examples: How many points are drawn from strategies.
        raise_exception: Whether a wrong derivative raises, and one that is undecided.
        strict: False lets pass what is undecided.
        full: Whether to look at every derivative of arrays by itself, at about 200 calls of f for each number: this
            sees errors in derivatives that are 1e-8 of the others, and kinks at structures of every size.
        nondet_tol: By how much two calls at one point may differ, relative to the largest number in the result. If not
            given, by 64 units in its last place, as sums in another order do; what is seen counts as rounding.
        shrink: Whether to look for the simplest point at which what is wrong is wrong.
        seed: For the directions that are drawn.

    Returns:
        The report: its verdict is the gravest of its findings'.

    Raises:
        DerivativeError: A derivative is wrong; it carries the report for the simplest point found. Or none is, and one
            is undecided.
        FunctionError: f or df raises, returns None, changes its arguments, or is not deterministic.
        TypeError: An argument holds no floats, or f or df cannot be called.
        ValueError: The derivative has another shape than f and the arguments ask for; the order is that of no
            derivative.
        ImportError: df names a library that is not installed.

    >>> check_derivative(lambda x: x**3, lambda x: 3 * x**2, 2.0).verdict.name
    'CORRECT'
    >>> check_derivative(abs, lambda x: 0.0, 0.0).verdict.name
    'KINK'
    >>> check_derivative(lambda x: x**3, (lambda x: 3 * x**2, lambda x: 6 * x), 2.0).verdict.name
    'CORRECT'
    >>> check_derivative(np.sin, np.sin, np.array([0.1, 0.7]), raise_exception=False).verdict.name
    'WRONG'
    """
    numbers = [argnums] if isinstance(argnums, int) else argnums
    orders = highest_order(df, order)

    def at(*point: Any, shrink: bool = False) -> Report:
        return _report(f, df, orders, point, exact, numbers, seed, shrink, full, nondet_tol)

    drawn = any(map(is_strategy, args))
    report = drawn_report(at, args, examples, seed) if drawn else at(*args, shrink=shrink)
    if raise_exception and (report.verdict is Verdict.WRONG or (strict and report.verdict is Verdict.UNDECIDED)):
        raise DerivativeError(report)
    return report


def _report(
    f: Callable[..., Any],
    df: Any,
    orders: int,
    args: Sequence[Any],
    exact: Callable[..., Any] | None,
    argnums: Sequence[int] | None,
    seed: int,
    shrink: bool,
    full: bool,
    nondet_tol: float | None,
) -> Report:
    """Return the report on a point: on the derivative of lowest order that is wrong, or on all orders."""
    functions: list[Any] = [f, *(df if isinstance(df, (tuple, list)) else [df])]
    if isinstance(df, str):
        args = arrays_of(df, args)
        functions = [f, *derivatives_by(df, f, argnums, orders)]
    whole: Report | None = None
    before: Handwritten | None = None
    for level in range(1, orders + 1):
        rule = Handwritten(functions[level - 1], functions[level], args, argnums, nondet_tol)
        check = _Check(in_double(rule) or rule, exact if level == 1 else None, seed, full)
        report = check.report(rule.point)
        if report.verdict is Verdict.WRONG:
            report = check.explained(check.smaller(report) if shrink else report)
        if before is not None:
            report.findings = [of_order(level, before, rule, finding) for finding in report.findings]
        if report.verdict is Verdict.WRONG:
            return report
        if whole is None:
            whole = report
        else:
            whole.findings += report.findings
        before = rule
    assert whole is not None
    return whole


@dataclass(frozen=True, eq=False)
class _Located(Finding):
    """A finding that knows its place."""

    row: int = -1
    column: int = -1


class _Check:
    """The findings on a derivative at a point."""

    def __init__(self, rule: Handwritten, exact: Callable[..., Any] | None, seed: int, full: bool) -> None:
        self.rule = rule
        self.exact = exact
        self.seed = seed
        self.truth = FormulaTruth(rule.f, lambda f, numbers: rule.numbers(f(*self._with(numbers))), rule.values, seed)
        self.full = full

    def report(self, point: Array) -> Report:
        """All findings at that point, or, of many, those on a sample and on random directions."""
        blocks = self.rule.derivative(point)
        again = self.rule.derivative(point)
        self.rule.same_slopes(blocks, again)
        rng = random.Random(self.seed)
        together = not self.full and self.exact is None and self._is_large and self.rule.epsilon.epsilon < _FINE
        pairs = [] if together else list(self._pairs(blocks, rng))
        findings: list[Finding] = []
        unused = []
        for column in dict.fromkeys(column for _, column in pairs):
            rows = sorted({row for row, c in pairs if c == column})
            samples = self._samples(point, column, rows)
            # (Bfloat16 and the like may round all change away.)
            if _is_constant(samples) and len(rows) == self.rule.size and self.rule.epsilon.epsilon < 1e-6:
                unused.append(self.rule.argument_name(column))
            for i, row in enumerate(rows):
                findings.append(self._entry(point, blocks, row, column, samples.column((i,))))
        if together:
            findings += self._together(point, blocks, rng)
        elif len(pairs) < self.rule.size * len(point):
            findings += [self._direction(point, blocks, rng) for _ in range(_DIRECTIONS)]
        if isinstance(self.rule, InDouble):
            findings += self._in_its_format(self.rule, point, blocks)
        found = Report(self.rule.name, self.rule.arguments_text(point), findings, seed=self.seed)
        found.call = f"check_derivative({self.rule.name}, {getattr(self.rule.df, '__name__', 'df')}, {found.point})"
        found.numbers = tuple(point.tolist())
        found.unused = unused
        return found

    def smaller(self, report: Report) -> Report:
        """Return the report on the worst derivative alone, at the simplest point at which it is still wrong."""
        worst = report.worst
        if not isinstance(worst, _Located) or worst.column < 0:
            return report
        row, column = worst.row, worst.column

        def finding(point: Array) -> Finding:
            blocks = self.rule.derivative(point)
            found = self._entry(point, blocks, row, column, self._samples(point, column, row), full=True)
            if found.verdict is not Verdict.WRONG and isinstance(self.rule, InDouble):
                rounded = self._in_its_format(self.rule, point, blocks)
                return next((other for other in rounded if other.verdict is Verdict.WRONG), found)
            return found

        def fails(point: Sequence[float]) -> bool:
            try:
                return finding(self.rule.on_grid(point)).verdict is Verdict.WRONG
            except (FunctionError, ValueError, TypeError):
                return False

        alone = np.where(np.arange(len(self.rule.point)) == column, self.rule.point, 0.0)
        start = alone if len(alone) > 1 and fails(alone.tolist()) else self.rule.point
        best = self.rule.on_grid(shrunk(start.tolist(), fails))
        text = self.rule.arguments_text(best)
        given = shortened(report.point) if text != report.point else ""
        call = report.call.replace(report.point, text)
        return replace(
            report, point=text, given=given, call=call, numbers=tuple(best.tolist()), findings=[finding(best)]
        )

    def explained(self, report: Report) -> Report:
        """Return the report, with a reason where the derivative is that of f's sum: what ``grad(f(x).sum(), x)``
        gives."""
        worst = report.worst
        if not isinstance(worst, _Located) or worst.column < 0 or worst.verdict is not Verdict.WRONG:
            return report
        point = self.rule.point  # the simplest failing one may be so simple that much is the same there
        leaf, place = self.rule.where(worst.column)
        block = self.rule.derivative(point)[leaf]
        if not block.elementwise or self.rule.size == 1:
            return report
        samples = self._samples(point, worst.column, np.ones(self.rule.size, dtype=bool))
        below, above = (values.sum() for values in samples.neighbours)
        totals = replace(
            samples, values=samples.values.sum(axis=2), value=samples.value.sum(), neighbours=(below, above)
        )
        total, got = judge(totals), block.entry(place, place)
        own = judge(samples.column((place,)))
        agree = [abs(got - one.value) <= 2.0 * one.error + self._slack * abs(got) for one in (total, own)]
        if agree != [True, False]:
            return report
        shape = self.rule.outputs[0].shape + self.rule.leaves[leaf].values.shape
        why = (
            f"df gives the derivative of the sum of {self.rule.name}'s results, as grad(f(x).sum(), x) does: each of "
            f"these depends on more than its own number, so that the derivative has shape {shape}. Give that "
            '(jax.jacrev, torch.autograd.functional.jacobian, or check_derivative(f, "torch", x)), or check '
            "lambda x: f(x).sum()"
        )
        return replace(
            report, findings=[replace(found, reason=why) if found is worst else found for found in report.findings]
        )

    def _in_its_format(self, wide: InDouble, point: Array, blocks: list[Block]) -> list[Finding]:
        """Return what there is to say about f and df in the format that they were given in."""
        found: list[Finding] = []
        here, there = wide.given.values(point), wide.values(point)
        lost = np.flatnonzero(~np.isfinite(here) & np.isfinite(there))
        if len(lost):
            row = int(lost[0])
            name, reason = wide.output_name(row), f"f is {here[row]} there, and {there[row]:.6g} in float64"
            found.append(
                Finding("x", name, 0, here[row], there[row], there[row], 0.0, "float64", Verdict.NON_FINITE, reason)
            )
        if not wide.follows:
            return found
        most = rounding(wide, point, blocks, self.seed)
        by, of = wide.argument_name(most.column), wide.output_name(most.row)
        found.append(
            _Located(
                by, of, 1, most.got, most.exact, most.exact, most.allowed, "df in float64", most.verdict, most.reason,
                (), wide.given.slope_precision.epsilon, most.row, most.column,
            )
        )  # fmt: skip
        return found

    @property
    def _is_large(self) -> bool:
        """Whether there are arrays, or many numbers."""
        return len(self.rule.point) > _FEW or any(leaf.values.ndim for leaf in self.rule.leaves)

    def _together(self, point: Array, blocks: list[Block], rng: random.Random) -> list[Finding]:
        """Return the findings along random directions, and on each number that these leave open."""
        finite = np.concatenate([block.finite() for block in blocks])
        findings: list[Finding] = []
        for column in np.flatnonzero(~finite)[:_OPEN].tolist():
            lost = [row for row in range(self.rule.size) if not math.isfinite(self._got(blocks, row, column))]
            findings += self._entries(point, blocks, lost[:_OPEN], column)
        slack = self._slack if self.rule.slope_precision == DOUBLE else FEW * self.rule.slope_precision.epsilon
        sizes = np.concatenate([block.sizes() for block in blocks])
        own = all(block.elementwise for block in blocks) and len(blocks) == 1
        noise = self.rule.epsilon.epsilon
        product = Product(point, self.rule.values, self._products(blocks), slack, sizes, finite, own, noise)
        outcome = search(product, rng)
        for _ in range(_OPEN):
            if outcome.wrong is None:
                break
            line, row = outcome.wrong
            found = self._contradiction(point, blocks, line, row)
            findings.append(found)
            columns = np.flatnonzero(line.direction)
            if found.verdict in (Verdict.WRONG, Verdict.UNDECIDED) or len(columns) > 1:
                break
            finite[columns] = False  # looked at in more detail, it is as it should be
            outcome = search(product, rng)
        for line in outcome.lines:
            row = line.tightest
            findings.append(self._on_line(line, row, Verdict.CORRECT, ""))
        for direction, rows in outcome.open:
            columns = np.flatnonzero(direction)
            if len(columns) == 1:
                findings += self._entries(point, blocks, rows[:_OPEN].tolist(), int(columns[0]))
            else:
                findings += [self._along_direction(point, blocks, self._row(row), direction) for row in rows[:_OPEN]]
        findings += self._own(point, blocks, outcome.own)
        findings += self._lost(point, blocks, outcome.lines, own)
        if any(found.verdict is Verdict.WRONG for found in findings):
            return findings
        return findings + self._hidden(point, blocks, outcome.lines, own)

    def _hidden(self, point: Array, blocks: list[Block], lines: list[Line], own: bool) -> list[Finding]:
        """Return the findings on entries that directions cannot tell from 0 beside others, and 60 digits contradict."""
        findings: list[Finding] = []
        left = _HIDDEN
        for row in range(self.rule.size if own else min(self.rule.size, max(1, _SEEN // len(point)))):
            columns = [row] if own else range(len(point))
            seen = np.full(len(point), math.inf)
            for line in lines:
                with np.errstate(all="ignore"):
                    bound = line.bound[row] / np.abs(line.direction)
                seen = np.fmin(seen, bound if line.known[row] else math.inf)
            got = {column: self._got(blocks, row, column) for column in columns}
            small = {c: x for c, x in got.items() if math.isfinite(x) and not seen[c] <= _TOLD * abs(x)}
            small = dict(list(small.items())[:left])
            left -= len(small)
            for column in self.truth.contradicted(point, row, small) if small else []:
                found = self._entry(point, blocks, row, column, self._samples(point, column, row))
                findings += [found] if found.verdict is not Verdict.CORRECT else []
                if found.verdict is Verdict.WRONG or len(findings) >= _OPEN:
                    return findings
            if left <= 0:
                break
        return findings

    def _lost(self, point: Array, blocks: list[Block], lines: list[Line], own: bool) -> list[Finding]:
        """Return the findings on outputs whose slopes the values along directions cannot tell from 0: on a few of
        them."""
        findings: list[Finding] = []
        seen: set[tuple[int, bytes]] = set()
        # Beside the other derivatives of its output, what is lost is 0.
        sizes = np.array([max(block.of_row(row) for block in blocks) for row in range(self.rule.size)])
        for line in lines:
            size = np.maximum(np.abs(line.slope), np.maximum(sizes, NOTHING))
            moving = line.direction != 0.0 if own else True
            lost = np.flatnonzero(line.known & (line.error > size) & moving)
            key = b"" if own else np.abs(line.direction).tobytes()
            rows = [row for row in lost[np.argsort(size[lost], kind="stable")].tolist() if (row, key) not in seen]
            for row in rows[: max(0, min(_LOST, _OPEN - len(seen)))]:
                seen.add((row, key))
                columns = [row] if own else np.flatnonzero(line.direction).tolist()
                if len(columns) > _FEW:
                    findings.append(self._along_direction(point, blocks, self._row(row), line.direction))
                for column in columns if len(columns) <= _FEW else ():
                    findings += self._entries(point, blocks, [row], column)
        return findings

    def _contradiction(self, point: Array, blocks: list[Block], line: Line, row: int) -> Finding:
        """Return the finding on a direction along which the slope is another than df says."""
        columns = np.flatnonzero(line.direction)
        for column in columns[: _OPEN if len(columns) <= _OPEN else 0]:
            found = self._entry(point, blocks, row, int(column), self._samples(point, int(column), row))
            if found.verdict in (Verdict.WRONG, Verdict.UNDECIDED) or len(columns) == 1:
                return found
        found = self._along_direction(point, blocks, self._row(row), line.direction)
        if found.verdict is not Verdict.CORRECT:
            return found
        why = "seven values of f along this direction say so, and more of them do not"
        return self._on_line(line, row, Verdict.UNDECIDED, why)

    def _on_line(self, line: Line, row: int, verdict: Verdict, why: str) -> Finding:
        got, slope = float(line.got[row]), float(line.slope[row])
        columns = np.flatnonzero(line.direction)
        name = self.rule.argument_name(int(columns[0])) if len(columns) == 1 else _DIRECTION
        if len(columns) == 1:
            got, slope = (number / float(line.direction[columns[0]]) for number in (got, slope))
        oracle = "finite difference" + " in float64" * isinstance(self.rule, InDouble)
        epsilon = self._precision.epsilon
        return _Located(
            name, self.rule.output_name(row), 1, got, slope, slope, float(line.bound[row]), oracle, verdict, why, (),
            epsilon,
        )  # fmt: skip

    def _row(self, row: int) -> Array:
        return np.where(np.arange(self.rule.size) == row, 1.0, 0.0)

    def _entries(self, point: Array, blocks: list[Block], rows: list[int], column: int) -> list[Finding]:
        samples = self._samples(point, column, rows)
        return [self._entry(point, blocks, row, column, samples.column((i,))) for i, row in enumerate(rows)]

    def _own(self, point: Array, blocks: list[Block], rows: Places) -> list[Finding]:
        """Return the findings on outputs that depend on their own number alone, from moving all numbers alike."""
        if not len(rows):
            return []

        def moved(step: float) -> Array:
            values: Array = self.rule.values(point + step)[rows]
            return values

        largest = float(np.max(np.abs(point[rows])))
        samples = sample(moved, 0.0, self.rule.precision, self.rule.epsilon, magnitude=largest)
        findings = []
        for i, row in enumerate(rows.tolist()):
            alone = replace(samples.column((i,)), x=float(point[row]), magnitude=abs(float(point[row])))
            found = self._entry(point, blocks, row, row, alone)
            if found.verdict is Verdict.UNDECIDED and i < _OPEN:
                found = self._entry(point, blocks, row, row, self._samples(point, row, row))
            findings.append(found)
        return findings

    def _got(self, blocks: list[Block], row: int, column: int) -> float:
        leaf, place = self.rule.where(column)
        return blocks[leaf].entry(row, place)

    def _products(self, blocks: list[Block]) -> Callable[[Array], tuple[Array, Array]]:
        """From a direction to the derivatives along it, and the size of the terms that they are sums of."""
        ends = np.cumsum([leaf.values.size for leaf in self.rule.leaves])[:-1]

        def along(direction: Array) -> tuple[Array, Array]:
            parts = [block.along(part) for block, part in zip(blocks, np.split(direction, ends), strict=True)]
            got, squares = (np.sum(terms, axis=0) for terms in zip(*parts, strict=True))
            return got, np.sqrt(squares)

        return along

    def _pairs(self, blocks: list[Block], rng: random.Random) -> Iterator[tuple[int, int]]:
        """Yield the outputs and inputs whose derivatives are looked at one by one."""
        rows, columns = self.rule.size, len(self.rule.point)
        if rows * columns <= _ENTRIES or self.full:
            yield from ((row, column) for column in range(columns) for row in range(rows))
            return
        for _ in range(_DRAWN):
            column = rng.randrange(columns)
            leaf, place = self.rule.where(column)
            yield (place if blocks[leaf].elementwise else rng.randrange(rows)), column

    def _samples(self, point: Array, column: int, rows: Any) -> Samples:
        leaf = self.rule.leaves[self.rule.where(column)[0]]

        def moved(number: float) -> Array:
            changed = point.copy()
            changed[column] = number
            values: Array = self.rule.values(changed)[rows]
            return values

        self.rule.values(point)
        return sample(moved, float(point[column]), self.rule.precision, leaf.precision, leaf.nearest)

    def _entry(
        self, point: Array, blocks: list[Block], row: int, column: int, samples: Samples, full: bool = False
    ) -> Finding:
        """Return the finding on one derivative; with every oracle's opinion if that is asked for or needed."""
        leaf, place = self.rule.where(column)
        got = blocks[leaf].entry(row, place)
        difference = judge(samples)
        estimate, reason = difference, ""
        others: list[Estimate] = []
        sharp = not full and difference.kind is Verdict.CORRECT and difference.error <= _SHARP * abs(difference.value)
        true = None if sharp or self.exact is not None else self.truth.estimate(point, row, column)
        if true is not None and (agree(difference, true) or _rounds_away(true, samples, point)):
            estimate = true
        elif self.exact is not None or full or difference.kind is Verdict.UNDECIDED:
            others = self._opinions(point, row, column)
            estimate, reason = decisive(difference, others, self.exact is not None)
        if full and estimate is true:
            others = self._opinions(point, row, column)
        sizes = [np.abs(block.entries) for block in blocks]
        largest = max(float(np.max(size, initial=0.0, where=np.isfinite(size))) for size in sizes)
        # A term of a sum that cancels leaves a rounding of its own size.
        epsilon, smallest = self._precision
        slack = self._slack * abs(got) + FEW * (epsilon * largest + smallest) if math.isfinite(got) else 0.0
        scale = max(largest, abs(float(samples.value)) / max(abs(point[column]), 1.0))
        least = max(math.sqrt(self.rule.epsilon.epsilon) * scale, 1e-300) if math.isfinite(scale) else 0.0
        if estimate is true:
            found = self._judged_by_truth(got, true, difference, slack, blocks[leaf])
        else:
            unseen = 0.0 if blocks[leaf].elementwise else FEW * epsilon * max(block.of_row(row) for block in blocks)
            unseen = unseen if len(point) > 1 else 0.0
            found = judged(got, estimate, slack, least, unseen)
        verdict, low, high, why = found
        flat = verdict is Verdict.CORRECT and estimate is difference and got == 0.0 == estimate.around
        if flat and not self._is_flat(point, row, column):
            verdict, why = Verdict.UNDECIDED, below(estimate.error, got)
        if verdict is Verdict.UNDECIDED and self.rule.epsilon.epsilon > 1e-10:
            why += ", or check it in float64, which f or df does not follow here"
        off = abs(got - estimate.value)
        few = FEW * (epsilon * abs(estimate.value) + smallest) + 2.0 * estimate.error
        if verdict is Verdict.CORRECT and epsilon > self.rule.epsilon.epsilon and off > few:
            verdict = Verdict.UNDECIDED
            why = (
                f"df does not give float64 as f does, and is off by {off / (epsilon * abs(got) + smallest):.0f} units "
                "in the last place of its format: rounding on the way may explain it; make df give float64 for float64"
            )
        tolerance = slack + (0.0 if math.isinf(estimate.error) else estimate.error)
        if verdict is Verdict.WRONG and _is_constant(samples) and (estimate is not true or low == high == 0.0):
            why = f"{self.rule.name} does not change with {self.rule.argument_name(column)}"
        return _Located(
            self.rule.argument_name(column), self.rule.output_name(row), 1, got, low, high, tolerance,
            estimate.oracle + " in float64" * (estimate is difference and isinstance(self.rule, InDouble)), verdict,
            "; ".join(filter(None, [why, reason])), [o for o in [difference, *others] if o is not estimate],
            epsilon, row, column,
        )  # fmt: skip

    def _judged_by_truth(
        self, got: float, true: Estimate, difference: Estimate, slack: float, block: Block
    ) -> tuple[Verdict, float, float, str]:
        """Return the verdict where 60 digits tell the derivative: what the rounding of f's values hides is seen as
        well."""
        epsilon, smallest = self._precision
        sizes = np.abs(block.entries)
        largest = (
            abs(got)
            if block.elementwise or epsilon <= DOUBLE.epsilon
            else float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
        )
        own = self._slack * abs(got) + FEW * (epsilon * largest + smallest) if math.isfinite(got) else 0.0
        found = judged(got, true, own, math.inf)
        if found[0] is not Verdict.WRONG or true.kind is not Verdict.CORRECT or difference.kind is not Verdict.CORRECT:
            return found
        off = abs(got - true.value)
        if off <= 2.0 * difference.error + slack:  # rounding may explain it, in a formula that cancels
            if off <= RESOLUTION * abs(true.value):
                return Verdict.CORRECT, *found[1:3], f"df loses digits here: it is off by {off:.1e}"
            return *found[:3], "df has lost its digits here, as a formula does that cancels: write it in another form"
        return found

    def _is_flat(self, point: Array, row: int, column: int) -> bool:
        """Whether f is constant around the point, and not only to rounding."""
        leaf = self.rule.leaves[self.rule.where(column)[0]]

        def at(number: float) -> float:
            moved = point.copy()
            moved[column] = leaf.nearest(number)
            return float(self.rule.values(moved)[row])

        return is_flat(at, float(point[column]), self.rule.precision)

    @property
    def _precision(self) -> Precision:
        """The coarser of df's and f's."""
        coarser = max(self.rule.epsilon, self.rule.slope_precision, key=lambda precision: precision.epsilon)
        return coarser._replace(epsilon=max(coarser.epsilon, self.rule.slope_jitter))

    @property
    def _slack(self) -> float:
        """What df's own rounding may come to: half its digits, but not a whole per cent."""
        epsilon = self._precision.epsilon
        return min(math.sqrt(epsilon), max(16.0 * epsilon, 5e-4))

    def _opinions(self, point: Array, row: int, column: int) -> list[Estimate]:
        """Return what the oracles say that need other numbers than floats."""
        if self.exact is not None:
            return [mpmath_derivative(self._along(self.exact, point, row, column), float(point[column]))]
        if not all(isinstance(x, (float, Value)) for x in self.rule.args):
            return []
        along = self._along(self.rule.f, point, row, column)
        opinions = [oracle(along, float(point[column])) for oracle in (mpmath_derivative, forward_mode, complex_step)]
        return [opinion for opinion in opinions if opinion.kind is not Verdict.UNDECIDED]

    def _along(self, function: Callable[..., Any], point: Array, row: int, column: int) -> Callable[[Any], Any]:
        """Return the function of one number that may be of any kind."""

        def along(number: Any) -> Any:
            kind = mpf if isinstance(number, mpf) else float
            numbers = [number if i == column else kind(x) for i, x in enumerate(point.tolist())]
            return self.rule.numbers(function(*self._with(numbers)))[row]

        return along

    def _with(self, numbers: list[Any]) -> list[Any]:
        """Arguments that hold these numbers, of any kind; arrays of them are object arrays."""
        made, start = list(self.rule.args), 0
        for i, (leaves, rebuild) in zip(self.rule.argnums, self.rule.parts, strict=True):
            items: list[Any] = []
            for leaf in leaves:
                size, shape = leaf.values.size, leaf.values.shape
                array = np.empty(size, dtype=object)
                array[:] = numbers[start : start + size]
                items.append(array.reshape(shape) if shape else numbers[start])
                start += size
            made[i] = rebuild(iter(items))
        return made

    def _direction(self, point: Array, blocks: list[Block], rng: random.Random) -> Finding:
        """Return the finding on all derivatives together: the slope of a random sum of outputs along a random
        direction."""
        rows = np.array([rng.choice((-1.0, 1.0)) for _ in range(self.rule.size)])
        columns = np.array([rng.choice((-1.0, 1.0)) for _ in point])
        found = self._along_direction(point, blocks, rows, columns)
        if found.verdict is not Verdict.WRONG:
            return found
        for weights in (columns, rows):
            while np.count_nonzero(weights) > 1:
                places = np.flatnonzero(weights)
                saved = weights[places]
                for half in (places[: len(places) // 2], places[len(places) // 2 :]):
                    weights[places] = saved
                    weights[np.setdiff1d(places, half)] = 0.0
                    found_half = self._along_direction(point, blocks, rows, columns)
                    if found_half.verdict is Verdict.WRONG:
                        found = found_half
                        break
                else:
                    weights[places] = saved
                    return found
        row, column = int(np.flatnonzero(rows)[0]), int(np.flatnonzero(columns)[0])
        return self._entry(point, blocks, row, column, self._samples(point, column, row))

    def _along_direction(self, point: Array, blocks: list[Block], rows: Array, columns: Array) -> Finding:
        terms, start = [], 0
        for block, leaf in zip(blocks, self.rule.leaves, strict=True):
            terms.append(block.weighted(rows, columns[start : start + leaf.values.size]).ravel())
            start += leaf.values.size
        together = np.concatenate(terms)
        got = float(together.sum())

        def moved(step: float) -> Array:
            values = self.rule.values(point + step * columns)
            return np.array(float(values[rows != 0.0] @ rows[rows != 0.0]))

        self.rule.values(point)
        size = float(np.max(np.abs(point[columns != 0.0])))
        estimate = judge(sample(moved, 0.0, self.rule.precision, self.rule.epsilon, magnitude=max(size, 1e-3)))
        spread = float(np.sqrt(np.sum(together**2)))
        slack = (self._slack + 16.0 * self.rule.epsilon.epsilon * math.sqrt(len(together))) * spread
        verdict, low, high, why = judged(got, estimate, slack, math.sqrt(self.rule.epsilon.epsilon) * spread)
        if verdict in (Verdict.UNDECIDED, Verdict.KINK):
            why = why or "the sum of all derivatives in a random direction"
        direction = _DIRECTION if np.count_nonzero(columns) > 1 else "one argument"
        return _Located(direction, "", 1, got, low, high, slack + estimate.error, estimate.oracle, verdict, why)


def _rounds_away(true: Estimate, samples: Samples, point: Array) -> bool:
    """Whether f's values are all the same because its slope is less than the rounding of numbers as large as these."""
    change = abs(true.value) * max(abs(samples.x), 1.0)
    size = max(abs(float(samples.value)), float(np.max(np.abs(point))))
    return _is_constant(samples) and math.isfinite(size) and change <= DOUBLE.epsilon * size


def _is_constant(samples: Samples) -> bool:
    return bool(np.all((samples.values == samples.value) | np.isnan(samples.values)))
