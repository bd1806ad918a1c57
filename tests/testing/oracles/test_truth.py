"""The 60-digit truth, the arithmetics below it, and the noise that stands for rounding."""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

import tinygrad_lite as tg
from tinygrad_lite.testing.checks.reproducer import program_text
from tinygrad_lite.testing.oracles import dual, exact
from tinygrad_lite.testing.oracles.dual import Dual, Noisy, complex_arithmetic, float_arithmetic, mpmath_arithmetic
from tinygrad_lite.testing.oracles.recorded_steps import Program
from tinygrad_lite.testing.oracles.truth import Reference, slope_of
from tinygrad_lite.value import Value

ELEMENTARY = sorted(dual.DERIVATIVES)


def reference(f: Callable[..., Any], *point: float) -> Reference:
    leaves = [Value(x) for x in point]
    return Reference(Program([f(*leaves)], leaves), point)


def inside(name: str, x: float) -> float:
    """A point from 0.1 to 0.9 in the domain of an elementary function."""
    return 1.0 + x if name == "acosh" else x


@given(st.sampled_from(ELEMENTARY), st.floats(0.1, 0.9), st.integers(1, 3))
def test_nested_dual_numbers_give_derivatives_of_any_order(name: str, x: float, order: int) -> None:
    x = inside(name, x)
    with mp.workdps(60):
        m = mpmath_arithmetic()
        number: Any = mpf(x)
        for level in range(1, order + 1):
            number = Dual(number, mpf(1), level)
        found = slope_of(getattr(m, name)(number), order)
        expected = mpmath.diff(getattr(mpmath, name), mpf(x), order)
        assert abs(found - expected) <= mpf("1e-25") * (1 + abs(expected))


@given(st.sampled_from(ELEMENTARY), st.floats(0.1, 0.9))
def test_all_arithmetics_compute_the_same(name: str, x: float) -> None:
    x = inside(name, x)
    truth = float(getattr(mpmath_arithmetic(), name)(x))
    assert getattr(float_arithmetic(), name)(x) == pytest.approx(truth, rel=1e-14)
    assert abs(getattr(complex_arithmetic(), name)(complex(x)) - truth) <= 1e-14 * max(1.0, abs(truth))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda x: 1 / x, -0.25),
        (lambda x: x**3, 12.0),
        (lambda x: x**-0.5, -0.5 * 2.0**-1.5),
        (lambda x: 2.0**x, 4.0 * math.log(2.0)),
        (lambda x: x**x, 4.0 * (1.0 + math.log(2.0))),
        (lambda x: 3 - x, -1.0),
        (lambda x: x - 3, 1.0),
        (lambda x: -x, -1.0),
        (lambda x: +x, 1.0),
        (lambda x: abs(x - 5), -1.0),
        (lambda x: 3 * x / 4, 0.75),
        (lambda x: x if x > 1 and x >= 2 and not x < 2 and x <= 2 and x else -x, 1.0),
        (lambda x: int(x) * x, 2.0),
    ],
)
@pytest.mark.parametrize("number", [float, mpf])
def test_operators_on_dual_numbers_follow_the_rules_of_calculus(
    expression: Callable[[Any], Any], expected: float, number: Any
) -> None:
    result = expression(Dual(number(2.0), number(1.0)))
    assert abs(result.slope - expected) < 1e-14
    assert "Dual(" in repr(result)


def test_what_does_not_move_asks_for_no_derivative_and_what_stands_still_just_here_has_none() -> None:
    """0 times infinity is 0 in sqrt(0·x), and 1, ±1 or infinite in cbrt(x³), sqrt(x²) and sqrt(sin(x)²·x)."""
    m = mpmath_arithmetic()
    x = Dual(mpf(0), mpf(1))
    for still in (Dual(mpf(0), 0), 0 * x, x * mpf(0), 0 / (1 + x), -(0 * x) + 0 * x, m.sin(0 * x)):
        assert m.sqrt(still).slope == 0
        assert m.cbrt(still).slope == 0
    for moving in (x, Dual(mpf(0), mpf(0)), x**3, x * x, m.sin(x) ** 2 * x):
        assert mp.isnan(m.sqrt(moving).slope)
        assert mp.isnan(m.cbrt(moving).slope)


