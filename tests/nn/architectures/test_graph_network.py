"""The graph networks compute their formulas, are lifted as they are, and find the sides of the karate club."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tinygrad_lite.lift import lift
from tinygrad_lite.nn import AdamW, fit, predict
from tinygrad_lite.nn.architectures import Example, GraphNetwork
from tinygrad_lite.nn.architectures.graph_network import (
    TOLD,
    accuracy_of_others,
    example,
    identity,
    karate_club,
    loss_of_told,
    nearest_told,
    propagated,
)
from tinygrad_lite.nn.layers.graph_layers import Graph
from tinygrad_lite.testing import Verdict, check_gradients
from tinygrad_lite.transforms import value_and_grad

networkx = pytest.importorskip("networkx", reason="the nn extra is not installed")

both = pytest.mark.parametrize("attention", [False, True], ids=["convolution", "attention"])


def network_of(made: Example) -> GraphNetwork:
    assert isinstance(made.model, GraphNetwork)
    return made.model


# ------------------------------------------------------------------------------------------------------- the model


@both
def test_gradients_are_right(attention: bool) -> None:
    graph = Graph(4, [(0, 1), (1, 2), (1, 3), (2, 3)])
    net = GraphNetwork(graph, 2, attention, heads=1, generator=0)

    def loss(net: GraphNetwork) -> object:
        scores = net(identity(4))
        return loss_of_told([[scores[0], *[[0.0, 0.0]] * 32, scores[3]]], [[0, 1]])

    assert check_gradients(loss, net, order=1).verdict is Verdict.CORRECT


def test_convolutions_are_the_formula_of_kipf_and_welling() -> None:
    made = example()
    state = made.model.state_dict()
    adjacency = networkx.to_numpy_array(networkx.karate_club_graph(), weight=None) + np.eye(34)
    roots = np.sqrt(adjacency.sum(1))
    spread = adjacency / np.outer(roots, roots)
    x = np.eye(34)
    for layer in ("first", "second"):
        x = np.tanh(spread @ x @ np.array(state[f"{layer}.weight"]).T + np.array(state[f"{layer}.bias"]))
    expected = x @ np.array(state["scores.weight"]).T + np.array(state["scores.bias"])
    np.testing.assert_allclose(predict(made.model, made.data[0])[0], expected, rtol=0, atol=1e-13)
    places = [[v.data for v in row] for row in network_of(made).places(identity(34))]
    np.testing.assert_allclose(places, x, rtol=0, atol=1e-13)


def test_attention_is_the_formula_of_velickovic() -> None:
    net = network_of(example(attention=True))
    state = {name: np.array(array) for name, array in net.state_dict().items()}
    seen = networkx.to_numpy_array(networkx.karate_club_graph(), weight=None) + np.eye(34) > 0

    def layer(name: str, x: np.ndarray, heads: int) -> tuple[np.ndarray, np.ndarray]:
        outputs, weights = [], []
        for h, rows in enumerate(np.split(state[f"{name}.weight"], heads)):
            messages = x @ rows.T
            e = (messages @ state[f"{name}.att_dst"][h])[:, None] + messages @ state[f"{name}.att_src"][h]
            e = np.exp(np.where(seen, np.where(e > 0, e, 0.2 * e), -np.inf))
            weights.append(e / e.sum(1, keepdims=True))
            outputs.append(weights[-1] @ messages)
        return np.concatenate(outputs, 1) + state[f"{name}.bias"], np.array(weights)

    hidden, _ = layer("first", np.eye(34), 4)
    x, expected = layer("second", np.tanh(hidden), 1)
    scores = np.tanh(x) @ state["scores.weight"].T + state["scores.bias"]
    np.testing.assert_allclose(predict(net, [identity(34)])[0], scores, rtol=0, atol=1e-13)
    (found,) = net.attention(identity(34))
    assert set(found) == set(zip(*np.nonzero(seen), strict=True))
    for (i, j), weight in found.items():
        assert weight == pytest.approx(expected[0, i, j], rel=1e-12)


def test_attention_is_there_if_asked_for() -> None:
    with pytest.raises(TypeError, match="attention=True"):
        network_of(example()).attention(identity(34))
    with pytest.raises(ValueError, match="not 4 equal parts"):
        GraphNetwork(Graph(2, [(0, 1)]), 6, attention=True)


# ------------------------------------------------------------------------------------------------ lifted, and trained


@both
def test_lifted_training_is_the_eager_one(attention: bool) -> None:
    def trained(engine: str) -> tuple[list[float], list[float]]:
        made = example(attention, 4)
        optimizer = AdamW(made.model.parameters(), lr=0.02)
        history = fit(made.model, made.loss, made.data, optimizer, 4, None, engine=engine, progress=False, generator=0)
        return history["loss"], [p.data for p in made.model.parameters()]

    for eager, lifted in zip(trained("eager"), trained("numpy"), strict=True):
        np.testing.assert_allclose(lifted, eager, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_machine_code_gives_the_eager_loss() -> None:  # without gradients, as these take long to compile
    pytest.importorskip("numba", reason="the fast extra is not installed")
    made = example(hidden=4)
    inputs, targets = (np.array(part, dtype=float) for part in made.data)
    program = lift(lambda m, x, y: made.of_one_sample(x, y, m), batch=(None, 0, 0), engine="numba")
    eager = made.of_one_sample(made.data[0][0], made.data[1][0])
    assert program(made.model, inputs, targets) == pytest.approx(eager.data, rel=1e-12)


@pytest.mark.parametrize(("attention", "most"), [(False, 45), (True, 115)], ids=["convolution", "attention"])
def test_neighbourhoods_of_all_sizes_are_few_groups(attention: bool, most: int) -> None:
    made = example(attention)
    inputs, targets = (np.array(part, dtype=float) for part in made.data)
    program = lift(value_and_grad(lambda m, x, y: made.of_one_sample(x, y, m)), batch=(None, 0, 0))
    assert program.program_for(made.model, inputs, targets).report().groups <= most


@both
def test_two_sides_are_enough_to_find_most_of_the_others(attention: bool) -> None:
    made = example(attention)
    _, sides = karate_club()
    optimizer = AdamW(made.model.parameters(), lr=0.02)
    fit(made.model, made.loss, made.data, optimizer, 100, None, engine="numpy", progress=False, generator=0)
    scores = predict(made.model, made.data[0])[0]
    assert all(scores[i][side] > scores[i][1 - side] for i, side in zip(TOLD, (0, 1), strict=True))
    assert accuracy_of_others(scores, sides) >= 27 / 32


# ------------------------------------------------------------------------------------------------------- the task


def test_the_club_is_zacharys() -> None:
    graph, sides = karate_club()
    club = networkx.karate_club_graph()
    assert {frozenset(edge) for edge in graph.edges} == {frozenset(edge) for edge in club.edges}
    assert [club.nodes[i]["club"] == "Officer" for i in club] == [side == 1 for side in sides]


def test_the_loss_is_that_of_the_told_alone() -> None:
    scores = [[float(i), -float(i)] for i in range(34)]
    expected = [np.log1p(np.exp(scores[i][1 - side] - scores[i][side])) for i, side in zip(TOLD, (0, 1), strict=True)]
    assert loss_of_told([scores], [[0, 1]]).data == pytest.approx(np.mean(expected))
    scores[5] = [100.0, -100.0]
    assert loss_of_told([scores], [[0, 1]]).data == pytest.approx(np.mean(expected))


def test_accuracy_counts_the_others_alone() -> None:
    _, sides = karate_club()
    right = [[1.0 - side, float(side)] for side in sides]
    assert accuracy_of_others(right, sides) == 1.0
    for i in TOLD:
        right[i] = right[i][::-1]
    assert accuracy_of_others(right, sides) == 1.0
    right[8] = right[8][::-1]
    assert accuracy_of_others(right, sides) == 31 / 32
    right[8] = [0.0, 0.0]
    assert accuracy_of_others(right, sides) == 31.5 / 32


def test_the_nearest_are_as_near_as_networkx_says() -> None:
    graph, _ = karate_club()
    club = networkx.karate_club_graph()
    for k, start in enumerate(TOLD):
        lengths = networkx.single_source_shortest_path_length(club, start)
        assert [-scores[k] for scores in nearest_told(graph)] == [lengths[i] for i in range(34)]


def test_label_propagation_is_the_solution_of_its_equations() -> None:
    graph, _ = karate_club()
    adjacency = networkx.to_numpy_array(networkx.karate_club_graph(), weight=None)
    laplacian = np.diag(adjacency.sum(1)) - adjacency
    others = [i for i in range(34) if i not in TOLD]
    expected = np.linalg.solve(laplacian[np.ix_(others, others)], adjacency[others, TOLD[1]])
    found = propagated(graph)
    np.testing.assert_allclose([found[i][1] for i in others], expected, rtol=0, atol=1e-12)
    assert list(itertools.chain(*(found[i] for i in TOLD))) == [1.0, 0.0, 0.0, 1.0]
