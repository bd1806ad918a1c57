"""Training stops where a number is infinite or NaN: what says so, which layer made it, and the weights before it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

from tinygrad_lite.modes import no_grad
from tinygrad_lite.nn.base.batches import iterate_numbers
from tinygrad_lite.nn.base.module import Module, head, observing
from tinygrad_lite.nn.layers.layers import Neuron
from tinygrad_lite.nn.train.history import History


class NonFiniteError(ArithmeticError):
    """A loss, a gradient or a weight is infinite or NaN. The model has the last weights whose loss was finite.

    Attributes:
        epoch: In which epoch, from 1 on.
        batch: In which batch of it, from 1 on; None in the validation.
        layer: The name of the first module where it showed, as ``model.named_modules()`` has it; None if no module is
            to blame.
        history: The epochs that were done.
    """

    def __init__(self, message: str, layer: str | None = None) -> None:
        super().__init__(message)
        self.layer = layer
        self.epoch = 0
        self.batch: int | None = None
        self.history = History()

    def place(self, epoch: int, batch: int | None, history: History) -> None:
        """Say where in the training it was."""
        self.epoch, self.batch, self.history = epoch, batch, history
        where = "validation" if batch is None else f"batch {batch}"
        what = str(self.args[0]).rstrip(".")
        self.args = (
            f"epoch {epoch}, {where}: {what}. The model has the last weights whose loss was finite. What may help: a "
            "smaller lr, clip_grad_norm=1.0, inputs scaled to about 1.",
        )


class LastGood:
    """The last weights and buffers of a model that are known to be good.

    Attributes:
        parameters: Those of the model.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> model = MLP(1, [1])
    >>> good = LastGood(model)
    >>> model.parameters()[1].data = math.inf
    >>> good.check_weights()
    Traceback (most recent call last):
    ...
    tinygrad_lite.nn.train.nonfinite.NonFiniteError: the step made layers.0.neurons.0.b, in layers.0 (Layer(1, 1, ...
    >>> good.restore()
    >>> model.parameters()[1].data
    0.0
    """

    def __init__(self, model: Module) -> None:
        self._model = model
        self.parameters = model.parameters()
        self._buffers = [(module, name) for module in model.modules() for name in getattr(module, "_buffers", ())]
        self._good = self.look()

    def look(self) -> tuple[list[float], list[Any]]:
        """Return the present numbers of parameters and buffers, which are not known to be good yet."""
        return (
            [parameter._number for parameter in self.parameters],
            [copy.deepcopy(getattr(module, name)) for module, name in self._buffers],
        )

    def confirm(self, seen: tuple[list[float], list[Any]]) -> None:
        """Keep what :meth:`look` gave, which is good."""
        self._good = seen

    def restore(self) -> None:
        """Put the last good state back."""
        numbers, contents = self._good
        for parameter, number in zip(self.parameters, numbers, strict=True):
            parameter.data = number
        for (module, name), content in zip(self._buffers, contents, strict=True):
            setattr(module, name, copy.deepcopy(content))

    def check_gradients(self) -> None:
        """Raise unless the gradients of all parameters are finite.

        Raises:
            NonFiniteError: The layer that it names is that nearest to the output, where backpropagation came first.
        """
        if all_finite([parameter._grad for parameter in self.parameters]):
            return
        model = self._model
        bad = [(name, p.grad) for name, p in model.named_parameters() if not math.isfinite(p.grad)]
        name, gradient = bad[-1]
        more = f", and {len(bad) - 1:,} more are not finite" if len(bad) > 1 else ""
        layer = _layer_of(model, name)
        raise NonFiniteError(
            f"the loss is finite, and its gradient is not: that of {name}, in {_named(model, layer)}, is "
            f"{gradient}{more} (inside tinygrad_lite.detect_anomaly(), backward() names the operation)",
            layer,
        )

    def check_weights(self) -> None:
        """Raise unless all parameters are finite.

        Raises:
            NonFiniteError: With the first one that is not, and its layer.
        """
        if all_finite([parameter._number for parameter in self.parameters]):
            return
        model = self._model
        name, number = next((name, p.data) for name, p in model.named_parameters() if not math.isfinite(p.data))
        layer = _layer_of(model, name)
        raise NonFiniteError(f"the step made {name}, in {_named(model, layer)}, {number} out of a finite number", layer)


def all_finite(numbers: list[float]) -> bool:
    """Tell whether none is infinite or NaN.

    >>> all_finite([1e308, 1e308]), all_finite([1.0, math.nan])
    (True, False)
    """
    return math.isfinite(sum(numbers)) or all(map(math.isfinite, numbers))


class Cause(NamedTuple):
    """What made a loss that is not finite."""

    #: As a clause: ``"for layers.0 (...) is the first layer to give such a number"``.
    clause: str
    #: The layer that is to blame, if one is.
    layer: str | None
    #: Whether it is the loss function, since everything before it is finite.
    is_loss: bool = False


def find_cause(model: Module, inputs: list[Any], run_again: Callable[[], Any]) -> Cause:
    """Find the first thing in the way from the inputs to the loss that is infinite or NaN.

    Args:
        model: As it was when the loss was computed.
        inputs: Of the batch.
        run_again: Computes the loss once more.
    """
    for i, x in enumerate(inputs):
        for place, number in iterate_numbers(x):
            if not math.isfinite(number):
                return Cause(f"for sample {i} of the batch has the input x{place} = {number}", None)
    for name, parameter in model.named_parameters():
        if not math.isfinite(parameter.data):
            layer = _layer_of(model, name)
            return Cause(f"for {name}, in {_named(model, layer)}, is {parameter.data}", layer)
    return _cause_in_outputs(model, run_again)


def make_forward_error(model: Module, error: ArithmeticError) -> NonFiniteError:
    """Return the error for one that an operation raised, as its result was beyond the floats."""
    layer = _layer_in(model, error.__traceback__)
    where = "the loss function" if layer is None else _named(model, layer)
    return NonFiniteError(f"{where} raised {type(error).__name__}: {error}", layer)


def _cause_in_outputs(model: Module, run_again: Callable[[], Any]) -> Cause:
    """Return the innermost module with such an output (a module is done after those within); else the greatest
    output."""
    names = {id(module): name for name, module in _layers(model)}
    broken: list[tuple[str, float]] = []
    greatest = ("", 0.0)

    def look(module: Module, output: Any) -> None:
        nonlocal greatest
        name = names.get(id(module))
        if name is None or broken:
            return
        for _, number in iterate_numbers(output):
            if not math.isfinite(number):
                broken.append((name, number))
                return
            if abs(number) > greatest[1]:
                greatest = (name, abs(number))

    with no_grad(), observing(look), suppress(ArithmeticError, ValueError):
        run_again()
    if broken:
        name, number = broken[0]
        return Cause(f"for {_named(model, name)} is the first layer to give such a number, {number}", name)
    name, number = greatest
    return Cause(
        "though the outputs of all layers are finite: the loss function made it of outputs up to "
        f"{number:.3g}, that of {_named(model, name)}",
        None,
        is_loss=True,
    )


def _layer_in(model: Module, traceback: TracebackType | None) -> str | None:
    """Return the name of the innermost layer whose method was running."""
    names = {id(module): name for name, module in _layers(model)}
    layer = None
    while traceback is not None:
        layer = names.get(id(traceback.tb_frame.f_locals.get("self")), layer)
        traceback = traceback.tb_next
    return layer


def _layers(model: Module) -> list[tuple[str, Module]]:
    """Return its modules by name. Neurons are too small to be blamed: their layer is."""
    return [(name, module) for name, module in model.named_modules() if not (name and isinstance(module, Neuron))]


def _layer_of(model: Module, parameter: str) -> str:
    """Return the name of the innermost layer that a parameter is in."""
    return max((name for name, _ in _layers(model) if not name or parameter.startswith(f"{name}.")), key=len)


def _named(model: Module, layer: str) -> str:
    module = dict(_layers(model))[layer]
    return f"{layer} ({head(module)})" if layer else head(module)
