"""no_grad, detect_anomaly and tracing: what they change, for whom, and that they put it back."""

from __future__ import annotations

import math
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

import tinygrad_lite as tg
from tinygrad_lite import (
    AnomalyError,
    TraceError,
    Value,
    autocast,
    detect_anomaly,
    is_recording,
    modes,
    no_grad,
    trace_mode,
)
from tinygrad_lite.trace_mode import Demand, demanded, is_traced, is_tracing, tracing


def every_kind_of_node(x: Value) -> list[Any]:
    return [x + x, 2.0 * x, x / 2, x**2, -x, tg.exp(x), tg.relu(x), tg.dot([x], [x], x), tg.sum([x, 1.0]),
            tg.clamp(x, 0.0, 1.0), *tg.softmax([x, x]), abs(x), x // 1]  # fmt: skip


def test_no_grad_records_nothing_and_computes_the_same() -> None:
    x = Value(2.0)
    expected = [node.data for node in every_kind_of_node(x)]
    with no_grad():
        assert not is_recording()
        nodes = every_kind_of_node(x)
    assert [node.data for node in nodes] == expected
    assert all(node.is_leaf and node.parents == () for node in nodes)
    assert is_recording()
    assert (x * x).parents != ()


def test_no_grad_is_a_decorator_and_nests() -> None:
    @no_grad()
    def predict(x: Value) -> Value:
        with no_grad():
            x * x
        assert not is_recording()
        return x * x

    for _ in range(2):
        assert predict(Value(3.0)).is_leaf
    assert predict(Value(3.0)).data == 9.0
    assert is_recording()


@pytest.mark.parametrize("mode", [no_grad, detect_anomaly])
def test_modes_end_when_an_exception_leaves_them(mode: Any) -> None:
    with pytest.raises(KeyError), mode():
        raise KeyError
    assert is_recording()
    assert not tg.modes.watching()
    assert tg.value.STATE.modes == 0


def test_a_mode_object_can_be_entered_again() -> None:
    mode = no_grad()
    with mode, mode:
        assert not is_recording()
    assert is_recording()


def test_modes_hold_in_their_own_thread_only() -> None:
    inside, done = threading.Event(), threading.Event()
    seen = []

    def other() -> None:
        inside.wait()
        seen.append((is_recording(), (Value(1.0) + 1.0).is_leaf))
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with no_grad():
        inside.set()
        done.wait()
        assert not is_recording()
    thread.join()
    assert seen == [(True, False)]


def next_line() -> int:
    """The number of the line after the caller's."""
    return sys._getframe(1).f_lineno + 1


def test_an_anomaly_forward_names_node_operands_and_line() -> None:
    x = Value(1e200, label="big")
    line = next_line() + 1
    with pytest.raises(AnomalyError) as raised, detect_anomaly():
        x * x
    message = str(raised.value)
    for part in ("mul made inf", "label='big'", f"test_modes.py:{line}", "x * x", "clamp"):
        assert part in message


def test_an_anomaly_backward_names_the_step_and_leaves_gradients_as_before() -> None:
    x = Value(0.0, label="edge")
    (x * 3.0).backward()
    line = next_line() + 1
    with pytest.raises(AnomalyError) as raised, detect_anomaly():
        (tg.sqrt(x) * 2.0 + x).backward()
    message = str(raised.value)
    for part in ("backward step of sqrt", "label='edge'", f"test_modes.py:{line}", "clip"):
        assert part in message
    assert x.grad == 3.0


def test_an_anomaly_in_a_method_of_this_package_is_blamed_on_the_users_line() -> None:
    with pytest.raises(AnomalyError, match=r"test_modes\.py:\d+: tg\.softmax"), detect_anomaly():
        tg.softmax([Value(1e308), tg.mul(Value(1e300), 1e300)])


def test_a_graph_recorded_before_is_watched_too() -> None:
    y = tg.sqrt(Value(0.0))
    with pytest.raises(AnomalyError, match="record the graph inside"), detect_anomaly():
        y.backward()


def test_without_an_anomaly_gradients_have_the_same_bits() -> None:
    def f() -> list[str]:
        a, b = Value(0.3), Value(-1.2)
        y = tg.dot([a, b], [b, a], a) * tg.tanh(a / b) + tg.sum([a, a, b]) ** 2
        y.backward()
        return [a.grad.hex(), b.grad.hex()]

    expected = f()
    with detect_anomaly():
        assert f() == expected
    with detect_anomaly(), detect_anomaly():
        assert f() == expected


def test_infinities_that_were_given_are_no_anomaly() -> None:
    with detect_anomaly():
        x = Value(math.inf)
        assert (x + 1.0).data == math.inf
        assert math.isnan((x - x).data)


def test_modes_nest_in_each_other() -> None:
    with detect_anomaly(), no_grad():
        assert (Value(1.0) * 2.0).is_leaf
    with no_grad(), detect_anomaly():
        assert (Value(1.0) * 2.0).is_leaf


@pytest.mark.parametrize(
    "call", [lambda x: tg.grad(lambda v: v * v)(x), lambda x: tg.value_and_grad(lambda v: v * v)(x)[1]]
)
def test_transforms_differentiate_in_detect_anomaly(call: Any) -> None:
    with detect_anomaly():
        assert call(3.0) == 6.0


def test_anomalies_are_found_in_transforms_and_in_forward() -> None:
    x = Value(2.0, label="x")
    y = tg.exp(x * 400.0 - 500.0)
    with detect_anomaly():
        with pytest.raises(AnomalyError, match="sqrt"):
            tg.grad(tg.sqrt)(0.0)
        z = x * 1e300
        x.data = 1e10
        with pytest.raises(AnomalyError, match="mul"):
            z.forward()
    assert math.isfinite(y.data)


def test_a_decorated_function_may_run_in_several_threads_at_once() -> None:
    inside, leave = threading.Barrier(2), threading.Barrier(2)
    states: list[bool] = []

    @no_grad()
    def work() -> None:
        inside.wait(10)
        states.append(is_recording())
        leave.wait(10)

    def run() -> None:
        work()
        states.append(is_recording())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == [False, False, True, True]


def test_a_generator_is_not_decorated() -> None:
    with pytest.raises(TypeError, match="inside it"):

        @no_grad()
        def numbers() -> Any:
            yield 1


def test_limits_inside_a_rule_do_not_reach_other_threads() -> None:
    from tinygrad_lite.operations.arithmetic import IEEELimits

    errors: list[type[BaseException]] = []

    def divide() -> None:
        try:
            Value(1.0) / Value(0.0)
        except ZeroDivisionError as error:
            errors.append(type(error))

    with IEEELimits():
        assert (Value(1.0) / Value(0.0)).data == math.inf
        thread = threading.Thread(target=divide)
        thread.start()
        thread.join()
    assert errors == [ZeroDivisionError]


# -------------------------------------------------------------------------------------------------- tracing


def test_tracing_holds_inside_its_block_only() -> None:
    x = Value(2.0)
    with tracing([x]):
        assert is_tracing()
        assert is_traced(x)
        with pytest.raises(TraceError), tracing([Value(1.0)]):
            bool(x)
        assert is_tracing()
    assert not is_tracing()
    assert not is_traced(x)
    assert x > 1.0


def test_tracing_ends_when_an_exception_leaves_it() -> None:
    x = Value(2.0)
    with pytest.raises(KeyError), tracing([x]):
        raise KeyError
    with pytest.raises(TraceError), tracing([x]):
        bool(x)
    assert tg.value.STATE.tracing == 0
    assert not is_tracing()


def test_an_interruption_goes_through_tracing_as_it_is() -> None:
    x = Value(2.0)

    def interrupted() -> None:
        with pytest.raises(TraceError):
            bool(x)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracing([x])(interrupted)()


def test_tracing_inside_of_tracing_keeps_the_inputs_of_both() -> None:
    x, y = Value(2.0), Value(3.0)
    with tracing([x]):
        with tracing([y]):
            assert is_traced(x)
            assert is_traced(y)
        assert is_traced(x)
        assert not is_traced(y)
        assert y.data == 3.0


def test_what_is_demanded_of_traced_numbers_is_noted_for_each_trace_around() -> None:
    x, y, fixed = Value(1.0), Value(2.0), Value(3.0)
    positive = Demand("x", "is {}, and should be positive", 0.0, math.inf)
    assert not demanded(x, positive)
    outer, inner = tracing([x]), tracing([y])
    with outer:
        tg.lookup([1.0, 2.0], x)
        with inner:
            assert demanded(x, positive)
            assert demanded(y * 2.0, positive)
            assert not demanded(fixed, positive)
            assert not demanded(3.0, positive)
            tg.lookup([1.0, 2.0], Value(1.0))
    noted = [(node, demand.what) for node, demand in outer.inside.demands]
    assert [what for _, what in noted] == ["index", "x", "x"]
    assert noted[0][0] is x
    assert inner.inside.demands is outer.inside.demands


@pytest.mark.parametrize(
    ("demand", "fine", "wrong"),
    [
        (Demand("k", "is {}", 0.0, 2.0, 1.0), [0.0, -0.0, 1.0, 2.0], [-1.0, 0.5, 3.0, math.nan, math.inf, -math.inf]),
        (Demand("label", "is {}", -1.0, 1.0, 2.0), [-1.0, 1.0], [0.0, 3.0, math.nan]),
        (Demand("p", "is {}", 0.0, math.inf), [0.0, 0.5, math.inf], [-1e-9, math.nan]),
    ],
)
def test_a_demand_admits_its_steps_of_a_closed_interval(demand: Demand, fine: list[float], wrong: list[float]) -> None:
    assert all(map(demand.admits, fine))
    assert not any(map(demand.admits, wrong))
    assert demand.message(0.5, "[1]") == f"{demand.what}[1] is 0.5"


def test_tracing_decorates_and_can_be_entered_again() -> None:
    x = Value(2.0)
    mode = tracing([x])
    assert mode(is_traced)(x)
    assert mode(is_traced)(x)
    with mode, mode:
        assert is_traced(x)
    assert not is_traced(x)


def test_tracing_holds_in_its_own_thread_only() -> None:
    x = Value(2.0)
    seen: list[float] = []
    with tracing([x]):
        thread = threading.Thread(target=lambda: seen.append(x.data))
        thread.start()
        thread.join()
        assert tg.value.STATE.tracing == 1
    assert seen == [2.0]


def test_recording_takes_the_short_way_while_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Value(2.0)
    with tracing([x]):
        assert tg.value.STATE.modes == 0
        monkeypatch.setattr(tg.value.STATE, "record", None)
        nodes = every_kind_of_node(x)
    # a trace holds a softmax as exp(x - logsumexp), which is rounded otherwise
    assert [node.data for node in nodes] == pytest.approx([node.data for node in every_kind_of_node(x)], rel=1e-15)


def test_dependence_is_found_through_every_kind_of_node_and_leaves_no_trace() -> None:
    x = Value(2.0)
    nodes = every_kind_of_node(x)
    with tracing([x]):
        assert all(map(is_traced, nodes))
    with tracing([Value(2.0)]):
        assert not any(map(is_traced, nodes))
    assert all(node._pending == 0 for node in [x, *nodes])
    with tracing([nodes[0]]):  # an interior node
        assert is_traced(nodes[0] * 2.0)
        assert not is_traced(x)


def test_dependence_is_found_in_deep_and_in_shared_graphs() -> None:
    x, c = Value(1.0), Value(1.0)
    y = x
    for _ in range(50_000):
        y = y + c
    z = c
    for _ in range(200):  # 2 to the power 200 ways down
        z = z + z
    with tracing([x]):
        assert is_traced(y)
        assert not is_traced(z)


def test_what_is_no_value_is_not_traced() -> None:
    with tracing([Value(1.0)]):
        assert not any(map(is_traced, [1.0, None, "x", [Value(1.0)]]))


def test_anomalies_are_watched_while_tracing() -> None:
    x = Value(1e200, label="big")
    with tracing([x]), detect_anomaly():
        assert is_traced(x * 2.0)
        with pytest.raises(AnomalyError, match=r"mul made inf.*Value\(traced, label='big'\)"):
            x * x
        assert tg.grad(lambda v: v * v)(3.0) == 6.0


def test_an_operation_that_fails_while_tracing_says_what_it_says_otherwise() -> None:
    x = Value(-1.0, label="x")
    with tracing([x]), pytest.raises(ValueError, match=r"log\(Value\(traced, label='x'\)\).*clamp or maximum"):
        tg.log(x)


def test_no_grad_and_autocast_around_what_does_not_depend_on_the_inputs_are_as_always() -> None:
    x = Value(0.1)
    with tracing([x]):
        with no_grad():
            assert (-(Value(2.0) * 3.0)).data == -6.0
            with tg.modes.recording():
                assert is_traced(x * 3.0)
        with tg.autocast("float16"):
            assert (Value(0.1) * 3.0).data == 0.2998046875
        with tg.autocast("float64"):
            assert is_traced(x * 3.0)


# --------------------------------------------------------------------------------------------------- interruptions

MODES = {
    "no_grad": no_grad,
    "detect_anomaly": detect_anomaly,
    "autocast": lambda: autocast("float16"),
    "recording": modes.recording,
    "tracing": lambda: tracing([Value(1.0)]),
}


def assert_no_mode_is_on() -> None:
    """Nothing is left on, not even where another mode makes the engine look."""
    assert is_recording()
    assert not is_tracing()
    assert not modes.is_casting()
    assert not modes.watching()
    for watched in (False, True):
        w = Value(0.1)
        with detect_anomaly() if watched else nullcontext():
            loss = w * 3.0
            loss.backward()
        assert (w.grad, loss.precision) == (3.0, "float64")


def interrupt(place: int, enter: Any) -> bool:
    """Raise KeyboardInterrupt at one of the lines that run in the modes' files; return whether there were so many.

    The file of the modes is not compiled in any build: it can be traced in each.
    """
    files, left, before = (modes.__file__, trace_mode.__file__), place, sys.gettrace()

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in files or frame.f_code.co_name == "__del__":
            return None
        if event in ("call", "line"):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        enter()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    assert left > 0
    return False


@pytest.fixture
def counters() -> Iterator[None]:
    """Counters that an interruption leaves too high, which costs time, are as before for the tests behind this one."""
    before = modes.STATE.modes, modes.STATE.tracing
    yield
    modes.STATE.modes, modes.STATE.tracing = before


@pytest.mark.parametrize("counter", ["modes", "tracing"])
def test_what_is_active_in_another_thread_changes_no_bit_here(counter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def f(a: Any, b: Any, c: Any) -> Any:
        return tg.logsumexp([a, b, c]) + tg.dot([a, b], [b, c]) * tg.relu(a) + a**2 * b

    def compute() -> list[str]:
        found = []
        draw = random.Random(0)
        points = [[draw.uniform(-40.0, 40.0) for _ in range(3)] for _ in range(30)]
        for point in (*points, (0.5, -2.0, math.inf), (-math.inf, 0.5, 0.0)):
            for derivative in (tg.grad(f, argnums=(0, 1, 2)), tg.grad(tg.grad(f), argnums=(0, 1, 2))):
                found += [float(slope).hex() for slope in derivative(*point)]
        return found

    expected = compute()
    monkeypatch.setattr(modes.STATE, counter, getattr(modes.STATE, counter) + 1)
    assert compute() == expected


@pytest.mark.usefixtures("counters")
@pytest.mark.parametrize("around", [*MODES, None])
@pytest.mark.parametrize("name", MODES)
def test_ctrl_c_at_any_line_of_a_mode_leaves_nothing_on(name: str, around: str | None) -> None:
    def enter() -> None:
        with MODES[name]():
            pass

    def enter_both() -> None:
        with MODES[around or name](), MODES[name]():
            pass

    place = 1
    while interrupt(place, enter if around is None else enter_both):
        assert_no_mode_is_on()
        place += 1
    assert place > 10
    assert_no_mode_is_on()


@pytest.mark.usefixtures("counters")
@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("call", ["__enter__", "__exit__"])
@pytest.mark.parametrize("done", [False, True])
def test_an_interruption_between_two_variables_leaves_nothing_on(
    name: str, call: str, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode = MODES[name]()
    kept: list[Any] = [mode]  # so that it is not its end that puts things right
    change, calls, counted = modes.Mode._change, 0, modes.STATE.modes

    def interrupted(self: Any, inside: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == (1 if call == "__enter__" else 2):
            if done:
                change(self, inside)
            raise KeyboardInterrupt
        change(self, inside)

    with no_grad():
        counted = modes.STATE.modes
        monkeypatch.setattr(modes.Mode, "_change", interrupted)
        with pytest.raises(KeyboardInterrupt), mode:
            assert call == "__exit__"
        monkeypatch.undo()
        assert not is_recording()
        assert modes.STATE.modes == counted
    assert_no_mode_is_on()
    assert not kept[0]._before


@pytest.mark.usefixtures("counters")
def test_an_interruption_before_the_counter_and_one_before_leaving() -> None:
    mode = no_grad()
    mode._count = lambda change: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]  # interrupted
    with pytest.raises(KeyboardInterrupt), mode:
        pass
    del mode
    mode = no_grad()
    counted = modes.STATE.modes
    mode.__enter__()
    assert not is_recording()
    del mode  # what an interruption before the first line of __exit__ comes to
    assert modes.STATE.modes == counted
    assert_no_mode_is_on()
