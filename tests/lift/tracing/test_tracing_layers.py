"""Layers and losses record, while lift traces, a graph that is right for other inputs; or they are refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tinygrad_lite import TraceError, Value, nn
from tinygrad_lite.nn.base.shapes import flat, map_numbers, nested, shape_of
from tinygrad_lite.nn.layers.attention_masks import plus_padding
from tinygrad_lite.trace_mode import tracing


def numbers(*shape: int, seed: int = 0) -> Any:
    rng = random.Random(f"{shape} {seed}")
    return nested(shape, iter([rng.gauss(0.0, 1.0) for _ in range(1000)]))


#: What is called, and its arguments for the example and for other inputs.
CASES: dict[str, tuple[Callable[..., Any], list[Any], list[Any]]] = {
    "MLP": (nn.MLP(3, [4, 1], generator=0), [numbers(2, 3)], [numbers(2, 3, seed=1)]),
    "Conv2d": (nn.Conv2d(2, 3, 2, stride=2, padding=1, generator=0), [numbers(2, 4, 4)], [numbers(2, 4, 4, seed=1)]),
    "MaxPool2d": (nn.MaxPool2d(2, padding=1), [numbers(2, 4, 4)], [numbers(2, 4, 4, seed=1)]),
    "AvgPool1d": (nn.AvgPool1d(2), [numbers(2, 4)], [numbers(2, 4, seed=1)]),
    "LayerNorm": (nn.LayerNorm(4), [numbers(2, 4)], [numbers(2, 4, seed=1)]),
    "RMSNorm": (nn.RMSNorm(4), [numbers(2, 4)], [numbers(2, 4, seed=1)]),
    "BatchNorm1d, eval": (nn.BatchNorm1d(4).eval(), [numbers(3, 4)], [numbers(3, 4, seed=1)]),
    "BatchNorm1d, untracked": (
        nn.BatchNorm1d(4, track_running_stats=False), [numbers(3, 4)], [numbers(3, 4, seed=1)]
    ),
    "Dropout, eval": (nn.Dropout().eval(), [numbers(3)], [numbers(3, seed=1)]),
    "LSTM": (lambda xs: LSTM(xs)[0], [numbers(3, 2)], [numbers(3, 2, seed=1)]),
    "GRU": (lambda xs: GRU(xs)[0], [numbers(3, 2)], [numbers(3, 2, seed=1)]),
    "TransformerBlock": (nn.TransformerBlock(4, 2, generator=0), [numbers(3, 4)], [numbers(3, 4, seed=1)]),
    "attention with a mask": (
        lambda xs, mask: ATTENTION(xs, attn_mask=mask),
        [numbers(3, 4), numbers(3, 3)],
        [numbers(3, 4, seed=1), numbers(3, 3, seed=1)],
    ),
    "Embedding": (nn.Embedding(5, 2, padding_idx=1, generator=0), [[1.0, 4.0]], [[3.0, 1.0]]),
    "GraphAttention": (
        lambda xs: GRAPH_ATTENTION(xs, [(0, 1), (1, 2)]), [numbers(3, 2)], [numbers(3, 2, seed=1)]
    ),
    "mse_loss": (nn.mse_loss, [numbers(3), numbers(3, seed=1)], [numbers(3, seed=2), numbers(3, seed=3)]),
    "huber_loss": (nn.huber_loss, [numbers(3), numbers(3, seed=1)], [numbers(3, seed=2), numbers(3, seed=3)]),
    "hinge_loss": (nn.hinge_loss, [numbers(3), [1.0, -1.0, 1.0]], [numbers(3, seed=2), [-1.0, -1.0, 1.0]]),
    "binary_cross_entropy": (
        nn.binary_cross_entropy,
        [[0.2, 0.5, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0]],
        [[0.3, 1.0, 0.0, 0.6], [0.0, 0.0, 1.0, 0.5]],
    ),
    "binary_cross_entropy_with_logits": (
        nn.binary_cross_entropy_with_logits, [numbers(3), [1.0, 0.0, 0.0]], [numbers(3, seed=1), [0.0, 0.5, 1.0]]
    ),
    "kl_div": (nn.kl_div, [[-0.3, -0.5, -0.7], [1.0, 0.5, 0.0]], [[-0.2, -0.9, -0.1], [0.0, 0.5, 1.0]]),
    "cross_entropy by index": (nn.cross_entropy, [numbers(3, 4), [1, 0, 3]], [numbers(3, 4, seed=1), [2, 2, 0]]),
    "cross_entropy, weighted": (
        lambda z, k: nn.cross_entropy(z, k, [1.0, 2.0, 3.0, 4.0], label_smoothing=0.1),
        [numbers(3, 4), [1, 0, 3]],
        [numbers(3, 4, seed=1), [2, 2, 0]],
    ),
    "cross_entropy by probabilities": (
        nn.cross_entropy, [numbers(2, 3), [[0.0, 0.5, 0.5]] * 2], [numbers(2, 3, seed=1), [[1.0, 0.0, 0.0]] * 2]
    ),
    "multi_margin_loss": (nn.multi_margin_loss, [numbers(3, 4), [1, 0, 3]], [numbers(3, 4, seed=1), [2, 2, 0]]),
    "nll_loss": (nn.nll_loss, [numbers(3, 4), [1, 0, 3]], [numbers(3, 4, seed=1), [2, 2, 0]]),
}  # fmt: skip
LSTM, GRU = nn.LSTM(2, 3, generator=0), nn.GRU(2, 3, generator=0)
ATTENTION = nn.MultiHeadAttention(4, 2, generator=0)
GRAPH_ATTENTION = nn.GraphAttention(2, 3, generator=0)


def as_values(tree: Any) -> Any:
    return map_numbers(Value, tree)


def gradients(output: Any, inputs: list[Value]) -> list[float]:
    for x in inputs:
        x.grad = 0.0
    for y in flat(output):
        y.backward()
    return [x.grad for x in inputs]


@pytest.mark.parametrize("name", CASES)
def test_what_was_recorded_for_one_input_is_right_for_another(name: str) -> None:
    function, example, others = CASES[name]
    traced = [as_values(tree) for tree in example]
    inputs = list(flat(traced))
    with tracing([*inputs, *getattr(function, "parameters", list)()]):
        output = function(*traced)
    for x, number in zip(inputs, flat(others), strict=True):
        x.data = number
    for y in flat(output):
        y.forward()

    expected_inputs = [as_values(tree) for tree in others]
    expected = function(*expected_inputs)
    assert shape_of(output) == shape_of(expected)
    assert [y.data for y in flat(output)] == pytest.approx([y.data for y in flat(expected)], rel=1e-14, abs=1e-15)
    # By what is no target: the eager losses leave out what a target of 0 multiplies.
    count = len(list(flat(example[0])))
    found = gradients(output, inputs)[:count]
    assert found == pytest.approx(gradients(expected, list(flat(expected_inputs)))[:count], rel=1e-13, abs=1e-15)


def test_a_frozen_bias_that_is_0_for_the_example_is_added_all_the_same() -> None:
    bias = Value(0.0)
    bias.requires_grad = False
    with tracing([bias]):
        ((total,),) = plus_padding([[bias]], [Value(0.5)])
    assert total is not None
    assert bias in total.parents


@pytest.mark.parametrize(
    ("function", "example", "message"),
    [
        (nn.Dropout(0.5), [numbers(3)], r"Dropout\(p=0\.5\) in training.*eval\(\)"),
        (nn.BatchNorm1d(4), [numbers(3, 4)], r"BatchNorm1d\(4\) in training.*track_running_stats=False"),
    ],
)
def test_what_would_be_frozen_is_refused(function: Callable[..., Any], example: list[Any], message: str) -> None:
    traced = [as_values(tree) for tree in example]
    with pytest.raises(TraceError, match=message), tracing(list(flat(traced))):
        function(*traced)


@pytest.mark.parametrize(
    ("function", "example", "message"),
    [
        (nn.hinge_loss, [numbers(2), [1.0, 0.5]], "label of the hinge loss"),
        (nn.cross_entropy, [numbers(2, 4), [1, 4]], "class index is a whole number from 0 to 3"),
        (nn.Embedding(5, 2), [[5]], "indices from 0 to 4"),
    ],
)
def test_numbers_that_are_no_inputs_are_checked_while_lift_traces(
    function: Callable[..., Any], example: list[Any], message: str
) -> None:
    first = as_values(example[0]) if len(example) > 1 else example[0]
    inputs = [x for x in flat(first) if isinstance(x, Value)]
    with pytest.raises((ValueError, IndexError), match=message), tracing(inputs):
        function(first, *example[1:])
