"""Every operation of the table means on arrays, and as text in compiled loops, what it means on floats.

The bound is relative: 16 units in the last place, and twice as many more as the logarithms of the result and of the
operands are large, for ``exp`` and powers magnify the rounding of what they are given: at e^-700 that is 3e-13. It is a
part of the result; where the terms of a formula cancel near the root of a derivative (``gelu_derivative`` and
``silu_derivative``, see ``op_lowerings``) it is a part of the derivative's size, which is 1. What is smaller than
1e-300 counts as 0, as an exponential underflows before its product with a large number does, and the sign of a zero
does not count.

Besides their domains, operations are tried at ``EXTREMES``. A subnormal operand may be taken for 0 (XLA, which has no
such numbers, is given none). NaN may come out where an operand is NaN, and where a finite one lies outside the domain;
there, the sign of a power may be the other, as y - 1 is even where y is too large for odd numbers. Where floats give
NaN of numbers (``0 * inf`` on the way), arrays may give the limit. Parameters, which are operands with a default, are
finite.
"""

from __future__ import annotations

import ast
import itertools
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite.dispatch import record_operation
from tinygrad_lite.lift.engines import jax_library, numba_engine, op_lowerings
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref
from tinygrad_lite.lift.loops import vector_functions
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing.strategies import sampling
from tinygrad_lite.value import Value

