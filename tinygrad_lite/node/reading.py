"""How the numbers of a Value are read, which is no part of the graph: comparisons, text, and what is refused.

A comparison is answered by the numbers, ``==`` by identity. What would take the number out of the graph without a word,
``float(v)`` and the like, is refused with what to write instead; while ``lift`` traces, so is all the rest.
"""

from __future__ import annotations

from typing import Any, Self, cast

from mypy_extensions import mypyc_attr

from tinygrad_lite import display
from tinygrad_lite.node import protocols
from tinygrad_lite.node.codes import CONSTANT
from tinygrad_lite.node.evaluation import local_derivatives
from tinygrad_lite.node.fields import Node, is_numpy_scalar
from tinygrad_lite.node.state import STATE


@mypyc_attr(acyclic=True)
class Readable(Node):
    """What :class:`tinygrad_lite.Value` inherits to be compared, printed and asked for its number."""

    __slots__ = ()

    @property
    def partials(self) -> tuple[float, ...]:
        """The local derivatives ∂self/∂operand, in the order of ``parents``.

        >>> from tinygrad_lite import Value
        >>> (Value(2.0) * Value(5.0)).partials
        (5.0, 2.0)
        """
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "partials")
        return tuple([float(p) for p in local_derivatives(self)]) if self._code > CONSTANT else ()

    def __lt__(self, other: object) -> bool | Any:
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "<", other)
        number = compared(other)
        if number is None:
            return NotImplemented
        if self._number < number:
            return True
        return less_than_none(self._number, number)

    def __le__(self, other: object) -> bool | Any:
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "<=", other)
        number = compared(other)
        if number is None:
            return NotImplemented
        if self._number <= number:
            return True
        return less_than_none(self._number, number)

    def __gt__(self, other: object) -> bool | Any:
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, ">", other)
        number = compared(other)
        if number is None:
            return NotImplemented
        if self._number > number:
            return True
        return less_than_none(self._number, number)

    def __ge__(self, other: object) -> bool | Any:
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, ">=", other)
        number = compared(other)
        if number is None:
            return NotImplemented
        if self._number >= number:
            return True
        return less_than_none(self._number, number)

    def __eq__(self, other: object) -> bool:
        """By identity: a Value is a node. (By the numbers, where one of NumPy's functions compares.)"""
        if self is other and self._number == self._number:
            return True
        if STATE.tracing != 0 and self is not other:
            STATE.refuse_if_traced(self, "==", other)
        return self is other if asked_by_user(other) else bool(self._number == compared(other))

    def __ne__(self, other: object) -> bool:
        """By identity, as ``==`` is."""
        if self is other and self._number == self._number:
            return False
        if STATE.tracing != 0 and self is not other:
            STATE.refuse_if_traced(self, "!=", other)
        return self is not other if asked_by_user(other) else bool(self._number != compared(other))

    def __hash__(self) -> int:
        """By identity, as ``==`` is: a Value is a node."""
        return object.__hash__(self)

    def __bool__(self) -> bool:
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "bool")
        return self._number != 0.0

    def __float__(self) -> float:
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "float")
        raise protocols.refused(
            "a Value does not become a float by itself, for that would leave the graph silently. For its number "
            "write v.data; instead of math.exp(v) write tinygrad_lite.exp(v) or v.exp(), and likewise for the rest of "
            "math; an array of Values has dtype=object."
        )

    def __int__(self) -> int:
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "int")
        raise TypeError("a Value does not become an int by itself: write int(v.data)")

    def __round__(self, digits: object = None) -> float:
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "round")
        raise protocols.refused("round(v) would leave the graph silently: write round(v.data, digits), or v.floor()")

    def rint(self) -> float:
        """Refuse what ``numpy.round`` asks for, as ``round`` is refused."""
        return self.__round__()

    def __trunc__(self) -> int:
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "int")
        raise protocols.refused("a Value does not become an int by itself: write math.trunc(v.data)")

    def as_integer_ratio(self) -> tuple[int, int]:
        """Refuse what ``statistics`` and ``fractions`` ask for, as ``float`` is refused."""
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "float")
        raise protocols.refused(
            "a Value does not become a fraction by itself, for that would leave the graph silently: for its number "
            "write v.data."
        )

    def conjugate(self) -> Self:
        """Return the number itself, which is real: NumPy's ``var`` and ``std`` ask for it."""
        return self

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        if STATE.tracing != 0 and STATE.is_traced(self):
            return f"Value(traced{label})"
        return f"Value(data={self._number!r}, grad={self._grad!r}{label})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """How notebooks show it: the picture of its graph, where that is small enough and can be drawn."""
        if STATE.tracing != 0 and STATE.is_traced(self):
            return {"text/plain": repr(self)}
        return display.mimebundle(self)

    def __format__(self, spec: str) -> str:
        if STATE.tracing != 0 and spec:
            STATE.refuse_if_traced(self, "format")
        return format(self._number, spec) if spec else repr(self)


def compared(other: object) -> Any:
    """Return what a comparison compares with; None if Python should ask the other side."""
    if isinstance(other, Node):
        return other._number
    if isinstance(other, (float, int)):
        return other
    return cast(Any, other).item() if is_numpy_scalar(other) else None


def less_than_none(x: float, y: Any) -> bool:
    """Return False, as a comparison with nan does not hold; refuse it where NumPy puts numbers in order."""
    if x != x or bool(y != y):  # nan
        protocols.refuse_unordered(x, y)
    return False


def asked_by_user(other: object) -> bool:
    """Whether ``==`` is asked by other code than NumPy's, and means the node."""
    return compared(other) is None or not protocols.asked_by_numpy()
