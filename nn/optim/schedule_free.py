"""Schedule-free gradient descent and AdamW: an average of the iterates does what a falling learning rate would.

Three sequences run beside each other (Defazio et al. 2024, "The road less scheduled", section 2): z takes the steps, x
is their average and the answer, and y, between them, is where the gradient is taken::

    y = (1 − β)·z + β·x        z ← z − lr·grad(y)        x ← (1 − c)·x + c·z

The parameters hold y while training and x while evaluating. Only y and z are kept: x = y + (1 − 1/β)·(z − y).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tinygrad_lite.nn.base.hyperparameters import (
    AT_LEAST_ZERO,
    COUNT,
    FRACTION,
    INNER_FRACTION,
    Check,
    boolean,
    pair_of,
)
from tinygrad_lite.nn.optim.optimizer import Optimizer, Parameters, SharedHyperparameter
from tinygrad_lite.nn.optim.optimizers import root, running_mean


class ScheduleFree(Optimizer):
    """What :class:`SGDScheduleFree` and :class:`AdamWScheduleFree` share: the average, and the two modes.

    Attributes:
        training: Whether the parameters hold y, at which gradients are taken, or the average x.
    """

    shared: ClassVar[Mapping[str, float]] = {"k": 0.0, "weight_sum": 0.0, "lr_max": -1.0}

    training: bool = True

    @staticmethod
    def interpolation(group: Mapping[str, Any]) -> float:
        """Return the β of a group: how far y is on the way from z to x."""
        raise NotImplementedError("a schedule-free optimiser defines interpolation(group)")

    def train(self) -> None:
        """Put y into the parameters, so that training goes on; nothing to do where they hold it already.

        The graphs above the parameters are stale then. (Evaluating in between changes the course of the training by
        rounding errors only.)
        """
        if not self.training:
            self._put(lambda x, z, beta: x + (1.0 - beta) * (z - x))
        self.training = True

    def eval(self) -> None:
        """Put the average x into the parameters: before evaluating the model, or saving it.

        The graphs above the parameters are stale then.
        """
        if self.training:
            self._put(average)
        self.training = False

    def _put(self, point: Callable[[float, float, float], float]) -> None:
        """Move parameters to another point on the line through z and them; before the first step, all are one."""
        for group, state in zip(self._checked_groups(), self._states, strict=True):
            beta = self.interpolation(group)
            for i in state.steps.nonzero()[0].tolist():
                parameter = state.parameters[i]
                parameter.data = point(parameter.data, float(state.numbers["z"][i]), beta)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do what :meth:`Optimizer.step` does.

        Raises:
            RuntimeError: It was switched to :meth:`eval`.
        """
        if not self.training:
            raise RuntimeError(
                f"{type(self).__name__} is in eval mode: its parameters hold the average, where no gradients are "
                "to be taken. Call optimizer.train() before the model is evaluated for a step."
            )
        return super().step(closure)

    def extra_state(self) -> dict[str, Any]:
        """Return the mode."""
        return {"training": self.training}

    def load_extra_state(self, extra: Mapping[str, Any]) -> None:
        """Take over the mode."""
        if set(extra) != {"training"}:
            raise ValueError(f"the state of {type(self).__name__} has an entry 'training', and no {sorted(extra)}")
        self.training = boolean("training", extra["training"])


def average(y: float, z: float, beta: float) -> float:
    """Return the x with which y = (1 − β)·z + β·x.

    >>> average(2.0, 1.0, 0.5)
    3.0
    """
    return y + (1.0 - 1.0 / beta) * (z - y)


def moved(
    m: Any, y: Any, direction: Any, state: Mapping[str, Any], group: Mapping[str, Any], beta: Any, step: Any
) -> tuple[Any, dict[str, Any]]:
    """Compute one step of y and z along a direction, and the weight of the new z in the average."""
    k = state["k"] + 1.0
    lr = group["lr"]
    if group["warmup_steps"]:
        lr = lr * m.minimum(k / group["warmup_steps"], 1.0)
    lr_max = m.maximum(lr, state["lr_max"])
    weight = k ** group["r"] * lr_max ** group["weight_lr_power"]
    weight_sum = state["weight_sum"] + weight
    none = m.equal(weight_sum, 0.0)
    c = m.where(none, 0.0, weight / m.where(none, 1.0, weight_sum))
    z = m.where(m.equal(step, 1.0), y, state["z"])
    new = {"z": z - lr * direction, "k": k, "weight_sum": weight_sum, "lr_max": lr_max}
    return y + c * (z - y) + (lr * (beta * (1.0 - c) - 1.0)) * direction, new


