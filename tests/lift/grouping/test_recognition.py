"""How far recognition reaches: the operation that an expert would have written is found, and is all that there is."""

# ruff: noqa: B905 (zip is written as people write it: these are the programs that lift must read)

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from neuron_styles import STYLES, by_dot

import tinygrad_lite as tg
from tinygrad_lite import nn, value_and_grad
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.ir.groups import Group, Term
from tinygrad_lite.lift.lifting import lift
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.tracing.results import take_apart_results
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE

# ------------------------------------------------------------------------------------------- what the tests look at


def lifted(f: Callable[..., Any], *arguments: Any, **options: Any) -> Program:
    """The program of a function, after its results were found equal to the function's own on floats."""
    taken = take_apart_results(f(*arguments), "f")
    eager = [np.array([node.data for node in nodes]).reshape(s or ()) for nodes, s in zip(taken.nodes, taken.shapes)]
    program = lift(f, engine="numpy", **options)
    found = _flat(program(*arguments))
    assert [a.shape for a in found] == [a.shape for a in eager]
    for ours, truth in zip(found, eager):
        assert np.abs(ours - truth).max(initial=0.0) <= 1e-9 * np.abs(truth).max(initial=0.0)
    return program.last


def _flat(results: Any) -> list[Any]:
    if isinstance(results, dict):
        results = list(results.values())
    if isinstance(results, (tuple, list)):
        return [array for part in results for array in _flat(part)]
    return [np.asarray(results, dtype=float)]


def statements(program: Program) -> list[Group]:
    return [group for group in program.groups if group.kind in ("map", "sum", "fold")]


def count(program: Program) -> int:
    return len(statements(program))


def gathers(program: Program) -> int:
    """How many operands are read through a table of places."""
    return sum(index.table is not None for group in program.groups for ref in group.refs() for index in ref.index)


def masks(program: Program) -> int:
    return sum(term.mask is not None for group in program.groups for term in group.terms)


def contractions(program: Program) -> Counter[tuple[Any, Any]]:
    """Sums of products that are arrays: the sizes of their axes, and of those that are summed over."""
    return Counter(
        (tuple(sorted(group.shape)), tuple(sorted(term.reduced)))
        for group in statements(program)
        for term in group.terms
        if group.kind == "sum" and len(term.factors) == 2 and term.reduced and group.shape
    )


def operations(program: Program) -> Counter[tuple[Any, ...]]:
    """What there is of each statement that does not depend on the order of axes, terms and factors."""

    def signature(term: Term) -> tuple[Any, ...]:
        return len(term.factors), tuple(sorted(term.reduced)), term.sign, term.mask is None

    def operation(group: Group) -> str:
        return "scaled" if not group.shape and group.op in ("mul", "truediv") else group.op

    return Counter(
        (group.kind, operation(group), tuple(sorted(group.shape)), tuple(sorted(map(signature, group.terms))))
        for group in statements(program)
    )


def numbers(*shape: int) -> Any:
    return np.random.default_rng(shape).normal(size=shape)


def squares(nest: Any) -> Any:
    """Half the sum of squares of all numbers in a nest: a loss whose gradient is the numbers themselves."""
    return tg.sum([y * y for y in np.array(nest, dtype=object).ravel()]) * 0.5


def weighted(nest: Any) -> Any:
    """A sum with a different weight for each number: a loss that no normalisation makes constant."""
    return tg.sum([math.sin(1.0 + k) * y for k, y in enumerate(np.array(nest, dtype=object).ravel())])


def rows(array: Any) -> list[list[Any]]:
    return [list(row) for row in array]


# ------------------------------------------------------------------------------------------------- dense layers


AVERAGES: dict[str, Callable[[list[Any]], Any]] = {
    "division": lambda xs: sum(xs) / len(xs),
    "product": lambda xs: sum(xs) * (1.0 / len(xs)),
    "mean": lambda xs: tg.mean(xs),
}


