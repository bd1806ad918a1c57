"""What training makes small."""

from __future__ import annotations

from typing import Any, Final

from tinygrad_lite.functions import mean, softplus, sum
from tinygrad_lite.nn.module import Module
from tinygrad_lite.trees import is_array
from tinygrad_lite.value import Value, is_numpy_scalar, operand

_REDUCTIONS: Final = ("mean", "sum", "none")


def binary_cross_entropy_with_logits(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """−y log σ(z) − (1−y) log(1−σ(z)), where the model gives the logit z, as softplus(z) − y·z.

    The two are equal, for log σ(z) = z − softplus(z) and log(1−σ(z)) = −softplus(z); the second is finite and accurate
    for every finite z. Its derivative is ∂L/∂z = σ(z) − y, the prediction less the target.

    Args:
        input: The logits: a Value or a number, or a list, tuple or array of these, nested in any way.
        target: As many numbers in [0, 1], in the same structure: the probability of class 1, for labels 0 or 1.
        reduction: ``"mean"`` or ``"sum"`` over all, or ``"none"``.

    Returns:
        A Value; for ``"none"`` a Value each, in the structure of ``input``.

    Raises:
        ValueError: The structures differ, they are empty, a target is not in [0, 1], or there is no such reduction.
        TypeError: A logit or a target is no number.

    >>> from tinygrad_lite import Value
    >>> z = Value(0.0)
    >>> loss = binary_cross_entropy_with_logits(z, 1)
    >>> loss.backward()
    >>> round(loss.data, 6), z.grad  # ln 2, and sigmoid(0) - 1
    (0.693147, -0.5)
    """
    _check_reduction(reduction)
    losses: list[Value] = []
    structure = _pair(input, target, "", losses)
    if reduction == "none":
        return structure
    if not losses:
        raise ValueError(f"the {reduction} of the loss needs at least one logit, and was given none")
    if len(losses) == 1:
        return losses[0]
    return mean(losses) if reduction == "mean" else sum(losses)


class BCEWithLogitsLoss(Module):
    """:func:`binary_cross_entropy_with_logits` as a module, as in PyTorch.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: There is no such reduction.

    >>> loss = BCEWithLogitsLoss()
    >>> loss([1000.0, -1000.0], [1, 1]).data
    500.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        _check_reduction(reduction)
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of logits ``input`` where the labels are ``target``."""
        return binary_cross_entropy_with_logits(input, target, reduction=self.reduction)

    def extra_repr(self) -> str:
        """The reduction."""
        return f"reduction={self.reduction!r}"


def _check_reduction(reduction: str) -> None:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def _pair(z: Any, y: Any, path: str, losses: list[Value]) -> Any:
    """The loss of each logit, in the structure of z, and all of them in ``losses``."""
    if _is_number(z) and _is_number(y):
        probability = y.data if isinstance(y, Value) else y
        if not 0.0 <= probability <= 1.0:
            raise ValueError(
                f"target{path} is {probability!r}, and a probability is in [0, 1]; for labels -1 and 1 give (y + 1) / 2"
            )
        logit = operand(z)
        losses.append(softplus(logit) - y * logit)
        return losses[-1]
    sizes = [None if _is_number(tree) else _size(tree, name + path) for tree, name in ((z, "input"), (y, "target"))]
    if sizes[0] != sizes[1]:
        said = ["one number" if size is None else f"a sequence of {size}" for size in sizes]
        raise ValueError(f"input{path} is {said[0]} and target{path} is {said[1]}: there is one target for each logit")
    return [_pair(zi, yi, f"{path}[{i}]", losses) for i, (zi, yi) in enumerate(zip(z, y, strict=True))]


def _is_number(tree: Any) -> bool:
    return isinstance(tree, (Value, float, int)) or is_numpy_scalar(tree)


def _size(tree: Any, name: str) -> int:
    if not (isinstance(tree, (list, tuple)) or is_array(tree)):
        raise TypeError(f"{name} is a {type(tree).__name__}; expected Values and numbers, in lists, tuples or arrays")
    return len(tree)
