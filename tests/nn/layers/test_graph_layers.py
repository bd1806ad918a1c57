"""Graph layers compute what their papers say, whatever the numbering of the nodes, and so do their gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracles import assert_close, numbers, of_leaves, slopes
from sequence_oracles import assert_is_the_formulas, differentiated, drawn, set_drawn

from tinygrad_lite import sum as total
from tinygrad_lite import topological_order
from tinygrad_lite.nn.base.shapes import flat
from tinygrad_lite.nn.layers.graph_layers import Graph, GraphAttention, GraphConv
from tinygrad_lite.testing import Verdict, check_gradients

FEW = settings(max_examples=settings().max_examples // 4)
seeds = st.integers(0, 2**16)
sizes = st.integers(1, 3)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Of up to 5 nodes, with loops and repeated edges among those given."""
    nodes = draw(st.integers(1, 5))
    node = st.integers(0, nodes - 1)
    return Graph(nodes, draw(st.lists(st.tuples(node, node), max_size=8)), directed=draw(st.booleans()))


def adjacency(graph: Graph) -> Any:
    """A + I: row i has 1 where node i takes from node j."""
    a = np.eye(graph.nodes)
    for i, j in graph.edges:
        a[j, i] = 1.0
        if not graph.directed:
            a[i, j] = 1.0
    return a


def conv_formula(x: Any, a: Any, weight: Any, bias: Any = 0.0) -> Any:
    """D^(−1/2) (A + I) D^(−1/2) X Wᵀ + b (Kipf & Welling 2017, equation 2)."""
    root = np.diag(1 / np.sqrt(a.sum(axis=1)))
    return root @ a @ root @ x @ weight.T + bias


def attention_formula(
    x: Any, a: Any, layer: GraphAttention, weight: Any, att_src: Any, att_dst: Any, bias: Any = 0.0
) -> Any:
    """Veličković et al. (2018), equations 1 to 6, one node and one neighbour at a time."""
    outputs = []
    for w, source, target in zip(np.split(weight, layer.heads), att_src, att_dst, strict=True):
        h = x @ w.T
        rows = []
        for i in range(len(x)):
            z = [np.sum(np.concatenate([target, source]) * np.concatenate([h[i], h[j]])) for j in range(len(x))]
            e = [np.exp(zj if zj.real > 0 else layer.negative_slope * zj) * a[i, j] for j, zj in enumerate(z)]
            rows.append(sum(ej * hj for ej, hj in zip(e, h, strict=True)) / sum(e))
        outputs.append(np.array(rows))
    return (np.concatenate(outputs, axis=1) if layer.concat else sum(outputs) / layer.heads) + bias


# ---------------------------------------------------------------------------------- the formulas, in NumPy


@FEW
@given(graph=graphs(), features=sizes, outputs=sizes, bias=st.booleans(), seed=seeds)
def test_graph_conv_and_its_gradients_are_those_of_the_formula(
    graph: Graph, features: int, outputs: int, bias: bool, seed: int
) -> None:
    layer, a = GraphConv(features, outputs, bias), adjacency(graph)
    assert_is_the_formulas(
        layer,
        lambda x: [layer(x, graph)],
        lambda x, **state: [conv_formula(x, a, **state)],
        [drawn(seed, graph.nodes, features)],
        seed,
    )


heads_options = st.fixed_dictionaries(
    {
        "heads": sizes,
        "concat": st.booleans(),
        "negative_slope": st.sampled_from([0.2, 0.5, 1.0]),
        "bias": st.booleans(),
    }
)


@FEW
@given(graph=graphs(), features=sizes, outputs=sizes, options=heads_options, seed=seeds)
def test_graph_attention_and_its_gradients_are_those_of_the_formula(
    graph: Graph, features: int, outputs: int, options: dict[str, Any], seed: int
) -> None:
    layer, a = GraphAttention(features, outputs, **options), adjacency(graph)
    assert_is_the_formulas(
        layer,
        lambda x: [layer(x, graph)],
        lambda x, **state: [attention_formula(x, a, layer, **state)],
        [drawn(seed, graph.nodes, features)],
        seed,
    )


@pytest.mark.parametrize("kind", [GraphConv, GraphAttention])
def test_derivatives_are_those_of_60_digit_arithmetic(kind: Any) -> None:
    def called(layer: Any, x: Any) -> Any:
        return layer(x, [(0, 1), (1, 2)])

    layer, x = kind(2, 1, generator=0), [[0.5, 0.25], [-0.7, 0.3], [0.1, 0.9]]
    assert check_gradients(called, layer, x, order=1).verdict is Verdict.CORRECT


# ------------------------------------------------------------------------------------------------- PyTorch


