"""fit trains as the loop written out does, says what happens, and goes on after every kind of interruption."""

from __future__ import annotations

import copy
import itertools
import math
import random
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_lite
from tinygrad_lite.nn.base.containers import Sequential
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.layers.activations import Tanh
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.nn.layers.embedding import Embedding
from tinygrad_lite.nn.layers.layers import MLP, Neuron
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.layers.normalization import BatchNorm1d
from tinygrad_lite.nn.losses.class_losses import cross_entropy
from tinygrad_lite.nn.losses.loss_modules import BCEWithLogitsLoss, CrossEntropyLoss
from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits as bce
from tinygrad_lite.nn.losses.losses import mse_loss
from tinygrad_lite.nn.optim.grad_scaler import GradScaler
from tinygrad_lite.nn.optim.optimizers import SGD, Adam
from tinygrad_lite.nn.optim.plateau import ReduceLROnPlateau
from tinygrad_lite.nn.optim.schedule_free import AdamWScheduleFree
from tinygrad_lite.nn.optim.schedules import StepLR
from tinygrad_lite.nn.optim.sophia import SophiaG, SophiaH
from tinygrad_lite.nn.train.callbacks import BestWeights, Callback, EarlyStopping
from tinygrad_lite.nn.train.checkpoints import load
from tinygrad_lite.nn.train.data import blobs, moons, xor
from tinygrad_lite.nn.train.history import History
from tinygrad_lite.nn.train.metrics import accuracy
from tinygrad_lite.nn.train.nonfinite import NonFiniteError
from tinygrad_lite.nn.training import evaluate, fit, predict
from tinygrad_lite.value import Value

DATA = moons(40, generator=0)


def numbers(model: Module) -> list[float]:
    return [p.data for p in model.parameters()]


def bits(model: Module) -> bytes:
    return b"".join(array.tobytes() for array in model.state_dict().values())


def small(seed: int = 0) -> MLP:
    return MLP(2, [4, 1], "tanh", seed=seed)


# ------------------------------------------------------------------------------------------------- what it does


