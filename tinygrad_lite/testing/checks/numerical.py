"""Findings on functions that have an operation without a formula: what is left is their floats, at many points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lite.testing.checks.calls import Call
from tinygrad_lite.testing.oracles.deciding import below, judged
from tinygrad_lite.testing.oracles.differences import is_flat
from tinygrad_lite.testing.oracles.oracles import finite_difference
from tinygrad_lite.testing.oracles.verdicts import Finding, Verdict
from tinygrad_lite.transforms import gradient
from tinygrad_lite.value import Value

#: A float derivative of one more order is rounded as often again; half of its digits are a safe allowance.
_SLACK = 2.0**-26


def findings_by_differences(call: Call, point: Sequence[float], order: int) -> list[Finding]:
    """Each derivative, held against differences of the one before it.

    Args:
        call: The function.
        point: Where.
        order: The highest order. Above the first, what is differenced is the engine's own derivative of the order
            before, which has been checked by then.
    """
    found = []
    for level in range(1, order + 1):
        for path in _paths(len(point), level):
            *before, last = path
            names = ", ".join(call.names[i] for i in path)
            outputs, _ = call(point)
            for k in range(len(outputs)):
                estimate = finite_difference(_moving(call, point, k, before, last), point[last])
                got = _derivative(call, point, k, path)
                verdict, low, high, reason = judged(got, estimate, _SLACK * abs(got), 0.0)
                flat = verdict is Verdict.CORRECT and got == 0.0 == estimate.around
                if flat and not is_flat(_moving(call, point, k, before, last), point[last]):
                    verdict, reason = Verdict.UNDECIDED, below(estimate.error, got)
                tolerance = 2.0 * estimate.error + _SLACK * abs(got)
                name = call.output_names[k]
                found.append(Finding(names, name, level, got, low, high, tolerance, estimate.oracle, verdict, reason))
    return found


def _paths(count: int, level: int) -> list[tuple[int, ...]]:
    """By which inputs: each alone, and of higher orders each with itself and with the next."""
    if level == 1:
        return [(i,) for i in range(count)]
    return sorted({(*[i] * (level - 1), j) for i in range(count) for j in (i, (i + 1) % count)})


def _moving(call: Call, point: Sequence[float], k: int, before: Sequence[int], last: int) -> Callable[[float], float]:
    """Return the derivative by the inputs before the last, as a function of the last."""

    def along(x: float) -> float:
        moved = [*point[:last], x, *point[last + 1 :]]
        return _derivative(call, moved, k, before)

    return along


def _derivative(call: Call, point: Sequence[float], k: int, path: Sequence[int]) -> float:
    """Return what the engine gives; the value for an empty path."""
    with call.restored():
        outputs, inputs = call(point)
        scalar: Any = outputs[k]
        for i in path:
            scalar = gradient(scalar, inputs, create_graph=True)[i]
        return scalar.data if isinstance(scalar, Value) else math.nan