OPERATIONS = [op for op in TABLE.values() if op.arity != NARY]
OPS = [pytest.param(op, id=op.name) for op in OPERATIONS]
CANCELLING = ("gelu_derivative", "silu_derivative")
NORMAL = 2.2250738585072014e-308
EXTREMES = [0.0, -0.0, 5e-324, -5e-324, 1e-310, -1e-300, 1e300, -1e300, 1e150, math.inf, -math.inf, math.nan]
EXTREMES += [-0.4140264081220479, 0.4141951486497357]  # where XLA's log1p and arctanh are off by 119 and 73 units
EXTREMES += [-1.0, 0.5, 1.0, 2.0, 3.0, -700.0, 700.0, -720.0, 720.0, -40.0, 40.0, -1e4, 1e4]
#: Fewer examples, each of which is many points.
few = settings(max_examples=settings().max_examples // 4)
#: So many at a time, always: XLA compiles a function for each number.
POINTS = 16


# ----------------------------------------------------------------------------------------------- what is compared


@st.composite
def points(draw, op):
    """Operands of the operation, ``POINTS`` times: of its domain, where it is hard, and some of them extremes."""
    rng = draw(st.randoms(use_true_random=True))
    extreme = draw(st.lists(st.sampled_from(EXTREMES), min_size=POINTS, max_size=POINTS))
    parameters = op.arity - len(op.defaults)
    drawn = []
    for x in extreme:
        operands = sampling.operands(rng, op)
        place = rng.randrange(2 * op.arity)
        if place < parameters or (place < op.arity and math.isfinite(x)):
            operands[place] = x
        drawn.append(tuple(operands))
    return drawn


def limit(op, xs):
    """The float function; where it raises, what NumPy gives."""
    try:
        return float(op.forward(*xs))
    except (ArithmeticError, ValueError):
        with np.errstate(all="ignore"):
            return float(getattr(np, op.numpy)(*xs)) if op.numpy else math.nan


def agree(op, xs, found, ulps):
    """Whether the result is what it should be."""
    of_numbers = not any(map(math.isnan, xs))
    outside = any(math.isfinite(x) and not sampling.contains(d, x) for x, d in zip(xs, op.domain, strict=True))
    if math.isnan(found) and (outside or not of_numbers):
        return True
    for rounded in itertools.product(*[(x, 0.0 * x) if 0.0 < abs(x) < NORMAL else (x,) for x in xs]):
        expected = limit(op, rounded)
        if found == expected or (math.isnan(expected) and of_numbers) or (outside and found == -expected):
            return True
        sizes = [abs(x) for x in (expected, *xs) if x != 0.0 and math.isfinite(x)]
        most = ulps + 2.0 * max((abs(math.log(size)) for size in sizes), default=0.0)
        size = max(abs(expected), 1.0) if op.name in CANCELLING else abs(expected)
        if abs(found - expected) <= max(2.0**-52 * most * size, 1e-300):
            return True
    return any(0.0 < abs(x) < NORMAL for x in xs) and any(map(math.isinf, xs)) and math.isnan(found)


def check(op, drawn, found, ulps=16.0):
    """Compares the results at all points."""
    found = [float(x) for x in np.asarray(found)]
    wrong = [(xs, x, limit(op, xs)) for xs, x in zip(drawn, found, strict=True) if not agree(op, xs, x, ulps)]
    assert not wrong, f"{op.name}: operands, what was found, what the float function gives: {wrong}"


def columns(drawn):
    return [np.array(column) for column in zip(*drawn, strict=True)]


def text_of(op):
    """What the loops say for it, and the names of its operands."""
    names = ["x", "y", "z"][: op.arity]
    return numba_engine._write_operation(op.name, names), names


def run_text(op, drawn):
    """The text, run by Python on NumPy's numbers, which divide by 0."""
    text, names = text_of(op)
    code = compile(text, op.name, "eval")

    def value(xs):
        try:
            operands = dict(zip(names, map(np.float64, xs), strict=True))
            return eval(code, {"math": math, **vars(vector_functions)}, operands)
        except (ArithmeticError, ValueError):
            return limit(op, xs)  # compiled, the functions of math do not raise

    return [value(xs) for xs in drawn]


def on_jax(op, drawn):
    with jax_library.use_x64():
        operands = map(jax_library.import_jax().numpy.asarray, columns(drawn))
        return np.asarray(op_lowerings.load_jax_functions()[op.name](*operands))


# ---------------------------------------------------------------------------------------------------- the engines


@pytest.mark.parametrize("op", OPS)
def test_numpys_functions_agree_with_the_float_functions(op):
    @few
    @given(points(op))
    def agrees(drawn):
        with np.errstate(all="ignore"):
            check(op, drawn, op_lowerings.load_numpy_functions()[op.name](*columns(drawn)))

    agrees()


@pytest.mark.parametrize("op", OPS)
def test_jaxs_functions_agree_with_the_float_functions(op):
    pytest.importorskip("jax")

    @few
    @given(points(op))
    def agrees(drawn):
        drawn = [tuple(0.0 * x if abs(x) < NORMAL else x for x in xs) for xs in drawn]
        check(op, drawn, on_jax(op, drawn))

    agrees()


@pytest.mark.parametrize("op", OPS)
def test_texts_agree_with_the_float_functions(op):
    @few
    @given(points(op))
    def agrees(drawn):
        with np.errstate(all="ignore"):
            check(op, drawn, run_text(op, drawn))

    agrees()


def test_texts_mean_the_same_when_they_are_compiled():
    pytest.importorskip("llvmlite")
    drawn = list(itertools.product(EXTREMES, EXTREMES, (-1.0, 0.5, 2.0)))
    shape, along = (len(drawn),), (Index(steps=((0, 1),)),)
    groups = [Group("input", shape) for _ in "xyz"]
    groups += [Group("map", shape, op.name, tuple([Ref(k, along) for k in range(op.arity)])) for op in OPERATIONS]
    outputs = [Output(shape, Ref(number, along)) for number in range(3, len(groups))]
    found = numba_engine.build(Groups(groups, [0, 1, 2], outputs))(columns(drawn))
    for op, row in zip(OPERATIONS, found, strict=True):
        parameters = slice(op.arity - len(op.defaults), op.arity)
        kept = [place for place, xs in enumerate(drawn) if all(map(math.isfinite, xs[parameters]))]
        check(op, [drawn[place][: op.arity] for place in kept], row[kept])


@pytest.mark.parametrize("op", OPS)
def test_what_a_text_chooses_between_are_names_and_constants(op):
    def is_plain(node):
        node = node.operand if isinstance(node, ast.UnaryOp) else node
        return isinstance(node, (ast.Name, ast.Constant, ast.IfExp))

    choices = [node for node in ast.walk(ast.parse(text_of(op)[0])) if isinstance(node, ast.IfExp)]
    assert all(is_plain(node.body) and is_plain(node.orelse) for node in choices)


# ---------------------------------------------------------------------------------------- what JAX's do besides


@pytest.mark.parametrize("op", OPS)
@few
@given(rng=st.randoms(use_true_random=True))
def test_in_float32_nothing_overflows_that_need_not(op, rng):
    jax = pytest.importorskip("jax")
    drawn = [sampling.operands(rng, op) for _ in range(POINTS)]
    drawn = [[math.copysign(max(min(abs(x), 1e4), 1e-3), x) if x else x for x in operands] for operands in drawn]
    narrow = [jax.numpy.array(column, jax.numpy.float32) for column in zip(*drawn, strict=True)]
    found = op_lowerings.load_jax_functions()[op.name](*narrow)
    assert found.dtype in (np.float32, bool)
    for got, xs in zip(found, zip(*narrow, strict=True), strict=True):
        expected = limit(op, [float(x) for x in xs])
        assert math.isfinite(got) or not abs(expected) < 1e38


@pytest.mark.parametrize("op", OPS)
def test_bfloat16_stays_bfloat16(op):
    jax = pytest.importorskip("jax")
    operands = [jax.numpy.full(3, x, jax.numpy.bfloat16) for x in ordinary(op)]
    assert jax.jit(op_lowerings.load_jax_functions()[op.name])(*operands).dtype in (jax.numpy.bfloat16, bool)


def ordinary(op: Op) -> list[float]:
    """A point at which nothing is special."""
    xs = []
    for k, domain in enumerate(op.domain):
        x = 0.3 + 0.4 * k
        xs.append(1.0 if domain.whole else x if sampling.contains(domain, x) else max(domain.low, -2.0) + x - 1e-3 * k)
    return xs


@pytest.mark.parametrize("op", OPS)
def test_jax_differentiates_them(op):
    jax = pytest.importorskip("jax")
    xs = ordinary(op)
    function = op_lowerings.load_jax_functions()[op.name]
    with jax_library.use_x64():
        slopes = jax.jit(jax.grad(lambda *xs: function(*xs).astype(float), range(op.arity)))(*xs)
    np.testing.assert_allclose(slopes, record_operation(op, [Value(x) for x in xs]).partials, rtol=1e-12, atol=1e-15)


def test_without_scipy_the_error_function_is_computed_number_by_number(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    functions = op_lowerings._make_functions(np, op_lowerings._import_special)
    np.testing.assert_array_equal(functions["erf"](np.array([0.5, math.inf])), [math.erf(0.5), 1.0])


def test_derivative_rules_of_several_operands_find_what_they_ask_for():
    pytest.importorskip("jax")
    for functions in (op_lowerings.load_numpy_functions(), op_lowerings.load_jax_functions()):
        xs = [np.array([1e4, 0.0]), np.array([0.0, 0.0]), 1e4]
        np.testing.assert_allclose(np.stack(functions["softmaxes"](xs)), [[0.5, 0.0], [0.0, 0.0], [0.5, 1.0]])
        np.testing.assert_allclose(functions["sum"](xs), [2e4, 1e4])
        np.testing.assert_allclose(functions["products_without_each"](xs)[0], [0.0, 0.0])
