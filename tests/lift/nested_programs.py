"""Random loops within loops, as source: what an outer step does before, in, and after the inner loop is drawn.

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
#: So many steps have the loops.
OUTER, INNER = 9, 8


def draw_program(seed: int) -> str:
    """A function ``program(p, xs, s0)``: parameters, a number for each outer and inner step, and the first states."""
    draw = random.Random(seed)
    width = draw.choice([1, 1, 2, 3])
    lines = [
        "def program(p, xs, s0):",
        f"    s = [s0[k] for k in range({width})]",
        f"    m = [0.5 * s0[k] for k in range({width})]",
        "    total, seen, past = 0.0, [], None",
        "    for e in range(len(xs)):",
    ]
    if draw.random() < 0.4:
        lines.append(f"        m = [{_expression(draw, width, False)} for k in range({width})]")
    if draw.random() < 0.3:
        lines.append("        s = [sin(v) for v in s]")
    lines += ["        history = []", "        for t in range(len(xs[0])):", "            x = xs[e][t]"]
    if draw.random() < 0.6:
        lines.append(f"            m = [{_expression(draw, width, True)} for k in range({width})]")
    lines.append(f"            s = [{_expression(draw, width, True)} for k in range({width})]")
    if draw.random() < 0.4:
        lines.append("            total = total + 0.1 * s[0] * m[0]")
    if draw.random() < 0.3:
        lines.append("            history.append(s[0] * x)")
    if draw.random() < 0.15:
        lines.append("            if past is not None:")
        lines.append("                s = [v + 0.1 * past[t] for v in s]")
        lines.append("            history.append(s[0])")
    rare = draw.random()
    if rare < 0.1:
        lines += [f"        if e == {draw.choice([0, 3, 8])}:", "            s = [cos(v) for v in s]"]
    elif rare < 0.2:
        lines += [f"            if t == {draw.choice([0, 4, 7])}:", "                s = [cos(v) for v in s]"]
    if draw.random() < 0.7:
        lines.append(f"        s = [{_expression(draw, width, False)} for k in range({width})]")
    if draw.random() < 0.5:
        lines.append("        total = total + s[0] * s[0]")
    if draw.random() < 0.4:
        lines.append("        total = total + sum(history, 0.0)")
    if draw.random() < 0.4:
        lines.append("        seen.append(s[0])")
    lines.append("        past = history")
    end = draw.choice(["total", "sum(s, 0.0)", "total * s[0] + sum(p)"])
    lines.append(f"    return {end} + 0.1 * sum(s, 0.0){', seen' if draw.random() < 0.3 else ''}")
    return HEADER + "\n".join(lines) + "\n"


def _atom(draw: random.Random, width: int, inside: bool) -> str:
    atoms = ["s[k]", "m[k]", "p[0]", "p[1]", "p[2]", f"s[(k + 1) % {width}]", "s[0]", "0.5"]
    atoms += ["x", "x"] if inside else ["xs[e][0]"]
    return draw.choice(atoms)


def _expression(draw: random.Random, width: int, inside: bool) -> str:
    terms = [
        f"{_atom(draw, width, inside)} * {_atom(draw, width, inside)}"
        if draw.random() < 0.6
        else _atom(draw, width, inside)
        for _ in range(draw.randint(1, 3))
    ]
    return f"{draw.choice(['tanh', 'sin', 'tanh', 'sigmoid'])}({' + '.join(terms)} + 0.3 * s[k])"


def compare_nested(seed: int, engine: str = "numpy") -> Program:
    """Lift a drawn program and its gradient, and compare both with the function.

    Raises:
        AssertionError: A number differs.
    """
    names: dict[str, object] = {}
    exec(draw_program(seed), names)
    function = names["program"]
    assert callable(function)
    rng = np.random.default_rng(seed)
    arguments = (rng.uniform(-1, 1, 3), rng.uniform(-1, 1, (OUTER, INNER)), rng.uniform(-1, 1, 3))
    differentiated = value_and_grad(lambda p, xs, s0: _first(function(p, xs, s0)), argnums=(0, 1, 2))
    lifted = lift(differentiated, engine=engine)
    found = np.concatenate([np.ravel(leaf) for leaf in tree_leaves(lifted(*arguments))])
    given = [argument.tolist() for argument in arguments]
    wanted = np.concatenate([np.ravel(leaf) for leaf in tree_leaves(differentiated(*given))])
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)
    return lifted.program_for(*arguments)


def _first(found: object) -> object:
    """The number of a result, and of what was seen besides the sum."""
    return found[0] + sum(found[1]) if isinstance(found, tuple) else found
