"""What all schedules of the learning rate share.

Each schedule says what becomes of the learning rate that a group has: so two schedules on one optimiser multiply, and
what is set by hand in between is carried on. ``scheduler.step()`` belongs after the epoch's ``optimizer.step()``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tinygrad_lite.nn.base.hyperparameters import AT_LEAST_ZERO, COUNT, Check, check_all, list_of
from tinygrad_lite.nn.optim.optimizer import Optimizer


@dataclass(eq=False, repr=False)
class LRScheduler:
    """The base of all schedules. To write one, give ``growth`` or ``get_lr``.

    Making a schedule sets the learning rates of epoch 0. To go on with one that was interrupted, make it again and
    call :meth:`load_state_dict` (there is no ``last_epoch`` to give).

    Args:
        optimizer: Whose learning rates to change.

    Attributes:
        last_epoch: How many times ``step`` was called.
        base_lrs: The learning rate of each group before any schedule; the group keeps it as ``"initial_lr"``.

    Raises:
        TypeError: ``optimizer`` is none, or a setting of a subclass is of another type than it should be.
        ValueError: A setting is out of its range.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> class Halving(LRScheduler):
    ...     def growth(self, epoch):
    ...         return 0.5 if epoch > 0 else 1.0
    >>> optimizer = SGD([Value(1.0)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> optimizer.lr
    0.125
    """

    #: Whether ``step`` takes a number, the loss say.
    needs_metric: ClassVar[bool] = False
    #: The check of each attribute that is saved beside the epoch and the learning rates.
    checks: ClassVar[Mapping[str, Check]] = {}
    #: Attributes that may be lists of one for each group.
    per_group: ClassVar[Sequence[str]] = ()

    optimizer: Optimizer

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(
                f"a schedule takes an optimizer, such as SGD(...), not {type(self.optimizer).__name__} "
                f"{self.optimizer!r}"
            )
        for name in self.per_group:
            self.expand(name, getattr(self, name))
        self._set(check_all({name: getattr(self, name) for name in self.checks}, self.checks))
        self.check_settings()
        self.base_lrs = [float(group.setdefault("initial_lr", group["lr"])) for group in self.optimizer.param_groups]
        self.begin()

    def check_settings(self) -> None:
        """Check what ``checks`` does not: settings that have to fit one another, or the optimiser."""

    def begin(self) -> None:
        """Set the learning rates of epoch 0, from those that the groups have."""
        self.last_epoch = -1
        self.step()

    def step(self) -> None:
        """Set the learning rates of the next epoch.

        Raises:
            ValueError: A group was added to the optimiser.
        """
        if len(self.optimizer.param_groups) != len(self.base_lrs):
            raise ValueError(
                f"the optimizer has {len(self.optimizer.param_groups)} groups, and had {len(self.base_lrs)} when this "
                f"{type(self).__name__} was made: make schedules after add_param_group"
            )
        self.last_epoch += 1
        try:
            rates = self.get_lr()
        except BaseException:
            self.last_epoch -= 1
            raise
        self.set_lrs(rates)

    def growth(self, epoch: int) -> float:
        """Return what the learning rates are multiplied by when an epoch begins.

        Args:
            epoch: Its number, from 0 on.

        Raises:
            NotImplementedError: The subclass defines neither this nor ``get_lr``.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr(self), and no growth(self, epoch)")

    def get_lr(self) -> list[float]:
        """Compute the learning rates of epoch ``last_epoch``, one for each group."""
        growth = self.growth(self.last_epoch)
        return [lr * growth for lr in self.current_lrs()]

    def get_last_lr(self) -> list[float]:
        """Get the learning rates that the last step set, one for each group."""
        return list(self._last_lr)

    def current_lrs(self) -> list[float]:
        """Get the learning rate of each group now: what a schedule multiplies."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def set_lrs(self, rates: Sequence[float]) -> None:
        """Give each group its learning rate."""
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = list(rates)

    def expand(self, name: str, given: Any) -> list[Any]:
        """Repeat a setting for each group, unless it is a list of one for each.

        Raises:
            ValueError: The list has another length.
        """
        groups = len(self.optimizer.param_groups)
        if not isinstance(given, (list, tuple)):
            return [given] * groups
        if len(given) != groups:
            raise ValueError(f"{name} has {len(given)} entries, and the optimizer {groups} groups: give one for each")
        return list(given)

    # ---------------------------------------------------------------------------------------------- its state

    def state_dict(self) -> dict[str, Any]:
        """Copy all that is needed to go on later, with the learning rates that the groups have now.

        Returns:
            Plain data, which ``json`` can write.
        """
        settings = {name: getattr(self, name) for name in self.checks}
        return {
            "scheduler": type(self).__name__,
            "last_epoch": self.last_epoch,
            "base_lrs": list(self.base_lrs),
            "last_lr": list(self._last_lr),
            "lr": self.current_lrs(),
            **{name: list(given) if isinstance(given, list) else given for name, given in settings.items()},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave, and set the learning rates of then.

        Args:
            state_dict: Of a schedule of the same class, whose optimiser had as many groups.

        Raises:
            ValueError: It is of another class, or of other groups, or damaged. Nothing is changed then.
            TypeError: It is no such dict.

        >>> from tinygrad_lite.nn.optim.optimizers import SGD
        >>> from tinygrad_lite.value import Value
        >>> from tinygrad_lite.nn.optim.schedules import ExponentialLR
        >>> scheduler = ExponentialLR(SGD([Value(1.0)], lr=1.0), gamma=0.5)
        >>> scheduler.step()
        >>> resumed = ExponentialLR(SGD([Value(1.0)], lr=1.0), gamma=0.5)
        >>> resumed.load_state_dict(scheduler.state_dict())
        >>> resumed.get_last_lr()
        [0.5]
        """
        state = self.check_state(state_dict)
        for group, lr, base in zip(self.optimizer.param_groups, state.pop("lr"), state["base_lrs"], strict=True):
            group["lr"], group["initial_lr"] = lr, base
        self._last_lr = state.pop("last_lr")
        self._set(state)

    def check_state(self, state_dict: Any) -> dict[str, Any]:
        """Check what :meth:`load_state_dict` is given, and return it without the name of the class.

        Raises:
            ValueError: It is of another class, or of other groups, or damaged.
            TypeError: It is no such dict.
        """
        who = type(self).__name__
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict takes a dict, as state_dict() gives it, not {type(state_dict).__name__}")
        if state_dict.get("scheduler") != who:
            raise ValueError(f"the state is of {state_dict.get('scheduler')!r}, and cannot be loaded into {who}")
        expected = self.state_dict().keys()
        if state_dict.keys() != expected:
            odd = sorted(expected ^ state_dict.keys())
            raise ValueError(f"the state of a {who} has {', '.join(expected)}; missing or unknown: {', '.join(odd)}")
        rates = dict.fromkeys(("base_lrs", "last_lr", "lr"), list_of(AT_LEAST_ZERO))
        state = {name: given for name, given in state_dict.items() if name != "scheduler"}
        state = check_all(state, {"last_epoch": COUNT, **rates, **self.checks})
        groups = len(self.optimizer.param_groups)
        for name in rates:
            if len(state[name]) != groups:
                raise ValueError(f"the state has {len(state[name])} groups, and the optimizer of this {who} {groups}")
        for name in self.per_group:
            self.expand(name, state.get(name))
        return state

    def _set(self, attributes: Mapping[str, Any]) -> None:
        for name, given in attributes.items():
            setattr(self, name, given)

    def __repr__(self) -> str:
        rates = ", ".join(f"{lr:.6g}" for lr in self._last_lr)
        return f"{type(self).__name__}(epoch {self.last_epoch}, lr={rates})"
