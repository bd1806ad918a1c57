"""The programs of ``time_programs.py`` on arrays, by hand: with ``lax.scan`` on JAX, with loops on PyTorch.

Each takes the library's functions first, and the arguments of the scalar program.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


class JaxFunctions:
    """What the programs need of JAX."""

    def __init__(self) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax, self.np = jax, jax.numpy
        self.sigmoid, self.relu, self.softmax = jax.nn.sigmoid, lambda x: jax.numpy.maximum(x, 0.0), jax.nn.softmax
        self.logsumexp = lambda x, axis=-1: jax.nn.logsumexp(x, axis=axis)
        self.roll, self.vmap = jax.numpy.roll, jax.vmap

    def __getattr__(self, name: str) -> Any:
        return getattr(self.np, name)

    def scan(self, step: Callable[[Any, Any], Any], state: Any, inputs: Any) -> Any:
        """Return the last state, and what all steps give."""
        return self.jax.lax.scan(step, state, inputs)

    def inside(self, outer: Any, inner: Any) -> Any:
        """Put an array inside of the rim of another."""
        return outer.at[1:-1, 1:-1].set(inner)

    def build(self, f: Callable[..., Any], arguments: Any, argnums: Any, kind: str) -> Callable[[], Any]:
        """Compile value and gradients, or the Jacobians of all samples."""
        if kind == "jacobian":
            run = self.jax.jit(self.jax.vmap(self.jax.jacfwd(lambda *xs: f(self, *xs), argnums)))
        else:
            run = self.jax.jit(self.jax.value_and_grad(lambda *xs: f(self, *xs), argnums))
        given = self.jax.tree.map(self.np.asarray, arguments)
        return lambda: self.jax.block_until_ready(run(*given))


class TorchFunctions:
    """What the programs need of PyTorch."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        self.torch = torch
        self.logsumexp = lambda x, axis=-1: torch.logsumexp(x, axis)
        self.softmax = lambda x, axis=-1: torch.softmax(x, axis)
        self.triu, self.vmap, self.take = torch.triu, torch.vmap, torch.take

    def __getattr__(self, name: str) -> Any:
        return getattr(self.torch, name)

    def array(self, numbers: Any) -> Any:
        """Put numbers and tensors into one array."""
        torch = self.torch
        if isinstance(numbers, (list, tuple)):
            return torch.stack([self.array(item) for item in numbers])
        return numbers if torch.is_tensor(numbers) else torch.tensor(numbers, dtype=torch.float64)

    def maximum(self, a: Any, b: Any) -> Any:
        """Choose the larger of two, of which one may be a number."""
        return self.torch.maximum(a, self.array(b))

    def roll(self, x: Any, by: int, axis: int = 0) -> Any:
        """Turn an array around."""
        return self.torch.roll(x, by, axis)

    def scan(self, step: Callable[[Any, Any], Any], state: Any, inputs: Any) -> Any:
        """Return the last state, and what all steps give."""
        found = []
        first = inputs[0] if isinstance(inputs, tuple) else inputs
        for k in range(len(first)):
            state, out = step(state, tuple(x[k] for x in inputs) if isinstance(inputs, tuple) else inputs[k])
            found.append(out)
        return state, (self.torch.stack(found) if found[0] is not None else None)

    def inside(self, outer: Any, inner: Any) -> Any:
        """Put an array inside of the rim of another."""
        new = outer.clone()
        new[1:-1, 1:-1] = inner
        return new

    def build(self, f: Callable[..., Any], arguments: Any, argnums: Any, kind: str) -> Callable[[], Any]:
        """Make what computes value and gradients, or the Jacobians of all samples."""
        torch = self.torch
        given = torch.utils._pytree.tree_map(torch.as_tensor, arguments)
        if kind == "jacobian":
            run = torch.vmap(torch.func.jacfwd(lambda *xs: f(self, *xs), argnums))
            return lambda: run(*given)
        trees = torch.utils._pytree
        chosen = [given[k] for k in ((argnums,) if isinstance(argnums, int) else argnums)]
        leaves, structure = trees.tree_flatten(chosen)
        for leaf in leaves:
            leaf.requires_grad_()

        def run_once() -> Any:
            value = f(self, *given)
            return value.detach(), trees.tree_unflatten(torch.autograd.grad(value, leaves), structure)

        return run_once


