"""XOR is learnt, from any seed."""

from __future__ import annotations

import pytest

from tinygrad_lite import topological_order
from tinygrad_lite.nn import train_xor, xor
from tinygrad_lite.nn.xor_training import XOR_SETTINGS


def test_the_data_are_exclusive_or() -> None:
    inputs, targets = xor()
    assert [a ^ b for a, b in inputs] == targets


@pytest.mark.slow  # the command and the notebooks learn it too
def test_at_least_95_of_100_seeds_learn_it() -> None:
    runs = [train_xor(seed, progress=False) for seed in range(100)]
    learnt = [run for run in runs if run.accuracy == 1.0 and run.losses[-1] < 0.01]
    assert len(learnt) >= 95
    assert runs[0] in learnt  # the seed of make demo


@pytest.mark.parametrize("optimizer", [name for name in XOR_SETTINGS if name != "SGD"])
def test_every_optimizer_learns_it(optimizer: str) -> None:
    # python benchmarks/xor_seeds.py counts 100 of 100 for each
    runs = [train_xor(seed, progress=False, optimizer=optimizer) for seed in range(8)]
    assert all(run.accuracy == 1.0 and run.losses[-1] < 0.01 for run in runs)


@pytest.mark.parametrize("optimizer", XOR_SETTINGS)
def test_settings_can_be_changed(optimizer: str) -> None:
    run = train_xor(3, 5, 1e-3, False, optimizer=optimizer, hidden=3)
    assert len(run.model.layers[0].neurons) == 3
    slow = [p.data for p in run.model.parameters()]
    fast = [p.data for p in train_xor(3, 5, 1e-1, False, optimizer=optimizer, hidden=3).model.parameters()]
    still = [p.data for p in train_xor(3, 0, progress=False, optimizer=optimizer, hidden=3).model.parameters()]
    moved = [max(abs(a - b) for a, b in zip(found, still, strict=True)) for found in (slow, fast)]
    assert 0.0 < 10.0 * moved[0] < moved[1]


@pytest.mark.parametrize(("name", "message"), [("adam", "did you mean Adam"), ("", "there are: SGD, RMSprop")])
def test_unknown_optimizers_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_xor(optimizer=name)


def test_a_run_says_what_happened() -> None:
    run = train_xor(seed=3, epochs=50, progress=False)
    assert len(run.losses) == 51
    assert run.loss.data == run.losses[-1] < run.losses[0]
    assert run.loss.grad == 1.0
    assert [p.label for p in run.model.parameters()] == [name for name, _ in run.model.named_parameters()]
    assert len(topological_order(run.loss, leaves=True)) < 120  # few enough to be read in a picture
    assert len(run.predictions) == 4


@pytest.mark.parametrize("optimizer", XOR_SETTINGS)
def test_equal_seeds_give_equal_runs(optimizer: str) -> None:
    one, other = (train_xor(5, 20, progress=False, optimizer=optimizer) for _ in range(2))
    assert one.losses == other.losses


def test_without_training_nothing_is_learnt() -> None:
    run = train_xor(epochs=0, progress=False)
    assert len(run.losses) == 1
    assert run.accuracy < 1.0


def test_negative_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        train_xor(epochs=-1)


def test_the_bar_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    train_xor(epochs=5)
    assert capsys.readouterr() == ("", "")


def test_the_bar_shows_the_loss_on_stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run = train_xor(epochs=5)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"loss={run.losses[-2]:.4f}" in err
