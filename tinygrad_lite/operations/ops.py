"""The operation table: one record an operation, and nothing about an operation anywhere else.

Who reads it: the engine (:mod:`tinygrad_lite.value`), the functions and methods (generated from it by
``make generate``), ``transforms``, ``viz``, ``testing``, ``lift`` and the reference page of the docs. To add an
operation, add its record here (what the fields mean: :class:`tinygrad_lite.operations.operation.Op`) and run ``make
generate``.

Some derivatives are operations of their own (``tanh_derivative`` ...), with ``public=False``: the textbook form of
these cancels or overflows in floats; theirs does not, and being an operation it has a rule in its turn. The formulas
are those of Abramowitz & Stegun (1964), chapters 4, 6 and 7, unless the record names another source.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Final

from tinygrad_lite.operations import numerics
from tinygrad_lite.operations.operation import CONDITION, NARY, POSITIVE, UNIT, Interval, Op

_LOG2E: Final = 1.4426950408889634
_LOG10E: Final = 0.4342944819032518
_TWO_OVER_SQRT_PI: Final = 1.1283791670955126
_GREATEST: Final = 1.7976931348623157e308
_SQRT2: Final = numerics.SQRT2
_SQRT2_TAIL: Final = numerics.SQRT2_TAIL
_SQRT_HALF: Final = 0.7071067811865476
_INV_SQRT_2PI: Final = 0.3989422804014327
#: Beyond, exponentials are 0 or infinite in every precision; a product with it is not NaN, as one with infinity.
_FAR: Final = 1e4
#: Beyond, 1 + |x| is |x| in every precision.
_FARTHEST: Final = 1e30


def _zero(m: Any, *operands: Any) -> float:
    return 0.0


def _one(m: Any, *operands: Any) -> float:
    return 1.0


def _minus_one(m: Any, *operands: Any) -> float:
    return -1.0


def _inverse_square(x: Any) -> Any:
    """1/x² in two divisions: x² may overflow where 1/x² does not vanish."""
    return (1.0 / x) / x


def _per_length(m: Any, x: Any, h: Any) -> Any:
    """x/h, and 0/1 where h is 0."""
    return x / (h + m.equal(h, 0.0))


def _across(m: Any, x: Any, y: Any) -> Any:
    """y/(x² + y²) by its factors (y/h)/h: the slope of the angle."""
    return m.hypot_derivative(y, x) / m.hypot(x, y)


def _atan2_partial(m: Any, x: Any, y: Any) -> Any:
    h = m.hypot(x, y)
    return (x / h) / h


def _pow_by_both(m: Any, x: Any, y: Any, z: Any) -> Any:
    """∂²(x^y)/∂x∂y = x^(y−1)(1 + y ln x)."""
    return m.pow(x, y - 1.0) + y * m.pow_by_exponent(x, y - 1.0)


def _power_times_log(m: Any, x: Any, y: Any) -> Any:
    """x^y·ln x by two halves: near x = 1 the power may be infinite where the product is not."""
    half = m.pow(x, 0.5 * y)
    return half * m.log(m.where(m.equal(x, 0.0) * m.greater(y, 0.0), 1.0, x)) * half


def _pow_by_base_twice(m: Any, x: Any, y: Any) -> Any:
    """y(y − 1)x^(y−2); at y = 0 that is 0 even where the power is infinite, and its slope in y the power's."""
    power = m.pow_by_base(x, y - 1.0)
    return y * m.where(y, power, m.clamp(power, -_GREATEST, _GREATEST))


def _scaled_exp(m: Any, scale: Any, x: Any) -> Any:
    """scale·eˣ by two halves: eˣ alone may be subnormal, or infinite where x is not chosen."""
    half = m.exp(0.5 * m.minimum(x, 0.0))
    return (scale * half) * half


def _within(m: Any, x: Any, end: float) -> Any:
    """x, cut off at −end and end."""
    return m.minimum(m.maximum(x, -end), end)


def _softsign(x: Any) -> Any:
    return x / (1.0 + abs(x))


def _bell(e: Any) -> Any:
    """σ(x)·σ(−x) from e = exp(−|x|)."""
    s = 1.0 + e
    return e / (s * s)


def _silu_slope(s: Any, x: Any) -> Any:
    """σ(x)(1 + xσ(−x)) from s = σ(x). Where 1 − s cancels, on the right, it is next to nothing beside 1."""
    return s * (1.0 + x * (1.0 - s))


def _total(xs: Sequence[Any]) -> Any:
    """Return the sum; a loop, as the compiler takes the built-in sum for one of ints."""
    total: Any = 0
    for x in xs:
        total = total + x
    return total


def _product(xs: Sequence[Any]) -> Any:
    product: Any = 1
    for x in xs:
        product = product * x
    return product


