"""fit trains by programs as it does eagerly: the same losses, weights and state, and nothing is trained wrongly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_lite.errors import LiftError
from tinygrad_lite.functions import relu
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.modes import detect_anomaly
from tinygrad_lite.nn.base.containers import Sequential
from tinygrad_lite.nn.base.module import Module, observing
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.nn.layers.embedding import Embedding
from tinygrad_lite.nn.layers.layers import MLP
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.layers.normalization import BatchNorm1d, LayerNorm
from tinygrad_lite.nn.lifted.lifted_loss import find_reduction
from tinygrad_lite.nn.lifted.lifted_steps import LiftedSteps
from tinygrad_lite.nn.lifted.lifted_vector import Vector
from tinygrad_lite.nn.losses.class_losses import cross_entropy
from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits as bce
from tinygrad_lite.nn.losses.losses import hinge_loss, huber_loss, l1_loss, mse_loss
from tinygrad_lite.nn.optim.grad_scaler import GradScaler
from tinygrad_lite.nn.optim.one_cycle import OneCycleLR
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.optim.optimizers import SGD, Adam, AdamW, Lion, RMSprop
from tinygrad_lite.nn.optim.plateau import ReduceLROnPlateau
from tinygrad_lite.nn.optim.schedule import LRScheduler
from tinygrad_lite.nn.optim.schedule_free import AdamWScheduleFree, SGDScheduleFree
from tinygrad_lite.nn.optim.schedules import CosineAnnealingLR, ExponentialLR, StepLR
from tinygrad_lite.nn.optim.sophia import SophiaH
from tinygrad_lite.nn.train.callbacks import BestWeights, Callback, EarlyStopping, Run
from tinygrad_lite.nn.train.data import moons, xor
from tinygrad_lite.nn.train.history import History
from tinygrad_lite.nn.train.metrics import accuracy
from tinygrad_lite.nn.train.nonfinite import NonFiniteError
from tinygrad_lite.nn.training import fit
from tinygrad_lite.value import Value

DATA = moons(22, generator=0)
#: What a run may differ from the eager one, relative to each number of the history.
RTOL = 1e-9


def small(seed: int = 0, outputs: int = 1) -> MLP:
    return MLP(2, [4, outputs], "tanh", seed=seed)


def numbers(model: Module) -> list[float]:
    return [parameter.data for parameter in model.parameters()]


def grouped(model: Module) -> list[dict[str, Any]]:
    """Weights and biases in groups of their own, one weight frozen."""
    weights = [p for name, p in model.named_parameters() if not name.endswith(".b")]
    biases = [p for name, p in model.named_parameters() if name.endswith(".b")]
    weights[3].requires_grad = False
    return [{"params": list(reversed(weights)), "weight_decay": 0.1}, {"params": biases, "lr": 0.02}]


def trained(engine: str, make: Callable[[Any], Optimizer], **options: Any) -> tuple[History, Module, Optimizer]:
    """A run. Options that are functions of the optimiser or of the model give what ``fit`` takes."""
    model = options.pop("model", small)()
    parameters = options.pop("parameters", lambda model: model.parameters())
    optimizer = make(parameters(model))
    loss, data = options.pop("loss", bce), options.pop("data", DATA)
    if "scheduler" in options:
        options["scheduler"] = options["scheduler"](optimizer)
    history = fit(
        model, loss, data, optimizer, **{"generator": 0, "epochs": 20, "batch_size": 5, "engine": engine, **options}
    )
    return history, model, optimizer


def assert_same(ours: Any, truth: Any) -> None:
    """Plain data are equal, numbers to rounding."""
    if isinstance(truth, dict):
        assert ours.keys() == truth.keys()
        for key, value in truth.items():
            assert_same(ours[key], value)
    elif isinstance(truth, (list, tuple)):
        assert len(ours) == len(truth)
        for a, b in zip(ours, truth, strict=True):
            assert_same(a, b)
    elif isinstance(truth, float):
        assert math.isclose(ours, truth, rel_tol=RTOL, abs_tol=1e-11)
    else:
        assert ours == truth


def assert_same_runs(engine: str, make: Callable[[Any], Optimizer], **options: Any) -> None:
    eager, model, optimizer = trained("eager", make, **options)
    history, other, theirs = trained(engine, make, **options)
    for name, column in eager.items():
        np.testing.assert_allclose(history[name], column, rtol=RTOL, err_msg=name)
    assert history.stopped == eager.stopped
    np.testing.assert_allclose(numbers(other), numbers(model), rtol=RTOL, atol=1e-11)
    assert_same(theirs.state_dict(), optimizer.state_dict())


OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "SGD": lambda p: SGD(p, lr=0.1),
    "momentum": lambda p: SGD(p, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "Nesterov": lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "RMSprop": lambda p: RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Adam": lambda p: Adam(p, lr=0.01, amsgrad=True, weight_decay=0.01),
    "AdamW": lambda p: AdamW(p, lr=0.01),
    "Lion": lambda p: Lion(p, lr=0.003, weight_decay=0.1),
    "SGDScheduleFree": lambda p: SGDScheduleFree(p, lr=0.5, warmup_steps=3),
    "AdamWScheduleFree": lambda p: AdamWScheduleFree(p, lr=0.05, warmup_steps=3),
}


def adam(parameters: Any) -> Optimizer:
    return Adam(parameters, lr=0.02)


# ---------------------------------------------------------------------------------------------------- the same run


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_100_steps_of_every_optimiser_are_those_of_the_eager_run(name: str) -> None:
    assert_same_runs("numpy", OPTIMIZERS[name])


@pytest.mark.parametrize(
    ("name", "engine_name"), [("momentum", "numba"), ("AdamWScheduleFree", "jax"), ("momentum", "tape")]
)
def test_100_steps_on_other_engines_are_those_of_the_eager_run(name: str, engine_name: str) -> None:
    pytest.importorskip(registry.ENGINES[engine_name].library)
    assert_same_runs(engine_name, OPTIMIZERS[name])


@pytest.mark.parametrize("engine_name", ["numpy", "jax", "tape"])
def test_a_run_has_groups_frozen_weights_clipping_schedules_and_accumulation(engine_name: str) -> None:
    pytest.importorskip(registry.ENGINES[engine_name].library)
    assert_same_runs(
        engine_name,
        OPTIMIZERS["momentum"],
        parameters=grouped,
        clip_grad_norm=0.2,
        scheduler=lambda optimizer: ExponentialLR(optimizer, 0.99),
        scheduler_every="batch",
        accumulate=2,
        metrics=[accuracy],
        validation_data=moons(7, generator=1),
    )


@settings(max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(list(OPTIMIZERS)),
    batch_size=st.sampled_from([None, 1, 4, 8]),
    accumulate=st.integers(1, 3),
    clip=st.sampled_from([None, 0.05, 1e3]),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    is_grouped=st.booleans(),
)
def test_whatever_the_settings_the_run_is_the_eager_one(
    name: str, batch_size: int | None, clip: float | None, is_grouped: bool, **options: Any
) -> None:
    if is_grouped and name in ("Lion", "SGDScheduleFree"):
        is_grouped = False  # with a learning rate of their own, and Lion's steps are too long
    parameters = grouped if is_grouped and "weight_decay" in OPTIMIZERS[name]([Value(0.0)]).defaults else None
    options |= {"batch_size": batch_size, "clip_grad_norm": clip, "epochs": 3}
    assert_same_runs("numpy", OPTIMIZERS[name], **options, **({"parameters": parameters} if parameters else {}))


SCHEDULES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "each epoch": (lambda optimizer: StepLR(optimizer, 2, 0.5), "epoch"),
    "each batch": (lambda optimizer: CosineAnnealingLR(optimizer, 60), "batch"),
    "momentum too": (lambda optimizer: OneCycleLR(optimizer, 0.1, total_steps=60), "batch"),
    "by the validation": (lambda optimizer: ReduceLROnPlateau(optimizer, patience=0, factor=0.5), "epoch"),
    "by the loss of a batch": (lambda optimizer: ReduceLROnPlateau(optimizer, patience=2, factor=0.9), "batch"),
}


@pytest.mark.parametrize(
    ("engine_name", "name"), [*[("numpy", name) for name in SCHEDULES], ("jax", "each batch"), ("jax", "momentum too")]
)
def test_schedules_set_the_rates_of_the_eager_run(engine_name: str, name: str) -> None:
    pytest.importorskip(engine_name)
    scheduler, every = SCHEDULES[name]
    options: dict[str, Any] = {"scheduler": scheduler, "scheduler_every": every, "epochs": 12}
    assert_same_runs(engine_name, OPTIMIZERS["momentum"], **options, validation_data=moons(6, generator=1))


@pytest.mark.parametrize("engine_name", ["numpy", "jax"])
def test_a_cycle_that_is_over_is_said_after_the_same_step(engine_name: str) -> None:
    pytest.importorskip(engine_name)
    ends = []
    for name in ("eager", engine_name):
        model = small()
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        scheduler = OneCycleLR(optimizer, 0.1, total_steps=7)
        with pytest.raises(ValueError, match="the cycle is over"):
            fit(
                model,
                bce,
                DATA,
                optimizer,
                3,
                5,
                scheduler=scheduler,
                scheduler_every="batch",
                engine=name,
                generator=0,
            )
        ends.append([*numbers(model), optimizer.lr, optimizer.momentum])
    np.testing.assert_allclose(ends[1], ends[0], rtol=RTOL)


THREE = [[math.sin(3.0 * i), math.cos(2.0 * i)] for i in range(17)], [i % 3 for i in range(17)]
TWO = THREE[0], [[a + b, a - b] for a, b in THREE[0]]


class Weighted(Module):
    """A loss that is trained: the squared error over a variance that it learns."""

    def __init__(self) -> None:
        self.log_variance = Value(0.1)

    def forward(self, outputs: Any, targets: Any) -> Value:
        error: Value = mse_loss(outputs, targets)
        return error * (-self.log_variance).exp() + self.log_variance


LOSSES: dict[str, tuple[Any, Any]] = {
    "mse": (mse_loss, TWO),
    "l1": (l1_loss, TWO),
    "huber": (huber_loss, TWO),
    "sum": (lambda outputs, targets: mse_loss(outputs, targets, reduction="sum") * 0.1, TWO),
    "classes": (cross_entropy, THREE),
    "smoothed": (lambda outputs, targets: cross_entropy(outputs, targets, label_smoothing=0.1), THREE),
    "weighted": (lambda outputs, targets: cross_entropy(outputs, targets, weight=[1.0, 2.0, 3.0]), THREE),
    "root": (lambda outputs, targets: mse_loss(outputs, targets) ** 0.5, TWO),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_regression_and_classes_are_those_of_the_eager_run(name: str) -> None:
    loss, data = LOSSES[name]
    outputs = 3 if data is THREE else 2
    assert_same_runs("numpy", adam, loss=loss, data=data, model=lambda: small(outputs=outputs), epochs=3)


def test_a_hinge_loss_has_its_kinks_where_the_eager_one_has() -> None:
    signs = [2.0 * y - 1.0 for y in DATA[1]]
    model = lambda: MLP(2, [6, 1], "relu", seed=1)  # noqa: E731  (it is an argument)
    assert_same_runs("numpy", OPTIMIZERS["SGD"], loss=hinge_loss, data=(DATA[0], signs), model=model)


def test_parameters_of_the_loss_and_of_nobody_are_trained_too() -> None:
    ends = []
    for name in ("eager", "numpy"):
        model, loss, scale = small(outputs=2), Weighted(), Value(1.0)
        optimizer = Adam([scale, *loss.parameters(), *model.parameters()], lr=0.05)
        history = fit(
            model,
            lambda o, t, loss=loss, scale=scale: loss(o, t) * scale,
            TWO,
            optimizer,
            4,
            5,
            engine=name,
            generator=0,
        )
        ends.append([*history["loss"], *numbers(model), *numbers(loss), scale.data])
    np.testing.assert_allclose(ends[1], ends[0], rtol=RTOL)


def test_tied_weights_move_once() -> None:
    class Tied(Module):
        def __init__(self) -> None:
            self.first = Linear(2, 2, generator=0)
            self.second = Linear(2, 2, generator=1)
            self.second.weight = self.first.weight

        def forward(self, x: Any) -> Any:
            return self.second([relu(a) for a in self.first(x)])

    assert_same_runs("numpy", adam, model=Tied, loss=mse_loss, data=TWO)


class Words(Module):
    """The next of five letters from the last three."""

    def __init__(self) -> None:
        self.letters, self.out = Embedding(5, 3, generator=0), Linear(9, 5, generator=1)

    def forward(self, x: Any) -> Any:
        return self.out([number for vector in self.letters(x) for number in vector])


TEXT = [[i % 5, (3 * i) % 5, (i * i) % 5] for i in range(20)], [(i + i * i) % 5 for i in range(20)]


def test_embeddings_are_looked_up_with_inputs() -> None:
    assert_same_runs("numpy", adam, model=Words, loss=cross_entropy, data=TEXT, epochs=3)


def normalised() -> Module:
    return Sequential(
        Linear(2, 3, generator=0), BatchNorm1d(3, track_running_stats=False), LayerNorm(3), Linear(3, 2, generator=1)
    )


def test_a_model_of_whole_batches_is_lifted_for_each_size() -> None:
    sgd = OPTIMIZERS["SGD"]  # the gradients of biases before BatchNorm1d are rounding errors, which Adam would magnify
    assert_same_runs("numpy", sgd, model=normalised, loss=mse_loss, data=TWO, epochs=3, metrics={"first": first_of})


def first_of(outputs: Any, targets: Any) -> float:
    return float(outputs[0][0] - targets[0][1])


def test_inputs_may_be_numbers_bools_and_tuples() -> None:
    class Line(Module):
        def __init__(self) -> None:
            self.slope = Value(0.5)

        def forward(self, x: Any) -> Any:
            return self.slope * (x[0] if isinstance(x, tuple) else x)

    for inputs in ([0.5, 1.0, 2.0], [True, False, True], [(0.5,), (1.0,), (2.0,)], np.array([0.5, 1.0, 2.0])):
        assert_same_runs("numpy", adam, model=Line, loss=mse_loss, data=(inputs, [1, 2, 4]), batch_size=2)


@pytest.mark.parametrize("loss", [bce, mse_loss])
def test_inputs_that_are_whole_numbers_are_numbers_as_others(loss: Any) -> None:
    assert_same_runs("numpy", adam, loss=loss, data=xor(), batch_size=2, epochs=3)


# ------------------------------------------------------------------------------------- looking on, and interrupting


class Watch(Callback):
    """Keeps the parameters and the gradients after each batch and each epoch."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def look(self, run: Run) -> None:
        self.seen.append([x for p in run.model.parameters() for x in (p.data, p.grad)])

    def on_batch_end(self, run: Run) -> None:
        self.look(run)

    def on_epoch_end(self, run: Run) -> None:
        self.look(run)


