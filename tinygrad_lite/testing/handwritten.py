"""A function and a derivative that someone wrote for it, as vectors: f from N numbers to M, df as blocks of M by N."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.testing.arrays import Leaf, leaf_of, leaves_of
from tinygrad_lite.testing.differences import DOUBLE, OUTSIDE, Precision
from tinygrad_lite.testing.source import number_text
from tinygrad_lite.testing.verdicts import FunctionError
from tinygrad_lite.value import Value

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """The derivative by the numbers of one leaf: of every output, or of each output by the number in the same place."""

    entries: Array
    elementwise: bool

    def entry(self, row: int, column: int) -> float:
        """∂ output row / ∂ number column."""
        if self.elementwise:
            return float(self.entries[column]) if row == column else 0.0
        return float(self.entries[row, column])

    def weighted(self, rows: Array, columns: Array) -> Array:
        """All of them, each times its row's and its column's weight, as far as they are given."""
        if self.elementwise:
            return self.entries * rows * columns
        return self.entries * rows[:, None] * columns


class Handwritten:
    """f and df at args; every call gets fresh copies, and what cannot be checked is an error that says why.

    Args:
        f: Gives a number or an array.
        df: Gives its derivative.
        args: The arguments of both.
        argnums: By which to differentiate; None: by all.
    """

    def __init__(
        self, f: Callable[..., Any], df: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int] | None
    ) -> None:
        for name, function in (("f", f), ("df", df)):
            if not callable(function):
                raise TypeError(f"check_derivative(f, df, *args): {name} is to be called, but it is {function!r}")
        if not args:
            raise TypeError("check_derivative(f, df, *args) needs arguments to call f with, such as 2.0")
        self.f, self.df, self.args = f, df, tuple(args)
        self.argnums = tuple(range(len(args))) if argnums is None else tuple(argnums)
        self.name = _name_of(f)
        for i in self.argnums:
            if not 0 <= i < len(args):
                raise ValueError(f"argnums names argument {i}, but there are {len(args)}, counted from 0")
        self.parts = [leaves_of(args[i], f"argument {i}") for i in self.argnums]
        self.leaves = [leaf for leaves, _ in self.parts for leaf in leaves]
        for i, (leaves, _) in zip(self.argnums, self.parts, strict=True):
            _require_floats(i, leaves)
        self.point = np.concatenate([leaf.values.ravel() for leaf in self.leaves])
        self.precision = DOUBLE
        self.size = 1
        self.shape: tuple[int, ...] = ()
        first, again = self._values(self.point), self._values(self.point)
        if not np.array_equal(first, again, equal_nan=True):
            raise FunctionError(
                f"{self.name} is not deterministic: {self.call_text(self.point)} gave {first.tolist()} and then "
                f"{again.tolist()}. Fix its random numbers: seed them inside the function"
            )
        self.size = first.size

    def arguments(self, point: Array) -> tuple[Any, ...]:
        """New arguments like the given ones, with these numbers in them."""
        made = list(self.args)
        for i, arg in enumerate(made):
            made[i] = _copied(arg)
        start = 0
        for i, (leaves, rebuild) in zip(self.argnums, self.parts, strict=True):
            items = []
            for leaf in leaves:
                numbers = point[start : start + leaf.values.size].reshape(leaf.values.shape)
                items.append(leaf.make(numbers.copy()))
                start += leaf.values.size
            made[i] = rebuild(iter(items))
        return tuple(made)

    def values(self, point: Array) -> Array:
        """f there as a flat array; nan where f is not defined."""
        try:
            return self._values(point, watched=False)
        except FunctionError as error:
            if error.outside_domain:
                return np.full(self.size, math.nan)
            raise

    def _values(self, point: Array, watched: bool = True) -> Array:
        result = self._called(self.f, self.name, point, watched)
        if isinstance(result, (list, tuple, dict)):
            raise TypeError(
                f"{self.name} gives a {type(result).__name__}; it should give a number or one array. Check each output "
                "by itself, as with lambda x: f(x)[0]"
            )
        if isinstance(result, complex):
            return np.full(self.size, math.nan)
        leaf = leaf_of(result, f"the result of {self.name}")
        if not watched and leaf.values.size != self.size:
            raise FunctionError(
                f"{self.call_text(point)} has shape {leaf.values.shape}, and {self.shape} at another point"
            )
        self.precision, self.shape = leaf.precision, leaf.values.shape
        return leaf.values.ravel()

    def _called(self, function: Callable[..., Any], name: str, point: Array, watched: bool = True) -> Any:
        """The result; if watched, after looking whether the arguments were changed."""
        args = self.arguments(point)
        before = [_numbers(arg) if watched else None for arg in args]
        try:
            result = function(*args)
        except Exception as error:
            raise FunctionError(
                f"{self.call_text(point, name)} raises {type(error).__name__}: {error}", isinstance(error, OUTSIDE)
            ) from error
        if result is None:
            raise FunctionError(f"{self.call_text(point, name)} returns None; is a return statement missing?")
        for i, (arg, numbers) in enumerate(zip(args, before, strict=True)):
            if numbers is not None and not np.array_equal(_numbers(arg), numbers, equal_nan=True):
                raise FunctionError(
                    f"{self.call_text(point, name)} changes its argument {i} in place, from {numbers.tolist()} to "
                    f"{_numbers(arg).tolist()}; make it work on a copy"
                )
        return result

    def derivative(self, point: Array) -> list[Block]:
        """df there, one block for each leaf of the arguments."""
        name = getattr(self.df, "__name__", "df")
        result = self._called(self.df, name, point)
        parts = [result]
        if len(self.argnums) > 1:
            if not isinstance(result, (tuple, list)) or len(result) != len(self.argnums):
                raise ValueError(
                    f"{name} returns {_described(result)}; of {len(self.argnums)} arguments it should be a tuple with "
                    f"one derivative for each, or name those that it has with argnums="
                )
            parts = list(result)
        elif isinstance(result, tuple) and len(result) == 1 and not isinstance(self.args[self.argnums[0]], tuple):
            parts = list(result)
        blocks: list[Block] = []
        for i, part, (leaves, _) in zip(self.argnums, parts, self.parts, strict=True):
            blocks += self._blocks(leaves, part, f"the result of {name} for argument {i}")
        return blocks

    def _blocks(self, leaves: list[Leaf], part: Any, what: str) -> list[Block]:
        if part is None:
            raise FunctionError(f"{what} is None; where f does not depend on an argument, return zeros")
        found, _ = leaves_of(part, what)
        numbers = sum(leaf.values.size for leaf in leaves)
        if len(found) == 1 != len(leaves) and found[0].values.size == self.size * numbers:
            whole = found[0].values.reshape(self.size, numbers)
            ends = np.cumsum([leaf.values.size for leaf in leaves])[:-1]
            return [Block(block, False) for block in np.split(whole, ends, axis=1)]
        if len(found) != len(leaves):
            raise ValueError(f"{what} has {len(found)} parts, but the argument has {len(leaves)}")
        return [self._block(leaf, item, what) for leaf, item in zip(leaves, found, strict=True)]

    def _block(self, leaf: Leaf, item: Leaf, what: str) -> Block:
        shape, got = leaf.values.shape, item.values.shape
        if got == self.shape + shape or (self.size == 1 and got == shape):
            return Block(item.values.reshape(self.size, leaf.values.size), False)
        if got == shape == self.shape:
            return Block(item.values.ravel(), True)
        also = f", or {shape} for the derivative of each element" if shape == self.shape else ""
        raise ValueError(
            f"{what}{item.path} has shape {got}. f's result has shape {self.shape} and the argument has {shape}, so "
            f"its shape should be {self.shape + shape}{also}"
        )

    def where(self, column: int) -> tuple[int, int]:
        """The leaf that holds a number, and its place there."""
        leaf = 0
        while column >= self.leaves[leaf].values.size:
            column -= self.leaves[leaf].values.size
            leaf += 1
        return leaf, column

    def argument_name(self, column: int) -> str:
        """Such as ``args[0]['w'][2]``."""
        leaf, place = self.where(column)
        owners = [i for i, (leaves, _) in zip(self.argnums, self.parts, strict=True) for _ in leaves]
        return f"args[{owners[leaf]}]{self.leaves[leaf].path}{_index(place, self.leaves[leaf].values.shape)}"

    def output_name(self, row: int) -> str:
        """Such as ``[3]``; nothing for a single number."""
        return _index(row, self.shape)

    def arguments_text(self, point: Array) -> str:
        """The arguments as code."""
        return ", ".join(_text(arg) for arg in self.arguments(point))

    def call_text(self, point: Array, name: str = "") -> str:
        """A call as code."""
        return f"{name or self.name}({self.arguments_text(point)})"

    @property
    def epsilon(self) -> Precision:
        """The least precise type that takes part."""
        return max([self.precision, *(leaf.precision for leaf in self.leaves)], key=lambda p: p.epsilon)


def _name_of(f: Callable[..., Any]) -> str:
    """What a function is called: with its class if it is a class's, as ``Swish.apply`` of torch.autograd.Function is.

    >>> _name_of(abs), _name_of(dict.fromkeys), _name_of(lambda x: x)
    ('abs', 'dict.fromkeys', '<lambda>')
    """
    name: str = getattr(f, "__name__", type(f).__name__)
    owner = getattr(f, "__self__", None)
    return f"{owner.__name__}.{name}" if isinstance(owner, type) else name


def _require_floats(i: int, leaves: list[Leaf]) -> None:
    if not sum(leaf.values.size for leaf in leaves):
        raise ValueError(f"argument {i} holds no numbers; leave it out with argnums=")
    for leaf in leaves:
        if leaf.integer:
            first = int(leaf.values.flat[0]) if leaf.values.size else 0
            raise TypeError(
                f"argument {i}{leaf.path} holds integers, and there is no derivative by those: write floats, such as "
                f"{first}.0, or leave the argument out with argnums="
            )


def _copied(arg: Any) -> Any:
    """A copy of an array or a structure with arrays in it; anything else as it is."""
    try:
        leaves, rebuild = leaves_of(arg, "it")
    except TypeError:
        return arg
    if not any(leaf.values.ndim for leaf in leaves):
        return arg
    return rebuild(iter([leaf.make(leaf.values.copy()) for leaf in leaves]))


def _numbers(arg: Any) -> Any:
    """All its numbers; None for what holds none."""
    try:
        leaves, _ = leaves_of(arg, "it")
    except TypeError:
        return None
    return np.concatenate([np.zeros(0), *(leaf.values.ravel() for leaf in leaves)])


def _index(place: int, shape: tuple[int, ...]) -> str:
    return f"[{', '.join(str(int(i)) for i in np.unravel_index(place, shape))}]" if shape else ""


def _described(result: Any) -> str:
    kind = type(result).__name__
    return f"a {kind} of {len(result)}" if isinstance(result, (tuple, list)) else f"a {kind}"


def _text(arg: Any) -> str:
    if isinstance(arg, Value):
        return f"Value({number_text(arg.data)})"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{key!r}: {_text(item)}" for key, item in arg.items()) + "}"
    if isinstance(arg, (list, tuple)):
        inner = ", ".join(_text(item) for item in arg)
        if isinstance(arg, list):
            return f"[{inner}]"
        return f"({inner},)" if len(arg) == 1 else f"({inner})"
    if isinstance(arg, float) and not isinstance(arg, np.generic):
        return number_text(arg)
    library = type(arg).__module__.partition(".")[0]
    if library == "torch":
        grad = ", requires_grad=True" if arg.requires_grad else ""
        return f"torch.tensor({_listed(arg.detach().cpu().double().numpy())}, dtype={arg.dtype}{grad})"
    if library in ("jax", "jaxlib"):
        return f"jax.numpy.array({_listed(np.asarray(arg).astype(float))}, dtype={str(arg.dtype)!r})"
    if isinstance(arg, np.ndarray) and arg.dtype != object:
        kind = "" if arg.dtype == float else f", dtype={str(arg.dtype)!r}"
        return f"numpy.array({_listed(arg.astype(float))}{kind})"
    return repr(arg)


def _listed(array: Array) -> str:
    """Nested lists as code; equal neighbours of a long one as [0.0] * 99."""
    if array.ndim != 1 or array.size <= 16:
        return "[" + ", ".join(_listed(row) for row in array) + "]" if array.ndim else number_text(float(array))
    runs = [(number, len(list(group))) for number, group in itertools.groupby(array.tolist())]
    if len(runs) > array.size // 4:
        return "[" + ", ".join(number_text(number) for number in array.tolist()) + "]"
    return " + ".join(f"[{number_text(number)}]" + (f" * {count}" if count > 1 else "") for number, count in runs)