def _network(neuron: Callable[..., Any], average: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def loss(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, y: Any) -> Any:
        losses = []
        for xs, ys in zip(x, y):
            hidden = [tg.tanh(neuron(w, xs, b)) for w, b in zip(w1, b1)]
            scores = [neuron(w, hidden, b) for w, b in zip(w2, b2)]
            losses.append(sum((s - t) ** 2 for s, t in zip(scores, ys)))
        return average(losses)

    return value_and_grad(loss, (0, 1, 2, 3))


def _network_arguments(inputs: int = 2, hidden: int = 3, outputs: int = 5, samples: int = 7) -> list[Any]:
    shapes = [(hidden, inputs), (hidden,), (outputs, hidden), (outputs,), (samples, inputs), (samples, outputs)]
    return [numbers(*shape) for shape in shapes]


@pytest.mark.parametrize("neuron", STYLES)
def test_two_dense_layers_are_the_four_equations_of_backpropagation(neuron):
    program = lifted(_network(neuron, AVERAGES["mean"]), *_network_arguments())
    assert contractions(program) == Counter(
        {
            ((3, 7), (2,)): 1,  # W¹x
            ((5, 7), (3,)): 1,  # W²a¹
            ((3, 7), (5,)): 1,  # (W²)ᵀδ²
            ((3, 5), (7,)): 1,  # δ²(a¹)ᵀ
            ((2, 3), (7,)): 1,  # δ¹xᵀ
        }
    )
    assert not gathers(program)
    assert not masks(program)
    assert count(program) <= 16


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("neuron", STYLES)
def test_every_style_reaches_the_same_program(neuron, average):
    expected = lifted(_network(by_dot, AVERAGES["mean"]), *_network_arguments())
    program = lifted(_network(neuron, AVERAGES[average]), *_network_arguments())
    assert operations(program) == operations(expected)


@pytest.mark.parametrize("neuron", STYLES)
def test_groups_of_dense_layers_do_not_grow(neuron):
    f = _network(neuron, AVERAGES["mean"])
    small = lifted(f, *_network_arguments())
    large = lifted(f, *_network_arguments(4, 6, 7, 9))
    assert count(small) == count(large)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_a_batch_is_the_sum_over_its_samples(reduce):
    def loss(w: Any, b: Any, x: Any, y: Any) -> Any:
        return sum((tg.tanh(by_dot(wi, x, bi)) - yi) ** 2 for wi, bi, yi in zip(w, b, y))

    w, b, x, y = numbers(3, 2), numbers(3), numbers(5, 2), numbers(5, 3)
    f = value_and_grad(loss, (0, 1))
    program = lift(f, batch=(None, None, 0, 0), reduce=reduce)
    value, (slope_w, slope_b) = program(w, b, x, y)
    each = [f(w, b, xs, ys) for xs, ys in zip(x, y)]
    combined = {"mean": np.mean, "sum": np.sum}[reduce]
    np.testing.assert_allclose(value, combined([v for v, _ in each]), rtol=1e-9)
    np.testing.assert_allclose(slope_w, combined([g for _, (g, _) in each], axis=0), rtol=1e-9)
    np.testing.assert_allclose(slope_b, combined([g for _, (_, g) in each], axis=0), rtol=1e-9)
    outer = [
        g for g in statements(program.last) if g.over and len(g.terms[0].factors) == 2 and sorted(g.shape) == [2, 3]
    ]
    assert len(outer) == 1
    assert not gathers(program.last) + masks(program.last)


def test_the_moons_mlp_is_at_most_thirty_groups():
    model = nn.MLP(2, [16, 16, 1], generator=0)
    points, labels = numbers(20, 2), np.sign(numbers(20))

    def loss(model: Any, x: Any, y: Any) -> Any:
        return tg.mean([tg.relu(1 - yi * model(list(xi))) for xi, yi in zip(x, y)])

    program = lifted(value_and_grad(loss), model, points, labels)
    assert count(program) <= 30
    assert not gathers(program) + masks(program)


# -------------------------------------------------------------------------------------------------- activations


def _unary() -> list[Op]:
    """The operations of one operand, further ones being left at their defaults."""
    return [op for op in TABLE.values() if op.public and op.arity != NARY and op.arity - len(op.defaults) == 1]


@pytest.mark.parametrize("op", _unary(), ids=lambda op: op.name)
def test_any_activation_is_one_operation_on_an_array(op):
    activation = getattr(tg, op.name)
    low, high = max(op.domain[0].low, -2.0), min(op.domain[0].high, 2.0 if op.domain[0].low < 1.0 else 3.0)

    def loss(x: Any) -> Any:
        return weighted([activation(xi) for xi in x])

    def inputs(size: int) -> Any:
        return low + (high - low) * np.random.default_rng(size).uniform(0.1, 0.9, size)

    small, large = (lifted(value_and_grad(loss), inputs(size)) for size in (5, 8))
    assert count(small) == count(large) <= 24
    assert not gathers(large) + masks(large)
    forward = lifted(lambda x: [activation(xi) for xi in x], inputs(5))
    assert [group.shape for group in statements(forward)] == ([] if op.name == "pos" else [(5,)])


# ----------------------------------------------------------------------------------- softmax and normalisation


def _softmax_of_rows(x: Any) -> Any:
    return weighted([tg.softmax(list(row)) for row in x])


def _softmax_by_hand(x: Any) -> Any:
    found = []
    for row in x:
        powers = [tg.exp(v) for v in row]
        total = sum(powers)
        found.append([p / total for p in powers])
    return weighted(found)


def _shifted_softmax_by_hand(x: Any) -> Any:
    found = []
    for row in x:
        top = functools.reduce(tg.maximum, row)
        powers = [tg.exp(v - top) for v in row]
        total = sum(powers)
        found.append([p / total for p in powers])
    return weighted(found)


def _layer_norm_by_hand(x: Any) -> Any:
    found = []
    for row in x:
        mean = sum(row) / len(row)
        variance = sum((v - mean) ** 2 for v in row) / len(row)
        found.append([(v - mean) / (variance + 1e-5) ** 0.5 for v in row])
    return weighted(found)


def _rms_norm_by_hand(x: Any) -> Any:
    return weighted([[v * (tg.mean([u * u for u in row]) + 1e-5) ** -0.5 for v in row] for row in x])


NORMALISATIONS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "softmax": (_softmax_of_rows, 12),
    "softmax by hand": (_softmax_by_hand, 12),
    "logsumexp": (lambda x: tg.mean([tg.logsumexp(list(row)) for row in x]), 12),
    "layer norm": (lambda x: weighted(nn.LayerNorm(x.shape[1])(rows(x))), 24),
    "layer norm by hand": (_layer_norm_by_hand, 24),
    "RMS norm": (lambda x: weighted(nn.RMSNorm(x.shape[1])(rows(x))), 20),
    "RMS norm by hand": (_rms_norm_by_hand, 20),
}


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_rows_are_normalised_at_once(name):
    loss, most = NORMALISATIONS[name]
    small = lifted(value_and_grad(loss), numbers(3, 4))
    large = lifted(value_and_grad(loss), numbers(5, 7))
    assert operations(small).total() == operations(large).total() <= most
    assert not masks(large)


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_normalising_gathers_nothing(name):
    assert not gathers(lifted(value_and_grad(NORMALISATIONS[name][0]), numbers(3, 4)))