@pytest.mark.parametrize("engine_name", ["numpy", "jax"])
def test_callbacks_see_the_weights_and_gradients_of_their_batch(engine_name: str) -> None:
    pytest.importorskip(engine_name)
    seen = []
    for name in ("eager", engine_name):
        watch = Watch()
        trained(name, adam, epochs=2, callbacks=[watch], clip_grad_norm=0.1)
        seen.append(watch.seen)
    np.testing.assert_allclose(seen[1], seen[0], rtol=RTOL, atol=1e-12)


def test_a_callback_may_change_what_it_likes() -> None:
    class Scaled(Module):
        def __init__(self) -> None:
            self.inner, self.temperature = small(outputs=3), 1.0

        def forward(self, x: Any) -> Any:
            return [z / self.temperature for z in self.inner(x)]

    def change(run: Run) -> None:
        if run.epoch == 2:
            run.model.parameters()[0].data = 0.25
            run.optimizer.param_groups[0]["betas"] = (0.5, 0.9)
        if run.epoch == 3:
            run.model.parameters()[1].requires_grad = False
        if run.epoch == 4:
            run.model.temperature = 2.0
        if run.epoch == 5:
            run.model.parameters()[1].requires_grad = True

    assert_same_runs("numpy", adam, model=Scaled, loss=cross_entropy, data=THREE, callbacks=change, epochs=7)


