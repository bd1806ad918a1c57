"""Narrower formats of floating-point numbers, and how results are rounded to them under ``autocast``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from tinygrad_lite.node.evaluation import evaluate
from tinygrad_lite.node.fields import Details, Rare
from tinygrad_lite.node.state import STATE
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE, TABLE
from tinygrad_lite.value import Value

_DTYPES: Final = ("bfloat16", "float16", "float32", "float64")
_CAST: Final = TABLE["pos"]


def checked(dtype: str) -> str:
    """Return the name of a format, if it is one.

    Raises:
        ValueError: It is none.

    >>> checked("float16")
    'float16'
    """
    if dtype not in _DTYPES:
        raise ValueError(f"a format is one of {', '.join(_DTYPES)}, not {dtype!r}")
    return dtype


def rounded(number: float, dtype: str) -> float:
    """Return the nearest number of the format, ties to even; inf beyond its range.

    Args:
        number: Any float.
        dtype: ``"bfloat16"``, ``"float16"``, ``"float32"`` or ``"float64"``.

    Raises:
        ValueError: There is no such format.
        ImportError: For ``"bfloat16"``: ml_dtypes is not installed.

    >>> rounded(0.1, "float16"), rounded(1e6, "float16"), rounded(1e-9, "float16")
    (0.0999755859375, inf, 0.0)
    """
    return _rounding(checked(dtype))(number)


def _rounding(dtype: str) -> Callable[[float], float]:
    if dtype not in _ROUNDING:
        _ROUNDING[dtype] = _to_bfloat16() if dtype == "bfloat16" else _to(dtype)
    return _ROUNDING[dtype]


#: The function that rounds to each format, once it was asked for.
_ROUNDING: Final[dict[str, Callable[[float], float]]] = {}


def _to(dtype: str) -> Callable[[float], float]:
    import numpy

    kind = numpy.dtype(dtype).type

    def round_to(number: float) -> float:
        with numpy.errstate(over="ignore", under="ignore"):
            return float(kind(number))

    return round_to


def _to_bfloat16() -> Callable[[float], float]:
    import numpy

    try:
        from ml_dtypes import bfloat16
    except ImportError:
        raise ImportError("bfloat16 needs ml_dtypes: pip install 'tinygrad-lite[nn]'") from None
    single = numpy.float32

    def round_to(number: float) -> float:
        """By way of float32, rounded to odd: rounding to nearest twice rounds some ties wrongly (Boldo 2008)."""
        with numpy.errstate(over="ignore", under="ignore"):
            near = single(number)
            if math.isfinite(near) and float(near) != number and not near.view(numpy.uint32) & 1:
                near = numpy.nextafter(near, single(math.copysign(math.inf, number - float(near))))
            return float(bfloat16(near))

    return round_to


class _Known(NamedTuple):
    leaf: Value
    #: when its data was set
    stamp: int
    cast: Value


class Cast:
    """What one ``autocast`` block does to each operation recorded in it.

    Args:
        dtype: The format.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self._round = _rounding(dtype)
        #: the rounded form of each operand that needs one, so that a parameter has one whatever it is used for
        self._known: dict[int, _Known] = {}
        STATE.narrow = True

    def record(
        self, code: int, data: float, a: Value | None, b: Value | None, details: Details | None
    ) -> tuple[float, Value | None, Value | None, Details]:
        """Return what to record in the place of an operation: its result and operands, rounded."""
        op = BY_CODE[code]
        assert op is not None
        first, second = ((), ()) if details is None else (details.first, details.second)
        operands = [x for x in (*first, *second, a, b) if x is not None]
        # The index of a lookup counts, and counting does not round.
        kept = 1 if op.arity == NARY and op.operands[-1] == "index" else 0
        casts = [self.cast(x) for x in operands[: len(operands) - kept]] + operands[len(operands) - kept :]
        if any(cast is not x for cast, x in zip(casts, operands, strict=True)):
            data = evaluate(code, tuple(casts))
            rest = iter(casts)
            first = tuple([next(rest) for _ in first])
            second = tuple([next(rest) for _ in second])
            a = None if a is None else next(rest)
            b = None if b is None else next(rest)
        return self._round(data), a, b, Details("", first, second, Rare("", self.dtype))

    def forget(self) -> None:
        """Lets go of the rounded operands, when the block ends."""
        self._known.clear()

    def cast(self, x: Value) -> Value:
        """Return the operand itself if the format holds its number, else a node, or a constant, that holds the rounded
        one."""
        number = x.data
        nearest = self._round(number)
        if nearest == number or number != number:
            return x
        if x.is_constant:
            return Value(nearest, label=x.label or None, _code=CONSTANT_CODE)
        known = self._known.get(id(x))
        if known is None or known.leaf is not x or known.stamp != x._stamp:
            node = Value(None, _code=_CAST.code, _a=x, _details=Details(rare=Rare("", self.dtype)), _result=nearest)
            known = self._known[id(x)] = _Known(x, x._stamp, node)
        return known.cast