def heat(m: Any, u: Any, target: Any, steps: int) -> Any:
    def step(u: Any, _: Any) -> Any:
        c = u[1:-1, 1:-1]
        return m.inside(u, c + 0.2 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * c)), None

    return m.mean((m.scan(step, u, m.zeros(steps))[0] - target) ** 2)


def bodies(m: Any, positions: Any, masses: Any) -> Any:
    squares = ((positions[:, None] - positions[None]) ** 2).sum(-1)
    return -m.triu(masses[:, None] * masses[None] / m.sqrt(squares + 1e-3), 1).sum()


def kalman(m: Any, parameters: Any, observed: Any) -> Any:
    q, r, dt = parameters
    move = m.array([[1.0, dt], [0.0, 1.0]])
    noise = m.array([[q * dt**3 / 3, q * dt**2 / 2], [q * dt**2 / 2, q * dt]])

    def step(state: Any, y: Any) -> Any:
        x, cov = state
        x, cov = move @ x, move @ cov @ move.T + noise
        error, size = y - x[0], cov[0, 0] + r
        gain = cov[:, 0] / size
        state = x + gain * error, cov - gain[:, None] * cov[0]
        return state, 0.5 * (m.log(2 * math.pi * size) + error * error / size)

    return m.scan(step, (m.array([0.0, 0.0]), m.array([[10.0, 0.0], [0.0, 10.0]])), observed)[1].sum()


def epochs(m: Any, parameters: Any, inputs: Any, targets: Any) -> Any:
    def step(state: Any, sample: Any) -> Any:
        (w, b, momentum), (x, y) = state, sample
        error = m.tanh(w * x + b) - y
        momentum = 0.9 * momentum + error * x
        return (w - 0.1 * momentum, b - 0.1 * error, momentum), None

    def epoch(state: Any, samples: Any) -> Any:
        w, b = state
        (w, b, _), _ = m.scan(step, (w, b, 0.0 * w), samples)
        return (0.99 * w, b), None

    (w, b), _ = m.scan(epoch, (parameters[0], parameters[1]), (inputs, targets))
    return w * w + b * b


def hmm(m: Any, start: Any, moves: Any, emits: Any) -> Any:
    def step(alpha: Any, e: Any) -> Any:
        return m.logsumexp(alpha[:, None] + moves, axis=0) + e, None

    return -m.logsumexp(m.scan(step, start + emits[0], emits[1:])[0])


def option(m: Any, spot: Any, sigma: Any, rate: Any, steps: int) -> Any:
    dt = 1.0 / steps
    u = m.exp(sigma * math.sqrt(dt))
    p = (m.exp(rate * dt) - 1 / u) / (u - 1 / u)
    discount, places = m.exp(-rate * dt), m.arange(steps + 1) * 1.0

    def step(values: Any, level: Any) -> Any:
        held = discount * (p * m.roll(values, -1) + (1 - p) * values)
        return m.maximum(held, 100.0 - spot * u ** (2 * places - level)), None

    values = m.maximum(100.0 - spot * u ** (2 * places - steps), 0.0)
    return m.scan(step, values, steps - 1.0 - m.arange(steps))[0][0]


def heston(m: Any, parameters: Any, z1: Any, z2: Any) -> Any:
    spot, v0, kappa, theta, xi, rho, rate = parameters
    paths, steps = z1.shape
    dt = 1.0 / steps

    def step(state: Any, noise: Any) -> Any:
        (s, v), (a, b) = state, noise
        vp = m.maximum(v, 1e-12)
        s = s * m.exp((rate - 0.5 * vp) * dt + m.sqrt(vp * dt) * a)
        v = v + kappa * (theta - vp) * dt + xi * m.sqrt(vp * dt) * (rho * a + m.sqrt(1 - rho * rho) * b)
        return (s, v), None

    (s, _), _ = m.scan(step, (spot + 0 * z1[:, 0], v0 + 0 * z1[:, 0]), (z1.T, z2.T))
    return m.exp(-rate) * m.maximum(s - 100.0, 0.0).sum() / paths


def rk4(m: Any, p: Any, state: Any, data: Any) -> Any:
    h = 0.1

    def hunt(s: Any) -> Any:
        return m.stack([p[0] * s[0] - p[1] * s[0] * s[1], p[3] * s[0] * s[1] - p[2] * s[1]])

    def step(s: Any, row: Any) -> Any:
        k1 = hunt(s)
        k2 = hunt(s + h / 2 * k1)
        k3 = hunt(s + h / 2 * k2)
        s = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + hunt(s + h * k3))
        return s, ((s - row) ** 2).sum()

    return m.mean(m.scan(step, state, data)[1])


