"""What a caller sees of lift: arguments, results, programs for structures, and the errors that say what to do."""

from __future__ import annotations

import ctypes
import itertools
import math
import random
import re
import sys
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import LiftError, TraceError
from tinygrad_lite.lift import Group, Lifted, Program, Report, lift
from tinygrad_lite.trace_mode import tracing


def neuron(w: Any, b: Any, x: Any) -> Any:
    return tg.tanh(sum(wk * xk for wk, xk in zip(w, x, strict=True)) + b)


def squares(x: Any) -> Any:
    return tg.sum([xi * xi for xi in x])


# ---------------------------------------------------------------------------------------------------- the decorator


def test_lift_is_a_decorator_with_and_without_arguments():
    @lift
    def plain(x: float) -> Any:
        """Twice x."""
        return 2.0 * x

    @lift(batch=(0,), reduce="sum")
    def summed(x: float) -> Any:
        return 2.0 * x

    assert isinstance(plain, Lifted)
    assert plain(3.0) == 6.0
    assert summed(np.array([1.0, 2.0])) == 6.0
    assert plain.__name__ == "plain"
    assert plain.__doc__ == "Twice x."
    assert plain.__wrapped__(1.0) == 2.0


def test_the_package_is_the_function():
    assert tg.lift(lambda x: x + 1.0)(1.0) == 2.0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: lift(3.0), "lift takes a function, not float 3.0"),
        (lambda: lift("f"), "lift takes a function, not str 'f'"),
        (lambda: lift(neuron, engine="torch"), "no engine 'torch': choose one of numpy, numba, jax"),
        (lambda: lift(neuron, reduce="max"), 'reduce is "mean", "sum" or None, not \'max\''),
        (lambda: lift(neuron, batch=("x",)), "batch names an axis for each positional argument"),
        (lambda: lift(neuron, batch=(True,)), "batch names an axis for each positional argument"),
    ],
)
def test_what_lift_cannot_be_given_is_said_at_once(make, says):
    with pytest.raises(LiftError) as raised:
        make()
    assert says in str(raised.value)


# ------------------------------------------------------------------------------------------ a program for a structure


def test_the_same_structure_runs_the_same_program_and_another_shape_another_one():
    calls = []

    def f(x: Any) -> Any:
        calls.append(len(x))
        return squares(x)

    lifted = lift(f)
    assert lifted([1.0, 2.0]) == 5.0
    traced = len(calls)
    assert lifted([3.0, 4.0]) == 25.0
    assert lifted([5.0, 0.0]) == 25.0
    assert len(calls) == traced
    assert len(lifted.programs) == 1
    first = lifted.last
    assert lifted([1.0, 1.0, 1.0]) == 3.0
    assert len(lifted.programs) == 2
    assert lifted.last is not first
    assert lifted.program_for([0.0, 0.0]) is first


@pytest.mark.parametrize(
    "arguments",
    [
        ([1.0], 0.5, [1.0]),
        ([[1.0, 2.0]], 0.5, [1.0, 2.0]),
        ([1.0, 2.0], [0.5], [1.0, 2.0]),
        ([1.0, 2.0], [0.5, 0.5], [1.0, 2.0]),
        (np.ones((1, 2)), 0.5, [1.0, 2.0]),
        ([1.0, 2.0], 0.5),
        ([1.0, 2.0], 0.5, [1.0, 2.0], 3.0),
        ([1.0, 2.0], 0.5, {"x": 1.0}),
        (1.0, 0.5, 1.0),
        ([1.0, 2.0], None, [1.0, 2.0]),
        ([1.0, 2.0], "b", [1.0, 2.0]),
    ],
)
def test_a_program_never_broadcasts_what_it_was_not_made_for(arguments):
    program = lift(neuron).program_for([1.0, 2.0], 0.5, [3.0, 4.0])
    assert program([1.0, 2.0], 0.5, [3.0, 4.0]) == pytest.approx(math.tanh(11.5))
    with pytest.raises(LiftError, match=r"this program was made for arguments of another structure or shape: .*, not "):
        program(*arguments)


def test_arrays_that_would_broadcast_get_a_program_of_their_own_or_an_error():
    lifted = lift(lambda x, y: [a * b for a, b in zip(x, y, strict=True)])
    lifted(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="zip"):
        lifted(np.ones(1), np.ones(3))
    with pytest.raises(ValueError, match="zip"):
        lifted(np.ones(3), np.ones(1))
    np.testing.assert_array_equal(lifted(np.full(1, 2.0), np.ones(1)), [2.0])


def test_arrays_of_other_types_are_the_same_arguments():
    lifted = lift(squares)
    given = [
        np.array([1.0, 2.0]),
        np.array([1, 2]),
        np.array([1.0, 2.0], dtype=np.float32),
        np.array([0.0, 1.0, 9.0, 2.0])[1::2],
        np.asfortranarray([1.0, 2.0]),
    ]
    assert [lifted(x) for x in given] == [5.0] * len(given)
    assert lifted(np.array([Value(1.0), 2.0], dtype=object)).data == 5.0
    assert len(lifted.programs) == 1
    assert [lifted(x) for x in ([1.0, 2.0], [1, 2], (1.0, 2.0))] == [5.0] * 3
    assert lifted([Value(1.0), 2.0]).data == 5.0


def test_numbers_of_any_kind_are_the_same_argument():
    lifted = lift(lambda x: 2.0 * x)
    assert [lifted(x) for x in (3.0, 3, np.float64(3.0), np.float32(3.0), np.int64(3))] == [6.0] * 5
    assert lifted(Value(3.0)).data == 6.0
    assert len(lifted.programs) == 1


def test_old_programs_go_when_there_are_many():
    lifted = lift(squares)
    for n in range(1, 70):
        lifted(np.ones(n))
    assert len(lifted.programs) == 64
    assert lifted(np.ones(1)) == 1.0


