"""Float functions that ``math`` lacks, each accurate to a few units in the last place.

These are the float forms behind records of the operation table (:mod:`tinygrad_lite.operations.ops`). The textbook
formulas of sigmoid, softplus, GELU and of their derivatives overflow, or cancel to nothing, over much of the
line; what stands here is arranged so that they do not. Two devices recur:

* *split squares*: ``x * x`` is rounded, and ``exp`` turns that absolute error into a relative one a thousand
  times larger. The rounding error of a product is itself a float (Dekker 1971), and is put back.
* *expansion about a root*: where a derivative crosses zero, its terms cancel. Written in the distance from
  the root, which is known to twice the working precision, they do not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Final

# ---------------------------------------------------------------------------------------------- powers


def power(x: float, y: float) -> float:
    """``x ** y`` as Python computes it, except that a complex result is a ValueError."""
    if 0.0 < x < math.inf and -math.inf < y < math.inf:
        try:
            return math.pow(x, y)  # what Python's does too, but the compiler knows this one
        except OverflowError:
            pass  # Python's has another text
    elif x < 0.0 and y == 2.0:
        return power(-x, y)
    result: object = operator.pow(x, y)
    if isinstance(result, float):
        return result
    raise ValueError("a negative number to a fractional power is complex")


def _power_or_inf(x: float, y: float) -> float:
    """``x ** y``, infinite where that overflows: a limit. (No caller divides by 0 with it.)"""
    try:
        return power(x, y)
    except OverflowError:
        return -math.inf if x < 0.0 and y % 2.0 == 1.0 else math.inf


def power_by_base(x: float, y: float) -> float:
    """∂(x**y)/∂x = y·x^(y−1).

    ``y - 1`` is exact for y ≥ 1/2; below, x^y/x avoids its rounding error, which ln x would magnify.
    Results under 1e-290 are taken in two halves, so that no factor is rounded as a subnormal.
    """
    if y == 0.0:
        return 0.0
    if x == 0.0 and not y >= 1.0:  # nan too
        return y * math.inf
    if y >= 0.5:
        slope = _power_or_inf(x, y - 1.0)
        if abs(slope) < 1e-290 and x != 0.0:
            half = _power_or_inf(abs(x), 0.5 * (y - 1.0))
            return math.copysign(half, slope) * y * half
        return y * slope
    result = _power_or_inf(x, y)
    if abs(result / x) < 1e-290:
        half = _power_or_inf(abs(x), 0.5 * y)
        return (y * math.copysign(half, result)) * (half / x)
    return y * result / x


def power_by_exponent(x: float, y: float) -> float:
    """∂(x**y)/∂y = x^y·ln x; 0 at x = 0 < y, where x^y vanishes faster than ln x grows."""
    if x == 0.0:
        if y > 0.0:
            return 0.0
        return -math.inf if y == 0.0 else math.nan
    if x < 0.0:
        return math.nan
    result = _power_or_inf(x, y)
    if result < 1e-290:
        half = _power_or_inf(x, 0.5 * y)
        return (half * math.log(x)) * half
    return result * math.log(x)


def cbrt(x: float) -> float:
    """Real cube root."""
    return math.cbrt(x)


def cbrt_derivative(x: float) -> float:
    """1/(3·cbrt(x)²), after one Newton step: C libraries' cbrt is up to 3 ulp off."""
    root = cbrt(x)
    if root == 0.0 or not math.isfinite(root):
        return math.inf if root == 0.0 else root if root != root else 0.0
    root -= (root - x / root / root) / 3.0
    return 1.0 / (3.0 * root * root) if abs(x) < 1.0 else root / x / 3.0


# -------------------------------------------------------------------------- inverse functions and lengths


def asin_derivative(x: float) -> float:
    """1/√(1−x²), by factors that do not cancel; infinite at ±1, nan beyond."""
    square = (1.0 - x) * (1.0 + x)
    if square <= 0.0:
        return math.inf if square == 0.0 else math.nan
    return 1.0 / math.sqrt(square)