@settings(max_examples=settings().max_examples // 5)
@given(seed=st.integers(0, 100), batch_size=st.integers(1, 12), epochs=st.integers(0, 3), clip=st.booleans())
def test_fit_is_the_loop_written_out(seed: int, batch_size: int, epochs: int, clip: bool) -> None:
    inputs, targets = moons(10, generator=seed)
    ours, by_hand = small(seed), small(seed)
    history = fit(
        ours,
        bce,
        (inputs, targets),
        SGD(ours.parameters(), lr=0.3, momentum=0.5),
        epochs,
        batch_size,
        generator=seed,
        clip_grad_norm=1e9 if clip else None,
    )
    optimizer = SGD(by_hand.parameters(), lr=0.3, momentum=0.5)
    rng = random.Random(seed)
    losses = []
    for _ in range(epochs):
        order = rng.sample(range(10), 10)
        total = 0.0
        for first in range(0, 10, batch_size):
            places = order[first : first + batch_size]
            loss = bce([by_hand(inputs[i]) for i in places], [targets[i] for i in places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.data * len(places)
        losses.append(total / 10)
    assert numbers(ours) == numbers(by_hand)
    assert (history["loss"] if epochs else []) == losses


def test_it_learns_moons() -> None:
    model = MLP(2, [8, 1], seed=0)
    optimizer = Adam(model.parameters(), lr=0.05)
    data = moons(100, generator=1)
    history = fit(
        model, bce, data, optimizer, 30, 20, metrics=[accuracy], validation_data=moons(50, generator=2), generator=0
    )
    assert history["accuracy"][-1] >= 0.95
    assert history["val_accuracy"][-1] >= 0.95
    assert list(history) == ["loss", "accuracy", "lr", "val_loss", "val_accuracy"]
    assert all(type(column) is list and len(column) == 30 for column in history.values())
    assert history.stopped == "all epochs are done"


def test_equal_seeds_give_equal_runs_and_other_seeds_others() -> None:
    def run(generator: Any) -> tuple[History, list[float]]:
        model = small()
        return fit(model, bce, DATA, SGD(model.parameters(), lr=0.3), 2, 8, generator=generator), numbers(model)

    assert run(3) == run(random.Random(3)) == run(3)
    assert run(3) != run(4)
    assert run(None) != run(None)


def test_global_randomness_is_neither_used_nor_changed() -> None:
    states = random.getstate(), np.random.get_state()[1].tolist()
    model = small()
    fit(model, bce, DATA, SGD(model.parameters(), lr=0.3), 1, generator=0)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states


def test_without_shuffling_the_order_is_that_of_the_data() -> None:
    seen: list[Any] = []

    def loss(outputs: Any, targets: Any) -> Any:
        seen.append(targets)
        return mse_loss(outputs, targets)

    line = Neuron(1, None, 0)
    data = [[float(i)] for i in range(5)], [0, 1, 2, 3, 4]
    fit(line, loss, data, SGD(line.parameters(), lr=0.01), 1, 2, shuffle=False, generator=0)
    assert seen == [[0, 1], [2, 3], [4]]
    seen.clear()
    fit(line, loss, data, SGD(line.parameters(), lr=0.01), 1, 2, shuffle=False, drop_last=True, generator=0)
    assert seen == [[0, 1], [2, 3]]
    seen.clear()
    fit(line, loss, data, SGD(line.parameters(), lr=0.01), 1, None, shuffle=False, generator=0)
    assert seen == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize(("count", "size", "accumulate"), [(12, 3, 2), (12, 3, 4), (10, 3, 2), (7, 4, 2)])
def test_accumulated_batches_make_the_step_of_one_batch_of_all(count: int, size: int, accumulate: int) -> None:
    data = moons(count, generator=0)
    split, whole = small(), small()
    fit(split, bce, data, SGD(split.parameters(), lr=0.5), 3, size, accumulate=accumulate, generator=1)
    fit(whole, bce, data, SGD(whole.parameters(), lr=0.5), 3, size * accumulate, generator=1)
    # the sums are over the same terms in another order
    np.testing.assert_allclose(numbers(split), numbers(whole), rtol=1e-12, atol=1e-14)


def test_clipping_bounds_the_step() -> None:
    line = Neuron(1, None, 0)
    before = numbers(line)
    fit(line, mse_loss, ([[100.0]], [1e6]), SGD(line.parameters(), lr=1.0), 1, clip_grad_norm=0.5, generator=0)
    assert math.dist(numbers(line), before) == pytest.approx(0.5, rel=1e-5)


def test_arrays_and_frames_are_data_like_lists() -> None:
    pandas = pytest.importorskip("pandas")
    inputs, targets = DATA
    results = []
    for data in (
        (inputs, targets),
        (np.array(inputs), np.array(targets)),
        (pandas.DataFrame(inputs), pandas.Series(targets)),
        (tuple(np.array(x) for x in inputs), targets),
    ):
        model = small()
        results.append(fit(model, bce, data, SGD(model.parameters(), lr=0.3), 2, generator=0)["loss"])
    assert results[0] == results[1] == results[2] == results[3]


def test_outputs_of_one_number_in_a_list_meet_targets_that_are_numbers() -> None:
    model = Sequential(Linear(2, 1, generator=0))
    history = fit(model, bce, DATA, SGD(model.parameters(), lr=0.3), 2, metrics=[accuracy], generator=0)
    assert history["loss"][1] < history["loss"][0]


def test_indices_stay_ints_so_that_embeddings_take_them() -> None:
    model = Sequential(Embedding(3, 2, generator=0), Linear(2, 3, generator=1))
    history = fit(
        model,
        cross_entropy,
        (np.array([0, 1, 2]), np.array([2, 0, 1])),
        Adam(model.parameters(), lr=0.1),
        100,
        generator=0,
    )
    assert history["loss"][-1] < 0.1


def test_batch_norm_gets_whole_batches_and_can_be_told_otherwise() -> None:
    model = Sequential(Linear(2, 3, generator=0), BatchNorm1d(3), Tanh(), Linear(3, 1, generator=1))
    history = fit(model, bce, DATA, Adam(model.parameters(), lr=0.05), 5, 10, validation_data=DATA, generator=0)
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert len(predict(model, DATA[0])) == 40
    seen: list[int] = []

    class Batch(Module):
        def __init__(self) -> None:
            self.w = Value(1.0)

        def forward(self, xs: Any) -> Any:
            seen.append(len(xs))
            return [self.w * x for x in xs]

    batch = Batch()
    fit(
        batch,
        mse_loss,
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        SGD(batch.parameters(), lr=0.1),
        1,
        2,
        batched=True,
        generator=0,
    )
    assert seen == [2, 1]


def test_dropout_acts_in_training_and_not_in_validation_and_modes_come_back() -> None:
    seen: list[bool] = []

    class Watching(Dropout):
        def forward(self, input: Any) -> Any:
            seen.append(self.training)
            return super().forward(input)

    model = Sequential(Watching(0.5, generator=0), Linear(2, 1, generator=0)).eval()
    fit(
        model,
        bce,
        ([[1.0, 2.0]], [1]),
        SGD(model.parameters(), lr=0.1),
        2,
        validation_data=([[1.0, 2.0]], [1]),
        generator=0,
    )
    assert seen == [True, False, True, False]
    assert not any(module.training for module in model.modules())
    model.train()
    predict(model, [[1.0, 2.0]])
    assert seen[-1] is False
    assert all(module.training for module in model.modules())


def test_a_model_that_keeps_a_part_in_evaluation_mode_is_heard() -> None:
    class Frozen(Sequential):
        def train(self, mode: bool = True) -> Any:
            super().train(mode)
            self[0].train(False)
            return self

    model = Frozen(Dropout(0.9, generator=0), Linear(2, 1, generator=0))
    seen: list[bool] = []
    fit(
        model,
        bce,
        DATA,
        SGD(model.parameters(), lr=0.1),
        1,
        callbacks=lambda run: seen.extend(m.training for m in model.modules()),
        generator=0,
    )
    assert seen == [True, False, True]


def test_a_schedule_steps_after_each_epoch_or_each_step() -> None:
    def rates(every: str) -> list[float]:
        model = small()
        optimizer = SGD(model.parameters(), lr=1.0)
        scheduler = StepLR(optimizer, 2, 0.5)
        history = fit(model, bce, DATA, optimizer, 4, 20, scheduler=scheduler, scheduler_every=every, generator=0)
        return history["lr"]

    assert rates("epoch") == [1.0, 1.0, 0.5, 0.5]
    assert rates("batch") == [0.5, 0.25, 0.125, 0.0625]


def test_a_plateau_schedule_is_given_the_validation_loss() -> None:
    class Watched(ReduceLROnPlateau):
        seen: list[Any]

        def step(self, metrics: Any) -> None:
            self.seen.append(metrics)
            super().step(metrics)

    def run(**options: Any) -> tuple[list[Any], History]:
        model = small()
        optimizer = SGD(model.parameters(), lr=0.1)
        scheduler = Watched(optimizer)
        scheduler.seen = []
        return scheduler.seen, fit(model, bce, DATA, optimizer, 3, scheduler=scheduler, **options)

    seen, history = run(validation_data=moons(10, generator=5))
    assert seen == history["val_loss"]
    seen, history = run()
    assert seen == history["loss"]


def test_schedule_free_optimisers_are_told_when_to_show_their_average() -> None:
    model = small()
    optimizer = AdamWScheduleFree(model.parameters(), lr=0.05)
    history = fit(model, bce, DATA, optimizer, 20, 10, validation_data=DATA, generator=0)
    assert not optimizer.training
    assert evaluate(model, bce, DATA)["loss"] == pytest.approx(history["val_loss"][-1])


@pytest.mark.parametrize("make", [SophiaH, SophiaG])
def test_optimisers_that_estimate_the_hessian_get_what_they_need(make: Any) -> None:
    model = small()
    optimizer = make(model.parameters(), lr=0.05, rho=1.0, k=2, generator=0)
    history = fit(model, bce, DATA, optimizer, 10, 20, generator=0)
    assert any(any(state["hessian"]) for state in optimizer.state_dict()["state"])
    assert history["loss"][-1] < history["loss"][0]


def test_a_loss_may_be_a_module() -> None:
    model = MLP(2, [4, 3], seed=0)
    data = blobs(30, generator=0)
    history = fit(
        model, CrossEntropyLoss(), data, Adam(model.parameters(), lr=0.1), 20, metrics={"right": accuracy}, generator=0
    )
    assert history["right"][-1] > 0.8


def test_frozen_parameters_stay() -> None:
    model = small()
    model.layers[0].requires_grad_(False)
    before = numbers(model.layers[0])
    fit(model, bce, DATA, SGD(model.layers[1].parameters(), lr=0.3), 2, generator=0)
    assert numbers(model.layers[0]) == before


# ------------------------------------------------------------------------------------------ history and progress


def test_history_is_plain_lists_and_a_frame() -> None:
    model = small()
    history = fit(model, bce, DATA, SGD(model.parameters(), lr=0.3), 3, generator=0)
    assert type(history["loss"]) is list
    assert len(history.seconds) == 3
    assert repr(history).startswith("History(3 epochs; last: loss=0.")
    with pytest.raises(KeyError, match="no 'accuracy' in the history; there are: loss, lr"):
        history["accuracy"]
    assert history == copy.deepcopy(history)
    assert history != {"loss": [1.0], "lr": [0.3]}
    pandas = pytest.importorskip("pandas")
    frame = history.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.index.tolist() == [1, 2, 3]
    assert frame["loss"].tolist() == history["loss"]


def test_columns_that_come_later_are_nan_before() -> None:
    history = History()
    history.append({"a": 1.0}, 0.0)
    history.append({"b": 2.0}, 0.0)
    assert repr(dict(history)) == "{'a': [1.0, nan], 'b': [nan, 2.0]}"
    assert history == copy.deepcopy(history)


def test_without_pandas_the_message_says_what_there_is() -> None:
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from tinygrad_lite.nn.train.history import History\n"
        "try: History().to_frame()\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install pandas, or use the lists themselves" in done.stdout


def test_the_bar_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    model = small()
    fit(model, bce, DATA, SGD(model.parameters(), lr=0.3), 2, generator=0)
    fit(model, bce, DATA, SGD(model.parameters(), lr=0.3), 2, progress=False, generator=0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("where", ["asked", "terminal", "notebook"])
def test_the_bar_shows_epoch_loss_metric_and_time_left(
    where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "terminal":
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    if where == "notebook":
        shell = types.SimpleNamespace(kernel="a kernel")
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    model = small()
    options: dict[str, Any] = {"metrics": [accuracy], "validation_data": DATA}
    history = fit(
        model, bce, DATA, SGD(model.parameters(), lr=0.3), 2, 4, progress=True if where == "asked" else None, **options
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 2/2: 100%" in err
    assert "20/20 [" in err  # batches of all epochs, then the time so far and the time left
    assert f"loss={history['loss'][-1]:.4f}" in err
    assert f"val_accuracy={history['val_accuracy'][-1]:.4f}" in err
    assert "lr=" not in err


def test_importing_fit_loads_neither_numpy_nor_tqdm_nor_pandas() -> None:
    code = "import sys, tinygrad_lite.nn.training; print([m for m in ('numpy', 'tqdm', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ----------------------------------------------------------------------------------------------------- callbacks


class Watch(Callback):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_train_begin(self, run: Any) -> None:
        self.calls.append("begin")

    def on_batch_end(self, run: Any) -> None:
        self.calls.append(f"batch {run.batch}/{run.batches}")

    def on_epoch_end(self, run: Any) -> None:
        assert math.isfinite(run.logs["loss"])
        self.calls.append(f"epoch {run.epoch}/{run.epochs}")

    def on_train_end(self, run: Any) -> None:
        self.calls.append("end")


def test_callbacks_and_functions_are_called_in_their_turn() -> None:
    watch, losses = Watch(), []
    model = small()
    history = fit(
        model,
        bce,
        DATA,
        SGD(model.parameters(), lr=0.3),
        2,
        20,
        callbacks=[watch, lambda run: losses.append(run.history["loss"][-1])],
        generator=0,
    )
    epochs = [["batch 1/2", "batch 2/2", f"epoch {k}/2"] for k in (1, 2)]
    assert watch.calls == ["begin", *itertools.chain(*epochs), "end"]
    assert losses == history["loss"]


def worsening(losses: list[float]) -> Callable[[Any], None]:
    """Writes validation losses in the place of the true ones, and the epoch into the model."""

    def write(run: Any) -> None:
        run.logs["val_loss"] = losses[run.epoch - 1]
        run.model.b.data = float(run.epoch)

    return write


@pytest.mark.parametrize(
    ("losses", "options", "epochs", "best"),
    [
        ([5.0, 4.0, 3.0, 3.5, 3.5, 1.0], {"patience": 2}, 5, 3),
        ([5.0, 4.0, 3.0, 3.5, 3.5, 1.0], {"patience": 3}, 6, 6),
        ([5.0, 4.9, 4.8, 1.0, 1.0, 1.0], {"patience": 2, "min_delta": 0.5}, 3, 1),
        ([1.0, 2.0, 3.0, 2.0, 2.0, 5.0], {"patience": 2, "mode": "max"}, 5, 3),
        ([5.0, 4.0, 4.5, 4.5, 4.5, 4.5], {"patience": 2, "restore_best_weights": False}, 4, 4),
        ([math.nan, 2.0, math.nan, 1.0, math.nan, math.nan], {"patience": 2}, 6, 4),
    ],
)
def test_early_stopping_waits_and_gives_the_best_weights(
    losses: list[float], options: dict[str, Any], epochs: int, best: int
) -> None:
    line = Neuron(1, None, 0)
    history = fit(
        line,
        mse_loss,
        ([[0.0]], [0.0]),
        SGD(line.parameters(), lr=0.01),
        6,
        callbacks=[worsening(losses), EarlyStopping(**options)],
        generator=0,
    )
    assert len(history.seconds) == epochs
    assert line.b.data == best
    if epochs < 6:
        assert history.stopped.startswith("val_loss has not become better since epoch")


def test_best_weights_are_those_of_the_best_epoch() -> None:
    line = Neuron(1, None, 0)
    callback = BestWeights()
    data = ([[0.0]], [0.0])
    for losses in ([3.0, 1.0, 2.0, 2.0], [6.0, 5.0, 7.0, 8.0]):  # the second time it begins afresh
        fit(
            line,
            mse_loss,
            data,
            SGD(line.parameters(), lr=0.01),
            4,
            callbacks=[worsening(losses), callback],
            generator=0,
        )
        assert (line.b.data, callback.best, callback.best_epoch) == (2.0, losses[1], 2)


def test_what_is_not_there_cannot_be_monitored() -> None:
    line = Neuron(1, None, 0)
    with pytest.raises(ValueError, match=r"EarlyStopping watches 'val_loss', and there are: loss, lr. Give validation"):
        fit(
            line,
            mse_loss,
            ([[0.0]], [0.0]),
            SGD(line.parameters(), lr=0.01),
            callbacks=EarlyStopping(),
            progress=False,
            generator=0,
        )


# ----------------------------------------------------------------------------- numbers that are not finite, Ctrl-C


class Breaking(Module):
    """Goes wrong in the part and at the call that it is told."""

    def __init__(self, at: int, number: float) -> None:
        self.first, self.last = Linear(1, 2, generator=0), Linear(2, 1, generator=1)
        self.middle = Poison(at, number)

    def forward(self, x: Any) -> Any:
        return self.last(self.middle(self.first(x)))[0]


class Poison(Module):
    def __init__(self, at: int, number: float) -> None:
        self.calls, self.at, self.number = 0, at, number

    def forward(self, xs: Any) -> Any:
        self.calls += 1
        return [x * self.number for x in xs] if self.calls >= self.at else xs


def recording_weights(seen: list[list[float]]) -> Callback:
    class Record(Callback):
        def on_batch_end(self, run: Any) -> None:
            seen.append(numbers(run.model))

    return Record()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_names_epoch_batch_and_layer_and_keeps_the_last_good_weights(number: float) -> None:
    model = Breaking(12, number)  # 4 samples, batches of 2: the 12th call is in epoch 3, batch 2
    seen: list[list[float]] = []
    data = [[1.0], [2.0], [3.0], [4.0]], [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(NonFiniteError, match=r"epoch 3, batch 2: the loss is (nan|inf)") as caught:
        fit(
            model,
            mse_loss,
            data,
            SGD(model.parameters(), lr=0.01),
            5,
            2,
            callbacks=recording_weights(seen),
            generator=0,
        )
    error = caught.value
    assert (error.epoch, error.batch, error.layer) == (3, 2, "middle")
    assert "middle (Poison()) is the first layer to give such a number" in str(error)
    assert isinstance(error, ArithmeticError)
    assert len(error.history["loss"]) == 2
    # The batch before, epoch 3 batch 1, had a finite loss: the weights that gave it are those after 4 batches.
    assert numbers(model) == seen[3]
    assert model.training


def test_diverging_training_is_stopped_with_finite_weights() -> None:
    model = MLP(1, [4, 1], "relu", seed=0)
    data = [[1.0], [2.0]], [1.0, 2.0]
    with pytest.raises(NonFiniteError, match=r"epoch \d+, batch 1: .*smaller lr") as caught:
        fit(model, mse_loss, data, SGD(model.parameters(), lr=10.0), 1000, generator=0)
    assert "of outputs up to" in str(caught.value)
    assert "layers.1 (Layer(4, 1, activation=None))" in str(caught.value)
    assert all(map(math.isfinite, numbers(model)))
    assert math.isfinite(evaluate(model, mse_loss, data)["loss"])


def test_a_number_that_an_operation_refuses_is_blamed_on_its_layer() -> None:
    class Exponential(Module):
        def forward(self, xs: Any) -> Any:
            return [tinygrad_lite.exp(x * 1000.0) for x in xs]

    model = Sequential(Linear(1, 1, generator=0), Exponential())
    with pytest.raises(NonFiniteError, match=r"epoch 1, batch 1: 1 \(Exponential\(\)\) raised OverflowError") as caught:
        fit(model, mse_loss, ([[9.0]], [0.0]), SGD([*model.parameters()], lr=0.1), generator=0)
    assert caught.value.layer == "1"
    assert isinstance(caught.value.__cause__, OverflowError)


def test_a_domain_error_after_an_infinity_is_blamed_on_the_layer_of_the_infinity() -> None:
    class Sine(Module):
        def forward(self, xs: Any) -> Any:
            return [tinygrad_lite.sin(x) for x in xs]

    model = Sequential(Linear(1, 1, generator=0), Poison(1, math.inf), Sine())
    with pytest.raises(NonFiniteError, match=r"raised ValueError.*1 \(Poison\(\)\) is the first layer"):
        fit(model, mse_loss, ([[9.0]], [0.0]), SGD(model.parameters(), lr=0.1), generator=0)


def test_a_gradient_that_is_not_finite_names_the_layer_nearest_to_the_output() -> None:
    model = MLP(1, [1, 1, 1], None, seed=0)
    first, second, last = (layer.neurons[0] for layer in model.layers)
    first.w[0].data, second.w[0].data, last.w[0].data = 1.0, 1e-300, 1e200

    def loss(outputs: Any, targets: Any) -> Any:
        return 1e200 * outputs[0]  # 1e100; its derivative by the second layer's output is 1e400

    before = numbers(model)
    with pytest.raises(
        NonFiniteError, match=r"epoch 1, batch 1: the loss is finite, and its gradient is not"
    ) as caught:
        fit(model, loss, ([[1.0]], [0.0]), SGD(model.parameters(), lr=0.1), generator=0)
    assert caught.value.layer == "layers.1"
    assert "and 3 more are not finite" in str(caught.value)
    assert numbers(model) == before


def test_a_step_beyond_the_floats_is_taken_back() -> None:
    line = Neuron(1, None, 0)
    before = numbers(line)
    with pytest.raises(NonFiniteError, match=r"the step made w.0, in Neuron\(1, activation=None\), -?inf"):
        fit(line, mse_loss, ([[1e100]], [0.0]), SGD(line.parameters(), lr=1e250), generator=0)
    assert numbers(line) == before


def test_an_input_that_is_not_finite_is_blamed_on_the_data() -> None:
    line = Neuron(2, None, 0)
    data = [[0.0, 1.0], [0.0, math.nan]], [0.0, 1.0]
    with pytest.raises(NonFiniteError, match=r"sample 1 of the batch has the input x\[1\] = nan") as caught:
        fit(line, mse_loss, data, SGD(line.parameters(), lr=0.1), shuffle=False, generator=0)
    assert caught.value.layer is None


def test_a_weight_that_is_not_finite_at_first_is_named() -> None:
    model = small()
    model.layers[1].neurons[0].b.data = math.inf
    with pytest.raises(
        NonFiniteError, match=r"layers.1.neurons.0.b, in layers.1 \(Layer\(4, 1, activation=None\)\), is"
    ):
        fit(model, bce, DATA, SGD(model.parameters(), lr=0.1), generator=0)


def test_a_loss_function_that_makes_it_is_named() -> None:
    model = small()
    with pytest.raises(
        NonFiniteError, match="the outputs of all layers are finite: the loss function made it of"
    ) as caught:
        fit(model, lambda outputs, targets: outputs[0] * math.inf, DATA, SGD(model.parameters(), lr=0.1), generator=0)
    assert caught.value.layer is None


def test_a_validation_loss_that_is_not_finite_is_an_error_too() -> None:
    line = Neuron(1, None, 0)
    with pytest.raises(NonFiniteError, match="epoch 1, validation: the loss is nan, for sample 0") as caught:
        fit(
            line,
            mse_loss,
            ([[1.0]], [1.0]),
            SGD(line.parameters(), lr=0.1),
            validation_data=([[math.nan]], [1.0]),
            generator=0,
        )
    assert caught.value.batch is None


def test_buffers_are_those_of_the_last_good_batch() -> None:
    model = Sequential(BatchNorm1d(1), Linear(1, 1, generator=0))
    data = [[1.0], [2.0], [1.0], [math.inf]], [0.0] * 4
    with pytest.raises(NonFiniteError):
        fit(model, mse_loss, data, SGD(model.parameters(), lr=0.1), 1, 2, shuffle=False, generator=0)
    assert all(np.isfinite(array).all() for array in model.state_dict().values())


def test_buffers_that_are_changed_in_place_come_back_too() -> None:
    class Counting(Module):
        def __init__(self) -> None:
            self.w = Value(1.0)
            self.register_buffer("seen", [0])

        def forward(self, x: Any) -> Any:
            self.seen[0] += 1
            return self.w * x

    model = Counting()
    with pytest.raises(NonFiniteError):
        fit(
            model,
            mse_loss,
            ([1.0, 1.0, math.nan], [0.0] * 3),
            SGD(model.parameters(), lr=0.1),
            1,
            1,
            shuffle=False,
            generator=0,
        )
    assert model.seen == [1]  # before the second batch, whose loss was the last finite one


def test_inside_detect_anomaly_the_operation_is_named() -> None:
    line = Neuron(1, None, 0)
    with (
        tinygrad_lite.detect_anomaly(),
        pytest.raises(NonFiniteError, match=r"raised AnomalyError: .* made -?inf out of"),
    ):
        fit(
            line,
            lambda outputs, targets: outputs[0] * 1e200 * 1e200,
            ([[1.0]], [0.0]),
            SGD(line.parameters(), lr=1.0),
            generator=0,
        )


@pytest.mark.parametrize("when", [1, 7, 25])
def test_ctrl_c_returns_the_history_so_far_and_a_model_that_can_be_used(when: int) -> None:
    calls = 0
    seen: list[list[float]] = []

    def loss(outputs: Any, targets: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == when:
            raise KeyboardInterrupt
        return bce(outputs, targets)

    model = small()
    initial = numbers(model)
    watch = Watch()
    optimizer = SGD(model.parameters(), lr=0.3)
    history = fit(model, loss, DATA, optimizer, 10, 10, callbacks=[recording_weights(seen), watch], generator=0)
    assert history.stopped == "interrupted"
    assert len(history.seconds) == (when - 1) // 4
    assert numbers(model) == ([initial, *seen])[-1]
    assert watch.calls[-1] == "end"
    assert len(predict(model, DATA[0])) == 40


def test_ctrl_c_in_the_middle_of_a_step_takes_the_step_back() -> None:
    model = small()
    before = numbers(model)

    class Interrupted(SGD):
        def step(self, closure: Any = None) -> Any:
            self.parameters[0].data = 99.0
            raise KeyboardInterrupt

    fit(model, bce, DATA, Interrupted(model.parameters(), lr=0.1), generator=0)
    assert numbers(model) == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_true_signal_ends_it_in_order() -> None:
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored\n"
        "from tinygrad_lite.nn.train.data import moons\n"
        "from tinygrad_lite.nn.layers.layers import MLP\n"
        "from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits as bce\n"
        "from tinygrad_lite.nn.optim.optimizers import SGD\n"
        "from tinygrad_lite.nn.training import fit\n"
        "model = MLP(2, [4, 1])\n"
        "ready = lambda run: print(run.epoch, flush=True) if run.epoch == 3 else None\n"
        "history = fit(model, bce, moons(40), SGD(model.parameters(), lr=0.1), 10**9, callbacks=ready)\n"
        "print(history.stopped, len(history['loss']) >= 3, 0 < model([0.0, 0.0]).data ** 2 < 9)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "3\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[0] == "interrupted True True\n"
        assert process.returncode == 0
    finally:
        process.kill()


# --------------------------------------------------------------------------------------------- checkpoints, resume


class Everything:
    """A run with everything that has a state: dropout, batch normalisation, Adam, a schedule, early stopping."""

    def __init__(self, seed: int, epochs_without: int = 9) -> None:
        self.model = Sequential(
            Linear(2, 4, generator=seed),
            BatchNorm1d(4),
            Tanh(),
            Dropout(0.3, generator=seed + 7),
            Linear(4, 1, generator=seed + 1),
        )
        self.optimizer = Adam(self.model.parameters(), lr=0.05)
        self.scheduler = StepLR(self.optimizer, 2, 0.7)
        self.stopping = EarlyStopping(patience=epochs_without)

    def fit(self, epochs: int, path: Path | None = None, **options: Any) -> History:
        return fit(
            self.model,
            bce,
            moons(16, generator=1),
            self.optimizer,
            epochs,
            6,
            scheduler=self.scheduler,
            validation_data=moons(6, generator=2),
            metrics=[accuracy],
            callbacks=[self.stopping],
            generator=5,
            checkpoint=path,
            **options,
        )


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), after=st.integers(0, 6), epochs=st.integers(1, 6), patience=st.integers(1, 9))
def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(
    tmp_path: Path, seed: int, after: int, epochs: int, patience: int
) -> None:
    path = tmp_path / "run.safetensors"
    path.unlink(missing_ok=True)
    whole = Everything(seed, patience)
    expected = whole.fit(epochs)
    first = Everything(seed, patience)
    if after:
        # What an interruption leaves: the checkpoint of the last epoch that was done, and not what came after it.
        first.fit(min(after, epochs), path)
    resumed = Everything(seed + 1, patience)  # other weights: all has to come from the file
    if not after:
        resumed = first
    history = resumed.fit(epochs, path, resume=True)
    assert history == expected
    assert history.stopped == expected.stopped
    assert bits(resumed.model) == bits(whole.model)
    assert resumed.optimizer.state_dict() == whole.optimizer.state_dict()
    assert resumed.scheduler.state_dict() == whole.scheduler.state_dict()


RESUMING = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parent)]
from test_training import Everything, bits

run = Everything(3)
def crash(run):
    if run.epoch == int(sys.argv[3]):
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
run.stopping.on_train_end = lambda run: None
history = run.fit(6, Path(sys.argv[2]), resume=True) if sys.argv[3] == "0" else None
if history is None:
    run.stopping.on_batch_end = crash
    run.fit(6, Path(sys.argv[2]), resume=True)
print(bits(run.model).hex(), [x.hex() for x in history["val_loss"]])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_killed_process_is_resumed_by_another_to_the_bit(tmp_path: Path) -> None:
    def run(path: Path, kill_in_epoch: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", RESUMING, str(Path(__file__).parent), str(path), str(kill_in_epoch)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    whole = run(tmp_path / "whole.safetensors", 0)
    assert whole.returncode == 0, whole.stderr
    path = tmp_path / "killed.safetensors"
    assert run(path, 3).returncode == -signal.SIGKILL
    assert run(path, 5).returncode == -signal.SIGKILL
    assert run(path, 0).stdout == whole.stdout


def test_an_interrupted_run_can_be_resumed_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    whole, interrupted, resumed = Everything(3), Everything(3), Everything(3)
    expected = whole.fit(5)

    class Interrupt(Callback):
        def on_batch_end(self, run: Any) -> None:
            if (run.epoch, run.batch) == (3, 2):
                raise KeyboardInterrupt

    interrupting = Interrupt()
    interrupted.stopping.on_batch_end = interrupting.on_batch_end  # type: ignore[method-assign]  # of one object
    assert interrupted.fit(5, path).stopped == "interrupted"
    assert resumed.fit(5, path, resume=True) == expected
    assert bits(resumed.model) == bits(whole.model)


def test_schedule_free_and_scaled_runs_resume_to_the_bit(tmp_path: Path) -> None:
    def run(epochs: int, path: Path | None, resume: bool) -> tuple[History, list[float], Any]:
        model = small(int(resume))
        optimizer = AdamWScheduleFree(model.parameters(), lr=0.05)
        scaler = GradScaler(growth_interval=3)
        history = fit(
            model,
            bce,
            DATA,
            optimizer,
            epochs,
            10,
            scaler=scaler,
            autocast="float16",
            checkpoint=path,
            resume=resume,
            generator=0,
        )
        return history, numbers(model), scaler.state_dict()

    expected = run(4, None, False)
    run(2, tmp_path / "run.safetensors", False)
    assert run(4, tmp_path / "run.safetensors", True) == expected


def test_the_checkpoint_is_written_every_so_often_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    written: list[int] = []
    model = small()

    def look(run: Any) -> None:
        if path.exists():
            load(small(), path)
            written.append(run.epoch - 1)
            path.unlink()

    fit(
        model,
        bce,
        DATA,
        SGD(model.parameters(), lr=0.1),
        5,
        checkpoint=path,
        checkpoint_every=2,
        callbacks=look,
        generator=0,
    )
    assert written == [2, 4]
    assert path.exists()


def test_a_run_that_stops_early_writes_its_last_epoch(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    model = small()
    optimizer = SGD(model.parameters(), lr=0.1)
    stop = lambda run: run.stop("enough") if run.epoch == 2 else None  # noqa: E731 (short)
    history = fit(model, bce, DATA, optimizer, 9, checkpoint=path, checkpoint_every=5, callbacks=stop, generator=0)
    assert history.stopped == "enough"
    again = fit(model, bce, DATA, optimizer, 9, checkpoint=path, resume=True, callbacks=stop, generator=0)
    assert again == history
    assert again.stopped == "enough"


def test_a_resumed_run_that_breaks_at_once_keeps_the_weights_of_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    model, other = small(0), small(1)
    fit(model, bce, DATA, SGD(model.parameters(), lr=0.1), 1, checkpoint=path, generator=0)
    broken = [[math.nan, 0.0]], [1]
    with pytest.raises(NonFiniteError, match="epoch 2, batch 1"):
        fit(other, bce, broken, SGD(other.parameters(), lr=0.1), 2, resume=path, generator=0)
    assert numbers(other) == numbers(model)


def test_weights_and_optimiser_of_a_checkpoint_can_be_loaded_alone(tmp_path: Path) -> None:
    run = Everything(0)
    run.fit(2, tmp_path / "run.safetensors")
    other = Everything(1)
    load(other.model, tmp_path / "run.safetensors", other.optimizer)
    assert other.optimizer.state_dict() == run.optimizer.state_dict()


def test_a_checkpoint_of_another_kind_of_run_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    run = Everything(0)
    run.fit(2, path)
    before = bits(run.model)
    with pytest.raises(
        ValueError, match=r"is no checkpoint of such a run: it has scheduler, callback 0, EarlyStopping"
    ):
        fit(run.model, bce, DATA, run.optimizer, 5, resume=path, generator=0)
    other = MLP(2, [3, 1], seed=0)
    weights = numbers(other)
    optimizer = Adam(other.parameters(), lr=0.05)
    with pytest.raises(ValueError, match=r"does not fit: the state does not fit MLP"):
        fit(
            other,
            bce,
            DATA,
            optimizer,
            5,
            scheduler=StepLR(optimizer, 2, 0.7),
            callbacks=[EarlyStopping()],
            resume=path,
            generator=0,
        )
    assert numbers(other) == weights
    assert bits(run.model) == before
    with pytest.raises(FileNotFoundError):
        fit(other, bce, DATA, SGD(other.parameters(), lr=0.1), resume=tmp_path / "none.safetensors", generator=0)


def test_generators_of_modules_must_be_the_same(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    model = Sequential(Dropout(0.5, generator=0), Linear(2, 1, generator=0))
    fit(model, bce, DATA, SGD(model.parameters(), lr=0.1), 1, checkpoint=path, generator=0)
    other = Sequential(Tanh(), Linear(2, 1, generator=0))
    with pytest.raises(ValueError, match=r"random generators 0.generator were saved, and here are none"):
        fit(other, bce, DATA, SGD(other.parameters(), lr=0.1), 2, resume=path, generator=0)


# ----------------------------------------------------------------------------------------------------- precision


def test_a_step_that_overflows_under_a_scaler_is_skipped() -> None:
    model = small()
    scaler = GradScaler(init_scale=2.0**1020)
    seen: list[list[float]] = [numbers(model)]
    history = fit(
        model,
        lambda outputs, targets: bce(outputs, targets) * 1e6,
        DATA,
        SGD(model.parameters(), lr=1e-6),
        20,
        20,
        scaler=scaler,
        callbacks=recording_weights(seen),
        generator=0,
    )
    assert seen[0] == seen[1] != seen[-1]
    assert scaler.get_scale() < 2.0**1020
    assert all(map(math.isfinite, history["loss"]))


def test_a_scaler_changes_nothing_but_rounding() -> None:
    plain, scaled = small(), small()
    fit(plain, bce, DATA, SGD(plain.parameters(), lr=0.3), 3, clip_grad_norm=0.1, generator=0)
    fit(scaled, bce, DATA, SGD(scaled.parameters(), lr=0.3), 3, clip_grad_norm=0.1, scaler=GradScaler(), generator=0)
    np.testing.assert_allclose(numbers(scaled), numbers(plain), rtol=1e-12)


def test_autocast_computes_in_the_narrow_format() -> None:
    model = small()
    outputs: list[float] = []

    def loss(given: Any, targets: Any) -> Any:
        outputs.extend(z.data for z in given)
        return bce(given, targets)

    fit(model, loss, DATA, SGD(model.parameters(), lr=0.1), 1, autocast="float16", generator=0)
    assert all(float(np.float16(z)) == z for z in outputs)


# --------------------------------------------------------------------------------------------- metrics, arguments


@pytest.mark.parametrize(
    ("outputs", "targets", "expected"),
    [
        ([1.0, -1.0, 2.0, 0.0], [1, 0, 0, 0], 0.75),
        ([[1.0], [-1.0]], [1, 0], 1.0),
        ([[1.0], [-1.0]], [[1], [1]], 0.5),
        ([0.5, -0.5], [1, -1], 1.0),
        ([[1.0, 2.0, 0.0], [3.0, 3.0, 1.0]], [1, 0], 1.0),
        ([[1.0, 2.0], [3.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]], 0.5),
        (np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([1, 1]), 0.5),
        ([Value(1.0), Value(-1.0)], [True, False], 1.0),
    ],
)
def test_accuracy_is_the_share_that_is_right(outputs: Any, targets: Any, expected: float) -> None:
    assert accuracy(outputs, targets) == expected


def test_accuracy_has_a_threshold_and_needs_samples() -> None:
    assert accuracy([0.4, 0.6], [0, 1], threshold=0.5) == 1.0
    with pytest.raises(ValueError, match="outputs and targets of the same samples; there are 1 and 2"):
        accuracy([1.0], [1, 0])


@given(
    scores=st.lists(st.lists(st.floats(-9, 9), min_size=3, max_size=3), min_size=1, max_size=9), seed=st.integers(0, 9)
)
def test_accuracy_is_that_of_scikit_learn(scores: list[list[float]], seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = random.Random(seed)
    targets = [rng.randrange(3) for _ in scores]
    assert accuracy(scores, targets) == metrics.accuracy_score(targets, np.argmax(scores, axis=1))


def test_evaluate_is_loss_and_metrics_on_all_samples() -> None:
    model = small()
    found = evaluate(model, bce, DATA, 7, metrics={"accuracy": accuracy, "count": lambda o, t: len(o)})
    outputs = [model(x) for x in DATA[0]]
    assert found["loss"] == pytest.approx(bce(outputs, DATA[1]).data)
    assert found["accuracy"] == accuracy(outputs, DATA[1])
    assert found["count"] == 40


def test_predict_gives_plain_numbers() -> None:
    model = MLP(2, [3, 2], seed=0)
    outputs = predict(model, np.array(DATA[0]), 7)
    assert outputs == [[z.data for z in model(x)] for x in DATA[0]]
    assert predict(model, []) == []


def bad(**options: Any) -> Callable[[], Any]:
    arguments: dict[str, Any] = {"data": xor(), "epochs": 1, "loss": bce} | options

    def call() -> Any:
        model = small()
        optimizer = SGD(model.parameters(), lr=0.1)
        data, loss = arguments.pop("data"), arguments.pop("loss")
        return fit(model, loss, data, optimizer, **arguments)

    return call


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (bad(data=([[1.0, 2.0]], [1, 0])), ValueError, "data has 1 inputs and 2 targets"),
        (bad(data=([], [])), ValueError, "data has no samples"),
        (bad(data=[1, 2, 3]), TypeError, r"data is a pair of inputs and targets, \(X, y\), not a list of 3"),
        (bad(data=np.zeros((2, 3))), TypeError, r"data is a pair of inputs and targets, \(X, y\), not a ndarray"),
        (
            bad(data=({1, 2}, [1, 2])),
            TypeError,
            "the inputs of data are a list or an array, one item a sample, not set",
        ),
        (bad(validation_data=([[0, 0]], "x")), TypeError, "the targets of validation_data are a list or an array"),
        (bad(epochs=-1), ValueError, "epochs is at least 0, not -1"),
        (bad(epochs=2.5), TypeError, "epochs is an int, not float 2.5"),
        (bad(batch_size=0), ValueError, "batch_size is at least 1, not 0"),
        (bad(accumulate=0), ValueError, "accumulate is at least 1, not 0"),
        (bad(checkpoint_every=0), ValueError, "checkpoint_every is at least 1, not 0"),
        (bad(scheduler_every="step"), ValueError, "scheduler_every is 'epoch' or 'batch', not 'step'"),
        (bad(resume=True), ValueError, "resume=True goes on from a checkpoint: give its path"),
        (bad(metrics={"accuracy": 1}), TypeError, "metric 'accuracy' is no function"),
        (bad(callbacks=[EarlyStopping]), TypeError, r"not <class .*EarlyStopping'>: write EarlyStopping\(\)"),
        (bad(callbacks=[3]), TypeError, "a callback is an instance of Callback, or a function of the run, not 3"),
        (bad(generator="0"), TypeError, "generator is a random.Random"),
        (bad(loss=lambda o, t: 1.0), TypeError, "the loss of a batch is one Value, and the loss function gave float"),
        (bad(loss=lambda o, t: o), TypeError, "the loss function gave list"),
        (bad(loss="bce"), TypeError, "loss is a function of outputs and targets, such as mse_loss, not str 'bce'"),
        (bad(loss=BCEWithLogitsLoss), TypeError, r"loss is the class BCE.*: write BCEWithLogitsLoss\(\.\.\.\)"),
        (bad(scheduler=StepLR), TypeError, r"scheduler is the class StepLR, and not an object of it: write StepLR"),
        (
            lambda: fit(small(), bce, xor(), SGD, generator=0),
            TypeError,
            r"optimizer is the class SGD, and not an object of it: write SGD\(\.\.\.\)",
        ),
        (
            lambda: fit(small(), bce, xor(), SGD(small().parameters(), lr=0.1), generator=0),
            ValueError,
            r"SGD\(.*\) has no parameter of the model: write SGD\(model\.parameters\(\), \.\.\.\)",
        ),
        (bad(engine="tensors"), ValueError, "engine is one of 'eager', 'numpy', 'numba', 'jax', 'tape', not 'tensors'"),
        (lambda: EarlyStopping(patience=0), ValueError, "patience is at least 1 epoch, not 0"),
        (lambda: BestWeights(mode="less"), ValueError, r"mode is 'min' \(less is better\) or 'max', not 'less'"),
        (lambda: BestWeights(min_delta=-1.0), ValueError, "min_delta is at least 0, not -1.0"),
    ],
)
def test_bad_arguments_are_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_one_metric_needs_no_list() -> None:
    model = small()
    history = fit(model, bce, xor(), SGD(model.parameters(), lr=0.1), epochs=1, metrics=accuracy, generator=0)
    assert list(history) == ["loss", "accuracy", "lr"]


def test_an_optimiser_of_the_loss_alone_is_its_users_business() -> None:
    class Scaled(Module):
        def __init__(self) -> None:
            self.scale = Value(2.0)

        def forward(self, outputs: Any, targets: Any) -> Any:
            return bce(outputs, targets) * self.scale

    loss, model = Scaled(), small()
    fit(model, loss, xor(), SGD(loss.parameters(), lr=0.1), epochs=1, generator=0)
    assert loss.scale.data != 2.0


def test_a_model_that_does_not_give_one_output_a_sample_is_refused() -> None:
    class Mean(Module):
        def __init__(self) -> None:
            self.w = Value(1.0)

        def forward(self, xs: Any) -> Any:
            return [self.w]

    model = Mean()
    with pytest.raises(ValueError, match=r"Mean\(\) was given a batch of 4 samples, and gave 1 items: batched=True is"):
        fit(model, bce, xor(), SGD(model.parameters(), lr=0.1), batched=True, generator=0)


def test_masked_samples_are_refused_and_not_trained_on() -> None:
    inputs = np.ma.masked_array([[0.0, 1.0], [1.0, 1.0]], mask=[[0, 0], [0, 1]])
    targets = np.ma.masked_array([1.0, 0.0], mask=[0, 1])
    for engine in ("eager", "numpy"):
        for data in ((inputs, [1.0, 0.0]), ([[0.0, 1.0], [1.0, 1.0]], targets)):
            model = MLP(2, [1], seed=0)
            with pytest.raises(TypeError, match=r"of data are a masked array.*compressed"):
                fit(model, mse_loss, data, SGD(model.parameters(), lr=0.1), 1, engine=engine)
    with pytest.raises(TypeError, match="outputs is a masked array"):
        accuracy(targets, [1, 0])
    with pytest.raises(TypeError, match="targets is a masked array"):
        accuracy([1.0, 0.0], targets)
    with pytest.raises(TypeError, match="masked array"):
        Linear(2, 1, generator=0)(inputs[0])