def test_a_weight_that_a_callback_thaws_begins_to_move() -> None:
    def freeze(model: Module) -> list[Value]:
        model.parameters()[2].requires_grad = False
        return model.parameters()

    def thaw(run: Run) -> None:
        run.model.parameters()[2].requires_grad = True

    assert_same_runs("numpy", adam, parameters=freeze, callbacks=thaw, epochs=4)


def test_early_stopping_ends_at_the_same_epoch_with_the_same_weights() -> None:
    for kind in (EarlyStopping(patience=2), BestWeights("val_accuracy", mode="max")):
        assert_same_runs(
            "numpy", OPTIMIZERS["Adam"], callbacks=[kind], metrics=[accuracy], validation_data=moons(9, generator=3)
        )


def test_a_validation_that_cannot_be_a_program_is_run_eagerly() -> None:
    class Total(Module):
        def __init__(self) -> None:
            self.w = Value(0.5)

        def forward(self, x: Any) -> Any:
            return self.w * sum(x)

    ragged = [[1.0], [2.0, 3.0], [1.0, 1.0, 1.0]], [1.0, 5.0, 3.0]
    options: dict[str, Any] = {"loss": mse_loss, "data": (TWO[0], [a + b for a, b in TWO[0]]), "epochs": 3}
    assert_same_runs("numpy", adam, model=Total, validation_data=ragged, metrics={"last": last_of}, **options)


