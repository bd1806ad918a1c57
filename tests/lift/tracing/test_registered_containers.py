"""Containers of one's own in lift, fit and check_gradients."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, register_pytree_node, tree_leaves, tree_structure
from tinygrad_lite.lift import lift
from tinygrad_lite.nn import SGD, Module, MSELoss, fit
from tinygrad_lite.testing import check_gradients


class Weights:
    """A row of weights and a name, which is no leaf."""

    def __init__(self, row: Any, name: str = "w") -> None:
        self.row, self.name = row, name


register_pytree_node(Weights, lambda w: ([list(w.row)], w.name), lambda name, items: Weights(items[0], name))


@dataclasses.dataclass
class Line:
    slope: Any
    offset: Any


def loss(weights: Any, x: Any) -> Any:
    row = weights.row
    scale = 2.0 if weights.name == "twice" else 1.0
    return scale * (row[0] * x**2 + row[1])


def test_a_program_takes_and_gives_registered_containers() -> None:
    program = lift(tg.value_and_grad(loss))
    for name, value, slopes in (("w", 22.0, [9.0, 1.0]), ("twice", 44.0, [18.0, 2.0]), ("w", 22.0, [9.0, 1.0])):
        weights = Weights([2.0, 4.0], name)
        for _ in range(2):
            found, gradient = program(weights, 3.0)
            assert (found, type(gradient), gradient.name) == (value, Weights, name)
            np.testing.assert_array_equal(gradient.row, slopes)
            eager = tg.grad(loss)(weights, 3.0)
            assert tree_structure(eager) == tree_structure(Weights([0.0, 0.0], name))
            assert tree_leaves(eager) == slopes


class Model(Module):
    """Its parameters are in a registered container, whose items are made anew each time, and in a dataclass."""

    def __init__(self) -> None:
        self.weights = Weights([Value(0.5), Value(-0.5)])
        self.line = Line(Value(0.1), Weights([Value(0.2)]))

    def __call__(self, x: Any) -> Any:
        row = self.weights.row
        return row[0] * x[0] + row[1] * x[0] * x[0] + self.line.slope * x[0] + self.line.offset.row[0]


def test_parameters_in_registered_containers_are_a_models() -> None:
    names = ["weights.0.0", "weights.0.1", "line.slope", "line.offset.0.0"]
    model = Model()
    assert [name for name, _ in model.named_parameters()] == names
    assert {name: array.shape for name, array in model.state_dict().items()} == {
        "weights.0": (2,),
        "line.slope": (),
        "line.offset.0": (1,),
    }
    gradient = tg.grad(lambda m, x: m(x))(model, [3.0])
    assert gradient["weights.0"].tolist() == [3.0, 9.0]
    assert (gradient["line.slope"], gradient["line.offset.0"].tolist()) == (3.0, [1.0])


@pytest.mark.parametrize("engine", ["eager", "numpy"])
def test_fit_trains_them(engine: str) -> None:
    model = Model()
    inputs = [[x / 4.0] for x in range(-4, 5)]
    targets = [2.0 * x[0] - x[0] ** 2 + 1.0 for x in inputs]
    optimizer = SGD(model.parameters(), lr=0.3)
    history = fit(model, MSELoss(), (inputs, targets), optimizer, 60, None, engine=engine, progress=False)
    assert history["loss"][-1] < 1e-3 * history["loss"][0]
    assert [round(x.data, 1) for x in model.weights.row][1] == -1.0


def test_gradients_by_them_are_checked() -> None:
    assert check_gradients(lambda w, line: loss(w, line.slope) + line.offset, Weights([2.0, 4.0]), Line(3.0, 1.0))
    leaky = tg.define("leaky_square", lambda x: x * x, lambda m, x, z: 3 * x)
    with pytest.raises(AssertionError, match=r"w\[<flat index 0>\]\[1\]"):
        check_gradients(lambda w: leaky(w.row[1]) + w.row[0], Weights([2.0, 4.0]))


def test_settings_in_a_container_count_for_a_program() -> None:
    program = lift(lambda x, line: x * line.slope, static="line")
    line = Line(2.0, 0.0)
    assert program(3.0, line) == 6.0
    line.slope = 5.0
    assert program(3.0, line) == 15.0
