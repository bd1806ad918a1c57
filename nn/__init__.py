"""Neural networks: modules, layers, losses, optimisers and data, with PyTorch's names and micrograd's constructors.

>>> from tinygrad_lite.nn import MLP, SGD, binary_cross_entropy_with_logits, xor
>>> inputs, targets = xor()
>>> model = MLP(2, [4, 1], activation="tanh")
>>> optimizer = SGD(model.parameters(), lr=0.5, momentum=0.9)
>>> for _ in range(200):
...     loss = binary_cross_entropy_with_logits([model(x) for x in inputs], targets)
...     optimizer.zero_grad()
...     loss.backward()
...     optimizer.step()
>>> [int(model(x) > 0) for x in inputs]
[0, 1, 1, 0]
"""

from tinygrad_lite.nn.data import xor
from tinygrad_lite.nn.layers import MLP, Layer, Neuron
from tinygrad_lite.nn.losses import BCEWithLogitsLoss, binary_cross_entropy_with_logits
from tinygrad_lite.nn.module import Module, name_parameters
from tinygrad_lite.nn.optimizers import SGD
from tinygrad_lite.nn.xor_training import XorRun, train_xor

__all__ = [
    "MLP",
    "SGD",
    "BCEWithLogitsLoss",
    "Layer",
    "Module",
    "Neuron",
    "XorRun",
    "binary_cross_entropy_with_logits",
    "name_parameters",
    "train_xor",
    "xor",
]
