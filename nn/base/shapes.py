"""The shapes of nested lists, tuples and NumPy arrays of Values, and how a layer says which it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any, Final, TypeAlias

from tinygrad_lite.node.fields import is_numpy_scalar
from tinygrad_lite.pytree import foreign, is_array
from tinygrad_lite.value import Value, operand

#: A Value, or equally long sequences of nests.
Nest: TypeAlias = Any
#: The axes that a layer takes: a number where the size is given, a name such as ``"L"`` where any will do.
Axes = tuple[int | str, ...]

#: Types of which every instance is a number: a quick way through the last axis.
_NUMBERS: Final = frozenset((Value, float, int))


def is_number(item: object) -> bool:
    """Tell whether it is one number: a Value, a float, an int, or NumPy's.

    >>> is_number(Value(1.0)), is_number([1.0])
    (True, False)
    """
    return isinstance(item, (Value, float, int)) or is_numpy_scalar(item)


def shape_of(tree: Nest) -> tuple[int, ...]:
    """Return how many items there are along each axis.

    Raises:
        TypeError: Something in it is neither a number nor a list, a tuple or an array.
        ValueError: Its parts have different shapes.

    >>> shape_of([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    (2, 3)
    >>> shape_of(Value(1.0))
    ()
    """
    if is_array(tree):
        unlike = foreign(tree)
        if unlike:
            raise TypeError(f"expected numbers in lists, tuples or NumPy's own arrays, not {unlike}")
        return tuple(tree.shape)
    if is_number(tree):
        return ()
    if not isinstance(tree, (list, tuple)):
        raise TypeError(f"expected Values and numbers in lists, tuples or arrays, not {type(tree).__name__} {tree!r}")
    if _NUMBERS.issuperset(map(type, tree)):
        return (len(tree),)
    first = shape_of(tree[0])
    for i in range(1, len(tree)):
        shape = shape_of(tree[i])
        if shape != first:
            raise ValueError(f"parts of different shapes: item 0 has shape {first}, item {i} has shape {shape}")
    return (len(tree), *first)


def flat(tree: Nest) -> Iterator[Any]:
    """Go through its numbers, the last axis running fastest.

    >>> list(flat([[1, 2], [3, 4]]))
    [1, 2, 3, 4]
    """
    items: list[Any] = []
    _gather(tree, items)
    return iter(items)


def _gather(tree: Nest, items: list[Any]) -> None:
    """Add the numbers of a nest to a list."""
    if is_array(tree):
        items += tree.ravel().tolist()
    elif not isinstance(tree, (list, tuple)):
        items.append(tree)
    elif _NUMBERS.issuperset(map(type, tree)):
        items += tree
    else:
        for part in tree:
            _gather(part, items)


def nested(shape: Sequence[int], items: Iterator[Any]) -> Nest:
    """Return nested lists of this shape, filled with the items in order.

    >>> nested((2, 2), iter("abcd"))
    [['a', 'b'], ['c', 'd']]
    """
    if not shape:
        return next(items)
    return [nested(shape[1:], items) for _ in range(shape[0])]


def parameters_of_shape(shape: Sequence[int], data: float = 0.0) -> Nest:
    """Return nested tuples of new leaves: tuples, because the nodes of the graph share them.

    >>> parameters_of_shape((2, 1))
    ((Value(data=0.0, grad=0.0),), (Value(data=0.0, grad=0.0),))
    """
    if not shape:
        return Value(data)
    return tuple([parameters_of_shape(shape[1:], data) for _ in range(shape[0])])


def values(tree: Nest) -> Nest:
    """Return the same nest, in lists, with a constant in the place of each plain number; the last axis in tuples.

    >>> values([[1.0, 2.0]])[0]
    (Value(data=1.0, grad=0.0), Value(data=2.0, grad=0.0))
    """
    if is_array(tree):
        tree = tree.tolist()
    if isinstance(tree, (list, tuple)):
        if tree and not isinstance(tree[0], (list, tuple)) and not is_array(tree[0]):
            return tuple([x if type(x) is Value else operand(x) for x in tree])
        return [values(part) for part in tree]
    return operand(tree)


def like(given: Nest, result: Nest) -> Nest:
    """Return the result in the container of what was given: an object array for an array, else as it is.

    >>> import numpy as np
    >>> like(np.zeros(2), [Value(1.0), Value(2.0)]).shape
    (2,)
    """
    return as_object_array(result) if is_array(given) else result


def as_object_array(tree: Nest) -> Any:
    """Return a NumPy array of the nest's Values.

    >>> as_object_array([[Value(1.0)], [Value(2.0)]]).shape
    (2, 1)
    """
    import numpy

    shape = shape_of(tree)
    array = numpy.empty(shape, dtype=object)
    array.reshape(-1)[:] = list(flat(tree))
    return array


def map_numbers(function: Callable[[Any], Any], tree: Nest) -> Nest:
    """Apply the function to each number, in lists.

    >>> map_numbers(lambda x: 2 * x, [[1, 2], [3, 4]])
    [[2, 4], [6, 8]]
    """
    if is_array(tree):
        tree = tree.tolist()
    if isinstance(tree, (list, tuple)):
        return [map_numbers(function, part) for part in tree]
    return function(tree)


def map_vectors(function: Callable[[Any], Any], tree: Nest, depth: int) -> Nest:
    """Apply the function to what lies below the first ``depth`` axes, in lists.

    >>> map_vectors(sum, [[1, 2], [3, 4]], 1)
    [3, 7]
    """
    return function(tree) if depth == 0 else [map_vectors(function, part, depth - 1) for part in tree]


def check_size(name: str, size: Any) -> None:
    """Raise unless the size is a positive whole number: an int, or NumPy's.

    >>> check_size("in_features", 0)
    Traceback (most recent call last):
    ...
    ValueError: in_features is a positive number, not 0
    """
    if not isinstance(size, Integral) or isinstance(size, bool):
        raise TypeError(f"{name} is a positive int, not {type(size).__name__} {size!r}")
    if size < 1:
        raise ValueError(f"{name} is a positive number, not {size!r}")


def check_shape(head: str, given: Nest, *accepted: Axes, name: str = "an input") -> tuple[int, ...]:
    """Check that a layer takes the shape of what it was given, and return the shape.

    Args:
        head: The layer, as messages name it: ``"Linear(2, 3)"``.
        given: A nest.
        accepted: The axes that it takes; a first ``"*"`` stands for any number of axes.
        name: What was given.

    Raises:
        TypeError: Something in it is no number.
        ValueError: It has none of these shapes.

    >>> check_shape("Conv1d(3, 8, 5)", [[0.0] * 7] * 3, (3, "L"), ("N", 3, "L"))
    (3, 7)
    >>> check_shape("Linear(2, 3)", [1.0, 2.0, 3.0], ("*", 2))
    Traceback (most recent call last):
    ...
    ValueError: Linear(2, 3) takes an input of shape (*, 2), and was given one of shape (3,)
    """
    try:
        shape = shape_of(given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{head} takes {name} of shape {_alternatives(accepted)}, and was given {error}") from None
    for axes in accepted:
        if _fits(shape, axes):
            return shape
    raise ValueError(f"{head} takes {name} of shape {_alternatives(accepted)}, and was given one of shape {shape}")


def _fits(shape: tuple[int, ...], axes: Axes) -> bool:
    if axes and axes[0] == "*":
        rest = axes[1:]
        return len(shape) >= len(rest) and _fits(shape[len(shape) - len(rest) :], rest)
    return len(shape) == len(axes) and all(
        isinstance(axis, str) or axis == size for axis, size in zip(axes, shape, strict=True)
    )


def _alternatives(accepted: Sequence[Axes]) -> str:
    return " or ".join(f"({', '.join(map(str, axes))}{',' if len(axes) == 1 else ''})" for axes in accepted)
