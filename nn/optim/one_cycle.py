"""One cycle: the learning rate rises and falls once, and the momentum the other way round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from tinygrad_lite.nn.base.hyperparameters import (
    ABOVE_ZERO,
    FRACTION,
    POSITIVE_COUNT,
    PROPORTION,
    boolean,
    one_of,
    one_or_list_of,
)
from tinygrad_lite.nn.optim.schedule import LRScheduler


@dataclass(eq=False, repr=False)
class OneCycleLR(LRScheduler):
    """The learning rate rises to ``max_lr`` and falls to almost nothing, in steps of a batch each.

    The momentum, or the first beta, falls while the learning rate rises, and rises while it falls. After Smith & Topin
    (2018, "Super-convergence: very fast training of neural networks using large learning rates"); their third phase
    is there with ``three_phase``.

    Args:
        optimizer: Whose learning rates to change.
        max_lr: The greatest learning rate: a number, or a list of one for each group.
        total_steps: The number of steps of the whole cycle; if left out, ``epochs * steps_per_epoch``.
        epochs: The number of epochs.
        steps_per_epoch: The number of batches in each.
        pct_start: The share of the steps in which it rises, in [0, 1].
        anneal_strategy: ``"cos"``, along half a cosine, or ``"linear"``.
        cycle_momentum: Whether to change the momentum, or the first beta.
        base_momentum: The least momentum, in [0, 1): a number, or a list of one for each group.
        max_momentum: The greatest.
        div_factor: It begins at ``max_lr / div_factor``,
        final_div_factor: and ends at that over ``final_div_factor``.
        three_phase: Whether it falls as it has risen first, and to the end only then.

    Raises:
        ValueError: The number of steps is not given, or the optimiser has neither momentum nor betas.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> optimizer = SGD([Value(1.0)], lr=0.1, momentum=0.9)
    >>> scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> rates = scheduler.get_last_lr()
    >>> for step in range(9):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     rates += scheduler.get_last_lr()
    >>> [round(lr, 2) for lr in rates]
    [0.04, 0.52, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05, 0.0]
    """

    max_lr: float | Sequence[float]
    total_steps: int | None = None
    epochs: int | None = None
    steps_per_epoch: int | None = None
    pct_start: float = 0.3
    anneal_strategy: str = "cos"
    cycle_momentum: bool = True
    base_momentum: float | Sequence[float] = 0.85
    max_momentum: float | Sequence[float] = 0.95
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    per_group = ("max_lr", "base_momentum", "max_momentum")
    checks: ClassVar = {
        "max_lr": one_or_list_of(ABOVE_ZERO),
        "total_steps": POSITIVE_COUNT,
        "pct_start": PROPORTION,
        "anneal_strategy": one_of("cos", "linear"),
        "cycle_momentum": boolean,
        "base_momentum": one_or_list_of(FRACTION),
        "max_momentum": one_or_list_of(FRACTION),
        "div_factor": ABOVE_ZERO,
        "final_div_factor": ABOVE_ZERO,
        "three_phase": boolean,
    }

    def __post_init__(self) -> None:
        if self.total_steps is None:
            if self.epochs is None or self.steps_per_epoch is None:
                raise ValueError("give OneCycleLR total_steps, or both epochs and steps_per_epoch")
            batches = POSITIVE_COUNT("steps_per_epoch", self.steps_per_epoch)
            self.total_steps = POSITIVE_COUNT("epochs", self.epochs) * batches
        super().__post_init__()

    def check_settings(self) -> None:
        """Refuse an optimiser that has no momentum to change."""
        if self.cycle_momentum and not {"momentum", "betas"} & self.optimizer.defaults.keys():
            raise ValueError(
                f"{type(self.optimizer).__name__} has neither momentum nor betas: give OneCycleLR cycle_momentum=False"
            )

    def begin(self) -> None:
        """Set the learning rates and momenta of step 0."""
        self.base_lrs = [lr / self.div_factor for lr in self.expand("max_lr", self.max_lr)]
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["initial_lr"] = lr
        super().begin()

    def get_lr(self) -> list[float]:
        """Compute the learning rates of step ``last_epoch``.

        Raises:
            ValueError: The cycle is over.
        """
        if self.last_epoch > self._steps:
            raise ValueError(f"the cycle is over: OneCycleLR was made for {self._steps} steps")
        return [
            self._at_step(first, greatest, first / self.final_div_factor)
            for first, greatest in zip(self.base_lrs, self.expand("max_lr", self.max_lr), strict=True)
        ]

    def set_lrs(self, rates: Sequence[float]) -> None:
        """Give each group its learning rate, and its momentum."""
        super().set_lrs(rates)
        self._set_momenta()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state as :meth:`LRScheduler.load_state_dict` does, and set the momenta of then."""
        super().load_state_dict(state_dict)
        self._set_momenta()

    def _set_momenta(self) -> None:
        low, high = (self.expand(name, getattr(self, name)) for name in ("base_momentum", "max_momentum"))
        for group, least, greatest in zip(self.optimizer.param_groups, low, high, strict=True):
            if self.cycle_momentum:
                set_momentum(group, self._at_step(greatest, least, greatest))

    @property
    def _steps(self) -> int:
        return cast(int, self.total_steps)

    def _at_step(self, first: float, middle: float, last: float) -> float:
        """Find where what runs through these three is at the present step."""
        top, end = self.pct_start * self._steps - 1.0, self._steps - 1.0
        if self.three_phase:
            phases = [(top, first, middle), (2.0 * top, middle, first), (end, first, last)]
        else:
            phases = [(top, first, middle), (end, middle, last)]
        begin = 0.0
        while len(phases) > 1 and self.last_epoch > phases[0][0]:
            begin = phases.pop(0)[0]
        until, start, goal = phases[0]
        share = min((self.last_epoch - begin) / (until - begin), 1.0) if until > begin else 1.0
        if self.anneal_strategy == "linear":
            return start + (goal - start) * share
        return goal + (start - goal) * 0.5 * (1.0 + math.cos(math.pi * share))


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Set the first beta of a group, or its momentum.

    >>> group = {"betas": (0.9, 0.999)}
    >>> set_momentum(group, 0.5)
    >>> group
    {'betas': (0.5, 0.999)}
    """
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
