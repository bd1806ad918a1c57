"""check_gradients: it passes what is right, catches what is wrong, and says what it sees."""

from __future__ import annotations

import importlib.util
import itertools
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import nn
from tinygrad_lite.dispatch import record_operation
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing import DerivativeError, FunctionError, Verdict, check_gradients
from tinygrad_lite.testing.strategies import sampling
from tinygrad_lite.value import Value

ROOT = Path(__file__).resolve().parents[3]
OPS = [pytest.param(op, id=op.name) for op in TABLE.values()]


def load_benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("testers", ROOT / "benchmarks" / "testers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["testers"] = module
    spec.loader.exec_module(module)
    return module


testers = load_benchmark()


def verdict(f: Callable[..., Any], *args: Any, **options: Any) -> Verdict:
    return check_gradients(f, *args, raise_exception=False, shrink=False, **options).verdict


def rule(slope: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """x³, whose derivative is said to be slope(x)."""
    return tg.define("cubed", lambda x: x**3, lambda m, x, z: slope(x), **options)


# ---------------------------------------------------------------------------------- the tester is tested


@pytest.mark.parametrize("op", OPS)
def test_no_correct_rule_of_the_table_is_called_wrong_anywhere_in_its_domain(op: Op) -> None:
    for point in sampling.points(op, settings().max_examples // 8, seed=11):
        f, xs = testers.differentiated(op, lambda *xs: record_operation(op, list(xs)), point)
        report = check_gradients(f, *xs, raise_exception=False, shrink=False)
        assert report.verdict not in (Verdict.WRONG, Verdict.UNDECIDED), str(report)


@pytest.mark.parametrize("op", OPS)
def test_every_rule_of_the_table_that_is_off_by_a_thousandth_is_caught(op: Op) -> None:
    found = [mutant for mutant in testers.mutants(op) if mutant.kind == "0.1 % off"]
    passed, _ = testers.caught(testers.Ours(1), found, 200, 1)
    assert not passed


@pytest.mark.parametrize("name", ["tanh", "truediv", "pow", "gelu", "atan2", "clamp", "where", "logsumexp"])
def test_every_mistake_in_a_rule_is_caught(name: str) -> None:
    found = list(testers.mutants(TABLE[name]))
    assert {mutant.kind.split()[0] for mutant in found} >= {"0.1", "sign", "neighbour's"}
    passed, _ = testers.caught(testers.Ours(1), found, 200, 1)
    assert not passed


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", ["exp", "tanh", "mul", "atan2", "silu"])
def test_a_wrong_rule_is_caught_by_its_derivatives_of_higher_order_alone(name: str, order: int) -> None:
    op = TABLE[name]
    scaled = [testers.scaled(op, rule, 1.001) for rule in op.partials]
    wrong = testers.Ours(order).prepare(op, scaled)
    points = itertools.islice(testers.drawn(op, 20, seed=3), 20)
    linear_in_all = name == "mul" and order == 3
    assert any(order in wrong(point) for point in points) != linear_in_all


def test_relu_abs_and_maximum_are_right_at_and_near_their_kinks() -> None:
    assert not testers.false_alarms(testers.Ours(2), testers.kinks())


# --------------------------------------------------------------------------------------- the verdicts


@pytest.mark.parametrize(
    ("f", "args", "expected"),
    [
        (lambda x, y: tg.tanh(x * y), (0.5, 2.0), Verdict.CORRECT),
        (tg.relu, (0.0,), Verdict.KINK),
        (abs, (0.0,), Verdict.KINK),
        (tg.maximum, (2.0, 2.0), Verdict.KINK),
        (lambda x: tg.floor(x) * x, (2.0,), Verdict.JUMP),
        (tg.floor, (2.0,), Verdict.JUMP),
        (lambda x: tg.relu(x * x), (1.0,), Verdict.CORRECT),
        (lambda x: tg.relu(x) - tg.relu(-x), (0.0,), Verdict.KINK),
        (tg.sqrt, (0.0,), Verdict.DOMAIN_EDGE),
        (tg.asin, (1.0,), Verdict.DOMAIN_EDGE),
        (tg.acosh, (1.0,), Verdict.DOMAIN_EDGE),
        (lambda x: x**1.5, (0.0,), Verdict.DOMAIN_EDGE),
        (tg.cbrt, (0.0,), Verdict.DOMAIN_EDGE),
        (lambda x: x**2, (0.0,), Verdict.CORRECT),
        (lambda x: x**2, (-3.0,), Verdict.CORRECT),
        (lambda x: 1 / x, (1e-200,), Verdict.NON_FINITE),
        (lambda x: (x * 1e-300) * 1e-300 * 1e300 * 1e300, (1.0,), Verdict.NON_FINITE),
        (lambda x: x * math.inf, (1.0,), Verdict.NON_FINITE),
        (lambda x: 2 * x if x > 0 else 3 * x, (0.0,), Verdict.KINK),
        (lambda x: 2 * x if x > 0 else 3 * x, (1.0,), Verdict.CORRECT),
        (lambda x: 3.0, (1.0,), Verdict.CORRECT),
    ],
)
def test_each_situation_has_its_verdict(f: Callable[..., Any], args: tuple[float, ...], expected: Verdict) -> None:
    assert verdict(f, *args) is expected


def root(partial: float) -> Any:
    """sqrt with a rule of ours."""
    return tg.define("root", math.sqrt, lambda m, x, z: partial / z, definition=lambda m, x: m.sqrt(x))


def cube_root(partial: float) -> Any:
    return tg.define(
        "cube_root",
        lambda x: math.copysign(abs(x) ** (1 / 3), x),
        lambda m, x, z: partial / (z * z),
        definition=lambda m, x: m.cbrt(x),
    )


def norm(x: Any, y: Any) -> Any:
    return tg.sqrt(x * x + y * y)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x: tg.sqrt(x) ** 2, (0.0,)),
        (lambda x: tg.cbrt(x**3), (0.0,)),
        (lambda x: tg.cbrt(x) ** 3 + x, (0.0,)),
        (lambda x: tg.cos(tg.sqrt(x)), (0.0,)),
        (lambda x: tg.acos(x) ** 2, (1.0,)),
        (lambda x: tg.sqrt(x**4), (0.0,)),
        (lambda x: tg.hypot(x, 0.0) ** 2, (0.0,)),
        (lambda x, y: norm(x, y) ** 2 + x, (0.0, 0.0)),
        (lambda x, y: tg.cos(norm(x, y)), (0.0, 0.0)),
        (lambda x, y: tg.cbrt((x + 2.0 * y) ** 3), (0.0, 0.0)),
    ],
)
def test_where_the_chain_rule_meets_0_times_infinity_the_truth_is_the_limit(
    f: Callable[..., Any], args: tuple[float, ...], order: int
) -> None:
    assert verdict(f, *args, order=order) is Verdict.CORRECT


