"""A learning rate that falls when the loss does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tinygrad_lite.nn.base.hyperparameters import (
    AT_LEAST_ZERO,
    COUNT,
    FRACTION,
    as_float,
    one_of,
    one_or_list_of,
)
from tinygrad_lite.nn.optim.schedule import LRScheduler
from tinygrad_lite.value import Value


@dataclass(eq=False, repr=False)
class ReduceLROnPlateau(LRScheduler):
    """The learning rate times ``factor`` whenever a metric has not improved for more than ``patience`` epochs.

    Args:
        optimizer: Whose learning rates to change.
        mode: Whether a smaller metric is better, ``"min"``, or a greater one, ``"max"``.
        factor: In [0, 1).
        patience: The number of epochs without improvement that are let pass.
        threshold: The least improvement that counts, at least 0.
        threshold_mode: ``"rel"``, relative to the best metric so far, or ``"abs"``.
        cooldown: The number of epochs after a reduction in which none is counted as bad.
        min_lr: The learning rate is not reduced below it; a number, or a list of one for each group.
        eps: A reduction by no more than this is left undone.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> optimizer = SGD([Value(1.0)], lr=1.0)
    >>> scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     scheduler.step(loss)
    >>> optimizer.lr
    0.5
    """

    mode: str = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    min_lr: float | Sequence[float] = 0.0
    eps: float = 1e-8
    best: float = field(init=False)
    num_bad_epochs: int = field(init=False, default=0)
    cooldown_counter: int = field(init=False, default=0)

    needs_metric = True
    per_group = ("min_lr",)
    checks: ClassVar = {
        "mode": one_of("min", "max"),
        "factor": FRACTION,
        "patience": COUNT,
        "threshold": AT_LEAST_ZERO,
        "threshold_mode": one_of("rel", "abs"),
        "cooldown": COUNT,
        "min_lr": one_or_list_of(AT_LEAST_ZERO),
        "eps": AT_LEAST_ZERO,
        "best": as_float,
        "num_bad_epochs": COUNT,
        "cooldown_counter": COUNT,
    }

    def __post_init__(self) -> None:
        self.best = -math.inf if self.mode == "max" else math.inf
        super().__post_init__()

    def begin(self) -> None:
        """Leave the learning rates as they are."""
        self.last_epoch = 0
        self.set_lrs(self.current_lrs())

    def step(self, metrics: float | Value) -> None:  # type: ignore[override]  # PyTorch's: it needs the metric
        """Look at the metric of an epoch, and reduce the learning rates if it is time.

        Args:
            metrics: The loss, say: a number, or a Value.

        Raises:
            TypeError: It is no number.
        """
        metric = metrics.data if isinstance(metrics, Value) else as_float("metrics", metrics)
        self.last_epoch += 1
        if self._is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self.current_lrs()
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
            for i, (lr, least) in enumerate(zip(rates, self.expand("min_lr", self.min_lr), strict=True)):
                reduced = max(lr * self.factor, least)
                if lr - reduced > self.eps:
                    rates[i] = reduced
        self.set_lrs(rates)

    def _is_better(self, metric: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            return sign * metric > sign * (self.best * (1.0 + sign * self.threshold))
        return sign * metric > sign * self.best + self.threshold