def test_the_gradient_of_a_maximum_folded_by_hand_is_a_few_statements_for_each_step():
    counts = [count(lifted(value_and_grad(_shifted_softmax_by_hand), numbers(3, size))) for size in (4, 5, 6, 7)]
    steps = np.diff(counts)
    assert (steps == steps[0]).all()
    assert steps[0] <= 12
    assert count(lifted(value_and_grad(_shifted_softmax_by_hand), numbers(6, 4))) == counts[0]  # whatever the rows


def test_the_maximum_of_a_row_is_one_fold():
    program = lifted(lambda x: [functools.reduce(tg.maximum, row) for row in x], numbers(3, 5))
    assert [(group.kind, group.op, group.shape) for group in statements(program)] == [("fold", "maximum", (3,))]


def test_cross_entropy_is_a_lookup_in_rows():
    def loss(x: Any, y: Any) -> Any:
        return nn.cross_entropy(rows(x), list(y))

    def inputs(n: int) -> tuple[Any, Any]:
        return numbers(n, 5), np.arange(n) % 5.0

    small, large = lifted(value_and_grad(loss), *inputs(3)), lifted(value_and_grad(loss), *inputs(6))
    assert count(small) == count(large) <= 14
    assert [group.shape for group in statements(large) if group.op == "lookup"] == [(6,)]