@pytest.mark.parametrize(
    ("f", "truth"),
    [
        (lambda x: root(0.55)(x) ** 2, 1.0),
        (lambda x: cube_root(0.34)(x**3), 1.0),
        (lambda x: cube_root(0.34)(x) ** 3, 1.0),
        (lambda x: tg.cos(root(0.5005)(x)), -0.5),
    ],
)
def test_a_wrong_rule_is_found_where_the_chain_rule_meets_0_times_infinity(f: Any, truth: float) -> None:
    report = check_gradients(f, 0.0, order=1, raise_exception=False)
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert report.worst.expected == pytest.approx(truth, rel=1e-15)
    assert "limit" in report.reason


@pytest.mark.parametrize(
    ("f", "args", "expected"),
    [
        (lambda x: tg.sqrt(x**3), (0.0,), Verdict.DOMAIN_EDGE),  # the second derivative is infinite
        (lambda x: tg.sqrt(x * x), (0.0,), Verdict.NON_FINITE),
        (norm, (0.0, 0.0), Verdict.NON_FINITE),
        (lambda x, y: tg.sqrt(x * x + y), (0.0, 0.0), Verdict.NON_FINITE),
        (lambda x: tg.relu(x) - tg.relu(-x) + tg.cbrt(x**3), (0.0,), Verdict.UNDECIDED),  # 1 by convention; 2 beside
        (lambda x, y: tg.cbrt(x**3 + y**3), (0.0, 0.0), Verdict.UNDECIDED),  # of second order
    ],
)
def test_where_it_has_no_limit_no_truth_is_made_up(f: Any, args: tuple[float, ...], expected: Verdict) -> None:
    report = check_gradients(f, *args)
    assert report.verdict is expected
    assert report.verdict is not Verdict.UNDECIDED or "0 times infinity" in report.reason


