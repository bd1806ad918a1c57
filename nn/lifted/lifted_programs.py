"""The programs of a training run: loss and gradients of a batch, lifted from the model and the loss as they are.

Where a model is called with each sample, and the loss of a batch is the mean (or the sum) of the losses of its samples,
one sample is traced, and the program runs over any number of them. Whether it is, the graph of the loss says: the
derivatives by the outputs of each sample must depend on nothing of another one, and be what that sample has alone. If
not, all of a batch is traced, once for each number of samples that a batch has.

Beside the proof that ``lift`` makes, a program is compared with the eager loss and its gradients on the first batch,
and the loss with the eager one on all targets: one that it treats in a way of its own, as ``ignore_index``, is found.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.lifting import lift
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.sized_program import MANY
from tinygrad_lite.lift.tracing.arguments import Unit, merge_units, take_apart
from tinygrad_lite.lift.tracing.captures import Captures, Snapshot
from tinygrad_lite.modes import no_grad
from tinygrad_lite.nn.base.batches import Samples, as_numbers, compute_outputs, match_axes
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import as_object_array
from tinygrad_lite.nn.base.state import ParameterArray
from tinygrad_lite.nn.base.twins import Memo
from tinygrad_lite.nn.lifted.lifted_loss import find_reduction
from tinygrad_lite.nn.train.steps import Computation
from tinygrad_lite.trace_mode import is_tracing
from tinygrad_lite.transforms import Differentiated, gradient
from tinygrad_lite.value import Value, operand

Floats = NDArray[np.float64]
#: How far a program may be from the eager loss, relative to the largest number of an array.
TOLERANCE: Final = 1e-9
#: Of how many samples the outputs are computed to look at the loss.
_FEW: Final = 3
#: From how many samples probes are drawn.
_PROBED: Final = 16


class Trained:
    """All that a run may move or read as parameters, as one argument of a function to lift: each Value once.

    Args:
        compute: Model and loss.
        others: More parameters, which may be in neither.

    Attributes:
        compute: Model and loss.
        others: As given.

    >>> from tinygrad_lite.nn.layers.layers import Neuron
    >>> from tinygrad_lite.nn.losses.losses import mse_loss
    >>> model = Neuron(2)
    >>> trained = Trained(Computation(model, mse_loss), model.parameters())
    >>> {name: array.shape for name, array in trained.__parameter_tree__().items()}
    {'model.w': (2,), 'model.b': ()}
    """

    def __init__(self, compute: Computation, others: Sequence[Value]) -> None:
        self.compute = compute
        self.others = list(others)
        seen: set[int] = set()
        self._tree: dict[str, ParameterArray] = {}
        parts: dict[str, Any] = {"model": compute.model, "loss": compute.loss}
        for name, part in parts.items():
            if hasattr(type(part), "__parameter_tree__"):
                for inner, array in part.__parameter_tree__().items():
                    self._add(f"{name}.{inner}" if inner else name, ParameterArray(*array), seen)
        self._add("others", ParameterArray((len(others),), list(others)), seen)

    def _add(self, name: str, array: ParameterArray, seen: set[int]) -> None:
        new = [value for value in array.values if id(value) not in seen]
        if new:
            whole = len(new) == len(array.values)
            self._tree[name] = array if whole else ParameterArray((len(new),), new)
            seen.update(map(id, new))

    def __parameter_tree__(self) -> dict[str, ParameterArray]:
        return self._tree

    def modules(self) -> list[Module]:
        """List the modules in it: what they keep counts for a program, as how many heads they have does."""
        return [
            part
            for whole in (self.compute.model, self.compute.loss)
            if isinstance(whole, Module)
            for part in whole.modules()
        ]

    def __twins__(self) -> TrainedTwins:
        return TrainedTwins(self)

    def merge_arrays(self) -> dict[str, ParameterArray]:
        """Merge the arrays that a program takes as one: the weights of all neurons of a layer. Each has a name."""
        units = [
            Unit(tuple(name.split(".")), array.shape, values=array.values, whole=array.of_units)
            for name, array in self._tree.items()
        ]
        found: dict[str, ParameterArray] = {}
        for path, members in merge_units(units):
            shape = units[members[0]].shape if len(members) == 1 else (len(members), *units[members[0]].shape)
            values = [value for member in members for value in units[member].values or ()]
            name = ".".join(path)
            found[name if name not in found else f"{name}#{len(found)}"] = ParameterArray(shape, values)
        return found


class TrainedTwins:
    """Makes copies of what is trained, as :class:`~tinygrad_lite.nn.base.twins.Twins` does of a module."""

    def __init__(self, trained: Trained) -> None:
        self.trained = trained
        compute = trained.compute
        self._parts = {
            name: (part.__twins__(), part.__parameter_tree__())
            for name, part in (("model", compute.model), ("loss", compute.loss))
            if isinstance(part, Module)
        }

    def make(self, contents: Mapping[str, ParameterArray], memo: Memo, lengths: Mapping[int, int]) -> Trained:
        """Make a copy with other parameters.

        Raises:
            ValueError: Parameters that are shared are to be of another size.
        """
        for name, array in self.trained.__parameter_tree__().items():
            if array.shape == contents[name].shape:
                memo.update({id(old): (old, new) for old, new in zip(array.values, contents[name].values, strict=True)})
        made = {
            name: twins.make(
                {
                    inner: self._find(f"{name}.{inner}" if inner else name, array, contents, memo)
                    for inner, array in arrays.items()
                },
                memo,
                lengths,
            )
            for name, (twins, arrays) in self._parts.items()
        }
        others = [] if lengths else [memo[id(value)][1] for value in self.trained.others]
        twin = Trained(replace(self.trained.compute, **made), others)
        if twin.__parameter_tree__().keys() != contents.keys():
            raise ValueError("parameters of the optimizer belong to neither model nor loss, and have no other size")
        return twin

    def _find(
        self, name: str, array: ParameterArray, contents: Mapping[str, ParameterArray], memo: Memo
    ) -> ParameterArray:
        """Find what stands in the place of an array of the model or the loss."""
        own = self.trained.__parameter_tree__().get(name)
        if own is not None and len(own.values) == len(array.values):
            return contents[name]
        if not all(id(value) in memo for value in array.values):
            raise ValueError(f"{name} is shared, and cannot be of another size")
        return ParameterArray(array.shape, [memo[id(value)][1] for value in array.values])


class Programs:
    """What computes the loss of a batch and its gradients by arrays, for batches of each size.

    Args:
        compute: Model and loss.
        samples: All that is trained on.
        moving: The parameters to differentiate by.
        others: Those of the optimiser, which may be neither the model's nor the loss's.
        engine: What runs the programs.

    Attributes:
        parameter_arrays: The arrays of parameters that a program takes.
        moved: The places in ``parameter_arrays`` of those whose gradients a program gives, in that order.
        inputs: The samples as an array, one after the other along the first axis.
        targets: Likewise.
        reduce: ``"mean"`` or ``"sum"`` where one sample was traced; None where a batch was.
        is_ready: Whether the programs are made.
        is_sure: Whether the model is known to be as it was then.
        captured: Values that model or loss read and that nobody trains.
    """

    def __init__(
        self, compute: Computation, samples: Samples, moving: Sequence[Value], others: Sequence[Value], engine: str
    ) -> None:
        self.compute = compute
        self.engine = engine
        self.samples = samples
        self.inputs = self.targets = np.zeros(0)
        self._whole = False
        self.trained = Trained(compute, others)
        named = self.trained.merge_arrays()
        self._array_names, self.parameter_arrays = list(named), list(named.values())
        self._is_large = sum([len(array.values) for array in self.parameter_arrays]) > MANY
        self._moving = {id(value) for value in moving}
        self.moved = [
            place
            for place, array in enumerate(self.parameter_arrays)
            if any(id(value) in self._moving for value in array.values)
        ]
        self.captured: list[Value] = []
        self.reduce: str | None = None
        self._programs: dict[Any, Program] = {}
        self.is_ready, self.is_sure = False, True
        self._captures = Captures()
        self._snapshot = self._read_besides()

    def are_right(self, samples: Samples, moving: Sequence[Value], order: Sequence[Sequence[int]]) -> bool:
        """Whether they are for these samples and parameters, and the model is still as it was when they were made."""
        if samples is not self.samples or not self._moving.issuperset(map(id, moving)):
            return False
        if self.is_ready and self._captures.have_changed(self._snapshot, self._read_besides()):
            return False
        if self.is_ready and not self.is_sure:
            before = _State(self.compute)
            # (where it raises, training or the validation says what it is)
            with suppress(ArithmeticError, ValueError), self._unrecorded():
                self.is_sure = not self.difference(order[0] if self.reduce is None else order[0][:_FEW], False)
            before.put_back()
            return self.is_sure
        return True

    def _read_besides(self) -> Snapshot:
        """Return what loss and model read beside their arguments and what they are made of."""
        return self._captures.take_snapshot([self.compute.loss], [self.compute.model])

    # ------------------------------------------------------------------------------------------------ using them

    def arrays(self, places: Any) -> list[Any]:
        """Return inputs and targets of a batch, as its program takes them."""
        return [self.turned(array[places]) for array in (self.inputs, self.targets)]

    def turned(self, array: Any) -> Any:
        """With the samples along the last axis, where a sample was traced."""
        if self.reduce is None or array.ndim == 1:
            return array
        return array.T if array.ndim == 2 else array.transpose(*range(1, array.ndim), 0)

    @property
    def data(self) -> tuple[int, int]:
        """The places of inputs and targets among what a program takes: what it demands of them, all samples have."""
        return len(self.parameter_arrays), len(self.parameter_arrays) + 1

    def evaluated(
        self, parameters: Sequence[Any], places: Sequence[int], outputs: bool
    ) -> tuple[float, list[Any]] | None:
        """Loss and outputs of a batch; no outputs unless they are wanted. None where a number is not as demanded."""
        arrays = [*parameters, *self.arrays(np.asarray(places)), *self.captured_numbers()]
        found = self.program("loss", len(places)).try_run(arrays, self.data)
        if found is None:
            return None
        loss = float(found[0])
        if not outputs:
            return loss, []
        return loss, np.asarray(self.program("outputs", len(places)).run(arrays)[0]).tolist()

    def parameters(self) -> list[Floats]:
        """Return the arrays of parameters as their Values have them."""
        return [array.numbers() for array in self.parameter_arrays]

    def captured_numbers(self) -> list[Floats]:
        """Return the array of the captured Values, if there are any."""
        return _numbers(self.captured)

    def program(self, kind: str, size: int) -> Program:
        """Return the program for batches of so many samples: ``"step"``, ``"loss"`` or ``"outputs"``."""
        key = kind, None if self.reduce is not None else size, self.compute.model.training
        if key not in self._programs:
            self._programs[key] = self._lifted(kind, size)
        return self._programs[key]

    # ------------------------------------------------------------------------------------------------ making them

    def prepare(self, order: Sequence[Sequence[int]], kinds: Sequence[str]) -> None:
        """Make the programs for all batches of an epoch, and compare them with the eager run.

        Args:
            order: The places of the samples of each batch.
            kinds: Of the programs: ``"step"``, ``"loss"``, ``"outputs"``.

        Raises:
            LiftError: They cannot be made, or are not right.
        """
        given = _as_array(self.samples.inputs, "inputs")
        self._whole = given.dtype.kind in "iu"
        self.inputs = given.astype(np.float64)
        self.targets = _as_array(self.samples.targets, "targets").astype(np.float64)
        before = _State(self.compute)
        try:
            sizes = sorted({len(places) for places in order}, reverse=True)
            outputs = self._looked_at(order[0])
            before.check()
            self.reduce = self._reduction(outputs, sizes)
            self._check_targets(outputs[:_FEW], sizes[0])
            for size in sizes:
                for kind in kinds:
                    self.program(kind, size)
            for size in sizes:
                self._check_data(self.program(kinds[0], size), size)
            self._check_first(order[0] if self.reduce is None else order[0][:_FEW])
            before.check()
        except LiftError as error:
            raise LiftError(
                f"engine={self.engine!r} cannot train this: {_sentence(error)} "
                'With engine="eager" the graph is run as it is.'
            ) from error
        finally:
            before.put_back()
        now = self._read_besides()
        self._captures.learn_writes(self._snapshot, now)
        self._snapshot = now
        self.is_ready = True

    def _looked_at(self, places: Sequence[int]) -> list[Any]:
        """Return outputs of a few samples, or of a whole batch if there has to be one."""
        if not self.compute.batched:
            with suppress(ArithmeticError, ValueError), self._unrecorded():  # there may be too few
                return as_numbers(self.compute(self.samples.at(places[:_FEW]))[1])  # type: ignore[no-any-return]  # lists
        return as_numbers(self.compute.checked(self.samples.at(places))[1])  # type: ignore[no-any-return]  # a list

    def _reduction(self, outputs: list[Any], sizes: Sequence[int]) -> str | None:
        """``"mean"`` or ``"sum"`` where the loss is that of the losses of the samples; None where it is neither."""
        if self.compute.batched:
            return None
        found: set[str | None] = set()
        for size in sizes:
            places = range(size)
            targets = self.targets[np.arange(size) % len(self.targets)].tolist()
            found.add(find_reduction(self.compute.loss, [outputs[i % len(outputs)] for i in places], targets))
        return found.pop() if len(found) == 1 else None

    def _lifted(self, kind: str, size: int) -> Program:
        places = self._telling(size)
        inputs, targets = self.inputs[places].tolist(), self.targets[places].tolist()
        function = {"step": self._differentiated_step(), "loss": self._loss, "outputs": self._outputs}[kind]
        axes = (None, 0, 0) if self.reduce is not None else None
        lifted = lift(function, axes, None if kind == "outputs" else self.reduce, self.engine, check=False)
        alike = _like(inputs, self.samples.inputs)
        program = self._guarded(lambda: lifted.program_for(self.trained, alike, targets))
        self._expect_inputs(program)
        return program

    def _telling(self, size: int) -> NDArray[np.intp]:
        """Return samples to trace with and to draw probes from: not only such whose numbers are all 0."""
        rows = [array.reshape(len(array), -1).max(axis=1) for array in (self.inputs, self.targets)]
        largest = [int((row if row.max() > 0.0 else -row).argmax()) for row in rows]
        count = size if self.reduce is None else min(_PROBED, len(self.inputs))
        places = np.array([*largest, *range(count)], dtype=np.intp) % len(self.inputs)
        return places[:count] if self.reduce is None else places

    def _expect_inputs(self, program: Program) -> None:
        """Raise unless the program takes the parameters, inputs, targets and captured Values, in this order."""
        count = sum(len(part) for part in program.inputs.sources)
        units = len(self.trained.__parameter_tree__())
        shapes = [array.shape for array in self.parameter_arrays]
        if count != units + 2 or program.inputs.shapes[: len(shapes)] != shapes:
            raise LiftError("inputs and targets are not one array of numbers each.")
        if not self.captured:
            self.captured = program.inputs.captured
        elif list(map(id, program.inputs.captured)) != list(map(id, self.captured)):
            raise LiftError("the Values that the loss reads beside the parameters differ from batch to batch.")

    def _differentiated_step(self) -> Callable[..., Any]:
        """Make the function of loss and gradients, which says what it is the derivative of."""

        def step(trained: Trained, inputs: Any, targets: Any) -> Any:
            return self._step(trained, inputs, targets)

        step.__differentiated__ = Differentiated(self._loss, 0, True)  # type: ignore[attr-defined]  # for lift
        return step

    def _step(self, trained: Trained, inputs: Any, targets: Any) -> tuple[Any, dict[str, Any]]:
        """Compute the loss, and the gradients by the arrays of parameters, under their names."""
        loss = self._loss(trained, inputs, targets)
        arrays = self.parameter_arrays if trained is self.trained else list(trained.merge_arrays().values())
        moving = [self._find_moving(place, arrays[place]) for place in self.moved]
        leaves = [arrays[place].values[k] for place, own in zip(self.moved, moving, strict=True) for k in own]
        slopes = iter(gradient(loss, leaves, create_graph=is_tracing()))
        found: dict[str, Any] = {}
        for place, own in zip(self.moved, moving, strict=True):
            shape, values = arrays[place].shape, arrays[place].values
            array = np.zeros(len(values), dtype=object)
            array[own] = [next(slopes) for _ in own]
            found[self._array_names[place]] = array.reshape(shape) if shape else array[0]
        return loss, found

    def _find_moving(self, place: int, array: ParameterArray) -> list[int]:
        """Find which numbers are moved of an array that stands for one of parameters.

        Raises:
            ValueError: It is of another size, and not all are moved.
        """
        values = self.parameter_arrays[place].values
        moving = [k for k, value in enumerate(values) if id(value) in self._moving]
        if len(moving) == len(values):
            return list(range(len(array.values)))
        if len(array.values) != len(values):
            raise ValueError(f"some of the numbers of {self._array_names[place]} are moved, and others are not")
        return moving

    def _loss(self, trained: Trained, inputs: Any, targets: Any) -> Value:
        loss, _ = trained.compute(self._batch(inputs, targets))
        return loss

    def _outputs(self, trained: Trained, inputs: Any, targets: Any) -> Any:
        compute, batch = trained.compute, self._batch(inputs, targets)
        outputs = match_axes(compute_outputs(compute.model, batch.inputs, bool(compute.batched)), batch.targets)
        return as_object_array(outputs if self.reduce is None else outputs[0])

    def _batch(self, inputs: Any, targets: Any) -> Samples:
        """Return what a program is traced with, as the user's code knows it: whole numbers as ints, but for Values."""
        if not is_tracing():
            inputs, targets = np.asarray(inputs, np.float64), np.asarray(targets, np.float64)
            whole = self._whole and bool((inputs == np.rint(inputs)).all())  # a probe's numbers may be others
            inputs, targets = (inputs.astype(np.int64) if whole else inputs).tolist(), targets.tolist()
        if self.reduce is not None:
            inputs, targets = [inputs], [targets]
        return Samples(_like(list(inputs), self.samples.inputs), list(targets))

    # ---------------------------------------------------------------------------------------------- checking them

    def difference(self, places: Sequence[int], slopes: bool = True) -> str:
        """Return how a program differs from the eager run on some samples; "" if it does not.

        Args:
            places: Of the samples.
            slopes: Whether to compare gradients too.
        """
        loss, _ = self.compute(self.samples.at(places))
        kind = next(kind for kind, _, _ in self._programs if kind in ("step", "loss"))
        arrays = [*self.parameters(), *self.arrays(np.asarray(places)), *self.captured_numbers()]
        found, *arrays = self.program(kind, len(places)).run(arrays)
        difference = _difference("loss", [float(found)], [loss.data])
        if difference or not slopes or kind == "loss":
            return difference
        gradients = {
            id(value): slope
            for place, array in zip(self.moved, arrays, strict=True)
            for value, slope in zip(self.parameter_arrays[place].values, np.ravel(array).tolist(), strict=True)
        }
        leaves = [
            value for place in self.moved for value in self.parameter_arrays[place].values if id(value) in self._moving
        ]
        return _difference(
            "gradient", [gradients[id(leaf)] for leaf in leaves], gradient(loss, leaves) if leaves else []
        )

    def _unrecorded(self) -> AbstractContextManager[Any]:
        """Where there are many parameters no graph is recorded: their gradients are proved by other means."""
        return no_grad() if self._is_large else nullcontext()

    def _check_first(self, places: Sequence[int]) -> None:
        with self._unrecorded():
            difference = self.difference(places[:1] if self._is_large and self.reduce else places, not self._is_large)
        if difference:
            raise LiftError(
                f"the program is not the eager run on the first batch: {difference}. What model or loss compute "
                "depends on more than parameters, inputs and targets."
            )

    def _check_targets(self, outputs: list[Any], size: int) -> None:
        """Raise unless the lifted loss is the eager one for each target that there is."""
        count = size if self.reduce is None else 1
        given = [outputs[i % len(outputs)] for i in range(count)]

        def loss(outputs: Any, targets: Any) -> Any:
            labels = list(targets) if self.reduce is None else [targets]
            return self.compute.loss(match_axes(outputs, labels), labels)

        axes = None if self.reduce is None else (None, 0)
        sample = self.targets[self._telling(size)]
        program = self._guarded(lambda: lift(loss, axes, None).program_for(given, sample.tolist()))
        known = take_apart(("outputs",), (given,), {}, (), ()).arrays
        captured = _numbers(program.inputs.captured)
        seen = set()
        for first in range(0, len(self.targets), count):
            places = np.arange(first, first + count) % len(self.targets)
            targets = self.targets[places]
            key = targets.tobytes()
            if key in seen:
                continue
            seen.add(key)
            [ours] = program.run([*known, self.turned(targets), *captured])
            try:
                eager = operand(self.compute.loss(match_axes(given, targets.tolist()), targets.tolist())).data
            except (ArithmeticError, IndexError, TypeError, ValueError) as error:
                raise LiftError(f"the loss of {self._named(places)} alone: {_sentence(error)}") from error
            if not np.isclose(float(np.ravel(ours)[0]), eager, rtol=TOLERANCE, atol=1e-12, equal_nan=True):
                raise LiftError(
                    f"the loss treats {self._named(places)} in another way: it gives {eager!r}, and its program, made "
                    f"from other samples, {float(np.ravel(ours)[0])!r}."
                )

    def _check_data(self, program: Program, size: int) -> None:
        """Raise unless all samples are as the function demands; batches are not looked at any more."""
        parameters, captured = self.parameters(), self.captured_numbers()
        count = size if self.reduce is None else len(self.inputs)
        for first in range(0, len(self.inputs), count):
            places = np.arange(first, first + count) % len(self.inputs)
            try:
                program.demands.check_arguments([*parameters, *self.arrays(places), *captured])
            except (ArithmeticError, IndexError, TypeError, ValueError) as error:
                raise LiftError(_sentence(error)) from error

    def _named(self, places: NDArray[np.intp]) -> str:
        targets = [self.samples.targets[place] for place in places.tolist()]
        return (
            f"sample {places[0]}, with the target {targets[0]!r}," if len(places) == 1 else f"targets {targets!r:.200}"
        )

    def _guarded(self, make: Callable[[], Program]) -> Program:
        """Call ``make``, and raise any error as one that says what was done."""
        try:
            return make()
        except (ImportError, LiftError):
            raise
        except Exception as error:
            raise LiftError(
                f"the loss could not be traced: {type(error).__name__}: {_sentence(error)} While it is, inputs, "
                "targets and parameters are Values."
            ) from error