def last_of(outputs: Any, targets: Any) -> float:
    return float(outputs[-1] - targets[-1])


def test_a_validation_whose_loss_is_not_finite_is_told_as_eagerly() -> None:
    told = []
    for name in ("eager", "numpy"):
        model = MLP(2, [2], seed=0)
        wrong = [[math.inf, 1.0]], [[1.0, 1.0]]
        with pytest.raises(NonFiniteError, match="epoch 1, validation: the loss is") as caught:
            fit(
                model, l1_loss, TWO, SGD(model.parameters(), lr=0.1), 2, engine=name, validation_data=wrong, generator=0
            )
        told.append((str(caught.value), caught.value.layer, caught.value.batch))
    assert told[0] == told[1]


@pytest.mark.parametrize(("engine_name", "step"), [("numpy", 1), ("numpy", 3), ("numba", 4), ("jax", 5)])
def test_an_interruption_leaves_the_weights_of_its_step(engine_name: str, step: int) -> None:
    pytest.importorskip(engine_name)
    seen: list[list[float]] = []

    class Interrupt(Callback):
        def __init__(self, last: int) -> None:
            self.last = last

        def on_batch_end(self, run: Run) -> None:
            self.last -= 1
            if not self.last:
                seen.append(numbers(run.model))
                raise KeyboardInterrupt

    trained("eager", adam, epochs=3, callbacks=[Interrupt(step)], batch_size=8)
    history, model, optimizer = trained(engine_name, adam, epochs=3, callbacks=[Interrupt(step)], batch_size=8)
    assert history.stopped == "interrupted"
    np.testing.assert_allclose(numbers(model), seen[0], rtol=RTOL)
    assert numbers(model) == seen[1]
    assert optimizer.state_dict()["state"][0]["step"] == [step] * len(seen[0])