def test_hypot_is_a_cone_at_the_origin() -> None:
    report = check_gradients(tg.hypot, 0.0, 0.0, order=1)
    assert report.verdict is Verdict.KINK
    assert (report.findings[0].low, report.findings[0].high) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("slope", "expected"),
    [
        (0.0, Verdict.KINK),
        (0.5, Verdict.KINK),
        (1.0, Verdict.KINK),
        (1.01, Verdict.WRONG),
        (-0.01, Verdict.WRONG),
        (7.0, Verdict.WRONG),
    ],
)
def test_at_a_kink_a_convention_lies_between_the_one_sided_derivatives(slope: float, expected: Verdict) -> None:
    relu = tg.define(
        "relu_with_a_convention",
        TABLE["relu"].forward,
        lambda m, x, z: m.where(m.equal(x, 0.0), slope, m.greater(x, 0.0)),
        definition=TABLE["relu"].definition,
        kink=TABLE["relu"].kink,
    )
    assert verdict(relu, 0.0, order=1) is expected
    assert verdict(relu, 1e-12, order=1) is Verdict.CORRECT


@given(st.floats(-3e-9, 3e-9), st.sampled_from([0.0, 1.0, 1e5]))
def test_two_kinks_close_together_hide_nothing(x: float, centre: float) -> None:
    def hat(factor: float) -> Callable[[Value], Value]:
        return lambda v: factor * (tg.relu(v - (centre - 1e-9)) - tg.relu(v - (centre + 1e-9)))

    wrong = tg.define("off", lambda v: v, lambda m, v, z: 1.001)
    assert verdict(hat(1.0), centre + x, order=1) in (Verdict.CORRECT, Verdict.KINK)
    inside = centre - 1e-9 < centre + x < centre + 1e-9
    if inside and abs(x) < 0.9e-9 and centre == 0.0:
        assert verdict(lambda v: hat(1.0)(wrong(v)), centre + x, order=1) is Verdict.WRONG


def test_a_rule_that_loses_digits_is_right_and_said_to_lose_them() -> None:
    tanh = tg.define("rough_tanh", math.tanh, lambda m, x, z: 1.0 - z * z, definition=lambda m, x: m.tanh(x))
    report = check_gradients(tanh, 15.0, order=1)
    assert report.verdict is Verdict.CORRECT
    assert any("loses digits" in finding.reason for finding in report.findings)
    assert verdict(tg.tanh, 15.0) is Verdict.CORRECT


# ------------------------------------------------------------------------- what the graph does not show


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * x.data,
        lambda x: Value(x.data**2),
        lambda x: x.data**2,
        lambda x: x * x.detach(),
        lambda x: math.sin(x.data) + x,
    ],
)
def test_a_number_that_left_the_graph_is_found(f: Callable[[Value], Any]) -> None:
    report = check_gradients(f, 0.7, raise_exception=False)
    assert report.verdict is Verdict.WRONG
    assert "outside the graph" in report.reason


def test_a_shift_by_a_detached_maximum_is_no_mistake() -> None:
    def logsumexp(x: Value, y: Value) -> Value:
        m = max(x.data, y.data)
        return tg.log(tg.exp(x - m) + tg.exp(y - m)) + m

    assert verdict(logsumexp, 0.7, 3.0) is Verdict.CORRECT


# ------------------------------------------------------------------------------------------- the report


