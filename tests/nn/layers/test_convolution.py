"""Convolutions are sums over windows, for whole numbers to the last bit; PyTorch's for all others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layer_oracles import assert_is_pytorchs, differentiated, numbers, of_leaves
from scipy import signal, stats

from tinygrad_lite import Value, topological_order
from tinygrad_lite import sum as total
from tinygrad_lite.nn import Module
from tinygrad_lite.nn.base.shapes import flat, shape_of
from tinygrad_lite.nn.layers.convolution import Conv1d, Conv2d
from tinygrad_lite.testing import Verdict, check_gradients

SOME = settings(max_examples=settings().max_examples // 2)
LAYERS = {1: Conv1d, 2: Conv2d}


@st.composite
def cases(draw: st.DrawFn, axes: int) -> tuple[dict[str, Any], tuple[int, ...], int]:
    """Arguments of a convolution, the shape of an input on which its kernel fits, and a seed."""
    groups = draw(st.integers(1, 3))
    several = st.tuples(*[st.integers(1, 3)] * axes)
    arguments: dict[str, Any] = {
        "in_channels": groups * draw(st.integers(1, 2)),
        "out_channels": groups * draw(st.integers(1, 2)),
        "kernel_size": draw(several),
        "stride": draw(several),
        "padding": draw(st.one_of(st.tuples(*[st.integers(0, 2)] * axes), st.sampled_from(["same", "valid"]))),
        "dilation": draw(several),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    if arguments["padding"] == "same":
        arguments["stride"] = (1,) * axes
    sizes = draw(st.tuples(*[st.integers(1, 7 if axes == 1 else 5)] * axes))
    for size, (before, after), kernel, dilation in zip(
        sizes, padding_of(arguments), arguments["kernel_size"], arguments["dilation"], strict=True
    ):
        assume(size + before + after >= dilation * (kernel - 1) + 1)
    samples = draw(st.sampled_from([(), (1,), (2,)]))
    return arguments, (*samples, arguments["in_channels"], *sizes), draw(st.integers(0, 1000))


def padding_of(arguments: dict[str, Any]) -> list[tuple[int, int]]:
    """What is added before and after each axis."""
    if arguments["padding"] == "valid":
        return [(0, 0) for _ in arguments["kernel_size"]]
    if arguments["padding"] == "same":
        totals = [d * (k - 1) for d, k in zip(arguments["dilation"], arguments["kernel_size"], strict=True)]
        return [(extra // 2, (extra + 1) // 2) for extra in totals]
    return [(p, p) for p in arguments["padding"]]


def correlated(arguments: dict[str, Any], x: Any, weight: Any, bias: Any) -> Any:
    """The convolution of one sample as SciPy computes it: the full correlation with a kernel spread by zeros."""
    padded = np.pad(x, [(0, 0), *padding_of(arguments)])
    spread_shape = [d * (k - 1) + 1 for d, k in zip(arguments["dilation"], arguments["kernel_size"], strict=True)]
    spread = np.zeros((*weight.shape[:2], *spread_shape))
    spread[(..., *[slice(None, None, d) for d in arguments["dilation"]])] = weight
    ins, outs = weight.shape[1], weight.shape[0] // arguments["groups"]
    steps = tuple(slice(None, None, s) for s in arguments["stride"])
    rows = []
    for o, kernel in enumerate(spread):
        channels = padded[o // outs * ins :][:ins]
        maps = [signal.correlate(a, b, mode="valid", method="direct") for a, b in zip(channels, kernel, strict=True)]
        rows.append(np.sum(maps, axis=0)[steps] + bias[o])
    return np.array(rows)


def of_batch(arguments: dict[str, Any], x: Any, weight: Any, bias: Any) -> Any:
    axes = len(arguments["kernel_size"])
    if x.ndim == axes + 1:
        return correlated(arguments, x, weight, bias)
    return np.array([correlated(arguments, sample, weight, bias) for sample in x])


def unit_steps(f: Any, arguments: list[Any], which: int, cotangent: Any) -> Any:
    """The gradient of Σ cotangent · f by an argument in which f is affine: what a step of 1 changes, exactly."""
    start = np.sum(f(*arguments) * cotangent)
    result = np.zeros(arguments[which].shape)
    for index in np.ndindex(result.shape):
        moved = [a.copy() for a in arguments]
        moved[which][index] += 1.0
        result[index] = np.sum(f(*moved) * cotangent) - start
    return result


@pytest.mark.parametrize("axes", [1, 2])
@settings(max_examples=settings().max_examples // 5)
@given(data=st.data())
def test_value_and_gradients_for_whole_numbers_are_scipys_to_the_last_bit(axes: int, data: st.DataObject) -> None:
    arguments, shape, seed = data.draw(cases(axes))
    rng = np.random.default_rng(seed)
    layer = LAYERS[axes](**arguments)
    for parameter in layer.parameters():
        parameter.data = float(rng.integers(-4, 5))
    state = layer.state_dict()
    bias = state.get("bias", np.zeros(arguments["out_channels"]))
    inputs = [rng.integers(-4, 5, size=shape).astype(float), state["weight"], bias]

    def oracle(*args: Any) -> Any:
        return of_batch(arguments, *args)

    expected = oracle(*inputs)
    cotangent = rng.integers(-4, 5, size=expected.shape).astype(float)
    y, by_input, by_parameters = differentiated(layer, inputs[0], cotangent)
    assert np.array_equal(y, expected)
    assert np.array_equal(by_input, unit_steps(oracle, inputs, 0, cotangent))
    assert np.array_equal(by_parameters["weight"], unit_steps(oracle, inputs, 1, cotangent))
    if arguments["bias"]:
        assert np.array_equal(by_parameters["bias"], unit_steps(oracle, inputs, 2, cotangent))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # it costs PyTorch a copy
@pytest.mark.parametrize("axes", [1, 2])
@SOME
@given(data=st.data())
def test_it_is_pytorchs(axes: int, data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    arguments, shape, seed = data.draw(cases(axes))
    twin = (torch.nn.Conv1d if axes == 1 else torch.nn.Conv2d)(**arguments)
    x = np.random.default_rng(seed).normal(size=shape)
    assert_is_pytorchs(LAYERS[axes](**arguments), twin, x, seed)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (Conv1d(2, 2, 2, padding=1, generator=0), [[0.3, 0.4], [0.6, -0.2]]),
        (Conv2d(1, 1, 2, dilation=2, padding=1, generator=0), [[[0.3, 0.4], [0.6, -0.2]]]),
    ],
    ids=repr,
)
def test_second_derivatives_are_right_too(layer: Module, x: Any) -> None:
    assert check_gradients(lambda layer, x: layer(x), layer, x, order=2).verdict is Verdict.CORRECT


def test_arguments_come_in_pytorchs_order() -> None:
    layer = Conv1d(4, 6, 3, 2, 1, 5, 2, False, "zeros")
    assert (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride) == (4, 6, (3,), (2,))
    assert (layer.padding, layer.dilation, layer.groups, layer.bias) == ((1,), (5,), 2, None)


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_same_keeps_the_length(kernel: int, dilation: int) -> None:
    layer = Conv1d(1, 1, kernel, padding="same", dilation=dilation)
    assert shape_of(layer([[0.0] * 3])) == (1, 3)


# -------------------------------------------------------------------------------------------- what is recorded


def test_an_output_is_one_dot_node_and_channels_share_the_tuples_of_their_windows() -> None:
    layer = Conv1d(2, 3, 2, padding=1, generator=0)
    y = layer(of_leaves(np.ones((2, 4))))
    assert [node.op for node in topological_order(total(flat(y)))] == ["sum"] + ["dot"] * 15
    for position in range(5):
        windows = {id(y[channel][position].details().second) for channel in range(3)}
        assert len(windows) == 1
    for channel in range(3):
        kernels = {id(y[channel][position].details().first) for position in range(5)}
        assert len(kernels) == 1
    assert {len(node.parents) for node in flat(y)} == {2 * 4 + 1}  # at the ends too, where zeros fill up


def test_padding_is_one_constant_that_gets_no_gradient() -> None:
    layer = Conv1d(1, 1, 3, padding=1, bias=False)
    y = layer(of_leaves(np.ones((1, 4))))
    constants = {id(n) for n in topological_order(total(flat(y)), leaves=True) if n.is_constant}
    assert len(constants) == 1


@pytest.mark.parametrize(("layer", "shape"), [(Conv1d(2, 3, 2), (4, 2, 5)), (Conv2d(2, 3, 2), (2, 4, 5))], ids=repr)
def test_an_array_in_is_an_object_array_out(layer: Module, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    of_array, of_lists = layer(x), layer(x.tolist())
    assert isinstance(of_array, np.ndarray)
    assert isinstance(of_lists, list)
    assert np.array_equal(numbers(of_array), numbers(of_lists))


def test_samples_give_what_each_gives() -> None:
    layer = Conv2d(2, 3, 2, groups=1, generator=0)
    x = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    assert np.array_equal(numbers(layer(x)), np.array([numbers(layer(sample)) for sample in x]))


def test_inputs_of_different_sizes_do_not_disturb_one_another() -> None:
    """Places of windows are remembered by size."""
    layer = Conv1d(1, 1, 2, generator=0)
    short, long = numbers(layer([[1.0, 2.0, 3.0]])), numbers(layer([[1.0, 2.0, 3.0, 4.0]]))
    assert np.array_equal(short, long[:, :2])
    assert np.array_equal(short, numbers(layer([[1.0, 2.0, 3.0]])))


# ------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("layer", "weight"),
    [
        (Conv1d(4, 6, 3, groups=2), (6, 2, 3)),
        (Conv2d(4, 6, (3, 2)), (6, 4, 3, 2)),
    ],
    ids=repr,
)
def test_states_have_pytorchs_names_and_shapes(layer: Module, weight: tuple[int, ...]) -> None:
    assert {name: array.shape for name, array in layer.state_dict().items()} == {"weight": weight, "bias": (6,)}


@pytest.mark.parametrize(
    ("layer", "fan_in"), [(Conv1d(8, 64, 9, groups=2, generator=0), 36), (Conv2d(4, 64, 3, generator=0), 36)], ids=repr
)
def test_weights_and_biases_begin_uniform_in_one_over_the_root_of_fan_in(layer: Module, fan_in: int) -> None:
    bound = 1.0 / math.sqrt(fan_in)
    for array in layer.state_dict().values():
        assert np.max(np.abs(array)) <= bound
        assert stats.kstest(array.ravel(), "uniform", (-bound, 2.0 * bound)).pvalue > 0.001


def test_equal_seeds_give_equal_layers() -> None:
    def weights(seed: int) -> list[float]:
        return [p.data for p in Conv2d(1, 2, 3, generator=seed).parameters()]

    assert weights(0) == weights(0) != weights(1)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv1d(3, 8, 5), "Conv1d(3, 8, 5): 128 parameters"),
        (Conv1d(2, 2, 1, bias=False), "Conv1d(2, 2, 1, bias=False): 4 parameters"),
        (Conv2d(1, 1, (3, 5), 2, (1, 2)), "Conv2d(1, 1, (3, 5), stride=2, padding=(1, 2)): 16 parameters"),
        (
            Conv2d(2, 2, 3, padding="same", dilation=2, groups=2),
            "Conv2d(2, 2, 3, padding='same', dilation=2, groups=2): 20 parameters",
        ),
    ],
)
def test_reprs_show_what_differs_from_the_default(layer: Module, text: str) -> None:
    assert repr(layer) == text


# -------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        (Conv1d(3, 8, 5), np.zeros((2, 7)), r"Conv1d\(3, 8, 5\) .* \(3, L\) or \(N, 3, L\), .* shape \(2, 7\)"),
        (Conv1d(3, 8, 5), np.zeros(3), r"given one of shape \(3,\)"),
        (Conv2d(1, 1, 1), np.zeros((2, 3)), r"\(1, H, W\) or \(N, 1, H, W\)"),
        (Conv1d(1, 1, 5, padding=1), np.zeros((1, 2)), r"padding=1\) .*reaches over 5, .* shape \(2,\) is 4 with its"),
        (Conv1d(1, 1, 3, dilation=2), np.zeros((1, 4)), r"dilation=2\) .*reaches over 5, .* shape \(4,\) is 4"),
        (Conv2d(1, 1, (1, 4)), np.zeros((1, 9, 3)), r"reaches over 1 × 4, and the input of shape \(9, 3\) is 9 × 3"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_both_shapes(layer: Module, x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer(x)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Conv1d\(1, 1, 1\) .*str"):
        Conv1d(1, 1, 1)([["a"]])
    with pytest.raises(ValueError, match="parts of different shapes"):
        Conv1d(2, 1, 1)([[Value(1.0)], [1.0, 2.0]])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ValueError, "in_channels is a positive number, not 0"),
        ({"out_channels": 1.0}, TypeError, "out_channels is a positive int"),
        ({"kernel_size": 0}, ValueError, "kernel_size is at least 1, not 0"),
        ({"kernel_size": (1, 2, 3)}, TypeError, r"kernel_size is an int.*, not tuple \(1, 2, 3\)"),
        ({"stride": 0}, ValueError, "stride is at least 1"),
        ({"stride": True}, TypeError, "stride is an int"),
        ({"padding": -1}, ValueError, "padding is at least 0"),
        ({"padding": "full"}, ValueError, "padding is 'same', 'valid' or how many zeros, not 'full'"),
        ({"padding": "same", "stride": 2}, ValueError, "padding='same' needs a stride of 1, not 2"),
        ({"dilation": 0}, ValueError, "dilation is at least 1"),
        ({"groups": 4}, ValueError, "in_channels is a multiple of groups: 6 channels do not fall into 4"),
        ({"groups": 6}, ValueError, "out_channels is a multiple of groups: 3 channels do not fall into 6"),
        ({"groups": 0}, ValueError, "groups is a positive number"),
        ({"padding_mode": "circular"}, ValueError, "padding_mode is 'zeros', not 'circular'"),
        ({"generator": "seed"}, TypeError, r"generator is a random\.Random"),
    ],
)
@pytest.mark.parametrize("kind", [Conv1d, Conv2d])
def test_arguments_that_make_no_sense_are_refused(
    kind: type[Conv1d], arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        kind(**{"in_channels": 6, "out_channels": 3, "kernel_size": 1, **arguments})


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_number_of_outputs_is_that_of_the_arithmetic_of_shapes(size: int, kernel: int, stride: int) -> None:
    """Relationship 5 of Dumoulin & Visin (2016): ⌊(i − k)/s⌋ + 1 without padding."""
    y = Conv1d(1, 1, kernel, stride)([[0.0] * size])
    assert len(y[0]) == math.floor((size - kernel) / stride) + 1
