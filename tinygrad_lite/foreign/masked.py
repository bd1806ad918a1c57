"""Masked arrays (``numpy.ma``) that hold Values, so that what NumPy masks stays out of the graph.

``numpy.ma`` is Python that works on an array beside its mask, and asks of the numbers what NumPy cannot ask of objects:
whether they are finite. So the array below the mask is one that can answer, :class:`ValueArray`, and a masked array
that meets a Value becomes one above it, :class:`MaskedValues`. All the rest, what is masked and what a mean divides by,
is ``numpy.ma``'s own. It masks what has no finite result, as it does with floats: 1/0 is masked, and no error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lite.errors import TraceError
from tinygrad_lite.node.protocols import outside
from tinygrad_lite.node.state import STATE
from tinygrad_lite.value import Value, operand

_Array: Any = np.ndarray
_MaskedArray: Any = np.ma.MaskedArray
_CORE: Any = np.ma.core
#: What is asked of the numbers and not of the nodes.
_QUESTIONS = (np.isfinite, np.isnan, np.isinf, np.signbit)


class ValueArray(_Array):  # type: ignore[misc]  # NumPy's stubs have signatures for each kind of number
    """An array of Values and numbers that answers ``numpy.isfinite``; ``numpy.ma`` masks what is not."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [
            np.asarray(x, dtype=object).view(np.ndarray) if isinstance(x, (Value, np.ndarray)) else x for x in inputs
        ]
        out = options.pop("out", None)
        if method != "__call__":
            found = getattr(ufunc, method)(*plain, **options)
        elif ufunc in _QUESTIONS:
            found = ufunc(np.asarray(np.frompyfunc(_number, 1, 1)(plain[0]), dtype=float), **options)
        else:
            found = _each(ufunc, plain)
        if out is not None:
            np.copyto(out[0], found)
            return out[0]
        return found.view(ValueArray) if isinstance(found, np.ndarray) and found.dtype == object else found

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        found = super().__array_function__(func, types, args, kwargs)
        return found.view(ValueArray) if type(found) is np.ndarray and found.dtype == object else found

    def view(self, *kinds: Any) -> Any:
        """NumPy's, which makes masked arrays of Values in the place of masked arrays."""
        return super().view(*[MaskedValues if kind is np.ma.MaskedArray else kind for kind in kinds])


class MaskedValues(_MaskedArray):  # type: ignore[misc]  # as above
    """A masked array of Values: what ``M - w`` gives for a masked array M and a Value w.

    >>> M = np.ma.masked_array([1.0, 2.0, 5.0], mask=[0, 0, 1])
    >>> w = Value(2.0)
    >>> loss = ((M - w) ** 2).mean()
    >>> loss.backward()
    >>> loss.data, w.grad
    (0.5, 1.0)
    """

    def _update_from(self, obj: Any) -> None:
        super()._update_from(obj)
        self.__dict__["_baseclass"] = ValueArray
        if (
            self.__dict__["_fill_value"] is None and self.dtype == object
        ):  # numpy.ma would fill with "?", as it does for objects
            self.__dict__["_fill_value"] = np.array(np.ma.default_fill_value(0.0), dtype=object)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" and options.get("out") is None and not any(map(np.ma.is_masked, inputs)):
            plain = [x.view(ValueArray).view(np.ndarray) if isinstance(x, MaskedValues) else x for x in inputs]
            return getattr(ufunc, method)(*plain, **options)
        if method != "__call__" or options or ufunc.signature is not None:
            asked = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            raise TypeError(
                f"numpy's {asked} does not know of masks, or not with these options: numpy.ma has functions that do, "
                "and compressed() gives the numbers that are not masked as an array"
            )
        masked: Any = getattr(np.ma, ufunc.__name__, None)
        return masked(*inputs) if _knows_masks(masked) else where_unmasked(ufunc, inputs)

    def view(self, *kinds: Any) -> Any:
        """NumPy's, which gives the array below the mask as one that answers ``numpy.isfinite``."""
        return super().view(*[ValueArray if kind is np.ndarray else kind for kind in kinds])

    def clip(self, low: Any = None, high: Any = None, **options: Any) -> Any:
        """Within a range; a bound that is None is none."""
        found = self if low is None else np.ma.maximum(self, low)
        return found if high is None else np.ma.minimum(found, high)

    def max(self, axis: Any = None, **options: Any) -> Any:
        """Return the largest that is not masked; ``numpy.ma`` knows none of objects."""
        return self._extreme(np.max, -np.inf, axis, options)

    def min(self, axis: Any = None, **options: Any) -> Any:
        """Return the smallest that is not masked."""
        return self._extreme(np.min, np.inf, axis, options)

    def ptp(self, axis: Any = None, **options: Any) -> Any:
        """Return the largest less the smallest."""
        return self.max(axis, **options) - self.min(axis, **options)

    def argmax(self, axis: Any = None, **options: Any) -> Any:
        """Where the largest is."""
        return np.argmax(self.filled(-np.inf).view(np.ndarray), axis, **options)

    def argmin(self, axis: Any = None, **options: Any) -> Any:
        """Where the smallest is."""
        return np.argmin(self.filled(np.inf).view(np.ndarray), axis, **options)

    def argsort(self, axis: Any = -1, *, endwith: bool = True, fill_value: Any = None, **options: Any) -> Any:
        """Return the order of the numbers, what is masked at the end."""
        fill = (np.inf if endwith else -np.inf) if fill_value is None else fill_value
        return super().argsort(axis, fill_value=fill, **options)

    def mean(self, axis: Any = None, *others: Any, **options: Any) -> Any:
        """Return the mean of what is not masked; where there is no mask, ``numpy.ma`` takes it for a number of
        NumPy's."""
        whole = MaskedValues(self, np.zeros(self.shape, dtype=bool)) if self.mask is np.ma.nomask else self
        return super(MaskedValues, whole).mean(axis, *others, **options)

    def var(self, axis: Any = None, *others: Any, **options: Any) -> Any:
        """Return the variance of what is not masked."""
        return _scalar(super().var(axis, *others, **options))

    def std(self, axis: Any = None, *others: Any, **options: Any) -> Any:
        """Return the standard deviation of what is not masked."""
        return _scalar(np.ma.sqrt(super().var(axis, *others, **options)))

    def _extreme(self, reduce: Any, nothing: float, axis: Any, options: dict[str, Any]) -> Any:
        options = {name: option for name, option in options.items() if name == "keepdims"}
        found = reduce(self.filled(nothing).view(np.ndarray), axis, **options)
        empty = self.count(axis, **options) == 0
        if np.ndim(empty):
            return np.ma.masked_array(found.view(ValueArray), empty)
        return np.ma.masked if empty else found