def test_outside_the_domain_is_no_complex_number() -> None:
    m = mpmath_arithmetic()
    for call in (lambda: m.log(-1.0), lambda: m.pow(mpf(-8), mpf(1) / 3), lambda: m.sqrt(mpf(-1))):
        with pytest.raises(ValueError, match="outside the domain"):
            call()
    noisy = mpmath_arithmetic(random.Random(0))
    for call in (lambda: noisy.log(noisy.number(-1.0)), lambda: noisy.number(-8.0) ** 0.5):
        with pytest.raises(ValueError, match="outside the domain"):
            call()


# ----------------------------------------------------------------------------------------------- noise


def test_noise_is_of_the_size_of_some_roundings_and_exact_results_have_none() -> None:
    source = random.Random(1)
    x, y = Noisy(mpf(0.1), source), Noisy(mpf(3.0), source)
    for result, truth in (
        (x + y, 3.1), (x * y, 0.3), (x - y, -2.9), (y - x, 2.9), (y / x, 30.0), (1 / y, 1 / 3), (x**2, 0.01),
        (2**x, 2**0.1), (0.5 - x, 0.4), (x / 7, 0.1 / 7),
    ):  # fmt: skip
        off = abs(result.number / mpf(truth) - 1)
        assert 2.0**-53 < off < 40 * 2.0**-53
    assert (y + 2.0).number == 5
    assert (y * 4.0).number == 12
    assert (x * 1.0).number == mpf(0.1)
    assert (x + 0.0).number == mpf(0.1)
    assert (x - x).number == 0
    assert abs(-y).number == 3
    assert int(y) == 3
    assert (+y) is y
    assert "Noisy" in repr(y)
    tiny = Noisy(mpf(1e-300), source) * 1e-10
    assert abs(tiny.number - mpf("1e-310")) >= mpf(5e-324)
    assert x.__add__("a") is NotImplemented
    assert x.__sub__("a") is NotImplemented


@given(st.floats(-3.0, 3.0), st.floats(0.1, 3.0))
def test_the_tolerance_covers_the_error_of_floats_and_is_not_much_more(x: float, y: float) -> None:
    def f(x: Any, y: Any) -> Any:
        return tg.tanh(x * y) * tg.exp(x) / (1.0 + y * y)

    leaves = [Value(x), Value(y)]
    f(*leaves).backward()
    found = reference(f, x, y)
    for i, leaf in enumerate(leaves):
        truth = found.derivatives([((i, 1.0),)])[0]
        assert abs(mpf(leaf.grad) - truth.low) <= truth.tolerance
        assert truth.tolerance <= mpf("1e-11") * (1 + abs(truth.low))


# ----------------------------------------------------------------------------------------------- kinks


@pytest.mark.parametrize(
    ("f", "point", "low", "high"),
    [
        (tg.relu, [0.0], 0, 1),
        (abs, [0.0], -1, 1),
        (lambda x: tg.leaky_relu(x, 0.25), [0.0], 0.25, 1),
        (lambda x: tg.clamp(x, -1.0, 1.0), [1.0], 0, 1),
        (lambda x: x * tg.floor(x), [2.0], 1, 2),
        (lambda x: x * tg.ceil(x), [2.0], 2, 3),
        (lambda x: x * tg.sign(x), [0.0], -1, 1),
        (lambda x: tg.where(tg.greater(x, 1.0), 2.0 * x, 5.0 * x), [1.0], 2, 5),
        (lambda x: x % 3.0, [6.0], 1, 1),
        (lambda x: tg.relu(x * 3.0 - 0.3), [0.1], 0, 3),
        (lambda x: tg.relu(x) * tg.softsign(x) + tg.cbrt(x + 1.0), [0.0], 1 / 3, 1 / 3),
        (lambda x: tg.maximum(x, tg.maximum(2.0 * x, 3.0 * x)), [0.0], 1, 3),
    ],
)
def test_kinks_are_looked_at_from_both_sides(
    f: Callable[..., Any], point: list[float], low: float, high: float
) -> None:
    truth = reference(f, *point).derivatives([((0, 1.0),)])[0]
    assert (float(truth.low), float(truth.high)) == pytest.approx((low, high))


def test_many_kinks_at_once_are_looked_at_in_some_combinations() -> None:
    found = reference(lambda *xs: tg.sum([tg.relu(x) for x in xs]), *[0.0] * 8)
    assert len(found.undecided) == 8
    assert len(found.choices) == 27
    truth = found.derivatives([tuple((i, 1.0) for i in range(8))])[0]
    assert (truth.low, truth.high) == (0, 8)


