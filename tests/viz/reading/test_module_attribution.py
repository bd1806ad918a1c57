"""Each node belongs to the module that recorded it, as the calls of the modules confirm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tinygrad_lite import Value, logsumexp, sigmoid, sum, tanh, topological_order
from tinygrad_lite.nn import MLP, Linear, LogSoftmax, Module, Sequential, Sigmoid, Softmax, Tanh
from tinygrad_lite.viz.reading.module_attribution import owners
from tinygrad_lite.viz.reading.modules import ModuleTree
from tinygrad_lite.viz.reading.names import find_names


def recorded_by(model: Module, run: Callable[[], Value]) -> tuple[Value, dict[int, str]]:
    """What the graph is inferred to say, and, from the calls themselves, who recorded each node: the innermost call."""
    paths = {id(module): path for path, module in find_names({"model": model}).modules.items()}
    current = [""]
    found: dict[int, str] = {}
    alive: list[Value] = []  # so that no id is used again

    def watched(module: Module) -> Callable[..., Any]:
        forward = module.forward

        def call(*args: Any) -> Any:
            note(args, current[-1])
            current.append(paths[id(module)])
            output = forward(*args)
            note(output, current.pop())
            return output

        return call

    def note(values: Any, path: str) -> None:
        if isinstance(values, Value):
            alive.append(values)
            for node in topological_order(values):
                found.setdefault(id(node), path)
        elif isinstance(values, (list, tuple)):
            for part in values:
                note(part, path)

    modules = [module for module in model.modules() if hasattr(module, "__dict__")]
    for module in modules:
        vars(module)["forward"] = watched(module)
    try:
        return run(), found
    finally:
        for module in modules:
            del vars(module)["forward"]


class Line(Module):
    def __init__(self) -> None:
        self.slope, self.intercept = Value(2.0), Value(1.0)

    def forward(self, x: Any) -> Value:
        return tanh(self.slope * x + self.intercept)


class Net(Module):
    def __init__(self) -> None:
        self.first, self.second = Linear(2, 3, generator=0), Linear(3, 1, generator=1)

    def forward(self, x: Any) -> Value:
        return sigmoid(self.second([tanh(h) for h in self.first(x)])[0])


class Gate(Module):
    """A recurrent cell: what it computes has several operands, and ends in nothing that uses a parameter."""

    def __init__(self) -> None:
        self.w, self.u, self.v = Value(0.5), Value(0.2), Value(-0.3)

    def forward(self, xs: list[float]) -> Value:
        h: Any = Value(0.1)
        for x in xs:
            gate = (self.w * h + self.u * x).sigmoid()
            h = gate * h + (1.0 - gate) * (self.v * x).tanh()
        return h


def squared(outputs: list[Value]) -> Value:
    return sum([(output - 1.0) ** 2 for output in outputs])


MODELS: dict[str, tuple[Module, Callable[[Any], Value]]] = {
    "line": (Line(), lambda model: squared([model(Value(1.0)), model(2.0)])),
    "net": (Net(), lambda model: squared([model([1.0, 2.0]), model([0.5, -1.0])])),
    "gate": (Gate(), lambda model: squared([model([1.0, 2.0, 3.0])])),
    "sequential": (
        Sequential(Linear(2, 3, generator=0), Tanh(), Linear(3, 2, generator=1), Sigmoid()),
        lambda model: squared([z for x in (1.0, 2.0) for z in model([x, -x])]),
    ),
    "softmax": (
        Sequential(Linear(2, 3, generator=0), Softmax(), Linear(3, 2, generator=1), LogSoftmax()),
        lambda model: -model([1.0, 2.0])[0],
    ),
    "nested": (
        Sequential(Sequential(Linear(1, 2, generator=0), Tanh()), Net()),
        lambda model: squared([model([x]) for x in (0.5, 1.5)]),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_tells_which_module_recorded_a_node(name: str) -> None:
    model, run = MODELS[name]
    root, truth = recorded_by(model, lambda: run(model))
    found = owners(root, {"model": model})
    assert truth
    for node in topological_order(root):
        assert found.get(id(node), "") == truth.get(id(node), ""), node.op


def test_a_neuron_owns_its_nodes_for_every_sample_and_nobody_owns_the_loss() -> None:
    model = MLP(2, [3, 1], "tanh", seed=0)
    loss = squared([model([0.1 * i, 1.0]) for i in range(10)])
    found = owners(loss, model)
    counts: dict[str, int] = {}
    for node in topological_order(loss):
        path = found.get(id(node), "")
        counts[path] = counts.get(path, 0) + 1
    assert counts == {
        "": 1 + 2 * 10,
        "model.layers[1].neurons[0]": 10,
        **{f"model.layers[0].neurons[{i}]": 20 for i in range(3)},
    }


def test_parameters_belong_to_the_innermost_module_and_inputs_to_none() -> None:
    model = MLP(1, [1, 1], seed=0)
    x = Value(1.0)
    found = owners(model(x), model)
    assert found[id(model.layers[0].neurons[0].w[0])] == "model.layers[0].neurons[0]"
    assert id(x) not in found


def test_a_penalty_belongs_to_the_loss_and_a_normalised_weight_to_its_module() -> None:
    model = MLP(1, [2, 1], "tanh", seed=0)
    penalty = 0.1 * sum([p * p for p in model.parameters()]) + sum([p**2 for p in model.parameters()])
    loss = squared([model(1.0)]) + penalty
    found = owners(loss, model)
    assert not [node for node in topological_order(penalty) if id(node) in found]

    class Unit(Module):
        def __init__(self) -> None:
            self.w, self.b = [Value(3.0), Value(4.0)], Value(1.0)

        def forward(self, x: list[Value]) -> Value:
            norm = sum([w * w for w in self.w]).sqrt()
            return sum([w / norm * xi for w, xi in zip(self.w, x, strict=True)]) + self.b

    unit = Unit()
    root = unit([Value(1.0), Value(2.0)])
    assert {owners(root, {"unit": unit}).get(id(node)) for node in topological_order(root)} == {"unit"}


def test_a_cross_entropy_of_the_outputs_is_no_part_of_the_last_layer() -> None:
    model = Sequential(Linear(2, 3, generator=0), Tanh(), Linear(3, 2, generator=1))
    z = model([1.0, 2.0])
    loss = logsumexp(z) - z[0]
    found = owners(loss, model)
    assert id(loss) not in found
    assert id(loss.parents[0]) not in found
    assert found[id(z[0])] == "model[2]"


def test_constants_of_a_module_are_its_own_but_not_its_inputs() -> None:
    class Shifted(Module):
        def __init__(self) -> None:
            self.w = Value(2.0)

        def forward(self, x: float) -> Value:
            return (self.w * x + 0.25).tanh() * self.w

    model = Shifted()
    root = model(3.0)
    found = owners(root, model)
    constants = {
        node.data: found.get(id(node), "") for node in topological_order(root, leaves=True) if node.is_constant
    }
    assert constants == {3.0: "", 0.25: "model"}


def test_a_chain_of_100_000_nodes_needs_no_recursion() -> None:
    model = Line()
    y: Any = 1.0
    for _ in range(33_000):
        y = model(y)
    assert len(owners(y, model)) == 3 * 33_000 + 2


def test_a_parameter_of_two_modules_belongs_to_the_first() -> None:
    one, other = Line(), Line()
    other.slope = one.slope
    root = other(Value(1.0))
    found = owners(root, {"one": one, "other": other})
    assert found[id(one.slope)] == "one"
    assert found[id(other.intercept)] == "other"


def test_the_smallest_module_that_holds_two_is_found_in_the_tree() -> None:
    tree = ModuleTree(find_names({"model": MLP(2, [2, 1], seed=0), "other": MLP(1, [1], seed=0)}).modules)
    assert tree.common(["model.layers[0].neurons[1]", "model.layers[0]"]) == "model.layers[0]"
    assert tree.common(["model.layers[0].neurons[1]", "model.layers[1].neurons[0]"]) == "model"
    assert tree.common(["model", "other"]) == ""
    assert tree.common([]) == ""
