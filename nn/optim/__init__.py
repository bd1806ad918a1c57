"""Optimisers, learning rates over time, clipping, scaling of gradients."""

from typing import NoReturn


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(f"module 'tinygrad_lite.nn.optim' has no attribute {name!r}: optimisers are in nn, as nn.SGD")
