"""A number that remembers how it was computed, and can therefore differentiate itself.

Reverse mode in four steps, in the order in which they stand below:

1. An operation on Values computes its float and **records** a node: the operation and its operands (``record``).
2. ``backward`` sorts the graph below a node **topologically**: a node comes before its operands
   (``topological_order``). A node that is used twice has two contributions to its gradient, and both must have
   arrived before it can pass its own gradient on.
3. It **sweeps** over that order and applies the chain rule at each node: every operand's gradient grows by the node's
   gradient times the local derivative (``sweep``).
4. ``forward`` evaluates the recorded graph again, after leaves were given new data.

The whole of it, without speed and error messages, is this::

    for node in order:                      # each before its operands
        for parent, partial in zip(node.parents, node.partials):
            parent.grad += node.grad * partial

What an operation computes, and its derivative, stands in the operation table (:mod:`tinygrad_lite.operations.ops`).
Only the rules that take most of the time, of + - * / ** neg, relu and dot, are written out too; a test holds them equal
to it. What a Value inherits (its methods, how it is compared and printed, what is refused) is in the room ``node``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, cast

from mypy_extensions import i16, i32, i64, mypyc_attr

from tinygrad_lite.node.codes import (
    ADD,
    CONSTANT,
    DEFINED,
    DOT,
    LEAF,
    MUL,
    NEG,
    POW,
    RELU,
    SUB,
    TRUEDIV,
    UNARY_RULE,
)
from tinygrad_lite.node.dot import evaluate_dot, pass_on_dot
from tinygrad_lite.node.evaluation import evaluate, evaluate_binary, evaluate_unary, local_derivatives
from tinygrad_lite.node.fields import Details, is_numpy_scalar, to_float
from tinygrad_lite.node.freshness import check_fresh, forget_counts, keep_order
from tinygrad_lite.node.methods import Methods
from tinygrad_lite.node.protocols import seed_of_backward
from tinygrad_lite.node.state import LOCK, NO_GRAD, STATE
from tinygrad_lite.operations.arithmetic import evaluate_rule
from tinygrad_lite.operations.numerics import power_by_base

#: The exponent of a square as it is written, and the float that it is: one object for all of them.
_TWO: Final[object] = 2
_TWO_AS_FLOAT: Final[object] = 2.0


@mypyc_attr(acyclic=True)
class Value(Methods):
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
    __slots__ = ("__dict__", "_left", "_right")

    def __init__(
        self,
        data: object,
        _children: object = None,
        _op: object = None,
        label: object = None,
        _code: i16 = LEAF,
        _a: object = None,
        _b: object = None,
        _details: Details | None = None,
        _result: float = 0.0,
        *,
        requires_grad: object = True,
    ) -> None:
        if data is not None and _code > CONSTANT:
            raise TypeError("Value(data, label) makes a leaf; an interior node is made by an operation")
        self._number = _result if _code > CONSTANT else to_float(data)  # read as v.data
        self._grad = 0.0  # read as v.grad
        self._stamp = STATE.clock  # when its number was made
        self._pending = 0  # how many edges the traversal has yet to come by; 0 between traversals
        self._code = _code  # of its operation
        self._details = (
            _details  # a label, and the operands of a node that has many; left comes after these, then right
        )
        self._left: object = _a  # a Value, or a float: a plain number that met a Value, until the operand is asked for
        self._right: object = _b
        if _code > CONSTANT:
            return
        if label is not None:
            self.set_label(label)
        if _children is not None or _op is not None:  # Value(4.0, (x, y), "+"), as micrograd makes nodes
            STATE.initialise(self, _children, _op)
        if not requires_grad:
            self.set_requires_grad(False)

    @property
    def parents(self) -> tuple[Value, ...]:
        """The operands, in their order; ``()`` for a leaf."""
        found: tuple[Value, ...] = () if self._details is None else self._details.first + self._details.second
        a = self._a
        b = self._b
        if a is not None:
            found = (*found, a) if b is None else (*found, a, b)
        return found

    @property
    def _a(self) -> Value | None:
        """The left operand, or the only one."""
        if self._left is not None and not isinstance(self._left, Value):
            with LOCK:
                self._left = constant_of(self, self._left)
        return self._left

    @property
    def _b(self) -> Value | None:
        """The right operand."""
        if self._right is not None and not isinstance(self._right, Value):
            with LOCK:
                self._right = constant_of(self, self._right)
        return self._right

    def detach(self) -> Value:
        """Return a new leaf with the same data and label, outside the graph."""
        if STATE.tracing != 0:
            STATE.refuse_if_traced(self, "detach()")
        return Value(self._number, label=self.label or None)

    # ------------------------------------------------------- 1. operations record nodes (the rest are inherited)

    def __add__(self, other: object) -> Value | Any:
        if isinstance(other, Value):
            return record(ADD, self._number + other._number, self, other, None)
        y = plain(other)
        return NotImplemented if y is None else record_beside(ADD, self._number + cast(float, y), self, y)

    def __radd__(self, other: object) -> Value | Any:
        x = plain(other)
        return NotImplemented if x is None else record_beside(ADD, cast(float, x) + self._number, x, self)

    def __sub__(self, other: object) -> Value | Any:
        if isinstance(other, Value):
            return record(SUB, self._number - other._number, self, other, None)
        y = plain(other)
        return NotImplemented if y is None else record_beside(SUB, self._number - cast(float, y), self, y)

    def __rsub__(self, other: object) -> Value | Any:
        x = plain(other)
        return NotImplemented if x is None else record_beside(SUB, cast(float, x) - self._number, x, self)

    def __mul__(self, other: object) -> Value | Any:
        if isinstance(other, Value):
            return record(MUL, self._number * other._number, self, other, None)
        y = plain(other)
        return NotImplemented if y is None else record_beside(MUL, self._number * cast(float, y), self, y)

    def __rmul__(self, other: object) -> Value | Any:
        x = plain(other)
        return NotImplemented if x is None else record_beside(MUL, cast(float, x) * self._number, x, self)

    def __truediv__(self, other: object) -> Value | Any:
        if isinstance(other, Value):
            by = other._number
            if by != 0.0:
                return record(TRUEDIV, self._number / by, self, other, None)
            return record(TRUEDIV, evaluate_binary(TRUEDIV, self, other), self, other, None)
        y = plain(other)
        if y is None:
            return NotImplemented
        divisor = cast(float, y)
        return self._binary(TRUEDIV, y) if divisor == 0.0 else record_beside(TRUEDIV, self._number / divisor, self, y)

    def __rtruediv__(self, other: object) -> Value | Any:
        x = plain(other)
        if x is None:
            return NotImplemented
        if self._number == 0.0:
            return operand(x)._binary(TRUEDIV, self)
        return record_beside(TRUEDIV, cast(float, x) / self._number, x, self)

    def __pow__(self, other: object) -> Value | Any:
        if isinstance(other, Value):
            return record(POW, evaluate_binary(POW, self, other), self, other, None)
        y = _TWO_AS_FLOAT if other is _TWO else plain(other)
        if y is None:
            return NotImplemented
        exponent = cast(float, y)
        if -3.0 <= exponent <= 3.0 and 1e-100 < self._number < 1e100:  # nothing can be wrong
            return record_beside(POW, math.pow(self._number, exponent), self, y)
        return self._binary(POW, y)

    def __rpow__(self, other: object) -> Value | Any:
        x = plain(other)
        return NotImplemented if x is None else operand(x)._binary(POW, self)

    def __neg__(self) -> Value:
        return record(NEG, -self._number, self, None, None)

    def _operand(self, other: object) -> Value | None:
        return other if isinstance(other, Value) else constant(other)

    def _unary(self, code: i16) -> Value:
        return record(code, evaluate_unary(code, self), self, None, None)

    def _binary(self, code: i16, other: object) -> Value:
        b = other if isinstance(other, Value) else operand(other)
        return record(code, evaluate_binary(code, self, b), self, b, None)

    def _nary(self, code: i16, others: tuple[object, ...]) -> Value:
        operands = (self, *[operand(x) for x in others])
        return record(code, evaluate(code, operands), None, None, Details("", operands))

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
        """Add ∂self/∂leaf, times ``seed``, to the ``grad`` of every leaf below; set that of every interior node.

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
            STATE.refuse_if_traced(self, "backward()")
        if gradient is not None or create_graph or inputs is not None:
            seed = seed_of_backward(seed, gradient, create_graph, inputs)
        adjoint = 1.0 if seed is None else to_float(seed)
        if self._code <= CONSTANT:
            self._grad += adjoint
            return
        with LOCK:
            order = fresh_order(self)
            for node in order:
                node._grad = 0.0
            self._grad = adjoint
            propagate(order)

    def forward(self) -> Value:
        """Evaluate the graph below self again, as far as changed leaves reach, and return self.

        The order of the graph is kept with self, 8 bytes a node, so that the next ``forward()`` and ``backward()`` need
        not sort it: three times as fast as recording it again.

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
            STATE.refuse_if_traced(self, "forward()")
        order = known_order(self)
        if not order:
            order = topological_order(self)
            keep_order(self, order)
        STATE.clock += 1  # what is evaluated now is newer than all that used it, even if that is new itself
        evaluate_again(order)
        return self

    def zero_grad(self) -> None:
        """Set ``grad`` to 0 for self and everything below it."""
        for node in topological_order(self, True, False):
            node._grad = 0.0


def plain(number: object) -> object:
    """Give the float of a plain number that meets a Value; None if it is something else."""
    kind: object = type(number)
    if kind is float:  # as it is; the compiler would make another of what it knows to be one
        return number
    if isinstance(number, (float, int)) or is_numpy_scalar(number):
        return to_float(number)
    return None


def constant(number: object) -> Value | None:
    """Make a leaf for a plain number that meets a Value; None if it is something else."""
    found = plain(number)
    return None if found is None else make_node(CONSTANT, cast(float, found), None, None, None)


def constant_of(node: Value, found: object) -> Value:
    """Give the operand of a node that is a Value, or make it of the plain number: as old as the node."""
    if isinstance(found, Value):  # another thread made it
        return found
    made = make_node(CONSTANT, cast(float, found), None, None, None)
    made._stamp = 0 if node._stamp < 0 else node._stamp
    return made


def operand(number: object) -> Value:
    """Give the Value itself, or a constant leaf for a plain number."""
    found = number if isinstance(number, Value) else constant(number)
    if found is None:
        raise TypeError(f"expected a Value or a number, not {type(number).__name__} {number!r}")
    return found


def record(code: i16, data: float, a: Value | None, b: Value | None, details: Details | None) -> Value:
    """Make a new node: the operation's code, its result, its operands (those in ``details`` before a)."""
    if STATE.modes != 0:
        return record_in_mode(code, data, a, b, details)
    return make_node(code, data, a, b, details)


