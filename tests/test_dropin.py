"""Programs as people write them for micrograd and microgpt: they run with only the import changed."""

from __future__ import annotations

import math
import random
import types
from typing import Any

import pytest

import tinygrad_lite

# ------------------------------------------------------------------------------------------- micrograd's README

README = """
a = Value(-4.0)
b = Value(2.0)
c = a + b
d = a * b + b**3
c += c + 1
c += 1 + c + (-a)
d += d * 2 + (b + a).relu()
d += 3 * d + (b - a).relu()
e = c - d
f = e**2
g = f / 2.0
g += 10.0 / f
g.backward()
"""


def run(program: str, library: Any, **names: Any) -> dict[str, Any]:
    """The program with the library's Value in the place of its import."""
    scope: dict[str, Any] = {"Value": library.Value, **names}
    exec(program, scope)
    return scope


def test_the_readme_of_micrograd() -> None:
    scope = run(README, tinygrad_lite)
    assert f"{scope['g'].data:.4f}" == "24.7041"
    assert f"{scope['a'].grad:.4f}" == "138.8338"
    assert f"{scope['b'].grad:.4f}" == "645.5773"


# ---------------------------------------------------------------------------------------------- the moons program

MOONS = """
class Neuron:
    def __init__(self, nin, nonlin=True):
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x):
        act = sum((wi * xi for wi, xi in zip(self.w, x)), self.b)
        return act.relu() if self.nonlin else act

    def parameters(self):
        return self.w + [self.b]


class MLP:
    def __init__(self, nin, nouts):
        sz = [nin] + nouts
        self.layers = [[Neuron(sz[i], i != len(nouts) - 1) for _ in range(sz[i + 1])] for i in range(len(nouts))]

    def __call__(self, x):
        for layer in self.layers:
            x = [n(x) for n in layer]
        return x[0] if len(x) == 1 else x

    def parameters(self):
        return [p for layer in self.layers for n in layer for p in n.parameters()]

    def zero_grad(self):
        for p in self.parameters():
            p.grad = 0


random.seed(1337)
model = MLP(2, [8, 8, 1])
X, y = [], []
for i in range(20):
    t = math.pi * (i // 2) / 9
    side = i % 2
    X.append([math.cos(t) if side == 0 else 1 - math.cos(t), math.sin(t) if side == 0 else 0.5 - math.sin(t)])
    y.append(1 - 2 * side)


def loss():
    inputs = [list(map(Value, xrow)) for xrow in X]
    scores = list(map(model, inputs))
    losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    alpha = 1e-4
    reg_loss = alpha * sum((p * p for p in model.parameters()))
    total_loss = data_loss + reg_loss
    accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(y, scores)]
    return total_loss, sum(accuracy) / len(accuracy)


history = []
for k in range(4):
    total_loss, acc = loss()
    model.zero_grad()
    total_loss.backward()
    history.append((total_loss.data, [p.grad for p in model.parameters()]))
    learning_rate = 1.0 - 0.9 * k / 100
    for p in model.parameters():
        p.data -= learning_rate * p.grad
"""


def test_the_moons_program_trains_as_with_micrograd() -> None:
    micrograd = pytest.importorskip("micrograd.engine", reason="micrograd is not installed")
    ours = run(MOONS, tinygrad_lite, random=random, math=math)["history"]
    theirs = run(MOONS, micrograd, random=random, math=math)["history"]
    for (loss, gradients), (expected_loss, expected) in zip(ours, theirs, strict=True):
        assert loss == pytest.approx(expected_loss, rel=1e-12)
        assert gradients == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert ours[-1][0] < ours[0][0]


# ---------------------------------------------------------------------------------------------------- microgpt

