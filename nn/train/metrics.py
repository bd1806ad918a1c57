"""How well a model does, in numbers that people read; training makes losses small, not these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinygrad_lite.nn.base.shapes import is_number
from tinygrad_lite.pytree import foreign, is_array
from tinygrad_lite.value import Value

#: ``metric(outputs, targets)``, of lists of plain numbers.
Metric = Callable[[Any, Any], float]
#: Metrics by name; or functions whose names are taken.
Metrics = Mapping[str, Metric] | Sequence[Metric] | Metric | None


def accuracy(outputs: Any, targets: Any, threshold: float = 0.0) -> float:
    """Return the share of samples whose class is predicted rightly.

    Args:
        outputs: For each sample a number for each class, of which the greatest counts (the first of equal ones); or,
            for two classes, one number, or a sequence of one, such as a logit.
        targets: For each sample the index of its class; for one number an output, 0 (or -1) and 1. A sequence of the
            probabilities of all classes will do too.
        threshold: An output of one number above it stands for class 1: 0 for logits, 0.5 for probabilities.

    Returns:
        A number in [0, 1].

    Raises:
        TypeError: One of them is a masked array, or of another kind with rules of its own.
        ValueError: There are no samples, or as many outputs as targets are not there.

    >>> accuracy([2.5, -1.0, 0.5], [1, 0, 0])
    0.6666666666666666
    >>> accuracy([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]], [1, 0])
    1.0
    """
    for given, name in ((outputs, "outputs"), (targets, "targets")):
        unlike = foreign(given) if is_array(given) else ""
        if unlike:
            raise TypeError(f"accuracy: {name} is {unlike}")
    if len(outputs) != len(targets) or len(outputs) == 0:
        raise ValueError(
            f"accuracy compares outputs and targets of the same samples; there are {len(outputs)} and {len(targets)}"
        )
    right = sum(
        _predicted(output, threshold) == _class(target) for output, target in zip(outputs, targets, strict=True)
    )
    return right / len(outputs)


def as_named(metrics: Metrics) -> dict[str, Metric]:
    """Return the metrics by name.

    Raises:
        TypeError: One of them is no function.

    >>> list(as_named([accuracy]))
    ['accuracy']
    """
    if metrics is None:
        return {}
    if callable(metrics):
        metrics = [metrics]
    named = dict(metrics) if isinstance(metrics, Mapping) else {_name(metric): metric for metric in metrics}
    for name, metric in named.items():
        if not callable(metric):
            raise TypeError(f'metric {name!r} is no function of outputs and targets: metrics={{"accuracy": accuracy}}')
    return named


def apply_metrics(metrics: Mapping[str, Metric], outputs: Any, targets: Any) -> dict[str, float]:
    """Return what each metric gives.

    Args:
        metrics: By name.
        outputs: Plain numbers, one item a sample.
        targets: Likewise.

    >>> apply_metrics({"accuracy": accuracy}, [2.5, -1.0], [1, 1])
    {'accuracy': 0.5}
    """
    return {name: float(metric(outputs, targets)) for name, metric in metrics.items()}


def _name(metric: Any) -> str:
    return str(getattr(metric, "__name__", metric))


def _predicted(output: Any, threshold: float) -> int:
    if not is_number(output):
        if len(output) > 1:
            return _greatest(output)
        output = output[0]
    return int(_float(output) > threshold)


def _class(target: Any) -> int:
    if not is_number(target):
        if len(target) > 1:
            return _greatest(target)
        target = target[0]
    return max(0, int(_float(target)))


def _greatest(numbers: Any) -> int:
    floats = list(map(_float, numbers))
    return floats.index(max(floats))


def _float(number: Any) -> float:
    return float(number.data if isinstance(number, Value) else number)