@pytest.mark.parametrize("transform", [lambda f, **_: f, value_and_grad])
def test_a_polynomial_is_a_few_statements_at_any_degree(transform: Any) -> None:
    def polynomial(c: Any, x: Any) -> Any:
        return sum(c[k] * x**k for k in range(len(c)))

    counts = [count(lifted(transform(polynomial, argnums=(0, 1)), numbers(n), 0.7)) for n in (6, 9, 14)]
    assert counts[0] == counts[1] == counts[2] <= 4


def test_powers_with_one_exponent_keep_it_in_the_text() -> None:
    program = lifted(lambda x: sum(v**3 for v in x) + sum(v**5 for v in x), numbers(4))
    assert "x**3" in program.source
    assert "x**5" in program.source


@pytest.mark.parametrize("engine", ["numpy", "numba", "jax"])
def test_powers_of_zero_with_many_exponents_have_the_derivatives_of_each(engine: str) -> None:
    pytest.importorskip(registry.ENGINES[engine].library)

    def polynomial(c: Any, x: Any) -> Any:
        return sum(c[k] * x**k for k in range(len(c)))

    c = numbers(6)
    value, (of_c, of_x) = lift(value_and_grad(polynomial, (0, 1)), engine=engine)(c, 0.0)
    assert float(value) == c[0]
    assert float(of_x) == c[1]
    np.testing.assert_array_equal(np.asarray(of_c), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_a_residual_is_an_addition():
    def program(size: int) -> Program:
        inner = nn.Sequential(nn.Linear(size, size, generator=1), nn.Tanh())
        model = nn.Sequential(nn.Linear(size, size, generator=0), nn.Residual(inner))
        return lifted(value_and_grad(lambda model, x: squares(model(list(x))), (0, 1)), model, numbers(size))

    small, large = program(3), program(6)
    assert count(small) == count(large) <= 14
    assert not gathers(large) + masks(large)


# -------------------------------------------------------------------------------------- convolution and pooling


def _loss_of_layer(layer: Any, x: Any) -> Any:
    return squares(layer(x.tolist()))


def _convolution_by_hand(w: Any, x: Any, stride: int = 1, dilation: int = 1) -> Any:
    channels, size = x.shape
    width = w.shape[2]
    places = range((size - dilation * (width - 1) - 1) // stride + 1)
    return squares(
        [
            [
                sum(w[o][c][k] * x[c][stride * t + dilation * k] for c in range(channels) for k in range(width))
                for t in places
            ]
            for o in range(w.shape[0])
        ]
    )


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_a_convolution_by_hand_is_one_contraction_of_windows(stride, dilation):
    f = functools.partial(_convolution_by_hand, stride=stride, dilation=dilation)
    forward = lifted(f, numbers(3, 2, 3), numbers(2, 14))
    places = (14 - 2 * dilation - 1) // stride + 1
    assert contractions(forward) == Counter({(tuple(sorted((3, places))), (2, 3)): 1})
    assert count(forward) == 3  # and half the sum of the squares
    assert not gathers(forward) + masks(forward)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_gradients_of_a_convolution_do_not_grow(stride, dilation):
    f = value_and_grad(functools.partial(_convolution_by_hand, stride=stride, dilation=dilation), (0, 1))
    small, large = (lifted(f, numbers(3, 2, 3), numbers(2, size)) for size in (13, 19))
    assert count(small) == count(large) <= 8
    weights = [shape for shape, _ in contractions(large) if shape == (2, 3, 3)]
    assert len(weights) == 1  # the gradient by the weights is one contraction


LAYERS: dict[str, tuple[Callable[[], Any], Callable[[int], Any], int]] = {
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, generator=0), lambda n: numbers(2, 2 * n + 7), 8),
    "Conv1d, stride": (lambda: nn.Conv1d(2, 3, 3, stride=2, generator=0), lambda n: numbers(2, 2 * n + 7), 8),
    "Conv1d, dilation": (lambda: nn.Conv1d(2, 3, 3, dilation=2, generator=0), lambda n: numbers(2, 2 * n + 7), 8),
    "Conv1d, padding": (lambda: nn.Conv1d(2, 3, 3, padding=1, generator=0), lambda n: numbers(2, 2 * n + 7), 10),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (2, 3), generator=0), lambda n: numbers(2, n + 3, n + 4), 8),
    "Conv2d, stride": (lambda: nn.Conv2d(2, 3, 2, stride=2, generator=0), lambda n: numbers(2, 2 * n, 2 * n + 2), 8),
    "Conv2d, padding": (lambda: nn.Conv2d(2, 3, 3, padding=1, generator=0), lambda n: numbers(2, n + 2, n + 3), 10),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), lambda n: numbers(2, 4 * n), 24),
    "MaxPool1d, stride": (lambda: nn.MaxPool1d(3, 2), lambda n: numbers(2, 4 * n + 3), 24),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), lambda n: numbers(2, 2 * n, 2 * n), 24),
    "MaxPool2d, padding": (lambda: nn.MaxPool2d(3, 2, 1), lambda n: numbers(2, 2 * n + 1, 2 * n + 1), 251),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), lambda n: numbers(2, 4 * n), 8),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), lambda n: numbers(2, 2 * n, 2 * n), 8),
    "AvgPool2d, padding": (lambda: nn.AvgPool2d(3, 2, 1), lambda n: numbers(2, 2 * n + 1, 2 * n + 1), 12),
}