def test_before_the_first_call_there_is_no_program_and_the_message_says_so():
    lifted = lift(neuron)
    for look in (lambda: lifted.source, lambda: lifted.groups, lifted.report, lambda: lifted.last):
        with pytest.raises(LiftError, match=r"lift\(neuron\) was not called yet.*Call it, or program_for"):
            look()


def test_a_program_shows_its_source_its_groups_and_what_was_found():
    lifted = lift(neuron)
    program = lifted.program_for([1.0, 2.0], 0.5, [3.0, 4.0])
    assert isinstance(program, Program)
    assert lifted.last is program
    assert program.source.startswith("def program(w, b, x):")
    assert lifted.source == program.source
    assert all(isinstance(group, Group) for group in program.groups)
    assert [group.name for group in program.groups if group.kind == "input"] == ["w", "b", "x"]
    report = program.report()
    assert isinstance(report, Report)
    assert lifted.report() is report
    assert (report.name, report.contractions, report.gathers, report.masked) == ("neuron", 1, 0, 0)
    assert report.nodes > report.groups > 0
    assert 0.0 <= report.difference < 1e-9
    assert str(report).startswith(f"neuron: {report.nodes} scalar nodes in {report.groups} groups\n")
    for name in report.seconds:
        assert name in str(report)
    assert repr(program) == f"<program neuron: {report.nodes} scalar nodes in {report.groups} groups, engine 'numpy'>"
    assert repr(lifted) == "<lift(neuron), engine 'numpy': 1 programs>"


def states(x: Any, turns: Sequence[bool]) -> Any:
    a, b = x[0], x[1]
    for k, turn in enumerate(turns):
        a, b = (tg.sin(a) * b + k, tg.exp(-a * a) - 0.5 * b) if turn else (a * b, 0.5 * b)
    return a + b


def test_the_report_says_what_limits_a_program_and_what_to_do():
    regular = lift(tg.value_and_grad(lambda x: states(x, [True] * 30))).program_for(np.array([0.3, 0.5])).report()
    assert "numbers on average" in regular.limits[0]  # a loop, of statements that compute a number each
    assert regular.runs > regular.groups

    irregular = np.random.default_rng(0).uniform(size=60) < 0.5
    long = lift(tg.value_and_grad(lambda x: states(x, irregular))).program_for(np.array([0.3, 0.5])).report()
    assert 0 < 4 * long.kinds <= long.groups
    written_out, few = long.limits
    assert f"{long.groups} statements are of {long.kinds} kinds" in written_out
    assert "numbers on average" in few
    assert all(f"  limited: {limit}\n" in str(long) for limit in long.limits)

    rows = np.arange(12.0)
    places = np.random.default_rng(0).permutation(12)
    table = lift(lambda x: [x[k] * x[places[k]] + tg.exp(x[places[-k]]) * x[places[k - 3]] for k in range(12)])
    (read,) = table.program_for(rows).report().limits
    assert "tables of places" in read

    def triangles(x: Any) -> Any:
        for _ in range(3):
            x = [tg.tanh(sum(x[j] * (i + 1.0) for j in range(i + 1))) for i in range(len(x))]
        return x

    (left_out,) = lift(triangles).program_for(rows).report().limits
    assert "mask leaves out" in left_out


def test_the_report_is_silent_where_nothing_limits():
    mlp = nn.MLP(4, [8, 8, 3], seed=0)
    report = lift(tg.value_and_grad(lambda m, x: sum(y * y for y in m(x)))).program_for(mlp, np.ones(4)).report()
    assert report.limits == []
    assert "limited" not in str(report)
    assert lift(lambda x: x * x).program_for(2.0).report().limits == []


def test_program_for_does_not_run_the_program(monkeypatch):
    monkeypatch.setattr(Program, "run_arguments", lambda *_: pytest.fail("it was run"))
    program = lift(squares).program_for([1.0, 2.0])
    monkeypatch.undo()
    assert program([1.0, 2.0]) == 5.0


# -------------------------------------------------------------------------------------------------------- the batch


def test_results_are_the_mean_or_the_sum_over_samples_or_each_sample():
    w, b, x = np.array([1.0, -0.5]), 0.25, np.random.default_rng(0).normal(size=(5, 2))
    each = [math.tanh(float(w @ row + b)) for row in x]
    assert lift(neuron, batch=(None, None, 0))(w, b, x) == pytest.approx(np.mean(each))
    assert lift(neuron, batch=(None, None, 0), reduce="sum")(w, b, x) == pytest.approx(np.sum(each))
    np.testing.assert_allclose(lift(neuron, batch=(None, None, 0), reduce=None)(w, b, x), each)


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_samples_may_run_along_any_axis(axis):
    x = np.random.default_rng(0).normal(size=(5, 2))
    w = np.array([1.0, -0.5])
    expected = [math.tanh(float(w @ row) + 0.25) for row in x]
    lifted = lift(neuron, batch=(None, None, axis), reduce=None)
    np.testing.assert_allclose(lifted(w, 0.25, np.moveaxis(x, 0, axis)), expected)
    np.testing.assert_allclose(lifted(w, 0.25, np.moveaxis(x, 0, axis).tolist()), expected)


def test_an_axis_for_all_arguments_is_one_number():
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3.0)
    lifted = lift(lambda x, y: squares(x) * y, batch=0, reduce=None)
    np.testing.assert_allclose(lifted(x, y), (x * x).sum(1) * y)


def test_the_number_of_samples_may_differ_from_call_to_call():
    lifted = lift(neuron, batch=(None, None, 0))
    for samples in (4, 1, 2, 100):
        x = np.random.default_rng(samples).normal(size=(samples, 2))
        assert lifted([1.0, 2.0], 0.5, x) == pytest.approx(np.mean(np.tanh(x @ [1.0, 2.0] + 0.5)))
    assert len(lifted.programs) == 1


