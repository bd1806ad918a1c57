"""A number that remembers how it was computed, and can therefore differentiate itself.

Reverse mode in four steps, in the order in which they stand below:

1. An operation on Values computes its float and **records** a node: the operation and its operands (``record``).
2. ``backward`` sorts the graph below a node **topologically**: a node comes before its operands
   (``topological_order``). A node that is used twice has two contributions to its gradient, and both must have
   arrived before it can pass its own gradient on.
3. It **sweeps** over that order and applies the chain rule at each node: every operand's gradient grows by the node's
   gradient times the local derivative (``sweep``).
4. ``forward`` evaluates the recorded graph again, after leaves were given new data.

The whole of it, without speed, NumPy and error messages, is this::

    for node in order:                      # each before its operands
        for parent, partial in zip(node.parents, node.partials):
            parent.grad += node.grad * partial

What an operation computes, and its derivative, stands in the operation table (:mod:`tinygrad_lite.operations.ops`).
Only the rules that take most of the time, of + - * / neg, relu and dot, are written out here too; a test holds them
equal to it.
"""

from __future__ import annotations

from _thread import RLock
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, SupportsFloat, Union, cast, final

from mypy_extensions import i16, i32, i64, mypyc_attr

from tinygrad_lite.errors import GraphError, StaleGraphError
from tinygrad_lite.foreign.elsewhere import Names
from tinygrad_lite.operations.arithmetic import evaluate_rule, failed
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE, LEAF_CODE, TABLE

# Codes of the operations that are named below, as literals so that the compiler sees numbers. (Checked at the end.)
LEAF: Final[i16] = 0
CONSTANT: Final[i16] = 1
ADD: Final[i16] = 2
SUB: Final[i16] = 3
MUL: Final[i16] = 4
TRUEDIV: Final[i16] = 5
NEG: Final[i16] = 6
POS: Final[i16] = 7
POW: Final[i16] = 8
FLOORDIV: Final[i16] = 9
MOD: Final[i16] = 10
ABS: Final[i16] = 11
DOT: Final[i16] = 12
RELU: Final[i16] = 13

#: The time of an interior node whose number was set by hand: before that of all its operands, so it is stale.
BY_HAND: Final[i64] = -2

#: What an operator gives: NotImplemented too, where Python should ask the other operand (an array, say).
Result = Union["Value", Any]

#: The float function of each code.
FORWARD: Final[list[Callable[..., Any]]] = [float if _op is None else _op.forward for _op in BY_CODE]
#: The derivative rule of each code with one operand.
UNARY_RULE: Final[list[Callable[..., Any] | None]] = [
    _op.partials[0] if _op is not None and _op.arity == 1 else None for _op in BY_CODE
]
#: The record of each code that has operands at which a partial is infinite.
EDGED: Final[list[Op | None]] = [_op if _op is not None and _op.may_be_singular else None for _op in BY_CODE]


@final
@mypyc_attr(acyclic=True)
class Details:
    """What few nodes have: a label, more than two operands, and what is rare."""

    __slots__ = ("first", "label", "rare", "second")

    def __init__(
        self,
        label: str = "",
        first: tuple[Value, ...] = (),
        second: tuple[Value, ...] = (),
        rare: Rare | None = None,
    ) -> None:
        self.label: str = label
        self.first: tuple[Value, ...] = first
        self.second: tuple[Value, ...] = second
        self.rare: Rare | None = rare


@final
@mypyc_attr(acyclic=True)
class Rare:
    """What hardly any node has: the line that recorded it, a format narrower than float, the user's own attributes."""

    __slots__ = ("dtype", "line", "own")

    def __init__(self, line: str = "", dtype: str = "") -> None:
        self.line: str = line
        self.dtype: str = dtype
        #: In the compiled build; see ``tinygrad_lite.foreign.attributes``.
        self.own: dict[str, Any] | None = None


@final
class State:
    """The engine's only global state."""

    __slots__ = ("clock", "modes", "narrow", "singular", "tracing")

    def __init__(self) -> None:
        #: Ticks when a leaf's data changes. Each node keeps the time at which it was evaluated.
        self.clock: i64 = 0
        #: How many modes (``no_grad``, ``detect_anomaly``) are active in any thread; see ``tinygrad_lite.modes``.
        self.modes: i64 = 0
        #: Whether any node was ever recorded in a narrower format than float; see ``tinygrad_lite.narrow_formats``.
        self.narrow: bool = False
        #: Whether any node was ever recorded where a derivative of it is infinite; see ``tinygrad_lite.limits.limits``.
        self.singular: bool = False
        #: How many functions ``lift`` is tracing in any thread; see ``tinygrad_lite.modes.tracing``.
        self.tracing: i64 = 0


STATE: Final = State()

