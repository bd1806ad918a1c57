"""The functions that the loops call are right to few units in the last place, over the whole line and at its ends."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_lite.lift.engines import numba_engine, op_lowerings
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref
from tinygrad_lite.lift.loops import vector_functions

ULPS = {"exp": 1.0, "expm1": 2.0, "log": 1.0, "log1p": 2.0, "tanh": 3.0, "erf": 2.0, "erfc": 6.0, "cbrt": 1.0}
ENDS = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, -5e-324, 709.78, 709.79, -745.1, -746.0, -1.0]


TRUTH = {"cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x))}


def clipped(x: float) -> float:
    """Beyond, the functions are what they are there, and mpmath takes long."""
    return min(max(x, -1e4), 1e4)


@pytest.mark.parametrize("name", ULPS)
@given(x=st.floats(-750, 720) | st.floats(-2, 2) | st.floats(allow_nan=False))
@example(x=1.0 + 2**-52)
@example(x=4.035070969399882)
def test_errors_are_below_a_bound_everywhere(name, x):
    with mpmath.workprec(1200):
        truth = TRUTH.get(name, getattr(mpmath, name))(
            mpmath.mpf(x if name in ("log", "log1p", "cbrt") else clipped(x))
        )
        found = getattr(vector_functions, name)(x)
        if isinstance(truth, mpmath.mpc):
            assert math.isnan(found)
        elif not math.isfinite(float(truth)):
            assert found == float(truth)
        else:
            assert abs(mpmath.mpf(found) - truth) <= ULPS[name] * math.ulp(float(truth))


@pytest.mark.parametrize("name", ULPS)
def test_compiled_they_give_the_same_up_to_rounding_and_at_the_ends_what_numpy_gives(name):
    pytest.importorskip("llvmlite")
    xs = np.array([*ENDS, *np.random.default_rng(0).normal(scale=100.0, size=500)])
    along = (Index(steps=((0, 1),)),)
    groups = [Group("input", xs.shape), Group("map", xs.shape, name, (Ref(0, along),))]
    (found,) = numba_engine.build(Groups(groups, [0], [Output(xs.shape, Ref(1, along))]))([xs])
    plain = np.array([getattr(vector_functions, name)(x) for x in xs.tolist()])
    np.testing.assert_allclose(found, plain, rtol=4 * 2**-52, atol=5e-324)
    with np.errstate(all="ignore"):
        truth = op_lowerings.load_numpy_functions()[name](np.array(ENDS))
    np.testing.assert_allclose(found[: len(ENDS)], truth, rtol=4 * 2**-52, atol=5e-324)
