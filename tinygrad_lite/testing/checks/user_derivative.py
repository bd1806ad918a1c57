"""A function and a derivative that someone wrote for it, as vectors: f from N numbers to M, df as blocks of M by N."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.pytree.registry import parts_of
from tinygrad_lite.testing.checks.reproducer import code_of, number_text
from tinygrad_lite.testing.oracles.arrays import Leaf, as_one_array, leaf_of, leaves_of, parts_like
from tinygrad_lite.testing.oracles.differences import DOUBLE, OUTSIDE, Precision
from tinygrad_lite.testing.oracles.verdicts import FunctionError, shortened
from tinygrad_lite.value import Value

Array = NDArray[np.float64]

#: By how many units in the last place of the largest number sums differ that are added in another order.
ORDER_OF_SUMS = 64.0

#: Whose structure the results of f have.
_FIRST = "the result at the given point"


@dataclass(frozen=True)
class Output:
    """A number or an array in f's result.

    Attributes:
        path: Where it is: ``""`` for the whole, else such as ``['loss']``.
        shape: Its shape.
        start: The row of its first number.
    """

    path: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


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

    def of_row(self, row: int) -> float:
        """How large the finite derivatives of an output are."""
        sizes = np.abs(self.entries[row : row + 1] if self.elementwise else self.entries[row])
        return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))

    def dense(self) -> Array:
        """All of them as a matrix."""
        return np.diag(self.entries) if self.elementwise else self.entries

    def along(self, direction: Array) -> tuple[Array, Array]:
        """Its product with a direction, and the sums of the squares of the terms; what is not finite counts as 0."""
        entries = np.where(np.isfinite(self.entries), self.entries, 0.0)
        if self.elementwise:
            return entries * direction, (entries * direction) ** 2
        return entries @ direction, entries**2 @ direction**2

    def finite(self) -> NDArray[np.bool_]:
        """For each number, whether all derivatives by it are finite."""
        finite: NDArray[np.bool_] = np.isfinite(self.entries)
        return finite if self.elementwise else np.all(finite, axis=0)

    def sizes(self) -> Array:
        """For each number, the largest derivative by it."""
        return np.abs(self.entries) if self.elementwise else np.abs(self.entries).max(axis=0, initial=0.0)

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
        nondet_tol: By how much two calls may differ, relative to the largest number in the result; None: by what sums
            in another order do.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        df: Callable[..., Any],
        args: Sequence[Any],
        argnums: Sequence[int] | None,
        nondet_tol: float | None = None,
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
        self.precision = self.slope_precision = DOUBLE
        self.size = 1
        #: the numbers and arrays in f's result, and the result itself: later ones have its structure
        self.outputs = [Output("", (), 0)]
        self._pattern: Any = None
        self.nondet_tol = nondet_tol
        #: by how much two calls at one point differ, relative
        self.jitter = self.slope_jitter = 0.0
        first, again = self._values(self.point), self._values(self.point)
        self.size = first.size
        self.jitter = self._apart(first, again, self.precision, self.name)
        if self.jitter:  # two calls of such a function tell little of how far it strays
            others = [self._values(self.point) for _ in range(4)]
            self.jitter = max(self._apart(first, other, self.precision, self.name) for other in [again, *others])
            self.precision = self._strayed(self.precision)

    def _apart(self, first: Array, again: Array, precision: Precision, name: str) -> float:
        """By how much two results differ, relative to the largest number; an error if that is more than may be."""
        if np.array_equal(first, again, equal_nan=True):
            return 0.0
        size = float(np.max(np.abs(first), initial=0.0, where=np.isfinite(first)))
        with np.errstate(all="ignore"):
            differing = ~((first == again) | (np.isnan(first) & np.isnan(again)))
            apart = float(np.max(np.abs(first - again)[differing])) / size if size else math.inf
        allowed = ORDER_OF_SUMS * precision.epsilon if self.nondet_tol is None else self.nondet_tol
        if apart <= allowed:
            return apart
        raise FunctionError(
            f"{name} is not deterministic: {self.call_text(self.point, name)} gave {_shown(first)} and then "
            f"{_shown(again)}. Fix its random numbers: seed them inside the function; or say by how much it may "
            "differ, relative to the largest number, with nondet_tol="
        )

    def same_slopes(self, blocks: list[Block], again: list[Block]) -> None:
        """Note by how much two results of df differ; an error if that is more than may be."""
        one, other = (np.concatenate([block.entries.ravel() for block in found]) for found in (blocks, again))
        name = getattr(self.df, "__name__", "df")
        self.slope_jitter = self._apart(one, other, self.slope_precision, f"df ({name})" if name != "df" else name)

    def _strayed(self, precision: Precision) -> Precision:
        """Return a precision, or what it comes to in a function that gives another number each time."""
        return precision._replace(epsilon=max(precision.epsilon, self.jitter)) if self.jitter else precision

    def arguments(self, point: Array) -> tuple[Any, ...]:
        """Return new arguments like the given ones, with these numbers in them."""
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
        """f there as a flat array; nan where f is not defined, of which NumPy need not warn."""
        try:
            with np.errstate(all="ignore"):
                return self._values(point, watched=False)
        except FunctionError as error:
            if error.outside_domain:
                return np.full(self.size, math.nan)
            raise

    def _values(self, point: Array, watched: bool = True) -> Array:
        result = self._called(self.f, self.name, point, watched)
        if isinstance(result, complex) and not watched:  # as powers of negative numbers are
            return np.full(self.size, math.nan)
        what = f"the result of {self.name}"
        if watched and self._pattern is None:
            self._pattern = result
        parts = parts_like(result, self._pattern if watched or self._pattern is not None else result, what, _FIRST)
        leaves = [leaf_of(part, what, path) for path, part in parts]
        if not leaves:
            raise TypeError(f"{what} is an empty {type(result).__name__}: there is nothing to differentiate")
        shapes = [leaf.values.shape for leaf in leaves]
        if not watched and shapes != [output.shape for output in self.outputs]:
            known = [output.shape for output in self.outputs]
            raise FunctionError(f"{self.call_text(point)} has shape {_one(shapes)}, and {_one(known)} at another point")
        starts = [0, *itertools.accumulate(math.prod(shape) for shape in shapes[:-1])]
        self.outputs = [
            Output(leaf.path, shape, start) for leaf, shape, start in zip(leaves, shapes, starts, strict=True)
        ]
        self.precision = self._strayed(_coarsest([leaf.precision for leaf in leaves]))
        return np.concatenate([leaf.values.ravel() for leaf in leaves])

    def _called(self, function: Callable[..., Any], name: str, point: Array, watched: bool = True) -> Any:
        """Return the result; if watched, after looking whether the arguments were changed."""
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
                    f"{self.call_text(point, name)} changes its argument {i} in place, from {_shown(numbers)} to "
                    f"{_shown(_numbers(arg))}; make it work on a copy"
                )
        return result

    def derivative(self, point: Array) -> list[Block]:
        """df there, one block for each leaf of the arguments."""
        name = getattr(self.df, "__name__", "df")
        what = f"the result of {name}"
        result = self._called(self.df, name, point)
        self.slope_precision = DOUBLE
        if self.outputs[0].path == "":
            return self._blocks(result, self.outputs[0], what)
        parts = parts_like(result, self._pattern, what, f"the result of {self.name}")
        rows = [
            self._blocks(part, output, f"{what}{path}")
            for (path, part), output in zip(parts, self.outputs, strict=True)
        ]
        return [Block(np.concatenate([block.dense() for block in column]), False) for column in zip(*rows, strict=True)]

    def _blocks(self, result: Any, output: Output, what: str) -> list[Block]:
        """Return the derivative of one number or array of f's result."""
        parts = [result]
        if len(self.argnums) > 1:
            if not isinstance(result, (tuple, list)) or len(result) != len(self.argnums):
                raise ValueError(
                    f"{what} is {_described(result)}; of {len(self.argnums)} arguments it should be a tuple with one "
                    "derivative for each, or name those that it has with argnums="
                )
            parts = list(result)
        elif isinstance(result, tuple) and len(result) == 1 and not isinstance(self.args[self.argnums[0]], tuple):
            parts = list(result)
        blocks: list[Block] = []
        for i, part, (leaves, _) in zip(self.argnums, parts, self.parts, strict=True):
            blocks += self._by_argument(i, leaves, part, output, f"{what} for argument {i}")
        return blocks

    def _by_argument(self, i: int, leaves: list[Leaf], part: Any, output: Output, what: str) -> list[Block]:
        if part is None:
            raise FunctionError(f"{what} is None; where f does not depend on an argument, return zeros")
        argument = self.args[i]
        if (
            isinstance(argument, (list, tuple))
            and not isinstance(part, (list, tuple, dict))
            and not _has_dict(argument)
        ):
            whole = leaf_of(part, what)
            self.slope_precision = _coarsest([self.slope_precision, whole.precision])
            numbers = sum(leaf.values.size for leaf in leaves)
            if whole.values.size == output.size * numbers:
                ends = np.cumsum([leaf.values.size for leaf in leaves])[:-1]
                return [Block(block, False) for block in np.split(whole.values.reshape(-1, numbers), ends, axis=1)]
        places = parts_like(part, argument, what, "the argument")
        found = [leaf_of(as_one_array(item), what, path) for path, item in places]
        self.slope_precision = _coarsest([self.slope_precision, *(leaf.precision for leaf in found)])
        return [self._block(leaf, item, output, what) for leaf, item in zip(leaves, found, strict=True)]

    @staticmethod
    def _block(leaf: Leaf, item: Leaf, output: Output, what: str) -> Block:
        shape, got = leaf.values.shape, item.values.shape
        if got == output.shape + shape or (output.size == 1 and got == shape):
            return Block(item.values.reshape(output.size, leaf.values.size), False)
        if got == shape == output.shape:
            return Block(item.values.ravel(), True)
        also = f", or {shape} for the derivative of each element" if shape == output.shape else ""
        raise ValueError(
            f"{what}{item.path} has shape {got}. f's result{output.path} has shape {output.shape} and the argument has "
            f"{shape}, so its shape should be {output.shape + shape}{also}{_of_the_sum(output, shape, got)}"
        )

    def where(self, column: int) -> tuple[int, int]:
        """Return the leaf that holds a number, and its place there."""
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
        output = self._output(row)
        return output.path + _index(row - output.start, output.shape)

    def names_of(self, row: int, slope: Handwritten) -> tuple[str, str]:
        """Of which output and by which argument a number of df's result is; df is the function of the other rule."""
        output = slope.outputs[bisect.bisect_right([output.start for output in slope.outputs], row) - 1]
        place = np.unravel_index(row - output.start, output.shape) if output.shape else ()
        path, own = output.path, self.outputs[0].shape if len(self.outputs) == 1 else ()
        i = self.argnums[0]
        if len(self.argnums) > 1 and self.outputs[0].path == "":
            number, _, path = path.removeprefix("[").partition("]")
            i = self.argnums[int(number)]
        of, by = place[: len(own)], place[len(own) :]
        if output.shape == own and self.leaves[0].values.shape == own:  # elementwise
            of = by = place
        return _written(of), f"args[{i}]{path}{_written(by)}"

    def _output(self, row: int) -> Output:
        return next(output for output in reversed(self.outputs) if output.start <= row)

    def numbers(self, result: Any) -> list[Any]:
        """Return the numbers of a result of f, of whatever kind they are."""
        found: list[Any] = []
        for (_, part), output in zip(self._parts(result), self.outputs, strict=True):
            found += [part] if output.shape == () else list(np.asarray(part, dtype=object).ravel())
        return found

    def _parts(self, result: Any) -> list[tuple[str, Any]]:
        return parts_like(result, self._pattern, f"the result of {self.name}", _FIRST)

    def arguments_text(self, point: Array) -> str:
        """Return the arguments as code."""
        return ", ".join(code_of(arg, _text) for arg in self.arguments(point))

    def call_text(self, point: Array, name: str = "") -> str:
        """Return a call as code."""
        return f"{name or self.name}({shortened(self.arguments_text(point))})"

    @property
    def epsilon(self) -> Precision:
        """The least precise type that takes part."""
        return _coarsest([self.precision, *(leaf.precision for leaf in self.leaves)])

    def on_grid(self, point: Sequence[float]) -> Array:
        """Return the nearest point that the arguments' types hold."""
        return np.array([self.leaves[self.where(i)[0]].nearest(x) for i, x in enumerate(point)])


