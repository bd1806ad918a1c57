"""How the learning rate changes from epoch to epoch, with PyTorch's names and formulas.

Each takes the optimiser whose learning rates to change, and raises what :class:`LRScheduler` raises.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from tinygrad_lite.nn.base.hyperparameters import (
    AT_LEAST_ZERO,
    COUNT,
    POSITIVE_COUNT,
    PROPORTION,
    list_of,
    number_in,
)
from tinygrad_lite.nn.optim.schedule import LRScheduler
from tinygrad_lite.operations.operation import Interval


@dataclass(eq=False, repr=False)
class LambdaLR(LRScheduler):
    """The first learning rate times a function of the epoch.

    Args:
        optimizer: Whose learning rates to change.
        lr_lambda: A function from the epoch, from 0 on, to the factor; or a list of them, one for each group.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> optimizer = SGD([Value(1.0)], lr=0.5)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> scheduler.step()
    >>> optimizer.lr
    0.25
    """

    lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]

    per_group = ("lr_lambda",)

    def get_lr(self) -> list[float]:
        """Multiply the first learning rates by the functions of the epoch."""
        functions = self.expand("lr_lambda", self.lr_lambda)
        for function in functions:
            if not callable(function):
                raise TypeError(f"lr_lambda is a function of the epoch, not {type(function).__name__} {function!r}")
        return [
            float(base * function(self.last_epoch)) for base, function in zip(self.base_lrs, functions, strict=True)
        ]


@dataclass(eq=False, repr=False)
class StepLR(LRScheduler):
    """The learning rate times gamma after every ``step_size`` epochs.

    Args:
        optimizer: Whose learning rates to change.
        step_size: The number of epochs.
        gamma: The factor, at least 0.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> scheduler = StepLR(SGD([Value(1.0)], lr=1.0), step_size=2, gamma=0.5)
    >>> for epoch in range(4):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    step_size: int
    gamma: float = 0.1

    checks: ClassVar = {"step_size": POSITIVE_COUNT, "gamma": AT_LEAST_ZERO}

    def growth(self, epoch: int) -> float:
        """Gamma where it is time, else 1."""
        return self.gamma if epoch > 0 and epoch % self.step_size == 0 else 1.0


@dataclass(eq=False, repr=False)
class MultiStepLR(LRScheduler):
    """The learning rate times gamma at each of the milestones.

    Args:
        optimizer: Whose learning rates to change.
        milestones: Epochs; one that is there twice counts twice.
        gamma: The factor, at least 0.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> scheduler = MultiStepLR(SGD([Value(1.0)], lr=1.0), milestones=[1, 3], gamma=0.5)
    >>> for epoch in range(4):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    milestones: Iterable[int]
    gamma: float = 0.1

    checks: ClassVar = {"milestones": list_of(COUNT), "gamma": AT_LEAST_ZERO}

    def growth(self, epoch: int) -> float:
        """Gamma to the power of how often the epoch is a milestone."""
        return self.gamma ** list(self.milestones).count(epoch)


@dataclass(eq=False, repr=False)
class ExponentialLR(LRScheduler):
    """The learning rate times gamma at every epoch.

    Args:
        optimizer: Whose learning rates to change.
        gamma: The factor, at least 0.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> scheduler = ExponentialLR(SGD([Value(1.0)], lr=1.0), gamma=0.5)
    >>> for epoch in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.125]
    """

    gamma: float

    checks: ClassVar = {"gamma": AT_LEAST_ZERO}

    def growth(self, epoch: int) -> float:
        """Gamma, but 1 at the first epoch."""
        return self.gamma if epoch > 0 else 1.0


@dataclass(eq=False, repr=False)
class LinearLR(LRScheduler):
    """The learning rate times a factor that changes evenly: a warm-up.

    Args:
        optimizer: Whose learning rates to change.
        start_factor: The factor at epoch 0, in (0, 1].
        end_factor: The factor from epoch ``total_iters`` on, in [0, 1].
        total_iters: The number of epochs between the two, at least 1.

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

    start_factor: float = 1.0 / 3
    end_factor: float = 1.0
    total_iters: int = 5

    checks: ClassVar = {
        "start_factor": number_in(Interval(0.0, 1.0, open="low")),
        "end_factor": PROPORTION,
        "total_iters": POSITIVE_COUNT,
    }

    def growth(self, epoch: int) -> float:
        """Return the quotient of this epoch's factor and the last one's."""
        if epoch == 0:
            return self.start_factor
        if epoch > self.total_iters:
            return 1.0
        rise = (self.end_factor - self.start_factor) / self.total_iters
        return max(1.0 + rise / (self.start_factor + (epoch - 1) * rise), 0.0)  # below 0 are rounding errors


