"""Random functions of arrays of any size, as source; in some, one statement asks how long something is.

A program has arguments of the lengths n and m, and names of the shapes (n,), (m,), (n, m) and (m, n) that statements
combine. ``draw`` gives its source; ``arguments`` makes arrays for it of any sizes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

HEADER = "from tinygrad_lite import *\n\n\n"
_SHAPES = {"x": "n", "y": "m", "w": "nm"}
#: Statements that make of names of some shapes one of another: {0} and {1} are these.
_STATEMENTS = (
    ("n", ("n",), "[tanh({0}[i]) for i in range(n)]"),
    ("m", ("m",), "[{0}[j] * sigmoid({0}[j]) for j in range(m)]"),
    ("n", ("n", "n"), "[{0}[i] * {1}[i] for i in range(n)]"),
    ("n", ("n", "n"), "[{0}[i] - {1}[n - 1 - i] for i in range(n)]"),
    ("n", ("n",), "[{0}[i] + 0.5 * {0}[(i + 1) % n] for i in range(n)]"),
    ("n", ("n",), "[{0}[i] * (i + 1) / n for i in range(n)]"),
    ("m", ("m",), "[{0}[j] - sum({0}) / m for j in range(m)]"),
    ("n", ("nm", "m"), "[sum({0}[i][j] * {1}[j] for j in range(m)) / m for i in range(n)]"),
    ("m", ("nm", "n"), "[sum({0}[i][j] * {1}[i] for i in range(n)) for j in range(m)]"),
    ("nm", ("n", "m"), "[[{0}[i] * {1}[j] for j in range(m)] for i in range(n)]"),
    ("nm", ("nm",), "[[sin({0}[i][j]) for j in range(m)] for i in range(n)]"),
    ("nm", ("nm", "n"), "[[{0}[i][j] + {1}[i] for j in range(m)] for i in range(n)]"),
    ("nm", ("nm", "nm"), "[[{0}[i][j] * {1}[i][m - 1 - j] for j in range(m)] for i in range(n)]"),
    ("n", ("n", "n"), "[sum({0}[i] * {1}[j] for j in range(i + 1)) for i in range(n)]"),
    ("n", ("n", "n"), "[sum(({0}[i] - {1}[j]) ** 2 for j in range(n) if j != i) / (n - 1) for i in range(n)]"),
    ("m", ("m",), "[p * 2.0 for p in softmax({0})]"),
    ("nm", ("nm",), "[softmax({0}[i]) for i in range(n)]"),
    ("n", ("nm",), "[{0}[i][0] * {0}[i][m - 1] for i in range(n)]"),
    ("m", ("m",), "[{0}[0], *[0.5 * ({0}[j - 1] + {0}[j + 1]) for j in range(1, m - 1)], {0}[m - 1]]"),
)
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
    rng = random.Random(seed)
    shapes = dict(_SHAPES)
    body = ["n, m = len(x), len(y)"]
    for number in range(rng.randint(2, 5)):
        possible = [s for s in _STATEMENTS if all(shape in shapes.values() for shape in s[1])]
        shape, takes, text = rng.choice(possible)
        names = [rng.choice([name for name, has in shapes.items() if has == need][-3:]) for need in takes]
        shapes[f"t{number}"] = shape
        body.append(f"t{number} = {text.format(*names)}")
    if trap:
        rows = [name for name, shape in shapes.items() if shape == "n"]
        body.append(rng.choice(TRAPS).format(rows[-1]))
    last = [name for name in shapes if name[0] == "t"][-2:] + ["x"] * trap
    if trap:
        last = [rows[-1], *last]
    parts = [
        f"sum(sum(r) for r in {name})" if shapes[name] == "nm" else f"sum(v * v for v in {name})"
        for name in dict.fromkeys(last)
    ]
    return (
        HEADER
        + "def program(x, y, w):\n"
        + "".join([f"    {line}\n" for line in [*body, "return " + " + ".join(parts)]])
    )


def function_of(source: str) -> Callable[..., Any]:
    """The function that a source defines."""
    names: dict[str, Any] = {}
    exec(compile(source, "<regular program>", "exec"), names)
    found: Callable[..., Any] = names["program"]
    return found


def arguments(seed: int, n: int, m: int) -> tuple[Any, ...]:
    """Arrays for a program, of these sizes."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(size=m), rng.normal(size=(n, m))
