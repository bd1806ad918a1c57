"""The operations of the table on whole arrays: NumPy's and JAX's functions, and formulas where these have none.

A record says which it is (:class:`tinygrad_lite.operations.operation.Op`): ``numpy`` is the name of a function in
``numpy`` and ``jax.numpy`` alike, and ``mended`` what becomes of it on JAX, where XLA's is not accurate; ``special``
one in ``scipy.special`` and ``jax.scipy.special``, and all else is its formula ``stable``, or its ``definition``, in
the arithmetic of these functions. Nothing is said about an operation here.

Results keep the type of the operands: constants are Python's numbers, which take on the type of the array that they
meet. Functions of :func:`load_jax_functions` can be traced and differentiated. Where floats raise there is an IEEE
limit, as NumPy gives it; NumPy warns of it, unless ``numpy.errstate`` says otherwise.

How near they are to the float functions: a few units in the last place, and as many more as the exponent of an
exponential is large, whose rounding exp magnifies. Where derivatives cross 0 (``gelu_derivative``, ``silu_derivative``)
the terms of their formulas cancel, and the error is relative to these.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_lite.lift.engines.jax_library import import_jax
from tinygrad_lite.operations.arithmetic import products_without_each
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import TABLE


@functools.cache
def load_numpy_functions() -> Mapping[str, Callable[..., Any]]:
    """List NumPy's functions by the names of the operations. SciPy gives ``erf`` and ``erfc``, if it is installed.

    >>> load_numpy_functions()["relu"](np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return _make_functions(np, _import_special)


@functools.cache
def load_jax_functions() -> Mapping[str, Callable[..., Any]]:
    """List JAX's functions by the names of the operations.

    Raises:
        ImportError: JAX is not installed.

    >>> load_jax_functions()["relu"](np.array([-1.0, 0.0, 2.0], dtype=np.float32))
    Array([0., 0., 2.], dtype=float32)
    """
    return _make_functions(import_jax().numpy, lambda op: getattr(import_jax().scipy.special, op.special), mends=True)


def evaluate_limit(op: Op, *numbers: float) -> float:
    """Compute one scalar operation; nan where it raises.

    >>> evaluate_limit(TABLE["add"], 1.0, 2.0), evaluate_limit(TABLE["log"], -1.0)
    (3.0, nan)
    """
    try:
        return float(op.forward(*numbers))
    except (ArithmeticError, ValueError):
        return math.nan


def vectorize(op: Op) -> Callable[..., Any]:
    """Apply an operation that a user defined to arrays: its float function to each number; nan where that raises.

    >>> vectorize(TABLE["log"])(np.array([1.0, -1.0]))
    array([ 0., nan])
    """
    return np.vectorize(functools.partial(evaluate_limit, op), otypes=[float])


def _make_functions(
    arrays: Any, special: Callable[[Op], Callable[..., Any]], mends: bool = False
) -> Mapping[str, Callable[..., Any]]:
    """Make the functions on the arrays of one library.

    Args:
        arrays: ``numpy``, or a module like it.
        special: The function of an operation whose name is one of ``special``.
        mends: Whether operations are ``mended``.
    """
    m = SimpleNamespace(softmaxes=functools.partial(_softmaxes, arrays), products_without_each=products_without_each)
    for op in TABLE.values():
        formula = op.stable or op.definition
        if op.numpy:
            function = getattr(arrays, op.numpy)
            if mends and op.mended is not None:
                function = functools.partial(op.mended, m, function)
        elif op.special:
            function = special(op)
        else:
            assert formula is not None  # the tests of the table say so
            function = functools.partial(formula, m)
        setattr(m, op.name, function)
    return vars(m)


def _import_special(op: Op) -> Callable[..., Any]:
    """Take SciPy's function, imported in the first call, which takes half a second; number by number without it."""

    @functools.cache
    def function() -> Callable[..., Any]:
        try:
            return getattr(importlib.import_module("scipy.special"), op.special)  # type: ignore[no-any-return]  # untyped
        except ImportError:
            return vectorize(op)

    return lambda *operands: function()(*operands)


def _softmaxes(arrays: Any, xs: Sequence[Any]) -> list[Any]:
    """Compute exp(xᵢ)/Σ exp(xₖ) for every i, shifted by the largest x; derivative rules ask for it."""
    stacked = arrays.stack(arrays.broadcast_arrays(*xs))
    exponentials = arrays.exp(stacked - stacked.max(0))
    return list(exponentials / exponentials.sum(0))
