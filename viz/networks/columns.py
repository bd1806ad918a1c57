"""A model read as columns of neurons: who is connected to whom, by which weight, and what each gives for a sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite import functions
from tinygrad_lite.modes import no_grad
from tinygrad_lite.nn.base.containers import Sequential
from tinygrad_lite.nn.base.module import Module, head, training_mode
from tinygrad_lite.nn.base.shapes import flat, shape_of
from tinygrad_lite.nn.layers.activations import Activation, LogSoftmax, Softmax
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.nn.layers.layers import MLP, Layer, Neuron
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.value import Value

#: Modules that change the numbers of a column, and not their count.
_ELEMENTWISE: Final = (Activation, Softmax, LogSoftmax, Dropout)


class Column(NamedTuple):
    """Neurons that stand above one another."""

    size: int
    #: what is done to their sums, in words
    functions: tuple[str, ...]
    #: a row for each neuron, with the weight of each neuron to the left; none for the inputs
    weights: Sequence[Sequence[Any]]
    #: None where there are none
    biases: Sequence[Any] | None
    #: the path of the module that holds the weights, as ``layers.0``
    path: str
    #: what is called, one after the other, to get from the numbers on the left to these
    stages: tuple[Any, ...]


class _Dense(NamedTuple):
    """A part of a model that connects each input with each output."""

    path: str
    module: Any
    weights: Sequence[Sequence[Any]]
    biases: Sequence[Any] | None
    activation: str


class _Elementwise(NamedTuple):
    """A part that changes each number of a column."""

    module: Any
    name: str


def columns_of(model: Any) -> list[Column]:
    """Read a model as columns, the inputs first.

    Args:
        model: An MLP, Layer, Neuron or Linear, or a Sequential of these, activations, Softmax and Dropout.

    Raises:
        TypeError: It is something else, or has a part that is.
        ValueError: There is no layer in it, or one does not take what the layer before gives.

    >>> [(column.size, column.functions) for column in columns_of(MLP(2, [4, 1], "tanh"))]
    [(2, ()), (4, ('tanh',)), (1, ())]
    """
    if not isinstance(model, Module):
        raise TypeError(
            f"network draws a model of nn, such as nn.MLP(2, [4, 1]), not {type(model).__name__} {model!r:.60}; "
            "draw(value) draws the graph below a Value"
        )
    parts = list(_parts("", model, model))
    first = next((part for part in parts if isinstance(part, _Dense)), None)
    if first is None:
        raise ValueError(f"{head(model)} has no layer of neurons, so that there is nothing to draw")
    columns = [Column(len(first.weights[0]), (), (), None, "", ())]
    for part in parts:
        last = columns[-1]
        if isinstance(part, _Elementwise):
            columns[-1] = last._replace(functions=(*last.functions, part.name), stages=(*last.stages, part.module))
            continue
        for row in part.weights:
            if len(row) != last.size:
                raise ValueError(
                    f"{head(part.module)} takes {len(row)} numbers, and there are {last.size} to its left: the layers "
                    "do not fit one another"
                )
        words = (part.activation,) if part.activation else ()
        columns.append(Column(len(part.weights), words, part.weights, part.biases, part.path, (part.module,)))
    return columns


def values_of(model: Module, columns: Sequence[Column], x: Any) -> list[list[float]]:
    """Return what each neuron gives for one sample, in evaluation mode; nothing is recorded.

    Args:
        model: Whose columns they are.
        columns: As :func:`columns_of` gives them.
        x: A number for each input.

    Raises:
        ValueError: There are not as many numbers as inputs, or they are several samples.
        TypeError: They are no numbers.

    >>> model = MLP(1, [1], seed=0)
    >>> values_of(model, columns_of(model), [0.0])
    [[0.0], [0.0]]
    """
    shape = shape_of(x)
    expected = columns[0].size
    if shape not in ((expected,), () if expected == 1 else (expected,)):
        raise ValueError(
            f"x is one sample, a number for each of the {expected} inputs, and was given with shape {shape}"
            + (": take one of the samples, as in x=X[0]" if len(shape) > 1 and shape[-1] == expected else "")
        )
    numbers: Any = [float(getattr(value, "data", value)) for value in flat(x)]
    values = []
    with training_mode(list(model.modules()), False), no_grad():
        for column in columns:
            for stage in column.stages:
                numbers = stage(numbers)
            numbers = list(flat(numbers))
            values.append([float(getattr(value, "data", value)) for value in numbers])
    return values


def number_of(parameter: Any, what: str) -> float:
    """Return a parameter's number or its gradient; a plain number has the gradient 0.

    >>> number_of(Value(2.0), "weight"), number_of(3, "gradient")
    (2.0, 0.0)
    """
    if isinstance(parameter, Value):
        return parameter.data if what == "weight" else parameter.grad
    return float(parameter) if what == "weight" else 0.0


def greatest(columns: Sequence[Column], what: str) -> float:
    """Return the greatest finite size of all weights and biases, or of their gradients; 0 if all are 0.

    >>> neuron = Neuron(2, None)
    >>> neuron.w, neuron.b = [Value(1.0), Value(-3.0)], Value(0.5)
    >>> greatest(columns_of(neuron), "weight")
    3.0
    """
    sizes = (
        abs(number_of(parameter, what))
        for column in columns
        for group in (*column.weights, column.biases or ())
        for parameter in group
    )
    return max((size for size in sizes if math.isfinite(size)), default=0.0)


def _parts(path: str, module: Any, model: Module) -> Iterator[_Dense | _Elementwise]:
    """Yield the parts of a model in the order in which numbers go through them."""
    if _is_plain(module, Sequential):
        for name, part in module._modules.items():
            yield from _parts(f"{path}.{name}".lstrip("."), part, model)
    elif _is_plain(module, MLP):
        for k, layer in enumerate(module.layers):
            yield from _parts(f"{path}.layers.{k}".lstrip("."), layer, model)
    elif _is_plain(module, Layer) and module.neurons and all(_is_plain(neuron, Neuron) for neuron in module.neurons):
        yield _dense_of_neurons(path, module, module.neurons)
    elif _is_plain(module, Neuron):
        yield _dense_of_neurons(path, module, [module])
    elif _is_plain(module, Linear):
        yield _Dense(path, module, module.weight, module.bias, "")
    elif any(_is_plain(module, kind) for kind in _ELEMENTWISE):
        yield _Elementwise(module, _name(module))
    elif _is_operation(module):
        yield _Elementwise(lambda xs: [module(x) for x in flat(xs)], module.__name__)
    else:
        raise TypeError(_refusal(module, model))


def _is_plain(module: Any, kind: type) -> bool:
    """Whether a module computes what its kind does, also if it is a subclass."""
    if not isinstance(module, kind):
        return False
    return all(getattr(type(module), name) is getattr(kind, name) for name in ("forward", "__call__"))


def _is_operation(function: Any) -> bool:
    """Whether it is an operation of the table that works on one number."""
    name = getattr(function, "__name__", "")
    return name in TABLE and TABLE[name].arity == 1 and getattr(functions, name, None) is function


def _dense_of_neurons(path: str, module: Any, neurons: Sequence[Neuron]) -> _Dense:
    names = list(dict.fromkeys(_called(neuron.activation) for neuron in neurons))
    return _Dense(path, module, [neuron.w for neuron in neurons], [neuron.b for neuron in neurons], ", ".join(names))


def _name(module: Any) -> str:
    if isinstance(module, Dropout):
        return f"dropout {module.p:g}"
    if isinstance(module, Activation):
        return " ".join([_called(module.function), *(f"{argument:g}" for argument in module.arguments)])
    return "log softmax" if isinstance(module, LogSoftmax) else "softmax"


def _called(function: Any) -> str:
    """Return the name of an activation; ``""`` for none."""
    if function is None:
        return ""
    name = str(getattr(function, "__name__", type(function).__name__))
    return "f" if name == "<lambda>" else name


def _refusal(module: Any, model: Module) -> str:
    part = head(module) if isinstance(module, Module) else f"the function {_called(module)}"
    where = "" if module is model else f" of {type(model).__name__}"
    own = next((kind for kind in (MLP, Layer, Neuron, Linear, Sequential) if isinstance(module, kind)), None)
    why = (
        f"has a forward of its own, so that nobody knows whether it is what a {own.__name__} computes"
        if own is not None
        else "is not made of neurons that are connected to all to their left"
    )
    return (
        f"network cannot draw {part}{where}: it {why}. It draws MLP, Layer, Neuron, Linear, and Sequential of these, "
        "activations, Softmax and Dropout. Of any model, draw(loss, names={'model': model}) draws the graph with a "
        "box for each module, and model.summary(x) lists its layers"
    )