def test_an_interruption_between_batches_leaves_the_weights_of_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    trained("eager", adam, epochs=1, callbacks=[watch])
    count = 0

    def interrupt(*_: Any, **__: Any) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lite.nn.train.progress.Bar.batch_done", interrupt)
    history, model, _ = trained("numpy", adam)
    assert history.stopped == "interrupted"
    np.testing.assert_allclose(numbers(model), watch.seen[2][::2], rtol=RTOL)


def test_an_error_leaves_the_weights_of_the_last_step() -> None:
    ends = []
    for name in ("eager", "numpy"):
        calls: list[int] = []

        def fail(outputs: Any, targets: Any, calls: list[int] = calls) -> float:
            calls.append(len(outputs))
            if len(calls) == 6:
                raise RuntimeError("no metric")
            return 0.0

        model = small()
        with pytest.raises(RuntimeError, match="no metric"):
            fit(
                model,
                bce,
                DATA,
                SGD(model.parameters(), lr=0.1),
                2,
                6,
                engine=name,
                metrics={"fail": fail},
                generator=0,
            )
        ends.append(numbers(model))
    np.testing.assert_allclose(ends[1], ends[0], rtol=RTOL)


ROUGH: dict[str, Any] = {"epochs": 4, "accumulate": 2, "clip_grad_norm": 0.2, "generator": 3}


