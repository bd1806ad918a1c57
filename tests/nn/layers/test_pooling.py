"""Pooling takes the largest or the mean of each window; Flatten reshapes as NumPy does."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layer_oracles import assert_close, assert_is_pytorchs, differentiated, numbers, of_leaves

from tinygrad_lite import Value, topological_order
from tinygrad_lite import sum as total
from tinygrad_lite.nn import Linear, Module, Sequential
from tinygrad_lite.nn.base.shapes import flat
from tinygrad_lite.nn.layers.convolution import Conv1d
from tinygrad_lite.nn.layers.pooling import AvgPool1d, AvgPool2d, Flatten, MaxPool1d, MaxPool2d
from tinygrad_lite.testing import Verdict, check_gradients

SOME = settings(max_examples=settings().max_examples * 3 // 5)


@st.composite
def cases(draw: st.DrawFn, axes: int, largest: bool) -> tuple[dict[str, Any], tuple[int, ...], int]:
    """Arguments of a pooling layer, the shape of an input on which its window fits, and a seed."""
    kernel = draw(st.tuples(*[st.integers(1, 3)] * axes))
    dilation = draw(st.tuples(*[st.integers(1, 2)] * axes)) if largest else (1,) * axes
    reaches = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    # PyTorch has a second limit for one axis, half of the kernel, whatever the dilation.
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    arguments: dict[str, Any] = {
        "kernel_size": kernel,
        "stride": draw(st.one_of(st.none(), st.tuples(*[st.integers(1, 4)] * axes))),
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }
    arguments |= {"dilation": dilation} if largest else {"count_include_pad": draw(st.booleans())}
    if axes == 2 and not largest:
        arguments["divisor_override"] = draw(st.one_of(st.none(), st.integers(1, 5)))
    sizes = tuple(draw(st.integers(max(1, r - 2 * p), 7)) for r, p in zip(reaches, padding, strict=True))
    leading = draw(st.sampled_from([(1,), (2,), (2, 2)]))
    return arguments, (*leading, *sizes), draw(st.integers(0, 1000))


def windows_along(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> list[list[int]]:
    """The positions of each window, found by trying one start after the other."""
    found: list[list[int]] = []
    end = size + padding
    while True:
        start = stride * len(found) - padding
        window = [start + dilation * j for j in range(kernel)]
        fits = window[-1] < end
        something_is_left = not found or found[-1][-1] < end - 1
        if not (fits or (ceil_mode and something_is_left)) or start >= size:  # there, it would hold padding alone
            return found
        found.append(window)


def pooled(arguments: dict[str, Any], x: Any, of_window: Callable[[list[tuple[int, ...]], Any, Any], float]) -> Any:
    """Pooling written out: of_window gets the positions of a window, the plane, and where each axis ends."""
    axes = len(arguments["kernel_size"])
    along = [
        windows_along(
            x.shape[axis - axes],
            arguments["kernel_size"][axis],
            (arguments["stride"] or arguments["kernel_size"])[axis],
            arguments["padding"][axis],
            arguments.get("dilation", (1,) * axes)[axis],
            arguments["ceil_mode"],
        )
        for axis in range(axes)
    ]
    result = np.zeros((*x.shape[:-axes], *map(len, along)))
    for index in np.ndindex(result.shape):
        window = list(product(*[positions[k] for positions, k in zip(along, index[-axes:], strict=True)]))
        plane = x[index[:-axes]]
        ends = [size + p for size, p in zip(plane.shape, arguments["padding"], strict=True)]
        result[index] = of_window(window, plane, ends)
    return result


def inside(position: tuple[int, ...], plane: Any) -> bool:
    return all(0 <= p < size for p, size in zip(position, plane.shape, strict=True))


def largest_of(window: list[tuple[int, ...]], plane: Any, ends: Any) -> float:
    return max([float(plane[p]) for p in window if inside(p, plane)], default=-math.inf)


def gradient_by_unit_steps(f: Callable[[Any], Any], x: Any, cotangent: Any) -> Any:
    """The gradient of Σ cotangent · f where f is affine within a step of 1 (infinite outputs have no part in it)."""
    result = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += 0.5
        down[index] -= 0.5
        with np.errstate(invalid="ignore"):
            result[index] = np.nansum((f(up) - f(down)) * cotangent)
    return result


@pytest.mark.parametrize("axes", [1, 2])
@settings(max_examples=settings().max_examples * 3 // 10)
@given(data=st.data())
def test_max_pooling_is_the_largest_of_each_window_and_gradients_go_to_it(axes: int, data: st.DataObject) -> None:
    arguments, shape, seed = data.draw(cases(axes, largest=True))
    rng = np.random.default_rng(seed)
    x = rng.permutation(2 * math.prod(shape))[: math.prod(shape)].reshape(shape) * 2.0 - 9.0  # no two are equal
    layer = (MaxPool1d if axes == 1 else MaxPool2d)(**arguments)

    def oracle(x: Any) -> Any:
        return pooled(arguments, x, largest_of)

    expected = oracle(x)
    cotangent = rng.integers(-4, 5, size=expected.shape).astype(float) * np.isfinite(expected)
    y, by_input, _ = differentiated(layer, x, np.where(np.isfinite(expected), cotangent, 0.0))
    assert np.array_equal(y, expected)
    assert np.array_equal(by_input, gradient_by_unit_steps(oracle, x, cotangent))


@pytest.mark.parametrize("axes", [1, 2])
@settings(max_examples=settings().max_examples * 3 // 10)
@given(data=st.data())
def test_average_pooling_is_the_mean_of_what_counts_in_each_window(axes: int, data: st.DataObject) -> None:
    arguments, shape, seed = data.draw(cases(axes, largest=False))
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, size=shape).astype(float)
    layer = (AvgPool1d if axes == 1 else AvgPool2d)(**arguments)

    def mean_of(window: list[tuple[int, ...]], plane: Any, ends: Any) -> float:
        items = [float(plane[p]) for p in window if inside(p, plane)]
        counted = [p for p in window if all(pi < end for pi, end in zip(p, ends, strict=True))]
        count = len(counted) if arguments["count_include_pad"] else len(items)
        return math.fsum(items) / (arguments.get("divisor_override") or count)

    def oracle(x: Any) -> Any:
        return pooled(arguments, x, mean_of)

    cotangent = rng.normal(size=oracle(x).shape)
    y, by_input, _ = differentiated(layer, x, cotangent)
    assert_close(y, oracle(x))
    assert_close(by_input, gradient_by_unit_steps(oracle, x, cotangent))


@pytest.mark.parametrize("axes", [1, 2])
@SOME
@given(data=st.data())
def test_max_pooling_is_pytorchs(axes: int, data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    arguments, shape, seed = data.draw(cases(axes, largest=True))
    ours, theirs = (MaxPool1d, torch.nn.MaxPool1d) if axes == 1 else (MaxPool2d, torch.nn.MaxPool2d)
    x = np.random.default_rng(seed).normal(size=shape)
    assume(np.isfinite(numbers(ours(**arguments)(x))).all())  # the test above has the others
    assert_is_pytorchs(ours(**arguments), theirs(**arguments), x, seed)


@pytest.mark.parametrize("axes", [1, 2])
@SOME
@given(data=st.data())
def test_average_pooling_is_pytorchs(axes: int, data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    arguments, shape, seed = data.draw(cases(axes, largest=False))
    ours, theirs = (AvgPool1d, torch.nn.AvgPool1d) if axes == 1 else (AvgPool2d, torch.nn.AvgPool2d)
    assert_is_pytorchs(ours(**arguments), theirs(**arguments), np.random.default_rng(seed).normal(size=shape), seed)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (MaxPool1d(3, 1, 1), [[0.3, -1.2, 2.0, 0.7]]),
        (AvgPool2d(2, 1, 1, count_include_pad=False), [[[0.3, -1.2], [2.0, 0.7]]]),
    ],
    ids=repr,
)
def test_derivatives_are_right(layer: Module, x: Any) -> None:
    def squares(x: Any) -> Any:
        return [y * y for y in flat(layer(x))]

    assert check_gradients(squares, x).verdict is Verdict.CORRECT


# ---------------------------------------------------------------------------------------------------- ties


@pytest.mark.parametrize(
    ("kernel", "x", "shares"),
    [
        (2, [1.0, 1.0], [0.5, 0.5]),
        (4, [1.0, 1.0, 1.0, 1.0], [0.25, 0.25, 0.25, 0.25]),
        (4, [1.0, 0.0, 1.0, 0.0], [0.5, 0.0, 0.5, 0.0]),
        (3, [1.0, 1.0, 1.0], [0.25, 0.25, 0.5]),
        (3, [1.0, 0.0, 1.0], [0.5, 0.0, 0.5]),
    ],
)
def test_a_tie_splits_the_gradient_equally_at_each_maximum(kernel: int, x: list[float], shares: list[float]) -> None:
    _, by_input, _ = differentiated(MaxPool1d(kernel), [x], [[1.0]])
    assert by_input.tolist() == [shares]


@given(x=st.lists(st.integers(0, 2), min_size=1, max_size=9))
def test_with_ties_the_shares_are_positive_add_up_to_1_and_go_to_the_largest_alone(x: list[int]) -> None:
    _, by_input, _ = differentiated(MaxPool1d(len(x)), [x], [[1.0]])
    shares = by_input[0]
    assert shares.sum() == 1.0  # of powers of 1/2
    assert [share > 0.0 for share in shares] == [xi == max(x) for xi in x]


# ------------------------------------------------------------------------------------- what is recorded


def test_a_mean_is_one_node_and_a_maximum_a_tree_of_little_depth() -> None:
    mean = AvgPool1d(8)(of_leaves(np.arange(8.0)[None]))[0][0]
    assert (mean.op, len(mean.parents)) == ("mean", 8)
    largest = MaxPool1d(8)(of_leaves(np.arange(8.0)[None]))[0][0]
    assert [node.op for node in topological_order(largest)] == ["maximum"] * 7
    depth, level = 0, [largest]
    while not all(node.is_leaf for node in level):
        depth, level = depth + 1, [parent for node in level for parent in node.parents]
    assert depth == 3


def test_a_nan_is_not_lost_in_max_pooling() -> None:
    assert math.isnan(MaxPool1d(3)([[1.0, math.nan, 2.0]])[0][0].data)


@pytest.mark.parametrize("layer", [MaxPool1d(2), AvgPool1d(2)], ids=repr)
def test_an_array_in_is_an_object_array_out(layer: Module) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5))
    of_array, of_lists = layer(x), layer(x.tolist())
    assert isinstance(of_array, np.ndarray)
    assert isinstance(of_lists, list)
    assert np.array_equal(numbers(of_array), numbers(of_lists))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (MaxPool1d(2), "MaxPool1d(2): 0 parameters"),
        (MaxPool2d((2, 3), 1, 1, 2, ceil_mode=True), None),
        (MaxPool2d(3, (1, 2), ceil_mode=True), "MaxPool2d(3, stride=(1, 2), ceil_mode=True): 0 parameters"),
        (AvgPool1d(3, 1, 1, True, False), None),
        (AvgPool2d(2, divisor_override=3), "AvgPool2d(2, divisor_override=3): 0 parameters"),
    ],
)
def test_reprs_show_what_differs_from_the_default(layer: Module, text: str | None) -> None:
    expected = {
        MaxPool2d: "MaxPool2d((2, 3), stride=1, padding=1, dilation=2, ceil_mode=True): 0 parameters",
        AvgPool1d: "AvgPool1d(3, stride=1, padding=1, ceil_mode=True, count_include_pad=False): 0 parameters",
    }
    assert repr(layer) == (text or expected[type(layer)])


# -------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        (MaxPool1d(2), [1.0, 2.0], r"MaxPool1d\(2\) .* \(C, L\) or \(N, C, L\), .* shape \(2,\)"),
        (AvgPool2d(2), [[1.0]], r"AvgPool2d\(2\) .* \(C, H, W\) or \(N, C, H, W\), .* shape \(1, 1\)"),
        (MaxPool1d(3), [[1.0, 2.0]], r"MaxPool1d\(3\) .*reaches over 3, and the input of shape \(2,\) is 2"),
        (AvgPool2d((1, 5)), np.zeros((1, 3, 2)), r"reaches over 1 × 5, and the input of shape \(3, 2\) is 3 × 2"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_both_shapes(layer: Module, x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer(x)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kernel_size": 0}, ValueError, "kernel_size is at least 1"),
        ({"kernel_size": 2.0}, TypeError, "kernel_size is an int"),
        ({"kernel_size": 2, "stride": 0}, ValueError, "stride is at least 1"),
        ({"kernel_size": 2, "padding": -1}, ValueError, "padding is at least 0"),
        ({"kernel_size": 2, "padding": 2}, ValueError, "padding is at most half of what the window reaches over, 2"),
        ({"kernel_size": 3, "padding": 2}, ValueError, "padding is at most half of what the window reaches over, 3"),
    ],
)
@pytest.mark.parametrize("kind", [MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d])
def test_arguments_that_make_no_sense_are_refused(
    kind: type[MaxPool1d], arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        kind(**arguments)


@pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
def test_one_size_of_two_that_makes_no_sense_is_refused_too(kind: type[MaxPool2d]) -> None:
    with pytest.raises(ValueError, match=r"kernel_size is at least 1, not \(2, 0\)"):
        kind((2, 0))
    with pytest.raises(ValueError, match=r"padding is at least 0, not \(-1, 1\)"):
        kind(2, padding=(-1, 1))


def test_pytorchs_fifth_argument_of_max_pooling_is_not_taken_for_another() -> None:
    with pytest.raises(TypeError, match="positional"):
        MaxPool1d(2, 2, 0, 1, True)  # type: ignore[misc]  # return_indices in PyTorch
    with pytest.raises(ValueError, match="divisor_override is at least 1"):
        AvgPool2d(2, divisor_override=0)
    with pytest.raises(TypeError, match=r"MaxPool1d\(1\) .*str"):
        MaxPool1d(1)([["a"]])


# -------------------------------------------------------------------------------------------------- Flatten


@given(shape=st.lists(st.integers(1, 3), max_size=4).map(tuple), data=st.data())
def test_flatten_is_numpys_reshape_for_lists_and_arrays(shape: tuple[int, ...], data: st.DataObject) -> None:
    axes = max(len(shape), 1)
    start = data.draw(st.integers(0, axes - 1))
    end = data.draw(st.integers(start, axes - 1))
    x = np.arange(float(math.prod(shape))).reshape(shape)
    expected = x.reshape((*shape[:start], -1, *shape[end + 1 :]))
    for first, last in ((start, end), (start - axes, end - axes)):
        layer = Flatten(first, last)
        assert np.array_equal(numbers(layer(of_leaves(x))), expected)
        assert np.array_equal(layer(x), expected)


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 3, 2), (2, 1, 2, 3)])
@pytest.mark.parametrize("arguments", [(), (0,), (-2,), (1, 2), (0, 1), (-3, -2), (5,)])
def test_flatten_is_pytorchs_and_refuses_what_it_refuses(shape: tuple[int, ...], arguments: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    x = np.arange(float(math.prod(shape))).reshape(shape)
    try:
        expected = torch.nn.Flatten(*arguments)(torch.from_numpy(x)).numpy()
    except (IndexError, RuntimeError):
        with pytest.raises(ValueError, match="makes one axis"):
            Flatten(*arguments)(x)
    else:
        assert np.array_equal(Flatten(*arguments)(x), expected)


def test_flatten_gives_the_same_values_and_records_nothing() -> None:
    a, b = Value(1.0), Value(2.0)
    flattened = Flatten()([[[a], [b]]])
    assert flattened[0][0] is a
    assert flattened[0][1] is b


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Flatten(), (3,), r"Flatten\(\) .*start_dim to end_dim, .*shape \(3,\).*a single sample .*Flatten\(0\)"),
        (Flatten(), (), r"Flatten\(\) .*shape \(\)"),
        (Flatten(1, 3), (2, 2), r"Flatten\(end_dim=3\) .*shape \(2, 2\), which has no such axes$"),
        (Flatten(2, 1), (2, 2, 2), r"Flatten\(start_dim=2, end_dim=1\)"),
        (Flatten(-4), (2, 2), r"Flatten\(start_dim=-4\)"),
    ],
)
def test_axes_that_are_not_there_are_refused(layer: Flatten, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer(of_leaves(np.zeros(shape)))


def test_axes_are_ints() -> None:
    with pytest.raises(TypeError, match="start_dim is the number of an axis"):
        Flatten(1.0)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(TypeError, match="end_dim is the number of an axis"):
        Flatten(0, True)


@pytest.mark.parametrize("kind", [of_leaves, np.asarray])
def test_a_convolutional_network_of_all_of_them(kind: Any) -> None:
    """From sequences to scores; a single sample by Flatten(0)."""
    convolution, linear = Conv1d(2, 4, 3, padding=1, generator=0), Linear(8, 3, generator=1)
    x = np.random.default_rng(0).normal(size=(5, 2, 4))
    batched = numbers(Sequential(convolution, MaxPool1d(2), Flatten(), linear)(kind(x)))
    single = [numbers(Sequential(convolution, MaxPool1d(2), Flatten(0), linear)(kind(xi))) for xi in x]
    assert batched.shape == (5, 3)
    assert np.array_equal(batched, np.array(single))


def test_total_of_means_is_the_mean_of_all_where_windows_do_not_overlap() -> None:
    x = np.random.default_rng(0).normal(size=(1, 4, 6))
    y = AvgPool2d((2, 3))(x.tolist())
    assert_close(total(flat(y)).data / 4, x.mean())
