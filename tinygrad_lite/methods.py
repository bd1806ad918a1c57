"""The operations as methods of a Value.

Made from the operation table by tools/generate.py (``make generate``): change the record, not this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from mypy_extensions import i16, mypyc_attr

from tinygrad_lite import value
from tinygrad_lite.operations.ops import TABLE

if TYPE_CHECKING:
    from tinygrad_lite.value import Value

_ADD: Final[i16] = TABLE["add"].code
_SUB: Final[i16] = TABLE["sub"].code
_MUL: Final[i16] = TABLE["mul"].code
_TRUEDIV: Final[i16] = TABLE["truediv"].code
_NEG: Final[i16] = TABLE["neg"].code
_POS: Final[i16] = TABLE["pos"].code
_POW: Final[i16] = TABLE["pow"].code
_FLOORDIV: Final[i16] = TABLE["floordiv"].code
_MOD: Final[i16] = TABLE["mod"].code
_ABS: Final[i16] = TABLE["abs"].code
_RELU: Final[i16] = TABLE["relu"].code
_EXP: Final[i16] = TABLE["exp"].code
_EXPM1: Final[i16] = TABLE["expm1"].code
_LOG: Final[i16] = TABLE["log"].code
_LOG1P: Final[i16] = TABLE["log1p"].code
_LOG2: Final[i16] = TABLE["log2"].code
_LOG10: Final[i16] = TABLE["log10"].code
_SQRT: Final[i16] = TABLE["sqrt"].code
_CBRT: Final[i16] = TABLE["cbrt"].code
_SIN: Final[i16] = TABLE["sin"].code
_COS: Final[i16] = TABLE["cos"].code
_TAN: Final[i16] = TABLE["tan"].code
_ASIN: Final[i16] = TABLE["asin"].code
_ACOS: Final[i16] = TABLE["acos"].code
_ATAN: Final[i16] = TABLE["atan"].code
_ATAN2: Final[i16] = TABLE["atan2"].code
_HYPOT: Final[i16] = TABLE["hypot"].code
_SINH: Final[i16] = TABLE["sinh"].code
_COSH: Final[i16] = TABLE["cosh"].code
_TANH: Final[i16] = TABLE["tanh"].code
_ASINH: Final[i16] = TABLE["asinh"].code
_ACOSH: Final[i16] = TABLE["acosh"].code
_ATANH: Final[i16] = TABLE["atanh"].code
_ERF: Final[i16] = TABLE["erf"].code
_ERFC: Final[i16] = TABLE["erfc"].code
_SIGMOID: Final[i16] = TABLE["sigmoid"].code
_LOGSIGMOID: Final[i16] = TABLE["logsigmoid"].code
_SOFTPLUS: Final[i16] = TABLE["softplus"].code
_LEAKY_RELU: Final[i16] = TABLE["leaky_relu"].code
_ELU: Final[i16] = TABLE["elu"].code
_SELU: Final[i16] = TABLE["selu"].code
_GELU: Final[i16] = TABLE["gelu"].code
_SILU: Final[i16] = TABLE["silu"].code
_SOFTSIGN: Final[i16] = TABLE["softsign"].code
_HARDTANH: Final[i16] = TABLE["hardtanh"].code
_MAXIMUM: Final[i16] = TABLE["maximum"].code
_MINIMUM: Final[i16] = TABLE["minimum"].code
_CLAMP: Final[i16] = TABLE["clamp"].code
_WHERE: Final[i16] = TABLE["where"].code
_FLOOR: Final[i16] = TABLE["floor"].code
_CEIL: Final[i16] = TABLE["ceil"].code
_SIGN: Final[i16] = TABLE["sign"].code
_GREATER: Final[i16] = TABLE["greater"].code
_GREATER_EQUAL: Final[i16] = TABLE["greater_equal"].code
_LESS: Final[i16] = TABLE["less"].code
_LESS_EQUAL: Final[i16] = TABLE["less_equal"].code
_EQUAL: Final[i16] = TABLE["equal"].code
_NOT_EQUAL: Final[i16] = TABLE["not_equal"].code


@mypyc_attr(acyclic=True)
class Methods:
    """What :class:`tinygrad_lite.Value` inherits."""

    __slots__ = ()

    def add(self, y: Value | float) -> Value:
        """Sum of two numbers.

        As the function :func:`tinygrad_lite.add`.
        """
        return value.binary(_ADD, cast("Value", self), value.operand(y))

    def sub(self, y: Value | float) -> Value:
        """Difference of two numbers.

        As the function :func:`tinygrad_lite.sub`.
        """
        return value.binary(_SUB, cast("Value", self), value.operand(y))

    def mul(self, y: Value | float) -> Value:
        """Product of two numbers.

        As the function :func:`tinygrad_lite.mul`.
        """
        return value.binary(_MUL, cast("Value", self), value.operand(y))

    def truediv(self, y: Value | float) -> Value:
        """Quotient of two numbers.

        As the function :func:`tinygrad_lite.truediv`.
        """
        return value.binary(_TRUEDIV, cast("Value", self), value.operand(y))

    def neg(self) -> Value:
        """The negative of a number.

        As the function :func:`tinygrad_lite.neg`.
        """
        return value.unary(_NEG, cast("Value", self))

    def pos(self) -> Value:
        """The number itself, as a node of its own.

        As the function :func:`tinygrad_lite.pos`.
        """
        return value.unary(_POS, cast("Value", self))

    def pow(self, y: Value | float) -> Value:
        """x to the power y; a fractional power of a negative x is a ValueError.

        As the function :func:`tinygrad_lite.pow`.
        """
        return value.binary(_POW, cast("Value", self), value.operand(y))

    def floordiv(self, y: Value | float) -> Value:
        """Quotient, rounded down.

        As the function :func:`tinygrad_lite.floordiv`.
        """
        return value.binary(_FLOORDIV, cast("Value", self), value.operand(y))

    def mod(self, y: Value | float) -> Value:
        """Remainder of the division rounded down; it has the sign of y.

        As the function :func:`tinygrad_lite.mod`.
        """
        return value.binary(_MOD, cast("Value", self), value.operand(y))

    def abs(self) -> Value:
        """Absolute value.

        As the function :func:`tinygrad_lite.abs`.
        """
        return value.unary(_ABS, cast("Value", self))

    def relu(self) -> Value:
        """max(x, 0).

        As the function :func:`tinygrad_lite.relu`.
        """
        return value.unary(_RELU, cast("Value", self))

    def exp(self) -> Value:
        """e to the power x.

        As the function :func:`tinygrad_lite.exp`.
        """
        return value.unary(_EXP, cast("Value", self))

    def expm1(self) -> Value:
        """exp(x) - 1, accurate near 0.

        As the function :func:`tinygrad_lite.expm1`.
        """
        return value.unary(_EXPM1, cast("Value", self))

    def log(self) -> Value:
        """Natural logarithm.

        As the function :func:`tinygrad_lite.log`.
        """
        return value.unary(_LOG, cast("Value", self))

    def log1p(self) -> Value:
        """log(1 + x), accurate near 0.

        As the function :func:`tinygrad_lite.log1p`.
        """
        return value.unary(_LOG1P, cast("Value", self))

    def log2(self) -> Value:
        """Logarithm to base 2.

        As the function :func:`tinygrad_lite.log2`.
        """
        return value.unary(_LOG2, cast("Value", self))

    def log10(self) -> Value:
        """Logarithm to base 10.

        As the function :func:`tinygrad_lite.log10`.
        """
        return value.unary(_LOG10, cast("Value", self))

    def sqrt(self) -> Value:
        """Square root; its derivative at 0 is inf.

        As the function :func:`tinygrad_lite.sqrt`.
        """
        return value.unary(_SQRT, cast("Value", self))

    def cbrt(self) -> Value:
        """Real cube root; its derivative at 0 is inf.

        As the function :func:`tinygrad_lite.cbrt`.
        """
        return value.unary(_CBRT, cast("Value", self))

    def sin(self) -> Value:
        """Sine of x radians.

        As the function :func:`tinygrad_lite.sin`.
        """
        return value.unary(_SIN, cast("Value", self))

    def cos(self) -> Value:
        """Cosine of x radians.

        As the function :func:`tinygrad_lite.cos`.
        """
        return value.unary(_COS, cast("Value", self))

    def tan(self) -> Value:
        """Tangent of x radians.

        As the function :func:`tinygrad_lite.tan`.
        """
        return value.unary(_TAN, cast("Value", self))

    def asin(self) -> Value:
        """Angle in radians whose sine is x.

        As the function :func:`tinygrad_lite.asin`.
        """
        return value.unary(_ASIN, cast("Value", self))

    def arcsin(self) -> Value:
        """NumPy's name for ``asin``, which its functions look for on arrays of Values."""
        return self.asin()

    def acos(self) -> Value:
        """Angle in radians whose cosine is x.

        As the function :func:`tinygrad_lite.acos`.
        """
        return value.unary(_ACOS, cast("Value", self))

    def arccos(self) -> Value:
        """NumPy's name for ``acos``, which its functions look for on arrays of Values."""
        return self.acos()

    def atan(self) -> Value:
        """Angle in radians whose tangent is x.

        As the function :func:`tinygrad_lite.atan`.
        """
        return value.unary(_ATAN, cast("Value", self))

    def arctan(self) -> Value:
        """NumPy's name for ``atan``, which its functions look for on arrays of Values."""
        return self.atan()

    def atan2(self, x: Value | float) -> Value:
        """Angle in radians of the point (x, y).

        As the function :func:`tinygrad_lite.atan2`.
        """
        return value.binary(_ATAN2, cast("Value", self), value.operand(x))

    def arctan2(self, x: Value | float) -> Value:
        """NumPy's name for ``atan2``, which its functions look for on arrays of Values."""
        return self.atan2(x)

    def hypot(self, y: Value | float) -> Value:
        """Length of the vector (x, y).

        As the function :func:`tinygrad_lite.hypot`.
        """
        return value.binary(_HYPOT, cast("Value", self), value.operand(y))

    def sinh(self) -> Value:
        """Hyperbolic sine.

        As the function :func:`tinygrad_lite.sinh`.
        """
        return value.unary(_SINH, cast("Value", self))

    def cosh(self) -> Value:
        """Hyperbolic cosine.

        As the function :func:`tinygrad_lite.cosh`.
        """
        return value.unary(_COSH, cast("Value", self))

    def tanh(self) -> Value:
        """Hyperbolic tangent.

        As the function :func:`tinygrad_lite.tanh`.
        """
        return value.unary(_TANH, cast("Value", self))

    def asinh(self) -> Value:
        """Inverse hyperbolic sine.

        As the function :func:`tinygrad_lite.asinh`.
        """
        return value.unary(_ASINH, cast("Value", self))

    def arcsinh(self) -> Value:
        """NumPy's name for ``asinh``, which its functions look for on arrays of Values."""
        return self.asinh()

    def acosh(self) -> Value:
        """Inverse hyperbolic cosine.

        As the function :func:`tinygrad_lite.acosh`.
        """
        return value.unary(_ACOSH, cast("Value", self))

    def arccosh(self) -> Value:
        """NumPy's name for ``acosh``, which its functions look for on arrays of Values."""
        return self.acosh()

    def atanh(self) -> Value:
        """Inverse hyperbolic tangent.

        As the function :func:`tinygrad_lite.atanh`.
        """
        return value.unary(_ATANH, cast("Value", self))

    def arctanh(self) -> Value:
        """NumPy's name for ``atanh``, which its functions look for on arrays of Values."""
        return self.atanh()

    def erf(self) -> Value:
        """Error function.

        As the function :func:`tinygrad_lite.erf`.
        """
        return value.unary(_ERF, cast("Value", self))

    def erfc(self) -> Value:
        """1 - erf(x), accurate for large x.

        As the function :func:`tinygrad_lite.erfc`.
        """
        return value.unary(_ERFC, cast("Value", self))

    def sigmoid(self) -> Value:
        """Logistic function 1/(1 + exp(-x)).

        As the function :func:`tinygrad_lite.sigmoid`.
        """
        return value.unary(_SIGMOID, cast("Value", self))

    def logsigmoid(self) -> Value:
        """Logarithm of the logistic function.

        As the function :func:`tinygrad_lite.logsigmoid`.
        """
        return value.unary(_LOGSIGMOID, cast("Value", self))

    def softplus(self) -> Value:
        """log(1 + exp(x)), a smooth relu.

        As the function :func:`tinygrad_lite.softplus`.
        """
        return value.unary(_SOFTPLUS, cast("Value", self))

    def leaky_relu(
        self,
        slope: Value | float = 0.01,
        *,
        negative_slope: Value | float | None = None,
        alpha: Value | float | None = None,
    ) -> Value:
        """x where x > 0, slope * x elsewhere (Maas et al. 2013).

        As the function :func:`tinygrad_lite.leaky_relu`.
        """
        slope = negative_slope if negative_slope is not None else alpha if alpha is not None else slope
        return value.binary(_LEAKY_RELU, cast("Value", self), value.operand(slope))

    def elu(self, alpha: Value | float = 1.0) -> Value:
        """x where x > 0, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2016).

        As the function :func:`tinygrad_lite.elu`.
        """
        return value.binary(_ELU, cast("Value", self), value.operand(alpha))

    def selu(self) -> Value:
        """Self-normalising ELU (Klambauer et al. 2017).

        As the function :func:`tinygrad_lite.selu`.
        """
        return value.unary(_SELU, cast("Value", self))

    def gelu(self) -> Value:
        """x times the normal distribution function (Hendrycks & Gimpel 2016), exact form.

        As the function :func:`tinygrad_lite.gelu`.
        """
        return value.unary(_GELU, cast("Value", self))

    def silu(self) -> Value:
        """x * sigmoid(x), also called swish (Ramachandran et al. 2017).

        As the function :func:`tinygrad_lite.silu`.
        """
        return value.unary(_SILU, cast("Value", self))

    def softsign(self) -> Value:
        """x/(1 + |x|).

        As the function :func:`tinygrad_lite.softsign`.
        """
        return value.unary(_SOFTSIGN, cast("Value", self))

    def hardtanh(
        self,
        low: Value | float = -1.0,
        high: Value | float = 1.0,
        *,
        min_val: Value | float | None = None,
        max_val: Value | float | None = None,
    ) -> Value:
        """x, cut off below at low and above at high; saturated at its ends.

        As the function :func:`tinygrad_lite.hardtanh`.
        """
        low = min_val if min_val is not None else low
        high = max_val if max_val is not None else high
        return value.nary(_HARDTANH, (cast("Value", self), value.operand(low), value.operand(high)))

    def maximum(self, y: Value | float) -> Value:
        """The larger of two numbers.

        As the function :func:`tinygrad_lite.maximum`.
        """
        return value.binary(_MAXIMUM, cast("Value", self), value.operand(y))

    def minimum(self, y: Value | float) -> Value:
        """The smaller of two numbers.

        As the function :func:`tinygrad_lite.minimum`.
        """
        return value.binary(_MINIMUM, cast("Value", self), value.operand(y))

    def clamp(self, low: Value | float, high: Value | float) -> Value:
        """x, cut off below at low and above at high.

        As the function :func:`tinygrad_lite.clamp`.
        """
        return value.nary(_CLAMP, (cast("Value", self), value.operand(low), value.operand(high)))

    def where(self, x: Value | float, y: Value | float) -> Value:
        """x where the condition is true (not zero), y elsewhere; both are evaluated.

        As the function :func:`tinygrad_lite.where`.
        """
        return value.nary(_WHERE, (cast("Value", self), value.operand(x), value.operand(y)))

    def floor(self) -> Value:
        """The greatest whole number not above x.

        As the function :func:`tinygrad_lite.floor`.
        """
        return value.unary(_FLOOR, cast("Value", self))

    def ceil(self) -> Value:
        """The least whole number not below x.

        As the function :func:`tinygrad_lite.ceil`.
        """
        return value.unary(_CEIL, cast("Value", self))

    def sign(self) -> Value:
        """-1, 0 or 1.

        As the function :func:`tinygrad_lite.sign`.
        """
        return value.unary(_SIGN, cast("Value", self))

    def greater(self, y: Value | float) -> Value:
        """1 where x > y, else 0; unlike ``x > y`` it stays in the graph.

        As the function :func:`tinygrad_lite.greater`.
        """
        return value.binary(_GREATER, cast("Value", self), value.operand(y))

    def greater_equal(self, y: Value | float) -> Value:
        """1 where x >= y, else 0.

        As the function :func:`tinygrad_lite.greater_equal`.
        """
        return value.binary(_GREATER_EQUAL, cast("Value", self), value.operand(y))

    def less(self, y: Value | float) -> Value:
        """1 where x < y, else 0; unlike ``x < y`` it stays in the graph.

        As the function :func:`tinygrad_lite.less`.
        """
        return value.binary(_LESS, cast("Value", self), value.operand(y))

    def less_equal(self, y: Value | float) -> Value:
        """1 where x <= y, else 0.

        As the function :func:`tinygrad_lite.less_equal`.
        """
        return value.binary(_LESS_EQUAL, cast("Value", self), value.operand(y))

    def equal(self, y: Value | float) -> Value:
        """1 where x equals y, else 0; ``x == y`` compares identity.

        As the function :func:`tinygrad_lite.equal`.
        """
        return value.binary(_EQUAL, cast("Value", self), value.operand(y))

    def not_equal(self, y: Value | float) -> Value:
        """1 where x differs from y, else 0; ``x != y`` compares identity.

        As the function :func:`tinygrad_lite.not_equal`.
        """
        return value.binary(_NOT_EQUAL, cast("Value", self), value.operand(y))
