"""One batch: outputs and loss, gradients, and the step of the optimiser, with a look at each for what is not finite."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tinygrad_lite.nn.base.batches import Samples, as_numbers, compute_outputs, match_axes, needs_batches
from tinygrad_lite.nn.base.module import Module, parts_of
from tinygrad_lite.nn.train.metrics import Metric, apply_metrics
from tinygrad_lite.nn.train.nonfinite import LastGood, NonFiniteError, find_cause, make_forward_error
from tinygrad_lite.value import Value

#: A function of outputs and targets, such as those in :mod:`tinygrad_lite.nn.losses.losses`, or a module.
Loss = Callable[[Any, Any], Any]


@dataclass
class Computation:
    """From samples to outputs and loss.

    >>> from tinygrad_lite.nn.layers.layers import Neuron
    >>> from tinygrad_lite.nn.losses.losses import mse_loss
    >>> loss, outputs = Computation(Neuron(1), mse_loss)(Samples([[0.0]], [2.0]))
    >>> loss.data
    4.0
    """

    model: Module
    loss: Loss
    #: Whether the model is called with a whole batch; None if one of its modules needs that.
    batched: bool | None = None
    autocast: str | None = None
    modules: list[Module] = field(init=False)
    generators: list[random.Random] = field(init=False)

    def __post_init__(self) -> None:
        self.modules = list(self.model.modules())
        if self.batched is None:
            self.batched = needs_batches(self.modules)
        self.generators = list(find_generators(self.model).values())

    def __call__(self, samples: Samples) -> tuple[Value, list[Any]]:
        """Compute the loss, and what the model gives for each sample.

        Raises:
            TypeError: The loss is no Value.
        """
        with self._precision():
            outputs = match_axes(compute_outputs(self.model, samples.inputs, bool(self.batched)), samples.targets)
            loss = self.loss(outputs, samples.targets)
        if not isinstance(loss, Value):
            raise TypeError(
                f"the loss of a batch is one Value, and the loss function gave {type(loss).__name__} {loss!r}: one "
                'with reduction="mean", that computes with the outputs as they are'
            )
        return loss, outputs

    def each(self, samples: Samples, order: Sequence[Sequence[int]]) -> Iterator[tuple[float, list[Any]]]:
        """Yield loss and outputs of each batch, as numbers."""
        for places in order:
            loss, outputs = self(samples.at(places))
            yield loss.data, as_numbers(outputs)

    def checked(self, samples: Samples) -> tuple[Value, list[Any]]:
        """Compute the same, and raise unless the loss is finite.

        Raises:
            NonFiniteError: It is not; the message says what made it so.
        """
        generators = [(generator, generator.getstate()) for generator in self.generators]

        def run_again() -> Any:
            for generator, state in generators:
                generator.setstate(state)
            return self(samples)

        try:
            loss, outputs = self(samples)
        except ArithmeticError as error:
            raise make_forward_error(self.model, error) from error
        except ValueError as error:  # such as math.sin(inf) raises, or a wrong shape
            cause = find_cause(self.model, samples.inputs, run_again)
            if cause.is_loss:
                raise
            raise NonFiniteError(f"an operation raised {error!r}, {cause.clause}", cause.layer) from error
        if not math.isfinite(loss.data):
            cause = find_cause(self.model, samples.inputs, run_again)
            raise NonFiniteError(f"the loss is {loss.data}, {cause.clause}", cause.layer)
        return loss, outputs

    def _precision(self) -> AbstractContextManager[Any]:
        if self.autocast is None:
            return nullcontext()
        from tinygrad_lite.nn.optim.grad_scaler import autocast

        return autocast(self.autocast)


class Batch(NamedTuple):
    """A batch of an epoch."""

    places: Sequence[int]
    #: What its gradient counts in that of the step.
    share: float
    #: Whether a step begins with it.
    first: bool
    #: Whether the step ends with it.
    last: bool


def plan_batches(order: Sequence[Sequence[int]], accumulate: int) -> list[Batch]:
    """Return the batches of an epoch.

    Args:
        order: The places of the samples of each.
        accumulate: How many make one step.

    >>> [(batch.share, batch.first, batch.last) for batch in plan_batches([[2, 0], [1, 4], [3]], 2)]
    [(0.5, True, False), (0.5, False, True), (1.0, True, True)]
    """
    plan = []
    for start in range(0, len(order), accumulate):
        group = order[start : start + accumulate]
        size = sum(map(len, group))
        plan += [Batch(places, len(places) / size, i == 0, i == len(group) - 1) for i, places in enumerate(group)]
    return plan


class Schedule(NamedTuple):
    """A schedule that steps with the optimiser."""

    scheduler: Any
    #: What steps it.
    step: Callable[[], None]


@dataclass
class Steps:
    """Moves the parameters, a batch at a time, or several."""

    compute: Computation
    optimizer: Any
    metrics: Mapping[str, Metric]
    clip_grad_norm: float | None = None
    scaler: Any = None
    good: LastGood = field(init=False)
    #: The state at the beginning of the batch that is under way; None between batches.
    before: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.good = LastGood(self.compute.model)

    def epoch(
        self,
        samples: Samples,
        order: Sequence[Sequence[int]],
        accumulate: int,
        schedule: Schedule | None,
        watched: bool,
    ) -> Iterator[dict[str, float]]:
        """Go through batches, and give the numbers of each when it is done.

        Args:
            samples: All of them.
            order: The places of those of each batch.
            accumulate: How many batches make one step.
            schedule: What changes the hyperparameters after each step, when the numbers of its last batch were taken.
            watched: Whether somebody looks at the parameters after each batch.

        Raises:
            NonFiniteError: Loss, gradient or new weights are not finite.
        """
        for batch in plan_batches(order, accumulate):
            yield self.batch(samples.at(batch.places), batch.share, batch.first, batch.last)
            if batch.last and schedule is not None:
                schedule.step()

    def validate(self, samples: Samples, order: Sequence[Sequence[int]]) -> Iterator[tuple[float, list[Any]]]:
        """Yield loss and outputs of each batch, as numbers, without a step.

        Raises:
            NonFiniteError: A loss is not finite.
        """
        for places in order:
            loss, outputs = self.compute.checked(samples.at(places))
            yield loss.data, as_numbers(outputs)

    def write_back(self) -> None:
        """Put the parameters into their Values, if they are elsewhere: before anything reads them there."""

    def hand_over(self) -> None:
        """Put the parameters into their Values, before functions of the user look at the model, and may change it."""
        self.write_back()

    def batch(self, samples: Samples, share: float = 1.0, first: bool = True, last: bool = True) -> dict[str, float]:
        """Add the gradient of a batch, and step.

        Args:
            samples: The batch.
            share: What its gradient counts in that of the step.
            first: Whether a step begins with this batch.
            last: Whether it ends with it.

        Returns:
            Loss and metrics.

        Raises:
            NonFiniteError: Loss, gradient or new weights are not finite.
        """
        self.before = self.good.look()
        loss, outputs = self.compute.checked(samples)
        self.good.confirm(self.before)
        if first:
            self.optimizer.zero_grad()
        goal = loss if share == 1.0 else loss * share
        try:
            (goal if self.scaler is None else self.scaler.scale(goal)).backward()
        except ArithmeticError as error:  # inside detect_anomaly()
            raise NonFiniteError(f"backward() raised {type(error).__name__}: {error}") from error
        if last:
            self._step(loss, outputs)
        self.before = None
        if not self.metrics:
            return {"loss": loss.data}
        return {"loss": loss.data} | apply_metrics(self.metrics, as_numbers(outputs), samples.targets)

    def _step(self, loss: Value, outputs: list[Any]) -> None:
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        else:
            self.good.check_gradients()
        if self.clip_grad_norm is not None:
            from tinygrad_lite.nn.optim.clipping import clip_grad_norm_

            clip_grad_norm_(self.good.parameters, self.clip_grad_norm)
        estimate = getattr(self.optimizer, "update_hessian", None)
        if estimate is not None:  # SophiaH's takes the loss, SophiaG's the logits
            estimate(loss if "loss" in inspect.signature(estimate).parameters else outputs)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.good.check_weights()

    def undo(self) -> None:
        """Put back the weights and buffers from before the batch that is under way."""
        if self.before is not None:
            self.good.confirm(self.before)
            self.good.restore()
            self.before = None


def find_generators(model: Module) -> dict[str, random.Random]:
    """Return every ``random.Random`` in the attributes of its modules, by its path.

    >>> model = Module()
    >>> model.rng = random.Random(0)
    >>> list(find_generators(model))
    ['rng']
    """
    return dict(_generators("", model, {}))


def _generators(path: str, tree: Any, seen: dict[int, Any]) -> Iterator[tuple[str, random.Random]]:
    if isinstance(tree, random.Random):
        yield path, tree
        return
    parts = None if isinstance(tree, Value) or id(tree) in seen else parts_of(tree)
    if parts is None:
        return
    seen[id(tree)] = tree
    for name, part in parts:
        yield from _generators(f"{path}.{name}" if path else name, part, seen)
