"""What all schedules of the learning rate share.

Each schedule says what becomes of the learning rate that a group has: so two schedules on one optimiser multiply, and
what is set by hand in between is carried on. ``scheduler.step()`` belongs after the epoch's ``optimizer.step()``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tinygrad_lite.nn.base.hyperparameters import AT_LEAST_ZERO, COUNT, Check, checked, list_of
from tinygrad_lite.nn.optim.optimizer import Optimizer


class LRScheduler:
    """The base of all schedules. To write one, give ``get_lr``.

    Making a schedule sets the learning rates of epoch 0. To go on with one that was interrupted, make it again and
    call :meth:`load_state_dict` (there is no ``last_epoch`` to give).

    Args:
        optimizer: Whose learning rates to change.
        settings: Attributes by name, which ``checks`` has a check for. They are saved by :meth:`state_dict`.

    Attributes:
        optimizer: The same.
        last_epoch: How many times ``step`` was called.
        base_lrs: The learning rate of each group before any schedule; the group keeps it as ``"initial_lr"``.

    Raises:
        TypeError: ``optimizer`` is none, or a setting is no number.
        ValueError: A setting is out of its range.

    >>> from tinygrad_lite.nn.optim.optimizers import SGD
    >>> from tinygrad_lite.value import Value
    >>> class Halving(LRScheduler):
    ...     def get_lr(self):
    ...         return [lr * 0.5 ** (self.last_epoch > 0) for lr in self.current_lrs()]
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

    def __init__(self, optimizer: Optimizer, **settings: Any) -> None:
        self.optimizer = checked_optimizer(optimizer)
        for name, given in checked(settings, self.checks).items():
            setattr(self, name, given)
        self.base_lrs = [float(group.setdefault("initial_lr", group["lr"])) for group in optimizer.param_groups]
        self.begin()

    def begin(self) -> None:
        """Sets the learning rates of epoch 0, from those that the groups have."""
        self.last_epoch = -1
        self.step()

    def step(self) -> None:
        """Sets the learning rates of the next epoch.

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

    def get_lr(self) -> list[float]:
        """The learning rates of epoch ``last_epoch``, one for each group.

        Raises:
            NotImplementedError: The subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr(self)")

    def get_last_lr(self) -> list[float]:
        """The learning rates that the last step set, one for each group."""
        return list(self._last_lr)

    def current_lrs(self) -> list[float]:
        """The learning rate of each group now: what a schedule multiplies."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def set_lrs(self, rates: Sequence[float]) -> None:
        """Gives each group its learning rate."""
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = list(rates)

    # ---------------------------------------------------------------------------------------------- its state

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on later, with the learning rates that the groups have now.

        Returns:
            Plain data, which ``json`` can write.
        """
        return {
            "scheduler": type(self).__name__,
            "last_epoch": self.last_epoch,
            "base_lrs": list(self.base_lrs),
            "last_lr": list(self._last_lr),
            "lr": self.current_lrs(),
            **{name: _copied(getattr(self, name)) for name in self.checks},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what :meth:`state_dict` gave, and sets the learning rates of then.

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
        self.check_state(state_dict)
        self.last_epoch = COUNT("last_epoch", state_dict["last_epoch"])
        self.base_lrs = [float(lr) for lr in state_dict["base_lrs"]]
        self._last_lr = [float(lr) for lr in state_dict["last_lr"]]
        for group, lr, base in zip(self.optimizer.param_groups, state_dict["lr"], self.base_lrs, strict=True):
            group["lr"], group["initial_lr"] = float(lr), base
        for name, given in checked({name: state_dict[name] for name in self.checks}, self.checks).items():
            setattr(self, name, given)

    def check_state(self, state_dict: Any) -> None:
        """Refuses what :meth:`load_state_dict` cannot take.

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
        COUNT("last_epoch", state_dict["last_epoch"])
        groups = len(self.optimizer.param_groups)
        for name in ("base_lrs", "last_lr", "lr"):
            rates = list_of(AT_LEAST_ZERO)(name, state_dict[name])
            if len(rates) != groups:
                raise ValueError(f"the state has {len(rates)} groups, and the optimizer of this {who} {groups}")
        checked({name: state_dict[name] for name in self.checks}, self.checks)

    def __repr__(self) -> str:
        rates = ", ".join(f"{lr:.6g}" for lr in self._last_lr)
        return f"{type(self).__name__}(epoch {self.last_epoch}, lr={rates})"


def checked_optimizer(optimizer: Any) -> Optimizer:
    """The optimiser, if it is one.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"a schedule takes an optimizer, such as SGD(...), not {type(optimizer).__name__} {optimizer!r}"
        )
    return optimizer


def for_each_group(optimizer: Optimizer, name: str, given: Any) -> list[Any]:
    """What was given, once for each group, or as a list of as many.

    Raises:
        ValueError: The list has another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(given, (list, tuple)):
        return [given] * groups
    if len(given) != groups:
        raise ValueError(f"{name} has {len(given)} entries, and the optimizer {groups} groups: give one for each")
    return list(given)


def _copied(setting: Any) -> Any:
    return list(setting) if isinstance(setting, list) else setting