@pytest.mark.parametrize("name", LAYERS)
def test_groups_of_a_layer_of_windows_do_not_grow(name):
    layer, inputs, most = LAYERS[name]
    argnums = (0, 1) if layer().parameters() else 1
    small, large = (lifted(value_and_grad(_loss_of_layer, argnums), layer(), inputs(n)) for n in (3, 5))
    assert count(small) == count(large) <= most


@pytest.mark.parametrize("name", [name for name in LAYERS if "padding" not in name])
def test_the_windows_of_a_layer_are_slices(name):
    layer, inputs, _ = LAYERS[name]
    forward = lifted(lambda model, x: model(x.tolist()), layer(), inputs(3))
    assert not gathers(forward) + masks(forward)


def test_pooling_by_hand_is_one_fold_and_one_sum():
    def windows(x: Any) -> list[list[list[Any]]]:
        half = range(len(x) // 2)
        return [[[x[2 * i + a][2 * j + b] for a in range(2) for b in range(2)] for j in half] for i in half]

    largest = lifted(lambda x: [[functools.reduce(tg.maximum, w) for w in row] for row in windows(x)], numbers(6, 6))
    assert [(g.kind, g.op, g.shape) for g in statements(largest)] == [("fold", "maximum", (3, 3))]
    average = lifted(lambda x: [[sum(w) / len(w) for w in row] for row in windows(x)], numbers(6, 6))
    assert [g.kind for g in statements(average)] == ["sum", "map"]
    assert not gathers(average) + masks(average) + gathers(largest) + masks(largest)


def test_a_padded_convolution_by_hand_is_one_masked_contraction():
    def loss(w: Any, x: Any) -> Any:
        n, m = x.shape
        near = list(itertools.product(range(3), range(3)))

        def inside(i: int, j: int) -> bool:
            return 0 <= i < n and 0 <= j < m

        return squares(
            [
                [
                    sum(w[a][b] * x[i + a - 1][j + b - 1] for a, b in near if inside(i + a - 1, j + b - 1))
                    for j in range(m)
                ]
                for i in range(n)
            ]
        )

    small, large = (lifted(value_and_grad(loss, (0, 1)), numbers(3, 3), numbers(n, n + 1)) for n in (4, 6))
    assert count(small) == count(large) <= 6


# --------------------------------------------------------------------------------------------- recurrent networks


@pytest.mark.parametrize(
    ("layer", "most"),
    [(nn.RNN, 30), *[pytest.param(*case, marks=pytest.mark.slow) for case in ((nn.LSTM, 100), (nn.GRU, 70))]],
)
def test_groups_of_recurrent_networks_grow_with_neither_steps_nor_width(layer, most):
    def program(width: int, steps: int) -> Program:
        f = value_and_grad(lambda model, x: squares(model(x.tolist())[0]), (0, 1))
        return lifted(f, layer(2, width, generator=0), numbers(steps, 2))

    assert count(program(3, 14)) == count(program(3, 18))
    assert max(count(program(width, 9)) for width in (3, 5)) <= most


def test_the_products_of_a_recurrent_network_are_matrix_products():
    program = lifted(lambda model, x: model(x.tolist())[0], nn.RNN(2, 5, generator=0), numbers(3, 2))
    # W x in each of three steps, and W h in all but the first, where h is 0
    assert contractions(program) == Counter({((5,), (2,)): 3, ((5,), (5,)): 2})


# ------------------------------------------------------------------------------------------------------ attention


def test_groups_of_causal_attention_grow_neither_with_heads_nor_with_positions():
    def program(heads: int, positions: int) -> Program:
        model = nn.MultiHeadAttention(2 * heads, heads, generator=0)
        f = value_and_grad(lambda model, x: squares(model(x.tolist(), is_causal=True)), (0, 1))
        return lifted(f, model, numbers(positions, 2 * heads))

    counts = {count(program(heads, positions)) for heads, positions in [(2, 4), (3, 4), (2, 5), (2, 8)]}
    assert len(counts) == 1
    assert counts.pop() <= 40


def test_the_projections_of_attention_are_one_matrix_product():
    model = nn.MultiHeadAttention(6, 2, generator=0)
    program = lifted(lambda model, x: model(x.tolist()), model, numbers(5, 6))
    assert contractions(program)[((5, 18), (6,))] == 1


def test_groups_of_a_transformer_block_do_not_grow_with_positions():
    f = value_and_grad(lambda model, x: weighted(model(x.tolist())), (0, 1))
    counts = {count(lifted(f, nn.TransformerBlock(4, 2, generator=0), numbers(n, 4))) for n in (3, 4, 6)}
    assert len(counts) == 1
    assert counts.pop() <= 100


def _gpt(parameters: Any, word: list[int], width: int, heads: int) -> Any:
    """A causal transformer of one layer, as benchmarks/programs.py has it: loops of growing length."""

    def linear(name: str, x: Any) -> list[Any]:
        return [tg.dot(tuple(row), tuple(x)) for row in parameters[name]]

    def normalize(x: Any) -> list[Any]:
        scale = (tg.mean([xi * xi for xi in x]) + 1e-5) ** -0.5
        return [xi * scale for xi in x]

    keys: list[Any] = []
    values: list[Any] = []
    losses = []
    size = width // heads
    for position in range(len(word) - 1):
        x = [t + p for t, p in zip(parameters["tokens"][word[position]], parameters["positions"][position])]
        h = normalize(x)
        query = linear("query", h)
        keys.append(linear("key", h))
        values.append(linear("value", h))
        mixed = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            weights = tg.softmax([tg.dot(query[part], key[part]) * size**-0.5 for key in keys])
            mixed += [tg.dot(weights, column) for column in zip(*[value[part] for value in values])]
        x = [a + b for a, b in zip(x, linear("out", mixed))]
        hidden = [tg.relu(u) for u in linear("up", normalize(x))]
        x = [a + b for a, b in zip(x, linear("down", hidden))]
        scores = linear("head", x)
        losses.append(tg.logsumexp(scores) - scores[word[position + 1]])
    return tg.mean(losses)


def _gpt_program(length: int, width: int = 4, heads: int = 2) -> Program:
    tokens = 7
    shapes = {"tokens": (tokens, width), "positions": (16, width), "up": (4 * width, width), "down": (width, 4 * width)}
    shapes |= dict.fromkeys(("query", "key", "value", "out"), (width, width)) | {"head": (tokens, width)}
    word = np.random.default_rng(length).integers(0, tokens, length + 1).tolist()
    parameters = {name: numbers(*shape) for name, shape in shapes.items()}
    return lifted(value_and_grad(functools.partial(_gpt, word=word, width=width, heads=heads)), parameters)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 16])
