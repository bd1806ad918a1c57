"""Neurons, layers of them, and the multilayer perceptron: micrograd's constructors."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tinygrad_lite import functions
from tinygrad_lite.nary import dot
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.init import Initializer, find_initializer
from tinygrad_lite.nn.base.module import Module, head, is_observed
from tinygrad_lite.nn.base.shapes import as_object_array, check_size, is_number
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.pytree import is_array
from tinygrad_lite.value import Value, operand

#: The name of an operation of the table that works on one number, a function from Value to Value, or None for none.
#: ``True`` and ``False`` are micrograd's ``nonlin``: relu or none.
Activation = str | Callable[[Value], Value] | bool | None


class Neuron(Module):
    """activation(w₁x₁ + … + wₙxₙ + b), recorded as one ``dot`` node and one node of the activation.

    The weights begin uniform in ±g·√(3/n), of variance g²/n, and the bias at 0. The gain g makes up for the
    activation: 1/g² is the mean of activation(z)² over standard normal z. That is the scheme of LeCun et al. (1998,
    "Efficient BackProp", section 4.6) with g = 1 for no activation, and of He et al. (2015, "Delving deep into
    rectifiers", section 2.2) with g = √2 for relu; for tanh it gives 1.59, where PyTorch's ``calculate_gain`` has 5/3.

    Args:
        nin: The number n of inputs.
        activation: The name of any operation of the table that works on one number, such as ``"tanh"``; a function
            from Value to Value; or None.
        generator: What the weights are drawn from: a ``random.Random``, an int that seeds one, or None for a new one,
            different each time unless :func:`tinygrad_lite.nn.seed` or ``random.seed`` was called.
        nonlin: micrograd's name for the choice between relu (True) and None (False).

    Attributes:
        w: The weights, a tuple of n Values. (It is shared with the graph's nodes, hence no list. ``neuron.w[0].data``
            may be set, ``neuron.w`` replaced, and ``neuron.w + [neuron.b]`` is a list, as in micrograd.)
        b: The bias, a Value.
        activation: The function, or None.
        nonlin: micrograd's name for whether there is one; set, it is relu (True) or none (False).

    Raises:
        ValueError: There is no such activation, or ``nin`` is not positive.

    >>> neuron = Neuron(2, "tanh", generator=0)
    >>> neuron
    Neuron(2, activation='tanh'): 3 parameters
    >>> -1 < neuron([1.0, -2.0]).data < 1
    True
    """

    is_unit = True
    __slots__ = ("_w", "b", "activation")  # noqa: RUF023 (the order of the parameters: w, then b)

    def __init__(
        self,
        nin: int,
        activation: Activation = "relu",
        generator: Generator = None,
        *,
        nonlin: bool | None = None,
    ) -> None:
        check_size("nin", nin)
        self.activation = find_activation(activation if nonlin is None else nonlin)
        bound = _gain(self.activation) * math.sqrt(3.0 / nin)
        rng = as_generator(generator)
        self.w: Sequence[Value] = tuple([Value(rng.uniform(-bound, bound)) for _ in range(nin)])
        self.b = Value(0.0)

    @property
    def w(self) -> Sequence[Value]:
        """The weights."""
        return Weights(self._w) if type(self._w) is tuple else self._w

    @w.setter
    def w(self, w: Sequence[Value]) -> None:
        self._w = tuple(w) if isinstance(w, Weights) else w

    @property
    def nonlin(self) -> bool:
        """micrograd's name for whether there is an activation."""
        return self.activation is not None

    @nonlin.setter
    def nonlin(self, nonlin: bool) -> None:
        self.activation = find_activation(bool(nonlin))

    def forward(self, x: Sequence[Value | float]) -> Value:
        """Compute the neuron's output.

        Args:
            x: n Values and numbers.

        Raises:
            ValueError: There are not n of them.
            AttributeError: The ``__init__`` of a subclass has not set all that it takes.
        """
        try:
            f = self.activation
            return dot(self._w, x, self.b) if f is None else f(dot(self._w, x, self.b))
        except ValueError:
            _check_inputs(self, len(self._w), len(x))
            raise
        except AttributeError:
            _check_attributes(self)
            raise

    def extra_repr(self) -> str:
        """Show its number of inputs and its activation."""
        return _described(self, [])


class Weights(tuple[Value, ...]):
    """The weights of a neuron: a tuple to which a list can be added, as to the list that they are in micrograd.

    >>> neuron = Neuron(2)
    >>> len(neuron.w + [neuron.b])
    3
    """

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return [*self, *other] if isinstance(other, list) else tuple(self) + other

    def __radd__(self, other: Any) -> Any:
        return [*other, *self] if isinstance(other, list) else other + tuple(self)


class Layer(Module):
    """Neurons side by side, all with the same inputs.

    Args:
        nin: The number of inputs.
        nout: The number of neurons.
        activation: Of each of them, as in :class:`Neuron`.
        generator: What the weights are drawn from, as in :class:`Neuron`.
        nonlin: micrograd's name for the choice between relu (True) and None (False).
        init: Another initialiser for the matrix of all weights: a name such as ``"xavier_uniform"``, or a function as
            in :mod:`tinygrad_lite.nn.base.init`.

    Attributes:
        neurons: A list of ``nout`` neurons.

    Raises:
        ValueError: There is no such activation, or a size is not positive.

    >>> layer = Layer(2, 3, "tanh")
    >>> len(layer([1.0, -2.0]))
    3
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        activation: Activation = "relu",
        generator: Generator = None,
        *,
        nonlin: bool | None = None,
        init: Initializer | str | None = None,
    ) -> None:
        check_size("nout", nout)
        initializer = None if init is None else find_initializer(init)
        rng = as_generator(generator)
        self.neurons = [Neuron(nin, activation, rng, nonlin=nonlin) for _ in range(nout)]
        if initializer is not None:
            initializer([neuron.w for neuron in self.neurons], generator=rng)

    def forward(self, x: Sequence[Value | float] | Value | float) -> Any:
        """Compute the outputs of all neurons.

        Args:
            x: nin Values and numbers; where nin is 1, that number will do. Or a list or array of these, one a sample.

        Returns:
            A list of nout Values; where nout is 1, that Value itself, as in micrograd. A list of these for samples (an
            object array for an array).

        Raises:
            ValueError: There are not nin of them.
            TypeError: One of them is no number.
        """
        if _is_batch(x):
            return _of_samples(self, x)
        out = self.outputs(_values(x))
        return out[0] if len(out) == 1 else list(out)

    def outputs(self, xs: tuple[Value, ...]) -> tuple[Value, ...]:
        """``forward`` for those who have a tuple of Values and want one, as the next layer does.

        Args:
            xs: nin Values.

        Returns:
            nout Values.

        Raises:
            ValueError: There are not nin of them.
        """
        out = []
        try:
            for neuron in self.neurons:
                # (A comprehension is slower here, by 4 % of a step.) A subclass may have a __call__ of its own.
                out.append(neuron.forward(xs) if type(neuron) is Neuron else neuron(xs))  # noqa: PERF401
        except ValueError:
            if type(self.neurons[0]) is Neuron:
                _check_inputs(self, len(self.neurons[0].w), len(xs))
            raise
        return tuple(out)

    def extra_repr(self) -> str:
        """Show its sizes and its activation."""
        return _described(self.neurons[0], [str(len(self.neurons))]) if self.neurons else "0"


class MLP(Module):
    """Multilayer perceptron: layers one after the other, the last one without activation.

    Args:
        nin: The number of inputs.
        nouts: The number of neurons of each layer, ``[16, 16, 1]``.
        activation: Of all layers but the last, as in :class:`Neuron`.
        seed: What the weights depend on, and nothing else: two models made with the same arguments are equal. Without
            it and ``generator`` they differ each time, unless :func:`tinygrad_lite.nn.seed` or ``random.seed`` was
            called.
        generator: Draw the weights from this instead.
        init: Another initialiser for the weights of each layer, as in :class:`Layer`.

    Attributes:
        layers: A list of the layers.

    Raises:
        ValueError: There is no such activation, no layer, or a size is not positive.
        TypeError: The sizes are no sequence of whole numbers.

    >>> model = MLP(2, [16, 16, 1])
    >>> model
    MLP(2, [16, 16, 1], activation='relu'): 337 parameters
    >>> score = model([1.0, -2.0])
    >>> score.backward()
    >>> for p in model.parameters():
    ...     p.data -= 0.01 * p.grad
    >>> model.zero_grad()
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        activation: Activation = "relu",
        seed: int | None = None,
        generator: Generator = None,
        *,
        init: Initializer | str | None = None,
    ) -> None:
        if not isinstance(nouts, Iterable):
            raise TypeError(f"nouts are the sizes of all layers, as in MLP(2, [16, 16, 1]), not {nouts!r:.80}")
        sizes = [nin, *nouts]
        if len(sizes) == 1:
            raise ValueError("an MLP has at least one layer: MLP(2, [16, 16, 1]) has three")
        rng = as_generator(seed if generator is None else generator)
        last = len(sizes) - 2
        self.layers = [
            Layer(sizes[i], sizes[i + 1], activation if i < last else None, rng, init=init) for i in range(last + 1)
        ]

    def forward(self, x: Sequence[Value | float] | Value | float) -> Any:
        """Compute the outputs of the last layer.

        Args:
            x: nin Values and numbers; where nin is 1, that number will do. Or a list or array of these, one a sample.

        Returns:
            A list of as many Values as the last layer has neurons; where it has one, that Value itself. A list of these
            for samples (an object array for an array).

        Raises:
            ValueError: There are not nin of them.
            TypeError: One of them is no number.
        """
        if _is_batch(x):
            return _of_samples(self, x)
        xs = _values(x)
        shortcut = not is_observed()
        for layer in self.layers:
            xs = layer.outputs(xs) if shortcut and type(layer) is Layer else _values(layer(xs))
        return xs[0] if len(xs) == 1 else list(xs)

    def extra_repr(self) -> str:
        """Show its sizes and its activation."""
        layers = [layer for layer in self.layers if getattr(layer, "neurons", None)]
        if not layers or len(layers) < len(self.layers):  # some of them are layers of the user's own
            return super().extra_repr()
        return _described(layers[0].neurons[0], [str([len(layer.neurons) for layer in layers])])


