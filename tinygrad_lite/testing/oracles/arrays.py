"""Numbers and arrays, whoever made them, as float64 and back: Python's, NumPy's, PyTorch's, JAX's, Values.

No array library but NumPy is imported: if an argument is a tensor, its library is there already.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.pytree import keystr, tree_structure
from tinygrad_lite.pytree.keys import path_to
from tinygrad_lite.pytree.registry import parts_below, parts_of
from tinygrad_lite.pytree.treedef import paired
from tinygrad_lite.testing.oracles.differences import DOUBLE, Precision
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
        wide: As ``make``, but in float64; where that is a type of the same library's and ``make`` is not in it.
    """

    path: str
    values: Array
    precision: Precision
    make: Callable[[Array], Any]
    integer: bool = False
    wide: Callable[[Array], Any] | None = None

    def nearest(self, number: float) -> float:
        """Return what a number becomes in it.

        >>> leaf_of(np.float32(1.0), "x").nearest(0.1) == float(np.float32(0.1))
        True
        """
        if self.precision == DOUBLE or not math.isfinite(number):
            return number
        mantissa, exponent = math.frexp(number)
        digits = 1 - math.frexp(self.precision.epsilon)[1] + 1
        return math.ldexp(round(math.ldexp(mantissa, digits)), exponent - digits)


