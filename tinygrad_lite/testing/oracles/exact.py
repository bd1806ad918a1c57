"""What derivatives really are: the textbook definition of an operation, differentiated to as many digits as it takes.

Nothing here comes from the engine but the ``definition`` of an operation. :func:`partial` evaluates it on a dual number
of mpmath numbers, at a precision that is doubled until two results agree. :func:`ulps` says how far a float is from
such a truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from mpmath import mp, mpf

from tinygrad_lite.operations.operation import Op
from tinygrad_lite.testing.oracles.dual import Arithmetic, Dual, mpmath_arithmetic

#: The arithmetic in which a record's ``definition`` is evaluated.
ARITHMETIC = mpmath_arithmetic()


class DefinitionError(ValueError):
    """An operation of the user's own has no formula that can be evaluated on other numbers than floats."""


def value(op: Op, operands: Sequence[Any], m: Arithmetic = ARITHMETIC) -> Any:
    """Return the operation by its definition, on numbers of the arithmetic or on dual numbers."""
    if op.definition is not None:
        return op.by_definition(m, operands)
    function = getattr(m, op.name, None)
    # its float function may be nothing but operators
    return op.value(list(operands)) if function is None else function(*operands)


def require_formula(op: Op, operands: Sequence[float]) -> None:
    """Make sure that an operation can be evaluated on other numbers than floats.

    Raises:
        DefinitionError: It has no definition, and its float function does not run on dual numbers.
    """
    if op.definition is not None or hasattr(ARITHMETIC, op.name):
        return
    try:
        value(op, [Dual(mpf(x), mpf(1)) for x in operands])
    except (TypeError, AttributeError) as error:
        raise DefinitionError(
            f"{op.name} has no definition, and its float function does not run on other numbers ({error}): give its "
            "formula as define(..., definition=lambda m, x: m.exp(x) ...)"
        ) from error
    except (ArithmeticError, ValueError):  # it runs, and has no derivative here
        return


def partial(op: Op, operands: Sequence[float], k: int) -> Any:
    """∂op/∂operand k, as an mpmath number good to 30 digits; ZeroDivisionError or ValueError where there is none."""

    def evaluate() -> Any:
        numbers: list[Any] = [mpf(x) for x in operands]
        numbers[k] = Dual(numbers[k], mpf(1))
        ARITHMETIC.begin()
        result = value(op, numbers)
        return mpf(result.slope) if isinstance(result, Dual) else mpf(0)

    return converged(evaluate, operands)


def converged(evaluate: Callable[[], Any], operands: Sequence[float]) -> Any:
    """Return the result at a precision at which doubling it changes nothing any more.

    Raises:
        ValueError: It is no finite number, or changes up to 20,000 digits.
    """
    digits = digits_for(operands)
    with mp.workdps(digits):
        before = evaluate()
    while digits < 20_000:
        digits *= 2
        with mp.workdps(digits):
            result = evaluate()
            if not mp.isfinite(result):
                raise ValueError(f"no derivative: {result}")
            agree = abs(result - before) <= abs(result) * mpf("1e-30")
            tiny = abs(result) < mpf("1e-400")
            # Terms that cancel to exactly 0 at two precisions do not at 400 digits, unless the float is 0 as well.
            if (agree and result != 0) or (tiny and digits >= 800):
                return result
        before = result
    raise ValueError("the definition cancels beyond 20,000 digits")


def digits_for(operands: Sequence[float]) -> int:
    """Return the digits to begin with: sin(1e300) needs 300 before the point."""
    largest = max((abs(math.log10(abs(x))) for x in operands if x != 0.0 and math.isfinite(x)), default=0.0)
    return 60 + int(largest)


_TOP = 2.0**1023


def ulps(got: float, truth: Any) -> float:
    """|got − truth| in units in the last place of the truth; an overflow counts as 2^1024, which would follow."""
    with mp.workdps(400):
        if math.isnan(got):
            return math.inf
        top = mpf(_TOP) * 2
        limited = max(-top, min(top, truth))
        shown = max(-top, min(top, mpf(got)))
        nearest = max(-math.nextafter(math.inf, 0), min(math.nextafter(math.inf, 0), float(limited)))
        return float(abs(shown - limited) / mpf(math.ulp(nearest)))
