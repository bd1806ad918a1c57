"""What a live page asks of a graph: leaves are set, derivatives follow, and nothing else can be done to it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.viz.explorer.live_graph import RequestError, Session

#: In the page's order of test graphs: a, b, c.
A, B, C = 0, 1, 2

finite = st.floats(-3.0, 3.0)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def formula(a: Any, b: Any, c: Any) -> Any:
    return tg.tanh(a * b + c) * a


def session() -> tuple[Session, list[Value]]:
    leaves = [Value(2.0, "a"), Value(-3.0, "b"), Value(6.5, "c")]
    found = Session(formula(*leaves))
    assert [node for node in found.order if node.is_leaf] == leaves
    return found, leaves


@given(a=finite, b=finite, c=finite)
def test_setting_leaves_gives_the_numbers_of_a_graph_recorded_there(a: float, b: float, c: float) -> None:
    found, leaves = session()
    numbers = found.answer({"set": {str(A): a, str(B): b, str(C): c}})["numbers"]
    assert [leaf.data for leaf in leaves] == [a, b, c]
    fresh = [Value(a), Value(b), Value(c)]
    root = formula(*fresh)
    root.backward()
    assert numbers["data"][-1] == root.data == formula(a, b, c)
    assert numbers["adjoint"][:3] == [leaf.grad for leaf in fresh] == [leaf.grad for leaf in leaves]


@given(a=finite, b=finite, place=st.sampled_from([A, B, C]))
def test_the_finite_difference_is_near_the_gradient_and_changes_nothing(a: float, b: float, place: int) -> None:
    found, leaves = session()
    answer = found.answer({"set": {"0": a, "1": b}, "difference": {"node": place, "step": 1e-4}})
    assert answer["difference"]["node"] == place
    assert answer["difference"]["quotient"] == pytest.approx(answer["numbers"]["adjoint"][place], abs=1e-5)
    assert [leaf.data for leaf in leaves] == [a, b, 6.5]
    assert found.root.data == formula(a, b, 6.5)


def test_where_the_graph_is_not_defined_the_leaves_keep_their_numbers() -> None:
    a, b = Value(2.0, "a"), Value(1.0, "b")
    found = Session(tg.log(a) * b)
    answer = found.answer({"set": {"0": -1.0, "1": 5.0}})
    assert "math domain error" in answer["error"]
    assert "\n" not in answer["error"]
    assert (a.data, b.data) == (2.0, 1.0)
    assert answer["numbers"]["data"][-1] == math.log(2.0)


def test_a_difference_that_leaves_the_domain_says_so() -> None:
    a = Value(0.001, "a")
    found = Session(tg.log(a))
    answer = found.answer({"difference": {"node": 0, "step": 0.1}})["difference"]
    assert "math domain error" in answer["error"]
    assert a.data == 0.001
    assert found.root.data == math.log(0.001)


def test_a_step_below_the_distance_of_floats_is_told() -> None:
    found = Session(Value(1e6, "a") * 2.0)
    place = next(k for k, node in enumerate(found.order) if node.label == "a")
    assert "too small" in found.answer({"difference": {"node": place, "step": 1e-14}})["difference"]["error"]


def test_a_leaf_set_elsewhere_is_seen() -> None:
    found, leaves = session()
    leaves[0].data = 1.0
    assert found.answer({})["numbers"]["data"][-1] == formula(1.0, -3.0, 6.5)


def test_a_leaf_set_elsewhere_to_where_the_graph_is_not_defined_is_told() -> None:
    a = Value(2.0, "a")
    found = Session(tg.log(a))
    a.data = -1.0
    answer = found.answer({})
    assert "math domain error" in answer["error"]
    assert "numbers" not in answer


@given(request=jsons)
def test_any_json_is_answered_or_refused_and_what_is_refused_changes_nothing(request: Any) -> None:
    found, leaves = session()
    try:
        json.dumps(found.answer(request), allow_nan=False)
    except RequestError:
        assert [leaf.data for leaf in leaves] == [2.0, -3.0, 6.5]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([], "a request is an object"),
        ({"run": "rm"}, "a request is an object"),
        ({"set": [1.0]}, "'set' maps"),
        ({"set": {"9": 1.0}}, "there is no node '9'"),
        ({"set": {"-1": 1.0}}, "there is no node '-1'"),
        ({"set": {"٣": 1.0}}, "there is no node"),
        ({"set": {"9" * 5000: 1.0}}, "there is no node"),
        ({"set": {"3": 1.0}}, "no leaf that can be set"),
        ({"set": {"0": "1"}}, "'1' is no finite number"),
        ({"set": {"0": True}}, "True is no finite number"),
        ({"set": {"0": math.nan}}, "nan is no finite number"),
        ({"set": {"0": 10**400}}, "is no finite number"),
        ({"difference": {"node": 0}}, "'difference' has"),
        ({"difference": {"node": 3, "step": 1e-6}}, "no leaf"),
        ({"difference": {"node": True, "step": 1e-6}}, "there is no node True"),
        ({"difference": {"node": 0, "step": 0.0}}, "more than 0"),
        ({"difference": {"node": 0, "step": 1e9}}, "at most 1000"),
        ({"set": {"0": 1.0}, "difference": 5}, "'difference' has"),
    ],
)
def test_what_no_page_of_ours_sends_is_refused(request_: Any, message: str) -> None:
    found, leaves = session()
    with pytest.raises(RequestError, match=message):
        found.answer(request_)
    assert [leaf.data for leaf in leaves] == [2.0, -3.0, 6.5]


def test_constants_cannot_be_set() -> None:
    found = Session(2.0 * Value(3.0, "a"))
    place = next(k for k, node in enumerate(found.order) if node.is_constant)
    with pytest.raises(RequestError, match="no leaf that can be set"):
        found.answer({"set": {str(place): 1.0}})


# ------------------------------------------------------------------------------------------------- curves


@given(a=finite, b=finite, place=st.sampled_from([A, B, C]))
def test_a_curve_is_the_function_and_changes_nothing(a: float, b: float, place: int) -> None:
    found, leaves = session()
    answer = found.answer({"set": {"0": a, "1": b}, "curve": {"node": place, "low": -2, "high": 4}})
    curve = answer["curve"]
    assert curve["node"] == place
    assert (curve["x"][0], curve["x"][-1], len(curve["x"])) == (-2.0, 4.0, 81)
    for x, y in zip(curve["x"], curve["y"], strict=True):
        assert y == formula(*[x if k == place else leaf.data for k, leaf in enumerate(leaves)])
    assert [leaf.data for leaf in leaves] == [a, b, 6.5]
    assert found.root.data == formula(a, b, 6.5)
    x = [a, b, 6.5][place]
    for step, error in zip(curve["steps"], curve["errors"], strict=True):
        high, low = x + step, x - step
        if high == low:
            assert error == "NaN"
            continue
        at = [formula(*[end if k == place else leaf.data for k, leaf in enumerate(leaves)]) for end in (high, low)]
        assert error == abs((at[0] - at[1]) / (high - low) - answer["numbers"]["adjoint"][place])


def test_a_curve_has_gaps_where_the_graph_is_not_defined() -> None:
    a = Value(1.0, "a")
    curve = Session(tg.log(a)).answer({"curve": {"node": 0, "low": -1.0, "high": 1.0}})["curve"]
    assert [y == "NaN" for y in curve["y"]] == [x <= 0.0 for x in curve["x"]]
    assert curve["errors"][0] == "NaN"  # of h = 1 the lower end is 0
    assert a.data == 1.0


def test_of_a_large_graph_a_curve_has_fewer_points() -> None:
    a = node = Value(0.5, "a")
    for _ in range(4000):
        node = node + 1.0
    curve = Session(node, 10_000).answer({"curve": {"node": 0, "low": 0.0, "high": 1.0}})["curve"]
    assert 9 <= len(curve["x"]) < 50
    assert a.data == 0.5


@pytest.mark.parametrize(
    "curve",
    [
        {"node": 0},
        {"node": 0, "low": 1.0, "high": 1.0},
        {"node": 0, "low": 2.0, "high": 1.0},
        {"node": 0, "low": -1.7e308, "high": 1.7e308},
        {"node": 99, "low": 0.0, "high": 1.0},
        {"node": 0, "low": "0", "high": 1.0},
        3,
    ],
)
def test_a_curve_that_is_none_is_refused(curve: object) -> None:
    found, leaves = session()
    with pytest.raises(RequestError):
        found.answer({"set": {"0": 1.0}, "curve": curve})
    assert leaves[A].data == 2.0