def counting_eager_batches(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[int]]:
    run, found = LiftedSteps._eagerly, []

    def count(steps: LiftedSteps, batch: Any) -> dict[str, float]:
        found.append(batch.places)
        return run(steps, batch)

    monkeypatch.setattr(LiftedSteps, "_eagerly", count)
    return found


def test_a_batch_that_only_the_program_cannot_compute_is_run_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, right = itertools.count(1), Vector.gradient

    def spoil(vector: Vector, xp: Any, slopes: Any) -> Any:
        return right(vector, xp, slopes) * (math.nan if next(calls) in (4, 9, 11) else 1.0)

    eagerly = counting_eager_batches(monkeypatch)
    monkeypatch.setattr(Vector, "gradient", spoil)
    assert_same_runs("numpy", OPTIMIZERS["momentum"], **ROUGH)
    assert len(eagerly) == 3


def test_and_a_scan_goes_on_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    jax_engine = pytest.importorskip("tinygrad_lite.lift.engines.jax_engine")
    pytest.importorskip("jax")
    right = jax_engine.scan_steps

    def spoilt(step: Any) -> Any:
        def spoil(parameters: Any, state: Any, batch: Any, *shared: Any) -> Any:
            share = batch["share"] * (1.0 + (batch["places"] == 7).any() * math.nan)
            return step(parameters, state, {**batch, "share": share}, *shared)

        return right(spoil)

    eagerly = counting_eager_batches(monkeypatch)
    monkeypatch.setattr(jax_engine, "scan_steps", spoilt)
    assert_same_runs("jax", OPTIMIZERS["momentum"], **ROUGH)
    assert len(eagerly) == 4
    assert all(7 in places for places in eagerly)


@pytest.mark.parametrize(("first", "second"), [("eager", "numpy"), ("numpy", "eager"), ("numpy", "jax")])
def test_a_run_goes_on_from_a_checkpoint_of_another_engine(tmp_path: Path, first: str, second: str) -> None:
    for name in (first, second):
        pytest.importorskip(name) if name != "eager" else None
    options: dict[str, Any] = {"scheduler": lambda optimizer: StepLR(optimizer, 1, 0.9), "generator": 5}
    whole, model, optimizer = trained("eager", OPTIMIZERS["Adam"], epochs=6, **options)
    path = tmp_path / "run.safetensors"
    trained(first, OPTIMIZERS["Adam"], epochs=3, checkpoint=path, **options)
    history, other, theirs = trained(second, OPTIMIZERS["Adam"], epochs=6, checkpoint=path, resume=True, **options)
    np.testing.assert_allclose(history["loss"], whole["loss"], rtol=RTOL)
    np.testing.assert_allclose(numbers(other), numbers(model), rtol=RTOL, atol=1e-11)
    assert_same(theirs.state_dict(), optimizer.state_dict())


