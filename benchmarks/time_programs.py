"""Programs over time, over grids and over tables, as practitioners write them: plain loops over scalars.

``python benchmarks/lift_time.py`` runs them. The last four are objectives as those of ADBench (Srajer, Kukelova and
Fitzgibbon 2018, "A benchmark of selected algorithmic differentiation tools"), small: hand tracking with straight
fingers in place of the suite's mesh.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from tinygrad_lite import cos, exp, log, logsumexp, lookup, maximum, relu, sigmoid, sin, softmax, sqrt, tanh

Numbers = Sequence[Any]
Matrix = Sequence[Sequence[Any]]


def matmul(a: Matrix, b: Matrix) -> list[list[Any]]:
    return [[sum(a[i][k] * b[k][j] for k in range(len(b))) for j in range(len(b[0]))] for i in range(len(a))]


def heat(u: Any, target: Any, steps: int) -> Any:
    """Solve the heat equation with a fixed rim, by explicit steps."""
    n, m = len(u), len(u[0])
    for _ in range(steps):
        new = [list(row) for row in u]
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                new[i][j] = u[i][j] + 0.2 * (u[i + 1][j] + u[i - 1][j] + u[i][j + 1] + u[i][j - 1] - 4 * u[i][j])
        u = new
    return sum((u[i][j] - target[i][j]) ** 2 for i in range(n) for j in range(m)) / (n * m)


def epochs(parameters: Any, inputs: Any, targets: Any) -> Any:
    """Train a unit by one sample after the other, with a momentum that begins anew in each epoch."""
    w, b = parameters
    for xs, ys in zip(inputs, targets):
        m = 0.0 * w
        for x, y in zip(xs, ys):
            error = tanh(w * x + b) - y
            m = 0.9 * m + error * x
            w = w - 0.1 * m
            b = b - 0.1 * error
        w = 0.99 * w
    return w * w + b * b


def bodies(positions: Any, masses: Any) -> Any:
    """Compute the energy of bodies that attract one another."""
    energy = 0.0
    for i in range(len(masses)):
        for j in range(i + 1, len(masses)):
            squares = sum((a - b) * (a - b) for a, b in zip(positions[i], positions[j]))
            energy = energy - masses[i] * masses[j] / sqrt(squares + 1e-3)
    return energy


def kalman(parameters: Any, observed: Any) -> Any:
    """Compute minus the log likelihood of a position that is observed, which moves with a random speed."""
    q, r, dt = parameters
    step, back = [[1.0, dt], [0.0, 1.0]], [[1.0, 0.0], [dt, 1.0]]
    noise = [[q * dt**3 / 3, q * dt**2 / 2], [q * dt**2 / 2, q * dt]]
    x, cov = [0.0, 0.0], [[10.0, 0.0], [0.0, 10.0]]
    total = 0.0
    for y in observed:
        x = [x[0] + dt * x[1], x[1]]
        cov = matmul(matmul(step, cov), back)
        cov = [[cov[i][j] + noise[i][j] for j in range(2)] for i in range(2)]
        error, size = y - x[0], cov[0][0] + r
        gain = [cov[0][0] / size, cov[1][0] / size]
        total = total + 0.5 * (log(2 * math.pi * size) + error * error / size)
        x = [x[0] + gain[0] * error, x[1] + gain[1] * error]
        cov = [[cov[i][j] - gain[i] * cov[0][j] for j in range(2)] for i in range(2)]
    return total


def hmm(start: Any, moves: Any, emits: Any) -> Any:
    """Compute minus the log likelihood of a hidden Markov model; ``emits`` has a row for each step."""
    n = len(start)
    alpha = [start[i] + emits[0][i] for i in range(n)]
    for e in emits[1:]:
        alpha = [logsumexp([alpha[i] + moves[i][j] for i in range(n)]) + e[j] for j in range(n)]
    return -logsumexp(alpha)


def option(spot: Any, sigma: Any, rate: Any, steps: int) -> Any:
    """Price an American put in the binomial tree of Cox, Ross and Rubinstein."""
    dt = 1.0 / steps
    u = exp(sigma * math.sqrt(dt))
    d = 1 / u
    p = (exp(rate * dt) - d) / (u - d)
    discount = exp(-rate * dt)
    values = [maximum(100.0 - spot * u**j * d ** (steps - j), 0.0) for j in range(steps + 1)]
    for i in range(steps - 1, -1, -1):
        values = [
            maximum(discount * (p * values[j + 1] + (1 - p) * values[j]), 100.0 - spot * u**j * d ** (i - j))
            for j in range(i + 1)
        ]
    return values[0]


def heston(parameters: Any, z1: Any, z2: Any) -> Any:
    """Price a call under Heston's stochastic volatility, by paths."""
    spot, v0, kappa, theta, xi, rho, rate = parameters
    dt = 1.0 / len(z1[0])
    total = 0.0
    for first, second in zip(z1, z2):
        s, v = spot, v0
        for a, b in zip(first, second):
            vp = maximum(v, 1e-12)
            s = s * exp((rate - 0.5 * vp) * dt + sqrt(vp * dt) * a)
            v = v + kappa * (theta - vp) * dt + xi * sqrt(vp * dt) * (rho * a + sqrt(1 - rho * rho) * b)
        total = total + maximum(s - 100.0, 0.0)
    return exp(-rate) * total / len(z1)


