"""Losses of many classes are their formulas, in value and gradient, in every shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygrad_lite import Value, softmax, topological_order
from tinygrad_lite.nn.losses.class_losses import cross_entropy, log_softmax, multi_margin_loss, nll_loss
from tinygrad_lite.nn.losses.loss_modules import CrossEntropyLoss, MultiMarginLoss, NLLLoss

numbers = st.floats(-30.0, 30.0)
weights = st.floats(0.1, 5.0)
EXTREMES = [[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, 1000.0], [1000.0, 1000.0, 999.0]]


def distribution(n: int) -> Any:
    positive = st.lists(st.floats(0.0, 1.0), min_size=n, max_size=n).filter(lambda p: sum(p) > 0.1)
    return positive.map(lambda p: [x / sum(p) for x in p])


def rows(strategy: Any, *shape: int) -> Any:
    for size in reversed(shape):
        strategy = st.lists(strategy, min_size=size, max_size=size)
    return strategy


def leaves(tree: Any) -> list[Any]:
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, list) else [tree]


def as_values(tree: Any) -> Any:
    return [as_values(part) for part in tree] if isinstance(tree, list) else Value(tree)


# ------------------------------------------------------------------------------------ the definitions in mpmath


def minus_log_softmax(z: list[Any], k: int) -> Any:
    return mpmath.log(mpmath.fsum(map(mpmath.exp, z))) - z[k]


def cross_entropy_defined(z: list[Any], y: Any, smoothing: float = 0.0) -> Any:
    n = len(z)
    probabilities = y if isinstance(y, list) else [float(c == y) for c in range(n)]
    e = mpmath.mpf(smoothing)
    return mpmath.fsum([((1 - e) * p + e / n) * minus_log_softmax(z, c) for c, p in enumerate(probabilities)])


def margin_defined(z: list[Any], k: int, p: int, margin: float) -> Any:
    return mpmath.fsum([max(mpmath.mpf(0), margin - z[k] + z[c]) ** p for c in range(len(z)) if c != k]) / len(z)


def check_against(definition: Callable[[list[Any]], Any], function: Callable[[Any], Any], z: list[float]) -> None:
    values = [Value(x) for x in z]
    loss = function(values)
    loss.backward()
    with mpmath.workdps(1000):  # exp(-2000) must not vanish beside 1
        exact = [mpmath.mpf(x) for x in z]
        value = definition(exact)
        assert abs(loss.data - value) <= 1e-12 * max(1, abs(value), max(map(abs, z)))
        for i, found in enumerate(values):
            along = lambda x, i=i: definition([*exact[:i], x, *exact[i + 1 :]])  # noqa: E731 (of one i)
            slope = mpmath.diff(along, exact[i], h=mpmath.mpf(10) ** -100)
            assert abs(found.grad - slope) <= 1e-12 * max(1, abs(slope))


any_scores = rows(st.floats(-1000.0, 1000.0), 3) | st.sampled_from(EXTREMES)


@settings(max_examples=settings().max_examples // 5)
@given(z=any_scores, k=st.integers(0, 2), smoothing=st.sampled_from([0.0, 0.1, 1.0]))
def test_cross_entropy_with_a_class_index_is_its_definition(z: list[float], k: int, smoothing: float) -> None:
    check_against(
        lambda x: cross_entropy_defined(x, k, smoothing), lambda x: cross_entropy(x, k, label_smoothing=smoothing), z
    )


@settings(max_examples=settings().max_examples // 5)
@given(z=any_scores, y=distribution(3), smoothing=st.sampled_from([0.0, 0.1, 1.0]))
def test_cross_entropy_with_probabilities_is_its_definition(z: list[float], y: list[float], smoothing: float) -> None:
    check_against(
        lambda x: cross_entropy_defined(x, y, smoothing), lambda x: cross_entropy(x, y, label_smoothing=smoothing), z
    )


@settings(max_examples=settings().max_examples // 5)
@given(z=any_scores, k=st.integers(0, 2))
def test_nll_loss_of_log_softmax_is_its_definition(z: list[float], k: int) -> None:
    check_against(lambda x: minus_log_softmax(x, k), lambda x: nll_loss(log_softmax(x), k), z)


@settings(max_examples=settings().max_examples * 3 // 10)
@given(z=any_scores, k=st.integers(0, 2), p=st.sampled_from([1, 2]), margin=st.floats(0.1, 3.0))
def test_multi_margin_loss_is_its_definition(z: list[float], k: int, p: int, margin: float) -> None:
    assume(all(abs(margin - z[k] + x) > 1e-9 for x in z))
    check_against(
        lambda x: margin_defined(x, k, p, mpmath.mpf(margin)), lambda x: multi_margin_loss(x, k, p, margin), z
    )


@pytest.mark.parametrize("z", EXTREMES)
def test_log_softmax_keeps_what_softmax_loses(z: list[float]) -> None:
    top = max(z)
    shared = math.log(sum(math.exp(x - top) for x in z))
    assert log_softmax(z) == [x - (top + shared) for x in z]
    assert log_softmax([z, z]) == [log_softmax(z)] * 2


# ------------------------------------------------------------------------------------------------- PyTorch

SHAPES = [(), (2,), (1,), (2, 3), (2, 1, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["cross_entropy", "cross_entropy, probabilities", "nll_loss", "multi_margin_loss"])
@settings(max_examples=15)
@given(data=st.data(), classes=st.integers(2, 4), reduction=st.sampled_from(["mean", "sum", "none"]))
def test_value_and_gradient_are_those_of_pytorch(
    name: str, shape: tuple[int, ...], data: st.DataObject, classes: int, reduction: str
) -> None:
    torch = pytest.importorskip("torch")
    if name == "multi_margin_loss" and len(shape) > 1:
        return  # PyTorch takes no more axes
    function = name.split(",")[0]
    ours = {"cross_entropy": cross_entropy, "nll_loss": nll_loss, "multi_margin_loss": multi_margin_loss}[function]
    theirs = getattr(torch.nn.functional, function)
    scores_shape = (*shape[:1], classes, *shape[1:])
    scores = data.draw(rows(numbers, *scores_shape))
    chosen: dict[str, Any] = {}
    if data.draw(st.booleans()):
        chosen["weight"] = data.draw(rows(weights, classes))
    if function == "cross_entropy":
        chosen["label_smoothing"] = data.draw(st.sampled_from([0.0, 0.3]))
    if function == "multi_margin_loss":
        chosen.update(p=data.draw(st.sampled_from([1, 2])), margin=data.draw(weights))
    if "probabilities" in name:
        last = data.draw(rows(distribution(classes), *shape))  # the classes stand last, and go to their place
        target = np.moveaxis(np.array(last), -1, min(1, len(shape))).tolist()
    else:
        target = data.draw(rows(st.integers(0, classes - 1), *shape))
        if function != "multi_margin_loss" and shape and data.draw(st.booleans()):
            first: Any = target
            for _ in shape[1:]:
                first = first[0]
            chosen["ignore_index"] = first[0]
            assume(any(k != first[0] for k in leaves(target)))

    values = as_values(scores)
    found = ours(values, target, reduction=reduction, **chosen)
    losses = leaves(found)
    for loss in losses:
        loss.backward()

    def tensor(tree: Any) -> Any:
        return torch.tensor(tree, dtype=torch.float64)

    x = tensor(scores).requires_grad_()
    goal = tensor(target) if "probabilities" in name else torch.tensor(target)
    theirs_chosen = {key: tensor(s) if key == "weight" else s for key, s in chosen.items()}
    expected = theirs(x, goal, reduction=reduction, **theirs_chosen)
    expected.sum().backward()
    np.testing.assert_allclose([e.data for e in losses], expected.detach().reshape(-1), rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose([v.grad for v in leaves(values)], x.grad.reshape(-1), rtol=1e-12, atol=1e-12)
    if reduction == "none":
        assert np.array(found, dtype=object).shape == tuple(expected.shape)


# ----------------------------------------------------------------------------- the prediction less the target


def test_the_graph_of_the_cross_entropy_shows_the_prediction_and_the_target() -> None:
    z = [Value(0.5), Value(-1.0), Value(2.0)]
    prediction = softmax([0.5, -1.0, 2.0])
    loss = cross_entropy(z, 1)
    assert loss.op == "sub"
    assert loss.partials == (1.0, -1.0)
    total, right = loss.parents
    assert total.op == "logsumexp"
    assert list(total.partials) == prediction
    assert right is z[1]
    loss.backward()
    assert [zi.grad for zi in z] == [prediction[0], prediction[1] - 1.0, prediction[2]]


def test_the_graph_shows_the_probabilities_of_the_target() -> None:
    z = [Value(0.5), Value(-1.0), Value(2.0)]
    y = [0.25, 0.25, 0.5]
    loss = cross_entropy(z, y)
    assert loss.op == "dot"
    total = next(node for node in loss.parents if node.op == "logsumexp")
    assert dict(zip(map(id, loss.parents), loss.partials, strict=True)) | {} == {
        **{id(p): d for p, d in zip(loss.parents, loss.partials, strict=True) if p.is_constant},
        id(total): 1.0,
        **{id(zi): -yi for zi, yi in zip(z, y, strict=True)},
    }
    loss.backward()
    prediction = softmax([0.5, -1.0, 2.0])
    assert [zi.grad for zi in z] == pytest.approx([p - yi for p, yi in zip(prediction, y, strict=True)], abs=1e-16)


@given(z=rows(st.floats(-10.0, 10.0), 3), k=st.integers(0, 2))
def test_the_long_way_by_softmax_and_logarithm_gives_the_same(z: list[float], k: int) -> None:
    values, again = as_values(z), as_values(z)
    long, short = -softmax(values)[k].log(), cross_entropy(again, k)
    long.backward()
    short.backward()
    assert long.data == pytest.approx(short.data, rel=1e-12, abs=1e-12)
    assert [v.grad for v in values] == pytest.approx([v.grad for v in again], rel=1e-12, abs=1e-12)


def test_the_long_way_fails_where_the_short_one_does_not() -> None:
    with pytest.raises(ValueError, match="log"):
        softmax([Value(1000.0), Value(0.0)])[1].log()
    assert cross_entropy([1000.0, 0.0], 1).data == 1000.0


# ------------------------------------------------------------------------------------------ indices and shapes


@pytest.mark.parametrize("function", [cross_entropy, nll_loss, multi_margin_loss])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 3.0]])
def test_an_index_that_is_a_value_stays_in_the_graph(function: Callable[..., Any], weight: list[float] | None) -> None:
    z, k = [Value(-0.5), Value(-1.0), Value(-2.0)], Value(0.0)
    loss = function([z], [k], weight=weight)
    assert loss.data == pytest.approx(function([z], [0], weight=weight).data, rel=1e-15)
    k.data = 2.0
    loss.forward()
    assert loss.data == pytest.approx(function([z], [2], weight=weight).data, rel=1e-15)


def test_label_smoothing_of_an_index_that_is_a_value() -> None:
    z = [0.5, -1.0, 2.0]
    found = cross_entropy(z, Value(1.0), label_smoothing=0.3)
    assert found.data == pytest.approx(cross_entropy(z, 1, label_smoothing=0.3).data, rel=1e-15)


def test_probabilities_may_be_values() -> None:
    y = [Value(0.25), Value(0.75)]
    cross_entropy([0.0, 0.0], y).backward()
    assert [p.grad for p in y] == [math.log(2.0)] * 2


@pytest.mark.parametrize("target", [(0, 1), np.array([0, 1]), [0.0, True], [np.int64(0), 1]])
def test_indices_of_any_kind_give_the_same(target: Any) -> None:
    z = [[0.5, 0.25], [0.0, -1.0]]
    assert cross_entropy(z, target).data == cross_entropy(z, [0, 1]).data
    assert cross_entropy(np.array(as_values(z)), target).data == cross_entropy(z, [0, 1]).data


def test_masked_logits_do_no_harm() -> None:
    z = [Value(0.0), Value(1.0), -math.inf]
    for target in (0, [1.0, 0.0, 0.0]):
        loss = cross_entropy(z, target)
        assert loss.data == pytest.approx(math.log(1.0 + math.e))


def test_two_nodes_a_sample_are_recorded() -> None:
    z = as_values([[0.5, 0.25], [0.0, -1.0]])
    assert len(topological_order(cross_entropy(z, [0, 1]))) == 5
    assert len(topological_order(cross_entropy(z, [[0.5, 0.5], [1.0, 0.0]]))) == 5


def test_nothing_but_ignored_samples() -> None:
    z = [[0.5, 0.25], [0.0, -1.0]]
    assert cross_entropy(z, [-100, -100], reduction="sum").data == 0.0
    assert [loss.data for loss in cross_entropy(z, [-100, -100], reduction="none")] == [0.0, 0.0]
    with pytest.raises(ValueError, match="every target is the ignore_index, -100"):
        cross_entropy(z, [-100, -100])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cross_entropy([[0.0, 1.0]] * 2, [0, 2]), r"target\[1\] is 2, .* whole number from 0 to 1"),
        (lambda: cross_entropy([[0.0, 1.0]] * 2, [0, -1]), r"target\[1\] is -1, "),
        (lambda: cross_entropy([[0.0, 1.0]] * 2, [0.5, 1]), r"target\[0\] is 0.5, "),
        (lambda: cross_entropy([[0.0, 1.0]] * 2, [0]), "a sequence of 2 and target is a sequence of 1"),
        (lambda: cross_entropy([[0.0, 1.0], [0.0]], [[0.5, 0.5], [0.5, 0.5]]), r"input\[1\] is a sequence of 1"),
        (lambda: cross_entropy([0.0, 1.0], [[0, 1]]), r"input has 1 axis and target has 2: .*\(C,\)"),
        (lambda: cross_entropy(0.0, 0), "a score for each class"),
        (lambda: cross_entropy([Value(0.0), Value(1.0)], [1, 1]), r"add up to 2, .*binary_cross_entropy_with_logits"),
        (lambda: cross_entropy([[0.0, 1.0]], [[1.5, -0.5]]), r"target\[0\]\[0\] is 1.5, and a probability"),
        (lambda: cross_entropy([[0.0, 1.0]], [[-0.5, 1.5]]), r"target\[0\]\[0\] is -0.5"),
        (lambda: cross_entropy([[0.0, 1.0]], [0], [1.0, 2.0, 3.0]), "weight has 3 numbers, .* of 2 classes"),
        (lambda: cross_entropy([[0.0, 1.0]], [0], label_smoothing=1.5), r"label_smoothing is in \[0, 1\], not 1.5"),
        (lambda: cross_entropy([], []), "input is empty"),
        (lambda: cross_entropy([[]], [0]), r"input\[0\] is empty"),
        (lambda: cross_entropy([[[0.0], [1.0]]], [[0, 1]]), r"target\[0\] is a sequence of 2, .* 1 positions"),
        (lambda: cross_entropy([[[0.0], [1.0, 2.0]]], [[0]]), r"input\[0\]\[0\] is a sequence of 1 and"),
        (lambda: cross_entropy([[0.0, 1.0], [0.0, 1.0]], [0, [1]]), r"target\[1\] is a sequence of 1"),
        (lambda: nll_loss([[0.0, 1.0]], [[0.5, 0.5]]), "kl_div"),
        (lambda: multi_margin_loss([[0.0, 1.0]], [[0.5, 0.5]]), "takes class indices"),
        (lambda: multi_margin_loss([[0.0, 1.0]], [0], 3), "p is 1 or 2, not 3"),
        (lambda: cross_entropy([[0.0, 1.0]], [0], reduction="max"), "not 'max'"),
        (lambda: CrossEntropyLoss(reduction="max"), "not 'max'"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("z", "y"), [([["0"]], [0]), ([[0.5]], [None]), ([[0.5]], "0"), ({0: 1.0}, 0)])
def test_other_containers_are_refused(z: object, y: object) -> None:
    with pytest.raises(TypeError, match="expected Values and numbers"):
        cross_entropy(z, y)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("module", "function", "chosen"),
    [
        (
            CrossEntropyLoss,
            cross_entropy,
            {"weight": [1.0, 2.0, 3.0], "ignore_index": 1, "label_smoothing": 0.1},
        ),
        (NLLLoss, nll_loss, {"weight": [1.0, 2.0, 3.0], "ignore_index": 1}),
        (MultiMarginLoss, multi_margin_loss, {"p": 2, "margin": 0.5, "weight": [1.0, 2.0, 3.0]}),
    ],
)
def test_a_module_is_its_function_with_its_settings(
    module: Any, function: Callable[..., Any], chosen: dict[str, Any], reduction: str
) -> None:
    loss = module(reduction=reduction, **chosen)
    z, y = [[0.25, 0.75, 0.0], [0.0, 1.0, 0.5], [1.0, 0.0, 0.5]], [0, 1, 2]
    assert str(loss(z, y)) == str(function(z, y, reduction=reduction, **chosen))
    for name in chosen:
        fewer = {key: setting for key, setting in chosen.items() if key != name}
        assert str(loss(z, y)) != str(function(z, y, reduction=reduction, **fewer))
        assert f"{name}={chosen[name]!r}" in repr(loss)
