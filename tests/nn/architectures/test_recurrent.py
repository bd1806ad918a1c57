"""The reader of rows is PyTorch's LSTM with the same weights, is lifted as it is, and learns to read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite.lift import lift
from tinygrad_lite.nn import AdamW, accuracy, cross_entropy, evaluate, fit
from tinygrad_lite.nn.architectures import Example, RowReader
from tinygrad_lite.nn.architectures.recurrent import example, rows_of_digits
from tinygrad_lite.testing import Verdict, check_gradients
from tinygrad_lite.transforms import value_and_grad

pytest.importorskip("sklearn", reason="the nn extra is not installed")


def small(hidden: int = 3, samples: int = 6) -> Example:
    made = example(hidden)
    inputs, targets = made.data
    return made._replace(data=(inputs[:samples], targets[:samples]))


# ------------------------------------------------------------------------------------------------------ the model


def test_gradients_are_right() -> None:
    model = RowReader(2, size=2, classes=2, generator=0)
    rows = [[0.5, -1.0], [1.0, 0.25]]
    assert check_gradients(lambda m: cross_entropy([m(rows)], [1]), model, order=1).verdict is Verdict.CORRECT


def test_scores_and_gradients_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    made = small(hidden=5)
    state = {name: torch.tensor(np.array(w)) for name, w in made.model.state_dict().items()}
    peer = torch.nn.ModuleDict({"lstm": torch.nn.LSTM(8, 5), "scores": torch.nn.Linear(5, 10)}).double()
    peer.load_state_dict(state)
    inputs, targets = made.data
    hidden, _ = peer["lstm"](torch.tensor(inputs).transpose(0, 1))
    theirs = peer["scores"](hidden[-1])
    their_loss = torch.nn.functional.cross_entropy(theirs, torch.tensor(targets))
    their_loss.backward()
    ours = [made.model(x) for x in inputs.tolist()]
    loss = made.loss(ours, targets)
    loss.backward()
    np.testing.assert_allclose([[z.data for z in row] for row in ours], theirs.detach().numpy(), rtol=0, atol=1e-13)
    slopes = {name: p.grad for name, p in made.model.named_parameters()}
    for name, parameter in peer.named_parameters():
        for place, slope in np.ndenumerate(parameter.grad.numpy()):
            assert slopes[".".join([name, *map(str, place)])] == pytest.approx(slope, rel=1e-9, abs=1e-14)


def test_memory_and_guesses_are_those_of_the_model() -> None:
    made = small(hidden=4)
    model = made.model
    assert isinstance(model, RowReader)
    rows = made.data[0][0].tolist()
    hidden, (_, c) = model.lstm(rows)
    memory = model.memory(rows)
    np.testing.assert_allclose(memory.hidden, [[v.data for v in step] for step in hidden], rtol=0, atol=1e-14)
    np.testing.assert_allclose(memory.cell[-1], [v.data for v in c[0]], rtol=0, atol=1e-14)
    kept = np.array(memory.keep[1:]) * np.array(memory.cell[:-1]) + np.array(memory.write[1:]) * memory.candidate[1:]
    np.testing.assert_allclose(memory.cell[1:], kept, rtol=0, atol=1e-14)
    np.testing.assert_allclose(memory.hidden, np.array(memory.show) * np.tanh(memory.cell), rtol=0, atol=1e-14)
    for t, guess in enumerate(model.guesses(rows), start=1):
        assert guess == [score.data for score in model(rows[:t])]


def test_the_gates_that_keep_begin_open() -> None:
    model = RowReader(4, generator=0)
    assert [b.data for b in model.lstm.bias_ih_l0[4:8]] == [1.0] * 4
    assert all(abs(b.data) <= 0.5 for b in (*model.lstm.bias_ih_l0[:4], *model.lstm.bias_ih_l0[8:]))


# ------------------------------------------------------------------------------------------------ lifted, and trained


def test_lifted_training_is_the_eager_one() -> None:
    def trained(engine: str) -> tuple[list[float], list[float]]:
        made = small()
        optimizer = AdamW(made.model.parameters(), lr=0.02)
        history = fit(made.model, made.loss, made.data, optimizer, 3, 3, engine=engine, progress=False, generator=0)
        return history["loss"], [p.data for p in made.model.parameters()]

    for eager, lifted in zip(trained("eager"), trained("numpy"), strict=True):
        np.testing.assert_allclose(lifted, eager, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_machine_code_gives_the_eager_loss() -> None:  # of two rows, as each step has groups of its own to compile
    pytest.importorskip("numba", reason="the fast extra is not installed")
    made = small()
    inputs, targets = made.data[0][:, 2:4], made.data[1]
    program = lift(lambda m, x, y: made.of_one_sample(x, y, m), batch=(None, 0, 0), engine="numba")
    eager = made.loss([made.model(x) for x in inputs.tolist()], targets)
    assert program(made.model, inputs, targets.astype(float)) == pytest.approx(eager.data, rel=1e-12)


def test_there_are_as_many_groups_for_any_number_of_steps() -> None:
    made = small()

    def groups(rows: int, hidden: int) -> int:
        model: Any = RowReader(hidden, generator=0)
        inputs, targets = made.data[0][:, :rows], made.data[1].astype(float)
        program = lift(value_and_grad(lambda m, x, y: made.of_one_sample(x, y, m)), batch=(None, 0, 0))
        found: int = program.program_for(model, inputs, targets).report().groups
        return found

    assert groups(6, 3) == groups(8, 3) <= 100  # two loops, and the first and last steps
    assert groups(6, 5) == groups(6, 3)


def test_it_learns_to_read() -> None:
    made, (_, test) = example(16), rows_of_digits()
    optimizer = AdamW(made.model.parameters(), lr=0.02)
    fit(made.model, made.loss, made.data, optimizer, 8, 64, engine="numpy", progress=False, generator=0)
    found = evaluate(made.model, made.loss, (test[0][:100], test[1][:100]), metrics=[accuracy])
    assert found["accuracy"] > 0.8  # logistic regression on the last row: 0.535


# ------------------------------------------------------------------------------------------------------- the data


def test_rows_are_those_of_the_images() -> None:
    from sklearn.datasets import load_digits

    (images, labels), (test_images, test_labels) = rows_of_digits()
    known = {
        (image.tobytes(), label) for image, label in zip(load_digits().images / 16.0, load_digits().target, strict=True)
    }
    found = [*zip(images, labels, strict=True), *zip(test_images, test_labels, strict=True)]
    assert {(np.ascontiguousarray(image).tobytes(), label) for image, label in found} == known
    assert len(found) == 1797
