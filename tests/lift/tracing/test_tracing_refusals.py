"""While lift traces, no number of an input leaves the graph.

Each hostile function has its own way to use the number of an input, and a comment at the line that must be named.
"""

from __future__ import annotations

import bisect
import copy
import heapq
import inspect
import math
import operator
import pickle
import random
import statistics
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import TraceError, Value
from tinygrad_lite.trace_errors import REFUSALS, refuse
from tinygrad_lite.trace_mode import tracing

CLOSED_OVER = [Value(3.0, label="first"), Value(-1.0, label="second")]

# ---------------------------------------------------------------------------------------- hostile functions


def branch(x: Value, y: Value) -> Any:
    if x * y > 0.0:  # asked here
        return x
    return y


def branch_on_an_input_at_the_right(x: Value, y: Value) -> Any:
    return x if CLOSED_OVER[0] <= y else y  # asked here


def branch_on_a_numpy_scalar(x: Value, y: Value) -> Any:
    return x if np.float64(0.0) < y else y  # asked here


def loop(x: Value, y: Value) -> Any:
    while abs(x) >= 1.0:  # asked here
        x = x / 2.0
    return x


def newton_until_it_converges(x: Value, y: Value) -> Any:
    root = x
    for _ in range(50):
        step = (root * root - y) / (2.0 * root)
        root = root - step
        if abs(step) < 1e-12:  # asked here
            break
    return root


def truth_of_a_value(x: Value, y: Value) -> Any:
    return x / y if y else x  # asked here


def short_circuit(x: Value, y: Value) -> Any:
    return x or y  # asked here


def all_of_them(x: Value, y: Value) -> Any:
    return 1.0 if all([CLOSED_OVER[0], x]) else y  # asked here


def data_as_a_coefficient(x: Value, y: Value) -> Any:
    scale = x.data  # asked here
    return scale * y


def item_as_a_coefficient(x: Value, y: Value) -> Any:
    return (x + y).item() * y  # asked here


def number_as_an_index(x: Value, y: Value) -> Any:
    return CLOSED_OVER[int(x.data)]  # asked here


def value_as_an_index(x: Value, y: Value) -> Any:
    return CLOSED_OVER[int(y)]  # asked here


def formatted_as_an_integer(x: Value, y: Value) -> Any:
    return CLOSED_OVER[int("%d" % y)]  # noqa: UP031  # asked here (the old way to format is the point)


def rounded(x: Value, y: Value) -> Any:
    return round(x, 1) * y  # asked here


def truncated(x: Value, y: Value) -> Any:
    return math.trunc(x) * y  # asked here


def as_a_fraction(x: Value, y: Value) -> Any:
    return x.as_integer_ratio()[0] * y  # asked here


def largest(x: Value, y: Value) -> Any:
    return max([x, y, *CLOSED_OVER])  # asked here


def sorted_values(x: Value, y: Value) -> Any:
    return sorted([x, y])[0]  # asked here


def median(x: Value, y: Value) -> Any:
    return statistics.median([x, y, Value(0.0)])  # asked here


def heap(x: Value, y: Value) -> Any:
    items = [x, y]
    heapq.heapify(items)  # asked here
    return items[0]


def place_in_a_list(x: Value, y: Value) -> Any:
    return CLOSED_OVER[bisect.bisect([0.0], x) - 1]  # asked here


def weighted_choice(x: Value, y: Value) -> Any:
    return random.choices([x, y], weights=[x, y])[0]  # asked here


def detached_condition(x: Value, y: Value) -> Any:
    gate = x.detach()  # asked here
    return x if gate.data > 0.0 else y


def copied_leaf(x: Value, y: Value) -> Any:
    return copy.copy(x).data * y  # asked here


def deep_copy(x: Value, y: Value) -> Any:
    return copy.deepcopy([x * y])[0].data * y  # asked here


