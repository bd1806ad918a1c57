"""The graph at the moment at which recording it raised."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tinygrad_lite.node.fields import Details
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import DEFINED, TABLE
from tinygrad_lite.value import Value, topological_order
from tinygrad_lite.viz.output.draw import draw_node
from tinygrad_lite.viz.reading.names import find_names

if TYPE_CHECKING:
    from graphviz import Digraph

#: How the engine begins the message of an operation that raised: the operation, and what it was applied to.
_CALL: Final = re.compile(r"(?P<operation>\w+)\((?=Value\()")
_STRING: Final = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_OPERAND: Final = re.compile(
    rf"(?P<repr>Value\(data=(?P<data>[^,()]+), grad=(?P<grad>[^,()]+)(?:, label=(?P<label>{_STRING}))?\))(?P<more>, )?"
)


class _Call(NamedTuple):
    operation: Op
    #: the reprs of the operands that the message has
    operands: list[re.Match[str]]
    #: what the operation on floats raised
    reason: str


def draw_error(error: BaseException, **options: Any) -> Digraph:
    """Return the graph that an operation was recorded onto when it raised, with that operation marked.

    The exception says which operation it was, and what its operands were. They are found among the Values that the
    variables of the functions in its traceback lead to, innermost function first. An operand that no variable leads to,
    such as ``a - b`` in ``log(a - b)``, is drawn from its repr alone, dashed, for its graph is gone.

    Args:
        error: What was caught: the exception of an operation on Values, or one that was raised from it.
        options: Those of :func:`tinygrad_lite.viz.draw`. If ``names`` is not given, they are the variables of the
            function that applied the operation.

    Returns:
        The picture, as of :func:`tinygrad_lite.viz.draw`.

    Raises:
        TypeError: It is no exception.
        ValueError: No operation on Values raised it.

    >>> from tinygrad_lite import log
    >>> x = Value(-1.0, label="x")
    >>> try:
    ...     log(2.0 * x)
    ... except ValueError as error:
    ...     print("math domain error" in draw_error(error).source)
    True
    """
    if not isinstance(error, BaseException):
        raise TypeError(f"draw_error takes the exception that was caught, not {type(error).__name__} {error!r:.80}")
    origin, call = _origin(error)
    frames = list(_variables(origin.__traceback__))
    stand_ins: dict[int, Value] = {}
    operands = _attached(origin) or _found(call, frames, stand_ins)
    options.setdefault("names", next((frame for frame in frames if _has_values(frame)), None))
    node = _unevaluated(call.operation, operands)
    return draw_node(node, f"{type(origin).__name__}: {call.reason}", lost=frozenset(stand_ins), **options)


#: The names of the engine's modules.
_ENGINE = re.compile(r"tinygrad_lite\.((foreign|limits|node|operations|pytree)\.)?[a-z_]+")


def _origin(error: BaseException) -> tuple[BaseException, _Call]:
    """Return the exception of the operation, which may have been wrapped in others."""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        call = _parsed(str(current))
        if call is not None:
            return current, call
        current = current.__cause__ or current.__context__
    raise ValueError(
        f"no operation on Values raised {error!r:.200}: draw_error draws what log, / and the like raise. "
        "For another error draw a node that was recorded before it."
    )


def _parsed(message: str) -> _Call | None:
    call = _CALL.match(message)
    operation = None if call is None else TABLE.get(call["operation"]) or DEFINED.get(call["operation"])
    if call is None or operation is None:
        return None
    operands = []
    position = call.end()
    while (operand := _OPERAND.match(message, position)) is not None:
        operands.append(operand)
        position = operand.end()
        if not operand["more"]:
            break
    reason = message[position:].lstrip(".,) :").split(". ")[0]
    return _Call(operation, operands, reason)


def _attached(error: BaseException) -> list[Value]:
    """Return the operands, if the engine put them on the exception."""
    operands = getattr(error, "operands", ())
    return list(operands) if all(isinstance(operand, Value) for operand in operands) else []


def _variables(traceback: TracebackType | None) -> Iterator[Mapping[str, Any]]:
    """Yield the variables of each function in a traceback, the innermost first.

    Not those of the engine's functions: compiled ones show none, and interpreted ones would, of what nobody else holds.
    """
    frames = []
    while traceback is not None:
        if not _ENGINE.fullmatch(traceback.tb_frame.f_globals.get("__name__") or ""):
            frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    for frame in reversed(frames):
        yield dict(frame.f_locals)


def _has_values(variables: Mapping[str, Any]) -> bool:
    return bool(find_names(variables).values)


def _found(call: _Call, frames: list[Mapping[str, Any]], stand_ins: dict[int, Value]) -> list[Value]:
    """For each operand in the message the Value that it is the repr of; where none is found, a stand-in."""
    wanted = {match["repr"] for match in call.operands}
    known: dict[str, Value] = {}
    for variables in frames:
        nodes = find_names(variables).nodes
        for node in nodes.values():  # variables first, then what is below them
            if repr(node) in wanted:
                known.setdefault(repr(node), node)
        below: dict[int, Value] = {}
        for node in nodes.values():
            if id(node) not in below:
                below.update((id(inner), inner) for inner in topological_order(node, leaves=True))
        for node in below.values():
            if repr(node) in wanted:
                known.setdefault(repr(node), node)
        if len(known) == len(wanted):
            break
    return [known[match["repr"]] if match["repr"] in known else _stand_in(match, stand_ins) for match in call.operands]


def _stand_in(match: re.Match[str], stand_ins: dict[int, Value]) -> Value:
    node = Value(float(match["data"]), ast.literal_eval(match["label"]) if match["label"] else None)
    node.grad = float(match["grad"])
    stand_ins[id(node)] = node
    return node


def _unevaluated(operation: Op, operands: list[Value]) -> Value:
    """Return a node that was never evaluated; its number is nan."""
    if operation.arity == NARY or len(operands) > 2:
        return Value(None, _code=operation.code, _details=Details("", tuple(operands)), _result=math.nan)
    first, second = (*operands, None, None)[:2]
    return Value(None, _code=operation.code, _a=first, _b=second, _result=math.nan)
