"""The gradient report sees gradients vanish, explode and pass, and its numbers are those of NumPy."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.nn import MLP, Linear, Module, ReLU, Residual, Sequential, Sigmoid, init
from tinygrad_lite.nn.diagnostics.gradient_report import GradientReport, gradient_report
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.nn.layers.normalization import BatchNorm1d, LayerNorm
from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits, mse_loss
from tinygrad_lite.nn.optim.clipping import clip_grad_norm_

WIDTH, DEPTH = 6, 10


def samples(n: int = 6, width: int = WIDTH) -> tuple[list[list[float]], list[int]]:
    rng = random.Random(0)
    return [[rng.gauss(0.0, 1.0) for _ in range(width)] for _ in range(n)], [i % 2 for i in range(n)]


def report_of(model: Module) -> GradientReport:
    inputs, labels = samples()
    of_one = isinstance(model(inputs[0]), Value)
    targets = labels if of_one else [[label] for label in labels]
    return gradient_report(model, binary_cross_entropy_with_logits, inputs, targets)


def steepness(report: GradientReport) -> float:
    """The gradient norm of the first layer over that of the last."""
    norms = [layer.gradient_norm for layer in report.layers if layer.gradient_norm is not None]
    return norms[0] / norms[-1]


# ---------------------------------------------------------------------------------- against NumPy, by hand


@settings(max_examples=settings().max_examples // 4)
@given(seed=st.integers(0, 10**6), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4), data=st.data())
def test_jacobians_and_singular_values_are_those_of_numpy(seed: int, sizes: list[int], data: st.DataObject) -> None:
    rng = random.Random(seed)
    nin = data.draw(st.integers(1, 4))
    model = MLP(nin, sizes, "tanh", generator=rng)
    inputs = [[rng.gauss(0.0, 1.0) for _ in range(nin)] for _ in range(3)]
    at = data.draw(st.integers(0, 2))
    loss = tg.sum([tg.sum([y] if isinstance(y, Value) else y) for y in map(model, inputs)])
    report = gradient_report(model, loss, inputs, sample=at)

    a = np.array(inputs[at])
    jacobians = []
    for i, layer in enumerate(model.layers):
        W = np.array([[w.data for w in neuron.w] for neuron in layer.neurons])  # noqa: N806 (a matrix)
        z = W @ a + np.array([neuron.b.data for neuron in layer.neurons])
        last = i == len(sizes) - 1
        jacobians.append(W if last else np.diag(1.0 - np.tanh(z) ** 2) @ W)
        a = z if last else np.tanh(z)
    rest = np.eye(sizes[-1])
    for found, expected in reversed(list(zip(report.layers, jacobians, strict=True))):
        rest = rest @ expected
        np.testing.assert_allclose(found.jacobian, expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.singular_values, np.linalg.svd(expected)[1], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.to_output, np.linalg.svd(rest)[1], rtol=1e-12, atol=1e-12)
    assert report.singular_values is report.layers[0].to_output


def test_gradient_norms_are_those_of_backward_and_nothing_is_changed() -> None:
    model = MLP(3, [4, 2], "tanh", seed=0)
    inputs, _ = samples(width=3)
    targets = [[1.0, 0.0]] * len(inputs)
    for parameter in model.parameters():
        parameter.grad = 7.0
    before = [(p.data, p.grad) for p in model.parameters()]
    loss = mse_loss([model(x) for x in inputs], targets)
    norms = [layer.gradient_norm for layer in gradient_report(model, loss).layers]
    again = [layer.gradient_norm for layer in gradient_report(model, mse_loss, inputs, targets).layers]
    assert [(p.data, p.grad) for p in model.parameters()] == before
    model.zero_grad()
    loss.backward()
    expected = [float(np.linalg.norm([p.grad for p in layer.parameters()])) for layer in model.layers]
    assert norms == pytest.approx(expected, rel=1e-14)
    assert again == pytest.approx(expected, rel=1e-14)


# --------------------------------------------------------------------- what the books say, on small networks


def test_ten_layers_of_sigmoids_make_the_gradient_vanish() -> None:
    report = report_of(MLP(WIDTH, [*[WIDTH] * (DEPTH - 1), 1], "sigmoid", seed=0))
    assert report.verdict == "vanishing"
    assert report.singular_values[0] < 1e-3
    assert steepness(report) < 1e-2
    # sigmoid' is at most 1/4, so no layer has a singular value above a quarter of its weights'.
    assert all(layer.singular_values[0] < 1.0 for layer in report.layers[:-1])
    assert "gradients vanish" in repr(report)


def test_relu_with_kaimings_weights_lets_it_pass() -> None:
    report = report_of(MLP(WIDTH, [*[WIDTH] * (DEPTH - 1), 1], "relu", init="kaiming_normal", seed=3))
    assert report.verdict == "passing"
    assert 0.1 < steepness(report) < 10.0


def stack(block: Any) -> Sequential:
    rng = random.Random(0)
    return Sequential(*[part for _ in range(DEPTH - 1) for part in block(rng)], Linear(WIDTH, 1, generator=rng))


def test_normalisation_and_residuals_let_it_pass() -> None:
    def plain(rng: random.Random) -> list[Module]:
        return [Linear(WIDTH, WIDTH, generator=rng), Sigmoid()]

    def normalised(rng: random.Random) -> list[Module]:
        return [Linear(WIDTH, WIDTH, generator=rng), Sigmoid(), LayerNorm(WIDTH)]

    def residual(rng: random.Random) -> list[Module]:
        return [Residual(Sequential(Linear(WIDTH, WIDTH, generator=rng), Sigmoid()))]

    without, with_norms, with_residuals = (report_of(stack(block)) for block in (plain, normalised, residual))
    assert without.verdict == "vanishing"
    assert with_norms.verdict == with_residuals.verdict == "passing"
    assert steepness(without) < 1e-6
    assert min(steepness(with_norms), steepness(with_residuals)) > 1e-2


def test_an_exploding_gradient_is_seen_and_clipped() -> None:
    model = MLP(WIDTH, [*[WIDTH] * (DEPTH - 1), 1], "leaky_relu", seed=0)
    for parameter in model.parameters():
        parameter.data *= 5.0
    assert report_of(model).verdict == "exploding"

    inputs, labels = samples()
    binary_cross_entropy_with_logits([model(x) for x in inputs], labels).backward()
    before = [layer.gradient_norm or 0.0 for layer in gradient_report(model).layers]
    clip_grad_norm_(model.parameters(), 1.0)
    after = [layer.gradient_norm or 0.0 for layer in gradient_report(model).layers]
    assert float(np.linalg.norm(before)) > 100.0
    assert float(np.linalg.norm(after)) == pytest.approx(1.0)
    np.testing.assert_allclose(np.divide(after, before), 1.0 / float(np.linalg.norm(before)), rtol=1e-6)


def test_dead_relus_are_those_that_are_silent_for_every_sample() -> None:
    model = MLP(1, [4, 1], seed=0)
    for neuron, w, b in zip(model.layers[0].neurons, [1.0, -1.0, 1.0, 1.0], [0.0, 0.0, -10.0, -1.0], strict=True):
        neuron.w[0].data, neuron.b.data = w, b
    # The first is on for 1, the second for -1, the third for neither; the fourth gives 0 for 1, and less for -1.
    report = gradient_report(model, mse_loss([model([x]) for x in (1.0, -1.0)], [0.0, 0.0]))
    assert [layer.dead for layer in report.layers] == [0.5, None]
    assert gradient_report(model, mse_loss(model([1.0]), 0.0)).layers[0].dead == 0.75


def test_dead_relus_within_a_layer_count_too() -> None:
    layer = Linear(2, 2, generator=0)
    init.zeros_(layer.weight)
    layer.bias[0].data, layer.bias[1].data = 1.0, -1.0
    model = Sequential(Residual(Sequential(layer, ReLU())), Linear(2, 1, generator=1))
    report = gradient_report(model, mse_loss, [[1.0, 2.0], [3.0, 4.0]], [[0.0], [0.0]])
    assert [layer.dead for layer in report.layers] == [0.5, None]


# -------------------------------------------------------------------------------------- what can be asked


class TwoRoads(Module):
    """A model of one's own, with a function between its layers and one behind them."""

    def __init__(self) -> None:
        self.first = Linear(2, 3, generator=0)
        self.unused = Linear(3, 3, generator=1)
        self.second = Linear(3, 1, generator=2)

    def forward(self, x: Any) -> Value:
        hidden = [tg.tanh(z) for z in self.first(x)]
        return tg.sigmoid(self.second(hidden)[0])


