"""The digits are split without overlap, and moved copies lose nothing but a rim."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_lite import nn
from tinygrad_lite.nn.architectures.digit_images import digit_images, moved

pytest.importorskip("sklearn", reason="scikit-learn is not installed")


def test_every_image_is_on_one_side_with_its_label() -> None:
    pixels, labels = nn.digits()
    (train, train_labels), (test, test_labels) = digit_images()
    together = np.concatenate([train, test]).reshape(len(pixels), 64) * 16
    found = {(*image, label) for image, label in zip(together, [*train_labels, *test_labels], strict=True)}
    assert found == {(*image, label) for image, label in zip(pixels, labels, strict=True)}
    assert len(train) + len(test) == len(pixels)
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}


def test_every_digit_is_tested_in_its_share() -> None:
    _, labels = nn.digits()
    counts, tested = np.bincount(labels), np.bincount(digit_images(tested=0.25).test[1])
    assert (abs(tested - counts / 4) <= 0.5).all()


def test_the_split_depends_on_the_seed_alone() -> None:
    assert (digit_images(seed=3).test[0] == digit_images(seed=3).test[0]).all()
    assert (digit_images(seed=3).test[0] != digit_images(seed=4).test[0]).any()


def test_copies_are_the_image_moved_by_a_pixel() -> None:
    images = np.random.default_rng(0).normal(size=(2, 1, 4, 5))
    copies, labels = moved(images, np.array([3, 5]))
    same, down, up, right, left = copies.reshape(5, 2, 1, 4, 5)
    assert (same == images).all()
    assert (down[..., 1:, :] == images[..., :-1, :]).all()
    assert (up[..., :-1, :] == images[..., 1:, :]).all()
    assert (right[..., 1:] == images[..., :-1]).all()
    assert (left[..., :-1] == images[..., 1:]).all()
    assert not np.concatenate([down[..., 0, :].ravel(), up[..., -1, :].ravel()]).any()
    assert not np.concatenate([right[..., 0].ravel(), left[..., -1].ravel()]).any()
    assert labels.tolist() == [3, 5] * 5