#: Held while a graph is sorted and swept: both write into nodes that other threads' graphs may share.
LOCK: Final = RLock()


@final
@mypyc_attr(acyclic=True)
class Value(Names):
    """A float, and how it was computed.

    Args:
        data: The number.
        label: A name, for pictures and messages; the second argument without a name is it, too.
        requires_grad: Whether ``backward()`` gives it a gradient.

    As in micrograd, ``Value(4.0, (x, y), "+")``, or with the names ``_children`` and ``_op``, is ``x + y``.

    Raises:
        TypeError: ``data`` is not a number, or a node is asked for that no operation makes.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> c = a * b + a
    >>> c.backward()
    >>> c.data, a.grad, b.grad
    (-4.0, -2.0, 2.0)
    """

    # __dict__ is for attributes of the user's own; the compiled build has none, see tinygrad_lite.foreign.attributes.
    __slots__ = ("__dict__", "_a", "_b", "_code", "_details", "_grad", "_number", "_pending", "_stamp")

    def __init__(
        self,
        data: object,
        _children: object = None,
        _op: object = None,
        label: object = None,
        _code: i16 = LEAF,
        _a: Value | None = None,
        _b: Value | None = None,
        _details: Details | None = None,
        _result: float = 0.0,
        *,
        requires_grad: object = True,
    ) -> None:
        if data is None and _code > CONSTANT:
            self._number: float = _result
        elif _code <= CONSTANT:
            self._number = to_float(data)
        else:
            raise TypeError("Value(data, label) makes a leaf; an interior node is made by an operation")
        self._grad: float = 0.0
        self._stamp: i64 = STATE.clock
        self._pending: i32 = 0
        self._code: i16 = _code
        self._a: Value | None = _a
        self._b: Value | None = _b
        self._details: Details | None = _details
        if data is None:  # it was made by an operation
            return
        if label is not None:
            self.set_label(label)
        if _children is not None or _op is not None:  # Value(4.0, (x, y), "+"), as micrograd makes nodes
            from tinygrad_lite.foreign import attributes

            attributes.initialise(self, _children, _op)
        if not requires_grad:
            self.set_requires_grad(False)

    # ------------------------------------------------------------------------------------- what it holds

    @property
    def data(self) -> float:
        """The number. Setting a leaf's makes the graphs above it stale until ``forward()`` is called on them.

        An interior node's may be set too, to see what a small change of it does: operations that are recorded after it
        use the new number, ``forward()`` evaluates it again, and ``backward()`` over it is refused until then.
        """
        if STATE.tracing != 0:
            refuse_if_traced(self, "data")
        return self._number

    @data.setter
    def data(self, data: object) -> None:
        self.set_data(data)

    def set_data(self, data: object) -> None:
        """What setting ``data`` does."""
        if STATE.tracing != 0:
            refuse_if_traced(self, "set data")
        self._number = to_float(data)
        STATE.clock += 1
        self._stamp = STATE.clock if self._code <= CONSTANT else BY_HAND

    @property
    def grad(self) -> float:
        """∂root/∂self, as the last ``backward()`` left it; a leaf's adds up over calls."""
        if STATE.tracing != 0:
            refuse_if_traced(self, "grad")
        return self._grad

    @grad.setter
    def grad(self, grad: object) -> None:
        self.set_grad(grad)

    def set_grad(self, grad: object) -> None:
        """What setting ``grad`` does."""
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
        """What setting ``label`` does."""
        if not isinstance(label, str):
            raise TypeError(f"a label is a str, not {type(label).__name__}: write Value(data, label='name')")
        self.details().label = label

    @property
    def op(self) -> str:
        """The name of the operation that made it; ``""`` for a leaf."""
        record = BY_CODE[self._code]
        return "" if record is None else record.name

    @property
    def parents(self) -> tuple[Value, ...]:
        """The operands, in their order; ``()`` for a leaf."""
        if self._a is None and self._details is None:
            return ()
        found: tuple[Value, ...] = ()
        if self._details is not None:
            found = self._details.first + self._details.second
        if self._a is not None:
            found = (*found, self._a)
        if self._b is not None:
            found = (*found, self._b)
        return found

    @property
    def partials(self) -> tuple[float, ...]:
        """The local derivatives ∂self/∂operand, in the order of ``parents``.

        >>> (Value(2.0) * Value(5.0)).partials
        (5.0, 2.0)
        """
        if STATE.tracing != 0:
            refuse_if_traced(self, "partials")
        return tuple([float(p) for p in local_derivatives(self)]) if self._code > CONSTANT else ()

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
        """What setting ``requires_grad`` does."""
        if self._code <= CONSTANT:
            self._code = LEAF if requires_grad else CONSTANT
            self.details()  # what tells a frozen leaf, which may be asked for, from a number that met a Value
        elif not requires_grad:
            raise GraphError(
                f"cannot freeze {self!r}: it is computed by {self.op!r} from its operands. "
                "Freeze the leaves below it, or take v.detach(), which is a leaf."
            )

    @property
    def precision(self) -> str:
        """The format of its number: ``"float64"``, or the one that :class:`tinygrad_lite.autocast` rounded it to.

        (Not ``dtype``: NumPy takes what has that for an array or a scalar of its own.)
        """
        return dtype_of(self) or "float64"

    @property
    def _data(self) -> Any:
        """For ``numpy.ma`` alone: an array that holds the Value."""
        from importlib import import_module

        return import_module("tinygrad_lite.foreign.masked").asked_by_numpy(self)

    def item(self) -> float:
        """The number, as in PyTorch."""
        if STATE.tracing != 0:
            refuse_if_traced(self, "item()")
        return self._number

    def detach(self) -> Value:
        """A new leaf with the same data and label, outside the graph."""
        if STATE.tracing != 0:
            refuse_if_traced(self, "detach()")
        return Value(self._number, label=self.label or None)

    def details(self) -> Details:
        """The record of what few nodes have, made if it is not there."""
        if self._details is None:
            self._details = Details()
        return self._details

    def rare(self) -> Rare:
        """The record of what hardly any node has, made if it is not there."""
        details = self.details()
        if details.rare is None:
            details.rare = Rare()
        return details.rare

    # ---------------------------------------------------------------------------- 1. operations record nodes

    def __add__(self, other: object) -> Result:
        if isinstance(other, Value):
            return record(ADD, self._number + other._number, self, other)
        b = constant(other)
        if b is None:
            return NotImplemented
        return record(ADD, self._number + b._number, self, b)

    def __radd__(self, other: object) -> Result:
        a = constant(other)
        if a is None:
            return NotImplemented
        return record(ADD, a._number + self._number, a, self)

    def __sub__(self, other: object) -> Result:
        if isinstance(other, Value):
            return record(SUB, self._number - other._number, self, other)
        b = constant(other)
        if b is None:
            return NotImplemented
        return record(SUB, self._number - b._number, self, b)

    def __rsub__(self, other: object) -> Result:
        a = constant(other)
        if a is None:
            return NotImplemented
        return record(SUB, a._number - self._number, a, self)

    def __mul__(self, other: object) -> Result:
        if isinstance(other, Value):
            return record(MUL, self._number * other._number, self, other)
        b = constant(other)
        if b is None:
            return NotImplemented
        return record(MUL, self._number * b._number, self, b)

    def __rmul__(self, other: object) -> Result:
        a = constant(other)
        if a is None:
            return NotImplemented
        return record(MUL, a._number * self._number, a, self)

    def __truediv__(self, other: object) -> Result:
        b = other if isinstance(other, Value) else constant(other)
        if b is None:
            return NotImplemented
        return binary(TRUEDIV, self, b)

    def __rtruediv__(self, other: object) -> Result:
        a = constant(other)
        if a is None:
            return NotImplemented
        return binary(TRUEDIV, a, self)

    def __floordiv__(self, other: object) -> Result:
        b = other if isinstance(other, Value) else constant(other)
        if b is None:
            return NotImplemented
        return binary(FLOORDIV, self, b)

    def __rfloordiv__(self, other: object) -> Result:
        a = constant(other)
        if a is None:
            return NotImplemented
        return binary(FLOORDIV, a, self)

    def __mod__(self, other: object) -> Result:
        b = other if isinstance(other, Value) else constant(other)
        if b is None:
            return NotImplemented
        return binary(MOD, self, b)

    def __rmod__(self, other: object) -> Result:
        a = constant(other)
        if a is None:
            return NotImplemented
        return binary(MOD, a, self)

    def __divmod__(self, other: object) -> tuple[Value, Value] | Any:
        b = other if isinstance(other, Value) else constant(other)
        if b is None:
            return NotImplemented
        return (binary(FLOORDIV, self, b), binary(MOD, self, b))

    def __rdivmod__(self, other: object) -> tuple[Value, Value] | Any:
        a = constant(other)
        if a is None:
            return NotImplemented
        return (binary(FLOORDIV, a, self), binary(MOD, a, self))

    def __pow__(self, other: object) -> Result:
        b = other if isinstance(other, Value) else constant(other)
        if b is None:
            return NotImplemented
        return binary(POW, self, b)

    def __rpow__(self, other: object) -> Result:
        a = constant(other)
        if a is None:
            return NotImplemented
        return binary(POW, a, self)

    def __neg__(self) -> Value:
        return record(NEG, -self._number, self, None)

    def __pos__(self) -> Value:
        return record(POS, self._number, self, None)

    def __abs__(self) -> Value:
        return record(ABS, abs(self._number), self, None)

    def __floor__(self) -> Value:
        return self.floor()

    def __ceil__(self) -> Value:
        return self.ceil()

    # ---------------------------------------------------------------- reading the number, not part of the graph

    def __lt__(self, other: object) -> bool | Any:
        if STATE.tracing != 0:
            refuse_if_traced(self, "<", other)
        number = compared(other)
        if number is None:
            return NotImplemented
        if self._number < number:
            return True
        return less_than_none(self._number, number)

    def __le__(self, other: object) -> bool | Any:
        if STATE.tracing != 0:
            refuse_if_traced(self, "<=", other)
        number = compared(other)
        if number is None:
            return NotImplemented
        if self._number <= number:
            return True
        return less_than_none(self._number, number)

    def __gt__(self, other: object) -> bool | Any:
        if STATE.tracing != 0:
            refuse_if_traced(self, ">", other)
        number = compared(other)
        if number is None:
            return NotImplemented
        if self._number > number:
            return True
        return less_than_none(self._number, number)

    def __ge__(self, other: object) -> bool | Any:
        if STATE.tracing != 0:
            refuse_if_traced(self, ">=", other)
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
            refuse_if_traced(self, "==", other)
        return self is other if asked_by_user(other) else bool(self._number == compared(other))

    def __ne__(self, other: object) -> bool:
        """By identity, as ``==`` is."""
        if self is other and self._number == self._number:
            return False
        if STATE.tracing != 0 and self is not other:
            refuse_if_traced(self, "!=", other)
        return self is not other if asked_by_user(other) else bool(self._number != compared(other))

    def __hash__(self) -> int:
        """By identity, as ``==`` is: a Value is a node."""
        return object.__hash__(self)

    def __bool__(self) -> bool:
        if STATE.tracing != 0:
            refuse_if_traced(self, "bool")
        return self._number != 0.0

    def __float__(self) -> float:
        if STATE.tracing != 0:
            refuse_if_traced(self, "float")
        raise number_refused(
            "a Value does not become a float by itself, for that would leave the graph silently. For its number "
            "write v.data; instead of math.exp(v) write tinygrad_lite.exp(v) or v.exp(), and likewise for the rest of "
            "math; an array of Values has dtype=object."
        )

    def __int__(self) -> int:
        if STATE.tracing != 0:
            refuse_if_traced(self, "int")
        raise TypeError("a Value does not become an int by itself: write int(v.data)")

    def __round__(self, digits: object = None) -> float:
        if STATE.tracing != 0:
            refuse_if_traced(self, "round")
        raise number_refused("round(v) would leave the graph silently: write round(v.data, digits), or v.floor()")

    def rint(self) -> float:
        """What ``numpy.round`` asks for: refused, as ``round`` is."""
        return self.__round__()

    def __trunc__(self) -> int:
        if STATE.tracing != 0:
            refuse_if_traced(self, "int")
        raise number_refused("a Value does not become an int by itself: write math.trunc(v.data)")

    def as_integer_ratio(self) -> tuple[int, int]:
        """What ``statistics`` and ``fractions`` ask for: refused, as ``float`` is."""
        if STATE.tracing != 0:
            refuse_if_traced(self, "float")
        raise number_refused(
            "a Value does not become a fraction by itself, for that would leave the graph silently: for its number "
            "write v.data."
        )

    def conjugate(self) -> Value:
        """The number itself, which is real: NumPy's ``var`` and ``std`` ask for it."""
        return self

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        if STATE.tracing != 0 and is_traced(self):
            return f"Value(traced{label})"
        return f"Value(data={self._number!r}, grad={self._grad!r}{label})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """How notebooks show it: the picture of its graph, where that is small enough and can be drawn."""
        if STATE.tracing != 0 and is_traced(self):
            return {"text/plain": repr(self)}
        from importlib import import_module

        return cast("dict[str, str]", import_module("tinygrad_lite.viz").mimebundle(self))

    def __format__(self, spec: str) -> str:
        if STATE.tracing != 0 and spec:
            refuse_if_traced(self, "format")
        return format(self._number, spec) if spec else repr(self)

    # ------------------------------------------------------------------------------- 3. and 4. the two sweeps

    def backward(
        self,
        seed: object = 1.0,
        *,
        gradient: object = None,
        retain_graph: object = None,
        create_graph: object = False,
        inputs: object = None,
    ) -> None:
        """Adds ∂self/∂leaf, times ``seed``, to the ``grad`` of every leaf below; sets that of every interior node.

        Args:
            seed: ∂L/∂self, where self is one step on the way to an L that is not in the graph; None is 1.
            gradient: PyTorch's name for ``seed``.
            retain_graph: As in PyTorch; the graph stays in any case.
            create_graph: Refused if true, with what to write.
            inputs: Refused, with what to write.

        Raises:
            StaleGraphError: A leaf was changed since the graph was evaluated. Nothing is changed.
            TypeError: ``create_graph`` or ``inputs`` was asked for.

        >>> x = Value(3.0)
        >>> y = x * x
        >>> y.backward()
        >>> y.backward()
        >>> x.grad  # twice 2x
        12.0
        """
        if STATE.tracing != 0:
            refuse_if_traced(self, "backward()")
        if gradient is not None or create_graph or inputs is not None:
            from tinygrad_lite.foreign import attributes

            seed = attributes.seed_of_backward(seed, gradient, create_graph, inputs)
        adjoint = 1.0 if seed is None else to_float(seed)
        if self._code <= CONSTANT:
            self._grad += adjoint
            return
        with LOCK:
            order = topological_order(self)
            check_fresh(order)
            for node in order:
                node._grad = 0.0
            self._grad = adjoint
            propagate(order)

    def forward(self) -> Value:
        """Evaluates the graph below self again, as far as changed leaves reach, and returns self.

        Raises:
            ArithmeticError, ValueError: As the operation raises that cannot be evaluated; the nodes before it are
                new, it and those after it stale. (In a graph of derivatives too, where recording gave a limit: 1/0.)

        >>> a = Value(2.0)
        >>> b = a * a
        >>> a.data = 5.0
        >>> b.forward().data
        25.0
        """
        if STATE.tracing != 0:
            refuse_if_traced(self, "forward()")
        order = topological_order(self)
        order.reverse()
        STATE.clock += 1  # what is evaluated now is newer than all that used it, even if that is new itself
        for node in order:
            parents = node.parents
            for parent in parents:
                if parent._stamp > node._stamp:
                    node._number = evaluate(node._code, parents)
                    node._stamp = STATE.clock
                    if STATE.modes != 0 or STATE.narrow:
                        from tinygrad_lite import modes

                        modes.evaluated(node)
                    break
        return self

    def zero_grad(self) -> None:
        """Sets ``grad`` to 0 for self and everything below it."""
        for node in topological_order(self, True):
            node._grad = 0.0

    # --------------------------------------------------------------------------------------- copy and pickle

    def __copy__(self) -> Value:
        if STATE.tracing != 0:
            refuse_if_traced(self, "copy")
        if is_differentiated(self):
            return self
        twin = Value(None if self._code > CONSTANT else self._number, _code=self._code, _a=self._a, _b=self._b)
        twin._number = self._number
        twin._grad = self._grad
        twin._stamp = self._stamp
        d = self._details
        if d is not None:
            twin._details = Details(d.label, d.first, d.second)
            if d.rare is not None:
                twin._details.rare = Rare(d.rare.line, d.rare.dtype)
        from tinygrad_lite.foreign import attributes

        attributes.set_own(twin, attributes.own(self))
        return twin

    def __reduce_ex__(self, protocol: object) -> Any:
        from tinygrad_lite import serialization
        from tinygrad_lite.foreign import protocols

        if protocols.asked_by_dataclasses():
            return "the Value itself"  # what copy.deepcopy makes of a text
        if STATE.tracing != 0:
            refuse_if_traced(self, "deepcopy")
        if is_differentiated(self):
            return "a Value that is being differentiated"  # as above; pickle fails with it
        return serialization.reduce(self)


# ------------------------------------------------------------------------------------------------- operands


def to_float(number: object) -> float:
    """The float of an int, a float, a bool or a NumPy scalar."""
    if isinstance(number, float):
        return float(number)  # a NumPy float64 is one too, and follows other rules
    if isinstance(number, int):
        return float(number)
    if is_numpy_scalar(number):
        return float(cast(SupportsFloat, number))
    if isinstance(number, Value):
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


def constant(number: object) -> Value | None:
    """A leaf for a plain number that meets a Value; None if it is something else."""
    if isinstance(number, (float, int)) or is_numpy_scalar(number):
        return Value(number, _code=CONSTANT)
    return None


def operand(number: object) -> Value:
    """The Value itself, or a constant leaf for a plain number."""
    found = number if isinstance(number, Value) else constant(number)
    if found is None:
        raise TypeError(f"expected a Value or a number, not {type(number).__name__} {number!r}")
    return found


def dtype_of(node: Value) -> str:
    """The format that :class:`tinygrad_lite.autocast` rounded it to, or ``""``."""
    details = node._details
    return "" if details is None or details.rare is None else details.rare.dtype


def line_of(node: Value) -> str:
    """Where it was recorded, if ``detect_anomaly()`` saw it, or ``""``."""
    details = node._details
    return "" if details is None or details.rare is None else details.rare.line


def compared(other: object) -> Any:
    """What a comparison compares with; None if Python should ask the other side."""
    if isinstance(other, Value):
        return other._number
    if isinstance(other, (float, int)):
        return other
    return cast(Any, other).item() if is_numpy_scalar(other) else None


def less_than_none(x: float, y: Any) -> bool:
    """The answer of a comparison that does not hold. Of nan none does, and an order that NumPy makes is refused."""
    if x != x or bool(y != y):  # nan
        from tinygrad_lite.foreign import protocols

        protocols.refuse_unordered(x, y)
    return False


def asked_by_user(other: object) -> bool:
    """Whether ``==`` is asked by other code than NumPy's, and means the node."""
    from tinygrad_lite.foreign import protocols

    return compared(other) is None or not protocols.asked_by_numpy()


