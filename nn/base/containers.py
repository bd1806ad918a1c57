"""Modules made of modules: one after the other, and around one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, is_number, like, shape_of
from tinygrad_lite.pytree import is_array
from tinygrad_lite.value import operand


class Sequential(Module):
    """Modules one after the other: each takes what the one before gives.

    Args:
        modules: Modules, and functions such as ``tinygrad_lite.tanh`` of what the module before gives; or one dict of
            them by name.

    Raises:
        TypeError: One of them cannot be called, or is a class of modules.

    >>> from tinygrad_lite.nn.layers.activations import Tanh
    >>> from tinygrad_lite.nn.layers.linear import Linear
    >>> model = Sequential(Linear(2, 4, generator=0), Tanh(), Linear(4, 1, generator=1))
    >>> model
    Sequential(Linear(2, 4), Tanh(), Linear(4, 1)): 17 parameters
    >>> len(model([1.0, -2.0]))
    1
    >>> model[0].weight[0][0].data == Linear(2, 4, generator=0).weight[0][0].data
    True
    """

    def __init__(self, *modules: Any) -> None:
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], dict) else dict(enumerate(modules))
        for name, module in named.items():
            _refuse_class(module)
            if not callable(module):
                raise TypeError(
                    f"Sequential takes modules and functions, one argument each; {name} is "
                    f"{type(module).__name__} {module!r}"
                    + (": write Sequential(*layers)" if isinstance(module, (list, tuple)) else "")
                )
        self._modules = {str(name): module for name, module in named.items()}

    def forward(self, input: Any) -> Any:
        """Compute what the last module gives."""
        for module in self._modules.values():
            input = module(input)
        return input

    def append(self, module: Any) -> Sequential:
        """Add a module at the end.

        Raises:
            TypeError: It cannot be called, or is a class of modules.
        """
        _refuse_class(module)
        if not callable(module):
            raise TypeError(f"Sequential takes modules and functions, not {type(module).__name__} {module!r}")
        number = len(self._modules)
        while str(number) in self._modules:  # a part of another Sequential, or named in a dict
            number += 1
        self._modules[str(number)] = module
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self._modules[index]
        if isinstance(index, slice):  # under the names that they have, as in PyTorch
            return Sequential(dict(list(self._modules.items())[index]))
        return list(self._modules.values())[index]

    def extra_repr(self) -> str:
        """Show its modules."""
        return ", ".join(map(_shown, self))


class Residual(Module):
    """x + f(x): what is learnt is the difference, and gradients pass by it undiminished (He et al. 2016).

    Args:
        module: f, whose output has the shape of its input.
        shortcut: Another module for the x in the sum, such as a Linear where f changes the size; None for x itself.

    >>> double = Residual(lambda xs: xs)
    >>> [y.data for y in double([1.0, 2.0])]
    [2.0, 4.0]
    """

    def __init__(self, module: Callable[[Any], Any], shortcut: Callable[[Any], Any] | None = None) -> None:
        self.module = module
        self.shortcut = shortcut

    def forward(self, input: Nest) -> Nest:
        """x + f(x), number by number.

        Raises:
            ValueError: f gave another shape than x has.
        """
        x = input if self.shortcut is None else self.shortcut(input)
        y = self.module(input)
        if shape_of(x) != shape_of(y):
            raise ValueError(
                f"{head(self)} adds what it is given, of shape {shape_of(x)}, and what its module gives, of shape "
                f"{shape_of(y)}: the two must agree; a shortcut such as Linear can change the first"
            )
        return like(input, _plus(x, y))

    def extra_repr(self) -> str:
        """Show its modules."""
        return ", ".join(_shown(module) for module in (self.module, self.shortcut) if module is not None)


def _refuse_class(module: Any) -> None:
    if isinstance(module, type) and issubclass(module, Module):
        name = module.__name__
        raise TypeError(f"{name} is a class of modules: write {name}(...), as in Sequential(Linear(2, 4), Tanh())")


def _shown(module: Any) -> str:
    return head(module) if isinstance(module, Module) else str(getattr(module, "__name__", repr(module)))


def _plus(x: Nest, y: Nest) -> Nest:
    if is_array(x) and x.ndim == 0:
        x = x.item()
    if is_number(x):
        return operand(x) + y
    return [_plus(xi, yi) for xi, yi in zip(x, y, strict=True)]
