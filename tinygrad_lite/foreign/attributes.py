"""What a Value is asked for by programs for other libraries: attributes of one's own, and refusals.

A Value takes any attribute: ``v.color = "red"``. In the interpreted build it lies in the node's ``__dict__``. A node of
the compiled build has none: a name that is set for the first time becomes a descriptor of the class, and what it holds
lies in the node's ``Rare``. A node that has no attribute of its own is no larger and no slower. Compiled nodes are not
walked by the cyclic garbage collector: one whose attribute leads back to it, by whatever way, is never freed.

Names that mean something here under another name are refused with that name, whatever else they could hold: a gradient
that is cleared by ``v.gard = 0`` would add up without a word. So are nodes by hand that this engine does not have.
Names of theirs that are read as they are there, ``_prev`` say, give what their authors meant.
"""

from __future__ import annotations

import math
from typing import Any, Final, NoReturn

from tinygrad_lite.dispatch import nary
from tinygrad_lite.node.fields import Node
from tinygrad_lite.node.freshness import check_fresh
from tinygrad_lite.node.state import LOCK, STATE
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import BY_CODE, TABLE
from tinygrad_lite.value import Value, operand, propagate

#: Whether nodes have no ``__dict__``.
COMPILED: Final = not hasattr(Value(0.0), "__dict__")

_DEFINE: Final = (
    "An operation of your own is made by define(name, forward, partials), and takes part in everything: derivatives of "
    "any order, pictures, tests, lift."
)
_GRAD: Final = "the gradient of a Value is v.grad; to clear it write v.grad = 0.0"
_DATA: Final = "the number of a Value is v.data"
_LABEL: Final = "the name of a Value is v.label"
_FROZEN: Final = "write v.requires_grad = False"
_COMPUTED: Final = "it is what the operation was given. Compute a new node from other operands"

#: Names that a Value does not have, because what they mean is here under another name: neither read nor set.
MEANT: Final[dict[str, str]] = {
    **dict.fromkeys(("gard", "grd", "Grad", "grad_", "gradient"), _GRAD),
    **dict.fromkeys(("dta", "Data", "data_", "value", "val"), _DATA),
    **dict.fromkeys(("lable", "lbel", "Label"), _LABEL),
    **dict.fromkeys(("requires_gard", "require_grad", "requiresgrad", "requires_gradient", "trainable"), _FROZEN),
    "topo": (
        "topological_order(v, leaves=True) has v first and each node before its operands; its reversed() has the "
        "leaves first, as the lists called topo have"
    ),
    "build_topo": "topological_order(v, leaves=True), reversed, is the list that build_topo makes",
    "softmax": (
        "softmax(vs) gives all of them, as a list; that of v among vs is v.exp() / sum(x.exp() for x in vs), or "
        "(v - logsumexp(vs)).exp(), which cannot overflow"
    ),
}

#: Names that are read, and what to write where they are set.
READ: Final[dict[str, str]] = {
    "_backward": f"the derivative of a node is the rule of its operation, not a closure. {_DEFINE}",
    "_children": _COMPUTED,
    "_local_grads": f"the derivative of a node is the rule of its operation. {_DEFINE}",
    "_op": _COMPUTED,
    "_prev": _COMPUTED,
    "is_constant": "write v.requires_grad = False, which makes a leaf a constant",
    "is_leaf": "a leaf with the same number is v.detach()",
    "op": _COMPUTED,
    "parents": _COMPUTED,
    "partials": f"the derivative of a node is the rule of its operation. {_DEFINE}",
    "precision": "it is that of the autocast block in which the node was recorded",
    "requires_grad_": "write v.requires_grad = False, or v.requires_grad_(False)",
}


