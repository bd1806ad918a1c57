"""The operations as functions: on Values and floats alike, named as in ``math``.

Made from the operation table by tools/generate.py (``make generate``): change the record, not this file.
"""

from __future__ import annotations

from typing import Any, Final, overload

from mypy_extensions import i16

from tinygrad_lite.dispatch import apply_any as apply
from tinygrad_lite.nary import dot, logsumexp, lookup, mean, prod, softmax, sum
from tinygrad_lite.operations.ops import BY_CODE, TABLE
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

__all__ = [
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "clamp",
    "cos",
    "cosh",
    "dot",
    "elu",
    "equal",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "floordiv",
    "gelu",
    "greater",
    "greater_equal",
    "hardtanh",
    "hypot",
    "leaky_relu",
    "less",
    "less_equal",
    "log",
    "log10",
    "log1p",
    "log2",
    "logsigmoid",
    "logsumexp",
    "lookup",
    "maximum",
    "mean",
    "minimum",
    "mod",
    "mul",
    "neg",
    "not_equal",
    "pos",
    "pow",
    "prod",
    "relu",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "softsign",
    "sqrt",
    "sub",
    "sum",
    "tan",
    "tanh",
    "truediv",
    "where",
]


@overload
def add(x: float, y: float) -> float: ...
@overload
def add(x: Value, y: Value | float) -> Value: ...
@overload
def add(x: float, y: Value) -> Value: ...
def add(x: Any, y: Any) -> Any:
    """Sum of two numbers.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = add(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_ADD, y)
    return apply(BY_CODE[_ADD], (x, y))


@overload
def sub(x: float, y: float) -> float: ...
@overload
def sub(x: Value, y: Value | float) -> Value: ...
@overload
def sub(x: float, y: Value) -> Value: ...
def sub(x: Any, y: Any) -> Any:
    """Difference of two numbers.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = sub(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_SUB, y)
    return apply(BY_CODE[_SUB], (x, y))


@overload
def mul(x: float, y: float) -> float: ...
@overload
def mul(x: Value, y: Value | float) -> Value: ...
@overload
def mul(x: float, y: Value) -> Value: ...
def mul(x: Any, y: Any) -> Any:
    """Product of two numbers.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = mul(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_MUL, y)
    return apply(BY_CODE[_MUL], (x, y))


@overload
def truediv(x: float, y: float) -> float: ...
@overload
def truediv(x: Value, y: Value | float) -> Value: ...
@overload
def truediv(x: float, y: Value) -> Value: ...
def truediv(x: Any, y: Any) -> Any:
    """Quotient of two numbers.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = truediv(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_TRUEDIV, y)
    return apply(BY_CODE[_TRUEDIV], (x, y))


@overload
def neg(x: float) -> float: ...
@overload
def neg(x: Value) -> Value: ...
def neg(x: Any) -> Any:
    """The negative of a number.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = neg(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_NEG)
    return apply(BY_CODE[_NEG], (x,))


@overload
def pos(x: float) -> float: ...
@overload
def pos(x: Value) -> Value: ...
def pos(x: Any) -> Any:
    """The number itself, as a node of its own.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = pos(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_POS)
    return apply(BY_CODE[_POS], (x,))


