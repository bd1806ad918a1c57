"""A whole lecture notebook on micrograd, its exercises and micrograd's two notebooks run with the import changed.

The programs are written here, with every construct of those notebooks. Each is a list of cells that share their names,
as in a notebook, and each begins with micrograd's import, which is all that is changed. What they compute is compared
with closed forms, with PyTorch, and with micrograd itself.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from typing import Any

import pytest

#: What stands in micrograd's programs, and here.
IMPORTS = {
    "from micrograd.engine import Value": "from tinygrad_lite import Value",
    "from micrograd.nn import": "from tinygrad_lite.nn import",
    "from micrograd import nn": "from tinygrad_lite import nn",
}


def run(cells: list[str], names: dict[str, Any] | None = None, changed: bool = True) -> dict[str, Any]:
    """The cells, one after the other, with the imports changed and nothing else; what they leave."""
    scope: dict[str, Any] = {} if names is None else names
    for cell in cells:
        for theirs, ours in IMPORTS.items():
            cell = cell.replace(theirs, ours) if changed else cell
        exec(compile(cell, "<cell>", "exec"), scope)
    return scope


# -------------------------------------------------------------------------------------- what a derivative is

DERIVATIVE = [
    """
import math
import numpy as np
import matplotlib.pyplot as plt
from micrograd.engine import Value
""",
    """
def f(x):
    return 2*x**2 - 5*x + 7

at_four = f(4.0)
""",
    """
xs = np.arange(-5, 5, 0.25)
ys = f(xs)
plt.plot(xs, ys)
""",
    """
h = 1e-6
slopes = [(f(x + h) - f(x)) / h for x in (4.0, -1.0, 5/4)]
""",
    """
h = 0.0001
a, b, c = 2.0, -3.0, 10.0
d1 = a*b + c
c += h
d2 = a*b + c
slope_c = (d2 - d1) / h
""",
    # the same on a Value: a function that was written for floats
    """
x = Value(4.0, label='x')
y = f(x)
y.backward()
""",
]

# ----------------------------------------------------------------------------------- an expression and its picture

EXPRESSION = [
    """
a = Value(1.5, label='a')
b = Value(-2.0, label='b')
c = Value(6.0, label='c')
e = a*b; e.label = 'e'
d = e + c; d.label = 'd'
f = Value(-4.0, label='f')
L = d * f; L.label = 'L'
L
""",
    """
from graphviz import Digraph

def trace(root):
    nodes, edges = set(), set()
    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)
    build(root)
    return nodes, edges

def draw_dot(root, format='svg', rankdir='LR'):
    assert rankdir in ['LR', 'TB']
    nodes, edges = trace(root)
    dot = Digraph(format=format, graph_attr={'rankdir': rankdir})
    for n in nodes:
        uid = str(id(n))
        dot.node(name=uid, label="{ %s | data %.4f | grad %.4f }" % (n.label, n.data, n.grad), shape='record')
        if n._op:
            dot.node(name=uid + n._op, label=n._op)
            dot.edge(uid + n._op, uid)
    for n1, n2 in edges:
        dot.edge(str(id(n1)), str(id(n2)) + n2._op)
    return dot
""",
    "before = draw_dot(L)",
    # gradients by hand, from the output to the leaves
    """
L.grad = 1.0
d.grad = f.data
f.grad = d.data
c.grad = 1.0 * d.grad
e.grad = 1.0 * d.grad
a.grad = e.grad * b.data
b.grad = e.grad * a.data
by_hand = {v.label: v.grad for v in (a, b, c, d, e, f, L)}
after = draw_dot(L)
""",
    # the same by small differences, of leaves and of what is computed
    """
def lol(bump='', h=0.001):
    a = Value(1.5, label='a')
    if bump == 'a': a.data += h
    b = Value(-2.0, label='b')
    if bump == 'b': b.data += h
    c = Value(6.0, label='c')
    if bump == 'c': c.data += h
    e = a*b; e.label = 'e'
    if bump == 'e': e.data += h
    d = e + c; d.label = 'd'
    if bump == 'd': d.data += h
    f = Value(-4.0, label='f')
    if bump == 'f': f.data += h
    L = d * f; L.label = 'L'
    if bump == 'L': L.data += h
    return L.data