def _coarsest(precisions: list[Precision]) -> Precision:
    return max(precisions, key=lambda precision: precision.epsilon)


def _name_of(f: Callable[..., Any]) -> str:
    """Return what a function is called: with its class if it is a class's, as ``Swish.apply`` of
    torch.autograd.Function is.

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
    """Return a copy of an array or a structure with arrays in it; anything else as it is."""
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


def _shown(numbers: Array) -> str:
    return shortened(str(numbers.tolist()))


def _index(place: int, shape: tuple[int, ...]) -> str:
    return _written(np.unravel_index(place, shape)) if shape else ""


def _written(place: Sequence[Any]) -> str:
    return f"[{', '.join(str(int(i)) for i in place)}]" if len(place) else ""


def _of_the_sum(output: Output, shape: tuple[int, ...], got: tuple[int, ...]) -> str:
    """Return what to do with what grad(f(x).sum(), x) gives."""
    if got != shape:
        return ""
    return ". If it is the derivative of f(x).sum(), check lambda x: f(x).sum()"


def _has_dict(tree: Any) -> bool:
    parts = parts_of(tree)
    return parts is not None and (not parts.container.is_sequence or any(map(_has_dict, parts.items)))


def _one(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


def _described(result: Any) -> str:
    kind = type(result).__name__
    return f"a {kind} of {len(result)}" if isinstance(result, (tuple, list)) else f"a {kind}"


def _text(arg: Any) -> str:
    if isinstance(arg, Value):
        return f"Value({number_text(arg.data)})"
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