def atanh_derivative(x: float) -> float:
    """1/(1−x²), by factors that do not cancel; infinite at ±1."""
    square = (1.0 - x) * (1.0 + x)
    return 1.0 / square if square != 0.0 else math.inf


def hypot_derivative(x: float, y: float) -> float:
    """x/√(x²+y²); 0 at the origin."""
    h = math.hypot(x, y)
    return x / h if h != 0.0 else 0.0


# ------------------------------------------------------------------------------- hyperbolic and logistic


def _bell(e: float) -> float:
    """e/(1+e)² for e = exp(-t): the rounding error of 1 + e is put back."""
    s = 1.0 + e
    r = e - (s - 1.0)
    q = e / (s * s)
    return q - q * (2.0 * r / s)


def tanh_derivative(x: float) -> float:
    """1 − tanh²x = sech²x, without the cancellation: 4e/(1+e)² with e = exp(−2|x|)."""
    return 4.0 * _bell(math.exp(-2.0 * abs(x)))


def sigmoid(x: float) -> float:
    """1/(1+exp(−x)); no overflow, and full relative accuracy in the left tail."""
    e = math.exp(-abs(x))
    return 1.0 / (1.0 + e) if not x < 0.0 else e / (1.0 + e)


def sigmoid_derivative(x: float) -> float:
    """σ(x)·σ(−x) = e/(1+e)² with e = exp(−|x|)."""
    return _bell(math.exp(-abs(x)))


def softplus(x: float) -> float:
    """ln(1+exp(x)) = max(x, 0) + log1p(exp(−|x|))."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def logsigmoid(x: float) -> float:
    """ln σ(x) = −softplus(−x)."""
    return -softplus(-x)


_SILU_ROOT: Final = -1.2784645427610737  # 1 + x + exp(x) = 0
_SILU_ROOT_TAIL: Final = -1.0946994183093437e-16
_SILU_ROOT_EXP: Final = 0.2784645427610738


def silu(x: float) -> float:
    """x·σ(x); the half powers keep x·exp(x) whole where exp(x) alone is subnormal."""
    if x < -600.0:
        half = math.exp(0.5 * max(x, -1e4))
        return max(x, -1e4) * half * half
    return x * sigmoid(x)


def silu_derivative(x: float) -> float:
    """σ(x)(1 + xσ(−x)).

    Left of 0 the bracket is (1+x+eˣ)/(1+eˣ), which vanishes at x₀ = −1.278…: with d = x − x₀ its numerator is
    d + e^{x₀}·expm1(d), two terms of one sign.
    """
    x = max(min(x, 1e4), -1e4) if x == x else x  # beyond, it is constant, and its factors are 0 and inf
    if x >= 0.0:
        e = math.exp(-x)
        s = 1.0 + e
        return (1.0 + e * (1.0 + x)) / (s * s)
    d = (x - _SILU_ROOT) - _SILU_ROOT_TAIL
    numerator = d + _SILU_ROOT_EXP * math.expm1(d)
    if x < -600.0:
        half = math.exp(0.5 * x)
        return numerator * half * half
    return numerator * _bell(math.exp(x))


# --------------------------------------------------------------------------------------- normal and GELU


def _square_tail(x: float, square: float) -> float:
    """Return the rounding error of ``x * x`` (Dekker's product, Veltkamp's splitting), for |x| < 1e150."""
    c = 134217729.0 * x
    high = c - (c - x)
    low = x - high
    return ((high * high - square) + 2.0 * high * low) + low * low


def gaussian(x: float) -> float:
    """exp(−x²), the rounding error of x² put back."""
    if abs(x) > 28.0:
        return 0.0
    square = x * x
    e = math.exp(-square)
    return e - e * _square_tail(x, square)


_INV_SQRT_2PI: Final = 0.3989422804014327


def normal_pdf(x: float) -> float:
    """exp(−x²/2)/√(2π)."""
    return _times_pdf(1.0, x)


def _times_pdf(factor: float, x: float) -> float:
    """factor·φ(x); near underflow by two halves, so that only the result is rounded as a subnormal."""
    if abs(x) > 39.5:
        return factor * 0.0
    square = x * x
    tail = _square_tail(x, square)
    if square > 1400.0:
        e = math.exp(-0.25 * square)
        return (factor * _INV_SQRT_2PI * (e - 0.5 * e * tail)) * e
    e = math.exp(-0.5 * square)
    return factor * (_INV_SQRT_2PI * (e - 0.5 * e * tail))


def _mills_series(x: float) -> float:
    """−xΦ(x)/φ(x) for x < −37, by the asymptotic series 1 − 1/x² + 3/x⁴ − 15/x⁶ + …."""
    t = 1.0 / (x * x)
    return 1.0 - t * (1.0 - 3.0 * t * (1.0 - 5.0 * t * (1.0 - 7.0 * t * (1.0 - 9.0 * t))))


_SQRT_HALF: Final = 0.7071067811865476
_SQRT_HALF_TAIL: Final = -4.833646656726457e-17
_TWO_OVER_SQRT_PI: Final = 1.1283791670955126


def normal_cdf(x: float) -> float:
    """Φ(x) = erfc(−x/√2)/2; what the argument lost by rounding comes back through erfc'."""
    if x < -39.0:
        return 0.0
    if x > 9.0:
        return 1.0
    t = -x * _SQRT_HALF
    # -x/√2 − t, exactly enough: the product's rounding error, and the constant's own tail.
    c = 134217729.0 * x
    high = c - (c - x)
    low = x - high
    c = 134217729.0 * _SQRT_HALF
    half_high = c - (c - _SQRT_HALF)
    half_low = _SQRT_HALF - half_high
    tail = -(((high * half_high + t) + high * half_low + low * half_high) + low * half_low)
    tail -= x * _SQRT_HALF_TAIL
    return 0.5 * math.erfc(t) - 0.5 * tail * _TWO_OVER_SQRT_PI * math.exp(-t * t)


