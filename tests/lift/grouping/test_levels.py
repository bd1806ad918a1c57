"""Programs with rims: scalars near a border stay in the groups of the others, and are computed as the function says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checked_groups import DRAWN, check, holds, numbers
from hypothesis import given
from random_programs import RandomProgram, random_programs

import tinygrad_lite as tg
from tinygrad_lite import value_and_grad
from tinygrad_lite.lift.grouping import grouping
from tinygrad_lite.lift.ir.groups import Groups

#: A program of so many steps, and its arguments.
Program = tuple[Callable[..., Any], tuple[Any, ...]]


@pytest.fixture
def by_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    force_levels(monkeypatch)


def force_levels(patch: pytest.MonkeyPatch) -> None:
    """Group every program by levels, whatever it costs."""
    for name, value in (("_MANY", 0), ("_ALIKE", 0.0), ("_SHARE", float("inf"))):
        patch.setattr(grouping, name, value)


def heat(steps: int, rim: str) -> Program:
    """A heat equation, with a border that is fixed, reflecting, or given for each step."""

    def loss(u: Any, target: Any, border: Any) -> Any:
        n, m = u.shape
        for step in range(steps):
            new = [list(row) for row in u]
            for i in range(n):
                for j in range(m):
                    inside = 0 < i < n - 1 and 0 < j < m - 1
                    if not inside and rim == "fixed":
                        continue
                    if not inside and rim == "given":
                        new[i][j] = border[step]
                        continue
                    near = [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
                    near = [(min(max(a, 0), n - 1), min(max(b, 0), m - 1)) for a, b in near]
                    new[i][j] = u[i][j] + 0.2 * (sum(u[a][b] for a, b in near) - 4 * u[i][j])
            u = np.array(new, dtype=object)
        return sum((u[i][j] - target[i][j]) ** 2 for i in range(n) for j in range(m))

    return loss, (numbers(7, 6), numbers(7, 6, seed=1), numbers(steps, seed=2))


def tree(steps: int, american: bool) -> Program:
    """The price of an option on a binomial tree (Cox, Ross and Rubinstein 1979)."""

    def price(spot: Any, sigma: Any, rate: Any) -> Any:
        up = tg.exp(sigma * (1.0 / steps) ** 0.5)
        down = 1 / up
        p = (tg.exp(rate / steps) - down) / (up - down)
        discount = tg.exp(-rate / steps)
        values = [tg.maximum(101.3 - spot * up**j * down ** (steps - j), 0.0) for j in range(steps + 1)]
        for i in range(steps - 1, -1, -1):
            values = [discount * (p * values[j + 1] + (1 - p) * values[j]) for j in range(i + 1)]
            if american:
                values = [tg.maximum(v, 101.3 - spot * up**j * down ** (i - j)) for j, v in enumerate(values)]
        return values[0]

    return price, (98.7, 0.2, 0.05)


def soft_dtw(size: int) -> Program:
    """A soft minimum over all alignments of two series (Cuturi and Blondel 2017)."""

    def distance(x: Any, y: Any) -> Any:
        table = [[1e6] * (size + 1) for _ in range(size + 1)]
        table[0][0] = 0.0
        for i in range(1, size + 1):
            for j in range(1, size + 1):
                before = (table[i - 1][j - 1], table[i - 1][j], table[i][j - 1])
                table[i][j] = (x[i - 1] - y[j - 1]) ** 2 - tg.logsumexp([-r for r in before])
        return table[size][size]

    return distance, (numbers(size), numbers(size, seed=1))


def edit_distance(size: int) -> Program:
    """The least cost of making one series another."""

    def distance(cost: Any, gap: Any) -> Any:
        table = [[0.0] * (size + 1) for _ in range(size + 1)]
        for i in range(1, size + 1):
            table[i][0] = table[0][i] = i * gap
        for i in range(1, size + 1):
            for j in range(1, size + 1):
                least = tg.minimum(table[i - 1][j] + gap, table[i][j - 1] + gap)
                table[i][j] = tg.minimum(least, table[i - 1][j - 1] + cost[i - 1][j - 1])
        return table[size][size]

    return distance, (np.abs(numbers(size, size)), 0.41)


def pooling(size: int) -> Program:
    """The maximum of windows that lie over the rim."""

    def loss(image: Any) -> Any:
        total = 0.0
        for i in range(0, size, 2):
            for j in range(0, size, 2):
                window = [
                    image[a][b] ** 2
                    for a in range(max(i - 1, 0), min(i + 2, size))
                    for b in range(max(j - 1, 0), min(j + 2, size))
                ]
                largest = window[0]
                for x in window[1:]:
                    largest = tg.maximum(largest, x)
                total = total + largest**2
        return total

    return loss, (numbers(size, size),)


PROGRAMS: dict[str, Callable[[int], Program]] = {
    "a heat equation with a fixed border": lambda n: heat(n, "fixed"),
    "a heat equation with a given border": lambda n: heat(n, "given"),
    "a heat equation with a reflecting border": lambda n: heat(n, "reflecting"),
    "a European option on a tree": lambda n: tree(2 * n, False),
    "an American option on a tree": lambda n: tree(n, True),
    "soft dynamic time warping": soft_dtw,
    "an edit distance": edit_distance,
    "windows of pooling over the rim": lambda n: pooling(3 + n),
}


def with_gradient(program: Program) -> Program:
    function, arguments = program
    return value_and_grad(function, argnums=tuple(range(len(arguments)))), arguments


def groups_of(program: Program) -> int:
    function, arguments = with_gradient(program)
    found: Groups = check(function, arguments)
    return len([group for group in found.groups if group.kind in ("map", "sum", "fold")])


@pytest.mark.parametrize("name", PROGRAMS)
def test_groups_by_levels_are_the_function_and_its_gradient(name: str, by_levels: None) -> None:
    function, arguments = with_gradient(PROGRAMS[name](3))
    check(function, arguments, [np.asarray(x) * 1.01 + 0.003 for x in arguments])


@pytest.mark.parametrize("name", PROGRAMS)
def test_groups_by_levels_do_not_grow_with_the_distance_to_the_rim(name: str, by_levels: None) -> None:
    sizes = {"windows of pooling over the rim": (4, 6, 8), "an American option on a tree": (8, 9, 10)}.get(
        name, (4, 5, 6)
    )
    counts = [groups_of(PROGRAMS[name](size)) for size in sizes]
    assert counts[2] - counts[1] <= counts[1] - counts[0] + 2, counts


@pytest.mark.parametrize(("name", "size", "most"), [(next(iter(PROGRAMS)), 8, 45), ("an edit distance", 6, 310)])
def test_levels_are_taken_where_they_are_fewer(name: str, size: int, most: int) -> None:
    assert groups_of(PROGRAMS[name](size)) <= most


@DRAWN
@given(random_programs(statements=2, batches=False))
def test_drawn_programs_by_levels_are_the_function(drawn: RandomProgram) -> None:
    with pytest.MonkeyPatch.context() as patch:
        force_levels(patch)
        holds(drawn)
