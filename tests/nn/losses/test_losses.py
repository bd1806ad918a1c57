"""Losses of one number each are their formulas, in value and derivative, at the ends of the line too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value, sigmoid, topological_order
from tinygrad_lite.nn import BCEWithLogitsLoss, binary_cross_entropy_with_logits
from tinygrad_lite.nn.losses.loss_modules import (
    BCELoss,
    HingeLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    SmoothL1Loss,
)
from tinygrad_lite.nn.losses.losses import (
    binary_cross_entropy,
    hinge_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)

logits = st.floats(-1000.0, 1000.0)
labels = st.sampled_from([0, 1])
anything = st.floats(-1000.0, 1000.0)
probabilities = st.floats(0.0, 1.0)
inner_probabilities = st.floats(1e-6, 1.0 - 1e-6)
signs = st.sampled_from([-1, 1])


def log_of(p: Any) -> Any:
    return mpmath.log(p)


def xlogx(p: Any) -> Any:
    return p * mpmath.log(p) if p else mpmath.mpf(0)


def by_case(condition: bool, one: Any, other: Any) -> Any:
    return one if condition else other


def sigma(z: Any) -> Any:
    return 1 / (1 + mpmath.exp(-z))


#: For each loss the function, what to draw for its input and target, and its definition for mpmath.
DEFINITIONS: dict[str, tuple[Callable[..., Any], Any, Any, Callable[[Any, Any], Any]]] = {
    "mse": (mse_loss, anything, anything, lambda z, y: (z - y) ** 2),
    "l1": (l1_loss, anything, anything, lambda z, y: by_case(z > y, z - y, y - z)),
    "huber": (
        lambda z, y, **k: huber_loss(z, y, delta=2.5, **k),
        anything,
        anything,
        lambda z, y: by_case(abs(z - y) <= 2.5, (z - y) ** 2 / 2, 2.5 * (abs(z - y) - mpmath.mpf(2.5) / 2)),
    ),
    "smooth_l1": (
        lambda z, y, **k: smooth_l1_loss(z, y, beta=0.25, **k),
        anything,
        anything,
        lambda z, y: by_case(abs(z - y) < 0.25, (z - y) ** 2 * 2, abs(z - y) - mpmath.mpf(0.125)),
    ),
    "hinge": (hinge_loss, anything, signs, lambda z, y: by_case(y * z < 1, 1 - y * z, 0)),
    "bce": (
        binary_cross_entropy,
        inner_probabilities,
        probabilities,
        lambda p, y: -y * log_of(p) - (1 - y) * log_of(1 - p),
    ),
    "bce_with_logits": (
        binary_cross_entropy_with_logits,
        logits,
        probabilities,
        lambda z, y: -y * log_of(sigma(z)) - (1 - y) * log_of(1 - sigma(z)),
    ),
    "bce_with_logits, pos_weight": (
        lambda z, y, **k: binary_cross_entropy_with_logits(z, y, pos_weight=3.0, **k),
        logits,
        probabilities,
        lambda z, y: -3 * y * log_of(sigma(z)) - (1 - y) * log_of(1 - sigma(z)),
    ),
    "kl_div": (kl_div, st.floats(-1000.0, 0.0), probabilities, lambda z, y: xlogx(y) - y * z),
    "kl_div, log_target": (
        lambda z, y, **k: kl_div(z, y, log_target=True, **k),
        st.floats(-1000.0, 0.0),
        st.floats(-1000.0, 0.0),
        lambda z, y: mpmath.exp(y) * (y - z),
    ),
}
#: Where two pieces of a definition meet, its derivative is not compared.
KINKS: dict[str, Callable[[float, float], bool]] = {
    "l1": lambda z, y: abs(z - y) < 1e-9,
    "huber": lambda z, y: abs(abs(z - y) - 2.5) < 1e-9,
    "smooth_l1": lambda z, y: abs(abs(z - y) - 0.25) < 1e-9,
    "hinge": lambda z, y: abs(y * z - 1) < 1e-9,
}


def check_against_definition(name: str, z: float, y: float) -> None:
    """Value and derivative to 1e-12 of the greatest number that is part of them; 1000 digits are lost nowhere."""
    function, _, _, definition = DEFINITIONS[name]
    prediction = Value(z)
    loss = function(prediction, y)
    loss.backward()
    with mpmath.workdps(1000):  # exp(-1000) must not vanish beside 1
        value = definition(mpmath.mpf(z), mpmath.mpf(y))
        slope = mpmath.diff(lambda x: definition(x, mpmath.mpf(y)), mpmath.mpf(z), h=mpmath.mpf(10) ** -100)
        assert abs(loss.data - value) <= 1e-12 * max(1, abs(value))
        assert abs(prediction.grad - slope) <= 1e-12 * max(1, abs(slope))


@pytest.mark.parametrize("name", DEFINITIONS)
@settings(max_examples=settings().max_examples // 4)
@given(data=st.data())
def test_value_and_derivative_are_those_of_the_definition(name: str, data: st.DataObject) -> None:
    z, y = data.draw(DEFINITIONS[name][1]), data.draw(DEFINITIONS[name][2])
    assume(name not in KINKS or not KINKS[name](z, y))
    check_against_definition(name, z, y)


def extremes() -> list[tuple[str, float, float]]:
    found = []
    for name in DEFINITIONS:
        predictions = {"bce": [1e-6, 1 - 1e-6], "kl_div": [-1000.0, 0.0], "kl_div, log_target": [-1000.0, 0.0]}
        targets = {"hinge": [-1.0, 1.0], "kl_div, log_target": [-1000.0, 0.0]}
        for z in predictions.get(name, [-1000.0, 1000.0]):
            found += [(name, z, y) for y in targets.get(name, [0.0, 0.25, 1.0])]
    return found


@pytest.mark.parametrize(("name", "z", "y"), extremes())
def test_extreme_predictions_are_no_harder(name: str, z: float, y: float) -> None:
    check_against_definition(name, z, y)


numbers = st.floats(-30.0, 30.0)
sizes = st.floats(0.1, 5.0)
#: PyTorch's name for each loss, what to draw for each number of input and target, and for its settings.
PEERS: dict[str, tuple[Callable[..., Any], Any, Any, dict[str, Any]]] = {
    "mse_loss": (mse_loss, numbers, numbers, {}),
    "l1_loss": (l1_loss, numbers, numbers, {}),
    "huber_loss": (huber_loss, numbers, numbers, {"delta": sizes}),
    "smooth_l1_loss": (smooth_l1_loss, numbers, numbers, {"beta": sizes | st.just(0.0)}),
    "binary_cross_entropy": (
        binary_cross_entropy,
        st.floats(1e-10, 1.0 - 1e-10) | st.sampled_from([0.0, 1.0]),
        probabilities,
        {"weight": sizes},
    ),
    "binary_cross_entropy_with_logits": (
        binary_cross_entropy_with_logits,
        numbers,
        probabilities,
        {"weight": sizes, "pos_weight": sizes},
    ),
    "kl_div": (kl_div, numbers, probabilities, {}),
    "kl_div, log_target": (kl_div, numbers, numbers, {"log_target": st.just(True)}),
}


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # PyTorch's opinion of its kl_div
@pytest.mark.parametrize("name", PEERS)
@settings(max_examples=settings().max_examples * 3 // 10)
@given(data=st.data(), reduction=st.sampled_from(["mean", "sum", "none"]))
def test_value_and_gradient_are_those_of_pytorch(name: str, data: st.DataObject, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    ours, of_input, of_target, of_settings = PEERS[name]
    theirs = getattr(torch.nn.functional, name.split(",")[0])
    n = data.draw(st.integers(1, 4))
    z = [Value(x) for x in data.draw(st.lists(of_input, min_size=n, max_size=n))]
    y = data.draw(st.lists(of_target, min_size=n, max_size=n))
    chosen: dict[str, Any] = {}
    for key, drawn in of_settings.items():
        if "weight" not in key:
            chosen[key] = data.draw(drawn)
        elif data.draw(st.booleans()):
            chosen[key] = data.draw(st.lists(drawn, min_size=n, max_size=n))

    found = ours(z, y, reduction=reduction, **chosen)
    losses = found if reduction == "none" else [found]
    for loss in losses:
        loss.backward()

    def tensor(numbers: Any) -> Any:
        return torch.tensor(numbers, dtype=torch.float64) if isinstance(numbers, list) else numbers

    x = tensor([zi.data for zi in z]).requires_grad_()
    expected = theirs(x, tensor(y), reduction=reduction, **{key: tensor(s) for key, s in chosen.items()})
    expected.sum().backward()
    np.testing.assert_allclose([e.data for e in losses], expected.detach().reshape(-1), rtol=1e-12, atol=1e-12)
    # Where one logarithm is cut off, PyTorch loses the other's slope of 1, and its 1e12 is that of float32.
    certain = np.array([name == "binary_cross_entropy" and zi.data in (0.0, 1.0) for zi in z])
    gradients = np.array([[zi.grad for zi in z], x.grad.tolist()])
    np.testing.assert_allclose(*gradients * ~certain, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(*gradients * certain, rtol=1e-8, atol=np.max(chosen.get("weight", 1.0)))


@pytest.mark.parametrize(
    ("p", "y", "value", "slope"),
    [
        (0.0, 1, 100.0, -1e12),
        (1.0, 0, 100.0, 1e12),
        (0.0, 0.25, 25.0, 0.75 - 0.25e12),
        (0.0, 0, 0.0, 1.0),
        (1.0, 1, 0.0, -1.0),
    ],
)
def test_a_probability_that_is_certain_and_wrong_has_pytorchs_slope(
    p: float, y: float, value: float, slope: float
) -> None:
    x = Value(p)
    loss = binary_cross_entropy(x, y)
    loss.backward()
    assert (loss.data, x.grad) == (value, slope)
    lifted = tg.lift(tg.value_and_grad(lambda x: binary_cross_entropy(x, y)))
    assert lifted(p) == (value, slope)


@given(p=st.floats(1e-40, 1e-3))
def test_the_loss_of_a_small_probability_keeps_its_digits(p: float) -> None:
    assert binary_cross_entropy(Value(p), 0).data == -math.log1p(-p)  # log(1 - p) has none left at 1e-17


# --------------------------------------------------------------------------- the prediction less the target


def test_the_graph_of_the_cross_entropy_shows_the_prediction_and_the_target() -> None:
    z = Value(0.75)
    loss = binary_cross_entropy_with_logits(z, 0.25)
    softplus, product = loss.parents
    assert [node.op for node in (loss, softplus, product)] == ["sub", "softplus", "mul"]
    assert loss.partials == (1.0, -1.0)
    assert softplus.partials == (sigmoid(0.75),)
    assert product.partials[product.parents.index(z)] == 0.25
    loss.backward()
    assert z.grad == sigmoid(0.75) - 0.25


def long_way(z: float, y: float) -> tuple[float, float]:
    """The loss of a sigmoid node, then of logarithm nodes, and its derivative."""
    logit = Value(z)
    loss = binary_cross_entropy(sigmoid(logit), y)
    loss.backward()
    return loss.data, logit.grad


def short_way(z: float, y: float) -> tuple[float, float]:
    logit = Value(z)
    loss = binary_cross_entropy_with_logits(logit, y)
    loss.backward()
    return loss.data, logit.grad


@given(z=st.floats(-36.0, 36.0), y=probabilities)
def test_the_long_way_gives_the_same_while_it_has_digits(z: float, y: float) -> None:
    # The probability has a relative error of some 2^-52, which 1 - p makes e^z times larger.
    bound = 2.0**-50 * (1.0 + math.exp(max(z, 0.0)))
    for long, short in zip(long_way(z, y), short_way(z, y), strict=True):
        assert abs(long - short) <= bound * max(1.0, abs(short))


@pytest.mark.parametrize(("z", "y"), [(40.0, 0), (1000.0, 0), (-1000.0, 1)])
def test_the_long_way_fails_where_the_short_one_does_not(z: float, y: int) -> None:
    loss, slope = long_way(z, y)
    assert loss == 100.0  # cut off
    assert abs(slope) < 1e-5  # next to no way out, where the right one is 1
    assert short_way(z, y) == (abs(z), 1.0 if y == 0 else -1.0)


def test_the_long_way_loses_digits_before_it_fails() -> None:
    assert abs(long_way(33.0, 0)[0] - 33.0) > 1e-4
    assert abs(short_way(33.0, 0)[0] - 33.0) < 1e-14


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


# ------------------------------------------------------------------------------------------ all losses alike

MODULES = {
    "mse": (MSELoss, mse_loss, {}),
    "l1": (L1Loss, l1_loss, {}),
    "huber": (HuberLoss, huber_loss, {"delta": 0.5}),
    "smooth_l1": (SmoothL1Loss, smooth_l1_loss, {"beta": 0.5}),
    "hinge": (HingeLoss, hinge_loss, {}),
    "bce": (BCELoss, binary_cross_entropy, {"weight": [2.0, 3.0]}),
    "bce_with_logits": (
        BCEWithLogitsLoss,
        binary_cross_entropy_with_logits,
        {"weight": [2.0, 3.0], "pos_weight": 4.0},
    ),
    "kl_div": (KLDivLoss, kl_div, {"log_target": True}),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_its_function_with_its_settings(name: str, reduction: str) -> None:
    module, function, settings = MODULES[name]
    loss = module(reduction=reduction, **settings)
    z, y = [0.25, 0.75], [1.0, 1.0]
    found, expected = loss(z, y), function(z, y, reduction=reduction, **settings)
    assert str(found) == str(expected)
    assert str(found) != str(function(z, y, reduction=reduction)) or not settings
    assert loss.parameters() == []
    for setting, value in settings.items():
        assert f"{setting}={value!r}" in repr(loss)


@pytest.mark.parametrize("name", MODULES)
def test_modules_refuse_unknown_reductions_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="not 'max'"):
        MODULES[name][0](reduction="max")
    with pytest.raises(ValueError, match="not 'max'"):
        MODULES[name][1](0.5, 1.0, reduction="max")


@pytest.mark.parametrize("name", DEFINITIONS)
@settings(max_examples=settings().max_examples // 5)
@given(data=st.data())
def test_a_recorded_loss_can_be_evaluated_again_anywhere(name: str, data: st.DataObject) -> None:
    function, of_input, of_target, _ = DEFINITIONS[name]
    z, y = Value(data.draw(of_input)), Value(float(data.draw(of_target)) or 0.5)
    loss = function([z], [y])
    z.data, y.data = data.draw(of_input), float(data.draw(of_target)) or 0.5
    loss.forward()
    loss.backward()
    again, target = Value(z.data), Value(y.data)
    expected = function([again], [target])
    expected.backward()
    assert (loss.data, z.grad, y.grad) == (expected.data, again.grad, target.grad)


@pytest.mark.parametrize(
    ("function", "nodes"),
    [(mse_loss, 2), (l1_loss, 2), (huber_loss, 5), (hinge_loss, 3), (binary_cross_entropy_with_logits, 3), (kl_div, 2)],
)
def test_few_nodes_are_recorded(function: Callable[..., Any], nodes: int) -> None:
    loss = function([Value(0.5), Value(-0.5), Value(0.25)], [1.0, 1.0, 1.0])
    assert len(topological_order(loss)) == 3 * nodes + 1


@given(st.data())
def test_structures_of_any_depth_are_walked_alike(data: st.DataObject) -> None:
    tree = data.draw(st.recursive(anything, lambda trees: st.lists(trees, min_size=1, max_size=3), max_leaves=8))

    def mapped(function: Callable[[float], Any], tree: Any) -> Any:
        return [mapped(function, part) for part in tree] if isinstance(tree, list) else function(tree)

    each = mse_loss(tree, mapped(lambda x: x + 2.0, tree), reduction="none")
    assert mapped(lambda loss: loss.data, each) == mapped(lambda x: (x - (x + 2.0)) ** 2, tree)


@pytest.mark.parametrize("kind", [tuple, np.array, lambda rows: np.array(rows, dtype=object)])
def test_tuples_and_arrays_do_as_well_as_lists(kind: Callable[[Any], Any]) -> None:
    rows = [[1.0, 2.0], [3.0, 5.0]]
    each = mse_loss(kind(rows), kind([[0, 0], [0, 1]]), reduction="none")
    assert [[loss.data for loss in row] for row in each] == [[1.0, 4.0], [9.0, 16.0]]
    assert isinstance(each, np.ndarray) == isinstance(kind(rows), np.ndarray)


def test_weights_may_leave_out_the_first_axes() -> None:
    z, y = [[0.25, 0.75]] * 2, [[0, 1]] * 2
    each = binary_cross_entropy_with_logits(z, y, reduction="none")
    for weight, factors in [
        (2.0, [[2.0, 2.0]] * 2),
        ([2.0, 3.0], [[2.0, 3.0]] * 2),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]),
    ]:
        found = binary_cross_entropy_with_logits(z, y, weight, reduction="none")
        for i in range(2):
            for k in range(2):
                assert found[i][k].data == factors[i][k] * each[i][k].data


def test_weights_may_be_learnt() -> None:
    weight = Value(2.0)
    module = BCEWithLogitsLoss(pos_weight=weight)
    assert module.parameters() == [weight]
    module(0.0, 1).backward()
    assert weight.grad == pytest.approx(math.log(2.0))


def test_the_batch_mean_divides_by_the_number_of_samples() -> None:
    z, p = [[-0.5, -1.0, -2.0], [-3.0, -0.1, -2.0]], [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]]
    total = kl_div(z, p, reduction="sum").data
    assert kl_div(z, p, reduction="batchmean").data == total / 2
    assert kl_div(z, p).data == pytest.approx(total / 6, rel=1e-15)
    assert kl_div(-0.5, 0.5, reduction="batchmean").data == kl_div(-0.5, 0.5).data


def test_what_has_no_probability_adds_nothing_to_the_divergence() -> None:
    assert kl_div(-math.inf, 0.0).data == 0.0
    p = Value(0.0)
    assert kl_div(-1.0, p).data == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hinge_loss([0.5, 0.5], [1, 0]), r"target\[1\] is 0, .* 2 \* y - 1"),
        (lambda: binary_cross_entropy([[0.5, 1.5]], [[1, 1]]), r"input\[0\]\[1\] is 1.5, .*with_logits"),
        (lambda: binary_cross_entropy([0.5], [2]), r"target\[0\] is 2, and a probability"),
        (lambda: kl_div([-0.5], [-0.5]), r"target\[0\] is -0.5, .*log_target"),
        (lambda: huber_loss(0.5, 0.0, delta=0.0), "delta is a positive, finite number, not 0.0"),
        (lambda: smooth_l1_loss(0.5, 0.0, beta=-1.0), "beta is a positive, finite number, not -1.0"),
        (lambda: mse_loss([[0.5], [0.5]], [0.0, 0.0]), r"input\[0\] is a sequence of 1 .* list of one"),
        (lambda: mse_loss([], []), "at least one"),
        (lambda: binary_cross_entropy([0.5, 0.5], [1, 1], [1.0]), "weight has 1 items where input has 2"),
        (lambda: binary_cross_entropy(0.5, 1, [1.0]), "weight has 1 items where input is one number"),
        (lambda: kl_div(0.0, 0.0, reduction="max"), "'mean', 'batchmean', 'sum' or 'none', not 'max'"),
        (lambda: mse_loss(0.0, 0.0, reduction="batchmean"), "not 'batchmean'"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("z", "y"), [([0.5], ["1"]), ([0.5], None), ([0.5], {0: 1.0}), ([{}], [0.5])])
def test_other_containers_are_refused(z: object, y: object) -> None:
    with pytest.raises(TypeError, match=r"expected Values and numbers"):
        mse_loss(z, y)
