"""An autoencoder: two numbers for an image, found by asking for the image back.

The encoder makes two numbers of the 64 pixels of a digit, and the decoder makes 64 pixels of these two. Nobody says
what the numbers should mean. They have to tell the decoder all that it is to know, so that images which look alike are
given numbers which lie close together: a map (Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with
neural networks"). Without the bends of tanh, the best it could do is principal component analysis (Bourlard & Kamp
1988; Baldi & Hornik 1989).
"""

from __future__ import annotations

import itertools
from typing import Any

from tinygrad_lite.functions import sigmoid
from tinygrad_lite.nn.architectures.digit_images import SIZE, digit_images
from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.nn.base.containers import Sequential
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.layers.activations import Tanh
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.losses.losses import mse_loss


class Autoencoder(Module):
    """An encoder to a few numbers, and a decoder back, mirror images of one another.

    Args:
        size: How many numbers go in and come out.
        hidden: The numbers of neurons of the encoder's hidden layers; the decoder has them in reverse.
        latent: How many numbers lie between.
        generator: What the weights are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        encoder: From an image to its place on the map.
        decoder: From a place on the map to pixels, before they are brought between 0 and 1.

    >>> model = Autoencoder(generator=0)
    >>> len(model.parameters())
    12674
    >>> len(model.encoder([0.0] * 64)), len(model([0.0] * 64))
    (2, 64)
    """

    def __init__(
        self,
        size: int = SIZE * SIZE,
        hidden: tuple[int, ...] = (64, 32),
        latent: int = 2,
        *,
        generator: Generator = None,
    ) -> None:
        rng = as_generator(generator)
        self.encoder = _layers([size, *hidden, latent], rng)
        self.decoder = _layers([latent, *reversed(hidden), size], rng)

    def decoded(self, place: Any) -> Any:
        """Return the image at a place of the map, pixels from 0 to 1.

        Args:
            place: ``latent`` numbers.
        """
        return [sigmoid(z) for z in self.decoder(place)]

    def forward(self, image: Any) -> Any:
        """Compute the image as it comes back.

        Args:
            image: ``size`` numbers from 0 to 1.
        """
        return self.decoded(self.encoder(image))


def example(hidden: tuple[int, ...] = (64, 32), latent: int = 2, seed: int = 0) -> Example:
    """Return the autoencoder, and 1,438 digits, each of which is its own target.

    Args:
        hidden: The numbers of neurons of the encoder's hidden layers.
        latent: How many numbers lie between encoder and decoder.
        seed: Of the weights; the split of the images is always the same.

    Raises:
        ImportError: scikit-learn is not installed.

    >>> model, loss, (images, targets) = example()
    >>> images.shape, bool((images == targets).all())
    ((1438, 64), True)
    """
    images = digit_images().train[0].reshape(-1, SIZE * SIZE)
    return Example(Autoencoder(SIZE * SIZE, hidden, latent, generator=seed), mse_loss, (images, images))


def _layers(sizes: list[int], rng: Any) -> Sequential:
    """Linear layers with tanh between them."""
    modules: list[Module] = []
    for before, after in itertools.pairwise(sizes):
        modules += [Linear(before, after, generator=rng), Tanh()]
    return Sequential(*modules[:-1])
