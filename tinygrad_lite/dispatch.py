"""Operations on operands of any kind: Values, numbers and arrays, mixed.

:data:`VALUE` is the arithmetic in which a derivative rule is recorded, so that the derivative has derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, Final

from tinygrad_lite import numerics
from tinygrad_lite.arithmetic import products_without_each
from tinygrad_lite.operation import NARY, Op
from tinygrad_lite.ops import TABLE
from tinygrad_lite.value import DOT, Value, binary, dot_node, nary, operand, to_float, unary


def apply(op: Op, operands: Iterable[Any]) -> Any:
    """The operation on operands of any kind: a Value if one of them is, else a float, or an array."""
    xs = list(operands)
    if any(isinstance(x, Value) for x in xs):
        return record_operation(op, xs)
    if all(isinstance(x, (float, int)) for x in xs):
        try:
            numbers = [float(x) for x in xs]
        except OverflowError:  # math.log takes an int of any size
            numbers = xs
        return op.forward(numbers) if op.arity == NARY else op.forward(*numbers)
    if all(hasattr(x, "__float__") for x in xs) and not any(getattr(x, "ndim", 0) for x in xs):
        return apply(op, [x if isinstance(x, (float, int)) else operand(x).data for x in xs])
    return on_arrays(op, xs)


def record_operation(op: Op, operands: Sequence[Any]) -> Value:
    """Records the operation on Values and numbers."""
    xs = [operand(x) for x in operands]
    if op.code == DOT:
        n = len(xs) // 2
        return dot_node(tuple(xs[:n]), tuple(xs[n : 2 * n]), xs[2 * n])
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
        raise TypeError(
            f"{op.name} takes sequences of Values and numbers, of one dimension. For a matrix times a vector write "
            f"W @ x; for all items of an array, {op.name}(array.ravel())"
        )
    result = numpy.frompyfunc(lambda *xs: apply(op, xs), op.arity, 1)(*operands)
    whole = numpy.asarray(result)
    return result if any(isinstance(x, Value) for x in whole.flat) else whole.astype(float)


def _softmaxes(xs: Sequence[Any]) -> list[Any]:
    if not any(isinstance(x, Value) for x in xs):
        return numerics.softmaxes([to_float(x) for x in xs])
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
    **{op.name: _function(op) for op in TABLE.values() if op.name != "where"},
    softmaxes=_softmaxes,
    products_without_each=products_without_each,
    where=_choose,
)