def test_the_report_is_the_whole_story() -> None:
    wrong = rule(lambda x: 3.003 * x**2)

    def model(x: Value, y: list[Value]) -> list[Value]:
        return [x * y[1], tg.exp(wrong(y[0]) * x)]

    with pytest.raises(DerivativeError) as error:
        check_gradients(model, 0.7123, [0.3071, 2.0], order=1)
    report = error.value.report
    worst = report.worst
    assert worst is not None
    assert isinstance(error.value, AssertionError)
    assert report.verdict is Verdict.WRONG
    assert (worst.argument, worst.output, worst.order) == ("y[0]", "[1]", 1)
    assert (report.point, report.given) == ("1.0, [1.0, 0.0]", "0.7123, [0.3071, 2.0]")
    assert worst.relative == pytest.approx(0.001, rel=1e-6)
    assert worst.ulps > 1e11
    assert worst.oracle == "mpmath, 60 digits"
    assert "cubed: ∂cubed/∂x at (1.0) is 3.0; its rule gives 3.003" in report.culprit
    text = str(error.value)
    for part in ("∂f[1]/∂y[0] of model at 1.0, [1.0, 0.0]", "0.1 %", "seed", "finite", report.call, "you gave"):
        assert part in text


def test_a_report_fits_on_a_line_where_an_interpreter_shows_it() -> None:
    assert repr(check_gradients(tg.tanh, 0.3, order=1)) == "<smooth and correct: tanh at 0.3, 2 findings>"


def test_the_code_of_a_report_gives_the_function_again() -> None:
    def f(x: Value, y: Value) -> Value:
        t = tg.tanh(x * y - 3.0)
        return t * t + tg.dot([t, 2.0], [x, -1.5], y) ** 2 + tg.softmax([x, t])[1] + (-x) * abs(y) + tg.sum([x, y, t])

    report = check_gradients(f, 0.5, -2.0)
    names: dict[str, Any] = dict(vars(tg))
    exec(report.code, names)
    assert names["y"].data == f(Value(0.5), Value(-2.0)).data


def test_the_call_of_a_report_shows_the_same_again() -> None:
    f = rule(lambda x: 2.9 * x**2)
    report = check_gradients(f, 3.17, raise_exception=False)
    again = eval(
        report.call, {"check_gradients": lambda *a, **k: check_gradients(*a, raise_exception=False, **k), "cubed": f}
    )
    assert again.point == report.point
    assert again.worst == report.worst


def test_the_same_seed_draws_the_same() -> None:
    f = rule(lambda x: 3.0 * x**2 if abs(x) < 2.0 else 0.0)
    reports = [check_gradients(f, 1.0, examples=30, seed=seed, raise_exception=False) for seed in (4, 4)]
    assert str(reports[0]) == str(reports[1])
    assert reports[0].verdict is Verdict.WRONG


def test_more_examples_look_further() -> None:
    f = rule(lambda x: 3.0 * x**2 if abs(getattr(x, "data", x)) < 2.0 else 0.0 * x)
    assert verdict(f, 1.0, order=1) is Verdict.CORRECT
    assert verdict(f, 1.0, order=1, examples=50) is Verdict.WRONG


def test_points_are_drawn_from_strategies_and_shrunk() -> None:
    f = rule(lambda x: 3.0 * x**2 if getattr(x, "data", x) < 2.5 else 0.0 * x)
    with pytest.raises(DerivativeError) as error:
        check_gradients(f, st.floats(-100.0, 100.0), order=1, examples=100)
    assert error.value.report.point == "3.0"
    report = check_gradients(lambda x, y: tg.log(x) * y, st.floats(-5.0, 5.0), 2.0, order=1, examples=40)
    assert report.verdict in (Verdict.CORRECT, Verdict.NON_FINITE)
    assert report.skipped > 0


def test_points_outside_the_domain_are_skipped_and_counted() -> None:
    report = check_gradients(lambda x: tg.sqrt(x - 0.9), 1.0, order=1, examples=30)
    assert report.skipped > 0


# ------------------------------------------------------------------------------------ arguments and outputs


def test_arguments_are_named_as_in_the_signature() -> None:
    def f(weights: Any, table: Any, *rest: Any) -> Any:
        return weights[1, 0] * table["b"][0] + rest[0]

    report = check_gradients(f, np.ones((2, 2)), {"a": 1.0, "b": (2.0,)}, 3.0, order=1)
    names = {finding.argument for finding in report.findings}
    assert names == {f"weights[{i}][{j}]" for i in range(2) for j in range(2)} | {
        "table['a']",
        "table['b'][0]",
        "args[2]",
    }
    assert set(report.unused) == {"weights[0][0]", "weights[0][1]", "weights[1][1]", "table['a']"}
    assert "f does not depend on" in str(report)


