"""Neural networks: modules, layers, losses, optimisers and data, with PyTorch's names and micrograd's constructors.

>>> from tinygrad_lite.nn import MLP, SGD, binary_cross_entropy_with_logits, xor
>>> inputs, targets = xor()
>>> model = MLP(2, [4, 1], activation="tanh", seed=0)
>>> optimizer = SGD(model.parameters(), lr=0.5, momentum=0.9)
>>> for _ in range(200):
...     loss = binary_cross_entropy_with_logits([model(x) for x in inputs], targets)
...     optimizer.zero_grad()
...     loss.backward()
...     optimizer.step()
>>> [int(model(x) > 0) for x in inputs]
[0, 1, 1, 0]
"""

from typing import Any

from tinygrad_lite.nn.base import init
from tinygrad_lite.nn.base.containers import Residual, Sequential
from tinygrad_lite.nn.base.generators import seed
from tinygrad_lite.nn.base.module import Module, name_parameters
from tinygrad_lite.nn.diagnostics.gradient_report import GradientReport, gradient_report
from tinygrad_lite.nn.diagnostics.layer_jacobians import LayerReport
from tinygrad_lite.nn.layers.activations import (
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
from tinygrad_lite.nn.layers.attention import MultiHeadAttention, MultiheadAttention
from tinygrad_lite.nn.layers.convolution import Conv1d, Conv2d
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.nn.layers.embedding import Embedding
from tinygrad_lite.nn.layers.graph_layers import Graph, GraphAttention, GraphConv
from tinygrad_lite.nn.layers.kv_cache import KVCache
from tinygrad_lite.nn.layers.layers import MLP, Layer, Neuron
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.layers.normalization import BatchNorm1d, LayerNorm, RMSNorm
from tinygrad_lite.nn.layers.pooling import AvgPool1d, AvgPool2d, Flatten, MaxPool1d, MaxPool2d
from tinygrad_lite.nn.layers.positions import LearnedPositions, SinusoidalPositions
from tinygrad_lite.nn.layers.recurrent import GRU, LSTM, RNN
from tinygrad_lite.nn.layers.recurrent_cells import GRUCell, LSTMCell, RNNCell
from tinygrad_lite.nn.layers.scaled_dot_product import scaled_dot_product_attention
from tinygrad_lite.nn.layers.transformer import TransformerBlock
from tinygrad_lite.nn.losses.class_losses import cross_entropy, log_softmax, multi_margin_loss, nll_loss
from tinygrad_lite.nn.losses.loss_modules import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HingeLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    MultiMarginLoss,
    NLLLoss,
    SmoothL1Loss,
)
from tinygrad_lite.nn.losses.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    hinge_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from tinygrad_lite.nn.optim.clipping import clip_grad_norm_, clip_grad_value_
from tinygrad_lite.nn.optim.grad_scaler import GradScaler, autocast, round_parameters_
from tinygrad_lite.nn.optim.one_cycle import OneCycleLR
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.optim.optimizers import SGD, Adam, AdamW, Lion, RMSprop
from tinygrad_lite.nn.optim.plateau import ReduceLROnPlateau
from tinygrad_lite.nn.optim.schedule import LRScheduler
from tinygrad_lite.nn.optim.schedule_free import AdamWScheduleFree, SGDScheduleFree
from tinygrad_lite.nn.optim.schedules import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    SequentialLR,
    StepLR,
)
from tinygrad_lite.nn.optim.sophia import SophiaG, SophiaH
from tinygrad_lite.nn.pytorch import from_torch, to_torch
from tinygrad_lite.nn.train.callbacks import BestWeights, Callback, EarlyStopping
from tinygrad_lite.nn.train.checkpoints import load, save
from tinygrad_lite.nn.train.data import blobs, breast_cancer, circles, diabetes, digits, iris, moons, spirals, xor
from tinygrad_lite.nn.train.history import History
from tinygrad_lite.nn.train.metrics import accuracy
from tinygrad_lite.nn.train.nonfinite import NonFiniteError
from tinygrad_lite.nn.training import evaluate, fit, predict
from tinygrad_lite.nn.xor_training import XOR_SETTINGS, XorRun, train_xor

