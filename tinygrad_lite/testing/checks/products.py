"""``check_products``: jvp and vjp against f and against one another, where nobody writes the Jacobian down."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.testing.checks.directions import Line, Product, line_along, search
from tinygrad_lite.testing.checks.formats import in_double
from tinygrad_lite.testing.checks.user_derivative import Handwritten
from tinygrad_lite.testing.oracles.arrays import leaf_of, leaves_of, parts_like
from tinygrad_lite.testing.oracles.deciding import judged
from tinygrad_lite.testing.oracles.differences import ORACLE, judge, sample
from tinygrad_lite.testing.oracles.verdicts import DerivativeError, Finding, FunctionError, Report, Verdict

Array = NDArray[np.float64]

#: By how much rounding in the products may move them: half their digits.
_SLACK = 2.0**-26
#: How many random sums of outputs are looked at.
_SUMS = 3
_DIRECTION = "a random direction"


def check_products(
    f: Callable[..., Any],
    *args: Any,
    jvp: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    argnums: int | Sequence[int] | None = None,
    raise_exception: bool = True,
    strict: bool = True,
    nondet_tol: float | None = None,
    seed: int = 0,
) -> Report:
    """Hold the products J·v and uᵀ·J of a derivative against f's values and against one another, without J.

    For f from R¹⁰⁰⁰ to R¹⁰⁰⁰ it calls f some hundred times, where J has a million entries. u and v have random signs,
    so that one wrong entry of J shows in every product (the dot-product test, Claerbout 1992, with f as a third
    witness); what does not agree is narrowed down to the entry. float32 and coarser arguments become float64.

    Args:
        f: Gives a number or an array, or several in lists, tuples and dicts.
        args: Where: arrays, tensors, floats, or lists, tuples and dicts of these.
        jvp: Called with the arguments and v, which is like the argument (of several arguments: a tuple), it gives J·v,
            which is like f's result.
        vjp: Called with the arguments and u, which is like f's result, it gives uᵀ·J, which is like the argument (of
            several arguments: a tuple).
        argnums: By which arguments; by all if not given.
        raise_exception: Whether what is wrong raises, and what is undecided.
        strict: False lets pass what is undecided.
        nondet_tol: As in :func:`check_derivative`.
        seed: For the directions that are drawn.

    Returns:
        The report: its verdict is the gravest of its findings'.

    Raises:
        DerivativeError: A product is wrong, or cannot be decided.
        FunctionError: A function raises, returns None or is not deterministic.
        TypeError: Neither product was given, or an argument holds no floats.
        ValueError: A product has another structure or shape than it should, or f takes no float64.

    >>> w = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> check_products(lambda x: w @ x, np.ones(2), jvp=lambda x, v: w @ v, vjp=lambda x, u: u @ w).verdict.name
    'CORRECT'
    >>> report = check_products(lambda x: w @ x, np.ones(2), vjp=lambda x, u: w @ u, raise_exception=False)
    >>> report.verdict.name, report.worst.name
    ('WRONG', '∂f[1]/∂args[0][0]')
    """
    if jvp is None and vjp is None:
        raise TypeError("check_products(f, *args, jvp=..., vjp=...) checks one of the two, or both")
    numbers = [argnums] if isinstance(argnums, int) else argnums
    given = Handwritten(f, lambda *args: None, args, numbers, nondet_tol)
    rule = in_double(given) or given
    if rule.epsilon.epsilon > 1e-10:
        raise ValueError(
            f"{rule.name} does not give float64 for float64, and products cannot be told from the rounding of coarser "
            "formats: check it by check_derivative, entry by entry"
        )
    check = _Check(rule, jvp, vjp, seed)
    report = Report(rule.name, rule.arguments_text(rule.point), check.findings(), seed=seed)
    report.call = f"check_products({rule.name}, {report.point}, ...)"
    report.numbers = tuple(rule.point.tolist())
    if raise_exception and (report.verdict is Verdict.WRONG or (strict and report.verdict is Verdict.UNDECIDED)):
        raise DerivativeError(report)
    return report


class _Check:
    def __init__(
        self, rule: Handwritten, jvp: Callable[..., Any] | None, vjp: Callable[..., Any] | None, seed: int
    ) -> None:
        self.rule = rule
        self.jvp = jvp
        self.vjp = vjp
        self.rng = random.Random(seed)
        self.result = rule.f(*rule.arguments(rule.point))

    def findings(self) -> list[Finding]:
        """On J·v, on uᵀ·J, and on both together; the first that is wrong ends them."""
        found: list[Finding] = []
        if self.jvp is not None:
            found += self.forward()
        if self.vjp is not None and not _wrong(found):
            found += self.backward()
        if self.jvp is not None and self.vjp is not None and not _wrong(found):
            found += [self.together() for _ in range(_SUMS)]
        return found

    def forward(self) -> list[Finding]:
        """On J·v for random v, for all outputs."""

        def along(direction: Array) -> tuple[Array, Array]:
            got = self.forward_product(direction)
            return got, np.maximum(np.abs(got), np.sqrt(np.mean(got**2)))

        signs = self.signs(len(self.rule.point))
        got = self.forward_product(signs)
        if not np.isfinite(got).all():
            row = int(np.flatnonzero(~np.isfinite(got))[0])
            return [self.closer(signs, np.eye(self.rule.size)[row], float(got[row]))]
        product = Product(self.rule.point, self.rule.values, along, _SLACK, noise=self.rule.epsilon.epsilon)
        outcome = search(product, self.rng)
        found = [self.along(line, line.tightest, Verdict.CORRECT, "jvp") for line in outcome.lines]
        for direction, rows in outcome.open:
            found += [self.closer(direction, np.eye(self.rule.size)[row], along(direction)[0][row]) for row in rows[:4]]
        return found + ([self.along(*outcome.wrong, Verdict.WRONG, "jvp")] if outcome.wrong else [])

    def backward(self) -> list[Finding]:
        """On uᵀ·J for a few random u, along random v."""
        found: list[Finding] = []
        for _ in range(_SUMS):
            weights = self.signs(self.rule.size)
            gradient = self.backward_product(weights)
            finite = np.isfinite(gradient)
            lost, gradient = gradient[~finite], np.where(finite, gradient, 0.0)

            def along(direction: Array, gradient: Array = gradient) -> tuple[Array, Array]:
                terms = gradient * direction
                return np.array([terms.sum()]), np.array([math.sqrt(float(np.sum(terms**2)))])

            def values(point: Array, weights: Array = weights) -> Array:
                return np.array([weights @ self.rule.values(point)])

            sizes = np.abs(gradient)
            noise = self.rule.epsilon.epsilon
            product = Product(self.rule.point, values, along, _SLACK, sizes, finite, noise=noise)
            outcome = search(product, self.rng)
            found += [self.along(line, 0, Verdict.CORRECT, "vjp", "") for line in outcome.lines]
            found += [self.closer(direction, weights, along(direction)[0][0]) for direction, _ in outcome.open]
            if len(lost):
                found.append(self.closer(np.eye(len(finite))[np.argmin(finite)], weights, float(lost[0])))
            if outcome.wrong is not None:
                return [*found, self.row_of(outcome.wrong[0], weights)]
        return found

    def row_of(self, line: Line, weights: Array) -> Finding:
        """Which output a contradiction in uᵀ·J comes from, by halving u."""

        def everything(direction: Array) -> tuple[Array, Array]:
            size = np.full(self.rule.size, float(np.abs(line.slope[0])))
            return np.zeros(self.rule.size), size

        direction = line.direction
        product = Product(self.rule.point, self.rule.values, everything, _SLACK)
        slopes = line_along(product, direction).slope
        got = float(line.got[0])
        while np.count_nonzero(weights) > 1:
            places = np.flatnonzero(weights)
            for part in (places[: len(places) // 2], places[len(places) // 2 :]):
                half = np.zeros_like(weights)
                half[part] = weights[part]
                value = float(self.backward_product(half) @ direction)
                if not abs(value - half @ slopes) <= float(line.bound[0]):
                    weights, got = half, value
                    break
            else:
                return self.along(line, 0, Verdict.WRONG, "vjp", " (sum of outputs)")
        row = int(np.flatnonzero(weights)[0])
        sign = float(weights[row])
        return self.named(direction, row, sign * got, float(slopes[row]), float(line.bound[0]), Verdict.WRONG, "vjp")

    def together(self) -> Finding:
        """On uᵀ·(J·v) beside (uᵀ·J)·v."""
        direction, weights = self.signs(len(self.rule.point)), self.signs(self.rule.size)
        outputs, inputs = weights * self.forward_product(direction), self.backward_product(weights) * direction
        got, expected = float(inputs.sum()), float(outputs.sum())
        allowed = _SLACK * math.sqrt(float(np.sum(outputs**2)) + float(np.sum(inputs**2)))
        fits = abs(got - expected) <= allowed
        why = "" if fits else "uᵀ·(J·v) by jvp is not (uᵀ·J)·v by vjp"
        verdict = Verdict.CORRECT if fits else Verdict.WRONG
        return Finding(_DIRECTION, "", 1, got, expected, expected, allowed, "jvp beside vjp", verdict, why)

    def closer(self, direction: Array, weights: Array, got: float) -> Finding:
        """On a slope that seven values of f do not tell, from its values at all scales."""

        def moved(step: float) -> Array:
            values = self.rule.values(self.rule.point + step * direction)
            return np.array(float(values[weights != 0.0] @ weights[weights != 0.0]))

        used = direction != 0.0
        size = float(np.max(np.abs(self.rule.point[used]) / np.abs(direction[used]), initial=1e-3))
        estimate = judge(sample(moved, 0.0, self.rule.precision, self.rule.epsilon, magnitude=size))
        verdict, low, high, why = judged(got, estimate, _SLACK * abs(got), 1e-8 * abs(got))
        row = int(np.flatnonzero(weights)[0]) if np.count_nonzero(weights) == 1 else -1
        name = self.rule.output_name(row) if row >= 0 else ""
        tolerance = estimate.error if math.isfinite(estimate.error) else 0.0
        return Finding(self.by(direction), name, 1, got, low, high, tolerance, ORACLE, verdict, why)

    def along(self, line: Line, row: int, verdict: Verdict, whose: str, output: str | None = None) -> Finding:
        """On a line."""
        got, slope, bound = (float(numbers[row]) for numbers in (line.got, line.slope, line.bound))
        if output is None:
            return self.named(line.direction, row, got, slope, bound, verdict, whose)
        return Finding(_DIRECTION, output, 1, got, slope, slope, bound, ORACLE, verdict, f"by {whose}")

    def named(
        self, direction: Array, row: int, got: float, slope: float, bound: float, verdict: Verdict, whose: str
    ) -> Finding:
        """On one output, by one number if it is one."""
        places = np.flatnonzero(direction)
        if len(places) == 1:
            got, slope, bound = (number / float(direction[places[0]]) for number in (got, slope, bound))
        name = self.rule.output_name(row)
        return Finding(self.by(direction), name, 1, got, slope, slope, abs(bound), ORACLE, verdict, f"by {whose}")

    def by(self, direction: Array) -> str:
        """Return what a direction is called."""
        places = np.flatnonzero(direction)
        return self.rule.argument_name(int(places[0])) if len(places) == 1 else _DIRECTION

    def signs(self, count: int) -> Array:
        """Random ones."""
        return np.array([self.rng.choice((-1.0, 1.0)) for _ in range(count)])

    def forward_product(self, direction: Array) -> Array:
        """J·v as a vector."""
        made = self.rule.arguments(direction)
        tangents = tuple(made[i] for i in self.rule.argnums)
        result = self.called("jvp", self.jvp, tangents[0] if len(tangents) == 1 else tangents)
        return _flat(result, self.result, "the result of jvp", "the result of f")

    def backward_product(self, weights: Array) -> Array:
        """uᵀ·J as a vector."""
        leaves, rebuild = leaves_of(self.result, "the result of f")
        ends = np.cumsum([leaf.values.size for leaf in leaves])[:-1]
        parts = np.split(weights, ends)
        cotangent = rebuild(
            iter([leaf.make(part.reshape(leaf.values.shape)) for leaf, part in zip(leaves, parts, strict=True)])
        )
        result = self.called("vjp", self.vjp, cotangent)
        args = tuple(self.rule.args[i] for i in self.rule.argnums)
        single = len(args) == 1
        if single and isinstance(result, tuple) and len(result) == 1 and not isinstance(args[0], tuple):
            result = result[0]
        return _flat(result, args[0] if single else args, "the result of vjp", "what it is differentiated by")

    def called(self, name: str, product: Callable[..., Any] | None, vector: Any) -> Any:
        """Its result."""
        assert product is not None
        try:
            result = product(*self.rule.arguments(self.rule.point), vector)
        except Exception as error:
            text = self.rule.call_text(self.rule.point, name)
            raise FunctionError(f"{text[:-1]}, ...) raises {type(error).__name__}: {error}") from error
        if result is None:
            raise FunctionError(f"{name} returns None; is a return statement missing?")
        return result


def _flat(part: Any, like: Any, what: str, other: str) -> Array:
    """Return the numbers of a structure, one after the other in the order of another."""
    found = [leaf_of(item, what, path) for path, item in parts_like(part, like, what, other)]
    shapes = [leaf.values.shape for leaf in leaves_of(like, other)[0]]
    for leaf, shape in zip(found, shapes, strict=True):
        if leaf.values.shape != shape:
            raise ValueError(f"{what}{leaf.path} has shape {leaf.values.shape}; {other} has {shape} there")
    return np.concatenate([leaf.values.ravel() for leaf in found])


def _wrong(found: Sequence[Finding]) -> bool:
    return any(finding.verdict is Verdict.WRONG for finding in found)
