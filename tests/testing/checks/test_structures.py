"""Structures are walked together by the keys of their dicts, and results may be structures, in the testers."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.testing import Verdict, check_derivative, check_gradients, taylor_slope
from tinygrad_lite.testing.oracles.arrays import leaves_of


def loss(p: dict[str, float]) -> float:
    return p["w"] ** 2 + 3.0 * p["b"]


def right(p: dict[str, float]) -> dict[str, float]:
    return {"b": 3.0, "w": 2.0 * p["w"]}


def swapped(p: dict[str, float]) -> dict[str, float]:
    return {"b": 2.0 * p["w"], "w": 3.0}


POINT = {"w": 5.0, "b": 0.25}


def test_a_dict_of_derivatives_goes_by_its_keys_whatever_their_order() -> None:
    assert check_derivative(loss, right, POINT).verdict is Verdict.CORRECT
    report = check_derivative(loss, swapped, POINT, raise_exception=False)
    assert report.verdict is Verdict.WRONG
    assert taylor_slope(loss, right, POINT).passes
    assert not taylor_slope(loss, swapped, POINT).passes


@given(st.permutations(["a", "b", "c"]), st.permutations(["a", "b", "c"]))
def test_no_order_of_keys_changes_a_verdict(one: list[str], other: list[str]) -> None:
    def f(p: Any) -> Any:
        return sum(k * p["inner"][name] ** k for k, name in enumerate("abc", 1))

    def df(p: Any) -> Any:
        slopes = {name: k * k * p["inner"][name] ** (k - 1) for k, name in enumerate("abc", 1)}
        return {"inner": {name: slopes[name] for name in other}}

    point = {"inner": {name: 1.5 + ord(name) for name in one}}
    assert check_derivative(f, df, point).verdict is Verdict.CORRECT
    assert taylor_slope(f, df, point).passes


@pytest.mark.parametrize(
    ("got", "text"),
    [
        ({"b": 3.0, "v": 1.0}, "'w' is missing, and 'v' is none of the argument's"),
        ({"b": 3.0}, "'w' is missing"),
        ({"b": 3.0, "w": 1.0, "x": 1.0}, "'x' is none of the argument's"),
        ([3.0, 1.0], "is a list, and the argument is a dict: give a dict with its keys"),
        (np.ones(2), "is a ndarray, and the argument is a dict"),
    ],
)
def test_other_keys_than_the_arguments_are_refused_by_name(got: Any, text: str) -> None:
    with pytest.raises(ValueError, match="the result of") as caught:
        check_derivative(loss, lambda p: got, POINT)
    assert text in str(caught.value)
    with pytest.raises(ValueError, match="the result of") as caught:
        taylor_slope(loss, lambda p: got, POINT)
    assert text.split(", and the arg")[0].split("none of")[0] in str(caught.value)


def test_a_result_is_compared_by_key_from_call_to_call() -> None:
    calls = iter(range(10**6))

    def f(x: float) -> dict[str, float]:
        pairs = [("s", math.sin(x)), ("c", math.cos(x))]
        return dict(pairs if next(calls) % 2 else pairs[::-1])

    assert check_derivative(f, lambda x: {"c": -math.sin(x), "s": math.cos(x)}, 0.5).verdict is Verdict.CORRECT

    def of_values(x: Any) -> Any:
        pairs = [("square", x * x), ("cube", x * x * x)]
        return dict(pairs if next(calls) % 2 else pairs[::-1])

    assert check_gradients(of_values, 0.5).verdict is Verdict.CORRECT


def polar(r: float, t: float) -> dict[str, Any]:
    return {"x": r * math.cos(t), "rest": [np.array([r, r * r]), t**3]}


def polar_slope(r: float, t: float) -> dict[str, Any]:
    x = math.cos(t), -r * math.sin(t)
    return {"rest": [(np.array([1.0, 2.0 * r]), np.zeros(2)), (0.0, 3.0 * t**2)], "x": x}


def test_a_structure_of_results_has_the_structure_of_derivatives() -> None:
    assert check_derivative(polar, polar_slope, 2.0, 0.5).verdict is Verdict.CORRECT

    def wrong(r: float, t: float) -> dict[str, Any]:
        found = polar_slope(r, t)
        found["rest"][0] = (np.array([1.0, 2.02 * r]), np.zeros(2))
        return found

    report = check_derivative(polar, wrong, 2.0, 0.5, raise_exception=False)
    assert report.worst is not None
    assert (report.worst.output, report.worst.argument) == ("['rest'][0][1]", "args[0]")
    assert check_derivative(lambda x: (x, x**2), lambda x: (1.0, 2.0 * x), 3.0).verdict is Verdict.CORRECT
    x = np.array([0.1, 0.7])
    assert check_derivative(lambda x: (np.sin(x), x.sum()), lambda x: (np.cos(x), np.ones(2)), x).verdict.value


def test_lists_and_arrays_may_stand_for_one_another_where_their_order_is_plain() -> None:
    v = np.array([2.0, 3.0])
    assert check_derivative(lambda v: v[0] * v[1], lambda v: [v[1], v[0]], v).verdict is Verdict.CORRECT
    assert check_derivative(lambda v: v[0] * v[1], lambda v: np.array([v[1], v[0]]), [2.0, 3.0]).verdict.value


def test_dicts_of_other_kinds_reach_the_function_as_they_are() -> None:
    for tree in (OrderedDict(b=1.0, a=2.0), defaultdict(float, a=2.0)):
        leaves, rebuild = leaves_of(tree, "it")
        again = rebuild(iter([leaf.make(leaf.values) for leaf in leaves]))
        assert type(again) is type(tree)
        assert again == tree