__all__ = [
    "Activation",
    "Adam",
    "AdamW",
    "AdamWScheduleFree",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BestWeights",
    "Callback",
    "Conv1d",
    "Conv2d",
    "CosineAnnealingLR",
    "CrossEntropyLoss",
    "Dropout",
    "ELU",
    "EarlyStopping",
    "Embedding",
    "ExponentialLR",
    "Flatten",
    "GELU",
    "GRU",
    "GRUCell",
    "GradScaler",
    "GradientReport",
    "Graph",
    "GraphAttention",
    "GraphConv",
    "Hardtanh",
    "HingeLoss",
    "History",
    "HuberLoss",
    "KLDivLoss",
    "KVCache",
    "L1Loss",
    "LRScheduler",
    "LSTM",
    "LSTMCell",
    "LambdaLR",
    "Layer",
    "LayerNorm",
    "LayerReport",
    "LeakyReLU",
    "LearnedPositions",
    "Linear",
    "LinearLR",
    "Lion",
    "LogSigmoid",
    "LogSoftmax",
    "MLP",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Module",
    "MultiHeadAttention",
    "MultiMarginLoss",
    "MultiStepLR",
    "MultiheadAttention",
    "NLLLoss",
    "Neuron",
    "NonFiniteError",
    "OneCycleLR",
    "Optimizer",
    "RMSNorm",
    "RMSprop",
    "RNN",
    "RNNCell",
    "ReLU",
    "ReduceLROnPlateau",
    "Residual",
    "SELU",
    "SGD",
    "SGDScheduleFree",
    "Sequential",
    "SequentialLR",
    "SiLU",
    "Sigmoid",
    "SinusoidalPositions",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Softsign",
    "SophiaG",
    "SophiaH",
    "StepLR",
    "Tanh",
    "TransformerBlock",
    "XOR_SETTINGS",
    "XorRun",
    "accuracy",
    "autocast",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "blobs",
    "breast_cancer",
    "circles",
    "classic",
    "clip_grad_norm_",
    "clip_grad_value_",
    "cross_entropy",
    "diabetes",
    "digits",
    "evaluate",
    "fit",
    "from_torch",
    "gradient_report",
    "hinge_loss",
    "huber_loss",
    "init",
    "iris",
    "kl_div",
    "l1_loss",
    "load",
    "log_softmax",
    "moons",
    "mse_loss",
    "multi_margin_loss",
    "name_parameters",
    "nll_loss",
    "predict",
    "round_parameters_",
    "save",
    "scaled_dot_product_attention",
    "seed",
    "smooth_l1_loss",
    "spirals",
    "to_torch",
    "train_xor",
    "xor",
]

#: What needs scikit-learn or NumPy, and is loaded when it is first used. The estimators are not in ``__all__``, so that
#: ``import *`` works without scikit-learn.
_LAZY = {"MLPClassifier": "estimators", "MLPRegressor": "estimators", "classic": ""}
#: Names of PyTorch, and what is written here instead.
_ELSEWHERE = {
    "DataLoader": "fit(model, loss, (X, y), optimizer, batch_size=...) makes batches",
    "ModuleDict": "a dict as an attribute is enough",
    "ModuleList": "a list as an attribute is enough",
    "Parameter": "a Value as an attribute is a parameter; so are those in lists, dicts and arrays",
    "functional": "losses are functions of this package, activations of tinygrad_lite",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        module = importlib.import_module(f"tinygrad_lite.nn.{_LAZY[name] or name}")
        return getattr(module, name) if _LAZY[name] else module
    hint = f": {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
    raise AttributeError(f"module 'tinygrad_lite.nn' has no attribute {name!r}{hint}")
