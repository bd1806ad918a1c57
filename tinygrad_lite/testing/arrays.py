"""Numbers and arrays, whoever made them, as float64 and back: Python's, NumPy's, PyTorch's, JAX's, Values.

No array library but NumPy is imported: if an argument is a tensor, its library is there already.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.testing.differences import DOUBLE, Precision
from tinygrad_lite.value import Value

Array = NDArray[np.float64]
Rebuild = Callable[[Iterator[Any]], Any]


@dataclass(frozen=True)
class Leaf:
    """A number or array within an argument or a result.

    Attributes:
        path: Where it is: ``""`` for the whole, else such as ``[0]['w']``.
        values: Its numbers.
        precision: That of its type.
        make: From numbers to a number or array of the same type, dtype and device.
        integer: Whether its type holds whole numbers only.
    """

    path: str
    values: Array
    precision: Precision
    make: Callable[[Array], Any]
    integer: bool = False

    def nearest(self, number: float) -> float:
        """What a number becomes in it.

        >>> leaf_of(np.float32(1.0), "x").nearest(0.1) == float(np.float32(0.1))
        True
        """
        if self.precision == DOUBLE or not math.isfinite(number):
            return number
        mantissa, exponent = math.frexp(number)
        digits = 1 - math.frexp(self.precision.epsilon)[1] + 1
        return math.ldexp(round(math.ldexp(mantissa, digits)), exponent - digits)


def leaves_of(tree: Any, what: str, path: str = "") -> tuple[list[Leaf], Rebuild]:
    """The numbers and arrays of a structure, and the function that puts others in their places.

    Args:
        tree: Numbers and arrays, nested in lists, tuples and dicts.
        what: What it is, for the message: ``"argument 0"``.
        path: Where in it this is.

    Raises:
        TypeError: Something in it is no number; the message says where.

    >>> leaves, rebuild = leaves_of({"w": np.ones(2, dtype="float32"), "b": 3.0}, "the argument")
    >>> [(leaf.path, leaf.values.tolist()) for leaf in leaves]
    [("['w']", [1.0, 1.0]), ("['b']", 3.0)]
    >>> rebuild(iter([leaf.make(10 * leaf.values) for leaf in leaves]))
    {'w': array([10., 10.], dtype=float32), 'b': 30.0}
    """
    if isinstance(tree, dict):
        parts = [leaves_of(item, what, f"{path}[{key!r}]") for key, item in tree.items()]
        keys = list(tree)
        return _joined(parts), lambda made: dict(zip(keys, [rebuild(made) for _, rebuild in parts], strict=True))
    if isinstance(tree, (list, tuple)):
        parts = [leaves_of(item, what, f"{path}[{i}]") for i, item in enumerate(tree)]
        kind = type(tree)

        def sequence(made: Iterator[Any]) -> Any:
            items = [rebuild(made) for _, rebuild in parts]
            return kind(*items) if hasattr(kind, "_fields") else kind(items)

        return _joined(parts), sequence
    return [leaf_of(tree, what, path)], next


def leaf_of(number: Any, what: str, path: str = "") -> Leaf:
    """One number or array.

    Args:
        number: It.
        what: What it is, for the message.
        path: Where in that it is.

    Raises:
        TypeError: It is no number, or a complex one.

    >>> leaf_of(2.0, "x").values
    array(2.)
    """
    if isinstance(number, Value):
        return Leaf(path, np.array(number.data), DOUBLE, lambda values: Value(float(values)))
    if _is_made_by("torch", "Tensor", number):
        return _tensor(number, what, path)
    if _is_made_by("jax", "Array", number):
        jnp: Any = sys.modules["jax.numpy"]
        kind = number.dtype
        precise = _precision(kind, jnp.finfo)
        return _array(number, what, path, lambda values: jnp.array(values, dtype=kind), precise)
    if isinstance(number, np.ndarray):
        return _array(number, what, path, lambda values: np.array(values).astype(number.dtype))
    if isinstance(number, np.generic):
        scalar = type(number)
        return _array(np.asarray(number), what, path, lambda values: scalar(values[()]))
    if isinstance(number, (float, int)):
        whole = isinstance(number, int)
        return Leaf(path, np.array(float(number)), DOUBLE, lambda values: float(values), whole)
    raise TypeError(
        f"{what}{path} is a {type(number).__name__}, {number!r}: expected a real number, an array of them, or "
        "a list, tuple or dict of those"
    )


def _tensor(tensor: Any, what: str, path: str) -> Leaf:
    torch: Any = sys.modules["torch"]
    if tensor.is_complex():
        raise TypeError(f"{what}{path} is a tensor of {tensor.dtype}; real numbers are expected")

    def make(values: Array) -> Any:
        made = torch.tensor(values, dtype=tensor.dtype, device=tensor.device)
        return made.requires_grad_(True) if tensor.requires_grad else made

    values = np.array(tensor.detach().cpu().to(torch.float64).numpy())
    if not tensor.is_floating_point():
        return Leaf(path, values, DOUBLE, make, integer=True)
    return Leaf(path, values, _precision(tensor.dtype, torch.finfo), make)


def _array(array: Any, what: str, path: str, make: Callable[[Array], Any], precise: Precision | None = None) -> Leaf:
    kind = np.dtype(array.dtype)
    if kind.kind == "c":
        raise TypeError(f"{what}{path} is an array of {kind}; real numbers are expected")
    if kind.kind == "O":
        items = [leaf_of(item, what, f"{path}[{i}]") for i, item in enumerate(np.asarray(array).flat)]
        values = np.array([float(item.values) for item in items]).reshape(array.shape)
        return Leaf(path, values, DOUBLE, lambda values: values.copy())
    values = np.array(np.asarray(array), dtype=np.float64)
    if kind.kind in "iub":
        return Leaf(path, values, DOUBLE, make, integer=True)
    return Leaf(path, values, precise or _precision(kind, np.finfo), make)


def _precision(kind: Any, information: Callable[[Any], Any]) -> Precision:
    """From finfo. Below float64, libraries may flush subnormal numbers to 0."""
    try:
        found = information(kind)
    except (ValueError, TypeError):
        return DOUBLE
    epsilon = float(found.eps)
    return DOUBLE if epsilon <= DOUBLE.epsilon else Precision(epsilon, float(found.tiny))


def _is_made_by(library: str, kind: str, number: Any) -> bool:
    module = sys.modules.get(library)
    return module is not None and hasattr(module, kind) and isinstance(number, getattr(module, kind))


def _joined(parts: list[tuple[list[Leaf], Rebuild]]) -> list[Leaf]:
    return [leaf for leaves, _ in parts for leaf in leaves]