def record_beside(code: i16, data: float, left: object, right: object) -> Value:
    """:func:`record`, of a Value and a plain number, which stays one until somebody asks for the operand."""
    if STATE.modes != 0:
        return record_beside_in_mode(code, data, left, right)
    return make_node(code, data, left, right, None)


def record_beside_in_mode(code: i16, data: float, left: object, right: object) -> Value:
    """:func:`record_beside`, while a mode is active, here or in another thread."""
    if mode_here() == NO_GRAD and STATE.tracing == 0:
        return make_node(LEAF, data, None, None, None)
    return record_in_mode(code, data, operand(left), operand(right), None)


def record_in_mode(code: i16, data: float, a: Value | None, b: Value | None, details: Details | None) -> Value:
    """:func:`record`, while a mode is active, here or in another thread."""
    mode = mode_here()
    if mode == NO_GRAD and STATE.tracing == 0:
        return make_node(LEAF, data, None, None, None)
    if mode == 0:
        return make_node(code, data, a, b, details)
    node: Value = STATE.record(code, data, a, b, details)
    return node


def mode_here() -> i64:
    """Give what holds in this thread and task. (C in the compiled build, as the next.)"""
    mode: i64 = STATE.mode.get()
    return mode


def make_node(code: i16, number: float, left: object, right: object, details: Details | None) -> Value:
    """Make a node of these fields. (In the compiled build setup.py puts C in the place of this function.)"""
    if code <= CONSTANT:
        return Value(number, _code=code)
    return Value(None, None, None, None, code, left, right, details, number)


