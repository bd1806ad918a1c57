"""Samples and their targets, in batches, as a model takes them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import is_number
from tinygrad_lite.pytree import foreign, is_array
from tinygrad_lite.pytree.registry import parts_of
from tinygrad_lite.value import Value


class Samples(NamedTuple):
    """Inputs and targets as lists, one item a sample."""

    inputs: list[Any]
    targets: list[Any]

    def at(self, places: Sequence[int]) -> Samples:
        """Return the samples in these places."""
        inputs, targets = self
        return Samples([inputs[i] for i in places], [targets[i] for i in places])


def as_samples(data: Any, name: str = "data") -> Samples:
    """Return inputs and targets as lists of what NumPy arrays and data frames hold.

    Args:
        data: A pair of sequences of the same length.
        name: What messages call it.

    Raises:
        TypeError: It is no pair of sequences.
        ValueError: They have different lengths, or none.

    >>> as_samples(([[0.0, 1.0], [1.0, 1.0]], [1, 0])).targets
    [1, 0]
    """
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        given = f"a {type(data).__name__}" + (f" of {len(data)}" if isinstance(data, (tuple, list)) else "")
        raise TypeError(f"{name} is a pair of inputs and targets, (X, y), not {given}")
    inputs, targets = as_list(data[0], f"the inputs of {name}"), as_list(data[1], f"the targets of {name}")
    if len(inputs) != len(targets):
        raise ValueError(f"{name} has {len(inputs)} inputs and {len(targets)} targets: there is one target a sample")
    if not inputs:
        raise ValueError(f"{name} has no samples")
    return Samples(inputs, targets)


def as_list(items: Any, name: str) -> list[Any]:
    """Return a sequence as a list, what NumPy and pandas hold as plain numbers.

    Raises:
        TypeError: It is no sequence.

    >>> import numpy as np
    >>> as_list(np.array([[1.0], [2.0]]), "the inputs")
    [[1.0], [2.0]]
    """
    if hasattr(items, "to_numpy"):  # pandas
        items = items.to_numpy()
    unlike = foreign(items) if is_array(items) else ""
    if unlike:
        raise TypeError(f"{name} are {unlike}")
    if hasattr(items, "tolist") and getattr(items, "ndim", 1) > 0:
        return list(items.tolist())
    if isinstance(items, (str, bytes)) or not hasattr(items, "__len__") or not hasattr(items, "__getitem__"):
        raise TypeError(f"{name} are a list or an array, one item a sample, not {type(items).__name__}")
    return [item.tolist() if hasattr(item, "tolist") else item for item in items]


def split_batches(count: int, size: int | None, rng: random.Random | None, drop_last: bool = False) -> list[list[int]]:
    """Return the places of the samples of each batch, in one epoch.

    Args:
        count: The number of samples.
        size: Of a batch; None for one batch of all.
        rng: What the order is drawn from; None for that of the data.
        drop_last: Whether to leave out a last batch that is smaller than the others.

    >>> split_batches(5, 2, None)
    [[0, 1], [2, 3], [4]]
    >>> sorted(sum(split_batches(5, 2, random.Random(0)), []))
    [0, 1, 2, 3, 4]
    """
    order = list(range(count)) if rng is None else rng.sample(range(count), count)
    size = max(1, count if size is None else min(size, count))
    batches = [order[first : first + size] for first in range(0, count, size)]
    return batches[:-1] if drop_last and batches and len(batches[-1]) < size else batches


def needs_batches(modules: Sequence[Module]) -> bool:
    """Tell whether one of a model's modules takes a whole batch only.

    >>> needs_batches([Module()])
    False
    """
    return any(module.needs_batch for module in modules)


def compute_outputs(model: Module, inputs: list[Any], batched: bool) -> list[Any]:
    """Return what the model gives for each sample.

    Args:
        model: Called with the batch, or with each of its samples.
        inputs: Those of a batch.
        batched: Which of the two.

    Raises:
        ValueError: It gave something for a batch that has not one item a sample.
    """
    if not batched:
        return [model(x) for x in inputs]
    outputs = model(inputs)
    if is_number(outputs) or not hasattr(outputs, "__len__") or len(outputs) != len(inputs):
        size = f"{len(outputs)} items" if hasattr(outputs, "__len__") else type(outputs).__name__
        raise ValueError(
            f"{head(model)} was given a batch of {len(inputs)} samples, and gave {size}: batched=True is for models "
            "that give one output a sample"
        )
    return list(outputs)


def match_axes(outputs: list[Any], targets: list[Any]) -> list[Any]:
    """Return the outputs, without an axis of one number where the targets have none.

    >>> match_axes([[0.5], [1.5]], [0, 1])
    [0.5, 1.5]
    """
    first = outputs[0]
    if is_number(targets[0]) and not is_number(first) and all(map(_is_single, outputs)):
        return [output[0] for output in outputs]
    return outputs


def as_numbers(outputs: Any) -> Any:
    """Return the same structure, in lists, with the data in the place of each Value.

    >>> as_numbers([Value(1.0), (Value(2.0), 3.0)])
    [1.0, [2.0, 3.0]]
    """
    if isinstance(outputs, Value):
        return outputs.data
    if is_array(outputs):
        outputs = outputs.tolist()
    parts = parts_of(outputs)
    if parts is None:
        return outputs
    items = [as_numbers(output) for output in parts.items]
    return items if parts.container.is_sequence else parts.made(items)


def iterate_numbers(tree: Any) -> Iterator[tuple[str, float]]:
    """Yield every number in a structure, with its place, as it is written after a name.

    >>> list(iterate_numbers([[1.0], [Value(2.0)]]))
    [('[0][0]', 1.0), ('[1][0]', 2.0)]
    """
    if is_number(tree):
        yield "", tree.data if isinstance(tree, Value) else float(tree)
        return
    parts = parts_of(tree.tolist() if is_array(tree) else tree)
    if parts is not None:
        for key, part in zip(parts.keys, parts.items, strict=True):
            yield from ((f"{key}{place}", number) for place, number in iterate_numbers(part))


def _is_single(output: Any) -> bool:
    return hasattr(output, "__len__") and len(output) == 1 and is_number(output[0])
