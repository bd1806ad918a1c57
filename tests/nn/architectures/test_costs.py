"""What a step costs is counted and timed for what it says."""

from __future__ import annotations

import pytest

from tinygrad_lite import nn, value_and_grad
from tinygrad_lite.lift import lift
from tinygrad_lite.nn.architectures.costs import Costs, measure
from tinygrad_lite.nn.architectures.example import Example


def xor_example() -> Example:
    return Example(nn.MLP(2, [4, 1], "tanh", seed=0), nn.mse_loss, nn.xor())


def test_nodes_and_groups_are_those_of_the_lifted_step() -> None:
    example = xor_example()
    costs = measure(example, engines=["numpy"], seconds=0.0)
    program = lift(value_and_grad(lambda model, x, y: nn.mse_loss([model(x)], [y])), batch=(None, 0, 0))
    report = program.program_for(example.model, *map(list, example.data)).report()
    assert (costs.nodes, costs.groups) == (report.nodes, report.groups)
    assert costs.parameters == 17


@pytest.mark.parametrize(("asked", "seen"), [(3, 3), (100, 4)])
def test_a_step_sees_as_many_samples_as_there_are(asked: int, seen: int) -> None:
    assert measure(xor_example(), asked, ["numpy"], seconds=0.0).samples == seen


def test_gradients_are_those_of_one_step() -> None:
    example = xor_example()
    measure(example, engines=["numpy"], seconds=0.0)
    found = [parameter.grad for parameter in example.model.parameters()]
    example.model.zero_grad()
    inputs, targets = example.data
    example.loss([example.model(x) for x in inputs], targets).backward()
    assert found == [parameter.grad for parameter in example.model.parameters()]


def test_an_engine_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jax", None)
    assert list(measure(xor_example(), engines=["numpy", "jax"], seconds=0.0).milliseconds) == ["eager", "numpy"]
    with pytest.raises(ImportError, match="none of the engines jax"):
        measure(xor_example(), engines=["jax"], seconds=0.0)


def test_the_table_has_a_line_for_each_engine() -> None:
    text = str(Costs(1, 4906, 93536, 28, 0.25, {"eager": 8.0, "numba": 0.5}, {"numba": 7.0}))
    assert text.splitlines() == [
        "loss and gradients of 1 sample",
        "  parameters            4,906",
        "  scalar nodes         93,536 a sample",
        "  groups                   28   lifted in 0.25 s",
        "  eager                  8.00 ms",
        "  numba                  0.50 ms   16 x eager, first call 7.0 s",
    ]
