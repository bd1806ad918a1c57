"""autocast: every number that an operation gives is one that the format has, and parameters keep their own."""

from __future__ import annotations

import copy
import math
import pickle
import random
import struct
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import AnomalyError, Value, autocast, detect_anomaly, no_grad
from tinygrad_lite.narrow_formats import checked, rounded
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing.strategies.sampling import operands as operands_of

#: Bits of the significand, smallest exponent of a normal number, largest exponent: IEEE 754-2019, and bfloat16.
FORMATS = {
    "bfloat16": (8, -126, 127),
    "float16": (11, -14, 15),
    "float32": (24, -126, 127),
    "float64": (53, -1022, 1023),
}
NARROW = ["bfloat16", "float16", "float32"]


def nearest(number: float, dtype: str) -> float:
    """The nearest number of the format, in exact arithmetic."""
    if not math.isfinite(number) or number == 0.0:
        return number
    bits, lowest, highest = FORMATS[dtype]
    exponent = max(math.frexp(number)[1] - 1, lowest)
    unit = Fraction(2) ** (exponent - bits + 1)
    steps = Fraction(number) / unit
    found = round(steps) * unit  # Python rounds fractions half to even
    if abs(found) >= Fraction(2) ** (highest + 1):
        return math.copysign(math.inf, number)
    return math.copysign(float(found), number)


def near_the_edges() -> st.SearchStrategy[float]:
    """Numbers of float32, and their neighbours in float64, where rounding twice goes wrong."""
    single = st.floats(width=32, allow_nan=False, allow_infinity=False)
    half = st.floats(width=16, allow_nan=False, allow_infinity=False)
    return st.one_of(
        st.floats(), single, half, st.builds(lambda x, up: math.nextafter(x, math.inf if up else -math.inf),
                                             st.one_of(single, half), st.booleans()))  # fmt: skip


@pytest.mark.parametrize("dtype", FORMATS)
@given(number=near_the_edges())
@example(number=1.0 + 2.0**-8 + 2.0**-40)  # by way of float32 this would become the tie, and 1
@example(number=65519.99)
@example(number=65520.0)
def test_rounding_is_to_the_nearest_number_of_the_format(dtype: str, number: float) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    assert struct.pack("d", rounded(number, dtype)) == struct.pack("d", nearest(number, dtype)) or number != number


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    for call in (lambda: checked("float8"), lambda: rounded(1.0, "int8"), lambda: autocast("half")):
        with pytest.raises(ValueError, match="bfloat16, float16, float32, float64"):
            call()


def test_bfloat16_without_ml_dtypes_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tg.narrow_formats, "_ROUNDING", {})
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match=r"tinygrad-lite\[nn\]"):
        autocast("bfloat16")


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.public], ids=lambda op: op.name)
def test_an_operation_rounds_its_operands_and_its_result(op: Any) -> None:
    rng = random.Random(0)
    tried = 0
    while tried < 20:
        numbers = operands_of(rng, op)
        count = len(numbers) - (op.arity == NARY and op.operands[-1] == "index")
        narrow = [rounded(x, "float16") for x in numbers[:count]] + list(numbers[count:])
        operands = [Value(x) for x in numbers]
        try:
            expected = op.forward(narrow) if op.arity == NARY else op.forward(*narrow)
            with autocast("float16"):
                found = tg.dispatch.apply(op, operands)
        except (ArithmeticError, ValueError):
            continue  # rounded, or as they were, they are out of its domain
        tried += 1
        assert repr(found.data) == repr(rounded(expected, "float16"))
        assert found.precision == "float16"
        assert [x.data for x in operands] == list(numbers) or any(x != x for x in numbers)
        assert [parent.data for parent in found.parents] == narrow or any(x != x for x in narrow)


def test_parameters_keep_their_numbers_and_each_enters_by_one_node() -> None:
    w, x = Value(0.1, label="w"), Value(0.5)
    with autocast("float16"):
        first, second = w * x, w * 3.0
    casts = {id(parent): parent for node in (first, second) for parent in node.parents if not parent.is_leaf}
    assert len(casts) == 1  # 0.5 and 3.0 need none
    (cast,) = casts.values()
    assert (cast.op, cast.parents, cast.data, cast.precision) == ("pos", (w,), rounded(0.1, "float16"), "float16")
    assert (w.data, w.precision) == (0.1, "float64")


def test_a_parameter_that_changes_within_the_block_is_rounded_again() -> None:
    w = Value(0.1)
    with autocast("float16"):
        before = w * 1.0
        w.data = 0.3
        after = w * 1.0
    assert (before.data, after.data) == (rounded(0.1, "float16"), rounded(0.3, "float16"))


