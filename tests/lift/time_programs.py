"""Programs over time, as people write them, with arguments for any number of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lite import cos, exp, log, logsumexp, maximum, sigmoid, sin, sqrt, tanh, tree_leaves


def numbers(results):
    """All numbers of nested results, one behind the other."""
    return np.concatenate([np.ravel(np.asarray(leaf, dtype=float)) for leaf in tree_leaves(results)])


def recurrent(p, xs):
    """An Elman network, whose last state is read."""
    h = [0.1] * len(p["b"])
    for x in xs:
        h = [
            tanh(sum(w * k for w, k in zip(ws, x, strict=True)) + sum(u * k for u, k in zip(us, h, strict=False)) + b)
            for ws, us, b in zip(p["W"], p["U"], p["b"], strict=True)
        ]
    return sum(v * k for v, k in zip(p["v"], h, strict=True)) ** 2


def gated(p, xs, y):
    """A gated recurrent unit that adds up an error at each step."""
    h = [0.0] * len(p["b"])
    total = 0.0
    for x, target in zip(xs, y, strict=True):
        z = [
            sigmoid(sum(u * k for u, k in zip(us, h, strict=True)) + w * x)
            for us, w in zip(p["U"], p["w"], strict=False)
        ]
        c = [tanh(sum(u * k for u, k in zip(us, h, strict=True)) + b) for us, b in zip(p["U"], p["b"], strict=False)]
        h = [(1 - zi) * hi + zi * ci for zi, hi, ci in zip(z, h, c, strict=True)]
        total = total + (h[0] - target) ** 2
    return total / len(y)


def kalman(p, ys):
    """The likelihood of a random walk that is seen through noise."""
    mean, variance, total = 0.0, 10.0, 0.0
    for y in ys:
        variance = variance + p[0]
        gain = variance / (variance + p[1])
        total = total + log(variance + p[1]) + (y - mean) ** 2 / (variance + p[1])
        mean = mean + gain * (y - mean)
        variance = (1 - gain) * variance
    return total


def runge_kutta(p, start, data):
    """A predator and its prey, fitted."""

    def slope(s):
        return [p[0] * s[0] - p[1] * s[0] * s[1], p[3] * s[0] * s[1] - p[2] * s[1]]

    s, total, h = start, 0.0, 0.1
    for row in data:
        k1 = slope(s)
        k2 = slope([a + h / 2 * b for a, b in zip(s, k1, strict=True)])
        k3 = slope([a + h / 2 * b for a, b in zip(s, k2, strict=True)])
        k4 = slope([a + h * b for a, b in zip(s, k3, strict=True)])
        s = [a + h / 6 * (b + 2 * c + 2 * d + e) for a, b, c, d, e in zip(s, k1, k2, k3, k4, strict=True)]
        total = total + sum((a - b) ** 2 for a, b in zip(s, row, strict=True))
    return total / len(data)


def hidden_markov(start, moves, emits, seen):
    """The likelihood of symbols; which one each step reads is a number of the program."""
    alpha = [a + row[seen[0]] for a, row in zip(start, emits, strict=True)]
    for symbol in seen[1:]:
        alpha = [
            logsumexp([a + moves[i][j] for i, a in enumerate(alpha)]) + emits[j][symbol] for j in range(len(alpha))
        ]
    return -logsumexp(alpha)


def stochastic_volatility(p, z1, z2):
    """A price whose variance moves too: paths by steps."""
    total = 0.0
    for first, second in zip(z1, z2, strict=True):
        s, v = 1.0, p[0]
        for a, b in zip(first, second, strict=True):
            w = p[2] * a + sqrt(1 - p[2] * p[2]) * b
            s = s * exp((0.01 - 0.5 * v) * 0.1 + sqrt(v * 0.1) * a)
            v = maximum(v + p[1] * (p[0] - v) * 0.1 + 0.1 * sqrt(v * 0.1) * w, 0.001)
        total = total + maximum(s - 1.0, 0.0)
    return total / len(z1)


def heat(u, target):
    """Heat on a ring, eleven times as many steps as places."""
    for _ in range(len(target)):
        u = [u[i] + 0.2 * (u[(i + 1) % len(u)] + u[i - 1] - 2 * u[i]) for i in range(len(u))]
    return sum((a - b) ** 2 for a, b in zip(u, target, strict=False))


def arm(angles, lengths):
    """Where the hand of a planar arm is."""
    x = y = angle = 0.0
    for a, length in zip(angles, lengths, strict=True):
        angle = angle + a
        x, y = x + length * cos(angle), y + length * sin(angle)
    return (x - 1.0) ** 2 + (y - 2.0) ** 2


def fibonacci(p, xs):
    """Each state from the two before it, and an argument at every second place."""
    a, b = p[0], p[1]
    for t in range(len(xs) // 2):
        a, b = b, sin(a + p[2] * b) + xs[2 * t]
    return a * b


@dataclass(frozen=True)
class Program:
    """A function over time.

    Attributes:
        f: The function.
        arguments: Makes its arguments, for a number of steps.
        argnums: What it is differentiated by.
        batch: For ``lift``.
    """

    f: Callable[..., Any]
    arguments: Callable[[np.random.Generator, int], tuple[Any, ...]]
    argnums: tuple[int, ...] = (0,)
    batch: tuple[int | None, ...] | None = None


PROGRAMS = {
    "recurrent": Program(
        recurrent,
        lambda r, n: (
            {"W": r.normal(size=(3, 2)), "U": r.normal(size=(3, 3)), "b": r.normal(size=3), "v": r.normal(size=3)},
            r.normal(size=(5, n, 2)),
        ),
        batch=(None, 0),
    ),
    "gated": Program(
        gated,
        lambda r, n: (
            {"U": r.normal(size=(3, 3)), "w": r.normal(size=3), "b": r.normal(size=3)},
            r.normal(size=n),
            r.normal(size=n),
        ),
        (0, 1),
    ),
    "kalman": Program(kalman, lambda r, n: ([0.5, 0.8], r.normal(size=n)), (0, 1)),
    "runge_kutta": Program(
        runge_kutta, lambda r, n: ([1.1, 0.4, 0.4, 0.1], [5.0, 3.0], r.uniform(1, 9, (n, 2))), (0, 1)
    ),
    "hidden_markov": Program(
        hidden_markov,
        lambda r, n: (r.normal(size=3), r.normal(size=(3, 3)), r.normal(size=(3, 4)), ((0, 2, 1, 1, 3) * n)[:n]),
        (0, 1, 2),
    ),
    "stochastic_volatility": Program(
        stochastic_volatility, lambda r, n: ([0.04, 1.5, -0.6], r.normal(size=(6, n)), r.normal(size=(6, n)))
    ),
    "heat": Program(heat, lambda r, n: (r.normal(size=6), r.normal(size=n))),
    "arm": Program(arm, lambda r, n: (r.normal(size=n), r.uniform(0.5, 1.5, n)), (0, 1)),
    "fibonacci": Program(fibonacci, lambda r, n: ([0.3, 0.2, 0.7], r.normal(size=2 * n)), (0, 1)),
}