def test_all_outputs_are_checked() -> None:
    wrong = rule(lambda x: 2.9 * x**2)
    report = check_gradients(lambda x: {"good": x * x, "bad": [1.0, wrong(x)]}, 1.3, order=1, raise_exception=False)
    assert {f.output for f in report.findings if f.verdict is Verdict.WRONG} == {"['bad'][1]"}


def test_a_module_is_differentiated_in_place_and_left_as_it_was() -> None:
    model = nn.MLP(2, [3, 1], activation="tanh", seed=0)
    before = [(p.data, p.grad, p.label) for p in model.parameters()]
    loss = model([1.0, 0.5]) ** 2
    report = check_gradients(lambda model, x: model(x) ** 2, model, [1.0, 0.5], examples=3)
    assert report.verdict is Verdict.CORRECT
    assert "model.layers.0.neurons.0.w.0" in {finding.argument for finding in report.findings}
    assert [(p.data, p.grad, p.label) for p in model.parameters()] == before
    loss.backward()  # and a graph that was there before is not stale


def test_values_are_differentiated_in_place_so_that_a_closure_may_hold_them() -> None:
    w = Value(0.3, label="w")
    report = check_gradients(lambda w_: tg.sin(w) * 2.0, w, order=1)
    assert [finding.argument for finding in report.findings] == ["w", "w"]
    assert report.findings[0].got == pytest.approx(2.0 * math.cos(0.3))
    assert w.grad == 0.0


def test_grads_of_values_that_are_closed_over_are_left_alone() -> None:
    w = Value(2.0)
    w.grad = 5.0
    check_gradients(lambda x: x * w, 3.0)
    assert w.grad == 5.0


def test_of_very_many_inputs_a_random_direction_sees_them_all() -> None:
    n = 60
    wrong = rule(lambda x: 3.003 * x**2)
    report = check_gradients(
        lambda xs: tg.sum([wrong(x) if i == 37 else x**3 for i, x in enumerate(xs)]),
        [0.5 + i / n for i in range(n)],
        order=1,
        raise_exception=False,
        shrink=False,
    )
    assert report.verdict is Verdict.WRONG


def test_what_is_no_number_is_passed_on() -> None:
    f = lambda name, x, function: function(x) if name == "sin" else x  # noqa: E731
    assert verdict(f, "sin", 0.5, tg.sin) is Verdict.CORRECT


# -------------------------------------------------------------------------------- rules without a formula


def test_a_rule_on_a_float_function_alone_is_checked_by_finite_differences() -> None:
    right = tg.define("lgamma", math.lgamma, lambda m, x, z: digamma(m, x))
    wrong = tg.define("lgamma_off", math.lgamma, lambda m, x, z: 1.001 * digamma(m, x))
    assert verdict(right, 3.2, order=1) is Verdict.CORRECT
    report = check_gradients(wrong, 3.2, order=1, raise_exception=False)
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert report.worst.oracle == "finite difference"
    assert report.worst.relative == pytest.approx(0.001, rel=0.01)
    assert report.call == f"check_gradients({wrong.__name__}, {report.point}, order=1, seed=0)"


def digamma(m: Any, x: Any) -> Any:
    """ψ(x) by its recurrence and asymptotic series (Abramowitz & Stegun 1964, 6.3.5 and 6.3.18)."""
    total = 0.0
    for _ in range(8):
        total = total - 1.0 / x
        x = x + 1.0
    y = 1.0 / (x * x)
    return total + m.log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y / 240)))


