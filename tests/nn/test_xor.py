"""XOR is learnt, from any seed."""

from __future__ import annotations

import pytest

from tinygrad_lite import topological_order
from tinygrad_lite.nn import train_xor, xor


def test_the_data_are_exclusive_or() -> None:
    inputs, targets = xor()
    assert [a ^ b for a, b in inputs] == targets


def test_at_least_95_of_100_seeds_learn_it() -> None:
    runs = [train_xor(seed, progress=False) for seed in range(100)]
    learnt = [run for run in runs if run.accuracy == 1.0 and run.losses[-1] < 0.01]
    assert len(learnt) >= 95
    assert runs[0] in learnt  # the seed of make demo


def test_a_run_says_what_happened() -> None:
    run = train_xor(seed=3, epochs=50, progress=False)
    assert len(run.losses) == 51
    assert run.loss.data == run.losses[-1] < run.losses[0]
    assert run.loss.grad == 1.0
    assert [p.label for p in run.model.parameters()] == [name for name, _ in run.model.named_parameters()]
    assert len(topological_order(run.loss, leaves=True)) < 120  # few enough to be read in a picture
    assert len(run.predictions) == 4


def test_equal_seeds_give_equal_runs() -> None:
    assert train_xor(5, 20, progress=False).losses == train_xor(5, 20, progress=False).losses


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
