"""The loop over a tape: what it computes is what the float functions of the table give, to the bit."""

from __future__ import annotations

import itertools
import math
import struct
from array import array

import pytest

from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import BY_CODE, TABLE
from tinygrad_lite.tape.walking import walk

NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.3, -2.75, 3.0, 41.5, 1e-310, 1e300, -1e300, math.inf, -math.inf, math.nan]
FEW = [0.0, -1.0, 0.3, 2.0, 1e300, -math.inf, math.nan]


def evaluate(code: int, operands: list[float]) -> float:
    """The float function; another number for each way in which it raises, none of which a float function gives."""
    op = BY_CODE[code]
    assert op is not None
    try:
        return float(op.value(operands))
    except ArithmeticError:
        return 0.123456789
    except (ValueError, TypeError, IndexError):
        return 0.987654321


def bits(numbers: list[float]) -> list[bytes]:
    """Numbers to compare; one NaN is as good as another."""
    return [b"nan" if x != x else struct.pack("d", x) for x in numbers]


def walk_once(op: Op, operands: list[float], width: int) -> list[float]:
    """One instruction, for the operands and, in the other samples, for those moved on by one."""
    count = len(operands)
    rows = [operands[sample % count :] + operands[: sample % count] for sample in range(width)]
    numbers = array("d", [row[k] for k in range(count) for row in rows] + [7.0] * width)
    walk(memoryview(array("i", [op.code, count, *range(count)])), memoryview(numbers), count, width, evaluate)
    expected = [evaluate(op.code, row) for row in rows]
    own = numbers[count * width :].tolist()
    for k, (ours, truth) in enumerate(zip(own, expected, strict=True)):
        if truth in (0.123456789, 0.987654321) and ours != truth:  # C's functions give the limit where Python's raise
            assert not math.isfinite(ours), (op.name, rows[k], ours)
            expected[k] = ours
    assert bits(own) == bits(expected), (op.name, rows)
    return own


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in TABLE.values()])
def test_each_operation_is_its_float_function(op: Op) -> None:
    count = 3 if op.arity == NARY else op.arity
    for operands in itertools.product(NUMBERS if count < 3 else FEW, repeat=count):
        for width in (1, 3):
            walk_once(op, list(operands), width)


@pytest.mark.parametrize("name", ["sum", "dot", "mean", "prod", "logsumexp", "softmax", "lookup"])
def test_operations_take_any_number_of_operands(name: str) -> None:
    for count in (1, 3, 5, 9):
        operands = [0.1 * k + 1e16 * (k == 1) for k in range(count - 1)] + [1.0]
        walk_once(TABLE[name], operands, 2)


def test_a_number_that_mypyc_takes_for_an_error_is_a_number() -> None:
    assert walk_once(TABLE["relu"], [113.0], 1) == [113.0]
    assert walk_once(TABLE["pow"], [-113.0, 1.0], 1) == [-113.0]
    assert walk_once(TABLE["minimum"], [-113.0, -1.0], 2) == [-113.0, -113.0]


def test_instructions_read_what_those_before_have_computed() -> None:
    mul, add, hypot = TABLE["mul"].code, TABLE["add"].code, TABLE["hypot"].code
    numbers = array("d", [3.0, 5.0, 4.0, 12.0, *[0.0] * 6])
    tape = array("i", [mul, 2, 0, 0, add, 2, 2, 1, hypot, 2, 0, 1])
    walk(memoryview(tape), memoryview(numbers), 2, 2, evaluate)
    assert numbers.tolist() == [3.0, 5.0, 4.0, 12.0, 9.0, 25.0, 13.0, 37.0, 5.0, 13.0]


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("name", ["hypot", "pow", "lookup"])
def test_what_an_operation_raises_ends_the_walk(name: str, width: int) -> None:
    class OwnError(Exception):
        pass

    def refuse(code: int, operands: list[float]) -> float:
        raise OwnError(TABLE[name].name, operands)

    operands = {"hypot": [3.0, 4.0], "pow": [-2.0, 0.5], "lookup": [1.0, 9.0]}[name]
    numbers = array("d", [x for x in operands for _ in range(width)] + [7.0] * width)
    given = array("i", [TABLE[name].code, len(operands), *range(len(operands))])
    with pytest.raises(OwnError):
        walk(memoryview(given), memoryview(numbers), len(operands), width, refuse)
    assert numbers[-1] == 7.0


def test_a_result_that_is_no_number_is_an_error() -> None:
    numbers = array("d", [3.0, 4.0, 7.0])
    with pytest.raises(TypeError):
        walk(memoryview(array("i", [TABLE["hypot"].code, 2, 0, 1])), memoryview(numbers), 2, 1, lambda code, xs: "5")
    with pytest.raises((TypeError, BufferError)):
        walk(memoryview(array("i", [TABLE["add"].code, 2, 0, 1])), memoryview(bytes(24)), 2, 1, evaluate)