def is_differentiated(node: Value) -> bool:
    """Whether a transform is calling its function here, and the node depends on what it differentiates by."""
    from tinygrad_lite import transforms

    return transforms.is_differentiated(node)


def number_refused(message: str) -> TypeError:
    """The error of whoever asks for the number, with what to write instead if it is known who asks."""
    from tinygrad_lite.foreign import protocols

    return protocols.refused(message)


# -------------------------------------------------------------------------------- while lift is tracing


def is_traced(node: Value) -> bool:
    """Whether ``lift`` is tracing here and the node depends on the inputs: no number may leave the graph."""
    from tinygrad_lite import modes

    return modes.is_traced(node)


def refuse_if_traced(node: Value, asked: str, other: object = None) -> None:
    """Raises, while ``lift`` is tracing here, if the node (or the other one) depends on the inputs."""
    from tinygrad_lite import trace_errors

    trace_errors.refuse_if_traced(node, asked, other)


# ------------------------------------------------------------------------------------------- 1. recording


def record(code: i16, data: float, a: Value, b: Value | None) -> Value:
    """A new node: the operation's code, its result, its operands."""
    if STATE.modes:
        from tinygrad_lite import modes

        return modes.record(code, data, a, b, None)
    return Value(None, None, None, None, code, a, b, None, data)


