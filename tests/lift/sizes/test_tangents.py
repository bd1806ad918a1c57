"""Forward mode on groups gives the derivatives that forward mode on Values gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite import exp, jvp, lookup, maximum, prod, softmax, sqrt, tanh
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.engines.numpy_engine import build
from tinygrad_lite.lift.sizes.tangents import add_tangents


def network(x: Any, w: Any) -> Any:
    return sum(tanh(sum(a * b for a, b in zip(row, x, strict=True))) ** 3 for row in w)


def folds(x: Any, w: Any) -> Any:
    return maximum(maximum(x[0], x[1]), x[2]) * prod(list(w[0]))


def attention(x: Any, w: Any) -> Any:
    p = softmax([sum(a * b for a, b in zip(row, x, strict=True)) for row in w])
    return sum(a * exp(-b[0]) for a, b in zip(p, w, strict=True)) / sqrt(1.0 + x[0] ** 2) - x[1] / w[0][0]


def looked_up(x: Any, w: Any) -> Any:
    return lookup([row[1] ** 2 for row in w], 2) * x[0]


@pytest.mark.parametrize("function", [network, folds, attention, looked_up], ids=lambda f: f.__name__)
def test_tangents_are_those_of_jvp(function: Any) -> None:
    rng = np.random.default_rng(1)
    x, w, dx, dw = (rng.normal(size=shape) for shape in ((3,), (4, 3), (3,), (4, 3)))
    value, slope = jvp(function, (x, w), (dx, dw))
    program = lift(function).program_for(x, w)
    found, tangent = build(add_tangents(program.ir))([x, w, dx, dw])
    assert float(found) == pytest.approx(value, rel=1e-13)
    assert float(tangent) == pytest.approx(slope, rel=1e-12)


def test_the_mean_over_samples_has_the_mean_of_their_tangents() -> None:
    rng = np.random.default_rng(2)
    x, w, dx, dw = (rng.normal(size=shape) for shape in ((5, 3), (4, 3), (5, 3), (4, 3)))
    program = lift(network, batch=(0, None)).program_for(x, w)
    _, tangent = build(add_tangents(program.ir))([x.T, w, dx.T, dw])
    slopes = [jvp(network, (a, w), (da, dw))[1] for a, da in zip(x, dx, strict=True)]
    assert float(tangent) == pytest.approx(np.mean(slopes), rel=1e-12)