measured = {name: (lol(name) - lol()) / 0.001 for name in 'abcdefL'}
""",
    # one step uphill, and the forward pass again
    """
for leaf in (a, b, c, f):
    leaf.data += 0.01 * leaf.grad
before_step = L.data
e = a * b
d = e + c
L = d * f
after_step = L.data
""",
]

# ---------------------------------------------------------------------------------------------------- a neuron

NEURON = [
    """
plt.plot(np.arange(-5, 5, 0.2), np.tanh(np.arange(-5, 5, 0.2))); plt.grid()
""",
    """
def neuron():
    x1 = Value(1.5, label='x1')
    x2 = Value(-0.5, label='x2')
    w1 = Value(-2.0, label='w1')
    w2 = Value(0.75, label='w2')
    b = Value(3.875, label='b')
    x1w1 = x1*w1; x1w1.label = 'x1*w1'
    x2w2 = x2*w2; x2w2.label = 'x2*w2'
    x1w1x2w2 = x1w1 + x2w2; x1w1x2w2.label = 'x1*w1 + x2*w2'
    n = x1w1x2w2 + b; n.label = 'n'
    o = n.tanh(); o.label = 'o'
    return x1, x2, w1, w2, b, x1w1, x2w2, x1w1x2w2, n, o

x1, x2, w1, w2, b, x1w1, x2w2, x1w1x2w2, n, o = neuron()
draw_dot(o)
""",
    # by hand
    """
o.grad = 1.0
n.grad = 1 - o.data**2
x1w1x2w2.grad = n.grad
b.grad = n.grad
x1w1.grad = x1w1x2w2.grad
x2w2.grad = x1w1x2w2.grad
x2.grad = w2.data * x2w2.grad
w2.grad = x2.data * x2w2.grad
x1.grad = w1.data * x1w1.grad
w1.grad = x1.data * x1w1.grad
manual = [v.grad for v in (x1, x2, w1, w2, b)]
""",
    # node by node
    """
x1, x2, w1, w2, b, x1w1, x2w2, x1w1x2w2, n, o = neuron()
o.grad = 1.0
o._backward()
n._backward()
b._backward()
x1w1x2w2._backward()
x2w2._backward()
x1w1._backward()
stepped = [v.grad for v in (x1, x2, w1, w2, b)]
""",
    # in topological order
    """
x1, x2, w1, w2, b, x1w1, x2w2, x1w1x2w2, n, o = neuron()
o.grad = 1.0

topo = []
visited = set()
def build_topo(v):
    if v not in visited:
        visited.add(v)
        for child in v._prev:
            build_topo(child)
        topo.append(v)
build_topo(o)
for node in reversed(topo):
    node._backward()
swept = [v.grad for v in (x1, x2, w1, w2, b)]
""",
    # all at once
    """
x1, x2, w1, w2, b, x1w1, x2w2, x1w1x2w2, n, o = neuron()
o.backward()
whole = [v.grad for v in (x1, x2, w1, w2, b)]
picture = draw_dot(o)
""",
    # a node that is used twice
    """
a = Value(3.0, label='a')
b = a + a; b.label = 'b'
b.backward()
twice = a.grad

a = Value(-2.0, label='a')
b = Value(3.0, label='b')
d = a * b; d.label = 'd'
e = a + b; e.label = 'e'
f = d * e; f.label = 'f'
f.backward()
shared = a.grad, b.grad, d.grad, e.grad
""",
    # numbers on either side, and more operations
    """
a = Value(2.0)
b = Value(4.0)
results = [a + 1, 1 + a, 2 * a, a * 2, a - b, 1 - a, -a, a / b, 1 / b, a**3, a.exp(), a.log(), a.tanh(), a.relu()]
""",
    # tanh, taken apart
    """
