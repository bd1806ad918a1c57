"""What the layers of a model give for a sample, and the Jacobian of each of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from tinygrad_lite.functions import sum
from tinygrad_lite.nn.base.batches import needs_batches
from tinygrad_lite.nn.base.module import Module, observing, training_mode
from tinygrad_lite.nn.base.shapes import Nest, flat, map_numbers
from tinygrad_lite.transforms import gradient
from tinygrad_lite.value import Value, operand, topological_order

#: Singular values below this share of the largest are not told from 0.
ROUNDING: Final = 1e-14


class LayerReport(NamedTuple):
    """One layer of a :class:`~tinygrad_lite.nn.GradientReport`. What could not be found out is None."""

    #: Its name in the model, such as ``"layers.0"``.
    name: str
    #: What it is, such as ``"Linear(8, 8)"``.
    module: str = ""
    #: √(Σ g²) over its parameters that are not frozen; None if it has none.
    gradient_norm: float | None = None
    #: The share of its ReLUs that give 0 for every sample; None if it has none.
    dead: float | None = None
    #: ∂output/∂input at one sample, a NumPy matrix.
    jacobian: Any = None
    #: The singular values of the Jacobian, the largest first.
    singular_values: Any = None
    #: Those of the product of the Jacobians of this layer and all after it: ∂(model's output)/∂(this layer's input).
    to_output: Any = None


class LayerOutput(NamedTuple):
    """What one layer gave for one sample."""

    #: The layer's name.
    name: str
    #: Its outputs, the last axis running fastest.
    outputs: list[Value]


#: The input, what each layer gave in the order of their calls, and the output if the last of them did not give it.
ForwardPass = list[LayerOutput]


def record_passes(model: Module, layers: Mapping[str, Module], samples: Sequence[Any]) -> Iterator[ForwardPass]:
    """Call the model with each sample by itself, as after ``eval()``; the model is left as it was.

    Args:
        model: The model.
        layers: The modules, by name, whose outputs are wanted.
        samples: Numbers and nests of numbers.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> model = MLP(2, [3, 1])
    >>> (forward_pass,) = record_passes(model, dict(model.named_children()), [[1.0, 2.0]])
    >>> [(layer.name, len(layer.outputs)) for layer in forward_pass]
    [('input', 2), ('layers.0', 3), ('layers.1', 1)]
    """
    names = {id(layer): name for name, layer in layers.items()}
    modules = list(model.modules())
    batched = needs_batches(modules)
    with training_mode(modules, False):
        for sample in samples:
            numbers: Nest = map_numbers(lambda x: Value(x.data if isinstance(x, Value) else x), sample)
            found = [LayerOutput("input", list(flat(numbers)))]

            def observe(module: Module, output: Nest, found: list[LayerOutput] = found) -> None:
                if id(module) in names:
                    found.append(LayerOutput(names[id(module)], list(map(operand, flat(output)))))

            with observing(observe):
                output = model([numbers] if batched else numbers)
            last = list(map(operand, flat(output)))
            if list(map(id, last)) != list(map(id, found[-1].outputs)):
                found.append(LayerOutput("output", last))
            yield found


def differentiate_layers(forward_pass: ForwardPass, dead: Sequence[float | None]) -> list[LayerReport]:
    """Find the Jacobian of each layer, and that of each layer with all after it.

    Args:
        forward_pass: At least an input and an output.
        dead: The share of dead ReLUs of each layer.

    >>> x = Value(2.0)
    >>> y = x * x
    >>> (square, triple) = differentiate_layers(
    ...     [LayerOutput("input", [x]), LayerOutput("square", [y]), LayerOutput("triple", [3.0 * y])], [None] * 2
    ... )
    >>> square.jacobian.tolist(), square.to_output.tolist(), triple.to_output.tolist()
    ([[4.0]], [12.0], [3.0])
    """
    import numpy as np

    nodes = [node for layer in forward_pass[:-1] for node in layer.outputs]
    output_by_node = np.array([gradient(y, nodes) for y in forward_pass[-1].outputs])
    reports = []
    start = 0
    for (before, layer), share in zip(pairwise(forward_pass), dead, strict=True):
        jacobian = np.array([gradient(y, before.outputs) for y in layer.outputs])
        rest = output_by_node[:, start : start + len(before.outputs)]
        start += len(before.outputs)
        values, to_output = _singular_values(jacobian), _singular_values(rest)
        reports.append(LayerReport(layer.name, "", None, share, jacobian, values, to_output))
    return reports


def find_most_sensitive(passes: Sequence[ForwardPass]) -> int:
    """Find the place of the sample whose output changes most with its input.

    >>> x = Value(2.0)
    >>> find_most_sensitive(
    ...     [[LayerOutput("input", [x]), LayerOutput("output", [factor * x])] for factor in (1.0, 5.0, -3.0)]
    ... )
    1
    """
    import numpy as np

    sizes = []
    for forward_pass in passes:
        jacobian = np.array([gradient(y, forward_pass[0].outputs) for y in forward_pass[-1].outputs])
        sizes.append(float(np.nan_to_num(_singular_values(jacobian), nan=math.inf)[0]))
    return sizes.index(max(sizes))


def _singular_values(matrix: Any) -> Any:
    import numpy as np

    if not np.isfinite(matrix).all():
        return np.full(min(matrix.shape), np.nan)
    return np.linalg.svd(matrix, compute_uv=False)


def find_dead_shares(passes: Sequence[ForwardPass]) -> list[float | None]:
    """Find for each layer the share of its ReLUs that are 0 for every sample.

    >>> x, y = Value(1.0), Value(-1.0)
    >>> find_dead_shares([[LayerOutput("input", [x, y]), LayerOutput("relu", [x.relu(), y.relu()])]])
    [0.5]
    """
    shares: list[float | None] = []
    for of_layer in zip(*map(_relus, passes), strict=True):
        if not of_layer[0] or any(
            len(relus) != len(of_layer[0]) for relus in of_layer
        ):  # none, or other ones each time
            shares.append(None)
        else:
            units = list(zip(*of_layer, strict=True))
            shares.append(len([unit for unit in units if max(unit) == 0.0]) / len(units))
    return shares


def _relus(forward_pass: ForwardPass) -> Iterator[list[float]]:
    """Yield what the ReLUs of each layer gave, in an order that is the same for every sample."""
    seen = {id(node) for node in forward_pass[0].outputs}
    for layer in forward_pass[1:]:
        order = topological_order(sum([*layer.outputs, 0.0]))
        yield [node.data for node in order if node.op == "relu" and id(node) not in seen]
        seen.update(map(id, order))
