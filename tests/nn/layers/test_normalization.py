"""Normalised numbers are those of the formulas and of PyTorch, and so are their gradients and running averages."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracles import assert_close, assert_is_pytorchs, complex_step_gradient, differentiated, numbers, of_leaves

from tinygrad_lite import Value, topological_order
from tinygrad_lite import sum as total
from tinygrad_lite.nn import Module
from tinygrad_lite.nn.base.shapes import flat
from tinygrad_lite.nn.layers.normalization import BatchNorm1d, LayerNorm, RMSNorm
from tinygrad_lite.testing import Verdict, check_gradients

FEW = settings(max_examples=settings().max_examples // 4)
seeds = st.integers(0, 2**16)
#: Leading axes, and those that are normalised.
shapes = st.tuples(
    st.lists(st.integers(1, 3), max_size=2).map(tuple),
    st.lists(st.integers(1, 4), min_size=1, max_size=2).map(tuple).filter(lambda sizes: int(np.prod(sizes)) > 1),
)
epsilons = st.sampled_from([1e-5, 1e-3, 0.5])
batches = st.one_of(
    st.tuples(st.integers(2, 4), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 4)),
)


def drawn(seed: int, shape: tuple[int, ...]) -> Any:
    """Numbers of about 1 around 0.5."""
    return np.random.default_rng(seed).normal(0.5, 1.0, size=shape)


def layer_norm(x: Any, weight: Any, bias: Any, eps: float, axes: tuple[int, ...]) -> Any:
    """The formula of Ba et al. (2016), written out for arrays."""
    centre = x.mean(axis=axes, keepdims=True)
    variance = ((x - centre) * (x - centre)).mean(axis=axes, keepdims=True)
    return (x - centre) / np.sqrt(variance + eps) * weight + bias


def rms_norm(x: Any, weight: Any, eps: float, axes: tuple[int, ...]) -> Any:
    return x / np.sqrt((x * x).mean(axis=axes, keepdims=True) + eps) * weight


def set_drawn(layer: Module, seed: int) -> dict[str, Any]:
    """New numbers for all parameters; ones and zeros would hide mistakes."""
    rng = np.random.default_rng(seed)
    for parameter in layer.parameters():
        parameter.data = rng.normal()
    return layer.state_dict()


# ------------------------------------------------------------------------------------- the formulas, in NumPy


@FEW
@given(shape=shapes, eps=epsilons, seed=seeds)
def test_layer_norm_and_its_gradients_are_those_of_the_formula(shape: Any, eps: float, seed: int) -> None:
    batch, normalized = shape
    axes = tuple(range(-len(normalized), 0))
    x, c = drawn(seed, batch + normalized), drawn(seed + 1, batch + normalized)
    layer = LayerNorm(normalized, eps)
    state = set_drawn(layer, seed)
    arguments = [x, state["weight"], state["bias"]]

    def formula(*args: Any) -> Any:
        return layer_norm(*args, eps, axes)

    y, by_input, by_parameters = differentiated(layer, x, c)
    assert_close(y, formula(*arguments))
    assert_close(by_input, complex_step_gradient(formula, arguments, 0, c))
    assert_close(by_parameters["weight"], complex_step_gradient(formula, arguments, 1, c))
    assert_close(by_parameters["bias"], complex_step_gradient(formula, arguments, 2, c))


@FEW
@given(shape=shapes, eps=st.sampled_from([None, 1e-5, 0.5]), seed=seeds)
def test_rms_norm_and_its_gradients_are_those_of_the_formula(shape: Any, eps: float | None, seed: int) -> None:
    batch, normalized = shape
    axes = tuple(range(-len(normalized), 0))
    x, c = drawn(seed, batch + normalized), drawn(seed + 1, batch + normalized)
    layer = RMSNorm(normalized, eps)
    arguments = [x, set_drawn(layer, seed)["weight"]]

    def formula(*args: Any) -> Any:
        return rms_norm(*args, 2.0**-52 if eps is None else eps, axes)

    y, by_input, by_parameters = differentiated(layer, x, c)
    assert_close(y, formula(*arguments))
    assert_close(by_input, complex_step_gradient(formula, arguments, 0, c))
    assert_close(by_parameters["weight"], complex_step_gradient(formula, arguments, 1, c))


@FEW
@given(shape=batches, eps=epsilons, seed=seeds)
def test_batch_norm_and_its_gradients_are_those_of_the_formula(shape: Any, eps: float, seed: int) -> None:
    x, c = drawn(seed, shape), drawn(seed + 1, shape)
    layer = BatchNorm1d(shape[1], eps)
    state = set_drawn(layer, seed)
    axes = (0, 2)[: len(shape) - 1]
    arguments = [x, state["weight"], state["bias"]]

    def formula(x: Any, weight: Any, bias: Any) -> Any:
        trailing = (slice(None),) + (None,) * (len(shape) - 2)
        return layer_norm(x, weight[trailing], bias[trailing], eps, axes)

    y, by_input, by_parameters = differentiated(layer, x, c)
    assert_close(y, formula(*arguments))
    assert_close(by_input, complex_step_gradient(formula, arguments, 0, c))
    assert_close(by_parameters["weight"], complex_step_gradient(formula, arguments, 1, c))
    assert_close(by_parameters["bias"], complex_step_gradient(formula, arguments, 2, c))


@given(momentum=st.floats(0.0, 1.0), seed=seeds, shape=batches)
@FEW
def test_running_averages_are_those_of_the_batches_mean_and_unbiased_variance(
    momentum: float, seed: int, shape: tuple[int, ...]
) -> None:
    layer = BatchNorm1d(shape[1], momentum=momentum)
    averages, variances = np.zeros(shape[1]), np.ones(shape[1])
    for k in range(3):
        x = drawn(seed + k, shape)
        layer(x)
        columns = np.moveaxis(x, 1, 0).reshape(shape[1], -1)
        averages = (1 - momentum) * averages + momentum * columns.mean(axis=1)
        variances = (1 - momentum) * variances + momentum * columns.var(axis=1, ddof=1)
    assert_close(layer.running_mean, averages)
    assert_close(layer.running_var, variances)
    assert layer.num_batches_tracked == 3


def test_without_momentum_all_batches_weigh_the_same() -> None:
    layer = BatchNorm1d(2, momentum=None)
    xs = [drawn(k, (4, 2)) for k in range(5)]
    for x in xs:
        layer(x)
    assert_close(layer.running_mean, np.mean([x.mean(axis=0) for x in xs], axis=0))
    assert_close(layer.running_var, np.mean([x.var(axis=0, ddof=1) for x in xs], axis=0))


@pytest.mark.parametrize("shape", [(1, 3), (4, 3), (2, 3, 2)])
def test_in_use_batch_norm_is_an_affine_map_of_each_channel(shape: tuple[int, ...]) -> None:
    layer = BatchNorm1d(3)
    for k in range(3):
        layer(drawn(k, (5, 3)))
    state = set_drawn(layer, 0)
    layer.eval()
    x, c = drawn(7, shape), drawn(8, shape)
    before = layer.state_dict()
    trailing = (slice(None),) + (None,) * (len(shape) - 2)
    slope = (state["weight"] / np.sqrt(state["running_var"] + 1e-5))[trailing]
    y, by_input, by_parameters = differentiated(layer, x, c)
    standard = (x - state["running_mean"][trailing]) / np.sqrt(state["running_var"] + 1e-5)[trailing]
    assert_close(y, standard * state["weight"][trailing] + state["bias"][trailing])
    assert_close(by_input, c * slope)
    others = tuple(axis for axis in range(len(shape)) if axis != 1)
    assert_close(by_parameters["weight"], (c * standard).sum(axis=others))
    assert_close(by_parameters["bias"], c.sum(axis=others))
    assert all(np.array_equal(before[name], array) for name, array in layer.state_dict().items())


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (LayerNorm(3), [0.3, -1.2, 2.0]),
        (RMSNorm(3), [0.3, -1.2, 2.0]),
        (BatchNorm1d(1), [[0.3], [-1.2], [2.0]]),
        (BatchNorm1d(1, track_running_stats=False).eval(), [[[0.3, -1.2, 2.0]]]),
    ],
    ids=repr,
)
def test_second_derivatives_are_right_too(layer: Module, x: Any) -> None:
    assert check_gradients(lambda layer, x: layer(x), layer, x, order=2).verdict is Verdict.CORRECT


@given(offset=st.sampled_from([0.0, 1e4, 1e8, -1e10]), seed=seeds)
@FEW
def test_a_large_mean_does_not_spoil_the_variance(offset: float, seed: int) -> None:
    """Against 60 digits. E[x²] − E[x]² would have no right digit at 1e8."""
    x = [float(xi) for xi in np.random.default_rng(seed).normal(offset, 1.0, size=5)]
    with mpmath.workdps(60):
        centre = mpmath.fsum(x) / 5
        variance = mpmath.fsum([(mpmath.mpf(xi) - centre) ** 2 for xi in x]) / 5
        expected = [float((xi - centre) / mpmath.sqrt(variance + mpmath.mpf(1e-5))) for xi in x]
    bound = 16 * (abs(offset) + 8) * 2.0**-53 / float(mpmath.sqrt(variance))  # the mean is rounded to its own ulp
    for layer, found in ((LayerNorm(5), x), (BatchNorm1d(1), [[xi] for xi in x])):
        assert np.max(np.abs(numbers(layer(found)).ravel() - expected)) <= bound


# ------------------------------------------------------------------------------------------------- PyTorch


@FEW
@given(shape=shapes, eps=epsilons, affine=st.booleans(), bias=st.booleans(), seed=seeds)
def test_layer_norm_is_pytorchs(shape: Any, eps: float, affine: bool, bias: bool, seed: int) -> None:
    torch = pytest.importorskip("torch")
    batch, normalized = shape
    layer, twin = LayerNorm(normalized, eps, affine, bias), torch.nn.LayerNorm(normalized, eps, affine, bias)
    assert_is_pytorchs(layer, twin, drawn(seed, batch + normalized), seed)


@FEW
@given(shape=shapes, eps=st.sampled_from([None, 1e-3]), affine=st.booleans(), seed=seeds)
def test_rms_norm_is_pytorchs(shape: Any, eps: float | None, affine: bool, seed: int) -> None:
    torch = pytest.importorskip("torch")
    batch, normalized = shape
    layer, twin = RMSNorm(normalized, eps, affine), torch.nn.RMSNorm(normalized, eps, affine)
    assert_is_pytorchs(layer, twin, drawn(seed, batch + normalized), seed)


@FEW
@given(
    shape=batches,
    eps=epsilons,
    momentum=st.sampled_from([0.1, 0.7, None]),
    affine=st.booleans(),
    track=st.booleans(),
    seed=seeds,
)
def test_batch_norm_is_pytorchs_in_training_and_in_use(
    shape: Any, eps: float, momentum: float | None, affine: bool, track: bool, seed: int
) -> None:
    torch = pytest.importorskip("torch")
    layer = BatchNorm1d(shape[1], eps, momentum, affine, track)
    twin = torch.nn.BatchNorm1d(shape[1], eps, momentum, affine, track)
    for k in range(3):
        assert_is_pytorchs(layer, twin, drawn(seed + k, shape), seed)
    expected = twin.state_dict()
    state = layer.state_dict()
    assert list(state) == list(expected)
    for name, array in state.items():
        assert_close(array, expected[name].numpy())
    assert_is_pytorchs(layer.eval(), twin.eval(), drawn(seed, shape), seed)


# ------------------------------------------------------------------------------------------- what they are


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (LayerNorm(3), {"weight": (3,), "bias": (3,)}),
        (LayerNorm([2, 3], bias=False), {"weight": (2, 3)}),
        (LayerNorm(3, elementwise_affine=False), {}),
        (RMSNorm((2, 3)), {"weight": (2, 3)}),
        (
            BatchNorm1d(3),
            {"weight": (3,), "bias": (3,), "running_mean": (3,), "running_var": (3,), "num_batches_tracked": ()},
        ),
        (BatchNorm1d(3, affine=False, track_running_stats=False), {}),
    ],
    ids=repr,
)
def test_states_have_pytorchs_names_and_shapes(layer: Module, shapes: dict[str, tuple[int, ...]]) -> None:
    assert {name: array.shape for name, array in layer.state_dict().items()} == shapes


def test_parameters_begin_as_ones_and_zeros() -> None:
    for layer in (LayerNorm((2, 2)), BatchNorm1d(4)):
        assert {p.data for p in flat(layer.weight)} == {1.0}
        assert {p.data for p in flat(layer.bias)} == {0.0}


def test_a_state_comes_back_with_the_count_as_an_int() -> None:
    layer, twin = BatchNorm1d(2), BatchNorm1d(2)
    layer(drawn(0, (4, 2)))
    twin.load_state_dict(layer.state_dict())
    assert (twin.running_mean, twin.running_var) == (layer.running_mean, layer.running_var)
    assert twin.num_batches_tracked == 1
    assert isinstance(twin.num_batches_tracked, int)


def test_buffers_are_no_parameters() -> None:
    assert len(BatchNorm1d(3).parameters()) == 6


def test_only_batch_norm_needs_a_batch() -> None:
    assert BatchNorm1d(1).needs_batch
    assert not LayerNorm(1).needs_batch


def test_a_vector_is_normalised_by_few_nodes() -> None:
    ops = [node.op for node in topological_order(total(LayerNorm(5)(of_leaves(np.arange(5.0)))))]
    assert sorted(set(ops) - {"sub", "mul", "add"}) == ["dot", "mean", "sqrt", "sum", "truediv"]
    assert ops.count("mean") == ops.count("dot") == ops.count("sqrt") == 1
    assert ops.count("sub") == 5


@pytest.mark.parametrize("layer", [LayerNorm(2), RMSNorm(2), BatchNorm1d(2)], ids=repr)
def test_an_array_in_is_an_object_array_out(layer: Module) -> None:
    x = drawn(0, (3, 2))
    of_array, of_lists = layer(x), layer(x.tolist())
    assert isinstance(of_array, np.ndarray)
    assert of_array.shape == (3, 2)
    assert isinstance(of_lists, list)
    assert np.array_equal(numbers(of_array), numbers(of_lists))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (LayerNorm(3), "LayerNorm(3): 6 parameters"),
        (LayerNorm((2, 3), 0.1, bias=False), "LayerNorm((2, 3), eps=0.1, bias=False): 6 parameters"),
        (LayerNorm(3, elementwise_affine=False), "LayerNorm(3, elementwise_affine=False): 0 parameters"),
        (RMSNorm(3, 1e-6, False), "RMSNorm(3, eps=1e-06, elementwise_affine=False): 0 parameters"),
        (
            BatchNorm1d(3, 0.1, None, False, False),
            "BatchNorm1d(3, eps=0.1, momentum=None, affine=False, track_running_stats=False): 0 parameters",
        ),
    ],
)
def test_reprs_show_what_differs_from_the_default(layer: Module, text: str) -> None:
    assert repr(layer) == text


# -------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        (LayerNorm(3), [1.0, 2.0], r"LayerNorm\(3\) takes an input of shape \(\*, 3\), .* shape \(2,\)"),
        (LayerNorm((2, 3)), [1.0, 2.0, 3.0], r"LayerNorm\(\(2, 3\)\) .* \(\*, 2, 3\), .* shape \(3,\)"),
        (RMSNorm(3), 1.0, r"RMSNorm\(3\) .* \(\*, 3\), .* shape \(\)"),
        (BatchNorm1d(3), [1.0, 2.0, 3.0], r"BatchNorm1d\(3\) takes a batch of shape \(N, 3\) or \(N, 3, L\)"),
        (BatchNorm1d(3), [[1.0, 2.0]], r"given one of shape \(1, 2\)"),
    ],
)
def test_wrong_shapes_are_refused_with_both_shapes(layer: Module, x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer(x)


@pytest.mark.parametrize("x", [[[1.0, 2.0]], [[[1.0], [2.0]]]])
def test_one_number_a_channel_has_no_variance_in_training(x: Any) -> None:
    layer = BatchNorm1d(2)
    with pytest.raises(ValueError, match=r"BatchNorm1d\(2\) needs more than one number a channel.*eval\(\)"):
        layer(x)
    assert (layer.running_mean, layer.running_var, layer.num_batches_tracked) == ([0.0, 0.0], [1.0, 1.0], 0)
    assert numbers(layer.eval()(x)).shape == np.shape(x)
    with pytest.raises(ValueError, match="give more"):
        BatchNorm1d(2, track_running_stats=False).eval()(x)


def test_a_batch_that_fails_leaves_the_running_averages_alone() -> None:
    layer = BatchNorm1d(1, eps=0.0)
    with pytest.raises(ZeroDivisionError):
        layer([[1.0], [1.0]])
    assert (layer.running_mean, layer.running_var, layer.num_batches_tracked) == ([0.0], [1.0], 0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LayerNorm(0), ValueError, "a size in normalized_shape is a positive number, not 0"),
        (lambda: LayerNorm(()), ValueError, "at least one axis"),
        (lambda: LayerNorm(2.0), TypeError, "positive int"),  # type: ignore[arg-type]  # that is the test
        (lambda: LayerNorm(2, -1e-5), ValueError, "eps"),
        (lambda: RMSNorm(2, -1.0), ValueError, "eps"),
        (lambda: BatchNorm1d(0), ValueError, "num_features is a positive number"),
        (lambda: BatchNorm1d(2, -1.0), ValueError, "eps"),
        (lambda: BatchNorm1d(2, momentum=1.5), ValueError, "momentum"),
        (lambda: BatchNorm1d(2, momentum="0.1"), TypeError, "momentum"),  # type: ignore[arg-type]  # that is the test
    ],
)
def test_arguments_that_make_no_sense_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match=r"LayerNorm\(2\) .*str"):
        LayerNorm(2)(["a", "b"])


def test_values_and_numbers_mix() -> None:
    assert numbers(LayerNorm(2)([Value(1.0), 2])).tolist() == numbers(LayerNorm(2)([1.0, 2.0])).tolist()