def test_models_of_ones_own_are_reported_by_their_attributes() -> None:
    model = TwoRoads()
    report = gradient_report(model, mse_loss, [[1.0, 2.0]], [0.0])
    assert [layer.name for layer in report.layers] == ["first", "second", "output", "unused"]
    first, second, output, unused = report.layers
    W, V = (np.array([[w.data for w in row] for row in layer.weight]) for layer in (model.first, model.second))  # noqa: N806 (matrices)
    np.testing.assert_allclose(first.jacobian, W, rtol=1e-14)
    z = np.array([y.data for y in model.first([1.0, 2.0])])
    np.testing.assert_allclose(second.jacobian, V * (1.0 - np.tanh(z) ** 2), rtol=1e-12)
    p = model([1.0, 2.0]).data
    np.testing.assert_allclose(output.jacobian, [[p * (1.0 - p)]], rtol=1e-12)
    np.testing.assert_allclose(
        first.to_output, np.linalg.svd(output.jacobian @ second.jacobian @ first.jacobian)[1], rtol=1e-12
    )
    assert (unused.gradient_norm, unused.jacobian, output.gradient_norm) == (0.0, None, None)


def test_a_single_layer_is_a_model() -> None:
    layer = Linear(2, 2, generator=0)
    (found,) = gradient_report(layer, mse_loss, [[1.0, 2.0]], [[0.0, 0.0]]).layers
    assert found.module == "Linear(2, 2)"
    assert found.jacobian.tolist() == [[w.data for w in row] for row in layer.weight]