@pytest.mark.parametrize("engine_name", ["numpy", "jax"])
def test_a_loss_that_is_not_finite_is_told_as_eagerly(engine_name: str) -> None:
    pytest.importorskip(engine_name)
    ends = []
    for name in ("eager", engine_name):
        model = MLP(2, [5, 2], "relu", seed=0)
        with pytest.raises(NonFiniteError) as caught:
            fit(model, mse_loss, TWO, SGD(model.parameters(), lr=1e6), 30, 4, engine=name, generator=0)
        ends.append((str(caught.value), caught.value.layer, caught.value.epoch, caught.value.batch, numbers(model)))
    assert ends[1][1:4] == ends[0][1:4]
    assert ends[1][0].split(" of outputs up to")[0] == ends[0][0].split(" of outputs up to")[0]
    np.testing.assert_allclose(ends[1][4], ends[0][4], rtol=1e-6)


# ------------------------------------------------------------------------------------------------- what is refused


def lifted(model: Module, loss: Any = mse_loss, data: Any = TWO, engine: str = "numpy", **options: Any) -> None:
    optimizer = options.pop("optimizer", SGD)
    fit(model, loss, data, optimizer(model.parameters(), lr=0.1), 2, 4, engine=engine, **options)


class Branch(Module):
    def __init__(self) -> None:
        self.w = Value(1.0)

    def forward(self, x: Any) -> Any:
        z = self.w * x[0]
        return [z if z > 0.0 else -z, z]


class Counter(Module):
    """Counts its calls in a buffer."""

    def __init__(self) -> None:
        self.w = Value(1.0)
        self.register_buffer("calls", 0.0)

    def forward(self, x: Any) -> Any:
        self.calls += 1.0
        return [self.w * x[0], self.w * x[1]]


class OwnStep(SGD):
    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


class OwnSchedule(LRScheduler):
    def __init__(self, optimizer: Any, model: Module) -> None:
        self.model, self.seen = model, []
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        self.seen.append(numbers(self.model))
        return self.current_lrs()


def ignored() -> Any:
    return THREE[0], [*THREE[1][:-1], -100]


