"""A diffusion model: points are made of noise, by a network that has learnt to take a little noise away.

Forwards, noise is added to a point in small steps until nothing else is left; that needs no network. Backwards, each
step is again a normal distribution as long as the steps are small, and a network says where its mean lies: it guesses
the noise that is in the point (Ho, Jain & Abbeel 2020, "Denoising diffusion probabilistic models", DDPM; the idea is
of Sohl-Dickstein et al. 2015). Equations are numbered as in the paper of 2020.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.functions import sin
from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.nn.base.containers import Sequential
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.layers.activations import SiLU
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.losses.losses import mse_loss
from tinygrad_lite.nn.train.data import moons

#: How many steps there are, if nothing else is said: T.
STEPS: Final = 100
#: What guesses the noise in some points at step t: from an array of shape (n, size) and t to such an array.
Denoise = Callable[[Any, int], Any]


class NoiseSchedule(NamedTuple):
    """How much noise each step adds, and what follows from it. Points are numbers, arrays or Values.

    Steps count from 1 to T; step 0 is the data. Each multiplies by √α, with α = 1 − β, and adds noise of variance β.

    Attributes:
        betas: β of the steps 1 to T.

    >>> schedule = linear_schedule(100)
    >>> schedule.steps, round(schedule.signal(100), 4)
    (100, 0.0045)
    """

    betas: tuple[float, ...]

    @property
    def steps(self) -> int:
        """T."""
        return len(self.betas)

    def kept(self, t: int) -> float:
        """ᾱ: the share of the variance that is left of the data after t steps, the product of α."""
        return math.prod(1.0 - beta for beta in self.betas[:t])

    def signal(self, t: int) -> float:
        """√ᾱ, what the data are multiplied by after t steps."""
        return math.sqrt(self.kept(t))

    def noise(self, t: int) -> float:
        """√(1 − ᾱ), the standard deviation of the noise after t steps."""
        return math.sqrt(1.0 - self.kept(t))

    def noised(self, x0: Any, t: int, noise: Any) -> Any:
        """Return a point after t steps, which takes one step only: √ᾱ x₀ + √(1 − ᾱ) ε (equation 4).

        Args:
            x0: The point.
            t: From 0 to T.
            noise: ε, standard normal.
        """
        return self.signal(t) * x0 + self.noise(t) * noise

    def origin(self, xt: Any, t: int, noise: Any) -> Any:
        """Return the point that it was, if the noise in it is known: (x_t − √(1 − ᾱ) ε)/√ᾱ (equation 9, solved for
        x₀)."""
        return (xt - self.noise(t) * noise) / self.signal(t)

    def posterior(self, x0: Any, xt: Any, t: int) -> tuple[Any, float]:
        """Mean and variance of the point one step before, if its origin is known too (equations 6 and 7).

        Args:
            x0: The point.
            xt: The same point after t steps.
            t: From 1 to T.
        """
        beta, rest = self.betas[t - 1], 1.0 - self.kept(t)
        before = 1.0 - self.kept(t - 1)
        mean = self.signal(t - 1) * beta / rest * x0 + math.sqrt(1.0 - beta) * before / rest * xt
        return mean, beta * before / rest

    def back(self, xt: Any, t: int, noise: Any) -> tuple[Any, float]:
        """Mean and variance of the point one step before, if the noise in it is ``noise`` (equation 11).

        It is the posterior of the origin that this noise tells of, written in another way. A guessed noise does not
        tell all of the origin, so that the true variance is larger, at most β, and the less so the more steps there
        are; with this one, samples are a little too alike.

        Args:
            xt: A point after t steps.
            t: From 1 to T.
            noise: ε, as known or guessed.
        """
        beta, rest = self.betas[t - 1], 1.0 - self.kept(t)
        mean = (xt - beta / math.sqrt(rest) * noise) / math.sqrt(1.0 - beta)
        return mean, beta * (1.0 - self.kept(t - 1)) / rest


def linear_schedule(steps: int = STEPS) -> NoiseSchedule:
    """β that grows evenly: from 10⁻⁴ to 0.02 in 1,000 steps (section 4), and for fewer steps as much larger.

    Args:
        steps: T, at least 21, so that β stays below 1.

    Raises:
        ValueError: There are too few steps.

    >>> schedule = linear_schedule(1000)
    >>> round(schedule.betas[0], 6), round(schedule.betas[-1], 6)
    (0.0001, 0.02)
    """
    if steps <= 20:
        raise ValueError(f"a linear schedule has at least 21 steps, not {steps!r}: fewer would add too much noise each")
    first, last = 0.1 / steps, 20.0 / steps
    return NoiseSchedule(tuple([first + (last - first) * t / (steps - 1) for t in range(steps)]))


class Denoiser(Module):
    """Guesses the noise in a point, from the point and the number of the step.

    The step enters as sines and cosines of t/T, at wavelengths from 2 to 2/2^(n − 1), so that the network can tell
    neighbouring steps apart and still treat them alike (after Vaswani et al. 2017; in Ho et al. 2020, appendix B). The
    first layer adds what it makes of the point and what it makes of the step.

    Args:
        size: How many numbers a point has.
        hidden: The numbers of neurons of the hidden layers.
        steps: T.
        waves: How many wavelengths: n.
        generator: What the weights are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        place: The part of the first layer that reads the point.
        time: The part of the first layer that reads the sines.
        rest: The other layers, with silu before each.

    >>> model = Denoiser(generator=0)
    >>> len(model.parameters())
    9154
    >>> len(model([0.5, -1.0, 100]))
    2
    """

    def __init__(
        self,
        size: int = 2,
        hidden: Sequence[int] = (64, 64, 64),
        steps: int = STEPS,
        waves: int = 4,
        *,
        generator: Generator = None,
    ) -> None:
        rng = as_generator(generator)
        self.place = Linear(size, hidden[0], generator=rng)
        self.time = Linear(2 * waves, hidden[0], bias=False, generator=rng)
        sizes = [*hidden, size]
        layers = [Linear(before, after, generator=rng) for before, after in itertools.pairwise(sizes)]
        self.rest = Sequential(*[module for layer in layers for module in (SiLU(), layer)])
        self.steps = steps
        self.waves = waves

    def forward(self, input: Any) -> Any:
        """Compute the noise, as many numbers as the point has.

        Args:
            input: The numbers of the point, and t.
        """
        *x, t = input
        # A cosine is a sine a quarter of a wave later. Written so, all are of one kind, and lift finds one vector.
        shifts = [0.0, math.pi / 2]
        sines = [sin(math.pi * 2**k / self.steps * t + shift) for shift in shifts for k in range(self.waves)]
        return self.rest([a + b for a, b in zip(self.place(x), self.time(sines), strict=True)])


def noised_data(points: Any, schedule: NoiseSchedule, draws: int, seed: int = 0) -> tuple[Any, Any]:
    """Return what the denoiser learns from: points with noise, and the noise (algorithm 1, drawn in advance).

    Args:
        points: An array of shape (n, size).
        schedule: How much noise.
        draws: How often each point is noised, each time with another t and another noise.
        seed: What they are drawn from.

    Returns:
        Inputs, an array of shape (draws · n, size + 1), the last number of each is t, and noise, an array of shape
        (draws · n, size).
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    origins = np.tile(np.asarray(points, dtype=float), (draws, 1))
    t = rng.integers(1, schedule.steps + 1, len(origins))
    noise = rng.normal(size=origins.shape)
    kept = np.array([schedule.kept(step) for step in range(schedule.steps + 1)])[t, None]
    noised = np.sqrt(kept) * origins + np.sqrt(1.0 - kept) * noise
    return np.concatenate([noised, t[:, None]], axis=1), noise


