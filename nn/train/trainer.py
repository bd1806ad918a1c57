"""A training run: its epochs one after the other, and all that has to happen between them."""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygrad_lite.nn.base.batches import Samples, split_batches
from tinygrad_lite.nn.base.module import Module, training_mode
from tinygrad_lite.nn.train.callbacks import Callback
from tinygrad_lite.nn.train.checkpoints import Generators, Stateful, load_run, save_run
from tinygrad_lite.nn.train.history import History
from tinygrad_lite.nn.train.metrics import Metric, apply_metrics
from tinygrad_lite.nn.train.nonfinite import NonFiniteError
from tinygrad_lite.nn.train.progress import Bar
from tinygrad_lite.nn.train.steps import Computation, Schedule, Steps, find_generators


@dataclass
class Trainer:
    """A training run, which callbacks see as a :class:`~tinygrad_lite.nn.train.callbacks.Run`."""

    steps: Steps
    samples: Samples
    validation: Samples | None
    epochs: int
    batch_size: int | None
    rng: random.Random
    shuffle: bool
    drop_last: bool
    accumulate: int
    callbacks: list[Callback]
    scheduler: Any
    scheduler_every: str
    checkpoint: str | Path | None
    checkpoint_every: int
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    logs: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)

    @property
    def model(self) -> Module:
        """What is trained."""
        return self.steps.compute.model

    @property
    def optimizer(self) -> Any:
        """What trains it."""
        return self.steps.optimizer

    def stop(self, reason: str) -> None:
        """End the training after this epoch; the reason is kept as ``history.stopped``."""
        self.history.stopped = reason

    def run(self, resume_from: str | Path | None, show: bool | None) -> History:
        """Run the epochs that are left.

        Args:
            resume_from: A checkpoint to go on from.
            show: Whether to show a progress bar; see :class:`~tinygrad_lite.nn.train.progress.Bar`.

        Raises:
            NonFiniteError: A loss, a gradient or a weight is infinite or NaN.
            ValueError: The checkpoint is damaged, or of another run.
        """
        for callback in self.callbacks:
            callback.on_train_begin(self)
        if resume_from is not None:
            load_run(self.model, self._parts(), resume_from)
            self.steps.good.confirm(self.steps.good.look())
        done = len(self.history.seconds)
        self.batches = len(split_batches(len(self.samples.inputs), self.batch_size, None, self.drop_last))
        try:
            with (
                training_mode(self.steps.compute.modules, training=True),
                Bar(self.epochs, self.batches, done, show) as bar,
            ):
                for epoch in range(done + 1, self.epochs + 1):
                    if self.history.stopped:
                        break
                    self.epoch = epoch
                    self._run_epoch(bar)
            self.history.stopped = self.history.stopped or "all epochs are done"
        except KeyboardInterrupt:
            self.steps.undo()
            self.history.stopped = "interrupted"
        except NonFiniteError as error:
            self.steps.good.restore()
            error.place(self.epoch, self.batch or None, self.history)
            raise
        finally:
            self.steps.write_back()
        self._tell("eval")
        for callback in self.callbacks:
            callback.on_train_end(self)
        return self.history

    def _run_epoch(self, bar: Bar) -> None:
        start = time.perf_counter()
        numbers = self._train(bar)
        self.batch = 0
        if self.validation is not None:
            steps = self.steps
            found = measure(steps.compute, self.validation, self.batch_size, steps.metrics, steps.validate)
            numbers |= {f"val_{name}": number for name, number in found.items()}
        self.logs = numbers
        self.history.append(numbers, time.perf_counter() - start)
        bar.epoch_done(numbers)
        if self.scheduler_every == "epoch":
            self._step_scheduler()
        if self.callbacks:
            self.steps.hand_over()
        for callback in self.callbacks:
            callback.on_epoch_end(self)
        is_last = self.epoch == self.epochs or bool(self.history.stopped)
        if self.checkpoint is not None and (is_last or self.epoch % self.checkpoint_every == 0):
            self.steps.write_back()
            save_run(self.model, self._parts(), self.checkpoint)

    def _train(self, bar: Bar) -> dict[str, float]:
        """Train on all batches of an epoch, and return the means of their numbers over the samples."""
        self._tell("train")
        rng = self.rng if self.shuffle else None
        order = split_batches(len(self.samples.inputs), self.batch_size, rng, self.drop_last)
        total: dict[str, float] = {}
        watchers = [callback for callback in self.callbacks if _looks_at_batches(callback)]
        every_batch = self.scheduler is not None and self.scheduler_every == "batch"
        schedule = Schedule(self.scheduler, self._step_scheduler) if every_batch else None
        steps = self.steps.epoch(self.samples, order, self.accumulate, schedule, bool(watchers))
        self.batch = 1
        for i, numbers in enumerate(steps):
            places = order[i]
            for name, number in numbers.items():
                total[name] = total.get(name, 0.0) + number * len(places)
            self.logs = numbers
            bar.batch_done(self.epoch, numbers)
            if watchers:
                self.steps.hand_over()
            for callback in watchers:
                callback.on_batch_end(self)
            self.batch = i + 2
        self._tell("eval")
        count = sum(map(len, order))
        return {name: number / count for name, number in total.items()} | _learning_rate(self.optimizer)

    def _step_scheduler(self) -> None:
        if self.scheduler is None:
            return
        first = next(iter(inspect.signature(self.scheduler.step).parameters.values()), None)
        if first is not None and first.default is first.empty:  # ReduceLROnPlateau's
            self.scheduler.step(self.logs.get("val_loss", self.logs["loss"]))
        else:
            self.scheduler.step()

    def _tell(self, name: str) -> None:
        """Call ``train()`` or ``eval()`` of an optimiser that has them, as schedule-free ones do."""
        method = getattr(self.optimizer, name, None)
        if callable(method):
            self.steps.write_back()
            method()

    def _parts(self) -> dict[str, Stateful]:
        """Return all that has a state beside the model, by name."""
        parts: dict[str, Stateful] = {
            "optimizer": self.optimizer,
            "history": self.history,
            "shuffling": Generators({"generator": self.rng}),
            "generators": Generators(find_generators(self.model)),
        }
        loss = self.steps.compute.loss
        optional = {"scheduler": self.scheduler, "scaler": self.steps.scaler}
        parts |= {name: part for name, part in optional.items() if part is not None}
        if isinstance(loss, Module):
            parts["loss"] = loss
        for i, callback in enumerate(self.callbacks):
            parts[f"callback {i}, {type(callback).__name__}"] = callback
        return parts


