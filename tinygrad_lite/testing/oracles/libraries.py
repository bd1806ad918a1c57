"""The derivative of a function as a library takes it: ``check_derivative(f, "torch")``, ``check_derivative(f, "jax")``.

What is taken is the whole derivative, an array of shape r + s for each result of shape r and argument of shape s, by
the library's reverse mode: its rules and those of the user's own functions.
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from tinygrad_lite.pytree import tree_map

Function = Callable[..., Any]


def by_torch(f: Function, argnums: Sequence[int] | None) -> Function:
    """Return the derivative of f by PyTorch's ``autograd.grad``, one result after the other; it can be differentiated
    too."""
    torch: Any = _imported("torch", "PyTorch")

    def derivative(*args: Any) -> Any:
        numbers = range(len(args)) if argnums is None else argnums
        graph = any(x.requires_grad for i in numbers for x in _tensors(args[i], torch))
        inputs: list[Any] = []
        given = list(args)
        trees = []
        for i in numbers:
            leaves = _tensors(args[i], torch)
            moving = [_leaf(x, graph) for x in leaves]
            given[i] = _replaced(args[i], iter(moving), torch)
            trees.append(given[i])
            inputs += moving
        with torch.enable_grad():
            result = f(*given)

            def of_one(output: Any) -> Any:
                rows = [_gradients(torch, y, inputs, graph) for y in output.reshape(-1)]
                stacked = [torch.stack(column) for column in zip(*rows, strict=True)]
                columns = iter([c.reshape(output.shape + x.shape) for c, x in zip(stacked, inputs, strict=True)])
                parts = [_replaced(tree, columns, torch) for tree in trees]
                return parts[0] if len(parts) == 1 else tuple(parts)

            return _mapped(result, of_one, torch)

    return _named(derivative, "torch")


def _leaf(x: Any, graph: bool) -> Any:
    return x if graph and x.requires_grad else x.detach().requires_grad_(True)


def _gradients(torch: Any, y: Any, inputs: list[Any], graph: bool) -> list[Any]:
    if not y.requires_grad:  # it depends on none of them
        return [torch.zeros_like(x) for x in inputs]
    found = torch.autograd.grad(y, inputs, retain_graph=True, create_graph=graph, allow_unused=True)
    return [torch.zeros_like(x) if slope is None else slope for x, slope in zip(inputs, found, strict=True)]


def _tensors(tree: Any, torch: Any) -> list[Any]:
    found: list[Any] = []
    _mapped(tree, found.append, torch)
    return found


def _replaced(tree: Any, parts: Any, torch: Any) -> Any:
    return _mapped(tree, lambda _: next(parts), torch)


def _mapped(tree: Any, function: Callable[[Any], Any], torch: Any) -> Any:
    """Return the structure with the function of each tensor in its place."""

    def of_leaf(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return function(leaf)
        raise TypeError(
            f'check_derivative(f, "torch", ...) differentiates tensors by tensors, and {leaf!r} is a '
            f"{type(leaf).__name__}: make f give tensors, of which none leaves the graph by item() or numpy()"
        )

    return tree_map(of_leaf, tree, is_leaf=lambda part: part is None)


def by_jax(f: Function, argnums: Sequence[int] | None) -> Function:
    """Return the derivative of f by ``jax.jacrev``."""
    jax: Any = _imported("jax", "JAX")

    def derivative(*args: Any) -> Any:
        numbers = tuple(range(len(args))) if argnums is None else tuple(argnums)
        return jax.jacrev(f, argnums=numbers[0] if len(numbers) == 1 else numbers)(*args)

    return _named(derivative, "jax")


#: The libraries that take derivatives: how, and what makes an array of theirs of a number or a NumPy array.
LIBRARIES: Final[dict[str, tuple[Callable[[Function, Sequence[int] | None], Function], Callable[[Any], Any]]]] = {
    "torch": (by_torch, lambda x: _imported("torch", "PyTorch").as_tensor(np.array(x))),
    "jax": (by_jax, lambda x: _imported("jax.numpy", "JAX").asarray(x)),
}


def derivatives_by(name: str, f: Function, argnums: Sequence[int] | None, order: int) -> list[Function]:
    """Return the derivatives of f up to an order, each that of the one before.

    Raises:
        ValueError: There is no such library.
        ImportError: It is not installed.
    """
    _known(name)
    found = [f]
    for _ in range(order):
        found.append(LIBRARIES[name][0](found[-1], argnums))
    return found[1:]


def arrays_of(name: str, args: Sequence[Any]) -> tuple[Any, ...]:
    """Return the arguments with the library's arrays in the places of floats and NumPy arrays, which its functions may
    refuse.

    >>> import torch
    >>> arrays_of("torch", [0.5])
    (tensor(0.5000, dtype=torch.float64),)
    """
    _known(name)
    return tuple(tree_map(lambda leaf: _converted(leaf, LIBRARIES[name][1]), list(args)))


def _known(name: str) -> None:
    if name not in LIBRARIES:
        names = " or ".join(f'"{known}"' for known in LIBRARIES)
        raise ValueError(f"check_derivative(f, df, ...): df is a function, or {names}, not {name!r}")


def _converted(leaf: Any, make: Callable[[Any], Any]) -> Any:
    floats = isinstance(leaf, (float, np.floating)) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f")
    return make(leaf) if floats else leaf


def library_of(f: Any, args: Sequence[Any] = ()) -> str:
    """Which of the libraries a function, or its arguments, are of; ``""`` if of none.

    >>> import torch
    >>> library_of(torch.sigmoid), library_of(lambda x: torch.tanh(x)), library_of(abs)
    ('torch', 'torch', '')
    """
    owner = getattr(f, "__self__", f)
    places: list[Any] = [f, *(owner if isinstance(owner, type) else type(owner)).__mro__]
    places += [kind for arg in args for kind in type(arg).__mro__]
    code = getattr(f, "__code__", None)
    if isinstance(code, types.CodeType):
        places += [f.__globals__[name] for name in code.co_names if name in f.__globals__]
    for place in places:
        module = place.__name__ if isinstance(place, types.ModuleType) else getattr(place, "__module__", None) or ""
        root = module.partition(".")[0].removesuffix("lib")
        if root in LIBRARIES:
            return root
    return ""


def _imported(module: str, name: str) -> Any:
    library = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f'check_derivative(f, "{library}", ...) needs {name}: pip install {library}') from error


def _named(derivative: Function, name: str) -> Function:
    derivative.__name__ = f'"{name}"'
    return derivative
