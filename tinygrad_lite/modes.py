"""Modes: what changes how operations are recorded while a ``with`` block runs.

While no mode is active anywhere, the engine reads one counter and goes on; these functions run only inside. Which modes
hold is kept in context variables, so each thread and each async task has its own.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, TypeVar

from tinygrad_lite import value
from tinygrad_lite.errors import AnomalyError, TraceError
from tinygrad_lite.value import STATE, Details, Value

_F = TypeVar("_F", bound=Callable[..., Any])

_recording: Final[ContextVar[bool]] = ContextVar("recording", default=True)
_watching: Final[ContextVar[bool]] = ContextVar("watching", default=False)
#: What rounds results to the format of ``autocast``; None outside of it.
_dtype: Final[ContextVar[Any]] = ContextVar("dtype", default=None)


class Demand(NamedTuple):
    """What a function demands of a number that it takes, where it raises for any other: it lies in a closed interval.

    >>> demand = Demand("target", "is {}, and a class index is a whole number from 0 to 2", 0, 2, 1)
    >>> demand.admits(2.0), demand.admits(1.5), demand.message(3.0, "[4]")
    (True, False, 'target[4] is 3, and a class index is a whole number from 0 to 2')
    """

    #: What messages call it.
    what: str
    #: The rest of the message, with {} for the number.
    said: str
    low: float
    high: float
    #: If not 0, then only low, low + step, low + 2 step ... are meant.
    step: float = 0.0
    #: ``"ValueError"``; ``"IndexError"``, where a number that is no index at all is a TypeError; ``"index_of"``, as
    #: that function raises.
    error: str = "ValueError"
    #: A number that the function does take, but treats in a way of its own, which is another graph.
    other: float = math.nan

    def admits(self, number: float) -> bool:
        """Whether the number is as demanded; NaN never is."""
        return self.low <= number <= self.high and (not self.step or (number - self.low) % self.step == 0.0)

    def message(self, number: float, place: str = "") -> str:
        """What to say of one that is not."""
        return f"{self.what}{place} {self.said.replace('{}', repr(float(number)).removesuffix('.0'))}"


class Trace(NamedTuple):
    """What ``lift`` is tracing."""

    #: by id; those of enclosing traces too
    inputs: dict[int, Value]
    refusals: list[TraceError]
    #: what the function demands of numbers that are not known yet; those of enclosing traces too
    demands: list[tuple[Value, Demand]]
    #: leaves that are older are inputs too: the function closes over them
    since: int = 0


#: None outside of ``tracing``.
_trace: Final[ContextVar[Trace | None]] = ContextVar("trace", default=None)

#: Modules whose frames no user wrote.
_OTHERS: Final = frozenset({"tinygrad_lite", "numpy", *sys.stdlib_module_names})


class _Mode(ContextDecorator):
    """A ``with`` block, or a decorator, in which a context variable has another value."""

    variable: ContextVar[Any]
    inside: Any

    def __init__(self) -> None:
        self._before: list[Any] = []

    def _recreate_cm(self) -> _Mode:
        return type(self)()  # as a decorator: one for each call, as calls of several threads overlap

    def __call__(self, function: _F) -> _F:
        import inspect

        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError(
                f"{type(self).__name__}() decorates a plain function; {function.__name__} runs in pieces, and would "
                f"leave the block before its first one. Write `with {type(self).__name__}():` inside it."
            )
        return super().__call__(function)

    def __enter__(self) -> None:
        self._before.append(self.variable.get())
        self.variable.set(self.inside)
        self._count(1)

    def __exit__(self, *exception: object) -> None:
        self._count(-1)
        self.variable.set(self._before.pop())

    def _count(self, change: int) -> None:
        """Tells the engine that one more mode, or one less, is active."""
        STATE.modes += change


class autocast(_Mode):  # noqa: N801 (PyTorch's name)
    """Inside, operations compute in a narrower format: their operands and results are rounded to it.

    A leaf that the format cannot hold exactly (a parameter, which stays as it is: the master copy) enters by a node
    ``+leaf`` that holds the rounded number, one for each leaf. A node of many operands, such as ``dot``, is rounded
    once, as hardware does that adds up in a wider format. ``backward()`` rounds each node's gradient, once it is added
    up, to the format in which the node was recorded, inside of the block or after it; gradients of leaves are not
    rounded. Numbers beyond the format's range are inf. Also a decorator. It shows what mixed precision does; it is not
    faster.

    Compute the loss from the model's outputs after the block, as PyTorch's losses do by themselves.

    Args:
        dtype: ``"bfloat16"``, ``"float16"``, ``"float32"``, or ``"float64"`` for a part that is to be left alone.

    Raises:
        ValueError: There is no such format.
        ImportError: For ``"bfloat16"``: ml_dtypes is not installed.

    Reference: Micikevicius et al. 2018, "Mixed precision training".

    >>> import tinygrad_lite as tg
    >>> w = tg.Value(0.1, label="w")
    >>> with tg.autocast("float16"):
    ...     y = w * 3.0
    >>> y.data, y.precision, w.data
    (0.2998046875, 'float16', 0.1)
    >>> y.backward()
    >>> w.grad
    3.0
    """

    variable = _dtype

    def __init__(self, dtype: str) -> None:
        from tinygrad_lite import narrow_formats

        super().__init__()
        self.dtype = narrow_formats.checked(dtype)
        self.inside = narrow_formats.Cast(self.dtype) if self.dtype != "float64" else None

    def _recreate_cm(self) -> autocast:
        return autocast(self.dtype)

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        if self.inside is not None and not self._before:
            self.inside.forget()


class no_grad(_Mode):  # noqa: N801 (PyTorch's name)
    """Inside, operations compute their numbers and record nothing: every result is a leaf.

    Also a decorator.

    >>> import tinygrad_lite as tg
    >>> x = tg.Value(2.0)
    >>> with tg.no_grad():
    ...     y = x * x
    >>> y.data, y.parents
    (4.0, ())
    """

    variable = _recording
    inside = False


class recording(_Mode):  # noqa: N801 (as the other two)
    """Inside, operations are recorded, whatever is around: a transform is asked for a derivative, not for a graph."""

    variable = _recording
    inside = True

    def __enter__(self) -> None:
        if is_recording():  # a mode that changes nothing would make the engine look at modes for every node
            self._before.append(None)
        else:
            super().__enter__()

    def __exit__(self, *exception: object) -> None:
        if self._before[-1] is None:
            self._before.pop()
        else:
            super().__exit__(*exception)


class detect_anomaly(_Mode):  # noqa: N801 (PyTorch's name)
    """Inside, the first operation or backward step that makes a NaN or an infinity out of finite numbers raises.

    The message names the node, its operands and the line of yours that recorded it. Also a decorator. It costs a look
    at the call stack for each node: for finding an error, not for training.

    Raises:
        AnomalyError: At that operation, or at that step of ``backward()``; gradients are then as before it.

    >>> import tinygrad_lite as tg
    >>> x = tg.Value(0.0, label="x")
    >>> with tg.detect_anomaly():
    ...     tg.sqrt(x).backward()
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.AnomalyError: ...
    """

    variable = _watching
    inside = True


class tracing(_Mode):  # noqa: N801 (as the other ones)
    """Inside, nothing takes a number of the inputs out of the graph: what would raises TraceError.

    That is every comparison, ``bool``, ``.data``, ``.item()``, ``float`` and so on of a Value that depends on an input,
    as the graph that is recorded has to be right for all numbers of the inputs. Other Values are as always. An error
    that the function caught, or that became another one, is raised at the end of the block. Recording takes no longer.

    Args:
        inputs: The nodes that stand for the inputs.
        since: A time on the engine's clock: leaves that are older count as inputs too.

    Raises:
        TraceError: At what is refused.

    >>> x = Value(2.0, label="x")
    >>> with tracing([x]):
    ...     y = x if x > 0.0 else -x
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.TraceError: ...
    >>> with tracing([x]):
    ...     y = x.greater(0.0).where(x, -x)
    """

    variable = _trace

    def __init__(self, inputs: Sequence[Value], since: int = 0) -> None:
        super().__init__()
        self._inputs = tuple(inputs)
        self._since = since

    def _recreate_cm(self) -> tracing:
        return tracing(self._inputs, self._since)

    def __enter__(self) -> None:
        outer = _trace.get()
        own = {id(x): x for x in self._inputs}
        since = self._since if outer is None else max(self._since, outer.since)
        demands: list[tuple[Value, Demand]] = [] if outer is None else outer.demands
        self.inside = Trace(own if outer is None else {**outer.inputs, **own}, [], demands, since)
        super().__enter__()

    def __exit__(self, *exception: object) -> None:
        trace = _trace.get()
        assert trace is not None
        super().__exit__(*exception)
        error = exception[1]
        if trace.refusals and (error is None or isinstance(error, Exception)):
            raise trace.refusals[0]

    def _count(self, change: int) -> None:
        STATE.tracing += change


def active_trace() -> Trace | None:
    """What is being traced here."""
    return _trace.get() if STATE.tracing != 0 else None


def is_tracing() -> bool:
    """Whether ``lift`` is tracing a function here: the numbers that Values hold are then examples, and nothing else.

    >>> is_tracing()
    False
    """
    return active_trace() is not None


def is_traced(node: object) -> bool:
    """Whether it is a Value that depends on the inputs of what ``lift`` is tracing here.

    Found by a walk over the graph below it, which ends at the first input.

    >>> x = Value(2.0)
    >>> with tracing([x]):
    ...     is_traced(x * 3.0), is_traced(Value(3.0))
    (True, False)
    """
    trace = active_trace()
    if trace is None or not isinstance(node, Value):
        return False
    if node.is_leaf:
        return id(node) in trace.inputs or node._stamp < trace.since
    stack = [node]
    seen = {id(node)}
    while stack:
        reached = stack.pop()
        if id(reached) in trace.inputs or (reached._stamp < trace.since and reached.is_leaf):
            return True
        for parent in reached.parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                stack.append(parent)
    return False


def demanded(node: object, demand: Demand) -> bool:
    """Whether its number is not known yet, as ``lift`` is tracing: what is demanded of it is checked in each call then.

    >>> x, demand = Value(2.0), Demand("x", "is {}, and should be positive", 0.0, math.inf)
    >>> with tracing([x]):
    ...     demanded(x, demand), demanded(Value(3.0), demand)
    (True, False)
    """
    if not is_traced(node):
        return False
    trace = active_trace()
    assert trace is not None
    assert isinstance(node, Value)
    trace.demands.append((node, demand))
    return True


def is_recording() -> bool:
    """Whether operations are recorded here: False inside ``no_grad()``.

    >>> is_recording()
    True
    """
    return STATE.modes == 0 or _recording.get()


def watching() -> bool:
    """Whether ``detect_anomaly()`` is active here."""
    return _watching.get()


def record(code: int, data: float, a: Value | None, b: Value | None, details: Details | None) -> Value:
    """What the engine's ``record`` does while a mode is active."""
    cast = _dtype.get()
    if STATE.tracing != 0 and (cast is not None or not _recording.get()):
        _refuse_to_record("no_grad()" if cast is None else "autocast()", a, b, details)
    if cast is not None:
        data, a, b, details = cast.record(code, data, a, b, details)
    if not _recording.get():
        return Value(data)
    if not _watching.get():
        return _node(code, data, a, b, details)
    node = _node(code, data, a, b, details)
    node.rare().line = users_line()
    look_at(node)
    return node


