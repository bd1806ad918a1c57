"""What layers, and models built from them, have in common: their parameters, by name and in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from tinygrad_lite.trees import is_array
from tinygrad_lite.value import Value


class Module:
    """A part of a model: subclass it, keep parameters and parts in attributes, and write ``forward``.

    Its parameters are the leaves among the Values that its attributes hold, directly, in other modules, or in lists,
    tuples, dicts and NumPy arrays of these, nested in any way. They are numbered in the order in which the attributes
    were first set; one that is reached twice (tied weights) counts once, under its first name.

    >>> from tinygrad_lite import Value
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.intercept = Value(2.0), Value(1.0)
    ...
    ...     def forward(self, x):
    ...         return self.slope * x + self.intercept
    >>> line = Line()
    >>> line(3.0).data
    7.0
    >>> line
    Line(): 2 parameters
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; ``module(x)`` calls it.

        Raises:
            NotImplementedError: The subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no forward(self, x)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward`` on the same arguments."""
        return self.forward(*args, **kwargs)

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Every parameter with its name, the path to it, as in PyTorch.

        Returns:
            An iterator over pairs of name and leaf Value.

        >>> from tinygrad_lite.nn import MLP
        >>> [name for name, _ in MLP(1, [1]).named_parameters()]
        ['layers.0.neurons.0.w.0', 'layers.0.neurons.0.b']
        """
        return _leaves("", self, set())

    def parameters(self) -> list[Value]:
        """Every parameter, in the order of ``named_parameters``; a list, as in micrograd.

        >>> from tinygrad_lite.nn import MLP
        >>> len(MLP(2, [16, 16, 1]).parameters())
        337
        """
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        """Sets the gradient of every parameter to 0, which ``backward()`` adds to.

        >>> from tinygrad_lite.nn import Neuron
        >>> neuron = Neuron(1)
        >>> neuron.b.grad = 5.0
        >>> neuron.zero_grad()
        >>> neuron.b.grad
        0.0
        """
        for parameter in self.parameters():
            parameter.grad = 0.0

    def extra_repr(self) -> str:
        """What stands between the parentheses of the ``repr``: the modules in its attributes, unless overridden."""
        return ", ".join(f"{name}={_head(part)}" for name, part in _attributes(self) if isinstance(part, Module))

    def __repr__(self) -> str:
        count = len(self.parameters())
        return f"{_head(self)}: {count} parameter{'' if count == 1 else 's'}"


def name_parameters(model: Module) -> None:
    """Labels each parameter with its name, so that pictures and messages show it.

    Args:
        model: Whose parameters. A label costs some memory, so layers do not set any by themselves.

    >>> from tinygrad_lite.nn import Neuron
    >>> neuron = Neuron(2)
    >>> name_parameters(neuron)
    >>> neuron.w[1].label
    'w.1'
    """
    for name, parameter in model.named_parameters():
        parameter.label = name


def _head(module: Module) -> str:
    return f"{type(module).__name__}({module.extra_repr()})"


def _attributes(module: Module) -> Iterator[tuple[str, Any]]:
    """Every attribute with its name: those in ``__slots__``, then the others."""
    for kind in reversed(type(module).__mro__):
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("__") and hasattr(module, name):
                yield name, getattr(module, name)
    yield from list(vars(module).items())


def _leaves(path: str, tree: Any, seen: set[int]) -> Iterator[tuple[str, Value]]:
    """The parameters in ``tree``. ``seen`` holds the ids of what was visited, all of it kept alive by the model."""
    if isinstance(tree, Value):
        if tree.is_leaf and not tree.is_constant and id(tree) not in seen:
            seen.add(id(tree))
            yield path, tree
        return
    parts: Iterator[tuple[Any, Any]]
    if is_array(tree):
        if tree.dtype != object:
            return
        parts = ((".".join(map(str, index)), tree[index]) for index in product(*map(range, tree.shape)))
    elif isinstance(tree, Module):
        parts = _attributes(tree)
    elif isinstance(tree, dict):
        parts = iter(tree.items())
    elif isinstance(tree, (list, tuple)):
        parts = iter(enumerate(tree))
    else:
        return
    if id(tree) in seen:
        return
    seen.add(id(tree))
    for key, part in parts:
        yield from _leaves(f"{path}.{key}" if path else str(key), part, seen)
