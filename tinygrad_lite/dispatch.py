"""Operations on operands of any kind: Values, numbers and arrays, mixed.

:data:`VALUE` is the arithmetic in which a derivative rule is recorded, so that the derivative has derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

from mypy_extensions import i16

from tinygrad_lite.node.codes import DOT, EDGED, FORWARD, LEAF, UNARY_RULE
from tinygrad_lite.node.dot import sum_products
from tinygrad_lite.node.evaluation import evaluate
from tinygrad_lite.node.fields import Details, to_float
from tinygrad_lite.node.state import NO_GRAD, STATE
from tinygrad_lite.operations import numerics
from tinygrad_lite.operations.arithmetic import interpreter, products_without_each
from tinygrad_lite.operations.operation import NARY, Interval, Op
from tinygrad_lite.operations.ops import BY_CODE, DEFINED, TABLE
from tinygrad_lite.trace_mode import Demand, demanded, is_tracing
from tinygrad_lite.value import Value, make_node, mode_here, operand, record


def apply(op: Op, operands: Iterable[Any]) -> Any:
    """Return the operation on operands of any kind: a Value if one of them is, else a float, or an array."""
    xs = list(operands)
    if any(isinstance(x, Value) for x in xs):
        if op.arity > 1 and any(getattr(x, "ndim", 0) for x in xs if not isinstance(x, Value)):
            return on_arrays(op, xs)
        return record_operation(op, xs)
    if all(isinstance(x, (float, int)) for x in xs):
        try:
            numbers = [float(x) for x in xs]
        except OverflowError:  # math.log takes an int of any size
            numbers = xs
        return op.value(numbers)
    if all(hasattr(x, "__float__") for x in xs) and not any(getattr(x, "ndim", 0) for x in xs):
        return apply(op, [x if isinstance(x, (float, int)) else operand(x).data for x in xs])
    return on_arrays(op, xs)


def record_operation(op: Op, operands: Sequence[Any]) -> Value:
    """Record the operation on Values and numbers."""
    xs = [operand(x) for x in operands]
    if STATE.tracing != 0 and op.operands[-1] == "index":
        _demand_an_index(len(xs) - 1, xs[-1])
    if op.code == DOT:
        n = len(xs) // 2
        return dot_node(tuple(xs[:n]), tuple(xs[n : 2 * n]), xs[2 * n])
    if op.arity == 1:
        return xs[0]._unary(op.code)
    if op.arity == 2:
        return xs[0]._binary(op.code, xs[1])
    return nary(op.code, tuple(xs))


def nary(code: i16, first: tuple[Value, ...], last: Value | None = None) -> Value:
    """Record an operation on any number of operands: those of ``first``, then ``last``."""
    operands = first if last is None else (*first, last)
    return record(code, evaluate(code, operands), last, None, Details("", first))


def dot_node(ws: tuple[Value, ...], xs: tuple[Value, ...], bias: Value) -> Value:
    """Record bias + w₁x₁ + … + wₙxₙ, added from the left."""
    number = sum_products(ws, xs, bias)
    if STATE.modes != 0 and STATE.tracing == 0 and mode_here() == NO_GRAD:  # what remembers the operands is not made
        return make_node(LEAF, number, None, None, None)
    return record(DOT, number, bias, None, Details("", ws, xs))


def _demand_an_index(size: int, index: Value) -> None:
    """While ``lift`` traces: what ``numerics.index_of`` asks for is to be asked for in each call."""
    demanded(index, Demand("index", f"{{}} is out of range for {size} items", -size, size - 1.0, 1.0, "index_of"))


def define(
    name: str,
    forward: Callable[..., float],
    partials: Callable[..., Any] | Sequence[Callable[..., Any]],
    *,
    arity: int | None = None,
    definition: Callable[..., Any] | None = None,
    domain: Sequence[Interval] = (),
    kink: Callable[..., bool] | None = None,
    convention: str = "",
    symbol: str = "",
    notation: str = "",
    doc: str = "",
) -> Callable[..., Any]:
    """Return an operation of your own, with your derivative rule: a function on Values, numbers and arrays.

    The rule is written once, as those of the operation table are: operators on the operands, and ``m.exp(x)`` for every
    function of the table, so that derivatives have derivatives. Is it right? ``testing.check_gradients`` tells.

    Args:
        name: How nodes, messages and pictures name it. A later definition of the same name replaces an earlier one.
        forward: On floats: ``forward(x, y)``; with ``arity=NARY`` ``forward(operands)``.
        partials: ``rule(m, *operands, z)``, where z is the result: one, or one for each operand. With ``arity=NARY``
            one that gives a list: ``rule(m, operands, z)``.
        arity: The number of operands; as many as there are rules, if left out;
            :data:`~tinygrad_lite.operations.operation.NARY` for any number.
        definition: The textbook formula ``definition(m, *operands)``, which 60-digit arithmetic can evaluate. Not
            needed if ``forward`` is made of operators alone.
        domain: An :class:`~tinygrad_lite.operations.operation.Interval` for each operand.
        kink: Of the operands: whether the derivative jumps there.
        convention: What the derivative is at a kink, in words.
        symbol: How it is drawn; the name, if left out.
        notation: Its name in formulas, such as ``σ``; the name, if left out. Formulas of its derivatives are what its
            rules compute.
        doc: One sentence about it.

    Raises:
        TypeError: ``forward`` or a rule is not callable, or there are not as many rules as operands.
        ValueError: The operation table has an operation of that name.

    >>> cube = define("cube", lambda x: x**3, lambda m, x, z: 3.0 * x**2)
    >>> x = Value(2.0)
    >>> y = cube(x) + 1.0
    >>> y.backward()
    >>> y.data, x.grad
    (9.0, 12.0)
    """
    if callable(partials):
        rules: tuple[Any, ...] = (partials,)
    else:
        rules = tuple(partials) if isinstance(partials, Iterable) else (partials,)
    count = len(rules) if arity is None else arity
    if not callable(forward) or not all(callable(rule) for rule in rules):
        raise TypeError(f"define({name!r}, forward, partials) takes a function, and a rule for each of its operands")
    if count not in (NARY, 1, 2, 3) or len(rules) != (1 if count == NARY else count):
        raise TypeError(
            f"{name} has {len(rules)} rules for {'any number of' if count == NARY else count} operands: an operation "
            "has 1 to 3 operands and a rule for each, or arity=NARY and one rule that gives a list"
        )
    if name in TABLE:
        raise ValueError(f"the operation table has {name!r} already: choose another name for yours")
    names = ("operands",) if count == NARY else ("x", "y", "w")[:count]
    _check_is_called(name, "forward", forward, names)
    for rule in rules:
        _check_is_called(name, "a rule", rule, ("m", *names, "z"))
    op = Op(
        name,
        symbol or name,
        count,
        forward,
        rules,
        doc=doc or f"{name}, defined by the user.",
        notation=notation or name,
        definition=definition,
        operands=("xs",) if count == NARY else ("x", "y", "z"),
        domain=tuple(domain),
        kink=kink,
        convention=convention or ("between the one-sided derivatives" if kink is not None else ""),
        public=False,
        singular=_anywhere,
    )
    op.code = len(BY_CODE)
    BY_CODE.append(op)
    FORWARD.append(forward)
    UNARY_RULE.append(rules[0] if count == 1 else None)
    EDGED.append(op)
    DEFINED[name] = op
    return _defined(op)


def _anywhere(*operands: float) -> bool:
    """Where a partial may be infinite, of an operation whose rule nobody has read."""
    return True


def _check_is_called(name: str, what: str, function: Any, arguments: tuple[str, ...]) -> None:
    """Raise where a function can be seen not to take as many arguments as it is given."""
    import inspect

    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in functions have none
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise TypeError(
            f"define({name!r}, ...): {what} is called with ({', '.join(arguments)}), and takes {signature}. An "
            "operation has as many operands as it has rules, or as arity says; a rule is given m, the operands and the "
            "result"
        ) from None


def _defined(op: Op) -> Callable[..., Any]:
    """Return the function of an operation of the user's."""

    def of_sequence(xs: Iterable[Any]) -> Any:
        return apply(op, xs)

    def of_operands(*operands: Any) -> Any:
        if len(operands) != op.arity:
            raise TypeError(f"{op.name} takes {op.arity} operands, not {len(operands)}")
        return apply(op, operands)

    function: Any = of_sequence if op.arity == NARY else of_operands
    function.__name__ = op.name
    function.__doc__ = op.doc
    return cast("Callable[..., Any]", function)


