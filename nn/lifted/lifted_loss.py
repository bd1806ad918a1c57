"""Whether the loss of a batch is the mean of the losses of its samples, so that one sample tells all.

It is found in the graph of the loss, without a list of losses or operations: where the derivatives by the outputs of
each sample depend on nothing of another sample, the loss is a sum over the samples and of something that the outputs
do not change. What the parts are is then compared with the loss of each sample alone, by numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lite.nn.base.batches import match_axes
from tinygrad_lite.trace_mode import tracing
from tinygrad_lite.transforms import gradient
from tinygrad_lite.value import Value


def find_reduction(loss: Callable[[Any, Any], Any], outputs: list[Any], targets: list[Any]) -> str | None:
    """``"mean"`` or ``"sum"`` where the loss of a batch is that of the losses of its samples; None if neither.

    Args:
        loss: ``loss(outputs, targets)``.
        outputs: Numbers that a model may give for each sample.
        targets: As many.

    >>> from tinygrad_lite.nn.losses.class_losses import cross_entropy
    >>> outputs, targets = [[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]], [0, 1, 1]
    >>> find_reduction(cross_entropy, outputs, targets)
    'mean'
    >>> find_reduction(lambda z, y: cross_entropy(z, y, weight=[1.0, 2.0]), outputs, targets) is None
    True
    """
    leaves: list[Value] = []
    starts = [0]
    nodes = []
    for output in outputs:
        nodes.append(_with_leaves(output, leaves))
        starts.append(len(leaves))
    predictions = list(leaves)
    owners = {id(leaf): i for i in range(len(outputs)) for leaf in leaves[starts[i] : starts[i + 1]]}
    labels = []
    for i, target in enumerate(targets):
        of_target: list[Value] = []
        labels.append(_with_leaves(target, of_target))
        owners.update({id(leaf): i for leaf in of_target})
        leaves += of_target
    try:
        with tracing(leaves):
            total = loss(match_axes(nodes, labels), labels)
            slopes = gradient(total, predictions, create_graph=True)
    except Exception:  # what the loss cannot do on Values is said where it is lifted
        return None
    for i in range(len(outputs)):
        if not _depends_only_on(slopes[starts[i] : starts[i + 1]], owners, i):
            return None
    try:
        return _same_as_alone(loss, total, slopes, starts, outputs, targets)
    except (ArithmeticError, ValueError, IndexError, TypeError):
        return None


def _same_as_alone(
    loss: Callable[[Any, Any], Any],
    total: Value,
    slopes: Sequence[Value],
    starts: Sequence[int],
    outputs: list[Any],
    targets: list[Any],
) -> str | None:
    """Tell whether the loss and its derivatives are the mean, or the sum, of those of each sample by itself."""
    alone, derivatives = [], []
    for output, target in zip(outputs, targets, strict=True):
        leaves: list[Value] = []
        node = _with_leaves(output, leaves)
        one = loss(match_axes([node], [target]), [target])
        alone.append(one.data)
        derivatives += gradient(one, leaves)
    found = np.array([slope.data for slope in slopes])
    for reduce, share in (("mean", 1.0 / len(outputs)), ("sum", 1.0)):
        wanted = share * np.array(derivatives)
        same = np.allclose(found, wanted, rtol=1e-10, atol=1e-12 * np.abs(wanted).max(initial=0.0))
        if same and np.isclose(total.data, share * np.sum(alone), rtol=1e-10, atol=1e-12):
            return reduce
    return None


def _depends_only_on(roots: Sequence[Value], owners: dict[int, int], sample: int) -> bool:
    """Tell whether all inputs below some nodes are of one sample."""
    stack = list(roots)
    seen = set(map(id, stack))
    while stack:
        node = stack.pop()
        if owners.get(id(node), sample) != sample:
            return False
        for parent in node.parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                stack.append(parent)
    return True


def _with_leaves(tree: Any, leaves: list[Value]) -> Any:
    """Return the same nest with new leaves in the place of its numbers, which are added to ``leaves``."""
    if isinstance(tree, (list, tuple)):
        return [_with_leaves(item, leaves) for item in tree]
    leaves.append(Value(float(tree)))
    return leaves[-1]
