"""Training an example of an architecture on an engine, beside the eager training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tinygrad_lite import nn
from tinygrad_lite.nn.architectures.example import Example


def assert_trains_as_eagerly(make: Callable[[], Example], engine: str) -> None:
    """Three epochs in batches of four, from the same weights: the same losses and weights, to rounding."""
    if engine == "numba":
        pytest.importorskip("numba", reason="numba is not installed")

    def trained(engine: str) -> tuple[list[float], list[float]]:
        model, loss, data = make()
        optimizer = nn.AdamW(model.parameters(), lr=0.01)
        history = nn.fit(model, loss, data, optimizer, 3, 4, engine=engine, progress=False, generator=0)
        return history["loss"], [parameter.data for parameter in model.parameters()]

    losses, weights = trained(engine)
    eager_losses, eager_weights = trained("eager")
    np.testing.assert_allclose(losses, eager_losses, rtol=1e-9)
    np.testing.assert_allclose(weights, eager_weights, rtol=1e-9, atol=1e-12)