def _refuse_to_record(mode: str, a: Value | None, b: Value | None, details: Details | None) -> None:
    """Raises if an operand is traced: what the mode makes of it is not in the lifted program."""
    from tinygrad_lite import trace_errors

    operands = () if details is None else details.first + details.second
    for operand in (*operands, a, b):
        if operand is not None:
            trace_errors.refuse_if_traced(operand, mode)


def evaluated(node: Value) -> None:
    """What ``forward()`` does after it has evaluated a node, while a mode is active or there are narrow nodes."""
    dtype = value.dtype_of(node)
    if dtype:
        from tinygrad_lite import narrow_formats

        node._number = narrow_formats.rounded(node._number, dtype)
    look_at(node)


def look_at(node: Value) -> None:
    """Raises, under ``detect_anomaly()``, if the node's number is a NaN or an infinity out of finite numbers."""
    if not _watching.get():
        return
    data = node._number
    if not math.isfinite(data) and all(math.isfinite(parent._number) for parent in node.parents):
        raise AnomalyError(
            f"{node.op} made {data} out of finite numbers: {_operands(node)}, at {line_of(node)}. "
            "Keep the operands within the range of the operation (clamp, maximum), or compute in logarithms."
        )


def _node(code: int, data: float, a: Value | None, b: Value | None, details: Details | None) -> Value:
    node = Value(None, _code=code, _a=a, _b=b, _details=details)
    node._number = data
    return node


