"""Seeds: different each time unless seeded, by an argument or for a whole program."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value, nn
from tinygrad_lite.nn.architectures import Autoencoder, ConvNet, Denoiser
from tinygrad_lite.nn.base.generators import as_generator


def weights(model: Any) -> list[float]:
    return [p.data for p in model.parameters()]


def trained() -> list[float]:
    model = nn.MLP(1, [2, 1], "tanh", seed=0)
    data = [[float(x)] for x in range(6)], [float(x % 2) for x in range(6)]
    nn.fit(
        model,
        nn.mse_loss,
        data,
        nn.SGD(model.parameters(), lr=0.1),
        epochs=1,
        batch_size=1,
        progress=False,
    )
    return weights(model)


def estimated() -> list[float]:
    model = nn.MLP(2, [2, 1], "tanh", seed=0)
    optimizer = nn.SophiaH(model.parameters(), lr=0.1)
    return [optimizer.generator.random()]


DRAWN: dict[str, Callable[[], Any]] = {
    "Neuron": lambda: weights(nn.Neuron(3)),
    "Layer": lambda: weights(nn.Layer(2, 2)),
    "MLP": lambda: weights(nn.MLP(2, [3, 1])),
    "Linear": lambda: weights(nn.Linear(2, 2)),
    "Conv1d": lambda: weights(nn.Conv1d(1, 2, 3)),
    "LSTM": lambda: weights(nn.LSTM(2, 2)),
    "Embedding": lambda: weights(nn.Embedding(3, 2)),
    "Transformer": lambda: weights(nn.TransformerBlock(2, 1)),
    "GraphConv": lambda: weights(nn.GraphConv(2, 2)),
    "Autoencoder": lambda: weights(Autoencoder(3, (2,), 1)),
    "ConvNet": lambda: weights(ConvNet((1, 1), 2, 5)),
    "Denoiser": lambda: weights(Denoiser(1, [2])),
    "initialiser": lambda: nn.init.normal_(Value(0.0)).data,
    "Dropout": lambda: [x.data for x in nn.Dropout(0.5)([Value(1.0)] * 64)],
    "moons": lambda: nn.moons(4)[0],
    "fit": trained,
    "SophiaH": estimated,
}


@pytest.mark.parametrize("drawn", [pytest.param(drawn, id=name) for name, drawn in DRAWN.items()])
def test_what_is_drawn_differs_each_time_unless_the_program_is_seeded(drawn: Callable[[], Any]) -> None:
    nn.seed(7)
    first, second = drawn(), drawn()
    nn.seed(7)
    assert (drawn(), drawn()) == (first, second)
    assert first != second
    random.seed(7)  # as users of micrograd write it
    assert drawn() == first
    nn.seed(8)
    assert drawn() != first


def test_a_seed_of_its_own_is_all_that_a_draw_depends_on() -> None:
    first = weights(nn.MLP(2, [3, 1], seed=5)), weights(nn.Linear(2, 2, generator=5))
    nn.seed(1)
    before = random.getstate()
    assert (weights(nn.MLP(2, [3, 1], seed=5)), weights(nn.Linear(2, 2, generator=5))) == first
    assert random.getstate() == before


def test_two_processes_make_different_networks() -> None:
    code = "from tinygrad_lite import nn; print([p.data for p in nn.MLP(2, [3, 1]).parameters()])"
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 2


@pytest.mark.parametrize("seed", [1.0, True, "0", None])
def test_other_seeds_are_refused(seed: Any) -> None:
    before = random.getstate()
    with pytest.raises(TypeError, match=r"a seed is an int, as in nn\.seed\(0\), not"):
        nn.seed(seed)
    assert random.getstate() == before


@pytest.mark.parametrize("generator", [1.0, True, "0", np.random.default_rng(0)])
def test_other_generators_are_refused(generator: Any) -> None:
    with pytest.raises(TypeError, match=r"generator is a random\.Random, the int that seeds one, or None, not"):
        as_generator(generator)


def test_a_generator_is_used_as_it_is() -> None:
    rng = random.Random(0)
    assert as_generator(rng) is rng
