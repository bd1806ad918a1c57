"""Quick arguments: the same arrays as taking the arguments apart gives, or none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.lift.tracing.argument_guards import compile_reader
from tinygrad_lite.lift.tracing.arguments import Signature, take_apart

_shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)


def read_of(signature: Signature) -> Any:
    """What reads arguments of that signature; None if there can be nothing."""
    found = compile_reader(signature)
    return None if found is None else found.read


def _array(shape: tuple[int, ...]) -> Any:
    return np.arange(math.prod(shape), dtype=float).reshape(shape)


@st.composite
def _trees(draw) -> Any:
    """Arrays, floats and static things, nested."""
    arrays = _shapes.map(_array)
    leaves = arrays | st.floats(allow_nan=False) | st.sampled_from(["a", None, True])
    keys = st.text(max_size=3) | st.integers(-2, 2)
    return draw(
        st.recursive(
            leaves,
            lambda inner: (
                st.lists(inner | arrays, min_size=1, max_size=3)
                | st.tuples(arrays, inner)
                | st.dictionaries(keys, inner, max_size=3)
            ),
            max_leaves=5,
        )
    )


def _is_nest(part: Any) -> bool:
    """Whether a nest that counts as one array is somewhere in a signature: these are left to the other way."""
    return isinstance(part, tuple) and (part[:1] == ("nest",) or any(map(_is_nest, part)))


@given(st.lists(_trees(), min_size=1, max_size=3), st.lists(st.integers(1, 3), max_size=2), st.data())
def test_the_arrays_are_those_of_arguments_taken_apart(shared, shape, data):
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    batched = np.moveaxis(_array((*shape, 4)), -1, axis)
    arguments = [*shared, batched, {"x": batched}]
    batch = (*[None] * len(shared), axis, axis)
    taken = take_apart((), arguments, {}, batch, ())
    read = read_of(taken.signature)
    if _is_nest(taken.signature.parts):
        assert read is None
        return
    assert read is not None
    found = read(arguments)
    assert len(found) == len(taken.arrays)
    for ours, truth in zip(found, taken.arrays, strict=True):
        assert ours.shape == truth.shape
        assert (ours == truth).all()


@pytest.mark.parametrize(
    "others",
    [
        [[np.zeros((2, 3))], np.zeros((5, 4))],  # a list for a tuple
        [(np.zeros((2, 4)),), np.zeros((5, 4))],  # another shape
        [(np.zeros((2, 3)),), np.zeros((5, 5))],  # samples of another shape
        [(np.zeros((2, 3)),), np.zeros(5)],
        [(np.zeros((2, 3), dtype=object),), np.zeros((5, 4))],
        [(np.zeros((2, 3), dtype=complex),), np.zeros((5, 4))],
        [(np.zeros((2, 3)), 1.0), np.zeros((5, 4))],
        [(np.zeros((2, 3)),)],
        [(np.zeros((2, 3)),), [[0.0] * 4] * 5],
    ],
)
def test_what_is_not_as_the_signature_says_is_left_to_the_other_way(others):
    arguments = [(np.zeros((2, 3)),), np.zeros((5, 4))]
    read = read_of(take_apart((), arguments, {}, (None, 0), ()).signature)
    assert read is not None
    assert read(arguments) is not None
    assert read(others) is None


def test_samples_that_differ_in_number_are_left_to_the_other_way():
    arguments = [np.zeros((5, 2)), np.zeros((5, 3)), np.zeros(5)]
    read = read_of(take_apart((), arguments, {}, (0, 0, 0), ()).signature)
    assert read is not None
    assert [array.shape for array in read(arguments)] == [(2, 5), (3, 5), (5,)]
    assert read([np.zeros((4, 2)), np.zeros((5, 3)), np.zeros(5)]) is None


def test_arrays_of_any_library_are_taken_as_they_are_given():
    signature = Signature((("array", (2,), 0), ("array", (3,), None)))
    read, axes, _ = compile_reader(signature, as_given=True)
    assert axes == [0, None]
    assert read is not None
    x, w = np.zeros((5, 2), dtype=np.float32), np.zeros(3, dtype=np.float16)
    found = read([x, w])
    assert found[0] is x
    assert found[1] is w
    assert read([x.T, w]) is None
    assert read([x, [0.0] * 3]) is None


def test_text_from_strangers_is_never_run():
    key = "'] or __import__('os').abort() or ['"
    arguments = [{key: np.zeros(2)}, key]
    read = read_of(take_apart((), arguments, {}, (), ()).signature)
    assert read is not None
    assert len(read(arguments)) == 1
    assert read([{key: np.zeros(2)}, "another"]) is None


def test_integers_and_narrow_floats_become_floats():
    arguments = [np.zeros((2, 3)), np.zeros(5)]
    read = read_of(take_apart((), arguments, {}, (None, 0), ()).signature)
    assert read is not None
    found = read([np.ones((2, 3), dtype=np.float32), np.arange(5)])
    assert [array.dtype for array in found] == [np.float64, np.float64]
    assert found[1].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("as_given", [False, True])
def test_arrays_with_rules_of_their_own_are_left_to_the_other_reader(as_given: bool) -> None:
    masked = np.ma.masked_array([1.0, 2.0], mask=[0, 1])
    for axis, shape in ((None, (2,)), (0, ())):
        found = compile_reader(Signature((("array", shape, axis),)), as_given=as_given)
        assert found is not None
        assert found.read([np.array([1.0, 2.0])]) is not None
        assert found.read([masked]) is None