def pickled(x: Value, y: Value) -> Any:
    return pickle.loads(pickle.dumps(x)).data * y  # asked here


def written_and_read_back(x: Value, y: Value) -> Any:
    return float(f"{x:.17g}") * y  # asked here


def formatted_the_old_way(x: Value, y: Value) -> Any:
    return float("%.17g" % x) * y  # noqa: UP031  # asked here


def standard_library_function(x: Value, y: Value) -> Any:
    return math.exp(x) * y  # asked here


def packed_into_bytes(x: Value, y: Value) -> Any:
    return struct.pack("d", x)  # asked here


def array_of_floats(x: Value, y: Value) -> Any:
    return np.array([x, y], dtype=float).sum() * y  # asked here


def argmax(x: Value, y: Value) -> Any:
    return CLOSED_OVER[int(np.argmax(np.array([x, y])))]  # asked here


def mask_of_an_array(x: Value, y: Value) -> Any:
    xs = np.array([x, y])
    return np.where(xs > 0.0, xs, 0.0).sum()  # asked here


def sign_of_an_array(x: Value, y: Value) -> Any:
    return np.sign(np.array([x, y]))[0] * y  # asked here


def sorted_array(x: Value, y: Value) -> Any:
    return np.sort(np.array([x, y]))[0]  # asked here


def largest_of_an_array(x: Value, y: Value) -> Any:
    return np.array([x, y]).max()  # asked here


def clipped_array(x: Value, y: Value) -> Any:
    return np.clip(np.array([x, y]), 0.0, 1.0)[0]  # asked here


def assertion(x: Value, y: Value) -> Any:
    assert x.data > 0.0  # asked here
    return x * y


def overwritten_input(x: Value, y: Value) -> Any:
    x.data = 0.5  # asked here
    return x * y


def local_derivatives(x: Value, y: Value) -> Any:
    return (x * y).partials[0] * y  # asked here


def gradient_of_the_engine(x: Value, y: Value) -> Any:
    loss = x * x * y
    loss.backward()  # asked here
    return x.grad


def gradient_that_was_there(x: Value, y: Value) -> Any:
    return x - 0.1 * x.grad  # asked here


def gradient_as_a_float(x: Value, y: Value) -> Any:
    return tg.gradient(x * x * y, x) * y  # asked here


def evaluated_again(x: Value, y: Value) -> Any:
    return (x * y).forward()  # asked here


def constant_of_no_grad(x: Value, y: Value) -> Any:
    with tg.no_grad():
        scale = tg.sum([CLOSED_OVER[0], x])  # asked here
    return scale.data * y


def rounded_by_autocast(x: Value, y: Value) -> Any:
    with tg.autocast("float16"):
        return x * y  # asked here


def inside_a_generator(x: Value, y: Value) -> Any:
    return tg.sum(v for v in (x, y) if v > 0.0)  # asked here


def inside_a_transform(x: Value, y: Value) -> Any:
    def loss(w: Value) -> Any:
        return w * w if w > 0.0 else w  # asked here

    return tg.grad(loss)(x)


def by_a_function_of_operator(x: Value, y: Value) -> Any:
    return [x, y][operator.lt(x, y)]  # asked here


def equal_to_a_number(x: Value, y: Value) -> Any:
    return x if y == 3.0 else -x  # asked here


def unequal_to_a_number(x: Value, y: Value) -> Any:
    return x if y != 3.0 else -x  # asked here


HOSTILE = [
    function
    for function in list(globals().values())
    if inspect.isfunction(function)
    and function.__module__ == __name__
    and "# asked here" in inspect.getsource(function)
]


def traced(function: Callable[..., Any]) -> Any:
    x, y = Value(2.0, label="x"), Value(1.0)
    with tracing([x, y]):
        return function(x, y)


def line_of(function: Callable[..., Any]) -> str:
    """The line with the comment, as messages write it."""
    lines, start = inspect.getsourcelines(function)
    (k,) = [k for k, line in enumerate(lines) if "# asked here" in line]
    return f"{__file__}:{start + k}: {lines[k].strip()}"


