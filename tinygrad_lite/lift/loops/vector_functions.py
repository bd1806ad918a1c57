"""exp, log, tanh, erfc and others without branches, so that a loop of them becomes vector instructions.

The C library's functions are called once for each number; these are arithmetic, which LLVM does for eight numbers at
once. They are plain Python, which :mod:`tinygrad_lite.lift.machine_code.lowering` compiles as it stands; whatever costs
more than a choice is computed before it, as LLVM makes no vectors of a branch. Errors are below 2 ulp (tanh: 3,
erfc: 6) over the whole line (the tests say so), infinities and NaN are kept, subnormal results are rounded once (of
erfc: twice).

The reductions are the classic ones (Cody & Waite 1980): eˣ = 2ⁿ·eʳ with |r| ≤ ln(2)/2, ln x = k·ln 2 + ln m with m in
[√½, √2], where ln m is the series of 2·artanh(s), s = (m − 1)/(m + 1). ln 2 is taken in two parts, the first of which
has so few digits that its products with n are exact.
"""

from __future__ import annotations

import math
import struct

_LOG2E = 1.4426950408889634
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
#: Added to a number, it leaves the nearest whole number in the last bits of the sum.
_SHIFT = 6755399441055744.0
_SHIFT_BITS = 0x4338000000000000
_ONE_BITS = 0x3FF0000000000000
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_SIGN_BIT = -0x8000000000000000
#: The first 26 digits of a number, of which the square is exact.
_UPPER_BITS = -0x8000000
#: From here on all numbers are whole.
_WHOLE = 4503599627370496.0
_TWO_OVER_SQRT_PI = 1.1283791670955126


def bits(x: float) -> int:
    """Take the float's 64 bits, as an int."""
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def number(i: int) -> float:
    """Take the float that has these bits; an int of more has its last 64 taken, as in a register."""
    return float(struct.unpack("<d", struct.pack("<Q", i % (1 << 64)))[0])


def exp(x: float) -> float:
    """Raise e to the power x.

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
    """Compute exp(x) − 1: 2ⁿ(eʳ − 1) + (2ⁿ − 1), all halved, as 2ⁿ itself may be too large.

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
    result = x if abs(x) < 1e-290 else result  # half of which may be no number
    return math.inf if x > 709.8 else result


def expm1_series(r: float) -> float:
    """Compute (eʳ − 1 − r)/r² for |r| ≤ ln(2)/2: 1/2 + r/6 + … + r¹¹/13!."""
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
    """Compute the natural logarithm; −inf at 0, NaN below.

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
    """Compute log(1 + x): the rounding error of 1 + x is put back.

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
    """Compute (1 − e)/(1 + e) with e = exp(−2|x|), less 1 before it is rounded; with x's sign, of 0 too.

    >>> tanh(1e-20), tanh(1000.0)
    (1e-20, 1.0)
    """
    e = expm1(-2.0 * abs(x))
    return number(bits(abs(e / (2.0 + e))) | (bits(x) & _SIGN_BIT))


def cbrt(x: float) -> float:
    """Compute the real cube root: exp(ln|x|/3), and one of Newton's steps.

    >>> cbrt(-8.0), cbrt(0.0), cbrt(-math.inf)
    (-2.0, 0.0, -inf)
    """
    a = abs(x)
    ordinary = 0.0 < a < math.inf
    a = a if ordinary else 1.0
    root = exp(log(a) / 3.0)
    root = root - (root - a / root / root) / 3.0
    root = number(bits(root) | (bits(x) & _SIGN_BIT))
    return root if ordinary else x


