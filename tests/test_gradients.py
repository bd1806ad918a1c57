"""Gradients of random expressions over the whole table, of first and second order, against dual numbers in mpmath."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite.dispatch import record_operation
from tinygrad_lite.operation import NARY
from tinygrad_lite.ops import TABLE
from tinygrad_lite.testing import exact as reference
from tinygrad_lite.testing.dual import Dual, mp, mpf
from tinygrad_lite.value import Value

#: Without jumps, and without poles on the line: one step of a program is one of these, or an n-ary one.
UNARY = [
    "neg", "pos", "abs", "exp", "expm1", "sin", "cos", "atan", "sinh", "cosh", "tanh", "asinh", "erf", "erfc",
    "sigmoid", "logsigmoid", "softplus", "relu", "selu", "gelu", "silu", "softsign",
]  # fmt: skip
BINARY = ["add", "sub", "mul", "truediv", "atan2", "hypot", "maximum", "minimum", "leaky_relu", "elu"]
SEQUENCES = ["sum", "mean", "prod", "logsumexp", "softmax", "dot", "lookup"]

Step = tuple[str, list[int]]
operand_numbers = st.lists(st.integers(0, 50), min_size=5, max_size=5)
programs = st.lists(st.tuples(st.sampled_from(UNARY + 2 * BINARY + SEQUENCES), operand_numbers), min_size=1, max_size=7)
inputs = st.lists(st.floats(-2.0, 2.0).filter(lambda x: abs(x) > 1e-3), min_size=2, max_size=3)


def run(program: list[Step], xs: list[Any], apply: Callable[[str, list[Any]], Any]) -> Any:
    """The program on numbers of any kind: each step's operands are earlier results, shared as they come."""
    results = list(xs)
    for name, choices in program:
        chosen = [results[-1], *(results[choice % len(results)] for choice in choices)]
        if name in UNARY:
            chosen = chosen[:1]
        elif name in BINARY:
            chosen = chosen[:2]
        elif name == "dot":
            chosen = chosen[:5]
        elif name in ("softmax", "lookup"):
            chosen = [*chosen[:3], float(choices[4] % 3)]
        else:
            chosen = chosen[:3]
        results.append(apply(name, chosen))
    return results[-1]


def on_values(name: str, operands: list[Any]) -> Any:
    if name == "dot":
        return tg.dot(operands[:2], operands[2:4], operands[4])
    if name == "softmax":
        return tg.softmax(operands[:-1])[int(operands[-1])]
    return record_operation(TABLE[name], operands)


def on_duals(name: str, operands: list[Any]) -> Any:
    """By the textbook definition; sums and products of a sequence are written out."""
    if name in ("sum", "mean"):
        total = operands[0] + operands[1] + operands[2]
        return total / 3 if name == "mean" else total
    if name == "prod":
        return operands[0] * operands[1] * operands[2]
    if name == "logsumexp":
        return reference.ARITHMETIC.log(sum((reference.ARITHMETIC.exp(x) for x in operands), mpf(0)))
    if name == "softmax":
        exponentials = [reference.ARITHMETIC.exp(x) for x in operands[:-1]]
        return exponentials[int(operands[-1])] / sum(exponentials, mpf(0))
    return reference.value(TABLE[name], operands)


def away_from_kinks(program: list[Step], xs: list[float]) -> bool:
    """Whether the program has moderate values, and no operand is near a kink, where rounding decides the branch."""

    def apply(name: str, operands: list[Any]) -> Any:
        op = TABLE[name]
        data = [float(x) for x in operands]
        if (
            name in ("abs", "relu", "selu", "leaky_relu", "elu", "softsign", "truediv")
            and abs(data[op.arity - 1]) < 1e-3
        ):
            raise ArithmeticError
        if name in ("leaky_relu", "elu") and abs(data[0]) < 1e-3:
            raise ArithmeticError
        if (
            name in ("maximum", "minimum", "atan2", "hypot")
            and abs(abs(data[0]) - abs(data[1])) + (0 if name in ("maximum", "minimum") else abs(data[0])) < 1e-3
        ):
            raise ArithmeticError
        if name in ("maximum", "minimum") and abs(data[0] - data[1]) < 1e-3:
            raise ArithmeticError
        if name == "atan2" and abs(data[0]) < 1e-3:
            raise ArithmeticError
        result = op.forward(data) if op.arity == NARY else op.forward(*data)
        if not abs(result) < 30.0:
            raise ArithmeticError
        return result

    try:
        run(program, list(xs), apply)
    except (ArithmeticError, ValueError):
        return False
    return True