def record_nary(code: i16, data: float, last: Value | None, details: Details) -> Value:
    """A new node whose operands are those in ``details``, then ``last``."""
    if STATE.modes != 0:
        from tinygrad_lite import modes

        return modes.record(code, data, last, None, details)
    return Value(None, None, None, None, code, last, None, details, data)


def unary(code: i16, x: Value) -> Value:
    """Records an operation on one operand."""
    if code == RELU:
        return record(RELU, 0.0 if x._number <= 0.0 else x._number, x, None)
    try:
        data: float = FORWARD[code](x._number)
    except (ArithmeticError, ValueError) as error:
        data = failed(code, (x,), error)
        STATE.singular = True
    edged = EDGED[code]
    if edged is not None and edged.is_singular((x._number,)):
        STATE.singular = True
    return record(code, data, x, None)


def binary(code: i16, x: Value, y: Value) -> Value:
    """Records an operation on two operands."""
    if code == TRUEDIV and y._number != 0.0:
        return record(TRUEDIV, x._number / y._number, x, y)
    try:
        data: float = FORWARD[code](x._number, y._number)
    except (ArithmeticError, ValueError) as error:
        data = failed(code, (x, y), error)
        STATE.singular = True
    edged = EDGED[code]
    if edged is not None and edged.is_singular((x._number, y._number)):
        STATE.singular = True
    return record(code, data, x, y)


