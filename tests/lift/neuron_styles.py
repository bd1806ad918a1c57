"""One neuron, in the styles in which people write it: lift has to find the same program in all."""

# ruff: noqa: B905 (zip is written as people write it: these are the programs that lift must read)

from __future__ import annotations

from typing import Any

import tinygrad_lite as tg


def by_generator(w: Any, x: Any, b: Any) -> Any:
    return sum(wi * xi for wi, xi in zip(w, x)) + b


def from_the_bias(w: Any, x: Any, b: Any) -> Any:
    return sum((wi * xi for wi, xi in zip(w, x)), b)


def by_a_loop(w: Any, x: Any, b: Any) -> Any:
    total = 0.0
    for k in range(len(w)):
        total += w[k] * x[k]
    return total + b


def other_order(w: Any, x: Any, b: Any) -> Any:
    return b + sum(xi * wi for wi, xi in zip(w, x))


def by_dot(w: Any, x: Any, b: Any) -> Any:
    return tg.dot(tuple(w), tuple(x), b)


def by_sum(w: Any, x: Any, b: Any) -> Any:
    return tg.sum([b, *[wi * xi for wi, xi in zip(w, x)]])


def backwards(w: Any, x: Any, b: Any) -> Any:
    return sum(wi * xi for wi, xi in zip(reversed(list(w)), reversed(list(x)))) + b


STYLES = (by_generator, from_the_bias, by_a_loop, other_order, by_dot, by_sum, backwards)
