"""A Value behaves as the float that it holds; backward() gives the graph's gradients, and the graph its promises."""

from __future__ import annotations

import math
import operator
import random
import re
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tinygrad_lite as tg
import tinygrad_lite.value
from tinygrad_lite import StaleGraphError, Value, topological_order
from tinygrad_lite.node.freshness import forget_counts

COMPILED = not (tinygrad_lite.value.__file__ or "").endswith(".py")
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 5e-324, -5e-324, 2.2e-308, 1.7e308, -1.7e308, math.inf, -math.inf, math.nan]

floats = st.one_of(st.sampled_from(EDGES), st.floats(), st.floats(-100.0, 100.0))
numpy_scalars = st.one_of(
    floats.map(np.float64),
    st.floats(width=32).map(np.float32),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.integers(-100, 100).map(np.int64),
    st.booleans().map(np.bool_),
)
plain = st.one_of(floats, st.integers(-10, 10), st.integers(), st.just(10**400), st.booleans())
numbers = st.one_of(plain, numpy_scalars)


def bits(x: float) -> bytes:
    """A float's eight bytes; every NaN has the same."""
    return b"nan" if x != x else struct.pack("<d", x)


def outcome(f: Callable[[], Any]) -> Any:
    """The bits of what f gives, or the class of what it raises."""
    try:
        result = f()
    except (ArithmeticError, ValueError, TypeError) as error:
        return type(error)
    if isinstance(result, complex):
        return ValueError
    results = result if isinstance(result, tuple) else (result,)
    return [bits(x.data if isinstance(x, Value) else float(x)) for x in results]


BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    divmod,
]


@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
@given(x=floats, y=numbers)
@example(x=-8.0, y=1 / 3)
@example(x=0.0, y=-1)
@example(x=1e300, y=10**400)
@example(x=-0.0, y=False)
def test_operators_give_the_floats_bits_or_its_exception(op: Callable[..., Any], x: float, y: Any) -> None:
    def as_float(number: Any) -> Any:
        # NumPy's scalars are taken for the float they hold: NumPy's own arithmetic would give inf where floats raise.
        return float(number) if isinstance(number, np.generic) else number

    assert outcome(lambda: op(Value(x), y)) == outcome(lambda: op(x, as_float(y)))
    assert outcome(lambda: op(y, Value(x))) == outcome(lambda: op(as_float(y), x))
    if not isinstance(y, int) or abs(y) < 2**1000:
        assert outcome(lambda: op(Value(x), Value(y))) == outcome(lambda: op(x, float(y)))


@pytest.mark.parametrize("op", [operator.neg, operator.pos, abs], ids=lambda op: op.__name__)
@given(x=floats)
def test_signs_give_the_floats_bits(op: Callable[..., Any], x: float) -> None:
    assert outcome(lambda: op(Value(x))) == outcome(lambda: op(x))


@pytest.mark.parametrize("op", [operator.lt, operator.le, operator.gt, operator.ge], ids=lambda op: op.__name__)
@given(x=floats, y=numbers)
def test_comparisons_are_the_floats(op: Callable[..., Any], x: float, y: Any) -> None:
    if isinstance(y, np.float32):  # the next test
        return
    assert op(Value(x), y) == op(x, y)
    assert op(y, Value(x)) == op(y, x)
    if not isinstance(y, int) or abs(y) < 2**1000:
        assert op(Value(x), Value(y)) == op(x, float(y))


def test_a_numpy_scalar_is_the_same_number_in_a_comparison_as_in_a_sum() -> None:
    x, y = Value(0.1), np.float32(0.1)
    assert (x - y).data < 0.0
    assert x < y
    assert y > x


@given(floats)
def test_bool_item_and_format_are_the_floats(x: float) -> None:
    assert bool(Value(x)) == bool(x)
    assert bits(Value(x).item()) == bits(x)
    for spec in (".3f", "e", ">12.2g", "+.1%"):
        assert format(Value(x), spec) == format(x, spec)
    assert f"{Value(x)}" == repr(Value(x)) == f"Value(data={x!r}, grad=0.0)"


@given(numbers)
def test_data_is_the_float_of_the_number(x: Any) -> None:
    assert outcome(lambda: Value(x)) == outcome(lambda: float(x))


UNARY_MATH = [
    "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
    "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "floor", "ceil",
]  # fmt: skip


