"""Python's operators but for + - * / ** and neg, which :class:`tinygrad_lite.Value` has itself."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from mypy_extensions import i16, mypyc_attr

from tinygrad_lite.node.codes import ABS, FLOORDIV, MOD, POS
from tinygrad_lite.node.reading import Readable


@mypyc_attr(acyclic=True)
class Operators(Readable):
    """What :class:`tinygrad_lite.Value` inherits to be computed with; the first four methods are its own."""

    __slots__ = ()

    @abstractmethod
    def _unary(self, code: i16) -> Self:
        """Record an operation on this node."""
        ...

    @abstractmethod
    def _binary(self, code: i16, other: object) -> Self:
        """Record an operation on this node and another operand."""
        ...

    @abstractmethod
    def _nary(self, code: i16, others: tuple[object, ...]) -> Self:
        """Record an operation on this node and others."""
        ...

    @abstractmethod
    def _operand(self, other: object) -> Self | None:
        """Give the other operand of an operator; None where Python should ask it."""
        ...

    def __pos__(self) -> Self:
        return self._unary(POS)

    def __abs__(self) -> Self:
        return self._unary(ABS)

    def __floordiv__(self, other: object) -> Self | Any:
        b = self._operand(other)
        return NotImplemented if b is None else self._binary(FLOORDIV, b)

    def __rfloordiv__(self, other: object) -> Self | Any:
        a = self._operand(other)
        return NotImplemented if a is None else a._binary(FLOORDIV, self)

    def __mod__(self, other: object) -> Self | Any:
        b = self._operand(other)
        return NotImplemented if b is None else self._binary(MOD, b)

    def __rmod__(self, other: object) -> Self | Any:
        a = self._operand(other)
        return NotImplemented if a is None else a._binary(MOD, self)

    def __divmod__(self, other: object) -> tuple[Self, Self] | Any:
        b = self._operand(other)
        return NotImplemented if b is None else (self._binary(FLOORDIV, b), self._binary(MOD, b))

    def __rdivmod__(self, other: object) -> tuple[Self, Self] | Any:
        a = self._operand(other)
        return NotImplemented if a is None else (a._binary(FLOORDIV, self), a._binary(MOD, self))