x1, x2, w1, w2, b, x1w1, x2w2, x1w1x2w2, n, _ = neuron()
e = (2*n).exp(); e.label = 'e'
o = (e - 1) / (e + 1)
o.label = 'o'
o.backward()
taken_apart = [v.grad for v in (x1, x2, w1, w2, b)]
apart = draw_dot(o)
""",
]

TORCH = [
    """
import torch

x1 = torch.Tensor([1.5]).double();          x1.requires_grad = True
x2 = torch.Tensor([-0.5]).double();         x2.requires_grad = True
w1 = torch.Tensor([-2.0]).double();         w1.requires_grad = True
w2 = torch.Tensor([0.75]).double();         w2.requires_grad = True
b = torch.Tensor([3.875]).double(); b.requires_grad = True
n = x1*w1 + x2*w2 + b
o = torch.tanh(n)
o.backward()
of_torch = [v.grad.item() for v in (x1, x2, w1, w2, b)]
""",
]

# ---------------------------------------------------------------------------------------------------- a network

NETWORK = [
    """
import random

class Neuron:

    def __init__(self, nin):
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(random.uniform(-1, 1))

    def __call__(self, x):
        act = sum((wi*xi for wi, xi in zip(self.w, x)), self.b)
        out = act.tanh()
        return out

    def parameters(self):
        return self.w + [self.b]

class Layer:

    def __init__(self, nin, nout):
        self.neurons = [Neuron(nin) for _ in range(nout)]

    def __call__(self, x):
        outs = [n(x) for n in self.neurons]
        return outs[0] if len(outs) == 1 else outs

    def parameters(self):
        return [p for neuron in self.neurons for p in neuron.parameters()]

class MLP:

    def __init__(self, nin, nouts):
        sz = [nin] + nouts
        self.layers = [Layer(sz[i], sz[i+1]) for i in range(len(nouts))]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]
""",
    """
random.seed(7)
x = [1.0, -2.0, 0.5]
n = MLP(3, [4, 4, 1])
first = n(x)
count = len(n.parameters())
network = draw_dot(first)
start = [p.data for p in n.parameters()]
""",
    """
xs = [
    [1.0, 2.0, -1.0],
    [2.5, -1.0, 0.5],
    [0.5, 0.5, 1.0],
    [-1.0, 1.0, -1.5],
]
ys = [1.0, -1.0, -1.0, 1.0]
ypred = [n(x) for x in xs]
loss = sum((yout - ygt)**2 for ygt, yout in zip(ys, ypred))
loss.backward()
slope = n.layers[0].neurons[0].w[0].grad
""",
    """
history = []
for k in range(20):
    # forward pass
    ypred = [n(x) for x in xs]
    loss = sum((yout - ygt)**2 for ygt, yout in zip(ys, ypred))
    # backward pass
    for p in n.parameters():
        p.grad = 0.0
    loss.backward()
    # update
    for p in n.parameters():
        p.data += -0.05 * p.grad
    history.append(loss.data)
    print(k, loss.data)