def test_results_for_each_sample_have_the_samples_first():
    lifted = lift(lambda x: (x, [x[0] * x[1]], x[0] + x[1]), batch=0, reduce=None)
    x = np.arange(6.0).reshape(3, 2) + 1.0
    whole, product, total = lifted(x)
    np.testing.assert_array_equal(whole, x)
    np.testing.assert_array_equal(product, (x[:, 0] * x[:, 1])[:, None])
    np.testing.assert_array_equal(total, x.sum(1))


@pytest.mark.parametrize(
    ("batch", "arguments", "says"),
    [
        (
            (None, None, 2),
            ([1.0], 0.5, np.ones((3, 1))),
            "batch names axis 2 of x for the samples, which has shape (3, 1)",
        ),
        ((None, 0, None), ([1.0], 0.5, [1.0]), "batch names axis 0 of b for the samples, which has shape ()"),
        (
            (0, None, 0),
            (np.ones((2, 1)), 0.5, np.ones((3, 1))),
            "x has 3 samples along axis 0, and the arguments before",
        ),
        (
            (None, 0, 0),
            ([1.0], np.ones(4), np.ones((3, 1))),
            "x has 3 samples along axis 0, and the arguments before it",
        ),
        ((None, None, None, 0), ([1.0], 0.5, [1.0]), "no argument of neuron has one"),
    ],
)
def test_a_batch_that_does_not_fit_says_which_argument_and_which_shape(batch, arguments, says):
    with pytest.raises(LiftError) as raised:
        lift(neuron, batch=batch)(*arguments)
    assert says in str(raised.value)


def test_a_module_has_no_samples():
    model = nn.MLP(2, [3, 1], generator=0)
    with pytest.raises(LiftError, match="batch names an axis of model, a module"):
        lift(lambda model, x: model(list(x)), batch=(0, 0))(model, np.ones((3, 2)))


def test_other_numbers_of_samples_are_refused_in_later_calls_too():
    lifted = lift(lambda x, y: squares(x) * y, batch=0, reduce=None)
    lifted(np.ones((3, 2)), np.ones(3))
    for x, y in ((np.ones((3, 2)), np.ones(1)), (np.ones((1, 2)), np.ones(3)), (np.ones((4, 2)), np.ones(3))):
        with pytest.raises(LiftError, match="samples along axis 0"):
            lifted(x, y)


def test_no_samples_give_no_results():
    each = lift(neuron, batch=(None, None, 0), reduce=None)
    each(np.ones(2), 0.5, np.ones((3, 2)))
    found = each(np.ones(2), 0.5, np.ones((0, 2)))
    assert np.shape(found) == (0,)


# -------------------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("static", [1, "power", (1,), ("power",)])
def test_a_static_argument_may_be_branched_on_and_has_a_program_for_each_value(static):
    @lift(static=static)
    def f(x: Any, power: int) -> Any:
        result = x
        while power > 1:
            result, power = result * x, power - 1
        return result

    assert [f(2.0, n) for n in (1, 2, 5, 2)] == [2.0, 4.0, 32.0, 4.0]
    assert len(f.programs) == 3


def test_a_static_keyword_has_a_program_for_each_value():
    lifted = lift(lambda x, *, n=1: x * n, static="n")
    assert (lifted(2.0), lifted(2.0, n=3), lifted(2.0, n=4)) == (2.0, 6.0, 8.0)


def test_a_count_in_code_that_was_typed_in_is_refused_with_its_place():
    typed_in = eval("lambda n: sum(i for i in range(n))")
    with pytest.raises(TraceError, match=r"a Value as an index or a count, at <string>:1\. It would"):
        lift(typed_in)(3)


def test_a_static_name_that_the_function_has_not_is_refused():
    with pytest.raises(LiftError, match=r"f has no argument 'm', which static names: its arguments are x, n$"):

        @lift(static=("n", "m"))
        def f(x: Any, n: int) -> Any:
            return x**n

    assert lift(lambda x, **settings: x * settings["n"], static="n")(2.0, n=3) == 6.0


def test_strings_booleans_none_and_functions_are_static_by_themselves():
    def f(x: Any, name: str, twice: bool, offset: Any, act: Callable[..., Any]) -> Any:
        y = act(x) if name == "act" else x
        y = 2.0 * y if twice else y
        return y if offset is None else y + offset

    lifted = lift(f)
    assert lifted(1.0, "act", True, None, tg.exp) == pytest.approx(2.0 * math.e)
    assert lifted(1.0, "none", True, None, tg.exp) == 2.0
    assert lifted(1.0, "none", False, None, tg.exp) == 1.0
    assert lifted(1.0, "none", False, 3.0, tg.exp) == 4.0
    assert lifted(0.5, "act", False, None, tg.sin) == pytest.approx(math.sin(0.5))


def test_a_true_and_a_one_are_different_arguments():
    lifted = lift(lambda x, flag: x * 3.0 if flag is True else x * flag)
    assert lifted(2.0, True) == 6.0
    assert lifted(2.0, 1) == 2.0
    assert lifted(2.0, 1.0) == 2.0
    assert lifted(2.0, True) == 6.0


@pytest.mark.parametrize(("first", "second"), [(1, True), (True, 1), (0, False), (1, 1.0), ("1", 1)])
def test_static_arguments_that_are_equal_and_not_the_same_have_programs_of_their_own(first, second):
    lifted = lift(lambda x, flag: x + len(repr(flag)), static="flag")
    assert lifted(0.0, first) == len(repr(first))
    assert lifted(0.0, second) == len(repr(second))


