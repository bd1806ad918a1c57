"""Sophia: steps scaled by an estimate of the Hessian's diagonal, and clipped where the estimate cannot be trusted.

θ ← (1 − lr·λ)·θ − lr·clip(m / max(ρ·h, ε), 1), where m is the running mean gradient, and h the running mean of an
estimate of the Hessian's diagonal that is renewed at every k-th step (Liu et al. 2023, "Sophia: a scalable stochastic
second-order optimizer for language model pre-training", algorithm 3). The two estimates are algorithms 1 and 2 there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tinygrad_lite.nn.base.generators import as_generator
from tinygrad_lite.nn.base.hyperparameters import (
    ABOVE_ZERO,
    AT_LEAST_ZERO,
    COUNT,
    FRACTION,
    POSITIVE_COUNT,
    Check,
    pair_of,
)
from tinygrad_lite.nn.optim.hessian_estimates import gauss_newton_bartlett, hutchinson, read_logits, sample_label
from tinygrad_lite.nn.optim.optimizer import Optimizer, Parameters
from tinygrad_lite.nn.optim.optimizers import decay_weights, running_mean
from tinygrad_lite.value import Value


class Sophia(Optimizer):
    """What :class:`SophiaH` and :class:`SophiaG` share: the step, and when the estimate is due.

    Attributes:
        k: The estimate is renewed at every k-th step.
        generator: What the estimates draw from; its state is a part of :meth:`state_dict`.
    """

    checks: ClassVar[Mapping[str, Check]] = {
        "lr": AT_LEAST_ZERO,
        "betas": pair_of(FRACTION, FRACTION),
        "rho": AT_LEAST_ZERO,
        "weight_decay": AT_LEAST_ZERO,
        "eps": ABOVE_ZERO,
    }
    numbers: ClassVar[Mapping[str, float]] = {"exp_avg": 0.0, "hessian": 0.0}

    def __init__(
        self, params: Parameters, defaults: Mapping[str, Any], k: int, generator: random.Random | int | None
    ) -> None:
        super().__init__(params, defaults)
        self.k: int = POSITIVE_COUNT("k", k)
        self.generator = as_generator(generator)
        self._steps = 0
        self._due = 0

    @staticmethod
    def update(
        m: Any, parameter: Any, gradient: Any, state: Mapping[str, Any], group: Mapping[str, Any], step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Compute the formula above; see :meth:`Optimizer.update`."""
        momentum = running_mean(group["betas"][0], state["exp_avg"], gradient)
        ratio = momentum / m.maximum(group["rho"] * state["hessian"], group["eps"])
        clipped = m.maximum(m.minimum(ratio, 1.0), -1.0)
        return decay_weights(parameter, group) - group["lr"] * clipped, {"exp_avg": momentum}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do what :meth:`Optimizer.step` does."""
        loss = super().step(closure)
        self._steps += 1
        return loss

    @property
    def hessian_is_due(self) -> bool:
        """Whether ``update_hessian`` will do something: at the first step, and k steps after each time that it did."""
        return self._steps >= self._due

    def _average(self, estimate: Callable[[list[Value]], list[float]]) -> bool:
        """h ← β₂·h + (1 − β₂)·estimate, for the parameters that are not frozen, if it is due."""
        if not self.hessian_is_due:
            return False
        import numpy

        buckets = [
            (group["betas"][1], state, bucket)
            for group, state in zip(self._checked_groups(), self._states, strict=True)
            for bucket in state.buckets()
        ]
        estimates = iter(estimate([parameter for _, _, bucket in buckets for parameter in bucket.parameters]))
        for beta, state, bucket in buckets:
            new = numpy.array([next(estimates) for _ in bucket.parameters])
            hessian = running_mean(beta, state.at(bucket).get("hessian", self.numbers["hessian"]), new)
            state.remember(bucket, {"hessian": hessian}, self.numbers)
        self._due = self._steps + self.k
        return True

    def extra_state(self) -> dict[str, Any]:
        """Return the count of steps, when the next estimate is due, and the state of the generator."""
        version, words, spare = self.generator.getstate()
        return {"steps": self._steps, "due": self._due, "generator": [version, list(words), spare]}

    def load_extra_state(self, extra: Mapping[str, Any]) -> None:
        """Take over what :meth:`extra_state` gave.

        Raises:
            ValueError: It is something else. Nothing is changed then.
        """
        if set(extra) != {"steps", "due", "generator"}:
            raise ValueError(
                f"the state of {type(self).__name__} has steps, due and generator, and not {sorted(extra)}"
            )
        steps, due = COUNT("steps", extra["steps"]), COUNT("due", extra["due"])
        try:
            version, words, spare = extra["generator"]
            drawn = random.Random()
            drawn.setstate((int(version), tuple(map(int, words)), spare))
        except (TypeError, ValueError) as error:
            raise ValueError(f"the entry 'generator' of the state is no state of random.Random: {error}") from None
        self.generator.setstate(drawn.getstate())
        self._steps, self._due = steps, due


class SophiaH(Sophia):
    """Sophia with Hutchinson's estimate: u ⊙ (H·u), of which the mean over random u is the Hessian's diagonal.

    H·u, the Hessian of the loss times u, is the gradient of the gradient times u (Pearlmutter 1994): one more sweep.
    The estimate is that of Hutchinson (1990, "A stochastic estimator of the trace of the influence matrix") and of Liu
    et al. (2023, algorithm 1). Two parameters whose curvatures differ by 10⁴ move alike:

    >>> x, y = Value(1.0), Value(1.0)
    >>> optimizer = SophiaH([x, y], lr=0.5, rho=1.0, weight_decay=0.0, betas=(0.0, 0.0), k=1, generator=0)
    >>> for _ in range(2):
    ...     loss = 100.0 * x * x + 0.01 * y * y
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     _ = optimizer.update_hessian(loss)
    ...     optimizer.step()
    >>> x.data, y.data
    (0.25, 0.25)

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups.
        lr: The learning rate, at least 0: no parameter moves farther in a step.
        betas: The weight of the past in m and in h, in [0, 1).
        rho: ρ, at least 0: the smaller, the more is clipped. (The paper's γ, of which its first edition had none.)
        weight_decay: λ ≥ 0.
        eps: ε > 0, in the place of ρ·h where that is smaller, as it is where the curvature is negative.
        k: How many steps an estimate serves.
        distribution: Of u: ``"rademacher"``, ±1, as Hutchinson drew it, which has the smaller variance; or
            ``"normal"``, as the paper draws it.
        generator: What u is drawn from, or the seed of that.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is out of its range.
        TypeError: A parameter is no Value, or no leaf.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.0001,
        betas: tuple[float, float] = (0.965, 0.99),
        rho: float = 0.01,
        weight_decay: float = 0.1,
        *,
        eps: float = 1e-12,
        k: int = 10,
        distribution: str = "rademacher",
        generator: random.Random | int | None = None,
    ) -> None:
        if distribution not in ("rademacher", "normal"):
            raise ValueError(f"distribution is 'rademacher' or 'normal', not {distribution!r}")
        self.distribution = distribution
        super().__init__(
            params, {"lr": lr, "betas": betas, "rho": rho, "weight_decay": weight_decay, "eps": eps}, k, generator
        )

    def update_hessian(self, loss: Value | Callable[[], Value]) -> bool:
        """Renew the estimate of the Hessian's diagonal, if it is due: call it at every step, before ``step()``.

        Args:
            loss: The loss as it was recorded, the same that ``backward()`` was called on; or a function that gives it,
                which is called only if the estimate is due. No ``grad`` is changed.

        Returns:
            Whether it was due.

        Raises:
            TypeError: It is no Value.
            StaleGraphError: A parameter was changed since the loss was recorded.
        """
        return self._average(lambda parameters: hutchinson(_called(loss), parameters, self._directions(parameters)))

    def _directions(self, parameters: Sequence[Value]) -> list[float]:
        if self.distribution == "normal":
            return [self.generator.gauss(0.0, 1.0) for _ in parameters]
        return [self.generator.choice((-1.0, 1.0)) for _ in parameters]


