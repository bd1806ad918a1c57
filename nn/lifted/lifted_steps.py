"""The steps of a training run as programs on arrays: loss, gradients, clipping and the optimiser's formula.

While it trains, the parameters live in one array (:mod:`tinygrad_lite.nn.lifted.lifted_vector`), and so do the numbers
that the optimiser remembers. Before anybody can look, :meth:`LiftedSteps.write_back` puts them into the Values and the
optimiser; after that they are read anew, so a callback may change what it likes. A batch whose loss, gradients or new
weights are not finite is run again eagerly, which names the layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.modes import is_recording, watching
from tinygrad_lite.nn.base.batches import Samples
from tinygrad_lite.nn.base.module import is_observed
from tinygrad_lite.nn.lifted.lifted_programs import Programs
from tinygrad_lite.nn.lifted.lifted_vector import Numbers, Vector, clip_norm
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.train.metrics import apply_metrics
from tinygrad_lite.nn.train.steps import Batch, Schedule, Steps, plan_batches
from tinygrad_lite.operations.arithmetic import array as array_arithmetic


class Held(NamedTuple):
    """A run while it is in arrays. It changes by one assignment, so that it is whole whenever Ctrl-C comes."""

    numbers: Numbers
    #: The parameters at the beginning of the last batch whose loss was finite; None if nothing was computed yet.
    good: Any
    #: The gradient so far of the step under way, or that of the last step.
    gradient: Any


@dataclass
class LiftedSteps(Steps):
    """Steps whose programs run on NumPy or numba."""

    engine: str = "numpy"
    _programs: Programs | None = field(init=False, default=None)
    _vector: Vector | None = field(init=False, default=None)
    _held: Held | None = field(init=False, default=None)
    _groups: list[dict[str, Any]] = field(init=False, default_factory=list)
    _captured: list[Any] = field(init=False, default_factory=list)
    _validation: Programs | None = field(init=False, default=None)
    _counted: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_optimizer(self.optimizer, self.engine)
        if self.scaler is not None or self.compute.autocast is not None:
            raise LiftError(
                f'engine={self.engine!r} computes in float64: autocast and scaler are for engine="eager", which rounds '
                "as narrow formats do"
            )

    # ---------------------------------------------------------------------------------------------- an epoch

    def epoch(
        self,
        samples: Samples,
        order: Sequence[Sequence[int]],
        accumulate: int,
        schedule: Schedule | None,
        watched: bool,
    ) -> Iterator[dict[str, float]]:
        """Do what :meth:`Steps.epoch` does."""
        self._begin(samples, order)
        for batch in plan_batches(order, accumulate):
            yield self._one(batch)
            if batch.last and schedule is not None:
                self._after_step(schedule)

    def _after_step(self, schedule: Schedule) -> None:
        if is_foreign(schedule.scheduler):
            self.write_back()
        schedule.step()
        if self._held is not None:
            self._groups = self.optimizer._checked_groups()

    def _begin(self, samples: Samples, order: Sequence[Sequence[int]]) -> None:
        """Make the programs, where there are none yet for what is to be trained."""
        if is_observed() or watching() or not is_recording():
            raise LiftError(
                f"engine={self.engine!r} calls no modules while it trains, and records nothing: observing(), "
                'detect_anomaly() and no_grad() are for engine="eager"'
            )
        self._samples, self._order = samples, order
        if self._held is None:
            self._hold()
        self._groups = self.optimizer._checked_groups()

    def _hold(self) -> Held:
        """Read parameters and optimiser into arrays."""
        programs = self._programs
        moving = [parameter for parameter in self.optimizer.parameters if parameter.requires_grad]
        if programs is None or not programs.are_right(self._samples, moving, self._order):
            kinds = ["step", "outputs"] if self.metrics else ["step"]
            programs = Programs(self.compute, self._samples, moving, self.optimizer.parameters, self.engine)
            programs.prepare(self._order, kinds)
            self._programs, self._vector = programs, None
        if self._vector is None or not self._vector.is_current():
            self._vector = Vector(self.optimizer, programs.parameter_arrays, programs.moved)
            self._counted = self._clipped_ones(self._vector)
        vector = self._vector
        self._groups = self.optimizer._checked_groups()
        self._captured = programs.captured_numbers()
        numbers = vector.read()
        gradient = np.array([value.grad for value in vector.values[: vector.moving]], dtype=np.float64)
        self._held = Held(numbers, None, gradient)
        return self._held

    def _clipped_ones(self, vector: Vector) -> Any:
        """Return which of the gradients ``clip_grad_norm`` is about; None for all."""
        if self.clip_grad_norm is None:
            return None
        moving = set(map(id, vector.values[: vector.moving]))
        own = {id(parameter) for parameter in self.good.parameters if parameter.requires_grad}
        if own - moving:
            raise LiftError(
                f"clip_grad_norm counts the gradients of {len(own - moving)} parameters that the optimizer does not "
                f"move, and engine={self.engine!r} does not compute them: freeze these with requires_grad_(False), or "
                "give them to the optimizer"
            )
        return None if moving == own else np.array([id(v) in own for v in vector.values[: vector.moving]])

    # ----------------------------------------------------------------------------------------------- a batch

    def _one(self, batch: Batch) -> dict[str, float]:
        """Compute a batch, and the step if it is the last one of it; see :meth:`Steps.batch`."""
        held = self._held or self._hold()
        vector, programs = self._vector, self._programs
        assert vector is not None
        assert programs is not None
        places, share, first, last = batch
        parameters = held.numbers.parameters
        arrays = [*vector.split(parameters), *programs.arrays(np.array(places)), *self._captured]
        results = programs.program("step", len(places)).try_run(arrays, programs.data)
        if results is None:
            return self._eagerly(batch)
        found, *slopes = results
        loss = float(found)
        gradient = vector.gradient(np, slopes)
        if share != 1.0:
            gradient = gradient * share
        if not first:
            gradient = held.gradient + gradient
        numbers = held.numbers
        if last and math.isfinite(loss) and _all_finite(gradient):
            if self.clip_grad_norm is not None:
                gradient = clip_norm(np, gradient, self.clip_grad_norm, self._counted)
            with np.errstate(all="ignore"):
                numbers = vector.moved(np, array_arithmetic(), numbers, gradient, self._groups)
        if not (math.isfinite(loss) and _all_finite(gradient) and _all_finite(numbers.parameters)):
            return self._eagerly(batch)
        self._held = Held(numbers, parameters, gradient)
        if not self.metrics:
            return {"loss": loss}
        outputs = programs.program("outputs", len(places)).run(arrays)[0].tolist()
        return {"loss": loss} | apply_metrics(self.metrics, outputs, self._samples.at(places).targets)

    def _eagerly(self, batch: Batch) -> dict[str, float]:
        """Compute the batch without a program, which says what is not finite."""
        assert self._programs is not None
        self.write_back()
        return self.batch(self._programs.samples.at(batch.places), batch.share, batch.first, batch.last)

    # -------------------------------------------------------------------------------------------- validation

    def validate(self, samples: Samples, order: Sequence[Sequence[int]]) -> Iterator[tuple[float, list[Any]]]:
        """Do what :meth:`Steps.validate` does, by a program if there can be one."""
        programs = self._validating(samples, order)
        parameters = self._parameters(programs) if programs.is_ready else []
        for places in order:
            found = programs.evaluated(parameters, places, bool(self.metrics)) if programs.is_ready else None
            if found is not None and math.isfinite(found[0]):
                yield found
            else:
                self.write_back()
                yield from super().validate(samples, [places])

    def _parameters(self, programs: Programs) -> list[Any]:
        """Return the present parameters, as programs take them."""
        if self._held is None or self._vector is None:
            return programs.parameters()
        return self._vector.split(np.asarray(self._held.numbers.parameters))

    def _validating(self, samples: Samples, order: Sequence[Sequence[int]]) -> Programs:
        """Return the programs for the validation; not ready if there can be none."""
        programs = self._validation
        if programs is None or not programs.are_right(samples, (), order):
            self.write_back()
            programs = self._validation = Programs(self.compute, samples, (), self.optimizer.parameters, self.engine)
            with suppress(LiftError):
                programs.prepare(order, ["loss", "outputs"] if self.metrics else ["loss"])
        return programs

    # ----------------------------------------------------------------------------------------- back into Values

    def write_back(self) -> None:
        """Put the numbers into the parameters and the optimiser, if they are in arrays."""
        held, vector = self._held, self._vector
        self._held = None if held is None or held.good is None else held
        if self._held is None:
            return
        assert held is not None
        assert vector is not None
        vector.write(held.numbers)
        for value, slope in zip(vector.values, np.asarray(held.gradient).tolist(), strict=False):
            value.grad = slope
        good = dict(zip(map(id, vector.values), np.asarray(held.good).tolist(), strict=True))
        _, buffers = self.good.look()
        self.good.confirm(([good[id(parameter)] for parameter in self.good.parameters], buffers))
        self._held = None

    def hand_over(self) -> None:
        """Do what :meth:`Steps.hand_over` does: afterwards the programs are compared with the model again."""
        self.write_back()
        for programs in (self._programs, self._validation):
            if programs is not None:
                programs.is_sure = False

    def undo(self) -> None:
        """Leave the parameters of the last step that was done."""
        self.write_back()
        super().undo()


def _check_optimizer(optimizer: Any, engine: str) -> None:
    """Raise unless a step of the optimiser is its formula, and nothing else."""
    who = type(optimizer).__name__
    if not isinstance(optimizer, Optimizer):
        raise LiftError(f'engine={engine!r} needs the formula of an Optimizer, and {who} is none: take engine="eager"')
    if hasattr(optimizer, "update_hessian"):
        raise LiftError(
            f"{who} estimates the Hessian on the graph of the loss, and engine={engine!r} records none: take "
            'engine="eager", or another optimizer'
        )
    kind: Any = type(optimizer)
    own = [name for name in ("step", "zero_grad") if getattr(kind, name) is not getattr(Optimizer, name)]
    if own and is_foreign(optimizer):
        raise LiftError(
            f"{who} has a {own[0]}() of its own, which engine={engine!r} would not call: it runs update(...) on "
            'arrays. Take engine="eager"'
        )


def is_foreign(thing: Any) -> bool:
    """Tell whether somebody else wrote it, who may look at the parameters."""
    return not type(thing).__module__.startswith("tinygrad_lite.")


def _all_finite(numbers: Any) -> bool:
    return math.isfinite(numbers.sum()) or bool(np.isfinite(numbers).all())
