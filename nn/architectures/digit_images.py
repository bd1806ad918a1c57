"""Handwritten digits as images, some of them kept aside to test on."""

from __future__ import annotations

import random
from typing import Any, Final, NamedTuple

#: Height and width of an image.
SIZE: Final = 8
#: By how many pixels the copies of an image are moved, down and right.
MOVES: Final = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


class Digits(NamedTuple):
    """Images and their labels, to train on and to test on.

    Attributes:
        train: Images, an array of shape (N, 1, 8, 8) of numbers from 0 to 1, and labels, N ints from 0 to 9.
        test: The same, of images that are in ``train`` in no form.
    """

    train: tuple[Any, Any]
    test: tuple[Any, Any]


def digit_images(tested: float = 0.2, seed: int = 0) -> Digits:
    """scikit-learn's 1,797 digits as images of one channel, split at random.

    Args:
        tested: The share of the images of each digit that are kept aside.
        seed: What the split depends on, and nothing else.

    Raises:
        ImportError: scikit-learn is not installed.

    >>> digits = digit_images()
    >>> digits.train[0].shape, digits.test[0].shape
    ((1438, 1, 8, 8), (359, 1, 8, 8))
    """
    from tinygrad_lite.nn.train.data import digits

    pixels, labels = digits()
    images = (pixels / 16.0).reshape(-1, 1, SIZE, SIZE)
    rng = random.Random(seed)
    train: list[int] = []
    test: list[int] = []
    for digit in range(10):
        places = [int(place) for place in (labels == digit).nonzero()[0]]
        rng.shuffle(places)
        kept = round(tested * len(places))
        test += places[:kept]
        train += places[kept:]
    rng.shuffle(train)
    rng.shuffle(test)
    return Digits((images[train], labels[train]), (images[test], labels[test]))


def moved(images: Any, labels: Any) -> tuple[Any, Any]:
    """Return each image five times: as it is, and one pixel down, up, to the right and to the left.

    What leaves the frame is lost, and zeros come in: a digit stays the same digit when it moves.

    Args:
        images: An array of shape (N, channels, height, width).
        labels: N of them.

    Returns:
        Arrays of 5N images and labels.

    >>> import numpy as np
    >>> images, labels = moved(np.arange(4.0).reshape(1, 1, 2, 2), np.array([7]))
    >>> images[1, 0].tolist(), labels.tolist()
    ([[0.0, 0.0], [0.0, 1.0]], [7, 7, 7, 7, 7])
    """
    import numpy as np

    height, width = images.shape[-2:]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    copies = [padded[:, :, 1 - down : 1 - down + height, 1 - right : 1 - right + width] for down, right in MOVES]
    return np.concatenate(copies), np.tile(labels, len(MOVES))
