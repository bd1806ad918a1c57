"""Architectures of today, written one scalar at a time and trained on real data that needs no download.

Each module has a model, data, and an :class:`Example`: what :func:`tinygrad_lite.nn.fit` takes to train it. The
notebooks 08a to 08f tell how each works and show what it learns; :func:`measure` says what a training step costs.
"""

from tinygrad_lite.nn.architectures.autoencoder import Autoencoder
from tinygrad_lite.nn.architectures.convolutional import ConvNet
from tinygrad_lite.nn.architectures.costs import Costs, measure
from tinygrad_lite.nn.architectures.diffusion import Denoiser, NoiseSchedule
from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.nn.architectures.gpt import GPT
from tinygrad_lite.nn.architectures.graph_network import GraphNetwork
from tinygrad_lite.nn.architectures.recurrent import Memory, RowReader

__all__ = [
    "Autoencoder",
    "ConvNet",
    "Costs",
    "Denoiser",
    "Example",
    "GPT",
    "GraphNetwork",
    "Memory",
    "NoiseSchedule",
    "RowReader",
    "measure",
]