def arm(m: Any, angles: Any, lengths: Any, target: Any) -> Any:
    total = m.cumsum(angles, 0)
    end = m.stack([(lengths * m.cos(total)).sum(), (lengths * m.sin(total)).sum()])
    return ((end - target) ** 2).sum()


def springs(m: Any, x: Any, stiffness: Any) -> Any:
    pairs = [
        (x[:, 1:] - x[:, :-1], 1.0),
        (x[1:] - x[:-1], 1.0),
        (x[1:, 1:] - x[:-1, :-1], math.sqrt(2)),
        (x[1:, :-1] - x[:-1, 1:], math.sqrt(2)),
    ]
    return sum(0.5 * stiffness * ((m.sqrt((d * d).sum(-1)) - rest) ** 2).sum() for d, rest in pairs)


def elimination(m: Any, matrix: Any) -> Any:
    places = m.arange(len(matrix))

    def step(a: Any, k: Any) -> Any:
        row, column = a[k], a[:, k]
        factor = m.where(places > k, column / row[k], 0.0 * column)
        return a - factor[:, None] * row, m.log(row[k])

    return m.scan(step, matrix, places)[1].sum()


def soft_dtw(m: Any, x: Any, y: Any) -> Any:
    """Row by row, and each row number by number."""
    n = len(y)
    cost = (x[:, None] - y) ** 2

    def row(above: Any, costs: Any) -> Any:
        def cell(left: Any, given: Any) -> Any:
            corner, up, c = given
            value = c - m.logsumexp(-m.stack([corner, up, left]))
            return value, value

        _, values = m.scan(cell, above[0] * 0 + 1e6, (above[:-1], above[1:], costs))
        return m.concatenate([above[:1] * 0 + 1e6, values]), None

    first = m.concatenate([0 * x[:1], 1e6 + m.zeros(n) + 0 * y])
    return m.scan(row, first, cost)[0][-1]


def cnn(m: Any, kernels: Any, biases: Any, weights: Any, images: Any, labels: Any) -> Any:
    count, n, _ = images.shape
    rim, side = 0 * images[:, :1], n // 2
    tall = m.concatenate([rim, images, rim], 1)
    padded = m.concatenate([0 * tall[:, :, :1], tall, 0 * tall[:, :, :1]], 2)
    windows = [padded[:, None, i : i + n, j : j + n] * kernels[:, i, j, None, None] for i in range(3) for j in range(3)]
    out = m.relu(sum(windows) + biases[:, None, None])
    tall = m.concatenate([0 * out[:, :, :1], out], 2)
    wide = m.concatenate([0 * tall[:, :, :, :1], tall], 3)
    largest = wide[:, :, 0:n:2, 0:n:2]
    for i in range(3):
        for j in range(3):
            largest = m.maximum(largest, wide[:, :, i : i + n : 2, j : j + n : 2][:, :, :side, :side])
    logits = largest.reshape(count, -1) @ weights.T
    return m.mean(m.logsumexp(logits) - logits[m.arange(count), labels])