def gelu(x: float) -> float:
    """x·Φ(x)."""
    if x < -37.5:
        return _times_pdf(-_mills_series(x), x)
    return x * normal_cdf(x)


class _Expansion:
    """The Taylor expansion of gelu'(x) = Φ(x) + xφ(x) about ``centre + tail``.

    gelu'' = φ(x)(2 − x²), and (φp)' = φ(p' − xp): every further coefficient is φ(c)·p_k(c)/k!.
    """

    def __init__(self, centre: float, tail: float, value: float) -> None:
        self.centre = centre
        self.tail = tail
        self.coefficients = [value]
        polynomial = [2.0, 0.0, -1.0]
        scale = normal_pdf(centre)
        for k in range(1, 18):
            scale /= k
            at_centre = 0.0
            for coefficient in reversed(polynomial):
                at_centre = at_centre * centre + coefficient
            self.coefficients.append(scale * at_centre)
            derivative = [i * polynomial[i] for i in range(1, len(polynomial))] + [0.0, 0.0]
            shifted = [0.0, *polynomial]
            polynomial = [derivative[i] - shifted[i] for i in range(len(shifted))]

    def __call__(self, x: float) -> float:
        d = (x - self.centre) - self.tail
        total = 0.0
        for k in range(len(self.coefficients) - 1, -1, -1):
            total = total * d + self.coefficients[k]
        return total


# Centres, and gelu' there (60-digit mpmath, rounded). The second is its root, to twice the working precision.
_GELU_EXPANSIONS: Final = (
    _Expansion(-0.4, 0.0, 0.1972702022683465),
    _Expansion(-0.7517915246935645, 1.4956759177009883e-17, 0.0),
    _Expansion(-1.15, 0.0, -0.11175477339082068),
    _Expansion(-1.6, 0.0, -0.1226740437875709),
    _Expansion(-2.1, 0.0, -0.07450113099608054),
)
_GELU_EXPANSION_ENDS: Final = (-0.55, -0.95, -1.35, -1.85, -2.4)