@pytest.mark.parametrize("name", UNARY_MATH)
@given(x=floats)
def test_functions_are_maths_on_floats_and_on_values(name: str, x: float) -> None:
    expected = outcome(lambda: getattr(math, name)(x))
    if isinstance(expected, list) and name in ("floor", "ceil"):
        expected = outcome(lambda: float(getattr(math, name)(x)))  # which loses the sign of -0.0
    assert outcome(lambda: getattr(tg, name)(x)) == expected
    assert outcome(lambda: getattr(tg, name)(Value(x))) == expected
    assert outcome(lambda: getattr(Value(x), name)()) == expected


@given(floats)
def test_cbrt_is_maths(x: float) -> None:
    assert outcome(lambda: tg.cbrt(x)) == outcome(lambda: tg.cbrt(Value(x))) == outcome(lambda: math.cbrt(x))


@pytest.mark.parametrize("name", ["atan2", "hypot"])
@given(x=floats, y=floats)
def test_functions_of_two_are_maths_on_floats_and_on_values(name: str, x: float, y: float) -> None:
    expected = outcome(lambda: getattr(math, name)(x, y))
    for call in (lambda: getattr(tg, name)(x, y), lambda: getattr(tg, name)(Value(x), y),
                 lambda: getattr(tg, name)(x, Value(y)), lambda: getattr(Value(x), name)(y)):  # fmt: skip
        assert outcome(call) == expected


@pytest.mark.parametrize(
    ("name", "op"),
    [("add", operator.add), ("sub", operator.sub), ("mul", operator.mul), ("truediv", operator.truediv),
     ("floordiv", operator.floordiv), ("mod", operator.mod), ("pow", operator.pow)],
)  # fmt: skip
@given(x=floats, y=floats)
def test_operators_as_functions_are_the_operators(name: str, op: Callable[..., Any], x: float, y: float) -> None:
    expected = outcome(lambda: op(x, y))
    assert outcome(lambda: getattr(tg, name)(x, y)) == expected
    assert outcome(lambda: getattr(tg, name)(Value(x), y)) == expected
    assert outcome(lambda: getattr(tg, name)(x, Value(y))) == expected


@given(floats, floats)
def test_maximum_and_minimum_are_numpys_on_numbers(x: float, y: float) -> None:
    if x == y:  # of 0.0 and -0.0 either may be given
        return
    assert outcome(lambda: tg.maximum(Value(x), y)) == outcome(lambda: np.maximum(x, y))
    assert outcome(lambda: tg.minimum(Value(x), y)) == outcome(lambda: np.minimum(x, y))


# --------------------------------------------------------------------------------------------------- identity


def test_values_are_hashed_by_identity() -> None:
    a, b = Value(1.0), Value(1.0)
    assert len({a, b, a}) == 2
    assert (a * b)._prev == {a, b}


def test_values_are_equal_by_identity() -> None:
    a = Value(1.0)
    assert a == a
    assert a != Value(1.0)
    assert a != 1.0
    assert a in [Value(1.0), a]
    assert a not in [Value(1.0), 1.0]


@pytest.mark.parametrize(
    ("convert", "remedy"),
    [
        (float, r"v\.data"),
        (math.exp, r"tinygrad_lite\.exp"),
        (int, r"int\(v\.data\)"),
        (round, r"round\(v\.data"),
        (complex, r"v\.data"),
        (lambda v: round(v, 2), r"v\.data"),
        (lambda v: np.array([v], dtype=float), "dtype=object"),
    ],
)
def test_leaving_the_graph_silently_is_refused_with_the_way_on(convert: Callable[..., Any], remedy: str) -> None:
    with pytest.raises(TypeError, match=remedy):
        convert(Value(2.0))


@pytest.mark.parametrize("wrong", ["3", None, [1.0], 1j, b"1", object(), {}, np.array([1.0])])
def test_a_value_holds_a_real_number_only(wrong: Any) -> None:
    with pytest.raises(TypeError, match="one real number"):
        Value(wrong)
    with pytest.raises(TypeError, match="one real number"):
        Value(1.0).data = wrong
    with pytest.raises(TypeError, match="one real number" if wrong is not None else "write v.grad = 0.0"):
        Value(1.0).grad = wrong


def test_a_value_does_not_hold_a_value() -> None:
    with pytest.raises(TypeError, match="detach"):
        Value(Value(1.0))  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("wrong", ["a", None, [1.0], 1j, object()])
