"""The canonical graph: it computes what the traced one computes, and one thing is written in one way only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from neuron_styles import STYLES

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.lift.canonical.canonicalize import Canonical, canonicalize
from tinygrad_lite.lift.canonical.decompositions import MUL
from tinygrad_lite.lift.canonical.rewriter import CONSTANT, SUM
from tinygrad_lite.lift.ir.reductions import MAXIMUM, MINIMUM
from tinygrad_lite.lift.tracing.trace import make_graph
from tinygrad_lite.operations.ops import BY_CODE, TABLE

#: Everything is computed with so many digits; what is left of a difference of equal numbers is smaller than TINY.
DIGITS = 60
TINY = mpmath.mpf(10) ** -20

# ------------------------------------------------------------------------------------ what a graph means


def canonical_of(roots: Sequence[Value]) -> tuple[Canonical, list[Value]]:
    """The canonical graph below some Values, and the leaves, which are its first nodes."""
    graph = make_graph(list(roots))
    return canonicalize(graph), graph.leaves


def evaluated(graph: Canonical, leaves: dict[int, Any]) -> list[Any]:
    """The number of each root, in mpmath's arithmetic, for numbers of the leaves by their nodes."""
    known: dict[int, Any] = dict(leaves)
    stack = [int(root) for root in graph.roots]
    while stack:
        node = stack[-1]
        if node in known:
            stack.pop()
            continue
        row = slice(graph.starts[node], graph.starts[node + 1])
        operands = [int(operand) for operand in graph.operands[row]]
        waiting = [operand for operand in operands if operand not in known]
        if waiting:
            stack += waiting
            continue
        numbers = [known[operand] for operand in operands]
        known[node] = _number(graph, node, numbers, graph.signs[row].tolist())
        stack.pop()
    return [known[int(root)] for root in graph.roots]


def _number(graph: Canonical, node: int, numbers: list[Any], signs: list[int]) -> Any:
    code = int(graph.codes[node])
    if code == CONSTANT:
        return mpmath.mpf(float(graph.numbers[node]))
    if code == SUM:
        return mpmath.fsum(sign * number for sign, number in zip(signs, numbers, strict=True))
    assert all(sign == 1 for sign in signs), "only terms of sums have signs"
    if code in (MAXIMUM.code, MINIMUM.code):
        return max(numbers) if code == MAXIMUM.code else min(numbers)
    op = BY_CODE[code]
    assert op is not None
    return MEANINGS[op.name](*numbers)


MEANINGS: dict[str, Callable[..., Any]] = {
    "mul": lambda x, y: x * y,
    "truediv": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sin": mpmath.sin,
    "tanh": mpmath.tanh,
    "maximum": max,
    "minimum": min,
    "prod": lambda *xs: mpmath.fprod(xs),
    "lookup": lambda *xs: xs[:-1][int(xs[-1]) % (len(xs) - 1)],
    "pow_by_base": lambda x, y: y * x ** (y - 1),
    "not_equal": lambda x, y: mpmath.mpf(x != y),
    "where": lambda condition, x, y: x if condition else y,
}

# ------------------------------------------------------------------------------------------------ drawn scalar graphs


def _gradient_of_a_power(x: Any, exponent: float) -> Any:
    return tg.gradient(x**exponent, x, create_graph=True)


def _softmax_by_hand(xs: Sequence[Any]) -> Any:
    return tg.exp(xs[0] - tg.logsumexp(xs))


def _nonzero(x: Any) -> Any:
    assume(abs(x) > 1e-6)
    return x


def _average(xs: Sequence[Any]) -> Any:
    return mpmath.fsum(xs) / len(xs)


def _logsumexp(xs: Sequence[Any]) -> Any:
    return mpmath.log(mpmath.fsum(map(mpmath.exp, xs)))