# ---------------------------------------------------------------------------------------- 2. topological order


def topological_order(root: Value, leaves: bool = False, numbers: bool = True) -> list[Value]:
    """Every interior node below root (itself included), each before all of its operands (Kahn 1962).

    The first walk counts for each node the edges that lead to it. The second takes them back: a node is next when no
    edge leads to it any more. Both go in an order that the graph alone decides, and leave every count at 0.

    Args:
        root: Where to start.
        leaves: Whether leaves are to be part of it; all of them come last.
        numbers: Whether leaves are to be made of plain numbers, too, that were not asked for yet.

    >>> a = Value(1.0)
    >>> b = a + a
    >>> c = b * a
    >>> [node.op for node in topological_order(c)]
    ['mul', 'add']
    """
    if root._code <= CONSTANT:
        return [root] if leaves else []
    counted: i16 = CONSTANT if not leaves else ALL if numbers else ALL_MADE
    with LOCK:
        try:
            _walk(root, 1, 1, counted)
            return _walk(root, -1, 0, counted)
        except BaseException:  # KeyboardInterrupt, between two lines of the interpreted build
            forget_counts(root)
            raise


#: Edges to nodes with a code above this are counted; with the first, leaves are made of plain numbers.
ALL: Final[i16] = -1
ALL_MADE: Final[i16] = -2