def apply_any(op: Op | None, operands: Sequence[Any]) -> Any:
    """:func:`apply`, for a record looked up by its code."""
    assert op is not None
    return apply(op, operands)


def on_arrays(op: Op, operands: Sequence[Any]) -> Any:
    """Return the operation element by element on NumPy arrays of numbers or of Values."""
    import numpy

    for x in operands:
        if not isinstance(x, (numpy.ndarray, Value, float, int, numpy.generic)):
            each = f": for each item of it, [{op.name}(x) for x in xs]" if isinstance(x, (list, tuple)) else ""
            raise TypeError(f"{op.name} takes Values, numbers and arrays of them, not {type(x).__name__} {x!r}{each}")
    if op.arity == NARY:
        raise TypeError(
            f"{op.name} takes sequences of Values and numbers, of one dimension. For a matrix times a vector write "
            f"W @ x; for all items of an array, {op.name}(array.ravel())"
        )
    elementwise = numpy.frompyfunc(lambda *xs: apply(op, xs), op.arity, 1)
    if any(isinstance(x, numpy.ma.MaskedArray) for x in operands):
        from tinygrad_lite.foreign import masked

        return masked.where_unmasked(elementwise, operands)
    result = elementwise(*operands)
    whole = numpy.asanyarray(result)
    return result if any(isinstance(x, Value) for x in whole.flat) else whole.astype(float)


def _softmaxes(xs: Sequence[Any]) -> list[Any]:
    if not any(isinstance(x, Value) for x in xs):
        return numerics.softmaxes([to_float(x) for x in xs])
    values = tuple([operand(x) for x in xs])
    if STATE.tracing != 0 and is_tracing():  # n nodes of n operands would be n² edges; lift knows this for the softmax
        total = nary(TABLE["logsumexp"].code, values)
        return [(x - total).exp() for x in values]
    code = TABLE["softmax"].code
    return [nary(code, values, operand(float(i))) for i in range(len(values))]


def _choose(condition: Any, x: Any, y: Any) -> Any:
    """``where`` on Values; a plain number as the condition chooses now, and nothing is recorded."""
    if isinstance(condition, Value):
        return record_operation(TABLE["where"], (condition, x, y))
    return x if condition else y


VALUE: Final = interpreter(apply, softmaxes=_softmaxes, products_without_each=products_without_each, where=_choose)
