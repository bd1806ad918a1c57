"""The steps of ``lift.py`` as people write them without lift: loss and all gradients, in each library's own arrays.

Each function takes the parameters, inputs and targets as NumPy arrays and gives a step: a function without arguments
that computes the loss and the gradients, in the order of the parameters. Nothing of a step's work is done beforehand,
but arrays stand where their library wants them. A library that is missing raises ImportError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import tree_leaves

Array = NDArray[np.float64]
Layers = list[tuple[Array, Array]]  # weight (outputs, inputs) and bias (outputs,) of each layer
Step = Callable[[], Any]

# ------------------------------------------------------------------------- make_moons MLP, hinge loss: targets -1, 1


def moons_numpy(layers: Layers, inputs: Array, targets: Array) -> Step:
    """Return samples along the last axis, which runs faster here than along the first."""
    (w1, b1), (w2, b2), (w3, b3) = layers

    def step() -> Any:
        x = inputs.T
        z1 = w1 @ x + b1[:, None]
        a1 = np.maximum(z1, 0)
        z2 = w2 @ a1 + b2[:, None]
        a2 = np.maximum(z2, 0)
        margins = 1 - targets * (w3 @ a2 + b3[:, None])
        d3 = -targets * (margins > 0) / len(targets)
        d2 = (w3.T @ d3) * (z2 > 0)
        d1 = (w2.T @ d2) * (z1 > 0)
        gradients = [d1 @ x.T, d1.sum(1), d2 @ a1.T, d2.sum(1), d3 @ a2.T, d3.sum(1)]
        return np.maximum(margins, 0).mean(), gradients

    return step


def moons_numba(layers: Layers, inputs: Array, targets: Array) -> Step:
    """Loops fused by hand; the innermost run over the samples, and four products are added to a row at a time.

    Two hidden layers of one width, a multiple of four.
    """
    import numba

    width = len(layers[0][1])

    @numba.njit(fastmath=True)
    def fused(w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, points: Any, y: Any) -> Any:
        n = len(y)
        g1, h1 = np.empty((width, 2)), np.empty(width)
        g2, h2 = np.empty((width, width)), np.empty(width)
        g3, h3 = np.empty((1, width)), np.empty(1)
        x, a1, a2, d1, s = np.empty((2, n)), np.empty((width, n)), np.empty((width, n)), np.empty(n), np.empty(n)
        for t in range(n):
            x[0, t], x[1, t], s[t] = points[t, 0], points[t, 1], b3[0]
        for j in range(width):
            for t in range(n):
                a1[j, t] = max(w1[j, 0] * x[0, t] + w1[j, 1] * x[1, t] + b1[j], 0.0)
        for j in range(width):
            for t in range(n):
                a2[j, t] = b2[j]
            for i in range(0, width, 4):
                u, v, w, z = w2[j, i], w2[j, i + 1], w2[j, i + 2], w2[j, i + 3]
                for t in range(n):
                    a2[j, t] += u * a1[i, t] + v * a1[i + 1, t] + w * a1[i + 2, t] + z * a1[i + 3, t]
            for t in range(n):
                a2[j, t] = max(a2[j, t], 0.0)
                s[t] += w3[0, j] * a2[j, t]
        loss, total = 0.0, 0.0
        for t in range(n):
            margin = 1 - y[t] * s[t]
            loss += margin if margin > 0 else 0.0
            s[t] = -y[t] / n if margin > 0 else 0.0
            total += s[t]
        h3[0] = total
        for j in range(width):  # δ² takes the place of a²
            total, other = 0.0, 0.0
            for t in range(n):
                total += s[t] * a2[j, t]
                a2[j, t] = s[t] * w3[0, j] if a2[j, t] > 0 else 0.0
                other += a2[j, t]
            g3[0, j], h2[j] = total, other
        for j in range(width):
            for i in range(0, width, 4):
                u, v, w, z = 0.0, 0.0, 0.0, 0.0
                for t in range(n):
                    u += a2[j, t] * a1[i, t]
                    v += a2[j, t] * a1[i + 1, t]
                    w += a2[j, t] * a1[i + 2, t]
                    z += a2[j, t] * a1[i + 3, t]
                g2[j, i], g2[j, i + 1], g2[j, i + 2], g2[j, i + 3] = u, v, w, z
        for i in range(width):
            d1[:] = 0.0
            for j in range(0, width, 4):
                u, v, w, z = w2[j, i], w2[j + 1, i], w2[j + 2, i], w2[j + 3, i]
                for t in range(n):
                    d1[t] += u * a2[j, t] + v * a2[j + 1, t] + w * a2[j + 2, t] + z * a2[j + 3, t]
            u, v, w = 0.0, 0.0, 0.0
            for t in range(n):
                d = d1[t] if a1[i, t] > 0 else 0.0
                u += d * x[0, t]
                v += d * x[1, t]
                w += d
            g1[i, 0], g1[i, 1], h1[i] = u, v, w
        return loss / n, (g1, h1, g2, h2, g3, h3)

    arguments = [*tree_leaves(layers), inputs, targets]
    return lambda: fused(*arguments)


def moons_jax(layers: Layers, inputs: Array, targets: Array) -> Step:
    import jax.numpy as jnp

    def hinge(scores: Any, y: Any) -> Any:
        return jnp.maximum(1 - y * scores[:, 0], 0).mean()

    return jax_step(hinge, layers, inputs, targets)


def moons_torch(layers: Layers, inputs: Array, targets: Array) -> Step:
    return torch_step(lambda scores, y: (1 - y * scores[:, 0]).relu().mean(), layers, inputs, targets)


def moons_autograd(layers: Layers, inputs: Array, targets: Array) -> Step:
    """HIPS autograd on its own NumPy."""
    import autograd
    import autograd.numpy as anp

    def loss(layers: Any) -> Any:
        x = inputs
        for w, b in layers[:-1]:
            x = anp.maximum(anp.dot(x, w.T) + b, 0)
        w, b = layers[-1]
        return anp.mean(anp.maximum(1 - targets * (anp.dot(x, w.T) + b)[:, 0], 0))

    step = autograd.value_and_grad(loss)
    return lambda: step(layers)


def moons_casadi(layers: Layers, inputs: Array, targets: Array) -> Step:
    """Return a graph of scalars (SX) for one sample, mapped over the samples and summed, in CasADi's virtual
    machine."""
    import casadi

    symbols = [casadi.SX.sym("p", *(a.shape if a.ndim == 2 else (len(a), 1))) for a in tree_leaves(layers)]
    x, y = casadi.SX.sym("x", inputs.shape[1]), casadi.SX.sym("y")
    activation = x
    for w, b in zip(symbols[0:-2:2], symbols[1:-2:2]):
        activation = casadi.fmax(w @ activation + b, 0)
    loss = casadi.fmax(1 - y * (symbols[-2] @ activation + symbols[-1]), 0) / len(targets)
    gradients = [casadi.gradient(loss, p) for p in symbols]
    one = casadi.Function("one", [*symbols, x, y], [loss, *gradients])
    constant, summed = list(range(len(symbols))), list(range(1 + len(symbols)))
    mapped = one.map("mapped", "serial", len(targets), constant, summed)
    arguments = [casadi.DM(a) for a in [*tree_leaves(layers), inputs.T, targets[None, :]]]

    def step() -> Any:
        loss, *gradients = mapped(*arguments)
        return loss, gradients

    return step


def moons_micrograd(layers: Layers, inputs: Array, targets: Array) -> Step:
    from micrograd.engine import Value
    from programs import OperatorMLP, hinge_loss

    model = OperatorMLP(Value, lambda x: x.relu(), [inputs.shape[1], *[len(b) for _, b in layers]])
    for neurons, (w, b) in zip(model.layers, layers):
        for (weights, bias), row, number in zip(neurons, w, b):
            bias.data = float(number)
            for weight, entry in zip(weights, row):
                weight.data = float(entry)
    points, labels = inputs.tolist(), targets.tolist()

    def step() -> Any:
        for p in model.parameters():
            p.grad = 0.0
        loss = hinge_loss(model, Value, lambda x: x.relu(), points, labels)
        loss.backward()
        return loss.data, [
            np.array(numbers)
            for neurons in model.layers
            for numbers in ([[w.grad for w in weights] for weights, _ in neurons], [bias.grad for _, bias in neurons])
        ]

    return step


# ------------------------------------------------------- MLP of one hidden layer, softmax cross entropy: targets 0 to 9


def classes_numpy(layers: Layers, inputs: Array, targets: NDArray[np.intp]) -> Step:
    (w1, b1), (w2, b2) = layers

    def step() -> Any:
        samples = np.arange(len(targets))
        z1 = inputs @ w1.T + b1
        a1 = np.maximum(z1, 0)
        z2 = a1 @ w2.T + b2
        z2 -= z2.max(1, keepdims=True)
        e = np.exp(z2)
        total = e.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - z2[samples, targets]).mean()
        d2 = e / total
        d2[samples, targets] -= 1
        d2 /= len(targets)
        d1 = (d2 @ w2) * (z1 > 0)
        return loss, [d1.T @ inputs, d1.sum(0), d2.T @ a1, d2.sum(0)]

    return step


def classes_jax(layers: Layers, inputs: Array, targets: NDArray[np.intp]) -> Step:
    return jax_step(jax_cross_entropy, layers, inputs, targets)


def jax_cross_entropy(logits: Any, targets: Any) -> Any:
    import jax
    import jax.numpy as jnp

    log_probabilities = jax.nn.log_softmax(logits)
    return -jnp.take_along_axis(log_probabilities, targets[:, None], 1).mean()


def classes_torch(layers: Layers, inputs: Array, targets: NDArray[np.intp]) -> Step:
    import torch

    return torch_step(torch.nn.functional.cross_entropy, layers, inputs, targets)


# ------------------------------------------------------------------------- any MLP with ReLU in JAX and PyTorch


def jax_step(loss: Callable[[Any, Any], Any], layers: Any, inputs: Any, targets: Any) -> Step:
    """Compiled by ``jax.jit``, on arrays that are on the device already."""
    import jax

    def total(layers: Any, x: Any, targets: Any) -> Any:
        for w, b in layers[:-1]:
            x = jax.nn.relu(x @ w.T + b)
        w, b = layers[-1]
        return loss(x @ w.T + b, targets)

    compiled = jax.jit(jax.value_and_grad(total))
    arguments = jax_arrays((layers, inputs, targets))
    return lambda: jax.block_until_ready(compiled(*arguments))


def jax_arrays(tree: Any) -> Any:
    """Return the arrays of a structure on JAX's device, in double precision where they are now."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax.tree.map(jax.numpy.asarray, tree)


