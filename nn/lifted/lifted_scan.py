"""Many steps of a training run as one compiled call of JAX: a scan over their batches.

The data lie on the device, and a batch is the places of its samples. Hyperparameters that a schedule is going to set
are found by stepping it ahead and taking it back; those that change are given to the call, others are compiled into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise, takewhile, zip_longest
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_lite.lift.engines import jax_engine, op_lowerings
from tinygrad_lite.lift.engines.jax_library import import_jax, use_x64
from tinygrad_lite.nn.base.batches import Samples
from tinygrad_lite.nn.lifted.lifted_programs import Programs
from tinygrad_lite.nn.lifted.lifted_steps import LiftedSteps, is_foreign
from tinygrad_lite.nn.lifted.lifted_vector import Numbers, Vector, clip_norm
from tinygrad_lite.nn.optim.schedule import LRScheduler
from tinygrad_lite.nn.train.metrics import apply_metrics
from tinygrad_lite.nn.train.steps import Batch, Schedule, plan_batches


class ScannedSteps(LiftedSteps):
    """Steps on JAX: as many as can be are one compiled call, a scan over their batches.

    A call ends where somebody looks, where the number of samples in a batch changes, and with the epoch. Inside it
    nothing moves any more once a number is not finite: that batch is then run eagerly.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        #: Compiled scans, and what they are of.
        self._scans: dict[str, Callable[..., Any]] = {}
        self._scans_of: tuple[Vector, Programs] | None = None
        self._data: tuple[Any, ...] = ()
        self._changing: dict[str, Any] = {}
        #: Hyperparameters that were seen to change, and their last values.
        self._moving = {"lr"}
        self._last_rates: list[dict[str, Any]] = []

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
        alone = watched or (schedule is not None and not _is_foreseeable(schedule.scheduler))
        left = plan_batches(order, accumulate)
        while left:
            plan = left[:1] if alone else _alike(left)
            rates = self._foreseen(plan, schedule)
            plan = plan[: len(rates)]
            found = self._scanned(plan, rates)
            for batch, numbers in zip_longest(plan[: len(found) + 1], found):
                yield self._eagerly(batch) if numbers is None else numbers
                if batch.last and schedule is not None:
                    self._after_step(schedule)
            left = left[min(len(plan), len(found) + 1) :]

    # ----------------------------------------------------------------------------------------- hyperparameters

    def _foreseen(self, plan: Sequence[Batch], schedule: Schedule | None) -> list[list[dict[str, Any]]]:
        """Return the hyperparameters of each batch, of as many as can have one compiled call."""
        rates = [self.optimizer._checked_groups()]
        if schedule is None or len(plan) == 1:
            rates *= len(plan)
        else:
            self._look_ahead(plan, schedule.scheduler, rates)
        for before, after in pairwise([self._last_rates or rates[0], *rates]):
            for old, new in zip(before, after, strict=False):
                self._moving |= {name for name in new if old.get(name) != new[name]}
        self._last_rates = rates[-1]
        return [*takewhile(lambda groups: _pattern(groups) == _pattern(rates[0]), rates)]

    def _look_ahead(self, plan: Sequence[Batch], scheduler: Any, rates: list[list[dict[str, Any]]]) -> None:
        """Add what the schedule is going to set, and take it back to where it is."""
        groups, state = [dict(group) for group in self.optimizer.param_groups], scheduler.state_dict()
        try:
            for batch in plan[:-1]:
                if batch.last:
                    scheduler.step()
                rates.append(self.optimizer._checked_groups() if batch.last else rates[-1])
        except ValueError:  # such as a cycle that is over: it says so again when it is stepped there
            pass
        finally:
            scheduler.load_state_dict(state)
            for group, before in zip(self.optimizer.param_groups, groups, strict=True):
                group.clear()
                group.update(before)

    def _divided(
        self, rates: Sequence[Sequence[Mapping[str, Any]]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """For each group the hyperparameters that the call is compiled with, and arrays of those that it is given."""
        fixed, moving = [], []
        for group, present in enumerate(rates[0]):
            names = [
                name
                for name, x in present.items()
                if name in self._moving and (name == "lr" or (x and isinstance(x, (float, tuple))))
            ]
            fixed.append({name: x for name, x in present.items() if name not in names})
            moving.append({name: np.array([groups[group][name] for groups in rates], np.float64) for name in names})
        return fixed, moving

    # --------------------------------------------------------------------------------------------- a compiled call

    def _scanned(self, plan: Sequence[Batch], rates: Sequence[list[dict[str, Any]]]) -> list[dict[str, float]]:
        """Run the batches, and give the numbers of those before the first that is not finite."""
        held = self._held or self._hold()
        numbers = held.numbers
        fixed, moving = self._divided(rates)
        run, changing = self._scan(len(plan[0].places), fixed, moving, numbers, rates[0])
        batches = {
            "places": np.array([batch.places for batch in plan]),
            "share": np.array([batch.share for batch in plan]),
            "first": np.array([batch.first for batch in plan]),
            "last": np.array([batch.last for batch in plan]),
            "rates": moving,
        }
        memory = [
            {name: x if np.shape(x := old[name]) == shape else np.full(shape, x) for name, shape in names.items()}
            for old, names in zip(numbers.memory, changing, strict=True)
        ]
        steps = [np.float64(count) for count in numbers.steps]
        good = numbers.parameters if held.good is None else held.good
        state = (memory, steps, good, held.gradient, np.array(True))
        parameters, state, found = run(numbers.parameters, state, batches, *self._data, self._captured)
        memory, steps, good, gradient, fine = state
        whole = tuple([{**old, **new} for old, new in zip(numbers.memory, memory, strict=True)])
        count = len(plan) if fine else int(np.asarray(found["fine"]).argmin())
        numbers = Numbers(parameters, whole, tuple(steps))
        self._held = held._replace(numbers=numbers, good=good if count else held.good, gradient=gradient)
        return self._told(plan[:count], found)

    def _told(self, plan: Sequence[Batch], found: Mapping[str, Any]) -> list[dict[str, float]]:
        """Return the numbers of the batches, as the history keeps them."""
        told = [{"loss": loss} for loss in np.asarray(found["loss"])[: len(plan)].tolist()]
        if self.metrics:
            outputs = np.asarray(found["outputs"])
            for i, batch in enumerate(plan):
                told[i] |= apply_metrics(self.metrics, outputs[i].tolist(), self._samples.at(batch.places).targets)
        return told

    def _scan(
        self,
        size: int,
        fixed: Sequence[Mapping[str, Any]],
        moving: Sequence[Mapping[str, Any]],
        numbers: Numbers,
        groups: Sequence[Mapping[str, Any]],
    ) -> tuple[Callable[..., Any], list[dict[str, tuple[int, ...]]]]:
        """Return the compiled call for batches of so many samples, and what it carries of the optimiser's memory."""
        vector, programs = self._vector, self._programs
        assert vector is not None
        assert programs is not None
        if self._scans_of is None or self._scans_of[0] is not vector or self._scans_of[1] is not programs:
            with use_x64():
                self._data = tuple([import_jax().numpy.asarray(given) for given in (programs.inputs, programs.targets)])
            self._scans, self._changing, self._scans_of = {}, {}, (vector, programs)
        kind = str((fixed, [sorted(names) for names in moving]))
        if kind not in self._changing:
            self._changing[kind] = vector.changing(numbers, groups)
        key = f"{size}, {kind}"
        if key not in self._scans:
            self._scans[key] = jax_engine.scan_steps(self._body(size, fixed, numbers.memory))
        return self._scans[key], self._changing[kind]

    def _body(
        self, size: int, fixed: Sequence[Mapping[str, Any]], remembered: Sequence[Mapping[str, Any]]
    ) -> Callable[..., Any]:
        """Compute a batch, and the step if it is the last one of it, in ``jax.numpy``."""
        vector, programs = self._vector, self._programs
        assert vector is not None
        assert programs is not None
        jnp = import_jax().numpy
        step_program = programs.program("step", size)
        program, demands = jax_engine.make_function(step_program.checked_ir), step_program.demands
        count = len(step_program.ir.outputs)
        outputs = jax_engine.make_function(programs.program("outputs", size).ir) if self.metrics else None
        arithmetic = SimpleNamespace(**op_lowerings.load_jax_functions())
        limit, counted = self.clip_grad_norm, self._counted

        def step(parameters: Any, state: Any, batch: Any, inputs: Any, targets: Any, captured: Any) -> Any:
            memory, steps, good, before, fine = state
            sample = [programs.turned(array[batch["places"]]) for array in (inputs, targets)]
            arrays = [*vector.split(parameters), *sample, *captured]
            results = program(arrays)
            loss, *slopes = results[:count]
            last = batch["last"]
            gradient = batch["share"] * vector.gradient(jnp, slopes) + jnp.where(batch["first"], 0.0, before)
            used = gradient if limit is None else clip_norm(jnp, gradient, limit, counted)
            whole = tuple([{**old, **new} for old, new in zip(remembered, memory, strict=True)])
            groups = [_given(*group) for group in zip(fixed, batch["rates"], strict=True)]
            moved = vector.moved(jnp, arithmetic, Numbers(parameters, whole, tuple(steps)), used, groups)
            fine = fine & demands.are_met(jnp, arrays, results[count:], programs.data)
            fine = fine & jnp.isfinite(loss) & jnp.isfinite(gradient).all()
            fine = fine & (jnp.isfinite(moved.parameters).all() | ~last)
            taken = fine & last
            new = [{name: there[name] for name in names} for names, there in zip(memory, moved.memory, strict=True)]
            memory, steps = import_jax().tree.map(
                lambda a, b: jnp.where(taken, a, b), (new, list(moved.steps)), (memory, steps)
            )
            after = jnp.where(taken, used, jnp.where(fine, gradient, before))
            found = {"loss": loss, "fine": fine} | ({} if outputs is None else {"outputs": outputs(arrays)[0]})
            state = (memory, steps, jnp.where(fine, parameters, good), after, fine)
            return jnp.where(taken, moved.parameters, parameters), state, found

        return step


class _NotZero:
    """A number that JAX traces, and of which is known that it is not 0: formulas ask whether there is momentum."""

    def __init__(self, number: Any) -> None:
        self._number = number

    def __bool__(self) -> bool:
        return True

    def __add__(self, other: Any) -> Any:
        return self._number + other

    def __sub__(self, other: Any) -> Any:
        return self._number - other

    def __rsub__(self, other: Any) -> Any:
        return other - self._number

    def __mul__(self, other: Any) -> Any:
        return self._number * other

    def __truediv__(self, other: Any) -> Any:
        return self._number / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / self._number

    def __pow__(self, other: Any) -> Any:
        return self._number**other

    def __rpow__(self, other: Any) -> Any:
        return other**self._number

    __radd__, __rmul__ = __add__, __mul__


def _given(fixed: Mapping[str, Any], moving: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters of a group, those that change as JAX traces them."""
    traced = {name: x if name == "lr" else tuple(x) if x.ndim else _NotZero(x) for name, x in moving.items()}
    return {**fixed, **traced}


def _pattern(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what formulas branch on in the hyperparameters: what is 0, and all that is no float."""
    return [
        {
            name: len(x) if isinstance(x, tuple) else bool(x) if isinstance(x, float) else x
            for name, x in group.items()
            if name != "lr"
        }
        for group in groups
    ]


def _alike(plan: Sequence[Batch]) -> Sequence[Batch]:
    """Return the first batches, as far as they have equally many samples."""
    sizes = [len(batch.places) for batch in plan]
    return plan[: next((i for i, size in enumerate(sizes) if size != sizes[0]), len(plan))]


def _is_foreseeable(scheduler: Any) -> bool:
    """Tell whether what a schedule will set can be known before the losses are."""
    return isinstance(scheduler, LRScheduler) and not scheduler.needs_metric and not is_foreign(scheduler)