def test_keywords_may_come_in_any_order():
    lifted = lift(lambda x, **more: x * more["a"] - more["b"])
    assert lifted(2.0, a=3.0, b=1.0) == 5.0
    assert lifted(2.0, b=1.0, a=3.0) == 5.0
    assert lifted(2.0, a=1.0, b=3.0) == -1.0
    with pytest.raises(TypeError):
        lift(lambda x: x)(1.0, y=2.0)


def test_defaults_are_the_functions_own():
    lifted = lift(lambda x, y=3.0: x * y)
    assert lifted(2.0) == 6.0
    assert lifted(2.0, 5.0) == 10.0
    assert lifted(2.0, y=7.0) == 14.0


Pair = namedtuple("Pair", ["first", "second"])


def test_arguments_are_nested_in_any_way_and_the_function_gets_them_as_they_are():
    seen = []

    def f(tree: Any) -> Any:
        seen.append(tree)
        pair = tree["pair"]
        rows = tree["rows"]
        return pair.first * pair.second[0] + rows[0][0] * rows[1][0] + rows[1][1] + tree["more"][0]

    tree = {"pair": Pair(2.0, np.array([3.0, 1.0])), "rows": [[1.0], [2.0, 3.0]], "more": (4.0, "text")}
    lifted = lift(f)
    assert lifted(tree) == 15.0
    assert [type(part) for part in seen[0].values()] == [Pair, list, tuple]
    assert lifted({**tree, "more": (5.0, "text")}) == 16.0
    assert len(lifted.programs) == 1


def test_lists_and_tuples_are_lists_and_tuples_for_the_function():
    kinds = []

    def f(x: Any) -> Any:
        kinds.append((type(x), type(x[0])))
        return x[0][0] * 1.0

    for given in ([[1.0]], [(1.0,)], ([1.0],), ((1.0,),)):
        kinds.clear()
        lift(f)(given)
        assert (type(given), type(given[0])) in kinds


def test_the_numbers_of_an_argument_in_a_ragged_nest_may_change():
    lifted = lift(lambda rows: [tg.sum(row) for row in rows])
    np.testing.assert_array_equal(lifted([[1.0], [2.0, 3.0], [1.0, 1.0, 1.0]]), [1.0, 5.0, 3.0])
    np.testing.assert_array_equal(lifted([[0.0], [1.0, 1.0], [2.0, 2.0, 2.0]]), [0.0, 2.0, 6.0])
    assert len(lifted.programs) == 1


def test_empty_arguments_are_arguments():
    lifted = lift(lambda xs, y: tg.sum([y, *xs]))
    assert lifted([], 2.0) == 2.0
    assert lifted(np.ones(0), 2.0) == 2.0
    assert lifted([1.0], 2.0) == 3.0


def test_an_argument_that_is_not_used_is_an_argument():
    lifted = lift(lambda x, y: x * 2.0)
    assert lifted(1.0, np.ones((2, 2))) == 2.0
    assert lifted(2.0, np.zeros((2, 2))) == 4.0


def test_an_array_of_other_objects_is_refused_by_its_name():
    with pytest.raises(LiftError, match="tree is an array of objects that are neither Values nor numbers"):
        lift(lambda tree: 1.0)(np.array([1.0, "x"], dtype=object))


# ---------------------------------------------------------------------------------------------------------- modules


def loss(model: Any, x: Any, y: Any) -> Any:
    return tg.mean([(model(list(row)) - target) ** 2 for row, target in zip(x, y, strict=True)])


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 2)), rng.normal(size=4)


def test_the_parameters_of_a_module_may_change_between_calls():
    model, (x, y) = nn.MLP(2, [3, 1], generator=0), data()
    lifted = lift(loss)
    for step in range(3):
        assert lifted(model, x, y) == pytest.approx(loss(model, x, y).data)
        for parameter in model.parameters():
            parameter.data = parameter.data * 0.9 + 0.01 * step
    assert len(lifted.programs) == 1


def test_another_module_has_another_program():
    x, y = data()
    lifted = lift(loss)
    for seed, widths in ((0, [3, 1]), (1, [3, 1]), (0, [2, 1])):
        model = nn.MLP(2, widths, generator=seed)
        assert lifted(model, x, y) == pytest.approx(loss(model, x, y).data)


def test_lifting_leaves_a_module_as_it_was():
    model, (x, y) = nn.MLP(2, [3, 1], generator=0), data()
    before = [(p.data, p.grad, p.requires_grad) for p in model.parameters()]
    lift(tg.value_and_grad(loss))(model, x, y)
    assert [(p.data, p.grad, p.requires_grad) for p in model.parameters()] == before


def test_a_frozen_parameter_is_read_and_may_change():
    model, (x, y) = nn.MLP(2, [3, 1], generator=0), data()
    frozen = list(model.parameters())[:3]
    for parameter in frozen:
        parameter.requires_grad = False
    lifted = lift(loss)
    assert lifted(model, x, y) == pytest.approx(loss(model, x, y).data)
    for parameter in frozen:
        parameter.data = parameter.data + 0.5
    assert lifted(model, x, y) == pytest.approx(loss(model, x, y).data)


class Tied(nn.Module):
    """Two layers with one weight matrix."""

    def __init__(self) -> None:
        self.first = self.second = nn.Linear(2, 2, generator=0)

    def __call__(self, x: Any) -> Any:
        return tg.sum(self.second([tg.tanh(v) for v in self.first(x)]))


def test_a_parameter_that_two_layers_share_is_one_parameter():
    model, x = Tied(), [0.3, -0.7]
    lifted = lift(tg.value_and_grad(lambda model, x: model(x)))
    for step in range(2):
        (value, _), expected = lifted(model, x), model(x)
        assert value == pytest.approx(expected.data)
        next(iter(model.parameters())).data = 0.75 + step


