"""Nodes of the same shape get the same number, whatever their labels, numbers and order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value, dot, lookup, mean, sum, topological_order
from tinygrad_lite.nn import MLP, binary_cross_entropy_with_logits
from tinygrad_lite.viz.reading.shape_groups import colours, places


def groups(root: Value) -> list[tuple[str, int]]:
    """The operation and the size of each group."""
    order = topological_order(root, leaves=True)
    found = colours(order)
    sizes = Counter(found.values())
    operations = {found[id(node)]: node.op for node in order}
    return sorted((operations[colour], size) for colour, size in sizes.items())


@st.composite
def forests(draw: st.DrawFn) -> list[Value]:
    """Trees of operations, without sharing."""

    def tree(depth: int) -> Value:
        kind = draw(st.sampled_from(["leaf", "tanh", "exp", "-", "mean", "/"] if depth else ["leaf"]))
        if kind == "leaf":
            return Value(draw(st.floats(0.5, 2.0)))
        if kind in ("tanh", "exp"):
            x = tree(depth - 1)
            return x.tanh() if kind == "tanh" else x.sin()
        if kind == "mean":
            return mean([tree(depth - 1) for _ in range(draw(st.integers(1, 3)))])
        x, y = tree(depth - 1), tree(depth - 1)
        return x - y if kind == "-" else x / (y.exp())

    return [tree(3) for _ in range(draw(st.integers(1, 5)))]


def shape(node: Value) -> Hashable:
    """The definition of a shape, written out with recursion."""
    if node.is_leaf:
        return "constant" if node.is_constant else "leaf"
    operands = [shape(operand) for operand in node.parents]
    return (node.op, frozenset(operands)) if node.op == "mean" else (node.op, tuple(operands))


@given(trees=forests())
def test_two_nodes_have_one_colour_if_and_only_if_they_are_the_same_operations_of_the_same_shapes(
    trees: list[Value],
) -> None:
    order = topological_order(mean(trees), leaves=True)
    found = colours(order, by_use=False)
    interior = [node for node in order if not node.is_leaf]
    for a in interior:
        for b in interior:
            assert (found[id(a)] == found[id(b)]) == (shape(a) == shape(b))


def test_the_network_of_a_batch_is_as_many_groups_as_its_tensor_program_has_lines() -> None:
    model = MLP(2, [16, 16, 1], seed=0)
    loss = binary_cross_entropy_with_logits([model([0.1 * i, 1.0]) for i in range(20)], [1.0] * 20)
    leaves = [
        ("", 1),
        ("", 16),
        ("", 16),
        ("", 16),
        ("", 20),
        ("", 32),
        ("", 40),
        ("", 256),
    ]  # targets, inputs, weights
    hidden = [("dot", 20), ("dot", 320), ("dot", 320), ("mean", 1), ("mul", 20), ("relu", 320), ("relu", 320)]
    assert groups(loss) == [*leaves, *hidden, ("softplus", 20), ("sub", 20)]


def test_a_chain_of_additions_is_one_sum_of_any_length() -> None:
    def total(n: int) -> Value:
        result = Value(0.0)
        for _ in range(n):
            result = result + Value(1.0).tanh()
        return result

    root = mean([total(3), total(5)])
    assert groups(root) == [("", 2), ("", 8), ("add", 8), ("mean", 1), ("tanh", 8)]


def test_sums_of_different_lengths_have_one_shape() -> None:
    long, short = mean([Value(1.0).exp() for _ in range(3)]), mean([Value(1.0).exp()])
    found = colours(topological_order(long - short, leaves=True), by_use=False)
    assert found[id(long)] == found[id(short)]


def test_a_sum_that_is_used_within_a_chain_and_elsewhere_is_a_node_of_its_own() -> None:
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    inner = a + b
    root = (inner + c) * inner
    found = colours(topological_order(root, leaves=True))
    assert found[id(inner)] != found[id(root.parents[0])]


def test_weights_are_told_apart_from_inputs_by_their_use() -> None:
    ws, xs = [Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]
    found = colours(topological_order(dot(ws, xs, Value(5.0)), leaves=True))
    assert len({found[id(w)] for w in ws}) == len({found[id(x)] for x in xs}) == 1
    assert found[id(ws[0])] != found[id(xs[0])]


def test_fixed_nodes_keep_their_colour_and_tell_their_users_apart() -> None:
    a, b = Value(1.0), Value(2.0)
    root = mean([a.exp(), b.exp()])
    order = topological_order(root, leaves=True)
    assert colours(order, by_use=False)[id(order[1])] == colours(order, by_use=False)[id(order[2])]
    found = colours(order, fixed={id(a): "one", id(b): "other"}, by_use=False)
    assert found[id(root.parents[0])] != found[id(root.parents[1])]


def test_classes_part_groups() -> None:
    a, b = Value(1.0), Value(2.0)
    order = topological_order(mean([a.exp(), b.exp()]), leaves=True)
    found = colours(order, classes={id(a): "frame"})
    assert found[id(a)] != found[id(b)]


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_bounded_rounds_fold_a_loop_into_few_groups(rounds: int) -> None:
    w, b, y = Value(0.5), Value(0.1), Value(0.3)
    for _ in range(1000):
        y = (w * y + b).tanh()
    order = topological_order(y, leaves=True)
    assert len(set(colours(order).values())) == len(order)
    assert len(set(colours(order, rounds=rounds).values())) <= 6 + 3 * rounds


def test_colours_do_not_depend_on_numbers_and_labels() -> None:
    def network(seed: int, label: str) -> list[int]:
        rng = random.Random(seed)
        ws = [Value(rng.random(), label) for _ in range(6)]
        hidden = [dot(ws[:2], [1.0, 2.0], w).tanh() for w in ws[2:]]
        order = topological_order(sum(hidden), leaves=True)
        return [colours(order)[id(node)] for node in order]

    assert network(0, "a") == network(1, "b")


def test_places_are_the_arguments_that_operands_came_in() -> None:
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    assert list(places(a - b)) == [0, 1]
    assert list(places(a + b)) == [0, 0]
    assert list(places(sum([a, b, c]))) == [0, 0, 0]
    assert list(places(lookup([a, b, c], 1))) == [0, 0, 0, 1]
    assert list(places(a.clamp(0.0, 1.0))) == [0, 1, 2]


def test_a_graph_of_100_000_nodes_takes_a_second_and_no_recursion() -> None:
    y = Value(0.5)
    for _ in range(100_000):
        y = -y
    order = topological_order(y, leaves=True)
    colours(order, rounds=1)
    colours(order)