def hunt(state: Numbers, p: Numbers) -> list[Any]:
    """Compute Lotka and Volterra's derivatives."""
    x, y = state
    return [p[0] * x - p[1] * x * y, p[3] * x * y - p[2] * y]


def rk4(p: Any, state: Any, data: Any) -> Any:
    """Fit an ordinary differential equation to data, by Runge and Kutta's steps."""
    h, loss = 0.1, 0.0
    for row in data:
        k1 = hunt(state, p)
        k2 = hunt([s + h / 2 * k for s, k in zip(state, k1)], p)
        k3 = hunt([s + h / 2 * k for s, k in zip(state, k2)], p)
        k4 = hunt([s + h * k for s, k in zip(state, k3)], p)
        state = [s + h / 6 * (a + 2 * b + 2 * c + d) for s, a, b, c, d in zip(state, k1, k2, k3, k4)]
        loss = loss + sum((s - y) ** 2 for s, y in zip(state, row))
    return loss / len(data)


def arm(angles: Any, lengths: Any, target: Any) -> Any:
    """Measure how far the end of a planar arm is from where it should be."""
    x = y = total = 0.0
    for angle, length in zip(angles, lengths):
        total = total + angle
        x, y = x + length * cos(total), y + length * sin(total)
    return (x - target[0]) ** 2 + (y - target[1]) ** 2


def springs(positions: Any, stiffness: Any) -> Any:
    """Compute the energy of a lattice of springs, with diagonals."""
    n, m = len(positions), len(positions[0])
    energy = 0.0
    for i in range(n):
        for j in range(m):
            for di, dj in ((0, 1), (1, 0), (1, 1), (1, -1)):
                a, b = i + di, j + dj
                if 0 <= a < n and 0 <= b < m:
                    dx, dy = positions[a][b][0] - positions[i][j][0], positions[a][b][1] - positions[i][j][1]
                    energy = energy + 0.5 * stiffness * (sqrt(dx * dx + dy * dy) - math.hypot(di, dj)) ** 2
    return energy


def elimination(matrix: Any) -> Any:
    """Compute the log determinant, by Gauss's elimination."""
    n, a = len(matrix), [list(row) for row in matrix]
    total = 0.0
    for k in range(n):
        total = total + log(a[k][k])
        for i in range(k + 1, n):
            factor = a[i][k] / a[k][k]
            for j in range(k + 1, n):
                a[i][j] = a[i][j] - factor * a[k][j]
    return total