@pytest.mark.parametrize("function", HOSTILE, ids=lambda function: function.__name__)
def test_a_number_that_leaves_the_graph_is_refused_at_the_users_line(function: Callable[..., Any]) -> None:
    with pytest.raises(TraceError) as raised:
        traced(function)
    assert f"at {line_of(function)}. It would " in str(raised.value)
    assert " Instead: " in str(raised.value)


@pytest.mark.parametrize("function", HOSTILE, ids=lambda function: function.__name__)
def test_an_error_that_the_function_caught_is_raised_when_tracing_ends(function: Callable[..., Any]) -> None:
    def swallowed(x: Value, y: Value) -> Any:
        try:
            return function(x, y)
        except Exception:
            return x

    with pytest.raises(TraceError, match="Instead: "):
        traced(swallowed)


@pytest.mark.parametrize(
    "largest",
    [
        lambda x, y: max(v.data for v in [x, y]),
        lambda x, y: max([x, y]),
        lambda x, y: max(float(x), float(y)),
    ],
)
def test_where_the_largest_of_some_is_asked_for_the_message_says_that_softmax_subtracts_it(largest: Any) -> None:
    with pytest.raises(TraceError, match=r"softmax\(xs\) and logsumexp\(xs\) subtract it themselves"):
        traced(largest)
    with pytest.raises(TraceError) as raised:
        traced(lambda x, y: x.data)
    assert "softmax" not in str(raised.value)


def test_there_are_ten_hostile_functions_and_one_for_each_kind_of_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    class Recorded(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            asked.add(key)
            return super().__getitem__(key)

    monkeypatch.setattr("tinygrad_lite.trace_errors.REFUSALS", Recorded(REFUSALS))
    for function in HOSTILE:
        with pytest.raises(TraceError):
            traced(function)
    assert len(HOSTILE) >= 10
    assert asked == set(REFUSALS)


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (branch, ["Value(op='mul') > 0.0", "same branch", "where(greater(a, b), x, y)", 'static=("n",)']),
        (branch_on_an_input_at_the_right, ["label='first') <= Value(an input)", "where(less_equal(a, b), x, y)"]),
        (truth_of_a_value, ["bool(Value(an input))", "where(v, x, y)"]),
        (data_as_a_coefficient, ["Value(label='x').data", "use the Value itself", "lookup(table, v)", "static="]),
        (value_as_an_index, ["int(Value(an input))", "lookup(table, v)", "floor(v)"]),
        (standard_library_function, ["float(Value(label='x'))", "tinygrad_lite.exp(v)"]),
        (gradient_of_the_engine, ["Value(op='mul').backward()", "value_and_grad(f)"]),
        (gradient_as_a_float, ["create_graph=True"]),
        (detached_condition, ["Value(label='x').detach()", "argnums"]),
        (constant_of_no_grad, ["Value(label='x') inside no_grad()", "leave no_grad() out"]),
        (rounded_by_autocast, ["inside autocast()", "engine of the program"]),
        (written_and_read_back, ["Value(label='x') in a format", "format what the program gives"]),
    ],
)
def test_the_message_names_the_value_the_reason_and_the_remedy_that_fits(
    function: Callable[..., Any], parts: list[str]
) -> None:
    with pytest.raises(TraceError) as raised:
        traced(function)
    for part in parts:
        assert part in str(raised.value)
    assert "2.0" not in str(raised.value).split(", at ")[0]


def test_what_belongs_to_no_value_can_be_refused_too() -> None:
    with pytest.raises(TraceError, match=r"lift cannot trace a draw, at .*It would repeat\. Instead: give it\.$"):
        traced(lambda x, y: refuse("a draw", "repeat", "give it"))
    with pytest.raises(TraceError, match="a draw"):
        refuse("a draw", "repeat", "give it")
