"""Worked examples, of which the playground's page offers a row."""

from __future__ import annotations

from typing import Final, NamedTuple


class Example(NamedTuple):
    """What is written, and the numbers of a formula's names.

    Attributes:
        title: What its button says.
        kind: ``"formula"`` or ``"program"``.
        text: What is written.
        values: The numbers of a formula's names.
    """

    title: str
    kind: str
    text: str
    values: dict[str, float]


_SHARED = """\
# h is used twice: its gradient is the sum over both uses.
x = Value(3.0, label="x")
w = Value(2.0, label="w")
h = x * w
L = h + h * h
"""

_XOR = """\
# One step towards XOR, on the point (1, 0), whose target is 1.
import random
random.seed(1)

def neuron(xs):
    ws = [Value(random.uniform(-1, 1)) for _ in xs]
    return tanh(dot(ws, xs, Value(0.0)))

x = [Value(1.0, label="x1"), Value(0.0, label="x2")]
hidden = [neuron(x) for _ in range(2)]
y = neuron(hidden)
loss = (y - 1.0) ** 2
"""

_SOFTMAX = """\
# Softmax and cross entropy: each logit's gradient is its probability, minus 1 for the right class.
logits = [Value(2.0, label="z1"), Value(-1.0, label="z2"), Value(0.5, label="z3")]
p = softmax(logits)
loss = -log(p[0])
"""

_VANISHING = """\
# A chain of sigmoids: each multiplies the gradient by at most 1/4, so that it vanishes towards x.
x = Value(0.5, label="x")
h = x
for layer in range(8):
    h = sigmoid(h)
L = h
"""

EXAMPLES: Final = (
    Example(
        "One neuron", "formula", "tanh(w1*x1 + w2*x2 + b)", {"w1": -3.0, "x1": 2.0, "w2": 1.0, "x2": 0.5, "b": 6.0}
    ),
    Example("Shared node", "program", _SHARED, {}),
    Example("XOR, one point", "program", _XOR, {}),
    Example("Softmax, cross entropy", "program", _SOFTMAX, {}),
    Example("Vanishing chain", "program", _VANISHING, {}),
)
