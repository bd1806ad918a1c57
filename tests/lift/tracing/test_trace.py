"""The trace: the graph that was recorded, to the letter, as arrays of numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.lift.tracing.trace import make_graph
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE, LEAF_CODE, TABLE

STEPS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "constant": lambda a, b: 2.0 * a,
    "tanh": lambda a, b: tg.tanh(a),
    "sum": lambda a, b: tg.sum([a, b, a]),
    "dot": lambda a, b: tg.dot([a, b], [b, b], a),
    "softmax": lambda a, b: tg.softmax([a, b])[1],
    "where": lambda a, b: tg.where(tg.greater(a, 0.0), a, b),
}


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=10
    ),
    st.lists(st.integers(0, 20), min_size=1, max_size=3),
)
def test_the_arrays_are_the_graph_that_was_recorded(steps, results):
    inputs = [Value(0.5), Value(-0.25)]
    pool: list[Value] = list(inputs)
    for name, a, b in steps:
        pool.append(STEPS[name](pool[a % len(pool)], pool[b % len(pool)]))
    roots = [pool[k % len(pool)] for k in results]
    graph = make_graph(list(roots))
    assert len(graph) == len(graph.codes) == len(graph.numbers) == len(graph.starts) - 1
    assert graph.starts[-1] == len(graph.operands)
    counts = np.diff(graph.starts)
    leaves = len(graph.leaves)
    assert (counts[:leaves] == 0).all()
    assert set(graph.codes[:leaves].tolist()) <= {LEAF_CODE, CONSTANT_CODE}
    for node in range(leaves, len(graph)):
        operands = graph.operands[graph.starts[node] : graph.starts[node + 1]]
        assert (operands < node).all(), "operands come before the nodes that use them"
        op = BY_CODE[graph.codes[node]]
        numbers = graph.numbers[operands].tolist()
        assert op.arity in (NARY, len(numbers))
        assert graph.numbers[node] == (op.forward(numbers) if op.arity == NARY else op.forward(*numbers))
    for k, leaf in enumerate(graph.leaves):
        assert graph.numbers[k] == leaf.data
    assert [graph.numbers[root] for root in graph.roots] == [root.data for root in roots]
    assert len({id(leaf) for leaf in graph.leaves}) == leaves


def test_nothing_is_simplified():
    x = Value(3.0)
    graph = make_graph([+(x * 1.0) + 0.0])
    names = [BY_CODE[code].name for code in graph.codes if code > CONSTANT_CODE]
    assert names == ["mul", "pos", "add"]


def test_a_node_that_is_used_twice_is_one_node_and_a_result_may_come_twice():
    x = Value(3.0)
    square = x * x
    graph = make_graph([square, square, x])
    assert len(graph) == 2
    assert graph.roots.tolist() == [1, 1, 0]
    assert graph.operands.tolist() == [0, 0]


def test_the_list_of_roots_is_emptied_so_that_the_graph_may_go():
    x = Value(3.0)
    roots = [x * x]
    graph = make_graph(roots)
    assert roots == []
    assert graph.leaves == [x]
    assert graph.codes.tolist() == [LEAF_CODE, TABLE["mul"].code]


def test_derivatives_are_part_of_the_graph_where_the_function_differentiates():
    x = Value(3.0)
    graph = make_graph([tg.gradient(tg.sin(x), x, create_graph=True)])
    assert "cos" in [BY_CODE[code].name for code in graph.codes if code > CONSTANT_CODE]


def test_graphs_deeper_than_the_stack_are_read():
    x = Value(1.0)
    y = x
    for _ in range(20_000):
        y = y + x
    graph = make_graph([y])
    assert len(graph) == 20_001
    assert graph.numbers[-1] == 20_001.0
