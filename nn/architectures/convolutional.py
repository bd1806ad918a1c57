"""A convolutional network that reads handwritten digits.

A filter of 3 × 3 weights looks at every place of an image for the same thing: 9 weights do what a dense layer needs
thousands for, and a stroke that moves by a pixel gives the same answers one pixel further (LeCun et al. 1989,
"Backpropagation applied to handwritten zip code recognition"). A second layer of filters reads what the first has
found. It takes every other place only, in the stead of pooling (Springenberg et al. 2015, "Striving for simplicity").
"""

from __future__ import annotations

from typing import Any

from tinygrad_lite.nn.architectures.digit_images import SIZE, digit_images, moved
from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.layers.activations import ReLU
from tinygrad_lite.nn.layers.convolution import Conv2d
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.layers.pooling import Flatten
from tinygrad_lite.nn.losses.class_losses import cross_entropy


class ConvNet(Module):
    """Two layers of 3 × 3 filters, and one linear layer that reads all they found.

    An image of 8 × 8 pixels gives maps of 6 × 6 places, these give maps of 3 × 3 places, and these a score a class.

    Args:
        channels: The numbers of filters of the two layers.
        classes: The number of scores.
        size: Height and width of the image, at least 3.
        generator: What the weights are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        conv1: The first filters, whose weights have the shape (channels[0], 1, 3, 3).
        conv2: The second filters, whose weights have the shape (channels[1], channels[0], 3, 3).
        linear: The scores.

    >>> model = ConvNet(generator=0)
    >>> len(model.parameters())
    4906
    >>> len(model([[[0.0] * 8] * 8]))
    10
    """

    def __init__(
        self, channels: tuple[int, int] = (12, 24), classes: int = 10, size: int = SIZE, *, generator: Generator = None
    ) -> None:
        rng = as_generator(generator)
        places = ((size - 2) + 2 - 3) // 2 + 1
        self.conv1 = Conv2d(1, channels[0], 3, generator=rng)
        self.conv2 = Conv2d(channels[0], channels[1], 3, stride=2, padding=1, generator=rng)
        self.linear = Linear(channels[1] * places * places, classes, generator=rng)
        self.relu = ReLU()
        self.flatten = Flatten(0)

    def feature_maps(self, image: Any) -> tuple[Any, Any]:
        """Return what the two layers of filters find in an image, and where.

        Args:
            image: Shape (1, size, size).

        Returns:
            Two lists of maps: for the default sizes of shape (12, 6, 6) and (24, 3, 3). No number is negative.
        """
        first = self.relu(self.conv1(image))
        return first, self.relu(self.conv2(first))

    def forward(self, image: Any) -> Any:
        """Compute the score of each class; the greatest is the answer.

        Args:
            image: Shape (1, size, size).
        """
        _, second = self.feature_maps(image)
        return self.linear(self.flatten(second))


def example(channels: tuple[int, int] = (12, 24), seed: int = 0) -> Example:
    """Return the network, and the digits to train it on: 1,438 images, each in five places, so 7,190.

    Args:
        channels: The numbers of filters of the two layers.
        seed: Of the weights; the split of the images is always the same.

    Raises:
        ImportError: scikit-learn is not installed.

    >>> model, loss, (images, labels) = example()
    >>> images.shape, labels.shape
    ((7190, 1, 8, 8), (7190,))
    """
    return Example(ConvNet(channels, generator=seed), cross_entropy, moved(*digit_images().train))
