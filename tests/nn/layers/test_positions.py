"""Positions are added as the formula says, from any offset on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracles import assert_close, numbers, of_leaves, slopes
from sequence_oracles import assert_is_pytorchs, assert_is_the_formulas, drawn

from tinygrad_lite import Value
from tinygrad_lite import sum as total
from tinygrad_lite.nn.base.shapes import flat
from tinygrad_lite.nn.layers.positions import LearnedPositions, SinusoidalPositions
from tinygrad_lite.testing import Verdict, check_gradients

FEW = settings(max_examples=settings().max_examples // 4)
sizes = st.integers(1, 5)
offsets = st.integers(0, 4)
batches = st.lists(st.integers(1, 3), max_size=2)
seeds = st.integers(0, 2**16)


def sinusoids(length: int, size: int) -> Any:
    """Section 3.5 of Vaswani et al. (2017), for an even size."""
    table = np.zeros((length, size))
    for position in range(length):
        for i in range(size // 2):
            angle = position / 10000 ** (2 * i / size)
            table[position, 2 * i], table[position, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return table


@FEW
@given(half=sizes, length=sizes, offset=st.integers(0, 1000), batch=batches, seed=seeds)
def test_sinusoidal_positions_are_those_of_the_formula(
    half: int, length: int, offset: int, batch: list[int], seed: int
) -> None:
    table = sinusoids(offset + length, 2 * half)[offset:]
    layer = SinusoidalPositions(2 * half)
    inputs = [drawn(seed, *batch, length, 2 * half)]
    assert_is_the_formulas(layer, lambda x: [layer(x, offset)], lambda x: [x + table], inputs, seed)


def test_an_odd_size_ends_with_a_sine() -> None:
    assert SinusoidalPositions(3).encoding(2) == [math.sin(2.0), math.cos(2.0), math.sin(2.0 / 10000.0 ** (2 / 3))]


@FEW
@given(first=st.integers(0, 50), second=st.integers(0, 50), shift=st.integers(0, 50))
def test_the_product_of_two_encodings_depends_on_their_distance_alone(first: int, second: int, shift: int) -> None:
    encoding = SinusoidalPositions(8).encoding
    product = np.dot(encoding(first), encoding(second))
    assert math.isclose(product, np.dot(encoding(first + shift), encoding(second + shift)), abs_tol=1e-12)


@FEW
@given(size=sizes, length=sizes, offset=offsets, batch=batches, seed=seeds)
def test_learned_positions_and_their_gradients_are_those_of_the_formula(
    size: int, length: int, offset: int, batch: list[int], seed: int
) -> None:
    layer = LearnedPositions(offset + length + 1, size)
    inputs = [drawn(seed, *batch, length, size)]
    assert_is_the_formulas(
        layer,
        lambda x: [layer(x, offset)],
        lambda x, weight: [x + weight[offset : offset + length]],
        inputs,
        seed,
    )


def test_learned_positions_are_pytorchs_embedding_of_the_positions() -> None:
    torch = pytest.importorskip("torch")
    layer, twin = LearnedPositions(5, 3), torch.nn.Embedding(5, 3)
    places = torch.arange(2, 4)
    assert_is_pytorchs(layer, twin, lambda x: [layer(x, offset=2)], lambda x: [x + twin(places)], [drawn(0, 2, 3)])


def test_learned_positions_begin_standard_normal() -> None:
    weight = LearnedPositions(100, 20, generator=0).state_dict()["weight"]
    assert abs(weight.mean()) < 0.1
    assert abs(weight.std() - 1.0) < 0.1
    assert (weight == LearnedPositions(100, 20, generator=0).state_dict()["weight"]).all()


def test_derivatives_are_those_of_60_digit_arithmetic() -> None:
    def added(layer: Any, xs: Any) -> Any:
        return [x * x for x in flat(layer(xs, offset=1))]

    assert check_gradients(added, LearnedPositions(3, 2, generator=0), [[0.5, -1.0]]).verdict is Verdict.CORRECT
    assert check_gradients(added, SinusoidalPositions(2), [[0.5, -1.0]]).verdict is Verdict.CORRECT


@pytest.mark.parametrize("layer", [SinusoidalPositions(4), LearnedPositions(6, 4, generator=0)])
def test_a_sequence_in_parts_has_the_positions_of_the_whole(layer: Any) -> None:
    xs = drawn(0, 6, 4)
    parts = [numbers(layer(xs[:4])), numbers(layer(xs[4:], offset=4))]
    assert (np.concatenate(parts) == numbers(layer(xs))).all()


def test_only_the_positions_used_get_gradients() -> None:
    layer = LearnedPositions(4, 2)
    total(list(flat(layer(of_leaves(drawn(0, 3, 2, 2)), offset=1)))).backward()
    assert_close(slopes(layer.weight), [[0.0] * 2, [3.0] * 2, [3.0] * 2, [0.0] * 2])


def test_arrays_give_object_arrays() -> None:
    found = SinusoidalPositions(2)(np.zeros((3, 2)))
    assert isinstance(found, np.ndarray)
    assert isinstance(found[0, 0], Value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SinusoidalPositions(0), "embed_dim is a positive number, not 0"),
        (lambda: SinusoidalPositions(2, 0), "max_length is a positive number, not 0"),
        (lambda: LearnedPositions(0, 2), "max_length is a positive number, not 0"),
        (
            lambda: LearnedPositions(3, 2)([[0.0, 0.0]] * 4),
            r"LearnedPositions\(3, 2\) has positions 0 to 2, and was given 4 vectors from position 0 on: .* up to 3",
        ),
        (
            lambda: SinusoidalPositions(2, max_length=3)([[0.0, 0.0]] * 2, 2),
            r"SinusoidalPositions\(2, max_length=3\) has positions 0 to 2, and was given 2 vectors from position 2 on",
        ),
        (lambda: LearnedPositions(3, 2)([[0.0, 0.0]], -1), "counts positions from 0, and was given the offset -1"),
        (
            lambda: LearnedPositions(3, 2)([[0.0]]),
            r"LearnedPositions\(3, 2\) takes an input of shape \(\*, L, 2\), and was given one of shape \(1, 1\)",
        ),
        (lambda: SinusoidalPositions(2)([0.0, 0.0]), r"of shape \(\*, L, 2\), and was given one of shape \(2,\)"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_an_offset_is_an_int() -> None:
    with pytest.raises(TypeError, match=r"SinusoidalPositions\(2\) takes an int as its offset, not float 1.0"):
        SinusoidalPositions(2)([[0.0, 0.0]], 1.0)  # type: ignore[arg-type]  # what is tested
