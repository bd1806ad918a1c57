"""One cycle: the learning rate rises and falls once, and the momentum the other way round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tinygrad_lite.nn.base.hyperparameters import (
    ABOVE_ZERO,
    FRACTION,
    POSITIVE_COUNT,
    PROPORTION,
    Check,
    boolean,
    list_of,
    one_of,
)
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.optim.schedule import LRScheduler, checked_optimizer, for_each_group


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
        TypeError: ``optimizer`` is none, or a number is none.
        ValueError: A number is out of its range, the number of steps is not given, or the optimiser has neither
            momentum nor betas.

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

    checks: ClassVar[Mapping[str, Check]] = {
        "max_lrs": list_of(ABOVE_ZERO),
        "total_steps": POSITIVE_COUNT,
        "pct_start": PROPORTION,
        "anneal_strategy": one_of("cos", "linear"),
        "cycle_momentum": boolean,
        "base_momenta": list_of(FRACTION),
        "max_momenta": list_of(FRACTION),
        "div_factor": ABOVE_ZERO,
        "final_div_factor": ABOVE_ZERO,
        "three_phase": boolean,
    }

    max_lrs: list[float]
    total_steps: int
    pct_start: float
    anneal_strategy: str
    cycle_momentum: bool
    base_momenta: list[float]
    max_momenta: list[float]
    div_factor: float
    final_div_factor: float
    three_phase: bool

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        checked_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("give OneCycleLR total_steps, or both epochs and steps_per_epoch")
            total_steps = POSITIVE_COUNT("epochs", epochs) * POSITIVE_COUNT("steps_per_epoch", steps_per_epoch)
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(
                f"{type(optimizer).__name__} has neither momentum nor betas: give OneCycleLR cycle_momentum=False"
            )
        super().__init__(
            optimizer,
            max_lrs=for_each_group(optimizer, "max_lr", max_lr),
            total_steps=total_steps,
            pct_start=pct_start,
            anneal_strategy=anneal_strategy,
            cycle_momentum=cycle_momentum,
            base_momenta=for_each_group(optimizer, "base_momentum", base_momentum),
            max_momenta=for_each_group(optimizer, "max_momentum", max_momentum),
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            three_phase=three_phase,
        )

    def begin(self) -> None:
        """Sets the learning rates and momenta of step 0."""
        self.base_lrs = [lr / self.div_factor for lr in self.max_lrs]
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["initial_lr"] = lr
        super().begin()

    def get_lr(self) -> list[float]:
        """The learning rates of step ``last_epoch``.

        Raises:
            ValueError: The cycle is over.
        """
        if self.last_epoch > self.total_steps:
            raise ValueError(f"the cycle is over: OneCycleLR was made for {self.total_steps} steps")
        (start, end, share) = self._phase()
        return [self._between(rates[start], rates[end], share) for rates in self._rates()]

    def set_lrs(self, rates: Sequence[float]) -> None:
        """Gives each group its learning rate, and its momentum."""
        super().set_lrs(rates)
        if self.cycle_momentum:
            start, end, share = self._phase()
            for group, low, high in zip(self.optimizer.param_groups, self.base_momenta, self.max_momenta, strict=True):
                momenta = {"first": high, "greatest": low, "last": high}
                set_momentum(group, self._between(momenta[start], momenta[end], share))

    def _rates(self) -> list[dict[str, float]]:
        return [
            {"first": first, "greatest": greatest, "last": first / self.final_div_factor}
            for first, greatest in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def _phase(self) -> tuple[str, str, float]:
        """From where to where the present phase goes, and which share of it is over."""
        top = self.pct_start * self.total_steps - 1.0
        end = self.total_steps - 1.0
        if self.three_phase:
            phases = [(top, "first", "greatest"), (2.0 * top, "greatest", "first"), (end, "first", "last")]
        else:
            phases = [(top, "first", "greatest"), (end, "greatest", "last")]
        begin = 0.0
        for until, start, goal in phases[:-1]:
            if self.last_epoch <= until:
                return start, goal, _share(self.last_epoch, begin, until)
            begin = until
        until, start, goal = phases[-1]
        return start, goal, _share(self.last_epoch, begin, until)

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))

    def state_dict(self) -> dict[str, Any]:
        """As :meth:`LRScheduler.state_dict`, with the momenta that the groups have now."""
        momenta = [get_momentum(group) for group in self.optimizer.param_groups] if self.cycle_momentum else []
        return {**super().state_dict(), "momenta": momenta}

    def check_state(self, state_dict: Any) -> None:
        """As :meth:`LRScheduler.check_state`."""
        super().check_state(state_dict)
        groups = len(self.optimizer.param_groups) if state_dict["cycle_momentum"] else 0
        if len(list_of(FRACTION)("momenta", state_dict["momenta"])) != groups:
            raise ValueError(f"the state has {len(state_dict['momenta'])} momenta, and should have {groups}")

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As :meth:`LRScheduler.load_state_dict`, with the momenta."""
        super().load_state_dict(state_dict)
        for group, momentum in zip(self.optimizer.param_groups, state_dict["momenta"], strict=False):
            set_momentum(group, momentum)


def get_momentum(group: Mapping[str, Any]) -> float:
    """The first beta of a group, or its momentum.

    >>> get_momentum({"betas": (0.9, 0.999)})
    0.9
    """
    return float(group["betas"][0] if "betas" in group else group["momentum"])


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Sets the first beta of a group, or its momentum.

    >>> group = {"betas": (0.9, 0.999)}
    >>> set_momentum(group, 0.5)
    >>> group
    {'betas': (0.5, 0.999)}
    """
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def _share(step: int, begin: float, until: float) -> float:
    """How much of a phase is over, at most all."""
    return min((step - begin) / (until - begin), 1.0) if until > begin else 1.0