@pytest.mark.parametrize("op", [operator.add, operator.mul, operator.truediv, operator.pow, operator.lt])
def test_operators_refuse_what_floats_refuse(op: Callable[..., Any], wrong: Any) -> None:
    for call in (lambda: op(Value(1.0), wrong), lambda: op(wrong, Value(1.0))):
        if wrong == [1.0] and op is operator.mul:
            continue
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda v: v / 0, ZeroDivisionError, r"truediv\(Value\(data=2.0.*label='v'\).*Keep the divisor from 0"),
        (lambda v: v // 0, ZeroDivisionError, "Keep the divisor from 0"),
        (lambda v: v % 0, ZeroDivisionError, "Keep the divisor from 0"),
        (lambda v: (v * 1000).exp(), OverflowError, r"exp\(.*logarithms"),
        (lambda v: (v - 2).log(), ValueError, r"log\(.*clamp or maximum"),
        (lambda v: (-v) ** 0.5, ValueError, "whole-number power"),
        (lambda v: (v * 0) ** -1, ZeroDivisionError, "0.0"),
        (lambda v: (v - 3).sqrt(), ValueError, r"sqrt\(.*x in \[0, inf\)"),
        (lambda v: tg.lookup([v], 3), IndexError, r"lookup\(.*out of range"),
        (lambda v: tg.lookup([v], 0.5), TypeError, r"lookup\(.*whole number"),
        (lambda v: tg.exp("a"), TypeError, "Values, numbers and arrays"),
        (lambda v: tg.atan2(v, "a"), TypeError, "a Value or a number"),
    ],
)
def test_errors_name_operation_operand_and_remedy(
    call: Callable[..., Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        call(Value(2.0, label="v"))


# --------------------------------------------------------------------------------------------------- gradients


def test_a_leaf_used_twice_gets_both_contributions() -> None:
    a = Value(3.0)
    (a + a).backward()
    assert a.grad == 2.0
    b = Value(-2.0)
    c = b * 3.0
    (c * c + c).backward()  # a diamond: 9b² + 3b
    assert b.grad == 18.0 * -2.0 + 3.0


@given(st.integers(1, 5))
def test_calling_backward_n_times_gives_n_times_the_gradient(n: int) -> None:
    a, b = Value(0.3), Value(-1.7)
    y = tg.tanh(a * b + b) * a
    y.backward()
    once, interior = (a.grad, b.grad), [node.grad for node in topological_order(y)]
    a.grad = b.grad = 0.0
    for _ in range(n):
        y.backward()
    total = [0.0, 0.0]
    for _ in range(n):
        total = [total[0] + once[0], total[1] + once[1]]
    assert [a.grad, b.grad] == pytest.approx(total, rel=1e-15)
    if n == 2:
        assert [a.grad, b.grad] == [2 * once[0], 2 * once[1]]
    assert [node.grad for node in topological_order(y)] == interior


def test_the_seed_scales_gradients() -> None:
    a = Value(3.0)
    y = a * a
    y.backward(0.5)
    assert (a.grad, y.grad) == (3.0, 0.5)
    leaf = Value(1.0)
    leaf.backward(2.0)
    leaf.backward()
    assert leaf.grad == 3.0


def test_gradients_of_two_roots_add_up_and_interior_ones_are_set_afresh() -> None:
    a = Value(2.0)
    b = a * a
    y, z = b * 3.0, b * 5.0
    y.backward()
    z.backward()
    assert a.grad == 4.0 * 8.0
    assert b.grad == 5.0


def test_zero_grad_reaches_everything_below() -> None:
    a, b = Value(2.0), Value(3.0)
    y = tg.dot([a, b], [b, a], a) * 2.0
    y.backward()
    y.zero_grad()
    assert [node.grad for node in topological_order(y, leaves=True)] == [0.0] * len(topological_order(y, leaves=True))


def test_detach_gives_a_leaf_with_data_and_label() -> None:
    a = Value(2.0, label="a")
    d = (a * a).detach()
    assert d.is_leaf
    assert d.data == 4.0
    assert a.detach().label == "a"
    (d * a).backward()
    assert a.grad == 4.0


def test_constants_get_no_gradient() -> None:
    y = 2.0 * Value(3.0)
    y.backward()
    constant, leaf = y.parents
    assert (constant.is_constant, constant.grad, leaf.is_constant, leaf.grad) == (True, 0.0, False, 2.0)


def test_what_where_did_not_choose_stays_without_influence() -> None:
    x = Value(0.0)
    tg.where(x > 0.0, tg.sqrt(x), 3.0 * x).backward()
    assert x.grad == 3.0


def test_operands_are_parents_in_their_order() -> None:
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    for node, expected in [
        (a - b, (a, b)), (tg.dot([a, b], [c, a], b), (a, b, c, a, b)), (tg.sum([a, b, c]), (a, b, c)),
        (tg.clamp(a, b, c), (a, b, c)), (tg.exp(a), (a,)), (a, ()),
    ]:  # fmt: skip
        assert [id(x) for x in node.parents] == [id(x) for x in expected]
        assert len(node.partials) == len(expected)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_the_order_puts_every_node_before_its_operands(choices: list[int]) -> None:
    nodes = [Value(1.0), Value(2.0)]
    for choice in choices:
        x, y = nodes[choice % len(nodes)], nodes[choice // 7 % len(nodes)]
        nodes.append(tg.sum([x, y, x]) if choice % 5 == 0 else x * y if choice % 2 else x + y)
    order = [id(node) for node in topological_order(nodes[-1], leaves=True)]
    assert len(set(order)) == len(order)
    place = {key: i for i, key in enumerate(order)}
    for node in topological_order(nodes[-1]):
        assert all(place[id(parent)] > place[id(node)] for parent in node.parents)
    assert [id(n) for n in topological_order(nodes[-1], leaves=True)] == order


PROGRAM = """
import tinygrad_lite as tg, random
rng = random.Random(1)
xs = [tg.Value(rng.uniform(-1, 1)) for _ in range(30)]
nodes = list(xs)
for i in range(500):
    a, b = rng.choice(nodes), rng.choice(nodes)
    nodes.append(tg.tanh(a * b + 0.1) if i % 3 else tg.sum([a, b, nodes[-1]]) if i % 2 else tg.dot([a, b], [b, a], a))
y = tg.mean(nodes)
y.backward()
print([x.grad.hex() for x in xs])
"""


def test_gradients_have_the_same_bits_in_every_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    assert "0x" in outputs.pop()


# --------------------------------------------------------------------------------------------- stale and forward


def test_backward_refuses_a_stale_graph_and_changes_nothing() -> None:
    w = Value(2.0, label="w")
    h = w * w
    y = h + 1.0
    y.backward()
    w.data = 5.0
    with pytest.raises(StaleGraphError, match=r"label='w'.*forward\(\).*record a new one"):
        y.backward()
    assert (w.grad, h.grad, y.data) == (4.0, 1.0, 5.0)
    assert y.forward() is y
    assert y.data == 26.0
    w.grad = 0.0
    y.backward()
    assert w.grad == 10.0


def test_forward_after_a_shared_part_was_evaluated_from_another_root() -> None:
    w = Value(2.0, label="w")
    shared = w * w
    y, z = shared + 1.0, shared * 3.0
    w.data = 4.0
    assert y.forward().data == 17.0
    with pytest.raises(StaleGraphError, match="label='w'"):
        z.backward()
    assert z.forward().data == 48.0
    z.backward()
    assert w.grad == 24.0


def test_forward_evaluates_every_kind_of_node_again() -> None:
    a, b, c = Value(0.5), Value(1.5), Value(-2.0)

    def f() -> Value:
        return (
            tg.dot([a, b], [tg.softmax([a, b, c])[1], tg.clamp(c, -1.0, 1.0)], tg.relu(b)) + tg.lookup([a, b], 1) ** a
        )

    y = f()
    for data in (0.25, 1.25, 3.0):
        a.data, b.data, c.data = data, data + 1.0, -data
        assert y.forward().data == f().data


def test_forward_that_fails_in_the_middle_can_be_repeated() -> None:
    a = Value(4.0, label="a")
    y = tg.log(a * 1.0) + a
    a.data = -1.0
    with pytest.raises(ValueError, match="log"):
        y.forward()
    with pytest.raises(StaleGraphError):
        y.backward()
    a.data = 2.0
    assert y.forward().data == math.log(2.0) + 2.0
    y.backward()
    assert a.grad == 1.5


def test_a_new_graph_on_changed_leaves_is_fresh() -> None:
    a = Value(1.0)
    old = a * a
    a.data = 3.0
    new = a * a
    new.backward()
    assert a.grad == 6.0
    with pytest.raises(StaleGraphError):
        old.backward()


def test_a_new_node_on_a_stale_graph_is_refused() -> None:
    a = Value(1.0, label="a")
    old = a * a
    a.data = 3.0
    y = old + 1.0
    with pytest.raises(StaleGraphError, match="label='a'"):
        y.backward()
    with pytest.raises(StaleGraphError, match="label='a'"):
        tg.gradient(y, [a])


def test_forward_reaches_a_new_node_on_a_stale_graph() -> None:
    a = Value(1.0)
    old = a * a
    a.data = 3.0
    y = old + 1.0
    assert y.forward().data == 10.0


def test_forward_evaluates_as_well_where_no_narrow_format_was_ever_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tinygrad_lite.value.STATE, "narrow", False)
    a = Value(2.0)
    y = a * a + 1.0
    a.data = 3.0
    assert y.forward().data == 10.0


def test_labels_are_kept_and_shown() -> None:
    a = Value(2.0, label="weight")
    assert a.label == "weight"
    assert "label='weight'" in repr(a)
    b = a * a
    b.label = "square"
    assert b.label == "square"
    assert Value(1.0).label == ""
    with pytest.raises(TypeError, match="label"):
        b.label = 3  # type: ignore[assignment]  # the point of the test


# -------------------------------------------------------------------------------------------- depth and memory


def chain(length: int) -> tuple[Value, Value]:
    """A leaf and the end of a chain of that many nodes."""
    leaf = Value(1.0)
    node = leaf
    for _ in range(length // 2):
        node = +(-node)
    return leaf, node


def test_a_chain_of_a_million_nodes_is_built_differentiated_evaluated_and_freed() -> None:
    leaf, node = chain(1_000_000)
    node.backward()
    assert leaf.grad == 1.0
    leaf.data = 3.0
    assert node.forward().data == 3.0
    node.zero_grad()
    assert leaf.grad == 0.0
    del node


def test_a_deep_nary_chain_is_differentiated_and_freed() -> None:
    leaf = Value(1.0)
    node = leaf
    for _ in range(100_000):
        node = tg.dot([node], [1.0], 0.0)
    for _ in range(100_000):
        node = tg.sum([node, 0.0])
    node.backward()
    assert leaf.grad == 1.0
    del node


def test_a_graph_is_freed_without_the_cyclic_collector() -> None:
    import gc

    gc.collect()
    gc.disable()
    try:
        build_and_drop()
        before = sys.getallocatedblocks()
        for _ in range(20):
            build_and_drop()
        assert sys.getallocatedblocks() - before < 300
    finally:
        gc.enable()


def build_and_drop() -> None:
    a, b = Value(0.5, label="a"), Value(1.5)
    for _ in range(200):
        y = tg.softmax([a, b, a * b])[0] + tg.dot([a, b], [b, a], 1.0) ** 2 + tg.tanh(tg.clamp(a, 0.0, b))
        y.backward()
        tg.grad(tg.grad(lambda x: x**3))(2.0)


def test_ten_thousand_training_steps_leave_memory_flat() -> None:
    w, b = Value(0.1), Value(0.0)

    def steps(n: int) -> None:
        for i in range(n):
            x = (i % 7) / 7.0
            loss = (tg.tanh(w * x + b) - x) ** 2
            w.grad = b.grad = 0.0
            loss.backward()
            w.data -= 0.1 * w.grad
            b.data -= 0.1 * b.grad

    steps(1000)
    tracemalloc.start()
    try:
        steps(100)
        before = tracemalloc.get_traced_memory()[0]
        steps(9000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000


def test_threads_differentiate_graphs_of_their_own() -> None:
    results: list[float] = [0.0] * 4

    def work(k: int) -> None:
        x = Value(float(k))
        for _ in range(200):
            x.grad = 0.0
            (x * x + tg.sin(x)).backward()
        results[k] = x.grad

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == pytest.approx([2.0 * k + math.cos(k) for k in range(4)], rel=1e-15)


@pytest.mark.parametrize("name", ["data", "grad", "label", "op", "parents"])
def test_an_attribute_cannot_be_deleted(name: str) -> None:
    v = Value(1.0, label="v")
    with pytest.raises(AttributeError):
        delattr(v, name)
    assert repr(v) == "Value(data=1.0, grad=0.0, label='v')"


def test_a_seed_of_none_is_one() -> None:
    x = Value(3.0)
    (x * x).backward(None)
    assert x.grad == 6.0


def test_counts_are_forgotten_wherever_the_counting_stopped() -> None:
    """As after Ctrl-C in the interpreted build: some counts are back at 0 while those below are not."""
    x = Value(2.0)
    m = x * x
    n = (m + 1) * (m * 2)
    root = n + m * 2 * m
    for stale_nodes in ([m], [n], [m, n], [n.parents[0], n.parents[1]]):
        tg.value._walk(root, 1, 1, tg.value.CONSTANT)
        for node in stale_nodes:
            node._pending = 0
        forget_counts(root)
        x.grad = 0.0
        root.backward()
        assert x.grad == (8 * 4 + 2) * 4  # root is 4m² + 2m, and m is x²


def test_a_dot_of_any_length_is_its_loop() -> None:
    """CPython keeps one object for each int up to 256 only: a count that was compared by identity fails after it."""
    for n in (0, 1, 256, 257, 1000):
        ws, xs = [Value(float(k)) for k in range(n)], [Value(1.0 / (k + 1.0)) for k in range(n)]
        node = tg.dot(ws, xs, Value(0.5))
        expected = 0.5
        for w, x in zip(ws, xs, strict=True):
            expected += w.data * x.data
        assert node.data == expected
        node.backward()
        assert [w.grad for w in ws] == [x.data for x in xs]
        assert [x.grad for x in xs] == [w.data for w in ws]


@pytest.mark.parametrize("wrong", ["a", None, [1.0], object()])
@pytest.mark.parametrize(
    "op", [operator.sub, operator.floordiv, operator.mod, divmod, operator.le, operator.gt, operator.ge]
)
def test_the_other_operators_refuse_what_floats_refuse_too(op: Callable[..., Any], wrong: Any) -> None:
    for call in (lambda: op(Value(1.0), wrong), lambda: op(wrong, Value(1.0))):
        if wrong == "a" and op is operator.mod:  # "a" % v is Python's formatting
            continue
        with pytest.raises(TypeError):
            call()


class Friend:
    """Answers every operator, as arrays do."""

    def answer(self, other: object) -> str:
        return "mine"

    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rdivmod__ = __rpow__ = answer
    __add__ = __sub__ = __mul__ = __truediv__ = __floordiv__ = __mod__ = __divmod__ = __pow__ = answer
    __lt__ = __le__ = __gt__ = __ge__ = answer


@pytest.mark.parametrize("op", [*BINARY, operator.lt, operator.le, operator.gt, operator.ge])
def test_operators_leave_the_answer_to_an_operand_that_knows_one(op: Callable[..., Any]) -> None:
    assert op(Value(1.0), Friend()) == "mine"
    assert op(Friend(), Value(1.0)) == "mine"


def test_an_interior_node_is_made_by_an_operation_only() -> None:
    with pytest.raises(TypeError, match="an interior node is made by an operation"):
        Value(1.0, _code=tinygrad_lite.value.ADD)


def test_a_notebook_asks_a_value_for_its_picture() -> None:
    bundle = (Value(1.0, label="a") + 2.0)._repr_mimebundle_()
    assert bundle["text/plain"].startswith("Value(data=3.0")


@pytest.mark.skipif(COMPILED, reason="the compiled sort calls its second pass directly, and no signal comes between")
def test_an_interrupt_between_the_two_passes_leaves_the_graph_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Value(3.0)
    y = x * x
    root = y * y + y

    walk = tinygrad_lite.value._walk

    def interrupt(root: Value, step: int, arrived: int, counted: int) -> list[Value]:
        if step < 0:
            raise KeyboardInterrupt
        return walk(root, step, arrived, counted)

    with monkeypatch.context() as patch:
        patch.setattr(tinygrad_lite.value, "_walk", interrupt)
        with pytest.raises(KeyboardInterrupt):
            root.backward()
    root.backward()
    assert x.grad == (2.0 * 9.0 + 1.0) * 6.0


def test_the_package_lists_its_submodules() -> None:
    assert {"nn", "viz", "Value", "grad"} <= set(dir(tg))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tg.nothing  # noqa: B018 (looking it up is the test)


def test_a_constant_gets_no_gradient_by_any_rule() -> None:
    """The plain number of another node may be used again: ``node.parents`` gives it."""
    c = (Value(3.0) * 2.0).parents[1]
    assert c.is_constant
    v = Value(5.0)
    roots = [-c, abs(c), tg.relu(c), tg.exp(c), c + v, v + c, c - v, v - c, c * v, v * c, c / v, v / c, c**v, v**c]
    roots += [tg.maximum(c, v), tg.sum([c, v]), tg.dot([c, v], [v, c], c), tg.clamp(c, v, v), tg.softmax([c, v])[0]]
    for root in roots:
        root.backward()
        assert c.grad == 0.0, root.op
        assert all(slope.data == 0.0 for slope in tg.gradient(root, [v], create_graph=True)) == (root.parents == (c,))


def test_forward_leaves_alone_what_no_changed_leaf_reaches() -> None:
    x, w = Value(3.0), Value(2.0)
    w.data = 4.0  # time passes, so that x is older than the nodes that use it
    shared = x * x
    other = shared + 1.0
    root = shared * w
    w.data = 5.0
    assert root.forward().data == 45.0
    other.backward()  # not stale
    assert x.grad == 6.0


def test_a_stale_graph_names_the_leaf_that_was_changed_and_no_other() -> None:
    for swap in (False, True):
        a, b = Value(2.0, label="kept"), Value(3.0, label="changed")
        a.data = 4.0
        shared = b * a if swap else a * b
        root = shared + 1.0
        b.data = 5.0
        shared.forward()
        with pytest.raises(StaleGraphError, match=r"label='changed'\) was changed after 'add'"):
            root.backward()


def test_relu_of_minus_zero_is_zero() -> None:
    for found in (tg.relu(Value(-0.0)).data, tg.relu(-0.0), Value(-0.0).relu().forward().data):
        assert math.copysign(1.0, found) == 1.0


def test_a_constant_has_no_partials() -> None:
    (two, _) = (2.0 * Value(1.0)).parents
    assert two.is_constant
    assert two.partials == ()


def test_a_frozen_leaf_gets_no_gradient_until_it_is_thawed() -> None:
    w, x = Value(2.0), Value(3.0)
    w.requires_grad = False
    y = w * x + tg.exp(w)
    y.backward()
    assert (w.grad, x.grad, w.requires_grad, w.is_constant) == (0.0, 2.0, False, True)
    w.requires_grad = True
    y.backward()
    assert (w.grad, x.grad) == (3.0 + math.exp(2.0), 4.0)


def test_a_frozen_leaf_can_still_be_set() -> None:
    w = Value(2.0)
    w.requires_grad = False
    y = w * Value(3.0)
    w.data = 5.0
    assert y.forward().data == 15.0


def test_an_interior_node_cannot_be_frozen_and_the_message_says_what_can() -> None:
    y = Value(2.0) * 3.0
    y.requires_grad = True
    assert y.requires_grad
    with pytest.raises(tg.GraphError, match="Freeze the leaves below it"):
        y.requires_grad = False
    with pytest.raises((AttributeError, TypeError)):
        del y.requires_grad


def test_forward_keeps_the_order_and_every_sweep_that_follows_is_right() -> None:
    xs = [Value(0.3 + k) for k in range(4)]

    def record() -> Value:
        y = xs[0]
        for k in range(20):
            y = tg.dot([y, xs[1]], [xs[2], 0.5], -xs[3]) / (y * y + 2.0) + tg.tanh(y) ** 2 - tg.clamp(y, xs[1], 9.0)
            y = y.relu() + (y * 1.5) ** (k % 4) + abs(y) * tg.hypot(y, 1.0) if k % 2 else y.sin()
        return y

    kept = record()
    for step in range(4):
        for k, x in enumerate(xs):
            x.data, x.grad = 0.1 * k - 0.2 * step + 0.05, 0.0
        with pytest.raises(StaleGraphError):
            kept.backward()
        kept.forward().backward(2.0)
        found = [x.grad for x in xs]
        fresh = record()
        for x in xs:
            x.grad = 0.0
        fresh.backward(2.0)
        assert kept.data == fresh.data
        assert found == [x.grad for x in xs]
        assert tg.gradient(kept, xs) == tg.gradient(fresh, xs)


def test_orders_that_are_kept_go_with_their_roots_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    state, before = tinygrad_lite.value.STATE, tinygrad_lite.value.STATE.kept
    x = Value(2.0)
    y = x * x * x * x
    y.forward()
    assert state.kept == before + 2
    y.forward()
    assert state.kept == before + 2
    del y
    assert state.kept == before
    other = x * x * x
    state.kept += 10_000_000
    try:
        x.data = 3.0
        assert other.forward().data == 27.0
        assert state.kept == before + 10_000_000
    finally:
        state.kept -= 10_000_000
    x.grad = 0.0
    other.backward()
    assert x.grad == 27.0


def test_powers_are_pythons_to_the_bit() -> None:
    rng = random.Random(5)
    for _ in range(2000):
        x, y = (
            rng.choice([-1, 1]) * 10 ** rng.uniform(-160, 160),
            rng.choice([2.0, 2, 3.0, 0.5, -1.0, rng.uniform(-3, 3)]),
        )
        expected: Any = None
        try:
            expected = x**y
        except (OverflowError, ZeroDivisionError) as error:
            kind = type(error)
        if expected is None:
            with pytest.raises(kind, match=r"^pow\("):
                Value(x) ** y
            continue
        if isinstance(expected, complex):
            continue
        v = Value(x)
        power = v**y
        assert power.data == expected
        power.backward()
        assert v.grad == tg.value.power_by_base(x, float(y))


@pytest.mark.parametrize(
    "f",
    [
        lambda v, c: v + c, lambda v, c: c + v, lambda v, c: v - c, lambda v, c: c - v, lambda v, c: v * c,
        lambda v, c: c * v, lambda v, c: v / c, lambda v, c: c / v, lambda v, c: v**c, lambda v, c: c**v,
    ],
)  # fmt: skip
@pytest.mark.parametrize("c", [2, 0.0, -1.5, 3.0, 0.25, True, np.float64(2.5), np.int64(2)])
@pytest.mark.parametrize("x", [0.7, -1.25, 1e200, math.inf])
def test_a_plain_number_is_an_operand_like_a_frozen_leaf(f: Callable[..., Any], c: Any, x: float) -> None:
    v, w, leaf = Value(x), Value(x), Value(float(c), requires_grad=False)
    try:
        expected = f(w, leaf)
    except (ArithmeticError, ValueError) as error:
        said, kind = re.sub("Value.*?[)]", "", str(error)), type(error)
        with pytest.raises(kind) as raised:
            f(v, c)
        assert re.sub("Value.*?[)]", "", str(raised.value)) == said
        return
    found = f(v, c)
    assert bits(found.data) == bits(expected.data)
    assert found.op == expected.op
    for at in (x, 0.3, -2.0, 0.0):  # evaluated again where the short rules do not hold, too
        for node, leaf_of in ((found, v), (expected, w)):
            leaf_of.data, leaf_of.grad = at, 0.0
            try:
                node.forward().backward()
            except (ArithmeticError, ValueError):
                leaf_of.grad = math.nan
        assert bits(v.grad) == bits(w.grad)
        assert bits(found.data) == bits(expected.data)
    assert [bits(p.data) for p in found.parents] == [bits(p.data) for p in expected.parents]
    assert [p.is_constant for p in found.parents] == [p.is_constant for p in expected.parents]
    v.data = w.data = 2.0
    assert bits(found.forward().data) == bits(expected.forward().data)
    found.backward()  # of operands that were asked for


def test_the_operand_of_a_plain_number_is_one_leaf_as_old_as_its_node() -> None:
    x = Value(3.0)
    y = 2.0 * x
    z = y + 1.0
    x.data = 5.0
    constant, same = y.parents[0], y.parents[0]
    assert constant is same
    assert constant._stamp == y._stamp < x._stamp
    assert constant.is_constant
    assert tg.value.constant_of(y, constant) is constant
    assert y._left is constant
    assert z.forward().data == 11.0
    constant.data = 4.0
    with pytest.raises(StaleGraphError):
        z.backward()
    constant.requires_grad = True
    z.forward().backward()
    assert (z.data, constant.grad, x.grad) == (21.0, 5.0, 4.0)
    assert [node.data for node in topological_order(z, leaves=True)] == [21.0, 20.0, 1.0, 5.0, 4.0]


def test_a_frozen_leaf_beside_a_plain_number_has_no_gradient() -> None:
    w = Value(3.0, requires_grad=False)
    for node in (w * 2.0, 2.0 * w, w + 1.0, 1.0 - w, w / 4.0, 1.0 / w, w**2, w**0, 2**w):
        node.backward()
        assert w.grad == 0.0
    x = Value(0.5)
    (x**0 + x**0.0).backward()
    assert x.grad == 0.0


def test_modes_see_plain_numbers_as_operands() -> None:
    x = Value(1.5, label="x")
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError, match=r"mul made inf .*1e\+308"):
        (x * 1e308) * 1e308
    with tg.autocast("float16"):
        assert (x * 0.1).parents[1].data == float(np.float16(0.1))
    with tg.no_grad():
        assert (x * 2).is_leaf
        done = []
        thread = threading.Thread(target=lambda: done.append([(x * 2.0).parents, (x * x).parents]))
        thread.start()
        thread.join()
    assert [len(parents) for parents in done[0]] == [2, 2]  # modes are of one thread


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda x: x + 3.0, 1.0),
        (lambda x: 3.0 + x, 1.0),
        (lambda x: x - 3.0, 1.0),
        (lambda x: 3.0 - x, -1.0),
        (lambda x: x * 3.0, 3.0),
        (lambda x: 3.0 * x, 3.0),
        (lambda x: x / 4.0, 0.25),
        (lambda x: 3.0 / x, -0.75),
        (lambda x: x**3, 12.0),
        (lambda x: x**0, 0.0),
        (lambda x: x**-1, -0.25),
    ],
)
def test_plain_numbers_on_either_side_pass_gradients_on(f: Any, slope: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("singular", "narrow"):  # whatever other tests have recorded: the quick sweep
        monkeypatch.setattr(tinygrad_lite.value.STATE, name, False)
    x = Value(2.0)
    (2.0 * f(x)).backward()
    assert x.grad == 2.0 * slope
    frozen = Value(2.0)
    frozen.requires_grad = False
    (x * f(frozen)).backward()
    assert frozen.grad == 0.0


def test_a_power_of_what_became_negative_has_the_derivative_of_there() -> None:
    x = Value(2.0)
    y = x**2
    x.data = -3.0
    tinygrad_lite.value.pass_on_beside(y, 1.0)  # backward() would ask for forward(), which makes a node of the 2
    assert x.grad == -6.0