def _sum_partials(m: Any, operands: Sequence[Any], z: Any) -> list[Any]:
    return [1.0] * len(operands)


def _mean_partials(m: Any, operands: Sequence[Any], z: Any) -> list[Any]:
    return [1.0 / len(operands)] * len(operands)


def _prod_partials(m: Any, operands: Sequence[Any], z: Any) -> list[Any]:
    return list(m.products_without_each(operands))


def _dot_partials(m: Any, operands: Sequence[Any], z: Any) -> list[Any]:
    n = len(operands) // 2
    return [*operands[n : 2 * n], *operands[:n], 1.0]


def _logsumexp_partials(m: Any, operands: Sequence[Any], z: Any) -> list[Any]:
    return list(m.softmaxes(operands))


def _softmax_partials(m: Any, operands: Sequence[Any], z: Any) -> list[Any]:
    """sᵢ(δᵢⱼ − sⱼ); on the diagonal 1 − sᵢ is taken as the sum of the others, which does not cancel."""
    s = list(m.softmaxes(operands[:-1]))
    index = operands[-1] % len(s)
    partials = []
    for j, sj in enumerate(s):
        here = m.equal(index, float(j))
        if isinstance(here, float):
            partials.append(z * m.sum(s[:j] + s[j + 1 :]) if here and len(s) > 1 else -sj * z if not here else 0.0)
        else:
            partials.append(z * m.where(here, m.sum(s[:j] + s[j + 1 :]), -sj))
    return [*partials, 0.0]


def _lookup_partials(m: Any, operands: Sequence[Any], z: Any) -> list[Any]:
    n = len(operands) - 1
    index = operands[n] % n
    return [*(m.equal(index, float(k)) for k in range(n)), 0.0]