def _refused(name: str, remedy: str, before: Any = None) -> property:
    """Return an attribute that is not set, and read only if it was there before."""

    def get(node: Value) -> NoReturn:
        raise AttributeError(f"a Value has no {name!r}: {remedy}", name=name, obj=node)

    def set_(node: Value, attribute: object) -> NoReturn:
        raise AttributeError(f"cannot set {name!r} of a Value: {remedy}", name=name, obj=node)

    def delete(node: Value) -> NoReturn:
        raise AttributeError(f"cannot delete {name!r} of a Value", name=name, obj=node)

    read = get if before is None else getattr(before, "fget", before.__get__)
    return property(read, set_, delete, before.__doc__ if before is not None else f"Refused: {remedy}.")


class _Own:
    """An attribute that some node has of its own, in the compiled build."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, node: Value | None, owner: type | None = None) -> Any:
        found = None if node is None else _held(node)
        if found is None or self.name not in found:
            raise AttributeError(f"'Value' object has no attribute {self.name!r}", name=self.name, obj=node)
        return found[self.name]

    def __set__(self, node: Value, attribute: object) -> None:
        rare = node.rare()
        if rare.own is None:
            rare.own = {}
        rare.own[self.name] = attribute

    def __delete__(self, node: Value) -> None:
        self.__get__(node)  # which refuses what is not there
        (_held(node) or {}).pop(self.name)


def _held(node: Value) -> dict[str, Any] | None:
    details = node._details
    return None if details is None or details.rare is None else details.rare.own


def add(name: str) -> None:
    """Make a name an attribute that nodes of the compiled build may have.

    Args:
        name: Of the attribute.

    Raises:
        AttributeError: It is one of the names by which Python asks for what a class can do.
    """
    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(f"a Value takes attributes of your own, but not {name!r}, which has a meaning in Python")
    setattr(Value, name, _Own(name))


def own(node: Value) -> dict[str, Any]:
    """Return the attributes of the user's own that a node has.

    Args:
        node: The node.

    Returns:
        A dict, to be read.

    >>> v = Value(1.0)
    >>> v.color = "red"
    >>> own(v)
    {'color': 'red'}
    """
    return (_held(node) or {}) if COMPILED else vars(node)


def set_own(node: Value, attributes: dict[str, Any]) -> None:
    """Give a node attributes of the user's own, as a copy or a pickle has kept them.

    Args:
        node: The node.
        attributes: By name.

    >>> v = Value(1.0)
    >>> set_own(v, {"color": "red"})
    >>> v.color
    'red'
    """
    for name, attribute in attributes.items():
        setattr(node, name, attribute)


# ------------------------------------------------------------------------------------------- nodes made by hand


def initialise(node: Value, children: object, op: object) -> None:
    """Make a leaf the node that ``Value(data, children, op)`` asks for, as micrograd and its lecture make nodes.

    Args:
        node: What is being made: a leaf with its number.
        children: The operands; or a label.
        op: The name or the sign of the operation.

    Raises:
        TypeError: A node was asked for that no operation makes.
        ValueError: The operation gives another number.

    >>> x, y = Value(3.0), Value(1.0)
    >>> Value(4.0, (x, y), "+").parents == (x, y)
    True
    """
    if children is not None and not isinstance(children, (tuple, list, set, frozenset)):
        node.set_label(children)  # which refuses what is no str
        children = None
    if not children and not op:
        return
    if not children:
        _refuse(f"Value({node._number!r}, _op={op!r}) has an operation and no operands", "A name is given as label=.")
    made = _computed(node._number, children, op)
    node._number = made._number
    if not made.is_leaf:  # as it is inside of no_grad()
        label = node.label
        node._code, node._left, node._right, node._details = made._code, made._left, made._right, made._details
        if label:
            node.label = label


def _computed(data: float, children: Any, op: object) -> Value:
    written = f"Value({data!r}, {children!r}, {op!r})"
    if not op:
        _refuse(f"{written} has operands and no operation", f"Write the operation itself, x + y. {_DEFINE}")
    if not isinstance(op, str):
        _refuse(f"{written} gives local derivatives by hand", _DEFINE)
    if isinstance(children, (set, frozenset)):
        _refuse(f"{written} has its operands in no order", "Give them as a tuple.")
    operands = tuple([operand(child) for child in children])
    if op.startswith("**") and len(operands) == 1 and op != "**":  # as micrograd writes x**3
        op, operands = "**", (*operands, operand(float(op[2:])))
    record = _find(op, len(operands)) or _find(op.lower(), len(operands))
    if record is None:
        _refuse(f"{written}: no operation on {len(operands)} operands is written {op!r}", _DEFINE)
    if record.arity == 1:
        made = operands[0]._unary(record.code)
    elif record.arity == 2:
        made = operands[0]._binary(record.code, operands[1])
    else:
        made = nary(record.code, operands)
    if not math.isclose(made._number, data, rel_tol=1e-12) and not math.isnan(data):
        raise ValueError(
            f"{written} is not what {op!r} gives of these operands, which is {made._number!r}. Leave the number to "
            f"the operation: write x + y in the place of Value(x.data + y.data, (x, y), '+'). {_DEFINE}"
        )
    return made


def _find(written: str, arity: int) -> Op | None:
    """Return the operation of the table that is so written or named, on so many operands."""
    for op in TABLE.values():
        takes = op.arity == arity or (op.arity == NARY and op.operands == ("xs",))
        if op.public and takes and written in (op.symbol, op.name):
            return op
    return None


def _refuse(what: str, remedy: str) -> NoReturn:
    raise TypeError(f"{what}: a node of this engine is made by an operation. {remedy}")


def _refuse_subclass(cls: type, /, **options: object) -> NoReturn:
    raise TypeError(
        f"class {cls.__name__}(Value): a Value cannot be subclassed, as operations give Values and no "
        f"{cls.__name__}. Attributes of your own need no class (v.velocity = 0.0), a method is added by "
        "Value.name = function, an operation by define(...), and a class may hold a Value."
    )


def _listed(node: Value) -> list[str]:
    """Return what ``dir(v)`` lists, and completion offers: not what is refused."""
    return sorted(({*dir(Value), *own(node)}) - set(MEANT))


# ------------------------------------------------------------------------------- names of micrograd and microgpt


def _written(node: Value) -> str:
    """How the operation that made it is written, as in micrograd: ``"+"``; ``""`` for a leaf."""
    record = BY_CODE[node._code]
    return "" if record is None else record.symbol


def _set_of_operands(node: Value) -> set[Value]:
    """Return the operands, as a set, as in micrograd."""
    return set(node.parents)


def _step_back(node: Value) -> None:
    """One step of the sweep, as in micrograd: adds to the operands' gradients what this node passes on.

    >>> x = Value(3.0)
    >>> y = x * x
    >>> y.grad = 1.0
    >>> y._backward()
    >>> x.grad
    6.0
    """
    if STATE.tracing != 0:
        STATE.refuse_if_traced(node, "backward()")
    if not node.is_leaf:
        with LOCK:
            check_fresh([node])
            propagate([node])


#: What is read where the name is another library's.
THEIRS: Final[dict[str, Any]] = {
    "_backward": _step_back,
    "_children": Value.parents,
    "_local_grads": Value.partials,
    "_op": property(_written),
    "_prev": property(_set_of_operands),
}


def _asked_by_masked_arrays(node: Value) -> Any:
    """For ``numpy.ma`` alone: an array that holds the Value."""
    from tinygrad_lite.foreign import masked

    return masked.asked_by_numpy(node)


def _install() -> None:
    for name, remedy in MEANT.items():
        setattr(Value, name, _refused(name, remedy))
    for name, remedy in READ.items():
        before = THEIRS[name] if name in THEIRS else getattr(Value, name)
        setattr(Value, name, _refused(name, remedy, before))
    changes: dict[str, Any] = {
        "_data": property(_asked_by_masked_arrays),
        "__dir__": _listed,
        "__init_subclass__": classmethod(_refuse_subclass),
        "__setstate__": set_own,  # mypyc has one, for attributes that it knows
    }
    if COMPILED:  # pragma: no cover (compiled only)
        changes["__setattr__"] = vars(Node)["_assign"]
    for name, change in changes.items():
        setattr(Value, name, change)
    STATE.initialise = initialise
    STATE.add_attribute = add


_install()
