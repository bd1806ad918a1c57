"""Random functions of arrays of any size, as source; in some, one statement asks how long something is.

A program has arguments of the shapes (n,), (m,), (n, m), (m, m) and (3,), which statements combine; p and c are lengths
after strides and windows. ``draw`` gives its source; ``arguments`` makes arrays for it of any sizes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

HEADER = """from itertools import accumulate

from tinygrad_lite import *


def normalize(v):
    mean = sum(v) / len(v)
    scale = sqrt(sum((u - mean) ** 2 for u in v) / len(v) + 0.1)
    return [(u - mean) / scale for u in v]


def attend(q, k, v, sees):
    found = []
    for t, row in enumerate(q):
        seen = [s for s in range(len(k)) if sees(s, t)]
        p = softmax([sum(a * b for a, b in zip(row, k[s])) / len(row) ** 0.5 for s in seen])
        found.append([sum(a * v[s][c] for a, s in zip(p, seen)) for c in range(len(row))])
    return found


def remember(u, xs, h):
    for x in xs:
        z = [sigmoid(sum(a * b for a, b in zip(row, h)) + v) for row, v in zip(u, x)]
        h = [p * a + (1.0 - p) * tanh(v) for p, a, v in zip(z, h, x)]
    return h


def filter_forward(u, xs, h):
    for x in xs:
        h = [logsumexp([h[i] + u[i][j] for i in range(len(h))]) + x[j] for j in range(len(h))]
    return h


