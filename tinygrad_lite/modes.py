"""Modes: what changes how operations are recorded while a ``with`` block runs.

While no mode is active anywhere, the engine reads one counter and goes on; these functions run only inside. Which modes
hold is kept in context variables, so each thread and each async task has its own.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from tinygrad_lite import narrow_formats, value
from tinygrad_lite.errors import AnomalyError
from tinygrad_lite.node import fields
from tinygrad_lite.node.fields import Details, dtype_of
from tinygrad_lite.node.state import NO_GRAD, STATE
from tinygrad_lite.value import Value

_F = TypeVar("_F", bound=Callable[..., Any])

_recording: Final[ContextVar[bool]] = ContextVar("recording", default=True)
_watching: Final[ContextVar[bool]] = ContextVar("watching", default=False)
#: What rounds results to the format of ``autocast``; None outside of it.
_dtype: Final[ContextVar[Any]] = ContextVar("dtype", default=None)
#: What these three come to for the engine, which asks at each node: 0, ``NO_GRAD``, or ``_OTHER`` for all else.
_mode: Final[ContextVar[int]] = ContextVar("mode", default=0)
_OTHER: Final = 2


#: Modules whose frames no user wrote.
_OTHERS: Final = frozenset({"tinygrad_lite", "numpy", *sys.stdlib_module_names})


class _Flag(int):
    """True or False, as an object of its own: so a mode knows whether what holds here was set by it."""


class Mode(ContextDecorator):
    """A ``with`` block, or a decorator, in which a context variable has another value.

    Ctrl-C at the edge of a block leaves nothing half on. On entering, the counter comes first and the variable last,
    and on leaving the variable comes first: a counter that is too high only costs time. Where an interruption comes
    before the first line of ``__exit__``, which no code can prevent, the mode ends as soon as its object is gone.
    """

    variable: ContextVar[Any]
    inside: Any = None
    #: What was before, for each time that it was entered; nothing where ``__init__`` was interrupted.
    _before: Any = ()

    def __init__(self) -> None:
        self._before = []

    def _recreate_cm(self) -> Mode:
        return type(self)()  # as a decorator: one for each call, as calls of several threads overlap

    def __call__(self, function: _F) -> _F:
        """Decorate a plain function."""
        import inspect

        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError(
                f"{type(self).__name__}() decorates a plain function; {function.__name__} runs in pieces, and would "
                f"leave the block before its first one. Write `with {type(self).__name__}():` inside it."
            )
        return super().__call__(function)

    def __enter__(self) -> None:
        depth, before = len(self._before), self.variable.get()
        try:
            self._count(1)
            self._before.append(before)
            self._change(self.inside)
        except BaseException:
            self._change(before)
            if len(self._before) > depth:
                self._before.pop()
                self._count(-1)
            raise

    def __exit__(self, *exception: object) -> None:
        before = self._before[-1]
        try:
            self._change(before)
        except BaseException:  # between the two variables that it sets
            self._change(before)
            raise
        finally:
            self._before.pop()
            self._count(-1)

    def __del__(self) -> None:
        """End what an interruption kept ``__exit__`` from ending."""
        if self._before and self.inside is not None and self.variable.get() is self.inside:
            self._change(self._before[0])
            self._count(-len(self._before))

    def _change(self, inside: Any) -> None:
        self.variable.set(inside)
        plain = _dtype.get() is None
        if plain and not _recording.get():
            _mode.set(NO_GRAD)
        else:
            _mode.set(0 if plain and not _watching.get() else _OTHER)

    def _count(self, change: int) -> None:
        """Tells the engine that one more mode, or one less, is active."""
        STATE.modes += change


class autocast(Mode):  # noqa: N801 (PyTorch's name)
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
        super().__init__()
        self.dtype = narrow_formats.checked(dtype)
        self.inside = narrow_formats.Cast(self.dtype) if self.dtype != "float64" else None

    def _recreate_cm(self) -> autocast:
        return autocast(self.dtype)

    def __exit__(self, *exception: object) -> None:
        try:
            super().__exit__(*exception)
        finally:
            if self.inside is not None and not self._before:
                self.inside.forget()


class no_grad(Mode):  # noqa: N801 (PyTorch's name)
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

    def __init__(self) -> None:
        super().__init__()
        self.inside = _Flag(False)


class recording(Mode):  # noqa: N801 (as the other two)
    """Inside, operations are recorded, whatever is around: a transform is asked for a derivative, not for a graph."""

    variable = _recording

    def __init__(self) -> None:
        super().__init__()
        self.inside = _Flag(True)

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


class detect_anomaly(Mode):  # noqa: N801 (PyTorch's name)
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

    def __init__(self) -> None:
        super().__init__()
        self.inside = _Flag(True)


def is_recording() -> bool:
    """Whether operations are recorded here: False inside ``no_grad()``.

    >>> is_recording()
    True
    """
    return STATE.modes == 0 or bool(_recording.get())


def is_casting() -> bool:
    """Whether ``autocast()`` rounds what is recorded here.

    >>> is_casting()
    False
    """
    return _dtype.get() is not None


def watching() -> bool:
    """Whether ``detect_anomaly()`` is active here."""
    return bool(_watching.get())


def record(code: int, data: float, a: Value | None, b: Value | None, details: Details | None) -> Value:
    """Return what the engine's ``record`` does while a mode is active that asks for more than a leaf or a node."""
    cast = _dtype.get()
    if STATE.tracing != 0 and (cast is not None or not _recording.get()):
        _refuse_to_record("no_grad()" if cast is None else "autocast()", a, b, details)
    if cast is not None:
        data, a, b, details = cast.record(code, data, a, b, details)
    if not _recording.get():
        return Value(data)
    node = Value(None, _code=code, _a=a, _b=b, _details=details, _result=data)
    if not _watching.get():
        return node
    node.rare().line = users_line()
    look_at(node)
    return node


