"""The arithmetics that a derivative rule runs in: floats and arrays here, Values in :mod:`tinygrad_lite.dispatch`.

Each is a namespace with one function for every operation of the table; a rule written as ``m.exp(x) * y`` runs in all
of them, and :func:`interpreter` makes one of whatever else has operators. :data:`FLOAT` is what ``backward()`` uses,
:func:`array` gives NumPy's, with IEEE 754 limits where Python's floats raise, and ``VALUE`` makes derivatives that can
be differentiated again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, Final

from tinygrad_lite.operations import numerics
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import BY_CODE, DEFINED, TABLE

FLOAT: Final = SimpleNamespace(
    **{op.name: op.forward for op in TABLE.values()},
    softmaxes=numerics.softmaxes,
    products_without_each=numerics.products_without_each,
)


def interpreter(evaluate: Callable[[Op, Sequence[Any]], Any], **own: Any) -> SimpleNamespace:
    """Return an arithmetic in which every operation of the table is what ``evaluate(op, operands)`` makes of it.

    Args:
        evaluate: The meaning of an operation.
        **own: Functions that mean something else.
    """

    def function(op: Op) -> Callable[..., Any]:
        if op.arity == NARY:
            return lambda operands: evaluate(op, operands)
        return lambda *operands: evaluate(op, operands)

    return SimpleNamespace(**({op.name: function(op) for op in TABLE.values()} | own))


def evaluate_rule(rule: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Return the rule on floats; where floats raise, its IEEE limit (1/0 = inf), which NumPy computes."""
    try:
        return rule(FLOAT, *arguments)
    except (ArithmeticError, ValueError):
        import numpy

        with numpy.errstate(all="ignore"):
            limits = rule(array(), *[numpy.asarray(x, dtype=float)[()] for x in arguments])
            return [float(x) for x in limits] if isinstance(limits, list) else float(limits)


# ---------------------------------------------------------------------------------------------- on arrays

_ARRAY: list[SimpleNamespace] = []


def array() -> SimpleNamespace:
    """NumPy's functions under the table's names. Where NumPy has none, the float function, element by element."""
    if not _ARRAY:
        import numpy

        names: dict[str, Any] = {}
        for op in TABLE.values():
            if op.numpy:
                names[op.name] = getattr(numpy, op.numpy)
            elif op.arity != NARY:
                names[op.name] = numpy.vectorize(op.forward, otypes=[float])
        names["sum"] = sum
        names["prod"] = lambda xs: numpy.prod(numpy.stack(xs), axis=0)
        names["softmaxes"] = _array_softmaxes
        names["products_without_each"] = products_without_each
        _ARRAY.append(SimpleNamespace(**names))
    return _ARRAY[0]


def products_without_each(xs: Sequence[Any]) -> list[Any]:
    """For each x, the product of all others, with nothing but ``*``: on arrays and on Values."""
    heads: list[Any] = [1.0]
    tails: list[Any] = [1.0]
    for i in range(len(xs) - 1):
        heads.append(heads[i] * xs[i])
        tails.append(tails[i] * xs[len(xs) - 1 - i])
    return [heads[i] * tails[len(xs) - 1 - i] for i in range(len(xs))]


def _array_softmaxes(xs: Sequence[Any]) -> list[Any]:
    import numpy

    stacked = numpy.stack([numpy.asarray(x, dtype=float) for x in xs])
    exponentials = numpy.exp(stacked - stacked.max(axis=0))
    return list(exponentials / exponentials.sum(axis=0))


# ------------------------------------------------------------------------------------- where floats raise

#: Whether a rule is being recorded: there, an operation that raises gives its IEEE limit instead.
_limits: Final[ContextVar[bool]] = ContextVar("limits", default=False)


class IEEELimits:
    """While active, operations on Values that would raise give the IEEE limit: 1/0 is inf, 0/0 is nan."""

    def __enter__(self) -> None:
        self._token = _limits.set(True)

    def __exit__(self, *exception: object) -> None:
        _limits.reset(self._token)


def failed(code: int, operands: Sequence[Any], error: Exception) -> float:
    """Raise ``error`` again with the operation, its operands and the way on; in :class:`IEEELimits`, the limit."""
    op = BY_CODE[code]
    assert op is not None
    numbers = [x._number for x in operands]
    if _limits.get() and op.numpy:
        import numpy

        with numpy.errstate(all="ignore"):
            return float(getattr(numpy, op.numpy)(*numbers))
    shown = ", ".join(repr(x) for x in operands[:4]) + (", ..." if len(operands) > 4 else "")
    message = f"{op.name}({shown}): {reason(op, error)}. {_remedy(op, error)}"
    try:
        again = type(error)(message)
    except Exception:  # one that is made of other things than a message, as json's and codecs' are
        error.add_note(message)
        raise error from None
    raise again from error


def reason(op: Op, error: Exception) -> str:
    """Return why an operation raised, in the same words on every version of Python, whose own have changed."""
    said = str(error)
    if op.name in DEFINED or said.startswith("cannot"):
        return said
    if isinstance(error, ZeroDivisionError):
        return "0.0 cannot be raised to a negative power" if op.name == "pow" else "float division by zero"
    if isinstance(error, OverflowError):
        return "math range error"
    return "math domain error" if isinstance(error, ValueError) and op.name != "pow" else said


def _remedy(op: Op, error: Exception) -> str:
    if isinstance(error, OverflowError):
        return "The result is too large for a float: scale the operands, or work with logarithms."
    if isinstance(error, ZeroDivisionError):
        return "Keep the divisor from 0: add a small number, use maximum, or test its data first."
    if isinstance(error, (IndexError, TypeError)):
        return "Give a whole number within the table."
    if op.name == "pow":
        return "Take abs(x) first, cbrt for a cube root, or a whole-number power."
    if all(domain.low == -math.inf and domain.high == math.inf for domain in op.domain):
        return "It is defined for finite numbers: find out where the infinity came from, with detect_anomaly()."
    domains = " and ".join(f"{name} in {domain!r}" for name, domain in zip(op.operands, op.domain, strict=False))
    return f"It is defined for {domains}: clamp or maximum keep an operand there."