@overload
def pow(x: float, y: float) -> float: ...
@overload
def pow(x: Value, y: Value | float) -> Value: ...
@overload
def pow(x: float, y: Value) -> Value: ...
def pow(x: Any, y: Any) -> Any:
    """x to the power y; a fractional power of a negative x is a ValueError.

    Args:
        x: A Value, a number or an array of them, in (0, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    At a kink: at x = 0: ∂/∂x is 1 for y = 1 and 0 for y = 0; ∂/∂y is 0 for y > 0 and -inf for y = 0.

    >>> x = Value(0.5)
    >>> y = pow(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_POW, y)
    return apply(BY_CODE[_POW], (x, y))


@overload
def floordiv(x: float, y: float) -> float: ...
@overload
def floordiv(x: Value, y: Value | float) -> Value: ...
@overload
def floordiv(x: float, y: Value) -> Value: ...
def floordiv(x: Any, y: Any) -> Any:
    """Quotient, rounded down.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (0, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    At a kink: 0 at the jumps too.

    >>> x = Value(0.5)
    >>> y = floordiv(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_FLOORDIV, y)
    return apply(BY_CODE[_FLOORDIV], (x, y))


@overload
def mod(x: float, y: float) -> float: ...
@overload
def mod(x: Value, y: Value | float) -> Value: ...
@overload
def mod(x: float, y: Value) -> Value: ...
def mod(x: Any, y: Any) -> Any:
    """Remainder of the division rounded down; it has the sign of y.

    Args:
        x: A Value, a number or an array of them, in [-1e+06, 1e+06].
        y: A Value, a number or an array of them, in [0.001, 1e+06].

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    At a kink: the derivative from above.

    >>> x = Value(0.5)
    >>> y = mod(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_MOD, y)
    return apply(BY_CODE[_MOD], (x, y))


@overload
def abs(x: float) -> float: ...
@overload
def abs(x: Value) -> Value: ...
def abs(x: Any) -> Any:
    """Absolute value.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: abs'(0) = 0.

    >>> x = Value(0.5)
    >>> y = abs(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_ABS)
    return apply(BY_CODE[_ABS], (x,))


@overload
def relu(x: float) -> float: ...
@overload
def relu(x: Value) -> Value: ...
def relu(x: Any) -> Any:
    """max(x, 0).

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: relu'(0) = 0.

    >>> x = Value(0.5)
    >>> y = relu(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_RELU)
    return apply(BY_CODE[_RELU], (x,))


@overload
def exp(x: float) -> float: ...
@overload
def exp(x: Value) -> Value: ...
def exp(x: Any) -> Any:
    """e to the power x.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = exp(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_EXP)
    return apply(BY_CODE[_EXP], (x,))


@overload
def expm1(x: float) -> float: ...
@overload
def expm1(x: Value) -> Value: ...
def expm1(x: Any) -> Any:
    """exp(x) - 1, accurate near 0.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = expm1(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_EXPM1)
    return apply(BY_CODE[_EXPM1], (x,))


@overload
def log(x: float) -> float: ...
@overload
def log(x: Value) -> Value: ...
def log(x: Any) -> Any:
    """Natural logarithm.

    Args:
        x: A Value, a number or an array of them, in (0, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(0.5)
    >>> y = log(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_LOG)
    return apply(BY_CODE[_LOG], (x,))


@overload
def log1p(x: float) -> float: ...
@overload
def log1p(x: Value) -> Value: ...
def log1p(x: Any) -> Any:
    """log(1 + x), accurate near 0.

    Args:
        x: A Value, a number or an array of them, in (-1, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(0.5)
    >>> y = log1p(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_LOG1P)
    return apply(BY_CODE[_LOG1P], (x,))


@overload
def log2(x: float) -> float: ...
@overload
def log2(x: Value) -> Value: ...
def log2(x: Any) -> Any:
    """Logarithm to base 2.

    Args:
        x: A Value, a number or an array of them, in (0, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(0.5)
    >>> y = log2(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_LOG2)
    return apply(BY_CODE[_LOG2], (x,))


@overload
def log10(x: float) -> float: ...
@overload
def log10(x: Value) -> Value: ...
def log10(x: Any) -> Any:
    """Logarithm to base 10.

    Args:
        x: A Value, a number or an array of them, in (0, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(0.5)
    >>> y = log10(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_LOG10)
    return apply(BY_CODE[_LOG10], (x,))


@overload
def sqrt(x: float) -> float: ...
@overload
def sqrt(x: Value) -> Value: ...
def sqrt(x: Any) -> Any:
    """Square root; its derivative at 0 is inf.

    Args:
        x: A Value, a number or an array of them, in [0, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(0.5)
    >>> y = sqrt(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_SQRT)
    return apply(BY_CODE[_SQRT], (x,))


@overload
def cbrt(x: float) -> float: ...
@overload
def cbrt(x: Value) -> Value: ...
def cbrt(x: Any) -> Any:
    """Real cube root; its derivative at 0 is inf.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = cbrt(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_CBRT)
    return apply(BY_CODE[_CBRT], (x,))


@overload
def sin(x: float) -> float: ...
@overload
def sin(x: Value) -> Value: ...
def sin(x: Any) -> Any:
    """Sine of x radians.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = sin(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_SIN)
    return apply(BY_CODE[_SIN], (x,))


@overload
def cos(x: float) -> float: ...
@overload
def cos(x: Value) -> Value: ...
def cos(x: Any) -> Any:
    """Cosine of x radians.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = cos(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_COS)
    return apply(BY_CODE[_COS], (x,))


@overload
def tan(x: float) -> float: ...
@overload
def tan(x: Value) -> Value: ...
def tan(x: Any) -> Any:
    """Tangent of x radians.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = tan(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_TAN)
    return apply(BY_CODE[_TAN], (x,))


@overload
def asin(x: float) -> float: ...
@overload
def asin(x: Value) -> Value: ...
def asin(x: Any) -> Any:
    """Angle in radians whose sine is x.

    Args:
        x: A Value, a number or an array of them, in [-1, 1].

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(0.5)
    >>> y = asin(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_ASIN)
    return apply(BY_CODE[_ASIN], (x,))


@overload
def acos(x: float) -> float: ...
@overload
def acos(x: Value) -> Value: ...
def acos(x: Any) -> Any:
    """Angle in radians whose cosine is x.

    Args:
        x: A Value, a number or an array of them, in [-1, 1].

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(0.5)
    >>> y = acos(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_ACOS)
    return apply(BY_CODE[_ACOS], (x,))


@overload
def atan(x: float) -> float: ...
@overload
def atan(x: Value) -> Value: ...
def atan(x: Any) -> Any:
    """Angle in radians whose tangent is x.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = atan(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_ATAN)
    return apply(BY_CODE[_ATAN], (x,))


@overload
def atan2(y: float, x: float) -> float: ...
@overload
def atan2(y: Value, x: Value | float) -> Value: ...
@overload
def atan2(y: float, x: Value) -> Value: ...
def atan2(y: Any, x: Any) -> Any:
    """Angle in radians of the point (x, y).

    Args:
        y: A Value, a number or an array of them, in (-inf, inf).
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: on the cut (y = 0, x < 0) the derivative of either side; nan at the origin.

    >>> x = Value(0.5)
    >>> y = atan2(x, 2.0)
    >>> y.backward()
    """
    if isinstance(y, Value) and isinstance(x, Value):
        return y._binary(_ATAN2, x)
    return apply(BY_CODE[_ATAN2], (y, x))


@overload
def hypot(x: float, y: float) -> float: ...
@overload
def hypot(x: Value, y: Value | float) -> Value: ...
@overload
def hypot(x: float, y: Value) -> Value: ...
def hypot(x: Any, y: Any) -> Any:
    """Length of the vector (x, y).

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the origin.

    >>> x = Value(0.5)
    >>> y = hypot(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_HYPOT, y)
    return apply(BY_CODE[_HYPOT], (x, y))


@overload
def sinh(x: float) -> float: ...
@overload
def sinh(x: Value) -> Value: ...
def sinh(x: Any) -> Any:
    """Hyperbolic sine.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = sinh(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_SINH)
    return apply(BY_CODE[_SINH], (x,))


@overload
def cosh(x: float) -> float: ...
@overload
def cosh(x: Value) -> Value: ...
def cosh(x: Any) -> Any:
    """Hyperbolic cosine.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = cosh(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_COSH)
    return apply(BY_CODE[_COSH], (x,))


@overload
def tanh(x: float) -> float: ...
@overload
def tanh(x: Value) -> Value: ...
def tanh(x: Any) -> Any:
    """Hyperbolic tangent.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = tanh(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_TANH)
    return apply(BY_CODE[_TANH], (x,))


@overload
def asinh(x: float) -> float: ...
@overload
def asinh(x: Value) -> Value: ...
def asinh(x: Any) -> Any:
    """Inverse hyperbolic sine.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = asinh(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_ASINH)
    return apply(BY_CODE[_ASINH], (x,))


@overload
def acosh(x: float) -> float: ...
@overload
def acosh(x: Value) -> Value: ...
def acosh(x: Any) -> Any:
    """Inverse hyperbolic cosine.

    Args:
        x: A Value, a number or an array of them, in [1, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(2.0)
    >>> y = acosh(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_ACOSH)
    return apply(BY_CODE[_ACOSH], (x,))


@overload
def atanh(x: float) -> float: ...
@overload
def atanh(x: Value) -> Value: ...
def atanh(x: Any) -> Any:
    """Inverse hyperbolic tangent.

    Args:
        x: A Value, a number or an array of them, in (-1, 1).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(0.5)
    >>> y = atanh(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_ATANH)
    return apply(BY_CODE[_ATANH], (x,))


@overload
def erf(x: float) -> float: ...
@overload
def erf(x: Value) -> Value: ...
def erf(x: Any) -> Any:
    """Error function.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = erf(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_ERF)
    return apply(BY_CODE[_ERF], (x,))


@overload
def erfc(x: float) -> float: ...
@overload
def erfc(x: Value) -> Value: ...
def erfc(x: Any) -> Any:
    """1 - erf(x), accurate for large x.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = erfc(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_ERFC)
    return apply(BY_CODE[_ERFC], (x,))


@overload
def sigmoid(x: float) -> float: ...
@overload
def sigmoid(x: Value) -> Value: ...
def sigmoid(x: Any) -> Any:
    """Logistic function 1/(1 + exp(-x)).

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = sigmoid(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_SIGMOID)
    return apply(BY_CODE[_SIGMOID], (x,))


@overload
def logsigmoid(x: float) -> float: ...
@overload
def logsigmoid(x: Value) -> Value: ...
def logsigmoid(x: Any) -> Any:
    """Logarithm of the logistic function.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = logsigmoid(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_LOGSIGMOID)
    return apply(BY_CODE[_LOGSIGMOID], (x,))


@overload
def softplus(x: float) -> float: ...
@overload
def softplus(x: Value) -> Value: ...
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), a smooth relu.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = softplus(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_SOFTPLUS)
    return apply(BY_CODE[_SOFTPLUS], (x,))


@overload
def leaky_relu(x: float, slope: float = ..., *, negative_slope: float = ..., alpha: float = ...) -> float: ...
@overload
def leaky_relu(
    x: Value, slope: Value | float = ..., *, negative_slope: Value | float = ..., alpha: Value | float = ...
) -> Value: ...
@overload
def leaky_relu(x: float, slope: Value, *, negative_slope: Value | float = ..., alpha: Value | float = ...) -> Value: ...
def leaky_relu(x: Any, slope: Any = 0.01, *, negative_slope: Any = None, alpha: Any = None) -> Any:
    """x where x > 0, slope * x elsewhere (Maas et al. 2013).

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        slope: A Value, a number or an array of them, in (-inf, inf).
        negative_slope: Another name of it.
        alpha: Another name of it.

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: leaky_relu'(0) = slope.

    >>> x = Value(0.5)
    >>> y = leaky_relu(x)
    >>> y.backward()
    """
    slope = negative_slope if negative_slope is not None else alpha if alpha is not None else slope
    if isinstance(x, Value) and isinstance(slope, Value):
        return x._binary(_LEAKY_RELU, slope)
    return apply(BY_CODE[_LEAKY_RELU], (x, slope))


@overload
def elu(x: float, alpha: float = ...) -> float: ...
@overload
def elu(x: Value, alpha: Value | float = ...) -> Value: ...
@overload
def elu(x: float, alpha: Value) -> Value: ...
def elu(x: Any, alpha: Any = 1.0) -> Any:
    """x where x > 0, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2016).

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        alpha: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: elu'(0) = alpha.

    >>> x = Value(0.5)
    >>> y = elu(x)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(alpha, Value):
        return x._binary(_ELU, alpha)
    return apply(BY_CODE[_ELU], (x, alpha))


@overload
def selu(x: float) -> float: ...
@overload
def selu(x: Value) -> Value: ...
def selu(x: Any) -> Any:
    """Self-normalising ELU (Klambauer et al. 2017).

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: selu'(0) = scale * alpha = 1.758....

    >>> x = Value(0.5)
    >>> y = selu(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_SELU)
    return apply(BY_CODE[_SELU], (x,))


@overload
def gelu(x: float) -> float: ...
@overload
def gelu(x: Value) -> Value: ...
def gelu(x: Any) -> Any:
    """x times the normal distribution function (Hendrycks & Gimpel 2016), exact form.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = gelu(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_GELU)
    return apply(BY_CODE[_GELU], (x,))


@overload
def silu(x: float) -> float: ...
@overload
def silu(x: Value) -> Value: ...
def silu(x: Any) -> Any:
    """x * sigmoid(x), also called swish (Ramachandran et al. 2017).

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = silu(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_SILU)
    return apply(BY_CODE[_SILU], (x,))


@overload
def softsign(x: float) -> float: ...
@overload
def softsign(x: Value) -> Value: ...
def softsign(x: Any) -> Any:
    """x/(1 + |x|).

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    >>> x = Value(0.5)
    >>> y = softsign(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_SOFTSIGN)
    return apply(BY_CODE[_SOFTSIGN], (x,))


@overload
def hardtanh(x: float, low: float = ..., high: float = ..., *, min_val: float = ..., max_val: float = ...) -> float: ...
@overload
def hardtanh(
    x: Value,
    low: Value | float = ...,
    high: Value | float = ...,
    *,
    min_val: Value | float = ...,
    max_val: Value | float = ...,
) -> Value: ...
@overload
def hardtanh(
    x: float, low: Value, high: Value | float = ..., *, min_val: Value | float = ..., max_val: Value | float = ...
) -> Value: ...
@overload
def hardtanh(
    x: float, low: float, high: Value, *, min_val: Value | float = ..., max_val: Value | float = ...
) -> Value: ...
def hardtanh(x: Any, low: Any = -1.0, high: Any = 1.0, *, min_val: Any = None, max_val: Any = None) -> Any:
    """x, cut off below at low and above at high; saturated at its ends.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        low: A Value, a number or an array of them, in (-inf, -1].
        min_val: Another name of it.
        high: A Value, a number or an array of them, in [1, inf).
        max_val: Another name of it.

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    At a kink: 0 at both ends (the bounds have the derivative there).

    >>> x = Value(0.5)
    >>> y = hardtanh(x)
    >>> y.backward()
    """
    low = min_val if min_val is not None else low
    high = max_val if max_val is not None else high
    return apply(BY_CODE[_HARDTANH], (x, low, high))


@overload
def maximum(x: float, y: float) -> float: ...
@overload
def maximum(x: Value, y: Value | float) -> Value: ...
@overload
def maximum(x: float, y: Value) -> Value: ...
def maximum(x: Any, y: Any) -> Any:
    """The larger of two numbers.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: a tie splits equally: 1/2 and 1/2.

    >>> x = Value(0.5)
    >>> y = maximum(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_MAXIMUM, y)
    return apply(BY_CODE[_MAXIMUM], (x, y))


@overload
def minimum(x: float, y: float) -> float: ...
@overload
def minimum(x: Value, y: Value | float) -> Value: ...
@overload
def minimum(x: float, y: Value) -> Value: ...
def minimum(x: Any, y: Any) -> Any:
    """The smaller of two numbers.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: a tie splits equally: 1/2 and 1/2.

    >>> x = Value(0.5)
    >>> y = minimum(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_MINIMUM, y)
    return apply(BY_CODE[_MINIMUM], (x, y))


@overload
def clamp(x: float, low: float, high: float) -> float: ...
@overload
def clamp(x: Value, low: Value | float, high: Value | float) -> Value: ...
@overload
def clamp(x: float, low: Value, high: Value | float) -> Value: ...
@overload
def clamp(x: float, low: float, high: Value) -> Value: ...
def clamp(x: Any, low: Any, high: Any) -> Any:
    """x, cut off below at low and above at high.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        low: A Value, a number or an array of them, in (-inf, -1].
        high: A Value, a number or an array of them, in [1, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    At a kink: 1 at both ends (PyTorch's choice).

    >>> x = Value(0.5)
    >>> y = clamp(x, -1.0, 3.0)
    >>> y.backward()
    """
    return apply(BY_CODE[_CLAMP], (x, low, high))


@overload
def where(condition: float, x: float, y: float) -> float: ...
@overload
def where(condition: Value, x: Value | float, y: Value | float) -> Value: ...
@overload
def where(condition: float, x: Value, y: Value | float) -> Value: ...
@overload
def where(condition: float, x: float, y: Value) -> Value: ...
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition is true (not zero), y elsewhere; both are evaluated.

    Args:
        condition: A Value, a number or an array of them, in [0, 1] whole.
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    Raises:
        ValueError, ZeroDivisionError, OverflowError: As the float function raises.

    >>> x = Value(1.0)
    >>> y = where(x, 2.0, 3.0)
    >>> y.backward()
    """
    return apply(BY_CODE[_WHERE], (condition, x, y))


@overload
def floor(x: float) -> float: ...
@overload
def floor(x: Value) -> Value: ...
def floor(x: Any) -> Any:
    """The greatest whole number not above x.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the jumps too.

    >>> x = Value(0.5)
    >>> y = floor(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_FLOOR)
    return apply(BY_CODE[_FLOOR], (x,))


@overload
def ceil(x: float) -> float: ...
@overload
def ceil(x: Value) -> Value: ...
def ceil(x: Any) -> Any:
    """The least whole number not below x.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the jumps too.

    >>> x = Value(0.5)
    >>> y = ceil(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_CEIL)
    return apply(BY_CODE[_CEIL], (x,))


@overload
def sign(x: float) -> float: ...
@overload
def sign(x: Value) -> Value: ...
def sign(x: Any) -> Any:
    """-1, 0 or 1.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the jump too.

    >>> x = Value(0.5)
    >>> y = sign(x)
    >>> y.backward()
    """
    if isinstance(x, Value):
        return x._unary(_SIGN)
    return apply(BY_CODE[_SIGN], (x,))


@overload
def greater(x: float, y: float) -> float: ...
@overload
def greater(x: Value, y: Value | float) -> Value: ...
@overload
def greater(x: float, y: Value) -> Value: ...
def greater(x: Any, y: Any) -> Any:
    """1 where x > y, else 0; unlike ``x > y`` it stays in the graph.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the jump too.

    >>> x = Value(0.5)
    >>> y = greater(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_GREATER, y)
    return apply(BY_CODE[_GREATER], (x, y))


@overload
def greater_equal(x: float, y: float) -> float: ...
@overload
def greater_equal(x: Value, y: Value | float) -> Value: ...
@overload
def greater_equal(x: float, y: Value) -> Value: ...
def greater_equal(x: Any, y: Any) -> Any:
    """1 where x >= y, else 0.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the jump too.

    >>> x = Value(0.5)
    >>> y = greater_equal(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_GREATER_EQUAL, y)
    return apply(BY_CODE[_GREATER_EQUAL], (x, y))


@overload
def less(x: float, y: float) -> float: ...
@overload
def less(x: Value, y: Value | float) -> Value: ...
@overload
def less(x: float, y: Value) -> Value: ...
def less(x: Any, y: Any) -> Any:
    """1 where x < y, else 0; unlike ``x < y`` it stays in the graph.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the jump too.

    >>> x = Value(0.5)
    >>> y = less(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_LESS, y)
    return apply(BY_CODE[_LESS], (x, y))


@overload
def less_equal(x: float, y: float) -> float: ...
@overload
def less_equal(x: Value, y: Value | float) -> Value: ...
@overload
def less_equal(x: float, y: Value) -> Value: ...
def less_equal(x: Any, y: Any) -> Any:
    """1 where x <= y, else 0.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the jump too.

    >>> x = Value(0.5)
    >>> y = less_equal(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_LESS_EQUAL, y)
    return apply(BY_CODE[_LESS_EQUAL], (x, y))


@overload
def equal(x: float, y: float) -> float: ...
@overload
def equal(x: Value, y: Value | float) -> Value: ...
@overload
def equal(x: float, y: Value) -> Value: ...
def equal(x: Any, y: Any) -> Any:
    """1 where x equals y, else 0; ``x == y`` compares identity.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the jump too.

    >>> x = Value(0.5)
    >>> y = equal(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_EQUAL, y)
    return apply(BY_CODE[_EQUAL], (x, y))


@overload
def not_equal(x: float, y: float) -> float: ...
@overload
def not_equal(x: Value, y: Value | float) -> Value: ...
@overload
def not_equal(x: float, y: Value) -> Value: ...
def not_equal(x: Any, y: Any) -> Any:
    """1 where x differs from y, else 0; ``x != y`` compares identity.

    Args:
        x: A Value, a number or an array of them, in (-inf, inf).
        y: A Value, a number or an array of them, in (-inf, inf).

    Returns:
        A Value if an operand is one (or an array of them); else a float (or an array).

    At a kink: 0 at the jump too.

    >>> x = Value(0.5)
    >>> y = not_equal(x, 2.0)
    >>> y.backward()
    """
    if isinstance(x, Value) and isinstance(y, Value):
        return x._binary(_NOT_EQUAL, y)
    return apply(BY_CODE[_NOT_EQUAL], (x, y))
