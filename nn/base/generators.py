"""Where random numbers come from: a generator for each thing that draws, and one seed for all of them.

>>> from tinygrad_lite import nn
>>> nn.seed(0)
>>> a, b = nn.Neuron(1), nn.Neuron(1)
>>> a.w[0].data == b.w[0].data  # two models, as in an ensemble
False
>>> nn.seed(0)
>>> nn.Neuron(1).w[0].data == a.w[0].data
True
"""

from __future__ import annotations

import random

#: What random numbers are drawn from: a generator, the seed of a new one, or None for a new one whose seed Python's
#: ``random`` draws: different each time, unless that was seeded, by :func:`seed` or by ``random.seed``.
Generator = random.Random | int | None


def seed(seed: int) -> None:
    """Seeds whatever is drawn from here on without a ``generator`` or ``seed`` of its own: PyTorch's ``manual_seed``.

    Models, dropout, data sets and the order of samples in :func:`~tinygrad_lite.nn.fit` draw from generators of their
    own, and Python's ``random`` seeds each of these that was given none. So this is ``random.seed``, with a check: it
    seeds your own calls of ``random`` too, and these move what comes after them.

    Args:
        seed: The number on which all draws depend.

    Raises:
        TypeError: It is no int.

    >>> from tinygrad_lite import nn
    >>> nn.seed(1337)
    >>> first = nn.MLP(2, [4, 1])([1.0, -2.0]).data
    >>> nn.seed(1337)
    >>> nn.MLP(2, [4, 1])([1.0, -2.0]).data == first
    True
    """
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise TypeError(f"a seed is an int, as in nn.seed(0), not {seed!r}")
    random.seed(seed)


def as_generator(generator: Generator) -> random.Random:
    """Return the generator itself, or a new one.

    Raises:
        TypeError: It is something else.

    >>> as_generator(0).random() == random.Random(0).random()
    True
    """
    if isinstance(generator, random.Random):
        return generator
    if generator is None:
        return random.Random(random.getrandbits(64))
    if isinstance(generator, int) and not isinstance(generator, bool):
        return random.Random(generator)
    raise TypeError(f"generator is a random.Random, the int that seeds one, or None, not {generator!r}")