def test_a_constant_that_is_an_int_is_the_float():
    assert lift(lambda x: 2 * x).program_for(3.0).source == lift(lambda x: 2.0 * x).program_for(3.0).source
    given = lift(lambda x, c: c * x**c)
    assert [given(3.0, c) for c in (2, 2.0, np.int64(2), 3)] == [18.0, 18.0, 18.0, 81.0]
    assert len(given.programs) == 1
    settings = {"c": 2}
    read = lift(lambda x: settings["c"] * x)
    for settings["c"] in (2, 2.0) * 5:  # to Python they are two: range(2.0) raises. Each is lifted once
        assert read(3.0) == 6.0
    assert len(read.programs) == 2


def test_an_argument_that_is_given_twice_is_two_arguments():
    lifted = lift(tg.grad(lambda a, b: a * a * b))
    assert lifted(2.0, 2.0) == 8.0
    assert lifted(2.0, 3.0) == 12.0
    x = Value(2.0)
    both = lift(lambda a, b: a * b)
    assert both(x, x).data == 4.0
    assert both(x, 5.0).data == 10.0


# ---------------------------------------------------------------------------------------------------------- closures


def test_values_that_the_function_closes_over_may_change_between_calls():
    w = [Value(1.0), Value(2.0)]
    lifted = lift(lambda x: w[0] * x + w[1])
    assert lifted(3.0) == 5.0
    w[0].data = -1.0
    assert lifted(3.0) == -1.0
    assert len(lifted.programs) == 1


def test_derivatives_by_arguments_read_what_the_function_closes_over():
    w = Value(2.0)
    lifted = lift(tg.grad(lambda x: w * x * x))
    assert lifted(3.0) == 12.0
    w.data = 5.0
    assert lifted(3.0) == 30.0


# ----------------------------------------------------------------------------------------------------------- results


def test_results_have_the_structure_that_the_function_gives():
    def f(x: Any) -> Any:
        return {"one": x[0], 2: [x[0], x[1]], "pair": (x[1], [[x[0], x[1]], [x[1], x[0]]]), "array": np.array([x[0]])}

    found = lift(f)([1.0, 2.0])
    assert list(found) == ["one", 2, "pair", "array"]
    assert found["one"] == 1.0
    assert type(found["one"]) is float
    np.testing.assert_array_equal(found[2], [1.0, 2.0])
    assert type(found["pair"]) is tuple
    np.testing.assert_array_equal(found["pair"][1], [[1.0, 2.0], [2.0, 1.0]])
    assert found["array"].shape == (1,)


def test_constant_results_are_results():
    assert lift(lambda x: 3.0)(1.0) == 3.0
    found = lift(lambda x: (x, 2, np.array([1.0, 2.0])))(1.0)
    assert found[:2] == (1.0, 2.0)
    np.testing.assert_array_equal(found[2], [1.0, 2.0])


@pytest.mark.parametrize("result", [None, "text", {"a": None}, [1.0, "b"], {1.5: 2.0}, True, object()])
def test_results_that_are_no_numbers_are_refused(result):
    with pytest.raises(LiftError, match="result of"):
        lift(lambda x: result)(1.0)


def _overwrite(tree: Any) -> None:
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (tuple, list)) else [tree]:
        if isinstance(part, np.ndarray):
            part[...] = 77.0
        elif not isinstance(part, float):
            _overwrite(part)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x,
        lambda x, y: (x, x),
        lambda x, y: (x, [x[1], x[0]], [x[0]], [row[0] for row in y]),
        lambda x, y: [[y[j][i] for j in range(2)] for i in range(2)],
        lambda x, y: (y, [[y[j][i] for j in range(2)] for i in range(2)]),
        lambda x, y: ([x[0] * 2.0, x[1] * 2.0], [x[1] * 2.0, x[0] * 2.0]),
        lambda x, y: ([1.0, 2.0], [1.0, 2.0], x),
        lambda x, y: [x[0], x[0], x[0]],
        lambda x, y: ([x[0] + 1.0 for _ in range(3)], x[0] + 1.0),
        lambda x, y: np.array([1.0, 2.0, 3.0]),
    ],
)
def test_writing_into_a_result_changes_no_argument_no_other_result_and_no_later_call(f):
    lifted = lift(f)
    x, y = np.array([3.0, 4.0]), np.arange(4.0).reshape(2, 2) + 1.0
    expected = repr(lifted(x, y))
    for k in range(3):
        found = lifted(x, y)
        assert repr(found) == expected
        parts = found if isinstance(found, tuple) else (found,)
        for part in parts[k % len(parts) :][:1]:
            before = [np.array(other) for other in parts if other is not part]
            _overwrite(part)
            for other, was in zip([other for other in parts if other is not part], before, strict=True):
                np.testing.assert_array_equal(other, was)
        np.testing.assert_array_equal(x, [3.0, 4.0])
        np.testing.assert_array_equal(y, np.arange(4.0).reshape(2, 2) + 1.0)
    assert repr(lifted(x, y)) == expected


def test_a_batch_of_results_does_not_alias_the_samples():
    lifted = lift(lambda x: x, batch=0, reduce=None)
    x = np.arange(6.0).reshape(3, 2)
    lifted(x)
    lifted(x)[...] = 77.0
    np.testing.assert_array_equal(x, np.arange(6.0).reshape(3, 2))


def test_a_result_that_is_not_finite_is_an_error_that_names_the_group():
    f = lambda x: tg.sum([tg.exp(xi) for xi in x])  # noqa: E731
    lifted = lift(f)
    assert lifted([1.0, 2.0]) == pytest.approx(math.e + math.e**2)
    with pytest.raises(FloatingPointError) as raised:
        lifted([1.0, 1000.0])
    assert "exp" in str(raised.value)
    names = [group.name for group in lifted.groups if group.name]
    assert any(name in str(raised.value) for name in names)