def measure(
    compute: Computation,
    samples: Samples,
    batch_size: int | None,
    metrics: Mapping[str, Metric],
    function: Callable[[Samples, Sequence[Sequence[int]]], Iterable[tuple[float, list[Any]]]],
) -> dict[str, float]:
    """Measure loss and metrics of a model in evaluation mode.

    Args:
        compute: Whose model.
        samples: On which.
        batch_size: How many of them are in memory at a time; None for all.
        metrics: By name.
        function: What gives loss and outputs of each batch: ``compute.each``, or ``validate`` of steps.
    """
    outputs: list[Any] = []
    total = 0.0
    count = len(samples.inputs)
    with training_mode(compute.modules, training=False):
        # Recorded, and dropped: under no_grad() every operation takes longer than recording does.
        order = split_batches(count, batch_size, None)
        for places, (loss, given) in zip(order, function(samples, order), strict=True):
            outputs += given
            total += loss * len(places)
    return {"loss": total / count} | apply_metrics(metrics, outputs, samples.targets)


def _looks_at_batches(callback: Callback) -> bool:
    """Tell whether it does anything after a batch."""
    return getattr(callback.on_batch_end, "__func__", None) is not Callback.on_batch_end


def _learning_rate(optimizer: Any) -> dict[str, float]:
    groups = getattr(optimizer, "param_groups", None)
    return {"lr": float(groups[0]["lr"])} if groups and "lr" in groups[0] else {}