def nary(code: i16, first: tuple[Value, ...], last: Value | None = None) -> Value:
    """Records an operation on any number of operands: those of ``first``, then ``last``."""
    details = Details("", first)
    operands = first if last is None else (*first, last)
    return record_nary(code, evaluate(code, operands), last, details)


def dot_node(ws: tuple[Value, ...], xs: tuple[Value, ...], bias: Value) -> Value:
    """Records bias + w₁x₁ + … + wₙxₙ, added from the left."""
    total = bias._number
    i: i64 = 0
    n: i64 = len(ws)
    while i < n:
        total += ws[i]._number * xs[i]._number
        i += 1
    return record_nary(DOT, total, bias, Details("", ws, xs))


def evaluate(code: i16, operands: tuple[Value, ...]) -> float:
    """The operation's float result on the operands' data."""
    op = BY_CODE[code]
    assert op is not None
    numbers = [x._number for x in operands]
    if EDGED[code] is not None and op.is_singular(numbers):
        STATE.singular = True
    try:
        if op.arity < 0:
            return cast(float, op.forward(numbers))
        return cast(float, op.forward(*numbers))
    except (ArithmeticError, ValueError, TypeError, IndexError) as error:
        return failed(code, operands, error)


# ---------------------------------------------------------------------------------------- 2. topological order