def find_activation(activation: Activation) -> Callable[[Value], Value] | None:
    """Return the function that an activation's name stands for.

    Raises:
        ValueError: No operation of the table has this name and works on one number.

    >>> find_activation("tanh")(0.0)
    0.0
    """
    if isinstance(activation, bool):
        return functions.relu if activation else None
    if activation is None or callable(activation):
        return activation
    op = TABLE.get(activation)
    if op is None or not op.public or op.arity == NARY or op.arity - len(op.defaults) != 1:
        names = [name for name, op in TABLE.items() if op.public and op.arity - len(op.defaults) == 1]
        near = difflib.get_close_matches(str(activation), names, n=3)
        raise ValueError(
            f"no operation on one number is named {activation!r}; "
            + (f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}")
        )
    function: Callable[[Value], Value] = getattr(functions, activation)
    return function


def _is_batch(x: Any) -> bool:
    """Tell whether it is a list, tuple or array of samples, not of numbers."""
    if is_array(x):
        return bool(x.ndim > 1)
    return isinstance(x, (list, tuple)) and len(x) > 0 and not is_number(x[0])


def _of_samples(module: Module, samples: Any) -> Any:
    outputs = [module.forward(sample) for sample in samples]
    return as_object_array(outputs) if is_array(samples) else outputs