@pytest.mark.parametrize("model", [MLP(3, [4, 1], seed=0), Sequential(Linear(3, 4, generator=0), ReLU(), Linear(4, 1))])
def test_the_graph_of_a_loss_has_the_samples(model: Module) -> None:
    inputs, _ = samples(4, 3)
    loss = mse_loss([model(x) for x in inputs], [0.0] * 4 if isinstance(model, MLP) else [[0.0]] * 4)
    alone, told = gradient_report(model, loss), gradient_report(model, loss, inputs)
    assert alone.samples == told.samples == 4
    assert repr(alone) == repr(told)
    assert repr(gradient_report(model, loss, sample=2)) == repr(
        gradient_report(model, loss, np.array(inputs), sample=2)
    )
    firsts = [float(gradient_report(model, loss, sample=i).singular_values[0]) for i in range(4)]
    assert alone.sample == firsts.index(max(firsts))
    assert repr(gradient_report(model, loss, sample=-1)) == repr(gradient_report(model, loss, sample=3))


@pytest.mark.parametrize("first", [LayerNorm(2), lambda x: [2.0 * xi for xi in x]])
def test_without_samples_there_are_gradient_norms_all_the_same(first: Any) -> None:
    model = Sequential(first, Linear(2, 1, generator=0))
    report = gradient_report(model, mse_loss(model([1.0, 2.0]), [0.0]))
    assert all(layer.gradient_norm is not None and layer.jacobian is None for layer in report.layers)
    assert (report.singular_values, report.verdict, report.samples) == (None, "", 0)
    assert "gradient_report(model, loss, inputs)" in repr(report)


def test_dropout_and_batch_normalisation_are_as_after_eval_and_stay_as_they_are() -> None:
    model = Sequential(Linear(2, 3, generator=0), BatchNorm1d(3), Dropout(0.5, generator=0), Linear(3, 1, generator=1))
    inputs, _ = samples(4, 2)
    loss = mse_loss(model(inputs), [[0.0]] * 4)
    state = {name: array.tolist() for name, array in model.state_dict().items()}
    report = gradient_report(model, loss, inputs)
    scale = [1.0 / (v + 1e-5) ** 0.5 for v in model[1].running_var]
    np.testing.assert_allclose(report.layers[1].jacobian, np.diag(scale), rtol=1e-12)
    assert report.layers[2].jacobian.tolist() == np.eye(3).tolist()
    assert {name: array.tolist() for name, array in model.state_dict().items()} == state
    assert all(module.training for module in model.modules())


