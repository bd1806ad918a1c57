"""What a node holds, and what is asked of it without looking at the graph."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self, SupportsFloat, cast, final

from mypy_extensions import i16, i32, i64, mypyc_attr

from tinygrad_lite.errors import GraphError
from tinygrad_lite.node.codes import BY_HAND, CONSTANT, LEAF
from tinygrad_lite.node.state import STATE
from tinygrad_lite.operations.ops import BY_CODE


@final
@mypyc_attr(acyclic=True)
class Details:
    """What few nodes have: a label, more than two operands (of ``dot``, first w₁, w₂ ... then x₁, x₂ ...), the rare."""

    __slots__ = ("first", "label", "rare", "second")

    def __init__(
        self, label: str = "", first: tuple[Any, ...] = (), second: tuple[Any, ...] = (), rare: Rare | None = None
    ) -> None:
        self.label: str = label
        self.first: tuple[Any, ...] = first
        self.second: tuple[Any, ...] = second
        self.rare: Rare | None = rare


@final
@mypyc_attr(acyclic=True)
class Rare:
    """What hardly any node has: the line that recorded it, a format narrower than float, the user's own attributes, and
    the order of the graph below it."""

    __slots__ = ("dtype", "line", "order", "own")

    def __init__(self, line: str = "", dtype: str = "") -> None:
        self.line: str = line
        self.dtype: str = dtype
        #: In the compiled build; see ``tinygrad_lite.foreign.attributes``.
        self.own: dict[str, Any] | None = None
        self.order: Order | None = None


@mypyc_attr(native_class=False)
class Order:
    """The interior nodes below a root (without it: no circle), as ``topological_order`` gives them."""

    def __init__(self, nodes: list[Any]) -> None:
        self.nodes = nodes
        STATE.kept += len(nodes)

    def __del__(self) -> None:
        STATE.kept -= len(self.nodes)


@mypyc_attr(acyclic=True)
class Node:
    """The fields of :class:`tinygrad_lite.Value`, but for its operands."""

    __slots__ = ("_code", "_details", "_grad", "_number", "_pending", "_stamp")

    # Says what there is. A Value's own sets all of it, in one call for each node.
    def __init__(self) -> None:
        self._number: float = 0.0
        self._grad: float = 0.0
        self._stamp: i64 = 0
        self._pending: i32 = 0
        self._code: i16 = LEAF
        self._details: Details | None = None

    @property
    @abstractmethod
    def parents(self) -> tuple[Any, ...]:
        """The operands, in their order; ``()`` for a leaf."""
        ...

    @property
    def data(self) -> float:
        """The number. Setting a leaf's makes the graphs above it stale until ``forward()`` is called on them.

        An interior node's may be set too, to see what a small change of it does: operations that are recorded after it
        use the new number, ``forward()`` evaluates it again, and ``backward()`` over it is refused until then.
        """
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "data")
        return self._number

    @data.setter
    def data(self, data: object) -> None:
        self.set_data(data)

    def set_data(self, data: object) -> None:
        """Set ``data``."""
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "set data")
        self._number = to_float(data)
        STATE.clock += 1
        self._stamp = STATE.clock if self._code <= CONSTANT else BY_HAND

    def item(self) -> float:
        """Return the number, as in PyTorch."""
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "item()")
        return self._number

    @property
    def grad(self) -> float:
        """∂root/∂self, as the last ``backward()`` left it; a leaf's adds up over calls."""
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "grad")
        return self._grad

    @grad.setter
    def grad(self, grad: object) -> None:
        self.set_grad(grad)

    def set_grad(self, grad: object) -> None:
        """Set ``grad``."""
        if grad is None:
            raise TypeError("the grad of a Value is a number: to clear it write v.grad = 0.0, or zero_grad()")
        self._grad = to_float(grad)

    @property
    def label(self) -> str:
        """A name, for pictures and messages; ``""`` if it has none."""
        return "" if self._details is None else self._details.label

    @label.setter
    def label(self, label: object) -> None:
        self.set_label(label)

    def set_label(self, label: object) -> None:
        """Set ``label``."""
        if not isinstance(label, str):
            raise TypeError(f"a label is a str, not {type(label).__name__}: write Value(data, label='name')")
        self.details().label = label

    @property
    def op(self) -> str:
        """The name of the operation that made it; ``""`` for a leaf."""
        record = BY_CODE[self._code]
        return "" if record is None else record.name

    @property
    def is_leaf(self) -> bool:
        """Whether it was given rather than computed."""
        return self._code <= CONSTANT

    @property
    def is_constant(self) -> bool:
        """Whether it gets no gradient: a plain number that met a Value, as the 2 in ``2 * v``, or a frozen leaf."""
        return self._code == CONSTANT

    @property
    def requires_grad(self) -> bool:
        """Whether ``backward()`` gives it a gradient. Setting a leaf's to False freezes it: it is a constant then.

        Raises:
            GraphError: On setting an interior node's to False: what depends on leaves has a gradient.

        >>> from tinygrad_lite import Value
        >>> w, x = Value(2.0), Value(3.0)
        >>> w.requires_grad = False
        >>> (w * x).backward()
        >>> w.grad, x.grad
        (0.0, 2.0)
        """
        return self._code != CONSTANT

    @requires_grad.setter
    def requires_grad(self, requires_grad: object) -> None:
        self.set_requires_grad(requires_grad)

    def set_requires_grad(self, requires_grad: object) -> None:
        """Set ``requires_grad``."""
        if self._code <= CONSTANT:
            self._code = LEAF if requires_grad else CONSTANT
            STATE.clock += 1
            self.details()  # what tells a frozen leaf, which may be asked for, from a number that met a Value
        elif not requires_grad:
            raise GraphError(
                f"cannot freeze {self!r}: it is computed by {self.op!r} from its operands. "
                "Freeze the leaves below it, or take v.detach(), which is a leaf."
            )

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze a leaf (False), or thaw it, as in PyTorch; see ``requires_grad``.

        >>> from tinygrad_lite import Value
        >>> Value(2.0).requires_grad_(False).is_constant
        True
        """
        self.set_requires_grad(requires_grad)
        return self

    @property
    def precision(self) -> str:
        """The format of its number: ``"float64"``, or the one that :class:`tinygrad_lite.autocast` rounded it to.

        (Not ``dtype``: NumPy takes what has that for an array or a scalar of its own.)
        """
        return dtype_of(self) or "float64"

    def details(self) -> Details:
        """Return the record of what few nodes have, made if it is not there."""
        if self._details is None:
            self._details = Details()
        return self._details

    def rare(self) -> Rare:
        """Return the record of what hardly any node has, made if it is not there."""
        details = self.details()
        if details.rare is None:
            details.rare = Rare()
        return details.rare

    def _assign(self, name: str, attribute: object) -> None:
        """``v.name = attribute`` in the compiled build, where objects have no ``__dict__``."""
        if name == "data":  # these two by a short way: training loops set them
            self.set_data(attribute)
            return
        if name == "grad":
            self.set_grad(attribute)
            return
        try:
            object.__setattr__(self, name, attribute)
        except AttributeError:
            if hasattr(type(self), name):
                raise
            STATE.add_attribute(name)
            object.__setattr__(self, name, attribute)


def dtype_of(node: Node) -> str:
    """Return the format that :class:`tinygrad_lite.autocast` rounded it to, or ``""``."""
    details = node._details
    return "" if details is None or details.rare is None else details.rare.dtype


def line_of(node: Node) -> str:
    """Where it was recorded, if ``detect_anomaly()`` saw it, or ``""``."""
    details = node._details
    return "" if details is None or details.rare is None else details.rare.line


def to_float(number: object) -> float:
    """Return the float of an int, a float, a bool or a NumPy scalar."""
    if isinstance(number, float):
        return float(number)  # a NumPy float64 is one too, and follows other rules
    if isinstance(number, int):
        return float(number)
    if is_numpy_scalar(number):
        return float(cast(SupportsFloat, number))
    if isinstance(number, Node):
        raise TypeError("a Value cannot hold a Value: write v itself, v.detach() for a new leaf, or v.data")
    raise TypeError(
        f"a Value holds one real number, not {type(number).__name__} {number!r}: "
        "give an int or a float; for a sequence make a list of Values"
    )


def is_numpy_scalar(number: object) -> bool:
    """Whether it is a real NumPy scalar or 0-d array (without importing NumPy: if it is one, NumPy is there)."""
    kind = type(number)
    if kind.__module__ != "numpy":
        return False
    import numpy

    if isinstance(number, numpy.ndarray):
        return number.ndim == 0 and number.dtype.kind in "fiub"
    return isinstance(number, (numpy.floating, numpy.integer, numpy.bool_))


for _name in ("data", "grad", "label", "requires_grad"):
    # A compiled setter is called for `del v.data` too, with no value at all, and crashes (mypyc 2.4); a property
    # refuses.
    _descriptor: Any = vars(Node)[_name]
    if not isinstance(_descriptor, property):  # pragma: no cover (compiled only)
        setattr(Node, _name, property(_descriptor.__get__, _descriptor.__set__, None, f"The {_name} of a Value."))