@pytest.mark.parametrize(
    ("f", "x", "sides"),
    [
        (tg.sqrt, 0.0, (None, math.inf)),
        (tg.asin, 1.0, (math.inf, None)),
        (tg.acos, 1.0, (-math.inf, None)),
        (tg.cbrt, 0.0, (math.inf, math.inf)),
        (lambda x: tg.hypot(x, 0.0), 0.0, (-1.0, 1.0)),
        (lambda x: x**0.5, 0.0, (None, math.inf)),
    ],
)
def test_where_the_formula_has_no_derivative_there_may_be_one_sided_ones(
    f: Callable[..., Any], x: float, sides: tuple[float | None, float | None]
) -> None:
    truth = reference(f, x).derivatives([((0, 1.0),)])[0]
    assert truth.sides is not None
    assert [None if side is None else float(side) for side in truth.sides] == pytest.approx(list(sides))
    assert reference(f, x).derivatives([((0, 1.0),), ((0, 1.0),)])[0].sides == (None, None)


def test_digits_are_added_until_nothing_changes() -> None:
    truth = reference(lambda x: tg.sin(x * 1e200), 1e100).derivatives([((0, 1.0),)])[0]
    with mp.workdps(700):
        expected = mp.cos(mpf(1e100) * mpf(1e200)) * mpf(1e200)
        assert abs(truth.low - expected) < mpf("1e-20") * abs(expected)


def test_huge_and_tiny_operands_do_no_harm() -> None:
    for x in (1e300, -1e300, 1e-300, 5e-324):
        for f in (tg.erfc, tg.gelu, tg.sigmoid, tg.tanh, tg.atan):
            assert mp.isfinite(reference(f, x).derivatives([((0, 1.0),)])[0].low)


@pytest.mark.parametrize("digits", [15, 300])
@pytest.mark.parametrize("x", [-math.inf, -1e300, -1e20, -0.5, 0.0, 2.0, 2.0**70, 1e30 + 0.5, 1e200, math.inf])
def test_the_exponential_of_huge_numbers_is_mpmaths(x: float, digits: int) -> None:
    with mp.workdps(digits):
        found, expected = mpmath_arithmetic().exp(mpf(x)), mp.exp(mpf(x))
        assert found == expected or abs(found - expected) <= abs(expected) * mpf(2) ** (2 - mp.prec)
    assert mpmath.isnan(mpmath_arithmetic().exp(mpf("nan")))


# ------------------------------------------------------------------------------------------ definitions


def test_an_operation_without_a_formula_says_so() -> None:
    f = tg.define("gamma_log", math.lgamma, lambda m, x, z: x)
    with pytest.raises(exact.DefinitionError, match="gamma_log has no definition"):
        reference(f, 2.0)
    pole = tg.define("pole", lambda x: (x - 1.0) / (x - 1.0), lambda m, x, z: 0.0)
    exact.require_formula(tg.ops.find("pole"), [1.0])
    total = tg.define("total", lambda xs: xs[0] + xs[1], lambda m, xs, z: [1.0, 1.0], arity=-1)
    assert reference(lambda x, y: total([x, y * y]), 2.0, 3.0).derivatives([((1, 1.0),)])[0].low == 6
    assert pole(3.0) == 1.0


def test_long_programs_are_not_written_out() -> None:
    x = Value(1.0)
    y = x
    for _ in range(50):
        y = tg.sin(y)
    assert program_text(Program([y], [x]), ["x"], [1.0]) == ""


def test_code_has_a_name_for_what_is_shared_and_for_what_is_no_identifier() -> None:
    w, v = Value(0.5), Value(math.inf)
    t = tg.tanh(w)
    y = [t * t + (-w) ** 2.0, tg.atan(v), +w, tg.lookup([w, 2.0], 1), tg.dot([w], [-3.0], 1.0), tg.sum([w, w - 1.0])]
    text = program_text(Program(y, [w, v]), ["w[0]", "v"], [0.5, math.inf])
    assert text.splitlines() == [
        "x0 = Value(0.5)",
        "v = Value(float('inf'))",
        "t1 = tanh(x0)",
        *[text.splitlines()[-1]],
    ]
    names: dict[str, Any] = dict(vars(tg))
    exec(text, names)
    assert [node.data for node in names["y"]] == [node.data for node in y]
    assert not cmath.isnan(names["y"][0].data)
