"""What may look on while a model is trained, and end it: early stopping, best weights, and functions of yours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.train.history import History


class Run(Protocol):
    """A training run, as callbacks see it.

    Attributes:
        epoch: The number of this epoch, from 1 on; there are ``epochs``.
        batch: The number of this batch in its epoch, from 1 on; there are ``batches``.
        logs: The numbers of this batch, or after the last one of this epoch: ``"loss"``, ``"val_loss"``, metrics by
            name.
        history: The numbers of the epochs that are done.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    logs: dict[str, float]
    history: History

    @property
    def model(self) -> Module:
        """What is trained."""

    @property
    def optimizer(self) -> Any:
        """What trains it."""

    def stop(self, reason: str) -> None:
        """End the training after this epoch; the reason is kept as ``history.stopped``."""


class Callback:
    """Looks on at a training run: subclass it, and define those of its methods that you want.

    A function of the run will do where only the end of each epoch counts:
    ``callbacks=[lambda run: print(run.epoch, run.logs["loss"])]``.

    >>> class Count(Callback):
    ...     batches = 0
    ...
    ...     def on_batch_end(self, run):
    ...         self.batches += 1
    """

    def on_train_begin(self, run: Run) -> None:
        """Look at the run once, before the first epoch."""

    def on_batch_end(self, run: Run) -> None:
        """Look at the run after each batch, with its numbers in ``run.logs``."""

    def on_epoch_end(self, run: Run) -> None:
        """Look at the run after each epoch and its validation, with their numbers in ``run.logs``."""

    def on_train_end(self, run: Run) -> None:
        """Look at the run once at its end, after an interruption too."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the callback remembers, as plain data, for checkpoints.

        >>> Callback().state_dict()
        {}
        """
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""


class BestWeights(Callback):
    """Gives the model, at the end, the weights of the epoch in which a number was best.

    Args:
        monitor: The name of the number, in ``run.logs``.
        mode: ``"min"`` if less is better, ``"max"`` if more is.
        min_delta: By how much it has to be better, at least 0.

    Attributes:
        best: The best number so far; None before there is one.
        best_epoch: Its epoch.

    Raises:
        ValueError: There is no such mode, or ``min_delta`` is negative.

    >>> BestWeights("val_accuracy", mode="max")
    BestWeights('val_accuracy', mode='max')
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "min", min_delta: float = 0.0) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' (less is better) or 'max', not {mode!r}")
        if not min_delta >= 0.0:
            raise ValueError(f"min_delta is at least 0, not {min_delta!r}")
        self.monitor = monitor
        self.mode = mode
        self.min_delta = min_delta
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.best_epoch = 0
        self._weights: dict[str, Any] = {}

    def on_train_begin(self, run: Run) -> None:
        """Forget other runs."""
        self._forget()

    def on_epoch_end(self, run: Run) -> None:
        """Keep the weights if the number is better than before.

        Raises:
            ValueError: There is no such number.
        """
        if self.monitor not in run.logs:
            raise ValueError(
                f"{type(self).__name__} watches {self.monitor!r}, and there are: {', '.join(run.logs)}. "
                'Give validation_data for "val_loss", or another name as monitor.'
            )
        number = run.logs[self.monitor]
        if self._is_better(number):
            self.best, self.best_epoch = number, run.epoch
            self._weights = run.model.state_dict()

    def on_train_end(self, run: Run) -> None:
        """Give the model the best weights."""
        if self._weights:
            run.model.load_state_dict(self._weights)

    def _is_better(self, number: float) -> bool:
        if math.isnan(number):
            return False
        if self.best is None:
            return True
        return number < self.best - self.min_delta if self.mode == "min" else number > self.best + self.min_delta

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers."""
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": dict(self._weights)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self._weights = dict(state_dict["weights"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.monitor!r}, mode={self.mode!r})"


class EarlyStopping(BestWeights):
    """Ends the training when a number has not become better for a while (Prechelt 1998, "Early stopping, but when?").

    Args:
        monitor: The name of the number, in ``run.logs``.
        patience: For how many epochs it may fail to become better.
        min_delta: By how much it has to be better, at least 0.
        mode: ``"min"`` if less is better, ``"max"`` if more is.
        restore_best_weights: Whether the model gets the weights of the best epoch at the end.

    Raises:
        ValueError: There is no such mode, ``patience`` is not positive, or ``min_delta`` is negative.

    >>> EarlyStopping(patience=5)
    EarlyStopping('val_loss', mode='min', patience=5)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best_weights: bool = True,
    ) -> None:
        if patience < 1:
            raise ValueError(f"patience is at least 1 epoch, not {patience!r}")
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.restore_best_weights = restore_best_weights

    def on_epoch_end(self, run: Run) -> None:
        """End the training if the best epoch is too long ago.

        Raises:
            ValueError: There is no such number.
        """
        super().on_epoch_end(run)
        if run.epoch - self.best_epoch >= self.patience:
            run.stop(
                f"{self.monitor} has not become better since epoch {self.best_epoch}, where it was {self.best}"
                if self.best is not None
                else f"{self.monitor} was NaN in all epochs"
            )

    def on_train_end(self, run: Run) -> None:
        """Give the model the best weights, if wanted."""
        if self.restore_best_weights:
            super().on_train_end(run)

    def __repr__(self) -> str:
        return f"EarlyStopping({self.monitor!r}, mode={self.mode!r}, patience={self.patience})"


class _AtEpochEnd(Callback):
    """A function as a callback."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function

    def on_epoch_end(self, run: Run) -> None:
        self.function(run)


def as_callbacks(callbacks: Any) -> list[Callback]:
    """Callbacks and functions as a list of callbacks.

    Raises:
        TypeError: One is neither.

    >>> as_callbacks([EarlyStopping()])
    [EarlyStopping('val_loss', mode='min', patience=10)]
    """
    given = [callbacks] if isinstance(callbacks, Callback) or callable(callbacks) else list(callbacks)
    for callback in given:
        if isinstance(callback, type) or not (isinstance(callback, Callback) or callable(callback)):
            raise TypeError(
                f"a callback is an instance of Callback, or a function of the run, not {callback!r}"
                + (f": write {callback.__name__}()" if isinstance(callback, type) else "")
            )
    return [callback if isinstance(callback, Callback) else _AtEpochEnd(callback) for callback in given]
