"""Random loops over time, as source: drawn states, drawn steps, and the derivative of what comes out.

A drawn program is a module of Python, so that a failure can be read and run. Its numbers stay small: each new state is
a bounded function of sums.
"""

from __future__ import annotations

import random

import numpy as np

from tinygrad_lite import tree_leaves, value_and_grad
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.program import Program

HEADER = "from tinygrad_lite import *\n\n\n"


def draw_program(seed: int) -> str:
    """A function ``program(p, xs, s0)`` of parameters, of a number for each step and place, and of the first state."""
    draw = random.Random(seed)
    width = draw.choice([1, 1, 2, 3])
    states = draw.choice([1, 1, 2, 3])
    lines = [
        "def program(p, xs, s0):",
        f"    s = [[s0[k] * {draw.choice([1.0, 0.5])} for k in range({width})] for _ in range({states})]",
        "    before = s",
        "    total = 0.0",
        "    seen = []",
        "    for t in range(len(xs)):",
        "        x = xs[t]",
        "        new = []",
    ]
    lines += [
        f"        new.append([{_expression(draw, state, states, width)} for k in range({width})])"
        for state in range(states)
    ]
    rare = draw.random()
    if rare < 0.15:
        lines.append(f"        if t == {draw.choice([0, 2, 5])}:")
        lines.append("            new[0] = [sin(v) for v in new[0]]")
    elif rare < 0.25:
        lines.append("        if t % 3 == 1:")
        lines.append("            new[0] = [cos(v) for v in new[0]]")
    elif rare < 0.3:
        lines.append("        new[0] = [v * (0.5 + 0.01 * t) for v in new[0]]")
    lines += ["        before, s = s, new", f"        total = total + {_reading(draw, states, width)}"]
    if draw.random() < 0.5:
        lines.append(f"        seen.append({_reading(draw, states, width)})")
    end = draw.choice(["total", "sum(s[0])", "total * s[0][0] + sum(p)"])
    lines.append(f"    return {end}{', seen' if lines[-1].strip().startswith('seen') and draw.random() < 0.5 else ''}")
    return HEADER + "\n".join(lines) + "\n"


def _atom(draw: random.Random, state: int, states: int, width: int) -> str:
    other = draw.randrange(states)
    return draw.choice(
        [
            f"s[{other}][k]",
            f"s[{state}][k]",
            f"s[{other}][(k + 1) % {width}]",
            f"before[{other}][k]",
            f"x[{draw.choice(['0', '1', 'k'])}]",
            f"xs[(t + {draw.choice([0, 1])}) % len(xs)][k]" if draw.random() < 0.2 else "x[k]",
            f"p[{draw.randrange(3)}]",
            f"p[{draw.randrange(3)}]",
            f"sum(a * b for a, b in zip(s[{other}], p))",
            str(draw.choice([0.5, 1.5, -0.25])),
            *([f"new[{draw.randrange(state)}][k]"] if state else []),
        ]
    )


def _expression(draw: random.Random, state: int, states: int, width: int) -> str:
    terms = []
    for _ in range(draw.choice([1, 2, 2, 3])):
        factors = [_atom(draw, state, states, width) for _ in range(draw.choice([1, 2, 2]))]
        terms.append(" * ".join(factors))
    inside = draw.choice([" + ", " - "]).join(terms)
    outer = draw.choice(["tanh({})", "sigmoid({})", "0.3 * sin({}) + 0.1", "tanh({}) * 0.9 + 0.2 * x[0]"])
    return outer.format(inside)


def _reading(draw: random.Random, states: int, width: int) -> str:
    state = draw.randrange(states)
    return draw.choice(
        [f"s[{state}][0] ** 2", f"(s[{state}][{width - 1}] - x[0]) ** 2", f"sum(s[{state}])", f"s[{state}][0] * p[0]"]
    )


def compare_over_time(seed: int, engine: str = "numpy") -> Program:
    """Lift a drawn program with its derivatives, and raise unless it computes what the function does, twice."""
    names: dict[str, object] = {}
    exec(compile(draw_program(seed), f"<random loop {seed}>", "exec"), names)
    f = names["program"]
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(6, 16))

    def draw() -> tuple[object, ...]:
        return rng.uniform(-1, 1, 3).tolist(), rng.uniform(-1, 1, (steps, 3)), rng.uniform(-1, 1, 3).tolist()

    arguments = draw()
    if not isinstance(f(*arguments), tuple):
        f = value_and_grad(f, argnums=(0, 1, 2))
    lifted = lift(f, engine=engine)
    for given in (arguments, draw()):
        found, expected = (np.concatenate([np.ravel(leaf) for leaf in tree_leaves(g(*given))]) for g in (lifted, f))
        np.testing.assert_allclose(found, np.array(expected, dtype=float), rtol=1e-9, atol=1e-11)
    return lifted.program_for(*arguments)