@FEW
@given(graph=graphs(), features=sizes, outputs=sizes, options=heads_options, attention=st.booleans(), seed=seeds)
def test_values_and_gradients_are_those_of_dense_tensors_in_pytorch(
    graph: Graph, features: int, outputs: int, options: dict[str, Any], attention: bool, seed: int
) -> None:
    torch = pytest.importorskip("torch")
    layer: Any = GraphAttention(features, outputs, **options) if attention else GraphConv(features, outputs)
    state = {name: torch.tensor(array, requires_grad=True) for name, array in set_drawn(layer, seed).items()}
    x, a = drawn(seed, graph.nodes, features), torch.from_numpy(adjacency(graph))
    (y,), (by_input,), by_parameters, (cotangent,) = differentiated(layer, lambda x: [layer(x, graph)], [x], seed)
    given_x = torch.tensor(x, requires_grad=True)
    if attention:
        h = (given_x @ state["weight"].T).reshape(graph.nodes, layer.heads, outputs)
        scores = (h * state["att_dst"]).sum(-1)[:, None] + (h * state["att_src"]).sum(-1)[None]
        scores = torch.nn.functional.leaky_relu(scores, layer.negative_slope)
        weights = scores.masked_fill(a[:, :, None] == 0, -math.inf).softmax(dim=1)
        found = torch.einsum("ijh,jhf->ihf", weights, h)
        expected = found.flatten(1) if layer.concat else found.mean(1)
    else:
        degrees = a.sum(1)
        expected = (a / (degrees[:, None] * degrees[None]).sqrt()) @ (given_x @ state["weight"].T)
    expected = expected + state.get("bias", 0.0)
    expected.backward(torch.from_numpy(cotangent))
    assert_close(y, expected.detach().numpy())
    assert_close(by_input, given_x.grad.numpy())
    for name, tensor in state.items():
        assert_close(by_parameters[name], tensor.grad.numpy())


# -------------------------------------------------------------------------------------- what graph layers are


def layers() -> list[Any]:
    return [
        GraphConv(3, 2, generator=0),
        GraphAttention(3, 2, heads=2, generator=0),
        GraphAttention(3, 2, heads=2, concat=False, generator=0),
    ]


@FEW
@given(graph=graphs(), data=st.data(), seed=seeds)
def test_another_numbering_of_the_nodes_permutes_the_outputs(graph: Graph, data: st.DataObject, seed: int) -> None:
    order = data.draw(st.permutations(range(graph.nodes)))  # the new node k is the old node order[k]
    place = {old: new for new, old in enumerate(order)}
    renumbered = Graph(graph.nodes, [(place[i], place[j]) for i, j in graph.edges], directed=graph.directed)
    x = drawn(seed, graph.nodes, 3)
    for layer in layers():
        set_drawn(layer, seed)
        assert_close(numbers(layer(x[order], renumbered)), numbers(layer(x, graph))[order])


@pytest.mark.parametrize("layer", layers(), ids=repr)
def test_a_node_depends_on_its_neighbourhood_and_on_nothing_else(layer: Any) -> None:
    set_drawn(layer, 0)
    leaves = of_leaves(drawn(0, 4, 3))
    y = layer(leaves, [(0, 1), (1, 2)])
    total(list(y[0])).backward()
    gradient = slopes(leaves)
    assert gradient[:2].all()
    assert (gradient[2:] == 0.0).all()


def test_along_a_directed_edge_only_its_end_takes() -> None:
    layer, leaves = GraphConv(1, 1, generator=0), of_leaves([[1.0], [2.0]])
    (first,), (second,) = layer(leaves, Graph(2, [(0, 1)], directed=True))
    first.backward()
    assert (leaves[0][0].grad != 0.0, leaves[1][0].grad) == (True, 0.0)
    leaves[0][0].grad = 0.0
    second.backward()
    assert slopes(leaves).all()


def test_an_edge_counts_once_and_so_does_a_node_itself() -> None:
    once = Graph(3, [(0, 1), (1, 2)])
    assert Graph(3, [(0, 1), (1, 0), (0, 1), (1, 1), (2, 1)]).neighbourhoods == once.neighbourhoods
    assert once.neighbourhoods == ((0, 1), (0, 1, 2), (1, 2))


@pytest.mark.parametrize("layer", layers(), ids=repr)
def test_edges_may_be_pairs_in_lists_sets_iterators_and_arrays_or_a_graph(layer: Any) -> None:
    x, edges = drawn(0, 3, 3), [(0, 1), (2, 1)]
    expected = numbers(layer(x, Graph(3, edges)))
    for given_edges in (edges, [[0, 1], [2, 1]], set(edges), iter(edges), np.array(edges), list(np.array(edges))):
        assert (numbers(layer(x, given_edges)) == expected).all()


def test_a_graph_without_edges_leaves_each_node_to_itself() -> None:
    x = drawn(0, 3, 3)
    for layer in layers():
        alone = [numbers(layer(x[k : k + 1], []))[0] for k in range(3)]
        assert (numbers(layer(x, [])) == alone).all()
        assert (numbers(layer(x, np.zeros((0, 2), int))) == alone).all()