def test_a_result_that_is_not_finite_is_given_where_it_is_not_checked():
    lifted = lift(lambda x: tg.sum([tg.exp(xi) for xi in x]), check=False)
    assert lifted([1.0, 2.0]) == pytest.approx(math.e + math.e**2)
    assert lifted([1.0, 1000.0]) == math.inf


def test_what_is_not_finite_already_in_the_arguments_is_passed_on():
    lifted = lift(squares)
    assert lifted([1.0, 2.0]) == 5.0
    assert lifted([1.0, math.inf]) == math.inf
    assert math.isnan(lifted([1.0, math.nan]))


# -------------------------------------------------------------------------------------------------------- transforms


def rosenbrock(x: Any) -> Any:
    return tg.sum([100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in itertools.pairwise(x)])


def cubes(x: Any) -> Any:
    return tg.sum([a * a * b for a, b in itertools.pairwise(x)])


@pytest.mark.parametrize("transform", [tg.value_and_grad, tg.grad, tg.hessian, tg.jacobian])
def test_transforms_compose_with_lift(transform):
    x = np.array([0.5, -0.25, 1.25])
    chosen = {tg.hessian: cubes, tg.jacobian: lambda x: [a * b for a, b in itertools.pairwise(x)]}
    f = transform(chosen.get(transform, rosenbrock))
    found, truth = lift(f)(x), f(x)
    for ours, expected in zip(
        found if isinstance(found, tuple) else (found,), truth if isinstance(truth, tuple) else (truth,), strict=True
    ):
        expected = np.vectorize(lambda v: float(getattr(v, "data", v)))(np.array(expected, dtype=object))
        np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_products_with_the_hessian_and_the_jacobian_compose_with_lift():
    x, v = np.array([0.5, -0.25, 1.25]), np.array([1.0, 2.0, -1.0])
    a, b, c = x
    hessian = np.array([[2 * b, 2 * a, 0.0], [2 * a, 2 * c, 2 * b], [0.0, 2 * b, 0.0]])
    np.testing.assert_allclose(lift(tg.hessian(cubes))(x), hessian, rtol=1e-12)
    np.testing.assert_allclose(lift(tg.hvp(cubes))(x, v), hessian @ v, rtol=1e-12)
    slope = np.array([2 * a * b, a * a + 2 * b * c, b * b])
    np.testing.assert_allclose(lift(tg.grad(cubes))(x), slope, rtol=1e-12)
    np.testing.assert_allclose(lift(lambda x, v: tg.jvp(cubes, (x,), (v,)))(x, v)[-1], slope @ v, rtol=1e-12)


def test_a_lifted_function_is_named_after_what_it_lifts():
    assert repr(lift(tg.value_and_grad(squares))) == "<lift(value_and_grad(squares)), engine 'numpy': 0 programs>"


# ------------------------------------------------------------- hostile functions that no tracing can see through


def reads_private_data(x: Any, y: Any) -> Any:
    number = x._number if isinstance(x, Value) else x
    return number * y


def branches_on_private_data(x: Any, y: Any) -> Any:
    number = x._number if isinstance(x, Value) else x
    return y * y if number > 2.02 else y + 1.0


def remembers_the_first_argument(x: Any, y: Any, seen: list[Any] = []) -> Any:  # noqa: B006 (that is the point)
    seen.append(x._number if isinstance(x, Value) else float(x))
    return y * seen[-1]