def _numbers(captured: Sequence[Value]) -> list[Floats]:
    """Return the array that a program takes for the Values that it captured, if there are any."""
    return [np.array([value.data for value in captured], np.float64)] if captured else []


def _difference(what: str, ours: Sequence[float], truth: Sequence[float]) -> str:
    scale = max(map(abs, truth), default=0.0)
    worst = max((abs(a - b) for a, b in zip(ours, truth, strict=True)), default=0.0)
    if not math.isfinite(scale) or worst <= TOLERANCE * scale + 1e-12:
        return ""
    return f"the {what} differs by {worst:.3g}, from numbers up to {scale:.3g}"


class _State:
    """What computing may change beside the parameters: buffers, and random generators."""

    def __init__(self, compute: Computation) -> None:
        self._generators = [(generator, generator.getstate()) for generator in compute.generators]
        self._buffers = [
            (module, name, copy.deepcopy(getattr(module, name)))
            for module in compute.modules
            for name in getattr(module, "_buffers", ())
        ]

    def check(self) -> None:
        """Raise if computing the loss changed any of them.

        Raises:
            LiftError: It did.
        """
        if any(generator.getstate() != state for generator, state in self._generators):
            raise LiftError("the model draws random numbers in training (Dropout does), and a program would draw none.")
        for module, name, content in self._buffers:
            if not np.array_equal(as_numbers(getattr(module, name)), as_numbers(content)):
                raise LiftError(
                    f"{head(module)} changes its {name} in training, and a program would not. (BatchNorm1d with "
                    "track_running_stats=False keeps none.)"
                )

    def put_back(self) -> None:
        """Undo what computing changed."""
        for generator, state in self._generators:
            generator.setstate(state)
        for module, name, content in self._buffers:
            setattr(module, name, content)


def _as_array(items: list[Any], name: str) -> NDArray[Any]:
    """Return samples as one array, the samples along its first axis."""
    try:
        array = np.array(items)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise LiftError(
            f"a program takes arrays, and the {name} are not numbers in one shape for all samples. Pad them, or take "
            'engine="eager"'
        )
    return array


def _sentence(error: Exception) -> str:
    return f"{str(error).rstrip('.')}."


def _like(inputs: list[Any], samples: list[Any]) -> list[Any]:
    """Return the samples in tuples where those of the user are."""
    return [_in_kind(item, samples[0]) for item in inputs]


def _in_kind(item: Any, sample: Any) -> Any:
    if not isinstance(sample, (list, tuple)) or not sample:
        return item
    parts = [_in_kind(part, sample[0]) for part in item]
    return tuple(parts) if isinstance(sample, tuple) else parts
