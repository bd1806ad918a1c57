"""The samples of a class loss: scores of C classes each, the right class or the probabilities of all, and a weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tinygrad_lite.functions import equal, lookup, not_equal, sum, where
from tinygrad_lite.nn.base.shapes import Nest, is_number, map_numbers
from tinygrad_lite.nn.losses.loss_reduction import (
    Number,
    Place,
    as_number,
    check_reduction,
    check_sizes,
    depth,
    format_place,
    get_data,
    get_size,
    reduce_losses,
)
from tinygrad_lite.trace_mode import Demand, demanded, is_traced
from tinygrad_lite.value import Value, operand

Weights = Sequence[Number] | None
#: How far the sum of given probabilities may be from 1, for those that come from float32.
_TOLERANCE = 1e-4
_PROBABILITY = Demand("target", "is {}, and a probability is in [0, 1]", 0.0, 1.0 + _TOLERANCE)


class Sample(NamedTuple):
    """The scores of one sample, and its target."""

    #: One for each of the C classes.
    scores: tuple[Value, ...]
    #: The index of the right class, or the probability of each.
    target: Number | tuple[Number, ...]
    #: Where in the structure it stands.
    place: Place


def each_sample(
    formula: Callable[[tuple[Value, ...], Any, Weights], Value],
    input: Nest,
    target: Nest,
    weight: Weights,
    reduction: str,
    *,
    ignore_index: int | None = None,
    weighted_mean: bool = True,
) -> Any:
    """Compute the loss of each sample, and reduce them.

    Args:
        formula: ``formula(scores, target, weight)`` of one sample.
        input: The scores, of shape (C,), (N, C) or (N, C, d₁, …).
        target: Class indices, of shape (), (N,) or (N, d₁, …); or probabilities, of the shape of ``input``.
        weight: A number for each class, or None.
        reduction: ``"mean"`` over the samples, ``"sum"``, or ``"none"``.
        ignore_index: Samples of this class index do not count.
        weighted_mean: Whether the mean divides by the sum of the right classes' weights, not by their number.

    Returns:
        A Value; for ``"none"`` nested lists of Values in the shape of the class indices.

    Raises:
        ValueError: Shapes or sizes do not agree, an index or a probability is out of range, nothing is left to take the
            mean of, or there is no such reduction.
        TypeError: Something is no number.

    >>> each_sample(lambda scores, k, _: scores[int(k)], [[1.0, 2.0], [3.0, 4.0]], [0, 1], None, "sum").data
    5.0
    """
    check_reduction(reduction)
    samples, structure = read_samples(input, target)
    weights = None if weight is None else _class_weights(weight, samples)
    losses: list[Value] = []
    counted: list[Value] = []
    totals: list[Number] = []
    if _may_be_ignored(samples, ignore_index):
        return _with_ignored(formula, samples, structure, weights, reduction, ignore_index, weighted_mean)
    for sample in samples:
        if _is_ignored(sample, ignore_index):
            losses.append(operand(0.0))
            continue
        _check_target(sample, ignore_index)
        counted.append(formula(sample.scores, sample.target, weights))
        losses.append(counted[-1])
        totals.append(1.0 if weights is None or isinstance(sample.target, tuple) else item(weights, sample.target))
    if reduction == "none":
        return map_numbers(lambda i: losses[i], structure)
    if samples and not counted:
        if reduction == "sum":
            return operand(0.0)
        raise ValueError(_nothing_counts(ignore_index))
    return reduce_losses(counted, reduction, sum(totals) if weights is not None and weighted_mean else None)


def read_samples(input: Nest, target: Nest) -> tuple[list[Sample], Nest]:
    """Return the samples in scores of shape (C,), (N, C) or (N, C, d₁, …), each with its target.

    Returns:
        The samples, and their numbers 0, 1, 2, … in the structure of the class indices.

    Raises:
        ValueError: The shapes do not agree.
        TypeError: Something is no number.

    >>> samples, structure = read_samples([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    >>> [sample.target for sample in samples], structure
    ([0.0, 1.0], [0, 1])
    """
    axes, target_axes = depth(input), depth(target)
    if axes == 0:
        if not is_number(input):
            get_size(input, "input", None)
        raise ValueError("input is one number: a class loss takes a score for each class, of shape (C,) or (N, C)")
    if target_axes == 0 and not is_number(target):
        get_size(target, "target", None)
    if target_axes not in (axes - 1, axes):
        raise ValueError(
            f"input has {axes} {'axis' if axes == 1 else 'axes'} and target has {target_axes}: for scores of shape "
            "(C,) give a class index or C probabilities, for (N, C) give N class indices or (N, C) probabilities"
        )
    samples: list[Sample] = []
    by_index = target_axes < axes
    if axes == 1:
        return samples, _gather(input, target, by_index, None, samples)
    get_size(target, "target", None)
    check_sizes(len(input), len(target), None, "there is one target for each sample")
    return samples, [
        _gather(scores, y, by_index, (None, n), samples)
        for n, (scores, y) in enumerate(zip(input, target, strict=True))
    ]


def _is_ignored(sample: Sample, ignore_index: int | None) -> bool:
    """Tell whether it does not count."""
    if ignore_index is None or isinstance(sample.target, tuple) or is_traced(sample.target):
        return False
    return get_data(sample.target) == ignore_index


def _may_be_ignored(samples: Sequence[Sample], ignore_index: int | None) -> bool:
    """While ``lift`` traces: whether a program has to find out which samples count.

    It costs a program some statements. So one has them only if the index is that of a class, or among the numbers of
    the example; where it comes later, :class:`~tinygrad_lite.trace_mode.Demand` says that this is another program.
    """
    if ignore_index is None:
        return False
    traced = [sample for sample in samples if is_traced(sample.target)]
    return any(
        ignore_index in range(len(sample.scores)) or operand(sample.target)._number == ignore_index for sample in traced
    )


def _with_ignored(
    formula: Callable[[tuple[Value, ...], Any, Weights], Value],
    samples: Sequence[Sample],
    structure: Nest,
    weights: Weights,
    reduction: str,
    ignore_index: int | None,
    weighted_mean: bool,
) -> Any:
    """As :func:`each_sample`, where which samples count is a number of the graph."""
    losses, counts, totals = [], [], []
    for sample in samples:
        target = operand(sample.target)
        counts.append(not_equal(target, float(ignore_index or 0)))
        index = where(counts[-1], target, float(ignore_index == 0))
        _check_target(sample._replace(target=index), None)
        losses.append(where(counts[-1], formula(sample.scores, index, weights), 0.0))
        totals.append(where(counts[-1], item(weights, index), 0.0) if weights is not None else counts[-1])
    if reduction == "none":
        return map_numbers(lambda i: losses[i], structure)
    if reduction == "mean":
        said = f"is {{}}: {_nothing_counts(ignore_index)}"
        count = operand(sum(counts))
        demanded(count, Demand("the number of samples that count", said, 1.0, math.inf))
        if count._number == 0.0:
            raise ValueError(_nothing_counts(ignore_index))
    return reduce_losses(losses, reduction, sum(totals if weighted_mean else counts))


def _nothing_counts(ignore_index: int | None) -> str:
    return f"every target is the ignore_index, {ignore_index}: there is nothing to take the mean of"


def item(items: Sequence[Number], index: Number) -> Any:
    """Return one of them; by an index that is a Value it stays in the graph.

    >>> item([10.0, 20.0], 1.0)
    20.0
    """
    return lookup(items, index) if isinstance(index, Value) else items[int(index)]


def one_hot(index: Number, count: int) -> list[Number]:
    """Return the probabilities that a class index stands for: 1 there, 0 elsewhere.

    >>> one_hot(1, 3)
    [0.0, 1.0, 0.0]
    """
    return [equal(index, float(c)) for c in range(count)]


def _gather(scores: Nest, target: Nest, by_index: bool, place: Place, samples: list[Sample]) -> Any:
    """Return one sample, or one for each position along the axes behind that of the classes."""
    classes = get_size(scores, "input", place)
    if classes == 0:
        raise ValueError(f"input{format_place(place)} is empty: a class loss takes a score for each class")
    if not by_index:
        size = None if is_number(target) else get_size(target, "target", place)
        check_sizes(classes, size, place, "there is one probability for each class")
    if all(map(is_number, scores)):
        if by_index and not is_number(target):
            given = get_size(target, "target", place)
            at = format_place(place)
            raise ValueError(f"target{at} is a sequence of {given}, and input{at} is the scores of one sample")
        y = as_number(target) if by_index else tuple([as_number(p) for p in target])
        samples.append(Sample(tuple([operand(score) for score in scores]), y, place))
        return len(samples) - 1
    columns = _columns(scores, "input", place)
    if by_index:
        size = None if is_number(target) else get_size(target, "target", place)
        if size != len(columns):
            said = "one number" if size is None else f"a sequence of {size}"
            at = format_place(place)
            raise ValueError(f"target{at} is {said}, and input{at} has {len(columns)} positions for each class")
        targets = target
    else:
        targets = _columns(target, "target", place)
        check_sizes(len(columns), len(targets), (place, 0), "there is one target for each position")
    return [_gather(column, targets[i], by_index, (place, i), samples) for i, column in enumerate(columns)]


def _columns(rows: Nest, name: str, place: Place) -> list[list[Any]]:
    """For each position the items of every class there."""
    sizes = [get_size(row, name, (place, c)) for c, row in enumerate(rows)]
    for c, size in enumerate(sizes):
        if size != sizes[0]:
            raise ValueError(
                f"{name}{format_place((place, 0))} is a sequence of {sizes[0]} and {name}{format_place((place, c))} of "
                f"{size}: every class has as many positions"
            )
    return [[row[i] for row in rows] for i in range(sizes[0])]


def _class_weights(weight: Any, samples: Sequence[Sample]) -> Sequence[Number]:
    size = get_size(weight, "weight", None)
    for sample in samples:
        if len(sample.scores) != size:
            raise ValueError(
                f"weight has {size} numbers, and input{format_place(sample.place)} the scores of {len(sample.scores)} "
                "classes: give one for each class"
            )
    return [as_number(number) for number in weight]


def _check_target(sample: Sample, ignore_index: int | None) -> None:
    """Raise unless the target is a class index or probabilities."""
    y, place, classes = sample.target, sample.place, len(sample.scores)
    if not isinstance(y, tuple):
        said = f"is {{}}, and a class index is a whole number from 0 to {classes - 1}"
        other = math.nan if ignore_index is None else float(ignore_index)
        index = Demand("target", said, 0.0, classes - 1.0, 1.0, other=other)
        if not demanded(y, index) and not index.admits(get_data(y)):
            raise ValueError(index.message(get_data(y), format_place(place)))
        return
    known = []
    for c, p in enumerate(y):
        if demanded(p, _PROBABILITY):  # its number is not known yet
            continue
        known.append(get_data(p))
        if not _PROBABILITY.admits(known[-1]):
            raise ValueError(_PROBABILITY.message(known[-1], format_place((place, c))))
    total = sum(known)
    if len(known) < len(y):
        return
    if not any(isinstance(p, Value) for p in y) and not -_TOLERANCE <= total - 1.0 <= _TOLERANCE:
        raise ValueError(
            f"the probabilities of target{format_place(place)} add up to {total:g}, not to 1. (For labels 0 and 1 of "
            "single logits there is binary_cross_entropy_with_logits.)"
        )
