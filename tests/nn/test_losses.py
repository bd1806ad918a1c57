"""The loss is stable, and its derivative is the prediction less the target."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value, sigmoid
from tinygrad_lite.nn import BCEWithLogitsLoss, binary_cross_entropy_with_logits

logits = st.floats(-1000.0, 1000.0)
labels = st.sampled_from([0, 1])


@given(z=logits, y=labels)
def test_the_derivative_is_sigmoid_of_z_less_y_to_the_last_bit(z: float, y: int) -> None:
    logit = Value(z)
    binary_cross_entropy_with_logits(logit, y).backward()
    assert logit.grad == sigmoid(z) - y


@given(z=logits, y=st.floats(0.0, 1.0))
def test_the_value_is_that_of_the_definition_in_60_digits(z: float, y: float) -> None:
    loss = binary_cross_entropy_with_logits(Value(z), y).data
    with mpmath.workdps(500):  # exp(-1000) must not vanish beside 1
        s = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
        truth = -y * mpmath.log(s) - (1 - mpmath.mpf(y)) * mpmath.log(1 - s)
        # The difference of two numbers of size |z| has an error of some ulp of |z|.
        assert abs(loss - truth) <= 4 * math.ulp(max(1.0, abs(z)))


@pytest.mark.parametrize(
    ("z", "y", "loss", "gradient"),
    [(1000.0, 1, 0.0, 0.0), (1000.0, 0, 1000.0, 1.0), (-1000.0, 0, 0.0, 0.0), (-1000.0, 1, 1000.0, -1.0)],
)
def test_confident_logits_neither_overflow_nor_vanish(z: float, y: int, loss: float, gradient: float) -> None:
    logit = Value(z)
    found = binary_cross_entropy_with_logits(logit, y)
    found.backward()
    assert (found.data, logit.grad) == (loss, gradient)


def test_reductions() -> None:
    z, y = [Value(1.0), Value(-2.0), 0.5], [1, 0, 1]
    each = binary_cross_entropy_with_logits(z, y, reduction="none")
    total = binary_cross_entropy_with_logits(z, y, reduction="sum")
    mean = binary_cross_entropy_with_logits(z, y)
    assert [type(loss) for loss in each] == [Value] * 3
    assert total.data == each[0].data + each[1].data + each[2].data
    assert mean.data == total.data / 3
    assert BCEWithLogitsLoss("sum")(z, y).data == total.data


def test_nested_lists_keep_their_structure() -> None:
    z = [[Value(0.0), Value(1.0)], [Value(2.0), Value(3.0)]]
    each = binary_cross_entropy_with_logits(z, [[0, 1], [1, 0]], reduction="none")
    assert [len(row) for row in each] == [2, 2]
    array = binary_cross_entropy_with_logits(np.array(z, dtype=object), np.array([[0, 1], [1, 0]]))
    assert array.data == binary_cross_entropy_with_logits(z, [[0, 1], [1, 0]]).data


def test_targets_may_be_values() -> None:
    y = Value(0.5)
    binary_cross_entropy_with_logits(Value(2.0), y).backward()
    assert y.grad == -2.0


@pytest.mark.parametrize(
    ("z", "y", "message"),
    [
        ([0.0, 1.0], [1], "a sequence of 2 and target is a sequence of 1"),
        ([0.0], 1, "a sequence of 1 and target is one number"),
        ([[0.0], [1.0]], [1, 0], r"input\[0\] is a sequence of 1 and target\[0\] is one number"),
        ([0.0, 0.0], [1, -1], r"target\[1\] is -1, .*\(y \+ 1\) / 2"),
        (0.0, math.nan, "target is nan"),
        ([], [], "at least one"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(z: object, y: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        binary_cross_entropy_with_logits(z, y)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match=r"input\[0\] is a str"):
        binary_cross_entropy_with_logits(["0"], [1])


def test_unknown_reductions_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none', not 'max'"):
        BCEWithLogitsLoss("max")
    with pytest.raises(ValueError, match="not 'max'"):
        binary_cross_entropy_with_logits(0.0, 1, reduction="max")


def test_it_has_no_parameters() -> None:
    assert repr(BCEWithLogitsLoss()) == "BCEWithLogitsLoss(reduction='mean'): 0 parameters"
