"""Whole quotients and remainders are Python's bit for bit, interpreted and compiled."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from dense_program import reads
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_lite.lift.engines import numba_engine
from tinygrad_lite.lift.ir.groups import Group, Groups, Output
from tinygrad_lite.lift.loops import whole_divisions

WHOLE = st.integers(-20, 20).map(float)
NUMBERS = st.floats() | WHOLE | st.floats(-10, 10)


def same_bits(found: float, truth: float) -> bool:
    return struct.pack("<d", found) == struct.pack("<d", truth) or (math.isnan(found) and math.isnan(truth))


@given(NUMBERS.filter(math.isfinite), NUMBERS.filter(bool))
@example(-1.0, math.inf)
@example(-0.0, 3.0)
@example(0.0, -3.0)
@example(5e-324, -1e308)
@example(1.0, 0.1)
def test_they_are_pythons(x, y):
    assert same_bits(whole_divisions.remainder(x, y), x % y)
    assert same_bits(whole_divisions.floor_divide(x, y), x // y)


@pytest.fixture(scope="module")
def divide():
    pytest.importorskip("llvmlite", reason="machine code needs numba's compiler: the extra fast")
    groups = [Group("input", (64,)), Group("input", (64,))]
    groups += [Group("map", (64,), op, (reads(0, 0), reads(1, 0))) for op in ("mod", "floordiv")]
    return numba_engine.build(Groups(groups, [0, 1], [Output((64,), reads(2, 0)), Output((64,), reads(3, 0))]))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=64, max_size=64))
def test_compiled_they_are_the_same(divide, pairs):
    x, y = map(np.array, zip(*pairs, strict=True))
    remainders, quotients = divide([x, y])
    for a, b, remainder, quotient in zip(x.tolist(), y.tolist(), remainders.tolist(), quotients.tolist(), strict=True):
        if b:
            assert same_bits(remainder, a % b)
            assert same_bits(quotient, a // b)
        else:  # where Python raises
            assert math.isnan(remainder)
            assert same_bits(quotient, a * math.copysign(math.inf, b))