def test_frozen_parameters_have_no_gradient() -> None:
    model = MLP(2, [3, 1], seed=0)
    model.layers[0].requires_grad_(False)
    report = gradient_report(model, mse_loss([model([1.0, 2.0])], [0.0]))
    assert report.layers[0].gradient_norm is None
    assert report.layers[1].gradient_norm is not None
    assert report.layers[0].jacobian is not None


def test_infinite_derivatives_are_said_to_be_nan() -> None:
    model = Sequential(Linear(1, 1, bias=False, generator=0), lambda x: [tg.sqrt(v) for v in x])
    init.zeros_(model[0].weight)
    report = gradient_report(model, mse_loss, [[1.0]], [[0.0]])
    assert np.isnan(report.layers[-1].singular_values).all()
    assert "nan" in repr(report)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((mse_loss,), ValueError, "needs inputs and targets"),
        ((1.0,), TypeError, "a recorded Value, or a function of outputs and targets, not float 1.0"),
        ((lambda outputs, targets: 1.0, [[1.0, 2.0]], [0.0]), TypeError, "the loss gave float 1.0"),
    ],
)
def test_what_cannot_be_is_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gradient_report(MLP(2, [1], seed=0), *arguments)


def test_a_sample_that_is_not_there_is_refused() -> None:
    with pytest.raises(IndexError, match="2 samples, counted from 0, and no sample 2"):
        gradient_report(MLP(1, [1], seed=0), mse_loss, [[1.0], [2.0]], [0.0, 0.0], sample=2)


def test_the_table_has_a_row_for_each_layer() -> None:
    model = Sequential(Linear(2, 2, generator=0), ReLU(), Residual(Sequential(*[Linear(2, 2, generator=0)] * 4)))
    lines = repr(gradient_report(model, mse_loss, [[1.0, 2.0]], [[0.0, 0.0]])).splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert [line.split()[0] for line in lines[1:-1]] == ["0", "1", "2"]
    assert "…" in lines[3]
    assert max(map(len, lines)) < 120
    assert lines[-1].startswith("The largest singular value of the whole, at sample 0 of 1, is ")


# --------------------------------------------------------------------------------------------- the picture


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_has_a_point_for_each_layer(theme: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report = report_of(MLP(WIDTH, [*[WIDTH] * 3, 1], "relu", seed=0))
    figure = report.plot(tmp_path / "report.png", theme=theme)
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    norms, values, *_ = figure.axes
    assert list(norms.lines[0].get_ydata()) == [layer.gradient_norm for layer in report.layers]
    product = next(line for line in values.lines if len(line.get_ydata()) == 4)
    assert list(product.get_ydata()) == [layer.to_output[0] for layer in report.layers]
    assert [text.get_text().split("\n")[0] for text in values.get_xticklabels()] == ["0", "1", "2", "3"]


def test_pictures_of_zeros_and_of_norms_alone_can_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    model = MLP(2, [3, 3, 1], seed=0)
    for neuron in model.layers[1].neurons:
        neuron.b.data = -100.0
    report = gradient_report(model, mse_loss, [[1.0, 2.0]], [0.0])
    assert report.layers[0].gradient_norm == 0.0
    norms, values, *_ = report.plot(tmp_path / "zeros.svg").axes
    for axes in (norms, values):  # on a logarithmic axis there is no 0: it has a place below the rest
        bottom = axes.get_ylim()[0]
        assert all(min(line.get_ydata()) > bottom > 0.0 for line in axes.lines)
        assert axes.get_yticklabels()[0].get_text() == "0"
    gradient_report(model).plot(tmp_path / "norms.svg")
    assert (tmp_path / "zeros.svg").read_bytes() != (tmp_path / "norms.svg").read_bytes()
    first = (tmp_path / "zeros.svg").read_bytes()
    report.plot(tmp_path / "zeros.svg")
    assert (tmp_path / "zeros.svg").read_bytes() == first


def test_other_themes_are_refused() -> None:
    with pytest.raises(ValueError, match="light, dark, print, not 'blue'"):
        gradient_report(MLP(1, [1], seed=0)).plot(theme="blue")