def leaves_of(tree: Any, what: str, path: str = "") -> tuple[list[Leaf], Rebuild]:
    """Return the numbers and arrays of a structure, and the function that puts others in their places.

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
    parts = parts_of(tree)
    if parts is None:
        return [leaf_of(tree, what, path)], next
    inner = [leaves_of(item, what, f"{path}{key}") for key, item in zip(parts.keys, parts.items, strict=True)]
    leaves = [leaf for leaves, _ in inner for leaf in leaves]
    return leaves, lambda made: parts.called([rebuild(made) for _, rebuild in inner])


def parts_like(tree: Any, pattern: Any, what: str, whose: str) -> list[tuple[str, Any]]:
    """Return what a structure has in the places of another one's numbers and arrays: dicts go by their keys, not their
    order.

    Args:
        tree: The structure.
        pattern: The other one.
        what: What the structure is, for the message.
        whose: Whose structure it should have, for the message: ``"the argument"``.

    Returns:
        Each part and its place, in the order of the other structure's leaves.

    Raises:
        ValueError: They have other keys or other lengths; the message names them.

    >>> parts_like({"b": 1.0, "w": [2.0]}, {"w": [0.0], "b": 0.0}, "the derivative", "the argument")
    [("['w'][0]", 2.0), ("['b']", 1.0)]
    >>> parts_like({"b": 1.0}, {"w": 0.0}, "the derivative", "the argument")
    Traceback (most recent call last):
    ...
    ValueError: the derivative has other keys than the argument: 'w' is missing, and 'b' is none of the argument's
    """
    treedef = tree_structure(pattern)
    found = paired(tree, treedef, what, whose)
    places = parts_below(treedef.unflatten(range(len(found))))  # the order of leaves is that of sorted keys
    return [(keystr(path_to(place)), part) for place, part in (found[i] for i in places)]


def as_one_array(part: Any) -> Any:
    """Nested lists as an array, where one is expected; anything else as it is."""
    if isinstance(part, (list, tuple)) and part and not isinstance(part[0], dict):
        return np.array(part, dtype=object)
    return part


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
        return _jax_array(number, what, path)
    if isinstance(number, np.ndarray):
        return _array(number, what, path, lambda values: np.array(values).astype(number.dtype), np.array)
    if isinstance(number, np.generic):
        scalar = type(number)
        return _array(np.asarray(number), what, path, lambda values: scalar(values[()]), lambda x: np.float64(x[()]))
    if isinstance(number, (float, int)):
        whole = isinstance(number, int)
        return Leaf(path, np.array(float(number)), DOUBLE, lambda values: float(values), whole)
    if isinstance(number, complex):
        raise TypeError(_complex(f"{what}{path} is the complex number {number!r}"))
    raise TypeError(
        f"{what}{path} is a {type(number).__name__}, {number!r}: expected a real number, an array of them, or "
        "a list, tuple or dict of those"
    )


def _complex(what: str) -> str:
    """Return what to write in the place of a function of complex numbers."""
    return (
        f"{what}, and derivatives are checked by real numbers, as libraries differ in what a complex gradient is. "
        "Check by real and imaginary parts: for a holomorphic g with derivative dg, "
        "f = lambda x, y: [g(x + 1j * y).real, g(x + 1j * y).imag] and df = lambda x, y: "
        "[(dg(x + 1j * y).real, -dg(x + 1j * y).imag), (dg(x + 1j * y).imag, dg(x + 1j * y).real)]; "
        "for a real f of a complex number, its derivatives by x and by y"
    )


def _tensor(tensor: Any, what: str, path: str) -> Leaf:
    torch: Any = sys.modules["torch"]
    if tensor.is_complex():
        raise TypeError(_complex(f"{what}{path} is a tensor of {tensor.dtype}"))

    def made(values: Array, kind: Any) -> Any:
        new = torch.tensor(values, dtype=kind, device=tensor.device)
        return new.requires_grad_(True) if tensor.requires_grad else new

    def make(values: Array) -> Any:
        return made(values, tensor.dtype)

    values = np.array(tensor.detach().cpu().to(torch.float64).numpy())
    if not tensor.is_floating_point():
        return Leaf(path, values, DOUBLE, make, integer=True)
    precision = _precision(tensor.dtype, torch.finfo)
    return Leaf(path, values, precision, make, False, _unless(precision, lambda values: made(values, torch.float64)))


def _jax_array(array: Any, what: str, path: str) -> Leaf:
    jnp: Any = sys.modules["jax.numpy"]

    def made(values: Array, kind: Any) -> Any:
        with doubles() if kind == np.float64 else nullcontext():
            return jnp.array(values, dtype=kind)

    kind = array.dtype
    precision = _precision(kind, jnp.finfo)
    wide = _unless(precision, lambda values: made(values, np.float64))
    return _array(array, what, path, lambda values: made(values, kind), wide, precision)


def doubles() -> AbstractContextManager[Any]:
    """While active, JAX has float64, whatever its configuration; nothing where there is no JAX."""
    jax: Any = sys.modules.get("jax")
    if jax is None:
        return nullcontext()
    # Older versions have it in jax.experimental only.
    owner: Any = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    context: AbstractContextManager[Any] = owner.enable_x64(True)
    return context


def _unless(precision: Precision, wide: Callable[[Array], Any]) -> Callable[[Array], Any] | None:
    return None if precision == DOUBLE else wide


def _array(
    array: Any,
    what: str,
    path: str,
    make: Callable[[Array], Any],
    wide: Callable[[Array], Any] | None = None,
    precise: Precision | None = None,
) -> Leaf:
    kind = np.dtype(array.dtype)
    if kind.kind == "c":
        raise TypeError(_complex(f"{what}{path} is an array of {kind}"))
    if kind.kind == "O":
        items = [leaf_of(item, what, f"{path}[{i}]") for i, item in enumerate(np.asarray(array).flat)]
        values = np.array([float(item.values) for item in items]).reshape(array.shape)
        return Leaf(path, values, DOUBLE, lambda values: values.copy())
    values = np.array(np.asarray(array), dtype=np.float64)
    if kind.kind in "iub":
        return Leaf(path, values, DOUBLE, make, integer=True)
    precision = precise or _precision(kind, np.finfo)
    return Leaf(path, values, precision, make, False, None if precision == DOUBLE else wide)


def _precision(kind: Any, information: Callable[[Any], Any]) -> Precision:
    """From finfo. Below float64, libraries may flush subnormal numbers to 0."""
    if getattr(kind, "kind", "") == "V" and "ml_dtypes" in sys.modules:  # bfloat16 and its kin in NumPy's arrays
        information = sys.modules["ml_dtypes"].finfo
    try:
        found = information(kind)
    except (ValueError, TypeError):
        return DOUBLE
    epsilon = float(found.eps)
    return DOUBLE if epsilon <= DOUBLE.epsilon else Precision(epsilon, float(found.tiny))


def _is_made_by(library: str, kind: str, number: Any) -> bool:
    module = sys.modules.get(library)
    return module is not None and hasattr(module, kind) and isinstance(number, getattr(module, kind))