def test_a_causal_transformer_is_at_most_150_groups_at_any_length(length):
    assert count(_gpt_program(length)) <= 150


def test_groups_of_a_causal_transformer_do_not_grow_with_heads():
    assert count(_gpt_program(3, 4, 2)) == count(_gpt_program(3, 6, 3)) == count(_gpt_program(3, 8, 4))


# ---------------------------------------------------------------------------------------------------------- lookup


def test_an_embedding_lookup_is_one_lookup_for_all_indices():
    def loss(table: Any, indices: Any) -> Any:
        return squares([[tg.lookup(list(column), i) for column in zip(*table)] for i in indices])

    small, large = (lifted(value_and_grad(loss), numbers(n + 2, n), np.arange(n) * 1.0) for n in (3, 5))
    assert count(small) == count(large) <= 8
    assert [sorted(g.shape) for g in statements(large) if g.op == "lookup"] == [[5, 5]]
    assert not masks(large)


def test_an_embedding_takes_indices_as_inputs():
    def loss(model: Any, indices: Any) -> Any:
        return squares([model(i) for i in indices])

    program = lift(value_and_grad(loss))
    model = nn.Embedding(6, 3, generator=0)
    for indices in ([0, 2, 5], [1, 1, 4]):
        value, gradients = program(model, np.array(indices))
        expected, truth = value_and_grad(loss)(model, indices)
        np.testing.assert_allclose(value, expected, rtol=1e-9)
        np.testing.assert_allclose(gradients["weight"], np.array(truth["weight"], dtype=float), rtol=1e-9)
    assert len(program.programs) == 1


