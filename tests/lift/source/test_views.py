"""How operands are read: each piece of source is what the interpreter reads, and a view where it can be one."""

from __future__ import annotations

from typing import Any

import interpreter
import numpy as np
import pytest
from drawn_programs import _refs
from hypothesis import given, note
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from program_builder import along, at, ref, table

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Ref
from tinygrad_lite.lift.source.bound_constants import BoundConstants
from tinygrad_lite.lift.source.fragments import BATCH, Fragment
from tinygrad_lite.lift.source.views import Reading, align, read, read_constant

SAMPLES = 3


def evaluated(fragment: Fragment, constants: BoundConstants, array: Any) -> Any:
    names: dict[str, Any] = {"x": array, "sliding_window_view": sliding_window_view, **constants.arrays}
    names |= {name: getattr(np, name) for name in ("arange", "eye", "tri")}
    exec("\n".join(constants.lines), names)
    return eval(fragment.text, names)


def check(group: Group, index: Ref, sizes: tuple[int, ...], dialect: str = "numpy", own: int | None = None) -> Any:
    """The text and the array that it gives, once it was found equal to what the interpreter reads."""
    batch = (SAMPLES,) if group.batched else ()
    array = np.arange(float(np.prod(group.shape + batch))).reshape(group.shape + batch)
    constants = BoundConstants({"x"})
    axes = tuple(range(len(group.shape))) + ((BATCH,) if group.batched else ())
    reading = Reading(sizes, len(sizes) if own is None else own, constants, dialect)
    fragment = read(Fragment("x", axes=axes), group, index, reading)
    found = evaluated(fragment, constants, array)
    truth = interpreter._read(Groups([group]), index, [array], sizes, group.batched)
    assert np.ndim(found) == len(fragment.axes)
    assert (BATCH in fragment.axes) == group.batched
    np.testing.assert_array_equal(broadcast(found, fragment.axes, sizes, batch), truth)
    return fragment.text, found, array


def broadcast(array: Any, axes: tuple[int | None, ...], sizes: tuple[int, ...], batch: tuple[int, ...]) -> Any:
    """An array whose dimensions run along some axes, with all of them in their order."""
    ones = [place for place, axis in enumerate(axes) if axis is None]
    array = np.squeeze(np.asarray(array), axis=tuple(ones))
    known = [axis if axis != BATCH else len(sizes) for axis in axes if axis is not None]
    array = array.transpose(np.argsort(known, kind="stable"))
    whole = (*sizes, *batch)
    shape = [whole[axis] if axis in known else 1 for axis in range(len(whole))]
    return np.broadcast_to(array.reshape(shape), whole)


SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)


@given(st.data(), SHAPES, SHAPES, st.booleans(), st.sampled_from(["numpy", "jax"]))
def test_every_read_is_what_the_interpreter_reads(data, shape, sizes, batched, dialect):
    group = Group("input", shape, batched=batched)
    index = data.draw(_refs([group], 0, sizes))
    note(f"{index}")
    check(group, index, sizes, dialect, data.draw(st.integers(0, len(sizes))))


@given(st.data(), SHAPES, SHAPES)
def test_constants_are_read_now(data, shape, sizes):
    group = Group("constant", shape, data=np.arange(float(np.prod(shape))).reshape(shape))
    index = data.draw(_refs([group], 0, sizes))
    constants = BoundConstants(set())
    fragment = read_constant(group, index, Reading(sizes, len(sizes), constants, "numpy"))
    found = evaluated(fragment, constants, None)
    truth = interpreter._read(Groups([group]), index, [group.data], sizes, False)
    np.testing.assert_array_equal(broadcast(found, fragment.axes, sizes, ()), truth)