def _walk(root: Value, step: i32, arrived: i32, counted: i16) -> list[Value]:
    """Go along each edge below root, and count it by ``step`` at the node that it leads to.

    The way goes on from there when the count is ``arrived``: counting up, with the first edge; down, with the last.
    Counting down, give the nodes in that order.
    """
    order: list[Value] = []
    below: list[Value] = []
    stack: list[Value] = []
    reached: Value | None = root  # the next; all others that were reached are on the stack
    while True:
        if reached is not None:
            node = reached
            reached = None
        elif stack:
            node = stack.pop()
        else:
            break
        if step < 0:
            if node._code <= CONSTANT:
                below.append(node)
                continue
            order.append(node)
        left = node._a if counted == ALL else node._left
        right = node._b if counted == ALL else node._right
        if right is None and node._details is not None:
            parent: Value
            for parent in node._details.first + node._details.second:
                if parent._code > counted:
                    parent._pending += step
                    if parent._pending == arrived:
                        stack.append(parent)
        if isinstance(left, Value) and left._code > counted:
            left._pending += step
            if left._pending == arrived:
                reached = left
        if isinstance(right, Value) and right._code > counted:
            right._pending += step
            if right._pending == arrived:
                if reached is not None:
                    stack.append(reached)
                reached = right
    order.extend(below)
    return order


def fresh_order(root: Value) -> list[Value]:
    """:func:`topological_order` of the interior nodes, as it was kept or sorted now, of a graph that is not stale."""
    order = known_order(root)
    if not order:
        order = topological_order(root)
    check_order(order)
    return order


def check_order(order: list[Value]) -> None:
    """Raise if the graph is stale."""
    now = STATE.clock
    for node in order:
        if node._stamp != now and has_newer_operand(node):
            check_fresh(order)  # raises, and says which


def known_order(root: Value) -> list[Value]:
    """Give the order that ``forward()`` kept with the root; empty if there is none."""
    details = root._details
    if details is None or details.rare is None or details.rare.order is None:
        return []
    order = [root]
    order.extend(details.rare.order.nodes)
    return order


def has_newer_operand(node: Value) -> bool:
    """Whether an operand was changed since the node was evaluated."""
    stamp = node._stamp
    left = node._left
    right = node._right
    if isinstance(left, Value) and left._stamp > stamp:
        return True
    if isinstance(right, Value) and right._stamp > stamp:
        return True
    details = node._details
    if details is not None:
        parent: Value
        for parent in details.first + details.second:
            if parent._stamp > stamp:
                return True
    return False


