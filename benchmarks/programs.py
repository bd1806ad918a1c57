"""The programs that the benchmarks run: each takes the number type as an argument, so that all run the same code."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

Numbers = Sequence[Any]


# ------------------------------------------------------------------------------------------------ make_moons MLP


def moons(n: int = 100, seed: int = 0) -> tuple[list[list[float]], list[int]]:
    """Two interleaving half circles with noise 0.1, and labels -1 and 1, as scikit-learn's ``make_moons``."""
    rng = random.Random(seed)
    points, labels = [], []
    for i in range(n):
        angle = math.pi * rng.random()
        upper = i % 2 == 0
        x = math.cos(angle) if upper else 1 - math.cos(angle)
        y = math.sin(angle) if upper else 0.5 - math.sin(angle)
        points.append([x + rng.gauss(0, 0.1), y + rng.gauss(0, 0.1)])
        labels.append(1 if upper else -1)
    return points, labels


def mlp_weights(sizes: Sequence[int], seed: int = 0) -> list[list[tuple[list[float], float]]]:
    """Weights uniform in [-1, 1] and biases 0, as micrograd's: one (weights, bias) a neuron, one list a layer."""
    rng = random.Random(seed)
    return [
        [([rng.uniform(-1, 1) for _ in range(nin)], 0.0) for _ in range(nout)]
        for nin, nout in itertools.pairwise(sizes)
    ]


class OperatorMLP:
    """An MLP written with + and *, as micrograd's ``nn`` is: ReLU in the hidden layers, the last one linear."""

    def __init__(self, number: Callable[[float], Any], relu: Callable[[Any], Any], sizes: Sequence[int]) -> None:
        self.relu = relu
        self.layers = [[([number(w) for w in ws], number(b)) for ws, b in layer] for layer in mlp_weights(sizes)]

    def parameters(self) -> list[Any]:
        return [p for layer in self.layers for ws, b in layer for p in [*ws, b]]

    def __call__(self, x: Numbers) -> Any:
        for layer in self.layers[:-1]:
            x = [self.relu(sum((wi * xi for wi, xi in zip(ws, x)), b)) for ws, b in layer]
        ((ws, b),) = self.layers[-1]
        return sum((wi * xi for wi, xi in zip(ws, x)), b)


def hinge_loss(
    model: Callable[[Numbers], Any],
    number: Callable[[float], Any],
    relu: Callable[[Any], Any],
    points: list[list[float]],
    labels: list[int],
) -> Any:
    """Return the mean of max(0, 1 - y * score) over the samples."""
    inputs = [list(map(number, point)) for point in points]
    scores = [model(x) for x in inputs]
    losses = [relu(1 + -y * score) for y, score in zip(labels, scores, strict=True)]
    return sum(losses) * (1.0 / len(losses))


# --------------------------------------------------------------------------------------------------- a scalar GPT


class ScalarGPT:
    """A causal transformer of one layer, written one scalar at a time.

    Width 16, 4 heads, 27 tokens (a letter each, and the end), MLP of 4 times the width with ReLU, RMSNorm, no biases.
    ``dot``, ``softmax``, ``mean`` and ``log_softmax_at`` are given, so that a number type that has them as single
    operations uses them, and one that has not builds them from its operators.
    """

    WIDTH, HEADS, TOKENS, POSITIONS = 16, 4, 27, 16

    def __init__(self, number: Callable[[float], Any], functions: Any, seed: int = 0) -> None:
        rng = random.Random(seed)
        self.f = functions

        def matrix(rows: int, columns: int) -> list[tuple[Any, ...]]:
            return [tuple(number(rng.gauss(0, 0.08)) for _ in range(columns)) for _ in range(rows)]

        d = self.WIDTH
        self.matrices = {
            "tokens": matrix(self.TOKENS, d),
            "positions": matrix(self.POSITIONS, d),
            "query": matrix(d, d),
            "key": matrix(d, d),
            "value": matrix(d, d),
            "out": matrix(d, d),
            "up": matrix(4 * d, d),
            "down": matrix(d, 4 * d),
            "head": matrix(self.TOKENS, d),
        }

    def parameters(self) -> list[Any]:
        return [p for matrix in self.matrices.values() for row in matrix for p in row]

    def linear(self, name: str, x: Numbers) -> tuple[Any, ...]:
        dot = self.f.dot
        return tuple([dot(row, x) for row in self.matrices[name]])

    def normalize(self, x: Numbers) -> tuple[Any, ...]:
        scale = (self.f.mean([xi * xi for xi in x]) + 1e-5) ** -0.5
        return tuple([xi * scale for xi in x])

    def loss(self, word: Sequence[int]) -> Any:
        """Return the mean cross entropy of each next token, over one word of token numbers."""
        f, m = self.f, self.matrices
        size = self.WIDTH // self.HEADS
        keys: list[tuple[Any, ...]] = []
        values: list[tuple[Any, ...]] = []
        losses = []
        for position in range(len(word) - 1):
            x = tuple([t + p for t, p in zip(m["tokens"][word[position]], m["positions"][position], strict=True)])
            h = self.normalize(x)
            query = self.linear("query", h)
            keys.append(self.linear("key", h))
            values.append(self.linear("value", h))
            mixed: list[Any] = []
            for head in range(self.HEADS):
                part = slice(head * size, (head + 1) * size)
                scores = [f.dot(query[part], key[part]) * size**-0.5 for key in keys]
                weights = tuple(f.softmax(scores))
                columns = zip(*[value[part] for value in values], strict=True)
                mixed += [f.dot(weights, column) for column in columns]
            x = tuple([a + b for a, b in zip(x, self.linear("out", tuple(mixed)), strict=True)])
            hidden = tuple([u.relu() for u in self.linear("up", self.normalize(x))])
            x = tuple([a + b for a, b in zip(x, self.linear("down", hidden), strict=True)])
            losses.append(-f.log_softmax_at(self.linear("head", x), word[position + 1]))
        return f.mean(losses)


