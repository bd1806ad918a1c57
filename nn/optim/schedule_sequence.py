"""Schedules of the learning rate one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_lite.nn.base.hyperparameters import POSITIVE_COUNT
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.optim.schedule import LRScheduler, checked_optimizer


class SequentialLR(LRScheduler):
    """Schedules one after the other, such as a warm-up and then a cosine.

    Args:
        optimizer: Whose learning rates to change.
        schedulers: At least one schedule of the same optimiser. Each begins anew, from the first learning rates, when
            its turn comes.
        milestones: The epochs at which the second, the third ... begin, rising.

    Raises:
        TypeError: ``optimizer`` is none, or a schedule is none, or is one that needs a metric.
        ValueError: There are no schedules, or not one milestone less than schedules, or they do not rise, or a schedule
            is of another optimiser.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.nn.optim.schedules import CosineAnnealingLR, LinearLR
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

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        checked_optimizer(optimizer)
        self.schedulers = list(schedulers)
        self.milestones: list[int] = [POSITIVE_COUNT("each of milestones", epoch) for epoch in milestones]
        if not self.schedulers:
            raise ValueError("SequentialLR needs at least one schedule")
        for i, scheduler in enumerate(self.schedulers):
            if not isinstance(scheduler, LRScheduler) or scheduler.needs_metric:
                raise TypeError(
                    f"schedulers[{i}] is a {type(scheduler).__name__}: SequentialLR takes schedules whose step() needs "
                    "no argument"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"schedulers[{i}] is of another optimizer than the one given to SequentialLR")
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"{len(self.schedulers)} schedules need {len(self.schedulers) - 1} milestones, the epochs at which the "
                f"next one begins; there are {len(self.milestones)}"
            )
        if any(a >= b for a, b in zip(self.milestones, self.milestones[1:], strict=False)):
            raise ValueError(f"milestones rise, and {self.milestones} do not")
        super().__init__(optimizer)

    def begin(self) -> None:
        """Begins the first schedule, from the first learning rates."""
        self.last_epoch = 0
        self._begin_one(self.schedulers[0])

    def step(self) -> None:
        """Makes a step of the schedule whose turn it is, or begins it."""
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
        """As :meth:`LRScheduler.state_dict`, with those of the schedules."""
        return {**super().state_dict(), "schedulers": [scheduler.state_dict() for scheduler in self.schedulers]}

    def check_state(self, state_dict: Any) -> None:
        """As :meth:`LRScheduler.check_state`, for the schedules too."""
        super().check_state(state_dict)
        given = state_dict["schedulers"]
        if not isinstance(given, (list, tuple)) or len(given) != len(self.schedulers):
            raise ValueError(f"the state is of another number of schedules than the {len(self.schedulers)} of this one")
        for scheduler, saved in zip(self.schedulers, given, strict=True):
            scheduler.check_state(saved)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As :meth:`LRScheduler.load_state_dict`, for the schedules too."""
        self.check_state(state_dict)
        for scheduler, saved in zip(self.schedulers, state_dict["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        super().load_state_dict(state_dict)
