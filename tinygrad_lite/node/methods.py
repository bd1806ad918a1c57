"""The operations as methods of a Value.

Made from the operation table by tools/generate.py (``make generate``): change the record, not this file.
"""

from __future__ import annotations

from typing import Final, Self

from mypy_extensions import i16, mypyc_attr

from tinygrad_lite.node.operators import Operators
from tinygrad_lite.operations.ops import TABLE

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
class Methods(Operators):
    """What :class:`tinygrad_lite.Value` inherits."""

    __slots__ = ()

    def add(self, y: Self | float) -> Self:
        """Sum of two numbers.

        As the function :func:`tinygrad_lite.add`.
        """
        return self._binary(_ADD, y)

    def sub(self, y: Self | float) -> Self:
        """Difference of two numbers.

        As the function :func:`tinygrad_lite.sub`.
        """
        return self._binary(_SUB, y)

    def mul(self, y: Self | float) -> Self:
        """Product of two numbers.

        As the function :func:`tinygrad_lite.mul`.
        """
        return self._binary(_MUL, y)

    def truediv(self, y: Self | float) -> Self:
        """Quotient of two numbers.

        As the function :func:`tinygrad_lite.truediv`.
        """
        return self._binary(_TRUEDIV, y)

    def neg(self) -> Self:
        """The negative of a number.

        As the function :func:`tinygrad_lite.neg`.
        """
        return self._unary(_NEG)

    def pos(self) -> Self:
        """The number itself, as a node of its own.

        As the function :func:`tinygrad_lite.pos`.
        """
        return self._unary(_POS)

    def pow(self, y: Self | float) -> Self:
        """x to the power y; a fractional power of a negative x is a ValueError.

        As the function :func:`tinygrad_lite.pow`.
        """
        return self._binary(_POW, y)

    def floordiv(self, y: Self | float) -> Self:
        """Quotient, rounded down.

        As the function :func:`tinygrad_lite.floordiv`.
        """
        return self._binary(_FLOORDIV, y)

    def mod(self, y: Self | float) -> Self:
        """Remainder of the division rounded down; it has the sign of y.

        As the function :func:`tinygrad_lite.mod`.
        """
        return self._binary(_MOD, y)

    def abs(self) -> Self:
        """Absolute value.

        As the function :func:`tinygrad_lite.abs`.
        """
        return self._unary(_ABS)

    def relu(self) -> Self:
        """max(x, 0).

        As the function :func:`tinygrad_lite.relu`.
        """
        return self._unary(_RELU)

    def exp(self) -> Self:
        """e to the power x.

        As the function :func:`tinygrad_lite.exp`.
        """
        return self._unary(_EXP)

    def expm1(self) -> Self:
        """exp(x) - 1, accurate near 0.

        As the function :func:`tinygrad_lite.expm1`.
        """
        return self._unary(_EXPM1)

    def log(self) -> Self:
        """Natural logarithm.

        As the function :func:`tinygrad_lite.log`.
        """
        return self._unary(_LOG)

    def log1p(self) -> Self:
        """log(1 + x), accurate near 0.

        As the function :func:`tinygrad_lite.log1p`.
        """
        return self._unary(_LOG1P)

    def log2(self) -> Self:
        """Logarithm to base 2.

        As the function :func:`tinygrad_lite.log2`.
        """
        return self._unary(_LOG2)

    def log10(self) -> Self:
        """Logarithm to base 10.

        As the function :func:`tinygrad_lite.log10`.
        """
        return self._unary(_LOG10)

    def sqrt(self) -> Self:
        """Square root; its derivative at 0 is inf.

        As the function :func:`tinygrad_lite.sqrt`.
        """
        return self._unary(_SQRT)

    def cbrt(self) -> Self:
        """Real cube root; its derivative at 0 is inf.

        As the function :func:`tinygrad_lite.cbrt`.
        """
        return self._unary(_CBRT)

    def sin(self) -> Self:
        """Sine of x radians.

        As the function :func:`tinygrad_lite.sin`.
        """
        return self._unary(_SIN)

    def cos(self) -> Self:
        """Cosine of x radians.

        As the function :func:`tinygrad_lite.cos`.
        """
        return self._unary(_COS)

    def tan(self) -> Self:
        """Tangent of x radians.

        As the function :func:`tinygrad_lite.tan`.
        """
        return self._unary(_TAN)

    def asin(self) -> Self:
        """Angle in radians whose sine is x.

        As the function :func:`tinygrad_lite.asin`.
        """
        return self._unary(_ASIN)

    def arcsin(self) -> Self:
        """NumPy's name for ``asin``, which its functions look for on arrays of Values."""
        return self.asin()

    def acos(self) -> Self:
        """Angle in radians whose cosine is x.

        As the function :func:`tinygrad_lite.acos`.
        """
        return self._unary(_ACOS)

    def arccos(self) -> Self:
        """NumPy's name for ``acos``, which its functions look for on arrays of Values."""
        return self.acos()

    def atan(self) -> Self:
        """Angle in radians whose tangent is x.

        As the function :func:`tinygrad_lite.atan`.
        """
        return self._unary(_ATAN)

    def arctan(self) -> Self:
        """NumPy's name for ``atan``, which its functions look for on arrays of Values."""
        return self.atan()

    def atan2(self, x: Self | float) -> Self:
        """Angle in radians of the point (x, y).

        As the function :func:`tinygrad_lite.atan2`.
        """
        return self._binary(_ATAN2, x)

    def arctan2(self, x: Self | float) -> Self:
        """NumPy's name for ``atan2``, which its functions look for on arrays of Values."""
        return self.atan2(x)

    def hypot(self, y: Self | float) -> Self:
        """Length of the vector (x, y).

        As the function :func:`tinygrad_lite.hypot`.
        """
        return self._binary(_HYPOT, y)

    def sinh(self) -> Self:
        """Hyperbolic sine.

        As the function :func:`tinygrad_lite.sinh`.
        """
        return self._unary(_SINH)

    def cosh(self) -> Self:
        """Hyperbolic cosine.

        As the function :func:`tinygrad_lite.cosh`.
        """
        return self._unary(_COSH)

    def tanh(self) -> Self:
        """Hyperbolic tangent.

        As the function :func:`tinygrad_lite.tanh`.
        """
        return self._unary(_TANH)

    def asinh(self) -> Self:
        """Inverse hyperbolic sine.

        As the function :func:`tinygrad_lite.asinh`.
        """
        return self._unary(_ASINH)

    def arcsinh(self) -> Self:
        """NumPy's name for ``asinh``, which its functions look for on arrays of Values."""
        return self.asinh()

    def acosh(self) -> Self:
        """Inverse hyperbolic cosine.

        As the function :func:`tinygrad_lite.acosh`.
        """
        return self._unary(_ACOSH)

    def arccosh(self) -> Self:
        """NumPy's name for ``acosh``, which its functions look for on arrays of Values."""
        return self.acosh()

    def atanh(self) -> Self:
        """Inverse hyperbolic tangent.

        As the function :func:`tinygrad_lite.atanh`.
        """
        return self._unary(_ATANH)

    def arctanh(self) -> Self:
        """NumPy's name for ``atanh``, which its functions look for on arrays of Values."""
        return self.atanh()

    def erf(self) -> Self:
        """Error function.

        As the function :func:`tinygrad_lite.erf`.
        """
        return self._unary(_ERF)

    def erfc(self) -> Self:
        """1 - erf(x), accurate for large x.

        As the function :func:`tinygrad_lite.erfc`.
        """
        return self._unary(_ERFC)

    def sigmoid(self) -> Self:
        """Logistic function 1/(1 + exp(-x)).

        As the function :func:`tinygrad_lite.sigmoid`.
        """
        return self._unary(_SIGMOID)

    def logsigmoid(self) -> Self:
        """Logarithm of the logistic function.

        As the function :func:`tinygrad_lite.logsigmoid`.
        """
        return self._unary(_LOGSIGMOID)

    def softplus(self) -> Self:
        """log(1 + exp(x)), a smooth relu.

        As the function :func:`tinygrad_lite.softplus`.
        """
        return self._unary(_SOFTPLUS)

    def leaky_relu(
        self,
        slope: Self | float = 0.01,
        *,
        negative_slope: Self | float | None = None,
        alpha: Self | float | None = None,
    ) -> Self:
        """x where x > 0, slope * x elsewhere (Maas et al. 2013).

        As the function :func:`tinygrad_lite.leaky_relu`.
        """
        slope = negative_slope if negative_slope is not None else alpha if alpha is not None else slope
        return self._binary(_LEAKY_RELU, slope)

    def elu(self, alpha: Self | float = 1.0) -> Self:
        """x where x > 0, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2016).

        As the function :func:`tinygrad_lite.elu`.
        """
        return self._binary(_ELU, alpha)

    def selu(self) -> Self:
        """Self-normalising ELU (Klambauer et al. 2017).

        As the function :func:`tinygrad_lite.selu`.
        """
        return self._unary(_SELU)

    def gelu(self) -> Self:
        """x times the normal distribution function (Hendrycks & Gimpel 2016), exact form.

        As the function :func:`tinygrad_lite.gelu`.
        """
        return self._unary(_GELU)

    def silu(self) -> Self:
        """x * sigmoid(x), also called swish (Ramachandran et al. 2017).

        As the function :func:`tinygrad_lite.silu`.
        """
        return self._unary(_SILU)

    def softsign(self) -> Self:
        """x/(1 + |x|).

        As the function :func:`tinygrad_lite.softsign`.
        """
        return self._unary(_SOFTSIGN)

    def hardtanh(
        self,
        low: Self | float = -1.0,
        high: Self | float = 1.0,
        *,
        min_val: Self | float | None = None,
        max_val: Self | float | None = None,
    ) -> Self:
        """x, cut off below at low and above at high; saturated at its ends.

        As the function :func:`tinygrad_lite.hardtanh`.
        """
        low = min_val if min_val is not None else low
        high = max_val if max_val is not None else high
        return self._nary(_HARDTANH, (low, high))

    def maximum(self, y: Self | float) -> Self:
        """The larger of two numbers.

        As the function :func:`tinygrad_lite.maximum`.
        """
        return self._binary(_MAXIMUM, y)

    def minimum(self, y: Self | float) -> Self:
        """The smaller of two numbers.

        As the function :func:`tinygrad_lite.minimum`.
        """
        return self._binary(_MINIMUM, y)

    def clamp(self, low: Self | float, high: Self | float) -> Self:
        """x, cut off below at low and above at high.

        As the function :func:`tinygrad_lite.clamp`.
        """
        return self._nary(_CLAMP, (low, high))

    def where(self, x: Self | float, y: Self | float) -> Self:
        """x where the condition is true (not zero), y elsewhere; both are evaluated.

        As the function :func:`tinygrad_lite.where`.
        """
        return self._nary(_WHERE, (x, y))

    def floor(self) -> Self:
        """The greatest whole number not above x.

        As the function :func:`tinygrad_lite.floor`.
        """
        return self._unary(_FLOOR)

    def ceil(self) -> Self:
        """The least whole number not below x.

        As the function :func:`tinygrad_lite.ceil`.
        """
        return self._unary(_CEIL)

    def sign(self) -> Self:
        """-1, 0 or 1.

        As the function :func:`tinygrad_lite.sign`.
        """
        return self._unary(_SIGN)

    def greater(self, y: Self | float) -> Self:
        """1 where x > y, else 0; unlike ``x > y`` it stays in the graph.

        As the function :func:`tinygrad_lite.greater`.
        """
        return self._binary(_GREATER, y)

    def greater_equal(self, y: Self | float) -> Self:
        """1 where x >= y, else 0.

        As the function :func:`tinygrad_lite.greater_equal`.
        """
        return self._binary(_GREATER_EQUAL, y)

    def less(self, y: Self | float) -> Self:
        """1 where x < y, else 0; unlike ``x < y`` it stays in the graph.

        As the function :func:`tinygrad_lite.less`.
        """
        return self._binary(_LESS, y)

    def less_equal(self, y: Self | float) -> Self:
        """1 where x <= y, else 0.

        As the function :func:`tinygrad_lite.less_equal`.
        """
        return self._binary(_LESS_EQUAL, y)

    def equal(self, y: Self | float) -> Self:
        """1 where x equals y, else 0; ``x == y`` compares identity.

        As the function :func:`tinygrad_lite.equal`.
        """
        return self._binary(_EQUAL, y)

    def not_equal(self, y: Self | float) -> Self:
        """1 where x differs from y, else 0; ``x != y`` compares identity.

        As the function :func:`tinygrad_lite.not_equal`.
        """
        return self._binary(_NOT_EQUAL, y)

    def __floor__(self) -> Self:
        return self.floor()

    def __ceil__(self) -> Self:
        return self.ceil()