def torch_step(loss: Callable[[Any, Any], Any], layers: Layers, inputs: Array, targets: NDArray[Any]) -> Step:
    import torch

    torch.set_num_threads(1)
    parameters = [torch.tensor(a, requires_grad=True) for a in tree_leaves(layers)]
    x, y = torch.tensor(inputs), torch.tensor(targets)

    def step() -> Any:
        activation = x
        for w, b in zip(parameters[0:-2:2], parameters[1:-2:2]):
            activation = torch.relu(torch.nn.functional.linear(activation, w, b))
        total = loss(torch.nn.functional.linear(activation, *parameters[-2:]), y)
        return total, torch.autograd.grad(total, parameters)

    return step


# ---------------------------------------------------------------------------------------------- the GPT of programs.py


def gpt_jax(matrices: dict[str, Array], heads: int, word: Sequence[int]) -> Step:
    """All positions at once, with a causal mask."""
    import jax
    import jax.numpy as jnp

    tokens, targets = np.array(word[:-1]), np.array(word[1:])
    causal = np.tril(np.ones((len(tokens), len(tokens)), dtype=bool))

    def normalized(x: Any) -> Any:
        return x * ((x * x).mean(1, keepdims=True) + 1e-5) ** -0.5

    def per_head(x: Any) -> Any:
        return x.reshape(len(tokens), heads, -1).transpose(1, 0, 2)

    def loss(m: Any) -> Any:
        x = m["tokens"][tokens] + m["positions"][: len(tokens)]
        h = normalized(x)
        query, key, value = (per_head(h @ m[name].T) for name in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) * query.shape[-1] ** -0.5
        weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf))
        mixed = (weights @ value).transpose(1, 0, 2).reshape(len(tokens), -1)
        x = x + mixed @ m["out"].T
        x = x + jax.nn.relu(normalized(x) @ m["up"].T) @ m["down"].T
        return jax_cross_entropy(x @ m["head"].T, targets)

    compiled = jax.jit(jax.value_and_grad(loss))
    arguments = jax_arrays(matrices)
    return lambda: jax.block_until_ready(compiled(arguments))


# ------------------------------------------------------------------------------------------------------- results


def as_arrays(result: Any) -> list[Array]:
    """Return the loss and the gradients of a step, whatever library they come from."""
    value, gradients = result
    leaves = [value, *tree_leaves(gradients)]
    return [np.asarray(a.detach() if hasattr(a, "detach") else a, dtype=np.float64) for a in leaves]