def topological_order(root: Value, leaves: bool = False) -> list[Value]:
    """Every interior node below root (itself included), each before all of its operands (Kahn 1962).

    The first pass counts for each node the edges that lead to it. The second removes nodes that no edge leads to any
    more, beginning with the root, and with each the edges that leave it. Both go over the nodes in an order that the
    graph alone decides, and leave every count at 0.

    Args:
        root: Where to start.
        leaves: Whether leaves are to be part of it; all of them come last.

    >>> a = Value(1.0)
    >>> b = a + a
    >>> c = b * a
    >>> [node.op for node in topological_order(c)]
    ['mul', 'add']
    """
    if root._code <= CONSTANT:
        return [root] if leaves else []
    counted: i16 = -1 if leaves else CONSTANT  # edges to nodes with a code above this are counted
    with LOCK:
        try:
            _count_edges(root, counted)
            return _remove_edges(root, counted)
        except BaseException:  # KeyboardInterrupt, between two lines of the interpreted build
            _forget_counts(root)
            raise


def _count_edges(root: Value, counted: i16) -> None:
    """Sets the count of edges from above of everything below root."""
    stack: list[Value] = []
    reached: Value | None = root
    while True:
        if reached is not None:
            node = reached
            reached = None
        elif stack:
            node = stack.pop()
        else:
            return
        a = node._a
        b = node._b
        if b is None and node._details is not None:
            for parent in node._details.first + node._details.second:
                if parent._code > counted:
                    if parent._pending == 0:
                        stack.append(parent)
                    parent._pending += 1
        if a is not None and a._code > counted:
            if a._pending == 0:
                reached = a
            a._pending += 1
        if b is not None and b._code > counted:
            if b._pending == 0:
                if reached is not None:
                    stack.append(reached)
                reached = b
            b._pending += 1


