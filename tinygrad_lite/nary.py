"""The functions of any number of operands: each records one node, whatever the number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, overload

from tinygrad_lite.dispatch import VALUE, apply, dot_node
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.value import Value, operand

Number = Value | float

_SUM: Final = TABLE["sum"]
_MEAN: Final = TABLE["mean"]
_PROD: Final = TABLE["prod"]
_DOT: Final = TABLE["dot"]
_LOGSUMEXP: Final = TABLE["logsumexp"]
_LOOKUP: Final = TABLE["lookup"]


# In each pair of overloads a sequence of floats is also a sequence of Values-or-floats, and gives a float all the same.


@overload
def sum(xs: Iterable[float], start: float = ...) -> float: ...  # type: ignore[overload-overlap]  # see above
@overload
def sum(xs: Iterable[Number], start: Number = ...) -> Value: ...
def sum(xs: Any, start: Any = 0) -> Any:
    """Sum of any number of operands, in one node: what Python's ``sum`` makes of the floats.

    (From Python 3.12 on, that is more exact than adding one by one.)

    Args:
        xs: Values and numbers; may be empty.
        start: What they are added to.

    Returns:
        A Value if one of them is, else a float.

    >>> xs = [Value(1.0), Value(2.0), 3.0]
    >>> sum(xs).data
    6.0
    """
    return apply(_SUM, xs if type(start) is int and start == 0 else [start, *xs])


@overload
def mean(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]  # see above
@overload
def mean(xs: Iterable[Number]) -> Value: ...
def mean(xs: Any) -> Any:
    """Arithmetic mean, in one node.

    Args:
        xs: Values and numbers, at least one.

    Raises:
        ValueError: There are none.

    >>> mean([Value(1.0), Value(2.0)]).data
    1.5
    """
    return apply(_MEAN, _some(xs, "mean"))


@overload
def prod(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]  # see above
@overload
def prod(xs: Iterable[Number]) -> Value: ...
def prod(xs: Any) -> Any:
    """Product of any number of operands, in one node, multiplied from the left as ``math.prod`` does.

    Args:
        xs: Values and numbers; may be empty.

    >>> prod([Value(2.0), 3.0, 4.0]).data
    24.0
    """
    return apply(_PROD, xs)


@overload
def dot(ws: Iterable[float], xs: Iterable[float], bias: float = ...) -> float: ...  # type: ignore[overload-overlap]  # see above
@overload
def dot(ws: Iterable[Number], xs: Iterable[Number], bias: Number = ...) -> Value: ...
def dot(ws: Any, xs: Any, bias: Any = 0.0) -> Any:
    """bias + w₁x₁ + … + wₙxₙ in one node with n pairs of parents, added from the left.

    Args:
        ws: n Values and numbers.
        xs: n Values and numbers.
        bias: What the sum begins with.

    Returns:
        A Value if one of them is, else a float.

    Raises:
        ValueError: The two have not as many items.

    >>> w = [Value(2.0), Value(-1.0)]
    >>> y = dot(w, [3.0, 4.0], 0.5)
    >>> y.backward()
    >>> y.data, w[0].grad
    (2.5, 3.0)
    """
    first = ws if type(ws) is tuple else tuple(ws)
    second = xs if type(xs) is tuple else tuple(xs)
    if len(first) != len(second):
        raise ValueError(f"dot(ws, xs) takes as many weights as inputs, not {len(first)} and {len(second)}")
    if isinstance(bias, Value) and _all_values(first) and _all_values(second):
        return dot_node(first, second, bias)
    if not isinstance(bias, Value) and not _any_values(first) and not _any_values(second):
        return apply(_DOT, [*first, *second, bias])
    return dot_node(_as_values(first), _as_values(second), operand(bias))


@overload
def logsumexp(xs: Iterable[float]) -> float: ...  # type: ignore[overload-overlap]  # see above
@overload
def logsumexp(xs: Iterable[Number]) -> Value: ...
def logsumexp(xs: Any) -> Any:
    """log of the sum of exp(x), without overflow, in one node.

    Args:
        xs: Values and numbers, at least one.

    Raises:
        ValueError: There are none.

    >>> logsumexp([Value(1000.0), Value(1000.0)]).data
    1000.6931471805599
    """
    return apply(_LOGSUMEXP, _some(xs, "logsumexp"))


@overload
def softmax(xs: Iterable[float]) -> list[float]: ...  # type: ignore[overload-overlap]  # see above
@overload
def softmax(xs: Iterable[Number]) -> list[Value]: ...
def softmax(xs: Any) -> Any:
    """exp(xᵢ) over the sum of exp(xₖ): as many positive numbers, which add up to 1.

    Args:
        xs: Values and numbers, at least one.

    Returns:
        A list of Values if one of them is, else of floats.

    Raises:
        ValueError: There are none.

    >>> [p.data for p in softmax([Value(0.0), Value(0.0)])]
    [0.5, 0.5]
    """
    return VALUE.softmaxes(_some(xs, "softmax"))


@overload
def lookup(table: Sequence[float], index: float) -> float: ...  # type: ignore[overload-overlap]  # see above
@overload
def lookup(table: Sequence[Number], index: Number) -> Value: ...
def lookup(table: Any, index: Any) -> Any:
    """table[index], where the index may itself be a Value: an embedding.

    Args:
        table: Values and numbers, at least one.
        index: A whole number from -len(table) to len(table) - 1, or a Value that holds one.

    Raises:
        IndexError: The index is out of range.
        TypeError: It is not a whole number.

    >>> table = [Value(10.0), Value(20.0)]
    >>> lookup(table, 1).data
    20.0
    """
    return apply(_LOOKUP, [*_some(table, "lookup"), index])


def _some(xs: Any, name: str) -> list[Any]:
    found = list(xs)
    if not found:
        raise ValueError(f"{name} needs at least one operand, and was given none")
    return found


def _all_values(xs: tuple[Any, ...]) -> bool:
    for x in xs:  # noqa: SIM110 (a generator would cost the compiled loop its speed)
        if not isinstance(x, Value):
            return False
    return True


def _any_values(xs: tuple[Any, ...]) -> bool:
    for x in xs:  # noqa: SIM110 (as above)
        if isinstance(x, Value):
            return True
    return False


def _as_values(xs: tuple[Any, ...]) -> tuple[Value, ...]:
    return tuple([x if isinstance(x, Value) else operand(x) for x in xs])