def _values(x: Any) -> tuple[Value, ...]:
    """Return inputs as a tuple of Values: made once a layer, and shared by the nodes of all its neurons."""
    xs = (x,) if isinstance(x, (Value, float, int)) else tuple(x)
    for item in xs:
        if type(item) is not Value:
            return tuple([operand(item) for item in xs])
    return xs


def _gain(activation: Callable[[Value], Value] | None) -> float:
    """1/√(mean of activation(z)² over standard normal z), by the trapezoidal rule; 1 where that does not exist."""
    if activation is None:
        return 1.0
    total = 0.0
    try:
        for i in range(-64, 65):
            z = i / 8
            total += activation(Value(z)).data ** 2 * math.exp(-0.5 * z * z)
    except (ArithmeticError, ValueError):
        return 1.0
    mean = total / (8 * math.sqrt(2 * math.pi))
    return 1.0 / math.sqrt(mean) if 0.0 < mean < math.inf else 1.0


def _check_inputs(module: Module, expected: int, given: int) -> None:
    if expected != given:
        noun = "input" if expected == 1 else "inputs"
        raise ValueError(f"{head(module)} takes {expected} {noun}, and was given {given}") from None


def _described(neuron: Any, sizes: list[str]) -> str:
    """Return what a neuron and all of its kind were made with; a subclass may lack what its own ``__init__`` does not
    set."""
    inputs = [str(len(neuron.w))] if hasattr(neuron, "w") else []
    activation = [f"activation={_name(neuron.activation)}"] if hasattr(neuron, "activation") else []
    return ", ".join([*inputs, *sizes, *activation])


def _check_attributes(neuron: Neuron) -> None:
    """Raise if the ``__init__`` of a subclass has left something unset."""
    remedies = {
        "w": "self.w = [Value(...) for _ in range(nin)]",
        "b": "self.b = Value(0.0)",
        "activation": "self.nonlin = True for relu, False for none",
    }
    for name, remedy in remedies.items():
        if not hasattr(neuron, name):
            kind = type(neuron).__name__
            raise AttributeError(
                f"this {kind} has no {name}, as its __init__ sets none: call super().__init__(nin) in it, or write "
                f"{remedy}. Or give {kind} a forward(self, x) of its own",
                name=name,
                obj=neuron,
            ) from None


def _name(activation: Callable[[Value], Value] | None) -> str:
    return "None" if activation is None else repr(getattr(activation, "__name__", type(activation).__name__))
