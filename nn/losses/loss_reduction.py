"""Predictions and targets of any structure brought together, number by number, and the losses of all reduced to one.

What the loss of one number is, its formula says (:mod:`tinygrad_lite.nn.losses.losses`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from tinygrad_lite.functions import mean, sum
from tinygrad_lite.nn.base.shapes import Nest, as_object_array, is_number
from tinygrad_lite.pytree import is_array
from tinygrad_lite.trace_mode import Demand, demanded
from tinygrad_lite.value import Value, operand

Number = Value | float
#: Where in a structure something is: the place of the sequence that it is in, and its index. Only messages read it.
Place = tuple[Any, int] | None

REDUCTIONS: Final = ("mean", "sum", "none")

#: Types of which every instance is a number.
_NUMBERS: Final = frozenset((Value, float, int, bool))


def each_number(
    formula: Callable[..., Value],
    input: Nest,
    target: Nest,
    reduction: str,
    *,
    demands: Sequence[Demand] = (),
    weight: Nest = None,
    pos_weight: Nest = None,
) -> Any:
    """Compute the loss of each number of ``input`` and the number of ``target`` in the same place, reduced.

    Args:
        formula: ``formula(prediction, target)``, on one number each; the prediction is a Value.
        input: A Value or a number, or a list, tuple or array of these, nested in any way.
        target: As many numbers, in the same structure.
        reduction: ``"mean"`` or ``"sum"`` over all numbers, or ``"none"``.
        demands: What is demanded of the numbers of ``"input"`` and ``"target"``.
        weight: What each loss is multiplied by: one number for all, or numbers in the structure of ``input``, of which
            the first axes may be left out. None for no weight.
        pos_weight: The formula's third argument, given in the same way. None for none.

    Returns:
        A Value; for ``"none"`` a Value each, in lists as ``input`` is (an object array for an array).

    Raises:
        ValueError: The structures differ, they are empty, a number is refused, or there is no such reduction.
        TypeError: Something is no number.

    >>> each_number(lambda z, y: z - y, [3.0, 5.0], [1.0, 2.0], "sum").data
    5.0
    """
    check_reduction(reduction)
    given = {"input": input, "target": target, "pos_weight": pos_weight, "weight": weight}
    trees = {name: tree for name, tree in given.items() if tree is not None or name == "target"}
    columns: dict[str, list[Any]] = {name: [] for name in trees}
    _gather(trees, None, columns)
    for demand in demands:
        _check_numbers(demand, columns[demand.what], input)
    predictions = map(operand, columns.pop("input"))
    factors = columns.pop("weight", None)
    losses = list(map(formula, predictions, *[map(as_number, column) for column in columns.values()]))
    if factors is not None:
        losses = [as_number(factor) * loss for factor, loss in zip(factors, losses, strict=True)]
    if reduction != "none":
        return reduce_losses(losses, reduction)
    structure = _in_structure(input, iter(losses))
    return as_object_array(structure) if is_array(input) else structure


def reduce_losses(losses: Sequence[Value], reduction: str, total: Any = None) -> Value:
    """Return their mean or sum, as one node; one loss is its own.

    Args:
        losses: At least one Value.
        reduction: ``"mean"`` or ``"sum"``.
        total: What the mean divides by; how many they are, if left out.

    Raises:
        ValueError: There are none.

    >>> reduce_losses([Value(1.0), Value(2.0)], "mean").data
    1.5
    """
    if not losses:
        raise ValueError(f"the {reduction} of the loss needs at least one prediction, and was given none")
    if reduction == "mean" and total is None:
        return mean(losses) if len(losses) > 1 else losses[0]
    whole = sum(losses) if len(losses) > 1 else losses[0]
    return whole / total if reduction == "mean" else whole


def check_reduction(reduction: str, names: Sequence[str] = REDUCTIONS) -> None:
    """Raise unless it is one of the names.

    >>> check_reduction("max")
    Traceback (most recent call last):
    ...
    ValueError: reduction is 'mean', 'sum' or 'none', not 'max'
    """
    if reduction not in names:
        *first, last = map(repr, names)
        raise ValueError(f"reduction is {', '.join(first)} or {last}, not {reduction!r}")


def depth(tree: Nest) -> int:
    """Return how deeply sequences are nested, along the first items.

    >>> depth([[1.0], [2.0]])
    2
    """
    count = 0
    while isinstance(tree, (list, tuple)) and len(tree):
        count += 1
        tree = tree[0]
    return count + (tree.ndim if is_array(tree) else isinstance(tree, (list, tuple)))


def get_size(tree: Nest, name: str, place: Place) -> int:
    """Return how many items a sequence has.

    Raises:
        TypeError: It is no list, tuple or array.

    >>> get_size([1.0, 2.0], "input", None)
    2
    """
    if not (isinstance(tree, (list, tuple)) or (is_array(tree) and tree.ndim)):
        said = f"{name}{format_place(place)} is a {type(tree).__name__}"
        raise TypeError(f"{said}; expected Values and numbers, in lists, tuples or arrays")
    return len(tree)


def check_sizes(size: int | None, target_size: int | None, place: Place, expected: str) -> None:
    """Raise unless both are sequences of one size, or both are one number (None).

    >>> check_sizes(2, None, (None, 0), "there is one target for each prediction")
    Traceback (most recent call last):
    ...
    ValueError: input[0] is a sequence of 2 and target[0] is one number: there is one target for each prediction
    """
    if size != target_size:
        said = ["one number" if n is None else f"a sequence of {n}" for n in (size, target_size)]
        at = format_place(place)
        raise ValueError(f"input{at} is {said[0]} and target{at} is {said[1]}: {expected}")


def format_place(place: Place) -> str:
    """Return the place as it is written after a name.

    >>> format_place(((None, 2), 0))
    '[2][0]'
    """
    indices = []
    while place is not None:
        place, i = place
        indices.append(f"[{i}]")
    return "".join(reversed(indices))


def as_number(item: Any) -> Number:
    """Return a Value as it is, any other number as Python's float.

    >>> as_number(1)
    1.0
    """
    return item if isinstance(item, Value) else float(item)


def get_data(number: Number) -> float:
    """Return the float, of a Value or itself.

    >>> get_data(Value(2.0))
    2.0
    """
    return number.data if isinstance(number, Value) else number


def _gather(trees: Mapping[str, Any], place: Place, columns: Mapping[str, list[Any]]) -> None:
    """Append the numbers of each tree to its column, those of one place side by side."""
    if all(map(is_number, trees.values())):
        for name, number in trees.items():
            columns[name].append(number)
        return
    rows = _rows(trees, place)
    if all(_NUMBERS.issuperset(map(type, row)) for row in rows.values()):  # a quick way through flat lists
        for name, row in rows.items():
            columns[name].extend(row)
        return
    for i, items in enumerate(zip(*rows.values(), strict=True)):
        _gather(dict(zip(rows, items, strict=True)), (place, i), columns)


def _rows(trees: Mapping[str, Any], place: Place) -> dict[str, Sequence[Any]]:
    """Return the items of each tree; a weight of fewer axes than the input is repeated beside each of its items."""
    sizes = {name: None if is_number(tree) else get_size(tree, name, place) for name, tree in trees.items()}
    size = sizes["input"]
    of_one = " (for outputs in lists of one, write each target in a list of one)" if size == 1 else ""
    check_sizes(size, sizes["target"], place, f"there is one target for each prediction{of_one}")
    rows: dict[str, Sequence[Any]] = {}
    for name, tree in trees.items():
        if name in ("input", "target") or (sizes[name] == size and depth(tree) == depth(trees["input"])):
            rows[name] = tree
        elif sizes[name] is None or depth(tree) < depth(trees["input"]):
            rows[name] = [tree] * (size or 0)
        else:
            said = "is one number" if size is None else f"has {size}"
            raise ValueError(
                f"{name} has {sizes[name]} items where input{format_place(place)} {said}: give one number for all, or "
                "numbers in the structure of input (the first axes may be left out)"
            )
    return rows


def _check_numbers(demand: Demand, column: Sequence[Any], input: Nest) -> None:
    """Raise with the place of the first number that is not as demanded."""
    for index, item in enumerate(column):
        if demanded(item, demand):  # its number is not known yet
            continue
        number = get_data(item)
        if not demand.admits(number):
            raise ValueError(demand.message(number, format_place(list(_places(input, None))[index])))


def _places(tree: Nest, place: Place) -> Iterator[Place]:
    """Yield the place of each number."""
    if is_number(tree):
        yield place
    else:
        for i, part in enumerate(tree):
            yield from _places(part, (place, i))


def _in_structure(tree: Nest, losses: Iterator[Value]) -> Any:
    """Return the losses in lists, as the tree's numbers are."""
    return next(losses) if is_number(tree) else [_in_structure(part, losses) for part in tree]
