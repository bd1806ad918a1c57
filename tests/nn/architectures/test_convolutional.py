"""The convolutional network is PyTorch's, differentiates rightly, and trains lifted as it does eagerly."""

from __future__ import annotations

import numpy as np
import pytest
from example_training import assert_trains_as_eagerly

from tinygrad_lite import nn, value_and_grad
from tinygrad_lite.lift import lift
from tinygrad_lite.nn.architectures.convolutional import ConvNet, example
from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.testing import Verdict, check_gradients

IMAGES = np.random.default_rng(0).normal(size=(10, 1, 5, 5))
LABELS = [0, 1, 2, 1, 0, 2, 2, 1, 0, 1]


def small(seed: int = 0) -> Example:
    return Example(ConvNet((2, 3), classes=3, size=5, generator=seed), nn.cross_entropy, (IMAGES, LABELS))


def test_gradients_are_right() -> None:
    one = small()
    assert check_gradients(lambda m: one.of_one_sample(IMAGES[0], 2, m), one.model).verdict is Verdict.CORRECT


@pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])
def test_trains_lifted_as_it_does_eagerly(engine: str) -> None:
    assert_trains_as_eagerly(small, engine)


def test_is_the_network_of_pytorch_with_the_same_weights() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = ConvNet((2, 3), generator=0)
    images = np.random.default_rng(1).normal(size=(4, 1, 8, 8))
    labels = [3, 9, 0, 3]
    peer = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(2, 3, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(27, 10),
    ).double()
    for parameter, array in zip(peer.parameters(), model.state_dict().values(), strict=True):
        parameter.data = torch.tensor(array)
    expected = torch.nn.functional.cross_entropy(peer(torch.tensor(images)), torch.tensor(labels))
    expected.backward()
    loss = nn.cross_entropy([model(image) for image in images], labels)
    loss.backward()
    assert loss.data == pytest.approx(expected.item(), rel=1e-12)
    found = [parameter.grad for parameter in model.parameters()]
    wanted = np.concatenate([parameter.grad.numpy().ravel() for parameter in peer.parameters()])
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("channels", [(2, 3), (4, 5)])
def test_has_as_few_groups_whatever_the_number_of_filters(channels: tuple[int, int]) -> None:
    def loss(model: ConvNet, image: object, label: object) -> object:
        return nn.cross_entropy([model(image)], [label])

    program = lift(value_and_grad(loss), batch=(None, 0, 0))
    report = program.program_for(ConvNet(channels), np.zeros((2, 1, 8, 8)), [0, 1]).report()
    assert report.groups <= 30


def test_learns_to_tell_three_digits_apart() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from tinygrad_lite.nn.architectures.digit_images import digit_images

    (images, labels), (test_images, test_labels) = digit_images()
    train, test = labels < 3, test_labels < 3
    model = ConvNet((3, 4), classes=3)
    optimizer = nn.AdamW(model.parameters(), lr=0.01)
    data = images[train][:120], labels[train][:120]
    nn.fit(model, nn.cross_entropy, data, optimizer, 12, 16, engine="numpy", progress=False, generator=0)
    scores = nn.predict(model, test_images[test])
    most_frequent = np.bincount(test_labels[test]).max() / test.sum()
    assert nn.accuracy(scores, test_labels[test]) > 0.9 > 2 * most_frequent


def test_the_example_is_the_training_digits_in_five_places() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    model, loss, (images, labels) = example((1, 1))
    assert images.shape == (5 * 1438, 1, 8, 8)
    assert len(labels) == len(images)
    assert loss([model(images[0])], labels[:1]).data > 0.0
