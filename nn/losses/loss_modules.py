"""The losses as modules, with PyTorch's names: each keeps its settings, and calls the function of the same formula.

Formulas, shapes and errors are those of the functions, in :mod:`tinygrad_lite.nn.losses.losses` and
:mod:`tinygrad_lite.nn.losses.class_losses`.
"""

from __future__ import annotations

from typing import Any

from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.base.shapes import Nest
from tinygrad_lite.nn.losses import class_losses, losses
from tinygrad_lite.nn.losses.class_targets import Weights
from tinygrad_lite.nn.losses.loss_reduction import REDUCTIONS, check_reduction


class _Loss(Module):
    """What the losses have in common: a reduction, and settings that the ``repr`` shows."""

    def __init__(self, reduction: str) -> None:
        check_reduction(reduction)
        self.reduction = reduction

    def extra_repr(self) -> str:
        """The settings."""
        settings = {name: setting for name, setting in vars(self).items() if name != "training"}
        return ", ".join(f"{name}={setting!r}" for name, setting in settings.items() if setting is not None)


class MSELoss(_Loss):
    """(ŷ − y)²; see :func:`~tinygrad_lite.nn.losses.losses.mse_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: There is no such reduction.

    >>> MSELoss()([1.0, 2.0], [1.0, 4.0]).data
    2.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of predictions ``input`` where ``target`` is right."""
        return losses.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|ŷ − y|, the mean absolute error; see :func:`~tinygrad_lite.nn.losses.losses.l1_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: There is no such reduction.

    >>> L1Loss()([1.0, 2.0], [1.0, 4.0]).data
    1.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of predictions ``input`` where ``target`` is right."""
        return losses.l1_loss(input, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """A parabola near 0, a line beyond ±δ; see :func:`~tinygrad_lite.nn.losses.losses.huber_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        delta: δ, a positive number.

    Raises:
        ValueError: There is no such reduction.

    >>> HuberLoss(delta=0.5)([3.0], [0.0]).data
    1.375
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of predictions ``input`` where ``target`` is right."""
        return losses.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(_Loss):
    """Huber's loss over β; see :func:`~tinygrad_lite.nn.losses.losses.smooth_l1_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        beta: β, a number that is not negative.

    Raises:
        ValueError: There is no such reduction.

    >>> SmoothL1Loss(beta=0.5)([3.0], [0.0]).data
    2.75
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of predictions ``input`` where ``target`` is right."""
        return losses.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HingeLoss(_Loss):
    """max(0, 1 − y·z) for labels ±1; see :func:`~tinygrad_lite.nn.losses.losses.hinge_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: There is no such reduction.

    >>> HingeLoss()([0.5, 2.0], [1, 1]).data
    0.25
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of scores ``input`` where the labels are ``target``."""
        return losses.hinge_loss(input, target, reduction=self.reduction)


class BCELoss(_Loss):
    """Cross entropy of probabilities; see :func:`~tinygrad_lite.nn.losses.losses.binary_cross_entropy`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: What each loss is multiplied by.

    Raises:
        ValueError: There is no such reduction.

    >>> round(BCELoss()([0.5, 0.5], [1, 0]).data, 6)
    0.693147
    """

    def __init__(self, reduction: str = "mean", *, weight: Nest = None) -> None:
        super().__init__(reduction)
        self.weight = weight

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of probabilities ``input`` where the labels are ``target``."""
        return losses.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Cross entropy of sigmoids of logits; see
    :func:`~tinygrad_lite.nn.losses.losses.binary_cross_entropy_with_logits`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: What each loss is multiplied by.
        pos_weight: What the part of class 1 is multiplied by.

    Raises:
        ValueError: There is no such reduction.

    >>> loss = BCEWithLogitsLoss()
    >>> loss([1000.0, -1000.0], [1, 1]).data
    500.0
    """

    def __init__(self, reduction: str = "mean", *, weight: Nest = None, pos_weight: Nest = None) -> None:
        super().__init__(reduction)
        self.weight = weight
        self.pos_weight = pos_weight

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of logits ``input`` where the labels are ``target``."""
        return losses.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class CrossEntropyLoss(_Loss):
    """Cross entropy of a softmax of logits; see :func:`~tinygrad_lite.nn.losses.class_losses.cross_entropy`.

    Args:
        weight: A number for each class.
        ignore_index: Samples of this class index do not count.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        label_smoothing: How much of the target is spread over all classes, in [0, 1].

    Raises:
        ValueError: There is no such reduction.

    >>> round(CrossEntropyLoss()([[0.0, 0.0], [0.0, 1000.0]], [0, 1]).data, 6)
    0.346574
    """

    def __init__(
        self,
        weight: Weights = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.weight = weight
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of logits ``input`` where the classes are ``target``."""
        return class_losses.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """Negative log likelihood; see :func:`~tinygrad_lite.nn.losses.class_losses.nll_loss`.

    Args:
        weight: A number for each class.
        ignore_index: Samples of this class index do not count.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: There is no such reduction.

    >>> NLLLoss()([[-0.5, -1.0], [-2.0, -0.25]], [0, 1]).data
    0.375
    """

    def __init__(self, weight: Weights = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = weight
        self.ignore_index = ignore_index

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of log probabilities ``input`` where the classes are ``target``."""
        return class_losses.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MultiMarginLoss(_Loss):
    """The hinge loss of many classes; see :func:`~tinygrad_lite.nn.losses.class_losses.multi_margin_loss`.

    Args:
        p: 1 or 2.
        margin: By how much the right class should lead.
        weight: A number for each class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: There is no such reduction.

    >>> MultiMarginLoss()([[0.25, 1.0]], [0]).data
    0.875
    """

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Weights = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.p = p
        self.margin = margin
        self.weight = weight

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of scores ``input`` where the classes are ``target``."""
        return class_losses.multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence; see :func:`~tinygrad_lite.nn.losses.losses.kl_div`.

    Args:
        reduction: ``"mean"``, ``"batchmean"``, ``"sum"`` or ``"none"``.
        log_target: Whether targets are logarithms.

    Raises:
        ValueError: There is no such reduction.

    >>> round(KLDivLoss("batchmean")([[-0.5, -1.0]], [[0.5, 0.5]]).data, 6)
    0.056853
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        check_reduction(reduction, ("mean", "batchmean", *REDUCTIONS[1:]))
        self.reduction = reduction
        self.log_target = log_target

    def forward(self, input: Nest, target: Nest) -> Any:
        """The loss of log probabilities ``input`` where ``target`` are the probabilities."""
        return losses.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
