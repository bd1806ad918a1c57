"""Where a program is not its function, the message says whose fault it is, and is right about it."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import test_lifting as hostile
from hypothesis import example, given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift, passes
from tinygrad_lite.lift.canonical.canonicalize import Canonical, canonicalize
from tinygrad_lite.lift.checking import error_analysis, internal_errors
from tinygrad_lite.lift.checking.disagreement import find_first_difference
from tinygrad_lite.lift.checking.reference import Recording
from tinygrad_lite.lift.engines import numba_engine
from tinygrad_lite.lift.tracing.trace import make_graph
from tinygrad_lite.operations.ops import TABLE


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch):
    """On a busy machine the search for the smallest function would end before it is found."""
    monkeypatch.setattr(internal_errors, "_SECONDS", 600.0)


def refusal(lifted: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(LiftError) as caught:
        lifted(*arguments)
    return str(caught.value)


def prints(message: str) -> list[float]:
    """What the reproduction in a message prints, when it is run as it stands."""
    source = re.sub("^    ", "", message.split("with this:\n")[1], flags=re.MULTILINE)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "<reproduction>", "exec"), {})
    return [float(word) for word in printed.getvalue().split()]


# --------------------------------------------------------------------------------------------- the function's fault

#: Functions that read numbers out of the graph, or branch on them, and what they record first and then.
READERS = [
    (hostile.reads_private_data, "mul", "with the constant 2.0 first"),
    (hostile.branches_on_private_data, "add", "first, mul"),
    (hostile.remembers_the_first_argument, "mul", "with the constant 2.0 first"),
    (hostile.knows_numbers_by_identity, "mul", "with the constant 2.0 first"),
    (hostile.loops_as_often_as_a_number_says, "2 operations first", "of which only one has mul"),
    (hostile.looks_the_number_up_in_a_list, "mul", "with the constant 1.0 first"),
    (hostile.sees_the_number_through_a_forged_value, "mul", "with the constant 7.389"),
]


@pytest.mark.parametrize(("function", "first", "then"), READERS, ids=[case[0].__name__ for case in READERS])
@pytest.mark.parametrize("batch", [None, (0, None)])
def test_a_graph_that_depends_on_the_numbers_is_shown_with_the_line_that_makes_it(function, first, then, batch):
    x = 2.0 if batch is None else np.array([2.0, 2.5, 3.5])
    message = refusal(lift(function, batch=batch), x, 3.0)
    assert "The function's graph depends on the numbers of its arguments" in message
    assert first in message
    assert then in message
    lines = range(function.__code__.co_firstlineno, function.__code__.co_firstlineno + 6)
    (*_, line) = re.findall(r"test_lifting\.py:(\d+): ", message)
    assert int(line) in lines
    assert "mistake of lift" not in message


def test_a_function_that_treats_values_otherwise_than_numbers_is_told_so():
    message = refusal(lift(hostile.asks_whether_it_is_traced), 2.0, 3.0)
    assert "gives other numbers for Values than for plain numbers" in message
    assert "depends" not in message


@pytest.mark.parametrize("engine", ["numpy", "tape"])
@pytest.mark.parametrize(
    "f", [lambda x: tg.sqrt(x) * x, lambda x: x * x * tg.sqrt(x)], ids=["a product", "behind a square"]
)
def test_a_limit_that_the_chain_rule_does_not_give_is_no_mistake_of_lift(f, engine):
    assert tg.grad(f)(0.0) == 0.0
    lifted = lift(tg.grad(f), engine=engine)
    with pytest.raises(LiftError, match="the chain rule meets an infinite slope") as caught:
        lifted(0.0)
    assert "mistake of lift" not in str(caught.value)
    assert lifted(4.0) == pytest.approx(tg.grad(f)(4.0), rel=1e-14)
    with pytest.raises(FloatingPointError):
        lifted(0.0)


def test_a_function_that_records_another_graph_for_the_same_numbers_is_told_so():
    calls = itertools.count()

    def alternates(x: Any) -> Any:
        return x * x if isinstance(x, float) or next(calls) % 2 else x * x * x

    message = refusal(lift(alternates), 2.5)
    assert "records another graph when it is called again with the same arguments" in message


# -------------------------------------------------------------------------------------------------- nobody's fault


@pytest.mark.parametrize("large", [1e9, 6755399441055744.0])
def test_numbers_that_are_rounded_by_larger_ones_are_refused_and_nobody_is_blamed(large):
    message = refusal(lift(lambda x: (x + large) - large), 1.1)
    assert f"adds a number that is much larger than the result, such as {large!r}, and takes it away again" in message
    assert "floor" in message
    assert "mistake" not in message
    assert "depends" not in message


def test_what_the_function_rounds_itself_is_no_difference():
    x = 1.3e-10
    assert lift(lambda x: 1 - (1 - x))(x) == x  # the function gives 1.3000001e-10


@example([0.0, 0.25, 2.2250738585e-313])  # a product that underflows
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3))
def test_the_bound_of_a_graph_holds_for_its_numbers(xs):
    x, y, z = (Value(v) for v in xs)
    roots = [x * y - y * z + x, (x + 1e9) - 1e9, tg.sum([x, y, -x, z, 1e6]), tg.dot([x, y], [y, z], z)]
    a, b, c = map(Fraction, xs)
    big = Fraction(10) ** 9
    exact = [a * b - b * c + a, (a + big) - big, b + c + 10**6, a * b + b * c + c]
    numbers = [root.data for root in roots]
    for number, truth, bound in zip(numbers, exact, error_analysis.bound_graph_errors(make_graph(roots)), strict=True):
        assert abs(Fraction(number) - truth) <= bound


@given(st.floats(-3.0, 3.0), st.floats(0.1, 3.0))
def test_the_bound_of_functions_of_functions_holds_for_their_numbers(x, y):
    u, v = Value(x), Value(y)
    root = tg.exp(tg.sin(u) * 3.0) / v - tg.tanh(u * v) ** 3 + tg.logsumexp([u, v])
    (bound,) = error_analysis.bound_graph_errors(make_graph([root]))
    with mpmath.workdps(40):
        a, b = mpmath.mpf(x), mpmath.mpf(y)
        truth = mpmath.exp(mpmath.sin(a) * 3) / b - mpmath.tanh(a * b) ** 3 + mpmath.log(mpmath.exp(a) + mpmath.exp(b))
        assert abs(root.data - truth) <= bound
    assert bound < 1e-10


# ----------------------------------------------------------------------------------------------------- lift's fault


def wrong_differences(graph: Any, right: Callable[[Any], Canonical] = canonicalize) -> Canonical:
    """A mistake: x − y becomes x + y."""
    made = right(graph)
    for start, end in itertools.pairwise(made.starts.tolist()):
        if end - start == 2:
            made.signs[start:end] = 1
    return made


def long_function(x: Any, y: Any, z: Any) -> Any:
    t = tg.sin(x) * tg.exp(y)
    for k in range(20):
        t = tg.tanh(t + k)
    return t * (tg.sqrt(x) - y * z) + z


@pytest.mark.parametrize("f", [long_function, tg.value_and_grad(long_function, (0, 1))], ids=["values", "gradient"])
def test_a_mistake_of_lift_is_owned_with_the_smallest_function_that_shows_it(f, monkeypatch):
    monkeypatch.setattr(passes, "canonicalize", wrong_differences)
    message = refusal(lift(f), 1.0, 2.0, 3.0)
    assert "This is a mistake of lift, not of the function" in message
    assert "call the function itself" in message
    assert "depends" not in message
    assert len(re.findall("    t[0-9]+ = ", message)) == 1
    monkeypatch.setattr(passes, "canonicalize", canonicalize)
    lifted, right = prints(message)
    assert lifted == right == -5.0  # now that it is mended: √1 − 2·3


def test_a_mistake_in_a_batch_is_owned_too(monkeypatch):
    monkeypatch.setattr(passes, "canonicalize", wrong_differences)
    message = refusal(lift(long_function, batch=(0, None, None)), np.array([1.0, 2.0]), 2.0, 3.0)
    assert "This is a mistake of lift" in message


def test_a_mistake_of_one_engine_names_another(monkeypatch):
    pytest.importorskip("numba")
    text = numba_engine._write_operation
    monkeypatch.setattr(numba_engine, "_write_operation", lambda op, xs: text("cos" if op == "sin" else op, xs))
    message = refusal(lift(lambda x: tg.sin(x), engine="numba"), 2.0)
    assert "or lift it with engine='numpy', whose program is right" in message
    assert "print(lift(f, engine='numba')(2.0), f(2.0))" in message
    assert "This is a mistake of lift" in message


def test_an_error_inside_of_lift_is_owned_with_the_smallest_function_that_raises_it(monkeypatch):
    def raises(graph: Any) -> Canonical:
        made = canonicalize(graph)
        if (made.codes == TABLE["sqrt"].code).any() and (made.signs < 0).any():
            raise IndexError("index 3 is out of bounds")
        return made

    monkeypatch.setattr(passes, "canonicalize", raises)
    message = refusal(lift(long_function), 1.0, 2.0, 3.0)
    assert "lift cannot make a program of long_function: IndexError: index 3 is out of bounds" in message
    assert "This is a mistake of lift, not of the function" in message
    assert len(re.findall("    t[0-9]+ = ", message)) == 2
    monkeypatch.setattr(passes, "canonicalize", canonicalize)
    lifted, right = prints(message)
    assert lifted == right


def test_what_an_operation_of_the_users_own_raises_is_no_mistake_of_lift():
    def refuses_arrays(x: float) -> float:
        raise KeyError("mine")

    mine = tg.define("refuses_arrays", lambda x: 2.0 * x, lambda m, x, z: 2.0)
    program = lift(lambda x: mine(x) + 1.0)
    assert program(2.0) == 5.0
    tg.define("refuses_arrays", refuses_arrays, lambda m, x, z: 2.0)
    with pytest.raises(KeyError, match="mine"):
        lift(lambda x: mine(x) + 1.0).program_for(3.0)


# ------------------------------------------------------------------------------------------------------- recordings


def recorded(*roots: Value) -> Recording:
    return Recording(make_graph(list(roots)), [], [()] * len(roots))


def test_recordings_of_one_graph_do_not_differ_whatever_its_numbers_are():
    def of(x: float, y: float) -> Recording:
        a, b = Value(x), Value(y)
        return recorded(tg.dot([a, b], [b, 2.0]) / a)

    assert find_first_difference(of(1.0, 2.0), of(-3.0, math.inf)) == ""


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        (lambda a, b: a * b + a, lambda a, b: a * b - a, "add first, sub then"),
        (lambda a, b: a * 2.0, lambda a, b: a * 3.0, "mul with the constant 2.0 first, with 3.0 then"),
        (lambda a, b: a * b, lambda a, b: a * b * a, "1 operations first, 2 then, of which only one has mul"),
        (lambda a, b: tg.exp(a) / b, lambda a, b: b / tg.exp(a), "the same operations on other operands"),
    ],
)
def test_the_first_difference_of_recordings_is_found(first, second, difference):
    one, other = (recorded(f(Value(1.5), Value(2.5))) for f in (first, second))
    assert find_first_difference(one, other).startswith(difference)


def slope(x: Value, y: Value) -> Value:
    (found,) = tg.gradient(x**y, [x], create_graph=True)
    return found


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x**y + tg.pow(y, x) - abs(x),
        lambda x, y: tg.sum([x, y, -x, 2.0]) / tg.dot([x, y], [y, y], x),
        lambda x, y: tg.softmax([x, y, 1.0])[1] - tg.lookup([x, y], 1) // x % y,
        lambda x, y: tg.where(tg.greater(x, y), tg.maximum(x, y), -x),
        slope,
    ],
)
def test_the_python_of_a_part_of_a_graph_computes_its_number(f):
    root = f(Value(1.5), Value(2.5))
    graph = make_graph([root])
    part = internal_errors._Part(graph, int(graph.roots[0]))
    source = part.write("")
    names: dict[str, Any] = {}
    exec(compile(source.rpartition("print")[0], "<part>", "exec"), names)
    assert names["f"](*part.get_arguments()) == root.data