def test_indices_may_all_be_zero():
    assert lift(lambda table, i: tg.lookup(list(table), i))(np.array([5.0, 6.0]), 0.0) == 5.0


# ------------------------------------------------------------------------------------- small shapes of the grouping


def test_a_sum_of_sums_is_one_sum_wherever_it_begins():
    program = lifted(lambda x: [sum(sum(v * v for v in row) for row in x)], numbers(4, 3))
    assert [[sorted(term.reduced) for term in group.terms] for group in statements(program)] == [[[3, 4]]]


def test_a_constant_matrix_is_a_factor_of_a_convolution():
    kernels = [[0.5, 1.0, -2.0], [0.25, 3.0, 4.0]]
    program = lifted(
        lambda x: [[sum(w[k] * x[t + k] for k in range(3)) for t in range(6)] for w in kernels], numbers(8)
    )
    assert contractions(program) == Counter({((2, 6), (3,)): 1})
    assert not gathers(program)


def test_a_triangle_of_sums_is_one_masked_sum():
    program = lifted(lambda x: [sum(x[j] for j in range(i + 1)) for i in range(4)], numbers(4))
    assert [(group.kind, group.shape) for group in statements(program)] == [("sum", (4,))]


def test_products_with_one_and_sums_with_nothing_are_as_their_siblings():
    program = lifted(lambda x: [x[i] * (i + 1.0) + i * 0.5 for i in range(6)], numbers(8))
    assert count(program) <= 2
    assert not masks(program)


# ----------------------------------------------------------------------------------------------------------- graphs


def _edges(nodes: int) -> list[tuple[int, int]]:
    drawn = np.random.default_rng(nodes).integers(0, nodes, (2 * nodes, 2)).tolist()
    return sorted({(i, j) for i, j in drawn if i != j})


@pytest.mark.parametrize(
    ("layer", "most"),
    [(lambda: nn.GraphConv(2, 3, generator=0), 10), (lambda: nn.GraphAttention(2, 3, 2, generator=0), 30)],
)
def test_groups_of_a_graph_network_do_not_grow_with_its_nodes(layer, most):
    def program(nodes: int) -> Program:
        edges = _edges(nodes)
        return lifted(
            value_and_grad(lambda model, x: squares(model(x.tolist(), edges)), (0, 1)), layer(), numbers(nodes, 2)
        )

    assert max(count(program(nodes)) for nodes in (6, 9, 12)) <= most


def test_an_average_over_neighbours_by_hand_is_one_ragged_sum():
    def program(nodes: int) -> Program:
        near = [[i] + [b for a, b in _edges(nodes) if a == i] for i in range(nodes)]
        return lifted(lambda x: [[sum(x[j][c] for j in js) for c in range(2)] for js in near], numbers(nodes, 2))

    for nodes in (6, 9):
        assert [g.kind for g in statements(program(nodes))] == ["sum"]


# ------------------------------------------------------------------------------- higher derivatives and optimisers