@given(st.data(), SHAPES, SHAPES)
def test_an_aligned_read_broadcasts_by_itself(data, shape, sizes):
    group = Group("input", shape)
    index = data.draw(_refs([group], 0, sizes))
    constants = BoundConstants({"x"})
    array = np.arange(float(np.prod(shape))).reshape(shape)
    fragment = read(
        Fragment("x", axes=tuple(range(len(shape)))), group, index, Reading(sizes, len(sizes), constants, "numpy")
    )
    found = evaluated(align(fragment, range(len(sizes))), constants, array)
    truth = interpreter._read(Groups([group]), index, [array], sizes, False)
    np.testing.assert_array_equal(np.broadcast_to(found, sizes), truth)


#: Text, the group's shape, the places, and the sizes of the axes: all of these are views.
VIEWS = {
    "all": ("x", (4, 3), ref(0, 0, 1), (4, 3)),
    "a transpose": ("x", (4, 3), ref(0, 1, 0), (3, 4)),
    "a row": ("x[2]", (4, 3), ref(0, at(2), 0), (3,)),
    "a column": ("x[:, 1]", (4, 3), ref(0, 0, at(1)), (4,)),
    "a slice": ("x[1:3]", (4,), ref(0, along(0, 1, 1)), (2,)),
    "a stride": ("x[1::2]", (6,), ref(0, along(0, 2, 1)), (3,)),
    "a reversal": ("x[::-1]", (4,), ref(0, along(0, -1, 3)), (4,)),
    "part of a reversal": ("x[2:0:-1]", (4,), ref(0, along(0, -1, 2)), (2,)),
    "a split": ("x.reshape(2, 3)", (6,), ref(0, Index(0, ((0, 3), (1, 1)))), (2, 3)),
    "a split of a part": ("x[:6].reshape(2, 3)", (8,), ref(0, Index(0, ((0, 3), (1, 1)))), (2, 3)),
    "all, flat": ("x.reshape(-1)", (2, 3), ref(0, 0, flat=True), (6,)),
    "a table that is a slice": ("x[1:4]", (5,), ref(0, table([1, 2, 3], 0)), (3,)),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("batched", [False, True])
def test_slices_transposes_and_splits_are_views(name, batched):
    text, shape, index, sizes = VIEWS[name]
    written, found, array = check(Group("input", shape, batched=batched), index, sizes)
    assert np.shares_memory(found, array)
    assert written == text or "reshape" in text


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("batched", [False, True])
def test_overlapping_windows_are_views(stride, dilation, batched):
    positions, width = 4, 3
    size = stride * (positions - 1) + dilation * (width - 1) + 1
    index = ref(0, Index(0, ((0, stride), (1, dilation))))
    text, found, array = check(Group("input", (size,), batched=batched), index, (positions, width), own=1)
    assert "sliding_window_view(" in text
    assert np.shares_memory(found, array)


@pytest.mark.parametrize("dialect", ["numpy", "jax"])
def test_places_without_a_rule_are_gathered(dialect):
    text, found, array = check(Group("input", (5,)), ref(0, table([4, 0, 0, 2], 0)), (4,), dialect)
    assert text == "x[i1]"
    assert not np.shares_memory(found, array)


def test_the_diagonal_of_a_matrix_is_a_stride_of_its_elements():
    text, found, array = check(Group("input", (4, 4)), ref(0, 0, 0), (4,))
    assert text == "x.reshape(-1)[::5]"
    assert np.shares_memory(found, array)


def test_axes_of_size_one_are_read_whichever_index_they_have():
    check(Group("input", (1, 3)), ref(0, 0, 1), (1, 3))
    check(Group("input", (1, 1)), ref(0, at(0), at(0)), (1,))
    check(Group("input", ()), Ref(0, ()), (2, 1))


def test_rows_whose_last_gap_lies_outside_are_read_all_the_same():
    check(Group("input", (7,)), ref(0, Index(0, ((0, 4), (1, 1)))), (2, 3))
    check(Group("input", (8,), batched=True), ref(0, Index(1, ((0, 4), (1, 1)))), (2, 3))
