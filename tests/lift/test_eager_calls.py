"""Lifted calls inside of eager graphs: nothing that leads through them is lost."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value, lift, nn, viz
from tinygrad_lite.errors import LiftError, StaleGraphError
from tinygrad_lite.lift import eager_calls, load

NUMBERS = st.floats(-2.0, 2.0)
RNG = np.random.default_rng(5)
W, X, Y = RNG.normal(size=3), RNG.normal(size=(5, 3)), RNG.normal(size=5)


def swish(x: Any) -> Any:
    return x * tg.sigmoid(1.5 * x) + tg.exp(-x * x)


def exact_slope(x: float, order: int = 1) -> float:
    with mpmath.workdps(40):
        f = lambda t: t / (1 + mpmath.exp(-1.5 * t)) + mpmath.exp(-t * t)  # noqa: E731
        return float(mpmath.diff(f, mpmath.mpf(x), order))


def loss(w: Any, b: Any, x: Any, y: Any) -> Any:
    return (tg.tanh(sum(wi * xi for wi, xi in zip(w, x, strict=True)) + b) - y) ** 2


LIFTED = lift(swish)


@given(NUMBERS)
def test_derivatives_of_a_lifted_function_are_those_of_the_function(x):
    assert tg.grad(LIFTED)(x) == pytest.approx(exact_slope(x), rel=1e-12, abs=1e-13)
    assert tg.value_and_grad(LIFTED)(x)[0] == pytest.approx(swish(x), rel=1e-14)
    assert tg.grad(tg.grad(LIFTED))(x) == pytest.approx(exact_slope(x, 2), rel=1e-11, abs=1e-12)
    assert tg.jvp(LIFTED, (x,), (2.0,))[1] == pytest.approx(2.0 * exact_slope(x), rel=1e-12, abs=1e-13)


def test_derivatives_of_third_order():
    assert tg.grad(tg.grad(tg.grad(LIFTED)))(0.7) == pytest.approx(exact_slope(0.7, 3), rel=1e-11)


@given(NUMBERS, NUMBERS)
def test_a_call_is_one_node_above_all_values_that_it_was_given(a, b):
    x, y = Value(a), Value(b)
    z = LIFTED(x * y) * y
    assert LIFTED(x).parents[0] is x
    z.backward()
    assert x.grad == pytest.approx(b * b * exact_slope(a * b), rel=1e-12, abs=1e-12)
    assert y.grad == pytest.approx(swish(a * b) + a * b * exact_slope(a * b), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("engine", ["numpy", "numba", "jax"])
def test_it_is_so_on_each_engine(engine):
    pytest.importorskip(engine)
    lifted = lift(swish, engine=engine)
    assert tg.grad(lifted)(0.3) == pytest.approx(exact_slope(0.3), rel=1e-12)
    assert isinstance(lifted(Value(0.3)).data, float)


@pytest.mark.parametrize("reduce", ["mean", "sum", None])
def test_samples_have_gradients_too_and_second_ones(reduce):
    lifted = lift(loss, batch=(None, None, 0, 0), reduce=reduce)

    def eager(w, b, xs, ys):
        each = [loss(w, b, x, y) for x, y in zip(xs, ys, strict=True)]
        return np.array(each, dtype=object) if reduce is None else sum(each) / (len(each) if reduce == "mean" else 1)

    found = tg.jacobian(lifted, (0, 1, 2, 3))(W, 0.3, X, Y)
    for a, b in zip(found, tg.jacobian(eager, (0, 1, 2, 3))(W, 0.3, X, Y), strict=True):
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-12, atol=1e-14)
    for argnum in (0, 2):
        second = [
            tg.hessian(lambda *args, f=f: np.sum(f(*args) * f(*args)), argnum)(W, 0.3, X, Y) for f in (lifted, eager)
        ]
        np.testing.assert_allclose(*second, rtol=1e-11, atol=1e-13)
    count = len(lifted.programs)
    lifted(W, 0.3, X[:2], Y[:2])
    assert len(lifted.programs) == count


def test_results_have_the_structure_of_the_function_and_samples_in_front():
    lifted = lift(lambda x: {"a": x * x, "b": [x, 2.0 * x]}, batch=0, reduce=None)
    values = np.array([Value(1.0), Value(2.0), Value(3.0)], dtype=object)
    found = lifted(values)
    assert [y.data for y in found["a"]] == [1.0, 4.0, 9.0]
    assert found["b"].shape == (3, 2)
    (found["a"][2] + found["b"][1, 1]).backward()
    assert [x.grad for x in values] == [0.0, 2.0, 6.0]


def test_parameters_and_values_beside_the_arguments_are_on_the_path():
    model, scale = nn.MLP(3, [4, 1], activation="tanh", seed=0), Value(1.7)
    lifted = lift(lambda m, x: scale * m(x))
    xs = [Value(x) for x in (0.5, -1.0, 2.0)]
    leaves = [*model.parameters(), *xs, scale]
    found = []
    for output in (lifted(model, xs), scale * model(xs)):
        for leaf in leaves:
            leaf.grad = 0.0
        output.backward()
        found.append([leaf.grad for leaf in leaves])
    np.testing.assert_allclose(*found, rtol=1e-12, atol=1e-15)
    assert isinstance(lifted(model, [0.5, -1.0, 2.0]), float)  # modules and numbers alone give numbers


def test_a_transform_differentiates_by_modules_and_by_what_is_read_besides():
    model = nn.MLP(3, [4, 1], activation="tanh", seed=0)
    lifted = lift(lambda m, x: m(x))
    found = tg.grad(lambda m: lifted(m, [0.5, -1.0, 2.0]) ** 2)(model)
    for name, part in tg.grad(lambda m: m([0.5, -1.0, 2.0]) ** 2)(model).items():
        np.testing.assert_allclose(found[name], part, rtol=1e-12)
    assert tg.grad(lambda y: lift(lambda x: y * y * x)(2.0))(3.0) == 12.0
    assert tg.grad(lambda y: lift(lambda x: tg.exp(y) * x)(2.0) * y)(3.0) == pytest.approx(2.0 * 4.0 * np.exp(3.0))
    assert tg.grad(lambda y: y * lifted(model, [0.5, -1.0, 2.0]))(3.0) == lifted(model, [0.5, -1.0, 2.0])


def test_a_shared_parameter_counts_once_and_a_value_given_twice_twice():
    class Tied(nn.Module):
        def __init__(self):
            self.a = Value(2.0)
            self.b = self.a

        def forward(self, x):
            return self.a * self.b * x

    tied, x = Tied(), Value(3.0)
    lift(lambda m, x: m(x))(tied, x).backward()
    assert (tied.a.grad, x.grad) == (12.0, 4.0)
    assert tg.grad(lambda x: lift(lambda a, b: a * b * b)(x, x))(3.0) == 27.0
    assert tg.grad(lambda x: lift(lambda a, b, c: a * b**c, static="c")(2.0, b=x, c=2))(3.0) == 12.0


def test_a_graph_is_evaluated_again_and_refused_when_stale():
    x = Value(2.0)
    y = LIFTED(x) * 3.0
    x.data = -0.5
    with pytest.raises(StaleGraphError, match="lifted swish"):
        y.backward()
    assert y.forward().data == pytest.approx(3.0 * swish(-0.5), rel=1e-15)
    y.backward()
    assert x.grad == pytest.approx(3.0 * exact_slope(-0.5), rel=1e-12)
    reciprocal = lift(lambda x: tg.atan2(x, -1.0))
    x = Value(0.0)
    y = reciprocal(x)
    x.data = -0.0
    assert y.forward().data == -np.pi


def test_what_the_function_reads_may_not_change_before_its_derivative_is_made():
    settings, weight = {"rate": 2.0}, [Value(7.0)]
    rated, weighted = lift(lambda x: settings["rate"] * x), lift(lambda x: weight[0] * x)
    x = Value(3.0)
    y, z, old = rated(x), weighted(x), weight[0]
    settings["rate"], weight[0] = 5.0, Value(8.0)
    with pytest.raises(LiftError, match=r"rate.* was 2.0 \(now 5.0\)"):
        y.backward()
    with pytest.raises(LiftError, match="reads other Values than it did"):
        z.backward()
    settings["rate"], weight[0] = 2.0, old
    (y + z).backward()
    settings["rate"], weight[0] = 5.0, Value(8.0)
    (y + z).backward()  # it is known now
    assert (x.grad, old.grad) == (18.0, 6.0)
    (rated(x) + weighted(x)).backward()
    assert (x.grad, weight[0].grad) == (31.0, 3.0)


def test_modes_hold_for_the_node():
    fresh = lift(lambda x: swish(x) + 1.0)
    with tg.no_grad():
        assert fresh(0.3) == swish(0.3) + 1.0  # made here
        assert fresh(Value(0.3)).is_leaf
    x = Value(0.3)
    y = fresh(x)
    with tg.no_grad():
        y.backward()
    assert x.grad == pytest.approx(exact_slope(0.3), rel=1e-12)
    with tg.detect_anomaly():
        LIFTED(Value(0.3)).backward()
    with tg.autocast("float16"), pytest.raises(LiftError, match="leave autocast"):
        LIFTED(Value(0.3))
    frozen = Value(0.3, requires_grad=False)
    LIFTED(frozen).backward()
    assert frozen.grad == 0.0


def test_a_lifted_call_within_another_is_inlined():
    assert lift(lambda x: LIFTED(x) + x)(0.3) == pytest.approx(swish(0.3) + 0.3)
    assert lift(tg.grad(lambda x: LIFTED(x) * 2.0))(0.3) == pytest.approx(2.0 * exact_slope(0.3), rel=1e-12)
    node = LIFTED(Value(0.3))
    with pytest.raises(LiftError, match="lifted swish"):
        lift(lambda x: node * x)(2.0)


def test_deep_graphs_of_lifted_calls_have_gradients():
    step = lift(lambda x: 0.5 * tg.tanh(x) + 0.5 * x)
    x = Value(0.01)
    y = x
    for _ in range(2000):
        y = step(y)
    y.backward()
    slope, number = 1.0, 0.01
    for _ in range(2000):
        slope *= 1.0 - 0.5 * np.tanh(number) ** 2
        number = 0.5 * np.tanh(number) + 0.5 * number
    assert x.grad == pytest.approx(slope, rel=1e-9)
    del y


def test_programs_made_at_small_sizes_and_with_checkpoints_have_gradients():
    def roll(p, xs):
        for x in xs:
            p = tg.tanh(p + 0.1 * x)
        return p

    xs = np.linspace(0.0, 1.0, 200)
    for options in ({"sizes": True}, {"sizes": True, "checkpoint": True}):
        found = tg.grad(lift(roll, **options), (0, 1))(0.3, xs)
        for a, b in zip(found, tg.grad(roll, (0, 1))(0.3, xs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-18)


def test_pictures_formulas_and_copies_know_the_node():
    x = Value(2.0, label="x")
    y = LIFTED(x) * 3.0
    assert "lifted swish" in viz.draw(y).source
    assert "lifted swish" in str(viz.tree(y))
    assert "lifted swish" in str(viz.derive(y, x))
    assert "lifted swish" in viz.explore(y).html
    again = copy.deepcopy(y)
    again.backward()
    assert x.grad == 0.0
    twin = next(node for node in tg.topological_order(again, leaves=True) if node.label == "x")
    assert twin.grad == pytest.approx(3.0 * exact_slope(2.0), rel=1e-12)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(y)


def test_the_tester_takes_a_lifted_function():
    tg.testing.check_gradients(LIFTED, 0.7)
    wrong = tg.define("wrong_double", lambda x: 2.0 * x, lambda m, x, z: 2.1)
    with pytest.raises(Exception, match="wrong"):
        tg.testing.check_gradients(lift(lambda x: wrong(x)), 0.7)


def test_a_program_without_its_function_refuses_values(tmp_path):
    LIFTED(1.0)
    LIFTED.last.save(tmp_path / "f.lift")
    for program in (load(tmp_path / "f.lift"), pickle.loads(pickle.dumps(LIFTED.last))):
        assert program(1.0) == LIFTED(1.0)
        with pytest.raises(LiftError, match="Lift the function itself"):
            program(Value(1.0))
    assert LIFTED.last(Value(1.0)).parents


def test_too_many_edges_are_refused(monkeypatch):
    monkeypatch.setattr(eager_calls, "MOST_EDGES", 8)
    square = lift(lambda xs: [x * x for x in xs])
    square([Value(1.0), Value(2.0)])
    with pytest.raises(LiftError, match=r"9 edges.*lift\(value_and_grad\(loss\)\)"):
        square([Value(1.0), Value(2.0), Value(3.0)])


def test_functions_of_many_names_share_an_operation(monkeypatch):
    monkeypatch.setattr(eager_calls, "_MOST_NAMES", 0)

    def somebody(x):
        return 3.0 * x

    x = Value(2.0)
    y = lift(somebody)(x)
    y.backward()
    assert (y.op, x.grad) == ("lifted", 3.0)


def test_fit_takes_a_lifted_loss():
    data = nn.moons(8, noise=0.1, generator=0)

    def train(loss: Callable[..., Any], engine: str) -> list[float]:
        model = nn.MLP(2, [4, 1], activation="tanh", seed=0)
        optimizer = nn.SGD(model.parameters(), lr=0.5)
        history = nn.fit(model, loss, data, optimizer, epochs=3, progress=False, engine=engine, generator=0)
        found: list[float] = history["loss"]
        return found

    plain = nn.binary_cross_entropy_with_logits
    lifted = lift(lambda z, y: nn.binary_cross_entropy_with_logits(z, y))
    for engine in ("eager", "numpy"):
        np.testing.assert_allclose(train(lifted, engine), train(plain, "eager"), rtol=1e-9)


def test_what_the_function_makes_is_not_there_before_though_other_threads_advance_the_clock():
    def scaled(x):
        made = Value(3.0)
        Value(1.0).data = 2.0  # as any thread may do meanwhile
        return x * made

    lifted = lift(scaled)
    assert tg.grad(lifted)(2.0) == 3.0
    assert lifted.last.inputs.captured == []


def test_threads_may_differentiate_by_one_lifted_function():
    fresh = lift(lambda x: swish(x) * 2.0)
    found: dict[int, float] = {}

    def work(k: int) -> None:
        found[k] = tg.grad(fresh)(0.1 * k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(8):
        assert found[k] == pytest.approx(2.0 * exact_slope(0.1 * k), rel=1e-12, abs=1e-13)
