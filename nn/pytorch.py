"""Weights from PyTorch and to PyTorch.

Most modules here have PyTorch's names and shapes in their ``state_dict()``, and arrays go over as they are. An MLP
keeps its weights neuron by neuron: its layers stand for the Linear modules of a ``torch.nn.Sequential``, in order.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, overload

from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.layers.activations import OPERATIONS
from tinygrad_lite.nn.layers.layers import MLP, Layer
from tinygrad_lite.nn.layers.linear import Linear

_M = TypeVar("_M", bound=Module)


class _Affine(NamedTuple):
    """Weight and bias of a Linear module of PyTorch."""

    name: str
    #: Of shape (out, in), and (out,).
    weight: Any
    bias: Any


@overload
def from_torch(source: Any, model: _M, *, activation: str | None = "relu") -> _M: ...


@overload
def from_torch(source: Any, model: None = None, *, activation: str | None = "relu") -> Linear | MLP: ...


def from_torch(source: Any, model: Module | None = None, *, activation: str | None = "relu") -> Module:
    """Make a model with the weights of one in PyTorch.

    PyTorch need not be installed where ``source`` is a dict of arrays.

    Args:
        source: A ``torch.nn.Module``, its ``state_dict()``, or such a dict of arrays: of a Linear, or of Linear modules
            one after the other with activations between, whatever their names. With a ``model`` that has PyTorch's
            names, such as Sequential(Linear(2, 3), Tanh(), Linear(3, 1)), of anything.
        model: What takes the weights; None for a new Linear, or a new MLP where there are several.
        activation: Of the new MLP, which a ``state_dict()`` does not tell. A ``torch.nn.Sequential`` does, and then
            this does not count.

    Returns:
        The model.

    Raises:
        ValueError: It is no such dict, it does not fit the model, or a new model cannot compute the same. Nothing has
            changed then.

    >>> import numpy as np
    >>> state = {"0.weight": np.ones((3, 2)), "0.bias": np.zeros(3), "2.weight": np.ones((1, 3)), "2.bias": np.zeros(1)}
    >>> model = from_torch(state, activation="tanh")
    >>> model
    MLP(2, [3, 1], activation='tanh'): 13 parameters
    >>> model([0.0, 0.0]).data
    0.0
    """
    arrays = {name: _as_array(name, tensor) for name, tensor in _state_of(source).items()}
    if model is None:
        affines = _affines(arrays)
        if len(affines) == 1:
            weight = affines[0].weight
            model = Linear(weight.shape[1], weight.shape[0], bias=affines[0].bias is not None, generator=0)
            arrays = {"weight": weight} | ({} if affines[0].bias is None else {"bias": affines[0].bias})
        else:
            sizes = [affine.weight.shape[0] for affine in affines]
            model = MLP(affines[0].weight.shape[1], sizes, _activation_of(source, activation))
    if isinstance(model, (MLP, Layer)):
        _fill(model, _affines(arrays))
    else:
        model.load_state_dict(arrays)
    return model


def to_torch(model: Module, like: Any = None, *, as_tensors: bool = True) -> dict[str, Any]:
    """Return the weights of a model as a ``state_dict`` for PyTorch, in float64.

    Args:
        model: An MLP or a Layer, for a ``torch.nn.Sequential`` of Linear modules with activations between; any other
            model, for a module of PyTorch with the same names.
        like: A ``torch.nn.Module`` or its ``state_dict()``, whose names are taken, in order, if they are others.
        as_tensors: Whether to give tensors, or NumPy arrays, for which PyTorch need not be installed.

    Returns:
        Tensors or arrays by name: ``"0.weight"``, ``"0.bias"``, ``"2.weight"`` and so on for an MLP.

    Raises:
        ImportError: PyTorch is not installed, and tensors are wanted.
        ValueError: The shapes are not those of ``like``.

    >>> {name: array.shape for name, array in to_torch(MLP(2, [3, 1]), as_tensors=False).items()}
    {'0.weight': (3, 2), '0.bias': (3,), '2.weight': (1, 3), '2.bias': (1,)}
    """
    arrays = _arrays_of(model) if isinstance(model, (MLP, Layer)) else model.state_dict()
    if like is not None:
        arrays = _renamed(model, arrays, _state_of(like))
    if not as_tensors:
        return arrays
    try:
        import torch
    except ImportError:
        raise ImportError(
            "to_torch(model) makes tensors, and PyTorch is not installed: pip install torch, or as_tensors=False"
        ) from None
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def _state_of(source: Any) -> Mapping[str, Any]:
    state = source.state_dict() if hasattr(source, "state_dict") else source
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise ValueError(f"expected a module of PyTorch, or its state_dict(), not {type(source).__name__}")
    return state


def _as_array(name: str, tensor: Any) -> Any:
    import numpy

    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().double().numpy()
    try:
        return numpy.array(tensor, dtype=numpy.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is no array of numbers but {type(tensor).__name__}") from None


def _affines(arrays: Mapping[str, Any]) -> list[_Affine]:
    """Return weights of two axes with their biases, in order; there may be nothing else."""
    found = []
    used = set()
    for name, array in arrays.items():
        if name.rpartition(".")[2] == "weight" and array.ndim == 2:
            bias_name = name.removesuffix("weight") + "bias"
            bias = arrays.get(bias_name)
            if bias is not None and bias.shape != array.shape[:1]:
                raise ValueError(f"{bias_name} has shape {bias.shape} beside a weight of shape {array.shape}")
            found.append(_Affine(name, array, bias))
            used |= {name, bias_name}
    others = [f"{name} of shape {array.shape}" for name, array in arrays.items() if name not in used]
    if others or not found:
        raise ValueError(
            f"this is not the state of Linear modules one after the other: it has {', '.join(others) or 'no weights'}. "
            "Make a Sequential of the same modules as in PyTorch, and give it as model."
        )
    for before, after in itertools.pairwise(found):
        if after.weight.shape[1] != before.weight.shape[0]:
            raise ValueError(
                f"{after.name} takes {after.weight.shape[1]} inputs, and {before.name} before it gives "
                f"{before.weight.shape[0]}: these Linear modules do not stand one after the other"
            )
    return found


def _fill(model: MLP | Layer, affines: list[_Affine]) -> None:
    layers = model.layers if isinstance(model, MLP) else [model]
    expected = [(len(layer.neurons), len(layer.neurons[0].w)) for layer in layers]
    given = [affine.weight.shape for affine in affines]
    if expected != given:
        raise ValueError(f"{head(model)} takes weights of shapes {expected}, and was given {given}; nothing was loaded")
    for layer, affine in zip(layers, affines, strict=True):
        biases = [0.0] * len(layer.neurons) if affine.bias is None else affine.bias.tolist()
        for neuron, row, bias in zip(layer.neurons, affine.weight.tolist(), biases, strict=True):
            neuron.b.data = bias
            for w, number in zip(neuron.w, row, strict=True):
                w.data = number


def _arrays_of(model: MLP | Layer) -> dict[str, Any]:
    import numpy

    arrays: dict[str, Any] = {}
    place = 0
    for layer in model.layers if isinstance(model, MLP) else [model]:
        arrays[f"{place}.weight"] = numpy.array([[w.data for w in neuron.w] for neuron in layer.neurons])
        arrays[f"{place}.bias"] = numpy.array([neuron.b.data for neuron in layer.neurons])
        place += 1 if layer.neurons[0].activation is None else 2
    return arrays


def _renamed(model: Module, arrays: dict[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    given = [tuple(tensor.shape) for tensor in names.values()]
    if given != [array.shape for array in arrays.values()]:
        raise ValueError(
            f"{head(model)} has arrays of shapes {[array.shape for array in arrays.values()]}, and like has {given}"
        )
    return dict(zip(names, arrays.values(), strict=True))


def _activation_of(source: Any, activation: str | None) -> str | None:
    """Return the activation of an MLP that computes what a ``torch.nn.Sequential`` does."""
    if not hasattr(source, "modules"):
        return activation
    steps = [part for part in source.modules() if not list(part.children())]
    linears, between = steps[::2], steps[1::2]
    is_known = (
        type(source).__name__ == "Sequential"
        and len(linears) == len(between) + 1
        and all(type(part).__name__ == "Linear" and part.bias is not None for part in linears)
        and len({type(part) for part in between}) == 1
        and all(_settings(part) == _settings(type(part)()) for part in between)
    )
    name = OPERATIONS.get(type(between[0]).__name__) if is_known else None
    if name is None:
        raise ValueError(
            f"an MLP cannot compute what {source!r} does: it has one activation, as it is by default, after each layer "
            "but the last, and biases everywhere. Make a Sequential of the same modules as in PyTorch, and give it as "
            "model."
        )
    return name


def _settings(activation: Any) -> dict[str, Any]:
    """Return what it was made with, but for what does not change what it computes."""
    return {k: x for k, x in vars(activation).items() if not k.startswith("_") and k not in ("training", "inplace")}