# --------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("f", "args", "error", "message"),
    [
        (lambda x: None, (0.7,), TypeError, r"f\(0\.7\) returns nothing"),
        (lambda x: "a", (0.7,), TypeError, r"the result of f\(0\.7\) is a str, 'a'"),
        (lambda x: [], (0.7,), TypeError, "empty list"),
        (lambda x: tg.log(x), (-0.7,), FunctionError, r"f\(-0\.7\) raises ValueError: log.*math domain error"),
        (lambda x: {}["key"], (1.0,), FunctionError, "raises KeyError: 'key'"),
        (lambda x: x * random.random(), (1.0,), FunctionError, "the first time and .* the second"),
        (lambda s: 1.0, ("a",), TypeError, "nothing to differentiate f by"),
        (lambda: 1.0, (), TypeError, "nothing to differentiate f by"),
        (3.0, (1.0,), TypeError, "takes a function first, not float 3.0"),
        (lambda x: x, (object(),), TypeError, "argument x is a object"),
    ],
)
def test_bad_input_is_named_with_the_call_that_showed_it(
    f: Any, args: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_gradients(f, *args)


def test_a_function_that_changes_its_arguments_is_named() -> None:
    def doubling(xs: list[Value]) -> Value:
        xs[0] = xs[0] * 2
        return xs[0]

    def setting(w: Value) -> Value:
        y = w * w
        w.data = 5.0
        return y

    with pytest.raises(FunctionError, match=r"doubling\(\[1\.0, 2\.0\]\) changes its argument 0 in place"):
        check_gradients(doubling, [1.0, 2.0])
    w = Value(3.0)
    with pytest.raises(FunctionError, match=r"changes the data of w, from 3\.0 to 5\.0"):
        check_gradients(setting, w)
    assert w.data == 3.0


def test_a_function_whose_outputs_change_their_shape_is_named() -> None:
    calls = itertools.count()
    with pytest.raises(FunctionError, match="returns the shape"):
        check_gradients(lambda x: [x] * (1 + next(calls)), 1.0)


def test_a_function_that_records_another_graph_each_time_is_named() -> None:
    calls = itertools.count()
    with pytest.raises(FunctionError, match="records another graph"):
        check_gradients(lambda x: x + 0.0 if next(calls) % 2 else 0.0 + x, 1.0)


def test_an_interior_node_is_no_argument() -> None:
    with pytest.raises(TypeError, match="the result of mul: a derivative is checked by leaves"):
        check_gradients(lambda x: x, Value(2.0) * 3.0)


@pytest.mark.parametrize("options", [{"order": 0}, {"order": 1.5}, {"examples": 0}])
def test_counts_are_whole_numbers_of_at_least_one(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is a whole number of at least 1"):
        check_gradients(tg.sin, 1.0, **options)


def test_a_rule_that_raises_is_a_wrong_rule() -> None:
    def broken(m: Any, x: Any, z: Any) -> Any:
        raise KeyError("oops")

    f = tg.define("broken", lambda x: x**3, broken)
    report = check_gradients(f, 2.0, raise_exception=False)
    assert report.verdict is Verdict.WRONG
    assert "raises KeyError" in report.reason


def test_a_rule_that_gives_nan_is_wrong_and_its_operation_named() -> None:
    f = rule(lambda x: x * math.inf - x * math.inf)
    report = check_gradients(lambda x: tg.sin(f(x)), 2.0, raise_exception=False)
    assert report.verdict is Verdict.WRONG
    assert "cubed" in report.culprit


def test_a_float_function_that_computes_something_else_than_its_definition_is_found() -> None:
    f = tg.define("off", lambda x: 1.001 * math.sin(x), lambda m, x, z: m.cos(x), definition=lambda m, x: m.sin(x))
    report = check_gradients(f, 0.5, raise_exception=False)
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    assert report.worst.order == 0
    assert str(report).startswith("wrong: f of off at ")


def test_frozen_parameters_are_held_fixed() -> None:
    from tinygrad_lite.nn import Linear

    layer = Linear(2, 1, generator=0)
    layer.weight[0][0].requires_grad = False
    check_gradients(lambda model, x: model([x, 2.0])[0], layer, 0.5)  # raises where a derivative is wrong
    assert layer.weight[0][0].is_constant


def test_reports_and_errors_are_short_whatever_the_number_of_inputs() -> None:
    numbers = [1.0 + k / 1000 for k in range(1000)]
    report = check_gradients(lambda v: 1.1 * v[0], numbers, order=1)
    assert len(report.unused) == 999
    assert "and 991 more" in str(report)
    assert len(str(report)) < 2000
    with pytest.raises(ValueError, match="raises KeyError") as caught:
        check_gradients(lambda v: {}[0], numbers)
    assert len(str(caught.value)) < 1000
