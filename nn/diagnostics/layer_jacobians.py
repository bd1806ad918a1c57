"""The way of a sample through a model, from layer to layer, and the Jacobian of each part of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tinygrad_lite.functions import sum
from tinygrad_lite.nn.base.batches import needs_batches
from tinygrad_lite.nn.base.module import Module, observing
from tinygrad_lite.nn.base.shapes import Nest, flat, map_numbers
from tinygrad_lite.transforms import gradient
from tinygrad_lite.value import Value, operand, topological_order


class Stop(NamedTuple):
    """What one layer gave for one sample."""

    #: The layer's name.
    name: str
    #: Its outputs, the last axis running fastest.
    outputs: list[Value]


#: The input, what each layer gave in the order of their calls, and the output if the last of them did not give it.
Journey = list[Stop]


def journeys_of(model: Module, layers: Mapping[str, Module], samples: Sequence[Any]) -> Iterator[Journey]:
    """The way of each sample through the model, as after ``eval()``; the model is left as it was.

    Args:
        model: Called with each sample by itself.
        layers: The modules, by name, whose outputs are wanted.
        samples: What to call it with, numbers and nests of numbers.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> model = MLP(2, [3, 1])
    >>> (journey,) = journeys_of(model, dict(model.named_children()), [[1.0, 2.0]])
    >>> [(stop.name, len(stop.outputs)) for stop in journey]
    [('input', 2), ('layers.0', 3), ('layers.1', 1)]
    """
    names = {id(layer): name for name, layer in layers.items()}
    batched = needs_batches(list(model.modules()))
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        for sample in samples:
            numbers: Nest = map_numbers(lambda x: Value(x.data if isinstance(x, Value) else x), sample)
            stops = [Stop("input", list(flat(numbers)))]

            def observe(module: Module, output: Nest, stops: list[Stop] = stops) -> None:
                if id(module) in names:
                    stops.append(Stop(names[id(module)], list(map(operand, flat(output)))))

            with observing(observe):
                output = model([numbers] if batched else numbers)
            last = list(map(operand, flat(output)))
            if list(map(id, last)) != list(map(id, stops[-1].outputs)):
                stops.append(Stop("output", last))
            yield stops
    finally:
        for module, mode in modes:
            module.training = mode


class Passage(NamedTuple):
    """What was found out about the way from one stop to the next."""

    #: The name of the layer in between.
    name: str
    #: The share of its ReLUs that are dead; None if it has none.
    dead: float | None = None
    #: ∂(next stop)/∂(this stop), a NumPy matrix.
    jacobian: Any = None
    #: The singular values of the Jacobian, the largest first.
    singular_values: Any = None
    #: Those of ∂(last stop)/∂(this stop).
    to_output: Any = None


def passages_of(journey: Journey, dead: Sequence[float | None]) -> list[Passage]:
    """The Jacobian from each stop to the next, and from each to the last.

    Args:
        journey: At least two stops.
        dead: The share of dead ReLUs between each stop and the next.

    >>> x = Value(2.0)
    >>> y = x * x
    >>> (square, triple) = passages_of([Stop("input", [x]), Stop("square", [y]), Stop("triple", [3.0 * y])], [None] * 2)
    >>> square.jacobian.tolist(), square.to_output.tolist(), triple.to_output.tolist()
    ([[4.0]], [12.0], [3.0])
    """
    import numpy as np

    nodes = [node for stop in journey[:-1] for node in stop.outputs]
    output_by_node = np.array([gradient(y, nodes) for y in journey[-1].outputs])
    passages = []
    start = 0
    for (before, stop), share in zip(pairwise(journey), dead, strict=True):
        jacobian = np.array([gradient(y, before.outputs) for y in stop.outputs])
        rest = output_by_node[:, start : start + len(before.outputs)]
        start += len(before.outputs)
        passages.append(Passage(stop.name, share, jacobian, _singular_values(jacobian), _singular_values(rest)))
    return passages


def strongest(journeys: Sequence[Journey]) -> int:
    """The place of the journey whose output changes most with its input.

    >>> x = Value(2.0)
    >>> strongest([[Stop("input", [x]), Stop("output", [factor * x])] for factor in (1.0, 5.0, -3.0)])
    1
    """
    import numpy as np

    sizes = []
    for journey in journeys:
        jacobian = np.array([gradient(y, journey[0].outputs) for y in journey[-1].outputs])
        sizes.append(float(np.nan_to_num(_singular_values(jacobian), nan=math.inf)[0]))
    return sizes.index(max(sizes))


def _singular_values(matrix: Any) -> Any:
    import numpy as np

    if not np.isfinite(matrix).all():
        return np.full(min(matrix.shape), np.nan)
    return np.linalg.svd(matrix, compute_uv=False)


def dead_shares(journeys: Sequence[Journey]) -> list[float | None]:
    """For each stop but the first, the share of the ReLUs recorded there that are 0 in every journey.

    >>> x, y = Value(1.0), Value(-1.0)
    >>> dead_shares([[Stop("input", [x, y]), Stop("relu", [x.relu(), y.relu()])]])
    [0.5]
    """
    shares: list[float | None] = []
    for of_stop in zip(*map(_relus, journeys), strict=True):
        if not of_stop[0] or any(len(relus) != len(of_stop[0]) for relus in of_stop):  # none, or other ones each time
            shares.append(None)
        else:
            units = list(zip(*of_stop, strict=True))
            shares.append(len([unit for unit in units if max(unit) == 0.0]) / len(units))
    return shares


def _relus(journey: Journey) -> Iterator[list[float]]:
    """What the ReLUs gave between each stop and the next, in an order that is the same for every sample."""
    seen = {id(node) for node in journey[0].outputs}
    for stop in journey[1:]:
        order = topological_order(sum([*stop.outputs, 0.0]))
        yield [node.data for node in order if node.op == "relu" and id(node) not in seen]
        seen.update(map(id, order))
