"""What other libraries ask of a Value that is neither an operation nor a number of the user's, and what they are told.

A library that asks for the float would take it out of the graph without a word: it is refused, with the name of the
function that asked and with what to write instead. One that compares inside is given what it means: NumPy's functions
compare numbers, though ``==`` of two Values in the user's code asks whether they are one node. And where an order is
asked for that nan has no place in, there is no answer.
"""

from __future__ import annotations

import dis
import re
import sys
from types import FrameType, TracebackType
from typing import Any, Final

_SQUARES: Final = "numpy.var(numpy.array(xs){}) keeps the graph"
_CENTRED: Final = "with d = X - X.mean(axis=1, keepdims=True), a variable in each row, d @ d.T / (X.shape[1] - 1)"

#: By what asked: what to write in its place.
INSTEAD: Final[dict[str, str]] = {
    "statistics.mean": "tinygrad_lite.mean(xs) keeps the graph",
    "statistics.fmean": "tinygrad_lite.mean(xs) keeps the graph",
    "statistics.geometric_mean": "exp(mean([log(x) for x in xs])), of tinygrad_lite, keeps the graph",
    "statistics.harmonic_mean": "1 / tinygrad_lite.mean([1 / x for x in xs]) keeps the graph",
    "statistics.variance": _SQUARES.format(", ddof=1"),
    "statistics.pvariance": _SQUARES.format(""),
    "statistics.stdev": _SQUARES.format(", ddof=1").replace("numpy.var", "numpy.std"),
    "statistics.pstdev": _SQUARES.format("").replace("numpy.var", "numpy.std"),
    "statistics.covariance": _CENTRED.replace("d = X", "X = numpy.array([xs, ys]) and d = X"),
    "statistics.correlation": "with a = xs - xs.mean(), b = ys - ys.mean() of arrays, a @ b / sqrt((a @ a) * (b @ b))",
    "statistics.linear_regression": (
        "with a = xs - xs.mean() of an array, slope = a @ ys / (a @ a), the intercept is ys.mean() - slope * xs.mean()"
    ),
    "numpy.cov": _CENTRED,
    "numpy.corrcoef": f"{_CENTRED} is the covariance C, and with s = sqrt(C.diagonal()) C / numpy.outer(s, s)",
    **dict.fromkeys(
        ("numpy.isnan", "numpy.isfinite", "numpy.isinf", "numpy.allclose", "numpy.isclose"),
        "such questions are about numbers: ask them of numpy.array([v.data for v in xs])",
    ),
}
_GENERAL: Final = (
    "What NumPy makes of + - * / and comparisons keeps the graph: sum, mean, var, max, sort, where, dot, @, einsum, "
    "cumsum, linalg.norm ...; what is written in C for floats does not. Write the formula out, or give numbers: v.data"
)
#: What NumPy calls where it looks for an order; and what the user may call of it without a line of NumPy's in between.
_ORDERS: Final = frozenset(
    {"argmax", "argmin", "argpartition", "argsort", "clip", "fmax", "fmin", "lexsort", "maximum", "minimum"}
    | {"partition", "searchsorted", "sort"}
)


#: What such errors say of arrays of objects.
_OF_OBJECTS: Final = re.compile(
    r"not supported for the input types|does not support argument|dtype\('O'\)|ObjectDType|object arrays|dtype object"
    r"|'(Value|float|int)' object has no attribute"
)


def refused(message: str) -> TypeError:
    """Return what is raised where a number is asked for: the message, and what to write if it is known who asks.

    >>> import statistics
    >>> from tinygrad_lite import Value
    >>> statistics.fmean([Value(1.0), Value(2.0)])
    Traceback (most recent call last):
    ...
    TypeError: ... Instead of statistics.fmean: tinygrad_lite.mean(xs) keeps the graph.
    """
    frame = outside()
    frames = [frame]
    while frame.f_back is not None and _root(frame.f_back) == _root(frames[0]):
        frame = frame.f_back
        frames.insert(0, frame)
    name = _called(frames)
    return TypeError(f"{message} Instead of {name}: {INSTEAD[name]}." if name in INSTEAD else message)


def explained(error: Exception) -> Exception:
    """Return the error of a library that could not do with Values, with what to write instead; another error as it is.

    Args:
        error: As a function of Values raised it.

    >>> import numpy as np
    >>> from tinygrad_lite import Value, grad
    >>> grad(lambda x: np.cov(x)[0, 1])(np.array([[1.0, 2.0], [3.0, 5.0]]))
    Traceback (most recent call last):
    ...
    TypeError: numpy.cov does not take Values ('float' object has no attribute 'shape'). Instead: with d = X - ...
    """
    frames = _frames_of(error.__traceback__)
    if not frames or _root(frames[-1]) == "tinygrad_lite" or _OF_OBJECTS.search(str(error)) is None:
        return error
    library = _root(frames[-1])
    if library in ("numpy", "scipy"):
        first = next(i for i in range(len(frames)) if {_root(frame) for frame in frames[i:]} == {library})
        name = _called(frames[first:])
    else:
        found = re.match(r"ufunc '(\w+)'|loop of ufunc .* has no callable (\w+) method", str(error))
        if found is None:
            return error
        name = f"numpy.{found[1] or found[2]}"
    if _module(frames[-1]).startswith("numpy.ma"):
        instead = (
            "take what is not masked as an array first, with compressed(), and NumPy's functions of arrays: "
            "((M - w).compressed() ** 2).mean()"
        )
    else:
        instead = INSTEAD.get(name, _GENERAL)
    return TypeError(f"{name} does not take Values ({error}). Instead: {instead}.")