def sweep_slowly(order: list[Value]) -> bool:
    """The backward sweep under ``detect_anomaly()`` or over narrow nodes; False, and nothing done, if it is neither."""
    if watching():
        _sweep_watched(order)
        return True
    if not any(value.dtype_of(node) for node in order):
        return False
    for node in order:
        _pass_on(node)
    return True


def _pass_on(node: Value) -> None:
    """The sweep's step at one node, whose gradient is first rounded to its format."""
    dtype = value.dtype_of(node)
    if dtype:
        from tinygrad_lite import narrow_formats

        node._grad = narrow_formats.rounded(node._grad, dtype)
    value.sweep([node])


def _sweep_watched(order: list[Value]) -> None:
    """The backward sweep, node by node with a look at what each passes on."""
    leaves = [parent for node in order for parent in node.parents if parent.is_leaf]
    before = [leaf.grad for leaf in leaves]
    for node in order:
        adjoint = node.grad
        known = [math.isfinite(parent.grad) for parent in node.parents]
        _pass_on(node)
        message = ""
        if math.isfinite(adjoint) and not math.isfinite(node.grad):
            message = f"the gradient {adjoint} of {node!r} is beyond the range of {node.precision}, "
            message += f"recorded at {line_of(node)}. "
            message += "Scale the loss down (GradScaler does), or use bfloat16."
        for parent, was_finite in zip(node.parents, known, strict=True):
            if was_finite and not math.isfinite(parent.grad) and math.isfinite(node.grad):
                message = (
                    f"the backward step of {node.op} made the gradient {parent.grad} of {parent!r} out of finite "
                    f"numbers: local derivatives {node.partials}, gradient of its result {node.grad}, operands "
                    f"{_operands(node)}, recorded at {line_of(node)}. "
                    "Keep the operand away from the edge of the operation's domain, or clip before it."
                )
        if message:
            for leaf, grad in zip(leaves, before, strict=True):
                leaf.grad = grad
            raise AnomalyError(message)


def _operands(node: Value) -> str:
    parents = node.parents
    return ", ".join(repr(parent) for parent in parents[:4]) + (", ..." if len(parents) > 4 else "")


def line_of(node: Value) -> str:
    """Where the node was recorded."""
    line = value.line_of(node)
    return line or "a line before detect_anomaly() (record the graph inside it to have the line)"


def users_line() -> str:
    """File, line and text of the innermost frame that the user wrote."""
    import linecache

    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in _OTHERS:
        frame = frame.f_back
    path, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(path, number).strip()
    return f"{path}:{number}" + (f": {text}" if text else "")