def true_gradient(program: list[Step], xs: list[float]) -> list[Any]:
    with mp.workdps(60):
        slopes = []
        for k in range(len(xs)):
            duals: list[Any] = [mpf(x) for x in xs]
            duals[k] = Dual(duals[k], mpf(1))
            result = run(program, duals, on_duals)
            slopes.append(result.slope if isinstance(result, Dual) else mpf(0))
        return slopes


def true_second(program: list[Step], xs: list[float], i: int, j: int) -> Any:
    with mp.workdps(60):
        duals: list[Any] = [mpf(x) for x in xs]
        duals[i] = Dual(duals[i], mpf(1), level=1)
        duals[j] = Dual(duals[j], mpf(1), level=2)
        result = run(program, duals, on_duals)
        outer = result.slope if isinstance(result, Dual) and result.level == 2 else 0
        return mpf(outer.slope) if isinstance(outer, Dual) else mpf(0)


def scale(node: Value) -> float:
    """The sum of the absolute contributions to the gradients: rounding errors are a few ulp of it."""
    sizes = {id(node): 1.0}
    largest = 1.0
    for inner in tg.topological_order(node):
        for parent, partial in zip(inner.parents, inner.partials, strict=True):
            sizes[id(parent)] = sizes.get(id(parent), 0.0) + sizes[id(inner)] * abs(partial)
            largest = max(largest, sizes[id(parent)] * max(1.0, abs(parent.data)), sizes[id(parent)])
    return largest


@given(programs, inputs)
def test_gradients_are_the_oracles(program: list[Step], xs: list[float]) -> None:
    assume(away_from_kinks(program, xs))
    leaves = [Value(x) for x in xs]
    y = run(program, leaves, on_values)
    y.backward()
    # What rounding of intermediate results does to a gradient is bounded by first and second derivatives.
    tolerance = 1e-10 * scale(y) ** 2
    assume(tolerance < 1e-4)
    for leaf, truth in zip(leaves, true_gradient(program, xs), strict=True):
        assert leaf.grad == pytest.approx(float(truth), rel=1e-9, abs=tolerance)


@given(programs, inputs)
def test_forward_mode_is_reverse_mode(program: list[Step], xs: list[float]) -> None:
    assume(away_from_kinks(program, xs))

    def f(*leaves: Any) -> Any:
        return run(program, list(leaves), on_values)

    gradient = tg.grad(f, tuple(range(len(xs))))(*xs)
    for k in range(len(xs)):
        directional = tg.jvp(f, xs, [float(i == k) for i in range(len(xs))])[1]
        assert directional == pytest.approx(gradient[k], rel=1e-9, abs=1e-9 * max(1.0, *map(abs, gradient)))


@given(programs, inputs)
def test_second_derivatives_are_the_oracles(program: list[Step], xs: list[float]) -> None:
    assume(away_from_kinks(program, xs))
    leaves = [Value(x) for x in xs]
    y = run(program, leaves, on_values)
    tolerance = 1e-10 * scale(y) ** 3
    assume(tolerance < 1e-3)
    slopes = tg.gradient(y, leaves, create_graph=True)
    for i, slope in enumerate(slopes):
        for j, second in enumerate(tg.gradient(slope, leaves)):
            truth = float(true_second(program, xs, i, j))
            assert math.isfinite(second)
            assert second == pytest.approx(truth, rel=1e-8, abs=tolerance), (i, j)