@dataclass(eq=False, repr=False)
class CosineAnnealingLR(LRScheduler):
    """The learning rate falls along half a cosine, from where it is to ``eta_min`` in ``T_max`` epochs.

    After Loshchilov & Hutter (2017, "SGDR: stochastic gradient descent with warm restarts", equation 5), without the
    restarts: after ``T_max`` epochs it rises again along the cosine, as in PyTorch.

    Args:
        optimizer: Whose learning rates to change.
        T_max: The number of epochs until the minimum, at least 1.
        eta_min: The minimum, at least 0.

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

    T_max: int
    eta_min: float = 0.0

    checks: ClassVar = {"T_max": POSITIVE_COUNT, "eta_min": AT_LEAST_ZERO}

    def get_lr(self) -> list[float]:
        """Multiply what is above the minimum by the quotient of this epoch's cosine and the last one's."""
        epoch, lowest, rates = self.last_epoch, self.eta_min, self.current_lrs()
        if epoch == 0:
            return rates
        if (epoch - 1) % (2 * self.T_max) == self.T_max:  # the last one was 0: the rise begins
            first = 0.5 * (1.0 - math.cos(math.pi / self.T_max))
            return [lr + (base - lowest) * first for lr, base in zip(rates, self.base_lrs, strict=True)]
        now, before = (1.0 + math.cos(math.pi * t / self.T_max) for t in (epoch, epoch - 1))
        return [lowest + (lr - lowest) * (now / before) for lr in rates]


@dataclass(eq=False, repr=False)
class SequentialLR(LRScheduler):
    """Schedules one after the other, such as a warm-up and then a cosine.

    Args:
        optimizer: Whose learning rates to change.
        schedulers: At least one schedule of the same optimiser. Each begins anew, from the first learning rates, when
            its turn comes.
        milestones: The epochs at which the second, the third ... begin, rising.

    Raises:
        TypeError: A schedule is none, or is one that needs a metric.
        ValueError: There are no schedules, or not one milestone less than schedules, or they do not rise, or a schedule
            is of another optimiser.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> optimizer = SGD([Value(1.0)], lr=1.0)
    >>> warm_up, fall = LinearLR(optimizer, 0.5, total_iters=2), CosineAnnealingLR(optimizer, T_max=2)
    >>> scheduler = SequentialLR(optimizer, [warm_up, fall], milestones=[2])
    >>> rates = scheduler.get_last_lr()
    >>> for epoch in range(4):
    ...     scheduler.step()
    ...     rates += scheduler.get_last_lr()
    >>> [round(lr, 3) for lr in rates]
    [0.5, 0.75, 1.0, 0.5, 0.0]
    """

    schedulers: Sequence[LRScheduler]
    milestones: Sequence[int]

    def check_settings(self) -> None:
        """Refuse schedules and milestones that do not make a sequence."""
        self.schedulers = list(self.schedulers)
        self.milestones = list_of(POSITIVE_COUNT)("milestones", self.milestones)
        if not self.schedulers:
            raise ValueError("SequentialLR needs at least one schedule")
        for i, scheduler in enumerate(self.schedulers):
            if not isinstance(scheduler, LRScheduler) or scheduler.needs_metric:
                raise TypeError(
                    f"schedulers[{i}] is a {type(scheduler).__name__}: SequentialLR takes schedules whose step() needs "
                    "no argument"
                )
            if scheduler.optimizer is not self.optimizer:
                raise ValueError(f"schedulers[{i}] is of another optimizer than the one given to SequentialLR")
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"{len(self.schedulers)} schedules need {len(self.schedulers) - 1} milestones, the epochs at which the "
                f"next one begins; there are {len(self.milestones)}"
            )
        if any(a >= b for a, b in pairwise(self.milestones)):
            raise ValueError(f"milestones rise, and {self.milestones} do not")

    def begin(self) -> None:
        """Begin the first schedule, from the first learning rates."""
        self.last_epoch = 0
        self._begin_one(self.schedulers[0])

    def step(self) -> None:
        """Make a step of the schedule whose turn it is, or begin it."""
        turn = bisect_right(self.milestones, self.last_epoch + 1)
        if turn > 0 and self.milestones[turn - 1] == self.last_epoch + 1:
            self._begin_one(self.schedulers[turn])
        else:
            self.schedulers[turn].step()
            self._last_lr = self.current_lrs()
        self.last_epoch += 1

    def _begin_one(self, scheduler: LRScheduler) -> None:
        self.set_lrs(self.base_lrs)
        scheduler.begin()
        self._last_lr = self.current_lrs()

    def state_dict(self) -> dict[str, Any]:
        """Copy the state as :meth:`LRScheduler.state_dict` does, with those of the schedules."""
        return {**super().state_dict(), "schedulers": [scheduler.state_dict() for scheduler in self.schedulers]}

    def check_state(self, state_dict: Any) -> dict[str, Any]:
        """Check a state as :meth:`LRScheduler.check_state` does, with those of the schedules."""
        state = super().check_state(state_dict)
        given = state["schedulers"]
        if not isinstance(given, (list, tuple)) or len(given) != len(self.schedulers):
            raise ValueError(f"the state is of another number of schedules than the {len(self.schedulers)} of this one")
        for scheduler, saved in zip(self.schedulers, given, strict=True):
            scheduler.check_state(saved)
        return state

    def _set(self, attributes: Any) -> None:
        rest = dict(attributes)
        for scheduler, saved in zip(self.schedulers, rest.pop("schedulers", ()), strict=False):
            scheduler.load_state_dict(saved)
        super()._set(rest)