class OperatorFunctions:
    """What :class:`ScalarGPT` needs, made of operators, ``exp`` and ``log`` alone."""

    @staticmethod
    def dot(ws: Numbers, xs: Numbers) -> Any:
        return sum(w * x for w, x in zip(ws, xs))

    @staticmethod
    def mean(xs: Numbers) -> Any:
        return sum(xs) * (1.0 / len(xs))

    @staticmethod
    def softmax(xs: Numbers) -> list[Any]:
        top = max(x.data for x in xs)
        exponentials = [(x - top).exp() for x in xs]
        total = sum(exponentials)
        return [e / total for e in exponentials]

    @staticmethod
    def log_softmax_at(xs: Numbers, index: int) -> Any:
        return OperatorFunctions.softmax(xs)[index].log()


class PlainValue:
    """The fastest Value that plain Python gives: slots, and local derivatives stored as floats."""

    __slots__ = ("data", "grad", "locals", "parents")

    def __init__(self, data: float, parents: tuple[Any, ...] = (), local: tuple[float, ...] = ()) -> None:
        self.data = data
        self.grad = 0.0
        self.parents = parents
        self.locals = local

    def __add__(self, other: Any) -> PlainValue:
        if isinstance(other, PlainValue):
            return PlainValue(self.data + other.data, (self, other), (1.0, 1.0))
        return PlainValue(self.data + other, (self,), (1.0,))

    def __mul__(self, other: Any) -> PlainValue:
        if isinstance(other, PlainValue):
            return PlainValue(self.data * other.data, (self, other), (other.data, self.data))
        return PlainValue(self.data * other, (self,), (other,))

    def __truediv__(self, other: PlainValue) -> PlainValue:
        y = self.data / other.data
        return PlainValue(y, (self, other), (1.0 / other.data, -y / other.data))

    def __pow__(self, power: float) -> PlainValue:
        return PlainValue(self.data**power, (self,), (power * self.data ** (power - 1),))

    def __neg__(self) -> PlainValue:
        return PlainValue(-self.data, (self,), (-1.0,))

    def __sub__(self, other: Any) -> PlainValue:
        return self + -other

    __radd__ = __add__
    __rmul__ = __mul__

    def exp(self) -> PlainValue:
        y = math.exp(self.data)
        return PlainValue(y, (self,), (y,))

    def log(self) -> PlainValue:
        return PlainValue(math.log(self.data), (self,), (1.0 / self.data,))

    def relu(self) -> PlainValue:
        return PlainValue(max(self.data, 0.0), (self,), (float(self.data > 0),))

    def backward(self) -> None:
        order: list[PlainValue] = []
        visited: set[PlainValue] = set()
        stack = [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif node not in visited:
                visited.add(node)
                stack.append((node, True))
                stack.extend((parent, False) for parent in node.parents if parent not in visited)
        self.grad = 1.0
        for node in reversed(order):
            g = node.grad
            for parent, local in zip(node.parents, node.locals, strict=True):
                parent.grad += local * g