def where_unmasked(function: Any, operands: Sequence[Any]) -> Any:
    """Return the function of each number that is not masked in any operand, and a mask in the place of the others.

    >>> where_unmasked(np.sqrt, [np.ma.masked_array([4.0, -1.0], mask=[0, 1])])
    masked_array(data=[2.0, --],
    ...
    """
    columns = np.broadcast_arrays(*[_data(x) for x in operands])
    mask = np.zeros(columns[0].shape, dtype=bool)
    for x in operands:
        mask |= np.ma.getmaskarray(x) if isinstance(x, np.ma.MaskedArray) else False
    chosen = [column[~mask] for column in columns]
    found = np.asarray(function(*[x.view(ValueArray) if x.dtype == object else x for x in chosen]))
    if found.dtype == object and not any(isinstance(x, Value) for x in found):
        found = np.array(found.tolist())
    whole = np.zeros(mask.shape, dtype=found.dtype)
    whole[~mask] = found
    kind = MaskedValues if whole.dtype == object else np.ma.MaskedArray
    return kind(whole, mask)


def asked_by_numpy(value: Value) -> ValueArray:
    """``value._data``: what ``numpy.ma.getdata`` reads of all that meets a masked array. Nobody else is answered.

    Raises:
        AttributeError: Somebody else asks.

    >>> hasattr(Value(2.0), "_data"), np.ma.getdata(Value(2.0))
    (False, ValueArray(Value(data=2.0, grad=0.0), dtype=object))
    """
    if outside().f_code is not np.ma.getdata.__code__:
        raise AttributeError("'Value' object has no attribute '_data'")
    return value_array(value)


def value_array(value: Value) -> ValueArray:
    """Return an array without dimensions that holds the Value."""
    array: Any = np.empty((), dtype=object)
    array[()] = value
    view: ValueArray = array.view(ValueArray)
    return view


def _each(ufunc: np.ufunc, columns: list[Any]) -> Any:
    """Return the operation on each number; nan where it has no result and ``numpy.ma`` is going to mask it."""
    masks = ufunc is np.power or _CORE.ufunc_domain.get(ufunc) is not None

    def one(*xs: Any) -> Any:
        values = [x if isinstance(x, bool) else operand(x) for x in xs]
        try:
            return ufunc(*values)
        except (ArithmeticError, ValueError):
            if not masks:
                raise
            return Value(np.nan)

    found = np.asarray(np.frompyfunc(one, len(columns), 1)(*columns), dtype=object)
    truths = found.size and all(isinstance(x, (bool, np.bool_)) for x in found.flat)
    return found.astype(bool) if truths else found


def _number(x: Any) -> Any:
    if not isinstance(x, Value):
        return x
    if STATE.tracing != 0 and STATE.is_traced(x):
        raise TraceError(
            "lift cannot trace a masked array whose mask depends on the numbers: numpy.ma masks what is not finite of "
            f"a {x.op}. Multiply, as in d * d for a square, or compute on M.compressed(), the numbers not masked"
        )
    return x.data


def _data(x: Any) -> Any:
    return value_array(x).view(np.ndarray) if isinstance(x, Value) else np.asarray(x)


def _knows_masks(function: Any) -> bool:
    return function is np.ma.power or isinstance(function, _CORE._MaskedUFunc)


def _scalar(found: Any) -> Any:
    return found.item() if np.ndim(found) == 0 and found is not np.ma.masked else found
