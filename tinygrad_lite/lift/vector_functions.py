"""exp, expm1, log, log1p and tanh without branches, so that a loop of them becomes vector instructions.

The C library's functions are called once for each number; these are arithmetic, which LLVM does for eight numbers at
once. They are plain Python, and compiled by numba where it is there; whatever costs more than a choice is
computed before it, as LLVM makes no vectors of a branch. Errors are below 2 ulp (tanh: 3) over the whole
line (the tests say so), infinities and NaN are kept, subnormal results are rounded once.

The reductions are the classic ones (Cody & Waite 1980): eˣ = 2ⁿ·eʳ with |r| ≤ ln(2)/2, ln x = k·ln 2 + ln m with m in
[√½, √2], where ln m is the series of 2·artanh(s), s = (m − 1)/(m + 1). ln 2 is taken in two parts, the first of which
has so few digits that its products with n are exact.
"""

from __future__ import annotations

import functools
import importlib
import math
import struct
import types
from typing import Any

_LOG2E = 1.4426950408889634
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
#: Added to a number, it leaves the nearest whole number in the last bits of the sum.
_SHIFT = 6755399441055744.0
_SHIFT_BITS = 0x4338000000000000
_ONE_BITS = 0x3FF0000000000000
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_SIGN_BIT = -0x8000000000000000


def bits(x: float) -> int:
    """The float's 64 bits, as an int."""
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def number(i: int) -> float:
    """The float that has these bits; an int of more has its last 64 taken, as in a register."""
    return float(struct.unpack("<d", struct.pack("<Q", i % (1 << 64)))[0])


def exp(x: float) -> float:
    """e to the power x.

    >>> exp(0.0), exp(-1000.0), exp(1000.0)
    (1.0, 0.0, inf)
    """
    y = -750.0 if x < -750.0 else 720.0 if x > 720.0 else x
    shifted = y * _LOG2E + _SHIFT
    n = shifted - _SHIFT
    r = (y - n * _LN2_HIGH) - n * _LN2_LOW
    k = bits(shifted) - _SHIFT_BITS
    half = k >> 1  # 2ⁿ by two factors, either of which is a normal number
    first = number((half << 52) + _ONE_BITS)
    second = number(((k - half) << 52) + _ONE_BITS)
    return (1.0 + (r + r * (r * expm1_series(r)))) * first * second


def expm1(x: float) -> float:
    """exp(x) − 1: 2ⁿ(eʳ − 1) + (2ⁿ − 1), all halved, as 2ⁿ itself may be too large.

    >>> expm1(1e-20), expm1(-1000.0), expm1(1000.0)
    (1e-20, -1.0, inf)
    """
    y = -50.0 if x < -50.0 else 720.0 if x > 720.0 else x
    shifted = y * _LOG2E + _SHIFT
    n = shifted - _SHIFT
    r = (y - n * _LN2_HIGH) - n * _LN2_LOW
    q = r + r * (r * expm1_series(r))
    k = bits(shifted) - _SHIFT_BITS
    k = 1024 if k > 1024 else k
    half = number(((k - 1) << 52) + _ONE_BITS)
    result = 2.0 * (half * q + (half - 0.5))
    return math.inf if x > 709.8 else result


def expm1_series(r: float) -> float:
    """(eʳ − 1 − r)/r² for |r| ≤ ln(2)/2: 1/2 + r/6 + … + r¹¹/13!."""
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    return p * r + 0.5


def log(x: float) -> float:
    """The natural logarithm; −inf at 0, NaN below.

    >>> log(1.0), log(0.0), log(-1.0)
    (0.0, -inf, nan)
    """
    small = x < 2.2250738585072014e-308
    i = bits(x * 18014398509481984.0 if small else x)  # 2⁵⁴, as a subnormal number has no exponent
    k = (i - _SQRT_HALF_BITS) >> 52
    f = number(i - (k << 52)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = 2.0 / 23.0
    p = p * z + 2.0 / 21.0
    p = p * z + 2.0 / 19.0
    p = p * z + 2.0 / 17.0
    p = p * z + 2.0 / 15.0
    p = p * z + 2.0 / 13.0
    p = p * z + 2.0 / 11.0
    p = p * z + 2.0 / 9.0
    p = p * z + 2.0 / 7.0
    p = p * z + 2.0 / 5.0
    p = p * z + 2.0 / 3.0
    half_square = 0.5 * f * f
    n = float(k - 54 if small else k)
    # 2s = f − sf, and sf = f²/2 − sf²/2: so that f, which is exact, comes last.
    result = n * _LN2_HIGH - ((half_square - (s * (half_square + z * p) + n * _LN2_LOW)) - f)
    result = x if not x < math.inf else result
    return math.nan if x < 0.0 else -math.inf if x == 0.0 else result


def log1p(x: float) -> float:
    """log(1 + x): the rounding error of 1 + x is put back.

    >>> log1p(1e-20), log1p(-1.0), log1p(math.inf)
    (1e-20, -inf, inf)
    """
    u = 1.0 + x
    lost, lost_if_large = x - (u - 1.0), 1.0 - (u - x)
    lost = lost if x < 1.0 else lost_if_large
    correction = lost / (u if u != 0.0 else 1.0)
    correction = correction if u < math.inf else 0.0
    return log(u) + correction


def tanh(x: float) -> float:
    """(1 − e)/(1 + e) with e = exp(−2|x|), of which 1 is taken off before it is rounded; with x's sign, of 0 too.

    >>> tanh(1e-20), tanh(1000.0)
    (1e-20, 1.0)
    """
    e = expm1(-2.0 * abs(x))
    return number(bits(abs(e / (2.0 + e))) | (bits(x) & _SIGN_BIT))


@functools.cache
def compiled() -> dict[str, Any]:
    """The functions as numba's, by name."""
    numba: Any = importlib.import_module("numba")
    intrinsic: Any = importlib.import_module("numba.extending").intrinsic
    ir: Any = importlib.import_module("llvmlite.ir")

    def as_bits(typing: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.bitcast(values[0], ir.IntType(64))

        return numba.int64(numba.float64), generate

    def as_number(typing: Any, i: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.bitcast(values[0], ir.DoubleType())

        return numba.float64(numba.int64), generate

    ours: dict[str, Any] = {"math": math, "bits": intrinsic(as_bits), "number": intrinsic(as_number)}
    ours |= {name: value for name, value in globals().items() if isinstance(value, (int, float)) and name[:1] == "_"}
    options = {"fastmath": {"contract"}, "error_model": "numpy", "forceinline": True}
    for function in (expm1_series, exp, expm1, log, log1p, tanh):
        copy = types.FunctionType(function.__code__, ours, function.__name__)
        ours[function.__name__] = numba.njit(copy, **options)
    return {name: ours[name] for name in ("exp", "expm1", "log", "log1p", "tanh")}