def reads_the_number_out_of_its_memory(x: Any, y: Any) -> Any:
    if not isinstance(x, Value):
        return float(x) * y
    size = sys.getsizeof(x)
    words = (ctypes.c_double * (size // 8)).from_address(id(x))
    return next(word for word in words if word == 2.0) * y


def reads_the_number_from_the_frame_of_its_caller(x: Any, y: Any) -> Any:
    frame: Any = sys._getframe(1)
    while isinstance(x, Value) and frame is not None and "arguments" not in frame.f_locals:
        frame = frame.f_back
    number = 2.0 if not isinstance(x, Value) or frame is None else frame.f_locals["arguments"].arrays[0].flat[0]
    return (number if isinstance(x, Value) else x) * y


def knows_numbers_by_identity(x: Any, y: Any) -> Any:
    table = {id(v): v._number if isinstance(v, Value) else float(v) for v in (x, y)}
    return table[id(x)] * y


def asks_whether_it_is_traced(x: Any, y: Any) -> Any:
    return x * y if isinstance(x, Value) else x * y + 1.0


def loops_as_often_as_a_number_says(x: Any, y: Any) -> Any:
    for _ in range(int(x._number if isinstance(x, Value) else x)):
        y = y * 1.5
    return y


def sorts_by_private_data(x: Any, y: Any) -> Any:
    first, second = sorted([x + 0.98, y], key=lambda v: v._number if isinstance(v, Value) else v)
    return first * first + second


def looks_the_number_up_in_a_list(x: Any, y: Any) -> Any:
    return [1.0, 2.0, 3.0, 4.0, 5.0][int(10.0 * (x._number if isinstance(x, Value) else x)) % 5] * y


def puts_the_number_through_text(x: Any, y: Any) -> Any:
    return float(repr(x._number if isinstance(x, Value) else x)) * y


def sees_the_number_through_a_forged_value(x: Any, y: Any) -> Any:
    number = Value._number.__get__(x) if isinstance(x, Value) else x
    return tg.exp(number) * y


_COUNTER = itertools.count()
_CELLS: dict[str, float] = {}


def counts_its_calls(x: Any, y: Any) -> Any:
    return x * y + next(_COUNTER)


def branches_on_a_global_counter(x: Any, y: Any) -> Any:
    return x * y if next(_COUNTER) % 2 else x + y


def draws_random_numbers(x: Any, y: Any) -> Any:
    return x * y * random.random()


def keeps_state_between_calls(x: Any, y: Any) -> Any:
    _CELLS["n"] = _CELLS.get("n", 1.0) * 1.5
    return x * _CELLS["n"] + y


def gives_another_structure_each_time(x: Any, y: Any) -> Any:
    return [x * y] * (1 + next(_COUNTER) % 2)


HOSTILE = [
    counts_its_calls,
    branches_on_a_global_counter,
    draws_random_numbers,
    keeps_state_between_calls,
    gives_another_structure_each_time,
    reads_private_data,
    branches_on_private_data,
    remembers_the_first_argument,
    reads_the_number_out_of_its_memory,
    reads_the_number_from_the_frame_of_its_caller,
    knows_numbers_by_identity,
    asks_whether_it_is_traced,
    loops_as_often_as_a_number_says,
    sorts_by_private_data,
    looks_the_number_up_in_a_list,
    puts_the_number_through_text,
    sees_the_number_through_a_forged_value,
]


@pytest.mark.parametrize("function", HOSTILE, ids=lambda function: function.__name__)
def test_a_function_whose_graph_is_frozen_is_refused_and_never_run(function):
    lifted = lift(function)
    with pytest.raises(LiftError):
        lifted(2.0, 3.0)
    assert not lifted.programs


@pytest.mark.parametrize("function", HOSTILE, ids=lambda function: function.__name__)
def test_a_frozen_graph_is_refused_in_a_batch(function):
    with pytest.raises(LiftError):
        lift(function, batch=(0, None))(np.array([2.0, 2.5, 3.5]), 3.0)


def test_there_are_ten_hostile_functions_that_tracing_lets_through():
    for function in HOSTILE:
        x, y = Value(2.0), Value(3.0)
        with tracing([x, y]):
            function(x, y)
    assert len(HOSTILE) >= 10


def test_a_function_that_changes_from_call_to_call_is_told_so():
    with pytest.raises(LiftError, match="draws random numbers, or keeps something between its calls"):
        lift(draws_random_numbers)(2.0, 3.0)


def test_a_branch_on_the_size_of_one_number_is_found():
    def branches(x: Any) -> Any:
        return x * x if (x._number if isinstance(x, Value) else x) < 2.001 else x

    for at in (1.7, -1.7, 2.5):
        with pytest.raises(LiftError, match="is not the function"):
            lift(branches)(at)


# ------------------------------------------------------------------------------------------- kinds of arguments


def test_named_tuples_keep_their_names():
    point = namedtuple("point", "x y")
    assert lift(lambda p: p.x * p.y)(point(2.0, 3.0)) == 6.0
    assert lift(lambda ps: [p.x * p.y for p in ps])([point(2.0, 3.0), point(1.0, 2.0)]).tolist() == [6.0, 2.0]


def test_rows_of_different_kinds_stay_what_they_are():
    def of_kinds(rows: Any) -> Any:
        return rows[0][0] * (10.0 if isinstance(rows[1], tuple) else 1.0)

    lifted = lift(of_kinds)
    assert lifted([[2.0], (3.0,)]) == 20.0
    assert lifted([[2.0], [3.0]]) == 2.0


def test_a_boolean_beside_numbers_is_static():
    lifted = lift(lambda r: r[0] * (10.0 if r[1] is True else 1.0))
    assert lifted([2.0, True]) == 20.0
    assert lifted([2.0, False]) == 2.0


def test_a_first_call_without_samples_says_what_to_do():
    with pytest.raises(LiftError, match="with at least one"):
        lift(lambda x: x[0], batch=0)(np.ones((0, 2)))


def test_a_short_list_of_matrices_is_arrays_of_their_own():
    lifted = lift(lambda ws, x: [sum(a * b for a, b in zip(w[0], x, strict=True)) for w in ws])
    assert lifted([np.ones((1, 2)), 2.0 * np.ones((1, 2))], np.array([1.0, 2.0])).tolist() == [3.0, 6.0]
    assert lifted.last.inputs.shapes == [(1, 2), (1, 2), (2,)]


def test_arrays_of_another_library_are_arrays():
    class Foreign:
        dtype = np.dtype(np.float32)
        shape = (2,)

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.array([1.0, 2.0], dtype=dtype)

    assert lift(lambda x: [2.0 * v for v in x])(Foreign()).tolist() == [2.0, 4.0]


def test_the_hessian_of_rosenbrocks_function_is_found():
    def rosenbrock(x: Any) -> Any:
        return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()

    x = np.array([0.5, -0.25, 1.25, 0.75])
    np.testing.assert_allclose(lift(tg.hessian(rosenbrock))(x), tg.hessian(rosenbrock)(x), rtol=1e-12)


TABLE = np.array([4.0, 5.0])


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lambda x, n: sum(x**k for k in range(n)), (1.5, 3)),
        (lambda table, i: table[i], ([1.0, 2.0], 1)),
        (lambda table, i: table[i], (np.array([1.0, 2.0]), 1)),
        (lambda table, i: table[0] * TABLE[i], ([1.0, 2.0], 1)),
        (lambda table, i: table[i, 0], (np.array([[1.0], [2.0]]), 1)),
        (lambda table, i: table[[i, i]].sum(), (np.array([1.0, 2.0]), 1)),
        (lambda table, i: table[-i:].sum(), (np.array([1.0, 2.0]), 1)),
        (lambda table, i: sum(table[:i]), ([1.0, 2.0], 1)),
        (lambda table, i: table[i + 0], (np.array([1.0, 2.0]), 1)),
    ],
)
def test_a_traced_count_or_index_is_refused_with_the_line_and_the_remedy(function, arguments):
    with pytest.raises(TraceError, match=r"an index or a count, at .*test_lifting.py:\d+: .*lookup.*static"):
        lift(function)(*arguments)
    assert lift(function, static=1)(*arguments) == function(*arguments)