# A record is read as a paragraph: name, symbol, arity, value and rule first, then what it says of itself.
# fmt: off
_RECORDS: Final = (
    # -------------------------------------------------------------- arithmetic, and what else value.py names
    Op("add", "+", 2, operator.add, (_one, _one), definition=lambda m, x, y: x + y, numpy="add",
       doc="Sum of two numbers."),
    Op("sub", "-", 2, operator.sub, (_one, _minus_one), definition=lambda m, x, y: x - y, numpy="subtract",
       doc="Difference of two numbers."),
    Op("mul", "*", 2, operator.mul, (lambda m, x, y, z: y, lambda m, x, y, z: x),
       definition=lambda m, x, y: x * y, numpy="multiply", doc="Product of two numbers."),
    Op("truediv", "/", 2, operator.truediv, (lambda m, x, y, z: 1.0 / y, lambda m, x, y, z: -(x / y) / y),
       definition=lambda m, x, y: x / y, numpy="true_divide",
       singular=lambda x, y: y == 0.0, doc="Quotient of two numbers."),
    Op("neg", "neg", 1, operator.neg, (_minus_one,), definition=lambda m, x: -x, numpy="negative",
       doc="The negative of a number."),
    Op("pos", "pos", 1, operator.pos, (_one,), definition=lambda m, x: x, numpy="positive",
       doc="The number itself, as a node of its own."),
    Op("pow", "**", 2, numerics.power,
       (lambda m, x, y, z: m.pow_by_base(x, y), lambda m, x, y, z: m.pow_by_exponent(x, y)),
       definition=lambda m, x, y: x**y, numpy="float_power", domain=(POSITIVE, Interval()),
       kink=lambda x, y: x == 0.0 and y in (0.0, 1.0),
       convention="at x = 0: ∂/∂x is 1 for y = 1 and 0 for y = 0; ∂/∂y is 0 for y > 0 and -inf for y = 0",
       singular=lambda x, y: x == 0.0 and y < 1.0,
       doc="x to the power y; a fractional power of a negative x is a ValueError."),
    Op("floordiv", "//", 2, operator.floordiv, (_zero, _zero), numpy="floor_divide", source="{0} // {1}",
       definition=lambda m, x, y: m.floor(x / y), domain=(Interval(), POSITIVE),
       kink=lambda x, y: x % y == 0.0, convention="0 at the jumps too", doc="Quotient, rounded down."),
    Op("mod", "%", 2, operator.mod, (_one, lambda m, x, y, z: -(x // y)), numpy="remainder", source="{0} % {1}",
       definition=lambda m, x, y: x - y * m.floor(x / y), domain=(Interval(-1e6, 1e6), Interval(1e-3, 1e6)),
       kink=lambda x, y: x % y == 0.0, convention="the derivative from above",
       doc="Remainder of the division rounded down; it has the sign of y."),
    Op("abs", "abs", 1, operator.abs, (lambda m, x, z: m.sign(x),), numpy="absolute", source="abs({0})",
       definition=lambda m, x: m.abs(x), kink=lambda x: x == 0.0, convention="abs'(0) = 0", doc="Absolute value."),
    Op("dot", "dot", NARY, numerics.dot, (_dot_partials,), operands=("ws", "xs", "bias"), defaults=(0.0,),
       definition=lambda m, v: m.sum([v[-1], *map(operator.mul, v[: len(v) // 2], v[len(v) // 2 : -1])]),
       doc="bias + w1*x1 + ... + wn*xn, in one node: what a neuron computes before its activation."),
    Op("relu", "ReLU", 1, numerics.relu, (lambda m, x, z: m.greater(x, 0.0),),
       definition=lambda m, x: m.maximum(x, 0.0), kink=lambda x: x == 0.0, convention="relu'(0) = 0", chooses=True,
       doc="max(x, 0)."),
    # ---------------------------------------------------------------------------- exponentials and logarithms
    Op("exp", "exp", 1, math.exp, (lambda m, x, z: z,), numpy="exp", doc="e to the power x."),
    Op("expm1", "expm1", 1, math.expm1, (lambda m, x, z: m.exp(x),), numpy="expm1", doc="exp(x) - 1, accurate near 0."),
    Op("log", "log", 1, math.log, (lambda m, x, z: 1.0 / x,), numpy="log", domain=(POSITIVE,),
       notation="ln", doc="Natural logarithm."),
    Op("log1p", "log1p", 1, math.log1p, (lambda m, x, z: 1.0 / (1.0 + x),), numpy="log1p",
       mended=lambda m, own, x: m.where(m.less(x, -0.25), m.log(1.0 + x), own(x)),
       domain=(Interval(-1.0, open="low"),), doc="log(1 + x), accurate near 0."),
    Op("log2", "log2", 1, math.log2, (lambda m, x, z: _LOG2E / x,), numpy="log2", domain=(POSITIVE,),
       definition=lambda m, x: m.log(x) / m.log(2), notation="log₂", doc="Logarithm to base 2."),
    Op("log10", "log10", 1, math.log10, (lambda m, x, z: _LOG10E / x,), numpy="log10", domain=(POSITIVE,),
       definition=lambda m, x: m.log(x) / m.log(10), notation="log₁₀", doc="Logarithm to base 10."),
    Op("sqrt", "sqrt", 1, math.sqrt, (lambda m, x, z: 0.5 / z,), numpy="sqrt", domain=(Interval(0.0),),
       textbook=(lambda m, x, z: 1 / (2 * m.sqrt(x)),), degree=0.5, doc="Square root; its derivative at 0 is inf."),
    Op("cbrt", "cbrt", 1, numerics.cbrt, (lambda m, x, z: m.cbrt_derivative(x),), numpy="cbrt", source="math.cbrt({0})",
       degree=1 / 3, singular=lambda x: x == 0.0, doc="Real cube root; its derivative at 0 is inf."),
    # ---------------------------------------------------------------------------------------- trigonometry
    Op("sin", "sin", 1, math.sin, (lambda m, x, z: m.cos(x),), numpy="sin", doc="Sine of x radians."),
    Op("cos", "cos", 1, math.cos, (lambda m, x, z: -m.sin(x),), numpy="cos", doc="Cosine of x radians."),
    Op("tan", "tan", 1, math.tan, (lambda m, x, z: _inverse_square(m.cos(x)),), numpy="tan",
       doc="Tangent of x radians."),
    Op("asin", "asin", 1, math.asin, (lambda m, x, z: m.asin_derivative(x),), numpy="arcsin",
       domain=(UNIT,), notation="arcsin", doc="Angle in radians whose sine is x."),
    Op("acos", "acos", 1, math.acos, (lambda m, x, z: -m.asin_derivative(x),), numpy="arccos",
       domain=(UNIT,), notation="arccos", doc="Angle in radians whose cosine is x."),
    Op("atan", "atan", 1, math.atan, (lambda m, x, z: _inverse_square(m.hypot(1.0, x)),), numpy="arctan",
       notation="arctan", doc="Angle in radians whose tangent is x."),
    Op("atan2", "atan2", 2, math.atan2,
       (lambda m, y, x, z: _atan2_partial(m, x, y), lambda m, y, x, z: -_atan2_partial(m, y, x)),
       operands=("y", "x"), numpy="arctan2", kink=lambda y, x: y == 0.0 and x <= 0.0,
       convention="on the cut (y = 0, x < 0) the derivative of either side; nan at the origin",
       degree=0.0, singular=lambda y, x: x == 0.0 and y == 0.0, doc="Angle in radians of the point (x, y)."),
    Op("hypot", "hypot", 2, math.hypot,
       (lambda m, x, y, z: m.hypot_derivative(x, y), lambda m, x, y, z: m.hypot_derivative(y, x)),
       numpy="hypot", kink=lambda x, y: x == 0.0 and y == 0.0, convention="0 at the origin", degree=1.0,
       doc="Length of the vector (x, y)."),
    # ------------------------------------------------------------------------------------------- hyperbolic
    Op("sinh", "sinh", 1, math.sinh, (lambda m, x, z: m.cosh(x),), numpy="sinh", doc="Hyperbolic sine."),
    Op("cosh", "cosh", 1, math.cosh, (lambda m, x, z: m.sinh(x),), numpy="cosh", doc="Hyperbolic cosine."),
    Op("tanh", "tanh", 1, math.tanh, (lambda m, x, z: m.tanh_derivative(x),), numpy="tanh", doc="Hyperbolic tangent."),
    Op("asinh", "asinh", 1, math.asinh, (lambda m, x, z: 1.0 / m.hypot(1.0, x),), numpy="arcsinh",
       notation="arsinh", doc="Inverse hyperbolic sine."),
    Op("acosh", "acosh", 1, math.acosh, (lambda m, x, z: 1.0 / m.sqrt(x - 1.0) / m.sqrt(x + 1.0),), numpy="arccosh",
       domain=(Interval(1.0),), notation="arcosh", doc="Inverse hyperbolic cosine."),
    Op("atanh", "atanh", 1, math.atanh, (lambda m, x, z: m.atanh_derivative(x),), numpy="arctanh",
       mended=lambda m, own, x: m.sign(x) * (0.5 * m.log1p(2.0 * abs(x) / (1.0 - abs(x)))),
       domain=(Interval(-1.0, 1.0, open="both"),), notation="artanh", doc="Inverse hyperbolic tangent."),
    # ----------------------------------------------------------------------------------------- error function
    Op("erf", "erf", 1, math.erf, (lambda m, x, z: _TWO_OVER_SQRT_PI * m.gaussian(x),),
       special="erf", doc="Error function."),
    Op("erfc", "erfc", 1, math.erfc, (lambda m, x, z: -_TWO_OVER_SQRT_PI * m.gaussian(x),),
       special="erfc", doc="1 - erf(x), accurate for large x."),
    # -------------------------------------------------------------------------------------------- activations
    Op("sigmoid", "sigmoid", 1, numerics.sigmoid, (lambda m, x, z: m.sigmoid_derivative(x),),
       definition=lambda m, x: 1 / (1 + m.exp(-x)), notation="σ", doc="Logistic function 1/(1 + exp(-x))."),
    Op("logsigmoid", "logsigmoid", 1, numerics.logsigmoid, (lambda m, x, z: m.sigmoid(-x),),
       definition=lambda m, x: -m.log1p(m.exp(-x)),
       stable=lambda m, x: m.minimum(x, 0.0) - m.log1p(m.exp(-abs(x))), doc="Logarithm of the logistic function."),
    Op("softplus", "softplus", 1, numerics.softplus, (lambda m, x, z: m.sigmoid(x),),
       definition=lambda m, x: m.log1p(m.exp(x)),
       stable=lambda m, x: m.maximum(x, 0.0) + m.log1p(m.exp(-abs(x))), doc="log(1 + exp(x)), a smooth relu."),
    Op("leaky_relu", "leaky_relu", 2, numerics.leaky_relu,
       (lambda m, x, slope, z: m.where(m.greater(x, 0.0), 1.0, slope),
        lambda m, x, slope, z: m.where(m.greater(x, 0.0), 0.0, x)),
       operands=("x", "slope"), defaults=(0.01,), aliases={"slope": ("negative_slope", "alpha")},
       kink=lambda x, slope: x == 0.0,
       convention="leaky_relu'(0) = slope", definition=lambda m, x, slope: m.where(m.greater(x, 0), x, slope * x),
       stable=lambda m, x, slope: x * m.where(m.greater(x, 0.0), 1.0, slope), chooses=True,
       doc="x where x > 0, slope * x elsewhere (Maas et al. 2013)."),
    Op("elu", "ELU", 2, numerics.elu,
       (lambda m, x, alpha, z: m.where(m.greater(x, 0.0), 1.0, _scaled_exp(m, alpha, x)),
        lambda m, x, alpha, z: m.expm1(m.minimum(x, 0.0))),
       operands=("x", "alpha"), defaults=(1.0,), kink=lambda x, alpha: x == 0.0, convention="elu'(0) = alpha",
       definition=lambda m, x, alpha: m.where(m.greater(x, 0), x, alpha * m.expm1(x)),
       textbook=(lambda m, x, alpha, z: m.where(m.greater(x, 0), 1, alpha * m.exp(x)),
                 lambda m, x, alpha, z: m.where(m.greater(x, 0), 0, m.expm1(x))),
       stable=lambda m, x, alpha: m.maximum(x, 0.0)
       + m.where(m.greater(x, 0.0), 0.0, alpha) * m.expm1(m.minimum(x, 0.0)), chooses=True,
       doc="x where x > 0, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2016)."),
    Op("selu", "SELU", 1, numerics.selu,
       (lambda m, x, z: m.where(m.greater(x, 0.0), numerics.SELU_SCALE, _scaled_exp(m, numerics.SELU_SLOPE, x)),),
       kink=lambda x: x == 0.0, convention="selu'(0) = scale * alpha = 1.758...",
       definition=lambda m, x: m.where(m.greater(x, 0), numerics.SELU_SCALE * x, numerics.SELU_SLOPE * m.expm1(x)),
       textbook=(lambda m, x, z: m.where(m.greater(x, 0), numerics.SELU_SCALE, numerics.SELU_SLOPE * m.exp(x)),),
       stable=lambda m, x: numerics.SELU_SCALE * m.maximum(x, 0.0) + numerics.SELU_SLOPE * m.expm1(m.minimum(x, 0.0)),
       chooses=True, doc="Self-normalising ELU (Klambauer et al. 2017)."),
    Op("gelu", "GELU", 1, numerics.gelu, (lambda m, x, z: m.gelu_derivative(x),),
       definition=lambda m, x: x * m.normal_cdf(x),
       stable=lambda m, x: m.maximum(x, -_FAR) * (0.5 * m.erfc(-_SQRT_HALF * x)),
       doc="x times the normal distribution function (Hendrycks & Gimpel 2016), exact form."),
    Op("silu", "SiLU", 1, numerics.silu, (lambda m, x, z: m.silu_derivative(x),),
       definition=lambda m, x: x * m.sigmoid(x),
       stable=lambda m, x: m.maximum(x, -_FAR) / (1.0 + m.exp(-x)),
       doc="x * sigmoid(x), also called swish (Ramachandran et al. 2017)."),
    Op("softsign", "softsign", 1, numerics.softsign, (lambda m, x, z: _inverse_square(1.0 + abs(x)),),
       definition=lambda m, x: x / (1 + m.abs(x)),
       stable=lambda m, x: _softsign(_within(m, x, _FARTHEST)), doc="x/(1 + |x|)."),
    Op("hardtanh", "hardtanh", 3, numerics.clamp,
       (lambda m, x, low, high, z: m.greater(x, low) * m.less(x, high),
        lambda m, x, low, high, z: m.less_equal(x, low),
        lambda m, x, low, high, z: m.greater(x, low) * m.greater_equal(x, high)),
       operands=("x", "low", "high"), defaults=(-1.0, 1.0), aliases={"low": ("min_val",), "high": ("max_val",)},
       domain=(Interval(), Interval(high=-1.0), Interval(1.0)),
       kink=lambda x, low, high: x in (low, high), convention="0 at both ends (the bounds have the derivative there)",
       definition=lambda m, x, low, high: m.minimum(m.maximum(x, low), high), chooses=True,
       textbook=(None, None, lambda m, x, low, high, z: m.greater_equal(x, high)),
       doc="x, cut off below at low and above at high; saturated at its ends."),
    # ------------------------------------------------------------------------------------ choices and comparisons
    Op("maximum", "max", 2, numerics.maximum,
       (lambda m, x, y, z: m.greater(x, y) + 0.5 * m.equal(x, y),
        lambda m, x, y, z: m.less(x, y) + 0.5 * m.equal(x, y)),
       numpy="maximum", source="{0} if {0} >= {1} or {0} != {0} else {1}",
       kink=lambda x, y: x == y, convention="a tie splits equally: 1/2 and 1/2",
       definition=lambda m, x, y: m.where(m.greater(x, y), x, y), chooses=True,
       notation="max", doc="The larger of two numbers."),
    Op("minimum", "min", 2, numerics.minimum,
       (lambda m, x, y, z: m.less(x, y) + 0.5 * m.equal(x, y),
        lambda m, x, y, z: m.greater(x, y) + 0.5 * m.equal(x, y)),
       numpy="minimum", source="{0} if {0} <= {1} or {0} != {0} else {1}",
       kink=lambda x, y: x == y, convention="a tie splits equally: 1/2 and 1/2",
       definition=lambda m, x, y: m.where(m.less(x, y), x, y), chooses=True,
       notation="min", doc="The smaller of two numbers."),
    Op("clamp", "clamp", 3, numerics.clamp,
       (lambda m, x, low, high, z: m.greater_equal(x, low) * m.less_equal(x, high),
        lambda m, x, low, high, z: m.less(x, low),
        lambda m, x, low, high, z: m.greater_equal(x, low) * m.greater(x, high)),
       operands=("x", "low", "high"), domain=(Interval(), Interval(high=-1.0), Interval(1.0)),
       kink=lambda x, low, high: x in (low, high), convention="1 at both ends (PyTorch's choice)",
       definition=lambda m, x, low, high: m.minimum(m.maximum(x, low), high), chooses=True,
       textbook=(None, None, lambda m, x, low, high, z: m.greater(x, high)),
       doc="x, cut off below at low and above at high."),
    Op("where", "where", 3, numerics.where,
       (_zero, lambda m, c, x, y, z: m.not_equal(c, 0.0), lambda m, c, x, y, z: m.equal(c, 0.0)),
       operands=("condition", "x", "y"), domain=(CONDITION, Interval(), Interval()),
       definition=lambda m, c, x, y: m.where(c, x, y), numpy="where", source="{1} if {0} != 0.0 else {2}", chooses=True,
       doc="x where the condition is true (not zero), y elsewhere; both are evaluated."),
    Op("floor", "floor", 1, numerics.floor, (_zero,), numpy="floor", source="math.floor({0})",
       kink=lambda x: x == math.floor(x), convention="0 at the jumps too",
       doc="The greatest whole number not above x."),
    Op("ceil", "ceil", 1, numerics.ceil, (_zero,), numpy="ceil", source="math.ceil({0})",
       kink=lambda x: x == math.floor(x), convention="0 at the jumps too", doc="The least whole number not below x."),
    Op("sign", "sign", 1, numerics.sign, (_zero,), numpy="sign",
       source="1.0 if {0} > 0.0 else -1.0 if {0} < 0.0 else {0}", kink=lambda x: x == 0.0,
       convention="0 at the jump too", definition=lambda m, x: m.greater(x, 0) - m.less(x, 0),
       notation="sign", doc="-1, 0 or 1."),
    Op("greater", ">", 2, numerics.greater, (_zero, _zero), numpy="greater", source="1.0 if {0} > {1} else 0.0",
       kink=lambda x, y: x == y,
       convention="0 at the jump too", doc="1 where x > y, else 0; unlike ``x > y`` it stays in the graph."),
    Op("greater_equal", "≥", 2, numerics.greater_equal, (_zero, _zero), numpy="greater_equal",
       source="1.0 if {0} >= {1} else 0.0", kink=lambda x, y: x == y,
       convention="0 at the jump too", doc="1 where x >= y, else 0."),
    Op("less", "<", 2, numerics.less, (_zero, _zero), numpy="less", source="1.0 if {0} < {1} else 0.0",
       kink=lambda x, y: x == y,
       convention="0 at the jump too", doc="1 where x < y, else 0; unlike ``x < y`` it stays in the graph."),
    Op("less_equal", "≤", 2, numerics.less_equal, (_zero, _zero), numpy="less_equal",
       source="1.0 if {0} <= {1} else 0.0", kink=lambda x, y: x == y,
       convention="0 at the jump too", doc="1 where x <= y, else 0."),
    Op("equal", "=", 2, numerics.equal, (_zero, _zero), numpy="equal",
       source="1.0 if {0} == {1} else 0.0", kink=lambda x, y: x == y,
       convention="0 at the jump too", doc="1 where x equals y, else 0; ``x == y`` compares identity."),
    Op("not_equal", "≠", 2, numerics.not_equal, (_zero, _zero), numpy="not_equal",
       source="1.0 if {0} != {1} else 0.0", kink=lambda x, y: x == y,
       convention="0 at the jump too", doc="1 where x differs from y, else 0; ``x != y`` compares identity."),
    # -------------------------------------------------------------------------------- any number of operands
    Op("sum", "Σ", NARY, numerics.total, (_sum_partials,), operands=("xs",),
       definition=lambda m, xs: _total(xs), doc="Sum of any number of operands, in one node."),
    Op("mean", "mean", NARY, numerics.mean, (_mean_partials,), operands=("xs",),
       definition=lambda m, xs: m.sum(xs) / len(xs), doc="Arithmetic mean of at least one operand, in one node."),
    Op("prod", "Π", NARY, numerics.product, (_prod_partials,), operands=("xs",), domain=(Interval(-1e3, 1e3),),
       definition=lambda m, xs: _product(xs), doc="Product of any number of operands, in one node."),
    Op("logsumexp", "logsumexp", NARY, numerics.logsumexp, (_logsumexp_partials,), operands=("xs",),
       definition=lambda m, xs: m.log(m.sum([m.exp(x) for x in xs])), domain=(Interval(-1e3, 1e3),),
       doc="log of the sum of exp(x), without overflow."),
    Op("softmax", "softmax", NARY, numerics.softmax, (_softmax_partials,), operands=("xs", "index"), bound=6.0,
       bound_reason="the product of two quotients of exponentials is rounded seven times",
       definition=lambda m, v: m.exp(v[:-1][int(v[-1])]) / m.sum([m.exp(x) for x in v[:-1]]),
       textbook=(lambda m, v, z: [*(z * (m.equal(v[-1], float(j)) - m.softmax([*v[:-1], float(j)]))
                                    for j in range(len(v) - 1)), 0.0],),
       domain=(Interval(-1e3, 1e3),),
       doc="exp(x_i) over the sum of exp(x_k): the i-th of n positive numbers that add up to 1."),
    Op("lookup", "lookup", NARY, numerics.lookup, (_lookup_partials,), operands=("table", "index"),
       definition=lambda m, v: v[:-1][int(v[-1])], chooses=True,
       textbook=(lambda m, v, z: [*(m.equal(v[-1], float(j)) for j in range(len(v) - 1)), 0.0],),
       doc="table[index], where the index may itself be a Value: an embedding."),
    # --------------------------------------------------- derivatives that are functions in their own right
    Op("pow_by_base", "∂pow/∂x", 2, numerics.power_by_base,
       (lambda m, x, y, z: _pow_by_base_twice(m, x, y), _pow_by_both), public=False, bound=math.inf,
       bound_reason="a second derivative: y - 2 is rounded, and 1 + y ln(x) cancels where it crosses 0",
       definition=lambda m, x, y: y * x ** (y - 1), domain=(POSITIVE, Interval()),
       textbook=(lambda m, x, y, z: y * m.pow_by_base(x, y - 1), None),
       stable=lambda m, x, y: y * m.pow(m.where(y, x, 1.0), y - 1.0),
       singular=lambda x, y: x == 0.0 and y < 2.0, doc="y * x**(y - 1)."),
    Op("pow_by_exponent", "∂pow/∂y", 2, numerics.power_by_exponent,
       (_pow_by_both, lambda m, x, y, z: z * m.log(m.where(m.greater(x, 0.0), x, 1.0))), public=False, bound=math.inf,
       bound_reason="a second derivative: 1 + y ln(x) cancels where it crosses 0",
       definition=lambda m, x, y: x**y * m.log(x), domain=(POSITIVE, Interval()),
       textbook=(None, lambda m, x, y, z: z * m.log(x)),
       stable=_power_times_log,
       singular=lambda x, y: x == 0.0, doc="x**y * log(x)."),
    Op("cbrt_derivative", "cbrt'", 1, numerics.cbrt_derivative, (lambda m, x, z: -2.0 / 3.0 * z / x,), public=False,
       definition=lambda m, x: 1 / (3 * m.cbrt(x) ** 2), degree=-2 / 3, singular=lambda x: x == 0.0,
       doc="1/(3 cbrt(x)**2)."),
    Op("asin_derivative", "asin'", 1, numerics.asin_derivative, (lambda m, x, z: x * (z * (z * z)),), public=False,
       bound=8.0, bound_reason="a second derivative: the cube of a number that was rounded four times",
       domain=(UNIT,), definition=lambda m, x: 1 / m.sqrt((1 - x) * (1 + x)), doc="1/sqrt(1 - x**2)."),
    Op("atanh_derivative", "atanh'", 1, numerics.atanh_derivative, (lambda m, x, z: 2.0 * x * (z * z),), public=False,
       bound=8.0, bound_reason="a second derivative: the square of a number that was rounded four times",
       domain=(Interval(-1.0, 1.0, open="both"),), definition=lambda m, x: 1 / ((1 - x) * (1 + x)),
       doc="1/(1 - x**2)."),
    Op("hypot_derivative", "∂hypot", 2, numerics.hypot_derivative,
       (lambda m, x, y, z: _across(m, x, y) * m.hypot_derivative(y, x), lambda m, x, y, z: -_across(m, x, y) * z),
       public=False, kink=lambda x, y: x == 0.0 and y == 0.0, convention="0 at the origin; its own derivatives are nan",
       definition=lambda m, x, y: x / m.hypot(x, y),
       stable=lambda m, x, y: _per_length(m, x, m.hypot(x, y)), degree=0.0, singular=lambda x, y: x == 0.0 and y == 0.0,
       doc="x/hypot(x, y)."),
    Op("tanh_derivative", "tanh'", 1, numerics.tanh_derivative, (lambda m, x, z: -2.0 * m.tanh(x) * z,), public=False,
       definition=lambda m, x: 1 / m.cosh(x) ** 2,
       stable=lambda m, x: 4.0 * _bell(m.exp(-2.0 * abs(x))), doc="1 - tanh(x)**2."),
    Op("sigmoid_derivative", "sigmoid'", 1, numerics.sigmoid_derivative,
       (lambda m, x, z: -z * m.tanh(0.5 * x),), public=False,
       definition=lambda m, x: m.sigmoid(x) * m.sigmoid(-x),
       stable=lambda m, x: _bell(m.exp(-abs(x))), doc="sigmoid(x) * sigmoid(-x)."),
    Op("silu_derivative", "SiLU'", 1, numerics.silu_derivative,
       (lambda m, x, z: m.sigmoid_derivative(x) * (2.0 - x * m.tanh(0.5 * x)),), public=False, bound=math.inf,
       bound_reason="a second derivative: the bracket cancels where it crosses 0, at |x| = 2.399",
       definition=lambda m, x: m.sigmoid(x) * (1 + x * m.sigmoid(-x)),
       stable=lambda m, x: _silu_slope(m.sigmoid(x), _within(m, x, _FAR)), doc="sigmoid(x) * (1 + x * sigmoid(-x))."),
    Op("gaussian", "gaussian", 1, numerics.gaussian, (lambda m, x, z: -2.0 * (x * z),), public=False, bound=64.0,
       bound_reason="a second derivative: where exp(-x**2) is subnormal, 2|x| < 55 times its rounding error; else 4",
       definition=lambda m, x: m.exp(-x * x), doc="exp(-x**2)."),
    Op("normal_pdf", "φ", 1, numerics.normal_pdf, (lambda m, x, z: -x * z,), public=False, bound=64.0,
       bound_reason="a second derivative: where the density is subnormal, |x| < 39 times its rounding error; else 4",
       definition=lambda m, x: m.exp(-x * x / 2) / m.sqrt(2 * m.pi),
       stable=lambda m, x: _INV_SQRT_2PI * m.exp(-0.5 * (x * x)),
       notation="φ", doc="Density of the standard normal distribution."),
    Op("normal_cdf", "Φ", 1, numerics.normal_cdf, (lambda m, x, z: m.normal_pdf(x),), public=False,
       definition=lambda m, x: m.erfc(-x / m.sqrt(2)) / 2,
       stable=lambda m, x: 0.5 * m.erfc(-_SQRT_HALF * x), notation="Φ", doc="Standard normal distribution function."),
    Op("gelu_derivative", "GELU'", 1, numerics.gelu_derivative,
       (lambda m, x, z: m.gelu_second_derivative(x),), public=False, bound=2048.0,
       bound_reason="a second derivative: where the density is subnormal, x**2 < 1600 times its rounding error; else 5",
       definition=lambda m, x: m.normal_cdf(x) + x * m.normal_pdf(x),
       stable=lambda m, x: m.normal_cdf(x) + _within(m, x, _FAR) * m.normal_pdf(x),
       doc="normal_cdf(x) + x * normal_pdf(x)."),
    Op("gelu_second_derivative", "GELU''", 1, numerics.gelu_second_derivative,
       (lambda m, x, z: ((x * m.normal_pdf(x)) * (x - 2.0)) * (x + 2.0),), public=False, bound=math.inf,
       bound_reason="a third derivative: where the density is subnormal, |x|**3 < 64,000 times its rounding error",
       definition=lambda m, x: m.normal_pdf(x) * (2 - x * x),
       stable=lambda m, x: (m.normal_pdf(x) * ((_SQRT2 - x) + _SQRT2_TAIL)) * ((_SQRT2 + x) + _SQRT2_TAIL),
       doc="normal_pdf(x) * (2 - x**2)."),
    # --------------------------------------------------------------- a derivative that the chain rule does not give
    Op("limit", "lim", 1, operator.pos, (_one,), definition=lambda m, x: x, numpy="positive",
       public=False, singular=lambda x: True,
       notation="lim",
       doc="A derivative at a point where the chain rule meets 0·inf, or a kink; its number is the limit there."),
)
# fmt: on

#: Codes of the nodes that no operation made: a leaf, and a plain number that met a Value.
LEAF_CODE: Final = 0
CONSTANT_CODE: Final = 1

#: Every operation by name, in the order of their codes.
TABLE: Final[dict[str, Op]] = {}
#: Operations that users defined (:func:`tinygrad_lite.define`), by name.
DEFINED: Final[dict[str, Op]] = {}
#: The record of each code; None for the two codes of nodes without an operation.
BY_CODE: Final[list[Op | None]] = [None, None]

for _op in _RECORDS:
    _op.code = len(BY_CODE)
    _op.flat = all(_rule is _zero for _rule in _op.partials)
    BY_CODE.append(_op)
    TABLE[_op.name] = _op


def find(name: str) -> Op:
    """Return the record of that name.

    Args:
        name: An operation's name, such as ``"tanh"``.

    Raises:
        KeyError: There is no such operation; the message names the nearest.

    >>> find("tanh").doc
    'Hyperbolic tangent.'
    """
    op = TABLE.get(name) or DEFINED.get(name)
    if op is None:
        import difflib

        near = difflib.get_close_matches(name, TABLE, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are: {', '.join(TABLE)}"
        raise KeyError(f"no operation is named {name!r}{hint}")
    return op