def gelu_derivative(x: float) -> float:
    """Φ(x) + xφ(x); expanded where the two terms cancel, −2.4 < x < −0.1."""
    if x in (math.inf, -math.inf):
        return 1.0 if x > 0.0 else 0.0
    if x > -0.1:
        return normal_cdf(x) + x * normal_pdf(x)
    if x > -2.4:
        i = 0
        while x <= _GELU_EXPANSION_ENDS[i]:
            i += 1
        return _GELU_EXPANSIONS[i](x)
    if x < -37.0:
        return _times_pdf(x - _mills_series(x) / x, x)
    return normal_cdf(x) + x * normal_pdf(x)


SQRT2: Final = 1.4142135623730951
SQRT2_TAIL: Final = -9.667293313452913e-17  # √2 − SQRT2


def gelu_second_derivative(x: float) -> float:
    """φ(x)(2 − x²), the bracket as (√2 − x)(√2 + x), which does not cancel; φ first, as x² may overflow."""
    return (normal_pdf(x) * ((SQRT2 - x) + SQRT2_TAIL)) * ((SQRT2 + x) + SQRT2_TAIL)


# ----------------------------------------------------------------------------------- piecewise functions


def relu(x: float) -> float:
    """max(x, 0), with NaN kept."""
    return 0.0 if x <= 0.0 else x


def leaky_relu(x: float, slope: float) -> float:
    """x where x > 0, slope·x elsewhere."""
    return x if x > 0.0 else slope * x


def elu(x: float, alpha: float) -> float:
    """x where x > 0, alpha·(exp(x) − 1) elsewhere."""
    return x if x > 0.0 else alpha * math.expm1(x)


SELU_SCALE: Final = 1.0507009873554804934193349852946
SELU_SLOPE: Final = 1.7580993408473768599402175208123  # scale · alpha (1.6732…), rounded once


def selu(x: float) -> float:
    """scale·x where x > 0, scale·alpha·(exp(x) − 1) elsewhere (Klambauer et al. 2017)."""
    return SELU_SCALE * x if x > 0.0 else SELU_SLOPE * math.expm1(x)


def softsign(x: float) -> float:
    """x/(1+|x|)."""
    return math.copysign(1.0, x) if abs(x) > 1e300 else x / (1.0 + abs(x))


def maximum(x: float, y: float) -> float:
    """Return the larger; NaN if either is (NumPy's convention)."""
    if x != x:
        return x
    return x if x >= y else y


def minimum(x: float, y: float) -> float:
    """Return the smaller; NaN if either is (NumPy's convention)."""
    if x != x:
        return x
    return x if x <= y else y


def clamp(x: float, low: float, high: float) -> float:
    """min(max(x, low), high)."""
    return minimum(maximum(x, low), high)


def where(condition: float, x: float, y: float) -> float:
    """x where the condition is not zero, y elsewhere."""
    return x if condition != 0.0 else y


def sign(x: float) -> float:
    """−1, 0 or 1; NaN stays NaN."""
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else x * 0.0


def floor(x: float) -> float:
    """``math.floor``, as a float."""
    return float(math.floor(x))


def ceil(x: float) -> float:
    """``math.ceil``, as a float."""
    return float(math.ceil(x))


def greater(x: float, y: float) -> float:
    """1.0 where x > y, else 0.0."""
    return 1.0 if x > y else 0.0


def greater_equal(x: float, y: float) -> float:
    """1.0 where x >= y, else 0.0."""
    return 1.0 if x >= y else 0.0


def less(x: float, y: float) -> float:
    """1.0 where x < y, else 0.0."""
    return 1.0 if x < y else 0.0


def less_equal(x: float, y: float) -> float:
    """1.0 where x <= y, else 0.0."""
    return 1.0 if x <= y else 0.0


def equal(x: float, y: float) -> float:
    """1.0 where x == y, else 0.0."""
    return 1.0 if x == y else 0.0