class SGDScheduleFree(ScheduleFree):
    """Schedule-free gradient descent: z ← z − lr·(grad + λ·y), where the average takes the place of a schedule.

    After Defazio et al. (2024, "The road less scheduled", equations 3 to 5). Names and defaults are those of the
    package ``schedulefree``, except that training mode is on from the beginning.

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups.
        lr: The learning rate, at least 0; it grows to that in the warm-up, and then stays.
        momentum: β, in (0, 1): how far y is on the way from z to the average.
        weight_decay: λ ≥ 0.
        warmup_steps: In how many steps the learning rate grows from 0.
        r: The k-th iterate weighs kʳ in the average,
        weight_lr_power: times the greatest learning rate so far to this power, at least 0.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is out of its range.
        TypeError: A parameter is no Value, or no leaf.

    >>> from tinygrad_lite import Value
    >>> x = Value(3.0)
    >>> optimizer = SGDScheduleFree([x], lr=0.25)
    >>> for _ in range(200):
    ...     optimizer.zero_grad()
    ...     (x * x).backward()
    ...     optimizer.step()
    >>> optimizer.eval()
    >>> abs(x.data) < 0.01
    True
    """

    checks: ClassVar[Mapping[str, Check]] = {
        "lr": AT_LEAST_ZERO,
        "momentum": INNER_FRACTION,
        "weight_decay": AT_LEAST_ZERO,
        "warmup_steps": COUNT,
        "r": AT_LEAST_ZERO,
        "weight_lr_power": AT_LEAST_ZERO,
    }
    numbers: ClassVar[Mapping[str, float]] = {"z": 0.0}

    momentum = SharedHyperparameter()

    def __init__(
        self,
        params: Parameters,
        lr: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "weight_decay": weight_decay,
                "warmup_steps": warmup_steps,
                "r": r,
                "weight_lr_power": weight_lr_power,
            },
        )

    @staticmethod
    def interpolation(group: Mapping[str, Any]) -> float:
        """Return the momentum."""
        return float(group["momentum"])

    @staticmethod
    def update(
        m: Any, parameter: Any, gradient: Any, state: Mapping[str, Any], group: Mapping[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Compute the formula of the class, in training mode; see :meth:`Optimizer.update`."""
        if group["weight_decay"]:
            gradient = gradient + group["weight_decay"] * parameter
        return moved(m, parameter, gradient, state, group, group["momentum"], step)


class AdamWScheduleFree(ScheduleFree):
    """Schedule-free AdamW: z follows grad/(√v̂ + eps) + λ·y, where the average takes the place of β₁ and a schedule.

    v is the running mean square of :class:`~tinygrad_lite.nn.optim.optimizers.Adam`. After Defazio et al. (2024, "The
    road less scheduled", algorithm 1). Names and defaults are those of the package ``schedulefree``, except that
    training mode is on from the beginning.

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups.
        lr: The learning rate, at least 0; it grows to that in the warm-up, and then stays.
        betas: β₁ in (0, 1), how far y is on the way from z to the average, and β₂ in [0, 1), of v.
        eps: Keeps the divisor from 0.
        weight_decay: λ ≥ 0.
        warmup_steps: In how many steps the learning rate grows from 0.
        r: The k-th iterate weighs kʳ in the average,
        weight_lr_power: times the greatest learning rate so far to this power, at least 0.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is out of its range.
        TypeError: A parameter is no Value, or no leaf.

    >>> from tinygrad_lite import Value
    >>> x = Value(3.0)
    >>> optimizer = AdamWScheduleFree([x], lr=0.1)
    >>> for _ in range(300):
    ...     optimizer.zero_grad()
    ...     (x * x).backward()
    ...     optimizer.step()
    >>> optimizer.eval()
    >>> abs(x.data) < 0.1
    True
    """

    checks: ClassVar[Mapping[str, Check]] = {
        "lr": AT_LEAST_ZERO,
        "betas": pair_of(INNER_FRACTION, FRACTION),
        "eps": AT_LEAST_ZERO,
        "weight_decay": AT_LEAST_ZERO,
        "warmup_steps": COUNT,
        "r": AT_LEAST_ZERO,
        "weight_lr_power": AT_LEAST_ZERO,
    }
    numbers: ClassVar[Mapping[str, float]] = {"z": 0.0, "exp_avg_sq": 0.0}

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.0025,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "warmup_steps": warmup_steps,
                "r": r,
                "weight_lr_power": weight_lr_power,
            },
        )

    @staticmethod
    def interpolation(group: Mapping[str, Any]) -> float:
        """Return the first beta."""
        return float(group["betas"][0])

    @staticmethod
    def update(
        m: Any, parameter: Any, gradient: Any, state: Mapping[str, Any], group: Mapping[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Compute the formula of the class, in training mode; see :meth:`Optimizer.update`."""
        beta1, beta2 = group["betas"]
        square = running_mean(beta2, state["exp_avg_sq"], gradient * gradient)
        direction = gradient / (root(m, square / (1.0 - beta2**step)) + group["eps"])
        if group["weight_decay"]:
            direction = direction + group["weight_decay"] * parameter
        parameter, new = moved(m, parameter, direction, state, group, beta1, step)
        return parameter, {**new, "exp_avg_sq": square}
