"""How the learning rate changes from epoch to epoch, with PyTorch's names and formulas."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from tinygrad_lite.nn.base.hyperparameters import (
    AT_LEAST_ZERO,
    COUNT,
    POSITIVE_COUNT,
    PROPORTION,
    Check,
    list_of,
    number_in,
)
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.optim.schedule import LRScheduler, checked_optimizer, for_each_group
from tinygrad_lite.operations.operation import Interval


class LambdaLR(LRScheduler):
    """The first learning rate times a function of the epoch.

    Args:
        optimizer: Whose learning rates to change.
        lr_lambda: A function from the epoch, from 0 on, to the factor; or a list of them, one for each group.

    Raises:
        TypeError: ``optimizer`` is none, or a function is none.
        ValueError: There are not as many functions as groups.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> optimizer = SGD([Value(1.0)], lr=0.5)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> scheduler.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]
    ) -> None:
        self.lr_lambdas = for_each_group(checked_optimizer(optimizer), "lr_lambda", lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"lr_lambda is a function of the epoch, not {type(function).__name__} {function!r}")
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        """The first learning rates times the functions of the epoch."""
        return [float(base * f(self.last_epoch)) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """The learning rate times gamma after every ``step_size`` epochs.

    Args:
        optimizer: Whose learning rates to change.
        step_size: The number of epochs.
        gamma: The factor, at least 0.

    Raises:
        TypeError: ``optimizer`` is none, or a number is none.
        ValueError: A number is out of its range.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> scheduler = StepLR(SGD([Value(1.0)], lr=1.0), step_size=2, gamma=0.5)
    >>> for epoch in range(4):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    checks: ClassVar[Mapping[str, Check]] = {"step_size": POSITIVE_COUNT, "gamma": AT_LEAST_ZERO}

    step_size: int
    gamma: float

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        super().__init__(optimizer, step_size=step_size, gamma=gamma)

    def get_lr(self) -> list[float]:
        """The present learning rates, times gamma where it is time."""
        now = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma if now else lr for lr in self.current_lrs()]


class MultiStepLR(LRScheduler):
    """The learning rate times gamma at each of the milestones.

    Args:
        optimizer: Whose learning rates to change.
        milestones: Epochs; one that is there twice counts twice.
        gamma: The factor, at least 0.

    Raises:
        TypeError: ``optimizer`` is none, or a number is none.
        ValueError: A number is out of its range.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> scheduler = MultiStepLR(SGD([Value(1.0)], lr=1.0), milestones=[1, 3], gamma=0.5)
    >>> for epoch in range(4):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    checks: ClassVar[Mapping[str, Check]] = {"milestones": list_of(COUNT), "gamma": AT_LEAST_ZERO}

    milestones: list[int]
    gamma: float

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        super().__init__(optimizer, milestones=milestones, gamma=gamma)

    def get_lr(self) -> list[float]:
        """The present learning rates, times gamma where it is time."""
        factor = self.gamma ** Counter(self.milestones)[self.last_epoch]
        return [lr * factor for lr in self.current_lrs()]


class ExponentialLR(LRScheduler):
    """The learning rate times gamma at every epoch.

    Args:
        optimizer: Whose learning rates to change.
        gamma: The factor, at least 0.

    Raises:
        TypeError: ``optimizer`` is none, or gamma is no number.
        ValueError: Gamma is negative or not finite.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> scheduler = ExponentialLR(SGD([Value(1.0)], lr=1.0), gamma=0.5)
    >>> for epoch in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.125]
    """

    checks: ClassVar[Mapping[str, Check]] = {"gamma": AT_LEAST_ZERO}

    gamma: float

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        super().__init__(optimizer, gamma=gamma)

    def get_lr(self) -> list[float]:
        """The present learning rates times gamma."""
        return [lr * self.gamma if self.last_epoch > 0 else lr for lr in self.current_lrs()]


class LinearLR(LRScheduler):
    """The learning rate times a factor that changes evenly: a warm-up.

    Args:
        optimizer: Whose learning rates to change.
        start_factor: The factor at epoch 0, in (0, 1].
        end_factor: The factor from epoch ``total_iters`` on, in [0, 1].
        total_iters: The number of epochs between the two, at least 1.

    Raises:
        TypeError: ``optimizer`` is none, or a number is none.
        ValueError: A number is out of its range.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> scheduler = LinearLR(SGD([Value(1.0)], lr=1.0), start_factor=0.5, total_iters=4)
    >>> rates = scheduler.get_last_lr()
    >>> for epoch in range(5):
    ...     scheduler.step()
    ...     rates += scheduler.get_last_lr()
    >>> rates
    [0.5, 0.625, 0.75, 0.875, 1.0, 1.0]
    """

    checks: ClassVar[Mapping[str, Check]] = {
        "start_factor": number_in(Interval(0.0, 1.0, open="low")),
        "end_factor": PROPORTION,
        "total_iters": POSITIVE_COUNT,
    }

    start_factor: float
    end_factor: float
    total_iters: int

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        super().__init__(optimizer, start_factor=start_factor, end_factor=end_factor, total_iters=total_iters)

    def get_lr(self) -> list[float]:
        """The present learning rates times the quotient of this epoch's factor and the last one's."""
        epoch = self.last_epoch
        if epoch == 0:
            return [lr * self.start_factor for lr in self.current_lrs()]
        if epoch > self.total_iters:
            return self.current_lrs()
        rise = (self.end_factor - self.start_factor) / self.total_iters
        growth = 1.0 + rise / (self.start_factor + (epoch - 1) * rise)
        return [
            lr * max(growth, 0.0) for lr in self.current_lrs()
        ]  # rounding may take it below 0 at an end_factor of 0


class CosineAnnealingLR(LRScheduler):
    """The learning rate falls along half a cosine, from where it is to ``eta_min`` in ``T_max`` epochs.

    After Loshchilov & Hutter (2017, "SGDR: stochastic gradient descent with warm restarts", equation 5), without the
    restarts: after ``T_max`` epochs it rises again along the cosine, as in PyTorch.

    Args:
        optimizer: Whose learning rates to change.
        T_max: The number of epochs until the minimum, at least 1.
        eta_min: The minimum, at least 0.

    Raises:
        TypeError: ``optimizer`` is none, or a number is none.
        ValueError: A number is out of its range.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> scheduler = CosineAnnealingLR(SGD([Value(1.0)], lr=1.0), T_max=4)
    >>> rates = scheduler.get_last_lr()
    >>> for epoch in range(4):
    ...     scheduler.step()
    ...     rates += scheduler.get_last_lr()
    >>> [round(lr, 3) for lr in rates]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    checks: ClassVar[Mapping[str, Check]] = {"T_max": POSITIVE_COUNT, "eta_min": AT_LEAST_ZERO}

    T_max: int
    eta_min: float

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:  # noqa: N803 (PyTorch's name)
        super().__init__(optimizer, T_max=T_max, eta_min=eta_min)

    def get_lr(self) -> list[float]:
        """What is above the minimum now, times the quotient of this epoch's cosine and the last one's."""
        epoch, lowest = self.last_epoch, self.eta_min
        rates = self.current_lrs()
        if epoch == 0:
            return rates
        if (epoch - 1) % (2 * self.T_max) == self.T_max:  # the last one was 0: the rise begins
            first = 0.5 * (1.0 - math.cos(math.pi / self.T_max))
            return [lr + (base - lowest) * first for lr, base in zip(rates, self.base_lrs, strict=True)]
        growth = self._height(epoch) / self._height(epoch - 1)
        return [lowest + (lr - lowest) * growth for lr in rates]

    def _height(self, epoch: int) -> float:
        return 1.0 + math.cos(math.pi * epoch / self.T_max)