def moon_points(n: int = 1000, generator: Generator = 0) -> Any:
    """Return points on two half moons, moved and stretched to mean 0 and variance 1 of each coordinate, or nearly so.

    Args:
        n: How many.
        generator: What they are drawn from: a ``random.Random``, an int that seeds one, or None.

    Returns:
        An array of shape (n, 2).
    """
    import numpy as np

    points = np.array(moons(n, noise=0.05, generator=generator)[0])
    return (points - (0.5, 0.25)) / (0.8675, 0.497)


def example(
    n: int = 1000, draws: int = 100, hidden: Sequence[int] = (64, 64, 64), steps: int = STEPS, seed: int = 0
) -> Example:
    """Return the denoiser, and moons to train it on: each of n points with ``draws`` noises.

    Args:
        n: The number of points.
        draws: How often each is noised.
        hidden: The numbers of neurons of the hidden layers.
        steps: T.
        seed: Of the weights, the points and the noise.

    >>> model, loss, (inputs, noise) = example(n=10, draws=3, hidden=[4])
    >>> inputs.shape, noise.shape
    ((30, 3), (30, 2))
    """
    data = noised_data(moon_points(n, seed), linear_schedule(steps), draws, seed)
    return Example(Denoiser(2, hidden, steps, generator=seed), mse_loss, data)


def lifted_denoiser(model: Module, engine: str = "numpy") -> Denoise:
    """Return a model as a function of many points at once, with the weights that it has when it is called.

    Args:
        model: Called with the numbers of one point, and t.
        engine: Of ``lift``.
    """
    import numpy as np

    from tinygrad_lite.lift import lift

    program = lift(lambda model, x: model(x), batch=(None, 0), reduce=None, engine=engine)

    def denoise(xs: Any, t: int) -> Any:
        return np.asarray(program(model, np.concatenate([xs, np.full((len(xs), 1), float(t))], axis=1)))

    return denoise


def sample(denoise: Denoise, schedule: NoiseSchedule, n: int, size: int = 2, seed: int = 0) -> list[Any]:
    """Make new points: noise, from which noise is taken away step by step (algorithm 2).

    Args:
        denoise: What guesses the noise.
        schedule: How much noise there is.
        n: How many points.
        size: How many numbers each has.
        seed: What they are drawn from.

    Returns:
        All of the way: T + 1 arrays of shape (n, size), the first is noise, the last are the new points.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    xs = rng.normal(size=(n, size))
    way = [xs]
    for t in range(schedule.steps, 0, -1):
        mean, variance = schedule.back(xs, t, denoise(xs, t))
        xs = mean + math.sqrt(variance) * rng.normal(size=xs.shape)
        way.append(xs)
    return way


def energy_distance(xs: Any, ys: Any) -> float:
    """Measure how different two clouds of points are: 2 E|x − y| − E|x − x'| − E|y − y'| (Székely & Rizzo 2013).

    It is 0 for two equal distributions only. Means are over all pairs of different points, so that two draws of one
    distribution give 0 in the mean, and may give less than that.

    Args:
        xs: An array of shape (n, size), n at least 2.
        ys: An array of shape (m, size), m at least 2.

    >>> import numpy as np
    >>> round(energy_distance(np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]])), 12)
    4.0
    """
    import numpy as np

    def mean_distance(a: Any, b: Any, pairs: int) -> float:
        squares = ((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2)
        return float(np.sqrt(squares).sum()) / pairs

    n, m = len(xs), len(ys)
    return 2 * mean_distance(xs, ys, n * m) - mean_distance(xs, xs, n * (n - 1)) - mean_distance(ys, ys, m * (m - 1))