def not_equal(x: float, y: float) -> float:
    """1.0 where x != y, else 0.0."""
    return 1.0 if x != y else 0.0


# --------------------------------------------------------------------------------- functions of sequences


def total(xs: Sequence[float]) -> float:
    """Python's own ``sum`` of floats, bit for bit."""
    return float(sum(xs))


def mean(xs: Sequence[float]) -> float:
    """``sum(xs) / len(xs)``."""
    return float(sum(xs) / len(xs))


def product(xs: Sequence[float]) -> float:
    """``math.prod`` of floats, bit for bit."""
    return float(math.prod(xs))


def products_without_each(xs: Sequence[float]) -> list[float]:
    """For each x, the product of all others: products of heads and of tails, as a quotient would fail at 0.

    Mantissas and exponents are multiplied apart, so that a part may leave the range of floats and the whole return.
    """
    n = len(xs)
    heads = [(1.0, 0)]
    tails = [(1.0, 0)]
    for i in range(n - 1):
        heads.append(_times_parts(heads[i], xs[i]))
        tails.append(_times_parts(tails[i], xs[n - 1 - i]))
    result = []
    for i in range(n):
        mantissa = heads[i][0] * tails[n - 1 - i][0]
        exponent = heads[i][1] + tails[n - 1 - i][1]
        try:
            result.append(math.ldexp(mantissa, exponent))
        except OverflowError:
            result.append(math.copysign(math.inf, mantissa))
    return result


def _times_parts(parts: tuple[float, int], x: float) -> tuple[float, int]:
    mantissa, exponent = math.frexp(x)
    mantissa, more = math.frexp(parts[0] * mantissa)
    return mantissa, parts[1] + exponent + more


def dot(operands: Sequence[float]) -> float:
    """bias + w₁x₁ + … + wₙxₙ, added from the left; operands are w₁…wₙ, x₁…xₙ, bias."""
    n = (len(operands) - 1) // 2
    result = operands[2 * n]
    for i in range(n):
        result += operands[i] * operands[n + i]
    return result


def _exponentials(xs: Sequence[float]) -> list[float]:
    """exp(x − max xs) for each x, the rounding error of the difference put back (Knuth's two-sum)."""
    top = max(xs)
    if top in (math.inf, -math.inf) or top != top:
        return [math.nan if x != x else 1.0 if x == top else 0.0 for x in xs]
    result = []
    for x in xs:
        d = x - top
        if d < -750.0:
            result.append(0.0)
            continue
        part = d - x
        tail = (x - (d - part)) - (top + part)
        e = math.exp(d)
        result.append(e + e * tail)
    return result


def logsumexp(xs: Sequence[float]) -> float:
    """ln Σ exp(x), shifted by the largest x so that nothing overflows."""
    top = max(xs)
    if not math.isfinite(top):
        return top if not any(x != x for x in xs) else math.nan
    return top + math.log(math.fsum(_exponentials(xs)))


def softmaxes(xs: Sequence[float]) -> list[float]:
    """exp(xᵢ)/Σ exp(xₖ) for every i."""
    exponentials = _exponentials(xs)
    scale = math.fsum(exponentials)
    return [e / scale for e in exponentials]


def softmax(operands: Sequence[float]) -> float:
    """exp(xᵢ)/Σ exp(xₖ); operands are x₁…xₙ and the index i."""
    xs = operands[:-1]
    exponentials = _exponentials(xs)
    return exponentials[index_of(operands[-1], len(xs))] / math.fsum(exponentials)


def index_of(index: float, n: int) -> int:
    """Return a float that counts, as a Python index into n items; IndexError or TypeError as a list gives."""
    i = int(index)
    if i != index:
        raise TypeError(f"an index must be a whole number, not {index!r}")
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of range for {n} items")
    return i + n if i < 0 else i


def lookup(operands: Sequence[float]) -> float:
    """table[index]; operands are the table's items, then the index."""
    return operands[index_of(operands[-1], len(operands) - 1)]
