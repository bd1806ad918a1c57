"""What the tests of layers hold them against: PyTorch where it is installed, and derivatives by complex steps.

A layer's derivatives are compared as gradients of Σ c·y, where y are its outputs and c numbers drawn once (the
cotangent): a wrong entry of the Jacobian shows in them, whichever it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.testing import assert_allclose

from tinygrad_lite import Value, dot
from tinygrad_lite.nn import Module
from tinygrad_lite.nn.base.shapes import flat, shape_of

#: Largest relative difference to another implementation in the same arithmetic, which adds up in another order.
CLOSE = 1e-12


def of_leaves(array: Any) -> Any:
    """Nested lists of new leaves that hold the numbers of an array."""
    return Value(float(array)) if np.ndim(array) == 0 else [of_leaves(part) for part in array]


def numbers(tree: Any) -> Any:
    """The data of a nest, as an array."""
    return np.array([x.data if isinstance(x, Value) else x for x in flat(tree)], dtype=float).reshape(shape_of(tree))


def slopes(tree: Any) -> Any:
    """The gradients of a nest of leaves, as an array."""
    return np.array([x.grad for x in flat(tree)]).reshape(shape_of(tree))


def differentiated(layer: Module, x: Any, cotangent: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Output, and gradients of Σ cotangent · output by the input and by each parameter under its name."""
    layer.zero_grad()
    leaves = of_leaves(x)
    y = layer(leaves)
    dot([float(c) for c in np.ravel(cotangent)], flat(y), Value(0.0)).backward()
    return numbers(y), slopes(leaves), _gradients(layer)


def assert_is_pytorchs(layer: Module, twin: Any, x: Any, seed: int = 0) -> None:
    """The layer does what the PyTorch module does: values, and gradients by input and by parameters.

    It takes over the twin's parameters first, drawn anew, as ones and zeros would hide mistakes.
    """
    import torch

    rng = np.random.default_rng(seed)
    twin = twin.double()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=tuple(parameter.shape))))
    layer.load_state_dict(twin.state_dict())
    given = torch.tensor(np.asarray(x), dtype=torch.float64, requires_grad=True)
    expected = twin(given)
    cotangent = rng.normal(size=tuple(expected.shape))
    twin.zero_grad()
    expected.backward(torch.from_numpy(cotangent))
    y, by_input, by_parameters = differentiated(layer, x, cotangent)
    assert y.shape == tuple(expected.shape)
    assert_close(y, expected.detach().numpy())
    assert_close(by_input, given.grad.numpy())
    assert by_parameters.keys() == dict(twin.named_parameters()).keys()
    for name, parameter in twin.named_parameters():
        assert_close(by_parameters[name], parameter.grad.numpy())


def complex_step_gradient(f: Callable[..., Any], arguments: list[Any], which: int, cotangent: Any) -> Any:
    """The gradient of Σ cotangent · f(*arguments) by one argument, exact to rounding (Squire & Trapp 1998).

    Args:
        f: Of complex NumPy arrays; analytic.
        arguments: Arrays.
        which: The number of the argument.
        cotangent: An array of the shape of the result.
    """
    h = 1e-100  # so small that h² vanishes: nothing cancels, so there is no rounding error to weigh it against
    result = np.zeros(np.shape(arguments[which]))
    for index in np.ndindex(result.shape):
        moved = [np.array(argument, dtype=complex) for argument in arguments]
        moved[which][index] += 1j * h
        result[index] = np.sum(np.asarray(f(*moved)).imag * cotangent) / h
    return result


def assert_close(ours: Any, theirs: Any) -> None:
    """Equal to rounding, relative to the largest number of the array, or to 1."""
    scale = max(1.0, float(np.max(np.abs(theirs), initial=0.0)))
    assert_allclose(ours, theirs, rtol=CLOSE, atol=CLOSE * scale)


def _gradients(layer: Module) -> dict[str, Any]:
    """The gradients of the parameters in arrays, under the names of the state."""
    found = {}
    for name, array in layer.state_dict().items():
        leaves = [p for path, p in layer.named_parameters() if path == name or path.startswith(f"{name}.")]
        if leaves:  # else it is a buffer
            found[name] = np.array([leaf.grad for leaf in leaves]).reshape(array.shape)
    return found
