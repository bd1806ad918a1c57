"""The autoencoder differentiates rightly, trains lifted as it does eagerly, and beats what is linear."""

from __future__ import annotations

import numpy as np
import pytest
from example_training import assert_trains_as_eagerly

from tinygrad_lite import nn, value_and_grad
from tinygrad_lite.lift import lift
from tinygrad_lite.nn.architectures.autoencoder import Autoencoder, example
from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.testing import Verdict, check_gradients

IMAGES = np.random.default_rng(0).uniform(size=(10, 4))


def small(seed: int = 0) -> Example:
    return Example(Autoencoder(4, (3,), 2, generator=seed), nn.mse_loss, (IMAGES, IMAGES))


def test_gradients_are_right() -> None:
    one = small()
    image = IMAGES[0].tolist()
    assert check_gradients(lambda m: one.of_one_sample(image, image, m), one.model).verdict is Verdict.CORRECT


@pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])
def test_trains_lifted_as_it_does_eagerly(engine: str) -> None:
    assert_trains_as_eagerly(small, engine)


def test_loss_and_gradients_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model, loss, _ = small()
    peer = torch.nn.Sequential(
        torch.nn.Linear(4, 3),
        torch.nn.Tanh(),
        torch.nn.Linear(3, 2),
        torch.nn.Linear(2, 3),
        torch.nn.Tanh(),
        torch.nn.Linear(3, 4),
        torch.nn.Sigmoid(),
    ).double()
    for parameter, array in zip(peer.parameters(), model.state_dict().values(), strict=True):
        parameter.data = torch.tensor(array)
    images = torch.tensor(IMAGES)
    expected = torch.nn.functional.mse_loss(peer(images), images)
    expected.backward()
    found = loss([model(image) for image in IMAGES], IMAGES.tolist())
    found.backward()
    assert found.data == pytest.approx(expected.item(), rel=1e-12)
    wanted = np.concatenate([parameter.grad.numpy().ravel() for parameter in peer.parameters()])
    gradients = [parameter.grad for parameter in model.parameters()]
    np.testing.assert_allclose(gradients, wanted, rtol=1e-9, atol=1e-14)


def test_an_image_comes_back_by_way_of_its_place_on_the_map() -> None:
    model = Autoencoder(generator=1)
    image = np.random.default_rng(1).uniform(size=64)
    place = model.encoder(image)
    assert len(place) == 2
    assert [value.data for value in model(image)] == [value.data for value in model.decoded(place)]


def test_has_as_few_groups_whatever_the_width() -> None:
    """Forwards and backwards about seven for each of the six layers."""

    def loss(model: Autoencoder, x: object) -> object:
        return nn.mse_loss([model(x)], [x])

    program = lift(value_and_grad(loss), batch=(None, 0))
    images = np.full((2, 16), 0.5)
    groups = [program.program_for(Autoencoder(16, hidden), images).report().groups for hidden in [(4, 3), (9, 5)]]
    assert groups[0] == groups[1] <= 45


def test_one_number_follows_a_curve_that_no_line_does() -> None:
    """Points on an arc: a line leaves an error, of which a bent curve, with one number too, leaves less than half."""
    angles = np.random.default_rng(2).uniform(0.0, np.pi, size=200)
    points = np.stack([0.5 + 0.4 * np.cos(angles), 0.2 + 0.6 * np.sin(angles)], axis=1)
    model = Autoencoder(2, (8,), 1, generator=0)
    optimizer = nn.Adam(model.parameters(), lr=0.02)
    nn.fit(model, nn.mse_loss, (points, points), optimizer, 60, 20, engine="numpy", progress=False, generator=0)
    centred = points - points.mean(0)
    line = np.linalg.svd(centred)[1][1] ** 2 / centred.size  # what the first principal component leaves
    assert nn.evaluate(model, nn.mse_loss, (points, points))["loss"] < line / 2


def test_the_example_asks_for_the_images_back() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    model, loss, (images, targets) = example(hidden=(4,))
    assert images.shape == (1438, 64)
    assert (images == targets).all()
    assert loss([model(images[0])], targets[:1]).data > 0.0