end = [p.data for p in n.parameters()]
print(ypred)
""",
]


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    """The whole notebook, run once; its parts are looked at by the tests below."""
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("graphviz")
    matplotlib.use("Agg")
    parts: dict[str, Any] = {}
    scope: dict[str, Any] = {}
    for name, cells in (
        ("derivative", DERIVATIVE), ("expression", EXPRESSION), ("neuron", NEURON), ("network", NETWORK),
    ):  # fmt: skip
        parts[name] = dict(run(cells, scope))
    matplotlib.pyplot.close("all")
    return parts


def test_the_lectures_derivatives_by_small_differences(notebook: dict[str, Any]) -> None:
    part = notebook["derivative"]
    assert part["at_four"] == 19.0
    assert part["slopes"] == pytest.approx([11.0, -9.0, 0.0], abs=1e-4)
    assert part["slope_c"] == pytest.approx(1.0, rel=1e-9)
    assert (part["y"].data, part["x"].grad) == (19.0, 11.0)


def test_the_lectures_gradients_by_hand_by_bumping_and_by_backward_agree(notebook: dict[str, Any]) -> None:
    part = notebook["expression"]
    expected = {"a": 8.0, "b": -6.0, "c": -4.0, "d": -4.0, "e": -4.0, "f": 3.0, "L": 1.0}
    assert part["by_hand"] == expected
    assert part["measured"] == pytest.approx(expected, rel=1e-9)
    part["L"].backward()
    assert part["after_step"] > part["before_step"] == -12.0


def test_the_lectures_drawing_shows_names_numbers_and_gradients(notebook: dict[str, Any]) -> None:
    before, after = (notebook["expression"][name].source for name in ("before", "after"))
    assert "L | data -12.0000 | grad 0.0000" in before
    assert "L | data -12.0000 | grad 1.0000" in after
    assert "a | data 1.5000 | grad 8.0000" in after
    assert after.count("shape=record") == 7
    assert after.count("->") == 3 + 6  # operations to results, operands to operations
    assert "x1*w1 + x2*w2 | data -3.3750" in notebook["neuron"]["picture"].source
    apart = notebook["neuron"]["apart"].source
    assert set(re.findall(r"label=\"?([^\s\"{]+)\"?\]", apart)) == {"*", "+", "-", "/", "exp"}


@pytest.mark.parametrize("way", ["manual", "stepped", "swept", "whole", "taken_apart"])
def test_the_lectures_neuron_has_its_gradients_in_every_way(notebook: dict[str, Any], way: str) -> None:
    x1, x2, w1, w2, b = 1.5, -0.5, -2.0, 0.75, 3.875
    slope = 1.0 / math.cosh(x1 * w1 + x2 * w2 + b) ** 2
    expected = [w1 * slope, w2 * slope, x1 * slope, x2 * slope, slope]
    assert notebook["neuron"][way] == pytest.approx(expected, rel=1e-12)


def test_the_lectures_neuron_has_the_gradients_of_pytorch(notebook: dict[str, Any]) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    assert notebook["neuron"]["whole"] == pytest.approx(run(TORCH)["of_torch"], rel=1e-12)


def test_the_lectures_nodes_that_are_used_twice(notebook: dict[str, Any]) -> None:
    part = notebook["neuron"]
    assert part["twice"] == 2.0
    assert part["shared"] == (-3.0, -8.0, 1.0, -6.0)


def test_the_lectures_operations_give_the_floats(notebook: dict[str, Any]) -> None:
    e2 = math.exp(2.0)
    expected = [3, 3, 4, 4, -2, -1, -2, 0.5, 0.25, 8, e2, math.log(2.0), math.tanh(2.0), 2]
    assert [v.data for v in notebook["neuron"]["results"]] == expected


def test_the_lectures_network_trains_as_pytorch_would(notebook: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    part = notebook["network"]
    assert part["count"] == 41
    flat = torch.tensor(part["start"], dtype=torch.float64)
    sizes = [3, 4, 4, 1]
    parameters, at = [], 0
    for nin, nout in itertools.pairwise(sizes):
        rows = flat[at : at + nout * (nin + 1)].reshape(nout, nin + 1)
        parameters += [rows[:, :-1].clone().requires_grad_(), rows[:, -1].clone().requires_grad_()]
        at += nout * (nin + 1)
    x, y = torch.tensor(part["xs"], dtype=torch.float64), torch.tensor(part["ys"], dtype=torch.float64)
    history = []
    for k in range(20):
        out = x
        for w, b in zip(parameters[::2], parameters[1::2], strict=True):
            out = torch.tanh(out @ w.T + b)
        loss = ((out[:, 0] - y) ** 2).sum()
        gradients = torch.autograd.grad(loss, parameters)
        if k == 0:
            assert part["slope"] == pytest.approx(gradients[0][0, 0].item(), rel=1e-10)
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                p -= 0.05 * g
        history.append(loss.item())
    assert part["history"] == pytest.approx(history, rel=1e-9)
    assert history[-1] < 0.5 < history[0]
    assert "data" in part["network"].source


# ---------------------------------------------------------------------------------------------- its exercises

EXERCISES = [
    """
