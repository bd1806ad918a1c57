"""The losses as modules, with PyTorch's names: each keeps its settings, and calls the function of the same formula.

Formulas, shapes and errors are those of the functions, in :mod:`tinygrad_lite.nn.losses.losses` and
:mod:`tinygrad_lite.nn.losses.class_losses`. A reduction that there is not is a ValueError when the module is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, fields
from functools import cache
from typing import Any, ClassVar

from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.base.shapes import Nest
from tinygrad_lite.nn.losses import class_losses, losses
from tinygrad_lite.nn.losses.class_targets import Weights
from tinygrad_lite.nn.losses.loss_reduction import REDUCTIONS, check_reduction


@dataclass(eq=False, repr=False)
class _Loss(Module):
    """A function of the loss, and its settings: the fields of a subclass, which are arguments of the function."""

    function: ClassVar[Callable[..., Any]]
    reductions: ClassVar[tuple[str, ...]] = REDUCTIONS

    def __post_init__(self) -> None:
        check_reduction(self._settings()["reduction"], self.reductions)

    def _settings(self) -> dict[str, Any]:
        names = _names(type(self))  # type: ignore[arg-type]  # mypy takes the hash of objects for that of the class
        return {name: getattr(self, name) for name in names}

    def forward(self, input: Nest, target: Nest) -> Any:
        """Compute the loss of what a model gave, ``input``, where ``target`` is right."""
        return self.function(input, target, **self._settings())

    def extra_repr(self) -> str:
        """Name the settings that are given."""
        return ", ".join(f"{name}={given!r}" for name, given in self._settings().items() if given is not None)


@cache
def _names(kind: type[_Loss]) -> tuple[str, ...]:
    return tuple([field.name for field in fields(kind)])


@dataclass(eq=False, repr=False)
class MSELoss(_Loss):
    """(ŷ − y)²; see :func:`~tinygrad_lite.nn.losses.losses.mse_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    >>> MSELoss()([1.0, 2.0], [1.0, 4.0]).data
    2.0
    """

    reduction: str = "mean"

    function = staticmethod(losses.mse_loss)


@dataclass(eq=False, repr=False)
class L1Loss(_Loss):
    """|ŷ − y|, the mean absolute error; see :func:`~tinygrad_lite.nn.losses.losses.l1_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    >>> L1Loss()([1.0, 2.0], [1.0, 4.0]).data
    1.0
    """

    reduction: str = "mean"

    function = staticmethod(losses.l1_loss)


@dataclass(eq=False, repr=False)
class HuberLoss(_Loss):
    """A parabola near 0, a line beyond ±δ; see :func:`~tinygrad_lite.nn.losses.losses.huber_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        delta: δ, a positive number.

    >>> HuberLoss(delta=0.5)([3.0], [0.0]).data
    1.375
    """

    reduction: str = "mean"
    delta: float = 1.0

    function = staticmethod(losses.huber_loss)


@dataclass(eq=False, repr=False)
class SmoothL1Loss(_Loss):
    """Huber's loss over β; see :func:`~tinygrad_lite.nn.losses.losses.smooth_l1_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        beta: β, a number that is not negative.

    >>> SmoothL1Loss(beta=0.5)([3.0], [0.0]).data
    2.75
    """

    reduction: str = "mean"
    beta: float = 1.0

    function = staticmethod(losses.smooth_l1_loss)


@dataclass(eq=False, repr=False)
class HingeLoss(_Loss):
    """max(0, 1 − y·z) for labels ±1; see :func:`~tinygrad_lite.nn.losses.losses.hinge_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    >>> HingeLoss()([0.5, 2.0], [1, 1]).data
    0.25
    """

    reduction: str = "mean"

    function = staticmethod(losses.hinge_loss)


@dataclass(eq=False, repr=False)
class BCELoss(_Loss):
    """Cross entropy of probabilities; see :func:`~tinygrad_lite.nn.losses.losses.binary_cross_entropy`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: What each loss is multiplied by.

    >>> round(BCELoss()([0.5, 0.5], [1, 0]).data, 6)
    0.693147
    """

    reduction: str = "mean"
    _: KW_ONLY
    weight: Nest = None

    function = staticmethod(losses.binary_cross_entropy)


@dataclass(eq=False, repr=False)
class BCEWithLogitsLoss(_Loss):
    """Cross entropy of sigmoids of logits; see
    :func:`~tinygrad_lite.nn.losses.losses.binary_cross_entropy_with_logits`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: What each loss is multiplied by.
        pos_weight: What the part of class 1 is multiplied by.

    >>> loss = BCEWithLogitsLoss()
    >>> loss([1000.0, -1000.0], [1, 1]).data
    500.0
    """

    reduction: str = "mean"
    _: KW_ONLY
    weight: Nest = None
    pos_weight: Nest = None

    function = staticmethod(losses.binary_cross_entropy_with_logits)


@dataclass(eq=False, repr=False)
class CrossEntropyLoss(_Loss):
    """Cross entropy of a softmax of logits; see :func:`~tinygrad_lite.nn.losses.class_losses.cross_entropy`.

    Args:
        weight: A number for each class.
        ignore_index: Samples of this class index do not count.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        label_smoothing: How much of the target is spread over all classes, in [0, 1].

    >>> round(CrossEntropyLoss()([[0.0, 0.0], [0.0, 1000.0]], [0, 1]).data, 6)
    0.346574
    """

    weight: Weights = None
    _: KW_ONLY
    ignore_index: int = -100
    reduction: str = "mean"
    label_smoothing: float = 0.0

    function = staticmethod(class_losses.cross_entropy)


@dataclass(eq=False, repr=False)
class NLLLoss(_Loss):
    """Negative log likelihood; see :func:`~tinygrad_lite.nn.losses.class_losses.nll_loss`.

    Args:
        weight: A number for each class.
        ignore_index: Samples of this class index do not count.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    >>> NLLLoss()([[-0.5, -1.0], [-2.0, -0.25]], [0, 1]).data
    0.375
    """

    weight: Weights = None
    _: KW_ONLY
    ignore_index: int = -100
    reduction: str = "mean"

    function = staticmethod(class_losses.nll_loss)


@dataclass(eq=False, repr=False)
class MultiMarginLoss(_Loss):
    """The hinge loss of many classes; see :func:`~tinygrad_lite.nn.losses.class_losses.multi_margin_loss`.

    Args:
        p: 1 or 2.
        margin: By how much the right class should lead.
        weight: A number for each class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    >>> MultiMarginLoss()([[0.25, 1.0]], [0]).data
    0.875
    """

    p: int = 1
    margin: float = 1.0
    weight: Weights = None
    _: KW_ONLY
    reduction: str = "mean"

    function = staticmethod(class_losses.multi_margin_loss)


@dataclass(eq=False, repr=False)
class KLDivLoss(_Loss):
    """Kullback-Leibler divergence; see :func:`~tinygrad_lite.nn.losses.losses.kl_div`.

    Args:
        reduction: ``"mean"``, ``"batchmean"``, ``"sum"`` or ``"none"``.
        log_target: Whether targets are logarithms.

    >>> round(KLDivLoss("batchmean")([[-0.5, -1.0]], [[0.5, 0.5]]).data, 6)
    0.056853
    """

    reduction: str = "mean"
    log_target: bool = False

    function = staticmethod(losses.kl_div)
    reductions = ("mean", "batchmean", *REDUCTIONS[1:])