def _remove_edges(root: Value, counted: i16) -> list[Value]:
    """The order, after the edges were counted; leaves every count at 0."""
    order: list[Value] = []
    below: list[Value] = []
    stack: list[Value] = []
    ready: Value | None = root
    while True:
        if ready is not None:
            node = ready
            ready = None
        elif stack:
            node = stack.pop()
        else:
            break
        if node._code <= CONSTANT:
            below.append(node)
            continue
        order.append(node)
        a = node._a
        b = node._b
        if b is None and node._details is not None:
            for parent in node._details.first + node._details.second:
                if parent._code > counted:
                    parent._pending -= 1
                    if parent._pending == 0:
                        stack.append(parent)
        if a is not None and a._code > counted:
            a._pending -= 1
            if a._pending == 0:
                ready = a
        if b is not None and b._code > counted:
            b._pending -= 1
            if b._pending == 0:
                if ready is not None:
                    stack.append(ready)
                ready = b
    order.extend(below)
    return order


def _forget_counts(root: Value) -> None:
    """Sets every count below root back to 0, after the counting was broken off anywhere."""
    stack = [root]
    seen = {id(root)}
    while stack:
        for parent in stack.pop().parents:
            parent._pending = 0
            if id(parent) not in seen:
                seen.add(id(parent))
                stack.append(parent)


# ------------------------------------------------------------------------------------- 3. the backward sweep


def propagate(order: list[Value], wanted: Sequence[Value] | None = None, together: Sequence[Value] = ()) -> None:
    """The sweep, or its slow form where a mode or a narrow format asks for a look at each node.

    Where the chain rule meets 0·inf, the gradients that it cannot give (of the wanted nodes, or of all) are limits.
    """
    if STATE.singular or STATE.narrow:
        from tinygrad_lite.limits import limits

        found = limits.of_gradients(order, wanted, together)
        propagate_finite(order)
        limits.put(found)
    else:
        propagate_finite(order)


def propagate_finite(order: list[Value]) -> None:
    """:func:`propagate` where no derivative is infinite."""
    if STATE.modes != 0 or STATE.narrow:
        from tinygrad_lite import modes

        if modes.sweep_slowly(order):
            return
    sweep(order)