import math, random
from math import sin, cos
from micrograd.engine import Value

def f(a, b, c):
    return -a**3 + sin(3*b) - 1.0/c + b**2.5 - a**0.5

a, b, c = 2.0, 3.0, 4.0
analytical = [-3*a**2 - 0.5*a**-0.5, 3*cos(3*b) + 2.5*b**1.5, 1/c**2]
h = 1e-6
one_sided = [(f(a+h, b, c) - f(a, b, c)) / h, (f(a, b+h, c) - f(a, b, c)) / h, (f(a, b, c+h) - f(a, b, c)) / h]
two_sided = [(f(a+h, b, c) - f(a-h, b, c)) / (2*h), (f(a, b+h, c) - f(a, b-h, c)) / (2*h),
             (f(a, b, c+h) - f(a, b, c-h)) / (2*h)]
""",
    """
a, b, c = Value(2.0), Value(3.0), Value(4.0)
y = -a**3 + (3*b).sin() - 1.0/c + b**2.5 - a**0.5
y.backward()
by_value = [a.grad, b.grad, c.grad]
""",
    """
def softmax(logits):
    counts = [logit.exp() for logit in logits]
    denominator = sum(counts)
    out = [c / denominator for c in counts]
    return out

logits = [Value(0.5), Value(2.0), Value(-1.0), Value(0.0)]
probs = softmax(logits)
loss = -probs[1].log()
loss.backward()
numbers = [p.data for p in probs]
grads = [logit.grad for logit in logits]
""",
]


def test_the_lectures_exercises() -> None:
    scope = run(EXERCISES)
    assert scope["one_sided"] == pytest.approx(scope["analytical"], rel=1e-4)
    assert scope["two_sided"] == pytest.approx(scope["analytical"], rel=1e-7)
    assert scope["by_value"] == pytest.approx(scope["analytical"], rel=1e-14)
    exps = [math.exp(x) for x in (0.5, 2.0, -1.0, 0.0)]
    softmax = [e / sum(exps) for e in exps]
    assert scope["numbers"] == pytest.approx(softmax, rel=1e-14)
    assert scope["grads"] == pytest.approx([p - (i == 1) for i, p in enumerate(softmax)], rel=1e-13)


# --------------------------------------------------------------------------------------- micrograd's own notebooks

DEMO = [
    """
import random
import numpy as np
import matplotlib.pyplot as plt
from micrograd.engine import Value
from micrograd.nn import Neuron, Layer, MLP
""",
    """
np.random.seed(1337)
random.seed(1337)
""",
    # sklearn's make_moons, which the notebook takes from there
    """
angle = np.linspace(0, np.pi, 20)
X = np.concatenate([np.c_[np.cos(angle), np.sin(angle)], np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)]])
X += np.random.normal(scale=0.1, size=X.shape)
y = np.repeat([0, 1], 20)
y = y*2 - 1 # make y be -1 or 1
plt.figure(figsize=(5, 5))
plt.scatter(X[:, 0], X[:, 1], c=y, s=20, cmap='jet')
""",
    """
model = MLP(2, [8, 8, 1]) # 2-layer neural network
print(model)
print("number of parameters", len(model.parameters()))
SET_WEIGHTS(model)
""",
    """
