"""Sums over neighbours: read by slices and rolls, and each scalar adds up its own neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checked_groups import DRAWN, check, numbers
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import value_and_grad
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.lifting import lift


def stencil(offsets: Any, weights: Any, border: str) -> Callable[[Any], Any]:
    """A sum over neighbours at those offsets, which go around at the border, are left out there, or stay inside."""

    def apply(u: Any) -> Any:
        new = []
        for place in itertools.product(*map(range, u.shape)):
            terms = []
            for offset, weight in zip(offsets, weights, strict=True):
                at = [i + o for i, o in zip(place, offset, strict=True)]
                inside = all(0 <= i < n for i, n in zip(at, u.shape, strict=True))
                if border == "around":
                    at = [i % n for i, n in zip(at, u.shape, strict=True)]
                if border == "inside":
                    at = [min(max(i, 0), n - 1) for i, n in zip(at, u.shape, strict=True)]
                if border != "left out" or inside:
                    terms.append(u[tuple(at)] if weight == 1 else weight * u[tuple(at)])
            new.append(sum(terms))
        out = np.empty(len(new), dtype=object)
        out[:] = new
        return out.reshape(u.shape)

    return apply


@st.composite
def stencils(draw: st.DrawFn) -> tuple[Callable[[Any], Any], Any]:
    shape = draw(st.lists(st.integers(3, 9), min_size=1, max_size=2).map(tuple))
    offsets = draw(st.lists(st.tuples(*[st.integers(-2, 2)] * len(shape)), min_size=2, max_size=6, unique=True))
    weights = draw(st.lists(st.sampled_from([1, 1, -1, 0.5]), min_size=len(offsets), max_size=len(offsets)))
    steps = draw(st.integers(1, 3))
    apply = stencil(offsets, weights, draw(st.sampled_from(["around", "left out", "inside"])))

    def program(u: Any) -> Any:
        for _ in range(steps):
            u = apply(u)
        return tg.sum([tg.tanh(x) for x in u.ravel()])

    return program, numbers(*shape)


@DRAWN
@given(stencils(), st.booleans())
def test_each_scalar_adds_up_its_own_neighbours(drawn: tuple[Callable[[Any], Any], Any], derive: bool) -> None:
    program, u = drawn
    check(value_and_grad(program) if derive else program, [u], [0.3 - 0.9 * u])


CROSS = [(1, 0), (-1, 0), (0, 1), (0, -1)]


@pytest.mark.parametrize("engine", ["numpy", "jax", "numba"])
def test_neighbours_that_go_around_are_rolls(engine: str) -> None:
    pytest.importorskip(registry.ENGINES[engine].library)
    apply = stencil([*CROSS, (2, -1)], [1, 1, 1, 1, -0.5], "around")
    u = numbers(16, 17)
    program = lift(apply, engine=engine).program_for(u)
    if engine != "numba":
        assert program.source.count("roll(") >= len(CROSS)
        assert "places" not in program.source
    whole = sum(np.roll(u, (-a, -b), (0, 1)) for a, b in CROSS) - 0.5 * np.roll(u, (-2, 1), (0, 1))
    np.testing.assert_allclose(np.asarray(program(u)), whole, rtol=1e-12)


def test_neighbours_inside_of_a_border_are_slices() -> None:
    def interior(u: Any) -> Any:
        return [[u[i][j + 1] + u[i][j - 1] + u[i + 1][j] + u[i - 1][j] for j in range(1, 11)] for i in range(1, 11)]

    assert "places" not in lift(interior).program_for(numbers(12, 12)).source


def test_a_roll_of_a_part_rolls_that_part() -> None:
    def rolled(u: Any) -> Any:
        return [u[2][(i + 3) % 12] + u[2][i - 1] for i in range(12)]

    source = lift(rolled).program_for(numbers(4, 12)).source
    assert "roll(u[2], -3, 0)" in source
    assert "roll(u[2], 1, 0)" in source