"""
_SHAPES = {"x": "n", "y": "m", "w": "nm", "u": "mm"}
_TOGETHER = "sum(({0}[i] - {1}[j]) ** 2 for j in range(n) if j != i)"
_CROSS = " + ".join(
    ["({0}[i - 1][j] if i else 0.0)", "({0}[i + 1][j] if i < n - 1 else 0.0)", "({0}[i][j - 1] if j else 0.0)"]
)
#: Kinds of statements that make of names of some shapes one of another: {0} and {1} are these.
_STATEMENTS = (
    ("elements", "n", ("n",), "[tanh({0}[i]) for i in range(n)]"),
    ("elements", "m", ("m",), "[{0}[j] * sigmoid({0}[j]) for j in range(m)]"),
    ("elements", "n", ("n", "n"), "[{0}[i] * {1}[i] for i in range(n)]"),
    ("elements", "nm", ("nm",), "[[sin({0}[i][j]) for j in range(m)] for i in range(n)]"),
    ("elements", "p", ("p",), "[tanh(v) for v in {0}]"),
    ("elements", "c", ("c",), "[tanh(v) for v in {0}]"),
    ("reversed", "n", ("n", "n"), "[{0}[i] - {1}[n - 1 - i] for i in range(n)]"),
    ("reversed", "nm", ("nm", "nm"), "[[{0}[i][j] * {1}[i][m - 1 - j] for j in range(m)] for i in range(n)]"),
    ("wrapped", "n", ("n",), "[{0}[i] + 0.5 * {0}[(i + 1) % n] for i in range(n)]"),
    ("wrapped", "m", ("m",), "[tanh({0}[j - 1] - {0}[j]) for j in range(m)]"),
    ("positions", "n", ("n",), "[{0}[i] * (i + 1) / n for i in range(n)]"),
    ("means", "m", ("m",), "[{0}[j] - sum({0}) / m for j in range(m)]"),
    ("means", "m", ("m",), "normalize({0})"),
    ("means", "nm", ("nm",), "[normalize(row) for row in {0}]"),
    ("products", "n", ("nm", "m"), "[sum({0}[i][j] * {1}[j] for j in range(m)) / m for i in range(n)]"),
    ("products", "m", ("nm", "n"), "[sum({0}[i][j] * {1}[i] for i in range(n)) for j in range(m)]"),
    ("products", "nm", ("n", "m"), "[[{0}[i] * {1}[j] for j in range(m)] for i in range(n)]"),
    ("products", "m", ("mm", "m"), "[tanh(sum(a * b for a, b in zip(row, {1}))) for row in {0}]"),
    ("broadcast", "nm", ("nm", "n"), "[[{0}[i][j] + {1}[i] for j in range(m)] for i in range(n)]"),
    ("masks", "n", ("n", "n"), "[sum({0}[i] * {1}[j] for j in range(i + 1)) for i in range(n)]"),
    ("masks", "n", ("n", "n"), f"[{_TOGETHER} / (n - 1) for i in range(n)]"),
    ("masks", "n", ("n", "n"), "[sum({0}[i] * {1}[j] for j in range(max(0, i - 2), i + 1)) for i in range(n)]"),
    ("softmax", "m", ("m",), "[p * 2.0 for p in softmax({0})]"),
    ("softmax", "nm", ("nm",), "[softmax({0}[i]) for i in range(n)]"),
    ("softmax", "n", ("nm",), "[logsumexp(row) / n for row in {0}]"),
    ("ends", "n", ("nm",), "[{0}[i][0] * {0}[i][m - 1] for i in range(n)]"),
    ("rims", "m", ("m",), "[{0}[0], *[0.5 * ({0}[j - 1] + {0}[j + 1]) for j in range(1, m - 1)], {0}[m - 1]]"),
    ("rims", "nm", ("nm",), f"[[tanh({{0}}[i][j] - 0.1 * ({_CROSS})) for j in range(m)] for i in range(n)]"),
    ("convolutions", "c", ("m",), "[sum(k[a] * {0}[j + a] for a in range(3)) for j in range(m - 2)]"),
    (
        "convolutions",
        "n",
        ("n",),
        "[sum(k[a] * {0}[i + a - 1] for a in range(3) if 0 <= i + a - 1 < n) for i in range(n)]",
    ),
    ("strides", "p", ("m",), "[sum(k[a] * {0}[2 * j + a] for a in range(3)) for j in range((m - 1) // 2)]"),
    ("strides", "p", ("m",), "{0}[1:m - 1:2]"),
    ("pools", "p", ("m",), "[maximum({0}[2 * j], {0}[2 * j + 1]) for j in range((m - 1) // 2)]"),
    ("pools", "p", ("m",), "[maximum(maximum({0}[j], {0}[j + 1]), {0}[j + 2]) for j in range(0, m - 2, 2)]"),
    ("pools", "p", ("m",), "[sum({0}[j : j + 3]) / 3 for j in range(0, m - 2, 2)]"),
    ("prefix sums", "n", ("n",), "[sum({0}[: i + 1]) for i in range(n)]"),
    ("prefix sums", "n", ("n",), "list(accumulate({0}, lambda a, b: a + b))"),
    ("prefix sums", "n", ("n",), "[tanh(v) for v in accumulate({0}, lambda a, b: 0.9 * a + 0.1 * b)]"),
    ("heads", "m", ("m",), "[v for h in range(4) for v in softmax({0}[m // 4 * h : m // 4 * (h + 1)])]"),
    ("attention", "nm", ("nm", "nm"), "attend({0}, {1}, {0}, lambda s, t: s <= t)"),
    ("recurrence", "m", ("mm", "nm", "m"), "remember({0}, {1}, {2})"),
    ("recurrence", "m", ("mm", "nm", "m"), "filter_forward({0}, {1}, {2})"),
)
#: Kinds that take long are drawn less often.
_LONG = ("attention", "recurrence")
#: What is another function at some sizes.
TRAPS = (
    "{0} = [2.0 * v for v in {0}] if n > 20 else {0}",
    "{0} = [v / min(n, 17) for v in {0}]",
    "{0} = [v if i < 18 else 0.5 * v for i, v in enumerate({0})]",
    "{0} = [v * len(bin(n)) for v in {0}]",
    "{0} = {0} if n != 24 else {0}[::-1]",
    "{0} = [v + (x[19] if n > 19 else 0.0) for v in {0}]",
)


def draw(seed: int, trap: bool = False) -> str:
    """Draw a program; with a trap it is not the same function at all sizes."""
    return draw_kinds(seed, trap)[0]


def draw_kinds(seed: int, trap: bool = False) -> tuple[str, set[str]]:
    """Draw a program, and the kinds of its statements."""
    rng = random.Random(seed)
    shapes = dict(_SHAPES)
    body = ["n, m = len(x), len(y)"]
    kinds = set()
    for number in range(rng.randint(1, 4)):
        possible = [s for s in _STATEMENTS if all(shape in shapes.values() for shape in s[2])]
        weights = [0.3 if statement[0] in _LONG else 1.0 for statement in possible]
        kind, shape, takes, text = rng.choices(possible, weights)[0]
        names = [rng.choice([name for name, has in shapes.items() if has == need][-3:]) for need in takes]
        shapes[f"t{number}"] = shape
        kinds.add(kind)
        body.append(f"t{number} = {text.format(*names)}")
    if trap:
        rows = [name for name, shape in shapes.items() if shape == "n"]
        body.append(rng.choice(TRAPS).format(rows[-1]))
    last = [name for name in shapes if name[0] == "t"][-2:] + ["x"] * trap
    if trap:
        last = [rows[-1], *last]
    parts = [
        f"sum(v * v for r in {name} for v in r)" if shapes[name] == "nm" else f"sum(v * v for v in {name})"
        for name in dict.fromkeys(last)
    ]
    lines = "".join([f"    {line}\n" for line in [*body, "return " + " + ".join(parts)]])
    return f"{HEADER}def program(x, y, w, u, k):\n{lines}", kinds


def function_of(source: str) -> Callable[..., Any]:
    """The function that a source defines."""
    names: dict[str, Any] = {}
    exec(compile(source, "<regular program>", "exec"), names)
    found: Callable[..., Any] = names["program"]
    return found


def arguments(seed: int, n: int, m: int) -> tuple[Any, ...]:
    """Arrays for a program, of these sizes; m is a multiple of 4, as it is divided among heads."""
    rng = np.random.default_rng(seed)
    shapes = (n,), (m,), (n, m), (m, m), (3,)
    x, y, w, u, k = [rng.normal(size=shape) for shape in shapes]
    return x, y, w, u / m**0.5, k