REFUSED: dict[str, tuple[Callable[[], None], type[Exception], str]] = {
    "no such engine": (
        lambda: lifted(small(outputs=2), engine="torch"),
        ValueError,
        "'eager', 'numpy', 'numba', 'jax'",
    ),
    "a branch": (lambda: lifted(Branch()), LiftError, r"z > 0.0|where\(greater|branch"),
    "dropout": (
        lambda: lifted(Sequential(Linear(2, 2), Dropout(0.5))),
        LiftError,
        r'draws random numbers .* engine="eager"',
    ),
    "running averages": (
        lambda: lifted(Sequential(Linear(2, 2), BatchNorm1d(2))),
        LiftError,
        "BatchNorm1d.* changes its running_mean",
    ),
    "another buffer": (lambda: lifted(Counter()), LiftError, "Counter.* changes its calls"),
    "samples of several shapes": (
        lambda: lifted(small(outputs=2), data=([[1.0, 2.0], [1.0]], [1.0, 2.0])),
        LiftError,
        "inputs are not numbers",
    ),
    "a target that is ignored": (
        lambda: lifted(small(outputs=3), cross_entropy, ignored()),
        LiftError,
        "sample 16, with the target -100",
    ),
    "one that is ignored in a batch": (
        lambda: lifted(small(outputs=3), lambda o, t: cross_entropy(o, t, weight=[1.0, 2.0, 3.0]), ignored()),
        LiftError,
        "-100",
    ),
    "a target out of range": (
        lambda: lifted(small(), bce, (THREE[0], [*[0.0] * 16, 2.0])),
        LiftError,
        "sample 16, .* probability",
    ),
    "an index out of range": (
        lambda: lifted(Words(), cross_entropy, ([*TEXT[0], [1, 7, 1]], [*TEXT[1], 0])),
        LiftError,
        "7 is out of range",
    ),
    "an index below 0, which programs would take modulo the size": (
        lambda: lifted(Words(), cross_entropy, ([*TEXT[0], [1, -1, 1]], [*TEXT[1], 0])),
        LiftError,
        r"given -1 \(inputs\[1\] of sample 20\)",
    ),
    "autocast": (lambda: lifted(small(outputs=2), autocast="float16"), LiftError, "autocast and scaler"),
    "a scaler": (lambda: lifted(small(outputs=2), scaler=GradScaler()), LiftError, "autocast and scaler"),
    "Sophia": (lambda: lifted(small(outputs=2), optimizer=SophiaH), LiftError, "SophiaH estimates the Hessian"),
    "a step of its own": (lambda: lifted(small(outputs=2), optimizer=OwnStep), LiftError, r"OwnStep has a step\(\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_lifted_is_refused_before_anything_moves(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()


def test_nothing_has_moved_when_a_model_is_refused() -> None:
    model = Sequential(Linear(2, 2, generator=0), Dropout(0.5, generator=3), BatchNorm1d(2))
    before, state = model.state_dict(), model[1].generator.getstate()
    with pytest.raises(LiftError):
        lifted(model)
    after = model.state_dict()
    assert all((after[name] == array).all() for name, array in before.items())
    assert model[1].generator.getstate() == state


def test_observers_and_anomaly_detection_are_for_the_eager_run() -> None:
    with observing(lambda module, output: None), pytest.raises(LiftError, match="observing"):
        lifted(small(outputs=2))
    with detect_anomaly(), pytest.raises(LiftError, match="detect_anomaly"):
        lifted(small(outputs=2))


def test_a_norm_of_gradients_that_are_not_computed_is_refused() -> None:
    model = small(outputs=2)
    with pytest.raises(LiftError, match="clip_grad_norm counts the gradients of 10 parameters"):
        fit(
            model,
            mse_loss,
            TWO,
            SGD(model.parameters()[:12], lr=0.1),
            1,
            engine="numpy",
            clip_grad_norm=1.0,
            generator=0,
        )


@pytest.mark.parametrize("engine_name", ["numpy", "jax"])
def test_a_schedule_of_the_users_sees_the_weights_of_its_step(engine_name: str) -> None:
    pytest.importorskip(engine_name)
    seen = []
    for name in ("eager", engine_name):
        model = small()
        optimizer = SGD(model.parameters(), lr=0.1)
        schedule = OwnSchedule(optimizer, model)
        fit(model, bce, DATA, optimizer, 2, 8, scheduler=schedule, scheduler_every="batch", engine=name, generator=0)
        seen.append(schedule.seen)
    np.testing.assert_allclose(seen[1], seen[0], rtol=RTOL)


# ------------------------------------------------------------------------------------ is it a mean over samples


OUTPUTS, TARGETS = [[0.1, 0.5], [0.7, -0.2], [0.3, 0.9]], [[1.0, 0.0], [0.5, 0.5], [-1.0, 2.0]]
_MEAN = mse_loss(OUTPUTS, TARGETS).data


def spread(outputs: Any, targets: Any) -> Any:
    """A mean, and a penalty that ties the samples together."""
    return mse_loss(outputs, targets) + 0.1 * relu(outputs[0][0] - outputs[-1][0])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (mse_loss, "mean"),
        (l1_loss, "mean"),
        (lambda o, t: mse_loss(o, t, reduction="sum"), "sum"),
        (lambda o, t: sum((a[0] - b[0]) ** 2 for a, b in zip(o, t, strict=True)) / len(o), "mean"),
        (lambda o, t: mse_loss(o, t) ** 0.5, None),
        (lambda o, t: mse_loss(o[:1], t[:1]), None),
        (lambda o, t: 2.0 * mse_loss(o, t) if len(o) > 1 else mse_loss(o, t), None),
        (lambda o, t: mse_loss(o, t) + len(o), None),
        (spread, None),
        (lambda o, t: 2.0 * mse_loss(o, t) - _MEAN if len(o) > 1 else mse_loss(o, t), None),
    ],
)
def test_a_loss_is_taken_sample_by_sample_only_if_it_is_a_mean_or_a_sum(loss: Any, expected: str | None) -> None:
    assert find_reduction(loss, OUTPUTS, TARGETS) == expected
