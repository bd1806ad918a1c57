"""The short way of ``grad`` and ``value_and_grad``: by plain numbers, alone or in lists and tuples.

It does what :mod:`tinygrad_lite.transforms` does for arguments of any structure, for those that most calls have:
nothing is flattened, and no mode is entered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final

from tinygrad_lite.adjoints import adjoints_as_floats, adjoints_as_values, as_values
from tinygrad_lite.node.codes import LEAF
from tinygrad_lite.node.fields import to_float
from tinygrad_lite.node.protocols import explained
from tinygrad_lite.node.state import STATE
from tinygrad_lite.pytree.registry import parts_below
from tinygrad_lite.value import Value, make_node, topological_order

#: The calls of functions that are being differentiated, outermost first: each has ``inputs``.
active: Final[ContextVar[tuple[Any, ...]]] = ContextVar("active", default=())


class ShortCall:
    """What a transform within the function is to know of the call: the nodes that it is differentiated by."""

    __slots__ = ("inputs",)

    def __init__(self) -> None:
        self.inputs: list[Value] = []


def short_positions(argnums: object) -> list[int]:
    """Which arguments the short way is to differentiate by; none where ``argnums`` is for the long way to read.

    >>> short_positions(1), short_positions((0, 2)), short_positions(-1)
    ([1], [0, 2], [])
    """
    given: list[Any] = list(argnums) if isinstance(argnums, (tuple, list)) else [argnums]
    if all(type(position) is int and position >= 0 for position in given) and len(set(given)) == len(given):
        return given
    return []


def inputs_of(argument: object) -> list[Value]:
    """Make a node for each number of an argument; none where the argument is for the long way.

    >>> inputs_of((1.0, 2)), inputs_of([]), inputs_of([1.0, [2.0]])
    ([Value(data=1.0, grad=0.0), Value(data=2.0, grad=0.0)], [], [])
    """
    kind = type(argument)
    if kind is float or kind is int:
        return [make_node(LEAF, to_float(argument), None, None, None)]
    found: list[Value] = []
    if kind is list or kind is tuple:
        numbers: Any = argument
        for number in numbers:
            if type(number) is not float and type(number) is not int:
                return []
            found.append(make_node(LEAF, to_float(number), None, None, None))
    return found


def differentiate(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], positions: list[int], as_scalar: Any
) -> tuple[Any, list[Any]] | None:
    """Return f and, for each position, its derivative in the argument's structure; None for a call of the long way.

    Args:
        f: The function.
        args: Its positional arguments.
        kwargs: The others.
        positions: Of :func:`short_positions`.
        as_scalar: Makes a Value of what f gives, if that is none.
    """
    if not positions or STATE.modes != 0 or STATE.tracing != 0:
        return None
    call = ShortCall()
    passed = list(args)
    sizes: list[int] = []
    for position in positions:
        if position >= len(passed):
            return None
        nodes = inputs_of(passed[position])
        if not nodes:
            return None
        sizes.append(len(nodes))
        call.inputs.extend(nodes)
        kind = type(passed[position])
        passed[position] = nodes if kind is list else tuple(nodes) if kind is tuple else nodes[0]
    enclosing = active.get()
    output = called(f, passed, kwargs, (*enclosing, call))
    scalar: Value = output if isinstance(output, Value) else as_scalar(output, f)
    value: Any = scalar
    if enclosing and depends_on(scalar, enclosing):
        row: list[Any] = as_values(adjoints_as_values(scalar, call.inputs))
    else:
        row = list(adjoints_as_floats(scalar, call.inputs))
        value = scalar._number
    derivatives: list[Any] = []
    start = 0
    for i in range(len(positions)):
        kind = type(args[positions[i]])
        part = row[start : start + sizes[i]]
        start += sizes[i]
        derivatives.append(part if kind is list else tuple(part) if kind is tuple else part[0])
    return value, derivatives


def called(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], calls: tuple[Any, ...]) -> Any:
    """Call a function that is differentiated, and tell what to write where a library cannot do with Values."""
    token = active.set(calls)
    try:
        return f(args[0]) if len(args) == 1 and not kwargs else f(*args, **kwargs)
    except (TypeError, AttributeError) as error:
        told = explained(error)
        if told is error:
            raise
        raise told from error
    finally:
        active.reset(token)


def depends_on(output: Any, calls: tuple[Any, ...]) -> bool:
    """Whether f uses what a call around it is differentiated by."""
    outer = {id(x) for call in calls for x in call.inputs}
    for root in values_in(output):
        for node in topological_order(root, True, False):
            if id(node) in outer:
                return True
    return False


def values_in(output: Any) -> list[Value]:
    """Return the Values in a structure."""
    return [x for x in parts_below(output) if isinstance(x, Value)]
