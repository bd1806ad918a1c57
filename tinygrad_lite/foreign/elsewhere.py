"""The names by which programs for other libraries' Values ask for what a Value has: micrograd, its ports, PyTorch.

What of theirs is refused, and what a user may add, is in :mod:`tinygrad_lite.foreign.attributes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mypy_extensions import mypyc_attr

from tinygrad_lite import value
from tinygrad_lite.methods import Methods
from tinygrad_lite.operations.ops import BY_CODE

if TYPE_CHECKING:
    from tinygrad_lite.value import Value


@mypyc_attr(acyclic=True)
class Names(Methods):
    """What :class:`tinygrad_lite.Value` inherits besides the operations."""

    __slots__ = ()

    @property
    def _op(self) -> str:
        """How the operation that made it is written, as in micrograd: ``"+"``; ``""`` for a leaf."""
        record = BY_CODE[cast("Value", self)._code]
        return "" if record is None else record.symbol

    @property
    def _prev(self) -> set[Value]:
        """The operands, as a set, as in micrograd."""
        return set(cast("Value", self).parents)

    @property
    def _children(self) -> tuple[Value, ...]:
        """The operands, as in microgpt."""
        return cast("Value", self).parents

    @property
    def _local_grads(self) -> tuple[float, ...]:
        """The local derivatives, as in microgpt."""
        return cast("Value", self).partials

    def _backward(self) -> None:
        """One step of the sweep, as in micrograd: adds to the operands' gradients what this node passes on.

        >>> from tinygrad_lite import Value
        >>> x = Value(3.0)
        >>> y = x * x
        >>> y.grad = 1.0
        >>> y._backward()
        >>> x.grad
        6.0
        """
        node = cast("Value", self)
        if value.STATE.tracing != 0:
            value.refuse_if_traced(node, "backward()")
        if node._code > value.CONSTANT:
            with value.LOCK:
                value.check_fresh([node])
                value.propagate([node])

    def requires_grad_(self, requires_grad: bool = True) -> Value:
        """Freezes a leaf (False), or thaws it, as in PyTorch; see ``requires_grad``.

        >>> from tinygrad_lite import Value
        >>> Value(2.0).requires_grad_(False).is_constant
        True
        """
        node = cast("Value", self)
        node.set_requires_grad(requires_grad)
        return node

    def _assign(self, name: str, attribute: object) -> None:
        """``v.name = attribute`` in the compiled build, where objects have no ``__dict__``."""
        if name == "data":  # these two by a short way: training loops set them
            cast("Value", self).set_data(attribute)
            return
        if name == "grad":
            cast("Value", self).set_grad(attribute)
            return
        try:
            object.__setattr__(self, name, attribute)
        except AttributeError:
            if hasattr(type(self), name):
                raise
            from tinygrad_lite.foreign import attributes

            attributes.add(name)
            object.__setattr__(self, name, attribute)