@pytest.mark.parametrize(
    "function",
    [lambda table: table["a"], lambda table: table[1.5], lambda table: table[7], lambda table: list(table)[:1.5]],
)
def test_an_index_that_is_wrong_without_lift_as_well_raises_what_it_raises_there(function):
    table = np.array([1.0, 2.0])
    with pytest.raises((IndexError, TypeError)) as alone:
        function(table)
    with pytest.raises(alone.type, match=re.escape(str(alone.value))) as lifted:
        lift(function)(table)
    assert lifted.type is alone.type


# ------------------------------------------------------------------------ what a program must not take for the same


def test_modules_that_are_gone_are_not_taken_for_new_ones():
    lifted = lift(lambda m, x: m(x), batch=(None, 0), reduce=None)
    x = np.ones((2, 2))
    for k in range(9):
        neuron = nn.Neuron(2, activation=("tanh", "relu", "sigmoid")[k % 3])
        assert lifted(neuron, x) == pytest.approx([neuron([1.0, 1.0]).data] * 2)
        del neuron


def test_the_mode_of_a_part_and_the_settings_of_a_module_count():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).eval()
    lifted = lift(lambda m, x: m(list(x)))
    lifted(model, np.ones(2))
    list(model.modules())[-1].train()
    with pytest.raises(TraceError, match="Dropout"):
        lifted(model, np.ones(2))

    class Scale(nn.Module):
        def __init__(self, k: float) -> None:
            self.k = k

        def forward(self, x: Any) -> Any:
            return x * self.k

    scaled, scale = lift(lambda m, x: m(x)), Scale(2.0)
    assert scaled(scale, 3.0) == 6.0
    scale.k = 5.0
    assert scaled(scale, 3.0) == 15.0
    assert [scaled(Scale(float(k)), 1.0) for k in range(6)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_buffers_that_training_changed_are_not_frozen():
    model = nn.BatchNorm1d(2)
    lifted = lift(lambda m, xs: m([list(x) for x in xs]))
    x = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]])
    model.eval()
    lifted(model, x)
    model.train()
    model(x.tolist())
    model.eval()
    truth = [[value.data for value in row] for row in model(x.tolist())]
    np.testing.assert_allclose(lifted(model, x), truth, rtol=1e-12)


def test_objects_that_lift_does_not_look_into_are_refused_unless_they_are_static():
    class Settings:
        weight = 2.0

    with pytest.raises(LiftError, match="settings is of type Settings, which lift does not look into"):
        lift(lambda settings, x: settings.weight * x)(Settings(), 3.0)
    assert lift(lambda settings, x: settings.weight * x, static="settings")(Settings(), 3.0) == 6.0


def test_static_arguments_are_told_apart_by_type_and_sign():
    lifted = lift(lambda x, f: x + len(repr(f)), static=1)
    for f in (0.0, -0.0, 1, 1.0, True, (True,), (1,), (1.0,)):
        assert lifted(0.0, f) == len(repr(f))


def test_values_that_a_function_closes_over_are_inputs_too():
    w = Value(2.0)
    for f in (lambda x: x if w > 0 else -x, lambda x: x * w.data):
        with pytest.raises(TraceError):
            lift(f)(3.0)


def test_arguments_given_by_name_have_the_axes_of_their_positions():
    lifted = lift(lambda w, x, y: (w * x - y) ** 2, batch=(None, 0, 0))
    x, y = np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 4.0])
    assert lifted(2.0, x, y=y) == lifted(2.0, y=y, x=x) == lifted(2.0, x, y)
    assert lift(lambda x, n: sum(x**k for k in range(n)), static=1)(1.5, n=3) == 1.0 + 1.5 + 2.25


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_indices_out_of_range_raise_as_the_function_does(engine):
    if engine == "numba":
        pytest.importorskip("numba")
    lifted = lift(lambda i, table: tg.lookup(list(table), i), engine=engine)
    table = np.array([1.0, 2.0, 3.0])
    assert [lifted(i, table) for i in (0, 2, -1)] == [1.0, 3.0, 3.0]
    with pytest.raises(IndexError, match=r"index 3 is out of range for 3 items \(i\)"):
        lifted(3, table)
    with pytest.raises(TypeError, match="whole number"):
        lifted(1.5, table)


def test_parameters_may_be_results_and_may_be_tied():
    neuron = nn.Neuron(1)
    assert lift(lambda m: m.parameters()[0])(neuron) == neuron.parameters()[0].data
    truth = (neuron([1.0]) + neuron([1.0]) ** 2).data
    assert lift(lambda a, b, x: a(x) + b(x) ** 2)(neuron, neuron, [1.0]) == pytest.approx(truth)


def test_a_lifted_function_inside_of_another_is_the_function_itself():
    inner = lift(lambda x: x * x)
    assert lift(lambda x: inner(x) + 1.0)(2.0) == 5.0


def test_lift_decorates_methods():
    class Line:
        slope = 3.0

        @lift(static=0)
        def at(self, x: Any) -> Any:
            return self.slope * x

    assert Line().at(2.0) == 6.0


def test_results_may_be_empty():
    assert lift(lambda x: np.zeros((0, 3)))(1.0).shape == (0, 3)


def test_options_that_an_engine_does_not_have_are_refused_at_once():
    with pytest.raises(LiftError, match=r"engine 'numpy' has no option 'dtype': there are none"):
        lift(lambda x: x, dtype="float32")


def test_a_label_that_the_function_compares_is_refused():
    with pytest.raises(TraceError, match="equal"):
        lift(lambda z, y: [a if b == 1 else -a for a, b in zip(z, y, strict=True)])(np.ones(2), np.array([0, 1]))
    with pytest.raises(LiftError):
        lift(lambda x: x * 2 if isinstance(x, int) else x * 3)(1)
