"""The arithmetics that a derivative rule runs in: floats, Values, arrays.

Each is a namespace with one function for every operation of the table; a rule written as ``m.exp(x) * y`` runs in all
three. :data:`FLOAT` is what ``backward()`` uses, :data:`VALUE` makes derivatives that can be differentiated again, and
:func:`array` gives NumPy's, with IEEE 754 limits where Python's floats raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, Final

from tinygrad_lite import numerics
from tinygrad_lite.operation import NARY, Op
from tinygrad_lite.ops import BY_CODE, TABLE
from tinygrad_lite.value import CONSTANT, Value, binary, nary, operand, unary

# ---------------------------------------------------------------------------------------------- on floats

FLOAT: Final = SimpleNamespace(**{op.name: op.forward for op in TABLE.values()}, softmaxes=numerics.softmaxes)


def partials(node: Value) -> Sequence[Any]:
    """The local derivatives of an interior node on its operands' data; 0 where the operand is a constant."""
    op = BY_CODE[node._code]
    assert op is not None
    parents = node.parents
    numbers = [parent._data for parent in parents]
    if op.arity == NARY:
        return guarded(op.partials[0], (numbers, node._data))
    return [
        0.0 if parent._code == CONSTANT else guarded(rule, (*numbers, node._data))
        for rule, parent in zip(op.partials, parents, strict=True)
    ]


def guarded(rule: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """The rule on floats; where floats raise, its IEEE limit (1/0 = inf), which NumPy computes."""
    try:
        return rule(FLOAT, *arguments)
    except (ArithmeticError, ValueError):
        import numpy

        with numpy.errstate(all="ignore"):
            limits = rule(array(), *[numpy.asarray(x, dtype=float)[()] for x in arguments])
            return [float(x) for x in limits] if isinstance(limits, list) else float(limits)


# ---------------------------------------------------------------------------------------------- on Values


def apply(op: Op, operands: Iterable[Any]) -> Any:
    """The operation on operands of any kind: a Value if one of them is, else a float, or an array."""
    xs = list(operands)
    if any(isinstance(x, Value) for x in xs):
        return record_operation(op, xs)
    if all(isinstance(x, (float, int)) for x in xs):
        numbers = [float(x) for x in xs]
        return op.forward(numbers) if op.arity == NARY else op.forward(*numbers)
    if all(hasattr(x, "__float__") for x in xs) and not any(getattr(x, "ndim", 0) for x in xs):
        return apply(op, [x if isinstance(x, (float, int)) else operand(x).data for x in xs])
    return on_arrays(op, xs)


def record_operation(op: Op, operands: Sequence[Any]) -> Value:
    """Records the operation on Values and numbers."""
    xs = [operand(x) for x in operands]
    if op.arity == 1:
        return unary(op.code, xs[0])
    if op.arity == 2:
        return binary(op.code, xs[0], xs[1])
    return nary(op.code, tuple(xs))


def apply_any(op: Op | None, operands: Sequence[Any]) -> Any:
    """:func:`apply`, for a record looked up by its code."""
    assert op is not None
    return apply(op, operands)


def on_arrays(op: Op, operands: Sequence[Any]) -> Any:
    """The operation element by element on NumPy arrays of numbers or of Values."""
    import numpy

    for x in operands:
        if not isinstance(x, (numpy.ndarray, Value, float, int, numpy.generic)):
            raise TypeError(f"{op.name} takes Values, numbers and arrays of them, not {type(x).__name__} {x!r}")
    if op.arity == NARY:
        raise TypeError(f"{op.name} takes a sequence of Values or numbers: write {op.name}(list(array.flat))")
    result = numpy.frompyfunc(lambda *xs: apply(op, xs), op.arity, 1)(*operands)
    whole = numpy.asarray(result)
    return result if any(isinstance(x, Value) for x in whole.flat) else whole.astype(float)


def _softmaxes(xs: Sequence[Any]) -> list[Any]:
    if not any(isinstance(x, Value) for x in xs):
        return numerics.softmaxes([float(x) for x in xs])
    values = tuple([operand(x) for x in xs])
    code = TABLE["softmax"].code
    return [nary(code, values, operand(float(i))) for i in range(len(values))]


def _choose(condition: Any, x: Any, y: Any) -> Any:
    """``where`` on Values; a plain number as the condition chooses now, and nothing is recorded."""
    if isinstance(condition, Value):
        return record_operation(TABLE["where"], (condition, x, y))
    return x if condition else y


def _function(op: Op) -> Callable[..., Any]:
    if op.arity == NARY:
        return lambda operands: apply(op, operands)
    return lambda *operands: apply(op, operands)


VALUE: Final = SimpleNamespace(
    **{op.name: _function(op) for op in TABLE.values() if op.name != "where"}, softmaxes=_softmaxes, where=_choose
)


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
        _ARRAY.append(SimpleNamespace(**names))
    return _ARRAY[0]


def _array_softmaxes(xs: Sequence[Any]) -> list[Any]:
    import numpy

    stacked = numpy.stack([numpy.asarray(x, dtype=float) for x in xs])
    exponentials = numpy.exp(stacked - stacked.max(axis=0))
    return list(exponentials / exponentials.sum(axis=0))


# ------------------------------------------------------------------------------------- where floats raise

#: How deep in rules that are being recorded: there, an operation that raises gives its IEEE limit instead.
_limits = [0]


class ieee:
    """While active, operations on Values that would raise give the IEEE limit: 1/0 is inf, 0/0 is nan."""

    def __enter__(self) -> None:
        _limits[0] += 1

    def __exit__(self, *exception: object) -> None:
        _limits[0] -= 1


def failed(code: int, operands: tuple[Value, ...], error: Exception) -> float:
    """Raises ``error`` again with the operation, its operands and the way on; under :class:`ieee` gives the limit."""
    op = BY_CODE[code]
    assert op is not None
    numbers = [x._data for x in operands]
    if _limits[0] and op.numpy:
        import numpy

        with numpy.errstate(all="ignore"):
            return float(getattr(numpy, op.numpy)(*numbers))
    shown = ", ".join(repr(x) for x in operands[:4]) + (", ..." if len(operands) > 4 else "")
    message = f"{op.name}({shown}): {error}. {_remedy(op, error)}"
    raise type(error)(message) from error


def _remedy(op: Op, error: Exception) -> str:
    if isinstance(error, OverflowError):
        return "The result is too large for a float: scale the operands, or work with logarithms."
    if isinstance(error, ZeroDivisionError):
        return "Keep the divisor from 0: add a small number, use maximum, or test its data first."
    if isinstance(error, (IndexError, TypeError)):
        return "Give a whole number within the table."
    if op.name == "pow":
        return "Take abs(x) first, cbrt for a cube root, or a whole-number power."
    domains = " and ".join(f"{name} in {domain!r}" for name, domain in zip(op.operands, op.domain, strict=False))
    return f"It is defined for {domains}: clamp or maximum keep an operand there."