def loss(batch_size=None):
    # inline DataLoader :)
    if batch_size is None:
        Xb, yb = X, y
    else:
        ri = np.random.permutation(X.shape[0])[:batch_size]
        Xb, yb = X[ri], y[ri]
    inputs = [list(map(Value, xrow)) for xrow in Xb]

    # forward the model to get scores
    scores = list(map(model, inputs))

    # svm "max-margin" loss
    losses = [(1 + -yi*scorei).relu() for yi, scorei in zip(yb, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    # L2 regularization
    alpha = 1e-4
    reg_loss = alpha * sum((p*p for p in model.parameters()))
    total_loss = data_loss + reg_loss

    # also get accuracy
    accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(yb, scores)]
    return total_loss, sum(accuracy) / len(accuracy)

total_loss, acc = loss()
print(total_loss, acc)
""",
    """
history = []
for k in range(6):

    # forward
    total_loss, acc = loss(None if k < 4 else 10)

    # backward
    model.zero_grad()
    total_loss.backward()

    # update (sgd)
    learning_rate = 1.0 - 0.9*k/100
    for p in model.parameters():
        p.data -= learning_rate * p.grad

    history.append((total_loss.data, acc))
    if k % 1 == 0:
        print(f"step {k} loss {total_loss.data}, accuracy {acc*100}%")
""",
    # the decision boundary
    """
h = 0.5
x_min, x_max = X[:, 0].min() - 1, X[:, 0].max() + 1
y_min, y_max = X[:, 1].min() - 1, X[:, 1].max() + 1
xx, yy = np.meshgrid(np.arange(x_min, x_max, h), np.arange(y_min, y_max, h))
Xmesh = np.c_[xx.ravel(), yy.ravel()]
inputs = [list(map(Value, xrow)) for xrow in Xmesh]
scores = list(map(model, inputs))
Z = np.array([s.data > 0 for s in scores])
Z = Z.reshape(xx.shape)

fig = plt.figure()
plt.contourf(xx, yy, Z, cmap=plt.cm.Spectral, alpha=0.8)
plt.scatter(X[:, 0], X[:, 1], c=y, s=40, cmap=plt.cm.Spectral)
plt.xlim(xx.min(), xx.max())
plt.ylim(yy.min(), yy.max())
""",
]


def set_weights(model: Any) -> None:
    """The same in both libraries, which draw them by rules of their own; the sign of each by one generator."""
    rng = random.Random(3)
    for p in model.parameters():
        p.data = rng.uniform(-0.7, 0.7)


def test_micrograds_demo_notebook_trains_as_with_micrograd() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("micrograd.engine")
    matplotlib.use("Agg")
    ours = run(DEMO, {"SET_WEIGHTS": set_weights})
    theirs = run(DEMO, {"SET_WEIGHTS": set_weights}, changed=False)
    matplotlib.pyplot.close("all")
    for (loss, accuracy), (expected, other) in zip(ours["history"], theirs["history"], strict=True):
        assert loss == pytest.approx(expected, rel=1e-9)
        assert accuracy == other
    assert ours["history"][3][0] < ours["history"][0][0]
    assert (ours["Z"] == theirs["Z"]).all()


TRACE_GRAPH = [
    """
import random
from graphviz import Digraph
from micrograd.engine import Value
""",
    EXPRESSION[1].replace("%s | data", "data").replace("(n.label, n.data, n.grad)", "(n.data, n.grad)"),
    """
x = Value(1.0)
y = (x * 2 + 1).relu()
y.backward()
small = draw_dot(y)
""",
    """
from micrograd import nn
random.seed(1337)
n = nn.Neuron(2)
x = [Value(1.0), Value(-2.0)]
y = n(x)
y.backward()
tall = draw_dot(y, rankdir='TB')
""",
]


def test_micrograds_drawing_notebook_draws() -> None:
    pytest.importorskip("graphviz")
    scope = run(TRACE_GRAPH)
    assert "{ data 3.0000 | grad 1.0000 }" in scope["small"].source
    assert "{ data 1.0000 | grad 2.0000 }" in scope["small"].source
    assert "rankdir=TB" in scope["tall"].source
    assert f"data {scope['n'].w[0].data:.4f} | grad {scope['n'].w[0].grad:.4f}" in scope["tall"].source
    w, b = scope["n"].w, scope["n"].b
    active = w[0].data - 2.0 * w[1].data + b.data > 0
    assert [p.grad for p in scope["n"].parameters()] == ([1.0, -2.0, 1.0] if active else [0.0, 0.0, 0.0])