def erf(x: float) -> float:
    """Compute the error function: its series up to 3/4, beyond 1 − erfc.

    >>> erf(0.0), erf(1e-20) / 1e-20, erf(-math.inf)
    (0.0, 1.1283791670955126, -1.0)
    """
    a = abs(x)
    z = x * x
    z = 1.0 if z > 1.0 else z
    p = -1.0 / 168129561600.0
    p = p * z + 1.0 / 11975040000.0
    p = p * z - 1.0 / 918086400.0
    p = p * z + 1.0 / 76204800.0
    p = p * z - 1.0 / 6894720.0
    p = p * z + 1.0 / 685440.0
    p = p * z - 1.0 / 75600.0
    p = p * z + 1.0 / 9360.0
    p = p * z - 1.0 / 1320.0
    p = p * z + 1.0 / 216.0
    p = p * z - 1.0 / 42.0
    p = p * z + 1.0 / 10.0
    p = p * z - 1.0 / 3.0
    near = x * _TWO_OVER_SQRT_PI + x * (_TWO_OVER_SQRT_PI * (p * z))
    far = 1.0 - erfc(a)
    far = number(bits(far) | (bits(x) & _SIGN_BIT))
    return near if a < 0.75 else far


def erfc(x: float) -> float:
    """Compute 1 − erf(x), not from erf where that is near 1.

    For x ≥ 0, (1 + 2x)·exp(x²)·erfc(x) is smooth on the whole half-line (Shepherd & Laframboise 1981): it is the
    Chebyshev expansion in t = (x − 3.5)/(x + 3.5) up to t²³, whose rest is below 3e-17. x² is split, as exp magnifies
    its rounding error: x = h + l, where h² is exact.

    >>> erfc(0.0), erfc(-math.inf), erfc(math.inf)
    (1.0, 2.0, 0.0)
    """
    a = abs(x)
    a = 28.0 if a > 28.0 else a
    t = (a - 3.5) / (a + 3.5)
    p = -1.1656702659590527e-09
    p = p * t + 6.040331771948502e-11
    p = p * t + 1.3624451059787553e-08
    p = p * t + 6.651925809508503e-10
    p = p * t - 9.640044544655119e-08
    p = p * t - 8.611578859377024e-09
    p = p * t + 6.014824128130389e-07
    p = p * t - 4.3092364464478725e-08
    p = p * t - 3.8140126085516664e-06
    p = p * t + 2.327330946088211e-06
    p = p * t + 2.4260300998441393e-05
    p = p * t - 4.278173995556392e-05
    p = p * t - 0.00012151212092476514
    p = p * t + 0.0005643842668691958
    p = p * t - 0.0003022679534321583
    p = p * t - 0.0042150198797739164
    p = p * t + 0.019099330953270998
    p = p * t - 0.04882332583088405
    p = p * t + 0.08798315382403679
    p = p * t - 0.11508959816003075
    p = p * t + 0.09751909515328706
    p = p * t - 0.010555596332221669
    p = p * t - 0.1400091801376197
    p = p * t + 1.2423492448711544
    h = number(bits(a) & _UPPER_BITS)
    d = (a - h) * (a + h)
    tail = p / (1.0 + 2.0 * a) * (exp(-h * h) * (1.0 - d * (1.0 - d * (0.5 - d * (1.0 / 6.0)))))
    return 2.0 - tail if x < 0.0 else tail


def floor(x: float) -> float:
    """Round down: the whole number nearest to |x|, with x's sign, less 1 if it is above x.

    >>> floor(-0.5), floor(2.0), floor(1e300), floor(math.inf)
    (-1.0, 2.0, 1e+300, inf)
    """
    a = abs(x)
    nearest = number(bits((a + _WHOLE) - _WHOLE) | (bits(x) & _SIGN_BIT))
    below = nearest - (1.0 if nearest > x else 0.0)
    return below if a < _WHOLE else x


def ceil(x: float) -> float:
    """Round up to the least whole number not below x.

    >>> ceil(-0.5), ceil(1.5)
    (-0.0, 2.0)
    """
    return -floor(-x)


#: Those that text may call instead of the functions of ``math``.
FUNCTIONS = (exp, expm1, log, log1p, tanh, cbrt, erf, erfc, floor, ceil)