GPT = """
random.seed(42)
docs = ["emma", "ava", "olivia"]
uchars = sorted(set("".join(docs)))
BOS = len(uchars)
vocab_size = len(uchars) + 1
n_embd, n_head, n_layer, block_size = 8, 2, 1, 8
head_dim = n_embd // n_head
matrix = lambda nout, nin, std=0.08: [[Value(random.gauss(0, std)) for _ in range(nin)] for _ in range(nout)]
state = {"wte": matrix(vocab_size, n_embd), "wpe": matrix(block_size, n_embd), "lm_head": matrix(vocab_size, n_embd)}
for i in range(n_layer):
    for name, shape in (("wq", (n_embd, n_embd)), ("wk", (n_embd, n_embd)), ("wv", (n_embd, n_embd)),
                        ("wo", (n_embd, n_embd)), ("fc1", (4 * n_embd, n_embd)), ("fc2", (n_embd, 4 * n_embd))):
        state[f"l{i}.{name}"] = matrix(*shape)
params = [p for mat in state.values() for row in mat for p in row]


def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(wo, x)) for wo in w]


def softmax(logits):
    max_val = max(val.data for val in logits)
    exps = [(val - max_val).exp() for val in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm(x):
    ms = sum(xi * xi for xi in x) / len(x)
    scale = (ms + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def gpt(token_id, pos_id, keys, values):
    x = [t + p for t, p in zip(state["wte"][token_id], state["wpe"][pos_id])]
    x = rmsnorm(x)
    for li in range(n_layer):
        residual = x
        x = rmsnorm(x)
        q, k, v = (linear(x, state[f"l{li}.{n}"]) for n in ("wq", "wk", "wv"))
        keys[li].append(k)
        values[li].append(v)
        attended = []
        for h in range(n_head):
            hs = h * head_dim
            q_h = q[hs:hs + head_dim]
            k_h = [ki[hs:hs + head_dim] for ki in keys[li]]
            v_h = [vi[hs:hs + head_dim] for vi in values[li]]
            scores = [sum(q_h[j] * k_h[t][j] for j in range(head_dim)) / head_dim**0.5 for t in range(len(k_h))]
            weights = softmax(scores)
            attended.extend(sum(weights[t] * v_h[t][j] for t in range(len(v_h))) for j in range(head_dim))
        x = [a + b for a, b in zip(linear(attended, state[f"l{li}.wo"]), residual)]
        residual = x
        x = [xi.relu() for xi in linear(rmsnorm(x), state[f"l{li}.fc1"])]
        x = [a + b for a, b in zip(linear(x, state[f"l{li}.fc2"]), residual)]
    return linear(x, state["lm_head"])


learning_rate, beta1, beta2, eps = 0.01, 0.85, 0.99, 1e-8
m, v = [0.0] * len(params), [0.0] * len(params)
history = []
for step in range(STEPS):
    doc = docs[step % len(docs)]
    tokens = [BOS] + [uchars.index(ch) for ch in doc] + [BOS]
    n = min(block_size, len(tokens) - 1)
    keys, values = [[] for _ in range(n_layer)], [[] for _ in range(n_layer)]
    losses = []
    for pos_id in range(n):
        probs = softmax(gpt(tokens[pos_id], pos_id, keys, values))
        losses.append(-probs[tokens[pos_id + 1]].log())
    loss = (1 / n) * sum(losses)
    loss.backward()
    history.append((loss.data, [p.grad for p in params]))
    lr_t = learning_rate * (1 - step / 100)
    for i, p in enumerate(params):
        m[i] = beta1 * m[i] + (1 - beta1) * p.grad
        v[i] = beta2 * v[i] + (1 - beta2) * p.grad ** 2
        m_hat = m[i] / (1 - beta1 ** (step + 1))
        v_hat = v[i] / (1 - beta2 ** (step + 1))
        p.data -= lr_t * m_hat / (v_hat ** 0.5 + eps)
        p.grad = 0
"""


class _Reference:
    """A few lines of textbook reverse mode, to compare a whole program with."""

    def __init__(self, data: float, children: tuple[Any, ...] = (), local: tuple[float, ...] = ()) -> None:
        self.data, self.grad, self.children, self.local = data, 0.0, children, local

    @staticmethod
    def of(x: Any) -> Any:
        return x if isinstance(x, _Reference) else _Reference(x)

    def __add__(self, other: Any) -> Any:
        other = self.of(other)
        return _Reference(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Any) -> Any:
        other = self.of(other)
        return _Reference(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, n: float) -> Any:
        return _Reference(self.data**n, (self,), (n * self.data ** (n - 1),))

    def exp(self) -> Any:
        return _Reference(math.exp(self.data), (self,), (math.exp(self.data),))

    def log(self) -> Any:
        return _Reference(math.log(self.data), (self,), (1.0 / self.data,))

    def relu(self) -> Any:
        return _Reference(max(0.0, self.data), (self,), (float(self.data > 0.0),))

    def __neg__(self) -> Any:
        return self * -1.0

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __truediv__(self, other: Any) -> Any:
        return self * (self.of(other) ** -1)

    __radd__, __rmul__ = __add__, __mul__

    def backward(self) -> None:
        order: list[Any] = []
        seen = set()
        stack = [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((child, False) for child in node.children)
        self.grad = 1.0
        for node in reversed(order):
            for child, partial in zip(node.children, node.local, strict=True):
                child.grad += node.grad * partial


def test_a_scalar_gpt_has_the_gradients_of_the_textbook() -> None:
    ours = run(GPT, tinygrad_lite, random=random, STEPS=3)["history"]
    theirs = run(GPT, types.SimpleNamespace(Value=_Reference), random=random, STEPS=3)["history"]
    # Adam divides by the root of a squared gradient: rounding grows with every step.
    for step, ((loss, gradients), (expected_loss, expected)) in enumerate(zip(ours, theirs, strict=True)):
        tolerance = 1e-12 * 100.0**step
        assert loss == pytest.approx(expected_loss, rel=tolerance)
        assert gradients == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_a_scalar_gpt_learns() -> None:
    losses = [loss for loss, _ in run(GPT, tinygrad_lite, random=random, STEPS=15)["history"]]
    assert losses[-1] < 0.8 * losses[0]
