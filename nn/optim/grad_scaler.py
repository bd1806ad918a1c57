"""Mixed precision: narrow arithmetic with wide parameters, and a scale that keeps small gradients from vanishing.

>>> from tinygrad_lite.nn.layers.layers import MLP
>>> from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits
>>> from tinygrad_lite.nn.optim.optimizers import SGD
>>> model = MLP(2, [4, 1])
>>> optimizer, scaler = SGD(model.parameters(), lr=0.1), GradScaler(init_scale=1024.0)
>>> with autocast("float16"):
...     logit = model([1.0, -2.0])
>>> scaler.scale(binary_cross_entropy_with_logits(logit, 1)).backward()
>>> scaler.step(optimizer)
>>> scaler.update()
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from tinygrad_lite.modes import autocast
from tinygrad_lite.narrow_formats import rounded
from tinygrad_lite.value import Value

__all__ = ["GradScaler", "autocast", "round_parameters_"]


class _Optimizer(Protocol):
    """What the scaler needs of an optimiser."""

    param_groups: Any

    def step(self) -> Any: ...


class GradScaler:
    """Scales the loss up, so that small gradients survive a narrow format, and the gradients down again.

    The scale finds itself: a step whose gradients have an infinity or a NaN is skipped, and the scale is made smaller;
    after many steps without one it is made larger (Micikevicius et al. 2018, "Mixed precision training", section 3.2).

    Args:
        init_scale: The scale to begin with.
        growth_factor: What the scale is multiplied by after ``growth_interval`` good steps in a row.
        backoff_factor: What it is multiplied by after a skipped one.
        growth_interval: How many good steps that takes.
        enabled: Whether to do anything; False makes ``scale`` and ``step`` pass things through.

    Raises:
        ValueError: A number is out of its range.

    >>> scaler = GradScaler(init_scale=8.0)
    >>> x = Value(3.0)
    >>> scaler.scale(x * x).backward()
    >>> x.grad  # 8 times 2x
    48.0
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if not 0.0 < init_scale < math.inf:
            raise ValueError(f"init_scale is a positive, finite number, not {init_scale!r}")
        if not growth_factor > 1.0:
            raise ValueError(f"growth_factor is greater than 1, not {growth_factor!r}")
        if not 0.0 < backoff_factor < 1.0:
            raise ValueError(f"backoff_factor is between 0 and 1, not {backoff_factor!r}")
        if growth_interval < 1:
            raise ValueError(f"growth_interval is at least 1, not {growth_interval!r}")
        self.growth_factor = growth_factor
        self.backoff_factor = backoff_factor
        self.growth_interval = growth_interval
        self._enabled = enabled
        self._scale = float(init_scale)
        self._good_steps = 0
        #: since the last update: for each optimiser whether its gradients, now unscaled, are all finite
        self._unscaled: dict[int, bool] = {}
        self._stepped: set[int] = set()

    def scale(self, loss: Any) -> Any:
        """Return the loss times the scale, to call ``backward()`` on.

        Args:
            loss: A Value, or a list or tuple of these.
        """
        if not self._enabled:
            return loss
        if isinstance(loss, (list, tuple)):
            return type(loss)([self.scale(item) for item in loss])
        return loss * self._scale

    def unscale_(self, optimizer: _Optimizer) -> None:
        """Divide the gradients of the optimiser's parameters by the scale: to clip or to look at before ``step``.

        Raises:
            RuntimeError: That was done already since the last ``update()``.
        """
        if not self._enabled:
            return
        if id(optimizer) in self._unscaled:
            raise RuntimeError("the gradients of this optimizer are unscaled already: call update() after each step")
        finite = True
        for parameter in _parameters(optimizer):
            parameter.grad /= self._scale
            finite = finite and math.isfinite(parameter.grad)
        self._unscaled[id(optimizer)] = finite

    def step(self, optimizer: _Optimizer) -> Any:
        """Unscale the gradients if that was not done, and step, unless one of them is infinite or NaN.

        Returns:
            What ``optimizer.step()`` gives; None if the step was skipped.

        Raises:
            RuntimeError: The optimiser stepped already since the last ``update()``.
        """
        if not self._enabled:
            return optimizer.step()
        if id(optimizer) in self._stepped:
            raise RuntimeError("this optimizer has stepped already since the last update(): call update() after step()")
        if id(optimizer) not in self._unscaled:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return optimizer.step() if self._unscaled[id(optimizer)] else None

    def update(self, new_scale: float | None = None) -> None:
        """Make the scale smaller after a skipped step, larger after many good ones; or set it.

        Args:
            new_scale: What to set it to.

        Raises:
            RuntimeError: No gradients were unscaled since the last update.
            ValueError: The new scale is not positive and finite.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            if not 0.0 < new_scale < math.inf:
                raise ValueError(f"new_scale is a positive, finite number, not {new_scale!r}")
            self._scale = float(new_scale)
        elif not self._unscaled:
            raise RuntimeError("update() follows step() or unscale_(): no gradients were looked at since the last one")
        elif not all(self._unscaled.values()):
            self._scale *= self.backoff_factor
            self._good_steps = 0
        else:
            self._good_steps += 1
            if self._good_steps == self.growth_interval:
                larger = self._scale * self.growth_factor
                self._scale = larger if larger < math.inf else self._scale
                self._good_steps = 0
        self._unscaled.clear()
        self._stepped.clear()

    def get_scale(self) -> float:
        """Return the scale; 1 if the scaler is not enabled.

        >>> GradScaler().get_scale()
        65536.0
        """
        return self._scale if self._enabled else 1.0

    def is_enabled(self) -> bool:
        """Tell whether it does anything."""
        return self._enabled

    @property
    def found_inf(self) -> bool:
        """Whether gradients that were unscaled since the last ``update()`` have an infinity or a NaN."""
        return not all(self._unscaled.values())

    def state_dict(self) -> dict[str, Any]:
        """Return its numbers.

        >>> GradScaler().state_dict()["scale"]
        65536.0
        """
        return {"scale": self._scale, "good_steps": self._good_steps} | {
            name: getattr(self, name) for name in _SETTINGS
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what ``state_dict()`` gave.

        Raises:
            ValueError: It is no such state; nothing is changed.
        """
        names = {"scale", "good_steps", *_SETTINGS}
        if set(state_dict) != names:
            raise ValueError(f"the state of a GradScaler has {sorted(names)}, not {sorted(map(str, state_dict))}")
        GradScaler(state_dict["scale"], *(state_dict[name] for name in _SETTINGS))  # raises what is wrong with them
        self._scale = float(state_dict["scale"])
        self._good_steps = int(state_dict["good_steps"])
        for name in _SETTINGS:
            setattr(self, name, state_dict[name])

    def __repr__(self) -> str:
        return f"GradScaler(scale={self._scale!r}, enabled={self._enabled})"


_SETTINGS: Final = ("growth_factor", "backoff_factor", "growth_interval")


def round_parameters_(parameters: Iterable[Value], dtype: str = "float32") -> None:
    """Round the data of each parameter, after each step, for master copies in float32 where float64 is not wanted.

    Args:
        parameters: Leaf Values.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``.

    Raises:
        ValueError: There is no such format.

    >>> x = Value(0.1)
    >>> round_parameters_([x])
    >>> x.data
    0.10000000149011612
    """
    for parameter in parameters:
        parameter.data = rounded(parameter.data, dtype)


def _parameters(optimizer: _Optimizer) -> Iterable[Value]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"] if parameter.requires_grad)