def _dot(xs: Sequence[Any]) -> Any:
    return sum(x * y for x, y in zip(xs[: len(xs) // 2], xs[len(xs) // 2 :], strict=False))


#: For each kind of step: how it is written with Values, and what it means, both as functions of a list of operands, a
#: constant and the index.
STEPS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "a + b": (lambda xs, c, i: xs[0] + xs[-1], lambda xs, c, i: xs[0] + xs[-1]),
    "a - b": (lambda xs, c, i: xs[0] - xs[-1], lambda xs, c, i: xs[0] - xs[-1]),
    "a * b": (lambda xs, c, i: xs[0] * xs[-1], lambda xs, c, i: xs[0] * xs[-1]),
    "a / b": (lambda xs, c, i: xs[0] / xs[-1], lambda xs, c, i: xs[0] / _nonzero(xs[-1])),
    "ab + ab": (lambda xs, c, i: xs[0] * xs[-1] + xs[-1] * xs[0], lambda xs, c, i: 2 * xs[0] * xs[-1]),
    "-a": (lambda xs, c, i: -xs[0], lambda xs, c, i: -xs[0]),
    "+a": (lambda xs, c, i: +xs[0], lambda xs, c, i: xs[0]),
    "a + c": (lambda xs, c, i: xs[0] + c, lambda xs, c, i: xs[0] + c),
    "c - a": (lambda xs, c, i: c - xs[0], lambda xs, c, i: c - xs[0]),
    "c * a": (lambda xs, c, i: c * xs[0], lambda xs, c, i: c * xs[0]),
    "a ** 2": (lambda xs, c, i: xs[0] ** 2, lambda xs, c, i: xs[0] ** 2),
    "a ** 3": (lambda xs, c, i: xs[0] ** 3, lambda xs, c, i: xs[0] ** 3),
    "1 / a": (lambda xs, c, i: xs[0] ** -1, lambda xs, c, i: 1 / _nonzero(xs[0])),
    "2 a": (lambda xs, c, i: _gradient_of_a_power(xs[0], 2.0), lambda xs, c, i: 2 * _nonzero(xs[0])),
    "3 a ** 2": (lambda xs, c, i: _gradient_of_a_power(xs[0], 3.0), lambda xs, c, i: 3 * _nonzero(xs[0]) ** 2),
    "built-in sum": (lambda xs, c, i: sum(xs), lambda xs, c, i: mpmath.fsum(xs)),
    "sum": (lambda xs, c, i: tg.sum(xs), lambda xs, c, i: mpmath.fsum(xs)),
    "sum of one": (lambda xs, c, i: tg.sum(xs[:1]), lambda xs, c, i: xs[0]),
    "mean": (lambda xs, c, i: tg.mean(xs), lambda xs, c, i: _average(xs)),
    "prod": (lambda xs, c, i: tg.prod(xs), lambda xs, c, i: mpmath.fprod(xs)),
    "dot": (
        lambda xs, c, i: tg.dot(xs[: len(xs) // 2], xs[len(xs) // 2 : 2 * (len(xs) // 2)], c),
        lambda xs, c, i: _dot(xs) + c,
    ),
    "dot with a bias": (
        lambda xs, c, i: tg.dot(xs[: len(xs) // 2], xs[len(xs) // 2 : 2 * (len(xs) // 2)], xs[0]),
        lambda xs, c, i: _dot(xs) + xs[0],
    ),
    "softmax": (
        lambda xs, c, i: tg.softmax(xs)[len(xs) // 2],
        lambda xs, c, i: mpmath.exp(xs[len(xs) // 2] - _logsumexp(xs)),
    ),
    "logsumexp": (lambda xs, c, i: tg.logsumexp(xs), lambda xs, c, i: _logsumexp(xs)),
    "softmax by hand": (lambda xs, c, i: _softmax_by_hand(xs), lambda xs, c, i: mpmath.exp(xs[0] - _logsumexp(xs))),
    "lookup": (lambda xs, c, i: tg.lookup(xs, 1), lambda xs, c, i: xs[1]),
    "traced lookup": (lambda xs, c, i: tg.lookup(xs, i), lambda xs, c, i: xs[int(i) % len(xs)]),
    "largest": (lambda xs, c, i: _folded(tg.maximum, xs), lambda xs, c, i: max(xs)),
    "smallest": (lambda xs, c, i: _folded(tg.minimum, xs), lambda xs, c, i: min(xs)),
    "tanh": (lambda xs, c, i: tg.tanh(xs[0]), lambda xs, c, i: mpmath.tanh(xs[0])),
    "sin": (lambda xs, c, i: tg.sin(xs[0]), lambda xs, c, i: mpmath.sin(xs[0])),
}


def _folded(f: Callable[[Any, Any], Any], xs: Sequence[Any]) -> Any:
    result = xs[0]
    for x in xs[1:]:
        result = f(result, x)
    return result


@dataclass(frozen=True)
class Recipe:
    """A drawn graph: how each step is made of earlier ones, and which are the results."""

    inputs: int
    steps: tuple[tuple[str, tuple[int, ...], float], ...]
    roots: tuple[int, ...]

    def made(self, numbers: Sequence[Any], index: Any, meaning: bool) -> list[Any]:
        """The roots: of Values, or as the numbers that they mean."""
        pool = list(numbers)
        for name, operands, constant in self.steps:
            pool.append(STEPS[name][meaning]([pool[k % len(pool)] for k in operands], constant, index))
        return [pool[root % len(pool)] for root in self.roots]


#: Dyadic numbers: constants that a rewriting adds up or multiplies stay exact.
NUMBERS = st.integers(-12, 12).map(lambda k: k / 8)


@st.composite
def recipes(draw: DrawFn) -> Recipe:
    # the last nodes are drawn more often: chains are long, and inner nodes often have one reader
    operand = st.one_of(st.integers(-3, -1), st.integers(0, 40))
    steps = st.tuples(
        st.sampled_from(sorted(STEPS)),
        st.lists(operand, min_size=2, max_size=5).map(tuple),
        st.sampled_from([0.0, 0.0, 1.0, -1.0, 2.0, 0.5, -0.75]),
    )
    return Recipe(
        3,
        tuple(draw(st.lists(steps, min_size=1, max_size=14))),
        tuple(draw(st.lists(st.one_of(st.just(-1), st.integers(0, 40)), min_size=1, max_size=3))),
    )


@settings(max_examples=settings().max_examples * 4 // 5)
@given(
    recipe=recipes(), points=st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=2, max_size=2), at=st.data()
)
def test_each_root_has_the_traced_nodes_number_at_these_and_other_leaves(recipe, points, at):
    note(repr(recipe))
    indices = at.draw(st.lists(st.integers(-2, 1), min_size=2, max_size=2))
    inputs, index = [Value(x) for x in points[0]], Value(float(indices[0]))
    place = {id(value): k for k, value in enumerate([*inputs, index])}
    try:
        roots = recipe.made(inputs, index, False)
    except (ArithmeticError, ValueError):
        assume(False)
    graph, leaves = canonical_of(roots)
    with mpmath.workdps(DIGITS):
        for numbers, i in zip(points, indices, strict=True):
            exact = [*(mpmath.mpf(x) for x in numbers), mpmath.mpf(i)]
            truth = recipe.made(exact[:3], exact[3], True)
            assume(all(abs(x) < 1e12 for x in truth))
            known = {k: exact[place[id(leaf)]] for k, leaf in enumerate(leaves) if id(leaf) in place}
            for found, expected in zip(evaluated(graph, known), truth, strict=True):
                assert abs(found - expected) <= TINY * max(1, abs(expected))


@settings(max_examples=settings().max_examples // 2)
@given(recipe=recipes(), numbers=st.lists(NUMBERS, min_size=3, max_size=3))
def test_of_sums_and_products_only_the_ones_named_in_the_docstring_are_left(recipe, numbers):
    inputs, index = [Value(x) for x in numbers], Value(1.0)
    try:
        graph, _ = canonical_of(recipe.made(inputs, index, False))
    except (ArithmeticError, ValueError):
        assume(False)
    alive = reached(graph)
    gone = {TABLE[name].code for name in ("add", "sub", "neg", "pos", "mean", "dot", "softmax", "logsumexp")}
    assert not gone & set(graph.codes[alive].tolist())
    assert (graph.codes[graph.starts[:-1] == graph.starts[1:]] != SUM)[: graph.leaves].all()
    signs = np.ones(len(graph), dtype=bool)
    signs[np.repeat(np.arange(len(graph)), np.diff(graph.starts))[graph.signs < 0]] = False
    assert (graph.codes[~signs] == SUM).all()


def reached(graph: Canonical) -> list[int]:
    """The nodes that the roots depend on."""
    seen: set[int] = set()
    stack = [int(root) for root in graph.roots]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += [int(k) for k in graph.operands[graph.starts[node] : graph.starts[node + 1]]]
    return sorted(seen)


# ----------------------------------------------------------------------------------------------------- one way to write


def structure(graph: Canonical, leaves: Sequence[Value]) -> list[Any]:
    """The roots as nested tuples; terms and factors are in the order of their own text."""
    found: dict[int, Any] = {}

    def of(node: int) -> Any:
        if node not in found:
            row = slice(graph.starts[node], graph.starts[node + 1])
            code = int(graph.codes[node])
            parts = [(int(sign), of(int(k))) for sign, k in zip(graph.signs[row], graph.operands[row], strict=True)]
            if code in (SUM, MUL, MAXIMUM.code, MINIMUM.code):
                parts.sort(key=repr)
            name: Any = code
            if node < graph.leaves:
                name = leaves[node].label or ("number", leaves[node]._number)
            elif code == CONSTANT:
                name = ("number", float(graph.numbers[node]))
            found[node] = (name, *parts)
        return found[node]

    return [of(int(root)) for root in graph.roots]


def written(f: Callable[..., Any], inputs: int = 5) -> list[Any]:
    """The structure of what a function makes of labelled Values."""
    values = [Value(0.5 + k, label="abcdefgh"[k]) for k in range(inputs)]
    result = f(*values)
    graph, leaves = canonical_of(list(result) if isinstance(result, (list, tuple)) else [result])
    return structure(graph, leaves)


def _neuron(style: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, c, d, e: tg.tanh(style([a, b], [c, d], e))


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_a_neuron_in_any_style_is_one_sum_of_signed_products(style):
    assert written(_neuron(style)) == written(lambda a, b, c, d, e: tg.tanh(e + b * d + a * c))


#: What is one thing, written in several ways; each rewriting of the docstring has a row.
EQUAL: dict[str, list[Callable[..., Any]]] = {
    "chains of + and - are one sum": [
        lambda a, b, c, d, e: a + b - c + d,
        lambda a, b, c, d, e: (d + a) + (b - c),
        lambda a, b, c, d, e: a - (c - (b + d)),
        lambda a, b, c, d, e: tg.sum([a, b, -c, d]),
        lambda a, b, c, d, e: sum([a, b, d]) - c,
    ],
    "a mean is a sum, divided": [
        lambda a, b, c, d, e: tg.mean([a, b, c]),
        lambda a, b, c, d, e: (a + b + c) / 3,
        lambda a, b, c, d, e: sum([a, b, c]) / 3.0,
    ],
    "a dot falls apart into products": [
        lambda a, b, c, d, e: tg.dot([a, b], [c, d], e),
        lambda a, b, c, d, e: tg.dot([a, b], [c, d]) + e,
        lambda a, b, c, d, e: a * c + b * d + e,
    ],
    "a softmax is a quotient of exponentials": [
        lambda a, b, c, d, e: tg.softmax([a, b, c, d])[1],
        lambda a, b, c, d, e: tg.exp(b - tg.logsumexp([a, b, c, d])),
    ],
    "x**2 is x·x": [lambda a, *_: a**2, lambda a, *_: a * a],
    "the derivative of a square is a product": [
        lambda a, *_: tg.gradient(a**2, a, create_graph=True),
        lambda a, *_: 2 * a,
    ],
    "the derivative of a power is a product": [
        lambda a, *_: tg.gradient(a**4, a, create_graph=True),
        lambda a, *_: 4 * a**3,
    ],
    "a sign moves out of products": [
        lambda a, b, c, *_: a - b * c,
        lambda a, b, c, *_: a + (-b) * c,
        lambda a, b, c, *_: a + b * (-c),
        lambda a, b, c, *_: a + -(b * c),
    ],
    "a sign moves out of quotients": [
        lambda a, b, c, *_: a - b / c,
        lambda a, b, c, *_: a + (-b) / c,
        lambda a, b, c, *_: a + b / (-c),
    ],
    "two signs are none": [lambda a, b, *_: tg.tanh((-a) * (-b)), lambda a, b, *_: tg.tanh(a * b)],
    "a lookup at a fixed index is the entry": [
        lambda a, b, c, *_: tg.tanh(tg.lookup([a, b, c], 1)),
        lambda a, b, c, *_: tg.tanh(tg.lookup([a, b, c], -2)),
        lambda a, b, c, *_: tg.tanh(b),
    ],
    "+x is x": [lambda a, b, *_: tg.tanh(+a) * b, lambda a, b, *_: tg.tanh(a) * b],
    "a sum of one term is that term": [lambda a, *_: tg.tanh(tg.sum([a])), lambda a, *_: tg.tanh(a)],
    "a sum begins with 0": [lambda a, b, *_: sum([a, b]), lambda a, b, *_: 0.0 + a + b, lambda a, b, *_: a + b],
    "products with 0 leave sums": [
        lambda a, b, c, *_: a * b + 0.0 * c,
        lambda a, b, c, *_: a * b + c * 0.0,
        lambda a, b, *_: sum([a * b]),
    ],
    "equal products are counted": [
        lambda a, b, *_: tg.tanh(a * b + a * b),
        lambda a, b, *_: tg.tanh(a * b + b * a),
        lambda a, b, *_: tg.tanh(2.0 * (a * b)),
    ],
    "chains of maximum are one": [
        lambda a, b, c, d, e: tg.maximum(tg.maximum(tg.maximum(tg.maximum(a, b), c), d), e),
        lambda a, b, c, d, e: tg.maximum(tg.maximum(a, tg.maximum(b, c)), tg.maximum(d, e)),
    ],
    "chains of minimum are one": [
        lambda a, b, c, d, e: tg.minimum(tg.minimum(tg.minimum(tg.minimum(a, b), c), d), e),
        lambda a, b, c, d, e: tg.minimum(e, tg.minimum(d, tg.minimum(c, tg.minimum(b, a)))),
    ],
}


@pytest.mark.parametrize("name", EQUAL)
def test_one_thing_is_written_in_one_way(name):
    first, *others = [written(f) for f in EQUAL[name]]
    for other in others:
        assert other == first