def test_a_sum_over_a_neighbourhood_is_one_node() -> None:
    y = GraphConv(2, 1, generator=0)([[1.0, 0.0]] * 4, [(0, 1), (0, 2), (0, 3)])[0][0]
    assert [node.op for node in topological_order(y)] == ["dot"] * 5  # the sum, and the message of each of the four
    assert len(y.parents) == 2 * 4 + 1


def test_parameters_begin_as_in_the_papers() -> None:
    conv = GraphConv(6, 10, generator=0).state_dict()
    attention = GraphAttention(6, 5, heads=2, generator=0).state_dict()
    assert {name: array.shape for name, array in attention.items()} == {
        "weight": (10, 6),
        "att_src": (2, 5),
        "att_dst": (2, 5),
        "bias": (10,),
    }
    assert not conv["bias"].any()
    assert not attention["bias"].any()
    for weight, bound in ((conv["weight"], math.sqrt(6 / 16)), (attention["att_src"], math.sqrt(6 / 7))):
        assert 0.7 * bound < np.abs(weight).max() <= bound
    again = GraphAttention(6, 5, heads=2, generator=0).state_dict()
    assert all((array == again[name]).all() for name, array in attention.items())


def test_weights_of_the_mean_are_dropped_in_training_only() -> None:
    x, edges = drawn(0, 3, 3), [(0, 1)]
    layer, plain = GraphAttention(3, 2, dropout=1.0, generator=0), GraphAttention(3, 2)
    plain.load_state_dict(layer.state_dict())
    assert not numbers(layer(x, edges)).any()
    assert (numbers(layer.eval()(x, edges)) == numbers(plain(x, edges))).all()


def test_arrays_give_object_arrays() -> None:
    for layer in layers():
        found = layer(np.ones((2, 3)), [(0, 1)])
        assert isinstance(found, np.ndarray)
        assert isinstance(layer([[1.0] * 3], []), list)
        assert all(math.isfinite(y.data) for y in flat(found))


# -------------------------------------------------------------------------------------------------- errors

X = [[0.0, 0.0]] * 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GraphConv(0, 1), "in_features is a positive number, not 0"),
        (lambda: GraphAttention(1, 1, heads=0), "heads is a positive number, not 0"),
        (
            lambda: GraphConv(2, 1)([[0.0]], []),
            r"GraphConv\(2, 1\) takes an input of shape \(nodes, 2\), and was given one of shape \(1, 1\)",
        ),
        (
            lambda: GraphConv(2, 1)(X, [(0, 3)]),
            r"GraphConv\(2, 1\): edge \(0, 3\) leads to node 3, and there are 3, from 0 to 2",
        ),
        (lambda: GraphAttention(2, 1)(X, [(-1, 0)]), r"GraphAttention\(2, 1\): edge \(-1, 0\) leads to node -1"),
        (lambda: GraphConv(2, 1)(X, [(0, 1, 2)]), r"edges are pairs \(i, j\), and one has 3 items: \(0, 1, 2\)"),
        (lambda: GraphConv(2, 1)(X, np.zeros((2, 5), int)), r"an array of shape \(E, 2\), not \(2, 5\): transpose it"),
        (lambda: GraphConv(2, 1)(X, np.eye(3)), r"an array of shape \(E, 2\), not \(3, 3\)"),
        (
            lambda: GraphConv(2, 1)(X, Graph(4, [])),
            r"GraphConv\(2, 1\) takes as many nodes as the graph has, 4, and was given 3",
        ),
        (lambda: Graph(0, []), "nodes is a positive number, not 0"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GraphConv(2, 1)(X, [(0.0, 1.0)]), r"GraphConv\(2, 1\): edges are pairs of ints, .* not \(0.0, 1.0\)"),
        (lambda: GraphConv(2, 1)(X, [(True, False)]), "edges are pairs of ints"),
        (lambda: GraphConv(2, 1)(X, [0, 1]), r"edges are pairs \(i, j\), not 0"),
        (lambda: GraphConv(2, 1)(X, 3), r"edges are pairs \(i, j\) in a list, .* not int"),
        (lambda: GraphConv(2, 1)(X, np.ones((1, 2))), r"edges are pairs of ints, .* not \(1.0, 1.0\)"),
        (lambda: GraphConv(2, 1)([["a", "b"]], []), r"GraphConv\(2, 1\) takes an input .* not str 'a'"),
    ],
)
def test_what_is_of_another_kind_is_refused(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_reprs_say_what_differs_from_the_default() -> None:
    assert repr(GraphConv(2, 1, bias=False)) == "GraphConv(2, 1, bias=False): 2 parameters"
    layer = GraphAttention(2, 1, 2, concat=False, negative_slope=0.1, dropout=0.5, bias=False)
    assert layer.extra_repr() == "2, 1, heads=2, concat=False, negative_slope=0.1, dropout=0.5, bias=False"
    assert repr(Graph(3, [(0, 1)], directed=True)) == "Graph(nodes=3, directed=True)"