def _refuse_to_record(mode: str, a: Value | None, b: Value | None, details: Details | None) -> None:
    """Raise if an operand is traced: what the mode makes of it is not in the lifted program."""
    operands = () if details is None else details.first + details.second
    for operand in (*operands, a, b):
        if operand is not None:
            STATE.refuse_if_traced(operand, mode)


def evaluated(node: Value) -> None:
    """Do what ``forward()`` does after it has evaluated a node, while a mode is active or there are narrow nodes."""
    dtype = dtype_of(node)
    if dtype:
        node._number = narrow_formats.rounded(node._number, dtype)
    look_at(node)


def look_at(node: Value) -> None:
    """Raise, under ``detect_anomaly()``, if the node's number is a NaN or an infinity out of finite numbers."""
    if not _watching.get():
        return
    data = node._number
    if not math.isfinite(data) and all(math.isfinite(parent._number) for parent in node.parents):
        raise AnomalyError(
            f"{node.op} made {data} out of finite numbers: {_operands(node)}, at {line_of(node)}. "
            "Keep the operands within the range of the operation (clamp, maximum), or compute in logarithms."
        )


def sweep_slowly(order: list[Value]) -> bool:
    """Sweep backwards under ``detect_anomaly()`` or over narrow nodes; elsewhere do nothing, and return False."""
    if watching():
        _sweep_watched(order)
        return True
    if not any(dtype_of(node) for node in order):
        return False
    for node in order:
        _pass_on(node)
    return True


def _pass_on(node: Value) -> None:
    """Do the sweep's step at one node, whose gradient is first rounded to its format."""
    dtype = dtype_of(node)
    if dtype:
        node._grad = narrow_formats.rounded(node._grad, dtype)
    value.sweep([node])


def _sweep_watched(order: list[Value]) -> None:
    """Sweep backward, node by node with a look at what each passes on."""
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
    line = fields.line_of(node)
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


STATE.mode = _mode
STATE.record = record
STATE.evaluated = evaluated
