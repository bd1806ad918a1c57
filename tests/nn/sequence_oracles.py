"""What the tests of recurrent, attention and graph layers hold them against: layers of several inputs and outputs.

As in :mod:`layer_oracles`, gradients are those of Σ c·y over all outputs y, with numbers c drawn once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np
from layer_oracles import assert_close, complex_step_gradient, numbers, of_leaves, slopes

from tinygrad_lite import Value, dot
from tinygrad_lite.nn import Module
from tinygrad_lite.nn.base.shapes import flat


def drawn(seed: int, *shape: int) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def set_drawn(layer: Module, seed: int) -> dict[str, Any]:
    """New numbers for all parameters, as zeros and ones would hide mistakes."""
    rng = np.random.default_rng(seed)
    for parameter in layer.parameters():
        parameter.data = rng.normal()
    return layer.state_dict()


def differentiated(
    layer: Module, call: Callable[..., list[Any]], inputs: list[Any], seed: int
) -> tuple[list[Any], list[Any], dict[str, Any], list[Any]]:
    """Outputs, gradients by inputs and by parameters, and the cotangents that were drawn.

    ``call`` takes nests of leaves, and gives a list of nests.
    """
    layer.zero_grad()
    leaves = [of_leaves(x) for x in inputs]
    outputs = call(*leaves)
    ys = [numbers(output) for output in outputs]
    rng = np.random.default_rng(seed)
    cotangents = [rng.normal(size=y.shape) for y in ys]
    weights = [float(c) for cotangent in cotangents for c in cotangent.ravel()]
    dot(weights, [y for output in outputs for y in flat(output)], Value(0.0)).backward()
    by_parameters = {name: slopes(attrgetter(name)(layer)) for name in layer.state_dict()}
    return ys, [slopes(nest) for nest in leaves], by_parameters, cotangents


def assert_is_pytorchs(
    layer: Module,
    twin: Any,
    ours: Callable[..., list[Any]],
    theirs: Callable[..., list[Any]],
    inputs: list[Any],
    seed: int = 0,
) -> None:
    """Values, and gradients by inputs and parameters, are those of PyTorch, whose state goes over and back."""
    import torch

    rng = np.random.default_rng(seed)
    twin = twin.double()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=tuple(parameter.shape))))
    layer.load_state_dict(twin.state_dict())
    assert list(layer.state_dict()) == list(twin.state_dict())
    twin.load_state_dict({name: torch.from_numpy(array) for name, array in layer.state_dict().items()})
    given = [torch.tensor(np.asarray(x), dtype=torch.float64, requires_grad=True) for x in inputs]
    expected = theirs(*given)
    ys, by_inputs, by_parameters, cotangents = differentiated(layer, ours, inputs, seed)
    assert [y.shape for y in ys] == [tuple(y.shape) for y in expected]
    twin.zero_grad()
    torch.autograd.backward(expected, [torch.from_numpy(cotangent) for cotangent in cotangents])
    for y, tensor in zip(ys, expected, strict=True):
        assert_close(y, tensor.detach().numpy())
    for slope, tensor in zip(by_inputs, given, strict=True):
        assert_close(slope, tensor.grad.numpy())
    for name, parameter in twin.named_parameters():
        assert_close(by_parameters[name], parameter.grad.numpy())


def assert_is_the_formulas(
    layer: Module,
    call: Callable[..., list[Any]],
    formula: Callable[..., list[Any]],
    inputs: list[Any],
    seed: int = 0,
) -> None:
    """Values, and gradients by inputs and parameters, are those of ``formula(*inputs, **state)`` in NumPy."""
    state = set_drawn(layer, seed)
    names = list(state)
    ys, by_inputs, by_parameters, cotangents = differentiated(layer, call, inputs, seed)

    def flattened(*arguments: Any) -> Any:
        given, parameters = arguments[: len(inputs)], arguments[len(inputs) :]
        results = formula(*given, **{name.replace(".", "_"): x for name, x in zip(names, parameters, strict=True)})
        return np.concatenate([np.ravel(result) for result in results])

    arguments = [*inputs, *state.values()]
    assert_close(np.concatenate([y.ravel() for y in ys]), flattened(*arguments))
    cotangent = np.concatenate([c.ravel() for c in cotangents])
    for k, slope in enumerate([*by_inputs, *(by_parameters[name] for name in names)]):
        assert_close(slope, complex_step_gradient(flattened, arguments, k, cotangent))


# --------------------------------------------------------------------------------- attention, in NumPy


def attention_formula(q: Any, k: Any, v: Any, seen: Any) -> Any:
    """The values weighted by the softmax of q·k/√E over the keys seen: every sum written out."""
    length, size = q.shape
    result = []
    for i in range(length):
        exponentials = [np.exp(np.sum(q[i] * k[j]) / math.sqrt(size)) if seen[i, j] else 0.0 for j in range(len(k))]
        result.append(sum(e * v[j] for j, e in enumerate(exponentials)) / sum(exponentials))
    return np.array(result)


def multi_head_formula(x: Any, y: Any, z: Any, seen: Any, count: int, **state: Any) -> Any:
    """Projections, heads side by side, and the last projection."""
    size = x.shape[1] // count
    biases = np.split(state.get("in_proj_bias", np.zeros(3 * x.shape[1])), 3)
    q, k, v = (xs @ w.T + b for xs, w, b in zip((x, y, z), np.split(state["in_proj_weight"], 3), biases, strict=True))
    parts = [slice(h * size, (h + 1) * size) for h in range(count)]
    mixed = np.concatenate([attention_formula(q[:, part], k[:, part], v[:, part], seen) for part in parts], axis=1)
    return mixed @ state["out_proj_weight"].T + state.get("out_proj_bias", 0.0)
