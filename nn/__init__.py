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

from tinygrad_lite.nn import init
from tinygrad_lite.nn.activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from tinygrad_lite.nn.containers import Residual, Sequential
from tinygrad_lite.nn.data import xor
from tinygrad_lite.nn.layers import MLP, Layer, Neuron
from tinygrad_lite.nn.linear import Linear
from tinygrad_lite.nn.losses import BCEWithLogitsLoss, binary_cross_entropy_with_logits
from tinygrad_lite.nn.module import Module, name_parameters
from tinygrad_lite.nn.optimizers import SGD
from tinygrad_lite.nn.precision import GradScaler, autocast, round_parameters_
from tinygrad_lite.nn.xor_training import XorRun, train_xor

__all__ = [
    "ELU",
    "GELU",
    "MLP",
    "SELU",
    "SGD",
    "Activation",
    "BCEWithLogitsLoss",
    "GradScaler",
    "Hardtanh",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "Module",
    "Neuron",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "XorRun",
    "autocast",
    "binary_cross_entropy_with_logits",
    "init",
    "name_parameters",
    "round_parameters_",
    "train_xor",
    "xor",
]