def test_a_number_that_is_no_value_is_rounded_without_a_node() -> None:
    x = Value(0.5)
    with autocast("float16"):
        y = x * 0.1
    assert [parent.is_leaf for parent in y.parents] == [True, True]
    assert y.parents[1].data == rounded(0.1, "float16")
    assert y.parents[1].is_constant


def test_the_index_of_a_lookup_is_not_rounded() -> None:
    pytest.importorskip("ml_dtypes")
    table = [Value(float(i % 7)) for i in range(300)]
    with autocast("bfloat16"):
        assert tg.lookup(table, 257).data == float(257 % 7)  # bfloat16 has no 257


def test_backward_rounds_each_gradient_once_and_those_of_leaves_not_at_all() -> None:
    x = Value(1.0)
    with autocast("float16"):
        y = x * 0.5
    total = tg.sum([y * (1.0 + 2.0**-12)] * 3)  # outside: not rounded
    total.backward()
    assert y.grad == rounded(3.0 * (1.0 + 2.0**-12), "float16") != 3.0 * (1.0 + 2.0**-12)
    assert x.grad == 0.5 * y.grad
    leaf = Value(1.0)
    with autocast("float16"):
        uses = [leaf * 1e-3 for _ in range(3)]
    tg.sum(uses).backward()
    assert leaf.grad == 3 * rounded(1e-3, "float16") != rounded(leaf.grad, "float16")


def test_gradients_underflow_and_overflow_as_the_format_does() -> None:
    x = Value(1.0)
    with autocast("float16"):
        y = x * 1.0
    (y * 1e-9).backward()
    assert x.grad == 0.0
    (y * 1e6).backward()
    assert x.grad == math.inf


def test_gradient_gives_what_backward_gives() -> None:
    x = Value(0.3)
    with autocast("float16"):
        y = tg.tanh(x * 0.7) * x
    y.backward()
    assert tg.gradient(y, x) == x.grad
    assert x.grad != tg.grad(lambda v: tg.tanh(v * 0.7) * v)(0.3)


def test_forward_evaluates_in_the_format_of_each_node() -> None:
    x = Value(0.3)

    def record() -> Value:
        with autocast("float16"):
            y = tg.tanh(x * 0.7)
        return y / 3.0

    y = record()
    x.data = 0.9
    assert y.forward().data == record().data != math.tanh(0.9 * 0.7) / 3.0


def test_copies_and_pickles_keep_the_format() -> None:
    x = Value(0.3)
    with autocast("float16"):
        y = x * x
    for twin in (copy.copy(y), copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        assert (twin.precision, twin.data) == ("float16", y.data)
    (leaf,) = {node for node in tg.topological_order(twin, leaves=True) if node.is_leaf}
    leaf.data = 0.9
    with autocast("float16"):
        assert twin.forward().data == (Value(0.9) * Value(0.9)).data


def test_without_recording_results_are_rounded_too() -> None:
    x = Value(0.3)
    with autocast("float16"):
        expected = x * x
        with no_grad():
            found = x * x
    assert found.is_leaf
    assert found.data == expected.data


def test_blocks_nest_and_float64_leaves_a_part_alone() -> None:
    x = Value(0.3)
    with autocast("float16"):
        with autocast("float64"):
            wide = x * x
        with autocast("float32"):
            single = x * x
        narrow = x * x
    assert (wide.data, wide.precision) == (0.09, "float64")
    assert (single.precision, narrow.precision, (x * x).precision) == ("float32", "float16", "float64")
    assert single.data == rounded(rounded(0.3, "float32") ** 2, "float32")


def test_as_a_decorator_and_an_object_entered_twice() -> None:
    @autocast("float16")
    def square(x: Value) -> Value:
        return x * x

    assert square(Value(0.3)).precision == square(Value(0.5)).precision == "float16"
    block = autocast("float16")
    x = Value(0.3)
    with block:
        with block:
            first = x * x
        second = x * x
    assert first.parents[0] is second.parents[0]  # the rounded form is kept until the outer block ends
    with block:
        third = x * x
    assert third.parents[0] is not first.parents[0]


def test_detect_anomaly_sees_overflow_of_the_format() -> None:
    x = Value(300.0, label="x")
    with autocast("float16"), detect_anomaly(), pytest.raises(AnomalyError, match="mul made inf"):
        x * x
    with autocast("float16"):
        y = x * 1.0
    with detect_anomaly(), pytest.raises(AnomalyError, match=r"gradient 1000000.0 of .* beyond the range of float16"):
        (y * 1e6).backward()
    assert x.grad == 0.0