def _mlp_loss(w1: Any, b1: Any, w2: Any, x: Any, y: Any) -> Any:
    losses = []
    for xs, ys in zip(x, y):
        hidden = [tg.tanh(by_dot(w, xs, b)) for w, b in zip(w1, b1)]
        losses.append((by_dot(w2, hidden, 0.0) - ys) ** 2)
    return tg.mean(losses)


def _mlp_arguments(n: int) -> list[Any]:
    return [numbers(n, 2), numbers(n), numbers(n), numbers(3, 2), numbers(3)]


def test_a_loop_over_samples_is_an_axis():
    f = value_and_grad(_mlp_loss, (0, 1, 2))
    arguments = _mlp_arguments(4)
    counts = {count(lifted(f, *arguments[:3], numbers(n, 2), numbers(n))) for n in (3, 5, 9)}
    assert len(counts) == 1
    assert counts.pop() <= 16


@pytest.mark.parametrize(("argnums", "most"), [(0, 24), ((0, 1), 40), ((0, 1, 2), 60)])
def test_groups_of_a_hessian_do_not_grow(argnums, most):
    f = tg.hessian(_mlp_loss, argnums)
    small, large = (lifted(f, *_mlp_arguments(n)) for n in (3, 5))
    assert count(small) == count(large) <= most


def test_a_hessian_vector_product_has_no_gather():
    small, large = (lifted(tg.hvp(_mlp_loss), *_mlp_arguments(n), numbers(n, 2) + 1.0) for n in (3, 5))
    assert count(small) == count(large) <= 24
    assert not gathers(large) + masks(large)


@pytest.mark.parametrize("as_array", [True, False])
def test_groups_of_a_jacobian_do_not_grow(as_array):
    def layer(w: Any, x: Any) -> Any:
        found = [tg.tanh(by_dot(row, x, 0.0)) for row in w]
        return np.array(found, dtype=object) if as_array else found

    small, large = (lifted(tg.jacobian(layer, (0, 1)), numbers(n, n + 1), numbers(n + 1)) for n in (3, 5))
    assert count(small) == count(large) <= 12


def _sgd(w: Any, v: Any, x: Any, y: Any) -> Any:
    loss, slope = value_and_grad(lambda w: sum((by_dot(wi, x, 0.0) - yi) ** 2 for wi, yi in zip(w, y)))(w)
    velocity = [[0.9 * vi + gi for vi, gi in zip(vs, gs)] for vs, gs in zip(v, slope)]
    return loss, [[wi - 0.1 * vi for wi, vi in zip(ws, vs)] for ws, vs in zip(w, velocity)], velocity


def _adam(w: Any, m: Any, v: Any, step: Any, x: Any, y: Any) -> Any:
    loss, slope = value_and_grad(lambda w: sum((by_dot(wi, x, 0.0) - yi) ** 2 for wi, yi in zip(w, y)))(w)
    first = [[0.9 * mi + 0.1 * gi for mi, gi in zip(ms, gs)] for ms, gs in zip(m, slope)]
    second = [[0.999 * vi + 0.001 * gi * gi for vi, gi in zip(vs, gs)] for vs, gs in zip(v, slope)]

    def moved(wi: Any, mi: Any, vi: Any) -> Any:
        return wi - 0.01 * (mi / (1 - 0.9**step)) / (tg.sqrt(vi / (1 - 0.999**step)) + 1e-8)

    updated = [[moved(*each) for each in zip(*part)] for part in zip(w, first, second)]
    return loss, updated, first, second


def test_a_step_of_sgd_with_momentum_is_arithmetic_on_arrays():
    small, large = (lifted(_sgd, numbers(n, n + 1), numbers(n, n + 1) + 1, numbers(n + 1), numbers(n)) for n in (3, 5))
    assert count(small) == count(large) <= 10
    assert not gathers(large) + masks(large)


def _adam_program(n: int) -> Program:
    matrix = numbers(n, n + 1)
    return lifted(_adam, matrix, matrix + 1, matrix**2, 3.0, numbers(n + 1), numbers(n))


def test_groups_of_a_step_of_adam_do_not_grow():
    small, large = _adam_program(3), _adam_program(5)
    assert count(small) == count(large) <= 24
    assert not masks(large)


def test_a_step_of_adam_gathers_nothing():
    assert not gathers(_adam_program(3))
