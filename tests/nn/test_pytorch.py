"""Weights go to PyTorch and come from it, and both compute the same, gradients included."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite.nn.base.containers import Sequential
from tinygrad_lite.nn.layers.activations import Tanh
from tinygrad_lite.nn.layers.layers import MLP, Layer
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.losses.losses import mse_loss
from tinygrad_lite.nn.pytorch import from_torch, to_torch

ACTIVATIONS = {
    "relu": "ReLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "gelu": "GELU",
    "silu": "SiLU",
    "selu": "SELU",
    "elu": "ELU",
    "leaky_relu": "LeakyReLU",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "hardtanh": "Hardtanh",
    "logsigmoid": "LogSigmoid",
}


def torch_mlp(torch: Any, sizes: list[int], activation: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    parts: list[Any] = []
    for nin, nout in itertools.pairwise(sizes):
        parts += [torch.nn.Linear(nin, nout), getattr(torch.nn, ACTIVATIONS[activation])()]
    return torch.nn.Sequential(*parts[:-1]).double()


def gradients_in_pytorch(torch: Any, net: Any, xs: list[list[float]], ys: list[list[float]]) -> tuple[Any, list[Any]]:
    outputs = net(torch.tensor(xs, dtype=torch.float64))
    net.zero_grad()
    torch.nn.functional.mse_loss(outputs, torch.tensor(ys, dtype=torch.float64)).backward()
    return outputs.detach().numpy(), [p.grad.numpy() for p in net.parameters()]


def gradients_here(model: MLP, xs: list[list[float]], ys: list[list[float]]) -> tuple[Any, list[Any]]:
    outputs = [model(x) if isinstance(model(x), list) else [model(x)] for x in xs]
    model.zero_grad()
    mse_loss(outputs, ys).backward()
    found = []
    for layer in model.layers:
        found.append(np.array([[w.grad for w in neuron.w] for neuron in layer.neurons]))
        found.append(np.array([neuron.b.grad for neuron in layer.neurons]))
    return np.array([[y.data for y in output] for output in outputs]), found


@settings(max_examples=settings().max_examples * 3 // 10)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=3, max_size=4),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    seed=st.integers(0, 1000),
)
def test_an_mlp_from_pytorch_has_its_outputs_and_gradients(sizes: list[int], activation: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    net = torch_mlp(torch, sizes, activation, seed)
    rng = random.Random(seed)
    xs = [[rng.uniform(-3, 3) for _ in range(sizes[0])] for _ in range(3)]
    ys = [[rng.uniform(-1, 1) for _ in range(sizes[-1])] for _ in range(3)]
    model = from_torch(net)
    assert repr(model).startswith(f"MLP({sizes[0]}, {sizes[1:]}, activation='{activation}')")
    outputs, gradients = gradients_here(model, xs, ys)
    expected, expected_gradients = gradients_in_pytorch(torch, net, xs, ys)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4), seed=st.integers(0, 1000))
def test_what_goes_to_pytorch_and_back_is_the_same_to_the_bit(sizes: list[int], seed: int) -> None:
    model = MLP(sizes[0], sizes[1:], "tanh", seed=seed)
    for p in model.parameters():
        p.data += 0.1  # biases too
    arrays = to_torch(model, as_tensors=False)
    back = from_torch(arrays, MLP(sizes[0], sizes[1:], "tanh", seed=seed + 1))
    assert [p.data for p in back.parameters()] == [p.data for p in model.parameters()]


def test_an_mlp_goes_to_a_sequential_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    model = MLP(3, [4, 2], "tanh", seed=5)
    net = torch_mlp(torch, [3, 4, 2], "tanh")
    net.load_state_dict(to_torch(model))
    x = [0.3, -1.2, 2.0]
    np.testing.assert_allclose(
        net(torch.tensor(x, dtype=torch.float64)).detach().numpy(), [y.data for y in model(x)], rtol=1e-12
    )


def test_other_names_are_taken_in_order() -> None:
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]  # torch is imported inside the test
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)

    net = Net()
    model = from_torch(net.state_dict(), activation="tanh")
    assert model.layers[0].neurons[1].w[0].data == net.first.weight[1, 0].item()
    changed = MLP(2, [3, 1], "tanh", seed=9)
    net.double().load_state_dict(to_torch(changed, like=net))
    assert net.second.bias.item() == changed.layers[1].neurons[0].b.data


def test_a_linear_goes_both_ways() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Linear(3, 2).double()
    ours = from_torch(theirs)
    assert isinstance(ours, Linear)
    x = [0.5, -1.0, 2.0]
    expected = theirs(torch.tensor(x, dtype=torch.float64)).tolist()
    np.testing.assert_allclose([y.data for y in ours(x)], expected, rtol=1e-12)
    torch.nn.Linear(3, 2).double().load_state_dict(to_torch(ours))
    without_bias = from_torch(torch.nn.Linear(3, 2, bias=False))
    assert without_bias.bias is None


def test_gradients_of_a_linear_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Linear(3, 2).double()
    ours = from_torch(theirs)
    x, y = [0.5, -1.0, 2.0], [1.0, 2.0]
    _, (weight, bias) = gradients_in_pytorch(torch, theirs, [x], [y])
    mse_loss([ours(x)], [y]).backward()
    np.testing.assert_allclose([[w.grad for w in row] for row in ours.weight], weight, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose([b.grad for b in ours.bias], bias, rtol=1e-12, atol=1e-12)


def test_a_sequential_with_the_same_names_takes_any_state() -> None:
    torch = pytest.importorskip("torch")
    net = torch_mlp(torch, [2, 3, 1], "tanh")
    model = from_torch(net, Sequential(Linear(2, 3), Tanh(), Linear(3, 1)))
    assert model([1.0, 2.0])[0].data == pytest.approx(net(torch.tensor([1.0, 2.0], dtype=torch.float64)).item(), 1e-12)
    assert to_torch(model).keys() == net.state_dict().keys()


def test_a_layer_takes_one_linear_and_gives_one() -> None:
    layer = from_torch({"weight": [[1.0, 2.0], [3.0, 4.0]], "bias": [5.0, 6.0]}, Layer(2, 2, None))
    assert [y.data for y in layer([1.0, 1.0])] == [8.0, 13.0]
    assert [array.tolist() for array in to_torch(layer, as_tensors=False).values()] == [[[1, 2], [3, 4]], [5, 6]]


def test_without_activations_the_linear_modules_stand_side_by_side() -> None:
    names = to_torch(MLP(2, [3, 1], None, seed=0), as_tensors=False)
    assert list(names) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_relu_in_place_is_relu() -> None:
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(inplace=True), torch.nn.Linear(2, 1))
    assert "relu" in repr(from_torch(net))


def test_half_precision_and_gradients_do_not_matter() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(2, 1).to(torch.bfloat16)
    assert from_torch(layer).bias[0].data == layer.bias[0].item()


@pytest.mark.parametrize(
    "make",
    [
        lambda nn: nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(0.2), nn.Linear(2, 1)),
        lambda nn: nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)),
        lambda nn: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)),
        lambda nn: nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1)),
        lambda nn: nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1), nn.ReLU()),
    ],
)
def test_what_an_mlp_cannot_compute_is_refused(make: Any) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"an MLP cannot compute what Sequential\("):
        from_torch(make(torch.nn))


def test_a_state_that_does_not_fit_is_refused_and_nothing_changes() -> None:
    model = MLP(2, [3, 1], seed=0)
    before = [p.data for p in model.parameters()]
    first = {"0.weight": np.ones((3, 2)), "0.bias": np.ones(3)}
    with pytest.raises(ValueError, match=r"takes weights of shapes \[\(3, 2\), \(1, 3\)\], and was given \[\(3, 2\)\]"):
        from_torch(first, model)
    with pytest.raises(ValueError, match=r"2.weight takes 4 inputs, and 0.weight before it gives 3"):
        from_torch({**first, "2.weight": np.ones((1, 4))}, model)
    with pytest.raises(ValueError, match=r"it has 1.running_mean of shape \(3,\). Make a Sequential"):
        from_torch({**first, "1.running_mean": np.ones(3)}, model)
    with pytest.raises(ValueError, match=r"0.bias has shape \(2,\) beside a weight of shape \(3, 2\)"):
        from_torch({**first, "0.bias": np.ones(2)}, model)
    with pytest.raises(ValueError, match=r"0.weight is no array of numbers but str"):
        from_torch({"0.weight": "numbers"}, model)
    with pytest.raises(ValueError, match=r"or its state_dict\(\), not list"):
        from_torch([1.0], model)
    with pytest.raises(ValueError, match="it has no weights"):
        from_torch({})
    assert [p.data for p in model.parameters()] == before


def test_like_must_have_the_shapes() -> None:
    with pytest.raises(ValueError, match=r"MLP\(2, \[1\].* has arrays of shapes .* and like has \[\(2, 1\)\]"):
        to_torch(MLP(2, [1], seed=0), like={"w": np.ones((2, 1))}, as_tensors=False)


def test_arrays_go_both_ways_without_pytorch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from tinygrad_lite.nn.pytorch import from_torch, to_torch\n"
        "from tinygrad_lite.nn.layers.layers import MLP\n"
        "model = from_torch(to_torch(MLP(2, [3, 1]), as_tensors=False))\n"
        "try: to_torch(model)\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "PyTorch is not installed: pip install torch, or as_tensors=False" in done.stdout