def sweep(order: list[Value]) -> None:
    """Passes each node's gradient on to its operands: the chain rule, node by node.

    A gradient of exactly 0 passes nothing on, not even 0·inf: what ``where`` did not choose stays without influence.
    (Other zeros than chosen ones are seen to by :func:`propagate`.)
    """
    for node in order:
        g = node._grad
        if g == 0.0:
            continue
        code = node._code
        a = node._a
        b = node._b
        if b is not None:
            assert a is not None
            if code == MUL:
                if a._code != CONSTANT:
                    a._grad += g * b._number
                if b._code != CONSTANT:
                    b._grad += g * a._number
            elif code == ADD:
                if a._code != CONSTANT:
                    a._grad += g
                if b._code != CONSTANT:
                    b._grad += g
            elif code == SUB:
                if a._code != CONSTANT:
                    a._grad += g
                if b._code != CONSTANT:
                    b._grad -= g
            elif code == TRUEDIV and b._number != 0.0:
                if a._code != CONSTANT:
                    a._grad += g * (1.0 / b._number)
                if b._code != CONSTANT:
                    b._grad += g * (-(a._number / b._number) / b._number)
            else:
                pass_on(node, g)
        elif code == DOT:
            _pass_on_dot(node, g)
        else:
            rule = UNARY_RULE[code]
            if rule is None or a is None or a._code == CONSTANT:
                pass_on(node, g)
            elif code == NEG:
                a._grad -= g
            elif code == RELU:
                if a._number > 0.0:
                    a._grad += g
            else:
                partial: float = evaluate_rule(rule, (a._number, node._number))
                if partial != 0.0:
                    a._grad += g * partial


def _pass_on_dot(node: Value, g: float) -> None:
    """The sweep's step at a dot node."""
    bias = node._a
    details = node._details
    assert bias is not None
    assert details is not None
    if bias._code != CONSTANT:
        bias._grad += g
    ws = details.first
    xs = details.second
    i: i64 = 0
    n: i64 = len(ws)
    while i < n:
        w = ws[i]
        x = xs[i]
        i += 1
        if w._code != CONSTANT:
            w._grad += g * x._number
        if x._code != CONSTANT:
            x._grad += g * w._number


def pass_on(node: Value, g: float) -> None:
    """The sweep's step at any node, by the rule of its record."""
    parents = node.parents
    partials = local_derivatives(node)
    for i in range(len(parents)):
        parent = parents[i]
        partial: float = partials[i]
        if partial != 0.0 and parent._code != CONSTANT:
            parent._grad += g * partial


def local_derivatives(node: Value) -> Sequence[Any]:
    """∂node/∂operand for each operand, as floats, by the rule of its record; 0 for a constant operand."""
    op = BY_CODE[node._code]
    assert op is not None
    parents = node.parents
    numbers = [parent._number for parent in parents]
    if op.arity < 0:
        return cast("Sequence[Any]", evaluate_rule(op.partials[0], (numbers, node._number)))
    return [
        0.0 if parents[k]._code == CONSTANT else evaluate_rule(op.partials[k], (*numbers, node._number))
        for k in range(len(parents))
    ]


def check_fresh(order: list[Value]) -> None:
    """Raises if an operand is newer than the node above it; quick where no leaf was changed since all were recorded."""
    now = STATE.clock
    for node in order:
        if node._stamp != now:
            break
    else:
        return
    for node in order:
        for parent in node.parents:
            if parent._stamp > node._stamp:
                _refuse_stale(order[0], node, parent)


def _refuse_stale(root: Value, node: Value, parent: Value) -> NoReturn:
    if node._stamp == BY_HAND:
        raise StaleGraphError(
            f"the data of {node!r} was set by hand, and is not what {node.op!r} of its operands gives: it has no "
            f"gradient to pass on to them. Call forward() on {root!r} to evaluate the graph from its leaves again, or "
            "take v.detach(), a leaf, where its number is to be set."
        )
    changed = parent
    if parent._code > CONSTANT:  # evaluated again from another root: name the leaf that began it
        for below in topological_order(parent, True):
            if below._code <= CONSTANT and below._stamp > node._stamp:
                changed = below
    raise StaleGraphError(
        f"the graph below {root!r} is stale: {changed!r} was changed after {node.op!r} had used it, so its gradients "
        "would mix old numbers and new. Call forward() on the root to evaluate the recorded graph with the new data, "
        "or run your code again to record a new one."
    )


for _name, _code in (
    ("add", ADD), ("sub", SUB), ("mul", MUL), ("truediv", TRUEDIV), ("neg", NEG), ("pos", POS), ("pow", POW),
    ("floordiv", FLOORDIV), ("mod", MOD), ("abs", ABS), ("dot", DOT), ("relu", RELU),
):  # fmt: skip
    _agree = TABLE[_name].code == _code and LEAF == LEAF_CODE and CONSTANT == CONSTANT_CODE
    if not _agree:  # pragma: no cover (only after a wrong edit of the table)
        raise RuntimeError(f"value.py and the operation table disagree on the code of {_name!r}")

for _name in ("data", "grad", "label", "requires_grad"):
    # A compiled setter is called for `del v.data` too, with no value at all, and crashes (mypyc 2.4); a property
    # refuses.
    _descriptor: Any = vars(Value)[_name]
    if not isinstance(_descriptor, property):  # pragma: no cover (compiled only)
        setattr(Value, _name, property(_descriptor.__get__, _descriptor.__set__, None, f"The {_name} of a Value."))
