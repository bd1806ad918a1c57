"""Dropout drops with the probability that it was given, keeps the expectation, and does nothing in use."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_oracles import differentiated, numbers, of_leaves

from tinygrad_lite import Value, topological_order
from tinygrad_lite import sum as total
from tinygrad_lite.nn.layers.dropout import Dropout

probabilities = st.floats(0.0, 1.0)
inputs = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)


@given(p=probabilities, x=inputs, seed=st.integers(0, 1000))
def test_each_number_is_dropped_or_divided_by_1_minus_p(p: float, x: list[float], seed: int) -> None:
    """By the generator's own numbers, drawn here again: those below p drop."""
    rng = random.Random(seed)
    dropped = [p > 0.0 and rng.random() < p for _ in x]
    y, slope, _ = differentiated(Dropout(p, generator=seed), x, np.ones(len(x)))
    for xi, yi, si, drop in zip(x, y, slope, dropped, strict=True):
        if drop:
            assert (yi, si) == (0.0, 0.0)
        else:
            assert math.isclose(yi, xi / (1.0 - p), rel_tol=1e-15)
            assert math.isclose(si, 1.0 / (1.0 - p), rel_tol=1e-15)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_expectation_is_kept_and_the_share_that_is_dropped_is_p(p: float) -> None:
    n = 20_000
    y = np.array([yi.data for yi in Dropout(p, generator=1)([3.0] * n)])
    deviation = math.sqrt(p * (1.0 - p) / n)  # of the share that is dropped
    assert abs(np.mean(y == 0.0) - p) < 4.0 * deviation
    assert abs(np.mean(y) - 3.0) < 4.0 * 3.0 * deviation / (1.0 - p)


def test_numbers_are_dropped_independently_of_their_neighbours() -> None:
    dropped = np.array([y.data == 0.0 for y in Dropout(0.5, generator=2)([1.0] * 20_000)])
    both = np.mean(dropped[1:] & dropped[:-1])
    assert abs(both - 0.25) < 4.0 * math.sqrt(0.25 * 0.75 / 20_000) * 1.5  # neighbouring pairs overlap


@given(p=probabilities)
def test_in_use_the_input_itself_comes_back(p: float) -> None:
    layer = Dropout(p).eval()
    x = of_leaves([[1.0, 2.0], [3.0, 4.0]])
    assert layer(x) is x
    array = np.ones(3)
    assert layer(array) is array


def test_p_of_0_drops_nothing_and_p_of_1_all() -> None:
    assert Dropout(0.0)([1.0, 2.0]) == [1.0, 2.0]
    y, slope, _ = differentiated(Dropout(1), [1.0, -2.0, 3.0], np.ones(3))
    assert y.tolist() == slope.tolist() == [0.0, 0.0, 0.0]


def test_equal_seeds_drop_the_same_and_each_call_drops_others() -> None:
    x = [1.0] * 50
    first, second = Dropout(generator=5), Dropout(generator=random.Random(5))
    a, b = numbers(first(x)), numbers(first(x))
    assert np.array_equal(a, numbers(second(x)))
    assert np.array_equal(b, numbers(second(x)))
    assert not np.array_equal(a, b)
    assert not np.array_equal(numbers(Dropout()(x)), numbers(Dropout()(x)))


def test_drawing_neither_uses_nor_changes_the_global_random_state() -> None:
    layer = Dropout()
    before = random.getstate()
    layer([1.0] * 10)
    assert random.getstate() == before


def test_a_copy_goes_on_as_the_original_does() -> None:
    layer = Dropout(generator=0)
    layer([1.0] * 10)
    twin = copy.deepcopy(layer)
    assert np.array_equal(numbers(layer([1.0] * 30)), numbers(twin([1.0] * 30)))


def test_a_recorded_graph_keeps_its_choice() -> None:
    x = [Value(1.0) for _ in range(20)]
    y = Dropout(generator=0)(x)
    kept = [yi.data != 0.0 for yi in y]
    root = total(y)
    for xi in x:
        xi.data = 3.0
    root.forward()
    assert [yi.data for yi in y] == [6.0 if keep else 0.0 for keep in kept]


def test_every_number_is_one_node_dropped_or_not() -> None:
    y = Dropout(generator=0)(of_leaves(np.ones(20)))
    assert {yi.op for yi in y} == {"mul"}
    constants = {id(n) for n in topological_order(total(y), leaves=True) if n.is_constant}
    assert len(constants) == 2


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 2)])
def test_inputs_of_any_shape_keep_it(shape: tuple[int, ...]) -> None:
    x = np.ones(shape)
    assert numbers(Dropout(generator=0)(of_leaves(x))).shape == shape
    assert isinstance(Dropout(generator=0)(x), np.ndarray) or shape == ()


def test_numbers_are_drawn_in_the_order_of_the_input() -> None:
    of_matrix = numbers(Dropout(generator=3)(np.ones((4, 5))))
    of_vector = numbers(Dropout(generator=3)(np.ones(20)))
    assert np.array_equal(of_matrix.ravel(), of_vector)


@pytest.mark.parametrize("p", [0.25, 1.0])
def test_what_is_left_is_what_pytorch_leaves(p: float) -> None:
    torch = pytest.importorskip("torch")
    x = [0.3, -1.7, 2.0] * 20
    theirs = torch.nn.Dropout(p)(torch.tensor(x, dtype=torch.float64)).tolist()
    ours = [yi.data for yi in Dropout(p, generator=0)(x)]
    assert {round(y, 12) for y in ours} == {round(y, 12) for y in theirs}


@pytest.mark.parametrize(
    ("p", "error", "message"),
    [
        (-0.1, ValueError, r"p is in .*0.*1.*not -0.1"),
        (1.5, ValueError, "not 1.5"),
        (math.nan, ValueError, "not nan"),
        ("0.5", TypeError, "p is a number, not str"),
        (True, TypeError, "p is a number, not bool"),
    ],
)
def test_p_is_a_probability(p: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Dropout(p)


@pytest.mark.parametrize("training", [True, False])
def test_what_is_no_number_is_refused(training: bool) -> None:
    with pytest.raises(TypeError, match=r"Dropout\(p=0.5\) .*str"):
        Dropout().train(training)(["a"])
    with pytest.raises(TypeError, match=r"generator is a random\.Random"):
        Dropout(generator="seed")  # type: ignore[arg-type]  # that is the test


def test_repr() -> None:
    assert repr(Dropout(0.25)) == "Dropout(p=0.25): 0 parameters"
