"""What plots and animations of a training run are made of: gradients and weights, taken down while it runs.

Both are callbacks of ``fit``, and can be called by hand in a loop.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.layers.layers import Neuron
from tinygrad_lite.nn.train.callbacks import Callback
from tinygrad_lite.value import Value


class GradientRecorder(Callback):
    """Takes down the norm of each layer's gradient, √(Σ (∂L/∂w)²) over its parameters.

    Give it to ``fit(..., callbacks=[recorder])``, or call :meth:`record` after each ``backward()``. (In ``fit`` the
    gradients are those of the last batch, clipped if it clips.)

    Args:
        model: Whose layers: the modules that hold parameters themselves or in neurons.
        every: Of so many calls or batches one is taken down.

    Attributes:
        norms: A list of norms by the name of the layer, from the input to the output.
        steps: The number of the call or batch that each was taken after, from 1 on.

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: It has no parameters, or ``every`` is not positive.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> model = MLP(1, [2, 1])
    >>> recorder = GradientRecorder(model)
    >>> model(3.0).backward()
    >>> recorder.record()
    >>> list(recorder.norms), recorder.norms["layers.1"][0] >= 1.0
    (['layers.0', 'layers.1'], True)
    """

    def __init__(self, model: Module, every: int = 1) -> None:
        _check(model, every)
        self.every = every
        self.steps: list[int] = []
        self._layers = _parameters_by_layer(model)
        self.norms: dict[str, list[float]] = {name: [] for name in self._layers}
        self._calls = 0

    def record(self) -> None:
        """Take down the norms of the gradients as they are now."""
        self._calls += 1
        if (self._calls - 1) % self.every:
            return
        self.steps.append(self._calls)
        for name, parameters in self._layers.items():
            self.norms[name].append(math.hypot(*[parameter.grad for parameter in parameters]))

    def on_batch_end(self, run: Any) -> None:
        """Take down the norms after a batch."""
        self.record()

    def state_dict(self) -> dict[str, Any]:
        """Return what it took down."""
        norms = {name: list(column) for name, column in self.norms.items()}
        return {"norms": norms, "steps": list(self.steps), "calls": self._calls}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.norms = {name: list(column) for name, column in state_dict["norms"].items()}
        self.steps, self._calls = list(state_dict["steps"]), state_dict["calls"]

    def __repr__(self) -> str:
        return f"GradientRecorder({len(self.norms)} layers, {len(self.steps)} steps)"


class WeightRecorder(Callback):
    """Takes down a model's weights and its loss, for :func:`~tinygrad_lite.viz.animate_training`.

    Give it to ``fit(..., callbacks=[recorder])``, which makes it take down the first weights and those after each
    epoch; or call :meth:`record` in a loop of yours.

    Args:
        model: Whose weights and buffers.
        every: Of so many epochs or calls one is taken down.

    Attributes:
        model: The model.
        states: Of each time what ``model.state_dict()`` gave.
        losses: The loss of each time; nan where it is not known.
        epochs: Which epoch it was: 0 before the first.

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: It has no parameters, or ``every`` is not positive.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> recorder = WeightRecorder(MLP(2, [3, 1]))
    >>> recorder.record()
    >>> recorder.record(0.25)
    >>> recorder.epochs, recorder.losses
    ([0, 1], [nan, 0.25])
    """

    def __init__(self, model: Module, every: int = 1) -> None:
        _check(model, every)
        self.model = model
        self.every = every
        self.states: list[dict[str, Any]] = []
        self.losses: list[float] = []
        self.epochs: list[int] = []
        self._calls = 0

    def record(self, loss: Value | float = math.nan) -> None:
        """Take down the weights as they are now.

        Args:
            loss: The loss of these weights, or of the epoch that led to them.
        """
        self._calls += 1
        if (self._calls - 1) % self.every:
            return
        self.states.append(copy.deepcopy(self.model.state_dict()))
        self.losses.append(float(loss.data if isinstance(loss, Value) else loss))
        self.epochs.append(self._calls - 1)

    def on_train_begin(self, run: Any) -> None:
        """Take down the first weights."""
        if not self.states:
            self.record()

    def on_epoch_end(self, run: Any) -> None:
        """Take down the weights and the loss of an epoch."""
        self.record(run.logs["loss"])

    def state_dict(self) -> dict[str, Any]:
        """Return what it took down."""
        weights = {str(k): dict(state) for k, state in enumerate(self.states)}
        return {"states": weights, "losses": list(self.losses), "epochs": list(self.epochs), "calls": self._calls}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.states = [dict(state_dict["states"][str(k)]) for k in range(len(state_dict["states"]))]
        self.losses, self.epochs = list(state_dict["losses"]), list(state_dict["epochs"])
        self._calls = state_dict["calls"]

    def __repr__(self) -> str:
        return f"WeightRecorder({len(self.states)} states)"


def _check(model: object, every: object) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"a recorder takes a Module, not {type(model).__name__} {model!r:.60}")
    if not model.parameters():
        raise ValueError(f"{model!r} has no parameters to take down anything of")
    if not isinstance(every, int) or every < 1:
        raise ValueError(f"every is a positive int, not {every!r}")


def _parameters_by_layer(model: Module) -> dict[str, list[Value]]:
    """Return the parameters of each module that is not a neuron, by its name; those of neurons count for their
    layer."""
    layers = {name: module for name, module in model.named_modules() if not isinstance(module, Neuron)}
    found: dict[str, list[Value]] = {}
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        owner = next(path for k in range(len(parts), -1, -1) if (path := ".".join(parts[:k])) in layers or k == 0)
        found.setdefault(owner or type(model).__name__, []).append(parameter)
    return found