def gru(m: Any, p: Any, xs: Any, ys: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        z = m.sigmoid(x @ p["Wz"].T + h @ p["Uz"].T + p["bz"])
        r = m.sigmoid(x @ p["Wr"].T + h @ p["Ur"].T + p["br"])
        c = m.tanh(x @ p["Wh"].T + (r * h) @ p["Uh"].T + p["bh"])
        return (1 - z) * h + z * c, None

    h = m.scan(step, 0.0 * (xs[:, 0] @ p["Wz"].T), m.swapaxes(xs, 0, 1))[0]
    return m.mean((h @ p["v"] - ys) ** 2)


def gpt(m: Any, p: Any, ids: Any) -> Any:
    count, steps, heads = len(ids), ids.shape[1] - 1, 2

    def norm(x: Any) -> Any:
        return x * (m.mean(x * x, -1)[..., None] + 1e-5) ** -0.5

    x = p["wte"][ids[:, :-1]] + p["wpe"]
    width = x.shape[-1]
    future = m.arange(steps)[:, None] < m.arange(steps)
    for layer in p["layers"]:
        n = norm(x)
        q, k, v = [(n @ layer[w].T).reshape(count, steps, heads, -1) for w in ("wq", "wk", "wv")]
        scores = m.einsum("bthj,bshj->bhts", q, k) / (width // heads) ** 0.5
        weights = m.softmax(m.where(future, m.array(-math.inf), scores), -1)
        x = x + m.einsum("bhts,bshj->bthj", weights, v).reshape(count, steps, width) @ layer["wo"].T
        x = x + m.relu(norm(x) @ layer["w1"].T) @ layer["w2"].T
    logits = x @ p["wte"].T
    chosen = (logits * (ids[:, 1:, None] == m.arange(len(p["wte"])))).sum(-1)
    return m.mean(m.logsumexp(logits) - chosen)


def mixture(m: Any, alphas: Any, means: Any, factors: Any, points: Any) -> Any:
    d = means.shape[1]
    logs, rest = factors[:, :d], factors[:, d:]
    centred = points[:, None] - means
    rows, place = [], 0
    for i in range(d):
        below = (rest[:, place : place + i] * centred[..., :i]).sum(-1)
        rows.append(m.exp(logs[:, i]) * centred[..., i] + below)
        place += i
    squares = sum(row * row for row in rows)
    total = (m.logsumexp(alphas + logs.sum(-1) - 0.5 * squares) - m.logsumexp(alphas)).sum()
    return total - 0.5 * (m.exp(2.0 * logs).sum() + (rest * rest).sum())


def bundle(m: Any, camera: Any, point: Any, weight: Any, seen: Any) -> Any:
    angles, x = camera[:3], point - camera[3:6]
    theta = m.sqrt((angles * angles).sum())
    w = angles / theta
    c, s = m.cos(theta), m.sin(theta)
    cross = m.stack([w[1] * x[2] - w[2] * x[1], w[2] * x[0] - w[0] * x[2], w[0] * x[1] - w[1] * x[0]])
    at = x * c + cross * s + w * ((w * x).sum() * (1 - c))
    flat = at[:2] / at[2]
    square = (flat * flat).sum()
    radial = 1 + camera[9] * square + camera[10] * square * square
    return weight * (camera[6] * flat * radial + camera[7:9] - seen)


def turn(m: Any, a: Any, b: Any, c: Any) -> Any:
    (ca, sa), (cb, sb), (cc, sc) = [(m.cos(angle), m.sin(angle)) for angle in (a, b, c)]
    rows = [
        [cc * cb, cc * sb * sa - sc * ca, cc * sb * ca + sc * sa],
        [sc * cb, sc * sb * sa + cc * ca, sc * sb * ca - cc * sa],
        [-sb, cb * sa, cb * ca],
    ]
    return m.stack([m.stack(row, -1) for row in rows], -2)


def hand(m: Any, wrist: Any, moved: Any, fingers: Any, points: Any) -> Any:
    none = 0.0 * fingers[:, 0]
    frame = turn(m, *wrist) @ turn(m, fingers[:, 0], fingers[:, 1], none)
    shares = (m.arange(points.shape[2]) + 1.0) / points.shape[2]
    at, loss = moved + 0.0 * fingers[:, :3], 0.0
    for k in range(points.shape[1]):
        frame = frame @ turn(m, fingers[:, 2 + k], none, none)
        found = at[:, None] + frame[:, None, :, 1] * shares[:, None]
        loss = loss + ((found - points[:, k]) ** 2).sum()
        at = at + frame[:, :, 1]
    return loss


def lstm(m: Any, weights: Any, biases: Any, ends: Any, series: Any) -> Any:
    def step(states: Any, given: Any) -> Any:
        now, after = given
        x, new = now * ends[0], []
        for w, b, (hidden, cell) in zip(weights, biases, states):
            forget, out = m.sigmoid(x * w[0] + b[0]), m.sigmoid(x * w[2] + b[2])
            cell = cell * forget + m.sigmoid(hidden * w[1] + b[1]) * m.tanh(hidden * w[3] + b[3])
            x = out * m.tanh(cell)
            new.append((x, cell))
        out = x * ends[1] + ends[2]
        return new, -(after * (out - m.log(m.exp(out).sum() + 2.0))).sum()

    none = 0.0 * series[0]
    states = [(none, none) for _ in range(len(weights))]
    return m.mean(m.scan(step, states, (series[:-1], series[1:]))[1]) / series.shape[1]