def evaluate_again(order: list[Value]) -> None:
    """Evaluate, from the operands upwards, each node that has a newer operand."""
    now = STATE.clock
    for node in reversed(order):
        if has_newer_operand(node):
            node._number = number_of(node)
            node._stamp = now
            if STATE.modes != 0 or STATE.narrow:
                STATE.evaluated(node)


def number_of(node: Value) -> float:
    """Give what the operation of a node comes to, for the numbers that its operands have now."""
    code = node._code
    left = node._left
    right = node._right
    if right is not None:
        if code == ADD:
            return number(left) + number(right)
        if code == SUB:
            return number(left) - number(right)
        if code == MUL:
            return number(left) * number(right)
    a = node._a
    if code < DEFINED and a is not None:
        if right is not None:
            b = node._b
            assert b is not None
            return evaluate_binary(code, a, b)
        if code == DOT:
            assert node._details is not None
            return evaluate_dot(node._details, a)
        if UNARY_RULE[code] is not None:
            return -a._number if code == NEG else evaluate_unary(code, a)
    return evaluate(code, node.parents)


def number(operand: object) -> float:
    """Give the number of an operand, or the operand if it is one."""
    return operand._number if isinstance(operand, Value) else cast(float, operand)


# ------------------------------------------------------------------------------------- 3. the backward sweep


def propagate(order: list[Value], wanted: Sequence[Value] | None = None, together: Sequence[Value] = ()) -> None:
    """Sweep, or slowly where a mode, a narrow format or an infinite derivative asks for a look at each node.

    Where the chain rule meets 0·inf, the gradients that it cannot give (of the wanted nodes, or of all) are limits.
    """
    if STATE.singular or STATE.narrow or STATE.modes != 0:
        STATE.sweep_slowly(order, wanted, together)
    else:
        sweep(order)


def sweep(order: list[Value]) -> None:
    """Pass each node's gradient on to its operands: the chain rule, node by node.

    A gradient of exactly 0 passes nothing on, not even 0·inf: what ``where`` did not choose stays without influence.
    (Other zeros than chosen ones are seen to by :func:`propagate`.)
    """
    for node in order:
        g = node._grad
        if g == 0.0:
            continue
        code = node._code
        a = node._left
        b = node._right
        if isinstance(a, Value) and isinstance(b, Value):
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
        elif b is not None:
            pass_on_beside(node, g)
        elif code == DOT:
            pass_on_dot(node._details, node._a, g)
        else:
            rule = UNARY_RULE[code]
            if rule is None or not isinstance(a, Value) or a._code == CONSTANT:
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


def pass_on_beside(node: Value, g: float) -> None:
    """Do the sweep's step at a node of a Value and a plain number."""
    code = node._code
    a = node._left
    b = node._right
    if isinstance(a, Value):
        y = cast(float, b)
        if a._code == CONSTANT:
            return
        if code == MUL:
            a._grad += g * y
        elif code in (ADD, SUB):
            a._grad += g
        elif code == TRUEDIV:
            a._grad += g * (1.0 / y)
        elif a._number > 0.0:
            slope = power_by_base(a._number, y)
            if slope != 0.0:
                a._grad += g * slope
        else:
            pass_on(node, g)
    elif isinstance(b, Value) and b._code != CONSTANT:
        x = cast(float, a)
        if code == MUL:
            b._grad += g * x
        elif code == ADD:
            b._grad += g
        elif code == SUB:
            b._grad -= g
        else:  # a quotient: what is by by 0 was never evaluated
            b._grad += g * (-(x / b._number) / b._number)


def pass_on(node: Value, g: float) -> None:
    """Do the sweep's step at any node, by the rule of its record."""
    parents = node.parents
    partials = local_derivatives(node)
    for i in range(len(parents)):
        partial: float = partials[i]
        if partial != 0.0 and parents[i]._code != CONSTANT:
            parents[i]._grad += g * partial
