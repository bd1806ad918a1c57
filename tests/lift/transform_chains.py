"""Random chains of joints, as robots and hands have them: derivatives of one number of a product of transforms."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from random_programs import HEADER, SETS, RandomProgram

_PARTS = """
def times(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def turn(axis, x):
    c, s = cos(x), sin(x)
    return {
        "x": [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]],
        "y": [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]],
        "z": [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
    }[axis]


def euler(a):
    c, s = [cos(x) for x in a], [sin(x) for x in a]
    return [
        [c[1] * c[2], s[0] * s[1] * c[2] - c[0] * s[2], c[0] * s[1] * c[2] + s[0] * s[2]],
        [c[1] * s[2], s[0] * s[1] * s[2] + c[0] * c[2], c[0] * s[1] * s[2] - s[0] * c[2]],
        [-s[1], s[0] * c[1], c[0] * c[1]],
    ]


def signed(signs, a):
    return [[x if sign > 0 else -x for x, sign in zip(row, line)] for row, line in zip(a, signs)]


def after(first, second):
    (a, s), (b, t) = first, second
    return times(a, b), [sum(a[i][k] * t[k] for k in range(3)) + s[i] for i in range(3)]


"""
_SIGNS = st.lists(st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=3), min_size=3, max_size=3)


@st.composite
def transform_chains(draw: DrawFn, most: int = 3) -> RandomProgram:
    """Draw the derivative of one number of a chain of so many transforms, by the angles and places of its joints."""
    lines = ["def chain(angles, places, point):", "    whole = None"]
    joints = draw(st.integers(1, most))
    for joint in range(joints):
        kind = draw(st.sampled_from(["euler", "turns", "one"]))
        turns = [draw(st.sampled_from("xyz")) for _ in range(3 if kind == "turns" else 1)]
        matrix = f"euler(angles[{joint}])" if kind == "euler" else f"turn({turns[0]!r}, angles[{joint}][0])"
        for place, axis in enumerate(turns[1:], 1):
            matrix = f"times({matrix}, turn({axis!r}, angles[{joint}][{place}]))"
        if draw(st.booleans()):
            matrix = f"signed({draw(_SIGNS)}, {matrix})"
        if draw(st.booleans()):
            numbers = [draw(st.sampled_from([0.0, 1.0, -1.0, 0.5])) for _ in range(9)]
            matrix = f"times({[numbers[3 * i : 3 * i + 3] for i in range(3)]}, {matrix})"
        place = draw(st.sampled_from(["[0.0, 0.0, 0.0]", f"places[{joint}]"]))
        lines.append(f"    joint = ({matrix}, {place})")
        lines.append("    whole = joint if whole is None else after(whole, joint)")
    row, column = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    lines.append("    rotation, place = whole")
    lines.append(
        draw(
            st.sampled_from(
                [
                    f"    return rotation[{row}][{column}]",
                    f"    return place[{row}] - rotation[{row}][{column}]",
                    f"    return point[{row}] - (sum(rotation[{row}][k] * point[k] for k in range(3)) + place[{row}])",
                ]
            )
        )
    )
    derived = draw(st.sampled_from(["value_and_grad(chain, (0, 1, 2))", "grad(chain)", "grad(chain, (0, 2))"]))
    source = HEADER + _PARTS + "\n".join(lines) + f"\n\n\nprogram = {derived}\n"
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    arguments = [tuple(rng.normal(size=shape).tolist() for shape in ((joints, 3), (joints, 3), 3)) for _ in range(SETS)]
    return RandomProgram(source, arguments)
