"""Where the chain rule meets 0·inf: in every way to differentiate the limit, or nan, and never a wrong number."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

import tinygrad_lite as tg
from tinygrad_lite import Value, grad, gradient, hessian, hvp, jacobian, jvp, value_and_grad
from tinygrad_lite.errors import AnomalyError
from tinygrad_lite.limits import limits, series
from tinygrad_lite.node.evaluation import local_derivatives
from tinygrad_lite.node.state import STATE
from tinygrad_lite.operations.ops import TABLE

INF, NAN = math.inf, math.nan


def in_every_way(f: Callable[[Any], Any], x: float) -> list[float]:
    """The derivative by each way that there is."""
    leaf = Value(x)
    f(leaf).backward()
    recorded = Value(x)
    traced = Value(x)
    return [
        leaf.grad,
        gradient(f(recorded), recorded),
        gradient(f(recorded), recorded, create_graph=True).data,
        grad(f)(x),
        grad(f)(traced).data,
        value_and_grad(f)(x)[1],
        jacobian(f)(x),
        jacobian(lambda v: [f(v[0])])([x])[0][0],
        jvp(f, (x,), (1.0,))[1],
        jvp(f, (traced,), (1.0,))[1].data,
    ]


def second_in_every_way(f: Callable[[Any], Any], x: float) -> list[float]:
    leaf = Value(x)
    gradient(f(leaf), leaf, create_graph=True).backward()
    return [
        leaf.grad,
        grad(grad(f))(x),
        hessian(f)(x),
        hvp(f)(x, 1.0),
        jvp(grad(f), (x,), (1.0,))[1],
        grad(lambda y: jvp(f, (y,), (1.0,))[1])(x),
        jvp(lambda y: jvp(f, (y,), (1.0,))[1], (x,), (1.0,))[1],
    ]


def same(xs: list[float], truth: float, rel: float = 1e-13) -> bool:
    if math.isnan(truth):
        return all(map(math.isnan, xs))
    return all(x == truth or math.isclose(x, truth, rel_tol=rel) for x in xs)


# f, the point, f' and f'' there: by expanding f in powers of the distance, by hand
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], float, float, float]] = {
    "x": (lambda x: tg.sqrt(x) ** 2, 0.0, 1.0, 0.0),
    "x, as a product": (lambda x: tg.sqrt(x) * tg.sqrt(x), 0.0, 1.0, 0.0),
    "x, as cbrt(x³)": (lambda x: tg.cbrt(x**3), 0.0, 1.0, 0.0),
    "x, as cbrt(x)³": (lambda x: tg.cbrt(x) ** 3, 0.0, 1.0, 0.0),
    "x, as (x^½)²": (lambda x: (x**0.5) ** 2, 0.0, 1.0, 0.0),
    "x² of a root": (lambda x: tg.sqrt(x**4), 0.0, 0.0, 2.0),
    "x^1.5": (lambda x: x**1.5, 0.0, 0.0, INF),
    "x^1.5 of a root": (lambda x: tg.sqrt(x**3), 0.0, 0.0, INF),
    "x^2.5": (lambda x: x**2.5, 0.0, 0.0, 0.0),
    "|x|, as a root of a product": (lambda x: tg.sqrt(x * x), 0.0, NAN, NAN),
    "|x|, as a root of a square": (lambda x: tg.sqrt(x**2), 0.0, NAN, NAN),
    "|x|²": (lambda x: abs(x) ** 2, 0.0, 0.0, 2.0),
    "|x|³": (lambda x: abs(x) ** 3, 0.0, 0.0, 0.0),
    "|x|": (abs, 0.0, 0.0, 0.0),
    "√|x|": (lambda x: tg.sqrt(abs(x)), 0.0, NAN, NAN),
    "√x": (tg.sqrt, 0.0, INF, -INF),
    "√x - √x": (lambda x: tg.sqrt(x) - tg.sqrt(x) + x, 0.0, 1.0, 0.0),
    "one node less itself": (lambda x: (lambda s: s - s + x)(tg.sqrt(x)), 0.0, 1.0, 0.0),
    "hypot² of one": (lambda x: tg.hypot(x, 0.0) ** 2, 0.0, 0.0, 2.0),
    "a Gaussian of hypot": (lambda x: tg.exp(-(tg.hypot(x, 0.0) ** 2)), 0.0, 0.0, -2.0),
    "cos √x": (lambda x: tg.cos(tg.sqrt(x)), 0.0, -1 / 2, 1 / 12),
    "cosh √x": (lambda x: tg.cosh(tg.sqrt(x)), 0.0, 1 / 2, 1 / 12),
    "acos²": (lambda x: tg.acos(x) ** 2, 1.0, -2.0, 2 / 3),
    "(π/2 - asin)²": (lambda x: (math.pi / 2 - tg.asin(x)) ** 2, 1.0, -2.0, 2 / 3),
    "acosh²": (lambda x: tg.acosh(x) ** 2, 1.0, 2.0, -2 / 3),
    "log1p(√x²)": (lambda x: tg.log1p(tg.sqrt(x) ** 2), 0.0, 1.0, -1.0),
    "softplus(|x|²)": (lambda x: tg.softplus(abs(x) ** 2), 0.0, 0.0, 1.0),
    "tanh(cbrt(x)³)": (lambda x: tg.tanh(tg.cbrt(x) ** 3), 0.0, 1.0, 0.0),
    "logsumexp of roots": (lambda x: tg.logsumexp([tg.sqrt(x) ** 2, 0.0]), 0.0, 0.5, 0.25),
    "softmax of roots": (lambda x: tg.softmax([tg.sqrt(x) ** 2, 0.0])[0], 0.0, 0.25, 0.0),
    "a product of many": (lambda x: tg.prod([tg.sqrt(x), tg.sqrt(x), x + 1.0]), 0.0, 1.0, 2.0),
    "a mean": (lambda x: tg.mean([tg.sqrt(x) ** 2, x]), 0.0, 1.0, 0.0),
    "a dot": (lambda x: tg.dot([tg.sqrt(x), x], [tg.sqrt(x), x], x), 0.0, 2.0, 2.0),
    "a table": (lambda x: tg.lookup([tg.sqrt(x) ** 2, x], 0), 0.0, 1.0, 0.0),
    "the greater, below a root": (lambda x: tg.sqrt(tg.maximum(tg.sqrt(x), -1.0)) ** 4, 0.0, 1.0, 0.0),
    "the greater of what moves": (lambda x: tg.sqrt(tg.maximum(tg.sqrt(x), x - 1.0)) ** 4, 0.0, 1.0, 0.0),
    "the greater of equals": (lambda x: tg.maximum(tg.sqrt(x) ** 2, -1.0), 0.0, 1.0, 0.0),
    "what is chosen": (lambda x: tg.where(tg.less(x, 1.0), tg.sqrt(x) ** 2, 0.0), 0.0, 1.0, 0.0),
    "sum with what is ordinary": (lambda x: tg.sqrt(x) ** 2 + 3.0 * x * x, 0.0, 1.0, 6.0),
    "beside a kink": (lambda x: tg.sqrt(x**4) + 0.5 * abs(x), 0.0, 0.0, 2.0),
    "a rest, x mod 1": (lambda x: tg.cbrt((x % 1.0 - 0.5) ** 3), 0.5, 1.0, 0.0),
    "an angle": (lambda x: tg.atan2(tg.sqrt(x) ** 2, tg.sqrt(x) ** 2 + 1.0), 0.0, 1.0, -2.0),
    "deep": (lambda x: tg.sqrt(tg.sqrt(tg.sqrt(x))) ** 8, 0.0, 1.0, 0.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_derivative_is_the_limit_in_every_way(name: str) -> None:
    f, x, first, _ = FUNCTIONS[name]
    found = in_every_way(f, x)
    assert same(found, first), found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_second_derivative_is_the_limit_in_every_way(name: str) -> None:
    f, x, _, second = FUNCTIONS[name]
    found = second_in_every_way(f, x)
    assert same(found, second), found


def norm(p: Any) -> Any:
    return np.linalg.norm(p)


# f of three numbers, the point, the gradient, the Hessian
ZERO, ONES = np.zeros(3), np.ones(3)
FIELDS: dict[str, tuple[Callable[[Any], Any], Any, Any, Any]] = {
    "norm²": (lambda p: norm(p) ** 2, ZERO, ZERO, 2.0 * np.eye(3)),
    "norm³": (lambda p: norm(p) ** 3, ZERO, ZERO, np.zeros((3, 3))),
    "norm⁴": (lambda p: norm(p) ** 4, ZERO, ZERO, np.zeros((3, 3))),
    "exp(-norm²)": (lambda p: tg.exp(-(norm(p) ** 2)), ZERO, ZERO, -2.0 * np.eye(3)),
    "a kernel of a point with itself": (lambda p: tg.exp(-(norm(p - ONES) ** 2)), ONES, ZERO, -2.0 * np.eye(3)),
    "cos(norm)": (lambda p: tg.cos(norm(p)), ZERO, ZERO, -np.eye(3)),
    "hypot of hypot, squared": (lambda p: tg.hypot(tg.hypot(p[0], p[1]), p[2]) ** 2, ZERO, ZERO, 2.0 * np.eye(3)),
    "a variance, as std²": (lambda p: np.std(p) ** 2, 2.0 * ONES, ZERO, 2 / 3 * (np.eye(3) - 1 / 3)),
    "a pendulum": (lambda p: 1.0 - tg.cos(tg.sqrt(p[0] * p[0] + p[1] * p[1])) + p[2], ZERO, [0.0, 0.0, 1.0],
                   np.diag([1.0, 1.0, 0.0])),
    "a product of roots": (lambda p: tg.sqrt(p[0]) ** 2 * tg.sqrt(p[1]) ** 2 + p[2], ZERO, [0.0, 0.0, 1.0],
                           np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])),
    "with an ordinary part": (lambda p: norm(p) ** 2 + tg.exp(p[0] * p[1]) + tg.sin(p[2]), ZERO, [0.0, 0.0, 1.0],
                              np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 2.0]])),
    "beside |p|₁": (lambda p: norm(p) ** 2 + np.abs(p).sum(), ZERO, ZERO, 2.0 * np.eye(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_gradients_and_hessians_at_a_norm_of_0(name: str) -> None:
    f, p, first, second = FIELDS[name]
    leaves = np.array([Value(x) for x in p])
    f(leaves).backward()
    v = np.array([1.0, -2.0, 0.5])
    assert np.allclose([leaf.grad for leaf in leaves], first, rtol=1e-13, atol=0)
    assert np.allclose(grad(f)(p), first, rtol=1e-13, atol=0)
    assert np.allclose(
        [x.data for x in gradient(f(leaves), list(leaves), create_graph=True)], first, rtol=1e-13, atol=0
    )
    assert np.isclose(jvp(f, (p,), (v,))[1], np.dot(first, v), rtol=1e-13)
    assert np.allclose(hessian(f)(p), second, rtol=1e-12, atol=0)
    assert np.allclose(hvp(f)(p, v), second @ v, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "f",
    [norm, lambda p: tg.exp(-norm(p)), lambda p: tg.softplus(norm(p)), lambda p: norm(p) + norm(p) ** 2],
    ids=["norm", "exp(-norm)", "softplus(norm)", "norm + norm²"],
)
def test_without_a_limit_it_is_nan_in_every_way(f: Any) -> None:
    p = np.zeros(2)
    leaves = [Value(0.0), Value(0.0)]
    f(np.array(leaves)).backward()
    assert all(math.isnan(leaf.grad) for leaf in leaves)
    assert np.isnan(grad(f)(p)).all()
    assert all(math.isnan(x.data) for x in gradient(f(np.array(leaves)), leaves, create_graph=True))
    assert math.isnan(jvp(f, (p,), (np.ones(2),))[1])
    assert np.isnan(hessian(f)(p)).all()


def test_a_kink_keeps_its_convention_and_its_curvature_is_not_made_up() -> None:
    f = lambda p: tg.hypot(p[0], p[1])  # noqa: E731
    assert grad(f)([0.0, 0.0]) == [0.0, 0.0]
    (xx, xy), (yx, yy) = hessian(f)([0.0, 0.0])
    assert np.isnan([xx, yy]).all()  # x/|x| jumps
    assert xy == yx == 0.0  # x/r is 0 on the whole other axis


def test_higher_derivatives_are_limits_too() -> None:
    assert grad(grad(grad(lambda x: tg.cos(tg.sqrt(x)))))(0.0) == pytest.approx(-1 / 120, rel=1e-12)
    assert grad(grad(grad(lambda x: x**2.5)))(0.0) == INF
    assert grad(grad(grad(lambda x: tg.sqrt(x) ** 2 * x)))(0.0) == 0.0


def test_what_is_not_chosen_passes_nothing_on() -> None:
    """A zero that is chosen is 0, whatever it meets: so does where guard a slope that is infinite."""
    root = lambda x: tg.where(tg.greater(x, 0.0), tg.sqrt(x), 0.0)  # noqa: E731
    for f, x in (
        (root, 0.0),
        (lambda x: tg.sqrt(tg.relu(x)), -1.0),
        (lambda x: tg.sqrt(tg.relu(x)), 0.0),
        (lambda x: tg.sqrt(tg.maximum(x, 0.0)), -1.0),
        (lambda x: tg.sqrt(tg.clamp(x, 0.0, 1.0)), -1.0),
        (lambda x: tg.lookup([tg.sqrt(x), 2.0], 1), 0.0),
        (lambda x: 0.0 * tg.sqrt(x), 0.0),
        (lambda x: 0.0 / (1.0 + tg.sqrt(x)), 0.0),
        (lambda x: tg.dot([0.0], [tg.sqrt(x)]), 0.0),
        (lambda x: tg.sqrt(tg.dot([x], [0.0])), 0.0),
        (lambda x: tg.sqrt(tg.floor(x)), 0.5),
    ):
        assert in_every_way(f, x) == [0.0] * 10
        assert second_in_every_way(f, x) == [0.0] * 7
    assert in_every_way(lambda x: root(x) + x, 0.0) == [1.0] * 10


def test_a_leaf_that_is_no_finite_number_takes_no_limit_from_the_others() -> None:
    """√x·tanh(w)·√x is x at w = inf, and so are its derivatives; at nan nothing is known."""
    for w, truth in ((INF, [1.0, 0.0]), (NAN, [NAN, NAN])):
        leaves = [Value(0.0), Value(w)]
        y = tg.sqrt(leaves[0]) * tg.tanh(leaves[1]) * tg.sqrt(leaves[0])
        y.backward()
        for found in ([leaf.grad for leaf in leaves], [d.data for d in gradient(y, leaves, create_graph=True)]):
            assert np.array_equal(found, truth, equal_nan=True), (w, found)


def test_a_limit_that_is_too_large_for_a_float_is_no_finite_number() -> None:
    """Of 1e400·x, and of 2.4e308·x."""
    for f in (
        lambda x: (1e200 * tg.sqrt(x)) ** 2,
        lambda x: (1e200 * tg.sqrt(x)) * (1e200 * tg.sqrt(x)),
        lambda x: 1.2e308 * tg.sqrt(x) * tg.sqrt(x) + 1.2e308 * tg.sqrt(x) * tg.sqrt(x),
    ):
        assert not any(map(math.isfinite, in_every_way(f, 0.0)))


def test_a_derivative_that_jumps_to_infinity_along_an_axis_has_none_there() -> None:
    """∂f/∂b of a·∛(b + a³) is 0 on the axis b, and 1/(3a) on the axis a; f is a² on the one, and 0 on the other."""
    f = lambda p: p[0] * tg.cbrt(p[1] + p[0] ** 3)  # noqa: E731
    assert grad(f)([0.0, 0.0]) == [0.0, 0.0]
    (aa, ab), (ba, _) = hessian(f)([0.0, 0.0])
    assert aa == 2.0
    assert ab == INF  # ∂f/∂a is ∛b on the axis b
    assert math.isnan(ba)


def test_where_nothing_was_ever_recorded_at_an_infinite_slope_no_limit_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = Value(4.0)
    order = tg.topological_order(tg.sqrt(x) ** 2)
    for name in ("singular", "narrow"):
        monkeypatch.setattr(STATE, name, False)
    assert not limits.is_singular(order)
    assert hessian(lambda x: x**3)(2.0) == 12.0
    tg.sqrt(Value(0.0))
    assert STATE.singular
    assert not limits.is_singular(order)


def test_where_a_leaf_alone_has_a_derivative_it_is_the_partial_derivative() -> None:
    """a√x is 0 on both axes, although its slope a/2√x has no limit at the origin."""
    a, x = Value(0.0), Value(0.0)
    y = a * tg.sqrt(x)
    y.backward()
    assert [a.grad, x.grad] == gradient(y, [a, x]) == [0.0, 0.0]
    assert grad(lambda p: tg.cbrt(p[0] ** 3 + p[1] ** 3))([0.0, 0.0]) == [1.0, 1.0]


def test_partial_derivatives_that_are_no_limits_are_not_added_up_in_another_direction() -> None:
    """Along (1, 1), ∛(a³ + b³) is ∛2·t, and √(ab) is |t|: no sum of partial derivatives, which are 1 and 0."""
    for f, partial in (
        (lambda p: tg.cbrt(p[0] ** 3 + p[1] ** 3) + p[2], 1.0),
        (lambda p: tg.sqrt(p[0] * p[1]) + p[2], 0.0),
    ):
        for point in ([0.0, 0.0, 0.0], [Value(0.0), Value(0.0), Value(0.0)]):
            both, alone = [jvp(f, (point,), (v,))[1] + Value(0.0) for v in ([1.0, 1.0, 0.0], [1.0, 0.0, 0.0])]
            assert math.isnan(both.data)
            assert alone.data == partial or (isinstance(point[0], Value) and math.isnan(alone.data))  # b stays


def test_a_leaf_that_is_0_by_chance_is_no_reason_for_a_limit() -> None:
    """√(x² + c) is |x| at c = 0: that its slope vanishes for c > 0 does not matter."""
    c = Value(0.0)
    assert math.isnan(grad(lambda x: tg.sqrt(x * x + c))(0.0))
    assert np.isnan(grad(lambda p: tg.sqrt(p[0] * p[0] + p[1]))([0.0, 0.0])[0])
    assert grad(lambda p: tg.sqrt(p[0] * p[0] + p[1]))([0.0, 0.0])[1] == INF


def test_gradients_of_leaves_add_up_and_those_of_interior_nodes_are_set() -> None:
    x = Value(0.0)
    u = x * x
    y = 3.0 * tg.sqrt(u) ** 2 + 5.0 * x
    for calls in (1, 2):
        y.backward()
        assert (x.grad, u.grad) == (5.0 * calls, 3.0)
    y.backward(0.0)
    assert x.grad == 10.0
    y.backward(INF)
    assert math.isnan(x.grad) or math.isinf(x.grad)


def test_derivatives_that_are_limits_are_recorded_for_any_use() -> None:
    x = Value(0.0)
    slope = gradient(tg.sqrt(x) ** 2, x, create_graph=True)
    assert (slope.op, slope.data) == ("limit", 1.0)
    assert gradient(slope * slope + 3.0 * slope, x) == 0.0
    assert gradient(tg.exp(slope), slope) == math.e
    pair = Value(0.0)
    both = gradient(tg.cosh(tg.sqrt(pair)), [pair, x], create_graph=True)
    assert [d.data for d in both] == [0.5, 0.0]
    assert gradient(both[0] ** 2, pair) == pytest.approx(2 * 0.5 / 12, rel=1e-13)


def test_anomaly_detection_names_the_step_that_has_no_limit() -> None:
    x = Value(0.0, label="x")
    x.grad = 7.0
    with tg.detect_anomaly():
        tg.atan2(x, x)  # defined, and no anomaly as such
        y = abs(x) ** 0.5 * abs(x) ** 0.5 + x
        with pytest.raises(AnomalyError, match=r"0·inf.*test_limits\.py:\d+: y = abs\(x\)"):
            y.backward()
        assert x.grad == 7.0
        (tg.sqrt(x) ** 2).backward()
    assert x.grad == 8.0
    with tg.no_grad():  # another mode
        y.backward()
    assert math.isnan(x.grad)
    x.grad = 8.0
    with tg.autocast("float16"):
        narrow = tg.sqrt(x) ** 2
    narrow.backward()
    assert x.grad == 9.0


@pytest.mark.parametrize("count", [3, 300])
def test_the_work_for_limits_is_bounded_and_what_is_open_then_is_nan(count: int) -> None:
    """|q| has no derivative at 0; what it takes to say so of many is counted, not timed."""
    calls = []
    root = tg.define("root_that_counts", math.sqrt, lambda m, x, z: calls.append(1) or 0.5 / m.sqrt(x))
    leaves = [Value(0.0) for _ in range(count)]
    y = sum(root(q * q) for q in leaves)
    y.backward()
    assert all(math.isnan(leaf.grad) for leaf in leaves)
    assert 0 < len(calls) <= limits.BUDGET + len(tg.topological_order(y))


@pytest.mark.parametrize("count", [1, 10, 200])
def test_a_budget_that_ends_anywhere_leaves_the_derivative_or_nan(count: int) -> None:
    leaves = [Value(0.0) for _ in range(2 * count)]
    y = sum(tg.cbrt(a**3 + b**3) for a, b in zip(leaves[::2], leaves[1::2], strict=True))
    x = Value(0.0)
    (y + tg.sqrt(x) ** 2 + abs(x) ** 2).backward()
    known = [leaf.grad for leaf in [*leaves, x] if not math.isnan(leaf.grad)]
    assert known == [1.0] * len(known)
    assert len(known) == 2 * count + 1 if count <= 10 else len(known) < 2 * count + 1


def test_anomaly_detection_says_that_there_are_too_many_to_look_for_a_limit() -> None:
    x = Value(0.0)
    with tg.detect_anomaly():
        y = sum(tg.sqrt(abs(x)) * tg.sqrt(abs(x)) for _ in range(600))
        with pytest.raises(AnomalyError, match="these are too many to look for a limit"):
            y.backward()


def test_a_graph_that_was_unpickled_or_copied_has_the_same_limits() -> None:
    x = Value(0.0)
    y = tg.sqrt(x) ** 2
    for twin in (pickle.loads(pickle.dumps(y)), copy.deepcopy(y)):
        twin.backward()
        (leaf,) = twin.parents[0].parents
        assert leaf.grad == 1.0
    other = Value(4.0)
    z = tg.sqrt(other) ** 2
    other.data = 0.0
    z.forward().backward()
    assert other.grad == 1.0


def test_an_operation_of_the_users_takes_part() -> None:
    root = tg.define("root_of_mine", math.sqrt, lambda m, x, z: 0.5 / m.sqrt(x))
    assert in_every_way(lambda x: root(x) ** 2, 0.0) == [1.0] * 10
    flat = tg.define("flat_of_mine", lambda x: 1.0, lambda m, x, z: 1.0 / x - 1.0 / x)
    assert in_every_way(flat, 0.0) == in_every_way(flat, 2.0) == [0.0] * 10
    spiral = tg.define("spiral", lambda x: x, lambda m, x, z: m.sin(1.0 / x))
    assert all(map(math.isnan, in_every_way(spiral, 0.0)))


@pytest.mark.parametrize("name", [name for name, op in TABLE.items() if op.arity in (1, 2)])
def test_the_table_says_where_a_partial_may_be_infinite(name: str) -> None:
    op = TABLE[name]
    edges = {end for domain in op.domain for end in (domain.low, domain.high) if math.isfinite(end)} | {0.0, 1.0, -1.0}
    grids = [[x for x in (*edges, 0.5) if domain.low <= x <= domain.high] for domain in op.domain]
    for x in grids[0]:
        for y in grids[1] if op.arity == 2 else [None]:
            numbers = [x] if y is None else [x, y]
            try:
                node = tg.dispatch.record_operation(op, [Value(number) for number in numbers])
                partials = local_derivatives(node)
            except (ArithmeticError, ValueError):
                continue
            if math.isfinite(node.data) and not all(map(math.isfinite, partials)):
                assert op.may_be_singular, (name, numbers, partials)
                assert op.is_singular(numbers), (name, numbers, partials)


# -------------------------------------------------------------------------------------- random functions

LEAVES = st.sampled_from([("x",), ("y",), ("x",), ("y",), (2.0,), (0.5,)])


def _grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.tuples(
            st.sampled_from(["sqrt", "cbrt", "abs", "square", "cube", "power", "log1p", "sin", "cos", "neg"]), inner
        ),
        st.tuples(st.sampled_from(["add", "sub", "mul", "hypot", "chosen"]), inner, inner),
    )


TREES = st.recursive(LEAVES, _grown, max_leaves=5)


def engine(tree: Any, x: Any, y: Any) -> Any:
    head, *rest = tree
    if not rest:
        return {"x": x, "y": y}.get(head, head)
    a, b = [engine(each, x, y) for each in (*rest, *rest)][:2]
    return {
        "square": lambda: a**2,
        "cube": lambda: a**3,
        "power": lambda: a**1.5,
        "neg": lambda: -a,
        "chosen": lambda: tg.where(tg.greater(x, 0.0), a, b),
    }.get(head, lambda: getattr(tg, head)(*[a, b][: len(rest)]))()


def exact(tree: Any, x: Any, y: Any) -> Any:
    """The same in mpmath; ValueError outside the domain. What is chosen is chosen at 0."""
    head, *rest = tree
    if not rest:
        return {"x": x, "y": y}.get(head, mpf(head) if isinstance(head, float) else None)
    if head == "chosen":
        return exact(rest[1], x, y)
    a, b = [exact(each, x, y) for each in (*rest, *rest)][:2]
    if (head in ("sqrt", "power") and a < 0) or (head == "log1p" and a <= -1):
        raise ValueError("outside the domain")
    return {
        "sqrt": lambda: mp.sqrt(a),
        "cbrt": lambda: mp.sign(a) * mp.cbrt(abs(a)),
        "abs": lambda: abs(a),
        "square": lambda: a**2,
        "cube": lambda: a**3,
        "power": lambda: a * mp.sqrt(a),
        "log1p": lambda: mp.log(1 + a),
        "sin": lambda: mp.sin(a),
        "cos": lambda: mp.cos(a),
        "neg": lambda: -a,
        "add": lambda: a + b,
        "sub": lambda: a - b,
        "mul": lambda: a * b,
        "hypot": lambda: mp.sqrt(a * a + b * b),
    }[head]()


def sides(tree: Any, order: int) -> list[Any]:
    """The one-sided derivatives by x at the origin, by differences; infinite if they grow; none outside the domain."""
    found = []
    with mp.workdps(400):
        for way in (1, -1):
            quotients = []
            for exponent in (40, 80):
                h = way * mpf(10) ** -exponent
                try:
                    values = [exact(tree, k * h, mpf(0)) for k in range(order + 1)]
                except ValueError:
                    break
                slope = values[1] - values[0] if order == 1 else values[2] - 2 * values[1] + values[0]
                quotients.append(slope / h**order)
            if len(quotients) == 2:
                near, nearer = quotients
                settled = abs(near - nearer) <= 1e-4 * abs(near) or abs(nearer) < 1e-6
                found.append(nearer if settled else mp.inf * mp.sign(nearer))
    return found


@settings(
    max_examples=settings().max_examples * 3 // 5, deadline=None
)  # a limit takes milliseconds, and there are forty
@given(TREES)
def test_random_functions_have_the_same_derivative_in_every_way_and_none_that_is_wrong(tree: Any) -> None:
    try:
        if not isinstance(engine(tree, Value(0.0), Value(0.0)), Value):
            return  # it has neither x nor y
    except (ArithmeticError, ValueError):
        return
    f = lambda x: engine(tree, x, 0.0 * x)  # noqa: E731
    for order, found in ((1, in_every_way(f, 0.0)), (2, second_in_every_way(f, 0.0))):
        truth = sides(tree, order)
        assert same(found, found[0], 1e-9), found
        one_value = truth and max(truth) - min(truth) <= 1e-6 * max(1, *map(abs, truth))
        if one_value and not math.isnan(found[0]) and (order == 1 or not math.isnan(in_every_way(f, 0.0)[0])):
            assert math.isclose(found[0], truth[0], rel_tol=1e-6, abs_tol=1e-6), (found, truth)
    leaves = [Value(0.0), Value(0.0)]
    output = engine(tree, *leaves)
    output.backward()
    adjoints = [[leaf.grad for leaf in leaves], gradient(output, leaves)]
    adjoints.append([d.data for d in gradient(output, leaves, create_graph=True)])
    for k in range(2):
        assert same([each[k] for each in adjoints], adjoints[0][k], 1e-9), adjoints


# ------------------------------------------------------------------------------------ series in an infinitesimal


def test_series_are_written_as_they_are_and_rounded_down_on_either_side() -> None:
    x = series.epsilon(1.0, -2.0, 1.0)
    assert repr(x) == "1.0·ε^0 + -2.0·ε^1 + O(ε^inf)"
    assert repr(series.Series([], [], 2.0)) == "0 + O(ε^2)"
    assert x // 1.0 == 0.0
    assert 1.0 // x == 1.0
    assert (-x) // 1.0 == -1.0
    assert +x is x
    assert x**0.0 == 1.0
    assert (2.0**x).terms[1] == pytest.approx(-4.0 * math.log(2.0), rel=1e-15)


def test_what_is_no_series_in_powers_is_unknown_and_what_is_outside_the_domain_undefined() -> None:
    x = series.epsilon(0.0, 1.0, 1.0)
    nothing = series.Series([], [], 1.0)
    for unknown in (
        lambda: series.integral(1.0 / x),
        lambda: x / 0.0,
        lambda: x * INF,
        lambda: nothing**-1.0,
        lambda: series.sign(nothing),
        lambda: series.standard(1.0 / x),
        lambda: series.evaluate(TABLE["exp"], [1.0 / x]),
        lambda: series.evaluate(TABLE["exp"], [1e3]),
        lambda: series.partials(TABLE["log"], [0.0], 0.0, [True]),
        lambda: series.Series([], [], 0.0).coefficient(),
    ):
        with pytest.raises(series.UnknownError):
            unknown()
    for undefined in (lambda: (-x) ** 0.5, lambda: series.evaluate(TABLE["sqrt"], [-x])):
        with pytest.raises(series.UndefinedError):
            undefined()