class SophiaG(Sophia):
    """Sophia with the estimate of Gauss, Newton and Bartlett: B·ĝ ⊙ ĝ, from labels that the model itself draws.

    ĝ is the gradient of the mean cross entropy over the batch, with labels sampled from the model's own softmax (or
    sigmoid) in the place of the data's. The mean of B·ĝ² is the diagonal of the Gauss-Newton matrix, which is never
    negative (Liu et al. 2023, algorithm 2).

    Args:
        params: Leaf Values, as ``model.parameters()`` gives them, or parameter groups.
        lr: The learning rate, at least 0: no parameter moves farther in a step.
        betas: The weight of the past in m and in h, in [0, 1).
        rho: ρ, at least 0: the smaller, the more is clipped. (The paper's γ, of which its first edition had none. As in
            the paper, and unlike in the authors' program, the batch size B is a part of h.)
        weight_decay: λ ≥ 0.
        eps: ε > 0, in the place of ρ·h where that is smaller.
        k: How many steps an estimate serves.
        generator: What labels are drawn from, or the seed of that.

    Raises:
        ValueError: There are no parameters, one is there twice, or a hyperparameter is out of its range.
        TypeError: A parameter is no Value, or no leaf.

    >>> from tinygrad_lite.functions import mean, softplus
    >>> w = Value(3.0)
    >>> optimizer = SophiaG([w], lr=0.1, generator=0)
    >>> logits = [w * x for x in (1.0, -2.0, 0.5)]
    >>> loss = mean([softplus(z) for z in logits])  # cross entropy, all labels being 0
    >>> loss.backward()
    >>> optimizer.update_hessian(logits)
    True
    >>> optimizer.step()
    >>> optimizer.hessian_is_due
    False
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.0001,
        betas: tuple[float, float] = (0.965, 0.99),
        rho: float = 0.04,
        weight_decay: float = 0.1,
        *,
        eps: float = 1e-12,
        k: int = 10,
        generator: random.Random | int | None = None,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "rho": rho, "weight_decay": weight_decay, "eps": eps}, k, generator
        )

    def update_hessian(self, logits: Any) -> bool:
        """Renew the estimate of the Hessian's diagonal, if it is due: call it at every step, before ``step()``.

        Args:
            logits: The model's outputs for a batch, as they were recorded, those of the loss will do: a list of Values,
                one logit a sample, of which sigmoid gives the probability of the label 1; or a list of lists, of each
                of which softmax gives the probabilities of the labels. Lists of these, as a language model has
                for each position, are taken as one batch. Or a function that gives the logits, which is called only if
                the estimate is due. No ``grad`` is changed.

        Returns:
            Whether it was due.

        Raises:
            TypeError: They are no Values.
            ValueError: There are none.
            StaleGraphError: A parameter was changed since they were recorded.
        """

        def estimate(parameters: list[Value]) -> list[float]:
            rows = read_logits(logits() if callable(logits) else logits)
            labels = [sample_label(row, self.generator) for row in rows]
            return gauss_newton_bartlett(rows, labels, parameters)

        return self._average(estimate)


def _called(loss: Any) -> Value:
    found = loss() if callable(loss) and not isinstance(loss, Value) else loss
    if not isinstance(found, Value):
        raise TypeError(
            "update_hessian takes the loss as it was recorded, a Value, or a function that gives it, not "
            f"{type(found).__name__} {found!r}"
        )
    return found