def asked_by_numpy() -> bool:
    """Whether one of NumPy's functions is asking.

    >>> import numpy as np
    >>> from tinygrad_lite import Value
    >>> values = np.array([Value(1.0), Value(2.0)])
    >>> np.array_equal(values, [1.0, 2.0]), values[0] == 1.0
    (True, False)
    """
    return _root(outside()) == "numpy"


def asked_by_dataclasses() -> bool:
    """Whether ``dataclasses.asdict`` or ``astuple`` is copying: they put parts in another order, and mean the parts.

    >>> from dataclasses import astuple, make_dataclass
    >>> from tinygrad_lite import Value
    >>> x = Value(2.0)
    >>> astuple(make_dataclass("Point", ["x"])(x))[0] is x
    True
    """
    frame = outside()
    while _module(frame) == "copy" and frame.f_back is not None:
        frame = frame.f_back
    return _module(frame) == "dataclasses"


def refuse_unordered(x: float, y: Any) -> None:
    """Raise if NumPy is looking for an order in which nan has no place; nan is less than nothing, and nothing than it.

    Python's own ``max`` and ``sorted`` are answered as for floats.

    Raises:
        ValueError: It is.

    >>> import numpy as np
    >>> from tinygrad_lite import Value
    >>> np.max([Value(np.nan), Value(3.0)])
    Traceback (most recent call last):
    ...
    ValueError: NumPy compares nan and 3.0 ...
    """
    frame = outside()
    if frame.f_lasti < 0 or dis.opname[frame.f_code.co_code[frame.f_lasti]] == "COMPARE_OP":
        return
    if _root(frame) == "numpy" or _orders_on_line(frame):
        raise ValueError(
            f"NumPy compares {x!r} and {y!r} to bring Values in an order, and nan has no place in one: with floats the "
            "result would be nan, or have nan at the end. Leave such numbers out first, [v for v in xs if v.data == "
            "v.data], or find out where the nan comes from, with tinygrad_lite.detect_anomaly()"
        )


def seed_of_backward(seed: object, gradient: object, create_graph: object, inputs: object) -> object:
    """Return what ``backward()`` begins with, where it was called as in PyTorch.

    Args:
        seed: Its own argument.
        gradient: PyTorch's name for it.
        create_graph: PyTorch's.
        inputs: PyTorch's.

    Raises:
        TypeError: With what to write.

    >>> seed_of_backward(1.0, 2.0, False, None)
    2.0
    """
    if create_graph:
        raise TypeError(
            "backward() leaves numbers. For gradients that can be differentiated again write "
            "gradient(loss, xs, create_graph=True), or grad(grad(f)), or hessian(f)"
        )
    if inputs is not None:
        raise TypeError("backward() reaches all leaves. For the gradients of some, as numbers: gradient(loss, xs)")
    if seed != 1.0:
        raise TypeError("backward() takes one gradient: seed and gradient are two names of it")
    return gradient


def _orders_on_line(frame: FrameType) -> bool:
    """Whether the user's line calls one of NumPy's functions that order: such a call has no frame of its own."""
    line = before = None
    for instruction in dis.get_instructions(frame.f_code):
        line = instruction.starts_line if type(instruction.starts_line) is int else line
        at = instruction.positions.lineno if hasattr(instruction, "positions") and instruction.positions else line
        if at == frame.f_lineno and instruction.argval in _ORDERS:
            if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                return not isinstance(_named(frame, before), list)  # xs.sort() of a list is Python's
            return type(_named(frame, instruction.argval)).__module__ == "numpy"
        before = instruction.argval
    return False


def _named(frame: FrameType, name: Any) -> Any:
    return frame.f_locals.get(name, frame.f_globals.get(name)) if isinstance(name, str) else None


def outside() -> FrameType:
    """Return the innermost frame that is not ours."""
    frame = sys._getframe(1)
    while _root(frame) == "tinygrad_lite" and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _root(frame: FrameType) -> str:
    return _module(frame).split(".")[0]


def _called(frames: list[FrameType]) -> str:
    """Return the function that the user called, of a library's frames with the outermost first:
    ``"numpy.linalg.inv"``."""
    parts = _module(frames[0]).split(".")
    shown = [part for part in parts if not part.startswith("_") and part not in ("lib", "core", "extras")]
    return ".".join([*shown, frames[0].f_code.co_name])


def _frames_of(traceback: TracebackType | None) -> list[FrameType]:
    frames = []
    while traceback is not None:
        frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return frames
