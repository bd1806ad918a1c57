"""Masked sums whose terms fill slices of an axis are written as these slices, one behind the other."""

from __future__ import annotations

from typing import Any

import interpreter
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_builder import Builder, along, at, ref, table

from tinygrad_lite.lift.engines.numpy_engine import build
from tinygrad_lite.lift.ir.groups import Groups, Term
from tinygrad_lite.lift.source.emit import emit


def check(program: Groups) -> str:
    rng = np.random.default_rng(0)
    groups = [program.groups[number] for number in program.inputs]
    inputs = [rng.normal(size=group.shape + ((3,) if group.batched else ())) for group in groups]
    for found, expected in zip(build(program)(inputs), interpreter.run(program, inputs), strict=True):
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    return emit(program).text


@st.composite
def joins(draw: Any) -> Groups:
    """A sum of an array of two axes whose terms fill drawn slices of one of them; not all of it, perhaps."""
    axis, size, other = draw(st.integers(0, 1)), draw(st.integers(2, 6)), draw(st.integers(1, 3))
    owner = np.array(draw(st.lists(st.integers(-1, 2), min_size=size, max_size=size)))
    b = Builder()
    terms = []
    for k in range(3):
        batched = draw(st.booleans())
        way = draw(st.sampled_from(["moves", "backwards", "table", "stays", "transposed", "contracts"]))
        whole = b.input(f"a{k}", size + 1, other, batched=batched)
        flipped = b.input(f"b{k}", other, size, batched=batched)
        here = {
            "moves": along(axis, 1, draw(st.integers(0, 1))),
            "backwards": along(axis, -1, size),
            "table": table(draw(st.lists(st.integers(0, size), min_size=size, max_size=size)), axis),
        }.get(way, at(draw(st.integers(0, size))))
        factors = (ref(whole, here, 1 - axis),)
        reduced: tuple[int, ...] = ()
        if way == "transposed":
            factors = (ref(flipped, 1 - axis, axis),)
        if way == "contracts":
            factors, reduced = (ref(flipped, 2, axis), ref(whole, at(0), 2)), (other,)
        terms.append(Term(factors, reduced, draw(st.sampled_from([1.0, -1.0])), owner == k, (axis,)))
    shape = (size, other) if axis == 0 else (other, size)
    return b.result(b.sum(shape, *draw(st.permutations(terms)))).program


@given(joins())
def test_slices_hold_what_the_masked_sum_does(program: Groups) -> None:
    check(program)


def rows(*filled: list[bool], axis: int = 0, batched: bool = False) -> Groups:
    b = Builder()
    size = len(filled[0])
    shape = (size, 2) if axis == 0 else (2, size)
    terms = []
    for name, mask in zip("pqr", filled, strict=False):
        terms.append(Term((ref(b.input(name, 2, batched=batched), 1 - axis),), mask=np.array(mask), axes=(axis,)))
    return b.result(b.sum(shape, *terms)).program


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (rows([False, True], [True, False]), "stack([q, p])"),
        (rows([False, True], [True, False], batched=True), "stack([q, p])"),
        (rows([False, True], [True, False], axis=1), "stack([q, p], 1)"),
        (rows([True, False, True], [False, True, False]), "stack([p, q, p])"),
        (rows([True, False, False], [False, False, True]), "stack([p, broadcast_to(asarray(0.0), (2,)), q])"),
        (rows([True, True, False], [False, False, True]), "concatenate([broadcast_to(p, (2, 2)), q[None]])"),
    ],
)
def test_rows_are_stacked_and_slices_concatenated(program: Groups, text: str) -> None:
    assert text in check(program)


@pytest.mark.parametrize(
    "program",
    [
        rows([True, True], [True, False]),  # two terms meet
        rows([True, False] * 5, [False, False] * 5),  # more slices than masks
        rows([True, False]),  # nothing is joined
    ],
)
def test_other_masks_stay_masks(program: Groups) -> None:
    assert "where(" in check(program)
