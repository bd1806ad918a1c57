"""Gradients that are too long are shortened before a step (Pascanu et al. 2013)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

from tinygrad_lite.nn.base.hyperparameters import ABOVE_ZERO, AT_LEAST_ZERO, as_float
from tinygrad_lite.value import Value


def clip_grad_norm_(
    parameters: Value | Iterable[Value],
    max_norm: float,
    norm_type: float | Literal["inf"] = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients by one factor, so that their norm is at most ``max_norm``: the direction stays.

    The factor is max_norm/(norm + 10⁻⁶), where that is less than 1, as in PyTorch. After Pascanu et al. (2013, "On the
    difficulty of training recurrent neural networks", algorithm 1). Frozen parameters are left out.

    Args:
        parameters: Values whose gradients are taken together as one vector.
        max_norm: The greatest norm allowed, at least 0.
        norm_type: p > 0 of the norm (Σ|g|ᵖ)^(1/p); ``math.inf``, or ``"inf"``, for the greatest |g|.
        error_if_nonfinite: Whether an infinite gradient, or nan, is an error. If not, the factor is 0 or nan.

    Returns:
        The norm before. The squares of huge gradients do not overflow on the way.

    Raises:
        TypeError: A parameter is no Value, or a number is none.
        ValueError: ``max_norm`` or ``norm_type`` is out of its range.
        RuntimeError: A gradient is infinite or nan, with ``error_if_nonfinite``; PyTorch's class of error.

    >>> x, y = Value(1.0), Value(1.0)
    >>> (3.0 * x + 4.0 * y).backward()
    >>> clip_grad_norm_([x, y], max_norm=1.0)
    5.0
    >>> round(x.grad, 6), round(y.grad, 6)
    (0.6, 0.8)
    """
    moving = _moving(parameters, "clip_grad_norm_")
    limit = math.inf if max_norm == math.inf else AT_LEAST_ZERO("max_norm", max_norm)
    order = as_float("norm_type", math.inf if norm_type == "inf" else norm_type)
    if not order > 0.0:
        raise ValueError(f"norm_type is above 0, not {norm_type!r}")
    gradients = [parameter.grad for parameter in moving]
    greatest = max(map(abs, gradients), default=0.0)
    if not all(map(math.isfinite, gradients)):
        norm = math.nan if any(map(math.isnan, gradients)) else math.inf
        if error_if_nonfinite:
            raise RuntimeError(
                f"the norm of the gradients is {norm}, so they cannot be clipped: find where that came from with "
                "detect_anomaly(), or pass error_if_nonfinite=False"
            )
        factor = norm if math.isnan(norm) else 0.0
    elif greatest == 0.0:
        return 0.0
    else:
        # relative to the greatest one, no power overflows, and of the norm's own overflow the factor knows nothing
        relative = _norm([gradient / greatest for gradient in gradients], order)
        norm = greatest * relative
        factor = (limit / greatest) / (relative + 1e-6 / greatest)
    if not factor >= 1.0:
        for parameter, gradient in zip(moving, gradients, strict=True):
            parameter.grad = gradient * factor
    return norm


def clip_grad_value_(parameters: Value | Iterable[Value], clip_value: float) -> None:
    """Cut every gradient off at −clip_value and clip_value, each by itself.

    Args:
        parameters: Values.
        clip_value: The greatest absolute value allowed, above 0.

    Raises:
        TypeError: A parameter is no Value, or the limit is no number.
        ValueError: The limit is not positive.

    >>> x, y = Value(1.0), Value(1.0)
    >>> (3.0 * x - 0.5 * y).backward()
    >>> clip_grad_value_([x, y], 1.0)
    >>> x.grad, y.grad
    (1.0, -0.5)
    """
    limit = math.inf if clip_value == math.inf else ABOVE_ZERO("clip_value", clip_value)
    for parameter in _moving(parameters, "clip_grad_value_"):
        if abs(parameter.grad) > limit:
            parameter.grad = math.copysign(limit, parameter.grad)


def _norm(numbers: list[float], order: float) -> float:
    """Return the norm of numbers of which the greatest is 1."""
    if order == 2.0:
        return math.hypot(*numbers)
    if order == math.inf:
        return 1.0
    return math.pow(math.fsum(math.pow(abs(x), order) for x in numbers), 1.0 / order)


def _moving(parameters: Any, who: str) -> list[Value]:
    """Return the parameters that are not frozen."""
    if isinstance(parameters, Value):
        return [parameters] if parameters.requires_grad else []
    if not isinstance(parameters, Iterable):
        raise TypeError(f"{who} takes a Value, or a list of Values, not {type(parameters).__name__} {parameters!r}")
    found = list(parameters)
    for i, parameter in enumerate(found):
        if not isinstance(parameter, Value):
            raise TypeError(f"{who}: parameter {i} is a {type(parameter).__name__}, {parameter!r}, and no Value")
    return [parameter for parameter in found if parameter.requires_grad]