def soft_dtw(x: Any, y: Any) -> Any:
    """Measure how far two series are apart, time warped, with a soft minimum."""
    n, m = len(x), len(y)
    table = [[1e6] * (m + 1) for _ in range(n + 1)]
    table[0][0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            nearest = -logsumexp([-table[i - 1][j - 1], -table[i - 1][j], -table[i][j - 1]])
            table[i][j] = (x[i - 1] - y[j - 1]) ** 2 + nearest
    return table[n][m]


def cnn(kernels: Any, biases: Any, weights: Any, image: Any, label: Any) -> Any:
    """Classify: a convolution, max pooling of 3×3 in steps of 2, both padded, a linear layer, cross entropy."""
    n, features = len(image), []
    for kernel, bias in zip(kernels, biases):
        out = [
            [
                relu(
                    sum(
                        (
                            kernel[y - i + 1][x - j + 1] * image[y][x]
                            for y in range(max(i - 1, 0), min(i + 2, n))
                            for x in range(max(j - 1, 0), min(j + 2, n))
                        ),
                        bias,
                    )
                )
                for j in range(n)
            ]
            for i in range(n)
        ]
        for i in range(0, n, 2):
            for j in range(0, n, 2):
                largest = out[i][j]
                for y in range(max(i - 1, 0), min(i + 2, n)):
                    for x in range(max(j - 1, 0), min(j + 2, n)):
                        largest = maximum(largest, out[y][x]) if (y, x) != (i, j) else largest
                features.append(largest)
    logits = [sum(w * f for w, f in zip(row, features)) for row in weights]
    return logsumexp(logits) - lookup(logits, label)


def gru(p: Any, xs: Any, y: Any) -> Any:
    """Run a gated recurrent unit over a series, with a linear end and squared error."""

    def gate(name: str, x: Numbers, h: Numbers) -> list[Any]:
        rows = zip(p["W" + name], p["U" + name], p["b" + name])
        return [sum(w * v for w, v in zip(W, x)) + sum(u * v for u, v in zip(U, h)) + b for W, U, b in rows]

    h: list[Any] = [0.0] * len(p["bz"])
    for x in xs:
        z = [sigmoid(a) for a in gate("z", x, h)]
        r = [sigmoid(a) for a in gate("r", x, h)]
        c = [tanh(a) for a in gate("h", x, [ri * hi for ri, hi in zip(r, h)])]
        h = [(1 - zi) * hi + zi * ci for zi, hi, ci in zip(z, h, c)]
    return (sum(v * hi for v, hi in zip(p["v"], h)) - y) ** 2


def linear(rows: Any, x: Numbers) -> list[Any]:
    return [sum(w * v for w, v in zip(row, x)) for row in rows]


def norm(x: Numbers) -> list[Any]:
    scale = (sum(v * v for v in x) / len(x) + 1e-5) ** -0.5
    return [v * scale for v in x]


def gpt(p: Any, ids: Any) -> Any:
    """Run a causal transformer of two heads, one token at a time."""
    steps, width, heads = len(ids) - 1, len(p["wpe"][0]), 2
    hd = width // heads
    columns = [[row[k] for row in p["wte"]] for k in range(width)]
    xs = [[lookup(columns[k], ids[t]) + p["wpe"][t][k] for k in range(width)] for t in range(steps)]
    for layer in p["layers"]:
        ns = [norm(x) for x in xs]
        q, k, v = [[linear(layer[name], n) for n in ns] for name in ("wq", "wk", "wv")]
        for t in range(steps):
            found = []
            for h in range(heads):
                part = slice(h * hd, (h + 1) * hd)
                scores = [sum(a * b for a, b in zip(q[t][part], k[s][part])) / hd**0.5 for s in range(t + 1)]
                weights = softmax(scores)
                found += [sum(weights[s] * v[s][h * hd + j] for s in range(t + 1)) for j in range(hd)]
            xs[t] = [a + b for a, b in zip(xs[t], linear(layer["wo"], found))]
        for t in range(steps):
            hidden = [relu(z) for z in linear(layer["w1"], norm(xs[t]))]
            xs[t] = [a + b for a, b in zip(xs[t], linear(layer["w2"], hidden))]
    loss = 0.0
    for t in range(steps):
        logits = linear(p["wte"], xs[t])
        loss = loss + logsumexp(logits) - lookup(logits, ids[t + 1])
    return loss / steps


# ------------------------------------------------------------------------------------------------------ ADBench


def mixture(alphas: Any, means: Any, factors: Any, points: Any) -> Any:
    """Compute a mixture of Gaussians' log likelihood, with inverse covariances by their Cholesky factors."""
    d = len(means[0])
    peak = logsumexp(alphas)
    total = 0.0
    for x in points:
        parts = []
        for alpha, mean, factor in zip(alphas, means, factors):
            centred = [a - b for a, b in zip(x, mean)]
            squares, place = 0.0, d
            for i in range(d):
                row = exp(factor[i]) * centred[i]
                for j in range(i):
                    row = row + factor[place] * centred[j]
                    place += 1
                squares = squares + row * row
            parts.append(alpha + sum(factor[i] for i in range(d)) - 0.5 * squares)
        total = total + logsumexp(parts) - peak
    prior = sum(
        0.5 * (sum(exp(2.0 * f[i]) for i in range(d)) + sum(f[i] * f[i] for i in range(d, len(f)))) for f in factors
    )
    return total - prior


def rotate(angles: Numbers, x: Numbers) -> list[Any]:
    """Rotate, by Rodrigues' formula."""
    theta = sqrt(sum(a * a for a in angles))
    w = [a / theta for a in angles]
    c, s = cos(theta), sin(theta)
    cross = [w[1] * x[2] - w[2] * x[1], w[2] * x[0] - w[0] * x[2], w[0] * x[1] - w[1] * x[0]]
    along = sum(a * b for a, b in zip(w, x)) * (1.0 - c)
    return [a * c + b * s + d * along for a, b, d in zip(x, cross, w)]


def bundle(camera: Any, point: Any, weight: Any, seen: Any) -> Any:
    """Compute the residuals of one observation of bundle adjustment."""
    at = rotate(camera[:3], [a - b for a, b in zip(point, camera[3:6])])
    x, y = at[0] / at[2], at[1] / at[2]
    square = x * x + y * y
    radial = 1.0 + camera[9] * square + camera[10] * square * square
    return [
        weight * (camera[6] * x * radial + camera[7] - seen[0]),
        weight * (camera[6] * y * radial + camera[8] - seen[1]),
    ]


def turn(a: Any, b: Any, c: Any) -> list[list[Any]]:
    """Make a matrix of Euler's angles."""
    about_x = [[1.0, 0.0, 0.0], [0.0, cos(a), -sin(a)], [0.0, sin(a), cos(a)]]
    about_y = [[cos(b), 0.0, sin(b)], [0.0, 1.0, 0.0], [-sin(b), 0.0, cos(b)]]
    about_z = [[cos(c), -sin(c), 0.0], [sin(c), cos(c), 0.0], [0.0, 0.0, 1.0]]
    return matmul(about_z, matmul(about_y, about_x))


def hand(wrist: Any, moved: Any, fingers: Any, points: Any) -> Any:
    """Measure how far the bones of a hand are from points on them; each finger spreads once, and bends in each bone."""
    base = turn(*wrist)
    loss = 0.0
    for angles, finger in zip(fingers, points):
        frame, at = matmul(base, turn(angles[0], angles[1], 0.0)), list(moved)
        for bend, bone in zip(angles[2:], finger):
            frame = matmul(frame, turn(bend, 0.0, 0.0))
            for share, seen in enumerate(bone, 1):
                found = [at[i] + frame[i][1] * (share / len(bone)) for i in range(3)]
                loss = loss + sum((a - b) ** 2 for a, b in zip(found, seen))
            at = [at[i] + frame[i][1] for i in range(3)]
    return loss


def lstm(weights: Any, biases: Any, ends: Any, series: Any) -> Any:
    """Predict the next of a series by the suite's network, whose gates are products of numbers."""
    n = len(series[0])
    states = [([0.0] * n, [0.0] * n) for _ in weights]
    loss = 0.0
    for now, after in itertools.pairwise(series):
        x = [a * b for a, b in zip(now, ends[0])]
        for layer, (w, b) in enumerate(zip(weights, biases)):
            hidden, cell = states[layer]
            forget = [sigmoid(x[i] * w[0][i] + b[0][i]) for i in range(n)]
            taken = [sigmoid(hidden[i] * w[1][i] + b[1][i]) for i in range(n)]
            given = [sigmoid(x[i] * w[2][i] + b[2][i]) for i in range(n)]
            change = [tanh(hidden[i] * w[3][i] + b[3][i]) for i in range(n)]
            cell = [cell[i] * forget[i] + taken[i] * change[i] for i in range(n)]
            x = [given[i] * tanh(cell[i]) for i in range(n)]
            states[layer] = x, cell
        out = [x[i] * ends[1][i] + ends[2][i] for i in range(n)]
        scale = log(sum(exp(v) for v in out) + 2.0)
        loss = loss - sum(a * (v - scale) for a, v in zip(after, out))
    return loss / (n * (len(series) - 1))
